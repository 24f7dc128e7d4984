/* inception.h - Inception-v3 (Szegedy et al. 2016) as the Frechet inception distance uses it: the network of
 * the 2015 TensorFlow weights, 2048 features behind the last mean, 1008 logits.
 *
 * It differs from the common one in three places, as pytorch-fid's definition does (M. Seitzer): mean pools
 * leave padding out; the last block pools by maxima; logits are of 1008 classes. Batch norms (eps 1e-3,
 * statistics of the file) are folded into the convolutions when the weights are read. The file's names are
 * those of torchvision and pytorch-fid ("Mixed_5b.branch1x1.conv.weight"); scripts/convert-inception.py
 * writes it. */
#ifndef PYR_FEATURES_INCEPTION_H
#define PYR_FEATURES_INCEPTION_H

#include "features/feature_network.h"
#include "features/features.h"
#include "graph/safetensors.h"

enum { PYR_INCEPTION_SIDE = 299 }; /* of the images that the network reads, in RGB */

/* Whether the names in a file are an Inception-v3's. */
bool pyr_is_inception(const pyr_safetensors *file);

/* The classes of its logits. PYR_E_FORMAT; `path` for the sentence. */
pyr_status pyr_inception_classes(int *out, const pyr_safetensors *file, const char *path);

/* `real`: the kernels' real type. */
pyr_network_ends pyr_inception_build(pyr_graph *g, int classes, pyr_type real);

/* The weights into a block of `params`, and the hash of what they became. The bias of the logits is in the
 * hash, and 0 in the block: the Inception Score's are without it, as in OpenAI's code (Salimans et al. 2016),
 * ADM's evaluator, and torch-fidelity ("logits_unbiased"). PYR_E_FORMAT. */
pyr_status pyr_inception_load(uint64_t *hash, const pyr_safetensors *file, const char *path,
                              const pyr_params *params, pyr_kernels *k, void *block);

/* 299 x 299 x 3 values of an image of 8 bits (c 1: grey, or 3): enlarged or made smaller by bilinear
 * interpolation without smoothing, edges repeated.
 * PYR_RESIZE_TF1: pixel x of a row of w comes from place x w / 299, values are p / 128 - 1.
 * PYR_RESIZE_PYTORCH: it comes from (x + 1/2) w / 299 - 1/2, pixels' centres on the half; 2 p / 255 - 1. */
void pyr_inception_image(float *dst, const uint8_t *image, int h, int w, int c, pyr_fid_resize resize);

#endif
