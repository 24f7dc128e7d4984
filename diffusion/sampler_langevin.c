/* sampler_langevin.c - Langevin dynamics and Hamiltonian Monte Carlo: moves that leave the density of x at one noise level as it
 * is (nearly: their step is not infinitely small), driven by its score (D - x) / s^2. */
#include "diffusion/sampler_internal.h"
#include <math.h>
#include <string.h>

/* ---- the corrector ----------------------------------------------------------------------------- */

/* Song et al. 2021, algorithms 4 and 5:
 *     x <- x + e score + sqrt(2 e) eps,   e = 2 (snr |eps| / |score|)^2,
 * norms are each vector's own (theirs are the batch's means). For VP theirs has e times alpha = 1 - beta
 * besides, which tends to 1 as steps grow in number, and is left out: the sampler does not depend on the
 * family then. */
static pyr_status correct(pyr_sampler_state *state)
{
    const pyr_sampling *of = state->of;
    void *pull = state->v2, *eps = state->v1;
    double gg[PYR_MAX_SAMPLING_BATCH], nn[PYR_MAX_SAMPLING_BATCH];
    double snr = state->sampler->corrector_snr, r = state->r;

    for (int j = 0; j < state->sampler->corrector_steps; j++) {
        PYR_TRY(pyr_sampler_denoise(state, state->x, r, pull));
        pyr_sampler_mix(state, pull, 1, pull, -1, state->x); /* r^2 score */
        pyr_sampler_noise(state, eps, 1 + j);                /* draw 0 is the predictor's */
        PYR_TRY(pyr_dots(of->k, gg, pull, pull, of->n, of->size));
        PYR_TRY(pyr_dots(of->k, nn, eps, eps, of->n, of->size));
        for (int i = 0; i < of->n; i++) {
            void *x = pyr_sampler_part(state, state->x, i);
            double ratio = gg[i] > 0 ? snr * snr * nn[i] / gg[i] : 0; /* e / (2 r^4) */

            pyr_combine(
                of->k, x, 3, (double[]){1, 2 * ratio * r * r, 2 * sqrt(ratio) * r * r},
                (const void *const[]){x, pyr_sampler_part(state, pull, i), pyr_sampler_part(state, eps, i)},
                of->size);
        }
    }
    return PYR_OK;
}

static pyr_status predict_and_correct(pyr_sampler_state *state)
{
    PYR_TRY(pyr_sampler_row_of(state->sampler->predictor)->step(state));
    return correct(state);
}

static int predicted_and_corrected(const pyr_sampler *sampler)
{
    const pyr_sampler_row *predictor = pyr_sampler_row_of(sampler->predictor);

    return (predictor->evaluations ? predictor->evaluations(sampler) : 1) + sampler->corrector_steps;
}

const pyr_sampler_row pyr_row_predictor_corrector = {
    .step = predict_and_correct,
    .evaluations = predicted_and_corrected,
    .vectors = 3,
    .flags = PYR_SAMPLER_CORRECTS | PYR_SAMPLER_HOST,
    .cost = "(n - 1)(P + M) + 1",
    .help =
        "a step of `predictor`, of P NFE, then M = `corrector_steps` Langevin steps `x + e score + sqrt(2e) eps`, `e = 2 (snr abs(eps)/abs(score))^2`",
    .source = "Song et al. 2021, algorithms 1 to 5",
};

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

/* T moves at noise level s, with draws from first_draw on: x <- x + step/2 score + sqrt(step) eps with
 * step = rate s^2 (Song & Ermon 2019, algorithm 1, lines 5 and 6). */
static pyr_status make_moves(pyr_sampler_state *state, double rate, double s, int first_draw)
{
    for (int j = 0; j < state->sampler->langevin_steps; j++)
        PYR_TRY(pyr_sampler_move(state, s, 1 - rate / 2, rate / 2, sqrt(rate) * s, first_draw + j));
    return PYR_OK;
}

static int moves(const pyr_sampler *sampler)
{
    return sampler->langevin_steps;
}

/* A step of rate c doubles the distance from a point at c = 4 (1 - c/2 is then -1), and noise alone,
 * x = z + s eps with z known, is such a case. */
static pyr_status diverges(const pyr_sampler *sampler, const char *below, double most)
{
    return pyr_fail(PYR_E_CONFIG, "sampler.langevin_epsilon is %g: %s diverges unless it is below %s = %g",
                    sampler->langevin_epsilon, pyr_sampler_names[sampler->kind], below, most);
}

static double least_level(const pyr_schedule *schedule)
{
    return pyr_schedule_s(schedule, pyr_schedule_t_min(schedule));
}

