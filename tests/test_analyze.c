/* test_analyze.c - pyrdiff analyze and the fitted Gaussian.
 *
 * Witnesses: SciPy (tests/golden/analyze/make_ncsn.py), the figures that NCSNv2's authors published, the
 * recursion itself, brute force, numerical integration, Gaussian random fields of known mean, covariance and
 * spectrum. */
#include "cascade/analyze.h"

#include "diffusion/ncsn.h"
#include "tests/level_data.h"
#include <unistd.h>

#define GOLDEN "tests/golden/analyze/ncsn.txt"

/* ---- NCSNv2 ------------------------------------------------------------------------------------ */

static void ncsn_golden(void)
{
    FILE *file = fopen(GOLDEN, "r");
    char line[256];
    int gammas = 0, steps = 0;

    CHECK(file);
    while (file && fgets(line, sizeof line, file)) {
        double d, gamma, e, variance;
        int t;

        if (sscanf(line, "gamma %lf %lf", &d, &gamma) == 2) {
            CHECK_CLOSE(pyr_ncsn_gamma(d), gamma, 1e-10 * gamma);
            CHECK_CLOSE(pyr_ncsn_overlap(d, gamma), 0.5, 1e-9);
            gammas++;
        } else if (sscanf(line, "step %d %lf %lf %lf", &t, &gamma, &e, &variance) == 4) {
            CHECK_CLOSE(pyr_ncsn_step(t, gamma), e, 1e-6);
            CHECK_CLOSE(pyr_ncsn_variance(e, t, gamma), variance, 1e-10);
            steps++;
        }
    }
    if (file)
        fclose(file);
    CHECK(gammas == 9 && steps == 30);
}

static void ncsn_published(void)
{
    /* Song & Ermon 2020, their table of settings: sigma_1, L, T, epsilon, with sigma_L = 0.01 */
    static const struct {
        double first;
        int levels, steps;
        double epsilon;
    } rows[] = {{50, 232, 5, 6.2e-6}, {90, 500, 5, 3.3e-6}, {190, 1086, 3, 1.8e-6}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double gamma = pow(rows[i].first / 0.01, 1.0 / (rows[i].levels - 1));

        CHECK_CLOSE(pyr_ncsn_step(rows[i].steps, gamma) * 1e-4, rows[i].epsilon, 0.5e-7);
        CHECK(pyr_ncsn_levels(rows[i].first, 0.01, gamma) == rows[i].levels);
    }
}

static void ncsn_recursion(void)
{
    for (int steps = 1; steps < 40; steps += 6) {
        double gamma = 1.2, e = pyr_ncsn_step(steps, gamma), v = gamma * gamma;

        for (int t = 0; t < steps; t++) /* x - e x + sqrt(2 e) noise */
            v = (1 - e) * (1 - e) * v + 2 * e;
        CHECK_CLOSE(pyr_ncsn_variance(e, steps, gamma), v, 1e-12);
        CHECK(pyr_ncsn_variance(e * 1.01, steps, gamma) > v && pyr_ncsn_variance(e * 0.99, steps, gamma) > v);
    }
    /* one step: in closed form */
    CHECK_CLOSE(pyr_ncsn_step(1, 1.5), 1 - 1 / 2.25, 1e-12);
    /* enough steps are enough, one less is not */
    int enough = pyr_ncsn_steps(1.18, 0.05, 1000);

    CHECK(pyr_ncsn_variance(pyr_ncsn_step(enough, 1.18), enough, 1.18) <= 1.05);
    CHECK(pyr_ncsn_variance(pyr_ncsn_step(enough - 1, 1.18), enough - 1, 1.18) > 1.05);
    CHECK(pyr_ncsn_steps(3, 1e-6, 10) == 11);
}

static void ncsn_few_dimensions(void)
{
    CHECK(pyr_ncsn_gamma(1) == 0 && pyr_ncsn_gamma(4) == 0 && pyr_ncsn_gamma(5) > 1);
    /* the first term is 1 but for 4e-11: gamma = sqrt(2D) / (sqrt(2D) - 3) */
    CHECK_CLOSE(pyr_ncsn_gamma(784), sqrt(1568) / (sqrt(1568) - 3), 1e-9);
    CHECK(pyr_ncsn_levels(0.01, 0.02, 1.1) == 1);
    CHECK(pyr_ncsn_levels(0.02 * pow(1.1, 7), 0.02, 1.1) == 8);
}

/* ---- distances --------------------------------------------------------------------------------- */

