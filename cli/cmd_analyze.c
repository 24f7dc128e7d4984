/* cmd_analyze.c - pyrdiff analyze: what the levels of a data set's pyramid are like, in words, JSON and plots. */
#include "cascade/analyze.h"

#include "base/json.h"
#include "base/mem.h"
#include "cascade/budget.h"
#include "cascade/one_level.h"
#include "cascade/run_moments.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/typed_settings.h"
#include "plots/svg.h"
#include "terminal/output.h"
#include "terminal/progress.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 5, TIMES = 5, CURVE = 61, MOST_SERIES = 2 * PYR_MAX_LEVELS };

typedef struct typed {
    const char *config, *network, *json, *plot, *block;
    int64_t images, variance;
    double mismatch, sigma_last, budget;
    int langevin_steps, level;
    bool reference, ncsn, any_sampler;
    pyr_machine machine;
} typed;

typedef struct work {
    const typed *typed;
    pyr_settings *settings;
    pyr_config config;
    pyr_analysis analysis;
    pyr_bar bar;
} work;

static void show_level(void *ctx, int level)
{
    work *w = ctx;

    if (w->typed->level < 0)
        pyr_bar_draw(&w->bar, "measuring", w->config.pyramid.levels - 1 - level, w->config.pyramid.levels,
                     "");
}

/* ---- settings ---------------------------------------------------------------------------------- */

static pyr_status read_settings(work *w, const pyr_parsed *parsed)
{
    const typed *t = w->typed;

    if (*t->network && *t->config)
        return pyr_fail(PYR_E_ARG, "--network %s has its own configuration: leave --config out", t->network);
    if (*t->network && (pyr_option_given(parsed, "levels") || pyr_option_given(parsed, "filter")))
        return pyr_fail(PYR_E_ARG, "the run %s has its pyramid already: leave --levels and --filter out",
                        t->network);
    if (t->variance && !*t->network)
        return pyr_fail(PYR_E_ARG, "--variance measures a network: give its run with --network");
    if (*t->network)
        PYR_TRY(pyr_run_settings_typed(&w->settings, &w->config, t->network, parsed));
    else
        PYR_TRY(pyr_file_settings_typed(&w->settings, t->config, parsed));
    if (parsed->n_arguments)
        PYR_TRY(pyr_settings_set(w->settings, "data.path", parsed->arguments[0], "DATA"));
    PYR_TRY(pyr_config_get(&w->config, w->settings));
    PYR_TRY(pyr_check_level(&w->config, t->level));
    if (t->level >= 0 && t->reference && w->config.pyramid.levels > 1)
        return pyr_fail(PYR_E_ARG, "--reference compares the levels: leave --level %d out", t->level);
    if (t->level >= 0 && t->budget > 0 && w->config.pyramid.levels > 1)
        return pyr_fail(PYR_E_ARG, "--budget is for all levels together: leave --level %d out", t->level);
    if (t->any_sampler && !(t->budget > 0))
        return pyr_fail(PYR_E_ARG, "--any-sampler is of --budget: add it, or leave --any-sampler out");
    if (t->ncsn && t->budget > 0)
        return pyr_fail(PYR_E_ARG, "--ncsnv2 and --budget have blocks of their own: give one of the two");
    if (!*w->config.data.set.path)
        return pyr_fail(PYR_E_ARG, "which images? pyrdiff analyze DATA, --config FILE or --network RUN");
    return PYR_OK;
}

/* ---- frequencies and times --------------------------------------------------------------------- */

/* Up to SHOWN bins from the lowest above 0 to the highest, evenly spaced; how many. */
static int choose_bins(const pyr_level_analysis *l, int bin[SHOWN])
{
    int n = l->bins - 1 < SHOWN ? l->bins - 1 : SHOWN;

    for (int i = 0; i < n; i++)
        bin[i] = n > 1 ? 1 + (int)lround((double)i * (l->bins - 2) / (n - 1)) : 1;
    return n;
}

