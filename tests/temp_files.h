/* temp_files.h - a temporary folder for a test of files: made by temp_make, removed by temp_remove. */
#ifndef PYR_TESTS_TEMP_FILES_H
#define PYR_TESTS_TEMP_FILES_H

#include "base/file.h"
#include "base/mem.h"
#include "layouts/reading.h"
#include "tests/check.h"
#include <stdlib.h>
#include <sys/stat.h>

static char temp[64];

/* false: none can be made. */
static inline bool temp_make(void)
{
    const char *where = getenv("TMPDIR");

    snprintf(temp, sizeof temp, "%.40s/pyr-test-XXXXXX", where ? where : "/tmp");
    if (mkdtemp(temp))
        return true;
    printf("no temporary folder can be made: %s\n", temp);
    return false;
}

static inline void remove_all(const char *path)
{
    struct stat info;
    pyr_names names;

    if (lstat(path, &info) != 0)
        return;
    if (S_ISDIR(info.st_mode) && pyr_folder_names(&names, path) == PYR_OK) {
        for (size_t i = 0; i < names.n; i++) {
            char *inner = pyr_path_join(path, names.at[i]);

            remove_all(inner);
            pyr_free(inner);
        }
        pyr_names_free(&names);
    }
    remove(path);
}

static inline void temp_remove(void)
{
    remove_all(temp);
}

/* temp/name in a static ring of buffers, its folders made. */
static inline const char *in_temp(const char *name)
{
    static char ring[256][256]; /* more than any case asks for */
    static int at;
    char *path = ring[at++ % 256], *slash;

    snprintf(path, sizeof ring[0], "%s/%s", temp, name);
    slash = strrchr(path, '/');
    *slash = 0;
    CHECK_OK(pyr_make_folders(path));
    *slash = '/';
    return path;
}

/* An empty folder in temp. */
static inline const char *new_folder(const char *name)
{
    const char *path = in_temp(name);

    remove_all(path);
    CHECK_OK(pyr_make_folders(path));
    return path;
}

static inline void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb"); /* not by base/file.h: hundreds of fsyncs take their time */

    CHECK(f && fwrite(bytes, 1, n, f) == n);
    if (f)
        fclose(f);
}

static inline char *read_all(const char *path, size_t *n)
{
    char *bytes = NULL;

    CHECK_OK(pyr_file_read(&bytes, n, path, 1 << 24));
    return bytes;
}

static inline void copy_file(const char *to, const char *from)
{
    size_t n = 0;
    char *bytes = read_all(from, &n);

    write_bytes(to, bytes, n);
    pyr_free(bytes);
}

/* Settings of a data set that are the default but for its path. */
static inline pyr_data_settings at_path(const char *path)
{
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;

    s.path = path;
    return s;
}

#endif
