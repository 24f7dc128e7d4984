/* toy_mixture.c - the mixtures of the toy. */
#include "toys/toy_mixture.h"

#include <math.h>

const char *const pyr_toy_names[] = {"two", "ring", "grid", "cross", "near", "far", NULL};

static const double pi = 3.14159265358979323846;

static pyr_status set_two(pyr_mixture *m)
{
    PYR_TRY(pyr_mixture_isotropic(m, 0, 0.2, (double[]){-5, -5}, 1));
    return pyr_mixture_isotropic(m, 1, 0.8, (double[]){5, 5}, 1);
}

static pyr_status set_ring(pyr_mixture *m)
{
    for (int i = 0; i < m->modes; i++) {
        double angle = 2 * pi * i / m->modes;

        PYR_TRY(pyr_mixture_isotropic(m, i, 1, (double[]){5 * cos(angle), 5 * sin(angle)}, 0.6));
    }
    return PYR_OK;
}

static pyr_status set_grid(pyr_mixture *m)
{
    for (int i = 0; i < m->modes; i++)
        PYR_TRY(pyr_mixture_isotropic(m, i, 1 + i % 3, (double[]){4 * (i % 3 - 1), 4 * (i / 3 - 1)}, 0.5));
    return PYR_OK;
}

static pyr_status set_cross(pyr_mixture *m)
{
    PYR_TRY(pyr_mixture_gaussian(m, 0, 0.3, (double[]){0, 0}, (double[]){2.6, 2.4, 2.4, 2.6}));
    return pyr_mixture_gaussian(m, 1, 0.7, (double[]){0, 0}, (double[]){2.6, -2.4, -2.4, 2.6});
}

static pyr_status set_near(pyr_mixture *m)
{
    PYR_TRY(pyr_mixture_isotropic(m, 0, 0.3, (double[]){1, 1}, sqrt(0.1)));
    return pyr_mixture_isotropic(m, 1, 0.7, (double[]){-1, -1}, sqrt(0.1));
}

static pyr_status set_far(pyr_mixture *m)
{
    PYR_TRY(pyr_mixture_isotropic(m, 0, 0.1, (double[]){1, 1}, 0.1));
    return pyr_mixture_isotropic(m, 1, 0.9, (double[]){-1, -1}, 0.1);
}

static pyr_status weigh(pyr_mixture *m, const double *weights, int n)
{
    if (n == 0)
        return PYR_OK;
    if (n != m->modes)
        return pyr_fail(PYR_E_ARG, "%d weights for a mixture of %d modes", n, m->modes);
    for (int i = 0; i < n; i++) {
        if (!(weights[i] > 0))
            return pyr_fail(PYR_E_ARG, "a mode's weight is %g, should be above 0", weights[i]);
        m->weight[i] = weights[i];
    }
    return PYR_OK;
}

static void standardise(pyr_mixture *m)
{
    double mean[2], covariance[4], scale;

    pyr_mixture_moments(m, mean, covariance);
    scale = sqrt((covariance[0] + covariance[3]) / 2);
    for (int i = 0; i < 2 * m->modes; i++) {
        m->mean[i] = (m->mean[i] - mean[i % 2]) / scale;
        m->variance[i] /= scale * scale;
    }
}

pyr_status pyr_toy_mixture_weighed(pyr_mixture **out, pyr_toy which, const double *weights, int n)
{
    static const struct {
        int modes;
        pyr_status (*set)(pyr_mixture *m);
    } toys[PYR_TOYS] = {{2, set_two},   {8, set_ring}, {9, set_grid},
                        {2, set_cross}, {2, set_near}, {2, set_far}};
    pyr_status status = pyr_mixture_new(out, toys[which].modes, 2);

    if (status == PYR_OK)
        status = toys[which].set(*out);
    if (status == PYR_OK)
        status = weigh(*out, weights, n);
    if (status == PYR_OK)
        standardise(*out);
    else {
        pyr_mixture_free(*out);
        *out = NULL;
    }
    return status;
}

pyr_status pyr_toy_mixture(pyr_mixture **out, pyr_toy which)
{
    return pyr_toy_mixture_weighed(out, which, NULL, 0);
}

pyr_status pyr_toy_circle(pyr_mixture **out)
{
    enum { POINTS = 512 };
    pyr_status status = pyr_mixture_new(out, POINTS, 2);

    for (int i = 0; i < POINTS && status == PYR_OK; i++) {
        double angle = 2 * pi * i / POINTS;

        status = pyr_mixture_isotropic(*out, i, 1, (double[]){sqrt(2) * cos(angle), sqrt(2) * sin(angle)}, 0);
    }
    if (status != PYR_OK) {
        pyr_mixture_free(*out);
        *out = NULL;
    }
    return status;
}
