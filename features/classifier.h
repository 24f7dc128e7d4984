/* classifier.h - a small classifier of the data's own labels, whose last hidden layer serves as features.
 *
 * Patches of 2x2, then 3x3 convolutions of 64 channels with group norm and SiLU, three or more, halved by 2x2
 * maxima in between until the image is 4x4 or smaller; the mean over the image gives 64 features, a linear
 * layer the logits. Images are read as values (2p - 255)/256.
 *
 * Its file is a safetensors file: the weights, and in the metadata what they are of. Training with a duration
 * in images or epochs gives the same bytes with any number of threads. */
#ifndef PYR_FEATURES_CLASSIFIER_H
#define PYR_FEATURES_CLASSIFIER_H

#include "features/feature_network.h"
#include "graph/safetensors.h"
#include "graph/step_loop.h"
#include "images/dataset.h"
#include "settings/settings.h"

/* ---- training ---------------------------------------------------------------------------------- */

typedef struct pyr_classifier_result {
    double accuracy;  /* share of the held-out images that are classified right; NAN: none are held out */
    int64_t held_out; /* images */
    uint64_t hash;    /* of the weights */
    int64_t steps;
    double seconds;
} pyr_classifier_result;

typedef struct pyr_classifier_job {
    pyr_kernels *k;          /* borrowed, as all of this */
    const pyr_dataset *data; /* with labels */
    const char *path;        /* the file to write, which appears whole or not at all */
    pyr_duration duration;
    uint64_t seed;
    int batch;            /* images a step; 0: 64 */
    double learning_rate; /* the highest; 0: 1e-2 */
    /* brief: only to move a progress bar; NULL: none */
    void (*on_report)(void *ctx, const pyr_train_report *report, bool brief);
    bool (*should_stop)(void *ctx); /* called once a step; NULL: never */
    void *ctx;
    pyr_classifier_result *result; /* filled in; NULL: not wanted */
} pyr_classifier_job;

/* Train, measure on the held-out images (in the kernels' real type), write. PYR_E_ARG: data without labels or
 * with one class; PYR_E_STOPPED when should_stop returned true, and nothing is written; PYR_E_NUMERIC, PYR_E_IO. */
pyr_status pyr_classifier_train(const pyr_classifier_job *job);

/* ---- the network, for features.c --------------------------------------------------------------- */

typedef struct pyr_classifier_shape {
    int h, w, c, classes;
} pyr_classifier_shape;

/* `real`: the kernels' real type. */
pyr_network_ends pyr_classifier_build(pyr_graph *g, const pyr_classifier_shape *shape, pyr_type real);

/* Whether a file is a classifier's; the shape in its metadata. PYR_E_FORMAT; `path` for the sentence. */
bool pyr_is_classifier(const pyr_safetensors *file);
pyr_status pyr_classifier_read_shape(pyr_classifier_shape *out, const pyr_safetensors *file,
                                     const char *path);
/* Its weights into a block of `params`, and their hash, which must be the one in the metadata.
 * PYR_E_FORMAT. */
pyr_status pyr_classifier_load(uint64_t *hash, const pyr_safetensors *file, const char *path,
                               const pyr_params *params, pyr_kernels *k, void *block);

#endif
