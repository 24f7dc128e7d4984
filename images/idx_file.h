/* idx_file.h - IDX files (MNIST, Fashion-MNIST, EMNIST), plain or gzip.
 *
 * An IDX file is: two zero bytes, a type byte (8: unsigned bytes, the only one
 * read here), the rank, one big-endian 32-bit size per dimension, then the
 * values. Rank 1 holds labels, rank 3 images (n, h, w), rank 4 images
 * (n, h, w, c). The header is checked against the size of the file before
 * anybody takes memory for what it promises.
 */
#ifndef PYR_IMAGES_IDX_FILE_H
#define PYR_IMAGES_IDX_FILE_H

#include "base/status.h"
#include <stdint.h>

typedef struct pyr_idx {
    void *stream;     /* the open file; NULL after close */
    const char *path; /* borrowed from the caller of open until close */
    int rank;         /* 1, 3 or 4 */
    int64_t size[4];  /* size[0] items; missing dimensions are 1 */
    uint64_t bytes;   /* the product */
} pyr_idx;

/* Open and check the header. PYR_E_FORMAT: not IDX, another type or rank, an
 * empty dimension, or a file that is too short or too long for its header. */
pyr_status pyr_idx_open(pyr_idx *out, const char *path);

/* Read all idx->bytes values. PYR_E_FORMAT when they end early, when bytes
 * follow them, or when gzip finds them damaged. Once per open. */
pyr_status pyr_idx_read(pyr_idx *idx, uint8_t *dst);

void pyr_idx_close(pyr_idx *idx); /* no-op on {0} and after close */

#endif
