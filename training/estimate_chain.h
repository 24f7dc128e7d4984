/* estimate_chain.h - levels that are conditioned on each other's estimates: forward from the coarsest to the
 * finest, backward in the opposite order. For the trainer alone.
 *
 * In image units, with u_i the pyramid's expansion and D_i the level's denoised variable (loss.h,
 * `estimate`):
 *
 *     J_k = D_k,   J_i = l_i + D_i,   l_i = u_i(J_{i+1}) or the real one
 *
 *     dL/dD_i = dL/dJ_i,   dL/dJ_{i+1} = u_i^T (dL/dl_i + dL/dJ_i)
 *
 * Of bands J_i = merge(J_{i+1}, D_i), and its transpose likewise. */
#ifndef PYR_TRAINING_ESTIMATE_CHAIN_H
#define PYR_TRAINING_ESTIMATE_CHAIN_H

#include "training/train_level.h"

typedef struct pyr_chain pyr_chain;

/* The n levels are borrowed; all have one batch, and one division of it, those above 0 an estimate, and
 * those below the coarsest are given estimates for some images, as they are drawn (loss.h, given_estimates).
 * `gradients` pass back through the estimates. */
pyr_status pyr_chain_new(pyr_chain **out, pyr_kernels *k, const pyr_pyramid *pyramid, pyr_train_level *level,
                         int n, bool gradients);
void pyr_chain_free(pyr_chain *c); /* NULL is a no-op */
size_t pyr_chain_bytes(const pyr_chain *c);

/* The piece that begins with image `first`, all levels, on one lane: gradients into an accumulator of each, losses into
 * the learners. The graphs are packed before. */
pyr_status pyr_chain_piece(pyr_chain *c, int first, int lane, int accumulator);

#endif
