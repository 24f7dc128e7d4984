/* toy_classes.c - a drift for each class: its forward SDE and the way back, each mode of the mixture being a class. */
#include "base/mem.h"
#include "base/philox.h"
#include "cli/toy/toy.h"
#include "toys/class_sde.h"
#include <math.h>
#include <string.h>

enum { STEPS = 300, PATHS = 6, ENDS = 400, PANELS = 3 };
static const char *const titles[PANELS] = {"forward, each its class's drift", "back, by the class's score",
                                           "forward, all drifts at once"};

typedef struct walk {
    const pyr_study *t;
    pyr_class_sde sde;
    pyr_mixture *own; /* the one mode that the class is */
    double *z, *path; /* [points][2]; [PATHS of each mode][STEPS + 1][2] */
    int *mode;        /* [points] */
    int n[PYR_STUDY_MODES];
} walk;

/* One class, or (which < 0) all of them by their weights. */
static void choose_classes(walk *w, int which)
{
    const pyr_mixture *m = w->t->m;

    w->sde = (pyr_class_sde){.classes = m->modes, .size = 2, .mean = m->mean};
    for (int j = 0; j < m->modes; j++) {
        w->sde.weight[j] = which < 0 ? pyr_mixture_weight(m, j) : j == which;
        w->sde.beta_min[j] = 0.1;
        w->sde.beta_max[j] = 20;
    }
}

static pyr_status choose_mode(walk *w, int i)
{
    const pyr_mixture *m = w->t->m;
    const double *v = m->variance + 2 * i, *e = m->axes[i];
    double c[4];

    for (int j = 0; j < 4; j++)
        c[j] = e ? v[0] * e[j / 2] * e[j % 2] + v[1] * e[2 + j / 2] * e[2 + j % 2] : j % 3 ? 0 : v[j / 3];
    return pyr_mixture_gaussian(w->own, 0, 1, m->mean + 2 * i, c);
}

static void noise(const walk *w, int point, int step, int panel, double out[2])
{
    float four[4];

    pyr_normal4(w->t->seeds[point], 0, (uint32_t)panel, (uint32_t)step, pyr_rng_purpose(PYR_RNG_SAMPLER, 0),
                four);
    out[0] = (double)four[0];
    out[1] = (double)four[1];
}

/* The gradient of log p_t(z | y), as pyr_mixture knows it of (z - sum of b m) / a = z_0 + sqrt(v)/a eps. */
static void class_score(const walk *w, const pyr_class_kernel *k, const double *z, double *score)
{
    const double zero[2] = {0};
    double shift[2], x[2];

    pyr_class_sde_mean(&w->sde, k, zero, shift);
    for (int j = 0; j < 2; j++)
        x[j] = (z[j] - shift[j]) / k->keep;
    (void)pyr_mixture_score(w->own, score, x, sqrt(k->variance) / k->keep);
    for (int j = 0; j < 2; j++)
        score[j] /= k->keep;
}

/* One step of Euler and Maruyama's method for the points of a mode; back: with the score. */
static void move(walk *w, int mode, int panel, int step, bool back)
{
    double h = 1.0 / STEPS, t = ((back ? STEPS - 1 - step : step) + 0.5) * h;
    double g2 = pyr_class_sde_diffusion2(&w->sde, t);
    pyr_class_kernel k = pyr_class_sde_kernel(&w->sde, t);

    for (int i = 0; i < w->t->points; i++) {
        double *z = w->z + 2 * i, f[2], score[2] = {0}, eps[2];

        if (w->mode[i] != mode)
            continue;
        pyr_class_sde_drift(&w->sde, t, z, f);
        if (back)
            class_score(w, &k, z, score);
        noise(w, i, step, panel, eps);
        for (int j = 0; j < 2; j++)
            z[j] += (back ? g2 * score[j] - f[j] : f[j]) * h + sqrt(g2 * h) * eps[j];
    }
}

static void keep_paths(walk *w, int mode, int step)
{
    int n = 0;

    for (int i = 0; i < w->t->points && n < PATHS; i++)
        if (w->mode[i] == mode)
            memcpy(w->path + 2 * ((size_t)(mode * PATHS + n++) * (STEPS + 1) + (size_t)step), w->z + 2 * i,
                   2 * sizeof *w->z);
    w->n[mode] = n;
}