static void farthest_by_force(void)
{
    static const size_t sizes[] = {1, 7, 49, 1100};

    for (size_t c = 0; c < sizeof sizes / sizeof *sizes; c++) {
        enum { N = 77 };
        size_t size = sizes[c];
        float *x = pyr_calloc(N * size, sizeof *x);
        double most = -1;
        int64_t i0 = 0, j0 = 0;

        for (size_t i = 0; x && i < N * size; i += 4) {
            float four[4];

            pyr_normal4(3, (uint32_t)(i / 4), 0, 0, 1, four);
            for (size_t q = i; q < i + 4 && q < N * size; q++)
                x[q] = four[q - i];
        }
        for (int64_t i = 0; i < N; i++)
            for (int64_t j = i + 1; j < N; j++) {
                double sum = 0;

                for (size_t q = 0; q < size; q++) {
                    double d = (double)x[(size_t)i * size + q] - (double)x[(size_t)j * size + q];

                    sum += d * d;
                }
                if (sum > most) {
                    most = sum;
                    i0 = i;
                    j0 = j;
                }
            }
        for (int threads = 1; threads <= 3; threads += 2) {
            pyr_kernels *k = NULL;
            pyr_farthest got;

            CHECK_OK(pyr_kernels_open(&k, "cpu", threads));
            CHECK_OK(pyr_find_farthest(&got, x, N, size, k));
            CHECK_CLOSE(got.distance, sqrt(most), 1e-5 * sqrt(most));
            CHECK(got.i == i0 && got.j == j0);
            CHECK_OK(pyr_find_farthest(&got, x, 1, size, k));
            CHECK(got.distance == 0);
            pyr_kernels_free(k);
        }
        pyr_free(x);
    }
}

/* ---- Gaussian random fields -------------------------------------------------------------------- */

static const double pi = 3.14159265358979323846;

enum { FIELD_IMAGES = 3000, GREY = 128 };

/* Standard deviation of the coefficient (ky, kx) in grey levels: falls with frequency. */
static double amplitude(int ky, int kx)
{
    return 60 / (1 + 0.5 * (ky + kx));
}

static double mean_of(int y, int x, int side)
{
    return 20 * cos(pi * (y + 0.5) / side) - 10.0 * x / side;
}

/* Orthonormal DCT-II basis function. */
static double basis(int k, int j, int n)
{
    return sqrt((k ? 2.0 : 1.0) / n) * cos(pi * (j + 0.5) * k / n);
}

static void put_word(FILE *file, uint32_t word)
{
    for (int i = 24; i >= 0; i -= 8)
        fputc((int)(word >> i & 255), file);
}

/* side x side grey images with independent coefficients, as an IDX file. */
static const char *write_fields(int side)
{
    const char *path = below("train-images-idx3-ubyte");
    FILE *file = fopen(path, "wb");
    double *c = numbers((size_t)side * side), *rows = numbers((size_t)side * side),
           *b = numbers((size_t)side * side);

    CHECK(file);
    for (int k = 0; k < side; k++)
        for (int j = 0; j < side; j++)
            b[k * side + j] = basis(k, j, side);
    if (file) {
        put_word(file, 0x803);
        put_word(file, FIELD_IMAGES);
        put_word(file, (uint32_t)side);
        put_word(file, (uint32_t)side);
    }
    for (int n = 0; file && n < FIELD_IMAGES; n++) {
        for (int q = 0; q < side * side; q += 4) {
            float four[4];

            pyr_normal4(11, (uint32_t)q / 4, (uint32_t)n, 0, 1, four);
            for (int i = q; i < q + 4 && i < side * side; i++)
                c[i] = amplitude(i / side, i % side) * (double)four[i - q];
        }
        for (int ky = 0; ky < side; ky++)
            for (int x = 0; x < side; x++) {
                rows[ky * side + x] = 0;
                for (int kx = 0; kx < side; kx++)
                    rows[ky * side + x] += c[ky * side + kx] * b[kx * side + x];
            }
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++) {
                double v = GREY + mean_of(y, x, side);

                for (int ky = 0; ky < side; ky++)
                    v += rows[ky * side + x] * b[ky * side + y];
                fputc((int)fmin(255, fmax(0, floor(v + 0.5))), file);
            }
    }
    if (file)
        fclose(file);
    pyr_free(c);
    pyr_free(rows);
    pyr_free(b);
    return path;
}

typedef struct fixture {
    pyr_kernels *k;
    pyr_settings *settings;
    pyr_config config;
    pyr_analysis analysis;
} fixture;

