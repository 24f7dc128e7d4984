/* cpu.c - the CPU backend's table: what convolutions of our own, oneDNN and vector loops do faster, and the reference's
 * for the rest. */
#include "kernels/cpu/cpu.h"

#include "base/mem.h"
#include "kernels/processor.h"
#include "kernels/ref/ref.h"
#include "kernels/ref/ref_shared.h"
#include "kernels/simd/register_products.h"

static double register_products(float *sum, pyr_precision precision, size_t rounds)
{
    return OF_SET(pyr_register_products)(sum, precision == PYR_PRECISION_BF16, rounds);
}

static void cpu_close(pyr_kernels *k)
{
    pyr_free(k->ctx);
}

const pyr_backend OF_SET(pyr_cpu_backend) = {
    .name = "cpu",
    .real = PYR_F32,
    .host_memory = true,
    .close = cpu_close,
    .register_products = register_products,
    .memory = &pyr_host_memory,
    .op =
        {
            [PYR_OP_CONV2D] = &pyr_cpu_conv2d,
            [PYR_OP_LINEAR] = &pyr_cpu_linear,
            [PYR_OP_GROUP_NORM] = &pyr_cpu_group_norm,
            [PYR_OP_ACTIVATION] = &pyr_cpu_activation,
            [PYR_OP_ADD] = &pyr_cpu_add,
            [PYR_OP_ADD_CHANNEL] = &pyr_cpu_add_channel,
            [PYR_OP_SCALE_SHIFT] = &pyr_cpu_scale_shift,
            [PYR_OP_CONCAT] = &pyr_cpu_concat,
            [PYR_OP_UPSAMPLE] = &pyr_cpu_upsample,
            [PYR_OP_MEAN2] = &pyr_cpu_mean2,
            [PYR_OP_POOL2D] = &pyr_cpu_pool2d,
            [PYR_OP_UNSHUFFLE] = &pyr_cpu_unshuffle,
            [PYR_OP_SHUFFLE] = &pyr_cpu_shuffle,
            [PYR_OP_ATTENTION] = &pyr_cpu_attention,
            [PYR_OP_EMBED] = &pyr_ref_embed,
            [PYR_OP_TIME_POSITIONAL] = &pyr_ref_time_positional,
            [PYR_OP_TIME_FOURIER] = &pyr_ref_time_fourier,
            [PYR_OP_DROPOUT] = &pyr_cpu_dropout,
            [PYR_OP_NOISE] = &pyr_cpu_noise,
            [PYR_OP_MIX] = &pyr_cpu_mix,
            [PYR_OP_DIVIDE] = &pyr_cpu_divide,
            [PYR_OP_AFFINE] = &pyr_cpu_affine,
            [PYR_OP_SQUARED_ERROR] = &pyr_cpu_squared_error,
            [PYR_OP_CROSS_ENTROPY] = &pyr_ref_cross_entropy,
        },
    .mean = pyr_ref_mean,
    .norm = pyr_cpu_norm,
    .join_norms = pyr_ref_join_norms,
    .adamw = pyr_cpu_adamw,
    .combine = pyr_cpu_combine,
    .normals = pyr_cpu_normals,
    .clamp = pyr_cpu_clamp,
    .dots = pyr_ref_dots,
    .pixels = pyr_cpu_pixels,
    .dither = pyr_cpu_dither,
    .resample = pyr_cpu_resample,
    .haar_split = pyr_ref_haar_split,
    .haar_merge = pyr_ref_haar_merge,
};
