/* collection.c - the list of found images: growing, packing, dropping, freeing. */
#include "layouts/collection.h"

#include "base/mem.h"
#include <assert.h>
#include <stdatomic.h>
#include <string.h>

/* In front of each image's samples stands the block that they are in. */
struct pyr_samples_block {
    atomic_size_t users; /* images, and one more while it is being filled */
    size_t used;
    _Alignas(8) char at[1 << 16];
};

void pyr_samples_done(pyr_samples_block *block)
{
    if (block && atomic_fetch_sub(&block->users, 1) == 1)
        pyr_free(block);
}

void *pyr_samples_keep(pyr_samples_block **block, const void *samples, size_t n)
{
    size_t room = sizeof *block + (n + 7) / 8 * 8;
    pyr_samples_block *now = *block;
    char *at;

    assert(room <= sizeof now->at);
    if (!now || sizeof now->at - now->used < room) {
        now = pyr_calloc(1, sizeof *now);
        if (!now)
            return NULL;
        atomic_store(&now->users, 1);
        pyr_samples_done(*block);
        *block = now;
    }
    at = now->at + now->used;
    now->used += room;
    atomic_fetch_add(&now->users, 1);
    memcpy(at, &now, sizeof now);
    memcpy(at + sizeof now, samples, n);
    return at + sizeof now;
}

void pyr_found_release(pyr_found *found)
{
    pyr_samples_block *block;

    if (found->samples && found->shared) {
        memcpy(&block, (char *)found->samples - sizeof block, sizeof block);
        pyr_samples_done(block);
    } else
        pyr_free(found->samples);
    found->samples = NULL;
    found->shared = false;
}

static void found_free(pyr_found *found)
{
    pyr_found_release(found);
    pyr_free(found->bad);
    *found = (pyr_found){0};
}

void pyr_collection_free(pyr_collection *c)
{
    for (int64_t i = 0; i < c->n; i++)
        found_free(&c->at[i]);
    pyr_free(c->at);
    if (c->archive)
        c->archive->free(c->archive);
    if (c->packed)
        c->packed->free(c->packed);
    pyr_free(c->block);
    pyr_names_free(&c->files);
    pyr_free(c->root);
    pyr_names_free(&c->sources);
    pyr_names_free(&c->classes);
    pyr_names_free(&c->warnings);
    pyr_names_free(&c->lost);
    pyr_text_free(&c->how);
    pyr_text_free(&c->notes);
    *c = (pyr_collection){0};
}

pyr_status pyr_collection_add(pyr_collection *c, size_t entry, int32_t label, bool test)
{
    if (c->n == INT32_MAX || entry > UINT32_MAX)
        return pyr_fail(PYR_E_FORMAT, "more than %d images, or %u files, which is more than are read",
                        INT32_MAX, UINT32_MAX);
    PYR_TRY(pyr_grow(&c->at, &c->room, (size_t)c->n, sizeof *c->at, "the list of images"));
    c->at[c->n] =
        (pyr_found){.index = (uint32_t)c->n, .entry = (uint32_t)entry, .label = label, .test = test};
    c->n++;
    return PYR_OK;
}

pyr_status pyr_collection_path(char **out, const pyr_collection *c, int64_t i)
{
    if (c->archive)
        *out = c->archive->path(c->archive, c->at[i].entry);
    else
        *out = pyr_strfmt("%s%s", c->root ? c->root : "", c->files.at[c->at[i].entry]);
    return *out ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for the name of an image");
}

pyr_status pyr_collection_pack(pyr_collection *c, pyr_packed *packed, int64_t n, int64_t train)
{
    assert(!c->packed && !c->at && n > 0);
    c->packed = packed;
    if (n > INT32_MAX)
        return pyr_fail(PYR_E_FORMAT, "%lld images, at most %d are read", (long long)n, INT32_MAX);
    PYR_TRY(pyr_new(&c->at, (size_t)n, sizeof *c->at, "the list of images"));
    c->n = n;
    c->room = (size_t)n;
    for (int64_t i = 0; i < n; i++)
        c->at[i] = (pyr_found){.index = (uint32_t)i, .label = -1, .test = i >= train};
    return PYR_OK;
}

/* ---- what the person wants ---- */

const char *const pyr_split_words[] = {"auto", "train", "all", "test", "val", NULL};
const char *const pyr_class_words[] = {"auto", "none", "folders", NULL};

bool pyr_wishes(const char *setting, const char *word)
{
    return strcmp(setting ? setting : "auto", word) == 0;
}

bool pyr_collection_wants_labels(const pyr_collection *c)
{
    return !c->set || !pyr_wishes(c->set->classes, "none");
}

pyr_status pyr_collection_has(const pyr_collection *c, bool test, bool val)
{
    const char *split = c->set && c->set->split ? c->set->split : "auto";

    if ((strcmp(split, "test") == 0 && !test) || (strcmp(split, "val") == 0 && !val))
        return pyr_fail(PYR_E_CONFIG, "data.split is \"%s\", but there is no such part: there %s", split,
                        test  ? "are training and test images"
                        : val ? "are training and validation images"
                              : "is one part, of which some images are held out by chance");
    return PYR_OK;
}

pyr_status pyr_collection_names(pyr_collection *c, const char *folder, const char *name)
{
    char *path;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, folder, name));
    status = pyr_file_lines(&c->classes, path, 1 << 16);
    pyr_free(path);
    return status;
}

void pyr_collection_drop(pyr_collection *c, bool test)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < c->n; i++)
        if (c->at[i].bad || (test && c->at[i].test))
            found_free(&c->at[i]);
        else
            c->at[kept++] = c->at[i];
    c->n = kept;
}
