/* conv2d_cpu.c - convolutions by oneDNN; 1x1 of stride 1 is a matrix product (linear_cpu.c).
 *
 * oneDNN's fast NHWC kernels want weights in blocked layouts. They are reordered once
 * after each update (pack), not on every call, and the gradient of the weights is summed
 * over micro-batches in oneDNN's layout and turned back once (collect).
 */
#include "base/mem.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/vector.h"

typedef struct conv_state {
    pyr_onednn_call *forward, *backward_data, *backward_weights;
    pyr_onednn_call *pack_forward, *pack_backward, *unpack;
    /* offsets in bytes: packed block = [forward weights | backward weights | gradient as O x I x k x k] */
    size_t packed_backward, packed_gradient;
    size_t call_scratch; /* op->scratch = [library's | result before it is added] */
} conv_state;

static bool is_product(const pyr_op *op)
{
    return op->kernel == 1 && op->stride == 1 &&
           !(op->pad_top | op->pad_left | op->pad_bottom | op->pad_right);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void conv_release(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    (void)k;
    if (!s)
        return;
    pyr_onednn_free(s->forward);
    pyr_onednn_free(s->backward_data);
    pyr_onednn_free(s->backward_weights);
    pyr_onednn_free(s->pack_forward);
    pyr_onednn_free(s->pack_backward);
    pyr_onednn_free(s->unpack);
    pyr_free(s);
    op->state = NULL;
}

static pyr_status conv_plan(pyr_kernels *k, pyr_op *op)
{
    conv_state *s;
    size_t temporary = 0;

    (void)k;
    if (is_product(op))
        return PYR_OK;
    PYR_TRY(pyr_new(&s, 1, sizeof *s, "convolution"));
    op->state = s;
    PYR_TRY(pyr_onednn_conv(&s->forward, op, PYR_CONV_FORWARD));
    PYR_TRY(pyr_onednn_pack(&s->pack_forward, op, s->forward));
    s->call_scratch = pyr_onednn_scratch_bytes(s->forward);
    op->packed_bytes = pyr_aligned(pyr_onednn_weight_bytes(s->forward));
    if (op->backward && op->want_dx[0]) {
        PYR_TRY(pyr_onednn_conv(&s->backward_data, op, PYR_CONV_BACKWARD_DATA));
        PYR_TRY(pyr_onednn_pack(&s->pack_backward, op, s->backward_data));
        s->call_scratch = larger(s->call_scratch, pyr_onednn_scratch_bytes(s->backward_data));
        s->packed_backward = op->packed_bytes;
        op->packed_bytes += pyr_aligned(pyr_onednn_weight_bytes(s->backward_data));
        if (op->dx_add[0])
            temporary = pyr_count(op->x[0].s) * sizeof(float);
    }
    if (op->want_grad) {
        size_t weights;

        PYR_TRY(pyr_onednn_conv(&s->backward_weights, op, PYR_CONV_BACKWARD_WEIGHTS));
        PYR_TRY(pyr_onednn_unpack(&s->unpack, op, s->backward_weights));
        weights = pyr_aligned(pyr_onednn_weight_bytes(s->backward_weights));
        s->call_scratch = larger(s->call_scratch, pyr_onednn_scratch_bytes(s->backward_weights));
        op->grad_bytes = weights + op->param_count[1] * sizeof(float);
        temporary = larger(temporary, op->grad_bytes);
        s->packed_gradient = op->packed_bytes;
        op->packed_bytes += pyr_aligned(op->param_count[0] * sizeof(float));
    }
    s->call_scratch = pyr_aligned(s->call_scratch);
    op->scratch_bytes = s->call_scratch + temporary;
    return PYR_OK;
}

static pyr_status conv_pack(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    (void)k;
    if (!s)
        return PYR_OK;
    PYR_TRY(pyr_onednn_run(s->pack_forward, (const void *[]){op->param[0], op->packed}, NULL));
    if (s->pack_backward)
        PYR_TRY(pyr_onednn_run(
            s->pack_backward, (const void *[]){op->param[0], (char *)op->packed + s->packed_backward}, NULL));
    return PYR_OK;
}

static pyr_status conv_forward(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    if (!s)
        return pyr_cpu_linear.forward(k, op);
    return pyr_onednn_run(s->forward, (const void *[]){op->x[0].data, op->packed, op->param[1], op->y.data},
                          op->scratch);
}

static pyr_status conv_backward(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    if (!s)
        return pyr_cpu_linear.backward(k, op);
    char *temporary = (char *)op->scratch + s->call_scratch;
    if (op->want_grad) {
        size_t weights = pyr_aligned(pyr_onednn_weight_bytes(s->backward_weights));
        void *bias = op->param_count[1] ? temporary + weights : NULL;

        PYR_TRY(pyr_onednn_run(s->backward_weights, (const void *[]){op->x[0].data, op->dy, temporary, bias},
                               op->scratch));
        pyr_vadd(op->grad, (float *)(void *)temporary, op->grad_bytes / sizeof(float));
    }
    if (op->dx[0]) {
        void *dx = op->dx_add[0] ? temporary : op->dx[0];

        PYR_TRY(pyr_onednn_run(s->backward_data,
                               (const void *[]){op->dy, (char *)op->packed + s->packed_backward, dx},
                               op->scratch));
        if (op->dx_add[0])
            pyr_vadd(op->dx[0], (float *)dx, pyr_count(op->x[0].s));
    }
    return PYR_OK;
}

/* The sum stays in oneDNN's layout (in the first accumulator) and is reordered once. */
static pyr_status conv_collect(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                               void *const dparam[PYR_OP_PARAMS])
{
    conv_state *s = op->state;
    size_t weights;
    float *plain;

    if (!s)
        return pyr_op_collect_default(k, op, accumulators, n, dparam);
    weights = pyr_aligned(pyr_onednn_weight_bytes(s->backward_weights));
    plain = (float *)(void *)((char *)op->packed + s->packed_gradient);
    for (int i = 1; i < n; i++)
        pyr_vadd(accumulators[0], accumulators[i], op->grad_bytes / sizeof(float));
    PYR_TRY(pyr_onednn_run(s->unpack, (const void *[]){accumulators[0], plain}, NULL));
    pyr_vadd(dparam[0], plain, op->param_count[0]);
    if (op->param_count[1])
        pyr_vadd(dparam[1], (float *)(void *)((char *)accumulators[0] + weights), op->param_count[1]);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_conv2d = {.reads = PYR_READS_X0,
                                    .plan = conv_plan,
                                    .release = conv_release,
                                    .forward = conv_forward,
                                    .backward = conv_backward,
                                    .pack = conv_pack,
                                    .collect = conv_collect};
