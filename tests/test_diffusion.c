/* test_diffusion.c - samplers on Gaussian data, where denoiser, ODE and distribution are known exactly. */
#include "tests/check.h"

#include "base/mem.h"
#include "base/philox.h"
#include "diffusion/sampler.h"
#include "diffusion/schedule.h"
#include <stdlib.h>

static pyr_schedule schedule_of(pyr_family family, pyr_curve curve, double scale)
{
    return (pyr_schedule){.family = family,
                          .curve = curve,
                          .s_min = 0.002,
                          .s_max = 80,
                          .beta_min = 0.1,
                          .beta_max = 20,
                          .rho = 7,
                          .scale = scale};
}

/* ---- samplers ---------------------------------------------------------------------------------- */

/* z ~ N(m, diag v): D(x, s) = (v x + s^2 m) / (v + s^2) */
enum { SIZE = 7 };
static const double mean_of[SIZE] = {0.5, -0.3, 0, 1, 0.2, -1, 0.1};
static const double variance_of[SIZE] = {1, 0.25, 2, 0.04, 1.5, 0.6, 1};

typedef struct gaussian {
    pyr_kernels *k;
    int n, calls;
    double last; /* the noise level of the latest call */
    int fail_at; /* the call that fails; 0: none */
} gaussian;

static double exact_denoiser(double x, double s, int i)
{
    return (variance_of[i] * x + s * s * mean_of[i]) / (variance_of[i] + s * s);
}

static pyr_status gaussian_denoise(void *ctx, const void *x, const double *s, void *out)
{
    gaussian *g = ctx;

    g->calls++;
    if (g->calls == g->fail_at)
        return pyr_fail(PYR_E_DEVICE, "the denoiser fails");
    for (int i = 0; i < g->n * SIZE; i++) {
        double at = g->k->real == PYR_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i];
        double d = exact_denoiser(at, s[i / SIZE], i % SIZE);

        if (g->k->real == PYR_F64)
            ((double *)out)[i] = d;
        else
            ((float *)out)[i] = (float)d;
    }
    g->last = s[0];
    return PYR_OK;
}

typedef struct drawn {
    int n, calls;
    double last;
    double *x; /* n x SIZE */
} drawn;

static drawn draw(pyr_kernels *k, const pyr_schedule *c, pyr_sampler sampler, int n, const uint64_t *seeds,
                  int level)
{
    gaussian g = {.k = k, .n = n};
    drawn d = {.n = n, .x = pyr_calloc((size_t)n * SIZE, sizeof(double))};
    void *work = NULL, *x = NULL;

    CHECK_OK(pyr_alloc(k, &work, pyr_sampler_work(k, &sampler, n, SIZE), "work"));
    CHECK_OK(pyr_alloc(k, &x, (size_t)n * SIZE * pyr_type_size(k->real), "samples"));
    CHECK_OK(pyr_sample(&(pyr_sampling){.k = k,
                                        .n = n,
                                        .size = SIZE,
                                        .seeds = seeds,
                                        .level = level,
                                        .denoise = gaussian_denoise,
                                        .ctx = &g,
                                        .work = work},
                        &sampler, c, x));
    CHECK_OK(pyr_download_reals(k, d.x, x, (size_t)n * SIZE));
    d.calls = g.calls;
    d.last = g.last;
    pyr_release(k, work);
    pyr_release(k, x);
    return d;
}

static const pyr_sampler_kind kinds[] = {PYR_HEUN, PYR_EULER,
                                         PYR_EULER_MARUYAMA}; /* the others: test_samplers.c */
enum { KINDS = sizeof kinds / sizeof *kinds };

static void grids(void)
{
    for (int curve = PYR_CURVE_GEOMETRIC; curve <= PYR_CURVE_KARRAS; curve++) {
        pyr_schedule c = schedule_of(PYR_VE, (pyr_curve)curve, 2);
        double s[41];

        pyr_sampler_grid(&c, 40, s);
        CHECK_CLOSE(s[0], 160, 1e-6);
        CHECK_CLOSE(s[39], 0.004, 1e-9);
        CHECK(s[40] == 0);
        for (int i = 0; i < 40; i++)
            CHECK(s[i] > s[i + 1]);
        pyr_sampler_grid(&c, 1, s);
        CHECK_CLOSE(s[0], 160, 1e-6);
        CHECK(s[1] == 0);
    }
}

