/* test_likelihood.c - likelihoods of Gaussian data under their exact denoiser: the ODE, the variational
 * bound, and the chain rule of a pyramid of bands, of densities and of scores, against closed forms. */
#include "tests/check.h"

#include "base/mem.h"
#include "base/philox.h"
#include "cascade/image_likelihood.h"
#include "diffusion/likelihood.h"
#include <stdlib.h>

static const double log_2_pi = 1.83787706640934548356;

static double *numbers(size_t n)
{
    double *x = pyr_calloc(n, sizeof *x);

    if (!x)
        abort();
    return x;
}

static double normal(uint32_t stream, size_t i)
{
    float four[4];

    pyr_normal4(11, (uint32_t)(i / 4), stream, 0, 1, four);
    return (double)four[i % 4];
}

/* ---- small dense algebra ----------------------------------------------------------------------- */

enum { DIM = 16 };

/* Eigenvectors (columns of q) and values of the symmetric a (n x n), by Jacobi's rotations. */
static void eigen(const double *a, int n, double *q, double *value)
{
    double m[DIM * DIM];

    memcpy(m, a, (size_t)(n * n) * sizeof *m);
    for (int i = 0; i < n * n; i++)
        q[i] = i % (n + 1) == 0;
    for (int sweep = 0; sweep < 30; sweep++)
        for (int p = 0; p < n; p++)
            for (int r = p + 1; r < n; r++) {
                double angle = 0.5 * atan2(2 * m[p * n + r], m[r * n + r] - m[p * n + p]);
                double c = cos(angle), s = sin(angle);

                for (int k = 0; k < n; k++) {
                    double x = m[k * n + p], y = m[k * n + r];

                    m[k * n + p] = c * x - s * y;
                    m[k * n + r] = s * x + c * y;
                }
                for (int k = 0; k < n; k++) {
                    double x = m[p * n + k], y = m[r * n + k], u = q[k * n + p], v = q[k * n + r];

                    m[p * n + k] = c * x - s * y;
                    m[r * n + k] = s * x + c * y;
                    q[k * n + p] = c * u - s * v;
                    q[k * n + r] = s * u + c * v;
                }
            }
    for (int i = 0; i < n; i++)
        value[i] = m[i * n + i];
}

/* dst (n x m) = a (n x k) b, or with turned b^T (b m x k) */
static void product(double *dst, const double *a, const double *b, int n, int k, int m, bool turned)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++) {
            dst[i * m + j] = 0;
            for (int l = 0; l < k; l++)
                dst[i * m + j] += a[i * k + l] * (turned ? b[j * k + l] : b[l * m + j]);
        }
}

/* ---- Gaussian data with its denoiser ----------------------------------------------------------- */

typedef struct gaussian {
    int d;
    double q[DIM * DIM], value[DIM]; /* covariance = q diag(value) q^T */
    const double *mean;              /* of each vector, n x d */
} gaussian;

static void gaussian_of(gaussian *g, const double *covariance, int d, const double *mean)
{
    g->d = d;
    g->mean = mean;
    eigen(covariance, d, g->q, g->value);
}

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* out = q diag(factor) q^T x */
static void apply(const gaussian *g, double *out, const double *x, const double *factor)
{
    double y[DIM];

    for (int e = 0; e < g->d; e++) {
        y[e] = 0;
        for (int i = 0; i < g->d; i++)
            y[e] += g->q[i * g->d + e] * x[i];
        y[e] *= factor[e];
    }
    for (int i = 0; i < g->d; i++)
        out[i] = dot(g->q + i * g->d, y, g->d);
}

/* What the callbacks see. */
typedef struct seen {
    const gaussian *g;
    pyr_kernels *k;
    int n, first; /* vectors first .. first + n - 1 of the means */
    double s[64];
    int calls, fail_at;
} seen;

static void factors_at(const gaussian *g, double s, double *factor)
{
    for (int e = 0; e < g->d; e++)
        factor[e] = g->value[e] / (g->value[e] + s * s);
}

static pyr_status denoise(void *ctx, const void *x, const double *s, void *out)
{
    seen *w = ctx;
    int d = w->g->d;
    double *at = numbers((size_t)(w->n * d)), away[DIM] = {0}, factor[DIM] = {0};

    if (++w->calls == w->fail_at) {
        pyr_free(at);
        return pyr_fail(PYR_E_DEVICE, "the denoiser fails");
    }
    CHECK_OK(pyr_download_reals(w->k, at, x, (size_t)(w->n * d)));
    for (int n = 0; n < w->n; n++) {
        const double *mean = w->g->mean + (w->first + n) * d;

        w->s[n] = s[n];
        factors_at(w->g, s[n], factor);
        for (int i = 0; i < d; i++)
            away[i] = at[n * d + i] - mean[i];
        apply(w->g, at + n * d, away, factor);
        for (int i = 0; i < d; i++)
            at[n * d + i] += mean[i];
    }
    CHECK_OK(pyr_upload_reals(w->k, out, at, (size_t)(w->n * d)));
    pyr_free(at);
    return PYR_OK;
}

