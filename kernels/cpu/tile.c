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
 * tile, the weights of 32 outputs (36 KB for 3x3 x 64 channels) by all tiles before the next 32 come.
 *
 * Weights: [block of 32 outputs][tap][word of two channels][32 outputs][2] bf16, zeros beyond the channels.
 */
#include "kernels/cpu/tile_parts.h"

#include <assert.h>
#include <string.h>

enum { BLOCK = 32, BLOCK_BYTES = 64, WORDS = 16, WORD_BYTES = 4, WEIGHT_BYTES = 2 * BLOCK_BYTES };
enum { MOST = 14, MOST_ROWS = 4, TAPS = 9 };
/* Pixels of a 1x1 convolution that are copied and finished together: 64 KB of 128 channels, in L2. */
enum { CHUNK = 256 };

/* How an image lies in scratch. */
typedef struct layout {
    int h, w;          /* the rectangle that tiles cover */
    int border;        /* 1 around it for 3x3 */
    int words, taps;   /* of two channels each, in all */
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

#if defined __x86_64__
#include <immintrin.h>

static bool pools(const pyr_tile_size *size, const pyr_tile_result *y)
{
    return y->h != size->h || y->w != size->w;
}

static layout layout_of(const pyr_tile_size *size, int h, int w)
{
    layout l = {.h = h, .w = w, .border = size->kernel / 2, .words = words_of(size)};

    l.taps = size->kernel * size->kernel;
    l.row = (size_t)(w + 2 * l.border) * BLOCK_BYTES;
    l.block = (size_t)(h + 2 * l.border) * l.row;
    for (int i = 0; i < l.taps; i++)
        l.tap[i] = (size_t)(i / size->kernel) * l.row + (size_t)(i % size->kernel) * BLOCK_BYTES;
    return l;
}

bool pyr_tile_available(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* Channels i and i + 1 of 16 outputs from `w` on, `stride` numbers apart, as words. */
INLINE_BF16 __m512i weight_words(const float *w, size_t stride_in, __m512i outputs, __mmask16 are, bool odd)
{
    __m512 none = _mm512_setzero_ps();
    __m512 low = _mm512_mask_i32gather_ps(none, are, outputs, w, sizeof *w);
    __m512 high = odd ? none : _mm512_mask_i32gather_ps(none, are, outputs, w + stride_in, sizeof *w);
    __m512i low_words = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(low));
    __m512i high_words = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(high));

    return _mm512_or_si512(low_words, _mm512_slli_epi32(high_words, 16));
}

