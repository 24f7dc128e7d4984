/* resize.h - another size for an image.
 *
 * Each axis is resampled on its own, in double, rounded once at the end: smaller by area averaging (an
 * output sample is the mean of the stretch of input that it covers, with fractional ends), larger by linear
 * interpolation between sample centres, the edge replicated. Neither rings, and a constant stays itself.
 * Colours are weighted by alpha where there is one, so that what hides under transparent pixels does not
 * bleed in. */
#ifndef PYR_PICTURES_RESIZE_H
#define PYR_PICTURES_RESIZE_H

#include "pictures/image.h"

typedef enum pyr_fit {
    PYR_FIT_STRETCH, /* resample to the size, whatever the aspect becomes */
    PYR_FIT_ASPECT,  /* cut the centre to the aspect of the size, then resample */
    PYR_FIT_CENTRE   /* cut the centre out, no resampling; the image is at least as large */
} pyr_fit;

/* *out becomes a new image of h x w (both 1..PYR_IMAGE_SIDE) with the channels
 * and bits of `src`; the caller frees it. */
pyr_status pyr_image_fit(pyr_image *out, const pyr_image *src, int h, int w, pyr_fit fit);

#endif
