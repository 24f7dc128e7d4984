/* analyze.h - what the levels of a data set's pyramid are like, and what noise they want.
 *
 * For each level, of its variable (the residual, or the coarsest image): size, spread, distances, spectrum;
 * from these the noise levels of NCSNv2 (diffusion/ncsn.h), the ends of the noise schedule, and the reference
 * side of the resolution-adjusted SNR. Nothing is trained. */
#ifndef PYR_CASCADE_ANALYZE_H
#define PYR_CASCADE_ANALYZE_H

#include "cascade/distance.h"
#include "cascade/run.h"
#include "levels/class_fit.h"

/* pyr_gaussian_half of CIFAR-10 at 32 x 32, the images that the usual noise levels (Karras et al. 2022) were
 * made for. */
#define PYR_ANALYSIS_HALF 9.8

typedef struct pyr_analysis_job {
    pyr_kernels *k;           /* borrowed */
    const pyr_config *config; /* borrowed: data, pyramid, noise and sampler of each level */
    const char *run;    /* NULL: statistics are measured; else those of this run's levels, whose data must
                           be these (PYR_E_CONFIG) */
    int level;          /* this one alone; -1: all */
    int64_t images;     /* for distances and the radial spectrum, at most; 0: all */
    double bound;       /* largest mismatch to the prior, nats; > 0 */
    double sigma_last;  /* NCSNv2's sigma_L, image units; its 0.01 for images in [0, 1] is 0.02 here */
    int langevin_steps; /* its T */
    void (*on_level)(void *ctx, int level); /* before each; may be NULL */
    void *ctx;
} pyr_analysis_job;

typedef struct pyr_level_analysis {
    pyr_level level;       /* facts with mean and standard deviation by band, shapes, settings */
    pyr_schedule schedule; /* of sampling, as configured */
    pyr_gaussian gaussian; /* of the standardised variable, of at most 16384 images */

    pyr_class_fit classes; /* of the same; none without labels, or with too many numbers */

    int64_t images;        /* of the next two, evenly spaced in the training set */
    pyr_farthest farthest; /* image units; i and j are numbers of training images */
    double farthest_z;     /* standardised */
    int bins;
    double *power; /* [bins] of the standardised variable, mean image and all (pyramid/spectrum.h) */

    /* NCSNv2, for noise from `farthest` down to sigma_last */
    double gamma; /* 0: the level has too few dimensions for the criterion, and none of the next */
    int noise_levels;
    double last_z;      /* sigma_last, standardised (bands: by the largest of their deviations) */
    double e, variance; /* epsilon / sigma_L^2, s_T^2 / sigma^2 after T steps */
    double
        epsilon; /* for sampler.langevin_epsilon: 2 e last_z^2, as its moves are x + a/2 score + sqrt(a) eps, and
                           theirs x + alpha score + sqrt(2 alpha) eps */
    int enough; /* the fewest steps for a variance of at most 1.05; above 1000: 1001 */

    double half;      /* pyr_gaussian_half */
    double reference; /* side r of the resolution-adjusted SNR with d / r = half / pyr_analysis.half: noise in
                         proportion to the structure that each level has to be distinguished from; NAN: of a level on its own, there
                         are none to compare with */
    /* Suggested ends of sigma, standardised: sampling from sigma_max begins within `bound` of the truth; at
     * sigma_min noise is as small as that of rounding to the data's bits. */
    double sigma_min, sigma_max;
    double mismatch; /* nats, at the configured end time */
    double
        class_gain; /* nats less at the same, in the mean, when each class starts from its own mean (sampler.start class); 0 without classes */
    double ceiling; /* nats, at the same: what it would be if the condition determined the level's variable,
                       D E[z^2] / (2 prior); the truth lies between */
} pyr_level_analysis;

typedef struct pyr_analysis {
    int levels; /* of the pyramid */
    int only;   /* the level that was analysed alone: the others are empty; -1: all were */
    pyr_dataset_shape shape;
    int64_t training; /* images */
    double half;      /* geometric mean of the levels'; of a single level PYR_ANALYSIS_HALF */
    double slope; /* p of half ~ d^p over the levels' sides d, by least squares: 1 where one reference side
                     for all levels is right, 0 where none is (reference 0). NAN for a single level and
                     one alone, as is `half` of one of several alone */
    pyr_level_analysis level[PYR_MAX_LEVELS];
} pyr_analysis;

/* Opens the data, and measures. Fails as pyr_dataset_open, pyr_pyramid_new, pyr_level_init and
 * pyr_level_measure do. */
pyr_status pyr_analyze(pyr_analysis *out, const pyr_analysis_job *job);
void pyr_analysis_free(pyr_analysis *a); /* back to {0}; {0} is a no-op */

/* The mismatch of a level (nats) to that noise, at noise s. */
double pyr_analysis_mismatch(const pyr_level_analysis *a, double s);

/* `levels = (...)` for a configuration: of each level noise.sigma_min, sigma_max and reference, as suggested
 * (divided by d / r, which the reference multiplies them with); `reference`: whether to shift the density of
 * training noise too, or to leave noise.reference at 0. Of a level alone the others' settings are left as
 * they are: {}. Adds to `out`. */
void pyr_analysis_block(const pyr_analysis *a, bool reference, pyr_text *out);
/* The same for a run as NCSNv2's five techniques have it: noise levels 1 and 2, a network without noise input 3, annealed Langevin
 * dynamics with `steps` moves 4, EMA 5. Levels with too few dimensions are left as they are. */
void pyr_analysis_ncsn_block(const pyr_analysis *a, int steps, pyr_text *out);

#endif
