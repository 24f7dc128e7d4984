/* test_archives.c - zip archives and NPZ files, as arrays and as data sets. Run from the root of the project:
 * fixtures are read from tests/golden/archives (made by NumPy and Python's zipfile, make_archives.py
 * there). */
#include "tests/check.h"
#include "tests/samples_of.h"
#include "tests/temp_files.h"

#include "archives/zip_file.h"
#include "arrays/npz_arrays.h"
#include "arrays/npz_file.h"
#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "images/dataset.h"
#include "pictures/png_file.h"
#include "tests/write_npz.h"
#include <stdlib.h>
#include <unistd.h>
#include <zip.h>

#define GOLDEN "tests/golden/archives/"

/* ---- arrays ---- */

/* Element i (C order) is i * factor + offset, as make_archives.py has it. */
static const struct row {
    const char *name;
    pyr_npy_type type;
    int rank;
    int64_t shape[PYR_NPY_RANK];
    double factor, offset;
} rows[] = {
    {"big_endian", PYR_NPY_F8, 1, {3, 1, 1, 1}, 1, 0}, {"empty", PYR_NPY_F8, 2, {0, 3, 1, 1}, 0, 0},
    {"f4", PYR_NPY_F4, 4, {2, 3, 2, 2}, 0.5, -3},      {"i4", PYR_NPY_I4, 2, {4, 1, 1, 1}, 1e9, -2e9},
    {"i8", PYR_NPY_I8, 1, {3, 1, 1, 1}, 4e9, -4e9},    {"mu", PYR_NPY_F8, 1, {5, 1, 1, 1}, 0.25, -0.5},
    {"scalar", PYR_NPY_F8, 0, {1, 1, 1, 1}, 0, 42.5},  {"sigma", PYR_NPY_F8, 2, {3, 4, 1, 1}, 0.125, 0},
    {"u1", PYR_NPY_U1, 2, {2, 3, 1, 1}, 50, 0},        {"u2", PYR_NPY_U2, 1, {4, 1, 1, 1}, 20000, 0},
    {"whole", PYR_NPY_F4, 1, {3, 1, 1, 1}, 1, 0},
};
enum { ROWS = sizeof rows / sizeof *rows, MOST = 24 };

static void check_arrays(const char *path)
{
    pyr_arrays *arrays = NULL;

    CHECK_OK(pyr_arrays_open(&arrays, path));
    for (int r = 0; arrays && r < ROWS; r++) {
        const struct row *row = &rows[r];
        const pyr_array *array = pyr_arrays_find(arrays, row->name);
        double real[MOST] = {0};
        float single[MOST] = {0};
        size_t n;

        CHECK(array != NULL);
        if (!array)
            continue;
        CHECK(array->type == row->type && array->rank == row->rank);
        CHECK(memcmp(array->shape, row->shape, sizeof row->shape) == 0);
        n = pyr_array_count(array);
        CHECK(n <= MOST);
        CHECK_OK(pyr_arrays_read(arrays, array, real, n, PYR_NPY_F8));
        CHECK_OK(pyr_arrays_read(arrays, array, single, n, PYR_NPY_F4));
        for (size_t i = 0; i < n; i++) {
            double wanted = (double)i * row->factor + row->offset;

            CHECK(real[i] == wanted && single[i] == (float)wanted);
        }
        CHECK_FAILS(pyr_arrays_read(arrays, array, real, n + 1, PYR_NPY_F8), PYR_E_SHAPE, row->name);
    }
    pyr_arrays_free(arrays);
}

static void numpy_arrays(void)
{
    check_arrays(GOLDEN "arrays_stored.npz");
    check_arrays(GOLDEN "arrays_deflated.npz");
}

static void whole_numbers(void)
{
    pyr_arrays *arrays = NULL;
    const pyr_array *array;
    int64_t whole[MOST];
    uint8_t bytes[MOST];

    CHECK_OK(pyr_arrays_open(&arrays, GOLDEN "arrays_deflated.npz"));
    if (!arrays)
        return;
    CHECK_OK(pyr_arrays_get(&array, arrays, "i8"));
    CHECK_OK(pyr_arrays_read(arrays, array, whole, 3, PYR_NPY_I8));
    CHECK(whole[0] == INT64_C(-4000000000) && whole[2] == INT64_C(4000000000));
    CHECK_OK(pyr_arrays_get(&array, arrays, "u1"));
    CHECK_OK(pyr_arrays_read(arrays, array, bytes, 6, PYR_NPY_U1));
    CHECK(bytes[0] == 0 && bytes[5] == 250);
    CHECK_OK(pyr_arrays_get(&array, arrays, "whole"));
    CHECK_OK(pyr_arrays_read(arrays, array, whole, 3, PYR_NPY_I8));
    CHECK(whole[0] == 0 && whole[1] == 1 && whole[2] == 2);
    CHECK_OK(pyr_arrays_read(arrays, array, bytes, 3, PYR_NPY_U1));
    CHECK(bytes[2] == 2);
    CHECK_OK(pyr_arrays_get(&array, arrays, "mu"));
    CHECK_FAILS(pyr_arrays_read(arrays, array, whole, 5, PYR_NPY_I8), PYR_E_FORMAT,
                "array mu: element 0 is -0.5, should be a whole number");
    CHECK_OK(pyr_arrays_get(&array, arrays, "u2"));
    CHECK_FAILS(pyr_arrays_read(arrays, array, bytes, 4, PYR_NPY_U1), PYR_E_FORMAT,
                "array u2: element 1 is 20000, should be a whole number from 0 to 255");
    CHECK_OK(pyr_arrays_get(&array, arrays, "f4")); /* in Fortran's order: named by its place in C's */
    CHECK_FAILS(pyr_arrays_read(arrays, array, bytes, 24, PYR_NPY_U1), PYR_E_FORMAT, "element 0 is -3");
    pyr_arrays_free(arrays);
}

