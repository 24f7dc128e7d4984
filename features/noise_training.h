/* noise_training.h - train the classifier of a level's noised variable (levels/noise_classifier.h) for a run.
 *
 * Minimised is the mean of -log p(y | x, s, c), with x = z + s eps of the level's variable, log s uniform between the ends
 * of the level's sampling, and the coarser image of the same image as condition, with noise up to level.augmentation on it
 * as in the level's own training. The result stands in the level's folder. */
#ifndef PYR_FEATURES_NOISE_TRAINING_H
#define PYR_FEATURES_NOISE_TRAINING_H

#include "cascade/run.h"
#include "graph/step_loop.h"

/* Noise levels at which the held-out images are classified. */
enum { PYR_NOISES_MEASURED = 6 };
extern const double pyr_noises_measured[PYR_NOISES_MEASURED];

typedef struct pyr_noise_training_result {
    int64_t held_out; /* images, at most 1024; 0: none are held out, or without labels */
    double accuracy[PYR_NOISES_MEASURED], cross_entropy[PYR_NOISES_MEASURED]; /* nats */
    uint64_t hash;                                                            /* of the weights */
    int64_t steps;
    double seconds;
} pyr_noise_training_result;

typedef struct pyr_noise_training_job {
    pyr_kernels *k; /* borrowed, as all of this */
    const char *run;
    const pyr_config *config;
    int level;
    const pyr_dataset *data; /* with labels; that of the run */
    pyr_duration duration;
    uint64_t seed;
    int batch;
    double learning_rate; /* the highest */
    void (*on_report)(void *ctx, const pyr_train_report *report, bool brief);
    bool (*should_stop)(void *ctx);
    void *ctx;
} pyr_noise_training_job;

/* Whether the run has the levels, and the data are the run's and have classes: before time is spent. PYR_E_ARG,
 * PYR_E_CONFIG, failures of pyr_run_open_level. */
pyr_status pyr_noise_training_check(const pyr_noise_training_job *job);
/* Train, write, measure what was written. PYR_E_STOPPED: nothing is written. */
pyr_status pyr_noise_training(pyr_noise_training_result *out, const pyr_noise_training_job *job);

#endif
