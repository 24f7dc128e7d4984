/* level_train.h - training one level by itself, on real coarse images. */
#ifndef PYR_LEVELS_LEVEL_TRAIN_H
#define PYR_LEVELS_LEVEL_TRAIN_H

#include "levels/level_file.h"
#include "levels/loss.h"

enum { PYR_NOISE_BINS = 8 };

/* Loss on held-out images with noise that never changes: the mean, and by noise level (bins of equal
 * probability in training, from the lowest noise up). */
typedef struct pyr_held_out {
    int images; /* 0: not measured */
    double ema, raw;
    double bin[PYR_NOISE_BINS], bin_sigma[PYR_NOISE_BINS]; /* of the EMA; the bins' middle sigma */
} pyr_held_out;

typedef struct pyr_level_report {
    int level;
    bool brief; /* only to move a progress bar */
    pyr_train_report train;
    pyr_held_out held_out;
} pyr_level_report;

typedef struct pyr_level_job {
    pyr_kernels *k; /* borrowed, all of them, until the trainer is freed */
    const pyr_dataset *data;
    const pyr_pyramid *pyramid;
    const char *folder;   /* RUN/level-I; exists */
    const char *transfer; /* start from the weights in this level's folder; NULL: from scratch */
    uint64_t seed;
    bool xflip;
    pyr_duration duration; /* of this level */
    int64_t checkpoint, report, held_out,
        snapshot; /* every so many images; 0: a tenth of the run (report: a
                     hundredth; snapshot: only at the end); negative: never */
    void (*on_report)(void *ctx, const pyr_level_report *report); /* NULL: none */
    void (*on_note)(void *ctx, const char *line);                 /* NULL: none */
    void *ctx;
} pyr_level_job;

typedef struct pyr_level_trainer pyr_level_trainer;

/* Plan everything. With `resume`, the state in the folder is read. Nothing is measured yet. */
pyr_status pyr_level_trainer_new(pyr_level_trainer **out, const pyr_level_job *job,
                                 const pyr_level_settings *settings, int index);
void pyr_level_trainer_free(pyr_level_trainer *t);

typedef struct pyr_level_memory {
    size_t parameters;   /* numbers in the network */
    size_t blocks;       /* bytes: values, gradient, moments, EMA */
    size_t activations;  /* bytes: all lanes */
    size_t accumulators; /* bytes, with packed weights */
    size_t feed;         /* bytes: images on their way */
    size_t held_out;     /* bytes, while the held-out loss is measured or a snapshot is drawn */
    size_t total;        /* the largest sum at one time, without the data set */
    int micro_batch, lanes;
    double flop; /* forward, one image */
} pyr_level_memory;

pyr_status pyr_level_trainer_memory(pyr_level_trainer *t, pyr_level_memory *out);

/* Train to the end. PYR_E_STOPPED after a checkpoint when a stop was requested. */
pyr_status pyr_level_trainer_run(pyr_level_trainer *t);

/* Run `steps` steps that leave no trace (for measuring speed); seconds of the fastest half, per step. */
pyr_status pyr_level_trainer_time(pyr_level_trainer *t, double at_least_seconds, double *seconds_per_step);

const pyr_level *pyr_level_trainer_level(const pyr_level_trainer *t);
bool pyr_level_trainer_finished(const pyr_level_trainer *t);

/* Gradient of step `step` into the optimizer, without an update; for tests. Borrowed optimizer. */
pyr_status pyr_level_trainer_gradient(pyr_level_trainer *t, int64_t step, double *loss,
                                      pyr_optimizer **optimizer, const pyr_params **params);

#endif
