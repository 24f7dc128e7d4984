/* test_tars.c - tar archives, as files and as data sets. Run from the root of the project: fixtures are read
 * from tests/golden/tars (made by Python's tarfile, make_tars.py there); they hold the images of
 * tests/golden/archives/classes.zip, which Python's zipfile packed. */
#include "tests/check.h"
#include "tests/samples_of.h"
#include "tests/temp_files.h"

#include "archives/tar_file.h"
#include "archives/zip_file.h"
#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "images/dataset.h"
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define GOLDEN "tests/golden/tars/"
#define ZIP "tests/golden/archives/classes.zip"

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
    CHECK(pyr_tar_facts_of(tar)->in_order == in_order);
    for (int order = 0; order < 2; order++) /* forwards, then backwards */
        for (size_t k = 0; k < pyr_tar_facts_of(tar)->n; k++) {
            size_t i = order ? pyr_tar_facts_of(tar)->n - 1 - k : k, n, wanted_n, at;
            const char *name = pyr_tar_facts_of(tar)->at[i].name;
            char *bytes, *wanted;

            if (!pyr_zip_find(&at, zip, name))
                continue;
            CHECK_OK(pyr_tar_read(&bytes, &n, tar, i, 1 << 20));
            CHECK_OK(pyr_zip_read(&wanted, &wanted_n, zip, at, 1 << 20));
            CHECK(bytes && n == wanted_n && n == pyr_tar_facts_of(tar)->at[i].size &&
                  memcmp(bytes, wanted, n + 1) == 0);
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

static bool nothing(void *arg, const char *name, uint64_t size)
{
    (void)arg;
    (void)name;
    (void)size;
    return false;
}

static void strange_entries(void)
{
    static const char *const names[] = {"../../out.png", "root/top.png", "x.png", "x.png", "._x.png"};
    static const pyr_tar_take past_damage = {.wants = nothing, .past_damage = true};
    pyr_tar *tar;
    pyr_dataset *set;
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;

    CHECK_FAILS(
        pyr_tar_open(&tar, GOLDEN "strange.tar", NULL), PYR_E_FORMAT,
        "strange.tar: cat/device.png: a device or pipe, which has no bytes; copy or make it again, or leave "
        "out what is lost with --skip-bad");
    CHECK_OK(pyr_tar_open(&tar, GOLDEN "strange.tar", &past_damage));
    CHECK(tar && pyr_tar_facts_of(tar)->n == 5); /* no links to what is not there, no devices */
    for (size_t i = 0; tar && i < 5; i++)
        CHECK_STRING(pyr_tar_facts_of(tar)->at[i].name, names[i]);
    CHECK(tar && pyr_tar_facts_of(tar)->lost.n == 4 && pyr_tar_facts_of(tar)->warnings.n == 0);
    if (tar && pyr_tar_facts_of(tar)->lost.n == 4) {
        CHECK(strstr(pyr_tar_facts_of(tar)->lost.at[2], "cat/link.png: a link out of the archive"));
        CHECK(strstr(pyr_tar_facts_of(tar)->lost.at[3],
                     "cat/hard.png: a link to what is no file of the archive: cat/0.png"));
    }
    pyr_tar_free(tar);
    s.path = GOLDEN "strange.tar";
    s.split = "all";
    s.classes = "none";
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "cat/device.png");
    s.skip_bad = true;
    CHECK_OK(
        pyr_dataset_open(&set, &s)); /* the older x.png is no image, and not read; what points out is left */
    CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 2 && pyr_dataset_facts_of(set).skipped->n == 4);
    pyr_dataset_free(set);
}

/* ---- archives made here ---- */

static pyr_dataset *opened(const char *path)
{
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *set;

    s.path = path;
    s.split = "all";
    CHECK_OK(pyr_dataset_open(&set, &s));
    return set;
}

enum { IMAGES = 10, BLOCK = 512, ROOM = 1 << 17 };

