/* average.h - a run with averages of its weights in place of its EMA: of any length, made after training out of those that
 * were kept (graph/power_ema.h). */
#ifndef PYR_CASCADE_AVERAGE_H
#define PYR_CASCADE_AVERAGE_H

#include "cascade/run.h"

typedef struct pyr_average_job {
    pyr_kernels *k; /* borrowed */
    const pyr_config *config;
    const char *run, *outdir;
    double length; /* PYR_EMA_SHORTEST .. PYR_EMA_LONGEST */
    int level;     /* this one alone; -1: all */
    int64_t step;  /* the moment; 0: the last that was kept */
    /* What a level's average was made of, and how far its profile is from the one that was wanted
     * (pyr_ema_combine). May be NULL. */
    void (*made)(void *ctx, int level, int64_t step, size_t kept, double distance);
    void *ctx;
} pyr_average_job;

/* Write OUTDIR/pyrdiff.cfg and OUTDIR/level-I/unet, with what sampling reads beside them. PYR_E_IO when a level has no averages,
 * PYR_E_ARG for a moment at which none were kept, and where OUTDIR is the run's own folder. */
pyr_status pyr_run_average(const pyr_average_job *job);

#endif
