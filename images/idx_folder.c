/* idx_folder.c - data sets of IDX files: MNIST and those that have its form. */
#include "arrays/idx_file.h"
#include "images/array_labels.h"
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

static bool ends(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);

    return n >= m && strcmp(name + n - m, ending) == 0;
}

/* train-images-idx3-ubyte, t10k-labels.idx1-ubyte.gz, emnist-letters-test-images-idx3-ubyte,
 * qmnist-train-labels-idx2-int.gz, ... */
static bool plays(const char *name, const char *part, const char *what)
{
    const char *at = strstr(name, part);

    return at && at[strlen(part)] == '-' && strncmp(at + strlen(part) + 1, what, strlen(what)) == 0 &&
           strstr(at, "idx") &&
           (ends(name, "ubyte") || ends(name, "ubyte.gz") || ends(name, "-int") || ends(name, "-int.gz"));
}

/* Unpackers put a file into a folder of its name. */
static pyr_status is_folder_in(bool *yes, const char *folder, const char *name)
{
    char *path = pyr_path_join(folder, name);
    pyr_status status;

    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
    status = pyr_folder_exists(yes, path);
    pyr_free(path);
    return status;
}

static pyr_status pick(char **out, const char *folder, const pyr_names *names, const char *part,
                       const char *what)
{
    const char *picked = NULL;

    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->at[i];
        bool inner = false;

        if (!plays(name, part, what))
            continue;
        PYR_TRY(is_folder_in(&inner, folder, name));
        if (inner)
            continue;
        /* The plain file sorts before its .gz and is the quicker one. */
        if (picked && !(strncmp(name, picked, strlen(picked)) == 0 && ends(name, ".gz")))
            return pyr_fail(PYR_E_FORMAT,
                            "%s: both %s and %s could be its %s %s; give the path of one file (its labels "
                            "are found beside it)",
                            folder, picked, name, part, what);
        if (!picked)
            picked = name;
    }
    if (picked && !(*out = pyr_path_join(folder, picked)))
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
    return PYR_OK;
}

pyr_status pyr_idx_folder_is(bool *yes, const char *folder, const pyr_names *names)
{
    (void)folder;
    *yes = false;
    for (size_t i = 0; i < names->n && !*yes; i++)
        *yes = plays(names->at[i], "train", "images") || plays(names->at[i], "t10k", "images") ||
               plays(names->at[i], "test", "images");
    return PYR_OK;
}

/* ---- a file of images, in portions ---- */

typedef struct idx_bytes {
    pyr_part_bytes bytes; /* first, so that a pyr_part_bytes is one */
    pyr_idx idx;
    pyr_idx met; /* its header as it was first met */
    char path[];
} idx_bytes;

static void bytes_close(pyr_part_bytes *bytes)
{
    pyr_idx_close(&((idx_bytes *)bytes)->idx);
}

static pyr_status bytes_open(pyr_part_bytes *bytes)
{
    idx_bytes *b = (idx_bytes *)bytes;

    PYR_TRY(pyr_idx_open(&b->idx, b->path));
    if (b->idx.type == b->met.type && memcmp(b->idx.size, b->met.size, sizeof b->met.size) == 0)
        return PYR_OK;
    bytes_close(bytes);
    return pyr_fail(PYR_E_FORMAT, "%s: the file became another one while it was read", b->path);
}

static pyr_status bytes_read(pyr_part_bytes *bytes, void *dst, size_t count)
{
    return pyr_idx_read(&((idx_bytes *)bytes)->idx, dst, count);
}

static pyr_status bytes_end(pyr_part_bytes *bytes)
{
    return pyr_idx_end(&((idx_bytes *)bytes)->idx);
}

static void bytes_free(pyr_part_bytes *bytes)
{
    bytes_close(bytes);
    pyr_free(bytes);
}

static pyr_status add_part(pyr_parts *parts, const char *path, const pyr_idx *met)
{
    static const pyr_part_bytes calls = {bytes_open, bytes_read, bytes_end, bytes_close, bytes_free};
    int h = (int)met->size[1], w = (int)met->size[2];
    pyr_record record = pyr_record_pixels(met->type, h, w, (int)met->size[3]);
    idx_bytes *b;

    if (pyr_emnist_is(path)) /* transposed: the sides of what is read are exchanged */
        record = (pyr_record){.type = met->type, .elements = record.elements, .down = 1, .right = (size_t)w};
    PYR_TRY(pyr_new(&b, 1, sizeof *b + strlen(path) + 1, path));
    b->bytes = calls;
    b->met = *met;
    strcpy(b->path, path);
    return pyr_parts_add(parts, &b->bytes, path, record, met->size[0]);
}