/* The images of the zip in a tar, and what a test does to it. */
typedef struct made {
    unsigned char bytes[ROOM];
    size_t n, header[64], headers; /* where each entry's header is */
} made;

/* The checksum of a header, once all else is in it. */
static void seal(unsigned char *at)
{
    unsigned sum = 0;

    memset(at + 148, ' ', 8);
    for (int i = 0; i < BLOCK; i++)
        sum += at[i];
    snprintf((char *)at + 148, 8, "%06o", sum);
}

static void header(made *m, const char *name, char type, size_t size, const char *link)
{
    unsigned char *at = m->bytes + m->n;

    m->header[m->headers++] = m->n;
    memset(at, 0, BLOCK);
    snprintf((char *)at, 100, "%s", name);
    memcpy(at + 100,
           "0000644\0"
           "0000000\0"
           "0000000",
           24);
    snprintf((char *)at + 124, 12, "%011zo", size);
    memcpy(at + 136, "00000000000", 12);
    at[156] = (unsigned char)type;
    snprintf((char *)at + 157, 100, "%s", link);
    memcpy(at + 257,
           "ustar\0"
           "00",
           8);
    seal(at);
    m->n += BLOCK;
}

static void file(made *m, const char *name, const char *bytes, size_t n)
{
    header(m, name, '0', n, "");
    memcpy(m->bytes + m->n, bytes, n);
    memset(m->bytes + m->n + n, 0, BLOCK);
    m->n += (n + BLOCK - 1) / BLOCK * BLOCK;
}

static void end(made *m)
{
    memset(m->bytes + m->n, 0, 2 * BLOCK);
    m->n += 2 * BLOCK;
}

/* Images first .. last - 1 of the zip. */
static void images(made *m, size_t first, size_t last)
{
    pyr_zip *zip;

    CHECK_OK(pyr_zip_open(&zip, ZIP));
    for (size_t i = first; zip && i < last; i++) {
        char *bytes;
        size_t n;

        CHECK_OK(pyr_zip_read(&bytes, &n, zip, i, 1 << 16));
        file(m, pyr_zip_name(zip, i), bytes, n);
        pyr_free(bytes);
    }
    pyr_zip_free(zip);
}

static made *new_made(size_t first, size_t last)
{
    static made m;

    m.n = m.headers = 0;
    images(&m, first, last);
    return &m;
}

/* Packed by gzip as well, as "t.tgz" beside "t.tar". */
static void write_made(const made *m)
{
    gzFile packed = gzopen(in_temp("t.tgz"), "wb9");

    CHECK_OK(pyr_file_replace(in_temp("t.tar"), m->bytes, m->n));
    CHECK(packed && gzwrite(packed, m->bytes, (unsigned)m->n) == (int)m->n && gzclose(packed) == Z_OK);
}

/* What data sets of t.tar and t.tgz say: refused with `why` unless that is NULL; `count` images with
 * skip_bad, and `lost` files left out; `warning` is in the first of the warnings, NULL: there is none. */
static void check_both(const char *why, int64_t count, size_t lost, const char *warning)
{
    for (int packed = 0; packed < 2; packed++) {
        pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
        pyr_dataset *set;

        s.path = in_temp(packed ? "t.tgz" : "t.tar");
        s.split = "all";
        if (why)
            CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, why);
        else
            CHECK_OK(pyr_dataset_open(&set, &s));
        CHECK(!set || pyr_dataset_count(set, PYR_SPLIT_TRAIN) == count);
        pyr_dataset_free(set);
        s.skip_bad = true;
        CHECK_OK(pyr_dataset_open(&set, &s));
        CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == count &&
              pyr_dataset_facts_of(set).skipped->n == lost);
        CHECK(set && pyr_dataset_facts_of(set).warnings->n == (warning ? 1 : 0));
        if (set && pyr_dataset_facts_of(set).warnings->n == 1 && warning)
            CHECK(strstr(pyr_dataset_facts_of(set).warnings->at[0], warning));
        pyr_dataset_free(set);
    }
}