static void other_arrays(void)
{
    static const char *const why[][2] = {
        {"text", "of type <U3"}, {"five", "has 5 dimensions, at most 4"}, {"pairs", "of type structured"}};
    pyr_arrays *arrays = NULL;
    const pyr_array *array;
    double real[MOST];

    CHECK_OK(pyr_arrays_open(&arrays, GOLDEN "arrays_stored.npz"));
    if (!arrays)
        return;
    CHECK(pyr_arrays_count(arrays) == ROWS + 3);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pyr_arrays_get(&array, arrays, why[i][0]));
        CHECK(array && array->type == PYR_NPY_OTHER);
        CHECK_FAILS(pyr_arrays_read(arrays, array, real, 1, PYR_NPY_F8), PYR_E_UNSUPPORTED, why[i][1]);
    }
    CHECK(pyr_arrays_find(arrays, "nu") == NULL);
    CHECK_FAILS(pyr_arrays_get(&array, arrays, "nu"), PYR_E_FORMAT,
                "no array is named nu; there are: big_endian, empty, f4");
    pyr_arrays_free(arrays);
}

/* Where `part` stands in the file, or NULL. */
static char *found_in(char *bytes, size_t n, const char *part)
{
    for (size_t i = 0; i + strlen(part) <= n; i++)
        if (memcmp(bytes + i, part, strlen(part)) == 0)
            return bytes + i;
    return NULL;
}

static pyr_status open_bytes(pyr_arrays **out, const char *bytes, size_t n, const char *name)
{
    const char *path = in_temp(name);

    write_bytes(path, bytes, n);
    return pyr_arrays_open(out, path);
}

/* The stored file with one text in it changed (its checksums then do not fit, but headers are judged before);
 * the sentence that opening gives. */
static void check_changed(const char *from, const char *to, pyr_status wanted, const char *part)
{
    size_t n;
    char *bytes = read_all(GOLDEN "arrays_stored.npz", &n), *at = found_in(bytes, n, from);
    pyr_arrays *arrays;

    CHECK(at && strlen(from) == strlen(to));
    memcpy(at, to, strlen(to));
    CHECK_FAILS(open_bytes(&arrays, bytes, n, "changed.npz"), wanted, "changed.npz");
    CHECK_FAILS(open_bytes(&arrays, bytes, n, "changed.npz"), wanted, part);
    CHECK(!arrays);
    pyr_free(bytes);
}

static void damaged_arrays(void)
{
    size_t n;
    char *bytes, *at;
    pyr_arrays *arrays;
    double real[MOST];

    check_changed("\x93NUMPY", "\x93NUMPi", PYR_E_FORMAT, "not an array in NumPy's format");
    check_changed("'shape': (5,)", "'shape': (6,)", PYR_E_FORMAT, "do not fit the shape");
    check_changed("'shape': (2, 3)", "'shape': (2; 3)", PYR_E_FORMAT, "the header is damaged");
    check_changed("'shape': (2, 3)", "'shape' (2, 3) ", PYR_E_FORMAT, "the header is damaged");
    check_changed("'fortran_order'", "'fortran_odrer'", PYR_E_FORMAT, "the header is damaged");
    CHECK_FAILS(pyr_arrays_open(&arrays, GOLDEN "none.npz"), PYR_E_IO, "none.npz");
    CHECK_FAILS(pyr_arrays_open(&arrays, "tests/check.h"), PYR_E_FORMAT, "tests/check.h: the zip archive");
    /* A changed element shows in the checksum, when it is read. */
    bytes = read_all(GOLDEN "arrays_stored.npz", &n);
    at = found_in(bytes, n, "'shape': (5,)");
    if (at)
        at = memchr(at, '\n', 100);
    CHECK(at != NULL);
    if (at)
        at[1] ^= 1;
    CHECK_OK(open_bytes(&arrays, bytes, n, "changed.npz"));
    CHECK_FAILS(pyr_arrays_read(arrays, pyr_arrays_find(arrays, "mu"), real, 5, PYR_NPY_F8), PYR_E_FORMAT,
                "changed.npz: mu.npy: the entry is damaged or cut short (CRC error)");
    pyr_arrays_free(arrays);
    /* Cut short anywhere. */
    for (size_t less = 1; less < n; less = less * 2 + 1) {
        CHECK_FAILS(open_bytes(&arrays, bytes, n - less, "cut.npz"), PYR_E_FORMAT, "cut.npz");
        CHECK(!arrays);
    }
    pyr_free(bytes);
}