static bool has(const pyr_analysis *a, int level)
{
    return a->only < 0 || level == a->only;
}

static double time_at(const pyr_schedule *s, double part)
{
    double low = pyr_schedule_t_min(s), high = pyr_schedule_t_max(s);

    return low + part * (high - low);
}

static double end_of(const pyr_level_analysis *l)
{
    return pyr_schedule_s(&l->schedule, pyr_schedule_t_max(&l->schedule));
}

/* ---- words ------------------------------------------------------------------------------------- */

static void print_bands(const char *name, const double *values, int n)
{
    pyr_print("  %-20s", name);
    for (int i = 0; i < n; i++)
        pyr_print("%s%.4g", i ? ", " : "", values[i]);
}

static void print_ncsn(const pyr_level_analysis *l, const typed *t)
{
    pyr_print("  NCSNv2              ");
    if (!(l->gamma > 1)) {
        pyr_print("none: its criterion needs 5 dimensions\n");
        return;
    }
    pyr_print("sigma_1 %.4g, gamma %.4f, %d noise levels down to %g\n", l->farthest.distance, l->gamma,
              l->noise_levels, t->sigma_last);
    pyr_print("                      T %d: langevin_epsilon %.3g (%.3g of sigma_L^2), variance %.4f of the "
              "right one; at most 1.05 with T %s%d\n",
              t->langevin_steps, l->epsilon, 2 * l->e, l->variance, l->enough > 1000 ? "above " : "",
              l->enough > 1000 ? 1000 : l->enough);
}

static void print_spectrum(const pyr_level_analysis *l)
{
    int bin[SHOWN], n = choose_bins(l, bin);

    if (n == 0)
        return;
    pyr_print("  %-21s%8s  %-22s%s\n", "cycles per image", "power", "signal = noise at",
              "signal / noise at t =");
    pyr_print("  %53s", "");
    for (int j = 0; j < TIMES; j++)
        pyr_print("%10.3g", time_at(&l->schedule, j / (double)(TIMES - 1)));
    pyr_print("\n");
    for (int i = 0; i < n; i++) {
        double power = l->power[bin[i]], s = sqrt(power), end = end_of(l);
        double begin = pyr_schedule_s(&l->schedule, pyr_schedule_t_min(&l->schedule));
        char where[64];

        if (s < begin || s > end)
            snprintf(where, sizeof where, "sigma %.3g", s);
        else
            snprintf(where, sizeof where, "sigma %.3g, t %.3f", s, pyr_schedule_t(&l->schedule, s));
        pyr_print("  %-21d%8.3g  %-22s", bin[i], power, where);
        for (int j = 0; j < TIMES; j++) {
            double noise = pyr_schedule_s(&l->schedule, time_at(&l->schedule, j / (double)(TIMES - 1)));

            pyr_print("%10.3g", power / (noise * noise));
        }
        pyr_print("\n");
    }
}

static void print_references(const pyr_analysis *a)
{
    if (a->levels > 1)
        pyr_print("\nnoise for half of the variance goes with the side to the power %.2f: %s\n", a->slope,
                  a->slope > 0.5 ? "one noise.reference for all levels would be near"
                                 : "no noise.reference for all levels; 0, no shift, is nearer");
    else
        pyr_print("\nreference side: for noise levels that are right for CIFAR-10 (half of the variance at "
                  "sigma %g)\n",
                  PYR_ANALYSIS_HALF);
}

