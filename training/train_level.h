/* train_level.h - one level in training: its images and draws, its loss, its weights, its files. When any of
 * this happens is the trainer's part (trainer.h). */
#ifndef PYR_TRAINING_TRAIN_LEVEL_H
#define PYR_TRAINING_TRAIN_LEVEL_H

#include "levels/level_file.h"
#include "levels/loss.h"
#include "training/learner.h"
#include "training/train_job.h"
#include <stdio.h>

/* Parameters with their values, gradient, moments and EMA: of one level, or of a trunk that all share. */
typedef struct pyr_train_block {
    pyr_params params;
    pyr_optimizer optimizer;
} pyr_train_block;

/* What happened since the last line of the log. */
typedef struct pyr_level_window {
    double loss; /* sum over the steps */
    int64_t steps;
    pyr_train_step last;
} pyr_level_window;

typedef struct pyr_train_level {
    const pyr_trainer_job *job; /* borrowed, as the next one */
    const pyr_level_job *own;
    pyr_level level;
    pyr_class_list classes;
    pyr_level_facts begun; /* of its state, when it goes on */
    pyr_train_block *block;
    pyr_loss loss;
    pyr_parzen parzen; /* of objective explicit */
    pyr_learner learner;
    pyr_feed feed;
    pyr_progress progress;
    pyr_level_window window;
    /* Where the inputs of a step are; backend memory, borrowed. */
    const char *images, *draws; /* of the whole batch, gathered (feed.h), drawn (by micro-batches) */
    void *variable, *condition; /* of the whole batch, which the trainer of several levels makes; or NULL */
    int64_t picked;             /* the step of the following; -1: none */
    int64_t *index;             /* [batch], as flip and labels */
    bool *flip;
    int32_t *labels;
    /* The level's network without the others', out of a shared trunk: for files, held-out loss, snapshots. */
    pyr_params plain_params;
    void *plain_raw, *plain_ema;
    FILE *log;
    char explanation[160];
} pyr_train_level;

/* Facts and settings of entry `at` of the job, statistics left out. The caller frees it, on failure too. */
pyr_status pyr_train_level_init(pyr_train_level *l, const pyr_trainer_job *job, int at);
/* Statistics (those of `begun`, when `resumed`), graph (plan, whose parameters go into block->params) and
 * learner, whose loss weighs `weight`. The optimizer is to be made next. */
pyr_status pyr_train_level_plan(pyr_train_level *l, const pyr_loss_plan *plan, double weight,
                                pyr_train_block *block, bool resumed);
void pyr_train_level_free(pyr_train_level *l); /* no-op on {0} */

/* Facts of entry `at` of the job, with the statistics that its training would measure, before anything is
 * planned. `for_training`: in micro-batches as its training takes them, which decides the order of sums and
 * so their last bit; false: only to see whether there is something to learn. PYR_E_FORMAT when the level is
 * constant. */
pyr_status pyr_train_level_statistics(pyr_level_facts *out, const pyr_trainer_job *job, int at,
                                      bool for_training);

/* A line, as printf makes it, to the job's on_note; without memory for it, none. */
void pyr_train_note(const pyr_trainer_job *job, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The images of a step's batch; borrowed until the next call of this or of pyr_train_level_prepare. */
pyr_pick pyr_train_level_pick(pyr_train_level *l, int64_t step);
/* What is drawn for a step's batch, into host memory of so many bytes. */
size_t pyr_train_level_draw_bytes(const pyr_train_level *l);
void pyr_train_level_prepare(pyr_train_level *l, int64_t step, char *host);

/* When a loss of step `step` is not finite: of which image. Borrowed. */
const char *pyr_train_level_explain(pyr_train_level *l, int64_t step);

pyr_status pyr_train_level_held_out(pyr_train_level *l, pyr_held_out *out);
pyr_status pyr_train_level_snapshot(pyr_train_level *l, int64_t step);
/* The averages of level.ema_lengths as they are after `step` steps. */
pyr_status pyr_train_level_save_averages(pyr_train_level *l, int64_t step);
/* The EMA weights, and before them the log, for good. */
pyr_status pyr_train_level_save_unet(pyr_train_level *l);

/* Of the level, without what a set shares. */
pyr_status pyr_train_level_memory(pyr_train_level *l, pyr_level_memory *out);

#endif
