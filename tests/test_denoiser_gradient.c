/* test_denoiser_gradient.c - the transposed Jacobian of a level's denoiser: against central differences in
 * double, and the other backends against double. */
#include "tests/backends.h"
#include "tests/check.h"
#include "tests/level_data.h"
#include "tests/noise_classifier_file.h"

#include "levels/denoiser_gradient.h"
#include "levels/level.h"

/* 8 and on: with rescaled guidance, guidance by a classifier, and both. */
enum { BATCH = 3, CASES = 12, RESCALED = 8, CLASSIFIED = 10 };

/* A level of random weights, without a data set. */
typedef struct world {
    pyr_kernels *k;
    pyr_pyramid *pyramid;
    pyr_level level;
    pyr_params params;
    pyr_denoiser denoiser, weaker; /* weaker: the same network with other weights */
    pyr_noise_classifier classifier;
    void *block, *weaker_block, *x, *v, *out, *condition;
    size_t n, n_condition;
} world;

static void put(world *w, void *dst, const double *host, size_t n)
{
    CHECK_OK(pyr_upload_reals(w->k, dst, host, n));
}

/* Numbers of spread `scale`, the same on every backend. */
static void some(double *dst, size_t n, uint32_t stream, double scale)
{
    for (size_t i = 0; i < n; i++) {
        float four[4];

        pyr_normal4(3, (uint32_t)(i / 4), stream, 0, 1, four);
        dst[i] = scale * (double)four[i % 4];
    }
}

static void stir(world *w)
{
    double *values = numbers(w->params.count), *noise = numbers(w->params.count);

    CHECK_OK(pyr_params_init(&w->params, w->k, w->block, 1, 0));
    CHECK_OK(pyr_download_reals(w->k, values, w->block, w->params.count));
    some(noise, w->params.count, 77, 0.1);
    for (size_t i = 0; i < w->params.count; i++)
        values[i] += noise[i];
    put(w, w->block, values, w->params.count);
    CHECK_OK(pyr_denoiser_pack(&w->denoiser, w->block));
    if (w->weaker.k) {
        for (size_t i = 0; i < w->params.count; i++)
            values[i] -= 0.5 * noise[i];
        put(w, w->weaker_block, values, w->params.count);
        CHECK_OK(pyr_denoiser_pack(&w->weaker, w->weaker_block));
    }
    pyr_free(values);
    pyr_free(noise);
}

static bool is_guided(int variant)
{
    return variant == 3 || (variant >= 6 && variant != CLASSIFIED);
}

static bool has_weaker(int variant)
{
    return variant == 7 || variant == RESCALED + 1;
}

static pyr_level_settings settings_of_case(int variant)
{
    pyr_level_settings s = settings_of();

    s.classes = variant >= 2 && variant != CLASSIFIED;
    s.augmentation_channel = variant == 1;
    if (is_guided(variant))
        s.sampler_guidance = 2.5;
    if (variant >= RESCALED && is_guided(variant))
        s.guidance_rescale = variant == RESCALED ? 1 : 0.7;
    if (variant >= CLASSIFIED)
        s.classifier_scale = 3;
    if (variant == 6 || variant == CASES - 1) { /* the middle one of the noise levels */
        s.guidance_min = 0.3;
        s.guidance_max = 2;
    }
    if (variant == 4)
        s.network.unet.time_embedding_type = PYR_UNET_FOURIER;
    if (variant == 4)
        s.network.unet.add_attention = true;
    if (variant == 5) {
        s.network.unet.patch = 2;
        s.prediction = PYR_PREDICT_EPSILON;
        s.noise_input = false;
    }
    return s;
}

