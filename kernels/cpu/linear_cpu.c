/* linear_cpu.c - y = x W^T + b by oneDNN's sgemm; also 1x1 convolutions. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/vector.h"

static size_t rows_of(const pyr_op *op)
{
    return pyr_count(op->x[0].s) / (size_t)op->x[0].s.c;
}

static pyr_status linear_forward(pyr_kernels *k, pyr_op *op)
{
    size_t rows = rows_of(op), in = (size_t)op->x[0].s.c, out = (size_t)op->y.s.c;
    float *restrict y = op->y.data;
    const float *restrict bias = op->param[1];

    (void)k;
    if (op->param_count[1])
        for (size_t r = 0; r < rows; r++)
            memcpy(y + r * out, bias, out * sizeof *y);
    return pyr_sgemm('N', 'T', rows, out, in, 1, op->x[0].data, in, op->param[0], in,
                     op->param_count[1] ? 1.0f : 0.0f, y, out);
}

static pyr_status linear_backward(pyr_kernels *k, pyr_op *op)
{
    size_t rows = rows_of(op), in = (size_t)op->x[0].s.c, out = (size_t)op->y.s.c;
    const float *restrict dy = op->dy;

    (void)k;
    if (op->want_grad) {
        float *dw = op->grad, *restrict db = dw + op->param_count[0];

        PYR_TRY(pyr_sgemm('T', 'N', out, in, rows, 1, dy, out, op->x[0].data, in, 1, dw, in));
        if (op->param_count[1])
            for (size_t r = 0; r < rows; r++)
                for (size_t c = 0; c < out; c++)
                    db[c] += dy[r * out + c];
    }
    if (op->dx[0])
        return pyr_sgemm('N', 'N', rows, in, out, 1, dy, out, op->param[0], in, op->dx_add[0] ? 1.0f : 0.0f,
                         op->dx[0], in);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_linear = {
    .reads = PYR_READS_X0, .forward = linear_forward, .backward = linear_backward};
