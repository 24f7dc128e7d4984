/* rearrange.cu - operations that move pixels and channels: concat, nearest upsampling, 2x2 means, pooling,
 * space to depth and back.
 *
 * A thread makes `width` neighbouring channels of a pixel: four where every tensor's channels are a multiple
 * of four, else one. Every backward gathers: one place of dx at a time. */
#include "kernels/cuda/cuda.h"

/* ---- places -------------------------------------------------------------------------------------- */

typedef struct spot {
    int n, y, x, c;
} spot;

static __device__ inline spot spot_of(size_t at, pyr_shape s)
{
    size_t p = at / s.c, row = p / s.w;
    spot o = {(int)(row / s.h), (int)(row % s.h), (int)(p % s.w), (int)(at % s.c)};

    return o;
}

/* Channels a thread makes at once in tensors of a and of b channels. */
static int width_for(int a, int b)
{
    return a % 4 || b % 4 ? 1 : 4;
}

/* PYR_LAUNCH with a thread for `width` numbers of shape s. */
#define LAUNCH_WIDE(k, kernel, s, width, ...)                                                                \
    PYR_LAUNCH(k, kernel, pyr_count(s) / (width), __VA_ARGS__, width, pyr_count(s) / (width))

/* ---- concat -------------------------------------------------------------------------------------- */

static __global__ void concat_kernel(numbers y, numbers x0, numbers x1, int c0, int c1, int width,
                                     size_t count)
{
    PYR_EACH(i, count)
    {
        size_t at = i * width, p = at / (c0 + c1);
        int c = (int)(at % (c0 + c1));
        float v[4];

        if (c < c0)
            get4(x0, p * c0 + c, width, v);
        else
            get4(x1, p * c1 + c - c0, width, v);
        put4(y, at, width, v);
    }
}

static pyr_status concat_forward(pyr_kernels *k, pyr_op *op)
{
    int c0 = op->x[0].s.c, c1 = op->x[1].s.c;

    return LAUNCH_WIDE(k, concat_kernel, op->y.s, width_for(c0, c1), numbers_of(&op->y),
                       numbers_of(&op->x[0]), numbers_of(&op->x[1]), c0, c1);
}

/* dx: channels first .. first + c - 1 of dy, which has all_c */
static __global__ void concat_gradient_kernel(numbers dx, bool add, numbers dy, int c, int first, int all_c,
                                              int width, size_t count)
{
    PYR_EACH(i, count)
    {
        size_t at = i * width;
        float d[4];

        get4(dy, at / c * all_c + first + at % c, width, d);
        put4_or_add(dx, at, width, d, add);
    }
}

static pyr_status concat_backward(pyr_kernels *k, pyr_op *op)
{
    int c0 = op->x[0].s.c, c1 = op->x[1].s.c;

    for (int i = 0; i < 2; i++) /* one after the other: both may be added to the same place */
        if (op->dx[i])
            PYR_TRY(LAUNCH_WIDE(k, concat_gradient_kernel, op->x[i].s, width_for(c0, c1),
                                gradient_of(&op->x[i], op->dx[i]), op->dx_add[i], gradient_of(&op->y, op->dy),
                                i ? c1 : c0, i ? c0 : 0, c0 + c1));
    return PYR_OK;
}

const pyr_op_impl pyr_cuda_concat = {.forward = concat_forward, .backward = concat_backward};

/* ---- nearest upsampling -------------------------------------------------------------------------- */

static __global__ void upsample_kernel(numbers y, pyr_shape out, numbers x, pyr_shape in, int width,
                                       size_t count)
{
    PYR_EACH(i, count)
    {
        spot o = spot_of(i * width, out);
        int iy = upsample_source(o.y, in.h, out.h), ix = upsample_source(o.x, in.w, out.w);
        float v[4];

        get4(x, pixel(in, o.n, iy, ix) + o.c, width, v);
        put4(y, i * width, width, v);
    }
}

static pyr_status upsample_forward(pyr_kernels *k, pyr_op *op)
{
    return LAUNCH_WIDE(k, upsample_kernel, op->y.s, width_for(op->y.s.c, op->y.s.c), numbers_of(&op->y),
                       op->y.s, numbers_of(&op->x[0]), op->x[0].s);
}

