/* fuse.c - join operations that a backend can do in one pass.
 *
 *     conv2d, then add-channel      -> conv2d with a vector
 *     conv2d, then add              -> conv2d with a residual and a scale
 *     concat, then only conv2d and group-norm -> they read both images
 *     upsample, then conv2d         -> conv2d of an enlarged image
 *
 * What disappears is a value that one operation wrote and one read (of a concat: any number of operations that can
 * read its inputs instead), and that is not to be kept. A joined operation stands where the later one stood, so
 * that all it reads exists by then. Which joins a backend's rows offer is their `fuses`. */
#include "graph/graph_internal.h"

#include "base/mem.h"

typedef struct uses {
    int count, last; /* readers of a value, and one of them (a node) */
} uses;

static unsigned fuses(const pyr_graph *g, const node *n)
{
    return g->k->backend->op[n->op.kind]->fuses;
}

static bool kept(const pyr_graph *g, pyr_value v)
{
    const value *at = &g->values[v];

    return at->keep || at->seed || at->want_gradient;
}

static void count_uses(const pyr_graph *g, uses *u)
{
    for (int i = 0; i < g->n_values; i++)
        u[i] = (uses){0, -1};
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; g->nodes[i].y >= 0 && j < g->nodes[i].op.n_inputs; j++)
            if (g->nodes[i].x[j] >= 0) {
                u[g->nodes[i].x[j]].count++;
                u[g->nodes[i].x[j]].last = i;
            }
}

/* The node that made `v`, if it is a convolution that can take `what`, and v has no other use. */
static node *convolution_behind(const pyr_graph *g, const uses *u, pyr_value v, unsigned what)
{
    node *n;

    if (g->values[v].producer < 0 || u[v].count != 1 || kept(g, v))
        return NULL;
    n = &g->nodes[g->values[v].producer];
    return n->op.kind == PYR_OP_CONV2D && n->y == v && (fuses(g, n) & what) && n->op.scale == 1 ? n : NULL;
}

static void set_input(node *n, int input, pyr_value v)
{
    for (; n->op.n_inputs <= input; n->op.n_inputs++)
        n->x[n->op.n_inputs] = NO_VALUE;
    n->x[input] = v;
}

static bool has_input(const node *n, int input)
{
    return input < n->op.n_inputs && n->x[input] >= 0;
}

/* `later` becomes `earlier`, and `earlier` an empty place. */
static void move_to(node *earlier, node *later)
{
    int y = later->y, segment = later->segment;

    *later = *earlier;
    later->y = y;
    later->segment = segment;
    earlier->y = NO_VALUE;
}

static void join_vector(pyr_graph *g, const uses *u, node *add)
{
    node *conv = convolution_behind(g, u, add->x[0], PYR_FUSES_VECTOR);
    pyr_value vector = add->x[1];

    if (!conv || has_input(conv, PYR_X_VECTOR) || has_input(conv, PYR_X_RESIDUAL))
        return;
    set_input(conv, PYR_X_VECTOR, vector);
    move_to(conv, add);
}

static void join_residual(pyr_graph *g, const uses *u, node *add)
{
    float scale = add->op.scale;

    if (add->x[0] == add->x[1] || g->values[add->x[0]].type != g->values[add->x[1]].type)
        return;
    for (int j = 1; j >= 0; j--) {
        node *conv = convolution_behind(g, u, add->x[j], PYR_FUSES_RESIDUAL);
        pyr_value other = add->x[1 - j];

        if (!conv || has_input(conv, PYR_X_RESIDUAL))
            continue;
        /* one gradient for both: the residual's, an earlier input, would have to be written before */
        if (has_input(conv, PYR_X_MORE) && conv->x[PYR_X_MORE] == other)
            continue;
        set_input(conv, PYR_X_RESIDUAL, other);
        conv->op.scale = scale;
        move_to(conv, add);
        return;
    }
}

static void join_upsample(pyr_graph *g, const uses *u, node *up)
{
    node *conv;

    if (u[up->y].count != 1 || kept(g, up->y))
        return;
    conv = &g->nodes[u[up->y].last];
    if (conv->op.kind != PYR_OP_CONV2D || !(fuses(g, conv) & PYR_FUSES_UPSAMPLE) || conv->x[0] != up->y ||
        has_input(conv, PYR_X_MORE))
        return;
    conv->op.up_h = g->values[up->y].shape.h;
    conv->op.up_w = g->values[up->y].shape.w;
    conv->x[0] = up->x[0];
    up->y = NO_VALUE;
}

static void join_concat(pyr_graph *g, node *concat)
{
    pyr_value y = concat->y, first = concat->x[0], second = concat->x[1];

    if (kept(g, y) || g->values[first].type != g->values[second].type)
        return;
    for (int i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];

        for (int j = 0; n->y >= 0 && j < n->op.n_inputs; j++)
            if (n->x[j] == y && (j || !(fuses(g, n) & PYR_FUSES_CONCAT) || has_input(n, PYR_X_MORE) ||
                                 (n->op.kind == PYR_OP_CONV2D && n->op.up_h)))
                return;
    }
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].y >= 0 && g->nodes[i].x[0] == y && g->nodes[i].op.n_inputs) {
            g->nodes[i].x[0] = first;
            set_input(&g->nodes[i], PYR_X_MORE, second);
        }
    concat->y = NO_VALUE;
}

/* Close the gaps, and set the producers of the values anew. */
static void close_gaps(pyr_graph *g)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].y >= 0)
            g->nodes[n++] = g->nodes[i];
    g->n_nodes = n;
    for (int i = 0; i < g->n_values; i++)
        if (g->values[i].producer >= 0)
            g->values[i].gone = true;
    for (int i = 0; i < n; i++) {
        g->values[g->nodes[i].y].producer = i;
        g->values[g->nodes[i].y].gone = false;
    }
}

pyr_status pyr_graph_fuse(pyr_graph *g)
{
    uses *u;

    PYR_TRY(pyr_new(&u, (size_t)g->n_values + 1, sizeof *u, "plan of a graph"));
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];

        count_uses(g, u);
        switch (n->op.kind) {
        case PYR_OP_ADD_CHANNEL:
            join_vector(g, u, n);
            break;
        case PYR_OP_ADD:
            join_residual(g, u, n);
            break;
        case PYR_OP_UPSAMPLE:
            join_upsample(g, u, n);
            break;
        case PYR_OP_CONCAT:
            join_concat(g, n);
            break;
        default:
            break;
        }
        /* a joined convolution is found at its new place by those that come later */
        if (n->y >= 0)
            g->values[n->y].producer = i;
    }
    close_gaps(g);
    pyr_free(u);
    return PYR_OK;
}
