/* layout.c - parts first, then which is held out, then classes, then the sentence on it. */
#include "layouts/layout.h"

#include "archives/folder_names.h"
#include "base/mem.h"
#include "layouts/collection.h"
#include "pictures/image_file.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PARTS = PYR_PART_REST + 1, DEEPEST = 16 };

/* What is known of a part: PYR_PART_NONE is left aside. */
typedef struct part {
    pyr_text names; /* of its folders: "train/, train2/" */
    size_t folders;
    size_t n, labelled; /* images; those of a known class */
    size_t folder;      /* length of the path to its images, of the first folder */
    const char *path;   /* that path begins this name */
    const char *list;   /* the file that its labels are from, or NULL */
} part;

/* What classes are found in: images by a piece of their names. */
typedef struct piece {
    pyr_word name;
    size_t item;
} piece;

typedef struct work {
    const pyr_names *files;
    const pyr_layout_wish *wish;
    pyr_layout *out;
    pyr_items items;
    size_t root; /* length of the path around all */
    bool parted; /* there are parts */
    bool below;  /* parts are below the classes */
    bool around; /* training images lie beside the folder of another part, in none of their own */
    part parts[PARTS];
    int held;            /* the part that is held out, or PYR_PART_NONE */
    bool all;            /* everything is for training */
    size_t loose;        /* training images in no folder, while others are in one */
    pyr_text shards;     /* what was looked through: "the 4 numbered folders (...)" */
    pyr_word missing[5]; /* some classes that the held-out part alone has */
    size_t missing_classes, missing_images, missing_folders; /* images in a folder */
    char *texts[PARTS];                                      /* of lists of labels */
    piece *folded; /* the classes in an order without case, n_folded of them; owned */
    size_t n_folded;
} work;

static pyr_status warn(work *w, pyr_text *sentence)
{
    pyr_status status = sentence->failed || !sentence->at
                            ? pyr_fail(PYR_E_NOMEM, "out of memory for a warning about the data")
                            : pyr_names_add(&w->out->warnings, sentence->at);

    pyr_text_free(sentence);
    return status;
}

/* ---- parts ---- */

static int kind_of(const pyr_folder *folder)
{
    pyr_part_name name = pyr_part_of(folder->name);

    return name.sure ? (int)name.part : PYR_PART_NONE;
}

/* A folder whose name has a part's word in it. */
typedef struct parted_name {
    const pyr_folder *folder;
    pyr_part_name name;
    size_t k; /* its place in the list of folders */
} parted_name;

static int by_rest(const void *a, const void *b)
{
    const parted_name *x = a, *y = b;
    int order = pyr_part_order(x->folder->name, &x->name, y->folder->name, &y->name);

    return order ? order : x->k < y->k ? -1 : x->k > y->k;
}

/* Those of one name but for their parts, when one of them trains, are the parts of their names. */
static void pair(int *kinds, const parted_name *at, size_t n)
{
    bool trains = false, others = false;

    for (size_t i = 0; i < n; i++) {
        trains |= at[i].name.part == PYR_PART_TRAIN;
        others |= at[i].name.part != PYR_PART_TRAIN;
    }
    for (size_t i = 0; i < n && trains && others; i++)
        if (kinds[at[i].k] == PYR_PART_NONE)
            kinds[at[i].k] = (int)at[i].name.part;
}

/* The parts of folders that are sure only beside a sibling: seg_test beside seg_train. */
static pyr_status pair_all(int *kinds, const pyr_folders *folders)
{
    parted_name *at;
    size_t n = 0;

    PYR_TRY(pyr_new(&at, folders->n, sizeof *at, "the list of folders"));
    for (size_t k = 0; k < folders->n; k++) {
        const pyr_folder *folder = &folders->at[k];

        at[n] = (parted_name){folder, pyr_part_of(folder->name), k};
        n += at[n].name.part != PYR_PART_NONE;
    }
    pyr_sort(at, n, sizeof *at, by_rest);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n; end++)
            if (pyr_part_order(at[i].folder->name, &at[i].name, at[end].folder->name, &at[end].name) != 0)
                break;
        pair(kinds, at + i, end - i);
    }
    pyr_free(at);
    return PYR_OK;
}

/* Whether `train` has at least two folders of images, and none of the folders that name no part has any. */
static pyr_status only_train_has_folders(bool *out, const work *w, const pyr_folders *folders,
                                         const int *kinds)
{
    *out = true;
    for (size_t k = 0; k < folders->n && *out; k++) {
        const pyr_folder *f = &folders->at[k];
        pyr_folders inner;

        PYR_TRY(pyr_folders_of(&inner, &w->items, f->begin, f->end, w->root + f->name.n + 1));
        *out = kinds[k] == PYR_PART_TRAIN ? inner.n >= 2 : inner.n == 0;
        pyr_folders_free(&inner);
    }
    return PYR_OK;
}

