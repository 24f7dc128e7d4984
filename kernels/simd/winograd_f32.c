/* winograd_f32.c - 3x3 convolutions of floats with 36 products for 16 pixels, where the plain way has 144: F(4x4, 3x3)
 * of Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", in all three passes.
 *
 *     forward, data:  y  = A^T [ sum over channels of (G w G^T) * (B^T x B) ] A        * by element
 *     weights:        dw = G^T [ sum over tiles of (B^T x B) * (A dy A^T) ] G
 *
 * The interpolation points are 0, +-a, +-b and infinity with a = 5/8, b = 3/2: against double, on normally distributed
 * numbers and 64 channels, the root mean square error is 7.7e-7 of the result's, the largest 5.9e-6 (plain sums in
 * f32: 4.3e-7 and 3.4e-6; the usual points 0, +-1, +-2: 1.8e-6 and 1.8e-5).
 *
 * The factors 1 / product of (p - q) are in A, so that G has exact constants and is the same for all tiles: sides that
 * are no multiple of 4 end in tiles of 3 (7 = 4 + 3, 14 = 4 + 4 + 3 + 3), which do without the point -b and use the
 * other elements of the same weights.
 *
 * A batch of tiles is taken through all steps before the next, so that its elements stay in the second cache:
 * elements lie as [tile][block of 16 channels][element][16], a tile 64 bytes longer than that, so that tiles do not
 * meet in the first cache's sets. For each element the sum over channels is a product of matrices,
 * [tiles] x [in] times [in] x [out], in tiles of registers (vec.h: ROWS x VECTORS). Weights:
 * [block of outputs][element][in, a multiple of 16][outputs of a block], zeros beyond the channels. */
#include "kernels/simd/conv_parts.h"
#include "kernels/simd/ways_f32.h"

#include <string.h>

enum { SIDE = 6, ELEMENTS = 36, PIXELS = 16 };
enum { BLOCK_STEP = ELEMENTS * BLOCK };             /* floats of a tile's block of channels */
enum { PRODUCT_STEP = ELEMENTS * OUTPUTS + BLOCK }; /* of a tile's products of a block of outputs */
enum { MOST = 24, MOST_CHANNELS = 4096 };           /* tiles of a batch; 12 to 48 were measured */
enum { GRADIENT_FLOATS = 2 << 20 };                 /* of a gradient's elements that are summed at a time */

#define A1 0.625
#define B1 1.5
#define A2 (A1 * A1)
#define B2 (B1 * B1)

/* ---- tiles of images --------------------------------------------------------------------------- */

/* How a side is covered: `fours` tiles of 4 pixels, then `threes` of 3. */
typedef struct cover {
    int fours, threes;
} cover;

static cover cover_of(int side)
{
    cover c = {divide_up(side, 4), 0};
    int threes = 4 * c.fours - side;

    if (threes <= c.fours) /* else (1, 2, 5) a tile reaches over the edge */
        c = (cover){c.fours - threes, threes};
    return c;
}

/* Tiles of one kind lie together in a batch, in this order, so that those that have an element do, too. */
enum { KINDS = 4 };
static const struct kind {
    int rows, columns;
} kinds[KINDS] = {{4, 3}, {4, 4}, {3, 4}, {3, 3}};

typedef struct tile {
    int image, row, column; /* of its first pixel */
} tile;

typedef struct tiling {
    cover rows, columns;
    int of_image[KINDS], count[KINDS]; /* tiles of each kind: of an image, of all */
    int batches, most;                 /* the most tiles of a batch */
} tiling;

static int covered(cover c, int length)
{
    return length == 4 ? c.fours : c.threes;
}

static int begin_of(const tiling *t, int batch, int kind)
{
    return (int)((long)t->count[kind] * batch / t->batches);
}

