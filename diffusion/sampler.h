/* sampler.h - from noise to a sample, by way of a denoiser.
 *
 * A sampler knows vectors, a denoiser, a schedule and streams of noise, and nothing of images. It works on
 * x = z_t / alpha (schedule.h), so that for every family a denoiser is D(x, s) = E[z | z + s eps = x].
 * The density of x at noise level s has the score (D - x) / s^2; that of z_t is (D - x) / (alpha s^2). Every
 * sampler ends with a denoising step (Tweedie's formula) at s_min unless `undenoised` is set: the sample is D,
 * and unbiased noise of size s_min does not stay in it.
 *
 * Each vector has its own stream: (its seed, the level, the step), and norms, step sizes and decisions are
 * each vector's own. A sample does not depend on which others are drawn with it.
 *
 * What each sampler costs and when to use which: docs/samplers.md. How to add one: docs/howto.md. */
#ifndef PYR_DIFFUSION_SAMPLER_H
#define PYR_DIFFUSION_SAMPLER_H

#include "diffusion/schedule.h"
#include "kernels/kernels.h"

/* All samplers: constant, word, and the row that stands with the step in sampler_*.c, in the order of lists. A
 * PREDICTOR goes by x alone, not by earlier steps, and can be the predictor of predictor-corrector. */
#define PYR_SAMPLERS(PREDICTOR, SAMPLER)                                                                     \
    PREDICTOR(PYR_HEUN, "heun", pyr_row_heun)                                                                \
    PREDICTOR(PYR_EULER, "euler", pyr_row_euler)                                                             \
    PREDICTOR(PYR_EULER_MARUYAMA, "euler-maruyama", pyr_row_euler_maruyama)                                  \
    PREDICTOR(PYR_REVERSE_DIFFUSION, "reverse-diffusion", pyr_row_reverse_diffusion)                         \
    PREDICTOR(PYR_ANCESTRAL, "ancestral", pyr_row_ancestral)                                                 \
    PREDICTOR(PYR_DDIM, "ddim", pyr_row_ddim)                                                                \
    SAMPLER(PYR_PREDICTOR_CORRECTOR, "predictor-corrector", pyr_row_predictor_corrector)                     \
    SAMPLER(PYR_RK45, "rk45", pyr_row_rk45)                                                                  \
    SAMPLER(PYR_DPMPP_2M, "dpmpp-2m", pyr_row_dpmpp_2m)                                                      \
    SAMPLER(PYR_DPMPP_2M_SDE, "dpmpp-2m-sde", pyr_row_dpmpp_2m_sde)                                          \
    SAMPLER(PYR_UNIPC, "unipc", pyr_row_unipc)                                                               \
    SAMPLER(PYR_ANNEALED_LANGEVIN, "annealed-langevin", pyr_row_annealed_langevin)                           \
    SAMPLER(PYR_ANNEALED_MALA, "annealed-mala", pyr_row_annealed_mala)                                       \
    SAMPLER(PYR_ANNEALED_HMC, "annealed-hmc", pyr_row_annealed_hmc)                                          \
    SAMPLER(PYR_CONSISTENT_ANNEALED, "consistent-annealed", pyr_row_consistent_annealed)                     \
    SAMPLER(PYR_PYRAMID_LANGEVIN, "pyramid-langevin", pyr_row_pyramid_langevin)                              \
    SAMPLER(PYR_CONDITIONAL_LANGEVIN, "conditional-langevin", pyr_row_conditional_langevin)                  \
    SAMPLER(PYR_ULA, "ula", pyr_row_ula)                                                                     \
    SAMPLER(PYR_MALA, "mala", pyr_row_mala)                                                                  \
    SAMPLER(PYR_HMC, "hmc", pyr_row_hmc)

#define PYR_SAMPLER_CONSTANT(constant, word, row) constant,
typedef enum pyr_sampler_kind {
    PYR_SAMPLERS(PYR_SAMPLER_CONSTANT, PYR_SAMPLER_CONSTANT) PYR_SAMPLER_KINDS,
    PYR_IDENTITY = PYR_SAMPLER_KINDS /* a predictor alone: x stays as it is */
} pyr_sampler_kind;

extern const char *const pyr_sampler_names[];   /* by pyr_sampler_kind; ends with NULL */
extern const char *const pyr_predictor_names[]; /* those that can be predictors; ends with NULL */
extern const int pyr_predictor_kinds[];         /* the pyr_sampler_kind of each of these */

typedef enum pyr_corrector { PYR_CORRECT_LANGEVIN, PYR_CORRECT_HMC } pyr_corrector;

extern const char *const pyr_corrector_names[]; /* "langevin", "hmc" */

typedef enum pyr_start {
    PYR_START_PRIOR,
    PYR_START_UNIT,
    PYR_START_GAUSSIAN,
    PYR_START_UNIFORM,
    PYR_START_CLASS
} pyr_start;

