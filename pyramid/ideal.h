/* ideal.h - the ideal filter: cosine transforms by FFTW, in double, on the host.
 *
 * The cosine series of the half-sample symmetric image is cut at (down) or
 * continued with zeros from (up) the m = ceil(n / 2) lowest frequencies of each
 * axis and read at the pixel centres of the other size. Constants stay, d(u(x))
 * = x, and u is also the pseudo-inverse of d (in orthonormal scaling d = sqrt(m/n)
 * times an isometry's transpose, u its inverse).
 *
 * Plans are made with FFTW_ESTIMATE | FFTW_UNALIGNED: they depend on the size
 * alone (measured plans differ from run to run, and so would the last bits),
 * and run on any array, from any thread. */
#ifndef PYR_PYRAMID_IDEAL_H
#define PYR_PYRAMID_IDEAL_H

#include "base/status.h"

/* Transforms of images h x w of c interleaved channels, in place. */
typedef struct pyr_dct pyr_dct;

/* PYR_E_NOMEM. May be called from any thread. */
pyr_status pyr_dct_new(pyr_dct **out, int h, int w, int c);
void pyr_dct_free(pyr_dct *dct); /* NULL is a no-op */

/* DCT-II along both axes, FFTW's REDFT10: X_k = 2 sum of x_j cos(pi (j + 1/2) k / n). */
void pyr_dct_forward(const pyr_dct *dct, double *image);
/* DCT-III, REDFT01: the inverse times 2h * 2w. */
void pyr_dct_inverse(const pyr_dct *dct, double *image);

/* coarse = d(fine), fine = u(coarse), sizes as the transforms say; the source is overwritten. */
void pyr_ideal_down(double *coarse, double *fine, const pyr_dct *of_coarse, const pyr_dct *of_fine);
void pyr_ideal_up(double *fine, double *coarse, const pyr_dct *of_fine, const pyr_dct *of_coarse);

#endif