static tiling tiling_of(const pyr_conv_size *size)
{
    tiling t = {.rows = cover_of(size->h), .columns = cover_of(size->w)};
    int all = 0;

    for (int kind = 0; kind < KINDS; kind++) {
        t.of_image[kind] = covered(t.rows, kinds[kind].rows) * covered(t.columns, kinds[kind].columns);
        t.count[kind] = size->n * t.of_image[kind];
        all += t.count[kind];
    }
    t.batches = divide_up(all, MOST);
    t.most = smaller(all, MOST + KINDS); /* the parts of the kinds are rounded each */
    return t;
}

static tile tile_of(const tiling *t, int kind, int number)
{
    int columns = covered(t->columns, kinds[kind].columns), at = number % t->of_image[kind];
    int row = at / columns, column = at % columns;

    return (tile){.image = number / t->of_image[kind],
                  .row = kinds[kind].rows == 4 ? 4 * row : 4 * t->rows.fours + 3 * row,
                  .column = kinds[kind].columns == 4 ? 4 * column : 4 * t->columns.fours + 3 * column};
}

/* Of a batch: the first tile of each kind, counted in the batch; the last one is their number. */
typedef struct batch {
    int number, start[KINDS + 1];
} batch;

static batch batch_of(const tiling *t, int number)
{
    batch b = {.number = number};

    for (int kind = 0; kind < KINDS; kind++)
        b.start[kind + 1] = b.start[kind] + begin_of(t, number + 1, kind) - begin_of(t, number, kind);
    return b;
}

/* The tiles that have an element; tiles of 3 do without number 4. */
static void tiles_with(const batch *b, int element, int *from, int *to)
{
    bool row = element / SIDE == 4, column = element % SIDE == 4;

    *from = b->start[column ? 1 : 0];
    *to = b->start[row ? 2 : column ? 3 : 4];
}

/* ---- transforms of a line ---------------------------------------------------------------------- */

/* Computed in double, rounded once. */
PYR_INLINE vec constant(double value)
{
    return all((float)value);
}

/* Where the elements of a tile of 3 are among those of one of 4. */
PYR_INLINE int element_at(int length, int i)
{
    return length == 3 && i == 4 ? 5 : i;
}

/* B^T: length + 2 numbers to as many elements. Element p: the polynomial whose zeros are the other points, applied to d. */
PYR_INLINE void to_elements(int length, vec to[SIDE], const vec d[SIDE])
{
    if (length == 4) {
        const vec sum = constant(A2 + B2), product = constant(A2 * B2);
        vec even_a = d[4] - constant(B2) * d[2], odd_a = d[3] - constant(B2) * d[1];
        vec even_b = d[4] - constant(A2) * d[2], odd_b = d[3] - constant(A2) * d[1];

        to[0] = d[4] - sum * d[2] + product * d[0];
        to[1] = even_a + constant(A1) * odd_a;
        to[2] = even_a - constant(A1) * odd_a;
        to[3] = even_b + constant(B1) * odd_b;
        to[4] = even_b - constant(B1) * odd_b;
        to[5] = d[5] - sum * d[3] + product * d[1];
    } else {
        vec even = d[2] - constant(A2) * d[0], odd = d[3] - constant(A2) * d[1];
        vec a = d[3] - constant(B1) * d[2], rest = d[2] - constant(B1) * d[1];

        to[0] = odd - constant(B1) * even;
        to[1] = a + constant(A1) * rest;
        to[2] = a - constant(A1) * rest;
        to[3] = odd;
        to[4] = d[4] - constant(A2) * d[2] - constant(B1) * odd;
    }
}

/* Of an element p: 1 / product of (p - q) over the other finite points q. */
PYR_INLINE double factor_of(int length, int element)
{
    const double four[] = {1 / (A2 * B2), 1 / (2 * A2 * (A2 - B2)), 1 / (2 * A2 * (A2 - B2)),
                           1 / (2 * B2 * (B2 - A2)), 1 / (2 * B2 * (B2 - A2))};
    const double three[] = {1 / (A2 * B1), 1 / (2 * A2 * (A1 - B1)), -1 / (2 * A2 * (A1 + B1)),
                            1 / (B1 * (B2 - A2))};

    return length == 4 ? four[element] : three[element];
}