static void print_level(const work *w, int index)
{
    const pyr_level_analysis *l = &w->analysis.level[index];
    const pyr_shape *v = &l->level.variable;
    const pyr_level_facts *f = &l->level.facts;
    bool coarsest = index == w->analysis.levels - 1;
    int64_t n = l->images;

    pyr_print("\nlevel %d: %dx%dx%d, %s\n", index, v->h, v->w, v->c,
              w->analysis.levels == 1 ? "the image"
              : coarsest              ? "the coarsest image"
              : f->bands > 1          ? "details in three bands"
                                      : "residual");
    print_bands("mean", f->mean, f->bands);
    pyr_print("\n");
    print_bands("standard deviation", f->std, f->bands);
    pyr_print("\n  largest distance    %.4g (standardised %.4g), of %" PRId64 " images, all %" PRId64
              " pairs; images %" PRId64 " and %" PRId64 "\n",
              l->farthest.distance, l->farthest_z, n, n * (n - 1) / 2, l->farthest.i, l->farthest.j);
    print_ncsn(l, w->typed);
    if (isnan(l->reference))
        pyr_print("  half of variance    a linear denoiser leaves it at sigma %.3g\n", l->half);
    else
        pyr_print(
            "  reference side      %.3g (a linear denoiser leaves half of the variance at sigma %.3g)\n",
            l->reference, l->half);
    pyr_print("  start at sigma %-5.4g%.3g nats from the prior (at most %.3g given any condition)\n",
              end_of(l), l->mismatch, l->ceiling);
    if (l->classes.classes)
        pyr_print(
            "                      %.3g nats less from the means of its %d classes (sampler.start class)\n",
            l->class_gain, l->classes.classes);
    if (l->level.settings.sampler.start == PYR_START_GAUSSIAN)
        pyr_print(
            "                      sampling starts from the fitted Gaussian: none of that, for a Gaussian "
            "level\n");
    pyr_print("  suggested sigma     %.3g to %.3g (%.3g nats)\n", l->sigma_min, l->sigma_max,
              pyr_analysis_mismatch(l, l->sigma_max));
    print_spectrum(l);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void json_reals(pyr_json *json, const char *key, const double *values, int n)
{
    pyr_json_open(json, key, '[');
    for (int i = 0; i < n; i++)
        pyr_json_real(json, NULL, values[i]);
    pyr_json_close(json, ']');
}

static void json_ncsn(pyr_json *json, const pyr_level_analysis *l, const typed *t)
{
    pyr_json_open(json, "ncsnv2", '{');
    pyr_json_real(json, "sigma_1", l->farthest.distance);
    pyr_json_real(json, "sigma_last", t->sigma_last);
    if (l->gamma > 1) {
        pyr_json_real(json, "gamma", l->gamma);
        pyr_json_int(json, "noise_levels", l->noise_levels);
        pyr_json_int(json, "langevin_steps", t->langevin_steps);
        pyr_json_real(json, "langevin_epsilon", l->epsilon);
        pyr_json_real(json, "published_epsilon", l->e * t->sigma_last * t->sigma_last);
        pyr_json_real(json, "variance", l->variance);
        pyr_json_int(json, "langevin_steps_within_5_percent", l->enough);
    }
    pyr_json_close(json, '}');
}

/* Noise and mismatch at equal steps of time. */
static void json_times(pyr_json *json, const pyr_level_analysis *l)
{
    pyr_json_open(json, "times", '[');
    for (int i = 0; i < CURVE; i++) {
        double t = time_at(&l->schedule, i / (double)(CURVE - 1)), s = pyr_schedule_s(&l->schedule, t);

        pyr_json_open(json, NULL, '{');
        pyr_json_real(json, "t", t);
        pyr_json_real(json, "sigma", s);
        pyr_json_real(json, "mismatch", pyr_analysis_mismatch(l, s));
        pyr_json_close(json, '}');
    }
    pyr_json_close(json, ']');
}

static void json_level(pyr_json *json, const pyr_level_analysis *l, const typed *t)
{
    const pyr_shape *v = &l->level.variable;

    pyr_json_open(json, NULL, '{');
    pyr_json_int(json, "level", l->level.facts.index);
    pyr_json_open(json, "shape", '[');
    pyr_json_int(json, NULL, v->h);
    pyr_json_int(json, NULL, v->w);
    pyr_json_int(json, NULL, v->c);
    pyr_json_close(json, ']');
    json_reals(json, "mean", l->level.facts.mean, l->level.facts.bands);
    json_reals(json, "std", l->level.facts.std, l->level.facts.bands);
    pyr_json_int(json, "images", l->images);
    pyr_json_real(json, "largest_distance", l->farthest.distance);
    pyr_json_real(json, "largest_distance_standardised", l->farthest_z);
    pyr_json_open(json, "farthest_images", '[');
    pyr_json_int(json, NULL, l->farthest.i);
    pyr_json_int(json, NULL, l->farthest.j);
    pyr_json_close(json, ']');
    json_ncsn(json, l, t);
    pyr_json_real(json, "half", l->half);
    pyr_json_real(json, "reference", l->reference);
    pyr_json_real(json, "sigma_min", l->sigma_min);
    pyr_json_real(json, "sigma_max", l->sigma_max);
    pyr_json_real(json, "configured_sigma_max", end_of(l));
    pyr_json_real(json, "mismatch", l->mismatch);
    pyr_json_real(json, "mismatch_ceiling", l->ceiling);
    if (l->classes.classes)
        pyr_json_real(json, "class_gain", l->class_gain);
    json_reals(json, "power", l->power, l->bins);
    json_times(json, l);
    pyr_json_close(json, '}');
}

static pyr_status write_json(const work *w)
{
    const typed *t = w->typed;
    pyr_json json = {.indent = 2};

    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "data", w->config.data.set.path);
    pyr_json_int(&json, "training_images", w->analysis.training);
    pyr_json_string(&json, "filter", pyr_filter_names[w->config.pyramid.filter]);
    pyr_json_real(&json, "mismatch_bound", t->mismatch);
    pyr_json_real(&json, "half", w->analysis.half);
    pyr_json_real(&json, "side_exponent", w->analysis.slope);
    pyr_json_open(&json, "levels", '[');
    for (int i = 0; i < w->analysis.levels; i++)
        if (has(&w->analysis, i))
            json_level(&json, &w->analysis.level[i], t);
    pyr_json_close(&json, ']');
    pyr_json_close(&json, '}');
    return pyr_json_save(&json, t->json);
}

