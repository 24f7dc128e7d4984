/* image_list.c - what the names of image files mean (classes, a test set, labels from elsewhere), wherever
 * they lie: in folders (image_folder.c) or in a zip archive (image_zip.c). */
#include "images/collection.h"

#include "base/mem.h"
#include "images/dataset_json.h"
#include "images/image_file.h"
#include <stdlib.h>
#include <string.h>

bool pyr_left_aside(const char *name)
{
    return name[0] == '.' || strcmp(name, "__MACOSX") == 0;
}

/* ---- classes ---- */

static pyr_status class_number(int32_t *out, pyr_collection *c, const char *name, size_t n)
{
    char *copy;
    pyr_status status;

    for (size_t i = c->classes.n; i-- > 0;) /* from the end: files of a class stand together */
        if (strncmp(c->classes.at[i], name, n) == 0 && !c->classes.at[i][n]) {
            *out = (int32_t)i;
            return PYR_OK;
        }
    copy = pyr_strfmt("%.*s", (int)n, name);
    if (!copy)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a class");
    *out = (int32_t)c->classes.n;
    status = pyr_names_add(&c->classes, copy);
    pyr_free(copy);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(**(char **const *)a, **(char **const *)b);
}

/* Labels follow the sorted names, wherever a class was met first. */
static pyr_status sort_classes(pyr_collection *c)
{
    size_t n = c->classes.n;
    char ***order = NULL, **sorted = NULL;
    int32_t *label = NULL;
    pyr_status status = PYR_OK;

    if (n == 0)
        return PYR_OK;
    PYR_TRY_OUT(pyr_new(&order, n, sizeof *order, "classes"));
    PYR_TRY_OUT(pyr_new(&sorted, n, sizeof *sorted, "classes"));
    PYR_TRY_OUT(pyr_new(&label, n, sizeof *label, "classes"));
    for (size_t i = 0; i < n; i++)
        order[i] = &c->classes.at[i];
    qsort(order, n, sizeof *order, by_name);
    for (size_t i = 0; i < n; i++) {
        sorted[i] = *order[i];
        label[order[i] - c->classes.at] = (int32_t)i;
    }
    memcpy(c->classes.at, sorted, n * sizeof *sorted);
    for (int64_t i = 0; i < c->n; i++)
        if (c->at[i].label >= 0)
            c->at[i].label = label[c->at[i].label];
out:
    pyr_free(order);
    pyr_free(sorted);
    pyr_free(label);
    return status;
}

/* ---- the list ---- */

typedef struct others {
    int64_t n;
    char first[64];
} others;

/* The name of `file` inside `folder` ("train/"), or NULL when it is elsewhere. */
static const char *inside(const char *file, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(file, folder, n) == 0 ? file + n : NULL;
}

static bool any_inside(const pyr_names *files, const char *folder)
{
    for (size_t i = 0; i < files->n; i++)
        if (inside(files->at[i], folder))
            return true;
    return false;
}

/* The images inside `folder` ("" is everywhere); if `classes`, the folders that are in it are classes.
 * Returns how many files there were of any kind through *met. */
static pyr_status add_inside(pyr_collection *c, others *o, size_t *met, const char *root,
                             const pyr_names *files, const char *folder, bool classes, bool test)
{
    for (size_t i = 0; i < files->n; i++) {
        const char *name = inside(files->at[i], folder), *slash;
        int32_t label = -1;

        if (!name)
            continue;
        ++*met;
        if (!pyr_image_named(name)) {
            slash = strrchr(name, '/');
            if (o->n++ == 0)
                snprintf(o->first, sizeof o->first, "%s", slash ? slash + 1 : name);
            continue;
        }
        slash = classes ? strchr(name, '/') : NULL;
        if (slash)
            PYR_TRY(class_number(&label, c, name, (size_t)(slash - name)));
        PYR_TRY(pyr_collection_add(c, pyr_strfmt("%s%s", root, files->at[i]), label, test));
    }
    return PYR_OK;
}

/* Labels by file: each image has one, and each label has its image. */
static pyr_status put_labels(pyr_collection *c, const char *root, const pyr_file_labels *labels)
{
    size_t skip = strlen(root), used = 0;
    bool *met = NULL;
    pyr_status status;

    PYR_TRY(pyr_new(&met, labels->n, sizeof *met, "the labels"));
    for (int64_t i = 0; i < c->n; i++) {
        int64_t at = pyr_file_labels_find(labels, c->at[i].path + skip);

        if (at < 0)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s%s: no label for %s, though %zu other images have one",
                                 root, PYR_DATASET_JSON, c->at[i].path + skip, labels->n));
        c->at[i].label = labels->at[at].label;
        met[at] = true;
        used++;
    }
    for (size_t i = 0; i < labels->n; i++)
        if (!met[i])
            PYR_TRY_OUT(
                pyr_fail(PYR_E_FORMAT,
                         "%s%s: a label for %.500s, which is not among the %zu images; %zu labels have "
                         "no image",
                         root, PYR_DATASET_JSON, labels->at[i].name, used, labels->n - used));
out:
    pyr_free(met);
    return status;
}

pyr_status pyr_collect_listed(pyr_collection *c, const char *root, const pyr_names *files,
                              const pyr_file_labels *labels)
{
    static const char *const test_names[] = {"test/", "val/", "valid/", "validation/"};
    const char *test = NULL;
    others o = {0};
    size_t met = 0;

    if (!labels->edm && any_inside(files, "train/"))
        for (size_t i = 0; !test && i < sizeof test_names / sizeof *test_names; i++)
            test = any_inside(files, test_names[i]) ? test_names[i] : NULL;
    if (test) {
        PYR_TRY(add_inside(c, &o, &met, root, files, "train/", true, false));
        PYR_TRY(add_inside(c, &o, &met, root, files, test, true, true));
        if (met < files->n)
            pyr_text_add(&c->notes, "; only train/ and %s are used", test);
    } else
        PYR_TRY(add_inside(c, &o, &met, root, files, "", !labels->edm, false));
    o.n -= labels->edm; /* dataset.json */
    if (o.n)
        pyr_text_add(&c->notes, "; %lld file%s of other kinds left aside%s%s%s", (long long)o.n,
                     o.n == 1 ? "" : "s", labels->edm ? "" : " (such as ", labels->edm ? "" : o.first,
                     labels->edm ? "" : ")");
    if (labels->n && c->n)
        PYR_TRY(put_labels(c, root, labels));
    return sort_classes(c);
}
