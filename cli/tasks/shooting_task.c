/* shooting_task.c - the options of shooting, and its solution for the images of a task. */
#include "cli/tasks/shooting_task.h"

#include "tasks/shooting.h"
#include "terminal/output.h"

const pyr_option pyr_shooting_options[] = {
    OPT_INT(pyr_typed_shooting, iterations, "iterations", "N", "50", 1, 100000,
            "shooting: iterations of L-BFGS, at most"),
    OPT_REAL(pyr_typed_shooting, start_weight, "start-weight", "MU", "1", 0, 1e12,
             "shooting: weight of the start's distance from the prior's mean; large: a hard start"),
    OPT_REAL(pyr_typed_shooting, end_weight, "end-weight", "MU", "1", 0, 1e12,
             "shooting: weight of the end's distance from what is given; large: a hard end"),
    OPT_INT(pyr_typed_shooting, segments, "segments", "M", "1", 1, PYR_MAX_STEPS,
            "shooting: cut each level's steps into M segments with starts of their own (multiple shooting)"),
    OPT_REAL(pyr_typed_shooting, match, "match", "MU", "1000", 1e-12, 1e12,
             "shooting with --segments: weight of the gaps between them"),
    OPT_FLAG(
        pyr_typed_shooting, randomised, "randomise",
        "shooting: each seed about its own start and with noise of its own on what is given, so that the "
        "images vary as the posterior does; without it, each seed looks for the one minimum"),
    {0},
};

static pyr_status untyped(const pyr_tasking *t, const char *name, bool shooting)
{
    if (!pyr_option_given(t->parsed, name))
        return PYR_OK;
    if (shooting)
        return pyr_fail(PYR_E_ARG, "--method shooting does not read --%s: leave it out", name);
    return pyr_fail(PYR_E_ARG, "--%s is of --method shooting: add that, or leave --%s out", name, name);
}

pyr_status pyr_tasking_method(const pyr_tasking *t, const pyr_typed_shooting *o, bool shooting,
                              const char *const *own, const char *const *others)
{
    for (const char *const *name = shooting ? others : own; *name; name++)
        PYR_TRY(untyped(t, *name, shooting));
    for (const pyr_option *row = pyr_shooting_options; row->name && !shooting; row++)
        PYR_TRY(untyped(t, row->name, false));
    if (o->segments == 1 && pyr_option_given(t->parsed, "match"))
        return pyr_fail(PYR_E_ARG, "--match is of --segments 2 or more: add that, or leave --match out");
    return PYR_OK;
}

pyr_status pyr_tasking_euler(pyr_tasking *t)
{
    for (int level = t->config.pyramid.levels - 1; level >= 0; level--) {
        pyr_level_settings *s = &t->config.level[level];

        s->sampler_augmentation = 0;
        if (!*t->typed->sampling.sampler) {
            s->sampler.kind = PYR_EULER;
            s->sampler.churn = 0;
        }
        PYR_TRY(pyr_shooting_check_sampler(&s->sampler, level));
    }
    return PYR_OK;
}

static void say(const pyr_tasking *t, const pyr_shooting_report *report, int segments)
{
    double evaluations = 0, value = 0, gap = 0;

    for (size_t i = 0; i < t->n; i++) {
        evaluations += report[i].evaluations / (double)t->n;
        value += report[i].value / (double)t->n;
        gap += report[i].gap / (double)t->n;
    }
    pyr_print("shooting: %.0f evaluations of value and gradient, %.6g reached", evaluations, value);
    if (segments > 1)
        pyr_print(", gaps between segments of %.3g (rms, in units of the spread)", gap);
    pyr_print("\n");
}

pyr_status pyr_tasking_shoot(pyr_tasking *t, const pyr_typed_shooting *o, const pyr_operator *a,
                             const double *y, double noise, pyr_latent *latent)
{
    pyr_shooting_problem problem = {.a = a,
                                    .y = y,
                                    .noise = noise,
                                    .start_weight = o->start_weight,
                                    .end_weight = o->end_weight,
                                    .segments = o->segments,
                                    .match = o->match,
                                    .iterations = o->iterations,
                                    .randomised = o->randomised};
    pyr_shooting *shooting = NULL;
    pyr_shooting_report *report = NULL;
    int32_t *labels = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&report, t->n, sizeof *report, "a report"));
    PYR_TRY_OUT(pyr_class_labels(&labels, &t->choice, t->seeds, t->n));
    PYR_TRY_OUT(pyr_shooting_new(&shooting, t->model, &problem));
    PYR_TRY_OUT(pyr_shooting_solve(shooting, latent, t->seeds, labels, report));
    say(t, report, o->segments);
out:
    pyr_shooting_free(shooting);
    pyr_free(report);
    pyr_free(labels);
    return status;
}

pyr_status pyr_tasking_shoot_seeds(pyr_tasking *t, const pyr_typed_shooting *o, const pyr_operator *a,
                                   const double *y, double noise)
{
    pyr_latent latent = {0};
    pyr_from_latent from = {0};
    int32_t *labels = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_class_labels(&labels, &t->choice, t->seeds, t->n));
    PYR_TRY_OUT(pyr_latent_of_seeds(&latent, t->model, (int)t->n, t->seeds, labels));
    PYR_TRY_OUT(pyr_tasking_shoot(t, o, a, y, noise, &latent));
    PYR_TRY_OUT(pyr_from_latent_new(&from, t->model, &latent));
    PYR_TRY_OUT(pyr_tasking_draw(t, &(pyr_task_draw){.hooks = &from.hooks, .first = &from.first}));
out:
    pyr_from_latent_free(&from);
    pyr_latent_free(&latent);
    pyr_free(labels);
    return status;
}
