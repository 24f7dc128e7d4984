/* atomic_file.c - a file replaced in one step, so that a power cut leaves the old one or the new one. */
#include "base/atomic_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

/* ---- where the bytes belong -------------------------------------------------------------------- */

enum { MOST_LINKS = 40, MOST_WRITERS = 1000 };

/* Links of /proc lead to open files, whatever their text says. */
static bool leads_to_open_file(const char *link)
{
#ifdef __linux__
    enum { PROC = 0x9fa0 }; /* PROC_SUPER_MAGIC, linux/magic.h */
    const char *slash = strrchr(link, '/');
    char *folder = slash ? pyr_strfmt("%.*s/", (int)(slash - link), link) : NULL;
    struct statfs disk;
    bool leads = folder && statfs(folder, &disk) == 0 && disk.f_type == PROC;

    pyr_free(folder);
    return leads;
#else
    (void)link;
    return false;
#endif
}

/* The path that a link at `path` names; a new block, NULL without memory or (errno) when it cannot be
 * read. */
static char *read_link(const char *path)
{
    const char *slash = strrchr(path, '/');
    char text[4096];
    ssize_t n = readlink(path, text, sizeof text - 1);

    if (n < 0)
        return NULL;
    text[n] = 0;
    if (*text == '/' || !slash)
        return pyr_strdup(text);
    return pyr_strfmt("%.*s/%s", (int)(slash - path), path, text);
}

/* Follow links to where `path` is, or will be. *into: it is to be written into, not replaced. */
static pyr_status follow(char **at, bool *into)
{
    struct stat info;

    *into = stat(*at, &info) == 0 && !S_ISREG(info.st_mode);
    for (int i = 0; i < MOST_LINKS && !*into; i++) {
        char *next;

        if (lstat(*at, &info) != 0 || !S_ISLNK(info.st_mode))
            return PYR_OK;
        *into = leads_to_open_file(*at);
        if (*into)
            return PYR_OK;
        errno = ENOMEM;
        next = read_link(*at);
        if (!next)
            return pyr_fail(errno == ENOMEM ? PYR_E_NOMEM : PYR_E_IO, "%s cannot be followed: %s", *at,
                            strerror(errno));
        pyr_free(*at);
        *at = next;
    }
    return *into ? PYR_OK : pyr_fail(PYR_E_IO, "%s cannot be written: %s", *at, strerror(ELOOP));
}

pyr_status pyr_atomic_place(char **place, bool *into, const char *path)
{
    pyr_status status;

    *place = pyr_strdup(path);
    if (!*place)
        return pyr_fail(PYR_E_NOMEM, "out of memory for the name of %s", path);
    status = follow(place, into);
    if (status != PYR_OK) {
        pyr_free(*place);
        *place = NULL;
    }
    return status;
}

/* Of standard output and error, the one that is the file at `path`; -1: neither. */
static int standard_stream(const char *path)
{
    struct stat file, open;

    for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
        if (stat(path, &file) == 0 && fstat(i, &open) == 0 && file.st_dev == open.st_dev &&
            file.st_ino == open.st_ino)
            return i;
    return -1;
}

/* Standard output goes on where it stands; others begin. */
static int open_into(const char *path)
{
    int standard = standard_stream(path);

    if (standard < 0)
        return open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
    fflush(standard == STDOUT_FILENO ? stdout : stderr);
    return fcntl(standard, F_DUPFD_CLOEXEC, 3);
}

/* ---- temporaries ------------------------------------------------------------------------------- */

/* Whether the open file is still the one at `path`. */
static bool is_at(int file, const char *path)
{
    struct stat open, there;

    return fstat(file, &open) == 0 && lstat(path, &there) == 0 && open.st_dev == there.st_dev &&
           open.st_ino == there.st_ino && S_ISREG(open.st_mode);
}

/* Remove the temporary `path` unless its writer lives. false: there is none. */
static bool remove_dead(const char *path)
{
    int file = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (file < 0)
        return errno != ENOENT;
    if (flock(file, LOCK_EX | LOCK_NB) == 0 && is_at(file, path))
        unlink(path);
    close(file);
    return true;
}

