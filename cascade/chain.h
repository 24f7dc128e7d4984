/* chain.h - levels that are told each other's estimates: forward from the coarsest to the finest, backward
 * the other way round. Used by joint.h.
 *
 *     J_k = D_k,   l_i = u_i(J_{i+1}) or the real one,   J_i = l_i + D_i
 *     dL/dJ_{i+1} = u_i^T (dL/dl_i + dL/dJ_i),   dL/dD_i = dL/dJ_i
 *
 * all in image units; for haar J_i is the merge.
 */
#ifndef PYR_CASCADE_CHAIN_H
#define PYR_CASCADE_CHAIN_H

#include "levels/level_train.h"

typedef struct pyr_chain_settings {
    int levels;
    bool gradients;     /* pass back through the estimates */
    double probability; /* of an estimate instead of the real image, drawn for each image and level */
    uint64_t seed;
    int batch, groups;
} pyr_chain_settings;

typedef struct pyr_chain pyr_chain;

/* The trainers are borrowed; all have one micro-batch, and those of levels above 0 an estimate. */
pyr_status pyr_chain_new(pyr_chain **out, pyr_kernels *k, const pyr_pyramid *pyramid,
                         pyr_level_trainer *const *trainer, const pyr_chain_settings *settings);
void pyr_chain_free(pyr_chain *c); /* NULL is a no-op */
size_t pyr_chain_bytes(const pyr_chain *c);

/* All micro-batches of a group of step `step`, all levels, on one lane. */
pyr_status pyr_chain_group(pyr_chain *c, int64_t step, int group, int lane);

#endif
