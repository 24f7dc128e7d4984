/* layout_masks.c - what lies beside images without being one: masks, a second copy of all, and further images
 * of one key. */
#include "layouts/layout.h"

#include "archives/folder_names.h"
#include "base/mem.h"
#include "layouts/collection.h"
#include "pictures/image_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEEPEST = 32 };

typedef struct masks {
    pyr_layout *out;
    pyr_items *items;
    size_t dropped; /* images, in `folders` folders or beside their images */
    size_t folders;
    char first[80]; /* of these folders */
} masks;

/* The name of a file without its ending. */
static pyr_word stem_of(const char *name)
{
    const char *base = pyr_base_name(name), *dot = strrchr(base, '.');

    return (pyr_word){base, dot ? (size_t)(dot - base) : strlen(base)};
}

/* The same from the top on: with the folders. */
static pyr_word whole_stem(const char *name)
{
    pyr_word base = stem_of(name);

    return (pyr_word){name, (size_t)(base.at - name) + base.n};
}

static int by_text(const void *a, const void *b)
{
    return pyr_word_order(*(const pyr_word *)a, *(const pyr_word *)b);
}

static bool has(const pyr_word *sorted, size_t n, pyr_word wanted)
{
    return n && bsearch(&wanted, sorted, n, sizeof *sorted, by_text);
}

static void drop(masks *m, size_t i)
{
    m->out->place[m->items->at[i].file] = PYR_PLACE_LEFT;
    m->dropped++;
}

static bool dropped(const masks *m, size_t i)
{
    return m->out->place[m->items->at[i].file] == PYR_PLACE_LEFT;
}

/* Take what was dropped out of the list. */
static void close_ranks(masks *m)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->items->n; i++)
        if (!dropped(m, i))
            m->items->at[kept++] = m->items->at[i];
    m->items->n = kept;
}

/* ---- folders of masks ---- */

/* The pyr_word without its last word: aachen_000019 of aachen_000019_leftImg8bit; empty when there is none. */
static pyr_word shorter(pyr_word s)
{
    while (s.n && !strchr("_-.", s.at[s.n - 1]))
        s.n--;
    s.n -= s.n > 0;
    return s;
}

/* 00012 of masks is 12 of images. */
static pyr_word without_zeros(pyr_word s)
{
    if (strspn(s.at, "0123456789") >= s.n)
        for (; s.n > 1 && *s.at == '0'; s.n--)
            s.at++;
    return s;
}

/* Sorted stems of a folder's images, cut by so many words; *n = 0 when two become one by that. */
static pyr_status stems_of(pyr_word **out, size_t *n, const masks *m, const pyr_folder *folder, int cut)
{
    *n = folder->end - folder->begin;
    PYR_TRY(pyr_new(out, *n, sizeof **out, "the names of images"));
    for (size_t i = 0; i < *n; i++) {
        (*out)[i] = stem_of(m->items->at[folder->begin + i].name);
        for (int k = 0; k < cut; k++)
            (*out)[i] = shorter((*out)[i]);
        (*out)[i] = without_zeros((*out)[i]);
    }
    pyr_sort(*out, *n, sizeof **out, by_text);
    for (size_t i = 1; cut && i < *n; i++)
        if (by_text(&(*out)[i - 1], &(*out)[i]) == 0)
            *n = 0;
    return PYR_OK;
}

/* Whether nine of ten files in `folder` are named for one of the images: with its stem, or that and an
 * ending; `derived`: only the latter. */
static pyr_status belong(bool *out, const masks *m, const pyr_folder *folder, const pyr_folder *images,
                         bool derived)
{
    *out = false;
    for (int cut = 0; cut < 2 && !*out; cut++) {
        pyr_word *stems;
        size_t n, met = 0;

        PYR_TRY(stems_of(&stems, &n, m, images, cut));
        for (size_t i = folder->begin; i < folder->end; i++) {
            pyr_word s = stem_of(m->items->at[i].name);
            bool found = has(stems, n, without_zeros(s));

            if (found && derived)
                continue;
            for (int k = 0; k < 4 && s.n && !found; k++) {
                s = shorter(s);
                found = has(stems, n, without_zeros(s));
            }
            met += found;
        }
        *out = n && 10 * met >= 9 * (folder->end - folder->begin);
        pyr_free(stems);
    }
    return PYR_OK;
}

