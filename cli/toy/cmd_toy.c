/* cmd_toy.c - pyrdiff toy: mixtures in the plane whose scores are known, to see what the methods do. */
#include "cli/toy/toy.h"

#include "cli/cli.h"
#include "cli/machine.h"
#include "report/page.h"
#include "settings/parse.h"
#include "terminal/output.h"
#include <math.h>
#include <stdio.h>

/* ---- samples ----------------------------------------------------------------------------------- */

typedef struct watcher {
    const pyr_study *t;
    const pyr_study_draw *draw;
    double *x; /* [points][2] */
} watcher;

static pyr_status watch(void *ctx, int step, double s, void *x, const void *denoised)
{
    watcher *w = ctx;

    (void)denoised;
    PYR_TRY(pyr_download_reals(w->t->plain, w->x, x, 2 * (size_t)w->t->points));
    w->draw->look(w->draw->ctx, step, s, w->x);
    return PYR_OK;
}

pyr_status pyr_study_sample(const pyr_study *t, const pyr_study_draw *draw, double *x)
{
    pyr_kernels *k = t->plain;
    size_t count = 2 * (size_t)t->points, bytes = count * pyr_type_size(k->real);
    pyr_mixture_denoiser exact = {.m = t->m, .k = k, .n = t->points};
    pyr_toy_denoiser learned = {.net = draw->net, .k = k, .n = t->points};
    watcher seen = {.t = t, .draw = draw, .x = x};
    void *work = NULL, *at = NULL, *start = NULL;
    pyr_sampling sampling = {.k = k,
                             .n = t->points,
                             .size = 2,
                             .seeds = t->seeds,
                             .denoise =
                                 draw->net ? pyr_toy_network_denoise_vectors : pyr_mixture_denoise_vectors,
                             .ctx = draw->net ? (void *)&learned : (void *)&exact};
    pyr_status status;

    PYR_TRY_OUT(pyr_alloc(k, &work, pyr_sampler_work(k, &draw->sampler, t->points, 2), "a sampler's work"));
    PYR_TRY_OUT(pyr_alloc(k, &at, bytes, "points"));
    sampling.work = work;
    if (draw->start) {
        PYR_TRY_OUT(pyr_alloc(k, &start, bytes, "points"));
        PYR_TRY_OUT(pyr_upload_reals(k, start, draw->start, count));
        sampling.start = start;
    }
    if (draw->look) {
        sampling.after = watch;
        sampling.after_ctx = &seen;
    }
    PYR_TRY_OUT(pyr_sample(&sampling, &draw->sampler, &draw->schedule, at));
    PYR_TRY_OUT(pyr_download_reals(k, x, at, count));
out:
    pyr_release(k, start);
    pyr_release(k, at);
    pyr_release(k, work);
    return status;
}

/* ---- mode weights ------------------------------------------------------------------------------ */

double pyr_study_distance(const pyr_study *t, double *w, const double *x, int n)
{
    double sum = 0;

    pyr_mixture_mode_weights(t->m, w, x, n, 0);
    for (int i = 0; i < t->m->modes; i++)
        sum += fabs(w[i] - pyr_mixture_weight(t->m, i)) / 2;
    return sum;
}

void pyr_study_weights(const pyr_study *t, char *words, size_t size, const double *x, int n)
{
    double w[PYR_STUDY_MODES], distance = pyr_study_distance(t, w, x, n);

    if (t->m->modes == 2)
        snprintf(words, size, "mode weights %.2f %.2f", w[0], w[1]);
    else
        snprintf(words, size, "mode weights off by %.3f", distance);
}

int pyr_study_mode(const pyr_study *t, const double *x)
{
    double r[PYR_STUDY_MODES];
    int most = 0;

    pyr_mixture_responsibilities(t->m, r, x, 0);
    for (int i = 1; i < t->m->modes; i++)
        most = r[i] > r[most] ? i : most;
    return most;
}

void pyr_study_tell_begin(pyr_study *t, const char *title)
{
    pyr_print("\n%s: %d points, mode weights off by (total variation), mode weights (true:", title,
              t->points);
    pyr_page_element(&t->page, "h2", "%s", title);
    pyr_text_add(&t->page,
                 "<div class=\"box\"><table><thead><tr><th>sampler</th><th>evaluations</th><th>weights off "
                 "by</th><th>mode weights (true:");
    for (int i = 0; i < t->m->modes; i++) {
        pyr_print(" %.3f", pyr_mixture_weight(t->m, i));
        pyr_text_add(&t->page, " %.3f", pyr_mixture_weight(t->m, i));
    }
    pyr_print(")\n%-30s%6s%9s\n", "sampler", "evals", "off by");
    pyr_text_add(&t->page, ")</th></tr></thead><tbody>\n");
}