static pyr_status vjp(void *ctx, const void *v, void *out)
{
    seen *w = ctx;
    int d = w->g->d;
    double *at = numbers((size_t)(w->n * d)), copy[DIM] = {0}, factor[DIM] = {0};

    if (++w->calls == w->fail_at) {
        pyr_free(at);
        return pyr_fail(PYR_E_DEVICE, "the gradient fails");
    }
    CHECK_OK(pyr_download_reals(w->k, at, v, (size_t)(w->n * d)));
    for (int n = 0; n < w->n; n++) {
        factors_at(w->g, w->s[n], factor);
        memcpy(copy, at + n * d, (size_t)d * sizeof *copy);
        apply(w->g, at + n * d, copy, factor);
    }
    CHECK_OK(pyr_upload_reals(w->k, out, at, (size_t)(w->n * d)));
    pyr_free(at);
    return PYR_OK;
}

/* log N(z; mean, covariance + extra I) */
static double log_density(const gaussian *g, const double *mean, const double *z, double extra)
{
    double sum = 0;

    for (int e = 0; e < g->d; e++) {
        double y = 0, variance = g->value[e] + extra;

        for (int i = 0; i < g->d; i++)
            y += g->q[i * g->d + e] * (z[i] - mean[i]);
        sum -= 0.5 * (y * y / variance + log(variance) + log_2_pi);
    }
    return sum;
}

/* What the ODE gives without any error: z moves to x = mean + sqrt((v + S^2)/(v + s^2)) (z - mean) in each
 * eigenvector's direction, where the prior (of mean 0) judges it. */
static double log_by_ode(const gaussian *g, const double *mean, const double *z, const pyr_schedule *c)
{
    double s = pyr_schedule_s(c, pyr_schedule_t_min(c)), most = pyr_schedule_s(c, pyr_schedule_t_max(c));
    double prior = c->family != PYR_VE ? 1 + most * most : most * most, grow[DIM] = {0}, x[DIM] = {0},
           sum = 0;

    for (int e = 0; e < g->d; e++) {
        grow[e] = sqrt((g->value[e] + most * most) / (g->value[e] + s * s));
        sum += log(grow[e]);
    }
    for (int i = 0; i < g->d; i++)
        x[i] = z[i] - mean[i];
    apply(g, x, x, grow);
    for (int i = 0; i < g->d; i++) {
        x[i] += mean[i];
        sum -= 0.5 * (x[i] * x[i] / prior + log(prior) + log_2_pi);
    }
    return sum;
}

typedef struct estimate {
    double log_p[64];
    pyr_bound bound[64];
    int nfe[64], calls;
    pyr_status status;
} estimate;

/* Vectors first .. first + n - 1 of z. T > 0: the bound, with `terms`. */
static estimate run(pyr_kernels *k, const gaussian *g, const double *z, int first, int n,
                    const pyr_schedule *c, pyr_likelihood how, int T, int terms, int fail_at)
{
    seen w = {.g = g, .k = k, .n = n, .first = first, .fail_at = fail_at};
    estimate e = {.calls = 0};
    uint64_t seeds[64];
    void *at = NULL;
    size_t count = (size_t)(n * g->d);

    for (int i = 0; i < n; i++)
        seeds[i] = 1000 + (uint64_t)(first + i);
    how.k = k;
    how.n = n;
    how.size = (size_t)g->d;
    how.seeds = seeds;
    how.denoise = denoise;
    how.vjp = vjp;
    how.ctx = &w;
    CHECK_OK(pyr_alloc(k, &at, count * pyr_type_size(k->real), "z"));
    CHECK_OK(pyr_alloc(k, &how.work, pyr_likelihood_work(k, n, how.size, how.probes), "work"));
    CHECK_OK(pyr_upload_reals(k, at, z + first * g->d, count));
    e.status = T ? pyr_variational_bound(&how, c, T, terms, at, e.bound)
                 : pyr_log_likelihood(&how, c, at, e.log_p, e.nfe);
    e.calls = w.calls;
    pyr_release(k, at);
    pyr_release(k, how.work);
    return e;
}

static const pyr_likelihood plain = {
    .solver = PYR_LIKELIHOOD_RK45, .rtol = 1e-6, .atol = 1e-7, .probe = PYR_RADEMACHER, .probes = 1};

static pyr_schedule schedule_of(pyr_family family, pyr_curve curve)
{
    return (pyr_schedule){.family = family,
                          .curve = curve,
                          .s_min = 0.002,
                          .s_max = 80,
                          .beta_min = 0.1,
                          .beta_max = 20,
                          .rho = 7,
                          .base = 25,
                          .scale = 1};
}

