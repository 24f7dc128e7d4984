/* compare.c - trainings one after the other at the same cost, and their table. */
#include "comparison/compare.h"
#include "comparison/compare_file.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/shown.h"
#include "base/stop.h"
#include "comparison/child.h"
#include "comparison/trial.h"
#include "training/trainer.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- planning ---------------------------------------------------------------------------------- */

/* A plan in its child. */
typedef struct planning {
    const pyr_compare_job *job;
    pyr_variant variant;
    bool measure; /* the first one: data, feature networks and speed, too */
} planning;

typedef struct planned {
    pyr_plan_facts facts;
    double flop_per_s;
    uint64_t judges, data;
} planned;

static void take_level(void *ctx, const pyr_level_summary *level)
{
    pyr_plan_facts *facts = ctx;

    facts->flop[level->facts.index] = level->memory.flop;
    if (facts->one_block)
        facts->parameters = level->block;
    else
        facts->parameters += (int64_t)level->memory.parameters;
}

/* Whether every level can draw what is asked for, as far as data and settings tell. */
static pyr_status check_classes(const pyr_compare_job *job, const pyr_config *config)
{
    bool classes = false;
    double dropout = -1; /* of the level that has most against what is asked for */
    pyr_class_list list = {0};
    pyr_class_choice unused;
    pyr_dataset *data = NULL;
    pyr_status status;

    for (int i = 0; i < config->pyramid.levels; i++) {
        const pyr_level_settings *s = &config->level[i];

        classes = classes || s->classes;
        if (s->classes && (dropout < 0 || s->class_dropout == 0 || (s->class_dropout >= 1 && dropout > 0)))
            dropout = s->class_dropout;
        if (s->classes && s->sampler_guidance != 1 && !(s->class_dropout > 0))
            return pyr_fail(
                PYR_E_CONFIG,
                "level.sampler.guidance of level %d is %g, but with level.class_dropout 0 there is nothing to be guided away from: set one of the two",
                i, s->sampler_guidance);
    }
    if (classes) {
        PYR_TRY_OUT(pyr_dataset_open(&data, &config->data.set));
        PYR_TRY_OUT(pyr_class_list_of_data(&list, data, dropout));
    }
    status = pyr_class_choose(&unused, &list, job->of_class);
out:
    pyr_class_list_free(&list);
    pyr_dataset_free(data);
    return status;
}

static pyr_status take_config(pyr_plan_facts *facts, const pyr_config *config, bool of_class)
{
    pyr_duration whole = config->train.duration;

    facts->levels = config->pyramid.levels;
    facts->joint = config->cascade.joint;
    facts->one_block = config->cascade.share;
    for (int i = 0; i < facts->levels; i++) {
        if (config->level[i].sampler_guidance != 1 && !of_class)
            return pyr_fail(
                PYR_E_CONFIG,
                "level.sampler.guidance of level %d is %g: towards which class? Add --class all, or --set level.sampler.guidance=1",
                i, config->level[i].sampler_guidance);
        if (pyr_sampler_has(&config->level[i].sampler, PYR_SAMPLER_ADAPTIVE))
            return pyr_fail(
                PYR_E_CONFIG,
                "the sampler of level %d is %s, whose cost is known only afterwards: a comparison at one cost of sampling takes one of the others, add --set level.sampler.kind=heun",
                i, pyr_sampler_names[config->level[i].sampler.kind]);
        facts->share[i] = pyr_level_duration(config, i).value / whole.value;
        facts->sampler[i] = config->level[i].sampler;
    }
    return PYR_OK;
}

/* Data and feature networks: what is wrong with them is found before anything is trained. *hash: of all of
 * them; without a network that is named, what is used follows from the data. */
