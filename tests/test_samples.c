/* test_samples.c - which files of a folder or an archive are samples, and what is said when they are
 * mixed. */
#include "arrays/npz_file.h"
#include "base/atomic_file.h"
#include "base/mem.h"
#include "check.h"
#include "eval/image_set.h"
#include "pictures/png_file.h"
#include "tests/write_npz.h"
#include <stdlib.h>

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[2][256];
    static int at;

    at = !at;
    snprintf(path[at], sizeof path[at], "%s/%s", folder, name);
    return path[at];
}

enum { SIDE = 4 };

/* A picture whose pixels all are `value`, but a white one at the end; with texts. */
static void write_texts(const char *name, uint8_t value, int channels, const pyr_png_text *text, size_t texts)
{
    pyr_image image = {0};
    char path[256];

    snprintf(path, sizeof path, "%s", in_folder(name));
    *strrchr(path, '/') = 0;
    CHECK_OK(pyr_make_folders(path));
    CHECK_OK(pyr_image_new(&image, SIDE, SIDE, channels, 8, name));
    memset(image.at, value, pyr_image_bytes(&image));
    memset((char *)image.at + pyr_image_bytes(&image) - channels, 255, (size_t)channels);
    CHECK_OK(pyr_png_write(in_folder(name), &image, text, texts));
    pyr_image_free(&image);
}

static void write_plain(const char *name, uint8_t value)
{
    write_texts(name, value, 1, NULL, 0);
}

/* As `sample` writes it; label NULL: no class. */
static void write_sample(const char *to, int seed, const char *weights, const char *sampler,
                         const char *label)
{
    char name[64], number[16];
    const pyr_png_text text[] = {{"seed", number},
                                 {"sampler", sampler},
                                 {"weights", weights},
                                 {"Software", "pyrdiff"},
                                 {"class", label}};

    snprintf(name, sizeof name, "%s/%06d.png", to, seed);
    snprintf(number, sizeof number, "%d", seed);
    write_texts(name, (uint8_t)seed, 1, text, label ? 5 : 4);
}

/* ---- names ---- */

static void names(void)
{
    static const char *const sheets[] = {
        "grid.png",    "levels.png",   "inpaint.png",     "colorize.png",
        "upscale.png", "vary.png",     "interpolate.png", "trajectory-000003.png",
        "invert.png",  "degraded.png", "level-0.png",     "snapshot-1600.png",
        "GRID.PNG",    "encode.png"};
    static const char *const samples[] = {
        "000000.png", "7.png",       "cat.png",        "grids.png",
        "level.png",  "level-.png",  "level-cat.png",  "trajectory-last.png",
        "a-grid.png", "00.grid.png", "decoded-003.png"};

    for (size_t i = 0; i < sizeof sheets / sizeof *sheets; i++)
        if (!pyr_is_sheet_name(sheets[i]))
            CHECK_REPORT("%s is a sheet", sheets[i]);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (pyr_is_sheet_name(samples[i]))
            CHECK_REPORT("%s is a sample", samples[i]);
}

static void texts_of_a_head(void)
{
    const pyr_png_text text[] = {{"seed", "12"}, {"weights", "0123456789abcdef"}};
    char *bytes, value[8];
    size_t n;

    write_texts("head/a.png", 1, 3, text, 2);
    CHECK_OK(pyr_file_read(&bytes, &n, in_folder("head/a.png"), 1 << 20));
    CHECK(pyr_png_head_text(value, sizeof value, bytes, n, "seed"));
    CHECK_STRING(value, "12");
    CHECK(pyr_png_head_text(value, sizeof value, bytes, n, "weights"));
    CHECK_STRING(value, "0123456"); /* as far as there is room */
    CHECK(!pyr_png_head_text(value, sizeof value, bytes, n, "see") &&
          !pyr_png_head_text(value, 8, bytes, n, "seeds"));
    for (size_t i = 0; i < 60; i++) /* cut anywhere */
        CHECK(!pyr_png_head_text(value, sizeof value, bytes, i, "weights"));
    bytes[1] = 'Q';
    CHECK(!pyr_png_head_text(value, sizeof value, bytes, n, "seed"));
    pyr_free(bytes);
}

/* ---- what is a sample ---- */

static void first_pixels(const pyr_image_set *set, const char *wanted)
{
    char got[64] = "";

    for (int64_t i = 0; i < set->n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%d ",
                 set->pixels[i * set->h * set->w * set->c]);
    CHECK_STRING(got, wanted);
}

