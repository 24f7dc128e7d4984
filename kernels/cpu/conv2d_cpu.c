/* conv2d_cpu.c - convolutions, and linear layers as those of 1x1: each pass by register tiles of bf16
 * (conv_by_tiles.c), kernels of floats (conv_by_floats.c) or oneDNN (conv_by_onednn.c).
 *
 * Fast kernels want weights in layouts of their own. They are reordered once after each update (pack), not on
 * every call, and the gradient of the weights is summed over micro-batches in such a layout and turned back
 * once (collect). */
#include "base/mem.h"
#include "kernels/cpu/conv2d_internal.h"
#include "kernels/cpu/conv_around.h"
#include "kernels/cpu/cpu.h"
#include "kernels/simd/amx.h"

#include <assert.h>

/* ---- what is read and written ------------------------------------------------------------------ */

pyr_conv_source pyr_conv_x(const pyr_op *op)
{
    const pyr_tensor *x = op->x;
    pyr_conv_source source = {{x[0].data}, {x[0].s.c}, x[0].type, x[0].s.h, x[0].s.w};

    if (pyr_op_has(op, PYR_X_MORE)) {
        source.at[1] = x[PYR_X_MORE].data;
        source.c[1] = x[PYR_X_MORE].s.c;
    }
    return source;
}

pyr_conv_source pyr_conv_dy(const pyr_op *op)
{
    return (pyr_conv_source){{op->dy}, {op->y.s.c}, op->y.type, op->y.s.h, op->y.s.w};
}

pyr_conv_result pyr_conv_y(const conv_state *s, const pyr_op *op)
{
    pyr_tensor y = op->y;
    pyr_conv_result result = {
        .at = {y.data}, .c = {y.s.c}, .type = y.type, .h = y.s.h, .w = y.s.w, .scale = s->scale};

    if (s->shape.bias)
        result.bias = op->param[1];
    if (pyr_op_has(op, PYR_X_VECTOR))
        result.vector = op->x[PYR_X_VECTOR].data;
    if (pyr_op_has(op, PYR_X_RESIDUAL))
        result.residual = op->x[PYR_X_RESIDUAL].data;
    return result;
}

pyr_conv_result pyr_conv_dx(const conv_state *s, const pyr_op *op, void *dx0, void *dx3)
{
    const pyr_tensor *x = op->x;

    return (pyr_conv_result){.at = {dx0, dx3},
                             .c = {x[0].s.c, s->shape.in - x[0].s.c},
                             .add = {op->dx_add[0], op->dx_add[PYR_X_MORE]},
                             .type = x[0].type,
                             .h = x[0].s.h,
                             .w = x[0].s.w,
                             .scale = s->scale};
}

/* ---- plan -------------------------------------------------------------------------------------- */

/* 1x1 or 3x3 (choose_way has left dilated ones out), and the result is as large as the image. */
static bool same_size(const pyr_conv_shape *s)
{
    int pad = s->kernel / 2;

    return (s->kernel == 1 || s->kernel == 3) && s->kernel_w == s->kernel && s->stride == 1 &&
           s->pad_top == pad && s->pad_left == pad && s->pad_bottom == pad && s->pad_right == pad;
}

/* 3x3 of stride 2 with a border, of which AMX makes the products of all positions and leaves some. */
static bool half_size(const pyr_conv_shape *s)
{
    return PYR_BY_AMX && s->kernel == 3 && s->kernel_w == 3 && s->stride == 2 && s->pad_top == 1 &&
           s->pad_left == 1 && s->out_h == (s->in_h + 1) / 2 && s->out_w == (s->in_w + 1) / 2;
}

/* Of floats and tiles: they read one image that is enlarged or two, not both. */
static bool takes_neighbours(const pyr_op *op)
{
    return !(op->up_h && pyr_op_has(op, PYR_X_MORE));
}

static pyr_conv_size size_of(const pyr_conv_shape *s)
{
    return (pyr_conv_size){.n = s->n,
                           .h = s->out_h,
                           .w = s->out_w,
                           .in = s->in,
                           .out = s->out,
                           .in_h = s->in_h,
                           .in_w = s->in_w,
                           .kernel_h = s->kernel,
                           .kernel_w = s->kernel_w,
                           .stride = s->stride,
                           .pad_top = s->pad_top,
                           .pad_left = s->pad_left,
                           .spread = 1};
}

