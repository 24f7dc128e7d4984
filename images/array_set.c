/* array_set.c - data sets of NumPy's arrays: an NPZ, a .npy with its labels beside, a folder of either. The
 * names show what an array is (array_names.h), the shapes how images lie in it (array_layout.h). */
#include "arrays/array_names.h"
#include "images/array_labels.h"
#include "images/array_layout.h"
#include "images/data_format.h"
#include "pictures/image_file.h"

#include "base/mem.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct entry {
    char *path;      /* of the file; owned */
    pyr_array array; /* its name is owned */
    char *title;     /* in sentences: the array's name, or "FILE: ARRAY"; owned */
    char *why;       /* not readable as numbers: the sentence; owned */
    bool text;
    pyr_array_name name;
    int file;       /* number of the file; -1: one beside it, with labels only */
    bool lone;      /* the only array of its file */
    int labels;     /* of images: the entry of their labels; -1: none */
    int64_t first;  /* of images: the first in the collection; -1: left aside */
    int64_t images; /* of images that are not left aside: how many */
    bool used;
} entry;

typedef struct keyed {
    const char *key; /* of its name */
    int entry;
} keyed;

typedef struct set {
    pyr_collection *c;
    const char *path; /* that the person gave */
    size_t root;      /* letters of a path before what it is called in sentences */
    entry *at;
    int n, files;
    size_t room;
    keyed *by_key; /* all entries by their names' keys, those of one key in their order; owned */
    char *unread;  /* a file named as labels, of a kind that is not read; owned */
} set;

static void set_free(set *s)
{
    for (int i = 0; i < s->n; i++) {
        pyr_free(s->at[i].path);
        pyr_free((void *)s->at[i].array.name);
        pyr_free(s->at[i].title);
        pyr_free(s->at[i].why);
    }
    pyr_free(s->at);
    pyr_free(s->by_key);
    pyr_free(s->unread);
}

/* ---- what is there ---- */

static pyr_status add_array(set *s, const char *path, const pyr_arrays *arrays, size_t i, bool folder)
{
    const pyr_array *array = pyr_arrays_at(arrays, i);
    const char *base = path + s->root;
    bool lone = pyr_arrays_count(arrays) == 1, npy = pyr_ends_with(path, ".npy");
    char *stem;
    entry *e;

    PYR_TRY(pyr_grow(&s->at, &s->room, (size_t)s->n, sizeof *s->at, path));
    PYR_TRY(pyr_format(&stem, "%.*s", (int)(strlen(base) - pyr_ending_of(path, ".npy .npz")), base));
    e = &s->at[s->n++];
    *e = (entry){.path = pyr_strdup(path),
                 .array = *array,
                 .title = !folder       ? pyr_strdup(array->name)
                          : npy || lone ? pyr_strdup(base)
                                        : pyr_strfmt("%s: %s", base, array->name),
                 .text = pyr_array_is_text(array),
                 .name = pyr_array_name_read(stem, npy ? NULL : array->name),
                 .file = s->files,
                 .lone = lone,
                 .labels = -1,
                 .first = -1};
    pyr_free(stem);
    e->array.name = pyr_strdup(array->name);
    if (!e->path || !e->array.name || !e->title)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the arrays of %s", path);
    if (array->type == PYR_NPY_OTHER) {
        pyr_array_stream stream; /* its failure is the reason */

        if (pyr_array_stream_open(&stream, arrays, array) == PYR_OK)
            pyr_array_stream_close(&stream);
        else
            return pyr_format(&e->why, "%s", pyr_error());
    }
    return PYR_OK;
}

static pyr_status add_file(set *s, const char *path, bool folder)
{
    pyr_arrays *arrays;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_arrays_open(&arrays, path));
    for (size_t i = 0; i < pyr_arrays_count(arrays); i++)
        PYR_TRY_OUT(add_array(s, path, arrays, i, folder));
    s->files++;
out:
    pyr_arrays_free(arrays);
    return status;
}

/* ---- which arrays are images ---- */

/* Entries that are looked at together, of one file or of one key: so that a folder of very many files is not
 * gone through for each of them. */
typedef struct group {
    const keyed *at; /* NULL: first, first + 1, ... */
    int first, n;
} group;

static int of_group(const group *g, int i)
{
    return g->at ? g->at[i].entry : g->first + i;
}

