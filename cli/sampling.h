/* sampling.h - the options of sampling that several commands have: --steps, --sampler, --class, --guidance.
 */
#ifndef PYR_CLI_SAMPLING_H
#define PYR_CLI_SAMPLING_H

#include "cascade/model.h"

/* --steps 18,12,8 (coarsest first, or one number for all levels) and --sampler NAME into the settings of
 * sampling; "" leaves what is there. PYR_E_ARG. */
pyr_status pyr_set_sampler(pyr_config *config, const char *steps, const char *sampler);

/* Whether the run knows the class `label` (-1: none asked for), and guidance, if there is any, has a class to
 * go to. PYR_E_ARG. */
pyr_status pyr_check_class(const pyr_model *model, int label);

#endif
