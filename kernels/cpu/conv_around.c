/* conv_around.c - the passes before and behind oneDNN's convolutions. */
#include "kernels/cpu/conv_around.h"

#include "kernels/cpu/cpu.h"
#include "kernels/simd/vec.h"

/* ---- runs of numbers that follow one another --------------------------------------------------- */

PYR_INLINE void convert_run(void *dst, pyr_type to, const void *src, pyr_type from, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        pyr_store(pyr_at_out(dst, i, to), to, pyr_load(pyr_at(src, i, from), from, pyr_in_register(i, n)),
                  pyr_in_register(i, n));
}

void pyr_around_convert(void *dst, pyr_type to, const void *src, pyr_type from, size_t count)
{
    if (to == from)
        memcpy(dst, src, count * pyr_type_size(to));
    else if (to == PYR_BF16)
        convert_run(dst, PYR_BF16, src, PYR_F32, count);
    else
        convert_run(dst, PYR_F32, src, PYR_BF16, count);
}

/* dst = or += src * scale */
PYR_INLINE void put_run(void *dst, pyr_type to, bool add, const void *src, pyr_type from, size_t n,
                        float scale)
{
    for (size_t i = 0; i < n; i += LANES) {
        int step = pyr_in_register(i, n);

        pyr_put(pyr_at_out(dst, i, to), to, step, add, pyr_load(pyr_at(src, i, from), from, step) * scale);
    }
}

static void put_floats(void *dst, pyr_type to, bool add, const float *src, size_t n, float scale)
{
    if (to == PYR_BF16)
        put_run(dst, PYR_BF16, add, src, PYR_F32, n, scale);
    else
        put_run(dst, PYR_F32, add, src, PYR_F32, n, scale);
}

/* y = (sums + vector + residual) * scale; vector and residual may be NULL. */
PYR_INLINE void result_run(void *y, pyr_type type, const float *sums, const float *vector,
                           const void *residual, size_t n, float scale)
{
    for (size_t i = 0; i < n; i += LANES) {
        int step = pyr_in_register(i, n);
        vec v = pyr_load_f32(sums + i, step);

        if (vector)
            v += pyr_load_f32(vector + i, step);
        if (residual)
            v += pyr_load(pyr_at(residual, i, type), type, step);
        pyr_store(pyr_at_out(y, i, type), type, v * scale, step);
    }
}

/* ---- images ------------------------------------------------------------------------------------ */

static size_t more_channels(const pyr_op *op)
{
    return pyr_op_has(op, PYR_X_MORE) ? (size_t)op->x[PYR_X_MORE].s.c : 0;
}

static void enlarge_row(const pyr_op *op, char *dst, size_t stride, size_t w, size_t from, pyr_type type)
{
    pyr_tensor x = op->x[0];
    size_t c = (size_t)x.s.c, each = pyr_type_size(x.type), sw = (size_t)x.s.w;

    for (size_t i = 0; i < w; i++, dst += stride)
        pyr_around_convert(dst, type, (const char *)x.data + (from + i * sw / w) * c * each, x.type, c);
}

void pyr_around_source(const pyr_op *op, int h, int w, pyr_type type, void *dst)
{
    pyr_tensor x0 = op->x[0], x3 = op->x[PYR_X_MORE];
    size_t more = more_channels(op), first = (size_t)x0.s.c, each = pyr_type_size(type);
    size_t rows = (size_t)x0.s.n * (size_t)h, columns = (size_t)w, stride = (first + more) * each;

    for (size_t row = 0; row < rows; row++) {
        size_t image = row / (size_t)h, y = row % (size_t)h;
        char *to = (char *)dst + row * columns * stride;

        enlarge_row(op, to, stride, columns,
                    (image * (size_t)x0.s.h + y * (size_t)x0.s.h / (size_t)h) * (size_t)x0.s.w, type);
        for (size_t i = 0; more && i < columns; i++)
            pyr_around_convert(to + i * stride + first * each, type,
                               pyr_at(x3.data, (row * columns + i) * more, x3.type), x3.type, more);
    }
}

void pyr_around_result(const pyr_op *op, const float *sums, float scale)
{
    size_t c = (size_t)op->y.s.c, each = pyr_count(op->y.s) / (size_t)op->y.s.n / c;
    const char *residual = pyr_op_has(op, PYR_X_RESIDUAL) ? op->x[PYR_X_RESIDUAL].data : NULL;
    const float *vector = pyr_op_has(op, PYR_X_VECTOR) ? op->x[PYR_X_VECTOR].data : NULL;
    size_t run = vector ? c : pyr_count(op->y.s), bytes = pyr_type_size(op->y.type);

    for (size_t at = 0; at < pyr_count(op->y.s); at += run) {
        const float *v = vector ? vector + at / c / each * c : NULL;
        const char *r = residual ? residual + at * bytes : NULL;

        if (op->y.type == PYR_BF16)
            result_run((char *)op->y.data + at * bytes, PYR_BF16, sums + at, v, r, run, scale);
        else
            result_run((char *)op->y.data + at * bytes, PYR_F32, sums + at, v, r, run, scale);
    }
}

