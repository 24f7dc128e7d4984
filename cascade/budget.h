/* budget.h - how many steps each level of a pyramid is to have, and between which noise levels.
 *
 * Paper 000, section 5.9, wants the end time T left free and a condition of time optimality in the cost. On the
 * Gaussian fit of a level (levels/gaussian.h) a sampler's output is known exactly (diffusion/sampled_variance.h), so
 *
 *     KL(output || data) = 1/2 sum over k of u_k + b_k^2 - 1 - log u_k,
 *     u_k = (variance_k + q) / (v_k + q),   b_k^2 = (r_k - 1)^2 a_k^2 / (v_k + q)
 *
 * is a function of (sigma_max, sigma_min, n, sampler), with a_k the mean's coefficients and q the variance of rounding
 * to the data's bits (sigma_min^2 of the analysis), which both are seen through. A variance of ancestral sampling that
 * is measured on a network has none here: posterior takes its place, which is its limit for many steps. Over all levels together the minimum of
 *
 *     sum of KL_i + kappa sum of FLOP_i
 *
 * is looked for, with the price kappa at which the cost comes to at most the budget. */
#ifndef PYR_CASCADE_BUDGET_H
#define PYR_CASCADE_BUDGET_H

#include "cascade/analyze.h"

enum { PYR_BUDGET_COUNTS = 16 };
extern const int pyr_budget_steps[PYR_BUDGET_COUNTS]; /* the numbers of steps that are tried */

/* What a level is sampled with, and what that comes to. */
typedef struct pyr_budget_choice {
    int kind; /* pyr_sampler_kind; its other settings are the level's */
    int steps;
    double sigma_min, sigma_max; /* standardised, scaled */
    double kl, flop;             /* nats; of one image */
} pyr_budget_choice;

/* KL of a level's fit sampled so, in nats. `k`: of doubles on the host. Fails as pyr_sampled_variance. */
pyr_status pyr_budget_kl(double *kl, pyr_kernels *k, const pyr_level_analysis *l, int kind, int steps,
                         double sigma_min, double sigma_max);
/* rows[PYR_BUDGET_COUNTS]: for each of pyr_budget_steps the ends of sigma of the least KL (sigma_max within 1 and 10^4,
 * sigma_min 10^-3 and 1/2), and its cost. */
pyr_status pyr_budget_rows(pyr_budget_choice *rows, pyr_kernels *k, const pyr_level_analysis *l, int kind);

/* table[levels x rows]. Of each level the row of the least sum of kl + kappa flop. */
void pyr_budget_choose(pyr_budget_choice *chosen, const pyr_budget_choice *table, int levels, int rows,
                       double kappa);
/* The same with the least kappa (nats a FLOP) whose cost is at most `budget`. PYR_E_ARG: none is. */
pyr_status pyr_budget_spend(pyr_budget_choice *chosen, double *kappa, const pyr_budget_choice *table,
                            int levels, int rows, double budget);

/* `levels = (...)` for a configuration, with the sampler of each level as chosen. Adds to `out`. */
void pyr_budget_block(const pyr_budget_choice *chosen, const pyr_analysis *a, pyr_text *out);

#endif