static pyr_analysis_job job_of(fixture *f)
{
    return (pyr_analysis_job){.k = f->k,
                              .level = -1,
                              .config = &f->config,
                              .images = 300,
                              .bound = 0.01,
                              .sigma_last = 0.02,
                              .langevin_steps = 5};
}

static void set(fixture *f, const char *key, const char *value)
{
    CHECK_OK(pyr_settings_set(f->settings, key, value, "test"));
}

/* The analysis of an IDX file, with settings set. */
static void fixture_new(fixture *f, const char *data, int levels, int threads)
{
    char number[16];

    *f = (fixture){0};
    snprintf(number, sizeof number, "%d", levels);
    CHECK_OK(pyr_kernels_open(&f->k, "cpu", threads));
    CHECK_OK(pyr_settings_new(&f->settings, pyr_all_sections));
    set(f, "data.path", data);
    set(f, "data.split", "all");
    set(f, "pyramid.levels", number);
}

static void analyze(fixture *f)
{
    CHECK_OK(pyr_config_get(&f->config, f->settings));
    pyr_analysis_job job = job_of(f);
    CHECK_OK(pyr_analyze(&f->analysis, &job));
}

static void fixture_free(fixture *f)
{
    pyr_analysis_free(&f->analysis);
    pyr_settings_free(f->settings);
    pyr_kernels_free(f->k);
}

/* Grey levels are steps of 2 / 256; rounding to them adds 1/12 to each variance. */
static const double step = 2.0 / 256;

/* Total variance about the one mean of all numbers, grey levels squared. */
static double whole_variance(int side, double *whole_mean)
{
    double variance = 1.0 / 12, mean = 0, square = 0;

    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            variance += pow(amplitude(y, x), 2) / (side * side);
            mean += mean_of(y, x, side) / (side * side);
            square += pow(mean_of(y, x, side), 2) / (side * side);
        }
    *whole_mean = mean;
    return variance + square - mean * mean;
}

/* 24 x 24: the diagonal of the DCT. */
static void field_of_known_spectrum(void)
{
    enum { SIDE = 24 };
    fixture f;
    double mean, variance = whole_variance(SIDE, &mean), std = sqrt(variance);
    double sampling = sqrt(2.0 / FIELD_IMAGES), left = 0, known = 0;

    fixture_new(&f, write_fields(SIDE), 1, 2);
    analyze(&f);
    const pyr_level_analysis *l = &f.analysis.level[0];
    const pyr_gaussian *g = &l->gaussian;

    CHECK(!g->full && g->size == SIDE * SIDE && g->images == FIELD_IMAGES && g->shape.c == 1);
    CHECK_CLOSE(l->level.facts.std[0], step * std, 0.02 * step * std);
    CHECK_CLOSE(l->level.facts.mean[0], step * (GREY + mean - 127.5), step * 0.2);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double v = (pow(amplitude(y, x), 2) + 1.0 / 12) / variance;

            CHECK_CLOSE(g->variance[y * SIDE + x], v, 5 * sampling * v);
            CHECK_CLOSE(g->mean[y * SIDE + x], (mean_of(y, x, SIDE) - mean) / std,
                        6 * sqrt(2.0 / FIELD_IMAGES)); /* local variance is below 2 */
            known += v;
        }
    /* half of the variance is left at `half`, with the known spectrum, too */
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double v = (pow(amplitude(y, x), 2) + 1.0 / 12) / variance;

            left += v * l->half * l->half / (v + l->half * l->half);
        }
    CHECK_CLOSE(left, known / 2, 0.02 * known);
    CHECK_CLOSE(pyr_gaussian_left(g, 1e6), pyr_gaussian_left(g, 1e7), 1e-6);
    /* suggestions */
    CHECK_CLOSE(l->sigma_min, 2.0 / 256 / sqrt(12) / l->level.facts.std[0], 1e-12);
    CHECK_CLOSE(pyr_analysis_mismatch(l, l->sigma_max), 0.01, 1e-8);
    CHECK_CLOSE(l->mismatch, pyr_analysis_mismatch(l, 80), 1e-12);
    CHECK(l->ceiling > l->mismatch);
    CHECK_CLOSE(l->reference, SIDE * PYR_ANALYSIS_HALF / l->half, 1e-9);
    CHECK(l->images == 300 && l->farthest.i < l->farthest.j && l->farthest.j < FIELD_IMAGES);
    CHECK_CLOSE(l->farthest_z * l->level.facts.std[0], l->farthest.distance, 1e-9);
    fixture_free(&f);
}