/* A^T: length + 2 elements to `length` results, the coefficients of a polynomial's powers. */
PYR_INLINE void to_results(int length, vec to[SIDE], const vec m[SIDE])
{
    const double f0 = factor_of(length, 0), f1 = factor_of(length, 1), f2 = factor_of(length, 2),
                 f3 = factor_of(length, 3);

    if (length == 4) {
        vec sum = m[1] + m[2], difference = m[1] - m[2];
        vec sum_b = m[3] + m[4], difference_b = m[3] - m[4];

        to[0] = constant(f0) * m[0] + constant(f1) * sum + constant(f3) * sum_b;
        to[1] = constant(f1 * A1) * difference + constant(f3 * B1) * difference_b;
        to[2] = constant(f1 * A2) * sum + constant(f3 * B2) * sum_b;
        to[3] = m[5] + constant(f1 * A1 * A2) * difference + constant(f3 * B1 * B2) * difference_b;
    } else {
        vec a = constant(f1) * m[1], minus_a = constant(f2) * m[2];
        vec sum = a + minus_a, difference = a - minus_a;

        to[0] = constant(f0) * m[0] + sum + constant(f3) * m[3];
        to[1] = constant(A1) * difference + constant(f3 * B1) * m[3];
        to[2] = constant(A2) * sum + constant(f3 * B2) * m[3] + m[4];
    }
}

/* A: `length` results' gradients to those of length + 2 elements. */
PYR_INLINE void from_results(int length, vec to[SIDE], const vec y[SIDE])
{
    vec even_a = y[0] + constant(A2) * y[2], even_b = y[0] + constant(B2) * y[2];
    vec odd_a = constant(A1) * y[1], odd_b = constant(B1) * y[1];

    if (length == 4) {
        odd_a += constant(A1 * A2) * y[3];
        odd_b += constant(B1 * B2) * y[3];
    }
    to[0] = constant(factor_of(length, 0)) * y[0];
    to[1] = constant(factor_of(length, 1)) * (even_a + odd_a);
    to[2] = constant(factor_of(length, 2)) * (even_a - odd_a);
    to[3] = constant(factor_of(length, 3)) * (even_b + odd_b);
    if (length == 4)
        to[4] = constant(factor_of(length, 4)) * (even_b - odd_b);
    to[length + 1] = y[length - 1];
}

/* G: three weights to six elements, the values of a polynomial at the points. */
PYR_INLINE void from_weights(vec to[SIDE], const vec w[3])
{
    vec even_a = w[0] + constant(A2) * w[2], odd_a = constant(A1) * w[1];
    vec even_b = w[0] + constant(B2) * w[2], odd_b = constant(B1) * w[1];

    to[0] = w[0];
    to[1] = even_a + odd_a;
    to[2] = even_a - odd_a;
    to[3] = even_b + odd_b;
    to[4] = even_b - odd_b;
    to[5] = w[2];
}

/* G^T: six elements' gradients to those of three weights. */
PYR_INLINE void to_weights(vec to[3], const vec m[SIDE])
{
    vec sum_a = m[1] + m[2], sum_b = m[3] + m[4];

    to[0] = m[0] + sum_a + sum_b;
    to[1] = constant(A1) * (m[1] - m[2]) + constant(B1) * (m[3] - m[4]);
    to[2] = constant(A2) * sum_a + constant(B2) * sum_b + m[5];
}

/* ---- from images to elements ------------------------------------------------------------------- */

/* What an image has at the edge, in either type. */
static const float zeros[MOST_CHANNELS];

/* `f` with the lengths of a kind as constants. */
#define BY_KIND(kind, f, ...)                                                                                \
    do {                                                                                                     \
        if ((kind) == 0)                                                                                     \
            f(4, 3, __VA_ARGS__);                                                                            \
        else if ((kind) == 1)                                                                                \
            f(4, 4, __VA_ARGS__);                                                                            \
        else if ((kind) == 2)                                                                                \
            f(3, 4, __VA_ARGS__);                                                                            \
        else                                                                                                 \
            f(3, 3, __VA_ARGS__);                                                                            \
    } while (0)

