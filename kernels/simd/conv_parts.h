/* conv_parts.h - what winograd_f32.c and product_f32.c share: where results go, layouts of gradients, rows of products. */
#ifndef PYR_KERNELS_SIMD_CONV_PARTS_H
#define PYR_KERNELS_SIMD_CONV_PARTS_H

#include "kernels/simd/conv_f32.h"
#include "kernels/simd/vec.h"

enum {
    BLOCK = 16,
    OUTPUTS = VECTORS * LANES
}; /* channels that lie together; outputs that are computed together */

static inline int divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

static inline int smaller(int a, int b)
{
    return a < b ? a : b;
}

static inline int out_blocks(const pyr_conv_size *size)
{
    return divide_up(size->out, OUTPUTS);
}

/* The next part of `all` in the fewest parts of at most ROWS, about equal. */
static inline int next_rows(int all)
{
    return divide_up(all, divide_up(all, ROWS));
}

/* `f` with the number of rows as a constant. */
#if defined __AVX512F__
#define MORE_ROWS(f, ...)                                                                                    \
    case 12:                                                                                                 \
        f(12, __VA_ARGS__);                                                                                  \
        break;                                                                                               \
    case 11:                                                                                                 \
        f(11, __VA_ARGS__);                                                                                  \
        break;                                                                                               \
    case 10:                                                                                                 \
        f(10, __VA_ARGS__);                                                                                  \
        break;                                                                                               \
    case 9:                                                                                                  \
        f(9, __VA_ARGS__);                                                                                   \
        break;                                                                                               \
    case 8:                                                                                                  \
        f(8, __VA_ARGS__);                                                                                   \
        break;                                                                                               \
    case 7:                                                                                                  \
        f(7, __VA_ARGS__);                                                                                   \
        break;
#else
#define MORE_ROWS(f, ...)
#endif
#define BY_ROWS(rows, f, ...)                                                                                \
    switch (rows) {                                                                                          \
        MORE_ROWS(f, __VA_ARGS__)                                                                            \
    case 6:                                                                                                  \
        f(6, __VA_ARGS__);                                                                                   \
        break;                                                                                               \
    case 5:                                                                                                  \
        f(5, __VA_ARGS__);                                                                                   \
        break;                                                                                               \
    case 4:                                                                                                  \
        f(4, __VA_ARGS__);                                                                                   \
        break;                                                                                               \
    case 3:                                                                                                  \
        f(3, __VA_ARGS__);                                                                                   \
        break;                                                                                               \
    case 2:                                                                                                  \
        f(2, __VA_ARGS__);                                                                                   \
        break;                                                                                               \
    default:                                                                                                 \
        f(1, __VA_ARGS__);                                                                                   \
    }

/* sum[row] += sum over n channels of at[row] * w; w: [channel][OUTPUTS]. */
PYR_INLINE void add_products(int rows, vec sum[ROWS][VECTORS], const float *const at[ROWS], const float *w,
                             int n)
{
    for (int i = 0; i < n; i++, w += OUTPUTS) {
        vec factor[VECTORS];

        UNROLL
        for (int v = 0; v < VECTORS; v++)
            factor[v] = load(w + v * LANES);
        UNROLL
        for (int r = 0; r < rows; r++) {
            vec value = all(at[r][i]);

            UNROLL
            for (int v = 0; v < VECTORS; v++)
                sum[r][v] += value * factor[v];
        }
    }
}

/* gradient[row][OUTPUTS] (+)= sum over `count` pixels or tiles of x[row] * dy, which are x_step and dy_step floats from
 * one to the next; dy_block: from 16 outputs of dy to the next 16. */
