/* group_norm_cpu.c - group norm, scale and shift, activation in one pass each way.
 *
 * Per image and channel everything is affine in x:
 *     u = x * a + b,  a = rstd gamma (1 + scale),  b = (beta - mean rstd gamma)(1 + scale) + shift
 *     y = act(u)
 * Backward, with du = dy act'(u), xhat = (x - mean) rstd, m = elements of a group:
 *     dshift = sum du, dscale = sum du (xhat gamma + beta),
 *     dgamma = (1 + scale) sum du xhat, dbeta = (1 + scale) sum du
 *     dx = rstd (g - mean_group(g) - xhat mean_group(g xhat)),  g = du gamma (1 + scale)
 * so two sums per channel (of du and of du xhat) are enough, and dx is again
 * affine: dx = du * a + x * p + q with p, q per channel.
 *
 * Cycles per element, forward and backward, SiLU, scale and shift, 8 groups (Zen 5, AVX-512, one thread; the
 * last line: the same in loops over float rows, three passes forward):
 *               7x7x64       14x14x64     28x28x64
 *     bf16      0.69  0.90   0.59  0.84   0.56  0.79
 *     float     0.90  1.33   0.80  1.30   0.78  1.31
 *     before    2.05  2.48   1.86  2.27   1.74  2.10
 * Tried in bf16 and slower: du kept as bf16 instead of float, backward 1.04 instead of 0.90 at 7x7x64 (the
 * conversions cost more than the larger scratch); du computed again instead of kept, 1.42. What is done once
 * for an image is most of the difference between the sizes: some 400 cycles forward. */
#include "kernels/cpu/activations.h"
#include "kernels/cpu/cpu.h"

#include <assert.h>

typedef struct sizes {
    size_t pixels, c, groups, per_group;
} sizes;

static sizes sizes_of(const pyr_op *op)
{
    pyr_shape s = op->y.s;

    return (sizes){(size_t)s.h * (size_t)s.w, (size_t)s.c, (size_t)op->groups, (size_t)(s.c / op->groups)};
}

/* scratch: rows of per-channel numbers, then du of one image */
enum { A, B, SUM, SUM2, MEAN, RSTD, NUMBERS };

static pyr_status norm_plan(pyr_kernels *k, pyr_op *op)
{
    sizes z = sizes_of(op);

    (void)k;
    assert(op->x[0].type == op->y.type);
    assert(!pyr_op_has(op, PYR_X_MORE) || op->x[PYR_X_MORE].type == op->y.type);
    op->saved_bytes = op->backward ? (size_t)op->y.s.n * z.groups * 2 * sizeof(float) : 0;
    op->scratch_bytes = (NUMBERS + (op->backward ? z.pixels : 0)) * z.c * sizeof(float);
    return PYR_OK;
}

/* The channels of one image that come from one input, number `first` of the whole and up. */
typedef struct part {
    int input;
    size_t c, first;
    const void *x;
    void *dx; /* NULL: not wanted */
    bool add;
} part;

enum { PARTS = 2 };

static int parts_of(part parts[PARTS], const pyr_op *op, const sizes *z, size_t image)
{
    const int inputs[PARTS] = {0, PYR_X_MORE};
    size_t first = 0;
    int n = pyr_op_has(op, PYR_X_MORE) ? 2 : 1;

    for (int i = 0; i < n; i++) {
        int input = inputs[i];
        const pyr_tensor *x = &op->x[input];
        size_t c = (size_t)x->s.c, at = image * z->pixels * c;
        void *dx = op->dx[input] ? pyr_at_out(op->dx[input], at, x->type) : NULL;

        parts[i] = (part){input, c, first, pyr_at(x->data, at, x->type), dx, op->dx_add[input]};
        first += c;
    }
    assert(first == z->c);
    return n;
}

/* Cut `channels` into pieces: call run(at, width, n, ...) for `width` registers from channel `at` on, `n`
 * elements in the last of them. Four registers at a time hide the latency of their sums. */
