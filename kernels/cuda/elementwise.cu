/* elementwise.cu - activations, sums and scalings. */
#include "kernels/cuda/columns.h"

/* ---- activation -------------------------------------------------------------------------------- */

static __global__ void activation_kernel(numbers y, numbers x, pyr_act act, size_t count)
{
    PYR_EACH4(i, n, count)
    {
        float v[4];

        get4(x, i, (int)n, v);
        for (int j = 0; j < 4; j++)
            v[j] = act_value(act, v[j]);
        put4(y, i, (int)n, v);
    }
}

static pyr_status activation_forward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);

    return PYR_LAUNCH(k, activation_kernel, fours(count), numbers_of(&op->y), numbers_of(&op->x[0]), op->act,
                      count);
}

static __global__ void activation_slope_kernel(numbers dx, bool add, numbers x, numbers dy, pyr_act act,
                                               size_t count)
{
    PYR_EACH4(i, n, count)
    {
        float v[4], d[4];

        get4(x, i, (int)n, v);
        get4(dy, i, (int)n, d);
        for (int j = 0; j < 4; j++)
            d[j] *= act_slope(act, v[j]);
        put4_or_add(dx, i, (int)n, d, add);
    }
}

static pyr_status activation_backward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);

    if (!op->dx[0])
        return PYR_OK;
    return PYR_LAUNCH(k, activation_slope_kernel, fours(count), gradient_of(&op->x[0], op->dx[0]),
                      op->dx_add[0], numbers_of(&op->x[0]), gradient_of(&op->y, op->dy), op->act, count);
}

const pyr_op_impl pyr_cuda_activation = {
    .reads = PYR_READS_X0, .in_place = 1, .forward = activation_forward, .backward = activation_backward};

/* ---- copies with a factor: the gradients of sums -------------------------------------------------- */

static const numbers nothing = {NULL, 0};

/* dx0 and dx1 (either may be nothing) = or += scale * dy. The same thread computes both, one after the other: they may be one
 * place. */
static __global__ void scaled_kernel(numbers dx0, bool add0, numbers dx1, bool add1, numbers dy, float scale,
                                     size_t count)
{
    PYR_EACH4(i, n, count)
    {
        float d[4];

        get4(dy, i, (int)n, d);
        for (int j = 0; j < 4; j++)
            d[j] *= scale;
        if (dx0.data)
            put4_or_add(dx0, i, (int)n, d, add0);
        if (dx1.data)
            put4_or_add(dx1, i, (int)n, d, add1);
    }
}

/* Where the gradient of that input is to be written; nothing when it is not wanted, or is dy itself. */
static numbers wanted_gradient(const pyr_op *op, int input)
{
    return op->dx[input] && op->dx[input] != op->dy ? gradient_of(&op->x[input], op->dx[input]) : nothing;
}

static pyr_status scaled(pyr_kernels *k, pyr_op *op, numbers dx0, numbers dx1, float scale)
{
    size_t count = pyr_count(op->y.s);

    if (!dx0.data && !dx1.data)
        return PYR_OK;
    return PYR_LAUNCH(k, scaled_kernel, fours(count), dx0, op->dx_add[0], dx1, op->dx_add[1],
                      gradient_of(&op->y, op->dy), scale, count);
}

/* ---- add ----------------------------------------------------------------------------------------- */

static __global__ void add_kernel(numbers y, numbers x0, numbers x1, float scale, size_t count)
{
    PYR_EACH4(i, n, count)
    {
        float a[4], b[4];

        get4(x0, i, (int)n, a);
        get4(x1, i, (int)n, b);
        for (int j = 0; j < 4; j++)
            a[j] = (a[j] + b[j]) * scale;
        put4(y, i, (int)n, a);
    }
}

static pyr_status add_forward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);

    return PYR_LAUNCH(k, add_kernel, fours(count), numbers_of(&op->y), numbers_of(&op->x[0]),
                      numbers_of(&op->x[1]), op->scale, count);
}

static pyr_status add_backward(pyr_kernels *k, pyr_op *op)
{
    return scaled(k, op, wanted_gradient(op, 0), wanted_gradient(op, 1), op->scale);
}

const pyr_op_impl pyr_cuda_add = {.in_place = 1 | 2, .forward = add_forward, .backward = add_backward};

/* ---- numbers per image and channel ----------------------------------------------------------------- */

/* y = or += x * (1 + scale) + shift, each (NULL: 0) one number per image and channel, `stride` per image. */
static __global__ void per_channel_kernel(numbers y, bool add, numbers x, const float *scale,
                                          const float *shift, size_t stride, size_t each, int c, size_t count)
{
    PYR_EACH4(i, n, count)
    {
        walk w = walk_from(i, each, c);
        float v[4];

        get4(x, i, (int)n, v);
        PYR_UNROLL
        for (int j = 0; j < 4; j++)
            if (j < (int)n) {
                size_t at = w.image * stride + w.c;

                v[j] = v[j] * (scale ? 1 + scale[at] : 1) + (shift ? shift[at] : 0);
                walk_on(&w, each, c);
            }
        put4_or_add(y, i, (int)n, v, add);
    }
}

