/* winograd.c - 3x3 convolutions with 16 products where the plain way has 36: F(2x2, 3x3) of Lavin & Gray
 * 2016, "Fast algorithms for convolutional neural networks".
 *
 * A patch is 4x4 pixels of x, two pixels from the next, and gives 2x2 pixels of the result:
 *
 *     sums = A^T [ sum over channels of (G w G^T) * (B^T x B) ] A,    * by element
 *
 *     B^T = 1  0 -1  0     G = 1   0   0     A^T = 1 1  1  0
 *           0  1  1  0         1/2 1/2 1/2         0 1 -1 -1
 *           0 -1  1  0         1/2-1/2 1/2
 *           0  1  0 -1         0   0   1
 *
 * For each of the 16 elements the sum over channels is a matrix product, [patches] x [in] times [in] x [out],
 * done as in tile.c: up to 14 patches x 32 outputs in registers. Both factors are rounded to bf16 after their
 * transforms, which are computed in f32, as are the sums and theirs. Against double on normally distributed
 * numbers the root mean square error is 0.0041 of the result's where plain bf16 products have 0.0016
 * (rounding a result to bf16 alone: 0.0016).
 *
 * 14 patches are taken through all steps before the next: their elements (28 KB for 64 channels) and the
 * products of 32 outputs (28 KB) stay near. More at a time were slower by 1 to 4 %.
 *
 * Layouts. Elements: [element][block of 32 channels][patch][32 bf16]. In a block the channels are in the
 * order 0, 2, .., 30, 1, 3, .., 31: even and odd ones are converted to f32 apart (a shift, a mask) and come
 * together in one VCVTNE2PS2BF16. Weights: [block of 32 outputs][element][word of two channels][32
 * outputs][2] bf16. Channels beyond the last are zeros. */
#include "kernels/tiles/tile_parts.h"

#include <assert.h>
#include <string.h>

enum { ELEMENTS = 16, MOST = 14 };

/* How patches cover an image, how its copy lies in scratch, and what else does (bytes from the start). */
typedef struct grid {
    int columns, patches; /* of an image */
    int in_blocks, out_blocks;
    size_t row, block; /* of the copy: bytes to the pixel below, to the same pixel's next 32 channels */
    size_t at_elements, at_products, at_sums, at_offsets, at_pool, size;
} grid;

static grid grid_of(const pyr_tile_size *size)
{
    int rows = divide_up(size->h, 2);
    grid g = {.columns = divide_up(size->w, 2)};

    g.patches = rows * g.columns;
    g.in_blocks = divide_up(size->in, BLOCK);
    g.out_blocks = divide_up(size->out, BLOCK);
    g.row = (size_t)(2 * g.columns + 2) * BLOCK_BYTES;
    g.block = (size_t)(2 * rows + 2) * g.row;
    g.at_elements = (size_t)g.in_blocks * g.block;
    g.at_products = g.at_elements + (size_t)(ELEMENTS * g.in_blocks * MOST) * BLOCK_BYTES;
    g.at_sums = g.at_products + ELEMENTS * MOST * BLOCK * sizeof(float);
    g.at_offsets = g.at_sums + 4 * MOST * BLOCK * sizeof(float);
    g.at_pool = g.at_offsets + (size_t)(size->n * g.out_blocks) * BLOCK * sizeof(float);
    g.size = g.at_pool + (size_t)(size->h * size->w) * (size_t)g.out_blocks * BLOCK * sizeof(float);
    return g;
}

/* By the cycles of the products at their peak (64 multiply-adds each, AMD EPYC of family 26), which the plain
 * way reaches; a block of a patch takes 95 more to be transformed. Few pixels: the plain way waits for six
 * cycles of latency. It does not depend on the images' number: weights are packed once for all, and an
 * image's result is the same in any company. Measured beside the plain way: 1.1 times as fast at 3x3 pixels x
 * 128 channels, 1.4 at 7x7 x 64, 1.5 at 28x28 x 32, 1.8 at 14x14 x 64, 2.0 at 8x8 x 128 and 32x32 x 128;
 * slower at 7x7 x 32. Tiles of AMX do the plain products in less time than the transforms take. */
