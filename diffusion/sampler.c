#include "diffusion/sampler.h"

#include "base/mem.h"
#include "base/philox.h"
#include <assert.h>
#include <math.h>
#include <stddef.h>

const char *const pyr_sampler_names[] = {"heun", "euler", "euler-maruyama", NULL};

int pyr_sampler_nfe(const pyr_sampler *sampler)
{
    return sampler->kind == PYR_HEUN ? 2 * sampler->steps - 1 : sampler->steps;
}

void pyr_sampler_grid(const pyr_schedule *schedule, int steps, double *s)
{
    double lo = pyr_schedule_t_min(schedule), hi = pyr_schedule_t_max(schedule);

    for (int i = 0; i < steps; i++)
        s[i] = pyr_schedule_s(schedule, steps > 1 ? hi + (lo - hi) * i / (steps - 1) : hi);
    s[steps] = 0;
}

/* ---- working memory: three vectors per sample, then the streams ---- */

enum { VECTORS = 3 };

static size_t vector_bytes(const pyr_kernels *k, int n, size_t size)
{
    return pyr_aligned((size_t)n * size * pyr_type_size(k->real));
}

size_t pyr_sampler_work(const pyr_kernels *k, int n, size_t size)
{
    return VECTORS * vector_bytes(k, n, size) + (size_t)n * PYR_STREAM_WORDS * sizeof(uint32_t);
}

static void *vector(const pyr_sampling *w, int i)
{
    return (char *)w->work + (size_t)i * vector_bytes(w->k, w->n, w->size);
}

/* dst = normals of this step, one stream per sample */
static void noise(const pyr_sampling *w, void *dst, pyr_purpose purpose, int step)
{
    uint32_t *streams = vector(w, VECTORS);

    for (int i = 0; i < w->n; i++) {
        uint32_t words[PYR_STREAM_WORDS] = {(uint32_t)w->seeds[i], (uint32_t)(w->seeds[i] >> 32), 0,
                                            (uint32_t)step};

        w->k->upload(w->k, streams + i * PYR_STREAM_WORDS, words, sizeof words);
    }
    w->k->normals(w->k, dst, w->n, w->size, streams, pyr_rng_purpose(purpose, w->level));
}

static pyr_status denoise(const pyr_sampling *w, const void *x, double s, void *out)
{
    double all[PYR_MAX_SAMPLING_BATCH];

    for (int i = 0; i < w->n; i++)
        all[i] = s;
    return w->denoise(w->ctx, x, all, out);
}

/* dst = a x + b y */
static void mix(const pyr_sampling *w, void *dst, double a, const void *x, double b, const void *y)
{
    w->k->combine(w->k, dst, 2, (double[]){a, b}, (const void *const[]){x, y}, (size_t)w->n * w->size);
}

/* dst = a x + b y + c z */
static void mix3(const pyr_sampling *w, void *dst, double a, const void *x, double b, const void *y, double c,
                 const void *z)
{
    w->k->combine(w->k, dst, 3, (double[]){a, b, c}, (const void *const[]){x, y, z}, (size_t)w->n * w->size);
}

/* dx/ds = (x - D(x, s)) / s, so a step from s to r is x + (r - s)/s (x - D) = (r/s) x + (1 - r/s) D. */
static pyr_status ode_step(const pyr_sampling *w, void *x, double s, double r, bool second_order)
{
    void *d = vector(w, 0), *there = vector(w, 1), *d2 = vector(w, 2);

    PYR_TRY(denoise(w, x, s, d));
    if (!second_order || r == 0) {
        mix(w, x, r / s, x, 1 - r / s, d);
        return PYR_OK;
    }
    mix(w, there, r / s, x, 1 - r / s, d);
    PYR_TRY(denoise(w, there, r, d2));
    /* x + (r - s)/2 [(x - D)/s + (there - D2)/r], with `there` written out in x and D */
    double h = (r - s) / 2, slope = 1 / s, slope2 = 1 / r;
    mix3(w, x, 1 + h * (slope + slope2 * (r / s)), x, h * (-slope + slope2 * (1 - r / s)), d, -h * slope2,
         d2);
    return PYR_OK;
}

