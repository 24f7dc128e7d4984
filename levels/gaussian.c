/* gaussian.c - fits a Gaussian to a level's variable, and gives its denoiser and the noise that sampling
 * needs. */
#include "levels/gaussian.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "base/text.h"
#include "kernels/eigen.h"
#include "pyramid/ideal.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_MEASURED = 16384, GROUPS = 8 };
static const char what[] = "the fit of a level";

/* ---- the basis --------------------------------------------------------------------------------- */

void pyr_gaussian_free(pyr_gaussian *g)
{
    pyr_free(g->mean);
    pyr_free(g->basis);
    pyr_free(g->variance);
    pyr_dct_free(g->dct);
    *g = (pyr_gaussian){0};
}

static pyr_status allocate(pyr_gaussian *g, pyr_shape shape)
{
    size_t side;

    shape.n = 1;
    *g = (pyr_gaussian){.shape = shape, .size = pyr_count(shape)};
    g->full = g->size <= PYR_GAUSSIAN_FULL;
    side = g->full ? g->size : (size_t)shape.c;
    PYR_TRY(pyr_new(&g->mean, g->size, sizeof *g->mean, what));
    PYR_TRY(pyr_new(&g->variance, g->size, sizeof *g->variance, what));
    PYR_TRY(pyr_new(&g->basis, side * side, sizeof *g->basis, what));
    return g->full ? PYR_OK : pyr_dct_new(&g->dct, shape.h, shape.w, shape.c);
}

/* out = M x or M^T x for the n x n matrix of rows */
static void rotate(const double *m, size_t n, const double *x, double *out, bool transposed)
{
    if (!transposed) {
        for (size_t i = 0; i < n; i++) {
            double sum = 0;

            for (size_t j = 0; j < n; j++)
                sum += m[i * n + j] * x[j];
            out[i] = sum;
        }
        return;
    }
    memset(out, 0, n * sizeof *out);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            out[j] += m[i * n + j] * x[i];
}

static void rotate_channels(const pyr_gaussian *g, double *z, double *room, bool transposed)
{
    size_t c = (size_t)g->shape.c;

    if (c == 1)
        return;
    for (size_t i = 0; i < g->size; i += c)
        rotate(g->basis, c, z + i, room + i, transposed);
    memcpy(z, room, g->size * sizeof *z);
}

/* Factors between orthonormal coefficients and FFTW's: X_k = 2 sum x_j cos(...), so c_k = X_k / sqrt(2n), and
 * c_0 = X_0 / sqrt(4n); backwards x = Y_0 + 2 sum Y_k cos(...), so Y_k = c_k / sqrt(2n), Y_0 = c_0 /
 * sqrt(n). */
static void scale(const pyr_gaussian *g, double *z, double first)
{
    size_t h = (size_t)g->shape.h, w = (size_t)g->shape.w, c = (size_t)g->shape.c;

    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            double factor = (y ? 1 : first) * (x ? 1 : first) / (2 * sqrt((double)h * (double)w));

            for (size_t j = 0; j < c; j++)
                z[(y * w + x) * c + j] *= factor;
        }
}

void pyr_gaussian_to(const pyr_gaussian *g, double *z, double *room)
{
    if (g->full) {
        memcpy(room, z, g->size * sizeof *z);
        rotate(g->basis, g->size, room, z, false);
        return;
    }
    rotate_channels(g, z, room, false);
    pyr_dct_forward(g->dct, z);
    scale(g, z, sqrt(0.5));
}

void pyr_gaussian_from(const pyr_gaussian *g, double *z, double *room)
{
    if (g->full) {
        memcpy(room, z, g->size * sizeof *z);
        rotate(g->basis, g->size, room, z, true);
        return;
    }
    scale(g, z, sqrt(2));
    pyr_dct_inverse(g->dct, z);
    rotate_channels(g, z, room, true);
}

/* ---- measuring --------------------------------------------------------------------------------- */

/* Sums over the images of a group; a fixed number of groups, so that the order of summation is one. */
typedef struct measuring {
    const pyr_level *level;
    pyr_feed *feed;
    pyr_gaussian *g;
    double *vector;         /* of pyr_level_vector: [scale - 1 | shift] */
    void *variable[GROUPS]; /* backend, a batch */
    double *host[GROUPS];   /* the same */
    double *room[GROUPS];   /* D */
    double *sum[GROUPS];    /* first pass: D; then products; second pass: D squares */
    double *product[GROUPS];
    int64_t images, count;
    bool second;
} measuring;

