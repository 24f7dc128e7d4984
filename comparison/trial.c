/* trial.c - trains, samples and evaluates one kind of model, in a process of its own, and keeps the figures. */
#include "comparison/trial.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/shown.h"
#include "base/stop.h"
#include "comparison/child.h"
#include "pictures/grid.h"
#include "training/train_log.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

pyr_status pyr_trial_folder(char **out, const pyr_trial *trial)
{
    const char *outdir = trial->job->outdir, *name = pyr_variant_names[trial->variant];

    return trial->fraction < 1
               ? pyr_format(out, "%s/%s-%" PRId64 "-at-%g", outdir, name, trial->seed, trial->fraction)
               : pyr_format(out, "%s/%s-%" PRId64, outdir, name, trial->seed);
}

static pyr_status path_in(char **out, const pyr_trial *trial, const char *name)
{
    char *folder;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_trial_folder(&folder, trial));
    status = pyr_path_new(out, folder, name);
    pyr_free(folder);
    return status;
}

/* The settings of a variant for one training; the caller frees them. */
static pyr_status settings_of(pyr_settings **out, const pyr_trial *trial)
{
    const pyr_compare_job *job = trial->job;
    double value = job->budget.value * trial->fraction;
    char text[64];
    pyr_status status;

    PYR_TRY(pyr_variant_settings(out, trial->variant, job->config, job->baseline));
    if (job->budget.flop)
        snprintf(text, sizeof text, "%.0f", fmax(ceil(pyr_images_of_flop(trial->plan, value)), 1));
    else
        snprintf(text, sizeof text, "%.17gs", value);
    PYR_TRY_OUT(pyr_settings_set(*out, "train.duration", text, "--budget"));
    snprintf(text, sizeof text, "%" PRId64, trial->seed);
    status = pyr_settings_set(*out, "train.seed", text, "--seeds-train");
out:
    if (status != PYR_OK) {
        pyr_settings_free(*out);
        *out = NULL;
    }
    return status;
}

static bool of_budget(void *arg, const pyr_section *section, const pyr_setting *row)
{
    (void)arg;
    return (strcmp(section->name, "train") == 0 && strcmp(row->key, "duration") == 0) ||
           (section->per_level && strcmp(row->key, "share") == 0);
}

pyr_status pyr_trial_check(const pyr_trial *trial)
{
    char *folder;
    pyr_settings *begun = NULL, *now = NULL;
    pyr_text text = {0};
    bool there;
    pyr_status status;

    PYR_TRY(pyr_trial_folder(&folder, trial));
    PYR_TRY_OUT(pyr_run_exists(&there, folder));
    if (!there)
        goto out;
    PYR_TRY_OUT(pyr_run_settings(&begun, folder));
    PYR_TRY_OUT(settings_of(&now, trial));
    pyr_shown_add(&text, "%s was begun with another budget (%s/pyrdiff.cfg -> now):\n", folder, folder);
    if (pyr_settings_compare(begun, now, trial->plan->levels, of_budget, NULL, &text)) {
        pyr_text_add(&text, "go on with the old one, or compare in another --outdir");
        status = text.failed ? pyr_fail(PYR_E_NOMEM, "out of memory: what differs from %s", folder)
                             : pyr_fail_lines(PYR_E_CONFIG, text.at);
    } else {
        pyr_data_config data;
        bool kept[PYR_MAX_LEVELS];

        pyr_settings_fill(now, "data", -1, &data);
        PYR_TRY_OUT(pyr_run_check(folder, now, -1));
        status = pyr_run_same_data(folder, trial->plan->levels, -1, data.set.path, trial->data, kept);
    }
out:
    pyr_text_free(&text);
    pyr_settings_free(begun);
    pyr_settings_free(now);
    pyr_free(folder);
    return status;
}

/* ---- what was done already --------------------------------------------------------------------- */

