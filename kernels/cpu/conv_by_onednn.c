/* conv_by_onednn.c - convolutions by oneDNN, with passes around them for neighbours, types and scale (conv_around.h). */
#include "kernels/cpu/conv2d_internal.h"
#include "kernels/cpu/conv_around.h"
#include "kernels/cpu/vector.h"

/* ---- plan -------------------------------------------------------------------------------------- */

static pyr_status plan_call(conv_state *s, pyr_op *op, pyr_conv_pass pass, pyr_type result)
{
    pyr_conv_shape shape = s->shape;

    shape.result = result;
    PYR_TRY(pyr_onednn_conv(&s->call[pass], &shape, pass));
    op->scratch_bytes = pyr_larger(op->scratch_bytes, pyr_onednn_scratch_bytes(s->call[pass]));
    return PYR_OK;
}

/* What is read, and weights in the call's layout. */
static pyr_status plan_weights(conv_state *s, pyr_op *op)
{
    const pyr_conv_pass pass = PYR_CONV_BACKWARD_WEIGHTS;

    s->reads_x = s->reads_dy = true;
    PYR_TRY(plan_call(s, op, pass, PYR_F32));
    PYR_TRY(pyr_onednn_unpack(&s->reorder[pass], &s->shape, s->call[pass]));
    op->grad_bytes = pyr_aligned(pyr_onednn_weight_bytes(s->call[pass])) +
                     (s->shape.bias ? (size_t)s->shape.out : 0) * sizeof(float);
    op->packed_bytes += pyr_aligned(op->param_count[0] * sizeof(float)); /* the gradient as O x I x k x k */
    s->sums_bytes = pyr_larger(s->sums_bytes, op->grad_bytes);
    return PYR_OK;
}

static pyr_status plan(conv_state *s, pyr_op *op, pyr_conv_pass pass)
{
    const pyr_conv_shape *shape = &s->shape;
    size_t sums = pyr_count(op->y.s);
    pyr_type type = op->y.type;

    if (pass == PYR_CONV_BACKWARD_WEIGHTS)
        return plan_weights(s, op);
    if (pass == PYR_CONV_FORWARD) {
        s->reads_x = true;
        s->direct[pass] = !pyr_op_has(op, PYR_X_RESIDUAL) && !pyr_op_has(op, PYR_X_VECTOR) && s->scale == 1;
    } else {
        s->reads_dy = true;
        s->direct[pass] = !pyr_op_has(op, PYR_X_MORE) && !op->up_h && !op->dx_add[0] && s->scale == 1;
        sums = (size_t)shape->n * (size_t)shape->in_h * (size_t)shape->in_w * (size_t)shape->in;
        type = op->x[0].type;
    }
    if (!s->direct[pass])
        s->sums_bytes = pyr_larger(s->sums_bytes, sums * sizeof(float));
    PYR_TRY(plan_call(s, op, pass, s->direct[pass] ? type : PYR_F32));
    PYR_TRY(pyr_onednn_pack(&s->reorder[pass], shape, (int)pyr_conv_all_inputs(s, op), s->call[pass]));
    op->packed_bytes += pyr_aligned(pyr_onednn_weight_bytes(s->call[pass]));
    return PYR_OK;
}

static pyr_status pack(const conv_state *s, pyr_op *op, pyr_conv_pass pass, const float *w)
{
    return pyr_onednn_run(s->reorder[pass], (const void *[]){w, pyr_conv_packed(s, op, pass)}, NULL);
}

/* ---- passes ------------------------------------------------------------------------------------ */

/* x and dy as oneDNN reads them. */
static const void *x_of(const conv_state *s, const pyr_op *op)
{
    void *copy = (char *)op->scratch + s->x_copy;

    if (!s->copies_x)
        return op->x[0].data;
    pyr_around_source(op, s->shape.in_h, s->shape.in_w, s->shape.data, copy);
    return copy;
}

static const void *dy_of(const conv_state *s, const pyr_op *op)
{
    void *copy = (char *)op->scratch + s->dy_copy;

    if (!s->copies_dy)
        return op->dy;
    pyr_around_convert(copy, s->shape.data, op->dy, op->y.type, pyr_count(op->y.s));
    return copy;
}