/* The entries of entry i's file, which are side by side. */
static group of_file(const set *s, int i)
{
    int first = i, end = i + 1;

    while (first > 0 && s->at[first - 1].file == s->at[i].file)
        first--;
    while (end < s->n && s->at[end].file == s->at[i].file)
        end++;
    return (group){NULL, first, end - first};
}

/* The entries with this key. */
static group of_key(const set *s, const char *key)
{
    int low = 0, high = s->n, n = 0;

    while (low < high) {
        int middle = low + (high - low) / 2;

        if (strcmp(s->by_key[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + n < s->n && strcmp(s->by_key[low + n].key, key) == 0)
        n++;
    return (group){s->by_key + low, 0, n};
}

static int compare_keys(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order ? order : x->entry - y->entry;
}

/* The keys of all entries in this order, a new block. */
static pyr_status sorted_keys(keyed **out, const set *s, int (*compare)(const void *, const void *))
{
    PYR_TRY(pyr_new(out, (size_t)s->n, sizeof **out, "the arrays"));
    for (int i = 0; i < s->n; i++)
        (*out)[i] = (keyed){s->at[i].name.key, i};
    pyr_sort(*out, (size_t)s->n, sizeof **out, compare);
    return PYR_OK;
}

static bool same_shape(const entry *a, const entry *b)
{
    return a->array.type == b->array.type && a->array.rank == b->array.rank &&
           memcmp(a->array.shape, b->array.shape, sizeof a->array.shape) == 0;
}

/* Images of one file and part under two names are the same twice: the likelier name counts. */
static bool rivals(const entry *a, const entry *b)
{
    bool npy = pyr_ends_with(a->path, ".npy");

    return a->name.role == PYR_ROLE_IMAGES && b->name.role == PYR_ROLE_IMAGES &&
           a->name.part == b->name.part && (npy ? strcmp(a->name.key, b->name.key) == 0 : a->file == b->file);
}

static void settle_rivals(set *s, int i)
{
    const entry *e = &s->at[i];
    group g = pyr_ends_with(e->path, ".npy") ? of_key(s, e->name.key) : of_file(s, i);

    for (int j = 0; j < g.n; j++) {
        int k = of_group(&g, j);

        if (i != k && rivals(e, &s->at[k]) && s->at[k].name.rank > e->name.rank && !same_shape(e, &s->at[k]))
            s->at[k].name.role = PYR_ROLE_NONE;
    }
}

/* arr_1 of arr_0's shape is another picture. */
static bool beside_images(const set *s, int i)
{
    const entry *e = &s->at[i];
    group g = of_file(s, i);

    if (strncmp(e->array.name, "arr_", 4) != 0 || e->array.rank <= 1)
        return false;
    for (int j = 0; j < g.n; j++) {
        const entry *other = &s->at[of_group(&g, j)];

        if (other != e && strcmp(other->array.name, "arr_0") == 0 && same_shape(e, other))
            return true;
    }
    return false;
}

static void settle_images(set *s)
{
    int images = 0;

    for (int i = 0; i < s->n; i++) {
        if (beside_images(s, i))
            s->at[i].name.role = PYR_ROLE_IMAGES;
        images += s->at[i].name.role == PYR_ROLE_IMAGES;
    }
    for (int i = 0; i < s->n && !images; i++) { /* faces.npy; or train and test, and nothing more */
        entry *e = &s->at[i];

        /* what is wrong with the only array of a file is reported below */
        if (e->name.role == PYR_ROLE_NONE && (e->array.rank > 1 || s->n == 1) && !e->text &&
            (e->lone || (e->name.part != PYR_PART_NONE && !*e->name.key)))
            e->name.role = PYR_ROLE_IMAGES;
        /* labels.npz with images in it: labels have fewer dimensions */
        if (e->name.role == PYR_ROLE_LABELS && strcmp(e->array.name, "arr_0") == 0 && e->array.rank > 2)
            e->name.role = PYR_ROLE_IMAGES;
    }
    for (int i = 0; i < s->n; i++)
        settle_rivals(s, i);
}

/* How well labels and images belong together; 0: not at all. of_part: arrays of images of their part. */
static int fit_of(const entry *images, const entry *labels, int of_part)
{
    int score;

    if (labels->name.role != PYR_ROLE_LABELS || labels->name.part != images->name.part)
        return 0;
    if (labels->file == images->file)
        score = 6;
    else if (strcmp(labels->name.key, images->name.key) == 0)
        score = 4;
    else if (!*labels->name.key && of_part == 1)
        score = 2;
    else
        return 0;
    return score + (strcmp(labels->name.key, images->name.key) == 0);
}

/* The labels in this group that fit best; of equal ones the likelier name, then the first. */
static void find_labels_in(set *s, entry *e, int *best, group g, int of_part)
{
    for (int j = 0; j < g.n; j++) {
        int i = of_group(&g, j), fit = fit_of(e, &s->at[i], of_part);
        bool better = fit && fit == *best &&
                      (s->at[i].name.rank < s->at[e->labels].name.rank ||
                       (s->at[i].name.rank == s->at[e->labels].name.rank && i < e->labels));

        if (fit > *best || better) {
            *best = fit;
            e->labels = i;
        }
    }
}

static void find_labels(set *s)
{
    int of_part[PYR_PART_REST + 1] = {0};

    for (int i = 0; i < s->n; i++)
        of_part[s->at[i].name.part] += s->at[i].name.role == PYR_ROLE_IMAGES;
    for (int i = 0; i < s->n; i++) {
        entry *e = &s->at[i];
        int best = 0, alike = of_part[e->name.part];

        if (e->name.role != PYR_ROLE_IMAGES)
            continue;
        find_labels_in(s, e, &best, of_file(s, i), alike);
        find_labels_in(s, e, &best, of_key(s, e->name.key), alike);
        if (alike == 1)
            find_labels_in(s, e, &best, of_key(s, ""), alike);
    }
}

static bool is_arrays(const char *name)
{
    return pyr_ending_of(name, ".npy .npz");
}

/* labels.csv and the like. */
static pyr_status note_unread(set *s, const char *name)
{
    size_t ending = pyr_ending_of(name, ".csv .tsv .txt .json .pkl .mat .parquet .xml");
    char stem[256];

    if (s->unread || !ending)
        return PYR_OK;
    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(name) - ending), name);
    return pyr_array_name_read(stem, NULL).role == PYR_ROLE_LABELS ? pyr_format(&s->unread, "%s", name)
                                                                   : PYR_OK;
}

/* Files beside the given one that are named as its labels. */
static pyr_status add_labels_beside(set *s)
{
    const char *base = pyr_base_name(s->path);
    char *folder, *path = NULL;
    pyr_names names = {0};
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_format(&folder, "%.*s", (int)(base - s->path), s->path));
    PYR_TRY_OUT(pyr_folder_names(&names, *folder ? folder : "."));
    for (size_t i = 0; i < names.n; i++) {
        const char *name = names.at[i];
        int first = s->n;

        if (strcmp(name, base) == 0 || pyr_left_aside(name))
            continue;
        PYR_TRY_OUT(note_unread(s, name));
        if (!is_arrays(name) || pyr_array_name_read(name, NULL).role != PYR_ROLE_LABELS)
            continue;
        pyr_free(path);
        PYR_TRY_OUT(pyr_format(&path, "%s%s", folder, name));
        status = add_file(s, path, true);
        if (status == PYR_E_NOMEM)
            goto out;
        status = PYR_OK; /* what is no array is not ours */
        for (int k = first; k < s->n; k++)
            s->at[k].file = -1;
    }
out:
    pyr_names_free(&names);
    pyr_free(folder);
    pyr_free(path);
    return status;
}

