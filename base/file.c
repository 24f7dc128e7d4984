#include "base/file.h"

#include "base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

pyr_status pyr_file_read(char **out, size_t *size, const char *path, uint64_t limit)
{
    pyr_status status = PYR_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not keep us waiting */
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
    struct stat info;
    char *bytes = NULL;

    *out = NULL;
    *size = 0;
    if (!f)
        return pyr_fail(PYR_E_IO, "%s: %s", path, strerror(errno));
    if (fstat(fileno(f), &info) != 0 || !S_ISREG(info.st_mode)) {
        status = pyr_fail(PYR_E_IO, "%s: not a regular file", path);
        goto out;
    }
    if ((uint64_t)info.st_size > limit) {
        status = pyr_fail(PYR_E_FORMAT, "%s: %lld bytes, at most %llu are expected", path,
                          (long long)info.st_size, (unsigned long long)limit);
        goto out;
    }
    PYR_TRY_OUT(pyr_new(&bytes, (size_t)info.st_size + 1, 1, path));
    *size = fread(bytes, 1, (size_t)info.st_size, f);
    if (ferror(f)) {
        status = pyr_fail(PYR_E_IO, "%s: cannot be read: %s", path, strerror(errno));
        goto out;
    }
    *out = bytes;
    bytes = NULL;
out:
    pyr_free(bytes);
    fclose(f);
    return status;
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

pyr_status pyr_atomic_open(pyr_atomic_file *file, const char *path)
{
    *file = (pyr_atomic_file){0};
    file->path = pyr_strdup(path);
    file->temporary = pyr_strfmt("%s.tmp-%ld", path, (long)getpid());
    if (!file->path || !file->temporary) {
        pyr_atomic_abandon(file);
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of %s", path);
    }
    file->stream = fopen(file->temporary, "wb");
    if (!file->stream) {
        pyr_status status = pyr_fail(PYR_E_IO, "%s cannot be written: %s", path, strerror(errno));

        pyr_atomic_abandon(file);
        return status;
    }
    return PYR_OK;
}

static pyr_status write_failed(const pyr_atomic_file *file, int error)
{
    return pyr_fail(PYR_E_IO, "%s cannot be written: %s; the file that was there before is unchanged",
                    file->path, strerror(error));
}

pyr_status pyr_atomic_write(pyr_atomic_file *file, const void *bytes, size_t n)
{
    if (n && fwrite(bytes, 1, n, file->stream) != n)
        return write_failed(file, errno);
    return PYR_OK;
}

/* A rename is durable once the folder is. */
static void sync_folder_of(const char *path)
{
    char *folder = pyr_strdup(path), *slash;
    int fd;

    if (!folder)
        return;
    slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    fd = open(slash ? (*folder ? folder : "/") : ".", O_RDONLY | O_DIRECTORY);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    pyr_free(folder);
}

pyr_status pyr_file_rename(const char *to, const char *from)
{
    if (rename(from, to) != 0)
        return pyr_fail(PYR_E_IO, "%s cannot be renamed to %s: %s", from, to, strerror(errno));
    sync_folder_of(to);
    return PYR_OK;
}

static pyr_status commit(pyr_atomic_file *file, bool sync)
{
    pyr_status status = PYR_OK;

    errno = 0;
    if (fflush(file->stream) != 0 || ferror(file->stream) || (sync && fsync(fileno(file->stream)) != 0))
        status = write_failed(file, errno ? errno : EIO);
    if (fclose(file->stream) != 0 && status == PYR_OK)
        status = write_failed(file, errno);
    file->stream = NULL;
    if (status == PYR_OK && rename(file->temporary, file->path) != 0)
        status = write_failed(file, errno);
    if (status != PYR_OK)
        unlink(file->temporary);
    else if (sync)
        sync_folder_of(file->path);
    pyr_free(file->path);
    pyr_free(file->temporary);
    *file = (pyr_atomic_file){0};
    return status;
}

pyr_status pyr_atomic_commit(pyr_atomic_file *file)
{
    return commit(file, true);
}

pyr_status pyr_atomic_commit_unsynced(pyr_atomic_file *file)
{
    return commit(file, false);
}

void pyr_atomic_abandon(pyr_atomic_file *file)
{
    if (file->stream) {
        fclose(file->stream);
        unlink(file->temporary);
    }
    pyr_free(file->path);
    pyr_free(file->temporary);
    *file = (pyr_atomic_file){0};
}

/* "NAME.tmp-PID", as pyr_atomic_open makes them. */
static bool is_temporary(const char *name)
{
    const char *at = strstr(name, ".tmp-");

    return at && at[5] && strspn(at + 5, "0123456789") == strlen(at + 5);
}

void pyr_remove_temporaries(const char *folder)
{
    pyr_names names;

    if (!pyr_is_folder(folder) || pyr_folder_names(&names, folder) != PYR_OK)
        return;
    for (size_t i = 0; i < names.n; i++) {
        char *path = is_temporary(names.at[i]) ? pyr_path_join(folder, names.at[i]) : NULL;

        if (path)
            unlink(path);
        pyr_free(path);
    }
    pyr_names_free(&names);
}

pyr_status pyr_file_replace(const char *path, const void *bytes, size_t n)
{
    pyr_atomic_file file;
    pyr_status status;

    PYR_TRY(pyr_atomic_open(&file, path));
    status = pyr_atomic_write(&file, bytes, n);
    if (status == PYR_OK)
        return pyr_atomic_commit(&file);
    pyr_atomic_abandon(&file);
    return status;
}

bool pyr_is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool pyr_is_file(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
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
        int error = mkdir(part, 0777) == 0 ? 0 : errno; /* pyr_is_folder sets it anew */

        if (error && !pyr_is_folder(part))
            status = pyr_fail(PYR_E_IO, "folder %s cannot be made: %s", part,
                              error == EEXIST ? "there is a file of that name" : strerror(error));
        *at = c;
        if (!c)
            break;
    }
    pyr_free(part);
    return status;
}

