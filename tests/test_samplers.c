/* test_samplers.c - samplers where everything is known: Gaussian data, whose denoiser is linear and whose
 * ODE has a solution; a single point, from which noise of known size is left; a mixture of two modes. */
#include "tests/check.h"

#include "base/mem.h"
#include "base/philox.h"
#include "diffusion/sampler.h"
#include <stdlib.h>

enum { SIZE = 32, KINDS = PYR_SAMPLER_KINDS };

/* ---- what is drawn from ------------------------------------------------------------------------ */

/* z = mean + R u, u_i ~ N(0, variance_of(i)) where R turns neighbours 2i, 2i + 1 by an angle; or, with modes,
 * u_0 ~ N(+-3, 0.09) with weights 0.7 and 0.3. */
typedef enum law { GAUSSIAN, POINT, MODES } law;
static const double mode_at = 3, mode_std = 0.3, mode_weight = 0.7;

typedef struct problem {
    law data;
    pyr_kernels *k;
    int n, calls, fail_at;
} problem;

static double variance_of(law data, int i)
{
    static const double v[] = {2, 1, 0.25, 0.04};

    return data == GAUSSIAN ? v[i % 4] : data == POINT ? 0 : mode_std * mode_std;
}

/* u = R^T (x - mean), and back */
static void turn(law data, double *u, const double *x, bool back)
{
    static double cosine[SIZE], sine[SIZE], mean[SIZE];

    for (int i = 0; i < SIZE && cosine[0] == 0; i++) {
        cosine[SIZE - 1 - i] = cos(0.3 + 0.1 * (SIZE - 1 - i));
        sine[SIZE - 1 - i] = sin(0.3 + 0.1 * (SIZE - 1 - i));
        mean[SIZE - 1 - i] = 0.5 * cos(3.0 * (SIZE - 1 - i));
    }
    for (int i = 0; i < SIZE; i += 2) {
        double m0 = data == GAUSSIAN ? mean[i] : 0, m1 = data == GAUSSIAN ? mean[i + 1] : 0;
        double c = cosine[i], s = back ? -sine[i] : sine[i];
        double p = x[i] - (back ? 0 : m0), q = x[i + 1] - (back ? 0 : m1);

        u[i] = c * p + s * q + (back ? m0 : 0);
        u[i + 1] = -s * p + c * q + (back ? m1 : 0);
    }
}

/* Posterior probability of the upper mode at u_0. */
static double upper(double u, double s)
{
    double w = mode_std * mode_std + s * s;

    return 1 / (1 + (1 - mode_weight) / mode_weight * exp(-2 * mode_at * u / w));
}

static double denoised(law data, double u, double s, int i)
{
    double v = variance_of(data, i), center = 0;

    if (data == MODES && i == 0)
        center = mode_at * (2 * upper(u, s) - 1);
    return (v * u + s * s * center) / (v + s * s);
}

static void get(const problem *p, double *x, const void *from, int vector)
{
    for (int i = 0; i < SIZE; i++)
        x[i] = p->k->real == PYR_F64 ? ((const double *)from)[vector * SIZE + i]
                                     : (double)((const float *)from)[vector * SIZE + i];
}

static pyr_status denoise(void *ctx, const void *x, const double *s, void *out)
{
    problem *p = ctx;
    double u[SIZE], z[SIZE];

    p->calls++;
    if (p->calls == p->fail_at)
        return pyr_fail(PYR_E_DEVICE, "the denoiser fails");
    for (int n = 0; n < p->n; n++) {
        get(p, z, x, n);
        turn(p->data, u, z, false);
        for (int i = 0; i < SIZE; i++)
            u[i] = denoised(p->data, u[i], s[n], i);
        turn(p->data, z, u, true);
        for (int i = 0; i < SIZE; i++)
            if (p->k->real == PYR_F64)
                ((double *)out)[n * SIZE + i] = z[i];
            else
                ((float *)out)[n * SIZE + i] = (float)z[i];
    }
    return PYR_OK;
}

