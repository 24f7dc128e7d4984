/* test_tars.c - tar archives, as files and as data sets. Run from the root of the project: fixtures are read
 * from tests/golden/tars (made by Python's tarfile, make_tars.py there); they hold the images of
 * tests/golden/archives/classes.zip, which Python's zipfile packed.
 */
#include "tests/check.h"
#include "tests/samples_of.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "images/dataset.h"
#include "images/tar_file.h"
#include "images/zip_file.h"
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/tars/"
#define ZIP "tests/golden/archives/classes.zip"

static char temp[64];

static const char *in_temp(const char *name)
{
    static char ring[8][256];
    static int at;
    char *path = ring[at++ % 8];

    snprintf(path, sizeof ring[0], "%s/%s", temp, name);
    return path;
}

static void copy_file(const char *to, const char *from)
{
    char *bytes = NULL;
    size_t n = 0;

    CHECK_OK(pyr_file_read(&bytes, &n, from, 1 << 24));
    CHECK_OK(pyr_file_replace(to, bytes, n));
    pyr_free(bytes);
}

/* ---- entries ---- */

static bool is_tar(const char *path)
{
    bool is = false;

    CHECK_OK(pyr_tar_is(&is, path));
    return is;
}

/* Every entry that ends as one of the zip's is that one. */
static void check_entries(const char *path, bool in_order, size_t least)
{
    pyr_zip *zip;
    pyr_tar *tar;
    size_t met = 0;

    CHECK(is_tar(path) && pyr_tar_named(path));
    CHECK_OK(pyr_zip_open(&zip, ZIP));
    CHECK_OK(pyr_tar_open(&tar, path, NULL));
    if (!tar || !zip)
        return;
    CHECK(pyr_tar_in_order(tar) == in_order);
    for (int order = 0; order < 2; order++) /* forwards, then backwards */
        for (size_t k = 0; k < pyr_tar_count(tar); k++) {
            size_t i = order ? pyr_tar_count(tar) - 1 - k : k, n, wanted_n, at;
            const char *name = pyr_tar_name(tar, i);
            char *bytes, *wanted;

            if (!pyr_zip_find(&at, zip, name))
                continue;
            CHECK_OK(pyr_tar_read(&bytes, &n, tar, i, 1 << 20));
            CHECK_OK(pyr_zip_read(&wanted, &wanted_n, zip, at, 1 << 20));
            CHECK(bytes && n == wanted_n && n == pyr_tar_size(tar, i) && memcmp(bytes, wanted, n + 1) == 0);
            pyr_free(bytes);
            pyr_free(wanted);
            met++;
        }
    CHECK(met == 2 * least);
    pyr_tar_free(tar);
    pyr_zip_free(zip);
}

static void entries(void)
{
    bool is;

    check_entries(GOLDEN "folders.tar", false, 10);
    check_entries(GOLDEN "ustar.tar", false, 10);
    check_entries(GOLDEN "folders.tar.gz", true, 10);
    check_entries(GOLDEN "folders.tar.bz2", true, 10);
    check_entries(GOLDEN "folders.tar.xz", true, 10);
    check_entries(GOLDEN "ustar.tar.zst", true, 10);
    CHECK(!is_tar(ZIP) && !is_tar(GOLDEN "make_tars.py"));
    CHECK_FAILS(pyr_tar_is(&is, GOLDEN "none.tar"), PYR_E_IO, "No such file");
    CHECK(!is_tar("tests/golden/shapes/train-images-idx3-ubyte.gz"));
    CHECK(pyr_tar_stem("a/b.tar.gz") == 3 && pyr_tar_stem("b.TGZ") == 1 && !pyr_tar_named("b.gz"));
}

