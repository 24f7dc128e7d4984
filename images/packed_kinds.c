/* packed_kinds.c - which packed data set a file or folder is. */
#include "layouts/collection.h"

#include "base/mem.h"
#include "pictures/image_file.h"
#include <string.h>
#include <strings.h>

typedef struct kind {
    const char *name;
    pyr_status (*is)(bool *yes, const char *folder, const pyr_names *names);
    pyr_status (*collect)(pyr_collection *c, const char *folder, const pyr_names *names);
} kind;

static const kind kinds[] = {
    {"IDX files", pyr_idx_folder_is, pyr_collect_idx_folder},
    {"CIFAR's binary files", pyr_cifar_folder_is, pyr_collect_cifar_folder},
    {"STL-10's binary files", pyr_stl_folder_is, pyr_collect_stl_folder},
    {"arrays", pyr_array_folder_is, pyr_collect_array_folder},
};
enum { KINDS = sizeof kinds / sizeof *kinds, WRAPPERS = 2, BESIDE = 4 };

/* NULL: none of them. */
static pyr_status kind_of(const kind **out, const char *folder, const pyr_names *names)
{
    *out = NULL;
    for (int i = 0; i < KINDS && !*out; i++) {
        bool yes;

        PYR_TRY(kinds[i].is(&yes, folder, names));
        if (yes)
            *out = &kinds[i];
    }
    return PYR_OK;
}

/* ---- folders around one: cifar-10-batches-bin/, FashionMNIST/raw/ ---- */

typedef struct inner {
    const kind *kind;
    char *folder; /* owned */
    pyr_names names;
    bool pictures; /* image files are somewhere: then it is no packed data set */
    bool arrays;   /* of the kind that is told by the endings of names alone */
} inner;

static void inner_free(inner *in)
{
    pyr_free(in->folder);
    pyr_names_free(&in->names);
    *in = (inner){0};
}

static pyr_status look(inner *out, const char *folder, int depth);

/* The one packed data set among a few subfolders. A second one makes it unclear which is meant. */
static pyr_status look_below(inner *out, const char *folder, const pyr_names *names, int depth)
{
    int folders = 0;
    bool is_folder;
    char *path = NULL;
    pyr_status status = PYR_OK;

    for (size_t i = 0; i < names->n && folders <= BESIDE && !out->pictures; i++) {
        inner one = {0};

        if (pyr_left_aside(names->at[i]))
            continue;
        pyr_free(path);
        path = pyr_path_join(folder, names->at[i]);
        if (!path)
            PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory for the name of a folder"));
        PYR_TRY_OUT(pyr_folder_exists(&is_folder, path));
        if (!is_folder)
            continue;
        folders++;
        status = look(&one, path, depth - 1);
        if (status != PYR_OK) {
            inner_free(&one);
            goto out;
        }
        if (one.kind && out->kind) {
            status = pyr_fail(PYR_E_FORMAT, "%s: several data sets: %s and %s; give the path of one", folder,
                              out->folder, one.folder);
            inner_free(&one);
            goto out;
        }
        out->pictures |= one.pictures;
        if (one.kind) {
            one.pictures = out->pictures;
            *out = one;
        } else
            inner_free(&one);
    }
    if (folders > BESIDE)
        out->pictures = true; /* classes, surely */
out:
    pyr_free(path);
    return status;
}

static pyr_status look(inner *out, const char *folder, int depth)
{
    pyr_names names;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_folder_names(&names, folder));
    for (size_t i = 0; i < names.n && !out->pictures; i++)
        out->pictures = pyr_image_named(names.at[i]) && !pyr_left_aside(names.at[i]);
    if (!out->pictures)
        status = kind_of(&out->kind, folder, &names);
    out->arrays = out->kind && out->kind->is == pyr_array_folder_is;
    if (out->kind) {
        out->names = names;
        out->folder = pyr_strdup(folder);
        return out->folder ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for the name of a folder");
    }
    if (status == PYR_OK && depth && !out->pictures)
        status = look_below(out, folder, &names, depth);
    pyr_names_free(&names);
    return status;
}

pyr_status pyr_collect_packed_folder(bool *taken, pyr_collection *c, const char *folder,
                                     const pyr_names *names)
{
    const kind *its;
    inner in = {0};
    pyr_status status;

    PYR_TRY(kind_of(&its, folder, names));
    *taken = its != NULL;
    if (its)
        return its->collect(c, folder, names);
    for (size_t i = 0; i < names->n; i++)
        if (pyr_image_named(names->at[i]) && !pyr_left_aside(names->at[i]))
            return PYR_OK;
    status = look_below(&in, folder, names, WRAPPERS);
    for (size_t i = 0; i < names->n && status == PYR_OK && in.arrays; i++)
        if (pyr_ends_with(names->at[i], ".npy") || pyr_ends_with(names->at[i], ".npz"))
            status = pyr_fail(PYR_E_FORMAT, "%s: arrays in it (%s) and in %s; give the path of one", folder,
                              names->at[i], in.folder);
    if (in.pictures) /* even with several: it is for the reader of image files */
        status = status == PYR_E_FORMAT ? PYR_OK : status;
    else if (status == PYR_OK && in.kind) {
        *taken = true;
        status = in.kind->collect(c, in.folder, &in.names);
        if (status == PYR_OK)
            pyr_text_add(&c->how, "; in %s", in.folder);
    }
    inner_free(&in);
    return status;
}

/* ---- files ---- */

pyr_status pyr_collect_packed_file(bool *taken, pyr_collection *c, const char *path,
                                   const unsigned char *start, size_t n)
{
    bool stl;

    *taken = true;
    PYR_TRY(pyr_stl_file_is(&stl, path));
    if (n >= 6 && memcmp(start, "\x93NUMPY", 6) == 0)
        return pyr_collect_npz(c, path);
    if (stl)
        return pyr_collect_stl_file(c, path);
    if (pyr_ends_with(path, ".bin"))
        return pyr_collect_cifar_file(c, path);
    if ((n >= 2 && start[0] == 0x1f && start[1] == 0x8b) || (n >= 4 && !start[0] && !start[1] && start[2]))
        return pyr_collect_idx_file(c, path);
    *taken = false;
    return PYR_OK;
}
