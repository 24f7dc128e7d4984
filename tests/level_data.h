/* level_data.h - what tests of levels and cascades stand on: a temporary folder, a data set of soft blobs in
 * it, settings of a small network, comparisons. */
#ifndef PYR_TESTS_LEVEL_DATA_H
#define PYR_TESTS_LEVEL_DATA_H

#include "tests/check.h"
#include "tests/temp_files.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "graph/safetensors.h"
#include "images/dataset.h"
#include "levels/level_settings.h"
#include "pictures/png_file.h"
#include <stdlib.h>
#include <sys/stat.h>

/* ---- files ------------------------------------------------------------------------------------- */

/* Make the temporary folder of the test NAME; false with a word to the person when that fails. */
static inline bool temp_new(const char *name)
{
    const char *where = getenv("TMPDIR");

    snprintf(temp, sizeof temp, "%.40s/pyr-%.12s-XXXXXX", where ? where : "/tmp", name);
    if (mkdtemp(temp))
        return true;
    printf("no temporary folder can be made: %s\n", temp);
    return false;
}

/* A path below the temporary folder; one of a few that live at a time. */
static const char *below(const char *name)
{
    static char paths[8][160];
    static int next;

    next = (next + 1) % 8;
    snprintf(paths[next], sizeof paths[next], "%s/%s", temp, name);
    return paths[next];
}

static const char *folder_of(const char *name)
{
    const char *path = below(name);

    CHECK_OK(pyr_make_folders(path));
    return path;
}

/* ---- data -------------------------------------------------------------------------------------- */

enum { H = 8, W = 6, C = 2 + 1, IMAGES = 70, HELD_OUT = 10 };

/* Soft blobs in three colours, and a little noise; two classes (left and right). */
static inline void write_images(void)
{
    for (int n = 0; n < IMAGES; n++) {
        char name[64];
        pyr_image image;

        snprintf(name, sizeof name, "data/%s", n % 2 ? "right" : "left");
        folder_of(name);
        snprintf(name, sizeof name, "data/%s/%03d.png", n % 2 ? "right" : "left", n);
        CHECK_OK(pyr_image_new(&image, H, W, C, 8, name));
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                for (int c = 0; c < C; c++) {
                    pyr_rng4 r = pyr_philox(5, (uint32_t)(y * W + x), (uint32_t)n, (uint32_t)c, 9);
                    double dx = x - (n % 2 ? 4 : 1) - 0.1 * (n % 7), dy = y - n % 5 - 1.5;
                    double v =
                        200 * exp(-(dx * dx + dy * dy) / 6) + 10 * c + 12 * (double)pyr_uniform(r.v[0]);

                    ((uint8_t *)image.at)[(y * W + x) * C + c] = (uint8_t)v;
                }
        CHECK_OK(pyr_png_write(below(name), &image, NULL, 0));
        pyr_image_free(&image);
    }
}

static inline pyr_dataset *open_data(void)
{
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *data = NULL;

    s.path = below("data");
    s.held_out = HELD_OUT;
    CHECK_OK(pyr_dataset_open(&data, &s));
    return data;
}

/* The defaults of the table, and a small network. */
static inline pyr_level_settings settings_of(void)
{
    static pyr_settings *table; /* owns the texts */
    pyr_level_settings s = {0};

    if (!table)
        CHECK_OK(pyr_settings_new(&table, PYR_SECTIONS(&pyr_level_section)));
    pyr_settings_fill(table, "level", -1, &s);
    s.network.block_out_channels = (pyr_ints){.n = 2, .at = {8, 8}};
    s.network.unet.norm_num_groups = 4;
    s.batch = 16;
    s.warmup = 0;
    s.sampler.kind = PYR_HEUN;
    return s;
}

static inline double *numbers(size_t n)
{
    double *x = pyr_calloc(n, sizeof *x);

    if (!x)
        abort();
    return x;
}

static inline double largest(const double *x, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

static inline void near(const char *what, const double *got, const double *wanted, size_t n, double tolerance)
{
    double scale = largest(wanted, n), worst = 0;

    for (size_t i = 0; i < n; i++) {
        double e = fabs(got[i] - wanted[i]);

        if (!(e <= worst))
            worst = isnan(e) ? INFINITY : e;
    }
    if (!(worst <= tolerance * scale))
        CHECK_REPORT("%s: off by %.3g of %.3g, allowed %.3g", what, worst / scale, scale, tolerance);
}

/* All tensors of two states but the seconds. */
static inline void same_states(const char *a, const char *b)
{
    static const char *const names[] = {"value", "adam_m", "adam_v", "ema", "average_0", "average_1"};
    pyr_safetensors *file[2] = {NULL, NULL};
    enum { COUNTERS = 14 };
    int64_t counters[2][COUNTERS];

    for (int i = 0; i < 2; i++) {
        char path[200];

        snprintf(path, sizeof path, "%s/state.safetensors", i ? b : a);
        CHECK_OK(pyr_safetensors_open(&file[i], path));
        if (!file[i])
            return;
        CHECK_OK(pyr_safetensors_read_i64(file[i], pyr_safetensors_find(file[i], "counters"), counters[i],
                                          COUNTERS));
        counters[i][2] = 0;
    }
    CHECK(memcmp(counters[0], counters[1], sizeof counters[0]) == 0);
    for (int n = 0; n < 6; n++) {
        const pyr_st_tensor *t = pyr_safetensors_find(file[0], names[n]);
        const pyr_st_tensor *u = pyr_safetensors_find(file[1], names[n]);
        if (n >= 4 && !t && !u) /* averages are kept where they are asked for */
            continue;
        size_t bytes = t->count * sizeof(float);
        float *x = pyr_calloc(t->count, sizeof *x), *y = pyr_calloc(t->count, sizeof *y);

        CHECK(u && u->count == t->count);
        CHECK_OK(pyr_safetensors_read_bytes(file[0], t, x, bytes));
        CHECK_OK(pyr_safetensors_read_bytes(file[1], u, y, bytes));
        if (memcmp(x, y, bytes) != 0)
            CHECK_REPORT("%s and %s: %s differs", a, b, names[n]);
        pyr_free(x);
        pyr_free(y);
    }
    pyr_safetensors_free(file[0]);
    pyr_safetensors_free(file[1]);
}

#endif
