/* sum_tree.h - the order in which the gradients of pieces of a batch are added: a tree, whoever computes them.
 *
 *     ((0 + 1) + (2 + 3)) + ((4 + 5) + 6)                     of 7 pieces
 *
 * Lanes take pieces in order, each with a buffer for its sum. Two sums that stand beside each other in the tree are
 * added when buffers run short, by a lane that would have to wait for one; what is left over in the end is for the
 * caller to add, in slices by all lanes. So the sum is the same for any number of lanes and buffers, and buffers are
 * about as many as lanes. */
#ifndef PYR_GRAPH_SUM_TREE_H
#define PYR_GRAPH_SUM_TREE_H

#include "base/status.h"
#include <stdbool.h>

typedef struct pyr_sum_tree pyr_sum_tree;

/* Enough buffers that lanes seldom wait: the lanes' own, and the sums on the way from a piece to the root. */
int pyr_sum_tree_buffers(int pieces, int lanes);

/* `buffers` is at least pyr_sum_tree_buffers(pieces, 1). The caller frees it. */
pyr_status pyr_sum_tree_new(pyr_sum_tree **out, int pieces, int buffers);
void pyr_sum_tree_free(pyr_sum_tree *t); /* NULL is a no-op */

/* A new sum: no piece is taken, all buffers are free. */
void pyr_sum_tree_begin(pyr_sum_tree *t);

/* What a lane does next: with piece >= 0 that piece, whose sum goes into buffer `to`; else buffer `to` += `from`. */
typedef struct pyr_sum_job {
    int piece, to, from;
    int level, index; /* the tree's own */
} pyr_sum_job;

/* False: all pieces are taken, or one has failed. A lane gets a buffer that was its own before, if it can: its memory
 * is near. Waits for buffers. */
bool pyr_sum_tree_take(pyr_sum_tree *t, int lane, pyr_sum_job *job);
void pyr_sum_tree_done(pyr_sum_tree *t, const pyr_sum_job *job);
/* A piece could not be computed: nobody waits any more. */
void pyr_sum_tree_fail(pyr_sum_tree *t);

/* When all pieces are done: the additions that are left, in order, at most buffers - 1 of them; *root is where the sum is
 * then. */
typedef struct pyr_sum_pair {
    int to, from;
} pyr_sum_pair;
int pyr_sum_tree_rest(pyr_sum_tree *t, pyr_sum_pair *pairs, int *root);

#endif
