/* shooting.c - Euler's steps of all levels as one function of their starts, its exact gradient, and L-BFGS. */
#include "tasks/shooting.h"

#include "base/mem.h"
#include "base/philox.h"
#include "levels/denoiser_gradient.h"
#include "tasks/layers.h"
#include <lbfgs.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* What is the same for all images of a level. */
typedef struct shot_level {
    pyr_denoiser denoiser; /* of one image, with gradients */
    int steps;             /* that are done */
    double *s;             /* [steps + 1]: noise levels */
    size_t size;           /* of the variable */
    size_t at;             /* where its numbers begin in u */
} shot_level;

/* What a lane has for the image that it is at. */
typedef struct shot_lane {
    pyr_denoising denoising[PYR_MAX_LEVELS];
    uint32_t row;
    double *x[PYR_MAX_LEVELS];   /* steps x size: before each step */
    double *gap[PYR_MAX_LEVELS]; /* segments x size: of segment j's start, 0 of the first */
    void *image[PYR_MAX_LEVELS], *condition[PYR_MAX_LEVELS], *variable[PYR_MAX_LEVELS]; /* backend */
    void *v, *dimage, *dcoarse, *dcondition, *more, *scratch;                           /* backend */
    double *host, *lambda, *work, *off, *y; /* the last three: of A */
} shot_lane;

struct pyr_shooting {
    pyr_model *m;
    pyr_kernels *k;
    pyr_shooting_problem problem;
    shot_level level[PYR_MAX_LEVELS];
    size_t size; /* of u */
    shot_lane *lane;
};

static const pyr_level *level_of(const pyr_shooting *sh, int level)
{
    return &sh->m->level[level].level;
}

static bool has_bands(const pyr_shooting *sh)
{
    return pyr_filter_of(pyr_pyramid_get(sh->m->pyramid)->filter)->bands;
}

/* The step that segment j of a level begins with. */
static int segment_at(const pyr_shooting *sh, int level, int j)
{
    return (int)((int64_t)sh->level[level].steps * j / sh->problem.segments);
}

/* ---- units ----------------------------------------------------------------------------------------- */

static bool learned_start(const pyr_sampled_level *l)
{
    return l->level.settings.sampler.start == PYR_START_GAUSSIAN && l->gaussian.size > 0;
}

/* Spread of x at the start of a segment in what it stands for: see pyr_shooting_problem. */
static double spread(const pyr_shooting *sh, int level, int j)
{
    const pyr_sampled_level *l = &sh->m->level[level];
    double s = sh->level[level].s[segment_at(sh, level, j)];

    return j ? sqrt(1 + s * s)
             : pyr_start_deviation((pyr_start)l->level.settings.sampler.start, l->schedule.family, s);
}

/* v *= (C + s^2)^(1/2) or, back, its inverse, in the coefficients of the fit; `room` has as many numbers. */
static void colour(const pyr_shooting *sh, int level, double *v, double *room, bool back)
{
    const pyr_gaussian *g = &sh->m->level[level].gaussian;
    double s = sh->level[level].s[0];

    pyr_gaussian_to(g, v, room);
    for (size_t i = 0; i < g->size; i++) {
        double root = sqrt(g->variance[i] + s * s);

        v[i] *= back ? 1 / root : root;
    }
    pyr_gaussian_from(g, v, room);
}

/* Mean of x at the start of segment j, of the image that the lane is at; NULL: 0. */
static const double *mean_of(const pyr_shooting *sh, const shot_lane *l, int level, int j)
{
    const pyr_sampled_level *at = &sh->m->level[level];
    const pyr_class_fit *f = &at->classes;
    const uint32_t *row = l->denoising[level].rows;

    if (j)
        return NULL;
    if (learned_start(at))
        return at->gaussian.mean;
    if (at->level.settings.sampler.start != PYR_START_CLASS || !f->classes)
        return NULL;
    return row ? f->mean + *row * f->size : f->centre;
}