static pyr_status log_density(void *ctx, const void *x, const double *s, double *out)
{
    problem *p = ctx;
    double u[SIZE], z[SIZE];

    for (int n = 0; n < p->n; n++) {
        get(p, z, x, n);
        turn(p->data, u, z, false);
        out[n] = 0;
        for (int i = 0; i < SIZE; i++)
            out[n] -= u[i] * u[i] / (2 * (variance_of(p->data, i) + s[n] * s[n]));
    }
    return PYR_OK;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

typedef struct drawing {
    const char *backend;
    law data;
    int n, place, repeats, level;
    bool density, stiff;
    pyr_denoise denoise; /* NULL: the law's */
    const double *start; /* n x SIZE; NULL: drawn */
    pyr_after_step after;
    void *after_ctx;
    void **work;           /* where the hook finds the working memory; NULL: nowhere */
    const uint64_t *seeds; /* NULL: 0 .. n - 1 */
} drawing;

typedef struct drawn {
    int calls, *evaluations;
    double *x;
} drawn;

/* Behind the working memory, room for as many vectors as there are names of: nothing may be written there. */
enum { BEHIND = 0xa5 };

static size_t behind_bytes(const pyr_kernels *k, int n)
{
    return 4 * pyr_aligned((size_t)n * SIZE * pyr_type_size(k->real));
}

static void *work_new(pyr_kernels *k, const pyr_sampler *sampler, int n)
{
    size_t bytes = pyr_sampler_work(k, sampler, n, SIZE);
    void *work = NULL;

    CHECK_OK(pyr_alloc(k, &work, bytes + behind_bytes(k, n), "work"));
    memset((char *)work + bytes, BEHIND, behind_bytes(k, n));
    return work;
}

static void work_free(pyr_kernels *k, const pyr_sampler *sampler, int n, void *work)
{
    const unsigned char *behind = (unsigned char *)work + pyr_sampler_work(k, sampler, n, SIZE);
    size_t i = 0;

    while (i < behind_bytes(k, n) && behind[i] == BEHIND)
        i++;
    if (i < behind_bytes(k, n))
        CHECK_REPORT("%s writes behind its working memory: its row has .vectors = %d",
                     pyr_sampler_names[sampler->kind], pyr_sampler_row_of(sampler->kind)->vectors);
    pyr_release(k, work);
}

static drawn draw(const drawing *d, const pyr_schedule *schedule, const pyr_sampler *sampler)
{
    size_t n = (size_t)d->n;
    problem p = {.data = d->data, .n = d->n};
    drawn out = {.x = pyr_calloc(n * SIZE, sizeof(double)), .evaluations = pyr_calloc(n, sizeof(int))};
    uint64_t *seeds = pyr_calloc(n, sizeof *seeds);
    pyr_kernels *k = NULL;
    void *work, *x = NULL;

    for (size_t i = 0; i < n; i++)
        seeds[i] = d->seeds ? d->seeds[i] : i;
    CHECK_OK(pyr_kernels_open(&k, d->backend ? d->backend : "cpu", 1));
    p.k = k;
    work = work_new(k, sampler, d->n);
    if (d->work)
        *d->work = work;
    CHECK_OK(pyr_alloc(k, &x, n * SIZE * pyr_type_size(k->real), "samples"));
    if (d->start)
        CHECK_OK(pyr_upload_reals(k, x, d->start, n * SIZE));
    CHECK_OK(pyr_sample(&(pyr_sampling){.k = k,
                                        .n = d->n,
                                        .size = SIZE,
                                        .seeds = seeds,
                                        .level = d->level,
                                        .denoise = d->denoise ? d->denoise : denoise,
                                        .ctx = &p,
                                        .work = work,
                                        .start = d->start ? x : NULL,
                                        .stiff = d->stiff,
                                        .place = d->place,
                                        .density = d->density ? log_density : NULL,
                                        .density_ctx = &p,
                                        .after = d->after,
                                        .after_ctx = d->after_ctx,
                                        .repeats = d->repeats,
                                        .evaluations = out.evaluations},
                        sampler, schedule, x));
    CHECK_OK(pyr_download_reals(k, out.x, x, n * SIZE));
    out.calls = p.calls;
    work_free(k, sampler, d->n, work);
    pyr_release(k, x);
    pyr_kernels_free(k);
    pyr_free(seeds);
    return out;
}

static void forget(drawn *d)
{
    pyr_free(d->x);
    pyr_free(d->evaluations);
}

static pyr_schedule schedule_of(pyr_family family, pyr_curve curve, double s_min, double s_max)
{
    return (pyr_schedule){.family = family,
                          .curve = curve,
                          .s_min = s_min,
                          .s_max = s_max,
                          .beta_min = 0.1,
                          .beta_max = 20,
                          .rho = 7,
                          .base = 25,
                          .scale = 1};
}

static pyr_sampler usual(int kind, int steps)
{
    return pyr_sampler_usual((pyr_sampler_kind)kind, steps);
}

static pyr_sampler with_churn(int kind, int steps, double churn)
{
    pyr_sampler s = usual(kind, steps);

    s.churn = churn;
    return s;
}

static pyr_sampler with_eta(int kind, int steps, double eta)
{
    pyr_sampler s = usual(kind, steps);

    s.eta = eta;
    return s;
}

/* predictor-corrector with this predictor */
static pyr_sampler corrected(int predictor, int steps, int corrections, double snr)
{
    pyr_sampler s = usual(PYR_PREDICTOR_CORRECTOR, steps);

    s.predictor = predictor;
    s.corrector_steps = corrections;
    s.corrector_snr = snr;
    return s;
}

/* the same, corrected by Hamiltonian Monte Carlo */
static pyr_sampler with_hmc(int predictor, int steps, int moves, int leapfrogs)
{
    pyr_sampler s = corrected(predictor, steps, moves, 0);

    s.corrector = PYR_CORRECT_HMC;
    s.hmc_leapfrogs = leapfrogs;
    return s;
}

/* A table of cases has one of every kind whose row has all flags of `with` and none of `without`. */
static void every_kind_has_a_case(const bool *covered, unsigned with, unsigned without, const char *table)
{
    for (int kind = 0; kind < KINDS; kind++) {
        unsigned flags = pyr_sampler_row_of(kind)->flags;

        if (!covered[kind] && (flags & with) == with && !(flags & without))
            CHECK_REPORT("%s has no case in %s", pyr_sampler_names[kind], table);
    }
}

/* Of n samples, in the axes of the data: variance of those i with i % 4 == group, mean and correlation of
 * neighbours of all, each divided by what it should be. */
typedef struct moments {
    double mean, variance[4], correlation;
} moments;

static moments moments_of(const drawn *d, law data, int n)
{
    moments m = {0};
    double u[SIZE];

    for (int v = 0; v < n; v++) {
        turn(data, u, d->x + v * SIZE, false);
        for (int i = 0; i < SIZE; i++) {
            m.variance[i % 4] += u[i] * u[i] / (n * SIZE / 4);
            m.mean += u[i] / sqrt(variance_of(data, i)) / (n * SIZE);
        }
        for (int i = 0; i < SIZE; i += 2)
            m.correlation +=
                u[i] * u[i + 1] / sqrt(variance_of(data, i) * variance_of(data, i + 1)) / (n * SIZE / 2);
    }
    return m;
}

enum { N = 1000 };
static const double chance = 4.5; /* standard errors */
/* relative standard error of a variance from N * SIZE / 4 numbers */
static double variance_error(void)
{
    return sqrt(2.0 / (N * SIZE / 4));
}

/* ---- mean and covariance ----------------------------------------------------------------------- */

static void gaussian_moments(void)
{
    struct {
        pyr_sampler sampler;
        pyr_family family;
        pyr_curve curve;
        double bias; /* of variances, relative, what so many steps leave */
    } cases[] = {
        {usual(PYR_HEUN, 30), PYR_VE, PYR_CURVE_KARRAS, 0.01},
        {usual(PYR_HEUN, 60), PYR_VP, PYR_CURVE_LINEAR, 0.02},
        {with_churn(PYR_HEUN, 40, 20), PYR_VE, PYR_CURVE_KARRAS, 0.03},
        {usual(PYR_EULER, 200), PYR_SUB_VP, PYR_CURVE_COSINE, 0.04},
        {usual(PYR_EULER_MARUYAMA, 400), PYR_VE, PYR_CURVE_KARRAS, 0.05},
        {usual(PYR_EULER_MARUYAMA, 400), PYR_VP, PYR_CURVE_COSINE, 0.06},
        {usual(PYR_EULER_MARUYAMA, 400), PYR_SUB_VP, PYR_CURVE_COSINE, 0.06},
        {usual(PYR_REVERSE_DIFFUSION, 400), PYR_VE, PYR_CURVE_KARRAS, 0.05},
        {usual(PYR_REVERSE_DIFFUSION, 400), PYR_VP, PYR_CURVE_COSINE, 0.06},
        {usual(PYR_REVERSE_DIFFUSION, 400), PYR_SUB_VP, PYR_CURVE_KARRAS, 0.06},
        {usual(PYR_ANCESTRAL, 300), PYR_VE, PYR_CURVE_KARRAS, 0.05},
        {usual(PYR_ANCESTRAL, 300), PYR_VP, PYR_CURVE_LINEAR, 0.06},
        {usual(PYR_DDIM, 200), PYR_VP, PYR_CURVE_COSINE, 0.04},
        {with_eta(PYR_DDIM, 200, 0.5), PYR_VE, PYR_CURVE_KARRAS, 0.04},
        /* A step e that goes by |score| of the vector itself favours places where the score is large: dx = e
         * score dt + sqrt(2e) dw rests at density times |score|^2, whatever the snr. Of eight numbers of variance
         * 0.04, which make up most of |score|, that gives 1 + 2/8 times the variance; of an image's many,
         * nearly 1. */
        {corrected(PYR_ANCESTRAL, 200, 1, 0.05), PYR_VE, PYR_CURVE_KARRAS, 0.25},
        {corrected(PYR_REVERSE_DIFFUSION, 200, 1, 0.05), PYR_VP, PYR_CURVE_COSINE, 0.25},
        {corrected(PYR_HEUN, 30, 2, 0.05), PYR_VE, PYR_CURVE_KARRAS, 0.25},
        {usual(PYR_RK45, 1), PYR_VE, PYR_CURVE_KARRAS, 0.01},
        {usual(PYR_DPMPP_2M, 30), PYR_VP, PYR_CURVE_KARRAS, 0.02},
        {usual(PYR_DPMPP_2M_SDE, 60), PYR_VE, PYR_CURVE_KARRAS, 0.03},
        {usual(PYR_UNIPC, 30), PYR_VE, PYR_CURVE_KARRAS, 0.01},
        {usual(PYR_ANNEALED_LANGEVIN, 100), PYR_VE, PYR_CURVE_GEOMETRIC, 0.15},
        {usual(PYR_ANNEALED_MALA, 60), PYR_VE, PYR_CURVE_GEOMETRIC, 0.15},
        {usual(PYR_ANNEALED_HMC, 40), PYR_VE, PYR_CURVE_GEOMETRIC, 0.02},
        {with_hmc(PYR_IDENTITY, 40, 5, 8), PYR_VP, PYR_CURVE_GEOMETRIC, 0.02},
        {with_hmc(PYR_ANCESTRAL, 40, 2, 8), PYR_VE, PYR_CURVE_KARRAS, 0.02},
        {corrected(PYR_IDENTITY, 400, 4, 0.16), PYR_VE, PYR_CURVE_GEOMETRIC, 0.35},
        {usual(PYR_CONSISTENT_ANNEALED, 200), PYR_VE, PYR_CURVE_GEOMETRIC, 0.05},
        {usual(PYR_PYRAMID_LANGEVIN, 100), PYR_VE, PYR_CURVE_GEOMETRIC, 0.15},
    };

    bool covered[KINDS] = {[PYR_CONDITIONAL_LANGEVIN] = true}; /* conditional_langevin_by_recursion */

    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        pyr_schedule schedule = schedule_of(cases[c].family, cases[c].curve, 0.01, 80);
        drawing with = {.data = GAUSSIAN, .n = N, .level = 1};
        drawn d = draw(&with, &schedule, &cases[c].sampler);
        moments m = moments_of(&d, GAUSSIAN, N);

        /* the start leaves the mean out: it is wrong by m s_min / s_max and the like */
        if (fabs(m.mean) > chance / sqrt(N * SIZE) + 0.02)
            CHECK_REPORT("case %zu (%s): mean %g", c, pyr_sampler_names[cases[c].sampler.kind], m.mean);
        if (fabs(m.correlation) > chance / sqrt(N * SIZE / 2) + 0.02)
            CHECK_REPORT("case %zu (%s): correlation %g", c, pyr_sampler_names[cases[c].sampler.kind],
                         m.correlation);
        for (int i = 0; i < 4; i++) {
            double ratio = m.variance[i] / variance_of(GAUSSIAN, i);

            if (fabs(ratio - 1) > chance * variance_error() + cases[c].bias)
                CHECK_REPORT("case %zu (%s): variance %g is %g of what it should be", c,
                             pyr_sampler_names[cases[c].sampler.kind], variance_of(GAUSSIAN, i), ratio);
        }
        covered[cases[c].sampler.kind] = true;
        forget(&d);
    }
    every_kind_has_a_case(covered, 0, PYR_SAMPLER_ONE_LEVEL, __func__); /* those: stationary_variances */
}

/* ---- the ODE ----------------------------------------------------------------------------------- */

/* The largest error of a number against the solution of dx/ds = (x - D)/s,
 *     u(s) = sqrt((v + s^2) / (v + s_max^2)) u(s_max),
 * at s_min, in units of the standard deviation there; *rms: the largest of a vector, divided by 1 + its
 * length, lengths being root mean squares. */
