/* layers.h - a picture taken apart by a model's pyramid, as tasks need it: in host doubles, which hold every
 * number of a backend exactly. */
#ifndef PYR_TASKS_LAYERS_H
#define PYR_TASKS_LAYERS_H

#include "cascade/model.h"

typedef struct pyr_layers {
    int levels;
    double *image[PYR_MAX_LEVELS];     /* I_i, rounded as analysis of data does */
    double *variable[PYR_MAX_LEVELS];  /* standardised, z_i = (r_i - mean) / std */
    double *condition[PYR_MAX_LEVELS]; /* l_i (of bands I_{i+1}), image units; NULL at the coarsest level */
} pyr_layers;

/* Of one picture image0 (h w c of the model, in [-1, 1]). The caller frees it, on failure too.
 * PYR_E_NOMEM. */
pyr_status pyr_layers_new(pyr_layers *out, const pyr_model *m, const float *image0);
void pyr_layers_free(pyr_layers *layers); /* no-op on {0} */

#endif
