/* test_mixture.c - mixtures of Gaussians: densities against formulas written out and integrals, scores
 * against differences, denoisers against quadrature, draws against moments. */
#include "tests/check.h"

#include "base/mem.h"
#include "diffusion/mixture.h"
#include "diffusion/sampler.h"
#include <stdlib.h>

static const double pi = 3.14159265358979323846;

enum { SIZE = 3, MODES = 3 };

/* Three modes in three dimensions: a full covariance, a ball, a flat one. */
static pyr_mixture *three(void)
{
    static const double mean[MODES][SIZE] = {{1, 0, -0.5}, {-1, 0.5, 0}, {0.2, -1, 1}};
    static const double full[SIZE * SIZE] = {0.5, 0.2, 0.1, 0.2, 0.4, -0.1, 0.1, -0.1, 0.3};
    static const double flat[SIZE * SIZE] = {0.3, 0, 0, 0, 0.02, 0, 0, 0, 0.6};
    pyr_mixture *m = NULL;

    CHECK_OK(pyr_mixture_new(&m, MODES, SIZE));
    CHECK_OK(pyr_mixture_gaussian(m, 0, 1, mean[0], full));
    CHECK_OK(pyr_mixture_isotropic(m, 1, 2, mean[1], 0.4));
    CHECK_OK(pyr_mixture_gaussian(m, 2, 0.5, mean[2], flat));
    return m;
}

/* Two points of one dimension with a spread. */
static pyr_mixture *pair(double w0, double w1, double apart, double std)
{
    pyr_mixture *m = NULL;

    CHECK_OK(pyr_mixture_new(&m, 2, 1));
    CHECK_OK(pyr_mixture_isotropic(m, 0, w0, (double[]){-apart / 2}, std));
    CHECK_OK(pyr_mixture_isotropic(m, 1, w1, (double[]){apart / 2}, std));
    return m;
}

/* ---- densities --------------------------------------------------------------------------------- */

/* N(0, [a b; b c]) written out */
static void one_gaussian(void)
{
    pyr_mixture *m = NULL;
    const double a = 2, b = 0.6, c = 0.5;

    CHECK_OK(pyr_mixture_new(&m, 1, 2));
    CHECK_CLOSE(pyr_mixture_log_density(m, (double[]){1, 2}, 0), -log(2 * pi) - 2.5, 1e-14);
    CHECK_OK(pyr_mixture_gaussian(m, 0, 7, (double[]){0.5, -1}, (double[]){a, b, b, c}));
    for (double s = 0; s < 3; s += 0.7)
        for (double x = -2; x <= 2; x += 0.5) {
            double y = 1 - x * x, p = a + s * s, q = c + s * s, det = p * q - b * b, u = x - 0.5, v = y + 1;
            double score[2], log_p = pyr_mixture_score(m, score, (double[]){x, y}, s);

            CHECK_CLOSE(log_p,
                        -log(2 * pi) - log(det) / 2 - (q * u * u - 2 * b * u * v + p * v * v) / (2 * det),
                        1e-12 * (1 + fabs(log_p)));
            CHECK_CLOSE(score[0], -(q * u - b * v) / det, 1e-12 * (1 + fabs(score[0])));
            CHECK_CLOSE(score[1], -(p * v - b * u) / det, 1e-12 * (1 + fabs(score[1])));
            CHECK_CLOSE(pyr_mixture_log_density(m, (double[]){x, y}, s), log_p, 1e-13 * (1 + fabs(log_p)));
        }
    pyr_mixture_free(m);
}

static void densities_integrate_to_one(void)
{
    pyr_mixture *m = NULL;
    const double h = 0.05;

    CHECK_OK(pyr_mixture_new(&m, 2, 2));
    CHECK_OK(pyr_mixture_isotropic(m, 0, 0.2, (double[]){-1, 1}, 0.3));
    CHECK_OK(pyr_mixture_gaussian(m, 1, 0.6, (double[]){1, 0}, (double[]){0.5, 0.3, 0.3, 0.4}));
    for (double s = 0; s < 1; s += 0.4) {
        double sum = 0;

        for (double x = -8; x <= 8; x += h)
            for (double y = -8; y <= 8; y += h)
                sum += h * h * exp(pyr_mixture_log_density(m, (double[]){x, y}, s));
        CHECK_CLOSE(sum, 1, 1e-9); /* of a smooth function that vanishes, sums converge at once */
    }
    CHECK_CLOSE(pyr_mixture_weight(m, 0), 0.25, 1e-15);
    CHECK_CLOSE(pyr_mixture_weight(m, 1), 0.75, 1e-15);
    pyr_mixture_free(m);
}

