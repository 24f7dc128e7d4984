/* vector_cpu.c - flat vectors: one pass over the blocks of a parameter update. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { CHUNK = 32768 }; /* numbers a task takes: six arrays of it stay in a core's cache */

typedef struct update {
    float *value, *m, *v, *ema;
    const float *grad;
    size_t count;
    float clip, beta1, beta2, keep, step, root, eps, ema_rate;
} update;

static pyr_status update_chunk(void *arg, int task, int lane)
{
    const update u = *(const update *)arg; /* a copy: the loop's constants live in registers */
    size_t start = (size_t)task * CHUNK, n = u.count - start < CHUNK ? u.count - start : CHUNK;
    float *restrict value = u.value + start, *restrict m = u.m + start, *restrict v = u.v + start;
    float *restrict ema = u.ema ? u.ema + start : NULL;
    const float *restrict grad = u.grad + start;

    (void)lane;
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * u.clip;

        m[i] = u.beta1 * m[i] + (1 - u.beta1) * g;
        v[i] = u.beta2 * v[i] + (1 - u.beta2) * g * g;
        value[i] = u.keep * value[i] - u.step * m[i] / (sqrtf(v[i]) * u.root + u.eps);
    }
    if (ema)
        for (size_t i = 0; i < n; i++)
            ema[i] += u.ema_rate * (value[i] - ema[i]);
    return PYR_OK;
}

pyr_status pyr_cpu_adamw(pyr_kernels *k, const pyr_adamw *settings, pyr_step_state *state, void *value,
                         const void *grad, void *m, void *v, void *ema, size_t count)
{
    double rate = (double)state->learning_rate, t = (double)state->applied + 1;
    bool clipped = state->clip > 0 && state->grad_norm > state->clip;
    update u = {.value = value,
                .m = m,
                .v = v,
                .ema = ema,
                .grad = grad,
                .count = count,
                .clip = clipped ? state->clip / state->grad_norm : 1.0f,
                .beta1 = (float)settings->beta1,
                .beta2 = (float)settings->beta2,
                .keep = (float)(1 - rate * settings->weight_decay),
                .step = (float)(rate / (1 - pow(settings->beta1, t))),
                .root = (float)(1 / sqrt(1 - pow(settings->beta2, t))),
                .eps = (float)settings->eps,
                .ema_rate = state->ema_rate};

    if (!state->skip) {
        PYR_TRY(k->run_tasks(k, (int)((count + CHUNK - 1) / CHUNK), update_chunk, &u));
        state->applied++;
    }
    state->step++;
    return PYR_OK;
}

void pyr_cpu_combine(pyr_kernels *k, void *dst, int n, const double *coef, const void *const *src,
                     size_t count)
{
    float *out = dst; /* may be one of the sources: no restrict */

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
        for (size_t i = 0; i < count; i++)
            out[i] = ca * a[i];
        break;
    case 2:
        for (size_t i = 0; i < count; i++)
            out[i] = ca * a[i] + cb * b[i];
        break;
    case 3:
        for (size_t i = 0; i < count; i++)
            out[i] = ca * a[i] + cb * b[i] + cc * c[i];
        break;
    default:
        for (size_t i = 0; i < count; i++)
            out[i] = ca * a[i] + cb * b[i] + cc * c[i] + cd * d[i];
    }
}
