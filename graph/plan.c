/* plan.c - planning and running: where every buffer lies, and the two walks over the list.
 *
 * Time runs 0 .. N-1 over the forward operations and N .. 2N-1 over their
 * backwards in reverse order: operation i runs backward at 2N-1-i. A buffer
 * lives from its first write to its last read; two buffers may share bytes
 * when their lives do not meet. Largest first, each at the lowest offset that
 * is free during its life: for our networks this comes within a few percent
 * of the largest sum of live bytes at any time.
 */
#include "graph/graph.h"

#include "base/mem.h"
#include "graph/graph_internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct buffer {
    size_t bytes, offset;
    int first, last;
    size_t *place; /* where the offset is wanted */
} buffer;

static const pyr_op_impl *impl_of(const pyr_graph *g, const node *n)
{
    return g->k->op[n->op.kind];
}

/* ---- which gradients flow ---------------------------------------------------------------------- */

static bool trains(const pyr_graph *g, const node *n)
{
    for (int i = 0; i < n->op.n_params; i++)
        if (!g->params->at[n->param[i]].fixed)
            return true;
    return false;
}

/* Mark the operations whose backward runs and the inputs they pass gradients to. */
static pyr_status plan_gradients(pyr_graph *g, bool param_gradient)
{
    bool *depends; /* on a parameter or input whose gradient is wanted */

    PYR_TRY(pyr_new(&depends, (size_t)g->n_values + 1, sizeof *depends, "plan of a graph"));
    for (int i = 0; i < g->n_values; i++)
        depends[i] = g->values[i].want_gradient;
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];

        if (!impl_of(g, n)->backward)
            continue;
        n->op.want_grad = param_gradient && trains(g, n);
        depends[n->y] = n->op.want_grad;
        for (int j = 0; j < n->op.n_inputs; j++)
            depends[n->y] |= depends[n->x[j]];
    }
    /* From the end: a gradient arrives at a value by a seed or from one of its readers. */
    for (int i = 0; i < g->n_values; i++)
        g->values[i].has_gradient = g->values[i].seed;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        node *n = &g->nodes[i];

        n->backward = depends[n->y] && g->values[n->y].has_gradient;
        n->op.backward = n->backward;
        n->op.want_grad = n->op.want_grad && n->backward;
        for (int j = 0; j < n->op.n_inputs && n->backward; j++) {
            value *x = &g->values[n->x[j]];

            n->op.want_dx[j] = depends[n->x[j]];
            if (!n->op.want_dx[j])
                continue;
            n->op.dx_add[j] = x->has_gradient;
            x->has_gradient = true;
        }
    }
    pyr_free(depends);
    return PYR_OK;
}

/* ---- lives and places -------------------------------------------------------------------------- */

static int compare_buffers(const void *a, const void *b)
{
    const buffer *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->first != y->first ? x->first - y->first : (x->place > y->place) - (x->place < y->place);
}

