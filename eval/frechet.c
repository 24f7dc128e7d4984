/* frechet.c - the Frechet distance of two Gaussians. */
#include "base/mem.h"
#include "eval/metrics.h"
#include "kernels/eigen.h"
#include <math.h>
#include <string.h>

/* With C1 = V diag(w) V' and S = diag(w^(1/2)), B = S V' C2 V S has the eigenvalues of
 * C1^(1/2) C2 C1^(1/2) and so of C1 C2: the trace of the root is the sum of their roots. B is symmetric, so
 * they come out real where C1 or C2 has not full rank, too; those that rounding made negative count as 0.
 * A root of the product itself (Schur's method, as scipy.linalg.sqrtm) may fail there. */

typedef struct scratch {
    int d;
    double *vs, *c2vs, *b; /* d x d: V S, C2 V S, B */
    double *values;        /* d */
} scratch;

/* Trace of (C1 C2)^(1/2). */
static pyr_status trace_of_root(double *out, const double *c1, const double *c2, scratch *s)
{
    int d = s->d;

    memcpy(s->vs, c1, (size_t)d * (size_t)d * sizeof *c1);
    PYR_TRY(pyr_symmetric_eigen(s->values, s->vs, d, PYR_UPPER, true));
    for (int j = 0; j < d; j++)
        for (int i = 0; i < d; i++)
            s->vs[(size_t)j * d + i] *= sqrt(fmax(s->values[j], 0));
    pyr_symmetric_product(s->c2vs, c2, s->vs, d);
    pyr_transposed_product(s->b, s->vs, s->c2vs, d);
    PYR_TRY(pyr_symmetric_eigen(s->values, s->b, d, PYR_UPPER, false));
    *out = 0;
    for (int i = 0; i < d; i++)
        *out += sqrt(fmax(s->values[i], 0));
    return PYR_OK;
}

/* Rounding leaves a distance of equal sets some 1e-13 of the traces below 0; that of a covariance kept in
 * float (moments_file.c lets it pass) up to d^(3/2) 2^-23 of them, 1e-2 at d = 2048 and 1e-3 where d is some
 * hundreds. */
static const double rounding = 1e-2;

pyr_status pyr_frechet(double *out, const pyr_moments *a, const pyr_moments *b)
{
    const char *what = "a Frechet distance";
    size_t n = (size_t)a->d * (size_t)a->d;
    double distance = 0, root = 0, traces = 0;
    scratch s = {.d = a->d};
    pyr_status status;

    if (a->d != b->d)
        return pyr_fail(PYR_E_SHAPE,
                        "a Frechet distance between %d and %d features: both need the same network", a->d,
                        b->d);
    PYR_TRY_OUT(pyr_new(&s.vs, n, sizeof *s.vs, what));
    PYR_TRY_OUT(pyr_new(&s.c2vs, n, sizeof *s.c2vs, what));
    PYR_TRY_OUT(pyr_new(&s.b, n, sizeof *s.b, what));
    PYR_TRY_OUT(pyr_new(&s.values, (size_t)a->d, sizeof *s.values, what));
    PYR_TRY_OUT(trace_of_root(&root, a->cov, b->cov, &s));
    for (int i = 0; i < a->d; i++) {
        size_t at = (size_t)i * (size_t)a->d + (size_t)i;
        double shift = a->mean[i] - b->mean[i];

        distance += shift * shift + a->cov[at] + b->cov[at];
        traces += fabs(a->cov[at]) + fabs(b->cov[at]);
    }
    distance -= 2 * root;
    if (!isfinite(distance))
        PYR_TRY_OUT(pyr_fail(PYR_E_NUMERIC, "the Frechet distance is not finite; are all features finite?"));
    if (distance < -rounding * traces)
        PYR_TRY_OUT(pyr_fail(
            PYR_E_NUMERIC,
            "the Frechet distance comes out as %g: a matrix that it was given is no covariance", distance));
    *out = fmax(distance, 0); /* equal sets: rounding may leave -1e-12 */
out:
    pyr_free(s.vs);
    pyr_free(s.c2vs);
    pyr_free(s.b);
    pyr_free(s.values);
    return status;
}
