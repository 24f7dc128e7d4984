/* test_arrays.c - data sets of arrays and of packed files in the layouts in which they are downloaded. Run
 * from the root of the project: fixtures are read from tests/golden/arrays, and expected.txt there says what
 * NumPy finds in them (make_arrays.py). */
#include "tests/check.h"
#include "tests/samples_of.h"
#include "tests/temp_files.h"

#include "arrays/array_names.h"
#include "arrays/npz_arrays.h"
#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "images/data_format.h"
#include "images/dataset.h"
#include "images/packed_parts.h"
#include <inttypes.h>
#include <stdlib.h>

#define GOLDEN "tests/golden/arrays/"

static pyr_dataset *opened(const pyr_data_settings *s)
{
    pyr_dataset *set = NULL;

    CHECK_OK(pyr_dataset_open(&set, s));
    return set;
}

/* ---- what NumPy finds ---- */

static uint64_t hash_of(const pyr_dataset *set, pyr_split split)
{
    uint64_t hash = PYR_HASH_START;

    for (int64_t i = 0; i < pyr_dataset_count(set, split); i++)
        hash = pyr_hash(hash, samples_of(set, split, i), pyr_dataset_sample_bytes(set));
    return hash;
}

typedef struct row {
    char path[128], split[16], range[64], labels[32];
    long long train, held;
    int h, w, c, bits, classes;
    uint64_t samples, held_samples;
} row;

static void check_row(const row *r)
{
    char path[256];
    pyr_data_settings s = at_path(path);
    pyr_dataset *set;

    snprintf(path, sizeof path, GOLDEN "%s", r->path);
    s.split = r->split;
    if (sscanf(r->range, "%lf:%lf", &s.range[0], &s.range[1]) != 2)
        s.range[0] = s.range[1] = 0;
    set = opened(&s);
    if (!set) {
        CHECK_REPORT("%s: %s", r->path, pyr_error());
        return;
    }
    pyr_dataset_shape shape = pyr_dataset_shape_of(set);
    const int32_t *labels = pyr_dataset_labels(set, PYR_SPLIT_TRAIN);
    char hash[32] = "-";
    if (labels)
        snprintf(hash, sizeof hash, "%016" PRIx64,
                 pyr_hash(PYR_HASH_START, labels,
                          (size_t)pyr_dataset_count(set, PYR_SPLIT_TRAIN) * sizeof *labels));
    if (pyr_dataset_count(set, PYR_SPLIT_TRAIN) != r->train ||
        pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) != r->held || shape.h != r->h || shape.w != r->w ||
        shape.c != r->c || shape.bits != r->bits || pyr_dataset_classes(set) != r->classes ||
        strcmp(hash, r->labels) != 0 || hash_of(set, PYR_SPLIT_TRAIN) != r->samples ||
        hash_of(set, PYR_SPLIT_HELD_OUT) != r->held_samples) {
        pyr_text text = {0};

        pyr_dataset_describe(set, &text);
        CHECK_REPORT("%s (%s, %s): samples %016" PRIx64 ", held out %016" PRIx64 ", labels %s: %s", r->path,
                     r->split, r->range, hash_of(set, PYR_SPLIT_TRAIN), hash_of(set, PYR_SPLIT_HELD_OUT),
                     hash, text.at);
        pyr_text_free(&text);
    }
    pyr_dataset_free(set);
}

static void as_numpy_has_them(void)
{
    char *text = NULL, *rest = NULL;
    size_t n;
    int rows = 0;

    CHECK_OK(pyr_file_read(&text, &n, GOLDEN "expected.txt", 1 << 20));
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest)) {
        row r = {0};

        CHECK(sscanf(line, "%127s %15s %63s %lld %lld %d %d %d %d %d %" SCNx64 " %" SCNx64 " %31s", r.path,
                     r.split, r.range, &r.train, &r.held, &r.h, &r.w, &r.c, &r.bits, &r.classes, &r.samples,
                     &r.held_samples, r.labels) == 13);
        check_row(&r);
        rows++;
    }
    CHECK(rows > 45);
    pyr_free(text);
}

/* ---- what is said ---- */

