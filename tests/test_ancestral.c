/* test_ancestral.c - the variances of ancestral sampling: on Gaussian data against recursions in closed form written in
 * DDPM's own alphas and betas, on other data against a simulation of the forward process; and the moments of a score
 * that the measured variances go by, of a network whose output is zero, in closed form. */
#include "tests/level_data.h"

#include "diffusion/sampler.h"
#include "levels/level_sample.h"

enum { VECTORS = 64, SIZE = 4096, STEPS = 6 };

static pyr_kernels *k;

/* Numbers of two kinds in turn, normals of variance v[0] and v[1]. */
typedef struct law {
    double v[2];
} law;

static pyr_status denoise(void *ctx, const void *x, const double *s, void *out)
{
    const law *data = ctx;

    for (size_t i = 0; i < (size_t)VECTORS * SIZE; i++) {
        double v = data->v[i % 2];

        ((double *)out)[i] = ((const double *)x)[i] * v / (v + *s * *s);
    }
    return PYR_OK;
}

/* E[(D - z)^2], and so s^2 - s^4 E[score^2], in the mean of numbers. */
static double left(void *ctx, double s)
{
    const law *data = ctx;
    double sum = 0;

    for (int i = 0; i < 2; i++)
        sum += data->v[i] * s * s / (data->v[i] + s * s) / 2;
    return sum;
}

static void draw(const law *data, const pyr_sampler *sampler, const pyr_schedule *schedule,
                 const double *start, pyr_after_step after, void *after_ctx, double *x)
{
    uint64_t seeds[VECTORS];
    pyr_sampling sampling = {.k = k,
                             .n = VECTORS,
                             .size = SIZE,
                             .seeds = seeds,
                             .denoise = denoise,
                             .ctx = (void *)(uintptr_t)data,
                             .left = left,
                             .left_ctx = (void *)(uintptr_t)data,
                             .start = start,
                             .after = after,
                             .after_ctx = after_ctx};

    for (int i = 0; i < VECTORS; i++)
        seeds[i] = (uint64_t)i + 7;
    CHECK_OK(pyr_new(&sampling.work, pyr_sampler_work(k, sampler, VECTORS, SIZE), 1, "work"));
    CHECK_OK(pyr_sample(&sampling, sampler, schedule, x));
    pyr_free(sampling.work);
}

static pyr_sampler ancestral(int variance, int steps)
{
    pyr_sampler s = pyr_sampler_usual(PYR_ANCESTRAL, steps);

    s.variance = variance;
    s.undenoised = true;
    s.start = PYR_START_UNIT;
    return s;
}

static double mean_square(const double *x, size_t first, size_t stride)
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = first; i < (size_t)VECTORS * SIZE; i += stride, n++)
        sum += x[i] * x[i];
    return sum / (double)n;
}

/* DDPM's chain on data N(0, v) in its own terms (Ho et al. 2020, equations 7 and 11): what the variance of z_t at the
 * lowest noise level comes to, and that of x = z_t / sqrt(abar) there. */
static double chain(const double *s, int steps, double v, int variance)
{
    double var = 1; /* start unit: 1 + s^2 of x, 1 of z_t */

    for (int i = 0; i + 1 < steps; i++) {
        double abar = 1 / (1 + s[i] * s[i]), before = 1 / (1 + s[i + 1] * s[i + 1]);
        double alpha = abar / before, beta = 1 - alpha, tilde = (1 - before) / (1 - abar) * beta;
        double x0 = sqrt(abar) * v / (abar * v + 1 - abar); /* E[z | z_t] of z_t */
        double of_x0 = sqrt(before) * beta / (1 - abar);
        double gain = of_x0 * x0 + sqrt(alpha) * (1 - before) / (1 - abar);
        double noise = variance == PYR_VARIANCE_FORWARD ? beta : tilde;

        /* Analytic-DPM, theorem 1, with Gamma = E[score^2] = 1 / (abar v + 1 - abar), lambda^2 = beta~ */
        if (variance >= PYR_VARIANCE_ANALYTIC)
            noise = tilde + pow(sqrt((1 - abar) / alpha) - sqrt(1 - before - tilde), 2) *
                                (1 - (1 - abar) / (abar * v + 1 - abar));
        var = gain * gain * var + noise;
    }
    return var * (1 + s[steps - 1] * s[steps - 1]);
}