/* ---- the plots --------------------------------------------------------------------------------- */

/* One page of plots, below each other. */
typedef struct page {
    pyr_text body;
    int height;
    pyr_series series[MOST_SERIES]; /* of the present plot; */
    double *points[MOST_SERIES];    /* all x, then all y */
    char name[MOST_SERIES][64];
    size_t n;
} page;

enum { HEADING = 24, GAP = 14 };

/* A plot: point j of a level's curve; of the signal there are curves of two frequencies. */
typedef struct plotted {
    pyr_plot plot;
    pyr_rule rule;
    void (*point)(const pyr_level_analysis *l, int j, bool highest, double *x, double *y);
} plotted;

static void power_point(const pyr_level_analysis *l, int j, bool highest, double *x, double *y)
{
    (void)highest;
    *x = j + 1; /* the mean, bin 0, has no place on a logarithmic axis */
    *y = l->power[j + 1];
}

static int signal_bin(const pyr_level_analysis *l, bool highest)
{
    return l->bins < 2 ? 0 : highest ? l->bins - 1 : 1;
}

static void signal_point(const pyr_level_analysis *l, int j, bool highest, double *x, double *y)
{
    double s;

    *x = time_at(&l->schedule, j / (double)(CURVE - 1));
    s = pyr_schedule_s(&l->schedule, *x);
    *y = l->power[signal_bin(l, highest)] / (s * s);
}

static void mismatch_point(const pyr_level_analysis *l, int j, bool highest, double *x, double *y)
{
    double low = log(0.5), high = log(fmax(end_of(l), 2 * l->sigma_max));

    (void)highest;
    *x = exp(low + (high - low) * j / (CURVE - 1));
    *y = pyr_analysis_mismatch(l, *x);
}

