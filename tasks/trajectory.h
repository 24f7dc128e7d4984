/* trajectory.h - the path from noise to an image: what sampling has at some moments of every level. */
#ifndef PYR_TASKS_TRAJECTORY_H
#define PYR_TASKS_TRAJECTORY_H

#include "cascade/model.h"

/* Up to so many moments of a level, as evenly spread over the steps as they can be; of each two images. */
enum { PYR_TRAJECTORY_MOMENTS = 10, PYR_TRAJECTORY_FRAMES = 2 * PYR_TRAJECTORY_MOMENTS };

typedef struct pyr_trajectory pyr_trajectory;

/* Of up to `batch` images drawn at a time. `model` is borrowed. PYR_E_NOMEM. */
pyr_status pyr_trajectory_new(pyr_trajectory **out, const pyr_model *model, int batch);
void pyr_trajectory_free(pyr_trajectory *t); /* NULL is a no-op */

/* For pyr_model_draw: it looks on and changes nothing, except that rk45 halts at every noise level of the
 * grid. Borrowed. */
const pyr_model_hooks *pyr_trajectory_hooks(const pyr_trajectory *t);

/* Of the last draw: for each image PYR_TRAJECTORY_FRAMES images of the level (batch x FRAMES x h x w x c).
 * First the moments of the image that x / sqrt(1 + s^2) stands for, x being scaled to the size of data, so
 * that noise looks like noise of the data's contrast; then those of the denoised estimate. Borrowed. */
const float *pyr_trajectory_frames(const pyr_trajectory *t, int level);

#endif
