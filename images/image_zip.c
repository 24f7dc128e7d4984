/* image_zip.c - image files in a zip archive. */
#include "images/data_format.h"

#include "archives/folder_names.h"
#include "archives/zip_file.h"
#include "base/mem.h"
#include "layouts/foreign.h"
#include "pictures/image_file.h"
#include <string.h>

/* ---- the archive, as decoding sees it ---- */

typedef struct zipped {
    pyr_archive archive; /* first, so that a pyr_archive is one */
    pyr_zip *zip;
} zipped;

static pyr_status read_entry(pyr_archive *archive, char **bytes, size_t *n, int64_t entry, const char *path)
{
    (void)path; /* the zip names its entries itself, in the same way */
    return pyr_zip_read(bytes, n, ((zipped *)archive)->zip, (size_t)entry, PYR_IMAGE_FILE);
}

static char *path_of_entry(const pyr_archive *archive, int64_t entry)
{
    const pyr_zip *zip = ((const zipped *)archive)->zip;

    return pyr_strfmt("%s: %s", pyr_zip_path(zip), pyr_zip_name(zip, (size_t)entry));
}

static void free_archive(pyr_archive *archive)
{
    pyr_zip_free(((zipped *)archive)->zip);
    pyr_free(archive);
}

/* Takes `zip` over. */
static pyr_status put_archive(pyr_collection *c, pyr_zip *zip)
{
    zipped *z;
    pyr_status status = pyr_new(&z, 1, sizeof *z, "the archive");

    if (status != PYR_OK) {
        pyr_zip_free(zip);
        return status;
    }
    *z = (zipped){{.read = read_entry, .path = path_of_entry, .free = free_archive}, zip};
    c->archive = &z->archive;
    return pyr_names_add(&c->sources, pyr_zip_path(zip));
}

/* ---- the archive, as a list of files ---- */

typedef struct entries {
    pyr_zip *zip;
    size_t *at; /* of each file of the list */
} entries;

static pyr_status entry_read(const pyr_listing *listing, char **bytes, size_t *n, size_t i, uint64_t limit)
{
    const entries *e = listing->source;

    return pyr_zip_read(bytes, n, e->zip, e->at[i], limit);
}

/* The files of the archive, and how many of them are images and arrays. */
static pyr_status list(pyr_collection *c, pyr_listing *listing, size_t *images, size_t *arrays, entries *e)
{
    size_t count = pyr_zip_count(e->zip);

    PYR_TRY(pyr_new(&e->at, count, sizeof *e->at, "the list of images"));
    for (size_t i = 0; i < count; i++) {
        const char *name = pyr_zip_name(e->zip, i);

        if (pyr_left_aside(name)) {
            c->hidden += pyr_hidden(name) && pyr_image_named(name);
            continue;
        }
        *images += pyr_image_named(name);
        *arrays += pyr_ends_with(name, ".npy");
        e->at[listing->names.n] = i;
        PYR_TRY(pyr_names_add(&listing->names, name));
    }
    return PYR_OK;
}

static pyr_status collect(pyr_collection *c, const pyr_data_path *from)
{
    const char *path = from->path;
    entries e = {0};
    pyr_listing listing = {.read = entry_read, .source = &e};
    size_t images = 0, arrays = 0;
    char *root = NULL;
    pyr_status status;

    PYR_TRY(pyr_zip_open(&e.zip, path));
    PYR_TRY_OUT(put_archive(c, e.zip));
    PYR_TRY_OUT(list(c, &listing, &images, &arrays, &e));
    if (!images && arrays) {
        c->archive->free(c->archive);
        c->archive = NULL;
        pyr_names_free(&c->sources); /* the arrays' reader names its own */
        status = pyr_data_format_arrays.collect(c, from);
        goto out;
    }
    if (!images)
        PYR_TRY_OUT(pyr_foreign_archive(path, &listing.names, pyr_zip_count(e.zip)));
    c->kind = "zip of image files";
    PYR_TRY_OUT(pyr_format(&root, "%s: ", path));
    listing.root = root;
    PYR_TRY_OUT(pyr_collect_listed(c, &listing));
    for (int64_t i = 0; i < c->n; i++)
        c->at[i].entry = (uint32_t)e.at[c->at[i].entry];
out:
    pyr_names_free(&listing.names);
    pyr_free(e.at);
    pyr_free(root);
    return status;
}

static pyr_status is_file(pyr_match *match, const pyr_data_path *at)
{
    *match = at->n >= 2 && memcmp(at->start, "PK", 2) == 0 ? PYR_MATCH_SURE : PYR_MATCH_NO;
    return PYR_OK;
}

const pyr_data_format pyr_data_format_zip = {
    .name = "zip archive",
    .files = ".zip, given by its own path",
    .help = "of pictures, read as a folder is; EDM's and StyleGAN's `dataset.json` has the labels",
    .is_file = is_file,
    .collect = collect,
};
