/* test_evaluate.c - sets of images from folder, NPZ and data set are the same; a set against itself; the
 * cache of features; the variants of a comparison and their costs; work in a child. */
#include "arrays/npz_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/stop.h"
#include "check.h"
#include "comparison/child.h"
#include "comparison/variant.h"
#include "eval/evaluate.h"
#include "eval/metrics.h"
#include "features/classifier.h"
#include "pictures/image_file.h"
#include "pictures/png_file.h"
#include "terminal/signals.h"
#include "tests/recording.h"
#include "tests/samples_of.h"
#include "tests/write_npz.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];
static pyr_dataset *data;
static pyr_kernels *kernels;

static const char *in_folder(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void same_set(const pyr_image_set *a, const pyr_image_set *b)
{
    CHECK(a->n == b->n && a->h == b->h && a->w == b->w && a->c == b->c);
    CHECK(a->hash == b->hash);
    if (a->n == b->n && a->h == b->h && a->w == b->w && a->c == b->c)
        CHECK(memcmp(a->pixels, b->pixels, (size_t)(a->n * a->h * a->w * a->c)) == 0);
}

/* ---- sets -------------------------------------------------------------------------------------- */

static void write_png(const pyr_image_set *set, int64_t i, const char *name)
{
    pyr_image image = {0};
    char path[256];

    snprintf(path, sizeof path, "%s/pngs/%s", folder, name);
    CHECK_OK(pyr_image_new(&image, set->h, set->w, set->c, 8, name));
    memcpy(image.at, set->pixels + i * set->h * set->w * set->c, pyr_image_bytes(&image));
    CHECK_OK(pyr_png_write(path, &image, NULL, 0));
    pyr_image_free(&image);
}

static void sets_from_everywhere(void)
{
    pyr_image_set whole, first, other;
    char name[32];

    CHECK_OK(pyr_image_set_data(&whole, data, PYR_SPLIT_HELD_OUT, 0));
    CHECK(whole.n == pyr_dataset_count(data, PYR_SPLIT_HELD_OUT));
    CHECK_STRING(whole.name, "the held-out images");
    CHECK_OK(pyr_image_set_data(&first, data, PYR_SPLIT_HELD_OUT, 9));
    CHECK(first.n == 9 && first.hash != whole.hash);
    for (int64_t i = 0; i < first.n; i++) /* as they are kept in the data set: 8 bits */
        CHECK(memcmp(first.pixels + i * 120, samples_of(data, PYR_SPLIT_HELD_OUT, i), 120) == 0);

    CHECK_OK(pyr_make_folders(in_folder("pngs")));
    for (int64_t i = first.n - 1; i >= 0; i--) {
        snprintf(name, sizeof name, "%06d.png", (int)i);
        write_png(&first, i, name);
    }
    write_png(&whole, 20, "grid.png"); /* is left out */
    CHECK_OK(pyr_image_set_read(&other, in_folder("pngs"), 1, 0));
    same_set(&first, &other);
    pyr_image_set_free(&other);
    CHECK_OK(pyr_image_set_read(&other, in_folder("pngs"), 3, 5));
    CHECK(other.n == 5 && other.c == 3);
    for (int i = 0; i < 5 * 120; i++)
        CHECK(other.pixels[3 * i] == first.pixels[i] && other.pixels[3 * i + 2] == first.pixels[i]);
    pyr_image_set_free(&other);

    CHECK_OK(write_npz(in_folder("set.npz"), first.pixels, first.n, first.h, first.w, first.c, NULL));
    CHECK_OK(pyr_image_set_read(&other, in_folder("set.npz"), 0, 0));
    same_set(&first, &other);
    pyr_image_set_free(&other);
    CHECK_OK(pyr_image_set_read(&other, in_folder("set.npz"), 0, 4));
    CHECK(other.n == 4);
    pyr_image_set_free(&other);
    pyr_image_set_free(&first);
    pyr_image_set_free(&whole);
}

static void sets_that_cannot_be(void)
{
    pyr_image_set set, odd;

    CHECK_FAILS(pyr_image_set_read(&set, in_folder("nothing"), 1, 0), PYR_E_IO, "nothing");
    CHECK_OK(pyr_make_folders(in_folder("empty")));
    CHECK_FAILS(pyr_image_set_read(&set, in_folder("empty"), 1, 0), PYR_E_FORMAT,
                "nothing to read in this folder");
    CHECK_OK(pyr_make_folders(in_folder("pngs")));
    CHECK_OK(pyr_image_set_read(&odd, "tests/golden/images", 1, 1));
    write_png(&odd, 0, "zz.png");
    pyr_image_set_free(&odd);
    CHECK_FAILS(pyr_image_set_read(&set, in_folder("pngs"), 1, 0), PYR_E_SHAPE, "zz.png is ");
    CHECK(unlink(in_folder("pngs/zz.png")) == 0);
    CHECK_STATUS(pyr_image_set_read(&set, "tests/tiny.cfg", 0, 0), PYR_E_FORMAT);
    CHECK(set.name == NULL && set.pixels == NULL);
}

/* ---- figures ----------------------------------------------------------------------------------- */

static void train_classifier(const char *path)
{
    pyr_classifier_job job = {
        .k = kernels, .data = data, .path = path, .duration = {640, PYR_DURATION_IMAGES}, .seed = 1};

    CHECK_OK(pyr_classifier_train(&job));
}

/* A classifier that is trained by what was recorded is the same file. */
static void recorded_classifier(void)
{
    static const char *const backends[] = {"ref-counts", "ref-lags"};
    char *text[2] = {NULL, NULL};
    size_t size[2] = {0, 0};

    for (int i = 0; i < 2; i++) {
        const char *path = in_folder(i ? "late.safetensors" : "plain.safetensors");
        pyr_classifier_job job = {
            .data = data, .path = path, .duration = {28 * 10, PYR_DURATION_IMAGES}, .batch = 10};
        pyr_kernels *k = NULL;

        CHECK_OK(open_recorder(&k, backends[i]));
        job.k = k;
        CHECK_OK(pyr_classifier_train(&job));
        CHECK(recorder.recordings == (i ? 1 : 28) && recorder.steps == 28);
        CHECK_OK(pyr_file_read(&text[i], &size[i], path, 1 << 24));
        pyr_kernels_free(k);
    }
    CHECK(size[0] > 0 && size[0] == size[1] && memcmp(text[0], text[1], size[0]) == 0);
    pyr_free(text[0]);
    pyr_free(text[1]);
}

static void same_figures(const pyr_evaluation *a, const pyr_evaluation *b)
{
    CHECK(a->figures == b->figures);
    for (int i = 0; i < a->figures && i < b->figures; i++) {
        CHECK_STRING(a->figure[i].metric, b->figure[i].metric);
        CHECK(a->figure[i].level == b->figure[i].level);
        CHECK(memcmp(&a->figure[i].value, &b->figure[i].value, sizeof(double)) == 0);
    }
}

/* The name of the only file in the cache that holds the words. */
static const char *cached_file(const char *words)
{
    static char path[512];
    pyr_names names = {0};

    path[0] = 0;
    CHECK_OK(pyr_folder_names(&names, in_folder("cache")));
    for (size_t i = 0; i < names.n; i++)
        if (strstr(names.at[i], words))
            snprintf(path, sizeof path, "%s/cache/%s", folder, names.at[i]);
    pyr_names_free(&names);
    return path;
}

/* Change the last byte: a number of the features. */
static void damage(const char *path)
{
    FILE *file = fopen(path, "r+b");

    CHECK(file && fseek(file, -1, SEEK_END) == 0);
    if (!file)
        return;
    CHECK(fputc(0x55, file) == 0x55);
    fclose(file);
}

/* What is in a set is in itself: every distance is 0, and all of it is within its own manifold. */
static void against_itself(void)
{
    char network[256], cache[256];
    pyr_image_set set;
    pyr_evaluation e, again;
    pyr_evaluate_job job = {.k = kernels,
                            .samples = &set,
                            .data = data,
                            .data_name = "shapes",
                            .reference = PYR_SPLIT_HELD_OUT,
                            .metrics = PYR_METRIC_ALL};

    snprintf(network, sizeof network, "%s/classifier.safetensors", folder);
    snprintf(cache, sizeof cache, "%s/cache", folder);
    train_classifier(network);
    job.network[0] = network;
    job.cache = cache;
    CHECK_OK(pyr_image_set_data(&set, data, PYR_SPLIT_HELD_OUT, 0));
    CHECK_OK(pyr_evaluate(&e, &job));
    CHECK(e.from_cache == 0);
    CHECK_CLOSE(pyr_evaluation_value(&e, "frechet", -1), 0, 1e-6);
    CHECK_CLOSE(pyr_evaluation_value(&e, "precision", -1), 1, 0);
    CHECK_CLOSE(pyr_evaluation_value(&e, "recall", -1), 1, 0);
    CHECK_CLOSE(pyr_evaluation_value(&e, "spectrum", -1), 0, 1e-12);
    CHECK_CLOSE(pyr_evaluation_value(&e, "colour", -1), 0, 1e-12);
    CHECK(pyr_evaluation_value(&e, "nearest", -1) >= 0);
    CHECK(isnan(pyr_evaluation_value(&e, "consistency", 0))); /* nothing was drawn */
    CHECK(e.warnings.n && strstr(e.warnings.at[0], "64 images against 64"));
    for (int i = 0; i < e.figures; i++) {
        CHECK(e.figure[i].n == set.n);
        if (strcmp(e.figure[i].metric, "frechet") == 0) {
            CHECK_STRING(e.figure[i].reference, "shapes (test)");
            CHECK(e.figure[i].reference_hash == pyr_dataset_fingerprint(data));
            CHECK(e.figure[i].n_reference == 64 && e.figure[i].features_hash != 0);
        }
    }

    CHECK_OK(pyr_evaluate(&again, &job));
    CHECK(again.from_cache == 2); /* of the held-out and of the training images */
    same_figures(&e, &again);
    pyr_evaluation_free(&again);

    damage(cached_file("-test-"));
    CHECK_OK(pyr_evaluate(&again, &job));
    CHECK(again.from_cache == 1);
    same_figures(&e, &again);
    pyr_evaluation_free(&again);

    CHECK_OK(pyr_evaluate(&again, &job)); /* it was made again */
    CHECK(again.from_cache == 2);
    pyr_evaluation_free(&again);
    pyr_evaluation_free(&e);
    pyr_image_set_free(&set);
}

/* Training images are their own nearest, at distance 0: all of them are memorised, in features and pixels. */
static void copies_are_memorised(void)
{
    char sheet[256];
    pyr_image_set set;
    pyr_image picture = {0};
    pyr_evaluation e;
    pyr_evaluate_job job = {.k = kernels,
                            .samples = &set,
                            .data = data,
                            .data_name = "shapes",
                            .reference = PYR_SPLIT_HELD_OUT,
                            .metrics = PYR_METRIC_NEAREST};

    snprintf(sheet, sizeof sheet, "%s/sheet.png", folder);
    job.sheet = sheet;
    CHECK_OK(pyr_image_set_data(&set, data, PYR_SPLIT_TRAIN, 16));
    CHECK_OK(pyr_evaluate(&e, &job));
    CHECK_CLOSE(pyr_evaluation_value(&e, "nearest", -1), 0, 1e-6);
    CHECK_CLOSE(pyr_evaluation_value(&e, "memorised", -1), 1, 0);
    CHECK(e.figures == 2 && !e.figure[0].features && e.figure[0].n_reference == 512);
    pyr_evaluation_free(&e);

    CHECK_OK(pyr_image_read(&picture, sheet)); /* pairs side by side: two equal images, 2 pixels apart */
    for (int y = 0; y < 24 && picture.c == 1; y++) {
        const uint8_t *row = (const uint8_t *)picture.at + y * picture.w;

        CHECK(memcmp(row, row + 20 + 2, 20) == 0);
    }
    CHECK(picture.c == 1);
    pyr_image_free(&picture);
    pyr_image_set_free(&set);
}

static void sizes_must_agree(void)
{
    pyr_image_set set;
    pyr_evaluation e;
    pyr_evaluate_job job = {.k = kernels,
                            .samples = &set,
                            .data = data,
                            .data_name = "shapes",
                            .reference = PYR_SPLIT_HELD_OUT,
                            .metrics = PYR_METRIC_SWD};

    CHECK_OK(pyr_image_set_read(&set, "tests/golden/images", 1, 1));
    CHECK_FAILS(pyr_evaluate(&e, &job), PYR_E_SHAPE, "those of shapes are 12x10 with 1");
    pyr_evaluation_free(&e);
    pyr_image_set_free(&set);
}

static pyr_status write_stats(const char *path, int d, const char *resize, double variance)
{
    double *mean = pyr_calloc((size_t)d, sizeof *mean), *cov = pyr_calloc((size_t)d * (size_t)d, sizeof *cov);
    pyr_moments m = {.d = d, .mean = mean, .cov = cov};
    pyr_status status;

    for (int i = 0; i < d; i++)
        cov[i * d + i] = variance;
    snprintf(m.resize, sizeof m.resize, "%s", resize);
    status = pyr_moments_write(&m, path);
    pyr_free(mean);
    pyr_free(cov);
    return status;
}

/* Statistics of the other resize, and of what is no covariance, are refused before anything is drawn. */
static void statistics_that_do_not_fit(void)
{
    char network[256], stats[256];
    pyr_evaluate_job job = {.k = kernels,
                            .data = data,
                            .data_name = "shapes",
                            .planned = 10,
                            .reference = PYR_SPLIT_HELD_OUT,
                            .metrics = PYR_METRIC_FRECHET};

    snprintf(network, sizeof network, "%s/classifier.safetensors", folder);
    snprintf(stats, sizeof stats, "%s/stats.npz", folder);
    train_classifier(network);
    job.network[0] = network;
    job.ref_stats = stats;
    CHECK_OK(write_stats(stats, 64, "tf1", 1));
    CHECK_OK(pyr_evaluate_check(&job));
    job.resize = PYR_RESIZE_PYTORCH;
    CHECK_FAILS(pyr_evaluate_check(&job), PYR_E_ARG, "was made with the tf1 resize");
    CHECK_OK(write_stats(stats, 64, "", 1)); /* others' files do not say it */
    CHECK_OK(pyr_evaluate_check(&job));
    CHECK_OK(write_stats(stats, 32, "", 1));
    CHECK_FAILS(pyr_evaluate_check(&job), PYR_E_SHAPE, "statistics of 32 features");
    CHECK_OK(write_stats(stats, 64, "", -1));
    CHECK_FAILS(pyr_evaluate_check(&job), PYR_E_FORMAT, "not a covariance");
}

static const char *reason_of(const pyr_evaluation *e, const char *metric)
{
    for (int i = 0; i < e->left_outs; i++)
        if (strcmp(e->left_out[i].metric, metric) == 0)
            return e->left_out[i].reason;
    return "";
}

static bool warns_of_few(const pyr_evaluation *e)
{
    for (size_t i = 0; i < e->warnings.n; i++)
        if (strstr(e->warnings.at[i], "the Frechet distance comes out too high"))
            return true;
    return false;
}

/* What too few images cannot tell is left out with its reason, and the rest is measured. */
static void too_few(void)
{
    char network[256];
    pyr_image_set set;
    pyr_evaluation e;
    pyr_evaluate_job job = {.k = kernels,
                            .samples = &set,
                            .data = data,
                            .data_name = "shapes",
                            .reference = PYR_SPLIT_HELD_OUT,
                            .metrics = PYR_METRIC_ALL};

    snprintf(network, sizeof network, "%s/classifier.safetensors", folder);
    train_classifier(network);
    job.network[0] = network;
    CHECK_OK(pyr_image_set_data(&set, data, PYR_SPLIT_TRAIN, 3));
    CHECK_OK(pyr_evaluate(&e, &job));
    CHECK(e.left_outs == 2 && isnan(pyr_evaluation_value(&e, "precision", -1)));
    CHECK_STRING(reason_of(&e, "recall"), "it needs 4 samples or more, there are 3");
    CHECK(isfinite(pyr_evaluation_value(&e, "frechet", -1)) && isfinite(pyr_evaluation_value(&e, "kid", -1)));
    CHECK(warns_of_few(&e));
    pyr_evaluation_free(&e);
    pyr_image_set_free(&set);

    CHECK_OK(pyr_image_set_data(&set, data, PYR_SPLIT_TRAIN, 1));
    CHECK_OK(pyr_evaluate(&e, &job));
    CHECK(e.left_outs == 4 && !warns_of_few(&e)); /* the warning is of a figure that is not there */
    CHECK_STRING(reason_of(&e, "frechet"), "it needs 2 samples or more, there is 1");
    CHECK(isfinite(pyr_evaluation_value(&e, "spectrum", -1)) &&
          isfinite(pyr_evaluation_value(&e, "nearest", -1)));
    pyr_evaluation_free(&e);
    pyr_image_set_free(&set);
    job.metrics = PYR_METRIC_FRECHET | PYR_METRIC_KID;
    job.planned = 1;
    CHECK_FAILS(pyr_evaluate_check(&job), PYR_E_ARG,
                "nothing that is asked for can be measured: it needs 2 samples");
    job.metrics |= PYR_METRIC_COLOUR;
    CHECK_OK(pyr_evaluate_check(&job));
}

/* The order of the images, and so how they are sorted, changes no Inception Score. */
static void order_of_images(void)
{
    char network[256];
    pyr_image_set set;
    pyr_evaluation e;
    pyr_evaluate_job job = {.k = kernels,
                            .samples = &set,
                            .data = data,
                            .data_name = "shapes",
                            .reference = PYR_SPLIT_HELD_OUT,
                            .metrics = PYR_METRIC_SCORE};
    double value[2], deviation[2];

    snprintf(network, sizeof network, "%s/classifier.safetensors", folder);
    train_classifier(network);
    job.network[0] = network;
    CHECK_OK(pyr_image_set_data(&set, data, PYR_SPLIT_TRAIN, 100));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pyr_evaluate(&e, &job));
        CHECK(e.figures == 1 && !e.warnings.n); /* few images are no fault of this figure */
        value[i] = e.figure[0].value;
        deviation[i] = e.figure[0].deviation;
        pyr_evaluation_free(&e);
        for (int64_t j = 0; j < set.n / 2; j++) { /* backwards */
            uint8_t keep[120], *a = set.pixels + j * 120, *b = set.pixels + (set.n - 1 - j) * 120;

            memcpy(keep, a, 120);
            memcpy(a, b, 120);
            memcpy(b, keep, 120);
        }
    }
    CHECK(value[0] == value[1] && deviation[0] == deviation[1]);
    pyr_image_set_free(&set);
}