static pyr_status check_judges(uint64_t *hash, uint64_t *fingerprint, const pyr_compare_job *job,
                               pyr_kernels *k, const pyr_config *config)
{
    /* how figures are measured: what was judged otherwise is judged again */
    static const char rules[] = "Inception: tf1 resize, logits without bias; score: shuffled";
    pyr_evaluate_job check = {.k = k,
                              .data_name = config->data.set.path,
                              .reference = PYR_SPLIT_TRAIN,
                              .network = {job->network[0], job->network[1]}};
    pyr_dataset *data;
    uint64_t one;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_dataset_open(&data, &config->data.set));
    check.data = data;
    one = *fingerprint = pyr_dataset_fingerprint(data);
    *hash = pyr_hash(pyr_hash(PYR_HASH_START, &one, sizeof one), rules, sizeof rules);
    for (int i = 0; i < PYR_FEATURE_NETWORKS; i++)
        if (job->network[i]) {
            PYR_TRY_OUT(pyr_hash_file(&one, job->network[i]));
            *hash = pyr_hash(*hash, &one, sizeof one);
        }
    status = pyr_evaluate_check(&check);
out:
    pyr_dataset_free(data);
    return status;
}

/* Operations a second of training, in the mean over the levels: a third of a second of each. */
static pyr_status measure(double *flop_per_s, pyr_kernels *k, const pyr_settings *settings,
                          const pyr_plan_facts *facts)
{
    pyr_experiment experiment;
    pyr_trainer *trainer = NULL;
    double flop = 0, seconds = 0, one;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_experiment_open(&experiment, k, settings, NULL));
    for (int i = 0; i < facts->levels; i++) {
        pyr_trainer_job job = {.k = k,
                               .data = experiment.data,
                               .pyramid = experiment.pyramid,
                               .levels = 1,
                               .level = {{.index = i,
                                          .settings = &experiment.config.level[i],
                                          .folder = "/nonexistent"}}, /* nothing is read or written */
                               .duration = experiment.config.train.duration,
                               .held_out = -1};

        PYR_TRY_OUT(pyr_trainer_new(&trainer, &job));
        PYR_TRY_OUT(pyr_trainer_time(trainer, 1.0 / 3, &one));
        flop += 3 * facts->flop[i] * experiment.config.level[i].batch * facts->share[i] / one;
        seconds += facts->share[i];
        pyr_trainer_free(trainer);
        trainer = NULL;
    }
    *flop_per_s = flop / seconds;
out:
    pyr_trainer_free(trainer);
    pyr_experiment_close(&experiment);
    return status;
}

static pyr_status plan_in_child(void *arg, void *result)
{
    const planning *p = arg;
    planned *out = result;
    pyr_settings *settings = NULL;
    pyr_config config;
    pyr_kernels *k = NULL;
    pyr_train_job job = {.run = "", .level = -1, .on_level = take_level, .ctx = &out->facts};
    pyr_status status;

    PYR_TRY_OUT(pyr_variant_settings(&settings, p->variant, p->job->config, p->job->baseline));
    /* any: so that nothing is timed to find out how many steps a time means */
    PYR_TRY_OUT(pyr_settings_set(settings, "train.duration", "1000", "plan"));
    PYR_TRY_OUT(p->job->open(p->job->ctx, &k, false));
    PYR_TRY_OUT(pyr_config_get(&config, settings));
    PYR_TRY_OUT(check_classes(p->job, &config));
    PYR_TRY_OUT(take_config(&out->facts, &config, *p->job->of_class));
    job.k = k;
    job.settings = settings;
    if (p->measure)
        PYR_TRY_OUT(check_judges(&out->judges, &out->data, p->job, k, &config));
    PYR_TRY_OUT(pyr_train_dry(&job));
    if (p->measure)
        status = measure(&out->flop_per_s, k, settings, &out->facts);
out:
    pyr_kernels_free(k);
    pyr_settings_free(settings);
    return status;
}

/* Every variant's samplers to one cost. */
static void level_sampling(pyr_comparison *out, const pyr_compare_job *job)
{
    int first = 0;

    while (first + 1 < job->variants && job->variant[first] == PYR_VARIANT_SINGLE)
        first++;
    out->sampling_flop = job->sampling_flop > 0 ? job->sampling_flop : pyr_sampling_flop(&out->plan[first]);
    for (int v = 0; v < job->variants; v++)
        pyr_scale_sampling(&out->plan[v], out->sampling_flop);
}

