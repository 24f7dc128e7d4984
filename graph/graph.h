/* graph.h - a network as a list of operations: built once, planned once, run many times.
 *
 *     pyr_graph_new(&g, kernels, kernels->precision, &params);
 *     x = pyr_graph_input(g, (pyr_shape){0, 28, 28, 1}, kernels->real);
 *     y = pyr_conv2d(g, x, "conv_in", (pyr_conv){.channels = 64, .kernel = 3});
 *     pyr_graph_keep(g, y);
 *     pyr_graph_plan(g, &(pyr_plan){.batch = 16});         // places every buffer, in one arena per lane
 *     pyr_graph_pack(g, block);                            // after every change of the parameters
 *     memcpy(pyr_graph_data(g, lane, x), ...); pyr_graph_forward(g, lane); ... pyr_graph_data(g, lane, y)
 *
 * Building: every call gives a value, or -1 once something failed; the first
 * failure is kept and reported by pyr_graph_plan, so a builder needs no checks.
 * The batch (n) of every value is the plan's.
 *
 * Gradients: pyr_graph_seed marks a value whose gradient the caller fills
 * before pyr_graph_backward; pyr_graph_want_gradient marks inputs whose
 * gradient is wanted. The gradients of the parameters are summed into one of
 * `groups` accumulators that the caller names, and collected in a fixed order,
 * so that a sum does not depend on which lane ran when.
 *
 * Parts: a lane's batch may be computed in `parts` equal parts, operation by operation, so that the weights of an
 * operation are read once for all of them. Each part's gradient of the parameters is a sum of its own, and these are
 * added as a tree: ((0 + 1) + (2 + 3)) + ... A batch of 4 parts, two batches of 2, and four of 1 whose accumulators are
 * added in the same order (pyr_graph_add, graph/sum_tree.h) have the same bits.
 *
 * Planning joins operations where the backend can do several in one pass
 * (graph/fuse.c); values in between cease to exist, kept ones never do.
 *
 * After the plan nothing is allocated: not by pack, forward, backward or collect. */
#ifndef PYR_GRAPH_GRAPH_H
#define PYR_GRAPH_GRAPH_H

#include "graph/params.h"

typedef struct pyr_graph pyr_graph;
typedef int pyr_value; /* index of a value; -1 after a failure */

/* `precision`: one that the kernels have. `kernels` and `params` are borrowed and must outlive the graph; building
 * adds to `params`. */
pyr_status pyr_graph_new(pyr_graph **out, pyr_kernels *kernels, pyr_precision precision, pyr_params *params);
void pyr_graph_free(pyr_graph *g); /* NULL is a no-op */

/* ---- building ---------------------------------------------------------------------------------- */

pyr_value pyr_graph_input(pyr_graph *g, pyr_shape shape, pyr_type type); /* shape.n is ignored */
pyr_shape pyr_graph_shape(const pyr_graph *g, pyr_value v);              /* n = 1 before the plan */
void pyr_graph_keep(pyr_graph *g, pyr_value v);          /* readable after forward (and backward) */
void pyr_graph_seed(pyr_graph *g, pyr_value v);          /* the caller fills its gradient before backward */
void pyr_graph_want_gradient(pyr_graph *g, pyr_value v); /* an input: its gradient is kept */

typedef struct pyr_conv {
    int channels;      /* of the result */
    int kernel;        /* odd; 1 and 3 are the fast ones */
    int kernel_w;      /* its width; 0: as kernel */
    int dilation;      /* pixels from tap to tap; 0: 1 */
    int stride;        /* 1 (0 means 1) or 2 */
    bool valid;        /* no padding; otherwise so much that stride 1 keeps the size */
    bool right_bottom; /* kernel 3: pad one column on the right and one row at the bottom, instead of all
                          sides */
    bool zero;         /* start from zero weights and biases */
    bool real;         /* the result has the kernels' real type: what leaves the network */
    int w_in, w_first; /* NAME.weight has w_in input channels, x's are those from w_first on; 0: x's are all.
                          For sums that are computed in parts; no gradients */
    bool no_bias;      /* leave NAME.bias to another part */
} pyr_conv;

/* The result is an image inside a network (pyr_image_type) unless conv.real; other operations keep the type of their first input. Parameters are NAME.weight and NAME.bias. Names longer than a parameter's
 * room are a failure. */
pyr_value pyr_conv2d(pyr_graph *g, pyr_value x, const char *name, pyr_conv conv);
pyr_value pyr_linear(pyr_graph *g, pyr_value x, const char *name, int features);

typedef struct pyr_norm {
    int groups;
    double eps;
    pyr_act act;
} pyr_norm;

/* scale_shift: a vector [scale | shift] per image, or -1. */
pyr_value pyr_group_norm(pyr_graph *g, pyr_value x, const char *name, pyr_norm norm, pyr_value scale_shift);
pyr_value pyr_activation(pyr_graph *g, pyr_value x, pyr_act act);
pyr_value pyr_add(pyr_graph *g, pyr_value a, pyr_value b, double scale); /* (a + b) * scale */
pyr_value pyr_add_channel(pyr_graph *g, pyr_value x, pyr_value vector);
pyr_value pyr_scale_shift(pyr_graph *g, pyr_value x, pyr_value vector); /* x (1 + scale) + shift */
pyr_value pyr_concat(pyr_graph *g, pyr_value a, pyr_value b);
pyr_value pyr_upsample(pyr_graph *g, pyr_value x, int h, int w); /* nearest */
pyr_value pyr_mean2(pyr_graph *g, pyr_value x);

