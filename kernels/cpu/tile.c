/* tile.c - convolutions by register tiles: forward, and backward by data. Where fewer products are faster,
 * winograd.c takes over.
 *
 * An image is copied into scratch (rounded, concatenated, enlarged, with its border); then every tile of up
 * to 14 pixels x 32 outputs is summed over all taps and channels without leaving the registers:
 *
 *     sum[p][o] += x[p + tap][2i] W[o][2i] + x[p + tap][2i + 1] W[o][2i + 1]
 *
 * is one VDPBF16PS for 16 outputs, the word of x broadcast, the words of W side by side. 14 x 2 sums, two
 * registers of weights and one word are 31 of the 32 registers. A word of weights is used for all pixels of a
 * tile, the weights of 32 outputs (36 KB for 3x3 x 64 channels) by all tiles before the next 32 come. Taps
 * that meet only the border are left out where that is a whole row or column of a tile: 19 of 21 are left in
 * each direction of 7x7. Figures: docs/design-notes.md.
 *
 * Weights: [block of 32 outputs][tap][word of two channels][32 outputs][2] bf16, zeros beyond the
 * channels. */
#include "kernels/cpu/tile_parts.h"

#include <assert.h>
#include <string.h>

enum { BLOCK = 32, BLOCK_BYTES = 64, WORDS = 16, WORD_BYTES = 4, WEIGHT_BYTES = 2 * BLOCK_BYTES };
enum { MOST = 14, MOST_ROWS = 4, ENOUGH = 6, TAPS = 9 };
/* Pixels of a 1x1 convolution that are copied and finished together: 64 KB of 128 channels, in L2. */
enum { CHUNK = 256 };

/* How an image lies in scratch. */
typedef struct layout {
    int h, w;   /* the rectangle that tiles cover */
    int border; /* 1 around it for 3x3 */
    int words;  /* of two channels each, in all */
    int kernel;
    size_t row, block; /* bytes to the pixel below, to the same pixel's next 32 channels */
    size_t tap[TAPS];  /* bytes from the pixel at the top left of a window */
} layout;

static int blocks_of(int channels)
{
    return (channels + BLOCK - 1) / BLOCK;
}

static int words_of(const pyr_tile_size *size)
{
    return (size->in + 1) / 2;
}

size_t pyr_tile_packed_bytes(const pyr_tile_size *size)
{
    if (pyr_winograd_suits(size))
        return pyr_winograd_packed_bytes(size);
    return (size_t)blocks_of(size->out) * (size_t)(size->kernel * size->kernel) * (size_t)words_of(size) *
           WEIGHT_BYTES;
}

size_t pyr_tile_scratch(const pyr_tile_size *size)
{
    size_t image = (size_t)size->h * (size_t)size->w;
    size_t border = size->kernel == 3 ? (size_t)(2 * (size->h + size->w) + 4) : 0;
    size_t copied = size->kernel == 1 && image < CHUNK ? CHUNK : image + border;

    if (pyr_winograd_suits(size))
        return pyr_winograd_scratch(size);
    /* and the sums of 32 outputs, for a result that is smaller */
    return copied * (size_t)blocks_of(size->in) * BLOCK_BYTES + image * BLOCK * sizeof(float);
}

#ifdef __AVX512BF16__
#include <immintrin.h>

static bool pools(const pyr_tile_size *size, const pyr_conv_result *y)
{
    return y->h != size->h || y->w != size->w;
}

static layout layout_of(const pyr_tile_size *size, int h, int w)
{
    layout l = {.h = h, .w = w, .border = size->kernel / 2, .words = words_of(size), .kernel = size->kernel};

    l.row = (size_t)(w + 2 * l.border) * BLOCK_BYTES;
    l.block = (size_t)(h + 2 * l.border) * l.row;
    for (int i = 0; i < size->kernel * size->kernel; i++)
        l.tap[i] = (size_t)(i / size->kernel) * l.row + (size_t)(i % size->kernel) * BLOCK_BYTES;
    return l;
}