/* Those of `path` from number n on, as far as they follow each other. */
static void remove_dead_from(const char *path, int n)
{
    char name[4200]; /* longer ones no system opens */
    bool more = true;

    while (more && n < MOST_WRITERS)
        more = snprintf(name, sizeof name, "%s.tmp-%d", path, n++) < (int)sizeof name && remove_dead(name);
}

/* "NAME.tmp-N", NAME being of a kind that this program writes. */
static bool is_temporary(const char *name)
{
    static const char *const endings[] = {".png", ".npz",  ".safetensors", ".json", ".jsonl",  ".cfg",
                                          ".txt", ".html", ".svg",         ".zip",  ".images", "-places"};
    const char *at = strstr(name, ".tmp-"), *next;
    bool ours = false;
    char *kind;

    while (at && (next = strstr(at + 1, ".tmp-")))
        at = next;
    if (!at || !at[5] || strspn(at + 5, "0123456789") != strlen(at + 5))
        return false;
    kind = pyr_strfmt("%.*s", (int)(at - name), name);
    for (size_t i = 0; kind && i < sizeof endings / sizeof *endings; i++)
        ours = ours || pyr_ends_with(kind, endings[i]);
    pyr_free(kind);
    return ours;
}

void pyr_remove_temporaries(const char *folder)
{
    pyr_names names;

    if (!pyr_is_folder(folder) || pyr_folder_names(&names, folder) != PYR_OK)
        return;
    for (size_t i = 0; i < names.n; i++) {
        char *path = is_temporary(names.at[i]) ? pyr_path_join(folder, names.at[i]) : NULL;

        if (path)
            remove_dead(path);
        pyr_free(path);
    }
    pyr_names_free(&names);
}

pyr_status pyr_open_output_folder(const char *path)
{
    PYR_TRY(pyr_make_folders(path));
    pyr_remove_temporaries(path);
    return PYR_OK;
}