/* A block of 16 channels of a tile: `at` has a pointer for each pixel. With x: rows + 2 times columns + 2 pixels, B^T x
 * B; a result's gradient: rows times columns, A dy A^T. */
PYR_INLINE void transform(int rows, int columns, pyr_type type, bool is_gradient,
                          const void *const at[ELEMENTS], size_t channel, float *to)
{
    const int read_rows = is_gradient ? rows : rows + 2, read_columns = is_gradient ? columns : columns + 2;

    for (int i = 0; i < BLOCK; i += LANES) {
        vec half[SIDE][SIDE];

        UNROLL
        for (int c = 0; c < read_columns; c++) {
            vec in[SIDE], out[SIDE];

            UNROLL
            for (int r = 0; r < read_rows; r++)
                in[r] = load_as(type, at[r * SIDE + c], channel + (size_t)i);
            if (is_gradient)
                from_results(rows, out, in);
            else
                to_elements(rows, out, in);
            UNROLL
            for (int r = 0; r < rows + 2; r++)
                half[r][c] = out[r];
        }
        UNROLL
        for (int r = 0; r < rows + 2; r++) {
            vec out[SIDE];

            if (is_gradient)
                from_results(columns, out, half[r]);
            else
                to_elements(columns, out, half[r]);
            UNROLL
            for (int c = 0; c < columns + 2; c++)
                store(to + (element_at(rows, r) * SIDE + element_at(columns, c)) * BLOCK + i, out[c]);
        }
    }
}

APART transform_kind(int kind, pyr_type type, bool is_gradient, const void *const at[ELEMENTS],
                     size_t channel, float *to)
{
    if (type == PYR_BF16 && is_gradient)
        BY_KIND(kind, transform, PYR_BF16, true, at, channel, to);
    else if (type == PYR_BF16)
        BY_KIND(kind, transform, PYR_BF16, false, at, channel, to);
    else if (is_gradient)
        BY_KIND(kind, transform, PYR_F32, true, at, channel, to);
    else
        BY_KIND(kind, transform, PYR_F32, false, at, channel, to);
}

/* Pointers to the pixels of a tile in one tensor of `channels`; outside: to zeros. */
static void find_pixels(const pyr_conv_size *size, const pyr_conv_source *x, int part, const tile *t,
                        int kind, bool is_gradient, const void *at[ELEMENTS])
{
    const int border = is_gradient ? 0 : 2, h = is_gradient ? size->h : size->in_h,
              w = is_gradient ? size->w : size->in_w;
    const int top = t->row - (is_gradient ? 0 : size->pad_top),
              left = t->column - (is_gradient ? 0 : size->pad_left);
    size_t pixel = (size_t)x->c[part] * pyr_type_size(x->type), width = (size_t)x->w;
    const char *image = (const char *)x->at[part] + (size_t)t->image * (size_t)x->h * width * pixel;

    for (int r = 0; r < kinds[kind].rows + border; r++) {
        int row = top + r, from = row * x->h / h;

        for (int c = 0; c < kinds[kind].columns + border; c++) {
            int column = left + c;
            bool inside = row >= 0 && row < h && column >= 0 && column < w;
            size_t source = x->w == w ? (size_t)column : (size_t)column * width / (size_t)w;

            at[r * SIDE + c] = inside ? image + ((size_t)from * width + source) * pixel : (const void *)zeros;
        }
    }
}

/* 16 channels of a pixel from `channel` on that may lie in two tensors, zeros behind the last. */
static void gather(const pyr_conv_source *x, const void *const at[2][ELEMENTS], int pixel, int channel,
                   float to[BLOCK])
{
    for (int i = 0; i < BLOCK; i++) {
        int c = channel + i, part = c >= x->c[0];

        to[i] = c < x->c[0] + x->c[1]
                    ? load_one_as(x->type, at[part][pixel], (size_t)(part ? c - x->c[0] : c))
                    : 0;
    }
}

