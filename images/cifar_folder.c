/* cifar_folder.c - data sets of CIFAR's binary files. */
#include "arrays/cifar_file.h"
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

pyr_status pyr_cifar_folder_is(bool *yes, const char *folder, const pyr_names *names)
{
    bool test;

    (void)folder;
    *yes = false;
    for (size_t i = 0; i < names->n && !*yes; i++)
        *yes = classes_of(&test, names->at[i]);
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
    pyr_part_bytes *bytes;

    record.first = (size_t)pyr_cifar_label_bytes(classes);
    record.elements += record.first;
    PYR_TRY(pyr_part_file(&bytes, from->path));
    return pyr_parts_add(parts, bytes, from->path, record, from->records);
}

static pyr_status collect(pyr_collection *c, const part *from, size_t n, int classes, const char *name)
{
    int64_t all = 0, train = 0, at = 0;
    int32_t *labels = NULL;
    pyr_parts parts = {0};
    bool wanted = !c->set->classes || strcmp(c->set->classes, "none") != 0;
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

pyr_status pyr_collect_cifar_folder(pyr_collection *c, const char *folder, const pyr_names *names)
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
        if (classes && kind != classes) {
            status = pyr_fail(PYR_E_FORMAT,
                              "%s: files of CIFAR-10 and CIFAR-100 in one folder; separate them", folder);
            goto out;
        }
        classes = kind;
        parts[n].test = test;
        parts[n].path = pyr_path_join(folder, names->at[i]);
        if (!parts[n++].path) {
            status = pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
            goto out;
        }
        PYR_TRY_OUT(pyr_cifar_count(&parts[n - 1].records, &kind, parts[n - 1].path));
    }
    PYR_TRY_OUT(collect(c, parts, n, classes, folder));
    PYR_TRY_OUT(
        pyr_collection_names(c, folder, classes == 100 ? "fine_label_names.txt" : "batches.meta.txt"));
out:
    for (size_t i = 0; i < n; i++)
        pyr_free(parts[i].path);
    pyr_free(parts);
    return status;
}

pyr_status pyr_collect_cifar_file(pyr_collection *c, const char *path)
{
    part p = {.path = pyr_strdup(path)};
    int classes = 0;
    pyr_status status;

    if (!p.path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
    PYR_TRY_OUT(pyr_cifar_count(&p.records, &classes, path));
    PYR_TRY_OUT(collect(c, &p, 1, classes, path));
out:
    pyr_free(p.path);
    return status;
}
