/* trainer.h - training a set of levels: one level independently, or all levels of a pyramid together.
 *
 * A set of one learns from real coarse images. In a cascade a step takes one batch, builds its pyramid once,
 * and lowers the sum over the levels of w_i L_i, each L_i the level's denoising score matching loss at a noise
 * level of its own (loss.h). How the levels depend on each other:
 *
 * - share: one parameter block, a trunk for all levels, with a level embedding.
 *
 * - condition data: l_i = u_i(I_{i+1}) of the real coarse image. With networks of their own the levels are
 *   independent: each learns, to the bit, what it would learn in a set of one.
 *
 * - condition estimate: l_i = u_i(J_{i+1}) with J_k = D_k and J_i = l_i + D_i in image units, the coarser
 *   levels' own denoised images at their current noise levels. Gradients of L_i pass through u_i into the
 *   networks of the coarser levels (end to end), unless stop_gradient is set.
 *
 * The files are the same for every kind of set.
 *
 * What is decided for all levels has one place each; several processes that train one set would meet there:
 *
 *     gradients are summed          collect() in batch_step.c
 *     a step is left out            update() in batch_step.c, between the norms and the updates
 *     to stop                       should_stop() in trainer.c, called once a step by graph/step_loop.c
 *     to freeze a level             trainer_freeze.c, by the held-out loss
 *     who writes checkpoints        pyr_trainer_checkpoint() in trainer_state.c
 *     who writes logs, snapshots    report() and snapshot() in trainer.c */
#ifndef PYR_TRAINING_TRAINER_H
#define PYR_TRAINING_TRAINER_H

#include "training/train_level.h"

typedef struct pyr_trainer pyr_trainer;

/* Whether the settings can go together; before anything is written. PYR_E_CONFIG, PYR_E_UNSUPPORTED. */
pyr_status pyr_trainer_check(const pyr_trainer_job *job);

/* Finish or undo what a process was about when it, or the power, ended while it saved a cascade; before
 * anything is read. PYR_E_FORMAT when the levels have no common checkpoint, PYR_E_IO; then nothing is
 * changed. */
pyr_status pyr_trainer_recover(const pyr_trainer_job *job);

/* Whether all levels are finished; *steps then are those of the longest; 0: the set was not begun. PYR_E_CONFIG when the job's duration, in images or epochs, is not the number of steps that the
 * set was begun for; one in seconds is never compared: it was measured out once. */
pyr_status pyr_trainer_finished(const pyr_trainer_job *job, bool *finished, int64_t *steps);

/* Plan all levels. When the folders hold states, they are read and training will go on from there;
 * PYR_E_CONFIG or PYR_E_FORMAT when they are not of this job, were not trained together, or are damaged. Else
 * the levels' statistics are measured and their weights initialised, or read from their `transfer`. Nothing is
 * written yet. The job is copied, what it points to is borrowed. */
pyr_status pyr_trainer_new(pyr_trainer **out, const pyr_trainer_job *job);
void pyr_trainer_free(pyr_trainer *t); /* NULL is a no-op */

/* Entry `at` of the job; borrowed until the trainer is freed. */
pyr_train_level *pyr_trainer_level(pyr_trainer *t, int at);
pyr_status pyr_trainer_describe(pyr_trainer *t, int at, pyr_level_summary *out);

/* Train to the end. PYR_E_STOPPED after a checkpoint when should_stop returned true; PYR_E_NUMERIC when steps are
 * not finite again and again, PYR_E_IO when files cannot be written: the last checkpoint stays. */
pyr_status pyr_trainer_run(pyr_trainer *t);

/* Seconds per step, the mean of the fastest half of 4 to 200 steps, which run for about that long. Only
 * before a run begins (PYR_E_ARG for one that goes on): the steps write nothing, but leave gradient, moments,
 * EMA and counters changed, which pyr_trainer_run sets up again. */
pyr_status pyr_trainer_time(pyr_trainer *t, double at_least_seconds, double *seconds_per_step);

/* Gradient of step `step` into the optimizers, without an update, and the weighted loss of the levels that are
 * trained; for tests and benchmarks. */
pyr_status pyr_trainer_gradient(pyr_trainer *t, int64_t step, double *loss);

#endif
