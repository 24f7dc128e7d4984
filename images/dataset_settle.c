/* dataset_settle.c - what is decided about found images: which are bad, one size, channels and bits, the
 * split, labels and classes, and what a person should know of it. */
#include "images/dataset_internal.h"

#include "base/mem.h"
#include "base/philox.h"
#include "base/shown.h"
#include "pictures/range.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- bad files and sizes ---- */

/* Collect the bad ones into `skipped`, or fail with their names. */
static pyr_status settle_bad(pyr_names *skipped, pyr_collection *c, const pyr_data_settings *s)
{
    enum { NAMED = 3 };
    pyr_text list = {0};
    int64_t bad = 0, all = c->n;
    pyr_status status = PYR_OK;

    for (int64_t i = 0; i < all; i++) {
        if (!c->at[i].bad)
            continue;
        /* 200 characters each, so that the head of the sentence and all three fit into it */
        if (bad++ < NAMED)
            pyr_text_add(&list, "%s%.200s", bad > 1 ? "; " : "", c->at[i].bad);
        if (s->skip_bad)
            PYR_TRY_OUT(pyr_names_add(skipped, c->at[i].bad));
    }
    if (!bad)
        goto out;
    if (bad > NAMED)
        pyr_text_add(&list, "; and %lld more", (long long)(bad - NAMED));
    if (list.failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory for the list of bad files");
    else if (bad == all && all == 1)
        status = pyr_fail(PYR_E_FORMAT, "%s", list.at);
    else if (bad == all)
        status =
            pyr_fail(PYR_E_FORMAT, "none of the %lld image files can be used: %s", (long long)all, list.at);
    else if (!s->skip_bad)
        status = pyr_fail(
            PYR_E_FORMAT,
            "%lld of %lld image files cannot be used (mend them, or leave them out with --skip-bad): %s",
            (long long)bad, (long long)all, list.at);
    else
        pyr_collection_drop(c, false);
out:
    pyr_text_free(&list);
    return status;
}

typedef struct size {
    int h, w;
    int64_t first, n; /* an image of this size, how many there are */
} size;

static int by_size(const void *a, const void *b)
{
    const size *x = a, *y = b;

    if (x->h != y->h)
        return x->h < y->h ? -1 : 1;
    if (x->w != y->w)
        return x->w < y->w ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

static int by_count(const void *a, const void *b)
{
    const size *x = a, *y = b;

    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    return by_size(a, b);
}

/* Images of several sizes and nothing said about it: a sentence with the two
 * commonest; or, with skip_bad, the odd ones are marked bad. */
static pyr_status settle_odd_sizes(pyr_collection *c, const pyr_data_settings *s)
{
    size *sizes = NULL;
    char *path = NULL, *other = NULL;
    int64_t n = 0;
    pyr_status status;

    PYR_TRY(pyr_new(&sizes, (size_t)c->n, sizeof *sizes, "the survey of sizes"));
    for (int64_t i = 0; i < c->n; i++)
        sizes[i] = (size){c->at[i].h, c->at[i].w, i, 1};
    qsort(sizes, (size_t)c->n, sizeof *sizes, by_size);
    for (int64_t i = 0; i < c->n; i++)
        if (n && sizes[n - 1].h == sizes[i].h && sizes[n - 1].w == sizes[i].w)
            sizes[n - 1].n++;
        else
            sizes[n++] = sizes[i];
    qsort(sizes, (size_t)n, sizeof *sizes, by_count);

    const size *most = &sizes[0], *next = &sizes[1];
    PYR_TRY_OUT(pyr_collection_path(&path, c, most->first));
    PYR_TRY_OUT(pyr_collection_path(&other, c, next->first));
    /* Leaving out is meant for the odd file; without a majority the data is of many sizes. */
    if (!s->skip_bad || 2 * most->n <= c->n)
        PYR_TRY_OUT(pyr_fail(
            PYR_E_FORMAT,
            "images of %lld sizes: %dx%d (%lld, such as %.300s), %dx%d (%lld, such as %.300s)%s; bring them "
            "to one size with --resize HxW or --crop%s",
            (long long)n, most->h, most->w, (long long)most->n, path, next->h, next->w, (long long)next->n,
            other, n > 2 ? ", ..." : "",
            2 * most->n > c->n ? ", or leave the odd ones out with --skip-bad" : ""));
    for (int64_t i = 0; i < c->n; i++) {
        pyr_found *found = &c->at[i];

        if (found->h == most->h && found->w == most->w)
            continue;
        pyr_free(path);
        path = NULL;
        PYR_TRY_OUT(pyr_collection_path(&path, c, i));
        PYR_TRY_OUT(pyr_format(&found->bad, "%s: %dx%d, the others are %dx%d", path, found->h, found->w,
                               most->h, most->w));
    }
    status = PYR_OK;
out:
    pyr_free(sizes);
    pyr_free(path);
    pyr_free(other);
    return status;
}

pyr_target pyr_target_of(const pyr_data_settings *s)
{
    return (pyr_target){.h = s->resize_h ? s->resize_h : s->resize_w,
                        .w = s->resize_w ? s->resize_w : s->resize_h,
                        .fit = s->crop ? PYR_FIT_ASPECT : PYR_FIT_STRETCH};
}

static pyr_status settle_size(pyr_target *t, pyr_names *skipped, pyr_collection *c,
                              const pyr_data_settings *s)
{
    int least_h = INT_MAX, least_w = INT_MAX;
    int64_t others = 0;

    for (int64_t i = 0; i < c->n; i++) {
        const pyr_found *found = &c->at[i];

        least_h = found->h < least_h ? found->h : least_h;
        least_w = found->w < least_w ? found->w : least_w;
    }
    if (!t->h)
        *t = (pyr_target){least_h, least_w, PYR_FIT_CENTRE};
    for (int64_t i = 0; i < c->n; i++)
        others += c->at[i].fitted || c->at[i].h != t->h || c->at[i].w != t->w;
    if (!others)
        return PYR_OK;
    if (t->fit != PYR_FIT_CENTRE || s->crop) {
        pyr_text_add(&c->notes, "; %lld %s to %dx%d", (long long)others,
                     t->fit == PYR_FIT_STRETCH  ? "resized"
                     : t->fit == PYR_FIT_ASPECT ? "cropped and resized"
                                                : "cropped",
                     t->h, t->w);
        return PYR_OK;
    }
    PYR_TRY(settle_odd_sizes(c, s));
    PYR_TRY(settle_bad(skipped, c, s));
    t->h = c->at[0].h; /* not of its image, which may not have been kept */
    t->w = c->at[0].w;
    return PYR_OK;
}

/* ---- channels and bits ---- */

static void settle_samples(pyr_dataset *set, pyr_collection *c, int channels)
{
    int64_t kinds[5] = {0}, deep = 0;
    int met = 0;
    bool alpha = false;

    for (int64_t i = 0; i < c->n; i++) {
        const pyr_found *found = &c->at[i];

        met += kinds[found->c]++ == 0;
        deep += found->bits == 16;
        alpha |= !found->opaque;
    }
    bool colour = kinds[3] + kinds[4] > 0, some_alpha = kinds[2] + kinds[4] > 0;
    set->c = channels ? channels : alpha ? 4 : colour ? 3 : 1;
    set->bits = deep ? 16 : 8;
    if (met > 1 || kinds[set->c] == 0) {
        const char *between = ": ";

        pyr_text_add(&c->notes, "; %lld images", (long long)c->n);
        for (int kind = 4; kind; kind--)
            if (kinds[kind]) {
                pyr_text_add(&c->notes, "%s%lld %s", between, (long long)kinds[kind],
                             pyr_channels_name(kind));
                between = ", ";
            }
        pyr_text_add(&c->notes, " -> %s", pyr_channels_name(set->c));
    }
    if (some_alpha && set->c != 4)
        pyr_text_add(&c->notes,
                     alpha ? "; alpha composited on black" : "; alpha is opaque everywhere, dropped");
    if (deep && deep < c->n)
        pyr_text_add(&c->notes, "; %lld images of 8 bits widened to 16", (long long)(c->n - deep));
}

/* ---- the split ---- */

typedef struct draw {
    uint64_t ticket;
    int64_t at;
} draw;

static int by_ticket(const void *a, const void *b)
{
    const draw *x = a, *y = b;

    if (x->ticket != y->ticket)
        return x->ticket < y->ticket ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Whether image i is held out depends on its place among the files and the
 * number of images alone: every run, machine and level sees the same split. */
static pyr_status hold_out(bool *held, const pyr_collection *c, int64_t count)
{
    draw *draws;

    PYR_TRY(pyr_new(&draws, (size_t)c->n, sizeof *draws, "the held-out images"));
    for (int64_t i = 0; i < c->n; i++) {
        uint64_t index = (uint64_t)c->at[i].index;
        pyr_rng4 words =
            pyr_philox(UINT64_C(0x68656c64206f7574), (uint32_t)index, (uint32_t)(index >> 32), 0, 0);

        draws[i] = (draw){(uint64_t)words.v[0] << 32 | words.v[1], i};
    }
    qsort(draws, (size_t)c->n, sizeof *draws, by_ticket);
    for (int64_t i = 0; i < count; i++)
        held[draws[i].at] = true;
    pyr_free(draws);
    return PYR_OK;
}

/* order[slot] = the image in the collection that goes there: training, then held out. */
static pyr_status settle_split(pyr_dataset *set, int64_t *order, const pyr_collection *c,
                               const pyr_data_settings *s)
{
    bool all = pyr_wishes(s->split, "all");
    int64_t wanted = s->held_out, slot = 0, tests = 0;
    bool *held;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_new(&held, (size_t)c->n, sizeof *held, "the split"));
    for (int64_t i = 0; i < c->n && !all; i++)
        tests += held[i] = c->at[i].test;
    if (tests == c->n)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                             "all %lld usable images are in the test set, none is left to train on",
                             (long long)tests));
    set->own_test = tests > 0;
    if (!all && !tests) {
        if (wanted < 0)
            wanted = c->n / 10 < 2000 ? c->n / 10 : 2000;
        if (wanted >= c->n)
            PYR_TRY_OUT(pyr_fail(PYR_E_CONFIG, "held_out is %lld, should be 0..%lld: there are %lld images",
                                 (long long)wanted, (long long)(c->n - 1), (long long)c->n));
        PYR_TRY_OUT(hold_out(held, c, wanted));
    }
    for (int part = 0; part < 2; part++) {
        int64_t before = slot;

        for (int64_t i = 0; i < c->n; i++)
            if (held[i] == part)
                order[slot++] = i;
        set->count[part] = slot - before;
    }
out:
    pyr_free(held);
    return status;
}