static void add_time(pyr_text *text, double seconds)
{
    if (seconds < 90)
        pyr_text_add(text, "%.0f s", seconds);
    else if (seconds < 5400)
        pyr_text_add(text, "%.0f min", seconds / 60);
    else
        pyr_text_add(text, "%.1f h", seconds / 3600);
}

static void add_steps(pyr_text *text, const pyr_plan_facts *plan)
{
    for (int i = plan->levels - 1; i >= 0; i--)
        pyr_text_add(text, "%s%d", i == plan->levels - 1 ? "" : ",", plan->sampler[i].steps);
}

static void tell_cost(pyr_comparison *out, const pyr_compare_job *job)
{
    pyr_text *text = &out->cost;
    double parts = 1, flop, seconds;
    int trainings = job->variants * job->seeds * (1 + job->n_curve);
    double images = (double)job->count * trainings;

    for (int i = 0; i < job->n_curve; i++)
        parts += job->curve[i];
    parts *= job->variants * job->seeds;
    flop = job->budget.flop ? job->budget.value * parts : job->budget.value * out->flop_per_s * parts;
    seconds = job->budget.flop ? flop / out->flop_per_s : job->budget.value * parts;
    for (int v = 0; v < job->variants; v++) {
        const pyr_plan_facts *plan = &out->plan[v];

        pyr_text_add(text, "%-11s %d level%s, %.2f M parameters; forward", pyr_variant_names[job->variant[v]],
                     plan->levels, plan->levels == 1 ? "" : "s", (double)plan->parameters / 1e6);
        for (int i = plan->levels - 1; i >= 0; i--)
            pyr_text_add(text, "%s%.2f", i == plan->levels - 1 ? " " : ", ", plan->flop[i] / 1e6);
        pyr_text_add(text, " MFLOP an image; sampling with ");
        add_steps(text, plan);
        pyr_text_add(text, " steps: %.4g MFLOP an image", pyr_sampling_flop(plan) / 1e6);
        if (fabs(pyr_sampling_flop(plan) / out->sampling_flop - 1) > 0.1)
            pyr_text_add(text, " (whole steps come no nearer to the %.4g that each should have)",
                         out->sampling_flop / 1e6);
        if (job->budget.flop)
            pyr_text_add(text, "; %.0f images of training", pyr_images_of_flop(plan, job->budget.value));
        pyr_text_add(text, "\n");
    }
    pyr_text_add(text, "%d training%s, in all %s%.3g FLOP, about ", trainings, trainings == 1 ? "" : "s",
                 job->budget.flop ? "" : "about ", flop);
    add_time(text, seconds);
    pyr_text_add(text, "; sampling of %d x %" PRId64 " images, %.3g FLOP, about ", trainings, job->count,
                 images * out->sampling_flop);
    add_time(text, images * out->sampling_flop / out->flop_per_s);
    pyr_text_add(text, " (by a measurement of %.3g FLOP/s)\n", out->flop_per_s);
}

void pyr_comparison_free(pyr_comparison *c)
{
    pyr_text_free(&c->cost);
    pyr_text_free(&c->table);
    *c = (pyr_comparison){0};
}

/* ---- results ----------------------------------------------------------------------------------- */

/* Trials in the order in which they are done: whole budgets first, then the points of the curve. */
typedef struct results {
    const pyr_compare_job *job;
    pyr_trial *trial;
    pyr_json_value **figures; /* NULL: not done yet */
    int n;
} results;

static pyr_status list_trials(results *r, const pyr_comparison *c, const pyr_compare_job *job)
{
    pyr_train_settings train;
    int all = job->variants * job->seeds * (1 + job->n_curve);

    r->job = job;
    pyr_settings_fill(job->config, "train", -1, &train);
    PYR_TRY(pyr_new(&r->trial, (size_t)all, sizeof *r->trial, "trainings"));
    PYR_TRY(pyr_new(&r->figures, (size_t)all, sizeof(pyr_json_value *), "trainings"));
    for (int p = -1; p < job->n_curve; p++)
        for (int s = 0; s < job->seeds; s++)
            for (int v = 0; v < job->variants; v++)
                r->trial[r->n++] = (pyr_trial){job,
                                               &c->plan[v],
                                               c->judges,
                                               c->data,
                                               job->variant[v],
                                               train.seed + s,
                                               p < 0 ? 1 : job->curve[p]};
    return PYR_OK;
}

