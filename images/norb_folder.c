/* norb_folder.c - NORB's binary matrices (Y. LeCun, F. J. Huang, L. Bottou, "Learning methods for generic
 * object recognition with invariance to pose and lighting", 2004; the form is described on NORB's pages,
 * cs.nyu.edu/~ylclab/data/norb-v1.0-small).
 *
 * A file is a magic number, which stands for the type of the values, the number of dimensions, their sizes
 * (at least three are stored, those beyond the number mean nothing), each in four bytes, then the values;
 * all little-endian. X-dat.mat holds (n, k, h, w) pictures, in NORB k = 2 grey ones of each object, from
 * the left and the right; X-cat.mat holds n classes; X-info.mat (instance, elevation, azimuth, lighting) is
 * not read. The name X has "training" or "testing" in it. */
#include "images/array_labels.h"
#include "images/data_format.h"
#include "images/packed_parts.h"

#include "base/mem.h"
#include <string.h>
#include <strings.h>

/* ---- a file ---- */

static uint32_t little_endian(const unsigned char bytes[4])
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static pyr_npy_type type_of(uint32_t magic)
{
    static const pyr_npy_type types[] = {
        PYR_NPY_F4, PYR_NPY_OTHER /* packed */, PYR_NPY_F8, PYR_NPY_I4, PYR_NPY_U1, PYR_NPY_I2};
    uint32_t i = magic - 0x1E3D4C51u;

    return i < sizeof types / sizeof *types ? types[i] : PYR_NPY_OTHER;
}

/* (n, k, h, w) becomes size (n, h, w, k), so that k is bounded as channels are. */
static pyr_status header(pyr_value_file *file)
{
    unsigned char bytes[4];
    uint32_t rank;
    int64_t size[4] = {1, 1, 1, 1};

    PYR_TRY(pyr_value_file_head(file, bytes, 4));
    file->type = type_of(little_endian(bytes));
    if (file->type == PYR_NPY_OTHER)
        return pyr_fail(PYR_E_FORMAT, "%s: not a binary matrix (its magic number is 0x%08X)", file->path,
                        little_endian(bytes));
    PYR_TRY(pyr_value_file_head(file, bytes, 4));
    rank = little_endian(bytes);
    if (rank < 1 || rank > 4)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: a binary matrix of rank %u, should be 1 (labels), 3 (n, h, w) or 4 (n, k, h, w)",
                        file->path, rank);
    for (uint32_t i = 0; i < (rank < 3 ? 3 : rank); i++) {
        PYR_TRY(pyr_value_file_head(file, bytes, 4));
        if (i < rank)
            size[i] = little_endian(bytes);
    }
    file->rank = (int)rank;
    memcpy(file->size, rank < 4 ? size : (int64_t[]){size[0], size[2], size[3], size[1]}, sizeof size);
    return PYR_OK;
}

static bool is_matrix(const char *path)
{
    unsigned char start[4];

    return pyr_value_file_start(start, 4, path) && type_of(little_endian(start)) != PYR_NPY_OTHER;
}

static pyr_status is_file(pyr_match *match, const pyr_data_path *at)
{
    *match = is_matrix(at->path) ? PYR_MATCH_SURE : PYR_MATCH_NO;
    return PYR_OK;
}

/* ---- the files of a folder ---- */

static const char dat[] = "-dat.mat -dat.mat.gz";

/* A file of pictures that counts: not X-dat.mat.gz where X-dat.mat is beside it. */
static bool counts(const pyr_names *names, size_t i)
{
    const char *name = names->at[i], *before = i ? names->at[i - 1] : "";
    size_t plain = strlen(name) - strlen(".gz");

    return pyr_ending_of(name, dat) && !pyr_left_aside(name) &&
           !(pyr_ends_with(name, ".gz") && strlen(before) == plain && memcmp(before, name, plain) == 0);
}

static pyr_status is_folder(bool *yes, const pyr_data_path *at)
{
    for (size_t i = 0; i < at->names->n && !*yes; i++) {
        char *path;

        if (!counts(at->names, i))
            continue;
        PYR_TRY(pyr_path_new(&path, at->path, at->names->at[i]));
        *yes = is_matrix(path);
        pyr_free(path);
    }
    return PYR_OK;
}

/* ---- labels ---- */

/* X-cat.mat or X-cat.mat.gz beside X-dat.mat; NULL in *out: neither is there. */
static pyr_status labels_beside(char **out, const char *images)
{
    size_t ending = pyr_ending_of(images, dat);

    *out = NULL;
    for (int gz = 0; gz < 2 && ending && !*out; gz++) {
        PYR_TRY(pyr_format(out, "%.*s-cat.mat%s", (int)(strlen(images) - ending), images, gz ? ".gz" : ""));
        PYR_TRY(pyr_path_if_file(out));
    }
    return PYR_OK;
}

typedef struct labelling {
    int views; /* images of each object */
    bool any;
} labelling;

static pyr_status label(pyr_collection *c, int64_t first, const pyr_packed_part *part, void *arg)
{
    labelling *l = arg;
    pyr_value_file file;
    int64_t n = part->n, views = l->views, *labels = NULL, *table = NULL;
    char *path;
    pyr_status status;

    PYR_TRY_OUT(labels_beside(&path, part->name));
    if (!path)
        return PYR_OK;
    l->any = true;
    PYR_TRY_OUT(pyr_value_file_whole(&labels, &file, path, header));
    if (file.count != (uint64_t)(n / views))
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %llu labels for %lld objects; copy or download it again",
                             path, (unsigned long long)file.count, (long long)(n / views)));
    PYR_TRY_OUT(pyr_new(&table, (size_t)n, sizeof *table, path));
    for (int64_t i = 0; i < n; i++)
        table[i] = labels[i / views];
    PYR_TRY_OUT(pyr_names_add(&c->sources, path));
    PYR_TRY_OUT(pyr_collection_label(c, first, n, table, 1, path));