/* The blocks of channels from `first` to `end` - 1 of a tile. */
static void transform_tile(const pyr_conv_size *size, const pyr_conv_source *x, const tile *t, int kind,
                           bool is_gradient, int first, int end, float *to)
{
    const void *at[2][ELEMENTS], *copy[ELEMENTS];
    float channels[ELEMENTS][BLOCK];

    for (int i = 0; i < ELEMENTS; i++) {
        at[0][i] = at[1][i] = zeros;
        copy[i] = channels[i];
    }
    for (int part = 0; part < 2 && x->c[part] > 0; part++)
        find_pixels(size, x, part, t, kind, is_gradient, at[part]);
    for (int block = first; block < end; block++, to += BLOCK_STEP) {
        int channel = block * BLOCK;

        if (channel + BLOCK <= x->c[0])
            transform_kind(kind, x->type, is_gradient, at[0], (size_t)channel, to);
        else if (channel >= x->c[0] && channel + BLOCK <= x->c[0] + x->c[1])
            transform_kind(kind, x->type, is_gradient, at[1], (size_t)(channel - x->c[0]), to);
        else {
            for (int i = 0; i < ELEMENTS; i++)
                gather(x, at, i, channel, channels[i]);
            transform_kind(kind, PYR_F32, is_gradient, copy, 0, to);
        }
    }
}

/* Floats from one tile's elements to the next's. */
static size_t tile_step(int blocks)
{
    return (size_t)blocks * BLOCK_STEP + BLOCK;
}

static void transform_batch(const pyr_conv_size *size, const tiling *tiles, const batch *b,
                            const pyr_conv_source *x, bool is_gradient, int first, int end, float *to)
{
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = begin_of(tiles, b->number, kind); i < begin_of(tiles, b->number + 1, kind); i++) {
            tile t = tile_of(tiles, kind, i);

            transform_tile(size, x, &t, kind, is_gradient, first, end, to);
            to += tile_step(end - first);
        }
}

/* ---- products ---------------------------------------------------------------------------------- */

