/* cmd_train.c - pyrdiff train */
#include "cli/cli.h"
#include "cli/next_command.h"
#include "cli/watch.h"
#include "include/pyrdiff.h"
#include "terminal/output.h"
#include "terminal/progress.h"
#include "terminal/signals.h"
#include <math.h>
#include <stdio.h>

typedef struct typed {
    const char *config, *outdir, *transfer;
    int level;
    bool dry_run;
    pyr_machine machine;
} typed;

typedef struct screen {
    pyr_watch watch;
    int batch;
    bool reported; /* a step of this level was */
    double rate;   /* images a second, for brief reports */
    double mfu;    /* and their share of the peak */
    int64_t shown; /* twentieths of the level that have had a line in a log */
    double baseline_mib;
    bool dry;
} screen;

/* ---- what is shown ----------------------------------------------------------------------------- */

static void show_data(screen *s, const char *line)
{
    pyr_bar_line(&s->watch.bar, "data: %s", line);
    s->baseline_mib = pyr_peak_memory_mib();
    if (!s->dry)
        pyr_take_signals();
}

static void show_level(screen *s, const pyrdiff_plan *p)
{
    pyr_bar *bar = &s->watch.bar;
    int pieces = (p->batch + p->micro_batch - 1) / p->micro_batch;
    int busy = pieces < p->groups ? pieces : p->groups;

    s->batch = p->batch;
    s->reported = false;
    s->rate = 0;
    s->mfu = NAN;
    s->shown = 0;
    pyr_bar_line(bar,
                 "level %d: %dx%dx%d%s, %.2f M parameters, %.1f MFLOP an image, batch %d in pieces of %d on "
                 "%d thread%s, memory %.1f MiB",
                 p->level, p->h, p->w, p->c, p->conditioned ? " given the coarser image" : "",
                 (double)p->parameters / 1e6, p->flop / 1e6, s->batch, p->micro_batch, p->threads,
                 p->threads == 1 ? "" : "s", pyr_mib(p->bytes));
    if (p->threads > busy)
        pyr_bar_line(bar,
                     "level %d: of %d threads %d can work at a time (a batch of %d has %d sums of gradients; "
                     "level.batch and level.groups decide)",
                     p->level, p->threads, busy, p->batch, p->groups);
    if (s->dry)
        pyr_print(
            "level %d: parameters, gradient, moments, EMA %.2f MiB; activations %.2f MiB (%.3f MiB an "
            "image); accumulators and packed weights %.2f MiB; images on their way %.2f MiB; held-out loss "
            "%.2f MiB; libraries about %.2f MiB; peak %.2f MiB beside the data set\n",
            p->level, pyr_mib(p->block_bytes), pyr_mib(p->activation_bytes),
            pyr_mib(p->activation_bytes) / (p->threads * p->micro_batch), pyr_mib(p->accumulator_bytes),
            pyr_mib(p->feed_bytes), pyr_mib(p->held_out_bytes), pyr_mib(p->library_bytes), pyr_mib(p->bytes));
    if (p->resumed)
        pyr_bar_line(bar, "level %d: going on from its last checkpoint", p->level);
}

/* "loss 0.3720  1520 images/s  62% of peak", into a buffer of 96. */
static void speed_text(char text[96], double loss, double rate, double mfu)
{
    int n = snprintf(text, 96, "loss %.4f  %.0f images/s", loss, rate);

    if (!isnan(mfu))
        snprintf(text + n, (size_t)(96 - n), "  %.0f%% of peak", 100 * mfu);
}