static pyr_status forward(const conv_state *s, pyr_op *op)
{
    const bool direct = s->direct[PYR_CONV_FORWARD];
    void *y = direct ? op->y.data : pyr_conv_sums(s, op);
    const void *bias = s->shape.bias ? op->param[1] : NULL;

    PYR_TRY(pyr_onednn_run(s->call[PYR_CONV_FORWARD], (const void *[]){x_of(s, op), op->packed, bias, y},
                           op->scratch));
    if (!direct)
        pyr_around_result(op, y, s->scale);
    return PYR_OK;
}

static pyr_status data(const conv_state *s, pyr_op *op, void *dx0, void *dx3)
{
    const pyr_conv_pass pass = PYR_CONV_BACKWARD_DATA;
    void *dx = s->direct[pass] ? dx0 : pyr_conv_sums(s, op);

    PYR_TRY(pyr_onednn_run(s->call[pass], (const void *[]){dy_of(s, op), pyr_conv_packed(s, op, pass), dx},
                           op->scratch));
    if (!s->direct[pass])
        pyr_around_dx(op, s->shape.in_h, s->shape.in_w, dx, s->scale, dx0, dx3);
    return PYR_OK;
}

static void scale_floats(float *restrict values, size_t count, float scale)
{
    for (size_t i = 0; i < count; i++)
        values[i] *= scale;
}

static void add_scaled(float *restrict dst, const float *restrict src, size_t count, float scale)
{
    for (size_t i = 0; i < count; i++)
        dst[i] += src[i] * scale;
}

/* oneDNN writes a gradient over what is there. */
static pyr_status weights(const conv_state *s, pyr_op *op)
{
    pyr_onednn_call *call = s->call[PYR_CONV_BACKWARD_WEIGHTS];
    size_t bytes = pyr_aligned(pyr_onednn_weight_bytes(call)), count = op->grad_bytes / sizeof(float);
    void *to = op->grad_add ? pyr_conv_sums(s, op) : op->grad;
    void *bias = s->shape.bias ? (char *)to + bytes : NULL;

    pyr_around_dy_sums(op, s->scale, NULL, false);
    /* In bf16, of images one pixel wide, oneDNN 2.6.3 multiplies scratch that it has not written by zeros:
     * what is there must not be NaN. Kernels other than 1x1 and 3x3 get the same care, unmeasured. */
    if (s->shape.data == PYR_BF16 &&
        (s->shape.in_w == 1 || s->shape.kernel > 3 || s->shape.kernel_w != s->shape.kernel))
        memset(op->scratch, 0, pyr_onednn_scratch_bytes(call));
    PYR_TRY(pyr_onednn_run(call, (const void *[]){x_of(s, op), dy_of(s, op), to, bias}, op->scratch));
    if (op->grad_add)
        add_scaled(op->grad, to, count, s->scale);
    else if (s->scale != 1)
        scale_floats(op->grad, count, s->scale);
    return PYR_OK;
}

/* The sum stays in oneDNN's layout (in the first accumulator) and is reordered once. */
static pyr_status collect(const conv_state *s, pyr_op *op, void *const *accumulators, int n,
                          void *const dparam[PYR_OP_PARAMS])
{
    const pyr_conv_pass pass = PYR_CONV_BACKWARD_WEIGHTS;
    size_t bytes = pyr_aligned(pyr_onednn_weight_bytes(s->call[pass]));
    float *plain = pyr_conv_packed(s, op, pass);

    for (int i = 1; i < n; i++)
        pyr_vadd(accumulators[0], accumulators[i], op->grad_bytes / sizeof(float));
    if (dparam[0]) {
        PYR_TRY(pyr_onednn_run(s->reorder[pass], (const void *[]){accumulators[0], plain}, NULL));
        pyr_vadd(dparam[0], plain, op->param_count[0]);
    }
    if (s->shape.bias && dparam[1])
        pyr_vadd(dparam[1], (float *)(void *)((char *)accumulators[0] + bytes), op->param_count[1]);
    return PYR_OK;
}

const conv_way pyr_conv_by_onednn = {
    .plan = plan, .pack = pack, .forward = forward, .data = data, .weights = weights, .collect = collect};
