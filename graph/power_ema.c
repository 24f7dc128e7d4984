/* power_ema.c - powers, lengths and profiles of averages of weights; least squares of profiles. */
#include "graph/power_ema.h"

#include "base/mem.h"
#include <math.h>

double pyr_ema_length(double g)
{
    return sqrt(g + 1) / ((g + 2) * sqrt(g + 3));
}

/* The length falls with g: by halves, in log (g + 1). */
double pyr_ema_power(double length)
{
    double low = 0, high = log(2.0 / PYR_EMA_SHORTEST);

    for (int i = 0; i < 200; i++) {
        double middle = (low + high) / 2;

        if (pyr_ema_length(expm1(middle)) > length)
            low = middle;
        else
            high = middle;
    }
    return expm1((low + high) / 2);
}

double pyr_ema_keep(double power, double t)
{
    return pow(1 - 1 / t, power + 1);
}

/* With a the one that ends first: (g + 1)(h + 1)/(g + h + 1) (t_a/t_b)^h / t_b. */
double pyr_ema_inner(const pyr_ema_profile *a, const pyr_ema_profile *b)
{
    const pyr_ema_profile *first = a->t <= b->t ? a : b, *last = a->t <= b->t ? b : a;

    return (first->power + 1) * (last->power + 1) / (first->power + last->power + 1) *
           pow(first->t / last->t, last->power) / last->t;
}

/* A x = y by Cholesky's decomposition of A (n x n, used up); x takes y's place. */
static pyr_status solve(double *a, double *x, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        double pivot = a[j * n + j], scale = pivot;

        for (size_t i = 0; i < j; i++)
            pivot -= a[j * n + i] * a[j * n + i];
        if (!(pivot > 1e-13 * scale))
            return pyr_fail(
                PYR_E_NUMERIC,
                "the averages that were kept are too much alike to be told apart: %zu of %zu; leave some out",
                j, n);
        a[j * n + j] = pivot = sqrt(pivot);
        for (size_t i = j + 1; i < n; i++) {
            for (size_t l = 0; l < j; l++)
                a[i * n + j] -= a[i * n + l] * a[j * n + l];
            a[i * n + j] /= pivot;
        }
    }
    for (size_t j = 0; j < n; j++) {
        for (size_t i = 0; i < j; i++)
            x[j] -= a[j * n + i] * x[i];
        x[j] /= a[j * n + j];
    }
    for (size_t j = n; j-- > 0;) {
        for (size_t i = j + 1; i < n; i++)
            x[j] -= a[i * n + j] * x[i];
        x[j] /= a[j * n + j];
    }
    return PYR_OK;
}

/* |sum - wanted|^2, relative; what rounding leaves of a distance of nothing counts as nothing. */
static double distance_of(const double *x, const pyr_ema_profile *profile, size_t n,
                          const pyr_ema_profile *wanted)
{
    double square = pyr_ema_inner(wanted, wanted), sum = square;

    for (size_t i = 0; i < n; i++) {
        sum -= 2 * x[i] * pyr_ema_inner(&profile[i], wanted);
        for (size_t j = 0; j < n; j++)
            sum += x[i] * x[j] * pyr_ema_inner(&profile[i], &profile[j]);
    }
    return sqrt(fmax(sum, 0) / square);
}

pyr_status pyr_ema_combine(double *coefficient, double *distance, const pyr_ema_profile *profile, size_t n,
                           const pyr_ema_profile *wanted)
{
    double *a;
    pyr_status status;

    PYR_TRY(pyr_new(&a, n * n, sizeof *a, "profiles of averages"));
    for (size_t i = 0; i < n; i++) { /* of profiles of length 1 */
        double root = sqrt(pyr_ema_inner(&profile[i], &profile[i]));

        for (size_t j = 0; j < n; j++)
            a[i * n + j] = pyr_ema_inner(&profile[i], &profile[j]) / root /
                           sqrt(pyr_ema_inner(&profile[j], &profile[j]));
        coefficient[i] = pyr_ema_inner(&profile[i], wanted) / root;
    }
    status = solve(a, coefficient, n);
    pyr_free(a);
    PYR_TRY(status);
    for (size_t i = 0; i < n; i++)
        coefficient[i] /= sqrt(pyr_ema_inner(&profile[i], &profile[i]));
    if (distance)
        *distance = distance_of(coefficient, profile, n, wanted);
    return PYR_OK;
}