/* Whether all of it lies in a train/: a test/ in that is a class, as good/ beside it. */
static bool in_train(const work *w)
{
    const char *at = w->items.at[0].name, *end = at + w->root, *slash;

    for (; at < end; at = slash + 1) {
        pyr_folder folder = {0};

        slash = strchr(at, '/');
        folder.name = (pyr_word){at, (size_t)(slash - at)};
        if (kind_of(&folder) == PYR_PART_TRAIN)
            return true;
    }
    return false;
}

/* The part that each folder is; false: they are no parts. */
static pyr_status judge_parts(bool *parted, int *kinds, work *w, const pyr_folders *folders)
{
    size_t count[PARTS] = {0};
    bool held;

    *parted = false;
    for (size_t k = 0; k < folders->n; k++)
        kinds[k] = kind_of(&folders->at[k]);
    PYR_TRY(pair_all(kinds, folders));
    for (size_t k = 0; k < folders->n; k++)
        count[kinds[k]]++;
    held = count[PYR_PART_TEST] + count[PYR_PART_VAL] > 0;
    if (count[PYR_PART_TRAIN] && (held || count[PYR_PART_REST] || count[PYR_PART_TRAIN] == folders->n))
        *parted = folders->n > 1;
    else if (count[PYR_PART_TRAIN]) /* a class, as bus, car and train are, unless all else is without
    folders */
        PYR_TRY(only_train_has_folders(parted, w, folders, kinds));
    else if (held && folders->n > 1 &&
             !in_train(w)) { /* no train/: what is beside the held-out part, or all */
        /* what the others are named, or all, when there are no others */
        int others = count[PYR_PART_NONE] ? PYR_PART_NONE : PYR_PART_REST;
        bool alone = !count[PYR_PART_NONE] && !count[PYR_PART_REST];

        for (size_t k = 0; k < folders->n; k++)
            if (alone || kinds[k] == others)
                kinds[k] = PYR_PART_TRAIN;
        w->around = !alone;
        *parted = true;
    }
    return PYR_OK;
}

/* Images of a folder are of a part, and what is inside begins there. */
static pyr_status put_part(work *w, const pyr_folder *folder, int kind)
{
    pyr_part_name name = pyr_part_of(folder->name);
    part *p = &w->parts[kind];
    size_t skip = w->root + folder->name.n + 1;

    pyr_text_add(&p->names, "%s%.*s/", p->folders++ ? ", " : "", (int)folder->name.n, folder->name.at);
    p->n += folder->end - folder->begin;
    if (kind == PYR_PART_TRAIN && w->around)
        skip = w->root; /* this folder may be a class */
    else if (name.domain)
        skip -= 2; /* the A/ of trainA/ */
    else
        PYR_TRY(pyr_folders_around(&skip, &w->items, folder->begin, folder->end));
    for (size_t i = folder->begin; i < folder->end; i++) {
        w->items.at[i].part = kind;
        w->items.at[i].inner = w->items.at[i].name + skip;
    }
    if (!p->path) {
        p->path = w->items.at[folder->begin].name;
        p->folder = name.domain ? w->root : skip;
    }
    return PYR_OK;
}

/* Parts below the classes (cat/train/1.png): when all folders have nothing but parts, with a train/ each. */
static pyr_status parts_below(work *w, const pyr_folders *folders)
{
    size_t held = 0;
    pyr_folders inner = {0};
    pyr_status status = PYR_OK;

    for (size_t k = 0; k < folders->n; k++) {
        const pyr_folder *f = &folders->at[k];
        bool train = false, others = false;

        pyr_folders_free(&inner);
        PYR_TRY_OUT(pyr_folders_of(&inner, &w->items, f->begin, f->end, w->root + f->name.n + 1));
        for (size_t i = 0; i < inner.n; i++) {
            int kind = kind_of(&inner.at[i]);

            train |= kind == PYR_PART_TRAIN;
            held += kind == PYR_PART_TEST || kind == PYR_PART_VAL;
            others |= kind == PYR_PART_NONE;
        }
        if (!train || others || inner.loose)
            goto out;
    }
    if (!held || folders->n < 2 || folders->loose)
        goto out;
    for (size_t k = 0; k < folders->n; k++) {
        const pyr_folder *f = &folders->at[k];

        pyr_folders_free(&inner);
        PYR_TRY_OUT(pyr_folders_of(&inner, &w->items, f->begin, f->end, w->root + f->name.n + 1));
        for (size_t i = f->begin; i < f->end; i++)
            w->items.at[i].class = f->name;
        for (size_t i = 0; i < inner.n; i++)
            for (size_t j = inner.at[i].begin; j < inner.at[i].end; j++) {
                int kind = kind_of(&inner.at[i]);

                if (w->parts[kind].n++ == 0) {
                    pyr_text_add(&w->parts[kind].names, "%.*s/", (int)inner.at[i].name.n,
                                 inner.at[i].name.at);
                    w->parts[kind].path = w->items.at[j].name;
                    w->parts[kind].folder = w->root;
                }
                w->items.at[j].part = kind;
            }
    }
    w->below = w->parted = true;
out:
    pyr_folders_free(&inner);
    return status;
}

