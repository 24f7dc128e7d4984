/* toy_manifold.c - data on a curve have no score: sliced score matching without noise finds no end, with noise it does (Song &
 * Ermon 2019, section 3.1 and figure 1). */
#include "base/mem.h"
#include "cli/toy/toy.h"
#include "plots/svg.h"
#include "report/page.h"
#include "terminal/output.h"
#include <math.h>
#include <stdio.h>

enum { GRID = 17, CELLS = GRID * GRID, DRAWS = 4000, COURSE = 292, SHOWN = 600 };
static const double noise = 0.1;

typedef struct manifold {
    pyr_mixture *circle;
    double least; /* that the loss can be with the noise */
    struct {
        pyr_toy_network *net;
        double *losses; /* [steps], divided by the weight of the one noise level: of the score as it is */
        double late;    /* mean over the last tenth of the steps */
        double percent; /* error over the noised data, of the score's own mean square */
    } of[2];            /* without noise, with it */
} manifold;

/* -E |score|^2, by a sum along a radius: all directions are alike. */
static double least_loss(const pyr_mixture *circle)
{
    const double step = noise / 50;
    double sum = 0;

    for (double r = step / 2; r < 3; r += step) {
        double x[2] = {r, 0}, score[2], density = exp(pyr_mixture_score(circle, score, x, noise));

        sum += 2 * acos(-1) * r * step * density * (score[0] * score[0] + score[1] * score[1]);
    }
    return -sum;
}

static pyr_status train(pyr_study *t, manifold *d, int with)
{
    const pyr_toy_training training = {.data = d->circle,
                                       .objective = PYR_SLICED_SCORE_MATCHING,
                                       .schedule = {.family = PYR_VE,
                                                    .curve = PYR_CURVE_GEOMETRIC,
                                                    .s_min = noise * (1 - 1e-6),
                                                    .s_max = noise * (1 + 1e-6),
                                                    .scale = 1},
                                       .noise = {.density = PYR_UNIFORM_T, .weight = PYR_WEIGHT_SIMPLE},
                                       .steps = t->steps,
                                       .batch = t->batch,
                                       .learning_rate = t->rate,
                                       .seed = (uint64_t)t->seed,
                                       .clean = !with,
                                       .losses = d->of[with].losses};
    double weight = pyr_noise_weight(&training.noise, &training.schedule, noise) * pow(noise, 4), error,
           square;

    PYR_TRY(pyr_toy_network_new(&d->of[with].net, t->k, 2, (uint64_t)t->seed));
    PYR_TRY(pyr_toy_train(d->of[with].net, &d->of[with].late, &training));
    for (int64_t i = 0; i < t->steps; i++)
        d->of[with].losses[i] /= weight;
    d->of[with].late /= weight;
    PYR_TRY(pyr_toy_network_error(&error, &square, d->of[with].net, d->circle, noise, DRAWS,
                                  (uint64_t)t->seed + 1));
    d->of[with].percent = 100 * error / square;
    return PYR_OK;
}

/* ---- pictures ---------------------------------------------------------------------------------- */

/* Arrows of at most a cell: lengths are v / (v + 1 / noise) of it. */
static void draw_field(const pyr_plane *p, const double *at, const double *field)
{
    double from[2 * CELLS], arrow[2 * CELLS], cell = p->side / GRID;

    for (int i = 0; i < CELLS; i++) {
        double scale = 0.95 * cell / (hypot(field[2 * i], field[2 * i + 1]) + 1 / noise);

        for (int j = 0; j < 2; j++) {
            arrow[2 * i + j] = scale * field[2 * i + j];
            from[2 * i + j] = at[2 * i + j] - arrow[2 * i + j] / 2;
        }
    }
    pyr_plane_arrows(p, from, arrow, CELLS, 0);
}

static pyr_status draw_panels(const pyr_study *t, const manifold *d, pyr_text *out)
{
    static const char *const titles[] = {"data", "learned without noise", "learned with noise of 0.1",
                                         "known, noise of 0.1"};
    double at[2 * CELLS], s[CELLS], field[2 * CELLS], x[2 * SHOWN];
    char below[64];

    pyr_mixture_draw(d->circle, x, NULL, SHOWN, (uint64_t)t->seed, 0);
    for (int column = 0; column < 4; column++) {
        pyr_plane p = pyr_study_panel(t, out, column, 0);

        p.x = p.y = -2;
        p.side = 4;
        for (int i = 0; i < CELLS; i++) {
            at[2 * i] = p.x + p.side * (i % GRID + 0.5) / GRID;
            at[2 * i + 1] = p.y + p.side * (i / GRID + 0.5) / GRID;
            s[i] = noise;
            pyr_mixture_score(d->circle, field + 2 * i, at + 2 * i, noise);
        }
        snprintf(below, sizeof below, column == 0 ? "on a circle" : "the score");
        if (column == 1 || column == 2) {
            snprintf(below, sizeof below, "error over noised data %.2g %%", d->of[column - 1].percent);
            PYR_TRY(pyr_toy_network_score(d->of[column - 1].net, field, at, s, CELLS));
        }
        pyr_plane_begin(&p, titles[column], below);
        pyr_plane_points(&p, x, SHOWN, column == 0 ? 2 : 1, 0.9);
        if (column > 0)
            draw_field(&p, at, field);
        pyr_plane_end(&p);
    }
    return PYR_OK;
}

