/* cmd_classifier.c - pyrdiff classifier */
#include "features/classifier.h"

#include "base/stop.h"
#include "cli/cli.h"
#include "cli/open_data.h"
#include "images/data_settings.h"
#include "terminal/output.h"
#include "terminal/progress.h"
#include "terminal/signals.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

typedef struct typed {
    const char *out;
    pyr_duration duration;
    int64_t seed;
    int batch;
    double lr;
    pyr_machine machine;
} typed;

static void show_report(void *ctx, const pyr_classifier_report *r)
{
    pyr_bar *bar = ctx;
    char text[128], spent[32];

    pyr_clock_text(spent, r->seconds);
    snprintf(text, sizeof text, "loss %.4f  %.0f images/s  %s spent", r->loss, r->images_per_s, spent);
    if (r->brief || bar->terminal)
        pyr_bar_draw(bar, "classifier", r->step, r->steps, text);
    else
        pyr_bar_line(bar, "classifier  %3.0f%%  %s", 100 * (double)r->step / (double)r->steps, text);
}

static pyr_status open_data(pyr_dataset **out, const pyr_parsed *parsed, pyr_bar *bar)
{
    pyr_settings *settings = NULL;
    pyr_data_config config = {0};
    pyr_text line = {0};
    pyr_status status = PYR_OK;

    *out = NULL;
    PYR_TRY_OUT(pyr_settings_new(&settings, &pyr_data_section, 1));
    PYR_TRY_OUT(pyr_options_apply(parsed, settings));
    pyr_settings_fill(settings, "data", -1, &config);
    PYR_TRY_OUT(pyr_data_config_finish(&config));
    PYR_TRY_OUT(pyr_open_data(out, &config.set, bar));
    pyr_dataset_describe(*out, &line);
    pyr_tell("data: %s\n", line.at ? line.at : "");
    for (size_t i = 0; i < pyr_dataset_warnings(*out); i++)
        pyr_tell("warning: %s\n", pyr_dataset_warning(*out, i));
out:
    pyr_text_free(&line);
    pyr_settings_free(settings);
    return status;
}

static pyr_status run(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyr_kernels *k = NULL;
    pyr_dataset *data = NULL;
    pyr_bar bar = pyr_bar_new();
    pyr_classifier_result result;
    pyr_status status = PYR_OK;

    if (!pyr_option_given(parsed, "data"))
        return pyr_fail(PYR_E_ARG, "--data PATH is missing: images with labels (pyrdiff classifier --help)");
    PYR_TRY(pyr_output_possible(t->out));
    PYR_TRY_OUT(open_data(&data, parsed, &bar));
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

pyr_status pyr_command_classifier(int argc, char **argv)
{
    typed t;
    const pyr_option table[] = {
        {.name = "data", .argument = "PATH", .setting = "data.path", .help = "images with labels"},
        {.name = "out",
         .argument = "FILE",
         .type = PYR_SETTING_TEXT,
         .target = &t.out,
         .standard = "classifier.safetensors",
         .help = "the file to write"},
        {.name = "duration",
         .argument = "TIME",
         .type = PYR_SETTING_DURATION,
         .target = &t.duration,
         .standard = "60s",
         .help = "200ki images, 3ep epochs, 60s; only images and epochs give the same file again"},
        {.name = "seed",
         .argument = "N",
         .type = PYR_SETTING_COUNT,
         .target = &t.seed,
         .standard = "0",
         .min = 0,
         .max = 9e18,
         .help = "the same seed, the same file"},
        {.name = "batch",
         .argument = "N",
         .type = PYR_SETTING_INT,
         .target = &t.batch,
         .standard = "64",
         .min = 1,
         .max = 65536,
         .help = "images per step"},
        {.name = "lr",
         .argument = "RATE",
         .type = PYR_SETTING_REAL,
         .target = &t.lr,
         .standard = "1e-2",
         .min = 1e-9,
         .max = 10,
         .help = "the highest learning rate"},
        {.name = "channels", .argument = "N", .setting = "data.channels"},
        {.name = "resize", .argument = "HxW", .setting = "data.resize"},
        {.name = "crop", .setting = "data.crop"},
        {.name = "skip-bad", .setting = "data.skip_bad"},
        {.name = "held-out", .argument = "N", .setting = "data.held_out"},
        {.name = "split", .argument = "WORD", .setting = "data.split"},
        {.name = "classes", .argument = "WORD", .setting = "data.classes"},
        PYR_MACHINE_OPTIONS(t.machine),
    };
    const pyr_options options = {
        .command = "classifier",
        .summary =
            "Train a small classifier on the labels of a data set, for evaluation: its last hidden layer "
            "gives the features in which sets of images are compared, its logits the Inception Score.",
        .examples =
            "  pyrdiff classifier --data /usr/share/datasets/fashion-mnist\n"
            "  pyrdiff classifier --data photos --resize 64 --out photos.safetensors --duration 3ep\n",
        .table = table,
        .n = sizeof table / sizeof *table,
        .sections = &pyr_data_section,
        .n_sections = 1};

    return pyr_run_command(&options, argc, argv, run, &t);
}
