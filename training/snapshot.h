/* snapshot.h - a picture of how well a level draws, with seeds that stay the same. */
#ifndef PYR_TRAINING_SNAPSHOT_H
#define PYR_TRAINING_SNAPSHOT_H

#include "levels/level.h"

/* A grid PNG: for a residual level, held-out images: the condition (u of the real coarse image) |
 * the sample | the real image; for the coarsest level, samples alone. `block` holds
 * weights. */
pyr_status pyr_snapshot_write(const char *path, pyr_kernels *k, const pyr_level *level, pyr_feed *feed,
                              const void *block);

#endif
