/* register.h - one vector register of floats: AVX-512, AVX2, or 16 bytes of whatever there is.
 *
 * For the loops where vector.h is not enough: memory of two types, a tail of channels without a loop of its
 * own, sums in several registers. Arithmetic is + - * on registers; pyr_fma is there because ISO C mode does
 * not contract a * b + c. `n` says how many elements of a register are in memory, 1 to PYR_REGISTER; the rest
 * is loaded as zeros and not stored. `type` is PYR_F32 or PYR_BF16. Both should be constants where it
 * matters: everything here is inlined always. */
#ifndef PYR_KERNELS_CPU_REGISTER_H
#define PYR_KERNELS_CPU_REGISTER_H

#include "base/inline.h"
#include "kernels/cpu/bf16.h"
#include "kernels/cpu/vector.h"

#if defined __AVX512F__ && defined __AVX512BW__ && defined __AVX512DQ__ && defined __AVX512VL__
#define PYR_AVX512 1
enum { PYR_REGISTER = 16 };
#elif defined __AVX2__
enum { PYR_REGISTER = 8 };
#else
enum { PYR_REGISTER = 4 };
#endif
#if defined PYR_AVX512 || defined __FMA__
#include <immintrin.h>
#endif

typedef float pyr_register __attribute__((vector_size(PYR_REGISTER * sizeof(float))));
typedef int32_t pyr_register_int __attribute__((vector_size(PYR_REGISTER * sizeof(int32_t))));
typedef uint32_t pyr_register_bits __attribute__((vector_size(PYR_REGISTER * sizeof(uint32_t))));
typedef pyr_bf16 pyr_register_bf16 __attribute__((vector_size(PYR_REGISTER * sizeof(pyr_bf16))));

PYR_INLINE pyr_register pyr_all(float value)
{
    return (pyr_register){0} + value;
}

/* a * b + c */
PYR_INLINE pyr_register pyr_fma(pyr_register a, pyr_register b, pyr_register c)
{
#if defined PYR_AVX512
    return _mm512_fmadd_ps(a, b, c);
#elif defined __AVX2__ && defined __FMA__
    return _mm256_fmadd_ps(a, b, c);
#else
    return a * b + c;
#endif
}

/* The larger and the smaller; b where one of them is NaN. */
PYR_INLINE pyr_register pyr_max(pyr_register a, pyr_register b)
{
#if defined PYR_AVX512
    return _mm512_max_ps(a, b);
#elif defined __AVX2__ && defined __FMA__
    return _mm256_max_ps(a, b);
#else
    pyr_register_int larger = a > b;

    return (pyr_register)((larger & (pyr_register_int)a) | (~larger & (pyr_register_int)b));
#endif
}

PYR_INLINE pyr_register pyr_min(pyr_register a, pyr_register b)
{
#if defined PYR_AVX512
    return _mm512_min_ps(a, b);
#elif defined __AVX2__ && defined __FMA__
    return _mm256_min_ps(a, b);
#else
    pyr_register_int smaller = a < b;

    return (pyr_register)((smaller & (pyr_register_int)a) | (~smaller & (pyr_register_int)b));
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

PYR_INLINE pyr_register pyr_load_f32(const void *p, int n)
{
    pyr_register r = {0};

    if (n == PYR_REGISTER)
        memcpy(&r, p, sizeof r);
    else
#ifdef PYR_AVX512
        r = _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
        memcpy(&r, p, (size_t)n * sizeof(float));
#endif
    return r;
}

PYR_INLINE void pyr_store_f32(void *p, pyr_register r, int n)
{
    if (n == PYR_REGISTER)
        memcpy(p, &r, sizeof r);
    else
#ifdef PYR_AVX512
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), r);
#else
        memcpy(p, &r, (size_t)n * sizeof(float));
#endif
}

PYR_INLINE pyr_register pyr_load_bf16(const void *p, int n)
{
    pyr_register_bf16 half = {0};
    pyr_register_bits bits;

    if (n == PYR_REGISTER)
        memcpy(&half, p, sizeof half);
    else
#ifdef PYR_AVX512
        half = (pyr_register_bf16)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
    bits = (pyr_register_bits)_mm512_cvtepu16_epi32((__m256i)half);
#else
        memcpy(&half, p, (size_t)n * sizeof(pyr_bf16));
    bits = __builtin_convertvector(half, pyr_register_bits);
#endif
    return (pyr_register)(bits << 16);
}

/* Rounded as bf16.h says. */
PYR_INLINE pyr_register_bf16 pyr_to_bf16(pyr_register r)
{
#if defined PYR_AVX512 && defined __AVX512BF16__
    return (pyr_register_bf16)_mm512_cvtneps_pbh(r);
#else
    pyr_register_bits bits = (pyr_register_bits)r, magnitude = bits & 0x7FFFFFFFu, upper = bits >> 16;
    pyr_register_bits nan = (pyr_register_bits)(magnitude > 0x7F800000u);
    pyr_register_bits tiny = (pyr_register_bits)(magnitude < 0x00800000u);
    pyr_register_bits rounded = (bits + 0x7FFFu + (upper & 1)) >> 16;

    rounded = (nan & (upper | 0x40u)) | (~nan & rounded);
    rounded = (tiny & upper & 0x8000u) | (~tiny & rounded);
    return __builtin_convertvector(rounded, pyr_register_bf16);
#endif
}

