/* sampling.h - the options of sampling that several commands have: --steps, --sampler, --class, --guidance.
 */
#ifndef PYR_CLI_SAMPLING_H
#define PYR_CLI_SAMPLING_H

#include "cascade/model.h"
#include "cli/options.h"

/* Rows of the table of options, for the typed text `steps_at`, text `sampler_at` and number `label_at`. */
#define PYR_SAMPLING_OPTIONS(steps_at, sampler_at, label_at)                                                 \
    {.name = "steps",                                                                                        \
     .argument = "N,N,N",                                                                                    \
     .type = PYR_SETTING_TEXT,                                                                               \
     .target = &(steps_at),                                                                                  \
     .standard = "",                                                                                         \
     .help = "steps per level, coarsest first, or one number; without it the run's settings"},               \
        {.name = "sampler",                                                                                  \
         .argument = "NAME",                                                                                 \
         .type = PYR_SETTING_TEXT,                                                                           \
         .target = &(sampler_at),                                                                            \
         .standard = "",                                                                                     \
         .help = "heun, euler, euler-maruyama, reverse-diffusion, ancestral, ddim, predictor-corrector, "    \
                 "rk45, dpmpp-2m, dpmpp-2m-sde, annealed-langevin, consistent-annealed, pyramid-langevin, "  \
                 "ula, hmc (their settings: level.sampler.*); without it the run's settings"},               \
    {                                                                                                        \
        .name = "class", .argument = "N", .type = PYR_SETTING_INT, .target = &(label_at), .standard = "-1",  \
        .min = -1, .max = 1e6, .help = "of a class-conditional run; -1: none in particular"                  \
    }

/* --steps 18,12,8 (coarsest first, or one number for all levels) and --sampler NAME into the settings of
 * sampling; "" leaves what is there. PYR_E_ARG. */
pyr_status pyr_set_sampler(pyr_config *config, const char *steps, const char *sampler);

/* Whether the run knows the class `label` (-1: none asked for), and guidance, if there is any, has a class to
 * go to. PYR_E_ARG. */
pyr_status pyr_check_class(const pyr_model *model, int label);

#endif
