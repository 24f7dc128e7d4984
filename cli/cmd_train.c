/* cmd_train.c - pyrdiff train */
#include "training/train_run.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/stop.h"
#include "cascade/default_config.h"
#include "cli/cli.h"
#include "cli/next_command.h"
#include "cli/open_data.h"
#include "cli/typed_settings.h"
#include "graph/step_loop.h"
#include "terminal/output.h"
#include "terminal/progress.h"
#include "terminal/signals.h"
#include <stdio.h>
#include <string.h>

typedef struct typed {
    const char *config, *outdir, *transfer;
    int level;
    bool dry_run;
    pyr_machine machine;
} typed;

typedef struct screen {
    pyr_bar bar;
    int batch;
    pyr_train_report last; /* with numbers, for brief reports */
    int64_t shown;         /* twentieths of the level that have had a line in a log */
    double baseline_mib;
    bool dry;
} screen;

/* ---- what is shown ----------------------------------------------------------------------------- */

static void show_line(void *ctx, const char *line)
{
    screen *s = ctx;

    pyr_bar_line(&s->bar, "%s", line);
}

static void show_data(void *ctx, const char *line)
{
    screen *s = ctx;

    pyr_bar_line(&s->bar, "data: %s", line);
    s->baseline_mib = pyr_peak_mib();
}

static void show_level(void *ctx, const pyr_level_summary *level)
{
    screen *s = ctx;
    const pyr_level_memory *m = &level->memory;
    const pyr_shape *v = &level->variable;
    int pieces = (level->batch + m->micro_batch - 1) / m->micro_batch;
    int busy = pieces < level->groups ? pieces : level->groups;

    s->batch = level->batch;
    s->last = (pyr_train_report){0};
    s->shown = 0;
    pyr_bar_line(&s->bar,
                 "level %d: %dx%dx%d%s, %.2f M parameters, %.1f MFLOP an image, batch %d in pieces of %d on "
                 "%d thread%s, memory %.1f MiB",
                 level->facts.index, v->h, v->w, v->c, level->conditioned ? " given the coarser image" : "",
                 (double)m->parameters / 1e6, m->flop / 1e6, s->batch, m->micro_batch, m->lanes,
                 m->lanes == 1 ? "" : "s", pyr_mib(m->total));
    if (m->lanes > busy)
        pyr_bar_line(&s->bar, "level %d: of %d threads %d can work at a time (level.groups is %d)",
                     level->facts.index, m->lanes, busy, level->groups);
    if (s->dry)
        pyr_print(
            "level %d: parameters, gradient, moments, EMA %.2f MiB; activations %.2f MiB (%.3f MiB an "
            "image); accumulators and packed weights %.2f MiB; images on their way %.2f MiB; held-out loss "
            "%.2f MiB; libraries about %.2f MiB; peak %.2f MiB beside the data set\n",
            level->facts.index, pyr_mib(m->blocks), pyr_mib(m->activations),
            pyr_mib(m->activations) / (m->lanes * m->micro_batch), pyr_mib(m->accumulators), pyr_mib(m->feed),
            pyr_mib(m->held_out), pyr_mib(m->library), pyr_mib(m->total));
    if (level->resumed)
        pyr_bar_line(&s->bar, "level %d: going on from its last checkpoint", level->facts.index);
}