static pyr_status judge_few(const char *npz, const char *pngs)
{
    pyr_image_set set = {0}, other = {0}, folded = {0};
    pyr_evaluation e = {0};
    pyr_evaluate_job job = {.k = kernels,
                            .samples = &set,
                            .data = data,
                            .data_name = "shapes",
                            .reference = PYR_SPLIT_HELD_OUT,
                            .metrics = PYR_METRIC_COLOUR | PYR_METRIC_NEAREST};
    pyr_json json = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_image_set_read(&other, npz, 0, 3));
    PYR_TRY_OUT(pyr_image_set_read(&folded, pngs, 1, 3));
    PYR_TRY_OUT(pyr_image_set_data(&set, data, PYR_SPLIT_HELD_OUT, 3));
    PYR_TRY_OUT(pyr_evaluate(&e, &job));
    pyr_json_open(&json, NULL, '{');
    pyr_evaluation_json(&e, &set, &json);
    pyr_json_close(&json, '}');
    if (json.text.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory");
out:
    pyr_text_free(&json.text);
    pyr_evaluation_free(&e);
    pyr_image_set_free(&set);
    pyr_image_set_free(&other);
    pyr_image_set_free(&folded);
    return status;
}

/* Whichever allocation fails, it is told, and nothing is left. */
static void without_memory(void)
{
    size_t live = pyr_mem().live_blocks;
    char npz[128], pngs[128];
    pyr_status status = PYR_E_NOMEM;
    pyr_image_set set;
    int n;

    snprintf(npz, sizeof npz, "%s/few.npz", folder);
    snprintf(pngs, sizeof pngs, "%s/pngs", folder);
    CHECK_OK(pyr_image_set_data(&set, data, PYR_SPLIT_HELD_OUT, 3));
    CHECK_OK(write_npz(npz, set.pixels, set.n, set.h, set.w, set.c, NULL));
    CHECK_OK(pyr_make_folders(pngs));
    write_png(&set, 0, "000000.png");
    pyr_image_set_free(&set);
    for (n = 0; n < 1000 && status != PYR_OK; n++) {
        pyr_mem_fail_after(n);
        status = judge_few(npz, pngs);
        pyr_mem_fail_after(-1);
        if (status != PYR_OK)
            CHECK_STATUS(status, PYR_E_NOMEM);
        CHECK(pyr_mem().live_blocks == live);
    }
    CHECK(n > 20 && status == PYR_OK);
}

