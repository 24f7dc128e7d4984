/* vec.h - a vector register of floats for the instruction set that a file is compiled for: 4, 8 or 16 of them.
 *
 * Vector extensions of gcc and clang: + - * work by element, and a * b + c becomes one instruction where there is
 * one (-ffp-contract=fast). Files of this folder are compiled once for each set (processor.h). */
#ifndef PYR_KERNELS_SIMD_VEC_H
#define PYR_KERNELS_SIMD_VEC_H

#include "base/inline.h"
#include "kernels/cpu/bf16.h"
#include "kernels/kernels.h"
#include "kernels/processor.h"

/* LANES floats in a register; a product tile is ROWS rows of VECTORS registers, so that its sums, the factors of a
 * row and one more fit into the registers that there are (16; 32 with AVX-512 and NEON). */
#if defined __AVX512F__
enum { LANES = 16, VECTORS = 2, ROWS = 12 };
#elif defined __AVX__
enum { LANES = 8, VECTORS = 2, ROWS = 6 };
#elif defined __aarch64__
enum { LANES = 4, VECTORS = 4, ROWS = 6 };
#else
enum { LANES = 4, VECTORS = 2, ROWS = 6 };
#endif

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), may_alias));
typedef float vec_anywhere __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef uint32_t bits_vec __attribute__((vector_size(LANES * sizeof(uint32_t))));
typedef uint16_t half_vec __attribute__((vector_size(LANES * sizeof(uint16_t)), aligned(2), may_alias));

/* The next loop disappears, so that an array indexed by it can lie in registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 36")
#endif

/* A function of its own: inlined into another one, its loop may find fewer registers than it needs. */
#define APART static __attribute__((noinline)) void

PYR_INLINE vec load(const float *p)
{
    return *(const vec_anywhere *)p;
}

/* LANES elements of f32 or bf16 (bf16.h) from number `at` on; one of them. */
PYR_INLINE vec load_as(pyr_type type, const void *p, size_t at)
{
    half_vec half;

    if (type != PYR_BF16)
        return load((const float *)p + at);
    half = *(const half_vec *)((const uint16_t *)p + at);
    return (vec)(__builtin_convertvector(half, bits_vec) << 16);
}

PYR_INLINE float load_one_as(pyr_type type, const void *p, size_t at)
{
    return type == PYR_BF16 ? pyr_bf16_to_float(((const pyr_bf16 *)p)[at]) : ((const float *)p)[at];
}

PYR_INLINE void store(float *p, vec v)
{
    *(vec_anywhere *)p = v;
}

PYR_INLINE vec all(float value)
{
    return value - (vec){0}; /* x - 0 is x, also for -0 (x + 0 is not): a broadcast and nothing else */
}

#endif
