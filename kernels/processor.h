/* processor.h - which instruction set the kernels use.
 *
 * The rooms kernels/simd, kernels/tiles and kernels/cpu are compiled once for each set (Makefile, SETS). Seen from outside are their names
 * that end in the set's; all others, which are the same in every set, are not. */
#ifndef PYR_KERNELS_PROCESSOR_H
#define PYR_KERNELS_PROCESSOR_H

#include "base/status.h"
#include <stdbool.h>

/* Each has all that the one before it has: x86-64-v2 (SSE4.2), AVX2 with FMA and BMI, AVX-512 (F, BW, CD, DQ, VL),
 * AVX-512 with bf16 products, the same with AMX's tiles of bf16 (where the compiler has them, PYR_AMX). Elsewhere there is what
 * the compiler takes for granted (aarch64: NEON). */
typedef enum pyr_set {
    PYR_SET_BASE,
    PYR_SET_AVX2,
    PYR_SET_AVX512,
    PYR_SET_AVX512_BF16,
    PYR_SET_AVX512_AMX,
    PYR_SETS
} pyr_set;
extern const char *const pyr_set_names[]; /* "x86-64", "avx2", ...; ends with NULL */

/* A name for the set that a file is compiled for: OF_SET(pyr_table) is pyr_table_avx2. */
#ifndef PYR_SET
#define PYR_SET base
#endif
#define PYR_SET_JOIN(name, set) name##_##set
#define PYR_SET_NAME(name, set) PYR_SET_JOIN(name, set)
#define OF_SET(name) PYR_SET_NAME(name, PYR_SET)
/* The names of all sets, for an array of PYR_SETS. */
#ifdef PYR_AMX
#define OF_SET_AMX(name) [PYR_SET_AVX512_AMX] = &name##_avx512_amx,
#else
#define OF_SET_AMX(name)
#endif
#ifdef __x86_64__
#define OF_SETS(name)                                                                                        \
    {                                                                                                        \
        [PYR_SET_BASE] = &name##_base, [PYR_SET_AVX2] = &name##_avx2, [PYR_SET_AVX512] = &name##_avx512,     \
        [PYR_SET_AVX512_BF16] = &name##_avx512_bf16, OF_SET_AMX(name)                                        \
    }
#else
#define OF_SETS(name)                                                                                        \
    {                                                                                                        \
        [PYR_SET_BASE] = &name##_base                                                                        \
    }
#endif

/* PYRDIFF_CPU, a name of a set, is one, and this processor has it, or it is not given. */
pyr_status pyr_set_check(void);
/* The best that this processor has, and the kernel lets the process use (AMX: it is asked), and not more than PYRDIFF_CPU
 * says. */
pyr_set pyr_set_here(void);
/* Products of bf16 by that set are faster than those of f32. */
bool pyr_bf16_is_fast(void);

#endif
