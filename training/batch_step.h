/* batch_step.h - one step of training: the losses of all networks of a set on one batch, their gradients, the
 * updates.
 *
 * The host's part puts what differs from step to step into one block (graph/step_io.h); the backend's part is
 * the same calls each time, until a network is frozen. */
#ifndef PYR_TRAINING_BATCH_STEP_H
#define PYR_TRAINING_BATCH_STEP_H

#include "graph/step_io.h"
#include "training/learner.h"

enum { PYR_MOST_LEARNERS = PYR_MOST_OUTPUTS - 1 };

typedef struct pyr_batch_step {
    pyr_kernels *k; /* borrowed, as all pointers up to ctx */
    int n;
    pyr_learner *learner[PYR_MOST_LEARNERS];
    bool shared;     /* all have one optimizer; its loss is the weighted sum of theirs */
    bool join_norms; /* the clip bounds the norm of all gradients together */
    size_t input_bytes;
    /* The host's part: input_bytes of inputs of step `number`. */
    pyr_status (*prepare)(void *ctx, int64_t number, char *inputs);
    /* The backend's part, before the learners'. NULL: none. */
    pyr_status (*begin)(void *ctx);
    /* In place of each learner's own: the piece of them all that begins with image `first`; they divide the batch
     * alike. NULL: none. */
    pyr_status (*piece)(void *ctx, int first, int lane, int accumulator);
    void *ctx;

    pyr_step_io io;   /* in: a pyr_step_input for each learner, the inputs; out: losses if shared, states */
    char *inputs;     /* of the step that runs; backend memory */
    float *loss;      /* [n], if shared: means, not weighted; backend memory */
    int64_t computed; /* the step whose losses are kept; -1: none */
} pyr_batch_step;

/* The rest of one whose fields up to ctx are set, when the optimizers are there. The caller frees it, on
 * failure too. */
pyr_status pyr_batch_step_new(pyr_batch_step *s);
void pyr_batch_step_free(pyr_batch_step *s); /* no-op on {0} */
size_t pyr_batch_step_bytes(const pyr_batch_step *s);

/* Step `number` with its update; the outcome of the oldest step that has not been read: of each learner
 * that is not frozen (each NULL: not wanted), and of all. At most k->backend->ahead steps may be without a result. */
pyr_status pyr_batch_step_run(pyr_batch_step *s, int64_t number);
pyr_status pyr_batch_step_result(pyr_batch_step *s, pyr_train_step *each, pyr_train_step *all);

/* Gradient and losses of step `number`, without an update. */
pyr_status pyr_batch_step_gradient(pyr_batch_step *s, int64_t number);

/* Seconds per step, as pyr_train_time. The weights stay, but the plans are lost, and moments, EMA and the
 * optimizers' counters are no longer those of a beginning. */
pyr_status pyr_batch_step_time(pyr_batch_step *s, double at_least_seconds, double *seconds_per_step);

#endif