/* x = the start of segment j that u stands for; `room` has size numbers. */
static void to_x(const pyr_shooting *sh, const shot_lane *l, int level, int j, const double *u, double *x,
                 double *room)
{
    const double *mean = mean_of(sh, l, level, j);
    size_t size = sh->level[level].size;
    double by = spread(sh, level, j);
    bool fit = j == 0 && learned_start(&sh->m->level[level]);

    for (size_t i = 0; i < size; i++)
        x[i] = fit ? u[i] : by * u[i];
    if (fit)
        colour(sh, level, x, room, false);
    for (size_t i = 0; mean && i < size; i++)
        x[i] += mean[i];
}

static void from_x(const pyr_shooting *sh, const shot_lane *l, int level, int j, double *u, const double *x,
                   double *room)
{
    const double *mean = mean_of(sh, l, level, j);
    size_t size = sh->level[level].size;
    double by = spread(sh, level, j);
    bool fit = j == 0 && learned_start(&sh->m->level[level]);

    for (size_t i = 0; i < size; i++)
        u[i] = (x[i] - (mean ? mean[i] : 0)) / (fit ? 1 : by);
    if (fit)
        colour(sh, level, u, room, true);
}

/* The gradient to u from that to x (which is used up). */
static void gradient_of_u(const pyr_shooting *sh, int level, int j, double *du, double *dx, double *room)
{
    size_t size = sh->level[level].size;
    double by = spread(sh, level, j);

    if (j == 0 && learned_start(&sh->m->level[level])) {
        colour(sh, level, dx, room, false); /* which is symmetric */
        by = 1;
    }
    for (size_t i = 0; i < size; i++)
        du[i] = by * dx[i];
}

/* ---- forward --------------------------------------------------------------------------------------- */

/* l->v = D(x, s) */
static pyr_status denoise(const pyr_shooting *sh, shot_lane *l, int level, const double *x, double s)
{
    PYR_TRY(pyr_upload_reals(sh->k, l->v, x, sh->level[level].size));
    return pyr_denoiser_call(&l->denoising[level], l->v, &s, l->v);
}

/* One level's steps, from its part of u: the variable, standardised, in l->host. The sum of squares of the gaps
 * is added to *gaps. */
static pyr_status run_steps(const pyr_shooting *sh, shot_lane *l, int level, const double *u, double *gaps)
{
    const shot_level *of = &sh->level[level];
    size_t size = of->size;
    double *end = l->host;

    for (int t = 0, j = 0; t < of->steps; t++) {
        double *x = l->x[level] + (size_t)t * size, ratio = of->s[t + 1] / of->s[t];

        if (j < sh->problem.segments && t == segment_at(sh, level, j)) {
            double *gap = l->gap[level] + (size_t)j * size, by = spread(sh, level, j);

            to_x(sh, l, level, j, u + (size_t)j * size, x, l->lambda);
            for (size_t i = 0; i < size && j; i++) {
                gap[i] = (end[i] - x[i]) / by;
                *gaps += gap[i] * gap[i];
            }
            j++;
        } else
            memcpy(x, end, size * sizeof *x);
        PYR_TRY(denoise(sh, l, level, x, of->s[t]));
        PYR_TRY(pyr_download_reals(sh->k, end, l->v, size));
        for (size_t i = 0; i < size; i++)
            end[i] = ratio * x[i] + (1 - ratio) * end[i];
    }
    return PYR_OK;
}

/* I_level from its part of u and I_{level+1}. */
static pyr_status run_level(const pyr_shooting *sh, shot_lane *l, int level, const double *u, double *gaps)
{
    const pyr_pyramid *p = sh->m->pyramid;
    bool coarsest = level + 1 == sh->m->levels;
    const void *coarse = coarsest ? NULL : l->image[level + 1];

    if (!coarsest)
        pyr_pyramid_condition(p, level, 1, coarse, l->condition[level], false, l->scratch);
    PYR_TRY(pyr_denoiser_begin(&l->denoising[level]));
    PYR_TRY(run_steps(sh, l, level, u, gaps));
    pyr_destandardise_host(level_of(sh, level), 1, l->host);
    PYR_TRY(pyr_upload_reals(sh->k, l->variable[level], l->host, sh->level[level].size));
    if (!coarsest)
        pyr_pyramid_project(p, level, 1, coarse, l->condition[level], l->variable[level], l->scratch);
    pyr_pyramid_synthesize(p, level, 1, coarse, l->condition[level], l->variable[level], l->image[level],
                           l->scratch);
    return PYR_OK;
}