static void words_of_metrics(void)
{
    unsigned metrics;

    CHECK_OK(pyr_parse_metrics("frechet,swd", &metrics));
    CHECK(metrics == (PYR_METRIC_FRECHET | PYR_METRIC_SWD));
    CHECK_OK(pyr_parse_metrics("all", &metrics));
    CHECK(metrics == PYR_METRIC_ALL);
    CHECK_FAILS(pyr_parse_metrics("frechet,spectrm", &metrics), PYR_E_ARG, "did you mean spectrum?");
    CHECK_FAILS(pyr_parse_metrics("", &metrics), PYR_E_ARG, "there is no metric");
}

/* A row has all that texts and tables are made of; the word is the row's. */
static void rows_of_metrics(void)
{
    static const char words[] = PYR_METRIC_WORD_LIST;
    unsigned bits;

    for (int i = 0; i < PYR_METRICS; i++) {
        const pyr_metric *m = pyr_metric_at(i);

        const pyr_figure *f = &m->figure;

        if (!f->key || !m->label || !m->definition || !m->source || !m->measure != (m->with != NULL) ||
            !f->column != !f->heading || (f->column && !(f->format && f->unit > 0))) {
            CHECK_REPORT(
                "the row of the metric %s, number %d of PYR_METRIC_LIST, lacks its key, label, definition, "
                "source, function, heading, format or unit",
                f->key ? f->key : "without a key", i + 1);
            return;
        }
        CHECK(pyr_metric_of_word(f->key) == m);
        if (i < PYR_METRIC_WORDS) {
            CHECK_OK(pyr_parse_metrics(f->key, &bits));
            CHECK(strstr(words, f->key) != NULL);
        } else
            CHECK_STATUS(pyr_parse_metrics(f->key, &bits), PYR_E_ARG);
    }
    CHECK(pyr_metric_at(-1) == NULL && pyr_metric_at(PYR_METRICS) == NULL && pyr_metric_of_word("x") == NULL);
}

