#include "images/collection.h"

#include "base/mem.h"
#include "images/image_file.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 16 }; /* folders in folders; a link to a folder above would have no end */

typedef struct others {
    int64_t n;
    char first[64];
} others;

static bool left_aside(const char *name)
{
    return name[0] == '.' || strcmp(name, "__MACOSX") == 0; /* what file managers and archives leave */
}

static pyr_status class_number(int32_t *out, pyr_collection *c, const char *name)
{
    for (size_t i = 0; i < c->classes.n; i++)
        if (strcmp(c->classes.at[i], name) == 0) {
            *out = (int32_t)i;
            return PYR_OK;
        }
    *out = (int32_t)c->classes.n;
    return pyr_names_add(&c->classes, name);
}

/* All image files under `folder`. At depth 0 the names of subfolders are
 * classes; `class` is the one that the files below belong to, or NULL. */
static pyr_status walk(pyr_collection *c, others *o, const char *folder, const pyr_names *given,
                       const char *class, bool test, int depth)
{
    pyr_names own = {0};
    const pyr_names *names = given ? given : &own;
    char *path = NULL;
    int32_t label = -1;
    pyr_status status = PYR_OK;

    if (depth > DEEPEST)
        return pyr_fail(PYR_E_FORMAT, "%s: folders are nested more than %d deep; a link to a folder above?",
                        folder, DEEPEST);
    if (!given)
        PYR_TRY(pyr_folder_names(&own, folder));
    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->at[i];

        if (left_aside(name))
            continue;
        path = pyr_path_join(folder, name);
        if (!path) {
            status = pyr_fail(PYR_E_NOMEM, "out of memory for the name of an image");
            goto out;
        }
        if (pyr_is_folder(path)) {
            PYR_TRY_OUT(walk(c, o, path, NULL, depth == 0 ? name : class, test, depth + 1));
        } else if (pyr_image_named(name)) {
            char *file = path;

            path = NULL;
            if (class && label < 0) {
                status = class_number(&label, c, class);
                if (status != PYR_OK) {
                    pyr_free(file);
                    goto out;
                }
            }
            PYR_TRY_OUT(pyr_collection_add(c, file, label, test));
        } else if (o->n++ == 0)
            snprintf(o->first, sizeof o->first, "%s", name);
        pyr_free(path);
        path = NULL;
    }
out:
    pyr_free(path);
    pyr_names_free(&own);
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

/* The subfolder `name` of `folder` when it is one, else NULL. */
static pyr_status subfolder(char **out, const char *folder, const pyr_names *names, const char *name)
{
    *out = NULL;
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->at[i], name) == 0) {
            char *path = pyr_path_join(folder, name);

            if (!path)
                return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a folder");
            if (pyr_is_folder(path))
                *out = path;
            else
                pyr_free(path);
        }
    return PYR_OK;
}

pyr_status pyr_collect_image_folder(pyr_collection *c, const char *folder, const pyr_names *names)
{
    static const char *const test_names[] = {"test", "val", "valid", "validation"};
    others o = {0};
    char *train = NULL, *test = NULL;
    pyr_status status;

    c->kind = "image files";
    PYR_TRY_OUT(subfolder(&train, folder, names, "train"));
    for (size_t i = 0; train && !test && i < sizeof test_names / sizeof *test_names; i++)
        PYR_TRY_OUT(subfolder(&test, folder, names, test_names[i]));
    if (train && test) {
        PYR_TRY_OUT(walk(c, &o, train, NULL, NULL, false, 0));
        PYR_TRY_OUT(walk(c, &o, test, NULL, NULL, true, 0));
        if (names->n > 2)
            pyr_text_add(&c->notes, "; only train/ and %s/ are used", strrchr(test, '/') + 1);
    } else
        PYR_TRY_OUT(walk(c, &o, folder, names, NULL, false, 0));
    if (o.n)
        pyr_text_add(&c->notes, "; %lld file%s of other kinds left aside (such as %s)", (long long)o.n,
                     o.n == 1 ? "" : "s", o.first);
    PYR_TRY_OUT(sort_classes(c));
out:
    pyr_free(train);
    pyr_free(test);
    return status;
}

typedef struct decoding {
    pyr_found *at;
    int h, w;
    pyr_fit fit;
} decoding;

static pyr_status decode_one(void *arg, int task, int lane)
{
    const decoding *d = arg;
    pyr_found *found = &d->at[task];
    pyr_status status;

    (void)lane;
    status = pyr_image_read(&found->image, found->path);
    if (status == PYR_E_FORMAT || status == PYR_E_IO || status == PYR_E_UNSUPPORTED) {
        found->bad = pyr_strdup(pyr_error());
        return found->bad ? PYR_OK
                          : pyr_fail(PYR_E_NOMEM, "out of memory for the reason why %s is bad", found->path);
    }
    if (status != PYR_OK)
        return status;
    found->opaque = pyr_image_opaque(&found->image);
    if (d->h && (found->image.h != d->h || found->image.w != d->w)) {
        pyr_image fitted;

        PYR_TRY(pyr_image_fit(&fitted, &found->image, d->h, d->w, d->fit));
        pyr_image_free(&found->image);
        found->image = fitted;
        found->fitted = true;
    }
    return PYR_OK;
}

pyr_status pyr_collect_decode(pyr_collection *c, pyr_pool *pool, int h, int w, pyr_fit fit)
{
    decoding d = {.at = c->at, .h = h, .w = w, .fit = fit};

    if (c->n > INT_MAX)
        return pyr_fail(PYR_E_FORMAT, "%lld image files, at most %d are read", (long long)c->n, INT_MAX);
    return pyr_pool_run(pool, (int)c->n, decode_one, &d);
}