static pyr_status add_channel_forward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);

    return PYR_LAUNCH(k, per_channel_kernel, fours(count), numbers_of(&op->y), false, numbers_of(&op->x[0]),
                      (const float *)NULL, (const float *)op->x[1].data, (size_t)op->y.s.c,
                      per_image(op->y.s), op->y.s.c, count);
}

/* scratch: for the sums over pixels */
static pyr_status add_channel_plan(pyr_kernels *k, pyr_op *op)
{
    pyr_shape s = op->y.s;

    (void)k;
    if (op->want_dx[1])
        op->scratch_bytes = pyr_cuda_sums_bytes(s.n, (size_t)s.h * s.w, s.c);
    return PYR_OK;
}

static pyr_status add_channel_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape s = op->y.s;

    PYR_TRY(scaled(k, op, wanted_gradient(op, 0), nothing, 1));
    if (!op->dx[1])
        return PYR_OK;
    return pyr_cuda_sums(k, (float *)op->dx[1], op->dx_add[1], 1, gradient_of(&op->y, op->dy), s.n,
                         (size_t)s.h * s.w, s.c, op->scratch);
}

const pyr_op_impl pyr_cuda_add_channel = {.in_place = 1,
                                          .plan = add_channel_plan,
                                          .forward = add_channel_forward,
                                          .backward = add_channel_backward};

static pyr_status scale_shift_forward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);
    const float *scale = (const float *)op->x[1].data;
    int c = op->y.s.c;

    return PYR_LAUNCH(k, per_channel_kernel, fours(count), numbers_of(&op->y), false, numbers_of(&op->x[0]),
                      scale, scale + c, (size_t)c * 2, per_image(op->y.s), c, count);
}

/* Channels of a block. */
enum { CHANNELS = 32 };

/* dv: for each image the sums of dy x over the pixels, one a channel, then those of dy. */
static __global__ void scale_shift_sums_kernel(float *dv, bool add, numbers dy, numbers x, size_t pixels,
                                               int c, int width)
{
    __shared__ float sums[8 * WORKERS];
    int blocks = (c + CHANNELS - 1) / CHANNELS, first = (int)(blockIdx.x % blocks) * CHANNELS;
    int channels = c - first < CHANNELS ? c - first : CHANNELS, columns = channels / width;
    int rows = rows_for(columns, pixels);
    size_t image = blockIdx.x / blocks;
    numbers out = floats(dv + image * 2 * c);

    PYR_EACH_OF_BLOCK(i, (size_t)(columns * rows))
    {
        int column = (int)i % columns, row = (int)i / columns;
        float sum[8] = {0};

        PYR_UNROLL_BY_4
        for (size_t p = row; p < pixels; p += rows) {
            size_t at = (image * pixels + p) * c + first + column * width;
            float d[4], v[4];

            get4(dy, at, width, d);
            get4(x, at, width, v);
            for (int j = 0; j < 4; j++) {
                sum[j] += d[j] * v[j];
                sum[4 + j] += d[j];
            }
        }
        for (int j = 0; j < 8; j++)
            sums[(row * 8 + j) * columns + column] = sum[j];
    }
    sum_rows(sums, rows, 8 * columns);
    PYR_EACH_OF_BLOCK(i, (size_t)channels)
    {
        int at = (int)i % width * columns + (int)i / width;

        put_or_add(out, first + i, sums[at], add);
        put_or_add(out, c + first + i, sums[4 * columns + at], add);
    }
}

static pyr_status scale_shift_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape s = op->y.s;
    size_t count = pyr_count(s), pixels = (size_t)s.h * s.w;
    int width = column_width(s.c);

    if (op->dx[0])
        PYR_TRY(PYR_LAUNCH(k, per_channel_kernel, fours(count), gradient_of(&op->x[0], op->dx[0]),
                           op->dx_add[0], gradient_of(&op->y, op->dy), (const float *)op->x[1].data,
                           (const float *)NULL, (size_t)s.c * 2, per_image(s), s.c, count));
    if (!op->dx[1])
        return PYR_OK;
    return PYR_LAUNCH_BLOCKS(k, scale_shift_sums_kernel, (size_t)s.n * ((s.c + CHANNELS - 1) / CHANNELS),
                             threads_for(CHANNELS / width, pixels), (float *)op->dx[1], op->dx_add[1],
                             gradient_of(&op->y, op->dy), numbers_of(&op->x[0]), pixels, s.c, width);
}

const pyr_op_impl pyr_cuda_scale_shift = {.reads = PYR_READS_X0 | PYR_READS_X1,
                                          .in_place = 1,
                                          .forward = scale_shift_forward,
                                          .backward = scale_shift_backward};

