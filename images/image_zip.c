/* image_zip.c - image files in a zip archive. */
#include "images/collection.h"

#include "base/mem.h"
#include "images/dataset_json.h"
#include "images/image_file.h"
#include "images/zip_file.h"
#include <string.h>

/* Whether a folder on the way to the entry, or itself, is what file managers leave. */
static bool entry_left_aside(const char *name)
{
    for (; name; name = strchr(name, '/') ? strchr(name, '/') + 1 : NULL)
        if (pyr_left_aside(name) || strncmp(name, "__MACOSX/", 9) == 0)
            return true;
    return false;
}

/* An archive of a folder ("photos/cat/1.png"): the length of what all entries begin with ("photos/") when
 * what matters is behind it: further folders, or a dataset.json. Else 0: a lone folder of images is a class.
 */
static size_t wrapper(const pyr_names *names)
{
    const char *slash = names->n ? strchr(names->at[0], '/') : NULL;
    size_t n = slash ? (size_t)(slash - names->at[0]) + 1 : 0;
    bool matters = false;

    for (size_t i = 0; n && i < names->n; i++) {
        const char *name = names->at[i];

        if (strncmp(name, names->at[0], n) != 0)
            return 0;
        matters |=
            strcmp(name + n, PYR_DATASET_JSON) == 0 || (pyr_image_named(name) && strchr(name + n, '/'));
    }
    return matters ? n : 0;
}

static pyr_status read_labels(pyr_file_labels *out, pyr_zip *zip, const char *folder)
{
    char *name = pyr_strfmt("%s%s", folder, PYR_DATASET_JSON), *shown = NULL, *bytes = NULL;
    size_t i, n;
    pyr_status status = PYR_OK;

    if (!name)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file");
    if (pyr_zip_find(&i, zip, name)) {
        shown = pyr_strfmt("%s: %s", pyr_zip_path(zip), name);
        if (!shown)
            PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file"));
        PYR_TRY_OUT(pyr_zip_read(&bytes, &n, zip, i, pyr_file_labels_limit(pyr_zip_count(zip))));
        PYR_TRY_OUT(pyr_file_labels_parse(out, bytes, n, shown));
    }
out:
    pyr_free(bytes);
    pyr_free(shown);
    pyr_free(name);
    return status;
}

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
    *z = (zipped){{.read = read_entry, .free = free_archive}, zip};
    c->archive = &z->archive;
    return pyr_names_add(&c->sources, pyr_zip_path(zip));
}

/* Each found image's place in the archive. */
static pyr_status find_entries(pyr_collection *c, pyr_zip *zip)
{
    size_t skip = strlen(pyr_zip_path(zip)) + strlen(": "), entry;

    for (int64_t i = 0; i < c->n; i++) {
        if (!pyr_zip_find(&entry, zip, c->at[i].path + skip))
            return pyr_fail(PYR_E_IO, "%s: not in the archive", c->at[i].path);
        c->at[i].entry = (int64_t)entry;
    }
    return PYR_OK;
}

pyr_status pyr_collect_zip(pyr_collection *c, const char *path)
{
    pyr_names names = {0};
    pyr_file_labels labels = {0};
    pyr_zip *zip;
    char *root = NULL, *folder = NULL;
    size_t behind, images = 0, arrays = 0;
    pyr_status status;

    PYR_TRY(pyr_zip_open(&zip, path));
    PYR_TRY_OUT(put_archive(c, zip));
    for (size_t i = 0; i < pyr_zip_count(zip); i++) {
        const char *name = pyr_zip_name(zip, i), *dot = strrchr(name, '.');

        if (entry_left_aside(name))
            continue;
        images += pyr_image_named(name);
        arrays += dot && strcmp(dot, ".npy") == 0;
        PYR_TRY_OUT(pyr_names_add(&names, name));
    }
    if (!images && arrays) {
        c->archive->free(c->archive);
        c->archive = NULL;
        status = pyr_collect_npz(c, path);
        goto out;
    }
    if (!images)
        PYR_TRY_OUT(
            pyr_fail(PYR_E_FORMAT,
                     "%s: nothing to read in this archive: no PNG or JPEG, and no arrays (NPZ); another "
                     "kind of data set has to be unpacked",
                     path));
    c->kind = "zip of image files";
    behind = wrapper(&names);
    folder = pyr_strfmt("%.*s", (int)behind, names.at[0]);
    root = pyr_strfmt("%s: %s", path, folder ? folder : "");
    if (!folder || !root)
        PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory for the name of an image"));
    for (size_t i = 0; behind && i < names.n; i++)
        memmove(names.at[i], names.at[i] + behind, strlen(names.at[i] + behind) + 1);
    PYR_TRY_OUT(read_labels(&labels, zip, folder));
    PYR_TRY_OUT(pyr_collect_listed(c, root, &names, &labels));
    PYR_TRY_OUT(find_entries(c, zip));
out:
    pyr_file_labels_free(&labels);
    pyr_names_free(&names);
    pyr_free(root);
    pyr_free(folder);
    return status;
}