static __global__ void upsample_gradient_kernel(numbers dx, bool add, pyr_shape in, numbers dy, pyr_shape out,
                                                int width, size_t count)
{
    PYR_EACH(i, count)
    {
        spot o = spot_of(i * width, in);
        int bottom = upsample_first(o.y + 1, in.h, out.h), right = upsample_first(o.x + 1, in.w, out.w);
        float sum[4] = {0}, d[4];

        for (int oy = upsample_first(o.y, in.h, out.h); oy < bottom; oy++)
            for (int ox = upsample_first(o.x, in.w, out.w); ox < right; ox++) {
                get4(dy, pixel(out, o.n, oy, ox) + o.c, width, d);
                for (int j = 0; j < 4; j++)
                    sum[j] += d[j];
            }
        put4_or_add(dx, i * width, width, sum, add);
    }
}

static pyr_status upsample_backward(pyr_kernels *k, pyr_op *op)
{
    if (!op->dx[0])
        return PYR_OK;
    return LAUNCH_WIDE(k, upsample_gradient_kernel, op->x[0].s, width_for(op->y.s.c, op->y.s.c),
                       gradient_of(&op->x[0], op->dx[0]), op->dx_add[0], op->x[0].s,
                       gradient_of(&op->y, op->dy), op->y.s);
}

const pyr_op_impl pyr_cuda_upsample = {.forward = upsample_forward, .backward = upsample_backward};

/* ---- 2x2 means ------------------------------------------------------------------------------------ */

static __global__ void mean2_kernel(numbers y, pyr_shape out, numbers x, pyr_shape in, int width,
                                    size_t count)
{
    PYR_EACH(i, count)
    {
        spot o = spot_of(i * width, out);
        size_t top = pixel(in, o.n, 2 * o.y, 2 * o.x) + o.c, bottom = top + (size_t)in.w * in.c;
        float a[4], b[4], c[4], d[4];

        get4(x, top, width, a);
        get4(x, top + in.c, width, b);
        get4(x, bottom, width, c);
        get4(x, bottom + in.c, width, d);
        for (int j = 0; j < 4; j++)
            a[j] = (a[j] + b[j] + c[j] + d[j]) / 4;
        put4(y, i * width, width, a);
    }
}

static pyr_status mean2_forward(pyr_kernels *k, pyr_op *op)
{
    return LAUNCH_WIDE(k, mean2_kernel, op->y.s, width_for(op->y.s.c, op->y.s.c), numbers_of(&op->y), op->y.s,
                       numbers_of(&op->x[0]), op->x[0].s);
}

static __global__ void mean2_gradient_kernel(numbers dx, bool add, pyr_shape in, numbers dy, pyr_shape out,
                                             int width, size_t count)
{
    PYR_EACH(i, count)
    {
        spot o = spot_of(i * width, in);
        float d[4] = {0};

        if (o.y / 2 < out.h && o.x / 2 < out.w)
            get4(dy, pixel(out, o.n, o.y / 2, o.x / 2) + o.c, width, d);
        for (int j = 0; j < 4; j++)
            d[j] /= 4;
        put4_or_add(dx, i * width, width, d, add);
    }
}

static pyr_status mean2_backward(pyr_kernels *k, pyr_op *op)
{
    if (!op->dx[0])
        return PYR_OK;
    return LAUNCH_WIDE(k, mean2_gradient_kernel, op->x[0].s, width_for(op->y.s.c, op->y.s.c),
                       gradient_of(&op->x[0], op->dx[0]), op->dx_add[0], op->x[0].s,
                       gradient_of(&op->y, op->dy), op->y.s);
}

const pyr_op_impl pyr_cuda_mean2 = {.forward = mean2_forward, .backward = mean2_backward};

/* ---- pooling -------------------------------------------------------------------------------------- */

/* Backward needs to know which pixel of an image was the largest. */
static pyr_status pool2d_plan(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (op->backward && op->window == PYR_WINDOW_MAX)
        op->saved_bytes = pyr_count(op->y.s) * sizeof(int);
    return PYR_OK;
}