bool pyr_winograd_suits(const pyr_tile_size *size)
{
    const grid g = grid_of(size);
    double patch = 256.0 * g.in_blocks * g.out_blocks + 95.0 * (g.in_blocks + g.out_blocks);
    double pixels = size->h * size->w, pixel = 9 / 64.0 * size->in * divide_up(size->out, 16) * 16;

    if (size->strided || size->spread)
        return false;
    if (size->kernel != 3 || size->products != PYR_BY_MODEL || PYR_BY_AMX)
        return size->kernel == 3 && size->products == PYR_WINOGRAD;
    return g.patches * patch < (pixels < 6 ? 6 : pixels) * pixel;
}

size_t pyr_winograd_packed_bytes(const pyr_tile_size *size)
{
    grid g = grid_of(size);

    return (size_t)(g.out_blocks * g.in_blocks) * ELEMENTS * WORDS * WEIGHT_BYTES;
}

size_t pyr_winograd_scratch(const pyr_tile_size *size)
{
    return grid_of(size).size;
}

#ifdef __AVX512BF16__
#include <immintrin.h>

/* ---- weights ---- */

/* One channel of 16 outputs, `stride` numbers apart. */
typedef struct column {
    const float *w; /* NULL: beyond the last channel */
    __m512i outputs;
    __mmask16 are;
    bool turned;
} column;

/* G times three numbers. */
PYR_INLINE void weight_row(__m512 out[4], __m512 a, __m512 b, __m512 c)
{
    __m512 half = _mm512_set1_ps(0.5f), ends = _mm512_mul_ps(_mm512_add_ps(a, c), half);

    b = _mm512_mul_ps(b, half);
    out[0] = a;
    out[1] = _mm512_add_ps(ends, b);
    out[2] = _mm512_sub_ps(ends, b);
    out[3] = c;
}

/* G w G^T */
static void transform_weights(const column *c, __m512 out[ELEMENTS])
{
    __m512 w[9], rows[3][4];

    for (int i = 0; i < 9; i++)
        w[i] = c->w ? _mm512_mask_i32gather_ps(_mm512_setzero_ps(), c->are, c->outputs,
                                               c->w + (c->turned ? 8 - i : i), sizeof(float))
                    : _mm512_setzero_ps();
    for (int i = 0; i < 3; i++)
        weight_row(rows[i], w[3 * i], w[3 * i + 1], w[3 * i + 2]);
    for (int i = 0; i < 4; i++) {
        __m512 down[4];

        weight_row(down, rows[0][i], rows[1][i], rows[2][i]);
        for (int j = 0; j < 4; j++)
            out[4 * j + i] = down[j];
    }
}

PYR_INLINE __m512i low_halves(__m512 v)
{
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(v));
}

/* The channel in half (0, 1) of a word of a block. */
static int channel_in(int word, int half)
{
    int place = 2 * word + half;

    return place < BLOCK / 2 ? 2 * place : 2 * place - BLOCK + 1;
}

void pyr_winograd_pack(const pyr_tile_size *size, const float *w, size_t stride_out, size_t stride_in,
                       bool turned, void *packed)
{
    grid g = grid_of(size);
    const __m512i count = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    column c = {.outputs = _mm512_mullo_epi32(count, _mm512_set1_epi32((int)stride_out)), .turned = turned};
    size_t element = (size_t)g.in_blocks * WORDS * WEIGHT_BYTES;

    for (int o = 0; o < g.out_blocks * BLOCK; o += 16) {
        char *dst =
            (char *)packed + (size_t)(o / BLOCK) * ELEMENTS * element + (size_t)(o % BLOCK) * WORD_BYTES;
        int left = size->out - o;

        c.are = (__mmask16)(left >= 16 ? 0xFFFF : left > 0 ? (1 << left) - 1 : 0);
        for (int word = 0; word < g.in_blocks * WORDS; word++, dst += WEIGHT_BYTES) {
            __m512 both[2][ELEMENTS];

            for (int half = 0; half < 2; half++) {
                int i = word / WORDS * BLOCK + channel_in(word % WORDS, half);

                c.w = i < size->in && left > 0 ? w + (size_t)o * stride_out + (size_t)i * stride_in : NULL;
                transform_weights(&c, both[half]);
            }
            for (int e = 0; e < ELEMENTS; e++)
                _mm512_storeu_si512(
                    dst + (size_t)e * element,
                    _mm512_or_si512(low_halves(both[0][e]), _mm512_slli_epi32(low_halves(both[1][e]), 16)));
        }
    }
}

