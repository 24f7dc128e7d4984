/* sampler_sde.c - steps of the reverse SDE, dz = (f z - g^2 score) dt + g dw with time running backwards, and
 * related steps: ancestral, ddim, consistent-annealed. */
#include "diffusion/sampler_internal.h"
#include <math.h>

/* Song, Meng & Ermon 2021, equations 12 and 16, divided by alpha_r, the same for every family:
 *     x_r = D + sqrt(r^2 - q^2) (x - D)/s + q eps,   q = eta r sqrt(s^2 - r^2) / s
 * eta = 1 is the posterior of x_r given x and z = D: ancestral sampling (Ho et al. 2020, equation 7 with the
 * variance beta~; Song et al. 2021, appendix F for VE). eta = 0 is Euler's step of the ODE. */
static pyr_status ddim(pyr_sampler_state *state, double eta)
{
    double s = state->s, r = state->r, q = eta * r * sqrt(s * s - r * r) / s;
    double keep = sqrt(fmax(r * r - q * q, 0)) / s;

    return pyr_sampler_move(state, s, keep, 1 - keep, q, 0);
}

static pyr_status ddim_step(pyr_sampler_state *state)
{
    return ddim(state, state->sampler->eta < 0 ? 0 : state->sampler->eta);
}

const pyr_sampler_row pyr_row_ddim = {
    .step = ddim_step,
    .vectors = 2,
    .flags = PYR_SAMPLER_ODE | PYR_SAMPLER_ETA,
    .cost = "n",
    .help =
        "`D + sqrt(r^2 - q^2) (x - D)/s + q eps`, `q = eta r sqrt(s^2 - r^2)/s`; usual eta 0, which is `euler`",
    .source = "Song, Meng & Ermon 2021, equation 12",
};

/* The mean of ancestral sampling is that of the posterior q(x_r | x_s, z) with z = D. Its noise may have
 *
 *     beta~    r^2 (s^2 - r^2)/s^2                       that of the posterior: z is known to be D
 *     beta     (alpha_s/alpha_r)^2 (s^2 - r^2)           that of the forward step, VP: (1 - alpha_s^2/alpha_r^2)/alpha_r^2
 *
 * the ends of what is right, for data of one point and of N(0, 1) (Ho et al. 2020, section 3.2), or what is right: the
 * posterior's and, since z is not known, (1 - r^2/s^2)^2 times what is left of its variance, in the mean of numbers
 * and images (Bao et al. 2022, "Analytic-DPM", theorem 1, in x = z_t/alpha; never more than the variance of the data
 * is left, theorem 2). */
static double ancestral_variance(const pyr_sampler_state *state)
{
    double s = state->s, r = state->r, dt = s * s - r * r, gain = dt / (s * s), a;

    switch ((pyr_ancestral_variance)state->sampler->variance) {
    case PYR_VARIANCE_FORWARD:
        a = pyr_alpha(state->schedule->family, s) / pyr_alpha(state->schedule->family, r);
        return a * a * dt;
    case PYR_VARIANCE_ANALYTIC:
    case PYR_VARIANCE_OPTIMAL:
        return r * r * gain + gain * gain * state->of->left(state->of->left_ctx, s);
    default:
        return r * r * gain;
    }
}

static pyr_status ancestral_step(pyr_sampler_state *state)
{
    double kept = state->r * state->r / (state->s * state->s);

    if (state->sampler->variance == PYR_VARIANCE_POSTERIOR)
        return ddim(state, 1);
    return pyr_sampler_move(state, state->s, kept, 1 - kept, sqrt(ancestral_variance(state)), 0);
}

const pyr_sampler_row pyr_row_ancestral = {
    .step = ancestral_step,
    .vectors = 2,
    .cost = "n",
    .settings = "variance",
    .help =
        "`ddim` with eta 1, the posterior of the step; VP: DDPM's, VE: SMLD's; other variances: docs/noise.md",
    .source = "Ho et al. 2020, algorithm 2; Song et al. 2021, appendix F",
};

/* Song et al. 2021, equation 6, by Euler and Maruyama over dt = t - t', in z = alpha x. Stiff: the same SDE
 * solved exactly while D stays as it is, which is ancestral sampling. */