/* First pass: of all numbers with each other (full), or of the channels at each pixel. */
static void add_products(const measuring *m, int group, const double *z)
{
    size_t n = m->g->full ? m->g->size : (size_t)m->g->shape.c;
    double *product = m->product[group];

    for (size_t p = 0; p < m->g->size; p += n)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++)
                product[i * n + j] += z[p + i] * z[p + j];
}

static void add_image(const measuring *m, int group, double *z)
{
    const pyr_gaussian *g = m->g;
    int c = g->shape.c;

    for (size_t i = 0; i < g->size; i++) {
        int j = (int)(i % (size_t)c);

        z[i] = z[i] * (1 + m->vector[j]) + m->vector[c + j];
    }
    if (m->second) {
        pyr_gaussian_to(g, z, m->room[group]);
        for (size_t i = 0; i < g->size; i++)
            m->sum[group][i] += z[i] * z[i];
        return;
    }
    for (size_t i = 0; i < g->size; i++)
        m->sum[group][i] += z[i];
    add_products(m, group, z);
}

static pyr_status measure_group(void *arg, int group, int lane)
{
    measuring *m = arg;
    pyr_feed *feed = m->feed;
    int64_t first = m->images * group / GROUPS, end = m->images * (group + 1) / GROUPS, index[1024];

    while (first < end) {
        pyr_pick pick = {.split = PYR_SPLIT_TRAIN, .index = index};

        for (; pick.n < feed->batch && pick.n < 1024 && first < end; first++)
            index[pick.n++] = first * m->count / m->images;
        PYR_TRY(pyr_feed_level(feed, lane, &pick, m->level->facts.index, m->variable[group], NULL));
        PYR_TRY(pyr_download_reals(feed->k, m->host[group], m->variable[group], (size_t)pick.n * m->g->size));
        for (int i = 0; i < pick.n; i++)
            add_image(m, group, m->host[group] + (size_t)i * m->g->size);
    }
    return PYR_OK;
}

/* The eigenvectors of a symmetric n x n matrix (lower triangle) as rows, the largest first. */
static pyr_status find_basis(double *matrix, size_t n, double *values)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            matrix[j * n + i] = matrix[i * n + j];
    PYR_TRY(pyr_symmetric_eigen(values, matrix, (int)n, PYR_LOWER, true));
    for (size_t i = 0; i < n / 2; i++) /* rising */
        for (size_t j = 0; j < n; j++) {
            double t = matrix[i * n + j];

            matrix[i * n + j] = matrix[(n - 1 - i) * n + j];
            matrix[(n - 1 - i) * n + j] = t;
        }
    for (size_t i = 0; i < n; i++) { /* one sign of the two: the sum is not negative */
        double sum = 0;

        for (size_t j = 0; j < n; j++)
            sum += matrix[i * n + j];
        for (size_t j = 0; j < n && sum < 0; j++)
            matrix[i * n + j] *= -1;
    }
    return PYR_OK;
}

static void add_up(double *const part[GROUPS], size_t n)
{
    for (int group = 1; group < GROUPS; group++)
        for (size_t i = 0; i < n; i++)
            part[0][i] += part[group][i];
}

/* Mean and basis of the first pass's sums; of all numbers the variances, too. */
static pyr_status conclude_first(measuring *m)
{
    pyr_gaussian *g = m->g;
    size_t n = g->full ? g->size : (size_t)g->shape.c;
    double images = (double)m->images, *values, *sum = m->sum[0], *product = m->product[0];
    pyr_status status;

    add_up(m->sum, g->size);
    add_up(m->product, n * n);
    for (size_t i = 0; i < g->size; i++)
        g->mean[i] = sum[i] / images;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double means = 0;

            for (size_t p = 0; p < g->size; p += n)
                means += g->mean[p + i] * g->mean[p + j];
            g->basis[i * n + j] = (product[i * n + j] / images - means) / (double)(g->size / n);
        }
    PYR_TRY(pyr_new(&values, n, sizeof *values, what));
    status = find_basis(g->basis, n, values);
    for (size_t i = 0; i < n && g->full; i++)
        g->variance[i] = fmax(0, values[n - 1 - i]);
    pyr_free(values);
    return status;
}