/* Written, read back, and the same bytes each time. */
static const char *write_arrays(const char *name)
{
    static const double sigma[6] = {1, -2.5, 3, 4, 5, 1e300};
    static const float single[2] = {0.1f, -0.0f};
    static const uint8_t bytes[3] = {0, 128, 255};
    static const int64_t whole[1] = {INT64_MIN};
    static const double scalar = 7;
    const pyr_array arrays[] = {
        {.name = "sigma", .type = PYR_NPY_F8, .rank = 2, .shape = {2, 3}, .data = sigma},
        {.name = "single", .type = PYR_NPY_F4, .rank = 1, .shape = {2}, .data = single},
        {.name = "bytes", .type = PYR_NPY_U1, .rank = 4, .shape = {1, 3, 1, 1}, .data = bytes},
        {.name = "whole", .type = PYR_NPY_I8, .rank = 1, .shape = {1}, .data = whole},
        {.name = "scalar", .type = PYR_NPY_F8, .data = &scalar},
        {.name = "empty", .type = PYR_NPY_F8, .rank = 1, .shape = {0}},
    };
    const char *path = in_temp(name);

    CHECK_OK(pyr_arrays_write(path, arrays, sizeof arrays / sizeof *arrays));
    return path;
}

static void written_arrays(void)
{
    pyr_arrays *arrays = NULL;
    const pyr_array *array;
    double real[6];
    uint8_t bytes[3];
    int64_t whole;
    size_t n, m;
    char *first, *second;

    CHECK_OK(pyr_arrays_open(&arrays, write_arrays("written.npz")));
    if (!arrays)
        return;
    CHECK(pyr_arrays_count(arrays) == 6);
    CHECK_OK(pyr_arrays_get(&array, arrays, "sigma"));
    CHECK(array->rank == 2 && array->shape[0] == 2 && array->shape[1] == 3 && array->type == PYR_NPY_F8);
    CHECK_OK(pyr_arrays_read(arrays, array, real, 6, PYR_NPY_F8));
    CHECK(real[0] == 1 && real[1] == -2.5 && real[5] == 1e300);
    CHECK_OK(pyr_arrays_get(&array, arrays, "bytes"));
    CHECK_OK(pyr_arrays_read(arrays, array, bytes, 3, PYR_NPY_U1));
    CHECK(bytes[0] == 0 && bytes[1] == 128 && bytes[2] == 255);
    CHECK_OK(pyr_arrays_get(&array, arrays, "whole"));
    CHECK_OK(pyr_arrays_read(arrays, array, &whole, 1, PYR_NPY_I8));
    CHECK(whole == INT64_MIN);
    CHECK_OK(pyr_arrays_get(&array, arrays, "scalar"));
    CHECK(array->rank == 0);
    CHECK_OK(pyr_arrays_read(arrays, array, real, 1, PYR_NPY_F8));
    CHECK(real[0] == 7);
    CHECK_OK(pyr_arrays_get(&array, arrays, "empty"));
    CHECK(array->rank == 1 && array->shape[0] == 0);
    pyr_arrays_free(arrays);

    first = read_all(in_temp("written.npz"), &n);
    second = read_all(write_arrays("again.npz"), &m);
    CHECK(n == m && memcmp(first, second, n) == 0);
    pyr_free(first);
    pyr_free(second);
    const pyr_array one = {.name = "one", .type = PYR_NPY_F8, .data = real};
    CHECK_FAILS(pyr_arrays_write("/nonexistent/a.npz", &one, 1), PYR_E_IO, "/nonexistent/a.npz");
}

static void written_in_numpy(void)
{
    char command[1024];

    if (system("python3 -c 'import numpy' >/dev/null 2>&1") != 0)
        SKIP("no python3 with NumPy");
    snprintf(command, sizeof command,
             "python3 -c 'import numpy as np; f = np.load(\"%s\"); assert f[\"sigma\"].tolist() == [[1, "
             "-2.5, 3], [4, 5, 1e300]]; assert f[\"single\"].dtype == np.float32 and f[\"single\"][0] == "
             "np.float32(0.1); assert f[\"bytes\"].shape == (1, 3, 1, 1) and f[\"bytes\"].ravel().tolist() "
             "== [0, 128, 255]; assert f[\"whole\"].tolist() == [-2**63] and f[\"scalar\"] == 7 and "
             "f[\"scalar\"].shape == (); assert f[\"empty\"].shape == (0,)'",
             write_arrays("numpy.npz"));
    CHECK(system(command) == 0);
}