static void show_step(screen *s, const pyrdiff_event *e)
{
    pyr_bar *bar = &s->watch.bar;
    char eta[32], spent[32], label[32], speed[96], text[192];
    double rate = e->images_per_s > 0 ? e->images_per_s : s->rate;
    double mfu = e->images_per_s > 0 ? e->mfu : s->mfu;
    double percent = 100 * (double)e->done / (double)e->total;
    int64_t twentieths = e->done * 20 / e->total;

    if (e->part && isnan(e->held_out))
        return;
    if (!e->brief || !s->reported) {
        s->rate = e->images_per_s;
        s->mfu = e->mfu;
    }
    s->reported = true;
    pyr_clock_text(eta, rate > 0 ? (double)((e->total - e->done) * s->batch) / rate : 0);
    pyr_clock_text(spent, e->seconds);
    if (e->level < 0)
        snprintf(label, sizeof label, "all levels");
    else
        snprintf(label, sizeof label, "level %d", e->level);
    speed_text(speed, e->loss, rate, mfu);
    snprintf(text, sizeof text, "%s  %s spent  ETA %s", speed, spent, eta);
    if (!isnan(e->held_out))
        pyr_bar_line(bar, "%s  %3.0f%%  %s  held-out %.4f (raw %.4f)%s", label, percent, text, e->held_out,
                     e->held_out_weights, e->skipped ? "  some steps were skipped" : "");
    else if (!bar->terminal && !e->brief && twentieths != s->shown)
        pyr_bar_line(bar, "%s  %3.0f%%  %s", label, percent, text);
    if (e->part)
        return;
    if (!e->brief)
        s->shown = twentieths;
    snprintf(text, sizeof text, "%s  ETA %s", speed, eta);
    pyr_bar_draw(bar, label, e->done, e->total, text);
}

static int show(void *ctx, const pyrdiff_event *event)
{
    screen *s = ctx;

    switch (event->kind) {
    case PYRDIFF_EVENT_DATA:
        show_data(s, event->text);
        break;
    case PYRDIFF_EVENT_LEVEL:
        show_level(s, event->plan);
        break;
    case PYRDIFF_EVENT_STEP:
        show_step(s, event);
        break;
    default:
        return pyr_watch_event(&s->watch, event);
    }
    return pyr_signalled();
}

/* ---- the command ------------------------------------------------------------------------------- */

/* An existing run that is named without a configuration goes on with its own. --duration of one --level is not a
 * setting of the run. */
static pyr_status read_settings(pyrdiff_settings **out, const typed *t, pyr_parsed *parsed, char **run)
{
    pyrdiff_found found = {.size = sizeof found};
    pyr_duration unused;
    bool goes_on, typed_own;

    *out = NULL;
    if (t->level >= 0)
        PYR_TRY(pyr_option_take(parsed, "duration", &unused, &typed_own));
    PYR_TRY(pyr_default_outdir(run, t->outdir, "runs/", *t->config ? t->config : "fashion-mnist.cfg"));
    PYR_TRY(pyrdiff_look(*run, -1, &found));
    goes_on = !*t->config && *t->outdir && found.kind == PYRDIFF_RUN;
    PYR_TRY(pyrdiff_settings_open(out, goes_on ? *run : pyr_given(t->config)));
    return pyr_options_each(parsed, pyr_set_public, *out);
}

static pyr_status run_training(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyrdiff_settings *settings = NULL;
    pyr_passed options =
        pyr_pass_options(parsed, (const char *const[]){"level", "transfer", "dry-run",
                                                       t->level >= 0 ? "duration" : NULL, NULL});
    char *run = NULL;
    screen s = {.dry = t->dry_run};
    pyr_status status;

    pyr_watch_begin(&s.watch);
    PYR_TRY_OUT(read_settings(&settings, t, parsed, &run));
    status = pyrdiff_train(run, settings, NULL, options.at, show, &s);
    pyr_bar_end(&s.watch.bar);
    if (status == PYR_E_STOPPED)
        pyr_tell("%s. The same command goes on from here\n", pyrdiff_error());
    if (status != PYR_OK || t->dry_run)
        goto out;
    pyr_tell("trained: %s (peak memory %.0f MiB, of it %.0f MiB program and data)\n", run,
             pyr_peak_memory_mib(), s.baseline_mib);
    status = pyr_say_next(run, t->level);
out:
    pyrdiff_settings_free(settings);
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
    OPT_INT(typed, level, "level", "I", "-1", 0, PYRDIFF_MAX_LEVELS - 1,
            "train this level only; 0 is the finest", .untyped = "all, coarsest first"),
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