static double ode_error(const pyr_schedule *c, const pyr_sampler *sampler, double *rms)
{
    enum { M = 4 };
    drawing with = {.backend = "ref-double", .data = GAUSSIAN, .n = M, .level = 2};
    pyr_sampler raw = *sampler;
    double hi = pyr_schedule_s(c, pyr_schedule_t_max(c)), lo = pyr_schedule_s(c, pyr_schedule_t_min(c));
    double worst = 0, start[SIZE], u[SIZE], got[SIZE];
    drawn d;

    raw.undenoised = true;
    d = draw(&with, c, &raw);
    *rms = 0;
    for (int n = 0; n < M; n++) {
        double square = 0, length = 0;

        for (int i = 0; i < SIZE; i += 4) {
            float four[4];

            pyr_normal4((uint64_t)n, (uint32_t)i / 4, 0, 0, pyr_rng_purpose(PYR_RNG_PRIOR, 2), four);
            for (int j = 0; j < 4; j++)
                start[i + j] = (double)four[j] * (c->family == PYR_VE ? hi : sqrt(1 + hi * hi));
        }
        turn(GAUSSIAN, u, start, false);
        turn(GAUSSIAN, got, d.x + n * SIZE, false);
        for (int i = 0; i < SIZE; i++) {
            double v = variance_of(GAUSSIAN, i), exact = sqrt((v + lo * lo) / (v + hi * hi)) * u[i];

            worst = fmax(worst, fabs(got[i] - exact) / sqrt(v + lo * lo));
            square += (got[i] - exact) * (got[i] - exact) / SIZE;
            length += exact * exact / SIZE;
        }
        *rms = fmax(*rms, sqrt(square) / (1 + sqrt(length)));
    }
    forget(&d);
    return worst;
}

static void orders_of_convergence(void)
{
    static const struct {
        int kind, order;
    } cases[] = {{PYR_EULER, 1}, {PYR_DDIM, 1}, {PYR_HEUN, 2}, {PYR_DPMPP_2M, 2}, {PYR_UNIPC, 3}};
    static const pyr_curve curves[] = {PYR_CURVE_KARRAS, PYR_CURVE_GEOMETRIC, PYR_CURVE_COSINE};
    bool covered[KINDS] = {false};

    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int family = PYR_VE; family <= PYR_SUB_VP; family++) {
            pyr_schedule schedule = schedule_of((pyr_family)family, curves[family], 0.05, 10);
            double e[3], rms;

            for (int i = 0; i < 3; i++) {
                pyr_sampler sampler = usual(cases[c].kind, (100 << i) + 1);

                e[i] = ode_error(&schedule, &sampler, &rms);
            }
            covered[cases[c].kind] = true;
            if (!(e[2] < (cases[c].order == 1 ? 0.1 : 2e-3)) ||
                !(fabs(log2(e[0] / e[1]) - cases[c].order) <= 0.25) ||
                !(fabs(log2(e[1] / e[2]) - cases[c].order) <= 0.15))
                CHECK_REPORT("%s, %s: errors %g, %g, %g with twice the steps each are not of order %d",
                             pyr_sampler_names[cases[c].kind], pyr_family_names[family], e[0], e[1], e[2],
                             cases[c].order);
        }
    every_kind_has_a_case(covered, PYR_SAMPLER_ODE, PYR_SAMPLER_ADAPTIVE, __func__);
}

/* The error follows the tolerance, for a moderate price. */
static void rk45_meets_its_tolerance(void)
{
    double before = INFINITY;

    for (double tolerance = 1e-3; tolerance > 1e-9; tolerance /= 10) {
        pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 0.01, 80);
        pyr_sampler sampler = usual(PYR_RK45, 18);
        double error;

        sampler.tolerance = tolerance;
        ode_error(&c, &sampler, &error); /* tolerance * (1 + |x|) is what each step may err by */
        CHECK(error < 10 * tolerance);
        CHECK(error < before);
        before = error;
    }
    CHECK(before < 1e-8);
}

/* ---- one sampler is another -------------------------------------------------------------------- */

static double difference(const drawing *with, const pyr_schedule *c, pyr_sampler a, pyr_sampler b)
{
    drawn x = draw(with, c, &a), y = draw(with, c, &b);
    double worst = 0;

    for (int i = 0; i < with->n * SIZE; i++)
        worst = fmax(worst, fabs(x.x[i] - y.x[i]));
    forget(&x);
    forget(&y);
    return worst;
}

static void identities(void)
{
    drawing with = {.backend = "ref-double", .data = GAUSSIAN, .n = 3, .level = 1};
    pyr_sampler pc = usual(PYR_PREDICTOR_CORRECTOR, 12), none = pc;

    for (int family = PYR_VE; family <= PYR_SUB_VP; family++) {
        pyr_schedule c = schedule_of((pyr_family)family, PYR_CURVE_KARRAS, 0.01, 80);
        pyr_schedule g = schedule_of((pyr_family)family, PYR_CURVE_GEOMETRIC, 0.01, 80);
        double gamma = pow(0.01 / 80, 1 / 11.0);

        if (family == PYR_SUB_VP)
            gamma = NAN; /* s is not geometric there */
        CHECK(difference(&with, &c, with_eta(PYR_DDIM, 12, 0), usual(PYR_EULER, 12)) < 1e-9);
        CHECK(difference(&with, &c, with_eta(PYR_DDIM, 12, 1), usual(PYR_ANCESTRAL, 12)) < 1e-9);
        CHECK(difference(&with, &c, with_eta(PYR_DPMPP_2M_SDE, 12, 0), usual(PYR_DPMPP_2M, 12)) < 1e-9);
        /* without a step before, DPM-Solver++ is first order: DDIM with eta 0, or 1 */
        CHECK(difference(&with, &c, usual(PYR_DPMPP_2M, 2), usual(PYR_EULER, 2)) < 1e-9);
        CHECK(difference(&with, &c, usual(PYR_DPMPP_2M_SDE, 2), usual(PYR_ANCESTRAL, 2)) < 1e-9);
        CHECK(difference(&with, &c, usual(PYR_DPMPP_2M, 12), usual(PYR_EULER, 12)) > 1e-3);
        CHECK(difference(&with, &c, usual(PYR_DPMPP_2M_SDE, 12), usual(PYR_ANCESTRAL, 12)) > 1e-3);
        none.corrector_steps = 0;
        CHECK(difference(&with, &c, none, usual(PYR_ANCESTRAL, 12)) == 0);
        CHECK(difference(&with, &c, pc, none) > 1e-3);
        if (family == PYR_VE)
            CHECK(difference(&with, &c, usual(PYR_REVERSE_DIFFUSION, 12), usual(PYR_EULER_MARUYAMA, 12)) <
                  1e-9);
        if (family == PYR_SUB_VP)
            continue;
        CHECK(difference(&with, &g, with_eta(PYR_CONSISTENT_ANNEALED, 12, 1 - gamma), usual(PYR_EULER, 12)) <
              1e-6);
        CHECK(difference(&with, &g, with_eta(PYR_CONSISTENT_ANNEALED, 12, 1 - gamma * gamma),
                         usual(PYR_ANCESTRAL, 12)) < 1e-6);
    }
}

/* The corrector's step by hand: per vector, e = 2 (snr |eps| / |score|)^2. */
static void corrector_by_hand(void)
{
    enum { M = 2 };
    drawing with = {.backend = "ref-double", .data = GAUSSIAN, .n = M, .level = 3};
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 0.5, 4);
    pyr_sampler sampler = usual(PYR_PREDICTOR_CORRECTOR, 2), none = sampler;
    drawn corrected, predicted;

    sampler.undenoised = none.undenoised = true;
    none.corrector_steps = 0;
    corrected = draw(&with, &c, &sampler);
    predicted = draw(&with, &c, &none);
    for (int n = 0; n < M; n++) {
        double *x = predicted.x + n * SIZE, u[SIZE], d[SIZE], score[SIZE], eps[SIZE], gg = 0, nn = 0, e;

        turn(GAUSSIAN, u, x, false);
        for (int i = 0; i < SIZE; i++)
            u[i] = denoised(GAUSSIAN, u[i], 0.5, i);
        turn(GAUSSIAN, d, u, true);
        for (int i = 0; i < SIZE; i += 4) { /* draw 1 of step 0 */
            float four[4];

            pyr_normal4((uint64_t)n, (uint32_t)i / 4, 1, 0, pyr_rng_purpose(PYR_RNG_SAMPLER, 3), four);
            for (int j = 0; j < 4; j++)
                eps[i + j] = (double)four[j];
        }
        for (int i = 0; i < SIZE; i++) {
            score[i] = (d[i] - x[i]) / 0.25;
            gg += score[i] * score[i];
            nn += eps[i] * eps[i];
        }
        e = 2 * 0.16 * 0.16 * nn / gg;
        for (int i = 0; i < SIZE; i++)
            CHECK_CLOSE(corrected.x[n * SIZE + i], x[i] + e * score[i] + sqrt(2 * e) * eps[i], 1e-9);
    }
    forget(&corrected);
    forget(&predicted);
}

/* ---- noise left over ---------------------------------------------------------------------------- */

