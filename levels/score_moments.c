/* score_moments.c - measures a network's mean square score and error, and keeps them in a file. */
#include "levels/score_moments.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/philox.h"
#include "base/text.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char what[] = "moments of a score";
/* The same for every run. */
static const uint64_t moments_seed = UINT64_C(0x4d4f4d454e545320);

/* ---- measuring --------------------------------------------------------------------------------- */

enum { SUMS = 3 };

/* Backend memory of a lane. */
typedef struct lane_memory {
    void *z, *condition, *eps, *x, *d, *difference;
    uint32_t *streams;
} lane_memory;

typedef struct measuring {
    pyr_denoiser *denoiser;
    pyr_feed *feed;
    const double *s;
    void *vector; /* to standardise a batch */
    lane_memory *lane;
    int64_t images, count;
    int batch, batches;
    double *sum; /* [task][SUMS]: |D - x|^2, |D - z|^2, |eps|^2 */
} measuring;

static size_t variable_bytes(const measuring *m)
{
    return (size_t)m->batch * pyr_count(m->denoiser->level->variable) * pyr_type_size(m->feed->k->real);
}

static pyr_status new_lane(const measuring *m, lane_memory *w)
{
    pyr_kernels *k = m->feed->k;
    void **all[] = {&w->z, &w->eps, &w->x, &w->d, &w->difference};

    for (int i = 0; i < 5; i++)
        PYR_TRY(pyr_alloc(k, all[i], variable_bytes(m), what));
    PYR_TRY(pyr_alloc(k, (void **)&w->streams, (size_t)m->batch * PYR_STREAM_WORDS * sizeof(uint32_t), what));
    if (m->denoiser->level->condition.c)
        PYR_TRY(pyr_alloc(
            k, &w->condition,
            (size_t)m->batch * pyr_count(m->denoiser->level->condition) * pyr_type_size(k->real), what));
    return PYR_OK;
}

static void free_lane(pyr_kernels *k, lane_memory *w)
{
    void *all[] = {w->z, w->eps, w->x, w->d, w->difference, w->streams, w->condition};

    for (int i = 0; i < 7; i++)
        pyr_release(k, all[i]);
}

/* sum += |a - b|^2 of n vectors (b NULL: of a) */
static pyr_status add_squares(const measuring *m, lane_memory *w, double *sum, const void *a, const void *b,
                              int n)
{
    pyr_kernels *k = m->feed->k;
    size_t size = pyr_count(m->denoiser->level->variable);
    double dot[PYR_MAX_SAMPLING_BATCH];

    pyr_combine(k, w->difference, b ? 2 : 1, (double[]){1, -1}, (const void *const[]){a, b},
                (size_t)n * size);
    PYR_TRY(pyr_dots(k, dot, w->difference, w->difference, n, size));
    for (int i = 0; i < n; i++)
        *sum += dot[i];
    return PYR_OK;
}

/* Task: noise level task / batches, batch task % batches. Each image with some noise and with the opposite. */
static pyr_status measure_task(void *arg, int task, int lane)
{
    measuring *m = arg;
    pyr_kernels *k = m->feed->k;
    const pyr_level *level = m->denoiser->level;
    const int32_t *labels = level->facts.classes ? pyr_dataset_labels(m->feed->data, PYR_SPLIT_TRAIN) : NULL;
    lane_memory *w = &m->lane[lane];
    size_t size = pyr_count(level->variable);
    int64_t first = (int64_t)(task % m->batches) * m->batch, index[PYR_MAX_SAMPLING_BATCH];
    int n = m->images - first < m->batch ? (int)(m->images - first) : m->batch, step = task / m->batches;
    double s[PYR_MAX_SAMPLING_BATCH], *sum = m->sum + (size_t)task * SUMS;
    uint64_t seeds[PYR_MAX_SAMPLING_BATCH];
    uint32_t rows[PYR_MAX_SAMPLING_BATCH];
    pyr_denoising denoising = {.denoiser = m->denoiser,
                               .lane = lane,
                               .n = n,
                               .condition = w->condition,
                               .rows = labels ? rows : NULL};

    for (int i = 0; i < n; i++) {
        index[i] = (first + i) * m->count / m->images;
        seeds[i] = moments_seed + (uint64_t)(first + i);
        s[i] = m->s[step];
        rows[i] = labels ? (uint32_t)labels[index[i]] : 0;
    }
    PYR_TRY(pyr_feed_level(m->feed, lane, &(pyr_pick){.split = PYR_SPLIT_TRAIN, .n = n, .index = index},
                           level->facts.index, w->z, w->condition));
    PYR_TRY(pyr_level_destandardise(level, k, n, w->z, m->vector));
    pyr_upload_streams(k, w->streams, seeds, n);
    k->backend->normals(k, w->eps, n, size, w->streams, pyr_rng_purpose(PYR_RNG_NOISE, level->facts.index), 0,
                        (uint32_t)step);
    PYR_TRY(pyr_denoiser_begin(&denoising));
    for (int sign = 1; sign >= -1; sign -= 2) {
        pyr_combine(k, w->x, 2, (double[]){1, sign * s[0]}, (const void *const[]){w->z, w->eps},
                    (size_t)n * size);
        PYR_TRY(pyr_denoiser_call(&denoising, w->x, s, w->d));
        PYR_TRY(add_squares(m, w, &sum[0], w->d, w->x, n));
        PYR_TRY(add_squares(m, w, &sum[1], w->d, w->z, n));
        PYR_TRY(add_squares(m, w, &sum[2], w->eps, NULL, n));
    }
    return PYR_OK;
}

