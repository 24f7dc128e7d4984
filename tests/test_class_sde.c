/* test_class_sde.c - the SDE with a drift and a diffusion for each class: its moments in closed form for one class, by
 * simulation for several; means and variances of the classes of a data set, one by one; how much nearer a class's own start
 * is; and the class's moments after the reversal, by the reverse SDE and by a sampler. */
#include "tests/check.h"
#include "tests/level_data.h"

#include "diffusion/sampler.h"
#include "levels/class_fit.h"
#include "toys/class_sde.h"

static double normal(uint32_t i, uint32_t step, uint32_t purpose)
{
    float four[4];

    pyr_normal4(17, 0, i, step, purpose, four);
    return (double)four[0];
}

/* ---- the forward process ------------------------------------------------------------------------- */

static const double means[3] = {-2, 0.5, 3};

static pyr_class_sde three(double w0, double w1, double w2)
{
    return (pyr_class_sde){.classes = 3,
                           .size = 1,
                           .weight = {w0, w1, w2},
                           .beta_min = {0.1, 0.5, 2},
                           .beta_max = {12, 5, 8},
                           .mean = means};
}

/* z_t = m + alpha (z - m) + sigma eps. */
static void one_class_alone(void)
{
    for (int j = 0; j < 3; j++) {
        pyr_class_sde sde = three(j == 0, j == 1, j == 2);

        for (int i = 0; i <= 10; i++) {
            double t = i / 10.0, z = 1.7, mean;
            double alpha = exp(-(sde.beta_min[j] * t + (sde.beta_max[j] - sde.beta_min[j]) * t * t / 2) / 2);
            pyr_class_kernel k = pyr_class_sde_kernel(&sde, t);

            CHECK_CLOSE(k.keep, alpha, 1e-9);
            CHECK_CLOSE(k.variance, 1 - alpha * alpha, 1e-9);
            pyr_class_sde_mean(&sde, &k, &z, &mean);
            CHECK_CLOSE(mean, means[j] + alpha * (z - means[j]), 1e-9);
        }
    }
}

enum { PATHS = 6000, STEPS = 400 };

static void moments(const double *z, double *mean, double *variance)
{
    *mean = *variance = 0;
    for (int i = 0; i < PATHS; i++)
        *mean += z[i] / PATHS;
    for (int i = 0; i < PATHS; i++)
        *variance += (z[i] - *mean) * (z[i] - *mean) / (PATHS - 1);
}

/* Euler and Maruyama's method, against the kernel. */
static void forward_as_simulated(void)
{
    pyr_class_sde sde = three(0.5, 0.3, 0.4);
    static double z[PATHS];
    double h = 1.0 / STEPS, mean, variance, wanted, from = 1.7;

    for (int i = 0; i < PATHS; i++)
        z[i] = from;
    for (int step = 0; step < STEPS; step++) {
        double t = (step + 0.5) * h, g = sqrt(pyr_class_sde_diffusion2(&sde, t) * h), f;

        for (int i = 0; i < PATHS; i++) {
            pyr_class_sde_drift(&sde, t, &z[i], &f);
            z[i] += f * h + g * normal((uint32_t)i, (uint32_t)step, 1);
        }
        if (step + 1 == STEPS / 4 || step + 1 == STEPS) {
            pyr_class_kernel k = pyr_class_sde_kernel(&sde, (step + 1) * h);

            moments(z, &mean, &variance);
            pyr_class_sde_mean(&sde, &k, &from, &wanted);
            CHECK_CLOSE(mean, wanted, 4 * sqrt(k.variance / PATHS) + 0.01);
            CHECK_CLOSE(variance, k.variance, (4 * sqrt(2.0 / PATHS) + 0.02) * k.variance);
        }
    }
}

