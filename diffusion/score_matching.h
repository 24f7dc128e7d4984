/* score_matching.h - the losses that train a network to give the score, at one point.
 *
 * With p the density of x and s(x) the network's score, all of them have, in the mean over x, the same
 * gradient as the Fisher divergence E |s - grad log p|^2, and differ in what has to be known and in how much
 * their gradients vary:
 *
 *     explicit    |s(x) - grad log p(x)|^2                     the score has to be known: of toys, of small sets
 *     denoising   |s(z + sigma eps) + eps / sigma|^2           clean points have to be known (Vincent 2011)
 *     sliced      |s(x)|^2 + 2 size u^T grad(u^T s(x))         x alone; u uniform on the unit sphere
 *                                                              (Song et al. 2019, "Sliced score matching")
 *
 * Sliced score matching wants a derivative of the network with respect to x. By finite differences (Pang et
 * al. 2020, "Efficient learning of generative models via finite-difference score matching", section 4) the
 * network is evaluated at x + v and x - v instead, v = h u:
 *
 *     u^T grad(u^T s(x)) = v^T (s(x + v) - s(x - v)) / (2 h^2) + O(h^2)
 *     s(x)               = (s(x + v) + s(x - v)) / 2 + O(h^2)
 *     L                  = |s(x + v) + s(x - v)|^2 / 4 + size v^T (s(x + v) - s(x - v)) / h^2
 *     dL / ds(x +- v)    = (s(x + v) + s(x - v)) / 2 +- size v / h^2
 *
 * so that two forward passes and first-order gradients are enough. */
#ifndef PYR_DIFFUSION_SCORE_MATCHING_H
#define PYR_DIFFUSION_SCORE_MATCHING_H

typedef enum pyr_objective {
    PYR_DENOISING_SCORE_MATCHING,
    PYR_EXPLICIT_SCORE_MATCHING,
    PYR_SLICED_SCORE_MATCHING,   /* by finite differences, as the next */
    PYR_IMPLICIT_SCORE_MATCHING, /* of levels alone (levels/loss.h) */
    PYR_OBJECTIVES
} pyr_objective;

/* "denoising", "explicit", "sliced", "implicit"; ends with NULL. What they are for a level. */
extern const char *const pyr_objective_names[], *const pyr_objective_help[];

/* Explicit and denoising: |score - target|^2 over `size` numbers; gradient[size] with respect to the
 * score. */
double pyr_score_regression(double *gradient, const double *score, const double *target, int size);

/* Sliced: L above, from the scores at x + v and x - v; plus_gradient and minus_gradient[size] with respect to
 * them. |v| = h > 0. */
double pyr_score_sliced(double *plus_gradient, double *minus_gradient, const double *plus,
                        const double *minus, const double *v, int size);

#endif
