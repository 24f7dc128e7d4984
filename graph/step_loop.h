/* step_loop.h - the loop over steps: rate, finite check, cadence of checkpoints and reports, stops.
 *
 * The step itself is a callback, so that a level, a cascade and a classifier train in the same loop. */
#ifndef PYR_GRAPH_STEP_LOOP_H
#define PYR_GRAPH_STEP_LOOP_H

#include "graph/optimizer.h"

typedef enum pyr_rate { PYR_RATE_COSINE, PYR_RATE_CONSTANT } pyr_rate;
extern const char *const pyr_rate_names[]; /* "cosine", "constant" */

/* A plan whose number of steps changed at `step`, where `done` of the whole was done: the rate's course goes
 * on from there. {0}: it never did. */
typedef struct pyr_train_bend {
    int64_t step;
    double done;
} pyr_train_bend;

typedef struct pyr_train_plan {
    int batch;            /* images per step */
    int64_t steps;        /* in all */
    double learning_rate; /* the highest */
    pyr_rate rate;        /* cosine: from there to zero at the end; after the warm-up */
    int64_t warmup;       /* steps of linear rise */
    double clip, ema_window;
    double ema_momentum; /* > 0: of the EMA, the same at every step, and ema_window is not read */
    int64_t checkpoint, report, evaluate, snapshot; /* every so many images; 0: never.
                         Checkpoint and snapshot (unless NULL) are also due at the end */
    int most_skipped; /* steps in a row that may be skipped before the run stops */
    pyr_train_bend bend;
} pyr_train_plan;

/* What is kept in a checkpoint besides the blocks. */
typedef struct pyr_train_state {
    int64_t step;    /* steps done */
    int64_t skipped; /* of them, how many were not applied */
    double seconds;  /* of training, over all sessions */
} pyr_train_state;

typedef struct pyr_train_report {
    int64_t step, steps, skipped;
    double loss; /* mean over the steps since the last report */
    double grad_norm, learning_rate;
    double images_per_s; /* since the last report, pauses left out */
    double seconds;      /* of training, over all sessions */
    bool evaluate;       /* the held-out loss is due */
    bool last;
} pyr_train_report;

/* What came of a step. */
typedef struct pyr_train_step {
    double loss;  /* mean over the batch */
    bool skipped; /* loss or gradient was not finite, and nothing was updated */
    double grad_norm, learning_rate;
} pyr_train_step;

typedef struct pyr_train_calls {
    void *ctx;
    /* Gradient and update for step `step` (from 0); the rate is pyr_train_rate(plan, step). *out is what came
     * of it, unless there is `result`: then it is left alone. */
    pyr_status (*step)(void *ctx, int64_t step, pyr_train_step *out);
    /* What came of step `step`: called once for each step, in order, at the latest when `ahead` more were
     * begun, and for all steps before a checkpoint, a snapshot, a report that is not brief, and the end.
     * NULL: step fills *out. */
    pyr_status (*result)(void *ctx, int64_t step, pyr_train_step *out);
    int ahead; /* pyr_kernels.ahead */
    /* Save all that resuming needs. NULL: nothing is kept. */
    pyr_status (*checkpoint)(void *ctx, const pyr_train_state *state);
    /* A line for log and terminal; called often enough to move a progress bar when `brief`. NULL: none. */
    pyr_status (*report)(void *ctx, const pyr_train_report *report, bool brief);
    /* NULL: none. One that was due when a run was stopped is drawn when it goes on. */
    pyr_status (*snapshot)(void *ctx, int64_t step);
    /* Words for a step that is not finite: where to look. Later steps may have been begun. Returns a borrowed
     * text. */
    const char *(*explain)(void *ctx, int64_t step);
    /* Whether to end after this step; called once for each step. NULL: never. */
    bool (*should_stop)(void *ctx);
} pyr_train_calls;

double pyr_train_done(const pyr_train_plan *plan, int64_t step); /* 0..1 of the whole course */
double pyr_train_rate(const pyr_train_plan *plan, int64_t step);

/* The inputs of step `step`, and its outcome by the optimizer's state after it. */
pyr_step_input pyr_train_input(const pyr_train_plan *plan, int64_t step);
pyr_train_step pyr_train_outcome(const pyr_step_state *after);
/* Gradient in, update done: what a step callback without `result` ends with. */
pyr_status pyr_train_update(pyr_train_step *out, pyr_optimizer *optimizer, const pyr_train_plan *plan,
                            int64_t step, double loss);

/* Run until the end (PYR_OK), should_stop (PYR_E_STOPPED, after a checkpoint), or a failure.
 * `state` goes on from where it stands. most_skipped steps in a row that are not finite: PYR_E_NUMERIC, and
 * no checkpoint is written. `plan` is read again at every step: `report` may change its number of steps. */
pyr_status pyr_train_run(const pyr_train_plan *plan, const pyr_train_calls *calls, pyr_train_state *state);

/* Seconds per step, the mean of the fastest half of 4 to 200 steps (numbered from 0), which run for about
 * that long, with `ahead` of them under way. All are finished when it returns. */
pyr_status pyr_train_time(const pyr_train_calls *calls, double at_least_seconds, double *seconds_per_step);

#endif
