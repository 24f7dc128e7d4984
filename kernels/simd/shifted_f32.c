/* shifted_f32.c - convolutions of floats that write few channels (a U-Net's last), stride 1: one product of each pixel with
 * the weights of all taps, [pixels] x [in] times [in] x [taps, out], then sums of its numbers, each from the pixel that its
 * tap reads. So the outputs of all taps fill the registers that those of one do not.
 *
 * The products of as many rows as the kernel has are kept. Weights: as product_f32.c has them for 1x1, outputs
 * tap * out + o, zeros up to a multiple of OUTPUTS. */
#include "kernels/simd/conv_taps.h"
#include "kernels/simd/ways_f32.h"

enum { MOST_ROWS = 8, MOST_OUTPUTS = 8 }; /* rows of a kernel */

static bool fits(const pyr_conv_size *size)
{
    return size->stride == 1 && size->spread == 1 && size->kernel_h <= MOST_ROWS && size->out <= MOST_OUTPUTS;
}

/* Fewer registers' worth of outputs than one for each tap. */
static bool suits(const pyr_conv_size *size)
{
    return fits(size) && taps_of(size) > 1 && size->out <= 4 && size->in >= 8;
}

static int columns_of(const pyr_conv_size *size)
{
    return divide_up(taps_of(size) * size->out, OUTPUTS) * OUTPUTS;
}

static size_t packed_bytes(const pyr_conv_size *size)
{
    return (size_t)columns_of(size) * (size_t)size->in * sizeof(float);
}

static void pack(const pyr_conv_size *size, const float *w, size_t stride_out, size_t stride_in, bool turned,
                 float *packed)
{
    const int taps = taps_of(size);

    for (int first = 0; first < columns_of(size); first += OUTPUTS)
        for (int i = 0; i < size->in; i++)
            for (int column = first; column < first + OUTPUTS; column++) {
                int tap = column / size->out, output = column % size->out;

                *packed++ = tap >= taps ? 0
                                        : w[(size_t)output * stride_out + (size_t)i * stride_in +
                                            (size_t)(turned ? taps - 1 - tap : tap)];
            }
}

/* ---- products ---------------------------------------------------------------------------------- */

/* The product of a row of x: with all its channels, a convolution 1x1. */
static pyr_conv_size row_size(const pyr_conv_size *size, int w)
{
    return (pyr_conv_size){.n = 1,
                           .h = 1,
                           .w = w,
                           .in = size->in,
                           .out = columns_of(size),
                           .in_h = 1,
                           .in_w = w,
                           .kernel_h = 1,
                           .kernel_w = 1,
                           .stride = 1,
                           .spread = 1};
}

static void multiply_row(const pyr_conv_size *size, const pyr_conv_source *x, int image, int row,
                         const float *packed, float *products, float *scratch)
{
    const size_t first = ((size_t)image * (size_t)x->h + (size_t)row) * (size_t)x->w;
    const pyr_conv_size s = row_size(size, x->w);
    const pyr_conv_result y = {.at = {products}, .c = {s.out}, .type = PYR_F32, .h = 1, .w = s.w, .scale = 1};
    pyr_conv_source from = {.c = {x->c[0], x->c[1]}, .type = PYR_F32, .h = 1, .w = s.w};

    for (int part = 0; part < 2 && x->c[part] > 0; part++)
        from.at[part] = (const float *)x->at[part] + first * (size_t)x->c[part];
    OF_SET(pyr_product).run(&s, &from, packed, &y, scratch);
}

/* ---- sums -------------------------------------------------------------------------------------- */

/* The products of the rows that a row of results needs. */
typedef struct needed {
    int rows;
    int tap[MOST_ROWS];         /* the first one of the kernel's row */
    const float *at[MOST_ROWS]; /* of the row's first pixel */
} needed;