/* dz = [f - G^2 grad log p_t(z | y)] dt + G dw back from where the process ends: mean and variance of class y. */
static void reversed(void)
{
    static double z[PATHS];

    for (int y = 0; y < 3; y++) {
        pyr_class_sde sde = y < 2 ? three(y == 0, y == 1, 0) : three(0.5, 0.3, 0.4);
        double own = means[y] + 0.3, spread = 0.2, h = 1.0 / STEPS, mean, variance, at, f;
        pyr_class_kernel end = pyr_class_sde_kernel(&sde, 1);

        pyr_class_sde_mean(&sde, &end, &own, &at);
        for (int i = 0; i < PATHS; i++)
            z[i] = at + sqrt(end.variance + end.keep * end.keep * spread) * normal((uint32_t)i, STEPS, 2);
        for (int step = STEPS - 1; step >= 0; step--) {
            double t = (step + 0.5) * h, g2 = pyr_class_sde_diffusion2(&sde, t);
            pyr_class_kernel k = pyr_class_sde_kernel(&sde, t);
            double v = k.keep * k.keep * spread + k.variance;

            pyr_class_sde_mean(&sde, &k, &own, &at);
            for (int i = 0; i < PATHS; i++) {
                pyr_class_sde_drift(&sde, t, &z[i], &f);
                z[i] -= (f + g2 * (z[i] - at) / v) * h;
                z[i] += sqrt(g2 * h) * normal((uint32_t)i, (uint32_t)step, 2);
            }
        }
        moments(z, &mean, &variance);
        CHECK_CLOSE(mean, own, 4 * sqrt(spread / PATHS) + 0.01);
        CHECK_CLOSE(variance, spread, (4 * sqrt(2.0 / PATHS) + 0.05) * spread);
    }
}

/* ---- the classes of a level ---------------------------------------------------------------------- */

enum { D = H * W * C, DRAWN = 200 };

typedef struct rig {
    pyr_kernels *k;
    pyr_pyramid *pyramid;
    pyr_dataset *data;
    pyr_feed feed;
    pyr_level level;
    pyr_gaussian g;
    pyr_class_fit f;
} rig;

static void rig_new(rig *r)
{
    pyr_pyramid_settings p = {.levels = 1, .filter = PYR_FILTER_BOX, .sigma = 1};
    pyr_level_settings s = settings_of();

    *r = (rig){0};
    CHECK_OK(pyr_kernels_open(&r->k, "ref-double", 2));
    r->data = open_data();
    CHECK_OK(pyr_pyramid_new(&r->pyramid, r->k, &p, H, W, C));
    CHECK_OK(pyr_feed_new(&r->feed, r->k, r->data, r->pyramid, 16, 2));
    CHECK_OK(pyr_level_init(&r->level, &s, r->pyramid, 0, 2, 1));
    CHECK_OK(pyr_level_measure(&r->level, &r->feed));
    CHECK_OK(pyr_gaussian_measure(&r->g, &r->level, &r->feed));
    CHECK_OK(pyr_class_fit_measure(&r->f, &r->level, &r->feed, &r->g));
}

static void rig_free(rig *r)
{
    pyr_class_fit_free(&r->f);
    pyr_gaussian_free(&r->g);
    pyr_feed_free(&r->feed);
    pyr_pyramid_free(r->pyramid);
    pyr_dataset_free(r->data);
    pyr_kernels_free(r->k);
}

/* Against sums over the pictures; the variances add up to those of the numbers, which no basis changes. */
static void classes_are_measured(const rig *r)
{
    const int32_t *labels = pyr_dataset_labels(r->data, PYR_SPLIT_TRAIN);
    int64_t n = pyr_dataset_count(r->data, PYR_SPLIT_TRAIN);

    CHECK(r->f.classes == 2 && r->f.size == D);
    for (int y = 0; y < 2; y++) {
        double mean[D] = {0}, total = 0, sum = 0, images = 0;

        for (int pass = 0; pass < 2; pass++)
            for (int64_t i = 0; i < n; i++) {
                float pixels[D];

                if (labels[i] != y)
                    continue;
                CHECK_OK(pyr_dataset_pixels(r->data, PYR_SPLIT_TRAIN, i, false, pixels));
                images += pass == 0;
                for (int j = 0; j < D; j++) {
                    double z = ((double)pixels[j] - r->level.facts.mean[0]) / r->level.facts.std[0];

                    if (pass == 0)
                        mean[j] += z;
                    else
                        total += (z - mean[j] / images) * (z - mean[j] / images) / images;
                }
            }
        CHECK(r->f.images[y] == images && images > 20);
        for (int j = 0; j < D; j++) {
            CHECK_CLOSE(r->f.mean[y * D + j], mean[j] / images, 1e-6);
            sum += r->f.variance[y * D + j];
        }
        CHECK_CLOSE(sum, total, 1e-5 * total);
    }
}

