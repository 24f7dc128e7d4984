/* layout_tree.c - folders as runs in a sorted list of names. */
#include "layouts/layout.h"

#include "base/mem.h"
#include <string.h>

pyr_status pyr_folders_of(pyr_folders *out, const pyr_items *items, size_t begin, size_t end, size_t skip)
{
    size_t room = 0;

    *out = (pyr_folders){0};
    for (size_t i = begin; i < end; i++) {
        const char *at = items->at[i].name + skip, *slash = strchr(at, '/');
        pyr_word name = {at, slash ? (size_t)(slash - at) : 0};
        pyr_folder *last = out->n ? &out->at[out->n - 1] : NULL;

        if (!slash) {
            out->loose++;
            continue;
        }
        if (last && pyr_word_order(last->name, name) == 0) {
            last->end = i + 1;
            continue;
        }
        PYR_TRY(pyr_grow(&out->at, &room, out->n, sizeof *out->at, "the list of folders"));
        out->at[out->n++] = (pyr_folder){name, i, i + 1};
    }
    return PYR_OK;
}

void pyr_folders_free(pyr_folders *folders)
{
    pyr_free(folders->at);
    *folders = (pyr_folders){0};
}

pyr_status pyr_folders_around(size_t *skip, const pyr_items *items, size_t begin, size_t end)
{
    for (;;) {
        const char *name = items->at[begin].name, *slash = strchr(name + *skip, '/');
        size_t next = slash ? (size_t)(slash - name) + 1 : 0;

        if (!slash)
            return PYR_OK;
        for (size_t i = begin + 1; i < end; i++)
            if (strncmp(items->at[i].name + *skip, name + *skip, next - *skip) != 0)
                return PYR_OK;
        *skip = next;
    }
}
