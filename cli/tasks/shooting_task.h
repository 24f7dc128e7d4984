/* shooting_task.h - what invert, inpaint and encode share of their method shooting: options, preparation, and
 * the solution with what is said of it. */
#ifndef PYR_CLI_TASKS_SHOOTING_TASK_H
#define PYR_CLI_TASKS_SHOOTING_TASK_H

#include "cli/tasks/tasking.h"
#include "tasks/operator.h"

typedef struct pyr_typed_shooting {
    int segments, iterations;
    double match, start_weight, end_weight;
    bool randomised;
} pyr_typed_shooting;
extern const pyr_option pyr_shooting_options[];

/* While preparing: no option was typed that the method does not read. These are, with shooting, those of `others` and
 * --match of a single segment; without it, pyr_shooting_options and those of `own` (names, ended by NULL). PYR_E_ARG. */
pyr_status pyr_tasking_method(const pyr_tasking *t, const pyr_typed_shooting *typed, bool shooting,
                              const char *const *own, const char *const *others);

/* While preparing: Euler's steps (unless --sampler was typed), no noise on the condition. PYR_E_ARG. */
pyr_status pyr_tasking_euler(pyr_tasking *t);

/* latent (of t->n images): from starts to those from which y = a x + noise comes out (tasks/shooting.h). Prints what
 * was reached. */
pyr_status pyr_tasking_shoot(pyr_tasking *t, const pyr_typed_shooting *typed, const pyr_operator *a,
                             const double *y, double noise, pyr_latent *latent);
/* The same from the starts of t's seeds, and drawn from there into t->drawn. */
pyr_status pyr_tasking_shoot_seeds(pyr_tasking *t, const pyr_typed_shooting *typed, const pyr_operator *a,
                                   const double *y, double noise);

#endif
