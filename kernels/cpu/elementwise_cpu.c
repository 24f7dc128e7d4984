/* elementwise_cpu.c - operations on one element at a time: a pass over memory each, in f32 or bf16.
 *
 * Written for registers with a tail, so that one function serves both types and any count. All images of an
 * operation have the type of y; numbers per image are f32. dx may be dy itself where the gradient passes
 * unchanged; then nothing is done. */
#include "kernels/cpu/activations.h"
#include "kernels/cpu/cpu.h"

#include "base/philox.h"

/* run(at, n, type, ...) for all elements below `count`, a register at a time. */
#define EACH_OF(type, count, run, ...)                                                                       \
    do {                                                                                                     \
        size_t at_ = 0, count_ = (count);                                                                    \
        for (; at_ + LANES <= count_; at_ += LANES)                                                          \
            run(at_, LANES, type, __VA_ARGS__);                                                              \
        if (at_ < count_)                                                                                    \
            run(at_, (int)(count_ - at_), type, __VA_ARGS__);                                                \
    } while (0)

#define EACH(type, count, run, ...)                                                                          \
    do {                                                                                                     \
        if ((type) == PYR_BF16)                                                                              \
            EACH_OF(PYR_BF16, count, run, __VA_ARGS__);                                                      \
        else                                                                                                 \
            EACH_OF(PYR_F32, count, run, __VA_ARGS__);                                                       \
    } while (0)

static size_t per_image(pyr_shape s)
{
    return (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

PYR_INLINE vec load_at(const void *base, size_t at, int n, pyr_type type)
{
    return pyr_load(pyr_at(base, at, type), type, n);
}

/* dst = value, or dst += value */
PYR_INLINE void put_at(void *base, size_t at, int n, pyr_type type, bool add, vec value)
{
    pyr_put(pyr_at_out(base, at, type), type, n, add, value);
}

/* ---- activation -------------------------------------------------------------------------------- */

PYR_INLINE void activate(size_t at, int n, pyr_type type, pyr_act act, const void *x, void *y)
{
    put_at(y, at, n, type, false, pyr_act_values(act, load_at(x, at, n, type), type == PYR_BF16));
}

static pyr_status activation_forward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);

    (void)k;
    if (op->act == PYR_ACT_SILU)
        EACH(op->y.type, count, activate, PYR_ACT_SILU, op->x[0].data, op->y.data);
    else
        EACH(op->y.type, count, activate, op->act, op->x[0].data, op->y.data);
    return PYR_OK;
}

PYR_INLINE void through_activation(size_t at, int n, pyr_type type, pyr_act act, const void *x,
                                   const void *dy, void *dx, bool add)
{
    vec slope = pyr_act_slopes(act, load_at(x, at, n, type), type == PYR_BF16);

    put_at(dx, at, n, type, add, load_at(dy, at, n, type) * slope);
}

static pyr_status activation_backward(pyr_kernels *k, pyr_op *op)
{
    size_t count = pyr_count(op->y.s);
    const void *x = op->x[0].data, *dy = op->dy;
    void *dx = op->dx[0];
    bool add = op->dx_add[0];

    (void)k;
    if (dx && op->act == PYR_ACT_SILU)
        EACH(op->y.type, count, through_activation, PYR_ACT_SILU, x, dy, dx, add);
    else if (dx)
        EACH(op->y.type, count, through_activation, op->act, x, dy, dx, add);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_activation = {
    .reads = PYR_READS_X0, .in_place = 1, .forward = activation_forward, .backward = activation_backward};

/* ---- scaled copies ----------------------------------------------------------------------------- */

PYR_INLINE void scale_one(size_t at, int n, pyr_type type, void *dst, const void *src, float scale, bool add)
{
    put_at(dst, at, n, type, add, load_at(src, at, n, type) * scale);
}

/* dst = src * scale, or dst += src * scale; nothing when dst is src, or NULL. */
static void put_scaled(pyr_type type, void *dst, const void *src, size_t count, float scale, bool add)
{
    if (!dst || dst == src)
        return;
    EACH(type, count, scale_one, dst, src, scale, add);
}

/* ---- add --------------------------------------------------------------------------------------- */

PYR_INLINE void add_one(size_t at, int n, pyr_type type, void *y, const void *a, const void *b, float scale)
{
    put_at(y, at, n, type, false, (load_at(a, at, n, type) + load_at(b, at, n, type)) * scale);
}

static pyr_status add_forward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    EACH(op->y.type, pyr_count(op->y.s), add_one, op->y.data, op->x[0].data, op->x[1].data, op->scale);
    return PYR_OK;
}

