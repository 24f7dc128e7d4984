/* run_moments.h - measure the score moments (levels/score_moments.h) of a run's levels, into their folders. */
#ifndef PYR_CASCADE_RUN_MOMENTS_H
#define PYR_CASCADE_RUN_MOMENTS_H

#include "cascade/run.h"

typedef struct pyr_moments_job {
    pyr_kernels *k;           /* borrowed */
    const pyr_config *config; /* borrowed: data, and noise levels of sampling */
    const char *run;
    int level;                              /* this one alone; -1: all */
    int64_t images;                         /* of the training set, at each noise level; at least 1 */
    void (*on_level)(void *ctx, int level); /* before each; may be NULL */
    void *ctx;
} pyr_moments_job;

/* Of the level's network as it is, without guidance. PYR_E_CONFIG for other data than the run's, and failures of
 * pyr_model_open_level, pyr_score_moments_measure and _write. */
pyr_status pyr_run_measure_moments(const pyr_moments_job *job);

#endif