/* ---- at every noise level ---- */

/* Song & Ermon 2019: epsilon sigma_i^2 / sigma_min^2; chosen for x that comes from noise level `from`. */
static double annealed_rate(const pyr_sampler_state *state, double from, double s)
{
    const pyr_sampler *l = state->sampler;
    double least = least_level(state->schedule);

    return l->langevin_epsilon > 0 ? l->langevin_epsilon / (least * least)
                                   : best_rate(l->langevin_steps, from / s);
}

/* As if x had come to s_max from a level as far above it as the next one is below. */
static pyr_status annealed_begin(pyr_sampler_state *state, double next)
{
    double s = state->s;

    return make_moves(state, annealed_rate(state, s * s / next, s), s, state->sampler->langevin_steps);
}

static pyr_status annealed_step(pyr_sampler_state *state)
{
    return make_moves(state, annealed_rate(state, state->s, state->r), state->r, 0);
}

static pyr_status annealed_check(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    double s = least_level(schedule), most = 4 * s * s;

    return sampler->langevin_epsilon >= most ? diverges(sampler, "4 sigma_min^2", most) : PYR_OK;
}

const pyr_sampler_row pyr_row_annealed_langevin = {
    .step = annealed_step,
    .begin = annealed_begin,
    .evaluations = moves,
    .check = annealed_check,
    .vectors = 2,
    .flags = PYR_SAMPLER_MOVES,
    .cost = "n T + 1",
    .help =
        "T = `langevin_steps` times `x + a/2 score + sqrt(a) eps` at each noise level, `a = epsilon s^2/sigma_min^2`",
    .source = "Song & Ermon 2019, algorithm 1",
};

/* Padova & Liu 2023, algorithm 1: epsilon sigma^2 / 2^i */
static double pyramid_rate(const pyr_sampler_state *state)
{
    double epsilon = state->sampler->langevin_epsilon;

    return (epsilon > 0 ? epsilon : 1) / exp2(state->of->place > 0 ? state->of->place : 1);
}

static pyr_status pyramid_begin(pyr_sampler_state *state, double next)
{
    (void)next;
    return make_moves(state, pyramid_rate(state), state->s, state->sampler->langevin_steps);
}

static pyr_status pyramid_step(pyr_sampler_state *state)
{
    return make_moves(state, pyramid_rate(state), state->r, 0);
}

static pyr_status pyramid_check(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    (void)schedule;
    return sampler->langevin_epsilon >= 8 ? diverges(sampler, "4 * 2", 8) : PYR_OK;
}

const pyr_sampler_row pyr_row_pyramid_langevin = {
    .step = pyramid_step,
    .begin = pyramid_begin,
    .evaluations = moves,
    .check = pyramid_check,
    .vectors = 2,
    .flags = PYR_SAMPLER_MOVES,
    .cost = "n T + 1",
    .help = "`annealed-langevin` with `a = epsilon s^2/2^i`, i = 1 at the coarsest level of the pyramid",
    .source = "Padova & Liu 2023, algorithm 1",
};

/* ---- at one noise level ---- */

static double plain_rate(const pyr_sampler_state *state)
{
    double epsilon = state->sampler->langevin_epsilon, least = least_level(state->schedule);

    return epsilon > 0 ? epsilon / (least * least) : 0.2;
}

static pyr_status ula_step(pyr_sampler_state *state)
{
    return make_moves(state, plain_rate(state), state->r, 0);
}

const pyr_sampler_row pyr_row_ula = {
    .step = ula_step,
    .evaluations = moves,
    .vectors = 2,
    .flags = PYR_SAMPLER_MOVES | PYR_SAMPLER_ONE_LEVEL,
    .cost = "(n - 1) T + 1",
    .help = "`annealed-langevin` with `a = epsilon`, at the one noise level `sigma_min`",
    .source = "Roberts & Tweedie 1996",
};

/* ---- Hamiltonian Monte Carlo ------------------------------------------------------------------- */

/* What accepting needs of all vectors, host. */
typedef struct energy {
    double log_density[PYR_MAX_SAMPLING_BATCH], kinetic[PYR_MAX_SAMPLING_BATCH];
} energy;

static pyr_status measure_energy(const pyr_sampler_state *state, double s, const void *momentum, energy *e)
{
    const pyr_sampling *of = state->of;
    double all[PYR_MAX_SAMPLING_BATCH];

    for (int i = 0; i < of->n; i++)
        all[i] = s;
    PYR_TRY(of->density(of->density_ctx, state->x, all, e->log_density));
    PYR_TRY(pyr_dots(of->k, e->kinetic, momentum, momentum, of->n, of->size));
    for (int i = 0; i < of->n; i++)
        e->kinetic[i] /= 2;
    return PYR_OK;
}