extern const char *const pyr_start_names[]; /* "prior", "unit", "gaussian", "uniform", "class" */
extern const char *const pyr_start_help[];

/* Standard deviation of the numbers of x at noise level s that a start stands for, in data of unit variance. A
 * fit to the data (gaussian, class; levels/gaussian.h, class_fit.h) and the range of pixels (uniform) are the caller's: the `start`
 * of its pyr_sampling. */
double pyr_start_deviation(pyr_start start, pyr_family family, double s);

/* Of a step of ancestral sampling from s to r: what its noise has for variance (words: docs/samplers.md). */
typedef enum pyr_ancestral_variance {
    PYR_VARIANCE_POSTERIOR, /* beta~, that of q(x_r | x_s, z) */
    PYR_VARIANCE_FORWARD,   /* beta, that of the forward step */
    PYR_VARIANCE_ANALYTIC,  /* the best one for the true score, by the mean square of the network's */
    PYR_VARIANCE_OPTIMAL    /* the best one for the network as it is, by its squared error */
} pyr_ancestral_variance;

extern const char *const pyr_variance_names[],
    *const pyr_variance_help[]; /* by constant; the names end with NULL */

typedef struct pyr_sampler {
    int kind;  /* pyr_sampler_kind */
    int steps; /* >= 1: noise levels, from s_max down to s_min */
    /* Below, what some kinds read (flags of their rows). Zero is not always the usual value: see
     * pyr_sampler_usual. */
    bool undenoised; /* leave out the last denoising step */
    int start;       /* pyr_start */
    int variance;    /* pyr_ancestral_variance */
    double eta;      /* how much of its noise a step has, 0 .. 1; < 0: the usual of the kind */
    double churn;    /* S_churn, S_tmin, S_tmax (0: no limit), S_noise of the EDM paper */
    double churn_min, churn_max, churn_noise;
    int predictor;           /* pyr_sampler_kind of a PREDICTOR */
    int corrector;           /* pyr_corrector */
    int corrector_steps;     /* its moves after each of the predictor's steps */
    double corrector_snr;    /* signal-to-noise ratio r of a Langevin one */
    double tolerance;        /* of adaptive steps: relative and absolute, > 0 */
    int langevin_steps;      /* moves at each noise level or step, T */
    double langevin_epsilon; /* epsilon, see docs/samplers.md; 0: chosen */
    int hmc_leapfrogs;       /* leapfrog steps of a move */
} pyr_sampler;

/* The start of a sampler: its setting, or for `prior` the usual of its kind. */
pyr_start pyr_sampler_start(const pyr_sampler *sampler);

/* The usual settings. */
pyr_sampler pyr_sampler_usual(pyr_sampler_kind kind, int steps);

/* ---- what distinguishes the kinds -------------------------------------------------------------- */

typedef enum pyr_sampler_flag {
    PYR_SAMPLER_CHURN = 1,     /* reads churn*: noise before each step, the last one included */
    PYR_SAMPLER_ETA = 2,       /* reads eta */
    PYR_SAMPLER_MOVES = 4,     /* reads langevin_steps and langevin_epsilon */
    PYR_SAMPLER_CORRECTS = 8,  /* reads predictor and corrector_*: a predictor's step, then corrections */
    PYR_SAMPLER_ADAPTIVE = 16, /* reads tolerance: solves to it in one step of many evaluations */
    PYR_SAMPLER_ODE = 32, /* solves the ODE: no noise of its own, unless it has churn or an eta above 0 */
    PYR_SAMPLER_ONE_LEVEL = 64, /* begins and stays at the one noise level s_min: explores it */
    PYR_SAMPLER_UNIFORM = 128,  /* its usual start is uniform over the range of pixels */
    PYR_SAMPLER_HOST = 256      /* goes by numbers that come back from the device, so it cannot be recorded */
} pyr_sampler_flag;

struct pyr_sampler_state; /* sampler_internal.h */

typedef struct pyr_sampler_row {
    /* x from noise level s to r, 0 < r <= s; the last step, to 0, is the denoising step of all kinds. */
    pyr_status (*step)(struct pyr_sampler_state *state);
    /* At s_max, before the first step, which goes to `next`; costs as much as a step. NULL: nothing. */
    pyr_status (*begin)(struct pyr_sampler_state *state, double next);
    /* Of the denoiser, in a step; NULL: 1. */
    int (*evaluations)(const pyr_sampler *sampler);
    /* PYR_E_CONFIG with the setting's value and remedy; NULL: nothing to check. */
    pyr_status (*check)(const pyr_sampler *sampler, const pyr_schedule *schedule);
    int vectors;    /* of working memory: how many of d, v1, ... it uses, at least 2 */
    unsigned flags; /* pyr_sampler_flag */
    /* Columns of docs/samplers.md: settings besides those of the flags (NULL: none), evaluations in all, what a
     * step is, where it is from. */
    const char *settings, *cost, *help, *source;
} pyr_sampler_row;