out:
    pyr_free(labels);
    pyr_free(table);
    pyr_free(path);
    return status;
}

/* NORB's own classes, when the file is named as its files are. */
static pyr_status name_classes(pyr_collection *c, const char *path)
{
    static const char *const names[] = {"animal", "human", "airplane", "truck", "car", "none"};
    int32_t most = -1;

    for (int64_t i = 0; i < c->n; i++)
        most = c->at[i].label > most ? c->at[i].label : most;
    path = pyr_base_name(path);
    if (strncasecmp(path, "norb-", 5) != 0 && strncasecmp(path, "smallnorb-", 10) != 0)
        return PYR_OK;
    for (int i = 0; most >= 0 && most < 6 && i < (most == 5 ? 6 : 5); i++)
        PYR_TRY(pyr_names_add(&c->classes, names[i]));
    return PYR_OK;
}

/* ---- all of it ---- */

/* Three pictures of an object are the planes of a colour picture. */
static int channels_of(const pyr_value_file *met)
{
    return met->size[3] == 3 ? 3 : 1;
}

static pyr_status add_part(pyr_parts *parts, pyr_collection *c, pyr_value_file *first, const char *path)
{
    pyr_value_file met;
    pyr_packed_part *part;
    int h, w;

    PYR_TRY(pyr_parts_add_file(&part, parts, &met, c, path, header));
    h = (int)met.size[1];
    w = (int)met.size[2];
    if (met.rank < 3)
        return pyr_fail(PYR_E_FORMAT, "%s: a binary matrix of labels; give the file of images, -dat.mat",
                        path);
    if (parts->n > 1 && memcmp(met.size + 1, first->size + 1, 3 * sizeof *met.size) != 0)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: its images are %dx%d, those of %s are %dx%d; a data set has one size", path, h,
                        w, parts->at[0].name, (int)first->size[1], (int)first->size[2]);
    *first = met;
    part->record = pyr_record_planes(met.type, h, w, channels_of(&met));
    part->n = met.size[0] * met.size[3] / channels_of(&met);
    return PYR_OK;
}

/* The first `train` of these files are for training. */
static pyr_status collect_files(pyr_collection *c, const pyr_names *paths, size_t train)
{
    pyr_parts parts = {0};
    pyr_value_file met = {0};
    labelling labels = {0};
    int channels, views;
    pyr_status status;

    c->kind = "NORB";
    PYR_TRY(pyr_collection_has(c, train < paths->n, false));
    for (size_t i = 0; i < paths->n; i++)
        PYR_TRY_OUT(add_part(&parts, c, &met, paths->at[i]));
    channels = channels_of(&met);
    views = labels.views = (int)met.size[3] / channels;
    PYR_TRY_OUT(pyr_collection_pack_parts(c, &parts, (int)met.size[1], (int)met.size[2], channels, train,
                                          pyr_collection_wants_labels(c) ? label : NULL, &labels));
    pyr_text_add(&c->how, "images are %s%s", pyr_base_name(paths->at[0]), train > 1 ? " and its like" : "");
    if (train < paths->n)
        pyr_text_add(&c->how, "; held out is %s%s", pyr_base_name(paths->at[train]),
                     paths->n - train > 1 ? " and its like" : "");
    if (views > 1 && train == paths->n && !pyr_wishes(c->set->split, "all"))
        PYR_TRY_OUT(pyr_names_format(
            &c->warnings,
            "held out pictures are drawn by chance, and the other of their pair may be trained on: give a "
            "folder with a file -testing-dat.mat, or --split all"));
    if (views > 1)
        pyr_text_add(&c->how, "; the %d pictures of each object (left, right) are images of their own",
                     views);
    if (labels.any) {
        pyr_text_add(&c->how, "; labels are in the -cat.mat beside");
        PYR_TRY_OUT(name_classes(c, paths->at[0]));
    }
out:
    pyr_parts_free(&parts);
    return status;
}

static pyr_status collect(pyr_collection *c, const pyr_data_path *at)
{
    char *path = (char *)(uintptr_t)at->path; /* not written to */
    pyr_names paths = {0};
    size_t train = 0;
    pyr_status status;

    if (!at->names)
        return collect_files(c, &(pyr_names){.at = &path, .n = 1}, 1);
    for (int test = 0; test < 2; test++)
        for (size_t i = 0; i < at->names->n; i++) {
            if (!counts(at->names, i) || (strstr(at->names->at[i], "-testing-") != NULL) != test)
                continue;
            PYR_TRY_OUT(pyr_names_format(&paths, "%s/%s", at->path, at->names->at[i]));
            train += !test;
        }
    PYR_TRY_OUT(collect_files(c, &paths, train ? train : paths.n)); /* a test set alone is a data set, too */
out:
    pyr_names_free(&paths);
    return status;
}

const pyr_data_format pyr_data_format_norb = {
    .name = "NORB",
    .files = "smallnorb-...-training-dat.mat, .gz or not",
    .help = "binary matrices `(n, k, h, w)` of NORB and small NORB, which are no MATLAB files: the k grey "
            "pictures of an object (2: left and right) are images of their own, with the object's class of "
            "`-cat.mat`; files named `-testing-` are held out",
    .is_file = is_file,
    .is_folder = is_folder,
    .collect = collect,
};