static bool world_open(world *w, const char *backend, int lanes, int variant)
{
    pyr_pyramid_settings p = {
        .levels = 2, .filter = variant % 2 ? PYR_FILTER_HAAR : PYR_FILTER_BOX, .sigma = 1};
    pyr_level_settings s = settings_of_case(variant);
    size_t real;

    *w = (world){0};
    CHECK_OK(open_backend(&w->k, backend, lanes));
    if (!w->k)
        return false;
    real = pyr_type_size(w->k->real);
    CHECK_OK(pyr_pyramid_new(&w->pyramid, w->k, &p, H, W, C));
    CHECK_OK(pyr_level_init(&w->level, &s, w->pyramid, variant == 2 ? 1 : 0, 4, 1));
    w->level.facts.condition_std = 0.7;
    for (int b = 0; b < w->level.facts.bands; b++)
        w->level.facts.std[b] = 0.3 + 0.1 * b;
    w->level.weaker = has_weaker(variant);
    CHECK_OK(pyr_denoiser_new(&w->denoiser, w->k, &w->params, &w->level, BATCH, PYR_GRADIENT_OF_X));
    if (has_weaker(variant))
        CHECK_OK(pyr_denoiser_new(&w->weaker, w->k, &w->params, &w->level, BATCH, PYR_GRADIENT_OF_X));
    CHECK_OK(pyr_alloc(w->k, &w->block, w->params.count * real, "parameters"));
    CHECK_OK(pyr_alloc(w->k, &w->weaker_block, w->params.count * real, "parameters"));
    stir(w);
    if (variant >= CLASSIFIED) {
        const char *folder = folder_of("classifier");

        write_classifier(folder, w->k, &w->level, 4);
        CHECK_OK(pyr_noise_classifier_new(&w->classifier, w->k, &w->level, folder, "run", BATCH));
        w->denoiser.classifier = &w->classifier;
    }
    w->n = pyr_count(w->level.variable);
    w->n_condition = pyr_count(w->level.condition);
    CHECK_OK(pyr_alloc(w->k, &w->x, BATCH * w->n * real, "x"));
    CHECK_OK(pyr_alloc(w->k, &w->v, BATCH * w->n * real, "v"));
    CHECK_OK(pyr_alloc(w->k, &w->out, BATCH * w->n * real, "out"));
    CHECK_OK(pyr_alloc(w->k, &w->condition, BATCH * w->n_condition * real + 8, "condition"));
    return true;
}

static void world_close(world *w)
{
    if (!w->k)
        return;
    pyr_denoiser_free(&w->denoiser);
    pyr_denoiser_free(&w->weaker);
    pyr_noise_classifier_free(&w->classifier);
    pyr_params_free(&w->params);
    pyr_release(w->k, w->block);
    pyr_release(w->k, w->weaker_block);
    pyr_release(w->k, w->x);
    pyr_release(w->k, w->v);
    pyr_release(w->k, w->out);
    pyr_release(w->k, w->condition);
    pyr_pyramid_free(w->pyramid);
    pyr_kernels_free(w->k);
}

static const double noise_levels[BATCH] = {0.05, 0.9, 12};
static const uint32_t rows[BATCH] = {1, 3, 0};

/* D(x + shift u) into d; with gradient: J^T v at that point into g. Images `first` .. first + n - 1. */
static void call(world *w, int lane, int first, int n, double shift, double *d, double *g)
{
    size_t all = BATCH * w->n, at = (size_t)first * w->n, count = (size_t)n * w->n;
    double *x = numbers(all), *u = numbers(all), *v = numbers(all);
    double *condition = numbers(BATCH * w->n_condition + 1);
    pyr_denoising denoising = {.denoiser = &w->denoiser,
                               .lane = lane,
                               .n = n,
                               .condition = w->n_condition ? w->condition : NULL,
                               .rows =
                                   w->level.facts.classes || w->denoiser.classifier ? rows + first : NULL};
    pyr_denoising weaker = denoising;

    some(x, all, 1, 1);
    some(u, all, 2, 1);
    some(v, all, 3, 1);
    some(condition, BATCH * w->n_condition, 4, 0.6);
    for (size_t i = 0; i < all; i++)
        x[i] = x[i] * (1 + noise_levels[i / w->n]) + shift * u[i];
    put(w, w->condition, condition + (size_t)first * w->n_condition, (size_t)n * w->n_condition);
    put(w, w->x, x + at, count);
    put(w, w->v, v + at, count);
    weaker.denoiser = &w->weaker;
    denoising.weaker = w->weaker.k ? &weaker : NULL;
    CHECK_OK(pyr_denoiser_begin(&denoising));
    CHECK_OK(pyr_denoiser_call(&denoising, w->x, noise_levels + first, w->out));
    CHECK_OK(pyr_download_reals(w->k, d + at, w->out, count));
    if (g) {
        CHECK_OK(pyr_denoiser_vjp(&denoising, w->v, w->v));
        CHECK_OK(pyr_download_reals(w->k, g + at, w->v, count));
    }
    pyr_free(x);
    pyr_free(u);
    pyr_free(v);
    pyr_free(condition);
}

