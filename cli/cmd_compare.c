/* cmd_compare.c - pyrdiff compare */
#include "comparison/compare.h"

#include "cascade/default_config.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/typed_settings.h"
#include "graph/step_loop.h"
#include "terminal/output.h"
#include "terminal/progress.h"
#include "terminal/signals.h"
#include <stdio.h>
#include <string.h>

typedef struct typed {
    const char *config, *baseline, *budget, *variants, *outdir, *curve, *classifier, *inception, *of_class;
    int seeds;
    int64_t count;
    double sampling_flop;
    bool dry_run;
    pyr_machine machine;
} typed;

typedef struct work {
    const typed *typed;
    pyr_settings *config, *baseline;
    pyr_compare_job job;
    char *outdir, *cache;
    pyr_text command;
    pyr_bar bar;
    int batch;           /* of the level that is being trained, */
    double images_per_s; /* and its speed, as last reported */
} work;

/* ---- what is shown; in the children ------------------------------------------------------------ */

static pyr_status open_kernels(void *ctx, pyr_kernels **out, bool measure)
{
    const work *w = ctx;

    return pyr_open_machine_quietly(out, &w->typed->machine, measure);
}

static void show_line(void *ctx, const char *line)
{
    work *w = ctx;

    pyr_bar_line(&w->bar, "%s", line);
}

static void show_level(void *ctx, const pyr_level_summary *level)
{
    work *w = ctx;
    const pyr_level_memory *m = &level->memory;

    w->batch = level->batch;
    w->images_per_s = 0;
    pyr_bar_line(&w->bar, "level %d: %.2f M parameters, %.1f MFLOP an image, batch %d, memory %.1f MiB%s",
                 level->facts.index, (double)m->parameters / 1e6, m->flop / 1e6, w->batch, pyr_mib(m->total),
                 level->resumed ? ", going on from its last checkpoint" : "");
}

static void show_report(void *ctx, const pyr_level_report *r)
{
    work *w = ctx;
    const pyr_train_report *t = &r->train;
    char eta[32], label[32], text[256];

    if (r->part && !(t->last && r->held_out.images)) /* a line on all levels follows */
        return;
    if (t->images_per_s > 0)
        w->images_per_s = t->images_per_s;
    pyr_clock_text(eta,
                   w->images_per_s > 0 ? (double)((t->steps - t->step) * w->batch) / w->images_per_s : 0);
    if (r->level >= 0)
        snprintf(label, sizeof label, "level %d", r->level);
    else /* of levels that are trained together */
        snprintf(label, sizeof label, "all levels");
    snprintf(text, sizeof text, "loss %.4f  %.0f images/s  ETA %s", t->loss, w->images_per_s, eta);
    if (t->last && r->held_out.images)
        pyr_bar_line(&w->bar, "%s  trained in %.0f s  held-out loss %.4f", label, t->seconds,
                     r->held_out.ema);
    else
        pyr_bar_draw(&w->bar, label, t->step, t->steps, text);
}

static void show_progress(void *ctx, int64_t done, int64_t n, double images_per_s)
{
    work *w = ctx;

    pyr_bar_sampling(&w->bar, done, n, images_per_s);
}

/* ---- the command ------------------------------------------------------------------------------- */

/* "0.125,0.25,0.5" */
static pyr_status parse_curve(const char *text, pyr_compare_job *job)
{
    while (*text) {
        size_t length = strcspn(text, ",");
        char *part = pyr_strfmt("%.*s", (int)length, text);
        double value = 0;
        bool good = part && pyr_parse_real(part, &value) && value > 0 && value < 1;

        pyr_free(part);
        if (!good)
            return pyr_fail(PYR_E_ARG, "--curve: \"%.*s\" should be a part of the budget between 0 and 1",
                            (int)length, text);
        if (job->n_curve == PYR_CURVE_POINTS)
            return pyr_fail(PYR_E_ARG, "--curve: at most %d parts", PYR_CURVE_POINTS);
        for (int i = 0; i < job->n_curve; i++)
            if (job->curve[i] == value)
                return pyr_fail(PYR_E_ARG, "--curve: %g stands there twice", value);
        job->curve[job->n_curve++] = value;
        text += length + (text[length] == ',');
    }
    return PYR_OK;
}

