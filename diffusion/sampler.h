/* sampler.h - from noise to a sample, seen through a denoiser.
 *
 * A sampler knows vectors, a denoiser, a schedule and streams of noise, and nothing of images. It works on
 * x = z_t / alpha (see schedule.h), so that a denoiser is D(x, s) = E[z | z + s eps = x], for every family.
 * The density of x at noise level s has the score (D - x) / s^2; that of z_t is (D - x) / (alpha s^2). Every
 * sampler ends with a denoising step (Tweedie's formula) at s_min unless it is told not to: the sample is D,
 * and unbiased noise of size s_min does not stay in it.
 *
 * Each vector has its own stream: (its seed, the level, the step), and norms, step sizes and decisions are
 * each vector's own. A sample does not depend on which others are drawn with it.
 *
 * docs/samplers.md says what each costs and when to use which. */
#ifndef PYR_DIFFUSION_SAMPLER_H
#define PYR_DIFFUSION_SAMPLER_H

#include "diffusion/schedule.h"
#include "kernels/kernels.h"

typedef enum pyr_sampler_kind {
    /* one step from each noise level to the next; these can be predictors */
    PYR_HEUN,              /* probability-flow ODE, 2nd order (Karras et al. 2022, algorithms 1 and 2) */
    PYR_EULER,             /* the same, 1st order */
    PYR_EULER_MARUYAMA,    /* reverse SDE of the family (Song et al. 2021, equation 6) */
    PYR_REVERSE_DIFFUSION, /* the same, discretised as the forward process is (ibid., appendix E) */
    PYR_ANCESTRAL,         /* Ho et al. 2020, algorithm 2; for VE Song et al. 2021, appendix F */
    PYR_DDIM,              /* Song, Meng & Ermon 2021, equation 12 */
    /* the others */
    PYR_PREDICTOR_CORRECTOR, /* Song et al. 2021, algorithms 1 to 5 */
    PYR_RK45,                /* probability-flow ODE, adaptive; each vector its own steps (rk45.h) */
    PYR_DPMPP_2M,            /* Lu et al. 2022, "DPM-Solver++", algorithm 2 */
    PYR_DPMPP_2M_SDE,        /* its SDE variant (ibid.; k-diffusion's midpoint form) */
    PYR_ANNEALED_LANGEVIN,   /* Song & Ermon 2019, algorithm 1 */
    PYR_CONSISTENT_ANNEALED, /* Jolicoeur-Martineau et al. 2021 */
    PYR_PYRAMID_LANGEVIN,    /* Padova & Liu 2023, algorithm 1 */
    /* for exploration, at the one noise level s_min */
    PYR_ULA,  /* unadjusted Langevin algorithm */
    PYR_MALA, /* Metropolis-adjusted (Roberts & Tweedie 1996); needs a density */
    PYR_HMC   /* Hamiltonian Monte Carlo (Neal 2011) driven by the score; accepts or rejects where there is a
                 density, and always accepts otherwise */
} pyr_sampler_kind;

extern const char *const pyr_sampler_names[];   /* "heun", ..., in the order above; ends with NULL */
extern const char *const pyr_predictor_names[]; /* the first six */
extern const char *const pyr_start_names[];     /* "prior", "unit", "gaussian" */

typedef enum pyr_start {
    PYR_START_PRIOR,   /* x ~ N(0, s_max^2) (VE), N(0, 1 + s_max^2) (others: z_t has unit variance) */
    PYR_START_UNIT,    /* N(0, 1 + s_max^2) for every family: right for data of unit variance, so that s_max
                          need not be large */
    PYR_START_GAUSSIAN /* N(m, C + s_max^2) of a fit to the data (levels/gaussian.h): who has one gives it as
                          `start` of a pyr_sampling; without it as UNIT */
} pyr_start;