/* A point with noise of s_max: whatever a sampler does, that noise must be s_min in the end, and nothing
 * after the denoising step. */
static void noise_of_s_min_is_left(void)
{
    const pyr_sampler cases[] = {usual(PYR_HEUN, 12),
                                 with_churn(PYR_HEUN, 12, 3),
                                 usual(PYR_EULER, 12),
                                 usual(PYR_ANCESTRAL, 12),
                                 usual(PYR_DDIM, 12),
                                 with_eta(PYR_DDIM, 12, 0.6),
                                 usual(PYR_RK45, 12),
                                 usual(PYR_DPMPP_2M, 12),
                                 usual(PYR_DPMPP_2M_SDE, 12),
                                 usual(PYR_UNIPC, 12),
                                 usual(PYR_CONSISTENT_ANNEALED, 12)};
    /* These leave more, by their discretisation; those that make moves: langevin_on_a_point. */
    bool covered[KINDS] = {
        [PYR_EULER_MARUYAMA] = true, [PYR_REVERSE_DIFFUSION] = true, [PYR_PREDICTOR_CORRECTOR] = true};
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 0.02, 30);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int repeats = 1; repeats <= 3; repeats += 2) {
            pyr_sampler sampler = cases[i];
            drawing with = {.data = POINT, .n = N, .repeats = repeats};
            double sum = 0;
            drawn d;

            covered[sampler.kind] = true;
            for (int raw = 1; raw >= 0; raw--) {
                sampler.undenoised = raw;
                d = draw(&with, &c, &sampler);
                sum = 0;
                for (int j = 0; j < N * SIZE; j++)
                    sum += d.x[j] * d.x[j];
                sum = sqrt(sum / (N * SIZE)) / 0.02;
                if (raw ? !(fabs(sum - 1) <= chance * sqrt(0.5 / (N * SIZE)) + 1e-3) : sum != 0)
                    CHECK_REPORT("%s, each step %d times: the noise left is %g of s_min, wanted %d",
                                 pyr_sampler_names[sampler.kind], repeats, sum, raw);
                forget(&d);
            }
        }
    every_kind_has_a_case(covered, 0, PYR_SAMPLER_MOVES, __func__);
}

/* By recursion for a point: Langevin dynamics leaves a little more than s_min, by their step. */
static void langevin_on_a_point(void)
{
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC, 0.1, 10);
    enum { STEPS = 9, T = 4 };

    for (int i = 0; i < 2; i++)
        for (int place = 1; place <= 3; place++) {
            int kind = i ? PYR_PYRAMID_LANGEVIN : PYR_ANNEALED_LANGEVIN;
            drawing with = {.data = POINT, .n = N, .place = place};
            pyr_sampler sampler = usual(kind, STEPS);
            double s[STEPS + 1], v, sum = 0;
            /* epsilon sigma^2 / sigma_min^2, or epsilon sigma^2 / 2^i */
            double rate = kind == PYR_ANNEALED_LANGEVIN ? 0.008 / 0.01 : 1.6 / (1 << place);
            drawn d;

            sampler.langevin_epsilon = kind == PYR_ANNEALED_LANGEVIN ? 0.008 : 1.6;
            sampler.langevin_steps = T;
            sampler.undenoised = true;
            pyr_sampler_grid(&c, STEPS, s);
            v = s[0] * s[0];
            for (int j = 0; j < STEPS; j++)
                for (int t = 0; t < T; t++)
                    v = (1 - rate / 2) * (1 - rate / 2) * v + rate * s[j] * s[j];
            d = draw(&with, &c, &sampler);
            for (int j = 0; j < N * SIZE; j++)
                sum += d.x[j] * d.x[j];
            CHECK_CLOSE(sum / (N * SIZE) / v, 1, chance * sqrt(2.0 / (N * SIZE)));
            CHECK(v > 0.01 && v / 0.01 >= 0.999 / (1 - rate / 4)); /* its bias: 1 / (1 - rate/4) */
            forget(&d);
        }
}

/* Algorithm 1 as it is written, one step a = epsilon sigma_min^2 / 2^i for all noise levels, from N(0, 1): along an axis of variance
 * v, in a move at noise level s, E[u^2] <- (1 - a/(2(v + s^2)))^2 E[u^2] + a. */
static void conditional_langevin_by_recursion(void)
{
    enum { STEPS = 5, T = 30 };
    const double s_min = 0.4, epsilon = 1.2;
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC, s_min, 2);
    double s[STEPS + 1], center[SIZE], zero[SIZE] = {0};

    pyr_sampler_grid(&c, STEPS, s);
    turn(GAUSSIAN, center, zero, false);
    for (int place = 1; place <= 3; place++) {
        pyr_sampler sampler = usual(PYR_CONDITIONAL_LANGEVIN, STEPS);
        drawing with = {.data = GAUSSIAN, .n = N, .place = place};
        double a = epsilon * s_min * s_min / (1 << place), wanted[4] = {0};
        moments m;
        drawn d;

        sampler.langevin_epsilon = epsilon;
        sampler.langevin_steps = T;
        sampler.undenoised = true;
        for (int i = 0; i < SIZE; i++) {
            double square = 1 + center[i] * center[i];

            for (int j = 0; j < STEPS * T; j++)
                square = pow(1 - a / (2 * (variance_of(GAUSSIAN, i) + s[j / T] * s[j / T])), 2) * square + a;
            wanted[i % 4] += square / (SIZE / 4.0);
        }
        d = draw(&with, &c, &sampler);
        m = moments_of(&d, GAUSSIAN, N);
        for (int j = 0; j < 4; j++)
            CHECK_CLOSE(m.variance[j] / wanted[j], 1, chance * variance_error());
        CHECK(wanted[3] > 4 * 0.04); /* noise of s_min stays where data are narrow */
        forget(&d);
    }
}

/* The rate that annealed Langevin dynamics chooses leaves less noise than its neighbours. */
static void annealed_langevin_chooses_its_step(void)
{
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC, 0.1, 10);
    pyr_sampler sampler = usual(PYR_ANNEALED_LANGEVIN, 30);
    drawing with = {.data = POINT, .n = 200};
    double left[7];

    sampler.undenoised = true;
    for (int i = 0; i < 7; i++) {
        double sum = 0;
        drawn d;

        sampler.langevin_epsilon = i == 0 ? 0 : 0.01 * 0.05 * (1 << i);
        d = draw(&with, &c, &sampler);
        for (int j = 0; j < 200 * SIZE; j++)
            sum += d.x[j] * d.x[j];
        left[i] = sum / (200 * SIZE) / 0.01;
        forget(&d);
    }
    for (int i = 1; i < 7; i++)
        CHECK(left[0] < left[i] * 1.01);
    CHECK_CLOSE(left[0], 1, 0.2);
}

/* ---- one noise level ---------------------------------------------------------------------------- */

/* Gaussian target of variance w = v + s^2 along an axis. ULA with step e:
 *     y <- (1 - e/(2w)) y + sqrt(e) eps,   stationary variance e / (1 - (1 - e/(2w))^2) = w / (1 - e/(4w)).
 * Leapfrogs of length h keep y^2/w (1 - h^2/(4w)) + p^2, so that HMC which always accepts would have w / (1 - h^2/(4w)), the
 * same with e = h^2, however many they are. Accepting or rejecting leaves w: by the density, and by the score alone, too. */
static void stationary_variances(void)
{
    struct {
        pyr_sampler sampler;
        bool density, biased;
    } cases[] = {{usual(PYR_ULA, 31), false, true},
                 {usual(PYR_MALA, 121), true, false},
                 {usual(PYR_MALA, 121), false, false},
                 {usual(PYR_HMC, 21), true, false},
                 {usual(PYR_HMC, 21), false, false}};
    const double s = 0.5, e = 0.4;
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, s, 1);
    bool covered[KINDS] = {false};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        drawing with = {.data = GAUSSIAN, .n = N, .density = cases[i].density};
        pyr_sampler *sampler = &cases[i].sampler;
        drawn d;
        moments m;

        covered[sampler->kind] = true;
        sampler->langevin_epsilon = e;
        sampler->undenoised = true;
        if (sampler->kind == PYR_HMC)
            sampler->hmc_leapfrogs = 3;
        d = draw(&with, &c, sampler);
        m = moments_of(&d, GAUSSIAN, N);
        for (int j = 0; j < 4; j++) {
            double w = variance_of(GAUSSIAN, j) + s * s;

            if (cases[i].biased)
                w /= 1 - e / (4 * w);
            if (fabs(m.variance[j] / w - 1) > chance * variance_error())
                CHECK_REPORT("case %zu: variance %g, wanted %g", i, m.variance[j], w);
        }
        CHECK(fabs(m.correlation) < chance * 2 / sqrt(N * SIZE / 2));
        CHECK(fabs(m.mean) < 0.05);
        forget(&d);
    }
    every_kind_has_a_case(covered, PYR_SAMPLER_ONE_LEVEL, 0, __func__);
    /* the bias is there to be seen: of the smallest variance, 0.29, it is half */
    CHECK(1 / (1 - e / (4 * 0.29)) > 1.5);
}

