/* idx_file.h - IDX files (MNIST, Fashion-MNIST, EMNIST, QMNIST), plain or gzip.
 *
 * An IDX file is: two zero bytes, a type byte (0x08 unsigned bytes, 0x09 signed
 * ones, 0x0b, 0x0c integers of 16 and 32 bits, 0x0d, 0x0e floats of 32 and 64),
 * the rank, one big-endian 32-bit size per dimension, then the values,
 * big-endian. Rank 1 holds labels, rank 2 several numbers for each image (of
 * QMNIST the first is its label), rank 3 images (n, h, w), rank 4 images
 * (n, h, w, c). The header is checked against the size of the file before
 * anybody takes memory for what it promises. */
#ifndef PYR_ARRAYS_IDX_FILE_H
#define PYR_ARRAYS_IDX_FILE_H

#include "arrays/npz_arrays.h"
#include "base/status.h"
#include <stdint.h>

typedef struct pyr_idx {
    void *stream;     /* the open file; NULL after close */
    const char *path; /* borrowed from the caller of open until close */
    pyr_npy_type type;
    int rank;        /* 1 to 4 */
    int64_t size[4]; /* size[0] items; missing dimensions are 1 */
    uint64_t count;  /* the product */
} pyr_idx;

/* Open and check the header. PYR_E_FORMAT: not IDX, another type or rank, an
 * empty dimension, or a file that is too short or too long for its header. */
pyr_status pyr_idx_open(pyr_idx *out, const char *path);

/* The next `count` values, in the machine's order of bytes. PYR_E_FORMAT when
 * they end early or gzip finds them damaged. */
pyr_status pyr_idx_read(pyr_idx *idx, void *dst, uint64_t count);
/* All idx->count values were read: PYR_E_FORMAT when bytes follow them or the
 * checksum of gzip differs. */
pyr_status pyr_idx_end(pyr_idx *idx);

void pyr_idx_close(pyr_idx *idx); /* no-op on {0} and after close */

#endif
