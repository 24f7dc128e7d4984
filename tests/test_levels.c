/* test_levels.c - one level: order of the data, statistics, loss, denoiser, training. The witnesses are
 * formulas evaluated here from the same streams of noise, and equality of what must be equal. */
#include "tests/backends.h"
#include "tests/check.h"
#include "tests/level_data.h"
#include "tests/recording.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "images/order.h"
#include "levels/denoiser.h"
#include "levels/level_sample.h"
#include "levels/loss.h"
#include "network/unet.h"
#include "network/unet_file.h"
#include "pictures/png_file.h"
#include "training/trainer.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const backends[] = {"ref-double", "ref", "cpu"};
enum { BACKENDS = 3 };

/* Everything that stands around a level. */
typedef struct world {
    pyr_kernels *k;
    pyr_dataset *data;
    pyr_pyramid *pyramid;
    pyr_feed feed;
    pyr_level level;
} world;

static bool world_open(world *w, const char *backend, int lanes, int levels, int filter, int index,
                       const pyr_level_settings *s)
{
    pyr_dataset_shape shape;
    pyr_status status;

    *w = (world){0};
    CHECK_OK(is_recorder(backend) ? open_recorder(&w->k, backend) : pyr_kernels_open(&w->k, backend, lanes));
    w->data = open_data();
    if (!w->k || !w->data)
        return false;
    shape = pyr_dataset_shape_of(w->data);
    CHECK(shape.h == H && shape.w == W && shape.c == C);
    CHECK(pyr_dataset_count(w->data, PYR_SPLIT_TRAIN) == IMAGES - HELD_OUT);
    CHECK_OK(pyr_pyramid_new(&w->pyramid, w->k,
                             &(pyr_pyramid_settings){.levels = levels, .filter = filter, .sigma = 1}, shape.h,
                             shape.w, shape.c));
    CHECK_OK(pyr_feed_new(&w->feed, w->k, w->data, w->pyramid, 7, lanes));
    status = pyr_level_init(&w->level, s, w->pyramid, index, pyr_dataset_classes(w->data),
                            pyr_dataset_fingerprint(w->data));
    CHECK_OK(status);
    if (status == PYR_OK)
        status = pyr_level_measure(&w->level, &w->feed);
    CHECK_OK(status);
    return status == PYR_OK;
}

static void world_close(world *w)
{
    pyr_feed_free(&w->feed);
    pyr_pyramid_free(w->pyramid);
    pyr_dataset_free(w->data);
    pyr_kernels_free(w->k);
}

/* ---- order of the data ------------------------------------------------------------------------- */

static void each_epoch_is_a_permutation(void)
{
    static const int64_t counts[] = {1, 2, 3, 4, 5, 1000, 1024, 1025, 60000};

    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        int64_t n = counts[c];
        int32_t *seen = pyr_calloc((size_t)n, sizeof *seen);

        for (int64_t epoch = 0; epoch < 3; epoch++)
            for (int64_t i = 0; i < n; i++) {
                int64_t at = pyr_order(11, epoch * n + i, n);

                CHECK(at >= 0 && at < n);
                if (at >= 0 && at < n)
                    seen[at]++;
            }
        for (int64_t i = 0; i < n; i++)
            if (seen[i] != 3) {
                CHECK_REPORT("of %lld, image %lld came %d times in 3 epochs", (long long)n, (long long)i,
                             seen[i]);
                break;
            }
        pyr_free(seen);
    }
}

static void orders_differ(void)
{
    enum { N = 1000 };
    int same_epoch = 0, same_seed = 0, same_place = 0, neighbours = 0, orders[6] = {0};
    double sum = 0;

    for (int i = 0; i < N; i++) {
        int64_t at = pyr_order(1, i, N);

        same_epoch += at == pyr_order(1, N + i, N);
        same_seed += at == pyr_order(2, i, N);
        same_place += at == i;
        neighbours += i > 0 && at == pyr_order(1, i - 1, N) + 1;
        sum += (i - 499.5) * ((double)at - 499.5);
    }
    /* as many as chance gives (1 each), and no slope: correlation within 4 / sqrt(N) */
    CHECK(same_epoch < 8 && same_seed < 8 && same_place < 8 && neighbours < 8);
    CHECK_CLOSE(sum / (N * (N * (double)N - 1) / 12), 0, 4 / sqrt(N));
    for (int epoch = 0; epoch < 6000; epoch++) { /* the six orders of three */
        int a = (int)pyr_order(3, 3 * epoch, 3), b = (int)pyr_order(3, 3 * epoch + 1, 3);

        orders[2 * a + (b > 3 - a - b)]++;
    }
    for (int i = 0; i < 6; i++)
        CHECK_CLOSE(orders[i], 1000, 150);
    /* positions beyond 2^32 are fine */
    CHECK(pyr_order(1, INT64_C(1) << 40, 60000) < 60000);
}

/* With feed.dequantise every sample is spread over its cell of width 2^-7, evenly, by noise of its own that
 * does not depend on lane, batch or level. */
static void dequantised_images(void)
{
    enum { N = 6, SIZE = H * W * C };
    static const int64_t index[N] = {0, 5, 9, 9, 20, 33};
    pyr_level_settings s = settings_of();
    double plain[N * SIZE], spread[N * SIZE], alone[SIZE], again[N * SIZE], sum = 0, square = 0;
    pyr_pick pick = {.split = PYR_SPLIT_TRAIN, .n = N, .index = index, .seed = 3, .first = 10, .step = 7};
    const double half = 1 / 256.0;
    void *at = NULL;
    world w;

    CHECK(world_open(&w, "ref", 2, 1, PYR_FILTER_BOX, 0, &s));
    CHECK_OK(pyr_alloc(w.k, &at, N * SIZE * sizeof(float), "images"));
    for (int turn = 0; turn < 4; turn++) {
        double *to = turn == 0 ? plain : turn == 1 ? spread : again;

        w.feed.dequantise = turn > 0;
        pick.step = turn == 3 ? 8 : 7;
        CHECK_OK(pyr_feed_level(&w.feed, turn % 2, &pick, 0, at, NULL));
        CHECK_OK(pyr_download_reals(w.k, to, at, N * SIZE));
        CHECK((memcmp(again, spread, sizeof spread) == 0) == (turn == 2) || turn < 2);
    }
    pick =
        (pyr_pick){.split = PYR_SPLIT_TRAIN, .n = 1, .index = index + 3, .seed = 3, .first = 13, .step = 7};
    CHECK_OK(pyr_feed_level(&w.feed, 1, &pick, 0, at, NULL));
    CHECK_OK(pyr_download_reals(w.k, alone, at, SIZE));
    CHECK(memcmp(alone, spread + 3 * SIZE, sizeof alone) == 0);
    CHECK(memcmp(spread + 2 * SIZE, spread + 3 * SIZE, sizeof alone) !=
          0); /* one image, twice in the batch */
    for (int i = 0; i < N * SIZE; i++) {
        double noise = spread[i] - plain[i];

        CHECK(fabs(noise) <= half);
        sum += noise / half;
        square += noise * noise / (half * half);
    }
    CHECK_CLOSE(sum / (N * SIZE), 0, 4 / sqrt(3.0 * N * SIZE));
    CHECK_CLOSE(square / (N * SIZE), 1 / 3.0, 4 * sqrt(4 / 45.0 / (N * SIZE)));
    pyr_release(w.k, at);
    world_close(&w);
}

/* ---- statistics -------------------------------------------------------------------------------- */

static double pixel(const float *image, int y, int x, int c)
{
    return (double)image[(y * W + x) * C + c];
}

typedef struct moments {
    double n, sum, square;
} moments;

static void take(moments *m, double x)
{
    m->n++;
    m->sum += x;
    m->square += x * x;
}

static double deviation(const moments *m)
{
    return sqrt(m->square / m->n - m->sum / m->n * m->sum / m->n);
}

/* Against sums over all pixels, computed here. */
static void statistics(void)
{
    moments fine = {0}, coarse = {0}, band[3] = {{0}};
    float image[H * W * C];
    pyr_dataset *data = open_data();
    pyr_level_settings s = settings_of();

    for (int64_t n = 0; n < IMAGES - HELD_OUT; n++) {
        pyr_dataset_pixels(data, PYR_SPLIT_TRAIN, n, false, image);
        for (int i = 0; i < H * W * C; i++)
            take(&fine, (double)image[i]);
        for (int y = 0; y < H; y += 2)
            for (int x = 0; x < W; x += 2)
                for (int c = 0; c < C; c++) {
                    double p = pixel(image, y, x, c), q = pixel(image, y, x + 1, c);
                    double r = pixel(image, y + 1, x, c), t = pixel(image, y + 1, x + 1, c);

                    take(&coarse, (p + q + r + t) / 4);
                    take(&band[0], (p + q - r - t) / 2);
                    take(&band[1], (p - q + r - t) / 2);
                    take(&band[2], (p - q - r + t) / 2);
                }
    }
    for (int b = 0; b < BACKENDS; b++)
        for (int lanes = 1; lanes <= 3; lanes += 2) {
            double tolerance = b == 0 ? 1e-12 : 1e-6;
            world w;

            /* one level: the image itself */
            CHECK(world_open(&w, backends[b], lanes, 1, PYR_FILTER_BOX, 0, &s));
            CHECK(w.level.facts.bands == 1 && w.level.condition.c == 0);
            CHECK_CLOSE(w.level.facts.mean[0], fine.sum / fine.n, tolerance);
            CHECK_CLOSE(w.level.facts.std[0], deviation(&fine), tolerance);
            world_close(&w);
            /* the coarsest of two */
            CHECK(world_open(&w, backends[b], lanes, 2, PYR_FILTER_BOX, 1, &s));
            CHECK_CLOSE(w.level.facts.mean[0], coarse.sum / coarse.n, tolerance);
            CHECK_CLOSE(w.level.facts.std[0], deviation(&coarse), tolerance);
            CHECK(w.level.variable.h == H / 2 && w.level.variable.w == W / 2 && w.level.variable.c == C);
            world_close(&w);
            /* haar: three bands, with the coarse image as condition */
            CHECK(world_open(&w, backends[b], lanes, 2, PYR_FILTER_HAAR, 0, &s));
            CHECK(w.level.facts.bands == 3 && w.level.variable.c == 3 * C && w.level.condition.c == C);
            for (int i = 0; i < 3; i++) {
                CHECK_CLOSE(w.level.facts.mean[i], band[i].sum / band[i].n, tolerance);
                CHECK_CLOSE(w.level.facts.std[i], deviation(&band[i]), tolerance);
            }
            CHECK_CLOSE(w.level.facts.condition_std, deviation(&coarse), tolerance);
            world_close(&w);
        }
    pyr_dataset_free(data);
}

/* The residual of box: what the feed gives, added up here; the same for every number of lanes. */
static void statistics_of_a_residual(void)
{
    pyr_level_settings s = settings_of();
    pyr_level_facts first = {0};

    for (int lanes = 1; lanes <= 4; lanes++) {
        world w;
        moments variable = {0}, condition = {0};
        void *v = NULL, *c = NULL;
        double *host;
        size_t n;

        CHECK(world_open(&w, "cpu", lanes, 2, PYR_FILTER_BOX, 0, &s));
        n = pyr_count(w.level.variable);
        host = numbers(n);
        CHECK_OK(pyr_alloc(w.k, &v, n * sizeof(float), "v"));
        CHECK_OK(pyr_alloc(w.k, &c, n * sizeof(float), "c"));
        for (int64_t i = 0; i < IMAGES - HELD_OUT; i++) {
            CHECK_OK(pyr_feed_level(&w.feed, lanes - 1,
                                    &(pyr_pick){.split = PYR_SPLIT_TRAIN, .n = 1, .index = &i}, 0, v, c));
            CHECK_OK(pyr_download_reals(w.k, host, v, n));
            for (size_t j = 0; j < n; j++)
                take(&variable, host[j]);
            CHECK_OK(pyr_download_reals(w.k, host, c, n));
            for (size_t j = 0; j < n; j++)
                take(&condition, host[j]);
        }
        CHECK_CLOSE(w.level.facts.mean[0], variable.sum / variable.n, 1e-12);
        CHECK_CLOSE(w.level.facts.std[0], deviation(&variable), 1e-12);
        CHECK_CLOSE(w.level.facts.condition_std, deviation(&condition), 1e-12);
        if (lanes == 1)
            first = w.level.facts;
        CHECK(first.mean[0] == w.level.facts.mean[0] && first.std[0] == w.level.facts.std[0] &&
              first.condition_std == w.level.facts.condition_std);
        pyr_release(w.k, v);
        pyr_release(w.k, c);
        pyr_free(host);
        world_close(&w);
    }
}