bool pyr_tile_available(void)
{
    return true;
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* Channels i and i + 1 of 16 outputs from `w` on, `stride` numbers apart, as words. */
PYR_INLINE __m512i weight_words(const float *w, size_t stride_in, __m512i outputs, __mmask16 are, bool odd)
{
    __m512 none = _mm512_setzero_ps();
    __m512 low = _mm512_mask_i32gather_ps(none, are, outputs, w, sizeof *w);
    __m512 high = odd ? none : _mm512_mask_i32gather_ps(none, are, outputs, w + stride_in, sizeof *w);
    __m512i low_words = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(low));
    __m512i high_words = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(high));

    return _mm512_or_si512(low_words, _mm512_slli_epi32(high_words, 16));
}

void pyr_tile_pack(const pyr_tile_size *size, const float *w, size_t stride_out, size_t stride_in,
                   bool turned, void *packed)
{
    int words = words_of(size), taps = size->kernel * size->kernel;
    const __m512i count = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i outputs = _mm512_mullo_epi32(count, _mm512_set1_epi32((int)stride_out));
    char *dst = packed;

    if (pyr_winograd_suits(size)) {
        pyr_winograd_pack(size, w, stride_out, stride_in, turned, packed);
        return;
    }
    for (int o = 0; o < size->out; o += BLOCK)
        for (int tap = 0; tap < taps; tap++)
            for (int word = 0; word < words; word++)
                for (int half = 0; half < 2; half++, dst += BLOCK_BYTES) {
                    int left = size->out - o - half * 16;
                    __mmask16 are = (__mmask16)(left >= 16 ? 0xFFFF : left > 0 ? (1 << left) - 1 : 0);
                    size_t at = (size_t)(o + half * 16) * stride_out + (size_t)(2 * word) * stride_in;

                    at = left > 0 ? at + (size_t)(turned ? taps - 1 - tap : tap) : 0;
                    _mm512_storeu_si512(
                        dst, weight_words(w + at, stride_in, outputs, are, 2 * word + 1 == size->in));
                }
}

/* ---- the image to read ------------------------------------------------------------------------- */

