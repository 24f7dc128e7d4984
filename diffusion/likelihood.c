/* likelihood.c - log-likelihood by the probability-flow ODE and Hutchinson's estimator; the variational
 * bound. */
#include "diffusion/likelihood.h"

#include "base/mem.h"
#include "base/philox.h"
#include "diffusion/rk45.h"
#include <assert.h>
#include <math.h>

const char *const pyr_likelihood_solver_names[] = {"rk45", "heun", NULL};
const char *const pyr_probe_names[] = {"rademacher", "gaussian", NULL};

static const double log_2_pi = 1.83787706640934548356;

/* The streams of a vector: (seed, index below, step). */
enum { STREAM_PROBE, STREAM_BOUND_STEP, STREAM_BOUND_NOISE };

double pyr_prior_deviation(const pyr_schedule *schedule, pyr_start start)
{
    double s = pyr_schedule_s(schedule, pyr_schedule_t_max(schedule));

    /* a fit to the data has a density, too, but is not asked for it: the family's prior stands in for all starts but one */
    return pyr_start_deviation(start == PYR_START_UNIT ? start : PYR_START_PRIOR, schedule->family, s);
}

/* ---- working memory: vectors, probes, what the solver needs ---- */

enum { X, D, GRADIENT, SLOPE, NEXT, VECTORS };

static size_t vector_bytes(const pyr_kernels *k, int n, size_t size)
{
    return pyr_aligned((size_t)n * size * pyr_type_size(k->real));
}

size_t pyr_likelihood_work(const pyr_kernels *k, int n, size_t size, int probes)
{
    return (size_t)(VECTORS + probes) * vector_bytes(k, n, size) + pyr_rk45_work(k, n, size);
}

static void *vector(const pyr_likelihood *l, int i)
{
    return (char *)l->work + (size_t)i * vector_bytes(l->k, l->n, l->size);
}

static void *probe(const pyr_likelihood *l, int i)
{
    return vector(l, VECTORS + i);
}

static void *solver_work(const pyr_likelihood *l)
{
    return vector(l, VECTORS + l->probes);
}

static void mix(const pyr_likelihood *l, void *dst, double a, const void *x, double b, const void *y)
{
    pyr_combine(l->k, dst, 2, (double[]){a, b}, (const void *const[]){x, y}, (size_t)l->n * l->size);
}

/* ---- probes ------------------------------------------------------------------------------------ */

/* Drawn on the host, so that signs are taken from bits and not from floats. */
static void draw_probe(const pyr_likelihood *l, double *dst, uint64_t seed, int which)
{
    uint32_t purpose = pyr_rng_purpose(PYR_RNG_TASK, l->level);

    for (size_t at = 0; at < l->size; at += 4) {
        uint32_t q = (uint32_t)(at / 4);
        pyr_rng4 r = pyr_philox(seed, q, STREAM_PROBE, (uint32_t)which, purpose);
        float four[4];

        pyr_normal4(seed, q, STREAM_PROBE, (uint32_t)which, purpose, four);
        for (size_t i = at; i < l->size && i < at + 4; i++) {
            double sign = r.v[i - at] >> 31 ? 1 : -1;

            dst[i] = l->probe == PYR_RADEMACHER ? sign : (double)four[i - at];
        }
    }
}

static pyr_status draw_probes(const pyr_likelihood *l)
{
    size_t bytes = l->size * pyr_type_size(l->k->real);
    pyr_status status = PYR_OK;
    double *host;

    PYR_TRY(pyr_new(&host, l->size, sizeof *host, "a probe"));
    for (int p = 0; p < l->probes; p++)
        for (int i = 0; i < l->n && status == PYR_OK; i++) {
            draw_probe(l, host, l->seeds[i], p);
            status = pyr_upload_reals(l->k, (char *)probe(l, p) + (size_t)i * bytes, host, l->size);
        }
    pyr_free(host);
    return status;
}

/* ---- the slope --------------------------------------------------------------------------------- */

/* What a solve needs beside l: room for n numbers each, host. */
typedef struct solving {
    const pyr_likelihood *l;
    double *s, *dot, *square; /* square: [probe][n], |v|^2 */
} solving;