static void damaged_headers(void)
{
    made *m = new_made(0, IMAGES);

    end(m);
    write_made(m);
    check_both(NULL, IMAGES, 0, NULL);
    m->bytes[m->header[5] + 3] ^= 1; /* a letter of its name */
    write_made(m);
    check_both("the tar archive is damaged or cut short at byte ", IMAGES - 1, 1, NULL);
    check_both("(a header does not fit its checksum); copy or make it again, or leave out what is lost with "
               "--skip-bad",
               IMAGES - 1, 1, NULL);
    m->bytes[m->header[5] + 3] ^= 1;
    m->bytes[m->header[9] + 130] ^= 1; /* the last one's size */
    write_made(m);
    check_both("a header does not fit its checksum", IMAGES - 1, 1, NULL);
}

static void zeroed_headers(void)
{
    made *m = new_made(0, IMAGES);

    end(m);
    memset(m->bytes + m->header[5], 0, BLOCK); /* its bytes come where a header should */
    write_made(m);
    check_both("a header does not fit its checksum", IMAGES - 1, 1, NULL);
    m = new_made(0, IMAGES);
    end(m);
    memset(m->bytes + m->header[5], 0, m->header[7] - m->header[5]); /* as a hole: no trace but the zeros */
    write_made(m);
    check_both(NULL, IMAGES - 2, 0, "if it should be one, zeros lie where entries were");
}

static void ends_of_archives(void)
{
    made *m = new_made(0, IMAGES);

    write_made(m); /* no end: said, but read */
    check_both(NULL, IMAGES, 0,
               "without the zero blocks that end a tar archive: it may be cut short; its 10 files");
    m->n = m->header[5];
    write_made(m);
    check_both(NULL, 5, 0, "its 5 files are read");
    m = new_made(0, IMAGES);
    m->n = m->header[5] + 100; /* within a header */
    write_made(m);
    check_both("Truncated tar archive", 5, 1, NULL);
    m = new_made(0, 4); /* cat a.tar b.tar */
    end(m);
    images(m, 4, IMAGES);
    end(m);
    write_made(m);
    check_both(NULL, IMAGES, 0, "2 archives one behind the other, all are read");
    m = new_made(0, IMAGES);
    end(m);
    memset(m->bytes + m->n, 'x', BLOCK);
    m->n += BLOCK;
    CHECK_OK(pyr_file_replace(in_temp("t.tar"), m->bytes, m->n));
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *set;

    s.path = in_temp("t.tar");
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, "a header does not fit its checksum");
}

/* t.tgz with its bytes from `at` on changed by `flip`, `more` bytes behind it. */
static void refuse_packed(const char *bytes, size_t n, size_t at, int flip, size_t more, const char *why)
{
    static char copy[ROOM];
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *set;

    memcpy(copy, bytes, n);
    memset(copy + n, 'x', more);
    copy[at] = (char)(copy[at] ^ flip);
    CHECK_OK(pyr_file_replace(in_temp("t.tgz"), copy, n + more));
    s.path = in_temp("t.tgz");
    CHECK_FAILS(pyr_dataset_open(&set, &s), PYR_E_FORMAT, why);
}

