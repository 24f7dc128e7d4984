/* test_noise_classifier.c - classifiers of noised images and what they do to a denoiser: gradients against differences in
 * double; what is guided, image by image; rescaled guidance against its formula; files; and on normal images whose class is
 * the sign of their sum with noise: a trained classifier against p(y | x, s) in closed form, and the class's mean and
 * variance of what is drawn with an exact denoiser that knows no classes. */
#include "tests/backends.h"
#include "tests/noise_classifier_file.h"

#include "cascade/model.h"
#include "features/noise_training.h"
#include "levels/denoiser.h"
#include "training/train_run.h"

enum { BATCH = 3, CLASSES = 4 };
static const double noise_levels[BATCH] = {0.05, 0.9, 12};
static const uint32_t rows[BATCH] = {1, 3, 0};

static void some(double *dst, size_t n, uint32_t stream, double scale)
{
    for (size_t i = 0; i < n; i++) {
        float four[4];

        pyr_normal4(3, (uint32_t)(i / 4), stream, 0, 1, four);
        dst[i] = scale * (double)four[i % 4];
    }
}

/* ---- random weights ------------------------------------------------------------------------------ */

typedef struct world {
    pyr_kernels *k;
    pyr_pyramid *pyramid;
    pyr_level level;
    pyr_noise_classifier c;
    size_t n;
    void *x, *v, *condition;
} world;

/* 8x6 in colour, or 20x18 grey, where the network takes patches; with and without a condition. */
static bool world_open(world *w, const char *backend, int variant)
{
    pyr_pyramid_settings p = {.levels = 2, .filter = PYR_FILTER_BOX, .sigma = 1};
    pyr_level_settings s = settings_of();
    const char *folder = folder_of("random");
    size_t real;
    double *host;

    *w = (world){0};
    CHECK_OK(open_backend(&w->k, backend, 2));
    if (!w->k)
        return false;
    real = pyr_type_size(w->k->real);
    s.classifier_scale = 2;
    s.condition = variant == 2 ? PYR_CONDITION_NONE : PYR_CONDITION_COARSE;
    CHECK_OK(pyr_pyramid_new(&w->pyramid, w->k, &p, variant ? 20 : H, variant ? 18 : W, variant ? 1 : C));
    CHECK_OK(pyr_level_init(&w->level, &s, w->pyramid, 0, 0, 1));
    w->level.facts.std[0] = 0.4;
    w->level.facts.condition_std = 0.7;
    write_classifier(folder, w->k, &w->level, CLASSES);
    CHECK_OK(pyr_noise_classifier_new(&w->c, w->k, &w->level, folder, "run", BATCH));
    w->n = pyr_count(w->level.variable);
    CHECK_OK(pyr_alloc(w->k, &w->x, BATCH * w->n * real, "x"));
    CHECK_OK(pyr_alloc(w->k, &w->v, BATCH * w->n * real, "v"));
    CHECK_OK(pyr_alloc(w->k, &w->condition, BATCH * w->n * real, "condition"));
    host = numbers(BATCH * w->n);
    some(host, BATCH * pyr_count(w->level.condition), 4, 0.6);
    CHECK_OK(pyr_upload_reals(w->k, w->condition, host, BATCH * pyr_count(w->level.condition)));
    pyr_free(host);
    return true;
}

static void world_close(world *w)
{
    if (!w->k)
        return;
    pyr_noise_classifier_free(&w->c);
    pyr_release(w->k, w->x);
    pyr_release(w->k, w->v);
    pyr_release(w->k, w->condition);
    pyr_pyramid_free(w->pyramid);
    pyr_kernels_free(w->k);
}

