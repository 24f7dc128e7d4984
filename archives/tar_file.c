/* tar_file.c - lists a tar archive once, follows its links, and gives its entries in order, within limits
 * of size and number. */
#include "archives/tar_file.h"

#include "archives/folder_names.h"
#include "archives/tar_stream.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "pictures/image_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST = 4096 /* of a name */, RATIO = 1032, SLACK = 1 << 20, CHAIN = 8 /* links to links */ };

/* A hard or symbolic link, until it is known what it leads to. */
typedef struct link_entry {
    const char *name, *target; /* paths from the top of the archive, in `names` */
    size_t header;
    bool hard; /* to what comes before it */
    bool done;
} link_entry;

struct pyr_tar {
    char *path;     /* facts.path */
    uint64_t bytes; /* of the file */
    bool plain;
    pyr_tar_facts facts;
    size_t room; /* of facts.at */
    link_entry *links;
    size_t links_n, links_room;
    pyr_names names;
    pyr_tar_stream *reading; /* in order; NULL: not begun */
    size_t next;             /* the header that it comes to next */
    char *held;              /* bytes of a shared entry that was read in order; NULL: none */
    size_t held_from;        /* its header */
};

/* ---- names ---- */

static const char endings[] = ".tar .tar.gz .tgz .tar.bz2 .tbz2 .tbz .tar.xz .txz .tar.zst .tzst .tar.lzma";

size_t pyr_tar_stem(const char *path)
{
    return strlen(path) - pyr_ending_of(path, endings);
}

bool pyr_tar_named(const char *path)
{
    return pyr_ending_of(path, endings) > 0;
}

/* ---- what is lost ---- */

/* Something of the archive cannot be read: a sentence in `lost`, or, when that is not asked for, the
 * failure. */
static pyr_status __attribute__((format(printf, 3, 4)))
lose(pyr_tar *tar, const pyr_tar_take *take, const char *fmt, ...)
{
    pyr_names *lost = &tar->facts.lost;
    va_list args;
    pyr_status status;

    va_start(args, fmt);
    status = pyr_names_vformat(lost, fmt, args);
    va_end(args);
    if (status != PYR_OK || (take && take->past_damage))
        return status;
    return pyr_fail(PYR_E_FORMAT, "%s; copy or make it again, or leave out what is lost with --skip-bad",
                    lost->at[lost->n - 1]);
}

static pyr_status lose_place(pyr_tar *tar, const pyr_tar_take *take, uint64_t place, const char *why)
{
    const pyr_tar_entry *last = tar->facts.n ? &tar->facts.at[tar->facts.n - 1] : NULL;

    return lose(tar, take, "%s: the tar archive is damaged or cut short at byte %llu%s%.300s (%s)", tar->path,
                (unsigned long long)place, last ? ", behind " : "", last ? last->name : "", why);
}

/* A picture without bytes is lost; other entries are counted as left aside. */
static pyr_status lose_entry(pyr_tar *tar, const pyr_tar_take *take, const char *name, pyr_tar_aside kind,
                             const char *why, const char *target)
{
    if (pyr_left_aside(name))
        return PYR_OK;
    if (pyr_image_named(name))
        return lose(tar, take, "%s: %s: %s%.300s", tar->path, name, why, target ? target : "");
    tar->facts.aside[kind]++;
    return PYR_OK;
}

/* ---- listing ---- */

static const char *raw_name(struct archive_entry *e)
{
    const char *name = archive_entry_pathname_utf8(e); /* of pax headers, whatever the locale */

    if (!name)
        name = archive_entry_pathname(e); /* of old ones: bytes as they are */
    return name && strlen(name) <= LONGEST ? name : NULL;
}

/* A copy in `names`, as a path from the top of the archive. */
static pyr_status keep_name(const char **out, pyr_tar *tar, const char *name)
{
    PYR_TRY(pyr_names_add(&tar->names, name));
    pyr_entry_tidy(tar->names.at[tar->names.n - 1]);
    *out = tar->names.at[tar->names.n - 1];
    return PYR_OK;
}