static needed needed_for(const pyr_conv_size *s, const pyr_conv_source *x, int row, const float *products)
{
    const size_t step = (size_t)x->w * (size_t)columns_of(s);
    needed n = {0};

    for (int ky = 0; ky < s->kernel_h; ky++) {
        int source = row + ky - s->pad_top;

        if (source < 0 || source >= s->in_h)
            continue;
        n.tap[n.rows] = ky * s->kernel_w;
        n.at[n.rows++] = products + (size_t)(source * x->h / s->in_h % s->kernel_h) * step;
    }
    return n;
}

/* The sums of a pixel's outputs; `columns` of its products lie together. */
PYR_INLINE void add_pixel(int out, const needed *n, const pyr_conv_size *s, const pyr_conv_source *x,
                          int column, size_t columns, float *sum)
{
    const int first = column - s->pad_left;
    const int from = first < 0 ? -first : 0, to = smaller(s->kernel_w, s->in_w - first);

    for (int o = 0; o < out; o++)
        sum[o] = 0;
    for (int row = 0; row < n->rows; row++)
        for (int kx = from; kx < to; kx++) {
            int source = x->w == s->in_w ? first + kx : (first + kx) * x->w / s->in_w;
            const float *at = n->at[row] + (size_t)source * columns + (size_t)((n->tap[row] + kx) * out);

            for (int o = 0; o < out; o++)
                sum[o] += at[o];
        }
}

PYR_INLINE void add_row(int out, const pyr_conv_size *s, const pyr_conv_source *x, const pyr_conv_result *y,
                        int image, int row, const float *products, float *sum)
{
    const size_t columns = (size_t)columns_of(s);
    const size_t pixel = ((size_t)image * (size_t)s->h + (size_t)row) * (size_t)s->w;
    const needed n = needed_for(s, x, row, products);

    for (int column = 0; column < s->w; column++) {
        add_pixel(out, &n, s, x, column, columns, sum);
        for (int o = 0; o < out; o++)
            put_one(s, y, image, pixel + (size_t)column, (size_t)o, sum[o]);
    }
}

/* With the usual numbers of outputs as constants. */
static void put_row(const pyr_conv_size *s, const pyr_conv_source *x, const pyr_conv_result *y, int image,
                    int row, const float *products, float *sum)
{
    if (s->out == 1)
        add_row(1, s, x, y, image, row, products, sum);
    else if (s->out == 3)
        add_row(3, s, x, y, image, row, products, sum);
    else if (s->out == 4)
        add_row(4, s, x, y, image, row, products, sum);
    else
        add_row(s->out, s, x, y, image, row, products, sum);
}

/* ---- forward, and by data of few inputs --------------------------------------------------------- */

/* The product's part comes first: it is aligned. */
static size_t product_scratch(const pyr_conv_size *size)
{
    const pyr_conv_size s = row_size(size, size->in_w);

    return divide_up((int)OF_SET(pyr_product).scratch(&s), 64) * (size_t)64;
}

static size_t scratch_bytes(const pyr_conv_size *size)
{
    return product_scratch(size) +
           ((size_t)size->kernel_h * (size_t)size->in_w * (size_t)columns_of(size) + (size_t)size->out) *
               sizeof(float);
}

static void run(const pyr_conv_size *size, const pyr_conv_source *x, const float *packed,
                const pyr_conv_result *y, float *scratch)
{
    float *products = scratch + product_scratch(size) / sizeof(float);
    const size_t step = (size_t)x->w * (size_t)columns_of(size);
    float *sum = products + (size_t)size->kernel_h * step;

    for (int image = 0; image < size->n; image++)
        for (int row = 0, done = 0; row < size->h; row++) {
            int last = smaller(row - size->pad_top + size->kernel_h, size->in_h) - 1;

            for (; last >= 0 && done <= last * x->h / size->in_h; done++)
                multiply_row(size, x, image, done, packed, products + (size_t)(done % size->kernel_h) * step,
                             scratch);
            put_row(size, x, y, image, row, products, sum);
        }
}

const pyr_conv_f32 OF_SET(pyr_shifted) = {
    .name = "shifted",
    .number = 4,
    .fits = fits,
    .suits = suits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch = scratch_bytes,
    .run = run,
};
