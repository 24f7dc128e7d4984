/* tile_amx.c - sums of products by AMX (amx.h): 32 pixels x 32 outputs in four tiles.
 *
 * The rows of a factor are pixels that follow one another in the copy of the image, borders between its rows among them: a
 * tap is the same way from each. So the image is one row, of which 1 of 8 sums is for nothing at 7 pixels a row, 1 of 33 at 32;
 * behind its end, too, there are up to 31. Where every second pixel of every second row is wanted, positions are two pixels
 * apart, a row of them two rows, and half of them are for nothing. Weights are pairs as they lie. */
#include "kernels/tiles/tile_parts.h"

#if PYR_BY_AMX

enum { PIXELS = 2 * PYR_AMX_ROWS };

/* sums[pixel][32], of 32 pixels or the first 16, 32 outputs or the first 16, which are constants where this is used. */
PYR_INLINE void add_taps(bool all_pixels, bool all_outputs, const pyr_tile_layout *l, const char *x,
                         const char *w, float *sums)
{
    size_t pixel = (size_t)l->step * BLOCK_BYTES;
    pyr_amx_tiles weights = {w, WEIGHT_BYTES, BLOCK_BYTES};

    pyr_amx_zero();
    for (int tap = 0; tap < l->kernel * l->kernel; tap++) {
        pyr_amx_tiles pixels = {x + l->tap[tap], pixel, PYR_AMX_ROWS * pixel};

        for (int word = 0; word < l->words; word += WORDS) {
            pyr_amx_add(all_pixels, all_outputs, pixels, weights);
            pixels.at += l->block;
            weights.at += WORDS * WEIGHT_BYTES;
        }
    }
    pyr_amx_store(all_pixels, all_outputs, sums, BLOCK);
}

static int pitch_of(const pyr_tile_layout *l)
{
    return (int)(l->row / BLOCK_BYTES);
}

/* What of `count` positions of the padded image from `first` on is results, row by row. */
static void take_rows(const pyr_tile_layout *l, int first, int count, const float *sums, pyr_tile_take *take,
                      const void *ctx)
{
    for (int i = 0; i < count;) {
        int y = (first + i) / pitch_of(l), x = (first + i) % pitch_of(l);
        int columns = l->columns - x < count - i ? l->columns - x : count - i;

        if (columns > 0)
            take(ctx, sums + (size_t)i * BLOCK, (size_t)y * (size_t)l->columns + (size_t)x, 1, columns);
        i += columns > 0 ? columns : pitch_of(l) - x;
    }
}

void pyr_tile_sums(const pyr_tile_layout *l, const char *image, const char *w, bool few, pyr_tile_take *take,
                   const void *ctx)
{
    _Alignas(64) float sums[PIXELS * BLOCK] = {0};
    int all = (l->rows - 1) * pitch_of(l) + l->columns;

    for (int first = 0; first < all; first += PIXELS, image += l->step * PIXELS * BLOCK_BYTES) {
        int count = all - first < PIXELS ? all - first : PIXELS;

        if (few && count > PYR_AMX_ROWS)
            add_taps(true, false, l, image, w, sums);
        else if (few)
            add_taps(false, false, l, image, w, sums);
        else if (count > PYR_AMX_ROWS)
            add_taps(true, true, l, image, w, sums);
        else
            add_taps(false, true, l, image, w, sums);
        take_rows(l, first, count, sums, take, ctx);
    }
}

#endif