/* Where a file system has no locks: a name that nobody has, of this process alone. */
static int open_unlocked(char **name, const char *path)
{
    int file = -1;

    for (int n = 0; n < MOST_WRITERS && file < 0; n++) {
        pyr_free(*name);
        *name = pyr_strfmt("%s.tmp-%ld%03d", path, (long)getpid(), n);
        errno = ENOMEM;
        file = *name ? open(*name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
        if (file < 0 && errno != EEXIST)
            return -1;
    }
    return file;
}

/* Whether what cannot be opened for writing is there: a link, a folder, a pipe, a file of another user. */
static bool is_taken(const char *name, int error)
{
    struct stat info;

    return error == ELOOP || error == EISDIR || error == ENXIO ||
           ((error == EACCES || error == EPERM) && lstat(name, &info) == 0);
}

/* The first temporary that no living writer has, locked and empty; errno says why there is none. */
static int open_temporary(char **name, const char *path)
{
    for (int n = 0; n < MOST_WRITERS; n++) {
        int file, error;

        pyr_free(*name);
        *name = pyr_strfmt("%s.tmp-%d", path, n);
        errno = ENOMEM;
        file = *name ? open(*name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666) : -1;
        error = errno;
        if (file < 0 && n + 1 < MOST_WRITERS && *name && is_taken(*name, error))
            continue;
        if (file < 0) {
            errno = error;
            return -1;
        }
        do
            error = flock(file, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
        while (error == EINTR);
        if (!error && is_at(file, *name)) {
            if (ftruncate(file, 0) == 0) {
                remove_dead_from(path, n + 1);
                return file;
            }
            unlink(*name); /* nobody else's: the lock is held */
        }
        close(file);
        if (error && error != EWOULDBLOCK)
            return open_unlocked(name, path);
    }
    errno = EEXIST;
    return -1;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static pyr_status write_failed(const pyr_atomic_file *file, int error)
{
    return pyr_fail(PYR_E_IO, "%s cannot be written: %s%s", file->path, strerror(error),
                    file->temporary ? "; the file that was there before is unchanged" : "");
}

/* A new file is as open to others as the one that it replaces. */
static void keep_permissions(int file, const char *path)
{
    struct stat info;

    if (stat(path, &info) == 0)
        (void)!fchmod(file, info.st_mode & 0777);
}

pyr_status pyr_atomic_open(pyr_atomic_file *file, const char *path)
{
    pyr_status status = PYR_OK;
    bool into;
    int fd;

    *file = (pyr_atomic_file){0};
    PYR_TRY(pyr_atomic_place(&file->path, &into, path));
    into = into || standard_stream(file->path) >= 0;
    fd = into ? open_into(file->path) : open_temporary(&file->temporary, file->path);
    file->stream = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!file->stream) {
        status = pyr_fail(errno == ENOMEM ? PYR_E_NOMEM : PYR_E_IO, "%s cannot be written: %s", path,
                          strerror(errno));
        if (fd >= 0)
            close(fd);
    } else if (!into)
        keep_permissions(fd, file->path);
    if (status != PYR_OK)
        pyr_atomic_abandon(file);
    return status;
}

pyr_status pyr_atomic_write(pyr_atomic_file *file, const void *bytes, size_t n)
{
    if (n && fwrite(bytes, 1, n, file->stream) != n)
        return write_failed(file, errno);
    return PYR_OK;
}

/* What is replaced is a regular file: it must sync. */
static bool synced(const pyr_atomic_file *file)
{
    int fd = fileno(file->stream);

    return file->temporary ? fsync(fd) == 0 : pyr_sync_file(fd);
}

static pyr_status commit(pyr_atomic_file *file, bool sync)
{
    pyr_status status = PYR_OK;
    /* The lock lasts beyond the close, whose errors are asked for first, until the name is another. */
    int lock = file->temporary ? fcntl(fileno(file->stream), F_DUPFD_CLOEXEC, 3) : -1;

    errno = 0;
    if (fflush(file->stream) != 0 || ferror(file->stream) || (sync && !synced(file)))
        status = write_failed(file, errno ? errno : EIO);
    if (fclose(file->stream) != 0 && status == PYR_OK)
        status = write_failed(file, errno);
    file->stream = NULL;
    if (file->temporary) {
        if (status == PYR_OK && rename(file->temporary, file->path) != 0)
            status = write_failed(file, errno);
        if (status != PYR_OK)
            unlink(file->temporary);
        else if (sync)
            status = pyr_sync_folder_of(file->path);
    }
    if (lock >= 0)
        close(lock);
    pyr_atomic_abandon(file);
    return status;
}

pyr_status pyr_atomic_commit(pyr_atomic_file *file)
{
    return commit(file, true);
}

void pyr_atomic_abandon(pyr_atomic_file *file)
{
    if (file->stream) {
        if (file->temporary)
            unlink(file->temporary); /* while the lock is held */
        fclose(file->stream);
    }
    pyr_free(file->path);
    pyr_free(file->temporary);
    *file = (pyr_atomic_file){0};
}

static pyr_status replace(const char *path, const void *bytes, size_t n, bool sync)
{
    pyr_atomic_file file;
    pyr_status status;

    PYR_TRY(pyr_atomic_open(&file, path));
    status = pyr_atomic_write(&file, bytes, n);
    if (status == PYR_OK)
        return commit(&file, sync);
    pyr_atomic_abandon(&file);
    return status;
}

pyr_status pyr_file_replace(const char *path, const void *bytes, size_t n)
{
    return replace(path, bytes, n, true);
}

pyr_status pyr_text_save(pyr_text *text, const char *path)
{
    pyr_status status = text->failed ? pyr_fail(PYR_E_NOMEM, "out of memory for %s", path)
                                     : pyr_file_replace(path, text->at ? text->at : "", text->length);

    pyr_text_free(text);
    return status;
}

pyr_status pyr_file_replace_unsynced(const char *path, const void *bytes, size_t n)
{
    return replace(path, bytes, n, false);
}