static void free_results(results *r)
{
    for (int i = 0; i < r->n; i++)
        pyr_json_free(r->figures[i]);
    pyr_free(r->figures);
    pyr_free(r->trial);
}

pyr_status pyr_compare_plan(pyr_comparison *out, const pyr_compare_job *job)
{
    results r = {0};
    pyr_status status;

    *out = (pyr_comparison){0};
    for (int v = 0; v < job->variants; v++) {
        planning p = {job, job->variant[v], v == 0};
        planned result = {0};

        if (pyr_stop_requested())
            return pyr_fail(PYR_E_STOPPED, "stopped before anything was trained");
        status = pyr_run_child(plan_in_child, &p, &result, sizeof result, pyr_stop_requested);
        if (status != PYR_OK)
            return pyr_fail_prefix(status, "variant %s", pyr_variant_names[p.variant]);
        out->plan[v] = result.facts;
        if (p.measure) {
            out->flop_per_s = result.flop_per_s;
            out->judges = result.judges;
            out->data = result.data;
        }
    }
    level_sampling(out, job);
    tell_cost(out, job);
    if (out->cost.failed)
        return pyr_fail(PYR_E_NOMEM, "out of memory for what it will cost");
    PYR_TRY_OUT(list_trials(&r, out, job));
    for (int i = 0; i < r.n; i++) /* what was begun before, otherwise, is said before anything is trained */
        PYR_TRY_OUT(pyr_trial_check(&r.trial[i]));
out:
    free_results(&r);
    return status;
}

/* What figures are of, from the first that is there: nothing before. */
static void add_reference(pyr_text *text, const results *r)
{
    const pyr_json_value *figure = NULL, *reference = NULL, *hash, *n, *features;

    for (int i = 0; i < r->n && !reference; i++)
        PYR_JSON_EACH(figure, pyr_json_member(r->figures[i], "figures"))
        {
            reference = pyr_json_member(figure, "reference");
            if (reference)
                break;
        }
    if (!reference)
        return;
    hash = pyr_json_member(figure, "reference_hash");
    n = pyr_json_member(figure, "reference_images");
    features = pyr_json_member(figure, "features");
    pyr_shown_add(text, "%" PRId64 " images of each against %s", r->job->count,
                  pyr_json_text(reference) ? pyr_json_text(reference) : "");
    if (pyr_json_is(n, PYR_JSON_NUMBER) && pyr_json_text(hash))
        pyr_shown_add(text, ", %.0f images [%s]", pyr_json_number(n, 0), pyr_json_text(hash));
    if (pyr_json_text(features)) {
        hash = pyr_json_member(figure, "features_hash");
        pyr_shown_add(text, "; features: %s [%s]", pyr_json_text(features),
                      pyr_json_text(hash) ? pyr_json_text(hash) : "");
    }
    if (r->job->count < PYR_FEW_IMAGES || pyr_json_number(n, PYR_FEW_IMAGES) < PYR_FEW_IMAGES)
        pyr_text_add(text, "; fewer than %d images: the Frechet distance comes out too high", PYR_FEW_IMAGES);
}

/* ---- compare.json ------------------------------------------------------------------------------ */