/* l->off = A I_0 - y; its sum of squares. */
static pyr_status misfit(const pyr_shooting *sh, shot_lane *l, const double *y, double *square)
{
    const pyr_operator *a = sh->problem.a;

    PYR_TRY(pyr_download_reals(sh->k, l->host, l->image[0], pyr_count(a->in)));
    pyr_operator_apply(a, l->off, l->host, l->work);
    *square = 0;
    for (size_t i = 0; i < pyr_count(a->out); i++) {
        l->off[i] -= y[i];
        *square += l->off[i] * l->off[i];
    }
    return PYR_OK;
}

/* ---- backward -------------------------------------------------------------------------------------- */

/* l->lambda, the gradient to the level's standardised variable, back through its steps: that to u, and in
 * l->dcondition the sum of those to the condition. */
static pyr_status unwind_steps(const pyr_shooting *sh, shot_lane *l, int level, double *du)
{
    const shot_level *of = &sh->level[level];
    size_t size = of->size, condition = pyr_count(level_of(sh, level)->condition);
    pyr_kernels *k = sh->k;
    bool see = level + 1 < sh->m->levels && condition;
    int j = sh->problem.segments - 1;

    if (see)
        pyr_zero(k, l->dcondition, condition * pyr_type_size(k->real));
    for (int t = of->steps - 1; t >= 0; t--) {
        double ratio = of->s[t + 1] / of->s[t];

        PYR_TRY(denoise(sh, l, level, l->x[level] + (size_t)t * size, of->s[t]));
        for (size_t i = 0; i < size; i++)
            l->host[i] = (1 - ratio) * l->lambda[i];
        PYR_TRY(pyr_upload_reals(k, l->v, l->host, size));
        PYR_TRY(pyr_denoiser_vjp(&l->denoising[level], l->v, l->v));
        PYR_TRY(pyr_download_reals(k, l->host, l->v, size));
        for (size_t i = 0; i < size; i++)
            l->lambda[i] = ratio * l->lambda[i] + l->host[i];
        if (see) {
            PYR_TRY(pyr_denoiser_condition_vjp(&l->denoising[level], l->more));
            pyr_combine(k, l->dcondition, 2, (double[]){1, 1}, (const void *const[]){l->dcondition, l->more},
                        condition);
        }
        if (t == segment_at(sh, level, j)) {
            const double *gap = l->gap[level] + (size_t)j * size;
            double by = spread(sh, level, j), mu = sh->problem.match;

            gradient_of_u(sh, level, j, du + (size_t)j * size, l->lambda, l->host);
            for (size_t i = 0; i < size && j; i++) {
                du[(size_t)j * size + i] -= mu * gap[i];
                l->lambda[i] = mu * gap[i] / by;
            }
            j--;
        }
    }
    return PYR_OK;
}

/* From the gradient to I_level in l->dimage that to the level's u, and in l->dimage that to I_{level+1}. */
static pyr_status unwind_level(const pyr_shooting *sh, shot_lane *l, int level, double *du)
{
    const pyr_pyramid *p = sh->m->pyramid;
    const pyr_level *of = level_of(sh, level);
    pyr_kernels *k = sh->k;
    size_t size = sh->level[level].size;
    bool coarsest = level + 1 == sh->m->levels, bands = has_bands(sh) && !coarsest;
    size_t coarse = coarsest ? 0 : pyr_count(pyr_model_image(sh->m, level + 1));
    size_t condition = pyr_count(of->condition);
    void *dcondition = l->more;

    if (coarsest || bands)
        pyr_pyramid_synthesize_adjoint(p, level, 1, l->dimage, bands ? l->dcoarse : dcondition, l->v,
                                       l->scratch);
    else
        pyr_pyramid_project_adjoint(p, level, 1, l->dimage, l->v, l->dcoarse, l->scratch);
    PYR_TRY(pyr_download_reals(k, l->lambda, l->v, size));
    for (size_t i = 0; i < size; i++)
        l->lambda[i] *= of->facts.std[pyr_band_of(of, i)];
    PYR_TRY(unwind_steps(sh, l, level, du));
    if (coarsest)
        return PYR_OK;
    if (bands) { /* the condition is the coarse image */
        if (condition)
            pyr_combine(k, l->dcoarse, 2, (double[]){1, 1}, (const void *const[]){l->dcoarse, l->dcondition},
                        coarse);
        pyr_copy(k, l->dimage, l->dcoarse, coarse * pyr_type_size(k->real));
        return PYR_OK;
    }
    pyr_copy(k, l->dimage, l->dcoarse, coarse * pyr_type_size(k->real));
    if (!condition)
        return PYR_OK;
    pyr_pyramid_condition_adjoint(p, level, 1, l->dcondition, l->dcoarse, l->scratch);
    pyr_combine(k, l->dimage, 2, (double[]){1, 1}, (const void *const[]){l->dimage, l->dcoarse}, coarse);
    return PYR_OK;
}

