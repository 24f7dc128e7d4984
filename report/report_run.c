/* report_run.c - what a report says of runs: losses, samples, spectra, configurations. */
#include "report/report_internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/data_spectra.h"
#include "report/page.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int halved(int side, int level)
{
    while (level-- > 0)
        side = (side + 1) / 2;
    return side;
}

static int most_levels(const pyr_report *report)
{
    int most = 0;

    for (size_t i = 0; i < report->n_runs; i++)
        if (report->runs[i].settings && report->runs[i].config.pyramid.levels > most)
            most = report->runs[i].config.pyramid.levels;
    return most;
}

/* "Level 1 (14 × 14)", of the first run that knows its size. */
static void level_heading(pyr_text *out, const pyr_report *report, int level)
{
    for (size_t i = 0; i < report->n_runs; i++) {
        const pyr_report_run *run = &report->runs[i];

        if (run->h && level < run->config.pyramid.levels) {
            pyr_text_add(out, "<h3>Level %d (%d × %d)</h3>\n", level, halved(run->h, level),
                         halved(run->w, level));
            return;
        }
    }
    pyr_text_add(out, "<h3>Level %d</h3>\n", level);
}

/* ---- losses ------------------------------------------------------------------------------------ */

/* Series of a plot and the names that they own. */
enum { SERIES_MOST = 64 };
typedef struct curves {
    pyr_series series[SERIES_MOST];
    char name[SERIES_MOST][96];
    size_t n;
} curves;

/* s.name: what of the run it is. */
static void add_curve(curves *c, const char *run, pyr_series s)
{
    if (c->n == SERIES_MOST)
        return;
    snprintf(c->name[c->n], sizeof *c->name, "%.60s%s%s", run ? run : "", run && *s.name ? ": " : "", s.name);
    s.name = c->name[c->n];
    c->series[c->n++] = s;
}

/* What losses are drawn against. */
typedef enum against { IMAGES, EPOCHS, SECONDS } against;

/* One run: the quantities have colours; several: the runs have, and the quantities dashes. */
static void add_loss_curves(curves *c, const pyr_report_run *run, int number, bool several, int level,
                            against what)
{
    const pyr_train_log *log = &run->log[level];
    const double *const all[] = {log->images, log->epochs, log->seconds};
    const double *const held_out[] = {log->held_out_images, log->held_out_epochs, log->held_out_seconds};
    const double *x = held_out[what];
    const char *name = several ? run->name : NULL;
    pyr_series parts[] = {
        {"training", log->n, all[what], log->loss, NULL, 6, 0, -1, true},
        {"held out, EMA", log->n_held_out, x, log->ema, NULL, 0, 0, 0, false},
        {"held out, raw", log->n_held_out, x, log->raw, NULL, 1, 1, 1, false},
    };

    for (int i = 0; i < (int)(sizeof parts / sizeof *parts); i++) {
        if (several) {
            parts[i].colour = number;
            parts[i].dash = i == 0 ? 2 : i - 1;
            parts[i].marker = i == 1 ? number : -1;
        }
        if (parts[i].n)
            add_curve(c, name, parts[i]);
    }
}

/* The last measurement of each of several runs; of one the first, the middle and the last, too. */
static void add_bin_curves(curves *c, const pyr_report_run *run, int number, bool several, int level)
{
    const pyr_train_log *log = &run->log[level];
    size_t last = log->n_held_out - 1;

    if (!log->n_held_out)
        return;
    for (int i = several ? 2 : 0; i < 3; i++) {
        size_t at = i == 0 ? 0 : i == 1 ? last / 2 : last;
        const pyr_loss_bins *bins = &log->bins[at];
        char what[64] = "", images[32];

        if (!bins->n || (i == 0 && last < 1) || (i == 1 && last < 2))
            continue;
        pyr_tick_text(images, sizeof images, log->held_out_images[at]);
        if (!several)
            snprintf(what, sizeof what, "after %s images", images);
        add_curve(c, several ? run->name : NULL,
                  (pyr_series){.name = what,
                               .n = (size_t)bins->n,
                               .x = bins->sigma,
                               .y = bins->loss,
                               .colour = several  ? number
                                         : i == 0 ? 6
                                         : i == 1 ? 1
                                                  : 0,
                               .dash = several  ? number / PYR_PLOT_COLOURS
                                       : i == 2 ? 0
                                                : 2 - i,
                               .marker = several ? number : i});
    }
}

/* Images where a log does not tell of epochs: older programs wrote it. */
static against passes(const pyr_report *report, int level)
{
    for (size_t i = 0; i < report->n_runs; i++)
        if (report->runs[i].log[level].n && isnan(report->runs[i].log[level].epochs[0]))
            return IMAGES;
    return EPOCHS;
}

