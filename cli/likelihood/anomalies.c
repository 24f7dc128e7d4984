/* anomalies.c - log-likelihoods of a second data set, ratios to a second run, and the curves that follow. */
#include "cli/likelihood/anomalies.h"

#include "base/atomic_file.h"
#include "base/mem.h"
#include "cascade/one_level.h"
#include "cascade/plain_sampling.h"
#include "cli/open_data.h"
#include "plots/svg.h"
#include "terminal/output.h"

/* All images of another folder, as the run reads its own. */
static pyr_status open_against(pyr_dataset **out, const pyr_anomalies *a, const pyr_model *m,
                               const pyr_config *config, pyr_bar *bar)
{
    pyr_shape s = pyr_model_image(m, 0);
    pyr_data_settings set = config->data.set;

    set.path = a->against;
    set.split = "all";
    set.held_out = 0;
    set.channels = s.c;
    set.resize_h = s.h;
    set.resize_w = s.w;
    set.crop = true;
    PYR_TRY(pyr_open_data(out, &set, bar));
    return pyr_check_data_shape(*out, a->against, s);
}

/* log p of the job's images, on another model or other data. */
static pyr_status likelihoods(double **out, const pyr_likelihood_job *like, const pyr_model *model,
                              const pyr_dataset *data, pyr_split split, int n, pyr_mean *mean)
{
    pyr_likelihood_job job = *like;
    pyr_run_likelihood result;

    job.model = model;
    job.data = data;
    job.split = split;
    job.n = n;
    job.which = NULL;
    job.on_progress = NULL;
    job.plan.bound_terms = 0;
    if (!model->class_list.n || data != like->data)
        job.classes = false;
    PYR_TRY(pyr_new(out, (size_t)n, sizeof **out, "likelihoods"));
    job.each = *out;
    PYR_TRY(pyr_likelihood_check(&job, "the images"));
    PYR_TRY(pyr_likelihood_run(&result, &job));
    *mean = result.log_p;
    return PYR_OK;
}

static pyr_status tell_apart(pyr_told_apart *t, int n_in, int n_out)
{
    PYR_TRY(pyr_new(&t->curve, (size_t)(n_in + n_out) + 1, sizeof *t->curve, "a curve"));
    return pyr_roc(t->curve, &t->points, &t->area, t->in, (size_t)n_in, t->out, (size_t)n_out);
}

/* scores -= those of the background. */
static void subtract(double *ratio, const double *p, const double *background, int n)
{
    for (int i = 0; i < n; i++)
        ratio[i] = p[i] - background[i];
}

static pyr_status by_ratio(pyr_anomalies *a, const pyr_likelihood_job *job, const pyr_dataset *against)
{
    pyr_settings *settings = NULL;
    pyr_model *model = NULL;
    pyr_config config;
    pyr_mean unused;
    pyr_status status;

    PYR_TRY_OUT(pyr_run_settings(&settings, a->background));
    PYR_TRY_OUT(pyr_config_get(&config, settings));
    pyr_plain_sampling(&config);
    PYR_TRY_OUT(pyr_model_open(&model, job->model->k, a->background, &config));
    PYR_TRY_OUT(pyr_check_data_shape(job->data, "the data", pyr_model_image(model, 0)));
    PYR_TRY_OUT(likelihoods(&a->by_ratio.in, job, model, job->data, job->split, a->n_in, &unused));
    PYR_TRY_OUT(likelihoods(&a->by_ratio.out, job, model, against, PYR_SPLIT_TRAIN, a->n_out, &unused));
    subtract(a->by_ratio.in, a->by_p.in, a->by_ratio.in, a->n_in);
    subtract(a->by_ratio.out, a->by_p.out, a->by_ratio.out, a->n_out);
    PYR_TRY_OUT(tell_apart(&a->by_ratio, a->n_in, a->n_out));
out:
    pyr_model_free(model);
    pyr_settings_free(settings);
    return status;
}

pyr_status pyr_anomalies_find(pyr_anomalies *a, const pyr_likelihood_job *job, const pyr_config *config,
                              const double *in, pyr_bar *bar)
{
    pyr_dataset *against = NULL;
    int64_t count;
    pyr_status status;

    PYR_TRY_OUT(open_against(&against, a, job->model, config, bar));
    count = pyr_dataset_count(against, PYR_SPLIT_TRAIN);
    a->n_in = job->n;
    a->n_out = job->n < count ? job->n : (int)count;
    PYR_TRY_OUT(pyr_new(&a->by_p.in, (size_t)a->n_in, sizeof *a->by_p.in, "likelihoods"));
    for (int i = 0; i < a->n_in; i++)
        a->by_p.in[i] = in[i];
    PYR_TRY_OUT(likelihoods(&a->by_p.out, job, job->model, against, PYR_SPLIT_TRAIN, a->n_out, &a->log_p));
    PYR_TRY_OUT(tell_apart(&a->by_p, a->n_in, a->n_out));
    if (*a->background)
        PYR_TRY_OUT(by_ratio(a, job, against));
out:
    pyr_dataset_free(against);
    return status;
}

