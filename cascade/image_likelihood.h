/* image_likelihood.h - how probable a trained run says that images are, level by level.
 *
 * What is modelled is the image spread over the cells of its samples: b bits stand for cells of width 2^(1-b)
 * in [-1, 1], so I_0 is what the data set gives plus U(-2^-b, 2^-b) (feed.h). Of each level, log p(variable |
 * condition) comes from the probability-flow ODE in standardised units (diffusion/likelihood.h).
 *
 *     one level     log p(I_0)
 *     bands (haar)  log p(I_0) = log p(I_k) + sum over i < k of [log p(r_i | I_{i+1}) - n_{i+1} log 2]
 *                   exactly: the determinant of the split is 2^-n_{i+1}, with n_{i+1} numbers of I_{i+1}
 *                   (pyramid/filters.h). Only where every split is even.
 *     other filters the code log-likelihood sum_i log p(r_i | l_i) + log p(I_k) (the method's paper). It is
 *                   not one of images: given l_i a residual lies on a subspace, so the number belongs to the
 *                   code smoothed at sigma_min and compares only between models of one filter and sigma_min.
 *
 * bits/dim = -log2 p(I_0) / n_0 + b - 1. The mean over images of this is an upper bound of the bits/dim of
 * the samples themselves (Theis et al. 2016, "A note on the evaluation of generative models"). */
#ifndef PYR_CASCADE_IMAGE_LIKELIHOOD_H
#define PYR_CASCADE_IMAGE_LIKELIHOOD_H

#include "cascade/model.h"
#include "diffusion/likelihood.h"

/* How it is computed. */
typedef struct pyr_likelihood_plan {
    int solver; /* pyr_likelihood_solver */
    double rtol, atol;
    int steps; /* heun */
    int probe; /* pyr_probe */
    int probes;
    int bound_steps, bound_terms; /* T of the variational bound, and how many of its summands are evaluated;
                                     bound_terms 0: no bound */
} pyr_likelihood_plan;

typedef struct pyr_likelihood_job {
    const pyr_model *model; /* opened without guidance and noise on the condition in sampling */
    const pyr_dataset *data;
    pyr_split split;
    int n;           /* images, evenly spaced over the split; at most what it has */
    uint64_t seed;   /* of dequantisation, probes and the bound's noise */
    bool dequantise; /* false: the samples as they are, for experiments; then there are no bits/dim */
    bool classes;    /* each image with its class; else with none */
    pyr_likelihood_plan plan;
    double *
        each; /* [n]: filled with log p of each image (nats, of all levels that are open); NULL: not wanted */
    int64_t *which; /* [n]: filled with the places of the images in the split; NULL: not wanted */
    void (*on_progress)(void *ctx, int done); /* images; NULL: none */
    void *ctx;
} pyr_likelihood_job;

/* A mean over images, and its standard error (not a number for one image). */
typedef struct pyr_mean {
    double mean, error;
} pyr_mean;

typedef struct pyr_level_likelihood {
    int numbers;                 /* of the variable of one image */
    double sigma_min, sigma_max; /* the ends of the ODE, in units of the standardised level */
    double prior;                /* the deviation of the prior at sigma_max, in the same units */
    double deviation;            /* of the level's variable, in image units; of bands: of the first */
    pyr_mean log_p;              /* nats an image: log p of the variable in image units, of bands with its
                                    share of the volume: the levels' sum is the total */
    pyr_mean bits;               /* -log2 p / numbers */
    pyr_mean bound;              /* log_p's lower bound, nats an image; not a number: not wanted */
    double nfe;                  /* evaluations of the slope, the mean; each is `probes` of D and of J^T v */
    int nfe_least, nfe_most;
} pyr_level_likelihood;

typedef struct pyr_run_likelihood {
    int levels, images, numbers /* n_0 */, bits;
    int only; /* the one level that there is, of a model of one level: the sums are its own terms; -1: all */
    bool exact; /* a log-likelihood of images; false: of codes */
    pyr_level_likelihood level[PYR_MAX_LEVELS];
    pyr_mean log_p, log_p_bound;      /* nats an image, of all levels */
    pyr_mean bits_per_dim, bpd_bound; /* not a number: of codes, without dequantisation, of one of several
                                         levels */
} pyr_run_likelihood;

/* Whether the job is one: it has images, tolerances, terms of the bound, and of the images the classes that the
 * model wants, and knows. `data`: the name of the data set in sentences. PYR_E_ARG. */
pyr_status pyr_likelihood_check(const pyr_likelihood_job *job, const char *data);

/* PYR_E_UNSUPPORTED when bands halve an odd side; PYR_E_CONFIG when a level was opened with guidance or noise
 * on its condition, whose densities are not those of the model; PYR_E_STOPPED on request; failures of the
 * solver. Whole machine. An image's numbers do not depend on the number of threads. */
pyr_status pyr_likelihood_run(pyr_run_likelihood *out, const pyr_likelihood_job *job);

/* What log p of the standardised variable lacks to the level's share of log p in image units: -sum log std,
 * and for bands of details -n log 2 with the n numbers of the coarser image. */
double pyr_likelihood_volume(const pyr_level *level);

/* The mean of x[n] and its standard error. */
pyr_mean pyr_mean_of(const double *x, int n);

#endif