static void strange_entries(void)
{
    static const char *const names[] = {"../../out.png", "root/top.png", "x.png", "x.png", "._x.png"};
    pyr_tar *tar;
    pyr_dataset *set;
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;

    CHECK_OK(pyr_tar_open(&tar, GOLDEN "strange.tar", NULL));
    CHECK(tar && pyr_tar_count(tar) == 5); /* no links, no devices */
    for (size_t i = 0; tar && i < 5; i++)
        CHECK_STRING(pyr_tar_name(tar, i), names[i]);
    pyr_tar_free(tar);
    s.path = GOLDEN "strange.tar";
    s.split = "all";
    s.classes = "none";
    CHECK_OK(
        pyr_dataset_open(&set, &s)); /* the older x.png is no image, and not read; what points out is left */
    CHECK(set && pyr_dataset_count(set, PYR_TRAIN) == 2);
    pyr_dataset_free(set);
}

/* ---- data sets ---- */

static pyr_dataset *opened(const char *path)
{
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *set;

    s.path = path;
    s.split = "all";
    CHECK_OK(pyr_dataset_open(&set, &s));
    return set;
}

/* The same images with the same labels as the zip has, in the same order or backwards. */
static void check_set(const char *path, bool named, bool backwards)
{
    pyr_dataset *set = opened(path), *zip = opened(ZIP);
    int64_t n = set ? pyr_dataset_count(set, PYR_TRAIN) : 0;
    const int32_t *labels = set ? pyr_dataset_labels(set, PYR_TRAIN) : NULL;

    CHECK(set && zip && n == 10 && pyr_dataset_classes(set) == 3 && labels);
    for (int64_t i = 0; labels && zip && i < n; i++) {
        int64_t k = backwards ? n - 1 - i : i;

        CHECK(memcmp(samples_of(set, PYR_TRAIN, i), samples_of(zip, PYR_TRAIN, k),
                     pyr_dataset_sample_bytes(zip)) == 0);
        CHECK(labels[i] == pyr_dataset_labels(zip, PYR_TRAIN)[k]);
    }
    if (set && zip && !backwards)
        CHECK(pyr_dataset_fingerprint(set) == pyr_dataset_fingerprint(zip));
    if (set && named)
        CHECK_STRING(pyr_dataset_class_name(set, 1), "bee");
    pyr_dataset_free(set);
    pyr_dataset_free(zip);
}

static void folders(void)
{
    check_set(GOLDEN "folders.tar", true, false);
    check_set(GOLDEN "ustar.tar", true, false);
    check_set(GOLDEN "ustar.tar.zst", true, false);
    check_set(GOLDEN "folders.tar.gz", true, true); /* in the order of the archive */
    check_set(GOLDEN "folders.tar.bz2", true, true);
    check_set(GOLDEN "folders.tar.xz", true, true);
    check_set(GOLDEN "gnu_names.tar", true, false);
    check_set(GOLDEN "pax_names.tar", true, false);
}

static void webdataset(void)
{
    CHECK_OK(pyr_make_folders(in_temp("shards/train")));
    copy_file(in_temp("shards/train/cls-000000.tar"), GOLDEN "cls-000000.tar");
    copy_file(in_temp("shards/train/cls-000001.tar"), GOLDEN "cls-000001.tar");
    check_set(in_temp("shards"), false, false);
    check_set(GOLDEN "json.tar.gz", false, false); /* its key.seg.png are left aside */
    check_set(GOLDEN "edm.tar.gz", false, false);
    copy_file(in_temp("shards/train-0.tar"), GOLDEN "cls-000000.tar");
    remove(in_temp("shards/train/cls-000000.tar"));
    remove(in_temp("shards/train/cls-000001.tar"));
    CHECK(rmdir(in_temp("shards/train")) == 0);
    copy_file(in_temp("shards/val-0.tar"), GOLDEN "cls-000001.tar");

    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *set;

    s.path = in_temp("shards");
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_count(set, PYR_TRAIN) == 6 && pyr_dataset_count(set, PYR_HELD_OUT) == 4);
    pyr_dataset_free(set);
}