static pyr_status find_parts(work *w)
{
    pyr_folders folders = {0};
    int *kinds = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_folders_around(&w->root, &w->items, 0, w->items.n));
    PYR_TRY_OUT(pyr_folders_of(&folders, &w->items, 0, w->items.n, w->root));
    PYR_TRY_OUT(pyr_new(&kinds, folders.n, sizeof *kinds, "the list of folders"));
    PYR_TRY_OUT(judge_parts(&w->parted, kinds, w, &folders));
    if (!w->parted)
        PYR_TRY_OUT(parts_below(w, &folders));
    if (w->below)
        goto out;
    for (size_t i = 0; i < w->items.n; i++) {
        w->items.at[i].inner = w->items.at[i].name + w->root;
        w->items.at[i].part = w->parted && !w->around ? PYR_PART_NONE : PYR_PART_TRAIN;
    }
    for (size_t k = 0; w->parted && k < folders.n; k++)
        PYR_TRY_OUT(put_part(w, &folders.at[k], kinds[k]));
    if (!w->parted || w->around) {
        w->parts[PYR_PART_TRAIN].path = w->items.at[0].name;
        w->parts[PYR_PART_TRAIN].folder = w->root;
        w->parts[PYR_PART_TRAIN].n += w->around ? folders.loose : w->items.n;
    }
out:
    pyr_free(kinds);
    pyr_folders_free(&folders);
    return status;
}

/* ---- classes ---- */

static int by_piece(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    int order = pyr_word_order(x->name, y->name);

    return order ? order : x->item < y->item ? -1 : x->item > y->item;
}

static bool same(pyr_word a, pyr_word b)
{
    return pyr_word_order(a, b) == 0;
}

static pyr_word folder_at(const char *path)
{
    const char *slash = strchr(path, '/');

    return (pyr_word){path, slash ? (size_t)(slash - path) : 0};
}

/* The first folder of what is not understood yet; n = 0: there is none. */
static pyr_word first_folder(const pyr_item *item)
{
    return folder_at(item->inner);
}

static pyr_word last_folder(const pyr_item *item)
{
    const char *end = strrchr(item->name, '/'), *at = end ? end : item->name;

    while (at > item->name && at[-1] != '/')
        at--;
    return (pyr_word){at, end ? (size_t)(end - at) : 0};
}

/* The training images by their first folders, sorted, and how many folders there are. */
static pyr_status pieces_of(piece **out, size_t *n, size_t *groups, size_t *loose, const work *w)
{
    *n = *groups = *loose = 0;
    PYR_TRY(pyr_new(out, w->items.n, sizeof **out, "the classes"));
    for (size_t i = 0; i < w->items.n; i++) {
        pyr_word name = first_folder(&w->items.at[i]);

        if (w->items.at[i].part != PYR_PART_TRAIN)
            continue;
        if (name.n)
            (*out)[(*n)++] = (piece){name, i};
        else
            ++*loose;
    }
    pyr_sort(*out, *n, sizeof **out, by_piece);
    for (size_t i = 0; i < *n; i++)
        *groups += i == 0 || !same((*out)[i - 1].name, (*out)[i].name);
    return PYR_OK;
}

static pyr_status judge_shards(pyr_shards *out, work *w, const piece *at, size_t n, size_t groups)
{
    pyr_numbered *folders;
    size_t k = 0;

    PYR_TRY(pyr_new(&folders, groups, sizeof *folders, "the list of folders"));
    for (size_t i = 0; i < n; i++) {
        if (i && !same(at[i - 1].name, at[i].name))
            k++;
        folders[k].name = at[i].name;
        pyr_numbered_add(&folders[k], w->items.at[at[i].item].name, at[i].name.at);
    }
    *out = pyr_shards_are(folders, groups);
    if (*out != PYR_SHARDS_NO) {
        pyr_text_free(&w->shards);
        pyr_text_add(&w->shards, "the %zu numbered folders (%.*s ... %.*s)", groups, (int)folders[0].name.n,
                     folders[0].name.at, (int)folders[groups - 1].name.n, folders[groups - 1].name.at);
    }
    pyr_free(folders);
    return PYR_OK;
}

