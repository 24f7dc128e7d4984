/* projected.h - gradients through a level that was projected (pyr_pyramid_project). */
#ifndef PYR_PYRAMID_PROJECTED_H
#define PYR_PYRAMID_PROJECTED_H

#include "pyramid/pyramid.h"

/* From the gradient of I_level = l + r with r projected onto d(l + r) = I_{level+1}, l = u(I_{level+1}): that
 * of the r that was given, and that of I_{level+1}, which acts by its condition and by the projection.
 * Without projection in the settings the same without it. n images each; outputs must not overlap dimage. Not
 * of bands, not at the coarsest level. */
void pyr_pyramid_project_adjoint(const pyr_pyramid *p, int level, int n, const void *dimage, void *dvariable,
                                 void *dcoarse, void *scratch);

#endif
