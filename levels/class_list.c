/* class_list.c - names and counts of classes as metadata of weights, and the words that people choose them
 * by. */
#include "levels/class_list.h"

#include "base/mem.h"
#include "base/philox.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char counts_key[] = "pyrdiff_class_images", names_key[] = "pyrdiff_class_names";

/* Names, and ranges of numbers, that a sentence lists. */
enum { NAMES_LISTED = 12, RANGES_LISTED = 24 };

/* ---- lists ------------------------------------------------------------------------------------- */

static pyr_status list_new(pyr_class_list *out, int n, double class_dropout)
{
    *out = (pyr_class_list){.n = n, .none = class_dropout != 0};
    if (n == 0)
        return PYR_OK;
    return pyr_new(&out->can, (size_t)n, sizeof *out->can, "classes");
}

/* Which can be drawn, when the counts are there. */
static void settle(pyr_class_list *list, double class_dropout)
{
    list->n_can = 0;
    for (int i = 0; i < list->n; i++)
        if (class_dropout < 1 && (!list->images || list->images[i] > 0))
            list->can[list->n_can++] = i;
}

pyr_status pyr_class_list_plain(pyr_class_list *out, int n, double class_dropout)
{
    PYR_TRY(list_new(out, n, class_dropout));
    settle(out, class_dropout);
    return PYR_OK;
}

static pyr_status name_class(pyr_class_list *list, int label, const char *name, size_t length)
{
    if (!list->name)
        PYR_TRY(pyr_new(&list->name, (size_t)list->n, sizeof *list->name, "names of classes"));
    list->name[label] = pyr_strfmt("%.*s", (int)length, name);
    return list->name[label] ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for names of classes");
}

pyr_status pyr_class_list_of_data(pyr_class_list *out, const pyr_dataset *data, double class_dropout)
{
    const int32_t *labels = pyr_dataset_labels(data, PYR_SPLIT_TRAIN);
    int n = labels ? pyr_dataset_classes(data) : 0;

    PYR_TRY(list_new(out, n, class_dropout));
    if (n == 0)
        return PYR_OK;
    PYR_TRY(pyr_new(&out->images, (size_t)n, sizeof *out->images, "classes"));
    for (int64_t i = 0; i < pyr_dataset_count(data, PYR_SPLIT_TRAIN); i++)
        if (labels[i] >= 0 && labels[i] < n)
            out->images[labels[i]]++;
    for (int i = 0; i < n; i++) {
        const char *name = pyr_dataset_class_name(data, i);

        if (name && *name)
            PYR_TRY(name_class(out, i, name, strlen(name)));
    }
    settle(out, class_dropout);
    return PYR_OK;
}

pyr_status pyr_class_list_copy(pyr_class_list *out, const pyr_class_list *from)
{
    size_t n = (size_t)from->n;

    PYR_TRY(list_new(out, from->n, from->none ? -1 : 0));
    if (from->images) {
        PYR_TRY(pyr_new(&out->images, n, sizeof *out->images, "classes"));
        memcpy(out->images, from->images, n * sizeof *out->images);
    }
    for (int i = 0; from->name && i < from->n; i++)
        if (from->name[i])
            PYR_TRY(name_class(out, i, from->name[i], strlen(from->name[i])));
    if (n)
        memcpy(out->can, from->can, n * sizeof *out->can);
    out->n_can = from->n_can;
    return PYR_OK;
}

void pyr_class_list_free(pyr_class_list *list)
{
    for (int i = 0; list->name && i < list->n; i++)
        pyr_free(list->name[i]);
    pyr_free(list->name);
    pyr_free(list->images);
    pyr_free(list->can);
    *list = (pyr_class_list){0};
}

/* ---- as metadata ------------------------------------------------------------------------------- */

/* Readers of the format want UTF-8. */
static void add_line(pyr_text *text, const char *name)
{
    const unsigned char *at = (const unsigned char *)name;

    while (*at) {
        size_t n = pyr_utf8_length(at);

        if (n == 0)
            pyr_text_add(text, "?");
        else if (*at == '\n')
            pyr_text_add(text, " ");
        else
            pyr_text_add_bytes(text, at, n);
        at += n ? n : 1;
    }
}

pyr_status pyr_class_list_write(const pyr_class_list *list, pyr_st_pair pairs[PYR_CLASS_PAIRS], size_t *n,
                                pyr_text *counts, pyr_text *names)
{
    *n = 0;
    if (!list->n || !list->images)
        return PYR_OK;
    for (int i = 0; i < list->n; i++)
        pyr_text_add(counts, "%s%" PRId64, i ? " " : "", list->images[i]);
    for (int i = 0; i < list->n && list->name; i++) {
        if (i)
            pyr_text_add(names, "\n");
        if (list->name[i])
            add_line(names, list->name[i]);
    }
    if (counts->failed || names->failed)
        return pyr_fail(PYR_E_NOMEM, "out of memory: classes of a level");
    pairs[(*n)++] = (pyr_st_pair){counts_key, counts->at};
    if (names->at)
        pairs[(*n)++] = (pyr_st_pair){names_key, names->at};
    return PYR_OK;
}

