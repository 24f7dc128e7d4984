/* optimizer.h - the blocks of a network in training: values, gradient, Adam's moments, EMA, step state. */
#ifndef PYR_GRAPH_OPTIMIZER_H
#define PYR_GRAPH_OPTIMIZER_H

#include "graph/params.h"
#include "graph/power_ema.h"

typedef struct pyr_optimizer {
    pyr_kernels *k; /* borrowed */
    size_t count;   /* numbers in each block */
    void *value, *grad, *m, *v, *ema;
    pyr_step_state *state; /* backend memory */
    pyr_adamw adamw;
    /* Averages of the values with power functions (power_ema.h), beside the EMA. */
    int powers;
    double length[PYR_MOST_POWERS];
    void *average[PYR_MOST_POWERS];
} pyr_optimizer;

/* Blocks of zeros for `params`; the caller frees them, on failure too. */
pyr_status pyr_optimizer_new(pyr_optimizer *o, pyr_kernels *k, const pyr_params *params, pyr_adamw adamw);
void pyr_optimizer_free(pyr_optimizer *o); /* no-op on {0} */
/* Averages of these lengths, at most PYR_MOST_POWERS, before the first update. */
pyr_status pyr_optimizer_add_powers(pyr_optimizer *o, const double *length, int n);
size_t pyr_optimizer_bytes(const pyr_kernels *k, const pyr_params *params);

/* The host's numbers for a step, in the order of pyr_step_state. */
typedef struct pyr_step_input {
    float learning_rate;
    float ema_window; /* EMA over this fraction of the updates so far; see below */
    float clip;       /* largest norm of the gradient; 0: none */
} pyr_step_input;

/* Moments, gradient and state at zero; the values, and the EMA that starts from them, are the caller's. */
void pyr_optimizer_reset(pyr_optimizer *o);
/* After update number t >= 1, the values' share of the averages; one that was skipped counts with the values as they
 * are. Whole machine. */
pyr_status pyr_optimizer_average(pyr_optimizer *o, int64_t t);
/* The EMA is the values as they are, as the averages. */
void pyr_optimizer_start_ema(pyr_optimizer *o);

/* The parts of an update, which need nothing of the host: `input`, in backend memory, into the state; the norm
 * of o->grad and, by it and state->loss, whether the step is to be skipped; AdamW and EMA. */
void pyr_optimizer_set_input(pyr_optimizer *o, const pyr_step_input *input);
pyr_status pyr_optimizer_norm(pyr_optimizer *o);
pyr_status pyr_optimizer_apply(pyr_optimizer *o);

/* One update from o->grad at once: norm, clip, AdamW, EMA, in which a step whose loss or gradient is not
 * finite is skipped. *state (host) is the state afterwards. The EMA is ema += (value - ema) / max(1, window
 * t) at update t: a window that grows with the run (cf. the power-function EMA of Karras et al. 2024, EDM2,
 * section 3.1). */
pyr_status pyr_optimizer_step(pyr_optimizer *o, const pyr_step_input *input, double loss,
                              pyr_step_state *state);

#endif