static void blank_images_are_refused(void)
{
    pyr_level_settings s = settings_of();
    pyr_data_settings d = PYR_DATA_SETTINGS_DEFAULT;
    world w = {0};
    pyr_image image;

    folder_of("blank");
    CHECK_OK(pyr_image_new(&image, 4, 4, 1, 8, "blank"));
    for (int i = 0; i < 3; i++) {
        char name[32];

        snprintf(name, sizeof name, "blank/%d.png", i);
        CHECK_OK(pyr_png_write(below(name), &image, NULL, 0));
    }
    pyr_image_free(&image);
    d.path = below("blank");
    d.held_out = 0;
    CHECK_OK(pyr_kernels_open(&w.k, "cpu", 1));
    CHECK_OK(pyr_dataset_open(&w.data, &d));
    CHECK_OK(pyr_pyramid_new(&w.pyramid, w.k, &(pyr_pyramid_settings){.levels = 1}, 4, 4, 1));
    CHECK_OK(pyr_feed_new(&w.feed, w.k, w.data, w.pyramid, 2, 1));
    CHECK_OK(pyr_level_init(&w.level, &s, w.pyramid, 0, 0, 1));
    CHECK_FAILS(pyr_level_measure(&w.level, &w.feed), PYR_E_FORMAT, "nothing to learn");
    s.classes = true;
    CHECK_FAILS(pyr_level_init(&w.level, &s, w.pyramid, 0, 0, 1), PYR_E_CONFIG, "the data set has no labels");
    world_close(&w);
}

/* destandardise is the opposite of what the loss's graph does: z = (variable - mean) / std per band. */
static void there_and_back(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_level_settings s = settings_of();
        double in[2 * 18], out[2 * 18], z[2 * 18], standardise[36], back[36], twice[2 * 36];
        void *at = NULL, *vector = NULL;
        world w;
        int c = 3 * C;

        CHECK(c == 9);
        CHECK(world_open(&w, backends[b], 1, 2, PYR_FILTER_HAAR, 0, &s));
        w.level.variable.h = 1;
        w.level.variable.w = 2;
        pyr_level_vector(&w.level, false, standardise);
        pyr_level_vector(&w.level, true, back);
        for (int i = 0; i < 36; i++) {
            int channel = i % c, band = channel / C;

            in[i] = (double)(float)(0.1 * i - 1);
            z[i] = (in[i] - w.level.facts.mean[band]) / w.level.facts.std[band];
            CHECK_CLOSE(in[i] * (1 + standardise[channel]) + standardise[c + channel], z[i], 1e-12);
        }
        for (int i = 0; i < 2; i++)
            memcpy(twice + (size_t)i * 2 * c, back, sizeof *back * 2 * (size_t)c);
        CHECK_OK(pyr_alloc(w.k, &at, sizeof z, "z"));
        CHECK_OK(pyr_alloc(w.k, &vector, sizeof twice, "vector"));
        CHECK_OK(pyr_upload_reals(w.k, at, z, 36));
        CHECK_OK(pyr_upload_reals(w.k, vector, twice, 4 * (size_t)c));
        CHECK_OK(pyr_level_destandardise(&w.level, w.k, 2, at, vector));
        CHECK_OK(pyr_download_reals(w.k, out, at, 36));
        near("destandardised", out, in, 36, b == 0 ? 1e-12 : 1e-6);
        pyr_release(w.k, at);
        pyr_release(w.k, vector);
        world_close(&w);
    }
}

/* ---- facts ------------------------------------------------------------------------------------- */

static pyr_level_facts some_facts(void)
{
    return (pyr_level_facts){.index = 1,
                             .levels = 3,
                             .h = 28,
                             .w = 31,
                             .c = 3,
                             .filter = PYR_FILTER_HAAR,
                             .filter_sigma = 0.1 + 0.2,
                             .condition = PYR_CONDITION_NONE,
                             .bits = 16,
                             .classes = 10,
                             .class_dropout = 0.25,
                             .data = UINT64_C(0xFEDCBA9876543210),
                             .bands = 3,
                             .mean = {1.0 / 3, -2e-17, 0},
                             .std = {0.1, 1e-3, 1 / 7.0},
                             .condition_std = 2.0 / 3,
                             .noise_unit = 0.3,
                             .prediction = PYR_PREDICT_V,
                             .blind = true};
}

static void facts_there_and_back(void)
{
    pyr_level_facts facts = some_facts(), back;
    pyr_st_pair pairs[PYR_FACT_PAIRS + 1], damaged[PYR_FACT_PAIRS + 1];
    pyr_safetensors *file = NULL;
    pyr_text text = {0};
    const char *path = below("facts.safetensors");
    float one = 1;
    pyr_st_entry entry = {.name = "x", .dtype = PYR_ST_F32, .rank = 1, .dims = {1}, .data = &one};
    size_t n = 0;

    CHECK_OK(pyr_facts_write(&facts, pairs, &n, &text));
    CHECK(n <= PYR_FACT_PAIRS);
    CHECK_OK(pyr_safetensors_write(path, &entry, 1, pairs, n));
    CHECK_OK(pyr_safetensors_open(&file, path));
    CHECK_OK(pyr_facts_read(&back, file, path));
    CHECK(back.index == 1 && back.levels == 3 && back.h == 28 && back.w == 31 && back.c == 3);
    CHECK(back.filter == facts.filter && back.filter_sigma == facts.filter_sigma && back.classes == 10);
    CHECK(back.condition == PYR_CONDITION_NONE && back.data == facts.data && back.bands == 3);
    for (int i = 0; i < 3; i++)
        CHECK(back.mean[i] == facts.mean[i] && back.std[i] == facts.std[i]);
    CHECK(back.condition_std == facts.condition_std && back.noise_unit == facts.noise_unit);
    CHECK(back.prediction == PYR_PREDICT_V && back.blind);
    CHECK(back.bits == 16 && back.class_dropout == 0.25);
    CHECK_OK(pyr_facts_match(&facts, "a", &back, "b"));
    pyr_safetensors_free(file);
    /* each of them damaged or missing */
    for (size_t i = 0; i < n; i++)
        for (int missing = 0; missing < 2; missing++) {
            size_t m = 0;

            for (size_t j = 0; j < n; j++)
                if (j != i || !missing) {
                    damaged[m] = pairs[j];
                    if (j == i)
                        damaged[m].value = "?";
                    m++;
                }
            CHECK_OK(pyr_safetensors_write(path, &entry, 1, damaged, m));
            CHECK_OK(pyr_safetensors_open(&file, path));
            if (missing && (strcmp(pairs[i].key, "pyrdiff_noise_told") == 0 ||
                            strcmp(pairs[i].key, "pyrdiff_prediction") == 0 ||
                            strcmp(pairs[i].key, "pyrdiff_bits") == 0 ||
                            strcmp(pairs[i].key, "pyrdiff_class_dropout") == 0 ||
                            strcmp(pairs[i].key, "pyrdiff_noise_input") == 0)) { /* older runs lack them */
                CHECK_OK(pyr_facts_read(&back, file, path));
                CHECK(back.noise_unit == 0 || back.prediction == PYR_PREDICT_F || !back.blind ||
                      back.bits == 8 || back.class_dropout == -1);
            } else if (missing)
                CHECK_FAILS(pyr_facts_read(&back, file, path), PYR_E_FORMAT, "not a level of a pyrdiff run");
            else
                CHECK_FAILS(pyr_facts_read(&back, file, path), PYR_E_FORMAT, "damaged");
            pyr_safetensors_free(file);
        }
    pyr_text_free(&text);
    /* numbers that do not fit the level */
    for (int i = 0; i < 4; i++) {
        pyr_level_facts bad = facts;

        if (i == 0)
            bad.bands = 2;
        else if (i == 1)
            bad.filter = PYR_FILTER_BOX;
        else if (i == 2)
            bad.std[1] = 0;
        else {
            bad.condition = PYR_CONDITION_COARSE;
            bad.condition_std = 0;
        }
        CHECK_OK(pyr_facts_write(&bad, pairs, &n, &text));
        CHECK_OK(pyr_safetensors_write(path, &entry, 1, pairs, n));
        CHECK_OK(pyr_safetensors_open(&file, path));
        CHECK_FAILS(pyr_facts_read(&back, file, path), PYR_E_FORMAT, "statistics of the level are damaged");
        pyr_safetensors_free(file);
        pyr_text_free(&text);
    }
}

static void facts_that_do_not_match(void)
{
    pyr_level_facts a = some_facts(), b = a;

    b.index = 2; /* these may differ */
    b.classes = 0;
    b.mean[0] = 5;
    CHECK_OK(pyr_facts_match(&a, "level 1", &b, "level 2"));
    b.filter = PYR_FILTER_BOX;
    CHECK_FAILS(pyr_facts_match(&a, "level 1", &b, "level 2"), PYR_E_CONFIG,
                "level 1 was trained on a pyramid with the filter haar, level 2 with box");
    b = a;
    b.filter_sigma = 1;
    CHECK_FAILS(pyr_facts_match(&a, "level 1", &b, "level 2"), PYR_E_CONFIG, "cannot be mixed");
    b = a;
    b.levels = 4;
    CHECK_FAILS(pyr_facts_match(&a, "level 1", &b, "level 2"), PYR_E_CONFIG,
                "level 1 belongs to a pyramid of 3 levels, level 2 to one of 4");
    b = a;
    b.w = 32;
    CHECK_FAILS(pyr_facts_match(&a, "level 1", &b, "level 2"), PYR_E_CONFIG,
                "images of 28x31 with 3 channels, level 2 on 28x32 with 3");
    b = a;
    b.data = 1;
    CHECK_FAILS(pyr_facts_match(&a, "level 1", &b, "level 2"), PYR_E_CONFIG,
                "different data sets (fingerprints fedcba9876543210 and 0000000000000001)");
}

/* ---- loss and denoiser ------------------------------------------------------------------------- */

enum { BATCH = 5 };

/* A loss and a denoiser on one block of parameters. */
typedef struct pair {
    world w;
    pyr_params params;
    pyr_loss loss;
    pyr_denoiser denoiser;
    void *block;
    size_t n, n_condition; /* numbers of one image */
    void *work;            /* backend memory: BATCH variables */
} pair;

static bool pair_open(pair *p, const char *backend, int levels, int filter, int index,
                      const pyr_level_settings *s, bool training)
{
    pyr_kernels *k;

    *p = (pair){0};
    if (!world_open(&p->w, backend, 1, levels, filter, index, s))
        return false;
    k = p->w.k;
    CHECK_OK(pyr_loss_new(&p->loss, k, &p->params, &p->w.level,
                          &(pyr_loss_plan){.batch = BATCH, .groups = 1, .training = training}));
    CHECK_OK(pyr_denoiser_new(&p->denoiser, k, &p->params, &p->w.level, BATCH, PYR_GRADIENT_NONE));
    CHECK_OK(pyr_alloc(k, &p->block, p->params.count * pyr_type_size(k->real), "parameters"));
    CHECK_OK(pyr_params_init(&p->params, k, p->block, 1, index));
    CHECK_OK(pyr_graph_pack(p->loss.g, p->block));
    CHECK_OK(pyr_denoiser_pack(&p->denoiser, p->block));
    p->n = pyr_count(p->w.level.variable);
    p->n_condition = pyr_count(p->w.level.condition);
    CHECK_OK(pyr_alloc(k, &p->work, BATCH * p->n * pyr_type_size(k->real), "work"));
    return true;
}

static void pair_close(pair *p)
{
    pyr_loss_free(&p->loss);
    pyr_denoiser_free(&p->denoiser);
    pyr_params_free(&p->params);
    if (p->w.k) {
        pyr_release(p->w.k, p->block);
        pyr_release(p->w.k, p->work);
    }
    world_close(&p->w);
}

/* Random weights everywhere, the last layers too. */
static void stir(pair *p)
{
    double *values = numbers(p->params.count);

    CHECK_OK(pyr_download_reals(p->w.k, values, p->block, p->params.count));
    for (int i = 0; i < p->params.n; i++)
        for (size_t j = 0; j < p->params.at[i].count; j++) {
            float four[4];

            pyr_normal4(3, (uint32_t)(j / 4), (uint32_t)i, 0, 1, four);
            values[p->params.at[i].offset + j] += 0.1 * (double)four[j % 4];
        }
    CHECK_OK(pyr_upload_reals(p->w.k, p->block, values, p->params.count));
    CHECK_OK(pyr_graph_pack(p->loss.g, p->block));
    CHECK_OK(pyr_denoiser_pack(&p->denoiser, p->block));
    pyr_free(values);
}

static const int64_t picked[BATCH] = {3, 1, 4, 15, 9};

/* Data of n images into the loss's inputs, the draw, and a forward; the standardised variables to z, the
 * conditions (image units) to condition. */
static void run_loss(pair *p, const pyr_draw *draw, double *z, double *condition, double *losses)
{
    pyr_kernels *k = p->w.k;
    pyr_graph *g = p->loss.g;
    const pyr_level *level = &p->w.level;
    void *at = p->loss.condition >= 0 ? pyr_graph_data(g, 0, p->loss.condition) : NULL;
    int c = level->variable.c;

    CHECK_OK(pyr_feed_level(&p->w.feed, 0,
                            &(pyr_pick){.split = PYR_SPLIT_TRAIN, .n = draw->n, .index = picked},
                            level->facts.index, pyr_graph_data(g, 0, p->loss.variable), at));
    CHECK_OK(pyr_download_reals(k, z, pyr_graph_data(g, 0, p->loss.variable), (size_t)draw->n * p->n));
    if (at)
        CHECK_OK(pyr_download_reals(k, condition, at, (size_t)draw->n * p->n_condition));
    for (size_t i = 0; i < (size_t)draw->n * p->n; i++) {
        int band = (int)(i % (size_t)c) / (c / level->facts.bands);

        z[i] = (z[i] - level->facts.mean[band]) / level->facts.std[band];
    }
    CHECK_OK(pyr_loss_draw(&p->loss, 0, draw));
    CHECK_OK(pyr_graph_forward(g, 0));
    CHECK_OK(pyr_download_reals(k, losses, pyr_graph_data(g, 0, p->loss.loss), BATCH));
}

