/* tile_gradient.c - the gradient of a convolution's weights by register tiles, see tile.h.
 *
 *   dW[o][i][tap] = sum over images and pixels p of x[p + tap][i] * dy[p][o]
 *
 * is a product of two matrices, [rows (i, tap)] x [pixels] and [pixels] x [o]. VDPBF16PS adds two products of
 * bf16 to each sum; here they are of two images: the 32-bit word of a pixel and channel holds that number of
 * image n (low half) and n + 1 (high half; zeros behind an odd last image). x and dy are laid out in such
 * words, x with a border of zeros, and then every tap is a plain shift.
 *
 * A tile is 8 rows x 32 outputs in 16 registers. A pixel takes 8 words, broadcast when they are loaded, and
 * two vectors of dy for 16 VDPBF16PS: two of these can start in a cycle when 12 or more are independent (Zen
 * 5), and the loads stay below two a cycle. 98 % of the peak of 533 GFLOP/s were measured with the operands
 * in L2, so a chunk is what fits there (a tile's walk over it reads 32 to 64 KB and keeps its sums in
 * registers).
 *
 * The layout of a gradient is [block of 32 outputs][row][32 outputs], row = i * taps + tap, rows padded to a
 * multiple of 8: for each output the rows are PyTorch's order, so collect is a transposition.
 */
#include "kernels/cpu/tile.h"
#include <assert.h>
#include <immintrin.h>
#include <string.h>

/* Compiled for these whatever -march says; run only where pyr_tile_available. */
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define TARGET_INLINE TARGET __attribute__((always_inline)) static inline

enum {
    BLOCK = 32,            /* channels */
    HALF = 16,             /* channels in a vector of words */
    PIXEL = 4 * BLOCK,     /* bytes of a pixel in a block */
    ROWS = 8,              /* of a tile */
    CHUNK = 384 * 1024,    /* bytes of x and dy in words; L2 has 1 MB */
    CHUNK_PIXELS_MIN = 64, /* fewer are not worth loading and storing the sums, however many channels */
};

/* Which part of the work is laid out in words at a time, and where in scratch. */
typedef struct plan {
    int taps, border;          /* 9, 1 or 1, 0 */
    int in_blocks, out_blocks; /* of 32 channels */
    int rows, rows_padded;     /* of a gradient: in * taps */
    int pairs, height;         /* a chunk: pairs of images; rows of pixels, all of them when pairs > 1 */
    size_t x_row, x_pair, x_block;
    size_t dy_pair, dy_block;                      /* bytes */
    size_t at_dy, at_offsets, at_columns[2], size; /* in scratch; x is at 0 */
} plan;

/* The pixels that a tile walks over. */
typedef struct walk {
    int pairs, height, width;
    size_t x_row, x_pair, dy_pair; /* bytes from one to the next */
} walk;

static int divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

