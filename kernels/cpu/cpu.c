/* cpu.c - the CPU table: the reference's, with what oneDNN and vector loops do faster. */
#include "kernels/cpu/cpu.h"

#include "base/mem.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/tile.h"
#include "kernels/ref/ref.h"
#include <stdio.h>
#include <string.h>

/* What oneDNN takes beside the planned buffers: pages of the library, generated code, a lane's buffers for
 * products. Measured as the peak beyond program and data (pyrdiff train, 256 images, gcc, AVX-512,
 * oneDNN 2.6) less the plan, for networks of 1 to 3 resolutions, 32 to 256 channels and plans of 32 to 560
 * MiB: 1 lane 6.8 to 8.2 MiB, 2 lanes 7.1 to 9.9, 4 lanes 10.5 to 16, 8 lanes 16 (3 resolutions: up to 3.5
 * more). Equal layers share their code, so the number of layers hardly matters (6 instead of 1: no
 * difference). */
enum { LIBRARY_KIB = 6 * 1024, LIBRARY_KIB_PER_LANE = 1280 };

/* What measured choices depend on: the processor's name and the library. */
static const char *measurable(void)
{
    static char text[160];
    char line[256], *name = NULL;
    FILE *f = fopen("/proc/cpuinfo", "r");

    while (f && !name && fgets(line, sizeof line, f))
        if (strncmp(line, "model name", 10) == 0 && (name = strchr(line, ':')))
            name[strcspn(name, "\n")] = '\0';
    snprintf(text, sizeof text, "%.100s, %s", name ? name + 2 : "processor", pyr_onednn_version());
    if (f)
        fclose(f);
    return text;
}

pyr_status pyr_kernels_cpu(pyr_kernels **out, int lanes)
{
    pyr_status status = PYR_OK;
    pyr_kernels *k;

    *out = NULL;
    if (lanes < 0)
        return pyr_fail(PYR_E_ARG, "threads is %d, should be 0 (one per processor) or more", lanes);
    PYR_TRY(pyr_new(&k, 1, sizeof *k, "operation table"));
    pyr_ref_fill(k, PYR_F32);
    k->name = "cpu";
    k->micro_batch = 16;
    k->has_bf16 = pyr_onednn_has_bf16();
    k->fast_bf16 = k->has_bf16 && pyr_tile_available();
    k->measurable = measurable();
    k->op[PYR_OP_CONV2D] = &pyr_cpu_conv2d;
    k->op[PYR_OP_LINEAR] = &pyr_cpu_linear;
    k->op[PYR_OP_GROUP_NORM] = &pyr_cpu_group_norm;
    k->op[PYR_OP_ACTIVATION] = &pyr_cpu_activation;
    k->op[PYR_OP_ADD] = &pyr_cpu_add;
    k->op[PYR_OP_ADD_CHANNEL] = &pyr_cpu_add_channel;
    k->op[PYR_OP_CONCAT] = &pyr_cpu_concat;
    k->op[PYR_OP_UPSAMPLE] = &pyr_cpu_upsample;
    k->op[PYR_OP_ATTENTION] = &pyr_cpu_attention;
    k->op[PYR_OP_SCALE_SHIFT] = &pyr_cpu_scale_shift;
    k->op[PYR_OP_MEAN2] = &pyr_cpu_mean2;
    k->op[PYR_OP_POOL2D] = &pyr_cpu_pool2d;
    k->op[PYR_OP_UNSHUFFLE] = &pyr_cpu_unshuffle;
    k->op[PYR_OP_SHUFFLE] = &pyr_cpu_shuffle;
    k->op[PYR_OP_DROPOUT] = &pyr_cpu_dropout;
    k->op[PYR_OP_MIX] = &pyr_cpu_mix;
    k->op[PYR_OP_DIVIDE] = &pyr_cpu_divide;
    k->op[PYR_OP_AFFINE] = &pyr_cpu_affine;
    k->op[PYR_OP_SQUARED_ERROR] = &pyr_cpu_squared_error;
    k->op[PYR_OP_NOISE] = &pyr_cpu_noise;
    k->norm = pyr_cpu_norm;
    k->adamw = pyr_cpu_adamw;
    k->combine = pyr_cpu_combine;
    k->normals = pyr_cpu_normals;
    k->clamp = pyr_cpu_clamp;
    k->pixels = pyr_cpu_pixels;
    k->dither = pyr_cpu_dither;
    k->resample = pyr_cpu_resample;
    /* Primitives are made by this thread and run by the lanes: all of them single-threaded. */
    pyr_onednn_single_thread();
    PYR_TRY_OUT(pyr_onednn_open());
    PYR_TRY_OUT(pyr_tuning_new(&k->tuning));
    PYR_TRY_OUT(pyr_pool_new(&k->pool, lanes, pyr_onednn_single_thread));
    k->lanes = pyr_pool_lanes(k->pool);
    k->library_bytes = (LIBRARY_KIB + (size_t)k->lanes * LIBRARY_KIB_PER_LANE) * 1024;
    *out = k;
    return PYR_OK;
out:
    pyr_kernels_free(k);
    return status;
}
