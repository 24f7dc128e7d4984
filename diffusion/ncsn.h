/* ncsn.h - noise levels and Langevin steps as NCSNv2 chooses them.
 *
 * Song & Ermon (2020), "Improved techniques for training score-based generative models": from the largest
 * distance of two data points, the number of dimensions and the number of Langevin steps, everything that
 * annealed Langevin dynamics needs.
 *
 * Technique 1: sigma_1 is as large as the largest Euclidean distance between two training images.
 *
 * Technique 2: sigma_{i-1} / sigma_i = gamma. |x| of N(0, sigma^2 I) in D dimensions is about
 * N(sqrt(D) sigma, sigma^2 / 2), and gamma is such that level i has half of its mass where level i-1 has
 * nearly all (3 standard deviations about its mean):
 *
 *     Phi(sqrt(2D) (gamma - 1) + 3 gamma) - Phi(sqrt(2D) (gamma - 1) - 3 gamma) = 1/2        (their eq. 5)
 *
 * For many dimensions the first term is 1, and gamma = sqrt(2D) / (sqrt(2D) - 3).
 *
 * Technique 4: T steps x += alpha score + sqrt(2 alpha) noise at level i with alpha = epsilon sigma_i^2 /
 * sigma_L^2 on N(0, sigma_i^2 I), begun at variance sigma_{i-1}^2. With e = epsilon / sigma_L^2 a step turns
 * the variance v (in units of sigma_i^2) into (1 - e)^2 v + 2 e, whose fixed point is 2 / (2 - e), so after T
 *
 *     v_T = (1 - e)^{2T} (gamma^2 - 2 / (2 - e)) + 2 / (2 - e)                                 (their eq. 7)
 *
 * epsilon brings v_T as near to 1 as it can be. With q = 1 - e, G = gamma^2 - 1 and 2 / (2 - e) - 1 =
 * (1 - q) / (1 + q)
 *
 *     v_T - 1 = q^{2T} G + (1 - q^{2T}) (1 - q) / (1 + q)  > 0  for 0 <= q < 1,
 *
 * least where its derivative vanishes:
 *
 *     T q^{2T-1} (G (1 + q)^2 - (1 - q^2)) = 1 - q^{2T}.
 *
 * T = 1: q = 1 / gamma^2, that is epsilon = sigma_L^2 (1 - 1 / gamma^2), v_1 = 2 - 1 / gamma^2. For more
 * steps the one root in (1 / gamma^2, 1) is found by bisection. Beyond e = 1 the fixed point only moves away.
 * Since v_T > 1 for every epsilon, it is the nearest value. */
#ifndef PYR_DIFFUSION_NCSN_H
#define PYR_DIFFUSION_NCSN_H

/* The left side of the criterion above. */
double pyr_ncsn_overlap(double dimensions, double gamma);
/* gamma, to rounding. 0 when there is none: below 5 dimensions (sqrt(2D) <= 3) the overlap is more than a
 * half for every gamma. */
double pyr_ncsn_gamma(double dimensions);
/* Noise levels from `largest` down to `smallest` or just below, the ratio of neighbours at most gamma > 1:
 * L = 1 + ceil(log(largest / smallest) / log(gamma)). */
int pyr_ncsn_levels(double largest, double smallest, double gamma);

/* v_T = s_T^2 / sigma_i^2 for e = epsilon / sigma_L^2 in (0, 1]. */
double pyr_ncsn_variance(double e, int steps, double gamma);
/* The e whose v_T is nearest to 1, to rounding; gamma > 1, steps >= 1. */
double pyr_ncsn_step(int steps, double gamma);
/* The fewest steps whose best v_T is at most 1 + excess, at most `most`; most + 1: more than that. */
int pyr_ncsn_steps(double gamma, double excess, int most);

#endif
