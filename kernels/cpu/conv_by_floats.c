/* conv_by_floats.c - convolutions by kernels of floats (conv_f32.h), which take neighbours in as they read and write. The
 * gradient of enlarging, and sums of dy, are passes behind them. */
#include "kernels/cpu/conv2d_internal.h"
#include "kernels/cpu/conv_around.h"
#include "kernels/cpu/vector.h"

/* `of` with as many images as are given. */
static pyr_conv_size sized(const pyr_conv_size *of, int images)
{
    pyr_conv_size size = *of;

    size.n = images;
    return size;
}

/* All parts at once, but not where sums would have to be kept of all. */
static pyr_conv_size plan_together(const conv_state *s, pyr_op *op, pyr_conv_pass pass)
{
    const bool forward = pass == PYR_CONV_FORWARD;
    const pyr_conv_size *size = forward ? &s->size : &s->turned_size;

    if (!s->direct[pass])
        return *size;
    op->together |= forward ? PYR_TOGETHER_FORWARD : PYR_TOGETHER_INPUTS;
    return sized(size, size->n * (op->parts ? op->parts : 1));
}

static pyr_status plan(conv_state *s, pyr_op *op, pyr_conv_pass pass)
{
    const pyr_conv_f32 *f = s->floats[pass];
    pyr_conv_size size;

    if (pass == PYR_CONV_BACKWARD_WEIGHTS) {
        op->grad_bytes =
            f->gradient_bytes(&s->size) + (s->shape.bias ? (size_t)s->shape.out : 0) * sizeof(float);
        op->scratch_bytes = pyr_larger(op->scratch_bytes, f->gradient_scratch(&s->size));
        return PYR_OK;
    }
    s->direct[pass] = pass == PYR_CONV_FORWARD || !op->up_h;
    size = plan_together(s, op, pass);
    op->packed_bytes += pyr_aligned(f->packed_bytes(&size));
    op->scratch_bytes = pyr_larger(op->scratch_bytes, f->scratch(&size));
    if (!s->direct[pass])
        s->sums_bytes = pyr_larger(s->sums_bytes, (size_t)size.n * (size_t)size.h * (size_t)size.w *
                                                      (size_t)size.out * sizeof(float));
    return PYR_OK;
}

static pyr_status pack(const conv_state *s, pyr_op *op, pyr_conv_pass pass, const float *w)
{
    size_t input = (size_t)(s->shape.kernel * s->shape.kernel_w), output = pyr_conv_all_inputs(s, op) * input;
    void *packed = pyr_conv_packed(s, op, pass);

    if (pass == PYR_CONV_FORWARD)
        s->floats[pass]->pack(&s->size, w, output, input, false, packed);
    else
        s->floats[pass]->pack(&s->turned_size, w, input, output, true, packed);
    return PYR_OK;
}

static pyr_status forward(const conv_state *s, pyr_op *op)
{
    pyr_conv_size size = sized(&s->size, op->y.s.n);
    pyr_conv_source x = pyr_conv_x(op);
    pyr_conv_result y = pyr_conv_y(s, op);

    s->floats[PYR_CONV_FORWARD]->run(&size, &x, op->packed, &y, op->scratch);
    return PYR_OK;
}

static pyr_status data(const conv_state *s, pyr_op *op, void *dx0, void *dx3)
{
    const bool direct = s->direct[PYR_CONV_BACKWARD_DATA];
    pyr_conv_size size = sized(&s->turned_size, op->y.s.n);
    pyr_conv_source dy = pyr_conv_dy(op);
    pyr_conv_result dx = pyr_conv_dx(s, op, dx0, dx3);

    if (!direct)
        dx = (pyr_conv_result){.at = {pyr_conv_sums(s, op)},
                               .c = {s->shape.in},
                               .h = s->shape.in_h,
                               .w = s->shape.in_w,
                               .scale = 1};
    s->floats[PYR_CONV_BACKWARD_DATA]->run(&size, &dy, pyr_conv_packed(s, op, PYR_CONV_BACKWARD_DATA), &dx,
                                           op->scratch);
    if (!direct)
        pyr_around_dx(op, s->shape.in_h, s->shape.in_w, pyr_conv_sums(s, op), s->scale, dx0, dx3);
    return PYR_OK;
}

/* Of the weights as the kernel has them; the bias's lies behind it. */
static size_t gradient_bytes(const conv_state *s)
{
    return s->floats[PYR_CONV_BACKWARD_WEIGHTS]->gradient_bytes(&s->size);
}

static pyr_status weights(const conv_state *s, pyr_op *op)
{
    pyr_conv_source x = pyr_conv_x(op), dy = pyr_conv_dy(op);
    float *bias = s->shape.bias ? (float *)(void *)((char *)op->grad + gradient_bytes(s)) : NULL;

    s->floats[PYR_CONV_BACKWARD_WEIGHTS]->gradient(&s->size, &x, &dy, s->scale, op->grad, op->grad_add,
                                                   op->scratch);
    pyr_around_dy_sums(op, s->scale, bias, op->grad_add);
    return PYR_OK;
}

static pyr_status collect(const conv_state *s, pyr_op *op, void *const *accumulators, int n,
                          void *const dparam[PYR_OP_PARAMS])
{
    if (dparam[0])
        s->floats[PYR_CONV_BACKWARD_WEIGHTS]->collect(&s->size, (const float *const *)accumulators, n,
                                                      dparam[0]);
    for (int i = 0; s->shape.bias && dparam[1] && i < n; i++)
        pyr_vadd(dparam[1], (float *)(void *)((char *)accumulators[i] + gradient_bytes(s)),
                 op->param_count[1]);
    return PYR_OK;
}

const conv_way pyr_conv_by_floats = {
    .plan = plan, .pack = pack, .forward = forward, .data = data, .weights = weights, .collect = collect};