/* 2^18 numbers: five standard errors of a variance are 1.4 percent. */
static void gaussian_data(void)
{
    static double x[VECTORS * SIZE];

    for (int i = 0; i < 3; i++) {
        law data = {{i == 0 ? 0.05 : i == 1 ? 1 : 3, i == 0 ? 0.05 : i == 1 ? 1 : 3}};
        pyr_schedule schedule = {
            .family = PYR_VP, .curve = PYR_CURVE_GEOMETRIC, .s_min = 0.1, .s_max = 100, .scale = 1};
        double s[STEPS + 1], w = data.v[0] + 0.1 * 0.1;

        pyr_sampler_grid(&schedule, STEPS, s);
        for (int variance = 0; pyr_variance_names[variance]; variance++) {
            pyr_sampler sampler = ancestral(variance, STEPS);
            double wanted = chain(s, STEPS, data.v[0], variance);

            draw(&data, &sampler, &schedule, NULL, NULL, NULL, x);
            CHECK_CLOSE(mean_square(x, 0, 1) / wanted, 1, 0.014);
            if (variance >= PYR_VARIANCE_ANALYTIC) /* right after any number of steps */
                CHECK_CLOSE(wanted / w, 1, i == 1 ? 1e-9 : 1e-3);
        }
        /* too little and too much; the forward step's is right for N(0, 1) */
        CHECK(chain(s, STEPS, data.v[0], PYR_VARIANCE_POSTERIOR) < 0.97 * w);
        CHECK_CLOSE(chain(s, STEPS, 1, PYR_VARIANCE_FORWARD), 1.01, 1e-9);
    }
}

typedef struct first_step {
    double *x, *d;
    double s;
} first_step;

static pyr_status keep_first(void *ctx, int step, double s, void *x, const void *denoised)
{
    first_step *f = ctx;

    if (step == 0) {
        memcpy(f->x, x, (size_t)VECTORS * SIZE * sizeof(double));
        memcpy(f->d, denoised, (size_t)VECTORS * SIZE * sizeof(double));
        f->s = s;
    }
    return PYR_OK;
}

/* Of data with two variances: one step's variance is the mean square distance of the true x_r from the sampler's mean,
 * x_r and x_s drawn by the forward process - the variance that maximises the likelihood of x_r. Of any family; and of
 * the others it is not. */
static void best_of_one_step(void)
{
    static double x[VECTORS * SIZE], start[VECTORS * SIZE], at_r[VECTORS * SIZE], stepped[VECTORS * SIZE],
        d[VECTORS * SIZE];
    const law data = {{0.02, 2}};
    const size_t count = (size_t)VECTORS * SIZE;

    for (int family = 0; pyr_family_names[family]; family++) {
        pyr_schedule schedule = {
            .family = (pyr_family)family, .curve = PYR_CURVE_GEOMETRIC, .s_min = 0.1, .s_max = 2, .scale = 1};
        double s = 2, r = 0.1, wanted = 0;

        for (size_t q = 0; q < count; q += 4) {
            float z[4], a[4], b[4];

            pyr_normal4(1, (uint32_t)q, 0, 0, PYR_RNG_TASK, z);
            pyr_normal4(1, (uint32_t)q, 1, 0, PYR_RNG_TASK, a);
            pyr_normal4(1, (uint32_t)q, 2, 0, PYR_RNG_TASK, b);
            for (size_t j = 0; j < 4; j++) {
                at_r[q + j] = sqrt(data.v[j % 2]) * (double)z[j] + r * (double)a[j];
                start[q + j] = at_r[q + j] + sqrt(s * s - r * r) * (double)b[j];
            }
        }
        for (int variance = 0; pyr_variance_names[variance]; variance++) {
            pyr_sampler sampler = ancestral(variance, 2);
            first_step f = {stepped, d, 0};
            double kept = r * r / (s * s), noise;

            draw(&data, &sampler, &schedule, start, keep_first, &f, x);
            CHECK_CLOSE(f.s, r, 1e-12);
            for (size_t i = 0; i < count; i++) {
                double mean = d[i] + kept * (start[i] - d[i]);

                stepped[i] -= mean;
                x[i] = at_r[i] - mean;
            }
            noise = mean_square(stepped, 0, 1);
            wanted = mean_square(x, 0, 1);
            if (variance >= PYR_VARIANCE_ANALYTIC)
                CHECK_CLOSE(noise / wanted, 1, 0.02);
            else
                CHECK(fabs(noise / wanted - 1) > 0.05);
        }
    }
}