static pyr_status add(pyr_tar *tar, const pyr_tar_entry *e)
{
    PYR_TRY(pyr_grow(&tar->facts.at, &tar->room, tar->facts.n, sizeof *tar->facts.at, tar->path));
    tar->facts.at[tar->facts.n++] = *e;
    return PYR_OK;
}

static pyr_status add_link(pyr_tar *tar, const char *name, struct archive_entry *e, size_t header)
{
    const char *hard = archive_entry_hardlink_utf8(e), *target;
    link_entry *to;
    char *path;
    pyr_status status;

    hard = hard ? hard : archive_entry_hardlink(e);
    target = hard ? hard : archive_entry_symlink_utf8(e);
    target = target ? target : archive_entry_symlink(e);
    PYR_TRY(pyr_grow(&tar->links, &tar->links_room, tar->links_n, sizeof *tar->links, tar->path));
    to = &tar->links[tar->links_n];
    *to = (link_entry){.header = header, .hard = hard != NULL};
    PYR_TRY(keep_name(&to->name, tar, name));
    if (!*to->name)
        return PYR_OK;
    target = target && strlen(target) <= LONGEST ? target : "";
    path = hard ? pyr_strdup(target) : pyr_link_path(to->name, target);
    status = path ? keep_name(&to->target, tar, path)
                  : pyr_fail(PYR_E_NOMEM, "%s: out of memory for a link", tar->path);
    pyr_free(path);
    tar->links_n += status == PYR_OK;
    return status;
}

/* The bytes of the entry whose header was read last. */
static pyr_status read_here(char **out, const pyr_tar *tar, const pyr_tar_entry *e, pyr_tar_stream *s)
{
    size_t met = 0;

    PYR_TRY(pyr_new(out, (size_t)e->size + 1, 1, e->name));
    while (met < e->size) {
        la_ssize_t got = archive_read_data(s->tar, *out + met, (size_t)e->size - met);
        pyr_status status = got < 0 ? pyr_tar_fault(s, e->name) : PYR_OK;

        if (got == 0 && e->sparse)
            break; /* a hole to the end: zeros */
        if (got <= 0) {
            pyr_free(*out);
            *out = NULL;
            return status != PYR_OK
                       ? status
                       : pyr_fail(
                             PYR_E_FORMAT,
                             "%s: %s: the entry is damaged or cut short (%s); copy or make the archive again",
                             tar->path, e->name, got < 0 ? pyr_tar_why(s) : "the archive ends before");
        }
        met += (size_t)got;
    }
    return PYR_OK;
}

/* Sizes are believed as far as the file's own size makes them possible. *cut: the file ends before the entry
 * does. */
static pyr_status check_size(bool *cut, const pyr_tar *tar, uint64_t *promised, const pyr_tar_entry *e)
{
    bool run = tar->plain && !e->sparse;

    *promised += e->size + 512;
    *cut = run && (e->size > tar->bytes || e->offset > tar->bytes - e->size);
    if (!run && (e->size > INT64_MAX / 2 || *promised / RATIO > tar->bytes + SLACK))
        return pyr_fail(PYR_E_FORMAT,
                        "%s: %s: its %llu bytes cannot hold the %llu that the entries up to here promise",
                        tar->path, e->name, (unsigned long long)tar->bytes, (unsigned long long)*promised);
    return PYR_OK;
}

/* A regular file. *end: the archive ends before it does. */
static pyr_status add_file(pyr_tar *tar, bool *end, const pyr_tar_take *take, const char *name,
                           struct archive_entry *from, size_t header, uint64_t *promised, pyr_tar_stream *s)
{
    pyr_tar_entry e = {.size = (uint64_t)archive_entry_size(from),
                       .offset = (uint64_t)archive_filter_bytes(s->tar, 0),
                       .header = header,
                       .bytes_at = header,
                       .sparse = archive_entry_sparse_count(from) > 0};
    char *bytes;
    pyr_status status;

