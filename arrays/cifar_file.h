/* cifar_file.h - the binary files of CIFAR-10 and CIFAR-100.
 *
 * A record is one label byte (CIFAR-10) or a coarse and a fine label byte (CIFAR-100; the fine one is used),
 * then 3072 bytes: a red, a green and a blue plane of 32x32. */
#ifndef PYR_ARRAYS_CIFAR_FILE_H
#define PYR_ARRAYS_CIFAR_FILE_H

#include "base/status.h"
#include <stdint.h>

enum { PYR_CIFAR_SIDE = 32, PYR_CIFAR_PIXELS = 32 * 32 * 3 };

/* How many records there are, from the size of the file. *classes is 10 or 100, or 0 on entry to let the
 * size decide. PYR_E_FORMAT when the size is no multiple of a record. */
pyr_status pyr_cifar_count(int64_t *records, int *classes, const char *path);

/* The labels of that many records. PYR_E_FORMAT when one is not below `classes`. */
pyr_status pyr_cifar_labels(int32_t *labels, const char *path, int64_t records, int classes);

int pyr_cifar_label_bytes(int classes); /* in front of each picture */

#endif