static void folders(void)
{
    const pyr_png_text seeds[] = {{"seeds", "0-3"}}, pairs[] = {{"Description", "pairs: a sample and ..."}};
    pyr_image_set set, few;

    write_plain("subdirs/000000/000000.png", 10);
    write_plain("subdirs/000000/000001.png", 11);
    write_plain("subdirs/001000/001000.png", 12);
    write_plain("subdirs/001000/._001000.png", 99);
    write_plain("subdirs/.ipynb_checkpoints/000000.png", 99);
    write_plain("subdirs/__MACOSX/000000.png", 99);
    write_plain("subdirs/000000/grid.png", 99);
    write_texts("subdirs/000000/mine.png", 99, 1, seeds, 1);
    write_texts("subdirs/nearest.png", 99, 1, pairs, 1);
    CHECK_OK(pyr_image_set_read(&set, in_folder("subdirs"), 1, 0));
    first_pixels(&set, "10 11 12 ");
    CHECK(set.aside == 3 && set.grey && set.file_c == 1 && !set.warnings.n);
    CHECK_STRING(set.first_aside, "grid.png");
    CHECK_OK(pyr_image_set_read(&few, in_folder("subdirs"), 1, 2));
    first_pixels(&few, "10 11 ");
    pyr_image_set_free(&few);
    pyr_image_set_free(&set);
    write_plain("subdirs/7.png", 13); /* beside the folders: both are judged, and it is said */
    CHECK_OK(pyr_image_set_read(&set, in_folder("subdirs"), 1, 0));
    first_pixels(&set, "10 11 12 13 ");
    CHECK(set.warnings.n && strstr(set.warnings.at[0], "1 images lie in it and 3 in folders in it"));
    pyr_image_set_free(&set);
    write_plain("sheets/grid.png", 1);
    CHECK_FAILS(pyr_image_set_read(&set, in_folder("sheets"), 1, 0), PYR_E_IO,
                "holds no samples, only sheets");
    write_plain("bad/0.png", 1);
    CHECK_OK(pyr_file_replace(in_folder("bad/1.png"), "no picture", 10));
    CHECK_FAILS(pyr_image_set_read(&set, in_folder("bad"), 1, 0), PYR_E_FORMAT, "bad/1.png");
    CHECK(!set.pixels && !set.name);
}

/* The same files in an archive, and in an NPZ, are the same set. */
static void archives(void)
{
    char *bytes[3];
    const char *from[] = {"zipped/000000.png", "zipped/000001.png", "zipped/grid.png"};
    const char *to[] = {"out/000000.png", "out/000001.png", "out/grid.png"};
    pyr_zip_part parts[5];
    pyr_image_set plain, set;

    for (int i = 0; i < 3; i++) {
        write_plain(from[i], (uint8_t)(20 + i));
        CHECK_OK(pyr_file_read(&bytes[i], &parts[i].n, in_folder(from[i]), 1 << 20));
        parts[i].name = to[i];
        parts[i].bytes = bytes[i];
    }
    parts[3] = (pyr_zip_part){"__MACOSX/out/._000000.png", "resource", 8};
    parts[4] = (pyr_zip_part){"out/readme.txt", "text", 4};
    CHECK_OK(pyr_zip_write(in_folder("samples.zip"), parts, 5));
    CHECK_OK(pyr_image_set_read(&plain, in_folder("zipped"), 1, 0));
    CHECK_OK(pyr_image_set_read(&set, in_folder("samples.zip"), 1, 0));
    first_pixels(&set, "20 21 ");
    CHECK(set.hash == plain.hash && set.aside == 1);
    pyr_image_set_free(&set);
    CHECK_OK(write_npz(in_folder("samples.npz"), plain.pixels, plain.n, SIDE, SIDE, 1, NULL));
    CHECK_OK(pyr_image_set_read(&set, in_folder("samples.npz"), 1, 0));
    CHECK(set.hash == plain.hash && set.file_c == 1);
    pyr_image_set_free(&set);
    pyr_image_set_free(&plain);
    for (int i = 0; i < 3; i++)
        pyr_free(bytes[i]);
}

/* What the data reader knows, whatever its split. */
static void data_sets(void)
{
    pyr_image_set set;

    CHECK_OK(pyr_image_set_read(&set, "tests/golden/shapes/t10k-images-idx3-ubyte.gz", 1, 5));
    CHECK(set.n == 5 && set.h == 12 && set.w == 10);
    pyr_image_set_free(&set);
    CHECK_OK(pyr_image_set_read(&set, "tests/golden/shapes", 1, 0));
    CHECK(set.n == 576);
    pyr_image_set_free(&set);
}

/* ---- mixtures ---- */

/* The warnings on a folder: `wanted` is in the first, or there is none. */
static void says(const char *name, const char *wanted)
{
    pyr_image_set set;

    CHECK_OK(pyr_image_set_read(&set, in_folder(name), 1, 0));
    if (wanted ? !set.warnings.n || !strstr(set.warnings.at[0], wanted) : set.warnings.n)
        CHECK_REPORT("%s: %s, should say %s", name, set.warnings.n ? set.warnings.at[0] : "nothing",
                     wanted ? wanted : "nothing");
    pyr_image_set_free(&set);
}

