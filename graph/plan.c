/* plan.c - planning and running: what is done in which order, where every buffer lies.
 *
 * Time counts what a lane does: the operations forward, then the backward steps, where an operation may also
 * be computed forward once more (segments with recomputation). A buffer lives from its first write to its
 * last read; what is computed twice has two lives. Two buffers may share bytes when their lives do not meet.
 * Largest first, each at the lowest offset that is free during its life: for our networks this comes within a
 * few percent of the largest sum of live bytes at any time.
 *
 * Two values share one buffer where an operation may write its result over an input that is not read any
 * more, and two gradients where an operation passes its own on unchanged. */
#include "graph/graph.h"

#include "base/clock.h"
#include "base/mem.h"
#include "graph/graph_internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct life {
    int first, last; /* first > last: none */
} life;

typedef struct buffer {
    size_t bytes, offset;
    life life, again; /* again: after recomputation */
    size_t *place;    /* where the offset is wanted */
} buffer;

static const pyr_op_impl *impl_of(const pyr_graph *g, const node *n)
{
    return g->k->backend->op[n->op.kind];
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
            if (n->x[j] >= 0)
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
            value *x = n->x[j] >= 0 ? &g->values[n->x[j]] : NULL;

            n->op.want_dx[j] = x && depends[n->x[j]];
            if (!n->op.want_dx[j])
                continue;
            n->op.dx_add[j] = x->has_gradient;
            x->has_gradient = true;
        }
    }
    pyr_free(depends);
    return PYR_OK;
}

/* ---- the order of backward --------------------------------------------------------------------- */

/* Mark what is computed twice: results that only their own segment reads, where the segment has a
 * backward. */
static pyr_status plan_recomputation(pyr_graph *g)
{
    bool *backward, *read_outside = NULL;
    pyr_status status;

    PYR_TRY(pyr_new(&backward, (size_t)g->segments + 1, sizeof *backward, "plan of a graph"));
    PYR_TRY_OUT(pyr_new(&read_outside, (size_t)g->n_values + 1, sizeof *read_outside, "plan of a graph"));
    for (int i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];

        backward[n->segment] |= n->backward;
        for (int j = 0; j < n->op.n_inputs; j++)
            if (n->x[j] >= 0 && g->values[n->x[j]].producer >= 0)
                read_outside[n->x[j]] |= g->nodes[g->values[n->x[j]].producer].segment != n->segment;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        const value *y = &g->values[n->y];

        n->recompute = n->segment && backward[n->segment] && !read_outside[n->y] && !y->keep && !y->seed;
    }
out:
    pyr_free(read_outside);
    pyr_free(backward);
    return status;
}

static pyr_status plan_backward(pyr_graph *g)
{
    int segment = 0; /* whose results are there again */

    PYR_TRY(pyr_new(&g->backward, 2 * (size_t)g->n_nodes + 1, sizeof *g->backward, "plan of a graph"));
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const node *n = &g->nodes[i];

        if (!n->backward)
            continue;
        if (n->segment && n->segment != segment)
            for (int j = 0; j < g->n_nodes; j++)
                if (g->nodes[j].segment == n->segment && g->nodes[j].recompute)
                    g->backward[g->n_backward++] = (backward_step){j, true};
        segment = n->segment;
        g->backward[g->n_backward++] = (backward_step){i, false};
    }
    return PYR_OK;
}

/* ---- lives and places -------------------------------------------------------------------------- */

static int compare_buffers(const void *a, const void *b)
{
    const buffer *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->life.first != y->life.first ? x->life.first - y->life.first
                                          : (x->place > y->place) - (x->place < y->place);
}

static int compare_offsets(const void *a, const void *b)
{
    const buffer *x = *(buffer *const *)a, *y = *(buffer *const *)b;

    return (x->offset > y->offset) - (x->offset < y->offset);
}

static bool lives_meet(life a, life b)
{
    return a.first <= a.last && b.first <= b.last && a.first <= b.last && b.first <= a.last;
}

