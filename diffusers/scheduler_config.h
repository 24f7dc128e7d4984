/* scheduler_config.h - scheduler_config.json of diffusers: how a model was trained with noise, and how it
 * likes to be sampled. */
#ifndef PYR_DIFFUSERS_SCHEDULER_CONFIG_H
#define PYR_DIFFUSERS_SCHEDULER_CONFIG_H

#include "base/text.h"
#include "diffusion/ddpm.h"
#include "diffusion/flow.h"

typedef enum pyr_scheduler_kind {
    PYR_SCHEDULER_DDPM,
    PYR_SCHEDULER_DDIM,
    PYR_SCHEDULER_FLOW, /* FlowMatchEulerDiscreteScheduler: `flow` is read, `ddpm` is not */
    PYR_SCHEDULER_OTHER /* another sampler of a model that was trained with betas (PNDM, DPM-Solver, ...) */
} pyr_scheduler_kind;

typedef struct pyr_scheduler_config {
    pyr_scheduler_kind kind;
    char class_name[64]; /* the library's; not looked at when written */
    pyr_ddpm_config ddpm;
    pyr_flow_config flow;
} pyr_scheduler_config;

void pyr_scheduler_config_free(pyr_scheduler_config *config); /* no-op on {0} */

/* Read the `n` bytes of a scheduler_config.json (NULL: the file itself); `name` is the file in sentences. An absent
 * key takes the library's default. Unknown keys are left out and named in *warning (appended; may be NULL); those with
 * a leading underscore are passed over. class_name: the scheduler's class in the pipeline's model_index.json, which
 * the library goes by; NULL: the file's own. PYR_E_FORMAT for a wrong type of value, PYR_E_UNSUPPORTED for a word that
 * is not offered and for the class of a model that was trained in another way than with betas (flow matching, noise
 * levels of VE or EDM, distillation), PYR_E_CONFIG as pyr_ddpm_config_check. The caller frees *out, on failure too. */
pyr_status pyr_scheduler_config_parse(pyr_scheduler_config *out, const char *bytes, size_t n,
                                      const char *name, const char *class_name, pyr_text *warning);
static inline pyr_status pyr_scheduler_config_read(pyr_scheduler_config *out, const char *path,
                                                   const char *class_name, pyr_text *warning)
{
    return pyr_scheduler_config_parse(out, NULL, 0, path, class_name, warning);
}

/* Append the text of a scheduler_config.json that the library loads, of kind DDPM or DDIM; ends with a
 * newline. PYR_E_CONFIG. */
pyr_status pyr_scheduler_config_write(pyr_text *out, const pyr_scheduler_config *config);

#endif
