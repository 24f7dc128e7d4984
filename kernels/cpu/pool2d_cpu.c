/* pool2d_cpu.c - the largest or the mean of windows, in f32 or bf16 (x and y have one type). Sums are made in
 * float and rounded once, forward and backward: a pixel of dx gathers from the windows that it lies in. */
#include "kernels/cpu/cpu.h"
#include "kernels/simd/vec.h"

/* Offset in elements of pixel (n, y, x). */
static inline size_t pixel(pyr_shape s, int n, int y, int x)
{
    return (((size_t)n * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)x) * (size_t)s.c;
}

/* Rows top .. bottom - 1, columns left .. right - 1 of the image. */
typedef struct part {
    int top, bottom, left, right;
} part;

static part part_of(const pyr_op *op, int oy, int ox)
{
    int top = oy * op->stride - op->pad_top, left = ox * op->stride - op->pad_left;
    int bottom = top + op->kernel, right = left + pyr_op_kernel_w(op);
    pyr_shape in = op->x[0].s;

    return (part){top < 0 ? 0 : top, bottom > in.h ? in.h : bottom, left < 0 ? 0 : left,
                  right > in.w ? in.w : right};
}

static float share_of(const pyr_op *op, part p)
{
    if (op->window == PYR_WINDOW_MEAN_PADDED)
        return 1.0f / (float)(op->kernel * pyr_op_kernel_w(op));
    return 1.0f / (float)((p.bottom - p.top) * (p.right - p.left));
}

static pyr_status pool2d_plan(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (op->backward && op->window == PYR_WINDOW_MAX)
        op->saved_bytes = pyr_count(op->y.s) * sizeof(int32_t);
    return PYR_OK;
}

/* ---- forward: one pixel of y ------------------------------------------------------------------- */

PYR_INLINE void mean_pixel(const pyr_op *op, pyr_type type, int n, part p, size_t to)
{
    pyr_shape in = op->x[0].s;
    float share = share_of(op, p);

    for (size_t c = 0; c < (size_t)in.c; c += LANES) {
        int width = pyr_in_register(c, (size_t)in.c);
        vec sum = all(0);

        for (int y = p.top; y < p.bottom; y++)
            for (int x = p.left; x < p.right; x++)
                sum += pyr_load(pyr_at(op->x[0].data, pixel(in, n, y, x) + c, type), type, width);
        pyr_store(pyr_at_out(op->y.data, to + c, type), type, sum * share, width);
    }
}

PYR_INLINE void max_pixel(const pyr_op *op, pyr_type type, int n, part p, size_t to)
{
    pyr_shape in = op->x[0].s;

    for (size_t c = 0; c < (size_t)in.c; c += LANES) {
        int width = pyr_in_register(c, (size_t)in.c);
        vec most = pyr_load(pyr_at(op->x[0].data, pixel(in, n, p.top, p.left) + c, type), type, width);
        int_vec at = (int_vec){0} + (p.top * in.w + p.left);

        for (int y = p.top; y < p.bottom; y++)
            for (int x = p.left; x < p.right; x++) {
                vec v = pyr_load(pyr_at(op->x[0].data, pixel(in, n, y, x) + c, type), type, width);
                int_vec more = (v > most) | (v != v), here = (int_vec){0} + (y * in.w + x);

                most = (vec)((more & (int_vec)v) | (~more & (int_vec)most));
                at = (more & here) | (~more & at);
            }
        pyr_store(pyr_at_out(op->y.data, to + c, type), type, most, width);
        if (op->saved_bytes)
            memcpy((int32_t *)op->saved + to + c, &at, (size_t)width * sizeof(int32_t));
    }
}

PYR_INLINE void forward_of(const pyr_op *op, pyr_type type)
{
    pyr_shape out = op->y.s;

    for (int n = 0; n < out.n; n++)
        for (int y = 0; y < out.h; y++)
            for (int x = 0; x < out.w; x++)
                if (op->window == PYR_WINDOW_MAX)
                    max_pixel(op, type, n, part_of(op, y, x), pixel(out, n, y, x));
                else
                    mean_pixel(op, type, n, part_of(op, y, x), pixel(out, n, y, x));
}

static pyr_status pool2d_forward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (op->y.type == PYR_BF16)
        forward_of(op, PYR_BF16);
    else
        forward_of(op, PYR_F32);
    return PYR_OK;
}

/* ---- backward: one pixel of dx ----------------------------------------------------------------- */

/* The windows first .. end - 1 of `count` that hold place `at` of an axis. */
static void windows_of(int *first, int *end, int at, int pad, int kernel, int stride, int count)
{
    int low = at + pad - kernel + 1;

    *first = low <= 0 ? 0 : (low + stride - 1) / stride;
    *end = (at + pad) / stride + 1 < count ? (at + pad) / stride + 1 : count;
}

PYR_INLINE void dx_pixel(const pyr_op *op, pyr_type type, int n, int iy, int ix)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    int_vec here = (int_vec){0} + (iy * in.w + ix);
    int y0, y1, x0, x1;

    windows_of(&y0, &y1, iy, op->pad_top, op->kernel, op->stride, out.h);
    windows_of(&x0, &x1, ix, op->pad_left, pyr_op_kernel_w(op), op->stride, out.w);
    for (size_t c = 0; c < (size_t)in.c; c += LANES) {
        int width = pyr_in_register(c, (size_t)in.c);
        vec sum = all(0);

        for (int y = y0; y < y1; y++)
            for (int x = x0; x < x1; x++) {
                size_t from = pixel(out, n, y, x) + c;
                vec dy = pyr_load(pyr_at(op->dy, from, type), type, width);

                if (op->window == PYR_WINDOW_MAX) {
                    int_vec at = {0};

                    memcpy(&at, (const int32_t *)op->saved + from, (size_t)width * sizeof(int32_t));
                    sum += (vec)((at == here) & (int_vec)dy);
                } else
                    sum += dy * share_of(op, part_of(op, y, x));
            }
        pyr_put(pyr_at_out(op->dx[0], pixel(in, n, iy, ix) + c, type), type, width, op->dx_add[0], sum);
    }
}

PYR_INLINE void backward_of(const pyr_op *op, pyr_type type)
{
    pyr_shape in = op->x[0].s;

    for (int n = 0; n < in.n; n++)
        for (int y = 0; y < in.h; y++)
            for (int x = 0; x < in.w; x++)
                dx_pixel(op, type, n, y, x);
}

static pyr_status pool2d_backward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (!op->dx[0])
        return PYR_OK;
    if (op->y.type == PYR_BF16)
        backward_of(op, PYR_BF16);
    else
        backward_of(op, PYR_F32);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_pool2d = {
    .plan = pool2d_plan, .forward = pool2d_forward, .backward = pool2d_backward};