/* ---- the sum --------------------------------------------------------------------------------------- */

typedef struct parts {
    double value, end, gaps; /* the sum; sums of squares: of A I_0 - y, of the gaps */
} parts;

static pyr_status evaluate(pyr_shooting *sh, int lane, const double *u, const double *centre, const double *y,
                           parts *out, double *gradient)
{
    const pyr_shooting_problem *of = &sh->problem;
    shot_lane *l = &sh->lane[lane];
    double off = 0, factor = of->end_weight / (of->noise * of->noise);

    *out = (parts){0};
    for (int level = sh->m->levels - 1; level >= 0; level--)
        PYR_TRY(run_level(sh, l, level, u + sh->level[level].at, &out->gaps));
    PYR_TRY(misfit(sh, l, y, &out->end));
    for (int level = 0; level < sh->m->levels; level++)
        for (size_t i = 0, at = sh->level[level].at; i < sh->level[level].size; i++)
            off += pow(u[at + i] - (centre ? centre[at + i] : 0), 2);
    out->value = 0.5 * (factor * out->end + of->start_weight * off + of->match * out->gaps);
    if (!gradient)
        return PYR_OK;
    for (size_t i = 0; i < pyr_count(of->a->out); i++)
        l->off[i] *= factor;
    pyr_operator_adjoint(of->a, l->host, l->off, l->work);
    PYR_TRY(pyr_upload_reals(sh->k, l->dimage, l->host, pyr_count(of->a->in)));
    for (int level = 0; level < sh->m->levels; level++) {
        size_t at = sh->level[level].at;

        PYR_TRY(unwind_level(sh, l, level, gradient + at));
        for (size_t i = at; i < at + sh->level[level].size; i++)
            gradient[i] += of->start_weight * (u[i] - (centre ? centre[i] : 0));
    }
    return PYR_OK;
}

static void put_class(pyr_shooting *sh, int lane, int label)
{
    shot_lane *l = &sh->lane[lane];

    l->row = (uint32_t)label;
    for (int level = 0; level < sh->m->levels; level++)
        l->denoising[level].rows = label >= 0 && pyr_level_takes_class(&sh->m->level[level]) ? &l->row : NULL;
}

size_t pyr_shooting_size(const pyr_shooting *sh)
{
    return sh->size;
}

pyr_status pyr_shooting_value(pyr_shooting *sh, int lane, int label, const double *u, const double *centre,
                              const double *y, double *value, double *gradient)
{
    parts at;

    put_class(sh, lane, label);
    PYR_TRY(evaluate(sh, lane, u, centre, y ? y : sh->problem.y, &at, gradient));
    *value = at.value;
    return PYR_OK;
}

/* ---- L-BFGS ---------------------------------------------------------------------------------------- */

typedef struct shot {
    pyr_shooting *sh;
    int lane, evaluations;
    const double *centre, *y;
    pyr_status status;
} shot;

static lbfgsfloatval_t call(void *ctx, const lbfgsfloatval_t *u, lbfgsfloatval_t *gradient, const int n,
                            const lbfgsfloatval_t step)
{
    shot *of = ctx;
    parts at = {.value = NAN};

    (void)step;
    for (size_t i = of->sh->size; i < (size_t)n; i++) /* what the library has rounded n up by */
        gradient[i] = 0;
    if (of->status == PYR_OK)
        of->status = evaluate(of->sh, of->lane, u, of->centre, of->y, &at, gradient);
    of->evaluations++;
    return of->status == PYR_OK ? at.value : 0;
}

