/* range.c - measuring and spreading the values of images. */
#include "pictures/range.h"

/* Channels that are colour: alpha, when there is one, is the last. */
static size_t colours_of(const pyr_image *image)
{
    return image->c == 2 || image->c == 4 ? (size_t)image->c - 1 : (size_t)image->c;
}

void pyr_image_extremes(const pyr_image *image, uint32_t *least, uint32_t *most)
{
    size_t n = (size_t)image->h * (size_t)image->w * (size_t)image->c, c = (size_t)image->c;
    size_t colours = colours_of(image);

    *least = UINT32_MAX;
    *most = 0;
    if (colours == c && image->bits == 8) { /* the usual case, in a loop that the compiler makes vectors of */
        const uint8_t *at = image->at;
        uint8_t low = 255, high = 0;

        for (size_t i = 0; i < n; i++) {
            low = at[i] < low ? at[i] : low;
            high = at[i] > high ? at[i] : high;
        }
        *least = low;
        *most = high;
        return;
    }
    for (size_t i = 0; i < n; i += c)
        for (size_t k = 0; k < colours; k++) {
            uint32_t v = pyr_image_get(image, i + k);

            *least = v < *least ? v : *least;
            *most = v > *most ? v : *most;
        }
}

pyr_status pyr_image_spread(pyr_image *image, double low, double high, const char *name)
{
    size_t n = (size_t)image->h * (size_t)image->w, c = (size_t)image->c, colours = colours_of(image);
    double top = image->bits == 8 ? 255 : 65535;

    if (high > top)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: the image has %d bits, data.range goes to %g; such values are not in it", name,
                        image->bits, high);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < colours; k++)
            pyr_image_put(image, i * c + k, (pyr_image_get(image, i * c + k) - low) / (high - low) * top);
    return PYR_OK;
}

bool pyr_range_guess(double range[2], uint32_t least, uint32_t most, int bits)
{
    uint32_t top = (UINT32_C(1) << bits) - 1, white = most > 0 ? most : 1;
    bool from_0 = 8 * (uint64_t)least <= most;

    if (8 * (uint64_t)(most - least) >= top)
        return false;
    /* Instruments give 10, 12 or 14 bits; what has fewer is counted (0 and 1, classes, 0..16). */
    if (bits == 16 && from_0 && most > 255)
        for (white = 1023; white < most;)
            white = 2 * white + 1;
    range[0] = from_0 ? 0 : least;
    range[1] = white > range[0] ? white : range[0] + 1;
    return true;
}