/* ---- variants ---------------------------------------------------------------------------------- */

static void words_of_variants(void)
{
    pyr_variant variant[PYR_VARIANTS];
    pyr_budget budget;
    int n;

    CHECK_OK(pyr_parse_variants("single,end-to-end", variant, &n));
    CHECK(n == 2 && variant[0] == PYR_VARIANT_SINGLE && variant[1] == PYR_VARIANT_END_TO_END);
    CHECK_FAILS(pyr_parse_variants("seperate", variant, &n), PYR_E_ARG, "did you mean separate?");
    CHECK_FAILS(pyr_parse_variants("single,single", variant, &n), PYR_E_ARG, "twice");
    CHECK_OK(pyr_parse_budget("10m", &budget));
    CHECK(!budget.flop && budget.value == 600);
    CHECK_OK(pyr_parse_budget("2e14flop", &budget));
    CHECK(budget.flop && budget.value == 2e14);
    CHECK_FAILS(pyr_parse_budget("3ep", &budget), PYR_E_ARG, "3ep: should be a time");
    CHECK_FAILS(pyr_parse_budget("-1flop", &budget), PYR_E_ARG, "should be a time");
    CHECK_FAILS(pyr_parse_budget("flop", &budget), PYR_E_ARG, "should be a time");
}

