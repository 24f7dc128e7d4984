/* toy_langevin.c - Langevin against annealed Langevin dynamics, with the exact score and with a learned one: how slowly far
 * modes exchange points. */
#include "base/mem.h"
#include "base/philox.h"
#include "cli/toy/toy.h"
#include "plots/svg.h"

/* Noise levels of the annealed sampler, and how often both are looked at. Draws: Langevin, annealed, and both once more with the
 * learned score. */
enum { LEVELS = 10, LOOKS = 50, SHOWN = 1000, COURSE = 292 /* height of the plot */, DRAWS = 4 };

/* What is measured along the path, at `n` times: evaluations so far, how far the mode weights are from the true
 * ones, and the part of the points that are in another mode than they began in. */
typedef struct course {
    const pyr_study *t;
    const int *first; /* [points]: the mode that each began in */
    double each;      /* evaluations between two looks */
    double at[LOOKS + 2], distance[LOOKS + 2], moved[LOOKS + 2];
    double *w; /* [modes] */
    int n;
} course;

static void look(void *ctx, int step, double s, const double *x)
{
    course *c = ctx;
    int points = c->t->points, moved = 0;

    (void)step;
    (void)s;
    if (c->n == LOOKS + 2)
        return;
    for (int i = 0; i < points; i++)
        moved += pyr_study_mode(c->t, x + 2 * i) != c->first[i];
    c->at[c->n] = c->each * c->n;
    c->distance[c->n] = pyr_study_distance(c->t, c->w, x, points);
    c->moved[c->n++] = (double)moved / points;
}

/* Uniform over the square. */
static void start_points(const pyr_study *t, double *x)
{
    for (int i = 0; i < t->points; i++) {
        pyr_rng4 r = pyr_philox((uint64_t)t->seed, 0, (uint32_t)i, 0, pyr_rng_purpose(PYR_RNG_PRIOR, 1));

        x[2 * i] = t->x + t->side * (double)pyr_uniform(r.v[0]);
        x[2 * i + 1] = t->y + t->side * (double)pyr_uniform(r.v[1]);
    }
}

/* The least noise level is `small`. The step of Langevin dynamics is a fifth of a
 * mode's variance, at each level of the annealed one of the noise's: within a mode both mix in some tens of
 * moves. */
static void draws_of(const pyr_study *t, pyr_study_draw *draw, const double *start)
{
    pyr_study_draw *plain = &draw[0], *annealed = &draw[1];
    double small = t->sharpest / 5;
    int moves = t->moves / LOOKS > 0 ? t->moves / LOOKS : 1;

    *plain = (pyr_study_draw){.sampler = pyr_sampler_usual(PYR_ULA, LOOKS + 1), .start = start, .look = look};
    plain->sampler.langevin_steps = moves;
    plain->sampler.langevin_epsilon = 0.2 * t->sharpest * t->sharpest;
    plain->schedule = (pyr_schedule){
        .family = PYR_VE, .curve = PYR_CURVE_GEOMETRIC, .s_min = small, .s_max = 5, .scale = 1};
    *annealed = *plain;
    annealed->sampler = pyr_sampler_usual(PYR_ANNEALED_LANGEVIN, LEVELS);
    annealed->sampler.langevin_steps = LOOKS * moves / LEVELS;
    annealed->sampler.langevin_epsilon = 0.2 * small * small;
    for (int i = 2; i < DRAWS; i++) {
        draw[i] = draw[i - 2];
        draw[i].net = t->net[0];
    }
}

static void draw_points(const pyr_study *t, const pyr_plane *p, const char *title, const char *below,
                        const double *x)
{
    double part[2 * SHOWN];
    int n = t->points < SHOWN ? t->points : SHOWN;

    pyr_plane_begin(p, title, below);
    for (int mode = 0; mode < t->m->modes; mode++) {
        int count = 0;

        for (int i = 0; i < n; i++)
            if (pyr_study_mode(t, x + 2 * i) == mode) {
                part[2 * count] = x[2 * i];
                part[2 * count++ + 1] = x[2 * i + 1];
            }
        pyr_plane_points(p, part, count, mode, 0.9);
    }
    pyr_plane_end(p);
}