static void mixtures(void)
{
    for (int i = 0; i < 8; i++) {
        char seed[8];

        snprintf(seed, sizeof seed, "%d", i % 4);
        write_sample("one", i, "aaaa", "heun 18", NULL);
        write_sample("networks", i, i < 2 ? "bbbb" : "aaaa", "heun 18", NULL);
        write_sample("samplers", i, "aaaa", i < 3 ? "euler 5" : "heun 18", NULL);
        write_sample("ranges", i, "aaaa", "heun 18", i < 2 ? "cat" : "dog");
        write_sample("all-classes", i, "aaaa", "heun 18", seed);
        write_sample("some-class", i, "aaaa", "heun 18", i % 2 ? "cat" : NULL);
        write_sample("one-class", i, "aaaa", "heun 18", "cat");
        write_sample("others", i, "aaaa", "heun 18", NULL);
    }
    write_plain("others/cat.png", 1);
    for (int i = 0; i < 4; i++) { /* two commands with the same seeds, in folders of their own */
        write_sample("same-seeds/cat", i, "aaaa", "heun 18", "cat");
        write_sample("same-seeds/dog", i, "aaaa", "heun 18", "dog");
    }
    write_sample("halves", 0, "aaaa", "heun 18", "0");
    write_sample("halves", 1, "aaaa", "heun 18", "0");
    write_sample("halves", 2, "aaaa", "heun 18", "1");
    write_sample("halves", 3, "aaaa", "heun 18", "1");
    says("one", NULL);
    says("one-class", NULL);
    says("all-classes", NULL);
    says("networks", "2 different networks, by the hash of their weights, are mixed (6 of aaaa, 2 of bbbb)");
    says("samplers", "2 different samplers are mixed (5 of heun 18, 3 of euler 5)");
    says("ranges", "2 different classes are mixed (6 of dog, 2 of cat)");
    says("halves", "2 different classes are mixed (2 of 0, 2 of 1)");
    says("same-seeds", "2 different classes are mixed (4 of cat, 4 of dog)");
    says("some-class", "2 different classes are mixed (4 without a class, 4 of cat)");
    says("others",
         "different networks, by the hash of their weights, are mixed (8 of aaaa, 1 without such a text)");
}

/* A task's images in a folder of samples. */
static void commands(void)
{
    const pyr_png_text text[] = {
        {"Title", "vary"}, {"sampler", "heun 18"}, {"weights", "aaaa"}, {"seed", "9"}};

    for (int i = 0; i < 3; i++)
        write_sample("tasks", i, "aaaa", "heun 18", NULL);
    write_texts("tasks/000009.png", 1, 1, text, 4);
    says("tasks", "2 different commands are mixed (3 of sample, 1 of vary)");
}

/* A level without a condition draws its residual alone: no image. */
static void residuals(void)
{
    pyr_png_text text[] = {
        {"weights", "aaaa"}, {"seed", "9"}, {"level", "0 of 3 (0 is the finest), its residual alone"}};
    pyr_image_set set;

    write_texts("alone/000009.png", 1, 1, text, 3);
    CHECK_FAILS(pyr_image_set_read(&set, in_folder("alone"), 1, 0), PYR_E_IO, "holds no samples");
    text[2].value = "0 of 3 (0 is the finest)";
    write_texts("alone/000008.png", 1, 1, text, 3);
    CHECK_OK(pyr_image_set_read(&set, in_folder("alone"), 1, 0));
    CHECK(set.n == 1 && set.aside == 1);
    pyr_image_set_free(&set);
}

/* Whichever allocation fails, it is told, and nothing is left. */
static void without_memory(void)
{
    static const char *const paths[] = {"networks", "samples.zip", "ranges"};

    for (int p = 0; p < 3; p++) {
        size_t live = pyr_mem().live_blocks;
        pyr_status status = PYR_E_NOMEM;
        pyr_image_set set;
        int n;

        for (n = 0; n < 1000 && status != PYR_OK; n++) {
            pyr_mem_fail_after(n);
            status = pyr_image_set_read(&set, in_folder(paths[p]), 1, 0);
            pyr_mem_fail_after(-1);
            if (status == PYR_OK)
                pyr_image_set_free(&set);
            else
                CHECK_STATUS(status, PYR_E_NOMEM);
            CHECK(pyr_mem().live_blocks == live);
        }
        CHECK(n > 5 && status == PYR_OK);
    }
}

int main(int argc, char **argv)
{
    char command[96];

    CHECK_INIT(argc, argv);
    snprintf(folder, sizeof folder, "/tmp/pyrdiff-samples-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    RUN(names);
    RUN(texts_of_a_head);
    RUN(folders);
    RUN(archives);
    RUN(data_sets);
    RUN(mixtures);
    RUN(commands);
    RUN(residuals);
    RUN(without_memory);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        return 1;
    return CHECK_DONE();
}
