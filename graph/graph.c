/* graph.c - building: each call checks shapes, names parameters, appends an operation. */
#include "graph/graph.h"

#include "base/mem.h"
#include "graph/graph_internal.h"
#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

pyr_status pyr_graph_new(pyr_graph **out, pyr_kernels *kernels, pyr_precision precision, pyr_params *params)
{
    pyr_graph *g;

    *out = NULL;
    PYR_TRY(pyr_new(&g, 1, sizeof *g, "graph"));
    g->k = kernels;
    g->precision = precision;
    g->params = params;
    *out = g;
    return PYR_OK;
}

static pyr_value fail(pyr_graph *g, pyr_status code, const char *fmt, ...)
{
    va_list args;

    if (g->failure == PYR_OK) {
        g->failure = code;
        va_start(args, fmt);
        vsnprintf(g->sentence, sizeof g->sentence, fmt, args);
        va_end(args);
    }
    return -1;
}

static pyr_value new_value(pyr_graph *g, pyr_shape shape, pyr_type type, int producer)
{
    if (pyr_grow(&g->values, &g->value_room, (size_t)g->n_values, sizeof(value), "values of a graph") !=
        PYR_OK)
        return fail(g, PYR_E_NOMEM, "%s", pyr_error());
    shape.n = 1;
    g->values[g->n_values] = (value){.shape = shape, .type = type, .producer = producer};
    return g->n_values++;
}

pyr_value pyr_graph_input(pyr_graph *g, pyr_shape shape, pyr_type type)
{
    if (g->failure)
        return -1;
    return new_value(g, shape, type, -1);
}

pyr_shape pyr_graph_shape(const pyr_graph *g, pyr_value v)
{
    return v < 0 ? (pyr_shape){1, 1, 1, 1} : g->values[v].shape;
}

void pyr_graph_keep(pyr_graph *g, pyr_value v)
{
    if (v >= 0)
        g->values[v].keep = true;
}

void pyr_graph_seed(pyr_graph *g, pyr_value v)
{
    if (v >= 0)
        g->values[v].seed = true;
}

void pyr_graph_want_gradient(pyr_graph *g, pyr_value v)
{
    assert(v < 0 || g->values[v].producer < 0);
    if (v >= 0)
        g->values[v].want_gradient = true;
}

void pyr_graph_segment_begin(pyr_graph *g)
{
    assert(!g->segment);
    g->segment = ++g->segments;
}

void pyr_graph_segment_end(pyr_graph *g)
{
    g->segment = 0;
}

/* Images keep their type; what is made from integers, numbers per image or parameters only is real. */
static pyr_type type_of_result(const pyr_graph *g, pyr_op_kind kind, pyr_value x)
{
    switch (kind) {
    case PYR_OP_EMBED:
    case PYR_OP_NOISE:
    case PYR_OP_TIME_POSITIONAL:
    case PYR_OP_TIME_FOURIER:
    case PYR_OP_SQUARED_ERROR:
    case PYR_OP_CROSS_ENTROPY:
        return g->k->real;
    default:
        return g->values[x].type;
    }
}

/* Append `op`, whose inputs are n values; the result has `shape`. */
static pyr_value append(pyr_graph *g, pyr_op op, int n, const pyr_value *x, pyr_shape shape, const int *param)
{
    node *added;
    pyr_value y;

    if (g->failure)
        return -1;
    if (!g->k->backend->op[op.kind] || !g->k->backend->op[op.kind]->forward)
        return fail(g, PYR_E_UNSUPPORTED, "the backend %s has no %s", g->k->backend->name,
                    pyr_op_name(op.kind));
    if (pyr_grow(&g->nodes, &g->node_room, (size_t)g->n_nodes, sizeof(node), "operations of a graph") !=
        PYR_OK)
        return fail(g, PYR_E_NOMEM, "%s", pyr_error());
    y = new_value(g, shape, type_of_result(g, op.kind, x[0]), g->n_nodes);
    if (y < 0)
        return -1;
    added = &g->nodes[g->n_nodes++];
    *added = (node){.op = op, .y = y, .segment = g->segment};
    added->op.tf32 = g->precision == PYR_PRECISION_TF32;
    added->op.n_inputs = n;
    for (int i = 0; i < n; i++)
        added->x[i] = x[i];
    for (int i = 0; i < op.n_params; i++) {
        added->param[i] = param[i];
        added->op.param_count[i] = g->params->at[param[i]].count;
    }
    return y;
}