/* ---- around the network ---------------------------------------------------------------------------- */

static __global__ void mix_kernel(numbers y, numbers x0, numbers x1, const float *ab, size_t each,
                                  size_t count)
{
    PYR_EACH4(i, n, count)
    {
        walk w = walk_from(i, each, 1);
        float a[4], b[4];

        get4(x0, i, (int)n, a);
        get4(x1, i, (int)n, b);
        PYR_UNROLL
        for (int j = 0; j < 4; j++)
            if (j < (int)n) {
                a[j] = ab[2 * w.image] * a[j] + ab[2 * w.image + 1] * b[j];
                walk_on(&w, each, 1);
            }
        put4(y, i, (int)n, a);
    }
}

static pyr_status mix_forward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);

    return PYR_LAUNCH(k, mix_kernel, fours(count), numbers_of(&op->y), numbers_of(&op->x[0]),
                      numbers_of(&op->x[1]), (const float *)op->x[2].data, per_image(op->y.s), count);
}

/* As scaled_kernel, with an image's own factors. */
static __global__ void mix_gradient_kernel(numbers dx0, bool add0, numbers dx1, bool add1, numbers dy,
                                           const float *ab, size_t each, size_t count)
{
    PYR_EACH4(i, n, count)
    {
        walk w = walk_from(i, each, 1);
        float d[4], a[4] = {0}, b[4] = {0};

        get4(dy, i, (int)n, d);
        PYR_UNROLL
        for (int j = 0; j < 4; j++)
            if (j < (int)n) {
                a[j] = ab[2 * w.image] * d[j];
                b[j] = ab[2 * w.image + 1] * d[j];
                walk_on(&w, each, 1);
            }
        if (dx0.data)
            put4_or_add(dx0, i, (int)n, a, add0);
        if (dx1.data)
            put4_or_add(dx1, i, (int)n, b, add1);
    }
}

static pyr_status mix_backward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);
    numbers dx0 = wanted_gradient(op, 0), dx1 = wanted_gradient(op, 1);

    if (!dx0.data && !dx1.data)
        return PYR_OK;
    return PYR_LAUNCH(k, mix_gradient_kernel, fours(count), dx0, op->dx_add[0], dx1, op->dx_add[1],
                      gradient_of(&op->y, op->dy), (const float *)op->x[2].data, per_image(op->y.s), count);
}

const pyr_op_impl pyr_cuda_mix = {
    .reads = PYR_READS_X2, .in_place = 1 | 2, .forward = mix_forward, .backward = mix_backward};

/* dst = or += src / by[image] */
static __global__ void divide_kernel(numbers dst, bool add, numbers src, const float *by, size_t each,
                                     size_t count)
{
    PYR_EACH4(i, n, count)
    {
        walk w = walk_from(i, each, 1);
        float v[4];

        get4(src, i, (int)n, v);
        PYR_UNROLL
        for (int j = 0; j < 4; j++)
            if (j < (int)n) {
                v[j] /= by[w.image];
                walk_on(&w, each, 1);
            }
        put4_or_add(dst, i, (int)n, v, add);
    }
}

static pyr_status divided(pyr_kernels *k, pyr_op *op, numbers dst, bool add, numbers src)
{
    size_t count = pyr_count(op->y.s);

    return PYR_LAUNCH(k, divide_kernel, fours(count), dst, add, src, (const float *)op->x[1].data,
                      per_image(op->y.s), count);
}

static pyr_status divide_forward(pyr_kernels *k, pyr_op *op)
{
    return divided(k, op, numbers_of(&op->y), false, numbers_of(&op->x[0]));
}

static pyr_status divide_backward(pyr_kernels *k, pyr_op *op)
{
    if (!op->dx[0])
        return PYR_OK;
    return divided(k, op, gradient_of(&op->x[0], op->dx[0]), op->dx_add[0], gradient_of(&op->y, op->dy));
}

const pyr_op_impl pyr_cuda_divide = {
    .reads = PYR_READS_X1, .in_place = 1, .forward = divide_forward, .backward = divide_backward};

static __global__ void affine_kernel(numbers y, numbers x, float scale, float shift, size_t count)
{
    PYR_EACH4(i, n, count)
    {
        float v[4];

        get4(x, i, (int)n, v);
        for (int j = 0; j < 4; j++)
            v[j] = scale * v[j] + shift;
        put4(y, i, (int)n, v);
    }
}

static pyr_status affine_forward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);

    return PYR_LAUNCH(k, affine_kernel, fours(count), numbers_of(&op->y), numbers_of(&op->x[0]), op->scale,
                      op->shift, count);
}

static pyr_status affine_backward(pyr_kernels *k, pyr_op *op)
{
    return scaled(k, op, wanted_gradient(op, 0), nothing, op->scale);
}

const pyr_op_impl pyr_cuda_affine = {.in_place = 1, .forward = affine_forward, .backward = affine_backward};
