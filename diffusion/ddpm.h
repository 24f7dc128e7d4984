/* ddpm.h - discrete-time diffusion as DDPM trains it and diffusers' schedulers sample it.
 *
 *     z_t = sqrt(abar_t) z + sqrt(1 - abar_t) eps,   abar_t = prod_{i <= t} (1 - beta_i),   t = 0 .. T - 1
 *
 * (Ho et al. 2020, "Denoising diffusion probabilistic models", equation 4; Song et al. 2021, "Denoising
 * diffusion implicit models", equation 12; huggingface/diffusers, schedulers/scheduling_ddpm.py and
 * scheduling_ddim.py, whose choices of detail these are.) Computed in double, but abar is rounded to float as
 * the library's is, so that steps agree where 1 - abar is small.
 *
 * A step of either sampler is one set of coefficients:
 *
 *     x0 = x0_x x + x0_model m, clamped;      x' = to_x0 x0 + to_x x + to_model m + to_noise z
 *
 * with x at time t, the network's answer m = m(x, t), and normals z. */
#ifndef PYR_DIFFUSION_DDPM_H
#define PYR_DIFFUSION_DDPM_H

#include "kernels/kernels.h"

typedef enum pyr_betas {
    PYR_BETAS_LINEAR,         /* beta from start to end in equal steps */
    PYR_BETAS_SCALED_LINEAR,  /* sqrt(beta) does so */
    PYR_BETAS_SQUARED_COSINE, /* abar(u) ~ cos^2((u + 0.008) / 1.008 pi/2), beta <= 0.999 (Nichol 2021) */
    PYR_BETAS_SIGMOID,        /* beta from start to end along a sigmoid from -6 to 6 */
    PYR_BETAS_TRAINED         /* given as a list */
} pyr_betas;

typedef enum pyr_predicts { PYR_PREDICTS_EPSILON, PYR_PREDICTS_SAMPLE, PYR_PREDICTS_V } pyr_predicts;

/* Of DDPM's step: that of q(x_{t-1} | x_t, x_0), called beta~, or beta; or what the network gives of it, number by
 * number: the variance itself, or v, -1 for beta~ and 1 for beta, the logarithm in between (Nichol & Dhariwal 2021,
 * "Improved denoising diffusion probabilistic models", equation 15, with v from -1 to 1 as the library has it). */
typedef enum pyr_step_variance {
    PYR_FIXED_SMALL,
    PYR_FIXED_LARGE,
    PYR_LEARNED,
    PYR_LEARNED_RANGE
} pyr_step_variance;
static inline bool pyr_variance_is_learned(int variance_type)
{
    return variance_type >= PYR_LEARNED;
}

typedef enum pyr_spacing { PYR_LEADING, PYR_TRAILING, PYR_LINSPACE } pyr_spacing;

/* The words of scheduler_config.json, NULL at the end. */
extern const char *const pyr_betas_words[];         /* linear, scaled_linear, squaredcos_cap_v2, sigmoid */
extern const char *const pyr_predicts_words[];      /* epsilon, sample, v_prediction */
extern const char *const pyr_step_variance_words[]; /* fixed_small, fixed_large, learned, learned_range */
extern const char *const pyr_spacing_words[];       /* leading, trailing, linspace */

enum { PYR_MAX_TIMESTEPS = 100000 };

/* Names are those of scheduler_config.json. */
typedef struct pyr_ddpm_config {
    int num_train_timesteps; /* T, 1..PYR_MAX_TIMESTEPS */
    int beta_schedule;       /* pyr_betas */
    double beta_start, beta_end;
    double *trained_betas; /* T of them, for PYR_BETAS_TRAINED; whoever fills this frees it */
    bool rescale_betas_zero_snr;
    int prediction_type; /* pyr_predicts */
    int variance_type;   /* pyr_step_variance */
    bool clip_sample;    /* x0 to +- clip_sample_range */
    double clip_sample_range;
    int timestep_spacing;  /* pyr_spacing */
    int steps_offset;      /* leading: added to each */
    bool set_alpha_to_one; /* DDIM: the last step goes to abar = 1, otherwise to abar_0 */
} pyr_ddpm_config;

