/* sampling.h - the options of sampling that several commands have: --steps, --sampler, --class, and
 * guidance. */
#ifndef PYR_CLI_SAMPLING_H
#define PYR_CLI_SAMPLING_H

#include "cascade/model.h"
#include "terminal/options.h"

/* As they are typed; "": not given. `of_class` is for pyr_model_choose_class. */
typedef struct pyr_typed_sampling {
    const char *steps, *sampler, *of_class;
} pyr_typed_sampling;
extern const pyr_option pyr_sampling_options[];

typedef struct pyr_typed_guidance {
    const char *amount, *interval, *gnet;
} pyr_typed_guidance;
extern const pyr_option pyr_guidance_options[];

/* The settings of guidance; "" leaves what is there. PYR_E_ARG. */
pyr_status pyr_set_guidance(pyr_config *config, const pyr_typed_guidance *typed);

/* --steps 18,12,8 (coarsest first, or one number for all levels) and --sampler NAME into the settings of
 * sampling; "" leaves what is there. PYR_E_ARG. */
pyr_status pyr_set_sampler(pyr_config *config, const char *steps, const char *sampler);

#endif
