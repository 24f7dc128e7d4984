/* vector.h - loops that the compiler turns into vector code.
 *
 * No intrinsics: gcc and clang vectorise these loops for each instruction set
 * (checked with -fopt-info-vec for AVX-512 and AVX2). `omp simd reduction`
 * allows the reordering of a sum; the order is fixed once compiled. */
#ifndef PYR_KERNELS_CPU_VECTOR_H
#define PYR_KERNELS_CPU_VECTOR_H

#include "kernels/kernels.h"
#include <math.h>
#include <string.h>

/* exp(x) for floats, relative error below 2e-7; arguments are clamped to
 * [-87, 88], NaN stays NaN. Cody-Waite reduction and a polynomial of degree 6
 * (Taylor; |r| <= ln 2 / 2), branch-free. */
static inline float pyr_vexp(float x)
{
    float n, r, p;
    int32_t bits;

    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    n = rintf(x * 1.44269504088896341f);
    r = x - n * 0.693359375f + n * 2.12194440e-4f;
    p = 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    bits = ((int32_t)n + 127) << 23;
    memcpy(&n, &bits, sizeof n);
    return p * n;
}

static inline float pyr_vsigmoid(float x)
{
    return 1.0f / (1.0f + pyr_vexp(-x));
}

/* Value and slope of the activations (Elfwing et al. 2018; Misra 2019; exact-erf GELU; ELU, Clevert et al. 2016). */
static inline float pyr_act_value(pyr_act act, float u)
{
    switch (act) {
    case PYR_ACT_SILU:
        return u * pyr_vsigmoid(u);
    case PYR_ACT_MISH:
        return u * tanhf(u > 20 ? u : log1pf(expf(u)));
    case PYR_ACT_GELU:
        return 0.5f * u * (1.0f + erff(u * 0.70710678118654752f));
    case PYR_ACT_RELU:
        return u > 0 ? u : 0;
    case PYR_ACT_ELU:
        return u > 0 ? u : expm1f(u);
    case PYR_ACT_NONE:
        break;
    }
    return u;
}

static inline float pyr_act_slope(pyr_act act, float u)
{
    switch (act) {
    case PYR_ACT_SILU: {
        float s = pyr_vsigmoid(u);

        return s * (1.0f + u * (1.0f - s));
    }
    case PYR_ACT_MISH: {
        float t = tanhf(u > 20 ? u : log1pf(expf(u)));

        return t + u * (1.0f - t * t) * pyr_vsigmoid(u);
    }
    case PYR_ACT_GELU:
        return 0.5f * (1.0f + erff(u * 0.70710678118654752f)) +
               u * 0.39894228040143268f * expf(-0.5f * u * u);
    case PYR_ACT_RELU:
        return u > 0;
    case PYR_ACT_ELU:
        return u > 0 ? 1 : expf(u);
    case PYR_ACT_NONE:
        break;
    }
    return 1;
}

static inline void pyr_vadd(float *restrict dst, const float *restrict src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] += src[i];
}

#endif