PYR_INLINE void pyr_store_bf16(void *p, pyr_register r, int n)
{
    pyr_register_bf16 half = pyr_to_bf16(r);

    memcpy(p, &half, n == PYR_REGISTER ? sizeof half : (size_t)n * sizeof(pyr_bf16));
}

PYR_INLINE pyr_register pyr_load(const void *p, pyr_type type, int n)
{
    return type == PYR_BF16 ? pyr_load_bf16(p, n) : pyr_load_f32(p, n);
}

PYR_INLINE void pyr_store(void *p, pyr_type type, pyr_register r, int n)
{
    if (type == PYR_BF16)
        pyr_store_bf16(p, r, n);
    else
        pyr_store_f32(p, r, n);
}

/* dst = value, or dst += value */
PYR_INLINE void pyr_put(void *dst, pyr_type type, int n, bool add, pyr_register value)
{
    if (add)
        value += pyr_load(dst, type, n);
    pyr_store(dst, type, value, n);
}

/* How many of `count` elements are in the register that starts at `at`. */
PYR_INLINE int pyr_in_register(size_t at, size_t count)
{
    return count - at < PYR_REGISTER ? (int)(count - at) : PYR_REGISTER;
}

/* ---- activations ---- */

/* exp(x), relative error below 2e-7 for |x| < 87, clamped there; NaN stays NaN. Cody-Waite reduction to
 * |r| <= ln 2 / 2, a polynomial with its error spread evenly (Remez; 2e-9). */
PYR_INLINE pyr_register pyr_exp(pyr_register x)
{
    const pyr_register magic = pyr_all(0x1.8p23f); /* its addition rounds to an integer */
    pyr_register n, r, p;

    x = pyr_min(pyr_all(87.0f), pyr_max(pyr_all(-87.0f), x)); /* the operand order keeps NaN */
    p = pyr_fma(x, pyr_all(1.44269504088896341f), magic);
    n = p - magic;
    r = pyr_fma(n, pyr_all(-0.693359375f), x);
    r = pyr_fma(n, pyr_all(2.12194440e-4f), r);
    pyr_register_int scale = (pyr_register_int)p << 23;
    p = pyr_all(0.0013836846f);
    p = pyr_fma(p, r, pyr_all(0.0083748157f));
    p = pyr_fma(p, r, pyr_all(0.041668226f));
    p = pyr_fma(p, r, pyr_all(0.1666642f));
    p = pyr_fma(p, r, pyr_all(0.49999992f));
    p = pyr_fma(p, r, pyr_all(1.0f));
    p = pyr_fma(p, r, pyr_all(1.0f));
    return (pyr_register)((pyr_register_int)p + scale); /* times 2^n: n goes into the exponent */
}

/* 1 / (1 + exp(-x)). `rough`: for results in bf16, relative error below 2^-13.1. */
PYR_INLINE pyr_register pyr_sigmoid(pyr_register x, bool rough)
{
#ifdef PYR_AVX512
    if (rough) {
        /* 2^t = 2^floor(t) 2^(t - floor(t)); the cubic on [0, 1] is off by 2^-13.7 at most (Remez), the
         * reciprocal by 2^-14. scalef and the reciprocal do the right thing for infinity. */
        pyr_register t = x * -1.44269504088896341f, r = _mm512_reduce_ps(t, 0x09);
        pyr_register p = pyr_fma(r, pyr_all(0.078024523f), pyr_all(0.22606716f));

        p = pyr_fma(p, r, pyr_all(0.69583354f));
        p = pyr_fma(p, r, pyr_all(0.99992522f));
        return _mm512_rcp14_ps(_mm512_scalef_ps(p, t) + 1.0f);
    }
#endif
    (void)rough;
    return 1.0f / (1.0f + pyr_exp(-x));
}

/* The value and the slope of an activation, see vector.h. */
PYR_INLINE pyr_register pyr_act_values(pyr_act act, pyr_register u, bool rough)
{
    if (act == PYR_ACT_NONE)
        return u;
    if (act == PYR_ACT_SILU)
        return u * pyr_sigmoid(u, rough);
    for (int i = 0; i < PYR_REGISTER; i++)
        u[i] = pyr_act_value(act, u[i]);
    return u;
}

PYR_INLINE pyr_register pyr_act_slopes(pyr_act act, pyr_register u, bool rough)
{
    if (act == PYR_ACT_NONE)
        return pyr_all(1.0f);
    if (act == PYR_ACT_SILU) { /* s (1 + u (1 - s)) = (s + us) - us s */
        pyr_register s = pyr_sigmoid(u, rough), us = u * s;

        return pyr_fma(-us, s, s + us);
    }
    for (int i = 0; i < PYR_REGISTER; i++)
        u[i] = pyr_act_slope(act, u[i]);
    return u;
}

#endif
