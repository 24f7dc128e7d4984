/* cmd_classifier.c - pyrdiff classifier */
#include "features/classifier.h"

#include "base/stop.h"
#include "cli/cli.h"
#include "cli/machine.h"
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
    OPT_DURATION(typed, duration, "duration", "TIME", "60s",
                 "duration: 200ki images, 3ep epochs, 60s; a time does not give the same file again"),
    OPT_COUNT(typed, seed, "seed", "N", "0", 0, 9e18, "seed; the same seed gives the same file"),
    OPT_INT(typed, batch, "batch", "N", "64", 1, 65536, "images per step"),
    OPT_REAL(typed, lr, "lr", "RATE", "1e-2", 1e-9, 10, "highest learning rate"),
    {.group = pyr_data_options},
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_classifier = {
    .name = "classifier",
    .title = "train a small classifier on the data's labels, for evaluation",
    .summary =
        "Train a small classifier on the labels of a data set, for evaluation: its last hidden layer gives "
        "the features in which sets of images are compared, its logits the Inception Score.",
    .examples = "  pyrdiff classifier --data /usr/share/datasets/fashion-mnist\n"
                "  pyrdiff classifier --data photos --resize 64 --out photos.safetensors --duration 3ep\n",
    .sections = PYR_SECTIONS(&pyr_data_section),
    .options = options,
    .size = sizeof(typed),
    .run = run,
};
