/* stl_folder.c - STL-10's binary files (A. Coates, H. Lee, A. Ng, "An analysis of single-layer networks in
 * unsupervised feature learning", 2011): train_X.bin, test_X.bin and unlabeled_X.bin hold pictures of 96x96
 * as a red, a green and a blue plane, each column by column; train_y.bin and test_y.bin a byte 1..10 for
 * each. */
#include "images/data_format.h"
#include "images/packed_parts.h"

#include "base/mem.h"
#include <string.h>

enum { SIDE = 96, PIXELS = SIDE * SIDE * 3, CLASSES = 10 };
static const char *const part_names[] = {"train_X.bin", "test_X.bin", "unlabeled_X.bin"};
static const char *const class_names[CLASSES] = {"airplane", "bird",  "car",    "cat",  "deer",
                                                 "dog",      "horse", "monkey", "ship", "truck"};

static bool is_one_of(const char *name)
{
    return strcmp(name, part_names[0]) == 0 || strcmp(name, part_names[1]) == 0 ||
           strcmp(name, part_names[2]) == 0;
}

static pyr_status is_folder(bool *yes, const pyr_data_path *at)
{
    for (size_t i = 0; i < at->names->n && !*yes; i++)
        *yes = is_one_of(at->names->at[i]);
    return PYR_OK;
}

static pyr_status is_file(pyr_match *match, const pyr_data_path *at)
{
    pyr_value_file file;

    if (!is_one_of(pyr_base_name(at->path)))
        return PYR_OK;
    PYR_TRY(pyr_value_file_open(&file, at->path, NULL));
    pyr_value_file_close(&file);
    *match = file.bytes % PIXELS == 0 ? PYR_MATCH_SURE : PYR_MATCH_NO;
    return PYR_OK;
}

/* The file of labels that belongs to one of pictures; NULL in *out: there is none. */
static pyr_status labels_of(char **out, const char *path)
{
    PYR_TRY(pyr_format(out, "%.*sy.bin", (int)(strlen(path) - strlen("X.bin")), path));
    return pyr_path_if_file(out);
}

/* *arg becomes true where there is one. */
static pyr_status read_labels(pyr_collection *c, int64_t first, const pyr_packed_part *part, void *arg)
{
    pyr_value_file file;
    int64_t *labels = NULL;
    char *path;
    pyr_status status;

    PYR_TRY_OUT(labels_of(&path, part->name));
    if (!path)
        return PYR_OK;
    *(bool *)arg = true;
    PYR_TRY_OUT(pyr_value_file_whole(&labels, &file, path, NULL));
    if (file.count != (uint64_t)part->n)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %llu labels for %lld images; copy or download it again", path,
                             (unsigned long long)file.count, (long long)part->n));
    for (int64_t i = 0; i < part->n; i++) {
        if (labels[i] < 1 || labels[i] > CLASSES)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: label %lld is %lld, STL-10 has 1..%d", path, (long long)i,
                                 (long long)labels[i], CLASSES));
        c->at[first + i].label = (int32_t)labels[i] - 1;
    }
    PYR_TRY_OUT(pyr_names_add(&c->sources, path));
out:
    pyr_free(labels);
    pyr_free(path);
    return status;
}

static pyr_status add_part(pyr_parts *parts, pyr_collection *c, const char *path)
{
    const pyr_record record = {.type = PYR_NPY_U1, /* columns first */
                               .elements = PIXELS,
                               .down = 1,
                               .right = SIDE,
                               .next = SIDE * SIDE};
    pyr_packed_part *part;
    pyr_value_file file;

    PYR_TRY(pyr_parts_add_file(&part, parts, &file, c, path, NULL));
    if (file.bytes % PIXELS)
        return pyr_fail(
            PYR_E_FORMAT,
            "%s: %llu bytes are not whole STL-10 pictures of %d bytes; the file is cut short: copy or "
            "download it again",
            path, (unsigned long long)file.bytes, PIXELS);
    part->record = record;
    part->n = (int64_t)(file.bytes / PIXELS);
    return PYR_OK;
}

static pyr_status name_classes(pyr_collection *c, const char *folder)
{
    PYR_TRY(pyr_collection_names(c, folder, "class_names.txt"));
    for (int i = 0; i < CLASSES && c->classes.n < CLASSES; i++)
        if (c->classes.n == (size_t)i)
            PYR_TRY(pyr_names_add(&c->classes, class_names[i]));
    return PYR_OK;
}

/* One or two files of pictures, the second held out. */
static pyr_status collect_files(pyr_collection *c, char *const *paths, int n, const char *folder)
{
    bool labelled = false;
    pyr_parts parts = {0};
    pyr_status status;

    c->kind = "STL-10";
    PYR_TRY(pyr_collection_has(c, n > 1, false));
    for (int i = 0; i < n; i++)
        PYR_TRY_OUT(add_part(&parts, c, paths[i]));
    PYR_TRY_OUT(pyr_collection_pack_parts(c, &parts, SIDE, SIDE, 3, 1,
                                          pyr_collection_wants_labels(c) ? read_labels : NULL, &labelled));
    if (labelled)
        PYR_TRY_OUT(name_classes(c, folder));
    pyr_text_add(&c->how, "images are %s%s%s", pyr_base_name(paths[0]),
                 n > 1 ? "; held out is test_X.bin" : "",
                 labelled ? "; labels 1..10 of the _y.bin beside are classes 0..9" : "");
out:
    pyr_parts_free(&parts);
    return status;
}

static pyr_status collect_folder(pyr_collection *c, const char *folder, const pyr_names *names)
{
    char *paths[3] = {NULL}, *chosen[2];
    bool has[3] = {false};
    int n = 0;
    pyr_status status = PYR_OK;

    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < names->n; k++)
            has[i] |= strcmp(names->at[k], part_names[i]) == 0;
        if (has[i])
            PYR_TRY_OUT(pyr_path_new(&paths[i], folder, part_names[i]));
    }
    for (int i = 0; i < 2; i++)
        if (has[i])
            chosen[n++] = paths[i];
    if (!n)
        chosen[n++] = paths[2];
    PYR_TRY_OUT(collect_files(c, chosen, n, folder));
    if (has[2] && chosen[0] != paths[2])
        pyr_text_add(&c->how, "; unlabeled_X.bin is left aside (give its path to train on it)");
out:
    for (int i = 0; i < 3; i++)
        pyr_free(paths[i]);
    return status;
}

static pyr_status collect(pyr_collection *c, const pyr_data_path *at)
{
    char *path = (char *)(uintptr_t)at->path, *folder; /* path: not written to */
    pyr_status status;

    if (at->names)
        return collect_folder(c, at->path, at->names);
    PYR_TRY(pyr_format(&folder, "%.*s", (int)(pyr_base_name(path) - path), path));
    status = collect_files(c, &path, 1, folder);
    pyr_free(folder);
    return status;
}

const pyr_data_format pyr_data_format_stl = {
    .name = "STL-10",
    .files = "train_X.bin",
    .help = "`test_X.bin` is held out; labels are in the `_y.bin` beside, 1 to 10 become classes 0 to 9; "
            "`unlabeled_X.bin` is read when it is given itself",
    .is_file = is_file,
    .is_folder = is_folder,
    .collect = collect,
};
