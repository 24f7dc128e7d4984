/* conv_images.h - what the convolutions of our own read and write: images with neighbours taken in. */
#ifndef PYR_KERNELS_SIMD_CONV_IMAGES_H
#define PYR_KERNELS_SIMD_CONV_IMAGES_H

#include "kernels/kernels.h"

/* Images to read (NHWC, contiguous) whose channels may lie in two tensors, in f32 or bf16 (rounded when
 * read). h, w: of at[0]; smaller than the result's: enlarged to it by nearest (floor(dst * in / out)), and
 * then there is one tensor only. */
typedef struct pyr_conv_source {
    const void *at[2];
    int c[2]; /* c[1] 0: one tensor */
    pyr_type type;
    int h, w;
} pyr_conv_source;

/* y = (sum + bias + vector[n] + residual) * scale; written over, or added to, what is there. */
typedef struct pyr_conv_result {
    void *at[2]; /* channels 0 .. c[0]-1 and the c[1] ones behind; a NULL part is not written */
    int c[2];
    bool add[2];
    pyr_type type;
    int h, w; /* of at[0]; smaller than the convolution's: the sum over the pixels that were copied from one
                 (the gradient of enlarging) */
    const float *bias;    /* out; NULL: none */
    const float *vector;  /* n x out; NULL: none */
    const void *residual; /* n x h x w x out of `type`; may be at[0]; NULL: none */
    float scale;
} pyr_conv_result;

#endif
