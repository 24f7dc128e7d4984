/* conv2d.cu - convolutions by cuDNN where it has a deterministic algorithm, else by loops of our own
 * (direct.h).
 *
 * cuDNN gets images and weights of one type: weights are packed as O x kh x kw x I in it after every update.
 * Scale and adding to a gradient are its alpha and beta; bias, vector and residual come in one pass behind
 * it. It knows no uneven padding: then the image is copied into a padded one, and the gradient cropped out of
 * one. Images of two types (the first and last layer of a network in bf16, whose f32 side is meant to be f32)
 * are taken by the loops of our own: few channels meet there.
 *
 * Which algorithm: the first of cuDNN's list that is deterministic and not greedy, or the fastest of those by
 * measuring (pyr_tuning). */
#include "kernels/cuda/calls.h"
#include "kernels/cuda/direct.h"

extern "C" {
#include "base/mem.h"
}

#include <assert.h>

typedef enum conv_pass { FORWARD, DATA, WEIGHTS, PASSES } conv_pass;

enum { DIRECT = -1, MOST_ALGORITHMS = 16 };

/* A way to do a pass: one of cuDNN's algorithms, or DIRECT. */
typedef struct way {
    int algorithm;
    size_t workspace;
    cudnnMathType_t math;
} way;

typedef struct conv_state {
    pyr_direct shape;
    pyr_type type; /* of cuDNN's images and weights */
    bool tf32;     /* op's */
    bool wanted[PASSES];
    way by[PASSES];
    bool padded;     /* cuDNN's image is a padded copy: */
    pyr_shape image; /* as cuDNN sees it */
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t conv;
    /* offsets in bytes: packed = [for cuDNN | for y directly | for dx directly], scratch, from its first
     * multiple of 256, = [workspace | padded image | dw as cuDNN writes it | sums per image | partial
     * sums] */
    size_t packed_forward, packed_data;
    size_t copy, dw, images, sums;
} conv_state;

static const char *const pass_names[PASSES] = {"forward", "data", "weights"};

/* ---- descriptors ------------------------------------------------------------------------------- */

static void conv_release(pyr_kernels *k, pyr_op *op)
{
    pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);
    conv_state *s = (conv_state *)op->state;

    if (!s)
        return;
    if (s->x)
        l->cudnnDestroyTensorDescriptor(s->x);
    if (s->y)
        l->cudnnDestroyTensorDescriptor(s->y);
    if (s->w)
        l->cudnnDestroyFilterDescriptor(s->w);
    if (s->conv)
        l->cudnnDestroyConvolutionDescriptor(s->conv);
    pyr_free(s);
    op->state = NULL;
}

static cudnnMathType_t wanted_math(const conv_state *s)
{
    return s->type == PYR_BF16 || s->tf32 ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH;
}

static pyr_status describe(pyr_kernels *k, conv_state *s)
{
    pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);
    const pyr_direct *d = &s->shape;
    cudnnDataType_t type = s->type == PYR_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    pyr_shape x = s->image;

    PYR_TRY(PYR_CUDNN(l, cudnnCreateTensorDescriptor, &s->x));
    PYR_TRY(PYR_CUDNN(l, cudnnCreateTensorDescriptor, &s->y));
    PYR_TRY(PYR_CUDNN(l, cudnnCreateFilterDescriptor, &s->w));
    PYR_TRY(PYR_CUDNN(l, cudnnCreateConvolutionDescriptor, &s->conv));
    PYR_TRY(PYR_CUDNN(l, cudnnSetTensor4dDescriptor, s->x, CUDNN_TENSOR_NHWC, type, x.n, x.c, x.h, x.w));
    PYR_TRY(PYR_CUDNN(l, cudnnSetTensor4dDescriptor, s->y, CUDNN_TENSOR_NHWC, type, d->n, d->out, d->out_h,
                      d->out_w));
    PYR_TRY(PYR_CUDNN(l, cudnnSetFilter4dDescriptor, s->w, type, CUDNN_TENSOR_NHWC, d->out, d->in,
                      d->kernel_h, d->kernel_w));
    PYR_TRY(PYR_CUDNN(l, cudnnSetConvolution2dDescriptor, s->conv, s->padded ? 0 : d->pad_top,
                      s->padded ? 0 : d->pad_left, d->stride, d->stride, 1, 1, CUDNN_CROSS_CORRELATION,
                      CUDNN_DATA_FLOAT));
    return PYR_CUDNN(l, cudnnSetConvolutionMathType, s->conv, wanted_math(s));
}

