/* few_f32.c - convolutions of floats that read few channels (images, their noise levels), whose taps are a product of some
 * depth only when they are taken together; and the weights' gradient of those that write few.
 *
 * An image is copied with its padding, so that what tap t of channel i reads is a constant distance from what the first one
 * reads, and one pixel's from the next's. Weights and their gradient: [block of outputs][tap][in][OUTPUTS]. The gradient
 * of few outputs is that of the pass by data, whose inputs they are. */
#include "kernels/simd/conv_taps.h"
#include "kernels/simd/ways_f32.h"

enum { FEW = 16 };

static bool fits(const pyr_conv_size *size)
{
    return size->spread == 1 && size->in < FEW;
}

static bool suits(const pyr_conv_size *size)
{
    return fits(size) && size->in < 8 && taps_of(size) > 1 && size->out >= 8;
}

static size_t packed_bytes(const pyr_conv_size *size)
{
    return gradient_bytes_of(size, taps_of(size));
}

static void pack(const pyr_conv_size *size, const float *w, size_t stride_out, size_t stride_in, bool turned,
                 float *packed)
{
    OF_SET(pyr_product).pack(size, w, stride_out, stride_in, turned, packed);
}

/* ---- the padded copy --------------------------------------------------------------------------- */

typedef struct padded {
    int h, w;
    int depth;      /* taps and channels */
    size_t *offset; /* [depth]: from what the first reads to what each reads */
    float *image;   /* h x w x in */
} padded;

static padded padded_in(const pyr_conv_size *s, float *scratch)
{
    return (padded){.h = (s->h - 1) * s->stride + s->kernel_h,
                    .w = (s->w - 1) * s->stride + s->kernel_w,
                    .depth = taps_of(s) * s->in,
                    .offset = (size_t *)(void *)scratch};
}

static size_t offset_floats(const padded *p)
{
    return (size_t)divide_up(p->depth, 8) * 8 * sizeof(size_t) / sizeof(float);
}

static size_t padded_floats(const pyr_conv_size *s)
{
    padded p = padded_in(s, NULL);

    return offset_floats(&p) + (size_t)p.h * (size_t)p.w * (size_t)s->in;
}

static void find_offsets(padded *p, const pyr_conv_size *s, float *scratch)
{
    p->image = scratch + offset_floats(p);
    for (int d = 0; d < p->depth; d++) {
        int tap = d / s->in;

        p->offset[d] = (size_t)((tap / s->kernel_w * p->w + tap % s->kernel_w) * s->in + d % s->in);
    }
}

static void copy_image(const padded *p, const pyr_conv_size *s, const pyr_conv_source *x, int image)
{
    static const float zeros[FEW];
    float *to = p->image;

    for (int row = 0; row < p->h; row++)
        for (int column = 0; column < p->w; column++)
            for (int part = 0; part < 2 && x->c[part] > 0; part++) {
                const float *from =
                    pixel_at(s, x, part, image, row - s->pad_top, column - s->pad_left, zeros);

                for (int i = 0; i < x->c[part]; i++)
                    *to++ = from[i];
            }
}

/* Where the first tap of a result reads. */
static const float *first_read(const padded *p, const pyr_conv_size *s, int row, int column)
{
    return p->image + (size_t)((row * p->w + column) * s->stride) * (size_t)s->in;
}

/* ---- forward ----------------------------------------------------------------------------------- */

static size_t scratch_bytes(const pyr_conv_size *size)
{
    return padded_floats(size) * sizeof(float);
}

/* A result whose first tap reads x, and the rows - 1 behind it. */
PYR_INLINE void multiply(int rows, const padded *p, const float *x, size_t step, const float *w,
                         const target *t, int image, size_t pixel)
{
    vec sum[ROWS][VECTORS];
    const float *at[ROWS];

    begin_sums(rows, t, sum);
    UNROLL
    for (int r = 0; r < rows; r++)
        at[r] = x + (size_t)r * step;
    for (int d = 0; d < p->depth; d++, w += OUTPUTS)
        add_outer(rows, sum, at, p->offset[d], w, BLOCK);
    UNROLL
    for (int r = 0; r < rows; r++)
        put_all(t, image, pixel + (size_t)r, sum[r]);
}

APART multiply_rows(int rows, const padded *p, const float *x, size_t step, const float *w, const target *t,
                    int image, size_t pixel)
{
    BY_ROWS(rows, multiply, p, x, step, w, t, image, pixel)
}

static void run_image(const pyr_conv_size *s, const padded *p, const float *packed, const pyr_conv_result *y,
                      int image)
{
    const size_t block = (size_t)p->depth * OUTPUTS, step = (size_t)(s->stride * s->in);

    for (int row = 0; row < s->h; row++) {
        size_t pixel = ((size_t)image * (size_t)s->h + (size_t)row) * (size_t)s->w;

        for (int o = 0; o < out_blocks(s); o++) {
            target t = target_of(s, y, o * OUTPUTS);

            for (int column = 0, rows; t.wanted && column < s->w; column += rows) {
                rows = next_rows(s->w - column);
                multiply_rows(rows, p, first_read(p, s, row, column), step, packed + (size_t)o * block, &t,
                              image, pixel + (size_t)column);
            }
        }
    }
}