enum { MANY = 64, SMALL = 6 };

static const double variances[SMALL] = {1, 0.25, 4, 0.01, 1.7, 0.6};
static const double centre[SMALL] = {0.3, -1, 0, 2, 0.1, -0.4};

/* A Gaussian of SMALL numbers (turned: with a full covariance), MANY vectors z of it. */
static void small_gaussian(gaussian *g, bool turned, double *mean, double *z)
{
    double covariance[SMALL * SMALL] = {0}, q[SMALL * SMALL], value[SMALL], spare[SMALL * SMALL];

    for (int i = 0; i < SMALL * SMALL; i++)
        spare[i] = normal(1, (size_t)(i / SMALL < i % SMALL ? i : i % SMALL * SMALL + i / SMALL));
    eigen(spare, SMALL, q, value); /* for its q */
    for (int i = 0; i < SMALL; i++)
        for (int j = 0; j < SMALL; j++)
            for (int e = 0; e < SMALL; e++)
                covariance[i * SMALL + j] += turned ? q[i * SMALL + e] * variances[e] * q[j * SMALL + e]
                                                    : (i == e && j == e) * variances[e];
    for (int n = 0; n < MANY; n++)
        memcpy(mean + n * SMALL, centre, sizeof centre);
    gaussian_of(g, covariance, SMALL, mean);
    for (int n = 0; n < MANY; n++) {
        double noise[DIM] = {0}, root[DIM] = {0};

        for (int e = 0; e < SMALL; e++)
            root[e] = sqrt(g->value[e]);
        for (int i = 0; i < SMALL; i++)
            noise[i] = normal(2, (size_t)(n * SMALL + i));
        apply(g, z + n * SMALL, noise, root);
        for (int i = 0; i < SMALL; i++)
            z[n * SMALL + i] += centre[i];
    }
}

/* ---- the ODE ----------------------------------------------------------------------------------- */

/* Where dD/dx is diagonal, signs as probes are exact: each vector's number is the closed form. */
static void exact_without_chance(void)
{
    static const struct {
        pyr_family family;
        pyr_curve curve;
        int solver, steps;
        double tolerance;
    } cases[] = {
        {PYR_VE, PYR_CURVE_KARRAS, PYR_LIKELIHOOD_RK45, 0, 5e-5},
        {PYR_VP, PYR_CURVE_LINEAR, PYR_LIKELIHOOD_RK45, 0, 5e-5},
        {PYR_SUB_VP, PYR_CURVE_COSINE, PYR_LIKELIHOOD_RK45, 0, 5e-5},
        {PYR_VE, PYR_CURVE_KARRAS, PYR_LIKELIHOOD_HEUN, 800, 2e-3},
        {PYR_VE, PYR_CURVE_GEOMETRIC, PYR_LIKELIHOOD_HEUN, 800, 2e-3},
    };
    double mean[MANY * SMALL], z[MANY * SMALL];
    pyr_kernels *k = NULL;
    gaussian g;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    small_gaussian(&g, false, mean, z);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        pyr_schedule schedule = schedule_of(cases[c].family, cases[c].curve);
        pyr_likelihood how = plain;
        estimate e;

        how.solver = (pyr_likelihood_solver)cases[c].solver;
        how.steps = cases[c].steps;
        e = run(k, &g, z, 0, MANY, &schedule, how, 0, 0, 0);
        CHECK_OK(e.status);
        for (int n = 0; n < MANY; n++) {
            const double *at = z + n * SMALL;

            CHECK_CLOSE(e.log_p[n], log_by_ode(&g, centre, at, &schedule), cases[c].tolerance);
            /* and that is the density, but for the data's mean at the far end, m (z - m) / s_max */
            CHECK_CLOSE(e.log_p[n], log_density(&g, centre, at, 0.002 * 0.002), 0.1);
            CHECK(how.solver == PYR_LIKELIHOOD_HEUN ? e.nfe[n] == 1600 : e.nfe[n] > 20 && e.nfe[n] < 600);
        }
    }
    pyr_kernels_free(k);
}

/* From a low s_max the prior of unit variance is the better one: with it data of unit variance have their
 * density exactly. */