/* Our own images come back. */
static void images_as_arrays(void)
{
    uint8_t images[2 * 3 * 4 * 3], back[sizeof images];
    const int32_t labels[2] = {5, -1};
    int64_t whole[2];
    pyr_arrays *arrays = NULL;
    const pyr_array *array;

    for (size_t i = 0; i < sizeof images; i++)
        images[i] = (uint8_t)(i * 7);
    CHECK_OK(write_npz(in_temp("images.npz"), images, 2, 3, 4, 3, labels));
    CHECK_OK(pyr_arrays_open(&arrays, in_temp("images.npz")));
    CHECK_OK(pyr_arrays_get(&array, arrays, "arr_0"));
    CHECK(array->rank == 4 && array->shape[0] == 2 && array->shape[2] == 4);
    CHECK_OK(pyr_arrays_read(arrays, array, back, sizeof back, PYR_NPY_U1));
    CHECK(memcmp(images, back, sizeof back) == 0);
    CHECK_OK(pyr_arrays_get(&array, arrays, "arr_1"));
    CHECK_OK(pyr_arrays_read(arrays, array, whole, 2, PYR_NPY_I8));
    CHECK(whole[0] == 5 && whole[1] == -1);
    pyr_arrays_free(arrays);
}

/* Every allocation that can fail does, once. */
static void arrays_without_memory(void)
{
    pyr_status status = PYR_E_NOMEM;
    double real[12];

    for (long i = 0; i < 1000 && status == PYR_E_NOMEM; i++) {
        pyr_arrays *arrays = NULL;

        pyr_mem_fail_after(i);
        status = pyr_arrays_open(&arrays, GOLDEN "arrays_stored.npz");
        CHECK(status == PYR_OK || (status == PYR_E_NOMEM && !arrays));
        if (status == PYR_OK)
            CHECK_OK(pyr_arrays_read(arrays, pyr_arrays_find(arrays, "sigma"), real, 12, PYR_NPY_F8));
        pyr_mem_fail_after(-1);
        pyr_arrays_free(arrays);
    }
    CHECK_OK(status);
}

/* ---- data sets: the images of make_archives.py ---- */

enum { IMAGES = 10, H = 8, W = 6, BYTES = H * W * 3 };

static void fill_image(uint8_t *dst, int n)
{
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int k = 0; k < 3; k++)
                *dst++ = (uint8_t)(n * 37 + y * 11 + x * 5 + k * 101 + n * y * x);
}

static int label_of(int n)
{
    return n * 7 % 3;
}

/* EDM's name of an image. */
static const char *edm_name(int n)
{
    static char name[64];

    snprintf(name, sizeof name, "%05d/img%08d.png", n / 4, n);
    return name;
}

static void write_image(const char *path, int n)
{
    uint8_t bytes[BYTES];
    pyr_image image = {bytes, H, W, 3, 8, false};
    char folder[256];

    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    fill_image(bytes, n);
    CHECK_OK(pyr_make_folders(folder));
    CHECK_OK(pyr_png_write(path, &image, NULL, 0));
}

/* All is for training, unless a test says otherwise: images then lie in the order of finding. */
static pyr_data_settings all_at_path(const char *path)
{
    pyr_data_settings s = at_path(path);

    s.split = "all";
    return s;
}

static void check_describes(const pyr_dataset *set, const char *part)
{
    pyr_text text = {0};

    pyr_dataset_describe(set, &text);
    for (size_t i = 0; i < pyr_dataset_facts_of(set).warnings->n; i++)
        pyr_text_add(&text, "; %s", pyr_dataset_facts_of(set).warnings->at[i]);
    if (!text.at || !strstr(text.at, part) || strchr(text.at, '\n'))
        CHECK_REPORT("the description lacks \"%s\": %s", part, text.at ? text.at : "");
    pyr_text_free(&text);
}

/* The ten images, in this order (NULL: by number), with their labels if `labelled`; returns the
 * fingerprint. */
static uint64_t check_set(const char *path, const int *order, bool labelled, const char *described)
{
    pyr_data_settings s = all_at_path(path);
    pyr_dataset *set;
    uint64_t fingerprint;
    const int32_t *labels;
    uint8_t wanted[BYTES];

    CHECK_OK(pyr_dataset_open(&set, &s));
    if (!set)
        return 0;
    check_describes(set, described);
    CHECK(pyr_dataset_count(set, PYR_SPLIT_TRAIN) == IMAGES &&
          pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 0);
    CHECK(pyr_dataset_shape_of(set).h == H && pyr_dataset_shape_of(set).w == W &&
          pyr_dataset_shape_of(set).c == 3 && pyr_dataset_shape_of(set).bits == 8);
    labels = pyr_dataset_labels(set, PYR_SPLIT_TRAIN);
    CHECK((labels != NULL) == labelled && pyr_dataset_classes(set) == (labelled ? 3 : 0));
    for (int i = 0; i < IMAGES && i < pyr_dataset_count(set, PYR_SPLIT_TRAIN); i++) {
        int n = order ? order[i] : i;

        fill_image(wanted, n);
        CHECK(memcmp(wanted, samples_of(set, PYR_SPLIT_TRAIN, i), BYTES) == 0);
        CHECK(!labels || labels[i] == label_of(n));
    }
    fingerprint = pyr_dataset_fingerprint(set);
    pyr_dataset_free(set);
    return fingerprint;
}

