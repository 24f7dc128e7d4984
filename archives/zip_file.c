/* zip_file.c - the directory of a zip archive on libzip, and its entries as streams, within limits of size
 * and number. */
#include "archives/zip_file.h"

#include "archives/folder_names.h"
#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

enum { LONGEST = 4096 /* text of a link */, CHAIN = 8 /* links to links */ };

typedef struct entry {
    char *name;           /* in the archive's `names` */
    uint64_t index, size; /* of a link that leads to an entry: that one's */
    char *target; /* of a symbolic link that leads to none, a path in `names`; NULL: it is no such link */
} entry;

struct pyr_zip {
    zip_t *zip;
    char *path;
    entry *at; /* by name */
    size_t n;
    pyr_names names;
    pthread_mutex_t lock; /* libzip lets one thread at a time into an archive */
};

/* ---- opening ---- */

/* The sentence for a failure that libzip reports. */
static pyr_status opening_failed(const char *path, zip_error_t *error)
{
    int code = zip_error_code_zip(error);
    pyr_status status =
        code == ZIP_ER_MEMORY ? PYR_E_NOMEM
        : code == ZIP_ER_OPEN || code == ZIP_ER_NOENT || code == ZIP_ER_READ || code == ZIP_ER_SEEK
            ? PYR_E_IO
            : PYR_E_FORMAT;

    pyr_fail(status,
             status == PYR_E_FORMAT
                 ? "%s: the zip archive is damaged or cut short (%s); copy or make it again"
                 : "%s: the zip archive cannot be opened: %s",
             path, zip_error_strerror(error));
    zip_error_fini(error);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return pyr_walk_order(((const entry *)a)->name, ((const entry *)b)->name);
}

/* An entry's facts in the directory, checked before they are used. */
static pyr_status check_entry(const pyr_zip *zip, const zip_stat_t *info, uint64_t *left)
{
    const char *name = info->name;
    const uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;

    if ((info->valid & needed) != needed)
        return pyr_fail(PYR_E_FORMAT, "%s: %s: the directory does not say its size", zip->path, name);
    if ((info->valid & ZIP_STAT_ENCRYPTION_METHOD) && info->encryption_method != ZIP_EM_NONE)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: %s is encrypted; make the archive without a password",
                        zip->path, name);
    if (info->comp_method != ZIP_CM_STORE && info->comp_method != ZIP_CM_DEFLATE)
        return pyr_fail(PYR_E_UNSUPPORTED,
                        "%s: %s is compressed by method %d, should be stored (0) or deflated (8); make the "
                        "archive again",
                        zip->path, name, info->comp_method);
    /* Entries that share bytes are how a small archive unpacks to a huge one. */
    if (info->comp_size > *left)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: %s: the entries need more bytes than the file has: it is cut short, or false",
                        zip->path, name);
    *left -= info->comp_size;
    /* Deflate makes at most 1032 bytes of one. */
    if (info->comp_method == ZIP_CM_STORE ? info->size != info->comp_size
                                          : info->size / 1032 > info->comp_size)
        return pyr_fail(PYR_E_FORMAT, "%s: %s: %llu bytes cannot hold the %llu that it promises", zip->path,
                        name, (unsigned long long)info->comp_size, (unsigned long long)info->size);
    return PYR_OK;
}

/* A symbolic link, as Unix's programs pack one: its bytes are the path that it leads to. */
static bool is_link(const pyr_zip *zip, zip_int64_t i)
{
    zip_uint8_t system;
    zip_uint32_t attributes;

    return zip_file_get_external_attributes(zip->zip, (zip_uint64_t)i, 0, &system, &attributes) == 0 &&
           system == ZIP_OPSYS_UNIX && (attributes >> 16 & S_IFMT) == S_IFLNK;
}