/* products[row][OUTPUTS] = sum over `in` channels of x[row] * w. */
PYR_INLINE void multiply(int rows, const float *x, size_t step, const float *w, int in, float *products)
{
    vec sum[ROWS][VECTORS];
    const float *at[ROWS];

    clear_sums(rows, sum);
    UNROLL
    for (int r = 0; r < rows; r++)
        at[r] = x + (size_t)r * step;
    for (; in > 0; in -= BLOCK) {
        add_products(rows, sum, at, w, BLOCK);
        w += BLOCK * OUTPUTS;
        UNROLL
        for (int r = 0; r < rows; r++)
            at[r] += BLOCK_STEP;
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        store(products + (size_t)r * PRODUCT_STEP + v * LANES, sum[r][v]);
}

APART multiply_rows(int rows, const float *x, size_t step, const float *w, int in, float *products)
{
    BY_ROWS(rows, multiply, x, step, w, in, products)
}

/* ---- forward and by data ----------------------------------------------------------------------- */

static int in_blocks(const pyr_conv_size *size)
{
    return divide_up(size->in, BLOCK);
}

/* Floats of a block of outputs. */
static size_t weights_step(const pyr_conv_size *size)
{
    return (size_t)ELEMENTS * (size_t)(in_blocks(size) * BLOCK) * OUTPUTS;
}

static bool fits(const pyr_conv_size *size)
{
    return size->kernel_h == 3 && size->kernel_w == 3 && size->stride == 1 && size->spread == 1 &&
           size->in <= MOST_CHANNELS && size->out <= MOST_CHANNELS;
}

static bool suits(const pyr_conv_size *size)
{
    cover rows = cover_of(size->h), columns = cover_of(size->w);
    double lines = 6.0 * rows.fours + 5.0 * rows.threes, across = 6.0 * columns.fours + 5.0 * columns.threes;
    double ours = lines * across * (in_blocks(size) * BLOCK) * (divide_up(size->out, BLOCK) * BLOCK);
    double plain = 9.0 * size->h * size->w * size->in * size->out;

    return fits(size) && ours < 0.6 * plain;
}

static size_t packed_bytes(const pyr_conv_size *size)
{
    return (size_t)out_blocks(size) * weights_step(size) * sizeof(float);
}

static void pack(const pyr_conv_size *size, const float *w, size_t stride_out, size_t stride_in, bool turned,
                 float *packed)
{
    size_t in = (size_t)(in_blocks(size) * BLOCK);

    for (int o = 0; o < size->out; o += OUTPUTS, packed += weights_step(size))
        for (int i = 0; i < (int)in; i++) {
            float taps[9][OUTPUTS] = {{0}};

            for (int j = 0; i < size->in && j < OUTPUTS && o + j < size->out; j++)
                for (int t = 0; t < 9; t++)
                    taps[t][j] = w[(size_t)(o + j) * stride_out + (size_t)i * stride_in +
                                   (size_t)(turned ? 8 - t : t)];
            for (int v = 0; v < OUTPUTS; v += LANES) {
                vec half[3][SIDE], column[3], out[SIDE];

                for (int r = 0; r < 3; r++) {
                    for (int c = 0; c < 3; c++)
                        column[c] = load(&taps[3 * r + c][v]);
                    from_weights(half[r], column);
                }
                for (int c = 0; c < SIDE; c++) {
                    for (int r = 0; r < 3; r++)
                        column[r] = half[r][c];
                    from_weights(out, column);
                    for (int r = 0; r < SIDE; r++)
                        store(packed + ((size_t)(r * SIDE + c) * in + (size_t)i) * OUTPUTS + v, out[r]);
                }
            }
        }
}

static size_t scratch_bytes(const pyr_conv_size *size)
{
    size_t most = (size_t)tiling_of(size).most;

    return most * (tile_step(in_blocks(size)) + PRODUCT_STEP) * sizeof(float);
}

PYR_INLINE void put_tile(int rows, int columns, const target *t, const tile *at, const float *products)
{
    const pyr_conv_size *size = t->size;
    size_t first = ((size_t)(at->image * size->h + at->row)) * (size_t)size->w + (size_t)at->column;

    for (int i = 0; i < OUTPUTS; i += LANES) {
        vec half[SIDE][SIDE];

        UNROLL
        for (int c = 0; c < columns + 2; c++) {
            vec in[SIDE], out[SIDE];

            UNROLL
            for (int r = 0; r < rows + 2; r++)
                in[r] = load(products + (element_at(rows, r) * SIDE + element_at(columns, c)) * OUTPUTS + i);
            to_results(rows, out, in);
            UNROLL
            for (int r = 0; r < rows; r++)
                half[r][c] = out[r];
        }
        UNROLL
        for (int r = 0; r < rows; r++) {
            vec out[SIDE];

            if (at->row + r >= size->h)
                break;
            to_results(columns, out, half[r]);
            UNROLL
            for (int c = 0; c < columns; c++) {
                size_t pixel = first + (size_t)r * (size_t)size->w + (size_t)c;

                if (at->column + c >= size->w)
                    continue;
                put(t, at->image, pixel, i / LANES, out[c]);
            }
        }
    }
}

APART put_kind(int kind, const target *t, const tile *at, const float *products)
{
    BY_KIND(kind, put_tile, t, at, products);
}

static void put_batch(const tiling *tiles, const batch *b, const target *t, const float *products)
{
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = begin_of(tiles, b->number, kind); i < begin_of(tiles, b->number + 1, kind); i++) {
            tile at = tile_of(tiles, kind, i);

            put_kind(kind, t, &at, products);
            products += PRODUCT_STEP;
        }
}