/* dx/du and the divergence at the times u: v^T (I - J) v, the mean over the probes. */
static pyr_status slope(void *ctx, const void *x, const double *u, void *dx, double *divergence)
{
    const solving *v = ctx;
    const pyr_likelihood *l = v->l;

    for (int i = 0; i < l->n; i++) {
        v->s[i] = exp(u[i]);
        divergence[i] = 0;
    }
    for (int p = 0; p < l->probes; p++) {
        PYR_TRY(l->denoise(l->ctx, x, v->s, vector(l, D)));
        PYR_TRY(l->vjp(l->ctx, probe(l, p), vector(l, GRADIENT)));
        PYR_TRY(pyr_dots(l->k, v->dot, probe(l, p), vector(l, GRADIENT), l->n, l->size));
        for (int i = 0; i < l->n; i++)
            divergence[i] += (v->square[p * l->n + i] - v->dot[i]) / l->probes;
    }
    mix(l, dx, 1, x, -1, vector(l, D));
    return PYR_OK;
}

static pyr_status solve_rk45(solving *v, double from, double to, double *integral, int *nfe)
{
    const pyr_likelihood *l = v->l;
    const pyr_rk45 rk45 = {.k = l->k,
                           .n = l->n,
                           .size = l->size,
                           .f = slope,
                           .ctx = v,
                           .rtol = l->rtol,
                           .atol = l->atol,
                           .unit = (double)l->size,
                           .work = solver_work(l),
                           .evaluations = nfe};

    return pyr_rk45_solve(&rk45, from, to, vector(l, X), integral);
}

/* Heun's method in u, from step to step of the schedule's time; u, first and second have room for n. */
static pyr_status solve_heun(solving *v, const pyr_schedule *schedule, double *integral, int *nfe, double *u,
                             double *first, double *second)
{
    const pyr_likelihood *l = v->l;
    double lo = pyr_schedule_t_min(schedule), hi = pyr_schedule_t_max(schedule);
    void *x = vector(l, X), *k1 = vector(l, SLOPE), *next = vector(l, NEXT), *k2 = solver_work(l);
    double at = log(pyr_schedule_s(schedule, lo));

    for (int step = 1; step <= l->steps; step++) {
        double there = log(pyr_schedule_s(schedule, lo + (hi - lo) * step / l->steps)), h = there - at;

        for (int i = 0; i < l->n; i++)
            u[i] = at;
        PYR_TRY(slope(v, x, u, k1, first));
        mix(l, next, 1, x, h, k1);
        for (int i = 0; i < l->n; i++)
            u[i] = there;
        PYR_TRY(slope(v, next, u, k2, second));
        mix(l, x, 1, x, h / 2, k1);
        mix(l, x, 1, x, h / 2, k2);
        for (int i = 0; i < l->n; i++)
            integral[i] += h / 2 * (first[i] + second[i]);
        at = there;
    }
    for (int i = 0; nfe && i < l->n; i++)
        nfe[i] = 2 * l->steps;
    return PYR_OK;
}

/* log N(x; 0, deviation^2 I), given |x|^2 */
static double log_normal(double square, size_t size, double deviation)
{
    double variance = deviation * deviation;

    return -0.5 * (square / variance + (double)size * (log_2_pi + log(variance)));
}

pyr_status pyr_log_likelihood(const pyr_likelihood *l, const pyr_schedule *schedule, const void *z,
                              double *log_p, int *nfe)
{
    size_t n = (size_t)l->n, bytes = n * l->size * pyr_type_size(l->k->real);
    double from = log(pyr_schedule_s(schedule, pyr_schedule_t_min(schedule)));
    double to = log(pyr_schedule_s(schedule, pyr_schedule_t_max(schedule)));
    pyr_status status = PYR_OK;
    double *room;
    solving v;

    assert(l->n >= 1 && l->n <= PYR_MAX_SAMPLING_BATCH && l->probes >= 1 && l->probes <= PYR_MAX_PROBES);
    PYR_TRY(pyr_new(&room, (5 + (size_t)l->probes) * n, sizeof *room, "a likelihood"));
    v = (solving){.l = l, .s = room, .dot = room + n, .square = room + 5 * n};
    PYR_TRY_OUT(draw_probes(l));
    for (int p = 0; p < l->probes; p++)
        PYR_TRY_OUT(pyr_dots(l->k, v.square + (size_t)p * n, probe(l, p), probe(l, p), l->n, l->size));
    pyr_copy(l->k, vector(l, X), z, bytes);
    for (int i = 0; i < l->n; i++)
        log_p[i] = 0;
    if (l->solver == PYR_LIKELIHOOD_RK45)
        PYR_TRY_OUT(solve_rk45(&v, from, to, log_p, nfe));
    else
        PYR_TRY_OUT(solve_heun(&v, schedule, log_p, nfe, room + 2 * n, room + 3 * n, room + 4 * n));
    PYR_TRY_OUT(pyr_dots(l->k, v.dot, vector(l, X), vector(l, X), l->n, l->size));
    for (int i = 0; i < l->n; i++)
        log_p[i] += log_normal(v.dot[i], l->size, pyr_prior_deviation(schedule, l->start));
out:
    pyr_free(room);
    return status;
}