static void conv_release(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    (void)k;
    if (!s)
        return;
    for (int pass = 0; pass < PYR_CONV_PASSES; pass++) {
        pyr_onednn_free(s->call[pass]);
        pyr_onednn_free(s->reorder[pass]);
    }
    pyr_free(s);
    op->state = NULL;
}

static pyr_status choose_way(pyr_kernels *k, conv_state *s, const pyr_op *op, pyr_conv_pass pass)
{
    bool bf16 = s->shape.data == PYR_BF16;

    s->way[pass] = &pyr_conv_by_onednn;
    if (!takes_neighbours(op) || pyr_op_dilation(op) > 1)
        return PYR_OK;
    if (bf16 && half_size(&s->shape))
        s->way[pass] = &pyr_conv_by_tiles;
    else if (bf16 && same_size(&s->shape) && pyr_tile_available()) {
        s->way[pass] = &pyr_conv_by_tiles;
        if (pass != PYR_CONV_BACKWARD_WEIGHTS)
            return pyr_choose_tiles(k, pass == PYR_CONV_FORWARD ? &s->tile : &s->turned);
        if (op->x[0].type == op->y.type)
            PYR_TRY(pyr_choose_gradient(k, s, op));
    } else if (!bf16)
        PYR_TRY(pyr_choose_floats(k, s, op, pass));
    if (s->floats[pass])
        s->way[pass] = &pyr_conv_by_floats;
    return PYR_OK;
}

/* Copies and sums behind what the ways need. */
static void plan_scratch(conv_state *s, pyr_op *op)
{
    size_t in = (size_t)s->shape.n * (size_t)s->shape.in_h * (size_t)s->shape.in_w * (size_t)s->shape.in;

    s->copies_x = s->reads_x && (pyr_op_has(op, PYR_X_MORE) || op->up_h || op->x[0].type != s->shape.data);
    s->copies_dy = s->reads_dy && op->y.type != s->shape.data;
    s->x_copy = pyr_aligned(op->scratch_bytes);
    s->dy_copy = s->x_copy;
    if (s->copies_x)
        s->dy_copy += pyr_aligned(in * pyr_type_size(s->shape.data));
    s->sums = s->dy_copy;
    if (s->copies_dy)
        s->sums += pyr_aligned(pyr_count(op->y.s) * pyr_type_size(s->shape.data));
    op->scratch_bytes = s->sums + s->sums_bytes;
}

static pyr_status conv_plan(pyr_kernels *k, pyr_op *op)
{
    pyr_conv_shape shape = pyr_conv_shape_of(op);
    bool wanted[PYR_CONV_PASSES] = {
        [PYR_CONV_FORWARD] = true,
        [PYR_CONV_BACKWARD_DATA] =
            op->backward && (op->want_dx[0] || (pyr_op_has(op, PYR_X_MORE) && op->want_dx[PYR_X_MORE])),
        [PYR_CONV_BACKWARD_WEIGHTS] = op->want_grad,
    };
    conv_state *s;

    assert(!pyr_op_has(op, PYR_X_MORE) || op->x[PYR_X_MORE].type == op->x[0].type);
    assert(!pyr_op_has(op, PYR_X_RESIDUAL) || op->x[PYR_X_RESIDUAL].type == op->y.type);
    assert(!op->want_grad || !op->w_in);
    PYR_TRY(pyr_new(&s, 1, sizeof *s, "convolution"));
    op->state = s;
    s->shape = shape;
    s->scale = op->kind == PYR_OP_LINEAR ? 1 : op->scale;
    s->tile = (pyr_tile_size){.n = shape.n,
                              .h = shape.out_h,
                              .w = shape.out_w,
                              .in = shape.in,
                              .out = shape.out,
                              .kernel = shape.kernel};
    if (op->x[0].type != op->y.type) /* f32 at one end is meant to be more than bf16 */
        s->tile.products = PYR_PLAIN;
    if (half_size(&shape)) {
        s->tile.h = shape.in_h;
        s->tile.w = shape.in_w;
        s->tile.strided = true;
    }
    s->turned = s->tile;
    s->turned.strided = false;
    s->turned.spread = s->tile.strided;
    s->turned.in = shape.out;
    s->turned.out = shape.in;
    s->size = size_of(&shape);
    s->turned_size = pyr_conv_turned(&s->size);
    for (int pass = 0; pass < PYR_CONV_PASSES; pass++) {
        if (!wanted[pass])
            continue;
        PYR_TRY(choose_way(k, s, op, (pyr_conv_pass)pass));
        s->packed_at[pass] = op->packed_bytes;
        PYR_TRY(s->way[pass]->plan(s, op, (pyr_conv_pass)pass));
    }
    plan_scratch(s, op);
    return PYR_OK;
}

