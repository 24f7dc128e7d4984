/* data_formats.c - the table of data formats: which one a path is. */
#include "images/data_format.h"

#include "base/mem.h"
#include "layouts/foreign.h"
#include "pictures/image_file.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define ROW(name) &pyr_data_format_##name,
const pyr_data_format *const pyr_data_formats[] = {PYR_DATA_FORMATS(ROW) NULL};
enum { FORMATS = sizeof pyr_data_formats / sizeof *pyr_data_formats - 1, WRAPPERS = 2, BESIDE = 4 };

/* NULL: none of them. */
static pyr_status format_of(const pyr_data_format **out, const pyr_data_path *at)
{
    *out = NULL;
    for (int i = 0; i < FORMATS && !*out; i++) {
        bool yes = false;

        if (pyr_data_formats[i]->is_folder)
            PYR_TRY(pyr_data_formats[i]->is_folder(&yes, at));
        if (yes)
            *out = pyr_data_formats[i];
    }
    return PYR_OK;
}

/* ---- folders around one: cifar-10-batches-bin/, FashionMNIST/raw/ ---- */

typedef struct inner {
    const pyr_data_format *format;
    char *folder; /* owned */
    pyr_names names;
    bool pictures; /* image files are somewhere: then it is no packed data set */
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
        PYR_TRY_OUT(pyr_path_new(&path, folder, names->at[i]));
        PYR_TRY_OUT(pyr_folder_exists(&is_folder, path));
        if (!is_folder)
            continue;
        folders++;
        status = look(&one, path, depth - 1);
        if (status != PYR_OK) {
            inner_free(&one);
            goto out;
        }
        if (one.format && out->format) {
            status = pyr_fail(PYR_E_FORMAT, "%s: several data sets: %s and %s; give the path of one", folder,
                              out->folder, one.folder);
            inner_free(&one);
            goto out;
        }
        out->pictures |= one.pictures;
        if (one.format) {
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
        status = format_of(&out->format, &(pyr_data_path){.path = folder, .names = &names});
    if (out->format) {
        out->names = names;
        return pyr_format(&out->folder, "%s", folder);
    }
    if (status == PYR_OK && depth && !out->pictures)
        status = look_below(out, folder, &names, depth);
    pyr_names_free(&names);
    return status;
}

/* A packed data set in folders of the folder; *taken false: there is none, or pictures are about. */
static pyr_status collect_below(bool *taken, pyr_collection *c, const pyr_data_path *at)
{
    inner in = {0};
    pyr_status status;

    *taken = false;
    for (size_t i = 0; i < at->names->n; i++)
        if (pyr_image_named(at->names->at[i]) && !pyr_left_aside(at->names->at[i]))
            return PYR_OK;
    status = look_below(&in, at->path, at->names, WRAPPERS);
    for (size_t i = 0; i < at->names->n && status == PYR_OK && in.format == &pyr_data_format_arrays; i++)
        if (pyr_ending_of(at->names->at[i], ".npy .npz"))
            status = pyr_fail(PYR_E_FORMAT, "%s: arrays in it (%s) and in %s; give the path of one", at->path,
                              at->names->at[i], in.folder);
    if (in.pictures) /* even with several: it is for the reader of image files */
        status = status == PYR_E_FORMAT ? PYR_OK : status;
    else if (status == PYR_OK && in.format) {
        *taken = true;
        status = in.format->collect(c, &(pyr_data_path){.path = in.folder, .names = &in.names});
        if (status == PYR_OK)
            pyr_text_add(&c->how, "; in %s", in.folder);
    }
    inner_free(&in);
    return status;
}

/* ---- which one ---- */

/* PYR_E_FORMAT: `what` is wrong with PATH, and what would be read. */
static pyr_status refuse(const char *path, const char *what)
{
    pyr_text list = {0};
    pyr_status status;

    for (int i = 0; i < FORMATS; i++)
        pyr_text_add(&list, "%s%s (%s)", i ? ", " : "", pyr_data_formats[i]->name,
                     pyr_data_formats[i]->files);
    status = pyr_fail(PYR_E_FORMAT, "%s: %s; what is read: %s", path, what, list.at ? list.at : "");
    pyr_text_free(&list);
    return status;
}

static pyr_status refuse_foreign(pyr_text *sentence)
{
    pyr_status status = pyr_fail(PYR_E_FORMAT, "%s", sentence->at);

    pyr_text_free(sentence);
    return status;
}

static pyr_status collect_folder(pyr_collection *c, const pyr_data_path *at)
{
    const pyr_data_format *format;
    pyr_text foreign = {0};
    bool taken = true;

    PYR_TRY(format_of(&format, at));
    if (format)
        return format->collect(c, at);
    PYR_TRY(collect_below(&taken, c, at));
    if (!taken)
        PYR_TRY(pyr_data_format_pictures.collect(c, at));
    if (c->n)
        return PYR_OK;
    if (pyr_foreign_folder(&foreign, at->path, at->names))
        return refuse_foreign(&foreign);
    return refuse(at->path, "nothing to read in this folder");
}

static pyr_status collect_file(pyr_collection *c, const char *path)
{
    unsigned char start[PYR_DATA_START] = {0};
    pyr_data_path at = {.path = path, .start = start};
    const pyr_data_format *weak = NULL;
    pyr_text foreign = {0};

    PYR_TRY(pyr_file_start(start, &at.n, path, sizeof start));
    if (at.n == 0)
        return pyr_fail(PYR_E_FORMAT, "%s: the file is empty (zero bytes)", path);
    for (int i = 0; i < FORMATS; i++) {
        pyr_match match = PYR_MATCH_NO;

        PYR_TRY(pyr_data_formats[i]->is_file(&match, &at));
        if (match == PYR_MATCH_SURE)
            return pyr_data_formats[i]->collect(c, &at);
        if (match == PYR_MATCH_WEAK && !weak)
            weak = pyr_data_formats[i];
    }
    if (pyr_foreign_file(&foreign, path, start, at.n))
        return refuse_foreign(&foreign);
    return weak ? weak->collect(c, &at) : refuse(path, "not a data set that is known here");
}

pyr_status pyr_collect(pyr_collection *c, const char *path)
{
    pyr_names names;
    struct stat info;
    pyr_status status;

    if (stat(path, &info) != 0)
        return pyr_fail(PYR_E_IO, "%s: %s (the data set)", path,
                        errno == ENOENT ? "no such file or folder" : strerror(errno));
    if (S_ISREG(info.st_mode))
        return collect_file(c, path);
    if (!S_ISDIR(info.st_mode))
        return pyr_fail(PYR_E_IO, "%s: neither a file nor a folder (the data set)", path);
    PYR_TRY(pyr_folder_names(&names, path));
    status = collect_folder(c, &(pyr_data_path){.path = path, .names = &names});
    pyr_names_free(&names);
    return status;
}
