/* winograd_f32.h - 3x3 convolutions of floats (stride 1, zero padding of 1) by Winograd's F(4x4, 3x3), for the
 * instruction set of the processor that runs.
 *
 * One thread each; nothing is allocated. An image's result does not depend on the others that are given with it. */
#ifndef PYR_KERNELS_SIMD_WINOGRAD_F32_H
#define PYR_KERNELS_SIMD_WINOGRAD_F32_H

#include "kernels/simd/conv_images.h"

typedef struct pyr_winograd_size {
    int n, h, w; /* images; of the result */
    int in, out; /* channels read, channels of the result: any numbers; multiples of 16 are the fast ones */
} pyr_winograd_size;

/* The functions of an instruction set. Sources and results are PYR_F32; results are as large as the convolution's. All
 * blocks of memory are aligned to 64 bytes. */
typedef struct pyr_winograd_f32 {
    /* Whether it has less to do than plain sums, with the channels and pixels that are only there to fill a block or a
     * tile. */
    bool (*suits)(const pyr_winograd_size *size);

    /* forward, and backward by data, which is the same with the weights turned around */
    size_t (*packed_bytes)(const pyr_winograd_size *size);
    /* Weights in the layout of run. That of output o, input i, tap t (ky * 3 + kx) is at o * stride_out +
     * i * stride_in + t of w, `turned`: + 8 - t. With W[o][i][ky][kx], forward has the strides in * 9, 9; backward
     * by data, whose inputs are the convolution's outputs, 9, in * 9 and `turned`. */
    void (*pack)(const pyr_winograd_size *size, const float *w, size_t stride_out, size_t stride_in,
                 bool turned, float *packed);
    size_t (*scratch)(const pyr_winograd_size *size);
    void (*run)(const pyr_winograd_size *size, const pyr_conv_source *x, const float *packed,
                const pyr_conv_result *y, float *scratch);

    /* backward by weights */
    size_t (*gradient_bytes)(const pyr_winograd_size *size); /* in a layout of its own, without the bias */
    size_t (*gradient_scratch)(const pyr_winograd_size *size);
    /* gradient (+)= dL/dW for dy * scale over all images */
    void (*gradient)(const pyr_winograd_size *size, const pyr_conv_source *x, const pyr_conv_source *dy,
                     float scale, float *gradient, bool add, float *scratch);
    /* dw (out x in x 3 x 3) += the sum of `count` gradients in order */
    void (*collect)(const pyr_winograd_size *size, const float *const *gradients, int count, float *dw);
} pyr_winograd_f32;

/* winograd_f32.c for each set of the Makefile (SIMD_SETS); processor.h chooses. */
extern const pyr_winograd_f32 pyr_winograd_f32_base, pyr_winograd_f32_avx2, pyr_winograd_f32_avx512;

#endif