    PYR_TRY(keep_name(&e.name, tar, name));
    PYR_TRY(check_size(end, tar, promised, &e));
    if (*end)
        return lose(tar, take, "%s: %s: the archive ends before it does", tar->path, name);
    if (!*e.name)
        return PYR_OK;
    PYR_TRY(add(tar, &e));
    if (!take || !take->wants(take->arg, e.name, e.size))
        return PYR_OK;
    PYR_TRY(read_here(&bytes, tar, &e, s));
    status = take->take(take->arg, tar->facts.n - 1, e.name, bytes, (size_t)e.size);
    pyr_free(bytes);
    return status;
}

static pyr_status add_entry(pyr_tar *tar, bool *end, const pyr_tar_take *take, struct archive_entry *e,
                            size_t header, uint64_t *promised, pyr_tar_stream *s)
{
    const char *name = raw_name(e);

    *promised += 512;
    if (!name || !*name)
        return lose_place(tar, take, (uint64_t)archive_read_header_position(s->tar),
                          "an entry has no name, or one that is too long");
    if (archive_entry_hardlink(e) || archive_entry_hardlink_utf8(e) || archive_entry_filetype(e) == AE_IFLNK)
        return add_link(tar, name, e, header);
    if (archive_entry_filetype(e) == AE_IFDIR)
        return PYR_OK;
    if (archive_entry_filetype(e) != AE_IFREG)
        return lose_entry(tar, take, name, PYR_TAR_DEVICES, "a device or pipe, which has no bytes", NULL);
    if (!archive_entry_size_is_set(e) || archive_entry_size(e) < 0)
        return lose_entry(tar, take, name, PYR_TAR_DEVICES, "its header says no size", NULL);
    return add_file(tar, end, take, name, e, header, promised, s);
}

/* How an archive that could be read to its end does end, and whether it went on behind an end. */
static pyr_status judge_ends(pyr_tar *tar, const pyr_tar_stream *s, size_t joins, uint64_t joint)
{
    const char *last = tar->facts.n ? tar->facts.at[tar->facts.n - 1].name : "its start";
    bool ended;

    if (joins)
        PYR_TRY(pyr_names_format(&tar->facts.warnings,
                                 "%s: more entries follow behind the end of an archive (zero blocks at byte "
                                 "%llu): %zu archives one behind the other, all are read; if it should be "
                                 "one, zeros lie where entries were: copy it again",
                                 tar->path, (unsigned long long)joint, joins + 1));
    PYR_TRY(pyr_tar_stream_zero(&ended, s, (uint64_t)archive_read_header_position(s->tar)));
    if (ended)
        return PYR_OK;
    return pyr_names_format(&tar->facts.warnings,
                            "%s: ends behind %.300s without the zero blocks that end a tar archive: it may "
                            "be cut short; its %zu files are read",
                            tar->path, last, tar->facts.n);
}

/* Where the header after this one should be; not exact when the entry is sparse. */
static uint64_t behind_entry(struct archive_entry *e, const pyr_tar_stream *s)
{
    uint64_t at = (uint64_t)archive_filter_bytes(s->tar, 0);
    int64_t size = archive_entry_sparse_count(e) ? 0 : archive_entry_size(e);

    return size > 0 ? at + ((uint64_t)size + 511) / 512 * 512 : at;
}

