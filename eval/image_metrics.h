/* image_metrics.h - how far two sets of images are apart, without a network: on pixels.
 *
 * Images are n x h x w x c of 8 bits, NHWC, host. In values, a pixel p is (2p - 255)/256, as in training.
 */
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
} pyr_pixels_set;

enum { PYR_SWD_LEVELS = 12 };

/* Sliced Wasserstein distance per level of a Laplacian pyramid, as progressive GANs report it (Karras et al.
 * 2018, section 5): 7x7 patches, 128 per image, normalised per channel to mean 0 and deviation 1, 512 random
 * projections, mean absolute difference of the sorted values, times 1000. out[0] is the finest level; levels
 * whose shorter side is under 7 use the whole side as patch. *levels: how many. Both sets are cut to the
 * smaller n. */
pyr_status pyr_sliced_wasserstein(double out[PYR_SWD_LEVELS], int *levels, const pyr_pixels_set *a,
                                  const pyr_pixels_set *b, uint64_t seed, pyr_pool *pool);

/* Root mean square difference of the log10 of two sets' mean radial power spectra (pyramid/spectrum.h), over
 * the bins above frequency 0. */
pyr_status pyr_spectrum_distance(double *out, const pyr_pixels_set *a, const pyr_pixels_set *b);

/* Length of the difference of the sets' mean colours, in values (the images span 2). PYR_E_SHAPE. */
pyr_status pyr_colour_drift(double *out, const pyr_pixels_set *a, const pyr_pixels_set *b);

#endif