static pyr_status list(pyr_zip *zip, uint64_t bytes)
{
    zip_int64_t entries = zip_get_num_entries(zip->zip, 0);

    PYR_TRY(pyr_new(&zip->at, (size_t)(entries > 0 ? entries : 0), sizeof *zip->at, zip->path));
    for (zip_int64_t i = 0; i < entries; i++) {
        zip_stat_t info;
        size_t length;

        if (zip_stat_index(zip->zip, (zip_uint64_t)i, 0, &info) != 0 || !(info.valid & ZIP_STAT_NAME))
            return pyr_fail(PYR_E_FORMAT, "%s: entry %lld of the zip archive is damaged: %s", zip->path,
                            (long long)i, zip_strerror(zip->zip));
        length = strlen(info.name);
        if (length && (info.name[length - 1] == '/' || info.name[length - 1] == '\\'))
            continue;
        PYR_TRY(check_entry(zip, &info, &bytes));
        PYR_TRY(pyr_names_add(&zip->names, info.name));
        zip->at[zip->n].name = zip->names.at[zip->names.n - 1];
        pyr_entry_tidy(zip->at[zip->n].name);
        if (!*zip->at[zip->n].name) /* "./" and the like: a folder too */
            continue;
        zip->at[zip->n].index = (uint64_t)i;
        zip->at[zip->n].target = is_link(zip, i) ? zip->at[zip->n].name : NULL; /* its text is read later */
        zip->at[zip->n++].size = info.size;
    }
    pyr_sort(zip->at, zip->n, sizeof *zip->at, by_name);
    for (size_t i = 1; i < zip->n; i++)
        if (by_name(&zip->at[i - 1], &zip->at[i]) == 0)
            return pyr_fail(PYR_E_FORMAT, "%s: two entries are named %s; make the archive again", zip->path,
                            zip->at[i].name);
    return PYR_OK;
}

/* The text of link i, as a path from the top of the archive. */
static pyr_status read_link(pyr_zip *zip, size_t i)
{
    entry *e = &zip->at[i];
    char *text, *path;
    size_t n;
    pyr_status status;

    e->target = NULL;
    PYR_TRY(pyr_zip_read(&text, &n, zip, i, LONGEST));
    path = pyr_link_path(e->name, text);
    pyr_free(text);
    status = path ? pyr_names_add(&zip->names, path) : pyr_fail(PYR_E_NOMEM, "out of memory for a link");
    pyr_free(path);
    PYR_TRY(status);
    e->target = zip->names.at[zip->names.n - 1];
    return PYR_OK;
}

/* Links become what they lead to, links to links after those. What leads nowhere keeps its target. */
static pyr_status follow_links(pyr_zip *zip)
{
    bool more = false;

    for (size_t i = 0; i < zip->n; i++)
        if (zip->at[i].target) {
            more = true;
            PYR_TRY(read_link(zip, i));
        }
    for (int chain = 0; chain < CHAIN && more; chain++) {
        more = false;
        for (size_t i = 0, to; i < zip->n; i++)
            if (zip->at[i].target && pyr_zip_find(&to, zip, zip->at[i].target) && !zip->at[to].target) {
                zip->at[i].index = zip->at[to].index;
                zip->at[i].size = zip->at[to].size;
                zip->at[i].target = NULL;
                more = true;
            }
    }
    return PYR_OK;
}

pyr_status pyr_zip_open(pyr_zip **out, const char *path)
{
    zip_source_t *source = NULL;
    zip_error_t error;
    uint64_t bytes;
    pyr_zip *zip;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_file_size(&bytes, path)); /* libzip takes a file of zero bytes for an empty archive */
    PYR_TRY(pyr_new(&zip, 1, sizeof *zip, path));
    pthread_mutex_init(&zip->lock, NULL);
    PYR_TRY_OUT(pyr_format(&zip->path, "%s", path));
    zip_error_init(&error);
    source = zip_source_file_create(path, 0, -1, &error);
    zip->zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    if (!zip->zip)
        PYR_TRY_OUT(opening_failed(path, &error));
    source = NULL; /* the archive's now */
    PYR_TRY_OUT(list(zip, bytes));
    PYR_TRY_OUT(follow_links(zip));
    *out = zip;
    zip = NULL;
out:
    if (source)
        zip_source_free(source);
    pyr_zip_free(zip);
    return status;
}

