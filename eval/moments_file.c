/* moments_file.c - mean and covariance of features in files, checked when they are read. */
#include "archives/zip_file.h"
#include "arrays/npz_arrays.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "eval/metrics.h"
#include "kernels/eigen.h"
#include "pictures/image_file.h"
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- files of other kinds ---------------------------------------------------------------------- */

static const char wanted[] = "reference statistics are an NPZ with mu and sigma";

static pyr_status refuse_torch(const char *path)
{
    return pyr_fail(
        PYR_E_FORMAT,
        "%s is a file of PyTorch's; %s: python3 -c \"import torch, numpy; r = torch.load('%s'); numpy.savez('stats.npz', mu=r['mu'], sigma=r['sigma'])\"",
        path, wanted, path);
}

/* An archive without arrays: PyTorch's files are such, with NAME/data.pkl. */
static pyr_status refuse_zip(const char *path)
{
    pyr_zip *zip;
    bool arrays = false, torch = false;

    PYR_TRY(pyr_zip_open(&zip, path));
    for (size_t i = 0; i < pyr_zip_count(zip); i++) {
        const char *name = pyr_zip_name(zip, i), *slash = strrchr(name, '/'), *dot = strrchr(name, '.');

        torch |= strcmp(slash ? slash + 1 : name, "data.pkl") == 0;
        arrays |= dot && strcmp(dot, ".npy") == 0;
    }
    pyr_zip_free(zip);
    if (torch)
        return refuse_torch(path);
    if (!arrays)
        return pyr_fail(PYR_E_FORMAT,
                        "%s is a zip archive without arrays; %s (of images: --data %s --write-stats FILE)",
                        path, wanted, PYR_SHELL(path));
    return PYR_OK;
}

/* Of a text everything can be printed. */
static bool is_text(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] < 128 && !isprint(bytes[i]) && !isspace(bytes[i]))
            return false;
    return n > 0;
}

/* What a file is that is neither a zip nor a picture, by its first n bytes. */
static const char *kind_of(const unsigned char *bytes, size_t n)
{
    static const struct {
        pyr_magic magic;
        const char *kind;
    } kinds[] = {{PYR_MAGIC("ustar", 257), "a tar archive"},    {PYR_MAGIC("\x89HDF", 0), "an HDF5 file"},
                 {PYR_MAGIC("MATLAB 5.0", 0), "a MATLAB file"}, {PYR_MAGIC("GIF8", 0), "a GIF image"},
                 {PYR_MAGIC("BM", 0), "a BMP image"},           {PYR_MAGIC("\x1f\x8b", 0), "a gzip file"},
                 {PYR_MAGIC("PAR1", 0), "a parquet file"}};

    if (n == 0)
        return "empty";
    if (is_text(bytes, n))
        return "a text";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (pyr_magic_is(&kinds[i].magic, bytes, n))
            return kinds[i].kind;
    if (n > 9 && bytes[8] == '{' && bytes[7] == 0 && bytes[6] == 0)
        return "a safetensors file";
    return "a file of an unknown kind";
}

/* PYR_OK when it is a zip with arrays in it. */
static pyr_status check_kind(const char *path)
{
    const pyr_picture_row *picture;
    unsigned char start[512];
    size_t n;

    if (pyr_is_folder(path))
        return pyr_fail(PYR_E_FORMAT, "%s is a folder; %s (of its images: --data %s --write-stats FILE)",
                        path, wanted, PYR_SHELL(path));
    PYR_TRY(pyr_file_start(start, &n, path, sizeof start));
    if (n >= 2 && start[0] == 'P' && start[1] == 'K')
        return refuse_zip(path);
    if (n >= 6 && memcmp(start, "\x93NUMPY", 6) == 0)
        return pyr_fail(
            PYR_E_FORMAT,
            "%s is an .npy file, a single array; %s: numpy.savez('stats.npz', mu=mu, sigma=sigma), from features of n x d numpy.savez('stats.npz', mu=f.mean(0), sigma=numpy.cov(f, rowvar=False))",
            path, wanted);
    if (n >= 4 &&
        memcmp(start, "\x80\x02\x8a\x0a", 4) == 0) /* a pickle that begins with torch's long number */
        return refuse_torch(path);
    if (n >= 2 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5)
        return pyr_fail(
            PYR_E_FORMAT,
            "%s is a pickle of Python's; %s: python3 -c \"import pickle, numpy; r = pickle.load(open('%s', 'rb')); r = r.get('fid', r); numpy.savez('stats.npz', mu=r['mu'], sigma=r['sigma'])\"",
            path, wanted, path);
    picture = pyr_image_is(start, n);
    if (picture)
        return pyr_fail(PYR_E_FORMAT, "%s is a %s image; %s", path, picture->name, wanted);
    return pyr_fail(PYR_E_FORMAT, "%s is %s; %s", path, kind_of(start, n), wanted);
}