/* Of all that decides the figures. */
static pyr_status key_of(char key[32], const pyr_trial *trial, const pyr_settings *settings)
{
    const pyr_compare_job *job = trial->job;
    pyr_text text = {0};

    pyr_settings_write(settings, trial->plan->levels, &text);
    pyr_text_add(&text, "count %" PRId64 "\nbackend %s %s\n", job->count, job->backend ? job->backend : "",
                 job->precision ? job->precision : "");
    if (*job->of_class)
        pyr_text_add(&text, "class %s\n", job->of_class);
    for (int i = 0; i < trial->plan->levels; i++)
        pyr_text_add(&text, "steps %d\n", trial->plan->sampler[i].steps);
    pyr_text_add(&text, "judges %016" PRIx64 "\n", trial->judges);
    if (text.failed) {
        pyr_text_free(&text);
        return pyr_fail(PYR_E_NOMEM, "out of memory for the settings of a training");
    }
    snprintf(key, 32, "%016" PRIx64, pyr_hash(PYR_HASH_START, text.at, text.length));
    pyr_text_free(&text);
    return PYR_OK;
}

pyr_status pyr_trial_done(pyr_json_value **out, const pyr_trial *trial)
{
    pyr_settings *settings = NULL;
    const pyr_json_value *kept;
    char *path = NULL, key[32];
    bool there;
    pyr_status status;

    *out = NULL;
    PYR_TRY_OUT(settings_of(&settings, trial));
    PYR_TRY_OUT(key_of(key, trial, settings));
    PYR_TRY_OUT(path_in(&path, trial, "eval.json"));
    PYR_TRY_OUT(pyr_file_exists(&there, path));
    if (!there)
        goto out;
    status = pyr_json_read(out, path);
    if (status == PYR_E_FORMAT) { /* one that is damaged is made again */
        status = PYR_OK;
        goto out;
    }
    PYR_TRY_OUT(status);
    kept = pyr_json_member(*out, "key");
    if (!pyr_json_text(kept) || strcmp(pyr_json_text(kept), key) != 0) {
        pyr_json_free(*out);
        *out = NULL;
    }
out:
    pyr_settings_free(settings);
    pyr_free(path);
    return status;
}

/* ---- training ---------------------------------------------------------------------------------- */

/* A training in its child. */
typedef struct training {
    const pyr_trial *trial;
    bool trained; /* something was done: it was not finished before */
} training;

static void pass_line(void *ctx, const char *line)
{
    const training *t = ctx;

    t->trial->job->on_line(t->trial->job->ctx, line);
}

static void pass_level(void *ctx, const pyr_level_summary *level)
{
    training *t = ctx;

    t->trained = true;
    t->trial->job->on_level(t->trial->job->ctx, level);
}

static void pass_report(void *ctx, const pyr_level_report *report)
{
    const training *t = ctx;

    t->trial->job->on_report(t->trial->job->ctx, report);
}

/* Peak memory, which only the process that trained knows. */
static pyr_status write_peak(const pyr_trial *trial)
{
    pyr_json json = {0};
    char *path;
    pyr_status status;

    PYR_TRY(path_in(&path, trial, "train.json"));
    pyr_json_open(&json, NULL, '{');
    pyr_json_real(&json, "peak_mib", pyr_peak_memory_mib());
    pyr_json_seal(&json);
    pyr_json_close(&json, '}');
    status = pyr_text_save(&json.text, path);
    pyr_free(path);
    return status;
}

/* NaN: nobody measured it, or its file is damaged. */
static pyr_status read_peak(double *peak, const pyr_trial *trial)
{
    char *path;
    pyr_json_value *json = NULL;
    bool there;
    pyr_status status;

    PYR_TRY(path_in(&path, trial, "train.json"));
    status = pyr_file_exists(&there, path);
    if (status == PYR_OK && there)
        status = pyr_json_read(&json, path);
    *peak = pyr_json_number(pyr_json_member(json, "peak_mib"), (double)NAN);
    pyr_json_free(json);
    pyr_free(path);
    return status == PYR_E_FORMAT ? PYR_OK : status;
}

static pyr_status train_in_child(void *arg, void *result)
{
    const pyr_trial *trial = arg;
    training t = {.trial = trial};
    char *run;
    pyr_settings *settings = NULL;
    pyr_train_job job = {.level = -1,
                         .on_note = pass_line,
                         .on_level = pass_level,
                         .on_report = pass_report,
                         .should_stop = pyr_should_stop,
                         .ctx = &t};
    pyr_kernels *k = NULL;
    pyr_status status;

    (void)result;
    PYR_TRY(pyr_trial_folder(&run, trial));
    PYR_TRY_OUT(settings_of(&settings, trial));
    PYR_TRY_OUT(trial->job->open(trial->job->ctx, &k, true));
    job.k = k;
    job.run = run;
    job.settings = settings;
    PYR_TRY_OUT(pyr_train(&job));
    if (t.trained)
        status = write_peak(trial);
out:
    pyr_kernels_free(k);
    pyr_settings_free(settings);
    pyr_free(run);
    return status;
}