static double eps_of(const pyr_draw *draw, int level, int image, size_t element)
{
    float four[4];

    pyr_normal4(draw->seed, (uint32_t)(element / 4), (uint32_t)(draw->first + image), draw->step,
                pyr_rng_purpose(PYR_RNG_NOISE, level), four);
    return (double)four[element % 4];
}

/* At the start F = 0, so the loss is w s^2/(1 + s^2) times the mean of F*^2, F* = (s z - eps)/sqrt(1 + s^2);
 * for the EDM weight the factor in front is 1, for the simple one it is 1/(1 + s^2). */
static void loss_by_hand(void)
{
    static const int filters[] = {PYR_FILTER_BOX, PYR_FILTER_HAAR};

    for (int b = 0; b < BACKENDS; b++)
        for (int variant = 0; variant < 6; variant++) {
            pyr_level_settings s = settings_of();
            int index = variant % 2, filter = filters[variant / 2 % 2];
            pyr_draw draw = {
                .seed = UINT64_C(0x123456789ABCDEF), .step = 12, .first = 4, .n = BATCH, .batch = 40};
            double *z, *condition, losses[BATCH];
            pair p;

            if (variant >= 4) {
                s.weight = PYR_WEIGHT_SIMPLE;
                s.density = PYR_UNIFORM_T;
                s.curve = PYR_CURVE_COSINE;
            }
            CHECK(pair_open(&p, backends[b], 2, filter, index, &s, variant != 3));
            z = numbers(BATCH * p.n);
            condition = numbers(BATCH * p.n_condition + 1);
            run_loss(&p, &draw, z, condition, losses);
            for (int i = 0; i < BATCH; i++) {
                double level = pyr_draw_level(&p.loss, &draw, 4 + i), root = sqrt(1 + level * level), sum = 0;

                for (size_t j = 0; j < p.n; j++) {
                    double f = (level * z[(size_t)i * p.n + j] - eps_of(&draw, index, i, j)) / root;

                    sum += f * f;
                }
                sum /= (double)p.n;
                if (variant >= 4)
                    sum /= 1 + level * level;
                CHECK_CLOSE(losses[i], sum, (b == 0 ? 1e-12 : 2e-5) * sum);
            }
            pyr_free(z);
            pyr_free(condition);
            pair_close(&p);
        }
}

/* With any weights: loss = w mean |D - z|^2, D from the denoiser at x = z + s eps. Loss and denoiser
 * are two graphs with other formulas. For every prediction, and for a network without the noise level. */
static void loss_and_denoiser_agree(void)
{
    for (int b = 0; b < BACKENDS; b++)
        for (int variant = 0; variant < 9; variant++) {
            pyr_level_settings s = settings_of();
            int index = variant % 2, filter = variant < 2 ? PYR_FILTER_BOX : PYR_FILTER_HAAR;
            pyr_draw draw = {.seed = 7, .step = 3, .n = BATCH, .batch = BATCH};
            int32_t labels[BATCH] = {0, 1, 1, 0, 1};
            uint32_t rows[BATCH] = {0, 1, 1, 0, 1};
            double *z, *condition, *x, *d, losses[BATCH], level[BATCH];
            void *given = NULL;
            pyr_denoising call;
            pair p;

            s.augmentation = 0;
            s.classes = true;
            if (variant == 1)
                s.network.unet.time_embedding_type = PYR_UNET_FOURIER;
            s.prediction = variant < 4 ? PYR_PREDICT_F : variant - 4;
            s.noise_input = variant != 6; /* with prediction epsilon, as in NCSNv2 */
            draw.labels = labels;
            CHECK(pair_open(&p, backends[b], 2, filter, index, &s, false));
            CHECK(p.w.level.facts.classes == 2 && p.w.level.unet.num_class_embeds == 3);
            stir(&p);
            z = numbers(BATCH * p.n);
            x = numbers(BATCH * p.n);
            d = numbers(BATCH * p.n);
            condition = numbers(BATCH * p.n_condition + 1);
            run_loss(&p, &draw, z, condition, losses);
            for (int i = 0; i < BATCH; i++) {
                level[i] = pyr_draw_level(&p.loss, &draw, i);
                for (size_t j = 0; j < p.n; j++)
                    x[(size_t)i * p.n + j] = z[(size_t)i * p.n + j] + level[i] * eps_of(&draw, index, i, j);
            }
            CHECK_OK(pyr_upload_reals(p.w.k, p.work, x, BATCH * p.n));
            if (p.n_condition) {
                CHECK_OK(pyr_alloc(p.w.k, &given, BATCH * p.n_condition * pyr_type_size(p.w.k->real), "c"));
                CHECK_OK(pyr_upload_reals(p.w.k, given, condition, BATCH * p.n_condition));
            }
            call = (pyr_denoising){.denoiser = &p.denoiser, .n = BATCH, .condition = given, .rows = rows};
            CHECK_OK(pyr_denoiser_begin(&call));
            CHECK_OK(pyr_denoiser_call(&call, p.work, level, p.work));
            CHECK_OK(pyr_download_reals(p.w.k, d, p.work, BATCH * p.n));
            for (int i = 0; i < BATCH; i++) {
                double sum = 0, w = 1 + 1 / (level[i] * level[i]);

                for (size_t j = 0; j < p.n; j++)
                    sum += (d[(size_t)i * p.n + j] - z[(size_t)i * p.n + j]) *
                           (d[(size_t)i * p.n + j] - z[(size_t)i * p.n + j]);
                CHECK_CLOSE(losses[i], w * sum / (double)p.n, (b == 0 ? 1e-9 : 1e-3) * losses[i]);
            }
            /* fewer images than a batch, twice, in the middle of what the last run left behind; and without
             * a class */
            for (int turn = 0; turn < 3; turn++) {
                double again[2 * H * W * C * 3];

                CHECK(2 * p.n <= sizeof again / sizeof *again);
                CHECK_OK(pyr_upload_reals(p.w.k, p.work, x, 2 * p.n));
                call.n = 2;
                call.rows = turn < 2 ? rows : NULL;
                CHECK_OK(pyr_denoiser_begin(&call));
                CHECK_OK(pyr_denoiser_call(&call, p.work, level, p.work));
                CHECK_OK(pyr_download_reals(p.w.k, again, p.work, 2 * p.n));
                if (turn < 2)
                    near("fewer images", again, d, 2 * p.n, b == 0 ? 1e-12 : 1e-5);
                else
                    CHECK(fabs(again[0] - d[0]) > 1e-6);
            }
            pyr_release(p.w.k, given);
            pyr_free(z);
            pyr_free(x);
            pyr_free(d);
            pyr_free(condition);
            pair_close(&p);
        }
}

/* The noise on the condition of image i, drawn between level.augmentation_min and level.augmentation,
 * evenly. */
static void augmentation_is_drawn(void)
{
    enum { IMAGES_DRAWN = 4000 };
    pyr_level_settings s = settings_of();
    double least = 1, most = 0, mean = 0;
    pyr_draw draw = {.seed = 5, .step = 9, .n = BATCH, .batch = BATCH};
    pair p;

    s.augmentation = 0.4;
    s.augmentation_min = 0.1;
    s.augmentation_channel = true;
    CHECK(pair_open(&p, "ref", 2, PYR_FILTER_BOX, 0, &s, true));
    CHECK_CLOSE(p.w.level.facts.noise_unit, 0.4, 0);
    CHECK(p.w.level.unet.in_channels == 2 * C + 1 && pyr_level_condition_channels(&p.w.level) == C + 1);
    for (int i = 0; i < IMAGES_DRAWN; i++) {
        double a = pyr_draw_augmentation(&p.loss, &draw, i);

        least = fmin(least, a);
        most = fmax(most, a);
        mean += a / IMAGES_DRAWN;
    }
    CHECK(least >= 0.1 && least < 0.102 && most <= 0.4 && most > 0.398);
    CHECK_CLOSE(mean, 0.25, 4 * 0.3 / sqrt(12.0 * IMAGES_DRAWN));
    p.w.level.settings.augmentation_min = -1; /* always the highest */
    for (int i = 0; i < BATCH; i++)
        CHECK_CLOSE(pyr_draw_augmentation(&p.loss, &draw, i), 0.4, 1e-12);
    pair_close(&p);
    CHECK(pair_open(&p, "ref", 2, PYR_FILTER_BOX, 0, &s, false)); /* not in the held-out loss */
    CHECK_CLOSE(pyr_draw_augmentation(&p.loss, &draw, 3), 0, 0);
    pair_close(&p);
    s.augmentation_channel = false;
    CHECK(pair_open(&p, "ref", 2, PYR_FILTER_BOX, 0, &s, true));
    CHECK(p.w.level.unet.in_channels == 2 * C && p.w.level.facts.noise_unit == 0);
    pair_close(&p);
    s.augmentation_channel = true;
    CHECK(pair_open(&p, "ref", 2, PYR_FILTER_BOX, 1, &s, true)); /* the coarsest has no condition */
    CHECK(p.w.level.unet.in_channels == C && p.w.level.facts.noise_unit == 0);
    pair_close(&p);
}

/* The loss at image i, whose condition has noise of its own amount, is that of a denoiser that is given the
 * noisy condition and its amount by sampler.augmentation: the two graphs compute the same. With another
 * amount it is another loss. */
static void amount_of_noise_is_the_same_in_sampling(void)
{
    for (int b = 0; b < BACKENDS; b++)
        for (int filter = PYR_FILTER_BOX; filter <= PYR_FILTER_HAAR; filter += PYR_FILTER_HAAR) {
            pyr_level_settings s = settings_of();
            pyr_draw draw = {.seed = 7, .step = 3, .n = BATCH, .batch = BATCH};
            double *z, *condition, *x, *d, losses[BATCH], level[BATCH], amount[BATCH];
            void *given = NULL;
            pair p;

            s.augmentation = 0.5;
            s.augmentation_min = 0.05;
            s.augmentation_channel = true;
            CHECK(pair_open(&p, backends[b], 2, filter, 0, &s, true));
            stir(&p);
            z = numbers(BATCH * p.n);
            x = numbers(BATCH * p.n);
            d = numbers(BATCH * p.n);
            condition = numbers(BATCH * p.n_condition);
            run_loss(&p, &draw, z, condition, losses);
            for (int i = 0; i < BATCH; i++) {
                size_t place = (size_t)i;

                level[i] = pyr_draw_level(&p.loss, &draw, i);
                amount[i] = pyr_draw_augmentation(&p.loss, &draw, i);
                for (size_t j = 0; j < p.n; j++)
                    x[place * p.n + j] = z[place * p.n + j] + level[i] * eps_of(&draw, 0, i, j);
                for (size_t j = 0; j < p.n_condition; j++) {
                    float four[4];

                    pyr_normal4(draw.seed, (uint32_t)(j / 4), (uint32_t)i, draw.step,
                                pyr_rng_purpose(PYR_RNG_AUGMENT, 0), four);
                    condition[place * p.n_condition + j] += amount[i] * (double)four[j % 4];
                }
            }
            CHECK_OK(pyr_alloc(p.w.k, &given, BATCH * p.n_condition * pyr_type_size(p.w.k->real), "c"));
            CHECK_OK(pyr_upload_reals(p.w.k, given, condition, BATCH * p.n_condition));
            for (int i = 0; i < 2 * BATCH; i++) {
                int at = i % BATCH;
                double sum = 0, w = 1 + 1 / (level[at] * level[at]);
                pyr_denoising call = {.denoiser = &p.denoiser, .n = BATCH, .condition = given};

                p.w.level.settings.sampler_augmentation = i < BATCH ? amount[at] : 0.4 * amount[at];
                pyr_denoiser_free(&p.denoiser);
                CHECK_OK(
                    pyr_denoiser_new(&p.denoiser, p.w.k, &p.params, &p.w.level, BATCH, PYR_GRADIENT_NONE));
                CHECK_OK(pyr_denoiser_pack(&p.denoiser, p.block));
                CHECK_OK(pyr_upload_reals(p.w.k, p.work, x, BATCH * p.n));
                CHECK_OK(pyr_denoiser_begin(&call));
                CHECK_OK(pyr_denoiser_call(&call, p.work, level, p.work));
                CHECK_OK(pyr_download_reals(p.w.k, d, p.work, BATCH * p.n));
                for (size_t j = (size_t)at * p.n; j < (size_t)(at + 1) * p.n; j++)
                    sum += (d[j] - z[j]) * (d[j] - z[j]) / (double)p.n;
                if (i < BATCH)
                    CHECK_CLOSE(losses[at], w * sum, (b == 0 ? 1e-8 : 1e-3) * losses[at]);
                else
                    CHECK(fabs(losses[at] - w * sum) > 1e-6 * losses[at]);
            }
            pyr_release(p.w.k, given);
            pyr_free(z);
            pyr_free(x);
            pyr_free(d);
            pyr_free(condition);
            pair_close(&p);
        }
}