static pyr_status list_headers(pyr_tar *tar, const pyr_tar_take *take, pyr_tar_stream *s)
{
    uint64_t promised = 0, joint = 0, behind = 0; /* the last entry */
    size_t joins = 0;
    bool in_damage = false, end = false, zero;

    while (!end) {
        struct archive_entry *e;
        uint64_t place;
        pyr_tar_next next = pyr_tar_stream_next(&e, s);

        if (next == PYR_TAR_FAILED) {
            PYR_TRY(pyr_tar_fault(s, NULL));
            return lose_place(tar, take, behind, pyr_tar_why(s));
        }
        if (next == PYR_TAR_END)
            return judge_ends(tar, s, joins, joint);
        place = (uint64_t)archive_read_header_position(s->tar);
        if (next == PYR_TAR_DOUBT || (next == PYR_TAR_DAMAGED && !in_damage))
            PYR_TRY(
                lose_place(tar, take, place,
                           next == PYR_TAR_DOUBT ? pyr_tar_why(s) : "a header does not fit its checksum"));
        in_damage = next == PYR_TAR_DAMAGED;
        if (in_damage)
            continue;
        zero = false;
        /* more than a header: extensions, or zeros */
        if ((uint64_t)archive_filter_bytes(s->tar, 0) > place + 512)
            PYR_TRY(pyr_tar_stream_zero(&zero, s, place));
        joint = zero && !joins ? place : joint;
        joins += zero;
        if (next == PYR_TAR_ENTRY)
            PYR_TRY(add_entry(tar, &end, take, e, tar->facts.headers, &promised, s));
        behind = behind_entry(e, s);
        tar->facts.headers++;
    }
    return PYR_OK;
}

/* ---- links ---- */

typedef struct named {
    const char *name;
    size_t header, at;
} named;

static int by_name(const void *a, const void *b)
{
    const named *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : x->header < y->header ? -1 : x->header > y->header;
}

/* The last entry of this name whose header comes before `header`; n: none. */
static size_t find(const named *names, size_t n, const char *name, size_t header)
{
    named wanted = {.name = name, .header = header};
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (by_name(&names[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low && strcmp(names[low - 1].name, name) == 0 ? names[low - 1].at : SIZE_MAX;
}

/* What a link leads to is read, under the link's name. */
static pyr_status add_linked(pyr_tar *tar, const pyr_tar_take *take, const link_entry *link, size_t of)
{
    pyr_tar_entry e = tar->facts.at[of];
    char *bytes = NULL;
    size_t n;
    pyr_status status;

    e.name = link->name;
    e.header = link->header;
    e.shared = tar->facts.at[of].shared = true;
    PYR_TRY(add(tar, &e));
    if (!take || !take->wants(take->arg, e.name, e.size))
        return PYR_OK;
    if (!tar->plain)
        return take->again ? take->again(take->arg, tar->facts.n - 1, of) : PYR_OK;
    PYR_TRY(pyr_tar_read(&bytes, &n, tar, tar->facts.n - 1, e.size));
    status = take->take(take->arg, tar->facts.n - 1, e.name, bytes, n);
    pyr_free(bytes);
    return status;
}

/* The links that lead to entries that are known by now. */
static pyr_status resolve(bool *more, pyr_tar *tar, const pyr_tar_take *take)
{
    size_t n = tar->facts.n;
    named *names;
    pyr_status status = PYR_OK;

    *more = false;
    PYR_TRY(pyr_new(&names, n, sizeof *names, tar->path));
    for (size_t i = 0; i < n; i++)
        names[i] = (named){tar->facts.at[i].name, tar->facts.at[i].header, i};
    pyr_sort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < tar->links_n; i++) {
        link_entry *link = &tar->links[i];
        size_t of =
            link->done ? SIZE_MAX : find(names, n, link->target, link->hard ? link->header : SIZE_MAX);

        if (of == SIZE_MAX)
            continue;
        link->done = *more = true;
        PYR_TRY_OUT(add_linked(tar, take, link, of));
    }
out:
    pyr_free(names);
    return status;
}

static pyr_status list_links(pyr_tar *tar, const pyr_tar_take *take)
{
    bool more = tar->links_n > 0;

    for (int i = 0; i < CHAIN && more; i++)
        PYR_TRY(resolve(&more, tar, take));
    for (size_t i = 0; i < tar->links_n; i++) {
        const link_entry *link = &tar->links[i];

        if (!link->done)
            PYR_TRY(lose_entry(tar, take, link->name, PYR_TAR_LINKS,
                               *link->target ? "a link to what is no file of the archive: "
                                             : "a link out of the archive",
                               link->target));
    }
    pyr_free(tar->links);
    tar->links = NULL;
    tar->links_n = tar->links_room = 0;
    return PYR_OK;
}

static pyr_status list(pyr_tar *tar, const pyr_tar_take *take)
{
    pyr_tar_stream *s;
    pyr_status status;

    PYR_TRY(pyr_tar_stream_open(&s, tar->path, true));
    tar->bytes = s->bytes;
    tar->plain = !s->packed;
    tar->facts.in_order = !tar->plain;
    status = list_headers(tar, take, s);
    pyr_tar_stream_free(s);
    PYR_TRY(status);
    PYR_TRY(list_links(tar, take));
    if (!tar->facts.n && tar->facts.lost.n)
        return pyr_fail(PYR_E_FORMAT, "%s; copy or make it again", tar->facts.lost.at[0]);
    return PYR_OK;
}

pyr_status pyr_tar_open(pyr_tar **out, const char *path, const pyr_tar_take *take)
{
    pyr_tar *tar;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&tar, 1, sizeof *tar, path));
    PYR_TRY_OUT(pyr_format(&tar->path, "%s", path));
    tar->facts.path = tar->path;
    PYR_TRY_OUT(list(tar, take));
    *out = tar;
    tar = NULL;
out:
    pyr_tar_free(tar);
    return status;
}

