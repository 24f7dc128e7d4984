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
    double bin[PYR_NOISE_BINS];       /* of the EMA; NAN where there are too few images for the bin */
    double bin_sigma[PYR_NOISE_BINS]; /* the bins' middle sigma */
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
    const char *folder;          /* RUN/level-I; exists */
    const pyr_unet_config *unet; /* this network instead of the settings'; NULL: the settings' */
    const char *transfer;        /* start from the weights in this level's folder; NULL: from scratch */
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

/* Plan everything for level `index`. When the job's folder holds a state, it is read and the run will go on
 * from there; PYR_E_CONFIG or PYR_E_FORMAT when it is not of this job. Else the level's statistics are
 * measured and its weights initialised, or read from job->transfer. Nothing is written yet. */
pyr_status pyr_level_trainer_new(pyr_level_trainer **out, const pyr_level_job *job,
                                 const pyr_level_settings *settings, int index);
void pyr_level_trainer_free(pyr_level_trainer *t); /* NULL is a no-op */

/* Whether the job's duration, in images or epochs, still means the number of steps that the level was begun
 * for; PYR_E_CONFIG with both when not. One in seconds is never compared: it was measured out once. */
pyr_status pyr_level_same_duration(const pyr_level_job *job, const pyr_level_settings *settings, int index,
                                   const pyr_progress *progress);

typedef struct pyr_level_memory {
    size_t parameters;   /* numbers in the network */
    size_t blocks;       /* bytes: values, gradient, moments, EMA */
    size_t activations;  /* bytes: all lanes */
    size_t accumulators; /* bytes, with packed weights */
    size_t feed;         /* bytes: images on their way */
    size_t held_out;     /* bytes, while the held-out loss is measured or a snapshot is drawn */
    size_t library; /* bytes: what the backend's libraries take, measured once (pyr_kernels.library_bytes) */
    size_t total;   /* the largest sum at one time, without the data set */
    int micro_batch, lanes;
    double flop; /* forward, one image */
} pyr_level_memory;

pyr_status pyr_level_trainer_memory(pyr_level_trainer *t, pyr_level_memory *out);

/* Train to the end. PYR_E_STOPPED after a checkpoint when a stop was requested; PYR_E_NUMERIC when steps are
 * not finite again and again, PYR_E_IO when files cannot be written: the last checkpoint stays. */
pyr_status pyr_level_trainer_run(pyr_level_trainer *t);

/* Seconds per step, the mean of the fastest half of 4 to 200 steps, which run for about that long. Only
 * before a run begins (PYR_E_ARG for one that goes on): the steps write nothing, but leave the gradient,
 * moments, EMA and counters changed, which pyr_level_trainer_run sets up again. */
pyr_status pyr_level_trainer_time(pyr_level_trainer *t, double at_least_seconds, double *seconds_per_step);

const pyr_level *pyr_level_trainer_level(const pyr_level_trainer *t); /* borrowed, until it is freed */
pyr_graph *pyr_level_trainer_graph(pyr_level_trainer *t);             /* of a training step, likewise */
bool pyr_level_trainer_finished(const pyr_level_trainer *t);          /* before this trainer began */

/* Gradient of step `step` into the optimizer, without an update; for tests. Borrowed optimizer. */
pyr_status pyr_level_trainer_gradient(pyr_level_trainer *t, int64_t step, double *loss,
                                      pyr_optimizer **optimizer, const pyr_params **params);

#endif
