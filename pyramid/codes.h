/* codes.h - the exact pyramid of one picture, on the host: decompose, reconstruct.
 *
 * A picture is float HWC with 1 to 4 channels and pixels (2p - 255)/256 of 8
 * bits or (2p - 65535)/65536 of 16. Its codes hold it without loss: reconstruct
 * after decompose gives every bit back, for every filter, size and number of
 * levels. The operators are those of pyramid.h, rounded to 2^-16.
 *
 * Codes may be made and read on different machines: every sum is in double, in
 * a fixed order, exact but for gaussian's last bits. ideal depends on FFTW's
 * rounding: another build of it may round one value in some 10^10 the other way
 * and so give a pixel that is off by 2^-16, which rounding to 8 bits mends.
 *
 * Pictures of a camera are meant: work is done row by row (ideal: channel by
 * channel), so that beside picture and codes little memory is used (the next
 * image; ideal: a channel in double). 24 megapixels RGB take a third of a
 * second with box, three with ideal, on one core. */
#ifndef PYR_PYRAMID_CODES_H
#define PYR_PYRAMID_CODES_H

#include "pyramid/pyramid.h"

/* value[i], level i of shape[i] (n = 1), row-major HWC of `type`:
 *     i < levels - 1    r_i = I_i - u(I_{i+1}); bands: details (ceil(h/2),ceil(w/2),3c) = [LH | HL | HH]
 *     i = levels - 1    I_i
 * type is PYR_F32; PYR_F64 beyond the halvings that the filter's row gives (haar: 8 bits: 8, 16 bits: 4). */
typedef struct pyr_codes {
    pyr_pyramid_settings settings; /* project is not used */
    int h, w, c, bits;
    pyr_type type;
    pyr_shape shape[PYR_MAX_LEVELS];
    void *value[PYR_MAX_LEVELS]; /* owned */
} pyr_codes;

/* Codes of a picture h x w x c with zeros in them, to be filled by pyr_decompose or from a file.
 * PYR_E_CONFIG as pyr_pyramid_new; PYR_E_ARG: channels or bits; PYR_E_NOMEM. *out is empty on failure. */
pyr_status pyr_codes_new(pyr_codes *out, const pyr_pyramid_settings *settings, int h, int w, int c, int bits);
void pyr_codes_free(pyr_codes *codes); /* back to {0}; {0} is a no-op */

/* Fill the codes from a picture. PYR_E_NOMEM; PYR_E_FORMAT when the picture's values do not come from so
 * many bits (value and place are named), as the codes would not be exact. */
pyr_status pyr_decompose(pyr_codes *codes, const float *picture);

/* The picture (h x w x c floats) from its codes. PYR_E_NOMEM. */
pyr_status pyr_reconstruct(float *picture, const pyr_codes *codes);

/* ---- pictures to look at ------------------------------------------------------------------------ */

/* Size of the picture of a level: that of shape[level]; of bands: four tiles, 2h' x 2w'. */
void pyr_codes_view_size(const pyr_codes *codes, int level, int *h, int *w);

/* A power of two, 1 to 64, that makes the details of a level visible (four times their rms near the end of
 * the scale); 1 at the coarsest. */
double pyr_codes_gain(const pyr_codes *codes, int level);

/* rgb (view size x 3 bytes): the coarsest image as it is; residuals as mid-grey + gain * r, clamped; bands:
 *     mean HL
 *     LH   HH      with the mean as it is and the bands as residuals.
 * One channel is shown as grey; a second or fourth channel (alpha) is left out. PYR_E_NOMEM. */
pyr_status pyr_codes_view(uint8_t *rgb, const pyr_codes *codes, int level, double gain);

/* The gain for details whose numbers have this root mean square. */
double pyr_view_gain(double rms);
/* The same view of what a model draws at a level below the coarsest: `variable` of `shape` (pyramid.h, n =
 * 1). bands: rgb is 2 h x 2 w x 3, and `coarse` is I_{level+1}, or NULL: mid-grey in its place. */
void pyr_variable_view(uint8_t *rgb, pyr_shape shape, bool bands, const float *variable, const float *coarse,
                       double gain);

#endif