/* ---- patches ---- */

/* B^T times four numbers, in place. */
PYR_INLINE void patch_row(__m512 *a, __m512 *b, __m512 *c, __m512 *d)
{
    __m512 first = _mm512_sub_ps(*a, *c), second = _mm512_add_ps(*b, *c);

    *d = _mm512_sub_ps(*b, *d);
    *c = _mm512_sub_ps(*c, *b);
    *a = first;
    *b = second;
}

/* B^T x B of the even or the odd channels of a block. */
PYR_INLINE void transform_channels(const char *pixel, size_t row, bool odd, __m512 v[ELEMENTS])
{
    UNROLL
    for (int i = 0; i < ELEMENTS; i++) {
        __m512i words = _mm512_loadu_si512(pixel + (size_t)(i / 4) * row + (size_t)(i % 4) * BLOCK_BYTES);

        v[i] = _mm512_castsi512_ps(odd ? _mm512_and_si512(words, _mm512_set1_epi32(-65536))
                                       : _mm512_slli_epi32(words, 16));
    }
    UNROLL
    for (int i = 0; i < 4; i++)
        patch_row(&v[i], &v[4 + i], &v[8 + i], &v[12 + i]);
    UNROLL
    for (int i = 0; i < 4; i++)
        patch_row(&v[4 * i], &v[4 * i + 1], &v[4 * i + 2], &v[4 * i + 3]);
}

static void transform_patch(const char *pixel, size_t row, char *dst, size_t element)
{
    __m512 even[ELEMENTS], odd[ELEMENTS];

    transform_channels(pixel, row, false, even);
    transform_channels(pixel, row, true, odd);
    UNROLL
    for (int i = 0; i < ELEMENTS; i++)
        _mm512_storeu_si512(dst + (size_t)i * element, (__m512i)_mm512_cvtne2ps_pbh(odd[i], even[i]));
}

/* ---- the products of one element ---- */

/* products[patch][32]; `patches` is a constant where this is used. */
PYR_INLINE void multiply(int patches, const char *x, size_t block, int blocks, const char *w, float *products)
{
    __m512 sum[MOST][2];

    UNROLL
    for (int p = 0; p < patches; p++)
        sum[p][0] = sum[p][1] = _mm512_setzero_ps();
    for (int i = 0; i < blocks; i++, x += block)
        for (const char *at = x; at < x + BLOCK_BYTES; at += WORD_BYTES, w += WEIGHT_BYTES) {
            __m512bh w0 = (__m512bh)_mm512_loadu_si512(w);
            __m512bh w1 = (__m512bh)_mm512_loadu_si512(w + BLOCK_BYTES);

            UNROLL
            for (int p = 0; p < patches; p++) {
                int32_t word;

                memcpy(&word, at + p * BLOCK_BYTES, sizeof word);
                __m512bh both = (__m512bh)_mm512_set1_epi32(word);

                sum[p][0] = _mm512_dpbf16_ps(sum[p][0], both, w0);
                sum[p][1] = _mm512_dpbf16_ps(sum[p][1], both, w1);
            }
        }
    UNROLL
    for (int p = 0; p < patches; p++) {
        _mm512_storeu_ps(products + p * BLOCK, sum[p][0]);
        _mm512_storeu_ps(products + p * BLOCK + 16, sum[p][1]);
    }
}

typedef void multiply_function(const char *x, size_t block, int blocks, const char *w, float *products);

#define MULTIPLY(patches)                                                                                    \
    static void multiply_##patches(const char *x, size_t block, int blocks, const char *w, float *products)  \
    {                                                                                                        \
        multiply(patches, x, block, blocks, w, products);                                                    \
    }

MULTIPLY(1)
MULTIPLY(2)
MULTIPLY(3)
MULTIPLY(4)
MULTIPLY(5)
MULTIPLY(6)
MULTIPLY(7)
MULTIPLY(8)
MULTIPLY(9)
MULTIPLY(10)
MULTIPLY(11)
MULTIPLY(12)
MULTIPLY(13)
MULTIPLY(14)

static multiply_function *const multiply_functions[MOST] = {
    multiply_1, multiply_2, multiply_3,  multiply_4,  multiply_5,  multiply_6,  multiply_7,
    multiply_8, multiply_9, multiply_10, multiply_11, multiply_12, multiply_13, multiply_14};