/* Costs by hand: two levels of 10 and 40 operations, shares 0.4 and 0.6; Heun's n steps are 2n - 1
 * evaluations. */
static void costs(void)
{
    pyr_plan_facts facts = {.levels = 2,
                            .flop = {40, 10},
                            .share = {0.4, 0.6},
                            .sampler = {{.kind = PYR_HEUN, .steps = 4}, {.kind = PYR_HEUN, .steps = 8}}};
    pyr_plan_facts three = {.levels = 3,
                            .flop = {10, 10, 10},
                            .share = {0.3, 0.3, 0.4},
                            .sampler = {{.kind = PYR_HEUN, .steps = 18},
                                        {.kind = PYR_HEUN, .steps = 18},
                                        {.kind = PYR_HEUN, .steps = 18}}};
    pyr_plan_facts single = {
        .levels = 1, .flop = {100}, .share = {1}, .sampler = {{.kind = PYR_EULER, .steps = 18}}};

    CHECK_CLOSE(pyr_images_of_flop(&facts, 6600), 100, 1e-9); /* 3 (0.4 40 + 0.6 10) = 66 an image */
    facts.joint = true;
    CHECK_CLOSE(pyr_images_of_flop(&facts, 7500), 100, 1e-9); /* half of them at each level: 75 */
    CHECK_CLOSE(pyr_sampling_flop(&facts), 7 * 40 + 15 * 10, 0);
    pyr_scale_sampling(&facts, 430);
    CHECK(facts.sampler[0].steps == 4 && facts.sampler[1].steps == 8);
    pyr_scale_sampling(&facts, 3 * 40 + 7 * 10);
    CHECK(facts.sampler[0].steps == 2 && facts.sampler[1].steps == 4);
    /* 2 steps each cost 9 x 10, 1 step each 3 x 10; 50 needs 2 of one level: 3 + 1 + 1 evaluations */
    pyr_scale_sampling(&three, 50);
    CHECK_CLOSE(pyr_sampling_flop(&three), 50, 0);
    CHECK(three.sampler[0].steps + three.sampler[1].steps + three.sampler[2].steps == 4);
    pyr_scale_sampling(&single, 430);
    CHECK(single.sampler[0].steps == 4);
    pyr_scale_sampling(&single, 1);
    CHECK(single.sampler[0].steps == 1);
}

