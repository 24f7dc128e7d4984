/* image_folder.c - image files in a folder, or one. */
#include "images/data_format.h"

#include "archives/folder_names.h"
#include "archives/folder_walk.h"
#include "archives/tar_file.h"
#include "base/mem.h"
#include "pictures/image_file.h"
#include <string.h>

typedef struct found {
    pyr_collection *c;
    pyr_names *files;
} found;

static pyr_status add_file(void *arg, const char *name)
{
    return pyr_names_add(((found *)arg)->files, name);
}

static void count_hidden(void *arg, const char *name)
{
    ((found *)arg)->c->hidden += pyr_hidden(name) && pyr_image_named(name);
}

static pyr_status file_read(const pyr_listing *listing, char **bytes, size_t *n, size_t i, uint64_t limit)
{
    char *path;
    pyr_status status;

    PYR_TRY(pyr_format(&path, "%s%s", listing->root, listing->names.at[i]));
    status = pyr_file_read(bytes, n, path, limit);
    pyr_free(path);
    return status;
}

/* Whether a folder without image files has tar archives: then they are the data set. */
static pyr_status archives(pyr_names *out, const pyr_names *files)
{
    for (size_t i = 0; i < files->n; i++)
        if (pyr_image_named(files->at[i]))
            return PYR_OK;
    for (size_t i = 0; i < files->n; i++)
        if (pyr_tar_named(files->at[i]))
            PYR_TRY(pyr_names_add(out, files->at[i]));
    return PYR_OK;
}

static pyr_status collect_folder(pyr_collection *c, const char *folder, const pyr_names *names)
{
    pyr_listing listing = {.read = file_read};
    found f = {c, &listing.names};
    pyr_names tars = {0};
    char *root;
    pyr_status status;

    c->kind = "image files";
    PYR_TRY(pyr_path_new(&root, folder, ""));
    listing.root = root;
    PYR_TRY_OUT(
        pyr_walk_folder(folder, names, &(pyr_walk){.file = add_file, .left_aside = count_hidden, .arg = &f}));
    PYR_TRY_OUT(archives(&tars, &listing.names));
    status = tars.n ? pyr_collect_tars(c, folder, &tars) : pyr_collect_listed(c, &listing);
    if (status == PYR_OK && !tars.n) {
        c->files = listing.names;
        c->root = root;
        listing.names = (pyr_names){0};
        root = NULL;
    }
out:
    pyr_names_free(&tars);
    pyr_names_free(&listing.names);
    pyr_free(root);
    return status;
}

static pyr_status is_file(pyr_match *match, const pyr_data_path *at)
{
    *match = pyr_image_is(at->start, at->n) || pyr_image_named(at->path) ? PYR_MATCH_SURE : PYR_MATCH_NO;
    return PYR_OK;
}

static pyr_status collect(pyr_collection *c, const pyr_data_path *at)
{
    if (at->names)
        return collect_folder(c, at->path, at->names);
    c->kind = "image files";
    PYR_TRY(pyr_names_add(&c->files, at->path));
    return pyr_collection_add(c, 0, -1, false);
}

/* A folder is taken for one of pictures when it is nothing else (data_formats.c). */
const pyr_data_format pyr_data_format_pictures = {
    .name = "pictures",
    .files = PYR_IMAGE_FORMATS,
    .help = "a folder, with folders in it as classes and splits, or one picture; grey, RGB, RGBA, "
            "palettes; 8 and 16 bits; turned as the orientation in the file says",
    .is_file = is_file,
    .collect = collect,
};