static void multiply_batch(const batch *b, const float *elements, size_t step, const float *w, int in,
                           float *products)
{
    for (int e = 0; e < ELEMENTS; e++, w += (size_t)in * OUTPUTS) {
        int from, to;

        tiles_with(b, e, &from, &to);
        for (int t = from, rows; t < to; t += rows) {
            rows = next_rows(to - t);
            multiply_rows(rows, elements + (size_t)t * step + e * BLOCK, step, w, in,
                          products + (size_t)t * PRODUCT_STEP + e * OUTPUTS);
        }
    }
}

static void run(const pyr_conv_size *size, const pyr_conv_source *x, const float *packed,
                const pyr_conv_result *y, float *scratch)
{
    tiling tiles = tiling_of(size);
    size_t step = tile_step(in_blocks(size));
    float *products = scratch + (size_t)tiles.most * step;

    for (int i = 0; i < tiles.batches; i++) {
        batch b = batch_of(&tiles, i);
        const float *w = packed;

        transform_batch(size, &tiles, &b, x, false, 0, in_blocks(size), scratch);
        for (int o = 0; o < size->out; o += OUTPUTS, w += weights_step(size)) {
            target t = target_of(size, y, o);

            if (!t.wanted)
                continue;
            multiply_batch(&b, scratch, step, w, in_blocks(size) * BLOCK, products);
            put_batch(&tiles, &b, &t, products);
        }
    }
}

/* ---- by weights -------------------------------------------------------------------------------- */

/* Blocks of outputs that are summed at a time: all that one batch has, which needs room for one; else as many as there
 * is room for. */
static int blocks_together(const pyr_conv_size *size, const tiling *tiles)
{
    int most = GRADIENT_FLOATS / (int)weights_step(size);

    return tiles->batches == 1 ? out_blocks(size) : smaller(out_blocks(size), most < 1 ? 1 : most);
}

/* The sums are transformed once a call, which a few tiles do not pay for: one image of 8x8x448 to 384 channels takes 1.4
 * times as long as plain products. */
static bool gradient_suits(const pyr_conv_size *size)
{
    return suits(size) && size->n * size->h * size->w >= 256;
}

static size_t gradient_bytes(const pyr_conv_size *size)
{
    return gradient_bytes_of(size, 9);
}

static int dy_blocks(int first, int end)
{
    return divide_up(end * OUTPUTS, BLOCK) - first * OUTPUTS / BLOCK;
}

static size_t gradient_scratch(const pyr_conv_size *size)
{
    const tiling tiles = tiling_of(size);
    int together = blocks_together(size, &tiles);
    size_t most = (size_t)tiles.most, sums = tiles.batches == 1 ? 1 : (size_t)together;

    return (most * (tile_step(in_blocks(size)) + tile_step(dy_blocks(0, together) + 1)) +
            sums * weights_step(size)) *
           sizeof(float);
}

/* sums[row][OUTPUTS] (+)= sum over `count` tiles of x[row] * dy. */
PYR_INLINE void multiply_turned(int rows, const float *x, size_t x_step, const float *dy, size_t dy_step,
                                int count, bool add, float *sums)
{
    vec sum[ROWS][VECTORS];

    clear_sums(rows, sum);
    for (int t = 0; t < count; t++, x += x_step, dy += dy_step) {
        const float *at[ROWS];

        UNROLL
        for (int r = 0; r < rows; r++)
            at[r] = x + r;
        add_outer(rows, sum, at, 0, dy, BLOCK_STEP);
    }
    put_sums(rows, sum, 1, add, sums);
}

APART multiply_turned_rows(int rows, const float *x, size_t x_step, const float *dy, size_t dy_step,
                           int count, bool add, float *sums)
{
    BY_ROWS(rows, multiply_turned, x, x_step, dy, dy_step, count, add, sums)
}

