/* test_budget.c - what samplers make of Gaussian data, against recursions by hand and against real draws; the least
 * divergence and the spending of a budget, against brute force. */
#include "tests/level_data.h"

#include "cascade/budget.h"
#include "diffusion/sampled_variance.h"

enum { STEPS = 6, DRAWS = 20000 };

static const pyr_schedule schedule = {
    .family = PYR_VE, .curve = PYR_CURVE_KARRAS, .s_min = 0.01, .s_max = 20, .rho = 7, .scale = 1};
static const double variances[] = {0, 0.04, 1, 30};
enum { VARIANCES = sizeof variances / sizeof *variances };

static pyr_kernels *open_double(void)
{
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    return k;
}

/* The variance that Euler's steps (noise 0) or ancestral ones (noise 1: Song et al. 2021, equation 47) leave of the
 * prior's. */
static double by_hand(double v, const double *s, int steps, bool ancestral, double *response)
{
    double u = s[0] * s[0], off = -1;

    for (int t = 0; t < steps; t++) {
        double s2 = s[t] * s[t], r2 = s[t + 1] * s[t + 1], keep = ancestral ? r2 / s2 : s[t + 1] / s[t];
        double gain = v > 0 ? v / (v + s2) : 0, factor = keep + (1 - keep) * gain;

        u = factor * factor * u + (ancestral ? r2 * (s2 - r2) / s2 : 0);
        off *= factor;
    }
    *response = 1 + off;
    return u;
}

static void recursions(void)
{
    pyr_kernels *k = open_double();
    double s[STEPS + 1], u[VARIANCES], r[VARIANCES], response;

    pyr_sampler_grid(&schedule, STEPS, s);
    for (int ancestral = 0; ancestral < 2; ancestral++) {
        pyr_sampler sampler = pyr_sampler_usual(ancestral ? PYR_ANCESTRAL : PYR_EULER, STEPS);

        CHECK_OK(pyr_sampled_variance(k, &sampler, &schedule, VARIANCES, variances, u, r));
        for (int i = 0; i < VARIANCES; i++) {
            double wanted = by_hand(variances[i], s, STEPS, ancestral, &response);

            CHECK_CLOSE(u[i], wanted, 1e-12 * (1 + wanted));
            CHECK_CLOSE(r[i], response, 1e-12);
        }
    }
    pyr_kernels_free(k);
}

typedef struct gaussian {
    double mean, v;
} gaussian;

static pyr_status denoise(void *ctx, const void *x, const double *s, void *out)
{
    const gaussian *g = ctx;
    double gain = g->v > 0 ? g->v / (g->v + s[0] * s[0]) : 0;

    for (int i = 0; i < DRAWS; i++)
        ((double *)out)[i] = g->mean + gain * (((const double *)x)[i] - g->mean);
    return PYR_OK;
}

static void draws_of(pyr_kernels *k, const pyr_sampler *sampler, const double *u, const double *r)
{
    static double x[DRAWS];
    uint64_t seed = 11;
    void *work = NULL;

    CHECK_OK(pyr_alloc(k, &work, pyr_sampler_work(k, sampler, 1, DRAWS), "test"));
    for (int j = 1; j < VARIANCES; j++) {
        gaussian g = {0.7, variances[j]};
        double mean = 0, square = 0;

        CHECK_OK(pyr_sample(
            &(pyr_sampling){
                .k = k, .n = 1, .size = DRAWS, .seeds = &seed, .denoise = denoise, .ctx = &g, .work = work},
            sampler, &schedule, x));
        for (int i = 0; i < DRAWS; i++)
            mean += x[i] / DRAWS;
        for (int i = 0; i < DRAWS; i++)
            square += pow(x[i] - mean, 2) / DRAWS;
        if (!(fabs(mean - r[j] * g.mean) < 5 * sqrt(u[j] / DRAWS) &&
              fabs(square / u[j] - 1) < 5 * sqrt(2.0 / DRAWS)))
            CHECK_REPORT("%s, v %g: draws have mean %g and variance %g, should be %g and %g",
                         pyr_sampler_names[sampler->kind], variances[j], mean, square, r[j] * g.mean, u[j]);
    }
    pyr_release(k, work);
}

