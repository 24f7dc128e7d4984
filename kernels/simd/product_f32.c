/* product_f32.c - any convolution of floats as a product of matrices: [results] x [taps, in] times [taps, in] x [out]. The
 * first is read from the images as they lie, by a table of pointers (Dukhan 2019, "The indirect convolution
 * algorithm"); the result is written as it lies. So a concatenation, an enlarged image, a residual or a vector costs no
 * pass.
 *
 * Weights and their gradient: [block of outputs][tap][in][OUTPUTS], zeros beyond the last output. */
#include "kernels/simd/conv_taps.h"
#include "kernels/simd/ways_f32.h"

#include <string.h>

static bool fits(const pyr_conv_size *size)
{
    (void)size;
    return true;
}

static bool suits(const pyr_conv_size *size)
{
    return taps_of(size) * size->in * size->out >= 256; /* fewer are not worth packing */
}

static size_t packed_bytes(const pyr_conv_size *size)
{
    return gradient_bytes_of(size, taps_of(size));
}

static void pack(const pyr_conv_size *size, const float *w, size_t stride_out, size_t stride_in, bool turned,
                 float *packed)
{
    const int taps = taps_of(size);

    for (int o = 0; o < size->out; o += OUTPUTS)
        for (int t = 0; t < taps; t++) {
            const float *from = w + (size_t)o * stride_out + (size_t)(turned ? taps - 1 - t : t);
            int outputs = smaller(OUTPUTS, size->out - o);

            for (int i = 0; i < size->in; i++, packed += OUTPUTS, from += stride_in)
                for (int j = 0; j < OUTPUTS; j++)
                    packed[j] = j < outputs ? from[(size_t)j * stride_out] : 0;
        }
}

/* ---- what a chunk reads ------------------------------------------------------------------------ */

/* A stretch of the sum: some channels of a tap, whose weights begin at `weights` of a block's. */
typedef struct segment {
    int channels;
    size_t weights;
} segment;

typedef struct reading {
    int segments;
    segment *segment;
    const float **at; /* [segment][CHUNK] */
    float *zeros;
} reading;

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t most_segments(const pyr_conv_size *size)
{
    return 2 * (size_t)taps_of(size);
}

static size_t reading_bytes(const pyr_conv_size *size)
{
    return aligned(most_segments(size) * sizeof(segment)) +
           aligned(most_segments(size) * CHUNK * sizeof(float *)) + aligned((size_t)size->in * sizeof(float));
}

static reading reading_in(const pyr_conv_size *size, float *scratch)
{
    char *at = (char *)scratch;
    reading r = {.segment = (segment *)(void *)at};

    r.at = (const float **)(void *)(at += aligned(most_segments(size) * sizeof(segment)));
    r.zeros = (float *)(void *)(at + aligned(most_segments(size) * CHUNK * sizeof(float *)));
    memset(r.zeros, 0, (size_t)size->in * sizeof(float));
    return r;
}

static void read_chunk(reading *r, const pyr_conv_size *size, const pyr_conv_source *x, const class *of,
                       const chunk *c)
{
    r->segments = 0;
    for (int row = 0; row < of->rows.taps; row++)
        for (int column = 0; column < of->columns.taps; column++) {
            int tap = (of->rows.first_tap + row * size->spread) * size->kernel_w + of->columns.first_tap +
                      column * size->spread;
            size_t channel = (size_t)tap * (size_t)size->in;

            for (int part = 0; part < 2 && x->c[part] > 0; part++) {
                r->segment[r->segments] = (segment){x->c[part], channel * OUTPUTS};
                find_tap(size, x, part, c, row, column, r->zeros, r->at + r->segments * CHUNK);
                channel += (size_t)x->c[part];
                r->segments++;
            }
        }
}

/* ---- forward and by data ----------------------------------------------------------------------- */

static size_t scratch_bytes(const pyr_conv_size *size)
{
    return reading_bytes(size);
}

