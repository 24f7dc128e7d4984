/* tar_file.h - reading tar archives, plain or compressed (gzip, bzip2, xz, lzma, zstd), on libarchive.
 *
 * What is offered is what a stranger's archive may be asked for without harm: entries are read into memory
 * and never written under their names; devices are no entries; sizes are judged before memory is taken; no
 * other program is started. Hard and symbolic links that lead to a file of the archive are entries with its
 * bytes.
 *
 * Nothing is passed over in silence: a header that does not fit its checksum, an archive that is cut, a
 * picture (by its name) that is a device or a link to nothing are failures, or sentences (pyr_tar_facts); of
 * other entries that are left aside there is a number. Archives one behind the other in a file are read as
 * one.
 *
 * A plain archive is listed once, and then any number of threads read entries where they lie. A compressed
 * one has to be unpacked from the front: entries are read in the order of pyr_tar_entry.bytes_at, a lower one
 * begins anew. */
#ifndef PYR_ARCHIVES_TAR_FILE_H
#define PYR_ARCHIVES_TAR_FILE_H

#include "base/file.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pyr_tar pyr_tar;

/* Small entries that are wanted at once, while the archive is listed: the only way to them that does not
 * unpack a compressed one again. */
typedef struct pyr_tar_take {
    bool (*wants)(void *arg, const char *name, uint64_t size);
    /* The n bytes of entry i, with a NUL behind them; borrowed for the call */
    pyr_status (*take)(void *arg, size_t i, const char *name, const char *bytes, size_t n);
    /* Entry i is a link to entry `of`, in a compressed archive: the same bytes, not read again. May be
     * NULL */
    pyr_status (*again)(void *arg, size_t i, size_t of);
    void *arg;
    /* Read what is whole, and list what is lost in pyr_tar_facts.lost, instead of failing */
    bool past_damage;
} pyr_tar_take;

/* Entries that are left aside and are no pictures. */
typedef enum pyr_tar_aside { PYR_TAR_LINKS, PYR_TAR_DEVICES, PYR_TAR_ASIDE } pyr_tar_aside;

/* Whether a file is a tar archive by its first bytes (unpacked, when it is compressed). PYR_E_IO when it
 * cannot be read. */
pyr_status pyr_tar_is(bool *is, const char *path);
/* Whether a file is named as one: .tar, .tar.gz, .tgz, .tar.bz2, ... */
bool pyr_tar_named(const char *path);
/* Bytes of the path without such an ending. */
size_t pyr_tar_stem(const char *path);

/* List the archive. `take` may be NULL. PYR_E_IO: cannot be opened. PYR_E_FORMAT: no tar archive, damaged,
 * cut short, or entries that promise more than 1032 times the bytes that the file has (deflate's most).
 * PYR_E_*: what `take` returns. */
pyr_status pyr_tar_open(pyr_tar **out, const char *path, const pyr_tar_take *take);
void pyr_tar_free(pyr_tar *tar); /* NULL is a no-op */

typedef struct pyr_tar_entry {
    const char *name; /* a path (pyr_entry_tidy), not empty */
    uint64_t size;    /* bytes */
    size_t header;    /* its place among the headers */
    size_t bytes_at;  /* the header that its bytes follow: its own, or a link's target's */
    uint64_t offset;  /* of its bytes, in a plain archive */
    bool sparse;      /* its bytes are not one run in the file */
    bool shared;      /* links lead to it, or it is one */
} pyr_tar_entry;

typedef struct pyr_tar_facts {
    const char *path; /* of the archive */
    pyr_tar_entry
        *at;        /* in the order of the archive, then links; of two of one name the later header counts */
    size_t n;       /* entries */
    size_t headers; /* those of folders and of what is left aside, too */
    bool in_order;  /* compressed: see above; then one thread at a time */
    pyr_names lost; /* sentences on what is lost; none unless take->past_damage */
    pyr_names warnings; /* sentences on what may be lost: no end, several ends */
    size_t aside[PYR_TAR_ASIDE];
} pyr_tar_facts;

const pyr_tar_facts *pyr_tar_facts_of(const pyr_tar *tar); /* borrowed until the free */

/* Entry i whole: a new block of *size bytes with a NUL behind it (not counted); the caller owns *out.
 * PYR_E_FORMAT: more than `limit` bytes, damaged, cut short; PYR_E_IO: cannot be read. The sentence begins
 * with "ARCHIVE: ENTRY". */
pyr_status pyr_tar_read(char **out, size_t *size, pyr_tar *tar, size_t i, uint64_t limit);
/* Let go of what reading in order holds (buffers, the open file); it begins anew when it is read again. */
void pyr_tar_rest(pyr_tar *tar);

#endif
