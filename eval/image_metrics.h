/* image_metrics.h - how far two sets of images are apart, without a network: on pixels.
 *
 * Images are n x h x w x c, NHWC, host, of 8 bits, or of 16 where both sets have them. In values, a pixel p
 * is (2p - 255)/256 or (2p - 65535)/65536, as in training. */
#ifndef PYR_EVAL_IMAGE_METRICS_H
#define PYR_EVAL_IMAGE_METRICS_H

#include "base/status.h"
#include "base/threads.h"
#include <stdint.h>

/* A borrowed set of images of one size. */
typedef struct pyr_pixels_set {
    int64_t n;
    int h, w, c;
    const uint8_t *pixels;
    const uint16_t *words; /* the same in 16 bits; NULL: there are only 8 */
} pyr_pixels_set;

enum { PYR_SWD_LEVELS = 12, PYR_SWD_IMAGES = 16384 };

/* Sliced Wasserstein distance per level of a Laplacian pyramid, as progressive GANs report it (Karras et al.
 * 2018, section 5): 7x7 patches, 128 per image, normalised per set and channel to mean 0 and deviation 1, 512
 * random projections, mean absolute difference of the sorted values, times 1000.
 *
 * The pyramid is Burt & Adelson's with the kernel (1 4 6 4 1)/16 and mirrored borders (the edge not
 * repeated). out[0] is the finest level; a level is halved, rounding up, as long as the next one's shorter
 * side is 7 or more; the last level is the low-pass image itself. *levels: how many. Sides of images under 7
 * are the patch's. Both sets are cut to the smaller n, and to PYR_SWD_IMAGES: the descriptors of one level
 * take 128 * 49 * c * 4 bytes an image of both sets. A patch lies at the same place in image i of both sets,
 * so that a set's distance to itself is 0. PYR_E_SHAPE: the sizes differ; PYR_E_ARG: no images;
 * PYR_E_NOMEM. */
pyr_status pyr_sliced_wasserstein(double out[PYR_SWD_LEVELS], int *levels, const pyr_pixels_set *a,
                                  const pyr_pixels_set *b, uint64_t seed, pyr_pool *pool);
/* How many images of each set it is of. */
int64_t pyr_swd_images(const pyr_pixels_set *a, const pyr_pixels_set *b);

/* Root mean square difference of the log10 of two sets' mean radial power spectra (pyramid/spectrum.h), over
 * the bins above frequency 0; powers under 1e-12 count as 1e-12 (rounding to 8 bits alone has 5e-6).
 * PYR_E_SHAPE: the sizes differ, or a side is 1; PYR_E_ARG: no images. */
pyr_status pyr_spectrum_distance(double *out, const pyr_pixels_set *a, const pyr_pixels_set *b);

/* Length of the difference of the sets' mean colours, in values (the images span 2). PYR_E_SHAPE; PYR_E_ARG:
 * no images. */
pyr_status pyr_colour_drift(double *out, const pyr_pixels_set *a, const pyr_pixels_set *b);

/* For these metrics and others of pixels. Both sets have images (PYR_E_ARG), of one size (PYR_E_SHAPE). */
pyr_status pyr_pixels_check(const pyr_pixels_set *a, const pyr_pixels_set *b);
/* The depth at which the two are compared: 16 when both have it, else 8. */
int pyr_pixels_bits(const pyr_pixels_set *a, const pyr_pixels_set *b);

#endif
