/* buffers.h - between images in a caller's memory, with strides, and those of the library: floats or samples
 * without gaps. */
#ifndef PYR_API_BUFFERS_H
#define PYR_API_BUFFERS_H

#include "base/status.h"
#include "include/pyrdiff.h"
#include "kernels/kernels.h"
#include "pictures/image.h"

/* Whether it is n images (n 0: any number, at least one) of this size (h 0: any), and its strides, with those
 * that are 0 filled in. `name` is for sentences: "the mask". PYR_E_SHAPE, PYR_E_ARG. */
pyr_status pyr_buffer_check(pyrdiff_images *out, const pyrdiff_images *images, const char *name, int64_t n,
                            pyr_shape shape);

/* Images first .. first + n - 1 of a checked buffer as numbers in [-1, 1], into dst, without gaps. */
void pyr_buffer_floats(float *dst, const pyrdiff_images *from, int64_t first, int64_t n);
void pyr_buffer_doubles(double *dst, const pyrdiff_images *from, int64_t first, int64_t n);

/* The other way; numbers into bytes and words as pictures/pixels.h has it. */
void pyr_buffer_put_floats(const pyrdiff_images *to, int64_t first, int64_t n, const float *src);
void pyr_buffer_put_doubles(const pyrdiff_images *to, int64_t first, int64_t n, const double *src);

/* The depth that loses nothing, or least: 8 for bytes, and for numbers that are all those of bytes, else 16. */
int pyr_buffer_bits(const pyrdiff_images *from);
/* All images as samples of `bits`, without gaps; a new block (pyr_free). PYR_E_NOMEM. */
pyr_status pyr_buffer_samples(void **out, const pyrdiff_images *from, int bits);
/* Image i as a picture; the caller ends *out with pyr_image_free. */
pyr_status pyr_buffer_picture(pyr_image *out, const pyrdiff_images *from, int64_t i, int bits,
                              const char *name);
/* A picture into image i of a checked buffer of its size: channels are converted, and samples. */
pyr_status pyr_buffer_put_picture(const pyrdiff_images *to, int64_t i, const pyr_image *image);

#endif
