/* cmd_likelihood.c - pyrdiff likelihood */
#include "cascade/image_likelihood.h"

#include "base/json.h"
#include "base/mem.h"
#include "cascade/one_level.h"
#include "cascade/plain_sampling.h"
#include "cli/cli.h"
#include "cli/likelihood/anomalies.h"
#include "cli/machine.h"
#include "cli/open_data.h"
#include "cli/typed_settings.h"
#include "terminal/output.h"
#include "terminal/progress.h"
#include "terminal/signals.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static const char *const split_words[] = {"held-out", "train", NULL};

typedef struct typed {
    const char *network, *json;
    pyr_anomalies anomalies; /* what was typed of it */
    int level, split, count;
    pyr_likelihood_plan plan;
    int64_t seed;
    bool dequantise, classes;
    pyr_machine machine;
} typed;

/* The state of the command. */
typedef struct work {
    const typed *typed;
    pyr_config config;
    pyr_dataset *data;
    pyr_model *model;
    pyr_likelihood_job job;
    double *each;   /* log p of each image */
    int64_t *which; /* their places */
    pyr_anomalies anomalies;
    double start, seconds;
    pyr_bar bar;
} work;

static void show_progress(void *ctx, int done)
{
    work *w = ctx;

    pyr_bar_sampling(&w->bar, done, w->job.n, done / (pyr_now() - w->start));
}

/* ---- what defines the number ------------------------------------------------------------------- */

static void print_images(const work *w)
{
    const pyr_likelihood_job *job = &w->job;
    pyr_dataset_shape s = pyr_dataset_shape_of(w->data);

    pyr_print("%s [weights %016" PRIx64 "] on %d %s images of %s [%016" PRIx64 "], %dx%dx%d\n",
              w->typed->network, w->model->hash, job->n, split_words[job->split == PYR_SPLIT_TRAIN],
              w->config.data.set.path, pyr_dataset_fingerprint(w->data), s.h, s.w, s.c);
    pyr_print("range           [-1, 1], %d bits%s\n", s.bits,
              job->dequantise ? "" : ", not dequantised: the samples as they are");
    if (job->dequantise)
        pyr_print("dequantisation  U(-2^-%d, 2^-%d) added before analysis, seed %" PRId64 "\n", s.bits,
                  s.bits, w->typed->seed);
}

static void print_method(const work *w)
{
    const pyr_likelihood_plan *p = &w->job.plan;

    if (p->solver == PYR_LIKELIHOOD_RK45)
        pyr_print(
            "solver          probability-flow ODE in log sigma by rk45, tolerance %g relative, %g absolute\n",
            p->rtol, p->atol);
    else
        pyr_print("solver          probability-flow ODE in log sigma by heun, %d steps\n", p->steps);
    pyr_print("trace           Hutchinson, %d %s probe%s an image\n", p->probes, pyr_probe_names[p->probe],
              p->probes > 1 ? "s" : "");
    if (p->bound_terms)
        pyr_print("bound           variational, %d steps, %d of its terms evaluated\n", p->bound_steps,
                  p->bound_terms);
    if (w->model->classes)
        pyr_print("classes         %s\n", w->job.classes ? "each image with its own" : "none given");
}

/* ---- the number -------------------------------------------------------------------------------- */

/* "-123.4 +- 1.2" */
static void mean_text(char text[64], pyr_mean m, int digits)
{
    if (isfinite(m.error))
        snprintf(text, 64, "%.*f +- %.*f", digits, m.mean, digits, m.error);
    else
        snprintf(text, 64, "%.*f", digits, m.mean);
}

