/* idx_folder.c - data sets of IDX files: MNIST and those that have its form. */
#include "arrays/idx_file.h"
#include "images/array_labels.h"
#include "images/data_format.h"
#include "images/packed_parts.h"
#include "layouts/emnist.h"

#include "base/mem.h"
#include <string.h>

/* The four files of a data set; labels may be missing. */
typedef struct four {
    char *images[2], *labels[2]; /* [0] train, [1] test */
} four;

static void four_free(four *p)
{
    for (int i = 0; i < 2; i++) {
        pyr_free(p->images[i]);
        pyr_free(p->labels[i]);
    }
}

/* train-images-idx3-ubyte, t10k-labels.idx1-ubyte.gz, emnist-letters-test-images-idx3-ubyte,
 * qmnist-train-labels-idx2-int.gz, ... */
static bool is_file_of(const char *name, const char *part, const char *what)
{
    const char *at = strstr(name, part);

    return at && at[strlen(part)] == '-' && strncmp(at + strlen(part) + 1, what, strlen(what)) == 0 &&
           strstr(at, "idx") && pyr_ending_of(name, "ubyte ubyte.gz -int -int.gz");
}

static pyr_status pick(char **out, const char *folder, const pyr_names *names, const char *part,
                       const char *what)
{
    const char *picked = NULL;

    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->at[i];
        bool inner = false;

        if (!is_file_of(name, part, what))
            continue;
        PYR_TRY(pyr_folder_exists_in(&inner, folder, name));
        if (inner) /* unpackers put a file into a folder of its name */
            continue;
        /* The plain file sorts before its .gz and is the quicker one. */
        if (picked && !(strncmp(name, picked, strlen(picked)) == 0 && pyr_ends_with(name, ".gz")))
            return pyr_fail(PYR_E_FORMAT,
                            "%s: both %s and %s could be its %s %s; give the path of one file (its labels "
                            "are found beside it)",
                            folder, picked, name, part, what);
        if (!picked)
            picked = name;
    }
    return picked ? pyr_path_new(out, folder, picked) : PYR_OK;
}

static pyr_status is_folder(bool *yes, const pyr_data_path *at)
{
    for (size_t i = 0; i < at->names->n && !*yes; i++) {
        const char *name = at->names->at[i];

        *yes = is_file_of(name, "train", "images") || is_file_of(name, "t10k", "images") ||
               is_file_of(name, "test", "images");
    }
    return PYR_OK;
}

/* The files of CIFAR and STL-10 may begin with two zeros as well. */
static pyr_status is_file(pyr_match *match, const pyr_data_path *at)
{
    bool gzip = at->n >= 2 && at->start[0] == 0x1f && at->start[1] == 0x8b;
    bool idx = at->n >= 4 && !at->start[0] && !at->start[1] && at->start[2];

    *match = (gzip || idx) && !pyr_ends_with(at->path, ".bin") ? PYR_MATCH_WEAK : PYR_MATCH_NO;
    return PYR_OK;
}

static pyr_status add_part(pyr_parts *parts, pyr_collection *c, pyr_value_file *met, const char *path)
{
    pyr_packed_part *part;

    PYR_TRY(pyr_parts_add_file(&part, parts, met, c, path, pyr_idx_header));
    if (pyr_emnist_is(path)) /* transposed: the sides of what is read are exchanged */
        part->record = (pyr_record){
            .type = met->type, .elements = part->record.elements, .down = 1, .right = (size_t)met->size[2]};
    return PYR_OK;
}

/* ---- labels ---- */

/* Of n images from the collection's `first` on. Of several numbers for each image the first counts when they
 * are QMNIST's eight: the class, the writer, ... */