typedef struct pyr_sampler {
    int kind;  /* pyr_sampler_kind */
    int steps; /* >= 1: noise levels, from s_max down to s_min */
    /* Below, what the kinds named read. Zero is not always the usual value: see pyr_sampler_usual. */
    bool undenoised; /* leave out the last denoising step */
    int start;       /* pyr_start */
    double eta;      /* ddim, dpmpp-2m-sde: 0 none of its noise .. 1 all; consistent-annealed: the
                        part of the noise that a step takes away, 1 - gamma .. 1. < 0: the usual: 0,
                        1, and half-way between the ODE and ancestral sampling */
    double churn;    /* heun, euler: S_churn, S_tmin, S_tmax (0: no limit), S_noise of
                        the EDM paper */
    double churn_min, churn_max, churn_noise;
    int predictor;           /* predictor-corrector: a kind of the first six */
    int corrector_steps;     /* Langevin steps after each of the predictor's */
    double corrector_snr;    /* their signal-to-noise ratio, r */
    double tolerance;        /* rk45: relative and absolute, > 0 */
    int langevin_steps;      /* annealed-, pyramid-langevin, ula, mala, hmc: moves at each step, T */
    double langevin_epsilon; /* epsilon, see docs/samplers.md; 0: chosen */
    int hmc_leapfrogs;       /* leapfrog steps of a move */
} pyr_sampler;

/* The usual settings. */
pyr_sampler pyr_sampler_usual(pyr_sampler_kind kind, int steps);

/* PYR_E_CONFIG, with the setting's value and remedy, when they do not make sense together. */
pyr_status pyr_sampler_check(const pyr_sampler *sampler, const pyr_schedule *schedule);

/* Evaluations of the denoiser for one sample (repeats not counted). 0: not known before (rk45). */
int pyr_sampler_nfe(const pyr_sampler *sampler);

/* Whether its way depends on no number that comes back from the device, and is short enough to be kept, with
 * so many networks for an evaluation. */
bool pyr_sampler_recordable(const pyr_sampler *sampler, int networks);

/* "heun 18", "ddim 50 eta 0.5", "rk45 tolerance 0.001" */
void pyr_sampler_words(char *words, size_t size, const pyr_sampler *sampler);

/* The denoiser: out = D(x, s), n vectors of `size` numbers of the backend's real, s[n] host doubles. */
typedef pyr_status (*pyr_denoise)(void *ctx, const void *x, const double *s, void *out);

/* out[n] (host) = natural logarithm of the density of x at noise level s[n] (host), up to a constant. */
typedef pyr_status (*pyr_log_density)(void *ctx, const void *x, const double *s, double *out);

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
    int place;  /* pyramid-langevin: 1 at the coarsest level of the pyramid, 2 at the next, ...; 0 is 1 */
    /* mala, hmc: with density_ctx; NULL: not known */
    pyr_log_density density;
    void *density_ctx;
    /* What tasks add; zero otherwise. */
    const void *start;    /* n x size: x at the schedule's s_max; NULL: drawn */
    pyr_after_step after; /* with after_ctx. rk45 then halts at every noise level of the grid */
    void *after_ctx;
    int repeats; /* each step but the last is done so often, x being noised back in between (Lugmayr et al.
                    2022, RePaint, algorithm 1, U); 0 and 1: once. ula, mala, hmc: always once */
    /* D is pulled hard towards something given, as by the data of an inverse problem: it hardly follows x
     * along what is given, and far from there it is rough. Then no step looks ahead along differences of D or
     * lets its noise decide how far it goes: heun, dpmpp-2m, dpmpp-2m-sde, euler-maruyama and
     * reverse-diffusion (as predictors, too) solve the linear part of their equation exactly, and every step
     * is a mean of x and of D's, with weights from 0 to 1, plus noise - stable however long it is
     * (docs/samplers.md). */
    bool stiff;
    int *evaluations; /* n, host: of the denoiser for each vector, on return; NULL: not wanted */
    /* Where the whole way is kept as one recording (pyr_recorded), for the same pointers and settings with
     * other seeds; NULL: none is made. Only of a sampler that is recordable, with a denoiser that only
     * enqueues, and without `after` and repeats. */
    void **recording;
} pyr_sampling;

size_t pyr_sampler_work(const pyr_kernels *k, const pyr_sampler *sampler, int n, size_t size);

/* The noise levels of `steps` steps: steps values from s_max down to s_min, then 0, so steps + 1 in all.
 * Equal steps of t on the schedule's curve. (ula, mala and hmc stay at s_min instead.) */
void pyr_sampler_grid(const pyr_schedule *schedule, int steps, double *s);

/* Draw n samples into x (n x size). Failures of pyr_sampler_check, of the callbacks and of rk45;
 * PYR_E_CONFIG for mala without a density. */
pyr_status pyr_sample(const pyr_sampling *sampling, const pyr_sampler *sampler, const pyr_schedule *schedule,
                      void *x);

enum { PYR_MAX_STEPS = 10000, PYR_MAX_SAMPLING_BATCH = 4096 };

#endif