/* ---- the parts ---- */

typedef struct chosen {
    pyr_part held; /* PYR_PART_NONE: none */
    bool both;     /* there are a test and a validation part */
    bool all;      /* every part is for training */
} chosen;

static bool labelled(const set *s, pyr_part part)
{
    for (int i = 0; i < s->n; i++)
        if (s->at[i].name.role == PYR_ROLE_IMAGES && s->at[i].name.part == part && s->at[i].labels < 0)
            return false;
    return true;
}

static bool has_part(const set *s, pyr_part part)
{
    for (int i = 0; i < s->n; i++)
        if (s->at[i].name.role == PYR_ROLE_IMAGES && s->at[i].name.part == part)
            return true;
    return false;
}

static bool has_train(const set *s)
{
    return has_part(s, PYR_PART_NONE) || has_part(s, PYR_PART_TRAIN);
}

static chosen choose(const set *s)
{
    const char *split = s->c->set->split ? s->c->set->split : "auto";
    bool test = has_part(s, PYR_PART_TEST), val = has_part(s, PYR_PART_VAL), train = has_train(s);
    chosen out = {PYR_PART_NONE, test && val, strcmp(split, "all") == 0};

    if (out.all || (!train && !out.both)) { /* a lone test set is a data set, too */
        out.all = true;
        return out;
    }
    out.held = test ? PYR_PART_TEST : val ? PYR_PART_VAL : PYR_PART_NONE;
    if (out.both && (strcmp(split, "val") == 0 || (strcmp(split, "test") != 0 &&
                                                   !labelled(s, PYR_PART_TEST) && labelled(s, PYR_PART_VAL))))
        out.held = PYR_PART_VAL;
    if (out.both && !train) /* one of them is trained on */
        out.held = out.held == PYR_PART_TEST ? PYR_PART_VAL : PYR_PART_TEST;
    return out;
}