void pyr_zip_free(pyr_zip *zip)
{
    if (!zip)
        return;
    if (zip->zip)
        zip_discard(zip->zip);
    pyr_names_free(&zip->names);
    pyr_free(zip->at);
    pyr_free(zip->path);
    pthread_mutex_destroy(&zip->lock);
    pyr_free(zip);
}

size_t pyr_zip_count(const pyr_zip *zip)
{
    return zip->n;
}

const char *pyr_zip_path(const pyr_zip *zip)
{
    return zip->path;
}

const char *pyr_zip_name(const pyr_zip *zip, size_t i)
{
    return zip->at[i].name;
}

uint64_t pyr_zip_size(const pyr_zip *zip, size_t i)
{
    return zip->at[i].size;
}

static int is_named(const void *name, const void *b)
{
    return pyr_walk_order(name, ((const entry *)b)->name);
}

bool pyr_zip_find(size_t *i, const pyr_zip *zip, const char *name)
{
    const entry *found = zip->n ? bsearch(name, zip->at, zip->n, sizeof *zip->at, is_named) : NULL;

    if (found)
        *i = (size_t)(found - zip->at);
    return found != NULL;
}

/* ---- reading ---- */

/* `error` may be NULL: no reason is known. */
static pyr_status damaged(const pyr_zip *zip, size_t i, const char *error)
{
    return pyr_fail(PYR_E_FORMAT,
                    "%s: %s: the entry is damaged or cut short%s%s%s; copy or make the archive again",
                    zip->path, zip->at[i].name, error ? " (" : "", error ? error : "", error ? ")" : "");
}

/* After libzip has failed: the disk's fault, or the archive's. */
static pyr_status failed(const pyr_zip *zip, size_t i, zip_error_t *error)
{
    int code = zip_error_code_zip(error);

    if (code == ZIP_ER_MEMORY)
        return pyr_fail(PYR_E_NOMEM, "%s: %s: out of memory in libzip", zip->path, zip->at[i].name);
    if (code != ZIP_ER_READ && code != ZIP_ER_SEEK)
        return damaged(zip, i, zip_error_strerror(error));
    return pyr_fail(PYR_E_IO, "%s: %s: cannot be read (%s)", zip->path, zip->at[i].name,
                    zip_error_strerror(error));
}

pyr_status pyr_zip_stream_open(pyr_zip_stream *out, pyr_zip *zip, size_t i)
{
    *out = (pyr_zip_stream){.zip = zip, .entry = i};
    if (zip->at[i].target)
        return pyr_fail(PYR_E_FORMAT, "%s: %s: %s%s", zip->path, zip->at[i].name,
                        *zip->at[i].target ? "a link to what is no file of the archive: "
                                           : "a link out of the archive",
                        zip->at[i].target);
    out->file = zip_fopen_index(zip->zip, zip->at[i].index, 0);
    return out->file ? PYR_OK : failed(zip, i, zip_get_error(zip->zip));
}

pyr_status pyr_zip_stream_read(pyr_zip_stream *stream, void *dst, size_t n)
{
    unsigned char *at = dst;

    while (n) {
        zip_int64_t got = zip_fread(stream->file, at, n);

        if (got <= 0)
            return got < 0 ? failed(stream->zip, stream->entry, zip_file_get_error(stream->file))
                           : damaged(stream->zip, stream->entry, NULL);
        at += got;
        n -= (size_t)got;
    }
    return PYR_OK;
}

pyr_status pyr_zip_stream_end(pyr_zip_stream *stream)
{
    char extra;
    zip_int64_t more = zip_fread(stream->file, &extra, 1); /* the checksum is compared when nothing follows */

    if (more < 0)
        return failed(stream->zip, stream->entry, zip_file_get_error(stream->file));
    return more ? damaged(stream->zip, stream->entry, "more bytes than it promises") : PYR_OK;
}

void pyr_zip_stream_close(pyr_zip_stream *stream)
{
    if (stream->file)
        zip_fclose(stream->file);
    *stream = (pyr_zip_stream){0};
}

