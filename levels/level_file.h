/* level_file.h - the files of a level, in its folder RUN/level-I:
 *
 *     unet/                the EMA weights as a UNet2DModel folder; the level's facts in the metadata
 *     state.safetensors    all that is needed to go on: values, moments, EMA, counters, facts, measured
 * choices
 *
 * Each file is replaced at once. They are written in the order unet, state: the state decides what
 * is true, and a crash between the two leaves a state that goes on from a little earlier.
 */
#ifndef PYR_LEVELS_LEVEL_FILE_H
#define PYR_LEVELS_LEVEL_FILE_H

#include "graph/train.h"
#include "levels/level.h"

typedef struct pyr_progress {
    pyr_train_state train;
    int64_t steps; /* in all, once a duration has been turned into steps */
    uint64_t seed;
    pyr_step_state last; /* of the optimizer */
    pyr_type activation; /* PYR_BF16 in mixed precision, PYR_F32 otherwise */
} pyr_progress;

/* PYR_E_NUMERIC, and nothing is written, when a number of the state is not finite. */
pyr_status pyr_level_save(const char *folder, const pyr_level *level, const pyr_params *params,
                          const pyr_optimizer *optimizer, const pyr_progress *progress);

/* The state back into an optimizer of the same parameters; *facts are those of the file. */
pyr_status pyr_level_restore(const char *folder, pyr_level_facts *facts, const pyr_params *params,
                             pyr_optimizer *optimizer, pyr_progress *progress);

bool pyr_level_has_state(const char *folder);
/* Only progress and facts; and the measured choices of the run into `tuning`, unless that is NULL. */
pyr_status pyr_level_peek(const char *folder, pyr_level_facts *facts, pyr_progress *progress,
                          pyr_tuning *tuning);
/* The measured choices alone; nothing happens when there is no state. */
pyr_status pyr_level_choices(const char *folder, pyr_tuning *tuning);

/* Open FOLDER/unet: configuration and facts of a trained level. */
pyr_status pyr_level_open_unet(const char *folder, pyr_unet_files *files, pyr_unet_config *config,
                               pyr_level_facts *facts);

#endif