static pyr_status parse_words(work *w)
{
    const typed *t = w->typed;
    pyr_compare_job *job = &w->job;

    if (pyr_parse_budget(t->budget, &job->budget) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--budget");
    if (pyr_parse_variants(t->variants, job->variant, &job->variants) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--variants");
    return parse_curve(t->curve, job);
}

static pyr_status read_settings(work *w, pyr_parsed *parsed)
{
    const typed *t = w->typed;
    pyr_config config;

    if (*t->config)
        PYR_TRY(pyr_file_settings_typed(&w->config, t->config, parsed));
    else { /* trainings open the data in processes of their own */
        pyr_dataset *data;

        PYR_TRY(pyr_default_settings_typed(&w->config, &data, parsed));
        pyr_dataset_free(data);
    }
    PYR_TRY(pyr_config_get(&config, w->config));
    if (!*config.data.set.path)
        return pyr_fail(PYR_E_CONFIG, "no data are given: add --data PATH");
    if (!*t->baseline)
        return PYR_OK;
    PYR_TRY(pyr_settings_new(&w->baseline, pyr_all_sections));
    return pyr_settings_read(w->baseline, t->baseline);
}

static pyr_status compare(work *w)
{
    pyr_comparison c = {0};
    pyr_status status;

    status = pyr_compare_plan(&c, &w->job);
    if (c.cost.at)
        (w->typed->dry_run ? pyr_print_lines : pyr_tell_lines)(c.cost.at);
    if (status != PYR_OK || w->typed->dry_run)
        goto out;
    PYR_TRY_OUT(pyr_compare_run(&c, &w->job));
    pyr_print_lines(c.table.at);
    pyr_tell("results: %s/compare.json, %s/compare.txt\n", w->outdir, w->outdir);
out:
    pyr_comparison_free(&c);
    return status;
}

static pyr_status run_compare(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    work w = {.typed = t, .bar = pyr_bar_new()};
    pyr_status status;

    w.job = (pyr_compare_job){.config_name = *t->config ? t->config : pyr_default_config_name,
                              .budget_name = t->budget,
                              .seeds = t->seeds,
                              .count = t->count,
                              .of_class = t->of_class,
                              .sampling_flop = t->sampling_flop,
                              .network = {pyr_given(t->classifier), pyr_given(t->inception)},
                              .backend = t->machine.backend,
                              .precision = t->machine.precision,
                              .open = open_kernels,
                              .on_line = show_line,
                              .on_level = show_level,
                              .on_report = show_report,
                              .on_progress = show_progress,
                              .ctx = &w};
    if (t->dry_run)
        pyr_cache_keep(false);
    PYR_TRY_OUT(parse_words(&w));
    PYR_TRY_OUT(read_settings(&w, parsed));
    PYR_TRY_OUT(pyr_command_text(&w.command, parsed->argc, parsed->argv));
    PYR_TRY_OUT(pyr_default_outdir(&w.outdir, t->outdir, "runs/compare-", w.job.config_name));
    w.cache = pyr_cache_path("eval");
    w.job.outdir = w.outdir;
    w.job.config = w.config;
    w.job.baseline = w.baseline;
    w.job.command = w.command.at;
    w.job.cache = w.cache;
    pyr_stop_on_signals();
    status = compare(&w);
    if (status == PYR_E_STOPPED)
        pyr_tell("%s. The same command goes on from here\n", pyr_error());
out:
    pyr_bar_end(&w.bar);
    pyr_settings_free(w.config);
    pyr_settings_free(w.baseline);
    pyr_free(w.outdir);
    pyr_free(w.cache);
    pyr_text_free(&w.command);
    return status;
}

static const pyr_option options[] = {
    OPT_TEXT(
        typed, config, "config", "FILE", "",
        "configuration of the pyramid; without it, the built-in configs/fashion-mnist.cfg with levels by "
        "the size of the images"),
    OPT_TEXT(typed, baseline, "baseline", "FILE", "",
             "configuration of the variant single, except for the sections data and train, which come from "
             "--config; --set does not change it; without it, that of the finest level"),
    OPT_SETTING("data", "PATH", "data.path", "images: a folder or a file"),
    OPT_SETTING("split", "WORD", "data.split", NULL),
    OPT_TEXT(typed, budget, "budget", "COST", "",
             "cost of each training: a time (10m) or a number of operations (2e14flop, where an image costs "
             "three times its forward pass)",
             .missing = "what may a training cost? Add --budget 10m, or --budget 2e14flop"),
    OPT_TEXT(typed, variants, "variants", "LIST", "separate,cascade,end-to-end,shared,single",
             "variants to train, in this order"),
    OPT_INT(typed, seeds, "seeds-train", "N", "1", 1, PYR_COMPARED_SEEDS,
            "trainings of each variant, with the seeds from train.seed on"),
    OPT_COUNT(typed, count, "count", "N", "10000", 2, 1e7, "images that are drawn and evaluated for each"),
    OPT_REAL(typed, sampling_flop, "sampling-flop", "F", "0", 0, 1e30,
             "operations for drawing one image; 0: those of the first variant with a pyramid, as it is "
             "configured"),
    OPT_TEXT(typed, curve, "curve", "LIST", "",
             "train with these parts of the budget as well: 0.125,0.25,0.5"),
    OPT_TEXT(
        typed, of_class, "class", "WHICH", "",
        "class of the images, for class-conditional variants: its number or name; all: the seeds take the "
        "classes in turn; random: each seed draws one; without it the images are of no given class"),
    OPT_TEXT(typed, classifier, "classifier", "FILE", "", "feature network, as in pyrdiff eval"),
    OPT_TEXT(typed, inception, "inception", "FILE", "", "weights of Inception-v3, as in pyrdiff eval"),
    OPT_TEXT(typed, outdir, "outdir", "DIR", "",
             "folder of the runs and results; without it, runs/compare- and the name of the configuration"),
    OPT_FLAG(typed, dry_run, "dry-run", "print the cost, and stop"),
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_compare = {
    .name = "compare",
    .title = "train several kinds of model at equal cost and evaluate them",
    .summary =
        "Train several kinds of model with the same budget, draw images from each at the same cost, and "
        "evaluate them in the same way: levels trained separately, levels trained together (cascade), end "
        "to end, with one shared trunk, and one network without a pyramid (single). The cost is printed "
        "first. The same command, given again, continues a comparison that was stopped.",
    .examples = "  pyrdiff compare --config configs/fashion-mnist.cfg --budget 6m --seeds-train 2\n"
                "  pyrdiff compare --config configs/cifar10.cfg --data PATH --budget 2e14flop "
                "--variants separate,single\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .resumes = true,
    .run = run_compare,
};