/* Places365, SUN397: a/abbey/1.jpg: each folder is the letter that those in it begin with. */
static bool by_letter(const piece *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *inner = at[i].name.at + at[i].name.n + 1;

        if (at[i].name.n != 1 || !strchr(inner, '/') || strncasecmp(inner, at[i].name.at, 1) != 0)
            return false;
    }
    return n > 0;
}

/* The folder of the second level. */
static pyr_word second_folder(const piece *first)
{
    return folder_at(first->name.at + first->name.n + 1);
}

/* The next piece of the same first folder with another second one; n, or a new first folder: there is
 * none. */
static size_t next_second(const piece *at, size_t n, size_t i)
{
    for (size_t k = i + 1; k < n && same(at[k].name, at[i].name); k++)
        if (!same(second_folder(&at[k]), second_folder(&at[i])))
            return k;
    return n;
}

/* The places where another second folder begins among the n pieces of one first folder; *groups = how
 * many. */
static pyr_status second_folders(size_t **out, size_t *groups, const piece *at, size_t n)
{
    *groups = 0;
    PYR_TRY(pyr_new(out, n, sizeof **out, "the list of folders"));
    for (size_t i = 0; i < n; i = next_second(at, n, i))
        (*out)[(*groups)++] = i;
    return PYR_OK;
}

/* PlantVillage's color/, grayscale/, segmented/: each first folder holds the same folders, two or more, which
 * are then likely to be the classes. */
static pyr_status same_inside(bool *out, const piece *at, size_t n)
{
    size_t *first = NULL, inside = 0, groups = 1, start = 0;

    *out = false;
    while (start < n && same(at[start].name, at[0].name))
        start++;
    PYR_TRY(second_folders(&first, &inside, at, start));
    *out = inside >= 2;
    for (size_t end; start < n && *out; start = end, groups++) {
        size_t met = 0, k = start;

        for (end = start; end < n && same(at[end].name, at[start].name); end++)
            ;
        for (; k < n && met < inside; k = next_second(at, n, k), met++) {
            pyr_word a = second_folder(&at[first[met]]);

            if (!a.n || !same(a, second_folder(&at[k])))
                break;
        }
        *out = met == inside && k == n;
    }
    *out = *out && groups > 1;
    pyr_free(first);
    return PYR_OK;
}

static void step_in(work *w)
{
    for (size_t i = 0; i < w->items.n; i++) {
        size_t n = first_folder(&w->items.at[i]).n;

        if (w->items.at[i].part == PYR_PART_TRAIN && n)
            w->items.at[i].inner += n + 1;
    }
}

/* The rest of the path to a file. */
static pyr_word all_folders(const pyr_item *item)
{
    const char *slash = strrchr(item->inner, '/');

    return (pyr_word){item->inner, slash ? (size_t)(slash - item->inner) : 0};
}

static void name_classes(work *w, pyr_word (*folder)(const pyr_item *), int kind)
{
    for (size_t i = 0; i < w->items.n; i++)
        if (w->items.at[i].part == kind)
            w->items.at[i].class = folder(&w->items.at[i]);
}

static pyr_status warn_shards(work *w)
{
    pyr_text text = {0};

    pyr_text_add(&text,
                 "%s are taken for classes, but may be parts (shards) of one set: if they are, say "
                 "data.classes = \"none\"",
                 w->shards.at ? w->shards.at : "numbered folders");
    pyr_text_free(&w->shards);
    return warn(w, &text);
}

/* The folders of the training images that are classes: the class of each is set, or of none. */
static pyr_status training_classes(work *w)
{
    for (int depth = 0; depth < DEEPEST; depth++) {
        piece *at;
        size_t n, groups, loose;
        pyr_shards shards = PYR_SHARDS_NO;
        pyr_status status = pieces_of(&at, &n, &groups, &loose, w);
        bool letters = status == PYR_OK && groups > 1 && by_letter(at, n), same = false;

        if (status == PYR_OK && groups > 1)
            status = same_inside(&same, at, n);
        if (status == PYR_OK && groups > 1 && !letters)
            status = judge_shards(&shards, w, at, n, groups);
        pyr_free(at);
        PYR_TRY(status);
        if (n == 0)
            return PYR_OK;
        if (groups > 1 && shards != PYR_SHARDS_YES) {
            w->loose = loose;
            if (loose)
                return PYR_OK;
            if (letters)
                step_in(w);
            name_classes(w, letters ? all_folders : first_folder, PYR_PART_TRAIN);
            if (same)
                PYR_TRY(pyr_names_add(
                    &w->out->warnings,
                    "the folders that are taken for classes hold the same folders each: if those are the "
                    "classes, say data.classes = \"folders\""));
            return shards == PYR_SHARDS_MAYBE ? warn_shards(w) : PYR_OK;
        }
        step_in(w);
    }
    return PYR_OK;
}