static int64_t int_of(const pyr_settings *settings, int level)
{
    pyr_level_settings l;

    pyr_settings_fill(settings, "level", level, &l);
    return l.batch;
}

static void settings_of_single(void)
{
    static const char text[] = "data = { path = \"somewhere\"; }; pyramid = { levels = 3; };\n"
                               "train = { seed = 7; }; level = { batch = 16; };\n"
                               "levels = ( { batch = 4; }, { }, { batch = 8; } );\n",
                      own[] = "data = { path = \"elsewhere\"; }; level = { batch = 32; };\n";
    pyr_settings *settings, *baseline, *single;
    pyr_config config;

    CHECK_OK(pyr_settings_new(&settings, pyr_all_sections));
    CHECK_OK(pyr_settings_read_text(settings, text, "text"));
    CHECK_OK(pyr_settings_new(&baseline, pyr_all_sections));
    CHECK_OK(pyr_settings_read_text(baseline, own, "own"));

    CHECK_OK(pyr_variant_settings(&single, PYR_VARIANT_SINGLE, settings, NULL));
    CHECK_OK(pyr_config_get(&config, single)); /* no levels beyond the only one */
    CHECK(config.pyramid.levels == 1 && int_of(single, 0) == 4);
    pyr_settings_free(single);

    CHECK_OK(pyr_variant_settings(&single, PYR_VARIANT_SINGLE, settings, baseline));
    CHECK_OK(pyr_config_get(&config, single));
    CHECK(config.pyramid.levels == 1 && int_of(single, 0) == 32 && config.train.seed == 7);
    CHECK_STRING(config.data.set.path, "somewhere");
    pyr_settings_free(single);

    CHECK_OK(pyr_variant_settings(&single, PYR_VARIANT_SEPARATE, settings, baseline));
    CHECK_OK(pyr_config_get(&config, single));
    CHECK(config.pyramid.levels == 3 && int_of(single, 0) == 4 && int_of(single, 1) == 16 &&
          int_of(single, 2) == 8);
    pyr_settings_free(single);
    pyr_settings_free(baseline);
    pyr_settings_free(settings);
}