/* momentum += h score */
static void kick(const pyr_sampler_state *state, void *momentum, double h, double s)
{
    double g = h / (s * s);

    pyr_sampler_mix3(state, momentum, 1, momentum, g, state->d, -g, state->x);
}

/* Neal 2011, "MCMC using Hamiltonian dynamics", figure 2, with unit masses. D(x) comes along from move to
 * move. One leapfrog step of length h is the proposal of MALA with the Langevin step h^2, and accepting by
 * the change of energy is its rule. */
static pyr_status move(pyr_sampler_state *state, double s, double h, int leapfrogs, int draw)
{
    const pyr_sampling *of = state->of;
    void *d = state->d, *momentum = state->v1, *old_x = state->v2, *old_d = state->v3;
    size_t bytes = of->size * pyr_type_size(of->k->real);
    energy old = {{0}, {0}}, new = {{0}, {0}};

    pyr_sampler_noise(state, momentum, draw);
    if (of->density)
        PYR_TRY(measure_energy(state, s, momentum, &old));
    pyr_sampler_copy(state, old_x, state->x);
    pyr_sampler_copy(state, old_d, d);
    for (int i = 0; i < leapfrogs; i++) {
        kick(state, momentum, h / 2, s);
        pyr_sampler_mix(state, state->x, 1, state->x, h, momentum);
        PYR_TRY(pyr_sampler_denoise(state, state->x, s, d));
        kick(state, momentum, h / 2, s);
    }
    if (!of->density)
        return PYR_OK;
    PYR_TRY(measure_energy(state, s, momentum, &new));
    for (int i = 0; i < of->n; i++) {
        double gain = new.log_density[i] - new.kinetic[i] - old.log_density[i] + old.kinetic[i];

        if (log(pyr_sampler_uniform(state, i, draw)) < gain)
            continue;
        pyr_copy(of->k, pyr_sampler_part(state, state->x, i), pyr_sampler_part(state, old_x, i), bytes);
        pyr_copy(of->k, pyr_sampler_part(state, d, i), pyr_sampler_part(state, old_d, i), bytes);
    }
    return PYR_OK;
}

static pyr_status make_proposals(pyr_sampler_state *state, int leapfrogs)
{
    double s = state->r, h = s * sqrt(plain_rate(state));

    PYR_TRY(pyr_sampler_denoise(state, state->x, s, state->d));
    for (int j = 0; j < state->sampler->langevin_steps; j++)
        PYR_TRY(move(state, s, h, leapfrogs, j));
    return PYR_OK;
}

static pyr_status mala_step(pyr_sampler_state *state)
{
    return make_proposals(state, 1);
}

/* One where the moves begin, as x may have been changed since the last. */
static int mala_evaluations(const pyr_sampler *sampler)
{
    return sampler->langevin_steps + 1;
}

const pyr_sampler_row pyr_row_mala = {
    .step = mala_step,
    .evaluations = mala_evaluations,
    .vectors = 4,
    .flags = PYR_SAMPLER_MOVES | PYR_SAMPLER_ONE_LEVEL | PYR_SAMPLER_DENSITY | PYR_SAMPLER_HOST,
    .cost = "(n - 1)(T + 1) + 1",
    .help =
        "`ula`, accepted or rejected by the density: for models that have one (C interface, `pyrdiff toy`), not for networks",
    .source = "Roberts & Tweedie 1996",
};

static pyr_status hmc_step(pyr_sampler_state *state)
{
    return make_proposals(state, state->sampler->hmc_leapfrogs);
}

static int hmc_evaluations(const pyr_sampler *sampler)
{
    return sampler->langevin_steps * sampler->hmc_leapfrogs + 1;
}

const pyr_sampler_row pyr_row_hmc = {
    .step = hmc_step,
    .evaluations = hmc_evaluations,
    .vectors = 4,
    .flags = PYR_SAMPLER_MOVES | PYR_SAMPLER_ONE_LEVEL | PYR_SAMPLER_HOST,
    .settings = "hmc_leapfrogs",
    .cost = "(n - 1)(T L + 1) + 1",
    .help =
        "T times: a momentum is drawn, L = `hmc_leapfrogs` steps of length `sqrt(epsilon)`; accepted or rejected where there is a density, always accepted otherwise (then biased as `ula` is)",
    .source = "Neal 2011",
};