/* A block of outputs: sums [element][in][OUTPUTS] over the tiles of a batch. */
static void multiply_gradient(const pyr_conv_size *size, const batch *b, const float *x, size_t x_step,
                              const float *dy, size_t dy_step, bool add, float *sums)
{
    const int in = in_blocks(size) * BLOCK;

    for (int e = 0; e < ELEMENTS; e++, sums += (size_t)in * OUTPUTS) {
        int from, to;

        tiles_with(b, e, &from, &to);
        for (int i = 0, rows; i < in; i += rows) { /* rows lie in one block of channels */
            rows = next_rows(BLOCK - i % BLOCK);
            multiply_turned_rows(
                rows, x + (size_t)from * x_step + i / BLOCK * BLOCK_STEP + e * BLOCK + i % BLOCK, x_step,
                dy + (size_t)from * dy_step + e * BLOCK, dy_step, to - from, add, sums + (size_t)i * OUTPUTS);
        }
    }
}

/* gradient [tap][in][OUTPUTS] (+)= scale * G^T sums G. */
static void put_gradient(const pyr_conv_size *size, const float *sums, float scale, bool add, float *gradient)
{
    size_t in = (size_t)(in_blocks(size) * BLOCK);

    for (int i = 0; i < size->in; i++)
        for (int v = 0; v < OUTPUTS; v += LANES) {
            vec half[3][SIDE], column[SIDE], out[3];

            for (int c = 0; c < SIDE; c++) {
                for (int r = 0; r < SIDE; r++)
                    column[r] = load(sums + ((size_t)(r * SIDE + c) * in + (size_t)i) * OUTPUTS + v);
                to_weights(out, column);
                for (int r = 0; r < 3; r++)
                    half[r][c] = out[r];
            }
            for (int r = 0; r < 3; r++) {
                to_weights(out, half[r]);
                for (int c = 0; c < 3; c++) {
                    float *to = gradient + ((size_t)(3 * r + c) * (size_t)size->in + (size_t)i) * OUTPUTS + v;

                    store(to, add ? load(to) + all(scale) * out[c] : all(scale) * out[c]);
                }
            }
        }
}

static void gradient(const pyr_conv_size *size, const pyr_conv_source *x, const pyr_conv_source *dy,
                     float scale, float *to, bool add, float *scratch)
{
    tiling tiles = tiling_of(size);
    const int together = blocks_together(size, &tiles), all_blocks = out_blocks(size);
    size_t x_step = tile_step(in_blocks(size)), block = 9 * (size_t)size->in * OUTPUTS;
    float *dy_elements = scratch + (size_t)tiles.most * x_step;
    float *sums = dy_elements + (size_t)tiles.most * tile_step(dy_blocks(0, together) + 1);

    for (int first = 0; first < all_blocks; first += together) {
        int end = smaller(first + together, all_blocks), from = first * OUTPUTS / BLOCK;
        int until = from + dy_blocks(first, end);

        for (int i = 0; i < tiles.batches; i++) {
            batch b = batch_of(&tiles, i);

            transform_batch(size, &tiles, &b, x, false, 0, in_blocks(size), scratch);
            transform_batch(size, &tiles, &b, dy, true, from, until, dy_elements);
            for (int o = first; o < end; o++) {
                int channel = o * OUTPUTS - from * BLOCK;
                float *own = sums + (tiles.batches > 1 ? (size_t)(o - first) * weights_step(size) : 0);

                multiply_gradient(size, &b, scratch, x_step,
                                  dy_elements + channel / BLOCK * BLOCK_STEP + channel % BLOCK,
                                  tile_step(until - from), i > 0, own);
                if (i == tiles.batches - 1) /* while they lie in the second cache */
                    put_gradient(size, own, scale, add, to + (size_t)o * block);
            }
        }
    }
}

static void collect(const pyr_conv_size *size, const float *const *gradients, int count, float *dw)
{
    collect_taps(size, 9, gradients, count, dw);
}

const pyr_conv_f32 OF_SET(pyr_winograd) = {
    .name = "winograd",
    .number = 1,
    .reads_bf16 = true,
    .fits = fits,
    .suits = suits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch = scratch_bytes,
    .run = run,
    .gradient_fits = fits,
    .gradient_suits = gradient_suits,
    .gradient_bytes = gradient_bytes,
    .gradient_scratch = gradient_scratch,
    .gradient = gradient,
    .collect = collect,
};