static size_t align64(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* As many as `most`, in equal parts. */
static int equal_parts(int total, int most)
{
    most = most < 1 ? 1 : most;
    return most >= total ? total : divide_up(total, divide_up(total, most));
}

static void choose_chunk(plan *p, const pyr_tile_size *size)
{
    size_t pixel = (size_t)(p->in_blocks + p->out_blocks) * PIXEL;
    int pixels = (int)(CHUNK / pixel);

    if (pixels < CHUNK_PIXELS_MIN)
        pixels = CHUNK_PIXELS_MIN;
    p->pairs = equal_parts(divide_up(size->n, 2), pixels / (size->h * size->w));
    p->height = equal_parts(size->h, pixels / size->w);
    if (p->height < size->h)
        p->pairs = 1;
}

static plan make_plan(const pyr_tile_size *size)
{
    plan p = {.taps = size->kernel * size->kernel, .border = size->kernel / 2};
    size_t width = (size_t)size->w;

    assert(size->kernel == 1 || size->kernel == 3);
    p.in_blocks = divide_up(size->in, BLOCK);
    p.out_blocks = divide_up(size->out, BLOCK);
    p.rows = size->in * p.taps;
    p.rows_padded = divide_up(p.rows, ROWS) * ROWS;
    choose_chunk(&p, size);
    p.x_row = (width + 2 * (size_t)p.border) * PIXEL;
    p.x_pair = (size_t)(p.height + 2 * p.border) * p.x_row;
    p.x_block = (size_t)p.pairs * p.x_pair;
    p.dy_pair = (size_t)p.height * width * PIXEL;
    p.dy_block = (size_t)p.pairs * p.dy_pair;
    p.at_dy = (size_t)p.in_blocks * p.x_block;
    p.at_offsets = p.at_dy + (size_t)p.out_blocks * p.dy_block;
    p.at_columns[0] = p.at_offsets + align64((size_t)p.rows_padded * sizeof(size_t));
    p.at_columns[1] = p.at_columns[0] + align64(width * sizeof(size_t));
    p.size = p.at_columns[1] + align64(width * sizeof(size_t));
    return p;
}

size_t pyr_tile_gradient_bytes(const pyr_tile_size *size)
{
    plan p = make_plan(size);

    return (size_t)p.out_blocks * (size_t)(p.rows_padded + 1) * BLOCK * sizeof(float);
}

size_t pyr_tile_gradient_scratch(const pyr_tile_size *size)
{
    return make_plan(size).size;
}

static float *bias_of(const plan *p, float *gradient)
{
    return gradient + (size_t)p->out_blocks * (size_t)p->rows_padded * BLOCK;
}

/* ---- into words ---- */

/* 32 channels of an image's pixels, in one tensor or two. */
typedef struct span {
    const char *at[2]; /* of the first pixel: where channel 0 of the block would be */
    size_t pixel[2];   /* bytes from one pixel to the next */
    __mmask32 mask[2]; /* the channels that are in this tensor */
} span;

static uint32_t channels_below(int c)
{
    return c <= 0 ? 0 : c >= 32 ? UINT32_MAX : ((uint32_t)1 << c) - 1;
}

/* An image behind the last one has no channels: it reads as zeros. */
static span span_of(const pyr_tile_source *s, int block, int image, int images)
{
    size_t bytes = pyr_type_size(s->type), first = (size_t)s->h * (size_t)s->w;
    bool exists = image < images;
    int before = 0;
    span out;

    first *= (size_t)(exists ? image : 0);
    for (int j = 0; j < 2; before += s->c[j++]) {
        int c = s->c[j] > 0 ? s->c[j] : 0, skip = block * BLOCK - before;

        out.pixel[j] = (size_t)c * bytes;
        out.mask[j] = exists ? channels_below(c - skip) & ~channels_below(-skip) : 0;
        out.at[j] =
            out.mask[j] ? (const char *)s->at[j] + first * out.pixel[j] + skip * (ptrdiff_t)bytes : NULL;
    }
    return out;
}

TARGET_INLINE __m512 load_f32(const span *s, size_t pixel, int half)
{
    size_t channel = (size_t)half * HALF * sizeof(float);
    __m512 v = _mm512_setzero_ps();

    for (int j = 0; j < 2; j++)
        if (s->mask[j])
            v = _mm512_mask_loadu_ps(v, (__mmask16)(s->mask[j] >> half * HALF),
                                     s->at[j] + pixel * s->pixel[j] + channel);
    return v;
}

TARGET_INLINE __m512i load_bf16(const span *s, size_t pixel)
{
    __m512i v = _mm512_setzero_si512();

    for (int j = 0; j < 2; j++)
        if (s->mask[j])
            v = _mm512_mask_loadu_epi16(v, s->mask[j], s->at[j] + pixel * s->pixel[j]);
    return v;
}

/* The order of halves (0 .. 31 of the one, 32 .. 63 of the other) that makes words of channels
 * 16 * half .. + 15. */
TARGET_INLINE __m512i word_order(int half)
{
    __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    low = _mm512_add_epi32(low, _mm512_set1_epi32(half * HALF));
    return _mm512_or_si512(low, _mm512_slli_epi32(_mm512_add_epi32(low, _mm512_set1_epi32(32)), 16));
}

/* sum[image][half] of the channels' values. */
TARGET_INLINE void add_words(__m512 sum[2][2], int half, __m512i words)
{
    __m512i low = _mm512_slli_epi32(words, 16);
    __m512i high = _mm512_and_si512(words, _mm512_set1_epi32(-65536));

    sum[0][half] = _mm512_add_ps(sum[0][half], _mm512_castsi512_ps(low));
    sum[1][half] = _mm512_add_ps(sum[1][half], _mm512_castsi512_ps(high));
}

/* `width` pixels of two images in words; the pixels are first + column[]. */
TARGET_INLINE void interleave(char *dst, const span pair[2], bool wide, size_t first, const size_t *column,
                              int width, bool want_sum, __m512 total[2][2])
{
    const __m512i order0 = word_order(0), order1 = word_order(1);
    const span a = pair[0], b = pair[1];
    __m512 sum[2][2] = {{total[0][0], total[0][1]}, {total[1][0], total[1][1]}};

    for (int x = 0; x < width; x++, dst += PIXEL) {
        size_t pixel = first + column[x];
        __m512i va, vb, words0, words1;

        if (wide) {
            __m512 a0 = load_f32(&a, pixel, 0), a1 = load_f32(&a, pixel, 1);
            __m512 b0 = load_f32(&b, pixel, 0), b1 = load_f32(&b, pixel, 1);

            va = (__m512i)_mm512_cvtne2ps_pbh(a1, a0);
            vb = (__m512i)_mm512_cvtne2ps_pbh(b1, b0);
            if (want_sum) {
                sum[0][0] = _mm512_add_ps(sum[0][0], a0);
                sum[0][1] = _mm512_add_ps(sum[0][1], a1);
                sum[1][0] = _mm512_add_ps(sum[1][0], b0);
                sum[1][1] = _mm512_add_ps(sum[1][1], b1);
            }
        } else {
            va = load_bf16(&a, pixel);
            vb = load_bf16(&b, pixel);
        }
        words0 = _mm512_permutex2var_epi16(va, order0, vb);
        words1 = _mm512_permutex2var_epi16(va, order1, vb);
        if (want_sum && !wide) {
            add_words(sum, 0, words0);
            add_words(sum, 1, words1);
        }
        _mm512_store_si512(dst, words0);
        _mm512_store_si512(dst + PIXEL / 2, words1);
    }
    for (int j = 0; j < 2; j++) {
        total[j][0] = sum[j][0];
        total[j][1] = sum[j][1];
    }
}

/* The same, compiled for each type. */
TARGET static void put_row(char *dst, const span pair[2], pyr_type type, size_t first, const size_t *column,
                           int width, bool want_sum, __m512 total[2][2])
{
    if (type == PYR_F32 && want_sum)
        interleave(dst, pair, true, first, column, width, true, total);
    else if (type == PYR_F32)
        interleave(dst, pair, true, first, column, width, false, total);
    else if (want_sum)
        interleave(dst, pair, false, first, column, width, true, total);
    else
        interleave(dst, pair, false, first, column, width, false, total);
}

/* Nearest: the source's column of each of the result's. */
static void fill_columns(size_t *column, int width, int source_width)
{
    for (int x = 0; x < width; x++)
        column[x] = (size_t)x * (size_t)source_width / (size_t)width;
}

static size_t source_row(const pyr_tile_size *size, const pyr_tile_source *s, int y)
{
    return (size_t)y * (size_t)s->h / (size_t)size->h * (size_t)s->w;
}

/* Rows y .. y + height - 1 of x and a row and column of neighbours or zeros around them, `pairs` pairs of
 * images from `image` on. */
TARGET static void lay_x(const plan *p, const pyr_tile_size *size, const pyr_tile_source *x, int image,
                         int pairs, int y, int height, const size_t *column, char *dst)
{
    __m512 unused[2][2] = {{_mm512_setzero_ps()}};

    for (int block = 0; block < p->in_blocks; block++)
        for (int pair = 0; pair < pairs; pair++) {
            char *row = dst + (size_t)block * p->x_block + (size_t)pair * p->x_pair;
            span both[2] = {span_of(x, block, image + 2 * pair, size->n),
                            span_of(x, block, image + 2 * pair + 1, size->n)};

            for (int r = y - p->border; r < y + height + p->border; r++, row += p->x_row) {
                size_t side = (size_t)p->border * PIXEL;

                if (r < 0 || r >= size->h) {
                    memset(row, 0, p->x_row);
                    continue;
                }
                memset(row, 0, side);
                put_row(row + side, both, x->type, source_row(size, x, r), column, size->w, false, unused);
                memset(row + p->x_row - side, 0, side);
            }
        }
}

/* dst[0 .. channels-1] (+)= sum * scale, two vectors. */
TARGET static void put_sum(float *dst, int channels, const __m512 sum[2], float scale, bool add)
{
    for (int half = 0; half < 2; half++) {
        __mmask16 mask = (__mmask16)(channels_below(channels) >> half * HALF);
        __m512 v = _mm512_mul_ps(sum[half], _mm512_set1_ps(scale));

        if (add)
            v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, dst + half * HALF));
        _mm512_mask_storeu_ps(dst + half * HALF, mask, v);
    }
}