/* ---- the variational bound --------------------------------------------------------------------- */

/* dst (n x size) = standard normals of the bound's summand `term` */
static void draw_noise(const pyr_likelihood *l, void *dst, int term)
{
    uint32_t *streams = solver_work(l);

    pyr_upload_streams(l->k, streams, l->seeds, l->n);
    l->k->backend->normals(l->k, dst, l->n, l->size, streams, pyr_rng_purpose(PYR_RNG_TASK, l->level),
                           STREAM_BOUND_NOISE, (uint32_t)term);
}

/* Which summand 1..T of the stretch `term` this vector takes. */
static int step_of(const pyr_likelihood *l, int vector_index, int T, int term, int terms)
{
    pyr_rng4 r = pyr_philox(l->seeds[vector_index], 0, STREAM_BOUND_STEP, (uint32_t)term,
                            pyr_rng_purpose(PYR_RNG_TASK, l->level));
    int step = (int)(((double)term + (double)pyr_uniform(r.v[0])) * T / terms);

    return step < T ? step + 1 : T;
}

/* bound->diffusion += T / terms times the summand. */
static pyr_status add_term(const pyr_likelihood *l, const pyr_schedule *schedule, int T, int term, int terms,
                           const void *z, pyr_bound *bound, double *s, double *before, double *dot)
{
    double lo = pyr_schedule_t_min(schedule), hi = pyr_schedule_t_max(schedule);
    size_t bytes = l->size * pyr_type_size(l->k->real);
    void *eps = vector(l, NEXT), *x = vector(l, X), *d = vector(l, D);

    draw_noise(l, eps, term);
    for (int i = 0; i < l->n; i++) {
        int step = step_of(l, i, T, term, terms);
        size_t at = (size_t)i * bytes;

        s[i] = pyr_schedule_s(schedule, lo + (hi - lo) * step / T);
        before[i] = pyr_schedule_s(schedule, lo + (hi - lo) * (step - 1) / T);
        pyr_combine(l->k, (char *)x + at, 2, (double[]){1, s[i]},
                    (const void *const[]){(const char *)z + at, (char *)eps + at}, l->size);
    }
    PYR_TRY(l->denoise(l->ctx, x, s, d));
    mix(l, d, 1, d, -1, z);
    PYR_TRY(pyr_dots(l->k, dot, d, d, l->n, l->size));
    for (int i = 0; i < l->n; i++)
        bound[i].diffusion +=
            (double)T / terms * 0.5 * (1 / (before[i] * before[i]) - 1 / (s[i] * s[i])) * dot[i];
    return PYR_OK;
}

pyr_status pyr_variational_bound(const pyr_likelihood *l, const pyr_schedule *schedule, int T, int terms,
                                 const void *z, pyr_bound *bound)
{
    double least = pyr_schedule_s(schedule, pyr_schedule_t_min(schedule));
    double most = pyr_schedule_s(schedule, pyr_schedule_t_max(schedule));
    double prior = pyr_prior_deviation(schedule, l->start), ratio = most * most / (prior * prior);
    double size = (double)l->size, *room;
    size_t n = (size_t)l->n;
    pyr_status status = PYR_OK;

    assert(l->n >= 1 && l->n <= PYR_MAX_SAMPLING_BATCH && terms >= 1 && terms <= T && T <= PYR_MAX_STEPS);
    PYR_TRY(pyr_new(&room, 3 * n, sizeof *room, "a variational bound"));
    PYR_TRY_OUT(pyr_dots(l->k, room, z, z, l->n, l->size));
    for (int i = 0; i < l->n; i++)
        bound[i] = (pyr_bound){.prior = 0.5 * (size * (ratio - 1 - log(ratio)) + room[i] / (prior * prior)),
                               .decoder = 0.5 * size * (log_2_pi + 1 + 2 * log(least))};
    for (int term = 0; term < terms; term++)
        PYR_TRY_OUT(add_term(l, schedule, T, term, terms, z, bound, room, room + n, room + 2 * n));
out:
    pyr_free(room);
    return status;
}