static int compare_folded(const void *key, const void *at)
{
    pyr_word wanted = ((const piece *)key)->name, class = ((const piece *)at)->name;
    int order = strncasecmp(wanted.at, class.at, wanted.n < class.n ? wanted.n : class.n);

    return order ? order : wanted.n < class.n ? -1 : wanted.n > class.n;
}

static int by_folded(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    int order = compare_folded(x, y);

    return order ? order : x->item < y->item ? -1 : x->item > y->item;
}

/* The classes once more, in an order that knows no case; of those that are then the same only the first. */
static pyr_status fold_classes(work *w)
{
    const pyr_names *classes = &w->out->classes;
    size_t kept = 0;

    pyr_free(w->folded);
    PYR_TRY(pyr_new(&w->folded, classes->n, sizeof *w->folded, "the classes"));
    for (size_t i = 0; i < classes->n; i++)
        w->folded[i] = (piece){{classes->at[i], strlen(classes->at[i])}, i};
    pyr_sort(w->folded, classes->n, sizeof *w->folded, by_folded);
    for (size_t i = 0; i < classes->n; i++)
        if (!kept || compare_folded(&w->folded[kept - 1], &w->folded[i]) != 0)
            w->folded[kept++] = w->folded[i];
    w->n_folded = kept;
    return PYR_OK;
}

/* Sorted names of the classes of all images of a part. */
static pyr_status gather(work *w)
{
    pyr_names *classes = &w->out->classes;
    piece *at;
    size_t n = 0;
    pyr_status status = PYR_OK;

    pyr_names_free(classes);
    PYR_TRY(pyr_new(&at, w->items.n, sizeof *at, "the classes"));
    for (size_t i = 0; i < w->items.n; i++) {
        const pyr_item *item = &w->items.at[i];
        bool counts = item->part == PYR_PART_TRAIN || (w->all && w->parts[item->part].labelled);

        if (counts && item->part != PYR_PART_NONE && item->class.n)
            at[n++] = (piece){item->class, i};
    }
    pyr_sort(at, n, sizeof *at, by_piece);
    for (size_t i = 0; i < n; i++)
        if (!i || !same(at[i - 1].name, at[i].name))
            PYR_TRY_OUT(pyr_names_format(classes, "%.*s", (int)at[i].name.n, at[i].name.at));
    status = fold_classes(w);
out:
    pyr_free(at);
    return status;
}

static int compare_class(const void *key, const void *at)
{
    const pyr_word *wanted = key;
    const char *name = *(char *const *)at;
    int order = strncmp(wanted->at, name, wanted->n);

    return order ? order : name[wanted->n] ? -1 : 0;
}

/* The class of a name, whatever its case when no class has it exactly; -1: none has. */
static int32_t class_of(const work *w, pyr_word name, bool any_case)
{
    const pyr_names *classes = &w->out->classes;
    char **found;
    const piece *folded = NULL;

    if (!name.n || !classes->n)
        return -1;
    found = bsearch(&name, classes->at, classes->n, sizeof *classes->at, compare_class);
    if (found)
        return (int32_t)(found - classes->at);
    if (any_case)
        folded = bsearch(&(piece){.name = name}, w->folded, w->n_folded, sizeof *w->folded, compare_folded);
    return folded ? (int32_t)folded->item : -1;
}

/* A held-out image's class is a folder on its path that training has; else the first folder, whose name is
 * then known to no one. */
static void held_out_class(const work *w, pyr_item *item)
{
    for (int any_case = 0; any_case < 2; any_case++)
        for (const char *at = item->inner, *slash; (slash = strchr(at, '/')); at = slash + 1) {
            item->class = (pyr_word){at, (size_t)(slash - at)};
            if (class_of(w, item->class, any_case) >= 0)
                return;
        }
    item->class = first_folder(item);
}

/* Take a lone class's folder (val/cat/x.png alone) for one, where put_part went through it. */
static void lone_class(work *w, pyr_item *item)
{
    const char *inner = item->inner;

    while (inner > item->name + w->root) {
        const char *end = inner - 1, *at = end;
        pyr_word name;

        while (at > item->name + w->root && at[-1] != '/')
            at--;
        name = (pyr_word){at, (size_t)(end - at)};
        if (class_of(w, name, false) >= 0) {
            item->class = name;
            return;
        }
        inner = at;
    }
}

