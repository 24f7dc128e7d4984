/* rearrange_cpu.c - operations that move pixels and channels, in f32 or bf16: concat, nearest upsampling, 2x2
 * means, space to depth and back. x and y have one type. Gradients of several places are added in float and
 * rounded once. */
#include "kernels/cpu/cpu.h"
#include "kernels/simd/vec.h"

/* Offset in elements of pixel (n, y, x). */
static inline size_t pixel(pyr_shape s, size_t n, size_t y, size_t x)
{
    return ((n * (size_t)s.h + y) * (size_t)s.w + x) * (size_t)s.c;
}

/* ---- one element, or the channels of one pixel ------------------------------------------------- */

PYR_INLINE float get_one(const void *base, size_t at, pyr_type type)
{
    return type == PYR_BF16 ? pyr_bf16_to_float(((const pyr_bf16 *)base)[at]) : ((const float *)base)[at];
}

PYR_INLINE void put_one(void *base, size_t at, pyr_type type, bool add, float value)
{
    if (add)
        value += get_one(base, at, type);
    if (type == PYR_BF16)
        ((pyr_bf16 *)base)[at] = pyr_bf16_of_float(value);
    else
        ((float *)base)[at] = value;
}

/* c channels: dst = src * scale, or dst += src * scale; src NULL: zeros. */
PYR_INLINE void put_channels_of(void *dst, pyr_type type, bool add, const void *src, size_t c, float scale)
{
    for (size_t at = 0; at < c; at += LANES) {
        int n = pyr_in_register(at, c);
        vec value = src ? (vec)(pyr_load(pyr_at(src, at, type), type, n) * scale) : all(0);

        pyr_put(pyr_at_out(dst, at, type), type, n, add, value);
    }
}

static void put_channels(void *dst, pyr_type type, bool add, const void *src, size_t c, float scale)
{
    if (type == PYR_BF16)
        put_channels_of(dst, PYR_BF16, add, src, c, scale);
    else
        put_channels_of(dst, PYR_F32, add, src, c, scale);
}

/* ---- concat ------------------------------------------------------------------------------------ */

/* For every pixel, `width` channels: dst = src, or dst += src; `to` and `from` channels from pixel to pixel.
 * A few channels go one by one: a copy for each pixel took 43 us where this takes 6 (f32, 16 x 28 x 28 pixels
 * of 1 and 1 channels). */
PYR_INLINE void move_channels_of(pyr_type type, void *dst, size_t to, const void *src, size_t from,
                                 size_t width, size_t pixels, bool add)
{
    size_t bytes = width * (type == PYR_BF16 ? sizeof(pyr_bf16) : sizeof(float));

    if (width < LANES / 2)
        for (size_t c = 0; c < width; c++)
            for (size_t i = 0; i < pixels; i++)
                put_one(dst, i * to + c, type, add, get_one(src, i * from + c, type));
    else
        for (size_t i = 0; i < pixels; i++)
            if (add)
                put_channels_of(pyr_at_out(dst, i * to, type), type, true, pyr_at(src, i * from, type), width,
                                1);
            else
                memcpy(pyr_at_out(dst, i * to, type), pyr_at(src, i * from, type), bytes);
}

static void move_channels(pyr_type type, void *dst, size_t to, const void *src, size_t from, size_t width,
                          size_t pixels, bool add)
{
    if (type == PYR_BF16)
        move_channels_of(PYR_BF16, dst, to, src, from, width, pixels, add);
    else
        move_channels_of(PYR_F32, dst, to, src, from, width, pixels, add);
}

static pyr_status concat_forward(pyr_kernels *k, pyr_op *op)
{
    size_t c = (size_t)op->y.s.c, pixels = pyr_count(op->y.s) / c, first = 0;
    pyr_type type = op->y.type;

    (void)k;
    for (int j = 0; j < 2; j++) {
        size_t width = (size_t)op->x[j].s.c;

        move_channels(type, pyr_at_out(op->y.data, first, type), c, op->x[j].data, width, width, pixels,
                      false);
        first += width;
    }
    return PYR_OK;
}

static pyr_status concat_backward(pyr_kernels *k, pyr_op *op)
{
    size_t c = (size_t)op->y.s.c, pixels = pyr_count(op->y.s) / c, first = 0;
    pyr_type type = op->y.type;

    (void)k;
    for (int j = 0; j < 2; j++) {
        size_t width = (size_t)op->x[j].s.c;

        if (op->dx[j])
            move_channels(type, op->dx[j], width, pyr_at(op->dy, first, type), c, width, pixels,
                          op->dx_add[j]);
        first += width;
    }
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_concat = {.forward = concat_forward, .backward = concat_backward};

/* ---- nearest upsampling ------------------------------------------------------------------------ */

static pyr_status upsample_forward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    size_t size = pyr_type_size(op->y.type), bytes = (size_t)in.c * size;
    const char *x = op->x[0].data;
    char *y = op->y.data;

    (void)k;
    for (size_t n = 0; n < (size_t)out.n; n++)
        for (int oy = 0; oy < out.h; oy++) {
            const char *row = x + pixel(in, n, (size_t)(oy * in.h / out.h), 0) * size;

            for (int ox = 0; ox < out.w; ox++, y += bytes)
                memcpy(y, row + (size_t)(ox * in.w / out.w) * bytes, bytes);
        }
    return PYR_OK;
}