/* Where sums of dy over pixels go. */
typedef struct sums {
    float *bias, *vector; /* vector may be NULL */
    bool bias_add, vector_add;
    float scale;
} sums;

TARGET static void add_sums(const sums *s, const pyr_tile_size *size, int block, int image, bool first_rows,
                            const __m512 total[2][2])
{
    int channel = block * BLOCK, channels = size->out - channel;

    for (int j = 0; j < 2 && image + j < size->n; j++) {
        put_sum(s->bias + channel, channels, total[j], s->scale, s->bias_add || !first_rows || image + j > 0);
        if (s->vector)
            put_sum(s->vector + (size_t)(image + j) * (size_t)size->out + channel, channels, total[j],
                    s->scale, s->vector_add || !first_rows);
    }
}

/* The same rows of dy, without neighbours; their sums on the way. */
TARGET static void lay_dy(const plan *p, const pyr_tile_size *size, const pyr_tile_source *dy, int image,
                          int pairs, int y, int height, const size_t *column, const sums *s, char *dst)
{
    for (int block = 0; block < p->out_blocks; block++)
        for (int pair = 0; pair < pairs; pair++) {
            char *row = dst + (size_t)block * p->dy_block + (size_t)pair * p->dy_pair;
            int first = image + 2 * pair;
            span both[2] = {span_of(dy, block, first, size->n), span_of(dy, block, first + 1, size->n)};
            __m512 total[2][2];

            for (int j = 0; j < 2; j++)
                total[j][0] = total[j][1] = _mm512_setzero_ps();
            for (int r = y; r < y + height; r++, row += (size_t)size->w * PIXEL)
                put_row(row, both, dy->type, source_row(size, dy, r), column, size->w, true, total);
            add_sums(s, size, block, first, y == 0, total);
        }
}