/* ---- what the training's log says ---------------------------------------------------------------- */

typedef struct log_facts {
    double images, seconds, held_out; /* NAN: not in the log */
} log_facts;

static double last_of(const double *numbers, size_t n)
{
    return n ? numbers[n - 1] : (double)NAN;
}

/* From the last lines of RUN/level-I/log.jsonl. */
static pyr_status read_log(log_facts *out, const pyr_trial *trial, int level)
{
    char *path, name[64];
    pyr_train_log log = {0};
    pyr_status status;

    snprintf(name, sizeof name, "level-%d/log.jsonl", level);
    PYR_TRY(path_in(&path, trial, name));
    status = pyr_train_log_read(&log, path);
    *out = (log_facts){last_of(log.images, log.n), last_of(log.seconds, log.n),
                       last_of(log.ema, log.n_held_out)};
    pyr_train_log_free(&log);
    pyr_free(path);
    return status;
}

/* ---- judging ----------------------------------------------------------------------------------- */

/* A judgement in its child. */
typedef struct judging {
    const pyr_trial *trial;
    char *run;
    pyr_own_network network; /* a classifier, where none is named */
    uint64_t weights;        /* hash of the model's */
    pyr_settings *settings;
    pyr_config config;
    pyr_kernels *k;
    pyr_dataset *data;
    pyr_image_set set;
    pyr_evaluation evaluation;
} judging;

static pyr_status draw(judging *j)
{
    const pyr_compare_job *job = j->trial->job;
    pyr_set_draw draw = {.k = j->k,
                         .name = j->run,
                         .config = &j->config,
                         .n = job->count,
                         .of_class = job->of_class,
                         .on_progress = job->on_progress,
                         .ctx = job->ctx};
    uint64_t *seeds = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&seeds, (size_t)job->count, sizeof *seeds, "seeds"));
    for (int64_t i = 0; i < job->count; i++)
        seeds[i] = (uint64_t)i;
    draw.seeds = seeds;
    PYR_TRY_OUT(pyr_model_open(&draw.model, j->k, j->run, &j->config));
    j->weights = draw.model->hash;
    status = pyr_image_set_draw(&j->set, &draw);
out:
    pyr_model_free(draw.model);
    pyr_free(seeds);
    return status;
}

/* RUN/samples/grid.png and levels.png, as pyrdiff sample makes them. */
static pyr_status write_grids(const judging *j)
{
    const pyr_image_set *set = &j->set;
    pyr_panel panel[PYR_MAX_LEVELS];
    char seeds[32], weights[32];
    pyr_png_text texts[] = {{"seeds", seeds}, {"hash", weights}};
    char *folder;
    pyr_status status;

    PYR_TRY(pyr_path_new(&folder, j->run, "samples"));
    snprintf(seeds, sizeof seeds, "0-%d", set->kept - 1);
    snprintf(weights, sizeof weights, "%016" PRIx64, j->weights);
    for (int i = 0; i < set->levels; i++) {
        pyr_shape s = set->shape[i];

        panel[set->levels - 1 - i] = (pyr_panel){set->first[i], set->kept, s.h, s.w, s.c};
    }
    PYR_TRY_OUT(pyr_open_output_folder(folder));
    status = pyr_grid_write_levels(folder, panel, set->levels, (pyr_grid_style){.zoom = 2}, texts, 2);
out:
    pyr_free(folder);
    return status;
}

static pyr_status evaluate(judging *j)
{
    const pyr_compare_job *with = j->trial->job;
    pyr_evaluate_job job = {.k = j->k,
                            .samples = &j->set,
                            .data = j->data,
                            .data_name = j->config.data.set.path,
                            .reference = pyr_dataset_count(j->data, PYR_SPLIT_HELD_OUT) ? PYR_SPLIT_HELD_OUT
                                                                                        : PYR_SPLIT_TRAIN,
                            .network = {with->network[0], with->network[1]},
                            .cache = with->cache,
                            .metrics = PYR_METRIC_ALL,
                            .on_note = with->on_line,
                            .ctx = with->ctx};

    if (!job.network[0] && !job.network[1]) {
        PYR_TRY(pyr_default_network(&j->network, j->k, j->data, with->cache, with->on_line, with->ctx));
        job.network[0] = j->network.path;
    }
    return pyr_evaluate(&j->evaluation, &job);
}

