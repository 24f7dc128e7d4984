/* test_dataset.c - what is decided about found images: the range of values, labels of the training part, and
 * sets that take more memory than they may. */
#include "arrays/npz_arrays.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "images/data_format.h"
#include "images/dataset.h"
#include "pictures/image_file.h"
#include "pictures/pixels.h"
#include "pictures/png_file.h"
#include "pictures/range.h"
#include "tests/check.h"
#include "tests/samples_of.h"
#include "tests/temp_files.h"
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A grey PNG of h x w whose samples go from low to high and back. */
static void write_png(const char *path, int h, int w, int bits, int low, int high)
{
    pyr_image image;
    char folder[300];

    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    CHECK_OK(pyr_make_folders(folder));
    CHECK_OK(pyr_image_new(&image, h, w, 1, bits, path));
    for (int i = 0; i < h * w; i++) {
        int v = low + i % (high - low + 1);

        if (bits == 8)
            ((uint8_t *)image.at)[i] = (uint8_t)v;
        else
            ((uint16_t *)image.at)[i] = (uint16_t)v;
    }
    CHECK_OK(pyr_png_write(path, &image, NULL, 0));
    pyr_image_free(&image);
}

static bool warns(const pyr_dataset *set, const char *part)
{
    for (size_t i = 0; i < pyr_dataset_facts_of(set).warnings->n; i++)
        if (strstr(pyr_dataset_facts_of(set).warnings->at[i], part))
            return true;
    return false;
}

/* ---- range ---- */

/* Values that fill an eighth of their type are its own; less is a mask, counts, or an instrument's bits. */
static void guesses(void)
{
    static const struct {
        uint32_t least, most;
        int bits;
        double low, high; /* both 0: no guess */
    } cases[] = {
        {0, 1, 8, 0, 1},        {0, 16, 8, 0, 16},
        {0, 31, 8, 0, 31},      {0, 32, 8, 0, 0},
        {0, 255, 8, 0, 0},      {100, 110, 8, 100, 110},
        {0, 1, 16, 0, 1},       {0, 255, 16, 0, 255},
        {1, 4095, 16, 0, 4095}, {0, 4000, 16, 0, 4095},
        {0, 1000, 16, 0, 1023}, {0, 65535, 16, 0, 0},
        {0, 8192, 16, 0, 0},    {30000, 30100, 16, 30000, 30100},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double range[2] = {0, 0};
        bool guessed = pyr_range_guess(range, cases[i].least, cases[i].most, cases[i].bits);

        CHECK(guessed == (cases[i].high > 0));
        CHECK_CLOSE(range[0], guessed ? cases[i].low : 0, 0);
        CHECK_CLOSE(range[1], guessed ? cases[i].high : 0, 0);
    }
}

/* The formula of range.h, in double, on every value; alpha stays. */
static void spreads(void)
{
    uint16_t words[4] = {0, 1, 2000, 4095};
    uint8_t bytes[6] = {0, 3, 16, 7, 20, 255}; /* grey + alpha */
    pyr_image deep = {words, 2, 2, 1, 16, false}, pair = {bytes, 1, 3, 2, 8, false};
    uint32_t least, most;

    pyr_image_extremes(&pair, &least, &most);
    CHECK(least == 0 && most == 20);
    CHECK_OK(pyr_image_spread(&deep, 0, 4095, "deep"));
    CHECK(words[0] == 0 && words[1] == 16 && words[2] == 32007 && words[3] == 65535);
    CHECK_OK(pyr_image_spread(&pair, 0, 16, "pair"));
    CHECK(bytes[0] == 0 && bytes[1] == 3 && bytes[2] == 255 && bytes[3] == 7 && bytes[4] == 255 &&
          bytes[5] == 255);
    CHECK_FAILS(pyr_image_spread(&pair, 0, 4095, "pair"), PYR_E_FORMAT, "pair: the image has 8 bits");
}

