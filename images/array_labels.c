/* array_labels.c - numbers, rows with a single 1, and texts to labels. */
#include "images/array_labels.h"

#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

/* The place of the one 1 in a row of zeros; -1: it is no such row. */
static int64_t place_of_one(const int64_t *row, int64_t k)
{
    int64_t place = -1;

    for (int64_t i = 0; i < k; i++) {
        if (row[i] == 0)
            continue;
        if (row[i] != 1 || place >= 0)
            return -1;
        place = i;
    }
    return place;
}

pyr_status pyr_collection_label(pyr_collection *c, int64_t first, int64_t n, const int64_t *table, int64_t k,
                                const char *name)
{
    int64_t without = 0;

    for (int64_t i = 0; k > 1 && i < n; i++)
        if (place_of_one(table + i * k, k) < 0) {
            pyr_text_add(&c->notes, "; %s has %lld numbers for each image and no single class: not used",
                         name, (long long)k);
            return PYR_OK;
        }
    for (int64_t i = 0; i < n; i++) {
        int64_t label = k > 1 ? place_of_one(table + i * k, k) : table[i];

        if (label < -1 || label >= PYR_LABEL_MOST)
            return pyr_fail(
                PYR_E_FORMAT,
                "%s: label %lld is %lld, should be 0..%d, or -1 for none; --set data.classes=none leaves "
                "labels unread",
                name, (long long)i, (long long)label, PYR_LABEL_MOST - 1);
        c->at[first + i].label = (int32_t)label;
        without += label < 0;
    }
    if (k > 1)
        pyr_text_add(&c->notes, "; %s is one-hot: the place of the 1 is the class", name);
    if (without && without < n)
        pyr_text_add(&c->notes, "; classes are not used: %lld of %lld labels are -1", (long long)without,
                     (long long)n);
    return PYR_OK;
}

/* ---- texts ---- */

typedef struct named {
    const char *text;
    bool test;
} named;

static int by_part_and_text(const void *a, const void *b)
{
    const named *x = a, *y = b;

    return x->test != y->test ? (x->test ? 1 : -1) : strcmp(x->text, y->text);
}

static int by_text(const void *a, const void *b)
{
    const named *x = a, *y = b;
    int order = strcmp(x->text, y->text);

    return order ? order : (int)x->test - (int)y->test;
}

/* Each text once, as of a training image where there is one. */
static size_t each_once(named *at, size_t n)
{
    size_t kept = 0;

    qsort(at, n, sizeof *at, by_text);
    for (size_t i = 0; i < n; i++)
        if (!kept || strcmp(at[kept - 1].text, at[i].text) != 0)
            at[kept++] = at[i];
    qsort(at, kept, sizeof *at, by_part_and_text);
    return kept;
}

static int32_t find(const named *classes, size_t n, const char *text)
{
    for (int test = 0; test < 2; test++) {
        named key = {text, test};
        const named *found = bsearch(&key, classes, n, sizeof *classes, by_part_and_text);

        if (found)
            return (int32_t)(found - classes);
    }
    return -1;
}

pyr_status pyr_collection_label_texts(pyr_collection *c, char *const *texts, const char *name)
{
    named *classes;
    size_t n = 0;
    pyr_status status;

    PYR_TRY(pyr_new(&classes, (size_t)c->n, sizeof *classes, name));
    for (int64_t i = 0; i < c->n; i++)
        if (texts[i])
            classes[n++] = (named){texts[i], c->at[i].test};
    size_t all = n;
    n = n ? each_once(classes, n) : 0;
    if (n > PYR_LABEL_MOST || (n > 2 && 2 * n > all)) {
        pyr_text_add(&c->notes, "; %s has %zu texts for %zu images, which are no classes: not used", name, n,
                     all);
        status = PYR_OK;
        goto out;
    }
    for (size_t k = 0; k < n; k++)
        PYR_TRY_OUT(pyr_names_add(&c->classes, classes[k].text));
    for (int64_t i = 0; i < c->n; i++)
        if (texts[i])
            c->at[i].label = find(classes, n, texts[i]);
    status = PYR_OK;
out:
    pyr_free(classes);
    return status;
}