/* The graph of the same level that reads its condition in every evaluation. */
typedef struct plain_denoiser {
    pyr_graph *g;
    pyr_value x, condition, mix_in, mix_out, time, d;
} plain_denoiser;

static void plain_open(plain_denoiser *out, pyr_kernels *k, pyr_params *params, const pyr_level *level)
{
    pyr_shape pair_of = {1, 1, 1, 2}, one = {1, 1, 1, 1};
    pyr_value sample, f;
    pyr_graph *g;

    CHECK_OK(pyr_graph_new(&out->g, k, k->precision, params));
    g = out->g;
    out->x = pyr_graph_input(g, level->variable, k->real);
    out->condition = pyr_graph_input(g, level->condition, k->real);
    out->mix_in = pyr_graph_input(g, pair_of, k->real);
    out->mix_out = pyr_graph_input(g, pair_of, k->real);
    out->time = pyr_graph_input(g, one, k->real);
    sample = pyr_concat(g, pyr_mix(g, out->x, out->x, out->mix_in),
                        pyr_affine(g, out->condition, 1 / level->facts.condition_std, 0));
    f = pyr_unet_build(g, &level->unet, &(pyr_unet_options){.undivided = true},
                       &(pyr_unet_inputs){.sample = sample, .time = out->time, .label = -1, .stream = -1});
    out->d = pyr_mix(g, out->x, f, out->mix_out);
    pyr_graph_keep(g, out->d);
    CHECK_OK(pyr_graph_plan(g, &(pyr_plan){.batch = BATCH}));
}

static void plain_run(const plain_denoiser *plain, pyr_kernels *k, const pyr_level *level, const double *x,
                      const double *condition, double s, double *d)
{
    double in[2 * BATCH], out[2 * BATCH], time[BATCH];
    size_t n = BATCH * pyr_count(level->variable), n_condition = BATCH * pyr_count(level->condition);

    for (int i = 0; i < BATCH; i++) {
        in[2 * i] = 1 / sqrt(1 + s * s);
        in[2 * i + 1] = 0;
        out[2 * i] = 1 / (1 + s * s);
        out[2 * i + 1] = s / sqrt(1 + s * s);
        time[i] = pyr_level_coefs_at(level, s).time;
    }
    CHECK_OK(pyr_upload_reals(k, pyr_graph_data(plain->g, 0, plain->x), x, n));
    CHECK_OK(pyr_upload_reals(k, pyr_graph_data(plain->g, 0, plain->condition), condition, n_condition));
    CHECK_OK(pyr_upload_reals(k, pyr_graph_data(plain->g, 0, plain->mix_in), in, 2 * BATCH));
    CHECK_OK(pyr_upload_reals(k, pyr_graph_data(plain->g, 0, plain->mix_out), out, 2 * BATCH));
    CHECK_OK(pyr_upload_reals(k, pyr_graph_data(plain->g, 0, plain->time), time, BATCH));
    CHECK_OK(pyr_graph_forward(plain->g, 0));
    CHECK_OK(pyr_download_reals(k, d, pyr_graph_data(plain->g, 0, plain->d), n));
}

/* What conv_in makes of the condition is computed once, for all the evaluations that follow; the parameters
 * are those of the whole, in their places. */
static void condition_is_read_once(void)
{
    for (int b = 0; b < BACKENDS; b++)
        for (int variant = 0; variant < 6; variant++) {
            static const double sigma[2] = {0.7, 12};
            pyr_level_settings s = settings_of();
            int filter = variant % 2 ? PYR_FILTER_HAAR : PYR_FILTER_BOX, n_params;
            plain_denoiser plain;
            pyr_denoiser denoiser;
            pyr_params params = {0};
            void *block = NULL, *at = NULL, *given = NULL;
            double *x, *condition, *d, *wanted;
            size_t n, n_condition, real, count;
            world w;

            s.network.unet.patch = 1 + variant / 2; /* 3 does not divide the sides: padding */
            CHECK(world_open(&w, backends[b], 1, 2, filter, 0, &s));
            w.level.unet.center_input_sample = variant % 3 == 1;
            n = BATCH * pyr_count(w.level.variable);
            n_condition = BATCH * pyr_count(w.level.condition);
            real = pyr_type_size(w.k->real);
            plain_open(&plain, w.k, &params, &w.level);
            count = params.count;
            n_params = params.n;
            CHECK_OK(pyr_denoiser_new(&denoiser, w.k, &params, &w.level, BATCH, PYR_GRADIENT_NONE));
            CHECK(params.count == count && params.n == n_params);
            CHECK(pyr_denoiser_flop(&denoiser, 1) > 0.99 * pyr_graph_flop(plain.g) &&
                  pyr_denoiser_flop(&denoiser, 1) < 1.01 * pyr_graph_flop(plain.g));
            CHECK(pyr_denoiser_flop(&denoiser, 10) < 9.99 * pyr_graph_flop(plain.g));
            CHECK_OK(pyr_alloc(w.k, &block, params.count * real, "parameters"));
            CHECK_OK(pyr_params_init(&params, w.k, block, 5, 0));
            CHECK_OK(pyr_graph_pack(plain.g, block));
            CHECK_OK(pyr_denoiser_pack(&denoiser, block));
            CHECK_OK(pyr_alloc(w.k, &at, n * real, "x"));
            CHECK_OK(pyr_alloc(w.k, &given, n_condition * real, "condition"));
            x = numbers(n);
            d = numbers(n);
            wanted = numbers(n);
            condition = numbers(n_condition);
            for (size_t i = 0; i < n; i++)
                x[i] = (double)(float)sin(1.7 * (double)i);
            for (size_t i = 0; i < n_condition; i++)
                condition[i] = (double)(float)cos(0.9 * (double)i);
            CHECK_OK(pyr_upload_reals(w.k, given, condition, n_condition));
            pyr_denoising call = {.denoiser = &denoiser, .n = BATCH, .condition = given};
            CHECK_OK(pyr_denoiser_begin(&call));
            for (int turn = 0; turn < 4; turn++) {
                double all[BATCH];

                for (int i = 0; i < BATCH; i++)
                    all[i] = sigma[turn % 2];
                CHECK_OK(pyr_upload_reals(w.k, at, x, n));
                CHECK_OK(pyr_denoiser_call(&call, at, all, at));
                CHECK_OK(pyr_download_reals(w.k, d, at, n));
                plain_run(&plain, w.k, &w.level, x, condition, sigma[turn % 2], wanted);
                near("the condition read once", d, wanted, n, b == 0 ? 1e-12 : 1e-5);
            }
            /* it is read at all */
            for (size_t i = 0; i < n_condition; i++)
                condition[i] += 1;
            plain_run(&plain, w.k, &w.level, x, condition, sigma[1], wanted);
            CHECK(fabs(wanted[0] - d[0]) > 1e-4);
            pyr_release(w.k, block);
            pyr_release(w.k, at);
            pyr_release(w.k, given);
            pyr_free(x);
            pyr_free(d);
            pyr_free(wanted);
            pyr_free(condition);
            pyr_denoiser_free(&denoiser);
            pyr_graph_free(plain.g);
            pyr_params_free(&params);
            world_close(&w);
        }
}

static const double guided_sigma[BATCH] = {0.5, 1, 2, 4, 8};

typedef struct guiding {
    double g, lo, hi;   /* settings */
    const pair *weaker; /* NULL: classes */
} guiding;

/* D at one noise level each for n images of a level with guidance, on the parameters of `p`. */
static void denoise_guided(const pair *p, guiding guide, const uint32_t *rows, int n, const double *x,
                           const void *given, double *out)
{
    pyr_level level = p->w.level;
    pyr_params params = {0};
    pyr_denoiser denoiser;
    pyr_denoising weaker = {.n = n, .condition = given, .rows = rows};

    level.settings.sampler_guidance = guide.g;
    level.settings.guidance_min = guide.lo;
    level.settings.guidance_max = guide.hi;
    level.weaker = guide.weaker != NULL;
    CHECK(pyr_level_guided(&level, -1) == (guide.g != 1));
    CHECK_OK(pyr_denoiser_new(&denoiser, p->w.k, &params, &level, BATCH, PYR_GRADIENT_NONE));
    CHECK(params.count == p->params.count); /* the layout of training */
    CHECK_OK(pyr_denoiser_pack(&denoiser, p->block));
    pyr_denoising call = {.denoiser = &denoiser, .n = n, .condition = given, .rows = rows};
    if (guide.weaker) {
        weaker.denoiser = (pyr_denoiser *)&guide.weaker->denoiser;
        call.weaker = &weaker;
    }
    CHECK_OK(pyr_upload_reals(p->w.k, p->work, x, (size_t)n * p->n));
    for (int again = 0; again < 2; again++) { /* the second time from where the first left its lane */
        CHECK_OK(pyr_upload_reals(p->w.k, p->work, x, (size_t)n * p->n));
        if (!again)
            CHECK_OK(pyr_denoiser_begin(&call));
        CHECK_OK(pyr_denoiser_call(&call, p->work, guided_sigma, p->work));
    }
    CHECK_OK(pyr_download_reals(p->w.k, out, p->work, (size_t)n * p->n));
    pyr_denoiser_free(&denoiser);
    pyr_params_free(&params);
}

/* D = D_none + G (D_class - D_none), the two on the right from denoisers without guidance. */
static void guidance_is_linear(void)
{
    static const double amounts[] = {1, 0, 0.5, 2, 7.5};
    const uint32_t rows[BATCH] = {0, 1, 1, 0, 1};

    for (int b = 0; b < BACKENDS; b++)
        for (int variant = 0; variant < 4; variant++) {
            pyr_level_settings s = settings_of();
            int n = variant < 2 ? BATCH : BATCH - 2;
            double *x, *with, *without, *d, *wanted;
            void *given = NULL;
            size_t count;
            pair p;

            s.classes = true;
            CHECK(pair_open(&p, backends[b], 2, PYR_FILTER_BOX, variant % 2, &s, false));
            stir(&p);
            count = (size_t)n * p.n;
            x = numbers(count);
            d = numbers(count);
            with = numbers(count);
            without = numbers(count);
            wanted = numbers(count);
            for (size_t i = 0; i < count; i++)
                x[i] = (double)(float)(3 * sin(0.3 * (double)i));
            if (p.n_condition)
                CHECK_OK(pyr_alloc(p.w.k, &given, BATCH * p.n_condition * pyr_type_size(p.w.k->real), "c"));
            denoise_guided(&p, (guiding){.g = 1}, rows, n, x, given, with);
            denoise_guided(&p, (guiding){.g = 1}, NULL, n, x, given, without);
            CHECK(fabs(with[0] - without[0]) > 1e-4);
            for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++) {
                for (size_t j = 0; j < count; j++)
                    wanted[j] = without[j] + amounts[i] * (with[j] - without[j]);
                denoise_guided(&p, (guiding){.g = amounts[i]}, rows, n, x, given, d);
                near("guidance", d, wanted, count, b == 0 ? 1e-12 : 1e-5);
            }
            denoise_guided(&p, (guiding){.g = 3}, NULL, n, x, given,
                           d); /* without a class there is nothing to go to */
            near("guidance without a class", d, without, count, b == 0 ? 1e-12 : 1e-5);
            for (size_t j = 0; j < count; j++) { /* of the levels 0.5, 1, 2, 4, 8 from 1 to 4 only */
                double sigma = guided_sigma[j / p.n];

                wanted[j] = with[j] + (sigma >= 1 && sigma <= 4 ? 2 : 0) * (with[j] - without[j]);
            }
            denoise_guided(&p, (guiding){.g = 3, .lo = 1, .hi = 4}, rows, n, x, given, d);
            near("guidance in an interval", d, wanted, count, b == 0 ? 1e-12 : 1e-5);
            denoise_guided(&p, (guiding){.g = 3, .lo = 10}, rows, n, x, given, d);
            near("guidance nowhere", d, with, count, b == 0 ? 1e-12 : 1e-5);
            pyr_release(p.w.k, given);
            pyr_free(x);
            pyr_free(d);
            pyr_free(with);
            pyr_free(without);
            pyr_free(wanted);
            pair_close(&p);
        }
}

/* D = D_weaker + G (D - D_weaker): Karras et al. 2024, equation 3. The weaker network has a shape of its
 * own. */
