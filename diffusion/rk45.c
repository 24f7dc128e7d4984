/* rk45.c - Dormand and Prince's pair, with error and step size of each vector on their own. */
#include "diffusion/rk45.h"

#include "base/mem.h"
#include <assert.h>
#include <float.h>
#include <math.h>

enum { STAGES = 7, STAGE_POINT = STAGES, VECTORS };

/* Dormand & Prince 1980, table 2, RK5(4)7M. The last row of `a` is the fifth-order result, where the seventh
 * stage is evaluated, so that it is the next step's first. */
static const double c[STAGES] = {0, 1 / 5., 3 / 10., 4 / 5., 8 / 9., 1, 1};
static const double a[STAGES][STAGES] = {
    {0},
    {1 / 5.},
    {3 / 40., 9 / 40.},
    {44 / 45., -56 / 15., 32 / 9.},
    {19372 / 6561., -25360 / 2187., 64448 / 6561., -212 / 729.},
    {9017 / 3168., -355 / 33., 46732 / 5247., 49 / 176., -5103 / 18656.},
    {35 / 384., 0, 500 / 1113., 125 / 192., -2187 / 6784., 11 / 84.},
};
/* fifth order minus fourth */
static const double e[STAGES] = {71 / 57600.,      0,         -71 / 16695., 71 / 1920.,
                                 -17253 / 339200., 22 / 525., -1 / 40.};

/* The solution of one vector so far. */
typedef struct solution {
    double t, h; /* h has the direction's sign */
    double q, dq[STAGES];
    double square;    /* |x|^2, the sum */
    double old_error; /* of the last accepted step */
    int steps, evaluations;
    bool arrived, rejected;
} solution;

typedef struct solving {
    const pyr_rk45 *s;
    double to;
    void *x;
    bool has_q;
    solution *solution;
    double *t, *dq, *dot, *sum; /* n each, for calls of f and of dots */
} solving;

static size_t vector_bytes(const pyr_kernels *k, int n, size_t size)
{
    return pyr_aligned((size_t)n * size * pyr_type_size(k->real));
}

size_t pyr_rk45_work(const pyr_kernels *k, int n, size_t size)
{
    return VECTORS * vector_bytes(k, n, size);
}

static void *vector(const solving *v, int which)
{
    return (char *)v->s->work + (size_t)which * vector_bytes(v->s->k, v->s->n, v->s->size);
}

static void *part(const solving *v, void *block, int i)
{
    return (char *)block + (size_t)i * v->s->size * pyr_type_size(v->s->k->real);
}

/* dst = base x + h (w[0] k1 + ... ), of solution i; `combine` takes four at a time */
static void sum_stages(const solving *v, void *dst, double base, double h, const double *w, int i)
{
    pyr_kernels *k = v->s->k;
    double coef[4] = {base};
    const void *src[4] = {part(v, v->x, i)};
    int n = 1;

    for (int j = 0; j < STAGES; j++) {
        if (w[j] == 0)
            continue;
        if (n == 4) {
            pyr_combine(k, dst, n, coef, src, v->s->size);
            coef[0] = 1;
            src[0] = dst;
            n = 1;
        }
        coef[n] = h * w[j];
        src[n++] = part(v, vector(v, j), i);
    }
    pyr_combine(k, dst, n, coef, src, v->s->size);
}

/* Stage j of all: f at `x`, at the times in v->t. Paths that have arrived are computed and not counted. */
static pyr_status evaluate(const solving *v, const void *x, int j)
{
    PYR_TRY(v->s->f(v->s->ctx, x, v->t, vector(v, j), v->has_q ? v->dq : NULL));
    for (int i = 0; i < v->s->n; i++) {
        solution *p = &v->solution[i];

        if (p->arrived)
            continue;
        p->evaluations++;
        p->dq[j] = v->has_q ? v->dq[i] : 0;
    }
    return PYR_OK;
}

static pyr_status dots(const solving *v, const void *x, const void *y)
{
    return pyr_dots(v->s->k, v->dot, x, y, v->s->n, v->s->size);
}

/* A length per number in units of the tolerance, where the values are about `size`. */
static double in_tolerances(const solving *v, double length, double size)
{
    return length == 0 ? 0 : length / (v->s->atol + v->s->rtol * size);
}

/* A difference's length from its sum of squares, where |x|^2 is `square`. */
static double x_norm(const solving *v, double sum, double square)
{
    double n = (double)v->s->size;

    return in_tolerances(v, sqrt(sum / n), sqrt(square / n));
}

/* ---- the first step ---------------------------------------------------------------------------- */

/* Hairer, Norsett & Wanner II.4, "starting step size": lengths d0 of x, d1 of f, d2 of f's derivative, and a
 * step whose 5th-order term would be 0.01, from the slope in vector 0 with its squares in v->sum. q, which
 * may start at 0, has no length to compare with. */
