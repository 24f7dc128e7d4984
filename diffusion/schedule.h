/* schedule.h - how noise grows: families of SDEs, schedules, and the density of noise levels in training.
 *
 *     z_t = alpha(t) z + sigma(t) eps,   lambda(t) = log(alpha^2 / sigma^2),   t in [0, 1], lambda falls
 *
 * (Song et al. 2021, "Score-based generative modeling through SDEs"; Kingma et al. 2021, "Variational
 * diffusion models"; design, section 3.) What a network sees depends on the ratio s = sigma / alpha =
 * exp(-lambda / 2) alone ("sigma" of the EDM paper, Karras et al. 2022): for every family z_t / alpha = z + s
 * eps. So noise levels are given as s everywhere outside this file, and a family says what alpha belongs to
 * it:
 *     ve       alpha = 1
 *     vp       alpha^2 = 1 / (1 + s^2)
 *     sub-vp   alpha as vp's, sigma = 1 - alpha^2: with vp's p, s = p^2 / sqrt(1 + p^2)
 *     flow     alpha = 1 - t = 1 / (1 + s), sigma = t: the straight lines of flow matching and rectified flow
 * A curve below gives s of ve, vp and flow; for sub-vp it gives p.
 *
 * Resolution: a level of side d = sqrt(h w) against a reference side r has its noise scaled by d / r
 * (lambda_i(t) = lambda(t) + 2 log(r / d); SNR_d = SNR_r (r / d)^2): `scale` below. It moves
 * the ends of the range, the training density and the sampler's grid alike. For sub-vp it acts on p. */
#ifndef PYR_DIFFUSION_SCHEDULE_H
#define PYR_DIFFUSION_SCHEDULE_H

#include "base/status.h"
#include <stdbool.h>

typedef enum pyr_family { PYR_VE, PYR_VP, PYR_SUB_VP, PYR_FLOW } pyr_family;
/* s against t in [0, 1]; formulas: pyr_curve_help, and docs/noise.md. */
typedef enum pyr_curve {
    PYR_CURVE_GEOMETRIC,
    PYR_CURVE_LINEAR,
    PYR_CURVE_COSINE,
    PYR_CURVE_KARRAS,
    PYR_CURVE_POWER,
    PYR_CURVE_STRAIGHT
} pyr_curve;

/* Words and half a line on each, by constant; the words end with NULL. */
extern const char *const pyr_family_names[], *const pyr_family_help[];
extern const char *const pyr_curve_names[], *const pyr_curve_help[];

typedef struct pyr_schedule {
    pyr_family family;
    pyr_curve curve;
    double s_min, s_max; /* ends of s before scaling, 0 < s_min < s_max; linear, cosine, power stop there */
    double beta_min, beta_max; /* linear */
    double rho;                /* karras */
    double base;               /* power: b > 1 */
    double scale;              /* d / r; 1: no shift */
} pyr_schedule;

/* PYR_E_CONFIG unless the numbers make sense together. */
pyr_status pyr_schedule_check(const pyr_schedule *s);

/* s at time t, and back. The times at which s is s_min and s_max (scaled) are the ends of the schedule:
 * 0 and 1 for geometric and karras; for the others inside (0, 1) where the curve reaches them. */
double pyr_schedule_s(const pyr_schedule *schedule, double t);
double pyr_schedule_t(const pyr_schedule *schedule, double s);
double pyr_schedule_t_min(const pyr_schedule *schedule);
double pyr_schedule_t_max(const pyr_schedule *schedule);
/* The ends of s as scaled, exactly: s_min and s_max times `scale`, but for sub-vp, where that acts on p. */
double pyr_schedule_lowest(const pyr_schedule *schedule);
double pyr_schedule_highest(const pyr_schedule *schedule);
/* What s_min or s_max must be for that end to come out at s, scaled. */
double pyr_schedule_unscaled(const pyr_schedule *schedule, double s);
/* d log s / dt = -lambda'(t) / 2 > 0 */
double pyr_schedule_slope(const pyr_schedule *schedule, double t);

double pyr_alpha(pyr_family family, double s); /* sigma is s * alpha */
/* Whether z_t has unit variance where the data have, so that the prior has. Otherwise it is noise alone. */
bool pyr_family_unit(pyr_family family);
/* Coefficients of dz = f z dt + g dw at time t: f = alpha'/alpha, g^2 = -lambda' sigma^2. */
double pyr_drift(const pyr_schedule *schedule, double t);
double pyr_diffusion2(const pyr_schedule *schedule, double t);

/* ---- noise levels in training ------------------------------------------------------------------ */

typedef enum pyr_density {
    PYR_LOG_NORMAL,   /* log s ~ N(mean, std) (+ log scale) */
    PYR_UNIFORM_T,    /* t uniform between the ends of the schedule */
    PYR_LOGIT_NORMAL, /* as log-normal: log s is the logit of t = s/(1 + s) */
    PYR_SINGLE        /* s_min alone */
} pyr_density;

/* Weights of |D - z|^2; formulas: pyr_weight_help, and docs/noise.md. */
typedef enum pyr_weight {
    PYR_WEIGHT_EDM,
    PYR_WEIGHT_SIMPLE,
    PYR_WEIGHT_LIKELIHOOD, /* g^2 / 2 on the score */
    PYR_WEIGHT_MIN_SNR,
    PYR_WEIGHT_VLB, /* of the steps between `times` noise levels, as the next */
    PYR_WEIGHT_VLB_FORWARD,
    PYR_WEIGHT_VELOCITY
} pyr_weight;

extern const char *const pyr_density_names[], *const pyr_density_help[];
extern const char *const pyr_weight_names[], *const pyr_weight_help[];

typedef struct pyr_noise {
    pyr_density density;
    double mean, std; /* log-normal */
    pyr_weight weight;
    int times; /* uniform: so many values of t, evenly spaced from end to end (NCSN's noise levels, DDPM's
                  steps); 0: any */
} pyr_noise;

/* Whether the weight is one of steps, which needs `times`. */
bool pyr_weight_has_steps(pyr_weight weight);

/* The noise level at quantile u in (0, 1) of the density. */
double pyr_noise_quantile(const pyr_noise *noise, const pyr_schedule *schedule, double u);

/* The weight of |D - z|^2 at s. A density other than the one the weight is meant for multiplies it by
 * the ratio of the two densities, so that the expected loss stays the same. */
double pyr_noise_weight(const pyr_noise *noise, const pyr_schedule *schedule, double s);

/* The quantile function of the standard normal (Wichura 1988, algorithm AS 241; relative error 1e-15). */
double pyr_normal_quantile(double p);

#endif
