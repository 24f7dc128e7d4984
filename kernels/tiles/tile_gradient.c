/* tile_gradient.c - the gradient of a convolution's weights by register tiles, see tile.h.
 *
 *   dW[o][i][tap] = sum over images and pixels p of x[p + tap][i] * dy[p][o]
 *                 = sum over images and pixels q of dy[q - tap][o] * x[q][i]
 *
 * is a product of two matrices, [rows (i, tap)] x [pixels] and [pixels] x [columns o], or, with fewer steps
 * where there are few outputs, one of rows (o, tap) and columns i. VDPBF16PS adds two products of bf16 to
 * each sum; here they are of two images: the 32-bit word of a pixel and channel holds that number of image n
 * (low half) and n + 1 (high half; zeros behind an odd last image). Of few images each is folded instead: the halves are
 * its upper rows and its lower ones. Both sides are laid out in such words, the rows' side with a border of zeros (or of
 * the other half's rows), and then every tap is a plain shift.
 *
 * AMX (amx.h) wants the words of 16 pixels side by side in the one factor: dy's, which are turned for it once they are
 * laid out, and stay where they are for all taps. The other factor is x as it lies, with the border: a tap is a shift by
 * whole pixels. dy has zeros where x has borders, so that the pixels of a chunk are one row.
 *
 * Without it a tile is 8 rows x 32 columns in 16 registers. A pixel takes 8 words, broadcast when they are loaded, and
 * two vectors of the columns for 16 VDPBF16PS: two of these can start in a cycle when 12 or more are
 * independent (Zen 5), and the loads stay below two a cycle. 98 % of the peak of 533 GFLOP/s were measured
 * with the operands in L2, so a chunk is what fits there (a tile keeps its sums in registers all through it).
 *
 * The layout of a gradient is [block of 32 columns][row][32 columns], row = channel * taps + tap, rows padded
 * to a multiple of 8. Rows (i, tap) are in PyTorch's order for each output: collect is a transposition. */
#include "kernels/tiles/tile_parts.h"
#include <assert.h>
#include <string.h>

enum {
    HALF = 16,             /* channels in a vector of words */
    PIXEL = 4 * BLOCK,     /* bytes of a pixel in a block */
    ROWS = 8,              /* of a tile */
    CHUNK = 384 * 1024,    /* bytes of x and dy in words; L2 has 1 MB or more */
    CHUNK_PIXELS_MIN = 64, /* fewer are not worth loading and storing the sums, however many channels */
    GROUPS = 8,            /* as few as stay in the first cache */
    MORE_GROUPS = 64,
    GRADIENT = 1024 * 1024,      /* bytes of a gradient that stays in L2 beside them */
    GROUP = PYR_BY_AMX ? 16 : 1, /* pixels that are multiplied together: as many behind a chunk are zeros */
};

/* What the rows or the columns of the product are. */
typedef struct side {
    int channels, blocks; /* a block: 32 of them */
    int step;             /* the source has every pixel and row (1), or each second (2), others are zeros */
    int border, gap;      /* pixels of zeros before and behind a row */
    int above, below, between; /* rows of zeros, or of neighbours, of a pair; from a pair to the next one */
    size_t row, pair, block;   /* bytes of a row of pixels, a pair of images, a block */
    size_t at, at_columns;     /* in scratch: the words; the source's column of each of the result's */
} side;

/* Which part of the work is laid out in words at a time, and where in scratch. */
typedef struct plan {
    bool turned;             /* the rows are dy's channels, the columns x's */
    int taps;                /* 9 or 1 */
    int rows, rows_padded;   /* of a gradient: channels * taps */
    bool folded;             /* a pair is the halves of one image, not two images */
    int all_pairs, all_rows; /* rows of pixels of a pair */
    int pairs, height;       /* a chunk: of these some pairs; some rows, all of them when pairs > 1 */
    side r, c;
    size_t at_offsets, size;
} plan;