static void show_report(void *ctx, const pyr_level_report *r)
{
    screen *s = ctx;
    const pyr_train_report *t = &r->train;
    char eta[32], spent[32], label[32], text[256];
    double rate = t->images_per_s > 0 ? t->images_per_s : s->last.images_per_s;
    int64_t twentieths = t->step * 20 / t->steps;

    if (r->part && !r->held_out.images)
        return;
    if (!r->brief || s->last.step == 0)
        s->last = *t;
    pyr_clock_text(eta, rate > 0 ? (double)((t->steps - t->step) * s->batch) / rate : 0);
    pyr_clock_text(spent, t->seconds);
    if (r->level < 0)
        snprintf(label, sizeof label, "all levels");
    else
        snprintf(label, sizeof label, "level %d", r->level);
    snprintf(text, sizeof text, "loss %.4f  %.0f images/s  %s spent  ETA %s", t->loss, rate, spent, eta);
    if (r->held_out.images)
        pyr_bar_line(&s->bar, "%s  %3.0f%%  %s  held-out %.4f (raw %.4f)%s", label,
                     100 * (double)t->step / (double)t->steps, text, r->held_out.ema, r->held_out.raw,
                     t->skipped ? "  some steps were skipped" : "");
    else if (!s->bar.terminal && !r->brief && twentieths != s->shown)
        pyr_bar_line(&s->bar, "%s  %3.0f%%  %s", label, 100 * (double)t->step / (double)t->steps, text);
    if (r->part)
        return;
    if (!r->brief)
        s->shown = twentieths;
    pyr_bar_draw(&s->bar, label, t->step, t->steps, text);
}

/* ---- the command ------------------------------------------------------------------------------- */

/* The data that the settings name; where they name none, training says so. */
static pyr_status open_data(pyr_dataset **data, const pyr_settings *settings)
{
    pyr_config config;
    pyr_bar bar = pyr_bar_new();

    PYR_TRY(pyr_config_get(&config, settings));
    return *config.data.set.path ? pyr_open_data(data, &config.data.set, &bar) : PYR_OK;
}

/* An existing run that is named without a configuration goes on with its own. *data: what the settings name;
 * the default configuration is fitted to them. */
static pyr_status read_settings(pyr_settings **out, pyr_dataset **data, const typed *t, pyr_parsed *parsed,
                                char **run)
{
    pyr_status status = PYR_OK;
    bool goes_on, there;

    *out = NULL;
    *data = NULL;
    *run = *t->outdir ? pyr_strdup(t->outdir)
                      : pyr_default_outdir("runs/", *t->config ? t->config : pyr_default_config_name);
    if (!*run)
        return pyr_fail(PYR_E_NOMEM, "out of memory");
    PYR_TRY(pyr_run_exists(&there, *run));
    goes_on = !*t->config && *t->outdir && there;
    if (!*t->config && !goes_on)
        return pyr_default_settings_typed(out, data, parsed);
    if (goes_on)
        PYR_TRY_OUT(pyr_run_settings(out, *run));
    else {
        PYR_TRY_OUT(pyr_settings_new(out, pyr_all_sections));
        PYR_TRY_OUT(pyr_settings_read(*out, t->config));
    }
    PYR_TRY_OUT(pyr_options_apply(parsed, *out));
    PYR_TRY_OUT(open_data(data, *out));
out:
    return status;
}

static pyr_status run_training(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyr_status status = PYR_OK;
    pyr_settings *settings = NULL;
    pyr_dataset *data = NULL;
    pyr_duration own; /* of one level: not a setting of the run */
    bool has_own = false;
    pyr_kernels *k = NULL;
    char *run = NULL;
    screen s = {.bar = pyr_bar_new(), .dry = t->dry_run};
    pyr_train_job job = {.transfer = *t->transfer ? t->transfer : NULL,
                         .level = t->level,
                         .on_data = show_data,
                         .on_note = show_line,
                         .on_level = show_level,
                         .on_report = show_report,
                         .should_stop = pyr_should_stop,
                         .ctx = &s};

    if (t->dry_run)
        pyr_cache_keep_nothing();
    if (t->level >= 0)
        PYR_TRY_OUT(pyr_option_take(parsed, "duration", &own, &has_own));
    job.duration = has_own ? &own : NULL;
    PYR_TRY_OUT(read_settings(&settings, &data, t, parsed, &run));
    PYR_TRY_OUT(pyr_open_machine(&k, &t->machine, true));
    job.k = k;
    job.run = run;
    job.settings = settings;
    job.data = data;
    if (t->dry_run) {
        PYR_TRY_OUT(pyr_train_dry(&job));
        goto out;
    }
    pyr_stop_on_signals();
    status = pyr_train(&job);
    pyr_bar_end(&s.bar);
    if (status == PYR_E_STOPPED)
        pyr_tell("%s. The same command goes on from here\n", pyr_error());
    if (status != PYR_OK)
        goto out;
    pyr_tell("trained: %s (peak memory %.0f MiB, of it %.0f MiB program and data)\n", run, pyr_peak_mib(),
             s.baseline_mib);
    status = pyr_say_next(run, t->level);
out:
    pyr_settings_free(settings);
    pyr_dataset_free(data);
    pyr_kernels_free(k);
    pyr_free(run);
    return status;
}

