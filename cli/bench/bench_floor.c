/* bench_floor.c - the convolutions and products of a network alone. */
#include "base/mem.h"
#include "cli/bench/bench.h"
#include "kernels/bare.h"
#include "kernels/cpu/onednn.h"
#include <math.h>
#include <string.h>

/* ---- what is timed ----------------------------------------------------------------------------- */

static bool counts(const pyr_op *op)
{
    return op->kind == PYR_OP_CONV2D || op->kind == PYR_OP_LINEAR || op->kind == PYR_OP_ATTENTION;
}

/* The operation without what was joined to it, on an input that is already enlarged and in one piece. */
static pyr_op plain(const pyr_op *op)
{
    pyr_op p = {.kind = op->kind,
                .kernel = op->kernel,
                .stride = op->stride,
                .pad_top = op->pad_top,
                .pad_left = op->pad_left,
                .pad_bottom = op->pad_bottom,
                .pad_right = op->pad_right,
                .heads = op->heads,
                .scale = 1,
                .n_inputs = op->kind == PYR_OP_ATTENTION ? 3 : 1,
                .n_params = op->n_params,
                .y = {op->y.type, op->y.s, NULL},
                .backward = op->backward,
                .want_grad = op->want_grad};

    for (int i = 0; i < p.n_inputs; i++) {
        p.x[i] = (pyr_tensor){op->x[i].type, op->x[i].s, NULL};
        p.want_dx[i] = op->want_dx[i];
    }
    memcpy(p.param_count, op->param_count, sizeof p.param_count);
    if (op->kind != PYR_OP_CONV2D)
        return p;
    if (op->up_h) {
        p.x[0].s.h = op->up_h;
        p.x[0].s.w = op->up_w;
    }
    if (pyr_op_has(op, PYR_X_MORE)) {
        p.x[0].s.c += op->x[PYR_X_MORE].s.c;
        p.want_dx[0] |= op->want_dx[PYR_X_MORE];
    }
    p.param_count[0] = (size_t)p.y.s.c * (size_t)p.x[0].s.c * (size_t)(op->kernel * op->kernel);
    return p;
}

static bool same_tensor(const pyr_tensor *a, const pyr_tensor *b)
{
    return a->type == b->type && a->s.n == b->s.n && a->s.h == b->s.h && a->s.w == b->s.w && a->s.c == b->s.c;
}

static bool same(const pyr_op *a, const pyr_op *b)
{
    bool equal = a->kind == b->kind && a->kernel == b->kernel && a->stride == b->stride &&
                 a->pad_top == b->pad_top && a->pad_left == b->pad_left && a->pad_bottom == b->pad_bottom &&
                 a->pad_right == b->pad_right && a->heads == b->heads && same_tensor(&a->y, &b->y) &&
                 a->param_count[1] == b->param_count[1] && a->backward == b->backward &&
                 a->want_grad == b->want_grad;

    for (int i = 0; i < a->n_inputs && equal; i++)
        equal = same_tensor(&a->x[i], &b->x[i]) && a->want_dx[i] == b->want_dx[i];
    return equal;
}

/* ---- convolutions by oneDNN's primitives ------------------------------------------------------- */

typedef struct direct_lane {
    pyr_onednn_call *call;
    void *scratch;
} direct_lane;

typedef struct primitives {
    pyr_kernels *k;
    int lanes;
    direct_lane *lane;
    const void *(*buffers)[4]; /* [lane]: of the call */
    void **block;              /* [lane]: x, y, packed weights, bias, one after the other */
} primitives;

static pyr_status direct_call(void *arg, int lane)
{
    primitives *d = arg;

    return pyr_onednn_run(d->lane[lane].call, d->buffers[lane], d->lane[lane].scratch);
}

/* One of the three passes on all lanes. All its buffers hold random numbers, results too; the layout of the
 * weights is oneDNN's, and of no account here. */
static pyr_status prepare_pass(primitives *d, const pyr_op *op, pyr_conv_pass pass, int lane)
{
    pyr_kernels *k = d->k;
    direct_lane *l = &d->lane[lane];
    size_t x, y, weights, bias = pyr_aligned((size_t)op->y.s.c * sizeof(float));
    const void **b = d->buffers[lane];
    char *at;

    pyr_conv_shape shape = pyr_conv_shape_of(op);
    size_t pixels_in = (size_t)shape.n * (size_t)shape.in_h * (size_t)shape.in_w;
    size_t real = pyr_type_size(shape.data),
           pixels_out = (size_t)shape.n * (size_t)shape.out_h * (size_t)shape.out_w;

    shape.result = shape.data;
    PYR_TRY(pyr_onednn_conv(&l->call, &shape, pass));
    PYR_TRY(k->alloc(k, &l->scratch, pyr_onednn_scratch_bytes(l->call) + 1, "scratch"));
    x = pyr_aligned(pixels_in * (size_t)shape.in * real);
    y = pyr_aligned(pixels_out * (size_t)shape.out * real);
    weights = pyr_aligned(pyr_onednn_weight_bytes(l->call));
    PYR_TRY(k->alloc(k, &d->block[lane], x + y + weights + bias, "a convolution's buffers"));
    at = d->block[lane];
    PYR_TRY(pyr_fill_random(k, at, shape.data, (x + y) / real, -1.0f, 1.0f));
    PYR_TRY(pyr_fill_random(k, at + x + y, shape.data, weights / real, -1.0f, 1.0f));
    b[0] = pass == PYR_CONV_BACKWARD_DATA ? at + x : at;
    b[1] = pass == PYR_CONV_BACKWARD_WEIGHTS ? at + x : at + x + y;
    b[2] = pass == PYR_CONV_FORWARD         ? (op->param_count[1] ? at + x + y + weights : NULL)
           : pass == PYR_CONV_BACKWARD_DATA ? at
                                            : at + x + y;
    b[3] = pass == PYR_CONV_FORWARD ? at + x : op->param_count[1] ? at + x + y + weights : NULL;
    return PYR_OK;
}