static void guided_by_a_weaker_network(void)
{
    const uint32_t rows[BATCH] = {0, 1, 1, 0, 1};

    for (int b = 0; b < BACKENDS; b++)
        for (int index = 0; index < 2; index++) {
            pyr_level_settings s = settings_of(), small = s;
            double *x, *strong, *weak, *d, *wanted;
            void *given = NULL;
            size_t count;
            pair p, q;

            s.classes = small.classes = true;
            small.network.block_out_channels = (pyr_ints){.n = 1, .at = {4}};
            small.network.unet.norm_num_groups = 2;
            CHECK(pair_open(&p, backends[b], 2, PYR_FILTER_BOX, index, &s, false));
            CHECK(pair_open(&q, backends[b], 2, PYR_FILTER_BOX, index, &small, false));
            stir(&p);
            stir(&q);
            count = BATCH * p.n;
            x = numbers(count);
            d = numbers(count);
            strong = numbers(count);
            weak = numbers(count);
            wanted = numbers(count);
            for (size_t i = 0; i < count; i++)
                x[i] = (double)(float)(3 * sin(0.3 * (double)i));
            if (p.n_condition)
                CHECK_OK(pyr_alloc(p.w.k, &given, BATCH * p.n_condition * pyr_type_size(p.w.k->real), "c"));
            denoise_guided(&p, (guiding){.g = 1}, rows, BATCH, x, given, strong);
            denoise_guided(&q, (guiding){.g = 1}, rows, BATCH, x, given, weak);
            CHECK(fabs(strong[0] - weak[0]) > 1e-4);
            for (int interval = 0; interval < 2; interval++) {
                for (size_t j = 0; j < count; j++) {
                    bool guided = !interval || guided_sigma[j / p.n] <= 2;

                    wanted[j] = strong[j] + (guided ? 1.5 : 0) * (strong[j] - weak[j]);
                }
                denoise_guided(&p, (guiding){.g = 2.5, .hi = interval ? 2 : 0, .weaker = &q}, rows, BATCH, x,
                               given, d);
                near("autoguidance", d, wanted, count, b == 0 ? 1e-12 : 1e-5);
            }
            pyr_release(p.w.k, given);
            pyr_free(x);
            pyr_free(d);
            pyr_free(strong);
            pyr_free(weak);
            pyr_free(wanted);
            pair_close(&p);
            pair_close(&q);
        }
}

/* F = 0: D = x / (1 + s^2). */
static void denoiser_at_the_start(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_level_settings s = settings_of();
        const double level[BATCH] = {0.002, 0.3, 1, 5, 80};
        double *x, *d, *wanted;
        pair p;

        CHECK(pair_open(&p, backends[b], 2, PYR_FILTER_BOX, 1, &s, false));
        x = numbers(BATCH * p.n);
        d = numbers(BATCH * p.n);
        wanted = numbers(BATCH * p.n);
        for (size_t i = 0; i < BATCH * p.n; i++) {
            double at = level[i / p.n];

            x[i] = (double)(float)(sqrt(1 + at * at) * sin((double)i));
            wanted[i] = x[i] / (1 + at * at);
        }
        CHECK_OK(pyr_upload_reals(p.w.k, p.work, x, BATCH * p.n));
        pyr_denoising call = {.denoiser = &p.denoiser, .n = BATCH};
        CHECK_OK(pyr_denoiser_begin(&call));
        CHECK_OK(pyr_denoiser_call(&call, p.work, level, p.work));
        CHECK_OK(pyr_download_reals(p.w.k, d, p.work, BATCH * p.n));
        for (size_t i = 0; i < BATCH; i++)
            near("D", d + i * p.n, wanted + i * p.n, p.n, b == 0 ? 1e-14 : 1e-6);
        pyr_free(x);
        pyr_free(d);
        pyr_free(wanted);
        pair_close(&p);
    }
}

/* Image i of a batch of n has a noise level within the i-th of n equal parts of the density. */
static void noise_levels_are_stratified(void)
{
    enum { N = 64 };
    pyr_level_settings s = settings_of();
    pair p;
    double low = 1, high = 0, before = 0;

    s.reference = 16; /* shifted */
    CHECK(pair_open(&p, "cpu", 2, PYR_FILTER_BOX, 1, &s, true));
    for (uint32_t step = 0; step < 50; step++)
        for (int i = 0; i < N; i++) {
            pyr_draw draw = {.seed = 5, .step = step, .batch = N};
            double level = pyr_draw_level(&p.loss, &draw, i);
            double x = (log(level * 16 / sqrt(H / 2 * W / 2)) - s.mean) / s.std;
            double u = erfc(-x / sqrt(2)) / 2 * N - i;

            CHECK(u > -1e-6 && u < 1 + 1e-6);
            low = fmin(low, u);
            high = fmax(high, u);
            CHECK(i > 0 || step == 0 || level != before);
            before = i == 0 ? level : before;
            /* whichever micro-batch it is in */
            draw.first = i;
            draw.n = 1;
            CHECK(pyr_draw_level(&p.loss, &draw, i) == level);
        }
    CHECK(low < 0.01 && high > 0.99);
    pair_close(&p);
}

/* Images beyond n have no loss and no gradient, whatever lay there. */
static void padded_images_count_nothing(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_level_settings s = settings_of();
        pyr_draw draw = {.seed = 5, .step = 1, .first = 35, .n = 3, .batch = 38};
        double *z, *condition, *grad[2], losses[2][BATCH], seeds[BATCH] = {1, 1, 1, 1, 1};
        size_t real, count;
        pair p;

        CHECK(pair_open(&p, backends[b], 2, PYR_FILTER_BOX, 0, &s, true));
        stir(&p);
        real = pyr_type_size(p.w.k->real);
        count = p.params.count;
        z = numbers(BATCH * p.n);
        condition = numbers(BATCH * p.n_condition);
        for (int turn = 0; turn < 2; turn++) {
            void *out = NULL;

            /* what another buffer may have left there: anything, also what is no number */
            memset(pyr_graph_data(p.loss.g, 0, p.loss.variable), turn ? 0xFF : 0, BATCH * p.n * real);
            memset(pyr_graph_data(p.loss.g, 0, p.loss.condition), turn ? 0xFF : 0,
                   BATCH * p.n_condition * real);
            run_loss(&p, &draw, z, condition, losses[turn]);
            CHECK(losses[turn][0] > 0 && losses[turn][3] == 0 && losses[turn][4] == 0);
            pyr_graph_clear(p.loss.g, 0);
            CHECK_OK(pyr_upload_reals(p.w.k, pyr_graph_gradient(p.loss.g, 0, p.loss.loss), seeds, BATCH));
            CHECK_OK(pyr_graph_backward(p.loss.g, 0, 0));
            CHECK_OK(pyr_alloc(p.w.k, &out, count * real, "gradient"));
            CHECK_OK(pyr_graph_collect(p.loss.g, out));
            grad[turn] = numbers(count);
            CHECK_OK(pyr_download_reals(p.w.k, grad[turn], out, count));
            pyr_release(p.w.k, out);
        }
        CHECK(largest(grad[0], count) > 0);
        near("with and without rubbish", grad[1], grad[0], count, 0);
        CHECK(memcmp(losses[0], losses[1], sizeof losses[0]) == 0);
        pyr_free(z);
        pyr_free(condition);
        pyr_free(grad[0]);
        pyr_free(grad[1]);
        pair_close(&p);
    }
}

/* Labels are dropped as often as they should be, and only in training. */
static void labels_are_dropped(void)
{
    for (int training = 0; training < 2; training++) {
        pyr_level_settings s = settings_of();
        int dropped = 0;
        pair p;

        s.classes = true;
        s.class_dropout = 0.3;
        CHECK(pair_open(&p, "cpu", 2, PYR_FILTER_BOX, 1, &s, training));
        for (uint32_t step = 0; step < 400; step++) {
            int32_t labels[BATCH] = {0, 1, 0, 1, 0};

            CHECK_OK(pyr_loss_draw(
                &p.loss, 0,
                &(pyr_draw){.seed = 1, .step = step, .n = BATCH, .batch = BATCH, .labels = labels}));
            for (int i = 0; i < BATCH; i++) {
                uint32_t row = ((uint32_t *)pyr_graph_data(p.loss.g, 0, p.loss.label))[i];

                CHECK(row == (uint32_t)labels[i] || row == 2);
                dropped += row == 2;
            }
        }
        CHECK_CLOSE(dropped, training ? 600 : 0, training ? 4 * sqrt(2000 * 0.21) : 0);
        pair_close(&p);
    }
}

/* A level that stands in the files draws what the level in memory draws, image by image. */
static void sampled_level(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_level_settings s = settings_of();
        uint64_t seeds[3] = {5, 6, 7};
        pyr_sampled_level one = {0}, three = {0};
        pyr_unet_files files = {0};
        double all[3 * 12 * C], alone[12 * C];
        void *work[2] = {NULL, NULL}, *x = NULL;
        size_t real;
        pair p;

        s.sampler.steps = 5;
        CHECK(pair_open(&p, backends[b], 2, PYR_FILTER_BOX, 1, &s, false));
        CHECK(p.n == 12 * C);
        stir(&p);
        real = pyr_type_size(p.w.k->real);
        {
            double *values = numbers(p.params.count); /* files hold floats */

            CHECK_OK(pyr_download_reals(p.w.k, values, p.block, p.params.count));
            for (size_t i = 0; i < p.params.count; i++)
                values[i] = (double)(float)values[i];
            CHECK_OK(pyr_upload_reals(p.w.k, p.block, values, p.params.count));
            pyr_free(values);
        }
        CHECK_OK(pyr_unet_save(folder_of("sampled"), &p.w.level.unet, &p.params, p.w.k, p.block, NULL, 0));
        CHECK_OK(pyr_unet_find(&files, below("sampled")));
        CHECK_OK(pyr_sampled_level_new(&three, p.w.k, &p.w.level, &files, NULL, 3));
        CHECK_OK(pyr_sampled_level_new(&one, p.w.k, &p.w.level, NULL, p.block, 2));
        CHECK_OK(pyr_alloc(p.w.k, &work[0], pyr_level_sample_work(&three, p.w.k, 3), "work"));
        CHECK_OK(pyr_alloc(p.w.k, &work[1], pyr_level_sample_work(&one, p.w.k, 1), "work"));
        CHECK_OK(pyr_alloc(p.w.k, &x, 3 * p.n * real, "x"));
        CHECK_OK(
            pyr_level_sample(&three, p.w.k, &(pyr_level_draw){.n = 3, .seeds = seeds, .work = work[0]}, x));
        CHECK_OK(pyr_download_reals(p.w.k, all, x, 3 * p.n));
        CHECK(isfinite(largest(all, 3 * p.n)) && largest(all, p.n) > 0);
        for (int i = 0; i < 3; i++) {
            CHECK_OK(pyr_level_sample(&one, p.w.k,
                                      &(pyr_level_draw){.n = 1, .seeds = &seeds[i], .work = work[1]}, x));
            CHECK_OK(pyr_download_reals(p.w.k, alone, x, p.n));
            near("a sample alone", alone, all + (size_t)i * p.n, p.n, b == 0 ? 1e-10 : 1e-3);
        }
        pyr_sampled_level_free(&one, p.w.k);
        pyr_sampled_level_free(&three, p.w.k);
        pyr_unet_files_free(&files);
        pyr_release(p.w.k, work[0]);
        pyr_release(p.w.k, work[1]);
        pyr_release(p.w.k, x);
        remove_all(below("sampled"));
        pair_close(&p);
    }
}

/* Of a level with guidance: twice the evaluations, each image the same alone and among others, and nothing is
 * allocated while drawing. */
static void sampled_with_guidance(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_level_settings s = settings_of();
        uint64_t seeds[3] = {5, 6, 7}, before;
        const uint32_t rows[3] = {1, 0, 1};
        pyr_sampled_level guided = {0}, plain = {0};
        double all[3 * 12 * C], alone[12 * C];
        void *work = NULL, *x = NULL;
        pair p;

        s.sampler.steps = 5;
        s.classes = true;
        CHECK(pair_open(&p, backends[b], 2, PYR_FILTER_BOX, 1, &s, false));
        stir(&p);
        CHECK_OK(pyr_sampled_level_new(&plain, p.w.k, &p.w.level, NULL, p.block, 3));
        p.w.level.settings.sampler_guidance = 2;
        CHECK_OK(pyr_sampled_level_new(&guided, p.w.k, &p.w.level, NULL, p.block, 3));
        CHECK(pyr_level_nfe(&plain) == 9 && pyr_level_nfe(&guided) == 18);
        CHECK_CLOSE(pyr_level_sample_flop(&guided), 2 * pyr_level_sample_flop(&plain), 1);
        CHECK_OK(pyr_alloc(p.w.k, &work, pyr_level_sample_work(&guided, p.w.k, 3), "work"));
        CHECK_OK(pyr_alloc(p.w.k, &x, 3 * p.n * pyr_type_size(p.w.k->real), "x"));
        before = pyr_mem().allocated;
        CHECK_OK(pyr_level_sample(&guided, p.w.k,
                                  &(pyr_level_draw){.n = 3, .seeds = seeds, .rows = rows, .work = work}, x));
        CHECK(pyr_mem().allocated == before);
        CHECK_OK(pyr_download_reals(p.w.k, all, x, 3 * p.n));
        CHECK(isfinite(largest(all, 3 * p.n)) && largest(all, p.n) > 0);
        for (int i = 0; i < 3; i++) {
            CHECK_OK(pyr_level_sample(
                &guided, p.w.k, &(pyr_level_draw){.n = 1, .seeds = &seeds[i], .rows = &rows[i], .work = work},
                x));
            CHECK_OK(pyr_download_reals(p.w.k, alone, x, p.n));
            CHECK(memcmp(alone, all + (size_t)i * p.n, p.n * sizeof *alone) == 0);
        }
        CHECK_OK(pyr_level_sample(&plain, p.w.k,
                                  &(pyr_level_draw){.n = 1, .seeds = seeds, .rows = rows, .work = work}, x));
        CHECK_OK(pyr_download_reals(p.w.k, alone, x, p.n));
        CHECK(fabs(alone[0] - all[0]) > 1e-5);
        pyr_sampled_level_free(&guided, p.w.k);
        pyr_sampled_level_free(&plain, p.w.k);
        pyr_release(p.w.k, work);
        pyr_release(p.w.k, x);
        pair_close(&p);
    }
}