static pyr_status add_backward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    for (int j = 0; j < 2; j++)
        put_scaled(op->y.type, op->dx[j], op->dy, pyr_count(op->y.s), op->scale, op->dx_add[j]);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_add = {.in_place = 1 | 2, .forward = add_forward, .backward = add_backward};

/* ---- numbers per channel ----------------------------------------------------------------------- */

/* Rows of channels fill registers badly when channels are few. So an image is cut into rows of `length`
 * elements: its channels when they are as many as a register has elements, otherwise that many pixels. */
typedef struct rows {
    size_t length, count, rest; /* rows of that length, and elements behind them */
    size_t c;
} rows;

enum { ROW_ROOM = LANES * LANES };

static rows rows_of(pyr_shape s)
{
    size_t c = (size_t)s.c, each = per_image(s), length = c < LANES ? c * LANES : c;

    return (rows){length, each / length, each % length, c};
}

/* A row of v[channel]: v itself, or `room` filled with it over and over. */
static const float *row_of(const rows *r, const float *v, float room[ROW_ROOM])
{
    if (r->length == r->c)
        return v;
    for (size_t i = 0; i < r->length; i++)
        room[i] = v[i % r->c];
    return room;
}

/* sum[channel] = (add ? sum : 0) + sum over pixels of dy, or of dy x when there is an x. */
PYR_INLINE void channel_sums_of(const rows *r, pyr_type type, float *sum, bool add, const void *dy,
                                const void *x)
{
    float room[ROW_ROOM] = {0};

    for (size_t at = 0; at < r->length; at += LANES) {
        int n = pyr_in_register(at, r->length);
        int last = at >= r->rest ? 0 : r->rest - at < (size_t)n ? (int)(r->rest - at) : n;
        vec total = all(0);

        for (size_t i = 0; i < r->count + (last > 0); i++) {
            int here = i < r->count ? n : last;
            vec d = load_at(dy, i * r->length + at, here, type);

            total += x ? (vec)(d * load_at(x, i * r->length + at, here, type)) : d;
        }
        if (r->length == r->c) {
            put_at(sum, at, n, PYR_F32, add, total);
            continue;
        }
        pyr_store_f32(room + at, total, n);
    }
    for (size_t c = 0; r->length != r->c && c < r->c; c++) {
        float total = add ? sum[c] : 0;

        for (size_t i = c; i < r->length; i += r->c)
            total += room[i];
        sum[c] = total;
    }
}

static void channel_sums(const rows *r, pyr_type type, float *sum, bool add, const void *dy, const void *x)
{
    if (type == PYR_BF16)
        channel_sums_of(r, PYR_BF16, sum, add, dy, x);
    else
        channel_sums_of(r, PYR_F32, sum, add, dy, x);
}

PYR_INLINE void map_one(size_t at, int n, pyr_type type, void *y, const void *x, const float *scale,
                        const float *shift, bool add)
{
    vec value = load_at(x, at, n, type);

    if (scale)
        value *= 1.0f + pyr_load_f32(scale + at, n);
    if (shift)
        value += pyr_load_f32(shift + at, n);
    put_at(y, at, n, type, add, value);
}

/* y = x (1 + scale) + shift for one image; scale and shift are rows, or NULL: none. */
static void map_rows(const rows *r, pyr_type type, void *y, const void *x, const float *scale,
                     const float *shift, bool add)
{
    for (size_t i = 0; i <= r->count; i++) {
        size_t start = i * r->length;

        EACH(type, i < r->count ? r->length : r->rest, map_one, pyr_at_out(y, start, type),
             pyr_at(x, start, type), scale, shift, add);
    }
}

static pyr_status add_channel_forward(pyr_kernels *k, pyr_op *op)
{
    rows r = rows_of(op->y.s);
    float room[ROW_ROOM];

    (void)k;
    for (size_t n = 0; n < (size_t)op->y.s.n; n++) {
        size_t at = n * per_image(op->y.s);
        const float *v = row_of(&r, (const float *)op->x[1].data + n * r.c, room);

        map_rows(&r, op->y.type, pyr_at_out(op->y.data, at, op->y.type),
                 pyr_at(op->x[0].data, at, op->y.type), NULL, v, false);
    }
    return PYR_OK;
}

