/* test_rk45.c - the adaptive solver against closed forms: errors follow the tolerance, the order is five,
 * and a vector's result does not depend on the others'. */
#include "tests/check.h"

#include "base/mem.h"
#include "diffusion/rk45.h"
#include <stdlib.h>

enum { SIZE = 5, MOST = 8 };

/* dx/dt = -rate cos(t) x, so x(t) = x0 exp(-rate (sin t - sin t0)); a rate per number. dq/dt = sum of x. */
typedef struct decay {
    pyr_kernels *k;
    int n, calls, fail_at, nan_at;
    double edge; /* beyond this time the slope is not a number */
} decay;

static double rate(int i)
{
    return 0.5 + 0.25 * i;
}

static pyr_status decay_slope(void *ctx, const void *x, const double *t, void *dx, double *dq)
{
    decay *d = ctx;
    double at[MOST * SIZE];

    if (++d->calls == d->fail_at)
        return pyr_fail(PYR_E_DEVICE, "the slope fails");
    CHECK_OK(pyr_download_reals(d->k, at, x, (size_t)d->n * SIZE));
    for (int n = 0; n < d->n; n++) {
        double sum = 0;

        for (int i = 0; i < SIZE; i++) {
            double *value = &at[n * SIZE + i];

            sum += *value;
            *value *= -rate(i) * cos(t[n]);
            if (d->calls == d->nan_at || (d->edge > 0 && t[n] > d->edge))
                *value = NAN;
        }
        if (dq)
            dq[n] = sum;
    }
    return pyr_upload_reals(d->k, dx, at, (size_t)d->n * SIZE);
}

static double start_of(int seed, int i)
{
    return 1 + 0.3 * seed + 0.1 * i * (seed % 3);
}

static double decayed(int seed, int i, double from, double to)
{
    return start_of(seed, i) * exp(-rate(i) * (sin(to) - sin(from)));
}

/* The integral of the sum, by Simpson's rule. */
static double area(int seed, double from, double to)
{
    enum { N = 2000 };
    double sum = 0;

    for (int j = 0; j <= N; j++)
        for (int i = 0; i < SIZE; i++)
            sum += (j == 0 || j == N ? 1
                    : j % 2          ? 4
                                     : 2) *
                   decayed(seed, i, from, from + (to - from) * j / N);
    return sum * (to - from) / N / 3;
}

typedef struct solved {
    double x[MOST * SIZE], q[MOST];
    int evaluations[MOST], calls;
    pyr_status status;
} solved;

static solved solve(pyr_kernels *k, int n, const int *seeds, pyr_rk45 solver, double from, double to,
                    decay how)
{
    solved r = {.q = {0}};
    double host[MOST * SIZE];
    void *x = NULL;
    decay d = how;

    d.k = k;
    d.n = n;
    for (int j = 0; j < n; j++)
        for (int i = 0; i < SIZE; i++)
            host[j * SIZE + i] = start_of(seeds[j], i);
    solver.k = k;
    solver.n = n;
    solver.size = SIZE;
    solver.f = decay_slope;
    solver.ctx = &d;
    solver.evaluations = r.evaluations;
    CHECK_OK(pyr_alloc(k, &x, sizeof host, "x"));
    CHECK_OK(pyr_alloc(k, &solver.work, pyr_rk45_work(k, n, SIZE), "work"));
    CHECK_OK(pyr_upload_reals(k, x, host, (size_t)n * SIZE));
    r.status = pyr_rk45_solve(&solver, from, to, x, r.q);
    CHECK_OK(pyr_download_reals(k, r.x, x, (size_t)n * SIZE));
    r.calls = d.calls;
    pyr_release(k, x);
    pyr_release(k, solver.work);
    return r;
}

