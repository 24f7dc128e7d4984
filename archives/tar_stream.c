/* tar_stream.c - a tar archive from front to end on libarchive, with the checks that libarchive leaves out. */
#include "archives/tar_stream.h"

#include "base/file.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum {
    BLOCK = 512,
    UNPACK = 1 << 17 /* bytes at a time */,
    BLOCKS = 1 << 14 /* remembered: 8 MiB, more than a header with all its extensions has */,
    RATIO = 1032 /* deflate's most */,
    SLACK = 1 << 20
};

static const unsigned char zeros[BLOCK];

/* ---- reasons ---- */

const char *pyr_tar_why(const pyr_tar_stream *stream)
{
    const char *why = archive_error_string(stream->tar);

    return why ? why : "no reason is given";
}

/* Whether reading failed, not what was read: libarchive's own numbers are EILSEQ, EINVAL, EDOM and below 0.
 * Its text then is "Error reading 'PATH'": only the number has the reason. */
static bool is_of_disk(int error)
{
    return error == EIO || error == ENOENT || error == EACCES || error == EMFILE || error == ENFILE ||
           error == EISDIR || error == ESTALE || error == EINTR || error == ENXIO;
}

static pyr_status fault(struct archive *a, const char *path, const char *what)
{
    int error = archive_errno(a);

    if (error == ENOMEM)
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory in libarchive", path);
    if (is_of_disk(error))
        return pyr_fail(PYR_E_IO, "%s%s%s: cannot be read: %s", path, what ? ": " : "", what ? what : "",
                        strerror(error));
    return PYR_OK;
}

pyr_status pyr_tar_fault(const pyr_tar_stream *stream, const char *what)
{
    return fault(stream->tar, stream->path, what);
}

/* ---- unpacking ---- */

