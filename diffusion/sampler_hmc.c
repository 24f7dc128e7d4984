/* sampler_hmc.c - Hamiltonian Monte Carlo and the Metropolis-adjusted Langevin algorithm, which is its move of one leapfrog
 * step: at one noise level, or at all in turn. They leave the density of x as it is, however long their step. */
#include "diffusion/sampler_internal.h"
#include <math.h>

/* ---- a move ------------------------------------------------------------------------------------ */

/* Neal 2011, "MCMC using Hamiltonian dynamics", figure 2, with unit masses: a momentum p is drawn, and leapfrog steps
 *
 *     p <- p + h/2 score(x),   x <- x + h p,   p <- p + h/2 score(x)
 *
 * lead to a proposal that is accepted with probability min(1, e^gain), gain = [log p(x) - |p|^2/2] at its end less that at
 * its beginning. One leapfrog step of length h is the proposal of MALA with the Langevin step h^2, and this rule is its own.
 *
 * A network knows no log p, but its gradient. Over each leapfrog step take the trapezoidal rule,
 *
 *     log p(x') - log p(x) ~ 1/2 (x' - x)^T (score(x) + score(x')),
 *
 * which is exact for Gaussians and has an error of third order in h otherwise. With p_ the momentum in the middle, x' - x = h
 * p_, and p, p' = p_ -+ h/2 score, so that
 *
 *     (|p'|^2 - |p|^2)/2 = h/2 p_^T (score + score') + h^2/8 (|score'|^2 - |score|^2):
 *
 * the first term is the trapezoidal rule's, and what is left adds up over the steps,
 *
 *     gain ~ h^2/8 (|score at the beginning|^2 - |score at the end|^2).
 *
 * It is antisymmetric under the way back, as detailed balance wants it: the moves leave a density alone that differs from
 * p only where the trapezoidal rule does. */
typedef struct energy {
    double of[PYR_MAX_SAMPLING_BATCH]; /* -log p + |p|^2/2, or h^2/8 |score|^2; host */
} energy;

static pyr_status measure_by_density(const pyr_sampler_state *state, double s, const void *momentum,
                                     energy *e)
{
    const pyr_sampling *of = state->of;
    double all[PYR_MAX_SAMPLING_BATCH], kinetic[PYR_MAX_SAMPLING_BATCH];

    for (int i = 0; i < of->n; i++)
        all[i] = s;
    PYR_TRY(of->density(of->density_ctx, state->x, all, e->of));
    PYR_TRY(pyr_dots(of->k, kinetic, momentum, momentum, of->n, of->size));
    for (int i = 0; i < of->n; i++)
        e->of[i] = kinetic[i] / 2 - e->of[i];
    return PYR_OK;
}

/* `room` is overwritten with s^2 score. */
static pyr_status measure_by_score(const pyr_sampler_state *state, double s, double h, void *room, energy *e)
{
    const pyr_sampling *of = state->of;

    pyr_sampler_mix(state, room, 1, state->d, -1, state->x);
    PYR_TRY(pyr_dots(of->k, e->of, room, room, of->n, of->size));
    for (int i = 0; i < of->n; i++)
        e->of[i] *= h * h / (8 * s * s * s * s);
    return PYR_OK;
}

/* momentum += h score */
static void kick(const pyr_sampler_state *state, void *momentum, double h, double s)
{
    double g = h / (s * s);

    pyr_sampler_mix3(state, momentum, 1, momentum, g, state->d, -g, state->x);
}

static pyr_status leap(pyr_sampler_state *state, void *momentum, double s, double h, int leapfrogs)
{
    for (int i = 0; i < leapfrogs; i++) {
        kick(state, momentum, h / 2, s);
        pyr_sampler_mix(state, state->x, 1, state->x, h, momentum);
        PYR_TRY(pyr_sampler_denoise(state, state->x, s, state->d));
        kick(state, momentum, h / 2, s);
    }
    return PYR_OK;
}

