/* reference.h - features of sets of images; those of references are kept in a cache. */
#ifndef PYR_EVAL_REFERENCE_H
#define PYR_EVAL_REFERENCE_H

#include "eval/image_set.h"
#include "features/features.h"

/* Features (n x d) and logits (n x classes; NULL: not wanted) of a set; the caller owns both (pyr_free), on failure too.
 * Of 16 bits where the set has them and the network reads them. PYR_E_STOPPED when a stop was requested. */
pyr_status pyr_set_features(float **features, float **logits, pyr_features *network,
                            const pyr_image_set *set);

/* The same for the images of a data set's split, read from CACHE/FINGERPRINT-SPLIT-NETWORK.safetensors (of 16
 * bits CACHE/FINGERPRINT-SPLIT-16-NETWORK.safetensors) when that is there (*cached), and kept there when not.
 * A damaged file is made again; a cache that cannot be written is no failure. cache NULL: none. */
pyr_status pyr_reference_features(float **features, bool *cached, pyr_features *network,
                                  const pyr_image_set *set, uint64_t fingerprint, const char *split,
                                  const char *cache);

#endif
