/* conv_parts.h - what the ways of floats share: where results go, layouts of gradients, rows of products. */
#ifndef PYR_KERNELS_SIMD_CONV_PARTS_H
#define PYR_KERNELS_SIMD_CONV_PARTS_H

#include "kernels/simd/conv_f32.h"
#include "kernels/simd/counts.h"
#include "kernels/simd/vec.h"

enum {
    BLOCK = 16,
    OUTPUTS = VECTORS * LANES
}; /* channels that lie together; outputs that are computed together */

static inline int out_blocks(const pyr_conv_size *size)
{
    return divide_up(size->out, OUTPUTS);
}

static inline int next_rows(int all)
{
    return pyr_next_part(all, ROWS);
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

/* sum[row] += x[row] * dy: of one pixel, tile or channel. dy_block: floats from 16 outputs to the next 16. */
PYR_INLINE void add_outer(int rows, vec sum[ROWS][VECTORS], const float *const x[ROWS], size_t at,
                          const float *dy, size_t dy_block)
{
    vec factor[VECTORS];

    UNROLL
    for (int v = 0; v < VECTORS; v++)
        factor[v] = load(dy + (size_t)(v * LANES / BLOCK) * dy_block + v * LANES % BLOCK);
    UNROLL
    for (int r = 0; r < rows; r++) {
        vec value = all(x[r][at]);

        UNROLL
        for (int v = 0; v < VECTORS; v++)
            sum[r][v] += value * factor[v];
    }
}

/* sum[row] += sum over n channels of at[row] * w; w: [channel][OUTPUTS]. */
PYR_INLINE void add_products(int rows, vec sum[ROWS][VECTORS], const float *const at[ROWS], const float *w,
                             int n)
{
    for (int i = 0; i < n; i++, w += OUTPUTS)
        add_outer(rows, sum, at, (size_t)i, w, BLOCK);
}

PYR_INLINE void clear_sums(int rows, vec sum[ROWS][VECTORS])
{
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        sum[r][v] = all(0);
}

/* to[row][OUTPUTS] (+)= sum * scale */
PYR_INLINE void put_sums(int rows, vec sum[ROWS][VECTORS], float scale, bool add, float *to)
{
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int v = 0; v < VECTORS; v++) {
        vec result = sum[r][v] * all(scale);

        if (add)
            result += load(to + r * OUTPUTS + v * LANES);
        store(to + r * OUTPUTS + v * LANES, result);
    }
}

/* ---- results ----------------------------------------------------------------------------------- */

/* What a block of outputs goes to. Of each vector of them: the tensor that has all of them, from `channel` on; -1: some
 * are in another one, or beyond the last. */
typedef struct target {
    const pyr_conv_size *size;
    const pyr_conv_result *y;
    int output;
    bool wanted; /* some are written */
    int part[VECTORS], channel[VECTORS];
    bool whole; /* all are in one tensor, and written */
    bool plain; /* and are no more than sum and bias */
} target;

static inline target target_of(const pyr_conv_size *size, const pyr_conv_result *y, int output)
{
    target t = {.size = size, .y = y, .output = output};

    for (int v = 0; v < VECTORS; v++) {
        int first = output + v * LANES, second = first >= y->c[0];

        t.channel[v] = first - (second ? y->c[0] : 0);
        t.part[v] = t.channel[v] + LANES <= y->c[second] ? second : -1;
        t.wanted |= t.part[v] < 0 || y->at[second];
    }
    t.whole = t.part[0] >= 0 && t.part[0] == t.part[VECTORS - 1] && y->at[t.part[0]];
    t.plain = t.whole && !y->vector && !y->residual && y->scale == 1 && !y->add[t.part[0]];
    return t;
}

/* Output o of a pixel by itself. */
static inline void put_one(const pyr_conv_size *size, const pyr_conv_result *y, int image, size_t pixel,
                           size_t o, float sum)
{
    const size_t out = (size_t)size->out;
    const int part = (int)o >= y->c[0];
    float *to = y->at[part];

    if (!to)
        return;
    to += pixel * (size_t)y->c[part] + o - (size_t)(part ? y->c[0] : 0);
    sum += y->bias ? y->bias[o] : 0;
    sum += y->vector ? y->vector[(size_t)image * out + o] : 0;
    sum += y->residual ? ((const float *)y->residual)[pixel * out + o] : 0;
    *to = y->add[part] ? *to + sum * y->scale : sum * y->scale;
}

/* The vector's outputs one by one, for those that lie in two tensors or are not there. */
static inline void put_singly(const target *t, int image, size_t pixel, int vector, vec sums)
{
    const int first = t->output + vector * LANES;

    for (int i = 0; i < LANES && first + i < t->size->out; i++)
        put_one(t->size, t->y, image, pixel, (size_t)(first + i), sums[i]);
}

/* A vector of a pixel's outputs, number `vector` of the block. */
PYR_INLINE void put(const target *t, int image, size_t pixel, int vector, vec sum)
{
    const pyr_conv_result *y = t->y;
    int part = t->part[vector], o = t->output + vector * LANES;
    float *to;

    if (part < 0) {
        put_singly(t, image, pixel, vector, sum);
        return;
    }
    to = (float *)y->at[part];
    if (!to)
        return;
    to += pixel * (size_t)y->c[part] + t->channel[vector];
    if (y->bias)
        sum += load(y->bias + o);
    if (y->vector)
        sum += load(y->vector + (size_t)image * (size_t)t->size->out + o);
    if (y->residual)
        sum += load((const float *)y->residual + pixel * (size_t)t->size->out + o);
    sum *= all(y->scale);
    if (y->add[part])
        sum += load(to);
    store(to, sum);
}

PYR_INLINE void add_vectors(vec to[VECTORS], const float *from)
{
    UNROLL
    for (int v = 0; v < VECTORS; v++)
        to[v] += load(from + v * LANES);
}

/* sum = the bias, or zeros where put_all adds it. */
PYR_INLINE void begin_sums(int rows, const target *t, vec sum[ROWS][VECTORS])
{
    clear_sums(rows, sum);
    if (!t->whole || !t->y->bias)
        return;
    UNROLL
    for (int r = 0; r < rows; r++)
        add_vectors(sum[r], t->y->bias + t->output);
}

/* All vectors of a pixel, begun by begin_sums. */
PYR_INLINE void put_all(const target *t, int image, size_t pixel, const vec sum[VECTORS])
{
    const pyr_conv_result *y = t->y;
    const size_t out = (size_t)t->size->out;
    const int part = t->part[0];
    vec result[VECTORS];
    float *to;

    if (!t->whole) {
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            put(t, image, pixel, v, sum[v]);
        return;
    }
    to = (float *)y->at[part] + pixel * (size_t)y->c[part] + t->channel[0];
    if (t->plain) {
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            store(to + v * LANES, sum[v]);
        return;
    }
    UNROLL
    for (int v = 0; v < VECTORS; v++)
        result[v] = sum[v];
    if (y->vector)
        add_vectors(result, y->vector + (size_t)image * out + t->output);
    if (y->residual)
        add_vectors(result, (const float *)y->residual + pixel * out + t->output);
    UNROLL
    for (int v = 0; v < VECTORS; v++)
        result[v] *= all(y->scale);
    if (y->add[part])
        add_vectors(result, to);
    UNROLL
    for (int v = 0; v < VECTORS; v++)
        store(to + v * LANES, result[v]);
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
