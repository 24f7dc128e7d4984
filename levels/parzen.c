/* parzen.c - a level's training set in memory, and the posterior mean that it gives. */
#include "levels/parzen.h"

#include "base/mem.h"
#include <inttypes.h>
#include <math.h>

static const char what[] = "the training set of a level";

typedef struct fetching {
    pyr_parzen *p;
    pyr_feed *feed;
    const pyr_level *level;
    void *vector;    /* to standardise a batch */
    void **variable; /* [lane] */
} fetching;

static pyr_status fetch(void *arg, int task, int lane)
{
    const fetching *f = arg;
    pyr_feed *feed = f->feed;
    int64_t first = (int64_t)task * feed->batch, index[PYR_MAX_SAMPLING_BATCH];
    int n = f->p->n - first < feed->batch ? (int)(f->p->n - first) : feed->batch;

    for (int i = 0; i < n; i++)
        index[i] = first + i;
    PYR_TRY(pyr_feed_level(feed, lane, &(pyr_pick){.split = PYR_SPLIT_TRAIN, .n = n, .index = index},
                           f->level->facts.index, f->variable[lane], NULL));
    PYR_TRY(pyr_level_destandardise(f->level, feed->k, n, f->variable[lane], f->vector));
    return pyr_download_floats(feed->k, f->p->z + (size_t)first * f->p->size, f->variable[lane],
                               (size_t)n * f->p->size);
}

static pyr_status fetch_all(fetching *f)
{
    pyr_kernels *k = f->feed->k;
    size_t lanes = (size_t)f->feed->lanes,
           bytes = (size_t)f->feed->batch * f->p->size * pyr_type_size(k->real);

    PYR_TRY(pyr_level_vector_new(&f->vector, f->level, k, f->feed->batch, false));
    PYR_TRY(pyr_new(&f->variable, lanes, sizeof *f->variable, what));
    for (size_t i = 0; i < lanes; i++)
        PYR_TRY(pyr_alloc(k, &f->variable[i], bytes, what));
    return pyr_run_tasks(k, (int)((f->p->n + f->feed->batch - 1) / f->feed->batch), fetch, f);
}

static double inner(const float *a, const double *b, size_t size)
{
    double sum = 0;

    for (size_t j = 0; j < size; j++)
        sum += (double)a[j] * b[j];
    return sum;
}

pyr_status pyr_parzen_new(pyr_parzen *out, const pyr_level *level, pyr_feed *feed)
{
    fetching f = {.p = out, .feed = feed, .level = level};
    pyr_status status;

    *out =
        (pyr_parzen){.n = pyr_dataset_count(feed->data, PYR_SPLIT_TRAIN), .size = pyr_count(level->variable)};
    if ((double)out->n * (double)out->size > PYR_PARZEN_MOST)
        return pyr_fail(
            PYR_E_CONFIG,
            "objective explicit goes by all images of the training set at each of them: level %d has %" PRId64
            " of %zu numbers, at most %d numbers in all are offered; give fewer images, or take "
            "denoising, which has the same gradient in the mean",
            level->facts.index, out->n, out->size, PYR_PARZEN_MOST);
    PYR_TRY(pyr_new(&out->z, (size_t)out->n * out->size, sizeof *out->z, what));
    PYR_TRY(pyr_new(&out->half, (size_t)out->n, sizeof *out->half, what));
    PYR_TRY(pyr_new(&out->room, 2 * out->size + (size_t)out->n, sizeof *out->room, what));
    status = fetch_all(&f);
    for (int i = 0; f.variable && i < feed->lanes; i++)
        pyr_release(feed->k, f.variable[i]);
    pyr_free(f.variable);
    pyr_release(feed->k, f.vector);
    for (int64_t i = 0; i < out->n; i++)
        for (size_t j = 0; j < out->size; j++) {
            double z = (double)out->z[(size_t)i * out->size + j];

            out->half[i] += z * z / 2;
        }
    return status;
}

void pyr_parzen_free(pyr_parzen *p)
{
    pyr_free(p->z);
    pyr_free(p->half);
    pyr_free(p->room);
    *p = (pyr_parzen){0};
}

void pyr_parzen_mean(const pyr_parzen *p, const double *x, double s, double *mean, double *weight)
{
    double most = -INFINITY, sum = 0;

    for (int64_t i = 0; i < p->n; i++) {
        weight[i] = (inner(p->z + (size_t)i * p->size, x, p->size) - p->half[i]) / (s * s);
        most = fmax(most, weight[i]);
    }
    for (int64_t i = 0; i < p->n; i++)
        sum += weight[i] = exp(weight[i] - most);
    for (size_t j = 0; j < p->size; j++)
        mean[j] = 0;
    for (int64_t i = 0; i < p->n; i++) {
        const float *z = p->z + (size_t)i * p->size;
        double w = weight[i] / sum;

        if (w < 1e-12) /* nothing of it is left in a float */
            continue;
        for (size_t j = 0; j < p->size; j++)
            mean[j] += w * (double)z[j];
    }
}
