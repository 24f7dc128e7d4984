/* cmd_eval.c - pyrdiff eval */
#include "eval/evaluate.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "cascade/real_images.h"
#include "cli/cli.h"
#include "cli/one_level.h"
#include "cli/open_data.h"
#include "cli/sampling.h"
#include "terminal/output.h"
#include "terminal/parse.h"
#include "terminal/progress.h"
#include "terminal/signals.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct typed {
    const char *classifier, *inception, *reference, *ref_stats, *write_stats, *seeds;
    const char *metrics, *json, *sheet, *resize;
    int batch, given, level;
    int64_t count;
    pyr_typed_sampling sampling;
    pyr_typed_guidance guidance;
    pyr_machine machine;
} typed;

/* The command in hand. */
typedef struct work {
    const typed *typed;
    const char *input;
    pyr_settings *settings;
    pyr_config config;
    pyr_kernels *k;
    pyr_dataset *data;
    pyr_dataset *of_level; /* --level I: the data's images at that level; NULL: of level 0, or all levels */
    char *data_name;
    pyr_image_set set;
    char *cache;
    pyr_own_network found; /* a classifier, where none is named */
    pyr_bar bar;
} work;

static void show_note(void *ctx, const char *line)
{
    work *w = ctx;

    pyr_bar_line(&w->bar, "%s", line);
}

static void show_progress(void *ctx, int64_t done, int64_t n, double images_per_s)
{
    work *w = ctx;

    pyr_bar_sampling(&w->bar, done, n, images_per_s);
}

/* ---- what is judged ---------------------------------------------------------------------------- */

/* Options of sampling are of no use to images that are there. */
static pyr_status refuse_sampling(const work *w, const pyr_parsed *parsed)
{
    static const char *const of_runs[] = {"seeds", "steps",    "sampler",           "given", "level",
                                          "class", "guidance", "guidance-interval", "gnet",  "batch"};

    for (size_t i = 0; i < sizeof of_runs / sizeof *of_runs; i++)
        if (pyr_option_given(parsed, of_runs[i]))
            return pyr_fail(PYR_E_ARG, "--%s is for a run, but %s holds images", of_runs[i], w->input);
    return PYR_OK;
}

static pyr_status check_given(const work *w)
{
    int given = w->typed->given, coarsest = w->config.pyramid.levels - 1;

    PYR_TRY(pyr_check_level(&w->config, w->typed->level));
    if (given && w->typed->level >= 0)
        return pyr_fail(
            PYR_E_ARG,
            "one of --given and --level at a time: --given %d draws all levels below %d, --level %d level "
            "%d alone",
            given, given, w->typed->level, w->typed->level);
    if (given <= coarsest)
        return PYR_OK;
    if (coarsest == 0)
        return pyr_fail(PYR_E_ARG, "--given %d: this run has a single resolution, there is nothing to give",
                        given);
    return pyr_fail(PYR_E_ARG, "--given is %d, should be 1..%d (0: nothing)", given, coarsest);
}

static pyr_status read_settings(work *w, const pyr_parsed *parsed)
{
    bool run, file, folder;

    PYR_TRY(pyr_run_exists(&run, w->input));
    PYR_TRY(pyr_file_exists(&file, w->input));
    PYR_TRY(pyr_folder_exists(&folder, w->input));
    if (!file && !folder)
        return pyr_fail(PYR_E_IO,
                        "%s: no such file or folder (a run, a folder of images, a zip of them, or an NPZ)",
                        w->input);
    if (run)
        PYR_TRY(pyr_run_settings(&w->settings, w->input));
    else {
        PYR_TRY(refuse_sampling(w, parsed));
        PYR_TRY(pyr_settings_new(&w->settings, pyr_all_sections));
    }
    PYR_TRY(pyr_options_apply(parsed, w->settings));
    PYR_TRY(pyr_config_get(&w->config, w->settings));
    if (!*w->config.data.set.path)
        return pyr_fail(PYR_E_ARG, "against which images? Add --data PATH");
    if (!run)
        return PYR_OK;
    PYR_TRY(check_given(w));
    PYR_TRY(pyr_set_sampler(&w->config, w->typed->sampling.steps, w->typed->sampling.sampler));
    return pyr_set_guidance(&w->config, &w->typed->guidance);
}

