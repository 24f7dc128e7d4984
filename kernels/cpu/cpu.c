/* cpu.c - the CPU backend: what oneDNN and vector loops do faster, and the reference's for the rest. */
#include "kernels/cpu/cpu.h"

#include "base/mem.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/tile.h"
#include "kernels/ref/ref.h"
#include "kernels/ref/ref_shared.h"
#include "kernels/simd/register_products.h"
#include <stdio.h>
#include <string.h>

/* What oneDNN takes beside the planned buffers: pages of the library, generated code, a lane's buffers for
 * products. Measured as the peak beyond program and data (pyrdiff train, 256 images, gcc, AVX-512,
 * oneDNN 2.6) less the plan, for networks of 1 to 3 resolutions, 32 to 256 channels and plans of 32 to 560
 * MiB: 1 lane 6.8 to 8.2 MiB, 2 lanes 7.1 to 9.9, 4 lanes 10.5 to 16, 8 lanes 16 (3 resolutions: up to 3.5
 * more). Equal layers share their code, so the number of layers hardly matters (6 instead of 1: no
 * difference). */
enum { LIBRARY_KIB = 6 * 1024, LIBRARY_KIB_PER_LANE = 1280 };

/* What measured choices depend on: the processor's name, its instructions and the library. NULL: out of memory. */
static char *measurable(void)
{
    char line[256], *name = NULL;
    FILE *f = fopen("/proc/cpuinfo", "r");

    while (f && !name && fgets(line, sizeof line, f))
        if (strncmp(line, "model name", 10) == 0 && (name = strchr(line, ':')))
            name[strcspn(name, "\n")] = '\0';
    if (f)
        fclose(f);
    return pyr_strfmt("%.100s, %s, %s", name ? name + 2 : "processor", pyr_set_names[pyr_set_here()],
                      pyr_cpu_library());
}

static double register_products(float *sum, pyr_precision precision, size_t rounds)
{
    return pyr_register_products(sum, pyr_set_here(), precision == PYR_PRECISION_BF16, rounds);
}

static void cpu_close(pyr_kernels *k)
{
    pyr_free(k->ctx);
}

static const pyr_backend cpu_backend = {
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

pyr_status pyr_kernels_cpu(pyr_kernels **out, int lanes)
{
    pyr_kernels *k;

    *out = NULL;
    PYR_TRY(pyr_set_check());
    PYR_TRY(pyr_onednn_open());
    PYR_TRY(pyr_kernels_new(&k, &cpu_backend, lanes, pyr_onednn_single_thread));
    k->measurable = k->ctx = measurable();
    if (!k->ctx) {
        pyr_kernels_free(k);
        return pyr_fail(PYR_E_NOMEM, "out of memory: the processor's name");
    }
    k->micro_batch = 16;
    k->has_bf16 = pyr_onednn_has_bf16();
    k->fast_bf16 = k->has_bf16 && pyr_tile_available();
    k->library_bytes = (LIBRARY_KIB + (size_t)k->lanes * LIBRARY_KIB_PER_LANE) * 1024;
    *out = k;
    return PYR_OK;
}