/* ---- scores and denoisers ---------------------------------------------------------------------- */

static void scores_are_gradients(void)
{
    pyr_mixture *m = three();
    const double h = 1e-5;

    for (int i = 0; i < 60; i++) {
        double x[SIZE], score[SIZE], d[SIZE], s = i % 4 * 0.5;

        for (int j = 0; j < SIZE; j++)
            x[j] = 1.5 * sin(1 + 3.7 * i + 1.3 * j);
        pyr_mixture_score(m, score, x, s);
        pyr_mixture_denoise(m, d, x, s);
        for (int j = 0; j < SIZE; j++) {
            double up[SIZE], down[SIZE], slope;

            memcpy(up, x, sizeof x);
            memcpy(down, x, sizeof x);
            up[j] += h;
            down[j] -= h;
            slope = (pyr_mixture_log_density(m, up, s) - pyr_mixture_log_density(m, down, s)) / (2 * h);
            CHECK_CLOSE(score[j], slope, 1e-7 * (1 + fabs(slope)));
            CHECK_CLOSE(d[j], x[j] + s * s * score[j], 1e-12 * (1 + s * s * fabs(score[j]))); /* Tweedie */
        }
    }
    pyr_mixture_free(m);
}

/* E[z | z + s eps = x] by the sum over z */
static void denoisers_are_posterior_means(void)
{
    pyr_mixture *m = pair(1, 3, 2, 0.3);

    for (double s = 0.05; s < 8; s *= 2)
        for (double x = -4; x <= 4; x += 0.8) {
            double above = 0, below = 0, d;

            for (double z = -5; z <= 5; z += 0.002) {
                double p = exp(pyr_mixture_log_density(m, &z, 0) - (x - z) * (x - z) / (2 * s * s));

                above += z * p;
                below += p;
            }
            pyr_mixture_denoise(m, &d, &x, s);
            CHECK_CLOSE(d, above / below, 1e-9);
        }
    pyr_mixture_free(m);
}

/* The mixture of a data set's points: D is their mean by softmax(-|x - z|^2 / 2 s^2). */
static void points(void)
{
    enum { N = 9 };
    pyr_mixture *m = NULL;
    double z[N][2], x[2] = {0.3, -0.2}, d[2], far = 0;

    CHECK_OK(pyr_mixture_new(&m, N, 2));
    for (int i = 0; i < N; i++) {
        z[i][0] = sin(3 * i);
        z[i][1] = cos(5 * i);
        CHECK_OK(pyr_mixture_isotropic(m, i, 1, z[i], 0));
    }
    for (double s = 0.3; s < 5; s *= 1.5) {
        double above[2] = {0}, below = 0;

        for (int i = 0; i < N; i++) {
            double w = exp(-(pow(x[0] - z[i][0], 2) + pow(x[1] - z[i][1], 2)) / (2 * s * s));

            below += w;
            for (int j = 0; j < 2; j++)
                above[j] += w * z[i][j];
        }
        pyr_mixture_denoise(m, d, x, s);
        CHECK_CLOSE(d[0], above[0] / below, 1e-13);
        CHECK_CLOSE(d[1], above[1] / below, 1e-13);
    }
    /* at almost no noise and anywhere, it is one of the points */
    x[0] = 40;
    x[1] = 30;
    pyr_mixture_denoise(m, d, x, 0.001);
    for (int i = 0, at = 0; i < N; i++) {
        double near = hypot(x[0] - z[i][0], x[1] - z[i][1]);

        if (i == 0 || near < far) {
            at = i;
            far = near;
        }
        if (i == N - 1) {
            CHECK_CLOSE(d[0], z[at][0], 1e-12);
            CHECK_CLOSE(d[1], z[at][1], 1e-12);
        }
    }
    pyr_mixture_free(m);
}