static size_t count_labelled(const work *w, int kind)
{
    size_t n = 0;

    for (size_t i = 0; i < w->items.n; i++)
        n += w->items.at[i].part == kind && class_of(w, w->items.at[i].class, true) >= 0;
    return n;
}

static pyr_status label_part(work *w, int kind)
{
    part *p = &w->parts[kind];
    const pyr_names *classes = &w->out->classes;
    size_t file;

    if (!p->n || !classes->n || p->labelled) /* labelled with the training images already */
        return PYR_OK;
    for (size_t i = 0; i < w->items.n && !w->below; i++) {
        pyr_item *item = &w->items.at[i];

        if (item->part != kind || pyr_wishes(w->wish->classes, "folders"))
            continue;
        held_out_class(w, item);
        if (class_of(w, item->class, true) < 0)
            lone_class(w, item);
    }
    if (pyr_wishes(w->wish->classes, "folders"))
        name_classes(w, last_folder, kind);
    p->labelled = count_labelled(w, kind);
    if (p->labelled)
        return PYR_OK;
    PYR_TRY(pyr_layout_lists(&w->texts[kind], &file, &w->items, kind, w->files, w->wish));
    p->labelled = w->texts[kind] ? count_labelled(w, kind) : 0;
    if (p->labelled) {
        p->list = w->files->at[file];
        w->out->place[file] = PYR_PLACE_READ;
    }
    return PYR_OK;
}

static pyr_status find_classes(work *w)
{
    if (pyr_wishes(w->wish->classes, "none"))
        return PYR_OK;
    if (pyr_wishes(w->wish->classes, "folders")) {
        name_classes(w, last_folder, PYR_PART_TRAIN);
        /* cat/, dog/ and test/, all of them for training: test/ is one as the others */
        for (int kind = PYR_PART_TEST; kind <= PYR_PART_VAL && w->all && w->around; kind++) {
            name_classes(w, last_folder, kind);
            w->parts[kind].labelled = w->parts[kind].n;
        }
        for (size_t i = 0; i < w->items.n; i++)
            w->loose += w->items.at[i].part == PYR_PART_TRAIN && !w->items.at[i].class.n;
        if (w->loose == w->parts[PYR_PART_TRAIN].n)
            w->loose = 0; /* a flat folder */
    } else if (!w->below)
        PYR_TRY(training_classes(w));
    if (w->loose) {
        pyr_text_add(&w->out->notes, "; classes are not used: %zu of %zu images are in no subfolder",
                     w->loose, w->parts[PYR_PART_TRAIN].n);
        for (size_t i = 0; i < w->items.n; i++)
            w->items.at[i].class.n = 0;
        return PYR_OK;
    }
    PYR_TRY(gather(w));
    for (int kind = PYR_PART_TEST; kind <= PYR_PART_VAL; kind++)
        PYR_TRY(label_part(w, kind));
    return w->all ? gather(w) : PYR_OK;
}

/* ---- which part is held out ---- */

static bool is_labelled(const work *w, int kind)
{
    return 2 * w->parts[kind].labelled > w->parts[kind].n;
}

static pyr_status choose_held_out(work *w)
{
    const part *test = &w->parts[PYR_PART_TEST], *val = &w->parts[PYR_PART_VAL];

    w->held = test->n && (is_labelled(w, PYR_PART_TEST) || !val->n || !is_labelled(w, PYR_PART_VAL))
                  ? PYR_PART_TEST
              : val->n ? PYR_PART_VAL
                       : PYR_PART_NONE;
    for (int kind = PYR_PART_TEST; kind <= PYR_PART_VAL; kind++)
        if (pyr_wishes(w->wish->split, kind == PYR_PART_TEST ? "test" : "val")) {
            if (!w->parts[kind].n)
                return pyr_fail(PYR_E_CONFIG,
                                "data.split is \"%s\", but no folder is named so: there are %s%s%s",
                                w->wish->split, w->parted ? w->parts[PYR_PART_TRAIN].names.at : "no parts",
                                w->held ? ", " : "", w->held ? w->parts[w->held].names.at : "");
            w->held = kind;
        }
    if (pyr_wishes(w->wish->split, "train") || w->all)
        w->held = PYR_PART_NONE;
    return PYR_OK;
}

/* One more image of a class that the held-out part alone has; the first such classes are named. */
static void note_missing(work *w, const pyr_item *item)
{
    enum { NAMED = 5 };

    w->missing_images++;
    w->missing_folders += item->class.n > 0;
    for (size_t i = 0; i < w->missing_classes; i++)
        if (same(w->missing[i], item->class))
            return;
    if (w->missing_classes < NAMED)
        w->missing[w->missing_classes] = item->class;
    w->missing_classes += w->missing_classes < NAMED;
}