static void add_series(page *p, const plotted *what, const pyr_level_analysis *l, int level, bool highest)
{
    bool signal = what->point == signal_point, power = what->point == power_point;
    int n = power ? l->bins - 1 : CURVE, bin = signal_bin(l, highest);
    char *name = p->name[p->n];
    double *x;

    if (pyr_new(&x, 2 * (size_t)n, sizeof *x, "a plot") != PYR_OK) {
        p->body.failed = true;
        return;
    }
    for (int j = 0; j < n; j++)
        what->point(l, j, highest, &x[j], &x[n + j]);
    if (signal)
        snprintf(name, sizeof p->name[0], "level %d, %d cycle%s", level, bin, bin == 1 ? "" : "s");
    else
        snprintf(name, sizeof p->name[0], "level %d", level);
    p->points[p->n] = x;
    p->series[p->n++] = (pyr_series){.name = name,
                                     .n = (size_t)n,
                                     .x = x,
                                     .y = x + n,
                                     .colour = level,
                                     .dash = signal ? highest : level,
                                     .marker = power && n < 6 ? level : -1};
}

static void add_plot(page *p, const pyr_analysis *a, const plotted *what)
{
    pyr_plot full = what->plot;
    pyr_text one = {0};
    const char *box;
    int height = 0;

    for (int i = a->levels - 1; i >= 0; i--)
        for (int highest = 0; has(a, i) && highest <= (what->point == signal_point && a->level[i].bins > 2);
             highest++)
            add_series(p, what, &a->level[i], i, highest);
    full.series = p->series;
    full.n_series = p->n;
    full.rules = &what->rule;
    full.n_rules = 1;
    pyr_svg_plot(&one, &full);
    box = one.at ? strstr(one.at, "viewBox=\"0 0 ") : NULL;
    if (!box || sscanf(box, "viewBox=\"0 0 %*d %d", &height) != 1 || one.failed)
        p->body.failed = true;
    else {
        pyr_text_add(&p->body,
                     "<text x=\"8\" y=\"%d\" font-family=\"system-ui, sans-serif\" font-size=\"13\" "
                     "font-weight=\"600\">",
                     p->height + 16);
        pyr_escape(&p->body, full.title);
        pyr_text_add(&p->body, "</text>\n<svg y=\"%d\" width=\"%d\" height=\"%d\"%s", p->height + HEADING,
                     PYR_PLOT_WIDTH, height, one.at + strlen("<svg"));
        p->height += HEADING + height + GAP;
    }
    pyr_text_free(&one);
    while (p->n > 0)
        pyr_free(p->points[--p->n]);
}

static pyr_status write_plot(const work *w)
{
    const plotted plots[] = {
        {{.title = "Power of the standardised levels",
          .x = {"cycles along the shorter side", PYR_SCALE_LOG},
          .y = {"power", PYR_SCALE_LOG}},
         {1, "white noise, sigma 1"},
         power_point},
        {{.title = "Signal over noise, lowest and highest frequency",
          .x = {"t of the schedule", PYR_SCALE_LINEAR},
          .y = {"signal / noise", PYR_SCALE_LOG}},
         {1, "signal = noise"},
         signal_point},
        {{.title = "Mismatch to the prior, by where sampling starts",
          .x = {"sigma", PYR_SCALE_LOG},
          .y = {"KL divergence, nats", PYR_SCALE_LOG}},
         {w->typed->mismatch, "bound"},
         mismatch_point},
    };
    pyr_text file = {0};
    page *p;

    PYR_TRY(pyr_new(&p, 1, sizeof *p, "plots"));
    for (size_t i = 0; i < sizeof plots / sizeof *plots; i++)
        add_plot(p, &w->analysis, &plots[i]);
    pyr_text_add(
        &file,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
        "<style>.pyr-halo{stroke:#fff;stroke-width:3px;stroke-linejoin:round;paint-order:stroke}</style>\n<rect "
        "width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
        2 * PYR_PLOT_WIDTH, 2 * p->height, PYR_PLOT_WIDTH, p->height);
    if (p->body.at)
        pyr_text_add_bytes(&file, p->body.at, p->body.length);
    pyr_text_add(&file, "</svg>\n");
    file.failed |= p->body.failed;
    pyr_text_free(&p->body);
    pyr_free(p);
    return pyr_text_save(&file, w->typed->plot);
}

