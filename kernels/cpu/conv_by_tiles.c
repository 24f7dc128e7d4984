/* conv_by_tiles.c - convolutions by register tiles of bf16 (tile.h), which take neighbours in as they read and write. */
#include "kernels/cpu/conv2d_internal.h"

static pyr_status plan(conv_state *s, pyr_op *op, pyr_conv_pass pass)
{
    const pyr_tile_size *size = pass == PYR_CONV_BACKWARD_DATA ? &s->turned : &s->tile;

    if (pass == PYR_CONV_BACKWARD_WEIGHTS) {
        op->grad_bytes = pyr_tile_gradient_bytes(size);
        op->scratch_bytes = pyr_larger(op->scratch_bytes, pyr_tile_gradient_scratch(size));
        return PYR_OK;
    }
    op->packed_bytes += pyr_aligned(pyr_tile_packed_bytes(size));
    op->scratch_bytes = pyr_larger(op->scratch_bytes, pyr_tile_scratch(size));
    return PYR_OK;
}

static pyr_status pack(const conv_state *s, pyr_op *op, pyr_conv_pass pass, const float *w)
{
    size_t input = (size_t)(s->shape.kernel * s->shape.kernel_w), output = pyr_conv_all_inputs(s, op) * input;
    void *packed = pyr_conv_packed(s, op, pass);

    if (pass == PYR_CONV_FORWARD)
        pyr_tile_pack(&s->tile, w, output, input, false, packed);
    else
        pyr_tile_pack(&s->turned, w, input, output, true, packed);
    return PYR_OK;
}

static pyr_status forward(const conv_state *s, pyr_op *op)
{
    pyr_conv_source x = pyr_conv_x(op);
    pyr_conv_result y = pyr_conv_y(s, op);

    pyr_tile_run(&s->tile, &x, op->packed, &y, op->scratch);
    return PYR_OK;
}

static pyr_status data(const conv_state *s, pyr_op *op, void *dx0, void *dx3)
{
    pyr_conv_source dy = pyr_conv_dy(op);
    pyr_conv_result dx = pyr_conv_dx(s, op, dx0, dx3);

    pyr_tile_run(&s->turned, &dy, pyr_conv_packed(s, op, PYR_CONV_BACKWARD_DATA), &dx, op->scratch);
    return PYR_OK;
}

/* The vector's gradient is a by-product of the weights'. */
static pyr_status weights(const conv_state *s, pyr_op *op)
{
    pyr_conv_source x = pyr_conv_x(op), dy = pyr_conv_dy(op);

    pyr_tile_gradient(&s->tile, &x, &dy, s->scale, op->grad, op->grad_add, op->dx[PYR_X_VECTOR],
                      op->dx_add[PYR_X_VECTOR], op->scratch);
    return PYR_OK;
}

static pyr_status collect(const conv_state *s, pyr_op *op, void *const *accumulators, int n,
                          void *const dparam[PYR_OP_PARAMS])
{
    (void)op;
    pyr_tile_collect(&s->tile, (const float *const *)accumulators, n, s->scale, dparam[0],
                     s->shape.bias ? dparam[1] : NULL);
    return PYR_OK;
}

const conv_way pyr_conv_by_tiles = {
    .plan = plan, .pack = pack, .forward = forward, .data = data, .weights = weights, .collect = collect};
