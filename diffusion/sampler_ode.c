/* sampler_ode.c - heun, euler, rk45: the probability-flow ODE in x = z_t / alpha, the same for every family
 * (Karras et al. 2022, equation 3):
 *     dx/ds = (x - D(x, s)) / s */
#include "diffusion/sampler_internal.h"
#include <math.h>

/* Karras et al. 2022, algorithm 2, lines 4 to 6: x = z + s eps becomes z + (1 + gamma) s eps'. Draw 0 of the
 * step: neither Heun nor Euler has another. */
double pyr_sampler_churn(pyr_sampler_state *state)
{
    const pyr_sampler *c = state->sampler;
    double gamma = fmin(c->churn / c->steps, sqrt(2) - 1), s = state->s;
    void *eps = state->v1;

    if (!(gamma > 0) || s < c->churn_min || (c->churn_max > 0 && s > c->churn_max))
        return s;
    pyr_sampler_noise(state, eps, 0);
    pyr_sampler_mix(state, state->x, 1, state->x, c->churn_noise * sqrt(gamma * (2 + gamma)) * s, eps);
    return s * (1 + gamma);
}

/* A step from s to r is x + (r - s)/s (x - D) = (r/s) x + (1 - r/s) D. */
static pyr_status euler_step(pyr_sampler_state *state)
{
    double s = pyr_sampler_churn(state), r = state->r;

    return pyr_sampler_move(state, s, r / s, 1 - r / s, 0, 0);
}

static pyr_status heun_step(pyr_sampler_state *state)
{
    void *x = state->x, *d = state->d, *there = state->v1, *d2 = state->v2;
    double s = pyr_sampler_churn(state), r = state->r;

    PYR_TRY(pyr_sampler_denoise(state, x, s, d));
    pyr_sampler_mix(state, there, r / s, x, 1 - r / s, d);
    PYR_TRY(pyr_sampler_denoise(state, there, r, d2));
    if (state->of->stiff) {
        /* Hochbruck & Ostermann 2010, "Exponential integrators", ETD2RK in u = log(s/r), where dx/du = D - x:
         *     (r/s) x + (1 - r/s) D + w (D2 - D),   w = 1 - (1 - r/s)/u
         * With Heun's own weights D2 would count s/(2r) times (1 - r/s). */
        double w = 1 - (1 - r / s) / log(s / r);

        pyr_sampler_mix3(state, x, r / s, x, 1 - r / s - w, d, w, d2);
        return PYR_OK;
    }
    /* x + (r - s)/2 [(x - D)/s + (there - D2)/r], with `there` written out in x and D */
    double h = (r - s) / 2, slope = 1 / s, slope2 = 1 / r;
    pyr_sampler_mix3(state, x, 1 + h * (slope + slope2 * (r / s)), x, h * (-slope + slope2 * (1 - r / s)), d,
                     -h * slope2, d2);
    return PYR_OK;
}

static int two(const pyr_sampler *sampler)
{
    (void)sampler;
    return 2;
}

const pyr_sampler_row pyr_row_heun = {
    .step = heun_step,
    .evaluations = two,
    .vectors = 3,
    .flags = PYR_SAMPLER_ODE | PYR_SAMPLER_CHURN,
    .cost = "2n - 1",
    .help = "the probability-flow ODE `dx/ds = (x - D)/s`, order 2: the mean of the slopes at both ends",
    .source = "Karras et al. 2022, algorithm 1; with churn algorithm 2",
};

const pyr_sampler_row pyr_row_euler = {
    .step = euler_step,
    .vectors = 2,
    .flags = PYR_SAMPLER_ODE | PYR_SAMPLER_CHURN,
    .cost = "n",
    .help = "the ODE, order 1: `x + (r/s - 1)(x - D)`",
    .source = "Song et al. 2021; Karras et al. 2022, equation 3",
};

/* ---- adaptive ---------------------------------------------------------------------------------- */

/* dx/ds at each vector's own s. The first evaluation of a solution has all at its beginning: its D is what
 * the hook after the step is shown. In s, not in log s: where D hardly changes, at both ends of the noise
 * levels, x is linear in s, and a step is as long as it likes. */
static pyr_status slope(void *ctx, const void *x, const double *s, void *dx, double *dq)
{
    pyr_sampler_state *state = ctx;
    const pyr_sampling *of = state->of;
    bool first = true;

    (void)dq;
    PYR_TRY(of->denoise(of->ctx, x, s, dx));
    for (int i = 0; i < of->n; i++)
        first = first && s[i] == state->s;
    if (first)
        pyr_sampler_copy(state, state->d, dx);
    for (int i = 0; i < of->n; i++) {
        const void *at = pyr_sampler_part(state, (void *)(uintptr_t)x, i);
        void *to = pyr_sampler_part(state, dx, i);

        pyr_combine(of->k, to, 2, (double[]){1 / s[i], -1 / s[i]}, (const void *const[]){at, to}, of->size);
    }
    return PYR_OK;
}

static pyr_status rk45_step(pyr_sampler_state *state)
{
    const pyr_sampling *of = state->of;
    int evaluations[PYR_MAX_SAMPLING_BATCH];
    pyr_rk45 solver = {.k = of->k,
                       .n = of->n,
                       .size = of->size,
                       .f = slope,
                       .ctx = state,
                       .rtol = state->sampler->tolerance,
                       .atol = state->sampler->tolerance,
                       .work = pyr_sampler_rk45(state),
                       .evaluations = evaluations};

    PYR_TRY(pyr_rk45_solve(&solver, state->s, state->r, state->x, NULL));
    for (int i = 0; of->evaluations && i < of->n; i++)
        of->evaluations[i] += evaluations[i];
    return PYR_OK;
}

const pyr_sampler_row pyr_row_rk45 = {
    .step = rk45_step,
    .vectors = 2,
    .flags = PYR_SAMPLER_ODE | PYR_SAMPLER_ADAPTIVE,
    .cost = "measured",
    .help = "the ODE, Dormand-Prince 5(4), each image its own steps; n does not matter",
    .source = "Song et al. 2021, appendix D.4",
};