static void priors(void)
{
    pyr_schedule schedule = schedule_of(PYR_VE, PYR_CURVE_KARRAS);
    double unit[SMALL * SMALL] = {0}, zero[SMALL] = {0}, z[SMALL], off[2];
    pyr_kernels *k = NULL;
    gaussian g;

    schedule.s_max = 3;
    for (int i = 0; i < SMALL; i++) {
        unit[i * SMALL + i] = 1;
        z[i] = normal(9, (size_t)i);
    }
    gaussian_of(&g, unit, SMALL, zero);
    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    for (int start = PYR_START_PRIOR; start <= PYR_START_UNIT; start++) {
        pyr_likelihood how = plain;
        estimate e;

        how.start = (pyr_start)start;
        e = run(k, &g, z, 0, 1, &schedule, how, 0, 0, 0);
        CHECK_OK(e.status);
        off[start] = fabs(e.log_p[0] - log_density(&g, zero, z, 0.002 * 0.002));
    }
    CHECK(off[PYR_START_UNIT] < 5e-5 && off[PYR_START_PRIOR] > 1e-3);
    CHECK_CLOSE(pyr_prior_deviation(&schedule, PYR_START_PRIOR), 3, 1e-12);
    schedule.family = PYR_SUB_VP;
    CHECK(pyr_prior_deviation(&schedule, PYR_START_PRIOR) == pyr_prior_deviation(&schedule, PYR_START_UNIT));
    pyr_kernels_free(k);
}

static void heun_is_of_second_order(void)
{
    pyr_schedule schedule = schedule_of(PYR_VE, PYR_CURVE_GEOMETRIC);
    double mean[MANY * SMALL], z[MANY * SMALL], error[3];
    pyr_kernels *k = NULL;
    gaussian g;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    small_gaussian(&g, false, mean, z);
    for (int i = 0; i < 3; i++) {
        pyr_likelihood how = plain;
        estimate e;

        how.solver = PYR_LIKELIHOOD_HEUN;
        how.steps = 50 << i;
        e = run(k, &g, z, 0, 1, &schedule, how, 0, 0, 0);
        error[i] = fabs(e.log_p[0] - log_by_ode(&g, centre, z, &schedule));
    }
    CHECK_CLOSE(log2(error[0] / error[1]), 2, 0.3);
    CHECK_CLOSE(log2(error[1] / error[2]), 2, 0.2);
    pyr_kernels_free(k);
}

/* With a full covariance the trace is estimated: within three standard errors, which probes make smaller. */
static void within_three_standard_errors(void)
{
    pyr_schedule schedule = schedule_of(PYR_VE, PYR_CURVE_KARRAS);
    double mean[MANY * SMALL], z[MANY * SMALL], error[2][2];
    pyr_kernels *k = NULL;
    gaussian g;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    small_gaussian(&g, true, mean, z);
    for (int probe = PYR_RADEMACHER; probe <= PYR_GAUSSIAN; probe++)
        for (int many = 0; many < 2; many++) {
            pyr_likelihood how = plain;
            double off[MANY];
            pyr_mean m;
            estimate e;

            how.probe = (pyr_probe)probe;
            how.probes = many ? 8 : 1;
            e = run(k, &g, z, 0, MANY, &schedule, how, 0, 0, 0);
            CHECK_OK(e.status);
            for (int n = 0; n < MANY; n++)
                off[n] = e.log_p[n] - log_by_ode(&g, centre, z + n * SMALL, &schedule);
            m = pyr_mean_of(off, MANY);
            CHECK(m.error > 0.01); /* it is a matter of chance */
            CHECK_CLOSE(m.mean, 0, 3 * m.error + 1e-4);
            error[probe][many] = m.error;
        }
    for (int probe = 0; probe < 2; probe++)
        CHECK_CLOSE(error[probe][0] / error[probe][1], sqrt(8), 1);
    CHECK(error[PYR_RADEMACHER][0] < error[PYR_GAUSSIAN][0]);
    pyr_kernels_free(k);
}

static void vectors_do_not_see_each_other(void)
{
    static const char *const backends[] = {"ref-double", "ref", "cpu"};
    pyr_schedule schedule = schedule_of(PYR_VE, PYR_CURVE_KARRAS);
    double mean[MANY * SMALL], z[MANY * SMALL], exact[6] = {0};
    gaussian g;

    small_gaussian(&g, true, mean, z);
    for (int b = 0; b < 3; b++) {
        pyr_likelihood how = plain;
        pyr_kernels *k = NULL;
        estimate whole, bound;

        how.rtol = how.atol = 1e-4;
        how.probes = 2;
        CHECK_OK(pyr_kernels_open(&k, backends[b], 1));
        whole = run(k, &g, z, 0, 6, &schedule, how, 0, 0, 0);
        bound = run(k, &g, z, 0, 6, &schedule, how, 100, 10, 0);
        for (int n = 0; n < 6; n++) {
            estimate one = run(k, &g, z, n, 1, &schedule, how, 0, 0, 0);

            CHECK(one.log_p[0] == whole.log_p[n] && one.nfe[0] == whole.nfe[n]);
            one = run(k, &g, z, n, 1, &schedule, how, 100, 10, 0);
            CHECK(pyr_bound_total(&one.bound[0]) == pyr_bound_total(&bound.bound[n]));
            if (b == 0)
                exact[n] = whole.log_p[n];
            CHECK_CLOSE(whole.log_p[n], exact[n], 2e-2);
        }
        pyr_kernels_free(k);
    }
}