static pyr_status second_pass(measuring *m)
{
    pyr_gaussian *g = m->g;
    double *mean = m->host[0];

    m->second = true;
    for (int group = 0; group < GROUPS; group++)
        memset(m->sum[group], 0, g->size * sizeof **m->sum);
    PYR_TRY(pyr_run_tasks(m->feed->k, GROUPS, measure_group, m));
    add_up(m->sum, g->size);
    memcpy(mean, g->mean, g->size * sizeof *mean);
    pyr_gaussian_to(g, mean, m->room[0]);
    for (size_t i = 0; i < g->size; i++)
        g->variance[i] = fmax(0, m->sum[0][i] / (double)m->images - mean[i] * mean[i]);
    return PYR_OK;
}

pyr_status pyr_gaussian_measure(pyr_gaussian *out, const pyr_level *level, pyr_feed *feed)
{
    pyr_kernels *k = feed->k;
    measuring m = {
        .level = level, .feed = feed, .g = out, .count = pyr_dataset_count(feed->data, PYR_SPLIT_TRAIN)};
    size_t n, batch = (size_t)(feed->batch < 1024 ? feed->batch : 1024);
    pyr_status status;

    m.images = m.count < MOST_MEASURED ? m.count : MOST_MEASURED;
    PYR_TRY_OUT(allocate(out, level->variable));
    out->images = m.images;
    n = out->full ? out->size : (size_t)out->shape.c;
    PYR_TRY_OUT(pyr_new(&m.vector, 2 * (size_t)out->shape.c, sizeof *m.vector, what));
    pyr_level_vector(level, false, m.vector);
    for (int i = 0; i < GROUPS; i++) {
        PYR_TRY_OUT(pyr_alloc(k, &m.variable[i], batch * out->size * pyr_type_size(k->real), what));
        PYR_TRY_OUT(pyr_new(&m.host[i], batch * out->size, sizeof **m.host, what));
        PYR_TRY_OUT(pyr_new(&m.room[i], out->size, sizeof **m.room, what));
        PYR_TRY_OUT(pyr_new(&m.sum[i], out->size, sizeof **m.sum, what));
        PYR_TRY_OUT(pyr_new(&m.product[i], n * n, sizeof **m.product, what));
    }
    PYR_TRY_OUT(pyr_run_tasks(k, GROUPS, measure_group, &m));
    PYR_TRY_OUT(conclude_first(&m));
    if (!out->full)
        PYR_TRY_OUT(second_pass(&m));
out:
    for (int i = 0; i < GROUPS; i++) {
        pyr_release(k, m.variable[i]);
        pyr_free(m.host[i]);
        pyr_free(m.room[i]);
        pyr_free(m.sum[i]);
        pyr_free(m.product[i]);
    }
    pyr_free(m.vector);
    if (status != PYR_OK)
        pyr_gaussian_free(out);
    return status;
}

/* ---- in closed form ---------------------------------------------------------------------------- */

/* Sum of squares of the mean's coefficients: the basis is orthonormal. */
static double mean_square(const pyr_gaussian *g)
{
    double sum = 0;

    for (size_t i = 0; i < g->size; i++)
        sum += g->mean[i] * g->mean[i];
    return sum;
}

double pyr_gaussian_mismatch(const pyr_gaussian *g, double s, double prior)
{
    double sum = mean_square(g) / prior, shift = (s * s - prior) / prior;

    /* x - log(1 + x) of each coefficient, x = (v + s^2) / prior - 1: no large numbers are subtracted */
    for (size_t i = 0; i < g->size; i++) {
        double x = g->variance[i] / prior + shift;

        sum += fabs(x) < 1e-4 ? x * x * (0.5 - x / 3) : x - log1p(x);
    }
    return sum / 2;
}

double pyr_gaussian_sigma_max(const pyr_gaussian *g, double bound, bool unit)
{
    double low = log(1e-6), high = log(1e9);

    /* falls in s: noise brings distributions together */
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2, s = exp(middle);

        if (pyr_gaussian_mismatch(g, s, unit ? 1 + s * s : s * s) > bound)
            low = middle;
        else
            high = middle;
    }
    return high < log(1.1e-6) ? 0 : exp(high);
}

double pyr_gaussian_left(const pyr_gaussian *g, double s)
{
    double sum = 0;

    for (size_t i = 0; i < g->size; i++)
        sum += g->variance[i] > 0 ? g->variance[i] * s * s / (g->variance[i] + s * s) : 0;
    return sum / (double)g->size;
}

double pyr_gaussian_half(const pyr_gaussian *g)
{
    double low = log(1e-6), high = log(1e9), half = 0;

    for (size_t i = 0; i < g->size; i++)
        half += g->variance[i];
    half /= 2 * (double)g->size;
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;

        if (pyr_gaussian_left(g, exp(middle)) < half)
            low = middle;
        else
            high = middle;
    }
    return exp(high);
}