static void add_level_losses(pyr_text *out, const pyr_report *report, curves *c, int level)
{
    static const char *const words[] = {"images", "epochs", "seconds"};
    const against axis[] = {passes(report, level), SECONDS};
    char title[96];
    pyr_plot plot = {.title = title, .series = c->series};
    bool several = report->n_runs > 1, any = false;

    for (size_t i = 0; i < report->n_runs; i++)
        any = any || report->runs[i].log[level].n > 0;
    level_heading(out, report, level);
    if (!any) {
        pyr_page_element(out, "p", "No losses are logged yet: level %d has not been trained.", level);
        return;
    }
    pyr_text_add(out, "<div class=\"plots\">\n");
    for (int by = 0; by < 3; by++) {
        c->n = 0;
        for (size_t i = 0; i < report->n_runs; i++)
            if (by < 2)
                add_loss_curves(c, &report->runs[i], (int)i, several, level, axis[by]);
            else
                add_bin_curves(c, &report->runs[i], (int)i, several, level);
        if (by < 2) {
            snprintf(title, sizeof title, "Level %d: loss against %s", level, words[axis[by]]);
            plot.x = (pyr_plot_axis){words[axis[by]], PYR_SCALE_LINEAR};
            plot.y = (pyr_plot_axis){"loss", PYR_SCALE_AUTO};
        } else {
            snprintf(title, sizeof title, "Level %d: held-out loss (EMA) by noise level", level);
            plot.x = (pyr_plot_axis){"noise level σ", PYR_SCALE_LOG};
            plot.y = (pyr_plot_axis){"held-out loss", PYR_SCALE_AUTO};
        }
        plot.n_series = c->n;
        pyr_page_plot(out, &plot);
    }
    pyr_text_add(out, "</div>\n");
}

static bool same_pyramids(const pyr_report *report)
{
    const pyr_pyramid_settings *first = NULL;

    for (size_t i = 0; i < report->n_runs; i++) {
        const pyr_pyramid_settings *p = &report->runs[i].config.pyramid;

        if (!report->runs[i].settings)
            continue;
        if (first && (p->levels != first->levels || p->filter != first->filter))
            return false;
        first = p;
    }
    return true;
}

/* The last figures, as numbers. */
static void add_loss_table(pyr_text *out, const pyr_report *report)
{
    pyr_text_add(
        out,
        "<div class=\"box\"><table>\n<tr><th>Run</th><th>Level</th><th>Images</th><th>Seconds</th><th>Of peak</th><th>Training loss</th><th>Held out, EMA</th><th>Held out, raw</th></tr>\n");
    for (size_t i = 0; i < report->n_runs; i++)
        for (int level = report->runs[i].config.pyramid.levels - 1; level >= 0; level--) {
            const pyr_report_run *run = &report->runs[i];
            const pyr_train_log *log = &run->log[level];

            if (!run->settings || !log->n)
                continue;
            pyr_text_add(out, "<tr>");
            pyr_page_element(out, "td", "%s", run->name);
            pyr_page_element(out, "td", "%d", level);
            pyr_page_element(out, "td", "%.0f", log->images[log->n - 1]);
            pyr_page_element(out, "td", "%.1f", log->seconds[log->n - 1]);
            if (isnan(log->mfu))
                pyr_text_add(out, "<td>–</td>");
            else
                pyr_page_element(out, "td", "%.0f %%", 100 * log->mfu);
            pyr_page_element(out, "td", "%.5g", log->loss[log->n - 1]);
            if (log->n_held_out) {
                pyr_page_element(out, "td", "%.5g", log->ema[log->n_held_out - 1]);
                pyr_page_element(out, "td", "%.5g", log->raw[log->n_held_out - 1]);
            } else
                pyr_text_add(out, "<td>–</td><td>–</td>");
            pyr_text_add(out, "</tr>\n");
        }
    pyr_text_add(out, "</table></div>\n");
}

/* What of the logs cannot be read is missing from the plots. */
static void add_damage(pyr_text *out, const pyr_report *report)
{
    for (size_t i = 0; i < report->n_runs; i++)
        for (int level = report->runs[i].config.pyramid.levels - 1; level >= 0; level--) {
            size_t n = report->runs[i].log[level].damaged;

            if (n)
                pyr_page_element(out, "p",
                                 "%zu line%s of %s/level-%d/log.jsonl cannot be read, and %s left out.", n,
                                 n == 1 ? "" : "s", report->runs[i].folder, level, n == 1 ? "is" : "are");
        }
}