static bool meet(const buffer *a, const buffer *b)
{
    return lives_meet(a->life, b->life) || lives_meet(a->life, b->again) || lives_meet(a->again, b->life) ||
           lives_meet(a->again, b->again);
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
            if (buffers[j].bytes && meet(b, &buffers[j]))
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

static void stretch(life *l, int time)
{
    if (time < l->first)
        l->first = time;
    if (time > l->last)
        l->last = time;
}

enum { FAR = 1 << 30 }; /* no life yet */
static const life unborn = {FAR, -1};

/* Buffers while they are planned: data and gradient of each value, what each node saves, one scratch. */
typedef struct lives {
    buffer *all, *data, *gradient, *saved;
    int *same_data, *same_gradient; /* [value]: in whose buffer it lies; itself */
} lives;

/* The life of `b` that a time in backward belongs to. */
static life *late_life(buffer *b)
{
    return b->again.first < FAR ? &b->again : &b->life;
}

static void live_forward(const pyr_graph *g, lives *l)
{
    int end = g->n_nodes + g->n_backward;

    for (int i = 0; i < g->n_values; i++) {
        value *v = &g->values[i];
        size_t bytes = pyr_aligned(pyr_count(v->shape) * pyr_type_size(v->type));
        int from = v->producer < 0 ? 0 : v->producer;

        l->data[i] = (buffer){v->gone ? 0 : bytes, 0, {from, from}, unborn, &v->data};
        l->gradient[i] = (buffer){v->has_gradient ? bytes : 0, 0, unborn, unborn, &v->gradient};
        if (v->keep)
            stretch(&l->data[i].life, end);
        if (v->seed)
            stretch(&l->gradient[i].life, g->n_nodes);
        if (v->want_gradient)
            stretch(&l->gradient[i].life, end);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];

        for (int j = 0; j < n->op.n_inputs; j++)
            if (n->x[j] >= 0)
                stretch(&l->data[n->x[j]].life, i);
        l->saved[i] =
            (buffer){(size_t)g->parts * pyr_aligned(n->op.saved_bytes), 0, {i, i}, unborn, &n->saved};
    }
}

static void live_backward(const pyr_graph *g, lives *l)
{
    for (int s = 0; s < g->n_backward; s++) {
        int i = g->backward[s].node, time = g->n_nodes + s;
        const node *n = &g->nodes[i];
        unsigned reads = impl_of(g, n)->reads;

        if (g->backward[s].recompute) {
            stretch(&l->data[n->y].again, time);
            stretch(&l->saved[i].again, time);
            for (int j = 0; j < n->op.n_inputs; j++)
                if (n->x[j] >= 0)
                    stretch(late_life(&l->data[n->x[j]]), time);
            continue;
        }
        stretch(late_life(&l->saved[i]), time);
        stretch(&l->gradient[n->y].life, time);
        if (reads & PYR_READS_Y)
            stretch(late_life(&l->data[n->y]), time);
        for (int j = 0; j < n->op.n_inputs; j++) {
            if (n->x[j] >= 0 && (reads & (unsigned)PYR_READS_X0 << j))
                stretch(late_life(&l->data[n->x[j]]), time);
            if (n->op.want_dx[j])
                stretch(&l->gradient[n->x[j]].life, time);
        }
    }
}

/* `b` takes over the buffer of `a`, both living once. */
static void share(buffer *a, buffer *b)
{
    stretch(&a->life, b->life.first);
    stretch(&a->life, b->life.last);
    b->bytes = 0;
}

static void share_data(const pyr_graph *g, lives *l)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        unsigned in_place = impl_of(g, n)->in_place;
        buffer *y = &l->data[n->y];

        for (int j = 0; j < n->op.n_inputs && in_place; j++) {
            int x = n->x[j], home = x < 0 ? 0 : l->same_data[x];
            bool ok = x >= 0 && (in_place >> j & 1) && g->values[x].type == g->values[n->y].type &&
                      l->data[home].bytes == y->bytes && l->data[home].life.last == i &&
                      l->data[home].again.first == FAR && y->again.first == FAR;

            for (int other = 0; ok && other < n->op.n_inputs; other++)
                ok = other == j || n->x[other] < 0 || l->same_data[n->x[other]] != home;
            if (!ok)
                continue;
            l->same_data[n->y] = home;
            share(&l->data[home], y);
            break;
        }
    }
}

static int times_read(const node *n, int x)
{
    int times = 0;

    for (int j = 0; j < n->op.n_inputs; j++)
        times += n->x[j] == x;
    return times;
}