/* Largest error of x, and of q in *q. */
static double error_of(const solved *r, int n, const int *seeds, double from, double to, double *q)
{
    double worst = 0;

    *q = 0;
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < SIZE; i++)
            worst = fmax(worst, fabs(r->x[j * SIZE + i] - decayed(seeds[j], i, from, to)));
        *q = fmax(*q, fabs(r->q[j] - area(seeds[j], from, to)));
    }
    return worst;
}

static void meets_its_tolerance(void)
{
    static const int seeds[4] = {0, 1, 2, 5};
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    for (int back = 0; back < 2; back++) {
        double from = back ? 6 : 0.25, to = back ? 0.25 : 6;
        int before = 0;

        for (int digits = 3; digits <= 10; digits++) {
            double tolerance = pow(10, -digits), x_error, q_error;
            solved r =
                solve(k, 4, seeds, (pyr_rk45){.rtol = tolerance, .atol = tolerance}, from, to, (decay){0});

            CHECK_OK(r.status);
            x_error = error_of(&r, 4, seeds, from, to, &q_error);
            /* x grows to a few times its start on the way, and each step may err by the tolerance */
            if (!(x_error < 60 * tolerance && q_error < 60 * tolerance * SIZE))
                CHECK_REPORT("tolerance %g: errors %g and %g", tolerance, x_error, q_error);
            CHECK(r.evaluations[0] > before);
            before = r.evaluations[0];
            for (int j = 0; j < 4; j++)
                CHECK((r.evaluations[j] - 2) % 6 == 0 && r.evaluations[j] <= r.calls);
        }
        CHECK(before < 1200);
    }
    pyr_kernels_free(k);
}

/* A tolerance that every step meets: n steps of a given length; halving it divides the error by 2^5. */
static void order_is_five(void)
{
    static const int seed[1] = {1};
    pyr_kernels *k = NULL;
    double error[3], q_error;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    for (int i = 0; i < 3; i++) {
        double h = 0.05 / (1 << i);
        solved r = solve(k, 1, seed, (pyr_rk45){.rtol = 1e9, .first_step = h}, 0, h, (decay){0});

        CHECK_OK(r.status);
        CHECK(r.evaluations[0] == 7);
        error[i] = error_of(&r, 1, seed, 0, h, &q_error);
        CHECK(q_error < 1e-9);
    }
    /* of one step: h^6 */
    CHECK_CLOSE(log2(error[0] / error[1]), 6, 0.3);
    CHECK_CLOSE(log2(error[1] / error[2]), 6, 0.3);
    pyr_kernels_free(k);
}

/* Bytes of a vector are the same alone, in other company, and in another place. */
static void vectors_do_not_see_each_other(void)
{
    static const char *const backends[] = {"ref", "ref-double", "cpu"};
    static const int all[MOST] = {0, 7, 3, 40, 1, 2, 900, 5};
    const pyr_rk45 solver = {.rtol = 1e-6, .atol = 1e-3, .unit = SIZE};

    for (int b = 0; b < 3; b++) {
        pyr_kernels *k = NULL;
        solved whole;
        bool differ = false;

        CHECK_OK(pyr_kernels_open(&k, backends[b], 1));
        whole = solve(k, MOST, all, solver, 0, 4, (decay){0});
        CHECK_OK(whole.status);
        for (int j = 0; j < MOST; j++) {
            solved one = solve(k, 1, &all[j], solver, 0, 4, (decay){0});
            int turned[3] = {all[(j + 2) % MOST], all[(j + 5) % MOST], all[j]};
            solved three = solve(k, 3, turned, solver, 0, 4, (decay){0});

            CHECK(memcmp(one.x, whole.x + j * SIZE, SIZE * sizeof(double)) == 0);
            CHECK(memcmp(three.x + 2 * SIZE, whole.x + j * SIZE, SIZE * sizeof(double)) == 0);
            CHECK(one.q[0] == whole.q[j] && three.q[2] == whole.q[j]);
            CHECK(one.evaluations[0] == whole.evaluations[j] && three.evaluations[2] == whole.evaluations[j]);
            differ = differ || whole.evaluations[j] != whole.evaluations[0];
        }
        CHECK(differ); /* some have arrived while others go on */
        pyr_kernels_free(k);
    }
}