/* `count` channels, rounded, the rest of 32 zero. */
PYR_INLINE __m512i channels_at(const void *src, pyr_type type, int count)
{
    __mmask32 are = count >= 32 ? 0xFFFFFFFF : (1u << count) - 1;

    if (type == PYR_BF16)
        return _mm512_maskz_loadu_epi16(are, src);
    __m512 low = _mm512_maskz_loadu_ps((__mmask16)are, src);
    __m512 high = _mm512_maskz_loadu_ps((__mmask16)(are >> 16), (const float *)src + (count > 16 ? 16 : 0));

    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* `count` channels of pixels that follow one another into a block, from channel `lane` on. */
PYR_INLINE void copy_channels(char *dst, const char *src, size_t stride, pyr_type type, int pixels, int lane,
                              int count)
{
    __mmask32 are = count >= 32 ? 0xFFFFFFFF : (1u << count) - 1;

    for (int i = 0; i < pixels; i++, dst += BLOCK_BYTES, src += stride) {
        __m512i v = channels_at(src, type, count);

        if (lane == 0)
            _mm512_storeu_si512(dst, v); /* zeros behind the last channel, too */
        else
            _mm512_mask_storeu_epi16(dst + 2 * lane, are, v);
    }
}

/* All channels of `pixels` pixels from source pixel `first` on. */
static void copy_pixels(const layout *l, char *dst, const pyr_conv_source *x, size_t first, int pixels)
{
    size_t each = pyr_type_size(x->type);

    for (int part = 0, channel = 0; part < 2; part++) {
        size_t stride = (size_t)x->c[part] * each;

        for (int i = 0, count; i < x->c[part]; i += count, channel += count) {
            int lane = channel % BLOCK;
            char *to = dst + (size_t)(channel / BLOCK) * l->block;
            const char *from = (const char *)x->at[part] + first * stride + (size_t)i * each;

            count = x->c[part] - i < BLOCK - lane ? x->c[part] - i : BLOCK - lane;
            if (x->type == PYR_BF16 && count == BLOCK)
                copy_channels(to, from, stride, PYR_BF16, pixels, 0, BLOCK);
            else if (x->type == PYR_BF16)
                copy_channels(to, from, stride, PYR_BF16, pixels, lane, count);
            else
                copy_channels(to, from, stride, PYR_F32, pixels, lane, count);
        }
    }
}

/* The source pixel of each of the `pixels` result pixels from `first` on (counted over all images). */
static void copy_enlarged(const layout *l, char *dst, const pyr_tile_size *size, const pyr_conv_source *x,
                          size_t first, int pixels)
{
    size_t w = (size_t)size->w, h = (size_t)size->h, sw = (size_t)x->w, sh = (size_t)x->h;

    for (size_t i = first; i < first + (size_t)pixels; i++, dst += BLOCK_BYTES) {
        size_t row = i / w, image = row / h;

        copy_pixels(l, dst, x, (image * sh + row % h * sh / h) * sw + i % w * sw / w, 1);
    }
}

static void copy_image(const layout *l, char *dst, const pyr_tile_size *size, const pyr_conv_source *x,
                       size_t first)
{
    bool enlarged = x->h != size->h || x->w != size->w;

    dst += (size_t)l->border * (l->row + BLOCK_BYTES);
    for (int y = 0; y < l->h; y++, dst += l->row, first += (size_t)l->w)
        if (enlarged)
            copy_enlarged(l, dst, size, x, first, l->w);
        else
            copy_pixels(l, dst, x, first, l->w);
}

static void clear_border(const layout *l, char *dst, int blocks)
{
    for (int b = 0; l->border && b < blocks; b++, dst += l->block) {
        memset(dst, 0, l->row);
        memset(dst + l->block - l->row, 0, l->row);
        for (size_t row = l->row; row < l->block;
             row += l->row) /* the last of a row, the first of the next */
            memset(dst + row - BLOCK_BYTES, 0, 2 * BLOCK_BYTES);
    }
}

/* ---- the sums of a tile ------------------------------------------------------------------------ */

/* A tile's way through the image and the weights. */
typedef struct walk {
    const layout *l;
    const char *x, *w; /* the pixel at the top left of the first window; the first tap's weights */
    int first, last;   /* rows of taps that meet the image: first .. last - 1 */
    float *sums;       /* [row * columns + column][32] */
} walk;

/* Adds one tap for the columns from .. to - 1; all but `l`, `x`, `w` and `sum` are constants where this is
 * used. The weights behind that tap. */
PYR_INLINE const char *add_tap(int rows, int columns, int halves, int from, int to, const layout *l,
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
    const layout *l = k->l;
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

/* ---- the result -------------------------------------------------------------------------------- */

PYR_INLINE __m512 load_reals(const void *src, size_t at, pyr_type type, __mmask16 are)
{
    if (type == PYR_F32)
        return _mm512_maskz_loadu_ps(are, (const float *)src + at);
    __m512i words = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(are, (const uint16_t *)src + at));

    return (__m512)_mm512_slli_epi32(words, 16);
}

PYR_INLINE void store_reals(void *dst, size_t at, pyr_type type, __mmask16 are, __m512 v)
{
    if (type == PYR_F32)
        _mm512_mask_storeu_ps((float *)dst + at, are, v);
    else if (are == 0xFFFF)
        _mm256_storeu_si256((__m256i *)(void *)((uint16_t *)dst + at), (__m256i)_mm512_cvtneps_pbh(v));
    else
        _mm256_mask_storeu_epi16((uint16_t *)dst + at, are, (__m256i)_mm512_cvtneps_pbh(v));
}

/* What the sums of some outputs become: `count` of them, from `output` on, which is `channel` of `part`. */
typedef struct target {
    const pyr_conv_result *y;
    int part, channel, output, count, out;
    const float *offset; /* bias and vector of these outputs */
} target;

/* 16 outputs of one pixel: y = (sums + offset + residual) * scale. */
PYR_INLINE void put_16(void *y, size_t at, pyr_type type, __mmask16 are, __m512 v, const void *residual,
                       size_t residual_at, __m512 scale, bool add)
{
    if (residual)
        v = _mm512_add_ps(v, load_reals(residual, residual_at, type, are));
    v = _mm512_mul_ps(v, scale);
    if (add)
        v = _mm512_add_ps(v, load_reals(y, at, type, are));
    store_reals(y, at, type, are, v);
}

/* Pixels that follow one another. `whole`: 32 outputs. */
PYR_INLINE void put_pixels(const target *t, pyr_type type, bool whole, const float *sums, size_t pixel,
                           int pixels)
{
    const pyr_conv_result *y = t->y;
    const void *residual = y->residual;
    void *to = y->at[t->part];
    bool add = y->add[t->part];
    size_t c = (size_t)y->c[t->part], out = (size_t)t->out;
    size_t at = pixel * c + (size_t)t->channel, from = pixel * out + (size_t)t->output;
    uint32_t are = whole || t->count == BLOCK ? 0xFFFFFFFF : (1u << t->count) - 1;
    __mmask16 low = (__mmask16)are, high = (__mmask16)(are >> 16);
    __m512 scale = _mm512_set1_ps(y->scale);
    __m512 offset0 = _mm512_maskz_loadu_ps(low, t->offset),
           offset1 = _mm512_maskz_loadu_ps(high, t->offset + 16);

    for (int p = 0; p < pixels; p++, sums += BLOCK, at += c, from += out) {
        __m512 v0 = _mm512_add_ps(_mm512_maskz_loadu_ps(low, sums), offset0);

        put_16(to, at, type, low, v0, residual, from, scale, add);
        if (whole || high) {
            __m512 v1 = _mm512_add_ps(_mm512_maskz_loadu_ps(high, sums + 16), offset1);

            put_16(to, at + 16, type, high, v1, residual, from + 16, scale, add);
        }
    }
}

/* A block of outputs in one rectangle: rows of `columns` pixels, `w` pixels from one row to the next. */
static void put_block(const pyr_tile_size *size, const pyr_conv_result *y, const float *offset, int output,
                      const float *sums, size_t pixel, int rows, int columns, size_t w)
{
    for (int part = 0, start = 0; part < 2; start += y->c[part], part++) {
        int low = start > output ? start : output;
        int high = start + y->c[part] < output + BLOCK ? start + y->c[part] : output + BLOCK;
        target t = {y, part, low - start, low, high - low, size->out, offset + (low - output)};
        const float *from = sums + (low - output);

        if (low >= high || !y->at[part])
            continue;
        for (int r = 0; r < rows; r++, from += columns * BLOCK)
            if (y->type == PYR_F32)
                put_pixels(&t, PYR_F32, false, from, pixel + (size_t)r * w, columns);
            else if (t.count == BLOCK)
                put_pixels(&t, PYR_BF16, true, from, pixel + (size_t)r * w, columns);
            else
                put_pixels(&t, PYR_BF16, false, from, pixel + (size_t)r * w, columns);
    }
}

/* The gradient of enlarging: pixels of a tile, counted in their image, to the pixels that they copied. */
static void pool_block(const pyr_tile_size *size, const pyr_conv_result *y, float *pool, const float *sums,
                       size_t pixel, int rows, int columns, size_t w)
{
    size_t fw = (size_t)size->w, fh = (size_t)size->h, cw = (size_t)y->w, ch = (size_t)y->h;

    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++, sums += BLOCK) {
            size_t at = pixel + (size_t)r * w + (size_t)c;
            float *to = pool + (at / fw * ch / fh * cw + at % fw * cw / fw) * BLOCK;

            for (int i = 0; i < BLOCK; i += 16)
                _mm512_storeu_ps(to + i, _mm512_add_ps(_mm512_loadu_ps(to + i), _mm512_loadu_ps(sums + i)));
        }
}

