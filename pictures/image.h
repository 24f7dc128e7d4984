/* image.h - one picture in memory, as a file holds it.
 *
 * Samples are unsigned, interleaved HWC, without padding: uint8_t (bits 8) or uint16_t in the machine's
 * order (bits 16). Channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA; alpha is straight (not premultiplied).
 * What a file says about gamma or colour profile is not applied. */
#ifndef PYR_PICTURES_IMAGE_H
#define PYR_PICTURES_IMAGE_H

#include "base/status.h"
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYR_IMAGE_SIDE 65536                /* largest height and width */
#define PYR_IMAGE_BYTES (UINT64_C(1) << 31) /* largest size in memory */
#define PYR_IMAGE_FILE (UINT64_C(1) << 30)  /* largest picture file that is read */

typedef struct pyr_image {
    void *at; /* h * w * c samples */
    int h, w, c;
    int bits;    /* 8 or 16 */
    bool turned; /* it was turned or mirrored on reading, as the orientation in its file says */
} pyr_image;

/* A black picture; the caller ends it with pyr_image_free. PYR_E_FORMAT when a side is not 1..PYR_IMAGE_SIDE
 * or the whole is over PYR_IMAGE_BYTES; `name` is the file in the sentence. c is 1..4, bits 8 or 16. */
pyr_status pyr_image_new(pyr_image *out, int64_t h, int64_t w, int c, int bits, const char *name);
void pyr_image_free(pyr_image *image); /* back to {0}; no-op on {0} */

size_t pyr_image_bytes(const pyr_image *image);

/* Sample i of the picture. */
static inline uint32_t pyr_image_get(const pyr_image *image, size_t i)
{
    return image->bits == 8 ? ((const uint8_t *)image->at)[i] : ((const uint16_t *)image->at)[i];
}

/* It becomes `value`, rounded and clamped. */
static inline void pyr_image_put(pyr_image *image, size_t i, double value)
{
    double v = floor(fmin(fmax(value, 0), image->bits == 8 ? 255 : 65535) + 0.5);

    if (image->bits == 8)
        ((uint8_t *)image->at)[i] = (uint8_t)v;
    else
        ((uint16_t *)image->at)[i] = (uint16_t)v;
}

/* No alpha, or alpha at its largest value in every pixel. */
bool pyr_image_opaque(const pyr_image *image);

/* Write `src` with other channels and bits to dst (src->h * src->w * channels samples of `bits`). Alpha that
 * is given up is composited on black; alpha that is added is opaque; RGB to grey is the luma of Rec. 601
 * (0.299, 0.587, 0.114); 8 to 16 bits multiplies by 257 (0 and the largest value are kept), 16 to 8 divides
 * by 257 and rounds. */
void pyr_image_convert(void *dst, const pyr_image *src, int channels, int bits);

/* "grey", "grey+alpha", "RGB", "RGBA". */
const char *pyr_channels_name(int channels);

#endif