static void far_away(void)
{
    pyr_mixture *m = pair(1, 1, 2, 1e-3);
    double r[2], d, x = 1e4;

    /* log N(x; 1, 1e-6) and nothing of the other */
    CHECK_CLOSE(pyr_mixture_log_density(m, &x, 0), log(0.5) - log(2 * pi * 1e-6) / 2 - pow(1e4 - 1, 2) / 2e-6,
                1);
    CHECK(isfinite(pyr_mixture_score(m, &d, &x, 0)));
    CHECK_CLOSE(d * 1e-6, -(1e4 - 1), 1e-6);
    pyr_mixture_denoise(m, &d, &x, 0.01);
    CHECK_CLOSE(d, (1e-6 * 1e4 + 1e-4 * 1) / (1e-6 + 1e-4), 1e-8);
    pyr_mixture_responsibilities(m, r, &x, 0);
    CHECK(r[0] == 0 && r[1] == 1);
    pyr_mixture_free(m);
}

/* log odds of two modes of equal spread at -a/2, a/2: log(w1/w0) + a x / (v + s^2) */
static void responsibilities(void)
{
    pyr_mixture *m = pair(0.2, 0.8, 3, 0.5);

    for (double s = 0; s < 3; s += 0.5)
        for (double x = -2; x <= 2; x += 0.25) {
            double r[2], odds = 4 * exp(3 * x / (0.25 + s * s));

            CHECK_CLOSE(pyr_mixture_responsibilities(m, r, &x, s), pyr_mixture_log_density(m, &x, s), 1e-12);
            CHECK_CLOSE(r[0], 1 / (1 + odds), 1e-13);
            CHECK_CLOSE(r[1], odds / (1 + odds), 1e-13);
        }
    pyr_mixture_free(m);
}

/* ---- draws ------------------------------------------------------------------------------------- */

static void moments_of_two(void)
{
    pyr_mixture *m = pair(0.2, 0.8, 3, 0.5);
    double mean, covariance;

    pyr_mixture_moments(m, &mean, &covariance);
    CHECK_CLOSE(mean, -0.2 * 1.5 + 0.8 * 1.5, 1e-15);
    CHECK_CLOSE(covariance, 0.25 + 0.2 * 0.8 * 9, 1e-14);
    pyr_mixture_free(m);
}

static void draws_have_the_moments(void)
{
    enum { N = 40000 };
    pyr_mixture *m = three();
    double *z = pyr_calloc((size_t)N * SIZE, sizeof *z), w[MODES], count[MODES] = {0};
    double mean[SIZE], covariance[SIZE * SIZE], got[SIZE] = {0}, spread[SIZE * SIZE] = {0};
    int *mode = pyr_calloc(N, sizeof *mode);

    pyr_mixture_draw(m, z, mode, N, 11, 0);
    pyr_mixture_moments(m, mean, covariance);
    for (int i = 0; i < N; i++) {
        count[mode[i]]++;
        for (int j = 0; j < SIZE; j++)
            got[j] += z[i * SIZE + j] / N;
        for (int j = 0; j < SIZE * SIZE; j++)
            spread[j] +=
                (z[i * SIZE + j / SIZE] - mean[j / SIZE]) * (z[i * SIZE + j % SIZE] - mean[j % SIZE]) / N;
    }
    for (int j = 0; j < SIZE; j++)
        CHECK_CLOSE(got[j], mean[j], 5 * sqrt(covariance[j * SIZE + j] / N));
    for (int j = 0; j < SIZE * SIZE; j++) /* a covariance's standard error is below sqrt(3 v v' / N) */
        CHECK_CLOSE(spread[j], covariance[j],
                    5 * sqrt(3 * covariance[j / SIZE * (SIZE + 1)] * covariance[j % SIZE * (SIZE + 1)] / N));
    pyr_mixture_mode_weights(m, w, z, N, 0);
    for (int i = 0; i < MODES; i++) {
        CHECK_CLOSE(count[i] / N, pyr_mixture_weight(m, i), 5 * 0.5 / sqrt(N));
        CHECK_CLOSE(w[i], pyr_mixture_weight(m, i), 5 * 0.5 / sqrt(N));
    }
    pyr_free(mode);
    pyr_free(z);
    pyr_mixture_free(m);
}