/* At most n bytes of the file at `at`; 0 at its end, below 0: errno. */
static ssize_t raw_bytes(const pyr_tar_stream *s, void *dst, size_t n, uint64_t at)
{
    ssize_t got;

    if (at >= s->bytes)
        return 0;
    n = n < s->bytes - at ? n : (size_t)(s->bytes - at);
    do
        got = pread(s->file, dst, n, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Whether all that comes from `at` on is zero; padding of a tape is. */
static int rest_is_zero(const pyr_tar_stream *s, uint64_t at)
{
    unsigned char block[BLOCK];
    ssize_t got;

    while ((got = raw_bytes(s, block, sizeof block, at)) > 0) {
        if (memcmp(block, zeros, (size_t)got) != 0)
            return 0;
        at += (uint64_t)got;
    }
    return got < 0 ? -1 : 1;
}

/* The members of a gzip file, each with its own checksum and length, unpacked once more: zlib compares both,
 * libarchive neither. 1: they fit; 0: they do not; -1: errno. */
static int gzip_members_fit(const pyr_tar_stream *s)
{
    unsigned char in[1 << 14];
    uint64_t at = 0;
    ssize_t got = 0;
    z_stream z = {0};
    int done = Z_OK;

    if (inflateInit2(&z, 15 + 16) != Z_OK) {
        errno = ENOMEM;
        return -1;
    }
    while (done == Z_OK && (got = raw_bytes(s, in, sizeof in, at)) > 0) {
        at += (uint64_t)got;
        z.next_in = in;
        z.avail_in = (unsigned)got;
        while (z.avail_in && done == Z_OK) {
            z.next_out = s->buffer;
            z.avail_out = UNPACK;
            done = inflate(&z, Z_NO_FLUSH);
            if (done == Z_BUF_ERROR)
                done = Z_OK;
            if (done == Z_STREAM_END && at - z.avail_in < (uint64_t)archive_filter_bytes(s->packed, -1))
                done = inflateReset(&z);
        }
    }
    inflateEnd(&z);
    if (got < 0 || done == Z_MEM_ERROR) {
        errno = got < 0 ? errno : ENOMEM;
        return -1;
    }
    return done == Z_STREAM_END;
}

/* The file's last eight bytes are those of all that was unpacked, as long as it is of one member. */
static int gzip_fits(const pyr_tar_stream *s, uint64_t end)
{
    unsigned char sums[8];
    uint32_t crc = 0, length = 0;

    if (end < 18 || raw_bytes(s, sums, sizeof sums, end - 8) != 8)
        return errno ? -1 : 0;
    for (int i = 3; i >= 0; i--) {
        crc = crc << 8 | sums[i];
        length = length << 8 | sums[4 + i];
    }
    return crc == s->crc && length == (uint32_t)s->unpacked ? 1 : gzip_members_fit(s);
}

/* All was unpacked: ARCHIVE_OK, or ARCHIVE_FATAL with what is wrong. */
static int judge_end(struct archive *a, const pyr_tar_stream *s)
{
    uint64_t end = (uint64_t)archive_filter_bytes(s->packed, -1);
    bool gzip = archive_filter_code(s->packed, 0) == ARCHIVE_FILTER_GZIP;
    int fits, rest;
    char place[32]; /* libarchive formats no long long */

    errno = 0;
    fits = gzip ? gzip_fits(s, end) : 1;
    rest = fits > 0 ? rest_is_zero(s, end) : 1;
    if (fits > 0 && rest > 0)
        return ARCHIVE_OK;
    if (fits < 0 || rest < 0)
        archive_set_error(a, errno, "%s", strerror(errno));
    else if (!fits)
        archive_set_error(a, EINVAL, "gzip's checksum does not fit: bytes before it have changed");
    else {
        snprintf(place, sizeof place, "%llu", (unsigned long long)end);
        archive_set_error(
            a, EINVAL, "at byte %s of the file, behind the compressed data, are bytes that are none", place);
    }
    return ARCHIVE_FATAL;
}

/* The next unpacked bytes, for libarchive's reader of tar. */
static la_ssize_t unpack(struct archive *a, void *arg, const void **out)
{
    pyr_tar_stream *s = arg;
    size_t n = 0;
    la_ssize_t got = 1;

    *out = s->buffer;
    while (!s->failed && n < UNPACK && (got = archive_read_data(s->packed, s->buffer + n, UNPACK - n)) > 0)
        n += (size_t)got;
    s->failed |= got < 0;
    if (s->failed && !n) { /* what came before it is given first */
        const char *why = archive_error_string(s->packed);

        archive_set_error(a, archive_errno(s->packed), "%s", why ? why : "the compressed data is cut short");
        return ARCHIVE_FATAL;
    }
    for (size_t at = 0; at < n; at += BLOCK)
        s->zero[(s->unpacked + at) / BLOCK % BLOCKS] =
            n - at >= BLOCK && memcmp(s->buffer + at, zeros, BLOCK) == 0;
    if (s->judge)
        s->crc = (uint32_t)crc32(s->crc, s->buffer, (unsigned)n);
    s->unpacked += n;
    if (s->unpacked / RATIO > s->bytes + SLACK) {
        archive_set_error(a, EINVAL, "it unpacks to more than %d times its bytes", RATIO);
        return ARCHIVE_FATAL;
    }
    if (!n && s->judge && judge_end(a, s) != ARCHIVE_OK)
        return ARCHIVE_FATAL;
    return (la_ssize_t)n;
}

/* ---- opening ---- */

/* ARCHIVE_WARN: another program would be started; such a filter is not used. */
static bool add_filters(struct archive *a)
{
    (void)archive_read_support_filter_bzip2(a);
    (void)archive_read_support_filter_xz(a);
    (void)archive_read_support_filter_lzma(a);
    (void)archive_read_support_filter_zstd(a);
    return archive_read_support_filter_gzip(a) == ARCHIVE_OK &&
           archive_read_support_format_raw(a) == ARCHIVE_OK;
}

static pyr_status refuse(const pyr_tar_stream *s, struct archive *a)
{
    const char *why = archive_error_string(a);

    PYR_TRY(fault(a, s->path, NULL));
    return pyr_fail(PYR_E_FORMAT, "%s: the tar archive is damaged or cut short (%s); copy or make it again",
                    s->path, why ? why : "it cannot be unpacked");
}

/* Opens `packed`; it stays NULL when nothing is compressed. */
static pyr_status open_packed(pyr_tar_stream *s)
{
    struct archive_entry *all;
    int got;

    s->packed = archive_read_new();
    if (!s->packed)
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory for reading the archive", s->path);
    if (!add_filters(s->packed) || archive_read_open_fd(s->packed, s->file, UNPACK) != ARCHIVE_OK)
        return refuse(s, s->packed);
    got = archive_read_next_header(s->packed, &all);
    if (got != ARCHIVE_OK && got != ARCHIVE_EOF)
        return refuse(s, s->packed);
    if (archive_filter_count(s->packed) > 1)
        return PYR_OK;
    archive_read_free(s->packed);
    s->packed = NULL;
    if (lseek(s->file, 0, SEEK_SET) != 0)
        return pyr_fail(PYR_E_IO, "%s: cannot be read: %s", s->path, strerror(errno));
    return PYR_OK;
}

static pyr_status open_tar(pyr_tar_stream *s)
{
    int done;

    s->tar = archive_read_new();
    if (!s->tar)
        return pyr_fail(PYR_E_NOMEM, "%s: out of memory for reading the archive", s->path);
    if (archive_read_support_format_tar(s->tar) != ARCHIVE_OK ||
        archive_read_set_format_option(s->tar, "tar", "read_concatenated_archives", "1") != ARCHIVE_OK)
        return refuse(s, s->tar);
    if (s->packed) {
        PYR_TRY(pyr_new(&s->buffer, UNPACK, 1, s->path));
        PYR_TRY(pyr_new(&s->zero, BLOCKS, 1, s->path));
        done = archive_read_open(s->tar, s, NULL, unpack, NULL);
    } else
        done = archive_read_open_fd(s->tar, s->file, UNPACK);
    return done == ARCHIVE_OK ? PYR_OK : refuse(s, s->tar);
}

pyr_status pyr_tar_stream_open(pyr_tar_stream **out, const char *path, bool judge)
{
    pyr_tar_stream *s;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&s, 1, sizeof *s, path));
    *s = (pyr_tar_stream){.path = path, .file = -1, .judge = judge};
    PYR_TRY_OUT(pyr_file_size(&s->bytes, path));
    s->file = open(path, O_RDONLY | O_CLOEXEC);
    if (s->file < 0)
        PYR_TRY_OUT(pyr_fail(PYR_E_IO, "%s: %s", path, strerror(errno)));
    PYR_TRY_OUT(open_packed(s));
    PYR_TRY_OUT(open_tar(s));
    *out = s;
    return PYR_OK;
out:
    pyr_tar_stream_free(s);
    return status;
}