/* ---- the block, and the fits ------------------------------------------------------------------- */

/* Those that --any-sampler compares with the configured ones. */
static const int kinds[] = {PYR_HEUN, PYR_EULER, PYR_ANCESTRAL, PYR_DPMPP_2M, PYR_DPMPP_2M_SDE, PYR_UNIPC};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Steps and ends of sigma for --budget. */
static pyr_status spend(const work *w, pyr_text *block)
{
    const typed *t = w->typed;
    const pyr_analysis *a = &w->analysis;
    int many = t->any_sampler ? KINDS : 1, rows = many * PYR_BUDGET_COUNTS;
    pyr_budget_choice *table = NULL, chosen[PYR_MAX_LEVELS];
    pyr_kernels *k = NULL;
    double kappa, kl = 0, flop = 0;
    pyr_status status;

    PYR_TRY_OUT(pyr_kernels_open(&k, "ref-double", 1));
    PYR_TRY_OUT(pyr_new(&table, (size_t)(a->levels * rows), sizeof *table, "a budget"));
    for (int i = 0; i < a->levels; i++)
        for (int j = 0; j < many; j++)
            PYR_TRY_OUT(pyr_budget_rows(table + i * rows + j * PYR_BUDGET_COUNTS, k, &a->level[i],
                                        t->any_sampler ? kinds[j] : a->level[i].level.settings.sampler.kind));
    PYR_TRY_OUT(pyr_budget_spend(chosen, &kappa, table, a->levels, rows, t->budget));
    pyr_print("\nfor %.3g FLOP an image, on the Gaussian fits:\n", t->budget);
    for (int i = a->levels - 1; i >= 0; i--) {
        const pyr_budget_choice *c = &chosen[i];

        pyr_print("  level %d: %s, %d steps, sigma %.3g to %.3g: %.3g nats from the data, %.3g FLOP\n", i,
                  pyr_sampler_names[c->kind], c->steps, c->sigma_max, c->sigma_min, c->kl, c->flop);
        kl += c->kl;
        flop += c->flop;
    }
    pyr_print("  together %.4g nats for %.4g FLOP; another %.3g FLOP would be worth a nat\n", kl, flop,
              kappa > 0 ? 1 / kappa : INFINITY);
    pyr_budget_block(chosen, a, block);
out:
    pyr_free(table);
    pyr_kernels_free(k);
    return status;
}

static pyr_status put_block(const work *w)
{
    pyr_text block = {0};

    if (w->typed->ncsn)
        pyr_analysis_ncsn_block(&w->analysis, w->typed->langevin_steps, &block);
    else if (w->typed->budget > 0)
        PYR_TRY(spend(w, &block));
    else
        pyr_analysis_block(&w->analysis, w->typed->reference, &block);
    if (*w->typed->block)
        return pyr_text_save(&block, w->typed->block);
    pyr_print("\n");
    return pyr_print_text(&block, "a configuration");
}

