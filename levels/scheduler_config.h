/* scheduler_config.h - scheduler_config.json of diffusers: how a model was trained with noise, and how it
 * likes to be sampled. */
#ifndef PYR_LEVELS_SCHEDULER_CONFIG_H
#define PYR_LEVELS_SCHEDULER_CONFIG_H

#include "base/text.h"
#include "diffusion/ddpm.h"

typedef struct pyr_scheduler_config {
    bool ddim; /* DDIMScheduler, or DDPMScheduler */
    pyr_ddpm_config ddpm;
} pyr_scheduler_config;

void pyr_scheduler_config_free(pyr_scheduler_config *config); /* no-op on {0} */

/* Read the `n` bytes of a scheduler_config.json; `name` is the file in sentences. An absent key takes the
 * library's default. Unknown keys are left out and named in *warning (appended; may be NULL); those with a
 * leading underscore are passed over. PYR_E_FORMAT for a wrong type of value, PYR_E_UNSUPPORTED for a word,
 * class or way of sampling that is not offered, PYR_E_CONFIG as pyr_ddpm_config_check. The caller frees *out,
 * on failure too. */
pyr_status pyr_scheduler_config_parse(pyr_scheduler_config *out, const char *bytes, size_t n,
                                      const char *name, pyr_text *warning);
pyr_status pyr_scheduler_config_read(pyr_scheduler_config *out, const char *path, pyr_text *warning);

/* Append the text of a scheduler_config.json that the library loads; ends with a newline. PYR_E_CONFIG. */
pyr_status pyr_scheduler_config_write(pyr_text *out, const pyr_scheduler_config *config);

#endif