/* ---- labels ---- */

/* Training images decide on the classes. Images of a test set without a label, where others have one, are
 * left aside; where none has, the test set is held out without labels. */
static pyr_status settle_unlabelled(bool *labelled, pyr_collection *c, const pyr_data_settings *s)
{
    int64_t n[2] = {0}, with[2] = {0};

    for (int64_t i = 0; i < c->n; i++) {
        if (pyr_wishes(s->classes, "none"))
            c->at[i].label = -1;
        n[c->at[i].test]++;
        with[c->at[i].test] += c->at[i].label >= 0;
    }
    if (!n[0]) { /* only a test set */
        n[0] = n[1];
        with[0] = with[1];
        n[1] = with[1] = 0;
    }
    *labelled = with[0] == n[0];
    if (with[0] && !*labelled)
        return pyr_names_format(
            &c->warnings,
            "classes are not used: %lld of %lld training images have no label (--set data.classes=none for "
            "none; else put all into folders of classes, or label all)",
            (long long)(n[0] - with[0]), (long long)n[0]);
    if (!*labelled || with[1] == n[1] || (with[1] == 0 && !pyr_wishes(s->split, "all")))
        return PYR_OK;
    PYR_TRY(pyr_names_format(&c->warnings,
                             "%lld of %lld images of the test set have no label of a training class and are "
                             "left aside (--set data.classes=none uses them without labels)",
                             (long long)(n[1] - with[1]), (long long)n[1]));
    for (int64_t i = 0; i < c->n; i++)
        if (c->at[i].test && c->at[i].label < 0)
            PYR_TRY(pyr_format(&c->at[i].bad, "%s", ""));
    pyr_collection_drop(c, false);
    return PYR_OK;
}

