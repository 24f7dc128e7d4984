/* sampler_dpm.c - DPM-Solver++(2M): exact in the linear part of the ODE over half the log-SNR, -log s, and of
 * second order in D through the D of the step before.
 *
 * Lu et al. 2022, "DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models",
 * algorithm 2 and its SDE variant, in the form of k-diffusion's sample_dpmpp_2m and sample_dpmpp_2m_sde
 * (midpoint). With h = log s - log r, h' that of the step before, and x = z_t / alpha:
 *
 *     x_r = (r/s) e^{-eta h} x + (1 - e^{-(1 + eta) h}) D' + r sqrt(1 - e^{-2 eta h}) eps
 *     D' = D + (D - D_before) h / (2 h')
 *
 * eta = 0: the ODE; eta = 1: the SDE. */
#include "diffusion/sampler_internal.h"
#include <math.h>

static pyr_status step(pyr_sampler_state *state, double eta)
{
    void *x = state->x, *d = state->d, *eps = state->v1, *d_before = state->v2;
    double s = state->s, r = state->r, h = log(s / r), gain = -expm1(-(1 + eta) * h),
           keep = r / s * exp(-eta * h);

    PYR_TRY(pyr_sampler_denoise(state, x, s, d));
    if (state->before[0] > 0 && !state->of->stiff) {
        double more = h / (2 * log(state->before[0] / s));

        pyr_sampler_mix3(state, x, keep, x, gain * (1 + more), d, -gain * more, d_before);
    } else /* the first step, where x has been noised back, and stiff: first order, which is DDIM's step */
        pyr_sampler_mix(state, x, keep, x, gain, d);
    if (eta > 0) {
        pyr_sampler_noise(state, eps, 0);
        pyr_sampler_mix(state, x, 1, x, r * sqrt(-expm1(-2 * eta * h)), eps);
    }
    pyr_sampler_copy(state, d_before, d);
    return PYR_OK;
}

static pyr_status ode_step(pyr_sampler_state *state)
{
    return step(state, 0);
}

static pyr_status sde_step(pyr_sampler_state *state)
{
    return step(state, state->sampler->eta < 0 ? 1 : state->sampler->eta);
}

const pyr_sampler_row pyr_row_dpmpp_2m = {
    .step = ode_step,
    .vectors = 3,
    .flags = PYR_SAMPLER_ODE,
    .cost = "n",
    .help = "the ODE, order 2: `(r/s) x + (1 - r/s) D'`, `D' = D + (D - D_before) h/(2 h_before)`",
    .source = "Lu et al. 2022, DPM-Solver++, algorithm 2",
};

const pyr_sampler_row pyr_row_dpmpp_2m_sde = {
    .step = sde_step,
    .vectors = 3,
    .flags = PYR_SAMPLER_ETA,
    .cost = "n",
    .help =
        "DPM-Solver++ with noise: `(r/s) e^(-eta h) x + (1 - e^(-(1 + eta) h)) D' + r sqrt(1 - e^(-2 eta h)) eps`; usual eta 1",
    .source = "Lu et al. 2022, SDE variant, as k-diffusion (midpoint)",
};
