/* trainer_internal.h - what the files of the trainer share; for trainer*.c alone. */
#ifndef PYR_TRAINING_TRAINER_INTERNAL_H
#define PYR_TRAINING_TRAINER_INTERNAL_H

#include "training/batch_step.h"
#include "training/estimate_chain.h"
#include "training/trainer.h"

struct pyr_trainer {
    pyr_trainer_job job;
    pyr_kernels *k;
    int n;       /* levels */
    bool shared; /* one block, and one state, for all */
    bool resumed;
    bool moved; /* steps were timed: it is to begin anew */
    pyr_train_level level[PYR_MAX_LEVELS];
    pyr_train_block block[PYR_MAX_LEVELS]; /* of each level; the first one for all when shared */
    pyr_chain *chain;                      /* condition estimate; or NULL */
    pyr_batch_step step;
    size_t draws_at[PYR_MAX_LEVELS]; /* among the inputs of a step; the images are at 0 */
    pyr_train_plan plan;             /* of the loop: that of the finest level that is trained */
    pyr_train_state state;
    double peak; /* GFLOP/s of the machine, when the run has begun; NAN: not known */
};

/* The step of the levels, when their optimizers are there; its result; why its loss was not finite
 * (graph/step_loop.h). ctx is the pyr_trainer. trainer_step.c */
pyr_status pyr_trainer_make_step(pyr_trainer *t);
pyr_status pyr_trainer_step(void *ctx, int64_t number, pyr_train_step *out);
pyr_status pyr_trainer_step_result(void *ctx, int64_t number, pyr_train_step *out);
const char *pyr_trainer_explain(void *ctx, int64_t number);

/* Whether there are states to go on from, and from them what planning depends on: facts, precision,
 * measured choices. trainer_state.c */
pyr_status pyr_trainer_look_at_states(pyr_trainer *t);
/* The states into optimizers and counters. */
pyr_status pyr_trainer_resume(pyr_trainer *t);
/* Write the weights of all levels, then the states. ctx is the pyr_trainer. */
pyr_status pyr_trainer_checkpoint(void *ctx, const pyr_train_state *state);
const char *pyr_trainer_state_folder(const pyr_trainer_job *job, int at);

/* The states of all levels change at once: those of the checkpoint of step `step`. trainer_commit.c */
pyr_status pyr_trainer_commit(pyr_trainer *t, int64_t step);

/* The number of steps into the counters; a time is measured out. trainer_duration.c */
pyr_status pyr_trainer_count_steps(pyr_trainer *t);
pyr_status pyr_trainer_same_duration(const pyr_trainer_job *job, int at, const pyr_progress *progress);

/* After a level's held-out loss has been measured: freeze it when that is flat. trainer_freeze.c */
void pyr_trainer_consider_freezing(pyr_trainer *t, pyr_train_level *l, const pyr_train_report *now,
                                   const pyr_held_out *held_out);

#endif
