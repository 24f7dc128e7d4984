/* denoiser.h - a trained level as a denoiser for samplers.
 *
 *     D(x, s) = x / (1 + s^2) + s / sqrt(1 + s^2) F(x / sqrt(1 + s^2), c, tau)
 *
 * in the standardised units of the level (loss.h has the same in training).
 */
#ifndef PYR_LEVELS_DENOISER_H
#define PYR_LEVELS_DENOISER_H

#include "graph/graph.h"
#include "levels/level.h"

typedef struct pyr_denoiser {
    pyr_kernels *k;
    pyr_graph *g;
    const pyr_level *level;
    pyr_value x, condition, mix_in, mix_out, time, label, d;
} pyr_denoiser;

/* `batch`: images a lane takes at a time. */
pyr_status pyr_denoiser_new(pyr_denoiser *out, pyr_kernels *k, pyr_params *params, const pyr_level *level,
                            int batch);
void pyr_denoiser_free(pyr_denoiser *d);

/* What a sampler needs beside x: which lane, how many images, their condition (image units; NULL without)
 * and class rows (NULL: no class). The context of pyr_denoiser_call. */
typedef struct pyr_denoising {
    pyr_denoiser *denoiser;
    int lane, n;
    const void *condition;
    const uint32_t *rows;
} pyr_denoising;

/* A pyr_denoise: x and out hold n x variable. */
pyr_status pyr_denoiser_call(void *denoising, const void *x, const double *s, void *out);

#endif