static pyr_status measure(measuring *m, pyr_score_moments *out)
{
    pyr_kernels *k = m->feed->k;
    double numbers = 2 * (double)m->images * (double)pyr_count(m->denoiser->level->variable);

    PYR_TRY(pyr_level_vector_new(&m->vector, m->denoiser->level, k, m->batch, false));
    PYR_TRY(pyr_new(&m->lane, (size_t)m->feed->lanes, sizeof *m->lane, what));
    for (int i = 0; i < m->feed->lanes; i++)
        PYR_TRY(new_lane(m, &m->lane[i]));
    PYR_TRY(pyr_new(&m->sum, (size_t)(SUMS * out->n * m->batches), sizeof *m->sum, what));
    PYR_TRY(pyr_run_tasks(k, out->n * m->batches, measure_task, m));
    for (int i = 0; i < out->n; i++) {
        double sum[SUMS] = {0};

        for (int j = 0; j < SUMS * m->batches; j++)
            sum[j % SUMS] += m->sum[SUMS * i * m->batches + j];
        out->score[i] = sum[0] / (numbers * out->s[i] * out->s[i]);
        out->error[i] = sum[1] / numbers;
        /* what is left is s^2 (1 - score): where the score is nearly that of the noise alone, chance in the squares of
         * the noise, whose mean is known, must not stay in the score */
        out->score[i] -= fmin(out->score[i], 1) * (sum[2] / numbers - 1);
        if (!isfinite(out->score[i]) || !isfinite(out->error[i]))
            return pyr_fail(PYR_E_NUMERIC, "the network's score at sigma %.4g is not finite", out->s[i]);
    }
    return PYR_OK;
}

pyr_status pyr_score_moments_measure(pyr_score_moments *out, pyr_denoiser *denoiser, pyr_feed *feed,
                                     double lowest, double highest, int64_t images, uint64_t weights)
{
    measuring m = {.denoiser = denoiser,
                   .feed = feed,
                   .s = out->s,
                   .count = pyr_dataset_count(feed->data, PYR_SPLIT_TRAIN),
                   .batch = denoiser->batch < feed->batch ? denoiser->batch : feed->batch};
    pyr_status status;

    m.images = images < m.count ? images : m.count;
    m.batches = (int)((m.images + m.batch - 1) / m.batch);
    *out = (pyr_score_moments){.n = PYR_MOMENT_LEVELS, .images = m.images, .weights = weights};
    for (int i = 0; i < out->n; i++)
        out->s[i] = lowest * pow(highest / lowest, i / (double)(out->n - 1));
    status = measure(&m, out);
    for (int i = 0; m.lane && i < feed->lanes; i++)
        free_lane(feed->k, &m.lane[i]);
    pyr_release(feed->k, m.vector);
    pyr_free(m.lane);
    pyr_free(m.sum);
    return status;
}

/* ---- what is left ------------------------------------------------------------------------------ */

/* At noise level i, within its bounds; more than 0, so that it has a logarithm. */
static double left_at(const pyr_score_moments *m, bool by_error, int i)
{
    double s2 = m->s[i] * m->s[i], most = fmin(s2, 1), left;

    left = by_error ? m->error[i] : s2 * (1 - m->score[i]);
    return fmax(fmin(left, most), 1e-12 * most);
}

double pyr_score_moments_left(const pyr_score_moments *m, bool by_error, double s)
{
    double at = log(s / m->s[0]) / log(m->s[m->n - 1] / m->s[0]) * (m->n - 1), part, low, high;
    int i = at <= 0 ? 0 : at >= m->n - 2 ? m->n - 2 : (int)at;

    part = at - i;
    low = log(left_at(m, by_error, i));
    high = log(left_at(m, by_error, i + 1));
    return fmin(exp(low + part * (high - low)), fmin(s * s, 1));
}