void pyr_study_tell(pyr_study *t, const char *name, int nfe, const double *x)
{
    double w[PYR_STUDY_MODES], distance = pyr_study_distance(t, w, x, t->points);

    pyr_print("%-30s%6d%9.3f  ", name, nfe, distance);
    pyr_text_add(&t->page, "<tr><td>%s</td><td>%d</td><td>%.3f</td><td>", name, nfe, distance);
    for (int i = 0; i < t->m->modes; i++) {
        pyr_print(" %.3f", w[i]);
        pyr_text_add(&t->page, " %.3f", w[i]);
    }
    pyr_print("\n");
    pyr_text_add(&t->page, "</td></tr>\n");
}

void pyr_study_tell_end(pyr_study *t)
{
    pyr_text_add(&t->page, "</tbody></table></div>\n");
}

/* ---- sheets ------------------------------------------------------------------------------------ */

pyr_plane pyr_study_panel(const pyr_study *t, pyr_text *out, int column, int row)
{
    return (pyr_plane){.out = out,
                       .left = PYR_PLANE_LEFT + 4 + column * PYR_STUDY_ACROSS,
                       .top = PYR_PLANE_ABOVE + 4 + row * PYR_STUDY_DOWN,
                       .size = PYR_STUDY_PANEL,
                       .x = t->x,
                       .y = t->y,
                       .side = t->side};
}

pyr_status pyr_study_contours(const pyr_study *t, const pyr_plane *p, double s)
{
    enum { CORNERS = 49, LINES = 4 };
    double *value, top = -INFINITY, level[LINES];

    PYR_TRY(pyr_new(&value, CORNERS * CORNERS, sizeof *value, "a density"));
    for (int i = 0; i < CORNERS * CORNERS; i++) {
        double x[2] = {t->x + t->side * (i % CORNERS) / (CORNERS - 1),
                       t->y + t->side * (i / CORNERS) / (CORNERS - 1)};

        value[i] = pyr_mixture_log_density(t->m, x, s);
    }
    for (int i = 0; i < t->m->modes; i++)
        top = fmax(top, pyr_mixture_log_density(t->m, t->m->mean + 2 * i, s));
    for (int i = 0; i < LINES; i++)
        level[i] = top - (i + 1) * (i + 1) / 2.0;
    pyr_plane_contours(p, value, CORNERS, level, LINES);
    pyr_free(value);
    return PYR_OK;
}

pyr_status pyr_study_sheet(pyr_study *t, const char *name, const char *title, const char *words,
                           pyr_text *drawn, double width, double height)
{
    char *path;
    pyr_text file = {0};
    pyr_status status;

    PYR_TRY(pyr_format(&path, "%s/%s.svg", t->outdir, name));
    file.failed = drawn->failed;
    if (!file.failed) {
        pyr_sheet(&file, drawn->at, width, height, title, true);
        pyr_sheet(&t->page, drawn->at, width, height, title, false);
        pyr_page_element(&t->page, "p", "%s", words);
    }
    status = pyr_text_save(&file, path);
    pyr_free(path);
    return status;
}

/* ---- the command ------------------------------------------------------------------------------- */

typedef struct typed {
    pyr_study study;
    bool quick;
    pyr_machine machine;
} typed;

/* The square around all modes, with three standard deviations to spare. */
static void choose_window(pyr_study *t)
{
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};

    t->sharpest = INFINITY;
    for (int i = 0; i < t->m->modes; i++) {
        const double *mean = t->m->mean + 2 * i, *variance = t->m->variance + 2 * i;
        double room = 3 * sqrt(fmax(variance[0], variance[1]));

        t->sharpest = fmin(t->sharpest, sqrt(fmin(variance[0], variance[1])));
        for (int j = 0; j < 2; j++) {
            low[j] = fmin(low[j], mean[j] - room);
            high[j] = fmax(high[j], mean[j] + room);
        }
    }
    t->side = fmax(high[0] - low[0], high[1] - low[1]);
    t->x = (low[0] + high[0] - t->side) / 2;
    t->y = (low[1] + high[1] - t->side) / 2;
}

static pyr_status make_mixture(pyr_study *t)
{
    double weights[PYR_STUDY_MODES];
    int n = 0;

    if (*t->weights)
        PYR_TRY(pyr_parse_reals(t->weights, weights, PYR_STUDY_MODES, &n));
    return pyr_toy_mixture_weighed(&t->m, (pyr_toy)t->which, weights, n);
}

static pyr_status prepare(pyr_study *t, const pyr_machine *machine)
{
    PYR_TRY(pyr_open_machine(&t->k, machine, false));
    PYR_TRY(pyr_kernels_ref(&t->plain, PYR_F64, 1));
    PYR_TRY(make_mixture(t));
    PYR_TRY(pyr_open_output_folder(t->outdir));
    choose_window(t);
    PYR_TRY(pyr_new(&t->seeds, (size_t)t->points, sizeof *t->seeds, "seeds"));
    for (int i = 0; i < t->points; i++)
        t->seeds[i] = (uint64_t)t->seed * PYR_MAX_SAMPLING_BATCH + (uint64_t)i;
    return PYR_OK;
}