static pyr_status seeds_of(const typed *t, uint64_t **seeds, size_t *n)
{
    if (*t->seeds) {
        if (pyr_parse_seeds(t->seeds, seeds, n) != PYR_OK)
            return pyr_fail_prefix(PYR_E_ARG, "--seeds");
        return PYR_OK;
    }
    *n = t->count ? (size_t)t->count : 10000;
    PYR_TRY(pyr_new(seeds, *n, sizeof **seeds, "seeds"));
    for (size_t i = 0; i < *n; i++)
        (*seeds)[i] = i;
    return PYR_OK;
}

/* The level whose images are given, 0: none. */
static int given_level(const work *w)
{
    int level = w->typed->level;

    if (level < 0)
        return w->typed->given;
    return level + 1 < w->config.pyramid.levels ? level + 1 : 0;
}

static pyr_status draw(work *w, const pyr_evaluate_job *judges)
{
    pyr_set_draw job = {.k = w->k,
                        .name = w->input,
                        .config = &w->config,
                        .label = -1,
                        .given = given_level(w),
                        .data = w->data,
                        .batch = w->typed->batch,
                        .on_progress = show_progress,
                        .ctx = w};
    uint64_t *seeds = NULL;
    int32_t *labels = NULL;
    pyr_class_choice choice;
    pyr_text of_class = {0};
    pyr_shape s;
    size_t n;
    pyr_status status = PYR_OK;

    PYR_TRY_OUT(seeds_of(w->typed, &seeds, &n));
    PYR_TRY_OUT(pyr_model_open_level(&job.model, w->k, w->input, pyr_given(w->typed->guidance.gnet),
                                     &w->config, w->typed->level));
    s = pyr_model_image(job.model, 0);
    if (w->typed->level > 0) {
        PYR_TRY_OUT(pyr_check_data_shape(w->data, w->config.data.set.path, s));
        s = pyr_model_image(job.model, w->typed->level);
    }
    PYR_TRY_OUT(pyr_evaluate_size(judges, w->input, s.h, s.w, s.c));
    PYR_TRY_OUT(pyr_model_choose_class(&choice, job.model, w->typed->sampling.of_class));
    PYR_TRY_OUT(pyr_class_labels(&labels, &choice, seeds, n));
    pyr_class_choice_add(&choice, &of_class);
    job.of_class = of_class.at;
    job.labels = labels;
    job.seeds = seeds;
    job.n = (int64_t)n;
    PYR_TRY_OUT(pyr_image_set_draw(&w->set, &job));
    pyr_bar_line(&w->bar, "%zu images drawn in %.1f s (%.1f images/s)", n, w->set.seconds,
                 (double)n / w->set.seconds);
out:
    pyr_model_free(job.model);
    pyr_text_free(&of_class);
    pyr_free(labels);
    pyr_free(seeds);
    return status;
}

static pyr_status get_images(work *w, const pyr_evaluate_job *judges)
{
    bool run;

    PYR_TRY(pyr_run_exists(&run, w->input));
    if (run)
        return draw(w, judges);
    return pyr_image_set_read(&w->set, w->input, pyr_dataset_shape_of(w->data).c, w->typed->count);
}

/* ---- what comes out ---------------------------------------------------------------------------- */

static void print_figure(const pyr_measurement *f)
{
    char name[64], value[64];

    if (f->level >= 0)
        snprintf(name, sizeof name, "%s, level %d", pyr_metric_of_word(f->metric)->label, f->level);
    else
        snprintf(name, sizeof name, "%s", pyr_metric_of_word(f->metric)->label);
    snprintf(value, sizeof value, "%.5g", f->value);
    if (isfinite(f->deviation))
        snprintf(value, sizeof value, "%.5g +- %.2g", f->value, f->deviation);
    pyr_print("%-29s %-22s %" PRId64 " images", name, value, f->n);
    if (f->reference) {
        pyr_print(" against %s", f->reference);
        if (f->n_reference)
            pyr_print(", %" PRId64 " images", f->n_reference);
        pyr_print(" [%016" PRIx64 "]", f->reference_hash);
    }
    if (f->features)
        pyr_print(", features: %s [%016" PRIx64 "]", f->features, f->features_hash);
    else if (f->reference)
        pyr_print(", on pixels");
    pyr_print("\n");
}

static void print_left_out(const pyr_left_out *left)
{
    pyr_print("%-29s left out: %s\n", pyr_metric_of_word(left->metric)->label, left->reason);
}

