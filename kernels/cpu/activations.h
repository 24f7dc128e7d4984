/* activations.h - activations and their slopes, a vector register at a time. */
#ifndef PYR_KERNELS_CPU_ACTIVATIONS_H
#define PYR_KERNELS_CPU_ACTIVATIONS_H

#include "kernels/cpu/vector.h"
#include "kernels/simd/vec.h"

/* exp(x), relative error below 2e-7 for |x| < 87, clamped there; NaN stays NaN. Cody-Waite reduction to
 * |r| <= ln 2 / 2, a polynomial with its error spread evenly (Remez; 2e-9). */
PYR_INLINE vec pyr_exp(vec x)
{
    const vec magic = all(0x1.8p23f); /* its addition rounds to an integer */
    vec n, r, p;

    x = pyr_min(all(87.0f), pyr_max(all(-87.0f), x)); /* the operand order keeps NaN */
    p = pyr_fma(x, all(1.44269504088896341f), magic);
    n = p - magic;
    r = pyr_fma(n, all(-0.693359375f), x);
    r = pyr_fma(n, all(2.12194440e-4f), r);
    int_vec scale = (int_vec)p << 23;
    p = all(0.0013836846f);
    p = pyr_fma(p, r, all(0.0083748157f));
    p = pyr_fma(p, r, all(0.041668226f));
    p = pyr_fma(p, r, all(0.1666642f));
    p = pyr_fma(p, r, all(0.49999992f));
    p = pyr_fma(p, r, all(1.0f));
    p = pyr_fma(p, r, all(1.0f));
    return (vec)((int_vec)p + scale); /* times 2^n: n goes into the exponent */
}

/* 1 / (1 + exp(-x)). `rough`: for results in bf16, relative error below 2^-13.1. */
PYR_INLINE vec pyr_sigmoid(vec x, bool rough)
{
#ifdef __AVX512F__
    if (rough) {
        /* 2^t = 2^floor(t) 2^(t - floor(t)); the cubic on [0, 1] is off by 2^-13.7 at most (Remez), the
         * reciprocal by 2^-14. scalef and the reciprocal do the right thing for infinity. */
        vec t = x * -1.44269504088896341f, r = _mm512_reduce_ps(t, 0x09);
        vec p = pyr_fma(r, all(0.078024523f), all(0.22606716f));

        p = pyr_fma(p, r, all(0.69583354f));
        p = pyr_fma(p, r, all(0.99992522f));
        return _mm512_rcp14_ps(_mm512_scalef_ps(p, t) + 1.0f);
    }
#endif
    (void)rough;
    return 1.0f / (1.0f + pyr_exp(-x));
}

/* The value and the slope of an activation, see vector.h. */
PYR_INLINE vec pyr_act_values(pyr_act act, vec u, bool rough)
{
    if (act == PYR_ACT_NONE)
        return u;
    if (act == PYR_ACT_SILU)
        return u * pyr_sigmoid(u, rough);
    for (int i = 0; i < LANES; i++)
        u[i] = pyr_act_value(act, u[i]);
    return u;
}

PYR_INLINE vec pyr_act_slopes(pyr_act act, vec u, bool rough)
{
    if (act == PYR_ACT_NONE)
        return all(1.0f);
    if (act == PYR_ACT_SILU) { /* s (1 + u (1 - s)) = (s + us) - us s */
        vec s = pyr_sigmoid(u, rough), us = u * s;

        return pyr_fma(-us, s, s + us);
    }
    for (int i = 0; i < LANES; i++)
        u[i] = pyr_act_slope(act, u[i]);
    return u;
}

#endif
