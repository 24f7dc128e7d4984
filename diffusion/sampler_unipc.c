/* sampler_unipc.c - UniPC-2: the predictor of DPM-Solver++(2M), and a corrector that costs no evaluation.
 *
 * Zhao et al. 2023, "UniPC: a unified predictor-corrector framework for fast sampling of diffusion models",
 * algorithms 5 to 8 (data prediction), p = 2 with B(h) = e^h - 1 ("bh2"). In x = z_t / alpha, from noise level s
 * to r with h = log s - log r:
 *
 *     x_r = (r/s) x + (1 - r/s) (D_s + rho_p D1)                        UniP-2, rho_p = 1/2 as in their program
 *     x_r^c = (r/s) x + (1 - r/s) (D_s + rho_0 D1 + rho_1 (D_r - D_s))     UniC-2, D_r = D(x_r, r)
 *     D1 = (D_q - D_s) / a,   a = -(log q - log s) / h,   q the noise level before s
 *     rho_0 + rho_1 = b_1,   a rho_0 + rho_1 = b_2,
 *     b_1 = (phi - 1) / g,   b_2 = 2 ((phi - 1) / -h - 1/2) / g,   g = e^-h - 1,   phi = g / -h
 *
 * D_r, taken at the uncorrected x_r, is the next step's own estimate. The first step has no D_q: there D1 is left
 * out, and rho_1 = 1/2. The correction is added to x, so that what a hook has changed in x stays. */
#include "diffusion/sampler_internal.h"
#include <math.h>

/* What correcting the step from s to r adds, in terms of D_r, D_s and D_q (q = 0: there is none). */
static void correction(double coef[3], double q, double s, double r)
{
    double h = log(s / r), g = expm1(-h), k = g / -h - 1, a = -log(q / s) / h, rho;

    if (q == 0) {
        coef[0] = -g / 2;
        coef[1] = g / 2;
        coef[2] = 0;
        return;
    }
    rho = (k / g - 2 * (k / -h - 0.5) / g) / (1 - a);
    coef[0] = -g * (k / g - rho);
    coef[2] = -g * (rho - 0.5) / a;
    coef[1] = -coef[0] - coef[2];
}

static pyr_status step(pyr_sampler_state *state)
{
    void *x = state->x, *d = state->d, *d_before = state->v1, *d_earlier = state->v2;
    double s = state->s, r = state->r, keep = r / s, gain = 1 - keep, more = 0, coef[3] = {0};
    double before = state->of->stiff ? 0 : state->before[0];

    PYR_TRY(pyr_sampler_denoise(state, x, s, d));
    if (before > 0) {
        more = log(s / r) / (2 * log(before / s));
        correction(coef, state->before[1], before, s);
    }
    if (before > 0 && state->before[1] > 0)
        pyr_sampler_sum(state, x, 4,
                        (double[]){keep, keep * coef[0] + gain * (1 + more), keep * coef[1] - gain * more,
                                   keep * coef[2]},
                        (const void *const[]){x, d, d_before, d_earlier});
    else if (before > 0)
        pyr_sampler_mix3(state, x, keep, x, keep * coef[0] + gain * (1 + more), d,
                         keep * coef[1] - gain * more, d_before);
    else /* the first step, where x has been noised back, and stiff: first order, which is DDIM's step */
        pyr_sampler_mix(state, x, keep, x, gain, d);
    if (before > 0)
        pyr_sampler_copy(state, d_earlier, d_before);
    pyr_sampler_copy(state, d_before, d);
    return PYR_OK;
}

const pyr_sampler_row pyr_row_unipc = {
    .step = step,
    .vectors = 3,
    .flags = PYR_SAMPLER_ODE,
    .cost = "n",
    .help =
        "`dpmpp-2m`, and after each evaluation x is corrected by it, order 3: `x + (1 - s/q) ((rho_0 - 1/2) D1 + rho_1 (D - D_before))`",
    .source = "Zhao et al. 2023, UniPC-2 (bh2, data prediction)",
};