/* One plot of what was measured along the path with the exact score, in the sheet's third row. */
static void draw_plot(pyr_text *out, const course *courses, bool moved, int column, const char *title,
                      const char *label)
{
    pyr_series series[2] = {{.name = "Langevin", .colour = 1, .marker = -1},
                            {.name = "annealed Langevin", .dash = 1}};

    for (int i = 0; i < 2; i++) {
        series[i].n = (size_t)courses[i].n;
        series[i].x = courses[i].at;
        series[i].y = moved ? courses[i].moved : courses[i].distance;
    }
    pyr_text_add(out, "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\">\n", column * PYR_STUDY_ACROSS,
                 2 * PYR_STUDY_DOWN + 6, 2 * PYR_STUDY_ACROSS, COURSE);
    pyr_svg_plot(out, &(pyr_plot){.title = title,
                                  .x = {.label = "evaluations of the score", .scale = PYR_SCALE_LINEAR},
                                  .y = {.label = label, .scale = PYR_SCALE_LINEAR},
                                  .series = series,
                                  .n_series = 2});
    pyr_text_add(out, "</svg>\n");
}

static void draw_courses(pyr_text *out, const course *courses)
{
    draw_plot(out, courses, false, 0, "distance of mode weights from the true ones along the way",
              "mode weights off by");
    draw_plot(out, courses, true, 2, "points that are in another mode than they began in",
              "points that changed mode");
}

static pyr_status draw_sheet(pyr_study *t, const double *start, double *const *x, const course *courses)
{
    const struct {
        const char *title;
        const double *x;
        int column, row;
    } panels[] = {{"start", start, 0, 0},
                  {"Langevin", x[0], 1, 0},
                  {"annealed Langevin", x[1], 2, 0},
                  {"Langevin, learned score", x[2], 1, 1},
                  {"annealed, learned score", x[3], 2, 1}};
    pyr_text drawn = {0};
    pyr_plane p;
    char words[96];
    double *known = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&known, 2 * (size_t)t->points, sizeof *known, "draws of a mixture"));
    for (size_t i = 0; i < sizeof panels / sizeof *panels; i++) {
        p = pyr_study_panel(t, &drawn, panels[i].column, panels[i].row);
        pyr_study_weights(t, words, sizeof words, panels[i].x, t->points);
        draw_points(t, &p, panels[i].title, words, panels[i].x);
    }
    pyr_mixture_draw(t->m, known, NULL, t->points, (uint64_t)t->seed, 0);
    p = pyr_study_panel(t, &drawn, 3, 0);
    pyr_study_weights(t, words, sizeof words, known, t->points);
    draw_points(t, &p, "draws of the mixture", words, known);
    draw_courses(&drawn, courses);
    PYR_TRY_OUT(pyr_study_sheet(
        t, "langevin", "Langevin against annealed Langevin dynamics from the same start",
        "All have as many evaluations of the score, above the exact one, below one that was learned by denoising score matching. "
        "Langevin dynamics finds the modes and then stays in them: how many points a mode has is decided by where they started. "
        "With much noise first and less and less after, points change over while modes still overlap.",
        &drawn, 4 * PYR_STUDY_ACROSS, 2 * PYR_STUDY_DOWN + COURSE + 12));
out:
    pyr_text_free(&drawn);
    pyr_free(known);
    return status;
}

static course begin_course(const pyr_study *t, double each, const int *first, double *w, const double *start)
{
    course c = {.t = t, .first = first, .each = each, .w = w};

    look(&c, 0, 0, start);
    return c;
}

pyr_status pyr_study_langevin(pyr_study *t)
{
    static const char *const names[DRAWS] = {"ula", "annealed-langevin", "ula, learned score",
                                             "annealed, learned score"};
    pyr_study_draw draw[DRAWS];
    course courses[DRAWS];
    double *start = NULL, *x[DRAWS], w[PYR_STUDY_MODES];
    int *first = NULL;
    size_t count = 2 * (size_t)t->points;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&start, (1 + DRAWS) * count, sizeof *start, "points"));
    PYR_TRY_OUT(pyr_new(&first, (size_t)t->points, sizeof *first, "modes of points"));
    start_points(t, start);
    for (int i = 0; i < t->points; i++)
        first[i] = pyr_study_mode(t, start + 2 * i);
    draws_of(t, draw, start);
    pyr_study_tell_begin(t, "Langevin dynamics from one start");
    pyr_study_tell(t, "start: uniform", 0, start);
    for (int i = 0; i < DRAWS; i++) {
        x[i] = start + (size_t)(1 + i) * count;
        draw[i].ctx = &courses[i];
        courses[i] = begin_course(t, draw[i].sampler.langevin_steps, first, w, start);
        PYR_TRY_OUT(pyr_study_sample(t, &draw[i], x[i]));
        pyr_study_tell(t, names[i], pyr_sampler_nfe(&draw[i].sampler), x[i]);
    }
    pyr_study_tell_end(t);
    PYR_TRY_OUT(draw_sheet(t, start, x, courses));
out:
    pyr_free(first);
    pyr_free(start);
    return status;
}