/* Where the process of its class ends, N(m_y, 1). */
static void begin_back(walk *w, int mode, int panel)
{
    pyr_class_kernel k = pyr_class_sde_kernel(&w->sde, 1);

    for (int i = 0; i < w->t->points; i++) {
        double eps[2];

        if (w->mode[i] != mode)
            continue;
        noise(w, i, STEPS, panel, eps);
        for (int j = 0; j < 2; j++)
            w->z[2 * i + j] = w->t->m->mean[2 * mode + j] + sqrt(k.variance) * eps[j];
    }
}

static pyr_status run_panel(walk *w, pyr_plane *p, int panel)
{
    const pyr_study *t = w->t;
    bool back = panel == 1;
    double end[2 * ENDS];

    pyr_mixture_draw(t->m, w->z, w->mode, t->points, (uint64_t)t->seed, 0);
    for (int mode = 0; mode < t->m->modes; mode++) {
        int n = 0;

        choose_classes(w, panel == 2 ? -1 : mode);
        PYR_TRY(choose_mode(w, mode));
        if (back)
            begin_back(w, mode, panel);
        for (int step = 0; step <= STEPS; step++) {
            keep_paths(w, mode, step);
            if (step < STEPS)
                move(w, mode, panel, step, back);
        }
        for (int i = 0; i < w->n[mode]; i++)
            pyr_plane_path(p, w->path + 2 * (size_t)(mode * PATHS + i) * (STEPS + 1), STEPS + 1, mode, 0.6);
        for (int i = 0; i < t->points && n < ENDS; i++)
            if (w->mode[i] == mode)
                memcpy(end + 2 * n++, w->z + 2 * i, 2 * sizeof *w->z);
        pyr_plane_points(p, end, n, mode, 0.7);
    }
    return PYR_OK;
}

/* Room for the noise about each mode. */
static pyr_plane panel_of(const pyr_study *t, pyr_text *out, int column)
{
    pyr_plane p = pyr_study_panel(t, out, column, 0);

    p.x -= 2;
    p.y -= 2;
    p.side += 4;
    return p;
}

pyr_status pyr_study_classes(pyr_study *t)
{
    walk w = {.t = t};
    pyr_text drawn = {0};
    size_t points = (size_t)t->points;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&w.z, 2 * points, sizeof *w.z, "points"));
    PYR_TRY_OUT(pyr_new(&w.mode, points, sizeof *w.mode, "points"));
    PYR_TRY_OUT(pyr_new(&w.path, 2 * (size_t)PYR_STUDY_MODES * PATHS * (STEPS + 1), sizeof *w.path, "paths"));
    PYR_TRY_OUT(pyr_mixture_new(&w.own, 1, 2));
    pyr_study_tell_begin(t, "A drift for each class");
    for (int panel = 0; panel < PANELS; panel++) {
        pyr_plane p = panel_of(t, &drawn, panel);

        pyr_plane_begin(&p, titles[panel], "");
        PYR_TRY_OUT(run_panel(&w, &p, panel));
        pyr_plane_end(&p);
        if (panel == 1)
            pyr_study_tell(t, "reverse SDE, each class its own", STEPS, w.z);
    }
    pyr_study_tell_end(t);
    PYR_TRY_OUT(pyr_study_sheet(
        t, "classes", "the SDE with a drift for each class",
        "Each mode is a class, in a colour of its own, and dz = sum of w_j [-beta (z - m_j)/2] dt + sum of w_j sqrt(beta) dw "
        "(Padova & Liu 2023, equation 5). Left: with its own drift alone a class ends in noise of variance 1 about its own "
        "mean. Middle: back from there, by the gradient of log p_t(z | y). Right: with all drifts at once, by the classes' "
        "weights, all end about the mean of all.",
        &drawn, PANELS * PYR_STUDY_ACROSS, PYR_STUDY_DOWN + 4));
out:
    pyr_mixture_free(w.own);
    pyr_text_free(&drawn);
    pyr_free(w.z);
    pyr_free(w.mode);
    pyr_free(w.path);
    return status;
}
