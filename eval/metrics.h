/* metrics.h - how far two sets of images are apart: distances in feature space.
 *
 * Features are n x d floats, row-major, on the host (features.h makes them). What is random draws from Philox
 * with the seed given, so that every figure can be made again. `pool` NULL: one thread.
 */
#ifndef PYR_EVAL_METRICS_H
#define PYR_EVAL_METRICS_H

#include "base/status.h"
#include "base/threads.h"
#include <stdint.h>

/* Mean (d) and unbiased covariance (d x d, symmetric) of features; owned. */
typedef struct pyr_moments {
    int64_t n; /* 0: not known (a file of others) */
    int d;
    double *mean, *cov;
} pyr_moments;

pyr_status pyr_moments_new(pyr_moments *out, int64_t n, int d, const float *features);
void pyr_moments_free(pyr_moments *m); /* back to {0} */
/* EDM's reference statistics: an NPZ with `mu` (d) and `sigma` (d x d), double. */
pyr_status pyr_moments_read(pyr_moments *out, const char *path);
pyr_status pyr_moments_write(const pyr_moments *m, const char *path);

/* Frechet distance |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Heusel et al. 2017, equation 6). PYR_E_SHAPE:
 * the sizes differ; PYR_E_NUMERIC. */
pyr_status pyr_frechet(double *out, const pyr_moments *a, const pyr_moments *b);

/* Kernel inception distance: the unbiased MMD^2 with the kernel (x.y/d + 1)^3 (Binkowski et al. 2018), mean
 * and standard deviation over `subsets` draws of `size` vectors of each set without replacement (size is
 * lowered to the smaller set). */
pyr_status pyr_kid(double *mean, double *std, int64_t n_a, const float *a, int64_t n_b, const float *b, int d,
                   int subsets, int size, uint64_t seed, pyr_pool *pool);

/* Improved precision and recall (Kynkaanniemi et al. 2019): the share of samples within the manifold of the
 * real features, made of balls up to the k-th nearest neighbour, and the other way round. */
pyr_status pyr_precision_recall(double *precision, double *recall, int64_t n_real, const float *real,
                                int64_t n_samples, const float *samples, int d, int k, pyr_pool *pool);

/* Inception Score exp(E KL(p(y|x) | p(y))) (Salimans et al. 2016) from logits n x classes: mean and standard
 * deviation over `splits` parts in the order given. */
pyr_status pyr_inception_score(double *mean, double *std, int64_t n, const float *logits, int classes,
                               int splits);

/* For each of n samples its nearest training image: index and distance, and the distance to the second
 * nearest, as Euclidean distances of vectors of d numbers (features, or pixels). Memorisation ratio: the
 * share of samples with nearest < ratio * second (1/3: Yoon et al. 2023). */
pyr_status pyr_nearest_vectors(int64_t *index, float *nearest, float *second, int64_t n, const float *samples,
                               int64_t n_train, const float *train, int d, pyr_pool *pool);
double pyr_memorised(int64_t n, const float *nearest, const float *second, double ratio);

#endif
