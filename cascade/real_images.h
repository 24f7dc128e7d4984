/* real_images.h - the images of a data set at the levels of a pyramid: the conditions of a level that is used
 * on its own, and what its samples are compared with. */
#ifndef PYR_CASCADE_REAL_IMAGES_H
#define PYR_CASCADE_REAL_IMAGES_H

#include "images/dataset.h"
#include "pyramid/pyramid.h"

typedef struct pyr_real_images {
    pyr_kernels *k; /* borrowed, as the next two */
    const pyr_pyramid *pyramid;
    const pyr_dataset *data; /* of the pyramid's size */
    int batch;               /* images at a time, at most */
    float *host;             /* at level 0 */
    void *fine, *coarse, *scratch;
} pyr_real_images;

/* End *out with _free, on failure too. PYR_E_NOMEM. */
pyr_status pyr_real_images_new(pyr_real_images *out, pyr_kernels *k, const pyr_pyramid *pyramid,
                               const pyr_dataset *data, int batch);
void pyr_real_images_free(pyr_real_images *r); /* no-op on {0} */

/* The training image that a seed chooses, of the class `label` if that is not negative and the data have
 * labels: every image once before one comes again, in an order that looks random. */
int64_t pyr_real_image_of_seed(const pyr_dataset *data, uint64_t seed, int label);

/* Those n images of a split (index[n]) at the levels from `finest` on: image[i] (host, n x I_i), where it is
 * not NULL. On one lane. */
pyr_status pyr_real_images_take(pyr_real_images *r, pyr_split split, const int64_t *index, int n, int finest,
                                float *const image[PYR_MAX_LEVELS]);

/* I_level of all images of `data`, rounded to its bits: a data set with the same split and labels.
 * PYR_E_NOMEM, PYR_E_STOPPED. */
pyr_status pyr_level_dataset(pyr_dataset **out, pyr_kernels *k, const pyr_pyramid *pyramid,
                             const pyr_dataset *data, int level);

#endif