/* Which of the three an entry of images is in: 0 training, 1 held out, 2 left aside. */
static int place_of(const entry *e, const chosen *ch, bool train)
{
    if (ch->all || e->name.part == PYR_PART_NONE || e->name.part == PYR_PART_TRAIN)
        return 0;
    if (e->name.part == ch->held)
        return 1;
    return train ? 2 : 0;
}

/* Titles of the images in `place`, or (3) of the labels that are used, or (4) of what is left unread: "x_train,
 * x_test and 9 more". */
static void list_arrays(set *s, pyr_text *text, const chosen *ch, int place, const char *before,
                        const char *after)
{
    enum { NAMED = 3 };
    int n = 0;
    bool train = has_train(s);

    for (int i = 0; i < s->n; i++) {
        const entry *e = &s->at[i];
        bool images = e->name.role == PYR_ROLE_IMAGES;
        bool is = place < 3    ? images && place_of(e, ch, train) == place
                  : place == 3 ? !images && e->used
                               : !images && !e->used && e->file >= 0;

        if (is && n++ < NAMED)
            pyr_text_add(text, "%s%.100s", n == 1 ? before : ", ", e->title);
    }
    if (n > NAMED)
        pyr_text_add(text, " and %d more", n - NAMED);
    if (n)
        pyr_text_add(text, "%s", after);
}

static void describe(set *s, const chosen *ch)
{
    pyr_text *how = &s->c->how;
    const char *other = ch->held == PYR_PART_TEST ? " is left aside (--split val holds it out)"
                                                  : " is left aside (--split test holds it out)";

    list_arrays(s, how, ch, 0, "images are ", "");
    list_arrays(s, how, ch, 1, "; held out is ", "");
    list_arrays(s, how, ch, 2, "; ", other);
    list_arrays(s, how, ch, 3, "; labels are ", "");
    list_arrays(s, &s->c->notes, ch, 4, "; left unread: ", "");
}

/* ---- images ---- */

static pyr_status refuse_none(const set *s)
{
    enum { NAMED = 10 };
    pyr_text list = {0};
    char shape[100];

    for (int i = 0; i < s->n && i <= NAMED && s->at[i].file >= 0; i++) {
        pyr_array_shape(shape, &s->at[i].array);
        if (i < NAMED)
            pyr_text_add(&list, "%s%.100s %s", i ? ", " : "", s->at[i].title, shape);
        else
            pyr_text_add(&list, ", ...");
    }
    pyr_fail(PYR_E_FORMAT,
             "%s: no array here is images by its name (arr_0, images, x, data, train_images, ...); %s%s%s",
             s->path, list.at ? "there are: " : "there is none", list.at ? list.at : "",
             list.at ? "; save the images under such a name" : "");
    pyr_text_free(&list);
    return PYR_E_FORMAT;
}

/* Rows that were made of (h, w, 3) have a pixel's colours side by side. Which they are shows in the step to
 * the pixel below: in planes it is one row of the plane, in pixels three times as far; the smaller difference
 * belongs to the nearer pixel. Noise is left at planes. */
static pyr_status settle_rows(set *s, pyr_packed_part *part, const pyr_array_layout *lay)
{
    enum { LOOKED_AT = 64 };
    size_t near = (size_t)lay->w, far = 3 * near, n = part->record.elements;
    size_t size = pyr_npy_type_size(part->record.type);
    double by_plane = 0, by_pixel = 0;
    char *row = NULL;
    pyr_status status;

    PYR_TRY(pyr_new(&row, n, size, part->name));
    PYR_TRY_OUT(pyr_part_open(part->bytes));
    for (int64_t i = 0; i < part->n && i < LOOKED_AT; i++) {
        PYR_TRY_OUT(pyr_part_read(part->bytes, row, n));
        for (size_t k = 0; k + far < n; k++) {
            double v = pyr_npy_value(row + k * size, part->record.type);

            by_plane += fabs(pyr_npy_value(row + (k + near) * size, part->record.type) - v);
            by_pixel += fabs(pyr_npy_value(row + (k + far) * size, part->record.type) - v);
        }
    }
    if (by_pixel < 0.8 * by_plane) {
        part->record = pyr_record_pixels(part->record.type, lay->h, lay->w, lay->c);
        pyr_text_add(&s->c->notes, "; by their neighbours the values of %s are pixels, not planes",
                     part->name);
    }
out:
    pyr_part_close(part->bytes);
    pyr_free(row);
    return status;
}

