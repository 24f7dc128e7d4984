/* cmd_classifier.c - pyrdiff classifier */
#include "features/classifier.h"

#include "base/mem.h"
#include "base/stop.h"
#include "cascade/one_level.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/open_data.h"
#include "cli/typed_settings.h"
#include "features/noise_training.h"
#include "images/data_settings.h"
#include "terminal/output.h"
#include "terminal/progress.h"
#include "terminal/signals.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

typedef struct typed {
    const char *out, *network;
    bool noise;
    int level;
    pyr_duration duration;
    int64_t seed;
    int batch;
    double lr;
    pyr_machine machine;
} typed;

static void show_report(void *ctx, const pyr_train_report *r, bool brief)
{
    pyr_bar *bar = ctx;
    char text[128], spent[32];

    pyr_clock_text(spent, r->seconds);
    snprintf(text, sizeof text, "loss %.4f  %.0f images/s  %s spent", r->loss, r->images_per_s, spent);
    if (brief || bar->terminal)
        pyr_bar_draw(bar, "classifier", r->step, r->steps, text);
    else
        pyr_bar_line(bar, "classifier  %3.0f%%  %s", 100 * (double)r->step / (double)r->steps, text);
}

static void describe(const pyr_dataset *data)
{
    pyr_text line = {0};

    pyr_dataset_describe(data, &line);
    pyr_tell("data: %s\n", line.at ? line.at : "");
    for (size_t i = 0; i < pyr_dataset_facts_of(data).warnings->n; i++)
        pyr_tell("warning: %s\n", pyr_dataset_facts_of(data).warnings->at[i]);
    pyr_text_free(&line);
}

/* ---- of noised images, for guidance -------------------------------------------------------------- */

static void print_level(const pyr_noise_training_job *job, const pyr_noise_training_result *r)
{
    pyr_print("%s/level-%d/classifier.safetensors: %lld steps, hash %016" PRIx64 "\n", job->run, job->level,
              (long long)r->steps, r->hash);
    if (!r->held_out) {
        pyr_print("    no images with labels are held out to measure the accuracy on\n");
        return;
    }
    pyr_print("    %-32s", "held-out images at noise");
    for (int i = 0; i < PYR_NOISES_MEASURED; i++)
        pyr_print(" %7g", pyr_noises_measured[i]);
    pyr_print("\n    %-32s", "accuracy, %");
    for (int i = 0; i < PYR_NOISES_MEASURED; i++)
        pyr_print(" %7.2f", 100 * r->accuracy[i]);
    pyr_print("\n    %-32s", "-log p of the class, nats");
    for (int i = 0; i < PYR_NOISES_MEASURED; i++)
        pyr_print(" %7.4f", r->cross_entropy[i]);
    pyr_print("\n");
}

/* Each level from the coarsest, or the one that was typed. */
static pyr_status train_levels(pyr_noise_training_job *job, const typed *t)
{
    pyr_noise_training_result result;
    int levels = job->config->pyramid.levels, coarsest = t->level >= 0 ? t->level : levels - 1;

    for (job->level = coarsest; job->level >= 0 && (t->level < 0 || job->level == t->level); job->level--)
        PYR_TRY(pyr_noise_training_check(job));
    for (job->level = coarsest; job->level >= 0 && (t->level < 0 || job->level == t->level); job->level--) {
        PYR_TRY(pyr_noise_training(&result, job));
        pyr_bar_end(job->ctx);
        print_level(job, &result);
    }
    return PYR_OK;
}

static pyr_status run_noise(const typed *t, pyr_parsed *parsed)
{
    pyr_settings *settings = NULL;
    pyr_config config;
    pyr_kernels *k = NULL;
    pyr_dataset *data = NULL;
    pyr_bar bar = pyr_bar_new();
    pyr_noise_training_job job = {.run = t->network,
                                  .config = &config,
                                  .duration = t->duration,
                                  .seed = (uint64_t)t->seed,
                                  .batch = t->batch,
                                  .learning_rate = pyr_option_given(parsed, "lr") ? t->lr : 3e-3,
                                  .on_report = show_report,
                                  .should_stop = pyr_should_stop,
                                  .ctx = &bar};
    pyr_status status = PYR_OK;

    if (!*t->network)
        return pyr_fail(PYR_E_ARG, "--noise is for the levels of a run: add --network RUN");
    if (pyr_option_given(parsed, "out"))
        return pyr_fail(PYR_E_ARG,
                        "--noise writes into the run, level-I/classifier.safetensors: leave --out out");
    PYR_TRY_OUT(pyr_run_settings_typed(&settings, &config, t->network, parsed));
    PYR_TRY_OUT(pyr_check_level(&config, t->level));
    PYR_TRY_OUT(pyr_open_data(&data, &config.data.set, &bar));
    describe(data);
    PYR_TRY_OUT(pyr_open_machine(&k, &t->machine, true));
    job.k = k;
    job.data = data;
    pyr_stop_on_signals();
    status = train_levels(&job, t);
out:
    pyr_bar_end(&bar);
    pyr_kernels_free(k);
    pyr_dataset_free(data);
    pyr_settings_free(settings);
    return status;
}