static pyr_status write_page(pyr_study *t)
{
    char *path;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, t->outdir, "index.html"));
    pyr_page_end(&t->page);
    status = pyr_text_save(&t->page, path);
    if (status == PYR_OK)
        pyr_print(
            "\n%s, and as files of their own: scores.svg, langevin.svg, decay.svg, paths.svg, manifold.svg, classes.svg\n",
            path);
    pyr_free(path);
    return status;
}

static void end(pyr_study *t)
{
    for (int i = 0; i < PYR_STUDY_NETWORKS; i++)
        pyr_toy_network_free(t->net[i]);
    pyr_mixture_free(t->m);
    pyr_kernels_free(t->plain);
    pyr_kernels_free(t->k);
    pyr_text_free(&t->page);
    pyr_free(t->seeds);
}

/* --quick lowers what was not typed. */
static void hurry(pyr_study *t, pyr_parsed *parsed)
{
    if (!pyr_option_given(parsed, "steps"))
        t->steps = 100;
    if (!pyr_option_given(parsed, "points"))
        t->points = 200;
    if (!pyr_option_given(parsed, "moves"))
        t->moves = 200;
}

static pyr_status run(void *arg, pyr_parsed *parsed)
{
    typed *options = arg;
    pyr_study *t = &options->study;
    pyr_status status;

    if (options->quick)
        hurry(t, parsed);
    PYR_TRY_OUT(prepare(t, &options->machine));
    pyr_page_begin(&t->page, "pyrdiff toy");
    pyr_page_element(&t->page, "h1", "pyrdiff toy: %s", pyr_toy_names[t->which]);
    pyr_page_element(
        &t->page, "p",
        "A mixture of %d Gaussians of mean 0 and variance 1, whose score is known; seed %lld, %lld steps of "
        "training for each network.",
        t->m->modes, (long long)t->seed, (long long)t->steps);
    PYR_TRY_OUT(pyr_study_scores(t));
    PYR_TRY_OUT(pyr_study_langevin(t));
    PYR_TRY_OUT(pyr_study_decay(t));
    PYR_TRY_OUT(pyr_study_paths(t));
    PYR_TRY_OUT(pyr_study_manifold(t));
    PYR_TRY_OUT(pyr_study_classes(t));
    PYR_TRY_OUT(write_page(t));
out:
    end(t);
    return status;
}

static const pyr_option options[] = {
    OPT_TEXT(typed, study.outdir, "outdir", "DIR", "out/toy",
             "folder that the pictures and the page are written to"),
    OPT_CHOICE(
        typed, study.which, "mixture", "NAME", "two", pyr_toy_names,
        "mixture of Gaussians: two modes far apart with weights 0.2 and 0.8, a ring of eight, a grid of nine, a cross of two, two that are near with weights 0.3 and 0.7, two that are sharp and far with 0.1 and 0.9"),
    OPT_TEXT(typed, study.weights, "weights", "W,W,...", "",
             "weights of the mixture's modes instead of its own, relative"),
    OPT_COUNT(typed, study.seed, "seed", "N", "0", 0, 1e15, "seed; the same seed gives the same results"),
    OPT_COUNT(typed, study.steps, "steps", "N", "2000", 1, 1e9, "training steps of each network"),
    OPT_INT(typed, study.batch, "batch", "N", "512", 2, 65536,
            "evaluations of the network in a training step; sliced score matching needs two for each point"),
    OPT_REAL(typed, study.rate, "lr", "RATE", "1e-2", 1e-9, 10, "highest learning rate"),
    OPT_REAL(typed, study.sigma, "sigma", "S", "0.2", 0.02, 20,
             "noise level of the vector fields that are drawn"),
    OPT_INT(typed, study.points, "points", "N", "2000", 2, PYR_MAX_SAMPLING_BATCH,
            "points that each sampler draws"),
    OPT_INT(typed, study.moves, "moves", "N", "1000", 50, 1e6,
            "steps of Langevin dynamics, plain and annealed"),
    OPT_FLAG(typed, quick, "quick",
             "take 100 steps, 200 points and 200 moves unless they are given: a few seconds"),
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_toy = {
    .name = "toy",
    .title = "study objectives and samplers in the plane, on mixtures whose score is known",
    .summary =
        "Study the methods in the plane, on a mixture of Gaussians whose score is known: what networks "
        "learn by denoising, explicit and sliced score matching, and how far from the true score they are; "
        "Langevin dynamics beside annealed Langevin dynamics from the same start, and the mode weights "
        "that result, with the exact score and with a learned one; how fast Langevin dynamics comes to a normal distribution; paths of the reverse SDE and of the probability-flow ODE; a drift for each class, and back. Writes index.html and the "
        "pictures as SVG, and prints the figures. Takes less than a minute.",
    .examples = "  pyrdiff toy\n"
                "  pyrdiff toy --mixture ring --outdir out/ring --steps 5000\n"
                "  pyrdiff toy --mixture far --weights 0.5,0.5\n",
    .options = options,
    .size = sizeof(typed),
    .run = run,
};
