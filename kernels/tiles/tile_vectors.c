/* tile_vectors.c - sums of products by register tiles of VDPBF16PS: up to 14 pixels x 32 outputs are summed over all taps
 * and channels without leaving the registers:
 *
 *     sum[p][o] += x[p + tap][2i] W[o][2i] + x[p + tap][2i + 1] W[o][2i + 1]
 *
 * is one VDPBF16PS for 16 outputs, the word of x broadcast, the words of W side by side. 14 x 2 sums, two
 * registers of weights and one word are 31 of the 32 registers. A word of weights is used for all pixels of a
 * tile, the weights of 32 outputs (36 KB for 3x3 x 64 channels) by all tiles before the next 32 come. Taps
 * that meet only the border are left out where that is a whole row or column of a tile: 19 of 21 are left in
 * each direction of 7x7. */
#include "kernels/tiles/tile_parts.h"

#if defined(__AVX512BF16__) && !PYR_BY_AMX
#include <immintrin.h>
#include <string.h>

enum { MOST = 14, MOST_ROWS = 4, ENOUGH = 6 };

/* A tile's way through the image and the weights. */
typedef struct walk {
    const pyr_tile_layout *l;
    const char *x, *w; /* the pixel at the top left of the first window; the first tap's weights */
    int first, last;   /* rows of taps that meet the image: first .. last - 1 */
    float *sums;       /* [row * columns + column][32] */
} walk;

/* Adds one tap for the columns from .. to - 1; all but `l`, `x`, `w` and `sum` are constants where this is
 * used. The weights behind that tap. */
PYR_INLINE const char *add_tap(int rows, int columns, int halves, int from, int to, const pyr_tile_layout *l,
                               const char *x, const char *w, __m512 sum[MOST][2])
{
    if (from >= to)
        return w + l->words * WEIGHT_BYTES;
    for (int left = l->words; left > 0; left -= WORDS, x += l->block) {
        const char *end = x + (left < WORDS ? left : WORDS) * WORD_BYTES;

        for (const char *at = x; at < end; at += WORD_BYTES, w += WEIGHT_BYTES) {
            __m512bh w0 = (__m512bh)_mm512_loadu_si512(w);
            __m512bh w1 = halves > 1 ? (__m512bh)_mm512_loadu_si512(w + BLOCK_BYTES) : w0;

            UNROLL
            for (int p = 0; p < rows * columns; p++) {
                int32_t word;

                if (p % columns < from || p % columns >= to)
                    continue;
                memcpy(&word, at + (size_t)(p / columns) * l->row + (size_t)(p % columns) * BLOCK_BYTES,
                       sizeof word);
                __m512bh both = (__m512bh)_mm512_set1_epi32(word);

                sum[p][0] = _mm512_dpbf16_ps(sum[p][0], both, w0);
                if (halves > 1)
                    sum[p][1] = _mm512_dpbf16_ps(sum[p][1], both, w1);
            }
        }
    }
    return w;
}

/* All taps. `halves`: 2, or 1 for at most 16 outputs. `left`, `right`: the tile begins or ends at a border of
 * the image (3x3), where the first column has no left neighbours, the last one no right ones. */
PYR_INLINE void sum_tile(int rows, int columns, int halves, bool left, bool right, const walk *k)
{
    const pyr_tile_layout *l = k->l;
    const char *w = k->w;
    __m512 sum[MOST][2];

    UNROLL
    for (int p = 0; p < rows * columns; p++)
        sum[p][0] = sum[p][1] = _mm512_setzero_ps();
    if (left || right)
        for (int ky = k->first; ky < k->last; ky++) {
            const char *x = k->x + (size_t)ky * l->row;

            w = add_tap(rows, columns, halves, left, columns, l, x, w, sum);
            w = add_tap(rows, columns, halves, 0, columns, l, x + BLOCK_BYTES, w, sum);
            w = add_tap(rows, columns, halves, 0, columns - right, l, x + 2 * BLOCK_BYTES, w, sum);
        }
    else
        for (int tap = k->first * l->kernel; tap < k->last * l->kernel; tap++)
            w = add_tap(rows, columns, halves, 0, columns, l, k->x + l->tap[tap], w, sum);
    UNROLL
    for (int p = 0; p < rows * columns; p++) {
        _mm512_storeu_ps(k->sums + p * BLOCK, sum[p][0]);
        if (halves > 1)
            _mm512_storeu_ps(k->sums + p * BLOCK + 16, sum[p][1]);
    }
}

typedef void sum_function(const walk *k);

#define SUM(name, rows, columns, halves, left, right)                                                        \
    static void name(const walk *k)                                                                          \
    {                                                                                                        \
        sum_tile(rows, columns, halves, left, right, k);                                                     \
    }