static pyr_status add_channel_backward(pyr_kernels *k, pyr_op *op)
{
    rows r = rows_of(op->y.s);

    (void)k;
    put_scaled(op->y.type, op->dx[0], op->dy, pyr_count(op->y.s), 1, op->dx_add[0]);
    for (size_t n = 0; op->dx[1] && n < (size_t)op->y.s.n; n++)
        channel_sums(&r, op->y.type, (float *)op->dx[1] + n * r.c, op->dx_add[1],
                     pyr_at(op->dy, n * per_image(op->y.s), op->y.type), NULL);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_add_channel = {
    .in_place = 1, .forward = add_channel_forward, .backward = add_channel_backward};

static pyr_status scale_shift_forward(pyr_kernels *k, pyr_op *op)
{
    rows r = rows_of(op->y.s);
    float room[2][ROW_ROOM];

    (void)k;
    for (size_t n = 0; n < (size_t)op->y.s.n; n++) {
        size_t at = n * per_image(op->y.s);
        const float *v = (const float *)op->x[1].data + n * 2 * r.c;

        map_rows(&r, op->y.type, pyr_at_out(op->y.data, at, op->y.type),
                 pyr_at(op->x[0].data, at, op->y.type), row_of(&r, v, room[0]), row_of(&r, v + r.c, room[1]),
                 false);
    }
    return PYR_OK;
}

static pyr_status scale_shift_backward(pyr_kernels *k, pyr_op *op)
{
    rows r = rows_of(op->y.s);
    pyr_type type = op->y.type;
    float room[ROW_ROOM];

    (void)k;
    for (size_t n = 0; n < (size_t)op->y.s.n; n++) {
        size_t at = n * per_image(op->y.s);
        const float *v = (const float *)op->x[1].data + n * 2 * r.c;
        const void *dy = pyr_at(op->dy, at, type);

        if (op->dx[0])
            map_rows(&r, type, pyr_at_out(op->dx[0], at, type), dy, row_of(&r, v, room), NULL, op->dx_add[0]);
        if (!op->dx[1])
            continue;
        float *dv = (float *)op->dx[1] + n * 2 * r.c;
        channel_sums(&r, type, dv, op->dx_add[1], dy, pyr_at(op->x[0].data, at, type));
        channel_sums(&r, type, dv + r.c, op->dx_add[1], dy, NULL);
    }
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_scale_shift = {.reads = PYR_READS_X0 | PYR_READS_X1,
                                         .in_place = 1,
                                         .forward = scale_shift_forward,
                                         .backward = scale_shift_backward};

/* ---- dropout ----------------------------------------------------------------------------------- */

/* dst = (add ? dst : 0) + src mask / (1 - rate), see the reference; the mask is drawn again in backward. */
PYR_INLINE void dropout_image(const pyr_op *op, pyr_type type, const uint32_t *stream, void *dst,
                              const void *src, bool add)
{
    uint64_t key = (uint64_t)stream[1] << 32 | stream[0];
    size_t each = per_image(op->y.s);
    float factor = 1 / (1 - op->rate);

    for (size_t at = 0; at < each; at += LANES) {
        int n = pyr_in_register(at, each);
        float mask[LANES];

        for (int i = 0; i < LANES; i += 4) {
            pyr_rng4 r =
                pyr_philox(key, (uint32_t)(at / 4) + (uint32_t)i / 4, stream[2], stream[3], op->purpose);

            for (int j = 0; j < 4; j++)
                mask[i + j] = pyr_uniform(r.v[j]) >= op->rate ? factor : 0;
        }
        put_at(dst, at, n, type, add, load_at(src, at, n, type) * pyr_load_f32(mask, LANES));
    }
}

static void dropout_apply(const pyr_op *op, void *dst, const void *src, bool add)
{
    const uint32_t *stream = op->x[1].data;
    size_t each = per_image(op->y.s);

    for (size_t n = 0; n < (size_t)op->y.s.n; n++, stream += PYR_STREAM_WORDS)
        if (op->y.type == PYR_BF16)
            dropout_image(op, PYR_BF16, stream, pyr_at_out(dst, n * each, PYR_BF16),
                          pyr_at(src, n * each, PYR_BF16), add);
        else
            dropout_image(op, PYR_F32, stream, pyr_at_out(dst, n * each, PYR_F32),
                          pyr_at(src, n * each, PYR_F32), add);
}

static pyr_status dropout_forward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    dropout_apply(op, op->y.data, op->x[0].data, false);
    return PYR_OK;
}

static pyr_status dropout_backward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (op->dx[0])
        dropout_apply(op, op->dx[0], op->dy, op->dx_add[0]);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_dropout = {
    .reads = PYR_READS_X1, .in_place = 1, .forward = dropout_forward, .backward = dropout_backward};

/* ---- around the network: f32 ------------------------------------------------------------------- */

PYR_INLINE void mix_one(size_t at, int n, pyr_type type, float *y, const float *x0, const float *x1, float a,
                        float b)
{
    put_at(y, at, n, type, false, load_at(x0, at, n, type) * a + load_at(x1, at, n, type) * b);
}

static pyr_status mix_forward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->y.s);
    const float *x0 = op->x[0].data, *x1 = op->x[1].data, *ab = op->x[2].data;
    float *y = op->y.data;

    (void)k;
    for (size_t n = 0; n < (size_t)op->y.s.n; n++, x0 += each, x1 += each, y += each)
        EACH_OF(PYR_F32, each, mix_one, y, x0, x1, ab[2 * n], ab[2 * n + 1]);
    return PYR_OK;
}

