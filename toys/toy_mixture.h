/* toy_mixture.h - mixtures of Gaussians in the plane to look at methods with.
 *
 * Each has mean 0 and a mean variance of 1 (half of the trace of its covariance), as levels standardise what
 * they learn, so that schedules and densities of noise levels mean here what they mean there. */
#ifndef PYR_TOYS_TOY_MIXTURE_H
#define PYR_TOYS_TOY_MIXTURE_H

#include "diffusion/mixture.h"

typedef enum pyr_toy {
    PYR_TOY_TWO,   /* 0.2 N((-5, -5), I) + 0.8 N((5, 5), I) (Song & Ermon 2019, section 3.2), scaled */
    PYR_TOY_RING,  /* eight on a circle, of equal weight */
    PYR_TOY_GRID,  /* nine on a square, of unequal weights */
    PYR_TOY_CROSS, /* two long ones across each other */
    PYR_TOY_NEAR,  /* 0.3 N((1, 1), 0.1 I) + 0.7 N((-1, -1), 0.1 I) (Eliav 2024, figure 3), scaled */
    PYR_TOY_FAR,   /* 0.1 N((1, 1), 0.01 I) + 0.9 N((-1, -1), 0.01 I) (the same, figure 4), scaled */
    PYR_TOYS
} pyr_toy;

extern const char *const pyr_toy_names[]; /* "two", "ring", "grid", "cross", "near", "far" */

/* Points on a circle of radius sqrt(2), so many that the smallest noise in use does not tell them apart: data on a curve, a
 * manifold of one dimension. Its score wants noise. The caller frees *out. */
pyr_status pyr_toy_circle(pyr_mixture **out);

/* The caller frees *out. */
pyr_status pyr_toy_mixture(pyr_mixture **out, pyr_toy which);
/* The same with other weights[n] > 0 of its modes, relative, before it is scaled: PYR_E_ARG unless there is one for each. */
pyr_status pyr_toy_mixture_weighed(pyr_mixture **out, pyr_toy which, const double *weights, int n);

#endif
