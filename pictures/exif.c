/* exif.c - finds the orientation in a block of Exif, and turns or mirrors a picture by it. */
#include "pictures/exif.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>

enum { ORIENTATION = 274, SHORT = 3 };

static uint32_t number(const uint8_t *at, int bytes, bool big_endian)
{
    uint32_t v = 0;

    for (int i = 0; i < bytes; i++)
        v = v << 8 | at[big_endian ? i : bytes - 1 - i];
    return v;
}

/* Orientation is in the first directory, and its value in the entry itself: no offset but one is followed. */
int pyr_exif_orientation(const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    size_t first, entries;

    if (n >= 6 && memcmp(at, "Exif\0", 5) == 0) {
        at += 6;
        n -= 6;
    }
    if (n < 8 || (memcmp(at, "II*\0", 4) != 0 && memcmp(at, "MM\0*", 4) != 0))
        return 1;
    bool big = *at == 'M';
    first = number(at + 4, 4, big);
    if (first > n - 2)
        return 1;
    entries = number(at + first, 2, big);
    for (size_t i = 0; i < entries && first + 2 + 12 * (i + 1) <= n; i++) {
        const uint8_t *entry = at + first + 2 + 12 * i;

        if (number(entry, 2, big) == ORIENTATION) {
            uint32_t value = number(entry + 8, 2, big);
            bool sound = number(entry + 2, 2, big) == SHORT && number(entry + 4, 4, big) == 1;

            return sound && value >= 1 && value <= 8 ? (int)value : 1;
        }
    }
    return 1;
}

/* The pixel (y, x) of dst is that at src + y * down + x * right. In squares, so that either side stays in the
 * cache when rows become columns; `size` is a constant in each call. */
static inline void turn(uint8_t *dst, int h, int w, const uint8_t *src, int64_t down, int64_t right,
                        size_t size)
{
    enum { SIDE = 32 };

    for (int y0 = 0; y0 < h; y0 += SIDE)
        for (int x0 = 0; x0 < w; x0 += SIDE)
            for (int y = y0; y < h && y < y0 + SIDE; y++)
                for (int x = x0; x < w && x < x0 + SIDE; x++)
                    memcpy(dst + ((size_t)y * (size_t)w + (size_t)x) * size, src + y * down + x * right,
                           size);
}

pyr_status pyr_image_turn(pyr_image *image, int orientation, const char *name)
{
    int64_t h = image->h, w = image->w, size = image->c * image->bits / 8;
    bool transposed = orientation >= 5;
    /* What is read backwards: the rows of the stored picture, its columns. */
    bool up = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    bool left = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    int64_t row = (up ? -w : w) * size, column = left ? -size : size;
    pyr_image out;

    assert(orientation >= 1 && orientation <= 8);
    if (orientation == 1)
        return PYR_OK;
    PYR_TRY(pyr_image_new(&out, transposed ? w : h, transposed ? h : w, image->c, image->bits, name));
    const uint8_t *src =
        (const uint8_t *)image->at + (up ? (h - 1) * w * size : 0) + (left ? (w - 1) * size : 0);
    int64_t down = transposed ? column : row, right = transposed ? row : column;

    switch (size) {
    case 1:
        turn(out.at, out.h, out.w, src, down, right, 1);
        break;
    case 2:
        turn(out.at, out.h, out.w, src, down, right, 2);
        break;
    case 3:
        turn(out.at, out.h, out.w, src, down, right, 3);
        break;
    case 4:
        turn(out.at, out.h, out.w, src, down, right, 4);
        break;
    case 6:
        turn(out.at, out.h, out.w, src, down, right, 6);
        break;
    default:
        turn(out.at, out.h, out.w, src, down, right, 8);
    }
    out.turned = true;
    pyr_image_free(image);
    *image = out;
    return PYR_OK;
}
