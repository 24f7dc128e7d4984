/* sampling.c - the options of sampling that several commands have. */
#include "cli/sampling.h"

#include "base/mem.h"
#include "base/text.h"
#include "diffusion/sampler.h"
#include "settings/parse.h"
#include <stdio.h>
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
    OPT_TEXT(pyr_typed_guidance, rescale, "guidance-rescale", "PHI,PHI,PHI", "",
             "take back so much of the spread that guidance adds: 0 nothing, 1 all; a number for each level, "
             "coarsest first, or one for all"),
    OPT_TEXT(
        pyr_typed_guidance, gnet, "gnet", "RUN", "",
        "autoguidance: guide away from this run, which has the same pyramid and data but weaker networks, "
        "smaller or trained for a shorter time"),
    OPT_TEXT(
        pyr_typed_guidance, classifier, "classifier-scale", "G,G,G", "",
        "guide towards the class by the gradient of the levels' classifiers (pyrdiff classifier --noise), "
        "also a run without classes; 1: by Bayes' rule; 0: none; a number for each level, coarsest first, or "
        "one for all; without it, as the run is configured"),
    {0},
};

/* One setting of level `level`, or with -1 of every level. */
static pyr_status set_one(pyr_settings_visit set, void *ctx, int level, const char *key, const char *value,
                          const char *origin)
{
    char full[96];

    if (level < 0)
        snprintf(full, sizeof full, "levels[*].sampler.%s", key);
    else
        snprintf(full, sizeof full, "levels[%d].sampler.%s", level, key);
    return set(ctx, full, value, origin);
}

/* An option whose value is a number for all levels, or a list of one a level, coarsest first. */
typedef struct number_list {
    const char *option, *key, *unit;
    bool whole;
    double low, high;
} number_list;

static pyr_status set_numbers(const number_list *list, const char *typed, int levels, pyr_settings_visit set,
                              void *ctx)
{
    int whole[PYR_LIST_MAX], n;
    double real[PYR_LIST_MAX];

    if ((list->whole ? pyr_parse_ints(typed, whole, PYR_LIST_MAX, &n)
                     : pyr_parse_reals(typed, real, PYR_LIST_MAX, &n)) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "%s", list->option);
    if (n != 1 && n != levels)
        return pyr_fail(PYR_E_ARG,
                        "%s %s has %d numbers, the run has %d levels: give one number, or one a level from "
                        "the coarsest on",
                        list->option, typed, n, levels);
    for (int i = 0; i < levels; i++) {
        int at = n == 1 ? 0 : i;
        double value = list->whole ? whole[at] : real[at];
        char text[32];

        if (value < list->low || value > list->high)
            return pyr_fail(PYR_E_ARG, "%s: %.10g%s, should be %g..%g", list->option, value, list->unit,
                            list->low, list->high);
        snprintf(text, sizeof text, "%.17g", value);
        PYR_TRY(set_one(set, ctx, levels - 1 - i, list->key, text, list->option));
    }
    return PYR_OK;
}

pyr_status pyr_set_sampling(const pyr_typed_sampling *typed, int levels, pyr_settings_visit set, void *ctx)
{
    int kind;

    if (*typed->steps)
        PYR_TRY(set_numbers(&(number_list){"--steps", "steps", " steps", true, 1, PYR_MAX_STEPS},
                            typed->steps, levels, set, ctx));
    if (!*typed->sampler)
        return PYR_OK;
    if (pyr_find_word(&kind, "sampler", typed->sampler, strlen(typed->sampler), pyr_sampler_names,
                      PYR_SAMPLER_KINDS) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--sampler");
    return set_one(set, ctx, -1, "kind", typed->sampler, "--sampler");
}

pyr_status pyr_set_guidance(const pyr_typed_guidance *typed, int levels, pyr_settings_visit set, void *ctx)
{
    double lo, hi;
    char text[2][32];

    if (*typed->amount)
        PYR_TRY(set_numbers(&(number_list){"--guidance", "guidance", "", false, 0, 1000}, typed->amount,
                            levels, set, ctx));
    if (*typed->rescale)
        PYR_TRY(set_numbers(&(number_list){"--guidance-rescale", "guidance_rescale", "", false, 0, 1},
                            typed->rescale, levels, set, ctx));
    if (*typed->classifier)
        PYR_TRY(set_numbers(&(number_list){"--classifier-scale", "classifier_scale", "", false, 0, 1000},
                            typed->classifier, levels, set, ctx));
    if (!*typed->interval)
        return PYR_OK;
    if (pyr_parse_interval(typed->interval, &lo, &hi) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--guidance-interval");
    snprintf(text[0], sizeof text[0], "%.17g", lo);
    snprintf(text[1], sizeof text[1], "%.17g", hi);
    PYR_TRY(set_one(set, ctx, -1, "guidance_min", text[0], "--guidance-interval"));
    return set_one(set, ctx, -1, "guidance_max", text[1], "--guidance-interval");
}
