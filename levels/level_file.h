/* level_file.h - the files of a level, in its folder RUN/level-I:
 *
 *     unet/                the EMA weights as a UNet2DModel folder; the level's facts in the metadata
 *     state.safetensors    all that is needed to go on: values, moments, EMA, counters, facts, choices
 *
 * Each file is replaced at once. They are written in the order unet, state: the state decides what
 * is true, and a crash between the two leaves a state that goes on from a little earlier. The weights can
 * be made again from the state, and so take no harm that lasts. */
#ifndef PYR_LEVELS_LEVEL_FILE_H
#define PYR_LEVELS_LEVEL_FILE_H

#include "graph/step_loop.h"
#include "levels/level.h"
#include "network/unet_find.h"

#define PYR_AVERAGES_NAME "ema" /* ema/STEP-LENGTH/unet: averages of level.ema_lengths, kept at checkpoints */

typedef struct pyr_progress {
    pyr_train_state train;
    int64_t steps;      /* in all, once a duration has been turned into steps */
    int64_t planned;    /* the same as it was at the beginning: in a cascade levels that are frozen leave time
                           over */
    int64_t checkpoint; /* of a cascade: the step at which the states of all levels were written, also of one
                           that is frozen; 0: not known */
    pyr_train_bend bend; /* of the course of the rate, when `steps` changed */
    bool frozen;         /* trained no more */
    double flat[2];      /* the last two held-out losses, the later first; 0: none yet */
    uint64_t seed;
    pyr_step_state last; /* of the optimizer */
    bool bf16;           /* in mixed precision (PYR_PRECISION_BF16) */
} pyr_progress;

/* PYR_E_NUMERIC when a number of the values, moments or EMA is not finite; asked before anything is written. */
pyr_status pyr_level_check_finite(const pyr_optimizer *optimizer, int level);
pyr_status pyr_level_save_unet(const char *folder, const pyr_level *level, const pyr_params *params,
                               pyr_kernels *k, const void *ema);
/* A cascade writes the states of all levels as `next` first and then lets each take the place of the old one
 * (pyr_level_take_next; nothing happens where there is no next one). Dropping one that is not there is fine. */
pyr_status pyr_level_save_state(const char *folder, bool next, const pyr_level *level,
                                const pyr_params *params, const pyr_optimizer *optimizer,
                                const pyr_progress *progress);
pyr_status pyr_level_take_next(const char *folder);
pyr_status pyr_level_drop_next(const char *folder);

/* The state back into an optimizer of the same parameters; *facts (NULL: not wanted) are those of the file.
 * PYR_E_CONFIG when its averages are of other lengths than the optimizer's. */
pyr_status pyr_level_restore(const char *folder, pyr_level_facts *facts, const pyr_params *params,
                             pyr_optimizer *optimizer, pyr_progress *progress);

/* Whether there is one. PYR_E_IO when that cannot be found out. */
pyr_status pyr_level_has_state(bool *there, const char *folder);
pyr_status pyr_level_has_next(bool *there, const char *folder);
/* Only progress and facts, and the measured choices of the run into `tuning`; each NULL: not wanted. Of the
 * file's checksum the head is looked at. The sentence of PYR_E_FORMAT names what is still good. */
pyr_status pyr_level_peek(const char *folder, pyr_level_facts *facts, pyr_progress *progress,
                          pyr_tuning *tuning);
/* The precision in which a run goes on: the one it was begun in, unless another one is asked for, or `k` does not
 * have it. */
pyr_precision pyr_precision_to_resume(const pyr_kernels *k, const pyr_progress *progress);
/* Progress of the next state, all of whose checksum is looked at. */
pyr_status pyr_level_peek_next(const char *folder, pyr_progress *progress);
/* Only the measured choices; nothing happens when there is no state. */
pyr_status pyr_level_choices(const char *folder, pyr_tuning *tuning);

/* Open FOLDER/unet: configuration and facts of a trained level (its classes: pyr_class_list_read). Checksums
 * are looked at, all of them; The sentence of PYR_E_FORMAT names what is still good. */
pyr_status pyr_level_open_unet(const char *folder, pyr_unet_files *files, pyr_unet_config *config,
                               pyr_level_facts *facts);

/* Only the facts, which the checksum of the head covers: the weights themselves may be damaged. */
pyr_status pyr_level_unet_facts(const char *folder, pyr_level_facts *facts);

/* Whether FOLDER/unet is there and what was written; if not, pyr_error() gives the reason. A status other than
 * PYR_OK: that cannot be found out. */
pyr_status pyr_level_unet_is_whole(bool *whole, const char *folder);
/* The same of the state. */
pyr_status pyr_level_state_is_whole(bool *whole, const char *folder);

#endif
