/* data_spectra.c - what the levels of a run learn from, by frequency. */
#include "report/data_spectra.h"

#include "base/mem.h"
#include "levels/feed.h"
#include "pyramid/spectrum.h"
#include <math.h>

enum { BATCH = 16, MOST_IMAGES = 2048, LEAST_IMAGES = 64, BANDS = 3 };
/* Numbers of level 0 that are looked at, about: some seconds. */
static const double most_numbers = 64e6;

typedef struct measuring {
    const pyr_dataset *data;
    pyr_kernels *k;
    pyr_feed *feed;
    int level, bands;
    pyr_shape shape; /* of the variable, n = 1 */
    int64_t images;
    void *variable; /* backend, BATCH images */
    float *host;    /* the same */
    double mean[BANDS], scale[BANDS];
} measuring;

/* Images first .. into m->host; how many. */
static pyr_status fetch(measuring *m, int64_t first, int *n)
{
    int64_t index[BATCH], count = pyr_dataset_count(m->data, PYR_SPLIT_TRAIN);
    pyr_pick pick = {.split = PYR_SPLIT_TRAIN, .index = index};

    while (pick.n < BATCH && first + pick.n < m->images) {
        index[pick.n] = (first + pick.n) * count / m->images;
        pick.n++;
    }
    *n = pick.n;
    PYR_TRY(pyr_feed_level(m->feed, 0, &pick, m->level, m->variable, NULL));
    pyr_download(m->k, m->host, m->variable, (size_t)pick.n * pyr_count(m->shape) * sizeof *m->host);
    return pyr_sync(m->k);
}

static int band_of(const measuring *m, size_t i)
{
    return (int)(i % (size_t)m->shape.c) / (m->shape.c / m->bands);
}

static pyr_status measure_bands(measuring *m)
{
    double n[BANDS] = {0}, sum[BANDS] = {0}, square[BANDS] = {0};

    for (int64_t first = 0; first < m->images; first += BATCH) {
        int got;

        PYR_TRY(fetch(m, first, &got));
        for (size_t i = 0; i < (size_t)got * pyr_count(m->shape); i++) {
            int b = band_of(m, i);

            n[b]++;
            sum[b] += (double)m->host[i];
            square[b] += (double)m->host[i] * (double)m->host[i];
        }
    }
    for (int b = 0; b < m->bands; b++) {
        double std;

        m->mean[b] = sum[b] / n[b];
        std = sqrt(fmax(0, square[b] / n[b] - m->mean[b] * m->mean[b]));
        if (!(std > 1e-9))
            return pyr_fail(PYR_E_FORMAT, "level %d is the same number everywhere in all images", m->level);
        m->scale[b] = 1 / std;
    }
    return PYR_OK;
}

static pyr_status measure_power(measuring *m, pyr_level_spectrum *out)
{
    pyr_spectrum *spectrum;
    pyr_status status = PYR_OK;

    out->bins = pyr_spectrum_bins(out->h, out->w);
    PYR_TRY(pyr_new(&out->power, (size_t)out->bins, sizeof *out->power, "a spectrum"));
    PYR_TRY(pyr_spectrum_new(&spectrum, out->h, out->w, out->c));
    for (int64_t first = 0; first < m->images; first += BATCH) {
        int n;

        PYR_TRY_OUT(fetch(m, first, &n));
        for (size_t i = 0; i < (size_t)n * pyr_count(m->shape); i++) {
            int b = band_of(m, i);

            m->host[i] = (float)(((double)m->host[i] - m->mean[b]) * m->scale[b]);
        }
        pyr_spectrum_add(spectrum, n, m->host);
    }
    pyr_spectrum_mean(spectrum, out->power);
out:
    pyr_spectrum_free(spectrum);
    return status;
}

