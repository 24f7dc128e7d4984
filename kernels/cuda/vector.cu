/* vector.cu - flat vectors: means, norms, AdamW, linear combinations, clamping, inner products.
 *
 * Sums are made in double: a part of the vector by each block, the parts in order by one. How a vector is cut
 * depends on its length alone. */
#include "kernels/cuda/cuda.h"

/* Elements that a block sums; a vector has at most PYR_CUDA_SUMS parts. */
enum { PART = 16384 };

static int parts_of(size_t count)
{
    size_t parts = (count + PART - 1) / PART;

    return parts < 1 ? 1 : parts < PYR_CUDA_SUMS ? (int)parts : PYR_CUDA_SUMS;
}

/* sums[block] = the sum of this block's part, squared or not. */
static __global__ void part_sums_kernel(double *sums, const float *values, size_t count, bool squared)
{
    double sum = 0;

    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count;
         i += gridDim.x * (size_t)blockDim.x)
        sum += squared ? (double)values[i] * (double)values[i] : (double)values[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        sums[blockIdx.x] = sum;
}

static __device__ double sum_of_parts(const double *sums, int parts)
{
    double sum = 0;

    for (int i = (int)threadIdx.x; i < parts; i += (int)blockDim.x)
        sum += sums[i];
    return block_sum(sum);
}

static pyr_status sum_parts(pyr_kernels *k, const void *values, size_t count, bool squared)
{
    return PYR_LAUNCH_BLOCKS(k, part_sums_kernel, parts_of(count), PYR_CUDA_THREADS, pyr_cuda_of(k)->sums,
                             (const float *)values, count, squared);
}

/* ---- mean -------------------------------------------------------------------------------------- */

static __global__ void mean_kernel(float *out, const double *sums, int parts, double factor, bool add)
{
    double sum = sum_of_parts(sums, parts);

    if (threadIdx.x == 0)
        *out = (float)((add ? (double)*out : 0) + factor * sum);
}

static pyr_status cuda_mean(pyr_kernels *k, float *out, const void *values, size_t count, double weight,
                            bool add)
{
    PYR_TRY(sum_parts(k, values, count, false));
    return PYR_LAUNCH_BLOCKS(k, mean_kernel, 1, PYR_CUDA_THREADS, out, pyr_cuda_of(k)->sums, parts_of(count),
                             weight / (double)count, add);
}

/* ---- norm -------------------------------------------------------------------------------------- */

static __global__ void norm_kernel(pyr_step_state *state, const double *sums, int parts)
{
    double sum = sum_of_parts(sums, parts);

    if (threadIdx.x == 0) {
        state->grad_norm = state->clip_norm = (float)sqrt(sum);
        state->skip = !isfinite(state->grad_norm) || !isfinite(state->loss);
    }
}

static pyr_status cuda_norm(pyr_kernels *k, const void *grad, size_t count, pyr_step_state *state)
{
    PYR_TRY(sum_parts(k, grad, count, true));
    return PYR_LAUNCH_BLOCKS(k, norm_kernel, 1, PYR_CUDA_THREADS, state, pyr_cuda_of(k)->sums,
                             parts_of(count));
}

typedef struct joined {
    pyr_step_state *at[PYR_MOST_JOINED];
} joined;

static __global__ void join_norms_kernel(joined states, int n)
{
    double sum = 0;
    unsigned skip = 0;

    if (blockIdx.x || threadIdx.x)
        return;
    for (int i = 0; i < n; i++) {
        sum += (double)states.at[i]->grad_norm * (double)states.at[i]->grad_norm;
        skip |= states.at[i]->skip;
    }
    for (int i = 0; i < n; i++) {
        states.at[i]->clip_norm = (float)sqrt(sum);
        states.at[i]->skip = skip;
    }
}

static pyr_status cuda_join_norms(pyr_kernels *k, pyr_step_state *const *states, int n)
{
    joined all;

    for (int i = 0; i < n; i++)
        all.at[i] = states[i];
    return PYR_LAUNCH(k, join_norms_kernel, 1, all, n);
}

/* ---- AdamW ------------------------------------------------------------------------------------- */

/* Updates counted, and what the next kernel needs of them left in `factors`. */
static __global__ void adamw_factors_kernel(adamw_factors *factors, pyr_step_state *state, pyr_adamw settings)
{
    if (blockIdx.x || threadIdx.x)
        return;
    *factors = adamw_of(&settings, state);
    state->step++;
    state->applied += !state->skip;
}