/* What is drawn one batch after the other: images of each, and which seeds. */
static const struct {
    int n;
    uint64_t seed;
} batches[] = {{2, 5}, {2, 8}, {3, 5}, {3, 8}, {2, 7}, {3, 5}};
enum { BATCHES = sizeof batches / sizeof *batches, DRAWN = 3 * H * W * C };

/* Draw them with a level that has a condition, guided away from one with other weights or not; recorded[i]:
 * recordings begun after batch i. */
static void draw_batches(const char *backend, const pyr_level_settings *s, bool guided, double *out,
                         int *recorded)
{
    const uint32_t rows[3] = {1, 0, 1};
    void *work = NULL, *x = NULL, *given = NULL, *weights = NULL;
    pyr_sampled_level level = {0}, weaker = {0};
    size_t real;
    pair p;

    CHECK(pair_open(&p, backend, 2, PYR_FILTER_BOX, 0, s, false));
    CHECK(3 * p.n <= DRAWN && p.n_condition);
    stir(&p);
    real = pyr_type_size(p.w.k->real);
    if (guided) {
        CHECK_OK(pyr_alloc(p.w.k, &weights, p.params.count * real, "other weights"));
        CHECK_OK(pyr_params_init(&p.params, p.w.k, weights, 2, 0));
        CHECK_OK(pyr_sampled_level_new(&weaker, p.w.k, &p.w.level, NULL, weights, 3));
        p.w.level.weaker = true;
        p.w.level.settings.sampler_guidance = 2;
    }
    CHECK_OK(pyr_sampled_level_new(&level, p.w.k, &p.w.level, NULL, p.block, 3));
    level.weaker = guided ? &weaker : NULL;
    CHECK_OK(pyr_alloc(p.w.k, &work, pyr_level_sample_work(&level, p.w.k, 3), "work"));
    CHECK_OK(pyr_alloc(p.w.k, &x, 3 * p.n * real, "x"));
    CHECK_OK(pyr_alloc(p.w.k, &given, 3 * p.n_condition * real, "condition"));
    for (int b = 0; b < BATCHES; b++) {
        const uint64_t seeds[3] = {batches[b].seed, batches[b].seed + 1, batches[b].seed + 2};

        /* every batch has a condition of its own, in the same place */
        pyr_upload_streams(p.w.k, work, seeds, 3);
        p.w.k->backend->normals(p.w.k, given, 3, p.n_condition, work, PYR_RNG_TASK, 0, 0);
        CHECK_OK(pyr_level_sample(
            &level, p.w.k,
            &(pyr_level_draw){
                .n = batches[b].n, .seeds = seeds, .rows = rows, .work = work, .condition = given},
            x));
        CHECK_OK(pyr_download_reals(p.w.k, out + b * DRAWN, x, (size_t)batches[b].n * p.n));
        recorded[b] = recorder.recordings;
    }
    pyr_sampled_level_free(&level, p.w.k);
    pyr_sampled_level_free(&weaker, p.w.k);
    pyr_release(p.w.k, work);
    pyr_release(p.w.k, x);
    pyr_release(p.w.k, given);
    pyr_release(p.w.k, weights);
    pair_close(&p);
}

/* Recordings begun after each batch: one of an evaluation of each network; of the way when it comes for the second
 * time; again when there are more images, but not when there are fewer. */
static const int recorded_ways[BATCHES] = {1, 2, 2, 3, 3, 3},
                 recorded_evaluations[BATCHES] = {1, 1, 1, 1, 1, 1};

typedef struct recorded_case {
    int kind;
    double guidance, up_to;
    bool weaker, undenoised;
    const int *recorded;
} recorded_case;

/* A recorded way gives what single calls give, is made once for the same memory, and holds nothing that
 * changes: neither seeds nor condition. */
static void sampled_from_recording(const recorded_case *c)
{
    double *plain = numbers(BATCHES * DRAWN), *late = numbers(BATCHES * DRAWN);
    pyr_level_settings s = settings_of();
    int recorded[BATCHES];

    s.sampler = pyr_sampler_usual((pyr_sampler_kind)c->kind, 3);
    s.network.block_out_channels = (pyr_ints){.n = 1, .at = {4}};
    s.network.unet.norm_num_groups = 2;
    s.sampler.langevin_steps = 1;
    s.sampler.tolerance = 0.3;
    s.sampler.undenoised = c->undenoised;
    s.sampler_guidance = c->guidance;
    s.guidance_max = c->up_to;
    s.classes = c->guidance != 1;
    memset(plain, 0, BATCHES * DRAWN * sizeof *plain);
    memset(late, 0, BATCHES * DRAWN * sizeof *late);
    draw_batches("ref-counts", &s, c->weaker, plain, recorded);
    draw_batches("ref-lags", &s, c->weaker, late, recorded);
    CHECK(memcmp(plain, late, BATCHES * DRAWN * sizeof *plain) == 0);
    CHECK(memcmp(plain + 2 * DRAWN, plain + 5 * DRAWN, DRAWN * sizeof *plain) == 0); /* the same seeds */
    CHECK(plain[0] != plain[DRAWN] && isfinite(plain[0]));
    for (int b = 0; b < BATCHES; b++)
        CHECK(recorded[b] == c->recorded[b]);
    pyr_free(plain);
    pyr_free(late);
}

static void sampled_from_recordings(void)
{
    static const int *const ways = recorded_ways, *const evaluations = recorded_evaluations;
    static const int of_two[BATCHES] = {2, 3, 3, 4, 4, 4};
    const recorded_case cases[] = {
        {PYR_HEUN, 1, 0, false, false, ways},
        {PYR_DPMPP_2M_SDE, 1, 0, false, true, ways},
        {PYR_EULER, 1, 3, true, false, of_two},    /* away from a weaker network, in an interval */
        {PYR_ANCESTRAL, 2, 0, false, false, ways}, /* both in one batch */
        {PYR_ANNEALED_LANGEVIN, 1, 0, false, false, ways},
        {PYR_ULA, 1, 0, false, false, ways},
        {PYR_DDIM, 2, 3, false, false, evaluations},                /* classes change in between */
        {PYR_PREDICTOR_CORRECTOR, 1, 0, false, false, evaluations}, /* steps by norms */
        {PYR_RK45, 1, 0, false, false, evaluations}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        sampled_from_recording(&cases[i]);
}

/* As the row of the sampler says: one that reads numbers back from the device has the flag PYR_SAMPLER_HOST. */
static void recorded_as_its_row_says(int kind)
{
    pyr_sampler sampler = pyr_sampler_usual((pyr_sampler_kind)kind, 3);
    bool recordable = pyr_sampler_recordable(&sampler, 1);

    sampled_from_recording(&(recorded_case){
        .kind = kind, .guidance = 1, .recorded = recordable ? recorded_ways : recorded_evaluations});
    if (check_failures)
        printf("%s: its row has %s flag PYR_SAMPLER_HOST, and its steps %s\n", pyr_sampler_names[kind],
               pyr_sampler_has(&sampler, PYR_SAMPLER_HOST) ? "the" : "no",
               recordable ? "cannot be recorded" : "are not taken one by one");
}

/* ---- training ---------------------------------------------------------------------------------- */

typedef struct training {
    pyr_kernels *k;
    pyr_dataset *data;
    pyr_pyramid *pyramid;
    pyr_trainer *t;
    pyr_level_settings settings;
    pyr_trainer_job job;
    double first_loss, last_loss; /* of reports */
    int reports, held_out;
    double said[64][3];  /* by each report: loss, norm, held-out loss */
    int die_at, stop_at; /* a report of that step kills the process, or asks for a stop */
    bool stop;
} training;

static void on_report(void *ctx, const pyr_level_report *r)
{
    training *t = ctx;

    if (r->brief)
        return;
    if (t->reports < 64) {
        t->said[t->reports][0] = r->train.loss;
        t->said[t->reports][1] = r->train.grad_norm;
        t->said[t->reports][2] = r->held_out.ema;
    }
    if (t->reports++ == 0)
        t->first_loss = r->train.loss;
    t->last_loss = r->train.loss;
    t->held_out += r->held_out.images > 0;
    CHECK(r->held_out.images == 0 || (isfinite(r->held_out.ema) && isfinite(r->held_out.raw)));
    if (r->train.step == t->stop_at)
        t->stop = true;
    if (r->train.step == t->die_at)
        _exit(9);
}

static bool should_stop(void *ctx)
{
    const training *t = ctx;

    return t->stop;
}

/* false after a failed check, or where there is no such backend */
static bool training_open(training *t, const char *backend, int lanes, const char *folder,
                          const pyr_level_settings *s, int index, int64_t steps)
{
    *t = (training){.stop_at = -1, .die_at = -1};
    CHECK_OK(is_recorder(backend) ? open_recorder(&t->k, backend) : open_backend(&t->k, backend, lanes));
    if (!t->k)
        return false;
    t->data = open_data();
    if (!t->data)
        return false;
    CHECK_OK(pyr_pyramid_new(&t->pyramid, t->k,
                             &(pyr_pyramid_settings){.levels = 2, .filter = PYR_FILTER_BOX}, H, W, C));
    t->settings = *s;
    t->job =
        (pyr_trainer_job){.k = t->k,
                          .data = t->data,
                          .pyramid = t->pyramid,
                          .levels = 1,
                          .level = {{.index = index, .settings = &t->settings, .folder = folder_of(folder)}},
                          .seed = 21,
                          .xflip = true,
                          .duration = {(double)(steps * s->batch), PYR_DURATION_IMAGES},
                          .checkpoint = 18 * (int64_t)s->batch,
                          .report = s->batch,
                          .held_out = -1,
                          .snapshot = -1,
                          .on_report = on_report,
                          .should_stop = should_stop,
                          .ctx = t};
    CHECK_OK(pyr_trainer_new(&t->t, &t->job));
    return t->t != NULL;
}

static void training_close(training *t)
{
    pyr_trainer_free(t->t);
    pyr_pyramid_free(t->pyramid);
    pyr_dataset_free(t->data);
    pyr_kernels_free(t->k);
}

static bool is_finished(const training *t)
{
    bool finished = false;
    int64_t steps;

    CHECK_OK(pyr_trainer_finished(&t->job, &finished, &steps));
    return finished;
}

static pyr_status memory_of(pyr_trainer *t, pyr_level_memory *out)
{
    pyr_level_summary summary;

    PYR_TRY(pyr_trainer_describe(t, 0, &summary));
    *out = summary.memory;
    return PYR_OK;
}

static pyr_status gradient_into(pyr_trainer *t, int64_t step, double *loss, pyr_optimizer **optimizer,
                                const pyr_params **params)
{
    *optimizer = &pyr_trainer_level(t, 0)->block->optimizer;
    *params = &pyr_trainer_level(t, 0)->block->params;
    return pyr_trainer_gradient(t, step, loss);
}

/* The gradient of step 3 at weights that are nowhere zero. */
static double *gradient_of(training *t, size_t *count, double *loss)
{
    pyr_optimizer *o = NULL;
    const pyr_params *params = NULL;
    double *values;

    CHECK_OK(gradient_into(t->t, 0, loss, &o, &params));
    *count = params->count;
    values = numbers(*count);
    CHECK_OK(pyr_download_reals(t->k, values, o->value, *count));
    for (int i = 0; i < params->n; i++)
        for (size_t j = 0; j < params->at[i].count; j++) {
            float four[4];

            pyr_normal4(8, (uint32_t)(j / 4), (uint32_t)i, 0, 1, four);
            values[params->at[i].offset + j] += 0.05 * (double)four[j % 4];
        }
    CHECK_OK(pyr_upload_reals(t->k, o->value, values, *count));
    CHECK_OK(gradient_into(t->t, 3, loss, &o, &params));
    CHECK_OK(pyr_download_reals(t->k, values, o->grad, *count));
    return values;
}

/* Everything that could depend on how the batch is cut. */
static pyr_level_settings full_settings(void)
{
    pyr_level_settings s = settings_of();

    s.classes = true;
    s.network.unet.dropout = 0.2;
    s.batch = 64;
    return s;
}

static void gradients_do_not_depend_on_the_cut(void)
{
    static const int cuts[] = {0, 16, 8, 1, 5};

    for (int b = 0; b < BACKENDS; b++)
        for (int batch = 64; batch >= 50; batch -= 14) { /* 50: the last micro-batch is padded */
            double *first = NULL, loss[5];

            for (int i = 0; i < 5; i++) {
                pyr_level_settings s = full_settings();
                training t;
                size_t count;
                double *grad;
                pyr_level_memory memory = {0};

                if (b == 1 && i > 2)
                    continue;
                s.batch = batch;
                s.batch_gpu = cuts[i];
                CHECK(training_open(&t, backends[b], 1, "cut", &s, 0, 10));
                grad = gradient_of(&t, &count, &loss[i]);
                CHECK_OK(memory_of(t.t, &memory));
                CHECK(cuts[i] == 0 || memory.micro_batch <= cuts[i]);
                CHECK(memory.total >= memory.blocks + memory.activations && memory.parameters <= count);
                CHECK(memory.flop > 0 && memory.lanes == 1);
                if (i == 0)
                    first = grad;
                else {
                    near("the gradient of another cut", grad, first, count, b == 0 ? 1e-11 : 1e-4);
                    CHECK_CLOSE(loss[i], loss[0], (b == 0 ? 1e-12 : 1e-5) * loss[0]);
                    if (i == 1 && batch == 64 && t.k->micro_batch == 16) /* the same micro-batches */
                        CHECK(memcmp(grad, first, count * sizeof *grad) == 0);
                    pyr_free(grad);
                }
                training_close(&t);
            }
            CHECK(loss[0] > 0);
            pyr_free(first);
        }
}

/* One, two, and more lanes than groups: the same bits; groups only change the rounding. In a tree, pieces of other sizes,
 * too. */
static void gradients_do_not_depend_on_the_lanes(void)
{
    static const char *const floats[] = {"ref", "cpu", "cpu-bf16"};
    enum { RUNS = 10, TREES = 4 };

    for (int b = 0; b < 3; b++) {
        double *first = NULL, *tree = NULL, loss[RUNS];

        for (int i = 0; i < RUNS; i++) {
            static const int lanes[RUNS] = {1, 2, 5, 2, 1, 2, 3, 8, 16, 1};
            static const int groups[RUNS] = {4, 4, 4, 2}, most[RUNS] = {8, 8, 8, 8, 32, 32, 32, 32, 32, 16};
            pyr_level_settings s = full_settings();
            training t;
            size_t count;
            double *grad;

            s.groups = groups[i];
            s.batch_gpu = most[i];
            if (!training_open(&t, floats[b], lanes[i], "lanes", &s, 1, 10)) {
                CHECK(b == 2);
                continue;
            }
            grad = gradient_of(&t, &count, &loss[i]);
            if (i == 0)
                first = grad;
            if (i > 0 && i < 3)
                CHECK(memcmp(grad, first, count * sizeof *grad) == 0 && loss[i] == loss[0]);
            if (i == TREES)
                tree = grad;
            if (i > TREES)
                CHECK(memcmp(grad, tree, count * sizeof *grad) == 0 && loss[i] == loss[TREES]);
            /* the data's statistics are summed in parts, too: their last bit is another one, which bf16 may round apart */
            near("the gradient in other groups", grad, first, count, b == 2 && i >= TREES ? 3e-3 : 1e-5);
            if (i != 0 && i != TREES)
                pyr_free(grad);
            training_close(&t);
        }
        pyr_free(first);
        pyr_free(tree);
    }
}

/* Euclidean norm of a - b, over that of b */
static double relative_distance(const double *a, const double *b, size_t n)
{
    double apart = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        apart += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
    }
    return size > 0 ? sqrt(apart / size) : apart > 0 ? INFINITY : 0;
}