/* ---- cuDNN's passes ---------------------------------------------------------------------------- */

/* out = alpha * the pass + beta * out. FORWARD: x, w, y; DATA: w, dy, dx; WEIGHTS: x, dy, dw. */
static pyr_status library_run(pyr_kernels *k, const conv_state *s, conv_pass pass, const way *by,
                              const void *first, const void *second, void *out, void *workspace, float alpha,
                              float beta)
{
    pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);

    PYR_TRY(PYR_CUDNN(l, cudnnSetConvolutionMathType, s->conv, by->math));
    switch (pass) {
    case FORWARD:
        return PYR_CUDNN(l, cudnnConvolutionForward, l->cudnn, &alpha, s->x, first, s->w, second, s->conv,
                         (cudnnConvolutionFwdAlgo_t)by->algorithm, workspace, by->workspace, &beta, s->y,
                         out);
    case DATA:
        return PYR_CUDNN(l, cudnnConvolutionBackwardData, l->cudnn, &alpha, s->w, first, s->y, second,
                         s->conv, (cudnnConvolutionBwdDataAlgo_t)by->algorithm, workspace, by->workspace,
                         &beta, s->x, out);
    default:
        return PYR_CUDNN(l, cudnnConvolutionBackwardFilter, l->cudnn, &alpha, s->x, first, s->y, second,
                         s->conv, (cudnnConvolutionBwdFilterAlgo_t)by->algorithm, workspace, by->workspace,
                         &beta, s->w, out);
    }
}

static cudnnStatus_t workspace_of(pyr_cuda_libraries *l, const conv_state *s, conv_pass pass, way *by)
{
    l->cudnnSetConvolutionMathType(s->conv, by->math);
    switch (pass) {
    case FORWARD:
        return l->cudnnGetConvolutionForwardWorkspaceSize(
            l->cudnn, s->x, s->w, s->conv, s->y, (cudnnConvolutionFwdAlgo_t)by->algorithm, &by->workspace);
    case DATA:
        return l->cudnnGetConvolutionBackwardDataWorkspaceSize(l->cudnn, s->w, s->y, s->conv, s->x,
                                                               (cudnnConvolutionBwdDataAlgo_t)by->algorithm,
                                                               &by->workspace);
    default:
        return l->cudnnGetConvolutionBackwardFilterWorkspaceSize(
            l->cudnn, s->x, s->y, s->conv, s->w, (cudnnConvolutionBwdFilterAlgo_t)by->algorithm,
            &by->workspace);
    }
}

/* Keeps of cuDNN's list, in its order, what is deterministic, takes no more than a thirty-second of the
 * device's memory, and computes as finely as is wanted. */
template <class P>
static int suitable(pyr_kernels *k, const conv_state *s, conv_pass pass, const P *list, int n, way *out)
{
    cudnnMathType_t math = wanted_math(s);
    size_t most = pyr_cuda_of(k)->memory / 32;
    int kept = 0;

    for (int i = 0; i < n; i++) {
        way w = {(int)list[i].algo, 0, math == CUDNN_FMA_MATH ? math : list[i].mathType};

        if (list[i].status != CUDNN_STATUS_SUCCESS || list[i].determinism != CUDNN_DETERMINISTIC ||
            list[i].memory > most || list[i].mathType == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION ||
            (math == CUDNN_FMA_MATH && list[i].mathType == CUDNN_TENSOR_OP_MATH))
            continue;
        if (workspace_of(pyr_cuda_libraries_of(k), s, pass, &w) == CUDNN_STATUS_SUCCESS &&
            w.workspace <= most)
            out[kept++] = w;
    }
    return kept;
}

