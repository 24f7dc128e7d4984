/* cifar_folder.c - data sets of CIFAR's binary files. */
#include "arrays/cifar_file.h"
#include "images/data_format.h"
#include "images/packed_parts.h"

#include "base/mem.h"
#include <string.h>

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

typedef struct part {
    char *path;
    int64_t records;
    bool test;
} part;

static pyr_status add_part(pyr_parts *parts, const part *from, int classes)
{
    pyr_record record = pyr_record_planes(PYR_NPY_U1, PYR_CIFAR_SIDE, PYR_CIFAR_SIDE, 3);
    pyr_value_file met;
    pyr_part_bytes *bytes;

    record.first = (size_t)pyr_cifar_label_bytes(classes);
    record.elements += record.first;
    PYR_TRY(pyr_part_file(&bytes, &met, from->path, NULL));
    return pyr_parts_add(parts, bytes, from->path, record, from->records);
}

static pyr_status collect_parts(pyr_collection *c, const part *from, size_t n, int classes, const char *name)
{
    int64_t all = 0, train = 0, at = 0;
    int32_t *labels = NULL;
    pyr_parts parts = {0};
    bool wanted = pyr_collection_wants_labels(c);
    pyr_status status;

    c->kind = classes == 100 ? "CIFAR-100" : "CIFAR-10";
    for (int test = 0; test < 2; test++)
        for (size_t i = 0; i < n; i++) {
            if (from[i].test != test)
                continue;
            all += from[i].records;
            train += test ? 0 : from[i].records;
            PYR_TRY_OUT(pyr_names_add(&c->sources, from[i].path));
            PYR_TRY_OUT(add_part(&parts, &from[i], classes));
        }
    if (train == 0) /* test files alone are a data set too */
        train = all;
    PYR_TRY_OUT(pyr_new(&labels, (size_t)all, sizeof *labels, name));
    for (size_t i = 0; i < parts.n; i++) {
        PYR_TRY_OUT(pyr_cifar_labels(labels + at, parts.at[i].name, parts.at[i].n, classes));
        at += parts.at[i].n;
    }
    PYR_TRY_OUT(pyr_collection_pack_parts(c, &parts, PYR_CIFAR_SIDE, PYR_CIFAR_SIDE, 3, train));
    PYR_TRY_OUT(pyr_collection_has(c, train < all, false));
    if (wanted)
        for (int64_t i = 0; i < all; i++)
            c->at[i].label = labels[i];
    pyr_text_add(&c->how, "images and labels are CIFAR-%d's binary files%s%s", classes,
                 train < all ? "; held out is its test file" : "",
                 wanted ? "" : "; labels are left aside as data.classes says");
out:
    pyr_parts_free(&parts);
    pyr_free(labels);
    return status;
}

static pyr_status collect_folder(pyr_collection *c, const char *folder, const pyr_names *names)
{
    part *parts = NULL;
    size_t n = 0;
    int classes = 0;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&parts, names->n, sizeof *parts, folder));
    for (size_t i = 0; i < names->n; i++) {
        bool test;
        int kind = classes_of(&test, names->at[i]);

        if (!kind)
            continue;
        if (classes && kind != classes)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                                 "%s: files of CIFAR-10 and CIFAR-100 in one folder; separate them", folder));
        classes = kind;
        parts[n].test = test;
        PYR_TRY_OUT(pyr_path_new(&parts[n++].path, folder, names->at[i]));
        PYR_TRY_OUT(pyr_cifar_count(&parts[n - 1].records, &kind, parts[n - 1].path));
    }
    PYR_TRY_OUT(collect_parts(c, parts, n, classes, folder));
    PYR_TRY_OUT(
        pyr_collection_names(c, folder, classes == 100 ? "fine_label_names.txt" : "batches.meta.txt"));
out:
    for (size_t i = 0; i < n; i++)
        pyr_free(parts[i].path);
    pyr_free(parts);
    return status;
}

static pyr_status collect(pyr_collection *c, const pyr_data_path *at)
{
    part file = {.path = (char *)(uintptr_t)at->path}; /* not written to */
    int classes = 0;

    if (at->names)
        return collect_folder(c, at->path, at->names);
    PYR_TRY(pyr_cifar_count(&file.records, &classes, at->path));
    return collect_parts(c, &file, 1, classes, at->path);
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
