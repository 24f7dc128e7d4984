/* file.c - paths, folders, files read and written, the cache folder. */
#include "base/file.h"

#include "base/mem.h"
#include "base/stop.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A regular file; a pipe must not keep us waiting. */
static pyr_status open_regular(FILE **out, struct stat *info, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    pyr_status status = PYR_OK;

    *out = fd < 0 ? NULL : fdopen(fd, "rb");
    if (!*out)
        status = pyr_fail(PYR_E_IO, "%s: %s", path, strerror(errno));
    else if (fstat(fd, info) != 0 || !S_ISREG(info->st_mode))
        status = pyr_fail(PYR_E_IO, "%s: not a regular file", path);
    if (status != PYR_OK && *out)
        fclose(*out);
    else if (!*out && fd >= 0)
        close(fd);
    return status;
}

pyr_status pyr_file_size(uint64_t *bytes, const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return pyr_fail(PYR_E_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return pyr_fail(PYR_E_IO, "%s: not a regular file", path);
    if (info.st_size == 0)
        return pyr_fail(PYR_E_FORMAT, "%s: the file is empty (zero bytes)", path);
    *bytes = (uint64_t)info.st_size;
    return PYR_OK;
}

pyr_status pyr_file_read(char **out, size_t *size, const char *path, uint64_t limit)
{
    pyr_status status = PYR_OK;
    FILE *f;
    struct stat info;
    char *bytes = NULL;

    *out = NULL;
    *size = 0;
    PYR_TRY(open_regular(&f, &info, path));
    if ((uint64_t)info.st_size > limit)
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %lld bytes, at most %llu are expected", path,
                             (long long)info.st_size, (unsigned long long)limit));
    PYR_TRY_OUT(pyr_new(&bytes, (size_t)info.st_size + 1, 1, path));
    *size = fread(bytes, 1, (size_t)info.st_size, f);
    if (ferror(f))
        PYR_TRY_OUT(pyr_fail(PYR_E_IO, "%s: cannot be read: %s", path, strerror(errno)));
    if (*size < (size_t)info.st_size)
        PYR_TRY_OUT(pyr_fail(PYR_E_IO, "%s: became shorter while it was read", path));
    *out = bytes;
    bytes = NULL;
out:
    pyr_free(bytes);
    fclose(f);
    return status;
}

pyr_status pyr_file_lines(pyr_names *lines, const char *path, uint64_t limit)
{
    char *text, *rest;
    size_t n;
    bool there;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_file_exists(&there, path));
    if (!there)
        return PYR_OK;
    PYR_TRY(pyr_file_read(&text, &n, path, limit));
    for (char *at = text, *line; status == PYR_OK && (line = strtok_r(at, "\r\n", &rest)); at = NULL)
        status = pyr_names_add(lines, line);
    pyr_free(text);
    return status;
}

pyr_status pyr_file_start(void *out, size_t *n, const char *path, size_t most)
{
    FILE *f;
    struct stat info;
    bool failed;

    *n = 0;
    PYR_TRY(open_regular(&f, &info, path));
    *n = fread(out, 1, most, f);
    failed = ferror(f);
    if (failed)
        pyr_fail(PYR_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    fclose(f);
    return failed ? PYR_E_IO : PYR_OK;
}

bool pyr_read_at(int file, void *dst, size_t n, uint64_t at)
{
    for (size_t done = 0; done < n;) {
        ssize_t part = pread(file, (char *)dst + done, n - done, (off_t)(at + done));

        if (part < 0 && errno == EINTR)
            continue;
        if (part == 0)
            errno = 0;
        if (part <= 0)
            return false;
        done += (size_t)part;
    }
    return true;
}

bool pyr_sync_file(int file)
{
    return fsync(file) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP;
}

static pyr_status sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 ? errno : fsync(fd) == 0 ? 0 : errno;

    if (fd >= 0)
        close(fd);
    /* A folder that may not be read, or whose file system has no such call, is as lasting as it can be. */
    if (!error || (fd < 0 && error == EACCES) || error == EINVAL || error == ENOTSUP)
        return PYR_OK;
    return pyr_fail(
        PYR_E_IO,
        "folder %s cannot be synced: %s; what was written into it may be lost when the power is cut", folder,
        strerror(error));
}

