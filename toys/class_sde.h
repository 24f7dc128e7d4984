/* class_sde.h - a forward SDE with a drift and a diffusion for each class, added up (Padova & Liu 2023, equation 5).
 *
 *     dz = sum_j w_j [-beta_j(t) (z - m_j) / 2] dt + sum_j w_j sqrt(beta_j(t)) dw,      t in [0, 1]
 *
 * with beta_j linear in t from beta_min to beta_max of the class, and weights w_j of the classes that act on z: one of them
 * for an image of one class. All classes drive one Wiener process. Each number of z is for itself, and with
 *
 *     A = sum_j w_j beta_j,   G = sum_j w_j sqrt(beta_j)
 *
 * z_t given z_0 is normal, of mean a z_0 + sum_j b_j m_j and variance v:
 *
 *     a' = -A a / 2,   b_j' = -A b_j / 2 + w_j beta_j / 2,   v' = -A v + G^2
 *
 * For one class alone a = alpha = exp(-integral of beta / 2), b = 1 - alpha, v = 1 - alpha^2: the variance-preserving process
 * (schedule.h) about the class's mean, z_t = m + alpha (z - m) + sigma eps. Then x = m + (z_t - m) / alpha = z + s eps as ever:
 * networks and samplers do not change, and what the drift of a class decides is where the noise that they begin with lies,
 * N(m, 1 + s^2) instead of N(0, 1 + s^2).
 *
 * Backwards, for images of class y: dz = [f - G^2 grad log p_t(z | y)] dt + G dw. */
#ifndef PYR_TOYS_CLASS_SDE_H
#define PYR_TOYS_CLASS_SDE_H

#include "base/status.h"

enum { PYR_CLASS_SDE_MOST = 16 };

typedef struct pyr_class_sde {
    int classes, size; /* classes 1 .. PYR_CLASS_SDE_MOST; numbers of z */
    double weight[PYR_CLASS_SDE_MOST];
    double beta_min[PYR_CLASS_SDE_MOST], beta_max[PYR_CLASS_SDE_MOST]; /* >= 0 */
    const double *mean;                                                /* [classes][size], borrowed */
} pyr_class_sde;

/* Of z_t given z_0. */
typedef struct pyr_class_kernel {
    double keep;                     /* a */
    double pull[PYR_CLASS_SDE_MOST]; /* b_j */
    double variance;                 /* v */
} pyr_class_kernel;

pyr_class_kernel pyr_class_sde_kernel(const pyr_class_sde *sde, double t);
/* mean[size] = a z + sum_j b_j m_j */
void pyr_class_sde_mean(const pyr_class_sde *sde, const pyr_class_kernel *kernel, const double *z,
                        double *mean);

/* f[size] = the drift at z and t; G^2 at t. */
void pyr_class_sde_drift(const pyr_class_sde *sde, double t, const double *z, double *f);
double pyr_class_sde_diffusion2(const pyr_class_sde *sde, double t);

#endif
