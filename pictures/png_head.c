/* png_head.c - the texts of a PNG that stand before its pixels. */
#include "pictures/png_head.h"

#include "pictures/png_file.h"
#include <stdint.h>
#include <string.h>

static uint32_t big_endian(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A chunk is its length, four letters, so many bytes, and a checksum (PNG specification, 5.3). */
bool pyr_png_head_text(char *out, size_t room, const void *bytes, size_t n, const char *key)
{
    const unsigned char *at = bytes;
    size_t length = strlen(key);

    if (!pyr_png_is(bytes, n))
        return false;
    for (size_t i = 8; n - i >= 12;) {
        size_t size = big_endian(at + i);
        const unsigned char *data = at + i + 8;

        if (size > n - i - 12 || memcmp(at + i + 4, "IDAT", 4) == 0)
            return false;
        if (memcmp(at + i + 4, "tEXt", 4) == 0 && size > length && memcmp(data, key, length) == 0 &&
            data[length] == 0) {
            size_t value = size - length - 1;

            value = value < room - 1 ? value : room - 1;
            memcpy(out, data + length + 1, value);
            out[value] = 0;
            return true;
        }
        i += size + 12;
    }
    return false;
}
