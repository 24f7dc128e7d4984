/* lanes.h - working memory of a task, for each lane that draws: vectors in host doubles, and noise of its
 * own.
 *
 * Tasks look at x between the steps, some thousand numbers beside a whole network: they do so on the host. */
#ifndef PYR_TASKS_LANES_H
#define PYR_TASKS_LANES_H

#include "cascade/model.h"

enum { PYR_TASK_VECTORS = 4 };

typedef struct pyr_task_lane {
    double *v[PYR_TASK_VECTORS]; /* host; each as large as the largest image or variable of a batch */
    void *real;                  /* the same in backend memory */
    void *streams;               /* backend, of a batch */
    uint32_t calls;              /* for the task to count */
} pyr_task_lane;

typedef struct pyr_task_lanes {
    pyr_model *model;
    pyr_task_lane *lane; /* [lanes of the kernels] */
} pyr_task_lanes;

/* `model` is borrowed. The caller frees it, on failure too. PYR_E_NOMEM. */
pyr_status pyr_task_lanes_new(pyr_task_lanes *out, pyr_model *model);
void pyr_task_lanes_free(pyr_task_lanes *lanes); /* no-op on {0} */

/* dst (n x size, host) = standard normals for the images of a stage: (image's seed, level, step), apart from
 * all that sampling draws. */
pyr_status pyr_task_noise(const pyr_task_lanes *lanes, const pyr_model_stage *stage, size_t size,
                          uint32_t step, double *dst);

#endif