static const pyr_option options[] = {
    OPT_TEXT(typed, config, "config", "FILE", "",
             "configuration; without it, that of an existing --outdir, or else the built-in "
             "configs/fashion-mnist.cfg with as many levels as halve the images to 8 pixels or less"),
    OPT_TEXT(typed, outdir, "outdir", "DIR", "",
             "directory of the run; without it, runs/ and the name of the configuration"),
    OPT_SETTING("data", "PATH", "data.path", "images: a folder or a file"),
    OPT_INT(typed, level, "level", "I", "-1", 0, PYR_MAX_LEVELS - 1, "train this level only; 0 is the finest",
            .untyped = "all, coarsest first"),
    OPT_SETTING(
        "duration", "TIME", "train.duration",
        "duration of all levels together, or with --level of that one: 200ki images, 3ep epochs, 90s"),
    OPT_SETTING("seed", "N", "train.seed", "seed of the run; the same seed gives the same run"),
    OPT_SETTING("cascade", NULL, "cascade.joint", "train all levels together, with the sum of their losses"),
    OPT_TEXT(typed, transfer, "transfer", "RUN", "", "start a new run with the weights of this one"),
    OPT_SETTING("levels", "N", "pyramid.levels", NULL),
    OPT_SETTING("filter", "NAME", "pyramid.filter", NULL),
    OPT_SETTING("channels", "N", "data.channels", NULL),
    OPT_SETTING("resize", "HxW", "data.resize", NULL),
    OPT_SETTING("crop", NULL, "data.crop", NULL),
    OPT_SETTING("skip-bad", NULL, "data.skip_bad", NULL),
    OPT_SETTING("split", "WORD", "data.split", NULL),
    OPT_SETTING("xflip", NULL, "data.xflip", NULL),
    OPT_SETTING("batch", "N", "level.batch", "images per step"),
    OPT_SETTING("batch-gpu", "N", "level.batch_gpu", NULL),
    OPT_SETTING("lr", "RATE", "level.lr", "learning rate"),
    OPT_SETTING("ema", "PART", "level.ema", NULL),
    OPT_SETTING("dropout", "P", "level.network.dropout", NULL),
    OPT_SETTING("classes", NULL, "level.classes",
                "train class-conditional networks; data.classes decides what the labels are"),
    OPT_SETTING("checkpoint", "N", "train.checkpoint", NULL),
    OPT_SETTING("status", "N", "train.status", NULL),
    OPT_SETTING("snapshot", "N", "train.snapshot", NULL),
    OPT_FLAG(typed, dry_run, "dry-run", "describe the data and the memory that is needed, and stop"),
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_train = {
    .name = "train",
    .title = "train the levels of a pyramid: one after the other, a single one, or together",
    .summary =
        "Train the levels of a pyramid: one after the other, coarsest first, or a single one (several "
        "processes may train different levels at the same time), or all together. The same command, given "
        "again, continues a run that was stopped. --set KEY=VALUE changes any setting; pyrdiff info "
        "--settings lists them.",
    .examples = "  pyrdiff train\n"
                "  pyrdiff train --data photos --resize 64 --outdir runs/photos\n"
                "  pyrdiff train --level 2\n"
                "  pyrdiff train --cascade --set cascade.condition=estimate --outdir runs/end-to-end\n"
                "  pyrdiff train --config configs/cifar10.cfg --data PATH --duration 20m\n"
                "  pyrdiff train --set levels[0].network.block_out_channels=[64,128]\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .resumes = true,
    .run = run_training,
};