#define PIECES(channels, run, ...)                                                                           \
    for (size_t at = 0, left = (channels), step; left > 0; at += step, left -= step) {                       \
        if (left >= 4 * LANES) {                                                                             \
            step = 4 * LANES;                                                                                \
            run(at, 4, LANES, __VA_ARGS__);                                                                  \
        } else if (left >= 2 * LANES) {                                                                      \
            step = 2 * LANES;                                                                                \
            run(at, 2, LANES, __VA_ARGS__);                                                                  \
        } else if (left >= LANES) {                                                                          \
            step = LANES;                                                                                    \
            run(at, 1, LANES, __VA_ARGS__);                                                                  \
        } else {                                                                                             \
            step = left;                                                                                     \
            run(at, 1, (int)left, __VA_ARGS__);                                                              \
        }                                                                                                    \
    }

enum { WIDEST = 4 };

/* ---- statistics -------------------------------------------------------------------------------- */

/* mean[c], and square[c] = sum of (x - mean[c])^2, over the pixels of each channel: one pass, relative to the
 * channel's first pixel f: S = sum (x - f), Q = sum (x - f)^2, mean = f + S / pixels, square = Q - S^2 /
 * pixels. f is one of the numbers, so that Q is at most `pixels` + 1 times the result: cancellation costs no
 * more than that many roundings, however large the mean is. */
PYR_INLINE void statistics_piece(size_t at, int width, int n, pyr_type type, const part *in, size_t pixels,
                                 float *mean, float *square)
{
    vec first[WIDEST], sum[WIDEST], sum2[WIDEST];
    float per_pixel = 1.0f / (float)pixels;

    for (int v = 0; v < width; v++) {
        first[v] = pyr_load(pyr_at(in->x, at + v * LANES, type), type, n);
        sum[v] = sum2[v] = all(0);
    }
    for (size_t i = 1; i < pixels; i++)
        for (int v = 0; v < width; v++) {
            vec d = pyr_load(pyr_at(in->x, i * in->c + at + v * LANES, type), type, n) - first[v];

            sum[v] += d;
            sum2[v] = pyr_fma(d, d, sum2[v]);
        }
    for (int v = 0; v < width; v++) {
        size_t to = in->first + at + v * LANES;

        pyr_store_f32(mean + to, pyr_fma(sum[v], all(per_pixel), first[v]), n);
        pyr_store_f32(square + to, pyr_fma(sum[v] * -per_pixel, sum[v], sum2[v]), n);
    }
}

/* From the channels' to the groups': mean and 1/sqrt(var + eps), in pairs; relative to the first channel's
 * mean, for the same reason. */
static void group_statistics(const sizes *z, const float *mean, const float *square, double eps, float *stat)
{
    double pixels = (double)z->pixels, share = 1 / (double)z->per_group;

    for (size_t g = 0; g < z->groups; g++, mean += z->per_group, square += z->per_group) {
        double sum = 0, sum2 = 0, within = 0;

        for (size_t c = 0; c < z->per_group; c++) {
            double d = (double)mean[c] - (double)mean[0];

            sum += d;
            sum2 += d * d;
            within += (double)square[c];
        }
        stat[2 * g] = (float)((double)mean[0] + sum * share);
        sum2 = (within / pixels + sum2 - sum * sum * share) * share;
        stat[2 * g + 1] = (float)(1 / sqrt((sum2 > 0 ? sum2 : 0) + eps));
    }
}

/* The groups' numbers for each channel, then a and b. */
static void coefficients(const sizes *z, const pyr_op *op, size_t image, const float *stat, float *rows)
{
    const float *gamma = op->param[0], *beta = op->param[1];
    const float *extra =
        pyr_op_has(op, PYR_X_SCALE_SHIFT) ? (const float *)op->x[1].data + image * 2 * z->c : NULL;
    float *restrict a = rows + A * z->c, *restrict b = rows + B * z->c;
    float *restrict mean = rows + MEAN * z->c, *restrict rstd = rows + RSTD * z->c;

    for (size_t g = 0; g < z->groups; g++)
        for (size_t c = g * z->per_group; c < (g + 1) * z->per_group; c++) {
            mean[c] = stat[2 * g];
            rstd[c] = stat[2 * g + 1];
        }
    for (size_t c = 0; c < z->c; c++) {
        a[c] = rstd[c] * gamma[c];
        b[c] = beta[c] - mean[c] * a[c];
    }
    if (extra)
        for (size_t c = 0; c < z->c; c++) {
            a[c] *= 1.0f + extra[c];
            b[c] = b[c] * (1.0f + extra[c]) + extra[z->c + c];
        }
}

