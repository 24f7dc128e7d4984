/* Steps of the reverse SDE, dz = (f z - g^2 score) dt + g dw with time running backwards, and of its kin. */
#include "diffusion/sampler_internal.h"
#include <math.h>

static void *look(pyr_path *p, pyr_status *status)
{
    void *d = pyr_path_vector(p, PYR_D);

    *status = pyr_path_denoise(p, p->x, p->s, d);
    return d;
}

/* Song et al. 2021, equation 6, by Euler and Maruyama over dt = t - t', in z = alpha x. */
pyr_status pyr_euler_maruyama_step(pyr_path *p)
{
    const pyr_schedule *schedule = p->schedule;
    double s = p->s, r = p->r;
    void *x = p->x, *eps = pyr_path_vector(p, PYR_V1);
    pyr_status status;
    void *d = look(p, &status);

    PYR_TRY(status);
    pyr_path_noise(p, eps, 0);
    if (schedule->family == PYR_VE) {
        /* time can be chosen freely: with t = s^2, g = 1 and the step has no error of its own in g */
        double dt = s * s - r * r, gain = dt / (s * s);

        pyr_path_mix3(p, x, 1 - gain, x, gain, d, sqrt(dt), eps);
    } else {
        double t = pyr_schedule_t(schedule, s), dt = t - pyr_schedule_t(schedule, r);
        double alpha = pyr_alpha(schedule->family, s), to = pyr_alpha(schedule->family, r);
        double f = pyr_drift(schedule, t), g2 = pyr_diffusion2(schedule, t), sigma = alpha * s;
        /* score = alpha (D - x) / sigma^2 in terms of x = z / alpha */
        double pull = g2 * dt * alpha / (sigma * sigma);

        pyr_path_mix3(p, x, (alpha - f * alpha * dt - pull) / to, x, pull / to, d, sqrt(g2 * dt) / to, eps);
    }
    return PYR_OK;
}

/* Song et al. 2021, appendix E: the forward process z_s = a z_r + G eps, with a = alpha_s / alpha_r and G^2 =
 * sigma_s^2 - a^2 sigma_r^2 = alpha_s^2 (s^2 - r^2), has f = (a - 1) z in one step, and the reverse one is
 *     z_r = z_s - (a - 1) z_s + G^2 score + G eps
 * (VP: a = sqrt(1 - beta); VE: a = 1). Divided by alpha_r, with score = (D - x)/(alpha_s s^2): */
pyr_status pyr_reverse_diffusion_step(pyr_path *p)
{
    double s = p->s, r = p->r, dt = s * s - r * r;
    double a = pyr_alpha(p->schedule->family, s) / pyr_alpha(p->schedule->family, r), pull = a * dt / (s * s);
    void *x = p->x, *eps = pyr_path_vector(p, PYR_V1);
    pyr_status status;
    void *d = look(p, &status);

    PYR_TRY(status);
    pyr_path_noise(p, eps, 0);
    pyr_path_mix3(p, x, (2 - a) * a - pull, x, pull, d, a * sqrt(dt), eps);
    return PYR_OK;
}

/* Song, Meng & Ermon 2021, equations 12 and 16, divided by alpha_r, the same for every family:
 *     x_r = D + sqrt(r^2 - q^2) (x - D)/s + q eps,   q = eta r sqrt(s^2 - r^2) / s
 * eta = 1 is the posterior of x_r given x and z = D: ancestral sampling (Ho et al. 2020, equation 7 with the
 * variance beta~; Song et al. 2021, appendix F for VE). eta = 0 is Euler's step of the ODE. */
pyr_status pyr_ddim_step(pyr_path *p, double eta)
{
    double s = p->s, r = p->r, q = eta * r * sqrt(s * s - r * r) / s;
    double keep = sqrt(fmax(r * r - q * q, 0)) / s;
    void *x = p->x, *eps = pyr_path_vector(p, PYR_V1);
    pyr_status status;
    void *d = look(p, &status);

    PYR_TRY(status);
    if (q == 0) {
        pyr_path_mix(p, x, keep, x, 1 - keep, d);
        return PYR_OK;
    }
    pyr_path_noise(p, eps, 0);
    pyr_path_mix3(p, x, keep, x, 1 - keep, d, q, eps);
    return PYR_OK;
}

/* Jolicoeur-Martineau et al. 2021, consistent annealed sampling: a Langevin step eta s^2 score = eta (D - x),
 * with as much noise as brings x to the level r and no other:
 *
 *     x_r = x + eta (D - x) + beta r eps,   beta = sqrt(1 - ((1 - eta)/gamma)^2),   gamma = r/s
 *
 * eta = 1 - gamma: Euler's step of the ODE; 1 - gamma^2: ancestral sampling; the usual here lies half-way. */
pyr_status pyr_consistent_annealed_step(pyr_path *p)
{
    double gamma = p->r / p->s, eta = p->sampler->eta;
    double kept, beta;
    void *x = p->x, *eps = pyr_path_vector(p, PYR_V1);
    pyr_status status;
    void *d = look(p, &status);

    PYR_TRY(status);
    if (eta < 0)
        eta = 1 - gamma * (1 + gamma) / 2;
    kept = (1 - eta) / gamma;
    beta = sqrt(fmax(1 - kept * kept, 0));
    pyr_path_noise(p, eps, 0);
    pyr_path_mix3(p, x, 1 - eta, x, eta, d, beta * p->r, eps);
    return PYR_OK;
}