/* KL falls by |m_y - m|^2 / (2 (1 + s^2)); and is that of two normal distributions. */
static void the_own_start_is_nearer(const rig *r)
{
    for (int i = 0; i < 3; i++) {
        double s = (double[]){1, 5, 40}[i], prior = 1 + s * s, all = 0, gain = 0;

        for (int y = 0; y < 2; y++) {
            double square = 0, kl = 0;

            for (int j = 0; j < D; j++) {
                double d = r->f.mean[y * D + j] - r->f.centre[j], v = r->f.variance[y * D + j] + s * s;

                square += d * d;
                kl += (v / prior - 1 - log(v / prior)) / 2;
            }
            CHECK_CLOSE(pyr_class_fit_mismatch(&r->f, y, s, prior, true), kl, 1e-9 * (1 + kl));
            CHECK(square > 1);
            CHECK_CLOSE(pyr_class_fit_mismatch(&r->f, y, s, prior, false) -
                            pyr_class_fit_mismatch(&r->f, y, s, prior, true),
                        square / (2 * prior), 1e-9 * (1 + kl));
            gain += r->f.images[y] * square / (2 * prior);
            all += r->f.images[y];
        }
        CHECK_CLOSE(pyr_class_fit_gain(&r->f, prior), gain / all, 1e-12);
    }
}

/* Normal data of class y: D = m_y + v (x - m_y) / (v + s^2). */
typedef struct exact {
    const rig *r;
    int y;
    double v;
    double x[DRAWN * D];
} exact;

static pyr_status denoise(void *ctx, const void *x, const double *s, void *out)
{
    exact *e = ctx;

    PYR_TRY(pyr_download_reals(e->r->k, e->x, x, DRAWN * D));
    for (int i = 0; i < DRAWN * D; i++) {
        double m = e->r->f.mean[e->y * D + i % D], level = s[i / D];

        e->x[i] = m + e->v * (e->x[i] - m) / (e->v + level * level);
    }
    return pyr_upload_reals(e->r->k, out, e->x, DRAWN * D);
}

/* From too little noise (sigma_max 1.5): where does it arrive on the way from m (0) to m_y (1)? By the ODE, whose distances
 * from m_y shrink by sqrt(v / (v + S^2)), from the class's own start at 1, from N(0, 1 + s^2) short of it. */
static void after_the_reversal(const rig *r)
{
    static exact e;
    const double S = 1.5;
    pyr_schedule schedule = {
        .family = PYR_VP, .curve = PYR_CURVE_KARRAS, .s_min = 0.002, .s_max = S, .rho = 7, .scale = 1};
    pyr_sampler sampler = pyr_sampler_usual(PYR_HEUN, 60);
    uint64_t seeds[DRAWN];
    uint32_t rows[DRAWN];
    void *x, *work;

    e = (exact){.r = r, .y = 1, .v = 0.5};
    CHECK_OK(pyr_alloc(r->k, &x, sizeof e.x, "x"));
    CHECK_OK(pyr_alloc(r->k, &work, pyr_sampler_work(r->k, &sampler, DRAWN, D), "work"));
    for (int i = 0; i < DRAWN; i++) {
        seeds[i] = (uint64_t)i;
        rows[i] = 1;
    }
    for (int own = 0; own < 2; own++) {
        pyr_sampling sampling = {
            .k = r->k, .n = DRAWN, .size = D, .seeds = seeds, .denoise = denoise, .ctx = &e, .work = work};
        double along = 0, square = 0, variance = 0, shrink = sqrt(e.v / (e.v + S * S));
        double mean[D] = {0};

        if (own) {
            CHECK_OK(pyr_class_fit_draw(&r->f, r->k, DRAWN, seeds, 0, S, rows, x, work));
            sampling.start = x;
        }
        CHECK_OK(pyr_sample(&sampling, &sampler, &schedule, x));
        CHECK_OK(pyr_download_reals(r->k, e.x, x, DRAWN * D));
        for (int i = 0; i < DRAWN * D; i++)
            mean[i % D] += e.x[i] / DRAWN;
        for (int i = 0; i < DRAWN * D; i++)
            variance += (e.x[i] - mean[i % D]) * (e.x[i] - mean[i % D]) / ((DRAWN - 1) * D);
        for (int j = 0; j < D; j++) {
            double d = r->f.mean[D + j], from = own ? 0 : d; /* how far the start's mean is from m_y */

            along += (mean[j] - (d - from * shrink)) * d;
            square += d * d;
        }
        /* where its mean is to be, within what DRAWN draws know */
        CHECK_CLOSE(along / sqrt(square), 0, 4 * sqrt(e.v / DRAWN));
        CHECK(own || shrink * sqrt(square) > 8 * sqrt(e.v / DRAWN));
        CHECK_CLOSE(variance, e.v * (1 + S * S) / (e.v + S * S), 0.02);
    }
    pyr_release(r->k, x);
    pyr_release(r->k, work);
}