pyr_status pyr_sync_folder_of(const char *path)
{
    /* longer ones no system opens; what was renamed must not fail for want of memory */
    char folder[4200], *slash;
    size_t n = strlen(path);

    if (n >= sizeof folder)
        return pyr_fail(PYR_E_IO, "%s: %s", path, strerror(ENAMETOOLONG));
    memcpy(folder, path, n + 1);
    while (n > 1 && folder[n - 1] == '/')
        folder[--n] = 0;
    slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    return sync_folder(slash ? folder : ".");
}

pyr_status pyr_file_rename(const char *to, const char *from)
{
    if (rename(from, to) != 0)
        return pyr_fail(PYR_E_IO, "%s cannot be renamed to %s: %s", from, to, strerror(errno));
    return pyr_sync_folder_of(to);
}

pyr_status pyr_file_remove(const char *path)
{
    if (unlink(path) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? PYR_OK
                   : pyr_fail(PYR_E_IO, "%s cannot be removed: %s", path, strerror(errno));
    return pyr_sync_folder_of(path);
}

/* Whether something of this type is at `path`. Only where nothing is is there nothing. */
static pyr_status exists(bool *there, const char *path, mode_t type)
{
    struct stat info;

    *there = false;
    if (stat(path, &info) == 0)
        *there = (info.st_mode & S_IFMT) == type;
    else if (errno != ENOENT && errno != ENOTDIR)
        return pyr_fail(PYR_E_IO, "cannot find out whether %s exists: %s", path, strerror(errno));
    return PYR_OK;
}

pyr_status pyr_file_exists(bool *there, const char *path)
{
    return exists(there, path, S_IFREG);
}

pyr_status pyr_folder_exists(bool *there, const char *path)
{
    return exists(there, path, S_IFDIR);
}

pyr_status pyr_same_file(bool *same, const char *a, const char *b)
{
    const char *path[2] = {a, b};
    struct stat info[2];

    *same = false;
    for (int i = 0; i < 2; i++)
        if (stat(path[i], &info[i]) != 0)
            return errno == ENOENT || errno == ENOTDIR
                       ? PYR_OK
                       : pyr_fail(PYR_E_IO, "cannot find out what %s is: %s", path[i], strerror(errno));
    *same = info[0].st_dev == info[1].st_dev && info[0].st_ino == info[1].st_ino;
    return PYR_OK;
}

static pyr_status exists_in(bool *there, const char *folder, const char *name, mode_t type)
{
    char *path;
    pyr_status status;

    *there = false;
    PYR_TRY(pyr_path_new(&path, folder, name));
    status = exists(there, path, type);
    pyr_free(path);
    return status;
}

pyr_status pyr_file_exists_in(bool *there, const char *folder, const char *name)
{
    return exists_in(there, folder, name, S_IFREG);
}

pyr_status pyr_folder_exists_in(bool *there, const char *folder, const char *name)
{
    return exists_in(there, folder, name, S_IFDIR);
}

static bool is_of_type(const char *path, mode_t type)
{
    struct stat info;

    return stat(path, &info) == 0 && (info.st_mode & S_IFMT) == type;
}

bool pyr_is_folder(const char *path)
{
    return is_of_type(path, S_IFDIR);
}

bool pyr_is_file(const char *path)
{
    return is_of_type(path, S_IFREG);
}

pyr_status pyr_make_folders(const char *path)
{
    char *part = pyr_strdup(path);
    pyr_status status = PYR_OK;

    if (!part)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of %s", path);
    for (char *at = part + 1; status == PYR_OK; at++) {
        char c = *at;

        if (c != '/' && c)
            continue;
        *at = 0;
        int error = mkdir(part, 0777) == 0 ? 0 : errno; /* a look at it sets it anew */
        bool there = false;

        if (error == EEXIST)
            status = pyr_folder_exists(&there, part);
        else if (error)
            there = pyr_is_folder(part);
        if (status == PYR_OK && error && !there)
            status = pyr_fail(PYR_E_IO, "folder %s cannot be made: %s", part,
                              error == EEXIST ? "there is a file of that name" : strerror(error));
        if (!error && *part)
            status = pyr_sync_folder_of(part);
        *at = c;
        if (!c)
            break;
    }
    pyr_free(part);
    return status;
}

static _Thread_local bool keeps_nothing;

bool pyr_cache_keep(bool keep)
{
    bool before = !keeps_nothing;

    keeps_nothing = !keep;
    return before;
}

bool pyr_cache_keeps(void)
{
    return !keeps_nothing;
}

char *pyr_cache_path(const char *name)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (cache && *cache == '/')
        return pyr_strfmt("%s/pyrdiff/%s", cache, name);
    return home && *home == '/' ? pyr_strfmt("%s/.cache/pyrdiff/%s", home, name) : NULL;
}

