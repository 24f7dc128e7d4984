/* joint.h - training all levels of a run together.
 *
 * A step takes one batch, builds its pyramid once, and lowers the sum over the levels of w_i L_i, each L_i
 * the level's denoising score matching loss at a noise level of its own (loss.h). What the levels are to each
 * other:
 *
 * - share: one parameter block, a trunk for all levels, with a level embedding.
 *
 * - condition data: l_i = u_i(I_{i+1}) of the real coarse image. With networks of their own the levels do not
 *   touch, and each learns exactly what it would learn by itself.
 *
 * - condition estimate: l_i = u_i(J_{i+1}) with J_k = D_k and J_i = l_i + D_i in image units, the coarser
 *   levels' own denoised images at their current noise levels. Gradients of L_i pass through u_i into the
 *   networks of the coarser levels (end to end), unless stop_gradient is set.
 *
 * The result is the same run directory as that of levels trained one by one. */
#ifndef PYR_TRAINING_JOINT_H
#define PYR_TRAINING_JOINT_H

#include "cascade/run.h"
#include "training/level_train.h"

typedef struct pyr_joint_job {
    const pyr_config *config;
    const pyr_level_job *level; /* [levels], all with one duration: images or epochs are those of each level,
                                   seconds a level's share of the whole. Copied; what it points to is
                                   borrowed. on_report of level[0] gets lines of the whole, with level -1 */
    const char *shared_folder;  /* of the one state, when config->cascade.share; exists */
    const char *commit;         /* path of a file that is there while states change places */
} pyr_joint_job;

typedef struct pyr_joint pyr_joint;

/* Whether the settings can go together; before anything is written. PYR_E_CONFIG, PYR_E_UNSUPPORTED. */
pyr_status pyr_joint_check(const pyr_config *config, const pyr_pyramid *pyramid);

/* Plan all levels, and begin or go on as the folders say. PYR_E_CONFIG for settings that contradict, a state
 * that is not of this job, or levels that were not trained together; PYR_E_FORMAT for a damaged one. The
 * job's config and texts are borrowed until it is freed. */
pyr_status pyr_joint_new(pyr_joint **out, const pyr_joint_job *job);
void pyr_joint_free(pyr_joint *j); /* NULL is a no-op */

pyr_level_trainer *pyr_joint_level(pyr_joint *j, int level); /* borrowed */
/* Of that level; what all share is counted at level 0. */
pyr_status pyr_joint_memory(pyr_joint *j, int level, pyr_level_memory *out);

/* To the end, as pyr_level_trainer_run. */
pyr_status pyr_joint_run(pyr_joint *j);

/* Whether all levels of a run are finished; *steps then are those of the longest, otherwise 0 says that it
 * was not begun. PYR_E_CONFIG when the job's duration is not the one that it was begun with. */
pyr_status pyr_joint_finished(const pyr_joint_job *job, bool *finished, int64_t *steps);

/* Finish or undo what a process was about when it, or the power, ended while it saved; before anything is
 * read. PYR_E_FORMAT when the levels have no common checkpoint, PYR_E_IO; then nothing is changed. */
pyr_status pyr_joint_recover(const pyr_joint_job *job);

/* Gradient of step `step` into the optimizers, without an update, and the weighted loss of the active
 * levels. */
pyr_status pyr_joint_gradient(pyr_joint *j, int64_t step, double *loss);
/* Values and gradient of a level: its own blocks, or the shared ones. Borrowed. */
pyr_optimizer *pyr_joint_optimizer(pyr_joint *j, int level);
const pyr_params *pyr_joint_params(pyr_joint *j, int level);

#endif
