/* cuda.h - what the CUDA sources share: the backend's state, launching, images of two types, sums over a
 * block.
 *
 * CUDA C, as plain as C++ lets it be: no classes, no library. Every kernel is right for any number of blocks
 * and threads: work is taken in strides (PYR_EACH), so that the tests can run it with one thread
 * (tests/cuda). Kernels whose threads meet (block_sum, __syncthreads) are launched with PYR_LAUNCH_BLOCKS,
 * the others with PYR_LAUNCH. All work goes into one stream; nothing waits but sync, wait and dots.
 *
 * Sums are made in a fixed order: no atomics. The same call gives the same bits. */
#ifndef PYR_KERNELS_CUDA_CUDA_H
#define PYR_KERNELS_CUDA_CUDA_H

#include <cuda_runtime.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

extern "C" {
#include "base/philox.h"
#include "kernels/kernels.h"
}

#define REAL float
#define MATH(function) function##f
#include "kernels/ref/element_tmpl.h"

/* ---- the backend's state ----------------------------------------------------------------------- */

typedef struct pyr_cuda_libraries pyr_cuda_libraries; /* libraries.h: cuDNN and cuBLAS */

typedef struct pyr_cuda {
    int device, major, minor; /* number, compute capability */
    size_t memory;            /* of the device, bytes */
    int processors;           /* streaming multiprocessors */
    char name[256];
    char measurable[320], words[320];
    cudaStream_t stream;
    cudaEvent_t mark[PYR_MARKS]; /* NULL: never set */
    cudaGraphExec_t *recordings;
    int n_recordings, recording_room;
    pyr_status failed; /* of a function that returns nothing: sync and record_end say it */
    char sentence[512];
    double *sums; /* device: partial sums of norm, mean and dots, PYR_CUDA_SUMS */
    pyr_cuda_libraries *libraries;
} pyr_cuda;

enum { PYR_CUDA_SUMS = 4096, PYR_CUDA_THREADS = 256 };

static inline pyr_cuda *pyr_cuda_of(const pyr_kernels *k)
{
    return (pyr_cuda *)k->ctx;
}

/* PYR_OK, or PYR_E_DEVICE with the runtime's words behind `what`. */
pyr_status pyr_cuda_check(cudaError_t error, const char *what);
/* For functions that return nothing: the first failure is kept until sync or record_end. */
void pyr_cuda_note(pyr_kernels *k, pyr_status status);

/* How long run(arg) takes on the device: the least of several measurements, after it has run once. */
pyr_status pyr_cuda_seconds(pyr_kernels *k, pyr_status (*run)(void *arg), void *arg, double *seconds);

/* ---- launching --------------------------------------------------------------------------------- */

#ifdef __CUDACC__
#define PYR_RUN(stream, kernel, blocks, threads, independent, ...)                                           \
    kernel<<<blocks, threads, 0, stream>>>(__VA_ARGS__)
