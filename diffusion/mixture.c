/* mixture.c - densities, scores, denoisers and draws of mixtures of Gaussians, in closed form. */
#include "diffusion/mixture.h"

#include "base/mem.h"
#include "base/philox.h"
#include "kernels/eigen.h"
#include <assert.h>
#include <math.h>
#include <string.h>

static const double log_2pi = 1.83787706640934548356;

/* ---- making one -------------------------------------------------------------------------------- */

pyr_status pyr_mixture_new(pyr_mixture **out, int modes, int size)
{
    size_t n = (size_t)modes * (size_t)size;
    pyr_mixture *m = NULL;
    pyr_status status;

    assert(modes >= 1 && size >= 1);
    *out = NULL;
    PYR_TRY_OUT(pyr_new(&m, 1, sizeof *m, "a mixture"));
    m->modes = modes;
    m->size = size;
    PYR_TRY_OUT(pyr_new(&m->weight, (size_t)modes, sizeof *m->weight, "a mixture's weights"));
    PYR_TRY_OUT(pyr_new(&m->mean, n, sizeof *m->mean, "a mixture's means"));
    PYR_TRY_OUT(pyr_new(&m->variance, n, sizeof *m->variance, "a mixture's variances"));
    PYR_TRY_OUT(pyr_new(&m->axes, (size_t)modes, sizeof *m->axes, "a mixture's axes"));
    for (int i = 0; i < modes; i++)
        m->weight[i] = 1;
    for (size_t j = 0; j < n; j++)
        m->variance[j] = 1;
    *out = m;
    m = NULL;
out:
    pyr_mixture_free(m);
    return status;
}

void pyr_mixture_free(pyr_mixture *m)
{
    if (!m)
        return;
    for (int i = 0; m->axes && i < m->modes; i++)
        pyr_free(m->axes[i]);
    pyr_free(m->axes);
    pyr_free(m->variance);
    pyr_free(m->mean);
    pyr_free(m->weight);
    pyr_free(m);
}

static pyr_status set_mean(pyr_mixture *m, int i, double weight, const double *mean)
{
    assert(i >= 0 && i < m->modes);
    if (!(weight > 0) || !isfinite(weight))
        return pyr_fail(PYR_E_ARG, "the weight of mode %d is %g, should be positive", i, weight);
    for (int j = 0; j < m->size; j++)
        if (!isfinite(mean[j]))
            return pyr_fail(PYR_E_ARG, "the mean of mode %d is not finite", i);
    m->weight[i] = weight;
    memcpy(m->mean + (size_t)i * (size_t)m->size, mean, (size_t)m->size * sizeof *mean);
    return PYR_OK;
}

pyr_status pyr_mixture_isotropic(pyr_mixture *m, int i, double weight, const double *mean, double std)
{
    if (!(std >= 0) || !isfinite(std))
        return pyr_fail(PYR_E_ARG, "the standard deviation of mode %d is %g, should be 0 or more", i, std);
    PYR_TRY(set_mean(m, i, weight, mean));
    for (int j = 0; j < m->size; j++)
        m->variance[i * m->size + j] = std * std;
    pyr_free(m->axes[i]);
    m->axes[i] = NULL;
    return PYR_OK;
}

/* C = V diag(v) V^T. The columns of V are kept as rows. */
pyr_status pyr_mixture_gaussian(pyr_mixture *m, int i, double weight, const double *mean,
                                const double *covariance)
{
    size_t n = (size_t)m->size;
    double *axes = NULL, *variance = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&axes, n * n, sizeof *axes, "a mode's axes"));
    PYR_TRY_OUT(pyr_new(&variance, n, sizeof *variance, "a mode's variances"));
    for (size_t j = 0; j < n; j++)
        for (size_t l = 0; l < n; l++)
            axes[j * n + l] = covariance[j >= l ? j * n + l : l * n + j];
    for (size_t j = 0; j < n * n; j++)
        if (!isfinite(axes[j]))
            PYR_TRY_OUT(pyr_fail(PYR_E_ARG, "the covariance of mode %d is not finite", i));
    status = pyr_symmetric_eigen_small(variance, axes, m->size, PYR_LOWER);
    if (status != PYR_OK)
        PYR_TRY_OUT(pyr_fail_prefix(status, "the covariance of mode %d", i));
    if (!(variance[0] >= -1e-12 * variance[n - 1]))
        PYR_TRY_OUT(pyr_fail(PYR_E_ARG,
                             "the covariance of mode %d has an eigenvalue of %g, should have none < 0", i,
                             variance[0]));
    PYR_TRY_OUT(set_mean(m, i, weight, mean));
    for (size_t j = 0; j < n; j++)
        m->variance[(size_t)i * n + j] = fmax(variance[j], 0);
    pyr_free(m->axes[i]);
    m->axes[i] = axes;
    axes = NULL;