/* The sum over the pixels that copied pixel (y, x) of image n; where the first of them is. NULL: none did. */
static const float *pool(const pyr_op *op, size_t h, size_t w, float *sums, size_t stride, size_t row,
                         size_t x)
{
    size_t sh = (size_t)op->x[0].s.h, sw = (size_t)op->x[0].s.w, y = row % sh, image = row / sh;
    size_t top = pyr_first_copy(y, sh, h), bottom = pyr_first_copy(y + 1, sh, h);
    size_t left = pyr_first_copy(x, sw, w), right = pyr_first_copy(x + 1, sw, w);
    float *to = sums + ((image * h + top) * w + left) * stride;

    if (top >= bottom || left >= right)
        return NULL;
    for (size_t i = top; i < bottom; i++)
        for (size_t j = left; j < right; j++)
            if (i > top || j > left)
                put_floats(to, PYR_F32, true, sums + ((image * h + i) * w + j) * stride, (size_t)op->x[0].s.c,
                           1);
    return to;
}

static void dx_first(const pyr_op *op, size_t h, size_t w, float *sums, float scale, char *dx)
{
    pyr_tensor x = op->x[0];
    size_t c = (size_t)x.s.c, stride = c + more_channels(op), bytes = c * pyr_type_size(x.type);

    for (size_t row = 0; row < (size_t)(x.s.n * x.s.h); row++)
        for (size_t i = 0; i < (size_t)x.s.w; i++, dx += bytes) {
            const float *sum = pool(op, h, w, sums, stride, row, i);

            if (sum)
                put_floats(dx, x.type, op->dx_add[0], sum, c, scale);
            else if (!op->dx_add[0])
                memset(dx, 0, bytes);
        }
}

void pyr_around_dx(const pyr_op *op, int h, int w, float *sums, float scale, void *dx0, void *dx3)
{
    size_t first = (size_t)op->x[0].s.c, more = more_channels(op), stride = first + more;

    if (dx0)
        dx_first(op, (size_t)h, (size_t)w, sums, scale, dx0);
    if (!dx3)
        return;
    for (size_t i = 0; i < pyr_count(op->x[PYR_X_MORE].s) / more; i++)
        put_floats((char *)dx3 + i * more * pyr_type_size(op->x[PYR_X_MORE].type), op->x[PYR_X_MORE].type,
                   op->dx_add[PYR_X_MORE], sums + i * stride + first, more, scale);
}

void pyr_around_dx_residual(const pyr_op *op, float scale)
{
    void *dx = op->dx[PYR_X_RESIDUAL];
    bool add = op->dx_add[PYR_X_RESIDUAL];

    if (!dx || dx == op->dy)
        return;
    if (op->y.type == PYR_BF16)
        put_run(dx, PYR_BF16, add, op->dy, PYR_BF16, pyr_count(op->y.s), scale);
    else
        put_run(dx, PYR_F32, add, op->dy, PYR_F32, pyr_count(op->y.s), scale);
}

/* The sum of `n` channels over pixels that are `stride` numbers apart. */
PYR_INLINE vec sum_pixels(const void *dy, pyr_type type, size_t at, size_t pixels, size_t stride, int n)
{
    vec sum = all(0);

    for (size_t i = 0; i < pixels; i++, at += stride)
        sum += pyr_load(pyr_at(dy, at, type), type, n);
    return sum;
}

void pyr_around_dy_sums(const pyr_op *op, float scale, float *bias, bool add)
{
    size_t c = (size_t)op->y.s.c, pixels = (size_t)op->y.s.h * (size_t)op->y.s.w;
    float *vector = op->dx[PYR_X_VECTOR];

    for (size_t image = 0; (vector || bias) && image < (size_t)op->y.s.n; image++)
        for (size_t i = 0; i < c; i += LANES) {
            int step = pyr_in_register(i, c);
            size_t at = image * pixels * c + i;
            vec sum = op->y.type == PYR_BF16 ? sum_pixels(op->dy, PYR_BF16, at, pixels, c, step)
                                             : sum_pixels(op->dy, PYR_F32, at, pixels, c, step);

            if (vector)
                pyr_put(vector + image * c + i, PYR_F32, step, op->dx_add[PYR_X_VECTOR], sum * scale);
            if (bias)
                pyr_put(bias + i, PYR_F32, step, add || image > 0, sum * scale);
        }
}