static __global__ void pool2d_mean_kernel(numbers y, numbers x, pyr_op op, int width, size_t count)
{
    PYR_EACH(i, count)
    {
        spot o = spot_of(i * width, op.y.s);
        pool2d_part p = pool2d_part_of(&op, o.y, o.x);
        float sum[4] = {0}, v[4], divisor = pool2d_count(&op, p);

        for (int iy = p.top; iy < p.bottom; iy++)
            for (int ix = p.left; ix < p.right; ix++) {
                get4(x, pixel(op.x[0].s, o.n, iy, ix) + o.c, width, v);
                for (int j = 0; j < 4; j++)
                    sum[j] += v[j];
            }
        for (int j = 0; j < 4; j++)
            sum[j] /= divisor;
        put4(y, i * width, width, sum);
    }
}

/* saved: the pixel's number within its image, or NULL */
static __global__ void pool2d_max_kernel(numbers y, numbers x, pyr_op op, int *saved, int width, size_t count)
{
    PYR_EACH(i, count)
    {
        pyr_shape in = op.x[0].s;
        spot o = spot_of(i * width, op.y.s);
        pool2d_part p = pool2d_part_of(&op, o.y, o.x);
        int first = p.top * in.w + p.left, largest[4] = {first, first, first, first};
        float most[4], v[4];

        get4(x, pixel(in, o.n, p.top, p.left) + o.c, width, most);
        for (int iy = p.top; iy < p.bottom; iy++)
            for (int ix = p.left; ix < p.right; ix++) {
                get4(x, pixel(in, o.n, iy, ix) + o.c, width, v);
                for (int j = 0; j < 4; j++)
                    if (v[j] > most[j] || isnan(v[j])) {
                        most[j] = v[j];
                        largest[j] = iy * in.w + ix;
                    }
            }
        put4(y, i * width, width, most);
        PYR_UNROLL
        for (int j = 0; j < 4; j++)
            if (saved && j < width)
                saved[i * width + j] = largest[j];
    }
}

static pyr_status pool2d_forward(pyr_kernels *k, pyr_op *op)
{
    int width = width_for(op->y.s.c, op->y.s.c);

    if (op->window != PYR_WINDOW_MAX)
        return LAUNCH_WIDE(k, pool2d_mean_kernel, op->y.s, width, numbers_of(&op->y), numbers_of(&op->x[0]),
                           *op);
    return LAUNCH_WIDE(k, pool2d_max_kernel, op->y.s, width, numbers_of(&op->y), numbers_of(&op->x[0]), *op,
                       op->saved_bytes ? (int *)op->saved : (int *)NULL);
}

/* The sum over the windows that a pixel lies in; saved NULL: means. */
static __global__ void pool2d_gradient_kernel(numbers dx, bool add, numbers dy, pyr_op op, const int *saved,
                                              int width, size_t count)
{
    PYR_EACH(i, count)
    {
        pyr_shape in = op.x[0].s, out = op.y.s;
        spot o = spot_of(i * width, in);
        float sum[4] = {0}, d[4];

        for (int ky = 0; ky < op.kernel; ky++)
            for (int kx = 0; kx < pyr_op_kernel_w(&op); kx++) {
                int oy = pool2d_over(o.y, op.pad_top, ky, op.stride, out.h);
                int ox = pool2d_over(o.x, op.pad_left, kx, op.stride, out.w);

                if (oy < 0 || ox < 0)
                    continue;
                size_t from = pixel(out, o.n, oy, ox) + o.c;
                float divisor = saved ? 1 : pool2d_count(&op, pool2d_part_of(&op, oy, ox));

                get4(dy, from, width, d);
                PYR_UNROLL
                for (int j = 0; j < 4; j++)
                    if (!saved || (j < width && saved[from + j] == o.y * in.w + o.x))
                        sum[j] += d[j] / divisor;
            }
        put4_or_add(dx, i * width, width, sum, add);
    }
}

static pyr_status pool2d_backward(pyr_kernels *k, pyr_op *op)
{
    if (!op->dx[0])
        return PYR_OK;
    return LAUNCH_WIDE(k, pool2d_gradient_kernel, op->x[0].s, width_for(op->y.s.c, op->y.s.c),
                       gradient_of(&op->x[0], op->dx[0]), op->dx_add[0], gradient_of(&op->y, op->dy), *op,
                       op->window == PYR_WINDOW_MAX ? (const int *)op->saved : (const int *)NULL);
}