out:
    pyr_free(variance);
    pyr_free(axes);
    return status;
}

static double total_weight(const pyr_mixture *m)
{
    double sum = 0;

    for (int i = 0; i < m->modes; i++)
        sum += m->weight[i];
    return sum;
}

double pyr_mixture_weight(const pyr_mixture *m, int i)
{
    return m->weight[i] / total_weight(m);
}

/* ---- one mode ---------------------------------------------------------------------------------- */

static const double *mean_of(const pyr_mixture *m, int i)
{
    return m->mean + (size_t)i * (size_t)m->size;
}

static const double *variance_of(const pyr_mixture *m, int i)
{
    return m->variance + (size_t)i * (size_t)m->size;
}

/* Axis a of mode i; NULL: coordinate a. */
static const double *axis_of(const pyr_mixture *m, int i, int a)
{
    return m->axes[i] ? m->axes[i] + (size_t)a * (size_t)m->size : NULL;
}

/* (x - m_i) along axis a of mode i */
static double along(const pyr_mixture *m, int i, int a, const double *x)
{
    const double *axis = axis_of(m, i, a), *mean = mean_of(m, i);
    double sum = 0;

    if (!axis)
        return x[a] - mean[a];
    for (int j = 0; j < m->size; j++)
        sum += axis[j] * (x[j] - mean[j]);
    return sum;
}

/* dst += c e_a */
static void add_axis(const pyr_mixture *m, int i, int a, double c, double *dst)
{
    const double *axis = axis_of(m, i, a);

    if (!axis)
        dst[a] += c;
    else
        for (int j = 0; j < m->size; j++)
            dst[j] += c * axis[j];
}

/* log(weight N(x; m_i, C_i + s^2 I)), the weight relative */
static double log_joint(const pyr_mixture *m, int i, const double *x, double s)
{
    double sum = m->size * log_2pi;

    for (int a = 0; a < m->size; a++) {
        double v = variance_of(m, i)[a] + s * s, y = along(m, i, a, x);

        sum += y * y / v + log(v);
    }
    return log(m->weight[i]) - sum / 2;
}

/* dst += r times mode i's own score -(C + s^2)^-1 (x - m), or its denoiser m + C (C + s^2)^-1 (x - m) */
typedef enum estimate { SCORE, DENOISED } estimate;

static void add_estimate(const pyr_mixture *m, int i, estimate what, double r, double *dst, const double *x,
                         double s)
{
    for (int a = 0; a < m->size; a++) {
        double v = variance_of(m, i)[a], gain = what == SCORE ? -1 / (v + s * s) : v / (v + s * s);

        add_axis(m, i, a, r * gain * along(m, i, a, x), dst);
    }
    for (int j = 0; what == DENOISED && j < m->size; j++)
        dst[j] += r * mean_of(m, i)[j];
}

/* ---- all modes --------------------------------------------------------------------------------- */

/* A sum of exponentials whose largest term is taken out, so that they neither overflow nor all vanish:
 * exp(top) sum. */
typedef struct total {
    double top, sum;
} total;

static const total no_total = {-INFINITY, 0};

/* Add exp(l). Returns that term's share r of the largest one; *shrink is what terms before have become. */
static double add_term(total *t, double l, double *shrink)
{
    double r = 1;

    *shrink = 1;
    if (l > t->top) {
        *shrink = exp(t->top - l);
        t->top = l;
    } else
        r = exp(l - t->top);
    t->sum = t->sum * *shrink + r;
    return r;
}

static double log_of(const pyr_mixture *m, const total *t)
{
    return t->top + log(t->sum) - log(total_weight(m));
}

double pyr_mixture_log_density(const pyr_mixture *m, const double *x, double s)
{
    total t = no_total;
    double shrink;

    for (int i = 0; i < m->modes; i++)
        add_term(&t, log_joint(m, i, x, s), &shrink);
    return log_of(m, &t);
}

/* The mean over the modes given x of what each would estimate; one that is surely not x's adds nothing. */
static double mean_estimate(const pyr_mixture *m, estimate what, double *dst, const double *x, double s)
{
    total t = no_total;

    memset(dst, 0, (size_t)m->size * sizeof *dst);
    for (int i = 0; i < m->modes; i++) {
        double shrink, r = add_term(&t, log_joint(m, i, x, s), &shrink);

        for (int j = 0; shrink < 1 && j < m->size; j++)
            dst[j] *= shrink;
        if (r > 0)
            add_estimate(m, i, what, r, dst, x, s);
    }
    for (int j = 0; j < m->size; j++)
        dst[j] /= t.sum;
    return log_of(m, &t);
}

double pyr_mixture_score(const pyr_mixture *m, double *score, const double *x, double s)
{
    return mean_estimate(m, SCORE, score, x, s);
}