static pyr_status mix_backward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->y.s);
    const float *ab = op->x[2].data, *dy = op->dy;

    (void)k;
    for (int j = 0; j < 2; j++)
        for (size_t n = 0; op->dx[j] && n < (size_t)op->y.s.n; n++)
            EACH_OF(PYR_F32, each, scale_one, (float *)op->dx[j] + n * each, dy + n * each,
                    ab[2 * n + (size_t)j], op->dx_add[j]);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_mix = {
    .reads = PYR_READS_X2, .in_place = 1 | 2, .forward = mix_forward, .backward = mix_backward};

PYR_INLINE void divide_one(size_t at, int n, pyr_type type, float *dst, const float *src, float by, bool add)
{
    put_at(dst, at, n, type, add, load_at(src, at, n, type) / by);
}

static void divide(const pyr_op *op, float *dst, const float *src, bool add)
{
    size_t each = per_image(op->y.s);
    const float *by = op->x[1].data;

    for (size_t n = 0; n < (size_t)op->y.s.n; n++, dst += each, src += each)
        EACH_OF(PYR_F32, each, divide_one, dst, src, by[n], add);
}

static pyr_status divide_forward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    divide(op, op->y.data, op->x[0].data, false);
    return PYR_OK;
}

static pyr_status divide_backward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (op->dx[0])
        divide(op, op->dx[0], op->dy, op->dx_add[0]);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_divide = {
    .reads = PYR_READS_X1, .in_place = 1, .forward = divide_forward, .backward = divide_backward};

PYR_INLINE void affine_one(size_t at, int n, pyr_type type, float *y, const float *x, float scale,
                           float shift)
{
    put_at(y, at, n, type, false, load_at(x, at, n, type) * scale + shift);
}

static pyr_status affine_forward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    EACH_OF(PYR_F32, pyr_count(op->y.s), affine_one, op->y.data, op->x[0].data, op->scale, op->shift);
    return PYR_OK;
}

static pyr_status affine_backward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    put_scaled(PYR_F32, op->dx[0], op->dy, pyr_count(op->y.s), op->scale, op->dx_add[0]);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_affine = {.in_place = 1, .forward = affine_forward, .backward = affine_backward};

/* Squares of a piece are added in float, the pieces in double: an image of any size keeps float's
 * accuracy. */
enum { PIECE = 1024 };

static double squares(const float *a, const float *b, size_t count)
{
    double total = 0;

    for (size_t start = 0; start < count; start += PIECE) {
        size_t n = count - start < PIECE ? count - start : PIECE;
        float sum = 0;

#pragma omp simd reduction(+ : sum)
        for (size_t i = start; i < start + n; i++)
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        total += (double)sum;
    }
    return total;
}

static pyr_status squared_error_forward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->x[0].s);
    const float *a = op->x[0].data, *b = op->x[1].data, *weight = op->x[2].data;
    float *y = op->y.data;

    (void)k;
    for (size_t n = 0; n < (size_t)op->x[0].s.n; n++)
        y[n] = (float)((double)weight[n] * squares(a + n * each, b + n * each, each) / (double)each);
    return PYR_OK;
}

PYR_INLINE void difference_one(size_t at, int n, pyr_type type, float *dx, const float *a, const float *b,
                               float factor, bool add)
{
    put_at(dx, at, n, type, add, (load_at(a, at, n, type) - load_at(b, at, n, type)) * factor);
}

static pyr_status squared_error_backward(pyr_kernels *k, pyr_op *op)
{
    size_t each = per_image(op->x[0].s);
    const float *a = op->x[0].data, *b = op->x[1].data, *weight = op->x[2].data, *dy = op->dy;

    (void)k;
    for (int j = 0; j < 2; j++)
        for (size_t n = 0; op->dx[j] && n < (size_t)op->x[0].s.n; n++) {
            float factor = dy[n] * weight[n] * 2 / (float)each * (j ? -1.0f : 1.0f);

            EACH_OF(PYR_F32, each, difference_one, (float *)op->dx[j] + n * each, a + n * each, b + n * each,
                    factor, op->dx_add[j]);
        }
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_squared_error = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2,
                                           .forward = squared_error_forward,
                                           .backward = squared_error_backward};