static void packed_ends(void)
{
    made *m = new_made(0, IMAGES);
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_dataset *set;
    char *bytes, *two;
    size_t n;

    end(m);
    write_made(m);
    CHECK_OK(pyr_file_read(&bytes, &n, in_temp("t.tgz"), ROOM - 1024));
    if (!bytes)
        return;
    refuse_packed(bytes, n, n - 5, 1, 0, "gzip's checksum does not fit"); /* its length */
    refuse_packed(bytes, n, n - 8, 1, 0, "gzip's checksum does not fit");
    refuse_packed(bytes, n, 0, 0, 7, "behind the compressed data, are bytes that are none");
    refuse_packed(bytes, n - 12, 0, 0, 0, "t.tgz: the tar archive is damaged or cut short");
    refuse_packed(bytes, n / 2, 0, 0, 0, "t.tgz: the tar archive is damaged or cut short");
    /* two members, each with its own checksum: as cat and parallel gzips make them */
    CHECK_OK(pyr_new((void **)&two, 2 * n, 1, "two members"));
    memcpy(two, bytes, n);
    memcpy(two + n, bytes, n);
    CHECK_OK(pyr_file_replace(in_temp("t.tgz"), two, 2 * n));
    s.path = in_temp("t.tgz");
    CHECK_OK(pyr_dataset_open(&set, &s));
    CHECK(set && pyr_dataset_facts_of(set).warnings->n == 1);
    pyr_dataset_free(set);
    two[n - 8] ^= 1; /* the first one's */
    refuse_packed(two, 2 * n, 0, 0, 0, "gzip");
    pyr_free(two);
    pyr_free(bytes);
}

/* Links of both kinds, one to a link, out of a folder and forwards; equal labels as links. */
static void links(void)
{
    made *m = new_made(0, IMAGES);
    pyr_zip *zip;
    char target[128];

    CHECK_OK(pyr_zip_open(&zip, ZIP));
    if (!zip)
        return;
    header(m, "bee/hard.png", '1', 0, pyr_zip_name(zip, 0));
    snprintf(target, sizeof target, "./../%s", pyr_zip_name(zip, 9));
    header(m, "ant/soft.png", '2', 0, target);
    header(m, "bee/again.png", '2', 0, "hard.png");
    header(m, "notes.txt", '2', 0, "/somewhere/else"); /* no picture: told, no loss */
    end(m);
    write_made(m);
    check_both(NULL, IMAGES + 3, 0, NULL);
    for (int packed = 0; packed < 2; packed++) {
        pyr_tar *tar;
        char *bytes, *wanted;
        size_t n, size;

        CHECK_OK(pyr_tar_open(&tar, in_temp(packed ? "t.tgz" : "t.tar"), NULL));
        CHECK(tar && pyr_tar_facts_of(tar)->n == IMAGES + 3 &&
              pyr_tar_facts_of(tar)->aside[PYR_TAR_LINKS] == 1);
        for (size_t i = 0; tar && i < 3; i++) {
            static const size_t leads_to[] = {0, 9, 0};

            CHECK_OK(pyr_zip_read(&wanted, &size, zip, leads_to[i], 1 << 16));
            CHECK_OK(pyr_tar_read(&bytes, &n, tar, IMAGES + i, 1 << 16));
            CHECK(bytes && wanted && n == size && memcmp(bytes, wanted, n) == 0);
            pyr_free(bytes);
            pyr_free(wanted);
        }
        pyr_tar_free(tar);
    }
    m = new_made(0, IMAGES);
    header(m, "bee/hard.png", '1', 0, "bee/none.png");
    header(m, "bee/a.png", '2', 0, "b.png"); /* to one another */
    header(m, "bee/b.png", '2', 0, "a.png");
    header(m, "bee/pipe.png", '6', 0, "");
    end(m);
    write_made(m);
    check_both("or leave out what is lost with --skip-bad", IMAGES, 4, NULL);
    pyr_zip_free(zip);
}

/* A file with holes in it, of GNU tar --sparse: 4096 zeros that are not there, 512 bytes that are, 1000
 * zeros. */
