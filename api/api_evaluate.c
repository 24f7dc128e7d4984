/* api_evaluate.c - judging the images of a run, of files or of memory against a data set. */
#include "api/buffers.h"
#include "api/choices.h"
#include "api/results.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/shown.h"
#include "cascade/one_level.h"
#include "cascade/real_images.h"
#include "eval/metric_rows.h"
#include "settings/parse.h"
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct evaluate_choice {
    pyr_machine_choice machine;
    const char *metrics, *reference, *classifier, *inception, *resize, *ref_stats, *write_stats, *sheet,
        *json;
    const char *seeds, *of_class, *gnet;
    int64_t count;
    int given, level, batch;
} evaluate_choice;

#define AT(member) offsetof(evaluate_choice, member)
#define TEXT(name, member, standard)                                                                         \
    {                                                                                                        \
        name, PYR_SETTING_TEXT, AT(member), 0, 0, standard, NULL, NULL                                       \
    }

enum { MOST_IMAGES = 10000000, USUAL_IMAGES = 10000 };

static const pyr_setting rows[] = {
    PYR_MACHINE_ROWS,
    TEXT("metrics", metrics, "all"),
    TEXT("reference", reference, "test"),
    TEXT("classifier", classifier, ""),
    TEXT("inception", inception, ""),
    TEXT("fid-resize", resize, ""),
    TEXT("ref-stats", ref_stats, ""),
    TEXT("write-stats", write_stats, ""),
    TEXT("sheet", sheet, ""),
    TEXT("seeds", seeds, ""),
    TEXT("class", of_class, ""),
    TEXT("gnet", gnet, ""),
    {"count", PYR_SETTING_COUNT, AT(count), 0, MOST_IMAGES, "0", NULL, NULL},
    {"given", PYR_SETTING_INT, AT(given), 0, PYR_MAX_LEVELS, "0", NULL, NULL},
    {"level", PYR_SETTING_INT, AT(level), -1, 1e6, "-1", NULL, NULL},
    {"batch", PYR_SETTING_INT, AT(batch), 0, 65536, "0", NULL, NULL},
};

/* The call at work. */
typedef struct work {
    const char *input;            /* NULL: images */
    const pyrdiff_images *images; /* NULL: input */
    const char *const *options;
    evaluate_choice choice;
    bool run; /* the input is one */
    pyr_call *call;
    pyr_config config;
    pyr_kernels *k;
    const pyr_dataset *data;
    pyr_dataset *own, *of_level; /* opened here; the data's images at the level that is judged */
    char *data_name, *cache;
    pyr_image_set set;
    pyr_own_network found; /* a classifier, where none is named */
} work;

/* ---- what can be said at once --------------------------------------------------------------------- */

