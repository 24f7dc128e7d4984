/* element_tmpl.h - formulas of one element: the reference computes with them in float and in double, the CUDA
 * kernels in float. Define REAL and MATH (the function of math.h for that type), then include. */
#include "base/inline.h"

/* ---- places ---- */

/* Offset in elements of pixel (n, y, x), whose channels follow one another. */
PYR_INLINE size_t pixel(pyr_shape s, int n, int y, int x)
{
    return (((size_t)n * s.h + y) * s.w + x) * s.c;
}

PYR_INLINE size_t per_image(pyr_shape s)
{
    return (size_t)s.h * s.w * s.c;
}

/* ---- activations ---- */

PYR_INLINE REAL sigmoid(REAL x)
{
    return 1 / (1 + MATH(exp)(-x));
}

/* log(1 + e^x), also where e^x is out of range */
PYR_INLINE REAL softplus(REAL x)
{
    return MATH(fmax)(x, 0) + MATH(log1p)(MATH(exp)(-MATH(fabs)(x)));
}

PYR_INLINE REAL act_value(pyr_act act, REAL x)
{
    switch (act) {
    case PYR_ACT_SILU:
        return x * sigmoid(x);
    case PYR_ACT_MISH: /* Misra 2019 */
        return x * MATH(tanh)(softplus(x));
    case PYR_ACT_GELU: /* Hendrycks & Gimpel 2016, the exact form */
        return x * (1 + MATH(erf)(x * (REAL)0.70710678118654752440)) / 2;
    case PYR_ACT_RELU:
        return x > 0 ? x : 0;
    case PYR_ACT_NONE:
        break;
    }
    return x;
}

PYR_INLINE REAL act_slope(pyr_act act, REAL x)
{
    switch (act) {
    case PYR_ACT_SILU: {
        REAL s = sigmoid(x);

        return s * (1 + x * (1 - s));
    }
    case PYR_ACT_MISH: {
        REAL t = MATH(tanh)(softplus(x));

        return t + x * (1 - t * t) * sigmoid(x);
    }
    case PYR_ACT_GELU: /* Phi(x) + x phi(x) */
        return (1 + MATH(erf)(x * (REAL)0.70710678118654752440)) / 2 +
               x * MATH(exp)(-x * x / 2) * (REAL)0.39894228040143267794;
    case PYR_ACT_RELU:
        return x > 0 ? 1 : 0;
    case PYR_ACT_NONE:
        break;
    }
    return 1;
}

/* ---- AdamW (Loshchilov & Hutter 2019, algorithm 2) ---------------------------------------------- */

/* What is the same for all parameters in one update. */
typedef struct adamw_factors {
    REAL clip, beta1, beta2, rest1, rest2; /* rest: 1 - beta */
    REAL keep;                             /* 1 - learning rate * weight decay */
    REAL step_size, root_correction, eps, ema_rate;
} adamw_factors;

PYR_INLINE adamw_factors adamw_of(const pyr_adamw *settings, const pyr_step_state *state)
{
    double rate = (double)state->learning_rate, norm = (double)state->clip_norm, clip = (double)state->clip;
    double t = (double)state->applied + 1;
    adamw_factors f;

    f.clip = (REAL)(clip > 0 && norm > clip ? clip / norm : 1);
    f.beta1 = (REAL)settings->beta1;
    f.beta2 = (REAL)settings->beta2;
    f.rest1 = (REAL)(1 - settings->beta1);
    f.rest2 = (REAL)(1 - settings->beta2);
    f.keep = (REAL)(1 - rate * settings->weight_decay);
    f.step_size = (REAL)(rate / (1 - pow(settings->beta1, t)));
    f.root_correction = (REAL)sqrt(1 - pow(settings->beta2, t));
    f.eps = (REAL)settings->eps;
    f.ema_rate = (REAL)(1 / fmax(1.0, (double)state->ema_window * t));
    return f;
}

PYR_INLINE void adamw_update(const adamw_factors *f, REAL grad, REAL *value, REAL *m, REAL *v)
{
    REAL g = grad * f->clip;

    *m = f->beta1 * *m + f->rest1 * g;
    *v = f->beta2 * *v + f->rest2 * g * g;
    *value = f->keep * *value - f->step_size * *m / (MATH(sqrt)(*v) / f->root_correction + f->eps);
}
