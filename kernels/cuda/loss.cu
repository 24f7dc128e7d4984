/* loss.cu - losses, a number per image: a block has one. */
#include "kernels/cuda/columns.h"

/* ---- squared error ---------------------------------------------------------------------------------- */

/* Four squares at a time are added in float, the rest in double: an image of any size keeps float's
 * accuracy. */
static __global__ void squared_error_kernel(float *loss, numbers a, numbers b, const float *weight,
                                            size_t each, int width)
{
    __shared__ double sums[WORKERS];
    size_t image = blockIdx.x;

    PYR_EACH_OF_BLOCK(w, WORKERS)
    {
        double sum = 0;

        for (size_t i = w * width; i < each; i += WORKERS * width) {
            float x[4], y[4], squares = 0;

            get4(a, image * each + i, width, x);
            get4(b, image * each + i, width, y);
            for (int j = 0; j < 4; j++)
                squares += (x[j] - y[j]) * (x[j] - y[j]);
            sum += (double)squares;
        }
        sums[w] = sum;
    }
    sum_rows(sums, WORKERS, 1);
    if (threadIdx.x == 0)
        loss[image] = (float)((double)weight[image] * (sums[0] / (double)each));
}

static pyr_status squared_error_forward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->x[0].s);

    return PYR_LAUNCH_BLOCKS(k, squared_error_kernel, op->x[0].s.n, WORKERS, (float *)op->y.data,
                             numbers_of(&op->x[0]), numbers_of(&op->x[1]), (const float *)op->x[2].data, each,
                             each % 4 ? 1 : 4);
}

static __global__ void squared_error_gradient_kernel(numbers da, bool add_a, numbers db, bool add_b,
                                                     numbers a, numbers b, const float *weight,
                                                     const float *dloss, size_t each, size_t count)
{
    PYR_EACH4(i, n, count)
    {
        walk w = walk_from(i, each, 1);
        float x[4], y[4];

        get4(a, i, (int)n, x);
        get4(b, i, (int)n, y);
        PYR_UNROLL
        for (int j = 0; j < 4; j++)
            if (j < (int)n) {
                x[j] = dloss[w.image] * weight[w.image] * 2 / (float)each * (x[j] - y[j]);
                y[j] = -x[j];
                walk_on(&w, each, 1);
            }
        if (da.data)
            put4_or_add(da, i, (int)n, x, add_a);
        if (db.data)
            put4_or_add(db, i, (int)n, y, add_b);
    }
}

static pyr_status squared_error_backward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->x[0].s);

    if (!op->dx[0] && !op->dx[1])
        return PYR_OK;
    return PYR_LAUNCH(k, squared_error_gradient_kernel, fours(count), gradient_of(&op->x[0], op->dx[0]),
                      op->dx_add[0], gradient_of(&op->x[1], op->dx[1]), op->dx_add[1], numbers_of(&op->x[0]),
                      numbers_of(&op->x[1]), (const float *)op->x[2].data, (const float *)op->dy,
                      per_image(op->x[0].s), count);
}

const pyr_op_impl pyr_cuda_squared_error = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2,
                                            .forward = squared_error_forward,
                                            .backward = squared_error_backward};

/* ---- cross entropy ------------------------------------------------------------------------------------ */

enum { CLASS_THREADS = 128 };

/* The largest logit of image blockIdx.x, and the sum of exp of what the others are below it. */
static __device__ inline void soft_sum(const float *logits, int classes, float *most, float *sum)
{
    *most = -INFINITY;
    *sum = 0;
    PYR_EACH_OF_BLOCK(i, (size_t)classes)
    {
        *most = fmaxf(*most, logits[i]);
    }
    *most = block_max(*most);
    PYR_EACH_OF_BLOCK(i, (size_t)classes)
    {
        *sum += expf(logits[i] - *most);
    }
    *sum = block_sum(*sum);
}

static __global__ void cross_entropy_kernel(float *loss, const float *logits, const uint32_t *label,
                                            const float *weight, int classes)
{
    size_t image = blockIdx.x;
    float most, sum;

    logits += image * classes;
    soft_sum(logits, classes, &most, &sum);
    if (threadIdx.x == 0)
        loss[image] = label[image] < (uint32_t)classes
                          ? weight[image] * (most - logits[label[image]] + logf(sum))
                          : NAN;
}

static pyr_status cross_entropy_forward(pyr_kernels *k, pyr_op *op)
{
    return PYR_LAUNCH_BLOCKS(k, cross_entropy_kernel, op->x[0].s.n, CLASS_THREADS, (float *)op->y.data,
                             (const float *)op->x[0].data, (const uint32_t *)op->x[1].data,
                             (const float *)op->x[2].data, op->x[0].s.c);
}

/* weight (softmax - one where the label is) */
static __global__ void cross_entropy_gradient_kernel(float *dx, bool add, const float *logits,
                                                     const uint32_t *label, const float *weight,
                                                     const float *dloss, int classes)
{
    size_t image = blockIdx.x;
    float most, sum, factor = label[image] < (uint32_t)classes ? dloss[image] * weight[image] : NAN;

    logits += image * classes;
    soft_sum(logits, classes, &most, &sum);
    PYR_EACH_OF_BLOCK(i, (size_t)classes)
    {
        float p = expf(logits[i] - most) / sum;

        put_or_add(floats(dx), image * classes + i, factor * (p - (i == label[image])), add);
    }
}

static pyr_status cross_entropy_backward(pyr_kernels *k, pyr_op *op)
{
    if (!op->dx[0])
        return PYR_OK;
    return PYR_LAUNCH_BLOCKS(k, cross_entropy_gradient_kernel, op->x[0].s.n, CLASS_THREADS,
                             (float *)op->dx[0], op->dx_add[0], (const float *)op->x[0].data,
                             (const uint32_t *)op->x[1].data, (const float *)op->x[2].data,
                             (const float *)op->dy, op->x[0].s.c);
}

/* A label out of range cannot be refused without waiting for the device: the image's loss, and its gradient,
 * are NaN (other tables: PYR_E_ARG); so an optimizer skips the step. */
const pyr_op_impl pyr_cuda_cross_entropy = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2,
                                            .forward = cross_entropy_forward,
                                            .backward = cross_entropy_backward};
