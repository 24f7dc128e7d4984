/* atomic_file.h - a file that appears at its path whole or not at all.
 *
 * Bytes go to a temporary name beside it, "PATH.tmp-N"; commit does fsync, rename, and fsync of the folder.
 * The file that was there stays good until then. N is the first one that no living writer has: a writer holds
 * a lock (flock) on its temporary, so that the next one recognises, and reuses, what a killed one left. That
 * holds for processes of one machine, of several containers and, where locks are passed on, of several
 * machines.
 *
 * Links are followed: the file behind them is replaced, they stay. What is no regular file (a device, a pipe,
 * standard output by the name of /dev/stdout) is written into. */
#ifndef PYR_BASE_ATOMIC_FILE_H
#define PYR_BASE_ATOMIC_FILE_H

#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct pyr_atomic_file {
    FILE *stream;    /* write here; a pipe has no places to seek */
    char *path;      /* behind links */
    char *temporary; /* NULL: written into */
} pyr_atomic_file;

/* Where `path` would be written: behind links, also where there is nothing yet; a new block. *into: something
 * that is written into is there, and not replaced. PYR_E_IO, PYR_E_NOMEM; then *place is NULL. */
pyr_status pyr_atomic_place(char **place, bool *into, const char *path);
/* A file that is replaced gives its permissions to the new one. PYR_E_IO, PYR_E_NOMEM; then *file is {0}. */
pyr_status pyr_atomic_open(pyr_atomic_file *file, const char *path);
pyr_status pyr_atomic_write(pyr_atomic_file *file, const void *bytes, size_t n);
/* Also ends *file, on failure too; then the file that was there is unchanged, unless the sentence says that
 * only the folder could not be synced. */
pyr_status pyr_atomic_commit(pyr_atomic_file *file);
void pyr_atomic_abandon(pyr_atomic_file *file); /* no-op on {0} and after commit */

/* The whole of it in one call. */
pyr_status pyr_file_replace(const char *path, const void *bytes, size_t n);
/* The same of a growing text, which is freed, on failure too. PYR_E_NOMEM: memory ran out for it. */
pyr_status pyr_text_save(pyr_text *text, const char *path);
/* The same without fsync: for pictures by the thousand, which can be drawn again. */
pyr_status pyr_file_replace_unsynced(const char *path, const void *bytes, size_t n);

/* Remove what killed writers have left of such files in a folder: "NAME.tmp-N" where NAME is of a kind that
 * this program writes. Those of living writers stay, and what cannot be removed. Any process may ask at any
 * time. */
void pyr_remove_temporaries(const char *folder);

/* A folder that this program fills: made with its parents, rid of what killed writers have left. */
pyr_status pyr_open_output_folder(const char *path);

#endif