char *pyr_path_join(const char *folder, const char *name)
{
    size_t n = strlen(folder);

    return pyr_strfmt("%s%s%s", folder, n && folder[n - 1] != '/' ? "/" : "", name);
}

pyr_status pyr_path_new(char **out, const char *folder, const char *name)
{
    *out = pyr_path_join(folder, name);
    return *out ? PYR_OK : pyr_fail(PYR_E_NOMEM, "out of memory for the name of a file in %s", folder);
}

pyr_status pyr_path_if_file(char **path)
{
    bool there;
    pyr_status status = pyr_file_exists(&there, *path);

    if (!there) {
        pyr_free(*path);
        *path = NULL;
    }
    return status;
}

pyr_status pyr_folder_of(char **out, const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? pyr_format(out, "%.*s", (int)(slash - path + (slash == path)), path)
                 : pyr_format(out, ".");
}

const char *pyr_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names by the million: a block of its own for each would take many times its letters. */
typedef struct pyr_name_block {
    struct pyr_name_block *before;
    size_t used, room;
    char at[];
} pyr_name_block;

/* Room for n bytes more; NULL without memory. */
static char *name_room(pyr_names *names, size_t n)
{
    enum { LEAST = 192, MOST = 1 << 16 };
    pyr_name_block *block = names->block;
    size_t room = block ? 2 * block->room : LEAST;

    if (!block || block->room - block->used < n) {
        room = room > MOST ? MOST : room;
        room = room < n ? n : room;
        block = pyr_calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        block->before = names->block;
        block->room = room;
        names->block = block;
    }
    block->used += n;
    return block->at + block->used - n;
}

pyr_status pyr_names_add(pyr_names *names, const char *name)
{
    char **at = names->at;
    size_t n = strlen(name) + 1;

    if ((names->n & (names->n - 1)) == 0) { /* full at every power of two */
        at = pyr_realloc(names->at, names->n ? 2 * names->n : 1, sizeof *at);
        if (at)
            names->at = at;
    }
    if (!at || !(at[names->n] = name_room(names, n)))
        return pyr_fail(PYR_E_NOMEM, "out of memory for a list of names");
    memcpy(at[names->n++], name, n);
    return PYR_OK;
}

pyr_status pyr_names_add_all(pyr_names *names, const pyr_names *more)
{
    for (size_t i = 0; i < more->n; i++)
        PYR_TRY(pyr_names_add(names, more->at[i]));
    return PYR_OK;
}

pyr_status pyr_names_vformat(pyr_names *names, const char *fmt, va_list args)
{
    char *name = pyr_vstrfmt(fmt, args);
    pyr_status status = name ? pyr_names_add(names, name) : pyr_fail(PYR_E_NOMEM, "out of memory for a text");

    pyr_free(name);
    return status;
}