static pyr_status add_part(set *s, pyr_parts *parts, pyr_array_layout *first, const char **first_title,
                           entry *e)
{
    pyr_array_layout lay = {0};
    pyr_packed_part *part;
    const entry *labels = e->labels >= 0 ? &s->at[e->labels] : NULL;
    pyr_status status;

    if (e->why)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s", e->why);
    PYR_TRY(pyr_array_layout_of(&lay, &e->array, labels ? labels->array.shape[0] : -1, e->path));
    if (first->n && (lay.h != first->h || lay.w != first->w || lay.c != first->c))
        PYR_TRY_OUT(pyr_fail(
            PYR_E_FORMAT,
            "%s: array %s has images of %dx%dx%d, those of %s are %dx%dx%d; a data set has one size", e->path,
            e->array.name, lay.h, lay.w, lay.c, *first_title, first->h, first->w, first->c));
    if (lay.remark && !first->n)
        pyr_text_add(&s->c->notes, "; %s", lay.remark);
    PYR_TRY_OUT(pyr_parts_add_array(&part, parts, e->path, &e->array, lay.record, lay.n));
    if (e->array.rank == 2 && lay.c == 3)
        PYR_TRY_OUT(settle_rows(s, part, &lay));
    if (!first->n) {
        *first = lay;
        *first_title = e->title;
    }
out:
    pyr_free(lay.remark);
    return status;
}

/* Training first. */
static int by_part_and_title(const void *a, const void *b)
{
    static const int place[] = {
        [PYR_PART_NONE] = 0, [PYR_PART_TRAIN] = 0, [PYR_PART_TEST] = 1, [PYR_PART_VAL] = 2};
    const entry *x = *(entry *const *)a, *y = *(entry *const *)b;

    return place[x->name.part] != place[y->name.part] ? place[x->name.part] - place[y->name.part]
                                                      : pyr_natural_order(x->title, y->title);
}

static pyr_status pack(set *s, const chosen *ch)
{
    entry **order = NULL;
    pyr_parts parts = {0};
    pyr_array_layout first = {0};
    const char *first_title = "";
    size_t train = 0;
    int64_t n = 0;
    int images = 0;
    bool has = has_train(s);
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&order, (size_t)s->n, sizeof *order, "the arrays"));
    for (int i = 0; i < s->n; i++)
        if (s->at[i].name.role == PYR_ROLE_IMAGES)
            order[images++] = &s->at[i];
    if (!images)
        PYR_TRY_OUT(refuse_none(s));
    qsort(order, (size_t)images, sizeof *order, by_part_and_title);
    for (int place = 0; place < 2; place++)
        for (int i = 0; i < images; i++) {
            entry *e = order[i];

            if (place_of(e, ch, has) != place)
                continue;
            PYR_TRY_OUT(add_part(s, &parts, &first, &first_title, e));
            PYR_TRY_OUT(pyr_names_add(&s->c->sources, e->path));
            e->first = n;
            e->images = parts.at[parts.n - 1].n;
            n += e->images;
            train += place == 0;
        }
    PYR_TRY_OUT(pyr_collection_pack_parts(s->c, &parts, first.h, first.w, first.c, train, NULL, NULL));
out:
    pyr_parts_free(&parts);
    pyr_free(order);
    return status;
}

/* ---- labels ---- */

/* A number of labels that cannot be: of the same file a failure, of one beside it a warning. */
static pyr_status misfit(set *s, const entry *images, entry *labels, int64_t n)
{
    size_t count = pyr_array_count(&labels->array);

    labels->used = images->file != labels->file; /* said here */
    if (images->file == labels->file)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: array %s has %zu values, should be one label for each of %lld images; --set "
                        "data.classes=none leaves labels unread",
                        labels->path, labels->array.name, count, (long long)n);
    return pyr_names_format(
        &s->c->warnings,
        "%s looks like the labels of %s, which has %lld images, but has %zu values: it is left unread",
        labels->path, images->title, (long long)n, count);
}