static void print_set(const pyr_image_set *set)
{
    double flop = 0;
    int nfe = 0;

    pyr_print("%s [%016" PRIx64 "]: %" PRId64 " images of %dx%dx%d%s\n", set->name, set->hash, set->n, set->h,
              set->w, set->c, set->words ? ", 16 bits" : "");
    if (set->aside)
        pyr_print("%" PRId64 " picture%s left aside that %s no sample%s: %s%s\n", set->aside,
                  set->aside == 1 ? "" : "s", set->aside == 1 ? "is" : "are", set->aside == 1 ? "" : "s",
                  set->first_aside, set->aside == 1 ? "" : ", ...");
    if (set->levels == 0)
        return;
    if (set->of_class && *set->of_class)
        pyr_print("of %s; ", set->of_class);
    if (set->drawn < set->levels)
        pyr_print("level %d: real training images; ", set->drawn);
    if (set->alone)
        pyr_print("level %d drawn alone with", set->finest);
    else
        pyr_print("drawn per level from the coarsest with");
    for (int i = set->drawn - 1; i >= set->finest; i--) {
        pyr_print("%s %s", i == set->drawn - 1 ? "" : ",", set->sampler[i]);
        nfe += set->nfe[i];
        flop += set->flop[i];
    }
    pyr_print(": %d evaluations, %.4g MFLOP an image\n", nfe, flop / 1e6);
}

static pyr_status write_json(const work *w, const pyr_evaluation *e)
{
    pyr_json json = {.indent = 2};

    pyr_json_open(&json, NULL, '{');
    pyr_evaluation_json(e, &w->set, &json);
    pyr_json_close(&json, '}');
    return pyr_json_save(&json, w->typed->json);
}

/* The files of the feature networks; a classifier is found or trained when none is named. */
static pyr_status choose_networks(work *w, pyr_evaluate_job *job)
{
    const typed *t = w->typed;

    job->network[0] = pyr_given(t->classifier);
    job->network[1] = pyr_given(t->inception);
    if (job->network[0] || job->network[1] ||
        (!(job->metrics & (pyr_metrics_of(PYR_OF_FEATURES) | pyr_metrics_of(PYR_OF_FIRST))) &&
         !job->write_stats))
        return PYR_OK;
    PYR_TRY(pyr_default_network(&w->found, w->k, job->data, w->cache, show_note, w));
    job->network[0] = w->found.path;
    if (!w->found.path)
        pyr_bar_line(&w->bar, "note: the data have no labels to train a classifier on, so only figures of "
                              "pixels are measured (--inception FILE or --classifier FILE gives the others)");
    return PYR_OK;
}

