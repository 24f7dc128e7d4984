/* guidance_rescale.h - brings what guidance made too strong back to the spread of what it was made of.
 *
 * Lin et al. 2024 ("Common diffusion noise schedules and sample steps are flawed", equations 15 and 16), on the
 * output of a network that predicts v, which up to its sign is EDM's F, whatever the network itself predicts:
 *
 *     F' = phi std(F_this)/std(F_guided) F_guided + (1 - phi) F_guided,    F = (D - x/(1 + s^2)) sqrt(1 + s^2)/s
 *
 * std over all numbers of an image. For denoisers, with R = D - x/(1 + s^2), of which the factor cancels,
 *
 *     D' = D_guided + (r - 1) R_guided,    r = phi std(R_this)/std(R_guided) + 1 - phi */
#ifndef PYR_LEVELS_GUIDANCE_RESCALE_H
#define PYR_LEVELS_GUIDANCE_RESCALE_H

#include "kernels/kernels.h"

typedef struct pyr_guidance_rescale {
    pyr_kernels *k; /* borrowed */
    double phi;
    int batch;                        /* images of a lane */
    size_t size;                      /* numbers of an image */
    void *ones;                       /* of a batch */
    void **room;                      /* blocks of each lane */
    double *skip, *this, *guided, *r; /* batch of each lane: 1/(1 + s^2), norms of R without its mean, r */
} pyr_guidance_rescale;

/* PYR_E_NOMEM. The caller frees it, on failure too. `gradient`: _seeds will be called. */
pyr_status pyr_guidance_rescale_new(pyr_guidance_rescale *out, pyr_kernels *k, double phi, int batch,
                                    size_t size, bool gradient);
void pyr_guidance_rescale_free(pyr_guidance_rescale *g); /* no-op on {0} */
size_t pyr_guidance_rescale_bytes(const pyr_guidance_rescale *g);

/* Of n images of a lane: x at noise levels s (n, host) and D_this, before D_guided is made; then `out`, D_guided, becomes
 * D'. x may be `out`. The second waits for numbers of the device. */
void pyr_guidance_rescale_before(pyr_guidance_rescale *g, int lane, int n, const double *s, const void *x,
                                 const void *this);
pyr_status pyr_guidance_rescale_apply(pyr_guidance_rescale *g, int lane, int n, void *out);

/* The transposed Jacobian of that, times v, at the last images: what arrives at D_guided, at D_this, and at x
 * itself; borrowed, until the next call on the lane. */
pyr_status pyr_guidance_rescale_seeds(pyr_guidance_rescale *g, int lane, int n, const void *v,
                                      const void **at_guided, const void **at_this, const void **at_x);

#endif