/* ---- the product ---- */

TARGET_INLINE __m512bh broadcast_word(const char *at)
{
    int32_t word;

    memcpy(&word, at, sizeof word);
    return (__m512bh)_mm512_set1_epi32(word);
}

/* g[row][] (+)= scale * (sum over the pixels of x[pixel + offset[row]] dy[pixel]) for 8 rows and 16 * vectors
 * outputs. */
TARGET_INLINE void tile(const walk *k, const char *x, const char *dy, const size_t *offset, int vectors,
                        float scale, bool add, float *g)
{
    __m512 sum[ROWS][2];
    __m512 factor = _mm512_set1_ps(scale);

#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (int pair = 0; pair < k->pairs; pair++)
        for (int y = 0; y < k->height; y++) {
            const char *xp = x + (size_t)pair * k->x_pair + (size_t)y * k->x_row;
            const char *dp = dy + (size_t)pair * k->dy_pair + (size_t)y * (size_t)k->width * PIXEL;

            for (int c = 0; c < k->width; c++, xp += PIXEL, dp += PIXEL) {
                __m512bh d0 = (__m512bh)_mm512_load_si512(dp);
                __m512bh d1 = (__m512bh)_mm512_load_si512(dp + (vectors > 1 ? PIXEL / 2 : 0));

#pragma GCC unroll 8
                for (int i = 0; i < ROWS; i++) {
                    __m512bh word = broadcast_word(xp + offset[i]);

                    sum[i][0] = _mm512_dpbf16_ps(sum[i][0], d0, word);
                    if (vectors > 1)
                        sum[i][1] = _mm512_dpbf16_ps(sum[i][1], d1, word);
                }
            }
        }
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < vectors; j++) {
            float *at = g + i * BLOCK + j * HALF;

            _mm512_storeu_ps(at, add ? _mm512_fmadd_ps(sum[i][j], factor, _mm512_loadu_ps(at))
                                     : _mm512_mul_ps(sum[i][j], factor));
        }
}