static pyr_status read_numbers(set *s, const pyr_arrays *arrays, const pyr_array *array, const entry *images,
                               const entry *labels, int64_t n)
{
    size_t count = pyr_array_count(array);
    char *name;
    int64_t *table = NULL;
    pyr_status status;

    PYR_TRY(pyr_format(&name, "%s: array %s", labels->path, array->name));
    PYR_TRY_OUT(pyr_new(&table, count, sizeof *table, name));
    status = pyr_arrays_read(arrays, array, table, count, PYR_NPY_I8);
    if (status != PYR_OK) {
        pyr_fail(status, "%s; --set data.classes=none leaves labels unread", pyr_error());
        goto out;
    }
    PYR_TRY_OUT(pyr_collection_label(s->c, images->first, n, table, (int64_t)count / n,
                                     count == (size_t)n ? name : labels->title));
out:
    pyr_free(table);
    pyr_free(name);
    return status;
}

static pyr_status read_labels(set *s, const entry *images, char **texts, entry **texts_of)
{
    entry *labels = &s->at[images->labels];
    int64_t n = images->images, rows = labels->array.rank ? labels->array.shape[0] : 0;
    pyr_arrays *arrays = NULL;
    const pyr_array *array;
    size_t count = pyr_array_count(&labels->array);
    pyr_status status;

    if (labels->why && !labels->text) {
        labels->used = true;
        return pyr_names_format(&s->c->warnings, "the labels are left unread: %s", labels->why);
    }
    if (count != (size_t)n && (rows != n || count == 0))
        return misfit(s, images, labels, n);
    if (labels->text && count != (size_t)n)
        return PYR_OK; /* said to be left unread */
    labels->used = true;
    PYR_TRY(pyr_arrays_open(&arrays, labels->path));
    PYR_TRY_OUT(pyr_arrays_get(&array, arrays, labels->array.name));
    if (pyr_array_count(array) != count)
        PYR_TRY_OUT(misfit(s, images, labels, n));
    if (strcmp(labels->path, images->path) != 0)
        PYR_TRY_OUT(pyr_names_add(&s->c->sources, labels->path));
    if (labels->text) {
        *texts_of = labels;
        status = pyr_arrays_read_texts(arrays, array, texts + images->first, (size_t)n);
    } else
        status = read_numbers(s, arrays, array, images, labels, n);
out:
    pyr_arrays_free(arrays);
    return status;
}

/* Names of the classes, under class_names and the like. */
static pyr_status read_class_names(set *s)
{
    for (int i = 0; i < s->n; i++) {
        entry *e = &s->at[i];
        size_t count = pyr_array_count(&e->array);
        pyr_arrays *arrays = NULL;
        char **names = NULL;
        pyr_status status;

        if (e->name.role != PYR_ROLE_NAMES || !e->text || s->c->classes.n || count > PYR_LABEL_MOST)
            continue;
        e->used = true;
        PYR_TRY_OUT(pyr_arrays_open(&arrays, e->path));
        PYR_TRY_OUT(pyr_new(&names, count, sizeof *names, e->title));
        PYR_TRY_OUT(pyr_arrays_read_texts(arrays, pyr_arrays_find(arrays, e->array.name), names, count));
        for (size_t k = 0; k < count; k++)
            PYR_TRY_OUT(pyr_names_add(&s->c->classes, names[k]));
    out:
        for (size_t k = 0; names && k < count; k++)
            pyr_free(names[k]);
        pyr_free(names);
        pyr_arrays_free(arrays);
        PYR_TRY(status);
    }
    return PYR_OK;
}

static pyr_status label(set *s)
{
    char **texts = NULL;
    entry *texts_of = NULL;
    bool any = false;
    pyr_status status;

    if (!pyr_collection_wants_labels(s->c))
        return PYR_OK;
    PYR_TRY(pyr_new(&texts, (size_t)s->c->n, sizeof *texts, "the labels"));
    for (int i = 0; i < s->n; i++)
        if (s->at[i].first >= 0 && s->at[i].labels >= 0)
            PYR_TRY_OUT(read_labels(s, &s->at[i], texts, &texts_of));
    if (texts_of)
        PYR_TRY_OUT(pyr_collection_label_texts(s->c, texts, texts_of->title));
    for (int64_t i = 0; i < s->c->n; i++)
        any |= s->c->at[i].label >= 0;
    status = any ? read_class_names(s) : PYR_OK;
    if (!any && s->unread)
        pyr_text_add(&s->c->notes, "; %s looks like labels and is not read: save them as a .npy", s->unread);
out:
    for (int64_t i = 0; i < s->c->n; i++)
        pyr_free(texts[i]);
    pyr_free(texts);
    return status;
}

