/* conv2d_cpu.c - convolutions, and matrix products on images in bf16: by register tiles of bf16 (tile.h), kernels of
 * floats (conv_f32.h) or oneDNN.
 *
 * Tiles and floats' kernels take neighbours in (a residual, a concatenation, ...) as they read and write; around oneDNN
 * there are passes for that (conv_around.h). In f32, 1x1 of stride 1 without neighbours is a matrix product
 * (linear_cpu.c).
 *
 * Fast kernels want weights in layouts of their own. They are reordered once after each update (pack), not on
 * every call, and the gradient of the weights is summed over micro-batches in such a layout and turned back
 * once (collect). */
#include "base/clock.h"
#include "base/mem.h"
#include "kernels/cpu/conv_around.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/tile.h"
#include "kernels/cpu/vector.h"
#include "kernels/onednn/onednn.h"
#include "kernels/processor.h"
#include "kernels/simd/conv_f32.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

typedef enum way { BY_ONEDNN, BY_TILES, BY_FLOATS } way;

typedef struct conv_state {
    way forward, data, weights;
    pyr_conv_shape shape;
    pyr_tile_size tile, turned; /* turned: of the pass by data */
    const pyr_conv_f32 *floats; /* functions of BY_FLOATS */
    pyr_conv_size size, turned_size;
    float scale;
    pyr_onednn_call *call[PYR_CONV_PASSES], *pack_forward, *pack_data, *unpack;
    /* offsets in bytes: packed block = [forward weights | weights of the pass by data | gradient as O x I x
     * k x k], scratch = [library's or the tiles' | x as oneDNN wants it | dy likewise | sums] */
    size_t packed_data, packed_gradient;
    size_t x_copy, dy_copy, sums;
    bool copies_x, copies_dy;        /* for oneDNN */
    bool result_direct, data_direct; /* y, dx are written at once, without sums */
} conv_state;

/* ---- sizes ------------------------------------------------------------------------------------- */

static int all_inputs(const conv_state *s, const pyr_op *op)
{
    return op->w_in ? op->w_in : s->shape.in;
}

/* The weights of the first input channel that is used. */
static const float *weights_of(const conv_state *s, const pyr_op *op)
{
    return (const float *)op->param[0] + (size_t)op->w_first * (size_t)(s->shape.kernel * s->shape.kernel_w);
}

/* 1x1 or 3x3, and the result is as large as the image. */
static bool same_size(const pyr_conv_shape *s)
{
    int pad = s->kernel / 2;

    return (s->kernel == 1 || s->kernel == 3) && s->kernel_w == s->kernel && s->stride == 1 &&
           s->pad_top == pad && s->pad_left == pad && s->pad_bottom == pad && s->pad_right == pad;
}

static bool has_neighbours(const pyr_op *op)
{
    return pyr_op_has(op, PYR_X_RESIDUAL) || pyr_op_has(op, PYR_X_VECTOR) || pyr_op_has(op, PYR_X_MORE) ||
           op->up_h || op->w_in;
}

static bool is_product(const pyr_op *op, const pyr_conv_shape *s)
{
    return s->data == PYR_F32 && s->kernel == 1 && same_size(s) && !has_neighbours(op) &&
           (op->kind == PYR_OP_LINEAR || op->scale == 1);
}

/* Tiles read one image that is enlarged or two, not both. */
static bool fits_tiles(const pyr_op *op, const pyr_conv_shape *s)
{
    return s->data == PYR_BF16 && same_size(s) && !(op->up_h && pyr_op_has(op, PYR_X_MORE)) &&
           pyr_tile_available();
}