/* The gradient of every tensor of a level, images in bf16 against f32. A rounding moves a value by up to
 * 2^-8, at random; some tens of them lie between the loss and a layer. Measured: the median of all tensors is
 * 0.005, the worst (a norm in the middle) 0.027. */
static void gradients_in_bf16(void)
{
    const double allowed = 0.04;

    for (int index = 0; index < 2; index++) {
        pyr_level_settings s = full_settings();
        double *grad[2] = {NULL, NULL}, loss[2], worst = 0;
        training t[2];
        size_t count = 0;
        const pyr_params *params = NULL;
        pyr_optimizer *o = NULL;

        s.network.block_out_channels = (pyr_ints){.n = 2, .at = {32, 64}};
        if (!training_open(&t[1], "cpu-bf16", 2, "bf16", &s, index, 10))
            SKIP("the CPU backend does not compute in bf16 here");
        CHECK(training_open(&t[0], "cpu", 2, "f32", &s, index, 10));
        for (int i = 0; i < 2; i++)
            grad[i] = gradient_of(&t[i], &count, &loss[i]);
        CHECK_CLOSE(loss[1], loss[0], 0.005 * loss[0]);
        CHECK_OK(gradient_into(t[0].t, 3, &loss[0], &o, &params));
        for (int i = 0; i < params->n; i++) {
            const pyr_param *p = &params->at[i];
            double apart = relative_distance(grad[1] + p->offset, grad[0] + p->offset, p->count);

            worst = fmax(worst, apart);
            if (!(apart <= allowed))
                CHECK_REPORT("level %d: the gradient of %s is off by %.3g of its size", index, p->name,
                             apart);
        }
        CHECK(worst > 1e-4); /* it is bf16 */
        for (int i = 0; i < 2; i++) {
            pyr_free(grad[i]);
            training_close(&t[i]);
        }
    }
}

/* Segments computed twice: the same bits in less memory. */
static void gradients_with_recomputation(void)
{
    static const char *const floats[] = {"ref", "cpu", "cpu-bf16"};

    for (int b = 0; b < 3; b++) {
        double *grad[2] = {NULL, NULL}, loss[2] = {0, 0};
        size_t count = 0, activations[2] = {0, 0};

        for (int twice = 0; twice < 2; twice++) {
            pyr_level_settings s = full_settings();
            pyr_level_memory memory = {0};
            training t;

            s.recompute = twice;
            s.batch_gpu = 8; /* not as many images as the shorter memory allows */
            if (!training_open(&t, floats[b], 2, "recompute", &s, 0, 10)) {
                CHECK(b == 2);
                continue;
            }
            grad[twice] = gradient_of(&t, &count, &loss[twice]);
            CHECK_OK(memory_of(t.t, &memory));
            activations[twice] = memory.activations;
            training_close(&t);
        }
        CHECK(b == 2 || (grad[0] && grad[1]));
        if (grad[0] && grad[1]) {
            CHECK(memcmp(grad[0], grad[1], count * sizeof(double)) == 0 && loss[0] == loss[1]);
            if (activations[1] * 10 > activations[0] * 9)
                CHECK_REPORT("%s: %zu bytes instead of %zu", floats[b], activations[1], activations[0]);
        }
        pyr_free(grad[0]);
        pyr_free(grad[1]);
    }
}

static void steps_allocate_nothing(void)
{
    pyr_level_settings s = full_settings();
    training t;
    uint64_t before = 0;

    CHECK(training_open(&t, "cpu", 2, "nothing", &s, 0, 10));
    for (int i = 0; i < 8; i++) {
        pyr_optimizer *o = NULL;
        const pyr_params *params = NULL;
        pyr_step_state after;
        double loss;

        if (i == 1)
            before = pyr_mem().allocated;
        CHECK_OK(gradient_into(t.t, i, &loss, &o, &params));
        CHECK_OK(pyr_optimizer_step(o, &(pyr_step_input){.learning_rate = 1e-3F}, loss, &after));
        CHECK(!after.skip);
    }
    CHECK(pyr_mem().allocated == before);
    training_close(&t);
}

static size_t lines_of_log(const char *folder)
{
    char path[200], *text = NULL;
    size_t n = 0, size;

    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    CHECK_OK(pyr_file_read(&text, &size, path, 1 << 20));
    for (const char *at = text; at && (at = strchr(at, '\n')); at++)
        n++;
    pyr_free(text);
    return n;
}

static pyr_level_settings resume_settings(void)
{
    pyr_level_settings s = full_settings();

    s.batch = 16;
    s.warmup = 4;
    s.weight_decay = 0.01;
    s.clip = 0.5;
    s.ema_lengths = (pyr_reals){2, {0.05, 0.1}};
    return s;
}

/* 30 steps straight, against 18 (the checkpoint before a kill at 20, or a stop at 11) and the rest. */
static void resumed_on(const char *backend)
{
    pyr_level_settings s = resume_settings();
    training t;

    if (!training_open(&t, backend, 1, "straight", &s, 0, 30)) {
        CHECK(strcmp(backend, "cpu-bf16") == 0);
        return;
    }
    CHECK(!is_finished(&t));
    CHECK_OK(pyr_trainer_run(t.t));
    CHECK(t.reports == 30);
    training_close(&t);
    for (int stop = 0; stop < 2; stop++) {
        const char *name = stop ? "stopped" : "killed";
        pyr_progress progress = {0};
        pyr_level_facts facts;
        pid_t child;
        int result = 0;
        bool there;

        fflush(stdout);
        child = fork();
        if (child == 0) {
            pyr_status status;

            if (!training_open(&t, backend, 1, name, &s, 0, 30))
                _exit(1);
            if (stop)
                t.stop_at = 11;
            else
                t.die_at = 20;
            status = pyr_trainer_run(t.t);
            _exit(status == PYR_E_STOPPED && !check_failures ? 7 : 2);
        }
        CHECK(child > 0 && waitpid(child, &result, 0) == child);
        CHECK(WIFEXITED(result) && WEXITSTATUS(result) == (stop ? 7 : 9));
        CHECK_OK(pyr_level_has_state(&there, below(name)));
        CHECK(there);
        CHECK_OK(pyr_level_peek(below(name), &facts, &progress, NULL));
        CHECK(progress.train.step == (stop ? 11 : 18) && progress.steps == 30 && progress.seed == 21);
        CHECK(training_open(&t, backend, stop ? 1 : 3, name, &s, 0, 30));
        CHECK_OK(pyr_trainer_run(t.t));
        CHECK(t.reports == (stop ? 19 : 12));
        training_close(&t);
        same_states(below("straight"), below(name));
        CHECK(lines_of_log(below(name)) == 30);
    }
    /* finished: it says so, and nothing more happens */
    CHECK(training_open(&t, backend, 1, "stopped", &s, 0, 30));
    CHECK(is_finished(&t));
    CHECK_OK(pyr_trainer_run(t.t));
    CHECK(t.reports == 0);
    training_close(&t);
    same_states(below("straight"), below("stopped"));
    remove_all(below("straight"));
    remove_all(below("killed"));
    remove_all(below("stopped"));
}

static void resumed_runs_are_the_same(void)
{
    resumed_on("cpu");
    resumed_on("cpu-bf16");
}

/* ---- on a device that records and lags behind ---- */

static struct {
    pyr_trainer *t;
    int from, to; /* steps in which a weight is no number */
    float kept;
} broken;

/* The table's memory is the host's, whatever it says. */
static void break_steps(pyr_kernels *k, int step)
{
    float *value = pyr_trainer_level(broken.t, 0)->block->optimizer.value;

    (void)k;
    if (step == broken.from) {
        broken.kept = *value;
        *value = NAN;
    }
    if (step == broken.to)
        *value = broken.kept;
}

/* 26 steps with reports, held-out losses and checkpoints between which there is room to run ahead. */
static bool open_recorded(training *t, const char *backend, const char *folder, int from, int to)
{
    pyr_level_settings s = resume_settings();

    s.batch_gpu = 3;     /* the last micro-batch is not full */
    s.ema_lengths.n = 0; /* weights are made no numbers in between, which averages would keep */
    s.augmentation = 0.2;
    s.augmentation_channel = true;
    if (!training_open(t, backend, 1, folder, &s, 0, 26))
        return false;
    pyr_trainer_free(t->t);
    t->job.report = 6 * (int64_t)s.batch;
    t->job.held_out = 12 * (int64_t)s.batch;
    t->job.checkpoint = 10 * (int64_t)s.batch;
    t->job.dequantise = true;
    CHECK_OK(pyr_trainer_new(&t->t, &t->job));
    broken.t = t->t;
    broken.from = from;
    broken.to = to;
    recorder.before_step = break_steps;
    return t->t != NULL;
}

/* What is recorded once and replayed, with nothing from the host and up to four steps under way, is what was
 * asked for: the same bits, with a step that is skipped, and with a stop on the way. */
static void recorded_steps_are_the_same(void)
{
    training plain, late;
    int result = 0;
    pid_t child;

    if (!open_recorded(&plain, "ref-counts", "plain", 7, 8))
        return;
    CHECK_OK(pyr_trainer_run(plain.t));
    CHECK(recorder.steps == 26 && pyr_trainer_level(plain.t, 0)->progress.train.skipped == 1);
    training_close(&plain);

    if (!open_recorded(&late, "ref-lags", "late", 7, 8))
        return;
    CHECK_OK(pyr_trainer_run(late.t));
    CHECK(recorder.recordings == 1 && recorder.steps == 26 && recorder.most_delayed >= 2 * 5);
    CHECK(pyr_trainer_level(late.t, 0)->progress.train.skipped == 1);
    CHECK(late.reports == 5 && plain.reports == 5 && late.held_out == 3);
    CHECK(memcmp(late.said, plain.said, sizeof late.said) == 0);
    training_close(&late);
    same_states(below("plain"), below("late"));
    CHECK(lines_of_log(below("plain")) == lines_of_log(below("late")));

    fflush(stdout);
    child = fork();
    if (child == 0) {
        pyr_status status;

        if (!open_recorded(&late, "ref-lags", "late-stopped", 7, 8))
            _exit(1);
        late.stop_at = 12;
        status = pyr_trainer_run(late.t);
        _exit(status == PYR_E_STOPPED && !check_failures ? 7 : 2);
    }
    CHECK(child > 0 && waitpid(child, &result, 0) == child);
    CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 7);
    CHECK(open_recorded(&late, "ref-lags", "late-stopped", -1, -1));
    CHECK_OK(pyr_trainer_run(late.t));
    CHECK(recorder.steps == 14);
    training_close(&late);
    same_states(below("plain"), below("late-stopped"));
}

