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

/* "classifier 28x28x1, 10 classes", "inception-v3, tf1 resize" */
const char *pyr_features_name(const pyr_features *f);
/* The word of Inception's resize; NULL: a network that resizes nothing. */
const char *pyr_features_resize(const pyr_features *f);
uint64_t pyr_features_hash(const pyr_features *f); /* of its weights and resize: beside every figure */
int pyr_features_size(const pyr_features *f);      /* d: numbers of a feature vector */
int pyr_features_classes(const pyr_features *f);   /* numbers of the logits */

/* Features (n x d) and logits (n x classes; NULL: not wanted; Inception's without their bias) of n images h x
 * w x c of 8 bits, NHWC; all host. Whole machine. PYR_E_SHAPE when the network cannot read images of this
 * size. */
pyr_status pyr_features_run(pyr_features *f, int64_t n, const uint8_t *images, int h, int w, int c,
                            float *features, float *logits);
/* Whether the network reads images of 16 bits as they are: a classifier does. Inception-v3's published
 * figures are of 8 bits, so images are rounded to 8 for it. */
bool pyr_features_reads_words(const pyr_features *f);
/* The same of images of 16 bits, for a network that reads them. */
pyr_status pyr_features_run_words(pyr_features *f, int64_t n, const uint16_t *images, int h, int w, int c,
                                  float *features, float *logits);

#endif
