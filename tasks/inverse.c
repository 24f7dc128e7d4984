/* inverse.c - samples x given y = A x + noise: the denoiser is guided by the gradient of the data's
 * likelihood. */
#include "tasks/inverse.h"

#include "base/mem.h"
#include "levels/denoiser_gradient.h"
#include "tasks/layers.h"
#include <math.h>
#include <string.h>

/* Conjugate gradients go on until the residual is so small a part of what it was, or so often. */
static const double enough = 1e-3;
enum { MOST_ROUNDS = 30 };

enum { Y_ERROR, Y_W, Y_R, Y_P, Y_Q, Y_VECTORS };

/* What a lane has for the level that is being drawn. */
typedef struct inverse_lane {
    pyr_inverse *all;
    pyr_model_stage stage;
    pyr_denoising denoising;
    void *image[2], *condition, *zero; /* backend, n images or what is larger */
    void *variable[PYR_MAX_LEVELS], *gradient;
    double *host, *work, *y[Y_VECTORS]; /* n images; one image; n x y */
    double *g, *jg;                     /* n variables */
} inverse_lane;

struct pyr_inverse {
    pyr_model *m;
    pyr_kernels *k;
    pyr_inverse_problem problem;
    pyr_denoiser denoiser[PYR_MAX_LEVELS];
    inverse_lane *lane;
    pyr_model_hooks hooks;
};

static const pyr_level *level_of(const pyr_inverse *in, int level)
{
    return &in->m->level[level].level;
}

/* ---- between the variables and the finest image ---------------------------------------------------- */

/* variable (n of `level`, backend) *= std, band by band; or std^2 v, with v of each image (NULL: 1). */
static pyr_status scale_bands(const inverse_lane *l, int level, void *variable, bool squared, const double *v)
{
    const pyr_level *of = level_of(l->all, level);
    size_t count = (size_t)l->stage.n * pyr_count(of->variable);

    PYR_TRY(pyr_download_reals(l->all->k, l->host, variable, count));
    for (size_t i = 0; i < count; i++) {
        double std = of->facts.std[pyr_band_of(of, i)];

        l->host[i] *= (squared ? std * std : std) * (v ? v[i / pyr_count(of->variable)] : 1);
    }
    return pyr_upload_reals(l->all->k, variable, l->host, count);
}

/* variable of `level` = the means of its bands: a residual of which nothing is known. */
static pyr_status put_means(const inverse_lane *l, int level)
{
    const pyr_level *of = level_of(l->all, level);
    size_t count = (size_t)l->stage.n * pyr_count(of->variable);

    for (size_t i = 0; i < count; i++)
        l->host[i] = of->facts.mean[pyr_band_of(of, i)];
    return pyr_upload_reals(l->all->k, l->variable[level], l->host, count);
}

/* The linear part of the projection: what a residual loses when it may not change the coarser image. */
static void project(const inverse_lane *l, int level, void *variable)
{
    if (level + 1 < l->all->m->levels)
        pyr_pyramid_project(l->all->m->pyramid, level, l->stage.n, l->zero, l->zero, variable,
                            l->stage.scratch);
}

/* The finest image from variables of `level` and finer ones (variable[0 .. level]), on top of `coarse` and
 * its condition (both zero for the linear part); the finer ones are projected as sampling will do. */
static const void *synthesize(const inverse_lane *l, int level, const void *coarse, const void *condition)
{
    const pyr_pyramid *p = l->all->m->pyramid;
    void *image = l->image[level % 2], *scratch = l->stage.scratch;
    int n = l->stage.n;

    pyr_pyramid_synthesize(p, level, n, coarse, condition, l->variable[level], image, scratch);
    for (int i = level - 1; i >= 0; i--) {
        void *finer = l->image[i % 2];

        pyr_pyramid_condition(p, i, n, image, l->condition, false, scratch);
        pyr_pyramid_project(p, i, n, image, l->condition, l->variable[i], scratch);
        pyr_pyramid_synthesize(p, i, n, image, l->condition, l->variable[i], finer, scratch);
        image = finer;
    }
    return image;
}

/* variable[0 .. level] = what U_j^T makes of the gradient of the finest image in image[0]. */
static void unwind(const inverse_lane *l, int level)
{
    const pyr_pyramid *p = l->all->m->pyramid;
    bool bands = pyr_filter_of(pyr_pyramid_get(p)->filter)->bands;

    for (int i = 0; i < level; i++) {
        const void *image = l->image[i % 2];
        void *coarse = l->image[(i + 1) % 2];

        if (bands) {
            pyr_pyramid_synthesize_adjoint(p, i, l->stage.n, image, l->condition, l->variable[i],
                                           l->stage.scratch);
            pyr_pyramid_condition_adjoint(p, i, l->stage.n, l->condition, coarse, l->stage.scratch);
        } else
            pyr_pyramid_project_adjoint(p, i, l->stage.n, image, l->variable[i], coarse, l->stage.scratch);
    }
    pyr_pyramid_synthesize_adjoint(p, level, l->stage.n, l->image[level % 2], l->condition,
                                   l->variable[level], l->stage.scratch);
    project(l, level, l->variable[level]);
}

