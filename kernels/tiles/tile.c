/* tile.c - convolutions of bf16 by tiles: forward, and backward by data. Where fewer products are faster, winograd.c
 * takes over.
 *
 * An image is copied into scratch (rounded, concatenated, enlarged, with its border); then the sums over all taps and
 * channels are made for 32 outputs of all pixels before the next 32 (tile_vectors.c, tile_amx.c), and what they become is
 * written at once. Figures: docs/design-notes.md.
 *
 * Weights: [block of 32 outputs][tap][word of two channels][32 outputs][2] bf16, zeros beyond the
 * channels. */
#include "kernels/tiles/tile_parts.h"

#include <assert.h>
#include <string.h>

/* Pixels of a 1x1 convolution that are copied and finished together: 64 KB of 128 channels, in L2. */
enum { CHUNK = 256 };

/* Tiles of AMX take whole blocks. */
static int words_of(const pyr_tile_size *size)
{
    return PYR_BY_AMX ? divide_up(size->in, BLOCK) * WORDS : (size->in + 1) / 2;
}

size_t pyr_tile_packed_bytes(const pyr_tile_size *size)
{
    if (pyr_winograd_suits(size))
        return pyr_winograd_packed_bytes(size);
    return (size_t)divide_up(size->out, BLOCK) * (size_t)(size->kernel * size->kernel) *
           (size_t)words_of(size) * WEIGHT_BYTES;
}

size_t pyr_tile_scratch(const pyr_tile_size *size)
{
    size_t image = (size_t)size->h * (size_t)size->w;
    size_t border = size->kernel == 3 ? (size_t)(size->h + 2 * size->w + 3) : 0;
    size_t copied = size->kernel == 1 && image < CHUNK ? CHUNK : image + border;
    size_t behind = PYR_TILE_BEHIND * BLOCK_BYTES;

    if (pyr_winograd_suits(size))
        return pyr_winograd_scratch(size);
    /* and the sums of 32 outputs, for a result that is smaller */
    return copied * (size_t)divide_up(size->in, BLOCK) * BLOCK_BYTES + behind + image * BLOCK * sizeof(float);
}

#ifdef __AVX512BF16__
#include <immintrin.h>

static bool pools(const pyr_tile_size *size, const pyr_conv_result *y)
{
    return !size->strided && (y->h != size->h || y->w != size->w);
}