pyr_status pyr_zip_read(char **out, size_t *size, pyr_zip *zip, size_t i, uint64_t limit)
{
    pyr_zip_stream stream = {0};
    char *bytes = NULL;
    pyr_status status;

    *out = NULL;
    *size = 0;
    if (zip->at[i].size > limit)
        return pyr_fail(PYR_E_FORMAT, "%s: %s: %llu bytes, at most %llu are expected", zip->path,
                        zip->at[i].name, (unsigned long long)zip->at[i].size, (unsigned long long)limit);
    PYR_TRY(pyr_new(&bytes, (size_t)zip->at[i].size + 1, 1, zip->at[i].name));
    pthread_mutex_lock(&zip->lock);
    PYR_TRY_OUT(pyr_zip_stream_open(&stream, zip, i));
    PYR_TRY_OUT(pyr_zip_stream_read(&stream, bytes, (size_t)zip->at[i].size));
    PYR_TRY_OUT(pyr_zip_stream_end(&stream));
    *out = bytes;
    *size = (size_t)zip->at[i].size;
    bytes = NULL;
out:
    pyr_zip_stream_close(&stream);
    pthread_mutex_unlock(&zip->lock);
    pyr_free(bytes);
    return status;
}

/* ---- writing ---- */

static pyr_status add_part(zip_t *zip, const pyr_zip_part *part, const char *path)
{
    zip_source_t *source = zip_source_buffer(zip, part->bytes, part->n, 0);
    zip_int64_t index = source ? zip_file_add(zip, part->name, source, ZIP_FL_ENC_UTF_8) : -1;

    if (index < 0 && source)
        zip_source_free(source);
    /* 1980-01-01 00:00, so that equal contents give equal files */
    if (index < 0 || zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip, (zip_uint64_t)index, 0, 0x21, 0) != 0)
        return pyr_fail(PYR_E_NOMEM, "%s: %s cannot be packed: %s", path, part->name, zip_strerror(zip));
    return PYR_OK;
}

/* From the buffer that the archive was made in. */
static pyr_status copy_out(const char *path, zip_source_t *made)
{
    zip_stat_t info;
    char *bytes = NULL;
    bool open = false;
    pyr_status status = PYR_OK;

    if (zip_source_stat(made, &info) != 0 || !(info.valid & ZIP_STAT_SIZE))
        return pyr_fail(PYR_E_NOMEM, "%s: the archive cannot be packed", path);
    PYR_TRY(pyr_new(&bytes, (size_t)info.size, 1, path));
    open = zip_source_open(made) == 0;
    if (!open || zip_source_read(made, bytes, info.size) != (zip_int64_t)info.size)
        status = pyr_fail(PYR_E_NOMEM, "%s: the archive cannot be packed", path);
    else
        status = pyr_file_replace(path, bytes, (size_t)info.size);
    if (open)
        zip_source_close(made);
    pyr_free(bytes);
    return status;
}

pyr_status pyr_zip_write(const char *path, const pyr_zip_part *parts, size_t n)
{
    zip_error_t error;
    zip_source_t *made;
    zip_t *zip = NULL;
    pyr_status status = PYR_OK;

    assert(n > 0); /* of nothing libzip makes no file */
    zip_error_init(&error);
    made = zip_source_buffer_create(NULL, 0, 0, &error);
    if (!made)
        return opening_failed(path, &error);
    zip_source_keep(made); /* for copy_out; the archive has the other share */
    zip = zip_open_from_source(made, ZIP_TRUNCATE, &error);
    if (!zip) {
        zip_source_free(made);
        PYR_TRY_OUT(opening_failed(path, &error));
    }
    for (size_t i = 0; i < n; i++)
        PYR_TRY_OUT(add_part(zip, &parts[i], path));
    if (zip_close(zip) != 0)
        PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "%s: the archive cannot be packed: %s", path, zip_strerror(zip)));
    zip = NULL;
    PYR_TRY_OUT(copy_out(path, made));
out:
    if (zip)
        zip_discard(zip);
    zip_source_free(made);
    return status;
}
