/* toy_paths.c - from noise to data: paths of the reverse SDE and of the probability-flow ODE. */
#include "base/mem.h"
#include "cli/toy/toy.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* More steps for the SDE: its error falls more slowly. Fewer of its paths can be distinguished. */
enum { SDE_STEPS = 300, ODE_STEPS = 40, SDE_PATHS = 5, ODE_PATHS = 40, ENDS = 400 };

/* The paths of the first points. */
typedef struct paths {
    int count; /* of them, at most ODE_PATHS */
    int n;     /* places of each */
    double *x; /* [ODE_PATHS][SDE_STEPS][2] */
} paths;

/* z_t has about unit variance at every time as VP has it: z_t = x / sqrt(1 + s^2). */
static void look(void *ctx, int step, double s, const double *x)
{
    paths *p = ctx;

    (void)step;
    if (p->n >= SDE_STEPS)
        return;
    for (int i = 0; i < p->count; i++)
        for (int j = 0; j < 2; j++)
            p->x[2 * (i * SDE_STEPS + p->n) + j] = x[2 * i + j] / sqrt(1 + s * s);
    p->n++;
}

/* In the colour of the mode that a path ends in, the samples too. */
static void draw_mode(const pyr_study *t, const pyr_plane *p, const paths *seen, const double *x, int mode)
{
    double end[2 * ENDS], last[2 * ODE_PATHS];
    int ends = t->points < ENDS ? t->points : ENDS, n = 0, n_last = 0;

    for (int i = 0; i < ends; i++) {
        if (pyr_study_mode(t, x + 2 * i) != mode)
            continue;
        memcpy(end + 2 * n++, x + 2 * i, 2 * sizeof *x);
        if (i >= seen->count)
            continue;
        pyr_plane_path(p, seen->x + 2 * (size_t)i * SDE_STEPS, seen->n, mode, 0.7);
        memcpy(last + 2 * n_last++, x + 2 * i, 2 * sizeof *x);
    }
    pyr_plane_points(p, end, n, mode, 0.7);
    pyr_plane_points(p, last, n_last, mode, 1.8);
}

static void draw_paths(const pyr_study *t, const pyr_plane *p, const paths *seen, const double *x)
{
    double first[2 * ODE_PATHS];

    for (int mode = 0; mode < t->m->modes; mode++)
        draw_mode(t, p, seen, x, mode);
    for (int i = 0; i < seen->count; i++)
        memcpy(first + 2 * i, seen->x + 2 * (size_t)i * SDE_STEPS, 2 * sizeof *first);
    pyr_plane_points(p, first, seen->count, 6, 1.8);
}

/* The prior's three standard deviations, too. */
static pyr_plane panel(const pyr_study *t, pyr_text *out, int column)
{
    pyr_plane p = pyr_study_panel(t, out, column, 0);
    double x = fmin(p.x, -3), y = fmin(p.y, -3);

    p.side = fmax(fmax(p.x + p.side, 3) - x, fmax(p.y + p.side, 3) - y);
    p.x = x;
    p.y = y;
    return p;
}

static pyr_status draw_panel(pyr_study *t, pyr_text *out, int i, double *x, paths *seen)
{
    bool ode = i % 2, learned = i / 2;
    int most = ode ? ODE_PATHS : SDE_PATHS;
    pyr_study_draw draw = {
        .sampler = pyr_sampler_usual(ode ? PYR_HEUN : PYR_EULER_MARUYAMA, ode ? ODE_STEPS : SDE_STEPS),
        .schedule =
            {.family = PYR_VP, .curve = PYR_CURVE_KARRAS, .s_min = 0.02, .s_max = 20, .rho = 7, .scale = 1},
        .net = learned ? t->net[0] : NULL,
        .look = look,
        .ctx = seen};
    const char *score = learned ? "learned" : "exact";
    pyr_plane p = panel(t, out, i);
    char title[64], words[96];

    seen->n = 0;
    seen->count = t->points < most ? t->points : most;
    PYR_TRY(pyr_study_sample(t, &draw, x));
    snprintf(title, sizeof title, "%s, %s", ode ? "probability-flow ODE" : "reverse SDE", score);
    pyr_study_weights(t, words, sizeof words, x, t->points);
    pyr_plane_begin(&p, title, words);
    draw_paths(t, &p, seen, x);
    pyr_plane_end(&p);
    snprintf(title, sizeof title, "%s, %s score", pyr_sampler_names[draw.sampler.kind], score);
    pyr_study_tell(t, title, pyr_sampler_nfe(&draw.sampler), x);
    return PYR_OK;
}

pyr_status pyr_study_paths(pyr_study *t)
{
    paths seen = {0};
    pyr_text drawn = {0};
    double *x = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&x, 2 * (size_t)t->points, sizeof *x, "points"));
    PYR_TRY_OUT(pyr_new(&seen.x, 2 * ODE_PATHS * SDE_STEPS, sizeof *seen.x, "paths"));
    pyr_study_tell_begin(t, "From noise to data");
    for (int i = 0; i < 4; i++)
        PYR_TRY_OUT(draw_panel(t, &drawn, i, x, &seen));
    pyr_study_tell_end(t);
    pyr_plane_words(&drawn, PYR_PLANE_LEFT + 4, PYR_STUDY_DOWN + 14, 6,
                    "noise, where paths begin; other colours: the mode where they end");
    PYR_TRY_OUT(pyr_study_sheet(
        t, "paths", "paths of the reverse SDE and of the probability-flow ODE",
        "In z = x / sqrt(1 + s^2), as the variance-preserving family has it. The SDE adds noise all the "
        "way; the probability-flow ODE adds none, the same start gives the same sample, and its paths do "
        "not cross at any time. Both end in the same distribution.",
        &drawn, 4 * PYR_STUDY_ACROSS, PYR_STUDY_DOWN + 24));
out:
    pyr_text_free(&drawn);
    pyr_free(seen.x);
    pyr_free(x);
    return status;
}