/* dx[n, y, x] (+)= the sum of dy over the pixels that copied it */
PYR_INLINE void upsample_gradient(const pyr_op *op, pyr_type type, size_t n, size_t y, size_t x)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    size_t h = (size_t)in.h, w = (size_t)in.w, fine_h = (size_t)out.h, fine_w = (size_t)out.w;
    size_t top = pyr_first_copy(y, h, fine_h), bottom = pyr_first_copy(y + 1, h, fine_h);
    size_t left = pyr_first_copy(x, w, fine_w), right = pyr_first_copy(x + 1, w, fine_w);

    for (size_t at = 0; at < (size_t)in.c; at += LANES) {
        int width = pyr_in_register(at, (size_t)in.c);
        vec sum = all(0);

        for (size_t oy = top; oy < bottom; oy++)
            for (size_t ox = left; ox < right; ox++)
                sum += pyr_load(pyr_at(op->dy, pixel(out, n, oy, ox) + at, type), type, width);
        pyr_put(pyr_at_out(op->dx[0], pixel(in, n, y, x) + at, type), type, width, op->dx_add[0], sum);
    }
}

static pyr_status upsample_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape s = op->x[0].s;

    (void)k;
    for (size_t n = 0; op->dx[0] && n < (size_t)s.n; n++)
        for (size_t y = 0; y < (size_t)s.h; y++)
            for (size_t x = 0; x < (size_t)s.w; x++)
                if (op->y.type == PYR_BF16)
                    upsample_gradient(op, PYR_BF16, n, y, x);
                else
                    upsample_gradient(op, PYR_F32, n, y, x);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_upsample = {.forward = upsample_forward, .backward = upsample_backward};

/* ---- 2x2 means --------------------------------------------------------------------------------- */

PYR_INLINE void mean2_pixel(const pyr_op *op, pyr_type type, size_t n, size_t oy, size_t ox)
{
    pyr_shape in = op->x[0].s;
    size_t c = (size_t)in.c, top = pixel(in, n, 2 * oy, 2 * ox), below = top + (size_t)in.w * c;
    size_t to = pixel(op->y.s, n, oy, ox);

    for (size_t at = 0; at < c; at += LANES) {
        int width = pyr_in_register(at, c);
        vec sum = pyr_load(pyr_at(op->x[0].data, top + at, type), type, width);

        sum += pyr_load(pyr_at(op->x[0].data, top + c + at, type), type, width);
        sum += pyr_load(pyr_at(op->x[0].data, below + at, type), type, width);
        sum += pyr_load(pyr_at(op->x[0].data, below + c + at, type), type, width);
        pyr_store(pyr_at_out(op->y.data, to + at, type), type, sum * 0.25f, width);
    }
}

static pyr_status mean2_forward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape s = op->y.s;

    (void)k;
    for (size_t n = 0; n < (size_t)s.n; n++)
        for (size_t y = 0; y < (size_t)s.h; y++)
            for (size_t x = 0; x < (size_t)s.w; x++)
                if (op->y.type == PYR_BF16)
                    mean2_pixel(op, PYR_BF16, n, y, x);
                else
                    mean2_pixel(op, PYR_F32, n, y, x);
    return PYR_OK;
}