static void print_level(const work *w, const pyr_run_likelihood *r, int level)
{
    const pyr_level_likelihood *l = &r->level[level];
    const pyr_pyramid *p = w->model->pyramid;
    pyr_shape s = pyr_pyramid_variable_shape(p, level);
    char nats[64], bits[64], bound[64] = "";

    mean_text(nats, l->log_p, 2);
    mean_text(bits, l->bits, 4);
    pyr_print(
        "level %-2d        %dx%dx%d, sigma %g..%g of a deviation of %.4g, prior N(0, %.6g^2): %s nats, %s "
        "bits a number",
        level, s.h, s.w, s.c, l->sigma_min, l->sigma_max, l->deviation, l->prior, nats, bits);
    mean_text(bound, l->bound, 2);
    if (w->job.plan.bound_terms)
        pyr_print(", bound %s nats", bound);
    pyr_print("; NFE %.1f (%d..%d)\n", l->nfe, l->nfe_least, l->nfe_most);
}

/* One level of several: there is no total. */
static bool is_term(const pyr_run_likelihood *r)
{
    return r->only >= 0 && r->levels > 1;
}

/* "-123.4 +- 1.2 nats, bound -125.0 +- 1.3" */
static void print_mean(const work *w, pyr_mean m, const char *unit, pyr_mean bound, int digits)
{
    char text[64];

    mean_text(text, m, digits);
    pyr_print("%s%s", text, unit);
    mean_text(text, bound, digits);
    if (w->job.plan.bound_terms)
        pyr_print(", bound %s", text);
}

static void print_total(const work *w, const pyr_run_likelihood *r)
{
    if (is_term(r)) {
        pyr_print("log p of level %d  ", r->only);
        print_mean(w, r->log_p, " nats an image", r->log_p_bound, 2);
        pyr_print("\n    its own term of the sum over the levels (%s)\n",
                  r->only == r->levels - 1                     ? "the coarsest image"
                  : w->model->level[r->only].level.condition.c ? "given the real coarser image"
                                                               : "without a condition");
        return;
    }
    pyr_print("%slog-likelihood  ", r->exact ? "" : "code ");
    print_mean(w, r->log_p, " nats an image", r->log_p_bound, 2);
    pyr_print("\n");
    if (!r->exact)
        pyr_print(
            "    sum of log p(r_i | l_i) over the levels of the filter %s, smoothed at sigma_min: not a "
            "likelihood of images; it compares only between models of one filter and sigma_min\n",
            pyr_filter_names[pyr_pyramid_get(w->model->pyramid)->filter]);
    else if (w->job.dequantise) {
        pyr_print("bits/dim        ");
        print_mean(w, r->bits_per_dim, "", r->bpd_bound, 4);
        pyr_print("\n");
    }
}

static void json_mean(pyr_json *json, const char *key, pyr_mean m)
{
    pyr_json_open(json, key, '{');
    pyr_json_real(json, "mean", m.mean);
    pyr_json_real(json, "standard_error", m.error);
    pyr_json_close(json, '}');
}

static void json_method(const work *w, pyr_json *json)
{
    const pyr_likelihood_plan *p = &w->job.plan;

    pyr_json_string(json, "solver", pyr_likelihood_solver_names[p->solver]);
    if (p->solver == PYR_LIKELIHOOD_RK45) {
        pyr_json_real(json, "rtol", p->rtol);
        pyr_json_real(json, "atol", p->atol);
    } else
        pyr_json_int(json, "steps", p->steps);
    pyr_json_string(json, "probe", pyr_probe_names[p->probe]);
    pyr_json_int(json, "probes", p->probes);
    pyr_json_int(json, "bound_steps", p->bound_terms ? p->bound_steps : 0);
    pyr_json_int(json, "bound_terms", p->bound_terms);
    pyr_json_bool(json, "classes", w->job.classes);
}

static void json_level(const work *w, const pyr_level_likelihood *l, int level, pyr_json *json)
{
    pyr_json_open(json, NULL, '{');
    pyr_json_int(json, "level", level);
    pyr_json_int(json, "numbers", l->numbers);
    pyr_json_real(json, "sigma_min", l->sigma_min);
    pyr_json_real(json, "sigma_max", l->sigma_max);
    pyr_json_real(json, "deviation", l->deviation);
    pyr_json_real(json, "prior_deviation", l->prior);
    json_mean(json, "log_p", l->log_p);
    json_mean(json, "bits_per_number", l->bits);
    if (w->job.plan.bound_terms)
        json_mean(json, "bound", l->bound);
    pyr_json_real(json, "nfe", l->nfe);
    pyr_json_int(json, "nfe_least", l->nfe_least);
    pyr_json_int(json, "nfe_most", l->nfe_most);
    pyr_json_close(json, '}');
}