static void range_of_a_set(void)
{
    pyr_data_settings s = at_path(in_temp("twelve"));
    pyr_dataset *set;
    float x[8 * 512];

    for (int i = 0; i < 4; i++)
        write_png(in_temp(i == 0   ? "twelve/a.png"
                          : i == 1 ? "twelve/b.png"
                          : i == 2 ? "twelve/c.png"
                                   : "twelve/d.png"),
                  8, 512, 16, 0, 4095);
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(warns(set, "data.range=[0,4095]"));
    CHECK_CLOSE(pyr_dataset_facts_of(set).values.most, 4095, 0);
    CHECK_CLOSE(pyr_dataset_facts_of(set).values.high, 65535, 0);
    pyr_dataset_free(set);

    s.range[1] = 4095;
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(pyr_dataset_facts_of(set).warnings->n == 0);
    CHECK(pyr_dataset_shape_of(set).bits == 16);
    CHECK_OK(pyr_dataset_pixels(set, PYR_SPLIT_TRAIN, 0, false, x));
    for (int v = 0; v < 4096; v++)
        CHECK_CLOSE(x[v], 2.0 * v / 4095 - 1, 2.0 / 65535);
    pyr_dataset_free(set);

    s.range[1] = 2000; /* what is beyond is cut, and said */
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(warns(set, "there are values from 0 to 4095"));
    CHECK_OK(pyr_dataset_pixels(set, PYR_SPLIT_TRAIN, 0, false, x));
    CHECK_CLOSE(x[3000], 1, 1e-4);
    pyr_dataset_free(set);
}

/* Resizing comes after the range: 0 and 1 would leave only 0 and 1 in between. */
static void range_before_size(void)
{
    pyr_data_settings s = at_path(in_temp("mask"));
    pyr_dataset *set;
    float x[16];

    write_png(in_temp("mask/a.png"), 8, 8, 8, 0, 1);
    write_png(in_temp("mask/b.png"), 8, 8, 8, 0, 1);
    s.range[1] = 1;
    s.resize_h = s.resize_w = 4;
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK_OK(pyr_dataset_pixels(set, PYR_SPLIT_TRAIN, 0, false, x));
    for (int i = 0; i < 16; i++)
        CHECK_CLOSE(x[i], 0, 1.0 / 128); /* the mean of two columns: grey */
    pyr_dataset_free(set);
}

static void same_everywhere(void)
{
    pyr_data_settings s = at_path(in_temp("constant"));
    pyr_dataset *set;

    write_png(in_temp("constant/a.png"), 4, 4, 8, 7, 7);
    write_png(in_temp("constant/b.png"), 4, 4, 8, 7, 7);
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(warns(set, "every value of every image is 7"));
    pyr_dataset_free(set);
}

/* ---- labels ---- */

/* n images of 2x2 in a NPZ with these labels. */
static void write_npz(const char *path, const int64_t *labels, int n)
{
    uint8_t images[64 * 4];
    int64_t first = n;
    pyr_array arrays[2] = {
        {.name = "arr_0", .type = PYR_NPY_U1, .rank = 3, .shape = {first, 2, 2, 1}, .data = images},
        {.name = "arr_1", .type = PYR_NPY_I8, .rank = 1, .shape = {first, 1, 1, 1}, .data = labels}};

    for (int i = 0; i < n * 4; i++)
        images[i] = (uint8_t)(i * 37);
    CHECK_OK(pyr_arrays_write(path, arrays, 2));
}

static void classes_without_images(void)
{
    static const int64_t from_1[6] = {1, 2, 3, 1, 2, 3}, gaps[6] = {0, 2, 2, 5, 0, 5},
                         whole[6] = {0, 1, 2, 0, 1, 2};
    pyr_data_settings s = at_path(in_temp("labels.npz"));
    pyr_dataset *set;

    s.held_out = 0;
    write_npz(s.path, from_1, 6);
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(pyr_dataset_classes(set) == 4);
    CHECK(warns(set, "labels begin at 1: class 0 of 0..3 has no images to train on"));
    pyr_dataset_free(set);
    write_npz(s.path, gaps, 6);
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(warns(set, "3 of 6 classes have no images to train on and cannot be drawn: 1, 3, 4"));
    pyr_dataset_free(set);
    write_npz(s.path, whole, 6);
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(pyr_dataset_classes(set) == 3 && pyr_dataset_facts_of(set).warnings->n == 0);
    pyr_dataset_free(set);
    s.classes = "none";
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(pyr_dataset_classes(set) == 0 && !pyr_dataset_labels(set, PYR_SPLIT_TRAIN));
    pyr_dataset_free(set);
    s.classes = "some";
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_CONFIG, "should be auto, none or folders");
}