/* How many there will be, and how Inception reads them. */
static pyr_status plan(work *w, pyr_evaluate_job *job)
{
    const typed *t = w->typed;
    uint64_t *seeds;
    size_t n;
    int word;
    bool run;

    PYR_TRY(pyr_run_exists(&run, w->input));
    if (run) {
        PYR_TRY(seeds_of(t, &seeds, &n));
        pyr_free(seeds);
        job->planned = (int64_t)n;
        job->planned_coarsest = (t->level < 0 ? 0 : t->level) == w->config.pyramid.levels - 1;
    }
    if (!*t->resize)
        return PYR_OK;
    if (!*t->inception)
        return pyr_fail(PYR_E_ARG, "--fid-resize is how images come to Inception-v3: add --inception FILE");
    if (pyr_find_word(&word, "resize", t->resize, strlen(t->resize), pyr_fid_resizes, 2) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--fid-resize");
    job->resize = word ? PYR_RESIZE_PYTORCH : PYR_RESIZE_TF1;
    return PYR_OK;
}

/* The nearest training images of drawings to coarser images of training images are, more often than not,
 * these. */
static void leave_out_nearest(const work *w, pyr_evaluate_job *job)
{
    if (w->typed->level < 0 || !given_level(w) || job->metrics != PYR_METRIC_ALL || job->sheet)
        return;
    job->metrics &= ~pyr_metrics_of(PYR_OF_FIRST);
}

/* What level I is compared with. */
static pyr_status open_level_data(work *w)
{
    int level = w->typed->level;
    pyr_dataset_shape s = pyr_dataset_shape_of(w->data);
    pyr_pyramid *pyramid = NULL;
    pyr_status status;

    if (level <= 0)
        return PYR_OK;
    PYR_TRY(pyr_run_check_trained(w->input, level));
    PYR_TRY_OUT(pyr_pyramid_new(&pyramid, w->k, &w->config.pyramid, s.h, s.w, s.c));
    PYR_TRY_OUT(pyr_level_dataset(&w->of_level, w->k, pyramid, w->data, level));
    w->data_name = pyr_strfmt("%s, level %d", w->config.data.set.path, level);
    if (!w->data_name)
        status = pyr_fail(PYR_E_NOMEM, "out of memory for a name");
out:
    pyr_pyramid_free(pyramid);
    return status;
}

static pyr_status judge(work *w)
{
    const typed *t = w->typed;
    pyr_evaluate_job job = {.k = w->k,
                            .samples = &w->set,
                            .data = w->of_level ? w->of_level : w->data,
                            .data_name = w->data_name ? w->data_name : w->config.data.set.path,
                            .data_settings = &w->config.data.set,
                            .reference =
                                strcmp(t->reference, "train") == 0 ? PYR_SPLIT_TRAIN : PYR_SPLIT_HELD_OUT,
                            .ref_stats = pyr_given(t->ref_stats),
                            .write_stats = pyr_given(t->write_stats),
                            .sheet = pyr_given(t->sheet),
                            .cache = w->cache,
                            .on_note = show_note,
                            .ctx = w};
    pyr_evaluation e = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_parse_metrics(t->metrics, &job.metrics));
    PYR_TRY_OUT(plan(w, &job));
    leave_out_nearest(w, &job);
    PYR_TRY_OUT(pyr_evaluate_check_reference(&job)); /* before a classifier is trained */
    PYR_TRY_OUT(choose_networks(w, &job));
    PYR_TRY_OUT(pyr_evaluate_check(&job)); /* not after an hour of sampling */
    PYR_TRY_OUT(get_images(w, &job));
    job.planned = 0;
    job.planned_coarsest = false;
    PYR_TRY_OUT(pyr_evaluate(&e, &job));
    print_set(&w->set);
    for (int i = 0; i < e.figures; i++)
        print_figure(&e.figure[i]);
    for (int i = 0; i < e.left_outs; i++)
        print_left_out(&e.left_out[i]);
    for (size_t i = 0; i < sizeof e.warning / sizeof *e.warning && e.warning[i]; i++)
        pyr_bar_line(&w->bar, "warning: %s", e.warning[i]);
    if (e.from_cache)
        pyr_bar_line(&w->bar, "features of the reference are from the cache (%s)", w->cache);
    if (*t->json)
        PYR_TRY_OUT(write_json(w, &e));
out:
    pyr_evaluation_free(&e);
    return status;
}

