/* onednn.c - oneDNN's convolutions, reorders and products, the same for oneDNN 2 and 3. */
#include "kernels/onednn/onednn.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/threads.h"
#include "kernels/processor.h"
#include <dnnl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static dnnl_data_type_t type_of(pyr_type type)
{
    return type == PYR_BF16 ? dnnl_bf16 : dnnl_f32;
}

/* ---- what differs between oneDNN 2 and 3 ------------------------------------------------------- */

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t desc;           /* a handle, to be destroyed */
typedef const_dnnl_memory_desc_t desc_ref; /* borrowed */
static desc_ref ref(const desc *d)
{
    return *d;
}
static dnnl_status_t desc_make(desc *d, int rank, const dnnl_dims_t dims, pyr_type type,
                               dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(d, rank, dims, type_of(type), tag);
}
static dnnl_status_t desc_strided(desc *d, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(d, rank, dims, dnnl_f32, strides);
}
static void desc_free(desc *d)
{
    if (*d)
        dnnl_memory_desc_destroy(*d);
    *d = NULL;
}
#else
typedef dnnl_memory_desc_t desc;
typedef const dnnl_memory_desc_t *desc_ref;
static desc_ref ref(const desc *d)
{
    return d;
}
static dnnl_status_t desc_make(desc *d, int rank, const dnnl_dims_t dims, pyr_type type,
                               dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(d, rank, dims, type_of(type), tag);
}
static dnnl_status_t desc_strided(desc *d, int rank, const dnnl_dims_t dims, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_init_by_strides(d, rank, dims, dnnl_f32, strides);
}
static void desc_free(desc *d)
{
    (void)d;
}
#endif

pyr_conv_shape pyr_conv_shape_of(const pyr_op *op)
{
    pyr_shape x = op->x[0].s, y = op->y.s;
    bool linear = op->kind == PYR_OP_LINEAR;
    pyr_conv_shape s = {
        .n = x.n, .in_h = x.h, .in_w = x.w, .in = x.c, .out_h = y.h, .out_w = y.w, .out = y.c};

    if (op->up_h) {
        s.in_h = op->up_h;
        s.in_w = op->up_w;
    }
    if (pyr_op_has(op, PYR_X_MORE))
        s.in += op->x[PYR_X_MORE].s.c;
    s.kernel = linear ? 1 : op->kernel;
    s.kernel_w = linear ? 1 : pyr_op_kernel_w(op);
    s.dilation = pyr_op_dilation(op);
    s.stride = linear ? 1 : op->stride;
    s.pad_top = op->pad_top;
    s.pad_left = op->pad_left;
    s.pad_bottom = op->pad_bottom;
    s.pad_right = op->pad_right;
    s.bias = op->n_params > 1 && op->param_count[1];
    s.data = op->x[0].type == PYR_BF16 || op->y.type == PYR_BF16 ? PYR_BF16 : PYR_F32;
    s.result = PYR_F32;
    return s;
}

typedef struct conv_descs {
    desc src, weights, bias, dst;
    dnnl_dims_t strides, dilates, pad_low, pad_high; /* oneDNN's dilation of neighbours is 0 */
    bool has_bias;
} conv_descs;

