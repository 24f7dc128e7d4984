/* known.h - drawing what is not known of a picture: inpainting and colouring.
 *
 * Both know the picture in a subspace: with an orthonormal matrix Q over the channels of a pixel, some
 * components of Q I are given. Inpainting: Q = 1, all channels of the pixels outside the mask. Colouring: the
 * first row of Q is (1, 1, 1)/sqrt 3, and that component, the grey, is given everywhere (Song et al. 2021,
 * "Score-based generative modeling through SDEs", appendix I.2 and I.3).
 *
 * After each step of the sampler the given components of x = z + s eps become z_given + s eps', with fresh
 * noise (there, equation 58; Lugmayr et al. 2022, "RePaint", algorithm 1), at s = 0 z_given itself. Repeated
 * steps (RePaint's U) let what is drawn come to terms with what is given.
 *
 * Down the pyramid: a coarse pixel is given if and only if all fine pixels that it depends on are. Level i is
 * conditioned on l_i of the coarse image as it was drawn, so what is given of its residual is I_i - l_i with that l_i,
 * and I_i comes out as given. Where a coarse pixel covers pixels of both kinds, the mean of the given ones
 * is its value up to the finer residuals, and the denoiser's estimate of it is drawn there (see `hinted`);
 * the finer level is not projected onto such a pixel, which would move what is drawn to make up for what is
 * given. Bands of details are given where the coarse pixel is (haar: where the four pixels of the block are).
 *
 * At the end the given pixels are the picture's, bit for bit; of colours the grey (R + G + B)/3 is the
 * picture's up to the rounding to 8 bits, as colours that leave [-1, 1] are brought back along their grey. */
#ifndef PYR_TASKS_KNOWN_H
#define PYR_TASKS_KNOWN_H

#include "cascade/model.h"

typedef struct pyr_known pyr_known;

/* `image` is I_0 (h w c, in [-1, 1]); regenerate[h w]: 0 where it is given; NULL: of `image` the grey is given
 * (PYR_E_UNSUPPORTED unless the model's images are RGB). `repeats`: how often each step is done, on levels of
 * which anything is given; 1: once. The model is borrowed. PYR_E_NOMEM. */
pyr_status pyr_known_new(pyr_known **out, pyr_model *m, const float *image, const uint8_t *regenerate,
                         int repeats);
void pyr_known_free(pyr_known *known); /* NULL is a no-op */

/* For pyr_model_draw; valid as long as `known`. */
const pyr_model_hooks *pyr_known_hooks(const pyr_known *known);

/* How much of a level is given: the share of its pixels, 0 to 1. */
double pyr_known_share(const pyr_known *known, int level);

#endif
