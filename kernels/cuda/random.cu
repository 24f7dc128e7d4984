/* random.cu - noise, dither and dropout from counter-based streams (base/philox.h): the CPU's integers. A
 * thread makes the four numbers of a block of the stream. */
#include "kernels/cuda/cuda.h"

typedef struct stream_at {
    uint64_t key;
    uint32_t index, step;
} stream_at;

static __device__ inline stream_at stream_of(const uint32_t *streams, size_t image)
{
    const uint32_t *words = streams + image * PYR_STREAM_WORDS;
    stream_at s;

    s.key = (uint64_t)words[1] << 32 | words[0];
    s.index = words[2];
    s.step = words[3];
    return s;
}

/* ---- normals ----------------------------------------------------------------------------------- */

static __global__ void normals_kernel(float *dst, const uint32_t *streams, uint32_t purpose, uint32_t index,
                                      uint32_t step, size_t each, size_t quads, size_t count)
{
    PYR_EACH(t, count)
    {
        size_t image = t / quads, q = t % quads;
        stream_at s = stream_of(streams, image);
        float four[4];

        pyr_normal4(s.key, (uint32_t)q, s.index + index, s.step + step, purpose, four);
        for (size_t e = 4 * q; e < each && e < 4 * q + 4; e++)
            dst[image * each + e] = four[e - 4 * q];
    }
}

static pyr_status normals(pyr_kernels *k, void *dst, int images, size_t each, const uint32_t *streams,
                          uint32_t purpose, uint32_t index, uint32_t step)
{
    size_t quads = fours(each), count = (size_t)images * quads;

    return PYR_LAUNCH(k, normals_kernel, count, (float *)dst, streams, purpose, index, step, each, quads,
                      count);
}

static void cuda_normals(pyr_kernels *k, void *dst, int images, size_t each, const uint32_t *streams,
                         uint32_t purpose, uint32_t index, uint32_t step)
{
    pyr_cuda_note(k, normals(k, dst, images, each, streams, purpose, index, step));
}

static pyr_status noise_forward(pyr_kernels *k, pyr_op *op)
{
    return normals(k, op->y.data, op->y.s.n, per_image(op->y.s), (const uint32_t *)op->x[0].data, op->purpose,
                   0, 0);
}

const pyr_op_impl pyr_cuda_noise = {.forward = noise_forward};

/* ---- dither ------------------------------------------------------------------------------------ */

static __global__ void dither_kernel(float *dst, const uint32_t *streams, uint32_t purpose, double half,
                                     size_t each, size_t quads, size_t count)
{
    PYR_EACH(t, count)
    {
        size_t image = t / quads, q = t % quads;
        stream_at s = stream_of(streams, image);
        pyr_rng4 r = pyr_philox(s.key, (uint32_t)q, s.index, s.step, purpose);

        for (size_t e = 4 * q; e < each && e < 4 * q + 4; e++)
            dst[image * each + e] += (float)(half * (2 * (double)pyr_uniform(r.v[e - 4 * q]) - 1));
    }
}

static void cuda_dither(pyr_kernels *k, void *dst, int images, size_t each, double half,
                        const uint32_t *streams, uint32_t purpose)
{
    size_t quads = fours(each), count = (size_t)images * quads;

    pyr_cuda_note(
        k, PYR_LAUNCH(k, dither_kernel, count, (float *)dst, streams, purpose, half, each, quads, count));
}

/* ---- dropout: the mask is drawn again in backward ------------------------------------------------ */

static __global__ void dropout_kernel(numbers dst, bool add, numbers src, const uint32_t *streams,
                                      uint32_t purpose, float rate, size_t each, size_t quads, size_t count)
{
    float factor = 1 / (1 - rate);

    PYR_EACH(t, count)
    {
        size_t image = t / quads, q = t % quads;
        stream_at s = stream_of(streams, image);
        pyr_rng4 r = pyr_philox(s.key, (uint32_t)q, s.index, s.step, purpose);

        for (size_t e = 4 * q; e < each && e < 4 * q + 4; e++) {
            size_t at = image * each + e;
            float value = pyr_uniform(r.v[e - 4 * q]) >= rate ? get(src, at) * factor : 0;

            put_or_add(dst, at, value, add);
        }
    }
}

static pyr_status dropout(pyr_kernels *k, const pyr_op *op, numbers dst, bool add, numbers src)
{
    size_t each = per_image(op->y.s), quads = fours(each), count = (size_t)op->y.s.n * quads;

    return PYR_LAUNCH(k, dropout_kernel, count, dst, add, src, (const uint32_t *)op->x[1].data, op->purpose,
                      op->rate, each, quads, count);
}

static pyr_status dropout_forward(pyr_kernels *k, pyr_op *op)
{
    return dropout(k, op, numbers_of(&op->y), false, numbers_of(&op->x[0]));
}

static pyr_status dropout_backward(pyr_kernels *k, pyr_op *op)
{
    if (!op->dx[0])
        return PYR_OK;
    return dropout(k, op, gradient_of(&op->x[0], op->dx[0]), op->dx_add[0], gradient_of(&op->y, op->dy));
}

const pyr_op_impl pyr_cuda_dropout = {
    .reads = PYR_READS_X1, .in_place = 1, .forward = dropout_forward, .backward = dropout_backward};

void pyr_cuda_fill_random(pyr_backend *b)
{
    b->normals = cuda_normals;
    b->dither = cuda_dither;
}
