#include "images/collection.h"

#include "base/mem.h"
#include "images/dataset_json.h"
#include <string.h>

enum { DEEPEST = 16 }; /* folders in folders; a link to a folder above would have no end */

/* The files under `folder`, named from where the walk began: `before` is the way down from there. */
static pyr_status walk(pyr_names *files, const char *folder, const char *before, const pyr_names *given,
                       int depth)
{
    pyr_names own = {0};
    const pyr_names *names = given ? given : &own;
    char *path = NULL, *inner = NULL;
    pyr_status status = PYR_OK;

    if (depth > DEEPEST)
        return pyr_fail(PYR_E_FORMAT, "%s: folders are nested more than %d deep; a link to a folder above?",
                        folder, DEEPEST);
    if (!given)
        PYR_TRY(pyr_folder_names(&own, folder));
    for (size_t i = 0; i < names->n; i++) {
        if (pyr_left_aside(names->at[i]))
            continue;
        path = pyr_path_join(folder, names->at[i]);
        inner = pyr_path_join(before, names->at[i]);
        if (!path || !inner)
            PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory for the name of an image"));
        if (pyr_is_folder(path))
            PYR_TRY_OUT(walk(files, path, inner, NULL, depth + 1));
        else
            PYR_TRY_OUT(pyr_names_add(files, inner));
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

static pyr_status read_labels(pyr_file_labels *out, const char *folder, size_t files)
{
    char *path = pyr_path_join(folder, PYR_DATASET_JSON), *bytes = NULL;
    size_t n;
    pyr_status status = PYR_OK;

    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
    if (pyr_is_file(path)) {
        PYR_TRY_OUT(pyr_file_read(&bytes, &n, path, pyr_file_labels_limit(files)));
        PYR_TRY_OUT(pyr_file_labels_parse(out, bytes, n, path));
    }
out:
    pyr_free(bytes);
    pyr_free(path);
    return status;
}

pyr_status pyr_collect_image_folder(pyr_collection *c, const char *folder, const pyr_names *names)
{
    pyr_names files = {0};
    pyr_file_labels labels = {0};
    char *root = pyr_path_join(folder, "");
    pyr_status status;

    c->kind = "image files";
    if (!root)
        PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory for the name of an image"));
    PYR_TRY_OUT(walk(&files, folder, "", names, 0));
    PYR_TRY_OUT(read_labels(&labels, folder, files.n));
    PYR_TRY_OUT(pyr_collect_listed(c, root, &files, &labels));
out:
    pyr_file_labels_free(&labels);
    pyr_names_free(&files);
    pyr_free(root);
    return status;
}