/* No class is the mean of all. */
static void starts_are_about_the_means(const rig *r)
{
    static double x[2][DRAWN * D], none[DRAWN * D];
    uint64_t seeds[DRAWN];
    uint32_t rows[DRAWN], *streams;
    void *at;

    CHECK_OK(pyr_alloc(r->k, &at, sizeof none, "x"));
    CHECK_OK(pyr_alloc(r->k, (void **)&streams, DRAWN * PYR_STREAM_WORDS * sizeof(uint32_t), "streams"));
    for (int i = 0; i < DRAWN; i++)
        seeds[i] = (uint64_t)i;
    for (int y = 0; y < 2; y++) {
        for (int i = 0; i < DRAWN; i++)
            rows[i] = (uint32_t)y;
        CHECK_OK(pyr_class_fit_draw(&r->f, r->k, DRAWN, seeds, 0, 3, rows, at, streams));
        CHECK_OK(pyr_download_reals(r->k, x[y], at, DRAWN * D));
    }
    CHECK_OK(pyr_class_fit_draw(&r->f, r->k, DRAWN, seeds, 0, 3, NULL, at, streams));
    CHECK_OK(pyr_download_reals(r->k, none, at, DRAWN * D));
    for (int i = 0; i < DRAWN * D; i++) {
        CHECK_CLOSE(x[1][i] - x[0][i], r->f.mean[D + i % D] - r->f.mean[i % D], 1e-12);
        CHECK_CLOSE(x[0][i] - none[i], r->f.mean[i % D] - r->f.centre[i % D], 1e-12);
    }
    pyr_release(r->k, at);
    pyr_release(r->k, streams);
}

static void files(rig *r)
{
    pyr_class_fit read;
    pyr_level level = r->level;

    CHECK_FAILS(pyr_class_fit_read(&read, &level, folder_of("none"), "RUN"), PYR_E_IO,
                "pyrdiff analyze --network RUN --level 0 measures it");
    CHECK_OK(pyr_class_fit_write(&r->f, &level.facts, folder_of("fit")));
    CHECK_OK(pyr_class_fit_read(&read, &level, below("fit"), "RUN"));
    CHECK(read.classes == 2 && memcmp(read.mean, r->f.mean, 2 * D * sizeof(double)) == 0 &&
          memcmp(read.variance, r->f.variance, 2 * D * sizeof(double)) == 0 &&
          memcmp(read.centre, r->f.centre, D * sizeof(double)) == 0);
    pyr_class_fit_free(&read);
    level.facts.std[0] *= 2;
    CHECK_FAILS(pyr_class_fit_read(&read, &level, below("fit"), "RUN"), PYR_E_FORMAT,
                "another standardisation");
}

static void of_a_data_set(void)
{
    rig r;

    write_images();
    rig_new(&r);
    classes_are_measured(&r);
    the_own_start_is_nearer(&r);
    starts_are_about_the_means(&r);
    after_the_reversal(&r);
    files(&r);
    rig_free(&r);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("classes"))
        return 1;
    RUN(one_class_alone);
    RUN(forward_as_simulated);
    RUN(reversed);
    RUN(of_a_data_set);
    temp_remove();
    return CHECK_DONE();
}
