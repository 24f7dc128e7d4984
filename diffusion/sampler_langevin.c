/* Langevin dynamics and Hamiltonian Monte Carlo: moves that leave the density of x at one noise level as it
 * is (nearly: their step is not infinitely small), driven by its score (D - x) / s^2. */
#include "diffusion/sampler_internal.h"
#include <math.h>
#include <string.h>

/* ---- the corrector ----------------------------------------------------------------------------- */

/* Song et al. 2021, algorithms 4 and 5:
 *     x <- x + e score + sqrt(2 e) eps,   e = 2 (snr |eps| / |score|)^2,
 * norms of each vector by itself (theirs are the batch's means). For VP theirs has e times alpha = 1 - beta
 * besides, which tends to 1 as steps grow in number, and is left out: the sampler does not depend on the
 * family then. */
pyr_status pyr_corrector_step(pyr_path *p)
{
    const pyr_sampling *w = p->w;
    void *pull = pyr_path_vector(p, PYR_V2), *eps = pyr_path_vector(p, PYR_V1);
    double gg[PYR_MAX_SAMPLING_BATCH], nn[PYR_MAX_SAMPLING_BATCH], snr = p->sampler->corrector_snr, r = p->r;

    for (int j = 0; j < p->sampler->corrector_steps; j++) {
        PYR_TRY(pyr_path_denoise(p, p->x, r, pull));
        pyr_path_mix(p, pull, 1, pull, -1, p->x); /* r^2 score */
        pyr_path_noise(p, eps, 1 + j);            /* draw 0 is the predictor's */
        PYR_TRY(pyr_dots(w->k, gg, pull, pull, w->n, w->size));
        PYR_TRY(pyr_dots(w->k, nn, eps, eps, w->n, w->size));
        for (int i = 0; i < w->n; i++) {
            void *x = pyr_path_part(p, p->x, i);
            double ratio = gg[i] > 0 ? snr * snr * nn[i] / gg[i] : 0; /* e / (2 r^4) */

            pyr_combine(w->k, x, 3, (double[]){1, 2 * ratio * r * r, 2 * sqrt(ratio) * r * r},
                        (const void *const[]){x, pyr_path_part(p, pull, i), pyr_path_part(p, eps, i)},
                        w->size);
        }
    }
    return PYR_OK;
}

/* ---- Langevin dynamics ------------------------------------------------------------------------- */

/* The size of noise, squared and in units of s^2, after T moves of rate c from `start` of them: where z is
 * known, a move is x - z <- (1 - c/2) (x - z) + sqrt(c) s eps (Song & Ermon 2020, proposition 3, whose
 * epsilon is half of this). */
static double noise_after(double c, int moves, double start)
{
    double stationary = 1 / (1 - c / 4);

    return pow(1 - c / 2, 2 * moves) * (start - stationary) + stationary;
}

/* The rate with the least noise left (their technique 4), by golden sections: it falls, then rises. */
static double best_rate(int moves, double gamma)
{
    const double golden = (sqrt(5) - 1) / 2;
    double lo = 0, hi = 2;

    for (int i = 0; i < 60; i++) {
        double a = hi - golden * (hi - lo), b = lo + golden * (hi - lo);

        if (noise_after(a, moves, gamma * gamma) < noise_after(b, moves, gamma * gamma))
            hi = b;
        else
            lo = a;
    }
    return (lo + hi) / 2;
}

/* The step is rate * s^2. */
static double langevin_rate(const pyr_path *p, double from, double s)
{
    const pyr_sampler *l = p->sampler;
    double least = pyr_schedule_s(p->schedule, pyr_schedule_t_min(p->schedule));

    if (l->kind == PYR_PYRAMID_LANGEVIN) /* Padova & Liu 2023, algorithm 1: epsilon sigma^2 / 2^i */
        return (l->langevin_epsilon > 0 ? l->langevin_epsilon : 1) / exp2(p->w->place > 0 ? p->w->place : 1);
    if (l->langevin_epsilon > 0) /* Song & Ermon 2019: epsilon sigma_i^2 / sigma_min^2 */
        return l->langevin_epsilon / (least * least);
    return l->kind == PYR_ANNEALED_LANGEVIN ? best_rate(l->langevin_steps, from / s) : 0.2;
}