static __global__ void adamw_kernel(const adamw_factors *factors, const pyr_step_state *state, float *value,
                                    const float *grad, float *m, float *v, float *ema, size_t count)
{
    adamw_factors f = *factors;

    if (state->skip)
        return;
    PYR_EACH(i, count)
    {
        adamw_update(&f, grad[i], &value[i], &m[i], &v[i]);
        if (ema)
            ema[i] += f.ema_rate * (value[i] - ema[i]);
    }
}

static pyr_status cuda_adamw(pyr_kernels *k, const pyr_adamw *settings, pyr_step_state *state, void *value,
                             const void *grad, void *m, void *v, void *ema, size_t count)
{
    adamw_factors *factors = (adamw_factors *)pyr_cuda_of(k)->sums; /* the norm's sums have been read */

    PYR_TRY(PYR_LAUNCH(k, adamw_factors_kernel, 1, factors, state, *settings));
    return PYR_LAUNCH(k, adamw_kernel, count, factors, state, (float *)value, (const float *)grad, (float *)m,
                      (float *)v, (float *)ema, count);
}

/* ---- linear combinations ----------------------------------------------------------------------- */

enum { TERMS = 4 };

typedef struct terms {
    const float *src[TERMS];
    double coef[TERMS];
} terms;

static __global__ void combine_kernel(float *dst, terms t, int n, size_t count)
{
    PYR_EACH(i, count)
    {
        double sum = 0;

        for (int j = 0; j < n; j++)
            sum += t.coef[j] * (double)t.src[j][i];
        dst[i] = (float)sum;
    }
}

static void cuda_combine(pyr_kernels *k, void *dst, int n, const double *coef, const void *const *src,
                         size_t count)
{
    terms t = {{0}, {0}};

    for (int i = 0; i < n; i++) {
        t.src[i] = (const float *)src[i];
        t.coef[i] = coef[i];
    }
    pyr_cuda_note(k, PYR_LAUNCH(k, combine_kernel, count, (float *)dst, t, n, count));
}

static __global__ void clamp_kernel(float *x, float lo, float hi, size_t count)
{
    PYR_EACH(i, count) x[i] = x[i] < lo ? lo : x[i] > hi ? hi : x[i]; /* NaN stays */
}

static void cuda_clamp(pyr_kernels *k, void *dst, double lo, double hi, size_t count)
{
    pyr_cuda_note(k, PYR_LAUNCH(k, clamp_kernel, count, (float *)dst, (float)lo, (float)hi, count));
}

/* ---- inner products ---------------------------------------------------------------------------- */

/* sums[vector * parts + part] */
static __global__ void dots_kernel(double *sums, const float *a, const float *b, int parts, size_t size)
{
    size_t start = (size_t)(blockIdx.x / (unsigned)parts) * size, part = blockIdx.x % (unsigned)parts;
    double sum = 0;

    for (size_t i = part * blockDim.x + threadIdx.x; i < size; i += (size_t)parts * blockDim.x)
        sum += (double)a[start + i] * (double)b[start + i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        sums[blockIdx.x] = sum;
}

static pyr_status cuda_dots(pyr_kernels *k, double *out, const void *a, const void *b, int n, size_t size)
{
    enum { AT_ONCE = 256 }; /* parts on the stack */
    pyr_cuda *c = pyr_cuda_of(k);
    int parts = (int)((size + PART - 1) / PART), vectors;
    double part[AT_ONCE];

    parts = parts < 1 ? 1 : parts < AT_ONCE ? parts : AT_ONCE;
    vectors = AT_ONCE / parts;
    for (int first = 0; first < n; first += vectors) {
        int now = n - first < vectors ? n - first : vectors;

        PYR_TRY(PYR_LAUNCH_BLOCKS(k, dots_kernel, now * parts, PYR_CUDA_THREADS, c->sums,
                                  (const float *)a + (size_t)first * size,
                                  (const float *)b + (size_t)first * size, parts, size));
        pyr_download(k, part, c->sums, (size_t)(now * parts) * sizeof *part);
        PYR_TRY(pyr_sync(k));
        for (int i = 0; i < now; i++) {
            out[first + i] = 0;
            for (int p = 0; p < parts; p++)
                out[first + i] += part[i * parts + p];
        }
    }
    return PYR_OK;
}

void pyr_cuda_fill_vectors(pyr_backend *b)
{
    b->mean = cuda_mean;
    b->norm = cuda_norm;
    b->join_norms = cuda_join_norms;
    b->adamw = cuda_adamw;
    b->combine = cuda_combine;
    b->clamp = cuda_clamp;
    b->dots = cuda_dots;
}
