/* embed.cu - vectors per image: rows of a table, embeddings of the noise level. */
#include "kernels/cuda/cuda.h"

/* ---- rows of a table -------------------------------------------------------------------------------- */

/* y[n] = row index[n]; NaN where the table has no such row: reporting it would mean to wait for the device. */
static __global__ void embed_kernel(numbers y, const float *table, const uint32_t *index, int rows, int d,
                                    size_t count)
{
    PYR_EACH(i, count)
    {
        uint32_t row = index[i / d];

        put(y, i, row < (uint32_t)rows ? table[(size_t)row * d + i % d] : NAN);
    }
}

static pyr_status embed_forward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);

    return PYR_LAUNCH(k, embed_kernel, count, numbers_of(&op->y), (const float *)op->param[0],
                      (const uint32_t *)op->x[0].data, op->param_rows, op->y.s.c, count);
}

/* Each number of the table looks for the images that had it, in their order. */
static __global__ void embed_gradient_kernel(float *dtable, bool add, numbers dy, const uint32_t *index,
                                             int images, int d, size_t count)
{
    PYR_EACH(i, count)
    {
        uint32_t row = (uint32_t)(i / d);
        float sum = add ? dtable[i] : 0;

        for (int n = 0; n < images; n++)
            if (index[n] == row)
                sum += get(dy, (size_t)n * d + i % d);
        dtable[i] = sum;
    }
}

static pyr_status embed_backward(pyr_kernels *k, pyr_op *op)
{
    if (!op->want_grad)
        return PYR_OK;
    return PYR_LAUNCH(k, embed_gradient_kernel, op->param_count[0], (float *)op->grad, op->grad_add,
                      gradient_of(&op->y, op->dy), (const uint32_t *)op->x[0].data, op->y.s.n, op->y.s.c,
                      op->param_count[0]);
}

/* An index out of range: y is NaN (other tables: PYR_E_ARG), and no row has a gradient from it. */
const pyr_op_impl pyr_cuda_embed = {.reads = PYR_READS_X0,
                                    .overwrites = true,
                                    .forward = embed_forward,
                                    .backward = embed_backward,
                                    .collect = pyr_cuda_collect};

/* ---- the noise level ---------------------------------------------------------------------------------- */

static __global__ void time_positional_kernel(numbers y, numbers x, int d, bool cosines_first,
                                              float freq_shift, size_t count)
{
    int half = d / 2;

    PYR_EACH(i, count)
    {
        int j = (int)(i % d);
        float angle;

        if (j == 2 * half) {
            put(y, i, 0);
            continue;
        }
        angle = time_positional_angle(get(x, i / d), j % half, half, freq_shift);
        put(y, i, (j < half) == cosines_first ? cosf(angle) : sinf(angle));
    }
}

static pyr_status time_positional_forward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);

    return PYR_LAUNCH(k, time_positional_kernel, count, numbers_of(&op->y), numbers_of(&op->x[0]), op->y.s.c,
                      op->flip_sin_to_cos, op->freq_shift, count);
}

const pyr_op_impl pyr_cuda_time_positional = {.forward = time_positional_forward};

static __global__ void time_fourier_kernel(numbers y, numbers x, const float *w, int d, size_t count)
{
    PYR_EACH(i, count)
    {
        int j = (int)(i % (2 * d));
        float angle = time_fourier_angle(get(x, i / (2 * d)), w[j % d]);

        put(y, i, j < d ? sinf(angle) : cosf(angle));
    }
}

static pyr_status time_fourier_forward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);

    return PYR_LAUNCH(k, time_fourier_kernel, count, numbers_of(&op->y), numbers_of(&op->x[0]),
                      (const float *)op->param[0], op->y.s.c / 2, count);
}

const pyr_op_impl pyr_cuda_time_fourier = {.forward = time_fourier_forward};
