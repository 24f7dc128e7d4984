/* sampled_variance.h - what a sampler makes of Gaussian data, exactly.
 *
 * Of data whose coefficients are independent, N(m, v) each, the best denoiser is linear in each of them,
 *
 *     D(x, s) = m + v / (v + s^2) (x - m),
 *
 * and so is every sampler whose steps depend on no number of x: the sample is m r + sum over j of g_j eps_j, with the
 * standard normals eps_j that it draws (the start's first). The sampler itself is run, with impulses in place of
 * its noise: one vector for each eps_j, which is 1 where that one is drawn and 0 elsewhere, and one for the mean. The
 * sample's variance is the sum of g_j^2. */
#ifndef PYR_DIFFUSION_SAMPLED_VARIANCE_H
#define PYR_DIFFUSION_SAMPLED_VARIANCE_H

#include "diffusion/sampler.h"

/* Whether a sampler's steps are linear: not adaptive ones, those that go by norms of x (corrections), nor those that
 * take or refuse moves. */
bool pyr_sampler_is_linear(const pyr_sampler *sampler);

/* Of n coefficients of variance v[k] >= 0: variance[k] of the samples and response[k] = r, both of this sampler. With
 * sampler.start gaussian the start has the data's own mean m and variance v + s^2. `k`: of doubles on the host.
 * PYR_E_CONFIG unless it is linear; PYR_E_NOMEM. */
pyr_status pyr_sampled_variance(pyr_kernels *k, const pyr_sampler *sampler, const pyr_schedule *schedule,
                                int n, const double *v, double *variance, double *response);

#endif
