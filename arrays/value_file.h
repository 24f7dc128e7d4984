/* value_file.h - the numbers of a file from its front to its end: behind a header, plain or gzip (IDX,
 * binary matrices), or bytes without a header (CIFAR, STL-10).
 *
 * The header is checked against the size of the file before memory is taken for what it promises. */
#ifndef PYR_ARRAYS_VALUE_FILE_H
#define PYR_ARRAYS_VALUE_FILE_H

#include "arrays/npz_arrays.h"
#include "base/status.h"
#include <stdint.h>

typedef struct pyr_value_file {
    void *stream;     /* the open file; NULL after close */
    bool plain;       /* `stream` is a FILE and not zlib's */
    const char *path; /* borrowed from the caller of open until close */
    uint64_t bytes;   /* of the file */
    /* From the header: */
    pyr_npy_type type;
    bool big_endian;
    int rank;        /* 1 to 4 */
    int64_t size[4]; /* size[0] items; missing dimensions are 1 */
    uint64_t count;  /* the product */
} pyr_value_file;

/* Reads the header of a format (pyr_value_file_head): type, big_endian, rank and size. */
typedef pyr_status (*pyr_value_header)(pyr_value_file *file);

/* Open and check the header; without one (NULL) all of the file are bytes. PYR_E_IO: cannot be opened.
 * PYR_E_FORMAT: what `header` finds, an empty dimension, images (rank 3: n, h, w; rank 4: n, h, w, c) of an
 * impossible size, a file that is too short or too long for its header. */
pyr_status pyr_value_file_open(pyr_value_file *out, const char *path, pyr_value_header header);

/* The first n bytes of a file, unpacked; false: there are none. */
bool pyr_value_file_start(void *dst, size_t n, const char *path);

/* The next n bytes of the header. PYR_E_FORMAT: the file ends before. */
pyr_status pyr_value_file_head(pyr_value_file *file, void *dst, size_t n);

/* The next `count` values, in the machine's order of bytes. PYR_E_FORMAT when they end early or gzip finds
 * them damaged. */
pyr_status pyr_value_file_read(pyr_value_file *file, void *dst, uint64_t count);
/* All values were read: PYR_E_FORMAT when bytes follow them or the checksum of gzip differs. */
pyr_status pyr_value_file_end(pyr_value_file *file);

/* All values as whole numbers (floats are cut), a new block for the caller, and in *met the header. */
pyr_status pyr_value_file_whole(int64_t **out, pyr_value_file *met, const char *path,
                                pyr_value_header header);

void pyr_value_file_close(pyr_value_file *file); /* no-op on {0} and after close */

#endif