static void copy_json(const pyr_json_value *value, const char *key, pyr_json *json)
{
    bool object = pyr_json_is(value, PYR_JSON_OBJECT);
    double number = pyr_json_number(value, 0);
    const pyr_json_value *child;

    if (object || pyr_json_is(value, PYR_JSON_ARRAY)) {
        pyr_json_open(json, key, object ? '{' : '[');
        PYR_JSON_EACH(child, value)
        if (!pyr_json_key(child) ||
            (strcmp(pyr_json_key(child), "key") != 0 && strcmp(pyr_json_key(child), "xxh3") != 0))
            copy_json(child, object ? pyr_json_key(child) : NULL, json);
        pyr_json_close(json, object ? '}' : ']');
    } else if (pyr_json_is(value, PYR_JSON_NUMBER) && number == floor(number) && fabs(number) < 9e15)
        pyr_json_int(json, key, (int64_t)number);
    else if (pyr_json_is(value, PYR_JSON_NUMBER))
        pyr_json_real(json, key, number);
    else if (pyr_json_is(value, PYR_JSON_BOOL))
        pyr_json_bool(json, key, pyr_json_is(value, PYR_JSON_TRUE));
    else
        pyr_json_string(json, key, pyr_json_text(value));
}

static void put_trials(const results *r, bool curve, const char *key, pyr_json *json)
{
    pyr_json_open(json, key, '[');
    for (int i = 0; i < r->n; i++)
        if (r->figures[i] && (r->trial[i].fraction < 1) == curve)
            copy_json(r->figures[i], NULL, json);
    pyr_json_close(json, ']');
}

static pyr_status write_file(const pyr_compare_job *job, const char *name, const pyr_text *text)
{
    char *path = pyr_path_join(job->outdir, name);
    pyr_status status = path && !text->failed ? pyr_file_replace(path, text->at, text->length)
                                              : pyr_fail(PYR_E_NOMEM, "out of memory for %s", name);

    pyr_free(path);
    return status;
}

static pyr_status write_json(const results *r, const pyr_comparison *c)
{
    const pyr_compare_job *job = r->job;
    pyr_config config;
    pyr_json json = {.indent = 1};
    pyr_text judged = {0};
    pyr_status status;

    pyr_settings_fill(job->config, "data", -1, &config.data);
    add_reference(&judged, r);
    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "data", config.data.set.path);
    pyr_json_string(&json, "budget", job->budget_name);
    pyr_json_string(&json, "config", job->config_name);
    pyr_json_string(&json, "command", job->command);
    pyr_json_real(&json, "sampling_flop", c->sampling_flop);
    pyr_json_int(&json, "count", job->count);
    pyr_json_string(&json, "judged", judged.at);
    put_trials(r, false, "variants", &json);
    put_trials(r, true, "curve", &json);
    pyr_json_seal(&json);
    pyr_json_close(&json, '}');
    pyr_text_add(&json.text, "\n");
    json.text.failed |= judged.failed;
    status = write_file(job, "compare.json", &json.text);
    pyr_text_free(&judged);
    pyr_text_free(&json.text);
    return status;
}

/* ---- the table --------------------------------------------------------------------------------- */

/* level -1: the number itself; else of a level, 0 the finest. NAN: not there. */
static double value_of(const pyr_json_value *training, int figure, int level)
{
    const pyr_json_value *at = pyr_figure_find(training, figure);

    if (level >= 0 && at) {
        int n = pyr_json_count(at);

        at = level < n ? pyr_json_item(at, n - 1 - level) : NULL;
    }
    return pyr_json_number(at, NAN) / pyr_figure_at(figure)->unit;
}

/* Mean and sample deviation over the trainings of a variant; n of them. */
typedef struct spread {
    int n;
    double mean, deviation;
} spread;

static spread spread_of(const results *r, pyr_variant variant, double fraction, int figure, int level)
{
    spread s = {0};
    double sum = 0, squares = 0;

    for (int i = 0; i < r->n; i++) {
        double value;

        if (!r->figures[i] || r->trial[i].variant != variant || r->trial[i].fraction != fraction)
            continue;
        value = value_of(r->figures[i], figure, level);
        if (!isfinite(value))
            continue;
        sum += value;
        squares += value * value;
        s.n++;
    }
    if (s.n) {
        s.mean = sum / s.n;
        s.deviation = s.n > 1 ? sqrt(fmax(squares - s.n * s.mean * s.mean, 0) / (s.n - 1)) : 0;
    }
    return s;
}