/* ---- the result ---- */

/* A^T m A of a patch: two rows (or one) of two pixels (or one) with 32 sums each, `row` floats apart. */
static void transform_products(const float *products, float *sums, size_t row, bool two_columns)
{
    for (int half = 0; half < BLOCK; half += 16) {
        __m512 m[ELEMENTS], rows[2][4];

        UNROLL
        for (int i = 0; i < ELEMENTS; i++)
            m[i] = _mm512_loadu_ps(products + i * MOST * BLOCK + half);
        UNROLL
        for (int i = 0; i < 4; i++) {
            rows[0][i] = _mm512_add_ps(_mm512_add_ps(m[i], m[4 + i]), m[8 + i]);
            rows[1][i] = _mm512_sub_ps(_mm512_sub_ps(m[4 + i], m[8 + i]), m[12 + i]);
        }
        UNROLL
        for (int r = 0; r < 2; r++) {
            float *to = sums + (size_t)r * row + half;

            _mm512_storeu_ps(to, _mm512_add_ps(_mm512_add_ps(rows[r][0], rows[r][1]), rows[r][2]));
            if (two_columns)
                _mm512_storeu_ps(to + BLOCK,
                                 _mm512_sub_ps(_mm512_sub_ps(rows[r][1], rows[r][2]), rows[r][3]));
        }
    }
}

/* ---- the whole ---- */

typedef struct job {
    const pyr_tile_size *size;
    const pyr_conv_source *x;
    const pyr_conv_result *y;
    const char *packed;
    bool pools; /* the result is smaller */
    grid g;
    char *scratch;
    int copied; /* the image in scratch, -1: none */
} job;

static float *floats_at(const job *j, size_t bytes)
{
    return (float *)(void *)(j->scratch + bytes);
}

static float *offset_of(const job *j, int n, int block)
{
    return floats_at(j, j->g.at_offsets) + (size_t)(n * j->g.out_blocks + block) * BLOCK;
}

static float *pool_of(const job *j, int block)
{
    return floats_at(j, j->g.at_pool) + (size_t)block * (size_t)(j->y->h * j->y->w) * BLOCK;
}

/* bias and vector of all images. */
static void fill_offsets(const job *j)
{
    int out = j->size->out;

    for (int n = 0; n < j->size->n; n++) {
        float *offset = offset_of(j, n, 0);

        memset(offset, 0, (size_t)j->g.out_blocks * BLOCK * sizeof *offset);
        for (int o = 0; j->y->bias && o < out; o++)
            offset[o] = j->y->bias[o];
        for (int o = 0; j->y->vector && o < out; o++)
            offset[o] += j->y->vector[(size_t)n * (size_t)out + (size_t)o];
    }
}

/* What is around an image, up to the edge of the patches: written once, copies do not touch it. */
static void clear_border(const job *j)
{
    const grid *g = &j->g;
    size_t end = (size_t)(j->size->w + 1) * BLOCK_BYTES, below = (size_t)(j->size->h + 1) * g->row;

    for (int b = 0; b < g->in_blocks; b++) {
        char *copy = j->scratch + (size_t)b * g->block;

        memset(copy, 0, g->row);
        for (size_t row = g->row; row < below; row += g->row) {
            memset(copy + row, 0, BLOCK_BYTES);
            memset(copy + row + end, 0, g->row - end);
        }
        memset(copy + below, 0, g->block - below);
    }
}

static void transform_patches(job *j, int first, int count)
{
    const grid *g = &j->g;
    char *elements = j->scratch + g->at_elements;

    for (int i = 0; i < count; i++) {
        int n = (first + i) / g->patches, patch = (first + i) % g->patches;
        size_t pixel =
            (size_t)(patch / g->columns) * 2 * g->row + (size_t)(patch % g->columns) * 2 * BLOCK_BYTES;

        if (n != j->copied)
            pyr_tile_copy(j->scratch + g->row + BLOCK_BYTES, j->size, j->x, (size_t)n, g->row, g->block);
        j->copied = n;
        for (int b = 0; b < g->in_blocks; b++)
            transform_patch(j->scratch + (size_t)b * g->block + pixel, g->row,
                            elements + (size_t)(b * MOST + i) * BLOCK_BYTES,
                            (size_t)(g->in_blocks * MOST) * BLOCK_BYTES);
    }
}

