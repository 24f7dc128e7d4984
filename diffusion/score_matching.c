/* score_matching.c - the words of the objectives; explicit, denoising and sliced score matching at a point: losses
 * and gradients. */
#include "diffusion/score_matching.h"

#include <stddef.h>

const char *const pyr_objective_names[] = {"denoising", "explicit", "sliced", "implicit", NULL};

const char *const pyr_objective_help[] = {
    "clean images are known: `abs(D - z)^2` (Vincent 2011)",
    "the score of the noised training set is computed, an image's neighbours weighed: `abs(D - E[z | x])^2`; for sets that are small",
    "x alone is known: `abs(D - x)^2 + 2 s^2 v^T J v - d s^2`, J = dD/dx, v normal (Song et al. 2019, with reduced variance)",
    "the same with signs for v, Hutchinson's estimate of the trace of J (Hyvarinen 2005)", NULL};

double pyr_score_regression(double *gradient, const double *score, const double *target, int size)
{
    double loss = 0;

    for (int j = 0; j < size; j++) {
        double error = score[j] - target[j];

        loss += error * error;
        gradient[j] = 2 * error;
    }
    return loss;
}

double pyr_score_sliced(double *plus_gradient, double *minus_gradient, const double *plus,
                        const double *minus, const double *v, int size)
{
    double h2 = 0, loss = 0;

    for (int j = 0; j < size; j++)
        h2 += v[j] * v[j];
    for (int j = 0; j < size; j++) {
        double mean = (plus[j] + minus[j]) / 2, slope = size * v[j] / h2;

        loss += mean * mean + slope * (plus[j] - minus[j]);
        plus_gradient[j] = mean + slope;
        minus_gradient[j] = mean - slope;
    }
    return loss;
}
