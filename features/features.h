/* features.h - feature networks: images to the vectors in which sets of images are compared.
 *
 * Two kinds: a small classifier trained on the data set's own labels (classifier.h), and Inception-v3 as FID
 * uses it (inception.h), whose weights are the user's. */
#ifndef PYR_FEATURES_FEATURES_H
#define PYR_FEATURES_FEATURES_H

#include "kernels/kernels.h"

typedef struct pyr_features pyr_features;

/* How images come to Inception-v3's 299x299 pixels and its range (inception.h). Published FIDs have one or
 * the other, and features of one compare with none of the other. */
typedef enum pyr_fid_resize {
    PYR_RESIZE_TF1,    /* as in the TensorFlow graph of 2015: ADM, StyleGAN, EDM, torch-fidelity */
    PYR_RESIZE_PYTORCH /* as in pytorch-fid */
} pyr_fid_resize;
extern const char *const pyr_fid_resizes[2]; /* "tf1", "pytorch" */

/* Open the network in a file: a classifier written by `pyrdiff classifier`, or Inception-v3's weights (which
 * of them is seen from the file). `resize` is Inception's; a classifier does not look at it. `k` is borrowed
 * until it is freed. PYR_E_IO, PYR_E_FORMAT. */
pyr_status pyr_features_open(pyr_features **out, pyr_kernels *k, const char *path, pyr_fid_resize resize);
void pyr_features_free(pyr_features *f); /* NULL is a no-op */

typedef struct pyr_feature_facts {
    char name[96];      /* "classifier 28x28x1, 10 classes", "inception-v3, tf1 resize" */
    const char *resize; /* the word of Inception's resize; NULL: a network that resizes nothing */
    uint64_t hash;      /* of its weights and resize: beside every figure */
    int size;           /* d: numbers of a feature vector */
    int classes;        /* numbers of the logits */
    /* Whether it reads images of 16 bits as they are: a classifier does. Inception-v3's published figures are of
     * 8 bits, so images are rounded to 8 for it. */
    bool reads_words;
} pyr_feature_facts;
const pyr_feature_facts *pyr_features_facts(const pyr_features *f); /* borrowed */

/* Features (n x d) and logits (n x classes; NULL: not wanted; Inception's without their bias) of n images h x
 * w x c of `bits`, NHWC; all host. Whole machine. PYR_E_SHAPE when the network cannot read images of this
 * size. */
pyr_status pyr_features_run(pyr_features *f, int64_t n, const void *images, int bits, int h, int w, int c,
                            float *features, float *logits);

#endif
