/* test_inception.c - Inception-v3 against pytorch-fid's (tests/golden/inception/make_inception.py), with
 * weights made by a formula; what a file may lack. */
#include "base/file.h"
#include "base/mem.h"
#include "features/features.h"
#include "features/inception.h"
#include "tests/check.h"
#include <stdlib.h>

#define GOLDEN "tests/golden/inception/inception.txt"
#define RESIZED "tests/golden/inception/resize.txt"

enum { D = 2048, CLASSES = 1008, SIDE = PYR_INCEPTION_SIDE };

static char folder[64], weights[96];

static void *memory(size_t count, size_t size)
{
    void *block = pyr_calloc(count, size);

    if (!block)
        abort();
    return block;
}

/* ---- the weights, as the script makes them ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static void fill(float *dst, const char *name, size_t count, size_t fan_in)
{
    uint64_t start = pyr_hash(PYR_HASH_START, name, strlen(name));
    double bound = sqrt(6 / (double)fan_in);

    for (size_t i = 0; i < count; i++) {
        uint64_t z = start + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
        double u;

        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        z ^= z >> 31;
        u = (double)(z >> 40) / (1 << 24);
        if (ends_with(name, "running_var") || ends_with(name, "bn.weight"))
            dst[i] = (float)(0.75 + 0.5 * u);
        else if (ends_with(name, "running_mean") || ends_with(name, "bias"))
            dst[i] = (float)(0.25 * (2 * u - 1));
        else
            dst[i] = (float)((2 * u - 1) * bound);
    }
}

enum { TENSORS = 512 };

typedef struct tensors {
    pyr_st_entry at[TENSORS];
    char names[TENSORS][PYR_PARAM_NAME + 16];
    size_t n;
} tensors;

static void add(tensors *t, const char *name, size_t length, const char *part, int rank, const int *dims)
{
    pyr_st_entry *e = &t->at[t->n];
    size_t count = 1;
    float *data;

    snprintf(t->names[t->n], sizeof t->names[t->n], "%.*s%s", (int)length, name, part);
    *e = (pyr_st_entry){.name = t->names[t->n++], .dtype = PYR_ST_F32, .rank = rank};
    for (int i = 0; i < rank; i++) {
        e->dims[i] = dims[i];
        count *= (size_t)dims[i];
    }
    data = memory(count, sizeof *data);
    fill(data, e->name, count, count / (size_t)dims[0]);
    e->data = data;
}

/* The file as it comes from the script: convolutions, and the four vectors of their batch norms. Names and
 * shapes are the network's own parameters', so that the answers show whether those are right. */