/* Another set of settings on an archive: what opening says. */
static void check_refused(const char *path, pyr_status wanted, const char *part)
{
    pyr_data_settings s = all_at_path(path);
    pyr_dataset *set;

    CHECK_FAILS(pyr_dataset_open(&set, &s), wanted, part);
    CHECK(strstr(pyr_error(), path));
    CHECK(!set);
}

static void edm_archives(void)
{
    const char *folder = in_temp("edm");
    char path[300], json[1024] = "{\"labels\": [";
    uint8_t images[IMAGES * BYTES];
    uint64_t fingerprint = check_set(GOLDEN "edm.zip", NULL, true, "edm.zip (zip of image files): 10 images");

    CHECK(fingerprint != 0);
    CHECK(check_set(GOLDEN "images.npz", NULL, true, "images.npz (NPZ): 10 images") == fingerprint);
    CHECK(check_set(GOLDEN "images_named.npz", NULL, true, "NPZ") == fingerprint);
    /* Unpacked. */
    for (int i = 0; i < IMAGES; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, edm_name(i));
        write_image(path, i);
        fill_image(images + i * BYTES, i);
        snprintf(json + strlen(json), sizeof json - strlen(json), "%s[\"%s\", %d]", i ? ", " : "",
                 edm_name(i), label_of(i));
    }
    strcat(json, "]}");
    snprintf(path, sizeof path, "%s/dataset.json", folder);
    CHECK_OK(pyr_file_replace(path, json, strlen(json)));
    CHECK(check_set(folder, NULL, true, "(image files): 10 images") == fingerprint);
    /* Without labels. */
    fingerprint = check_set(GOLDEN "edm_null.zip", NULL, false, "10 images");
    CHECK_OK(pyr_file_replace(path, "{\"labels\": null}", 16));
    CHECK(check_set(folder, NULL, false, "10 images") == fingerprint);
    CHECK_OK(write_npz(in_temp("plain.npz"), images, IMAGES, H, W, 3, NULL));
    CHECK(check_set(in_temp("plain.npz"), NULL, false, "10 images") == fingerprint);
    /* A dataset.json of another kind says nothing: folders are read, and these are numbered parts. */
    CHECK_OK(pyr_file_replace(path, "{\"licence\": 1}", 14));
    pyr_data_settings s = all_at_path(folder);
    pyr_dataset *set;
    CHECK_OK(pyr_dataset_open(&set, &s));
    if (set)
        check_describes(set, "1 file of other kinds left aside (such as dataset.json)");
    CHECK(set && pyr_dataset_classes(set) == 0);
    pyr_dataset_free(set);
    s.classes = "folders";
    CHECK_OK(pyr_dataset_open(&set, &s));
    if (set)
        check_describes(set, "3 classes (00000, 00001, 00002); 1 file of other kinds left aside");
    pyr_dataset_free(set);
}

static void class_archives(void)
{
    static const char *const names[] = {"ant", "bee", "cat"};
    static const int order[IMAGES] = {0, 3, 6, 9, 1, 4, 7, 2, 5, 8};
    const char *folder = in_temp("classes");
    char path[300];
    uint64_t fingerprint = check_set(GOLDEN "classes.zip", order, true, "3 classes (ant, bee, cat)");

    CHECK(fingerprint != 0);
    for (int i = 0; i < IMAGES; i++) {
        snprintf(path, sizeof path, "%s/%s/%02d.png", folder, names[label_of(i)], i);
        write_image(path, i);
    }
    CHECK(check_set(folder, order, true, "3 classes (ant, bee, cat)") == fingerprint);
}

/* A zip of the first `n` images under these names, and of a text under the name behind them, if there is
 * one. */
static const char *zip_of(const char *name, const char *const *names, int n, const char *text)
{
    pyr_zip_part parts[IMAGES + 1];
    char *bytes[IMAGES] = {NULL};
    const char *path = in_temp(name);

    for (int i = 0; i < n; i++) {
        write_image(in_temp("one.png"), i);
        bytes[i] = read_all(in_temp("one.png"), &parts[i].n);
        parts[i].name = names[i];
        parts[i].bytes = bytes[i];
    }
    if (text)
        parts[n] = (pyr_zip_part){names[n], text, strlen(text)};
    CHECK_OK(pyr_zip_write(path, parts, (size_t)n + (text != NULL)));
    for (int i = 0; i < n; i++)
        pyr_free(bytes[i]);
    return path;
}