/* Where each file goes. */
static pyr_status place(work *w)
{
    for (size_t i = 0; i < w->items.n; i++) {
        pyr_item *item = &w->items.at[i];
        const part *p = &w->parts[item->part];
        bool trained = item->part == PYR_PART_TRAIN, held = w->held && item->part == w->held;

        item->label = class_of(w, item->class, true);
        if (w->all && (item->part == PYR_PART_TEST || item->part == PYR_PART_VAL))
            trained = !w->out->classes.n || p->labelled;
        if (held && item->label < 0 && w->out->classes.n)
            note_missing(w, item);
        w->out->place[item->file] = trained ? PYR_PLACE_TRAIN : held ? PYR_PLACE_HELD_OUT : PYR_PLACE_LEFT;
        w->out->label[item->file] = trained || held ? item->label : -1;
    }
    for (int k = 0; k < 2; k++) {
        const part *p = &w->parts[k ? w->held : PYR_PART_TRAIN];

        PYR_TRY(pyr_format(&w->out->folder[k], "%.*s", p->path ? (int)p->folder : 0, p->path ? p->path : ""));
    }
    return PYR_OK;
}

/* ---- in words ---- */

static const char *names_of(const work *w, int kind)
{
    return w->parts[kind].names.at ? w->parts[kind].names.at : "";
}

static void describe_parts(work *w)
{
    pyr_text *how = &w->out->how;
    const char *between = " (";
    int left[3] = {PYR_PART_TEST, PYR_PART_VAL, PYR_PART_REST};
    size_t beside = 0;

    if (w->around)
        pyr_text_add(how, "what is not in %s%s%s is trained on", names_of(w, PYR_PART_TEST),
                     w->parts[PYR_PART_TEST].n && w->parts[PYR_PART_VAL].n ? " or " : "",
                     names_of(w, PYR_PART_VAL));
    else
        pyr_text_add(how, "%s %s trained on", names_of(w, PYR_PART_TRAIN),
                     w->parts[PYR_PART_TRAIN].folders > 1 ? "are" : "is");
    if (w->held)
        pyr_text_add(how, ", %s %s held out", names_of(w, w->held),
                     w->parts[w->held].folders > 1 ? "are" : "is");
    for (int i = 0; i < 3; i++) {
        const part *p = &w->parts[left[i]];
        bool unused = w->out->classes.n && w->all && !p->labelled;

        if (!p->n || left[i] == w->held || (w->all && !unused && left[i] != PYR_PART_REST))
            continue;
        pyr_text_add(how, "%s%s %sleft aside", between, names_of(w, left[i]),
                     w->out->classes.n && !p->labelled && left[i] != PYR_PART_REST ? "has no labels: " : "");
        between = ", ";
    }
    if (w->all && w->parts[PYR_PART_TEST].n + w->parts[PYR_PART_VAL].n)
        pyr_text_add(how, "%sthe held-out parts are trained on too", between);
    pyr_text_add(how, "%s", *between == ' ' && !w->all ? "" : ")");
    for (size_t i = 0; i < w->items.n; i++)
        beside += w->items.at[i].part == PYR_PART_NONE;
    beside -= w->parts[PYR_PART_NONE].n;
    if (beside)
        pyr_text_add(&w->out->notes, "; %zu image%s beside these folders left aside", beside,
                     beside == 1 ? "" : "s");
    if (w->parts[PYR_PART_NONE].n)
        pyr_text_add(&w->out->notes, "; %s %s left aside", names_of(w, PYR_PART_NONE),
                     w->parts[PYR_PART_NONE].folders > 1 ? "are" : "is");
}

static void describe_classes(work *w)
{
    pyr_text *how = &w->out->how;
    const char *comma = how->at ? ", " : "";
    const part *held = &w->parts[w->held];

    if (w->shards.at && !pyr_wishes(w->wish->classes, "folders")) {
        pyr_text_add(how, "%s%s are parts of one set", comma, w->shards.at);
        comma = ", ";
    }
    if (pyr_wishes(w->wish->classes, "none"))
        pyr_text_add(how, "%slabels are left aside as data.classes says", comma);
    else if (w->out->classes.n && w->out->folder[0])
        pyr_text_add(how, "%sthe %zu folder%s%s%s %s class%s", comma, w->out->classes.n,
                     w->out->classes.n == 1 ? "" : "s", *w->out->folder[0] && !w->below ? " in " : "",
                     w->below ? "" : w->out->folder[0], w->out->classes.n == 1 ? "is the" : "are the",
                     w->out->classes.n == 1 ? "" : "es");
    else
        pyr_text_add(how, "%sno folders are classes", comma);
    if (w->held && held->list)
        pyr_text_add(how, ", %s has the labels of %s", held->list, names_of(w, w->held));
    else if (w->held && w->out->classes.n && !held->labelled)
        pyr_text_add(how, ", %s has no labels", names_of(w, w->held));
}

