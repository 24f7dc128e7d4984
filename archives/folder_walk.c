/* folder_walk.c - all files under a folder. */
#include "archives/folder_walk.h"

#include "archives/folder_names.h"
#include "base/mem.h"

enum { DEEPEST = 16 };

/* `before` is the path from the top to this folder. */
static pyr_status walk_on(const char *folder, const char *before, const pyr_names *given,
                          const pyr_walk *walk, int depth)
{
    pyr_names own = {0};
    const pyr_names *names = given ? given : &own;
    char *path = NULL, *inner = NULL;
    bool is_folder;
    pyr_status status = PYR_OK;

    if (depth > DEEPEST)
        return pyr_fail(PYR_E_FORMAT, "%s: folders are nested more than %d deep; a link to a folder above?",
                        folder, DEEPEST);
    if (!given)
        PYR_TRY(pyr_folder_names(&own, folder));
    for (size_t i = 0; i < names->n && !(walk->enough && walk->enough(walk->arg)); i++) {
        if (pyr_left_aside(names->at[i])) {
            if (walk->left_aside)
                walk->left_aside(walk->arg, names->at[i]);
            continue;
        }
        PYR_TRY_OUT(pyr_path_new(&path, folder, names->at[i]));
        PYR_TRY_OUT(pyr_path_new(&inner, before, names->at[i]));
        PYR_TRY_OUT(pyr_folder_exists(&is_folder, path));
        PYR_TRY_OUT(is_folder ? walk_on(path, inner, NULL, walk, depth + 1) : walk->file(walk->arg, inner));
        pyr_free(path);
        pyr_free(inner);
        path = inner = NULL;
    }
out:
    pyr_free(path);
    pyr_free(inner);
    pyr_names_free(&own);
    return status;
}

pyr_status pyr_walk_folder(const char *folder, const pyr_names *names, const pyr_walk *walk)
{
    return walk_on(folder, "", names, walk, 0);
}