WITH_BF16 void pyr_tile_pack(const pyr_tile_size *size, const float *w, size_t stride_out, size_t stride_in,
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
INLINE_BF16 __m512i channels_at(const void *src, pyr_type type, int count)
{
    __mmask32 are = count >= 32 ? 0xFFFFFFFF : (1u << count) - 1;

    if (type == PYR_BF16)
        return _mm512_maskz_loadu_epi16(are, src);
    __m512 low = _mm512_maskz_loadu_ps((__mmask16)are, src);
    __m512 high = _mm512_maskz_loadu_ps((__mmask16)(are >> 16), (const float *)src + (count > 16 ? 16 : 0));

    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* `count` channels of pixels that follow one another into a block, from channel `lane` on. */
INLINE_BF16 void copy_channels(char *dst, const char *src, size_t stride, pyr_type type, int pixels, int lane,
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
WITH_BF16 static void copy_pixels(const layout *l, char *dst, const pyr_tile_source *x, size_t first,
                                  int pixels)
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
static void copy_enlarged(const layout *l, char *dst, const pyr_tile_size *size, const pyr_tile_source *x,
                          size_t first, int pixels)
{
    size_t w = (size_t)size->w, h = (size_t)size->h, sw = (size_t)x->w, sh = (size_t)x->h;

    for (size_t i = first; i < first + (size_t)pixels; i++, dst += BLOCK_BYTES) {
        size_t row = i / w, image = row / h;

        copy_pixels(l, dst, x, (image * sh + row % h * sh / h) * sw + i % w * sw / w, 1);
    }
}

static void copy_image(const layout *l, char *dst, const pyr_tile_size *size, const pyr_tile_source *x,
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

/* sums[row * columns + column][32]; all but `l`, `x`, `w` and `sums` are constants where this is used.
 * `halves`: 2, or 1 for at most 16 outputs. */
INLINE_BF16 void sum_tile(int rows, int columns, int halves, const layout *l, const char *x, const char *w,
                          float *sums)
{
    __m512 sum[MOST][2];

#pragma GCC unroll 14
    for (int p = 0; p < rows * columns; p++)
#pragma GCC unroll 2
        for (int half = 0; half < halves; half++)
            sum[p][half] = _mm512_setzero_ps();
    for (int tap = 0; tap < l->taps; tap++) {
        const char *block = x + l->tap[tap];

        for (int left = l->words; left > 0; left -= WORDS, block += l->block) {
            const char *end = block + (left < WORDS ? left : WORDS) * WORD_BYTES;

            for (const char *at = block; at < end; at += WORD_BYTES, w += WEIGHT_BYTES) {
                __m512bh w0 = (__m512bh)_mm512_loadu_si512(w);
                __m512bh w1 = halves > 1 ? (__m512bh)_mm512_loadu_si512(w + BLOCK_BYTES) : w0;

#pragma GCC unroll 14
                for (int p = 0; p < rows * columns; p++) {
                    int32_t word;

                    memcpy(&word, at + (size_t)(p / columns) * l->row + (size_t)(p % columns) * BLOCK_BYTES,
                           sizeof word);
                    __m512bh both = (__m512bh)_mm512_set1_epi32(word);

                    sum[p][0] = _mm512_dpbf16_ps(sum[p][0], both, w0);
                    if (halves > 1)
                        sum[p][1] = _mm512_dpbf16_ps(sum[p][1], both, w1);
                }
            }
        }
    }
#pragma GCC unroll 14
    for (int p = 0; p < rows * columns; p++)
#pragma GCC unroll 2
        for (int half = 0; half < halves; half++)
            _mm512_storeu_ps(sums + p * BLOCK + half * 16, sum[p][half]);
}

typedef void sum_function(const layout *l, const char *x, const char *w, float *sums);

#define SUM(rows, columns)                                                                                   \
    WITH_BF16 static void sum_##rows##x##columns(const layout *l, const char *x, const char *w, float *sums) \
    {                                                                                                        \
        sum_tile(rows, columns, 2, l, x, w, sums);                                                           \
    }                                                                                                        \
    WITH_BF16 static void half_##rows##x##columns(const layout *l, const char *x, const char *w,             \
                                                  float *sums)                                               \
    {                                                                                                        \
        sum_tile(rows, columns, 1, l, x, w, sums);                                                           \
    }

SUM(1, 1)
SUM(1, 2)
SUM(1, 3)
SUM(1, 4)
SUM(1, 5)
SUM(1, 6)
SUM(1, 7)
SUM(1, 8)
SUM(1, 9)
SUM(1, 10)
SUM(1, 11)
SUM(1, 12)
SUM(1, 13)
SUM(1, 14)
SUM(2, 1)
SUM(2, 2)
SUM(2, 3)
SUM(2, 4)
SUM(2, 5)
SUM(2, 6)
SUM(2, 7)
SUM(3, 1)
SUM(3, 2)
SUM(3, 3)
SUM(3, 4)
SUM(4, 1)
SUM(4, 2)
SUM(4, 3)

static sum_function *const sum_functions[MOST_ROWS][MOST] = {
    {sum_1x1, sum_1x2, sum_1x3, sum_1x4, sum_1x5, sum_1x6, sum_1x7, sum_1x8, sum_1x9, sum_1x10, sum_1x11,
     sum_1x12, sum_1x13, sum_1x14},
    {sum_2x1, sum_2x2, sum_2x3, sum_2x4, sum_2x5, sum_2x6, sum_2x7},
    {sum_3x1, sum_3x2, sum_3x3, sum_3x4},
    {sum_4x1, sum_4x2, sum_4x3}};

static sum_function *const half_functions[MOST_ROWS][MOST] = {
    {half_1x1, half_1x2, half_1x3, half_1x4, half_1x5, half_1x6, half_1x7, half_1x8, half_1x9, half_1x10,
     half_1x11, half_1x12, half_1x13, half_1x14},
    {half_2x1, half_2x2, half_2x3, half_2x4, half_2x5, half_2x6, half_2x7},
    {half_3x1, half_3x2, half_3x3, half_3x4},
    {half_4x1, half_4x2, half_4x3}};

/* ---- the result -------------------------------------------------------------------------------- */

INLINE_BF16 __m512 load_reals(const void *src, size_t at, pyr_type type, __mmask16 are)
{
    if (type == PYR_F32)
        return _mm512_maskz_loadu_ps(are, (const float *)src + at);
    __m512i words = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(are, (const uint16_t *)src + at));

    return (__m512)_mm512_slli_epi32(words, 16);
}

INLINE_BF16 void store_reals(void *dst, size_t at, pyr_type type, __mmask16 are, __m512 v)
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
    const pyr_tile_result *y;
    int part, channel, output, count, out;
    const float *offset; /* bias and vector of these outputs */
} target;

/* 16 outputs of one pixel: y = (sums + offset + residual) * scale. */
INLINE_BF16 void put_16(void *y, size_t at, pyr_type type, __mmask16 are, __m512 v, const void *residual,
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
INLINE_BF16 void put_pixels(const target *t, pyr_type type, bool whole, const float *sums, size_t pixel,
                            int pixels)
{
    const pyr_tile_result *y = t->y;
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
WITH_BF16 static void put_block(const pyr_tile_size *size, const pyr_tile_result *y, const float *offset,
                                int output, const float *sums, size_t pixel, int rows, int columns, size_t w)
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
WITH_BF16 static void pool_block(const pyr_tile_size *size, const pyr_tile_result *y, float *pool,
                                 const float *sums, size_t pixel, int rows, int columns, size_t w)
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

void pyr_tile_copy(char *dst, const pyr_tile_size *size, const pyr_tile_source *x, size_t n, size_t row,
                   size_t block)
{
    layout l = {.h = size->h, .w = size->w, .row = row, .block = block};

    copy_image(&l, dst, size, x, n * (size_t)size->h * (size_t)size->w);
}

void pyr_tile_put(const pyr_tile_size *size, const pyr_tile_result *y, const float *offset, int output,
                  const float *sums, size_t pixel, int rows, int columns)
{
    put_block(size, y, offset, output, sums, pixel, rows, columns, (size_t)size->w);
}

void pyr_tile_pool(const pyr_tile_size *size, const pyr_tile_result *y, float *pool, const float *sums,
                   size_t pixel, int rows, int columns)
{
    pool_block(size, y, pool, sums, pixel, rows, columns, (size_t)size->w);
}

void pyr_tile_put_pool(const pyr_tile_size *size, const pyr_tile_result *y, const float *offset, int output,
                       const float *pool, size_t n)
{
    size_t pixels = (size_t)y->h * (size_t)y->w;

    put_block(size, y, offset, output, pool, n * pixels, 1, (int)pixels, pixels);
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* One rectangle of pixels of image n, whose first is `first` (over all images). */
typedef struct piece {
    const pyr_tile_size *size;
    const pyr_tile_result *y;
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

static void run_tiles(const piece *p, const char *w, int output, const float *offset)
{
    const layout *l = &p->l;
    sum_function *const(*functions)[MOST] = p->size->out - output > 16 ? sum_functions : half_functions;
    size_t in_image = p->first - p->n * (size_t)p->size->h * (size_t)p->size->w;
    _Alignas(64) float sums[MOST * BLOCK] = {0};
    int most_rows = l->w > MOST ? 1 : MOST / l->w < MOST_ROWS ? MOST / l->w : MOST_ROWS;

    for (int y = 0, rows; y < l->h; y += rows) {
        rows = next_part(l->h - y, most_rows);
        for (int x = 0, columns; x < l->w; x += columns) {
            size_t at = (size_t)y * (size_t)l->w + (size_t)x;

            columns = next_part(l->w - x, MOST);
            functions[rows - 1][columns - 1](l, p->image + (size_t)y * l->row + (size_t)x * BLOCK_BYTES, w,
                                             sums);
            if (p->pool)
                pool_block(p->size, p->y, p->pool, sums, in_image + at, rows, columns, (size_t)l->w);
            else
                put_block(p->size, p->y, offset, output, sums, p->first + at, rows, columns, (size_t)l->w);
        }
    }
}

static void offsets(const piece *p, int output, float *offset)
{
    const pyr_tile_result *y = p->y;

    for (int i = 0; i < BLOCK; i++) {
        size_t o = (size_t)(output + i), out = (size_t)p->size->out;

        offset[i] = y->bias && o < out ? y->bias[o] : 0;
        if (y->vector && o < out)
            offset[i] += y->vector[p->n * out + o];
    }
}

static void run_piece(const piece *p, const char *packed)
{
    size_t weights = (size_t)(p->l.taps * p->l.words) * WEIGHT_BYTES;
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
static void run_images(piece *p, const pyr_tile_source *x, const char *packed, char *image)
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
static void run_pixels(piece *p, const pyr_tile_source *x, const char *packed, char *image)
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

void pyr_tile_run(const pyr_tile_size *size, const pyr_tile_source *x, const void *packed,
                  const pyr_tile_result *y, void *scratch)
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
    assert(!"not this processor");
}

void pyr_tile_run(const pyr_tile_size *size, const pyr_tile_source *x, const void *packed,
                  const pyr_tile_result *y, void *scratch)
{
    (void)size, (void)x, (void)packed, (void)y, (void)scratch;
    assert(!"not this processor");
}

#endif
