/* fit.h - fit one network whose losses a graph gives: AdamW, a cosine rate with a warm-up, clipped gradients. What the
 * classifiers of images and of noised images share. A duration in images or epochs gives the same weights with any number
 * of threads. */
#ifndef PYR_FEATURES_FIT_H
#define PYR_FEATURES_FIT_H

#include "settings/settings.h"
#include "training/batch_step.h"

enum { PYR_FIT_GROUPS = 8 }; /* accumulators of the graph: as many lanes can work at a time */

typedef struct pyr_fit {
    /* Set by the caller; pointers are borrowed. */
    pyr_kernels *k;
    pyr_params *params;
    pyr_graph
        *g; /* planned for pyr_fit_micro(batch) images and PYR_FIT_GROUPS, with gradients of parameters */
    pyr_value loss;
    int batch;
    int64_t epoch; /* images */
    pyr_duration duration;
    uint64_t seed;
    double learning_rate; /* the highest */
    const char *path;     /* the file that would be written, for the sentence when it is stopped */
    size_t input_bytes;
    /* As in pyr_batch_step and pyr_learner; `inputs` of the step that runs are in step.inputs. */
    pyr_status (*prepare)(void *ctx, int64_t number, char *inputs);
    void (*load)(void *ctx, int lane, int first, int n);
    void *ctx;
    /* brief: only to move a progress bar; NULL: none */
    void (*on_report)(void *ctx, const pyr_train_report *report, bool brief);
    bool (*should_stop)(void *ctx); /* called once a step; NULL: never */
    void *report_ctx;

    /* Made. */
    pyr_optimizer optimizer; /* `value`: the weights */
    pyr_learner learner;
    pyr_batch_step step;
    pyr_train_state state;
    int64_t steps;
} pyr_fit;

/* Images of a micro-batch, and of a batch in whole ones. */
int pyr_fit_micro(int batch);
int pyr_fit_places(int batch);

/* PYR_E_STOPPED when should_stop returned true; PYR_E_NUMERIC, PYR_E_ARG. The caller frees it, on failure too. */
pyr_status pyr_fit_run(pyr_fit *fit);
void pyr_fit_free(pyr_fit *fit); /* what was made */

#endif