static void end_pass(primitives *d)
{
    for (int i = 0; i < d->lanes; i++) {
        pyr_onednn_free(d->lane[i].call);
        d->k->release(d->k, d->lane[i].scratch);
        d->k->release(d->k, d->block[i]);
        d->lane[i] = (direct_lane){0};
        d->block[i] = NULL;
    }
}

static pyr_status time_pass(primitives *d, const pyr_op *op, pyr_conv_pass pass, double seconds, double *sum)
{
    pyr_status status = PYR_OK;
    double per_call;

    for (int i = 0; i < d->lanes; i++)
        PYR_TRY_OUT(prepare_pass(d, op, pass, i));
    PYR_TRY_OUT(pyr_time_calls(d->k, d->lanes, direct_call, d, seconds, &per_call));
    *sum += per_call;
out:
    end_pass(d);
    return status;
}

/* *sum: the passes that the operation has. */
static pyr_status time_direct(pyr_kernels *k, const pyr_op *op, int lanes, double seconds, double *sum)
{
    primitives d = {.k = k, .lanes = lanes};
    pyr_status status = PYR_OK;

    *sum = 0;
    PYR_TRY_OUT(pyr_new(&d.lane, (size_t)lanes, sizeof *d.lane, "lanes"));
    PYR_TRY_OUT(pyr_new(&d.buffers, (size_t)lanes, sizeof *d.buffers, "lanes"));
    PYR_TRY_OUT(pyr_new(&d.block, (size_t)lanes, sizeof *d.block, "lanes"));
    PYR_TRY_OUT(time_pass(&d, op, PYR_CONV_FORWARD, seconds, sum));
    if (op->backward && op->want_dx[0])
        PYR_TRY_OUT(time_pass(&d, op, PYR_CONV_BACKWARD_DATA, seconds, sum));
    if (op->backward && op->want_grad)
        PYR_TRY_OUT(time_pass(&d, op, PYR_CONV_BACKWARD_WEIGHTS, seconds, sum));
out:
    pyr_free(d.lane);
    pyr_free(d.buffers);
    pyr_free(d.block);
    return status;
}

/* ---- the sum ----------------------------------------------------------------------------------- */

static pyr_status time_own(pyr_kernels *k, const pyr_op *op, int lanes, double seconds, double *sum)
{
    pyr_status status = PYR_OK;
    double backward = 0;
    pyr_bare *bare;

    PYR_TRY(pyr_bare_new(&bare, k, op, lanes));
    PYR_TRY_OUT(pyr_bare_time(bare, PYR_BARE_FORWARD, seconds, sum));
    if (op->backward)
        PYR_TRY_OUT(pyr_bare_time(bare, PYR_BARE_BACKWARD, seconds, &backward));
    *sum += backward;
out:
    pyr_bare_free(bare);
    return status;
}

typedef struct kind {
    pyr_op op;
    int times;
} kind;

/* The different ones and how often each is there. */
static pyr_status list_kinds(kind **out, int *n, const pyr_graph *g)
{
    int operations = pyr_graph_operations(g);

    *n = 0;
    PYR_TRY(pyr_new(out, (size_t)operations + 1, sizeof **out, "a list of operations"));
    for (int i = 0; i < operations; i++) {
        const pyr_op *op = pyr_graph_operation(g, 0, i);
        kind new;
        int at = 0;

        if (!counts(op))
            continue;
        new = (kind){plain(op), 1};
        while (at < *n && !same(&(*out)[at].op, &new.op))
            at++;
        if (at < *n)
            (*out)[at].times++;
        else
            (*out)[(*n)++] = new;
    }
    return PYR_OK;
}

pyr_status pyr_bench_floor(pyr_floor *out, pyr_kernels *k, const pyr_graph *g, int lanes, double seconds)
{
    bool direct_too = strcmp(k->name, "cpu") == 0; /* oneDNN is there, and so are its types */
    double images = (double)pyr_graph_batch(g) * lanes;
    pyr_status status = PYR_OK;
    kind *kinds;
    int n;

    *out = (pyr_floor){0};
    PYR_TRY(list_kinds(&kinds, &n, g));
    for (int i = 0; i < n; i++) {
        double own = 0, direct = 0, each = seconds / (5.0 * n); /* two ways by ourselves, three passes */

        PYR_TRY_OUT(time_own(k, &kinds[i].op, lanes, each, &own));
        out->own += kinds[i].times * own / images;
        if (kinds[i].op.kind == PYR_OP_CONV2D && direct_too)
            PYR_TRY_OUT(time_direct(k, &kinds[i].op, lanes, each, &direct));
        else
            direct = own;
        out->direct += kinds[i].times * direct / images;
    }
    if (!direct_too)
        out->direct = NAN;
out:
    pyr_free(kinds);
    return status;
}