/* The images' places in the split, and their log p. */
static void json_each(const work *w, pyr_json *json)
{
    pyr_json_open(json, "each", '[');
    for (int i = 0; i < w->job.n; i++) {
        pyr_json_open(json, NULL, '{');
        pyr_json_int(json, "image", w->which[i]);
        pyr_json_real(json, "log_p", w->each[i]);
        pyr_json_close(json, '}');
    }
    pyr_json_close(json, ']');
}

static pyr_status write_json(const work *w, const pyr_run_likelihood *r)
{
    pyr_json json = {.indent = 2};
    const char *filter = pyr_filter_names[pyr_pyramid_get(w->model->pyramid)->filter];
    bool bound = w->job.plan.bound_terms > 0, bits = r->exact && !is_term(r) && w->job.dequantise;
    char weights[32];

    snprintf(weights, sizeof weights, "%016" PRIx64, w->model->hash);
    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "network", w->typed->network);
    pyr_json_string(&json, "weights", weights);
    pyr_json_string(&json, "data", w->config.data.set.path);
    pyr_json_string(&json, "split", split_words[w->job.split == PYR_SPLIT_TRAIN]);
    pyr_json_int(&json, "images", r->images);
    pyr_json_int(&json, "numbers", r->numbers);
    pyr_json_int(&json, "bits", r->bits);
    pyr_json_bool(&json, "dequantised", w->job.dequantise);
    pyr_json_int(&json, "seed", w->typed->seed);
    pyr_json_string(&json, "filter", r->levels > 1 ? filter : NULL);
    json_method(w, &json);
    pyr_json_string(&json, "kind",
                    is_term(r) ? "log p of one level"
                    : r->exact ? "log-likelihood"
                               : "code log-likelihood");
    if (r->only >= 0)
        pyr_json_int(&json, "level", r->only);
    json_mean(&json, "log_p", r->log_p);
    if (bound)
        json_mean(&json, "log_p_bound", r->log_p_bound);
    if (bits)
        json_mean(&json, "bits_per_dim", r->bits_per_dim);
    if (bits && bound)
        json_mean(&json, "bits_per_dim_bound", r->bpd_bound);
    pyr_json_real(&json, "seconds", w->seconds);
    json_each(w, &json);
    if (*w->anomalies.against)
        pyr_anomalies_json(&w->anomalies, &json);
    pyr_json_open(&json, "levels", '[');
    for (int i = r->levels - 1; i >= 0; i--)
        if (pyr_model_has(w->model, i))
            json_level(w, &r->level[i], i, &json);
    pyr_json_close(&json, ']');
    pyr_json_close(&json, '}');
    return pyr_json_save(&json, w->typed->json);
}

/* ---- the command ------------------------------------------------------------------------------- */

static pyr_status fill_job(work *w)
{
    const typed *t = w->typed;
    pyr_split split = t->split ? PYR_SPLIT_TRAIN : PYR_SPLIT_HELD_OUT;
    int64_t count = pyr_dataset_count(w->data, split);

    w->job = (pyr_likelihood_job){.model = w->model,
                                  .data = w->data,
                                  .split = split,
                                  .n = t->count < count ? t->count : (int)count,
                                  .seed = (uint64_t)t->seed,
                                  .dequantise = t->dequantise,
                                  .classes = t->classes,
                                  .plan = t->plan,
                                  .on_progress = show_progress,
                                  .ctx = w};
    PYR_TRY(pyr_new(&w->each, (size_t)w->job.n + 1, sizeof *w->each, "likelihoods"));
    PYR_TRY(pyr_new(&w->which, (size_t)w->job.n + 1, sizeof *w->which, "likelihoods"));
    w->job.each = w->each;
    w->job.which = w->which;
    return pyr_likelihood_check(&w->job, w->config.data.set.path);
}