typedef struct pyr_pool2d_plan {
    pyr_window window;
    int kernel; /* 0: the whole image is one window */
    int stride; /* 0: as kernel */
    int pad;    /* on all sides; at most half of the kernel */
} pyr_pool2d_plan;

pyr_value pyr_pool2d(pyr_graph *g, pyr_value x, pyr_pool2d_plan pool);
pyr_value pyr_unshuffle(pyr_graph *g, pyr_value x, int patch);             /* edge-padded to a multiple */
pyr_value pyr_shuffle(pyr_graph *g, pyr_value x, int patch, int h, int w); /* cropped to h x w */
pyr_value pyr_attention(pyr_graph *g, pyr_value q, pyr_value k, pyr_value v, int heads);
pyr_value pyr_embed(pyr_graph *g, pyr_value index, const char *name, int rows, int features);
pyr_value pyr_time_positional(pyr_graph *g, pyr_value t, int features, bool flip_sin_to_cos,
                              double freq_shift);
pyr_value pyr_time_fourier(pyr_graph *g, pyr_value t, const char *name, int frequencies);
pyr_value pyr_dropout(pyr_graph *g, pyr_value x, pyr_value stream, double rate, uint32_t purpose);
pyr_value pyr_noise_op(pyr_graph *g, pyr_value stream, pyr_shape shape, uint32_t purpose);
pyr_value pyr_mix(pyr_graph *g, pyr_value a, pyr_value b, pyr_value coefficients);
pyr_value pyr_divide(pyr_graph *g, pyr_value x, pyr_value by);
pyr_value pyr_affine(pyr_graph *g, pyr_value x, double scale, double shift);
pyr_value pyr_squared_error(pyr_graph *g, pyr_value a, pyr_value b, pyr_value weights);
/* logits: a vector of classes per image, real; labels: U32 (n,1,1,1). */
pyr_value pyr_cross_entropy(pyr_graph *g, pyr_value logits, pyr_value labels, pyr_value weights);

/* What is built between begin and end is a segment: with plan.recompute, what only its own operations read is
 * not kept for backward but computed once more (Chen et al. 2016). Segments do not nest. */
void pyr_graph_segment_begin(pyr_graph *g);
void pyr_graph_segment_end(pyr_graph *g);

/* ---- planning ---------------------------------------------------------------------------------- */

typedef struct pyr_plan {
    int batch;           /* images a lane takes at a time */
    int lanes;           /* 0: as many as the kernels have */
    bool param_gradient; /* gradients of the parameters are wanted */
    int groups;          /* accumulators; 0: 4 */
    int parts;           /* divides the batch; with param_gradient a power of two; 0: 1 */
    bool recompute;      /* segments are computed twice and take less memory */
} pyr_plan;

pyr_status pyr_graph_plan(pyr_graph *g, const pyr_plan *plan);

typedef struct pyr_graph_memory {
    size_t arena;        /* activations, gradients, scratch: one lane */
    size_t packed;       /* parameters in the backend's layout */
    size_t accumulators; /* all groups */
    size_t total;        /* for all lanes */
} pyr_graph_memory;

pyr_graph_memory pyr_graph_bytes(const pyr_graph *g);
double pyr_graph_flop(const pyr_graph *g); /* forward, one image: convolutions, products, attention */
int pyr_graph_batch(const pyr_graph *g);
int pyr_graph_parts(const pyr_graph *g);
int pyr_graph_lanes(const pyr_graph *g);

/* The operations as planned (joined ones are one), for tests, reports and benchmarks. */
int pyr_graph_operations(const pyr_graph *g);
const pyr_op *pyr_graph_operation(const pyr_graph *g, int lane,
                                  int index); /* with the first part's tensors; lane idle */

/* Seconds and calls of an operation. */
typedef struct pyr_op_times {
    double forward, backward; /* recomputation counts as forward */
    int64_t forwards, backwards;
} pyr_op_times;

/* From now on forward and backward take the time of each operation. */
pyr_status pyr_graph_profile(pyr_graph *g);
/* The sum over the lanes since then. */
pyr_op_times pyr_graph_operation_times(const pyr_graph *g, int index);

/* ---- running ----------------------------------------------------------------------------------- */

/* Use the parameters of `block` (borrowed until the next pack); whole machine. */
pyr_status pyr_graph_pack(pyr_graph *g, const void *block);

/* Where a value lies: valid for inputs before forward, kept values after it. */
void *pyr_graph_data(pyr_graph *g, int lane, pyr_value v);
/* Where its gradient lies: seeds before backward, wanted inputs after it. */
void *pyr_graph_gradient(pyr_graph *g, int lane, pyr_value v);

/* From now on the lane computes the first n images of its batch, and what fills up the part of the last one. */
void pyr_graph_use(pyr_graph *g, int lane, int n);

pyr_status pyr_graph_forward(pyr_graph *g, int lane);
/* Adds the parameters' gradients to accumulator `group`; the first time after pyr_graph_clear it is
 * written. With several parts it must be empty. */
pyr_status pyr_graph_backward(pyr_graph *g, int lane, int group);

void pyr_graph_clear(pyr_graph *g, int group); /* the accumulator is empty */

/* Slice `slice` (0 <= slice < pyr_graph_slices) of accumulator `to` += that of `from`; when all slices are done, the
 * caller clears `from`. Slices may be added by several lanes at once. */
int pyr_graph_slices(const pyr_graph *g);
void pyr_graph_add(pyr_graph *g, int to, int from, int slice);
/* grad (a block) += all accumulators that are not empty (at most 64), in their order; whole machine. A backend may use the
 * accumulators as scratch: clear them before the next backward, and collect once. */
pyr_status pyr_graph_collect(pyr_graph *g, void *grad);

#endif