/* ---- weights ----------------------------------------------------------------------------------- */

static pyr_status conv_pack(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    (void)k;
    for (int pass = 0; pass < PYR_CONV_BACKWARD_WEIGHTS; pass++) {
        /* those of the first input channel that is used */
        const float *w =
            (const float *)op->param[0] + (size_t)op->w_first * (size_t)(s->shape.kernel * s->shape.kernel_w);

        if (s->way[pass])
            PYR_TRY(s->way[pass]->pack(s, op, (pyr_conv_pass)pass, w));
    }
    return PYR_OK;
}

static pyr_status conv_collect(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                               void *const dparam[PYR_OP_PARAMS])
{
    conv_state *s = op->state;

    (void)k;
    return s->way[PYR_CONV_BACKWARD_WEIGHTS]->collect(s, op, accumulators, n, dparam);
}

/* ---- passes ------------------------------------------------------------------------------------ */

static pyr_status conv_forward(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    (void)k;
    return s->way[PYR_CONV_FORWARD]->forward(s, op);
}

static pyr_status backward_data(const conv_state *s, pyr_op *op, void *dx0, void *dx3)
{
    return dx0 || dx3 ? s->way[PYR_CONV_BACKWARD_DATA]->data(s, op, dx0, dx3) : PYR_OK;
}

/* Inputs' gradients are finished in order where a later one adds to an earlier one's. The vector's are sums of dy, as
 * the bias's are, and are made with them. */
static pyr_status conv_backward(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;
    bool later = op->dx[PYR_X_MORE] && op->dx[PYR_X_MORE] == op->dx[PYR_X_RESIDUAL];

    (void)k;
    if (op->only != PYR_BACKWARD_INPUTS) {
        if (op->want_grad)
            PYR_TRY(s->way[PYR_CONV_BACKWARD_WEIGHTS]->weights(s, op));
        else
            pyr_around_dy_sums(op, s->scale, NULL, false);
    }
    if (op->only == PYR_BACKWARD_PARAMS)
        return PYR_OK;
    PYR_TRY(backward_data(s, op, op->dx[0], later ? NULL : op->dx[PYR_X_MORE]));
    pyr_around_dx_residual(op, s->scale);
    return later ? backward_data(s, op, NULL, op->dx[PYR_X_MORE]) : PYR_OK;
}

const pyr_op_impl pyr_cpu_conv2d = {.reads = PYR_READS_X0 | PYR_READS_X3,
                                    .fuses = PYR_FUSES_RESIDUAL | PYR_FUSES_VECTOR | PYR_FUSES_CONCAT |
                                             PYR_FUSES_UPSAMPLE,
                                    .in_place = 1u << PYR_X_RESIDUAL,
                                    .overwrites = true,
                                    .plan = conv_plan,
                                    .release = conv_release,
                                    .forward = conv_forward,
                                    .backward = conv_backward,
                                    .pack = conv_pack,
                                    .collect = conv_collect};

/* y = x W^T + b, for each pixel. */
const pyr_op_impl pyr_cpu_linear = {.reads = PYR_READS_X0,
                                    .overwrites = true,
                                    .plan = conv_plan,
                                    .release = conv_release,
                                    .forward = conv_forward,
                                    .backward = conv_backward,
                                    .pack = conv_pack,
                                    .collect = conv_collect};
