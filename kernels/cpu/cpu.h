/* cpu.h - the rows of the CPU table; cpu.c puts them together. This folder is compiled once for each instruction set
 * (processor.h), of which cpu_open.c chooses. */
#ifndef PYR_KERNELS_CPU_H
#define PYR_KERNELS_CPU_H

#include "kernels/kernels.h"

extern const pyr_backend pyr_cpu_backend_base, pyr_cpu_backend_avx2, pyr_cpu_backend_avx512,
    pyr_cpu_backend_avx512_bf16, pyr_cpu_backend_avx512_amx;

extern const pyr_op_impl pyr_cpu_conv2d, pyr_cpu_linear, pyr_cpu_group_norm, pyr_cpu_activation, pyr_cpu_add,
    pyr_cpu_add_channel, pyr_cpu_concat, pyr_cpu_upsample, pyr_cpu_attention, pyr_cpu_noise;
/* Around a network and in its seams. */
extern const pyr_op_impl pyr_cpu_scale_shift, pyr_cpu_mean2, pyr_cpu_pool2d, pyr_cpu_unshuffle,
    pyr_cpu_shuffle, pyr_cpu_dropout, pyr_cpu_mix, pyr_cpu_divide, pyr_cpu_affine, pyr_cpu_squared_error;

pyr_status pyr_cpu_norm(pyr_kernels *k, const void *grad, size_t count, pyr_step_state *state);
pyr_status pyr_cpu_adamw(pyr_kernels *k, const pyr_adamw *settings, pyr_step_state *state, void *value,
                         const void *grad, void *m, void *v, void *ema, size_t count);
void pyr_cpu_combine(pyr_kernels *k, void *dst, int n, const double *coef, const void *const *src,
                     size_t count);
void pyr_cpu_normals(pyr_kernels *k, void *dst, int images, size_t each, const uint32_t *stream,
                     uint32_t purpose, uint32_t index, uint32_t step);
void pyr_cpu_dither(pyr_kernels *k, void *dst, int images, size_t each, double half, const uint32_t *stream,
                    uint32_t purpose);
void pyr_cpu_pixels(pyr_kernels *k, void *dst, const void *samples, int n, pyr_shape s, int bits,
                    const uint32_t *flip);
void pyr_cpu_clamp(pyr_kernels *k, void *dst, double lo, double hi, size_t count);
void pyr_cpu_resample(pyr_kernels *k, void *dst, const void *src, int n, int c, const pyr_axis *rows,
                      const pyr_axis *cols, double grid, void *scratch);

/* Enlarging by nearest: the first of `fine` pixels that copied pixel i of `coarse`, or a later one;
 * floor(p coarse / fine) >= i when p >= i fine / coarse. */
static inline size_t pyr_first_copy(size_t i, size_t coarse, size_t fine)
{
    return (i * fine + coarse - 1) / coarse;
}

#endif