/* Whether the first header can be read. */
static pyr_status begins(bool *does, const char *path)
{
    pyr_tar_stream *s;
    struct archive_entry *e;
    pyr_tar_next next;
    pyr_status status = pyr_tar_stream_open(&s, path, false);

    *does = false;
    if (status != PYR_OK)
        return status == PYR_E_FORMAT ? PYR_OK : status; /* then it is something else */
    next = pyr_tar_stream_next(&e, s);
    if (next == PYR_TAR_FAILED)
        status = pyr_tar_fault(s, NULL);
    *does = next == PYR_TAR_ENTRY || next == PYR_TAR_DOUBT;
    pyr_tar_stream_free(s);
    return status;
}

pyr_status pyr_tar_is(bool *is, const char *path)
{
    static const pyr_magic compressed[] = {PYR_MAGIC("\x1f\x8b", 0), PYR_MAGIC("BZh", 0),
                                           PYR_MAGIC("\3757zXZ", 0), PYR_MAGIC("\x28\xb5\x2f\xfd", 0),
                                           PYR_MAGIC("\x5d\0\0", 0)};
    char start[512] = {0};
    size_t n;
    bool tar_name = pyr_tar_named(path), ustar, packed = false;

    *is = false;
    PYR_TRY(pyr_file_start(start, &n, path, sizeof start));
    ustar = memcmp(start + 257, "ustar", 5) == 0;
    for (size_t i = 0; i < sizeof compressed / sizeof *compressed; i++)
        packed |= pyr_magic_is(&compressed[i], start, n);
    if (!tar_name && !ustar && !packed)
        return PYR_OK;
    PYR_TRY(begins(is, path));
    *is |= ustar || (tar_name && packed); /* a damaged one: opening it reports where */
    return PYR_OK;
}

void pyr_tar_rest(pyr_tar *tar)
{
    pyr_tar_stream_free(tar->reading);
    tar->reading = NULL;
    pyr_free(tar->held);
    tar->held = NULL;
}

void pyr_tar_free(pyr_tar *tar)
{
    if (!tar)
        return;
    pyr_tar_rest(tar);
    pyr_names_free(&tar->names);
    pyr_names_free(&tar->facts.lost);
    pyr_names_free(&tar->facts.warnings);
    pyr_free(tar->links);
    pyr_free(tar->facts.at);
    pyr_free(tar->path);
    pyr_free(tar);
}

const pyr_tar_facts *pyr_tar_facts_of(const pyr_tar *tar)
{
    return &tar->facts;
}

/* ---- reading ---- */

/* Where it lies. The file is opened for each entry: a set may have more archives than a process may have open
 * files. */
