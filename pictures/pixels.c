/* pixels.c - samples of 8 and 16 bits to dyadic numbers in [-1, 1] and back, exactly. */
#include "pictures/pixels.h"

#include "base/mem.h"

void pyr_pixels_from_bytes(float *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(2 * src[i] - 255) * 0x1p-8f;
}

void pyr_pixels_from_words(float *dst, const uint16_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(2 * (int32_t)src[i] - 65535) * 0x1p-16f;
}

/* round((256 x + 255)/2) = floor(128 x + 127.5 + 0.5), and a float above 0 is
 * floored by the cast. The comparisons send NaN to 0. */
void pyr_pixels_to_bytes(uint8_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = src[i] * 128.0f + 128.0f;

        dst[i] = v > 0.0f ? (v < 255.0f ? (uint8_t)v : 255) : 0;
    }
}

void pyr_pixels_to_words(uint16_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = src[i] * 32768.0f + 32768.0f;

        dst[i] = v > 0.0f ? (v < 65535.0f ? (uint16_t)v : 65535) : 0;
    }
}

void pyr_pixels_from_samples(float *dst, const void *src, int bits, size_t n)
{
    if (bits == 16)
        pyr_pixels_from_words(dst, src, n);
    else
        pyr_pixels_from_bytes(dst, src, n);
}

void pyr_pixels_to_samples(void *dst, const float *src, int bits, size_t n)
{
    if (bits == 16)
        pyr_pixels_to_words(dst, src, n);
    else
        pyr_pixels_to_bytes(dst, src, n);
}

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