/* x <- x + step/2 score + sqrt(step) eps, T times (Song & Ermon 2019, algorithm 1, lines 5 and 6). */
pyr_status pyr_langevin_moves(pyr_path *p, double from, double s, int first_draw)
{
    void *d = pyr_path_vector(p, PYR_D), *eps = pyr_path_vector(p, PYR_V1);
    double c = langevin_rate(p, from, s);

    for (int j = 0; j < p->sampler->langevin_steps; j++) {
        PYR_TRY(pyr_path_denoise(p, p->x, s, d));
        pyr_path_noise(p, eps, first_draw + j);
        pyr_path_mix3(p, p->x, 1 - c / 2, p->x, c / 2, d, sqrt(c) * s, eps);
    }
    return PYR_OK;
}

/* ---- Hamiltonian Monte Carlo ------------------------------------------------------------------- */

/* What accepting needs of all vectors, host. */
typedef struct energy {
    double log_density[PYR_MAX_SAMPLING_BATCH], kinetic[PYR_MAX_SAMPLING_BATCH];
} energy;

static pyr_status measure_energy(const pyr_path *p, double s, const void *momentum, energy *e)
{
    const pyr_sampling *w = p->w;
    double all[PYR_MAX_SAMPLING_BATCH];

    for (int i = 0; i < w->n; i++)
        all[i] = s;
    PYR_TRY(w->density(w->density_ctx, p->x, all, e->log_density));
    PYR_TRY(pyr_dots(w->k, e->kinetic, momentum, momentum, w->n, w->size));
    for (int i = 0; i < w->n; i++)
        e->kinetic[i] /= 2;
    return PYR_OK;
}

/* momentum += h score */
static void kick(const pyr_path *p, void *momentum, double h, double s)
{
    double g = h / (s * s);

    pyr_path_mix3(p, momentum, 1, momentum, g, pyr_path_vector(p, PYR_D), -g, p->x);
}

/* Neal 2011, "MCMC using Hamiltonian dynamics", figure 2, with unit masses. D(x) comes along from move to
 * move. One leapfrog step of length h is the proposal of MALA with the Langevin step h^2, and accepting by
 * the change of energy is its rule. */
static pyr_status move(pyr_path *p, double s, double h, int leapfrogs, int draw)
{
    const pyr_sampling *w = p->w;
    void *d = pyr_path_vector(p, PYR_D), *momentum = pyr_path_vector(p, PYR_V1);
    void *old_x = pyr_path_vector(p, PYR_V2), *old_d = pyr_path_vector(p, PYR_V3);
    size_t bytes = w->size * pyr_type_size(w->k->real);
    energy old = {{0}, {0}}, new = {{0}, {0}};

    pyr_path_noise(p, momentum, draw);
    if (w->density)
        PYR_TRY(measure_energy(p, s, momentum, &old));
    pyr_path_copy(p, old_x, p->x);
    pyr_path_copy(p, old_d, d);
    for (int i = 0; i < leapfrogs; i++) {
        kick(p, momentum, h / 2, s);
        pyr_path_mix(p, p->x, 1, p->x, h, momentum);
        PYR_TRY(pyr_path_denoise(p, p->x, s, d));
        kick(p, momentum, h / 2, s);
    }
    if (!w->density)
        return PYR_OK;
    PYR_TRY(measure_energy(p, s, momentum, &new));
    for (int i = 0; i < w->n; i++) {
        double gain = new.log_density[i] - new.kinetic[i] - old.log_density[i] + old.kinetic[i];

        if (log(pyr_path_uniform(p, i, draw)) < gain)
            continue;
        pyr_copy(w->k, pyr_path_part(p, p->x, i), pyr_path_part(p, old_x, i), bytes);
        pyr_copy(w->k, pyr_path_part(p, d, i), pyr_path_part(p, old_d, i), bytes);
    }
    return PYR_OK;
}

pyr_status pyr_hmc_moves(pyr_path *p, double s)
{
    int leapfrogs = p->sampler->kind == PYR_MALA ? 1 : p->sampler->hmc_leapfrogs;
    double h = s * sqrt(langevin_rate(p, s, s));

    PYR_TRY(pyr_path_denoise(p, p->x, s, pyr_path_vector(p, PYR_D)));
    for (int j = 0; j < p->sampler->langevin_steps; j++)
        PYR_TRY(move(p, s, h, leapfrogs, j));
    return PYR_OK;
}