static pyr_status write_fits(const work *w)
{
    for (int i = 0; i < w->analysis.levels; i++) {
        const pyr_level_analysis *l = &w->analysis.level[i];

        if (!has(&w->analysis, i))
            continue;
        char *folder;
        pyr_status status;

        PYR_TRY(pyr_run_level(&folder, w->typed->network, i));
        status = pyr_gaussian_write(&l->gaussian, &l->level.facts, folder);
        if (status == PYR_OK && l->classes.classes)
            status = pyr_class_fit_write(&l->classes, &l->level.facts, folder);
        pyr_free(folder);
        PYR_TRY(status);
    }
    if (w->analysis.only >= 0)
        pyr_print("\n%s: level-%d has a gaussian.safetensors now, for sampler.start = \"gaussian\"\n",
                  w->typed->network, w->analysis.only);
    else
        pyr_print(
            "\n%s: level-0 to level-%d have a gaussian.safetensors now, for sampler.start = \"gaussian\"\n",
            w->typed->network, w->analysis.levels - 1);
    return PYR_OK;
}

static pyr_status write_moments(work *w, pyr_kernels *k)
{
    const typed *t = w->typed;
    pyr_status status = pyr_run_measure_moments(&(pyr_moments_job){.k = k,
                                                                   .config = &w->config,
                                                                   .run = t->network,
                                                                   .level = t->level,
                                                                   .images = t->variance,
                                                                   .on_level = show_level,
                                                                   .ctx = w});

    pyr_bar_end(&w->bar);
    PYR_TRY(status);
    pyr_print("%s: score moments of %s, for sampler.variance = \"analytic\" and \"optimal\"\n", t->network,
              t->level >= 0 ? "that level" : "all levels");
    return PYR_OK;
}

/* ---- the command ------------------------------------------------------------------------------- */

static pyr_status run_analyze(void *arg, pyr_parsed *parsed)
{
    const typed *t = arg;
    work w = {.typed = t, .bar = pyr_bar_new()};
    pyr_kernels *k = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_output_possible(t->json));
    PYR_TRY_OUT(pyr_output_possible(t->block));
    PYR_TRY_OUT(pyr_output_possible(t->plot));
    if (t->ncsn && t->reference)
        PYR_TRY_OUT(pyr_fail(PYR_E_ARG, "--ncsnv2 has noise levels of its own: leave --reference out"));
    PYR_TRY_OUT(read_settings(&w, parsed));
    PYR_TRY_OUT(pyr_open_machine_quietly(&k, &t->machine, false));
    status = pyr_analyze(&w.analysis, &(pyr_analysis_job){.k = k,
                                                          .config = &w.config,
                                                          .run = pyr_given(t->network),
                                                          .level = t->level,
                                                          .images = t->images,
                                                          .bound = t->mismatch,
                                                          .sigma_last = t->sigma_last,
                                                          .langevin_steps = t->langevin_steps,
                                                          .on_level = show_level,
                                                          .ctx = &w});
    pyr_bar_end(&w.bar);
    PYR_TRY_OUT(status);
    pyr_print("%s: %" PRId64 " images %dx%dx%d, a pyramid of %d level%s, filter %s\n", w.config.data.set.path,
              w.analysis.training, w.analysis.shape.h, w.analysis.shape.w, w.analysis.shape.c,
              w.analysis.levels, w.analysis.levels == 1 ? "" : "s",
              pyr_filter_names[w.config.pyramid.filter]);
    for (int i = w.analysis.levels - 1; i >= 0; i--)
        if (has(&w.analysis, i))
            print_level(&w, i);
    if (w.analysis.only < 0 || w.analysis.levels == 1)
        print_references(&w.analysis);
    PYR_TRY_OUT(put_block(&w));
    if (*t->json)
        PYR_TRY_OUT(write_json(&w));
    if (*t->plot)
        PYR_TRY_OUT(write_plot(&w));
    if (*t->network)
        PYR_TRY_OUT(write_fits(&w));
    if (t->variance)
        PYR_TRY_OUT(write_moments(&w, k));
out:
    pyr_analysis_free(&w.analysis);
    pyr_kernels_free(k);
    pyr_settings_free(w.settings);
    return status;
}