static pyr_status mean2_backward(pyr_kernels *k, pyr_op *op)
{
    pyr_shape in = op->x[0].s, out = op->y.s;
    pyr_type type = op->y.type;

    (void)k;
    for (size_t n = 0; op->dx[0] && n < (size_t)in.n; n++)
        for (size_t y = 0; y < (size_t)in.h; y++)
            for (size_t x = 0; x < (size_t)in.w; x++) {
                bool used = y / 2 < (size_t)out.h && x / 2 < (size_t)out.w;

                put_channels(pyr_at_out(op->dx[0], pixel(in, n, y, x), type), type, op->dx_add[0],
                             used ? pyr_at(op->dy, pixel(out, n, y / 2, x / 2), type) : NULL, (size_t)in.c,
                             0.25f);
            }
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_mean2 = {.forward = mean2_forward, .backward = mean2_backward};

/* ---- space to depth and back ------------------------------------------------------------------- */

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The small image has h x w patches of the large one, which may end before its last patches do. */
typedef struct patches {
    pyr_shape large, small;
    size_t p;
} patches;

static patches patches_of(const pyr_op *op)
{
    bool shuffle = op->kind == PYR_OP_SHUFFLE;

    return (patches){shuffle ? op->y.s : op->x[0].s, shuffle ? op->x[0].s : op->y.s, (size_t)op->patch};
}

/* Row `dy` of the patches in row `sy` of the small image: small = large, the edge repeated where it ends
 * (`edge`), or left out. */
PYR_INLINE void to_depth(const patches *t, pyr_type type, void *small, const void *large, size_t n, size_t sy,
                         size_t dy, bool edge, bool add)
{
    size_t c = (size_t)t->large.c, p = t->p, h = (size_t)t->large.h, w = (size_t)t->large.w;
    size_t y = sy * p + dy, row = pixel(t->large, n, smaller(y, h - 1), 0);

    for (size_t sx = 0; sx < (size_t)t->small.w; sx++)
        for (size_t dx = 0; dx < p; dx++) {
            size_t x = sx * p + dx, from = row + smaller(x, w - 1) * c;
            size_t to = pixel(t->small, n, sy, sx) + dy * p + dx;
            bool there = edge || (y < h && x < w);

            for (size_t i = 0; i < c; i++)
                put_one(small, to + i * p * p, type, add, there ? get_one(large, from + i, type) : 0);
        }
}

/* Row `y` of the large image: large = small. */
PYR_INLINE void to_space(const patches *t, pyr_type type, void *large, const void *small, size_t n, size_t y)
{
    size_t c = (size_t)t->large.c, p = t->p, w = (size_t)t->large.w, to = pixel(t->large, n, y, 0);

    for (size_t sx = 0; sx < (size_t)t->small.w; sx++)
        for (size_t x = sx * p; x < smaller(sx * p + p, w); x++) {
            size_t from = pixel(t->small, n, y / p, sx) + y % p * p + x - sx * p;

            for (size_t i = 0; i < c; i++)
                put_one(large, to + x * c + i, type, false, get_one(small, from + i * p * p, type));
        }
}

static void each_to_depth(const pyr_op *op, void *small, const void *large, bool edge, bool add)
{
    patches t = patches_of(op);

    for (size_t n = 0; n < (size_t)t.small.n; n++)
        for (size_t sy = 0; sy < (size_t)t.small.h; sy++)
            for (size_t dy = 0; dy < t.p; dy++)
                if (op->y.type == PYR_BF16)
                    to_depth(&t, PYR_BF16, small, large, n, sy, dy, edge, add);
                else
                    to_depth(&t, PYR_F32, small, large, n, sy, dy, edge, add);
}

static pyr_status unshuffle_forward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    each_to_depth(op, op->y.data, op->x[0].data, true, false);
    return PYR_OK;
}

/* dx of pixel (n, y, x): pixels of the edge also stand in the padding. */
PYR_INLINE void unshuffle_gradient(const pyr_op *op, const patches *t, pyr_type type, size_t n, size_t y,
                                   size_t x)
{
    size_t p = t->p, c = (size_t)t->large.c;
    size_t bottom = y + 1 == (size_t)t->large.h ? (size_t)t->small.h * p : y + 1;
    size_t right = x + 1 == (size_t)t->large.w ? (size_t)t->small.w * p : x + 1;

    for (size_t i = 0; i < c; i++) {
        float sum = 0;

        for (size_t py = y; py < bottom; py++)
            for (size_t px = x; px < right; px++)
                sum += get_one(op->dy, pixel(t->small, n, py / p, px / p) + i * p * p + py % p * p + px % p,
                               type);
        put_one(op->dx[0], pixel(t->large, n, y, x) + i, type, op->dx_add[0], sum);
    }
}

static pyr_status unshuffle_backward(pyr_kernels *k, pyr_op *op)
{
    patches t = patches_of(op);

    (void)k;
    for (size_t n = 0; op->dx[0] && n < (size_t)t.large.n; n++)
        for (size_t y = 0; y < (size_t)t.large.h; y++)
            for (size_t x = 0; x < (size_t)t.large.w; x++)
                if (op->y.type == PYR_BF16)
                    unshuffle_gradient(op, &t, PYR_BF16, n, y, x);
                else
                    unshuffle_gradient(op, &t, PYR_F32, n, y, x);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_unshuffle = {.forward = unshuffle_forward, .backward = unshuffle_backward};

static pyr_status shuffle_forward(pyr_kernels *k, pyr_op *op)
{
    patches t = patches_of(op);

    (void)k;
    for (size_t n = 0; n < (size_t)t.large.n; n++)
        for (size_t y = 0; y < (size_t)t.large.h; y++)
            if (op->y.type == PYR_BF16)
                to_space(&t, PYR_BF16, op->y.data, op->x[0].data, n, y);
            else
                to_space(&t, PYR_F32, op->y.data, op->x[0].data, n, y);
    return PYR_OK;
}

static pyr_status shuffle_backward(pyr_kernels *k, pyr_op *op)
{
    (void)k;
    if (op->dx[0])
        each_to_depth(op, op->dx[0], op->dy, false, op->dx_add[0]);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_shuffle = {.forward = shuffle_forward, .backward = shuffle_backward};
