/* taps.h - sparse matrices along an axis: what a filter of the pyramid does to rows and to columns. */
#ifndef PYR_PYRAMID_TAPS_H
#define PYR_PYRAMID_TAPS_H

#include "base/status.h"

/* A matrix n_out x n_in with at most `width` neighbouring entries in a row, on the host, in double:
 * out[o] = sum over j < width of tap[o*width + j] * in[start[o] + j]; 0 <= start[o] <= n_in - width. */
typedef struct pyr_taps {
    int n_in, n_out, width;
    int *start;
    double *tap;
} pyr_taps;

/* A matrix of zeros; width is cut to n_in. PYR_E_NOMEM; *out is empty then. */
pyr_status pyr_taps_new(pyr_taps *out, int n_in, int n_out, int width);
void pyr_taps_free(pyr_taps *taps); /* back to {0}; {0} is a no-op */

/* Row o: `count` weights for the inputs first, first + 1, …, those outside the axis folded into it by half-sample
 * symmetric continuation (x[-1-i] = x[i], x[n+i] = x[n-1-i]; SciPy's `reflect`). All must lie within `width`. */
void pyr_taps_put(pyr_taps *taps, int o, int first, int count, const double *weight);

/* The pseudo-inverse d^T (d d^T)^-1 of d (n x m), entries below `small` times the largest left out where
 * that makes rows shorter. For box it is exactly "repeat the pixel". *gain: its largest row sum of
 * magnitudes, that is how much of an error in a coarse image it can put into the fine one; infinite (and
 * *out empty) when d d^T is singular in double. */
pyr_status pyr_taps_invert(pyr_taps *out, double *gain, const pyr_taps *down, double small);

/* The transposed matrix: of u, what carries a gradient of the fine image to the coarse one. */
pyr_status pyr_taps_transpose(pyr_taps *out, const pyr_taps *taps);

#endif
