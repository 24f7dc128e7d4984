/* metrics.h - how far two sets of images are apart: distances in feature space.
 *
 * Features are n x d floats, row-major, on the host (features.h makes them). What is random draws from Philox
 * with the seed given, so that every figure can be made again. `pool` NULL: one thread. */
#ifndef PYR_EVAL_METRICS_H
#define PYR_EVAL_METRICS_H

#include "base/status.h"
#include "base/threads.h"
#include <stddef.h>
#include <stdint.h>

/* Streams of PYR_RNG_METRIC, distinguished by the word where a level stands. */
typedef enum pyr_metric_draw {
    PYR_DRAW_SUBSET = 0,   /* KID: counter {place, subset, set} */
    PYR_DRAW_PATCH = 1,    /* sliced Wasserstein: {patch, image, level}; word 0: y, word 1: x */
    PYR_DRAW_DIRECTION = 2 /* sliced Wasserstein: normals {element / 4, direction, level} */
} pyr_metric_draw;

/* Mean (d) and unbiased covariance (d x d, symmetric) of features; owned. */
typedef struct pyr_moments {
    int64_t n; /* 0: not known (a file of others) */
    int d;
    double *mean, *cov;
    char resize[16]; /* the word of Inception's resize (features.h) when it is known; else "" */
} pyr_moments;

/* PYR_E_ARG: fewer than 2 vectors; PYR_E_NUMERIC: a feature is not finite. */
pyr_status pyr_moments_new(pyr_moments *out, int64_t n, int d, const float *features);
void pyr_moments_free(pyr_moments *m); /* back to {0} */
/* Reference statistics as EDM, ADM and pytorch-fid keep them: an NPZ with `mu` (d) and `sigma` (d x d);
 * double is written, all numbers that npz_arrays.h reads are read. `resize`, when there is one, goes along as
 * the bytes of an array of that name. Read moments have n = 0. PYR_E_IO; PYR_E_FORMAT: a file of another
 * kind, which is named, with what to give instead; other shapes, not finite, and no covariance: not
 * symmetric, a negative variance, or a negative eigenvalue that the rounding of float does not explain. */
pyr_status pyr_moments_read(pyr_moments *out, const char *path);
pyr_status pyr_moments_write(const pyr_moments *m, const char *path);

/* Frechet distance |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Heusel et al. 2017, equation 6), also where a
 * covariance has not full rank (n <= d); never under 0. Of a set with itself it is 0 up to rounding: some
 * 1e-13 of the traces at full rank, 1e-8 of them for each direction without variance. PYR_E_SHAPE: the sizes
 * differ; PYR_E_NUMERIC: not finite, or below 0 by more than rounding, as only matrices that are no
 * covariances make it. One thread, and three matrices d x d; with d = 2048 about a minute on the reference
 * BLAS, much less where the system's libblas is an optimised one (Debian: libopenblas0-serial). */
pyr_status pyr_frechet(double *out, const pyr_moments *a, const pyr_moments *b);

/* Kernel inception distance: the unbiased MMD^2 with the kernel (x.y/d + 1)^3 (Binkowski et al. 2018), mean
 * and standard deviation (divided by `subsets`) over `subsets` draws of `size` vectors of each set without
 * replacement (size is lowered to the smaller set). Near 0 it may be negative. PYR_E_ARG: no subsets, or
 * under 2 vectors; PYR_E_NUMERIC. */
pyr_status pyr_kid(double *mean, double *std, int64_t n_a, const float *a, int64_t n_b, const float *b, int d,
                   int subsets, int size, uint64_t seed, pyr_pool *pool);

/* Improved precision and recall (Kynkaanniemi et al. 2019): the share of samples within the manifold of the
 * real features, made of balls up to the k-th nearest other one (its surface included), and the other way
 * round. Distances as in pairs.h. PYR_E_ARG: k is under 1, or a set has no more than k; PYR_E_NUMERIC. */
pyr_status pyr_precision_recall(double *precision, double *recall, int64_t n_real, const float *real,
                                int64_t n_samples, const float *samples, int d, int k, pyr_pool *pool);

/* An order of n images (each `bytes` bytes of `images`) that their content and the seed alone decide: a
 * shuffle which is the same however the images came. `order`: n places, written. PYR_E_NOMEM. */
pyr_status pyr_shuffle_by_content(int64_t *order, int64_t n, const void *images, size_t bytes, uint64_t seed);

/* Inception Score exp(E KL(p(y|x) | p(y))) (Salimans et al. 2016) from logits n x classes: mean and standard
 * deviation (divided by `splits`) over `splits` parts of the images in this order (n numbers; NULL: as they
 * lie), part i from n i / splits on. A part should be of all kinds of images: sorted by class they give a low
 * score. Published ones are of Inception-v3's 1008 logits without their bias. PYR_E_ARG: fewer images than
 * parts; PYR_E_NUMERIC. */
pyr_status pyr_inception_score(double *mean, double *std, int64_t n, const float *logits, int classes,
                               int splits, const int64_t *order);

/* For each of n samples its nearest training image (of several at the same distance the first): index and
 * distance, and the distance to the second nearest, as Euclidean distances of vectors of d numbers (features,
 * or pixels). A copy is at distance 0 exactly (pairs.h). PYR_E_ARG: under 2 training images; PYR_E_NUMERIC: a
 * sample that is not finite. */
typedef struct pyr_neighbours {
    int64_t *index;
    float *nearest, *second; /* n each */
} pyr_neighbours;
pyr_status pyr_nearest_vectors(pyr_neighbours *out, int64_t n, const float *samples, int64_t n_train,
                               const float *train, int d, pyr_pool *pool);
/* Memorisation ratio: the share of samples with nearest < ratio * second (1/3: Yoon et al. 2023), or with
 * nearest 0: a copy of an image that stands in the training set twice. */
double pyr_memorised(int64_t n, const float *nearest, const float *second, double ratio);

#endif