/* One step of the reverse SDE dz = (f z - g^2 score) dt + g dw backwards over dt = t - t', in z = alpha x. */
static pyr_status euler_maruyama_step(const pyr_sampling *w, const pyr_schedule *schedule, void *x, double s,
                                      double r, int step)
{
    void *d = vector(w, 0), *eps = vector(w, 1);

    PYR_TRY(denoise(w, x, s, d));
    if (r == 0) {
        w->k->copy(w->k, x, d, (size_t)w->n * w->size * pyr_type_size(w->k->real));
        return PYR_OK;
    }
    noise(w, eps, PYR_RNG_SAMPLER, step);
    if (schedule->family == PYR_VE) {
        /* time can be chosen freely: with t = s^2, g = 1 and the step has no error of its own in g */
        double dt = s * s - r * r, gain = dt / (s * s);

        mix3(w, x, 1 - gain, x, gain, d, sqrt(dt), eps);
    } else {
        double t = pyr_schedule_t(schedule, s), dt = t - pyr_schedule_t(schedule, r);
        double alpha = pyr_alpha(schedule->family, s), to = pyr_alpha(schedule->family, r);
        double f = pyr_drift(schedule, t), g2 = pyr_diffusion2(schedule, t), sigma = alpha * s;
        /* score = alpha (D - x) / sigma^2 in terms of x = z / alpha */
        double pull = g2 * dt * alpha / (sigma * sigma);

        mix3(w, x, (alpha - f * alpha * dt - pull) / to, x, pull / to, d, sqrt(g2 * dt) / to, eps);
    }
    return PYR_OK;
}

/* The prior: at s_max the data are lost in the noise, z_t ~ N(0, sigma^2), x = s eps (VP: z_t has unit
 * variance, which differs from it by less than 1/s^2). */
static void begin(const pyr_sampling *w, const pyr_schedule *schedule, double s, void *x)
{
    void *eps = vector(w, 0);

    if (w->start) {
        if (w->start != x)
            w->k->copy(w->k, x, w->start, (size_t)w->n * w->size * pyr_type_size(w->k->real));
        return;
    }
    noise(w, eps, PYR_RNG_PRIOR, 0);
    mix(w, x, schedule->family == PYR_VP ? sqrt(1 + s * s) : s, eps, 0, eps);
}

/* From r back to s: x = z + r eps becomes z + s eps', for every family. */
static void noise_back(const pyr_sampling *w, void *x, double r, double s, int step, int repeat)
{
    void *eps = vector(w, 1);

    noise(w, eps, PYR_RNG_REPEAT, step + PYR_MAX_STEPS * repeat);
    mix(w, x, 1, x, sqrt(s * s - r * r), eps);
}

pyr_status pyr_sample(const pyr_sampling *sampling, const pyr_sampler *sampler, const pyr_schedule *schedule,
                      void *x)
{
    double hi = pyr_schedule_t_max(schedule), lo = pyr_schedule_t_min(schedule);
    int steps = sampler->steps, repeats = sampling->repeats > 1 ? sampling->repeats : 1;
    double s = pyr_schedule_s(schedule, hi);

    assert(sampling->n <= PYR_MAX_SAMPLING_BATCH && steps >= 1);
    begin(sampling, schedule, s, x);
    for (int i = 0; i < steps; i++) {
        double r = 0;

        if (i + 1 < steps)
            r = pyr_schedule_s(schedule, hi + (lo - hi) * (i + 1) / (steps - 1));
        for (int repeat = 0; repeat < (r > 0 ? repeats : 1); repeat++) {
            if (repeat > 0)
                noise_back(sampling, x, r, s, i, repeat);
            if (sampler->kind == PYR_EULER_MARUYAMA)
                PYR_TRY(euler_maruyama_step(sampling, schedule, x, s, r, i + PYR_MAX_STEPS * repeat));
            else
                PYR_TRY(ode_step(sampling, x, s, r, sampler->kind == PYR_HEUN));
            if (sampling->after)
                PYR_TRY(sampling->after(sampling->after_ctx, i, r, x, vector(sampling, 0)));
        }
        s = r;
    }
    return PYR_OK;
}