/* The results from number `first` of the chunk on. */
PYR_INLINE void multiply(int rows, const reading *from, const chunk *c, int first, const float *w,
                         const target *t)
{
    vec sum[ROWS][VECTORS];

    begin_sums(rows, t, sum);
    for (int s = 0; s < from->segments; s++) {
        const float *const *pixels = from->at + s * CHUNK + first, *at[ROWS];

        UNROLL
        for (int r = 0; r < rows; r++)
            at[r] = pixels[r];
        add_products(rows, sum, at, w + from->segment[s].weights, from->segment[s].channels);
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        put_all(t, c->at[first + r].image, c->at[first + r].pixel, sum[r]);
}

APART multiply_rows(int rows, const reading *from, const chunk *c, int first, const float *w, const target *t)
{
    BY_ROWS(rows, multiply, from, c, first, w, t)
}

static void run_class(const pyr_conv_size *size, const pyr_conv_source *x, const float *packed,
                      const pyr_conv_result *y, bool enlarged, const class *of, reading *r)
{
    const size_t step = packed_bytes(size) / sizeof(float) / (size_t)out_blocks(size);
    chunk c = {0};

    while (next_chunk(&c, size, of, enlarged)) {
        read_chunk(r, size, x, of, &c);
        for (int block = 0; block < out_blocks(size); block++) {
            target t = target_of(size, y, block * OUTPUTS);

            if (!t.wanted)
                continue;
            for (int i = 0, rows; i < c.count; i += rows) {
                rows = next_rows(c.count - i);
                multiply_rows(rows, r, &c, i, packed + (size_t)block * step, &t);
            }
        }
    }
}

static void run(const pyr_conv_size *size, const pyr_conv_source *x, const float *packed,
                const pyr_conv_result *y, float *scratch)
{
    const pyr_conv_size s = flat(size, x);
    reading r = reading_in(size, scratch);

    for (int row = 0; row < size->spread; row++)
        for (int column = 0; column < size->spread; column++) {
            class of = class_of(&s, row, column);

            run_class(&s, x, packed, y, is_enlarged(size, x), &of, &r);
        }
}

/* ---- by weights -------------------------------------------------------------------------------- */

static bool gradient_fits(const pyr_conv_size *size)
{
    return size->spread == 1;
}

static size_t gradient_bytes(const pyr_conv_size *size)
{
    return gradient_bytes_of(size, taps_of(size));
}

/* A chunk's block of outputs of dy, where they are copied. */
static size_t gradient_scratch(const pyr_conv_size *size)
{
    return reading_bytes(size) + CHUNK * OUTPUTS * sizeof(float);
}

/* Pixels this far apart, 64 channels, all find a place in the first cache; those farther apart meet in its sets. */
enum { CLOSE = 64 };

/* Outputs of pixel i at from + i * step. */
typedef struct outputs {
    const float *from;
    size_t step;
} outputs;

/* gradient[row][OUTPUTS] (+)= scale * sum over `count` pixels of at[pixel][channel + row] * dy[pixel] */
PYR_INLINE void multiply_turned(int rows, const float *const *pixels, size_t channel, outputs dy, int count,
                                float scale, bool add, float *gradient)
{
    vec sum[ROWS][VECTORS];

    clear_sums(rows, sum);
    for (int t = 0; t < count; t++, dy.from += dy.step) {
        const float *pixel = pixels[t] + channel, *at[ROWS];

        UNROLL
        for (int r = 0; r < rows; r++)
            at[r] = pixel + r;
        add_outer(rows, sum, at, 0, dy.from, BLOCK);
    }
    put_sums(rows, sum, scale, add, gradient);
}

APART multiply_turned_rows(int rows, const float *const *pixels, size_t channel, outputs dy, int count,
                           float scale, bool add, float *gradient)
{
    BY_ROWS(rows, multiply_turned, pixels, channel, dy, count, scale, add, gradient)
}

/* The gradient of a block of outputs (+)= that of a chunk. */
static void add_chunk(const reading *r, outputs dy, int count, float scale, bool add, float *gradient)
{
    for (int s = 0; s < r->segments; s++)
        for (int i = 0, rows; i < r->segment[s].channels; i += rows) {
            rows = next_rows(r->segment[s].channels - i);
            multiply_turned_rows(rows, r->at + s * CHUNK, (size_t)i, dy, count, scale, add,
                                 gradient + r->segment[s].weights + (size_t)i * OUTPUTS);
        }
}

/* A chunk's block of outputs: as they lie, or copied. */
static outputs outputs_from(const pyr_conv_size *size, const pyr_conv_source *dy, const chunk *c, int first,
                            float *copy)
{
    outputs_of block = block_of(size, dy, first);

    if (block.at && block.step <= CLOSE)
        return (outputs){block.at + c->at[0].pixel * block.step, block.step};
    for (int i = 0; i < c->count; i++)
        copy_block(&block, c->at[i].pixel, copy + (size_t)i * OUTPUTS);
    return (outputs){copy, OUTPUTS};
}

static void gradient(const pyr_conv_size *size, const pyr_conv_source *x, const pyr_conv_source *dy,
                     float scale, float *to, bool add, float *scratch)
{
    const pyr_conv_size s = flat(size, x);
    const size_t step = gradient_bytes(size) / sizeof(float) / (size_t)out_blocks(size);
    float *copy = scratch + reading_bytes(size) / sizeof(float);
    reading r = reading_in(size, scratch);
    class of = class_of(&s, 0, 0);
    chunk c = {0};

    while (next_chunk(&c, &s, &of, is_enlarged(size, x))) {
        read_chunk(&r, &s, x, &of, &c);
        for (int o = 0; o < out_blocks(size); o++)
            add_chunk(&r, outputs_from(size, dy, &c, o * OUTPUTS, copy), c.count, scale, add,
                      to + (size_t)o * step);
        add = true;
    }
}

static void collect(const pyr_conv_size *size, const float *const *gradients, int count, float *dw)
{
    collect_taps(size, (size_t)taps_of(size), gradients, count, dw);
}

const pyr_conv_f32 OF_SET(pyr_product) = {
    .name = "product",
    .number = 2,
    .fits = fits,
    .suits = suits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch = scratch_bytes,
    .run = run,
    .gradient_fits = gradient_fits,
    .gradient_suits = suits,
    .gradient_bytes = gradient_bytes,
    .gradient_scratch = gradient_scratch,
    .gradient = gradient,
    .collect = collect,
};
