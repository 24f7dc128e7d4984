/* elementwise_cpu.c - what only reads and writes: vector loops over contiguous channels. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

static size_t pixels_of(pyr_shape s)
{
    return (size_t)s.h * (size_t)s.w;
}

/* ---- activation -------------------------------------------------------------------------------- */

static pyr_status activation_forward(pyr_kernels *k, pyr_op *op)
{
    size_t n = pyr_count(op->y.s);
    const float *restrict x = op->x[0].data;
    float *restrict y = op->y.data;

    (void)k;
    if (op->act == PYR_ACT_SILU)
        for (size_t i = 0; i < n; i++)
            y[i] = x[i] * pyr_vsigmoid(x[i]);
    else
        for (size_t i = 0; i < n; i++)
            y[i] = pyr_act_value(op->act, x[i]);
    return PYR_OK;
}

static pyr_status activation_backward(pyr_kernels *k, pyr_op *op)
{
    size_t n = pyr_count(op->y.s);
    const float *restrict x = op->x[0].data, *restrict dy = op->dy;
    float *restrict dx = op->dx[0];
    float keep = op->dx_add[0] ? 1.0f : 0.0f;

    (void)k;
    if (!dx)
        return PYR_OK;
    if (!op->dx_add[0])
        memset(dx, 0, n * sizeof *dx);
    if (op->act == PYR_ACT_SILU)
        for (size_t i = 0; i < n; i++) {
            float s = pyr_vsigmoid(x[i]);

            dx[i] = keep * dx[i] + dy[i] * s * (1.0f + x[i] * (1.0f - s));
        }
    else
        for (size_t i = 0; i < n; i++)
            dx[i] = keep * dx[i] + dy[i] * pyr_act_slope(op->act, x[i]);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_activation = {
    .reads = PYR_READS_X0, .forward = activation_forward, .backward = activation_backward};

/* ---- add --------------------------------------------------------------------------------------- */

static pyr_status add_forward(pyr_kernels *k, pyr_op *op)
{
    size_t n = pyr_count(op->y.s);
    const float *restrict a = op->x[0].data, *restrict b = op->x[1].data;
    float *restrict y = op->y.data, scale = op->scale;

    (void)k;
    for (size_t i = 0; i < n; i++)
        y[i] = (a[i] + b[i]) * scale;
    return PYR_OK;
}

static pyr_status add_backward(pyr_kernels *k, pyr_op *op)
{
    size_t n = pyr_count(op->y.s);
    const float *restrict dy = op->dy;
    float scale = op->scale;

    (void)k;
    for (int j = 0; j < 2; j++) {
        float *restrict dx = op->dx[j];

        if (!dx)
            continue;
        if (op->dx_add[j])
            for (size_t i = 0; i < n; i++)
                dx[i] += dy[i] * scale;
        else
            for (size_t i = 0; i < n; i++)
                dx[i] = dy[i] * scale;
    }
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_add = {.forward = add_forward, .backward = add_backward};

/* ---- add a vector per image -------------------------------------------------------------------- */

static pyr_status add_channel_forward(pyr_kernels *k, pyr_op *op)
{
    size_t pixels = pixels_of(op->y.s), c = (size_t)op->y.s.c;

    (void)k;
    for (size_t n = 0; n < (size_t)op->y.s.n; n++) {
        const float *restrict v = (const float *)op->x[1].data + n * c;
        const float *restrict x = (const float *)op->x[0].data + n * pixels * c;
        float *restrict y = (float *)op->y.data + n * pixels * c;

        for (size_t i = 0; i < pixels; i++)
            for (size_t j = 0; j < c; j++)
                y[i * c + j] = x[i * c + j] + v[j];
    }
    return PYR_OK;
}

static pyr_status add_channel_backward(pyr_kernels *k, pyr_op *op)
{
    size_t pixels = pixels_of(op->y.s), c = (size_t)op->y.s.c, count = pyr_count(op->y.s);

    (void)k;
    if (op->dx[0])
        pyr_vput(op->dx[0], op->dy, count, op->dx_add[0]);
    for (size_t n = 0; op->dx[1] && n < (size_t)op->y.s.n; n++) {
        float *restrict dv = (float *)op->dx[1] + n * c;
        const float *restrict dy = (const float *)op->dy + n * pixels * c;

        if (!op->dx_add[1])
            memset(dv, 0, c * sizeof *dv);
        for (size_t i = 0; i < pixels; i++)
            for (size_t j = 0; j < c; j++)
                dv[j] += dy[i * c + j];
    }
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_add_channel = {.forward = add_channel_forward, .backward = add_channel_backward};

/* ---- concat ------------------------------------------------------------------------------------ */

static pyr_status concat_forward(pyr_kernels *k, pyr_op *op)
{
    size_t a = (size_t)op->x[0].s.c, b = (size_t)op->x[1].s.c, rows = pyr_count(op->y.s) / (a + b);
    const float *x0 = op->x[0].data, *x1 = op->x[1].data;
    float *y = op->y.data;

    (void)k;
    for (size_t i = 0; i < rows; i++) {
        memcpy(y + i * (a + b), x0 + i * a, a * sizeof *y);
        memcpy(y + i * (a + b) + a, x1 + i * b, b * sizeof *y);
    }
    return PYR_OK;
}

static pyr_status concat_backward(pyr_kernels *k, pyr_op *op)
{
    size_t a = (size_t)op->x[0].s.c, b = (size_t)op->x[1].s.c, rows = pyr_count(op->y.s) / (a + b);
    const float *dy = op->dy;
    float *d0 = op->dx[0], *d1 = op->dx[1];

    (void)k;
    for (size_t i = 0; i < rows; i++) {
        if (d0)
            pyr_vput(d0 + i * a, dy + i * (a + b), a, op->dx_add[0]);
        if (d1)
            pyr_vput(d1 + i * b, dy + i * (a + b) + a, b, op->dx_add[1]);
    }
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_concat = {.forward = concat_forward, .backward = concat_backward};

/* ---- nearest upsampling ------------------------------------------------------------------------ */

/* Visit each output pixel with the input pixel that it copies. */
static pyr_status upsample(pyr_op *op, bool backward)
{
    pyr_shape s = op->x[0].s, t = op->y.s;
    size_t c = (size_t)s.c;

    if (backward && !op->dx_add[0])
        memset(op->dx[0], 0, pyr_count(s) * sizeof(float));
    for (size_t n = 0; n < (size_t)s.n; n++)
        for (size_t y = 0; y < (size_t)t.h; y++)
            for (size_t x = 0; x < (size_t)t.w; x++) {
                size_t from = (n * (size_t)s.h + y * (size_t)s.h / (size_t)t.h) * (size_t)s.w +
                              x * (size_t)s.w / (size_t)t.w;
                size_t to = (n * (size_t)t.h + y) * (size_t)t.w + x;

                if (backward)
                    pyr_vadd((float *)op->dx[0] + from * c, (const float *)op->dy + to * c, c);
                else
                    memcpy((float *)op->y.data + to * c, (const float *)op->x[0].data + from * c,
                           c * sizeof(float));
            }
    return PYR_OK;
}

static pyr_status upsample_forward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    return upsample(op, false);
}

static pyr_status upsample_backward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    return op->dx[0] ? upsample(op, true) : PYR_OK;
}

const pyr_op_impl pyr_cpu_upsample = {.forward = upsample_forward, .backward = upsample_backward};
