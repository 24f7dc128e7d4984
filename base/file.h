/* file.h - files as the program needs them: read whole, looked for, renamed, locked. */
#ifndef PYR_BASE_FILE_H
#define PYR_BASE_FILE_H

#include "base/status.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of names, from {0} on; free with pyr_names_free. */
typedef struct pyr_names {
    char **at;
    size_t n;
    struct pyr_name_block *block; /* that the names lie in, one behind the other; by pyr_names_add */
} pyr_names;

/* Read a whole file into a new block of *size bytes with a NUL behind it (not
 * counted); the caller owns *out. Gives up over `limit` bytes (PYR_E_FORMAT). */
pyr_status pyr_file_read(char **out, size_t *size, const char *path, uint64_t limit);

/* Add the lines of a text file that are not empty; of none that is there, none. Fails as pyr_file_read. */
pyr_status pyr_file_lines(pyr_names *lines, const char *path, uint64_t limit);

/* The size of a regular file that is not empty, links followed. PYR_E_IO, PYR_E_FORMAT. */
pyr_status pyr_file_size(uint64_t *bytes, const char *path);

/* The first bytes of a file, at most `most`: *n of them, fewer only when it ends there. PYR_E_IO. */
pyr_status pyr_file_start(void *out, size_t *n, const char *path, size_t most);

/* The n bytes at `at` of an open file. false: errno says why, 0 when the file ends before. Any number of
 * threads. */
bool pyr_read_at(int file, void *dst, size_t n, uint64_t at);

/* `from` takes the place of `to`, both in one folder, lastingly. */
pyr_status pyr_file_rename(const char *to, const char *from);
/* Remove a file, lastingly; one that is not there is fine. */
pyr_status pyr_file_remove(const char *path);
/* fsync of an open file. Pipes and some devices have nothing to sync: true. false: errno says why. */
bool pyr_sync_file(int file);
/* What was made, renamed or removed at `path` outlasts a power cut: fsync of the folder that holds it. */
pyr_status pyr_sync_folder_of(const char *path);

/* Make a folder and its parents, lastingly; one that exists is fine. */
pyr_status pyr_make_folders(const char *path);

/* Whether a regular file (a folder) is at `path`, links followed. Only ENOENT and ENOTDIR mean that there is
 * none: any other error is PYR_E_IO, with path and reason, and *there is false. */
pyr_status pyr_file_exists(bool *there, const char *path);
pyr_status pyr_folder_exists(bool *there, const char *path);
/* Whether two paths, links followed, are of one file or folder; false where one of them is not there. PYR_E_IO. */
pyr_status pyr_same_file(bool *same, const char *a, const char *b);
/* The same of FOLDER/NAME. */
pyr_status pyr_file_exists_in(bool *there, const char *folder, const char *name);
pyr_status pyr_folder_exists_in(bool *there, const char *folder, const char *name);
/* A guess: any error is taken for an absence. Only where nothing is lost by that. */
bool pyr_is_folder(const char *path);
bool pyr_is_file(const char *path);

/* "folder/name", or "name" when folder is ""; new block, NULL without memory. */
char *pyr_path_join(const char *folder, const char *name);
/* The same into *out. PYR_E_NOMEM: *out is NULL. */
pyr_status pyr_path_new(char **out, const char *folder, const char *name);

/* Free *path and make it NULL where no file of that name is. PYR_E_IO. */
pyr_status pyr_path_if_file(char **path);

/* The folder that holds it: "a" of "a/b", "." of "b"; a new block. PYR_E_NOMEM. */
pyr_status pyr_folder_of(char **out, const char *path);
/* The name behind the last slash; borrowed from `path`. */
const char *pyr_base_name(const char *path);

/* XDG_CACHE_HOME/pyrdiff/NAME (or ~/.cache), where what can be made again is kept; a cache home that is not
 * an absolute path is passed over, as its specification says. NULL: nowhere (no home). The caller frees
 * it. */
char *pyr_cache_path(const char *name);

/* Whether what this thread calls from now on (and processes that it forks) may keep new things there; without,
 * it reads what is there: a dry run. Returns whether it might before; at first it may. */
bool pyr_cache_keep(bool keep);
bool pyr_cache_keeps(void);

/* One more name, copied; all of a list. PYR_E_NOMEM. */
pyr_status pyr_names_add(pyr_names *names, const char *name);
pyr_status pyr_names_add_all(pyr_names *names, const pyr_names *more);
/* The same of a text as printf makes it. */
pyr_status pyr_names_format(pyr_names *names, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
pyr_status pyr_names_vformat(pyr_names *names, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Sorted names in a folder (bytewise), without "." and "..". PYR_E_IO when it cannot be read to its end. */
pyr_status pyr_folder_names(pyr_names *out, const char *path);
void pyr_names_free(pyr_names *names);

/* Hold `path` as a lock until unlock or the end of the process, however it
 * ends. PYR_E_BUSY when another process holds it; the sentence names it.
 * PYR_E_IO when the file cannot be made or locked. */
pyr_status pyr_lock(int *out, const char *path);
/* The same, but wait for the other process. PYR_E_STOPPED when a stop is asked for meanwhile. */
pyr_status pyr_lock_wait(int *out, const char *path);
void pyr_unlock(int lock); /* -1 is a no-op */
/* Whether anyone, this process included, holds it now; a file that does not exist is not held. Takes it
 * for a moment to find out: only where a pyr_lock of another process cannot come in between. PYR_E_IO. */
pyr_status pyr_is_locked(bool *held, const char *path);

/* FNV-1a over bytes, for fingerprints; start from PYR_HASH_START. */
#define PYR_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t pyr_hash(uint64_t hash, const void *bytes, size_t n);
/* Of a file's bytes, at most 2 GiB. Fails as pyr_file_read. */
pyr_status pyr_hash_file(uint64_t *hash, const char *path);

#endif
