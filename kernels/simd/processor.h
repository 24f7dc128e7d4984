/* processor.h - which instruction set the kernels use. */
#ifndef PYR_KERNELS_SIMD_PROCESSOR_H
#define PYR_KERNELS_SIMD_PROCESSOR_H

#include "base/status.h"
#include "kernels/simd/conv_f32.h"

/* Each has all that the one before it has: x86-64-v2 (SSE4.2), AVX2 with FMA, AVX-512 (F, BW, DQ, VL), AVX-512 with
 * bf16 products. Elsewhere there is what the compiler takes for granted (aarch64: NEON). */
typedef enum pyr_set { PYR_SET_BASE, PYR_SET_AVX2, PYR_SET_AVX512, PYR_SET_AVX512_BF16, PYR_SETS } pyr_set;
extern const char *const pyr_set_names[]; /* "x86-64", "avx2", ...; ends with NULL */

/* PYRDIFF_CPU, a name of a set, is one, and this processor has it, or it is not given. */
pyr_status pyr_set_check(void);
/* The best that this processor has, and not more than PYRDIFF_CPU says. */
pyr_set pyr_set_here(void);
const pyr_conv_f32 *pyr_winograd_of(pyr_set set); /* 3x3 */
const pyr_conv_f32 *pyr_product_of(pyr_set set);  /* 1x1 */

#endif
