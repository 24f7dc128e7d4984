/* image_values.c - a picture to image values and back, in 8 or 16 bits. */
#include "pictures/image_values.h"

#include "base/mem.h"
#include "pictures/pixels.h"

pyr_status pyr_image_to_values(float *dst, const pyr_image *src, int channels, int bits)
{
    size_t n = (size_t)src->h * (size_t)src->w * (size_t)channels;
    uint16_t *samples; /* room for either kind */

    PYR_TRY(pyr_new(&samples, n, sizeof *samples, "a picture"));
    pyr_image_convert(samples, src, channels, bits);
    pyr_pixels_from_samples(dst, samples, bits, n);
    pyr_free(samples);
    return PYR_OK;
}

pyr_status pyr_image_from_values(pyr_image *out, const float *values, int h, int w, int c, int bits,
                                 const char *name)
{
    PYR_TRY(pyr_image_new(out, h, w, c, bits, name));
    pyr_pixels_to_samples(out->at, values, bits, (size_t)h * (size_t)w * (size_t)c);
    return PYR_OK;
}
