/* toy_scores.c - the fields that networks learn under each objective, beside the known one. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/toy/toy.h"
#include "report/page.h"
#include "terminal/output.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Every weight has the density of noise levels that it is meant for; explicit and sliced score matching have
 * the weight of Song & Ermon 2019 (sigma^2 on the score), so that these and the second row differ in the
 * objective alone. */
static const struct {
    pyr_objective objective;
    pyr_weight weight;
} rows[PYR_STUDY_NETWORKS] = {
    {PYR_DENOISING_SCORE_MATCHING, PYR_WEIGHT_EDM},        {PYR_DENOISING_SCORE_MATCHING, PYR_WEIGHT_SIMPLE},
    {PYR_DENOISING_SCORE_MATCHING, PYR_WEIGHT_LIKELIHOOD}, {PYR_DENOISING_SCORE_MATCHING, PYR_WEIGHT_MIN_SNR},
    {PYR_EXPLICIT_SCORE_MATCHING, PYR_WEIGHT_SIMPLE},      {PYR_SLICED_SCORE_MATCHING, PYR_WEIGHT_SIMPLE},
};

/* Noise levels of the table, beside the drawn one. */
static const double levels[] = {0.05, 1, 5};
enum { LEVELS = sizeof levels / sizeof *levels, ERROR_DRAWS = 4000, GRID = 17, CELLS = GRID * GRID };

/* ---- training ---------------------------------------------------------------------------------- */

static pyr_status train(pyr_study *t, int i, double *loss)
{
    bool edm = rows[i].weight == PYR_WEIGHT_EDM;
    const pyr_toy_training training = {
        .data = t->m,
        .objective = rows[i].objective,
        .schedule = {.family = PYR_VP, .curve = PYR_CURVE_COSINE, .s_min = 0.02, .s_max = 20, .scale = 1},
        .noise = {.density = edm ? PYR_LOG_NORMAL : PYR_UNIFORM_T,
                  .mean = -0.8,
                  .std = 1.4,
                  .weight = rows[i].weight},
        .steps = t->steps,
        .batch = t->batch,
        .learning_rate = t->rate,
        .seed = (uint64_t)t->seed};
    double start = pyr_now();

    PYR_TRY(pyr_toy_network_new(&t->net[i], t->k, 2, (uint64_t)t->seed));
    PYR_TRY(pyr_toy_train(t->net[i], loss, &training));
    pyr_tell("%s score matching, weight %s: %lld steps in %.1f s\n", pyr_objective_names[rows[i].objective],
             pyr_weight_names[rows[i].weight], (long long)t->steps, pyr_now() - start);
    return PYR_OK;
}

/* In percent of the score's own mean square. */
static pyr_status percent_at(const pyr_study *t, int i, double s, double *percent)
{
    double error, square;

    PYR_TRY(pyr_toy_network_error(&error, &square, t->net[i], t->m, s, ERROR_DRAWS, (uint64_t)t->seed + 1));
    *percent = 100 * error / square;
    return PYR_OK;
}

/* The drawn level and those of the table, in this order, in each row. */
static void begin_table(pyr_study *t)
{
    pyr_print("learned scores: E |learned - known|^2 in %% of E |known|^2, at noise level s\n");
    pyr_print("%-11s%-12s%11s", "objective", "weight", "loss");
    pyr_text_add(&t->page, "<h2>Learned scores</h2>\n<div "
                           "class=\"box\"><table><thead><tr><th>objective</th><th>weight</th><th>loss</th>");
    for (int j = -1; j < LEVELS; j++) {
        double s = j < 0 ? t->sigma : levels[j];

        pyr_print("%8s%-4g", "s ", s);
        pyr_page_element(&t->page, "th", "error at s %g", s);
    }
    pyr_print("\n");
    pyr_text_add(&t->page, "</tr></thead><tbody>\n");
}

static pyr_status train_all(pyr_study *t, double *drawn_error)
{
    begin_table(t);
    for (int i = 0; i < PYR_STUDY_NETWORKS; i++) {
        const char *objective = pyr_objective_names[rows[i].objective];
        const char *weight = pyr_weight_names[rows[i].weight];
        double loss, percent;

        PYR_TRY(train(t, i, &loss));
        pyr_print("%-11s%-12s%11.4f", objective, weight, loss);
        pyr_text_add(&t->page, "<tr><td>%s</td><td>%s</td><td>%.4f</td>", objective, weight, loss);
        for (int j = -1; j < LEVELS; j++) {
            PYR_TRY(percent_at(t, i, j < 0 ? t->sigma : levels[j], &percent));
            if (j < 0)
                drawn_error[i] = percent;
            pyr_print("%11.3f%%", percent);
            pyr_text_add(&t->page, "<td>%.3f %%</td>", percent);
        }
        pyr_print("\n");
        pyr_text_add(&t->page, "</tr>\n");
    }
    pyr_text_add(&t->page, "</tbody></table></div>\n");
    return PYR_OK;
}

/* ---- the fields -------------------------------------------------------------------------------- */

