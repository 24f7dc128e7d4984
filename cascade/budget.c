/* budget.c - the divergence of a sampled Gaussian fit, its least over the ends of sigma, and the levels together. */
#include "cascade/budget.h"

#include "base/mem.h"
#include "diffusion/sampled_variance.h"
#include "levels/denoiser.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const int pyr_budget_steps[PYR_BUDGET_COUNTS] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 24, 32, 40, 50, 64};

/* ---- one level --------------------------------------------------------------------------------------- */

/* The fit's coefficients, and each one's square of the mean. More than MOST_GROUPS of them, by size, share a
 * variance, the geometric mean: KL goes with its logarithm, and is smooth in that. */
enum { MOST_GROUPS = 128 };

typedef struct groups {
    int n;
    double v[MOST_GROUPS], mean[MOST_GROUPS], weight[MOST_GROUPS]; /* mean square of the means; how many */
    double rounding;                                               /* q */
} groups;

typedef struct coefficient {
    double v, square;
} coefficient;

static int by_variance(const void *a, const void *b)
{
    const coefficient *x = a, *y = b;

    return (x->v > y->v) - (x->v < y->v);
}

static pyr_status group(groups *out, const pyr_level_analysis *l)
{
    const pyr_gaussian *g = &l->gaussian;
    double *mean = NULL, *room = NULL;
    coefficient *all = NULL;
    pyr_status status;

    *out = (groups){.n = g->size < MOST_GROUPS ? (int)g->size : MOST_GROUPS,
                    .rounding = l->sigma_min * l->sigma_min};
    PYR_TRY_OUT(pyr_new(&mean, g->size, sizeof *mean, "a fit"));
    PYR_TRY_OUT(pyr_new(&room, g->size, sizeof *room, "a fit"));
    PYR_TRY_OUT(pyr_new(&all, g->size, sizeof *all, "a fit"));
    memcpy(mean, g->mean, g->size * sizeof *mean);
    pyr_gaussian_to(g, mean, room);
    for (size_t i = 0; i < g->size; i++)
        all[i] = (coefficient){g->variance[i] > 0 ? g->variance[i] : 0, mean[i] * mean[i]};
    qsort(all, g->size, sizeof *all, by_variance);
    for (int j = 0; j < out->n; j++) {
        size_t first = g->size * (size_t)j / (size_t)out->n,
               last = g->size * (size_t)(j + 1) / (size_t)out->n;
        double n = (double)(last - first), logs = 0;

        for (size_t i = first; i < last; i++) {
            logs += log(all[i].v + out->rounding) / n;
            out->mean[j] += all[i].square / n;
        }
        out->v[j] = fmax(exp(logs) - out->rounding, 0);
        out->weight[j] = n;
    }
out:
    pyr_free(mean);
    pyr_free(room);
    pyr_free(all);
    return status;
}

static pyr_status kl_of(double *kl, pyr_kernels *k, const pyr_level_analysis *l, const groups *g, int kind,
                        int steps, double sigma_min, double sigma_max)
{
    pyr_sampler sampler = l->level.settings.sampler;
    pyr_schedule schedule = l->schedule;
    double variance[MOST_GROUPS], response[MOST_GROUPS];

    sampler.kind = kind;
    sampler.steps = steps;
    if (pyr_sampler_measured(&sampler))
        sampler.variance = PYR_VARIANCE_POSTERIOR;
    schedule.s_min = pyr_schedule_unscaled(&l->schedule, sigma_min);
    schedule.s_max = pyr_schedule_unscaled(&l->schedule, sigma_max);
    PYR_TRY(pyr_sampled_variance(k, &sampler, &schedule, g->n, g->v, variance, response));
    *kl = 0;
    for (int j = 0; j < g->n; j++) {
        double data = g->v[j] + g->rounding, u = (variance[j] + g->rounding) / data, off = response[j] - 1;

        *kl += 0.5 * g->weight[j] * (u + off * off * g->mean[j] / data - 1 - log(u));
    }
    return PYR_OK;
}

pyr_status pyr_budget_kl(double *kl, pyr_kernels *k, const pyr_level_analysis *l, int kind, int steps,
                         double sigma_min, double sigma_max)
{
    groups g;

    PYR_TRY(group(&g, l));
    return kl_of(kl, k, l, &g, kind, steps, sigma_min, sigma_max);
}

static const double lowest[2] = {1e-3, 1}, highest[2] = {0.5, 1e4}; /* of sigma_min, sigma_max */

typedef struct search {
    pyr_kernels *k;
    const pyr_level_analysis *l;
    const groups *g;
    int kind, steps;
    double at[2], kl; /* logarithms of sigma_min, sigma_max; the least so far */
} search;

/* Moves to the point with this coordinate when it is lower there. */
static pyr_status try(search *of, int axis, double value, double *kl)
{
    double at[2] = {of->at[0], of->at[1]};

    at[axis] = fmin(fmax(value, log(lowest[axis])), log(highest[axis]));
    PYR_TRY(kl_of(kl, of->k, of->l, of->g, of->kind, of->steps, exp(at[0]), exp(at[1])));
    if (*kl < of->kl) {
        of->kl = *kl;
        of->at[axis] = at[axis];
    }
    return PYR_OK;
}