static pyr_status suspect(masks *m, const pyr_folder *folder, const pyr_folder *images)
{
    return pyr_names_format(
        &m->out->warnings,
        "%.*s/ beside %.*s/ looks like masks or labels, but its files are named otherwise: they are taken "
        "for images too; move it out of the data set if they are not meant",
        (int)folder->name.n, folder->name.at, (int)images->name.n, images->name.at);
}

/* The folders that masks may be of, in the order of their words, then of their numbers: so that folders by
 * the ten thousand are not all compared with each other. */
typedef struct siblings {
    const pyr_folder **at; /* owned */
    size_t n;
    const pyr_folder **parts; /* train/, val/, in their order; owned */
    size_t n_parts;
} siblings;

/* What one folder of masks is tried with, at most: those that are nearest to it by their numbers. */
enum { TRIED = 32 };

static uint64_t number_of(const pyr_folder *folder)
{
    return pyr_last_number(folder->name).value;
}

static int by_words(const void *a, const void *b)
{
    const pyr_folder *x = *(const pyr_folder *const *)a, *y = *(const pyr_folder *const *)b;
    int order = pyr_mask_order(x->name, y->name, false);
    uint64_t n = number_of(x), k = number_of(y);

    if (order || n != k)
        return order ? order : n < k ? -1 : 1;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static int by_place(const void *a, const void *b)
{
    const pyr_folder *x = *(const pyr_folder *const *)a, *y = *(const pyr_folder *const *)b;

    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static pyr_status find_siblings(siblings *out, const pyr_folders *folders)
{
    bool any = false;

    *out = (siblings){0};
    for (size_t k = 0; k < folders->n && !any; k++)
        any = pyr_mask_named(folders->at[k].name);
    if (!any)
        return PYR_OK;
    PYR_TRY(pyr_new(&out->at, folders->n, sizeof(pyr_folder *), "the list of folders"));
    PYR_TRY(pyr_new(&out->parts, folders->n, sizeof(pyr_folder *), "the list of folders"));
    for (size_t k = 0; k < folders->n; k++) {
        const pyr_folder *folder = &folders->at[k];
        pyr_part_name part = pyr_part_of(folder->name);

        if (pyr_mask_named(folder->name))
            continue;
        out->at[out->n++] = folder;
        if (part.sure && part.part != PYR_PART_REST)
            out->parts[out->n_parts++] = folder;
    }
    pyr_sort(out->at, out->n, sizeof *out->at, by_words);
    return PYR_OK;
}

static void free_siblings(siblings *s)
{
    pyr_free(s->at);
    pyr_free(s->parts);
}

/* How many siblings come before this folder: by the words alone (`or_equal`: those of the same words, too),
 * or by words and number. */
static size_t count_before(const siblings *s, const pyr_folder *folder, bool first, bool or_equal,
                           bool numbers)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const pyr_folder *other = s->at[middle];
        int order = pyr_mask_order(other->name, folder->name, first);

        if (order == 0 && numbers)
            order = number_of(other) < number_of(folder) ? -1 : 1;
        if (order < 0 || (order == 0 && or_equal))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The siblings with the words of this folder, or (`first`) with its first word, and (of a plain name) parts:
 * in their order, at most 2 * TRIED. */
static size_t choose(const pyr_folder *out[2 * TRIED], const siblings *s, const pyr_folder *folder,
                     bool first)
{
    size_t begin = count_before(s, folder, first, false, false), n = 0;
    size_t end = count_before(s, folder, first, true, false);
    bool plain = pyr_mask_plain(folder->name);

    if (end - begin > TRIED) {
        size_t at = count_before(s, folder, false, false, true);

        begin = at < begin ? begin : at + TRIED > end ? end - TRIED : at;
        end = begin + TRIED;
    }
    for (size_t i = 0; i < s->n_parts && i < TRIED && plain && !first; i++)
        out[n++] = s->parts[i];
    for (size_t i = begin; i < end; i++)
        out[n++] = s->at[i];
    pyr_sort(out, n, sizeof *out, by_place);
    return n;
}

/* Whether this folder holds the masks of another: then its images are dropped. */
static pyr_status judge(masks *m, const siblings *s, const pyr_folder *folder)
{
    const pyr_folder *tried[2 * TRIED], *images = NULL;
    size_t n;
    bool yes = false;

    if (!pyr_mask_named(folder->name))
        return PYR_OK;
    n = choose(tried, s, folder, false);
    for (size_t i = 0; i < n && !yes; i++)
        if (pyr_masks_of(folder->name, tried[i]->name)) {
            images = tried[i];
            PYR_TRY(belong(&yes, m, folder, images, false));
        }
    n = images ? 0 : choose(tried, s, folder, true);
    for (size_t i = 0; i < n && !yes; i++)
        if (pyr_masks_near(folder->name, tried[i]->name))
            PYR_TRY(belong(&yes, m, folder, tried[i], true));
    if (images && !yes)
        return suspect(m, folder, images);
    if (!yes)
        return PYR_OK;
    for (size_t i = folder->begin; i < folder->end; i++)
        drop(m, i);
    if (m->folders++ == 0)
        snprintf(m->first, sizeof m->first, "%.*s/", (int)(folder->name.n < 70 ? folder->name.n : 70),
                 folder->name.at);
    return PYR_OK;
}

static pyr_status folders_of_masks(masks *m, size_t begin, size_t end, size_t skip, int depth)
{
    pyr_folders folders;
    siblings s = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_folders_of(&folders, m->items, begin, end, skip));
    PYR_TRY_OUT(find_siblings(&s, &folders));
    for (size_t k = 0; k < folders.n && s.at; k++)
        PYR_TRY_OUT(judge(m, &s, &folders.at[k]));
    for (size_t k = 0; k < folders.n && depth < DEEPEST; k++)
        if (!dropped(m, folders.at[k].begin))
            PYR_TRY_OUT(folders_of_masks(m, folders.at[k].begin, folders.at[k].end,
                                         skip + folders.at[k].name.n + 1, depth + 1));
out:
    free_siblings(&s);
    pyr_folders_free(&folders);
    return status;
}

/* ---- masks beside their images ---- */

/* Where an image's name with folders ends as a mask's: what is before; n = 0: it does not. */
static pyr_word masked(const char *name)
{
    pyr_word base = stem_of(name);
    size_t n = pyr_mask_stem(base);

    return (pyr_word){name, n < base.n ? (size_t)(base.at - name) + n : 0};
}

static pyr_status files_of_masks(masks *m)
{
    const pyr_items *items = m->items;
    size_t candidates = 0;
    pyr_word *stems;

    for (size_t i = 0; i < items->n; i++)
        candidates += masked(items->at[i].name).n > 0;
    if (!candidates)
        return PYR_OK;
    PYR_TRY(pyr_new(&stems, items->n, sizeof *stems, "the names of images"));
    for (size_t i = 0; i < items->n; i++)
        stems[i] = whole_stem(items->at[i].name);
    pyr_sort(stems, items->n, sizeof *stems, by_text);
    for (size_t i = 0; i < items->n; i++) {
        pyr_word image = masked(items->at[i].name);

        if (image.n && has(stems, items->n, image))
            drop(m, i);
    }
    pyr_free(stems);
    return PYR_OK;
}

/* ---- a second copy ---- */

/* Whether a folder's images have the names of all that is beside it: Kaggle's cell-images is cell_images/
 * with Parasitized/, Uninfected/ and cell_images/Parasitized/, cell_images/Uninfected/. */
static bool is_copy(const masks *m, const pyr_folder *folder, size_t skip)
{
    size_t n = folder->end - folder->begin, k = folder->begin;

    if (2 * n != m->items->n)
        return false;
    for (size_t i = 0; i < m->items->n; i++) {
        if (i >= folder->begin && i < folder->end)
            continue;
        if (strcmp(m->items->at[k++].name + skip + folder->name.n + 1, m->items->at[i].name + skip) != 0)
            return false;
    }
    return true;
}

static pyr_status second_copy(masks *m)
{
    pyr_folders folders = {0};
    size_t skip = 0;
    pyr_status status = PYR_OK;

    if (!m->items->n)
        return PYR_OK;
    PYR_TRY(pyr_folders_around(&skip, m->items, 0, m->items->n));
    PYR_TRY_OUT(pyr_folders_of(&folders, m->items, 0, m->items->n, skip));
    for (size_t k = 0; folders.n > 2 && k < folders.n; k++) {
        const pyr_folder *folder = &folders.at[k];

        if (!is_copy(m, folder, skip))
            continue;
        for (size_t i = folder->begin; i < folder->end; i++)
            drop(m, i);
        pyr_text_add(&m->out->notes, "; %.*s/ holds all that is beside it once more: left aside",
                     (int)folder->name.n, folder->name.at);
        break;
    }
    close_ranks(m);
out:
    pyr_folders_free(&folders);
    return status;
}

/* ---- several images of one key ---- */

enum { COMPONENTS = 8 };

/* WebDataset: the key of "a/b.c/0001.seg.png" is "a/b.c/0001", its component "seg.png". */
static const char *component_of(const char *name)
{
    const char *base = pyr_base_name(name), *dot = strchr(base, '.');

    return dot ? dot + 1 : base + strlen(base);
}

/* The component that images are: jpg; else input.png, image.png, ...; smaller is better. */
static int rank(const char *component)
{
    static const char *const words[] = {"input", "image", "img", "rgb", "photo", NULL};
    const char *dot = strchr(component, '.');
    int at = 1;

    if (!dot)
        return 0;
    for (; words[at - 1]; at++)
        if (strncasecmp(component, words[at - 1], (size_t)(dot - component)) == 0 &&
            !words[at - 1][dot - component])
            break;
    return at;
}

/* The components of all images, up to COMPONENTS; 0 when there are more, or a number is in front, as in
 * cat.0.jpg. */
static size_t all_components(const char *(*out)[COMPONENTS], const pyr_items *items)
{
    size_t n = 0;

    for (size_t i = 0; i < items->n; i++) {
        const char *component = component_of(items->at[i].name);
        size_t k = 0;

        while (k < n && strcasecmp((*out)[k], component) != 0)
            k++;
        if (k < n)
            continue;
        if (n == COMPONENTS || !((*component | 32) >= 'a' && (*component | 32) <= 'z'))
            return 0;
        (*out)[n++] = component;
    }
    return n;
}

static bool same_key(const char *a, const char *b)
{
    size_t n = (size_t)(component_of(a) - a);

    return n == (size_t)(component_of(b) - b) && memcmp(a, b, n) == 0;
}

static pyr_status one_of_each_key(masks *m)
{
    const char *all[COMPONENTS];
    const pyr_items *items = m->items;
    size_t n = all_components(&all, items), before = m->dropped;
    const char *kept = NULL, *left = NULL;

    if (n < 2)
        return PYR_OK;
    for (size_t i = 0, end; i < items->n; i = end) {
        size_t best = i;

        for (end = i + 1; end < items->n && same_key(items->at[i].name, items->at[end].name); end++)
            if (rank(component_of(items->at[end].name)) < rank(component_of(items->at[best].name)))
                best = end;
        for (size_t k = i; k < end; k++)
            if (rank(component_of(items->at[k].name)) > rank(component_of(items->at[best].name))) {
                drop(m, k);
                kept = component_of(items->at[best].name);
                left = component_of(items->at[k].name);
            }
    }
    if (m->dropped > before)
        pyr_text_add(&m->out->notes,
                     "; of several images of one key %.60s is taken, %zu such as %.60s are left aside", kept,
                     m->dropped - before, left);
    return PYR_OK;
}

pyr_status pyr_layout_masks(pyr_layout *out, pyr_items *items)
{
    masks m = {.out = out, .items = items};

    PYR_TRY(second_copy(&m));
    m.dropped = 0;
    PYR_TRY(folders_of_masks(&m, 0, items->n, 0, 0));
    close_ranks(&m);
    if (m.folders)
        pyr_text_add(&out->notes, "; %zu masks or labels of images in %s%s left aside", m.dropped, m.first,
                     m.folders > 1 ? " and such folders" : "");
    m.dropped = 0;
    PYR_TRY(files_of_masks(&m));
    close_ranks(&m);
    if (m.dropped)
        pyr_text_add(&out->notes,
                     "; %zu masks beside their images (such as x_mask.png beside x.png) left aside",
                     m.dropped);
    PYR_TRY(one_of_each_key(&m));
    close_ranks(&m);
    return PYR_OK;
}