#define IMAGES_MOST INT64_C(1000000000000) /* of a class: more than anyone has, and sums do not overflow */

static pyr_status read_counts(pyr_class_list *list, const char *text)
{
    PYR_TRY(pyr_new(&list->images, (size_t)list->n, sizeof *list->images, "classes"));
    for (int i = 0; i < list->n; i++) {
        char *end;

        errno = 0;
        list->images[i] = strtoll(text, &end, 10);
        if (end == text || errno || list->images[i] < 0 || list->images[i] > IMAGES_MOST ||
            *end != (i + 1 < list->n ? ' ' : 0))
            return pyr_fail(PYR_E_FORMAT, "should be a number of images for each of %d classes", list->n);
        text = end;
    }
    return PYR_OK;
}

static pyr_status read_names(pyr_class_list *list, const char *text)
{
    for (int i = 0; i < list->n; i++) {
        size_t length = strcspn(text, "\n");

        if (text[length] != (i + 1 < list->n ? '\n' : 0))
            return pyr_fail(PYR_E_FORMAT, "should be a line for each of %d classes", list->n);
        if (length)
            PYR_TRY(name_class(list, i, text, length));
        text += length + 1;
    }
    return PYR_OK;
}

pyr_status pyr_class_list_read(pyr_class_list *out, const char *path, int n, double class_dropout)
{
    pyr_safetensors *file = NULL;
    const char *counts, *names;
    pyr_status status;

    PYR_TRY(list_new(out, n, class_dropout));
    if (n == 0)
        return PYR_OK;
    PYR_TRY_OUT(pyr_safetensors_open_head(&file, path));
    counts = pyr_safetensors_metadata(file, counts_key);
    names = pyr_safetensors_metadata(file, names_key);
    status = counts ? read_counts(out, counts) : PYR_OK;
    if (status != PYR_OK)
        PYR_TRY_OUT(pyr_fail_prefix(status, "%s: metadata %s", path, counts_key));
    status = names ? read_names(out, names) : PYR_OK;
    if (status != PYR_OK)
        PYR_TRY_OUT(pyr_fail_prefix(status, "%s: metadata %s", path, names_key));
    settle(out, class_dropout);
    if (!out->n_can && class_dropout < 1)
        status = pyr_fail(PYR_E_FORMAT, "%s: the metadata say that no class had training images", path);
out:
    pyr_safetensors_free(file);
    return status;
}

/* ---- in words ---------------------------------------------------------------------------------- */

/* "3 (cat)", or "3" without a name. */
static void add_name(const pyr_class_list *list, int label, pyr_text *text)
{
    pyr_text_add(text, "%d", label);
    if (list->name && list->name[label])
        pyr_text_add(text, " (%s)", list->name[label]);
}

void pyr_class_list_add(const pyr_class_list *list, pyr_text *text)
{
    int ranges = 0;

    for (int i = 0; i < list->n_can;) {
        int last = i;

        if (ranges++ == RANGES_LISTED) {
            pyr_text_add(text, ", ... up to %d", list->can[list->n_can - 1]);
            break;
        }
        while (last + 1 < list->n_can && list->can[last + 1] == list->can[last] + 1)
            last++;
        pyr_text_add(text, last > i ? "%s%d..%d" : "%s%d", i ? ", " : "", list->can[i], list->can[last]);
        i = last + 1;
    }
    if (!list->name || list->n_can > NAMES_LISTED)
        return;
    for (int i = 0; i < list->n_can; i++) {
        const char *name = list->name[list->can[i]];

        pyr_text_add(text, "%s%s", i ? ", " : " (", name ? name : "-");
    }
    pyr_text_add(text, ")");
}

static pyr_status refuse(pyr_text *text)
{
    if (text->failed)
        pyr_fail(PYR_E_NOMEM, "out of memory for a sentence");
    else
        pyr_fail(PYR_E_ARG, "%s", text->at);
    pyr_text_free(text);
    return PYR_E_ARG;
}

/* ---- which class an image is of ---------------------------------------------------------------- */

static bool can_draw(const pyr_class_list *list, int label)
{
    for (int i = 0; i < list->n_can; i++)
        if (list->can[i] == label)
            return true;
    return false;
}

static pyr_status refuse_none(const pyr_class_list *list)
{
    pyr_text text = {0};

    pyr_text_add(&text, "which class? Add --class ");
    pyr_class_list_add(list, &text);
    pyr_text_add(&text, ", all or random: this network was never trained without one (class_dropout is 0)");
    return refuse(&text);
}