/* White noise of n x n: power 1 in every bin, half at 1. */
static void white_field(void)
{
    enum { SIDE = 23 };
    FILE *file = fopen(below("white-images-idx3-ubyte"), "wb");
    fixture f;

    CHECK(file);
    if (!file)
        return;
    put_word(file, 0x803);
    put_word(file, 400);
    put_word(file, SIDE);
    put_word(file, SIDE);
    for (uint32_t i = 0; i < 400 * SIDE * SIDE; i++)
        fputc((int)(pyr_philox(1, i, 0, 0, 1).v[0] >> 24), file);
    fclose(file);
    fixture_new(&f, below("white-images-idx3-ubyte"), 1, 1);
    analyze(&f);
    const pyr_level_analysis *l = &f.analysis.level[0];

    CHECK(l->bins == SIDE / 2 + 1);
    for (int b = 1; b < l->bins; b++)
        CHECK_CLOSE(l->power[b], 1, 0.1);
    CHECK_CLOSE(l->half, 1, 0.02);
    CHECK_CLOSE(l->level.facts.std[0], 2.0 / sqrt(12), 0.01);
    fixture_free(&f);
}

/* 6 x 6: the whole covariance. And the same for any number of threads. */
static void field_of_known_covariance(void)
{
    enum { SIDE = 6, D = SIDE * SIDE };
    fixture f, other;
    double mean, variance = whole_variance(SIDE, &mean);
    const char *data = write_fields(SIDE);

    fixture_new(&f, data, 1, 1);
    analyze(&f);
    fixture_new(&other, data, 1, 3);
    analyze(&other);
    const pyr_gaussian *g = &f.analysis.level[0].gaussian, *h = &other.analysis.level[0].gaussian;

    CHECK(g->full && g->size == D);
    CHECK(memcmp(g->variance, h->variance, D * sizeof(double)) == 0 &&
          memcmp(g->basis, h->basis, D * D * sizeof(double)) == 0);
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            double got = 0, known = i == j ? 1.0 / 12 : 0;

            for (int k = 0; k < D; k++)
                got += g->variance[k] * g->basis[k * D + i] * g->basis[k * D + j];
            for (int ky = 0; ky < SIDE; ky++)
                for (int kx = 0; kx < SIDE; kx++)
                    known += pow(amplitude(ky, kx), 2) * basis(ky, i / SIDE, SIDE) *
                             basis(kx, i % SIDE, SIDE) * basis(ky, j / SIDE, SIDE) *
                             basis(kx, j % SIDE, SIDE);
            CHECK_CLOSE(got, known / variance, 6 * 1.5 * sqrt(2.0 / FIELD_IMAGES));
        }
    fixture_free(&f);
    fixture_free(&other);
}

/* ---- what the fit says ------------------------------------------------------------------------- */

/* Kullback-Leibler divergence of N(a, v) from N(0, p) by the midpoint rule. */
static double divergence(double a, double v, double p)
{
    double sum = 0, width = 16 * sqrt(v) / 20000;

    for (int i = 0; i < 20000; i++) {
        double x = a - 8 * sqrt(v) + (i + 0.5) * width;
        double log_q = -(x - a) * (x - a) / (2 * v) - log(v) / 2, log_p = -x * x / (2 * p) - log(p) / 2;

        sum += exp(log_q) / sqrt(2 * pi) * (log_q - log_p) * width;
    }
    return sum;
}