/* The primitive descriptor of one pass; `hint` is the forward one. */
static dnnl_status_t conv_primitive_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, conv_descs *d,
                                         pyr_conv_pass pass, dnnl_primitive_attr_t attr,
                                         const_dnnl_primitive_desc_t hint)
{
    const dnnl_alg_kind_t alg = dnnl_convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
    switch (pass) {
    case PYR_CONV_FORWARD:
        return dnnl_convolution_forward_primitive_desc_create(
            pd, engine, dnnl_forward_training, alg, d->src, d->weights, d->has_bias ? d->bias : NULL, d->dst,
            d->strides, d->dilates, d->pad_low, d->pad_high, attr);
    case PYR_CONV_BACKWARD_DATA:
        return dnnl_convolution_backward_data_primitive_desc_create(pd, engine, alg, d->src, d->weights,
                                                                    d->dst, d->strides, d->dilates,
                                                                    d->pad_low, d->pad_high, hint, attr);
    case PYR_CONV_BACKWARD_WEIGHTS:
        return dnnl_convolution_backward_weights_primitive_desc_create(
            pd, engine, alg, d->src, d->weights, d->has_bias ? d->bias : NULL, d->dst, d->strides, d->dilates,
            d->pad_low, d->pad_high, hint, attr);
    case PYR_CONV_PASSES:
        break;
    }
    return dnnl_invalid_arguments;
#else
    dnnl_convolution_desc_t c;
    dnnl_status_t status = dnnl_invalid_arguments;
    const desc *bias = d->has_bias ? &d->bias : NULL;

    switch (pass) {
    case PYR_CONV_FORWARD:
        status = dnnl_dilated_convolution_forward_desc_init(&c, dnnl_forward_training, alg, &d->src,
                                                            &d->weights, bias, &d->dst, d->strides,
                                                            d->dilates, d->pad_low, d->pad_high);
        break;
    case PYR_CONV_BACKWARD_DATA:
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &c, alg, &d->src, &d->weights, &d->dst, d->strides, d->dilates, d->pad_low, d->pad_high);
        break;
    case PYR_CONV_BACKWARD_WEIGHTS:
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &c, alg, &d->src, &d->weights, bias, &d->dst, d->strides, d->dilates, d->pad_low, d->pad_high);
        break;
    case PYR_CONV_PASSES:
        break;
    }
    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(pd, &c, attr, engine, hint);
#endif
}

/* ---- the same in both -------------------------------------------------------------------------- */

static pyr_status failed(dnnl_status_t code, int line, const char *call)
{
    if (code == dnnl_out_of_memory)
        return pyr_fail(PYR_E_NOMEM, "out of memory in oneDNN (%s)", call);
    return pyr_fail(PYR_E_DEVICE, "oneDNN status %d at %s:%d (%s)", (int)code, __FILE__, line, call);
}