/* ---- forward ----------------------------------------------------------------------------------- */

PYR_INLINE void apply_piece(size_t at, int width, int n, pyr_type type, pyr_act act, const part *in,
                            const sizes *z, const float *rows, void *y)
{
    vec a[WIDEST], b[WIDEST];

    for (int v = 0; v < width; v++) {
        size_t from = in->first + at + v * LANES;

        a[v] = pyr_load_f32(rows + A * z->c + from, n);
        b[v] = pyr_load_f32(rows + B * z->c + from, n);
    }
    for (size_t i = 0; i < z->pixels; i++)
        for (int v = 0; v < width; v++) {
            size_t channel = at + v * LANES;
            vec x = pyr_load(pyr_at(in->x, i * in->c + channel, type), type, n);

            pyr_store(pyr_at_out(y, i * z->c + in->first + channel, type), type,
                      pyr_act_values(act, pyr_fma(x, a[v], b[v]), type == PYR_BF16), n);
        }
}

PYR_INLINE void apply(pyr_type type, pyr_act act, const part *in, const sizes *z, const float *rows, void *y)
{
    if (act == PYR_ACT_SILU) {
        PIECES(in->c, apply_piece, type, PYR_ACT_SILU, in, z, rows, y);
    } else if (act == PYR_ACT_NONE) {
        PIECES(in->c, apply_piece, type, PYR_ACT_NONE, in, z, rows, y);
    } else {
        PIECES(in->c, apply_piece, type, act, in, z, rows, y);
    }
}

PYR_INLINE void image_forward(pyr_op *op, const sizes *z, size_t image, pyr_type type)
{
    float *rows = op->scratch, *mean = rows + MEAN * z->c, *square = rows + RSTD * z->c;
    float *stat = op->backward ? (float *)op->saved + image * 2 * z->groups : rows + SUM * z->c;
    void *y = pyr_at_out(op->y.data, image * z->pixels * z->c, type);
    part parts[PARTS];
    int n_parts = parts_of(parts, op, z, image);

    for (int i = 0; i < n_parts; i++)
        PIECES(parts[i].c, statistics_piece, type, &parts[i], z->pixels, mean, square);
    group_statistics(z, mean, square, (double)op->eps, stat);
    coefficients(z, op, image, stat, rows);
    for (int i = 0; i < n_parts; i++)
        apply(type, op->act, &parts[i], z, rows, y);
}

static void image_forward_f32(pyr_op *op, const sizes *z, size_t image)
{
    image_forward(op, z, image, PYR_F32);
}

static void image_forward_bf16(pyr_op *op, const sizes *z, size_t image)
{
    image_forward(op, z, image, PYR_BF16);
}

static pyr_status norm_forward(pyr_kernels *k, pyr_op *op)
{
    sizes z = sizes_of(op);

    (void)k;
    for (size_t n = 0; n < (size_t)op->y.s.n; n++)
        if (op->y.type == PYR_BF16)
            image_forward_bf16(op, &z, n);
        else
            image_forward_f32(op, &z, n);
    return PYR_OK;
}

/* ---- backward ---------------------------------------------------------------------------------- */

