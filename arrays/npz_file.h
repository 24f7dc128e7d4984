/* npz_file.h - images for NumPy: `arr_0` uint8 or uint16 (n, h, w, c), optionally `arr_1` int64 labels (n),
 * as evaluators of generated images read them.
 *
 * An NPZ is a zip of .npy files; these are stored, not compressed. Images may come in any number of
 * portions, so that a large set is never in memory at once; the size must be known at the start. Over 4 GiB
 * it becomes a ZIP64. The file appears at its path when it is whole; a pipe gets the same members, their
 * checksums behind them. For reading, and for other arrays, see npz_arrays.h. */
#ifndef PYR_ARRAYS_NPZ_FILE_H
#define PYR_ARRAYS_NPZ_FILE_H

#include "base/atomic_file.h"
#include "base/status.h"
#include <stdint.h>

typedef struct pyr_npz {
    pyr_atomic_file file;
    int64_t n, written; /* images */
    size_t image_bytes;
    uint64_t size; /* of arr_0.npy */
    uint32_t crc;  /* of what was written of it */
} pyr_npz;

/* bits: 8 or 16. */
pyr_status pyr_npz_open(pyr_npz *out, const char *path, int64_t n, int h, int w, int c, int bits);

/* The next `count` images, uint8_t or uint16_t; all portions together are n. On
 * failure the file is ended and nothing is left. */
pyr_status pyr_npz_add(pyr_npz *npz, const void *images, int64_t count);

/* Labels (n of them, or NULL) and the end. All images must have been added. */
pyr_status pyr_npz_close(pyr_npz *npz, const int32_t *labels);
void pyr_npz_abandon(pyr_npz *npz); /* no-op on {0} and after close */

#endif
