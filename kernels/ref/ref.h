/* ref.h - the reference backend: plain loops, float or double, the specification. */
#ifndef PYR_KERNELS_REF_REF_H
#define PYR_KERNELS_REF_REF_H

#include "kernels/kernels.h"

extern const pyr_backend pyr_ref_f32, pyr_ref_f64; /* ref_f32.c, ref_f64.c */

/* ---- for other backends of the CPU ---- */

/* Memory of base/mem.h; tasks run on k->pool; nothing is recorded. */
extern const pyr_memory pyr_host_memory;

pyr_status pyr_ref_join_norms(pyr_kernels *k, pyr_step_state *const *states, int n);

#endif