static pyr_status run_likelihood(void *at, pyr_parsed *parsed)
{
    typed *t = at;
    work w = {.typed = t, .bar = pyr_bar_new()};
    pyr_run_likelihood result;
    pyr_settings *settings = NULL;
    pyr_kernels *k = NULL;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_output_possible(t->json));
    PYR_TRY(pyr_output_possible(t->anomalies.plot));
    if (!*t->anomalies.against && (*t->anomalies.background || *t->anomalies.plot))
        return pyr_fail(PYR_E_ARG,
                        "--background and --plot are of --against PATH: add it, or leave them out");
    if (*t->anomalies.against && t->classes)
        return pyr_fail(PYR_E_ARG,
                        "the images of --against have no class of the run's: leave out --classes, or the "
                        "two sets are not measured alike");
    w.anomalies = t->anomalies;
    if (!pyr_option_given(parsed, "precision"))
        t->machine.precision = "f32"; /* bf16's rounding is noise in the trace */
    PYR_TRY_OUT(pyr_run_settings_typed(&settings, &w.config, t->network, parsed));
    PYR_TRY_OUT(pyr_check_level(&w.config, t->level));
    pyr_plain_sampling(&w.config);
    PYR_TRY_OUT(pyr_open_machine(&k, &t->machine, false));
    PYR_TRY_OUT(pyr_model_open_level(&w.model, k, t->network, NULL, &w.config, t->level));
    PYR_TRY_OUT(pyr_open_data(&w.data, &w.config.data.set, &w.bar));
    PYR_TRY_OUT(pyr_check_data_shape(w.data, w.config.data.set.path, pyr_model_image(w.model, 0)));
    PYR_TRY_OUT(fill_job(&w));
    if (!w.config.data.dequantise && t->dequantise)
        pyr_bar_line(&w.bar,
                     "note: the run was trained on images that were not dequantised (data.dequantise), so "
                     "its likelihood will be low at the finest noise levels");
    pyr_stop_on_signals();
    w.start = pyr_now();
    PYR_TRY_OUT(pyr_likelihood_run(&result, &w.job));
    w.seconds = pyr_now() - w.start;
    pyr_bar_line(&w.bar, "%d images in %.1f s, peak memory %.1f MiB", w.job.n, w.seconds,
                 pyr_peak_memory_mib());
    print_images(&w);
    print_method(&w);
    for (int i = result.levels - 1; i >= 0; i--)
        if (pyr_model_has(w.model, i))
            print_level(&w, &result, i);
    print_total(&w, &result);
    if (*t->anomalies.against) {
        PYR_TRY_OUT(pyr_anomalies_find(&w.anomalies, &w.job, &w.config, w.each, &w.bar));
        pyr_anomalies_print(&w.anomalies);
        PYR_TRY_OUT(pyr_anomalies_plot(&w.anomalies));
    }
    if (*t->json)
        PYR_TRY_OUT(write_json(&w, &result));
out:
    pyr_bar_end(&w.bar);
    if (status == PYR_E_STOPPED)
        status = pyr_fail(PYR_E_STOPPED, "stopped: there is no result");
    pyr_anomalies_free(&w.anomalies);
    pyr_free(w.each);
    pyr_free(w.which);
    pyr_dataset_free(w.data);
    pyr_model_free(w.model);
    pyr_kernels_free(k);
    pyr_settings_free(settings);
    return status;
}