static pyr_status choose_first_steps(const solving *v, double from)
{
    const pyr_rk45 *s = v->s;
    static const double euler[STAGES] = {1};
    void *there = vector(v, STAGE_POINT), *slope = vector(v, 0), *next = vector(v, 1);
    double span = fabs(v->to - from), direction = v->to < from ? -1 : 1;

    for (int i = 0; i < s->n; i++) {
        solution *p = &v->solution[i];
        double d0 = x_norm(v, p->square, p->square), d1 = x_norm(v, v->sum[i], p->square);

        p->h = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 * span : 0.01 * d0 / d1;
        p->h = direction * fmin(p->h, span);
        v->t[i] = from + p->h;
        sum_stages(v, part(v, there, i), 1, p->h, euler, i);
    }
    PYR_TRY(evaluate(v, there, 1));
    pyr_combine(s->k, next, 2, (double[]){1, -1}, (const void *const[]){next, slope}, (size_t)s->n * s->size);
    PYR_TRY(dots(v, next, next));
    for (int i = 0; i < s->n; i++) {
        solution *p = &v->solution[i];
        double h0 = fabs(p->h), d1 = x_norm(v, v->sum[i], p->square);
        double d2 = x_norm(v, v->dot[i], p->square) / h0;
        double h = fmax(d1, d2) <= 1e-15 ? fmax(1e-6 * span, h0 * 1e-3) : pow(0.01 / fmax(d1, d2), 0.2);

        p->h = direction * fmin(fmin(100 * h0, h), span);
    }
    return PYR_OK;
}

static pyr_status begin(const solving *v, double from, const double *q)
{
    const pyr_rk45 *s = v->s;

    PYR_TRY(dots(v, v->x, v->x));
    for (int i = 0; i < s->n; i++) {
        v->solution[i] = (solution){.t = from,
                                    .h = v->to < from ? -s->first_step : s->first_step,
                                    .q = q ? q[i] : 0,
                                    .square = v->dot[i]};
        v->t[i] = from;
    }
    PYR_TRY(evaluate(v, v->x, 0));
    PYR_TRY(dots(v, vector(v, 0), vector(v, 0)));
    for (int i = 0; i < s->n; i++) {
        v->sum[i] = v->dot[i];
        if (!isfinite(v->solution[i].square + v->dot[i] + v->solution[i].dq[0]))
            return pyr_fail(PYR_E_NUMERIC,
                            "the differential equation's slope is not finite at its start (t = %g)", from);
    }
    if (s->first_step == 0)
        PYR_TRY(choose_first_steps(v, from));
    for (int i = 0; i < s->n; i++)
        v->solution[i].old_error = 1e-4;
    return PYR_OK;
}

/* ---- a step ------------------------------------------------------------------------------------ */

static pyr_status try_step(const solving *v)
{
    const pyr_rk45 *s = v->s;
    void *point = vector(v, STAGE_POINT); /* of one that has arrived: its x */

    for (int j = 1; j < STAGES; j++) {
        for (int i = 0; i < s->n; i++) {
            solution *p = &v->solution[i];

            v->t[i] = p->arrived ? p->t : p->t + c[j] * p->h;
            if (!p->arrived)
                sum_stages(v, part(v, point, i), 1, p->h, a[j], i);
        }
        PYR_TRY(evaluate(v, point, j));
    }
    return PYR_OK;
}

static double weigh(const double *w, const double *dq)
{
    double sum = 0;

    for (int j = 0; j < STAGES; j++)
        sum += w[j] * dq[j];
    return sum;
}

/* The next step's length from this one's error (DOPRI5: FACC1 = 5, FACC2 = 0.1, SAFE = 0.9). */
static void choose_step(solution *p, double error, bool accepted)
{
    const double beta = 0.04;
    double raw = pow(error, 0.2 - 0.75 * beta), factor;

    if (!isfinite(error))
        factor = 5;
    else if (!accepted)
        factor = fmin(5, raw / 0.9);
    else {
        factor = fmax(0.1, fmin(5, raw / pow(p->old_error, beta) / 0.9));
        if (p->rejected)
            factor = fmax(1, factor); /* not longer right after one that was too long */
        p->old_error = fmax(error, 1e-4);
    }
    p->h /= factor;
    p->rejected = !accepted;
}

static void accept(const solving *v, int i, double square)
{
    const pyr_rk45 *s = v->s;
    solution *p = &v->solution[i];
    size_t bytes = s->size * pyr_type_size(s->k->real);

    p->q += p->h * weigh(a[STAGES - 1], p->dq);
    p->dq[0] = p->dq[STAGES - 1];
    p->square = square;
    p->arrived = p->h == v->to - p->t;
    p->t = p->arrived ? v->to : p->t + p->h;
    pyr_copy(s->k, part(v, v->x, i), part(v, vector(v, STAGE_POINT), i), bytes);
    pyr_copy(s->k, part(v, vector(v, 0), i), part(v, vector(v, STAGES - 1), i), bytes);
}