pyr_status pyr_names_format(pyr_names *names, const char *fmt, ...)
{
    va_list args;
    pyr_status status;

    va_start(args, fmt);
    status = pyr_names_vformat(names, fmt, args);
    va_end(args);
    return status;
}

pyr_status pyr_folder_names(pyr_names *out, const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int error;
    pyr_status status = PYR_OK;

    *out = (pyr_names){0};
    if (!folder)
        return pyr_fail(PYR_E_IO, "folder %s cannot be read: %s", path, strerror(errno));
    while (errno = 0, status == PYR_OK && (entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = pyr_names_add(out, entry->d_name);
    error = errno;
    closedir(folder);
    if (status != PYR_OK)
        status = pyr_fail(status, "out of memory for the names in %s", path);
    else if (error) /* a part of the names is no list of them */
        status = pyr_fail(PYR_E_IO, "folder %s cannot be read: %s", path, strerror(error));
    if (status != PYR_OK)
        pyr_names_free(out);
    else if (out->n)
        qsort(out->at, out->n, sizeof *out->at, compare_names);
    return status;
}

void pyr_names_free(pyr_names *names)
{
    while (names->block) {
        pyr_name_block *before = names->block->before;

        pyr_free(names->block);
        names->block = before;
    }
    pyr_free(names->at);
    *names = (pyr_names){0};
}

/* 0, or an error of flock: EWOULDBLOCK when others hold it. Waiting is done in short pieces, so that a stop
 * is seen: the holder may be halted, or on a disk that hangs. */
static int take_lock(int fd, bool wait)
{
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK && wait && !pyr_stop_requested())
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

static pyr_status lock_file(int *out, const char *path, bool wait)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    char holder[32] = "";
    int error;

    *out = -1;
    if (fd < 0)
        return pyr_fail(PYR_E_IO, "%s cannot be opened: %s", path, strerror(errno));
    error = take_lock(fd, wait);
    if (error && error != EWOULDBLOCK) {
        close(fd);
        return pyr_fail(PYR_E_IO, "%s cannot be locked: %s", path, strerror(error));
    }
    if (error) {
        ssize_t n = read(fd, holder, sizeof holder - 1);

        holder[n > 0 ? strcspn(holder, "\n") : 0] = 0;
        close(fd);
        return pyr_fail(wait ? PYR_E_STOPPED : PYR_E_BUSY, "%s%s is held by another process%s%s",
                        wait ? "stopped: " : "", path, *holder ? ", pid " : "", holder);
    }
    /* The pid is for people, and there may be no space for it; the lock itself is the kernel's and cannot go
     * stale. */
    int n = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0)
        (void)!write(fd, holder, (size_t)n);
    *out = fd;
    return PYR_OK;
}

pyr_status pyr_lock(int *out, const char *path)
{
    return lock_file(out, path, false);
}

pyr_status pyr_lock_wait(int *out, const char *path)
{
    return lock_file(out, path, true);
}

pyr_status pyr_is_locked(bool *held, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), error = fd < 0 ? errno : 0;

    *held = false;
    if (error == ENOENT || error == ENOTDIR)
        return PYR_OK;
    if (!error && flock(fd, LOCK_SH | LOCK_NB) != 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    *held = error == EWOULDBLOCK;
    return !error || *held
               ? PYR_OK
               : pyr_fail(PYR_E_IO, "cannot find out whether %s is locked: %s", path, strerror(error));
}

void pyr_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}

uint64_t pyr_hash(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

pyr_status pyr_hash_file(uint64_t *hash, const char *path)
{
    char *bytes;
    size_t n;

    PYR_TRY(pyr_file_read(&bytes, &n, path, UINT64_C(1) << 31));
    *hash = pyr_hash(PYR_HASH_START, bytes, n);
    pyr_free(bytes);
    return PYR_OK;
}