/* All samplers that are linear; of the others a sentence. */
static void variance_of_real_draws(void)
{
    pyr_kernels *k = open_double();
    double u[VARIANCES], r[VARIANCES];
    int linear = 0;

    for (int kind = 0; kind < PYR_SAMPLER_KINDS; kind++) {
        pyr_sampler sampler = pyr_sampler_usual((pyr_sampler_kind)kind, STEPS);

        if (!pyr_sampler_is_linear(&sampler)) {
            CHECK_FAILS(pyr_sampled_variance(k, &sampler, &schedule, VARIANCES, variances, u, r),
                        PYR_E_CONFIG, "is not known in closed form");
            continue;
        }
        linear++;
        sampler.start = PYR_START_PRIOR;
        CHECK_OK(pyr_sampled_variance(k, &sampler, &schedule, VARIANCES, variances, u, r));
        draws_of(k, &sampler, u, r);
        if (kind == PYR_HEUN) { /* with noise of its own, too */
            sampler.churn = 2;
            CHECK_OK(pyr_sampled_variance(k, &sampler, &schedule, VARIANCES, variances, u, r));
            draws_of(k, &sampler, u, r);
        }
    }
    CHECK(linear >= 9);
    pyr_kernels_free(k);
}

/* From the fitted Gaussian the mean is met, and with many steps of the ODE the variance. */
static void fitted_starts(void)
{
    pyr_kernels *k = open_double();
    pyr_sampler sampler = pyr_sampler_usual(PYR_HEUN, 60);
    double u[VARIANCES], r[VARIANCES];

    sampler.start = PYR_START_GAUSSIAN;
    CHECK_OK(pyr_sampled_variance(k, &sampler, &schedule, VARIANCES, variances, u, r));
    for (int i = 0; i < VARIANCES; i++) {
        CHECK_CLOSE(r[i], 1, 1e-12);
        CHECK_CLOSE(u[i], variances[i], 0.02 * variances[i] + 1e-4);
    }
    pyr_kernels_free(k);
}

/* ---- budgets ----------------------------------------------------------------------------------------- */

enum { NUMBERS = 16 };

/* A level without data: `NUMBERS` independent numbers in place of its fit. */
static pyr_level_analysis level_of(pyr_kernels *k, double *basis, double *variance, double *mean,
                                   double scale, int bits)
{
    pyr_pyramid_settings p = {.levels = 1, .filter = PYR_FILTER_BOX, .sigma = 1};
    pyr_level_settings s = settings_of();
    pyr_level_analysis l = {.schedule = schedule};
    pyr_pyramid *pyramid = NULL;

    CHECK_OK(pyr_pyramid_new(&pyramid, k, &p, 4, 4, 1));
    CHECK_OK(pyr_level_init(&l.level, &s, pyramid, 0, 0, 1));
    pyr_pyramid_free(pyramid);
    l.sigma_min = ldexp(1, 1 - bits) / 0.5 / sqrt(12); /* of a standard deviation of 0.5 */
    l.level.settings.sampler = pyr_sampler_usual(PYR_EULER, 5);
    for (int i = 0; i < NUMBERS; i++) {
        basis[i * NUMBERS + i] = 1;
        variance[i] = scale * exp(-0.5 * i);
        mean[i] = 0.2 * cos(i);
    }
    l.gaussian = (pyr_gaussian){.shape = {1, 4, 4, 1},
                                .size = NUMBERS,
                                .full = true,
                                .basis = basis,
                                .variance = variance,
                                .mean = mean};
    return l;
}

/* KL with Euler's steps. */
static double kl_by_hand(const pyr_level_analysis *l, int bits, int steps, double sigma_min, double sigma_max)
{
    double s[100], q = pow(2 / pow(2, bits) / 0.5, 2) / 12, kl = 0;
    pyr_schedule moved = schedule;

    moved.s_min = sigma_min;
    moved.s_max = sigma_max;
    pyr_sampler_grid(&moved, steps, s);
    for (int i = 0; i < NUMBERS; i++) {
        double v = l->gaussian.variance[i], r, u = by_hand(v, s, steps, false, &r);

        kl += 0.5 * ((u + q) / (v + q) + pow((r - 1) * l->gaussian.mean[i], 2) / (v + q) - 1 -
                     log((u + q) / (v + q)));
    }
    return kl;
}

