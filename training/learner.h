/* learner.h - a network in training: the gradient of its mean loss over a batch.
 *
 * A batch is cut into pieces, which a lane takes as a whole, and a piece into parts (graph/graph.h). Gradients of parts
 * are summed as a tree over all parts of the batch (graph/sum_tree.h): the order of sums, and with it the last bit,
 * depends on the batch and the size of a part, never on the number of threads, and neither on the size of pieces.
 *
 * With `groups` above 0, as until 2026, a piece is one part, and as many accumulators share them: accumulator g takes
 * pieces g, g + groups, ... in this order, on whichever lane. Then pieces decide the order, too. */
#ifndef PYR_TRAINING_LEARNER_H
#define PYR_TRAINING_LEARNER_H

#include "graph/graph.h"
#include "graph/step_loop.h"
#include "graph/sum_tree.h"

typedef struct pyr_learner {
    pyr_kernels *k;           /* borrowed, as all pointers up to ctx */
    pyr_graph *g;             /* of micro_batch images, with `accumulators` */
    pyr_value loss;           /* in the graph: of each image */
    pyr_optimizer *optimizer; /* networks that share a trunk share it, too */
    int batch, micro_batch;   /* images of a step, and of a piece */
    int groups, accumulators; /* groups 0: a tree, else both are the same */
    double weight;            /* of the mean loss in the sum that is minimised */
    /* Images first .. first + n - 1 of the batch into the lane's inputs. */
    void (*load)(void *ctx, int lane, int first, int n);
    void *ctx;
    bool frozen;         /* trained no more: steps leave it out */
    pyr_train_plan plan; /* of its learning rate, EMA and clip; zeros until the run begins */
    void *losses;        /* [batch], of the current step; backend memory, as seeds */
    void *seeds;         /* [micro_batch]: derivative of the sum by an image's loss, weight / batch */
    double *host_losses; /* [batch] */
    pyr_sum_tree *tree;  /* NULL: groups */
    pyr_sum_pair *pairs; /* [accumulators]: what is left to add when all pieces are done */
} pyr_learner;

/* Memory for one whose fields up to ctx are set. The caller frees it, on failure too. */
pyr_status pyr_learner_allocate(pyr_learner *l);
void pyr_learner_free(pyr_learner *l); /* no-op on {0} */

/* Of the n images from `first` that a lane has loaded: their losses are kept. */
pyr_status pyr_learner_forward(pyr_learner *l, int lane, int first, int n);
/* Their gradient is added to an accumulator, which was cleared before the first. */
pyr_status pyr_learner_backward(pyr_learner *l, int lane, int accumulator);
/* All of that for the piece that begins with image `first`. The graph is packed before (pyr_graph_pack). */
pyr_status pyr_learner_piece(pyr_learner *l, int first, int lane, int accumulator);

int pyr_learner_pieces(const pyr_learner *l);

/* The losses into host_losses; *mean is not weighted. Waits for them. */
pyr_status pyr_learner_losses(pyr_learner *l, double *mean);

#endif
