/* filters.h - the filters of a pyramid as 1-D operators.
 *
 * Halving n pixels gives m = ceil(n / 2). Every filter but `ideal` is a pair of
 * matrices per axis, d (m x n: blur and decimate) and u (n x m: interpolate),
 * applied to rows and columns one after the other. The input of an operator is
 * continued half-sample symmetrically (x[-1-i] = x[i], x[n+i] = x[n-1-i]:
 * SciPy's `reflect`), and that is folded into the matrix here, so that nobody
 * else knows about borders. All rows of d and u add up to exactly 1: a constant
 * stays the same constant.
 *
 * Where coarse pixel j lies, and the taps:
 *   box           between fine pixels 2j and 2j+1.
 *                 d: (1 1)/2 of (2j, 2j+1); an odd last pixel is averaged with its mirror image, itself.
 *                 u: bilinear, (3 1)/4 towards the neighbour on the pixel's side.
 *   burt-adelson  on fine pixel 2j. d: (1 4 6 4 1)/16; u: zeros between, the same kernel times 2, that is
 *                 (1 6 1)/8 on even and (4 4)/8 on odd pixels (Burt & Adelson 1983, a = 3/8).
 *   gaussian      on fine pixel 2j. exp(-t^2 / (2 sigma^2)), |t| <= max(1, floor(4 sigma + 1/2)) (SciPy's
 *                 truncation), d and both phases of u normalised.
 *   ideal         evenly spread with spacing n/m. d keeps the m lowest cosine (DCT-II) frequencies,
 *                 u adds zeros above them; see ideal.h.
 *   haar          d as box; there is no u: the details are kept as bands.
 * Taps are multiples of 2^-24 (box 2^-2, burt-adelson 2^-4), so they are the
 * same numbers in float and in double. For box and burt-adelson all products and
 * sums on pixels of up to 16 bits are exact in double: the same bits whatever
 * the compiler and the order of adding. */
#ifndef PYR_PYRAMID_FILTERS_H
#define PYR_PYRAMID_FILTERS_H

#include "base/status.h"

typedef enum pyr_filter {
    PYR_FILTER_BOX,
    PYR_FILTER_BURT_ADELSON,
    PYR_FILTER_GAUSSIAN,
    PYR_FILTER_IDEAL,
    PYR_FILTER_HAAR,
    PYR_FILTERS
} pyr_filter;

/* "box", "burt-adelson", "gaussian", "ideal", "haar", NULL. */
extern const char *const pyr_filter_names[PYR_FILTERS + 1];

/* PYR_E_ARG with the valid words for an unknown one. */
pyr_status pyr_filter_parse(int *out, const char *word);

/* Largest sigma of `gaussian`, in fine pixels. */
#define PYR_SIGMA_MAX 256.0

/* A matrix n_out x n_in with at most `width` neighbouring entries in a row, on the host, in double:
 * out[o] = sum over j < width of tap[o*width + j] * in[start[o] + j]; 0 <= start[o] <= n_in - width. */
typedef struct pyr_taps {
    int n_in, n_out, width;
    int *start;
    double *tap;
} pyr_taps;

/* d and u of an axis of n fine pixels, for every filter but ideal (haar: as box). `sigma` is read for
 * gaussian only. PYR_E_NOMEM; *out is empty then. */
pyr_status pyr_taps_down(pyr_taps *out, pyr_filter filter, double sigma, int n);
pyr_status pyr_taps_up(pyr_taps *out, pyr_filter filter, double sigma, int n);

/* The pseudo-inverse d^T (d d^T)^-1 of d (n x m), entries below `small` times the largest left out where
 * that makes rows shorter. For box it is exactly "repeat the pixel". *gain: its largest row sum of
 * magnitudes, that is how much of an error in a coarse image it can put into the fine one; infinite (and
 * *out empty) when d d^T is singular in double. */
pyr_status pyr_taps_invert(pyr_taps *out, double *gain, const pyr_taps *down, double small);

/* The transposed matrix: of u, what carries a gradient of the fine image to the coarse one. */
pyr_status pyr_taps_transpose(pyr_taps *out, const pyr_taps *taps);

void pyr_taps_free(pyr_taps *taps); /* back to {0}; {0} is a no-op */

#endif
