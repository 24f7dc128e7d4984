/* mixture.h - mixtures of Gaussians, of which everything is known in closed form.
 *
 *     z ~ sum over i of w_i N(m_i, C_i),   x = z + s eps ~ sum of w_i N(m_i, C_i + s^2 I)
 *
 * So the density of x, its score and the best denoiser D(x, s) = E[z | x] are known at every noise level s,
 * with no error but that of double precision: what samplers and trained networks are measured against. Points
 * are `size` doubles of host memory; s >= 0, and s > 0 where a covariance is singular (a mode with standard
 * deviation 0 is a point: the mixture of a data set's points has that data set's exact denoiser).
 *
 * A mode keeps the axes and variances of its covariance, C = sum of v_a e_a e_a^T, so that C + s^2 I is
 * inverted at any s by v_a + s^2. Reading (all that takes a const pyr_mixture) may be done by many
 * threads. */
#ifndef PYR_DIFFUSION_MIXTURE_H
#define PYR_DIFFUSION_MIXTURE_H

#include "kernels/kernels.h"

typedef struct pyr_mixture {
    int modes, size;
    double *weight;   /* [modes], relative: divided by their sum wherever they are used */
    double *mean;     /* [modes][size] */
    double *variance; /* [modes][size]: along the axes, >= 0 */
    double **axes;    /* [modes] -> [size][size], rows are orthonormal; NULL: the coordinate axes */
} pyr_mixture;

/* Modes of equal weight, standard normal until they are set. modes, size >= 1. The caller frees *out. */
pyr_status pyr_mixture_new(pyr_mixture **out, int modes, int size);
void pyr_mixture_free(pyr_mixture *m); /* NULL is a no-op */

/* Mode i: weight > 0, mean[size], standard deviation std >= 0 along every axis. PYR_E_ARG beyond. */
pyr_status pyr_mixture_isotropic(pyr_mixture *m, int i, double weight, const double *mean, double std);
/* The same with a covariance, size x size, symmetric (its lower triangle is read) and positive semidefinite
 * (PYR_E_ARG otherwise). */
pyr_status pyr_mixture_gaussian(pyr_mixture *m, int i, double weight, const double *mean,
                                const double *covariance);

double pyr_mixture_weight(const pyr_mixture *m, int i); /* of mode i; they sum to 1 */
/* Mean [size] and covariance [size][size] of z; either may be NULL. */
void pyr_mixture_moments(const pyr_mixture *m, double *mean, double *covariance);

/* ---- at a point x and noise level s ---- */

/* log p(x) */
double pyr_mixture_log_density(const pyr_mixture *m, const double *x, double s);
/* score[size] = the gradient of log p(x). Returns log p(x). */
double pyr_mixture_score(const pyr_mixture *m, double *score, const double *x, double s);
/* d[size] = D(x, s) = x + s^2 score, without the cancellation. Returns log p(x). */
double pyr_mixture_denoise(const pyr_mixture *m, double *d, const double *x, double s);
/* r[modes] = the probability of each mode given x; they sum to 1. Returns log p(x). */
double pyr_mixture_responsibilities(const pyr_mixture *m, double *r, const double *x, double s);

/* ---- sets of points ---- */

/* z[n][size]: draws number first .. first + n - 1 of the stream `seed`; each depends on (seed, number) alone.
 * mode[n], unless NULL: which mode each is of. */
void pyr_mixture_draw(const pyr_mixture *m, double *z, int *mode, int n, uint64_t seed, int64_t first);

/* w[modes] = the mean of the responsibilities (at s) over n points: how much of them each mode has. */
void pyr_mixture_mode_weights(const pyr_mixture *m, double *w, const double *x, int n, double s);

/* The exact denoiser as a sampler's callback (pyr_denoise of sampler.h): ctx is a pyr_mixture_denoiser. */
typedef struct pyr_mixture_denoiser {
    const pyr_mixture *m;
    pyr_kernels *k; /* whose memory and real type x and out have */
    int n;          /* vectors in a call */
    int64_t calls;  /* counted */
} pyr_mixture_denoiser;

pyr_status pyr_mixture_denoise_vectors(void *ctx, const void *x, const double *s, void *out);

#endif
