/* direct.h - convolutions by plain loops over registers: for what cuDNN has no deterministic algorithm for,
 * images of two types, and few channels. Any sizes; f32 or bf16 on either side, products and sums in
 * float. */
#ifndef PYR_KERNELS_CUDA_DIRECT_H
#define PYR_KERNELS_CUDA_DIRECT_H

#include "kernels/cuda/cuda.h"

typedef struct pyr_direct {
    int n, in_h, in_w, in, out_h, out_w, out; /* x and y */
    int kernel_h, kernel_w, stride, pad_top, pad_left;
    int w_in, w_first; /* the weights' input channels, and the first that is used */
} pyr_direct;

/* What comes to a sum before it is written: (sum + bias[o] + vector[n][o] + residual) * scale; NULL:
 * nothing. */
typedef struct pyr_direct_more {
    const float *bias, *vector;
    numbers residual;
    float scale;
    bool add; /* to what is there */
} pyr_direct_more;

/* Weights for y, or (turned) for dx: floats [tap][channel that is read][channels written, up to a multiple of
 * 4]. */
size_t pyr_direct_packed_bytes(const pyr_direct *d, bool turned);
pyr_status pyr_direct_pack(pyr_kernels *k, const pyr_direct *d, bool turned, void *packed, const float *w);
/* y of x, or (turned) dx of dy; `from` is read. */
pyr_status pyr_direct_run(pyr_kernels *k, const pyr_direct *d, bool turned, numbers to, numbers from,
                          const void *packed, const pyr_direct_more *more);
/* The weights' gradient in their own order, times scale; w_in must be `in`. */
size_t pyr_direct_gradient_bytes(const pyr_kernels *k, const pyr_direct *d); /* of scratch */
pyr_status pyr_direct_gradient(pyr_kernels *k, const pyr_direct *d, float *grad, bool add, float scale,
                               numbers x, numbers dy, void *scratch);

#endif