const pyr_sampler_row *pyr_sampler_row_of(int kind);
bool pyr_sampler_has(const pyr_sampler *sampler, pyr_sampler_flag flag);
/* Whether a sample follows from its start alone, as a solution of the ODE does: with its churn and eta. */
bool pyr_sampler_solves_ode(const pyr_sampler *sampler);
/* "heun, euler or rk45": those with the flag. */
void pyr_sampler_list(char *words, size_t size, pyr_sampler_flag flag);
/* The settings that a kind reads, "churn, churn_min"; "" when it reads none of its own. */
void pyr_sampler_settings(char *words, size_t size, int kind);

/* Whether its variance has to be known by measurement: the `left` of pyr_sampling. */
bool pyr_sampler_measured(const pyr_sampler *sampler);

/* PYR_E_CONFIG, with the setting's value and remedy, when they do not make sense together. */
pyr_status pyr_sampler_check(const pyr_sampler *sampler, const pyr_schedule *schedule);

/* Evaluations of the denoiser for one sample (repeats not counted). 0: not known before (adaptive). */
int pyr_sampler_nfe(const pyr_sampler *sampler);

/* Whether its steps can be recorded: they depend on no number that comes back from the device, and, with
 * `networks` networks for an evaluation, are few enough. */
bool pyr_sampler_recordable(const pyr_sampler *sampler, int networks);

/* "heun 18", "ddim 50 eta 0.5", "rk45 tolerance 0.001" */
void pyr_sampler_words(char *words, size_t size, const pyr_sampler *sampler);

/* ---- drawing ----------------------------------------------------------------------------------- */

/* The denoiser: out = D(x, s), n vectors of `size` numbers of the backend's real, s[n] host doubles. */
typedef pyr_status (*pyr_denoise)(void *ctx, const void *x, const double *s, void *out);

/* Between two moves that a sampler makes at one noise level s > 0. May change x, as pyr_after_step may. */
typedef pyr_status (*pyr_after_move)(void *ctx, double s, void *x);

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
    int place; /* pyramid- and conditional-langevin: 1 at the coarsest level of the pyramid, 2 at the next, ...; 0 is 1 */
    /* mala, hmc and their like: with density_ctx; NULL: not known, they accept by the score alone */
    pyr_log_density density;
    void *density_ctx;
    /* ancestral with variance analytic or optimal: what is left, in the mean of x at noise level s and of all numbers, of
     * the variance of z when x is known; NULL: not known */
    double (*left)(void *ctx, double s);
    void *left_ctx;
    /* What tasks add; zero otherwise. */
    const void *start; /* n x size: x at pyr_sampler_first_level; NULL: drawn */
    /* An adaptive sampler then stops at every noise level of the grid. */
    pyr_after_step after;
    void *after_ctx;
    pyr_after_move moved; /* with after_ctx: after every move of Langevin dynamics, HMC and correctors but the
                             last of a step, which `after` follows; NULL: none */
    int repeats; /* each step but the last is done so often, x being noised back in between (Lugmayr et al.
                    2022, RePaint, algorithm 1, U); 0 and 1: once. At one noise level always once */
    /* D is pulled hard towards something given, as by the data of an inverse problem: it hardly follows x
     * along what is given, and is rough far from there. Then no step extrapolates along differences of D, nor
     * lets its noise decide how far it goes: those that do otherwise solve the linear part of their equation
     * exactly, and every step is a mean of x and of D's, with weights from 0 to 1, plus noise: stable however
     * long it is (docs/tasks.md). */
    bool stiff;
    int *evaluations; /* n, host: of the denoiser for each vector, on return; NULL: not wanted */
    /* Where all steps are kept as one recording (pyr_recorded), for the same pointers and settings with other
     * seeds; NULL: none is made. Only of a sampler that is recordable, with a denoiser that only enqueues, and
     * without `after` and repeats. */
    void **recording;
} pyr_sampling;

size_t pyr_sampler_work(const pyr_kernels *k, const pyr_sampler *sampler, int n, size_t size);

/* The noise levels of `steps` steps: steps values from s_max down to s_min, then 0, so steps + 1 in all.
 * Equal steps of t on the schedule's curve. */
void pyr_sampler_grid(const pyr_schedule *schedule, int steps, double *s);

/* The noise level that x begins at: the schedule's s_max, or the one level of those that stay there. */
double pyr_sampler_first_level(const pyr_sampler *sampler, const pyr_schedule *schedule);

/* Draw n samples into x (n x size). Failures of pyr_sampler_check, of the callbacks and of rk45. */
pyr_status pyr_sample(const pyr_sampling *sampling, const pyr_sampler *sampler, const pyr_schedule *schedule,
                      void *x);

enum { PYR_MAX_STEPS = 10000, PYR_MAX_SAMPLING_BATCH = 4096 };

#endif