void pyr_report_losses(pyr_text *out, const pyr_report *report)
{
    curves *c;

    if (!most_levels(report))
        return;
    pyr_text_add(
        out,
        "<h2>Losses</h2>\n<p>Denoising score matching, weighted, coarsest level first. The training loss is the mean since the point before; the held-out losses are of the same images and noise "
        "each time.</p>\n");
    if (!same_pyramids(report))
        pyr_text_add(
            out,
            "<p>These runs have different pyramids: the losses of a level are then of different variables, and their heights cannot be compared.</p>\n");
    for (size_t i = 0; i < report->n_runs; i++)
        if (report->runs[i].settings && report->runs[i].config.cascade.joint) {
            pyr_text_add(out, "<p>The seconds of a cascade are those of all its levels together.</p>\n");
            break;
        }
    add_damage(out, report);
    add_loss_table(out, report);
    if (pyr_new(&c, 1, sizeof *c, "curves") != PYR_OK) {
        out->failed = true;
        return;
    }
    for (int level = most_levels(report) - 1; level >= 0; level--)
        add_level_losses(out, report, c, level);
    pyr_free(c);
}

/* ---- samples ----------------------------------------------------------------------------------- */

/* The name of the newest snapshot in a level's folder: "snapshot-<images>.png"; NULL: none. */
static const char *newest_snapshot(const pyr_names *names)
{
    const char *newest = NULL;
    long long most = -1;

    for (size_t i = 0; i < names->n; i++) {
        long long images;
        int end = 0;

        if (sscanf(names->at[i], "snapshot-%lld.png%n", &images, &end) == 1 && end && !names->at[i][end] &&
            images > most) {
            most = images;
            newest = names->at[i];
        }
    }
    return newest;
}

static void add_snapshot(pyr_text *out, const pyr_report_run *run, int level)
{
    char *folder, *path = NULL, words[256];
    pyr_names names = {0};
    const char *newest = NULL;
    bool coarsest = level == run->config.pyramid.levels - 1, there = false;
    pyr_status status = pyr_run_level(&folder, run->folder, level);

    if (status == PYR_OK)
        status = pyr_folder_exists(&there, folder);
    if (status == PYR_OK && there)
        status = pyr_folder_names(&names, folder);
    out->failed = out->failed || status == PYR_E_NOMEM;
    if (status != PYR_OK)
        pyr_page_element(out, "p", "Snapshots of level %d: %s", level, pyr_error());
    else
        newest = newest_snapshot(&names);
    if (newest && pyr_path_new(&path, folder, newest) == PYR_OK) {
        snprintf(words, sizeof words, "%.100s, level %d after %lld images: %s", run->name, level,
                 atoll(newest + strlen("snapshot-")),
                 coarsest ? "samples" : "its condition, what is drawn to it, the real image");
        pyr_page_png(out, path, words);
    } else if (newest)
        out->failed = true;
    pyr_names_free(&names);
    pyr_free(path);
    pyr_free(folder);
}

/* Whether it was there. */
static bool add_samples(pyr_text *out, const pyr_report_run *run, const char *name, const char *what)
{
    char *path = pyr_strfmt("%s/samples/%s", run->folder, name), words[256];
    bool there = false;

    snprintf(words, sizeof words, "%.100s: %s", run->name, what);
    if (!path)
        out->failed = true;
    else if (pyr_file_exists(&there, path) != PYR_OK)
        pyr_page_element(out, "p", "%s: %s", words, pyr_error());
    else if (there)
        pyr_page_png(out, path, words);
    pyr_free(path);
    return there;
}

void pyr_report_samples(pyr_text *out, const pyr_report *report)
{
    if (!report->n_runs)
        return;
    pyr_text_add(out, "<h2>Samples</h2>\n");
    for (size_t i = 0; i < report->n_runs; i++) {
        const pyr_report_run *run = &report->runs[i];
        bool levels, grid;

        pyr_page_element(out, "h3", "%s", run->name);
        pyr_text_add(out, "<div class=\"pictures\">\n");
        levels = add_samples(out, run, "levels.png", "samples at every level, coarsest left");
        grid = add_samples(out, run, "grid.png", "samples");
        for (int level = run->config.pyramid.levels - 1; level >= 0 && !run->of_comparison; level--)
            add_snapshot(out, run, level);
        pyr_text_add(out, "</div>\n");
        if (!levels && !grid)
            pyr_page_element(out, "p", "No grids of samples in %s/samples: pyrdiff sample --network %s",
                             run->folder, PYR_SHELL(run->folder));
    }
}

/* ---- spectra ----------------------------------------------------------------------------------- */

