/* image_list.c - images from a list of files, wherever these lie: in a folder (image_folder.c), in a zip
 * archive (image_zip.c) or in tar archives (image_tar.c). Their names give the layout of the set (layout.h);
 * labels may also be in files beside them. */
#include "layouts/collection.h"

#include "archives/folder_names.h"
#include "base/json.h"
#include "base/mem.h"
#include "layouts/dataset_json.h"
#include "layouts/layout.h"
#include "pictures/image_file.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct list {
    pyr_collection *c;
    const pyr_listing *from;
    pyr_layout layout;
    size_t around; /* length of the path around all images */
} list;

static bool wishes(const list *l, const char *word)
{
    return l->c->set && pyr_wishes(l->c->set->classes, word);
}

/* ---- EDM's dataset.json ---- */

/* The deepest dataset.json in a folder on the way to `inside`, whose path is least..most long; n: there is
 * none. */
static size_t find_json(const list *l, const char *inside, size_t least, size_t most)
{
    const pyr_names *names = &l->from->names;
    size_t found = names->n;

    for (size_t i = 0; i < names->n; i++) {
        size_t n = (size_t)(pyr_base_name(names->at[i]) - names->at[i]);

        if (strcmp(names->at[i] + n, PYR_DATASET_JSON) == 0 && n >= least && n <= most &&
            strncmp(names->at[i], inside, n) == 0 &&
            (found == names->n || strlen(names->at[found]) < strlen(names->at[i])))
            found = i;
    }
    return found;
}

static pyr_status read_json(pyr_file_labels *out, const list *l, size_t i)
{
    const pyr_listing *from = l->from;
    char *shown = from->path ? from->path(from, i) : pyr_strfmt("%s%s", from->root, from->names.at[i]);
    char *bytes = NULL;
    size_t n;
    pyr_status status;

    if (!shown)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
    PYR_TRY_OUT(from->read(from, &bytes, &n, i, pyr_file_labels_limit(from->names.n)));
    PYR_TRY_OUT(pyr_file_labels_parse(out, bytes, n, shown));
    if (out->edm)
        l->layout.place[i] = PYR_PLACE_READ;
out:
    pyr_free(bytes);
    pyr_free(shown);
    return status;
}

/* Labels by file, for the images of one place: each image has one, and each label has its image. `json` is
 * the file's place, its names begin where it lies. */
static pyr_status put_labels(list *l, size_t json, const pyr_file_labels *labels, pyr_place place)
{
    const char *name = l->from->names.at[json];
    size_t skip = (size_t)(pyr_base_name(name) - name), used = 0;
    bool *met = NULL;
    pyr_status status;

    PYR_TRY(pyr_new(&met, labels->n, sizeof *met, "the labels"));
    for (size_t i = 0; i < l->from->names.n; i++) {
        const char *image = l->from->names.at[i] + skip;
        int64_t at;

        if (l->layout.place[i] != place)
            continue;
        at = pyr_file_labels_find(labels, image);
        if (at < 0)
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s%s: no label for %s, though %zu other images have one",
                                 l->from->root, name, image, labels->n));
        l->layout.label[i] = labels->at[at].label;
        met[at] = true;
        used++;
    }
    for (size_t i = 0; i < labels->n; i++)
        if (!met[i])
            PYR_TRY_OUT(
                pyr_fail(PYR_E_FORMAT,
                         "%s%s: a label for %.500s, which is not among the %zu images; %zu labels have no "
                         "image",
                         l->from->root, name, labels->at[i].name, used, labels->n - used));
out:
    pyr_free(met);
    return status;
}

/* A dataset.json around everything: all images are for training, and it has the labels. */
static pyr_status edm(bool *is, list *l, const char *inside)
{
    size_t n = l->from->names.n, json = find_json(l, inside, 0, l->around);
    pyr_file_labels labels = {0};
    pyr_status status = PYR_OK;

    *is = false;
    if (json == n || wishes(l, "folders"))
        return PYR_OK;
    PYR_TRY_OUT(pyr_new(&l->layout.place, n, sizeof *l->layout.place, "the list of images"));
    PYR_TRY_OUT(pyr_new(&l->layout.label, n, sizeof *l->layout.label, "the list of images"));
    PYR_TRY_OUT(read_json(&labels, l, json));
    *is = labels.edm;
    for (size_t i = 0; i < n; i++) {
        l->layout.label[i] = -1;
        if (pyr_image_named(l->from->names.at[i]))
            l->layout.place[i] = PYR_PLACE_TRAIN;
    }
    if (labels.edm)
        PYR_TRY_OUT(pyr_collection_has(l->c, false, false));
    if (labels.n && !wishes(l, "none"))
        PYR_TRY_OUT(put_labels(l, json, &labels, PYR_PLACE_TRAIN));
    if (labels.edm)
        pyr_text_add(&l->layout.how, "%s %s, and folders mean nothing", l->from->names.at[json],
                     !labels.n           ? "says that there are no labels"
                     : wishes(l, "none") ? "has labels, left aside as data.classes says"
                                         : "has the labels");
out:
    pyr_file_labels_free(&labels);
    if (!*is)
        pyr_layout_free(&l->layout);
    return status;
}

