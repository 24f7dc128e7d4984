/* idx_file.h - IDX files (MNIST, Fashion-MNIST, EMNIST, QMNIST).
 *
 * An IDX file is: two zero bytes, a type byte (0x08 unsigned bytes, 0x09 signed ones, 0x0b, 0x0c integers
 * of 16 and 32 bits, 0x0d, 0x0e floats of 32 and 64), the rank, one big-endian 32-bit size per dimension,
 * then the values, big-endian. Rank 1 holds labels, rank 2 several numbers for each image (of QMNIST the
 * first is its label), rank 3 images (n, h, w), rank 4 images (n, h, w, c). */
#ifndef PYR_ARRAYS_IDX_FILE_H
#define PYR_ARRAYS_IDX_FILE_H

#include "arrays/value_file.h"

/* For pyr_value_file_open. PYR_E_FORMAT: not IDX, or another rank; PYR_E_UNSUPPORTED: another type. */
pyr_status pyr_idx_header(pyr_value_file *file);

#endif
