/* joint_internal.h - what the files of joint training share; for joint*.c alone. */
#ifndef PYR_TRAINING_JOINT_INTERNAL_H
#define PYR_TRAINING_JOINT_INTERNAL_H

#include "graph/step_io.h"
#include "training/chain.h"
#include "training/joint.h"

/* What happened at a level since its last line in the log. */
typedef struct pyr_joint_window {
    double loss;
    int64_t steps;
    pyr_train_step last;
} pyr_joint_window;

struct pyr_joint {
    pyr_kernels *k;
    const pyr_config *config;
    const pyr_cascade_settings *set;
    int levels, batch;
    pyr_level_job job[PYR_MAX_LEVELS];
    pyr_level_part part[PYR_MAX_LEVELS];
    pyr_level_trainer *t[PYR_MAX_LEVELS];
    const char *shared_folder, *commit;
    pyr_params params; /* shared */
    pyr_optimizer optimizer;
    void *variable[PYR_MAX_LEVELS], *condition[PYR_MAX_LEVELS]; /* of the batch */
    pyr_feed feed;
    pyr_chain *chain; /* condition estimate */
    pyr_step_io io;   /* there: what each optimizer is told, images, draws; back: pyr_joint_result */
    size_t images_at, draws_at[PYR_MAX_LEVELS];
    float *loss; /* [levels]: means of the levels' losses, not weighted; backend memory */
    bool resumed;
    int64_t computed; /* the step whose losses are kept; -1: none */
    pyr_train_plan plan;
    pyr_train_state state;
    pyr_joint_window window[PYR_MAX_LEVELS];
};

static inline pyr_progress *pyr_joint_counters(pyr_joint *j, int level)
{
    return pyr_level_trainer_counters(j->t[level]);
}

static inline bool pyr_joint_active(pyr_joint *j, int level)
{
    return !pyr_joint_counters(j, level)->frozen;
}

static inline const pyr_level_settings *pyr_joint_settings(const pyr_joint *j, int level)
{
    return &j->config->level[level];
}

/* As the trainer has them: a device takes a batch at once. */
static inline int pyr_joint_groups(const pyr_joint *j, int level)
{
    return pyr_level_trainer_level(j->t[level])->settings.groups;
}

/* What comes back from a step. */
typedef struct pyr_joint_result {
    float loss[PYR_MAX_LEVELS];
    pyr_step_state state[PYR_MAX_LEVELS]; /* of each optimizer; a shared one has the first */
} pyr_joint_result;

/* Blocks for what goes to a step and comes back; when everything else is there. joint_step.c */
pyr_status pyr_joint_allocate_io(pyr_joint *j);
/* A step of the loop, what came of it, and why its loss was not finite (graph/step_loop.h); ctx is the
 * pyr_joint. */
pyr_status pyr_joint_step(void *ctx, int64_t number, pyr_train_step *out);
pyr_status pyr_joint_step_result(void *ctx, int64_t number, pyr_train_step *out);
const char *pyr_joint_explain(void *ctx, int64_t number);
/* w_i of the sum of losses. */
double pyr_joint_weight(const pyr_joint *j, int level);

/* The states of all levels change at once: those of the checkpoint of step `step`. joint_commit.c */
pyr_status pyr_joint_save_states(pyr_joint *j, int64_t step);

/* After a level's held-out loss has been measured: freeze it when that is flat. joint_freeze.c */
void pyr_joint_consider_freezing(pyr_joint *j, int level, const pyr_train_report *now,
                                 const pyr_held_out *held_out);

#endif