static int compare_offsets(const void *a, const void *b)
{
    const buffer *x = *(buffer *const *)a, *y = *(buffer *const *)b;

    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Give every buffer its offset; the size of the arena comes back. */
static pyr_status place(buffer *buffers, int n, size_t *arena)
{
    buffer **meeting;

    *arena = 0;
    PYR_TRY(pyr_new(&meeting, (size_t)n + 1, sizeof *meeting, "plan of a graph"));
    qsort(buffers, (size_t)n, sizeof *buffers, compare_buffers);
    for (int i = 0; i < n; i++) {
        buffer *b = &buffers[i];
        int m = 0;
        size_t at = 0;

        for (int j = 0; j < i; j++)
            if (buffers[j].first <= b->last && b->first <= buffers[j].last)
                meeting[m++] = &buffers[j];
        qsort(meeting, (size_t)m, sizeof *meeting, compare_offsets);
        for (int j = 0; j < m; j++) {
            if (at + b->bytes <= meeting[j]->offset)
                break;
            if (meeting[j]->offset + meeting[j]->bytes > at)
                at = meeting[j]->offset + meeting[j]->bytes;
        }
        b->offset = at;
        *b->place = at;
        if (at + b->bytes > *arena)
            *arena = at + b->bytes;
    }
    pyr_free(meeting);
    return PYR_OK;
}

static void stretch(buffer *b, int time)
{
    if (time < b->first)
        b->first = time;
    if (time > b->last)
        b->last = time;
}

/* Lives of data, gradients, saved state and scratch, then their places. */
static pyr_status plan_arena(pyr_graph *g)
{
    int n = g->n_nodes, end = 2 * n, used = 0;
    buffer *data, *gradient, *all;
    size_t scratch = 0;
    pyr_status status;

    /* data and gradient of each value, saved of each node, one scratch */
    PYR_TRY(pyr_new(&all, 2 * (size_t)g->n_values + (size_t)n + 1, sizeof *all, "plan of a graph"));
    data = all;
    gradient = all + g->n_values;
    for (int i = 0; i < g->n_values; i++) {
        value *v = &g->values[i];
        size_t bytes = pyr_aligned(pyr_count(v->shape) * pyr_type_size(v->type));

        data[i] = (buffer){bytes, 0, v->producer, v->producer, &v->data};
        if (v->producer < 0)
            data[i].first = data[i].last = 0;
        if (v->keep)
            stretch(&data[i], end);
        gradient[i] = (buffer){v->has_gradient ? bytes : 0, 0, end, v->seed ? n : 0, &v->gradient};
        if (v->seed)
            stretch(&gradient[i], n);
        if (v->want_gradient)
            stretch(&gradient[i], end);
    }
    for (int i = 0; i < n; i++) {
        const node *d = &g->nodes[i];
        unsigned reads = impl_of(g, d)->reads;
        int back = end - 1 - i;

        for (int j = 0; j < d->op.n_inputs; j++) {
            stretch(&data[d->x[j]], i);
            if (d->backward && (reads & (unsigned)PYR_READS_X0 << j))
                stretch(&data[d->x[j]], back);
            if (d->backward && d->op.want_dx[j])
                stretch(&gradient[d->x[j]], back);
        }
        if (d->backward) {
            stretch(&gradient[d->y], back);
            if (reads & PYR_READS_Y)
                stretch(&data[d->y], back);
        }
        if (d->op.scratch_bytes > scratch)
            scratch = d->op.scratch_bytes;
    }
    used = 2 * g->n_values;
    for (int i = 0; i < n; i++) {
        node *d = &g->nodes[i];

        all[used++] =
            (buffer){pyr_aligned(d->op.saved_bytes), 0, i, d->backward ? end - 1 - i : i, &d->saved};
    }
    all[used++] = (buffer){pyr_aligned(scratch), 0, 0, end, &g->scratch};
    status = place(all, used, &g->arena_bytes);
    pyr_free(all);
    return status;
}

/* ---- the plan ---------------------------------------------------------------------------------- */

/* Shapes and parameter pointers of an operation, before its backend plans it. */
static void fill_op(const pyr_graph *g, const node *n, pyr_op *op)
{
    *op = n->op;
    for (int j = 0; j < op->n_inputs; j++)
        op->x[j] = (pyr_tensor){g->values[n->x[j]].type, g->values[n->x[j]].shape, NULL};
    op->y = (pyr_tensor){g->values[n->y].type, g->values[n->y].shape, NULL};
}

static pyr_status plan_op(pyr_graph *g, const node *n, pyr_op *op)
{
    pyr_status status;

    fill_op(g, n, op);
    status = pyr_op_plan(g->k, op);
    if (status != PYR_OK)
        return pyr_fail_prefix(status, "%s of %dx%dx%dx%d cannot be planned", pyr_op_name(op->kind),
                               op->x[0].s.n, op->x[0].s.h, op->x[0].s.w, op->x[0].s.c);
    return PYR_OK;
}

/* Pointers into the lane's arena. */
static void point(const pyr_graph *g, const node *n, int lane, pyr_op *op)
{
    char *arena = g->arena[lane];

    for (int j = 0; j < op->n_inputs; j++) {
        op->x[j].data = arena + g->values[n->x[j]].data;
        op->dx[j] = op->want_dx[j] ? arena + g->values[n->x[j]].gradient : NULL;
    }
    op->y.data = arena + g->values[n->y].data;
    op->dy = n->backward ? arena + g->values[n->y].gradient : NULL;
    op->saved = arena + n->saved;
    op->scratch = arena + g->scratch;
    op->packed = g->packed + n->packed;
}

/* Two operations on one parameter add to the same place: then the order must be fixed. */
static bool shares_parameters(const pyr_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < i; j++)
            if (g->nodes[i].op.n_params && g->nodes[j].op.n_params &&
                g->nodes[i].param[0] == g->nodes[j].param[0])
                return true;
    return false;
}

