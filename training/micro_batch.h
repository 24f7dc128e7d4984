/* micro_batch.h - how many images a lane takes at a time in training. */
#ifndef PYR_TRAINING_MICRO_BATCH_H
#define PYR_TRAINING_MICRO_BATCH_H

#include "levels/level.h"

/* Enough micro-batches for all groups, none larger than level.batch_gpu allows; 0: the fastest, measured once
 * and remembered in the kernels' tuning. Never depends on the number of threads: it decides the order of
 * sums. A table that takes whole batches at once gets the batch, as far as level.batch_gpu allows. */
pyr_status pyr_choose_micro_batch(int *out, pyr_kernels *k, const pyr_level *level);

#endif