static void draws_do_not_depend_on_others(void)
{
    pyr_mixture *m = three();
    double all[20][SIZE], some[7][SIZE], other[20][SIZE];

    pyr_mixture_draw(m, all[0], NULL, 20, 5, 100);
    pyr_mixture_draw(m, some[0], NULL, 7, 5, 106);
    pyr_mixture_draw(m, other[0], NULL, 20, 6, 100);
    CHECK(memcmp(all[6], some, sizeof some) == 0);
    for (int i = 0; i < 20; i++)
        CHECK(all[i][0] != other[i][0]);
    pyr_mixture_free(m);
}

/* ---- as a sampler's denoiser ------------------------------------------------------------------- */

static void the_callback_is_the_denoiser(void)
{
    static const char *const backends[] = {"ref-double", "ref", "cpu"};
    enum { N = 5 };

    for (int b = 0; b < 3; b++) {
        pyr_mixture *m = three();
        pyr_kernels *k = NULL;
        double z[N][SIZE], got[N][SIZE], d[SIZE], s[N] = {0.1, 2, 0.5, 30, 1};
        void *x = NULL, *out = NULL;

        CHECK_OK(pyr_kernels_open(&k, backends[b], 1));
        CHECK_OK(pyr_alloc(k, &x, sizeof z, "x"));
        CHECK_OK(pyr_alloc(k, &out, sizeof z, "out"));
        pyr_mixture_draw(m, z[0], NULL, N, 3, 0);
        CHECK_OK(pyr_upload_reals(k, x, z[0], N * SIZE));
        pyr_mixture_denoiser denoiser = {.m = m, .k = k, .n = N};
        CHECK_OK(pyr_mixture_denoise_vectors(&denoiser, x, s, out));
        CHECK(denoiser.calls == 1);
        CHECK_OK(pyr_download_reals(k, got[0], out, N * SIZE));
        for (int i = 0; i < N; i++) {
            pyr_mixture_denoise(m, d, z[i], s[i]);
            for (int j = 0; j < SIZE; j++)
                CHECK_CLOSE(got[i][j], d[j], k->real == PYR_F64 ? 1e-15 : 2e-6);
        }
        pyr_release(k, x);
        pyr_release(k, out);
        pyr_kernels_free(k);
        pyr_mixture_free(m);
    }
}

/* Both ways back from noise end with the true weights, means and variances of two modes far apart. */
static void samplers_find_the_mode_weights(void)
{
    enum { N = 4000 };
    pyr_mixture *m = pair(0.2, 0.8, 8, 0.5);
    const pyr_schedule c = {
        .family = PYR_VE, .curve = PYR_CURVE_KARRAS, .s_min = 0.01, .s_max = 100, .rho = 7, .scale = 1};
    const pyr_sampler samplers[] = {pyr_sampler_usual(PYR_HEUN, 40),
                                    pyr_sampler_usual(PYR_EULER_MARUYAMA, 400)};
    uint64_t *seeds = pyr_calloc(N, sizeof *seeds);
    double *x = pyr_calloc(N, sizeof *x), w[2];
    pyr_kernels *k = NULL;
    void *work = NULL, *at = NULL;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    CHECK_OK(pyr_alloc(k, &work, pyr_sampler_work(k, &samplers[0], N, 1), "work"));
    CHECK_OK(pyr_alloc(k, &at, N * sizeof(double), "x"));
    for (int i = 0; i < N; i++)
        seeds[i] = (uint64_t)i;
    for (int i = 0; i < 2; i++) {
        pyr_mixture_denoiser denoiser = {.m = m, .k = k, .n = N};
        double sum = 0, square = 0;
        int n = 0;

        CHECK_OK(pyr_sample(&(pyr_sampling){.k = k,
                                            .n = N,
                                            .size = 1,
                                            .seeds = seeds,
                                            .denoise = pyr_mixture_denoise_vectors,
                                            .ctx = &denoiser,
                                            .work = work},
                            &samplers[i], &c, at));
        CHECK(denoiser.calls == pyr_sampler_nfe(&samplers[i]));
        CHECK_OK(pyr_download_reals(k, x, at, N));
        pyr_mixture_mode_weights(m, w, x, N, 0);
        CHECK_CLOSE(w[0], 0.2, 5 * sqrt(0.2 * 0.8 / N));
        for (int j = 0; j < N; j++)
            if (x[j] > 0) {
                n++;
                sum += x[j];
                square += (x[j] - 4) * (x[j] - 4);
            }
        CHECK_CLOSE(sum / n, 4, 5 * 0.5 / sqrt(n));
        CHECK_CLOSE(square / n, 0.25, 0.03);
    }
    pyr_release(k, work);
    pyr_release(k, at);
    pyr_kernels_free(k);
    pyr_free(seeds);
    pyr_free(x);
    pyr_mixture_free(m);
}

