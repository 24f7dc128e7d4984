/* level_train.h - training one level: by itself, on real coarse images, or as a part of a cascade. */
#ifndef PYR_TRAINING_LEVEL_TRAIN_H
#define PYR_TRAINING_LEVEL_TRAIN_H

#include "levels/level_file.h"
#include "levels/loss.h"
#include "training/held_out.h"

typedef struct pyr_level_report {
    int level;
    bool brief; /* only to move a progress bar */
    bool part;  /* of a cascade: a report on all levels together follows */
    pyr_train_report train;
    pyr_held_out held_out;
} pyr_level_report;

/* What a level is in a cascade; {.weight = 1} in a training by itself. */
typedef struct pyr_level_part {
    double weight;   /* of its loss */
    int micro_batch; /* images a lane takes at a time; 0: chosen */
    bool estimate, estimate_gradient, told_estimates, told_gradient; /* see pyr_loss_plan */
    double probability;                                              /* likewise */
    /* A network that shares its trunk with those of the other levels: so many levels, their parameters and
     * optimizer (the cascade's; made when all levels are planned), and the folder of their one state. */
    int shared;
    pyr_params *params;
    pyr_optimizer *optimizer;
    const char *state_folder;
} pyr_level_part;

typedef struct pyr_level_job {
    pyr_kernels *k; /* borrowed, all of them, until the trainer is freed */
    const pyr_dataset *data;
    const pyr_pyramid *pyramid;
    const char *folder;              /* RUN/level-I; exists */
    const pyr_unet_config *unet;     /* this network instead of the settings'; NULL: the settings' */
    const char *transfer;            /* start from the weights in this level's folder; NULL: from scratch */
    const pyr_level_facts *measured; /* of pyr_level_statistics; NULL: a level that begins measures its own */
    uint64_t seed;
    bool xflip, dequantise;
    pyr_duration duration;                          /* of this level */
    int64_t checkpoint, report, held_out, snapshot; /* every so many images; 0: a tenth of the run (report: a
                                   hundredth; snapshot: only at the end); negative: never */
    const pyr_level_part *part;                     /* of a cascade; NULL: by itself */
    void (*on_report)(void *ctx, const pyr_level_report *report); /* NULL: none */
    void (*on_note)(void *ctx, const char *line);                 /* NULL: none */
    bool (*should_stop)(void *ctx);                               /* called once a step; NULL: never */
    void *ctx;
} pyr_level_job;

/* Facts of level `index` with the statistics that its training would measure, before anything of it is
 * planned. `for_training`: in micro-batches as its training takes them, which decides the order of sums and
 * so their last bit; false: only to see whether there is something to learn. PYR_E_FORMAT when the level is
 * constant. */
pyr_status pyr_level_statistics(pyr_level_facts *out, const pyr_level_job *job,
                                const pyr_level_settings *settings, int index, bool for_training);

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
    size_t held_out;     /* bytes, while the held-out loss is measured or a snapshot is drawn; of a shared
                            trunk with copies of the level's own weights, which stay */
    size_t library; /* bytes: what the backend's libraries take, measured once (pyr_kernels.library_bytes) */
    size_t total;   /* the largest sum at one time, without the data set */
    int micro_batch, lanes;
    double flop; /* forward, one image */
} pyr_level_memory;

pyr_status pyr_level_trainer_memory(pyr_level_trainer *t, pyr_level_memory *out);

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

pyr_level_summary pyr_level_trainer_summary(const pyr_level_trainer *t, const pyr_level_memory *memory,
                                            bool resumed);

/* Train to the end. PYR_E_STOPPED after a checkpoint when should_stop said so; PYR_E_NUMERIC when steps are
 * not finite again and again, PYR_E_IO when files cannot be written: the last checkpoint stays. */
pyr_status pyr_level_trainer_run(pyr_level_trainer *t);

/* Seconds per step, the mean of the fastest half of 4 to 200 steps, which run for about that long. Only
 * before a run begins (PYR_E_ARG for one that goes on): the steps write nothing, but leave the gradient,
 * moments, EMA and counters changed, which pyr_level_trainer_run sets up again. */
pyr_status pyr_level_trainer_time(pyr_level_trainer *t, double at_least_seconds, double *seconds_per_step);

const pyr_level *pyr_level_trainer_level(const pyr_level_trainer *t); /* borrowed, until it is freed */
pyr_graph *pyr_level_trainer_graph(pyr_level_trainer *t);             /* of a training step, likewise */
bool pyr_level_trainer_finished(const pyr_level_trainer *t);          /* before this trainer began */