static void failures_come_through(void)
{
    pyr_schedule schedule = schedule_of(PYR_VP, PYR_CURVE_COSINE);
    double mean[MANY * SMALL], z[MANY * SMALL];
    pyr_kernels *k = NULL;
    gaussian g;

    CHECK_OK(pyr_kernels_open(&k, "cpu", 1));
    small_gaussian(&g, true, mean, z);
    for (int solver = 0; solver < 2; solver++)
        for (int at = 1; at < 8; at++) {
            pyr_likelihood how = plain;
            estimate e;

            how.solver = (pyr_likelihood_solver)solver;
            how.steps = 5;
            e = run(k, &g, z, 0, 2, &schedule, how, 0, 0, at);
            CHECK(e.status == PYR_E_DEVICE && e.calls == at && strstr(pyr_error(), "fails"));
            e = run(k, &g, z, 0, 2, &schedule, how, 100, 8, at);
            CHECK(e.status == PYR_E_DEVICE && e.calls == at);
        }
    pyr_kernels_free(k);
    CHECK_STRING(pyr_likelihood_solver_names[PYR_LIKELIHOOD_HEUN], "heun");
    CHECK_STRING(pyr_probe_names[PYR_GAUSSIAN], "gaussian");
}

/* ---- the variational bound --------------------------------------------------------------------- */

/* Its expectation over the noise, of one vector with a diagonal covariance. */
static double bound_by_hand(const gaussian *g, const double *mean, const double *z, const pyr_schedule *c,
                            int T)
{
    double lo = pyr_schedule_t_min(c), hi = pyr_schedule_t_max(c), sum = 0;
    double least = pyr_schedule_s(c, lo), most = pyr_schedule_s(c, hi);
    double prior = c->family != PYR_VE ? 1 + most * most : most * most;

    for (int i = 0; i < g->d; i++) {
        sum += 0.5 * ((most * most + z[i] * z[i]) / prior - 1 - log(most * most / prior));
        sum += 0.5 * (log_2_pi + 1 + log(least * least));
    }
    for (int step = 1; step <= T; step++) {
        double s = pyr_schedule_s(c, lo + (hi - lo) * step / T);
        double before = pyr_schedule_s(c, lo + (hi - lo) * (step - 1) / T);

        for (int i = 0; i < g->d; i++) {
            double v = variances[i], shrink = v / (v + s * s), away = (1 - shrink) * (z[i] - mean[i]);

            sum += 0.5 * (1 / (before * before) - 1 / (s * s)) * (away * away + shrink * shrink * s * s);
        }
    }
    return sum;
}

static void bound_is_below_and_approaches(void)
{
    static const struct {
        pyr_family family;
        pyr_curve curve;
        double gap; /* of one number, at T = 1000: about the sum of squares of the steps of log s */
    } cases[] = {{PYR_VE, PYR_CURVE_KARRAS, 0.12},
                 {PYR_VP, PYR_CURVE_COSINE, 1.2},
                 {PYR_VE, PYR_CURVE_GEOMETRIC, 0.1}};
    double mean[MANY * SMALL], z[MANY * SMALL];
    pyr_kernels *k = NULL;
    gaussian g;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    small_gaussian(&g, false, mean, z);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        pyr_schedule schedule = schedule_of(cases[c].family, cases[c].curve);
        double gap_before = INFINITY;

        for (int T = 10; T <= 1000; T *= 10) {
            double gap = 0, off[2][MANY];

            for (int part = 0; part < 2; part++) {
                estimate e =
                    run(k, &g, z, 0, MANY, &schedule, plain, T, part ? (T < 100 ? T / 2 : 40) : T, 0);

                CHECK_OK(e.status);
                for (int n = 0; n < MANY; n++) {
                    double wanted = bound_by_hand(&g, centre, z + n * SMALL, &schedule, T);

                    off[part][n] = pyr_bound_total(&e.bound[n]) - wanted;
                    gap += part ? 0 : (wanted + log_by_ode(&g, centre, z + n * SMALL, &schedule)) / MANY;
                }
            }
            for (int part = 0; part < 2; part++) { /* all summands, and some */
                pyr_mean m = pyr_mean_of(off[part], MANY);

                CHECK(m.error > 0);
                if (!(fabs(m.mean) <= 3.5 * m.error))
                    CHECK_REPORT("case %zu, T = %d, part %d: off by %g +- %g", c, T, part, m.mean, m.error);
            }
            CHECK(gap > 0 && gap < gap_before / 3); /* as 1 / T */
            gap_before = gap;
        }
        CHECK(gap_before < cases[c].gap * SMALL);
    }
    pyr_kernels_free(k);
}