static void check_says(const char *path, const char *part)
{
    pyr_data_settings s = at_path(path);
    pyr_text text = {0};
    pyr_dataset *set = opened(&s);

    if (!set)
        return;
    pyr_dataset_describe(set, &text);
    if (!strstr(text.at, part))
        CHECK_REPORT("\"%s\" lacks \"%s\"", text.at, part);
    pyr_text_free(&text);
    pyr_dataset_free(set);
}

static void decisions_are_said(void)
{
    check_says(GOLDEN "chestmnist.npz",
               "train_labels has 14 numbers for each image and no single class: not used");
    check_says(GOLDEN "onehot.npz", "targets is one-hot: the place of the 1 is the class");
    check_says(GOLDEN "sprites.npz", "left unread: latents_values, metadata");
    check_says(GOLDEN "one.npy", "one of shape (8, 8, 3) is one picture");
    check_says(GOLDEN "rows.npy", "rows of 64 are grey images of 8x8");
    check_says(GOLDEN "imagenet/val_data.npz", "rows of 192 are colour images of 8x8");
    check_says(GOLDEN "bool.npz", "booleans: false is black, true is white");
    check_says(GOLDEN "f4_steps.npy",
               "float32 values 0 to 1, taken as [0, 1] in steps of 1/255, kept as 8 bits");
    check_says(GOLDEN "drawings",
               "2 classes (cat, door); rows of 64 are grey images of 8x8; each file is a class");
    check_says(GOLDEN "texts.npz", "4 classes (ape, cat, dog, \xc3\xa6rfugl)");
    check_says(GOLDEN "named.npz", "4 classes (a, b, c, d); left unread: coarse_labels");
    check_says(GOLDEN "rows_pixels.npy", "array rows_pixels are pixels, not planes");
    check_says(GOLDEN "table/images.npy",
               "labels.csv looks like labels and is not read: save them as a .npy");
    check_says(GOLDEN "balanced", "47 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)");
    check_says(GOLDEN "stl10_binary",
               "(STL-10): 2 images to train on, 2 held out (its test set), 96x96 RGB, 8 bits, 10 classes "
               "(airplane, bird, car");
}

/* ---- NORB ---- */

static void norb_is_known_by_its_bytes(void)
{
    enum { HEAD = 24, PICTURE = 30 };
    static const uint32_t good[6] = {0x1E3D4C55, 4, 3, 2, 6, 5};
    static const unsigned char two[] = {0x54, 0x4c, 0x3d, 0x1e, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0,
                                        0,    0,    1,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    unsigned char bytes[HEAD + 6 * PICTURE + 1] = {0};
    const char *path = in_temp("x-training-dat.mat");
    pyr_data_settings s = at_path(path);
    pyr_dataset *set;

    for (int i = 0; i < HEAD; i++)
        bytes[i] = (unsigned char)(good[i / 4] >> i % 4 * 8);
    check_says(GOLDEN "norb", "5 classes (animal, human, airplane, truck, car)");
    write_bytes(path, bytes, HEAD + 6 * PICTURE);
    check_says(path, "(NORB): 6 images to train on, 0 held out, 6x5 grey, 8 bits");
    write_bytes(path, bytes, HEAD + 6 * PICTURE - 1);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "179 bytes follow the header, it promises 180");
    write_bytes(path, bytes, HEAD + 6 * PICTURE + 1);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "181 bytes follow the header, it promises 180");
    write_bytes(path, bytes, 10);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "cut short in its header");
    bytes[4] = 5;
    write_bytes(path, bytes, sizeof bytes);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "rank 5");
    bytes[4] = 2; /* (3, 2); the third size that is stored means nothing */
    write_bytes(path, bytes, HEAD - 4 + 6);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "give the file of images");
    bytes[4] = 4;
    write_bytes(path, bytes, HEAD + 6 * PICTURE);
    write_bytes(in_temp("x-training-cat.mat"), two, sizeof two);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "2 labels for 3 objects");
    bytes[0] = 0x52; /* packed */
    write_bytes(path, bytes, HEAD + 6 * PICTURE);
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "a MATLAB file");
}