/* ---- labels ---- */

/* Of n images from the collection's `first` on. Of several numbers for each image the first counts when they
 * are QMNIST's eight: the class, the writer, ... */
static pyr_status read_labels(pyr_collection *c, int64_t first, int64_t n, const char *path,
                              const char *images)
{
    pyr_idx idx;
    char *raw = NULL;
    int64_t *labels = NULL;
    size_t size;
    pyr_status status;

    PYR_TRY(pyr_idx_open(&idx, path));
    if (idx.rank > 2 || idx.size[0] != n || pyr_npy_type_name(idx.type)[0] == 'f') {
        status = idx.rank > 2 ? pyr_fail(PYR_E_FORMAT, "%s: IDX of rank %d, labels should be of rank 1", path,
                                         idx.rank)
                 : idx.size[0] != n ? pyr_fail(PYR_E_FORMAT, "%s: %lld labels for the %lld images of %s",
                                               path, (long long)idx.size[0], (long long)n, images)
                                    : pyr_fail(PYR_E_FORMAT, "%s: %s values, labels should be whole numbers",
                                               path, pyr_npy_type_name(idx.type));
        goto out;
    }
    size = pyr_npy_type_size(idx.type);
    PYR_TRY_OUT(pyr_new(&raw, idx.count, size, path));
    PYR_TRY_OUT(pyr_new(&labels, idx.count, sizeof *labels, path));
    PYR_TRY_OUT(pyr_idx_read(&idx, raw, idx.count));
    PYR_TRY_OUT(pyr_idx_end(&idx));
    int64_t k = (int64_t)idx.count / n, step = k == 8 ? 8 : 1;
    for (int64_t i = 0; i * step < (int64_t)idx.count; i++)
        labels[i] = (int64_t)pyr_npy_value(raw + (size_t)(i * step) * size, idx.type);
    PYR_TRY_OUT(pyr_names_add(&c->sources, path));
    PYR_TRY_OUT(pyr_collection_label(c, first, n, labels, k / step, path));
out:
    pyr_free(raw);
    pyr_free(labels);
    pyr_idx_close(&idx);
    return status;
}

static bool wants_labels(const pyr_collection *c)
{
    return !c->set->classes || strcmp(c->set->classes, "none") != 0;
}