pyr_status pyr_graph_plan(pyr_graph *g, const pyr_plan *plan)
{
    size_t n = (size_t)g->n_nodes;

    if (g->failure) {
        pyr_error_set(g->sentence);
        return g->failure;
    }
    assert(!g->planned && plan->batch > 0);
    g->planned = true;
    g->batch = plan->batch;
    g->lanes = plan->lanes ? plan->lanes : g->k->lanes;
    for (int i = 0; i < g->n_values; i++)
        g->values[i].shape.n = g->batch;
    PYR_TRY(plan_gradients(g, plan->param_gradient));
    if (plan->param_gradient)
        g->groups = plan->groups ? plan->groups : 4;
    g->serial_collect = shares_parameters(g);

    PYR_TRY(pyr_new(&g->ops, (size_t)g->lanes, sizeof *g->ops, "lanes"));
    PYR_TRY(pyr_new(&g->arena, (size_t)g->lanes, sizeof *g->arena, "lanes"));
    for (int lane = 0; lane < g->lanes; lane++) {
        PYR_TRY(pyr_new(&g->ops[lane], n, sizeof **g->ops, "operations of a lane"));
        for (size_t i = 0; i < n; i++)
            PYR_TRY(plan_op(g, &g->nodes[i], &g->ops[lane][i]));
    }
    for (size_t i = 0; i < n; i++) {
        const pyr_op *op = &g->ops[0][i];

        g->nodes[i].op.scratch_bytes = op->scratch_bytes;
        g->nodes[i].op.saved_bytes = op->saved_bytes;
        g->nodes[i].packed = g->packed_bytes;
        g->packed_bytes += pyr_aligned(op->packed_bytes);
        g->nodes[i].grad = g->grad_bytes;
        g->grad_bytes += op->want_grad ? pyr_aligned(op->grad_bytes) : 0;
    }
    PYR_TRY(plan_arena(g));
    PYR_TRY(g->k->alloc(g->k, (void **)&g->packed, g->packed_bytes, "packed weights"));
    if (g->groups)
        PYR_TRY(pyr_new(&g->accumulator, (size_t)g->groups, sizeof *g->accumulator, "accumulators"));
    for (int i = 0; i < g->groups; i++)
        PYR_TRY(g->k->alloc(g->k, (void **)&g->accumulator[i], g->grad_bytes, "gradients"));
    for (int lane = 0; lane < g->lanes; lane++) {
        PYR_TRY(g->k->alloc(g->k, (void **)&g->arena[lane], g->arena_bytes, "activations"));
        for (size_t i = 0; i < n; i++)
            point(g, &g->nodes[i], lane, &g->ops[lane][i]);
    }
    return PYR_OK;
}

void pyr_graph_free(pyr_graph *g)
{
    if (!g)
        return;
    for (int lane = 0; lane < g->lanes; lane++) {
        for (int i = 0; g->ops && g->ops[lane] && i < g->n_nodes; i++) {
            const pyr_op_impl *impl = impl_of(g, &g->nodes[i]);

            if (impl->release)
                impl->release(g->k, &g->ops[lane][i]);
        }
        if (g->ops)
            pyr_free(g->ops[lane]);
        if (g->arena)
            g->k->release(g->k, g->arena[lane]);
    }
    for (int i = 0; g->accumulator && i < g->groups; i++)
        g->k->release(g->k, g->accumulator[i]);
    if (g->packed)
        g->k->release(g->k, g->packed);
    pyr_free(g->ops);
    pyr_free(g->arena);
    pyr_free(g->accumulator);
    pyr_free(g->values);
    pyr_free(g->nodes);
    pyr_free(g);
}

