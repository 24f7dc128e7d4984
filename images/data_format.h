/* data_format.h - the formats of data sets that are read: a row each.
 *
 * To add one, write a file with its row, pyr_data_format_NAME, and put NAME into PYR_DATA_FORMATS.
 * Recognition, the sentences on what can be read, `pyrdiff info --list formats` and the table in docs/data.md
 * follow from the rows. */
#ifndef PYR_IMAGES_DATA_FORMAT_H
#define PYR_IMAGES_DATA_FORMAT_H

#include "layouts/collection.h"

/* A file or folder that somebody gave, before it is read. */
typedef struct pyr_data_path {
    const char *path;
    const unsigned char *start; /* the first n bytes of a file */
    size_t n;
    const pyr_names *names; /* what is in a folder; NULL: a file */
} pyr_data_path;

enum { PYR_DATA_START = 512 }; /* n is that, or the size of a smaller file */

typedef enum pyr_match {
    PYR_MATCH_NO,
    PYR_MATCH_WEAK, /* by its name, or by bytes that a refused file (foreign.h) may have as well */
    PYR_MATCH_SURE
} pyr_match;

typedef struct pyr_data_format {
    const char *name;  /* "IDX" */
    const char *files; /* the names of its files, or an example */
    const char *help;  /* how it is read; a cell of Markdown */
    /* How well a file fits. PYR_E_IO. NULL: a single file is none. */
    pyr_status (*is_file)(pyr_match *match, const pyr_data_path *at);
    /* Whether a folder has such files, by their names. PYR_E_IO. NULL: not looked for. */
    pyr_status (*is_folder)(bool *yes, const pyr_data_path *at);
    /* Find its images, labels and split. */
    pyr_status (*collect)(pyr_collection *c, const pyr_data_path *at);
} pyr_data_format;

/* In the order in which a path is compared with them. */
#define PYR_DATA_FORMATS(ROW)                                                                                \
    ROW(zip) ROW(tar) ROW(pictures) ROW(idx) ROW(cifar) ROW(stl) ROW(norb) ROW(arrays)

#define PYR_DATA_FORMAT_ROW(name) extern const pyr_data_format pyr_data_format_##name;
PYR_DATA_FORMATS(PYR_DATA_FORMAT_ROW)
#undef PYR_DATA_FORMAT_ROW

extern const pyr_data_format *const pyr_data_formats[]; /* NULL behind the last */

/* Recognise the file or folder and collect its images: the first row that fits surely, then what is refused
 * with a remedy (foreign.h), then the first that fits weakly. Of folders also the only one of a packed
 * format in the folders in it. PYR_E_IO, PYR_E_FORMAT: nothing to read, or several data sets. */
pyr_status pyr_collect(pyr_collection *c, const char *path);

#endif
