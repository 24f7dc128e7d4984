/* image_file.h - picture files: the formats, a row each, and reading one of whichever format its first
 * bytes say.
 *
 * To add a format, write a file with its row, pyr_picture_NAME, and put NAME into PYR_PICTURE_FORMATS.
 * Recognition by bytes and by names, the sentences on what can be read, `pyrdiff info --list pictures` and
 * the table in docs/data.md follow from it. */
#ifndef PYR_PICTURES_IMAGE_FILE_H
#define PYR_PICTURES_IMAGE_FILE_H

#include "pictures/image.h"

/* Bytes by which a format is known; '?' is any byte. */
typedef struct pyr_magic {
    const char *at;
    size_t n, offset;
} pyr_magic;

#define PYR_MAGIC(bytes, offset)                                                                             \
    {                                                                                                        \
        bytes, sizeof bytes - 1, offset                                                                      \
    }

/* Whether they are among the first n bytes of a file; false for {0}. */
bool pyr_magic_is(const pyr_magic *magic, const void *bytes, size_t n);

typedef struct pyr_picture_format {
    const char *endings; /* of file names: ".jpg .jpeg" */
    const char *help;    /* what of it is read; a cell of Markdown */
    pyr_magic magic[4];  /* any of these; {0} behind the last */
    /* The picture as it is stored, in *out ({0} before), and in *orientation (1 before; 1..8, see exif.h)
     * how to turn it. `name` is the file in sentences. PYR_E_FORMAT, PYR_E_NOMEM: the caller frees *out all
     * the same. Any number of threads. */
    pyr_status (*decode)(pyr_image *out, int *orientation, const void *bytes, size_t n, const char *name);
} pyr_picture_format;

/* In the order of lists; FIRST is applied to the first. */
#define PYR_PICTURE_FORMATS(FIRST, NEXT)                                                                     \
    FIRST(png, "PNG") NEXT(jpeg, "JPEG") NEXT(webp, "WebP") NEXT(tiff, "TIFF")

#define PYR_PICTURE_ROW(row, name) extern const pyr_picture_format pyr_picture_##row;
PYR_PICTURE_FORMATS(PYR_PICTURE_ROW, PYR_PICTURE_ROW)
#undef PYR_PICTURE_ROW

/* Their names, for sentences: "PNG, JPEG, ...". */
#define PYR_PICTURE_FIRST(row, name) name
#define PYR_PICTURE_NEXT(row, name) ", " name
#define PYR_IMAGE_FORMATS PYR_PICTURE_FORMATS(PYR_PICTURE_FIRST, PYR_PICTURE_NEXT)

typedef struct pyr_picture_row {
    const char *name;
    const pyr_picture_format *format;
} pyr_picture_row;

extern const pyr_picture_row pyr_picture_rows[]; /* {0} behind the last */

/* Read a picture, turned as the orientation of its Exif or TIFF says (then out->turned is true); the caller
 * ends *out with pyr_image_free. PYR_E_FORMAT: empty, none of these formats, damaged, cut short, too large,
 * or of a kind that is not read (see the format's file). PYR_E_IO: cannot be opened. The sentence begins
 * with the path. */
pyr_status pyr_image_read(pyr_image *out, const char *path);

/* The same on n bytes that are there already. */
pyr_status pyr_image_decode(pyr_image *out, const void *bytes, size_t n, const char *name);

/* The format that a file beginning with these n bytes is; NULL: none of them. */
const pyr_picture_row *pyr_image_is(const void *bytes, size_t n);

/* Does the name end as the files of these formats do (.png, .jpg, ...), in any case? */
bool pyr_image_named(const char *name);

#endif
