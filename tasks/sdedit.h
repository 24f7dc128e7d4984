/* sdedit.h - drawing a picture again from somewhere between its own noise and none: SDEdit by level.
 *
 * Each level starts from x = z + S eps with the picture's own z and goes down from there (Meng et al. 2022,
 * "SDEdit", algorithm 1, in x = z_t / alpha): a small S keeps all but the finest traits of that level, one at
 * the end of the schedule keeps nothing. S = 0 keeps the level's variable as it is. A residual is that of the
 * picture, not of the coarse image that was drawn.
 *
 * With a mask the part outside of it stays (there, algorithm 3): after each step it is put back with noise of that
 * size, as in inpainting (known.h). Strokes that are painted over the picture before make it a guide of what is
 * wanted; what stays is the picture without them. */
#ifndef PYR_TASKS_SDEDIT_H
#define PYR_TASKS_SDEDIT_H

#include "cascade/model.h"

typedef struct pyr_vary pyr_vary;

/* `image` is I_0 (h w c, in [-1, 1]). from[i]: S of level i, standardised units; at the end of the schedule's
 * range and over it the level is drawn freely. regenerate[h w]: 0 where `kept` stays (as `image`; NULL: that itself); NULL: nowhere.
 * PYR_E_ARG: 0 < S <= the schedule's smallest, PYR_E_NOMEM. The model is borrowed. */
pyr_status pyr_vary_new(pyr_vary **out, pyr_model *m, const float *image, const double *from,
                        const uint8_t *regenerate, const float *kept);
void pyr_vary_free(pyr_vary *vary); /* NULL is a no-op */

/* Where each level starts, by its index, as it is typed: `text` is one noise level, or one a level from the
 * coarsest on ("2,1,0.5"; "": drawn freely), and levels over `keep` (-1: none) stay. PYR_E_ARG names --from or
 * --keep-levels-above. */
#define PYR_VARY_FREELY 1e30 /* over every schedule */
pyr_status pyr_vary_from(double *from, const char *text, int keep, int levels);
/* Coarsest levels that stay are given as the image that they make together, so that nobody needs to draw them:
 * *out is that of *level, for the caller to free; NULL when the coarsest does not stay. PYR_E_NOMEM; PYR_E_ARG
 * when all stay. */
pyr_status pyr_vary_given(float **out, int *level, const pyr_model *m, const float *image,
                          const double *from);

/* For pyr_model_draw; valid as long as `vary`. */
const pyr_model_hooks *pyr_vary_hooks(const pyr_vary *vary);

#endif