static bool contains(const char *name, const char *word)
{
    for (; *name; name++)
        if (strncasecmp(name, word, strlen(word)) == 0)
            return true;
    return false;
}

/* Files that often hold labels, where none were found. */
static void describe_lists(work *w)
{
    static const char *const words[] = {"label", "train", "attr", "annot", "class", "identity", NULL};

    if (w->out->classes.n || pyr_wishes(w->wish->classes, "none"))
        return;
    for (size_t i = 0; i < w->files->n; i++) {
        const char *base = pyr_base_name(w->files->at[i]);
        bool named = false;

        if (!pyr_ending_of(base, ".csv .txt"))
            continue;
        for (const char *const *word = words; *word; word++)
            named |= contains(base, *word);
        if (!named)
            continue;
        pyr_text_add(&w->out->notes,
                     "; %.100s may hold labels: it is not read, only folders of classes and dataset.json are",
                     base);
        return;
    }
}

static pyr_status describe(work *w)
{
    pyr_text text = {0};

    if (w->parted)
        describe_parts(w);
    describe_classes(w);
    describe_lists(w);
    if (w->parted || w->out->classes.n || w->shards.at || w->root)
        pyr_text_add(&w->out->how, "; data.split (--split) and data.classes (--classes) overrule it");
    /* a part without any label is one (a flat val/); in folders it was probably meant to have some */
    if (w->missing_images && (w->parts[w->held].labelled || w->missing_folders)) {
        pyr_text_add(&text, "%zu of %zu images in %s are of no class that is trained: ", w->missing_images,
                     w->parts[w->held].n, names_of(w, w->held));
        for (size_t i = 0; i < w->missing_classes; i++)
            pyr_text_add(&text, "%s%.*s", i ? ", " : "",
                         w->missing[i].n ? (int)w->missing[i].n : (int)strlen("in no folder"),
                         w->missing[i].n ? w->missing[i].at : "in no folder");
        pyr_text_add(&text, "; they have no label: add images of such classes to those that are trained, or "
                            "remove them");
        PYR_TRY(warn(w, &text));
    }
    return w->out->how.failed || w->out->notes.failed
               ? pyr_fail(PYR_E_NOMEM, "out of memory for the words on a data set")
               : PYR_OK;
}

/* ---- all of it ---- */

static pyr_status start(work *w)
{
    size_t n = w->files->n;

    w->all = pyr_wishes(w->wish->split, "all");
    PYR_TRY(pyr_new(&w->out->place, n, sizeof *w->out->place, "the layout of a data set"));
    PYR_TRY(pyr_new(&w->out->label, n, sizeof *w->out->label, "the layout of a data set"));
    PYR_TRY(pyr_new(&w->items.at, n, sizeof *w->items.at, "the layout of a data set"));
    for (size_t i = 0; i < n; i++) {
        w->out->place[i] = PYR_PLACE_OTHER;
        w->out->label[i] = -1;
        if (!pyr_image_named(w->files->at[i]))
            continue;
        w->items.at[w->items.n++] = (pyr_item){.name = w->files->at[i], .inner = w->files->at[i], .file = i};
    }
    return PYR_OK;
}

pyr_status pyr_layout_read(pyr_layout *out, const pyr_names *files, const pyr_layout_wish *wish)
{
    work w = {.files = files, .wish = wish, .out = out};
    pyr_status status;

    *out = (pyr_layout){0};
    PYR_TRY_OUT(start(&w));
    PYR_TRY_OUT(pyr_layout_masks(out, &w.items));
    if (w.items.n) {
        PYR_TRY_OUT(find_parts(&w));
        PYR_TRY_OUT(find_classes(&w));
        PYR_TRY_OUT(choose_held_out(&w));
        PYR_TRY_OUT(place(&w));
        PYR_TRY_OUT(describe(&w));
    }
out:
    for (int i = 0; i < PARTS; i++) {
        pyr_text_free(&w.parts[i].names);
        pyr_free(w.texts[i]);
    }
    pyr_text_free(&w.shards);
    pyr_free(w.items.at);
    pyr_free(w.folded);
    return status;
}

void pyr_layout_free(pyr_layout *layout)
{
    pyr_free(layout->place);
    pyr_free(layout->label);
    pyr_free(layout->folder[0]);
    pyr_free(layout->folder[1]);
    pyr_names_free(&layout->classes);
    pyr_names_free(&layout->warnings);
    pyr_text_free(&layout->how);
    pyr_text_free(&layout->notes);
    *layout = (pyr_layout){0};
}
