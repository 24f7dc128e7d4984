/* sampler.h - from noise to a sample, seen through a denoiser.
 *
 * A sampler knows vectors, a denoiser, a schedule and streams of noise, and nothing of images. It works on
 * x = z_t / alpha (see schedule.h), so that a denoiser is D(x, s) = E[z | z + s eps = x], for every family;
 * the score of z_t is (D - x) / (alpha s^2). Every sampler ends with a denoising step (Tweedie's formula) at
 * s_min: the sample is D, and unbiased noise of size s_min does not stay in it.
 *
 * Each vector has its own stream: (its seed, the level, the step). A sample does not depend on which
 * others are drawn with it.
 */
#ifndef PYR_DIFFUSION_SAMPLER_H
#define PYR_DIFFUSION_SAMPLER_H

#include "diffusion/schedule.h"
#include "kernels/kernels.h"

typedef enum pyr_sampler_kind {
    PYR_HEUN,          /* probability-flow ODE, 2nd order (Karras et al. 2022, algorithm 1) */
    PYR_EULER,         /* the same, 1st order */
    PYR_EULER_MARUYAMA /* reverse SDE of the family (Song et al. 2021, equation 6) */
} pyr_sampler_kind;

extern const char *const pyr_sampler_names[]; /* "heun", "euler", "euler-maruyama" */

/* The denoiser: out = D(x, s), n vectors of `size` numbers of the backend's real, s[n] host doubles. */
typedef pyr_status (*pyr_denoise)(void *ctx, const void *x, const double *s, void *out);

/* After step `step`, when x has come to noise level s (0: it is the sample). May change x, as tasks do that
 * know a part of it. `denoised` is the estimate that the step was made with. */
typedef pyr_status (*pyr_after_step)(void *ctx, int step, double s, void *x, const void *denoised);

typedef struct pyr_sampling {
    pyr_kernels *k;
    int n;                 /* vectors */
    size_t size;           /* numbers in each */
    const uint64_t *seeds; /* n, host */
    int level;             /* keeps the levels' noise apart */
    pyr_denoise denoise;
    void *ctx;
    void *work; /* pyr_sampler_work bytes of backend memory */
    /* What tasks add; zero otherwise. */
    const void *start;    /* n x size: x at the schedule's s_max; NULL: drawn from the prior */
    pyr_after_step after; /* with after_ctx */
    void *after_ctx;
    int repeats; /* each step but the last is done so often, x being noised back in between (Lugmayr et al.
                    2022, RePaint, algorithm 1, U); 0 and 1: once */
} pyr_sampling;

typedef struct pyr_sampler {
    int kind;  /* pyr_sampler_kind */
    int steps; /* >= 1; Heun uses 2 steps - 1 evaluations, the others `steps` */
} pyr_sampler;

size_t pyr_sampler_work(const pyr_kernels *k, int n, size_t size);
/* Network evaluations of one sample. */
int pyr_sampler_nfe(const pyr_sampler *sampler);

/* The noise levels of `steps` steps: steps values from s_max down to s_min, then 0, so steps + 1 in all.
 * Equal steps of t on the schedule's curve. */
void pyr_sampler_grid(const pyr_schedule *schedule, int steps, double *s);

/* Draw n samples into x (n x size). Only the denoiser can fail. */
pyr_status pyr_sample(const pyr_sampling *sampling, const pyr_sampler *sampler, const pyr_schedule *schedule,
                      void *x);

enum { PYR_MAX_STEPS = 10000, PYR_MAX_SAMPLING_BATCH = 4096 };

#endif
