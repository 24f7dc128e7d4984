/* likelihood.h - the log-density that a model gives to vectors, by way of its denoiser.
 *
 * The probability-flow ODE (Song et al. 2021, "Score-based generative modeling through SDEs", section 4.3 and
 * appendix D.2) in x = z_t / alpha, which is the same for every family of SDEs (sampler.h), with u = log s:
 *
 *     dx/du = x - D(x, s),       d log p(x)/du = -div = -(N - tr dD/dx),
 *     log p(z) = log prior(x at s_max) + integral of (N - tr dD/dx) du from log s_min to log s_max
 *
 * The trace is estimated with J^T v alone (Hutchinson; Grathwohl et al. 2019, FFJORD): tr J = E v^T J v for
 * probes v of mean 0 and unit covariance, which stay the same along the path. So the expectation is exact and
 * its standard error is known from many vectors (or probes). What is computed is the density of the data
 * smoothed at s_min, log p_{s_min}; "stopped at s_min" belongs to the number.
 *
 * All in natural logarithms, in units of the vectors given; the density is with respect to them. */
#ifndef PYR_DIFFUSION_LIKELIHOOD_H
#define PYR_DIFFUSION_LIKELIHOOD_H

#include "diffusion/sampler.h"

typedef enum pyr_likelihood_solver {
    PYR_LIKELIHOOD_RK45, /* rk45.h, to a tolerance */
    PYR_LIKELIHOOD_HEUN  /* fixed steps, equal in the schedule's time */
} pyr_likelihood_solver;

typedef enum pyr_probe {
    PYR_RADEMACHER, /* -1 or 1: the least variance; exact where dD/dx is diagonal */
    PYR_GAUSSIAN    /* standard normal */
} pyr_probe;

extern const char *const pyr_likelihood_solver_names[]; /* "rk45", "heun" */
extern const char *const pyr_probe_names[];             /* "rademacher", "gaussian" */

/* out = J^T v, J = dD/dx at the x and s of the last call of the denoiser; once per call. v and out may be the
 * same. */
typedef pyr_status (*pyr_denoise_vjp)(void *ctx, const void *v, void *out);

typedef struct pyr_likelihood {
    pyr_kernels *k;
    int n;                 /* vectors, at most PYR_MAX_SAMPLING_BATCH */
    size_t size;           /* numbers in each */
    const uint64_t *seeds; /* n, host: of the probes, and of the bound's noise */
    int level;             /* keeps the levels' numbers apart */
    pyr_denoise denoise;
    pyr_denoise_vjp vjp; /* not called by the bound */
    void *ctx;
    void *work; /* pyr_likelihood_work bytes of backend memory */

    pyr_start start; /* which prior: the one that is sampled from */
    pyr_likelihood_solver solver;
    double rtol, atol; /* rk45; of x and of log p / N */
    int steps;         /* heun: 2 evaluations each */
    pyr_probe probe;
    int probes; /* 1..PYR_MAX_PROBES */
} pyr_likelihood;

enum { PYR_MAX_PROBES = 64 };

size_t pyr_likelihood_work(const pyr_kernels *k, int n, size_t size, int probes);

/* The standard deviation of the prior in x at s_max, as samplers draw it (pyr_start). */
double pyr_prior_deviation(const pyr_schedule *schedule, pyr_start start);

/* log_p[n] (host) of z (n x size), and the evaluations of the ODE's slope for each in nfe (NULL: not wanted);
 * each is `probes` evaluations of D and as many of J^T v. A vector's number does not depend on the others.
 * PYR_E_NUMERIC as in rk45.h; failures of the callbacks come through; PYR_E_NOMEM. */
pyr_status pyr_log_likelihood(const pyr_likelihood *l, const pyr_schedule *schedule, const void *z,
                              double *log_p, int *nfe);

/* The variational bound of the discrete-time model with T steps (Kingma et al. 2021, "Variational diffusion
 * models", equations 11 and 13; Ho et al. 2020, section 3.1, with the posterior's variance), its noise levels
 * s_0 = s_min .. s_T = s_max equal in the schedule's time: log p(z) >= -(prior + diffusion + decoder), where
 *     prior      KL of q(x_T | z) to the prior
 *     diffusion  sum over i of 1/2 (1/s_{i-1}^2 - 1/s_i^2) E |z - D(z + s_i eps, s_i)|^2
 *     decoder    E -log N(z; x_0, s_0^2) = N/2 log(2 pi e s_0^2)
 * in nats. */
typedef struct pyr_bound {
    double prior, diffusion, decoder;
} pyr_bound;

static inline double pyr_bound_total(const pyr_bound *b)
{
    return b->prior + b->diffusion + b->decoder;
}

/* `terms` of the T summands are evaluated, one in each of as many equal stretches of i, with one eps each: an
 * unbiased estimate; terms = T: all of them. 1 <= terms <= T <= PYR_MAX_STEPS. */
pyr_status pyr_variational_bound(const pyr_likelihood *l, const pyr_schedule *schedule, int T, int terms,
                                 const void *z, pyr_bound *bound);

#endif
