/* input.h - what fuzz targets stand on: checks, inputs as files for readers that want a path, parts of an
 * input, inputs as safetensors files, and a target's own good inputs. */
#ifndef PYR_TESTS_FUZZ_INPUT_H
#define PYR_TESTS_FUZZ_INPUT_H

#include "base/mem.h"
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Good input number i of a target that makes some itself, or NULL behind the last; the block is the target's
 * and lives until the next call. A target without this function has its good inputs in files. */
const uint8_t *fuzz_seed(size_t i, size_t *n);

/* Texts as a target's good inputs: fuzz_seed is one line. */
typedef struct fuzz_literal {
    const char *text;
    size_t n;
} fuzz_literal;
#define FUZZ_TEXT(words)                                                                                     \
    {                                                                                                        \
        words, sizeof words - 1                                                                              \
    }
#define FUZZ_SEEDS(table)                                                                                    \
    const uint8_t *fuzz_seed(size_t i, size_t *n)                                                            \
    {                                                                                                        \
        if (i >= sizeof table / sizeof *table)                                                               \
            return NULL;                                                                                     \
        *n = table[i].n;                                                                                     \
        return (const uint8_t *)table[i].text;                                                               \
    }

static inline void must(int holds)
{
    if (!holds)
        abort();
}

/* ---- files: written again for every input, in a folder that is made once -------------------------- */

enum { FUZZ_FILES = 16 };

typedef struct fuzz_files {
    char folder[64];
    char path[FUZZ_FILES][160];
    int fd[FUZZ_FILES], n;
} fuzz_files;

static inline fuzz_files *fuzz_state(void)
{
    static fuzz_files files;

    return &files;
}

static inline void fuzz_remove(void)
{
    const fuzz_files *f = fuzz_state();

    for (int i = 0; i < f->n; i++)
        remove(f->path[i]);
    for (int i = 0; i < f->n; i++) { /* folders in it, from the deepest up */
        char path[sizeof f->path[i]];

        snprintf(path, sizeof path, "%s", f->path[i]);
        for (char *slash; (slash = strrchr(path, '/')) && (size_t)(slash - path) > strlen(f->folder);) {
            *slash = '\0';
            rmdir(path);
        }
    }
    rmdir(f->folder);
}

/* In $TMPDIR, else where files are in memory. */
static inline const char *fuzz_folder(void)
{
    fuzz_files *f = fuzz_state();
    const char *where = getenv("TMPDIR");

    if (*f->folder)
        return f->folder;
    if (!where)
        where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(f->folder, sizeof f->folder, "%.40s/pyr-fuzz-XXXXXX", where);
    must(mkdtemp(f->folder) != NULL);
    atexit(fuzz_remove);
    return f->folder;
}

/* The place of the file `name` ("a.json", "sub/a.json") of the folder in the table; new ones are not open. */
static inline int fuzz_place(const char *name)
{
    const char *folder = fuzz_folder();
    fuzz_files *f = fuzz_state();
    size_t skip = strlen(folder) + 1;
    int i = 0;

    while (i < f->n && strcmp(f->path[i] + skip, name) != 0)
        i++;
    if (i < f->n)
        return i;
    must(f->n < FUZZ_FILES);
    char path[sizeof f->path[i]];
    snprintf(path, sizeof path, "%.60s/%.90s", folder, name);
    memcpy(f->path[i], path, sizeof path);
    for (char *slash = strchr(f->path[i] + skip, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(f->path[i], 0700);
        *slash = '/';
    }
    f->fd[i] = -1;
    f->n++;
    return i;
}

/* A path in the folder for whoever writes a file there, which may replace the one that is there. */
static inline const char *fuzz_path(const char *name)
{
    fuzz_files *f = fuzz_state();
    int i = fuzz_place(name);

    if (f->fd[i] >= 0)
        close(f->fd[i]);
    f->fd[i] = -1;
    return f->path[i];
}

/* These bytes as the file `name` of the folder; its path. */
static inline const char *fuzz_file(const char *name, const void *bytes, size_t n)
{
    fuzz_files *f = fuzz_state();
    int i = fuzz_place(name);

    if (f->fd[i] < 0)
        f->fd[i] = open(f->path[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(f->fd[i] >= 0 && (n == 0 || pwrite(f->fd[i], bytes, n, 0) == (ssize_t)n));
    must(ftruncate(f->fd[i], (off_t)n) == 0);
    return f->path[i];
}

/* ---- parts ----------------------------------------------------------------------------------------- */

/* What is left of an input. */
typedef struct fuzz_rest {
    const uint8_t *at;
    size_t n;
} fuzz_rest;

/* Up to the next NUL, which is taken too; or all the rest. */
static inline fuzz_rest fuzz_part(fuzz_rest *rest)
{
    const uint8_t *end = rest->n ? memchr(rest->at, 0, rest->n) : NULL;
    fuzz_rest part = {rest->at, end ? (size_t)(end - rest->at) : rest->n};

    rest->at += part.n + (end != NULL);
    rest->n -= part.n + (end != NULL);
    return part;
}

static inline unsigned fuzz_byte(fuzz_rest *rest)
{
    if (!rest->n)
        return 0;
    rest->n--;
    return *rest->at++;
}

/* A part as a C string, in a block for free(). */
static inline char *fuzz_text(fuzz_rest part)
{
    char *text = malloc(part.n + 1);

    must(text != NULL);
    if (part.n)
        memcpy(text, part.at, part.n);
    text[part.n] = '\0';
    return text;
}

/* A whole file, for good inputs; it is there, or the program was started in another folder. */
static inline uint8_t *fuzz_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes;
    long size = 0;

    if (!f) {
        fprintf(stderr, "%s is not there: start this program at the top of the sources\n", path);
        exit(2);
    }
    must(fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0);
    bytes = malloc((size_t)size + 1);
    must(bytes && fread(bytes, 1, (size_t)size, f) == (size_t)size);
    fclose(f);
    *n = (size_t)size;
    return bytes;
}

#endif
