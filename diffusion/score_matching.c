/* score_matching.c - explicit, denoising and sliced score matching at a point: losses and gradients. */
#include "diffusion/score_matching.h"

#include <stddef.h>

const char *const pyr_objective_names[] = {"denoising", "explicit", "sliced", NULL};

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
