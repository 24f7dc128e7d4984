#include "base/mem.h"
#include "eval/metrics.h"
#include "images/npz_arrays.h"
#include <limits.h>
#include <math.h>

static pyr_status check(const pyr_moments *m, const char *path)
{
    for (int i = 0; i < m->d; i++) {
        if (!isfinite(m->mean[i]))
            return pyr_fail(PYR_E_FORMAT, "%s: mu[%d] is not finite", path, i);
        for (int j = 0; j <= i; j++) {
            double below = m->cov[(size_t)i * m->d + j], above = m->cov[(size_t)j * m->d + i];
            double size = sqrt(fabs(m->cov[(size_t)i * m->d + i] * m->cov[(size_t)j * m->d + j]));

            if (!isfinite(below) || !isfinite(above))
                return pyr_fail(PYR_E_FORMAT, "%s: sigma[%d, %d] is not finite", path, i, j);
            /* a covariance summed in float may differ across the diagonal in its last digits */
            if (fabs(below - above) > 1e-3 * size + 1e-12)
                return pyr_fail(PYR_E_FORMAT,
                                "%s: sigma[%d, %d] is %g and sigma[%d, %d] %g: not a covariance", path, i, j,
                                below, j, i, above);
        }
    }
    return PYR_OK;
}

static pyr_status read_arrays(pyr_moments *out, const pyr_arrays *file, const char *path)
{
    const pyr_array *mu, *sigma;
    size_t d;

    PYR_TRY(pyr_arrays_get(&mu, file, "mu"));
    PYR_TRY(pyr_arrays_get(&sigma, file, "sigma"));
    if (mu->rank != 1 || mu->shape[0] < 1 || mu->shape[0] > INT_MAX || sigma->rank != 2 ||
        sigma->shape[0] != mu->shape[0] || sigma->shape[1] != mu->shape[0])
        return pyr_fail(
            PYR_E_FORMAT,
            "%s: mu has %lld numbers in %d dimensions and sigma %lld x %lld in %d; wanted are d and d x "
            "d",
            path, (long long)mu->shape[0], mu->rank, (long long)sigma->shape[0], (long long)sigma->shape[1],
            sigma->rank);
    out->d = (int)mu->shape[0];
    d = (size_t)out->d;
    PYR_TRY(pyr_new(&out->mean, d, sizeof *out->mean, "a mean"));
    PYR_TRY(pyr_new(&out->cov, d * d, sizeof *out->cov, "a covariance"));
    PYR_TRY(pyr_arrays_read_f64(file, mu, out->mean, d));
    PYR_TRY(pyr_arrays_read_f64(file, sigma, out->cov, d * d));
    return check(out, path);
}

pyr_status pyr_moments_read(pyr_moments *out, const char *path)
{
    pyr_arrays *file;
    pyr_status status;

    *out = (pyr_moments){0};
    PYR_TRY(pyr_arrays_open(&file, path));
    status = read_arrays(out, file, path);
    pyr_arrays_free(file);
    if (status != PYR_OK)
        pyr_moments_free(out);
    return status;
}

pyr_status pyr_moments_write(const pyr_moments *m, const char *path)
{
    const pyr_array arrays[2] = {
        {.name = "mu", .type = PYR_NPY_F8, .rank = 1, .shape = {m->d, 1, 1, 1}, .data = m->mean},
        {.name = "sigma", .type = PYR_NPY_F8, .rank = 2, .shape = {m->d, m->d, 1, 1}, .data = m->cov}};

    return pyr_arrays_write(path, arrays, 2);
}