/* Gradient of step `step` into the optimizer, without an update, of a level by itself; for tests and
 * benchmarks. Borrowed optimizer. */
pyr_status pyr_level_trainer_gradient(pyr_level_trainer *t, int64_t step, double *loss,
                                      pyr_optimizer **optimizer, const pyr_params **params);

/* ---- in pieces, for a cascade that trains levels together (training/joint.c) -------------------- */

/* Steps of `images` images, at least one. PYR_E_CONFIG when they cannot be counted in 32 bits, as random
 * streams and the optimizer do. */
pyr_status pyr_steps_of_images(int64_t *steps, int level, double images, int batch);
/* Steps of a job whose duration is no time. */
pyr_status pyr_level_count_steps(int64_t *steps, const pyr_level_job *job, int level, int batch);

/* What is to be done once before steps: the log, and the plan (rates, cadences) from settings and
 * counters. */
pyr_status pyr_level_trainer_begin(pyr_level_trainer *t);
pyr_train_plan *pyr_level_trainer_plan(pyr_level_trainer *t);   /* after begin; borrowed */
pyr_progress *pyr_level_trainer_counters(pyr_level_trainer *t); /* borrowed */
pyr_loss *pyr_level_trainer_loss_graph(pyr_level_trainer *t);   /* borrowed */
int pyr_level_trainer_micro_batch(const pyr_level_trainer *t);
pyr_optimizer *pyr_level_trainer_optimizer(pyr_level_trainer *t);             /* borrowed */
const pyr_params *pyr_level_trainer_params(const pyr_level_trainer *t);       /* of the graph; borrowed */
const pyr_params *pyr_level_trainer_plain_params(const pyr_level_trainer *t); /* of the network alone */
/* Weights of the beginning, moments and counters of the optimizer at zero; not with a shared trunk. */
pyr_status pyr_level_trainer_initial(pyr_level_trainer *t);

/* The images of a step's batch; borrowed until the next call of this or of pyr_level_trainer_prepare. */
pyr_pick pyr_level_trainer_pick(pyr_level_trainer *t, int64_t step);
/* The host's part of a step: what is drawn for its batch, into host memory of so many bytes. */
size_t pyr_level_trainer_draw_bytes(const pyr_level_trainer *t);
void pyr_level_trainer_prepare(pyr_level_trainer *t, int64_t step, void *host);

/* From now on images come from the pyramid of the whole batch, which the cascade makes in each step: `batch`
 * variables and conditions (NULL at the coarsest level), and what is drawn from `draws`. Backend memory,
 * borrowed. */
void pyr_level_trainer_use_batch(pyr_level_trainer *t, const void *variable, const void *condition,
                                 const void *draws);

/* The backend's part: inputs of images first .. first + n - 1 of the batch; forward, which keeps their
 * losses; backward, which adds to a group's accumulator. The graph is packed before (pyr_graph_pack), and
 * each group cleared. */
void pyr_level_trainer_load(pyr_level_trainer *t, int lane, int first, int n);
pyr_status pyr_level_trainer_forward(pyr_level_trainer *t, int lane, int first, int n);
pyr_status pyr_level_trainer_backward(pyr_level_trainer *t, int lane, int group);
/* All of that for the micro-batches of one group. */
pyr_status pyr_level_trainer_group(pyr_level_trainer *t, int group, int lane);
/* The losses kept, `batch` of them, not weighted; backend memory. */
const void *pyr_level_trainer_losses(const pyr_level_trainer *t);
/* Their mean; waits for it. */
pyr_status pyr_level_trainer_loss(pyr_level_trainer *t, double *mean);
/* Where one of them is not finite, when they are of step `step`; borrowed. */
const char *pyr_level_trainer_explain(pyr_level_trainer *t, int64_t step);

pyr_status pyr_level_trainer_held_out(pyr_level_trainer *t, pyr_held_out *out);
/* Into the log and to on_report. */
pyr_status pyr_level_trainer_report(pyr_level_trainer *t, const pyr_train_report *train,
                                    const pyr_held_out *held_out, bool brief);
pyr_status pyr_level_trainer_snapshot(void *trainer, int64_t step);
/* Bring the counters up to date for saving; then save, in this order. */
void pyr_level_trainer_progress(pyr_level_trainer *t, const pyr_train_state *state);
pyr_status pyr_level_trainer_save_unet(pyr_level_trainer *t);
pyr_status pyr_level_trainer_save_state(pyr_level_trainer *t, const char *folder, bool next);

#endif