static void write_weights(void)
{
    static const char *const parts[] = {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"};
    tensors *t = memory(1, sizeof *t);
    pyr_params params = {0};
    pyr_graph *g;
    pyr_kernels *k;

    snprintf(weights, sizeof weights, "%s/inception.safetensors", folder);
    CHECK_OK(pyr_kernels_open(&k, "cpu", 1));
    CHECK_OK(pyr_graph_new(&g, k, k->precision, &params));
    pyr_inception_build(g, CLASSES, k->real);
    for (int i = 0; i < params.n; i++) {
        const pyr_param *p = &params.at[i];
        size_t length = strlen(p->name);

        if (ends_with(p->name, ".conv.bias"))
            continue;
        add(t, p->name, length, "", p->rank, p->dims);
        for (int j = 0; ends_with(p->name, ".conv.weight") && j < 4; j++)
            add(t, p->name, length - strlen("conv.weight"), parts[j], 1, p->dims);
    }
    CHECK(t->n == 94 * 5 + 2); /* pytorch-fid's has 94 convolutions */
    CHECK_OK(pyr_safetensors_write(weights, t->at, t->n, NULL, 0));
    for (size_t i = 0; i < t->n; i++)
        pyr_free((void *)(uintptr_t)t->at[i].data);
    pyr_free(t);
    pyr_graph_free(g);
    pyr_params_free(&params);
    pyr_kernels_free(k);
}

/* ---- the answers ---- */

static uint8_t *make_images(int n, int h, int w, int c)
{
    uint8_t *images = memory((size_t)n * (size_t)h * (size_t)w * (size_t)c, 1), *to = images;

    for (int i = 0; i < n; i++)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                for (int k = 0; k < c; k++)
                    *to++ = (uint8_t)((x * x * 3 + y * (7 + x) + 50 * k + 91 * i * (y + 2)) % 256);
    return images;
}

/* Every `step`-th of n x d values, plus `bias` (d; NULL: none), against the next numbers of the file. */
static void compare(FILE *f, const char *what, const float *got, const float *bias, int n, int d, int step)
{
    double error = 0, largest = 0;

    for (int i = 0; i < n; i++)
        for (int j = 0; j < d; j += step) {
            double wanted = NAN;

            if (fscanf(f, "%lf", &wanted) != 1)
                CHECK_REPORT("%s ends too early", GOLDEN);
            error = fmax(error, fabs((double)got[i * d + j] + (bias ? (double)bias[j] : 0) - wanted));
            largest = fmax(largest, fabs(wanted));
        }
    if (!(error <= 2e-5 * largest) || largest == 0)
        CHECK_REPORT("%s: off by %.3g, the largest is %.3g", what, error, largest);
}

static void published_definition(void)
{
    FILE *f = fopen(GOLDEN, "r");
    pyr_kernels *k;
    pyr_features *network;
    char name[32], what[32];
    int n, h, w, c, step, cases = 0;
    float *features = memory(2 * D, sizeof *features), *logits = memory(2 * CLASSES, sizeof *logits);
    float *other = memory(2 * D, sizeof *other), *bias = memory(CLASSES, sizeof *bias);
    uint64_t hash;

    CHECK(f != NULL);
    write_weights();
    fill(bias, "fc.bias", CLASSES, 1); /* logits come without it */
    CHECK_OK(pyr_kernels_open(&k, "cpu", 2));
    CHECK_OK(pyr_features_open(&network, k, weights, PYR_RESIZE_PYTORCH));
    CHECK_STRING(pyr_features_facts(network)->name, "inception-v3, pytorch resize");
    CHECK(pyr_features_facts(network)->size == D && pyr_features_facts(network)->classes == CLASSES);
    while (f && fscanf(f, "%31s %d %d %d %d %31s %d", name, &n, &h, &w, &c, what, &step) == 7) {
        if (strcmp(what, "features") == 0) {
            uint8_t *images = make_images(n, h, w, c);

            CHECK_OK(pyr_features_run(network, n, images, 8, h, w, c, features, logits));
            if (cases == 0) { /* the second image by itself */
                CHECK_OK(pyr_features_run(network, 1, images + h * w * c, 8, h, w, c, other, NULL));
                CHECK(memcmp(other, features + D, D * sizeof *other) == 0);
            }
            pyr_free(images);
            compare(f, name, features, NULL, n, D, step);
            cases++;
        } else
            compare(f, what, logits, bias, n, CLASSES, step);
    }
    CHECK(cases == 3);
    CHECK_FAILS(pyr_features_run(network, 1, (uint8_t[16]){0}, 8, 2, 2, 4, features, NULL), PYR_E_SHAPE,
                "4 channels");
    if (f)
        fclose(f);
    hash = pyr_features_facts(network)->hash;
    pyr_features_free(network);
    CHECK_OK(pyr_features_open(&network, k, weights, PYR_RESIZE_TF1)); /* other features, another hash */
    CHECK_STRING(pyr_features_facts(network)->name, "inception-v3, tf1 resize");
    CHECK_STRING(pyr_features_facts(network)->resize, "tf1");
    CHECK(pyr_features_facts(network)->hash != hash);
    pyr_features_free(network);
    pyr_kernels_free(k);
    pyr_free(features);
    pyr_free(logits);
    pyr_free(other);
    pyr_free(bias);
}

/* ---- images ---- */

/* Darker to lighter from left to right: of 32 pixels the two resizes are (1/2 - 16/299) of one apart, 3.7 of
 * 255. */
static uint8_t *smooth_image(int h, int w, int c)
{
    uint8_t *image = memory((size_t)h * (size_t)w * (size_t)c, 1);

    for (int i = 0; i < h * w * c; i++)
        image[i] = (uint8_t)(i / c % w * 255 / (w - 1));
    return image;
}

/* torch-fidelity's images and pytorch-fid's, at every 23rd place. */
static void published_resizes(void)
{
    FILE *f = fopen(RESIZED, "r");
    float *values = memory(SIDE * SIDE * 3, sizeof *values);
    float *first = memory(SIDE * SIDE * 3, sizeof *first);
    char name[32], word[32];
    int h, w, c, cases = 0;

    CHECK(f != NULL);
    while (f && fscanf(f, "%31s %31s %d %d %d", name, word, &h, &w, &c) == 5) {
        pyr_fid_resize resize = strcmp(word, "tf1") == 0 ? PYR_RESIZE_TF1 : PYR_RESIZE_PYTORCH;
        uint8_t *image = strcmp(name, "smooth") == 0 ? smooth_image(h, w, c) : make_images(1, h, w, c);
        double error = 0, apart = 0;

        pyr_inception_image(values, image, h, w, c, resize);
        for (int y = 0; y < SIDE; y += 23)
            for (int x = 0; x < SIDE; x += 23)
                for (int i = 0; i < 3; i++) {
                    double wanted = NAN;

                    CHECK(fscanf(f, "%lf", &wanted) == 1);
                    error = fmax(error, fabs((double)values[(y * SIDE + x) * 3 + i] - wanted));
                }
        if (!(error < 1e-6))
            CHECK_REPORT("%s, %s: off by %g", name, word, error);
        if (strcmp(name, "smooth") == 0 && resize == PYR_RESIZE_PYTORCH) {
            for (int i = 0; i < SIDE * SIDE * 3; i++) /* in grey values, whatever the ranges */
                apart = fmax(apart, fabs((double)(first[i] + 1) * 128 - (double)(values[i] + 1) * 127.5));
            CHECK(apart > 3 && apart < 6);
        }
        memcpy(first, values, SIDE * SIDE * 3 * sizeof *first);
        pyr_free(image);
        cases++;
    }
    CHECK(cases == 8);
    if (f)
        fclose(f);
    pyr_free(values);
    pyr_free(first);
}

/* Of its own size an image stays as it is; a step between two pixels becomes a ramp between their centres. */
static void resizing(void)
{
    uint8_t *own = make_images(1, SIDE, SIDE, 3), step[2] = {0, 255};
    float *values = memory(SIDE * SIDE * 3, sizeof *values);
    double error = 0;

    pyr_inception_image(values, own, SIDE, SIDE, 3, PYR_RESIZE_PYTORCH);
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        error = fmax(error, fabs((double)values[i] - (2 * own[i] / 255.0 - 1)));
    CHECK(error < 1e-7);
    pyr_inception_image(values, own, SIDE, SIDE, 3, PYR_RESIZE_TF1);
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        error = fmax(error, fabs((double)values[i] - (own[i] / 128.0 - 1)));
    CHECK(error < 1e-7);
    pyr_inception_image(values, step, 1, 2, 1, PYR_RESIZE_PYTORCH);
    for (int x = 0; x < SIDE; x++) {
        double ramp = fmin(fmax((x + 0.5) * 2 / SIDE - 0.5, 0), 1);

        for (int i = 0; i < 3; i++)
            CHECK_CLOSE(values[(100 * SIDE + x) * 3 + i], 2 * ramp - 1, 1e-6);
    }
    pyr_free(own);
    pyr_free(values);
}

/* ---- files that are not complete ---- */

static void refusals(void)
{
    static const float numbers[64 * 32 * 3 * 3];
    char path[96];
    pyr_st_entry at[] = {
        {"Conv2d_1a_3x3.conv.weight", PYR_ST_F32, 4, {32, 3, 3, 3}, numbers},
        {"Mixed_7c.branch_pool.conv.weight", PYR_ST_F32, 4, {1, 1, 1, 1}, numbers},
        {"fc.weight", PYR_ST_F32, 2, {1, 2048}, numbers},
    };
    pyr_kernels *k;
    pyr_features *f;

    snprintf(path, sizeof path, "%s/part.safetensors", folder);
    CHECK_OK(pyr_kernels_open(&k, "cpu", 1));
    CHECK_OK(pyr_safetensors_write(path, at, 2, NULL, 0));
    CHECK_FAILS(pyr_features_open(&f, k, path, PYR_RESIZE_PYTORCH), PYR_E_FORMAT, "fc.weight");
    CHECK_OK(pyr_safetensors_write(path, at, 3, NULL, 0));
    CHECK_FAILS(pyr_features_open(&f, k, path, PYR_RESIZE_PYTORCH), PYR_E_FORMAT,
                "Conv2d_1a_3x3.bn.weight is missing");
    at[0].dims[0] = 31;
    CHECK_OK(pyr_safetensors_write(path, at, 3, NULL, 0));
    CHECK_FAILS(pyr_features_open(&f, k, path, PYR_RESIZE_PYTORCH), PYR_E_FORMAT, "another shape");
    CHECK(f == NULL);
    pyr_kernels_free(k);
}

int main(int argc, char **argv)
{
    char command[96];

    CHECK_INIT(argc, argv);
    snprintf(folder, sizeof folder, "/tmp/pyrdiff-inception-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    RUN(resizing);
    RUN(published_resizes);
    RUN(refusals);
    RUN(published_definition);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        return 1;
    return CHECK_DONE();
}
