#include "images/tar_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "images/folder_names.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST = 4096 /* of a name */, RATIO = 1032, SLACK = 1 << 20 };

typedef struct entry {
    char *name; /* in the archive's `names` */
    uint64_t size;
    uint64_t offset; /* of its bytes, in a plain archive */
    size_t header;   /* its place among all headers, those of links and folders too */
} entry;

struct pyr_tar {
    char *path;
    const void *memory; /* instead of the file; NULL: the file */
    uint64_t bytes;     /* of the file */
    bool plain;
    entry *at;
    size_t n, room;
    pyr_names names;
    struct archive *reading; /* in order; NULL: not begun */
    size_t next;             /* the header that it comes to next */
};

/* ---- names ---- */

size_t pyr_tar_stem(const char *path)
{
    static const char *const endings[] = {".tar",    ".tar.gz", ".tgz",     ".tar.bz2", ".tbz2",    ".tbz",
                                          ".tar.xz", ".txz",    ".tar.zst", ".tzst",    ".tar.lzma"};
    size_t n = strlen(path);

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);

        if (n > length && strcasecmp(path + n - length, endings[i]) == 0)
            return n - length;
    }
    return n;
}

bool pyr_tar_named(const char *path)
{
    return pyr_tar_stem(path) < strlen(path);
}

/* ---- libarchive ---- */

/* Whether reading failed, not what was read: libarchive's own numbers are EILSEQ, EINVAL, EDOM and below 0.
 */
static bool is_of_disk(struct archive *a)
{
    int error = archive_errno(a);

    return error == EIO || error == ENOENT || error == EACCES || error == EMFILE || error == ENFILE ||
           error == EISDIR || error == ESTALE || error == EINTR || error == ENXIO;
}

static pyr_status failed(const pyr_tar *tar, struct archive *a)
{
    const char *why = archive_error_string(a);

    if (archive_errno(a) == ENOMEM)
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory in libarchive", tar->path);
    if (is_of_disk(a))
        return pyr_fail(PYR_E_IO, "%s: cannot be read: %s", tar->path,
                        why ? why : strerror(archive_errno(a)));
    return pyr_fail(PYR_E_FORMAT, "%s: the tar archive is damaged or cut short (%s); copy or make it again",
                    tar->path, why ? why : "no reason is given");
}

/* A reader at the front of the archive. */
static pyr_status begin(struct archive **out, const pyr_tar *tar)
{
    struct archive *a = archive_read_new();
    int done = a ? ARCHIVE_OK : ARCHIVE_FATAL;
    pyr_status status;

    *out = NULL;
    if (!a)
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory for reading the archive", tar->path);
    /* ARCHIVE_WARN says that another program would be started: such a filter is not used */
    if (archive_read_support_filter_gzip(a) != ARCHIVE_OK || archive_read_support_format_tar(a) != ARCHIVE_OK)
        done = ARCHIVE_FATAL;
    (void)archive_read_support_filter_bzip2(a);
    (void)archive_read_support_filter_xz(a);
    (void)archive_read_support_filter_lzma(a);
    (void)archive_read_support_filter_zstd(a);
    if (done == ARCHIVE_OK && tar->memory)
        done = archive_read_open_memory(a, tar->memory, (size_t)tar->bytes);
    else if (done == ARCHIVE_OK)
        done = archive_read_open_filename(a, tar->path, 1 << 17);
    if (done == ARCHIVE_OK) {
        *out = a;
        return PYR_OK;
    }
    status = failed(tar, a);
    archive_read_free(a);
    return status;
}

/* The next header; *end: there is none. What libarchive warns of (names in another alphabet) is no matter. */
static pyr_status next_header(struct archive_entry **out, bool *end, const pyr_tar *tar, struct archive *a)
{
    int got;

    do
        got = archive_read_next_header(a, out);
    while (got == ARCHIVE_RETRY);
    *end = got == ARCHIVE_EOF;
    return got == ARCHIVE_OK || got == ARCHIVE_WARN || got == ARCHIVE_EOF ? PYR_OK : failed(tar, a);
}