static size_t y_size(const pyr_inverse *in)
{
    return pyr_count(in->problem.a->out);
}

/* dst (n x y) = A image */
static pyr_status degrade(const inverse_lane *l, double *dst, const void *image)
{
    size_t size = pyr_count(l->all->problem.a->in), n = (size_t)l->stage.n;

    PYR_TRY(pyr_download_reals(l->all->k, l->host, image, n * size));
    for (size_t i = 0; i < n; i++)
        pyr_operator_apply(l->all->problem.a, dst + i * y_size(l->all), l->host + i * size, l->work);
    return PYR_OK;
}

/* image[0] = A^T y */
static pyr_status undegrade(const inverse_lane *l, const double *y)
{
    size_t size = pyr_count(l->all->problem.a->in), n = (size_t)l->stage.n;

    for (size_t i = 0; i < n; i++)
        pyr_operator_adjoint(l->all->problem.a, l->host + i * size, y + i * y_size(l->all), l->work);
    return pyr_upload_reals(l->all->k, l->image[0], l->host, n * size);
}

/* ---- the covariance of y - y^ ---------------------------------------------------------------------- */

/* q = C p, with v of each image. */
static pyr_status covariance(const inverse_lane *l, double *q, const double *p, const double *v)
{
    int level = l->stage.level;
    size_t ys = y_size(l->all), count = (size_t)l->stage.n * ys;
    double noise = l->all->problem.noise * l->all->problem.noise;

    PYR_TRY(undegrade(l, p));
    unwind(l, level);
    for (int i = 0; i <= level; i++) {
        PYR_TRY(scale_bands(l, i, l->variable[i], true, i == level ? v : NULL));
        project(l, i, l->variable[i]);
    }
    PYR_TRY(degrade(l, q, synthesize(l, level, l->zero, l->zero)));
    for (size_t i = 0; i < count; i++)
        q[i] += noise * p[i];
    return PYR_OK;
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* w = C^-1 error, each image for itself. */
static pyr_status solve(const inverse_lane *l, const double *v)
{
    size_t ys = y_size(l->all);
    int n = l->stage.n, left = n;
    double *w = l->y[Y_W], *r = l->y[Y_R], *p = l->y[Y_P], *q = l->y[Y_Q];
    double rr[PYR_MAX_SAMPLING_BATCH], begun[PYR_MAX_SAMPLING_BATCH];

    memset(w, 0, (size_t)n * ys * sizeof *w);
    memcpy(r, l->y[Y_ERROR], (size_t)n * ys * sizeof *r);
    memcpy(p, r, (size_t)n * ys * sizeof *p);
    for (int i = 0; i < n; i++)
        begun[i] = rr[i] = dot(r + (size_t)i * ys, r + (size_t)i * ys, ys);
    for (int round = 0; round < MOST_ROUNDS && left; round++) {
        PYR_TRY(covariance(l, q, p, v));
        left = 0;
        for (int i = 0; i < n; i++) {
            size_t at = (size_t)i * ys;
            double pq = dot(p + at, q + at, ys), now, a;

            if (!(rr[i] > enough * enough * begun[i]) || !(pq > 0)) /* done: it stays as it is */
                continue;
            left++;
            a = rr[i] / pq;
            for (size_t j = at; j < at + ys; j++) {
                w[j] += a * p[j];
                r[j] -= a * q[j];
            }
            now = dot(r + at, r + at, ys);
            for (size_t j = at; j < at + ys; j++)
                p[j] = r[j] + now / rr[i] * p[j];
            rr[i] = now;
        }
    }
    return PYR_OK;
}

/* ---- the guided denoiser --------------------------------------------------------------------------- */

/* error = y - A I_0(D); at the level itself the projection is onto the coarse image that was drawn. */
static pyr_status put_error(const inverse_lane *l, const void *d)
{
    const pyr_inverse *in = l->all;
    int level = l->stage.level;
    const pyr_level *of = level_of(in, level);
    size_t count = (size_t)l->stage.n * pyr_count(of->variable), ys = y_size(in);

    for (int i = 0; i < level; i++)
        PYR_TRY(put_means(l, i));
    PYR_TRY(pyr_download_reals(in->k, l->host, d, count));
    pyr_destandardise_host(of, l->stage.n, l->host);
    PYR_TRY(pyr_upload_reals(in->k, l->variable[level], l->host, count));
    if (l->stage.coarse)
        pyr_pyramid_project(in->m->pyramid, level, l->stage.n, l->stage.coarse, l->stage.condition,
                            l->variable[level], l->stage.scratch);
    PYR_TRY(degrade(l, l->y[Y_ERROR], synthesize(l, level, l->stage.coarse, l->stage.condition)));
    for (size_t i = 0; i < (size_t)l->stage.n * ys; i++)
        l->y[Y_ERROR][i] = in->problem.y[i % ys] - l->y[Y_ERROR][i];
    return PYR_OK;
}

/* How much of w is right, for each image: C0 = C with s^2 J = v is a guess at the covariance, and with the
 * gradient known, the true C is known along w = C0^-1 error. One step of conjugate gradients, preconditioned
 * by C0: w . error / w . C w, where w . B s^2 J B^T w = s^2 g . J g. (For images, whose numbers hang
 * together, v is far too small at high noise: without this results overshoot.) At most 1. */
static pyr_status step_lengths(const inverse_lane *l, const double *s, double *length)
{
    size_t ys = y_size(l->all), size = pyr_count(level_of(l->all, l->stage.level)->variable);
    static const double nothing[PYR_MAX_SAMPLING_BATCH];

    PYR_TRY(covariance(l, l->y[Y_Q], l->y[Y_W], nothing));
    for (int i = 0; i < l->stage.n; i++) {
        const double *w = l->y[Y_W] + (size_t)i * ys;
        double rest = dot(w, l->y[Y_Q] + (size_t)i * ys, ys);
        double own = s[i] * s[i] * dot(l->g + (size_t)i * size, l->jg + (size_t)i * size, size);
        double all = rest + fmax(own, 0);

        length[i] = all > 0 ? fmin(dot(w, l->y[Y_ERROR] + (size_t)i * ys, ys) / all, 1) : 0;
    }
    return PYR_OK;
}

static pyr_status guided(void *ctx, const void *x, const double *s, void *out)
{
    inverse_lane *l = ctx;
    pyr_inverse *in = l->all;
    int level = l->stage.level, n = l->stage.n;
    size_t size = pyr_count(level_of(in, level)->variable), bytes = size * pyr_type_size(in->k->real);
    double v[PYR_MAX_SAMPLING_BATCH], length[PYR_MAX_SAMPLING_BATCH];

    PYR_TRY(pyr_denoiser_call(&l->denoising, x, s, out));
    for (int i = 0; i < n; i++)
        v[i] = s[i] * s[i] / (1 + s[i] * s[i]);
    PYR_TRY(put_error(l, out));
    PYR_TRY(solve(l, v));
    PYR_TRY(undegrade(l, l->y[Y_W]));
    unwind(l, level);
    PYR_TRY(scale_bands(l, level, l->variable[level], false, NULL));
    PYR_TRY(pyr_download_reals(in->k, l->g, l->variable[level], (size_t)n * size));
    PYR_TRY(pyr_denoiser_vjp(&l->denoising, l->variable[level], l->gradient));
    PYR_TRY(pyr_download_reals(in->k, l->jg, l->gradient, (size_t)n * size));
    PYR_TRY(step_lengths(l, s, length));
    for (int i = 0; i < n; i++) {
        char *to = (char *)out + (size_t)i * bytes;

        pyr_combine(in->k, to, 2, (double[]){1, in->problem.strength * length[i] * s[i] * s[i]},
                    (const void *const[]){to, (char *)l->gradient + (size_t)i * bytes}, size);
    }
    return PYR_OK;
}

static pyr_status before(void *ctx, const pyr_model_stage *stage, pyr_level_draw *draw)
{
    pyr_inverse *in = ctx;
    inverse_lane *l = &in->lane[stage->lane];

    l->stage = *stage;
    l->denoising = (pyr_denoising){.denoiser = &in->denoiser[stage->level],
                                   .lane = stage->lane,
                                   .n = stage->n,
                                   .condition = draw->condition,
                                   .rows = draw->rows};
    PYR_TRY(pyr_denoiser_begin(&l->denoising));
    draw->denoise = guided;
    draw->denoise_ctx = l;
    draw->stiff = in->problem.strength > 0;
    return PYR_OK;
}

/* ---- made and freed -------------------------------------------------------------------------------- */

static pyr_status lane_new(pyr_inverse *in, inverse_lane *l)
{
    pyr_kernels *k = in->k;
    pyr_shape s = pyr_model_image(in->m, 0);
    size_t n = (size_t)in->m->batch, real = pyr_type_size(k->real);
    size_t most = (size_t)(s.h + 1) * (size_t)(s.w + 1) * (size_t)s.c * n; /* of image, variable, condition */
    size_t ys = y_size(in), larger = ys > pyr_count(s) ? ys : pyr_count(s);
    const char *what = "an inverse problem";

    l->all = in;
    PYR_TRY(pyr_alloc(k, &l->image[0], most * real, what));
    PYR_TRY(pyr_alloc(k, &l->image[1], most * real, what));
    PYR_TRY(pyr_alloc(k, &l->condition, most * real, what));
    PYR_TRY(pyr_alloc(k, &l->zero, most * real, what));
    for (int i = 0; i < in->m->levels; i++)
        PYR_TRY(pyr_alloc(k, &l->variable[i], n * pyr_count(level_of(in, i)->variable) * real, what));
    PYR_TRY(pyr_alloc(k, &l->gradient, most * real, what));
    PYR_TRY(pyr_new(&l->g, most, sizeof *l->g, what));
    PYR_TRY(pyr_new(&l->jg, most, sizeof *l->jg, what));
    PYR_TRY(pyr_new(&l->host, most, sizeof *l->host, what));
    PYR_TRY(pyr_new(&l->work, larger, sizeof *l->work, what));
    for (int i = 0; i < Y_VECTORS; i++)
        PYR_TRY(pyr_new(&l->y[i], n * ys, sizeof *l->y[i], what));
    return PYR_OK;
}

double pyr_inverse_noise(double noise, int bits)
{
    double step = ldexp(1, 1 - bits);

    return sqrt(noise * noise + step * step / 12);
}

/* Those that stay at the smallest noise level would have to walk from noise to the picture by steps of its
 * size; an explicit solver that keeps to a tolerance takes thousands of steps of an equation as stiff as the
 * guided one. */
pyr_status pyr_inverse_check_sampler(const pyr_sampler *sampler, int level)
{
    bool stays = pyr_sampler_has(sampler, PYR_SAMPLER_ONE_LEVEL);

    if (!stays && !pyr_sampler_has(sampler, PYR_SAMPLER_ADAPTIVE))
        return PYR_OK;
    return pyr_fail(PYR_E_ARG, "the sampler of level %d, %s, %s: take --sampler ancestral, heun or another",
                    level, pyr_sampler_names[sampler->kind],
                    stays ? "stays at one noise level, and a picture is restored on the way down from noise"
                          : "would take thousands of steps, as guidance makes its equation stiff");
}

pyr_status pyr_inverse_new(pyr_inverse **out, pyr_model *m, const pyr_inverse_problem *problem)
{
    pyr_kernels *k = m->k;
    pyr_inverse *in;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_pyramid_has_adjoint(m->pyramid));
    PYR_TRY(pyr_new(&in, 1, sizeof *in, "an inverse problem"));
    in->m = m;
    in->k = k;
    in->problem = *problem;
    in->hooks = (pyr_model_hooks){.ctx = in, .before = before};
    for (int i = 0; i < m->levels; i++) {
        pyr_sampled_level *s = &m->level[i];

        PYR_TRY_OUT(
            pyr_denoiser_new(&in->denoiser[i], k, &s->params, &s->level, m->batch, PYR_GRADIENT_OF_X));
        PYR_TRY_OUT(pyr_denoiser_pack(&in->denoiser[i], s->block));
        in->denoiser[i].classifier = s->denoiser.classifier;
    }
    PYR_TRY_OUT(pyr_new(&in->lane, (size_t)k->lanes, sizeof *in->lane, "an inverse problem"));
    for (int i = 0; i < k->lanes; i++)
        PYR_TRY_OUT(lane_new(in, &in->lane[i]));
    *out = in;
    return PYR_OK;
out:
    pyr_inverse_free(in);
    return status;
}

void pyr_inverse_free(pyr_inverse *in)
{
    if (!in)
        return;
    for (int i = 0; i < in->m->levels; i++)
        pyr_denoiser_free(&in->denoiser[i]);
    for (int lane = 0; in->lane && lane < in->k->lanes; lane++) {
        inverse_lane *l = &in->lane[lane];

        pyr_release(in->k, l->image[0]);
        pyr_release(in->k, l->image[1]);
        pyr_release(in->k, l->condition);
        pyr_release(in->k, l->zero);
        for (int i = 0; i < PYR_MAX_LEVELS; i++)
            pyr_release(in->k, l->variable[i]);
        pyr_release(in->k, l->gradient);
        pyr_free(l->g);
        pyr_free(l->jg);
        pyr_free(l->host);
        pyr_free(l->work);
        for (int i = 0; i < Y_VECTORS; i++)
            pyr_free(l->y[i]);
    }
    pyr_free(in->lane);
    pyr_free(in);
}

const pyr_model_hooks *pyr_inverse_hooks(const pyr_inverse *inverse)
{
    return &inverse->hooks;
}