typedef struct fields {
    double at[2 * CELLS], s[CELLS], known[2 * CELLS], learned[2 * CELLS];
    double middle;  /* length of a known arrow: half are longer */
    double typical; /* root of the mean square over the data */
} fields;

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void look_at_known(const pyr_study *t, fields *f)
{
    double length[CELLS], x[2], score[2], sum = 0;

    for (int i = 0; i < CELLS; i++) {
        f->at[2 * i] = t->x + t->side * (i % GRID + 0.5) / GRID;
        f->at[2 * i + 1] = t->y + t->side * (i / GRID + 0.5) / GRID;
        f->s[i] = t->sigma;
        pyr_mixture_score(t->m, f->known + 2 * i, f->at + 2 * i, t->sigma);
        length[i] = hypot(f->known[2 * i], f->known[2 * i + 1]);
    }
    qsort(length, CELLS, sizeof *length, compare_doubles);
    f->middle = length[CELLS / 2];
    for (int i = 0; i < CELLS; i++) {
        pyr_mixture_draw(t->m, x, NULL, 1, (uint64_t)t->seed, i);
        pyr_mixture_score(t->m, score, x, t->sigma);
        sum += score[0] * score[0] + score[1] * score[1];
    }
    f->typical = sqrt(sum / CELLS);
}

/* How wrong an arrow is: 0, 1 or 2 for colours. Where the known one vanishes, in the middle of a mode, what
 * is usual over the data is the measure. */
static int wrongness(const fields *f, const double *learned, int i)
{
    const double *known = f->known + 2 * i;
    double error = hypot(learned[2 * i] - known[0], learned[2 * i + 1] - known[1]);
    double part = error / fmax(hypot(known[0], known[1]), f->typical);

    return part < 0.1 ? 0 : part < 0.3 ? 1 : 2;
}

static const int colour_of[3] = {0, 4, 1};

/* Lengths are drawn as v / (v + middle) of a cell: scores differ by orders of magnitude. */
static void draw_field(const pyr_study *t, const pyr_plane *p, const fields *f, const double *field)
{
    double cell = t->side / GRID;

    for (int wrong = 0; wrong < 3; wrong++) {
        double from[2 * CELLS], arrow[2 * CELLS];
        int n = 0;

        for (int i = 0; i < CELLS; i++) {
            double length = hypot(field[2 * i], field[2 * i + 1]), scale;

            if (wrongness(f, field, i) != wrong)
                continue;
            scale = 0.95 * cell / (length + f->middle);
            for (int j = 0; j < 2; j++) {
                arrow[2 * n + j] = scale * field[2 * i + j];
                from[2 * n + j] = f->at[2 * i + j] - arrow[2 * n + j] / 2;
            }
            n++;
        }
        if (n)
            pyr_plane_arrows(p, from, arrow, n, colour_of[wrong]);
    }
}

static pyr_status draw_data(const pyr_study *t, pyr_text *out)
{
    enum { DRAWS = 600 };
    pyr_plane p = pyr_study_panel(t, out, 0, 0);
    char below[64] = "weights";
    double x[2 * DRAWS];

    for (int i = 0; i < t->m->modes && t->m->modes <= 4; i++)
        snprintf(below + 7 + 5 * i, sizeof below - 7 - 5 * (size_t)i, " %.2f", pyr_mixture_weight(t->m, i));
    pyr_mixture_draw(t->m, x, NULL, DRAWS, (uint64_t)t->seed, 0);
    pyr_plane_begin(&p, "data", t->m->modes <= 4 ? below : "draws of the mixture");
    PYR_TRY(pyr_study_contours(t, &p, 0));
    pyr_plane_points(&p, x, DRAWS, 2, 0.9);
    pyr_plane_end(&p);
    return PYR_OK;
}

static pyr_status draw_panel(const pyr_study *t, pyr_text *out, fields *f, int i, double percent)
{
    int place = i + 2;
    pyr_plane p = pyr_study_panel(t, out, place % 4, place / 4);
    char title[64], below[64];

    if (i < 0) {
        snprintf(title, sizeof title, "known score");
        snprintf(below, sizeof below, "of the data with noise of s = %g", t->sigma);
    } else {
        snprintf(title, sizeof title, "%s, weight %s", pyr_objective_names[rows[i].objective],
                 pyr_weight_names[rows[i].weight]);
        snprintf(below, sizeof below, "error over the data %.2g %%", percent);
        PYR_TRY(pyr_toy_network_score(t->net[i], f->learned, f->at, f->s, CELLS));
    }
    pyr_plane_begin(&p, title, below);
    PYR_TRY(pyr_study_contours(t, &p, t->sigma));
    draw_field(t, &p, f, i < 0 ? f->known : f->learned);
    pyr_plane_end(&p);
    return PYR_OK;
}

pyr_status pyr_study_scores(pyr_study *t)
{
    static const char *const words[] = {"an arrow off by less than a tenth of its length",
                                        "by a tenth to 0.3", "by more than 0.3"};
    double percent[PYR_STUDY_NETWORKS];
    pyr_text drawn = {0};
    fields *f = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&f, 1, sizeof *f, "fields of scores"));
    PYR_TRY_OUT(train_all(t, percent));
    look_at_known(t, f);
    PYR_TRY_OUT(draw_data(t, &drawn));
    for (int i = -1; i < PYR_STUDY_NETWORKS; i++)
        PYR_TRY_OUT(draw_panel(t, &drawn, f, i, i < 0 ? 0 : percent[i]));
    for (int i = 0; i < 3; i++)
        pyr_plane_words(&drawn, PYR_PLANE_LEFT + 4 + (i ? 160 + 130 * i : 0), 2 * PYR_STUDY_DOWN + 14,
                        colour_of[i], words[i]);
    PYR_TRY_OUT(pyr_study_sheet(
        t, "scores", "score fields, known and learned under each objective",
        "Arrows point to where the noised data are denser; long ones are drawn shorter than they are. All "
        "objectives are least where the learned score is the known one: where there are data they agree, "
        "far from them nothing teaches the network.",
        &drawn, 4 * PYR_STUDY_ACROSS, 2 * PYR_STUDY_DOWN + 24));
out:
    pyr_text_free(&drawn);
    pyr_free(f);
    return status;
}
