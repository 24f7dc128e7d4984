/* image.c - memory of a picture, and conversion of its channels and depth. */
#include "pictures/image.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>

pyr_status pyr_image_new(pyr_image *out, int64_t h, int64_t w, int c, int bits, const char *name)
{
    assert(c >= 1 && c <= 4 && (bits == 8 || bits == 16));
    *out = (pyr_image){0};
    if (h < 1 || w < 1 || h > PYR_IMAGE_SIDE || w > PYR_IMAGE_SIDE)
        return pyr_fail(PYR_E_FORMAT, "%s: the image is %lldx%lld, a side should be 1..%d", name,
                        (long long)h, (long long)w, PYR_IMAGE_SIDE);
    uint64_t bytes = (uint64_t)h * (uint64_t)w * (uint64_t)(c * bits / 8);
    if (bytes > PYR_IMAGE_BYTES)
        return pyr_fail(
            PYR_E_FORMAT, "%s: the image is %lldx%lld and takes %llu bytes, at most %llu are read", name,
            (long long)h, (long long)w, (unsigned long long)bytes, (unsigned long long)PYR_IMAGE_BYTES);
    PYR_TRY(pyr_new(&out->at, (size_t)bytes, 1, name));
    out->h = (int)h;
    out->w = (int)w;
    out->c = c;
    out->bits = bits;
    return PYR_OK;
}

void pyr_image_free(pyr_image *image)
{
    pyr_free(image->at);
    *image = (pyr_image){0};
}

size_t pyr_image_bytes(const pyr_image *image)
{
    return (size_t)image->h * (size_t)image->w * (size_t)(image->c * image->bits / 8);
}

bool pyr_image_opaque(const pyr_image *image)
{
    size_t c = (size_t)image->c, n = (size_t)image->h * (size_t)image->w;
    uint32_t top = (UINT32_C(1) << image->bits) - 1;

    if (c == 1 || c == 3)
        return true;
    for (size_t i = 0; i < n; i++)
        if (pyr_image_get(image, i * c + c - 1) != top)
            return false;
    return true;
}

void pyr_image_convert(void *dst, const pyr_image *src, int channels, int bits)
{
    size_t n = (size_t)src->h * (size_t)src->w, from = (size_t)src->c, to = (size_t)channels;
    uint32_t top = (UINT32_C(1) << src->bits) - 1;
    size_t colours = from < 3 ? 1 : 3;

    assert(channels >= 1 && channels <= 4 && (bits == 8 || bits == 16));
    if (channels == src->c && bits == src->bits) {
        memcpy(dst, src->at, pyr_image_bytes(src));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t rgba[4], grey;

        for (size_t j = 0; j < 3; j++)
            rgba[j] = pyr_image_get(src, i * from + (colours == 3 ? j : 0));
        rgba[3] = from == 2 || from == 4 ? pyr_image_get(src, i * from + from - 1) : top;
        if (to == 1 || to == 3)
            for (size_t j = 0; j < 3; j++)
                rgba[j] = (rgba[j] * rgba[3] + top / 2) / top; /* at most 65535 * 65535 + 32767 */
        grey = colours == 1 ? rgba[0] : (299 * rgba[0] + 587 * rgba[1] + 114 * rgba[2] + 500) / 1000;
        for (size_t j = 0; j < to; j++) {
            uint32_t v = j + 1 == to && to % 2 == 0 ? rgba[3] : to < 3 ? grey : rgba[j];

            if (bits == 16)
                ((uint16_t *)dst)[i * to + j] = (uint16_t)(src->bits == 8 ? v * 257 : v);
            else
                ((uint8_t *)dst)[i * to + j] = (uint8_t)(src->bits == 16 ? (v + 128) / 257 : v);
        }
    }
}

const char *pyr_channels_name(int channels)
{
    static const char *const names[] = {"grey", "grey+alpha", "RGB", "RGBA"};

    assert(channels >= 1 && channels <= 4);
    return names[channels - 1];
}