/* ---- for winograd.c ---------------------------------------------------------------------------- */

void pyr_tile_copy(char *dst, const pyr_tile_size *size, const pyr_conv_source *x, size_t n, size_t row,
                   size_t block)
{
    layout l = {.h = size->h, .w = size->w, .row = row, .block = block};

    copy_image(&l, dst, size, x, n * (size_t)size->h * (size_t)size->w);
}

void pyr_tile_put(const pyr_tile_size *size, const pyr_conv_result *y, const float *offset, int output,
                  const float *sums, size_t pixel, int rows, int columns)
{
    put_block(size, y, offset, output, sums, pixel, rows, columns, (size_t)size->w);
}

void pyr_tile_pool(const pyr_tile_size *size, const pyr_conv_result *y, float *pool, const float *sums,
                   size_t pixel, int rows, int columns)
{
    pool_block(size, y, pool, sums, pixel, rows, columns, (size_t)size->w);
}

void pyr_tile_put_pool(const pyr_tile_size *size, const pyr_conv_result *y, const float *offset, int output,
                       const float *pool, size_t n)
{
    size_t pixels = (size_t)y->h * (size_t)y->w;

    put_block(size, y, offset, output, pool, n * pixels, 1, (int)pixels, pixels);
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* One rectangle of pixels of image n, whose first is `first` (over all images). */
typedef struct piece {
    const pyr_tile_size *size;
    const pyr_conv_result *y;
    const char *image; /* as copied */
    float *pool;       /* NULL: the result has the convolution's size */
    size_t n, first;
    layout l;
} piece;

/* Cut `all` into the fewest parts of at most `most`, about equal: the size of the next one. */
static int next_part(int all, int most)
{
    int parts = (all + most - 1) / most;

    return (all + parts - 1) / parts;
}

/* Sums of the tile at row y, column x of the rectangle. */
static void sum_at(const piece *p, const char *w, bool few, int y, int x, int rows, int columns, float *sums)
{
    const layout *l = &p->l;
    walk k = {l, p->image + (size_t)y * l->row + (size_t)x * BLOCK_BYTES, w, 0, l->kernel, sums};
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
static int next_rows(const layout *l, bool few, int y)
{
    int most = MOST / l->w < MOST_ROWS ? MOST / l->w : MOST_ROWS;

    if (!l->border || few || most <= 1)
        return 1;
    if (l->w < ENOUGH)
        return next_part(l->h - y, most);
    return y == 0 || y == l->h - 1 ? 1 : next_part(l->h - 1 - y, most);
}

static void run_tiles(const piece *p, const char *w, int output, const float *offset)
{
    const layout *l = &p->l;
    size_t in_image = p->first - p->n * (size_t)p->size->h * (size_t)p->size->w;
    _Alignas(64) float sums[MOST * BLOCK] = {0};
    bool few = p->size->out - output <= 16;

    for (int y = 0, rows; y < l->h; y += rows) {
        rows = next_rows(l, few, y);
        for (int x = 0, columns; x < l->w; x += columns) {
            size_t at = (size_t)y * (size_t)l->w + (size_t)x;

            columns = next_part(l->w - x, MOST);
            sum_at(p, w, few, y, x, rows, columns, sums);
            if (p->pool)
                pool_block(p->size, p->y, p->pool, sums, in_image + at, rows, columns, (size_t)l->w);
            else
                put_block(p->size, p->y, offset, output, sums, p->first + at, rows, columns, (size_t)l->w);
        }
    }
}

static void offsets(const piece *p, int output, float *offset)
{
    const pyr_conv_result *y = p->y;

    for (int i = 0; i < BLOCK; i++) {
        size_t o = (size_t)(output + i), out = (size_t)p->size->out;

        offset[i] = y->bias && o < out ? y->bias[o] : 0;
        if (y->vector && o < out)
            offset[i] += y->vector[p->n * out + o];
    }
}

static void run_piece(const piece *p, const char *packed)
{
    size_t weights = (size_t)(p->l.kernel * p->l.kernel * p->l.words) * WEIGHT_BYTES;
    size_t pooled = (size_t)p->y->h * (size_t)p->y->w;
    float offset[BLOCK];

    for (int output = 0; output < p->size->out; output += BLOCK, packed += weights) {
        offsets(p, output, offset);
        if (p->pool)
            memset(p->pool, 0, pooled * BLOCK * sizeof *p->pool);
        run_tiles(p, packed, output, offset);
        if (p->pool)
            pyr_tile_put_pool(p->size, p->y, offset, output, p->pool, p->n);
    }
}

/* 3x3: image after image. */
static void run_images(piece *p, const pyr_conv_source *x, const char *packed, char *image)
{
    const pyr_tile_size *size = p->size;

    p->l = layout_of(size, size->h, size->w);
    clear_border(&p->l, image, blocks_of(size->in));
    for (; p->n < (size_t)size->n; p->n++, p->first += (size_t)size->h * (size_t)size->w) {
        copy_image(&p->l, image, size, x, p->first);
        run_piece(p, packed);
    }
}

/* 1x1: pixels have no neighbours, so that they are one row, across the images where nothing belongs to one
 * image. */
static void run_pixels(piece *p, const pyr_conv_source *x, const char *packed, char *image)
{
    const pyr_tile_size *size = p->size;
    size_t each = (size_t)size->h * (size_t)size->w, all = (size_t)size->n * each;
    size_t together = p->y->vector || p->pool ? each : all;

    for (size_t count; p->first < all; p->first += count) {
        p->n = p->first / each;
        count = together - p->first % together;
        if (!p->pool)
            count = (size_t)next_part((int)count, CHUNK);
        p->l = layout_of(size, 1, (int)count);
        copy_image(&p->l, image, size, x, p->first);
        run_piece(p, packed);
    }
}

void pyr_tile_run(const pyr_tile_size *size, const pyr_conv_source *x, const void *packed,
                  const pyr_conv_result *y, void *scratch)
{
    size_t pool = (size_t)size->h * (size_t)size->w * BLOCK; /* first, so that it is aligned */
    piece p = {.size = size, .y = y, .image = (char *)scratch + pool * sizeof(float)};

    assert(x->c[0] + x->c[1] == size->in && y->c[0] + y->c[1] == size->out);
    p.pool = pools(size, y) ? scratch : NULL;
    if (pyr_winograd_suits(size))
        pyr_winograd_run(size, x, packed, y, scratch);
    else if (size->kernel == 1)
        run_pixels(&p, x, packed, (char *)scratch + pool * sizeof(float));
    else
        run_images(&p, x, packed, (char *)scratch + pool * sizeof(float));
}

#else

bool pyr_tile_available(void)
{
    return false;
}

void pyr_tile_pack(const pyr_tile_size *size, const float *w, size_t stride_out, size_t stride_in,
                   bool turned, void *packed)
{
    (void)size, (void)w, (void)stride_out, (void)stride_in, (void)turned, (void)packed;
    assert(false && "not this instruction set");
}

void pyr_tile_run(const pyr_tile_size *size, const pyr_conv_source *x, const void *packed,
                  const pyr_conv_result *y, void *scratch)
{
    (void)size, (void)x, (void)packed, (void)y, (void)scratch;
    assert(false && "not this instruction set");
}

#endif