static const char *base_of(const char *path)
{
    return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
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

static void tell_how(pyr_collection *c, const four *p)
{
    pyr_text_add(&c->how, "images are %s", base_of(p->images[0]));
    if (p->images[1])
        pyr_text_add(&c->how, "; held out is %s", base_of(p->images[1]));
    if (!wants_labels(c) && (p->labels[0] || p->labels[1]))
        pyr_text_add(&c->how, "; labels are left aside as data.classes says");
    else if (p->labels[0])
        pyr_text_add(&c->how, "; labels are %s", base_of(p->labels[0]));
    if (p->labels[1] && wants_labels(c))
        pyr_text_add(&c->how, "%s%s", p->labels[0] ? ", " : "; labels are ", base_of(p->labels[1]));
    if (pyr_emnist_is(p->images[0]))
        pyr_text_add(&c->how, "; EMNIST's pictures, which are transposed in its files, are turned upright");
}

static pyr_status collect(pyr_collection *c, const four *p)
{
    pyr_idx idx[2] = {{0}, {0}};
    pyr_parts parts = {0};
    int64_t n[2] = {0};
    bool turn = pyr_emnist_is(p->images[0]);
    pyr_status status = PYR_OK;

    c->kind = "IDX";
    PYR_TRY(pyr_collection_has(c, p->images[1] != NULL, false));
    for (int i = 0; i < 2 && p->images[i]; i++) {
        PYR_TRY_OUT(pyr_names_add(&c->sources, p->images[i]));
        PYR_TRY_OUT(pyr_idx_open(&idx[i], p->images[i]));
        pyr_idx_close(&idx[i]);
        n[i] = idx[i].size[0];
        if (idx[i].rank < 3) {
            status =
                pyr_fail(PYR_E_FORMAT, "%s: IDX of rank %d holds labels, not images; give the images' file",
                         p->images[i], idx[i].rank);
            goto out;
        }
        if (i == 1 && memcmp(idx[0].size + 1, idx[1].size + 1, 3 * sizeof *idx[0].size) != 0) {
            status = pyr_fail(PYR_E_FORMAT,
                              "%s: its images are %lldx%lldx%lld, those of %s are %lldx%lldx%lld; a data "
                              "set has one size",
                              p->images[1], (long long)idx[1].size[1], (long long)idx[1].size[2],
                              (long long)idx[1].size[3], p->images[0], (long long)idx[0].size[1],
                              (long long)idx[0].size[2], (long long)idx[0].size[3]);
            goto out;
        }
        PYR_TRY_OUT(add_part(&parts, p->images[i], &idx[i]));
    }
    PYR_TRY_OUT(pyr_collection_pack_parts(c, &parts, (int)idx[0].size[turn ? 2 : 1],
                                          (int)idx[0].size[turn ? 1 : 2], (int)idx[0].size[3], n[0]));
    if (wants_labels(c))
        PYR_TRY_OUT(label(c, p, n));
    tell_how(c, p);
out:
    pyr_parts_free(&parts);
    return status;
}

pyr_status pyr_collect_idx_folder(pyr_collection *c, const char *folder, const pyr_names *names)
{
    four p = {0};
    pyr_status status;

    PYR_TRY_OUT(pick(&p.images[0], folder, names, "train", "images"));
    PYR_TRY_OUT(pick(&p.labels[0], folder, names, "train", "labels"));
    for (int i = 0; i < 2 && !p.images[1]; i++) {
        PYR_TRY_OUT(pick(&p.images[1], folder, names, i ? "test" : "t10k", "images"));
        if (p.images[1])
            PYR_TRY_OUT(pick(&p.labels[1], folder, names, i ? "test" : "t10k", "labels"));
    }
    if (!p.images[0]) { /* test files alone are a data set too */
        pyr_free(p.labels[0]);
        p = (four){.images = {p.images[1]}, .labels = {p.labels[1]}};
    }
    PYR_TRY_OUT(collect(c, &p));
    PYR_TRY_OUT(pyr_collection_names(c, folder, "batches.meta.txt"));
out:
    four_free(&p);
    return status;
}

/* .../x-images-idx3-ubyte(.gz) -> .../x-labels-idx1-ubyte, or QMNIST's -idx2-int, with or without .gz; NULL
 * when there is none. */
static pyr_status labels_beside(char **out, const char *images)
{
    const char *base = base_of(images);
    const char *word = strstr(base, "images"), *rank = word ? strstr(word, "idx") : NULL;

    if (!rank || !rank[3])
        return PYR_OK;
    const char *tail = rank + 4;
    int plain = (int)(strlen(tail) - (ends(tail, ".gz") ? 3 : 0));
    for (int i = 0; i < 4 && !*out; i++) {
        bool there;
        pyr_status status;
        const char *gz = i & 1 ? ".gz" : "";
        int before = (int)(word - images), between = (int)(rank - (word + 6));
        char *path =
            i < 2 ? pyr_strfmt("%.*slabels%.*sidx1%.*s%s", before, images, between, word + 6, plain, tail, gz)
                  : pyr_strfmt("%.*slabels%.*sidx2-int%s", before, images, between, word + 6, gz);

        if (!path)
            return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
        status = pyr_file_exists(&there, path);
        if (there)
            *out = path;
        else
            pyr_free(path);
        PYR_TRY(status);
    }
    return PYR_OK;
}

/* EMNIST is unpacked into one folder of six parts, each with a test set of its own: beside the training
 * images of one, these are its test images. NULL when there are none. */
static pyr_status test_beside(char **out, const char *images)
{
    const char *word = strstr(base_of(images), "-train-images-");
    int before = word ? (int)(word - images) : 0;
    bool there;
    pyr_status status;

    if (!word || !pyr_emnist_is(images))
        return PYR_OK;
    *out = pyr_strfmt("%.*s-test-images-%s", before, images, word + strlen("-train-images-"));
    if (!*out)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
    status = pyr_file_exists(&there, *out);
    if (!there) {
        pyr_free(*out);
        *out = NULL;
    }
    return status;
}

pyr_status pyr_collect_idx_file(pyr_collection *c, const char *path)
{
    four p = {.images = {pyr_strdup(path)}};
    pyr_status status;

    if (!p.images[0])
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
    PYR_TRY_OUT(labels_beside(&p.labels[0], path));
    PYR_TRY_OUT(test_beside(&p.images[1], path));
    if (p.images[1])
        PYR_TRY_OUT(labels_beside(&p.labels[1], p.images[1]));
    PYR_TRY_OUT(collect(c, &p));
out:
    four_free(&p);
    return status;
}