/* NAME.what with these sizes; false after a failure. */
static bool add_param(pyr_graph *g, int *index, const char *name, const char *what, pyr_param wanted)
{
    pyr_status status;

    if (g->failure)
        return false;
    if ((size_t)snprintf(wanted.name, sizeof wanted.name, "%s.%s", name, what) >= sizeof wanted.name)
        status = pyr_fail(PYR_E_ARG, "the parameter name %s.%s is too long", name, what);
    else
        status = pyr_params_add(g->params, index, &wanted);
    if (status != PYR_OK)
        fail(g, status, "%s", pyr_error());
    return status == PYR_OK;
}

/* NAME.weight, and NAME.bias with a number for each of its first dimension. */
static bool add_weight_and_bias(pyr_graph *g, int index[2], const char *name, pyr_param weight, pyr_init bias)
{
    return add_param(g, &index[0], name, "weight", weight) &&
           add_param(g, &index[1], name, "bias",
                     (pyr_param){.rank = 1, .dims = {weight.dims[0]}, .init = bias, .scale = weight.scale});
}

static bool valid(const pyr_graph *g, pyr_value v)
{
    return !g->failure && v >= 0;
}

pyr_value pyr_conv2d(pyr_graph *g, pyr_value x, const char *name, pyr_conv conv)
{
    pyr_shape s = pyr_graph_shape(g, x), y = s;
    int stride = conv.stride ? conv.stride : 1, param[2];
    int kernel_w = conv.kernel_w ? conv.kernel_w : conv.kernel;
    int apart = conv.dilation ? conv.dilation : 1, high = apart * (conv.kernel - 1) + 1,
        wide = apart * (kernel_w - 1) + 1; /* what the taps reach over */
    int top = conv.valid || conv.right_bottom ? 0 : high / 2, bottom = conv.valid ? 0 : high / 2;
    int left = conv.valid || conv.right_bottom ? 0 : wide / 2, right = conv.valid ? 0 : wide / 2;
    pyr_value result;
    int w_in = conv.w_in ? conv.w_in : s.c;
    /* PyTorch's default: uniform within 1/sqrt(fan in) for weights and biases. */
    double bound = 1 / sqrt((double)w_in * conv.kernel * kernel_w);
    pyr_init init = conv.zero ? PYR_INIT_ZEROS : PYR_INIT_UNIFORM;

    if (!valid(g, x))
        return -1;
    y.c = conv.channels;
    y.h = (s.h + top + bottom - high) / stride + 1;
    y.w = (s.w + left + right - wide) / stride + 1;
    if (s.h + top + bottom < high || s.w + left + right < wide)
        return fail(g, PYR_E_SHAPE, "%s: an image of %dx%d is too small to be halved again", name, s.h, s.w);
    if (conv.w_first < 0 || conv.w_first + s.c > w_in)
        return fail(g, PYR_E_SHAPE, "%s: channels %d..%d of an image are read, there are %d", name,
                    conv.w_first, conv.w_first + s.c - 1, w_in);
    if (!add_weight_and_bias(g, param, name,
                             (pyr_param){.rank = 4,
                                         .dims = {conv.channels, w_in, conv.kernel, kernel_w},
                                         .init = init,
                                         .scale = bound},
                             init))
        return -1;
    result = append(g,
                    (pyr_op){.kind = PYR_OP_CONV2D,
                             .dilation = conv.dilation,
                             .kernel = conv.kernel,
                             .kernel_w = kernel_w == conv.kernel ? 0 : kernel_w,
                             .stride = stride,
                             .pad_top = top,
                             .pad_left = left,
                             .pad_bottom = bottom,
                             .pad_right = right,
                             .w_in = w_in == s.c ? 0 : w_in,
                             .w_first = conv.w_first,
                             .scale = 1,
                             .n_params = conv.no_bias ? 1 : 2},
                    1, &x, y, param);
    if (result >= 0)
        g->values[result].type = conv.real ? g->k->real : pyr_image_type(g->k, g->precision);
    return result;
}