static size_t align64(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* Steps per pixel of the product's tiles: 8 rows, 16 columns. */
static long steps(int row_channels, int taps, int columns)
{
    int odd = columns % BLOCK;

    return (long)divide_up(row_channels * taps, ROWS) * (columns / BLOCK * 2 + (odd > HALF ? 2 : odd > 0));
}

/* Which takes fewer pixels, borders among them. */
static void choose_pairs(plan *p, const pyr_tile_size *size)
{
    int border = size->kernel / 2, images = divide_up(size->n, 2), half = divide_up(size->h, 2);

    p->folded = size->n * (half + 2 * border) < images * (size->h + border);
    p->all_pairs = p->folded ? size->n : images;
    p->all_rows = p->folded ? half : size->h;
}

/* One side has the border. Pairs share what is between them, but not the rows that halves have of each other. With AMX the
 * other side has as many pixels. */
static void set_borders(plan *p, int border, bool strided)
{
    side *with = PYR_BY_AMX ? &p->c : &p->r;

    p->r.step = p->c.step = 1;
    with->border = with->gap = with->above = with->below = border;
    with->between = p->folded ? 2 * border : border;
    if (PYR_BY_AMX) {
        p->r.gap = border;
        p->r.step = strided ? 2 : 1;
        p->r.below = p->r.between = with->between;
    }
}

static int at_least_one(int count)
{
    return count < 1 ? 1 : count;
}

static void choose_chunk(plan *p, const pyr_tile_size *size)
{
    int pixels = CHUNK / ((p->r.blocks + p->c.blocks) * PIXEL);

    if (pixels < CHUNK_PIXELS_MIN)
        pixels = CHUNK_PIXELS_MIN;
    p->pairs = pyr_next_part(p->all_pairs, at_least_one(pixels / (p->all_rows * size->w)));
    p->height = pyr_next_part(p->all_rows, at_least_one(pixels / size->w));
    if (p->height < p->all_rows)
        p->pairs = 1;
}

/* The side's place in scratch; at: the end of what is before it, and then of this. */
static void place(side *s, const plan *p, int width, size_t *at)
{
    s->row = (size_t)(width + s->gap) * PIXEL;
    s->pair = (size_t)(p->height + s->between) * s->row;
    s->block = (size_t)(s->above + s->below) * (s->row + PIXEL) + (size_t)p->pairs * s->pair + GROUP * PIXEL;
    s->at = *at;
    s->at_columns = s->at + (size_t)s->blocks * s->block;
    *at = s->at_columns + align64((size_t)width * sizeof(size_t));
}

static plan make_plan(const pyr_tile_size *size)
{
    plan p = {.taps = size->kernel * size->kernel};

    assert(size->kernel == 1 || size->kernel == 3);
    p.turned = PYR_BY_AMX || steps(size->out, p.taps, size->in) < steps(size->in, p.taps, size->out);
    p.r.channels = p.turned ? size->out : size->in;
    p.c.channels = p.turned ? size->in : size->out;
    p.r.blocks = divide_up(p.r.channels, BLOCK);
    p.c.blocks = divide_up(p.c.channels, BLOCK);
    p.rows = p.r.channels * p.taps;
    p.rows_padded =
        PYR_BY_AMX ? divide_up(p.r.channels, HALF) * HALF * p.taps : divide_up(p.rows, ROWS) * ROWS;
    choose_pairs(&p, size);
    set_borders(&p, size->kernel / 2, size->strided);
    choose_chunk(&p, size);
    place(&p.r, &p, size->w, &p.size);
    place(&p.c, &p, size->w, &p.size);
    p.at_offsets = p.size;
    if (!PYR_BY_AMX)
        p.size += align64((size_t)p.rows_padded * sizeof(size_t));
    return p;
}

/* Numbers before the bias. */
static size_t matrix_numbers(const plan *p)
{
    return (size_t)p->c.blocks * (size_t)p->rows_padded * BLOCK;
}

size_t pyr_tile_gradient_bytes(const pyr_tile_size *size)
{
    plan p = make_plan(size);

    return (matrix_numbers(&p) + (size_t)size->out) * sizeof(float);
}

size_t pyr_tile_gradient_scratch(const pyr_tile_size *size)
{
    return make_plan(size).size;
}

#ifdef __AVX512BF16__
#include <immintrin.h>

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
static span span_of(const pyr_conv_source *s, int block, int image, int images)
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

PYR_INLINE __m512 load_f32(const span *s, size_t pixel, int half)
{
    size_t channel = (size_t)half * HALF * sizeof(float);
    __m512 v = _mm512_setzero_ps();

    for (int j = 0; j < 2; j++)
        if (s->mask[j])
            v = _mm512_mask_loadu_ps(v, (__mmask16)(s->mask[j] >> half * HALF),
                                     s->at[j] + pixel * s->pixel[j] + channel);
    return v;
}

PYR_INLINE __m512i load_bf16(const span *s, size_t pixel)
{
    __m512i v = _mm512_setzero_si512();

    for (int j = 0; j < 2; j++)
        if (s->mask[j])
            v = _mm512_mask_loadu_epi16(v, s->mask[j], s->at[j] + pixel * s->pixel[j]);
    return v;
}

/* The order of halves (0 .. 31 of the one, 32 .. 63 of the other) that makes words of channels
 * 16 * half .. + 15. */
PYR_INLINE __m512i word_order(int half)
{
    __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    low = _mm512_add_epi32(low, _mm512_set1_epi32(half * HALF));
    return _mm512_or_si512(low, _mm512_slli_epi32(_mm512_add_epi32(low, _mm512_set1_epi32(32)), 16));
}

/* sum[image][half] of the channels' values. */
PYR_INLINE void add_words(__m512 sum[2][2], int half, __m512i words)
{
    __m512i low = _mm512_slli_epi32(words, 16);
    __m512i high = _mm512_and_si512(words, _mm512_set1_epi32(-65536));

    sum[0][half] = _mm512_add_ps(sum[0][half], _mm512_castsi512_ps(low));
    sum[1][half] = _mm512_add_ps(sum[1][half], _mm512_castsi512_ps(high));
}

/* `width` pixels of two rows in words, `step` bytes apart; the pixels are column[] of them. */
PYR_INLINE void interleave(char *dst, const span pair[2], bool wide, size_t step, const size_t *column,
                           int width, bool want_sum, __m512 total[2][2])
{
    const __m512i order0 = word_order(0), order1 = word_order(1);
    const span a = pair[0], b = pair[1];
    __m512 sum[2][2] = {{total[0][0], total[0][1]}, {total[1][0], total[1][1]}};

    for (int x = 0; x < width; x++, dst += step) {
        size_t pixel = column[x];
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
static void put_row(char *dst, const span pair[2], pyr_type type, size_t step, const size_t *column,
                    int width, bool want_sum, __m512 total[2][2])
{
    if (type == PYR_F32 && want_sum)
        interleave(dst, pair, true, step, column, width, true, total);
    else if (type == PYR_F32)
        interleave(dst, pair, true, step, column, width, false, total);
    else if (want_sum)
        interleave(dst, pair, false, step, column, width, true, total);
    else
        interleave(dst, pair, false, step, column, width, false, total);
}

/* Nearest: the source's column of each of the result's. */
static void fill_columns(size_t *column, int width, int source_width)
{
    for (int x = 0; x < width; x++)
        column[x] = (size_t)x * (size_t)source_width / (size_t)width;
}

/* Row y of an image's pixels, enlarged by nearest; none (zeros) beyond the image, or where the source has none. */
static span row_of(const span *image, const pyr_tile_size *size, const pyr_conv_source *s, int step, int y)
{
    span row = *image;

    for (int j = 0; j < 2; j++) {
        if (y < 0 || y >= size->h || y % step != 0)
            row.mask[j] = 0;
        else if (row.mask[j])
            row.at[j] += (size_t)y * (size_t)s->h / (size_t)size->h * (size_t)s->w * row.pixel[j];
    }
    return row;
}

/* dst[0 .. channels-1] (+)= sum * scale, two vectors. */
static void put_sum(float *dst, int channels, const __m512 sum[2], float scale, bool add)
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

/* Some pairs and rows of their pixels. */
typedef struct chunk {
    int pair, pairs, y, height;
} chunk;

static int image_of(const plan *p, int pair, int half)
{
    return p->folded ? pair : 2 * pair + half;
}

static void add_sums(const sums *s, const plan *p, const pyr_tile_size *size, int block, int pair,
                     bool first_rows, const __m512 total[2][2])
{
    int channel = block * BLOCK, channels = size->out - channel;

    for (int j = 0; j < 2 && image_of(p, pair, j) < size->n; j++) {
        size_t image = (size_t)image_of(p, pair, j);

        put_sum(s->bias + channel, channels, total[j], 1, s->bias_add || !first_rows || pair > 0 || j > 0);
        if (s->vector)
            put_sum(s->vector + image * (size_t)size->out + channel, channels, total[j], s->scale,
                    s->vector_add || !first_rows || (p->folded && j > 0));
    }
}

/* A pair in words: the chunk's rows, with a border's neighbours or zeros around them; total += the sums over the
 * rows without the border. */
static void lay_pair(const side *s, const plan *p, const pyr_tile_size *size, const pyr_conv_source *from,
                     const span both[2], const chunk *k, const size_t *column, char *row, bool want_sum,
                     __m512 total[2][2])
{
    size_t edge = (size_t)s->border * PIXEL, width = (size_t)size->w * PIXEL, behind = (size_t)s->gap * PIXEL;

    for (int y = k->y - s->above; y < k->y + k->height + s->below; y++, row += s->row) {
        bool own = y >= k->y && y < k->y + k->height;
        span rows[2] = {row_of(&both[0], size, from, s->step, y),
                        row_of(&both[1], size, from, s->step, p->folded ? y + p->all_rows : y)};

        if (!(own || s->above) || !(rows[0].mask[0] | rows[0].mask[1] | rows[1].mask[0] | rows[1].mask[1])) {
            memset(row, 0, s->row + edge);
            continue;
        }
        if (s->step > 1)
            memset(row + edge, 0, width);
        memset(row, 0, edge);
        put_row(row + edge, rows, from->type, (size_t)s->step * PIXEL, column, divide_up(size->w, s->step),
                want_sum && own, total);
        memset(row + edge + width, 0, behind);
    }
}

static void lay(const side *s, const plan *p, const pyr_tile_size *size, const pyr_conv_source *from,
                const chunk *k, const sums *wanted, char *scratch)
{
    const size_t *column = (const size_t *)(void *)(scratch + s->at_columns);

    for (int block = 0; block < s->blocks; block++) {
        char *to = scratch + s->at + (size_t)block * s->block;

        for (int i = 0; i < k->pairs; i++, to += s->pair) {
            int pair = k->pair + i;
            span both[2] = {span_of(from, block, image_of(p, pair, 0), size->n),
                            span_of(from, block, image_of(p, pair, 1), size->n)};
            __m512 total[2][2];

            for (int j = 0; j < 2; j++)
                total[j][0] = total[j][1] = _mm512_setzero_ps();
            lay_pair(s, p, size, from, both, k, column, to, wanted != NULL, total);
            if (wanted)
                add_sums(wanted, p, size, block, pair, k->y == 0, total);
        }
        to += (s->above + s->below - s->between + k->height - p->height) * (ptrdiff_t)s->row;
        memset(to + (size_t)s->border * PIXEL, 0, (GROUP - 1) * PIXEL);
    }
}

/* ---- the product ---- */

/* 16 x 16 numbers. */
PYR_INLINE void transpose(__m512 v[16])
{
    __m512 t[16];

    UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 16; i += 4) /* then v[i + k] = columns k, 4 + k, 8 + k, 12 + k of rows i .. i + 3 */
        for (int k = 0; k < 2; k++) {
            __m512d a = _mm512_castps_pd(t[i + k]), b = _mm512_castps_pd(t[i + k + 2]);

            v[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            v[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    UNROLL
    for (int k = 0; k < 4; k++) {
        t[k] = _mm512_shuffle_f32x4(v[k], v[k + 4], 0x88);
        t[k + 4] = _mm512_shuffle_f32x4(v[k], v[k + 4], 0xdd);
        t[k + 8] = _mm512_shuffle_f32x4(v[k + 8], v[k + 12], 0x88);
        t[k + 12] = _mm512_shuffle_f32x4(v[k + 8], v[k + 12], 0xdd);
    }
    UNROLL
    for (int k = 0; k < 4; k++) {
        v[k] = _mm512_shuffle_f32x4(t[k], t[k + 8], 0x88);
        v[k + 4] = _mm512_shuffle_f32x4(t[k + 4], t[k + 12], 0x88);
        v[k + 8] = _mm512_shuffle_f32x4(t[k], t[k + 8], 0xdd);
        v[k + 12] = _mm512_shuffle_f32x4(t[k + 4], t[k + 12], 0xdd);
    }
}

#if !PYR_BY_AMX

/* Where the words of a row (channel, tap) lie, from the pixel's place in block 0 on. Rows of the padding
 * repeat the last one. */
static void fill_offsets(const plan *p, int kernel, size_t *offset)
{
    for (int i = 0; i < p->rows_padded; i++) {
        int row = smaller(i, p->rows - 1);
        int channel = row / p->taps, tap = row % p->taps;

        if (p->turned) /* q - tap */
            tap = p->taps - 1 - tap;
        offset[i] = (size_t)(channel / BLOCK) * p->r.block + (size_t)(channel % BLOCK) * sizeof(int32_t) +
                    (size_t)(tap / kernel) * p->r.row + (size_t)(tap % kernel) * PIXEL;
    }
}

/* The pixels that a tile walks over: those of the columns' side lie one behind the other. */
typedef struct walk {
    int pairs, height, width;
    size_t row_gap,
        pair_gap; /* the rows' side: bytes from the end of a row of pixels, of a pair to the next */
} walk;

PYR_INLINE __m512bh broadcast_word(const char *at)
{
    int32_t word;

    memcpy(&word, at, sizeof word);
    return (__m512bh)_mm512_set1_epi32(word);
}

/* g[row][] (+)= sum over the pixels of r[pixel + offset[row]] c[pixel] for 8 rows and 16 * vectors
 * columns. */
PYR_INLINE void tile(const walk *k, const char *x, const char *dy, const size_t *offset, int vectors,
                     bool add, float *g)
{
    __m512 sum[ROWS][2];

    UNROLL
    for (int i = 0; i < ROWS; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
    for (int pair = 0; pair < k->pairs; pair++, x += k->pair_gap)
        for (int y = 0; y < k->height; y++, x += k->row_gap)
            for (int c = 0; c < k->width; c++, x += PIXEL, dy += PIXEL) {
                __m512bh d0 = (__m512bh)_mm512_load_si512(dy);
                __m512bh d1 = (__m512bh)_mm512_load_si512(dy + (vectors > 1 ? PIXEL / 2 : 0));

                UNROLL
                for (int i = 0; i < ROWS; i++) {
                    __m512bh word = broadcast_word(x + offset[i]);

                    sum[i][0] = _mm512_dpbf16_ps(sum[i][0], d0, word);
                    if (vectors > 1)
                        sum[i][1] = _mm512_dpbf16_ps(sum[i][1], d1, word);
                }
            }
    UNROLL
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < vectors; j++) {
            float *at = g + i * BLOCK + j * HALF;

            _mm512_storeu_ps(at, add ? _mm512_add_ps(sum[i][j], _mm512_loadu_ps(at)) : sum[i][j]);
        }
}

static void tile_32(const walk *k, const char *x, const char *dy, const size_t *offset, bool add, float *g)
{
    tile(k, x, dy, offset, 2, add, g);
}

static void tile_16(const walk *k, const char *x, const char *dy, const size_t *offset, bool add, float *g)
{
    tile(k, x, dy, offset, 1, add, g);
}

static void multiply(const plan *p, const walk *k, const char *scratch, bool add, float *gradient)
{
    const size_t *offset = (const size_t *)(const void *)(scratch + p->at_offsets);

    for (int block = 0; block < p->c.blocks; block++) {
        const char *columns = scratch + p->c.at + (size_t)block * p->c.block;
        bool narrow = p->c.channels - block * BLOCK <= HALF;

        for (int i = 0; i < p->rows_padded; i += ROWS) {
            float *g = gradient + ((size_t)block * (size_t)p->rows_padded + (size_t)i) * BLOCK;

            (narrow ? tile_16 : tile_32)(k, scratch + p->r.at, columns, offset + i, add, g);
        }
    }
}

static walk walk_of(const plan *p, int width, const chunk *c)
{
    walk k = {c->pairs, c->height, width, (size_t)p->r.gap * PIXEL, (size_t)p->r.between * p->r.row};

    if (p->r.gap == 0) { /* the rows' side is without gaps, too */
        k.width *= k.pairs * k.height;
        k.pairs = k.height = 1;
    }
    return k;
}

/* All of a chunk that is laid out. */
static void multiply_chunk(const plan *p, const pyr_tile_size *size, const chunk *c, char *scratch, bool add,
                           float *gradient)
{
    walk k = walk_of(p, size->w, c);

    multiply(p, &k, scratch, add, gradient);
}

#else

/* 16 pixels' words of 32 channels to [channel][pixel]. */
static void turn_group(char *at)
{
    __m512 v[2][GROUP];

    UNROLL
    for (int i = 0; i < GROUP; i++)
        for (int half = 0; half < 2; half++)
            v[half][i] = _mm512_load_ps(at + i * PIXEL + half * PIXEL / 2);
    for (int half = 0; half < 2; half++) {
        transpose(v[half]);
        UNROLL
        for (int i = 0; i < HALF; i++)
            _mm512_store_ps(at + (half * HALF + i) * BLOCK_BYTES, v[half][i]);
    }
}

/* g[output * taps][column] (+)= the products of some groups: 32 outputs or the first 16 by 32 columns or the first 16,
 * constants where this is used. */
PYR_INLINE void add_groups(bool all_outputs, bool all_columns, const char *dy, const char *x, int groups,
                           bool add, size_t taps, float *g)
{
    pyr_amx_tiles a = {dy, BLOCK_BYTES, PYR_AMX_ROWS * BLOCK_BYTES}, b = {x, PIXEL, PIXEL / 2};

    if (add)
        pyr_amx_load(all_outputs, all_columns, g, taps * BLOCK);
    else
        pyr_amx_zero();
    for (int i = 0; i < groups; i++, a.at += GROUP * PIXEL, b.at += GROUP * PIXEL)
        pyr_amx_add(all_outputs, all_columns, a, b);
    pyr_amx_store(all_outputs, all_columns, g, taps * BLOCK);
}

/* All taps of a block of outputs and one of columns, whose row of output 0, tap 0 is g. */
static void multiply_blocks(const plan *p, int kernel, const char *dy, int outputs, const char *x,
                            int columns, int groups, bool add, float *g)
{
    const size_t taps = (size_t)p->taps;

    for (int tap = 0; tap < p->taps; tap++, g += BLOCK) {
        const char *from = x + (size_t)(tap / kernel) * p->c.row + (size_t)(tap % kernel) * PIXEL;

        if (outputs > HALF && columns > HALF)
            add_groups(true, true, dy, from, groups, add, taps, g);
        else if (outputs > HALF)
            add_groups(true, false, dy, from, groups, add, taps, g);
        else if (columns > HALF)
            add_groups(false, true, dy, from, groups, add, taps, g);
        else
            add_groups(false, false, dy, from, groups, add, taps, g);
    }
}

static void turn_groups(const plan *p, char *scratch, int groups)
{
    for (int r = 0; r < p->r.blocks; r++)
        for (int i = 0; i < groups; i++)
            turn_group(scratch + p->r.at + (size_t)r * p->r.block + (size_t)(i * GROUP) * PIXEL);
}

/* A few groups at a time, which stay in the first cache for all taps, and sums that are loaded and stored as often; more
 * where there is one tap, or where the sums are too many. */
static void multiply_chunk(const plan *p, const pyr_tile_size *size, const chunk *c, char *scratch, bool add,
                           float *gradient)
{
    int pitch = size->w + p->r.gap;
    int rows = c->pairs * (c->height + p->r.between) - p->r.between, pixels = rows * pitch - p->r.gap;
    int groups = divide_up(pixels, GROUP);
    bool few = p->taps > 1 && matrix_numbers(p) * sizeof(float) <= GRADIENT;

    turn_groups(p, scratch, groups);
    pyr_amx_begin();
    for (int first = 0, some; first < groups; first += some, add = true) {
        size_t at = (size_t)(first * GROUP) * PIXEL;

        some = pyr_next_part(groups - first, few ? GROUPS : MORE_GROUPS);
        for (int r = 0; r < p->r.blocks; r++)
            for (int b = 0; b < p->c.blocks; b++) {
                size_t row = (size_t)b * (size_t)p->rows_padded + (size_t)(r * BLOCK * p->taps);

                multiply_blocks(p, size->kernel, scratch + p->r.at + (size_t)r * p->r.block + at,
                                p->r.channels - r * BLOCK, scratch + p->c.at + (size_t)b * p->c.block + at,
                                p->c.channels - b * BLOCK, some, add, gradient + row * BLOCK);
            }
    }
    pyr_amx_end();
}
#endif

void pyr_tile_gradient(const pyr_tile_size *size, const pyr_conv_source *x, const pyr_conv_source *dy,
                       float scale, float *gradient, bool add, float *dvector, bool vector_add, void *scratch)
{
    plan p = make_plan(size);
    const side *side_x = p.turned ? &p.c : &p.r, *side_dy = p.turned ? &p.r : &p.c;
    sums s = {gradient + matrix_numbers(&p), dvector, add, vector_add, scale};
    char *words = scratch;

#if !PYR_BY_AMX
    fill_offsets(&p, size->kernel, (size_t *)(void *)(words + p.at_offsets));
#endif
    fill_columns((size_t *)(void *)(words + side_x->at_columns), size->w, x->w);
    fill_columns((size_t *)(void *)(words + side_dy->at_columns), divide_up(size->w, side_dy->step), dy->w);
    for (int pair = 0; pair < p.all_pairs; pair += p.pairs)
        for (int y = 0; y < p.all_rows; y += p.height) {
            chunk c = {pair, smaller(p.pairs, p.all_pairs - pair), y, smaller(p.height, p.all_rows - y)};

            lay(side_x, &p, size, x, &c, NULL, words);
            lay(side_dy, &p, size, dy, &c, &s, words);
            multiply_chunk(&p, size, &c, words, add || pair > 0 || y > 0, gradient);
        }
}

/* ---- to PyTorch's order ---- */

/* dw[] += the first `run` < 16 numbers of each vector, one after another, `count` in all. Parts of dw that overlap in
 * vectors would wait for each other. */
PYR_INLINE void add_runs(const __m512 v[HALF], int count, float *dw, size_t run)
{
    float all[HALF * HALF + HALF];

    for (int c = 0; c < HALF; c++)
        _mm512_storeu_ps(all + (size_t)c * run, v[c]);
    for (int i = 0; i < count; i += HALF) {
        __mmask16 mask = (__mmask16)channels_below(count - i);
        __m512 sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, dw + i), _mm512_loadu_ps(all + i));

        _mm512_mask_storeu_ps(dw + i, mask, sum);
    }
}

/* dw[column][row] += the sum of the gradients' [row][column]: 16 columns (`columns` of them real) and rows
 * (`rows`; `stored` are there to read). */
static void collect_16(const float *const *gradients, int count, size_t at, int stored, int rows, int columns,
                       float scale, float *dw, size_t stride)
{
    __mmask16 mask = (__mmask16)channels_below(rows);
    __m512 v[16];

    for (int r = 0; r < 16; r++) {
        v[r] = _mm512_setzero_ps();
        for (int j = 0; j < count && r < stored; j++)
            v[r] = _mm512_add_ps(v[r], _mm512_loadu_ps(gradients[j] + at + (size_t)r * BLOCK));
    }
    transpose(v);
    for (int c = 0; c < HALF; c++)
        v[c] = _mm512_mul_ps(v[c], _mm512_set1_ps(scale));
    if (stride < HALF) {
        add_runs(v, (int)stride * smaller(columns, HALF), dw, stride);
        return;
    }
    for (int c = 0; c < columns && c < HALF; c++, dw += stride)
        _mm512_mask_storeu_ps(dw, mask, _mm512_add_ps(v[c], _mm512_maskz_loadu_ps(mask, dw)));
}

static void collect_bias(size_t at, int out, const float *const *gradients, int count, float scale, float *db)
{
    for (int o = 0; o < out; o++) {
        float sum = 0;

        for (int j = 0; j < count; j++)
            sum += gradients[j][at + (size_t)o];
        db[o] += scale * sum;
    }
}

/* Turned, the rows that are neighbours in dw are the taps of one output. */
void pyr_tile_collect(const pyr_tile_size *size, const float *const *gradients, int count, float scale,
                      float *dw, float *db)
{
    plan p = make_plan(size);
    int run = p.turned ? p.taps : p.rows;
    size_t stride = (size_t)run;

    for (int c = 0; c < p.c.channels; c += HALF)
        for (int first = 0; first < p.rows; first += run)
            for (int r = 0; r < run; r += 16) {
                size_t row = (size_t)(c / BLOCK) * (size_t)p.rows_padded + (size_t)(first + r);
                float *to =
                    dw + (size_t)first * (size_t)(p.turned ? p.c.channels : 1) + (size_t)c * stride + r;

                collect_16(gradients, count, row * BLOCK + (size_t)(c % BLOCK), p.rows_padded - first - r,
                           run - r, p.c.channels - c, scale, to, stride);
            }
    if (db)
        collect_bias(matrix_numbers(&p), size->out, gradients, count, scale, db);
}

#else

void pyr_tile_gradient(const pyr_tile_size *size, const pyr_conv_source *x, const pyr_conv_source *dy,
                       float scale, float *gradient, bool add, float *dvector, bool vector_add, void *scratch)
{
    (void)size, (void)x, (void)dy, (void)scale, (void)gradient, (void)add, (void)dvector, (void)vector_add;
    (void)scratch;
    assert(false && "not this instruction set");
}

void pyr_tile_collect(const pyr_tile_size *size, const float *const *gradients, int count, float scale,
                      float *dw, float *db)
{
    (void)size, (void)gradients, (void)count, (void)scale, (void)dw, (void)db;
    assert(false && "not this instruction set");
}

#endif
