/* api_likelihood.c - log p of a data set's images under a model, as figures. */
#include "api/choices.h"
#include "api/results.h"

#include "base/clock.h"
#include "cascade/image_likelihood.h"
#include "cascade/one_level.h"
#include <math.h>
#include <stddef.h>

typedef struct likelihood_choice {
    int split, count;
    pyr_likelihood_plan plan;
    int64_t seed;
    bool dequantise, classes;
} likelihood_choice;

#define AT(member) offsetof(likelihood_choice, member)

static const char *const split_words[] = {"held-out", "train", NULL};
static const pyr_setting rows[] = {
    {"split", PYR_SETTING_CHOICE, AT(split), 0, 0, "held-out", split_words, NULL},
    {"count", PYR_SETTING_INT, AT(count), 1, 1e9, "256", NULL, NULL},
    {"seed", PYR_SETTING_COUNT, AT(seed), 0, 9e15, "0", NULL, NULL},
    {"dequantise", PYR_SETTING_BOOL, AT(dequantise), 0, 0, "true", NULL, NULL},
    {"classes", PYR_SETTING_BOOL, AT(classes), 0, 0, "false", NULL, NULL},
    {"solver", PYR_SETTING_CHOICE, AT(plan.solver), 0, 0, "rk45", pyr_likelihood_solver_names, NULL},
    {"rtol", PYR_SETTING_REAL, AT(plan.rtol), 0, 1, "1e-3", NULL, NULL},
    {"atol", PYR_SETTING_REAL, AT(plan.atol), 0, 1, "1e-3", NULL, NULL},
    {"steps", PYR_SETTING_INT, AT(plan.steps), 1, PYR_MAX_STEPS, "100", NULL, NULL},
    {"probe", PYR_SETTING_CHOICE, AT(plan.probe), 0, 0, "rademacher", pyr_probe_names, NULL},
    {"probes", PYR_SETTING_INT, AT(plan.probes), 1, PYR_MAX_PROBES, "1", NULL, NULL},
    {"bound-steps", PYR_SETTING_INT, AT(plan.bound_steps), 1, PYR_MAX_STEPS, "1000", NULL, NULL},
    {"bound-terms", PYR_SETTING_INT, AT(plan.bound_terms), 0, PYR_MAX_STEPS, "50", NULL, NULL},
};

/* The call at work. */
typedef struct work {
    likelihood_choice choice;
    pyr_likelihood_job job;
    pyr_call *call;
    double start;
} work;

static void report(void *ctx, int done)
{
    work *w = ctx;

    pyr_call_images(w->call, done, w->job.n, done / (pyr_now() - w->start));
}

static pyr_status fill_job(work *w, const pyr_model *model, const pyr_dataset *data)
{
    const likelihood_choice *c = &w->choice;
    pyr_split split = c->split ? PYR_SPLIT_TRAIN : PYR_SPLIT_HELD_OUT;
    int64_t count = pyr_dataset_count(data, split);

    PYR_TRY(pyr_check_data_shape(data, "the data set", pyr_model_image(model, 0)));
    w->job = (pyr_likelihood_job){.model = model,
                                  .data = data,
                                  .split = split,
                                  .n = c->count < count ? c->count : (int)count,
                                  .seed = (uint64_t)c->seed,
                                  .dequantise = c->dequantise,
                                  .classes = c->classes,
                                  .plan = c->plan,
                                  .on_progress = report,
                                  .ctx = w};
    return pyr_likelihood_check(&w->job, "the data set");
}

/* ---- figures ------------------------------------------------------------------------------------ */

static pyr_status add(pyrdiff_result *r, const char *metric, const char *title, int level, pyr_mean mean,
                      int images)
{
    return pyr_result_add(r, &(pyrdiff_figure){.metric = metric,
                                               .title = title,
                                               .level = level,
                                               .value = mean.mean,
                                               .deviation = mean.error,
                                               .images = images});
}