/* ---- larger than memory ---- */

static void folder_of(const char *name, int n)
{
    char path[300];

    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s/%d/%02d.png", temp, name, i % 2, i);
        write_png(path, 12, 10, 8, i, i + 60);
    }
}

static void check_same(const pyr_dataset *a, const pyr_dataset *b)
{
    float one[120], other[120];

    CHECK(pyr_dataset_fingerprint(a) == pyr_dataset_fingerprint(b));
    CHECK(pyr_dataset_classes(a) == pyr_dataset_classes(b));
    for (int split = 0; split < 2; split++) {
        int64_t n = pyr_dataset_count(a, (pyr_split)split);

        CHECK(n == pyr_dataset_count(b, (pyr_split)split));
        for (int64_t i = 0; i < n; i++) {
            CHECK(memcmp(samples_of(a, (pyr_split)split, i), samples_of(b, (pyr_split)split, i), 120) == 0);
            CHECK_OK(pyr_dataset_pixels(a, (pyr_split)split, i, true, one));
            CHECK_OK(pyr_dataset_pixels(b, (pyr_split)split, i, true, other));
            CHECK(memcmp(one, other, sizeof one) == 0);
            CHECK(pyr_dataset_labels(a, (pyr_split)split)[i] == pyr_dataset_labels(b, (pyr_split)split)[i]);
        }
    }
}

static void check_same_words(const pyr_dataset *a, const pyr_dataset *b)
{
    pyr_text one = {0}, other = {0};

    pyr_dataset_describe(a, &one);
    pyr_dataset_describe(b, &other);
    CHECK_STRING(one.at, other.at);
    pyr_text_free(&one);
    pyr_text_free(&other);
    CHECK_STRING(pyr_dataset_facts_of(a).how, pyr_dataset_facts_of(b).how);
    CHECK(pyr_dataset_facts_of(a).warnings->n == pyr_dataset_facts_of(b).warnings->n);
    for (int i = 0; i < pyr_dataset_classes(a); i++)
        CHECK_STRING(pyr_dataset_class_name(a, i), pyr_dataset_class_name(b, i));
}

static void in_a_file(void)
{
    pyr_data_settings s = at_path(in_temp("many"));
    pyr_dataset *memory, *made, *again, *whole;
    char file[300];
    struct stat first, second;

    folder_of("many", 30);
    CHECK_OK(pyr_dataset_open(&memory, &s));
    CHECK(!pyr_dataset_facts_of(memory).file);
    s.memory = 1000; /* of 3600 */
    CHECK_OK(pyr_dataset_open(&made, &s));
    CHECK(pyr_dataset_facts_of(made).file);
    snprintf(file, sizeof file, "%s", pyr_dataset_facts_of(made).file);
    CHECK(strncmp(file, temp, strlen(temp)) == 0);
    check_same(memory, made);
    check_same_words(memory, made);
    CHECK(stat(file, &first) == 0);
    CHECK_OK(pyr_dataset_open(&again, &s)); /* it is there: nothing is decoded, nothing written */
    CHECK(stat(file, &second) == 0 && second.st_ino == first.st_ino);
    check_same(memory, again);
    check_same_words(memory, again);
    pyr_dataset_free(again);
    s.memory = 1 << 20; /* it fits now: read from the file, into memory */
    CHECK_OK(pyr_dataset_open(&whole, &s));
    CHECK(!pyr_dataset_facts_of(whole).file);
    check_same(memory, whole);
    pyr_dataset_free(whole);

    /* An image changes: the file is made anew in its place; who has the old one open keeps it. */
    s.memory = 1000;
    write_png(in_temp("many/0/00.png"), 12, 10, 8, 200, 255);
    CHECK_OK(pyr_dataset_open(&again, &s));
    CHECK(pyr_dataset_fingerprint(again) != pyr_dataset_fingerprint(memory));
    CHECK_STRING(pyr_dataset_facts_of(again).file, file);
    check_same(memory, made);
    pyr_dataset_free(again);
    pyr_dataset_free(memory);
    pyr_dataset_free(made);
}

