/* pixels.h - between samples of a file and image values in [-1, 1].
 *
 * A sample p becomes the dyadic number (2p - 255)/256 (8 bits) or (2p - 65535)/65536 (16 bits): exact in
 * float, symmetric about 0, and short enough that the pyramid of an image is inverted bit for bit. The way
 * back is p = round((256 x + 255)/2), clamped, halves up; it undoes the way in exactly. A value that is not
 * a number becomes 0. */
#ifndef PYR_PICTURES_PIXELS_H
#define PYR_PICTURES_PIXELS_H

#include "pictures/image.h"

void pyr_pixels_from_bytes(float *dst, const uint8_t *src, size_t n);
void pyr_pixels_from_words(float *dst, const uint16_t *src, size_t n);
void pyr_pixels_to_bytes(uint8_t *dst, const float *src, size_t n);
void pyr_pixels_to_words(uint16_t *dst, const float *src, size_t n);

/* The same for samples of 8 bits (uint8_t) or 16 (uint16_t). */
void pyr_pixels_from_samples(float *dst, const void *src, int bits, size_t n);
void pyr_pixels_to_samples(void *dst, const float *src, int bits, size_t n);

/* Of a whole picture. dst: h * w * channels values of `src`, which is brought to so many channels and to samples of `bits` first
 * (pyr_image_convert). PYR_E_NOMEM. */
pyr_status pyr_image_to_values(float *dst, const pyr_image *src, int channels, int bits);

/* A picture of h * w * c values, with samples of `bits`; the caller ends it with pyr_image_free. `name` is
 * the file in sentences. Fails as pyr_image_new. */
pyr_status pyr_image_from_values(pyr_image *out, const float *values, int h, int w, int c, int bits,
                                 const char *name);

#endif