static pyr_status read_labels(pyr_collection *c, int64_t first, int64_t n, const char *path,
                              const char *images)
{
    pyr_value_file idx;
    int64_t *labels, k, step;
    const char *type;
    pyr_status status;

    PYR_TRY(pyr_value_file_whole(&labels, &idx, path, pyr_idx_header));
    type = pyr_npy_type_name(idx.type);
    if (idx.rank > 2)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: IDX of rank %d, labels should be of rank 1", path, idx.rank));
    if (idx.size[0] != n)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %lld labels for the %lld images of %s", path,
                             (long long)idx.size[0], (long long)n, images));
    if (*type == 'f')
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %s values, labels should be whole numbers", path, type));
    k = (int64_t)idx.count / n;
    step = k == 8 ? 8 : 1;
    for (int64_t i = 0; i * step < (int64_t)idx.count; i++)
        labels[i] = labels[i * step];
    PYR_TRY_OUT(pyr_names_add(&c->sources, path));
    PYR_TRY_OUT(pyr_collection_label(c, first, n, labels, k / step, path));
out:
    pyr_free(labels);
    return status;
}

static pyr_status label(pyr_collection *c, const four *p, const int64_t n[2])
{
    for (int i = 0; i < 2 && p->images[i]; i++)
        if (p->labels[i])
            PYR_TRY(read_labels(c, i ? n[0] : 0, n[i], p->labels[i], p->images[i]));
        else if (p->labels[!i])
            pyr_text_add(&c->notes, "; %s has no labels beside it", p->images[i]);
    if (pyr_emnist_is(p->images[0]))
        PYR_TRY(pyr_emnist_classes(c, p->images[0]));
    return PYR_OK;
}

static void describe(pyr_collection *c, const four *p)
{
    pyr_text_add(&c->how, "images are %s", pyr_base_name(p->images[0]));
    if (p->images[1])
        pyr_text_add(&c->how, "; held out is %s", pyr_base_name(p->images[1]));
    if (!pyr_collection_wants_labels(c) && (p->labels[0] || p->labels[1]))
        pyr_text_add(&c->how, "; labels are left aside as data.classes says");
    else if (p->labels[0])
        pyr_text_add(&c->how, "; labels are %s", pyr_base_name(p->labels[0]));
    if (p->labels[1] && pyr_collection_wants_labels(c))
        pyr_text_add(&c->how, "%s%s", p->labels[0] ? ", " : "; labels are ", pyr_base_name(p->labels[1]));
    if (pyr_emnist_is(p->images[0]))
        pyr_text_add(&c->how, "; EMNIST's pictures, which are transposed in its files, are turned upright");
}

static pyr_status collect_four(pyr_collection *c, const four *p)
{
    pyr_value_file idx[2] = {{0}, {0}};
    pyr_parts parts = {0};
    int64_t n[2] = {0};
    bool turn = pyr_emnist_is(p->images[0]);
    pyr_status status = PYR_OK;

    c->kind = "IDX";
    PYR_TRY(pyr_collection_has(c, p->images[1] != NULL, false));
    for (int i = 0; i < 2 && p->images[i]; i++) {
        PYR_TRY_OUT(add_part(&parts, c, &idx[i], p->images[i]));
        n[i] = idx[i].size[0];
        if (idx[i].rank < 3)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                                 "%s: IDX of rank %d holds labels, not images; give the images' file",
                                 p->images[i], idx[i].rank));
        if (i == 1 && memcmp(idx[0].size + 1, idx[1].size + 1, 3 * sizeof *idx[0].size) != 0)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                                 "%s: its images are %lldx%lldx%lld, those of %s are %lldx%lldx%lld; a data "
                                 "set has one size",
                                 p->images[1], (long long)idx[1].size[1], (long long)idx[1].size[2],
                                 (long long)idx[1].size[3], p->images[0], (long long)idx[0].size[1],
                                 (long long)idx[0].size[2], (long long)idx[0].size[3]));
    }
    PYR_TRY_OUT(pyr_collection_pack_parts(c, &parts, (int)idx[0].size[turn ? 2 : 1],
                                          (int)idx[0].size[turn ? 1 : 2], (int)idx[0].size[3], 1, NULL,
                                          NULL));
    if (pyr_collection_wants_labels(c))
        PYR_TRY_OUT(label(c, p, n));
    describe(c, p);