static void counts_of_evaluations(void)
{
    pyr_kernels *k = NULL;
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 1);
    uint64_t seed = 1;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    for (int i = 0; i < KINDS; i++)
        for (int steps = 1; steps < 20; steps += 6) {
            pyr_sampler sampler = {.kind = kinds[i], .steps = steps};
            drawn d = draw(k, &c, sampler, 1, &seed, 0);

            CHECK(d.calls == pyr_sampler_nfe(&sampler));
            CHECK(d.calls == (kinds[i] == PYR_HEUN ? 2 * steps - 1 : steps));
            /* the last look is at s_min (or, in a single step, at s_max) */
            CHECK_CLOSE(d.last, steps == 1 ? 80 : 0.002, 1e-9);
            pyr_free(d.x);
        }
    pyr_kernels_free(k);
}

/* Where the sampler starts: its documented stream. */
static double start_of(const pyr_schedule *c, uint64_t seed, int level, int i)
{
    double s = pyr_schedule_s(c, pyr_schedule_t_max(c));
    float four[4];

    pyr_normal4(seed, (uint32_t)i / 4, 0, 0, pyr_rng_purpose(PYR_RNG_PRIOR, level), four);
    return (double)four[i % 4] * (c->family == PYR_VP ? sqrt(1 + s * s) : s);
}

/* The largest error against the exact solution of the probability-flow ODE, dx/ds = (x - D)/s:
 *     x(s) = m + sqrt((v + s^2) / (v + s_max^2)) (x_max - m),
 * followed by the denoising step. */
static double ode_error(pyr_kernels *k, const pyr_schedule *c, pyr_sampler sampler)
{
    enum { N = 8 };
    uint64_t seeds[N];
    double hi = pyr_schedule_s(c, pyr_schedule_t_max(c)), lo = pyr_schedule_s(c, pyr_schedule_t_min(c));
    double worst = 0;
    drawn d;

    for (int n = 0; n < N; n++)
        seeds[n] = 1000 + (uint64_t)n;
    d = draw(k, c, sampler, N, seeds, 2);
    for (int n = 0; n < N; n++)
        for (int i = 0; i < SIZE; i++) {
            double m = mean_of[i], v = variance_of[i], start = start_of(c, seeds[n], 2, i);
            double x = m + sqrt((v + lo * lo) / (v + hi * hi)) * (start - m);

            worst = fmax(worst, fabs(d.x[n * SIZE + i] - exact_denoiser(x, lo, i)));
        }
    pyr_free(d.x);
    return worst;
}

static void orders_of_convergence(void)
{
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    for (int family = PYR_VE; family <= PYR_VP; family++)
        for (int curve = PYR_CURVE_GEOMETRIC; curve <= PYR_CURVE_KARRAS; curve++) {
            pyr_schedule c = schedule_of((pyr_family)family, (pyr_curve)curve, 1.2);
            double e[2][3];

            c.s_min = 0.05;
            c.s_max = 10;
            for (int order = 1; order <= 2; order++) {
                double *of = e[order - 1];

                for (int i = 0; i < 3; i++)
                    of[i] = ode_error(
                        k, &c,
                        (pyr_sampler){.kind = order == 2 ? PYR_HEUN : PYR_EULER, .steps = (100 << i) + 1});
                CHECK(of[2] < 0.05);
                CHECK_CLOSE(log2(of[0] / of[1]), order, 0.25);
                CHECK_CLOSE(log2(of[1] / of[2]), order, 0.15);
            }
            CHECK(e[1][2] < e[0][2] / 20);
        }
    pyr_kernels_free(k);
}

