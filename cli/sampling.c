/* sampling.c - the options of sampling that several commands have. */
#include "cli/sampling.h"

#include "base/text.h"
#include "terminal/parse.h"
#include <string.h>

const pyr_option pyr_sampling_options[] = {
    OPT_TEXT(pyr_typed_sampling, steps, "steps", "N,N,N", "",
             "sampler steps of each level, coarsest first, or one number for all; without it, as the run is "
             "configured"),
    OPT_WORD(
        pyr_typed_sampling, sampler, "sampler", "NAME", "", pyr_sampler_names,
        "sampler of all levels; its parameters are the settings level.sampler.*; without it, as the run is "
        "configured"),
    OPT_TEXT(pyr_typed_sampling, of_class, "class", "WHICH", "",
             "class of the images, for a class-conditional run: its number or name; all: the seeds take the "
             "classes in turn; random: each seed draws one; without it the images are of no given class"),
    {0},
};

const pyr_option pyr_guidance_options[] = {
    OPT_TEXT(
        pyr_typed_guidance, amount, "guidance", "G,G,G", "",
        "strength of guidance: the denoiser becomes other + G (own - other), where other is the network "
        "without the class, or that of --gnet; doubles the evaluations; a number for each level, coarsest "
        "first, or one for all; 1: none; without it, as the run is configured"),
    OPT_TEXT(pyr_typed_guidance, interval, "guidance-interval", "LO-HI", "",
             "guide at these noise levels only, in standard deviations of the level: 0.3-5"),
    OPT_TEXT(
        pyr_typed_guidance, gnet, "gnet", "RUN", "",
        "autoguidance: guide away from this run, which has the same pyramid and data but weaker networks, "
        "smaller or trained for a shorter time"),
    {0},
};

pyr_status pyr_set_sampler(pyr_config *config, const char *steps_text, const char *sampler)
{
    int steps[PYR_MAX_LEVELS], n = 0, levels = config->pyramid.levels, kind;
    size_t n_words = 0;

    if (*steps_text) {
        if (pyr_parse_ints(steps_text, steps, PYR_MAX_LEVELS, &n) != PYR_OK)
            return pyr_fail_prefix(PYR_E_ARG, "--steps");
        if (n != 1 && n != levels)
            return pyr_fail(PYR_E_ARG,
                            "--steps %s has %d numbers, the run has %d levels: give one number, or one a "
                            "level from the coarsest on",
                            steps_text, n, levels);
    }
    for (int i = 0; i < n || (n == 1 && i < levels); i++) {
        int level = levels - 1 - i, value = steps[n == 1 ? 0 : i];

        if (value < 1 || value > PYR_MAX_STEPS)
            return pyr_fail(PYR_E_ARG, "--steps: %d steps, should be 1..%d", value, PYR_MAX_STEPS);
        config->level[level].sampler.steps = value;
    }
    if (!*sampler)
        return PYR_OK;
    while (pyr_sampler_names[n_words])
        n_words++;
    if (pyr_find_word(&kind, "sampler", sampler, strlen(sampler), pyr_sampler_names, n_words) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--sampler");
    for (int i = 0; i < levels; i++)
        config->level[i].sampler.kind = kind;
    return PYR_OK;
}

pyr_status pyr_set_guidance(pyr_config *config, const pyr_typed_guidance *typed)
{
    double amount[PYR_MAX_LEVELS], lo, hi;
    int n = 0, levels = config->pyramid.levels;

    if (*typed->amount) {
        if (pyr_parse_reals(typed->amount, amount, PYR_MAX_LEVELS, &n) != PYR_OK)
            return pyr_fail_prefix(PYR_E_ARG, "--guidance");
        if (n != 1 && n != levels)
            return pyr_fail(PYR_E_ARG,
                            "--guidance %s has %d numbers, the run has %d levels: give one number, or one a "
                            "level from the coarsest on",
                            typed->amount, n, levels);
    }
    for (int i = 0; i < n || (n == 1 && i < levels); i++) {
        double g = amount[n == 1 ? 0 : i];

        if (g < 0 || g > 1000)
            return pyr_fail(PYR_E_ARG, "--guidance: %g, should be 0..1000", g);
        config->level[levels - 1 - i].sampler_guidance = g;
    }
    if (!*typed->interval)
        return PYR_OK;
    if (pyr_parse_interval(typed->interval, &lo, &hi) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--guidance-interval");
    for (int i = 0; i < levels; i++) {
        config->level[i].guidance_min = lo;
        config->level[i].guidance_max = hi;
    }
    return PYR_OK;
}