pyr_value pyr_linear(pyr_graph *g, pyr_value x, const char *name, int features)
{
    pyr_shape y = pyr_graph_shape(g, x);
    double bound = 1 / sqrt((double)y.c);
    int param[2];
    pyr_param weight = {.rank = 2, .dims = {features, y.c}, .init = PYR_INIT_UNIFORM, .scale = bound};

    if (!valid(g, x) || !add_weight_and_bias(g, param, name, weight, PYR_INIT_UNIFORM))
        return -1;
    y.c = features;
    return append(g, (pyr_op){.kind = PYR_OP_LINEAR, .n_params = 2}, 1, &x, y, param);
}

pyr_value pyr_group_norm(pyr_graph *g, pyr_value x, const char *name, pyr_norm norm, pyr_value scale_shift)
{
    pyr_shape s = pyr_graph_shape(g, x);
    pyr_value inputs[2] = {x, scale_shift};
    int param[2];

    if (!valid(g, x))
        return -1;
    if (norm.groups < 1 || s.c % norm.groups != 0)
        return fail(g, PYR_E_CONFIG, "%s: %d channels cannot be split into %d groups", name, s.c,
                    norm.groups);
    if (scale_shift >= 0 && pyr_graph_shape(g, scale_shift).c != 2 * s.c)
        return fail(g, PYR_E_SHAPE, "%s: scale and shift need 2 x %d features, not %d", name, s.c,
                    pyr_graph_shape(g, scale_shift).c);
    if (!add_weight_and_bias(g, param, name, (pyr_param){.rank = 1, .dims = {s.c}, .init = PYR_INIT_ONES},
                             PYR_INIT_ZEROS))
        return -1;
    return append(g,
                  (pyr_op){.kind = PYR_OP_GROUP_NORM,
                           .groups = norm.groups,
                           .eps = (float)norm.eps,
                           .act = norm.act,
                           .n_params = 2},
                  scale_shift >= 0 ? 2 : 1, inputs, s, param);
}

/* Operations without parameters: the shape of the result is `shape`. */
static pyr_value plain(pyr_graph *g, pyr_op op, int n, const pyr_value *x, pyr_shape shape)
{
    for (int i = 0; i < n; i++)
        if (!valid(g, x[i]))
            return -1;
    return append(g, op, n, x, shape, NULL);
}

pyr_value pyr_activation(pyr_graph *g, pyr_value x, pyr_act act)
{
    return plain(g, (pyr_op){.kind = PYR_OP_ACTIVATION, .act = act}, 1, &x, pyr_graph_shape(g, x));
}

static bool same_size(const pyr_graph *g, pyr_value a, pyr_value b, bool channels)
{
    pyr_shape s = pyr_graph_shape(g, a), t = pyr_graph_shape(g, b);

    return s.h == t.h && s.w == t.w && (!channels || s.c == t.c);
}

pyr_value pyr_add(pyr_graph *g, pyr_value a, pyr_value b, double scale)
{
    pyr_value x[] = {a, b};

    if (!valid(g, a) || !valid(g, b))
        return -1;
    if (!same_size(g, a, b, true))
        return fail(g, PYR_E_SHAPE, "values of different shapes cannot be added");
    return plain(g, (pyr_op){.kind = PYR_OP_ADD, .scale = (float)scale}, 2, x, pyr_graph_shape(g, a));
}

pyr_value pyr_add_channel(pyr_graph *g, pyr_value x, pyr_value vector)
{
    pyr_value inputs[] = {x, vector};

    if (valid(g, x) && valid(g, vector) && pyr_graph_shape(g, vector).c != pyr_graph_shape(g, x).c)
        return fail(g, PYR_E_SHAPE, "a vector of %d does not fit %d channels", pyr_graph_shape(g, vector).c,
                    pyr_graph_shape(g, x).c);
    return plain(g, (pyr_op){.kind = PYR_OP_ADD_CHANNEL}, 2, inputs, pyr_graph_shape(g, x));
}