static int go_on(void *ctx, const lbfgsfloatval_t *u, const lbfgsfloatval_t *gradient,
                 const lbfgsfloatval_t fx, const lbfgsfloatval_t unorm, const lbfgsfloatval_t gnorm,
                 const lbfgsfloatval_t step, int n, int round, int trials)
{
    const shot *of = ctx;

    (void)u, (void)gradient, (void)fx, (void)unorm, (void)gnorm, (void)step, (void)n, (void)round,
        (void)trials;
    return of->status != PYR_OK;
}

/* A line search that finds nothing lower ends where it began: with a network's rounding that is the minimum. */
static bool ended(int code)
{
    return code >= 0 || code == LBFGSERR_MAXIMUMITERATION || code == LBFGSERR_ROUNDING_ERROR ||
           code == LBFGSERR_MINIMUMSTEP || code == LBFGSERR_MAXIMUMSTEP ||
           code == LBFGSERR_MAXIMUMLINESEARCH || code == LBFGSERR_WIDTHTOOSMALL ||
           code == LBFGSERR_OUTOFINTERVAL || code == LBFGSERR_INCREASEGRADIENT ||
           code == LBFGSERR_INCORRECT_TMINMAX;
}

static pyr_status minimise(shot *of, double *u)
{
    lbfgs_parameter_t how;
    int code;

    lbfgs_parameter_init(&how);
    how.m = 10;
    how.epsilon = 1e-6;
    how.max_iterations = of->sh->problem.iterations;
    code = lbfgs((int)of->sh->size, u, NULL, call, go_on, of, &how);
    if (of->status == PYR_OK && !ended(code))
        return pyr_fail(PYR_E_NUMERIC, "L-BFGS ended with error %d of lbfgs.h", code);
    return of->status;
}

typedef struct shots {
    pyr_shooting *sh;
    pyr_latent *latent;
    const uint64_t *seeds;
    const int32_t *labels;
    pyr_shooting_report *report;
} shots;

static double *start_of(const shots *of, int level, int image)
{
    return of->latent->at[level] + (size_t)image * of->sh->level[level].size;
}

/* u of a row's starts; of multiple shooting the other segments begin where the first ones end: no gaps. */
static pyr_status put_start(const shots *of, int lane, int image, double *u)
{
    pyr_shooting *sh = of->sh;
    shot_lane *l = &sh->lane[lane];
    double gaps = 0;

    for (int level = sh->m->levels - 1; level >= 0; level--) {
        const shot_level *at = &sh->level[level];

        from_x(sh, l, level, 0, u + at->at, start_of(of, level, image), l->lambda);
        for (int j = 1; j <= sh->problem.segments; j++) {
            /* the last round is for the finer levels, which are given this one */
            PYR_TRY(run_level(sh, l, level, u + at->at, &gaps));
            if (j < sh->problem.segments)
                for (size_t i = 0; i < at->size; i++) {
                    size_t to = (size_t)j * at->size + i;

                    u[at->at + to] += l->gap[level][to];
                }
        }
    }
    return PYR_OK;
}

static pyr_status put_noisy(const shots *of, int lane, int image)
{
    const pyr_shooting_problem *p = &of->sh->problem;
    double *y = of->sh->lane[lane].y;

    for (size_t i = 0; i < pyr_count(p->a->out); i++) {
        float normal[4];

        pyr_normal4(of->seeds[image], (uint32_t)(i / 4), 0, 1, PYR_RNG_TASK, normal);
        y[i] = p->y[i] + (p->randomised ? p->noise * (double)normal[i % 4] : 0);
    }
    return PYR_OK;
}

