/* test_features.c - feature networks: training a classifier, its file, features of images. */
#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "features/classifier.h"
#include "features/features.h"
#include "tests/check.h"
#include "tests/samples_of.h"
#include <stdlib.h>
#include <unistd.h>

#define SHAPES "tests/golden/shapes"

enum { H = 12, W = 10, HELD_OUT = 64 };

static char folder[64];

static char *in_folder(const char *name)
{
    static char path[4][128];
    static int at;

    at = (at + 1) % 4;
    snprintf(path[at], sizeof path[at], "%s/%s", folder, name);
    return path[at];
}

static pyr_dataset *open_data(const char *path)
{
    pyr_data_settings settings = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *data;

    settings.path = path;
    CHECK_OK(pyr_dataset_open(&data, &settings));
    return data;
}

static pyr_kernels *open_kernels(const char *backend, int lanes)
{
    pyr_kernels *k;

    CHECK_OK(pyr_kernels_open(&k, backend, lanes));
    return k;
}

/* Bars and discs for `epochs` epochs, on this backend. */
static pyr_classifier_result train(const char *path, const char *backend, int lanes, double epochs)
{
    pyr_kernels *k = open_kernels(backend, lanes);
    pyr_dataset *data = open_data(SHAPES);
    pyr_classifier_result result = {0};

    CHECK_OK(pyr_classifier_train(&(pyr_classifier_job){.k = k,
                                                        .data = data,
                                                        .path = path,
                                                        .duration = {epochs, PYR_DURATION_EPOCHS},
                                                        .seed = 7,
                                                        .result = &result}));
    pyr_dataset_free(data);
    pyr_kernels_free(k);
    return result;
}

static bool same_files(const char *a, const char *b)
{
    char *at[2] = {NULL, NULL};
    size_t n[2] = {0, 0};
    bool same;

    CHECK_OK(pyr_file_read(&at[0], &n[0], a, 1 << 24));
    CHECK_OK(pyr_file_read(&at[1], &n[1], b, 1 << 24));
    same = n[0] > 0 && n[0] == n[1] && memcmp(at[0], at[1], n[0]) == 0;
    pyr_free(at[0]);
    pyr_free(at[1]);
    return same;
}

/* Bars and discs are easy to tell apart. */
static void learns(void)
{
    pyr_classifier_result result = train(in_folder("shapes"), "cpu", 2, 12);

    CHECK(result.held_out == HELD_OUT && result.steps == 96);
    CHECK(result.accuracy > 0.9 && result.accuracy <= 1);
}

static void any_number_of_threads(void)
{
    pyr_classifier_result one = train(in_folder("one"), "cpu", 1, 1),
                          three = train(in_folder("three"), "cpu", 3, 1);

    CHECK(one.hash == three.hash && one.accuracy == three.accuracy);
    CHECK(same_files(in_folder("one"), in_folder("three")));
}

/* The accuracy in the file is that of the logits, features do not depend on company or threads, and logits
 * are the linear layer's of the features: recomputed here from the file's own weights. */