#define DNNL_TRY(call)                                                                                       \
    do {                                                                                                     \
        dnnl_status_t dnnl_try_status = (call);                                                              \
        if (dnnl_try_status != dnnl_success) {                                                               \
            status = failed(dnnl_try_status, __LINE__, #call);                                               \
            goto out;                                                                                        \
        }                                                                                                    \
    } while (0)

enum { MOST_ARGS = 5 };

struct pyr_onednn_call {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[MOST_ARGS]; /* the buffers of a run, then the scratch */
    int n_args;                      /* without the scratch */
    int weights;                     /* which query gives the weights' layout */
    size_t weight_bytes, scratch_bytes;
    void *own_scratch; /* of a reorder, if it wants one */
};

void pyr_onednn_single_thread(void)
{
    (void)pyr_openmp_threads(1);
}

const char *pyr_cpu_library(void)
{
    static _Thread_local char text[32];
    const dnnl_version_t *v = dnnl_version();

    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

bool pyr_onednn_has_bf16(void)
{
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
}

static desc_ref layout_of(const pyr_onednn_call *call, int what)
{
    return dnnl_primitive_desc_query_md(call->pd, (dnnl_query_t)what, 0);
}

static pyr_status new_call(pyr_onednn_call **out)
{
    pyr_status status = PYR_OK;
    pyr_onednn_call *call;

    *out = NULL;
    pyr_onednn_single_thread(); /* a primitive is made for as many as there are now */
    PYR_TRY(pyr_new(&call, 1, sizeof *call, "oneDNN call"));
    DNNL_TRY(dnnl_engine_create(&call->engine, dnnl_cpu, 0));
    DNNL_TRY(dnnl_stream_create(&call->stream, call->engine, dnnl_stream_default_flags));
    *out = call;
    return PYR_OK;
out:
    pyr_onednn_free(call);
    return status;
}

/* Address space that must be left, in MiB: for the kernels of all matrix products, which take 20.5 in oneDNN
 * 2.6, and for those of one primitive, up to 256 KiB each. oneDNN does not check that it was given the memory
 * that it writes them into. */
enum { ALL_KERNELS_MIB = 32, PRIMITIVE_MIB = 8 };

static pyr_status check_address_room(int mib)
{
    uint64_t left = pyr_address_left() >> 20;

    if (left >= (uint64_t)mib)
        return PYR_OK;
    return pyr_fail(
        PYR_E_NOMEM,
        "the limits of address space (ulimit -v) and data (ulimit -d) leave %llu MiB, and oneDNN's kernels need %d: raise them, or take --backend ref",
        (unsigned long long)left, mib);
}

/* The primitive from call->pd, and a memory handle for each argument with a query. */
static pyr_status finish(pyr_onednn_call *call, int n, const int *names, const int *queries)
{
    pyr_status status = PYR_OK;
    desc_ref scratch = layout_of(call, dnnl_query_scratchpad_md);

    PYR_TRY(check_address_room(PRIMITIVE_MIB));
    DNNL_TRY(dnnl_primitive_create(&call->primitive, call->pd));
    for (int i = 0; i < n; i++) {
        call->args[i].arg = names[i];
        if (queries[i] < 0)
            continue; /* the caller makes it */
        DNNL_TRY(dnnl_memory_create(&call->args[i].memory, layout_of(call, queries[i]), call->engine,
                                    DNNL_MEMORY_NONE));
    }
    call->n_args = n;
    call->args[n].arg = DNNL_ARG_SCRATCHPAD;
    call->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    if (call->scratch_bytes)
        DNNL_TRY(dnnl_memory_create(&call->args[n].memory, scratch, call->engine, DNNL_MEMORY_NONE));
out:
    return status;
}

static pyr_status own_scratch(dnnl_primitive_attr_t *attr)
{
    pyr_status status = PYR_OK;

    *attr = NULL;
    DNNL_TRY(dnnl_primitive_attr_create(attr));
    DNNL_TRY(dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user));
out:
    return status;
}

static dnnl_status_t describe(conv_descs *d, const pyr_conv_shape *c, pyr_conv_pass pass)
{
    const dnnl_dims_t xd = {c->n, c->in, c->in_h, c->in_w}, yd = {c->n, c->out, c->out_h, c->out_w};
    const dnnl_dims_t wd = {c->out, c->in, c->kernel, c->kernel_w}, bd = {c->out};
    pyr_type dst = pass == PYR_CONV_FORWARD ? c->result : c->data;
    pyr_type src = pass == PYR_CONV_BACKWARD_DATA ? c->result : c->data;
    pyr_type weights = pass == PYR_CONV_BACKWARD_WEIGHTS ? PYR_F32 : c->data;
    dnnl_status_t status;

    d->strides[0] = d->strides[1] = c->stride;
    d->dilates[0] = d->dilates[1] = c->dilation - 1;
    d->pad_low[0] = c->pad_top;
    d->pad_low[1] = c->pad_left;
    d->pad_high[0] = c->pad_bottom;
    d->pad_high[1] = c->pad_right;
    d->has_bias = c->bias;
    status = desc_make(&d->src, 4, xd, src, dnnl_nhwc);
    if (status == dnnl_success)
        status = desc_make(&d->dst, 4, yd, dst, dnnl_nhwc);
    if (status == dnnl_success)
        status = desc_make(&d->weights, 4, wd, weights, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = desc_make(&d->bias, 1, bd, PYR_F32, dnnl_x);
    return status;
}

static void descs_free(conv_descs *d)
{
    desc_free(&d->src);
    desc_free(&d->weights);
    desc_free(&d->bias);
    desc_free(&d->dst);
}

pyr_status pyr_onednn_conv(pyr_onednn_call **out, const pyr_conv_shape *shape, pyr_conv_pass pass)
{
    static const int forward_args[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST};
    static const int forward_queries[] = {dnnl_query_src_md, dnnl_query_weights_md, -1, dnnl_query_dst_md};
    static const int data_args[] = {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC};
    static const int data_queries[] = {dnnl_query_diff_dst_md, dnnl_query_weights_md, dnnl_query_diff_src_md};
    static const int weights_args[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS,
                                       DNNL_ARG_DIFF_BIAS};
    static const int weights_queries[] = {dnnl_query_src_md, dnnl_query_diff_dst_md,
                                          dnnl_query_diff_weights_md, -1};
    pyr_status status = PYR_OK;
    pyr_onednn_call *call = NULL;
    conv_descs d = {.has_bias = false}, forward = {.has_bias = false};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t hint = NULL;

    *out = NULL;
    PYR_TRY_OUT(new_call(&call));
    PYR_TRY_OUT(own_scratch(&attr));
    DNNL_TRY(describe(&d, shape, pass));
    if (pass != PYR_CONV_FORWARD) {
        pyr_conv_shape same = *shape;

        same.result = same.data;
        DNNL_TRY(describe(&forward, &same, PYR_CONV_FORWARD));
        DNNL_TRY(conv_primitive_desc(&hint, call->engine, &forward, PYR_CONV_FORWARD, attr, NULL));
    }
    DNNL_TRY(conv_primitive_desc(&call->pd, call->engine, &d, pass, attr, hint));
    call->weights = pass == PYR_CONV_BACKWARD_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
    call->weight_bytes = dnnl_memory_desc_get_size(layout_of(call, call->weights));
    switch (pass) {
    case PYR_CONV_FORWARD:
        PYR_TRY_OUT(finish(call, 4, forward_args, forward_queries));
        DNNL_TRY(dnnl_memory_create(&call->args[2].memory, ref(&d.bias), call->engine, DNNL_MEMORY_NONE));
        break;
    case PYR_CONV_BACKWARD_DATA:
        PYR_TRY_OUT(finish(call, 3, data_args, data_queries));
        break;
    case PYR_CONV_BACKWARD_WEIGHTS:
        PYR_TRY_OUT(finish(call, 4, weights_args, weights_queries));
        DNNL_TRY(dnnl_memory_create(&call->args[3].memory, ref(&d.bias), call->engine, DNNL_MEMORY_NONE));
        break;
    case PYR_CONV_PASSES:
        break;
    }
    *out = call;
    call = NULL;
out:
    descs_free(&d);
    descs_free(&forward);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    pyr_onednn_free(call);
    return status;
}

static pyr_status reorder(pyr_onednn_call **out, const pyr_conv_shape *shape, int all_in,
                          const pyr_onednn_call *conv, bool pack)
{
    static const int args[] = {DNNL_ARG_FROM, DNNL_ARG_TO},
                     queries[] = {dnnl_query_src_md, dnnl_query_dst_md};
    const int area = shape->kernel * shape->kernel_w;
    const dnnl_dims_t dims = {shape->out, shape->in, shape->kernel, shape->kernel_w};
    const dnnl_dims_t strides = {all_in * area, area, shape->kernel_w, 1};
    pyr_status status = PYR_OK;
    pyr_onednn_call *call = NULL;
    dnnl_primitive_attr_t attr = NULL;
    desc_ref packed = layout_of(conv, conv->weights);
    desc plain;

    *out = NULL;
    if (desc_strided(&plain, 4, dims, strides) != dnnl_success)
        return pyr_fail(PYR_E_DEVICE, "oneDNN cannot describe the weights");
    PYR_TRY_OUT(new_call(&call));
    PYR_TRY_OUT(own_scratch(&attr));
    DNNL_TRY(dnnl_reorder_primitive_desc_create(&call->pd, pack ? ref(&plain) : packed, call->engine,
                                                pack ? packed : ref(&plain), call->engine, attr));
    PYR_TRY_OUT(finish(call, 2, args, queries));
    /* Reorders of several operations run at the same time, outside the plan of a lane's scratch. Plain floats
     * have not needed any in the versions that were seen. */
    if (call->scratch_bytes)
        PYR_TRY_OUT(pyr_new(&call->own_scratch, call->scratch_bytes, 1, "scratch of a reorder"));
    *out = call;
    call = NULL;
out:
    desc_free(&plain);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    pyr_onednn_free(call);
    return status;
}

pyr_status pyr_onednn_pack(pyr_onednn_call **out, const pyr_conv_shape *shape, int all_in,
                           const pyr_onednn_call *conv)
{
    return reorder(out, shape, all_in, conv, true);
}

pyr_status pyr_onednn_unpack(pyr_onednn_call **out, const pyr_conv_shape *shape, const pyr_onednn_call *conv)
{
    return reorder(out, shape, shape->in, conv, false);
}

size_t pyr_onednn_weight_bytes(const pyr_onednn_call *call)
{
    return call->weight_bytes;
}

size_t pyr_onednn_scratch_bytes(const pyr_onednn_call *call)
{
    return call->scratch_bytes;
}

pyr_status pyr_onednn_run(pyr_onednn_call *call, const void *const *buffers, void *scratch)
{
    pyr_status status = PYR_OK;
    dnnl_exec_arg_t args[MOST_ARGS];
    int n = 0;

    for (int i = 0; i < call->n_args; i++)
        if (buffers[i]) {
            DNNL_TRY(dnnl_memory_set_data_handle(call->args[i].memory, (void *)(uintptr_t)buffers[i]));
            args[n++] = call->args[i];
        }
    if (call->scratch_bytes) {
        DNNL_TRY(dnnl_memory_set_data_handle(call->args[call->n_args].memory,
                                             call->own_scratch ? call->own_scratch : scratch));
        args[n++] = call->args[call->n_args];
    }
    DNNL_TRY(dnnl_primitive_execute(call->primitive, call->stream, n, args));
    DNNL_TRY(dnnl_stream_wait(call->stream));
out:
    return status;
}

void pyr_onednn_free(pyr_onednn_call *call)
{
    if (!call)
        return;
    for (int i = 0; i < MOST_ARGS; i++)
        if (call->args[i].memory)
            dnnl_memory_destroy(call->args[i].memory);
    if (call->primitive)
        dnnl_primitive_destroy(call->primitive);
    if (call->pd)
        dnnl_primitive_desc_destroy(call->pd);
    if (call->stream)
        dnnl_stream_destroy(call->stream);
    if (call->engine)
        dnnl_engine_destroy(call->engine);
    pyr_free(call->own_scratch);
    pyr_free(call);
}

/* ---- at the start ------------------------------------------------------------------------------ */

/* One matrix product of each kind that convolutions may be made of: kernels are made for vectors, for small operands, for
 * their order, and for beta 0. */
static pyr_status try_products(void)
{
    enum { SIDE = 40 };
    static const dnnl_dim_t sizes[][3] = {
        {1, SIDE, SIDE}, {SIDE, 1, SIDE}, {SIDE, SIDE, 1}, {5, 7, 3}, {SIDE, SIDE, SIDE}};
    static const char orders[][2] = {{'N', 'N'}, {'N', 'T'}, {'T', 'N'}};
    float *room;
    pyr_status status = PYR_OK;

    pyr_onednn_single_thread();
    PYR_TRY(pyr_new(&room, (size_t)3 * SIDE * SIDE, sizeof *room, "the first matrix product"));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t o = 0; o < sizeof orders / sizeof *orders; o++)
            for (int add = 0; add < 2; add++) {
                dnnl_dim_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
                char ta = orders[o][0], tb = orders[o][1];

                if (dnnl_sgemm(ta, tb, m, n, k, 1, room, ta == 'N' ? k : m, room + SIDE * SIDE,
                               tb == 'N' ? n : k, add ? 1.0f : 0.0f, room + 2 * SIDE * SIDE,
                               n) != dnnl_success) {
                    status = pyr_fail(PYR_E_NOMEM, "out of memory in oneDNN (its first matrix products)");
                    goto out;
                }
            }
out:
    pyr_free(room);
    return status;
}

/* A pass of a convolution of bf16: what configures the processor's tiles (AMX) is made on the first run of
 * any. */
static pyr_status try_pass(pyr_conv_pass pass)
{
    enum { SIDE = 8, CHANNELS = 64, ROOM = 4 * SIDE * SIDE * CHANNELS };
    const pyr_conv_shape shape = {.n = 1,
                                  .in_h = SIDE,
                                  .in_w = SIDE,
                                  .in = CHANNELS,
                                  .out_h = SIDE,
                                  .out_w = SIDE,
                                  .out = CHANNELS,
                                  .kernel = 3,
                                  .kernel_w = 3,
                                  .dilation = 1,
                                  .stride = 1,
                                  .pad_top = 1,
                                  .pad_left = 1,
                                  .pad_bottom = 1,
                                  .pad_right = 1,
                                  .data = PYR_BF16,
                                  .result = PYR_F32};
    bool weights = pass == PYR_CONV_BACKWARD_WEIGHTS;
    pyr_onednn_call *call = NULL;
    char *room = NULL, *packed, *scratch;
    pyr_status status;

    PYR_TRY_OUT(pyr_onednn_conv(&call, &shape, pass));
    PYR_TRY_OUT(pyr_new(&room, 2 * ROOM + pyr_aligned(call->weight_bytes) + call->scratch_bytes, 1,
                        "the first convolution"));
    packed = room + 2 * ROOM;
    scratch = packed + pyr_aligned(call->weight_bytes);
    PYR_TRY_OUT(pyr_onednn_run(call,
                               weights                    ? (const void *[]){room, room + ROOM, packed, NULL}
                               : pass == PYR_CONV_FORWARD ? (const void *[]){room, packed, NULL, room + ROOM}
                                                          : (const void *[]){room, packed, room + ROOM},
                               scratch));
out:
    pyr_onednn_free(call);
    pyr_free(room);
    return status;
}

static pyr_status try_all(void)
{
    PYR_TRY(try_products());
    for (int pass = 0; pass < PYR_CONV_PASSES && pyr_onednn_has_bf16(); pass++)
        PYR_TRY(try_pass((pyr_conv_pass)pass));
    return PYR_OK;
}

/* The library's kernels are those of the instruction set that ours are limited to. Once it has made one it takes no
 * limit any more: then it is the same that it was given. */
static void limit_instructions(void)
{
    static const dnnl_cpu_isa_t most[PYR_SETS] = {dnnl_cpu_isa_sse41, dnnl_cpu_isa_avx2,
                                                  dnnl_cpu_isa_avx512_core, dnnl_cpu_isa_avx512_core_bf16,
                                                  dnnl_cpu_isa_all};

    if (getenv("PYRDIFF_CPU"))
        dnnl_set_max_cpu_isa(most[pyr_set_here()]);
}

pyr_status pyr_onednn_open(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool made;
    pyr_status status = PYR_OK;

    limit_instructions();
    if (pyr_address_left() == UINT64_MAX) /* they are made when they are needed: a tenth of a second that many
                                             commands never take */
        return PYR_OK;
    pthread_mutex_lock(&lock);
    if (!made) {
        status = check_address_room(ALL_KERNELS_MIB);
        if (status == PYR_OK)
            status = try_all();
    }
    made = made || status == PYR_OK;
    pthread_mutex_unlock(&lock);
    return status;
}