static void run(const pyr_conv_size *size, const pyr_conv_source *x, const float *packed,
                const pyr_conv_result *y, float *scratch)
{
    padded p = padded_in(size, scratch);

    find_offsets(&p, size, scratch);
    for (int image = 0; image < size->n; image++) {
        copy_image(&p, size, x, image);
        run_image(size, &p, packed, y, image);
    }
}

/* ---- by weights -------------------------------------------------------------------------------- */

static bool is_swapped(const pyr_conv_size *size)
{
    return size->out < size->in;
}

static pyr_conv_size gradient_size(const pyr_conv_size *size)
{
    return is_swapped(size) ? pyr_conv_turned(size) : *size;
}

static bool gradient_fits(const pyr_conv_size *size)
{
    pyr_conv_size s = gradient_size(size);

    return size->spread == 1 && fits(&s);
}

static bool gradient_suits(const pyr_conv_size *size)
{
    pyr_conv_size s = gradient_size(size);

    return gradient_fits(size) && suits(&s);
}

static size_t gradient_bytes(const pyr_conv_size *size)
{
    pyr_conv_size s = gradient_size(size);

    return gradient_bytes_of(&s, taps_of(&s));
}

/* A chunk's block of outputs of dy, where they do not lie together. */
static size_t gradient_scratch(const pyr_conv_size *size)
{
    pyr_conv_size s = gradient_size(size);

    return (padded_floats(&s) + CHUNK * OUTPUTS) * sizeof(float);
}

/* gradient[row][OUTPUTS] (+)= scale * the sum over `count` pixels of x[offset[row]] * dy. */
PYR_INLINE void multiply_turned(int rows, const size_t *offset, const float *x, size_t step, const float *dy,
                                size_t dy_step, int count, float scale, bool add, float *gradient)
{
    vec sum[ROWS][VECTORS];
    const float *at[ROWS];

    clear_sums(rows, sum);
    UNROLL
    for (int r = 0; r < rows; r++)
        at[r] = x + offset[r];
    for (size_t i = 0; count > 0; count--, i += step, dy += dy_step)
        add_outer(rows, sum, at, i, dy, BLOCK);
    put_sums(rows, sum, scale, add, gradient);
}

APART multiply_turned_rows(int rows, const size_t *offset, const float *x, size_t step, const float *dy,
                           size_t dy_step, int count, float scale, bool add, float *gradient)
{
    BY_ROWS(rows, multiply_turned, offset, x, step, dy, dy_step, count, scale, add, gradient)
}

/* Some results of a row. */
static void add_results(const pyr_conv_size *s, const padded *p, const pyr_conv_source *dy, const float *x,
                        size_t pixel, int count, float scale, bool add, float *to, float *copy)
{
    const size_t step = (size_t)(s->stride * s->in);

    for (int o = 0; o < out_blocks(s); o++) {
        outputs_of outputs = block_of(s, dy, o * OUTPUTS);
        const float *from = outputs.at ? outputs.at + pixel * outputs.step : copy;
        size_t dy_step = outputs.at ? outputs.step : OUTPUTS;

        for (int i = 0; !outputs.at && i < count; i++)
            copy_block(&outputs, pixel + (size_t)i, copy + (size_t)i * OUTPUTS);
        for (int d = 0, rows; d < p->depth; d += rows, to += (size_t)rows * OUTPUTS) {
            rows = next_rows(p->depth - d);
            multiply_turned_rows(rows, p->offset + d, x, step, from, dy_step, count, scale, add, to);
        }
    }
}

static void gradient(const pyr_conv_size *size, const pyr_conv_source *x, const pyr_conv_source *dy,
                     float scale, float *to, bool add, float *scratch)
{
    const pyr_conv_size s = gradient_size(size);
    const pyr_conv_source *few = is_swapped(size) ? dy : x, *many = is_swapped(size) ? x : dy;
    float *copy = scratch + padded_floats(&s);
    padded p = padded_in(&s, scratch);
    size_t pixel = 0;

    find_offsets(&p, &s, scratch);
    for (int image = 0; image < s.n; image++) {
        copy_image(&p, &s, few, image);
        for (int row = 0; row < s.h; row++)
            for (int column = 0, count; column < s.w; column += count, pixel += (size_t)count) {
                count = smaller(CHUNK, s.w - column);
                add_results(&s, &p, many, first_read(&p, &s, row, column), pixel, count, scale, add, to,
                            copy);
                add = true;
            }
    }
}

static void collect(const pyr_conv_size *size, const float *const *gradients, int count, float *dw)
{
    const int taps = taps_of(size);

    if (!is_swapped(size)) {
        collect_taps(size, (size_t)taps, gradients, count, dw);
        return;
    }
    for (int o = 0; o < size->out; o++)
        for (int i = 0; i < size->in; i++)
            for (int t = 0; t < taps; t++) {
                int block = (i / OUTPUTS * taps + taps - 1 - t) * size->out + o;
                float sum = 0;

                for (int k = 0; k < count; k++)
                    sum += gradients[k][(size_t)block * OUTPUTS + (size_t)(i % OUTPUTS)];
                *dw++ += sum;
            }
}

const pyr_conv_f32 OF_SET(pyr_few) = {
    .name = "few",
    .number = 3,
    .fits = fits,
    .suits = suits,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .scratch = scratch_bytes,
    .run = run,
    .gradient_fits = gradient_fits,
    .gradient_suits = gradient_suits,
    .gradient_bytes = gradient_bytes,
    .gradient_scratch = gradient_scratch,
    .gradient = gradient,
    .collect = collect,
};
