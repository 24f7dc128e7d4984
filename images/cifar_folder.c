/* cifar_folder.c - data sets of CIFAR's binary files (A. Krizhevsky, "Learning multiple layers of features
 * from tiny images", 2009). A record is one label byte (CIFAR-10), or a coarse and a fine one (CIFAR-100;
 * the fine one is used), then 3072 bytes: a red, a green and a blue plane of 32x32. */
#include "images/data_format.h"
#include "images/packed_parts.h"

#include "base/mem.h"
#include <string.h>

enum { SIDE = 32, PIXELS = SIDE * SIDE * 3 };

/* 10 or 100 when `name` is one of CIFAR's files, else 0; *test: of its test set. */
static int classes_of(bool *test, const char *name)
{
    size_t n = strlen(name);

    *test = strcmp(name, "test_batch.bin") == 0 || strcmp(name, "test.bin") == 0;
    if (strcmp(name, "train.bin") == 0 || strcmp(name, "test.bin") == 0)
        return 100;
    if (*test || (strncmp(name, "data_batch", 10) == 0 && n > 4 && strcmp(name + n - 4, ".bin") == 0))
        return 10;
    return 0;
}

static int labels_in(int classes) /* of a record */
{
    return classes == 100 ? 2 : 1;
}

static pyr_status is_folder(bool *yes, const pyr_data_path *at)
{
    bool test;

    for (size_t i = 0; i < at->names->n && !*yes; i++)
        *yes = classes_of(&test, at->names->at[i]);
    return PYR_OK;
}

static pyr_status is_file(pyr_match *match, const pyr_data_path *at)
{
    *match = pyr_ends_with(at->path, ".bin") ? PYR_MATCH_WEAK : PYR_MATCH_NO;
    return PYR_OK;
}

/* *classes 0: the size of the file decides. */
static pyr_status add_part(pyr_parts *parts, pyr_collection *c, int *classes, const char *path)
{
    pyr_record record = pyr_record_planes(PYR_NPY_U1, SIDE, SIDE, 3);
    pyr_value_file met;
    pyr_packed_part *part;

    PYR_TRY(pyr_parts_add_file(&part, parts, &met, c, path, NULL));
    if (*classes == 0)
        *classes = met.bytes % (PIXELS + 1) != 0 && met.bytes % (PIXELS + 2) == 0 ? 100 : 10;
    record.first = (size_t)labels_in(*classes);
    record.elements += record.first;
    if (met.bytes % record.elements != 0)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: %llu bytes are not whole CIFAR-%d records of %zu bytes; the file is cut short "
                        "or something else: copy or download it again",
                        path, (unsigned long long)met.bytes, *classes, record.elements);
    part->record = record;
    part->n = (int64_t)(met.bytes / record.elements);
    return PYR_OK;
}

static pyr_status read_labels(pyr_collection *c, int64_t first, const pyr_packed_part *part, void *arg)
{
    unsigned char record[PIXELS + 2];
    int classes = *(const int *)arg;
    size_t labels = (size_t)labels_in(classes);
    pyr_value_file file;
    pyr_status status;

    PYR_TRY(pyr_value_file_open(&file, part->name, NULL));
    for (int64_t i = 0; i < part->n; i++) {
        int label;

        PYR_TRY_OUT(pyr_value_file_read(&file, record, PIXELS + labels));
        label = record[labels - 1];
        if (label >= classes)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                                 "%s: record %lld has label %d, CIFAR-%d has 0..%d; not a CIFAR file?",
                                 part->name, (long long)i, label, classes, classes - 1));
        if (pyr_collection_wants_labels(c))
            c->at[first + i].label = label;
    }
    status = PYR_OK;
out:
    pyr_value_file_close(&file);
    return status;
}

/* The files of training images, then those of the test set. *classes as in add_part. */
static pyr_status collect_files(pyr_collection *c, const pyr_names *paths, size_t train, int *classes)
{
    pyr_parts parts = {0};
    pyr_status status;

    for (size_t i = 0; i < paths->n; i++)
        PYR_TRY_OUT(add_part(&parts, c, classes, paths->at[i]));
    c->kind = *classes == 100 ? "CIFAR-100" : "CIFAR-10";
    PYR_TRY_OUT(pyr_collection_has(c, train < paths->n, false));
    PYR_TRY_OUT(pyr_collection_pack_parts(c, &parts, SIDE, SIDE, 3, train, read_labels, classes));
    pyr_text_add(&c->how, "images and labels are CIFAR-%d's binary files%s%s", *classes,
                 train < paths->n ? "; held out is its test file" : "",
                 pyr_collection_wants_labels(c) ? "" : "; labels are left aside as data.classes says");
out:
    pyr_parts_free(&parts);
    return status;
}

static pyr_status collect(pyr_collection *c, const pyr_data_path *at)
{
    char *path = (char *)(uintptr_t)at->path; /* not written to */
    pyr_names paths = {0};
    size_t train = 0;
    int classes = 0;
    pyr_status status = PYR_OK;

    if (!at->names)
        return collect_files(c, &(pyr_names){.at = &path, .n = 1}, 1, &classes);
    for (int part = 0; part < 2; part++)
        for (size_t i = 0; i < at->names->n; i++) {
            bool test;
            int of = classes_of(&test, at->names->at[i]);

            if (!of || test != part)
                continue;
            if (classes && of != classes)
                PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                                     "%s: files of CIFAR-10 and CIFAR-100 in one folder; separate them",
                                     at->path));
            classes = of;
            PYR_TRY_OUT(pyr_names_format(&paths, "%s/%s", at->path, at->names->at[i]));
            train += !test;
        }
    PYR_TRY_OUT(
        collect_files(c, &paths, train ? train : paths.n, &classes)); /* test files alone: a data set, too */
    PYR_TRY_OUT(
        pyr_collection_names(c, at->path, classes == 100 ? "fine_label_names.txt" : "batches.meta.txt"));
out:
    pyr_names_free(&paths);
    return status;
}

const pyr_data_format pyr_data_format_cifar = {
    .name = "CIFAR",
    .files = "data_batch_1.bin, train.bin",
    .help = "CIFAR-10 and CIFAR-100, the binary version: `test_batch.bin` or `test.bin` is held out; "
            "labels are those in the files, of CIFAR-100 the fine ones",
    .is_file = is_file,
    .is_folder = is_folder,
    .collect = collect,
};