const pyr_op_impl pyr_cuda_pool2d = {
    .plan = pool2d_plan, .forward = pool2d_forward, .backward = pool2d_backward};

/* ---- space to depth and back ------------------------------------------------------------------------ */

/* deep (n,h,w,c p^2) from wide; beyond its border stand the pixels of the edge, or zeros. */
static __global__ void to_depth_kernel(numbers deep, bool add, pyr_shape s, numbers wide, pyr_shape t,
                                       int patch, bool edge, size_t count)
{
    PYR_EACH(i, count)
    {
        spot o = spot_of(i, s);
        patch_place from = patch_place_of(o.y, o.x, o.c, patch);
        bool there = edge || (from.y < t.h && from.x < t.w);

        from.y = from.y < t.h ? from.y : t.h - 1;
        from.x = from.x < t.w ? from.x : t.w - 1;
        put_or_add(deep, i, there ? get(wide, pixel(t, o.n, from.y, from.x) + from.c) : 0, add);
    }
}

/* wide (shape t) from deep (shape s). edge: pixels of the edge are the sum over all that stand in the
 * padding, too. */
static __global__ void from_depth_kernel(numbers wide, bool add, pyr_shape t, numbers deep, pyr_shape s,
                                         int patch, bool edge, size_t count)
{
    PYR_EACH(i, count)
    {
        spot o = spot_of(i, t);
        int bottom = edge && o.y == t.h - 1 ? s.h * patch : o.y + 1;
        int right = edge && o.x == t.w - 1 ? s.w * patch : o.x + 1;
        float sum = 0;

        for (int y = o.y; y < bottom; y++)
            for (int x = o.x; x < right; x++)
                sum += get(deep, pixel(s, o.n, y / patch, x / patch) + patch_channel(y, x, o.c, patch));
        put_or_add(wide, i, sum, add);
    }
}

static pyr_status to_depth(pyr_kernels *k, numbers deep, bool add, pyr_shape s, numbers wide, pyr_shape t,
                           int patch, bool edge)
{
    return PYR_LAUNCH(k, to_depth_kernel, pyr_count(s), deep, add, s, wide, t, patch, edge, pyr_count(s));
}

static pyr_status from_depth(pyr_kernels *k, numbers wide, bool add, pyr_shape t, numbers deep, pyr_shape s,
                             int patch, bool edge)
{
    return PYR_LAUNCH(k, from_depth_kernel, pyr_count(t), wide, add, t, deep, s, patch, edge, pyr_count(t));
}

static pyr_status unshuffle_forward(pyr_kernels *k, pyr_op *op)
{
    return to_depth(k, numbers_of(&op->y), false, op->y.s, numbers_of(&op->x[0]), op->x[0].s, op->patch,
                    true);
}

static pyr_status unshuffle_backward(pyr_kernels *k, pyr_op *op)
{
    if (!op->dx[0])
        return PYR_OK;
    return from_depth(k, gradient_of(&op->x[0], op->dx[0]), op->dx_add[0], op->x[0].s,
                      gradient_of(&op->y, op->dy), op->y.s, op->patch, true);
}

const pyr_op_impl pyr_cuda_unshuffle = {.forward = unshuffle_forward, .backward = unshuffle_backward};

static pyr_status shuffle_forward(pyr_kernels *k, pyr_op *op)
{
    return from_depth(k, numbers_of(&op->y), false, op->y.s, numbers_of(&op->x[0]), op->x[0].s, op->patch,
                      false);
}

static pyr_status shuffle_backward(pyr_kernels *k, pyr_op *op)
{
    if (!op->dx[0])
        return PYR_OK;
    return to_depth(k, gradient_of(&op->x[0], op->dx[0]), op->dx_add[0], op->x[0].s,
                    gradient_of(&op->y, op->dy), op->y.s, op->patch, false);
}

const pyr_op_impl pyr_cuda_shuffle = {.forward = shuffle_forward, .backward = shuffle_backward};