/* ---- drawing ----------------------------------------------------------------------------------- */

pyr_status pyr_gaussian_draw(const pyr_gaussian *g, pyr_kernels *k, int n, const uint64_t *seeds, int level,
                             double s, void *start, uint32_t *streams)
{
    double *z, *room;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_new(&z, 2 * g->size, sizeof *z, what));
    room = z + g->size;
    pyr_upload_streams(k, streams, seeds, n);
    k->backend->normals(k, start, n, g->size, streams, pyr_rng_purpose(PYR_RNG_PRIOR, level), 0, 0);
    for (int i = 0; i < n; i++) {
        void *place = (char *)start + (size_t)i * g->size * pyr_type_size(k->real);

        PYR_TRY_OUT(pyr_download_reals(k, z, place, g->size));
        for (size_t j = 0; j < g->size; j++)
            z[j] *= sqrt(g->variance[j] + s * s);
        pyr_gaussian_from(g, z, room);
        for (size_t j = 0; j < g->size; j++)
            z[j] += g->mean[j];
        PYR_TRY_OUT(pyr_upload_reals(k, place, z, g->size));
    }
out:
    pyr_free(z);
    return status;
}

/* ---- files ------------------------------------------------------------------------------------- */

pyr_status pyr_gaussian_write(const pyr_gaussian *g, const pyr_level_facts *facts, const char *folder)
{
    char images[32];
    int64_t side = g->full ? (int64_t)g->size : g->shape.c;
    const pyr_st_entry tensors[] = {
        {"mean", PYR_ST_F64, 3, {g->shape.h, g->shape.w, g->shape.c}, g->mean},
        {"variance", PYR_ST_F64, 1, {(int64_t)g->size}, g->variance},
        {"basis", PYR_ST_F64, 2, {side, side}, g->basis},
    };

    snprintf(images, sizeof images, "%" PRId64, g->images);
    return pyr_measured_write(folder, PYR_GAUSSIAN_NAME, facts, tensors, sizeof tensors / sizeof *tensors,
                              &(pyr_st_pair){"pyrdiff_images", images}, 1);
}

static pyr_status read_all(pyr_gaussian *g, const pyr_level *level, const pyr_safetensors *file,
                           const char *path, const char *run)
{
    const char *images = pyr_safetensors_metadata(file, "pyrdiff_images");
    size_t side;

    PYR_TRY(pyr_measured_check(file, level, path, run));
    PYR_TRY(allocate(g, level->variable));
    side = g->full ? g->size : (size_t)g->shape.c;
    PYR_TRY(pyr_measured_read(file, "mean", g->mean, g->size, -INFINITY, path));
    PYR_TRY(pyr_measured_read(file, "variance", g->variance, g->size, -INFINITY, path));
    PYR_TRY(pyr_measured_read(file, "basis", g->basis, side * side, -INFINITY, path));
    for (size_t i = 0; i < g->size; i++)
        if (g->variance[i] < 0)
            return pyr_fail(PYR_E_FORMAT, "%s: variance %zu is %g, should not be negative", path, i,
                            g->variance[i]);
    g->images = images ? strtoll(images, NULL, 10) : 0;
    return PYR_OK;
}

pyr_status pyr_gaussian_read(pyr_gaussian *out, const pyr_level *level, const char *folder, const char *run)
{
    char *path;
    pyr_safetensors *file = NULL;
    bool there;
    pyr_status status;

    *out = (pyr_gaussian){0};
    PYR_TRY(pyr_path_new(&path, folder, PYR_GAUSSIAN_NAME));
    PYR_TRY_OUT(pyr_file_exists(&there, path));
    if (!there)
        PYR_TRY_OUT(
            pyr_fail(PYR_E_IO,
                     "level %d starts from its fitted Gaussian (sampler.start gaussian), but %s is not "
                     "there: pyrdiff analyze --network %s --level %d measures it",
                     level->facts.index, path, PYR_SHELL(run), level->facts.index));
    status = pyr_safetensors_open(&file, path);
    if (status == PYR_E_FORMAT)
        pyr_fail(status, "%s; pyrdiff analyze --network %s --level %d measures it again", pyr_error(),
                 PYR_SHELL(run), level->facts.index);
    PYR_TRY_OUT(status);
    PYR_TRY_OUT(read_all(out, level, file, path, run));
out:
    pyr_safetensors_free(file);
    pyr_free(path);
    if (status != PYR_OK)
        pyr_gaussian_free(out);
    return status;
}
