/* bf16.h - bf16, the upper half of a float, to and from float.
 *
 * To bf16: round to nearest even; NaN stays NaN (made quiet); what is denormal in float becomes a zero of its
 * sign, as vcvtneps2bf16 does it. To float: exact. The same bits with and without AVX-512. */
#ifndef PYR_KERNELS_CPU_BF16_H
#define PYR_KERNELS_CPU_BF16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

typedef uint16_t pyr_bf16;

static inline float pyr_bf16_to_float(pyr_bf16 value)
{
    uint32_t bits = (uint32_t)value << 16;
    float out;

    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Without branches, for vector code. */
static inline pyr_bf16 pyr_bf16_of_float(float value)
{
    uint32_t bits, magnitude, upper;

    memcpy(&bits, &value, sizeof bits);
    magnitude = bits & 0x7FFFFFFFu;
    upper = (bits + 0x7FFFu + ((bits >> 16) & 1)) >> 16;
    upper = magnitude > 0x7F800000u ? (bits >> 16) | 0x40u : upper;
    upper = magnitude < 0x00800000u ? (bits >> 16) & 0x8000u : upper;
    return (pyr_bf16)upper;
}

/* Runs of n; dst and src do not overlap. */
static inline void pyr_bf16_widen(float *restrict dst, const pyr_bf16 *restrict src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = pyr_bf16_to_float(src[i]);
}

static inline void pyr_bf16_narrow(pyr_bf16 *restrict dst, const float *restrict src, size_t n)
{
    size_t i = 0;

#ifdef __AVX512BF16__
    for (; i + 16 <= n; i += 16) {
        __m256bh half = _mm512_cvtneps_pbh(_mm512_loadu_ps(src + i));

        memcpy(dst + i, &half, sizeof half);
    }
#endif
    for (; i < n; i++)
        dst[i] = pyr_bf16_of_float(src[i]);
}

#endif
