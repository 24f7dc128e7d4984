/* conv_f32.h - convolutions of floats, stride 1, whose result is as large as what they read: 3x3 (zero padding of 1) by
 * Winograd's products, 1x1 as a product of matrices. For the instruction set of the processor that runs: processor.h.
 *
 * One thread each; nothing is allocated. An image's result does not depend on the others that are given with it. */
#ifndef PYR_KERNELS_SIMD_CONV_F32_H
#define PYR_KERNELS_SIMD_CONV_F32_H

#include "kernels/simd/conv_images.h"

typedef struct pyr_conv_size {
    int n, h, w; /* images; of the result */
    int in, out; /* channels read, channels of the result: any numbers; multiples of 16 are the fast ones */
} pyr_conv_size;

/* Sources and results are PYR_F32; results are as large as the convolution's. Memory is aligned to 64 bytes. */
typedef struct pyr_conv_f32 {
    int taps;        /* 9 or 1 */
    bool reads_bf16; /* sources may be PYR_BF16, too */
    /* Whether it has less to do than plain sums, with the channels and pixels that are only there to fill a block or a
     * tile. */
    bool (*suits)(const pyr_conv_size *size);

    /* forward, and backward by data, which is the same with the weights turned around */
    size_t (*packed_bytes)(const pyr_conv_size *size);
    /* Weights in the layout of run. That of output o, input i, tap t (ky * 3 + kx) is at o * stride_out +
     * i * stride_in + t of w, `turned`: + taps - 1 - t. With W[o][i][ky][kx], forward has the strides in * taps, taps;
     * backward by data, whose inputs are the convolution's outputs, taps, in * taps and `turned`. */
    void (*pack)(const pyr_conv_size *size, const float *w, size_t stride_out, size_t stride_in, bool turned,
                 float *packed);
    size_t (*scratch)(const pyr_conv_size *size);
    void (*run)(const pyr_conv_size *size, const pyr_conv_source *x, const float *packed,
                const pyr_conv_result *y, float *scratch);

    /* backward by weights */
    size_t (*gradient_bytes)(const pyr_conv_size *size); /* in a layout of its own, without the bias */
    size_t (*gradient_scratch)(const pyr_conv_size *size);
    /* gradient (+)= dL/dW for dy * scale over all images */
    void (*gradient)(const pyr_conv_size *size, const pyr_conv_source *x, const pyr_conv_source *dy,
                     float scale, float *gradient, bool add, float *scratch);
    /* dw (out x in x taps) += the sum of `count` gradients in order */
    void (*collect)(const pyr_conv_size *size, const float *const *gradients, int count, float *dw);
} pyr_conv_f32;

/* winograd_f32.c and product_f32.c for each set (processor.h). */
extern const pyr_conv_f32 pyr_winograd_base, pyr_winograd_avx2, pyr_winograd_avx512, pyr_winograd_avx512_bf16;
extern const pyr_conv_f32 pyr_product_base, pyr_product_avx2, pyr_product_avx512, pyr_product_avx512_bf16;

#endif
