/* roc.h - how well a score tells two sets apart: the receiver operating characteristic and its area. */
#ifndef PYR_CASCADE_ROC_H
#define PYR_CASCADE_ROC_H

#include "base/status.h"
#include <stddef.h>

/* A point of the curve: with the scores above a threshold taken for inliers, the share of the outliers that are, and of the
 * inliers. */
typedef struct pyr_roc_point {
    double outliers, inliers;
} pyr_roc_point;

/* The curve from (0, 0) to (1, 1) by falling thresholds, at most n_in + n_out + 1 points in `points`; equal scores are one step
 * (its slope is that of a tie). *area is the area under it: the probability that an inlier has the larger score of a pair,
 * ties counting half (Mann & Whitney 1947). Scores may be infinite, not NAN. PYR_E_NOMEM, PYR_E_NUMERIC. */
pyr_status pyr_roc(pyr_roc_point *points, size_t *n_points, double *area, const double *in, size_t n_in,
                   const double *out, size_t n_out);

#endif
