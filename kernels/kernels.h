/* kernels.h - what a backend computes (pyr_backend), and a backend on a device (pyr_kernels).
 *
 * Everything above this room is written once and runs on every backend. A backend is a constant table of
 * functions and properties: `ref` is plain loops in float or double and is the specification; `cpu` has convolutions
 * of its own, oneDNN and vector loops, and ref's for the rest; `cuda` has cuDNN, cuBLAS and CUDA C. Whatever
 * depends on the machine, and all state (memory, threads, measured choices), is in the pyr_kernels that opening it
 * gives. Two of them share nothing, so that they can be used by two threads at once.
 *
 * Tensors are NHWC and contiguous. A vector per image is a tensor with
 * h = w = 1. Parameters, their gradients, vectors per image, losses and noise
 * have the table's `real` type. Images inside a network are `real` or PYR_BF16, by
 * the graph's precision (mixed precision: products of bf16 summed in float,
 * statistics and everything per image in float). A value's gradient has the
 * value's type. All pointers given to a backend's functions are
 * that backend's memory, unless a comment says host.
 *
 * Two groups:
 *   - graph operations (pyr_op): planned once for fixed shapes, run many times,
 *     with a backward pass. The graph decides where every buffer lies.
 *   - plain functions on flat vectors and batches of images: optimizer, noise,
 *     linear combinations, the pyramid's resampling.
 *
 * Threads: functions may be called from several lanes at once on different
 * data, except where a comment says "whole machine": those spread over the
 * lanes themselves and are called from one thread at a time. */
#ifndef PYR_KERNELS_KERNELS_H
#define PYR_KERNELS_KERNELS_H

#include "base/inline.h"
#include "base/status.h"
#include "base/threads.h"
#include "kernels/tuning.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum pyr_type { PYR_F32, PYR_F64, PYR_BF16, PYR_U32, PYR_TYPES } pyr_type;
size_t pyr_type_size(pyr_type type); /* bytes of one element */

typedef struct pyr_shape {
    int n, h, w, c;
} pyr_shape;

typedef struct pyr_tensor {
    pyr_type type;
    pyr_shape s;
    void *data;
} pyr_tensor;