/* For Gaussians the rule by the score is the rule by the density, to rounding: the same samples. */
static void accepted_without_a_density(void)
{
    static const int kinds[] = {PYR_MALA, PYR_HMC, PYR_ANNEALED_MALA, PYR_ANNEALED_HMC};
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC, 0.5, 20);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        pyr_sampler sampler = usual(kinds[i], 8);
        drawing by_density = {.backend = "ref-double", .data = GAUSSIAN, .n = 20, .density = true};
        drawing by_score = {.backend = "ref-double", .data = GAUSSIAN, .n = 20};
        drawn d, e;
        bool stayed = false;

        sampler.langevin_epsilon = i < 2 ? 0.3 : 1.2; /* of these some are rejected */
        sampler.hmc_leapfrogs = 3;
        d = draw(&by_density, &c, &sampler);
        e = draw(&by_score, &c, &sampler);
        for (int j = 0; j < 20 * SIZE; j++)
            CHECK_CLOSE(d.x[j], e.x[j], 1e-9);
        forget(&e);
        sampler.langevin_epsilon *= 1.0001; /* nothing is rejected at the same step of every image */
        e = draw(&by_score, &c, &sampler);
        for (int j = 0; j < 20 && !stayed; j++)
            stayed = fabs(d.x[j * SIZE] - e.x[j * SIZE]) > 1e-3;
        forget(&d);
        forget(&e);
    }
}

/* At each noise level the annealed ones leave w = v + s^2 exactly, where Langevin dynamics of the same step leaves w / (1 -
 * e s^2/(4 w)) at best. */
static void annealed_variances(void)
{
    struct {
        pyr_sampler sampler;
        double epsilon,
            off; /* of variances, relative, the largest that is left in the directions of little noise */
    } cases[] = {{usual(PYR_ANNEALED_MALA, 12), 0.5, 0},
                 {usual(PYR_ANNEALED_HMC, 12), 0.5, 0},
                 {with_hmc(PYR_IDENTITY, 12, 5, 4), 0.5, 0},
                 {usual(PYR_ANNEALED_LANGEVIN, 12), 0.5 * 0.25, 0.05}};
    const double s = 0.5;
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC, s, 10);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        drawing with = {.data = GAUSSIAN, .n = N};
        pyr_sampler sampler = cases[i].sampler;
        drawn d;
        moments m;
        double most = 0;

        sampler.langevin_epsilon = cases[i].epsilon;
        sampler.langevin_steps = sampler.corrector_steps = 40;
        sampler.hmc_leapfrogs = 3;
        sampler.undenoised = true;
        d = draw(&with, &c, &sampler);
        m = moments_of(&d, GAUSSIAN, N);
        for (int j = 0; j < 4; j++)
            most = fmax(most, fabs(m.variance[j] / (variance_of(GAUSSIAN, j) + s * s) - 1));
        if (cases[i].off > 0 ? most < cases[i].off : most > chance * variance_error())
            CHECK_REPORT("case %zu (%s): variances are off by %g", i, pyr_sampler_names[sampler.kind], most);
        forget(&d);
    }
}

/* ---- classes and guidance ----------------------------------------------------------------------- */

/* Images of class n % 2, N(+-class_mean, class_variance); of all together a Gaussian of variance all_variance. Guidance by
 * G: score = G score of the class + (1 - G) score of all, that of a Gaussian of precision
 *     P = G/(class_variance + s^2) + (1 - G)/(all_variance + s^2),
 * about +-G class_mean/((class_variance + s^2) P). */
static const double class_mean = 1.5, class_variance = 0.25, all_variance = 2.5;
static double class_guidance;

static double class_precision(double s)
{
    return class_guidance / (class_variance + s * s) + (1 - class_guidance) / (all_variance + s * s);
}

static double class_center(int class, double s)
{
    return (class ? -1 : 1) * class_guidance * class_mean / (class_variance + s * s) / class_precision(s);
}

static pyr_status denoise_class(void *ctx, const void *x, const double *s, void *out)
{
    problem *p = ctx;

    p->calls++;
    for (int i = 0; i < p->n * SIZE; i++) {
        double si = s[i / SIZE], at = (double)((const float *)x)[i];

        ((float *)out)[i] =
            (float)(at - si * si * class_precision(si) * (at - class_center(i / SIZE % 2, si)));
    }
    return PYR_OK;
}

static void means_of_two_classes(void)
{
    pyr_sampler cases[] = {usual(PYR_ANNEALED_MALA, 25), usual(PYR_ANNEALED_HMC, 15),
                           with_hmc(PYR_IDENTITY, 15, 4, 8)};
    const double s = 0.3;
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC, s, 20);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (class_guidance = 1; class_guidance < 4; class_guidance += 2) {
            drawing with = {.data = GAUSSIAN, .n = N, .denoise = denoise_class};
            double mean[2] = {0}, square = 0;
            int numbers = N * SIZE / 2;
            drawn d;

            cases[i].undenoised = true;
            cases[i].corrector_steps = 10;
            cases[i].langevin_steps = cases[i].kind == PYR_ANNEALED_MALA ? 100 : 10;
            cases[i].langevin_epsilon = cases[i].kind == PYR_ANNEALED_MALA ? 0.5 : 0;
            d = draw(&with, &c, &cases[i]);
            for (int j = 0; j < N * SIZE; j++) {
                int class = j / SIZE % 2;

                mean[class] += d.x[j] / numbers;
                square += pow(d.x[j] - class_center(class, s), 2) * class_precision(s) / (N * SIZE);
            }
            for (int class = 0; class < 2; class ++)
                if (!(fabs(mean[class] - class_center(class, s)) * sqrt(class_precision(s)) <
                      chance / sqrt(numbers)))
                    CHECK_REPORT("%s, guidance %g: class %d has mean %g, wanted %g",
                                 pyr_sampler_names[cases[i].kind], class_guidance, class, mean[class],
                                 class_center(class, s));
            if (!(fabs(square - 1) < chance * sqrt(2.0 / (N * SIZE))))
                CHECK_REPORT("%s, guidance %g: the variance is %g of what it should be",
                             pyr_sampler_names[cases[i].kind], class_guidance, square);
            forget(&d);
        }
}

/* ---- modes -------------------------------------------------------------------------------------- */

static void mode_weights(void)
{
    static const struct {
        int kind, steps;
    } cases[] = {{PYR_HEUN, 40},
                 {PYR_EULER, 150},
                 {PYR_EULER_MARUYAMA, 300},
                 {PYR_REVERSE_DIFFUSION, 300},
                 {PYR_ANCESTRAL, 150},
                 {PYR_DDIM, 150},
                 {PYR_PREDICTOR_CORRECTOR, 150},
                 {PYR_RK45, 2},
                 {PYR_DPMPP_2M, 60},
                 {PYR_DPMPP_2M_SDE, 80},
                 {PYR_UNIPC, 60},
                 {PYR_ANNEALED_LANGEVIN, 60},
                 {PYR_ANNEALED_MALA, 60},
                 {PYR_ANNEALED_HMC, 25},
                 {PYR_CONSISTENT_ANNEALED, 150},
                 {PYR_PYRAMID_LANGEVIN, 60}};
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC, 0.02, 40);
    bool covered[KINDS] = {[PYR_CONDITIONAL_LANGEVIN] =
                               true}; /* it goes to the mode that is near its start */

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        drawing with = {.data = MODES, .n = N};
        pyr_sampler sampler = usual(cases[i].kind, cases[i].steps);
        drawn d = draw(&with, &c, &sampler);
        int up = 0, between = 0;

        for (int n = 0; n < N; n++) {
            double u[SIZE];

            turn(MODES, u, d.x + n * SIZE, false);
            up += u[0] > 0;
            between += fabs(fabs(u[0]) - mode_at) > 6 * mode_std;
        }
        if (fabs((double)up / N - mode_weight) > chance * sqrt(mode_weight * (1 - mode_weight) / N) ||
            between > N / 100)
            CHECK_REPORT("%s: %g in the upper mode, wanted %g; %d between them",
                         pyr_sampler_names[cases[i].kind], (double)up / N, mode_weight, between);
        covered[cases[i].kind] = true;
        forget(&d);
    }
    every_kind_has_a_case(covered, 0, PYR_SAMPLER_ONE_LEVEL, __func__); /* those cross from none to another */
}

/* ---- every sampler keeps the contract ------------------------------------------------------------ */

static void rows_of_samplers(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        const pyr_sampler_row *row = pyr_sampler_row_of(kind);
        const struct {
            const char *name, *text;
        } texts[] = {{"cost", row->cost}, {"help", row->help}, {"source", row->source}};

        if (!row->step)
            CHECK_REPORT("the row of %s has no .step", pyr_sampler_names[kind]);
        if (row->vectors < 2 || row->vectors > 4)
            CHECK_REPORT("the row of %s has .vectors = %d, should be 2 to 4: d, v1, ...",
                         pyr_sampler_names[kind], row->vectors);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            if (!texts[i].text || !*texts[i].text)
                CHECK_REPORT("the row of %s has no .%s", pyr_sampler_names[kind], texts[i].name);
    }
}

