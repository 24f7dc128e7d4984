/* export.h - the levels of a run for other programs. */
#ifndef PYR_CASCADE_EXPORT_H
#define PYR_CASCADE_EXPORT_H

#include "cascade/run.h"

typedef struct pyr_export_plan {
    const char *run, *outdir;
    int level;     /* -1: all */
    int timesteps; /* that the noise levels of sampling are made to */
    /* After each level; NULL: not wanted. `folder` is borrowed until it returns. */
    void (*wrote)(void *ctx, int level, const char *folder);
    void *ctx;
} pyr_export_plan;

/* OUTDIR/level-I for each level, coarsest first: a diffusers pipeline (diffusers/pipeline_export.h). PYR_E_IO
 * names a level that is not trained yet. `k` is borrowed; it should hold floats. */
pyr_status pyr_export_diffusers(const pyr_export_plan *plan, pyr_kernels *k, const pyr_config *config);

#endif