/* Classes without a training image cannot be learned, and so not be drawn. */
static pyr_status warn_of_empty(pyr_collection *c, const pyr_dataset *set)
{
    enum { NAMED = 8 };
    int64_t *images = NULL;
    pyr_text list = {0};
    int empty = 0, first = 0;
    pyr_status status;

    PYR_TRY(pyr_new(&images, (size_t)set->classes, sizeof *images, "the classes"));
    for (int64_t i = 0; i < set->count[PYR_SPLIT_TRAIN]; i++)
        images[set->labels[i]]++;
    while (!images[first])
        first++;
    for (int label = 0; label < set->classes; label++) {
        const char *name = pyr_dataset_class_name(set, label);

        if (images[label] || empty++ >= NAMED)
            continue;
        pyr_text_add(&list, "%s%d", list.at ? ", " : "", label);
        if (name)
            pyr_text_add(&list, " (%s)", name);
    }
    if (list.failed)
        PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory for the classes"));
    if (empty && empty == first)
        status = pyr_names_format(
            &c->warnings,
            "labels begin at %d: class%s %s%s of 0..%d %s no images to train on and cannot be drawn", first,
            empty == 1 ? "" : "es", list.at, empty > NAMED ? ", ..." : "", set->classes - 1,
            empty == 1 ? "has" : "have");
    else if (empty)
        status = pyr_names_format(&c->warnings,
                                  "%d of %d classes have no images to train on and cannot be drawn: %s%s",
                                  empty, set->classes, list.at, empty > NAMED ? ", ..." : "");
    else
        status = PYR_OK;
out:
    pyr_free(images);
    pyr_text_free(&list);
    return status;
}