/* ---- children ---------------------------------------------------------------------------------- */

static pyr_status doubles(void *arg, void *result)
{
    *(int *)result = 2 * *(int *)arg;
    *(int *)arg = 0; /* the child's own */
    return PYR_OK;
}

static pyr_status fails(void *arg, void *result)
{
    (void)result;
    return pyr_fail(PYR_E_CONFIG, "no %s today", (const char *)arg);
}

static pyr_status dies(void *arg, void *result)
{
    (void)arg;
    (void)result;
    kill(getpid(), SIGKILL);
    return PYR_OK;
}

static pyr_status waits(void *arg, void *result)
{
    (void)arg;
    (void)result;
    pyr_stop_on_signals();
    while (!pyr_stop_requested())
        usleep(1000);
    return pyr_fail(PYR_E_STOPPED, "stopped in good order");
}

static bool stop_now(void)
{
    static int calls;

    return ++calls > 5; /* 100 ms: its handler stands by then, or SIGTERM ends it, which is seen, too */
}

static void children(void)
{
    int seven = 7, result = 0;
    char cake[] = "cake";
    pyr_status status;

    CHECK_OK(pyr_run_child(doubles, &seven, &result, sizeof result, NULL));
    CHECK(result == 14 && seven == 7);
    CHECK_FAILS(pyr_run_child(fails, cake, NULL, 0, NULL), PYR_E_CONFIG, "no cake today");
    CHECK_FAILS(pyr_run_child(dies, NULL, NULL, 0, NULL), PYR_E_IO, "ended by signal 9");
    status = pyr_run_child(waits, NULL, NULL, 0, stop_now);
    CHECK(status == PYR_E_STOPPED || (status == PYR_E_IO && strstr(pyr_error(), "signal 15")));
}

