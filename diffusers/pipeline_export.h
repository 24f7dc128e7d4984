/* pipeline_export.h - a trained level as a diffusers pipeline, and nothing lost.
 *
 * What a sampler sees of a level is D(x, s), x = z + s eps, of any family of SDEs. With abar = 1/(1 + s^2)
 * the network reads x/sqrt(1 + s^2) = sqrt(abar) z + sqrt(1 - abar) eps, DDPM's z_t, and
 *
 *     D = sqrt(abar) z_t + sqrt(1 - abar) F       is the library's x0 = sqrt(abar) z_t - sqrt(1 - abar) v
 *
 * with v = -F. So the level is a v-prediction model: conv_out changes its sign, the noise levels of the
 * level's sampling become T timesteps (trained_betas), and the time embedding becomes a table (`learned`)
 * whose row t is what the sinusoids of tau(s_t) are. Levels that predict v, x0 or epsilon are those of the
 * library. */
#ifndef PYR_DIFFUSERS_PIPELINE_EXPORT_H
#define PYR_DIFFUSERS_PIPELINE_EXPORT_H

#include "diffusers/scheduler_config.h"
#include "levels/level.h"
#include "network/unet_file.h"

/* Write FOLDER/model_index.json, FOLDER/scheduler/scheduler_config.json and FOLDER/unet/ of the level, whose
 * weights are in `files`; its settings say how it is sampled. `timesteps` is T, 2..PYR_MAX_TIMESTEPS.
 * PYR_E_UNSUPPORTED for what the library has no words for: Fourier features of the noise level, a network
 * that does not read it, a score. */
pyr_status pyr_pipeline_export(const char *folder, const pyr_level *level, const pyr_unet_files *files,
                               pyr_kernels *k, int timesteps);

#endif