/* At x + shift u: log p of all classes, the gradient, and the second derivative along v; each NULL: not wanted. */
static void call(world *w, int lane, double shift, double *log_p, double *gradient, double *curve)
{
    size_t all = BATCH * w->n;
    double *x = numbers(all), *u = numbers(all);
    const double ones[BATCH] = {1, 1, 1};

    some(x, all, 1, 1);
    some(u, all, 2, 1);
    for (size_t i = 0; i < all; i++)
        x[i] = x[i] * (1 + noise_levels[i / w->n]) + shift * u[i];
    CHECK_OK(pyr_upload_reals(w->k, w->x, x, all));
    CHECK_OK(pyr_noise_classifier_begin(&w->c, lane, BATCH, rows, w->condition));
    if (log_p)
        CHECK_OK(pyr_noise_classifier_log_p(&w->c, lane, BATCH, w->x, noise_levels, log_p));
    CHECK_OK(pyr_noise_classifier_gradient(&w->c, lane, BATCH, w->x, noise_levels));
    if (gradient) {
        memset(gradient, 0, all * sizeof *gradient);
        CHECK_OK(pyr_upload_reals(w->k, w->v, gradient, all));
        pyr_noise_classifier_add(&w->c, lane, BATCH, ones, w->v);
        CHECK_OK(pyr_download_reals(w->k, gradient, w->v, all));
    }
    if (curve) {
        some(u, all, 3, 1);
        CHECK_OK(pyr_upload_reals(w->k, w->v, u, all));
        CHECK_OK(pyr_noise_classifier_curve(&w->c, lane, BATCH, w->v));
        memset(u, 0, all * sizeof *u);
        CHECK_OK(pyr_upload_reals(w->k, w->v, u, all));
        pyr_noise_classifier_add_curve(&w->c, lane, BATCH, ones, w->v);
        CHECK_OK(pyr_download_reals(w->k, curve, w->v, all));
    }
    pyr_free(x);
    pyr_free(u);
}

/* u . grad log p, and u . H v, by central differences along u. */
static void gradients_are_those_of_log_p(void)
{
    const double h = 1e-5;

    for (int variant = 0; variant < 3; variant++) {
        double up[BATCH * CLASSES], down[BATCH * CLASSES], here[BATCH * CLASSES], *g, *hv, *g_up, *g_down, *u,
            *v;
        world w;

        CHECK(world_open(&w, "ref-double", variant));
        g = numbers(BATCH * w.n);
        hv = numbers(BATCH * w.n);
        g_up = numbers(BATCH * w.n);
        g_down = numbers(BATCH * w.n);
        u = numbers(BATCH * w.n);
        v = numbers(BATCH * w.n);
        some(u, BATCH * w.n, 2, 1);
        some(v, BATCH * w.n, 3, 1);
        call(&w, 0, 0, here, g, hv);
        call(&w, 1, h, up, g_up, NULL);
        call(&w, 1, -h, down, g_down, NULL);
        for (int i = 0; i < BATCH; i++) {
            double sum = 0, slope = 0, bend = 0, by_difference = 0;
            int at = i * CLASSES + (int)rows[i];

            for (int j = 0; j < CLASSES; j++)
                sum += exp(here[i * CLASSES + j]);
            CHECK_CLOSE(sum, 1, 1e-12);
            for (size_t j = (size_t)i * w.n; j < (size_t)(i + 1) * w.n; j++) {
                slope += u[j] * g[j];
                bend += u[j] * hv[j];
                by_difference += v[j] * (g_up[j] - g_down[j]) / (2 * h);
            }
            CHECK(fabs(slope) > 1e-4);
            CHECK_CLOSE(slope, (up[at] - down[at]) / (2 * h), 1e-7 * (1 + fabs(slope)));
            CHECK_CLOSE(bend, by_difference, 2e-5 * (1e-2 + fabs(by_difference)));
        }
        pyr_free(g);
        pyr_free(hv);
        pyr_free(g_up);
        pyr_free(g_down);
        pyr_free(u);
        pyr_free(v);
        world_close(&w);
    }
}

static void backends_agree(void)
{
    static const char *const others[] = {"ref", "cpu", "cuda"};

    for (int variant = 0; variant < 3; variant++) {
        double exact[BATCH * CLASSES], got[BATCH * CLASSES], *g, *got_g;
        world w;

        CHECK(world_open(&w, "ref-double", variant));
        g = numbers(BATCH * w.n);
        got_g = numbers(BATCH * w.n);
        call(&w, 0, 0, exact, g, NULL);
        world_close(&w);
        for (size_t b = 0; b < sizeof others / sizeof *others; b++) {
            world other;

            if (!world_open(&other, others[b], variant))
                continue;
            call(&other, 1, 0, got, got_g, NULL);
            near(others[b], got, exact, BATCH * CLASSES, 1e-4);
            near(others[b], got_g, g, BATCH * other.n, 1e-4);
            world_close(&other);
        }
        pyr_free(g);
        pyr_free(got_g);
    }
}

/* ---- files --------------------------------------------------------------------------------------- */