int main(int argc, char **argv)
{
    pyr_data_settings settings = PYR_DATA_SETTINGS_DEFAULT;
    const char *where = getenv("TMPDIR");
    char command[128];

    CHECK_INIT(argc, argv);
    snprintf(folder, sizeof folder, "%.40s/pyr-evaluate-XXXXXX", where ? where : "/tmp");
    if (!mkdtemp(folder)) {
        printf("no folder for temporary files: %s\n", folder);
        return 1;
    }
    RUN(children); /* before there are threads */
    settings.path = "tests/golden/shapes";
    CHECK_OK(pyr_dataset_open(&data, &settings));
    CHECK_OK(pyr_kernels_cpu(&kernels, 2));
    RUN(sets_from_everywhere);
    RUN(sets_that_cannot_be);
    RUN(recorded_classifier);
    RUN(against_itself);
    RUN(copies_are_memorised);
    RUN(sizes_must_agree);
    RUN(statistics_that_do_not_fit);
    RUN(too_few);
    RUN(order_of_images);
    RUN(without_memory);
    RUN(words_of_metrics);
    RUN(rows_of_metrics);
    RUN(words_of_variants);
    RUN(costs);
    RUN(settings_of_single);
    pyr_dataset_free(data);
    pyr_kernels_free(kernels);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    if (system(command) != 0)
        printf("%s is left over\n", folder);
    return CHECK_DONE();
}