/* ---- of images, for evaluation ------------------------------------------------------------------- */

static pyr_status run(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyr_kernels *k = NULL;
    pyr_dataset *data = NULL;
    pyr_bar bar = pyr_bar_new();
    pyr_classifier_result result;
    pyr_status status = PYR_OK;

    if (t->noise)
        return run_noise(t, parsed);
    if (*t->network || t->level >= 0)
        return pyr_fail(PYR_E_ARG, "--network and --level are of --noise: add it, or leave them out");
    if (!pyr_option_given(parsed, "data"))
        return pyr_fail(PYR_E_ARG, "--data PATH is missing: images with labels (pyrdiff classifier --help)");
    PYR_TRY(pyr_output_possible(t->out));
    PYR_TRY_OUT(pyr_open_data_typed(&data, parsed, &bar));
    describe(data);
    PYR_TRY_OUT(pyr_open_machine(&k, &t->machine, true));
    pyr_stop_on_signals();
    status = pyr_classifier_train(&(pyr_classifier_job){.k = k,
                                                        .data = data,
                                                        .path = t->out,
                                                        .duration = t->duration,
                                                        .seed = (uint64_t)t->seed,
                                                        .batch = t->batch,
                                                        .learning_rate = t->lr,
                                                        .on_report = show_report,
                                                        .should_stop = pyr_should_stop,
                                                        .ctx = &bar,
                                                        .result = &result});
    pyr_bar_end(&bar);
    if (status != PYR_OK)
        goto out;
    if (isnan(result.accuracy))
        pyr_print("%s: no images %s to measure the accuracy on", t->out,
                  pyr_dataset_count(data, PYR_SPLIT_HELD_OUT) ? "with labels are held out" : "are held out");
    else
        pyr_print("%s: accuracy %.2f %% on %lld held-out images", t->out, 100 * result.accuracy,
                  (long long)result.held_out);
    pyr_print(", %lld steps, hash %016" PRIx64 "\n", (long long)result.steps, result.hash);
out:
    pyr_kernels_free(k);
    pyr_dataset_free(data);
    return status;
}

static const pyr_option options[] = {
    OPT_SETTING("data", "PATH", "data.path", "data set with labels"),
    OPT_TEXT(typed, out, "out", "FILE", "classifier.safetensors", "file of the classifier"),
    OPT_FLAG(typed, noise, "noise",
             "train classifiers of the noised levels of --network instead, whose gradient guides sampling "
             "(sample --classifier-scale)"),
    OPT_TEXT(typed, network, "network", "RUN", "",
             "with --noise: the run, whose levels get a classifier.safetensors each"),
    OPT_LEVEL(typed, level, "all levels", "with --noise: of this level only; 0 is the finest"),
    OPT_DURATION(typed, duration, "duration", "TIME", "60s",
                 "duration: 200ki images, 3ep epochs, 60s; a time does not give the same file again"),
    OPT_COUNT(typed, seed, "seed", "N", "0", 0, 9e18, "seed; the same seed gives the same file"),
    OPT_INT(typed, batch, "batch", "N", "64", 1, 65536, "images per step"),
    OPT_REAL(typed, lr, "lr", "RATE", "1e-2", 1e-9, 10,
             "highest learning rate; with --noise 3e-3 when it is not given"),
    {.group = pyr_data_options},
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_classifier = {
    .name = "classifier",
    .title = "train a small classifier on the data's labels, for evaluation or for guidance",
    .summary =
        "Train a small classifier on the labels of a data set, for evaluation: its last hidden layer gives "
        "the features in which sets of images are compared, its logits the Inception Score. With --noise, "
        "classifiers of noised images, one for each level of a run, whose gradient guides its sampling.",
    .examples = "  pyrdiff classifier --data /usr/share/datasets/fashion-mnist\n"
                "  pyrdiff classifier --data photos --resize 64 --out photos.safetensors --duration 3ep\n"
                "  pyrdiff classifier --noise --network runs/fashion-mnist\n",
    .sections = PYR_SECTIONS(&pyr_data_section),
    .options = options,
    .size = sizeof(typed),
    .run = run,
};