/* A folder may be called "a\nb"; a class has a name of one line, UTF-8, that can be typed and printed. */
static pyr_status make_printable(pyr_names *names)
{
    pyr_names all = {0};
    pyr_status status = PYR_OK;

    for (size_t i = 0; i < names->n && status == PYR_OK; i++) {
        pyr_text shown = {0};

        if (!pyr_is_shown(names->at[i]))
            pyr_shown_add(&shown, "%s", names->at[i]);
        status = shown.failed ? pyr_fail(PYR_E_NOMEM, "out of memory: the name of a class")
                              : pyr_names_add(&all, shown.at ? shown.at : names->at[i]);
        pyr_text_free(&shown);
    }
    pyr_names_free(names);
    *names = all;
    return status;
}

static pyr_status settle_labels(pyr_dataset *set, pyr_collection *c, const int64_t *order, bool labelled)
{
    int64_t n = c->n;
    int32_t most = -1;

    if (!labelled)
        return PYR_OK;
    set->held_labels = true;
    for (int64_t i = 0; i < c->n; i++) {
        most = c->at[i].label > most ? c->at[i].label : most;
        set->held_labels &= c->at[i].label >= 0;
    }
    PYR_TRY(pyr_new(&set->labels, (size_t)n, sizeof *set->labels, "the labels"));
    for (int64_t slot = 0; slot < n; slot++)
        set->labels[slot] = c->at[order[slot]].label;
    set->classes = (size_t)most + 1 > c->classes.n ? most + 1 : (int)c->classes.n;
    if (c->classes.n && c->classes.n < (size_t)set->classes)
        pyr_text_add(&c->notes, "; the %zu class names are not used: there are %d classes", c->classes.n,
                     set->classes);
    else {
        set->class_names = c->classes;
        c->classes = (pyr_names){0};
        PYR_TRY(make_printable(&set->class_names));
    }
    return warn_of_empty(c, set);
}