static pyr_status check_words(const evaluate_choice *c)
{
    unsigned metrics;

    if (strcmp(c->reference, "test") != 0 && strcmp(c->reference, "train") != 0)
        return pyr_fail(PYR_E_ARG, "--reference %s: should be test or train", c->reference);
    if (pyr_parse_metrics(c->metrics, &metrics) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--metrics");
    if (*c->sheet && !(metrics & PYR_METRIC_NEAREST))
        return pyr_fail(PYR_E_ARG, "--sheet shows nearest training images: add nearest to --metrics");
    if (*c->ref_stats && !(metrics & PYR_METRIC_FRECHET))
        return pyr_fail(PYR_E_ARG, "--ref-stats is for the Frechet distance: add frechet to --metrics");
    if (*c->seeds && c->count)
        return pyr_fail(PYR_E_ARG, "one of --count and --seeds at a time");
    return PYR_OK;
}

/* Options of sampling are of no use to images that are there. */
static pyr_status refuse_sampling(const work *w)
{
    static const char *const of_runs[] = {"seeds", "given", "level", "class", "gnet", "batch"};

    for (size_t i = 0; i < sizeof of_runs / sizeof *of_runs; i++)
        if (pyr_choice_given(w->options, of_runs[i]))
            return pyr_fail(PYR_E_ARG, "--%s is for a run, but %s holds images", of_runs[i],
                            w->input ? w->input : "the buffer");
    return PYR_OK;
}

static pyr_status find_input(work *w)
{
    bool file, folder;

    if (!w->input == !w->images)
        return pyr_fail(PYR_E_ARG, "what is to be judged? Either input or images should be NULL");
    if (!w->input)
        return refuse_sampling(w);
    PYR_TRY(pyr_run_exists(&w->run, w->input));
    PYR_TRY(pyr_file_exists(&file, w->input));
    PYR_TRY(pyr_folder_exists(&folder, w->input));
    if (!file && !folder)
        return pyr_fail(PYR_E_IO,
                        "%s: no such file or folder (a run, a folder of images, a zip of them, or an NPZ)",
                        w->input);
    return w->run ? PYR_OK : refuse_sampling(w);
}

static pyr_status check_given(const work *w)
{
    int given = w->choice.given, level = w->choice.level, coarsest = w->config.pyramid.levels - 1;

    PYR_TRY(pyr_check_level(&w->config, level));
    if (given && level >= 0)
        return pyr_fail(
            PYR_E_ARG,
            "one of --given and --level at a time: --given %d draws all levels below %d, --level %d level %d alone",
            given, given, level, level);
    if (given <= coarsest)
        return PYR_OK;
    if (coarsest == 0)
        return pyr_fail(PYR_E_ARG, "--given %d: this run has a single resolution, there is nothing to give",
                        given);
    return pyr_fail(PYR_E_ARG, "--given is %d, should be 1..%d (0: nothing)", given, coarsest);
}

/* ---- the images ----------------------------------------------------------------------------------- */

static pyr_status seeds_of(const evaluate_choice *c, uint64_t **seeds, size_t *n)
{
    if (*c->seeds)
        return pyr_parse_seeds_option(c->seeds, seeds, n);
    *n = c->count ? (size_t)c->count : USUAL_IMAGES;
    PYR_TRY(pyr_new(seeds, *n, sizeof **seeds, "seeds"));
    for (size_t i = 0; i < *n; i++)
        (*seeds)[i] = i;
    return PYR_OK;
}

/* The level whose images are given, 0: none. */
static int given_level(const work *w)
{
    int level = w->choice.level;

    if (level < 0)
        return w->choice.given;
    return level + 1 < w->config.pyramid.levels ? level + 1 : 0;
}

static pyr_status draw(work *w, const pyr_evaluate_job *judges)
{
    const evaluate_choice *c = &w->choice;
    pyr_set_draw job = {.k = w->k,
                        .name = w->input,
                        .config = &w->config,
                        .of_class = c->of_class,
                        .given = given_level(w),
                        .data = w->data,
                        .batch = c->batch,
                        .on_progress = pyr_call_images,
                        .ctx = w->call};
    uint64_t *seeds = NULL;
    pyr_shape s;
    size_t n;
    pyr_status status;

    PYR_TRY_OUT(seeds_of(c, &seeds, &n));
    PYR_TRY_OUT(pyr_model_open_level(&job.model, w->k, w->input, pyr_given(c->gnet), &w->config, c->level));
    s = pyr_model_image(job.model, 0);
    if (c->level > 0) {
        PYR_TRY_OUT(pyr_check_data_shape(w->data, w->config.data.set.path, s));
        s = pyr_model_image(job.model, c->level);
    }
    PYR_TRY_OUT(pyr_evaluate_size(judges, w->input, s.h, s.w, s.c));
    job.seeds = seeds;
    job.n = (int64_t)n;
    PYR_TRY_OUT(pyr_image_set_draw(&w->set, &job));
    pyr_call_say(w->call, "%zu images drawn in %.1f s (%.1f images/s)", n, w->set.seconds,
                 (double)n / w->set.seconds);
out:
    pyr_model_free(job.model);
    pyr_free(seeds);
    return status;
}

static pyr_status take_images(work *w)
{
    pyrdiff_images from;
    void *samples = NULL;
    int bits;
    pyr_status status;

    PYR_TRY(pyr_buffer_check(&from, w->images, "images", 0, (pyr_shape){0}));
    if (w->choice.count && w->choice.count < from.n)
        from.n = w->choice.count;
    bits = pyr_buffer_bits(&from);
    PYR_TRY(pyr_buffer_samples(&samples, &from, bits));
    status = pyr_image_set_memory(&w->set, "images in memory", samples, from.n, from.h, from.w, from.c, bits);
    pyr_free(samples);
    return status;
}

static pyr_status get_images(work *w, const pyr_evaluate_job *judges)
{
    if (w->run)
        return draw(w, judges);
    if (w->images)
        return take_images(w);
    return pyr_image_set_read(&w->set, w->input, pyr_dataset_shape_of(w->data).c, w->choice.count);
}

/* ---- judging -------------------------------------------------------------------------------------- */

/* The files of the feature networks; a classifier is found or trained when none is named. */
static pyr_status choose_networks(work *w, pyr_evaluate_job *job)
{
    job->network[0] = pyr_given(w->choice.classifier);
    job->network[1] = pyr_given(w->choice.inception);
    if (job->network[0] || job->network[1] ||
        (!(job->metrics & (pyr_metrics_of(PYR_OF_FEATURES) | pyr_metrics_of(PYR_OF_FIRST))) &&
         !job->write_stats))
        return PYR_OK;
    PYR_TRY(pyr_default_network(&w->found, w->k, job->data, w->cache, pyr_call_note, w->call));
    job->network[0] = w->found.path;
    if (!w->found.path)
        pyr_call_note(
            w->call,
            "note: the data have no labels to train a classifier on, so only figures of pixels are measured (--inception FILE or --classifier FILE gives the others)");
    return PYR_OK;
}

/* How many there will be, and how Inception reads them. */
static pyr_status plan(work *w, pyr_evaluate_job *job)
{
    const evaluate_choice *c = &w->choice;
    uint64_t *seeds;
    size_t n;
    int word;

    if (w->run) {
        PYR_TRY(seeds_of(c, &seeds, &n));
        pyr_free(seeds);
        job->planned = (int64_t)n;
        job->planned_coarsest = (c->level < 0 ? 0 : c->level) == w->config.pyramid.levels - 1;
    }
    if (!*c->resize)
        return PYR_OK;
    if (!*c->inception)
        return pyr_fail(PYR_E_ARG, "--fid-resize is how images come to Inception-v3: add --inception FILE");
    if (pyr_find_word(&word, "resize", c->resize, strlen(c->resize), pyr_fid_resizes, 2) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--fid-resize");
    job->resize = word ? PYR_RESIZE_PYTORCH : PYR_RESIZE_TF1;
    return PYR_OK;
}

/* The nearest training images of drawings to coarser images of training images are, more often than not,
 * these. */
static void leave_out_nearest(const work *w, pyr_evaluate_job *job)
{
    if (w->choice.level < 0 || !given_level(w) || job->metrics != PYR_METRIC_ALL || job->sheet)
        return;
    job->metrics &= ~(unsigned)PYR_METRIC_NEAREST;
}

/* What level I is compared with. */
static pyr_status open_level_data(work *w)
{
    int level = w->choice.level;
    pyr_dataset_shape s = pyr_dataset_shape_of(w->data);
    pyr_pyramid *pyramid = NULL;
    pyr_status status;

    if (!w->run || level <= 0)
        return PYR_OK;
    PYR_TRY(pyr_run_check_trained(w->input, level));
    PYR_TRY_OUT(pyr_pyramid_new(&pyramid, w->k, &w->config.pyramid, s.h, s.w, s.c));
    PYR_TRY_OUT(pyr_level_dataset(&w->of_level, w->k, pyramid, w->data, level));
    status = pyr_format(&w->data_name, "%s, level %d", w->config.data.set.path, level);
out:
    pyr_pyramid_free(pyramid);
    return status;
}

static pyr_status judge(work *w, pyr_evaluation *out)
{
    const evaluate_choice *c = &w->choice;
    const char *path = w->config.data.set.path;
    pyr_evaluate_job job = {.k = w->k,
                            .samples = &w->set,
                            .data = w->of_level ? w->of_level : w->data,
                            .data_name = w->data_name ? w->data_name
                                         : *path      ? path
                                                      : "images in memory",
                            .data_settings = &w->config.data.set,
                            .reference =
                                strcmp(c->reference, "train") == 0 ? PYR_SPLIT_TRAIN : PYR_SPLIT_HELD_OUT,
                            .ref_stats = pyr_given(c->ref_stats),
                            .write_stats = pyr_given(c->write_stats),
                            .sheet = pyr_given(c->sheet),
                            .cache = w->cache,
                            .on_note = pyr_call_note,
                            .ctx = w->call};

    PYR_TRY(pyr_parse_metrics(c->metrics, &job.metrics));
    PYR_TRY(plan(w, &job));
    leave_out_nearest(w, &job);
    PYR_TRY(pyr_evaluate_check_reference(&job)); /* before a classifier is trained */
    PYR_TRY(choose_networks(w, &job));
    PYR_TRY(pyr_evaluate_check(&job)); /* not after an hour of sampling */
    PYR_TRY(get_images(w, &job));
    job.planned = 0;
    job.planned_coarsest = false;
    return pyr_evaluate(out, &job);
}

/* ---- what comes out -------------------------------------------------------------------------------- */

static pyr_status take_figures(pyrdiff_result *r)
{
    const pyr_evaluation *e = &r->evaluation;

    for (int i = 0; i < e->figures; i++) {
        const pyr_measurement *m = &e->figure[i];

        PYR_TRY(pyr_result_add(r, &(pyrdiff_figure){.metric = m->metric,
                                                    .title = pyr_metric_of_word(m->metric)->label,
                                                    .level = m->level,
                                                    .value = m->value,
                                                    .deviation = m->deviation,
                                                    .images = m->n,
                                                    .reference = m->reference,
                                                    .reference_images = m->n_reference,
                                                    .reference_hash = m->reference_hash,
                                                    .features = m->features,
                                                    .features_hash = m->features_hash}));
    }
    for (int i = 0; i < e->left_outs; i++)
        PYR_TRY(pyr_result_add(r, &(pyrdiff_figure){.metric = e->left_out[i].metric,
                                                    .title = pyr_metric_of_word(e->left_out[i].metric)->label,
                                                    .level = -1,
                                                    .value = (double)NAN,
                                                    .deviation = (double)NAN,
                                                    .left_out = e->left_out[i].reason}));
    for (size_t i = 0; i < e->warnings.n; i++)
        pyr_text_add(&r->warnings, "%s\n", e->warnings.at[i]);
    return PYR_OK;
}

/* What was judged, in lines; names are shown as base/shown.h has it, line ends are ours. */
static void describe_set(pyr_text *out, const pyr_image_set *set)
{
    double flop = 0;
    int nfe = 0;

    pyr_shown_add(out, "%s [%016" PRIx64 "]: %" PRId64 " images of %dx%dx%d%s\n", set->name, set->hash,
                  set->n, set->h, set->w, set->c, set->words ? ", 16 bits" : "");
    if (set->aside)
        pyr_shown_add(out, "%" PRId64 " picture%s left aside that %s no sample%s: %s%s\n", set->aside,
                      set->aside == 1 ? "" : "s", set->aside == 1 ? "is" : "are", set->aside == 1 ? "" : "s",
                      set->first_aside, set->aside == 1 ? "" : ", ...");
    if (set->levels == 0)
        return;
    if (set->of_class && *set->of_class)
        pyr_shown_add(out, "of %s; ", set->of_class);
    if (set->drawn < set->levels)
        pyr_text_add(out, "level %d: real training images; ", set->drawn);
    if (set->alone)
        pyr_text_add(out, "level %d drawn alone with", set->finest);
    else
        pyr_text_add(out, "drawn per level from the coarsest with");
    for (int i = set->drawn - 1; i >= set->finest; i--) {
        pyr_text_add(out, "%s %s", i == set->drawn - 1 ? "" : ",", set->sampler[i]);
        nfe += set->nfe[i];
        flop += set->flop[i];
    }
    pyr_text_add(out, ": %d evaluations, %.4g MFLOP an image\n", nfe, flop / 1e6);
}

static pyr_status write_down(work *w, pyrdiff_result *r)
{
    pyr_json json = {.indent = 2};
    pyr_status status;

    describe_set(&r->set, &w->set);
    PYR_TRY(take_figures(r));
    if (r->evaluation.from_cache)
        pyr_call_say(w->call, "features of the reference are from the cache (%s)", w->cache);
    pyr_json_open(&json, NULL, '{');
    pyr_evaluation_json(&r->evaluation, &w->set, &json);
    status = pyr_result_json(r, &json);
    pyr_text_free(&json.text);
    if (status == PYR_OK && (r->set.failed || r->warnings.failed))
        status = pyr_fail(PYR_E_NOMEM, "out of memory for figures");
    return status;
}

static pyr_status open_data(work *w, pyrdiff_settings *settings, pyrdiff_data *data)
{
    if (data) {
        if (!data->set)
            return pyr_fail(PYR_E_ARG, "images are compared with a data set, not with pictures");
        w->data = data->set;
        return PYR_OK;
    }
    PYR_TRY(pyr_settings_data(&w->own, settings, w->call));
    w->data = w->own;
    return w->own ? PYR_OK : pyr_fail(PYR_E_ARG, "against which images? Add --data PATH");
}

static pyr_status evaluate(work *w, pyrdiff_result **out, pyrdiff_settings *settings, pyrdiff_data *data)
{
    pyr_status status;

    PYR_TRY(pyr_choices_read(&w->choice, rows, sizeof rows / sizeof *rows, w->options));
    PYR_TRY(check_words(&w->choice));
    PYR_TRY(find_input(w));
    PYR_TRY(pyr_config_get(&w->config, settings->at));
    if (w->run)
        PYR_TRY(check_given(w));
    if (!out)
        return PYR_OK;
    PYR_TRY(pyr_choices_open(&w->k, w->call, &w->choice.machine, false));
    PYR_TRY(open_data(w, settings, data));
    w->cache = pyr_cache_path("eval");
    PYR_TRY(open_level_data(w));
    PYR_TRY(pyr_result_new(out));
    status = judge(w, &(*out)->evaluation);
    if (status == PYR_OK)
        status = write_down(w, *out);
    if (status != PYR_OK) {
        pyrdiff_result_free(*out);
        *out = NULL;
    }
    return status;
}

int pyrdiff_evaluate(pyrdiff_result **out, const char *input, const pyrdiff_images *images,
                     pyrdiff_settings *settings, pyrdiff_data *data, const char *const *options,
                     pyrdiff_callback callback, void *ctx)
{
    pyr_call call;
    work w = {.input = input, .images = images, .options = options, .call = &call};
    pyr_status status;

    if (out)
        *out = NULL;
    pyr_call_begin(&call, callback, ctx);
    status = evaluate(&w, out, settings, data);
    pyr_image_set_free(&w.set);
    pyr_dataset_free(w.own);
    pyr_dataset_free(w.of_level);
    pyr_kernels_free(w.k);
    pyr_own_network_free(&w.found);
    pyr_free(w.data_name);
    pyr_free(w.cache);
    return pyr_call_end(&call, status);
}
