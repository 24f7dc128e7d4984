/* dataset.h - images to train on and images held out, all of one shape, in memory.
 *
 * What is recognised: a folder with IDX files (train-images-idx3-ubyte,
 * train-labels-idx1-ubyte, t10k-..., each plain or .gz) or one such file; a
 * folder with the binary files of CIFAR-10 or CIFAR-100, or one .bin; a folder
 * of PNG and JPEG files, where subfolders are classes (in the order of their
 * names, at any depth below) and `train/` beside `test/` (or val, valid,
 * validation) are the split, or where EDM's dataset.json says the labels
 * (dataset_json.h) and folders mean nothing; a zip archive of such a folder,
 * of what is in it or of the folder itself; an NPZ with uint8 images (n, h, w,
 * c) or (n, h, w) as arr_0, images or x, and labels, if any, as arr_1, labels
 * or y (-1: none); one PNG or JPEG.
 *
 * Everything is read, decoded and judged before open returns: sizes, channels,
 * bits, damaged files. Images lie as they were found (folders in the order of
 * names), NHWC, in 8 bits, or in 16 when one of them has 16.
 */
#ifndef PYR_IMAGES_DATASET_H
#define PYR_IMAGES_DATASET_H

#include "base/status.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pyr_data_settings {
    const char *path;       /* file, folder or archive */
    int channels;           /* 1, 3, 4, or 0: the most that an image needs (default) */
    int resize_h, resize_w; /* size to bring every image to; 0: none (default); one of them 0: a square */
    bool crop;              /* with a size: cut the centre to its aspect first; without: cut all images
                               to the smallest height and width (default false) */
    bool skip_bad;          /* leave out files that cannot be used, instead of failing (default false) */
    int64_t held_out;  /* images held out when there is no test set; -1: a tenth, at most 2000 (default) */
    const char *split; /* "auto" (default, also NULL): a test set that comes along is the held-out part;
                          "train": it is left alone, and held_out images of the rest are held out;
                          "all": everything is for training, nothing is held out */
} pyr_data_settings;

#define PYR_DATA_SETTINGS_DEFAULT                                                                            \
    {                                                                                                        \
        .held_out = -1, .split = "auto"                                                                      \
    }

typedef enum pyr_split { PYR_TRAIN, PYR_HELD_OUT } pyr_split;

typedef struct pyr_dataset pyr_dataset;

/* Nothing of `s` is kept. Failures: PYR_E_IO (no such path), PYR_E_FORMAT
 * (damaged files without skip_bad, several sizes, nothing to read, labels that do
 * not fit the images), PYR_E_UNSUPPORTED (an encrypted zip), PYR_E_CONFIG (a setting), PYR_E_NOMEM. */
pyr_status pyr_dataset_open(pyr_dataset **out, const pyr_data_settings *s);
/* `count` images of random bytes to train on, none held out, with random labels when there are `classes`:
 * for measuring without data. The same bytes each time. */
pyr_status pyr_dataset_random(pyr_dataset **out, int h, int w, int c, int count, int classes);
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

typedef struct pyr_dataset_shape {
    int h, w, c, bits; /* c 1, 3 or 4; bits 8 or 16 */
} pyr_dataset_shape;

pyr_dataset_shape pyr_dataset_shape_of(const pyr_dataset *set);
int64_t pyr_dataset_count(const pyr_dataset *set, pyr_split split); /* training: at least 1 */

/* One label per image of the split, 0 .. classes - 1; NULL when the data has none. */
const int32_t *pyr_dataset_labels(const pyr_dataset *set, pyr_split split);
int pyr_dataset_classes(const pyr_dataset *set);                       /* 0 without labels */
const char *pyr_dataset_class_name(const pyr_dataset *set, int label); /* NULL when it has none */

/* Image `index` of the split as h * w * c values in [-1, 1] (see pixels.h),
 * mirrored left to right if `flip`. */
void pyr_dataset_pixels(const pyr_dataset *set, pyr_split split, int64_t index, bool flip, float *dst);

/* Its samples as they are kept: uint8_t or uint16_t, HWC. */
const void *pyr_dataset_samples(const pyr_dataset *set, pyr_split split, int64_t index);
size_t pyr_dataset_sample_bytes(const pyr_dataset *set); /* of one image */

/* Hash over shape, bits, split, all samples and labels: the same data in the
 * same order, whatever it was stored in, has the same. */
uint64_t pyr_dataset_fingerprint(const pyr_dataset *set);

/* Sentences on the files that skip_bad left out. */
size_t pyr_dataset_skipped(const pyr_dataset *set);
const char *pyr_dataset_skipped_why(const pyr_dataset *set, size_t i);

/* One line for a person, without a newline: counts, size, channels, bits,
 * classes, and all that was decided or left out. */
void pyr_dataset_describe(const pyr_dataset *set, pyr_text *text);

#endif