static void add_spectrum(pyr_text *out, const pyr_level_spectrum *s, int level)
{
    static const char *const names[PYR_SPECTRA_SIGMAS] = {"smallest", "1st quartile", "median",
                                                          "3rd quartile", "largest"};
    double *cycles, *power, most = 0;
    char title[160], words[PYR_SPECTRA_SIGMAS][48];
    pyr_rule rules[PYR_SPECTRA_SIGMAS];
    pyr_series series = {.name = "data", .n = (size_t)s->bins};

    if (pyr_new(&cycles, 2 * (size_t)s->bins, sizeof *cycles, "a spectrum") != PYR_OK) {
        out->failed = true;
        return;
    }
    power = cycles + s->bins;
    for (int b = 0; b < s->bins; b++)
        most = fmax(most, s->power[b]);
    for (int b = 0; b < s->bins; b++) {
        cycles[b] = b;
        /* the mean of a residual is 0 but for rounding, and would stretch the axis over 10 decades */
        power[b] = s->power[b] > 1e-6 * most ? s->power[b] : NAN;
    }
    series.x = cycles;
    series.y = power;
    for (int i = 0; i < PYR_SPECTRA_SIGMAS; i++) {
        snprintf(words[i], sizeof words[i], "%s σ %.3g", names[i], s->sigma[i]);
        rules[i] = (pyr_rule){s->sigma[i] * s->sigma[i], words[i]};
    }
    snprintf(title, sizeof title, "Level %d (%d × %d × %d): power of the data and of noise", level, s->h,
             s->w, s->c);
    pyr_page_plot(out, &(pyr_plot){.title = title,
                                   .x = {"cycles along the shorter side", PYR_SCALE_LINEAR},
                                   .y = {"power", PYR_SCALE_LOG},
                                   .series = &series,
                                   .n_series = 1,
                                   .rules = rules,
                                   .n_rules = PYR_SPECTRA_SIGMAS});
    pyr_free(cycles);
}

/* What spectra depend on: data, pyramid, noise. The words of the settings, but for networks and training. */
static bool matters(void *arg, const pyr_section *section, const pyr_setting *row)
{
    (void)arg;
    return strcmp(section->name, "data") == 0 || strcmp(section->name, "pyramid") == 0 ||
           (section->per_level && strncmp(row->key, "noise", 5) == 0);
}

static const pyr_report_run *same_before(const pyr_report *report, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        pyr_text differences = {0};
        const pyr_report_run *a = &report->runs[j], *b = &report->runs[i];
        bool same = a->settings && a->config.pyramid.levels == b->config.pyramid.levels &&
                    pyr_settings_compare(a->settings, b->settings, b->config.pyramid.levels, matters, NULL,
                                         &differences) == 0;

        pyr_text_free(&differences);
        if (same)
            return a;
    }
    return NULL;
}

void pyr_report_spectra(pyr_text *out, const pyr_report *report)
{
    if (!most_levels(report))
        return;
    pyr_text_add(
        out,
        "<h2>Spectra</h2>\n<p>Mean radial power spectrum of what each level learns (standardised: zero mean, unit variance). Dashed: the power σ² of white noise at noise levels of training, the ends of the schedule and the quartiles of the training density. Noise hides "
        "the frequencies whose power is below it.</p>\n");
    for (size_t i = 0; i < report->n_runs; i++) {
        const pyr_report_run *run = &report->runs[i], *before = same_before(report, i);
        pyr_data_spectra spectra;
        pyr_status status;

        if (!run->settings)
            continue;
        pyr_page_element(out, "h3", "%s", run->name);
        if (before) {
            pyr_page_element(out, "p", "The same data, pyramid and noise as %s: see there.", before->name);
            continue;
        }
        status = pyr_data_spectra_measure(&spectra, &run->config);
        if (status == PYR_E_NOMEM)
            out->failed = true;
        if (status != PYR_OK) {
            pyr_page_element(out, "p", "No spectra, as the data cannot be read here: %s", pyr_error());
            continue;
        }
        pyr_page_element(out, "p", "Of %lld training images of %s.", (long long)spectra.images,
                         run->config.data.set.path);
        pyr_text_add(out, "<div class=\"plots\">\n");
        for (int level = spectra.levels - 1; level >= 0; level--)
            add_spectrum(out, &spectra.level[level], level);
        pyr_text_add(out, "</div>\n");
        pyr_data_spectra_free(&spectra);
    }
}

/* ---- configurations ---------------------------------------------------------------------------- */

void pyr_report_configurations(pyr_text *out, const pyr_report *report)
{
    if (!most_levels(report))
        return;
    pyr_text_add(out, "<h2>Configuration</h2>\n");
    for (size_t i = 0; i < report->n_runs; i++) {
        const pyr_report_run *run = &report->runs[i];
        pyr_text text = {0};

        if (!run->settings)
            continue;
        pyr_page_element(out, "h3", "%s/pyrdiff.cfg", run->folder);
        pyr_settings_write(run->settings, run->config.pyramid.levels, &text);
        pyr_page_element(out, "pre", "%s", text.at ? text.at : "");
        out->failed = out->failed || text.failed;
        pyr_text_free(&text);
    }
}