static const pyr_option options[] = {
    OPT_TEXT(typed, config, "config", "FILE", "",
             "configuration of the data, pyramid, noise levels and sampler"),
    OPT_TEXT(
        typed, network, "network", "RUN", "",
        "use the configuration and statistics of this run, and write level-I/gaussian.safetensors into it, "
        "from which sampler.start = \"gaussian\" starts"),
    OPT_COUNT(
        typed, variance, "variance", "N", "0", 0, 1e9,
        "with --network: measure the mean square of the networks' scores and errors with N training images "
        "at each of 40 noise levels, into level-I/score-moments.safetensors, for sampler.variance analytic and "
        "optimal; 0: not"),
    OPT_LEVEL(
        typed, level, "all levels",
        "measure this level only; 0 is the finest; with --network the other levels need not be trained"),
    OPT_SETTING("levels", "N", "pyramid.levels", NULL),
    OPT_SETTING("filter", "NAME", "pyramid.filter", NULL),
    OPT_COUNT(
        typed, images, "images", "N", "4096", 0, 1e9,
        "images whose distances (all pairs) and radial spectrum are measured, fewer if they are large; 0: "
        "all"),
    OPT_REAL(typed, mismatch, "mismatch", "NATS", "0.01", 1e-9, 1e6,
             "divergence allowed between the prior and the noised data: decides the suggested sigma_max"),
    OPT_REAL(typed, sigma_last, "sigma-last", "S", "0.02", 1e-9, 1e6,
             "smallest noise level of NCSNv2, for images in [-1, 1]"),
    OPT_INT(typed, langevin_steps, "langevin-steps", "T", "5", 1, 100000,
            "Langevin steps of NCSNv2 at each noise level"),
    OPT_FLAG(
        typed, reference, "reference",
        "put reference sides into the block as well, so that the training noise depends on the level's size"),
    OPT_FLAG(
        typed, ncsn, "ncsnv2",
        "the block is that of a run by NCSNv2's five techniques: noise levels, a network that does not see them, annealed Langevin dynamics, EMA"),
    OPT_REAL(
        typed, budget, "budget", "FLOP", "0", 0, 1e30,
        "steps and noise levels of each level's sampler that leave the least divergence between the sampled and "
        "the true Gaussian fits, all levels together, for so many operations an image; the block has these. 0: "
        "not"),
    OPT_FLAG(typed, any_sampler, "any-sampler",
             "with --budget: the best of heun, euler, ancestral, dpmpp-2m, dpmpp-2m-sde and unipc, too"),
    OPT_TEXT(
        typed, block, "block", "FILE", "",
        "write the block levels = (...) to this file, which a configuration can @include, instead of stdout"),
    OPT_TEXT(typed, json, "json", "FILE", "", "write all figures as JSON"),
    OPT_TEXT(typed, plot, "plot", "FILE", "",
             "write an SVG: spectra, signal to noise over time, mismatch over sigma"),
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_analyze = {
    .name = "analyze",
    .title = "measure the levels of a data set: spectra, distances, suitable noise levels",
    .arguments = "[DATA]",
    .most = 1,
    .summary =
        "Measure the levels of a data set's pyramid before anything is trained: the spread, distances and "
        "spectrum of each; the noise levels of NCSNv2; how far the data at the largest noise level are "
        "from the prior; and suggested noise levels, as a block of a configuration.",
    .examples =
        "  pyrdiff analyze photos --levels 4 --plot analysis.svg\n"
        "  pyrdiff analyze --config configs/fashion-mnist.cfg --json analysis.json\n"
        "  pyrdiff analyze --network runs/fashion-mnist\n"
        "  pyrdiff analyze --network runs/fashion-mnist --budget 2e9 --block levels.cfg\n"
        "  pyrdiff analyze --network runs/fashion-mnist --level 1        when only level 1 is trained\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = run_analyze,
};