/* Mean and covariance of many samples, within what chance allows, and a bias that falls with the steps. */
static void samples_have_the_right_moments(void)
{
    static const struct {
        int kind, steps;
        pyr_family family;
        pyr_curve curve;
        double bias; /* of mean and variance, in units of deviation and variance */
    } cases[] = {
        {PYR_HEUN, 40, PYR_VE, PYR_CURVE_KARRAS, 0.005},
        {PYR_HEUN, 60, PYR_VP, PYR_CURVE_LINEAR, 0.02},
        {PYR_EULER, 300, PYR_VE, PYR_CURVE_KARRAS, 0.03},
        {PYR_EULER, 300, PYR_VP, PYR_CURVE_COSINE, 0.03},
        {PYR_EULER_MARUYAMA, 500, PYR_VE, PYR_CURVE_KARRAS, 0.05},
        {PYR_EULER_MARUYAMA, 500, PYR_VP, PYR_CURVE_COSINE, 0.05},
        {PYR_EULER_MARUYAMA, 500, PYR_VP, PYR_CURVE_LINEAR, 0.05},
        {PYR_EULER_MARUYAMA, 500, PYR_VE, PYR_CURVE_GEOMETRIC, 0.05},
    };
    enum { N = 4000 };
    uint64_t *seeds = pyr_calloc(N, sizeof *seeds);
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "cpu", 1));
    for (int i = 0; i < N; i++)
        seeds[i] = (uint64_t)i;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        pyr_schedule schedule = schedule_of(cases[c].family, cases[c].curve, 1);
        double sum[SIZE] = {0}, square[SIZE][SIZE] = {{0}};
        drawn d;

        schedule.s_min = 0.01;
        d = draw(k, &schedule, (pyr_sampler){.kind = cases[c].kind, .steps = cases[c].steps}, N, seeds, 1);
        for (int n = 0; n < N; n++)
            for (int i = 0; i < SIZE; i++) {
                sum[i] += d.x[n * SIZE + i];
                for (int j = 0; j < SIZE; j++)
                    square[i][j] += d.x[n * SIZE + i] * d.x[n * SIZE + j];
            }
        for (int i = 0; i < SIZE; i++) {
            double deviation = sqrt(variance_of[i]);

            /* the start leaves the mean out: it is wrong by m s_min / s_max and the like */
            if (fabs(sum[i] / N - mean_of[i]) >
                deviation * (4.5 / sqrt(N) + cases[c].bias) + fabs(mean_of[i]) / 80)
                CHECK_REPORT("case %zu: mean %d is %g, wanted %g", c, i, sum[i] / N, mean_of[i]);
            for (int j = 0; j < SIZE; j++) {
                double cov = square[i][j] / N - sum[i] / N * sum[j] / N;
                double size = sqrt(variance_of[i] * variance_of[j]);
                double chance = 4.5 * size * sqrt((i == j ? 2.0 : 1.0) / N);

                if (fabs(cov - (i == j ? variance_of[i] : 0)) > chance + (i == j ? cases[c].bias * size : 0))
                    CHECK_REPORT("case %zu: covariance %d,%d is %g, wanted %g", c, i, j, cov,
                                 i == j ? variance_of[i] : 0);
            }
        }
        pyr_free(d.x);
    }
    pyr_free(seeds);
    pyr_kernels_free(k);
}

/* The stochastic sampler comes closer as the steps grow: its variance, against the exact recursion's
 * limit. */
static void euler_maruyama_converges(void)
{
    enum { N = 4000 };
    uint64_t *seeds = pyr_calloc(N, sizeof *seeds);
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "cpu", 1));
    for (int i = 0; i < N; i++)
        seeds[i] = 77 + (uint64_t)i;
    for (int family = PYR_VE; family <= PYR_VP; family++) {
        pyr_schedule c =
            schedule_of((pyr_family)family, family == PYR_VE ? PYR_CURVE_KARRAS : PYR_CURVE_COSINE, 1);
        double error[2];

        for (int fine = 0; fine < 2; fine++) {
            drawn d =
                draw(k, &c, (pyr_sampler){.kind = PYR_EULER_MARUYAMA, .steps = fine ? 320 : 10}, N, seeds, 0);

            error[fine] = 0;
            for (int i = 0; i < SIZE; i++) {
                double sum = 0, square = 0, v;

                for (int n = 0; n < N; n++) {
                    sum += d.x[n * SIZE + i];
                    square += d.x[n * SIZE + i] * d.x[n * SIZE + i];
                }
                v = square / N - sum / N * sum / N;
                error[fine] += fabs(v / variance_of[i] - 1) / SIZE;
            }
            pyr_free(d.x);
        }
        CHECK(error[0] > 0.1);
        CHECK(error[1] < 0.06 && error[1] < error[0] / 3);
    }
    pyr_free(seeds);
    pyr_kernels_free(k);
}