static void files_are_checked(void)
{
    pyr_noise_classifier c;
    world w;
    char path[200];

    CHECK(world_open(&w, "ref", 0));
    CHECK_FAILS(pyr_noise_classifier_new(&c, w.k, &w.level, folder_of("empty"), "RUN", BATCH), PYR_E_IO,
                "pyrdiff classifier --noise --network RUN --level 0 trains it");
    pyr_noise_classifier_free(&c);
    w.level.facts.std[0] *= 1.01;
    CHECK_FAILS(pyr_noise_classifier_new(&c, w.k, &w.level, below("random"), "RUN", BATCH), PYR_E_FORMAT,
                "another standardisation");
    pyr_noise_classifier_free(&c);
    w.level.facts.std[0] /= 1.01;
    w.level.facts.std[0] = 0.4;
    snprintf(path, sizeof path, "%s/" PYR_NOISE_CLASSIFIER_NAME, folder_of("plain"));
    CHECK_OK(pyr_safetensors_write(path, NULL, 0, NULL, 0));
    CHECK_FAILS(pyr_noise_classifier_new(&c, w.k, &w.level, below("plain"), "RUN", BATCH), PYR_E_FORMAT,
                "no classifier of noised images");
    pyr_noise_classifier_free(&c);
    world_close(&w);
}

/* ---- in a denoiser ------------------------------------------------------------------------------- */

/* A level of random weights on 8x6 images; D at noise_levels for classes `rows` (with_rows) into d. */
static void denoise(pyr_level_settings s, bool classifier, bool with_rows, double *x, double *d)
{
    pyr_pyramid_settings p = {.levels = 1, .filter = PYR_FILTER_BOX, .sigma = 1};
    pyr_denoiser denoiser;
    pyr_params params = {0};
    pyr_level level;
    world w = {0};
    void *block, *at;
    size_t n;

    CHECK_OK(open_backend(&w.k, "ref-double", 1));
    CHECK_OK(pyr_pyramid_new(&w.pyramid, w.k, &p, H, W, C));
    CHECK_OK(pyr_level_init(&level, &s, w.pyramid, 0, CLASSES, 1));
    level.facts.std[0] = 0.5;
    n = pyr_count(level.variable);
    CHECK_OK(pyr_denoiser_new(&denoiser, w.k, &params, &level, BATCH, PYR_GRADIENT_NONE));
    CHECK_OK(pyr_alloc(w.k, &block, params.count * sizeof(double), "weights"));
    {
        double *values = numbers(params.count);

        some(values, params.count, 6, 0.2);
        CHECK_OK(pyr_upload_reals(w.k, block, values, params.count));
        pyr_free(values);
    }
    CHECK_OK(pyr_denoiser_pack(&denoiser, block));
    if (classifier) {
        const char *folder = folder_of("denoiser");

        write_classifier(folder, w.k, &level, CLASSES);
        CHECK_OK(pyr_noise_classifier_new(&w.c, w.k, &level, folder, "run", BATCH));
        denoiser.classifier = &w.c;
        CHECK(!pyr_denoiser_recordable(&denoiser));
    }
    CHECK_OK(pyr_alloc(w.k, &at, BATCH * n * sizeof(double), "x"));
    some(x, BATCH * n, 1, 1);
    for (size_t i = 0; i < BATCH * n; i++)
        x[i] *= 1 + noise_levels[i / n];
    CHECK_OK(pyr_upload_reals(w.k, at, x, BATCH * n));
    {
        pyr_denoising call = {.denoiser = &denoiser, .n = BATCH, .rows = with_rows ? rows : NULL};

        CHECK_OK(pyr_denoiser_begin(&call));
        CHECK_OK(pyr_denoiser_call(&call, at, noise_levels, at)); /* in place */
    }
    CHECK_OK(pyr_download_reals(w.k, d, at, BATCH * n));
    pyr_release(w.k, at);
    pyr_release(w.k, block);
    pyr_denoiser_free(&denoiser);
    pyr_params_free(&params);
    pyr_noise_classifier_free(&w.c);
    pyr_pyramid_free(w.pyramid);
    pyr_kernels_free(w.k);
}

enum { N = H * W * C };

