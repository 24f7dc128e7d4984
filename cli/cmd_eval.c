/* cmd_eval.c - pyrdiff eval */
#include "cli/cli.h"
#include "cli/sampling.h"
#include "cli/watch.h"
#include "include/pyrdiff.h"
#include "terminal/output.h"
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

/* ---- what comes out ---------------------------------------------------------------------------- */

static void print_figure(const pyrdiff_figure *f)
{
    char name[64], value[64];

    if (f->left_out) {
        pyr_print("%-29s left out: %s\n", f->title, f->left_out);
        return;
    }
    if (f->level >= 0)
        snprintf(name, sizeof name, "%s, level %d", f->title, f->level);
    else
        snprintf(name, sizeof name, "%s", f->title);
    snprintf(value, sizeof value, "%.5g", f->value);
    if (isfinite(f->deviation))
        snprintf(value, sizeof value, "%.5g +- %.2g", f->value, f->deviation);
    pyr_print("%-29s %-22s %" PRId64 " images", name, value, f->images);
    if (f->reference) {
        pyr_print(" against %s", f->reference);
        if (f->reference_images)
            pyr_print(", %" PRId64 " images", f->reference_images);
        pyr_print(" [%016" PRIx64 "]", f->reference_hash);
    }
    if (f->features)
        pyr_print(", features: %s [%016" PRIx64 "]", f->features, f->features_hash);
    else if (f->reference)
        pyr_print(", on pixels");
    pyr_print("\n");
}

static void print_result(const pyrdiff_result *result, pyr_bar *bar)
{
    pyrdiff_figure figure = {.size = sizeof figure};
    const char *warning = pyrdiff_result_text(result, "warnings");

    pyr_print_lines(pyrdiff_result_text(result, "set"));
    for (int i = 0; pyrdiff_result_figure(result, i, &figure) == PYRDIFF_OK; i++)
        print_figure(&figure);
    while (*warning) {
        int length = (int)strcspn(warning, "\n");

        pyr_bar_line(bar, "warning: %.*s", length, warning);
        warning += length + 1;
    }
}

/* ---- the command ------------------------------------------------------------------------------- */

static pyr_status check_outputs(const typed *t)
{
    PYR_TRY(pyr_output_possible(t->json));
    PYR_TRY(pyr_output_possible(t->sheet));
    return pyr_output_possible(t->write_stats);
}

/* Options of sampling are of no use to images that are there. */
static pyr_status refuse_sampling(const pyr_parsed *parsed, const char *input)
{
    static const char *const of_runs[] = {"seeds", "steps",    "sampler",           "given", "level",
                                          "class", "guidance", "guidance-interval", "gnet",  "batch"};

    for (size_t i = 0; i < sizeof of_runs / sizeof *of_runs; i++)
        if (pyr_option_given(parsed, of_runs[i]))
            return pyr_fail(PYR_E_ARG, "--%s is for a run, but %s holds images", of_runs[i], input);
    return PYR_OK;
}

/* Those of the run, or of what --data names, with what was typed. */
static pyr_status read_settings(pyrdiff_settings **out, const typed *t, pyr_parsed *parsed,
                                const char *const *options)
{
    const char *input = parsed->arguments[0];
    pyrdiff_found found = {.size = sizeof found};
    char path[8];
    int levels;

    PYR_TRY(pyrdiff_look(input, -1, &found));
    if (found.kind != PYRDIFF_RUN && found.kind != PYRDIFF_NOTHING)
        PYR_TRY(refuse_sampling(parsed, input));
    PYR_TRY(pyrdiff_settings_open(out, found.kind == PYRDIFF_RUN ? input : ""));
    PYR_TRY(pyr_options_each(parsed, pyr_set_public, *out));
    PYR_TRY(pyrdiff_evaluate(NULL, input, NULL, *out, NULL, options, NULL, NULL));
    PYR_TRY(pyrdiff_settings_get(*out, "data.path", path, sizeof path));
    if (!*path)
        return pyr_fail(PYR_E_ARG, "against which images? Add --data PATH");
    if (found.kind != PYRDIFF_RUN)
        return PYR_OK;
    levels = pyr_number_of(*out, "pyramid.levels");
    PYR_TRY(pyr_set_sampling(&t->sampling, levels, pyr_set_public, *out));
    return pyr_set_guidance(&t->guidance, levels, pyr_set_public, *out);
}

static pyr_status run_eval(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyrdiff_settings *settings = NULL;
    pyrdiff_data *data = NULL;
    pyrdiff_result *result = NULL;
    static const char *const names[] = {
        "metrics", "reference", "classifier", "inception", "fid-resize", "ref-stats", "write-stats", "sheet",
        "seeds",   "class",     "gnet",       "count",     "given",      "level",     "batch",       NULL};
    pyr_passed options = pyr_pass_options(parsed, names);
    pyr_watch watch;
    pyr_status status;

    pyr_watch_begin(&watch);
    PYR_TRY_OUT(check_outputs(t));
    PYR_TRY_OUT(read_settings(&settings, t, parsed, options.at));
    PYR_TRY_OUT(pyrdiff_data_open(&data, settings, pyr_watch_event, &watch));
    pyr_bar_end(&watch.bar);
    pyr_take_signals();
    PYR_TRY_OUT(pyrdiff_evaluate(&result, parsed->arguments[0], NULL, settings, data, options.at,
                                 pyr_watch_event, &watch));
    print_result(result, &watch.bar);
    if (*t->json)
        status = pyr_file_replace(t->json, pyrdiff_result_text(result, "json"),
                                  strlen(pyrdiff_result_text(result, "json")));
out:
    pyr_bar_end(&watch.bar);
    if (status == PYR_E_STOPPED)
        status = pyr_fail(PYR_E_STOPPED, "stopped: nothing was measured");
    pyrdiff_result_free(result);
    pyrdiff_data_free(data);
    pyrdiff_settings_free(settings);
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
    OPT_COUNT(typed, count, "count", "N", "0", 0, 10000000,
              "images to draw (seeds 0 to N-1) or to read; 0: draw 10000, read all"),
    OPT_TEXT(typed, seeds, "seeds", "LIST", "", "draw these seeds instead: 0-4999"),
    OPT_INT(typed, given, "given", "I", "0", 0, PYRDIFF_MAX_LEVELS,
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
    OPT_TEXT(typed, metrics, "metrics", "LIST", "all",
             "frechet,kid,precision,recall,score,swd,spectrum,colour,consistency,nearest, or all"),
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
