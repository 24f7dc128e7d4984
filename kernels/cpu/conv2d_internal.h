/* conv2d_internal.h - what conv2d_cpu.c and its ways share: a way is how a pass of a convolution is computed. */
#ifndef PYR_KERNELS_CPU_CONV2D_INTERNAL_H
#define PYR_KERNELS_CPU_CONV2D_INTERNAL_H

#include "base/mem.h"
#include "kernels/onednn/onednn.h"
#include "kernels/simd/conv_f32.h"
#include "kernels/tiles/tile.h"

typedef struct conv_state conv_state;

/* Each pass has its way. Weights of forward and data lie at pyr_conv_packed, a gradient has a layout of its own. */
typedef struct conv_way {
    /* Adds to packed_bytes, sets grad_bytes (weights), and makes scratch_bytes as large as it is needed. */
    pyr_status (*plan)(conv_state *s, pyr_op *op, pyr_conv_pass pass);
    pyr_status (*pack)(const conv_state *s, pyr_op *op, pyr_conv_pass pass, const float *w);
    pyr_status (*forward)(const conv_state *s, pyr_op *op);
    pyr_status (*data)(const conv_state *s, pyr_op *op, void *dx0, void *dx3); /* NULL: not wanted */
    pyr_status (*weights)(const conv_state *s, pyr_op *op);                    /* and of bias and vector */
    pyr_status (*collect)(const conv_state *s, pyr_op *op, void *const *accumulators, int n,
                          void *const dparam[PYR_OP_PARAMS]);
} conv_way;
extern const conv_way pyr_conv_by_onednn, pyr_conv_by_tiles, pyr_conv_by_floats;

struct conv_state {
    pyr_conv_shape shape;
    float scale;
    const conv_way *way[PYR_CONV_PASSES]; /* NULL: the pass is not wanted */
    size_t packed_at[PYR_CONV_PASSES];    /* offset in bytes in the packed block */

    pyr_tile_size tile, turned;                  /* by tiles; turned: of the pass by data */
    const pyr_conv_f32 *floats[PYR_CONV_PASSES]; /* by floats */
    pyr_conv_size size, turned_size;
    pyr_onednn_call *call[PYR_CONV_PASSES], *reorder[PYR_CONV_PASSES];

    /* In scratch behind what the ways need for themselves: x and dy as oneDNN wants them, and f32 sums that a pass behind
     * it makes the result of. Bytes; where they begin. */
    size_t sums_bytes, x_copy, dy_copy, sums;
    bool reads_x, reads_dy;       /* by oneDNN */
    bool copies_x, copies_dy;     /* for it */
    bool direct[PYR_CONV_PASSES]; /* y, dx are written at once, without sums */
};

static inline void *pyr_conv_packed(const conv_state *s, const pyr_op *op, pyr_conv_pass pass)
{
    return (char *)op->packed + s->packed_at[pass];
}

static inline void *pyr_conv_sums(const conv_state *s, const pyr_op *op)
{
    return (char *)op->scratch + s->sums;
}

static inline size_t pyr_larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Input channels of W, of which the convolution may use some. */
static inline size_t pyr_conv_all_inputs(const conv_state *s, const pyr_op *op)
{
    return (size_t)(op->w_in ? op->w_in : s->shape.in);
}

/* What is read, and written, by ways that take neighbours in. */
pyr_conv_source pyr_conv_x(const pyr_op *op);
pyr_conv_source pyr_conv_dy(const pyr_op *op);
pyr_conv_result pyr_conv_y(const conv_state *s, const pyr_op *op);
pyr_conv_result pyr_conv_dx(const conv_state *s, const pyr_op *op, void *dx0, void *dx3);

/* conv_choice.c: products of the tiles, ways of floats (s->floats, NULL: oneDNN), as they are known for the size, or
 * measured now, or by the model. */
pyr_status pyr_choose_tiles(pyr_kernels *k, pyr_tile_size *size);
pyr_status pyr_choose_floats(pyr_kernels *k, conv_state *s, const pyr_op *op, pyr_conv_pass pass);
/* The gradient of weights in bf16: by a kernel of floats (s->floats) or by tiles (NULL). */
pyr_status pyr_choose_gradient(pyr_kernels *k, conv_state *s, const pyr_op *op);

#endif
