/* sampling.h - the options of sampling that several commands have: --steps, --sampler, --class, and
 * guidance. */
#ifndef PYR_CLI_SAMPLING_H
#define PYR_CLI_SAMPLING_H

#include "cascade/model.h"
#include "terminal/options.h"

/* Rows of the table of options, for the typed texts `steps_at`, `sampler_at` and `class_at` (for
 * pyr_model_choose_class). */
#define PYR_SAMPLING_OPTIONS(steps_at, sampler_at, class_at)                                                 \
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
         .help = PYR_SAMPLER_LIST "with the settings level.sampler.*; without it the run's settings"},       \
    {                                                                                                        \
        .name = "class", .argument = "WHICH", .type = PYR_SETTING_TEXT, .target = &(class_at),               \
        .standard = "",                                                                                      \
        .help = "of a class-conditional run: a class's number or name, all (each seed the next one, in "     \
                "turn) or "                                                                                  \
                "random (drawn from each seed); without it no class in particular"                           \
    }

/* Guidance as it is typed. */
typedef struct pyr_typed_guidance {
    const char *amount, *interval, *gnet; /* "": not given */
} pyr_typed_guidance;
#define PYR_GUIDANCE_OPTIONS(at)                                                                             \
    {.name = "guidance",                                                                                     \
     .argument = "G,G,G",                                                                                    \
     .type = PYR_SETTING_TEXT,                                                                               \
     .target = &(at).amount,                                                                                 \
     .standard = "",                                                                                         \
     .help = "other + G (this - other) at twice the evaluations, towards --class (the other one is told no " \
             "class) or away from --gnet; per level, coarsest first, or one number; 1: off; without it the " \
             "run's settings"},                                                                              \
        {.name = "guidance-interval",                                                                        \
         .argument = "LO-HI",                                                                                \
         .type = PYR_SETTING_TEXT,                                                                           \
         .target = &(at).interval,                                                                           \
         .standard = "",                                                                                     \
         .help = "guidance at these noise levels only, in standard deviations of the level: 0.3-5"},         \
    {                                                                                                        \
        .name = "gnet", .argument = "RUN", .type = PYR_SETTING_TEXT, .target = &(at).gnet, .standard = "",   \
        .help = "autoguidance: a run of the same pyramid and data with weaker networks (smaller, or less "   \
                "trained)"                                                                                   \
    }

/* The settings of guidance; "" leaves what is there. PYR_E_ARG. */
pyr_status pyr_set_guidance(pyr_config *config, const pyr_typed_guidance *typed);

/* --steps 18,12,8 (coarsest first, or one number for all levels) and --sampler NAME into the settings of
 * sampling; "" leaves what is there. PYR_E_ARG. */
pyr_status pyr_set_sampler(pyr_config *config, const char *steps, const char *sampler);

#endif
