/* dataset_json.h - the labels that EDM's dataset_tool writes beside images (T. Karras et al., "Elucidating
 * the Design Space of Diffusion-Based Generative Models", 2022; the same in StyleGAN's):
 *
 *     {"labels": [["00000/img00000000.png", 3], ["00000/img00000001.png", 0], ...]}    or    {"labels":
 * null} */
#ifndef PYR_LAYOUTS_DATASET_JSON_H
#define PYR_LAYOUTS_DATASET_JSON_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYR_DATASET_JSON "dataset.json"
#define PYR_LABEL_MOST 1000000 /* a table of classes has a row for every label up to the largest */

typedef struct pyr_file_label {
    char *name; /* of the image, from where the dataset.json is; owned */
    int32_t label;
} pyr_file_label;

typedef struct pyr_file_labels {
    bool edm;           /* it has "labels": an EDM data set, whose folders are no classes */
    pyr_file_label *at; /* in order of the names, each once */
    size_t n;           /* 0: images without labels */
} pyr_file_labels;

/* The largest file that is read beside so many files: 1 KiB for each, where a name and a label take about 40
 * bytes, at most 100 MiB. Parsed it takes up to 40 times as much, and a zip of 100 KiB can hold 100 MiB. */
uint64_t pyr_file_labels_limit(size_t files);

/* From the `n` bytes of the file; `name` stands for it in sentences. JSON of another kind gives {0}.
 * PYR_E_FORMAT: not JSON, entries that are no pair of a name and a whole number 0..PYR_LABEL_MOST - 1, a name
 * twice. The caller ends *out with pyr_file_labels_free, on failure too. */
pyr_status pyr_file_labels_parse(pyr_file_labels *out, const char *bytes, size_t n, const char *name);
void pyr_file_labels_free(pyr_file_labels *labels); /* back to {0} */

/* The place of an image in `at`; -1: it has no label. */
int64_t pyr_file_labels_find(const pyr_file_labels *labels, const char *name);

#endif
