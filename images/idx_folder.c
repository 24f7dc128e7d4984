#include "images/collection.h"

#include "base/mem.h"
#include "images/idx_file.h"
#include <string.h>

/* The four files of a data set; labels may be missing. */
typedef struct parts {
    char *images[2], *labels[2]; /* [0] train, [1] test */
} parts;

static void parts_free(parts *p)
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

/* train-images-idx3-ubyte, t10k-labels.idx1-ubyte.gz, emnist-letters-test-images-idx3-ubyte, ... */
static bool plays(const char *name, const char *part, const char *what)
{
    const char *at = strstr(name, part);

    return at && at[strlen(part)] == '-' && strncmp(at + strlen(part) + 1, what, strlen(what)) == 0 &&
           strstr(at, "idx") && (ends(name, "ubyte") || ends(name, "ubyte.gz"));
}

static pyr_status pick(char **out, const char *folder, const pyr_names *names, const char *part,
                       const char *what)
{
    const char *picked = NULL;

    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->at[i];

        if (!plays(name, part, what))
            continue;
        /* The plain file sorts before its .gz and is the quicker one. */
        if (picked && !(strncmp(name, picked, strlen(picked)) == 0 && ends(name, ".gz")))
            return pyr_fail(PYR_E_FORMAT, "%s: both %s and %s could be its %s %s; give the path of one file",
                            folder, picked, name, part, what);
        if (!picked)
            picked = name;
    }
    if (picked && !(*out = pyr_path_join(folder, picked)))
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
    return PYR_OK;
}

bool pyr_idx_folder_is(const pyr_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        if (plays(names->at[i], "train", "images") || plays(names->at[i], "t10k", "images") ||
            plays(names->at[i], "test", "images"))
            return true;
    return false;
}

static pyr_status read_labels(pyr_found *at, int64_t n, const char *path, const char *images)
{
    pyr_idx idx;
    uint8_t *labels = NULL;
    pyr_status status;

    PYR_TRY(pyr_idx_open(&idx, path));
    if (idx.rank != 1 || idx.size[0] != n) {
        status = idx.rank != 1 ? pyr_fail(PYR_E_FORMAT, "%s: IDX of rank %d, labels should be of rank 1",
                                          path, idx.rank)
                               : pyr_fail(PYR_E_FORMAT, "%s: %lld labels for the %lld images of %s", path,
                                          (long long)idx.size[0], (long long)n, images);
        goto out;
    }
    PYR_TRY_OUT(pyr_new(&labels, (size_t)n, 1, path));
    PYR_TRY_OUT(pyr_idx_read(&idx, labels));
    for (int64_t i = 0; i < n; i++)
        at[i].label = labels[i];
out:
    pyr_free(labels);
    pyr_idx_close(&idx);
    return status;
}

static pyr_status collect(pyr_collection *c, const parts *p)
{
    pyr_idx idx[2] = {{0}, {0}};
    int64_t n[2] = {0}, size;
    pyr_packed *packed;
    uint8_t *block;
    pyr_status status = PYR_OK;

    c->kind = "IDX";
    for (int i = 0; i < 2 && p->images[i]; i++) {
        PYR_TRY_OUT(pyr_names_add(&c->sources, p->images[i]));
        PYR_TRY_OUT(pyr_idx_open(&idx[i], p->images[i]));
        n[i] = idx[i].size[0];
        if (idx[i].rank < 3) {
            status =
                pyr_fail(PYR_E_FORMAT, "%s: IDX of rank %d holds labels, not images; give the images' file",
                         p->images[i], idx[i].rank);
            goto out;
        }
        if (i == 1 && memcmp(idx[0].size + 1, idx[1].size + 1, 3 * sizeof *idx[0].size) != 0) {
            status = pyr_fail(PYR_E_FORMAT,
                              "%s: its images are %lldx%lldx%lld, those of %s are %lldx%lldx%lld; "
                              "a data set has one size",
                              p->images[1], (long long)idx[1].size[1], (long long)idx[1].size[2],
                              (long long)idx[1].size[3], p->images[0], (long long)idx[0].size[1],
                              (long long)idx[0].size[2], (long long)idx[0].size[3]);
            goto out;
        }
    }
    size = idx[0].size[1] * idx[0].size[2] * idx[0].size[3];
    PYR_TRY_OUT(pyr_new(&block, (size_t)(n[0] + n[1]), (size_t)size, p->images[0]));
    PYR_TRY_OUT(pyr_packed_block(&packed, block, n[0] + n[1], (int)idx[0].size[1], (int)idx[0].size[2],
                                 (int)idx[0].size[3], 8));
    PYR_TRY_OUT(pyr_collection_pack(c, packed, n[0] + n[1], n[0]));
    for (int i = 0; i < 2 && p->images[i]; i++) {
        int64_t first = i ? n[0] : 0;

        PYR_TRY_OUT(pyr_idx_read(&idx[i], block + first * size));
        if (p->labels[i])
            PYR_TRY_OUT(read_labels(c->at + first, n[i], p->labels[i], p->images[i]));
        else if (p->labels[!i])
            pyr_text_add(&c->notes, "; labels are not used: %s has none beside it", p->images[i]);
    }
out:
    pyr_idx_close(&idx[0]);
    pyr_idx_close(&idx[1]);
    return status;
}

pyr_status pyr_collect_idx_folder(pyr_collection *c, const char *folder, const pyr_names *names)
{
    parts p = {0};
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
        p = (parts){.images = {p.images[1]}, .labels = {p.labels[1]}};
    }
    PYR_TRY_OUT(collect(c, &p));
    PYR_TRY_OUT(pyr_collection_names(c, folder, "batches.meta.txt"));
out:
    parts_free(&p);
    return status;
}

/* .../x-images-idx3-ubyte(.gz) -> .../x-labels-idx1-ubyte, with or without .gz; NULL when there is none. */
static pyr_status labels_beside(char **out, const char *images)
{
    const char *base = strrchr(images, '/') ? strrchr(images, '/') + 1 : images;
    const char *word = strstr(base, "images"), *rank = word ? strstr(word, "idx") : NULL;

    if (!rank || !rank[3])
        return PYR_OK;
    const char *tail = rank + 4;
    int plain = (int)(strlen(tail) - (ends(tail, ".gz") ? 3 : 0));
    for (int gz = 0; gz < 2 && !*out; gz++) {
        char *path = pyr_strfmt("%.*slabels%.*sidx1%.*s%s", (int)(word - images), images,
                                (int)(rank - (word + 6)), word + 6, plain, tail, gz ? ".gz" : "");

        if (!path)
            return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
        if (pyr_is_file(path))
            *out = path;
        else
            pyr_free(path);
    }
    return PYR_OK;
}

pyr_status pyr_collect_idx_file(pyr_collection *c, const char *path)
{
    parts p = {.images = {pyr_strdup(path)}};
    pyr_status status;

    if (!p.images[0])
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
    PYR_TRY_OUT(labels_beside(&p.labels[0], path));
    PYR_TRY_OUT(collect(c, &p));
out:
    parts_free(&p);
    return status;
}