/* Of every kind, with all that it has switched on. */
static pyr_sampler busy(int kind, int steps)
{
    pyr_sampler s = usual(kind, steps);

    s.churn = pyr_sampler_has(&s, PYR_SAMPLER_CHURN) ? 2 : 0;
    s.eta = kind == PYR_DDIM ? 0.5 : -1;
    s.corrector_steps = 2;
    s.langevin_steps = 3;
    s.hmc_leapfrogs = 2;
    s.tolerance = 1e-5;
    return s;
}

static void samples_do_not_see_each_other(void)
{
    static const char *const backends[] = {"ref", "cpu"};
    static const uint64_t all[7] = {3, 17, UINT64_C(1) << 40, 5, 99, 0, UINT64_C(0xFFFFFFFFFFFFFFFF)};
    pyr_schedule c = schedule_of(PYR_VP, PYR_CURVE_KARRAS, 0.05, 20);

    for (int b = 0; b < 2; b++)
        for (int kind = 0; kind < KINDS; kind++) {
            pyr_sampler sampler = busy(kind, 7);
            drawing with = {
                .backend = backends[b], .data = GAUSSIAN, .n = 7, .level = 1, .seeds = all, .density = true};
            drawn whole = draw(&with, &c, &sampler), other;

            for (int i = 0; i < 7; i++) {
                drawing alone = with;
                drawn one;

                alone.n = 1;
                alone.seeds = &all[i];
                one = draw(&alone, &c, &sampler);
                if (memcmp(one.x, whole.x + i * SIZE, SIZE * sizeof(double)) != 0)
                    CHECK_REPORT("%s: sample %d depends on the others", pyr_sampler_names[kind], i);
                CHECK(one.evaluations[0] == whole.evaluations[i]);
                CHECK(one.evaluations[0] == one.calls);
                forget(&one);
            }
            for (int i = 0; i + 3 <= 7; i++) {
                uint64_t turned[3] = {all[i + 2], all[i], all[i + 1]};
                drawing three = with;
                drawn d;

                three.n = 3;
                three.seeds = turned;
                d = draw(&three, &c, &sampler);
                CHECK(memcmp(d.x, whole.x + (i + 2) * SIZE, SIZE * sizeof(double)) == 0);
                CHECK(memcmp(d.x + SIZE, whole.x + i * SIZE, 2 * SIZE * sizeof(double)) == 0);
                forget(&d);
            }
            for (int i = 0; i < 7 * SIZE; i++)
                CHECK(isfinite(whole.x[i]));
            with.level = 2; /* another level has noise of its own */
            other = draw(&with, &c, &sampler);
            CHECK(memcmp(other.x, whole.x, SIZE * sizeof(double)) != 0);
            forget(&other);
            forget(&whole);
        }
}

static void evaluations_are_counted(void)
{
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 0.05, 20);

    for (int kind = 0; kind < KINDS; kind++)
        for (int steps = 1; steps < 12; steps += 5)
            for (int raw = 0; raw < 2; raw++) {
                pyr_sampler sampler = busy(kind, steps);
                drawing with = {.data = GAUSSIAN, .n = 2, .density = true};
                drawn d;

                sampler.undenoised = raw;
                if (raw && steps == 1)
                    continue;
                d = draw(&with, &c, &sampler);
                if (pyr_sampler_has(&sampler, PYR_SAMPLER_ADAPTIVE)) {
                    CHECK(pyr_sampler_nfe(&sampler) == 0);
                    CHECK(d.evaluations[0] > 10 && d.evaluations[0] <= d.calls);
                } else {
                    if (d.calls != pyr_sampler_nfe(&sampler))
                        CHECK_REPORT("%s %d: %d evaluations, said are %d", pyr_sampler_names[kind], steps,
                                     d.calls, pyr_sampler_nfe(&sampler));
                    CHECK(d.evaluations[0] == d.calls && d.evaluations[1] == d.calls);
                }
                forget(&d);
            }
    for (int i = 0; pyr_predictor_names[i]; i++) {
        pyr_sampler sampler = corrected(pyr_predictor_kinds[i], 7, 2, 0.16);
        drawing with = {.data = GAUSSIAN, .n = 2};
        drawn d = draw(&with, &c, &sampler);

        if (d.calls != pyr_sampler_nfe(&sampler))
            CHECK_REPORT("predictor-corrector with %s: %d evaluations, said are %d", pyr_predictor_names[i],
                         d.calls, pyr_sampler_nfe(&sampler));
        forget(&d);
    }
}

/* The cost of a row, "(n - 1)(T + 1) + 1", read for one sampler: sums of products, which are written side by side. */
static int cost_sum(const char **at, const pyr_sampler *s);

static int cost_factor(const char **at, const pyr_sampler *s)
{
    char c = *(*at)++;
    pyr_sampler predictor = usual(s->predictor, 2); /* a step, and the denoising one */
    int sum;

    switch (c) {
    case 'n':
        return s->steps;
    case 'T':
        return s->langevin_steps;
    case 'L':
        return s->hmc_leapfrogs;
    case 'M':
        return s->corrector_steps;
    case 'P':
        return pyr_sampler_nfe(&predictor) - 1;
    case '(':
        sum = cost_sum(at, s);
        (*at)++;
        return sum;
    default:
        return c - '0';
    }
}

static int cost_sum(const char **at, const pyr_sampler *s)
{
    int sum = 0, sign = 1, product = 1;

    for (; **at && **at != ')';)
        if (**at == ' ')
            ++*at;
        else if (**at == '+' || **at == '-') {
            sum += sign * product;
            sign = *(*at)++ == '+' ? 1 : -1;
            product = 1;
        } else
            product *= cost_factor(at, s);
    return sum + sign * product;
}

static void cost_is_as_documented(const pyr_sampler *s)
{
    const char *cost = pyr_sampler_row_of(s->kind)->cost, *at = cost;
    int said = pyr_sampler_has(s, PYR_SAMPLER_ADAPTIVE) ? 0 : cost_sum(&at, s);

    if (said != pyr_sampler_nfe(s))
        CHECK_REPORT("%s: %s is %d, and %d are counted", pyr_sampler_names[s->kind], cost, said,
                     pyr_sampler_nfe(s));
}

static void costs_are_as_documented(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        pyr_sampler s = busy(kind, 7);

        cost_is_as_documented(&s);
    }
    for (int i = 0; pyr_predictor_names[i]; i++) {
        pyr_sampler s = corrected(pyr_predictor_kinds[i], 7, 2, 0.16);

        cost_is_as_documented(&s);
    }
}

/* A sample follows from its start alone where the row says so, and nowhere else. */
static void flag_of_the_ode(void)
{
    pyr_schedule c = schedule_of(PYR_VP, PYR_CURVE_KARRAS, 0.05, 20);
    double start[2 * SIZE];

    for (int i = 0; i < 2 * SIZE; i++)
        start[i] = 20 * sin(1 + i % SIZE);
    for (int kind = 0; kind < KINDS; kind++)
        for (int all = 0; all < 2; all++) {
            pyr_sampler sampler = all ? busy(kind, 7) : usual(kind, 7);
            drawing with = {.data = GAUSSIAN, .n = 2, .density = true, .start = start};
            drawn d = draw(&with, &c, &sampler);
            bool same = memcmp(d.x, d.x + SIZE, SIZE * sizeof(double)) == 0;

            if (same != pyr_sampler_solves_ode(&sampler))
                CHECK_REPORT("%s draws %s of one start, and its row has %s PYR_SAMPLER_ODE",
                             pyr_sampler_names[kind], same ? "one sample" : "several samples",
                             pyr_sampler_has(&sampler, PYR_SAMPLER_ODE) ? "the flag" : "no flag");
            forget(&d);
        }
}

/* ---- what a step does, seen by the hook, on ref-double ---- */

enum { M = 4, MOST_STEPS = 12 };

typedef struct trail {
    int kind;
    double x[MOST_STEPS + 1][M * SIZE], s[MOST_STEPS + 1]; /* [0]: the start */
    void *work;                                            /* overwritten by the hook, unless NULL */
    int steps;
    bool estimates; /* compare them */
} trail;

