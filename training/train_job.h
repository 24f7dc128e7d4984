/* train_job.h - the job of a trainer, and what it reports. */
#ifndef PYR_TRAINING_TRAIN_JOB_H
#define PYR_TRAINING_TRAIN_JOB_H

#include "cascade/run.h"
#include "graph/step_loop.h"
#include "levels/level.h"
#include "training/held_out.h"

/* ---- reports ------------------------------------------------------------------------------------ */

typedef struct pyr_level_report {
    int level;  /* -1: all levels of a cascade together */
    bool brief; /* only to move a progress bar */
    bool part;  /* of a cascade: a report on all levels together follows */
    pyr_train_report train;
    /* Share of the machine's measured peak (model FLOPs utilization, PaLM, Chowdhery et al. 2022, appendix B): three
     * forward passes' FLOP of each image and level that is trained now, plain convolutions counted, by the rate of
     * images and pyr_peak_measure's GFLOP/s. Above 1 where a convolution takes fewer products than the plain one has
     * (Winograd's). NAN: not known. */
    double mfu;
    pyr_held_out held_out;
} pyr_level_report;

/* Of a level; what all levels of a set share is counted at the finest one. */
typedef struct pyr_level_memory {
    size_t parameters;   /* numbers in the network */
    size_t blocks;       /* bytes: values, gradient, moments, EMA */
    size_t activations;  /* bytes: all lanes */
    size_t accumulators; /* bytes, with packed weights */
    size_t feed;         /* bytes: images on their way */
    size_t held_out;     /* bytes, while the held-out loss is measured or a snapshot is drawn; of a shared
                            trunk with copies of the level's own weights, which stay */
    size_t library; /* bytes: what the backend's libraries take, measured once (pyr_kernels.library_bytes) */
    size_t total;   /* the largest sum at one time, without the data set */
    int micro_batch, lanes;
    double flop; /* forward, one image */
} pyr_level_memory;

/* A level before its first step. */
typedef struct pyr_level_summary {
    pyr_level_facts facts;
    pyr_shape variable; /* n = 1 */
    bool conditioned;   /* on the coarser image */
    int batch, groups;
    int64_t block; /* numbers of its parameter block: with a shared trunk those of all levels */
    pyr_level_memory memory;
    bool resumed; /* it goes on from a checkpoint */
} pyr_level_summary;

/* ---- jobs --------------------------------------------------------------------------------------- */

/* One level of a set. All pointers are borrowed until the trainer is freed, here and below. */
typedef struct pyr_level_job {
    int index; /* of the pyramid */
    const pyr_level_settings *settings;
    const char *folder;              /* RUN/level-I; exists */
    const char *transfer;            /* start from the weights in this level's folder; NULL: from scratch */
    const pyr_unet_config *unet;     /* this network instead of the settings'; NULL: the settings' */
    const pyr_level_facts *measured; /* of pyr_train_level_statistics; NULL: a level that begins measures its
                                        own */
} pyr_level_job;

typedef struct pyr_trainer_job {
    pyr_kernels *k;
    const pyr_dataset *data;
    const pyr_pyramid *pyramid;
    int levels;                          /* of the set: one, or with a cascade all of the pyramid */
    pyr_level_job level[PYR_MAX_LEVELS]; /* finest first */
    /* How they train together (trainer.h). NULL: one level, independently, on real coarse images. */
    const pyr_cascade_settings *cascade;
    const char *shared_folder; /* of the one state, with cascade->share; exists */
    const char *commit;        /* path of a file that is there while states change places; with a cascade */
    uint64_t seed;
    bool xflip, dequantise;
    double augment;        /* as in pyr_data_settings */
    pyr_duration duration; /* images or epochs of each level; seconds: a level's share of the whole */
    int64_t checkpoint, report, held_out, snapshot; /* every so many images; 0: a tenth of the run (report: a
                                   hundredth; snapshot: only at the end); negative: never */
    void (*on_report)(void *ctx, const pyr_level_report *report); /* NULL: none */
    void (*on_note)(void *ctx, const char *line);                 /* NULL: none */
    bool (*should_stop)(void *ctx);                               /* called once a step; NULL: never */
    void *ctx;
} pyr_trainer_job;

#endif
