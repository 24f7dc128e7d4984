/* sampler_internal.h - what the samplers' files share: sampler.c runs the steps, sampler_*.c have them. */
#ifndef PYR_DIFFUSION_SAMPLER_INTERNAL_H
#define PYR_DIFFUSION_SAMPLER_INTERNAL_H

#include "base/philox.h"
#include "diffusion/rk45.h"
#include "diffusion/sampler.h"

/* A sampling between two noise levels. A step takes x from s to r, 0 < r <= s. */
typedef struct pyr_sampler_state {
    const pyr_sampling *of; /* what is drawn, and with what */
    const pyr_sampler *sampler;
    const pyr_schedule *schedule;
    void *x;
    /* Vectors (n x size) of the working memory, as many as the row says; they keep what a step leaves in them. d is
     * the estimate that pyr_after_step is given: each step writes it. */
    void *d, *v1, *v2, *v3;
    int step, repeat;
    double s, r;
    /* The noise levels that the last steps came from, the latest first; 0: there was no such step, or x has
     * been noised back since. For samplers that go by earlier estimates. */
    double before[2];
    int evaluations;
} pyr_sampler_state;

/* The rows of PYR_SAMPLERS. */
#define PYR_SAMPLER_DECLARED(constant, word, row) extern const pyr_sampler_row row;
PYR_SAMPLERS(PYR_SAMPLER_DECLARED, PYR_SAMPLER_DECLARED)
extern const pyr_sampler_row pyr_row_identity;

/* Where vector i of a block begins. */
void *pyr_sampler_part(const pyr_sampler_state *state, void *block, int i);
/* pyr_rk45_work bytes, of adaptive samplers. */
void *pyr_sampler_rk45(const pyr_sampler_state *state);

/* dst = normals of this step, one stream per sample; each `draw` of a step gives others. */
void pyr_sampler_noise(const pyr_sampler_state *state, void *dst, int draw);
/* Uniform in (0, 1) for vector i, independent of all noise. */
double pyr_sampler_uniform(const pyr_sampler_state *state, int i, int draw);

/* out = D(x, s), counted */
pyr_status pyr_sampler_denoise(pyr_sampler_state *state, const void *x, double s, void *out);

/* state->d = D(x, s), then x = keep x + gain d + noise eps, with `draw` of the step (noise 0: none is drawn) */
pyr_status pyr_sampler_move(pyr_sampler_state *state, double s, double keep, double gain, double noise,
                            int draw);

/* dst = a x + b y; dst = sum of n <= 4 terms coef[i] src[i] */
void pyr_sampler_mix(const pyr_sampler_state *state, void *dst, double a, const void *x, double b,
                     const void *y);
void pyr_sampler_sum(const pyr_sampler_state *state, void *dst, int n, const double *coef,
                     const void *const *src);
/* dst = a x + b y + c z */
void pyr_sampler_mix3(const pyr_sampler_state *state, void *dst, double a, const void *x, double b,
                      const void *y, double c, const void *z);
void pyr_sampler_copy(const pyr_sampler_state *state, void *dst, const void *src);

/* Between two moves at noise level s: what the task does there. */
pyr_status pyr_sampler_moved(pyr_sampler_state *state, double s);

/* sampler_langevin.c: PYR_E_CONFIG for a langevin_epsilon of `most` or more, which is `below` ("4 sigma_min^2 = "). */
pyr_status pyr_sampler_diverges(const pyr_sampler *sampler, const char *below, double most);
/* sampler_langevin.c: the rate, step / s^2, of those that stay at the least noise level. */
double pyr_sampler_plain_rate(const pyr_sampler_state *state);

/* sampler_hmc.c: `moves` moves of Hamiltonian Monte Carlo at noise level s, of `leapfrogs` steps of length
 * sqrt(rate) s, with draws from first_draw on; moves x leapfrogs + 1 evaluations (one more for each pause in
 * between). d = D(x, s) on return. Four vectors. */
pyr_status pyr_sampler_hmc(pyr_sampler_state *state, double s, double rate, int leapfrogs, int moves,
                           int first_draw);
/* Its rate with langevin_epsilon, or the usual one for so many leapfrogs. */
double pyr_sampler_hmc_rate(const pyr_sampler_state *state, int leapfrogs);

/* sampler_ode.c: noise up to a higher level, which is returned (s where there is nothing to do). */
double pyr_sampler_churn(pyr_sampler_state *state);

#endif
