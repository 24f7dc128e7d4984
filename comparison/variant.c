/* variant.c - the kinds of model that are compared, as changes of settings. */
#include "comparison/variant.h"

#include "base/mem.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const pyr_variant_names[PYR_VARIANTS] = {"separate", "cascade", "end-to-end", "shared", "single"};

enum { CHANGES = 4 };
static const char *const changed[CHANGES] = {"cascade.joint", "cascade.share", "cascade.condition",
                                             "pyramid.levels"};
static const char *const changes[PYR_VARIANTS][CHANGES] = {
    [PYR_VARIANT_SEPARATE] = {"false", "false", "data"},
    [PYR_VARIANT_CASCADE] = {"true", "false", "data"},
    [PYR_VARIANT_END_TO_END] = {"true", "false", "estimate"},
    [PYR_VARIANT_SHARED] = {"true", "true", "data"},
    [PYR_VARIANT_SINGLE] = {NULL, NULL, NULL, "1"},
};

pyr_status pyr_parse_variants(const char *text, pyr_variant out[PYR_VARIANTS], int *n)
{
    *n = 0;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        int i;

        PYR_TRY(pyr_find_word(&i, "variant", at, length, pyr_variant_names, PYR_VARIANTS));
        for (int j = 0; j < *n; j++)
            if (out[j] == (pyr_variant)i)
                return pyr_fail(PYR_E_ARG, "the variant %s stands there twice", pyr_variant_names[i]);
        out[(*n)++] = (pyr_variant)i;
        at += length;
        if (!*at)
            return PYR_OK;
    }
}

/* ---- settings ---------------------------------------------------------------------------------- */

typedef struct copying {
    pyr_settings *to;
    bool finest;  /* of the levels only level 0, and nothing of the section cascade */
    bool grounds; /* only the sections data and train */
} copying;

static pyr_status copy_one(void *arg, const char *key, const char *value, const char *origin)
{
    const copying *c = arg;

    if (c->grounds && strncmp(key, "data.", 5) != 0 && strncmp(key, "train.", 6) != 0)
        return PYR_OK;
    if (c->finest &&
        ((strncmp(key, "levels[", 7) == 0 && atoi(key + 7) > 0) || strncmp(key, "cascade.", 8) == 0))
        return PYR_OK;
    return pyr_settings_set(c->to, key, value, origin);
}

pyr_status pyr_variant_settings(pyr_settings **out, pyr_variant variant, const pyr_settings *config,
                                const pyr_settings *baseline)
{
    bool single = variant == PYR_VARIANT_SINGLE;
    copying from = {.finest = single}, grounds = {.grounds = true};
    pyr_status status;

    PYR_TRY(pyr_settings_new(out, pyr_all_sections));
    from.to = grounds.to = *out;
    PYR_TRY_OUT(pyr_settings_each(single && baseline ? baseline : config, copy_one, &from));
    if (single && baseline)
        PYR_TRY_OUT(pyr_settings_each(config, copy_one, &grounds));
    for (int i = 0; i < CHANGES; i++)
        if (changes[variant][i])
            PYR_TRY_OUT(pyr_settings_set(*out, changed[i], changes[variant][i], pyr_variant_names[variant]));
out:
    if (status != PYR_OK) {
        pyr_settings_free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- equal cost -------------------------------------------------------------------------------- */

pyr_status pyr_parse_budget(const char *text, pyr_budget *out)
{
    static const pyr_setting row = {.key = "budget", .type = PYR_SETTING_DURATION};
    size_t length = strlen(text);
    pyr_duration duration;

    if (length > 4 && strcmp(text + length - 4, "flop") == 0) {
        char *number = pyr_strfmt("%.*s", (int)(length - 4), text);
        bool good = number && pyr_parse_real(number, &out->value) && out->value > 0;

        pyr_free(number);
        out->flop = true;
        if (good)
            return PYR_OK;
    } else if (pyr_setting_parse(&row, "budget", text, "", &duration) == PYR_OK &&
               duration.unit == PYR_DURATION_SECONDS && duration.value > 0) {
        *out = (pyr_budget){.value = duration.value};
        return PYR_OK;
    }
    return pyr_fail(
        PYR_E_ARG,
        "%s: should be a time (90s, 10m, 2h) or a number of operations (2e14flop), of each training", text);
}

/* Forward operations of an image, in the mean over all images of the training. */
static double mean_flop(const pyr_plan_facts *facts)
{
    double sum = 0;

    for (int i = 0; i < facts->levels; i++)
        sum += facts->flop[i] * (facts->joint ? 1.0 / facts->levels : facts->share[i]);
    return sum;
}

double pyr_images_of_flop(const pyr_plan_facts *facts, double flop)
{
    return flop / (3 * mean_flop(facts));
}

static double cost(const pyr_plan_facts *facts, const int *steps)
{
    double sum = 0;

    for (int i = 0; i < facts->levels; i++) {
        pyr_sampler s = facts->sampler[i];

        s.steps = steps[i];
        sum += facts->flop[i] * pyr_sampler_nfe(&s);
    }
    return sum;
}

double pyr_sampling_flop(const pyr_plan_facts *facts)
{
    int steps[PYR_MAX_LEVELS];

    for (int i = 0; i < facts->levels; i++)
        steps[i] = facts->sampler[i].steps;
    return cost(facts, steps);
}

/* The steps of each level at `factor`, rounded down, or up where a bit of `up` is set. *off: how far they are
 * from proportion, in steps. */
static void scale_steps(int *steps, double *off, const pyr_plan_facts *facts, double factor, unsigned up)
{
    *off = 0;
    for (int i = 0; i < facts->levels; i++) {
        double wanted = factor * facts->sampler[i].steps;
        double rounded = up >> i & 1 ? ceil(wanted) : floor(wanted);

        steps[i] = (int)fmin(fmax(rounded, 1), PYR_MAX_STEPS);
        *off += fabs(wanted - steps[i]);
    }
}

void pyr_scale_sampling(pyr_plan_facts *facts, double flop)
{
    const double near = 0.005; /* of the cost: who is so near is chosen by proportion */
    int steps[PYR_MAX_LEVELS], best[PYR_MAX_LEVELS] = {0};
    double smallest = INFINITY, least = INFINITY;

    if (fabs(pyr_sampling_flop(facts) - flop) <= near * flop)
        return;
    /* Factors from 1/1000 to 1000, 1 % apart. Rounding each level by itself matters where steps are few: of
     * three levels with 2 steps each, one more or less is a fifth of the cost. */
    for (int j = 0; j <= 1382; j++) {
        double factor = exp((j - 691) * 1e-2);

        for (unsigned up = 0; up < 1u << facts->levels; up++) {
            double off, error;

            scale_steps(steps, &off, facts, factor, up);
            error = fmax(fabs(cost(facts, steps) - flop) / flop, near);
            if (error < smallest || (error <= smallest && off < least)) {
                smallest = error;
                least = off;
                memcpy(best, steps, sizeof best);
            }
        }
    }
    for (int i = 0; i < facts->levels; i++)
        facts->sampler[i].steps = best[i];
}