/* Not where the operation adds something else to the same gradient: it would add to the dy it still reads. */
static void share_gradients(const pyr_graph *g, lives *l)
{
    for (int s = 0; s < g->n_backward; s++) {
        const node *n = &g->nodes[g->backward[s].node];
        int home = l->same_gradient[n->y];

        for (int j = 0; j < n->op.n_inputs && !g->backward[s].recompute; j++) {
            int x = n->x[j];

            if (x < 0 || !n->op.want_dx[j] || n->op.dx_add[j] || !pyr_op_passes(&n->op, j) ||
                g->values[x].type != g->values[n->y].type || times_read(n, x) > 1)
                continue;
            l->same_gradient[x] = home;
            share(&l->gradient[home], &l->gradient[x]);
            break;
        }
    }
}

/* Sums of a tree over the parts that wait for their neighbours, beside the one in the accumulator. */
static size_t waiting_sums(const pyr_graph *g)
{
    size_t n = 0;

    for (int parts = g->parts; parts > 1; parts /= 2)
        n++;
    return n;
}

static pyr_status plan_arena(pyr_graph *g)
{
    size_t values = (size_t)g->n_values, nodes = (size_t)g->n_nodes, scratch = 0;
    int end = g->n_nodes + g->n_backward, *same = NULL;
    lives l = {0};
    pyr_status status = PYR_OK;

    PYR_TRY_OUT(pyr_new(&l.all, 2 * values + nodes + 2, sizeof *l.all, "plan of a graph"));
    PYR_TRY_OUT(pyr_new(&same, 2 * values + 1, sizeof *same, "plan of a graph"));
    l.data = l.all;
    l.gradient = l.data + values;
    l.saved = l.gradient + values;
    l.same_data = same;
    l.same_gradient = same + values;
    for (int i = 0; i < g->n_values; i++)
        l.same_data[i] = l.same_gradient[i] = i;
    for (size_t i = 0; i < nodes; i++)
        if (g->nodes[i].op.scratch_bytes > scratch)
            scratch = g->nodes[i].op.scratch_bytes;
    live_forward(g, &l);
    live_backward(g, &l);
    share_data(g, &l);
    share_gradients(g, &l);
    l.saved[nodes] = (buffer){pyr_aligned(scratch), 0, {0, end}, unborn, &g->scratch};
    l.saved[nodes + 1] = (buffer){waiting_sums(g) * g->sum_bytes, 0, {g->n_nodes, end}, unborn, &g->sums};
    PYR_TRY_OUT(place(l.all, (int)(2 * values + nodes + 2), &g->arena_bytes));
    for (int i = 0; i < g->n_values; i++) { /* a home is its own home */
        g->values[i].data = g->values[l.same_data[i]].data;
        g->values[i].gradient = g->values[l.same_gradient[i]].gradient;
    }
out:
    pyr_free(l.all);
    pyr_free(same);
    return status;
}

/* ---- the plan ---------------------------------------------------------------------------------- */

/* Of so many parts. */
static pyr_shape shape_of(const pyr_graph *g, int v, int parts)
{
    pyr_shape s = g->values[v].shape;

    s.n = g->planned ? s.n / g->parts * parts : s.n;
    return s;
}

