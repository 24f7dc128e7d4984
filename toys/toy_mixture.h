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
    PYR_TOYS
} pyr_toy;

extern const char *const pyr_toy_names[]; /* "two", "ring", "grid", "cross" */

/* The caller frees *out. */
pyr_status pyr_toy_mixture(pyr_mixture **out, pyr_toy which);

#endif
