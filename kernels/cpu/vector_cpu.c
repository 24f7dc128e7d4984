/* vector_cpu.c - flat vectors: the gradient's norm and the update of the parameters, a pass each.
 *
 * Work is cut into chunks of a fixed size, never by the number of lanes, and their sums are added in the
 * order of chunks: the same bits for every number of lanes. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum {
    CHUNK = 32768,        /* numbers a task takes: the five arrays of an update stay in a core's cache */
    CHUNKS_A_ROUND = 256, /* partial sums of a norm */
    FEW = 2               /* so many chunks the caller does faster than other threads wake up */
};

static size_t chunks_of(size_t count)
{
    return (count + CHUNK - 1) / CHUNK;
}

static pyr_status run_chunks(pyr_kernels *k, size_t chunks, pyr_task run, void *arg)
{
    if (chunks > FEW)
        return pyr_run_tasks(k, (int)chunks, run, arg);
    for (int task = 0; task < (int)chunks; task++)
        PYR_TRY(run(arg, task, 0));
    return PYR_OK;
}

/* ---- norm -------------------------------------------------------------------------------------- */

typedef struct norm_round {
    const float *grad; /* at the round's first number */
    size_t count;      /* from there on */
    double partial[CHUNKS_A_ROUND];
} norm_round;

/* Four sums side by side, as one would wait for its own last addition. */
static double sum_of_squares(const float *x, size_t n)
{
    size_t part = n / 4;
    const float *x1 = x + part, *x2 = x1 + part, *x3 = x2 + part;
    double a = 0, b = 0, c = 0, d = 0;

#pragma omp simd reduction(+ : a, b, c, d)
    for (size_t i = 0; i < part; i++) {
        a += (double)x[i] * (double)x[i];
        b += (double)x1[i] * (double)x1[i];
        c += (double)x2[i] * (double)x2[i];
        d += (double)x3[i] * (double)x3[i];
    }
    for (size_t i = 4 * part; i < n; i++)
        a += (double)x[i] * (double)x[i];
    return (a + b) + (c + d);
}

static pyr_status norm_chunk(void *arg, int task, int lane)
{
    norm_round *round = arg;
    size_t start = (size_t)task * CHUNK, left = round->count - start;

    (void)lane;
    round->partial[task] = sum_of_squares(round->grad + start, left < CHUNK ? left : CHUNK);
    return PYR_OK;
}

pyr_status pyr_cpu_norm(pyr_kernels *k, const void *grad, size_t count, pyr_step_state *state)
{
    norm_round round;
    double total = 0;

    for (size_t start = 0; start < count; start += (size_t)CHUNK * CHUNKS_A_ROUND) {
        size_t chunks;

        round.grad = (const float *)grad + start;
        round.count = count - start;
        chunks = chunks_of(round.count);
        chunks = chunks < CHUNKS_A_ROUND ? chunks : CHUNKS_A_ROUND;
        PYR_TRY(run_chunks(k, chunks, norm_chunk, &round));
        for (size_t i = 0; i < chunks; i++)
            total += round.partial[i];
    }
    state->grad_norm = state->clip_norm = (float)sqrt(total);
    state->skip = !isfinite(state->grad_norm) || !isfinite(state->loss);
    return PYR_OK;
}

/* ---- AdamW ------------------------------------------------------------------------------------- */

typedef struct update {
    float *value, *m, *v, *ema;
    const float *grad;
    size_t count;
    float clip, beta1, beta2, keep, step, root, eps, ema_rate;
} update;

/* One number; returns its new value. */
static inline float update_one(const update *u, float value, float grad, float *m, float *v)
{
    float g = grad * u->clip;

    *m = u->beta1 * *m + (1 - u->beta1) * g;
    *v = u->beta2 * *v + (1 - u->beta2) * g * g;
    return u->keep * value - u->step * *m / (sqrtf(*v) * u->root + u->eps);
}

static pyr_status update_chunk(void *arg, int task, int lane)
{
    const update u = *(const update *)arg; /* a copy: the loop's constants live in registers */
    size_t start = (size_t)task * CHUNK, n = u.count - start < CHUNK ? u.count - start : CHUNK;
    float *restrict value = u.value + start, *restrict m = u.m + start, *restrict v = u.v + start;
    float *restrict ema = u.ema ? u.ema + start : NULL;
    const float *restrict grad = u.grad + start;

    (void)lane;
    if (!ema) {
        for (size_t i = 0; i < n; i++)
            value[i] = update_one(&u, value[i], grad[i], &m[i], &v[i]);
        return PYR_OK;
    }
    for (size_t i = 0; i < n; i++) {
        value[i] = update_one(&u, value[i], grad[i], &m[i], &v[i]);
        ema[i] += u.ema_rate * (value[i] - ema[i]);
    }
    return PYR_OK;
}

pyr_status pyr_cpu_adamw(pyr_kernels *k, const pyr_adamw *settings, pyr_step_state *state, void *value,
                         const void *grad, void *m, void *v, void *ema, size_t count)
{
    double rate = (double)state->learning_rate, t = (double)state->applied + 1;
    bool clipped = state->clip > 0 && state->clip_norm > state->clip;
    update u = {.value = value,
                .m = m,
                .v = v,
                .ema = ema,
                .grad = grad,
                .count = count,
                .clip = clipped ? state->clip / state->clip_norm : 1.0f,
                .beta1 = (float)settings->beta1,
                .beta2 = (float)settings->beta2,
                .keep = (float)(1 - rate * settings->weight_decay),
                .step = (float)(rate / (1 - pow(settings->beta1, t))),
                .root = (float)(1 / sqrt(1 - pow(settings->beta2, t))),
                .eps = (float)settings->eps,
                .ema_rate = (float)(1 / fmax(1, (double)state->ema_window * t))};

    if (!state->skip) {
        PYR_TRY(run_chunks(k, chunks_of(count), update_chunk, &u));
        state->applied++;
    }
    state->step++;
    return PYR_OK;
}

/* ---- linear combinations ----------------------------------------------------------------------- */

void pyr_cpu_combine(pyr_kernels *k, void *dst, int n, const double *coef, const void *const *src,
                     size_t count)
{
    float *out = dst; /* may be one of the sources: no restrict, but any order will do */

    (void)k;
    if (n == 0) {
        memset(out, 0, count * sizeof *out);
        return;
    }
    const float *a = src[0], *b = n > 1 ? src[1] : a, *c = n > 2 ? src[2] : a, *d = n > 3 ? src[3] : a;
    float ca = (float)coef[0], cb = n > 1 ? (float)coef[1] : 0;
    float cc = n > 2 ? (float)coef[2] : 0, cd = n > 3 ? (float)coef[3] : 0;
    switch (n) {
    case 1:
#pragma omp simd
        for (size_t i = 0; i < count; i++)
            out[i] = ca * a[i];
        break;
    case 2:
#pragma omp simd
        for (size_t i = 0; i < count; i++)
            out[i] = ca * a[i] + cb * b[i];
        break;
    case 3:
#pragma omp simd
        for (size_t i = 0; i < count; i++)
            out[i] = ca * a[i] + cb * b[i] + cc * c[i];
        break;
    default:
#pragma omp simd
        for (size_t i = 0; i < count; i++)
            out[i] = ca * a[i] + cb * b[i] + cc * c[i] + cd * d[i];
    }
}