/* Shapes and parameter pointers of an operation, before its backend plans it. */
static void fill_op(const pyr_graph *g, const node *n, pyr_op *op)
{
    *op = n->op;
    for (int j = 0; j < op->n_inputs; j++)
        if (n->x[j] >= 0)
            op->x[j] = (pyr_tensor){g->values[n->x[j]].type, shape_of(g, n->x[j], 1), NULL};
    op->y = (pyr_tensor){g->values[n->y].type, shape_of(g, n->y, 1), NULL};
    op->parts = g->planned ? g->parts : 1;
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

/* Of a value's part, behind its first one. */
static size_t behind_first(const pyr_graph *g, int v, int part)
{
    return pyr_count(shape_of(g, v, part)) * pyr_type_size(g->values[v].type);
}

/* An operation's tensors are `parts` parts in the lane's arena, from number `part` on. */
static void point(const pyr_graph *g, const node *n, int lane, int part, int parts, pyr_op *op)
{
    char *arena = g->arena[lane];

    for (int j = 0; j < op->n_inputs; j++) {
        const int x = n->x[j];

        if (x < 0)
            continue;
        op->x[j].s = shape_of(g, x, parts);
        op->x[j].data = arena + g->values[x].data + behind_first(g, x, part);
        op->dx[j] = op->want_dx[j] ? arena + g->values[x].gradient + behind_first(g, x, part) : NULL;
    }
    op->y.s = shape_of(g, n->y, parts);
    op->y.data = arena + g->values[n->y].data + behind_first(g, n->y, part);
    op->dy = n->backward ? arena + g->values[n->y].gradient + behind_first(g, n->y, part) : NULL;
    op->saved = arena + n->saved + (size_t)part * pyr_aligned(n->op.saved_bytes);
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

static size_t parameter_work(const node *n)
{
    return n->op.packed_bytes + n->op.grad_bytes;
}

/* The longest tasks first, so that no lane is left with one at the end. */
static pyr_status order_by_size(pyr_graph *g)
{
    PYR_TRY(pyr_new(&g->by_size, (size_t)g->n_nodes + 1, sizeof *g->by_size, "plan of a graph"));
    for (int i = 0; i < g->n_nodes; i++) {
        int at = g->n_by_size;

        if (!g->nodes[i].op.n_params)
            continue;
        for (; at > 0 && parameter_work(&g->nodes[g->by_size[at - 1]]) < parameter_work(&g->nodes[i]); at--)
            g->by_size[at] = g->by_size[at - 1];
        g->by_size[at] = i;
        g->n_by_size++;
    }
    return PYR_OK;
}

/* Memory of a lane: its arena, and the accumulators that it will use first. */
static pyr_status allocate_lane(void *arg, int task, int lane)
{
    pyr_graph *g = arg;

    (void)lane;
    if (task < g->lanes)
        PYR_TRY(pyr_alloc(g->k, (void **)&g->arena[task], g->arena_bytes, "activations"));
    for (int i = task; i < g->groups; i += g->k->lanes)
        PYR_TRY(pyr_alloc(g->k, (void **)&g->accumulator[i], g->grad_bytes, "gradients"));
    return PYR_OK;
}

/* Whether the plan fits into what a device has left; if not, how many images would. */
static pyr_status check_memory(const pyr_graph *g)
{
    size_t wanted = pyr_graph_bytes(g).total, available = pyr_available(g->k);
    size_t arenas = (size_t)g->lanes * g->arena_bytes, fixed = wanted - arenas;

    if (wanted <= available)
        return PYR_OK;
    return pyr_fail(PYR_E_NOMEM,
                    "%d images at a time take %.1f MiB of device memory, %.1f MiB are free: about %zu fit "
                    "(--batch-gpu, or sample --batch; level.recompute = true takes less)",
                    g->batch, (double)wanted / 1048576, (double)available / 1048576,
                    available > fixed ? (available - fixed) / (arenas / (size_t)g->batch + 1) : 0);
}

pyr_status pyr_graph_plan(pyr_graph *g, const pyr_plan *plan)
{
    size_t n;

    if (g->failure) {
        pyr_error_set(g->sentence);
        return g->failure;
    }
    assert(!g->planned && plan->batch > 0);
    g->planned = true;
    g->batch = plan->batch;
    g->parts = plan->parts ? plan->parts : 1;
    assert(g->batch % g->parts == 0 && (!plan->param_gradient || (g->parts & (g->parts - 1)) == 0));
    g->lanes = plan->lanes ? plan->lanes : g->k->lanes;
    for (int i = 0; i < g->n_values; i++)
        g->values[i].shape.n = g->batch;
    PYR_TRY(pyr_graph_fuse(g));
    n = (size_t)g->n_nodes;
    PYR_TRY(plan_gradients(g, plan->param_gradient));
    if (plan->recompute)
        PYR_TRY(plan_recomputation(g));
    PYR_TRY(plan_backward(g));
    if (plan->param_gradient)
        g->groups = plan->groups ? plan->groups : 4;
    g->serial_collect = shares_parameters(g);

    PYR_TRY(pyr_new(&g->ops, (size_t)g->lanes, sizeof *g->ops, "lanes"));
    PYR_TRY(pyr_new(&g->arena, (size_t)g->lanes, sizeof *g->arena, "lanes"));
    PYR_TRY(pyr_new(&g->used, (size_t)g->lanes, sizeof *g->used, "lanes"));
    for (int lane = 0; lane < g->lanes; lane++) {
        PYR_TRY(pyr_new(&g->ops[lane], n, sizeof **g->ops, "operations of a lane"));
        for (size_t i = 0; i < n; i++)
            PYR_TRY(plan_op(g, &g->nodes[i], &g->ops[lane][i]));
    }
    pyr_tuning_keep(g->k->tuning);
    for (size_t i = 0; i < n; i++) {
        const pyr_op *op = &g->ops[0][i];

        g->nodes[i].op.scratch_bytes = op->scratch_bytes;
        g->nodes[i].op.saved_bytes = op->saved_bytes;
        g->nodes[i].op.packed_bytes = op->packed_bytes;
        g->nodes[i].op.grad_bytes = op->want_grad ? op->grad_bytes : 0;
        g->nodes[i].packed = g->packed_bytes;
        g->packed_bytes += pyr_aligned(op->packed_bytes);
        g->nodes[i].grad = g->grad_bytes;
        g->grad_bytes += op->want_grad ? pyr_aligned(op->grad_bytes) : 0;
        if (op->want_grad && pyr_aligned(op->grad_bytes) > g->sum_bytes)
            g->sum_bytes = pyr_aligned(op->grad_bytes);
    }
    PYR_TRY(plan_arena(g));
    PYR_TRY(check_memory(g));
    PYR_TRY(pyr_alloc(g->k, (void **)&g->packed, g->packed_bytes, "packed weights"));
    if (g->groups) {
        PYR_TRY(pyr_new(&g->accumulator, (size_t)g->groups, sizeof *g->accumulator, "accumulators"));
        PYR_TRY(pyr_new(&g->filled, (size_t)g->groups, sizeof *g->filled, "accumulators"));
    }
    PYR_TRY(order_by_size(g));
    PYR_TRY(pyr_run_lanes(g->k, allocate_lane, g));
    for (int lane = 0; lane < g->lanes; lane++) {
        for (size_t i = 0; i < n; i++)
            point(g, &g->nodes[i], lane, 0, 1, &g->ops[lane][i]);
        g->used[lane] = g->parts;
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
            pyr_release(g->k, g->arena[lane]);
        if (g->profile)
            pyr_free(g->profile[lane]);
    }
    for (int i = 0; g->accumulator && i < g->groups; i++)
        pyr_release(g->k, g->accumulator[i]);
    pyr_release(g->k, g->packed);
    pyr_free(g->ops);
    pyr_free(g->arena);
    pyr_free(g->used);
    pyr_free(g->by_size);
    pyr_free(g->accumulator);
    pyr_free(g->filled);
    pyr_free(g->backward);
    pyr_free(g->profile);
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
    return flop / (g->planned ? g->batch / g->parts : 1);
}

int pyr_graph_batch(const pyr_graph *g)
{
    return g->batch;
}

int pyr_graph_parts(const pyr_graph *g)
{
    return g->parts;
}

int pyr_graph_lanes(const pyr_graph *g)
{
    return g->lanes;
}

int pyr_graph_operations(const pyr_graph *g)
{
    return g->n_nodes;
}

const pyr_op *pyr_graph_operation(const pyr_graph *g, int lane, int index)
{
    point(g, &g->nodes[index], lane, 0, 1, &g->ops[lane][index]);
    return &g->ops[lane][index];
}

/* ---- times of the operations ------------------------------------------------------------------- */

pyr_status pyr_graph_profile(pyr_graph *g)
{
    g->k->timed = true;
    PYR_TRY(pyr_new(&g->profile, (size_t)g->lanes, sizeof *g->profile, "times of a graph"));
    for (int lane = 0; lane < g->lanes; lane++)
        PYR_TRY(pyr_new(&g->profile[lane], (size_t)g->n_nodes, sizeof **g->profile, "times of a graph"));
    return PYR_OK;
}

pyr_op_times pyr_graph_operation_times(const pyr_graph *g, int index)
{
    pyr_op_times sum = {0};

    for (int lane = 0; g->profile && lane < g->lanes; lane++) {
        const pyr_op_times *t = &g->profile[lane][index];

        sum.forward += t->forward;
        sum.backward += t->backward;
        sum.forwards += t->forwards;
        sum.backwards += t->backwards;
    }
    return sum;
}

/* ---- running ----------------------------------------------------------------------------------- */

/* Where parameter `index` lies in a block. */
static size_t param_at(const pyr_graph *g, int index)
{
    return g->params->at[index].offset * pyr_type_size(g->k->real);
}

static pyr_status pack_task(void *arg, int task, int lane)
{
    pyr_graph *g = arg;
    int index = g->by_size[task];
    pyr_op *op = &g->ops[0][index];
    const pyr_op_impl *impl = impl_of(g, &g->nodes[index]);

    (void)lane;
    return impl->pack ? impl->pack(g->k, op) : PYR_OK;
}

pyr_status pyr_graph_pack(pyr_graph *g, const void *block)
{
    g->block = block;
    for (int lane = 0; lane < g->lanes; lane++)
        for (int i = 0; i < g->n_nodes; i++)
            for (int j = 0; j < g->nodes[i].op.n_params; j++)
                g->ops[lane][i].param[j] = (const char *)block + param_at(g, g->nodes[i].param[j]);
    return pyr_run_tasks(g->k, g->n_by_size, pack_task, g);
}

void *pyr_graph_data(pyr_graph *g, int lane, pyr_value v)
{
    return g->arena[lane] + g->values[v].data;
}

void *pyr_graph_gradient(pyr_graph *g, int lane, pyr_value v)
{
    return g->arena[lane] + g->values[v].gradient;
}

/* One operation on the parts that it points at, timed if that is wanted; `parts` are finished by it. */
static pyr_status run_op(pyr_graph *g, int lane, int index, bool backward, int parts)
{
    const pyr_op_impl *impl = impl_of(g, &g->nodes[index]);
    pyr_op *op = &g->ops[lane][index];
    double start = g->profile ? pyr_now() : 0;
    pyr_status status = backward ? impl->backward(g->k, op) : impl->forward(g->k, op);

    if (status != PYR_OK)
        return pyr_fail_prefix(status, "%s%s of %dx%dx%dx%d to %dx%dx%dx%d (operation %d of the network)",
                               pyr_op_name(op->kind), backward ? " backward" : "", op->x[0].s.n, op->x[0].s.h,
                               op->x[0].s.w, op->x[0].s.c, op->y.s.n, op->y.s.h, op->y.s.w, op->y.s.c, index);
    if (g->profile) {
        pyr_op_times *t = &g->profile[lane][index];

        if (!g->k->backend->host_memory)
            PYR_TRY(pyr_sync(g->k));
        *(backward ? &t->backward : &t->forward) += pyr_now() - start;
        *(backward ? &t->backwards : &t->forwards) += parts;
    }
    return PYR_OK;
}

void pyr_graph_use(pyr_graph *g, int lane, int n)
{
    int each = g->batch / g->parts;

    assert(n >= 1 && n <= g->batch);
    g->used[lane] = (n + each - 1) / each;
}

static pyr_status run_forward(pyr_graph *g, int lane, int index)
{
    pyr_op *op = &g->ops[lane][index];
    const int used = g->used[lane], step = op->together & PYR_TOGETHER_FORWARD ? used : 1;

    for (int part = 0; part < used; part += step) {
        if (g->parts > 1)
            point(g, &g->nodes[index], lane, part, step, op);
        PYR_TRY(run_op(g, lane, index, false, step));
    }
    return PYR_OK;
}

pyr_status pyr_graph_forward(pyr_graph *g, int lane)
{
    assert(g->block);
    for (int i = 0; i < g->n_nodes; i++)
        PYR_TRY(run_forward(g, lane, i));
    return PYR_OK;
}

/* dst += src, floats or doubles of the backend. */
static void add_block(const pyr_graph *g, void *dst, const void *src, size_t bytes)
{
    pyr_combine(g->k, dst, 2, (const double[]){1, 1}, (const void *[]){dst, src},
                bytes / pyr_type_size(g->k->real));
}

/* Of a node: the sum of its parts so far that stands at a depth of the tree; the one at 0 is the accumulator's. */
static char *sum_at(const pyr_graph *g, const node *n, int lane, int group, int depth)
{
    return depth == 0 ? g->accumulator[group] + n->grad
                      : g->arena[lane] + g->sums + (size_t)(depth - 1) * g->sum_bytes;
}

static void point_gradient(pyr_graph *g, pyr_op *op, const node *n, char *to, bool add)
{
    op->grad = to;
    op->grad_add = add;
    if (!op->grad_add && !impl_of(g, n)->overwrites) {
        pyr_zero(g->k, op->grad, op->grad_bytes);
        op->grad_add = true;
    }
}

/* Part by part: sums of equal numbers of parts are added as soon as both are there, what is left over at the end. */
static pyr_status run_backward_parts(pyr_graph *g, int lane, int index, int group)
{
    const node *n = &g->nodes[index];
    pyr_op *op = &g->ops[lane][index];
    int depth = 0;

    for (int part = 0; part < g->used[lane]; part++) {
        if (g->parts > 1)
            point(g, n, lane, part, 1, op);
        if (op->want_grad)
            point_gradient(g, op, n, sum_at(g, n, lane, group, depth), g->filled[group]);
        PYR_TRY(run_op(g, lane, index, true, op->only == PYR_BACKWARD_PARAMS ? 0 : 1));
        if (!op->want_grad)
            continue;
        for (int full = part; full & 1; full >>= 1, depth--)
            add_block(g, sum_at(g, n, lane, group, depth - 1), sum_at(g, n, lane, group, depth),
                      op->grad_bytes);
        depth++;
    }
    for (depth--; op->want_grad && depth > 0; depth--)
        add_block(g, sum_at(g, n, lane, group, depth - 1), sum_at(g, n, lane, group, depth), op->grad_bytes);
    return PYR_OK;
}

static pyr_status run_backward(pyr_graph *g, int lane, int index, int group)
{
    pyr_op *op = &g->ops[lane][index];
    const int used = g->used[lane];

    op->only = PYR_BACKWARD_ALL;
    if (used == 1 || !(op->together & PYR_TOGETHER_INPUTS))
        return run_backward_parts(g, lane, index, group);
    op->only = PYR_BACKWARD_PARAMS;
    PYR_TRY(run_backward_parts(g, lane, index, group));
    op->only = PYR_BACKWARD_INPUTS;
    point(g, &g->nodes[index], lane, 0, used, op);
    return run_op(g, lane, index, true, used);
}

pyr_status pyr_graph_backward(pyr_graph *g, int lane, int group)
{
    assert(g->parts == 1 || !g->groups || !g->filled[group]);
    for (int s = 0; s < g->n_backward; s++) {
        int i = g->backward[s].node;

        if (g->backward[s].recompute)
            PYR_TRY(run_forward(g, lane, i));
        else
            PYR_TRY(run_backward(g, lane, i, group));
    }
    if (g->groups)
        g->filled[group] = true;
    return PYR_OK;
}

void pyr_graph_clear(pyr_graph *g, int group)
{
    g->filled[group] = false;
}

/* Small enough for a core's cache with some others beside it. */
enum { SLICE = 1 << 16 };

int pyr_graph_slices(const pyr_graph *g)
{
    return (int)((g->grad_bytes + SLICE - 1) / SLICE);
}

void pyr_graph_add(pyr_graph *g, int to, int from, int slice)
{
    size_t at = (size_t)slice * SLICE, left = g->grad_bytes - at;

    add_block(g, g->accumulator[to] + at, g->accumulator[from] + at, left < SLICE ? left : SLICE);
}

static pyr_status collect_node(pyr_graph *g, int index)
{
    enum { MOST_GROUPS = 64 };
    node *n = &g->nodes[index];
    pyr_op *op = &g->ops[0][index];
    void *accumulators[MOST_GROUPS], *dparam[PYR_OP_PARAMS] = {NULL};
    int filled = 0;

    for (int i = 0; i < g->groups; i++)
        if (g->filled[i]) {
            assert(filled < MOST_GROUPS);
            accumulators[filled++] = g->accumulator[i] + n->grad;
        }
    if (!op->want_grad || !filled)
        return PYR_OK;
    for (int i = 0; i < op->n_params; i++)
        dparam[i] = (char *)g->collect_to + param_at(g, n->param[i]);
    return pyr_op_collect(g->k, op, accumulators, filled, dparam);
}

static pyr_status collect_task(void *arg, int task, int lane)
{
    pyr_graph *g = arg;

    (void)lane;
    return collect_node(g, g->by_size[task]);
}

pyr_status pyr_graph_collect(pyr_graph *g, void *grad)
{
    g->collect_to = grad;
    if (!g->serial_collect)
        return pyr_run_tasks(g->k, g->n_by_size, collect_task, g);
    for (int i = 0; i < g->n_nodes; i++)
        PYR_TRY(collect_node(g, i));
    return PYR_OK;
}