/* du, and its sums per channel: sum[c] = sum du, sum2[c] = sum du x. */
PYR_INLINE void through_piece(size_t at, int width, int n, pyr_type type, pyr_act act, const part *in,
                              const sizes *z, float *rows, const void *dy, float *du)
{
    vec a[WIDEST], b[WIDEST], sum[WIDEST], sum2[WIDEST];

    for (int v = 0; v < width; v++) {
        size_t from = in->first + at + v * LANES;

        a[v] = pyr_load_f32(rows + A * z->c + from, n);
        b[v] = pyr_load_f32(rows + B * z->c + from, n);
        sum[v] = sum2[v] = all(0);
    }
    for (size_t i = 0; i < z->pixels; i++)
        for (int v = 0; v < width; v++) {
            size_t channel = at + v * LANES, to = i * z->c + in->first + channel;
            vec x = pyr_load(pyr_at(in->x, i * in->c + channel, type), type, n);
            vec d = pyr_load(pyr_at(dy, to, type), type, n);

            d *= pyr_act_slopes(act, pyr_fma(x, a[v], b[v]), type == PYR_BF16);
            pyr_store_f32(du + to, d, n);
            sum[v] += d;
            sum2[v] = pyr_fma(d, x, sum2[v]);
        }
    for (int v = 0; v < width; v++) {
        size_t to = in->first + at + v * LANES;

        pyr_store_f32(rows + SUM * z->c + to, sum[v], n);
        pyr_store_f32(rows + SUM2 * z->c + to, sum2[v], n);
    }
}

PYR_INLINE void through_activation(pyr_type type, pyr_act act, const part *in, const sizes *z, float *rows,
                                   const void *dy, float *du)
{
    if (act == PYR_ACT_SILU) {
        PIECES(in->c, through_piece, type, PYR_ACT_SILU, in, z, rows, dy, du);
    } else if (act == PYR_ACT_NONE) {
        PIECES(in->c, through_piece, type, PYR_ACT_NONE, in, z, rows, dy, du);
    } else {
        PIECES(in->c, through_piece, type, act, in, z, rows, dy, du);
    }
}

/* dst = value, or dst += value */
static inline void put(float *dst, bool add, float value)
{
    *dst = add ? *dst + value : value;
}

/* Gradients of the parameters and of [scale | shift] from the sums; SUM2 becomes sum du xhat, and B takes
 * gamma (1 + scale). */
static void channel_gradients(pyr_op *op, const sizes *z, size_t image, float *rows)
{
    float *restrict sum = rows + SUM * z->c, *restrict sum2 = rows + SUM2 * z->c;
    float *restrict factor = rows + B * z->c;
    const float *restrict mean = rows + MEAN * z->c, *restrict rstd = rows + RSTD * z->c;
    const float *gamma = op->param[0], *beta = op->param[1];
    bool has_extra = pyr_op_has(op, PYR_X_SCALE_SHIFT), add = op->grad_add || image > 0;
    const float *extra = has_extra ? (const float *)op->x[1].data + image * 2 * z->c : NULL;
    float *restrict dextra = has_extra && op->dx[1] ? (float *)op->dx[1] + image * 2 * z->c : NULL;
    float *restrict dgamma = op->want_grad ? op->grad : NULL;
    float *restrict dbeta = dgamma ? dgamma + z->c : NULL;

    for (size_t c = 0; c < z->c; c++)
        sum2[c] = (sum2[c] - mean[c] * sum[c]) * rstd[c];
    for (size_t c = 0; dextra && c < z->c; c++) {
        put(&dextra[c], op->dx_add[1], gamma[c] * sum2[c] + beta[c] * sum[c]);
        put(&dextra[z->c + c], op->dx_add[1], sum[c]);
    }
    for (size_t c = 0; c < z->c; c++)
        factor[c] = extra ? 1.0f + extra[c] : 1.0f;
    for (size_t c = 0; dgamma && c < z->c; c++) {
        put(&dgamma[c], add, factor[c] * sum2[c]);
        put(&dbeta[c], add, factor[c] * sum[c]);
    }
    for (size_t c = 0; c < z->c; c++)
        factor[c] *= gamma[c];
}

