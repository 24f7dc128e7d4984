/* test_archives.c - zip archives and NPZ files, as arrays and as data sets. Run from the root of the project:
 * fixtures are read from tests/golden/archives (made by NumPy and Python's zipfile, make_archives.py there).
 */
#include "tests/check.h"

#include "base/file.h"
#include "base/mem.h"
#include "images/npz_arrays.h"
#include "images/npz_file.h"
#include "images/zip_file.h"
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/archives/"

static char temp[64];

/* temp/name, good until the next call but seven. */
static const char *in_temp(const char *name)
{
    static char ring[8][256];
    static int at;
    char *path = ring[at++ % 8];

    snprintf(path, sizeof ring[0], "%s/%s", temp, name);
    return path;
}

static char *read_all(const char *path, size_t *n)
{
    char *bytes = NULL;

    CHECK_OK(pyr_file_read(&bytes, n, path, 1 << 24));
    return bytes;
}

/* ---- arrays ---- */

/* Element i (C order) is i * factor + offset, as make_archives.py has it. */
static const struct row {
    const char *name;
    pyr_npy_type type;
    int rank;
    int64_t shape[PYR_NPY_RANK];
    double factor, offset;
} rows[] = {
    {"empty", PYR_NPY_F8, 2, {0, 3, 1, 1}, 0, 0},     {"f4", PYR_NPY_F4, 4, {2, 3, 2, 2}, 0.5, -3},
    {"i4", PYR_NPY_I4, 2, {4, 1, 1, 1}, 1e9, -2e9},   {"i8", PYR_NPY_I8, 1, {3, 1, 1, 1}, 4e9, -4e9},
    {"mu", PYR_NPY_F8, 1, {5, 1, 1, 1}, 0.25, -0.5},  {"scalar", PYR_NPY_F8, 0, {1, 1, 1, 1}, 0, 42.5},
    {"sigma", PYR_NPY_F8, 2, {3, 4, 1, 1}, 0.125, 0}, {"u1", PYR_NPY_U1, 2, {2, 3, 1, 1}, 50, 0},
    {"u2", PYR_NPY_U2, 1, {4, 1, 1, 1}, 20000, 0},    {"whole", PYR_NPY_F4, 1, {3, 1, 1, 1}, 1, 0},
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
        CHECK_OK(pyr_arrays_read_f64(arrays, array, real, n));
        CHECK_OK(pyr_arrays_read_f32(arrays, array, single, n));
        for (size_t i = 0; i < n; i++) {
            double wanted = (double)i * row->factor + row->offset;

            CHECK(real[i] == wanted && single[i] == (float)wanted);
        }
        CHECK_FAILS(pyr_arrays_read_f64(arrays, array, real, n + 1), PYR_E_SHAPE, row->name);
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
    CHECK_OK(pyr_arrays_read_i64(arrays, array, whole, 3));
    CHECK(whole[0] == INT64_C(-4000000000) && whole[2] == INT64_C(4000000000));
    CHECK_OK(pyr_arrays_get(&array, arrays, "u1"));
    CHECK_OK(pyr_arrays_read_u8(arrays, array, bytes, 6));
    CHECK(bytes[0] == 0 && bytes[5] == 250);
    CHECK_OK(pyr_arrays_get(&array, arrays, "whole"));
    CHECK_OK(pyr_arrays_read_i64(arrays, array, whole, 3));
    CHECK(whole[0] == 0 && whole[1] == 1 && whole[2] == 2);
    CHECK_OK(pyr_arrays_read_u8(arrays, array, bytes, 3));
    CHECK(bytes[2] == 2);
    CHECK_OK(pyr_arrays_get(&array, arrays, "mu"));
    CHECK_FAILS(pyr_arrays_read_i64(arrays, array, whole, 5), PYR_E_FORMAT,
                "array mu: element 0 is -0.5, should be a whole number");
    CHECK_OK(pyr_arrays_get(&array, arrays, "u2"));
    CHECK_FAILS(pyr_arrays_read_u8(arrays, array, bytes, 4), PYR_E_FORMAT,
                "array u2: element 1 is 20000, should be a whole number from 0 to 255");
    CHECK_OK(pyr_arrays_get(&array, arrays, "f4")); /* in Fortran's order: named by its place in C's */
    CHECK_FAILS(pyr_arrays_read_u8(arrays, array, bytes, 24), PYR_E_FORMAT, "element 0 is -3");
    pyr_arrays_free(arrays);
}

