/* prediction.h - what a network predicts, as conversions of one denoiser.
 *
 * Of x = z + s eps (schedule.h) a network gives N, and the denoiser is
 *     D = skip x + out N;      training goes towards   N* = (z - skip x) / out = z_part z + eps_part eps
 *
 *                skip         out               N*
 *     f          1/(1+s^2)    s/sqrt(1+s^2)     (s z - eps)/sqrt(1+s^2)   Karras et al. 2022, section 5
 *     x0         0            1                 z
 *     epsilon    1            -s                eps                       Ho et al. 2020, equation 12
 *     v          1/(1+s^2)    -s/sqrt(1+s^2)    (eps - s z)/sqrt(1+s^2)   Salimans & Ho 2022, appendix D
 *     score      1            s^2               -eps/s                    Song & Ermon 2019
 *     velocity   1/(1+s)      -s/(1+s)          eps - z                   Liu et al. 2023, equation 1
 *
 * v is alpha eps - sigma z of VP, which is -f; score is that of x, that of z_t is N/alpha. */
#ifndef PYR_DIFFUSION_PREDICTION_H
#define PYR_DIFFUSION_PREDICTION_H

typedef enum pyr_prediction {
    PYR_PREDICT_F,
    PYR_PREDICT_X0,
    PYR_PREDICT_EPSILON,
    PYR_PREDICT_V,
    PYR_PREDICT_SCORE,
    PYR_PREDICT_VELOCITY, /* of flow matching, dz_t/dt */
    PYR_PREDICTIONS
} pyr_prediction;

/* Words and half a line on each, by constant; the words end with NULL. */
extern const char *const pyr_prediction_names[], *const pyr_prediction_help[];

typedef struct pyr_conversion {
    double skip, out;        /* D = skip x + out N */
    double z_part, eps_part; /* N* = z_part z + eps_part eps */
} pyr_conversion;

/* At noise level s > 0. */
pyr_conversion pyr_prediction_at(pyr_prediction prediction, double s);

#endif