/* A measured variance without a measurement is refused; the words say which it is. */
static void settings(void)
{
    pyr_schedule schedule = {
        .family = PYR_VE, .curve = PYR_CURVE_GEOMETRIC, .s_min = 0.1, .s_max = 10, .scale = 1};
    pyr_sampler sampler = ancestral(PYR_VARIANCE_OPTIMAL, 4);
    char words[100];
    double x[4];
    uint64_t seed = 1;
    pyr_sampling sampling = {.k = k, .n = 1, .size = 4, .seeds = &seed, .denoise = denoise};

    CHECK_FAILS(pyr_sample(&sampling, &sampler, &schedule, x), PYR_E_CONFIG, "sampler.variance is optimal");
    pyr_sampler_words(words, sizeof words, &sampler);
    CHECK_STRING(words, "ancestral 4 variance optimal undenoised");
    CHECK(pyr_sampler_measured(&sampler));
    sampler.kind = PYR_DDIM;
    CHECK(!pyr_sampler_measured(&sampler));
    sampler.kind = PYR_PREDICTOR_CORRECTOR;
    CHECK(pyr_sampler_measured(&sampler));
    sampler.variance = PYR_VARIANCE_FORWARD;
    CHECK(!pyr_sampler_measured(&sampler));
}

/* ---- measuring --------------------------------------------------------------------------------- */

/* A network whose weights are all zero gives F = 0, D = x/(1 + s^2), the denoiser of N(0, 1). The level is
 * standardised, E[z^2] = 1: both the mean square score times s^2 and the mean square error are s^2/(1 + s^2). */
