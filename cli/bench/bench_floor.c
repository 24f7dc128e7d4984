/* bench_floor.c - the convolutions and products of a network alone. */
#include "base/mem.h"
#include "cli/bench/bench.h"
#include "kernels/timed_op.h"
#include <math.h>
#include <string.h>

/* ---- what is timed ----------------------------------------------------------------------------- */

static bool counts(const pyr_op *op)
{
    return op->kind == PYR_OP_CONV2D || op->kind == PYR_OP_LINEAR || op->kind == PYR_OP_ATTENTION;
}

/* The operation without what was joined to it, on all `parts` of a piece at once, whose input is already enlarged and one tensor. */
static pyr_op plain(const pyr_op *op, int parts)
{
    pyr_op p = {.kind = op->kind,
                .kernel = op->kernel,
                .stride = op->stride,
                .pad_top = op->pad_top,
                .pad_left = op->pad_left,
                .pad_bottom = op->pad_bottom,
                .pad_right = op->pad_right,
                .kernel_w = op->kernel_w,
                .dilation = op->dilation,
                .heads = op->heads,
                .scale = 1,
                .n_inputs = op->kind == PYR_OP_ATTENTION ? 3 : 1,
                .n_params = op->n_params,
                .y = {op->y.type, op->y.s, NULL},
                .backward = op->backward,
                .want_grad = op->want_grad};

    p.y.s.n *= parts;
    for (int i = 0; i < p.n_inputs; i++) {
        p.x[i] = (pyr_tensor){op->x[i].type, op->x[i].s, NULL};
        p.x[i].s.n *= parts;
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
    p.param_count[0] = (size_t)p.y.s.c * (size_t)p.x[0].s.c *
                       (size_t)(op->kernel * (op->kernel_w ? op->kernel_w : op->kernel));
    return p;
}

static bool same_tensor(const pyr_tensor *a, const pyr_tensor *b)
{
    return a->type == b->type && a->s.n == b->s.n && a->s.h == b->s.h && a->s.w == b->s.w && a->s.c == b->s.c;
}

static bool same(const pyr_op *a, const pyr_op *b)
{
    bool equal = a->kind == b->kind && a->kernel == b->kernel && a->kernel_w == b->kernel_w &&
                 a->dilation == b->dilation && a->stride == b->stride && a->pad_top == b->pad_top &&
                 a->pad_left == b->pad_left && a->pad_bottom == b->pad_bottom &&
                 a->pad_right == b->pad_right && a->heads == b->heads && same_tensor(&a->y, &b->y) &&
                 a->param_count[1] == b->param_count[1] && a->backward == b->backward &&
                 a->want_grad == b->want_grad;

    for (int i = 0; i < a->n_inputs && equal; i++)
        equal = same_tensor(&a->x[i], &b->x[i]) && a->want_dx[i] == b->want_dx[i];
    return equal;
}

/* ---- the sum ----------------------------------------------------------------------------------- */

static pyr_status time_own(pyr_kernels *k, const pyr_op *op, int lanes, double seconds, double *sum)
{
    pyr_status status = PYR_OK;
    double backward = 0;
    pyr_timed_op *timed;

    PYR_TRY(pyr_timed_op_new(&timed, k, op, lanes));
    PYR_TRY_OUT(pyr_timed_op_run(timed, PYR_PASS_FORWARD, seconds, sum));
    if (op->backward)
        PYR_TRY_OUT(pyr_timed_op_run(timed, PYR_PASS_BACKWARD, seconds, &backward));
    *sum += backward;
out:
    pyr_timed_op_free(timed);
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
        new = (kind){plain(op, pyr_graph_parts(g)), 1};
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
    bool direct_too = strcmp(k->backend->name, "cpu") == 0; /* oneDNN is there, and so are its types */
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
            PYR_TRY_OUT(pyr_time_onednn(&direct, k, &kinds[i].op, lanes, each));
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
