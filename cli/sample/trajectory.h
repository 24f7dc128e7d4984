/* trajectory.h - the path from noise to an image, as a picture: what sampling has at some moments of every
 * level. */
#ifndef PYR_CLI_SAMPLE_TRAJECTORY_H
#define PYR_CLI_SAMPLE_TRAJECTORY_H

#include "cascade/model.h"
#include "pictures/png_file.h"

typedef struct pyr_trajectory pyr_trajectory;

/* Of up to `batch` images drawn at a time. `model` is borrowed. */
pyr_status pyr_trajectory_new(pyr_trajectory **out, const pyr_model *model, int batch);
void pyr_trajectory_free(pyr_trajectory *t); /* NULL is a no-op */

/* At most `batch`, so that what is kept fits into 256 MiB (but one image always). */
int pyr_trajectory_batch(const pyr_model *model, int batch);

/* For pyr_model_draw: it looks on and changes nothing, except that rk45 halts at every noise level of the
 * grid. Borrowed. */
const pyr_model_hooks *pyr_trajectory_hooks(const pyr_trajectory *t);

/* The picture of image j of the last draw: a block for each level, the coarsest first, all enlarged to one
 * size; from left to right up to 10 moments, as evenly spread over the steps as they can be. Upper row: the
 * image that x / sqrt(1 + s^2) stands for, x being scaled to the size of data, so that noise looks like noise
 * of the data's contrast; lower row: the denoised estimate. */
pyr_status pyr_trajectory_write(const pyr_trajectory *t, const char *path, int j, int zoom,
                                const pyr_png_text *text, size_t texts);

#endif
