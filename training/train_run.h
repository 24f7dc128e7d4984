/* train_run.h - train the levels of a run: one after the other, coarsest first, or together (cascade.joint). */
#ifndef PYR_TRAINING_TRAIN_RUN_H
#define PYR_TRAINING_TRAIN_RUN_H

#include "cascade/run.h"
#include "training/train_job.h"

typedef struct pyr_train_job {
    pyr_kernels *k;
    const char *run;              /* directory */
    const char *transfer;         /* another run whose weights to start from, or NULL */
    const pyr_settings *settings; /* of the run */
    pyr_dataset *data;            /* of those settings, when it is open already (borrowed); or NULL */
    int level;                    /* train this one only; -1: all */
    const pyr_duration *duration; /* of `level`; NULL: its share of train.duration */
    void (*on_data)(void *ctx, const char *line);
    void (*on_note)(void *ctx, const char *line);
    void (*on_level)(void *ctx, const pyr_level_summary *level);  /* before its first step */
    void (*on_report)(void *ctx, const pyr_level_report *report); /* of level -1: all levels together */
    bool (*should_stop)(void *ctx); /* called once a step, and before each level; NULL: never */
    void *ctx;
} pyr_train_job;

/* Before anything is trained all levels are looked at: PYR_E_CONFIG when one was begun with other settings,
 * for another duration or on other data, PYR_E_FORMAT when one is the same number everywhere. PYR_OK when all
 * wanted levels are finished (also when they were before; a note says so). PYR_E_STOPPED when should_stop
 * returned true: what was done is saved. PYR_E_BUSY when another process trains the level. */
pyr_status pyr_train(const pyr_train_job *job);

/* What training would need, without doing any of it: calls on_data and on_level only, and looks at the
 * levels, too. `run` "": there is none. */
pyr_status pyr_train_dry(const pyr_train_job *job);

/* The duration of a level: its share of the whole; an equal one when levels train together. */
pyr_duration pyr_level_duration(const pyr_config *config, int level);

/* The data set and pyramid of a configuration. */
typedef struct pyr_experiment {
    pyr_config config;
    pyr_dataset *data;
    pyr_dataset *own; /* the same when it was opened for it, else NULL */
    pyr_pyramid *pyramid;
    pyr_level_facts measured[PYR_MAX_LEVELS]; /* by pyr_train before anything is trained; {0}: not measured */
} pyr_experiment;
/* `k` and `settings` are borrowed until it is closed, and so is `data`, the data set that the settings name;
 * NULL: it is opened. */
pyr_status pyr_experiment_open(pyr_experiment *out, pyr_kernels *k, const pyr_settings *settings,
                               pyr_dataset *data);
void pyr_experiment_close(pyr_experiment *experiment); /* no-op on {0} */

#endif