static pyr_dataset *opened(const pyr_data_settings *s)
{
    pyr_dataset *set;

    CHECK_OK(pyr_dataset_open(&set, s));
    return set;
}

/* The image of number n, by its first byte. */
static int which(const pyr_dataset *set, pyr_split split, int64_t i)
{
    uint8_t first = *(const uint8_t *)samples_of(set, split, i), wanted[BYTES];

    for (int n = 0; n < IMAGES; n++) {
        fill_image(wanted, n);
        if (wanted[0] == first)
            return n;
    }
    return -1;
}

static void archives_of_folders(void)
{
    static const char *const split[] = {"all/test/b/1.png",  "all/train/a/1.png",    "all/train/b/1.png",
                                        "all/train/b/2.png", "all/train/b/.hid.png", "all/readme.txt"};
    static const char *const walked[] = {"a-b/1.png",        "a.png",    "a/1.png", "a/b/1.png",
                                         "__MACOSX/a/1.png", "../up.png"};
    pyr_data_settings s;
    pyr_dataset *set;

    /* One folder around all of it, and a test set in it. */
    s = all_at_path(zip_of("split.zip", split, 5, "read me"));
    s.split = "auto";
    set = opened(&s);
    if (set) {
        check_describes(set, "3 images to train on, 1 held out (its test set)");
        check_describes(set, "2 classes (a, b)");
        check_describes(set, "1 file of other kinds left aside (such as readme.txt)");
        CHECK(which(set, PYR_SPLIT_TRAIN, 0) == 1 && which(set, PYR_SPLIT_TRAIN, 2) == 3 &&
              which(set, PYR_SPLIT_HELD_OUT, 0) == 0);
    }
    pyr_dataset_free(set);
    /* In the order of a walk, what file managers leave and what points out of the archive left aside. */
    s = all_at_path(zip_of("walked.zip", walked, 6, NULL));
    set = opened(&s);
    if (set) {
        check_describes(set, "4 images to train on");
        check_describes(set, "classes are not used: 1 of 4 images are in no subfolder");
        CHECK(which(set, PYR_SPLIT_TRAIN, 0) == 2 && which(set, PYR_SPLIT_TRAIN, 1) == 3 &&
              which(set, PYR_SPLIT_TRAIN, 2) == 0 && which(set, PYR_SPLIT_TRAIN, 3) == 1);
    }
    pyr_dataset_free(set);
    CHECK(access("../up.png", F_OK) != 0);
}

static void labels_that_do_not_fit(void)
{
    static const char *const names[] = {"0/a.png", "0/b.png", "dataset.json"};
    static const char *const cases[][2] = {
        {"{\"labels\": [[\"0/a.png\", 1], [\"0/b.png\", 0], [\"0/c.png\", 2]]}",
         "dataset.json: a label for 0/c.png, which is not among the 2 images"},
        {"{\"labels\": [[\"0/b.png\", 0]]}", "dataset.json: no label for 0/a.png"},
        {"{\"labels\": [[\"0/a.png\", 1], [\"0/a.png\", 2]]}", "0/a.png has two labels, 1 and 2"},
        {"{\"labels\": [[\"0/a.png\", -1], [\"0/b.png\", 0]]}",
         "the label of 0/a.png is -1, should be a whole"},
        {"{\"labels\": [[\"0/a.png\", 1.5]]}", "is 1.5, should be a whole number"},
        {"{\"labels\": [[\"0/a.png\", 1e30]]}", "should be a whole number from 0 to"},
        {"{\"labels\": [[\"0/a.png\", [0.5, 1]]]}", "vectors are not read as classes"},
        {"{\"labels\": [[\"0/a.png\"]]}", "labels[0] should be a pair"},
        {"{\"labels\": [3]}", "labels[0] should be a pair"},
        {"{\"labels\": {\"0/a.png\": 3}}", "labels should be a list of pairs, or null"},
        {"{\"labels\": [[\"0/a.png\", 1]", "dataset.json: not valid JSON"},
    };

    static char long_text[8192]; /* three entries cannot have that much to say */

    memset(long_text, ' ', sizeof long_text - 1);
    check_refused(zip_of("labels.zip", names, 2, long_text), PYR_E_FORMAT,
                  "dataset.json: 8191 bytes, at most 4096 are expected");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(zip_of("labels.zip", names, 2, cases[i][0]), PYR_E_FORMAT, cases[i][1]);
}