static void sparse(void)
{
    made *m = new_made(0, IMAGES);
    unsigned char *at = m->bytes + m->n;

    header(m, "holes.bin", 'S', 512, "");
    memcpy(at + 257, "ustar  ", 8);
    snprintf((char *)at + 386, 13, "%011o ", 4096);
    snprintf((char *)at + 398, 13, "%011o ", 512);
    snprintf((char *)at + 410, 13, "%011o ", 4096 + 512 + 1000);
    snprintf((char *)at + 422, 13, "%011o ", 0);
    snprintf((char *)at + 483, 12, "%011o", 4096 + 512 + 1000);
    seal(at);
    memset(m->bytes + m->n, 'x', 512);
    m->n += 512;
    file(m, "behind.txt", "behind", 6);
    end(m);
    write_made(m);
    for (int packed = 0; packed < 2; packed++) {
        pyr_tar *tar;
        char *bytes = NULL;
        size_t n = 0;

        CHECK_OK(pyr_tar_open(&tar, in_temp(packed ? "t.tgz" : "t.tar"), NULL));
        CHECK(tar && pyr_tar_facts_of(tar)->n == IMAGES + 2);
        for (size_t i = IMAGES + 2; tar && i-- > IMAGES;) { /* backwards */
            CHECK_OK(pyr_tar_read(&bytes, &n, tar, i, 1 << 16));
            if (i == IMAGES) {
                CHECK(n == 5608 && bytes && bytes[4095] == 0 && bytes[4096] == 'x' && bytes[4607] == 'x' &&
                      bytes[4608] == 0 && bytes[5607] == 0);
            } else
                CHECK(n == 6 && bytes && memcmp(bytes, "behind", 6) == 0);
            pyr_free(bytes);
        }
        pyr_tar_free(tar);
    }
}

/* Files of equal bytes are packed as links: the labels beside the images, too. */
static void linked_labels(void)
{
    static made m;
    pyr_zip *zip;

    m.n = m.headers = 0;
    CHECK_OK(pyr_zip_open(&zip, ZIP));
    for (size_t i = 0; zip && i < IMAGES; i++) {
        char *bytes, name[16], label[16];
        size_t n;

        CHECK_OK(pyr_zip_read(&bytes, &n, zip, i, 1 << 16));
        snprintf(name, sizeof name, "%04zu.png", i);
        file(&m, name, bytes, n);
        pyr_free(bytes);
        snprintf(name, sizeof name, "%04zu.cls", i);
        snprintf(label, sizeof label, "%04zu.cls", i % 2);
        if (i < 2)
            file(&m, name, i ? "1" : "0", 1);
        else
            header(&m, name, '1', 0, label);
    }
    end(&m);
    write_made(&m);
    for (int packed = 0; packed < 2; packed++) {
        pyr_dataset *set = opened(in_temp(packed ? "t.tgz" : "t.tar"));
        const int32_t *labels = set ? pyr_dataset_labels(set, PYR_SPLIT_TRAIN) : NULL;

        CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == IMAGES && pyr_dataset_classes(set) == 2 &&
              labels);
        for (int i = 0; labels && i < IMAGES; i++)
            CHECK(labels[i] == i % 2);
        pyr_dataset_free(set);
    }
    pyr_zip_free(zip);
}

/* ---- data sets ---- */

/* The same images with the same labels as the zip has, in the same order or backwards. */
static void check_set(const char *path, bool named, bool backwards)
{
    pyr_dataset *set = opened(path), *zip = opened(ZIP);
    int64_t n = set ? pyr_dataset_count(set, PYR_SPLIT_TRAIN) : 0;
    const int32_t *labels = set ? pyr_dataset_labels(set, PYR_SPLIT_TRAIN) : NULL;

    CHECK(set && zip && n == 10 && pyr_dataset_classes(set) == 3 && labels);
    for (int64_t i = 0; labels && zip && i < n; i++) {
        int64_t k = backwards ? n - 1 - i : i;

        CHECK(memcmp(samples_of(set, PYR_SPLIT_TRAIN, i), samples_of(zip, PYR_SPLIT_TRAIN, k),
                     pyr_dataset_sample_bytes(zip)) == 0);
        CHECK(labels[i] == pyr_dataset_labels(zip, PYR_SPLIT_TRAIN)[k]);
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
    CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 6 &&
          pyr_dataset_count(set, PYR_SPLIT_HELD_OUT) == 4);
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
    CHECK(set && pyr_dataset_count(set, PYR_SPLIT_TRAIN) == 20 && pyr_dataset_classes(set) == 2);
    if (set) {
        CHECK_STRING(pyr_dataset_class_name(set, 1), "n02");
        CHECK(pyr_dataset_labels(set, PYR_SPLIT_TRAIN)[9] == 0 &&
              pyr_dataset_labels(set, PYR_SPLIT_TRAIN)[10] == 1);
    }
    pyr_dataset_free(set);
}