/* ---- files ------------------------------------------------------------------------------------- */

pyr_status pyr_score_moments_write(const pyr_score_moments *m, const pyr_level_facts *facts,
                                   const char *folder)
{
    char images[32], weights[32];
    const pyr_st_entry tensors[] = {{"sigma", PYR_ST_F64, 1, {m->n}, m->s},
                                    {"score", PYR_ST_F64, 1, {m->n}, m->score},
                                    {"error", PYR_ST_F64, 1, {m->n}, m->error}};

    snprintf(images, sizeof images, "%" PRId64, m->images);
    snprintf(weights, sizeof weights, "%016" PRIx64, m->weights);
    return pyr_measured_write(folder, PYR_SCORE_MOMENTS_NAME, facts, tensors,
                              sizeof tensors / sizeof *tensors,
                              (pyr_st_pair[]){{"pyrdiff_images", images}, {"pyrdiff_weights", weights}}, 2);
}

static pyr_status read_tensor(const pyr_safetensors *file, const char *name, double *out, int *n,
                              const char *path)
{
    const pyr_st_tensor *tensor = pyr_safetensors_find(file, name);

    if (!tensor || tensor->count < 2 || tensor->count > PYR_MOMENT_LEVELS ||
        (*n && tensor->count != (size_t)*n))
        return pyr_fail(PYR_E_FORMAT, "%s: the tensor %s %s", path, name,
                        tensor ? "has another size than it should" : "is not there");
    *n = (int)tensor->count;
    PYR_TRY(pyr_safetensors_read_f64(file, tensor, out, tensor->count));
    for (int i = 0; i < *n; i++)
        if (!(out[i] >= 0 && isfinite(out[i])))
            return pyr_fail(PYR_E_FORMAT, "%s: number %d of %s is %g", path, i, name, out[i]);
    return PYR_OK;
}

static pyr_status read_all(pyr_score_moments *m, const pyr_safetensors *file, const char *path)
{
    const char *weights = pyr_safetensors_metadata(file, "pyrdiff_weights"),
               *images = pyr_safetensors_metadata(file, "pyrdiff_images");

    PYR_TRY(read_tensor(file, "sigma", m->s, &m->n, path));
    PYR_TRY(read_tensor(file, "score", m->score, &m->n, path));
    PYR_TRY(read_tensor(file, "error", m->error, &m->n, path));
    for (int i = 0; i < m->n; i++)
        if (!(m->s[i] > (i ? m->s[i - 1] : 1e-9) && m->s[i] < 1e9))
            return pyr_fail(PYR_E_FORMAT, "%s: the noise levels do not rise, within 1e-9 to 1e9", path);
    m->weights = weights ? strtoull(weights, NULL, 16) : 0;
    m->images = images ? strtoll(images, NULL, 10) : 0;
    return PYR_OK;
}

pyr_status pyr_score_moments_read(pyr_score_moments *out, const pyr_level *level, uint64_t weights,
                                  const char *folder, const char *run)
{
    char *path;
    pyr_safetensors *file = NULL;
    int index = level->facts.index;
    bool there;
    pyr_status status;

    *out = (pyr_score_moments){0};
    PYR_TRY(pyr_path_new(&path, folder, PYR_SCORE_MOMENTS_NAME));
    PYR_TRY_OUT(pyr_file_exists(&there, path));
    if (!there)
        PYR_TRY_OUT(pyr_fail(PYR_E_IO,
                             "sampler.variance of level %d is %s, but %s is not there: pyrdiff analyze "
                             "--network %s --level %d --variance 256 measures it",
                             index, pyr_variance_names[level->settings.sampler.variance], path,
                             PYR_SHELL(run), index));
    status = pyr_safetensors_open(&file, path);
    if (status == PYR_OK)
        status = read_all(out, file, path);
    if (status == PYR_OK && out->weights != weights)
        status =
            pyr_fail(PYR_E_FORMAT, "%s was measured with other weights than level %d has now", path, index);
    if (status == PYR_E_FORMAT)
        pyr_fail(status, "%s; pyrdiff analyze --network %s --level %d --variance 256 measures it again",
                 pyr_error(), PYR_SHELL(run), index);
out:
    pyr_safetensors_free(file);
    pyr_free(path);
    if (status != PYR_OK)
        *out = (pyr_score_moments){0};
    return status;
}