static void damaged_archives(void)
{
    static const char *const texts[] = {"readme.txt"};
    size_t n;
    char *bytes = read_all(GOLDEN "edm.zip", &n), *at = found_in(bytes, n, "img00000002.png");
    const char *path = in_temp("damaged.zip");
    pyr_data_settings s = all_at_path(path);
    pyr_dataset *set;

    /* A byte of one picture. */
    CHECK(at != NULL);
    if (at)
        at[100] ^= 1;
    CHECK_OK(pyr_file_replace(path, bytes, n));
    check_refused(path, PYR_E_FORMAT,
                  "1 of 10 image files cannot be used (mend them, or leave them out with --skip-bad)");
    CHECK(strstr(pyr_error(),
                 "damaged.zip: 00000/img00000002.png: the entry is damaged or cut short (CRC error)"));
    s.skip_bad = true;
    set = opened(&s);
    CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 9 && pyr_dataset_facts_of(set).skipped->n == 1 &&
          pyr_dataset_classes(set) == 3);
    pyr_dataset_free(set);
    /* Cut short anywhere. */
    for (size_t less = 1; less < n; less = less * 2 + 1) {
        CHECK_OK(pyr_file_replace(path, bytes, n - less));
        check_refused(path, PYR_E_FORMAT,
                      less < n - 4 ? "the zip archive is damaged or cut short" : "damaged.zip");
    }
    pyr_free(bytes);
    /* A size that cannot be: the fourth byte of the unpacked size in the directory. */
    bytes = read_all(GOLDEN "classes.zip", &n);
    for (at = bytes + n - 22; at > bytes && memcmp(at, "PK\1\2", 4) != 0;)
        at--; /* the last entry is a picture */
    at[27] = 0x70;
    CHECK_OK(pyr_file_replace(path, bytes, n));
    check_refused(path, PYR_E_FORMAT, "that it promises");
    pyr_free(bytes);
    check_refused(GOLDEN "overlap.zip", PYR_E_FORMAT, "the entries need more bytes than the file has");
    check_refused(zip_of("texts.zip", texts, 0, "nothing"), PYR_E_FORMAT, "nothing to read in this archive");
}

static void wrong_arrays(void)
{
    static const double real[2] = {0, 0.5};
    static const uint8_t grey[2 * 4 * 4] = {1};
    static const int64_t far[2] = {0, 1000000};
    pyr_array arrays[2] = {{.name = "x", .type = PYR_NPY_U1, .rank = 3, .shape = {2, 4, 4}, .data = grey},
                           {.name = "y", .type = PYR_NPY_F8, .rank = 1, .shape = {2}, .data = real}};
    const char *path = in_temp("wrong.npz");

    check_refused(GOLDEN "wrong_count.npz", PYR_E_FORMAT,
                  "array arr_1 has 9 values, should be one label for each of 10 images");
    check_refused(GOLDEN "arrays_stored.npz", PYR_E_FORMAT, "no array here is images by its name");
    CHECK_OK(pyr_arrays_write(path, arrays, 2));
    check_refused(path, PYR_E_FORMAT, "array y: element 1 is 0.5, should be a whole number");
    arrays[1].type = PYR_NPY_I8;
    arrays[1].data = far;
    CHECK_OK(pyr_arrays_write(path, arrays, 2));
    check_refused(path, PYR_E_FORMAT, "label 1 is 1000000, should be 0..999999");
    arrays[0].shape[0] = 0;
    CHECK_OK(pyr_arrays_write(path, arrays, 1));
    check_refused(path, PYR_E_FORMAT, "at least one image");
}

static void grey_arrays(void)
{
    pyr_data_settings s = all_at_path(GOLDEN "grey.npz");
    pyr_dataset *set = opened(&s);
    uint8_t wanted[BYTES];

    if (!set)
        return;
    check_describes(set, "8x6 grey, 8 bits");
    for (int i = 0; i < IMAGES; i++) {
        const uint8_t *got = samples_of(set, PYR_SPLIT_TRAIN, i);

        fill_image(wanted, i);
        for (int p = 0; p < H * W; p++)
            CHECK(got[p] == wanted[3 * p]);
    }
    pyr_dataset_free(set);
}

/* Every allocation that can fail does, once. */
static void archives_without_memory(void)
{
    static const char *const paths[] = {GOLDEN "edm.zip", GOLDEN "classes.zip", GOLDEN "images.npz"};

    for (int p = 0; p < 3; p++) {
        pyr_data_settings s = all_at_path(paths[p]);
        pyr_status status = PYR_E_NOMEM;

        for (long i = 0; i < 2000 && status == PYR_E_NOMEM; i++) {
            pyr_dataset *set;

            pyr_mem_fail_after(i);
            status = pyr_dataset_open(&set, &s);
            pyr_mem_fail_after(-1);
            CHECK(status == PYR_OK || (status == PYR_E_NOMEM && !set));
            pyr_dataset_free(set);
        }
        CHECK_OK(status);
    }
}

static void nothing_is_left(void)
{
    CHECK(pyr_mem().live_blocks == 0);
}

/* ---- links in zips ---- */

/* One entry of a new zip; mode 0: no word of Unix. */
static void put(zip_t *zip, const char *name, const void *bytes, size_t n, zip_uint32_t mode)
{
    zip_source_t *source = zip_source_buffer(zip, bytes, n, 0);
    zip_int64_t at = source ? zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8) : -1;

    CHECK(at >= 0);
    if (mode)
        CHECK(zip_file_set_external_attributes(zip, (zip_uint64_t)at, 0, ZIP_OPSYS_UNIX, mode << 16) == 0);
}

