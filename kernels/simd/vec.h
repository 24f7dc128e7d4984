/* vec.h - a vector register of floats for the instruction set that a file is compiled for: 4, 8 or 16 of them.
 *
 * Vector extensions of gcc and clang: + - * work by element. a * b + c becomes one instruction where there is one in
 * kernels/simd (-ffp-contract=fast); elsewhere, where ISO C mode makes two, pyr_fma is one. In functions that take it, `n`
 * says how many elements of a register are in memory, 1 to LANES: the rest is loaded as zeros and not stored. `type` is
 * PYR_F32 or PYR_BF16. Both should be constants where it matters: everything here is inlined always. */
#ifndef PYR_KERNELS_SIMD_VEC_H
#define PYR_KERNELS_SIMD_VEC_H

#include "base/inline.h"
#include "kernels/cpu/bf16.h"
#include "kernels/kernels.h"
#include "kernels/processor.h"
#include "kernels/simd/unroll.h"
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

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
typedef int32_t int_vec __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef uint32_t bits_vec __attribute__((vector_size(LANES * sizeof(uint32_t))));
typedef pyr_bf16 bf16_vec __attribute__((vector_size(LANES * sizeof(pyr_bf16))));
typedef uint16_t half_vec __attribute__((vector_size(LANES * sizeof(uint16_t)), aligned(2), may_alias));

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

/* a * b + c */
PYR_INLINE vec pyr_fma(vec a, vec b, vec c)
{
#ifdef __AVX512F__
    return _mm512_fmadd_ps(a, b, c);
#elif defined __FMA__
    return _mm256_fmadd_ps(a, b, c);
#else
    return a * b + c;
#endif
}

/* The larger and the smaller; b where one of them is NaN. */
PYR_INLINE vec pyr_max(vec a, vec b)
{
#ifdef __AVX512F__
    return _mm512_max_ps(a, b);
#elif defined __FMA__
    return _mm256_max_ps(a, b);
#else
    int_vec larger = a > b;

    return (vec)((larger & (int_vec)a) | (~larger & (int_vec)b));
#endif
}

PYR_INLINE vec pyr_min(vec a, vec b)
{
#ifdef __AVX512F__
    return _mm512_min_ps(a, b);
#elif defined __FMA__
    return _mm256_min_ps(a, b);
#else
    int_vec smaller = a < b;

    return (vec)((smaller & (int_vec)a) | (~smaller & (int_vec)b));
#endif
}

/* ---- memory ---- */

PYR_INLINE const void *pyr_at(const void *base, size_t at, pyr_type type)
{
    return (const char *)base + at * (type == PYR_BF16 ? sizeof(pyr_bf16) : sizeof(float));
}

PYR_INLINE void *pyr_at_out(void *base, size_t at, pyr_type type)
{
    return (char *)base + at * (type == PYR_BF16 ? sizeof(pyr_bf16) : sizeof(float));
}

PYR_INLINE vec pyr_load_f32(const void *p, int n)
{
    vec r = {0};

    if (n == LANES)
        memcpy(&r, p, sizeof r);
    else
#ifdef __AVX512F__
        r = _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
        memcpy(&r, p, (size_t)n * sizeof(float));
#endif
    return r;
}

PYR_INLINE void pyr_store_f32(void *p, vec r, int n)
{
    if (n == LANES)
        memcpy(p, &r, sizeof r);
    else
#ifdef __AVX512F__
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), r);
#else
        memcpy(p, &r, (size_t)n * sizeof(float));
#endif
}

PYR_INLINE vec pyr_load_bf16(const void *p, int n)
{
    bf16_vec half = {0};
    bits_vec bits;

    if (n == LANES)
        memcpy(&half, p, sizeof half);
    else
#ifdef __AVX512F__
        half = (bf16_vec)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
    bits = (bits_vec)_mm512_cvtepu16_epi32((__m256i)half);
#else
        memcpy(&half, p, (size_t)n * sizeof(pyr_bf16));
    bits = __builtin_convertvector(half, bits_vec);
#endif
    return (vec)(bits << 16);
}

/* Rounded as bf16.h says. */
PYR_INLINE bf16_vec pyr_to_bf16(vec r)
{
#ifdef __AVX512BF16__
    return (bf16_vec)_mm512_cvtneps_pbh(r);
#else
    bits_vec bits = (bits_vec)r, magnitude = bits & 0x7FFFFFFFu, upper = bits >> 16;
    bits_vec nan = (bits_vec)(magnitude > 0x7F800000u);
    bits_vec tiny = (bits_vec)(magnitude < 0x00800000u);
    bits_vec rounded = (bits + 0x7FFFu + (upper & 1)) >> 16;

    rounded = (nan & (upper | 0x40u)) | (~nan & rounded);
    rounded = (tiny & upper & 0x8000u) | (~tiny & rounded);
    return __builtin_convertvector(rounded, bf16_vec);
#endif
}

PYR_INLINE void pyr_store_bf16(void *p, vec r, int n)
{
    bf16_vec half = pyr_to_bf16(r);

    memcpy(p, &half, n == LANES ? sizeof half : (size_t)n * sizeof(pyr_bf16));
}

PYR_INLINE vec pyr_load(const void *p, pyr_type type, int n)
{
    return type == PYR_BF16 ? pyr_load_bf16(p, n) : pyr_load_f32(p, n);
}

PYR_INLINE void pyr_store(void *p, pyr_type type, vec r, int n)
{
    if (type == PYR_BF16)
        pyr_store_bf16(p, r, n);
    else
        pyr_store_f32(p, r, n);
}

/* dst = value, or dst += value */
PYR_INLINE void pyr_put(void *dst, pyr_type type, int n, bool add, vec value)
{
    if (add)
        value += pyr_load(dst, type, n);
    pyr_store(dst, type, value, n);
}

/* How many of `count` elements are in the register that starts at `at`. */
PYR_INLINE int pyr_in_register(size_t at, size_t count)
{
    return count - at < LANES ? (int)(count - at) : LANES;
}

#endif