/* What was spent in training, and on what. */
static pyr_status put_training(const judging *j, pyr_json *json)
{
    const pyr_plan_facts *plan = j->trial->plan;
    double flop = 0, images = 0, seconds = 0, peak;
    log_facts log[PYR_MAX_LEVELS];

    for (int i = 0; i < plan->levels; i++) {
        PYR_TRY(read_log(&log[i], j->trial, i));
        flop += 3 * plan->flop[i] * log[i].images;
        images += log[i].images;
        seconds = plan->joint ? fmax(seconds, log[i].seconds) : seconds + log[i].seconds;
    }
    pyr_json_real(json, "train_flop", flop);
    pyr_json_real(json, "train_images", images);
    pyr_json_real(json, "train_s", seconds);
    pyr_json_real(json, "train_images_per_s", seconds > 0 ? images / seconds : (double)NAN);
    PYR_TRY(read_peak(&peak, j->trial));
    pyr_json_real(json, "peak_mib", peak);
    pyr_json_int(json, "parameters", plan->parameters);
    pyr_json_open(json, "held_out", '[');
    for (int i = plan->levels - 1; i >= 0; i--)
        pyr_json_real(json, NULL, log[i].held_out);
    pyr_json_close(json, ']');
    return PYR_OK;
}

static pyr_status write_figures(const judging *j)
{
    const pyr_trial *trial = j->trial;
    pyr_json json = {.indent = 2};
    char key[32], *path = NULL;
    double flop = 0;
    pyr_status status;

    for (int i = 0; i < j->set.levels; i++)
        flop += j->set.flop[i];
    PYR_TRY_OUT(path_in(&path, trial, "eval.json"));
    PYR_TRY_OUT(key_of(key, trial, j->settings));
    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "key", key);
    pyr_json_string(&json, "name", pyr_variant_names[trial->variant]);
    pyr_json_int(&json, "seed", trial->seed);
    pyr_json_real(&json, "fraction", trial->fraction);
    PYR_TRY_OUT(put_training(j, &json));
    pyr_json_real(&json, "sample_images_per_s", (double)j->set.n / j->set.seconds);
    /* evaluations of the finest level's network that cost as much */
    pyr_json_real(&json, "nfe_by_flop", flop * j->set.nfe[0] / j->set.flop[0]);
    pyr_evaluation_json(&j->evaluation, &j->set, &json);
    pyr_json_seal(&json);
    pyr_json_close(&json, '}');
    status = pyr_json_save(&json, path);
out:
    pyr_text_free(&json.text);
    pyr_free(path);
    return status;
}

static pyr_status judge_in_child(void *arg, void *result)
{
    const pyr_trial *trial = arg;
    judging j = {.trial = trial};
    pyr_status status;

    (void)result;
    PYR_TRY(pyr_trial_folder(&j.run, trial));
    PYR_TRY_OUT(settings_of(&j.settings, trial));
    PYR_TRY_OUT(pyr_config_get(&j.config, j.settings));
    for (int i = 0; i < trial->plan->levels; i++) /* at equal cost */
        j.config.level[i].sampler.steps = trial->plan->sampler[i].steps;
    PYR_TRY_OUT(trial->job->open(trial->job->ctx, &j.k, false));
    PYR_TRY_OUT(pyr_dataset_open(&j.data, &j.config.data.set));
    PYR_TRY_OUT(draw(&j));
    PYR_TRY_OUT(write_grids(&j));
    PYR_TRY_OUT(evaluate(&j));
    status = write_figures(&j);
out:
    pyr_evaluation_free(&j.evaluation);
    pyr_image_set_free(&j.set);
    pyr_dataset_free(j.data);
    pyr_kernels_free(j.k);
    pyr_settings_free(j.settings);
    pyr_own_network_free(&j.network);
    pyr_free(j.run);
    return status;
}

pyr_status pyr_trial_run(const pyr_trial *trial)
{
    PYR_TRY(pyr_run_child(train_in_child, (void *)(uintptr_t)trial, NULL, 0, pyr_stop_requested));
    return pyr_run_child(judge_in_child, (void *)(uintptr_t)trial, NULL, 0, pyr_stop_requested);
}