static pyr_status refuse_label(const pyr_class_list *list, int64_t label)
{
    pyr_text text = {0};

    if (label >= list->n || label < 0)
        pyr_text_add(&text, "--class is %" PRId64 ", should be ", label);
    else {
        pyr_text_add(&text, "--class ");
        add_name(list, (int)label, &text);
        pyr_text_add(&text,
                     ": no training images were of this class, so there is nothing to draw; there are ");
    }
    pyr_class_list_add(list, &text);
    return refuse(&text);
}

/* By its name: exactly, else in any case where only one fits; -1: there is none. */
static int find_name(const pyr_class_list *list, const char *name)
{
    int found = -1, fit = 0;

    for (int i = 0; list->name && i < list->n; i++)
        if (list->name[i] && strcmp(list->name[i], name) == 0)
            return i;
    for (int i = 0; list->name && i < list->n; i++)
        if (list->name[i] && strcasecmp(list->name[i], name) == 0) {
            found = i;
            fit++;
        }
    return fit == 1 ? found : -1;
}

static pyr_status refuse_word(const pyr_class_list *list, const char *word)
{
    const char **names = NULL, *nearest = NULL;
    size_t n = 0;
    pyr_text text = {0};

    if (list->name && pyr_new(&names, (size_t)list->n, sizeof *names, "names of classes") == PYR_OK) {
        for (int i = 0; i < list->n; i++)
            if (list->name[i])
                names[n++] = list->name[i];
        nearest = pyr_nearest(word, names, n);
    }
    pyr_text_add(&text, "--class: there is no class \"%s\"%s%s%s (", word, nearest ? "; did you mean " : "",
                 nearest ? nearest : "", nearest ? "?" : "");
    pyr_class_list_add(list, &text);
    pyr_text_add(&text, "; all, random)");
    pyr_free(names);
    return refuse(&text);
}

pyr_status pyr_class_choose(pyr_class_choice *out, const pyr_class_list *list, const char *typed)
{
    char *end;
    int64_t number;

    *out = (pyr_class_choice){.kind = PYR_CLASS_NONE, .label = -1, .list = list};
    if (!*typed || strcmp(typed, "none") == 0 || strcmp(typed, "-1") == 0)
        return list->n && !list->none ? refuse_none(list) : PYR_OK;
    if (list->n == 0)
        return pyr_fail(PYR_E_ARG,
                        "--class %s: this run was trained without classes (train one with --classes)", typed);
    if (!list->n_can)
        return pyr_fail(
            PYR_E_ARG,
            "--class %s: no class was ever trained (class_dropout is 1), only images of none: leave --class "
            "out",
            typed);
    if (strcmp(typed, "all") == 0 || strcmp(typed, "random") == 0) {
        out->kind = *typed == 'a' ? PYR_CLASS_ALL : PYR_CLASS_RANDOM;
        return PYR_OK;
    }
    number = strtoll(typed, &end, 10);
    if (end == typed || *end) {
        number = find_name(list, typed);
        if (number < 0)
            return refuse_word(list, typed);
    }
    if (number < 0 || number >= list->n || !can_draw(list, (int)number))
        return refuse_label(list, number);
    out->kind = PYR_CLASS_ONE;
    out->label = (int)number;
    return PYR_OK;
}

int32_t pyr_class_of_seed(const pyr_class_choice *choice, uint64_t seed)
{
    const pyr_class_list *list = choice->list;
    pyr_rng4 word;

    switch (choice->kind) {
    case PYR_CLASS_NONE:
        break;
    case PYR_CLASS_ONE:
        return choice->label;
    case PYR_CLASS_ALL:
        return list->can[seed % (uint64_t)list->n_can];
    case PYR_CLASS_RANDOM:
        word = pyr_philox(seed, 0, 0, 0, pyr_rng_purpose(PYR_RNG_CLASS, 0));
        return list->can[(uint64_t)word.v[0] * (uint64_t)list->n_can >> 32];
    }
    return -1;
}

pyr_status pyr_class_labels(int32_t **out, const pyr_class_choice *choice, const uint64_t *seeds, size_t n)
{
    *out = NULL;
    if (choice->kind == PYR_CLASS_NONE)
        return PYR_OK;
    PYR_TRY(pyr_new(out, n, sizeof **out, "classes of images"));
    for (size_t i = 0; i < n; i++)
        (*out)[i] = pyr_class_of_seed(choice, seeds[i]);
    return PYR_OK;
}

void pyr_class_choice_add(const pyr_class_choice *choice, pyr_text *text)
{
    switch (choice->kind) {
    case PYR_CLASS_NONE:
        break;
    case PYR_CLASS_ONE:
        pyr_text_add(text, "class ");
        add_name(choice->list, choice->label, text);
        break;
    case PYR_CLASS_ALL:
        pyr_text_add(text, "all classes in turn");
        break;
    case PYR_CLASS_RANDOM:
        pyr_text_add(text, "classes at random");
        break;
    }
}