/* The 10 images of classes.zip and these links; `lost` of them lead to no file of the archive. */
static void check_links(const char *const (*links)[2], size_t n, size_t lost, const char *why)
{
    const char *path = in_temp("links.zip");
    zip_t *zip;
    pyr_zip *from;
    char *bytes[10] = {0};
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *set;

    remove(path);
    zip = zip_open(path, ZIP_CREATE, NULL);
    CHECK_OK(pyr_zip_open(&from, GOLDEN "classes.zip"));
    CHECK(zip && from && pyr_zip_count(from) == 10);
    if (!zip || !from)
        return;
    for (size_t i = 0, size; i < 10; i++) {
        CHECK_OK(pyr_zip_read(&bytes[i], &size, from, i, 1 << 16));
        put(zip, pyr_zip_name(from, i), bytes[i], size, 0100644);
    }
    for (size_t i = 0; i < n; i++)
        put(zip, links[i][0], links[i][1], strlen(links[i][1]), 0120777);
    CHECK(zip_close(zip) == 0);
    for (size_t i = 0; i < 10; i++)
        pyr_free(bytes[i]);
    s.path = path;
    s.split = "all";
    if (lost)
        CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, why);
    s.skip_bad = true;
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && (size_t)pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 10 + n - lost &&
          pyr_dataset_facts_of(set).skipped->n == lost && pyr_dataset_classes(set) == 3);
    pyr_dataset_free(set);
    pyr_zip_free(from);
}

static void links_in_zips(void)
{
    pyr_zip *zip;
    char target[128], deep[128];

    CHECK_OK(pyr_zip_open(&zip, GOLDEN "classes.zip"));
    if (!zip)
        return;
    snprintf(target, sizeof target, "../%s", pyr_zip_name(zip, 0));
    snprintf(deep, sizeof deep, "./.././bee/../%s", pyr_zip_name(zip, 9));
    pyr_zip_free(zip);
    check_links((const char *const[][2]){{"bee/x.png", target}, {"bee/y.png", "x.png"}, {"bee/z.png", deep}},
                3, 0, "");
    check_links((const char *const[][2]){{"bee/x.png", "none.png"}}, 1, 1,
                "links.zip: bee/x.png: a link to what is no file of the archive: bee/none.png");
    check_links((const char *const[][2]){{"bee/x.png", "../../out.png"}, {"bee/y.png", "/etc/passwd"}}, 2, 2,
                "2 of 12 image files cannot be used (mend them, or leave them out with --skip-bad): ");
    check_links((const char *const[][2]){{"bee/x.png", "y.png"}, {"bee/y.png", "x.png"}}, 2, 2,
                "a link to what");
}

/* The golden zip with a byte of its second entry in the directory changed, `at` bytes behind "PK\1\2". */
static void check_patched(size_t at, char byte, pyr_status wanted, const char *why)
{
    size_t n, met = 0;
    char *bytes = read_all(GOLDEN "classes.zip", &n);
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *set;

    for (size_t i = 0; bytes && i + at < n; i++)
        if (memcmp(bytes + i, "PK\1\2", 4) == 0 && bytes[i + 46 + bytes[i + 28] - 1] == 'g' && ++met == 2)
            bytes[i + at] = byte;
    CHECK(met == 10);
    CHECK_OK(pyr_file_replace(in_temp("patched.zip"), bytes, n));
    pyr_free(bytes);
    s.path = in_temp("patched.zip");
    CHECK_FAILS(pyr_dataset_open(&set, &s), wanted, why);
}

/* What cannot be unpacked is no missing picture. */
static void refused_entries(void)
{
    check_patched(8, 1, PYR_E_UNSUPPORTED, " is encrypted; make the archive without a password");
    check_patched(10, 12, PYR_E_UNSUPPORTED,
                  " is compressed by method 12, should be stored (0) or deflated (8)");
    check_patched(16, 0x55, PYR_E_FORMAT, "1 of 10 image files cannot be used"); /* its checksum */
    check_patched(1, 'x', PYR_E_FORMAT, "the zip archive is damaged or cut short");
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_make())
        return 1;
    RUN(numpy_arrays);
    RUN(whole_numbers);
    RUN(other_arrays);
    RUN(damaged_arrays);
    RUN(written_arrays);
    RUN(written_in_numpy);
    RUN(images_as_arrays);
    RUN(refused_entries);
    RUN(links_in_zips);
    RUN(arrays_without_memory);
    RUN(edm_archives);
    RUN(class_archives);
    RUN(archives_of_folders);
    RUN(labels_that_do_not_fit);
    RUN(damaged_archives);
    RUN(wrong_arrays);
    RUN(grey_arrays);
    RUN(archives_without_memory);
    RUN(nothing_is_left);
    temp_remove();
    return CHECK_DONE();
}