/* D' - D = G s^2 grad, where the interval has s; nothing without a class, and twice as much for twice the scale. */
static void what_a_denoiser_gains(void)
{
    static double x[BATCH * N], plain[BATCH * N], one[BATCH * N], two[BATCH * N], none[BATCH * N],
        only[BATCH * N];
    pyr_level_settings s = settings_of();
    const double ones[BATCH] = {1, 1, 1};
    world w = {0};

    denoise(s, false, true, x, plain);
    s.classifier_scale = 1;
    denoise(s, true, true, x, one);
    denoise(s, true, false, x, none);
    s.classifier_scale = 2;
    denoise(s, true, true, x, two);
    s.guidance_min = 0.5;
    s.guidance_max = 2;
    denoise(s, true, true, x, only);
    CHECK(memcmp(none, plain, sizeof plain) == 0);
    for (int i = 0; i < BATCH * N; i++) {
        CHECK_CLOSE(two[i] - plain[i], 2 * (one[i] - plain[i]), 1e-12);
        CHECK(only[i] == (i / N == 1 ? two[i] : plain[i]));
    }
    { /* and that is the gradient of the classifier itself, which the cases above have checked */
        pyr_pyramid_settings p = {.levels = 1, .filter = PYR_FILTER_BOX, .sigma = 1};
        static double g[BATCH * N];

        CHECK_OK(open_backend(&w.k, "ref-double", 1));
        CHECK_OK(pyr_pyramid_new(&w.pyramid, w.k, &p, H, W, C));
        CHECK_OK(pyr_level_init(&w.level, &s, w.pyramid, 0, 0, 1));
        w.level.facts.std[0] = 0.5;
        CHECK_OK(pyr_noise_classifier_new(&w.c, w.k, &w.level, below("denoiser"), "run", BATCH));
        CHECK_OK(pyr_alloc(w.k, &w.x, sizeof x, "x"));
        CHECK_OK(pyr_alloc(w.k, &w.v, sizeof x, "v"));
        CHECK_OK(pyr_upload_reals(w.k, w.x, x, BATCH * N));
        CHECK_OK(pyr_noise_classifier_begin(&w.c, 0, BATCH, rows, NULL));
        CHECK_OK(pyr_noise_classifier_gradient(&w.c, 0, BATCH, w.x, noise_levels));
        CHECK_OK(pyr_upload_reals(w.k, w.v, g, BATCH * N));
        pyr_noise_classifier_add(&w.c, 0, BATCH, ones, w.v);
        CHECK_OK(pyr_download_reals(w.k, g, w.v, BATCH * N));
        for (int i = 0; i < BATCH * N; i++)
            CHECK_CLOSE(one[i] - plain[i], noise_levels[i / N] * noise_levels[i / N] * g[i], 1e-11);
    }
    world_close(&w);
}

static double deviation(const double *x, int n)
{
    double mean = 0, square = 0;

    for (int i = 0; i < n; i++)
        mean += x[i] / n;
    for (int i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean) / n;
    return sqrt(square);
}

/* F = (D - x / (1 + s^2)) sqrt(1 + s^2) / s of each image. */
static void outputs(const double *d, const double *x, double *f)
{
    for (int i = 0; i < BATCH * N; i++) {
        double s = noise_levels[i / N];

        f[i] = (d[i] - x[i] / (1 + s * s)) * sqrt(1 + s * s) / s;
    }
}

/* Lin et al. 2024, equations 15 and 16, on F. */
static void rescaled_guidance(void)
{
    static double x[BATCH * N], d[3][BATCH * N], f[3][BATCH * N];
    pyr_level_settings s = settings_of();
    const double phi = 0.7;

    s.classes = true;
    denoise(s, false, true, x, d[0]);
    s.sampler_guidance = 30;
    denoise(s, false, true, x, d[1]);
    s.guidance_rescale = phi;
    denoise(s, false, true, x, d[2]);
    for (int i = 0; i < 3; i++)
        outputs(d[i], x, f[i]);
    for (int i = 0; i < BATCH; i++) {
        double this = deviation(f[0] + i * N, N), guided = deviation(f[1] + i * N, N);

        CHECK(fabs(guided / this - 1) > 0.05);
        for (int j = i * N; j < (i + 1) * N; j++)
            CHECK_CLOSE(f[2][j], phi * f[1][j] * this / guided + (1 - phi) * f[1][j], 1e-10);
    }
}

/* ---- trained ------------------------------------------------------------------------------------- */

enum { SIDE = 2, D = SIDE * SIDE, TRAINING = 8192, MANY = 512 };
static const double spread = 0.25, tau = 0.5;

static void put_word(FILE *f, uint32_t word)
{
    for (int i = 3; i >= 0; i--)
        fputc((int)(word >> 8 * i & 255), f);
}

/* Normal images of standard deviation 0.25, class 1 where u + tau e > 0, u the sum over sqrt(D) in standard deviations, as IDX
 * files. */