/* Compressed and plain ones beside each other, a folder for each class. */
static void archives_as_classes(void)
{
    pyr_dataset *set;

    CHECK_OK(pyr_make_folders(in_temp("mixed")));
    copy_file(in_temp("mixed/n01.tar"), GOLDEN "ustar.tar");
    copy_file(in_temp("mixed/n02.tar.gz"), GOLDEN "folders.tar.gz");
    set = opened(in_temp("mixed"));
    CHECK(set && pyr_dataset_count(set, PYR_TRAIN) == 20 && pyr_dataset_classes(set) == 2);
    if (set) {
        CHECK_STRING(pyr_dataset_class_name(set, 1), "n02");
        CHECK(pyr_dataset_labels(set, PYR_TRAIN)[9] == 0 && pyr_dataset_labels(set, PYR_TRAIN)[10] == 1);
    }
    pyr_dataset_free(set);
}

static void refused(void)
{
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *set;
    pyr_tar *tar;
    char *bytes;
    size_t n;

    s.path = GOLDEN "no_images.tar.gz";
    CHECK_FAILS(
        pyr_dataset_open(&set, &s), PYR_E_FORMAT,
        "no_images.tar.gz: CIFAR's Python version, a folder of pickles, which is not read here; convert it: "
        "scripts/convert-dataset");
    CHECK_FAILS(pyr_tar_open(&tar, GOLDEN "none.tar", NULL), PYR_E_IO, "none.tar");
    CHECK_FAILS(pyr_tar_open(&tar, "tests", NULL), PYR_E_IO, "not a regular file");
    CHECK_FAILS(pyr_tar_open(&tar, ZIP, NULL), PYR_E_FORMAT, "classes.zip: the tar archive is damaged");
    CHECK_FAILS(pyr_tar_parse(&tar, "", 0, "empty.tar", NULL), PYR_E_FORMAT, "empty.tar: the file is empty");
    /* cut short at every length: refused, or what is whole is read */
    CHECK_OK(pyr_file_read(&bytes, &n, GOLDEN "ustar.tar", 1 << 20));
    for (size_t cut = 1; bytes && cut < n; cut += 37)
        if (pyr_tar_parse(&tar, bytes, cut, "cut.tar", NULL) == PYR_OK) {
            for (size_t i = 0; i < pyr_tar_count(tar); i++) {
                char *entry;
                size_t size;

                CHECK_OK(pyr_tar_read(&entry, &size, tar, i, 1 << 20));
                pyr_free(entry);
            }
            pyr_tar_free(tar);
        } else
            CHECK(!tar && strncmp(pyr_error(), "cut.tar: ", 9) == 0);
    CHECK_OK(pyr_tar_parse(&tar, bytes, n, "whole.tar", NULL));
    if (tar) {
        char *entry;
        size_t size;

        CHECK_FAILS(pyr_tar_read(&entry, &size, tar, 0, 10), PYR_E_FORMAT, "bytes, at most 10 are expected");
    }
    pyr_tar_free(tar);
    pyr_free(bytes);
}

static void without_memory(void)
{
    size_t blocks = pyr_mem().live_blocks;

    for (long after = 0; after < 3000; after++) {
        pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
        pyr_dataset *set;
        pyr_status status;

        s.path = GOLDEN "json.tar.gz";
        pyr_mem_fail_after(after);
        status = pyr_dataset_open(&set, &s);
        pyr_mem_fail_after(-1);
        pyr_dataset_free(set);
        CHECK(status == PYR_OK || status == PYR_E_NOMEM);
        CHECK(pyr_mem().live_blocks == blocks);
        if (status == PYR_OK)
            break;
    }
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    snprintf(temp, sizeof temp, "/tmp/pyr-test-tars-XXXXXX");
    if (!mkdtemp(temp))
        return 1;
    RUN(entries);
    RUN(strange_entries);
    RUN(folders);
    RUN(webdataset);
    RUN(archives_as_classes);
    RUN(refused);
    RUN(without_memory);
    if (strncmp(temp, "/tmp/pyr-test-tars-", 19) == 0) {
        char command[128];

        snprintf(command, sizeof command, "rm -rf %s", temp);
        if (system(command) != 0)
            return 1;
    }
    return CHECK_DONE();
}
