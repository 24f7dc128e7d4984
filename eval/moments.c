/* moments.c - mean and covariance of features. */
#include "base/mem.h"
#include "eval/metrics.h"
#include "kernels/cpu/metric_loops.h"
#include <math.h>

/* Two passes, the mean taken off first: no cancellation however far the features are from 0. */
static pyr_status compute(pyr_moments *m, const float *features)
{
    const pyr_metric_loops *loops = pyr_metric_loops_here();
    int d = m->d;
    double *rows;

    for (int64_t i = 0; i < m->n; i++)
        for (int j = 0; j < d; j++)
            m->mean[j] += features[i * d + j];
    for (int j = 0; j < d; j++) {
        m->mean[j] /= (double)m->n;
        if (!isfinite(m->mean[j]))
            return pyr_fail(PYR_E_NUMERIC, "feature %d is not finite in some of the %lld vectors", j,
                            (long long)m->n);
    }
    PYR_TRY(pyr_new(&rows, (size_t)PYR_PRODUCT_ROWS * (size_t)d, sizeof *rows, "rows of a covariance"));
    for (int64_t i = 0; i < m->n; i += PYR_PRODUCT_ROWS) {
        for (int r = 0; r < PYR_PRODUCT_ROWS; r++)
            for (int j = 0; j < d; j++)
                rows[(size_t)r * d + j] = i + r < m->n ? features[(i + r) * d + j] - m->mean[j] : 0;
        loops->products(m->cov, d, rows);
    }
    pyr_free(rows);
    for (int i = 0; i < d; i++)
        for (int j = i; j < d; j++)
            m->cov[(size_t)j * d + i] = m->cov[(size_t)i * d + j] /= (double)(m->n - 1);
    return PYR_OK;
}

pyr_status pyr_moments_new(pyr_moments *out, int64_t n, int d, const float *features)
{
    pyr_status status;

    *out = (pyr_moments){.n = n, .d = d};
    if (n < 2 || d < 1)
        PYR_TRY_OUT(pyr_fail(PYR_E_ARG, "a covariance of %lld vectors of %d features: it needs 2 vectors",
                             (long long)n, d));
    PYR_TRY_OUT(pyr_new(&out->mean, (size_t)d, sizeof *out->mean, "a mean"));
    PYR_TRY_OUT(pyr_new(&out->cov, (size_t)d * (size_t)d, sizeof *out->cov, "a covariance"));
    PYR_TRY_OUT(compute(out, features));
    return PYR_OK;
out:
    pyr_moments_free(out);
    return status;
}

void pyr_moments_free(pyr_moments *m)
{
    pyr_free(m->mean);
    pyr_free(m->cov);
    *m = (pyr_moments){0};
}