/* D(x) comes along from move to move. */
static pyr_status move(pyr_sampler_state *state, double s, double h, int leapfrogs, int draw)
{
    const pyr_sampling *of = state->of;
    void *momentum = state->v1, *old_x = state->v2, *old_d = state->v3;
    size_t bytes = of->size * pyr_type_size(of->k->real);
    energy old, new;

    if (!of->density)
        PYR_TRY(measure_by_score(state, s, h, momentum, &old));
    pyr_sampler_noise(state, momentum, draw);
    if (of->density)
        PYR_TRY(measure_by_density(state, s, momentum, &old));
    pyr_sampler_copy(state, old_x, state->x);
    pyr_sampler_copy(state, old_d, state->d);
    PYR_TRY(leap(state, momentum, s, h, leapfrogs));
    PYR_TRY(of->density ? measure_by_density(state, s, momentum, &new)
                        : measure_by_score(state, s, h, momentum, &new));
    for (int i = 0; i < of->n; i++) {
        if (log(pyr_sampler_uniform(state, i, draw)) < old.of[i] - new.of[i])
            continue;
        pyr_copy(of->k, pyr_sampler_part(state, state->x, i), pyr_sampler_part(state, old_x, i), bytes);
        pyr_copy(of->k, pyr_sampler_part(state, state->d, i), pyr_sampler_part(state, old_d, i), bytes);
    }
    return PYR_OK;
}

pyr_status pyr_sampler_hmc(pyr_sampler_state *state, double s, double rate, int leapfrogs, int moves,
                           int first_draw)
{
    for (int j = 0; j < moves; j++) {
        if (j > 0)
            PYR_TRY(pyr_sampler_moved(state, s));
        if (j == 0 || state->of->moved) /* x may have been changed */
            PYR_TRY(pyr_sampler_denoise(state, state->x, s, state->d));
        PYR_TRY(move(state, s, sqrt(rate) * s, leapfrogs, first_draw + j));
    }
    return PYR_OK;
}

/* ---- at every noise level ---------------------------------------------------------------------- */

/* On D numbers of noise alone, N(0, s^2), L leapfrogs of length h s are a turn by L theta, cos theta = 1 - h^2/2, of x and p
 * sqrt(1 - h^2/4), and the mean of what the energy rises is
 *
 *     D/2 sin^2(L theta) (h^2/4)^2 / (1 - h^2/4)  <=  about  D h^4/32 min(1, L^2 h^2).
 *
 * When that is mu, 2 Phi(-sqrt(mu/2)) of the moves are accepted (it is nearly normal, its variance 2 mu): 80 percent for mu
 * = 0.128. Longer than a quarter of a turn, L h = pi/2, the way leads back. Directions in which data are wider than the
 * noise turn more slowly, and raise the energy less. */
static double usual_rate(double size, int leapfrogs)
{
    const double most = 32 * 0.128 / size;
    double l = leapfrogs, h = pow(most, 0.25);

    if (l * h < 1)
        h = pow(most / (l * l), 1.0 / 6);
    if (leapfrogs > 1)
        h = fmin(h, acos(-1) / 2 / l);
    return fmin(h * h, 1);
}

double pyr_sampler_hmc_rate(const pyr_sampler_state *state, int leapfrogs)
{
    double epsilon = state->sampler->langevin_epsilon;

    return epsilon > 0 ? epsilon : usual_rate((double)state->of->size, leapfrogs);
}

static pyr_status annealed_moves(pyr_sampler_state *state, double s, int leapfrogs, int first_draw)
{
    return pyr_sampler_hmc(state, s, pyr_sampler_hmc_rate(state, leapfrogs), leapfrogs,
                           state->sampler->langevin_steps, first_draw);
}

static pyr_status first_moves(pyr_sampler_state *state, int leapfrogs)
{
    PYR_TRY(annealed_moves(state, state->s, leapfrogs, state->sampler->langevin_steps));
    return pyr_sampler_moved(state, state->s);
}

/* Where x has variance w >= s^2, leapfrogs of length h turn, h^2 < 4 w, or fly apart. */
static pyr_status annealed_check(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    (void)schedule;
    return sampler->langevin_epsilon >= 4 ? pyr_sampler_diverges(sampler, "", 4) : PYR_OK;
}