/* Cut short, or a bit of the facts turned: made anew, never believed. */
static void damaged_file(void)
{
    pyr_data_settings s = at_path(in_temp("rot"));
    pyr_dataset *set, *good;
    char file[300];
    struct stat info;

    folder_of("rot", 20);
    CHECK_OK(pyr_dataset_open(&good, &s));
    s.memory = 1000;
    for (int round = 0; round < 4; round++) {
        FILE *f;
        int c;

        CHECK_OK(pyr_dataset_open(&set, &s));
        check_same(good, set);
        snprintf(file, sizeof file, "%s", pyr_dataset_facts_of(set).file);
        pyr_dataset_free(set);
        CHECK(stat(file, &info) == 0);
        if (round == 0)
            CHECK(truncate(file, info.st_size - 1) == 0);
        else if (round == 1)
            CHECK(truncate(file, 0) == 0);
        else {
            f = fopen(file, "r+b");
            CHECK(f && fseek(f, round == 2 ? info.st_size - 300 : 16, SEEK_SET) == 0);
            c = fgetc(f);
            fseek(f, -1, SEEK_CUR);
            fputc(c ^ 4, f);
            fclose(f);
        }
    }
    CHECK_OK(pyr_dataset_open(&set, &s));
    check_same(good, set);
    pyr_dataset_free(set);
    pyr_dataset_free(good);
}

/* Packed images in portions, the training part first, from a file that is longer than what fits. */
static void packed_in_a_file(void)
{
    int64_t labels[64];
    pyr_data_settings s = at_path(in_temp("packed.npz"));
    pyr_dataset *memory, *file;

    for (int i = 0; i < 64; i++)
        labels[i] = i % 5;
    write_npz(s.path, labels, 64);
    CHECK_OK(pyr_dataset_open(&memory, &s));
    s.memory = 20;
    CHECK_OK(pyr_dataset_open(&file, &s));
    CHECK(pyr_dataset_facts_of(file).file &&
          pyr_dataset_fingerprint(file) == pyr_dataset_fingerprint(memory));
    for (int64_t i = 0; i < pyr_dataset_count(memory, PYR_SPLIT_TRAIN); i++)
        CHECK(memcmp(samples_of(memory, PYR_SPLIT_TRAIN, i), samples_of(file, PYR_SPLIT_TRAIN, i), 4) == 0);
    pyr_dataset_free(memory);
    pyr_dataset_free(file);
}

/* Four processes at once: one makes it, all read the same. */
static void made_once(void)
{
    pyr_data_settings s = at_path(in_temp("shared"));
    pid_t child[4];
    int status;

    folder_of("shared", 40);
    s.memory = 1000;
    for (int i = 0; i < 4; i++) {
        fflush(stdout);
        child[i] = fork();
        if (child[i] == 0) {
            pyr_dataset *set = NULL;
            bool good = pyr_dataset_open(&set, &s) == PYR_OK && pyr_dataset_facts_of(set).file;

            pyr_dataset_free(set);
            _exit(good ? 0 : 1);
        }
    }
    for (int i = 0; i < 4; i++)
        CHECK(waitpid(child[i], &status, 0) == child[i] && status == 0);
}

static void nowhere_to_write(void)
{
    pyr_data_settings s = at_path(in_temp("shared"));
    pyr_dataset *set;
    char was[200];

    snprintf(was, sizeof was, "%s", getenv("XDG_CACHE_HOME"));
    s.memory = 1000;
    s.resize_h = s.resize_w = 9;
    setenv("XDG_CACHE_HOME", "/proc/nothing", 1);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_IO, "set XDG_CACHE_HOME to a folder with space");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME"); /* no cache at all: then they are in memory, whatever it costs */
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(!pyr_dataset_facts_of(set).file);
    pyr_dataset_free(set);
    setenv("XDG_CACHE_HOME", was, 1);
}