static pyr_status shoot(void *arg, int image, int lane)
{
    const shots *of = arg;
    pyr_shooting *sh = of->sh;
    shot_lane *l = &sh->lane[lane];
    shot one = {.sh = sh, .lane = lane, .y = l->y};
    double *u, *centre = NULL, values = (double)pyr_count(sh->problem.a->out), gaps = 0;
    parts at;
    pyr_status status;

    if (!(u = lbfgs_malloc((int)sh->size)))
        return pyr_fail(PYR_E_NOMEM, "out of memory for %zu numbers of a start", sh->size);
    put_class(sh, lane, of->labels ? of->labels[image] : -1);
    PYR_TRY_OUT(put_start(of, lane, image, u));
    PYR_TRY_OUT(put_noisy(of, lane, image));
    if (sh->problem.randomised) {
        PYR_TRY_OUT(pyr_new(&centre, sh->size, sizeof *centre, "a start"));
        memcpy(centre, u, sh->size * sizeof *u);
        one.centre = centre;
    }
    PYR_TRY_OUT(minimise(&one, u));
    PYR_TRY_OUT(evaluate(sh, lane, u, one.centre, l->y, &at, NULL)); /* of the u that was kept */
    for (int level = 0; level < sh->m->levels; level++) {
        gaps += (double)((size_t)(sh->problem.segments - 1) * sh->level[level].size);
        to_x(sh, l, level, 0, u + sh->level[level].at, start_of(of, level, image), l->lambda);
    }
    if (of->report)
        of->report[image] = (pyr_shooting_report){.value = at.value,
                                                  .end = sqrt(at.end / values),
                                                  .gap = gaps > 0 ? sqrt(at.gaps / gaps) : 0,
                                                  .evaluations = one.evaluations + 1};
out:
    pyr_free(centre);
    lbfgs_free(u);
    return status;
}

pyr_status pyr_shooting_solve(pyr_shooting *sh, pyr_latent *latent, const uint64_t *seeds,
                              const int32_t *labels, pyr_shooting_report *report)
{
    shots of = {.sh = sh, .latent = latent, .seeds = seeds, .labels = labels, .report = report};

    return pyr_run_tasks(sh->k, latent->n, shoot, &of);
}

/* ---- made and freed -------------------------------------------------------------------------------- */

pyr_status pyr_shooting_check_sampler(const pyr_sampler *sampler, int level)
{
    bool euler = sampler->kind == PYR_EULER || (sampler->kind == PYR_DDIM && sampler->eta <= 0);

    if (pyr_sampler_start(sampler) == PYR_START_UNIFORM)
        return pyr_fail(PYR_E_ARG,
                        "sampling of level %d starts from uniform numbers, and shooting weighs starts by a "
                        "normal prior: set sampler.start to another",
                        level);
    if (euler && pyr_sampler_solves_ode(sampler))
        return PYR_OK;
    return pyr_fail(
        PYR_E_ARG,
        "the sampler of level %d is %s, and shooting goes by Euler's steps of the ODE: take --sampler "
        "euler, without churn",
        level, pyr_sampler_names[sampler->kind]);
}

static pyr_status level_new(pyr_shooting *sh, int level)
{
    pyr_sampled_level *l = &sh->m->level[level];
    const pyr_sampler *sampler = &l->level.settings.sampler;
    shot_level *of = &sh->level[level];

    PYR_TRY(pyr_shooting_check_sampler(sampler, level));
    of->steps = sampler->undenoised ? sampler->steps - 1 : sampler->steps;
    if (of->steps < sh->problem.segments)
        return pyr_fail(PYR_E_ARG, "%d segments of %d steps at level %d: take fewer, or more --steps",
                        sh->problem.segments, of->steps, level);
    of->size = pyr_count(l->level.variable);
    PYR_TRY(pyr_new(&of->s, (size_t)sampler->steps + 1, sizeof *of->s, "noise levels"));
    pyr_sampler_grid(&l->schedule, sampler->steps, of->s);
    PYR_TRY(
        pyr_denoiser_new(&of->denoiser, sh->k, &l->params, &l->level, 1, PYR_GRADIENT_OF_X_AND_CONDITION));
    of->denoiser.classifier = l->denoiser.classifier;
    return pyr_denoiser_pack(&of->denoiser, l->block);
}

