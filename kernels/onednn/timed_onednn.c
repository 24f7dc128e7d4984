/* timed_onednn.c - how long oneDNN's convolutions take on their own. */
#include "kernels/timed_op.h"

#include "base/mem.h"
#include "kernels/onednn/onednn.h"

typedef struct direct_lane {
    pyr_onednn_call *call;
    void *scratch;
} direct_lane;

typedef struct primitives {
    pyr_kernels *k;
    int lanes;
    direct_lane *lane;
    const void *(*buffers)[4]; /* [lane]: of the call */
    void **block;              /* [lane]: x, y, packed weights, bias, one after the other */
} primitives;

static pyr_status direct_call(void *arg, int lane)
{
    primitives *d = arg;

    return pyr_onednn_run(d->lane[lane].call, d->buffers[lane], d->lane[lane].scratch);
}

/* One of the three passes on all lanes. All its buffers hold random numbers, results too; the layout of the
 * weights is oneDNN's, which makes no difference here. */
static pyr_status prepare_pass(primitives *d, const pyr_op *op, pyr_conv_pass pass, int lane)
{
    pyr_kernels *k = d->k;
    direct_lane *l = &d->lane[lane];
    size_t x, y, weights, bias = pyr_aligned((size_t)op->y.s.c * sizeof(float));
    const void **b = d->buffers[lane];
    char *at;

    pyr_conv_shape shape = pyr_conv_shape_of(op);
    size_t pixels_in = (size_t)shape.n * (size_t)shape.in_h * (size_t)shape.in_w;
    size_t real = pyr_type_size(shape.data),
           pixels_out = (size_t)shape.n * (size_t)shape.out_h * (size_t)shape.out_w;

    shape.result = shape.data;
    PYR_TRY(pyr_onednn_conv(&l->call, &shape, pass));
    PYR_TRY(pyr_alloc(k, &l->scratch, pyr_onednn_scratch_bytes(l->call) + 1, "scratch"));
    x = pyr_aligned(pixels_in * (size_t)shape.in * real);
    y = pyr_aligned(pixels_out * (size_t)shape.out * real);
    weights = pyr_aligned(pyr_onednn_weight_bytes(l->call));
    PYR_TRY(pyr_alloc(k, &d->block[lane], x + y + weights + bias, "a convolution's buffers"));
    at = d->block[lane];
    PYR_TRY(pyr_fill_random(k, at, shape.data, (x + y) / real, -1.0f, 1.0f));
    PYR_TRY(pyr_fill_random(k, at + x + y, shape.data, weights / real, -1.0f, 1.0f));
    b[0] = pass == PYR_CONV_BACKWARD_DATA ? at + x : at;
    b[1] = pass == PYR_CONV_BACKWARD_WEIGHTS ? at + x : at + x + y;
    b[2] = pass == PYR_CONV_FORWARD         ? (op->param_count[1] ? at + x + y + weights : NULL)
           : pass == PYR_CONV_BACKWARD_DATA ? at
                                            : at + x + y;
    b[3] = pass == PYR_CONV_FORWARD ? at + x : op->param_count[1] ? at + x + y + weights : NULL;
    return PYR_OK;
}

static void end_pass(primitives *d)
{
    for (int i = 0; i < d->lanes; i++) {
        pyr_onednn_free(d->lane[i].call);
        pyr_release(d->k, d->lane[i].scratch);
        pyr_release(d->k, d->block[i]);
        d->lane[i] = (direct_lane){0};
        d->block[i] = NULL;
    }
}

static pyr_status time_pass(primitives *d, const pyr_op *op, pyr_conv_pass pass, double seconds, double *sum)
{
    pyr_status status = PYR_OK;
    double per_call;

    for (int i = 0; i < d->lanes; i++)
        PYR_TRY_OUT(prepare_pass(d, op, pass, i));
    PYR_TRY_OUT(pyr_time_calls(d->k, d->lanes, direct_call, d, seconds, &per_call));
    *sum += per_call;
out:
    end_pass(d);
    return status;
}

pyr_status pyr_time_onednn(double *sum, pyr_kernels *k, const pyr_op *op, int lanes, double seconds)
{
    primitives d = {.k = k, .lanes = lanes};
    pyr_status status = PYR_OK;

    *sum = 0;
    PYR_TRY_OUT(pyr_new(&d.lane, (size_t)lanes, sizeof *d.lane, "lanes"));
    PYR_TRY_OUT(pyr_new(&d.buffers, (size_t)lanes, sizeof *d.buffers, "lanes"));
    PYR_TRY_OUT(pyr_new(&d.block, (size_t)lanes, sizeof *d.block, "lanes"));
    PYR_TRY_OUT(time_pass(&d, op, PYR_CONV_FORWARD, seconds, sum));
    if (op->backward && op->want_dx[0])
        PYR_TRY_OUT(time_pass(&d, op, PYR_CONV_BACKWARD_DATA, seconds, sum));
    if (op->backward && op->want_grad)
        PYR_TRY_OUT(time_pass(&d, op, PYR_CONV_BACKWARD_WEIGHTS, seconds, sum));
out:
    pyr_free(d.lane);
    pyr_free(d.buffers);
    pyr_free(d.block);
    return status;
}
