/* ref_tmpl.h - the reference backend for one type: define REAL, MATH, REF_... and SHARED, then include once. */
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

#define ROW(...)                                                                                             \
    &(const pyr_op_impl)                                                                                     \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

SHARED const pyr_op_impl pyr_ref_embed = {
    .reads = PYR_READS_X0, .forward = embed_forward, .backward = embed_backward};
SHARED const pyr_op_impl pyr_ref_time_positional = {.forward = time_positional_forward};
SHARED const pyr_op_impl pyr_ref_time_fourier = {.forward = time_fourier_forward};
SHARED const pyr_op_impl pyr_ref_cross_entropy = {.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2,
                                                  .forward = cross_entropy_forward,
                                                  .backward = cross_entropy_backward};

/* The reference joins nothing: its graph is the list as it was built. Rows with optional inputs serve the
 * comparison with backends that do. */
const pyr_backend REF_BACKEND = {
    .name = REF_NAME,
    .real = REF_TYPE,
    .host_memory = true,
    .memory = &pyr_host_memory,
    .op =
        {
            [PYR_OP_CONV2D] = ROW(.reads = PYR_READS_X0 | PYR_READS_X3, .forward = conv2d_forward,
                                  .backward = conv2d_backward),
            [PYR_OP_LINEAR] =
                ROW(.reads = PYR_READS_X0, .forward = linear_forward, .backward = linear_backward),
            [PYR_OP_GROUP_NORM] =
                ROW(.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X3, .plan = group_norm_plan,
                    .forward = group_norm_forward, .backward = group_norm_backward),
            [PYR_OP_ACTIVATION] =
                ROW(.reads = PYR_READS_X0, .forward = activation_forward, .backward = activation_backward),
            [PYR_OP_ADD] = ROW(.forward = add_forward, .backward = add_backward),
            [PYR_OP_ADD_CHANNEL] = ROW(.forward = add_channel_forward, .backward = add_channel_backward),
            [PYR_OP_SCALE_SHIFT] = ROW(.reads = PYR_READS_X0 | PYR_READS_X1, .forward = scale_shift_forward,
                                       .backward = scale_shift_backward),
            [PYR_OP_CONCAT] = ROW(.forward = concat_forward, .backward = concat_backward),
            [PYR_OP_UPSAMPLE] = ROW(.forward = upsample_forward, .backward = upsample_backward),
            [PYR_OP_MEAN2] = ROW(.forward = mean2_forward, .backward = mean2_backward),
            [PYR_OP_POOL2D] =
                ROW(.plan = pool2d_plan, .forward = pool2d_forward, .backward = pool2d_backward),
            [PYR_OP_UNSHUFFLE] = ROW(.forward = unshuffle_forward, .backward = unshuffle_backward),
            [PYR_OP_SHUFFLE] = ROW(.forward = shuffle_forward, .backward = shuffle_backward),
            [PYR_OP_ATTENTION] =
                ROW(.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2, .plan = attention_plan,
                    .forward = attention_forward, .backward = attention_backward),
            [PYR_OP_EMBED] = &pyr_ref_embed,
            [PYR_OP_TIME_POSITIONAL] = &pyr_ref_time_positional,
            [PYR_OP_TIME_FOURIER] = &pyr_ref_time_fourier,
            [PYR_OP_DROPOUT] =
                ROW(.reads = PYR_READS_X1, .forward = dropout_forward, .backward = dropout_backward),
            [PYR_OP_NOISE] = ROW(.forward = noise_forward),
            [PYR_OP_MIX] = ROW(.reads = PYR_READS_X2, .forward = mix_forward, .backward = mix_backward),
            [PYR_OP_DIVIDE] =
                ROW(.reads = PYR_READS_X1, .forward = divide_forward, .backward = divide_backward),
            [PYR_OP_AFFINE] = ROW(.forward = affine_forward, .backward = affine_backward),
            [PYR_OP_SQUARED_ERROR] =
                ROW(.reads = PYR_READS_X0 | PYR_READS_X1 | PYR_READS_X2, .forward = squared_error_forward,
                    .backward = squared_error_backward),
            [PYR_OP_CROSS_ENTROPY] = &pyr_ref_cross_entropy,
        },
    .mean = pyr_ref_mean,
    .norm = vector_norm,
    .join_norms = pyr_ref_join_norms,
    .adamw = vector_adamw,
    .combine = vector_combine,
    .normals = vector_normals,
    .clamp = vector_clamp,
    .dots = pyr_ref_dots,
    .pixels = image_pixels,
    .dither = image_dither,
    .resample = image_resample,
    .haar_split = pyr_ref_haar_split,
    .haar_merge = pyr_ref_haar_merge,
};
