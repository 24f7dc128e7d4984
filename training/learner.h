/* learner.h - a network in training: the gradient of its mean loss over a batch.
 *
 * A batch is cut into micro-batches, which the `groups` accumulators share: accumulator g takes micro-batches
 * g, g + groups, ... in this order, on whichever lane. So the order of sums, and with it the last bit, depends
 * on batch, micro-batch and groups, never on the number of threads. */
#ifndef PYR_TRAINING_LEARNER_H
#define PYR_TRAINING_LEARNER_H

#include "graph/graph.h"
#include "graph/step_loop.h"

typedef struct pyr_learner {
    pyr_kernels *k;           /* borrowed, as all pointers up to ctx */
    pyr_graph *g;             /* of micro_batch images, with `groups` accumulators */
    pyr_value loss;           /* in the graph: of each image */
    pyr_optimizer *optimizer; /* networks that share a trunk share it, too */
    int batch, micro_batch, groups;
    double weight; /* of the mean loss in the sum that is minimised */
    /* Images first .. first + n - 1 of the batch into the lane's inputs. */
    void (*load)(void *ctx, int lane, int first, int n);
    void *ctx;
    bool frozen;         /* trained no more: steps leave it out */
    pyr_train_plan plan; /* of its learning rate, EMA and clip; zeros until the run begins */
    void *losses;        /* [batch], of the current step; backend memory, as seeds */
    void *seeds;         /* [micro_batch]: derivative of the sum by an image's loss, weight / batch */
    double *host_losses; /* [batch] */
} pyr_learner;

/* Memory for one whose fields up to ctx are set. The caller frees it, on failure too. */
pyr_status pyr_learner_allocate(pyr_learner *l);
void pyr_learner_free(pyr_learner *l); /* no-op on {0} */

/* Of the n images from `first` that a lane has loaded: their losses are kept. */
pyr_status pyr_learner_forward(pyr_learner *l, int lane, int first, int n);
/* Their gradient is added to a group's accumulator, which was cleared before. */
pyr_status pyr_learner_backward(pyr_learner *l, int lane, int group);
/* All of that for the micro-batches of one group. The graph is packed before (pyr_graph_pack). */
pyr_status pyr_learner_group(pyr_learner *l, int group, int lane);

/* The losses into host_losses; *mean is not weighted. Waits for them. */
pyr_status pyr_learner_losses(pyr_learner *l, double *mean);

#endif