static void add_cell(pyr_text *text, spread s, const char *format)
{
    char mean[64], cell[128];

    if (!s.n) {
        pyr_text_add(text, "%22s", "-");
        return;
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(mean, sizeof mean, format, s.mean); /* of the table above */
#pragma GCC diagnostic pop
    if (s.n > 1)
        snprintf(cell, sizeof cell, "%s +- %.2g", mean, s.deviation);
    else
        snprintf(cell, sizeof cell, "%s", mean);
    pyr_text_add(text, "%22s", cell);
}

/* A row, unless nobody has it. */
static void add_row(pyr_text *text, const results *r, int figure, int level)
{
    const pyr_compare_job *job = r->job;
    const pyr_figure *what = pyr_figure_at(figure);
    bool any = false;

    for (int v = 0; v < job->variants; v++)
        any |= spread_of(r, job->variant[v], 1, figure, level).n > 0;
    if (!any)
        return;
    if (level >= 0)
        pyr_text_add(text, "%s, level %d%*s", what->column, level, (int)(18 - strlen(what->column)), "");
    else
        pyr_text_add(text, "%-27s", what->column);
    for (int v = 0; v < job->variants; v++)
        add_cell(text, spread_of(r, job->variant[v], 1, figure, level), what->format);
    pyr_text_add(text, "\n");
}

/* A row, or one a level. */
static void add_rows(pyr_text *text, const results *r, int figure, int levels)
{
    const pyr_figure *what = pyr_figure_at(figure);
    int first = what->per_level ? levels - 1 : -1, last = what->per_level ? 0 : -1;

    for (int level = first; what->column && level >= last; level--)
        add_row(text, r, figure, level);
}

static void add_heading(pyr_text *text, const pyr_compare_job *job, const char *what)
{
    pyr_text_add(text, "%-27s", what);
    for (int v = 0; v < job->variants; v++)
        pyr_text_add(text, "%22s", pyr_variant_names[job->variant[v]]);
    pyr_text_add(text, "\n");
}

/* Frechet distance against time. */
static void add_curve(pyr_text *text, const results *r)
{
    const pyr_compare_job *job = r->job;
    bool networks = false;
    double points[PYR_CURVE_POINTS + 1];

    memcpy(points, job->curve, sizeof job->curve);
    points[job->n_curve] = 1;
    for (int v = 0; v < job->variants; v++)
        networks |= spread_of(r, job->variant[v], 1, PYR_FIGURE_FRECHET, -1).n > 0;
    pyr_text_add(text, "\n");
    add_heading(text, job, networks ? "Frechet distance after" : "sliced Wasserstein after");
    for (int p = 0; p <= job->n_curve; p++) {
        char label[64];

        snprintf(label, sizeof label, "%g of the budget", points[p]);
        pyr_text_add(text, "%-27s", label);
        for (int v = 0; v < job->variants; v++) {
            spread s = networks ? spread_of(r, job->variant[v], points[p], PYR_FIGURE_FRECHET, -1)
                                : spread_of(r, job->variant[v], points[p], PYR_FIGURE_SWD, 0);

            add_cell(text, s, pyr_figure_at(PYR_FIGURE_FRECHET)->format);
        }
        pyr_text_add(text, "\n%-27s", "");
        for (int v = 0; v < job->variants; v++) {
            char cell[64] = "";
            spread s = spread_of(r, job->variant[v], points[p], PYR_FIGURE_TRAIN_S, -1);

            if (s.n)
                snprintf(cell, sizeof cell, "in %.0f s", s.mean);
            pyr_text_add(text, "%22s", cell);
        }
        pyr_text_add(text, "\n");
    }
}

static pyr_status make_table(pyr_comparison *c, const results *r)
{
    static const int costs[] = {PYR_FIGURE_TRAIN_S,      PYR_FIGURE_TRAIN_FLOP,  PYR_FIGURE_TRAIN_SPEED,
                                PYR_FIGURE_SAMPLE_SPEED, PYR_FIGURE_SAMPLE_FLOP, PYR_FIGURE_NFE,
                                PYR_FIGURE_NFE_BY_FLOP,  PYR_FIGURE_PEAK_MIB,    PYR_FIGURE_PARAMETERS};
    const pyr_compare_job *job = r->job;
    pyr_text *text = &c->table;
    int levels = 0;

    pyr_text_free(text);
    for (int v = 0; v < job->variants; v++)
        levels = c->plan[v].levels > levels ? c->plan[v].levels : levels;
    pyr_shown_add(text, "%s, budget %s of each training, train.seed of %d training%s\n", job->config_name,
                  job->budget_name, job->seeds, job->seeds == 1 ? "" : "s: mean +- deviation");
    add_reference(text, r);
    pyr_text_add(text, "\n\n");
    add_heading(text, job, "");
    pyr_text_add(text, "%-27s", "sampler steps");
    for (int v = 0; v < job->variants; v++) {
        pyr_text steps = {0};

        add_steps(&steps, &c->plan[v]);
        pyr_text_add(text, "%22s", steps.at ? steps.at : "");
        pyr_text_free(&steps);
    }
    pyr_text_add(text, "\n");
    add_rows(text, r, PYR_FIGURE_HELD_OUT, levels);
    for (int figure = 0; figure < PYR_METRICS; figure++)
        add_rows(text, r, figure, levels);
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++)
        add_rows(text, r, costs[i], levels);
    if (job->n_curve)
        add_curve(text, r);
    return write_file(job, "compare.txt", text);
}