/* ---- what is no covariance --------------------------------------------------------------------- */

/* A float's unit of rounding, twice: once for a number that was summed, once for keeping it. */
static const double float_rounding = 1.0 / (1 << 23);

static double largest_variance(const pyr_moments *m)
{
    double most = 0;

    for (int i = 0; i < m->d; i++)
        most = fmax(most, m->cov[(size_t)i * m->d + i]);
    return most;
}

static pyr_status check_elements(const pyr_moments *m, const char *path)
{
    double most = largest_variance(m);

    for (int i = 0; i < m->d; i++) {
        double variance = m->cov[(size_t)i * m->d + i];

        if (!isfinite(m->mean[i]))
            return pyr_fail(PYR_E_FORMAT, "%s: mu[%d] is not finite", path, i);
        if (variance < -float_rounding * most)
            return pyr_fail(
                PYR_E_FORMAT,
                "%s: sigma[%d, %d] is %g: a variance is not negative, so this is not a covariance", path, i,
                i, variance);
        for (int j = 0; j <= i; j++) {
            double below = m->cov[(size_t)i * m->d + j], above = m->cov[(size_t)j * m->d + i];
            double size = sqrt(fabs(m->cov[(size_t)i * m->d + i] * m->cov[(size_t)j * m->d + j]));

            if (!isfinite(below) || !isfinite(above))
                return pyr_fail(PYR_E_FORMAT, "%s: sigma[%d, %d] is not finite", path, i, j);
            if (fabs(below) > (1 + 1e-3) * size + float_rounding * most)
                return pyr_fail(
                    PYR_E_FORMAT,
                    "%s: sigma[%d, %d] is %g, more than the variances %g and %g allow: not a covariance",
                    path, i, j, below, m->cov[(size_t)i * m->d + i], m->cov[(size_t)j * m->d + j]);
            /* a covariance summed in float may differ across the diagonal in its last digits */
            if (fabs(below - above) > 1e-3 * size + 1e-12)
                return pyr_fail(PYR_E_FORMAT,
                                "%s: sigma[%d, %d] is %g and sigma[%d, %d] %g: not a covariance", path, i, j,
                                below, j, i, above);
        }
    }
    return PYR_OK;
}

/* For the sentence; NAN without memory. `matrix` is destroyed. */
static double least_eigenvalue(double *matrix, int d)
{
    double *values, least = (double)NAN;

    if (pyr_new(&values, (size_t)d, sizeof *values, "eigenvalues") != PYR_OK)
        return least;
    if (pyr_symmetric_eigen(values, matrix, d, PYR_UPPER, false) == PYR_OK)
        least = values[0];
    pyr_free(values);
    return least;
}

/* An element that is off by up to e sqrt(sigma_ii sigma_jj), e = 2^-23, is off by no more than e times the
 * largest variance; a symmetric matrix of such errors has no eigenvalue beyond its Frobenius norm, d e times
 * that variance. So the smallest eigenvalue of a covariance that was kept in float is above minus that, and
 * adding it to the diagonal makes the matrix positive definite, which Cholesky's method tells in a third of
 * d^3 steps. */