/* ---- the chain rule of a haar pyramid ---------------------------------------------------------- */

enum { SIDE = 4, LEVELS = 3 };

/* A smooth random field and its images. */
static void field(double *covariance, double *images)
{
    double q[DIM * DIM], value[DIM];

    for (int i = 0; i < DIM; i++)
        for (int j = 0; j < DIM; j++) {
            int dy = i / SIDE - j / SIDE, dx = i % SIDE - j % SIDE;

            covariance[i * DIM + j] =
                0.2 * exp(-(dy * dy + 0.5 * dx * dx) / 3.0) + (i == j ? 0.01 + 0.002 * i : 0);
        }
    eigen(covariance, DIM, q, value);
    for (int n = 0; n < MANY; n++)
        for (int i = 0; i < DIM; i++) {
            images[n * DIM + i] = 0;
            for (int e = 0; e < DIM; e++)
                images[n * DIM + i] += q[i * DIM + e] * sqrt(value[e]) * normal(5, (size_t)(n * DIM + e));
        }
}

/* The level's map of images (16 numbers) to variable and condition, by analysing unit images. */
static void maps_of(const pyr_pyramid *p, pyr_kernels *k, int level, double *variable, double *condition)
{
    int nv = (int)pyr_count(pyr_pyramid_variable_shape(p, level));
    int nc = (int)pyr_count(pyr_pyramid_condition_shape(p, level));
    double image[DIM] = {0}, host[DIM];
    void *at[4];

    for (int i = 0; i < 3; i++)
        CHECK_OK(pyr_alloc(k, &at[i], DIM * sizeof(double), "images"));
    CHECK_OK(pyr_alloc(k, &at[3], pyr_pyramid_scratch(p, 1), "scratch"));
    for (int j = 0; j < DIM; j++) {
        image[j] = 1;
        CHECK_OK(pyr_upload_reals(k, at[0], image, DIM));
        image[j] = 0;
        pyr_pyramid_analyze(p, 1, at[0], level, at[1], nc ? at[2] : NULL, at[3]);
        CHECK_OK(pyr_download_reals(k, host, at[1], (size_t)nv));
        for (int i = 0; i < nv; i++)
            variable[i * DIM + j] = host[i];
        CHECK_OK(pyr_download_reals(k, host, at[2], (size_t)nc));
        for (int i = 0; i < nc; i++)
            condition[i * DIM + j] = host[i];
    }
    for (int i = 0; i < 4; i++)
        pyr_release(k, at[i]);
}

/* The score of each z at the smallest noise level, MANY x d, in the units in which z is scaled. */
static void scores_of(const gaussian *g, const double *z, const double *scale, double s, double *score)
{
    double factor[DIM] = {0}, away[DIM] = {0}, to[DIM] = {0};

    factors_at(g, s, factor);
    for (int n = 0; n < MANY; n++) {
        for (int i = 0; i < g->d; i++)
            away[i] = z[n * g->d + i] - g->mean[n * g->d + i];
        apply(g, to, away, factor); /* D - mean */
        for (int i = 0; i < g->d; i++)
            score[n * g->d + i] = (to[i] - away[i]) / (s * s) / scale[i];
    }
}

/* Add log p(variable | condition) of each image to total, by the ODE in standardised units; score, unless NULL: its gradient
 * by the variable, from the denoiser, MANY x their number. */