/* ---- all of it --------------------------------------------------------------------------------- */

static pyr_status do_trial(results *r, int i)
{
    const pyr_trial *trial = &r->trial[i];
    char line[512], *folder;
    pyr_status status;

    PYR_TRY(pyr_trial_folder(&folder, trial));
    PYR_TRY_OUT(pyr_trial_done(&r->figures[i], trial));
    snprintf(line, sizeof line, "%d of %d: %.400s%s", i + 1, r->n, folder, r->figures[i] ? " is done" : "");
    r->job->on_line(r->job->ctx, line);
    if (r->figures[i])
        goto out;
    if (pyr_stop_requested())
        PYR_TRY_OUT(pyr_fail(PYR_E_STOPPED, "stopped before %s", folder));
    status = pyr_trial_run(trial);
    if (status != PYR_OK)
        PYR_TRY_OUT(pyr_fail_prefix(status, "%s", folder));
    PYR_TRY_OUT(pyr_trial_done(&r->figures[i], trial));
    if (!r->figures[i])
        status = pyr_fail(PYR_E_IO, "%s/eval.json is not what was just written", folder);
out:
    pyr_free(folder);
    return status;
}

/* One comparison works in a folder at a time. The lock goes over to the children: one whose parent was killed
 * keeps it until its checkpoint is written. */
static pyr_status lock_folder(int *lock, const pyr_compare_job *job)
{
    char *path;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, job->outdir, "lock"));
    status = pyr_lock(lock, path);
    if (status == PYR_E_BUSY) {
        char line[512];

        snprintf(line, sizeof line, "waiting: %.480s", pyr_error());
        job->on_line(job->ctx, line);
        status = pyr_lock_wait(lock, path);
    }
    pyr_free(path);
    return status;
}

pyr_status pyr_compare_run(pyr_comparison *out, const pyr_compare_job *job)
{
    results r = {0};
    pyr_status status;
    int lock = -1;

    PYR_TRY_OUT(list_trials(&r, out, job));
    PYR_TRY_OUT(pyr_open_output_folder(job->outdir));
    PYR_TRY_OUT(lock_folder(&lock, job));
    for (int i = 0; i < r.n; i++) {
        PYR_TRY_OUT(do_trial(&r, i));
        PYR_TRY_OUT(write_json(&r, out)); /* what there is so far */
        PYR_TRY_OUT(make_table(out, &r));
    }
out:
    pyr_unlock(lock);
    free_results(&r);
    return status;
}
