/* sampler_langevin.c - Langevin dynamics: moves that leave the density of x at one noise level as it is (nearly: their step
 * is not infinitely small), driven by its score (D - x) / s^2. */
#include "diffusion/sampler_internal.h"
#include <math.h>

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
    for (int j = 0; j < state->sampler->langevin_steps; j++) {
        if (j > 0)
            PYR_TRY(pyr_sampler_moved(state, s));
        PYR_TRY(pyr_sampler_move(state, s, 1 - rate / 2, rate / 2, sqrt(rate) * s, first_draw + j));
    }
    return PYR_OK;
}

/* At s_max, before the first step. */
static pyr_status make_first_moves(pyr_sampler_state *state, double rate)
{
    PYR_TRY(make_moves(state, rate, state->s, state->sampler->langevin_steps));
    return pyr_sampler_moved(state, state->s);
}

static int moves(const pyr_sampler *sampler)
{
    return sampler->langevin_steps;
}

/* A step of rate c doubles the distance from a point at c = 4 (1 - c/2 is then -1), and noise alone,
 * x = z + s eps with z known, is such a case. */
pyr_status pyr_sampler_diverges(const pyr_sampler *sampler, const char *below, double most)
{
    return pyr_fail(PYR_E_CONFIG, "sampler.langevin_epsilon is %g: %s diverges unless it is below %s%g",
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

    return make_first_moves(state, annealed_rate(state, s * s / next, s));
}

static pyr_status annealed_step(pyr_sampler_state *state)
{
    return make_moves(state, annealed_rate(state, state->s, state->r), state->r, 0);
}

static pyr_status annealed_check(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    double s = least_level(schedule), most = 4 * s * s;

    return sampler->langevin_epsilon >= most ? pyr_sampler_diverges(sampler, "4 sigma_min^2 = ", most)
                                             : PYR_OK;
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
    return make_first_moves(state, pyramid_rate(state));
}

static pyr_status pyramid_step(pyr_sampler_state *state)
{
    return make_moves(state, pyramid_rate(state), state->r, 0);
}

static pyr_status pyramid_check(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    (void)schedule;
    return sampler->langevin_epsilon >= 8 ? pyr_sampler_diverges(sampler, "4 * 2 = ", 8) : PYR_OK;
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
    .source = "Padova & Liu 2023, algorithm 1, annealed over noise levels",
};

/* The same as it is written: one step for all noise levels, epsilon sigma^2 / 2^i with sigma = sigma_min (the paper leaves open what
 * sigma is; only the product counts, and above 4 s^2 at any of the levels it would diverge), from a uniform start. */
static double conditional_rate(const pyr_sampler_state *state, double s)
{
    double least = least_level(state->schedule);

    return pyramid_rate(state) * least * least / (s * s);
}

static pyr_status conditional_begin(pyr_sampler_state *state, double next)
{
    (void)next;
    return make_first_moves(state, conditional_rate(state, state->s));
}

static pyr_status conditional_step(pyr_sampler_state *state)
{
    return make_moves(state, conditional_rate(state, state->r), state->r, 0);
}

const pyr_sampler_row pyr_row_conditional_langevin = {
    .step = conditional_step,
    .begin = conditional_begin,
    .evaluations = moves,
    .check = pyramid_check,
    .vectors = 2,
    .flags = PYR_SAMPLER_MOVES | PYR_SAMPLER_UNIFORM,
    .cost = "n T + 1",
    .help =
        "`annealed-langevin` with the same `a = epsilon sigma_min^2/2^i` at all noise levels, i = 1 at the coarsest level, from a uniform start",
    .source = "Padova & Liu 2023, algorithm 1, as written",
};

/* ---- at one noise level ---- */

double pyr_sampler_plain_rate(const pyr_sampler_state *state)
{
    double epsilon = state->sampler->langevin_epsilon, least = least_level(state->schedule);

    return epsilon > 0 ? epsilon / (least * least) : 0.2;
}

static pyr_status ula_step(pyr_sampler_state *state)
{
    return make_moves(state, pyr_sampler_plain_rate(state), state->r, 0);
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