static void add_level(pyr_kernels *k, const pyr_pyramid *p, int level, int levels, const double *covariance,
                      const double *images, double s_max, double *total, double *score)
{
    pyr_level l = {.facts = {.index = level, .levels = levels, .filter = pyr_pyramid_get(p)->filter},
                   .variable = pyr_pyramid_variable_shape(p, level),
                   .condition = pyr_pyramid_condition_shape(p, level)};
    int nv = (int)pyr_count(l.variable), nc = (int)pyr_count(l.condition), bands = nc ? 3 : 1;
    double V[DIM * DIM], C[DIM * DIM], VS[DIM * DIM], CS[DIM * DIM], rr[DIM * DIM], rc[DIM * DIM],
        cc[DIM * DIM];
    double q[DIM * DIM], value[DIM], inverse[DIM * DIM] = {0}, A[DIM * DIM], S[DIM * DIM], scale[DIM];
    double *z = numbers(MANY * DIM), *mean = numbers(MANY * DIM), variable[DIM], condition[DIM];
    pyr_schedule schedule = schedule_of(PYR_VE, PYR_CURVE_KARRAS);
    gaussian g;
    estimate e;

    schedule.s_max = s_max;
    maps_of(p, k, level, V, C);
    product(VS, V, covariance, nv, DIM, DIM, false);
    product(CS, C, covariance, nc, DIM, DIM, false);
    product(rr, VS, V, nv, DIM, nv, true);
    product(rc, VS, C, nv, DIM, nc, true);
    product(cc, CS, C, nc, DIM, nc, true);
    eigen(cc, nc, q, value);
    for (int i = 0; i < nc; i++)
        for (int j = 0; j < nc; j++)
            for (int v = 0; v < nc; v++)
                inverse[i * nc + j] += q[i * nc + v] * q[j * nc + v] / value[v];
    product(A, rc, inverse, nv, nc, nc, false); /* E r = A c */
    product(S, A, rc, nv, nc, nv, true);        /* covariance rr - A rc^T */
    l.facts.bands = bands;
    for (int b = 0; b < bands; b++)
        l.facts.std[b] = 0.1 + 0.2 * b; /* any will do */
    for (int i = 0; i < nv; i++)
        scale[i] = l.facts.std[i % l.variable.c / (l.variable.c / bands)];
    for (int i = 0; i < nv * nv; i++)
        S[i] = (rr[i] - (nc ? S[i] : 0)) / (scale[i / nv] * scale[i % nv]);
    for (int n = 0; n < MANY; n++) {
        product(variable, V, images + n * DIM, nv, DIM, 1, false);
        product(condition, C, images + n * DIM, nc, DIM, 1, false);
        for (int i = 0; i < nv; i++) {
            z[n * nv + i] = variable[i] / scale[i];
            mean[n * nv + i] = dot(A + i * nc, condition, nc) / scale[i];
        }
    }
    gaussian_of(&g, S, nv, mean);
    if (score)
        scores_of(&g, z, scale, schedule.s_min, score);
    e = run(k, &g, z, 0, MANY, &schedule, plain, 0, 0, 0);
    CHECK_OK(e.status);
    for (int n = 0; n < MANY; n++)
        total[n] += e.log_p[n] + pyr_likelihood_volume(&l);
    pyr_free(z);
    pyr_free(mean);
}

static void add_pyramid(pyr_kernels *k, int filter, int levels, const double *covariance,
                        const double *images, double *total)
{
    pyr_pyramid_settings s = {.levels = levels, .filter = filter, .sigma = 1};
    pyr_pyramid *p = NULL;

    CHECK_OK(pyr_pyramid_new(&p, k, &s, SIDE, SIDE, 1));
    for (int i = 0; i < levels; i++)
        add_level(k, p, i, levels, covariance, images, 80, total, NULL);
    pyr_pyramid_free(p);
}

static void pyramid_of_bands_agrees_with_one_resolution(int filter)
{
    double covariance[DIM * DIM], *images = numbers(MANY * DIM), *zero = numbers(MANY * DIM);
    double single[MANY] = {0}, pyramid[MANY] = {0}, off[3][MANY];
    pyr_kernels *k = NULL;
    gaussian exact;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    field(covariance, images);
    gaussian_of(&exact, covariance, DIM, zero);
    add_pyramid(k, filter, 1, covariance, images, single);
    add_pyramid(k, filter, LEVELS, covariance, images, pyramid);
    for (int n = 0; n < MANY; n++) {
        double wanted = log_density(&exact, zero, images + n * DIM, 0);

        off[0][n] = single[n] - wanted;
        off[1][n] = pyramid[n] - wanted;
        off[2][n] = pyramid[n] - single[n];
    }
    for (int i = 0; i < 3; i++) {
        pyr_mean m = pyr_mean_of(off[i], MANY);

        CHECK(m.error < 0.6);
        /* the smoothing at s_min 0.002 and the solver: less than 0.01 nats of about 10 */
        if (!(fabs(m.mean) < 3 * m.error + 0.01))
            CHECK_REPORT("%s, comparison %d: off by %g +- %g nats", pyr_filter_names[filter], i, m.mean,
                         m.error);
    }
    pyr_free(images);
    pyr_free(zero);
    pyr_kernels_free(k);
}

/* Images base + h b_j, where b_j changes the j-th number of the code alone; code[DIM * DIM] is the map of images to codes. */
static void moved_along_the_code(const double *code, const double *base, double h, double *images)
{
    double square[DIM * DIM], q[DIM * DIM], value[DIM], inverse[DIM * DIM] = {0}, back[DIM * DIM];

    product(square, code, code, DIM, DIM, DIM, true);
    eigen(square, DIM, q, value);
    for (int i = 0; i < DIM; i++)
        for (int j = 0; j < DIM; j++)
            for (int e = 0; e < DIM; e++)
                inverse[i * DIM + j] += q[i * DIM + e] * q[j * DIM + e] / value[e];
    product(back, inverse, code, DIM, DIM, DIM,
            false); /* its rows are the columns of code^-1 = code^T (code code^T)^-1 */
    for (int j = 0; j < DIM; j++)
        for (int i = 0; i < DIM; i++)
            images[j * DIM + i] = base[i] + h * back[j * DIM + i];
}