#else
#define PYR_RUN(stream, kernel, blocks, threads, independent, ...)                                           \
    pyr_fake_run(stream, #kernel, blocks, threads, independent, kernel, __VA_ARGS__)
#endif

/* Blocks for `count` pieces of work, a thread each, up to what the device can hold several times over. */
static inline unsigned pyr_cuda_blocks(const pyr_kernels *k, size_t count)
{
    size_t blocks = (count + PYR_CUDA_THREADS - 1) / PYR_CUDA_THREADS,
           most = (size_t)pyr_cuda_of(k)->processors * 32;

    return (unsigned)(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

/* A status. `count` pieces of work, each by one thread: the kernel strides with PYR_EACH. */
#define PYR_LAUNCH(k, kernel, count, ...)                                                                    \
    (PYR_RUN(pyr_cuda_of(k)->stream, kernel, pyr_cuda_blocks(k, count), PYR_CUDA_THREADS, true,              \
             __VA_ARGS__),                                                                                   \
     pyr_cuda_check(cudaGetLastError(), #kernel))
/* A status. Exactly `blocks` blocks (1 .. 2^31 - 1) of `threads` (a multiple of 32, up to 1024) that meet. */
#define PYR_LAUNCH_BLOCKS(k, kernel, blocks, threads, ...)                                                   \
    (PYR_RUN(pyr_cuda_of(k)->stream, kernel, (unsigned)(blocks), (unsigned)(threads), false, __VA_ARGS__),   \
     pyr_cuda_check(cudaGetLastError(), #kernel))

/* for each i < count that is this thread's, over all blocks */
#define PYR_EACH(i, count)                                                                                   \
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < (count);                              \
         i += gridDim.x * (size_t)blockDim.x)
/* for each i < count that is this thread's, within its block */
#define PYR_EACH_OF_BLOCK(i, count) for (size_t i = threadIdx.x; i < (count); i += blockDim.x)

/* Before a loop of few passes with a branch in it, so that the numbers that it counts through stay in
 * registers; before a loop that reads much, so that four passes wait for memory at once. */
#ifdef __CUDACC__
#define PYR_UNROLL _Pragma("unroll")
#define PYR_UNROLL_BY_4 _Pragma("unroll 4")
#else
#define PYR_UNROLL
#define PYR_UNROLL_BY_4
#endif

/* ---- images of floats or bf16 ------------------------------------------------------------------- */

typedef unsigned short bf16;

/* Numbers of a tensor, read and written as floats. Passed to kernels by value. */
typedef struct numbers {
    void *data;
    int half; /* bf16 */
} numbers;

static inline numbers numbers_of(const pyr_tensor *t)
{
    numbers n = {t->data, t->type == PYR_BF16};

    return n;
}

/* A gradient has its value's type. */
static inline numbers gradient_of(const pyr_tensor *t, const void *gradient)
{
    numbers n = {(void *)gradient, t->type == PYR_BF16};

    return n;
}

static __host__ __device__ inline numbers floats(const void *data)
{
    numbers n = {(void *)data, 0};

    return n;
}

static __host__ __device__ inline float widen(bf16 value)
{
    union {
        unsigned bits;
        float number;
    } u;

    u.bits = (unsigned)value << 16;
    return u.number;
}

/* Round to nearest even; NaN stays NaN. */
static __host__ __device__ inline bf16 narrow(float value)
{
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
    bf16 out;

    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out) : "f"(value));
    return out;
#else
    union {
        float number;
        unsigned bits;
    } u;

    u.number = value;
    if ((u.bits & 0x7FFFFFFFu) > 0x7F800000u)
        return (bf16)(u.bits >> 16 | 0x40u);
    return (bf16)((u.bits + 0x7FFFu + (u.bits >> 16 & 1)) >> 16);
#endif
}

static __device__ inline float get(numbers t, size_t i)
{
    return t.half ? widen(((const bf16 *)t.data)[i]) : ((const float *)t.data)[i];
}

static __device__ inline void put(numbers t, size_t i, float value)
{
    if (t.half)
        ((bf16 *)t.data)[i] = narrow(value);
    else
        ((float *)t.data)[i] = value;
}

/* t[i] = value, or t[i] += value */
static __device__ inline void put_or_add(numbers t, size_t i, float value, bool add)
{
    put(t, i, add ? get(t, i) + value : value);
}

/* Four at a time: i is a multiple of 4, tensors begin at multiples of 64 bytes. `n`: how many there are (1 ..
 * 4); what lies beyond is 0. */
static __device__ inline void get4(numbers t, size_t i, int n, float out[4])
{
    if (n < 4) {
        PYR_UNROLL
        for (int j = 0; j < 4; j++)
            out[j] = j < n ? get(t, i + j) : 0;
    } else if (t.half) {
        uint2 two = *(const uint2 *)((const bf16 *)t.data + i);

        out[0] = widen((bf16)two.x);
        out[1] = widen((bf16)(two.x >> 16));
        out[2] = widen((bf16)two.y);
        out[3] = widen((bf16)(two.y >> 16));
    } else {
        float4 four = *(const float4 *)((const float *)t.data + i);

        out[0] = four.x;
        out[1] = four.y;
        out[2] = four.z;
        out[3] = four.w;
    }
}

static __device__ inline void put4(numbers t, size_t i, int n, const float in[4])
{
    if (n < 4) {
        PYR_UNROLL
        for (int j = 0; j < 4; j++)
            if (j < n)
                put(t, i + j, in[j]);
    } else if (t.half) {
        uint2 two;

        two.x = narrow(in[0]) | (unsigned)narrow(in[1]) << 16;
        two.y = narrow(in[2]) | (unsigned)narrow(in[3]) << 16;
        *(uint2 *)((bf16 *)t.data + i) = two;
    } else {
        float4 four;

        four.x = in[0];
        four.y = in[1];
        four.z = in[2];
        four.w = in[3];
        *(float4 *)((float *)t.data + i) = four;
    }
}

static __device__ inline void put4_or_add(numbers t, size_t i, int n, const float in[4], bool add)
{
    float sum[4];

    if (!add) {
        put4(t, i, n, in);
        return;
    }
    get4(t, i, n, sum);
    for (int j = 0; j < 4; j++)
        sum[j] += in[j];
    put4(t, i, n, sum);
}

/* for each run of four of `count` numbers that is this thread's: i its first, n how many it has */
#define PYR_EACH4(i, n, count)                                                                               \
    for (size_t i = 4 * (blockIdx.x * (size_t)blockDim.x + threadIdx.x), n = 0;                              \
         i < (count) && ((n = (count)-i < 4 ? (count)-i : 4), true);                                         \
         i += 4 * (gridDim.x * (size_t)blockDim.x))

static inline size_t fours(size_t count)
{
    return (count + 3) / 4;
}

/* A number of some images of `each` numbers, and on to those behind it. */
typedef struct walk {
    size_t image, left; /* left: of the image, this one included */
    int c;              /* channel */
} walk;

static __device__ inline walk walk_from(size_t i, size_t each, int channels)
{
    walk w = {i / each, each - i % each, (int)(i % channels)};

    return w;
}

static __device__ inline void walk_on(walk *w, size_t each, int channels)
{
    if (++w->c == channels)
        w->c = 0;
    if (--w->left == 0) {
        w->image++;
        w->left = each;
    }
}

/* ---- sums over a block --------------------------------------------------------------------------- */

/* The sum over the threads of a block, known to all of them; the order depends on the number of threads
 * alone. Each thread of the block must call it. T: float or double. */
template <class T> static __device__ inline T block_sum(T value)
{
    __shared__ T of_warp[32];
    unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = (blockDim.x + 31) / 32;
    T sum = 0;

    for (int step = blockDim.x < 32 ? 0 : 16; step; step /= 2) /* one thread has no neighbours */
        value += __shfl_xor_sync(0xFFFFFFFFu, value, step);
    __syncthreads(); /* an earlier sum has been read */
    if (lane == 0)
        of_warp[warp] = value;
    __syncthreads();
    for (unsigned w = 0; w < warps; w++)
        sum += of_warp[w];
    return sum;
}

template <class T> static __device__ inline T block_max(T value)
{
    __shared__ T of_warp[32];
    unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = (blockDim.x + 31) / 32;
    T most;

    for (int step = blockDim.x < 32 ? 0 : 16; step; step /= 2) {
        T other = __shfl_xor_sync(0xFFFFFFFFu, value, step);

        value = other > value ? other : value;
    }
    __syncthreads();
    if (lane == 0)
        of_warp[warp] = value;
    __syncthreads();
    most = of_warp[0];
    for (unsigned w = 1; w < warps; w++)
        most = of_warp[w] > most ? of_warp[w] : most;
    return most;
}

/* ---- rows and functions, by file -------------------------------------------------------------------- */

/* conv2d.cu, linear.cu, attention.cu */
extern const pyr_op_impl pyr_cuda_conv2d, pyr_cuda_linear, pyr_cuda_attention;
/* elementwise.cu */
extern const pyr_op_impl pyr_cuda_activation, pyr_cuda_add, pyr_cuda_add_channel, pyr_cuda_scale_shift,
    pyr_cuda_mix, pyr_cuda_divide, pyr_cuda_affine;
/* rearrange.cu */
extern const pyr_op_impl pyr_cuda_concat, pyr_cuda_upsample, pyr_cuda_mean2, pyr_cuda_pool2d,
    pyr_cuda_unshuffle, pyr_cuda_shuffle;
/* group_norm.cu */
extern const pyr_op_impl pyr_cuda_group_norm;
/* random.cu, embed.cu, loss.cu */
extern const pyr_op_impl pyr_cuda_noise, pyr_cuda_dropout, pyr_cuda_embed, pyr_cuda_time_positional,
    pyr_cuda_time_fourier, pyr_cuda_squared_error, pyr_cuda_cross_entropy;

/* The sum over groups of accumulators that lie in the parameters' order: what collect is for most rows. */
pyr_status pyr_cuda_collect(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                            void *const dparam[PYR_OP_PARAMS]);
/* out[g][j] = (add ? out[g][j] : 0) + scale * the sum over the rows of group g of in (groups x rows x c), in
 * several passes; `partial`: device memory, pyr_cuda_sums_bytes. column_sums.cu */
size_t pyr_cuda_sums_bytes(size_t groups, size_t rows, size_t c);
pyr_status pyr_cuda_sums(pyr_kernels *k, float *out, bool add, float scale, numbers in, size_t groups,
                         size_t rows, size_t c, void *partial);
/* The same of one group. */
size_t pyr_cuda_column_bytes(size_t rows, int c);
pyr_status pyr_cuda_column_sums(pyr_kernels *k, float *out, bool add, numbers in, size_t rows, int c,
                                float *partial);

/* Slots of the backend's table, while it is made. */
void pyr_cuda_fill_vectors(
    pyr_backend *b); /* vector.cu: norm, join_norms, mean, adamw, combine, clamp, dots */
void pyr_cuda_fill_random(pyr_backend *b); /* random.cu: normals, dither */
void pyr_cuda_fill_images(pyr_backend *b); /* images.cu: pixels, resample, haar_split, haar_merge */

#endif