static void write_normals(void)
{
    char images[200], labels[200];
    FILE *i, *l;

    snprintf(images, sizeof images, "%s/train-images-idx3-ubyte", folder_of("normals"));
    snprintf(labels, sizeof labels, "%s/train-labels-idx1-ubyte", below("normals"));
    i = fopen(images, "wb");
    l = fopen(labels, "wb");
    CHECK(i && l);
    put_word(i, 0x803);
    put_word(i, TRAINING);
    put_word(i, SIDE);
    put_word(i, SIDE);
    put_word(l, 0x801);
    put_word(l, TRAINING);
    for (uint32_t n = 0; n < TRAINING; n++) {
        double sum = 0;
        float noise[4];

        pyr_normal4(9, 0, n, 0, 2, noise);
        for (uint32_t j = 0; j < D; j++) {
            float four[4];
            double p;

            pyr_normal4(9, j / 4, n, 0, 1, four);
            p = fmin(255, fmax(0, round(127.5 + 128 * spread * (double)four[j % 4])));
            sum += p - 127.5;
            fputc((int)p, i);
        }
        fputc(sum / (128 * spread * sqrt(D)) + tau * (double)noise[0] > 0, l);
    }
    CHECK(fclose(i) == 0 && fclose(l) == 0);
}

static double normal_cdf(double x)
{
    return erfc(-x / sqrt(2)) / 2;
}

static void a_trained_classifier(const char *run, pyr_kernels *k, const pyr_config *config)
{
    pyr_dataset *data = NULL;
    pyr_noise_training_result result;
    pyr_noise_training_job job = {.k = k,
                                  .run = run,
                                  .config = config,
                                  .duration = {160000, PYR_DURATION_IMAGES},
                                  .batch = 64,
                                  .learning_rate = 1e-3};

    CHECK_OK(pyr_dataset_open(&data, &config->data.set));
    job.data = data;
    CHECK_OK(pyr_noise_training_check(&job));
    CHECK_OK(pyr_noise_training(&result, &job));
    CHECK(result.held_out == 512);
    for (int i = 0; i < PYR_NOISES_MEASURED; i++) {
        /* at best u + s e and u + tau e have one sign: 1/2 + asin(their correlation)/pi */
        double s = pyr_noises_measured[i],
               best = 0.5 + asin(1 / sqrt((1 + s * s) * (1 + tau * tau))) / acos(-1);

        CHECK(result.accuracy[i] > best - 0.06 && result.accuracy[i] < best + 0.06);
    }
    pyr_dataset_free(data);
}

/* log p along the direction that matters, against the closed form. */
static void what_it_learned(const pyr_sampled_level *level)
{
    pyr_noise_classifier *c = (pyr_noise_classifier *)(uintptr_t)&level->classifier;
    static const double at[] = {-1.5, -0.5, 0.3, 1};

    for (int i = 0; i < 3; i++) {
        double s = (double[]){0.5, 1, 4}[i];

        for (size_t j = 0; j < sizeof at / sizeof *at; j++) {
            double u = at[j] * sqrt(1 + s * s), x[D], log_p[2], mean = 0, p;
            void *device;

            p = normal_cdf(u / (1 + s * s) / sqrt(tau * tau + s * s / (1 + s * s)));
            some(x, D, 40 + (uint32_t)j, sqrt(1 + s * s));
            for (int n = 0; n < D; n++)
                mean += x[n] / D;
            for (int n = 0; n < D; n++)
                x[n] += u / sqrt(D) - mean; /* the sum over sqrt(D) is u */
            CHECK_OK(pyr_alloc(c->k, &device, sizeof x, "x"));
            CHECK_OK(pyr_upload_reals(c->k, device, x, D));
            CHECK_OK(pyr_noise_classifier_begin(c, 0, 1, rows, NULL));
            CHECK_OK(pyr_noise_classifier_log_p(c, 0, 1, device, &s, log_p));
            CHECK_CLOSE(exp(log_p[1]), p, 0.12);
            pyr_release(c->k, device);
        }
    }
}

/* Of u, the sum over sqrt(D), in units of the level. */
static void moments(pyr_model *m, int label, double *mean, double *variance)
{
    static float images[MANY * D];
    uint64_t seeds[MANY];
    pyr_model_draw draw = {.n = MANY, .seeds = seeds, .label = label};

    for (int i = 0; i < MANY; i++)
        seeds[i] = (uint64_t)i;
    draw.variable[0] = images;
    CHECK_OK(pyr_model_sample(m, &draw));
    *mean = *variance = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < MANY; i++) {
            double u = 0;

            for (int j = 0; j < D; j++)
                u += ((double)images[i * D + j] - m->level[0].level.facts.mean[0]) /
                     m->level[0].level.facts.std[0];
            u /= sqrt(D);
            if (pass == 0)
                *mean += u / MANY;
            else
                *variance += (u - *mean) * (u - *mean) / (MANY - 1);
        }
}