pyr_value pyr_scale_shift(pyr_graph *g, pyr_value x, pyr_value vector)
{
    pyr_value inputs[] = {x, vector};

    assert(x < 0 || vector < 0 || pyr_graph_shape(g, vector).c == 2 * pyr_graph_shape(g, x).c);
    return plain(g, (pyr_op){.kind = PYR_OP_SCALE_SHIFT}, 2, inputs, pyr_graph_shape(g, x));
}

pyr_value pyr_concat(pyr_graph *g, pyr_value a, pyr_value b)
{
    pyr_value x[] = {a, b};
    pyr_shape s = pyr_graph_shape(g, a);

    if (valid(g, a) && valid(g, b) && !same_size(g, a, b, false))
        return fail(g, PYR_E_SHAPE, "values of different sizes cannot be concatenated");
    s.c += pyr_graph_shape(g, b).c;
    return plain(g, (pyr_op){.kind = PYR_OP_CONCAT}, 2, x, s);
}

pyr_value pyr_upsample(pyr_graph *g, pyr_value x, int h, int w)
{
    return plain(g, (pyr_op){.kind = PYR_OP_UPSAMPLE}, 1, &x, (pyr_shape){1, h, w, pyr_graph_shape(g, x).c});
}

pyr_value pyr_mean2(pyr_graph *g, pyr_value x)
{
    pyr_shape s = pyr_graph_shape(g, x);

    if (valid(g, x) && (s.h < 2 || s.w < 2))
        return fail(g, PYR_E_SHAPE, "an image of %dx%d is too small to be halved again", s.h, s.w);
    return plain(g, (pyr_op){.kind = PYR_OP_MEAN2}, 1, &x, (pyr_shape){1, s.h / 2, s.w / 2, s.c});
}

pyr_value pyr_pool2d(pyr_graph *g, pyr_value x, pyr_pool2d_plan pool)
{
    pyr_shape s = pyr_graph_shape(g, x);
    int h = pool.kernel ? pool.kernel : s.h, w = pool.kernel ? pool.kernel : s.w;
    int stride = pool.stride ? pool.stride : pool.kernel ? pool.kernel : 1;

    if (!valid(g, x))
        return -1;
    assert(2 * pool.pad <= h && 2 * pool.pad <= w);
    if (s.h + 2 * pool.pad < h || s.w + 2 * pool.pad < w)
        return fail(g, PYR_E_SHAPE, "an image of %dx%d is too small to be pooled by %dx%d", s.h, s.w, h, w);
    return plain(
        g,
        (pyr_op){.kind = PYR_OP_POOL2D,
                 .window = pool.window,
                 .kernel = h,
                 .kernel_w = w == h ? 0 : w,
                 .stride = stride,
                 .pad_top = pool.pad,
                 .pad_left = pool.pad,
                 .pad_bottom = pool.pad,
                 .pad_right = pool.pad},
        1, &x,
        (pyr_shape){1, (s.h + 2 * pool.pad - h) / stride + 1, (s.w + 2 * pool.pad - w) / stride + 1, s.c});
}

pyr_value pyr_unshuffle(pyr_graph *g, pyr_value x, int patch)
{
    pyr_shape s = pyr_graph_shape(g, x);

    return plain(g, (pyr_op){.kind = PYR_OP_UNSHUFFLE, .patch = patch}, 1, &x,
                 (pyr_shape){1, (s.h + patch - 1) / patch, (s.w + patch - 1) / patch, s.c * patch * patch});
}

pyr_value pyr_shuffle(pyr_graph *g, pyr_value x, int patch, int h, int w)
{
    pyr_shape s = pyr_graph_shape(g, x);

    assert(x < 0 || (s.c % (patch * patch) == 0 && s.h * patch >= h && s.w * patch >= w));
    return plain(g, (pyr_op){.kind = PYR_OP_SHUFFLE, .patch = patch}, 1, &x,
                 (pyr_shape){1, h, w, s.c / (patch * patch)});
}

pyr_value pyr_attention(pyr_graph *g, pyr_value q, pyr_value k, pyr_value v, int heads)
{
    pyr_value x[] = {q, k, v};

    return plain(g, (pyr_op){.kind = PYR_OP_ATTENTION, .heads = heads}, 3, x, pyr_graph_shape(g, v));
}

