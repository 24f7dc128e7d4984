/* gaussian.h - a Gaussian fitted to a level's standardised variable: what a linear denoiser knows of it.
 *
 * z is modelled as N(m, B^T diag(v) B): a mean for each number, and independent coefficients B z in an
 * orthonormal basis. For small variables (at most PYR_GAUSSIAN_FULL numbers) B holds the eigenvectors of the
 * whole covariance. For larger ones it is the DCT-II along both axes, after a rotation of the channels to the
 * eigenvectors of their covariance: the basis in which images with half-sample symmetric borders and
 * stationary covariance have independent coefficients. The variances are those of the data in that basis
 * either way, so that mean and total variance are the data's.
 *
 * Of z_t = z + s eps (schedule.h) the fit gives everything in closed form, coefficient by coefficient: how far
 * it still is from the noise that sampling begins with, and what begins there instead.
 *
 * The fit is of a level's variable whatever its condition: what a residual is, given the coarser image, is
 * narrower. */
#ifndef PYR_LEVELS_GAUSSIAN_H
#define PYR_LEVELS_GAUSSIAN_H

#include "levels/level.h"

struct pyr_dct;

enum { PYR_GAUSSIAN_FULL = 512 };

typedef struct pyr_gaussian {
    pyr_shape shape; /* of the variable, n = 1 */
    size_t size;     /* D, its numbers */
    bool full;
    double *mean;     /* D: m */
    double *basis;    /* rows are orthonormal. full: D x D; otherwise c x c, of the channels */
    double *variance; /* D: v, in the order of the basis; of the DCT (row, column, rotated channel) */
    int64_t images;   /* that it was measured on */
    struct pyr_dct *dct;
} pyr_gaussian;

/* Fit to the training set (at most 16384 images of it, evenly spaced), the same for every number of threads.
 * The level's statistics are measured before. Of the standardised variable. PYR_E_NOMEM, PYR_E_NUMERIC. */
pyr_status pyr_gaussian_measure(pyr_gaussian *out, const pyr_level *level, pyr_feed *feed);
void pyr_gaussian_free(pyr_gaussian *g); /* back to {0}; {0} is a no-op */

#define PYR_GAUSSIAN_NAME "gaussian.safetensors"

/* Write it into a level's folder, in one piece; the level's facts go with it. */
pyr_status pyr_gaussian_write(const pyr_gaussian *g, const pyr_level_facts *facts, const char *folder);
/* PYR_E_IO when there is none, with what makes one; PYR_E_FORMAT when it is damaged or of another level, of
 * other data or another standardisation. `run` stands in the sentence. */
pyr_status pyr_gaussian_read(pyr_gaussian *out, const pyr_level *level, const char *folder, const char *run);

/* Coefficients B z of a vector of D numbers and back, in place; `room` has D numbers. Any thread. */
void pyr_gaussian_to(const pyr_gaussian *g, double *z, double *room);
void pyr_gaussian_from(const pyr_gaussian *g, double *z, double *room);

/* ---- in closed form, of x = z + s eps ------------------------------------------------------------ */

/* Kullback-Leibler divergence of N(m, C + s^2 I) from N(0, prior I), in nats, of all D numbers together; a_k
 * are the coefficients of m:
 *
 *     1/2 sum_k (v_k + a_k^2 + s^2) / prior - 1 - log((v_k + s^2) / prior)
 *
 * Sampling that begins with the prior draws from a distribution at that divergence from the true one (of
 * Gaussian data, by an exact sampler), so at most sqrt(KL / 2) off in total variation (Pinsker). */
double pyr_gaussian_mismatch(const pyr_gaussian *g, double s, double prior);
/* The least s whose mismatch is at most `bound` > 0 nats: for a prior of variance s^2 (VE), or, `unit`, of
 * 1 + s^2 (VP: z_t of unit variance). 0: it is so small at every s. */
double pyr_gaussian_sigma_max(const pyr_gaussian *g, double bound, bool unit);

/* Mean square per number that the best linear denoiser leaves at noise s: mean of v s^2 / (v + s^2). */
double pyr_gaussian_left(const pyr_gaussian *g, double s);
/* The noise at which it leaves half of the variance: 1 for white noise of variance 1, larger where variance
 * gathers in few coefficients, in proportion to the side when the same image is sampled more finely. */
double pyr_gaussian_half(const pyr_gaussian *g);

/* ---- as the start of sampling -------------------------------------------------------------------- */

/* start (n x D, backend) = m + noise of covariance C + s^2 I, of the streams (seed, PYR_RNG_PRIOR, level)
 * that the prior is drawn from; vector i depends on seeds[i] alone. `streams`: n x PYR_STREAM_WORDS words of
 * backend memory. */
pyr_status pyr_gaussian_draw(const pyr_gaussian *g, pyr_kernels *k, int n, const uint64_t *seeds, int level,
                             double s, void *start, uint32_t *streams);

#endif