/* Padova & Liu 2023, equation 16: by a residual of the finest level, the gradient of the joint log-density of the code is the
 * level's own score; by what is coarser, the levels that are conditioned on it add to it. The joint density is the sum of
 * the levels' ODEs (the same probes both times), its gradient by central differences (it is a square: no error in h), and
 * known from the covariance. */
static void joint_scores_are_the_levels(int filter)
{
    const double h = 0.05, s_max = 1e5; /* so large that the prior has forgotten the levels' means */
    double covariance[DIM * DIM], code[DIM * DIM], condition[DIM * DIM], zero[DIM] = {0}, base[DIM];
    double *up = numbers(MANY * DIM), *down = numbers(MANY * DIM);
    double *score_up = numbers(MANY * DIM), *score_down = numbers(MANY * DIM), more = 0;
    double log_p_up[MANY] = {0}, log_p_down[MANY] = {0};
    pyr_pyramid_settings s = {.levels = LEVELS, .filter = filter, .sigma = 1};
    pyr_pyramid *p = NULL;
    pyr_kernels *k = NULL;
    gaussian exact;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    CHECK_OK(pyr_pyramid_new(&p, k, &s, SIDE, SIDE, 1));
    field(covariance, up);
    memcpy(base, up, sizeof base);
    gaussian_of(&exact, covariance, DIM, zero);
    for (int level = 0, row = 0; level < LEVELS; level++) {
        maps_of(p, k, level, code + row * DIM, condition);
        row += (int)pyr_count(pyr_pyramid_variable_shape(p, level));
    }
    moved_along_the_code(code, base, h, up);
    moved_along_the_code(code, base, -h, down);
    for (int level = LEVELS - 1; level >= 0; level--) { /* the finest one's scores stay */
        add_level(k, p, level, LEVELS, covariance, up, s_max, log_p_up, score_up);
        add_level(k, p, level, LEVELS, covariance, down, s_max, log_p_down, score_down);
    }
    for (int j = 0, nv = (int)pyr_count(pyr_pyramid_variable_shape(p, 0)); j < DIM; j++) {
        double joint = (log_p_up[j] - log_p_down[j]) / (2 * h);
        double known =
            (log_density(&exact, zero, up + j * DIM, 0) - log_density(&exact, zero, down + j * DIM, 0)) /
            (2 * h);

        CHECK_CLOSE(joint, known, 5e-4 * (1 + fabs(known)));
        if (j < nv) /* at base, as the score is linear */
            CHECK_CLOSE(joint, (score_up[j * nv + j] + score_down[j * nv + j]) / 2, 5e-4 * (1 + fabs(joint)));
    }
    /* the coarsest number alone */
    for (int i = 0; i < MANY; i++)
        log_p_up[i] = log_p_down[i] = 0;
    add_level(k, p, LEVELS - 1, LEVELS, covariance, up, s_max, log_p_up, NULL);
    add_level(k, p, LEVELS - 1, LEVELS, covariance, down, s_max, log_p_down, NULL);
    more = (log_density(&exact, zero, up + (DIM - 1) * DIM, 0) -
            log_density(&exact, zero, down + (DIM - 1) * DIM, 0) - log_p_up[DIM - 1] + log_p_down[DIM - 1]) /
           (2 * h);
    CHECK(fabs(more) > 0.01);
    pyr_free(up);
    pyr_free(down);
    pyr_free(score_up);
    pyr_free(score_down);
    pyr_pyramid_free(p);
    pyr_kernels_free(k);
}

static void means(void)
{
    pyr_mean m = pyr_mean_of((double[]){1, 2, 3, 6}, 4);

    CHECK_CLOSE(m.mean, 3, 1e-12);
    CHECK_CLOSE(m.error, sqrt(14.0 / 3 / 4), 1e-12);
    CHECK(isnan(pyr_mean_of((double[]){5}, 1).error));
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(exact_without_chance);
    RUN(priors);
    RUN(heun_is_of_second_order);
    RUN(within_three_standard_errors);
    RUN(vectors_do_not_see_each_other);
    RUN(failures_come_through);
    RUN(bound_is_below_and_approaches);
    for (int filter = 0; filter < PYR_FILTERS; filter++)
        if (pyr_filter_of(filter)->bands)
            RUN_NAMED("pyramid_of_bands_agrees_with_one_resolution",
                      pyramid_of_bands_agrees_with_one_resolution(filter));
    for (int filter = 0; filter < PYR_FILTERS; filter++)
        if (pyr_filter_of(filter)->bands)
            RUN_NAMED("joint_scores_are_the_levels", joint_scores_are_the_levels(filter));
    RUN(means);
    return CHECK_DONE();
}