static void other_arrays(void)
{
    static const char *const why[][2] = {{"big_endian", "of type >f8"},
                                         {"text", "of type <U3"},
                                         {"five", "has 5 dimensions, at most 4"},
                                         {"pairs", "of type structured"}};
    pyr_arrays *arrays = NULL;
    const pyr_array *array;
    double real[MOST];

    CHECK_OK(pyr_arrays_open(&arrays, GOLDEN "arrays_stored.npz"));
    if (!arrays)
        return;
    CHECK(pyr_arrays_count(arrays) == ROWS + 4);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(pyr_arrays_get(&array, arrays, why[i][0]));
        CHECK(array && array->type == PYR_NPY_OTHER);
        CHECK_FAILS(pyr_arrays_read_f64(arrays, array, real, 1), PYR_E_UNSUPPORTED, why[i][1]);
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

/* The stored file with one text in it changed (its checksums then do not fit, but headers are judged before);
 * the sentence that opening gives. */
static void check_changed(const char *from, const char *to, pyr_status wanted, const char *part)
{
    size_t n;
    char *bytes = read_all(GOLDEN "arrays_stored.npz", &n), *at = found_in(bytes, n, from);
    pyr_arrays *arrays;

    CHECK(at && strlen(from) == strlen(to));
    memcpy(at, to, strlen(to));
    CHECK_FAILS(pyr_arrays_parse(&arrays, bytes, n, "changed.npz"), wanted, "changed.npz");
    CHECK_FAILS(pyr_arrays_parse(&arrays, bytes, n, "changed.npz"), wanted, part);
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
    CHECK_OK(pyr_arrays_parse(&arrays, bytes, n, "changed.npz"));
    CHECK_FAILS(pyr_arrays_read_f64(arrays, pyr_arrays_find(arrays, "mu"), real, 5), PYR_E_FORMAT,
                "changed.npz: mu.npy: the entry is damaged or cut short (CRC error)");
    pyr_arrays_free(arrays);
    /* Cut short anywhere. */
    for (size_t less = 1; less < n; less = less * 2 + 1) {
        CHECK_FAILS(pyr_arrays_parse(&arrays, bytes, n - less, "cut.npz"), PYR_E_FORMAT, "cut.npz");
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
    CHECK_OK(pyr_arrays_read_f64(arrays, array, real, 6));
    CHECK(real[0] == 1 && real[1] == -2.5 && real[5] == 1e300);
    CHECK_OK(pyr_arrays_get(&array, arrays, "bytes"));
    CHECK_OK(pyr_arrays_read_u8(arrays, array, bytes, 3));
    CHECK(bytes[0] == 0 && bytes[1] == 128 && bytes[2] == 255);
    CHECK_OK(pyr_arrays_get(&array, arrays, "whole"));
    CHECK_OK(pyr_arrays_read_i64(arrays, array, &whole, 1));
    CHECK(whole == INT64_MIN);
    CHECK_OK(pyr_arrays_get(&array, arrays, "scalar"));
    CHECK(array->rank == 0);
    CHECK_OK(pyr_arrays_read_f64(arrays, array, real, 1));
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
             "python3 -c 'import numpy as np; f = np.load(\"%s\"); "
             "assert f[\"sigma\"].tolist() == [[1, -2.5, 3], [4, 5, 1e300]]; "
             "assert f[\"single\"].dtype == np.float32 and f[\"single\"][0] == np.float32(0.1); "
             "assert f[\"bytes\"].shape == (1, 3, 1, 1) and f[\"bytes\"].ravel().tolist() == [0, 128, 255]; "
             "assert f[\"whole\"].tolist() == [-2**63] and f[\"scalar\"] == 7 and f[\"scalar\"].shape == (); "
             "assert f[\"empty\"].shape == (0,)'",
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
    CHECK_OK(pyr_npz_write(in_temp("images.npz"), images, 2, 3, 4, 3, labels));
    CHECK_OK(pyr_arrays_open(&arrays, in_temp("images.npz")));
    CHECK_OK(pyr_arrays_get(&array, arrays, "arr_0"));
    CHECK(array->rank == 4 && array->shape[0] == 2 && array->shape[2] == 4);
    CHECK_OK(pyr_arrays_read_u8(arrays, array, back, sizeof back));
    CHECK(memcmp(images, back, sizeof back) == 0);
    CHECK_OK(pyr_arrays_get(&array, arrays, "arr_1"));
    CHECK_OK(pyr_arrays_read_i64(arrays, array, whole, 2));
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
            CHECK_OK(pyr_arrays_read_f64(arrays, pyr_arrays_find(arrays, "sigma"), real, 12));
        pyr_mem_fail_after(-1);
        pyr_arrays_free(arrays);
    }
    CHECK_OK(status);
}

static void nothing_is_left(void)
{
    CHECK(pyr_mem().live_blocks == 0);
}

int main(int argc, char **argv)
{
    const char *where = getenv("TMPDIR");
    char command[128];

    CHECK_INIT(argc, argv);
    snprintf(temp, sizeof temp, "%.40s/pyr-archives-XXXXXX", where ? where : "/tmp");
    if (!mkdtemp(temp)) {
        printf("no temporary folder can be made: %s\n", temp);
        return 1;
    }
    RUN(numpy_arrays);
    RUN(whole_numbers);
    RUN(other_arrays);
    RUN(damaged_arrays);
    RUN(written_arrays);
    RUN(written_in_numpy);
    RUN(images_as_arrays);
    RUN(arrays_without_memory);
    RUN(nothing_is_left);
    snprintf(command, sizeof command, "rm -rf '%s'", temp);
    return CHECK_DONE() | (system(command) != 0);
}