PYR_INLINE void multiply_turned(int rows, const float *x, size_t x_step, const float *dy, size_t dy_step,
                                size_t dy_block, int count, bool add, float *gradient)
{
    vec sum[ROWS][VECTORS];

    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        sum[r][v] = add ? load(gradient + r * OUTPUTS + v * LANES) : all(0);
    for (int t = 0; t < count; t++, x += x_step, dy += dy_step) {
        vec factor[VECTORS];

        UNROLL
        for (int v = 0; v < VECTORS; v++)
            factor[v] = load(dy + (size_t)(v * LANES / BLOCK) * dy_block + v * LANES % BLOCK);
        UNROLL
        for (int r = 0; r < rows; r++) {
            vec value = all(x[r]);

            UNROLL
            for (int v = 0; v < VECTORS; v++)
                sum[r][v] += value * factor[v];
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        store(gradient + r * OUTPUTS + v * LANES, sum[r][v]);
}

static inline void multiply_turned_rows(int rows, const float *x, size_t x_step, const float *dy,
                                        size_t dy_step, size_t dy_block, int count, bool add, float *gradient)
{
    BY_ROWS(rows, multiply_turned, x, x_step, dy, dy_step, dy_block, count, add, gradient)
}

/* ---- results ----------------------------------------------------------------------------------- */

/* What a block of outputs of all tiles goes to. `part`: the tensor that has all of them, from `channel` on; -1: some
 * are in another one, or beyond the last. */
typedef struct target {
    const pyr_conv_size *size;
    const pyr_conv_result *y;
    int output, part, channel;
} target;

static inline target target_of(const pyr_conv_size *size, const pyr_conv_result *y, int output)
{
    target t = {size, y, output, -1, 0};

    for (int part = 0, first = 0; part < 2; first += y->c[part], part++)
        if (output >= first && output + OUTPUTS <= first + y->c[part]) {
            t.part = part;
            t.channel = output - first;
        }
    return t;
}

/* Some of the outputs are written. */
static inline bool is_wanted(const target *t)
{
    return t->part < 0 || t->y->at[t->part];
}

/* LANES outputs of a pixel, all in one tensor. */
PYR_INLINE void put(const target *t, int image, size_t pixel, int output, vec v)
{
    const pyr_conv_result *y = t->y;
    float *to = (float *)y->at[t->part] + pixel * (size_t)y->c[t->part] + t->channel + output;
    int o = t->output + output;

    if (y->bias)
        v += load(y->bias + o);
    if (y->vector)
        v += load(y->vector + (size_t)image * (size_t)t->size->out + o);
    if (y->residual)
        v += load((const float *)y->residual + pixel * (size_t)t->size->out + o);
    v *= all(y->scale);
    if (y->add[t->part])
        v += load(to);
    store(to, v);
}

/* The same one by one, for outputs that lie in two tensors or are not there. */
static inline void put_singly(const target *t, int image, size_t pixel, int output, vec v)
{
    const pyr_conv_result *y = t->y;
    size_t out = (size_t)t->size->out;

    for (int i = 0; i < LANES && t->output + output + i < t->size->out; i++) {
        size_t o = (size_t)(t->output + output + i);
        int part = (int)o >= y->c[0];
        float sum = v[i] + (y->bias ? y->bias[o] : 0);
        float *to = (float *)y->at[part];

        if (!to)
            continue;
        to += pixel * (size_t)y->c[part] + o - (size_t)(part ? y->c[0] : 0);
        sum += y->vector ? y->vector[(size_t)image * out + o] : 0;
        sum += y->residual ? ((const float *)y->residual)[pixel * out + o] : 0;
        *to = y->add[part] ? *to + sum * y->scale : sum * y->scale;
    }
}

/* ---- gradients: [block of outputs][tap][in][OUTPUTS] ------------------------------------------- */

static inline size_t gradient_bytes_of(const pyr_conv_size *size, int taps)
{
    return (size_t)(out_blocks(size) * taps) * (size_t)size->in * OUTPUTS * sizeof(float);
}

static inline void collect_taps(const pyr_conv_size *size, size_t taps, const float *const *gradients,
                                int count, float *dw)
{
    size_t in = (size_t)size->in;

    for (size_t o = 0; o < (size_t)size->out; o++)
        for (size_t i = 0; i < in; i++)
            for (size_t t = 0; t < taps; t++) {
                size_t at = ((o / OUTPUTS * taps + t) * in + i) * OUTPUTS + o % OUTPUTS;
                float sum = 0;

                for (int k = 0; k < count; k++)
                    sum += gradients[k][at];
                *dw++ += sum;
            }
}

#endif