/* How many there are; none when cuDNN refuses. */
static int library_ways(pyr_kernels *k, const conv_state *s, conv_pass pass, way out[MOST_ALGORITHMS])
{
    pyr_cuda_libraries *l = pyr_cuda_libraries_of(k);
    cudnnConvolutionFwdAlgoPerf_t forward[MOST_ALGORITHMS];
    cudnnConvolutionBwdDataAlgoPerf_t data[MOST_ALGORITHMS];
    cudnnConvolutionBwdFilterAlgoPerf_t weights[MOST_ALGORITHMS];
    int n = 0;

    l->cudnnSetConvolutionMathType(s->conv, wanted_math(s));
    switch (pass) {
    case FORWARD:
        if (l->cudnnGetConvolutionForwardAlgorithm_v7(l->cudnn, s->x, s->w, s->conv, s->y, MOST_ALGORITHMS,
                                                      &n, forward) != CUDNN_STATUS_SUCCESS)
            return 0;
        return suitable(k, s, pass, forward, n, out);
    case DATA:
        if (l->cudnnGetConvolutionBackwardDataAlgorithm_v7(l->cudnn, s->w, s->y, s->conv, s->x,
                                                           MOST_ALGORITHMS, &n, data) != CUDNN_STATUS_SUCCESS)
            return 0;
        return suitable(k, s, pass, data, n, out);
    default:
        if (l->cudnnGetConvolutionBackwardFilterAlgorithm_v7(
                l->cudnn, s->x, s->y, s->conv, s->w, MOST_ALGORITHMS, &n, weights) != CUDNN_STATUS_SUCCESS)
            return 0;
        return suitable(k, s, pass, weights, n, out);
    }
}

/* ---- choosing ---------------------------------------------------------------------------------- */

/* Device memory for measuring: as the pass itself has it. */
typedef struct trial {
    void *x, *y, *w, *scratch;
} trial;

static numbers image_of(const conv_state *s, const void *data)
{
    numbers n = {(void *)data, s->type == PYR_BF16};

    return n;
}

typedef struct timed {
    pyr_kernels *k;
    const conv_state *s;
    conv_pass pass;
    const way *by;
    const trial *t;
} timed;