static pyr_status fill_sigmas(pyr_level_spectrum *out, const pyr_level_settings *settings)
{
    pyr_schedule schedule;
    pyr_noise noise;

    PYR_TRY(pyr_level_training_noise(&noise, settings));
    PYR_TRY(pyr_level_schedule(&schedule, settings, sqrt((double)out->h * out->w)));
    out->sigma[0] = pyr_schedule_s(&schedule, pyr_schedule_t_min(&schedule));
    for (int i = 1; i < PYR_SPECTRA_SIGMAS - 1; i++)
        out->sigma[i] = pyr_noise_quantile(&noise, &schedule, i / 4.0);
    out->sigma[PYR_SPECTRA_SIGMAS - 1] = pyr_schedule_s(&schedule, pyr_schedule_t_max(&schedule));
    return PYR_OK;
}

static pyr_status measure_level(measuring *m, pyr_level_spectrum *out, const pyr_pyramid *pyramid,
                                const pyr_level_settings *settings)
{
    pyr_status status = PYR_OK;
    size_t numbers;

    m->shape = pyr_pyramid_variable_shape(pyramid, m->level);
    m->bands = m->shape.c == pyr_pyramid_image_shape(pyramid, m->level).c ? 1 : BANDS;
    numbers = BATCH * pyr_count(m->shape);
    out->h = m->shape.h;
    out->w = m->shape.w;
    out->c = m->shape.c;
    PYR_TRY_OUT(pyr_alloc(m->k, &m->variable, numbers * sizeof(float), "images of a level"));
    PYR_TRY_OUT(pyr_new(&m->host, numbers, sizeof *m->host, "images of a level"));
    PYR_TRY_OUT(measure_bands(m));
    PYR_TRY_OUT(measure_power(m, out));
    PYR_TRY_OUT(fill_sigmas(out, settings));
out:
    pyr_release(m->k, m->variable);
    pyr_free(m->host);
    m->variable = NULL;
    m->host = NULL;
    return status;
}

pyr_status pyr_data_spectra_measure(pyr_data_spectra *out, const pyr_config *config)
{
    pyr_dataset *data = NULL;
    pyr_kernels *k = NULL;
    pyr_pyramid *pyramid = NULL;
    pyr_feed feed = {0};
    measuring m = {.feed = &feed};
    pyr_dataset_shape shape;
    double affordable;
    pyr_status status;

    *out = (pyr_data_spectra){0};
    PYR_TRY_OUT(pyr_dataset_open(&data, &config->data.set));
    PYR_TRY_OUT(pyr_kernels_ref(&k, PYR_F32, 1));
    shape = pyr_dataset_shape_of(data);
    PYR_TRY_OUT(pyr_pyramid_new(&pyramid, k, &config->pyramid, shape.h, shape.w, shape.c));
    PYR_TRY_OUT(pyr_feed_new(&feed, k, data, pyramid, BATCH, 1));
    affordable = most_numbers / ((double)shape.h * shape.w * shape.c);
    m.data = data;
    m.k = k;
    m.images = (int64_t)fmin(fmax(affordable, LEAST_IMAGES), MOST_IMAGES);
    if (m.images > pyr_dataset_count(data, PYR_SPLIT_TRAIN))
        m.images = pyr_dataset_count(data, PYR_SPLIT_TRAIN);
    out->images = m.images;
    out->levels = config->pyramid.levels;
    for (m.level = 0; m.level < out->levels; m.level++)
        PYR_TRY_OUT(measure_level(&m, &out->level[m.level], pyramid, &config->level[m.level]));
out:
    pyr_feed_free(&feed);
    pyr_pyramid_free(pyramid);
    pyr_kernels_free(k);
    pyr_dataset_free(data);
    if (status != PYR_OK)
        pyr_data_spectra_free(out);
    return status;
}

void pyr_data_spectra_free(pyr_data_spectra *s)
{
    for (int i = 0; i < PYR_MAX_LEVELS; i++)
        pyr_free(s->level[i].power);
    *s = (pyr_data_spectra){0};
}