static pyr_status annealed_mala_begin(pyr_sampler_state *state, double next)
{
    (void)next;
    return first_moves(state, 1);
}

static pyr_status annealed_mala_step(pyr_sampler_state *state)
{
    return annealed_moves(state, state->r, 1, 0);
}

/* One where the moves begin, as x may have been changed since the last. */
static int mala_evaluations(const pyr_sampler *sampler)
{
    return sampler->langevin_steps + 1;
}

const pyr_sampler_row pyr_row_annealed_mala = {
    .step = annealed_mala_step,
    .begin = annealed_mala_begin,
    .evaluations = mala_evaluations,
    .check = annealed_check,
    .vectors = 4,
    .flags = PYR_SAMPLER_MOVES | PYR_SAMPLER_HOST,
    .cost = "n (T + 1) + 1",
    .help =
        "T = `langevin_steps` times at each noise level: a Langevin step of `a = epsilon s^2`, accepted with probability `min(1, exp(a/8 (abs(score)^2 - abs(score')^2)))`",
    .source = "Padova & Liu 2023, section 5.9; Roberts & Tweedie 1996",
};

static pyr_status annealed_hmc_begin(pyr_sampler_state *state, double next)
{
    (void)next;
    return first_moves(state, state->sampler->hmc_leapfrogs);
}

static pyr_status annealed_hmc_step(pyr_sampler_state *state)
{
    return annealed_moves(state, state->r, state->sampler->hmc_leapfrogs, 0);
}

static int hmc_evaluations(const pyr_sampler *sampler)
{
    return sampler->langevin_steps * sampler->hmc_leapfrogs + 1;
}

const pyr_sampler_row pyr_row_annealed_hmc = {
    .step = annealed_hmc_step,
    .begin = annealed_hmc_begin,
    .evaluations = hmc_evaluations,
    .check = annealed_check,
    .vectors = 4,
    .flags = PYR_SAMPLER_MOVES | PYR_SAMPLER_HOST,
    .settings = "hmc_leapfrogs",
    .cost = "n (T L + 1) + 1",
    .help =
        "T times at each noise level: a momentum is drawn, L = `hmc_leapfrogs` steps of length `h = sqrt(epsilon) s`, accepted with probability `min(1, exp(h^2/8 (abs(score)^2 - abs(score')^2)))`",
    .source = "Padova & Liu 2023, section 5.9; Neal 2011",
};

/* ---- at one noise level ------------------------------------------------------------------------ */

static pyr_status plain_moves(pyr_sampler_state *state, int leapfrogs)
{
    return pyr_sampler_hmc(state, state->r, pyr_sampler_plain_rate(state), leapfrogs,
                           state->sampler->langevin_steps, 0);
}

static pyr_status mala_step(pyr_sampler_state *state)
{
    return plain_moves(state, 1);
}

const pyr_sampler_row pyr_row_mala = {
    .step = mala_step,
    .evaluations = mala_evaluations,
    .vectors = 4,
    .flags = PYR_SAMPLER_MOVES | PYR_SAMPLER_ONE_LEVEL | PYR_SAMPLER_HOST,
    .cost = "(n - 1)(T + 1) + 1",
    .help =
        "`annealed-mala` with `a = epsilon`, at the one noise level `sigma_min`; by the density where there is one (C interface)",
    .source = "Roberts & Tweedie 1996",
};

static pyr_status hmc_step(pyr_sampler_state *state)
{
    return plain_moves(state, state->sampler->hmc_leapfrogs);
}

const pyr_sampler_row pyr_row_hmc = {
    .step = hmc_step,
    .evaluations = hmc_evaluations,
    .vectors = 4,
    .flags = PYR_SAMPLER_MOVES | PYR_SAMPLER_ONE_LEVEL | PYR_SAMPLER_HOST,
    .settings = "hmc_leapfrogs",
    .cost = "(n - 1)(T L + 1) + 1",
    .help =
        "`annealed-hmc` with `h = sqrt(epsilon)`, at the one noise level `sigma_min`; by the density where there is one (C interface)",
    .source = "Neal 2011",
};
