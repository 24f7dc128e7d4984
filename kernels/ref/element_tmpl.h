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

/* Nearest upsampling of `in` pixels to `out`: what pixel o is a copy of; the first copy of pixel i or of a
 * later one, as floor(o in / out) >= i when o >= i out / in. */
PYR_INLINE int upsample_source(int o, int in, int out)
{
    return o * in / out;
}

PYR_INLINE int upsample_first(int i, int in, int out)
{
    return (i * out + in - 1) / in;
}

/* Space to depth: channel c of pixel (y, x) in the image that is `patch` times as large, and the channel that
 * (y, x, c) of that image becomes. */
typedef struct patch_place {
    int y, x, c;
} patch_place;

PYR_INLINE patch_place patch_place_of(int y, int x, int c, int patch)
{
    patch_place place = {y * patch + c % (patch * patch) / patch, x * patch + c % patch, c / (patch * patch)};

    return place;
}

PYR_INLINE int patch_channel(int y, int x, int c, int patch)
{
    return c * patch * patch + y % patch * patch + x % patch;
}

/* POOL2D's window of pixel (oy, ox), cut to the image: rows top .. bottom - 1, columns left .. right - 1. */
typedef struct pool2d_part {
    int top, bottom, left, right;
} pool2d_part;

PYR_INLINE pool2d_part pool2d_part_of(const pyr_op *op, int oy, int ox)
{
    int top = oy * op->stride - op->pad_top, left = ox * op->stride - op->pad_left;
    int bottom = top + op->kernel, right = left + pyr_op_kernel_w(op);
    pyr_shape in = op->x[0].s;
    pool2d_part part = {top < 0 ? 0 : top, bottom > in.h ? in.h : bottom, left < 0 ? 0 : left,
                        right > in.w ? in.w : right};

    return part;
}

PYR_INLINE REAL pool2d_count(const pyr_op *op, pool2d_part p)
{
    if (op->window == PYR_WINDOW_MEAN_PADDED)
        return (REAL)(op->kernel * pyr_op_kernel_w(op));
    return (REAL)((p.bottom - p.top) * (p.right - p.left));
}

/* The position of the window with row (or column) `k` over pixel `i`, of `out`; -1: there is none. */
PYR_INLINE int pool2d_over(int i, int pad, int k, int stride, int out)
{
    int at = i + pad - k;

    return at < 0 || at % stride || at / stride >= out ? -1 : at / stride;
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
    case PYR_ACT_ELU: /* Clevert et al. 2016, alpha 1 */
        return x > 0 ? x : MATH(expm1)(x);
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
    case PYR_ACT_ELU:
        return x > 0 ? 1 : MATH(exp)(x);
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

/* ---- embeddings of the noise level ---- */

/* TIME_POSITIONAL's angle number i of `half`: in float for every table. */
PYR_INLINE float time_positional_angle(float x, int i, int half, float freq_shift)
{
    float exponent = -9.21034037197618273607f * (float)i / ((float)half - freq_shift);

    return x * expf(exponent);
}

PYR_INLINE REAL time_fourier_angle(REAL x, REAL w)
{
    return MATH(log)(x) * w * 2 * (REAL)3.14159265358979323846;
}
