/* drawing.h - a call of pyrdiff_sample() at work: what is drawn with, and the tasks that join in. */
#ifndef PYR_API_DRAWING_H
#define PYR_API_DRAWING_H

#include "api/buffers.h"
#include "api/choices.h"
#include "api/handles.h"
#include "tasks/inverse.h"
#include "tasks/known.h"
#include "tasks/latent.h"
#include "tasks/sdedit.h"

/* What a task adds to drawing images; zeros: nothing. */
typedef struct pyr_joined_task {
    const pyr_model_hooks *hooks; /* NULL: none */
    int given;                    /* the level of `coarse`, 0: none is given */
    float *coarse;                /* images of that level; owned */
    int64_t n_coarse;             /* n, or 1: for all */
    bool done;                    /* there is nothing to draw: its outputs are filled in already */
    /* owned, what `hooks` is of */
    pyr_known *known;
    pyr_vary *vary;
    pyr_inverse *inverse;
    pyr_operator a;
    double *y;
    pyr_latent latent;
    pyr_from_latent from;
} pyr_joined_task;

/* Read the inputs and options of draw->task. `draw` has been checked: n, seeds, labels; `label` is the class
 * of all images, -1 for none. End it with _free, on failure too. */
pyr_status pyr_joined_task_open(pyr_joined_task *out, pyrdiff_model *m, const pyrdiff_draw *draw, int label,
                                pyr_call *call);
void pyr_joined_task_free(pyr_joined_task *task);

#endif