static pyr_status euler_maruyama_step(pyr_sampler_state *state)
{
    const pyr_schedule *schedule = state->schedule;
    double s = state->s, r = state->r;

    if (state->of->stiff)
        return ddim(state, 1);
    if (schedule->family == PYR_VE) {
        /* time can be chosen freely: with t = s^2, g = 1 and the step has no error of its own in g */
        double dt = s * s - r * r, gain = dt / (s * s);

        return pyr_sampler_move(state, s, 1 - gain, gain, sqrt(dt), 0);
    }
    double t = pyr_schedule_t(schedule, s), dt = t - pyr_schedule_t(schedule, r);
    double alpha = pyr_alpha(schedule->family, s), to = pyr_alpha(schedule->family, r);
    double f = pyr_drift(schedule, t), g2 = pyr_diffusion2(schedule, t), sigma = alpha * s;
    /* score = alpha (D - x) / sigma^2 in terms of x = z / alpha */
    double pull = g2 * dt * alpha / (sigma * sigma);

    return pyr_sampler_move(state, s, (alpha - f * alpha * dt - pull) / to, pull / to, sqrt(g2 * dt) / to, 0);
}

const pyr_sampler_row pyr_row_euler_maruyama = {
    .step = euler_maruyama_step,
    .vectors = 2,
    .cost = "n",
    .help = "the reverse SDE `dz = (f z - g^2 score) dt + g dw` of the family, in its time",
    .source = "Song et al. 2021, equation 6",
};

/* Song et al. 2021, appendix E: the forward process z_s = a z_r + G eps, with a = alpha_s / alpha_r and G^2 =
 * sigma_s^2 - a^2 sigma_r^2 = alpha_s^2 (s^2 - r^2), has f = (a - 1) z in one step, and the reverse one is
 *     z_r = z_s - (a - 1) z_s + G^2 score + G eps
 * (VP: a = sqrt(1 - beta); VE: a = 1). Divided by alpha_r, with score = (D - x)/(alpha_s s^2): */
static pyr_status reverse_diffusion_step(pyr_sampler_state *state)
{
    double s = state->s, r = state->r, dt = s * s - r * r;
    double a = pyr_alpha(state->schedule->family, s) / pyr_alpha(state->schedule->family, r),
           pull = a * dt / (s * s);

    if (state->of->stiff)
        return ddim(state, 1);
    return pyr_sampler_move(state, s, (2 - a) * a - pull, pull, a * sqrt(dt), 0);
}

const pyr_sampler_row pyr_row_reverse_diffusion = {
    .step = reverse_diffusion_step,
    .vectors = 2,
    .cost = "n",
    .help = "the reverse SDE, discretised as the forward process is; for VE equal to `euler-maruyama`",
    .source = "Song et al. 2021, appendix E",
};

/* Jolicoeur-Martineau et al. 2021, consistent annealed sampling: a Langevin step eta s^2 score = eta (D - x),
 * with as much noise as brings x to the level r and no other:
 *
 *     x_r = x + eta (D - x) + beta r eps,   beta = sqrt(1 - ((1 - eta)/gamma)^2),   gamma = r/s
 *
 * eta = 1 - gamma: Euler's step of the ODE; 1 - gamma^2: ancestral sampling; the usual here lies half-way. */
static pyr_status consistent_annealed_step(pyr_sampler_state *state)
{
    double gamma = state->r / state->s, eta = state->sampler->eta, kept;

    if (eta < 0)
        eta = 1 - gamma * (1 + gamma) / 2;
    kept = (1 - eta) / gamma;
    return pyr_sampler_move(state, state->s, 1 - eta, eta, sqrt(fmax(1 - kept * kept, 0)) * state->r, 0);
}

/* Every noise level may fall by no more than what a step takes away, gamma >= 1 - eta. */
static pyr_status check_consistent(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    double hi = pyr_schedule_t_max(schedule), lo = pyr_schedule_t_min(schedule), least = 0;
    double s = pyr_schedule_s(schedule, hi);

    for (int i = 1; i < sampler->steps; i++) {
        double r = pyr_schedule_s(schedule, hi + (lo - hi) * i / (sampler->steps - 1));

        least = fmax(least, 1 - r / s);
        s = r;
    }
    if (sampler->eta >= 0 && sampler->eta < least - 1e-12)
        return pyr_fail(
            PYR_E_CONFIG,
            "sampler.eta is %g: consistent-annealed needs at least 1 - gamma = %.3g at these %d noise "
            "levels (more steps, or sampler.schedule geometric, make that less; -1: chosen)",
            sampler->eta, least, sampler->steps);
    return PYR_OK;
}

const pyr_sampler_row pyr_row_consistent_annealed = {
    .step = consistent_annealed_step,
    .check = check_consistent,
    .vectors = 2,
    .flags = PYR_SAMPLER_ETA,
    .cost = "n",
    .help =
        "`x + eta (D - x) + beta r eps`, `beta = sqrt(1 - ((1 - eta)/gamma)^2)`, `gamma = r/s`; usual eta `1 - gamma (1 + gamma)/2`",
    .source = "Jolicoeur-Martineau et al. 2021, consistent annealed sampling",
};
