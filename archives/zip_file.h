/* zip_file.h - reading zip archives, on libzip.
 *
 * What is offered is what a stranger's archive may be asked for without harm: entries are read into memory
 * and never written under their names; sizes are judged before memory is taken. Entries may be stored or
 * deflated; their checksum is compared. Symbolic links that lead to an entry have its bytes; reading one that
 * does not is PYR_E_FORMAT. Any number of threads may read whole entries of one archive. */
#ifndef PYR_ARCHIVES_ZIP_FILE_H
#define PYR_ARCHIVES_ZIP_FILE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pyr_zip pyr_zip;

/* PYR_E_IO: cannot be opened. PYR_E_FORMAT: not a zip, damaged, cut short, an entry promises more bytes than
 * deflate can make of it, the entries' bytes together are more than the file has (they overlap), or two
 * entries have one name. PYR_E_UNSUPPORTED: encrypted, or compressed by another method. */
pyr_status pyr_zip_open(pyr_zip **out, const char *path);
void pyr_zip_free(pyr_zip *zip); /* NULL is a no-op */

/* Entries (folders, whose names end in '/', are left out) in the order of a walk through their folders: by
 * the name of the first folder (bytewise), then of the next, then of the file. */
size_t pyr_zip_count(const pyr_zip *zip);
const char *pyr_zip_path(const pyr_zip *zip); /* of the archive */
const char *pyr_zip_name(const pyr_zip *zip,
                         size_t i); /* a path (pyr_entry_tidy), UTF-8; borrowed until the free */
uint64_t pyr_zip_size(const pyr_zip *zip, size_t i); /* bytes when unpacked, as promised */
/* An entry by its name; false: there is none. */
bool pyr_zip_find(size_t *i, const pyr_zip *zip, const char *name);

/* Entry i whole: a new block of *size bytes with a NUL behind it (not counted); the caller owns *out.
 * PYR_E_FORMAT: more than `limit` bytes, damaged, cut short, the checksum differs; the sentence begins with
 * "ARCHIVE: ENTRY". */
pyr_status pyr_zip_read(char **out, size_t *size, pyr_zip *zip, size_t i, uint64_t limit);

/* Entry i in portions, by one thread and nothing else of the archive at the same time: open, read exactly n
 * bytes any number of times, then close. pyr_zip_stream_end checks that nothing follows and that the
 * checksum fits. */
typedef struct pyr_zip_stream {
    pyr_zip *zip;
    size_t entry;
    void *file; /* zip_file_t */
} pyr_zip_stream;

pyr_status pyr_zip_stream_open(pyr_zip_stream *out, pyr_zip *zip, size_t i);
pyr_status pyr_zip_stream_read(pyr_zip_stream *stream, void *dst, size_t n);
pyr_status pyr_zip_stream_end(pyr_zip_stream *stream);
void pyr_zip_stream_close(pyr_zip_stream *stream); /* no-op on {0} and after close */

/* ---- writing ---- */

typedef struct pyr_zip_part {
    const char *name;
    const void *bytes;
    size_t n;
} pyr_zip_part;

/* A zip of `n` (at least 1) stored entries in this order, made in memory, that appears at `path` whole or not
 * at all (base/file.h). Its bytes depend on nothing but the content. Names differ. PYR_E_IO, PYR_E_NOMEM. */
pyr_status pyr_zip_write(const char *path, const pyr_zip_part *parts, size_t n);

#endif