/* A regular file with a name that can be shown. */
static const char *name_of(struct archive_entry *e)
{
    const char *name;

    if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) ||
        archive_entry_sparse_count(e) > 0 || !archive_entry_size_is_set(e) || archive_entry_size(e) < 0)
        return NULL;
    name = archive_entry_pathname_utf8(e); /* of pax headers, whatever the locale */
    if (!name)
        name = archive_entry_pathname(e); /* of old ones: bytes as they are */
    return name && *name && strlen(name) <= LONGEST ? name : NULL;
}

/* ---- listing ---- */

static pyr_status add(pyr_tar *tar, const char *name, struct archive_entry *e, size_t header, uint64_t offset)
{
    if (tar->n == tar->room) {
        size_t room = tar->room ? 2 * tar->room : 64;
        entry *at = pyr_realloc(tar->at, room, sizeof *at);

        if (!at)
            return pyr_fail(PYR_E_NOMEM, "%s: out of memory for the list of its entries", tar->path);
        tar->at = at;
        tar->room = room;
    }
    if (pyr_names_add(&tar->names, name) != PYR_OK)
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory for the names of its entries", tar->path);
    tar->at[tar->n] =
        (entry){tar->names.at[tar->names.n - 1], (uint64_t)archive_entry_size(e), offset, header};
    pyr_entry_tidy(tar->at[tar->n].name);
    tar->n += *tar->at[tar->n].name != 0;
    return PYR_OK;
}

/* The bytes of the entry whose header was read last. */
static pyr_status read_here(char **out, const pyr_tar *tar, const entry *e, struct archive *a)
{
    size_t met = 0;

    PYR_TRY(pyr_new(out, (size_t)e->size + 1, 1, e->name));
    while (met < e->size) {
        la_ssize_t got = archive_read_data(a, *out + met, (size_t)e->size - met);

        if (got <= 0) {
            const char *why = got < 0 ? archive_error_string(a) : NULL;

            pyr_free(*out);
            *out = NULL;
            if (got < 0 && archive_errno(a) == ENOMEM)
                return failed(tar, a);
            if (got < 0 && is_of_disk(a))
                return pyr_fail(PYR_E_IO, "%s: %s: cannot be read: %s", tar->path, e->name,
                                why ? why : strerror(archive_errno(a)));
            return pyr_fail(PYR_E_FORMAT,
                            "%s: %s: the entry is damaged or cut short (%s); copy or make the archive again",
                            tar->path, e->name, why ? why : "the archive ends before");
        }
        met += (size_t)got;
    }
    return PYR_OK;
}

static pyr_status take_one(const pyr_tar *tar, const pyr_tar_take *take, struct archive *a)
{
    const entry *e = &tar->at[tar->n - 1];
    char *bytes;
    pyr_status status;

    if (!take || !take->wants(take->arg, e->name, e->size))
        return PYR_OK;
    PYR_TRY(read_here(&bytes, tar, e, a));
    status = take->take(take->arg, tar->n - 1, e->name, bytes, (size_t)e->size);
    pyr_free(bytes);
    return status;
}

/* Sizes are believed as far as the file's own size makes them possible. */
static pyr_status check_size(const pyr_tar *tar, uint64_t *promised, uint64_t size, uint64_t offset,
                             const char *name)
{
    *promised += size + 512;
    if (tar->plain && (size > tar->bytes || offset > tar->bytes - size))
        return pyr_fail(PYR_E_FORMAT, "%s: %s: the archive ends before it does; copy or make it again",
                        tar->path, name);
    if (!tar->plain && (size > INT64_MAX / 2 || *promised / RATIO > tar->bytes + SLACK))
        return pyr_fail(PYR_E_FORMAT,
                        "%s: %s: its %llu bytes cannot hold the %llu that the entries up to here promise",
                        tar->path, name, (unsigned long long)tar->bytes, (unsigned long long)*promised);
    return PYR_OK;
}