/* ---- what is refused --------------------------------------------------------------------------- */

static void refused(void)
{
    pyr_mixture *m = NULL;
    const double zero[2] = {0, 0};

    CHECK_OK(pyr_mixture_new(&m, 2, 2));
    CHECK_FAILS(pyr_mixture_isotropic(m, 1, 0, zero, 1), PYR_E_ARG, "the weight of mode 1 is 0");
    CHECK_FAILS(pyr_mixture_isotropic(m, 1, 1, zero, -2), PYR_E_ARG, "deviation of mode 1 is -2");
    CHECK_FAILS(pyr_mixture_isotropic(m, 1, 1, (double[]){NAN, 0}, 1), PYR_E_ARG, "mean of mode 1");
    CHECK_FAILS(pyr_mixture_gaussian(m, 0, 1, zero, (double[]){1, 2, 2, 1}), PYR_E_ARG, "eigenvalue of -1");
    CHECK_FAILS(pyr_mixture_gaussian(m, 0, 1, zero, (double[]){1, 0, NAN, 1}), PYR_E_ARG, "not finite");
    CHECK_FAILS(pyr_mixture_gaussian(m, 0, -1, zero, (double[]){1, 0, 0, 1}), PYR_E_ARG, "weight of mode 0");
    /* singular ones are fine, and what was refused has changed nothing */
    CHECK_OK(pyr_mixture_gaussian(m, 0, 1, zero, (double[]){1, 1, 1, 1}));
    CHECK_CLOSE(m->variance[0], 0, 1e-15);
    CHECK_CLOSE(m->variance[1], 2, 1e-15);
    CHECK_CLOSE(pyr_mixture_weight(m, 0), 0.5, 0);
    pyr_mixture_free(m);
}

static void without_memory(void)
{
    pyr_status status = PYR_E_NOMEM;

    for (long n = 0; status != PYR_OK && n < 50; n++) {
        size_t before = pyr_mem().live_blocks;
        pyr_mixture *m = NULL;

        pyr_mem_fail_after(n);
        status = pyr_mixture_new(&m, 2, 2);
        if (status == PYR_OK)
            status = pyr_mixture_gaussian(m, 1, 1, (double[]){0, 0}, (double[]){1, 0, 0, 2});
        pyr_mem_fail_after(-1);
        CHECK(status == PYR_OK || status == PYR_E_NOMEM);
        pyr_mixture_free(m);
        CHECK(pyr_mem().live_blocks == before);
    }
    CHECK(status == PYR_OK);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(one_gaussian);
    RUN(densities_integrate_to_one);
    RUN(scores_are_gradients);
    RUN(denoisers_are_posterior_means);
    RUN(points);
    RUN(far_away);
    RUN(responsibilities);
    RUN(moments_of_two);
    RUN(draws_have_the_moments);
    RUN(draws_do_not_depend_on_others);
    RUN(the_callback_is_the_denoiser);
    RUN(samplers_find_the_mode_weights);
    RUN(refused);
    RUN(without_memory);
    return CHECK_DONE();
}