out:
    pyr_parts_free(&parts);
    return status;
}

static pyr_status pick_four(four *p, const char *folder, const pyr_names *names)
{
    PYR_TRY(pick(&p->images[0], folder, names, "train", "images"));
    PYR_TRY(pick(&p->labels[0], folder, names, "train", "labels"));
    for (int i = 0; i < 2 && !p->images[1]; i++) {
        PYR_TRY(pick(&p->images[1], folder, names, i ? "test" : "t10k", "images"));
        if (p->images[1])
            PYR_TRY(pick(&p->labels[1], folder, names, i ? "test" : "t10k", "labels"));
    }
    if (!p->images[0]) { /* test files alone are a data set too */
        pyr_free(p->labels[0]);
        *p = (four){.images = {p->images[1]}, .labels = {p->labels[1]}};
    }
    return PYR_OK;
}

/* .../x-images-idx3-ubyte(.gz) -> .../x-labels-idx1-ubyte, or QMNIST's -idx2-int, with or without .gz; NULL
 * when there is none. */
static pyr_status labels_beside(char **out, const char *images)
{
    const char *base = pyr_base_name(images);
    const char *word = strstr(base, "images"), *rank = word ? strstr(word, "idx") : NULL;

    if (!rank || !rank[3])
        return PYR_OK;
    const char *tail = rank + 4;
    int plain = (int)(strlen(tail) - (pyr_ends_with(tail, ".gz") ? 3 : 0));
    for (int i = 0; i < 4 && !*out; i++) {
        const char *gz = i & 1 ? ".gz" : "";
        int before = (int)(word - images), between = (int)(rank - (word + 6));

        PYR_TRY(pyr_format(out, "%.*slabels%.*s%s%.*s%s", before, images, between, word + 6,
                           i < 2 ? "idx1" : "idx2-int", i < 2 ? plain : 0, tail, gz));
        PYR_TRY(pyr_path_if_file(out));
    }
    return PYR_OK;
}

/* EMNIST is unpacked into one folder of six parts, each with a test set of its own: beside the training
 * images of one, these are its test images. NULL when there are none. */
static pyr_status test_beside(char **out, const char *images)
{
    const char *word = strstr(pyr_base_name(images), "-train-images-");
    int before = word ? (int)(word - images) : 0;

    if (!word || !pyr_emnist_is(images))
        return PYR_OK;
    PYR_TRY(pyr_format(out, "%.*s-test-images-%s", before, images, word + strlen("-train-images-")));
    return pyr_path_if_file(out);
}

static pyr_status collect(pyr_collection *c, const pyr_data_path *at)
{
    four p = {0};
    pyr_status status;

    if (at->names)
        PYR_TRY_OUT(pick_four(&p, at->path, at->names));
    else {
        PYR_TRY_OUT(pyr_format(&p.images[0], "%s", at->path));
        PYR_TRY_OUT(labels_beside(&p.labels[0], at->path));
        PYR_TRY_OUT(test_beside(&p.images[1], at->path));
        if (p.images[1])
            PYR_TRY_OUT(labels_beside(&p.labels[1], p.images[1]));
    }
    PYR_TRY_OUT(collect_four(c, &p));
    if (at->names)
        PYR_TRY_OUT(pyr_collection_names(c, at->path, "batches.meta.txt"));
out:
    four_free(&p);
    return status;
}

const pyr_data_format pyr_data_format_idx = {
    .name = "IDX",
    .files = "train-images-idx3-ubyte, .gz or not",
    .help = "MNIST, Fashion-MNIST, KMNIST, EMNIST, QMNIST and their like; the files of the test set "
            "(`t10k`, `test`) are held out, labels are found beside the images; EMNIST is turned upright",
    .is_file = is_file,
    .is_folder = is_folder,
    .collect = collect,
};