static pyr_status read_plain(char *dst, const pyr_tar *tar, const pyr_tar_entry *e)
{
    bool whole;
    int file, error;

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

/* On to the header that the entry's bytes follow, from `next` on, and the bytes. */
static pyr_status read_on(char **out, const pyr_tar *tar, const pyr_tar_entry *e, pyr_tar_stream *s,
                          size_t *next)
{
    struct archive_entry *header = NULL;

    while (*next <= e->bytes_at) {
        pyr_tar_next met = pyr_tar_stream_next(&header, s);

        if (met == PYR_TAR_DAMAGED)
            continue; /* reported while listing */
        if (met == PYR_TAR_FAILED)
            PYR_TRY(pyr_tar_fault(s, e->name));
        if (met == PYR_TAR_FAILED || met == PYR_TAR_END)
            return pyr_fail(PYR_E_IO, "%s: %s: the archive ends before it does; has it changed?", tar->path,
                            e->name);
        (*next)++;
    }
    if ((uint64_t)archive_entry_size(header) != e->size)
        return pyr_fail(PYR_E_IO, "%s: %s: has another size than before; has the archive changed?", tar->path,
                        e->name);
    return read_here(out, tar, e, s);
}

/* A copy of shared bytes stays, for the links that come next. */
static pyr_status hold(pyr_tar *tar, const pyr_tar_entry *e, const char *bytes)
{
    pyr_free(tar->held);
    PYR_TRY(pyr_new(&tar->held, (size_t)e->size + 1, 1, e->name));
    memcpy(tar->held, bytes, (size_t)e->size + 1);
    tar->held_from = e->bytes_at;
    return PYR_OK;
}

static pyr_status read_in_order(char **out, pyr_tar *tar, const pyr_tar_entry *e)
{
    pyr_status status;

    if (tar->held && tar->held_from == e->bytes_at) {
        PYR_TRY(pyr_new(out, (size_t)e->size + 1, 1, e->name));
        memcpy(*out, tar->held, (size_t)e->size + 1);
        return PYR_OK;
    }
    if (tar->reading && e->bytes_at < tar->next)
        pyr_tar_rest(tar);
    if (!tar->reading) {
        PYR_TRY(pyr_tar_stream_open(&tar->reading, tar->path, false));
        tar->next = 0;
    }
    status = read_on(out, tar, e, tar->reading, &tar->next);
    if (status == PYR_OK && e->shared)
        status = hold(tar, e, *out);
    if (status != PYR_OK)
        pyr_tar_rest(tar);
    return status;
}

/* A sparse file of a plain archive, by a reader of its own, as any thread may come here. */
static pyr_status read_sparse(char **out, const pyr_tar *tar, const pyr_tar_entry *e)
{
    pyr_tar_stream *s;
    size_t next = 0;
    pyr_status status;

    PYR_TRY(pyr_tar_stream_open(&s, tar->path, false));
    status = read_on(out, tar, e, s, &next);
    pyr_tar_stream_free(s);
    return status;
}

pyr_status pyr_tar_read(char **out, size_t *size, pyr_tar *tar, size_t i, uint64_t limit)
{
    const pyr_tar_entry *e = &tar->facts.at[i];
    char *bytes = NULL;
    pyr_status status;

    *out = NULL;
    *size = 0;
    if (e->size > limit)
        return pyr_fail(PYR_E_FORMAT, "%s: %s: %llu bytes, at most %llu are expected", tar->path, e->name,
                        (unsigned long long)e->size, (unsigned long long)limit);
    if (!tar->plain)
        status = read_in_order(&bytes, tar, e);
    else if (e->sparse)
        status = read_sparse(&bytes, tar, e);
    else {
        PYR_TRY(pyr_new(&bytes, (size_t)e->size + 1, 1, e->name));
        status = read_plain(bytes, tar, e);
    }
    if (status != PYR_OK) {
        pyr_free(bytes);
        return status;
    }
    *out = bytes;
    *size = (size_t)e->size;
    return PYR_OK;
}
