/* tar_stream.h - the headers and bytes of a tar archive from its front to its end, on libarchive, with an eye
 * on what libarchive passes over: zero blocks between entries, an end that is missing, bytes behind the end,
 * the checksum of gzip. For tar_file.c.
 *
 * POSIX ends an archive by two blocks of 512 zero bytes. Archives that were put one behind the other (cat
 * a.tar b.tar) are read on, as GNU tar does with --ignore-zeros. */
#ifndef PYR_ARCHIVES_TAR_STREAM_H
#define PYR_ARCHIVES_TAR_STREAM_H

#include "base/status.h"
#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct pyr_tar_stream {
    struct archive *tar;    /* the entries; archive_read_data gives the bytes of the last header's */
    struct archive *packed; /* what it is unpacked from; NULL: a plain archive */
    int file;
    const char *path;      /* borrowed */
    uint64_t bytes;        /* of the file */
    unsigned char *buffer; /* unpacked bytes */
    unsigned char *zero;   /* whether a block was zero, of the last blocks unpacked */
    uint64_t unpacked;     /* bytes */
    uint32_t crc;          /* of them */
    bool failed;           /* unpacking did */
    bool judge;            /* compare gzip's checksum, look behind the end */
} pyr_tar_stream;

/* What comes next. */
typedef enum pyr_tar_next {
    PYR_TAR_ENTRY,   /* a header, in *out */
    PYR_TAR_DOUBT,   /* likewise, but a part of it (name, size) could not be read: pyr_tar_why */
    PYR_TAR_DAMAGED, /* no header; there may be more behind it */
    PYR_TAR_END,
    PYR_TAR_FAILED /* no more can be read: pyr_tar_fault */
} pyr_tar_next;

/* PYR_E_IO, PYR_E_FORMAT, PYR_E_NOMEM. */
pyr_status pyr_tar_stream_open(pyr_tar_stream **out, const char *path, bool judge);
void pyr_tar_stream_free(pyr_tar_stream *stream); /* NULL is a no-op */
pyr_tar_next pyr_tar_stream_next(struct archive_entry **out, pyr_tar_stream *stream);
/* Whether the block at this place, where a header was looked for, is there and zero. */
pyr_status pyr_tar_stream_zero(bool *zero, const pyr_tar_stream *stream, uint64_t place);
/* libarchive's words for what is wrong; never NULL. */
const char *pyr_tar_why(const pyr_tar_stream *stream);
/* PYR_E_NOMEM or PYR_E_IO, with the sentence, when that is what PYR_TAR_FAILED, or a read below 0, is due to;
 * PYR_OK: it is the archive's fault. `what` is NULL, or the entry. */
pyr_status pyr_tar_fault(const pyr_tar_stream *stream, const char *what);

#endif