/* A dataset.json in train/, and perhaps one in test/. */
static pyr_status edm_parts(list *l)
{
    pyr_file_labels labels = {0};
    pyr_status status = PYR_OK;

    if (wishes(l, "folders") || wishes(l, "none"))
        return PYR_OK;
    for (int part = 0; part < 2; part++) {
        size_t n = l->from->names.n, json = find_json(l, l->layout.folder[part], l->around + 1, SIZE_MAX);
        pyr_place place = part ? PYR_PLACE_HELD_OUT : PYR_PLACE_TRAIN;

        pyr_file_labels_free(&labels);
        if (json < n)
            PYR_TRY_OUT(read_json(&labels, l, json));
        if (part == 0 && !labels.edm)
            break;
        for (size_t i = 0; i < n; i++)
            if (l->layout.place[i] == place)
                l->layout.label[i] = -1;
        pyr_names_free(&l->layout.classes);
        if (labels.n)
            PYR_TRY_OUT(put_labels(l, json, &labels, place));
        if (part == 0) {
            pyr_text_free(&l->layout.how);
            pyr_text_add(&l->layout.how,
                         "%s is trained on and has its labels in %s; data.split (--split) and data.classes "
                         "(--classes) overrule it",
                         l->layout.folder[0], PYR_DATASET_JSON);
        }
    }
out:
    pyr_file_labels_free(&labels);
    return status;
}

/* ---- labels beside each image ---- */

static int by_walk(const void *key, const void *at)
{
    return pyr_walk_order(key, *(char *const *)at);
}

/* The file of the image's key (up to the first point of its name, or the last) with this ending; n: none. */
static size_t find_beside(const list *l, size_t image, const char *ending)
{
    const pyr_names *names = &l->from->names;
    const char *name = names->at[image], *base = pyr_base_name(name),
               *dots[2] = {strchr(base, '.'), strrchr(base, '.')};

    for (int i = 0; i < 2; i++) {
        char *wanted = pyr_strfmt("%.*s%s", (int)(dots[i] - name), name, ending);
        char **found = wanted ? bsearch(wanted, names->at, names->n, sizeof *names->at, by_walk) : NULL;

        pyr_free(wanted);
        if (found)
            return (size_t)(found - names->at);
    }
    return names->n;
}

pyr_status pyr_label_beside(int32_t *label, const char *bytes, size_t n, const char *name)
{
    static const char *const keys[] = {"label", "cls", "class", "class_id", "target"};
    pyr_json_value *json = NULL;
    double value = -1;
    size_t length = strlen(name);

    *label = -1;
    if (length > 4 && strcasecmp(name + length - 4, ".cls") == 0) {
        char *end;

        value = strtod(bytes, &end);
        value = end == bytes || end + strspn(end, " \r\n\t") != bytes + n ? -1 : value;
    } else {
        PYR_TRY(pyr_json_parse(&json, bytes, n, name));
        for (size_t i = 0; i < sizeof keys / sizeof *keys && value < 0; i++) {
            const pyr_json_value *number = pyr_json_member(json, keys[i]);

            if (pyr_json_is(number, PYR_JSON_NUMBER))
                value = pyr_json_number(number, 0);
        }
        pyr_json_free(json);
    }
    if (value >= 0 && value < PYR_LABEL_MOST && value == (double)(int32_t)value)
        *label = (int32_t)value;
    return PYR_OK;
}

/* The label in a file beside the image; -1: no file, or no label in it. */
static pyr_status label_beside(int32_t *label, size_t *file, const list *l, size_t image)
{
    static const char *const endings[] = {".cls", ".json"};
    char *bytes = NULL;
    size_t n;
    pyr_status status = PYR_OK;

    *label = -1;
    for (int i = 0; i < 2 && *label < 0; i++) {
        *file = find_beside(l, image, endings[i]);
        if (*file == l->from->names.n)
            continue;
        pyr_free(bytes);
        bytes = NULL;
        PYR_TRY_OUT(l->from->read(l->from, &bytes, &n, *file, 1 << 20));
        PYR_TRY_OUT(pyr_label_beside(label, bytes, n, l->from->names.at[*file]));
    }
out:
    pyr_free(bytes);
    return status;
}

static bool is_used(const list *l, size_t i)
{
    return l->layout.place[i] == PYR_PLACE_TRAIN || l->layout.place[i] == PYR_PLACE_HELD_OUT;
}

