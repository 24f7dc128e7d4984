/* distance.h - the largest Euclidean distance between two of some vectors: NCSNv2's sigma_1. */
#ifndef PYR_CASCADE_DISTANCE_H
#define PYR_CASCADE_DISTANCE_H

#include "kernels/kernels.h"
#include <stddef.h>
#include <stdint.h>

typedef struct pyr_farthest {
    double distance;
    int64_t i, j; /* the pair, i < j; the first of equals */
} pyr_farthest;

/* Of n >= 1 vectors of `size` floats (one after the other, finite), all n (n - 1) / 2 pairs: exact but for
 * the rounding of float sums of a few numbers. Whole machine; the same for every number of threads. {0} for
 * one vector. PYR_E_NOMEM. */
pyr_status pyr_find_farthest(pyr_farthest *out, const float *x, int64_t n, size_t size, pyr_kernels *k);

#endif
