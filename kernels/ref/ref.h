/* ref.h - the reference backend: plain loops, float or double, the specification. */
#ifndef PYR_KERNELS_REF_REF_H
#define PYR_KERNELS_REF_REF_H

#include "kernels/kernels.h"

/* Fill every slot of `k` and k->real with the reference functions; leave name,
 * ctx, lanes, micro_batch, pool and close alone. They work in host memory of
 * base/mem.h and spread over k->pool, so that another CPU backend can start from
 * them and replace what it does faster. `real`: PYR_F32 or PYR_F64. */
void pyr_ref_fill(pyr_kernels *k, pyr_type real);

/* The part that depends on the type: operations, vectors, images (ref_f32.c, ref_f64.c). */
void pyr_ref_fill_f32(pyr_kernels *k);
void pyr_ref_fill_f64(pyr_kernels *k);

#endif