/* Labels beside all training images are the labels; the first decides whether there are any. */
static pyr_status beside(list *l)
{
    size_t n = l->from->names.n, first = 0, file, without = 0, met = 0;
    int32_t *labels = NULL, label;
    pyr_status status = PYR_OK;

    while (first < n && l->layout.place[first] != PYR_PLACE_TRAIN)
        first++;
    if (first == n || wishes(l, "none") || wishes(l, "folders"))
        return PYR_OK;
    PYR_TRY(label_beside(&label, &file, l, first));
    if (label < 0)
        return PYR_OK;
    PYR_TRY(pyr_new(&labels, n, sizeof *labels, "the labels"));
    for (size_t i = 0; i < n; i++) {
        if (!is_used(l, i))
            continue;
        PYR_TRY_OUT(label_beside(&labels[i], &file, l, i));
        met += labels[i] >= 0;
        without += labels[i] < 0 && l->layout.place[i] == PYR_PLACE_TRAIN;
        if (labels[i] >= 0)
            l->layout.place[file] = PYR_PLACE_READ;
    }
    if (without) {
        PYR_TRY_OUT(pyr_names_format(&l->c->warnings,
                                     "%s%s has its label beside it, but %zu of %zu images have none: these "
                                     "labels are not used; complete or remove them",
                                     l->from->root, l->from->names.at[first], without, without + met));
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        if (is_used(l, i))
            l->layout.label[i] = labels[i];
    pyr_names_free(&l->layout.classes);
    pyr_text_add(&l->layout.how, "%slabels are in the files beside the images (.cls, .json)",
                 l->layout.how.at ? "; " : "");
out:
    pyr_free(labels);
    return status;
}

/* ---- all of it ---- */

static pyr_status read_list(void *arg, char **bytes, size_t *n, size_t i)
{
    const list *l = arg;

    return l->from->read(l->from, bytes, n, i, pyr_file_labels_limit(l->from->names.n));
}

/* Training images first, then held-out ones. */
static pyr_status add_images(list *l)
{
    for (int test = 0; test < 2; test++)
        for (size_t i = 0; i < l->from->names.n; i++) {
            if (l->layout.place[i] != (test ? PYR_PLACE_HELD_OUT : PYR_PLACE_TRAIN))
                continue;
            PYR_TRY(pyr_collection_add(l->c, i, l->layout.label[i], test));
        }
    return PYR_OK;
}

static void note_others(list *l, bool edm_set)
{
    const char *first = NULL;
    long long others = 0;

    for (size_t i = 0; i < l->from->names.n; i++)
        if (l->layout.place[i] == PYR_PLACE_OTHER && others++ == 0)
            first = pyr_base_name(l->from->names.at[i]);
    if (others)
        pyr_text_add(&l->c->notes, "; %lld file%s of other kinds left aside", others, others == 1 ? "" : "s");
    if (others && !edm_set)
        pyr_text_add(&l->c->notes, " (such as %.64s)", first);
}

/* Move what the layout found to the collection. */
static pyr_status move_findings(list *l)
{
    pyr_layout *layout = &l->layout;

    PYR_TRY(pyr_names_add_all(&l->c->warnings, &layout->warnings));
    if (layout->notes.at)
        pyr_text_add_bytes(&l->c->notes, layout->notes.at, layout->notes.length);
    pyr_text_free(&l->c->how);
    l->c->how = layout->how;
    layout->how = (pyr_text){0};
    pyr_names_free(&l->c->classes);
    l->c->classes = layout->classes;
    layout->classes = (pyr_names){0};
    return PYR_OK;
}

pyr_status pyr_collect_listed(pyr_collection *c, const pyr_listing *listing)
{
    list l = {.c = c, .from = listing};
    pyr_layout_wish wish = {.read = read_list, .arg = &l};
    const pyr_names *names = &listing->names;
    const char *first = NULL;
    bool edm_set = false;
    pyr_status status = PYR_OK;

    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->at[i];

        if (!pyr_image_named(name))
            continue;
        if (!first)
            l.around = (size_t)(pyr_base_name(name) - name);
        for (first = first ? first : name; strncmp(first, name, l.around) != 0;)
            for (l.around--; l.around && first[l.around - 1] != '/';)
                l.around--;
    }
    if (c->set) {
        wish.split = c->set->split;
        wish.classes = c->set->classes;
    }
    if (first)
        PYR_TRY_OUT(edm(&edm_set, &l, first));
    if (!edm_set) {
        PYR_TRY_OUT(pyr_layout_read(&l.layout, names, &wish));
        if (first)
            PYR_TRY_OUT(edm_parts(&l));
        PYR_TRY_OUT(beside(&l));
    }
    PYR_TRY_OUT(add_images(&l));
    note_others(&l, edm_set);
    if (c->hidden)
        pyr_text_add(&c->notes, "; %lld hidden picture%s left aside (a point begins the name, or a folder's)",
                     (long long)c->hidden, c->hidden == 1 ? "" : "s");
    PYR_TRY_OUT(move_findings(&l));
out:
    pyr_layout_free(&l.layout);
    return status;
}