static void moments_of_a_zero_network(void)
{
    pyr_dataset *data;
    pyr_pyramid *pyramid = NULL;
    pyr_level_settings s = settings_of();
    pyr_pyramid_settings split = {.levels = 1, .filter = PYR_FILTER_BOX, .sigma = 1};
    pyr_score_moments one = {0}, many = {0}, back;
    const char *folder;

    write_images();
    data = open_data();
    s.classes = true;
    for (int lanes = 1; lanes <= 2; lanes++) {
        pyr_score_moments *out = lanes == 1 ? &one : &many;
        pyr_kernels *cpu = NULL;
        pyr_feed feed = {0};
        pyr_level level;
        pyr_params params = {0};
        pyr_denoiser denoiser = {0};
        void *block = NULL;

        CHECK_OK(pyr_kernels_ref(&cpu, PYR_F64, lanes));
        CHECK_OK(pyr_pyramid_new(&pyramid, cpu, &split, H, W, C));
        CHECK_OK(pyr_feed_new(&feed, cpu, data, pyramid, 7, lanes));
        CHECK_OK(
            pyr_level_init(&level, &s, pyramid, 0, pyr_dataset_classes(data), pyr_dataset_fingerprint(data)));
        level.precision = PYR_PRECISION_FULL;
        CHECK_OK(pyr_level_measure(&level, &feed));
        CHECK_OK(pyr_denoiser_new(&denoiser, cpu, &params, &level, 8, PYR_GRADIENT_NONE));
        CHECK_OK(pyr_alloc(cpu, &block, params.count * pyr_type_size(cpu->real), "weights"));
        CHECK_OK(pyr_denoiser_pack(&denoiser, block));
        CHECK_OK(pyr_score_moments_measure(out, &denoiser, &feed, 0.01, 50, 1000, 77));
        CHECK(out->images == IMAGES - HELD_OUT && out->n == PYR_MOMENT_LEVELS);
        CHECK_CLOSE(out->s[0], 0.01, 1e-12);
        CHECK_CLOSE(out->s[out->n - 1], 50, 1e-9);
        for (int i = 0; i < out->n; i++) { /* of 8640 numbers of noise at each level */
            double q = out->s[i] * out->s[i], wanted = q / (1 + q);

            CHECK_CLOSE(out->score[i] / wanted, 1, 0.1);
            CHECK_CLOSE(out->error[i] / wanted, 1, 0.1);
        }
        for (double sigma = 0.005; sigma < 90; sigma *= 1.3) { /* beyond the ends, too */
            double q = sigma * sigma, wanted = q / (1 + q);

            CHECK_CLOSE(pyr_score_moments_left(out, false, sigma) / wanted, 1, 0.1);
            CHECK_CLOSE(pyr_score_moments_left(out, true, sigma) / wanted, 1, 0.1);
        }
        if (lanes == 2) {
            folder = folder_of("moments");
            CHECK_FAILS(pyr_score_moments_read(&back, &level, 77, folder, "RUN"), PYR_E_IO,
                        "pyrdiff analyze --network RUN --level 0 --variance 256");
            CHECK_OK(pyr_score_moments_write(out, &level.facts, folder));
            CHECK_OK(pyr_score_moments_read(&back, &level, 77, folder, "RUN"));
            CHECK(memcmp(&back, out, sizeof back) == 0);
            CHECK_FAILS(pyr_score_moments_read(&back, &level, 78, folder, "RUN"), PYR_E_FORMAT,
                        "measured with other weights");
        }
        pyr_denoiser_free(&denoiser);
        pyr_params_free(&params);
        pyr_release(cpu, block);
        pyr_feed_free(&feed);
        pyr_pyramid_free(pyramid);
        pyr_kernels_free(cpu);
    }
    CHECK(memcmp(&one, &many, sizeof one) == 0);
    pyr_dataset_free(data);
}

/* Errors of a network do not lead out of the bounds: 0, s^2 and the variance of the data. */
static void bounds(void)
{
    pyr_score_moments m = {.n = 3, .s = {0.1, 1, 10}, .score = {1.2, 0.5, 0.2}, .error = {0.02, 0.4, 3}};

    CHECK(pyr_score_moments_left(&m, false, 0.1) > 0 && pyr_score_moments_left(&m, false, 0.1) < 1e-9);
    CHECK_CLOSE(pyr_score_moments_left(&m, true, 0.1), 0.01, 1e-12);
    CHECK_CLOSE(pyr_score_moments_left(&m, false, 10), 1, 1e-12);
    CHECK_CLOSE(pyr_score_moments_left(&m, true, 10), 1, 1e-12);
    CHECK_CLOSE(pyr_score_moments_left(&m, true, 1), 0.4, 1e-12);
    /* a power of s in between */
    CHECK_CLOSE(pyr_score_moments_left(&m, true, sqrt(0.1)), sqrt(0.01 * 0.4), 1e-12);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("ancestral") || pyr_kernels_ref(&k, PYR_F64, 1) != PYR_OK)
        return 1;
    RUN(gaussian_data);
    RUN(best_of_one_step);
    RUN(settings);
    RUN(moments_of_a_zero_network);
    RUN(bounds);
    pyr_kernels_free(k);
    remove_all(temp);
    return CHECK_DONE();
}
