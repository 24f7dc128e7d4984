/* conv_f32.h - convolutions of floats: 3x3 of stride 1 by Winograd's products, those of few channels, and any by products of
 * matrices. For the instruction set of the processor that runs: processor.h.
 *
 * One thread each; nothing is allocated. An image's result does not depend on the others that are given with it. */
#ifndef PYR_KERNELS_SIMD_CONV_F32_H
#define PYR_KERNELS_SIMD_CONV_F32_H

#include "kernels/simd/conv_images.h"

/* Number `row` of the result has tap ky of row (row * stride + ky - pad_top) / spread of what is read, where that is
 * one: 0 elsewhere. Columns likewise. */
typedef struct pyr_conv_size {
    int n, h, w; /* images; of the result */
    int in, out; /* channels read, channels of the result: any numbers; multiples of 16 are the fast ones */
    int in_h, in_w; /* of what is read, once it is enlarged */
    int kernel_h, kernel_w, stride, pad_top, pad_left;
    int spread; /* 1; of the pass by data, the stride of the forward one */
} pyr_conv_size;

/* The pass by data of a convolution, which is a convolution too: of dy, with the weights turned around. */
static inline pyr_conv_size pyr_conv_turned(const pyr_conv_size *s)
{
    return (pyr_conv_size){.n = s->n,
                           .h = s->in_h,
                           .w = s->in_w,
                           .in = s->out,
                           .out = s->in,
                           .in_h = s->h,
                           .in_w = s->w,
                           .kernel_h = s->kernel_h,
                           .kernel_w = s->kernel_w,
                           .stride = s->spread,
                           .pad_top = s->kernel_h - 1 - s->pad_top,
                           .pad_left = s->kernel_w - 1 - s->pad_left,
                           .spread = s->stride};
}

/* Sources and results are PYR_F32; results are as large as the convolution's. Memory is aligned to 64 bytes. */
typedef struct pyr_conv_f32 {
    const char *name; /* "winograd", "product", ... */
    int number;       /* among choices that are kept (kernels/tuning.h); never another one's. 0 is oneDNN */
    bool reads_bf16;  /* sources may be PYR_BF16, too */
    /* Whether it computes such a convolution at all; whether it is thought to be the fastest that does, by itself (in the
     * order of pyr_convs_of the first one is). Forward and by data; the weights' gradient has its own. */
    bool (*fits)(const pyr_conv_size *size);
    bool (*suits)(const pyr_conv_size *size);

    /* forward, and backward by data */
    size_t (*packed_bytes)(const pyr_conv_size *size);
    /* Weights in the layout of run. That of output o, input i, tap t (ky * kernel_w + kx) is at o * stride_out +
     * i * stride_in + t of w, `turned`: + taps - 1 - t. With W[o][i][ky][kx], forward has the strides in * taps, taps;
     * backward by data, whose inputs are the convolution's outputs, taps, in * taps and `turned`. */
    void (*pack)(const pyr_conv_size *size, const float *w, size_t stride_out, size_t stride_in, bool turned,
                 float *packed);
    size_t (*scratch)(const pyr_conv_size *size);
    void (*run)(const pyr_conv_size *size, const pyr_conv_source *x, const float *packed,
                const pyr_conv_result *y, float *scratch);

    /* backward by weights; all NULL: not by it */
    bool (*gradient_fits)(const pyr_conv_size *size);
    bool (*gradient_suits)(const pyr_conv_size *size);
    size_t (*gradient_bytes)(const pyr_conv_size *size); /* in a layout of its own, without the bias */
    size_t (*gradient_scratch)(const pyr_conv_size *size);
    /* gradient (+)= dL/dW for dy * scale over all images */
    void (*gradient)(const pyr_conv_size *size, const pyr_conv_source *x, const pyr_conv_source *dy,
                     float scale, float *gradient, bool add, float *scratch);
    /* dw (out x in x taps) += the sum of `count` gradients in order */
    void (*collect)(const pyr_conv_size *size, const float *const *gradients, int count, float *dw);
} pyr_conv_f32;

/* The ways of each instruction set (processor.h), special ones first; NULL ends them. ways_f32.c */
extern const pyr_conv_f32 *const pyr_convs_base[],
    *const pyr_convs_avx2[], *const pyr_convs_avx512[], *const pyr_convs_avx512_bf16[],
                                                            *const pyr_convs_avx512_amx[];

#endif