static bool fits_floats(const pyr_op *op, const conv_state *s)
{
    return s->shape.data == PYR_F32 && same_size(&s->shape) && !(op->up_h && pyr_op_has(op, PYR_X_MORE)) &&
           s->floats->suits(&s->size);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t count_in(const pyr_conv_shape *s)
{
    return (size_t)s->n * (size_t)s->in_h * (size_t)s->in_w * (size_t)s->in;
}

/* ---- plan -------------------------------------------------------------------------------------- */

static void conv_release(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    (void)k;
    if (!s)
        return;
    for (int pass = 0; pass < PYR_CONV_PASSES; pass++)
        pyr_onednn_free(s->call[pass]);
    pyr_onednn_free(s->pack_forward);
    pyr_onednn_free(s->pack_data);
    pyr_onednn_free(s->unpack);
    pyr_free(s);
    op->state = NULL;
}

/* A pass by oneDNN; scratch_bytes has the largest need of the library or the tiles. */
static pyr_status plan_call(conv_state *s, pyr_op *op, pyr_conv_pass pass, pyr_type result)
{
    pyr_conv_shape shape = s->shape;

    shape.result = result;
    PYR_TRY(pyr_onednn_conv(&s->call[pass], &shape, pass));
    op->scratch_bytes = larger(op->scratch_bytes, pyr_onednn_scratch_bytes(s->call[pass]));
    return PYR_OK;
}

static pyr_status plan_forward(conv_state *s, pyr_op *op)
{
    pyr_onednn_call **call = &s->call[PYR_CONV_FORWARD];

    if (s->forward == BY_TILES) {
        op->packed_bytes = pyr_aligned(pyr_tile_packed_bytes(&s->tile));
        op->scratch_bytes = larger(op->scratch_bytes, pyr_tile_scratch(&s->tile));
        return PYR_OK;
    }
    if (s->forward == BY_FLOATS) {
        op->packed_bytes = pyr_aligned(s->floats->packed_bytes(&s->size));
        op->scratch_bytes = larger(op->scratch_bytes, s->floats->scratch(&s->size));
        return PYR_OK;
    }
    s->result_direct = !pyr_op_has(op, PYR_X_RESIDUAL) && !pyr_op_has(op, PYR_X_VECTOR) && s->scale == 1;
    PYR_TRY(plan_call(s, op, PYR_CONV_FORWARD, s->result_direct ? op->y.type : PYR_F32));
    PYR_TRY(pyr_onednn_pack(&s->pack_forward, &s->shape, all_inputs(s, op), *call));
    op->packed_bytes = pyr_aligned(pyr_onednn_weight_bytes(*call));
    return PYR_OK;
}

static pyr_status plan_data(conv_state *s, pyr_op *op)
{
    pyr_onednn_call **call = &s->call[PYR_CONV_BACKWARD_DATA];

    s->packed_data = op->packed_bytes;
    if (s->data == BY_TILES) {
        op->packed_bytes += pyr_aligned(pyr_tile_packed_bytes(&s->turned));
        op->scratch_bytes = larger(op->scratch_bytes, pyr_tile_scratch(&s->turned));
        return PYR_OK;
    }
    if (s->data == BY_FLOATS) {
        s->data_direct = !op->up_h;
        op->packed_bytes += pyr_aligned(s->floats->packed_bytes(&s->turned_size));
        op->scratch_bytes = larger(op->scratch_bytes, s->floats->scratch(&s->turned_size));
        return PYR_OK;
    }
    s->data_direct = !pyr_op_has(op, PYR_X_MORE) && !op->up_h && !op->dx_add[0] && s->scale == 1;
    PYR_TRY(plan_call(s, op, PYR_CONV_BACKWARD_DATA, s->data_direct ? op->x[0].type : PYR_F32));
    PYR_TRY(pyr_onednn_pack(&s->pack_data, &s->shape, all_inputs(s, op), *call));
    op->packed_bytes += pyr_aligned(pyr_onednn_weight_bytes(*call));
    return PYR_OK;
}

static pyr_status plan_weights(conv_state *s, pyr_op *op)
{
    pyr_onednn_call **call = &s->call[PYR_CONV_BACKWARD_WEIGHTS];

    assert(!op->w_in);
    if (s->weights == BY_TILES) {
        op->grad_bytes = pyr_tile_gradient_bytes(&s->tile);
        op->scratch_bytes = larger(op->scratch_bytes, pyr_tile_gradient_scratch(&s->tile));
        return PYR_OK;
    }
    if (s->weights == BY_FLOATS) {
        op->grad_bytes =
            s->floats->gradient_bytes(&s->size) + (s->shape.bias ? (size_t)s->shape.out : 0) * sizeof(float);
        op->scratch_bytes = larger(op->scratch_bytes, s->floats->gradient_scratch(&s->size));
        return PYR_OK;
    }
    PYR_TRY(plan_call(s, op, PYR_CONV_BACKWARD_WEIGHTS, PYR_F32));
    PYR_TRY(pyr_onednn_unpack(&s->unpack, &s->shape, *call));
    op->grad_bytes = pyr_aligned(pyr_onednn_weight_bytes(*call)) +
                     (s->shape.bias ? (size_t)s->shape.out : 0) * sizeof(float);
    s->packed_gradient = op->packed_bytes;
    op->packed_bytes += pyr_aligned(op->param_count[0] * sizeof(float));
    return PYR_OK;
}

/* Copies and sums behind the library's scratch. */
static void plan_scratch(conv_state *s, pyr_op *op, bool data)
{
    bool reads_x = s->forward == BY_ONEDNN || (op->want_grad && s->weights == BY_ONEDNN);
    bool reads_dy = (data && s->data == BY_ONEDNN) || (op->want_grad && s->weights == BY_ONEDNN);
    size_t sums = 0;

    s->copies_x = reads_x && (pyr_op_has(op, PYR_X_MORE) || op->up_h || op->x[0].type != s->shape.data);
    s->copies_dy = reads_dy && op->y.type != s->shape.data;
    if (s->forward == BY_ONEDNN && !s->result_direct)
        sums = pyr_count(op->y.s) * sizeof(float);
    if (data && s->data != BY_TILES && !s->data_direct)
        sums = larger(sums, count_in(&s->shape) * sizeof(float));
    if (op->want_grad && s->weights == BY_ONEDNN)
        sums = larger(sums, op->grad_bytes);
    s->x_copy = pyr_aligned(op->scratch_bytes);
    s->dy_copy = s->x_copy;
    if (s->copies_x)
        s->dy_copy += pyr_aligned(count_in(&s->shape) * pyr_type_size(s->shape.data));
    s->sums = s->dy_copy;
    if (s->copies_dy)
        s->sums += pyr_aligned(pyr_count(op->y.s) * pyr_type_size(s->shape.data));
    op->scratch_bytes = s->sums + sums;
}

/* ---- plain products or Winograd's, by measuring ---- */

/* Seconds of a micro-batch, the least of a few; buffers hold zeros, whose products take as long as others. */
static pyr_status time_products(const pyr_tile_size *size, double *seconds)
{
    enum { LEAST = 3, MOST = 50 };
    const double enough = 2e-3;
    size_t pixels = (size_t)size->n * (size_t)size->h * (size_t)size->w;
    void *x = NULL, *y = NULL, *packed = NULL, *scratch = NULL;
    pyr_status status = PYR_OK;
    double begin;

    *seconds = INFINITY;
    PYR_TRY_OUT(pyr_new(&x, pixels * (size_t)size->in, 2, "measuring"));
    PYR_TRY_OUT(pyr_new(&y, pixels * (size_t)size->out, 2, "measuring"));
    PYR_TRY_OUT(pyr_new(&packed, pyr_tile_packed_bytes(size), 1, "measuring"));
    PYR_TRY_OUT(pyr_new(&scratch, pyr_tile_scratch(size), 1, "measuring"));
    pyr_conv_source source = {.at = {x}, .c = {size->in}, .type = PYR_BF16, .h = size->h, .w = size->w};
    pyr_conv_result result = {
        .at = {y}, .c = {size->out}, .type = PYR_BF16, .h = size->h, .w = size->w, .scale = 1};
    begin = pyr_now();
    for (int i = 0; i < MOST && (i < LEAST || pyr_now() - begin < enough); i++) {
        double start = pyr_now();

        pyr_tile_run(size, &source, packed, &result, scratch);
        *seconds = fmin(*seconds, pyr_now() - start);
    }
out:
    pyr_free(x);
    pyr_free(y);
    pyr_free(packed);
    pyr_free(scratch);
    return status;
}

/* Unless it is given: what is known for the size, or measured now, or left to the model. The number of images
 * has no part in it, so that an image's result is the same in any company. */
static pyr_status choose_products(pyr_kernels *k, pyr_tile_size *size)
{
    const double clearly = 0.95; /* plain products are closer: only for a gain */
    pyr_tile_size plain = *size, winograd = *size;
    double plain_s, winograd_s;
    char name[96];
    int choice;

    if (size->kernel != 3 || size->products != PYR_BY_MODEL)
        return PYR_OK;
    snprintf(name, sizeof name, "products 3x3 bf16 %dx%dx%d to %d", size->h, size->w, size->in, size->out);
    if (!pyr_tuning_get(k->tuning, name, &choice)) {
        if (!pyr_tuning_measures(k->tuning))
            return PYR_OK;
        plain.products = PYR_PLAIN;
        winograd.products = PYR_WINOGRAD;
        PYR_TRY(time_products(&plain, &plain_s));
        PYR_TRY(time_products(&winograd, &winograd_s));
        choice = winograd_s < clearly * plain_s ? PYR_WINOGRAD : PYR_PLAIN;
        PYR_TRY(pyr_tuning_put(k->tuning, name, choice));
    }
    size->products = choice == PYR_WINOGRAD ? PYR_WINOGRAD : PYR_PLAIN;
    return PYR_OK;
}

/* ---- the plan of the whole ---- */

static pyr_status conv_plan(pyr_kernels *k, pyr_op *op)
{
    pyr_conv_shape shape = pyr_conv_shape_of(op);
    bool data = op->backward && (op->want_dx[0] || (pyr_op_has(op, PYR_X_MORE) && op->want_dx[PYR_X_MORE]));
    conv_state *s;

    assert(!pyr_op_has(op, PYR_X_MORE) || op->x[PYR_X_MORE].type == op->x[0].type);
    assert(!pyr_op_has(op, PYR_X_RESIDUAL) || op->x[PYR_X_RESIDUAL].type == op->y.type);
    if (is_product(op, &shape))
        return PYR_OK;
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
    s->size = (pyr_conv_size){shape.n, shape.out_h, shape.out_w, shape.in, shape.out};
    s->turned_size = (pyr_conv_size){shape.n, shape.out_h, shape.out_w, shape.out, shape.in};
    s->floats = shape.kernel == 1 ? &OF_SET(pyr_product) : &OF_SET(pyr_winograd);
    s->forward = s->data = s->weights = fits_tiles(op, &shape) ? BY_TILES
                                        : fits_floats(op, s)   ? BY_FLOATS
                                                               : BY_ONEDNN;
    if (op->x[0].type != op->y.type) /* f32 at one end is meant to be more than bf16 */
        s->tile.products = PYR_PLAIN;
    s->turned = s->tile;
    s->turned.in = shape.out;
    s->turned.out = shape.in;
    if (s->forward == BY_TILES)
        PYR_TRY(choose_products(k, &s->tile));
    if (data && s->data == BY_TILES)
        PYR_TRY(choose_products(k, &s->turned));
    PYR_TRY(plan_forward(s, op));
    if (data)
        PYR_TRY(plan_data(s, op));
    if (op->want_grad)
        PYR_TRY(plan_weights(s, op));
    plan_scratch(s, op, data);
    return PYR_OK;
}

/* ---- weights ----------------------------------------------------------------------------------- */

static pyr_status conv_pack(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    (void)k;
    if (!s)
        return PYR_OK;
    const float *w = weights_of(s, op);
    void *turned = (char *)op->packed + s->packed_data;
    size_t input = (size_t)(s->shape.kernel * s->shape.kernel_w), output = (size_t)all_inputs(s, op) * input;

    if (s->forward == BY_TILES)
        pyr_tile_pack(&s->tile, w, output, input, false, op->packed);
    else if (s->forward == BY_FLOATS)
        s->floats->pack(&s->size, w, output, input, false, op->packed);
    else
        PYR_TRY(pyr_onednn_run(s->pack_forward, (const void *[]){w, op->packed}, NULL));
    if (s->packed_data && s->data == BY_TILES)
        pyr_tile_pack(&s->turned, w, input, output, true, turned);
    else if (s->packed_data && s->data == BY_FLOATS)
        s->floats->pack(&s->turned_size, w, input, output, true, turned);
    else if (s->packed_data)
        PYR_TRY(pyr_onednn_run(s->pack_data, (const void *[]){w, turned}, NULL));
    return PYR_OK;
}

/* The sum stays in oneDNN's layout (in the first accumulator) and is reordered once. */
static pyr_status collect_onednn(const conv_state *s, pyr_op *op, void *const *accumulators, int n,
                                 void *const dparam[PYR_OP_PARAMS])
{
    size_t weights = pyr_aligned(pyr_onednn_weight_bytes(s->call[PYR_CONV_BACKWARD_WEIGHTS]));
    float *plain = (float *)(void *)((char *)op->packed + s->packed_gradient);

    for (int i = 1; i < n; i++)
        pyr_vadd(accumulators[0], accumulators[i], op->grad_bytes / sizeof(float));
    if (dparam[0]) {
        PYR_TRY(pyr_onednn_run(s->unpack, (const void *[]){accumulators[0], plain}, NULL));
        pyr_vadd(dparam[0], plain, op->param_count[0]);
    }
    if (s->shape.bias && dparam[1])
        pyr_vadd(dparam[1], (float *)(void *)((char *)accumulators[0] + weights), op->param_count[1]);
    return PYR_OK;
}

/* Weights as the kernel has them, then the bias. */
static pyr_status collect_floats(const conv_state *s, const pyr_op *op, void *const *accumulators, int n,
                                 void *const dparam[PYR_OP_PARAMS])
{
    size_t weights = s->floats->gradient_bytes(&s->size);

    if (dparam[0])
        s->floats->collect(&s->size, (const float *const *)accumulators, n, dparam[0]);
    for (int i = 0; s->shape.bias && dparam[1] && i < n; i++)
        pyr_vadd(dparam[1], (float *)(void *)((char *)accumulators[i] + weights), op->param_count[1]);
    return PYR_OK;
}

static pyr_status conv_collect(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                               void *const dparam[PYR_OP_PARAMS])
{
    conv_state *s = op->state;

    if (!s)
        return pyr_op_collect_default(k, op, accumulators, n, dparam);
    if (s->weights == BY_ONEDNN)
        return collect_onednn(s, op, accumulators, n, dparam);
    if (s->weights == BY_FLOATS)
        return collect_floats(s, op, accumulators, n, dparam);
    pyr_tile_collect(&s->tile, (const float *const *)accumulators, n, dparam[0],
                     s->shape.bias ? dparam[1] : NULL);
    return PYR_OK;
}

/* ---- forward ----------------------------------------------------------------------------------- */

static pyr_conv_source conv_source(const pyr_op *op)
{
    const pyr_tensor *x = op->x;
    pyr_conv_source source = {{x[0].data}, {x[0].s.c}, x[0].type, x[0].s.h, x[0].s.w};

    if (pyr_op_has(op, PYR_X_MORE)) {
        source.at[1] = x[PYR_X_MORE].data;
        source.c[1] = x[PYR_X_MORE].s.c;
    }
    return source;
}

/* By tiles or floats' kernels. */
static void forward_by_ours(const conv_state *s, const pyr_op *op)
{
    pyr_tensor y = op->y;
    pyr_conv_source x = conv_source(op);
    pyr_conv_result result = {
        .at = {y.data}, .c = {y.s.c}, .type = y.type, .h = y.s.h, .w = y.s.w, .scale = s->scale};

    if (s->shape.bias)
        result.bias = op->param[1];
    if (pyr_op_has(op, PYR_X_VECTOR))
        result.vector = op->x[PYR_X_VECTOR].data;
    if (pyr_op_has(op, PYR_X_RESIDUAL))
        result.residual = op->x[PYR_X_RESIDUAL].data;
    if (s->forward == BY_TILES)
        pyr_tile_run(&s->tile, &x, op->packed, &result, op->scratch);
    else
        s->floats->run(&s->size, &x, op->packed, &result, op->scratch);
}

/* x and dy as oneDNN reads them. */
static const void *x_for_onednn(const conv_state *s, const pyr_op *op)
{
    void *copy = (char *)op->scratch + s->x_copy;

    if (!s->copies_x)
        return op->x[0].data;
    pyr_around_source(op, s->shape.in_h, s->shape.in_w, s->shape.data, copy);
    return copy;
}

static const void *dy_for_onednn(const conv_state *s, const pyr_op *op)
{
    void *copy = (char *)op->scratch + s->dy_copy;

    if (!s->copies_dy)
        return op->dy;
    pyr_around_convert(copy, s->shape.data, op->dy, op->y.type, pyr_count(op->y.s));
    return copy;
}

static void *sums_of(const conv_state *s, const pyr_op *op)
{
    return (char *)op->scratch + s->sums;
}

static pyr_status forward_by_onednn(const conv_state *s, pyr_op *op)
{
    void *y = s->result_direct ? op->y.data : sums_of(s, op);
    const void *bias = s->shape.bias ? op->param[1] : NULL;

    PYR_TRY(pyr_onednn_run(s->call[PYR_CONV_FORWARD],
                           (const void *[]){x_for_onednn(s, op), op->packed, bias, y}, op->scratch));
    if (!s->result_direct)
        pyr_around_result(op, y, s->scale);
    return PYR_OK;
}

static pyr_status conv_forward(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    if (!s)
        return pyr_cpu_linear.forward(k, op);
    if (s->forward == BY_ONEDNN)
        return forward_by_onednn(s, op);
    forward_by_ours(s, op);
    return PYR_OK;
}

/* ---- backward ---------------------------------------------------------------------------------- */

static pyr_conv_source conv_dy(const pyr_op *op)
{
    return (pyr_conv_source){{op->dy}, {op->y.s.c}, op->y.type, op->y.s.h, op->y.s.w};
}

/* Floats' kernels leave the gradient of enlarging to a pass behind them. */
static void data_by_ours(const conv_state *s, const pyr_op *op, void *dx0, void *dx3)
{
    const pyr_tensor *x = op->x;
    pyr_conv_source dy = conv_dy(op);
    pyr_conv_result dx = {.at = {dx0, dx3},
                          .c = {x[0].s.c, s->shape.in - x[0].s.c},
                          .add = {op->dx_add[0], op->dx_add[PYR_X_MORE]},
                          .type = x[0].type,
                          .h = x[0].s.h,
                          .w = x[0].s.w,
                          .scale = s->scale};
    const void *packed = (char *)op->packed + s->packed_data;

    if (s->data == BY_TILES) {
        pyr_tile_run(&s->turned, &dy, packed, &dx, op->scratch);
        return;
    }
    if (!s->data_direct)
        dx = (pyr_conv_result){
            .at = {sums_of(s, op)}, .c = {s->shape.in}, .h = s->shape.in_h, .w = s->shape.in_w, .scale = 1};
    s->floats->run(&s->turned_size, &dy, packed, &dx, op->scratch);
    if (!s->data_direct)
        pyr_around_dx(op, s->shape.in_h, s->shape.in_w, sums_of(s, op), s->scale, dx0, dx3);
}

static pyr_status data_by_onednn(const conv_state *s, pyr_op *op, void *dx0, void *dx3)
{
    void *dx = s->data_direct ? dx0 : sums_of(s, op);

    PYR_TRY(pyr_onednn_run(s->call[PYR_CONV_BACKWARD_DATA],
                           (const void *[]){dy_for_onednn(s, op), (char *)op->packed + s->packed_data, dx},
                           op->scratch));
    if (!s->data_direct)
        pyr_around_dx(op, s->shape.in_h, s->shape.in_w, dx, s->scale, dx0, dx3);
    return PYR_OK;
}

static pyr_status backward_data(const conv_state *s, pyr_op *op, void *dx0, void *dx3)
{
    if (!dx0 && !dx3)
        return PYR_OK;
    if (s->data == BY_ONEDNN)
        return data_by_onednn(s, op, dx0, dx3);
    data_by_ours(s, op, dx0, dx3);
    return PYR_OK;
}

static void scale_floats(float *restrict values, size_t count, float scale)
{
    for (size_t i = 0; i < count; i++)
        values[i] *= scale;
}

static void add_scaled(float *restrict dst, const float *restrict src, size_t count, float scale)
{
    for (size_t i = 0; i < count; i++)
        dst[i] += src[i] * scale;
}

/* oneDNN writes a gradient over what is there. */
static pyr_status weights_by_onednn(const conv_state *s, pyr_op *op)
{
    pyr_onednn_call *call = s->call[PYR_CONV_BACKWARD_WEIGHTS];
    size_t weights = pyr_aligned(pyr_onednn_weight_bytes(call)), count = op->grad_bytes / sizeof(float);
    void *to = op->grad_add ? sums_of(s, op) : op->grad;
    void *bias = s->shape.bias ? (char *)to + weights : NULL;

    /* In bf16, of images one pixel wide, oneDNN 2.6.3 multiplies scratch that it has not written by zeros:
     * what is there must not be NaN. Kernels other than 1x1 and 3x3 get the same care, unmeasured. */
    if (s->shape.data == PYR_BF16 &&
        (s->shape.in_w == 1 || s->shape.kernel > 3 || s->shape.kernel_w != s->shape.kernel))
        memset(op->scratch, 0, pyr_onednn_scratch_bytes(call));
    PYR_TRY(pyr_onednn_run(call, (const void *[]){x_for_onednn(s, op), dy_for_onednn(s, op), to, bias},
                           op->scratch));
    if (op->grad_add)
        add_scaled(op->grad, to, count, s->scale);
    else if (s->scale != 1)
        scale_floats(op->grad, count, s->scale);
    return PYR_OK;
}

static void weights_by_floats(const conv_state *s, const pyr_op *op)
{
    pyr_conv_source x = conv_source(op), dy = conv_dy(op);
    float *bias =
        s->shape.bias ? (float *)(void *)((char *)op->grad + s->floats->gradient_bytes(&s->size)) : NULL;

    s->floats->gradient(&s->size, &x, &dy, s->scale, op->grad, op->grad_add, op->scratch);
    pyr_around_dy_sums(op, s->scale, bias, op->grad_add);
}

/* The vector's gradient is a by-product of the weights'. */
static pyr_status backward_weights(const conv_state *s, pyr_op *op)
{
    float *dvector = op->dx[PYR_X_VECTOR];

    if (op->want_grad && s->weights == BY_TILES) {
        pyr_conv_source x = conv_source(op), dy = conv_dy(op);

        pyr_tile_gradient(&s->tile, &x, &dy, s->scale, op->grad, op->grad_add, dvector,
                          op->dx_add[PYR_X_VECTOR], op->scratch);
        return PYR_OK;
    }
    if (op->want_grad && s->weights == BY_FLOATS) {
        weights_by_floats(s, op);
        return PYR_OK;
    }
    pyr_around_dy_sums(op, s->scale, NULL, false);
    return op->want_grad ? weights_by_onednn(s, op) : PYR_OK;
}

/* Inputs' gradients are finished in order where a later one adds to an earlier one's. */
static pyr_status conv_backward(pyr_kernels *k, pyr_op *op)
{
    conv_state *s = op->state;

    if (!s)
        return pyr_cpu_linear.backward(k, op);
    bool later = op->dx[PYR_X_MORE] && op->dx[PYR_X_MORE] == op->dx[PYR_X_RESIDUAL];

    PYR_TRY(backward_weights(s, op));
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