static const pyr_option options[] = {
    OPT_NETWORK(typed, network),
    OPT_LEVEL(typed, level, "all levels",
              "compute the term of this level only; 0 is the finest; the other levels need not be trained"),
    OPT_SETTING("data", "PATH", "data.path", "data set; without it, that of the run"),
    OPT_CHOICE(typed, split, "split", "PART", "held-out", split_words, "which images of the data set"),
    OPT_INT(typed, count, "count", "N", "256", 1, 1e9,
            "number of images, evenly spaced over that part of the data set"),
    OPT_CHOICE(typed, plan.solver, "solver", "NAME", "rk45", pyr_likelihood_solver_names,
               "solver of the ODE: rk45 adapts its steps to each image, heun takes --steps"),
    OPT_REAL(typed, plan.rtol, "rtol", "T", "1e-3", 0, 1, "rk45: relative tolerance of a step"),
    OPT_REAL(typed, plan.atol, "atol", "T", "1e-3", 0, 1,
             "rk45: absolute tolerance of a step, for x and for nats per number"),
    OPT_INT(typed, plan.steps, "steps", "N", "100", 1, PYR_MAX_STEPS,
            "heun: number of steps, of two evaluations each"),
    OPT_CHOICE(typed, plan.probe, "probe", "KIND", "rademacher", pyr_probe_names,
               "distribution of the probes: rademacher (-1 or 1) or gaussian"),
    OPT_INT(typed, plan.probes, "probes", "N", "1", 1, PYR_MAX_PROBES,
            "probes of each image, kept along its path"),
    OPT_INT(typed, plan.bound_steps, "bound-steps", "T", "1000", 1, PYR_MAX_STEPS,
            "steps of the discrete-time model whose variational bound is computed"),
    OPT_INT(typed, plan.bound_terms, "bound-terms", "N", "50", 0, PYR_MAX_STEPS,
            "terms of the bound that are evaluated, evenly spaced; 0: no bound"),
    OPT_SETTING(
        "sigma-min", "S", "level.sampler.sigma_min",
        "smallest noise level, where the ODE starts, in standard deviations of the level; without it, as "
        "the run is configured"),
    OPT_SETTING("sigma-max", "S", "level.sampler.sigma_max",
                "largest noise level, where the ODE ends; without it, as the run is configured"),
    OPT_SWITCH(
        typed, dequantise, "dequantise",
        "dequantise: spread integer values evenly over their cells; --no-dequantise gives no bits/dim"),
    OPT_FLAG(typed, classes, "classes", "for a class-conditional run: condition on the class of each image"),
    OPT_COUNT(typed, seed, "seed", "N", "0", 0, 9e15,
              "seed of dequantisation, probes and the noise of the bound"),
    OPT_TEXT(typed, json, "json", "FILE", "", "write all figures as JSON, log p of each image among them"),
    OPT_TEXT(
        typed, anomalies.against, "against", "PATH", "",
        "other images, as many, brought to the run's size: how well p(x) tells the two sets apart (ROC)"),
    OPT_TEXT(typed, anomalies.background, "background", "RUN", "",
             "with --against: also by the ratio of p(x) to that of this run"),
    OPT_TEXT(typed, anomalies.plot, "plot", "FILE", "", "with --against: write the curves as SVG"),
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_likelihood = {
    .name = "likelihood",
    .title = "bits/dim of images under a trained run, per level and in total",
    .summary =
        "How probable a trained run says that images are: bits/dim with its standard error, per level and "
        "in total, by the probability-flow ODE and a variational bound. A pyramid of bands (pyrdiff "
        "info --list filters) and a single resolution have the likelihood of images; other filters have that of "
        "their code. Computed in f32 unless --precision says otherwise.",
    .examples =
        "  pyrdiff likelihood --network runs/fashion-mnist-haar --count 1000\n"
        "  pyrdiff likelihood --network runs/fashion-mnist-haar --probes 4 --rtol 1e-5 --json FILE\n"
        "  pyrdiff likelihood --network runs/fashion-mnist --level 1\n"
        "  pyrdiff likelihood --network runs/fashion-mnist-haar --against digits --background runs/noise --plot roc.svg\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = run_likelihood,
};