static pyr_status follow(void *ctx, int step, double s, void *x, const void *d)
{
    trail *w = ctx;
    size_t vectors = (size_t)pyr_sampler_row_of(w->kind)->vectors;

    memcpy(w->x[step + 1], x, sizeof w->x[0]);
    w->s[step + 1] = s;
    w->steps = step + 1;
    for (int i = 0; w->estimates && i < M; i++) {
        double u[SIZE], z[SIZE], off = 0;

        turn(GAUSSIAN, u, w->x[step] + i * SIZE, false);
        for (int j = 0; j < SIZE; j++)
            u[j] = denoised(GAUSSIAN, u[j], w->s[step], j);
        turn(GAUSSIAN, z, u, true);
        for (int j = 0; j < SIZE; j++)
            off = fmax(off, fabs(((const double *)d)[i * SIZE + j] - z[j]));
        if (!(off < 1e-9))
            CHECK_REPORT("%s, step %d: state->d is off by %g from D(x, s) at its beginning",
                         pyr_sampler_names[w->kind], step, off);
    }
    if (w->work)
        memset(w->work, 0xff, vectors * pyr_aligned(M * SIZE * sizeof(double))); /* NaN */
    return PYR_OK;
}

static trail trail_of(const pyr_sampler *sampler, double start, double s_max)
{
    trail w = {.kind = sampler->kind, .s = {s_max}};

    for (int i = 0; i < M * SIZE; i++)
        w.x[0][i] = start;
    return w;
}

/* The hook sees the estimate at the beginning of the step. Not of samplers that make several moves in a step. */
static void estimates_are_of_the_beginning(void)
{
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 0.05, 20);

    for (int kind = 0; kind < KINDS; kind++) {
        pyr_sampler sampler = usual(kind, 7);
        trail w = trail_of(&sampler, 15, 20);
        drawing with = {.backend = "ref-double",
                        .data = GAUSSIAN,
                        .n = M,
                        .start = w.x[0],
                        .after = follow,
                        .after_ctx = &w};
        drawn d;

        if (pyr_sampler_has(&sampler, PYR_SAMPLER_MOVES))
            continue;
        w.estimates = true;
        d = draw(&with, &c, &sampler);
        forget(&d);
    }
}

static bool is_predictor(int kind)
{
    for (int i = 0; pyr_predictor_names[i]; i++)
        if (pyr_predictor_kinds[i] == kind)
            return true;
    return false;
}

/* A PREDICTOR uses nothing of earlier steps: the hook overwrites all vectors. What could be one, is one. */
static void predictors_go_by_x_alone(void)
{
    const unsigned others = PYR_SAMPLER_MOVES | PYR_SAMPLER_CORRECTS | PYR_SAMPLER_ADAPTIVE;
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 0.05, 20);

    for (int kind = 0; kind < KINDS; kind++) {
        pyr_sampler sampler = usual(kind, 7);
        const pyr_sampler_row *row = pyr_sampler_row_of(kind);
        trail plain = trail_of(&sampler, 15, 20), forgetful = plain;
        drawing with = {.backend = "ref-double",
                        .data = GAUSSIAN,
                        .n = M,
                        .density = true,
                        .start = plain.x[0],
                        .after = follow,
                        .after_ctx = &plain};
        drawn d = draw(&with, &c, &sampler);
        bool same;

        forget(&d);
        with.after_ctx = &forgetful;
        with.work = &forgetful.work;
        d = draw(&with, &c, &sampler);
        forget(&d);
        same = memcmp(plain.x, forgetful.x, sizeof plain.x) == 0;
        if (!same && is_predictor(kind))
            CHECK_REPORT("%s uses what earlier steps have left, and is a PREDICTOR in PYR_SAMPLERS",
                         pyr_sampler_names[kind]);
        /* a check of settings is of those of the sampler itself */
        if (same && !is_predictor(kind) && !(row->flags & others) && !row->check)
            CHECK_REPORT("%s uses nothing of earlier steps, and is no PREDICTOR in PYR_SAMPLERS",
                         pyr_sampler_names[kind]);
        if (is_predictor(kind)) {
            pyr_sampler within = corrected(kind, 7, 0, 0.16);

            if (difference(&with, &c, within, sampler) != 0)
                CHECK_REPORT("%s without corrections is not %s", pyr_sampler_names[PYR_PREDICTOR_CORRECTOR],
                             pyr_sampler_names[kind]);
        }
    }
}

/* Estimates that have nothing to do with x: each number -1 or 1. */
static pyr_status denoise_to_signs(void *ctx, const void *x, const double *s, void *out)
{
    problem *p = ctx;

    (void)x;
    (void)s;
    p->calls++;
    for (int i = 0; i < p->n * SIZE; i++)
        ((double *)out)[i] = pyr_philox(1, (uint32_t)i, (uint32_t)p->calls, 0, 0).v[0] & 1 ? 1 : -1;
    return PYR_OK;
}

static pyr_status denoise_to_one(void *ctx, const void *x, const double *s, void *out)
{
    problem *p = ctx;

    (void)x;
    (void)s;
    for (int i = 0; i < p->n * SIZE; i++)
        ((double *)out)[i] = 1;
    return PYR_OK;
}

/* Where D is pulled hard towards something, a step is a mean of x and estimates, with weights from 0 to 1, plus
 * noise: with the noise taken away, start and estimates from -1 to 1 never lead further, and ones stay ones. Not of
 * samplers that are refused then, or need many noise levels (test_restore.c). */
static void stiff_steps_are_means(void)
{
    const unsigned left_out = PYR_SAMPLER_ADAPTIVE | PYR_SAMPLER_MOVES;

    for (int kind = 0; kind < KINDS; kind++)
        for (int steps = 3; steps <= MOST_STEPS && !(pyr_sampler_row_of(kind)->flags & left_out); steps += 3)
            for (int family = PYR_VE; family <= PYR_SUB_VP; family++) {
                pyr_schedule c = schedule_of((pyr_family)family, PYR_CURVE_KARRAS, 0.02, 80);
                pyr_sampler sampler = usual(kind, steps);
                trail noise, signs, ones;
                drawing with = {
                    .backend = "ref-double", .data = POINT, .n = M, .stiff = true, .after = follow};
                drawn d;
                double most = 0, off = 0;

                sampler.corrector_steps = 0; /* a correction's noise goes by the score */
                noise = trail_of(&sampler, 0, 80);
                signs = ones = trail_of(&sampler, 1, 80);
                with.start = noise.x[0], with.after_ctx = &noise; /* D = 0 */
                d = draw(&with, &c, &sampler);
                forget(&d);
                with.start = signs.x[0], with.after_ctx = &signs, with.denoise = denoise_to_signs;
                d = draw(&with, &c, &sampler);
                forget(&d);
                with.start = ones.x[0], with.after_ctx = &ones, with.denoise = denoise_to_one;
                d = draw(&with, &c, &sampler);
                forget(&d);
                for (int i = 1; i <= steps; i++)
                    for (int j = 0; j < M * SIZE; j++) {
                        most = fmax(most, fabs(signs.x[i][j] - noise.x[i][j]));
                        off = fmax(off, fabs(ones.x[i][j] - noise.x[i][j] - 1));
                    }
                if (!(most <= 1 + 1e-9 && off < 1e-9))
                    CHECK_REPORT(
                        "%s, %s, %d steps, stiff: x comes to %g from numbers -1 to 1, and to 1 %+g from "
                        "ones: its step does not look at state->of->stiff, or is no mean",
                        pyr_sampler_names[kind], pyr_family_names[family], steps, most, off);
            }
}

typedef struct seen {
    int calls, last;
    double s;
    bool falling;
} seen;

static pyr_status see(void *ctx, int step, double s, void *x, const void *d)
{
    seen *w = ctx;

    w->falling = w->falling && step >= w->last && s <= w->s && x != d;
    w->calls++;
    w->last = step;
    w->s = s;
    return PYR_OK;
}

/* The hook comes after each step, with falling noise levels, and the last time with the sample. Repeats
 * multiply all but the last. */
static void hooks_and_repeats(void)
{
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 0.05, 20);

    for (int kind = 0; kind < KINDS; kind++)
        for (int repeats = 0; repeats <= 3; repeats += 3) {
            seen w = {.s = INFINITY, .falling = true};
            pyr_sampler sampler = busy(kind, 6);
            drawing with = {
                .data = GAUSSIAN, .n = 2, .density = true, .after = see, .after_ctx = &w, .repeats = repeats};
            drawn d = draw(&with, &c, &sampler), without;
            bool once = repeats == 0 || pyr_sampler_has(&sampler, PYR_SAMPLER_ONE_LEVEL);

            if (w.calls != (once ? 6 : 5 * 3 + 1) || !w.falling || w.s != 0 || w.last != 5)
                CHECK_REPORT("%s: %d calls, the last after step %d at %g", pyr_sampler_names[kind], w.calls,
                             w.last, w.s);
            with.after = NULL;
            without = draw(&with, &c, &sampler);
            /* an adaptive one stops at the noise levels of the grid for a hook only */
            if (!pyr_sampler_has(&sampler, PYR_SAMPLER_ADAPTIVE) || repeats > 1)
                CHECK(memcmp(d.x, without.x, 2 * SIZE * sizeof(double)) == 0);
            else
                for (int i = 0; i < 2 * SIZE; i++)
                    CHECK_CLOSE(d.x[i], without.x[i], 1e-3);
            forget(&without);
            forget(&d);
        }
}