/* Every allocation of an opening fails in turn: a status, nothing kept. */
static void without_memory(void)
{
    pyr_data_settings s = at_path(in_temp("rot"));
    size_t before = pyr_mem().live_blocks;
    pyr_status status = PYR_E_NOMEM;
    pyr_dataset *set;
    long n;

    s.memory = 1000;
    for (n = 0; status != PYR_OK && n < 20000; n += 1 + n / 16) {
        s.held_out = n % 7; /* another file each time, so that it is made */
        pyr_mem_fail_after(n);
        status = pyr_dataset_open(&set, &s);
        pyr_mem_fail_after(-1);
        CHECK(status == PYR_OK || status == PYR_E_NOMEM);
        if (status != PYR_OK)
            CHECK(pyr_mem().live_blocks == before);
    }
    CHECK_OK(status);
    pyr_dataset_free(set);
    CHECK(pyr_mem().live_blocks == before);
}

/* ---- limits ---- */

#if defined(__SANITIZE_ADDRESS__)
#define SHADOWED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHADOWED 1
#endif
#endif

static void limits(void)
{
#ifdef SHADOWED
    SKIP("the sanitizer's own memory is beyond the limit");
#else
    uint64_t all = pyr_memory_left();
    struct rlimit was, limit;

    CHECK(all > 0 && all < UINT64_C(1) << 60);
    CHECK(getrlimit(RLIMIT_DATA, &was) == 0);
    limit = was;
    limit.rlim_cur = UINT64_C(1) << 30;
    CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    CHECK(pyr_memory_left() <= UINT64_C(1) << 30);
    setrlimit(RLIMIT_DATA, &was);
#endif
}

/* ---- the tables of formats ---- */

/* A cell of the tables in docs/: one line. */
static bool is_cell(const char *text)
{
    return text && *text && !strpbrk(text, "|\n");
}

static void rows_of_formats(void)
{
    char formats[256] = "";

    for (const pyr_data_format *const *row = pyr_data_formats; *row; row++) {
        if (!is_cell((*row)->name) || !is_cell((*row)->files) || !is_cell((*row)->help))
            CHECK_REPORT("the row of %s is not described", (*row)->name ? (*row)->name : "a format");
        if (!(*row)->is_file || !(*row)->collect)
            CHECK_REPORT("the row of %s has no is_file or collect", (*row)->name);
        for (const pyr_data_format *const *other = pyr_data_formats; other < row; other++)
            CHECK(strcmp((*row)->name, (*other)->name) != 0);
    }
    for (const pyr_picture_row *row = pyr_picture_rows; row->name; row++) {
        char name[32], start[PYR_DATA_START] = {0};
        const pyr_magic *magic = row->format->magic;

        CHECK(is_cell(row->name) && is_cell(row->format->help) && is_cell(row->format->endings));
        CHECK(row->format->decode && magic->n && magic->offset + magic->n <= sizeof start);
        memcpy(start + magic->offset, magic->at, magic->n);
        CHECK(pyr_image_is(start, sizeof start) == row);
        snprintf(name, sizeof name, "a%.*s", (int)strcspn(row->format->endings, " "), row->format->endings);
        CHECK(pyr_image_named(name));
        snprintf(formats + strlen(formats), sizeof formats - strlen(formats), "%s%s", *formats ? ", " : "",
                 row->name);
    }
    CHECK_STRING(PYR_IMAGE_FORMATS, formats);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_make())
        return 1;
    setenv("XDG_CACHE_HOME", in_temp("cache"), 1);
    RUN(rows_of_formats);
    RUN(guesses);
    RUN(spreads);
    RUN(range_of_a_set);
    RUN(range_before_size);
    RUN(same_everywhere);
    RUN(classes_without_images);
    RUN(in_a_file);
    RUN(damaged_file);
    RUN(packed_in_a_file);
    RUN(made_once);
    RUN(nowhere_to_write);
    RUN(without_memory);
    RUN(limits);
    temp_remove();
    return CHECK_DONE();
}
