/* ideal.h - the ideal filter: cosine transforms by FFTW, in double, on the host; and Hartley's transform.
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

/* Hartley's transform along both axes, orthonormal and symmetric, so its own inverse: with the unitary DFT F of a
 * real image H(k) = Re F(k) - Im F(k), so that H(k) and H(-k) hold F(k) as two real numbers (Bracewell 1983). */
typedef struct pyr_hartley pyr_hartley;
pyr_status pyr_hartley_new(pyr_hartley **out, int h, int w, int c); /* as pyr_dct_new */
void pyr_hartley_free(pyr_hartley *hartley);                        /* NULL is a no-op */
void pyr_hartley_apply(const pyr_hartley *hartley, double *image);  /* in place */

#endif