/* v^T (D(x + h u) - D(x - h u)) / 2h = u^T (J^T v), for each image */
static void against_differences(void)
{
    const double h = 1e-5;

    for (int variant = 0; variant < CASES; variant++) {
        world w;
        double *d, *g, *up, *down, *u, *v;

        CHECK(world_open(&w, "ref-double", 1, variant));
        CHECK((w.denoiser.guidance != 1) == is_guided(variant));
        d = numbers(BATCH * w.n);
        g = numbers(BATCH * w.n);
        up = numbers(BATCH * w.n);
        down = numbers(BATCH * w.n);
        u = numbers(BATCH * w.n);
        v = numbers(BATCH * w.n);
        some(u, BATCH * w.n, 2, 1);
        some(v, BATCH * w.n, 3, 1);
        call(&w, 0, 0, BATCH, 0, d, g);
        call(&w, 0, 0, BATCH, h, up, NULL);
        call(&w, 0, 0, BATCH, -h, down, NULL);
        for (int i = 0; i < BATCH; i++) {
            double by_difference = 0, by_gradient = 0;

            for (size_t j = (size_t)i * w.n; j < (size_t)(i + 1) * w.n; j++) {
                by_difference += v[j] * (up[j] - down[j]) / (2 * h);
                by_gradient += u[j] * g[j];
            }
            CHECK(fabs(by_difference) > 1e-3);
            /* the classifier's second derivatives are differences themselves */
            CHECK_CLOSE(by_gradient, by_difference,
                        (variant >= CLASSIFIED ? 2e-5 : 2e-7) * (1 + fabs(by_difference)));
        }
        pyr_free(d);
        pyr_free(g);
        pyr_free(up);
        pyr_free(down);
        pyr_free(u);
        pyr_free(v);
        world_close(&w);
    }
}

/* Other backends, another lane, fewer images, and once more after another call. */
static void backends_agree(void)
{
    static const struct {
        const char *name;
        double tolerance;
    } others[] = {{"ref-double-joins", 1e-11}, {"ref", 3e-5}, {"cpu", 3e-5}, {"cpu-bf16", 0.06}};

    for (int variant = 0; variant < CASES; variant++) {
        world exact;
        double *d, *g, *got_d, *got_g;

        CHECK(world_open(&exact, "ref-double", 1, variant));
        d = numbers(BATCH * exact.n);
        g = numbers(BATCH * exact.n);
        got_d = numbers(BATCH * exact.n);
        got_g = numbers(BATCH * exact.n);
        call(&exact, 0, 0, BATCH, 0, d, g);
        for (size_t b = 0; b < sizeof others / sizeof *others; b++) {
            world w;

            double tolerance = fmax(others[b].tolerance, variant >= CLASSIFIED ? 5e-3 : 0);

            if (!world_open(&w, others[b].name, 2, variant))
                continue;
            for (int lane = 0; lane < 2; lane++) {
                call(&w, lane, 0, BATCH, 0, got_d, got_g);
                near(others[b].name, got_d, d, BATCH * w.n, others[b].tolerance);
                near(others[b].name, got_g, g, BATCH * w.n, tolerance);
                for (int i = 0; i < BATCH; i++)
                    call(&w, lane, i, 1, 0, got_d, got_g);
                near("alone", got_g, g, BATCH * w.n, tolerance);
            }
            world_close(&w);
        }
        pyr_free(d);
        pyr_free(g);
        pyr_free(got_d);
        pyr_free(got_g);
        world_close(&exact);
    }
}

static void costs(void)
{
    world w;

    CHECK(world_open(&w, "ref", 1, 7)); /* a weaker network without a gradient */
    w.weaker.gradient = false;
    {
        pyr_denoising weaker = {.denoiser = &w.weaker, .n = 1},
                      denoising = {.denoiser = &w.denoiser, .n = 1, .weaker = &weaker};

        CHECK_FAILS(pyr_denoiser_vjp(&denoising, w.v, w.out), PYR_E_UNSUPPORTED, "weaker network");
    }
    world_close(&w);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("denoiser"))
        return 1;
    RUN(against_differences);
    RUN(backends_agree);
    RUN(costs);
    temp_remove();
    return CHECK_DONE();
}