static pyr_status add_all(pyrdiff_result *r, const work *w, const pyr_run_likelihood *l)
{
    bool bound = w->job.plan.bound_terms > 0, bits = isfinite(l->bits_per_dim.mean);
    const char *title = l->exact ? "log-likelihood, nats an image" : "code log-likelihood, nats an image";

    for (int i = l->levels - 1; i >= 0; i--) {
        const pyr_level_likelihood *level = &l->level[i];

        if (!pyr_model_has(w->job.model, i))
            continue;
        PYR_TRY(add(r, "log_p", "log p, nats an image", i, level->log_p, l->images));
        PYR_TRY(add(r, "bits_per_number", "bits a number", i, level->bits, l->images));
        if (bound)
            PYR_TRY(add(r, "log_p_bound", "lower bound of log p", i, level->bound, l->images));
        PYR_TRY(add(r, "nfe", "evaluations", i, (pyr_mean){level->nfe, (double)NAN}, l->images));
    }
    PYR_TRY(add(r, "log_p", title, -1, l->log_p, l->images));
    if (bound)
        PYR_TRY(add(r, "log_p_bound", "lower bound of log p", -1, l->log_p_bound, l->images));
    if (bits)
        PYR_TRY(add(r, "bits_per_dim", "bits/dim", -1, l->bits_per_dim, l->images));
    if (bits && bound)
        PYR_TRY(add(r, "bits_per_dim_bound", "upper bound of bits/dim", -1, l->bpd_bound, l->images));
    return PYR_OK;
}

static pyr_status write_down(pyrdiff_result *r, const work *w, const pyr_run_likelihood *l)
{
    pyr_json json = {.indent = 2};
    pyr_status status;

    PYR_TRY(add_all(r, w, l));
    pyr_text_add(&r->set, "%d %s images, %d bits\n", l->images, split_words[w->choice.split], l->bits);
    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "kind", l->exact ? "log-likelihood" : "code log-likelihood");
    pyr_json_int(&json, "images", l->images);
    pyr_json_open(&json, "figures", '[');
    for (int i = 0; i < r->n; i++) {
        pyr_json_open(&json, NULL, '{');
        pyr_json_string(&json, "metric", r->figure[i].metric);
        if (r->figure[i].level >= 0)
            pyr_json_int(&json, "level", r->figure[i].level);
        pyr_json_real(&json, "value", r->figure[i].value);
        pyr_json_real(&json, "standard_error", r->figure[i].deviation);
        pyr_json_close(&json, '}');
    }
    pyr_json_close(&json, ']');
    status = pyr_result_json(r, &json);
    pyr_text_free(&json.text);
    return status;
}

static pyr_status likelihood(work *w, pyrdiff_result **out, const pyrdiff_model *model,
                             const pyrdiff_data *data, const char *const *options)
{
    pyr_run_likelihood l;
    pyr_status status;

    PYR_TRY(pyr_choices_read(&w->choice, rows, sizeof rows / sizeof *rows, options));
    if (!model->run)
        return pyr_fail(PYR_E_UNSUPPORTED, "the likelihood is that of a run, %s is a pipeline", model->path);
    if (!data->set)
        return pyr_fail(PYR_E_ARG, "the likelihood is of a data set, not of pictures");
    PYR_TRY(fill_job(w, model->run, data->set));
    w->start = pyr_now();
    PYR_TRY(pyr_likelihood_run(&l, &w->job));
    PYR_TRY(pyr_result_new(out));
    status = write_down(*out, w, &l);
    if (status != PYR_OK) {
        pyrdiff_result_free(*out);
        *out = NULL;
    }
    return status;
}

int pyrdiff_likelihood(pyrdiff_result **out, pyrdiff_model *model, const pyrdiff_data *data,
                       const char *const *options, pyrdiff_callback callback, void *ctx)
{
    pyr_call call;
    work w = {.call = &call};

    *out = NULL;
    pyr_call_begin(&call, callback, ctx);
    return pyr_call_end(&call, likelihood(&w, out, model, data, options));
}