static pyr_status list(pyr_tar *tar, const pyr_tar_take *take)
{
    struct archive *a;
    struct archive_entry *e;
    uint64_t promised = 0;
    bool end = false;
    pyr_status status;

    PYR_TRY(begin(&a, tar));
    for (size_t header = 0;; header++) {
        const char *name;
        uint64_t offset;
        size_t before = tar->n;

        PYR_TRY_OUT(next_header(&e, &end, tar, a));
        if (end)
            break;
        tar->plain = archive_filter_count(a) == 1;
        offset = (uint64_t)archive_filter_bytes(a, 0);
        name = name_of(e);
        promised += 512;
        if (!name)
            continue;
        PYR_TRY_OUT(check_size(tar, &promised, (uint64_t)archive_entry_size(e), offset, name));
        PYR_TRY_OUT(add(tar, name, e, header, offset));
        if (tar->n > before)
            PYR_TRY_OUT(take_one(tar, take, a));
    }
out:
    archive_read_free(a);
    return status;
}

/* Takes a `tar` whose path, memory and bytes are set over. */
static pyr_status opened(pyr_tar **out, pyr_tar *tar, const pyr_tar_take *take)
{
    pyr_status status = list(tar, take);

    if (status == PYR_OK)
        *out = tar;
    else
        pyr_tar_free(tar);
    return status;
}

static pyr_status new_tar(pyr_tar **out, const char *path, const void *memory, uint64_t bytes)
{
    *out = NULL;
    if (bytes == 0)
        return pyr_fail(PYR_E_FORMAT, "%s: the file is empty (zero bytes)", path);
    PYR_TRY(pyr_new(out, 1, sizeof **out, path));
    **out = (pyr_tar){.path = pyr_strdup(path), .memory = memory, .bytes = bytes};
    if ((*out)->path)
        return PYR_OK;
    pyr_free(*out);
    *out = NULL;
    return pyr_fail(PYR_E_NOMEM, "out of memory for the name of %s", path);
}