static void features_and_logits(void)
{
    enum { D = 64, CLASSES = 2 };
    const char *path = in_folder("shapes");
    pyr_kernels *k = open_kernels("cpu", 2), *single = open_kernels("cpu", 1);
    pyr_dataset *data = open_data(SHAPES);
    pyr_features *f = NULL, *again = NULL;
    pyr_safetensors *file = NULL;
    static uint8_t images[HELD_OUT * H * W];
    static float features[HELD_OUT * D], logits[HELD_OUT * CLASSES], others[HELD_OUT * D];
    float weight[CLASSES * D], bias[CLASSES];
    const int32_t *labels = pyr_dataset_labels(data, PYR_SPLIT_HELD_OUT);
    pyr_classifier_result result = train(path, "cpu", 2, 12);
    double right = 0;

    for (int i = 0; i < HELD_OUT; i++)
        memcpy(images + i * H * W, samples_of(data, PYR_SPLIT_HELD_OUT, i), H * W);
    CHECK_OK(pyr_features_open(&f, k, path, PYR_RESIZE_PYTORCH));
    CHECK_STRING(pyr_features_facts(f)->name, "classifier 12x10x1, 2 classes");
    CHECK(pyr_features_facts(f)->size == D && pyr_features_facts(f)->classes == CLASSES);
    CHECK(pyr_features_facts(f)->hash == result.hash);
    CHECK_OK(pyr_features_run(f, HELD_OUT, images, 8, H, W, 1, features, logits));
    for (int i = 0; i < HELD_OUT; i++)
        right += (logits[2 * i + 1] > logits[2 * i]) == labels[i];
    CHECK_CLOSE(right / HELD_OUT, result.accuracy, 0);

    CHECK_OK(pyr_safetensors_open(&file, path));
    CHECK_OK(pyr_safetensors_read_f32(file, pyr_safetensors_find(file, "out.weight"), weight, CLASSES * D));
    CHECK_OK(pyr_safetensors_read_f32(file, pyr_safetensors_find(file, "out.bias"), bias, CLASSES));
    for (int i = 0; i < HELD_OUT; i++)
        for (int c = 0; c < CLASSES; c++) {
            double sum = (double)bias[c];

            for (int j = 0; j < D; j++)
                sum += (double)weight[c * D + j] * (double)features[i * D + j];
            CHECK_CLOSE(logits[i * CLASSES + c], sum, 1e-5 * (1 + fabs(sum)));
        }

    CHECK_OK(pyr_features_open(&again, single, path, PYR_RESIZE_PYTORCH));
    CHECK_OK(pyr_features_run(again, HELD_OUT, images, 8, H, W, 1, others, NULL));
    CHECK(memcmp(others, features, sizeof features) == 0);
    CHECK_OK(pyr_features_run(again, 5, images, 8, H, W, 1, others, NULL));
    CHECK(memcmp(others, features, 5 * D * sizeof *features) == 0);
    CHECK_OK(pyr_features_run(f, 0, images, 8, H, W, 1, others, NULL));
    CHECK_FAILS(pyr_features_run(f, 1, images, 8, W, H, 1, others, NULL), PYR_E_SHAPE, "10x12x1");
    pyr_safetensors_free(file);
    pyr_features_free(f);
    pyr_features_free(again);
    pyr_dataset_free(data);
    pyr_kernels_free(k);
    pyr_kernels_free(single);
}

/* Whatever the precision asked for, features are those of f32; plain loops give them, too. */
static void other_tables(void)
{
    enum { D = 64, N = 3 };
    const char *path = in_folder("tables");
    pyr_dataset *data = open_data(SHAPES);
    static uint8_t images[N * H * W];
    static float f32[N * D], other[N * D];

    train(path, "cpu", 1, 1);
    for (int i = 0; i < N; i++)
        memcpy(images + i * H * W, samples_of(data, PYR_SPLIT_HELD_OUT, i), H * W);
    for (int way = 0; way < 4; way++) {
        static const char *const backends[] = {"cpu", "cpu", "ref", "ref-double"};
        pyr_kernels *k = open_kernels(backends[way], 1);
        pyr_features *f;

        if (way == 1 && k->has_bf16)
            CHECK_OK(pyr_kernels_precision(k, "bf16"));
        CHECK_OK(pyr_features_open(&f, k, path, PYR_RESIZE_PYTORCH));
        CHECK_OK(pyr_features_run(f, N, images, 8, H, W, 1, way ? other : f32, NULL));
        if (way == 1)
            CHECK(memcmp(other, f32, sizeof f32) == 0);
        for (int i = 0; way > 1 && i < N * D; i++)
            CHECK_CLOSE(other[i], f32[i], 1e-5);
        pyr_features_free(f);
        pyr_kernels_free(k);
    }
    pyr_dataset_free(data);
}

static bool stop_at_once(void *ctx)
{
    (void)ctx;
    return true;
}