/* ---- all together ---- */

/* The length of what all files' keys begin with, up to a '-'. */
static size_t common_words(const set *s)
{
    const char *first = NULL;
    size_t n = 0;

    for (int i = 0; i < s->n; i++) {
        const char *key = s->at[i].name.key;
        size_t k = 0;

        if (s->at[i].first < 0)
            continue;
        if (!first) {
            first = key;
            n = strlen(key);
        }
        while (k < n && key[k] == first[k])
            k++;
        n = k;
    }
    while (n && first[n - 1] != '-')
        n--;
    return n;
}

static int compare_beginnings(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    size_t n = strcspn(x->key, "0123456789"), m = strcspn(y->key, "0123456789");
    int order = memcmp(x->key, y->key, n < m ? n : m);

    if (order || n != m)
        return order ? order : n < m ? -1 : 1;
    return x->entry - y->entry;
}

/* Whether images have the key of an entry before them but for what follows the first digit: shard-1,
 * shard-2. */
static pyr_status numbered_alike(bool *out, const set *s)
{
    keyed *keys;

    *out = false;
    PYR_TRY(sorted_keys(&keys, s, compare_beginnings));
    for (int i = 1; i < s->n && !*out; i++) {
        size_t n = strcspn(keys[i].key, "0123456789");

        *out = s->at[keys[i].entry].name.role == PYR_ROLE_IMAGES &&
               n == strcspn(keys[i - 1].key, "0123456789") && memcmp(keys[i].key, keys[i - 1].key, n) == 0;
    }
    pyr_free(keys);
    return PYR_OK;
}

/* Files with only images, whose names name no part and differ by more than numbers, are classes, as
 * Quick, Draw! has them: full_numpy_bitmap_cat.npy, full_numpy_bitmap_dog.npy. */
static pyr_status classes_by_files(set *s)
{
    int images = 0, class = 0;
    bool numbered;
    size_t common;

    if (s->c->classes.n || !pyr_collection_wants_labels(s->c))
        return PYR_OK;
    for (int i = 0; i < s->n; i++) {
        const entry *e = &s->at[i];

        if (e->name.role == PYR_ROLE_IMAGES) {
            if (!e->lone || e->name.part != PYR_PART_NONE || e->labels >= 0 || e->images < 2 ||
                !*e->name.key || strspn(e->name.key, "0123456789-") == strlen(e->name.key))
                return PYR_OK;
            images++;
        }
    }
    PYR_TRY(numbered_alike(&numbered, s));
    if (images < 2 || numbered)
        return PYR_OK;
    common = common_words(s);
    for (int i = 0; i < s->n; i++) { /* files come in the order of their names */
        const entry *e = &s->at[i];

        if (e->first < 0)
            continue;
        PYR_TRY(pyr_names_add(&s->c->classes, e->name.key + common));
        for (int64_t k = 0, n = e->images; k < n; k++)
            s->c->at[e->first + k].label = class;
        class ++;
    }
    pyr_text_add(&s->c->notes, "; each file is a class (--set data.classes=none: they are not)");
    return PYR_OK;
}

static pyr_status collect(set *s)
{
    chosen ch;
    bool train;

    PYR_TRY(sorted_keys(&s->by_key, s, compare_keys));
    settle_images(s);
    find_labels(s);
    PYR_TRY(pyr_collection_has(s->c, has_part(s, PYR_PART_TEST), has_part(s, PYR_PART_VAL)));
    ch = choose(s);
    train = has_train(s);
    for (int i = 0; i < s->n; i++) /* labels of images that are left aside go with them, unsaid */
        if (s->at[i].name.role == PYR_ROLE_IMAGES && s->at[i].labels >= 0 &&
            place_of(&s->at[i], &ch, train) == 2)
            s->at[s->at[i].labels].file = -1;
    PYR_TRY(pack(s, &ch));
    PYR_TRY(label(s));
    PYR_TRY(classes_by_files(s));
    describe(s, &ch);
    return PYR_OK;
}