/* Losses over the steps, the least possible one as a line across. */
static pyr_status draw_losses(const pyr_study *t, const manifold *d, pyr_text *out)
{
    pyr_series series[2] = {{.name = "without noise", .colour = 1, .marker = -1},
                            {.name = "with noise of 0.1", .marker = -1, .dash = 1}};
    const pyr_rule least = {.y = d->least, .label = "the least with that noise"};
    double *number;

    PYR_TRY(pyr_new(&number, (size_t)t->steps, sizeof *number, "numbers of steps"));
    for (int64_t i = 0; i < t->steps; i++)
        number[i] = (double)i;
    for (int i = 0; i < 2; i++) {
        series[i].n = (size_t)t->steps;
        series[i].x = number;
        series[i].y = d->of[i].losses;
    }
    pyr_text_add(out, "<svg x=\"0\" y=\"%d\" width=\"%d\" height=\"%d\">\n", PYR_STUDY_DOWN + 6,
                 4 * PYR_STUDY_ACROSS, COURSE);
    pyr_svg_plot(out, &(pyr_plot){.title = "loss of sliced score matching",
                                  .x = {.label = "step", .scale = PYR_SCALE_LINEAR},
                                  .y = {.label = "loss", .scale = PYR_SCALE_LINEAR},
                                  .series = series,
                                  .n_series = 2,
                                  .rules = &least,
                                  .n_rules = 1});
    pyr_text_add(out, "</svg>\n");
    pyr_free(number);
    return PYR_OK;
}

static void tell(pyr_study *t, const manifold *d)
{
    static const char *const names[2] = {"without noise", "with noise of 0.1"};

    pyr_print("\nsliced score matching of points on a circle; the least loss with noise of 0.1 is %.2f\n",
              d->least);
    pyr_print("%-20s%12s%26s\n", "", "loss", "error over noised data");
    pyr_page_element(&t->page, "h2", "Sliced score matching of points on a circle");
    pyr_text_add(&t->page,
                 "<div class=\"box\"><table><thead><tr><th></th><th>loss (least with noise: %.2f)</th>"
                 "<th>error over noised data</th></tr></thead><tbody>\n",
                 d->least);
    for (int i = 0; i < 2; i++) {
        pyr_print("%-20s%12.2f%25.3f%%\n", names[i], d->of[i].late, d->of[i].percent);
        pyr_text_add(&t->page, "<tr><td>%s</td><td>%.2f</td><td>%.3f %%</td></tr>\n", names[i], d->of[i].late,
                     d->of[i].percent);
    }
    pyr_text_add(&t->page, "</tbody></table></div>\n");
}

pyr_status pyr_study_manifold(pyr_study *t)
{
    manifold d = {.circle = NULL};
    pyr_text drawn = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_toy_circle(&d.circle));
    d.least = least_loss(d.circle);
    for (int i = 0; i < 2; i++) {
        PYR_TRY_OUT(pyr_new(&d.of[i].losses, (size_t)t->steps, sizeof *d.of[i].losses, "losses"));
        PYR_TRY_OUT(train(t, &d, i));
    }
    tell(t, &d);
    PYR_TRY_OUT(draw_panels(t, &d, &drawn));
    PYR_TRY_OUT(draw_losses(t, &d, &drawn));
    PYR_TRY_OUT(pyr_study_sheet(
        t, "manifold", "sliced score matching of data on a curve, without noise and with it",
        "Data on a curve have no density in the plane, and no score. Without noise the loss falls below every bound the more steeply "
        "the arrows beside the curve point to it, and away from it they mean nothing; with noise there is a score, and the loss has "
        "a least value.",
        &drawn, 4 * PYR_STUDY_ACROSS, PYR_STUDY_DOWN + COURSE + 12));
out:
    pyr_text_free(&drawn);
    for (int i = 0; i < 2; i++) {
        pyr_toy_network_free(d.of[i].net);
        pyr_free(d.of[i].losses);
    }
    pyr_mixture_free(d.circle);
    return status;
}