static void free_scores(pyr_told_apart *t)
{
    pyr_free(t->in);
    pyr_free(t->out);
    pyr_free(t->curve);
}

void pyr_anomalies_free(pyr_anomalies *a)
{
    free_scores(&a->by_p);
    free_scores(&a->by_ratio);
}

/* ---- what is written ----------------------------------------------------------------------------- */

void pyr_anomalies_print(const pyr_anomalies *a)
{
    pyr_print("against         %d images of %s: %.2f +- %.2f nats an image\n", a->n_out, a->against,
              a->log_p.mean, a->log_p.error);
    pyr_print("ROC             area %.4f: so often the data's image of a pair has the larger p(x)\n",
              a->by_p.area);
    if (*a->background)
        pyr_print("                area %.4f by the ratio p(x) / p_background(x), background %s\n",
                  a->by_ratio.area, a->background);
}

static void json_reals(pyr_json *json, const char *key, const double *x, int n)
{
    pyr_json_open(json, key, '[');
    for (int i = 0; i < n; i++)
        pyr_json_real(json, NULL, x[i]);
    pyr_json_close(json, ']');
}

static void json_curve(const pyr_told_apart *t, const char *key, pyr_json *json)
{
    pyr_json_open(json, key, '{');
    pyr_json_real(json, "area", t->area);
    pyr_json_open(json, "false_positive", '[');
    for (size_t i = 0; i < t->points; i++)
        pyr_json_real(json, NULL, t->curve[i].outliers);
    pyr_json_close(json, ']');
    pyr_json_open(json, "true_positive", '[');
    for (size_t i = 0; i < t->points; i++)
        pyr_json_real(json, NULL, t->curve[i].inliers);
    pyr_json_close(json, ']');
    pyr_json_close(json, '}');
}

void pyr_anomalies_json(const pyr_anomalies *a, pyr_json *json)
{
    pyr_json_open(json, "against", '{');
    pyr_json_string(json, "data", a->against);
    pyr_json_int(json, "images", a->n_out);
    pyr_json_open(json, "log_p", '{');
    pyr_json_real(json, "mean", a->log_p.mean);
    pyr_json_real(json, "standard_error", a->log_p.error);
    pyr_json_close(json, '}');
    json_reals(json, "each", a->by_p.out, a->n_out);
    pyr_json_close(json, '}');
    pyr_json_open(json, "roc", '{');
    json_curve(&a->by_p, "log_p", json);
    if (*a->background) {
        pyr_json_string(json, "background", a->background);
        json_curve(&a->by_ratio, "log_ratio", json);
    }
    pyr_json_close(json, '}');
}

/* A curve's coordinates, behind each other. */
static pyr_status coordinates(double **out, const pyr_told_apart *t)
{
    PYR_TRY(pyr_new(out, 2 * t->points, sizeof **out, "a curve"));
    for (size_t i = 0; i < t->points; i++) {
        (*out)[i] = t->curve[i].outliers;
        (*out)[t->points + i] = t->curve[i].inliers;
    }
    return PYR_OK;
}

pyr_status pyr_anomalies_plot(const pyr_anomalies *a)
{
    const pyr_told_apart *both[2] = {&a->by_p, &a->by_ratio};
    static const double diagonal[2] = {0, 1};
    pyr_series series[3] = {{.name = "by chance",
                             .n = 2,
                             .x = diagonal,
                             .y = diagonal,
                             .colour = 6,
                             .dash = 1,
                             .marker = -1,
                             .thin = true}};
    pyr_plot plot = {.title = "How well the two data sets are told apart",
                     .x = {"share of the other data taken for the run's", PYR_SCALE_LINEAR},
                     .y = {"share of the run's data that is", PYR_SCALE_LINEAR},
                     .series = series,
                     .n_series = 1};
    double *at[2] = {NULL, NULL};
    pyr_text file = {0};
    pyr_status status = PYR_OK;

    if (!*a->plot)
        return PYR_OK;
    for (int i = 0; i < 2 && both[i]->curve; i++) {
        PYR_TRY_OUT(coordinates(&at[i], both[i]));
        series[plot.n_series++] = (pyr_series){.name = i ? "p(x) / p_background(x)" : "p(x)",
                                               .n = both[i]->points,
                                               .x = at[i],
                                               .y = at[i] + both[i]->points,
                                               .colour = i,
                                               .marker = -1};
    }
    pyr_svg_plot(&file, &plot);
    status = pyr_text_save(&file, a->plot);
out:
    pyr_free(at[0]);
    pyr_free(at[1]);
    pyr_text_free(&file);
    return status;
}
