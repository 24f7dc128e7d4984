/* power_ema.h - averages of weights over training with power functions for profiles, and others made of them afterwards.
 *
 *     ema_g(t) = (g + 1)/t^(g + 1) int_0^t u^g value(u) du,     kept by  ema(t) = b ema(t - 1) + (1 - b) value(t),
 *                                                               b = (1 - 1/t)^(g + 1),  t = 1, 2, ...
 *
 * (Karras et al. 2024, "Analyzing and improving the training dynamics of diffusion models", EDM2, section 3.1, equations
 * 2 to 4). The length of an average is the profile's standard deviation as a part of t. With a few lengths and moments
 * kept, an average of any other length is a combination of them whose profile is nearest (section 3.2, appendix C). */
#ifndef PYR_GRAPH_POWER_EMA_H
#define PYR_GRAPH_POWER_EMA_H

#include "base/status.h"
#include <stddef.h>

/* Lengths that are possible: the longest is that of a plain mean, g = 0. */
#define PYR_EMA_SHORTEST 0.001
#define PYR_EMA_LONGEST 0.28867513459481287 /* 1 / sqrt(12) */
enum { PYR_MOST_POWERS = 4 };

/* g of the length, PYR_EMA_SHORTEST .. PYR_EMA_LONGEST, and back:
 * length = sqrt(g + 1)/((g + 2) sqrt(g + 3)). */
double pyr_ema_power(double length);
double pyr_ema_length(double power);

/* b of update t >= 1. */
double pyr_ema_keep(double power, double t);

/* A profile: that of the average of power g at moment t > 0. */
typedef struct pyr_ema_profile {
    double power, t;
} pyr_ema_profile;

/* int p_a(u) p_b(u) du */
double pyr_ema_inner(const pyr_ema_profile *a, const pyr_ema_profile *b);

/* coefficient[n]: those with which the n profiles come nearest to `wanted`, in the mean square; *distance (may be NULL) is
 * how far away that is, |sum - wanted| / |wanted|. The profiles differ from one another. PYR_E_NUMERIC when they are too
 * much alike to tell; PYR_E_NOMEM. */
pyr_status pyr_ema_combine(double *coefficient, double *distance, const pyr_ema_profile *profile, size_t n,
                           const pyr_ema_profile *wanted);

#endif
