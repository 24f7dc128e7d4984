/* elementwise.cu - activations, sums and scalings. */
#include "kernels/cuda/cuda.h"

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
