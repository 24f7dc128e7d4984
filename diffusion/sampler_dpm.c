/* DPM-Solver++(2M): exact in the linear part of the ODE over half the log-SNR, -log s, and second order in D
 * through the D of the step before.
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

pyr_status pyr_dpmpp_step(pyr_path *p, double eta)
{
    void *x = p->x, *d = pyr_path_vector(p, PYR_D), *eps = pyr_path_vector(p, PYR_V1);
    void *before = pyr_path_vector(p, PYR_V2);
    double s = p->s, r = p->r, h = log(s / r), gain = -expm1(-(1 + eta) * h), keep = r / s * exp(-eta * h);

    PYR_TRY(pyr_path_denoise(p, x, s, d));
    if (p->before > 0 && !p->w->stiff) {
        double more = h / (2 * log(p->before / s));

        pyr_path_mix3(p, x, keep, x, gain * (1 + more), d, -gain * more, before);
    } else /* the first step, where x has been noised back, and stiff: first order, which is DDIM's step */
        pyr_path_mix(p, x, keep, x, gain, d);
    if (eta > 0) {
        pyr_path_noise(p, eps, 0);
        pyr_path_mix(p, x, 1, x, r * sqrt(-expm1(-2 * eta * h)), eps);
    }
    pyr_path_copy(p, before, d);
    return PYR_OK;
}