/* The collection that a path gives, and then its end. */
static void check_how(const char *path, const char *split, const char *part, const char *warning,
                      int64_t train)
{
    pyr_data_settings s = at_path(path);
    pyr_collection c = {.set = &s};
    int64_t count = 0;

    s.split = split;
    CHECK_OK(pyr_collect(&c, path));
    for (int64_t i = 0; i < c.n; i++)
        count += !c.at[i].test;
    CHECK(count == train);
    if (!c.how.at || !strstr(c.how.at, part))
        CHECK_REPORT("\"%s\" lacks \"%s\"", c.how.at ? c.how.at : "", part);
    CHECK(warning ? c.warnings.n == 1 && strstr(c.warnings.at[0], warning) : c.warnings.n == 0);
    for (int64_t i = 0; i < c.n && strstr(path, "pathmnist"); i++)
        CHECK(c.n == (strcmp(split, "all") == 0 ? 24 : strcmp(split, "val") == 0 ? 17 : 19));
    pyr_collection_free(&c);
}

static void parts_and_labels_are_said(void)
{
    check_how(
        GOLDEN "pathmnist.npz", "auto",
        "images are train_images; held out is test_images; val_images is left aside (--split val holds it "
        "out); labels are test_labels, train_labels",
        NULL, 12);
    check_how(GOLDEN "pathmnist.npz", "val", "held out is val_images; test_images is left aside", NULL, 12);
    check_how(GOLDEN "pathmnist.npz", "test", "held out is test_images", NULL, 12);
    check_how(GOLDEN "kmnist/kmnist-train-imgs.npz", "auto", "labels are kmnist-train-labels.npz", NULL, 12);
    check_how(GOLDEN "kmnist", "auto",
              "images are kmnist-train-imgs.npz; held out is kmnist-test-imgs.npz; labels are "
              "kmnist-test-labels.npz, kmnist-train-labels.npz",
              NULL, 12);
    check_how(GOLDEN "split", "auto",
              "images are train/images.npy; held out is test/images.npy; labels are test/labels.npy, "
              "train/labels.npy",
              NULL, 12);
    check_how(GOLDEN "emnist", "auto", "transposed in its files, are turned upright",
              "label 1 is class 0 (A)", 12);
    check_how(GOLDEN "stl10_binary", "auto", "unlabeled_X.bin is left aside", NULL, 2);
    check_how(GOLDEN "norb", "auto",
              "-training-dat.mat.gz; held out is smallnorb-5x01235x9x18x6x2x96x96-testing-dat.mat; the 2 "
              "pictures of each object (left, right) are images of their own; labels are in the -cat.mat",
              NULL, 12);
    check_how(GOLDEN "norb/smallnorb-5x46789x9x18x6x2x96x96-training-dat.mat.gz", "auto", "left, right",
              "the other of their pair may be trained on", 12);
    check_how(GOLDEN "torch", "auto", "in tests/golden/arrays/torch/FashionMNIST/raw", NULL, 12);
    check_how(GOLDEN "cifar", "auto", "CIFAR-10's binary files; held out is its test file", NULL, 2);
}

static void no_classes_when_asked(void)
{
    static const char *const paths[] = {GOLDEN "mnist.npz", GOLDEN "emnist", GOLDEN "stl10_binary",
                                        GOLDEN "drawings", GOLDEN "cifar"};

    for (int i = 0; i < 5; i++) {
        pyr_data_settings s = at_path(paths[i]);
        pyr_dataset *set;

        s.classes = "none";
        set = opened(&s);
        CHECK(set && pyr_dataset_classes(set) == 0 && !pyr_dataset_labels(set, PYR_SPLIT_TRAIN));
        pyr_dataset_free(set);
    }
}