void pyr_tar_stream_free(pyr_tar_stream *s)
{
    if (!s)
        return;
    if (s->tar)
        archive_read_free(s->tar);
    if (s->packed)
        archive_read_free(s->packed);
    if (s->file >= 0)
        close(s->file);
    pyr_free(s->buffer);
    pyr_free(s->zero);
    pyr_free(s);
}

/* ---- headers ---- */

/* Warnings that a name or a size may be false. The others are of names that have no letters in this locale,
 * and of what is not read here (times, owners, access lists). */
static bool doubts(const char *why)
{
    return strstr(why, "pax extended attribute") || strstr(why, "sparse") || strstr(why, "size");
}

pyr_tar_next pyr_tar_stream_next(struct archive_entry **out, pyr_tar_stream *s)
{
    switch (archive_read_next_header(s->tar, out)) {
    case ARCHIVE_OK:
        return PYR_TAR_ENTRY;
    case ARCHIVE_WARN:
        return doubts(pyr_tar_why(s)) ? PYR_TAR_DOUBT : PYR_TAR_ENTRY;
    case ARCHIVE_RETRY:
        return PYR_TAR_DAMAGED;
    case ARCHIVE_EOF:
        return PYR_TAR_END;
    default:
        return PYR_TAR_FAILED;
    }
}

pyr_status pyr_tar_stream_zero(bool *zero, const pyr_tar_stream *s, uint64_t place)
{
    unsigned char block[BLOCK];
    ssize_t got;

    *zero = false;
    if (s->packed) {
        *zero = place + BLOCK <= s->unpacked && s->unpacked - place <= (uint64_t)BLOCK * BLOCKS &&
                s->zero[place / BLOCK % BLOCKS];
        return PYR_OK;
    }
    got = raw_bytes(s, block, BLOCK, place);
    if (got < 0)
        return pyr_fail(PYR_E_IO, "%s: cannot be read: %s", s->path, strerror(errno));
    *zero = got == BLOCK && memcmp(block, zeros, BLOCK) == 0;
    return PYR_OK;
}