/* Errors of all, then each goes on or tries again. The error's vector takes the place of the second stage,
 * which nothing reads after the sixth. */
static pyr_status judge_step(const solving *v)
{
    const pyr_rk45 *s = v->s;
    void *error = vector(v, 1), *point = vector(v, STAGE_POINT);

    for (int i = 0; i < s->n; i++)
        if (!v->solution[i].arrived)
            sum_stages(v, part(v, error, i), 0, v->solution[i].h, e, i);
    PYR_TRY(dots(v, error, error));
    for (int i = 0; i < s->n; i++)
        v->sum[i] = v->dot[i];
    PYR_TRY(dots(v, point, point));
    for (int i = 0; i < s->n; i++) {
        solution *p = &v->solution[i];
        double unit = s->unit > 0 ? s->unit : 1, x_error, q_error, q_size, worst;

        if (p->arrived)
            continue;
        q_size = fmax(fabs(p->q), fabs(p->q + p->h * weigh(a[STAGES - 1], p->dq)));
        x_error = x_norm(v, v->sum[i], fmax(p->square, v->dot[i]));
        q_error = in_tolerances(v, fabs(p->h * weigh(e, p->dq) / unit), q_size / unit);
        worst = isfinite(x_error + q_error) ? fmax(x_error, q_error) : INFINITY;
        if (worst <= 1)
            accept(v, i, v->dot[i]);
        choose_step(p, worst, worst <= 1);
        p->steps++;
    }
    return PYR_OK;
}

static pyr_status check_progress(const solving *v, const solution *p)
{
    int most = v->s->max_steps > 0 ? v->s->max_steps : PYR_RK45_STEPS;

    if (fabs(p->h) < 16 * DBL_EPSILON * fmax(fabs(p->t), DBL_MIN))
        return pyr_fail(
            PYR_E_NUMERIC,
            "the solver's step at t = %.6g has become too small to go on (tolerances %g relative, %g "
            "absolute): the slope is not smooth or not finite there",
            p->t, v->s->rtol, v->s->atol);
    if (p->steps >= most)
        return pyr_fail(PYR_E_NUMERIC,
                        "the solver has taken %d steps and has come to t = %.6g of %.6g: tolerances of "
                        "%g (relative) and %g (absolute) are too tight",
                        p->steps, p->t, v->to, v->s->rtol, v->s->atol);
    return PYR_OK;
}

static pyr_status run(const solving *v)
{
    for (;;) {
        bool all = true;

        for (int i = 0; i < v->s->n; i++) {
            solution *p = &v->solution[i];

            if (p->arrived)
                continue;
            all = false;
            PYR_TRY(check_progress(v, p));
            /* the last step arrives, and does not leave a tiny rest either */
            if (fabs(v->to - p->t) <= 1.01 * fabs(p->h))
                p->h = v->to - p->t;
        }
        if (all)
            return PYR_OK;
        PYR_TRY(try_step(v));
        PYR_TRY(judge_step(v));
    }
}

pyr_status pyr_rk45_solve(const pyr_rk45 *solver, double from, double to, void *x, double *q)
{
    size_t n = (size_t)solver->n;
    solving v = {.s = solver, .to = to, .x = x, .has_q = q != NULL};
    double *numbers = NULL;
    pyr_status status;

    assert(solver->n >= 1 && solver->size >= 1 && solver->rtol >= 0 && solver->atol >= 0 &&
           solver->rtol + solver->atol > 0 && solver->first_step >= 0 && isfinite(from) && isfinite(to));
    for (int i = 0; solver->evaluations && i < solver->n; i++)
        solver->evaluations[i] = 0;
    if (from == to)
        return PYR_OK;
    PYR_TRY_OUT(pyr_new(&v.solution, n, sizeof *v.solution, "solver"));
    PYR_TRY_OUT(pyr_new(&numbers, 4 * n, sizeof *numbers, "solver"));
    v.t = numbers;
    v.dq = numbers + n;
    v.dot = numbers + 2 * n;
    v.sum = numbers + 3 * n;
    PYR_TRY_OUT(begin(&v, from, q));
    PYR_TRY_OUT(run(&v));
    for (int i = 0; q && i < solver->n; i++)
        q[i] = v.solution[i].q;
out:
    for (int i = 0; v.solution && solver->evaluations && i < solver->n; i++)
        solver->evaluations[i] = v.solution[i].evaluations;
    pyr_free(v.solution);
    pyr_free(numbers);
    return status;
}