/* Rows as wide as the image. */
#define WHOLE(rows, columns) SUM(whole_##rows##x##columns, rows, columns, 2, true, true)
/* A part of a row: inside, at the left, at the right; of at most 16 outputs, anywhere. */
#define PART(columns)                                                                                        \
    SUM(inside_##columns, 1, columns, 2, false, false)                                                       \
    SUM(half_##columns, 1, columns, 1, false, false)
#define SIDE(columns)                                                                                        \
    SUM(left_##columns, 1, columns, 2, true, false) SUM(right_##columns, 1, columns, 2, false, true)

WHOLE(1, 1)
WHOLE(1, 2)
WHOLE(1, 3)
WHOLE(1, 4)
WHOLE(1, 5)
WHOLE(1, 6)
WHOLE(1, 7)
WHOLE(1, 8)
WHOLE(1, 9)
WHOLE(1, 10)
WHOLE(1, 11)
WHOLE(1, 12)
WHOLE(1, 13)
WHOLE(1, 14)
WHOLE(2, 1)
WHOLE(2, 2)
WHOLE(2, 3)
WHOLE(2, 4)
WHOLE(2, 5)
WHOLE(2, 6)
WHOLE(2, 7)
WHOLE(3, 1)
WHOLE(3, 2)
WHOLE(3, 3)
WHOLE(3, 4)
WHOLE(4, 1)
WHOLE(4, 2)
WHOLE(4, 3)
PART(1)
PART(2)
PART(3)
PART(4)
PART(5)
PART(6)
PART(7)
PART(8)
PART(9)
PART(10)
PART(11)
PART(12)
PART(13)
PART(14)
SIDE(7)
SIDE(8)
SIDE(9)
SIDE(10)
SIDE(11)
SIDE(12)
SIDE(13)
SIDE(14)

static sum_function *const whole_tiles[MOST_ROWS][MOST] = {
    {whole_1x1, whole_1x2, whole_1x3, whole_1x4, whole_1x5, whole_1x6, whole_1x7, whole_1x8, whole_1x9,
     whole_1x10, whole_1x11, whole_1x12, whole_1x13, whole_1x14},
    {whole_2x1, whole_2x2, whole_2x3, whole_2x4, whole_2x5, whole_2x6, whole_2x7},
    {whole_3x1, whole_3x2, whole_3x3, whole_3x4},
    {whole_4x1, whole_4x2, whole_4x3}};
static sum_function *const inside_tiles[MOST] = {inside_1,  inside_2,  inside_3,  inside_4, inside_5,
                                                 inside_6,  inside_7,  inside_8,  inside_9, inside_10,
                                                 inside_11, inside_12, inside_13, inside_14};
static sum_function *const half_tiles[MOST] = {half_1, half_2, half_3,  half_4,  half_5,  half_6,  half_7,
                                               half_8, half_9, half_10, half_11, half_12, half_13, half_14};
/* A row of 15 or more is cut into parts of 7 or more. */
static sum_function *const left_tiles[MOST] = {NULL,   NULL,   NULL,    NULL,    NULL,    NULL,    left_7,
                                               left_8, left_9, left_10, left_11, left_12, left_13, left_14};
static sum_function *const right_tiles[MOST] = {NULL,     NULL,     NULL,     NULL,    NULL,
                                                NULL,     right_7,  right_8,  right_9, right_10,
                                                right_11, right_12, right_13, right_14};

/* ---- all tiles ---------------------------------------------------------------------------------- */

/* Sums of the tile at row y, column x of the rectangle. */
static void sum_at(const pyr_tile_layout *l, const char *image, const char *w, bool few, int y, int x,
                   int rows, int columns, float *sums)
{
    walk k = {l, image + (size_t)y * l->row + (size_t)x * BLOCK_BYTES, w, 0, l->kernel, sums};
    bool at_left = x == 0, at_right = x + columns == l->w;

    if (l->border && rows == 1) { /* the first and the last row have no neighbours above, below */
        k.first = y == 0;
        k.last = y == l->h - 1 ? 2 : 3;
        k.w += (size_t)(3 * k.first * l->words) * WEIGHT_BYTES;
    }
    if (few)
        half_tiles[columns - 1](&k);
    else if (!l->border || !(at_left || at_right))
        inside_tiles[columns - 1](&k);
    else if (at_left && at_right)
        whole_tiles[rows - 1][columns - 1](&k);
    else if (at_left)
        left_tiles[columns - 1](&k);
    else
        right_tiles[columns - 1](&k);
}

/* How many rows of tiles the next ones have: several together where they are narrow, but the first and the
 * last row alone, which skip taps, when one is ENOUGH for the two VDPBF16PS that can start in a cycle. */
static int next_rows(const pyr_tile_layout *l, bool few, int y)
{
    int most = MOST / l->w < MOST_ROWS ? MOST / l->w : MOST_ROWS;

    if (!l->border || few || most <= 1)
        return 1;
    if (l->w < ENOUGH)
        return pyr_next_part(l->h - y, most);
    return y == 0 || y == l->h - 1 ? 1 : pyr_next_part(l->h - 1 - y, most);
}

void pyr_tile_sums(const pyr_tile_layout *l, const char *image, const char *w, bool few, pyr_tile_take *take,
                   const void *ctx)
{
    _Alignas(64) float sums[MOST * BLOCK] = {0};

    for (int y = 0, rows; y < l->h; y += rows) {
        rows = next_rows(l, few, y);
        for (int x = 0, columns; x < l->w; x += columns) {
            columns = pyr_next_part(l->w - x, MOST);
            sum_at(l, image, w, few, y, x, rows, columns, sums);
            take(ctx, sums, (size_t)y * (size_t)l->w + (size_t)x, rows, columns);
        }
    }
}

#endif