/* A grid, then a compass: steps along the axes, halved where none leads down. */
static pyr_status least(search *of)
{
    enum { GRID = 7 };
    double kl, best[2] = {0}, kl_best = INFINITY, stride;

    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++) {
            const int cell[2] = {i, j};
            double sigma[2];

            for (int axis = 0; axis < 2; axis++)
                sigma[axis] = log(lowest[axis]) + log(highest[axis] / lowest[axis]) * cell[axis] / (GRID - 1);
            PYR_TRY(kl_of(&kl, of->k, of->l, of->g, of->kind, of->steps, exp(sigma[0]), exp(sigma[1])));
            if (kl < kl_best) {
                kl_best = kl;
                memcpy(best, sigma, sizeof best);
            }
        }
    memcpy(of->at, best, sizeof best);
    of->kl = kl_best;
    for (stride = 0.5; stride > 0.01;) {
        double before = of->kl;

        for (int axis = 0; axis < 2; axis++) {
            PYR_TRY(try(of, axis, of->at[axis] + stride, &kl));
            PYR_TRY(try(of, axis, of->at[axis] - stride, &kl));
        }
        if (!(of->kl < before))
            stride /= 2;
    }
    return PYR_OK;
}

static pyr_status flop_of(double *flop, pyr_kernels *k, const pyr_level *level, int kind, int steps)
{
    pyr_sampler sampler = level->settings.sampler;
    pyr_denoiser denoiser = {0};
    pyr_params params = {0};
    pyr_status status = pyr_denoiser_new(&denoiser, k, &params, level, 1, PYR_GRADIENT_NONE);

    sampler.kind = kind;
    sampler.steps = steps;
    if (status == PYR_OK)
        *flop = pyr_denoiser_flop(&denoiser, pyr_sampler_nfe(&sampler));
    pyr_denoiser_free(&denoiser);
    pyr_params_free(&params);
    return status;
}

pyr_status pyr_budget_rows(pyr_budget_choice *rows, pyr_kernels *k, const pyr_level_analysis *l, int kind)
{
    groups g;

    PYR_TRY(group(&g, l));
    for (int i = 0; i < PYR_BUDGET_COUNTS; i++) {
        search of = {.k = k, .l = l, .g = &g, .kind = kind, .steps = pyr_budget_steps[i]};

        PYR_TRY(least(&of));
        rows[i] = (pyr_budget_choice){.kind = kind,
                                      .steps = of.steps,
                                      .sigma_min = exp(of.at[0]),
                                      .sigma_max = exp(of.at[1]),
                                      .kl = of.kl};
        PYR_TRY(flop_of(&rows[i].flop, k, &l->level, kind, of.steps));
    }
    return PYR_OK;
}

/* ---- the levels together ------------------------------------------------------------------------------ */

void pyr_budget_choose(pyr_budget_choice *chosen, const pyr_budget_choice *table, int levels, int rows,
                       double kappa)
{
    for (int level = 0; level < levels; level++) {
        const pyr_budget_choice *row = table + (size_t)level * (size_t)rows, *best = row;

        for (int i = 1; i < rows; i++)
            if (row[i].kl + kappa * row[i].flop < best->kl + kappa * best->flop)
                best = &row[i];
        chosen[level] = *best;
    }
}

static double cost_at(pyr_budget_choice *chosen, const pyr_budget_choice *table, int levels, int rows,
                      double kappa)
{
    double flop = 0;

    pyr_budget_choose(chosen, table, levels, rows, kappa);
    for (int level = 0; level < levels; level++)
        flop += chosen[level].flop;
    return flop;
}

pyr_status pyr_budget_spend(pyr_budget_choice *chosen, double *kappa, const pyr_budget_choice *table,
                            int levels, int rows, double budget)
{
    double low = log(1e-30), high = log(1e10), cheapest = cost_at(chosen, table, levels, rows, exp(high));

    if (!(cheapest <= budget))
        return pyr_fail(PYR_E_ARG, "a budget of %.3g FLOP an image: the fewest steps at each level take %.3g",
                        budget, cheapest);
    *kappa = 0;
    if (cost_at(chosen, table, levels, rows, 0) <= budget) /* what is least of all can be paid */
        return PYR_OK;
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;

        if (cost_at(chosen, table, levels, rows, exp(middle)) <= budget)
            high = middle;
        else
            low = middle;
    }
    *kappa = exp(high);
    pyr_budget_choose(chosen, table, levels, rows, *kappa);
    return PYR_OK;
}

void pyr_budget_block(const pyr_budget_choice *chosen, const pyr_analysis *a, pyr_text *out)
{
    pyr_text_add(out, "levels = (\n");
    for (int i = 0; i < a->levels; i++) {
        const pyr_level_analysis *l = &a->level[i];
        const pyr_budget_choice *c = &chosen[i];

        pyr_text_add(
            out,
            "    { sampler = { kind = \"%s\"; steps = %d; sigma_min = %#.4g; sigma_max = %#.4g; }; }%s  # level "
            "%d: %.3g nats, %.3g FLOP\n",
            pyr_sampler_names[c->kind], c->steps, pyr_schedule_unscaled(&l->schedule, c->sigma_min),
            pyr_schedule_unscaled(&l->schedule, c->sigma_max), i + 1 < a->levels ? "," : "", i, c->kl,
            c->flop);
    }
    pyr_text_add(out, ");\n");
}