TARGET static void tile_32(const walk *k, const char *x, const char *dy, const size_t *offset, float scale,
                           bool add, float *g)
{
    tile(k, x, dy, offset, 2, scale, add, g);
}

TARGET static void tile_16(const walk *k, const char *x, const char *dy, const size_t *offset, float scale,
                           bool add, float *g)
{
    tile(k, x, dy, offset, 1, scale, add, g);
}

/* Where the words of a row (i, tap) lie, from the pixel's place in block 0 on. Rows of the padding repeat the
 * last one. */
static void fill_offsets(const plan *p, const pyr_tile_size *size, size_t *offset)
{
    for (int r = 0; r < p->rows_padded; r++) {
        int row = r < p->rows ? r : p->rows - 1;
        int i = row / p->taps, tap = row % p->taps;

        offset[r] = (size_t)(i / BLOCK) * p->x_block + (size_t)(i % BLOCK) * 4 +
                    (size_t)(tap / size->kernel) * p->x_row + (size_t)(tap % size->kernel) * PIXEL;
    }
}

static void multiply(const plan *p, const pyr_tile_size *size, const walk *k, const char *scratch,
                     float scale, bool add, float *gradient)
{
    const size_t *offset = (const size_t *)(const void *)(scratch + p->at_offsets);

    for (int block = 0; block < p->out_blocks; block++) {
        const char *dy = scratch + p->at_dy + (size_t)block * p->dy_block;
        bool narrow = size->out - block * BLOCK <= HALF;

        for (int r = 0; r < p->rows_padded; r += ROWS) {
            float *g = gradient + ((size_t)block * (size_t)p->rows_padded + (size_t)r) * BLOCK;

            (narrow ? tile_16 : tile_32)(k, scratch, dy, offset + r, scale, add, g);
        }
    }
}

