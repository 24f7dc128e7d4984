/* toy_decay.c - the law of Langevin dynamics on a normal distribution, and the bound of its divergence. */
#include "toys/toy_decay.h"

#include <math.h>

double pyr_plane_divergence(const pyr_plane_normal *a, const pyr_plane_normal *b)
{
    double sum = 0;

    for (int j = 0; j < 2; j++) {
        double off = a->mean[j] - b->mean[j], ratio = a->variance[j] / b->variance[j];

        sum += (off * off / b->variance[j] + ratio - 1 - log(ratio)) / 2;
    }
    return sum;
}

pyr_plane_normal pyr_langevin_law(const pyr_plane_normal *target, const pyr_plane_normal *start, double t)
{
    pyr_plane_normal law;

    for (int j = 0; j < 2; j++) {
        double v = target->variance[j], left = exp(-t / v);

        law.mean[j] = target->mean[j] + (start->mean[j] - target->mean[j]) * left;
        law.variance[j] = v + (start->variance[j] - v) * left * left;
    }
    return law;
}

double pyr_langevin_bound(const pyr_plane_normal *target, const pyr_plane_normal *start, double t)
{
    double alpha = 1 / fmax(target->variance[0], target->variance[1]);

    return exp(-2 * alpha * t) * pyr_plane_divergence(start, target);
}

pyr_plane_normal pyr_plane_moments(const double *x, int n)
{
    pyr_plane_normal of = {{0, 0}, {0, 0}};

    for (int i = 0; i < 2 * n; i++)
        of.mean[i % 2] += x[i] / n;
    for (int i = 0; i < 2 * n; i++)
        of.variance[i % 2] += pow(x[i] - of.mean[i % 2], 2) / (n - 1);
    return of;
}
