/* toy_decay.h - how fast Langevin dynamics comes to a normal distribution, of which everything is known.
 *
 * dx = grad log p(x) dt + sqrt(2) dw, p = N(0, v) along each axis, started from N(m, u), has at time t the law
 *
 *     N(m e^(-t/v), v + (u - v) e^(-2t/v)),
 *
 * and p satisfies the logarithmic Sobolev inequality with alpha = 1 / (the largest v), so that (Eliav 2024, theorem 2; Vempala &
 * Wibisono 2019, theorem 1)
 *
 *     KL(law at t || p)  <=  e^(-2 alpha t) KL(law at 0 || p). */
#ifndef PYR_TOYS_TOY_DECAY_H
#define PYR_TOYS_TOY_DECAY_H

/* A normal distribution in the plane with the coordinate axes as its own; variances > 0. */
typedef struct pyr_plane_normal {
    double mean[2], variance[2];
} pyr_plane_normal;

/* KL(a || b) in nats */
double pyr_plane_divergence(const pyr_plane_normal *a, const pyr_plane_normal *b);
/* The law at time t >= 0, started from `start`; the target's means are those of the way. */
pyr_plane_normal pyr_langevin_law(const pyr_plane_normal *target, const pyr_plane_normal *start, double t);
/* The theorem's bound of its divergence from the target. */
double pyr_langevin_bound(const pyr_plane_normal *target, const pyr_plane_normal *start, double t);
/* Means and variances of n points x[n][2], n >= 2: what the points are like along the axes. */
pyr_plane_normal pyr_plane_moments(const double *x, int n);

#endif