/* Sample i is the same bytes in batches of 1, 3 and 16, whatever the others are. */
static void samples_do_not_see_each_other(void)
{
    static const char *const backends[] = {"ref", "ref-double", "cpu"};
    static const uint64_t all[16] = {3, 17,  UINT64_C(1) << 40,           5, 99, 0, 1, 2, 30, 31, 32, 33, 34,
                                     7, 700, UINT64_C(0xFFFFFFFFFFFFFFFF)};

    for (int b = 0; b < 3; b++) {
        pyr_kernels *k = NULL;

        CHECK_OK(pyr_kernels_open(&k, backends[b], 1));
        for (int j = 0; j < KINDS; j++)
            for (int family = PYR_VE; family <= PYR_VP; family++) {
                pyr_schedule c = schedule_of((pyr_family)family,
                                             family == PYR_VE ? PYR_CURVE_KARRAS : PYR_CURVE_LINEAR, 1);
                pyr_sampler sampler = {.kind = kinds[j], .steps = 9};
                drawn whole = draw(k, &c, sampler, 16, all, 1), other;

                for (int i = 0; i < 16; i++) {
                    drawn one = draw(k, &c, sampler, 1, &all[i], 1);

                    CHECK(memcmp(one.x, whole.x + i * SIZE, SIZE * sizeof(double)) == 0);
                    pyr_free(one.x);
                }
                for (int i = 0; i + 3 <= 16; i++) {
                    uint64_t turned[3] = {all[i + 2], all[i], all[i + 1]};
                    drawn three = draw(k, &c, sampler, 3, turned, 1);

                    CHECK(memcmp(three.x, whole.x + (i + 2) * SIZE, SIZE * sizeof(double)) == 0);
                    CHECK(memcmp(three.x + SIZE, whole.x + i * SIZE, 2 * SIZE * sizeof(double)) == 0);
                    pyr_free(three.x);
                }
                for (int i = 0; i < 15; i++)
                    CHECK(memcmp(whole.x + i * SIZE, whole.x + (i + 1) * SIZE, SIZE * sizeof(double)) != 0);
                other = draw(k, &c, sampler, 16, all, 2); /* another level has noise of its own */
                CHECK(memcmp(other.x, whole.x, SIZE * sizeof(double)) != 0);
                for (int i = 0; i < 16 * SIZE; i++)
                    CHECK(isfinite(whole.x[i]));
                pyr_free(other.x);
                pyr_free(whole.x);
            }
        pyr_kernels_free(k);
    }
}

/* Backends agree; nothing is allocated; a failure comes through. */
static void backends_agree(void)
{
    static const char *const backends[] = {"ref-double", "ref", "cpu"};
    uint64_t seeds[5] = {1, 2, 3, 4, 5};

    for (int j = 0; j < KINDS; j++) {
        pyr_schedule c = schedule_of(PYR_VP, PYR_CURVE_COSINE, 1);
        drawn exact = {0};

        for (int b = 0; b < 3; b++) {
            pyr_kernels *k = NULL;
            drawn d;

            CHECK_OK(pyr_kernels_open(&k, backends[b], 1));
            d = draw(k, &c, (pyr_sampler){.kind = kinds[j], .steps = 20}, 5, seeds, 0);
            if (b == 0)
                exact = d;
            else {
                for (int i = 0; i < 5 * SIZE; i++)
                    CHECK_CLOSE(d.x[i], exact.x[i], 2e-4);
                pyr_free(d.x);
            }
            pyr_kernels_free(k);
        }
        pyr_free(exact.x);
    }
}

static void failures_come_through(void)
{
    pyr_kernels *k = NULL;
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 1);
    void *work = NULL, *x = NULL;
    uint64_t seeds[2] = {1, 2}, before;

    CHECK_OK(pyr_kernels_open(&k, "cpu", 1));
    CHECK_OK(pyr_alloc(k, &work, pyr_sampler_work(k, &(pyr_sampler){.kind = PYR_HEUN, .steps = 3}, 2, SIZE),
                       "work"));
    CHECK_OK(pyr_alloc(k, &x, 2 * SIZE * sizeof(float), "samples"));
    before = pyr_mem().allocated;
    for (int j = 0; j < KINDS; j++)
        for (int at = 0; at < 4; at++) {
            gaussian g = {.k = k, .n = 2, .fail_at = at};
            pyr_sampling sampling = {.k = k,
                                     .n = 2,
                                     .size = SIZE,
                                     .seeds = seeds,
                                     .denoise = gaussian_denoise,
                                     .ctx = &g,
                                     .work = work};
            pyr_status status = pyr_sample(&sampling, &(pyr_sampler){.kind = kinds[j], .steps = 3}, &c, x);

            CHECK(status == (at ? PYR_E_DEVICE : PYR_OK));
            CHECK(!at || (g.calls == at && strcmp(pyr_error(), "the denoiser fails") == 0));
        }
    CHECK(pyr_mem().allocated == before);
    pyr_release(k, work);
    pyr_release(k, x);
    pyr_kernels_free(k);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(grids);
    RUN(counts_of_evaluations);
    RUN(orders_of_convergence);
    RUN(samples_have_the_right_moments);
    RUN(euler_maruyama_converges);
    RUN(samples_do_not_see_each_other);
    RUN(backends_agree);
    RUN(failures_come_through);
    return CHECK_DONE();
}