static void mismatch_by_integration(void)
{
    /* a basis of its own: coefficients are numbers */
    double mean[3] = {0.3, -1.2, 0}, variance[3] = {4, 0.25, 0}, identity[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    pyr_gaussian g = {.shape = {1, 1, 3, 1},
                      .size = 3,
                      .full = true,
                      .mean = mean,
                      .basis = identity,
                      .variance = variance};

    for (double s = 0.5; s < 100; s *= 3)
        for (int unit = 0; unit < 2; unit++) {
            double prior = unit ? 1 + s * s : s * s, known = 0;

            for (int i = 0; i < 3; i++)
                known += divergence(mean[i], variance[i] + s * s, prior);
            CHECK_CLOSE(pyr_gaussian_mismatch(&g, s, prior), known, 1e-9 + 1e-7 * known);
        }
    /* far out, where differences of near numbers would be lost: 1/4 sum v^2 / s^4 + 1/2 |a|^2 / s^2 */
    CHECK_CLOSE(pyr_gaussian_mismatch(&g, 1e5, 1e10) / (0.5 * 1.53 / 1e10 + 0.25 * 16.0625 / 1e20), 1, 1e-6);
    for (int unit = 0; unit < 2; unit++) {
        double s = pyr_gaussian_sigma_max(&g, 0.02, unit);

        CHECK_CLOSE(pyr_gaussian_mismatch(&g, s, unit ? 1 + s * s : s * s), 0.02, 1e-9);
    }
    variance[0] = variance[1] = variance[2] = 1;
    mean[0] = mean[1] = 0;
    CHECK(pyr_gaussian_sigma_max(&g, 0.01, true) == 0); /* it is that prior */
    CHECK_CLOSE(pyr_gaussian_half(&g), 1, 1e-9);
}

/* ---- as a start -------------------------------------------------------------------------------- */

/* A fit of fields, for drawing; D numbers. */
static void check_draws(int side, int levels, int level)
{
    enum { N = 2000, SOME = 3 };
    fixture f;
    double s = 0.7;

    fixture_new(&f, write_fields(side), levels, 2);
    analyze(&f);
    const pyr_gaussian *g = &f.analysis.level[level].gaussian;
    size_t d = g->size;
    double *square = numbers(d), *sum = numbers(d), *z = numbers(d), *room = numbers(d);
    uint64_t *seeds = pyr_calloc(N, sizeof *seeds);
    uint32_t *streams = pyr_calloc(N, PYR_STREAM_WORDS * sizeof *streams);
    float *start = pyr_calloc(N * d, sizeof *start), *alone = pyr_calloc(d, sizeof *alone);

    for (int i = 0; i < N; i++)
        seeds[i] = 1000 + (uint64_t)i;
    CHECK_OK(pyr_gaussian_draw(g, f.k, N, seeds, level, s, start, streams));
    for (size_t i = 0; i < N; i++) {
        double before = 0, after = 0;

        for (size_t j = 0; j < d; j++) {
            sum[j] += (double)start[i * d + j] / N;
            z[j] = (double)start[i * d + j] - g->mean[j];
            before += z[j] * z[j];
        }
        pyr_gaussian_to(g, z, room);
        for (size_t j = 0; j < d; j++) {
            square[j] += z[j] * z[j] / N;
            after += z[j] * z[j];
        }
        CHECK_CLOSE(after, before, 1e-9 * before); /* the basis is orthonormal */
        if (i < SOME) {
            pyr_gaussian_from(g, z, room);
            for (size_t j = 0; j < d; j++)
                CHECK_CLOSE(z[j] + g->mean[j], start[i * d + j], 1e-5);
            /* whatever else is drawn with it */
            CHECK_OK(pyr_gaussian_draw(g, f.k, 1, seeds + i, level, s, alone, streams));
            CHECK(memcmp(alone, start + i * d, d * sizeof *alone) == 0);
        }
    }
    for (size_t j = 0; j < d; j++) {
        double v = g->variance[j] + s * s;

        CHECK_CLOSE(square[j], v, 5.5 * v * sqrt(2.0 / N));
        CHECK_CLOSE(sum[j], g->mean[j], 5.5 * sqrt((10 + s * s) / N)); /* local variances are below 10 */
    }
    pyr_free(square);
    pyr_free(sum);
    pyr_free(z);
    pyr_free(room);
    pyr_free(seeds);
    pyr_free(streams);
    pyr_free(start);
    pyr_free(alone);
    fixture_free(&f);
}

static void draws_of_a_small_level(void)
{
    check_draws(12, 2, 1);
}

static void draws_of_a_large_level(void)
{
    check_draws(24, 2, 0);
}

/* The exact denoiser of the fit: m + C (C + s^2)^-1 (x - m). */
typedef struct exact {
    const pyr_gaussian *g;
    double *z, *room;
    int n;
} exact;

static pyr_status denoise(void *ctx, const void *x, const double *s, void *out)
{
    exact *e = ctx;
    size_t d = e->g->size;

    for (size_t i = 0; i < (size_t)e->n; i++) {
        for (size_t j = 0; j < d; j++)
            e->z[j] = (double)((const float *)x)[i * d + j] - e->g->mean[j];
        pyr_gaussian_to(e->g, e->z, e->room);
        for (size_t j = 0; j < d; j++)
            e->z[j] *= e->g->variance[j] / (e->g->variance[j] + s[i] * s[i]);
        pyr_gaussian_from(e->g, e->z, e->room);
        for (size_t j = 0; j < d; j++)
            ((float *)out)[i * d + j] = (float)(e->z[j] + e->g->mean[j]);
    }
    return PYR_OK;
}

/* The probability flow of a Gaussian keeps each coefficient's quantile: from the fit with noise s_max,
 * however small, an accurate solver comes to the fit without noise of the same stream. */
static void flow_from_the_fit(void)
{
    enum { N = 3 };
    fixture f;

    fixture_new(&f, write_fields(12), 2, 1);
    analyze(&f);
    for (int index = 0; index < 2; index++) {
        const pyr_gaussian *g = &f.analysis.level[index].gaussian;
        size_t d = g->size;
        uint64_t seeds[N] = {5, 6, 1234567};
        uint32_t streams[N * PYR_STREAM_WORDS];
        float *x = pyr_calloc(N * d, sizeof *x), *end = pyr_calloc(N * d, sizeof *end);
        exact e = {g, numbers(d), numbers(d), N};
        pyr_sampler sampler = pyr_sampler_usual(PYR_HEUN, 60);
        pyr_schedule schedule = {
            .family = PYR_VE, .curve = PYR_CURVE_KARRAS, .s_min = 1e-4, .s_max = 1.5, .rho = 7, .scale = 1};
        pyr_sampling sampling = {.k = f.k,
                                 .n = N,
                                 .size = d,
                                 .seeds = seeds,
                                 .level = index,
                                 .denoise = denoise,
                                 .ctx = &e,
                                 .work = pyr_calloc(pyr_sampler_work(f.k, &sampler, N, d), 1),
                                 .start = x};

        CHECK_OK(pyr_gaussian_draw(g, f.k, N, seeds, index, 1.5, x, streams));
        CHECK_OK(pyr_gaussian_draw(g, f.k, N, seeds, index, 0, end, streams));
        CHECK_OK(pyr_sample(&sampling, &sampler, &schedule, x));
        for (size_t i = 0; i < N * d; i++)
            CHECK_CLOSE(x[i], end[i], 3e-3);
        pyr_free(sampling.work);
        pyr_free(e.z);
        pyr_free(e.room);
        pyr_free(x);
        pyr_free(end);
    }
    fixture_free(&f);
}

static void colours(void)
{
    fixture f;
    double total = 0, whole = 0;

    write_images();
    fixture_new(&f, below("data"), 2, 2);
    analyze(&f);
    const pyr_gaussian *g = &f.analysis.level[1].gaussian;

    CHECK(f.analysis.levels == 2 && g->shape.c == 3 && g->size == 4 * 3 * 3);
    for (size_t i = 0; i < g->size; i++) {
        total += g->variance[i] / (double)g->size;
        whole += g->mean[i] * g->mean[i] / (double)g->size;
    }
    CHECK_CLOSE(total + whole, 1, 1e-6); /* of what standardisation left */
    CHECK(isfinite(f.analysis.slope));
    CHECK_CLOSE(f.analysis.level[0].reference / pyr_level_side(&f.analysis.level[0].level) *
                    f.analysis.level[1].reference / pyr_level_side(&f.analysis.level[1].level),
                1, 1e-9); /* geometric mean of the shifts */
    fixture_free(&f);
    /* details of haar: three bands with scales of their own */
    fixture_new(&f, below("data"), 2, 1);
    set(&f, "pyramid.filter", "haar");
    analyze(&f);
    CHECK(f.analysis.level[0].level.facts.bands == 3 && f.analysis.level[0].gaussian.shape.c == 9);
    CHECK(f.analysis.level[0].farthest_z > 0);
    fixture_free(&f);
}

/* ---- files ------------------------------------------------------------------------------------- */

static void files(void)
{
    fixture f;
    pyr_gaussian back;
    const char *folder;

    fixture_new(&f, write_fields(24), 1, 1);
    analyze(&f);
    pyr_level level = f.analysis.level[0].level;
    const pyr_gaussian *g = &f.analysis.level[0].gaussian;

    folder = folder_of("fit");
    CHECK_FAILS(pyr_gaussian_read(&back, &level, folder, "RUN"), PYR_E_IO, "pyrdiff analyze --network RUN");
    CHECK_OK(pyr_gaussian_write(g, &level.facts, folder));
    CHECK_OK(pyr_gaussian_read(&back, &level, folder, "RUN"));
    CHECK(back.size == g->size && back.images == g->images && back.full == g->full);
    CHECK(memcmp(back.mean, g->mean, g->size * sizeof(double)) == 0);
    CHECK(memcmp(back.variance, g->variance, g->size * sizeof(double)) == 0);
    CHECK(memcmp(back.basis, g->basis, sizeof(double)) == 0);
    pyr_gaussian_free(&back);
    level.facts.std[0] *= 1.01;
    CHECK_FAILS(pyr_gaussian_read(&back, &level, folder, "RUN"), PYR_E_FORMAT, "another standardisation");
    level.facts = f.analysis.level[0].level.facts;
    level.variable.w = 12; /* files of another size */
    CHECK_FAILS(pyr_gaussian_read(&back, &level, folder, "RUN"), PYR_E_FORMAT, "should have");
    CHECK(!back.mean && !back.dct);
    fixture_free(&f);
}

/* ---- the block --------------------------------------------------------------------------------- */

static void block_reads_back(void)
{
    fixture f;

    write_images();
    fixture_new(&f, below("data"), 3, 1);
    analyze(&f);
    for (int reference = 0; reference < 2; reference++) {
        pyr_text block = {0};
        pyr_settings *settings = NULL;

        pyr_analysis_block(&f.analysis, reference, &block);
        CHECK_OK(pyr_settings_new(&settings, pyr_all_sections));
        CHECK_OK(pyr_settings_read_text(settings, block.at, "block"));
        CHECK(pyr_settings_highest_level(settings, NULL) == 2);
        for (int i = 0; i < 3; i++) {
            const pyr_level_analysis *l = &f.analysis.level[i];
            pyr_level_settings s;
            pyr_schedule schedule;

            pyr_settings_fill(settings, "level", i, &s);
            CHECK_OK(pyr_level_schedule(&schedule, &s, pyr_level_side(&l->level)));
            /* whatever the reference does, the ends are those suggested */
            CHECK_CLOSE(pyr_schedule_s(&schedule, pyr_schedule_t_max(&schedule)), l->sigma_max,
                        2e-3 * l->sigma_max);
            CHECK_CLOSE(pyr_schedule_s(&schedule, pyr_schedule_t_min(&schedule)), l->sigma_min,
                        2e-3 * l->sigma_min);
            CHECK((s.reference > 0) == reference);
        }
        pyr_settings_free(settings);
        pyr_text_free(&block);
    }
    fixture_free(&f);
}

/* ---- NCSNv2, run as published ------------------------------------------------------------------- */

/* One number, z = 0: D = 0. */
static pyr_status to_nothing(void *ctx, const void *x, const double *s, void *out)
{
    pyr_sampling *of = ctx;

    (void)x, (void)s;
    pyr_zero(of->k, out, (size_t)of->n * of->size * pyr_type_size(of->k->real));
    return PYR_OK;
}

/* The variance that annealed Langevin dynamics with these settings leaves of noise alone, in units of sigma_min^2. */
static double variance_left(const pyr_level_settings *set, double side)
{
    enum { VECTORS = 64, SIZE = 512 };
    static uint64_t seeds[VECTORS];
    static double x[VECTORS * SIZE];
    pyr_sampler sampler = set->sampler;
    pyr_sampling of = {.n = VECTORS, .size = SIZE, .seeds = seeds, .denoise = to_nothing, .ctx = &of};
    pyr_schedule schedule;
    double sum = 0, least;

    CHECK_OK(pyr_level_sampling_schedule(&schedule, set, side));
    CHECK_OK(pyr_kernels_open(&of.k, "ref-double", 1));
    CHECK_OK(pyr_alloc(of.k, &of.work, pyr_sampler_work(of.k, &sampler, VECTORS, SIZE), "work"));
    sampler.undenoised = true;
    for (int i = 0; i < VECTORS; i++)
        seeds[i] = (uint64_t)i;
    CHECK_OK(pyr_sample(&of, &sampler, &schedule, x));
    least = pyr_schedule_s(&schedule, pyr_schedule_t_min(&schedule));
    for (int i = 0; i < VECTORS * SIZE; i++)
        sum += x[i] * x[i] / (VECTORS * SIZE);
    pyr_release(of.k, of.work);
    pyr_kernels_free(of.k);
    return sum / (least * least);
}

/* The block says what the five techniques are, and the moves of a run that has it leave the variance of their equation 7. */
static void ncsn_block_runs_as_published(void)
{
    pyr_text block = {0};
    pyr_settings *settings = NULL;
    fixture f;

    write_images();
    fixture_new(&f, below("data"), 2, 1);
    analyze(&f);
    pyr_analysis_ncsn_block(&f.analysis, 5, &block);
    CHECK_OK(pyr_settings_new(&settings, pyr_all_sections));
    CHECK_OK(pyr_settings_read_text(settings, block.at, "block"));
    for (int i = 0; i < 2; i++) {
        const pyr_level_analysis *l = &f.analysis.level[i];
        double std = l->level.facts.std[0], ratio, v, side = pyr_level_side(&l->level);
        pyr_level_settings s;
        pyr_schedule training;
        pyr_noise noise;

        pyr_settings_fill(settings, "level", i, &s);
        CHECK_OK(pyr_level_schedule(&training, &s, side));
        CHECK_OK(pyr_level_training_noise(&noise, &s));
        CHECK(l->gamma > 1 && s.noise_times == l->noise_levels && s.sampler.steps == l->noise_levels);
        CHECK_CLOSE(pyr_schedule_s(&training, 1) * std, l->farthest.distance,
                    1e-4 * l->farthest.distance); /* 1 */
        CHECK_CLOSE(pyr_schedule_s(&training, 0) * std, 0.02, 1e-6);
        ratio = pow(l->farthest.distance / 0.02,
                    1.0 / (l->noise_levels - 1)); /* 2: of neighbours, at most gamma */
        CHECK(ratio <= l->gamma * (1 + 1e-9) && ratio > 1 + (l->gamma - 1) * 0.8);
        CHECK(!s.noise_input && s.prediction == PYR_PREDICT_EPSILON && s.family == PYR_VE); /* 3 */
        CHECK(s.sampler.kind == PYR_ANNEALED_LANGEVIN && s.sampler.langevin_steps == 5);
        CHECK_CLOSE(s.ema_momentum, 0.999, 1e-12); /* 5 */
        /* 4: alpha = epsilon sigma_i^2/sigma_L^2 of their move x + alpha score + sqrt(2 alpha) eps, e = epsilon/sigma_L^2 */
        v = pyr_ncsn_variance(l->e, 5, ratio);
        for (int j = 0; j < 200;
             j++) /* from level to level, as what is left of one is the start of the next */
            v = pow(1 - l->e, 10) * (v * ratio * ratio - 2 / (2 - l->e)) + 2 / (2 - l->e);
        CHECK_CLOSE(variance_left(&s, side) / v, 1, 4.5 * sqrt(2.0 / (64 * 512)));
    }
    pyr_settings_free(settings);
    pyr_text_free(&block);
    fixture_free(&f);
}

static void faults(void)
{
    fixture f;
    pyr_analysis_job job;

    write_images();
    fixture_new(&f, below("data"), 9, 1);
    CHECK_OK(pyr_config_get(&f.config, f.settings));
    job = job_of(&f);
    CHECK_FAILS(pyr_analyze(&f.analysis, &job), PYR_E_CONFIG, "levels");
    CHECK(f.analysis.levels == 0);
    fixture_free(&f);
    fixture_new(&f, below("nothing"), 1, 1);
    CHECK_OK(pyr_config_get(&f.config, f.settings));
    job = job_of(&f);
    CHECK_STATUS(pyr_analyze(&f.analysis, &job), PYR_E_IO);
    fixture_free(&f);
}

static void memory_runs_out(void)
{
    size_t blocks = pyr_mem().live_blocks;
    bool done = false;

    write_images();
    for (long n = 0; !done && n < 2000; n += n < 40 ? 1 : 37) {
        fixture f;

        fixture_new(&f, below("data"), 2, 1);
        CHECK_OK(pyr_config_get(&f.config, f.settings));
        pyr_analysis_job job = job_of(&f);
        pyr_mem_fail_after(n);
        pyr_status status = pyr_analyze(&f.analysis, &job);
        pyr_mem_fail_after(-1);
        CHECK(status == PYR_OK || status == PYR_E_NOMEM);
        done = status == PYR_OK;
        fixture_free(&f);
    }
    CHECK(done);
    CHECK(pyr_mem().live_blocks == blocks);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("analyze"))
        return 1;
    RUN(ncsn_golden);
    RUN(ncsn_published);
    RUN(ncsn_recursion);
    RUN(ncsn_few_dimensions);
    RUN(farthest_by_force);
    RUN(field_of_known_spectrum);
    RUN(white_field);
    RUN(field_of_known_covariance);
    RUN(mismatch_by_integration);
    RUN(draws_of_a_small_level);
    RUN(draws_of_a_large_level);
    RUN(flow_from_the_fit);
    RUN(colours);
    RUN(files);
    RUN(block_reads_back);
    RUN(ncsn_block_runs_as_published);
    RUN(faults);
    RUN(memory_runs_out);
    remove_all(temp);
    return CHECK_DONE();
}