static inline size_t pyr_count(pyr_shape s)
{
    return (size_t)s.n * (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

/* What a graph computes in. FULL: all in the backend's `real` type. TF32: products of floats round their factors
 * to 11 bits. BF16 (mixed precision): images inside a network are bf16. */
typedef enum pyr_precision { PYR_PRECISION_FULL, PYR_PRECISION_TF32, PYR_PRECISION_BF16 } pyr_precision;

/* ---- graph operations -------------------------------------------------------------------------- */

typedef enum pyr_op_kind {
    PYR_OP_CONV2D,          /* y = (conv([x0 | x3], W) + b + x2[n] + x1) * scale; W: O x I x kh x kw, b: O;
                               the last three are optional: x1 like y, x2 (n,1,1,O), x3 more channels */
    PYR_OP_LINEAR,          /* y = x0 W^T + b on the last dimension; W: O x I, b: O */
    PYR_OP_GROUP_NORM,      /* y = act(gn(x) * gamma + beta), or with x1 (n,1,1,2c) = [scale | shift]:
                               y = act((gn(x) * gamma + beta) * (1 + scale) + shift); x = x0, or [x0 | x3] */
    PYR_OP_ACTIVATION,      /* y = act(x0) */
    PYR_OP_ADD,             /* y = (x0 + x1) * scale */
    PYR_OP_ADD_CHANNEL,     /* y = x0 + x1, x1 (n,1,1,c) */
    PYR_OP_SCALE_SHIFT,     /* y = x0 * (1 + scale) + shift, x1 (n,1,1,2c) = [scale | shift] */
    PYR_OP_CONCAT,          /* y = [x0 | x1] along channels */
    PYR_OP_UPSAMPLE,        /* nearest to y's size: source index floor(dst * in / out) */
    PYR_OP_MEAN2,           /* mean of 2x2 blocks; h, w even, or the odd last row/column is left out */
    PYR_OP_POOL2D,          /* largest or mean of each window of kernel x kernel_w, see pyr_window */
    PYR_OP_UNSHUFFLE,       /* space to depth by `patch`, PyTorch's pixel_unshuffle order
                               (channel c*p*p + dy*p + dx), edge-padded at the bottom and right first */
    PYR_OP_SHUFFLE,         /* its inverse; y's size says how much padding to crop */
    PYR_OP_ATTENTION,       /* x0, x1, x2 = q, k, v (n,h,w,inner): y = softmax(q k^T / sqrt(d)) v per head */
    PYR_OP_EMBED,           /* y (n,1,1,d) = row x0[n] (U32) of table W: rows x d. A row that is not there:
                               PYR_E_ARG, or on a device NaN */
    PYR_OP_TIME_POSITIONAL, /* y (n,1,1,d) sinusoids of x0 (n,1,1,1) */
    PYR_OP_TIME_FOURIER,    /* y (n,1,1,2d) = [sin | cos](2 pi log(x0) W), W: d, not trained */
    PYR_OP_DROPOUT,         /* y = x0 * mask / (1 - rate), mask from the stream x1 (U32, see below) */
    PYR_OP_NOISE,           /* y = standard normals from the stream x0 (U32) */
    PYR_OP_MIX,             /* y = a[n] x0 + b[n] x1, coefficients x2 (n,1,1,2) = [a | b] */
    PYR_OP_DIVIDE,          /* y = x0 / x1[n], x1 (n,1,1,1) */
    PYR_OP_AFFINE,          /* y = scale * x0 + shift, constants */
    PYR_OP_SQUARED_ERROR,   /* y (n,1,1,1) = x2[n] * mean over h,w,c of (x0 - x1)^2, weights x2 (n,1,1,1) */
    PYR_OP_CROSS_ENTROPY,   /* y (n,1,1,1) = x2[n] * -log softmax(x0[n])[x1[n]]; logits x0 (n,1,1,classes),
                               labels x1 (n,1,1,1; U32), weights x2 (n,1,1,1). Label too large: PYR_E_ARG,
                               or on a device a loss and a gradient of NaN */
    PYR_OP_KINDS
} pyr_op_kind;

const char *pyr_op_name(pyr_op_kind kind);

typedef enum pyr_act {
    PYR_ACT_NONE,
    PYR_ACT_SILU,
    PYR_ACT_MISH,
    PYR_ACT_GELU,
    PYR_ACT_RELU,
    PYR_ACT_ELU
} pyr_act;

/* What POOL2D takes of a window. Every window reaches into the image. */
typedef enum pyr_window {
    PYR_WINDOW_MAX,        /* padding is never it; the gradient goes to the first of equals, by rows */
    PYR_WINDOW_MEAN,       /* of what lies in the image */
    PYR_WINDOW_MEAN_PADDED /* padding counts as zeros: the sum over kernel * kernel_w */
} pyr_window;

/* A random stream of an image: U32 tensor (n,1,1,4) = {key low, key high, index, step};
 * see base/philox.h. An operation adds its purpose. */
enum { PYR_STREAM_WORDS = 4 };

enum { PYR_OP_INPUTS = 4, PYR_OP_PARAMS = 2 };

/* The optional inputs of CONV2D and GROUP_NORM. */
enum { PYR_X_RESIDUAL = 1, PYR_X_SCALE_SHIFT = 1, PYR_X_VECTOR = 2, PYR_X_MORE = 3 };

/* Calls that take several parts of a batch at once: x, y and their gradients are as many images then, and each has the
 * bits that it has when its part is given alone. */
enum {
    PYR_TOGETHER_FORWARD = 1,
    PYR_TOGETHER_INPUTS =
        2 /* backward with PYR_BACKWARD_INPUTS, after one with PYR_BACKWARD_PARAMS for each part */
};
typedef enum pyr_backward { PYR_BACKWARD_ALL, PYR_BACKWARD_PARAMS, PYR_BACKWARD_INPUTS } pyr_backward;

typedef struct pyr_kernels pyr_kernels;

/* One operation with its tensors. The graph fills shapes and attributes, calls
 * plan, places the buffers that plan asked for, fills the pointers, and runs it. */
typedef struct pyr_op {
    pyr_op_kind kind;
    /* attributes; unused ones are zero */
    int dilation;                 /* CONV2D: pixels from tap to tap; 0: 1 */
    int kernel, kernel_w, stride; /* CONV2D, POOL2D; kernel_w 0: as kernel. Fast are 1 and 3, stride 1 or 2 */
    int pad_top, pad_left, pad_bottom, pad_right; /* CONV2D, POOL2D */
    pyr_window window;                            /* POOL2D */
    int up_h, up_w;       /* CONV2D: x0 is first enlarged to this size (nearest); 0: no */
    int groups;           /* GROUP_NORM */
    float eps;            /* GROUP_NORM */
    pyr_act act;          /* GROUP_NORM, ACTIVATION */
    int heads;            /* ATTENTION; head dimension = inner / heads */
    int patch;            /* UNSHUFFLE, SHUFFLE */
    bool flip_sin_to_cos; /* TIME_POSITIONAL: cosines first */
    float freq_shift;     /* TIME_POSITIONAL */
    int w_in, w_first;    /* CONV2D: W has w_in input channels, those from w_first on are used; 0: all are.
                             Without gradients of parameters only */
    float scale, shift;   /* ADD, AFFINE; CONV2D: scale */
    bool tf32;            /* CONV2D, LINEAR: factors of products of floats may be rounded to 11 bits */
    float rate;           /* DROPOUT */
    uint32_t purpose;     /* NOISE, DROPOUT: pyr_rng_purpose(...) */

    int n_inputs, n_params;            /* an input that is left out has no channels: see pyr_op_has */
    pyr_tensor x[PYR_OP_INPUTS], y;    /* types: set before plan, like the shapes */
    size_t param_count[PYR_OP_PARAMS]; /* elements of each parameter, 0: absent (no bias) */
    int param_rows;                    /* EMBED: rows of the table */

    /* What is wanted: set before plan. */
    bool backward;               /* backward will be called */
    bool want_dx[PYR_OP_INPUTS]; /* gradient of that input */
    bool dx_add[PYR_OP_INPUTS];  /* true: dx += …; false: dx = … */
    bool want_grad;              /* gradient of the parameters */
    int parts;                   /* the most parts of x[].s.n images that may be given at once; 0: one */

    /* What plan asks for, in bytes. release is called after a failed plan too. */
    size_t packed_bytes;  /* parameters in a layout of the backend's own; filled by pack, shared by lanes */
    size_t saved_bytes;   /* kept from forward to backward */
    size_t scratch_bytes; /* during one call */
    size_t grad_bytes;    /* accumulators of the parameters' gradients; plan's default below */
    unsigned together;    /* PYR_TOGETHER_…: what takes `parts` parts at once, where plan says so */

    /* Where things are: set after plan. */
    const void *param[PYR_OP_PARAMS]; /* canonical layout, inside the parameter block */
    void *packed, *saved, *scratch;
    void *grad;        /* the accumulator, written by backward: */
    bool grad_add;     /* true: grad += …; false: grad = …, whatever it held */
    pyr_backward only; /* what backward has to do */
    const void *dy;
    void *dx[PYR_OP_INPUTS]; /* NULL: not wanted. May be dy itself where the gradient passes unchanged
                                (pyr_op_passes): then there is nothing to do */

    void *state; /* the backend's, from plan to release */
} pyr_op;

static inline bool pyr_op_has(const pyr_op *op, int input)
{
    return input < op->n_inputs && op->x[input].s.c > 0;
}

PYR_INLINE int pyr_op_kernel_w(const pyr_op *op)
{
    return op->kernel_w ? op->kernel_w : op->kernel;
}

PYR_INLINE int pyr_op_dilation(const pyr_op *op)
{
    return op->dilation ? op->dilation : 1;
}

/* The gradient of this input is dy, element by element. */
bool pyr_op_passes(const pyr_op *op, int input);

/* What backward reads besides dy and its saved bytes; the graph keeps exactly that. */
enum { PYR_READS_X0 = 1, PYR_READS_X1 = 2, PYR_READS_X2 = 4, PYR_READS_X3 = 8, PYR_READS_Y = 16 };

/* What a row can take into itself, so that it needs no pass of its own: see the optional inputs. The graph
 * joins operations accordingly (graph/fuse.c). */
enum {
    PYR_FUSES_RESIDUAL = 1, /* CONV2D: a later ADD */
    PYR_FUSES_VECTOR = 2,   /* CONV2D: a later ADD_CHANNEL */
    PYR_FUSES_CONCAT = 4,   /* CONV2D, GROUP_NORM: an earlier CONCAT */
    PYR_FUSES_UPSAMPLE = 8  /* CONV2D: an earlier UPSAMPLE */
};

/* One row of the table. A convolution with fused parts reads x1, x2 only forward. NULL slots: plan (nothing
 * to prepare; grad_bytes is the parameters' own size), release, pack, collect (grad is in canonical order,
 * the parameters one after the other). backward NULL: the operation has no gradient. */
typedef struct pyr_op_impl {
    unsigned reads;    /* PYR_READS_… */
    unsigned fuses;    /* PYR_FUSES_… */
    unsigned in_place; /* bit j: y may lie where input j does, when that has y's type and shape */
    bool overwrites;   /* backward obeys grad_add; otherwise the graph zeroes the accumulator first */
    pyr_status (*plan)(pyr_kernels *k, pyr_op *op);
    void (*release)(pyr_kernels *k, pyr_op *op);
    pyr_status (*forward)(pyr_kernels *k, pyr_op *op);
    pyr_status (*backward)(pyr_kernels *k, pyr_op *op);
    /* param -> packed, after every change of the parameters */
    pyr_status (*pack)(pyr_kernels *k, pyr_op *op);
    /* dparam[i] += the sum over `n` accumulators of this operation, in order 0..n-1;
     * dparam is canonical layout. The accumulators may be used up. */
    pyr_status (*collect)(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                          void *const dparam[PYR_OP_PARAMS]);
} pyr_op_impl;

/* The slots with their defaults: callers use these instead of the slots themselves. pyr_op_plan sets all
 * four byte counts. A dparam of NULL leaves that parameter out. */
pyr_status pyr_op_plan(pyr_kernels *k, pyr_op *op);
pyr_status pyr_op_collect(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                          void *const dparam[PYR_OP_PARAMS]);
/* What a NULL slot of collect does: the plain sum (host memory). */
pyr_status pyr_op_collect_default(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                                  void *const dparam[PYR_OP_PARAMS]);

/* ---- the optimizer's state of a step, in backend memory ---------------------------------------- */

typedef struct pyr_step_state {
    uint32_t step;    /* updates done before this one; AdamW's t is applied + 1 */
    uint32_t applied; /* updates that were not skipped */
    float learning_rate;
    float ema_window; /* part of the updates so far: ema += (value - ema) / max(1, ema_window * (applied +
    1)) */
    float clip;       /* largest gradient norm; 0: no clipping */
    uint32_t skip;    /* set by `norm` when the norm or the loss is not finite */
    float grad_norm;  /* set by `norm` */
    float
        clip_norm; /* what clipping goes by: set by `norm` to grad_norm, by `join_norms` to that of several */
    float loss;    /* set by `mean`; read by `norm` */
} pyr_step_state;

typedef struct pyr_adamw {
    double beta1, beta2, eps, weight_decay;
} pyr_adamw;

/* ---- the pyramid's resampling ------------------------------------------------------------------ */

/* A linear operator on one axis: out[o] = sum over j < width of tap[o*width + j] * in[start[o] + j].
 * Borders are already folded in, so start[o] >= 0 and start[o] + width <= n_in. */
typedef struct pyr_axis {
    int n_in, n_out, width;
    const int *start; /* n_out; backend memory */
    const void *tap;  /* n_out * width of `real`; backend memory */
} pyr_axis;

/* ---- the table of a backend -------------------------------------------------------------------- */

enum { PYR_MARKS = 32, PYR_MOST_JOINED = 16 };

/* Memory and the order of work. Constant. Callers use the short forms below (pyr_alloc, ...). */
typedef struct pyr_memory {
    pyr_status (*alloc)(pyr_kernels *k, void **out, size_t bytes, const char *what);
    void (*release)(pyr_kernels *k, void *block);
    size_t (*available)(pyr_kernels *k); /* NULL: not known */
    void (*copy)(pyr_kernels *k, void *dst, const void *src, size_t bytes);
    void (*zero)(pyr_kernels *k, void *dst, size_t bytes);
    pyr_status (*sync)(pyr_kernels *k);
    void (*upload)(pyr_kernels *k, void *dst, const void *host, size_t bytes);
    void (*download)(pyr_kernels *k, void *host, const void *src, size_t bytes);
    pyr_status (*alloc_host)(pyr_kernels *k, void **out, size_t bytes, const char *what);
    void (*release_host)(pyr_kernels *k, void *block);
    pyr_status (*mark)(pyr_kernels *k, int slot);
    pyr_status (*wait)(pyr_kernels *k, int slot);
    pyr_status (*run_tasks)(pyr_kernels *k, int tasks, pyr_task run, void *arg);
    /* Recording: what is called between begin and end may be kept as one unit and replayed (a CUDA graph) with
     * the same pointers and host numbers; between begin and end nothing is allocated, uploaded, downloaded or
     * waited for. Recordings belong to the kernels until they are forgotten, after their last replay, or the
     * kernels are closed. The CPU runs the calls as they come; its record_end gives NULL and replay is never
     * called. Use pyr_recorded() and pyr_forget(). */
    pyr_status (*record_begin)(pyr_kernels *k);
    pyr_status (*record_end)(pyr_kernels *k, void **recording);
    pyr_status (*replay)(pyr_kernels *k, void *recording);
    void (*forget)(pyr_kernels *k, void *recording);
} pyr_memory;

/* What a backend is, wherever it runs. One constant per backend: ref (float and double), cpu, cuda. */
typedef struct pyr_backend {
    const char *name; /* "ref", "ref-double", "cpu", "cuda" */
    pyr_type real;    /* PYR_F32; PYR_F64 for the double reference */
    bool host_memory; /* its memory is the host's: no copies are needed to look at it */
    bool whole_batch; /* a step's batch is best taken at once */
    int ahead;        /* steps that may be begun before the first one's results are read; 0: none */
    void (*close)(
        pyr_kernels *k); /* frees k->ctx (or NULL), before the pool is freed; NULL: nothing to free */
    /* `rounds` rounds of products in registers by the thread that calls: the FLOP done, and in *sum what they come to.
     * NULL: what the device reaches at most is not known so (kernels/peak.h). */
    double (*register_products)(float *sum, pyr_precision precision, size_t rounds);
    const pyr_memory *memory;
    const pyr_op_impl *op[PYR_OP_KINDS];

    /* flat vectors; counts are in elements of `real` */

    /* *out = (add ? *out : 0) + weight * the mean of `count` values; summed in double, in order. */
    pyr_status (*mean)(pyr_kernels *k, float *out, const void *values, size_t count, double weight, bool add);
    /* state->grad_norm = state->clip_norm = |grad|; state->skip = 1 unless it and state->loss are finite.
     * Whole machine. */
    pyr_status (*norm)(pyr_kernels *k, const void *grad, size_t count, pyr_step_state *state);
    /* The n states' clip_norm = the root of the sum of their squared grad_norm; when one is to be skipped,
     * all are. states: host array of pointers to backend memory, n <= PYR_MOST_JOINED. */
    pyr_status (*join_norms)(pyr_kernels *k, pyr_step_state *const *states, int n);
    /* One AdamW update (Loshchilov & Hutter 2019, algorithm 2) with clipping by state->clip_norm, and the
     * EMA, in one pass; does nothing when state->skip. Counts state->step, and ->applied when done.
     * `frozen` parameters have zero gradient and stay as they are when weight_decay is 0. Whole machine. */
    pyr_status (*adamw)(pyr_kernels *k, const pyr_adamw *settings, pyr_step_state *state, void *value,
                        const void *grad, void *m, void *v, void *ema, size_t count);
    void (*combine)(pyr_kernels *k, void *dst, int n, const double *coef, const void *const *src,
                    size_t count);
    /* dst (images x per_image) = standard normals; stream: U32 images x 4, whose third and fourth word are
     * taken `index` and `step` further, so that one block of streams serves all draws of all steps. */
    void (*normals)(pyr_kernels *k, void *dst, int images, size_t per_image, const uint32_t *stream,
                    uint32_t purpose, uint32_t index, uint32_t step);
    void (*clamp)(pyr_kernels *k, void *dst, double lo, double hi, size_t count);
    pyr_status (*dots)(pyr_kernels *k, double *out, const void *a, const void *b, int n, size_t size);

    /* images */

    /* dst (n images of shape s; s.n is not read) = stored samples of `bits` (up to 8: uint8_t, else uint16_t)
     * as numbers (2p - (2^bits - 1)) / 2^bits; image i is mirrored left to right when flip[i] (NULL:
     * none). */
    void (*pixels)(pyr_kernels *k, void *dst, const void *samples, int n, pyr_shape s, int bits,
                   const uint32_t *flip);
    /* dst (images x per_image) += half * (2u - 1), u uniform in (0, 1) from stream (U32 images x 4). */
    void (*dither)(pyr_kernels *k, void *dst, int images, size_t per_image, double half,
                   const uint32_t *stream, uint32_t purpose);
    /* dst (n,rows.n_out,cols.n_out,c) = rows applied along h, cols along w of src (n,rows.n_in,cols.n_in,c).
     * Computed in double between the two passes when `grid` > 0, and then rounded to multiples of `grid`
     * (data analysis, grid 2^-16); unrounded for grid 0. scratch: n*rows.n_out*cols.n_in*c doubles. */
    void (*resample)(pyr_kernels *k, void *dst, const void *src, int n, int c, const pyr_axis *rows,
                     const pyr_axis *cols, double grid, void *scratch);
    /* Orthonormal Haar details of image x (n,h,w,c): dst (n,ceil(h/2),ceil(w/2),3c) = [LH | HL | HH], each
     * band's c channels together; odd sides replicate the edge. */
    void (*haar_split)(pyr_kernels *k, void *dst, const void *x, pyr_shape s);
    /* x (shape s) from coarse (n,ceil(h/2),ceil(w/2),c; 2x2 means) and details. */
    void (*haar_merge)(pyr_kernels *k, void *x, pyr_shape s, const void *coarse, const void *details);
} pyr_backend;

/* dst image = detail bands with h along y: LH = (a + b - c - d)/2 (difference of rows), HL = (a - b + c -
 * d)/2 (difference of columns), HH = (a - b - c + d)/2 for the block [a b; c d]; the mean is (a+b+c+d)/4. */

/* ---- a backend on a device --------------------------------------------------------------------- */

/* Backend, device and threads: what every operation is called with. The functions of `backend` change nothing
 * here but through ctx and tuning. */
struct pyr_kernels {
    const pyr_backend *backend;
    pyr_type real; /* the backend's */
    /* the device; constant from opening on */
    const char *device;       /* words for it; NULL: the host */
    bool has_bf16, fast_bf16; /* it can compute in PYR_PRECISION_BF16; that is faster than `real` */
    bool has_tf32;            /* it can compute in PYR_PRECISION_TF32 */
    int lanes;                /* graphs that may run at once */
    int micro_batch;          /* images that a lane takes efficiently at a time */
    size_t library_bytes;     /* what its libraries take beside the buffers asked for, about */
    const char
        *measurable; /* names what measured choices depend on (processor, library); NULL: there is nothing
                                 to measure */
    /* how it was opened */
    pyr_precision precision; /* of graphs that have no reason for another one; see pyr_kernels_precision */
    bool auto_precision;     /* "auto" was asked for */
    char passed_over[192];   /* why "auto" took no GPU; "": it did, or was not asked for */
    /* state */
    bool timed;         /* operations are timed one by one: nothing is recorded (pyr_recorded) */
    pyr_tuning *tuning; /* choices made by measuring; owned, never NULL */
    pyr_pool *pool;     /* the lanes' threads; owned */
    void *ctx;          /* the backend's own; freed by backend->close */
};

/* Zeroed, 64-byte aligned. `what` is for the sentence of a failure. */
static inline pyr_status pyr_alloc(pyr_kernels *k, void **out, size_t bytes, const char *what)
{
    return k->backend->memory->alloc(k, out, bytes, what);
}

/* NULL is a no-op. */
static inline void pyr_release(pyr_kernels *k, void *block)
{
    k->backend->memory->release(k, block);
}

/* Bytes that alloc could still give; SIZE_MAX: the host's, not known. */
static inline size_t pyr_available(pyr_kernels *k)
{
    return k->backend->memory->available ? k->backend->memory->available(k) : SIZE_MAX;
}

/* From backend memory to backend memory. */
static inline void pyr_copy(pyr_kernels *k, void *dst, const void *src, size_t bytes)
{
    k->backend->memory->copy(k, dst, src, bytes);
}

static inline void pyr_zero(pyr_kernels *k, void *dst, size_t bytes)
{
    k->backend->memory->zero(k, dst, bytes);
}

/* Wait for all work so far; its first failure comes back. */
static inline pyr_status pyr_sync(pyr_kernels *k)
{
    return k->backend->memory->sync(k);
}

/* Between host and backend, in the order of all other work. With any host memory: upload has taken its bytes
 * when it returns, download's are there after sync. With host memory from alloc_host both return at once, and the
 * block belongs to the copy until a `wait` for a `mark` made after it, or sync. */
static inline void pyr_upload(pyr_kernels *k, void *dst, const void *host, size_t bytes)
{
    k->backend->memory->upload(k, dst, host, bytes);
}

static inline void pyr_download(pyr_kernels *k, void *host, const void *src, size_t bytes)
{
    k->backend->memory->download(k, host, src, bytes);
}

static inline pyr_status pyr_alloc_host(pyr_kernels *k, void **out, size_t bytes,
                                        const char *what) /* zeroed */
{
    return k->backend->memory->alloc_host(k, out, bytes, what);
}

static inline void pyr_release_host(pyr_kernels *k, void *block) /* NULL is a no-op */
{
    k->backend->memory->release_host(k, block);
}

/* Set mark `slot` (0 .. PYR_MARKS - 1; it may be set again) behind all that was called so far. */
static inline pyr_status pyr_mark(pyr_kernels *k, int slot)
{
    return k->backend->memory->mark(k, slot);
}

/* Wait until all work before mark `slot` is done; at once where it was never set. */
static inline pyr_status pyr_wait(pyr_kernels *k, int slot)
{
    return k->backend->memory->wait(k, slot);
}

/* Run tasks on the lanes and wait; with one lane they run in order. */
static inline pyr_status pyr_run_tasks(pyr_kernels *k, int tasks, pyr_task run, void *arg)
{
    return k->backend->memory->run_tasks(k, tasks, run, arg);
}

/* Run a task on each lane, by that lane where the memory is the host's: what it allocates and writes is near it. */
static inline pyr_status pyr_run_lanes(pyr_kernels *k, pyr_task run, void *arg)
{
    return k->backend->host_memory ? pyr_pool_run_each(k->pool, run, arg)
                                   : pyr_run_tasks(k, k->lanes, run, arg);
}

/* dst = sum of coef[i] * src[i], i < n <= 4; dst may be one of the sources. coef: host. */
static inline void pyr_combine(pyr_kernels *k, void *dst, int n, const double *coef, const void *const *src,
                               size_t count)
{
    k->backend->combine(k, dst, n, coef, src, count);
}

/* out[i] (host) = the inner product of vector i of a and of b, n vectors of `size`; summed in double, in an order
 * that depends on `size` alone. Waits until it is known. */
static inline pyr_status pyr_dots(pyr_kernels *k, double *out, const void *a, const void *b, int n,
                                  size_t size)
{
    return k->backend->dots(k, out, a, b, n, size);
}

/* Open a backend. `lanes` 0: one per processor. The caller frees it. */
pyr_status pyr_kernels_ref(pyr_kernels **out, pyr_type real, int lanes);
pyr_status pyr_kernels_cpu(pyr_kernels **out, int lanes);
/* GPU number `device`, from 0. PYR_E_UNSUPPORTED with a sentence where there is no GPU, no driver, no cuDNN,
 * or the program was built without CUDA; PYR_E_ARG when there are not as many GPUs. */
pyr_status pyr_kernels_cuda(pyr_kernels **out, int device);
const char *pyr_cpu_library(void); /* "oneDNN 2.6.3", for reports */
bool pyr_kernels_cuda_built(void); /* whether it was built with CUDA */
/* What those do first: everything but the device. `on_start` as in base/threads.h. *out NULL after a failure. */
pyr_status pyr_kernels_new(pyr_kernels **out, const pyr_backend *backend, int lanes, void (*on_start)(void));
void pyr_kernels_free(pyr_kernels *k); /* NULL is a no-op */

/* The words of --backend, a row each: word, function of kernels.c that opens it, help. */
#define PYR_BACKENDS(ROW)                                                                                    \
    ROW("auto", open_auto, "the first GPU, or else the processor")                                           \
    ROW("cpu", open_cpu, "convolutions of its own, oneDNN, vector loops")                                    \
    ROW("cuda", open_cuda, "cuDNN, cuBLAS and CUDA C; cuda:N is GPU number N, from 0")                       \
    ROW("ref", open_ref, "plain loops in float")                                                             \
    ROW("ref-double", open_ref_double, "plain loops in double")
extern const char *const pyr_backend_names[];   /* "auto", "cpu", ...; ends with NULL */
extern const char *const pyr_precision_names[]; /* "auto", "bf16", ...; ends with NULL */
pyr_status pyr_kernels_open(pyr_kernels **out, const char *backend, int lanes);
/* k->precision by the words of --precision, once, when it is opened: "f32" (whatever `real` is), "tf32" (f32
 * but for the factors of convolutions and matrix products), "bf16", "auto" (bf16 where that is faster). */
pyr_status pyr_kernels_precision(pyr_kernels *k, const char *word);
const char *pyr_precision_name(const pyr_kernels *k,
                               pyr_precision precision); /* "bf16", "tf32", "f32", "f64" */
/* The type of images inside a network. */
static inline pyr_type pyr_image_type(const pyr_kernels *k, pyr_precision precision)
{
    return precision == PYR_PRECISION_BF16 ? PYR_BF16 : k->real;
}

/* Number `at` of a host block of the table's `real` becomes `value`. */
static inline void pyr_put_real(const pyr_kernels *k, void *block, size_t at, double value)
{
    if (k->real == PYR_F64)
        ((double *)block)[at] = value;
    else
        ((float *)block)[at] = (float)value;
}

/* streams (U32 n x 4, backend memory) = those of n seeds (host), at index and step 0. */
void pyr_upload_streams(pyr_kernels *k, uint32_t *streams, const uint64_t *seeds, int n);

/* Host doubles to and from numbers of the table's `real`, converted; both wait until it is done. */
pyr_status pyr_upload_reals(pyr_kernels *k, void *dst, const double *host, size_t count);
pyr_status pyr_download_reals(pyr_kernels *k, double *host, const void *src, size_t count);
/* Host floats likewise. */
pyr_status pyr_upload_floats(pyr_kernels *k, void *dst, const float *host, size_t count);
pyr_status pyr_download_floats(pyr_kernels *k, float *host, const void *src, size_t count);

/* Run `enqueue(arg)`, recorded on backends that record: the first call with a
 * *recording of NULL records and runs, later ones replay. */
pyr_status pyr_recorded(pyr_kernels *k, void **recording, pyr_status (*enqueue)(void *arg), void *arg);

/* Give up a recording (NULL: there is none); *recording is NULL then. */
void pyr_forget(pyr_kernels *k, void **recording);

/* The multiply-adds of an operation, forward, times two; 0 for everything but
 * convolutions, matrix products and attention. */
double pyr_op_flop(const pyr_op *op);

#endif