static pyr_status open_bytes(pyr_tar **out, const char *bytes, size_t n, const char *name)
{
    const char *path = in_temp(name);

    write_bytes(path, bytes, n);
    return pyr_tar_open(out, path, NULL);
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
    CHECK_FAILS(open_bytes(&tar, "", 0, "empty.tar"), PYR_E_FORMAT, "empty.tar: the file is empty");
    /* cut short at every length: refused, or what is whole is read */
    CHECK_OK(pyr_file_read(&bytes, &n, GOLDEN "ustar.tar", 1 << 20));
    for (size_t cut = 1; bytes && cut < n; cut += 37)
        if (open_bytes(&tar, bytes, cut, "cut.tar") == PYR_OK) {
            for (size_t i = 0; i < pyr_tar_facts_of(tar)->n; i++) {
                char *entry;
                size_t size;

                CHECK_OK(pyr_tar_read(&entry, &size, tar, i, 1 << 20));
                pyr_free(entry);
            }
            pyr_tar_free(tar);
        } else
            CHECK(!tar && strstr(pyr_error(), "/cut.tar: "));
    CHECK_OK(open_bytes(&tar, bytes, n, "whole.tar"));
    if (tar) {
        char *entry;
        size_t size;

        CHECK_FAILS(pyr_tar_read(&entry, &size, tar, 0, 10), PYR_E_FORMAT, "bytes, at most 10 are expected");
    }
    pyr_tar_free(tar);
    pyr_free(bytes);
}

/* Every allocation in turn fails while the archive is read. */
static void check_without_memory(const char *path, bool skip_bad)
{
    size_t blocks = pyr_mem().live_blocks;
    bool whole = false;

    for (long after = 0; after < 3000 && !whole; after++) {
        pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
        pyr_dataset *set;
        pyr_status status;

        s.path = path;
        s.skip_bad = skip_bad;
        pyr_mem_fail_after(after);
        status = pyr_dataset_open(&set, &s);
        pyr_mem_fail_after(-1);
        pyr_dataset_free(set);
        CHECK(status == PYR_OK || status == PYR_E_NOMEM);
        CHECK(pyr_mem().live_blocks == blocks);
        whole = status == PYR_OK;
    }
    CHECK(whole);
}

static void without_memory(void)
{
    made *m = new_made(0, IMAGES);

    check_without_memory(GOLDEN "json.tar.gz", false);
    header(m, "bee/hard.png", '1', 0, "bee/none.png");
    header(m, "bee/pipe.png", '6', 0, "");
    header(m, "bee/a.png", '2', 0, "b.png");
    header(m, "bee/b.png", '2', 0, "0.png");
    m->bytes[m->header[2]] ^= 1;
    write_made(m); /* without an end */
    check_without_memory(in_temp("t.tar"), true);
    check_without_memory(in_temp("t.tgz"), true);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!temp_make())
        return 1;
    RUN(entries);
    RUN(strange_entries);
    RUN(damaged_headers);
    RUN(zeroed_headers);
    RUN(ends_of_archives);
    RUN(packed_ends);
    RUN(links);
    RUN(linked_labels);
    RUN(sparse);
    RUN(folders);
    RUN(webdataset);
    RUN(archives_as_classes);
    RUN(refused);
    RUN(without_memory);
    temp_remove();
    return CHECK_DONE();
}