/* A folder in the folder: train/, test/, val/ belong to the data set when they hold only arrays. */
static pyr_status is_part(bool *is, const char *path, const char *name)
{
    pyr_array_name read = pyr_array_name_read(name, NULL);
    pyr_names names;
    bool arrays = false, images = false;

    *is = false;
    if (read.part == PYR_PART_NONE || *read.key || read.role != PYR_ROLE_NONE)
        return PYR_OK;
    PYR_TRY(pyr_folder_names(&names, path));
    for (size_t i = 0; i < names.n && !images; i++) {
        arrays |= is_arrays(names.at[i]) && !pyr_left_aside(names.at[i]);
        images = pyr_image_named(names.at[i]);
    }
    pyr_names_free(&names);
    *is = arrays && !images;
    return PYR_OK;
}

/* What something in the folder makes of it. */
static pyr_status judge(bool *arrays, bool *others, const char *folder, const char *name)
{
    char *path;
    bool is_folder = false, part = false;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, folder, name));
    status = pyr_folder_exists(&is_folder, path);
    if (status == PYR_OK && is_folder)
        status = is_part(&part, path, name);
    pyr_free(path);
    *arrays |= is_folder ? part : is_arrays(name);
    *others = is_folder ? !part : !is_arrays(name) && pyr_image_named(name);
    return status;
}

static pyr_status is_folder(bool *yes, const pyr_data_path *at)
{
    bool arrays = false, others = false;

    for (size_t i = 0; i < at->names->n && !others; i++)
        if (!pyr_left_aside(at->names->at[i]))
            PYR_TRY(judge(&arrays, &others, at->path, at->names->at[i]));
    *yes = arrays && !others;
    return PYR_OK;
}

static pyr_status add_folder(set *s, const char *folder, const pyr_names *names, int depth)
{
    pyr_names inner = {0};
    char *path = NULL;
    bool is_file, is_folder;
    pyr_status status = PYR_OK;

    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->at[i];

        if (pyr_left_aside(name))
            continue;
        PYR_TRY_OUT(note_unread(s, name));
        pyr_free(path);
        PYR_TRY_OUT(pyr_path_new(&path, folder, name));
        PYR_TRY_OUT(pyr_file_exists(&is_file, path));
        PYR_TRY_OUT(pyr_folder_exists(&is_folder, path));
        if (is_arrays(name) && is_file)
            PYR_TRY_OUT(add_file(s, path, true));
        else if (depth && is_folder) {
            pyr_names_free(&inner);
            PYR_TRY_OUT(pyr_folder_names(&inner, path));
            PYR_TRY_OUT(add_folder(s, path, &inner, depth - 1));
        }
    }
out:
    pyr_names_free(&inner);
    pyr_free(path);
    return status;
}

static pyr_status collect_arrays(pyr_collection *c, const pyr_data_path *at)
{
    set s = {.c = c, .path = at->path};
    size_t n = strlen(at->path);
    pyr_status status;

    if (at->names) {
        c->kind = "arrays";
        s.root = n && at->path[n - 1] == '/' ? n : n + 1;
        PYR_TRY_OUT(add_folder(&s, at->path, at->names, 1));
    } else {
        c->kind = pyr_ends_with(at->path, ".npy") ? "NPY" : "NPZ";
        s.root = (size_t)(pyr_base_name(at->path) - at->path);
        PYR_TRY_OUT(add_file(&s, at->path, false));
        PYR_TRY_OUT(add_labels_beside(&s));
    }
    PYR_TRY_OUT(collect(&s));
out:
    set_free(&s);
    return status;
}

static pyr_status is_file(pyr_match *match, const pyr_data_path *at)
{
    *match = at->n >= 6 && memcmp(at->start, "\x93NUMPY", 6) == 0 ? PYR_MATCH_SURE : PYR_MATCH_NO;
    return PYR_OK;
}

const pyr_data_format pyr_data_format_arrays = {
    .name = "NumPy arrays",
    .files = ".npz, .npy",
    .help = "a file, or a folder of nothing else; uint8 and uint16, bool, whole numbers and floats; "
            "`(n, h, w, c)`, `(n, c, h, w)`, `(n, h, w)`, or rows of square images as MNIST and CIFAR "
            "have them; the names tell images from labels and training from test",
    .is_file = is_file,
    .is_folder = is_folder,
    .collect = collect_arrays,
};
