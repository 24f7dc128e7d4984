/* run.h - the directory of a run, and its manifest.
 *
 *     runs/NAME/pyrdiff.cfg      the resolved configuration: what the run is
 *     runs/NAME/level-I/         a level: unet/, state.safetensors, log.jsonl, lock, snapshots
 *     runs/NAME/shared/          the one state of all levels, when they share a network's trunk
 *     runs/NAME/samples/         pictures
 *
 * Levels are trained by any number of processes at any time; each holds the lock of its level. */
#ifndef PYR_CASCADE_RUN_H
#define PYR_CASCADE_RUN_H

#include "images/data_settings.h"
#include "levels/level.h"
#include "network/unet_find.h"
#include "pyramid/pyramid.h"

typedef struct pyr_train_settings {
    int64_t seed;
    pyr_duration duration;
    int64_t checkpoint, status, held_out, snapshot; /* every so many images; 0: a tenth of the run
                        (status: a hundredth; snapshot: only at the end); negative: never */
} pyr_train_settings;

/* Training all levels together, with the sum of their losses; see trainer.h. */
typedef struct pyr_cascade_settings {
    bool joint;
    pyr_reals weights; /* coarsest first; none: all 1 */
    bool share;
    int condition; /* pyr_cascade_condition */
    double estimate_probability;
    bool stop_gradient;
    int clip; /* pyr_cascade_clip */
    double freeze_when_flat;
} pyr_cascade_settings;

typedef enum pyr_cascade_condition { PYR_CASCADE_DATA, PYR_CASCADE_ESTIMATE } pyr_cascade_condition;
typedef enum pyr_cascade_clip { PYR_CLIP_LEVEL, PYR_CLIP_ALL } pyr_cascade_clip;

/* All sections, in the order of files and help, ended by NULL: for pyr_settings_new. */
extern const pyr_section *const pyr_all_sections[];

/* A configuration, taken out of settings. Texts belong to the settings. */
typedef struct pyr_config {
    pyr_data_config data;
    pyr_pyramid_settings pyramid;
    pyr_train_settings train;
    pyr_cascade_settings cascade;
    pyr_level_settings level[PYR_MAX_LEVELS];
} pyr_config;

/* PYR_E_CONFIG when levels beyond the pyramid's are mentioned, or values contradict. */
pyr_status pyr_config_get(pyr_config *out, const pyr_settings *settings);

/* "RUN/level-I", a new block. PYR_E_NOMEM: *out is NULL. */
pyr_status pyr_run_level(char **out, const char *run, int level);
#define PYR_RUN_SHARED "shared" /* in RUN, where a cascade with one trunk keeps its state */
/* In RUN, the file that is there while a cascade's states change places (trainer_commit.c). */
#define PYR_RUN_COMMIT "states-change-places"

/* Read RUN/pyrdiff.cfg; the caller frees *out. PYR_E_IO with a sentence on what a run is. */
pyr_status pyr_run_settings(pyr_settings **out, const char *run);
/* Whether a run is there. PYR_E_IO when that cannot be found out. */
pyr_status pyr_run_exists(bool *there, const char *run);

/* Whether level I of the run has weights to draw from, those of a checkpoint or final ones. PYR_E_IO when
 * that cannot be found out. */
pyr_status pyr_run_has_level(bool *there, const char *run, int level);
/* PYR_E_IO when it has none, with the command that trains it, and the one that draws a level that is
 * there. */
pyr_status pyr_run_check_trained(const char *run, int level);

/* The files of a level of a run that is trained: configuration and facts. Failures of pyr_run_check_trained and
 * pyr_level_open_unet. The caller frees *files, on failure too. */
pyr_status pyr_run_open_level(const char *run, int level, pyr_unet_files *files, pyr_unet_config *unet,
                              pyr_level_facts *facts);

/* Defaults that were others when levels of the run began: `config`, made of `settings`, gets the run's own where nobody has
 * set them. (level.groups was 4 until it could be chosen.) */
pyr_status pyr_run_keep_defaults(pyr_config *config, const char *run, const pyr_settings *settings);

/* Take `level` for training: its folder, its lock (the caller gives *lock to pyr_unlock; -1 on failure), and
 * the run's manifest. That is written, or compared with `settings` when a level has begun already, here or
 * in another process: what all levels share and what `level` has begun with must not change. What differs
 * in levels that have not begun is written into the manifest. Waits while another process does the same.
 * PYR_E_BUSY when another process has the level, PYR_E_CONFIG names the keys that differ, PYR_E_IO. */
pyr_status pyr_run_begin(int *lock, const char *run, const pyr_settings *settings, int level);

/* Whether pyr_run_begin would take these settings for `level` (-1: for all levels), called before anything is
 * trained: nothing is locked or written. PYR_E_CONFIG names the keys that differ from those of what has
 * begun. */
pyr_status pyr_run_check(const char *run, const pyr_settings *settings, int level);

/* Whether all levels that the run has, and keeps when `level` (-1: all of them) is trained, are of the data
 * set with this fingerprint; `data` is its name. kept[i]: level i has something already; a level that is to
 * be trained and has no state yet does not count. PYR_E_CONFIG names the first that is not, both fingerprints
 * and what to do. */
pyr_status pyr_run_same_data(const char *run, int levels, int level, const char *data, uint64_t fingerprint,
                             bool kept[PYR_MAX_LEVELS]);

#endif
