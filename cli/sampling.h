/* sampling.h - the options of sampling that several commands have: --steps, --sampler, --class, and
 * guidance. */
#ifndef PYR_CLI_SAMPLING_H
#define PYR_CLI_SAMPLING_H

#include "settings/parse.h" /* --seeds */
#include "terminal/options.h"
#include <stdint.h>

/* As they are typed; "": not given. `of_class` is what pyrdiff_model_labels() takes. */
typedef struct pyr_typed_sampling {
    const char *steps, *sampler, *of_class;
} pyr_typed_sampling;
extern const pyr_option pyr_sampling_options[];

typedef struct pyr_typed_guidance {
    const char *amount, *interval, *rescale, *gnet, *classifier;
} pyr_typed_guidance;
extern const pyr_option pyr_guidance_options[];

/* Through `set`, as the settings level.sampler.* of a run of so many levels; "" leaves what is there.
 * PYR_E_ARG. */
pyr_status pyr_set_sampling(const pyr_typed_sampling *typed, int levels, pyr_settings_visit set, void *ctx);
pyr_status pyr_set_guidance(const pyr_typed_guidance *typed, int levels, pyr_settings_visit set, void *ctx);

#endif