static pyr_status check_eigenvalues(const pyr_moments *m, const char *path)
{
    size_t d = (size_t)m->d;
    double bound = (double)m->d * float_rounding * largest_variance(m), *matrix;
    bool positive = true;
    pyr_status status;

    if (bound == 0) /* all variances are 0, and so are the covariances */
        return PYR_OK;
    PYR_TRY(pyr_new(&matrix, d * d, sizeof *matrix, "a covariance"));
    memcpy(matrix, m->cov, d * d * sizeof *matrix);
    for (size_t i = 0; i < d; i++)
        matrix[i * d + i] += bound;
    status = pyr_is_positive(&positive, matrix, m->d);
    if (status == PYR_OK && !positive) {
        memcpy(matrix, m->cov, d * d * sizeof *matrix);
        status = pyr_fail(
            PYR_E_FORMAT,
            "%s: sigma has the eigenvalue %.4g, where rounding explains down to %.2g: not a covariance", path,
            least_eigenvalue(matrix, m->d), -bound);
    }
    pyr_free(matrix);
    return status;
}

/* ---- reading and writing ----------------------------------------------------------------------- */

/* Which resize the features were made with, if the file says it. */
static pyr_status read_resize(pyr_moments *out, const pyr_arrays *file)
{
    const pyr_array *a = pyr_arrays_find(file, "resize");

    if (!a || a->type != PYR_NPY_U1 || a->rank != 1 || pyr_array_count(a) >= sizeof out->resize)
        return PYR_OK;
    return pyr_arrays_read(file, a, (uint8_t *)out->resize, pyr_array_count(a), PYR_NPY_U1);
}

static pyr_status read_arrays(pyr_moments *out, const pyr_arrays *file, const char *path)
{
    const pyr_array *mu, *sigma;
    size_t d;

    if (!pyr_arrays_find(file, "mu") && !pyr_arrays_find(file, "sigma") && pyr_arrays_find(file, "arr_0"))
        return pyr_fail(
            PYR_E_FORMAT,
            "%s holds arr_0 and neither mu nor sigma: images, it seems, not their statistics (--data %s --write-stats FILE makes these)",
            path, PYR_SHELL(path));
    PYR_TRY(pyr_arrays_get(&mu, file, "mu"));
    PYR_TRY(pyr_arrays_get(&sigma, file, "sigma"));
    if (mu->rank != 1 || mu->shape[0] < 1 || mu->shape[0] > INT_MAX || sigma->rank != 2 ||
        sigma->shape[0] != mu->shape[0] || sigma->shape[1] != mu->shape[0])
        return pyr_fail(
            PYR_E_FORMAT,
            "%s: mu has %lld numbers in %d dimensions and sigma %lld x %lld in %d; wanted are d and d x d",
            path, (long long)mu->shape[0], mu->rank, (long long)sigma->shape[0], (long long)sigma->shape[1],
            sigma->rank);
    out->d = (int)mu->shape[0];
    d = (size_t)out->d;
    PYR_TRY(pyr_new(&out->mean, d, sizeof *out->mean, "a mean"));
    PYR_TRY(pyr_new(&out->cov, d * d, sizeof *out->cov, "a covariance"));
    PYR_TRY(pyr_arrays_read(file, mu, out->mean, d, PYR_NPY_F8));
    PYR_TRY(pyr_arrays_read(file, sigma, out->cov, d * d, PYR_NPY_F8));
    PYR_TRY(read_resize(out, file));
    PYR_TRY(check_elements(out, path));
    return check_eigenvalues(out, path);
}

pyr_status pyr_moments_read(pyr_moments *out, const char *path)
{
    pyr_arrays *file;
    pyr_status status;

    *out = (pyr_moments){0};
    PYR_TRY(check_kind(path));
    PYR_TRY(pyr_arrays_open(&file, path));
    status = read_arrays(out, file, path);
    pyr_arrays_free(file);
    if (status != PYR_OK)
        pyr_moments_free(out);
    return status;
}

pyr_status pyr_moments_write(const pyr_moments *m, const char *path)
{
    int64_t word = (int64_t)strlen(m->resize);
    const pyr_array arrays[3] = {
        {.name = "mu", .type = PYR_NPY_F8, .rank = 1, .shape = {m->d, 1, 1, 1}, .data = m->mean},
        {.name = "sigma", .type = PYR_NPY_F8, .rank = 2, .shape = {m->d, m->d, 1, 1}, .data = m->cov},
        {.name = "resize", .type = PYR_NPY_U1, .rank = 1, .shape = {word, 1, 1, 1}, .data = m->resize}};

    return pyr_arrays_write(path, arrays, word ? 3 : 2);
}