pyr_status pyr_tar_open(pyr_tar **out, const char *path, const pyr_tar_take *take)
{
    pyr_tar *tar;
    struct stat info;

    *out = NULL;
    if (stat(path, &info) != 0)
        return pyr_fail(PYR_E_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return pyr_fail(PYR_E_IO, "%s: not a regular file", path);
    PYR_TRY(new_tar(&tar, path, NULL, (uint64_t)info.st_size));
    return opened(out, tar, take);
}

pyr_status pyr_tar_parse(pyr_tar **out, const void *bytes, size_t n, const char *name,
                         const pyr_tar_take *take)
{
    pyr_tar *tar;

    *out = NULL;
    PYR_TRY(new_tar(&tar, name, bytes, n));
    return opened(out, tar, take);
}

pyr_status pyr_tar_is(bool *is, const char *path)
{
    static const struct {
        const char *bytes;
        size_t n;
    } magic[] = {{"\x1f\x8b", 2},
                 {"BZh", 3},
                 {"\xfd"
                  "7zXZ",
                  5},
                 {"\x28\xb5\x2f\xfd", 4},
                 {"\x5d\0\0", 3}};
    pyr_tar tar = {.path = (char *)path, .bytes = 1}; /* not written to */
    struct archive *a;
    struct archive_entry *e;
    char start[512] = {0};
    size_t n;
    bool may = pyr_tar_named(path), end = true;
    pyr_status status;

    *is = false;
    PYR_TRY(pyr_file_start(start, &n, path, sizeof start));
    may |= memcmp(start + 257, "ustar", 5) == 0;
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        may |= memcmp(start, magic[i].bytes, magic[i].n) == 0;
    if (!may)
        return PYR_OK;
    status = begin(&a, &tar);
    if (status == PYR_OK) {
        status = next_header(&e, &end, &tar, a);
        *is = status == PYR_OK && !end;
        archive_read_free(a);
    }
    return status == PYR_E_FORMAT ? PYR_OK : status; /* then it is something else */
}

void pyr_tar_rest(pyr_tar *tar)
{
    if (tar->reading)
        archive_read_free(tar->reading);
    tar->reading = NULL;
}

void pyr_tar_free(pyr_tar *tar)
{
    if (!tar)
        return;
    pyr_tar_rest(tar);
    pyr_names_free(&tar->names);
    pyr_free(tar->at);
    pyr_free(tar->path);
    pyr_free(tar);
}

const char *pyr_tar_path(const pyr_tar *tar)
{
    return tar->path;
}

size_t pyr_tar_count(const pyr_tar *tar)
{
    return tar->n;
}

const char *pyr_tar_name(const pyr_tar *tar, size_t i)
{
    return tar->at[i].name;
}

uint64_t pyr_tar_size(const pyr_tar *tar, size_t i)
{
    return tar->at[i].size;
}

bool pyr_tar_in_order(const pyr_tar *tar)
{
    return !tar->plain;
}

/* ---- reading ---- */

/* Where it lies. The file is opened for each entry: a set may have more archives than a process may have open
 * files. */
static pyr_status read_plain(char *dst, const pyr_tar *tar, const entry *e)
{
    bool whole;
    int file, error;

    if (tar->memory) {
        memcpy(dst, (const char *)tar->memory + e->offset, (size_t)e->size);
        return PYR_OK;
    }
    file = open(tar->path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return pyr_fail(PYR_E_IO, "%s: %s: %s", tar->path, e->name, strerror(errno));
    whole = pyr_read_at(file, dst, (size_t)e->size, e->offset);
    error = errno;
    close(file);
    if (!whole && error)
        return pyr_fail(PYR_E_IO, "%s: %s: cannot be read: %s", tar->path, e->name, strerror(error));
    return whole ? PYR_OK
                 : pyr_fail(PYR_E_IO, "%s: %s: the archive ends before it does; has it changed?", tar->path,
                            e->name);
}

static pyr_status read_in_order(char **out, pyr_tar *tar, const entry *e)
{
    struct archive_entry *header;
    bool end = false;
    pyr_status status;

    if (tar->reading && e->header < tar->next)
        pyr_tar_rest(tar);
    if (!tar->reading) {
        PYR_TRY(begin(&tar->reading, tar));
        tar->next = 0;
    }
    for (; tar->next <= e->header; tar->next++) {
        status = next_header(&header, &end, tar, tar->reading);
        if (status == PYR_OK && end)
            status = failed(tar, tar->reading);
        if (status != PYR_OK) {
            pyr_tar_rest(tar);
            return status;
        }
    }
    if ((uint64_t)archive_entry_size(header) != e->size)
        return pyr_fail(PYR_E_IO, "%s: %s: has another size than before; has the archive changed?", tar->path,
                        e->name);
    return read_here(out, tar, e, tar->reading);
}

pyr_status pyr_tar_read(char **out, size_t *size, pyr_tar *tar, size_t i, uint64_t limit)
{
    const entry *e = &tar->at[i];
    char *bytes = NULL;
    pyr_status status;

    *out = NULL;
    *size = 0;
    if (e->size > limit)
        return pyr_fail(PYR_E_FORMAT, "%s: %s: %llu bytes, at most %llu are expected", tar->path, e->name,
                        (unsigned long long)e->size, (unsigned long long)limit);
    if (tar->plain) {
        PYR_TRY(pyr_new(&bytes, (size_t)e->size + 1, 1, e->name));
        status = read_plain(bytes, tar, e);
    } else
        status = read_in_order(&bytes, tar, e);
    if (status != PYR_OK) {
        pyr_free(bytes);
        return status;
    }
    *out = bytes;
    *size = (size_t)e->size;
    return PYR_OK;
}
