/* class_sde.c - moments, drift and diffusion of the SDE of several classes. */
#include "toys/class_sde.h"

#include <math.h>

static double beta(const pyr_class_sde *sde, int j, double t)
{
    return sde->beta_min[j] + (sde->beta_max[j] - sde->beta_min[j]) * t;
}

static double rate(const pyr_class_sde *sde, double t)
{
    double sum = 0;

    for (int j = 0; j < sde->classes; j++)
        sum += sde->weight[j] * beta(sde, j, t);
    return sum;
}

double pyr_class_sde_diffusion2(const pyr_class_sde *sde, double t)
{
    double sum = 0;

    for (int j = 0; j < sde->classes; j++)
        sum += sde->weight[j] * sqrt(beta(sde, j, t));
    return sum * sum;
}

/* What the kernel's numbers change by, at t. */
static pyr_class_kernel slope(const pyr_class_sde *sde, double t, const pyr_class_kernel *at)
{
    double a = rate(sde, t);
    pyr_class_kernel d = {.keep = -a * at->keep / 2,
                          .variance = -a * at->variance + pyr_class_sde_diffusion2(sde, t)};

    for (int j = 0; j < sde->classes; j++)
        d.pull[j] = (sde->weight[j] * beta(sde, j, t) - a * at->pull[j]) / 2;
    return d;
}

static pyr_class_kernel moved(const pyr_class_sde *sde, const pyr_class_kernel *at, double h,
                              const pyr_class_kernel *d)
{
    pyr_class_kernel to = {.keep = at->keep + h * d->keep, .variance = at->variance + h * d->variance};

    for (int j = 0; j < sde->classes; j++)
        to.pull[j] = at->pull[j] + h * d->pull[j];
    return to;
}

/* The classical Runge-Kutta method: the numbers are smooth in t. */
pyr_class_kernel pyr_class_sde_kernel(const pyr_class_sde *sde, double t)
{
    enum { STEPS = 400 };
    pyr_class_kernel at = {.keep = 1};
    double h = t / STEPS;

    for (int i = 0; i < STEPS; i++) {
        double now = i * h;
        pyr_class_kernel k1 = slope(sde, now, &at), m = moved(sde, &at, h / 2, &k1);
        pyr_class_kernel k2 = slope(sde, now + h / 2, &m), k3, k4;

        m = moved(sde, &at, h / 2, &k2);
        k3 = slope(sde, now + h / 2, &m);
        m = moved(sde, &at, h, &k3);
        k4 = slope(sde, now + h, &m);
        at = moved(sde, &at, h / 6, &k1);
        at = moved(sde, &at, h / 3, &k2);
        at = moved(sde, &at, h / 3, &k3);
        at = moved(sde, &at, h / 6, &k4);
    }
    return at;
}

void pyr_class_sde_mean(const pyr_class_sde *sde, const pyr_class_kernel *kernel, const double *z,
                        double *mean)
{
    for (int i = 0; i < sde->size; i++) {
        double sum = kernel->keep * z[i];

        for (int j = 0; j < sde->classes; j++)
            sum += kernel->pull[j] * sde->mean[j * sde->size + i];
        mean[i] = sum;
    }
}

void pyr_class_sde_drift(const pyr_class_sde *sde, double t, const double *z, double *f)
{
    for (int i = 0; i < sde->size; i++) {
        f[i] = 0;
        for (int j = 0; j < sde->classes; j++)
            f[i] -= sde->weight[j] * beta(sde, j, t) * (z[i] - sde->mean[j * sde->size + i]) / 2;
    }
}