static void stops_with_a_sentence(void)
{
    static const int seeds[2] = {1, 2};
    const pyr_rk45 plain = {.rtol = 1e-6, .atol = 1e-6};
    pyr_rk45 few = plain;
    pyr_kernels *k = NULL;
    solved r;

    CHECK_OK(pyr_kernels_open(&k, "cpu", 1));
    few.max_steps = 3;
    r = solve(k, 2, seeds, few, 0, 6, (decay){0});
    CHECK(r.status == PYR_E_NUMERIC && strstr(pyr_error(), "has taken 3 steps"));
    CHECK(r.evaluations[0] == 20);
    r = solve(k, 2, seeds, plain, 0, 6, (decay){.nan_at = 1});
    CHECK(r.status == PYR_E_NUMERIC && strstr(pyr_error(), "not finite at its start"));
    r = solve(k, 2, seeds, plain, 0, 6, (decay){.edge = 3});
    CHECK(r.status == PYR_E_NUMERIC && strstr(pyr_error(), "too small to go on"));
    r = solve(k, 2, seeds, plain, 0, 6, (decay){.nan_at = 12}); /* tried again with a shorter step */
    CHECK_OK(r.status);
    for (int at = 1; at < 20; at += 3) {
        r = solve(k, 2, seeds, plain, 0, 6, (decay){.fail_at = at});
        CHECK(r.status == PYR_E_DEVICE && r.calls == at);
    }
    r = solve(k, 2, seeds, plain, 2, 2, (decay){0}); /* nowhere to go */
    CHECK(r.status == PYR_OK && r.calls == 0);
    CHECK_CLOSE(r.x[0], start_of(1, 0), 1e-6);
    pyr_kernels_free(k);
}

/* q is only taken along when it is asked for, and goes on from what it holds. */
static pyr_status clock_slope(void *ctx, const void *x, const double *t, void *dx, double *dq)
{
    pyr_kernels *k = ctx;
    double one[2] = {1, 1};

    (void)x;
    for (int i = 0; dq && i < 2; i++)
        dq[i] = 3 * t[i] * t[i];
    return pyr_upload_reals(k, dx, one, 2);
}

static void polynomials_are_exact(void)
{
    pyr_kernels *k = NULL;
    double x[2] = {10, -1}, q[2] = {100, 0};
    void *at = NULL, *work = NULL;

    CHECK_OK(pyr_kernels_open(&k, "ref-double", 1));
    CHECK_OK(pyr_alloc(k, &at, sizeof x, "x"));
    CHECK_OK(pyr_alloc(k, &work, pyr_rk45_work(k, 2, 1), "work"));
    for (int with = 0; with < 2; with++) {
        pyr_rk45 s = {.k = k, .n = 2, .size = 1, .f = clock_slope, .ctx = k, .rtol = 1e-3, .work = work};

        CHECK_OK(pyr_upload_reals(k, at, x, 2));
        CHECK_OK(pyr_rk45_solve(&s, -1, 3, at, with ? q : NULL));
        CHECK_OK(pyr_download_reals(k, x, at, 2));
    }
    CHECK_CLOSE(x[0], 18, 1e-12);
    CHECK_CLOSE(x[1], 7, 1e-12);
    CHECK_CLOSE(q[0], 128, 1e-11);
    CHECK_CLOSE(q[1], 28, 1e-11);
    pyr_release(k, at);
    pyr_release(k, work);
    pyr_kernels_free(k);
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    RUN(meets_its_tolerance);
    RUN(order_is_five);
    RUN(vectors_do_not_see_each_other);
    RUN(stops_with_a_sentence);
    RUN(polynomials_are_exact);
    return CHECK_DONE();
}