/* ---- values ---- */

static pyr_status settle_values(pyr_dataset *set, pyr_collection *c, const pyr_data_settings *s)
{
    const pyr_packed *p = c->packed;
    bool given = s->range[0] < s->range[1], measured = p && p->low < p->high;
    uint32_t least = UINT32_MAX, most = 0, top = (UINT32_C(1) << set->bits) - 1;
    bool mixed = false;
    double range[2];

    for (int64_t i = 0; i < c->n; i++) {
        const pyr_found *found = &c->at[i];
        uint32_t scale = found->bits < set->bits && !given ? 257 : 1; /* 8 bits among 16 are widened */

        mixed |= found->bits != set->bits;
        least = found->least * scale < least ? found->least * scale : least;
        most = found->most * scale > most ? found->most * scale : most;
        set->turned += found->turned;
    }
    set->values = (pyr_data_values){least, most, 0, top};
    if (measured) {
        double unit = (p->high - p->low) / top;

        set->values = (pyr_data_values){p->low + least * unit, p->low + most * unit, p->low, p->high};
    } else if (given)
        set->values = (pyr_data_values){least, most, s->range[0], s->range[1]};
    if (given && (set->values.least < set->values.low || set->values.most > set->values.high))
        PYR_TRY(pyr_names_format(
            &c->warnings, "there are values from %g to %g, those outside data.range = [%g, %g] are cut",
            set->values.least, set->values.most, set->values.low, set->values.high));
    if (least == most && c->n > 1)
        return pyr_names_format(&c->warnings, "every value of every image is %g: there is nothing to learn",
                                set->values.least);
    if (given || measured || mixed || !pyr_range_guess(range, least, most, set->bits))
        return PYR_OK;
    return pyr_names_format(
        &c->warnings,
        "the values are %u to %u of 0 to %u, an eighth of the range or less: images and samples will look "
        "nearly %s; if %g is black and %g is white, add --set data.range=[%g,%g]",
        least, most, top,
        most < top / 2    ? "black"
        : least > top / 2 ? "white"
                          : "grey",
        range[0], range[1], range[0], range[1]);
}

/* ---- all of it ---- */

/* Take over the collection's sentences. */
static pyr_status take_sentences(pyr_dataset *set, pyr_collection *c)
{
    if (c->notes.failed || c->how.failed)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the notes");
    PYR_TRY(pyr_format(&set->kind, "%s", c->kind));
    set->notes = c->notes;
    set->how = c->how;
    set->warnings = c->warnings;
    c->notes = c->how = (pyr_text){0};
    c->warnings = (pyr_names){0};
    return PYR_OK;
}

pyr_status pyr_dataset_settle(pyr_dataset *set, int64_t **order, pyr_target *t, pyr_collection *c,
                              const pyr_data_settings *s)
{
    bool labelled;
    pyr_status status;

    *order = NULL;
    PYR_TRY(pyr_names_add_all(&set->skipped, &c->lost));
    PYR_TRY(settle_bad(&set->skipped, c, s));
    PYR_TRY(settle_unlabelled(&labelled, c, s));
    PYR_TRY(settle_size(t, &set->skipped, c, s));
    settle_samples(set, c, s->channels);
    set->h = t->h;
    set->w = t->w;
    set->image_bytes = (size_t)t->h * (size_t)t->w * (size_t)(set->c * set->bits / 8);
    PYR_TRY(pyr_new(order, (size_t)c->n, sizeof **order, "the split"));
    PYR_TRY_OUT(settle_split(set, *order, c, s));
    PYR_TRY_OUT(settle_values(set, c, s));
    PYR_TRY_OUT(settle_labels(set, c, *order, labelled));
    PYR_TRY_OUT(take_sentences(set, c));
    return PYR_OK;
out:
    pyr_free(*order);
    *order = NULL;
    return status;
}