/* The step and the image that are named are those of the failure, although later steps were begun. */
static void recorded_failures_are_the_same(void)
{
    char said[2][512];

    for (int i = 0; i < 2; i++) {
        training t;

        if (!open_recorded(&t, i ? "ref-lags" : "ref-counts", i ? "late-bad" : "plain-bad", 12, -1))
            return;
        CHECK_FAILS(pyr_trainer_run(t.t), PYR_E_NUMERIC, "the last was step 16 ");
        snprintf(said[i], sizeof said[i], "%s", pyr_error());
        CHECK(strstr(said[i], "level 0, image ") && recorder.steps == (i ? 18 : 17));
        training_close(&t);
    }
    CHECK_STRING(said[1], said[0]);
}

/* Measuring leaves no step under way. */
static void recorded_steps_are_timed(void)
{
    double per_step = -1;
    training t;

    if (!open_recorded(&t, "ref-lags", "late-timed", -1, -1))
        return;
    CHECK_OK(pyr_trainer_time(t.t, 0, &per_step));
    CHECK(per_step > 0 && recorder.recordings == 1 && recorder.steps == 5 + t.k->backend->ahead);
    CHECK_OK(pyr_trainer_run(t.t));
    CHECK(recorder.recordings == 1);
    training_close(&t);
    if (!open_recorded(&t, "ref-counts", "plain-untimed", -1, -1))
        return;
    CHECK_OK(pyr_trainer_run(t.t));
    training_close(&t);
    same_states(below("late-timed"), below("plain-untimed"));
}

/* What a state refuses. */
static void states_of_others_are_refused(void)
{
    static const pyr_reals lengths[] = {
        {2, {0.05, 0.12}}, {2, {0.1, 0.05}}, {1, {0.05}}, {0}, {3, {0.05, 0.1, 0.2}}};
    pyr_level_settings s = resume_settings(), changed = s;
    pyr_trainer *other = NULL;
    pyr_trainer_job job;
    training t;
    int64_t counters[14];
    char path[200];
    double per_step;
    pyr_safetensors *file = NULL;

    CHECK(training_open(&t, "cpu", 1, "mine", &s, 0, 2));
    CHECK_OK(pyr_trainer_run(t.t));
    job = t.job;
    job.seed = 22;
    CHECK_FAILS(pyr_trainer_new(&other, &job), PYR_E_CONFIG, "begun with the seed 21, now it is 22");
    CHECK(other == NULL);
    job.seed = 21;
    job.level[0].settings = &changed;
    changed.objective = PYR_SLICED_SCORE_MATCHING;
    CHECK_FAILS(pyr_trainer_new(&other, &job), PYR_E_CONFIG,
                "the state of level 0 was begun with the objective denoising, now it is sliced");
    changed.objective = s.objective;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        changed.ema_lengths = lengths[i];
        CHECK_FAILS(pyr_trainer_new(&other, &job), PYR_E_CONFIG,
                    "training was begun with level.ema_lengths = [0.05 0.1], now it is [");
        CHECK(other == NULL);
    }
    job.level[0].settings = &t.settings;
    job.seed = 21;
    job.duration.value *= 2;
    CHECK_FAILS(pyr_trainer_new(&other, &job), PYR_E_CONFIG,
                "level 0 was begun for 32 images (train.duration), now it would be 64");
    job.duration = (pyr_duration){2, PYR_DURATION_EPOCHS};
    CHECK_FAILS(pyr_trainer_new(&other, &job), PYR_E_CONFIG, "now it would be 128");
    job.duration = (pyr_duration){1e12, PYR_DURATION_EPOCHS};
    CHECK_FAILS(pyr_trainer_new(&other, &job), PYR_E_CONFIG, "at most 4294967295 are possible");
    job.duration = (pyr_duration){1, PYR_DURATION_SECONDS}; /* never compared */
    CHECK_OK(pyr_trainer_new(&other, &job));
    CHECK_FAILS(pyr_trainer_time(other, 0, &per_step), PYR_E_ARG, "cannot be timed");
    pyr_trainer_free(other);
    t.job.level[0].index = 1;
    CHECK_FAILS(pyr_trainer_new(&other, &t.job), PYR_E_FORMAT, "");
    t.job.level[0].index = 0;
    t.settings.network.block_out_channels.at[1] = 12;
    CHECK_FAILS(pyr_trainer_new(&other, &t.job), PYR_E_FORMAT, "another network");
    snprintf(path, sizeof path, "%s/state.safetensors", below("mine"));
    CHECK_OK(pyr_safetensors_open(&file, path));
    CHECK_OK(pyr_safetensors_read_i64(file, pyr_safetensors_find(file, "counters"), counters, 14));
    CHECK(counters[0] == 2 && counters[1] == 0 && counters[3] == 2 && counters[4] == 21 && counters[5] == 2 &&
          counters[6] == 2);
    pyr_safetensors_free(file);
    training_close(&t);
}

/* Save and restore into another optimizer; weights of another run as a start. */
static void saved_and_restored(void)
{
    for (int b = 0; b < BACKENDS; b++) {
        pyr_level_settings s = resume_settings();
        pyr_optimizer *o = NULL, other = {0};
        const pyr_params *params = NULL;
        pyr_step_state after = {0}, restored;
        pyr_progress progress = {
            .train = {.step = 5, .skipped = 1, .seconds = 1.25}, .steps = 40, .seed = UINT64_MAX};
        pyr_progress back = {0};
        pyr_level_facts facts;
        pyr_unet_files files = {0};
        pyr_unet_config config;
        training t, from;
        const char *folder;
        double loss, *x, *y;
        size_t bytes;

        CHECK(training_open(&t, backends[b], 1, "save", &s, 0, 40));
        folder = t.job.level[0].folder;
        for (int i = 0; i < 5; i++) {
            CHECK_OK(gradient_into(t.t, i, &loss, &o, &params));
            CHECK_OK(pyr_optimizer_step(o, &(pyr_step_input){.learning_rate = 1e-3F, .ema_window = 0.5F},
                                        i == 2 ? (double)NAN : loss, &after));
        }
        CHECK(after.applied == 4 && after.step == 5);
        progress.last = after;
        CHECK_OK(pyr_level_save_unet(folder, &pyr_trainer_level(t.t, 0)->level, params, t.k, o->ema));
        CHECK_OK(
            pyr_level_save_state(folder, false, &pyr_trainer_level(t.t, 0)->level, params, o, &progress));
        CHECK_OK(pyr_optimizer_new(&other, t.k, params, o->adamw));
        CHECK_OK(pyr_optimizer_add_powers(&other, o->length, o->powers));
        CHECK_OK(pyr_level_restore(folder, &facts, params, &other, &back));
        CHECK(back.train.step == 5 && back.train.skipped == 1 && back.train.seconds == 1.25 &&
              back.steps == 40 && back.seed == UINT64_MAX);
        pyr_download(t.k, &restored, other.state, sizeof restored);
        CHECK(restored.step == 5 && restored.applied == 4);
        CHECK_OK(pyr_facts_match(&facts, "a", &pyr_trainer_level(t.t, 0)->level.facts, "b"));
        bytes = o->count * pyr_type_size(t.k->real);
        CHECK(memcmp(o->value, other.value, bytes) == 0 && memcmp(o->m, other.m, bytes) == 0);
        CHECK(memcmp(o->v, other.v, bytes) == 0 && memcmp(o->ema, other.ema, bytes) == 0);
        CHECK(memcmp(o->value, o->ema, bytes) != 0);
        /* the network's folder holds the EMA, as floats, and the facts */
        CHECK_OK(pyr_level_open_unet(folder, &files, &config, &facts));
        CHECK(facts.index == 0 && facts.mean[0] == pyr_trainer_level(t.t, 0)->level.facts.mean[0]);
        CHECK_OK(pyr_unet_load(&files, params, t.k, other.value, NULL));
        x = numbers(o->count);
        y = numbers(o->count);
        CHECK_OK(pyr_download_reals(t.k, x, o->ema, o->count));
        CHECK_OK(pyr_download_reals(t.k, y, other.value, o->count));
        for (size_t i = 0; i < o->count; i++)
            CHECK((double)(float)x[i] == y[i]);
        /* a new run that starts from there */
        CHECK(training_open(&from, backends[b], 1, "transfer", &s, 0, 3));
        pyr_trainer_free(from.t);
        from.t = NULL;
        from.job.level[0].transfer = folder;
        CHECK_OK(pyr_trainer_new(&from.t, &from.job));
        CHECK_OK(gradient_into(from.t, 0, &loss, &o, &params));
        CHECK_OK(pyr_download_reals(from.k, x, o->value, o->count));
        CHECK(memcmp(x, y, o->count * sizeof *x) == 0);
        training_close(&from);
        pyr_free(x);
        pyr_free(y);
        pyr_unet_files_free(&files);
        pyr_optimizer_free(&other);
        training_close(&t);
        remove_all(below("save"));
    }
}

/* A duration in seconds becomes a number of steps, and the run is then that of the number: measuring has
 * left no trace. */
static void seconds_become_steps(void)
{
    pyr_level_settings s = resume_settings();
    pyr_progress progress = {0};
    pyr_level_facts facts;
    training t;

    s.classes = false;
    CHECK(training_open(&t, "cpu", 1, "seconds", &s, 1, 1));
    pyr_trainer_free(t.t);
    t.job.duration = (pyr_duration){0.2, PYR_DURATION_SECONDS};
    CHECK_OK(pyr_trainer_new(&t.t, &t.job));
    CHECK_OK(pyr_trainer_run(t.t));
    training_close(&t);
    CHECK_OK(pyr_level_peek(below("seconds"), &facts, &progress, NULL));
    CHECK(progress.steps >= 1 && progress.train.step == progress.steps);
    CHECK(training_open(&t, "cpu", 1, "counted", &s, 1, progress.steps));
    CHECK_OK(pyr_trainer_run(t.t));
    training_close(&t);
    same_states(below("seconds"), below("counted"));
    /* epochs: 2 of 60 images in steps of 16 are 7.5, so 8 */
    CHECK(training_open(&t, "cpu", 1, "epochs", &s, 1, 1));
    pyr_trainer_free(t.t);
    t.job.duration = (pyr_duration){2, PYR_DURATION_EPOCHS};
    CHECK_OK(pyr_trainer_new(&t.t, &t.job));
    CHECK_OK(pyr_trainer_run(t.t));
    training_close(&t);
    CHECK_OK(pyr_level_peek(below("epochs"), &facts, &progress, NULL));
    CHECK(progress.steps == 8);
}

/* The loss goes down, training and held out, on each level. */
static void learns(void)
{
    for (int index = 0; index < 2; index++) {
        pyr_level_settings s = settings_of();
        training t;
        char name[16];

        s.lr = 5e-3;
        s.batch = 32;
        snprintf(name, sizeof name, "learns%d", index);
        CHECK(training_open(&t, "cpu", 2, name, &s, index, 240));
        pyr_trainer_free(t.t);
        t.job.report = 40 * 32;
        t.job.held_out = 120 * 32;
        t.job.snapshot = 0; /* at the end */
        CHECK_OK(pyr_trainer_new(&t.t, &t.job));
        CHECK_OK(pyr_trainer_run(t.t));
        CHECK(t.reports == 6 && t.held_out == 2);
        if (!(t.last_loss < 0.75 * t.first_loss))
            CHECK_REPORT("level %d: from %g to %g", index, t.first_loss, t.last_loss);
        CHECK(pyr_is_file(below(index ? "learns1/snapshot-00007680.png" : "learns0/snapshot-00007680.png")));
        training_close(&t);
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_new("levels"))
        return 1;
    RUN(write_images);
    if (*check_filter) /* needed by all the others */
        write_images();
    RUN(each_epoch_is_a_permutation);
    RUN(orders_differ);
    RUN(dequantised_images);
    RUN(statistics);
    RUN(statistics_of_a_residual);
    RUN(blank_images_are_refused);
    RUN(there_and_back);
    RUN(facts_there_and_back);
    RUN(facts_that_do_not_match);
    RUN(loss_by_hand);
    RUN(loss_and_denoiser_agree);
    RUN(augmentation_is_drawn);
    RUN(amount_of_noise_is_the_same_in_sampling);
    RUN(condition_is_read_once);
    RUN(guidance_is_linear);
    RUN(guided_by_a_weaker_network);
    RUN(denoiser_at_the_start);
    RUN(noise_levels_are_stratified);
    RUN(padded_images_count_nothing);
    RUN(labels_are_dropped);
    RUN(sampled_level);
    RUN(sampled_with_guidance);
    RUN(sampled_from_recordings);
    for (int kind = 0; kind < PYR_SAMPLER_KINDS; kind++) {
        char name[64];

        snprintf(name, sizeof name, "recorded:%s", pyr_sampler_names[kind]);
        RUN_NAMED(name, recorded_as_its_row_says(kind));
    }
    RUN(gradients_do_not_depend_on_the_cut);
    RUN(gradients_do_not_depend_on_the_lanes);
    RUN(gradients_in_bf16);
    RUN(gradients_with_recomputation);
    RUN(steps_allocate_nothing);
    RUN(resumed_runs_are_the_same);
    RUN(recorded_steps_are_the_same);
    RUN(recorded_failures_are_the_same);
    RUN(recorded_steps_are_timed);
    RUN(states_of_others_are_refused);
    RUN(saved_and_restored);
    RUN(seconds_become_steps);
    RUN(learns);
    remove_all(temp);
    return CHECK_DONE();
}