static void starts(void)
{
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 0.05, 2);

    /* one step: D at s_max, along an axis of variance 1 that is x / (1 + s^2) */
    for (int start = PYR_START_PRIOR; start <= PYR_START_UNIT; start++)
        for (int family = PYR_VE; family <= PYR_VP; family++) {
            pyr_sampler sampler = usual(PYR_EULER, 1);
            drawing with = {.data = GAUSSIAN, .n = N};
            double sum = 0, mean = 0, wanted = start == PYR_START_UNIT || family == PYR_VP ? 5.0 : 4.0,
                   u[SIZE];
            drawn d;

            c.family = (pyr_family)family;
            sampler.start = start;
            d = draw(&with, &c, &sampler);
            for (int n = 0; n < N; n++) {
                turn(GAUSSIAN, u, d.x + n * SIZE, false);
                mean += u[1] / N;
                sum += u[1] * u[1] / N;
            }
            CHECK_CLOSE((sum - mean * mean) * 25 / wanted, 1, chance * sqrt(2.0 / N));
            forget(&d);
        }
}

static void backends_agree(void)
{
    pyr_schedule c = schedule_of(PYR_SUB_VP, PYR_CURVE_COSINE, 0.05, 20);

    for (int kind = 0; kind < KINDS; kind++) {
        static const char *const backends[] = {"ref-double", "ref", "cpu"};
        pyr_sampler sampler = busy(kind, 8);
        drawn d[3];

        for (int b = 0; b < 3; b++) {
            drawing with = {.backend = backends[b], .data = GAUSSIAN, .n = 3, .density = true};

            d[b] = draw(&with, &c, &sampler);
            for (int i = 0; i < 3 * SIZE; i++)
                CHECK_CLOSE(d[b].x[i], d[0].x[i], 1e-3);
        }
        for (int b = 0; b < 3; b++)
            forget(&d[b]);
    }
}

static void failures_come_through(void)
{
    pyr_kernels *k = NULL;
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 0.05, 20);
    uint64_t seeds[2] = {1, 2};

    CHECK_OK(pyr_kernels_open(&k, "cpu", 1));
    for (int kind = 0; kind < KINDS; kind++)
        for (int at = 1; at < 4; at++) {
            problem p = {.k = k, .n = 2, .fail_at = at};
            pyr_sampler sampler = busy(kind, 4);
            void *work = work_new(k, &sampler, 2), *x = NULL;
            pyr_mem_stats before;

            CHECK_OK(pyr_alloc(k, &x, 2 * SIZE * sizeof(float), "samples"));
            before = pyr_mem();
            CHECK_STATUS(pyr_sample(&(pyr_sampling){.k = k,
                                                    .n = 2,
                                                    .size = SIZE,
                                                    .seeds = seeds,
                                                    .denoise = denoise,
                                                    .ctx = &p,
                                                    .work = work,
                                                    .density = log_density,
                                                    .density_ctx = &p},
                                    &sampler, &c, x),
                         PYR_E_DEVICE);
            CHECK_STRING(pyr_error(), "the denoiser fails");
            CHECK(p.calls == at && pyr_mem().live_blocks == before.live_blocks);
            CHECK(pyr_sampler_has(&sampler, PYR_SAMPLER_ADAPTIVE) || pyr_mem().allocated == before.allocated);
            work_free(k, &sampler, 2, work);
            pyr_release(k, x);
        }
    pyr_kernels_free(k);
}

static void settings_that_make_no_sense(void)
{
    pyr_schedule c = schedule_of(PYR_VE, PYR_CURVE_KARRAS, 0.05, 20);
    pyr_sampler s;

    for (int kind = 0; kind < KINDS; kind++) {
        s = usual(kind, 18);
        CHECK_OK(pyr_sampler_check(&s, &c));
    }
    s = with_eta(PYR_CONSISTENT_ANNEALED, 18, 0.1);
    CHECK_FAILS(pyr_sampler_check(&s, &c), PYR_E_CONFIG, "sampler.eta is 0.1");
    s.steps = 2000;
    CHECK_OK(pyr_sampler_check(&s, &c));
    s = usual(PYR_HEUN, 1);
    s.undenoised = true;
    CHECK_FAILS(pyr_sampler_check(&s, &c), PYR_E_CONFIG, "sampler.steps is 1");
    s = usual(PYR_ANNEALED_LANGEVIN, 10);
    s.langevin_epsilon = 0.01;
    CHECK_FAILS(pyr_sampler_check(&s, &c), PYR_E_CONFIG, "below 4 sigma_min^2 = 0.01");
    s.kind = PYR_PYRAMID_LANGEVIN;
    CHECK_OK(pyr_sampler_check(&s, &c));
    s.langevin_epsilon = 8;
    CHECK_FAILS(pyr_sampler_check(&s, &c), PYR_E_CONFIG, "sampler.langevin_epsilon is 8");
    s = usual(PYR_RK45, 10);
    s.tolerance = 0;
    CHECK_FAILS(pyr_sampler_check(&s, &c), PYR_E_CONFIG, "sampler.tolerance is 0");
    for (int kind = PYR_ANNEALED_MALA; kind <= PYR_ANNEALED_HMC; kind++) {
        s = usual(kind, 10);
        s.langevin_epsilon = 3.9;
        CHECK_OK(pyr_sampler_check(&s, &c));
        s.langevin_epsilon = 4;
        CHECK_FAILS(pyr_sampler_check(&s, &c), PYR_E_CONFIG, "sampler.langevin_epsilon is 4");
    }
    s = with_hmc(PYR_HEUN, 10, 1, 8);
    s.langevin_epsilon = 4;
    CHECK_FAILS(pyr_sampler_check(&s, &c), PYR_E_CONFIG, "predictor-corrector diverges");
    s = corrected(PYR_IDENTITY, 10, 0, 0.16);
    CHECK_FAILS(pyr_sampler_check(&s, &c), PYR_E_CONFIG, "nothing would move");
}

static void words(void)
{
    pyr_sampler s = usual(PYR_HEUN, 18);
    char text[80];

    CHECK(!pyr_sampler_names[KINDS]);
    for (int i = 0; pyr_predictor_names[i]; i++)
        CHECK_STRING(pyr_predictor_names[i], pyr_predictor_kinds[i] == PYR_IDENTITY
                                                 ? "identity"
                                                 : pyr_sampler_names[pyr_predictor_kinds[i]]);
    pyr_sampler_list(text, sizeof text, PYR_SAMPLER_CORRECTS);
    CHECK_STRING(text, "predictor-corrector");
    pyr_sampler_list(text, sizeof text, PYR_SAMPLER_ONE_LEVEL);
    CHECK_STRING(text, "ula, mala or hmc");
    CHECK_STRING(pyr_sampler_names[PYR_RK45], "rk45");
    CHECK_STRING(pyr_sampler_names[PYR_PYRAMID_LANGEVIN], "pyramid-langevin");
    CHECK_STRING(pyr_sampler_names[PYR_HMC], "hmc");
    pyr_sampler_words(text, sizeof text, &s);
    CHECK_STRING(text, "heun 18");
    s = with_eta(PYR_DDIM, 50, 0.5);
    s.undenoised = true;
    pyr_sampler_words(text, sizeof text, &s);
    CHECK_STRING(text, "ddim 50 eta 0.5 undenoised");
    s = usual(PYR_PREDICTOR_CORRECTOR, 30);
    pyr_sampler_words(text, sizeof text, &s);
    CHECK_STRING(text, "predictor-corrector 30 ancestral + 1 snr 0.16");
    s = with_hmc(PYR_IDENTITY, 30, 2, 5);
    pyr_sampler_words(text, sizeof text, &s);
    CHECK_STRING(text, "predictor-corrector 30 identity + 2 hmc x 5");
    s = usual(PYR_RK45, 30);
    pyr_sampler_words(text, sizeof text, &s);
    CHECK_STRING(text, "rk45 tolerance 0.001");
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(rows_of_samplers);
    if (check_failed) /* the others rely on it */
        return CHECK_DONE();
    RUN(gaussian_moments);
    RUN(orders_of_convergence);
    RUN(rk45_meets_its_tolerance);
    RUN(identities);
    RUN(corrector_by_hand);
    RUN(noise_of_s_min_is_left);
    RUN(langevin_on_a_point);
    RUN(conditional_langevin_by_recursion);
    RUN(annealed_langevin_chooses_its_step);
    RUN(stationary_variances);
    RUN(accepted_without_a_density);
    RUN(annealed_variances);
    RUN(means_of_two_classes);
    RUN(mode_weights);
    RUN(samples_do_not_see_each_other);
    RUN(evaluations_are_counted);
    RUN(costs_are_as_documented);
    RUN(flag_of_the_ode);
    RUN(estimates_are_of_the_beginning);
    RUN(predictors_go_by_x_alone);
    RUN(stiff_steps_are_means);
    RUN(hooks_and_repeats);
    RUN(starts);
    RUN(backends_agree);
    RUN(failures_come_through);
    RUN(settings_that_make_no_sense);
    RUN(words);
    return CHECK_DONE();
}
