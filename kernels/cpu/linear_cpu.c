/* linear_cpu.c - y = x W^T + b: f32 by oneDNN's sgemm, bf16 as a 1x1 convolution. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"
#include "kernels/onednn/onednn.h"

static bool is_float(const pyr_op *op)
{
    return op->x[0].type == PYR_F32 && op->y.type == PYR_F32;
}

static pyr_status linear_plan(pyr_kernels *k, pyr_op *op)
{
    return is_float(op) ? PYR_OK : pyr_cpu_conv2d.plan(k, op);
}

static size_t rows_of(const pyr_op *op)
{
    return pyr_count(op->x[0].s) / (size_t)op->x[0].s.c;
}

static pyr_status linear_forward(pyr_kernels *k, pyr_op *op)
{
    size_t rows = rows_of(op), in = (size_t)op->x[0].s.c, out = (size_t)op->y.s.c;
    size_t images = rows > (size_t)op->x[0].s.n ? (size_t)op->x[0].s.n : 1, each = rows / images;
    float *restrict y = op->y.data;
    const float *restrict bias = op->param[1];

    if (!is_float(op))
        return pyr_cpu_conv2d.forward(k, op);
    if (op->param_count[1])
        for (size_t r = 0; r < rows; r++)
            memcpy(y + r * out, bias, out * sizeof *y);
    /* Image by image: sgemm rounds the last rows of a product otherwise than the first, and an image's bytes
     * must not depend on its place in the batch. */
    for (size_t n = 0; n < images; n++)
        PYR_TRY(pyr_sgemm('N', 'T', each, out, in, 1, (const float *)op->x[0].data + n * each * in, in,
                          op->param[0], in, op->param_count[1] ? 1.0f : 0.0f, y + n * each * out, out));
    return PYR_OK;
}

static pyr_status linear_backward(pyr_kernels *k, pyr_op *op)
{
    size_t rows = rows_of(op), in = (size_t)op->x[0].s.c, out = (size_t)op->y.s.c;
    const float *restrict dy = op->dy;

    if (!is_float(op))
        return pyr_cpu_conv2d.backward(k, op);
    if (op->want_grad) {
        float *dw = op->grad, *restrict db = dw + op->param_count[0];

        PYR_TRY(pyr_sgemm('T', 'N', out, in, rows, 1, dy, out, op->x[0].data, in, op->grad_add ? 1.0f : 0.0f,
                          dw, in));
        if (op->param_count[1] && !op->grad_add)
            memset(db, 0, out * sizeof *db);
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

static pyr_status linear_pack(pyr_kernels *k, pyr_op *op)
{
    return pyr_cpu_conv2d.pack(k, op);
}

static pyr_status linear_collect(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                                 void *const dparam[PYR_OP_PARAMS])
{
    return pyr_cpu_conv2d.collect(k, op, accumulators, n, dparam);
}

static void linear_release(pyr_kernels *k, pyr_op *op)
{
    pyr_cpu_conv2d.release(k, op);
}

const pyr_op_impl pyr_cpu_linear = {.reads = PYR_READS_X0,
                                    .overwrites = true,
                                    .plan = linear_plan,
                                    .release = linear_release,
                                    .forward = linear_forward,
                                    .backward = linear_backward,
                                    .pack = linear_pack,
                                    .collect = linear_collect};