static void multiply_elements(const job *j, int block, int count)
{
    const grid *g = &j->g;
    const char *x = j->scratch + g->at_elements, *w;
    size_t element_x = (size_t)(g->in_blocks * MOST) * BLOCK_BYTES;
    size_t element_w = (size_t)(g->in_blocks * WORDS) * WEIGHT_BYTES;
    float *products = floats_at(j, g->at_products);

    w = j->packed + (size_t)block * ELEMENTS * element_w;
    for (int e = 0; e < ELEMENTS; e++, x += element_x, w += element_w, products += MOST * BLOCK)
        multiply_functions[count - 1](x, MOST * BLOCK_BYTES, g->in_blocks, w, products);
}

/* `count` patches that lie side by side in image n, the first of them `patch`; `products` are theirs. */
static void put_patches(const job *j, int block, int n, int patch, int count, const float *products)
{
    const pyr_tile_size *size = j->size;
    float *sums = floats_at(j, j->g.at_sums);
    int y = patch / j->g.columns * 2, x = patch % j->g.columns * 2;
    int rows = smaller(2, size->h - y), columns = smaller(2 * count, size->w - x);
    size_t pixel = (size_t)y * (size_t)size->w + (size_t)x;

    for (int i = 0; i < count; i++)
        transform_products(products + i * BLOCK, sums + 2 * i * BLOCK, (size_t)columns * BLOCK,
                           2 * i + 1 < columns);
    if (j->pools)
        pyr_tile_pool(size, j->y, pool_of(j, block), sums, pixel, rows, columns);
    else
        pyr_tile_put(size, j->y, offset_of(j, n, block), block * BLOCK, sums,
                     (size_t)n * (size_t)size->h * (size_t)size->w + pixel, rows, columns);
}

static void run_patches(job *j, int first, int count)
{
    const grid *g = &j->g;

    transform_patches(j, first, count);
    for (int block = 0; block < g->out_blocks; block++) {
        multiply_elements(j, block, count);
        for (int i = 0, some; i < count; i += some) {
            int patch = (first + i) % g->patches;

            some = smaller(count - i, g->columns - patch % g->columns);
            put_patches(j, block, (first + i) / g->patches, patch, some,
                        floats_at(j, g->at_products) + i * BLOCK);
        }
    }
}

/* Groups of patches go on from one image to the next. */
static void run_range(job *j, int first, int end)
{
    for (int count; first < end; first += count) {
        int groups = divide_up(end - first, MOST);

        count = divide_up(end - first, groups);
        run_patches(j, first, count);
    }
}

static void run_pooled(job *j)
{
    size_t pixels = (size_t)(j->y->h * j->y->w);

    for (int n = 0; n < j->size->n; n++) {
        memset(pool_of(j, 0), 0, (size_t)j->g.out_blocks * pixels * BLOCK * sizeof(float));
        run_range(j, n * j->g.patches, (n + 1) * j->g.patches);
        for (int block = 0; block < j->g.out_blocks; block++)
            pyr_tile_put_pool(j->size, j->y, offset_of(j, n, block), block * BLOCK, pool_of(j, block),
                              (size_t)n);
    }
}

void pyr_winograd_run(const pyr_tile_size *size, const pyr_conv_source *x, const void *packed,
                      const pyr_conv_result *y, void *scratch)
{
    job j = {.size = size, .x = x, .y = y, .packed = packed, .scratch = scratch, .copied = -1};

    j.pools = y->h != size->h || y->w != size->w;
    j.g = grid_of(size);
    clear_border(&j);
    fill_offsets(&j);
    if (j.pools)
        run_pooled(&j);
    else
        run_range(&j, 0, size->n * j.g.patches);
}

#else

void pyr_winograd_pack(const pyr_tile_size *size, const float *w, size_t stride_out, size_t stride_in,
                       bool turned, void *packed)
{
    (void)size, (void)w, (void)stride_out, (void)stride_in, (void)turned, (void)packed;
    assert(false && "not this instruction set");
}

void pyr_winograd_run(const pyr_tile_size *size, const pyr_conv_source *x, const void *packed,
                      const pyr_conv_result *y, void *scratch)
{
    (void)size, (void)x, (void)packed, (void)y, (void)scratch;
    assert(false && "not this instruction set");
}

#endif
