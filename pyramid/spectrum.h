/* spectrum.h - the radial power spectrum of images, by FFTW.
 *
 * Of an image h x w (each channel on its own, its mean left in) the discrete Fourier transform X, power
 * |X|^2 / (h w): white noise of variance v has power v everywhere. Bin b collects the frequencies with
 * radius round(sqrt(fy^2 + fx^2) * min(h, w)) = b (halves up), fy and fx in cycles per pixel in (-1/2, 1/2];
 * bins beyond min(h, w)/2 (rounded down), the corners of the plane, are left out. Bin 0 of a square image is
 * its mean. */
#ifndef PYR_PYRAMID_SPECTRUM_H
#define PYR_PYRAMID_SPECTRUM_H

#include "base/status.h"
#include <stdint.h>

/* min(h, w)/2 + 1. */
int pyr_spectrum_bins(int h, int w);

typedef struct pyr_spectrum pyr_spectrum; /* a plan and the running sums */
/* PYR_E_SHAPE: a side or c is under 1; PYR_E_NOMEM. */
pyr_status pyr_spectrum_new(pyr_spectrum **out, int h, int w, int c);
void pyr_spectrum_free(pyr_spectrum *s); /* NULL is a no-op */
/* Add n images h x w x c (NHWC, any units). One thread at a time for each pyr_spectrum. */
void pyr_spectrum_add(pyr_spectrum *s, int64_t n, const float *images);
/* Mean power per bin, over images, channels and the bin's frequencies; `power` has pyr_spectrum_bins numbers.
 * All 0 before the first image. */
void pyr_spectrum_mean(const pyr_spectrum *s, double *power);

#endif
