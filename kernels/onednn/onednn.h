/* onednn.h - the few oneDNN calls that pyrdiff makes, free of oneDNN's types.
 *
 * oneDNN 2 (Debian 12) and 3 differ in how descriptors are made; the
 * difference stays in onednn.c. Every call object belongs to one lane: it holds
 * memory handles that are pointed at buffers on each run. Primitives are made
 * for one thread, because a lane is one thread. */
#ifndef PYR_KERNELS_ONEDNN_H
#define PYR_KERNELS_ONEDNN_H

#include "kernels/kernels.h"

/* Where address space is limited (ulimit -v, -d): make what oneDNN would make on the first matrix product of
 * a process, its kernels, in pages of their own; when there is no room for them then, it ends the process. To
 * be called before any convolution; more often is fine. PYR_E_NOMEM: the limits leave too little. */
pyr_status pyr_onednn_open(void);

/* oneDNN (its OpenMP runtime) takes one thread in calls from the calling thread. */
void pyr_onednn_single_thread(void);

typedef struct pyr_onednn_call pyr_onednn_call;

/* May convolutions be of bf16 (AVX-512; without bf16 instructions oneDNN computes in f32)? */
bool pyr_onednn_has_bf16(void);

/* A convolution; NHWC data. */
typedef struct pyr_conv_shape {
    int n, in_h, in_w, in, out_h, out_w, out;
    int kernel, kernel_w, dilation, stride, pad_top, pad_left, pad_bottom, pad_right;
    bool bias;
    pyr_type data;   /* of what is multiplied, weights too: PYR_F32 or PYR_BF16 */
    pyr_type result; /* of y, forward, and of dx: PYR_F32 or `data`. The gradient of the weights is f32 */
} pyr_conv_shape;

/* Of a CONV2D or LINEAR, all that it reads seen as one image; data is bf16 when either end is, result f32. */
pyr_conv_shape pyr_conv_shape_of(const pyr_op *op);

/* Its three passes; weights and their gradient in a layout that oneDNN prefers. Buffers of a run, in order:
 *   forward:          x, packed weights, bias (may be NULL: none), y
 *   backward data:    dy, packed weights, dx
 *   backward weights: x, dy, dweights (packed), dbias (may be NULL) */
typedef enum pyr_conv_pass {
    PYR_CONV_FORWARD,
    PYR_CONV_BACKWARD_DATA,
    PYR_CONV_BACKWARD_WEIGHTS,
    PYR_CONV_PASSES
} pyr_conv_pass;
pyr_status pyr_onednn_conv(pyr_onednn_call **out, const pyr_conv_shape *shape, pyr_conv_pass pass);

/* Bytes of the weights (or their gradient) in the call's layout, and of its scratch. */
size_t pyr_onednn_weight_bytes(const pyr_onednn_call *call);
size_t pyr_onednn_scratch_bytes(const pyr_onednn_call *call);

/* Reorder f32 weights between O x I x kh x kw and the layout of `conv`; buffers: from, to. No scratch is
 * needed. pack: from the first `in` of all_in input channels. */
pyr_status pyr_onednn_pack(pyr_onednn_call **out, const pyr_conv_shape *shape, int all_in,
                           const pyr_onednn_call *conv);
pyr_status pyr_onednn_unpack(pyr_onednn_call **out, const pyr_conv_shape *shape, const pyr_onednn_call *conv);

/* One thread at a time for each call; `scratch` has pyr_onednn_scratch_bytes (NULL for a reorder). */
pyr_status pyr_onednn_run(pyr_onednn_call *call, const void *const *buffers, void *scratch);
void pyr_onednn_free(pyr_onednn_call *call); /* NULL is a no-op */

#endif