/* dx = du a - rstd (mean_g + xhat mean_gx) = du a + x p + q; p and q take the rows of the sums. */
static void input_coefficients(const sizes *z, const float *stat, float *rows)
{
    float *p = rows + SUM * z->c, *q = rows + SUM2 * z->c, *factor = rows + B * z->c;
    double m = (double)z->pixels * (double)z->per_group;

    for (size_t g = 0; g < z->groups; g++) {
        double mean_g = 0, mean_gx = 0, rstd = (double)stat[2 * g + 1], mean = (double)stat[2 * g];
        float group_p, group_q;

        for (size_t c = g * z->per_group; c < (g + 1) * z->per_group; c++) {
            mean_g += (double)(factor[c] * p[c]);
            mean_gx += (double)(factor[c] * q[c]);
        }
        mean_g /= m;
        mean_gx /= m;
        group_p = (float)(-rstd * rstd * mean_gx);
        group_q = (float)(-rstd * mean_g + rstd * rstd * mean * mean_gx);
        for (size_t c = g * z->per_group; c < (g + 1) * z->per_group; c++) {
            p[c] = group_p;
            q[c] = group_q;
        }
    }
}

PYR_INLINE void input_gradient_piece(size_t at, int width, int n, pyr_type type, const part *in,
                                     const sizes *z, const float *rows, const float *du, bool add)
{
    vec a[WIDEST], p[WIDEST], q[WIDEST];

    for (int v = 0; v < width; v++) {
        size_t from = in->first + at + v * LANES;

        a[v] = pyr_load_f32(rows + A * z->c + from, n);
        p[v] = pyr_load_f32(rows + SUM * z->c + from, n);
        q[v] = pyr_load_f32(rows + SUM2 * z->c + from, n);
    }
    for (size_t i = 0; i < z->pixels; i++)
        for (int v = 0; v < width; v++) {
            size_t channel = at + v * LANES;
            void *dx = pyr_at_out(in->dx, i * in->c + channel, type);
            vec x = pyr_load(pyr_at(in->x, i * in->c + channel, type), type, n);
            vec d = pyr_load_f32(du + i * z->c + in->first + channel, n);

            d = pyr_fma(d, a[v], pyr_fma(x, p[v], q[v]));
            if (add)
                d += pyr_load(dx, type, n);
            pyr_store(dx, type, d, n);
        }
}

PYR_INLINE void image_backward(pyr_op *op, const sizes *z, size_t image, pyr_type type)
{
    float *rows = op->scratch, *du = rows + NUMBERS * z->c;
    const float *stat = (const float *)op->saved + image * 2 * z->groups;
    const void *dy = pyr_at(op->dy, image * z->pixels * z->c, type);
    part parts[PARTS];
    int n_parts = parts_of(parts, op, z, image);

    coefficients(z, op, image, stat, rows);
    for (int i = 0; i < n_parts; i++)
        through_activation(type, op->act, &parts[i], z, rows, dy, du);
    channel_gradients(op, z, image, rows);
    input_coefficients(z, stat, rows);
    for (int i = 0; i < n_parts; i++)
        if (!parts[i].dx)
            continue;
        else if (parts[i].add) {
            PIECES(parts[i].c, input_gradient_piece, type, &parts[i], z, rows, du, true);
        } else
            PIECES(parts[i].c, input_gradient_piece, type, &parts[i], z, rows, du, false);
}

static void image_backward_f32(pyr_op *op, const sizes *z, size_t image)
{
    image_backward(op, z, image, PYR_F32);
}

static void image_backward_bf16(pyr_op *op, const sizes *z, size_t image)
{
    image_backward(op, z, image, PYR_BF16);
}

static pyr_status norm_backward(pyr_kernels *k, pyr_op *op)
{
    sizes z = sizes_of(op);

    (void)k;
    for (size_t n = 0; n < (size_t)op->y.s.n; n++)
        if (op->y.type == PYR_BF16)
            image_backward_bf16(op, &z, n);
        else
            image_backward_f32(op, &z, n);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_group_norm = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X3,
                                        .fuses = PYR_FUSES_CONCAT,
                                        .in_place = 1, /* an image is read in full before it is written */
                                        .overwrites = true,
                                        .plan = norm_plan,
                                        .forward = norm_forward,
                                        .backward = norm_backward};