static void least_divergence(void)
{
    static double basis[NUMBERS * NUMBERS], variance[NUMBERS], mean[NUMBERS];
    pyr_kernels *k = open_double();
    pyr_level_analysis l = level_of(k, basis, variance, mean, 2, 8);
    pyr_budget_choice rows[PYR_BUDGET_COUNTS];
    double kl;

    CHECK_OK(pyr_budget_kl(&kl, k, &l, PYR_EULER, 7, 0.02, 15));
    CHECK_CLOSE(kl, kl_by_hand(&l, 8, 7, 0.02, 15), 1e-9 * kl);
    CHECK_OK(pyr_budget_rows(rows, k, &l, PYR_EULER));
    for (int i = 1; i < PYR_BUDGET_COUNTS; i++) {
        double best = INFINITY;

        for (int a = 0; a <= 60; a++)
            for (int b = 0; b <= 60; b++)
                best = fmin(best,
                            kl_by_hand(&l, 8, rows[i].steps, 1e-3 * pow(500, a / 60.0), pow(1e4, b / 60.0)));
        CHECK(rows[i].steps == pyr_budget_steps[i]);
        CHECK_CLOSE(rows[i].kl, kl_by_hand(&l, 8, rows[i].steps, rows[i].sigma_min, rows[i].sigma_max),
                    1e-9 * rows[i].kl);
        if (!(rows[i].kl <= 1.01 * best))
            CHECK_REPORT("%d steps: %g nats, a grid has %g", rows[i].steps, rows[i].kl, best);
        CHECK(rows[i].kl < rows[i - 1].kl && rows[i].flop > rows[i - 1].flop);
    }
    pyr_kernels_free(k);
}

/* Of data of 16 bits; and with a variance that would have to be measured: as posterior. */
static void other_levels(void)
{
    static double basis[NUMBERS * NUMBERS], variance[NUMBERS], mean[NUMBERS];
    pyr_kernels *k = open_double();
    pyr_level_analysis l = level_of(k, basis, variance, mean, 1e-5, 16);
    double kl, posterior;

    CHECK_OK(pyr_budget_kl(&kl, k, &l, PYR_EULER, 7, 0.001, 15));
    CHECK_CLOSE(kl, kl_by_hand(&l, 16, 7, 0.001, 15), 1e-9 * kl);
    CHECK_OK(pyr_budget_kl(&posterior, k, &l, PYR_ANCESTRAL, 7, 0.001, 15));
    for (int i = PYR_VARIANCE_ANALYTIC; i <= PYR_VARIANCE_OPTIMAL; i++) {
        l.level.settings.sampler.variance = i;
        CHECK_OK(pyr_budget_kl(&kl, k, &l, PYR_ANCESTRAL, 7, 0.001, 15));
        CHECK(kl == posterior);
    }
    pyr_kernels_free(k);
}

static void budget_is_spent_best(void)
{
    enum { LEVELS = 3, ROWS = 7 };
    pyr_budget_choice table[LEVELS * ROWS], chosen[LEVELS];
    double kappa;

    for (int i = 0; i < LEVELS * ROWS; i++) {
        double n = 1 + i % ROWS, a = 1 + i / ROWS;

        table[i] =
            (pyr_budget_choice){.steps = (int)n, .kl = 40 * a / (n * n) + 0.1 * sin(5 * i), .flop = a * n};
    }
    for (double budget = 6; budget < 45; budget += 3.7) {
        double flop = 0, sum = 0, least = INFINITY, more = 0;

        CHECK_OK(pyr_budget_spend(chosen, &kappa, table, LEVELS, ROWS, budget));
        for (int level = 0; level < LEVELS; level++) {
            flop += chosen[level].flop;
            sum += chosen[level].kl + kappa * chosen[level].flop;
        }
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < ROWS; j++)
                for (int l = 0; l < ROWS; l++) {
                    const pyr_budget_choice *one = &table[i], *two = &table[ROWS + j],
                                            *three = &table[2 * ROWS + l];

                    least = fmin(least, one->kl + two->kl + three->kl +
                                            kappa * (one->flop + two->flop + three->flop));
                }
        CHECK(flop <= budget);
        CHECK_CLOSE(sum, least, 1e-12 * least);
        pyr_budget_choose(chosen, table, LEVELS, ROWS, 0.999 * kappa); /* the least price */
        for (int level = 0; level < LEVELS; level++)
            more += chosen[level].flop;
        CHECK(kappa == 0 || more > budget);
    }
    CHECK_FAILS(pyr_budget_spend(chosen, &kappa, table, LEVELS, ROWS, 5), PYR_E_ARG, "the fewest steps");
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(recursions);
    RUN(variance_of_real_draws);
    RUN(fitted_starts);
    RUN(least_divergence);
    RUN(other_levels);
    RUN(budget_is_spent_best);
    return CHECK_DONE();
}
