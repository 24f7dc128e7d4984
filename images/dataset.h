/* dataset.h - images to train on and images held out, all of one shape.
 *
 * What is recognised, and how its folders, labels and splits are read: docs/data.md.
 *
 * Everything is read, decoded and judged before open returns: sizes, channels, bits, values, damaged files.
 * Images lie as they were found (folders in the order of names), NHWC, in 8 bits, or in 16 when one of them
 * has 16: in memory, or, when they take more of it than they may, in a file of the cache
 * (~/.cache/pyrdiff/images), which is made once and read by any number of processes. It is read by position
 * and not mapped: a map counts against a limit of address space, and a fault of the disk would kill the
 * process. */
#ifndef PYR_IMAGES_DATASET_H
#define PYR_IMAGES_DATASET_H

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "layouts/reading.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pyr_split { PYR_SPLIT_TRAIN, PYR_SPLIT_HELD_OUT } pyr_split;

typedef struct pyr_dataset pyr_dataset;

typedef struct pyr_dataset_shape {
    int h, w, c, bits; /* c 1, 3 or 4; bits 8 or 16 */
} pyr_dataset_shape;

/* Nothing of `s` is kept. Failures: PYR_E_IO (no such path), PYR_E_FORMAT
 * (damaged files without skip_bad, several sizes, nothing to read, labels that do
 * not fit the images), PYR_E_UNSUPPORTED (an encrypted zip), PYR_E_CONFIG (a setting), PYR_E_NOMEM. */
pyr_status pyr_dataset_open(pyr_dataset **out, const pyr_data_settings *s);
/* `count` images of random bytes to train on, none held out, with random labels when there are `classes`:
 * for measuring without data. The same bytes each time. */
pyr_status pyr_dataset_random(pyr_dataset **out, int h, int w, int c, int count, int classes);
/* Images that are in memory already: n of this shape in `samples` (uint8_t or uint16_t, one after the
 * other; of pyr_new, and the set's when this succeeds), the last `held_out` of them held out (fewer than
 * n), labels (n, copied) or NULL. PYR_E_ARG: a label out of range; PYR_E_NOMEM. */
pyr_status pyr_dataset_memory(pyr_dataset **out, pyr_dataset_shape shape, void *samples, int64_t n,
                              int64_t held_out, const int32_t *labels);
/* Images h x w made of those of `from`: a data set with its split, labels, channels and bits. `make` puts the
 * images first .. first + n - 1 of a split, at most `batch` of them, into `samples` (n x h x w x c, of the
 * bits of `from`); its failure is forwarded. PYR_E_NOMEM. */
pyr_status pyr_dataset_remake(pyr_dataset **out, const pyr_dataset *from, int h, int w, int batch,
                              pyr_status (*make)(void *ctx, pyr_split split, int64_t first, int n,
                                                 void *samples),
                              void *ctx);
void pyr_dataset_free(pyr_dataset *set); /* NULL is a no-op */

/* From here on all calls only read, and any number of threads may make them.
 * Pointers are borrowed until pyr_dataset_free. */

pyr_dataset_shape pyr_dataset_shape_of(const pyr_dataset *set);
int64_t pyr_dataset_count(const pyr_dataset *set, pyr_split split); /* training: at least 1 */

/* One label per image of the split, 0 .. classes - 1; NULL when the data, or its held-out part, has none. */
const int32_t *pyr_dataset_labels(const pyr_dataset *set, pyr_split split);
int pyr_dataset_classes(const pyr_dataset *set);                       /* 0 without labels */
const char *pyr_dataset_class_name(const pyr_dataset *set, int label); /* NULL when it has none */

/* Image `index` of the split as h * w * c values in [-1, 1] (see pixels.h), mirrored left to right if `flip`.
 * Fails as pyr_dataset_read does; PYR_E_NOMEM. */
pyr_status pyr_dataset_pixels(const pyr_dataset *set, pyr_split split, int64_t index, bool flip, float *dst);

/* Its samples as they are kept: uint8_t or uint16_t, HWC; pyr_dataset_sample_bytes of them. PYR_E_IO: the
 * file of the cache cannot be read any more. Allocates nothing. */
pyr_status pyr_dataset_read(const pyr_dataset *set, pyr_split split, int64_t index, void *dst);
/* These images will be read soon: the system may fetch them from the disk meanwhile. */
void pyr_dataset_expect(const pyr_dataset *set, pyr_split split, const int64_t *index, int n);
size_t pyr_dataset_sample_bytes(const pyr_dataset *set); /* of one image */

/* Hash over shape, bits, split, all samples and labels: the same data in the
 * same order, whatever it was stored in, has the same. */
uint64_t pyr_dataset_fingerprint(const pyr_dataset *set);

/* Values of the samples before data.range is applied. */
typedef struct pyr_data_values {
    double least, most; /* that occur */
    double low, high;   /* that become -1 and 1 */
} pyr_data_values;

/* How it was read. */
typedef struct pyr_dataset_facts {
    const pyr_names *skipped, *warnings; /* sentences on the files that skip_bad left out, and on what is
                                            probably a mistake, each with its remedy */
    pyr_data_values values;
    pyr_data_decoded decoded;
    int64_t turned;   /* images turned as the orientation in their files says */
    const char *how;  /* one sentence, or "" */
    const char *file; /* of the cache, that the images are in; NULL: they are in memory */
} pyr_dataset_facts;
pyr_dataset_facts pyr_dataset_facts_of(const pyr_dataset *set);

/* One line for a person, without a newline: counts, size, channels, bits,
 * classes, and all that was decided or left out. */
void pyr_dataset_describe(const pyr_dataset *set, pyr_text *text);

#endif