/* What the library takes for a key that is absent. */
void pyr_ddpm_config_default(pyr_ddpm_config *out);
/* PYR_E_CONFIG with a sentence for what is out of range or contradicts. */
pyr_status pyr_ddpm_config_check(const pyr_ddpm_config *config);

typedef struct pyr_ddpm {
    pyr_ddpm_config config; /* trained_betas is NULL here */
    double *abar;           /* T; owned */
} pyr_ddpm;

/* Checks the configuration. PYR_E_CONFIG, PYR_E_NOMEM. */
pyr_status pyr_ddpm_new(pyr_ddpm *out, const pyr_ddpm_config *config);
void pyr_ddpm_free(pyr_ddpm *d); /* no-op on {0} */

/* The times of `steps` steps, falling, into t[steps]. PYR_E_ARG when there are not so many. */
pyr_status pyr_ddpm_timesteps(const pyr_ddpm *d, int steps, int *t);

typedef struct pyr_ddpm_step {
    double x0_x, x0_model, clip; /* clip 0: none */
    double to_x0, to_x, to_model, to_noise;
    int variance; /* pyr_step_variance; learned: to_noise is 1, of noise scaled by pyr_ddpm_scale_noise */
    double log_small, log_large; /* learned_range: logarithms of beta~ and beta */
} pyr_ddpm_step;

/* DDPM (Ho et al. 2020, algorithm 2) from t to the earlier time `to`; -1: to the sample itself. */
pyr_ddpm_step pyr_ddpm_step_to(const pyr_ddpm *d, int t, int to);
/* DDIM (Song et al. 2021, equations 12 and 16), `to` < 0 likewise; eta 0: no noise, 1: DDPM's variance. */
pyr_ddpm_step pyr_ddim_step_to(const pyr_ddpm *d, int t, int to, double eta);

/* x = the step's x', `count` numbers in all; `x0` is room for as many and holds the estimate behind.
 * noise may be NULL when to_noise is 0. */
void pyr_ddpm_apply(const pyr_ddpm_step *step, pyr_kernels *k, void *x, const void *model, const void *noise,
                    void *x0, size_t count);

/* noise *= the standard deviation that the network gave, `count` numbers in backend memory, of a step whose
 * variance is learned. Computed on the host. PYR_E_NOMEM. */
pyr_status pyr_ddpm_scale_noise(const pyr_ddpm_step *step, pyr_kernels *k, void *noise, const void *variance,
                                size_t count);

/* The network: out = m(x, t), n vectors; with learned variances n vectors more behind them, what it says of these. */
typedef pyr_status (*pyr_ddpm_network)(void *ctx, const void *x, int t, void *out);

typedef struct pyr_ddpm_sampling {
    pyr_kernels *k;
    int n;                 /* vectors */
    size_t size;           /* numbers in each */
    const uint64_t *seeds; /* n, host */
    pyr_ddpm_network network;
    void *ctx;
    void *work; /* pyr_ddpm_work bytes of backend memory */
    bool
        learned; /* the network gives variances, too: DDPM goes by them if its variance_type is one of these */
    const int *t; /* of pyr_ddpm_timesteps */
    int steps;    /* evaluations of the network, too */
    bool ddim;    /* or DDPM */
    double eta;   /* of DDIM */
    bool given;   /* x holds the noise to start from; otherwise it is drawn */
} pyr_ddpm_sampling;

size_t pyr_ddpm_work(const pyr_kernels *k, int n, size_t size, bool learned);

/* Draw n samples into x (n x size), as the library's pipelines do but for its random numbers: those of a
 * vector are its seed's, whatever others are drawn with it. Only the network can fail, and PYR_E_NOMEM. */
pyr_status pyr_ddpm_sample(const pyr_ddpm *d, const pyr_ddpm_sampling *sampling, void *x);

#endif