double pyr_mixture_denoise(const pyr_mixture *m, double *d, const double *x, double s)
{
    return mean_estimate(m, DENOISED, d, x, s);
}

double pyr_mixture_responsibilities(const pyr_mixture *m, double *r, const double *x, double s)
{
    total t = no_total;
    double shrink;

    for (int i = 0; i < m->modes; i++) {
        r[i] = log_joint(m, i, x, s);
        add_term(&t, r[i], &shrink);
    }
    for (int i = 0; i < m->modes; i++)
        r[i] = exp(r[i] - t.top) / t.sum;
    return log_of(m, &t);
}

/* Law of total covariance: C = sum of w (C_i + (m_i - m)(m_i - m)^T). */
static void add_covariance(const pyr_mixture *m, int i, double w, double at, double *row, int j)
{
    for (int a = 0; a < m->size; a++) {
        const double *axis = axis_of(m, i, a);
        double e = axis ? axis[j] : a == j;

        add_axis(m, i, a, w * variance_of(m, i)[a] * e, row);
    }
    for (int l = 0; l < m->size; l++)
        row[l] += w * at * mean_of(m, i)[l];
}

void pyr_mixture_moments(const pyr_mixture *m, double *mean, double *covariance)
{
    double whole = total_weight(m);

    for (int j = 0; j < m->size; j++) {
        double *row = covariance ? covariance + (size_t)j * (size_t)m->size : NULL, centre = 0;

        for (int i = 0; i < m->modes; i++)
            centre += m->weight[i] / whole * mean_of(m, i)[j];
        if (mean)
            mean[j] = centre;
        if (!row)
            continue;
        /* sum of w (m_i - m)(m_i - m)^T = sum of w (m_i - m) m_i^T */
        memset(row, 0, (size_t)m->size * sizeof *row);
        for (int i = 0; i < m->modes; i++)
            add_covariance(m, i, m->weight[i] / whole, mean_of(m, i)[j] - centre, row, j);
    }
}

/* ---- sets of points ---------------------------------------------------------------------------- */

/* The first word of a draw's stream chooses its mode; its normals are those of the words from block 1 on. */
static int choose_mode(const pyr_mixture *m, uint64_t seed, uint32_t number, uint32_t high)
{
    uint32_t word = pyr_philox(seed, 0, number, high, pyr_rng_purpose(PYR_RNG_ORDER, 0)).v[0];
    double left = (double)pyr_uniform(word) * total_weight(m);
    int i = 0;

    while (i + 1 < m->modes && left >= m->weight[i])
        left -= m->weight[i++];
    return i;
}

void pyr_mixture_draw(const pyr_mixture *m, double *z, int *mode, int n, uint64_t seed, int64_t first)
{
    for (int at = 0; at < n; at++, z += m->size) {
        uint64_t number = (uint64_t)first + (uint64_t)at;
        uint32_t low = (uint32_t)number, high = (uint32_t)(number >> 32);
        int i = choose_mode(m, seed, low, high);
        float eps[4] = {0};

        if (mode)
            mode[at] = i;
        memcpy(z, mean_of(m, i), (size_t)m->size * sizeof *z);
        for (int a = 0; a < m->size; a++) {
            if (a % 4 == 0)
                pyr_normal4(seed, 1 + (uint32_t)a / 4, low, high, pyr_rng_purpose(PYR_RNG_ORDER, 0), eps);
            add_axis(m, i, a, sqrt(variance_of(m, i)[a]) * (double)eps[a % 4], z);
        }
    }
}

void pyr_mixture_mode_weights(const pyr_mixture *m, double *w, const double *x, int n, double s)
{
    memset(w, 0, (size_t)m->modes * sizeof *w);
    for (int at = 0; at < n; at++, x += m->size) {
        total t = no_total;
        double shrink;

        for (int i = 0; i < m->modes; i++)
            add_term(&t, log_joint(m, i, x, s), &shrink);
        for (int i = 0; i < m->modes; i++)
            w[i] += exp(log_joint(m, i, x, s) - t.top) / t.sum / n;
    }
}

pyr_status pyr_mixture_denoise_vectors(void *ctx, const void *x, const double *s, void *out)
{
    pyr_mixture_denoiser *d = ctx;
    size_t size = (size_t)d->m->size, n = (size_t)d->n;
    double *at, *best;
    pyr_status status;

    d->calls++;
    PYR_TRY(pyr_new(&at, 2 * n * size, sizeof *at, "a mixture's vectors"));
    best = at + n * size;
    PYR_TRY_OUT(pyr_download_reals(d->k, at, x, n * size));
    for (size_t i = 0; i < n; i++)
        pyr_mixture_denoise(d->m, best + i * size, at + i * size, s[i]);
    PYR_TRY_OUT(pyr_upload_reals(d->k, out, best, n * size));
out:
    pyr_free(at);
    return status;
}