static pyr_status check_words(const typed *t)
{
    unsigned metrics;

    if (strcmp(t->reference, "test") != 0 && strcmp(t->reference, "train") != 0)
        return pyr_fail(PYR_E_ARG, "--reference %s: should be test or train", t->reference);
    if (pyr_parse_metrics(t->metrics, &metrics) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--metrics");
    if (*t->sheet && !(metrics & PYR_METRIC_NEAREST))
        return pyr_fail(PYR_E_ARG, "--sheet shows nearest training images: add nearest to --metrics");
    if (*t->ref_stats && !(metrics & PYR_METRIC_FRECHET))
        return pyr_fail(PYR_E_ARG, "--ref-stats is for the Frechet distance: add frechet to --metrics");
    if (*t->seeds && t->count)
        return pyr_fail(PYR_E_ARG, "one of --count and --seeds at a time");
    PYR_TRY(pyr_output_possible(t->json));
    PYR_TRY(pyr_output_possible(t->sheet));
    return pyr_output_possible(t->write_stats);
}

static pyr_status run_eval(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    work w = {.typed = t, .input = parsed->arguments[0], .bar = pyr_bar_new()};
    pyr_status status;

    PYR_TRY(check_words(t));
    PYR_TRY_OUT(read_settings(&w, parsed));
    PYR_TRY_OUT(pyr_open_machine(&w.k, &t->machine, false));
    PYR_TRY_OUT(pyr_open_data(&w.data, &w.config.data.set, &w.bar));
    w.cache = pyr_cache_path("eval");
    pyr_stop_on_signals();
    PYR_TRY_OUT(open_level_data(&w));
    PYR_TRY_OUT(judge(&w));
out:
    pyr_bar_end(&w.bar);
    if (status == PYR_E_STOPPED)
        status = pyr_fail(PYR_E_STOPPED, "stopped: nothing was measured");
    pyr_image_set_free(&w.set);
    pyr_dataset_free(w.data);
    pyr_dataset_free(w.of_level);
    pyr_free(w.data_name);
    pyr_kernels_free(w.k);
    pyr_settings_free(w.settings);
    pyr_free(w.cache);
    pyr_own_network_free(&w.found);
    return status;
}

static const pyr_option options[] = {
    OPT_SETTING("data", "PATH", "data.path", "data set to compare with; without it, that of the run"),
    OPT_SETTING("split", "WORD", "data.split", NULL),
    OPT_TEXT(typed, reference, "reference", "SPLIT", "test",
             "compare with the held-out images (test) or the training images (train)"),
    OPT_TEXT(typed, classifier, "classifier", "FILE", "",
             "feature network, made by pyrdiff classifier; without any network one is trained on the data's "
             "labels and kept"),
    OPT_TEXT(typed, inception, "inception", "FILE", "", "weights of Inception-v3, for FID"),
    OPT_TEXT(typed, resize, "fid-resize", "WORD", "",
             "how images are resized to the 299x299 of Inception: tf1, as in ADM, StyleGAN, EDM and "
             "torch-fidelity (the default), or pytorch, as in pytorch-fid"),
    OPT_TEXT(typed, ref_stats, "ref-stats", "FILE", "",
             "NPZ with mu and sigma, such as those of EDM: use them for the Frechet distance instead of the "
             "data's"),
    OPT_TEXT(typed, write_stats, "write-stats", "FILE", "",
             "write mu and sigma of the reference: of Inception's features if --inception is given"),
    OPT_COUNT(typed, count, "count", "N", "0", 0, PYR_SEEDS_MAX,
              "images to draw (seeds 0 to N-1) or to read; 0: draw 10000, read all"),
    OPT_TEXT(typed, seeds, "seeds", "LIST", "", "draw these seeds instead: 0-4999"),
    OPT_INT(typed, given, "given", "I", "0", 0, PYR_MAX_LEVELS,
            "take level I from training images, which the seeds choose, and draw only the finer levels, to "
            "measure these; 0: draw all levels"),
    OPT_LEVEL(
        typed, level, "all levels",
        "draw level I only, given level I + 1 of training images, and compare it with level I of the data, "
        "to measure that level; the other levels need not be trained; --level 0 draws the same images as "
        "--given 1"),
    OPT_GROUP(typed, sampling, pyr_sampling_options),
    OPT_GROUP(typed, guidance, pyr_guidance_options),
    OPT_INT(typed, batch, "batch", "N", "0", 0, 65536,
            "images drawn at a time, which changes none of them; 0: chosen by the program"),
    OPT_TEXT(typed, metrics, "metrics", "LIST", "all", PYR_METRIC_WORD_LIST " or all"),
    OPT_TEXT(typed, json, "json", "FILE", "", "write all figures as JSON"),
    OPT_TEXT(typed, sheet, "sheet", "FILE", "",
             "write a PNG of samples beside their nearest training images, closest pairs first"),
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_eval = {
    .name = "eval",
    .title = "compare a run, a folder of images or an NPZ with a data set",
    .arguments = "INPUT",
    .least = 1,
    .most = 1,
    .summary =
        "Compare images with a data set: images that a run draws, a folder or zip of images, an NPZ, or "
        "any other file that --data reads. Every figure is printed with the number of images, the "
        "reference and the feature network, and their hashes. Features of references are kept in the cache.",
    .examples =
        "  pyrdiff eval runs/fashion-mnist --json eval.json --sheet nearest.png\n"
        "  pyrdiff eval runs/fashion-mnist --given 2            (levels 1 and 0, on real images of "
        "level 2)\n"
        "  pyrdiff eval runs/fashion-mnist --level 1            (level 1 alone, at its own resolution)\n"
        "  pyrdiff eval out/samples.npz --data PATH --metrics swd,spectrum\n"
        "  pyrdiff eval out --data PATH --inception inception.safetensors --ref-stats cifar10.npz\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = run_eval,
};