/* E[u | y] = +-sqrt(2/pi) / sqrt(1 + tau^2), Var[u | y] = 1 - its square. */
static void classes_are_drawn_from_a_run_without_any(void)
{
    pyr_kernels *k = NULL;
    pyr_settings *settings = NULL;
    pyr_config config;
    pyr_model *m = NULL;
    pyr_class_choice choice;
    char value[200];
    const char *run = below("run");
    double mean, variance, wanted = sqrt(2 / acos(-1) / (1 + tau * tau));

    write_normals();
    CHECK_OK(pyr_kernels_open(&k, "cpu", 2));
    CHECK_OK(pyr_settings_new(&settings, pyr_all_sections));
    snprintf(value, sizeof value, "\"%s\"", below("normals"));
    CHECK_OK(pyr_settings_set(settings, "data.path", value, "test"));
    CHECK_OK(pyr_settings_set(settings, "data.held_out", "512", "test"));
    CHECK_OK(pyr_settings_set(settings, "pyramid.levels", "1", "test"));
    CHECK_OK(pyr_settings_set(settings, "train.duration", "16", "test"));
    CHECK_OK(pyr_settings_set(settings, "train.snapshot", "-1", "test"));
    CHECK_OK(pyr_settings_set(settings, "level.network.block_out_channels", "[8]", "test"));
    CHECK_OK(pyr_settings_set(settings, "level.network.norm_num_groups", "4", "test"));
    CHECK_OK(pyr_settings_set(settings, "level.batch", "16", "test"));
    CHECK_OK(pyr_settings_set(settings, "level.sampler.kind", "heun", "test"));
    CHECK_OK(pyr_settings_set(settings, "level.sampler.steps", "40", "test"));
    CHECK_OK(pyr_settings_set(settings, "level.sampler.sigma_min", "0.03", "test"));
    CHECK_OK(pyr_settings_set(settings, "level.sampler.sigma_max", "20", "test"));
    CHECK_OK(pyr_config_get(&config, settings));
    CHECK_OK(pyr_train(&(pyr_train_job){.k = k, .run = run, .settings = settings, .level = -1}));
    a_trained_classifier(run, k, &config);
    config.level[0].classifier_scale = 1;
    CHECK_OK(pyr_model_open(&m, k, run, &config));
    if (!m)
        goto out;
    CHECK(m->classes == 0 && m->class_list.n == 2 && m->class_list.images[1] > 3000);
    CHECK(strcmp(m->sampler[0], "heun 40 classifier 1") == 0);
    CHECK_OK(pyr_model_choose_class(&choice, m, "1"));
    CHECK_FAILS(pyr_model_choose_class(&choice, m, ""), PYR_E_ARG, "the classifier_scale of level 0 is 1");
    /* a network of zeros is exact for normal images */
    pyr_zero(k, m->level[0].block, m->level[0].params.count * pyr_type_size(k->real));
    CHECK_OK(pyr_denoiser_pack(&m->level[0].denoiser, m->level[0].block));
    what_it_learned(&m->level[0]);
    moments(m, -1, &mean, &variance);
    CHECK_CLOSE(mean, 0, 4 / sqrt(MANY));
    CHECK_CLOSE(variance, 1, 4 * sqrt(2.0 / MANY));
    for (int label = 0; label < 2; label++) {
        moments(m, label, &mean, &variance);
        /* 512 draws know the mean to 0.03; the rest is what the classifier is off */
        CHECK_CLOSE(mean, label ? wanted : -wanted, 0.12);
        CHECK_CLOSE(variance, 1 - wanted * wanted, 0.1);
    }
out:
    pyr_model_free(m);
    pyr_settings_free(settings);
    pyr_kernels_free(k);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("classifier"))
        return 1;
    RUN(gradients_are_those_of_log_p);
    RUN(backends_agree);
    RUN(files_are_checked);
    RUN(what_a_denoiser_gains);
    RUN(rescaled_guidance);
    RUN(classes_are_drawn_from_a_run_without_any);
    temp_remove();
    return CHECK_DONE();
}