static void refusals(void)
{
    static const struct {
        const char *path;
        pyr_status status;
        const char *part;
    } rows[] = {
        {GOLDEN "nan.npy", PYR_E_FORMAT, "array nan: element 101 is not a number"},
        {GOLDEN "f8_wide.npy", PYR_E_FORMAT, "say it with --set 'data.range=["},
        {GOLDEN "f8_wide.npy", PYR_E_FORMAT, "float64 values from -98.3121848 to 198.558951"},
        {GOLDEN "i2_signed.npy", PYR_E_FORMAT, "int16 values from -32"},
        {GOLDEN "svhn.npy", PYR_E_FORMAT, "numpy.transpose(x, (3, 0, 1, 2))"},
        {GOLDEN "objects.npz", PYR_E_UNSUPPORTED,
         "array images is of type object: Python's own objects, pickled"},
        {GOLDEN "features.npy", PYR_E_FORMAT, "array features has shape (40, 5), images should be"},
        {GOLDEN "kmnist/kmnist-test-labels.npz", PYR_E_FORMAT, "no array here is images by its name"},
        {GOLDEN "stl10_binary/fold_indices.txt", PYR_E_FORMAT, "not a data set that is known here"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pyr_data_settings s = at_path(rows[i].path);
        pyr_dataset *set;

        CHECK_FAILS(pyr_dataset_open(&set, &s), rows[i].status, rows[i].part);
        CHECK(strstr(pyr_error(), rows[i].path));
        pyr_dataset_free(set);
    }
}

/* ---- names ---- */

static void names_of_arrays(void)
{
    static const struct {
        const char *file, *array;
        pyr_array_role role;
        pyr_part part;
        const char *key;
    } rows[] = {
        {"mnist", "x_train", PYR_ROLE_IMAGES, PYR_PART_TRAIN, "mnist"},
        {"X_test", NULL, PYR_ROLE_IMAGES, PYR_PART_TEST, ""},
        {"ytrain", NULL, PYR_ROLE_LABELS, PYR_PART_TRAIN, ""},
        {"trainX", NULL, PYR_ROLE_IMAGES, PYR_PART_TRAIN, ""},
        {"valLabels", NULL, PYR_ROLE_LABELS, PYR_PART_VAL, ""},
        {"kmnist-train-imgs", "arr_0", PYR_ROLE_IMAGES, PYR_PART_TRAIN, "kmnist"},
        {"k49-test-labels", "arr_0", PYR_ROLE_LABELS, PYR_PART_TEST, "k49"},
        {"train_data_batch_10", "data", PYR_ROLE_IMAGES, PYR_PART_TRAIN, "batch-10"},
        {"train_data_batch_10", "mean", PYR_ROLE_NONE, PYR_PART_TRAIN, "batch-10-mean"},
        {"samples", "arr_1", PYR_ROLE_LABELS, PYR_PART_NONE, ""},
        {"faces-labels", NULL, PYR_ROLE_LABELS, PYR_PART_NONE, "faces"},
        {"a", "label_names", PYR_ROLE_NAMES, PYR_PART_NONE, "a"},
        {"faces", NULL, PYR_ROLE_NONE, PYR_PART_NONE, "faces"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pyr_array_name name = pyr_array_name_read(rows[i].file, rows[i].array);

        CHECK(name.role == rows[i].role && name.part == rows[i].part);
        CHECK_STRING(name.key, rows[i].key);
    }
    /* words that there is no room for tell names apart all the same */
    pyr_text one = {0}, other = {0};
    for (int i = 0; i < 60; i++) {
        pyr_text_add(&one, "word%d_", i);
        pyr_text_add(&other, "word%d_", i < 59 ? i : 60);
    }
    pyr_array_name a = pyr_array_name_read(one.at, NULL), b = pyr_array_name_read(other.at, NULL);
    CHECK(strcmp(a.key, b.key) != 0 && strcmp(a.key, pyr_array_name_read(one.at, NULL).key) == 0);
    CHECK(strlen(a.key) < sizeof a.key && strncmp(a.key, b.key, 100) == 0);
    pyr_text_free(&one);
    pyr_text_free(&other);
    CHECK(pyr_natural_order("batch_2", "batch_10") < 0 && pyr_natural_order("batch_10", "batch_9") > 0);
    CHECK(pyr_natural_order("a", "b") < 0 && pyr_natural_order("a1", "a01") == 0 &&
          pyr_natural_order("", "a") < 0);
}

/* ---- in portions ---- */

/* Images one by one, again after a rewind in the middle, and with a part left out are the same. */
static void in_portions(void)
{
    static const char *const paths[] = {GOLDEN "mnist.npz", GOLDEN "four",         GOLDEN "emnist",
                                        GOLDEN "cifar",     GOLDEN "stl10_binary", GOLDEN "fortran.npy",
                                        GOLDEN "f4_big.npy"};

    for (int i = 0; i < 7; i++) {
        pyr_data_settings s = at_path(paths[i]);
        pyr_collection c = {.set = &s};

        CHECK_OK(pyr_collect(&c, paths[i]));
        const pyr_packed *p = c.packed;
        size_t bytes = (size_t)p->h * (size_t)p->w * (size_t)(p->c * p->bits / 8);
        char *whole = pyr_calloc((size_t)c.n, bytes), *one = pyr_calloc(1, bytes);
        CHECK(whole && one);
        CHECK_OK(c.packed->rewind(c.packed));
        CHECK_OK(c.packed->read(c.packed, whole, c.n));
        for (int round = 0; round < 2; round++) {
            CHECK_OK(c.packed->rewind(c.packed));
            for (int64_t k = 0; k < (round ? c.n : c.n / 2); k++) {
                CHECK_OK(c.packed->read(c.packed, one, 1));
                CHECK(memcmp(one, whole + (size_t)k * bytes, bytes) == 0);
            }
        }
        pyr_free(whole);
        pyr_free(one);
        pyr_collection_free(&c);
    }
}

/* A file that is damaged behind its first images is noticed in reading the last one. */
static void damaged(void)
{
    char path[] = "/tmp/pyr-arrays-XXXXXX.npy";
    int file = mkstemps(path, 4);
    char *bytes = NULL;
    size_t n;
    pyr_data_settings s = at_path(path);
    pyr_dataset *set;

    CHECK(file >= 0);
    CHECK_OK(pyr_file_read(&bytes, &n, GOLDEN "rows.npy", 1 << 20));
    CHECK_OK(pyr_file_replace(path, bytes, n - 1));
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "do not fit the shape and type");
    bytes[8] = 0; /* the header's length */
    bytes[9] = 2;
    CHECK_OK(pyr_file_replace(path, bytes, 40));
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "the file is cut short");
    pyr_free(bytes);
    CHECK_OK(pyr_file_read(&bytes, &n, GOLDEN "mnist.npz", 1 << 20));
    for (size_t i = 100; i + 700 < n; i += 97) {
        bytes[i] ^= 4;
        CHECK_OK(pyr_file_replace(path, bytes, n));
        CHECK(pyr_dataset_open(&set, &s) != PYR_OK); /* deflate or its checksum */
        pyr_dataset_free(set);
        bytes[i] ^= 4;
    }
    pyr_free(bytes);
    remove(path);
}