/* Missing labels, stops and damage. */
static void refusals(void)
{
    pyr_kernels *k = open_kernels("cpu", 1);
    pyr_dataset *plain, *labelled = open_data(SHAPES);
    pyr_features *f;
    char *bytes;
    size_t n, live;

    CHECK_OK(pyr_dataset_random(&plain, 8, 8, 1, 20, 0));
    CHECK_FAILS(pyr_classifier_train(&(pyr_classifier_job){
                    .k = k, .data = plain, .path = in_folder("none"), .duration = {1, PYR_DURATION_EPOCHS}}),
                PYR_E_ARG, "no labels");
    CHECK_FAILS(pyr_features_open(&f, k, in_folder("none"), PYR_RESIZE_PYTORCH), PYR_E_IO, "none");
    CHECK(f == NULL);

    train(in_folder("damaged"), "cpu", 1, 0.1);
    CHECK_OK(pyr_file_read(&bytes, &n, in_folder("damaged"), 1 << 24));
    bytes[n - 3] ^= 0x10;
    CHECK_OK(pyr_file_replace(in_folder("damaged"), bytes, n));
    CHECK_FAILS(pyr_features_open(&f, k, in_folder("damaged"), PYR_RESIZE_PYTORCH), PYR_E_FORMAT, "damaged");
    pyr_free(bytes);
    CHECK_FAILS(pyr_features_open(&f, k, "tests/golden/unet2d/ddpm_like/diffusion_pytorch_model.safetensors",
                                  PYR_RESIZE_PYTORCH),
                PYR_E_FORMAT, "not a feature network");

    /* of images and classes that would take terabytes, without their weights */
    CHECK_OK(pyr_safetensors_write(in_folder("small"), &(pyr_st_entry){"a", PYR_ST_F32, 1, {1}, &(float){1}},
                                   1,
                                   (pyr_st_pair[]){{"kind", "pyrdiff classifier 1"},
                                                   {"image_size", "16384x16384"},
                                                   {"channels", "4"},
                                                   {"classes", "1048576"}},
                                   4));
    live = pyr_mem().live_bytes;
    pyr_mem_reset_peak();
    CHECK_FAILS(pyr_features_open(&f, k, in_folder("small"), PYR_RESIZE_PYTORCH), PYR_E_FORMAT,
                "holds 1 numbers, the network of 1048576 classes");
    if (pyr_mem().peak_bytes - live >= 4 << 20) /* a file is read in pieces of 1 MiB */
        CHECK_REPORT("%zu bytes were taken", pyr_mem().peak_bytes - live);

    CHECK_FAILS(pyr_classifier_train(&(pyr_classifier_job){.k = k,
                                                           .data = labelled,
                                                           .path = in_folder("stopped"),
                                                           .duration = {1, PYR_DURATION_EPOCHS},
                                                           .should_stop = stop_at_once}),
                PYR_E_STOPPED, "was not written");
    CHECK(!pyr_is_file(in_folder("stopped")));
    pyr_dataset_free(plain);
    pyr_dataset_free(labelled);
    pyr_kernels_free(k);
}

/* The network of other images: smaller, larger, of colour. */
static void sizes(void)
{
    static const pyr_classifier_shape shapes[] = {
        {1, 1, 1, 2}, {3, 5, 3, 4}, {28, 28, 1, 10}, {64, 48, 3, 7}};

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        pyr_kernels *k = open_kernels("cpu", 1);
        pyr_params params = {0};
        pyr_graph *g;
        pyr_network_ends ends;

        CHECK_OK(pyr_graph_new(&g, k, k->precision, &params));
        ends = pyr_classifier_build(g, &shapes[i], k->real);
        CHECK_OK(pyr_graph_plan(g, &(pyr_plan){.batch = 2}));
        CHECK(pyr_graph_shape(g, ends.features).c == 64 && pyr_graph_shape(g, ends.features).h == 1);
        CHECK(pyr_graph_shape(g, ends.logits).c == shapes[i].classes);
        pyr_graph_free(g);
        pyr_params_free(&params);
        pyr_kernels_free(k);
    }
}

/* Every allocation that fails is told, and leaves nothing behind. */
static void without_memory(void)
{
    pyr_kernels *k = open_kernels("cpu", 1);
    pyr_dataset *data = open_data(SHAPES);
    size_t before = pyr_mem().live_blocks;
    const pyr_classifier_job job = {
        .k = k, .data = data, .path = in_folder("memory"), .duration = {1, PYR_DURATION_IMAGES}, .batch = 2};
    pyr_status status = PYR_E_NOMEM;
    long n = 0;

    for (; status == PYR_E_NOMEM && n < 10000; n++) {
        pyr_mem_fail_after(n);
        status = pyr_classifier_train(&job);
        pyr_mem_fail_after(-1);
        CHECK(pyr_mem().live_blocks == before);
        CHECK(status == PYR_OK || !pyr_is_file(job.path));
    }
    CHECK_STATUS(status, PYR_OK);
    CHECK(n > 20);
    status = PYR_E_NOMEM;
    for (n = 0; status == PYR_E_NOMEM && n < 10000; n++) {
        pyr_features *f;

        pyr_mem_fail_after(n);
        status = pyr_features_open(&f, k, job.path, PYR_RESIZE_PYTORCH);
        pyr_mem_fail_after(-1);
        CHECK((status == PYR_OK) == (f != NULL));
        pyr_features_free(f);
        CHECK(pyr_mem().live_blocks == before);
    }
    CHECK_STATUS(status, PYR_OK);
    CHECK(n > 20);
    pyr_dataset_free(data);
    pyr_kernels_free(k);
}

int main(int argc, char **argv)
{
    char command[96];

    CHECK_INIT(argc, argv);
    snprintf(folder, sizeof folder, "/tmp/pyrdiff-features-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    RUN(learns);
    RUN(any_number_of_threads);
    RUN(features_and_logits);
    RUN(other_tables);
    RUN(sizes);
    RUN(without_memory);
    RUN(refusals);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        return 1;
    return CHECK_DONE();
}