static pyr_status run_trial(void *arg)
{
    const timed *a = (const timed *)arg;
    const trial *t = a->t;
    pyr_direct_more plain = {NULL, NULL, {NULL, 0}, 1, false};
    const void *first = a->pass == DATA ? t->w : t->x, *second = a->pass == FORWARD ? t->w : t->y;
    void *out = a->pass == FORWARD ? t->y : a->pass == DATA ? t->x : t->w;

    if (a->by->algorithm != DIRECT)
        return library_run(a->k, a->s, a->pass, a->by, first, second, out, t->scratch, 1, 0);
    if (a->pass == WEIGHTS)
        return pyr_direct_gradient(a->k, &a->s->shape, (float *)t->w, false, 1, image_of(a->s, t->x),
                                   image_of(a->s, t->y), t->scratch);
    return pyr_direct_run(a->k, &a->s->shape, a->pass == DATA, image_of(a->s, out),
                          image_of(a->s, a->pass == DATA ? t->y : t->x), t->w, &plain);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The fastest of n ways; n > 0. */
static pyr_status fastest(pyr_kernels *k, const conv_state *s, conv_pass pass, const way *ways, int n,
                          int *best)
{
    const pyr_direct *d = &s->shape;
    size_t scratch = pyr_direct_gradient_bytes(k, d);
    size_t w = larger(pyr_direct_packed_bytes(d, false), pyr_direct_packed_bytes(d, true));
    double least = INFINITY, seconds;
    trial t = {NULL, NULL, NULL, NULL};
    pyr_status status = PYR_OK;

    for (int i = 0; i < n; i++)
        scratch = larger(scratch, ways[i].workspace);
    PYR_TRY_OUT(pyr_alloc(k, &t.x, pyr_count(s->image) * pyr_type_size(s->type), "measuring"));
    PYR_TRY_OUT(pyr_alloc(k, &t.y, (size_t)d->n * d->out_h * d->out_w * d->out * pyr_type_size(s->type),
                          "measuring"));
    PYR_TRY_OUT(pyr_alloc(k, &t.w, w, "measuring"));
    PYR_TRY_OUT(pyr_alloc(k, &t.scratch, scratch, "measuring"));
    for (int i = 0; i < n; i++) {
        timed a = {k, s, pass, &ways[i], &t};

        PYR_TRY_OUT(pyr_cuda_seconds(k, run_trial, &a, &seconds));
        if (seconds < least) {
            least = seconds;
            *best = i;
        }
    }
out:
    pyr_release(k, t.x);
    pyr_release(k, t.y);
    pyr_release(k, t.w);
    pyr_release(k, t.scratch);
    return status;
}

static void name_choice(const conv_state *s, conv_pass pass, char *name, size_t room)
{
    const pyr_direct *d = &s->shape;

    snprintf(name, room, "conv2d %s %s %dx%dx%dx%d to %d k%dx%d s%d p%d.%d", pass_names[pass],
             s->type == PYR_BF16 ? "bf16"
             : s->tf32           ? "tf32"
                                 : "f32",
             d->n, s->image.h, s->image.w, d->in, d->out, d->kernel_h, d->kernel_w, d->stride,
             s->padded ? 0 : d->pad_top, s->padded ? 0 : d->pad_left);
}

/* As it is known for this size, or measured now, or the first. The choice's number is the algorithm's plus
 * 1. */
static pyr_status choose(pyr_kernels *k, conv_state *s, conv_pass pass)
{
    enum { FEW = 16 }; /* channels; with more on both sides cuDNN is faster by far */
    const pyr_direct *d = &s->shape;
    const way direct = {DIRECT, 0, CUDNN_FMA_MATH};
    way ways[MOST_ALGORITHMS + 1];
    int n = library_ways(k, s, pass, ways), best = 0, choice;
    char name[96];

    if (n == 0 || d->in < FEW || d->out < FEW)
        ways[n++] = direct;
    s->by[pass] = ways[0];
    if (n == 1)
        return PYR_OK;
    name_choice(s, pass, name, sizeof name);
    if (!pyr_tuning_get(k->tuning, name, &choice)) {
        if (!pyr_tuning_measures(k->tuning))
            return PYR_OK;
        pyr_status status = fastest(k, s, pass, ways, n, &best);

        if (status == PYR_E_NOMEM) /* what is wanted may fit all the same */
            return PYR_OK;
        PYR_TRY(status);
        choice = ways[best].algorithm + 1;
        PYR_TRY(pyr_tuning_put(k->tuning, name, choice));
    }
    for (int i = 0; i < n; i++)
        if (ways[i].algorithm + 1 == choice) {
            s->by[pass] = ways[i];
            break;
        }
    return PYR_OK;
}

/* ---- plan -------------------------------------------------------------------------------------- */

static pyr_direct shape_of(const pyr_op *op)
{
    pyr_shape x = op->x[0].s, y = op->y.s;

    return {x.n,
            x.h,
            x.w,
            x.c,
            y.h,
            y.w,
            y.c,
            op->kernel,
            pyr_op_kernel_w(op),
            op->stride,
            op->pad_top,
            op->pad_left,
            op->w_in ? op->w_in : x.c,
            op->w_first};
}

/* cuDNN pads both sides alike; the last row may all the same be the one that is wanted. */
static bool even_padding_does(const pyr_direct *d)
{
    return (d->in_h + 2 * d->pad_top - d->kernel_h) / d->stride + 1 == d->out_h &&
           (d->in_w + 2 * d->pad_left - d->kernel_w) / d->stride + 1 == d->out_w;
}

static bool by_library(const conv_state *s, conv_pass pass)
{
    return s->wanted[pass] && s->by[pass].algorithm != DIRECT;
}

static bool directly(const conv_state *s, conv_pass pass)
{
    return s->wanted[pass] && s->by[pass].algorithm == DIRECT;
}

static bool has_bias(const pyr_op *op)
{
    return op->n_params > 1 && op->param_count[1] > 0;
}

static bool wants_vector(const pyr_op *op)
{
    return op->backward && pyr_op_has(op, PYR_X_VECTOR) && op->want_dx[PYR_X_VECTOR];
}

static void plan_packed(conv_state *s, pyr_op *op)
{
    if (by_library(s, FORWARD) || by_library(s, DATA))
        op->packed_bytes = pyr_aligned((size_t)s->shape.out * s->shape.in * s->shape.kernel_h *
                                       s->shape.kernel_w * pyr_type_size(s->type));
    s->packed_forward = op->packed_bytes;
    if (directly(s, FORWARD))
        op->packed_bytes += pyr_aligned(pyr_direct_packed_bytes(&s->shape, false));
    s->packed_data = op->packed_bytes;
    if (directly(s, DATA))
        op->packed_bytes += pyr_aligned(pyr_direct_packed_bytes(&s->shape, true));
}

static void plan_scratch(const pyr_kernels *k, conv_state *s, pyr_op *op)
{
    size_t area = (size_t)op->y.s.h * op->y.s.w, n = op->y.s.n, c = op->y.s.c, end = 0, sums = 0;
    bool library = false, vector = wants_vector(op), bias = op->want_grad && has_bias(op);

    for (int pass = 0; pass < PASSES; pass++)
        if (by_library(s, (conv_pass)pass)) {
            library = true;
            end = larger(end, s->by[pass].workspace);
        }
    s->copy = end = pyr_aligned(end);
    if (library && s->padded)
        end += pyr_aligned(pyr_count(s->image) * pyr_type_size(s->type));
    s->dw = end;
    if (by_library(s, WEIGHTS))
        end += pyr_aligned(op->param_count[0] * pyr_type_size(s->type));
    s->images = end;
    if (vector && bias)
        end += pyr_aligned(n * c * sizeof(float));
    s->sums = end;
    if (directly(s, WEIGHTS))
        sums = pyr_direct_gradient_bytes(k, &s->shape);
    if (vector)
        sums = larger(sums, pyr_cuda_sums_bytes(n, area, c));
    if (bias)
        sums = larger(sums, pyr_cuda_sums_bytes(1, vector ? n : n * area, c));
    if (end + sums)
        op->scratch_bytes = end + sums + PYR_LIBRARY_ALIGNMENT;
}

static pyr_status conv_plan(pyr_kernels *k, pyr_op *op)
{
    conv_state *s;

    assert(!op->up_h && !pyr_op_has(op, PYR_X_MORE) && !(op->w_in && op->want_grad));
    assert(!pyr_op_has(op, PYR_X_RESIDUAL) || op->x[PYR_X_RESIDUAL].type == op->y.type);
    if (pyr_op_dilation(op) > 1)
        return pyr_fail(
            PYR_E_UNSUPPORTED,
            "dilated convolutions are not offered on a GPU: network.dilated = false, or --backend cpu");
    PYR_TRY(pyr_new(&s, 1, sizeof *s, "convolution"));
    op->state = s;
    s->shape = shape_of(op);
    s->type = op->y.type;
    s->tf32 = op->tf32;
    s->wanted[FORWARD] = true;
    s->wanted[DATA] = op->backward && op->want_dx[0];
    s->wanted[WEIGHTS] = op->want_grad;
    s->image = op->x[0].s;
    s->padded = !even_padding_does(&s->shape);
    if (s->padded) {
        s->image.h += op->pad_top + op->pad_bottom;
        s->image.w += op->pad_left + op->pad_right;
    }
    for (int pass = 0; pass < PASSES; pass++)
        s->by[pass].algorithm = DIRECT;
    if (op->x[0].type == op->y.type) {
        PYR_TRY(describe(k, s));
        for (int pass = 0; pass < PASSES; pass++)
            if (s->wanted[pass])
                PYR_TRY(choose(k, s, (conv_pass)pass));
    }
    plan_packed(s, op);
    plan_scratch(k, s, op);
    return PYR_OK;
}

/* ---- weights ----------------------------------------------------------------------------------- */

/* out (O x tap x I) = w (O x w_in x tap, from channel w_first on) */
static __global__ void pack_kernel(numbers out, const float *w, pyr_direct d, size_t count)
{
    size_t area = (size_t)d.kernel_h * d.kernel_w;

    PYR_EACH(t, count)
    {
        size_t i = t % d.in, tap = t / d.in % area, o = t / d.in / area;

        put(out, t, w[(o * d.w_in + d.w_first + i) * area + tap]);
    }
}

static pyr_status conv_pack(pyr_kernels *k, pyr_op *op)
{
    const conv_state *s = (const conv_state *)op->state;
    const float *w = (const float *)op->param[0];
    size_t count = (size_t)s->shape.out * s->shape.in * s->shape.kernel_h * s->shape.kernel_w;

    if (by_library(s, FORWARD) || by_library(s, DATA))
        PYR_TRY(PYR_LAUNCH(k, pack_kernel, count, image_of(s, op->packed), w, s->shape, count));
    if (directly(s, FORWARD))
        PYR_TRY(pyr_direct_pack(k, &s->shape, false, (char *)op->packed + s->packed_forward, w));
    if (directly(s, DATA))
        PYR_TRY(pyr_direct_pack(k, &s->shape, true, (char *)op->packed + s->packed_data, w));
    return PYR_OK;
}

/* grad (O x I x tap) = or += dw (O x tap x I) */
static __global__ void unpack_kernel(numbers grad, bool add, numbers dw, size_t in, size_t area, size_t count)
{
    PYR_EACH(t, count)
    {
        size_t tap = t % area, i = t / area % in, o = t / area / in;

        put_or_add(grad, t, get(dw, (o * area + tap) * in + i), add);
    }
}

/* ---- padded images ------------------------------------------------------------------------------ */

/* i / by and the rest; by 32 bits where that does, which is several times as fast. */
static __device__ inline size_t divided(size_t i, size_t by, size_t *rest)
{
    if (i >> 32 == 0) {
        *rest = (unsigned)i % (unsigned)by;
        return (unsigned)i / (unsigned)by;
    }
    *rest = i % by;
    return i / by;
}

/* padded (n x high x wide x c), zeros around x (n x h x w x c) from row `top` and column `left` on */
static __global__ void pad_kernel(numbers padded, int high, int wide, numbers x, pyr_shape s, int top,
                                  int left, size_t count)
{
    PYR_EACH(t, count)
    {
        size_t c, column, row, image = divided(divided(divided(t, s.c, &c), wide, &column), high, &row);
        int h = (int)row - top, w = (int)column - left;

        put(padded, t,
            h < 0 || h >= s.h || w < 0 || w >= s.w ? 0 : get(x, ((image * s.h + h) * s.w + w) * s.c + c));
    }
}

/* dx = or += what lies in the middle of padded */
static __global__ void crop_kernel(numbers dx, bool add, pyr_shape s, numbers padded, int high, int wide,
                                   int top, int left, size_t count)
{
    PYR_EACH(t, count)
    {
        size_t c, column, row, image = divided(divided(divided(t, s.c, &c), s.w, &column), s.h, &row);

        put_or_add(dx, t, get(padded, ((image * high + row + top) * wide + column + left) * s.c + c), add);
    }
}

/* The image that cuDNN reads. */
static pyr_status image_for_library(pyr_kernels *k, const conv_state *s, const pyr_op *op, const void **out)
{
    size_t count = pyr_count(s->image);
    char *copy = pyr_library_scratch(op, s->copy);

    *out = s->padded ? copy : op->x[0].data;
    if (!s->padded)
        return PYR_OK;
    return PYR_LAUNCH(k, pad_kernel, count, image_of(s, copy), s->image.h, s->image.w, numbers_of(&op->x[0]),
                      op->x[0].s, op->pad_top, op->pad_left, count);
}

/* ---- forward ----------------------------------------------------------------------------------- */

/* y += scale * (bias + vector + residual), for y that is scaled already */
static __global__ void more_kernel(numbers y, pyr_direct_more more, size_t c, size_t each, size_t count)
{
    PYR_EACH4(i, n, count)
    {
        size_t rest, o, image = divided(i, each, &rest);
        float v[4], r[4] = {0, 0, 0, 0};

        divided(rest, c, &o);
        get4(y, i, (int)n, v);
        if (more.residual.data)
            get4(more.residual, i, (int)n, r);
        for (int j = 0; j < 4; j++) {
            if (j >= (int)n)
                break;
            if (more.bias)
                r[j] += more.bias[o];
            if (more.vector)
                r[j] += more.vector[image * c + o];
            v[j] += more.scale * r[j];
            o++;
            rest++;
            if (o == c)
                o = 0;
            if (rest == each) {
                rest = 0;
                image++;
            }
        }
        put4(y, i, (int)n, v);
    }
}

static pyr_direct_more more_of(const pyr_op *op)
{
    pyr_direct_more more = {NULL, NULL, {NULL, 0}, op->scale, false};

    if (has_bias(op))
        more.bias = (const float *)op->param[1];
    if (pyr_op_has(op, PYR_X_VECTOR))
        more.vector = (const float *)op->x[PYR_X_VECTOR].data;
    if (pyr_op_has(op, PYR_X_RESIDUAL))
        more.residual = numbers_of(&op->x[PYR_X_RESIDUAL]);
    return more;
}

static pyr_status conv_forward(pyr_kernels *k, pyr_op *op)
{
    const conv_state *s = (const conv_state *)op->state;
    pyr_direct_more more = more_of(op);
    size_t count = pyr_count(op->y.s);
    const void *x;

    if (directly(s, FORWARD))
        return pyr_direct_run(k, &s->shape, false, numbers_of(&op->y), numbers_of(&op->x[0]),
                              (char *)op->packed + s->packed_forward, &more);
    PYR_TRY(image_for_library(k, s, op, &x));
    PYR_TRY(library_run(k, s, FORWARD, &s->by[FORWARD], x, op->packed, op->y.data, pyr_library_scratch(op, 0),
                        op->scale, 0));
    if (!more.bias && !more.vector && !more.residual.data)
        return PYR_OK;
    return PYR_LAUNCH(k, more_kernel, fours(count), numbers_of(&op->y), more, (size_t)op->y.s.c,
                      per_image(op->y.s), count);
}

/* ---- backward ---------------------------------------------------------------------------------- */

static pyr_status backward_data(pyr_kernels *k, const conv_state *s, pyr_op *op)
{
    bool add = op->dx_add[0];
    numbers dx = gradient_of(&op->x[0], op->dx[0]), dy = gradient_of(&op->y, op->dy);
    pyr_direct_more plain = {NULL, NULL, {NULL, 0}, op->scale, add};
    size_t count = pyr_count(op->x[0].s);
    char *copy = pyr_library_scratch(op, s->copy);

    if (directly(s, DATA))
        return pyr_direct_run(k, &s->shape, true, dx, dy, (char *)op->packed + s->packed_data, &plain);
    PYR_TRY(library_run(k, s, DATA, &s->by[DATA], op->packed, op->dy, s->padded ? copy : op->dx[0],
                        pyr_library_scratch(op, 0), op->scale, add && !s->padded));
    if (!s->padded)
        return PYR_OK;
    return PYR_LAUNCH(k, crop_kernel, count, dx, add, op->x[0].s, image_of(s, copy), s->image.h, s->image.w,
                      op->pad_top, op->pad_left, count);
}

static pyr_status backward_weights(pyr_kernels *k, const conv_state *s, pyr_op *op)
{
    float *grad = (float *)op->grad;
    char *dw = pyr_library_scratch(op, s->dw);
    const void *x;

    if (directly(s, WEIGHTS))
        return pyr_direct_gradient(k, &s->shape, grad, op->grad_add, op->scale, numbers_of(&op->x[0]),
                                   gradient_of(&op->y, op->dy), pyr_library_scratch(op, s->sums));
    PYR_TRY(image_for_library(k, s, op, &x));
    PYR_TRY(
        library_run(k, s, WEIGHTS, &s->by[WEIGHTS], x, op->dy, dw, pyr_library_scratch(op, 0), op->scale, 0));
    return PYR_LAUNCH(k, unpack_kernel, op->param_count[0], floats(grad), op->grad_add, image_of(s, dw),
                      (size_t)s->shape.in, (size_t)s->shape.kernel_h * s->shape.kernel_w, op->param_count[0]);
}

/* Of the bias and of the vector: dy is read once for both. */
static pyr_status backward_sums(pyr_kernels *k, const conv_state *s, pyr_op *op)
{
    size_t n = op->y.s.n, area = (size_t)op->y.s.h * op->y.s.w, c = op->y.s.c;
    float *vector = (float *)op->dx[PYR_X_VECTOR], *images = (float *)pyr_library_scratch(op, s->images);
    float *bias = op->want_grad && has_bias(op) ? (float *)op->grad + op->param_count[0] : NULL;
    bool vector_add = op->dx_add[PYR_X_VECTOR];
    char *partial = pyr_library_scratch(op, s->sums);
    numbers dy = gradient_of(&op->y, op->dy);

    if (vector && bias) {
        PYR_TRY(pyr_cuda_sums(k, images, false, op->scale, dy, n, area, c, partial));
        PYR_TRY(pyr_cuda_sums(k, vector, vector_add, 1, floats(images), n, 1, c, partial));
        return pyr_cuda_sums(k, bias, op->grad_add, 1, floats(images), 1, n, c, partial);
    }
    if (vector)
        return pyr_cuda_sums(k, vector, vector_add, op->scale, dy, n, area, c, partial);
    if (bias)
        return pyr_cuda_sums(k, bias, op->grad_add, op->scale, dy, 1, n * area, c, partial);
    return PYR_OK;
}

static __global__ void scaled_kernel(numbers to, bool add, numbers from, float scale, size_t count)
{
    PYR_EACH4(i, n, count)
    {
        float v[4];

        get4(from, i, (int)n, v);
        for (int j = 0; j < 4; j++)
            v[j] *= scale;
        put4_or_add(to, i, (int)n, v, add);
    }
}

static pyr_status backward_residual(pyr_kernels *k, pyr_op *op)
{
    void *dx = op->dx[PYR_X_RESIDUAL];
    size_t count = pyr_count(op->y.s);

    if (!dx || dx == op->dy)
        return PYR_OK;
    return PYR_LAUNCH(k, scaled_kernel, fours(count), gradient_of(&op->x[PYR_X_RESIDUAL], dx),
                      op->dx_add[PYR_X_RESIDUAL], gradient_of(&op->y, op->dy), op->scale, count);
}

static pyr_status conv_backward(pyr_kernels *k, pyr_op *op)
{
    const conv_state *s = (const conv_state *)op->state;

    if (op->want_grad)
        PYR_TRY(backward_weights(k, s, op));
    PYR_TRY(backward_sums(k, s, op));
    if (op->dx[0])
        PYR_TRY(backward_data(k, s, op));
    return backward_residual(k, op);
}

const pyr_op_impl pyr_cuda_conv2d = {.reads = PYR_READS_X0,
                                     .fuses = PYR_FUSES_RESIDUAL | PYR_FUSES_VECTOR,
                                     .overwrites = true,
                                     .plan = conv_plan,
                                     .release = conv_release,
                                     .forward = conv_forward,
                                     .backward = conv_backward,
                                     .pack = conv_pack,
                                     .collect = pyr_cuda_collect};
