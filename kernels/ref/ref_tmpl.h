/* ref_tmpl.h - the reference backend for one type: define REAL, MATH and REF_FILL, then include once. */
#include "kernels/ref/ref.h"

#include "base/philox.h"
#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernels/ref/common_tmpl.h"
#include "kernels/ref/element_tmpl.h"

#include "kernels/ref/attention_tmpl.h"
#include "kernels/ref/conv2d_tmpl.h"
#include "kernels/ref/elementwise_tmpl.h"
#include "kernels/ref/embed_tmpl.h"
#include "kernels/ref/images_tmpl.h"
#include "kernels/ref/linear_tmpl.h"
#include "kernels/ref/norm_tmpl.h"
#include "kernels/ref/pool2d_tmpl.h"
#include "kernels/ref/random_tmpl.h"
#include "kernels/ref/rearrange_tmpl.h"
#include "kernels/ref/vector_tmpl.h"

static const pyr_op_impl impls[PYR_OP_KINDS] = {
    /* The reference joins nothing: its graph is the list as it was built. Rows with optional inputs serve the
     * comparison with backends that do. */
    [PYR_OP_CONV2D] = {.reads = PYR_READS_X0 | PYR_READS_X3,
                       .forward = conv2d_forward,
                       .backward = conv2d_backward},
    [PYR_OP_LINEAR] = {.reads = PYR_READS_X0, .forward = linear_forward, .backward = linear_backward},
    [PYR_OP_GROUP_NORM] = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X3,
                           .plan = group_norm_plan,
                           .forward = group_norm_forward,
                           .backward = group_norm_backward},
    [PYR_OP_ACTIVATION] = {.reads = PYR_READS_X0,
                           .forward = activation_forward,
                           .backward = activation_backward},
    [PYR_OP_ADD] = {.forward = add_forward, .backward = add_backward},
    [PYR_OP_ADD_CHANNEL] = {.forward = add_channel_forward, .backward = add_channel_backward},
    [PYR_OP_SCALE_SHIFT] = {.reads = PYR_READS_X0 | PYR_READS_X1,
                            .forward = scale_shift_forward,
                            .backward = scale_shift_backward},
    [PYR_OP_CONCAT] = {.forward = concat_forward, .backward = concat_backward},
    [PYR_OP_UPSAMPLE] = {.forward = upsample_forward, .backward = upsample_backward},
    [PYR_OP_MEAN2] = {.forward = mean2_forward, .backward = mean2_backward},
    [PYR_OP_POOL2D] = {.plan = pool2d_plan, .forward = pool2d_forward, .backward = pool2d_backward},
    [PYR_OP_UNSHUFFLE] = {.forward = unshuffle_forward, .backward = unshuffle_backward},
    [PYR_OP_SHUFFLE] = {.forward = shuffle_forward, .backward = shuffle_backward},
    [PYR_OP_ATTENTION] = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2,
                          .plan = attention_plan,
                          .forward = attention_forward,
                          .backward = attention_backward},
    [PYR_OP_EMBED] = {.reads = PYR_READS_X0, .forward = embed_forward, .backward = embed_backward},
    [PYR_OP_TIME_POSITIONAL] = {.forward = time_positional_forward},
    [PYR_OP_TIME_FOURIER] = {.forward = time_fourier_forward},
    [PYR_OP_DROPOUT] = {.reads = PYR_READS_X1, .forward = dropout_forward, .backward = dropout_backward},
    [PYR_OP_NOISE] = {.forward = noise_forward},
    [PYR_OP_MIX] = {.reads = PYR_READS_X2, .forward = mix_forward, .backward = mix_backward},
    [PYR_OP_DIVIDE] = {.reads = PYR_READS_X1, .forward = divide_forward, .backward = divide_backward},
    [PYR_OP_AFFINE] = {.forward = affine_forward, .backward = affine_backward},
    [PYR_OP_SQUARED_ERROR] = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2,
                              .forward = squared_error_forward,
                              .backward = squared_error_backward},
    [PYR_OP_CROSS_ENTROPY] = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2,
                              .forward = cross_entropy_forward,
                              .backward = cross_entropy_backward},
};

void REF_FILL(pyr_kernels *k)
{
    for (int i = 0; i < PYR_OP_KINDS; i++)
        k->op[i] = &impls[i];
    k->mean = vector_mean;
    k->norm = vector_norm;
    k->adamw = vector_adamw;
    k->combine = vector_combine;
    k->normals = vector_normals;
    k->clamp = vector_clamp;
    k->dots = vector_dots;
    k->pixels = image_pixels;
    k->dither = image_dither;
    k->resample = image_resample;
    k->haar_split = image_haar_split;
    k->haar_merge = image_haar_merge;
}