pyr_value pyr_embed(pyr_graph *g, pyr_value index, const char *name, int rows, int features)
{
    int param;

    if (!valid(g, index) ||
        !add_param(g, &param, name, "weight",
                   (pyr_param){.rank = 2, .dims = {rows, features}, .init = PYR_INIT_NORMAL, .scale = 1}))
        return -1;
    return append(g, (pyr_op){.kind = PYR_OP_EMBED, .n_params = 1, .param_rows = rows}, 1, &index,
                  (pyr_shape){1, 1, 1, features}, &param);
}

pyr_value pyr_time_positional(pyr_graph *g, pyr_value t, int features, bool flip_sin_to_cos,
                              double freq_shift)
{
    return plain(g,
                 (pyr_op){.kind = PYR_OP_TIME_POSITIONAL,
                          .flip_sin_to_cos = flip_sin_to_cos,
                          .freq_shift = (float)freq_shift},
                 1, &t, (pyr_shape){1, 1, 1, features});
}

pyr_value pyr_time_fourier(pyr_graph *g, pyr_value t, const char *name, int frequencies)
{
    int param;

    if (!valid(g, t) ||
        !add_param(
            g, &param, name, "weight",
            (pyr_param){
                .rank = 1, .dims = {frequencies}, .init = PYR_INIT_NORMAL, .scale = 16, .fixed = true}))
        return -1;
    return append(g, (pyr_op){.kind = PYR_OP_TIME_FOURIER, .n_params = 1}, 1, &t,
                  (pyr_shape){1, 1, 1, 2 * frequencies}, &param);
}

pyr_value pyr_dropout(pyr_graph *g, pyr_value x, pyr_value stream, double rate, uint32_t purpose)
{
    pyr_value inputs[] = {x, stream};

    return plain(g, (pyr_op){.kind = PYR_OP_DROPOUT, .rate = (float)rate, .purpose = purpose}, 2, inputs,
                 pyr_graph_shape(g, x));
}

pyr_value pyr_noise_op(pyr_graph *g, pyr_value stream, pyr_shape shape, uint32_t purpose)
{
    return plain(g, (pyr_op){.kind = PYR_OP_NOISE, .purpose = purpose}, 1, &stream, shape);
}

pyr_value pyr_mix(pyr_graph *g, pyr_value a, pyr_value b, pyr_value coefficients)
{
    pyr_value x[] = {a, b, coefficients};

    assert(a < 0 || b < 0 || same_size(g, a, b, true));
    return plain(g, (pyr_op){.kind = PYR_OP_MIX}, 3, x, pyr_graph_shape(g, a));
}

pyr_value pyr_divide(pyr_graph *g, pyr_value x, pyr_value by)
{
    pyr_value inputs[] = {x, by};

    return plain(g, (pyr_op){.kind = PYR_OP_DIVIDE}, 2, inputs, pyr_graph_shape(g, x));
}

pyr_value pyr_affine(pyr_graph *g, pyr_value x, double scale, double shift)
{
    return plain(g, (pyr_op){.kind = PYR_OP_AFFINE, .scale = (float)scale, .shift = (float)shift}, 1, &x,
                 pyr_graph_shape(g, x));
}

pyr_value pyr_squared_error(pyr_graph *g, pyr_value a, pyr_value b, pyr_value weights)
{
    pyr_value x[] = {a, b, weights};

    assert(a < 0 || b < 0 || same_size(g, a, b, true));
    return plain(g, (pyr_op){.kind = PYR_OP_SQUARED_ERROR}, 3, x, (pyr_shape){1, 1, 1, 1});
}

pyr_value pyr_cross_entropy(pyr_graph *g, pyr_value logits, pyr_value labels, pyr_value weights)
{
    pyr_value x[] = {logits, labels, weights};

    assert(logits < 0 || g->values[logits].type == g->k->real);
    return plain(g, (pyr_op){.kind = PYR_OP_CROSS_ENTROPY}, 3, x, (pyr_shape){1, 1, 1, 1});
}