static pyr_tile_layout layout_of(const pyr_tile_size *size, int h, int w)
{
    pyr_tile_layout l = {
        .h = h, .w = w, .border = size->kernel / 2, .words = words_of(size), .kernel = size->kernel};

    l.step = size->strided ? 2 : 1;
    l.rows = (h + l.step - 1) / l.step;
    l.columns = (w + l.step - 1) / l.step;
    l.row = (size_t)(w + l.border) * BLOCK_BYTES;
    l.block = (size_t)(h + 2 * l.border) * l.row + (size_t)l.border * BLOCK_BYTES;
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
                    int left = 2 * word < size->in ? size->out - o - half * 16 : 0;
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
static void copy_pixels(const pyr_tile_layout *l, char *dst, const pyr_conv_source *x, size_t first,
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
static void copy_enlarged(const pyr_tile_layout *l, char *dst, const pyr_tile_size *size,
                          const pyr_conv_source *x, size_t first, int pixels)
{
    size_t w = (size_t)size->w, h = (size_t)size->h, sw = (size_t)x->w, sh = (size_t)x->h;

    for (size_t i = first; i < first + (size_t)pixels; i++, dst += BLOCK_BYTES) {
        size_t row = i / w, image = row / h;

        copy_pixels(l, dst, x, (image * sh + row % h * sh / h) * sw + i % w * sw / w, 1);
    }
}

/* Of image n, into every second row and column; all others are zeros already. */
static void copy_spread(const pyr_tile_layout *l, char *dst, const pyr_conv_source *x, size_t n)
{
    for (int y = 0; y < x->h; y++, dst += 2 * l->row)
        for (int i = 0; i < x->w; i++)
            copy_pixels(l, dst + (size_t)i * 2 * BLOCK_BYTES, x,
                        (n * (size_t)x->h + (size_t)y) * (size_t)x->w + (size_t)i, 1);
}

static void copy_image(const pyr_tile_layout *l, char *dst, const pyr_tile_size *size,
                       const pyr_conv_source *x, size_t first)
{
    bool enlarged = x->h != size->h || x->w != size->w;

    dst += (size_t)l->border * (l->row + BLOCK_BYTES);
    if (size->spread) {
        copy_spread(l, dst, x, first / ((size_t)l->h * (size_t)l->w));
        return;
    }
    for (int y = 0; y < l->h; y++, dst += l->row, first += (size_t)l->w)
        if (enlarged)
            copy_enlarged(l, dst, size, x, first, l->w);
        else
            copy_pixels(l, dst, x, first, l->w);
}

/* The row above, the pixel before each row, the row below and the pixel behind it. */
static void clear_border(const pyr_tile_layout *l, char *dst, int blocks)
{
    for (int b = 0; l->border && b < blocks; b++, dst += l->block) {
        char *row = dst + l->row;

        memset(dst, 0, l->row);
        for (int y = 0; y < l->h; y++, row += l->row)
            memset(row, 0, BLOCK_BYTES);
        memset(row, 0, l->row + BLOCK_BYTES);
    }
}

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
    pyr_tile_layout l = {.h = size->h, .w = size->w, .row = row, .block = block};

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
    pyr_tile_layout l;
} piece;

/* The 32 outputs whose sums are made. */
typedef struct target_block {
    const piece *p;
    int output;
    const float *offset;
} target_block;

static void put(const void *ctx, const float *sums, size_t at, int rows, int columns)
{
    const target_block *t = ctx;
    const piece *p = t->p;

    put_block(p->size, p->y, t->offset, t->output, sums, p->first + at, rows, columns, (size_t)p->l.columns);
}

static void pool(const void *ctx, const float *sums, size_t at, int rows, int columns)
{
    const piece *p = ((const target_block *)ctx)->p;

    at += p->first - p->n * (size_t)p->size->h * (size_t)p->size->w;
    pool_block(p->size, p->y, p->pool, sums, at, rows, columns, (size_t)p->l.w);
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
        target_block t = {p, output, offset};

        offsets(p, output, offset);
        if (p->pool)
            memset(p->pool, 0, pooled * BLOCK * sizeof *p->pool);
        pyr_tile_sums(&p->l, p->image, packed, p->size->out - output <= 16, p->pool ? pool : put, &t);
        if (p->pool)
            pyr_tile_put_pool(p->size, p->y, offset, output, p->pool, p->n);
    }
}

/* 3x3: image after image. */
static void run_images(piece *p, const pyr_conv_source *x, const char *packed, char *image)
{
    const pyr_tile_size *size = p->size;

    p->l = layout_of(size, size->h, size->w);
    if (size->spread)
        memset(image, 0, (size_t)divide_up(size->in, BLOCK) * p->l.block);
    else
        clear_border(&p->l, image, divide_up(size->in, BLOCK));
    for (; p->n < (size_t)size->n; p->n++, p->first += (size_t)p->l.rows * (size_t)p->l.columns) {
        copy_image(&p->l, image, size, x, p->n * (size_t)size->h * (size_t)size->w);
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
            count = (size_t)pyr_next_part((int)count, CHUNK);
        p->l = layout_of(size, 1, (int)count);
        copy_image(&p->l, image, size, x, p->first);
        run_piece(p, packed);
    }
}

void pyr_tile_run(const pyr_tile_size *size, const pyr_conv_source *x, const void *packed,
                  const pyr_conv_result *y, void *scratch)
{
    size_t sums = (size_t)size->h * (size_t)size->w * BLOCK; /* of a pool; first, so that they are aligned */
    piece p = {.size = size, .y = y, .image = (char *)scratch + sums * sizeof(float)};

    assert(x->c[0] + x->c[1] == size->in && y->c[0] + y->c[1] == size->out);
    p.pool = pools(size, y) ? scratch : NULL;
    if (pyr_winograd_suits(size)) {
        pyr_winograd_run(size, x, packed, y, scratch);
        return;
    }
    pyr_tile_begin();
    if (size->kernel == 1)
        run_pixels(&p, x, packed, (char *)scratch + sums * sizeof(float));
    else
        run_images(&p, x, packed, (char *)scratch + sums * sizeof(float));
    pyr_tile_end();
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