char *pyr_cache_path(const char *name)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (cache && *cache == '/')
        return pyr_strfmt("%s/pyrdiff/%s", cache, name);
    return home && *home ? pyr_strfmt("%s/.cache/pyrdiff/%s", home, name) : NULL;
}

char *pyr_path_join(const char *folder, const char *name)
{
    size_t n = strlen(folder);

    return pyr_strfmt("%s%s%s", folder, n && folder[n - 1] != '/' ? "/" : "", name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

pyr_status pyr_folder_names(pyr_names *out, const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    size_t room = 0;

    *out = (pyr_names){0};
    if (!folder)
        return pyr_fail(PYR_E_IO, "folder %s cannot be read: %s", path, strerror(errno));
    while ((entry = readdir(folder))) {
        char *name;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (out->n == room) {
            char **at = pyr_realloc(out->at, room = room ? 2 * room : 64, sizeof *at);

            if (!at)
                goto nomem;
            out->at = at;
        }
        name = pyr_strdup(entry->d_name);
        if (!name)
            goto nomem;
        out->at[out->n++] = name;
    }
    closedir(folder);
    if (out->n)
        qsort(out->at, out->n, sizeof *out->at, compare_names);
    return PYR_OK;
nomem:
    closedir(folder);
    pyr_names_free(out);
    return pyr_fail(PYR_E_NOMEM, "out of memory for the names in %s", path);
}

void pyr_names_free(pyr_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        pyr_free(names->at[i]);
    pyr_free(names->at);
    *names = (pyr_names){0};
}

static pyr_status lock_file(int *out, const char *path, int wait)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    char holder[32] = "";
    int locked;

    *out = -1;
    if (fd < 0)
        return pyr_fail(PYR_E_IO, "%s cannot be opened: %s", path, strerror(errno));
    do
        locked = flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
    while (locked != 0 && errno == EINTR);
    if (locked != 0 && errno != EWOULDBLOCK) {
        int error = errno;

        close(fd);
        return pyr_fail(PYR_E_IO, "%s cannot be locked: %s", path, strerror(error));
    }
    if (locked != 0) {
        ssize_t n = read(fd, holder, sizeof holder - 1);

        holder[n > 0 ? strcspn(holder, "\n") : 0] = 0;
        close(fd);
        return pyr_fail(PYR_E_BUSY, "%s is held by another process%s%s", path, *holder ? ", pid " : "",
                        holder);
    }
    /* The pid is for people; the lock itself is the kernel's and cannot go stale. */
    int n = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, holder, (size_t)n) != n) {
        pyr_status status = pyr_fail(PYR_E_IO, "%s cannot be written: %s", path, strerror(errno));

        close(fd);
        return status;
    }
    *out = fd;
    return PYR_OK;
}

pyr_status pyr_lock(int *out, const char *path)
{
    return lock_file(out, path, 0);
}

pyr_status pyr_lock_wait(int *out, const char *path)
{
    return lock_file(out, path, 1);
}

bool pyr_is_locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool held;

    if (fd < 0)
        return false;
    held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
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