/* Every allocation that can fail does, once. */
static void without_memory(void)
{
    static const char *const paths[] = {GOLDEN "kmnist",       GOLDEN "texts.npz", GOLDEN "emnist",
                                        GOLDEN "stl10_binary", GOLDEN "drawings",  GOLDEN "fortran.npy",
                                        GOLDEN "torch",        GOLDEN "balanced"};
    size_t before = pyr_mem().live_blocks;

    for (int p = 0; p < 8; p++) {
        pyr_data_settings s = at_path(paths[p]);
        pyr_status status = PYR_E_NOMEM;

        for (long i = 0; i < 2000 && status == PYR_E_NOMEM; i++) {
            pyr_dataset *set;

            pyr_mem_fail_after(i);
            status = pyr_dataset_open(&set, &s);
            pyr_mem_fail_after(-1);
            if ((status != PYR_OK && (status != PYR_E_NOMEM || set)) || (status == PYR_OK && i < 20))
                CHECK_REPORT("%s: allocation %ld: status %d: %s", paths[p], i, status, pyr_error());
            pyr_dataset_free(set);
            if (pyr_mem().live_blocks != before) {
                CHECK_REPORT("%s: allocation %ld: %zu blocks are left", paths[p], i,
                             pyr_mem().live_blocks - before);
                before = pyr_mem().live_blocks;
            }
        }
        CHECK_OK(status);
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_make())
        return 1;
    RUN(as_numpy_has_them);
    RUN(decisions_are_said);
    RUN(norb_is_known_by_its_bytes);
    RUN(parts_and_labels_are_said);
    RUN(no_classes_when_asked);
    RUN(refusals);
    RUN(names_of_arrays);
    RUN(in_portions);
    RUN(damaged);
    RUN(without_memory);
    temp_remove();
    return CHECK_DONE();
}