static walk walk_of(const plan *p, const pyr_tile_size *size, int pairs, int height)
{
    walk k = {pairs, height, size->w, p->x_row, p->x_pair, p->dy_pair};

    if (p->border == 0) { /* the rows lie one behind the other */
        k.width *= k.height;
        k.height = 1;
    }
    return k;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

void pyr_tile_gradient(const pyr_tile_size *size, const pyr_tile_source *x, const pyr_tile_source *dy,
                       float scale, float *gradient, bool add, float *dvector, bool vector_add, void *scratch)
{
    plan p = make_plan(size);
    char *words = scratch;
    size_t *column_x = (size_t *)(void *)(words + p.at_columns[0]);
    size_t *column_dy = (size_t *)(void *)(words + p.at_columns[1]);
    sums s = {bias_of(&p, gradient), dvector, add, vector_add, scale};

    fill_offsets(&p, size, (size_t *)(void *)(words + p.at_offsets));
    fill_columns(column_x, size->w, x->w);
    fill_columns(column_dy, size->w, dy->w);
    for (int image = 0; image < size->n; image += 2 * p.pairs)
        for (int y = 0; y < size->h; y += p.height) {
            int pairs = smaller(p.pairs, divide_up(size->n - image, 2)),
                height = smaller(p.height, size->h - y);
            walk k = walk_of(&p, size, pairs, height);

            lay_x(&p, size, x, image, pairs, y, height, column_x, words);
            lay_dy(&p, size, dy, image, pairs, y, height, column_dy, &s, words + p.at_dy);
            multiply(&p, size, &k, words, scale, add || image > 0 || y > 0, gradient);
        }
}

/* ---- to PyTorch's order ---- */

/* 16 x 16 numbers. */
TARGET_INLINE void transpose(__m512 v[16])
{
    __m512 t[16];

#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) /* then v[i + k] = columns k, 4 + k, 8 + k, 12 + k of rows i .. i + 3 */
        for (int k = 0; k < 2; k++) {
            __m512d a = _mm512_castps_pd(t[i + k]), b = _mm512_castps_pd(t[i + k + 2]);

            v[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            v[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        t[k] = _mm512_shuffle_f32x4(v[k], v[k + 4], 0x88);
        t[k + 4] = _mm512_shuffle_f32x4(v[k], v[k + 4], 0xdd);
        t[k + 8] = _mm512_shuffle_f32x4(v[k + 8], v[k + 12], 0x88);
        t[k + 12] = _mm512_shuffle_f32x4(v[k + 8], v[k + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        v[k] = _mm512_shuffle_f32x4(t[k], t[k + 8], 0x88);
        v[k + 4] = _mm512_shuffle_f32x4(t[k + 4], t[k + 12], 0x88);
        v[k + 8] = _mm512_shuffle_f32x4(t[k], t[k + 8], 0xdd);
        v[k + 12] = _mm512_shuffle_f32x4(t[k + 4], t[k + 12], 0xdd);
    }
}

/* dw[o][r] += the sum of the gradients' [r][o]: outputs 16 at a time (`outputs` of them real), 16 rows of
 * the padded ones (`rows` real). */
TARGET static void collect_16(const float *const *gradients, int count, size_t at, int padded, int rows,
                              int outputs, float *dw, size_t stride)
{
    __mmask16 mask = (__mmask16)channels_below(rows);
    __m512 v[16];

    for (int r = 0; r < 16; r++) {
        v[r] = _mm512_setzero_ps();
        for (int j = 0; j < count && r < padded; j++)
            v[r] = _mm512_add_ps(v[r], _mm512_loadu_ps(gradients[j] + at + (size_t)r * BLOCK));
    }
    transpose(v);
    for (int o = 0; o < outputs; o++, dw += stride)
        _mm512_mask_storeu_ps(dw, mask, _mm512_add_ps(v[o], _mm512_maskz_loadu_ps(mask, dw)));
}

static void collect_bias(const plan *p, const pyr_tile_size *size, const float *const *gradients, int count,
                         float *db)
{
    size_t at = (size_t)p->out_blocks * (size_t)p->rows_padded * BLOCK;

    for (int o = 0; o < size->out; o++) {
        float sum = 0;

        for (int j = 0; j < count; j++)
            sum += gradients[j][at + (size_t)o];
        db[o] += sum;
    }
}

void pyr_tile_collect(const pyr_tile_size *size, const float *const *gradients, int count, float *dw,
                      float *db)
{
    plan p = make_plan(size);

    for (int o = 0; o < size->out; o += HALF)
        for (int r = 0; r < p.rows; r += 16) {
            size_t at =
                ((size_t)(o / BLOCK) * (size_t)p.rows_padded + (size_t)r) * BLOCK + (size_t)(o % BLOCK);

            collect_16(gradients, count, at, p.rows_padded - r, p.rows - r, smaller(HALF, size->out - o),
                       dw + (size_t)o * (size_t)p.rows + r, (size_t)p.rows);
        }
    if (db)
        collect_bias(&p, size, gradients, count, db);
}