static pyr_status lane_new(pyr_shooting *sh, shot_lane *l, int lane)
{
    pyr_kernels *k = sh->k;
    pyr_shape s = pyr_model_image(sh->m, 0);
    size_t real = pyr_type_size(k->real), ys = pyr_count(sh->problem.a->out);
    size_t most = (size_t)(s.h + 1) * (size_t)(s.w + 1) * (size_t)s.c; /* of image, variable, condition */
    size_t larger = ys > most ? ys : most;
    void **const backend[] = {&l->v, &l->dimage, &l->dcoarse, &l->dcondition, &l->more};
    const char *what = "shooting";

    for (size_t i = 0; i < sizeof backend / sizeof *backend; i++)
        PYR_TRY(pyr_alloc(k, backend[i], most * real, what));
    PYR_TRY(pyr_alloc(k, &l->scratch, pyr_pyramid_scratch(sh->m->pyramid, 1), what));
    PYR_TRY(pyr_new(&l->host, most, sizeof *l->host, what));
    PYR_TRY(pyr_new(&l->lambda, most, sizeof *l->lambda, what));
    PYR_TRY(pyr_new(&l->work, larger, sizeof *l->work, what));
    PYR_TRY(pyr_new(&l->off, ys, sizeof *l->off, what));
    PYR_TRY(pyr_new(&l->y, ys, sizeof *l->y, what));
    for (int level = 0; level < sh->m->levels; level++) {
        const shot_level *of = &sh->level[level];

        PYR_TRY(pyr_new(&l->x[level], (size_t)of->steps * of->size, sizeof(double), what));
        PYR_TRY(pyr_new(&l->gap[level], (size_t)sh->problem.segments * of->size, sizeof(double), what));
        PYR_TRY(pyr_alloc(k, &l->image[level], most * real, what));
        PYR_TRY(pyr_alloc(k, &l->condition[level], most * real, what));
        PYR_TRY(pyr_alloc(k, &l->variable[level], most * real, what));
        l->denoising[level] = (pyr_denoising){
            .denoiser = &sh->level[level].denoiser, .lane = lane, .n = 1, .condition = l->condition[level]};
    }
    return PYR_OK;
}

pyr_status pyr_shooting_new(pyr_shooting **out, pyr_model *m, const pyr_shooting_problem *problem)
{
    pyr_shooting *sh;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_pyramid_has_adjoint(m->pyramid));
    if (m->weaker)
        return pyr_fail(PYR_E_UNSUPPORTED, "shooting has no gradient of a weaker network: leave --gnet out");
    PYR_TRY(pyr_new(&sh, 1, sizeof *sh, "shooting"));
    sh->m = m;
    sh->k = m->k;
    sh->problem = *problem;
    if (problem->segments == 1)
        sh->problem.match = 0;
    for (int level = m->levels - 1; level >= 0; level--) {
        PYR_TRY_OUT(level_new(sh, level));
        sh->level[level].at = sh->size;
        sh->size += (size_t)problem->segments * sh->level[level].size;
    }
    PYR_TRY_OUT(pyr_new(&sh->lane, (size_t)sh->k->lanes, sizeof *sh->lane, "shooting"));
    for (int i = 0; i < sh->k->lanes; i++)
        PYR_TRY_OUT(lane_new(sh, &sh->lane[i], i));
    *out = sh;
    return PYR_OK;
out:
    pyr_shooting_free(sh);
    return status;
}

void pyr_shooting_free(pyr_shooting *sh)
{
    if (!sh)
        return;
    for (int i = 0; sh->lane && i < sh->k->lanes; i++) {
        shot_lane *l = &sh->lane[i];
        void *const backend[] = {l->v, l->dimage, l->dcoarse, l->dcondition, l->more, l->scratch};
        double *const host[] = {l->host, l->lambda, l->work, l->off, l->y};

        for (size_t j = 0; j < sizeof backend / sizeof *backend; j++)
            pyr_release(sh->k, backend[j]);
        for (size_t j = 0; j < sizeof host / sizeof *host; j++)
            pyr_free(host[j]);
        for (int level = 0; level < PYR_MAX_LEVELS; level++) {
            pyr_free(l->x[level]);
            pyr_free(l->gap[level]);
            pyr_release(sh->k, l->image[level]);
            pyr_release(sh->k, l->condition[level]);
            pyr_release(sh->k, l->variable[level]);
        }
    }
    pyr_free(sh->lane);
    for (int level = 0; level < sh->m->levels; level++) {
        pyr_free(sh->level[level].s);
        pyr_denoiser_free(&sh->level[level].denoiser);
    }
    pyr_free(sh);
}