pyr_graph_memory pyr_graph_bytes(const pyr_graph *g)
{
    size_t accumulators = (size_t)g->groups * g->grad_bytes;

    return (pyr_graph_memory){.arena = g->arena_bytes,
                              .packed = g->packed_bytes,
                              .accumulators = accumulators,
                              .total = (size_t)g->lanes * g->arena_bytes + g->packed_bytes + accumulators};
}

double pyr_graph_flop(const pyr_graph *g)
{
    double flop = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        pyr_op op;

        fill_op(g, &g->nodes[i], &op);
        flop += pyr_op_flop(&op);
    }
    return flop / (g->planned ? g->batch : 1);
}

int pyr_graph_batch(const pyr_graph *g)
{
    return g->batch;
}

int pyr_graph_lanes(const pyr_graph *g)
{
    return g->lanes;
}

/* ---- running ----------------------------------------------------------------------------------- */

static const void *param_at(const pyr_graph *g, int index)
{
    return (const char *)g->block + g->params->at[index].offset * pyr_type_size(g->k->real);
}

static pyr_status pack_task(void *arg, int task, int lane)
{
    pyr_graph *g = arg;
    pyr_op *op = &g->ops[0][task];
    const pyr_op_impl *impl = impl_of(g, &g->nodes[task]);

    (void)lane;
    return impl->pack ? impl->pack(g->k, op) : PYR_OK;
}

pyr_status pyr_graph_pack(pyr_graph *g, const void *block)
{
    g->block = block;
    for (int lane = 0; lane < g->lanes; lane++)
        for (int i = 0; i < g->n_nodes; i++)
            for (int j = 0; j < g->nodes[i].op.n_params; j++)
                g->ops[lane][i].param[j] = param_at(g, g->nodes[i].param[j]);
    return g->k->run_tasks(g->k, g->n_nodes, pack_task, g);
}

void *pyr_graph_data(pyr_graph *g, int lane, pyr_value v)
{
    return g->arena[lane] + g->values[v].data;
}

void *pyr_graph_gradient(pyr_graph *g, int lane, pyr_value v)
{
    return g->arena[lane] + g->values[v].gradient;
}

pyr_status pyr_graph_forward(pyr_graph *g, int lane)
{
    assert(g->block);
    for (int i = 0; i < g->n_nodes; i++)
        PYR_TRY(impl_of(g, &g->nodes[i])->forward(g->k, &g->ops[lane][i]));
    return PYR_OK;
}

pyr_status pyr_graph_backward(pyr_graph *g, int lane, int group)
{
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        pyr_op *op = &g->ops[lane][i];

        if (!g->nodes[i].backward)
            continue;
        if (op->want_grad)
            op->grad = g->accumulator[group] + g->nodes[i].grad;
        PYR_TRY(impl_of(g, &g->nodes[i])->backward(g->k, op));
    }
    return PYR_OK;
}

void pyr_graph_clear(pyr_graph *g, int group)
{
    g->k->zero(g->k, g->accumulator[group], g->grad_bytes);
}

static pyr_status collect_task(void *arg, int task, int lane)
{
    enum { MOST_GROUPS = 64 };
    pyr_graph *g = arg;
    node *n = &g->nodes[task];
    pyr_op *op = &g->ops[0][task];
    void *accumulators[MOST_GROUPS], *dparam[PYR_OP_PARAMS] = {NULL};

    (void)lane;
    if (!op->want_grad)
        return PYR_OK;
    assert(g->groups <= MOST_GROUPS);
    for (int i = 0; i < g->groups; i++)
        accumulators[i] = g->accumulator[i] + n->grad;
    for (int i = 0; i < op->n_params; i++)
        dparam[i] = (char *)g->collect_to + g->params->at[n->param[i]].offset * pyr_type_size(g->k->real);
    return pyr_op_collect(g->k, op, accumulators, g->groups, dparam);
}

pyr_status pyr_graph_collect(pyr_graph *g, void *grad)
{
    g->collect_to = grad;
    if (!g->serial_collect)
        return g->k->run_tasks(g->k, g->n_nodes, collect_task, g);
    for (int i = 0; i < g->n_nodes; i++)
        PYR_TRY(collect_task(g, i, 0));
    return PYR_OK;
}
