/* micro_batch.h - how a batch is divided in training. */
#ifndef PYR_TRAINING_MICRO_BATCH_H
#define PYR_TRAINING_MICRO_BATCH_H

#include "levels/level.h"

typedef struct pyr_division {
    int images;       /* of a piece, which a lane takes as a whole */
    int parts;        /* of a piece, each with a sum of gradients of its own */
    int groups;       /* level.groups; 0: the parts' sums are added as a tree */
    int accumulators; /* memory for the sums of pieces */
    int sums;         /* so many lanes can work at a time: groups, or all parts of the batch */
} pyr_division;

/* For n networks that are to divide their batch alike (levels of a chain), or one. No part is larger than
 * level.batch_gpu allows. What decides the order of sums never depends on the number of lanes: with groups the pieces, in
 * a tree the parts. A piece is as many parts as are fastest together, measured once and remembered in the kernels' tuning,
 * and fewer where lanes would have no work otherwise. A table that takes whole batches at once gets the batch, as far
 * as level.batch_gpu allows. */
pyr_status pyr_divide_batch(pyr_division *out, pyr_kernels *k, const pyr_level *const *level, int n);

/* Images of a part, a power of two, for a network of so many operations (an image, forward) and parameters: as few as
 * cost little. */
int pyr_part_images(int batch, double flop, double parameters);

/* Parts that a lane takes at a time out of `parts`: as many as `most` allows (a power of two) without leaving lanes idle
 * for longer than single parts would. */
int pyr_parts_together(int parts, int most, int lanes);

#endif
