/* score_moments.h - how far a level's network leaves its variable unknown, noise level by noise level.
 *
 * Of x = z + s eps, in the mean over training images, noise and the d numbers of the variable:
 *
 *     score = s^2 E|s(x)|^2 / d = E|D - x|^2 / (s^2 d)        1 for data of one point, s^2/(1 + s^2) for N(0, 1)
 *     error = E|D - z|^2 / d                                  the loss, not weighted
 *
 * For the true score E|D - z|^2 = d s^2 (1 - score): both say then what is left of the variance of z when x is known,
 * which the optimal variance of ancestral sampling needs. `score` is the estimate of Bao et al. 2022 ("Analytic-DPM",
 * theorem 1 and equation 8); `error` is right for a network with errors of its own, too (Bao et al. 2022b, "Estimating
 * the optimal covariance with imperfect mean in diffusion probabilistic models"). Both are bounded by the variance of the data, 1,
 * and by s^2 (theorem 2). */
#ifndef PYR_LEVELS_SCORE_MOMENTS_H
#define PYR_LEVELS_SCORE_MOMENTS_H

#include "levels/denoiser.h"

enum { PYR_MOMENT_LEVELS = 40 };

typedef struct pyr_score_moments {
    int n; /* noise levels, rising, evenly spaced in log s; 0: nothing was measured */
    double s[PYR_MOMENT_LEVELS], score[PYR_MOMENT_LEVELS], error[PYR_MOMENT_LEVELS];
    int64_t images;   /* that each was measured on */
    uint64_t weights; /* the network's hash (pyr_params_hash) */
} pyr_score_moments;

/* With `images` images of the training set (at most all), evenly spaced, on their real coarse images and classes, at
 * noise levels from `lowest` to `highest`. `denoiser` is packed, of `weights`, and of no more images at a time than the
 * feed takes; whole machine. The same for every number of lanes. */
pyr_status pyr_score_moments_measure(pyr_score_moments *out, pyr_denoiser *denoiser, pyr_feed *feed,
                                     double lowest, double highest, int64_t images, uint64_t weights);

/* What is left per number at noise level s, by the score, or by the error; between the noise levels a power of s. */
double pyr_score_moments_left(const pyr_score_moments *m, bool by_error, double s);

#define PYR_SCORE_MOMENTS_NAME "score-moments.safetensors"

/* In a level's folder, as the fit of gaussian.h. read: PYR_E_IO when there are none, PYR_E_FORMAT when they are damaged
 * or of other weights, with what measures them. `run` stands in the sentence. */
pyr_status pyr_score_moments_write(const pyr_score_moments *m, const pyr_level_facts *facts,
                                   const char *folder);
pyr_status pyr_score_moments_read(pyr_score_moments *out, const pyr_level *level, uint64_t weights,
                                  const char *folder, const char *run);

#endif
