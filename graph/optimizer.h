/* optimizer.h - the blocks of a network in training: values, gradient, Adam's moments, EMA, step state. */
#ifndef PYR_GRAPH_OPTIMIZER_H
#define PYR_GRAPH_OPTIMIZER_H

#include "graph/params.h"

typedef struct pyr_optimizer {
    pyr_kernels *k; /* borrowed */
    size_t count;   /* numbers in each block */
    void *value, *grad, *m, *v, *ema;
    pyr_step_state *state; /* backend memory */
    pyr_adamw adamw;
} pyr_optimizer;

/* Blocks of zeros for `params`; the caller frees them, on failure too. */
pyr_status pyr_optimizer_new(pyr_optimizer *o, pyr_kernels *k, const pyr_params *params, pyr_adamw adamw);
void pyr_optimizer_free(pyr_optimizer *o); /* no-op on {0} */
size_t pyr_optimizer_bytes(const pyr_kernels *k, const pyr_params *params);

/* What a step is told by the host, as it lies in the state. */
typedef struct pyr_told {
    float learning_rate, ema_window, clip;
} pyr_told;

/* The parts of an update, which need nothing of the host: `told`, in backend memory, into the state; the norm
 * of o->grad and, by it and state->loss, whether the step is to be skipped; AdamW and EMA. */
void pyr_optimizer_tell(pyr_optimizer *o, const pyr_told *told);
pyr_status pyr_optimizer_norm(pyr_optimizer *o);
pyr_status pyr_optimizer_apply(pyr_optimizer *o);

typedef struct pyr_update {
    double learning_rate;
    double ema_window; /* EMA over this fraction of the updates so far; see below */
    double clip;       /* largest norm of the gradient; 0: none */
    double loss;       /* of the step, for the finite check */
} pyr_update;

/* One update from o->grad at once: norm, clip, AdamW, EMA, in which a step whose loss or gradient is not
 * finite is skipped. *state (host) is the state afterwards. The EMA is ema += (value - ema) / max(1, window
 * t) at update t: a window that grows with the run (cf. the power-function EMA of Karras et al. 2024, EDM2,
 * section 3.1). */
pyr_status pyr_optimizer_step(pyr_optimizer *o, const pyr_update *update, pyr_step_state *state);

#endif
