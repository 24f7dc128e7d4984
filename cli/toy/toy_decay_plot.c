/* toy_decay_plot.c - how fast Langevin dynamics comes to a normal distribution: measured, known, and the theorem's bound. */
#include "base/mem.h"
#include "base/philox.h"
#include "cli/toy/toy.h"
#include "plots/svg.h"
#include "report/page.h"
#include "terminal/output.h"
#include "toys/toy_decay.h"
#include <math.h>

/* A look every 0.1 of time, of ten moves: the steps are short enough to show nothing of their own. */
enum { LOOKS = 40, MOVES = 10, COURSE = 292 };
static const double time_of_a_look = 0.1;

static const pyr_plane_normal start = {{2, -1}, {0.1, 0.1}};

typedef struct decay {
    int points, n;
    pyr_plane_normal target;
    double at[LOOKS + 1], measured[LOOKS + 1], known[LOOKS + 1], bound[LOOKS + 1];
} decay;

static void look(void *ctx, int step, double s, const double *x)
{
    decay *d = ctx;
    pyr_plane_normal now, law;

    (void)step;
    (void)s;
    if (d->n > LOOKS)
        return;
    now = pyr_plane_moments(x, d->points);
    d->at[d->n] = d->n * time_of_a_look;
    law = pyr_langevin_law(&d->target, &start, d->at[d->n]);
    d->measured[d->n] = pyr_plane_divergence(&now, &d->target);
    d->known[d->n] = pyr_plane_divergence(&law, &d->target);
    d->bound[d->n] = pyr_langevin_bound(&d->target, &start, d->at[d->n]);
    d->n++;
}

static void start_points(const pyr_study *t, double *x)
{
    for (int i = 0; i < t->points; i++) {
        float eps[4];

        pyr_normal4((uint64_t)t->seed, 0, (uint32_t)i, 0, pyr_rng_purpose(PYR_RNG_PRIOR, 2), eps);
        for (int j = 0; j < 2; j++)
            x[2 * i + j] = start.mean[j] + sqrt(start.variance[j]) * (double)eps[j];
    }
}

static void tell(pyr_study *t, const decay *d)
{
    pyr_print(
        "\nLangevin dynamics to a normal distribution, started away from it: Kullback-Leibler divergence\n");
    pyr_print("%-10s%10s%10s%10s\n", "time", "measured", "known", "at most");
    pyr_page_element(&t->page, "h2", "Langevin dynamics to a normal distribution");
    pyr_text_add(
        &t->page,
        "<div class=\"box\"><table><thead><tr><th>time</th><th>divergence, measured</th><th>known</th>"
        "<th>at most</th></tr></thead><tbody>\n");
    for (int i = 0; i <= LOOKS; i += LOOKS / 4) {
        pyr_print("%-10.1f%10.4f%10.4f%10.4f\n", d->at[i], d->measured[i], d->known[i], d->bound[i]);
        pyr_text_add(&t->page, "<tr><td>%.1f</td><td>%.4f</td><td>%.4f</td><td>%.4f</td></tr>\n", d->at[i],
                     d->measured[i], d->known[i], d->bound[i]);
    }
    pyr_text_add(&t->page, "</tbody></table></div>\n");
}

static pyr_status draw_sheet(pyr_study *t, const decay *d)
{
    const size_t n = LOOKS + 1;
    const pyr_series series[] = {
        {.name = "measured", .n = n, .x = d->at, .y = d->measured, .colour = 1, .dash = -1},
        {.name = "known", .n = n, .x = d->at, .y = d->known, .marker = -1},
        {.name = "at most: e^(-2 alpha t)",
         .n = n,
         .x = d->at,
         .y = d->bound,
         .colour = 2,
         .dash = 1,
         .marker = -1}};
    pyr_text drawn = {0};
    pyr_status status;

    pyr_text_add(&drawn, "<svg x=\"0\" y=\"6\" width=\"%d\" height=\"%d\">\n", 2 * PYR_STUDY_ACROSS, COURSE);
    pyr_svg_plot(&drawn, &(pyr_plot){.title = "divergence of Langevin dynamics from its target over time",
                                     .x = {.label = "time", .scale = PYR_SCALE_LINEAR},
                                     .y = {.label = "divergence, nats", .scale = PYR_SCALE_LOG},
                                     .series = series,
                                     .n_series = sizeof series / sizeof *series});
    pyr_text_add(&drawn, "</svg>\n");
    status = pyr_study_sheet(
        t, "decay", "how fast Langevin dynamics comes to a normal distribution",
        "Variances 1 and 0.25 along the axes, alpha = 1. Of so many points the divergence that is measured "
        "comes down to what chance makes of it, one over their number.",
        &drawn, 2 * PYR_STUDY_ACROSS, COURSE + 12);
    pyr_text_free(&drawn);
    return status;
}

/* In place of the study's mixture: one mode. */
static pyr_status draw(const pyr_study *t, decay *d, double *x)
{
    const double small = 0.01;
    pyr_study one = *t;
    pyr_study_draw draw = {
        .sampler = pyr_sampler_usual(PYR_ULA, LOOKS + 1), .start = x, .look = look, .ctx = d};
    pyr_status status;

    PYR_TRY(pyr_mixture_new(&one.m, 1, 2));
    PYR_TRY_OUT(pyr_mixture_gaussian(one.m, 0, 1, (double[]){0, 0}, (double[]){1, 0, 0, 0.25}));
    d->target = (pyr_plane_normal){{0, 0}, {1 + small * small, 0.25 + small * small}};
    draw.sampler.langevin_steps = MOVES;
    draw.sampler.langevin_epsilon = 2 * time_of_a_look / MOVES; /* x + e/2 score + sqrt(e) eps: e = 2 dt */
    draw.schedule = (pyr_schedule){
        .family = PYR_VE, .curve = PYR_CURVE_GEOMETRIC, .s_min = small, .s_max = 5, .scale = 1};
    look(d, 0, 0, x);
    PYR_TRY_OUT(pyr_study_sample(&one, &draw, x + 2 * (size_t)t->points));
out:
    pyr_mixture_free(one.m);
    return status;
}

pyr_status pyr_study_decay(pyr_study *t)
{
    decay d = {.points = t->points};
    double *x = NULL;
    pyr_status status;

    PYR_TRY(pyr_new(&x, 4 * (size_t)t->points, sizeof *x, "points"));
    start_points(t, x);
    PYR_TRY_OUT(draw(t, &d, x));
    tell(t, &d);
    PYR_TRY_OUT(draw_sheet(t, &d));
out:
    pyr_free(x);
    return status;
}
