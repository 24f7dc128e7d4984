/* The probability-flow ODE in x = z_t / alpha, the same for every family (Karras et al. 2022, equation 3):
 *     dx/ds = (x - D(x, s)) / s */
#include "diffusion/sampler_internal.h"
#include <math.h>

/* Karras et al. 2022, algorithm 2, lines 4 to 6: x = z + s eps becomes z + (1 + gamma) s eps'. Draw 0 of the
 * step: neither Heun nor Euler has another. */
double pyr_churn(pyr_path *p)
{
    const pyr_sampler *c = p->sampler;
    double gamma = fmin(c->churn / c->steps, sqrt(2) - 1), s = p->s;
    void *eps = pyr_path_vector(p, PYR_V1);

    if (!(gamma > 0) || s < c->churn_min || (c->churn_max > 0 && s > c->churn_max))
        return s;
    pyr_path_noise(p, eps, 0);
    pyr_path_mix(p, p->x, 1, p->x, c->churn_noise * sqrt(gamma * (2 + gamma)) * s, eps);
    return s * (1 + gamma);
}

/* A step from s to r is x + (r - s)/s (x - D) = (r/s) x + (1 - r/s) D. */
pyr_status pyr_ode_step(pyr_path *p, bool second_order)
{
    void *x = p->x, *d = pyr_path_vector(p, PYR_D);
    double s = pyr_churn(p), r = p->r;
    void *there, *d2;

    PYR_TRY(pyr_path_denoise(p, x, s, d));
    if (!second_order) {
        pyr_path_mix(p, x, r / s, x, 1 - r / s, d);
        return PYR_OK;
    }
    there = pyr_path_vector(p, PYR_V1);
    d2 = pyr_path_vector(p, PYR_V2);
    pyr_path_mix(p, there, r / s, x, 1 - r / s, d);
    PYR_TRY(pyr_path_denoise(p, there, r, d2));
    if (p->w->stiff) {
        /* Hochbruck & Ostermann 2010, "Exponential integrators", ETD2RK in u = log(s/r), where dx/du = D - x:
         *     (r/s) x + (1 - r/s) D + w (D2 - D),   w = 1 - (1 - r/s)/u
         * With Heun's own weights D2 would count s/(2r) times (1 - r/s). */
        double w = 1 - (1 - r / s) / log(s / r);

        pyr_path_mix3(p, x, r / s, x, 1 - r / s - w, d, w, d2);
        return PYR_OK;
    }
    /* x + (r - s)/2 [(x - D)/s + (there - D2)/r], with `there` written out in x and D */
    double h = (r - s) / 2, slope = 1 / s, slope2 = 1 / r;
    pyr_path_mix3(p, x, 1 + h * (slope + slope2 * (r / s)), x, h * (-slope + slope2 * (1 - r / s)), d,
                  -h * slope2, d2);
    return PYR_OK;
}

/* ---- adaptive ---------------------------------------------------------------------------------- */

/* dx/ds at each vector's own s. The first evaluation of a solution has all at its beginning: its D is what
 * the hook after the step is shown. In s, not in log s: where D hardly changes, at both ends of the noise
 * levels, x is linear in s, and a step is as long as it likes. */
static pyr_status slope(void *ctx, const void *x, const double *s, void *dx, double *dq)
{
    pyr_path *p = ctx;
    const pyr_sampling *w = p->w;
    bool first = true;

    (void)dq;
    PYR_TRY(w->denoise(w->ctx, x, s, dx));
    for (int i = 0; i < w->n; i++)
        first = first && s[i] == p->s;
    if (first)
        pyr_path_copy(p, pyr_path_vector(p, PYR_D), dx);
    for (int i = 0; i < w->n; i++) {
        const char *at = (const char *)x + (size_t)i * w->size * pyr_type_size(w->k->real);
        void *to = pyr_path_part(p, dx, i);

        pyr_combine(w->k, to, 2, (double[]){1 / s[i], -1 / s[i]}, (const void *const[]){at, to}, w->size);
    }
    return PYR_OK;
}

pyr_status pyr_rk45_step(pyr_path *p)
{
    const pyr_sampling *w = p->w;
    int evaluations[PYR_MAX_SAMPLING_BATCH];
    pyr_rk45 solver = {.k = w->k,
                       .n = w->n,
                       .size = w->size,
                       .f = slope,
                       .ctx = p,
                       .rtol = p->sampler->tolerance,
                       .atol = p->sampler->tolerance,
                       .work = pyr_path_rk45(p),
                       .evaluations = evaluations};

    PYR_TRY(pyr_rk45_solve(&solver, p->s, p->r, p->x, NULL));
    for (int i = 0; w->evaluations && i < w->n; i++)
        w->evaluations[i] += evaluations[i];
    return PYR_OK;
}
