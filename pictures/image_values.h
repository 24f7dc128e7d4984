/* image_values.h - between a picture and image values in [-1, 1] (pixels.h), of 8 or 16 bits: where pictures
 * that a model is given come in, and those that it makes go out, in the depth of its data. */
#ifndef PYR_PICTURES_IMAGE_VALUES_H
#define PYR_PICTURES_IMAGE_VALUES_H

#include "pictures/image.h"

/* dst: h * w * channels values of `src`, which is brought to so many channels and to samples of `bits` first
 * (pyr_image_convert). PYR_E_NOMEM. */
pyr_status pyr_image_to_values(float *dst, const pyr_image *src, int channels, int bits);

/* A picture of h * w * c values, with samples of `bits`; the caller ends it with pyr_image_free. `name` is
 * the file in sentences. Fails as pyr_image_new. */
pyr_status pyr_image_from_values(pyr_image *out, const float *values, int h, int w, int c, int bits,
                                 const char *name);

#endif
