/* measure_nearest.c - the nearest training images: how far they are, and how many samples are copies. */
#include "base/mem.h"
#include "base/stop.h"
#include "eval/measure.h"
#include "eval/reference.h"
#include "pictures/grid.h"
#include "pictures/pixels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void free_neighbours(pyr_neighbours *found)
{
    pyr_free(found->index);
    pyr_free(found->nearest);
    pyr_free(found->second);
}

static pyr_status new_neighbours(pyr_neighbours *found, int64_t n)
{
    PYR_TRY(pyr_new(&found->index, (size_t)n, sizeof *found->index, "neighbours"));
    PYR_TRY(pyr_new(&found->nearest, (size_t)n, sizeof *found->nearest, "neighbours"));
    return pyr_new(&found->second, (size_t)n, sizeof *found->second, "neighbours");
}

/* Neighbours among one more part of the training images, which begins at `first`. */
static void merge(pyr_neighbours *all, const pyr_neighbours *part, int64_t n, int64_t first)
{
    for (int64_t i = 0; i < n; i++) {
        if (first == 0 || part->nearest[i] < all->nearest[i]) {
            float old = first == 0 ? INFINITY : all->nearest[i];

            all->second[i] = part->second[i] < old ? part->second[i] : old;
            all->nearest[i] = part->nearest[i];
            all->index[i] = first + part->index[i];
        } else if (part->nearest[i] < all->second[i])
            all->second[i] = part->nearest[i];
    }
}

/* Training images first .. first + m - 1 in `bits`, whatever their own are. */
static pyr_status put_training(float *dst, const pyr_dataset *data, int64_t first, int64_t m, int bits)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(data);
    size_t size = (size_t)s.h * (size_t)s.w * (size_t)s.c;
    pyr_image own = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_image_new(&own, s.h, s.w, s.c, s.bits, "a training image"));
    for (int64_t j = 0; j < m; j++) {
        PYR_TRY_OUT(pyr_dataset_read(data, PYR_SPLIT_TRAIN, first + j, own.at));
        PYR_TRY_OUT(pyr_image_to_values(dst + (size_t)j * size, &own, s.c, bits));
    }
out:
    pyr_image_free(&own);
    return status;
}

/* On pixels, a part of the training images at a time: as floats they take four times their memory. */
static pyr_status nearest_pixels(pyr_measuring *m, pyr_neighbours *found)
{
    enum { PART = 4096 };
    const pyr_image_set *set = m->job->samples;
    int64_t count = pyr_dataset_count(m->job->data, PYR_SPLIT_TRAIN), n = set->n;
    size_t size = (size_t)set->h * (size_t)set->w * (size_t)set->c;
    int bits = set->words && pyr_dataset_shape_of(m->job->data).bits == 16 ? 16 : 8;
    float *samples = NULL, *train = NULL;
    pyr_neighbours part = {0};
    pyr_status status = PYR_OK;

    PYR_TRY_OUT(pyr_new(&samples, (size_t)n * size, sizeof *samples, "images as floats"));
    PYR_TRY_OUT(pyr_new(&train, PART * size, sizeof *train, "images as floats"));
    PYR_TRY_OUT(new_neighbours(&part, n));
    pyr_pixels_from_samples(samples, pyr_image_set_at(set, 0, bits), bits, (size_t)n * size);
    for (int64_t first = 0; first < count;) {
        int64_t some = count - first < PART ? count - first : PART;

        if (count - first - some == 1) /* a part has a nearest and a second image */
            some -= some > 2;
        if (pyr_stop_requested())
            PYR_TRY_OUT(pyr_fail(PYR_E_STOPPED, "stopped"));
        PYR_TRY_OUT(put_training(train, m->job->data, first, some, bits));
        PYR_TRY_OUT(pyr_nearest_vectors(&part, n, samples, some, train, (int)size, m->job->k->pool));
        merge(found, &part, n, first);
        first += some;
    }
out:
    free_neighbours(&part);
    pyr_free(samples);
    pyr_free(train);
    return status;
}

static pyr_status nearest_features(pyr_measuring *m, pyr_neighbours *found)
{
    pyr_image_set train = {0};
    float *features = NULL;
    bool cached;
    pyr_status status;

    PYR_TRY_OUT(pyr_image_set_data(&train, m->job->data, PYR_SPLIT_TRAIN, 0));
    PYR_TRY_OUT(pyr_reference_features(&features, &cached, m->network, &train,
                                       pyr_dataset_fingerprint(m->job->data), "train", m->job->cache));
    m->out->from_cache += cached;
    status =
        pyr_nearest_vectors(found, m->job->samples->n, m->samples, train.n, features, m->d, m->job->k->pool);
out:
    pyr_free(features);
    pyr_image_set_free(&train);
    return status;
}

typedef struct suspect {
    double ratio;
    int64_t at;
} suspect;

static int by_ratio(const void *a, const void *b)
{
    const suspect *x = a, *y = b;

    return x->ratio < y->ratio ? -1 : x->ratio > y->ratio ? 1 : x->at < y->at ? -1 : x->at > y->at;
}

/* Columns of pairs: a sample and, right beside it, its nearest training image; the most suspicious first. */
static pyr_status write_sheet(const pyr_measuring *m, const pyr_neighbours *found)
{
    enum { COLUMNS = 6, ROWS = 8 };
    const pyr_image_set *set = m->job->samples;
    int64_t n = set->n, shown = n < COLUMNS * ROWS ? n : COLUMNS * ROWS;
    size_t size = (size_t)set->h * (size_t)set->w * (size_t)set->c;
    suspect *order = NULL;
    float *pairs = NULL;
    pyr_panel panel[COLUMNS];
    pyr_png_text texts[] = {{"Description", "pairs: a sample and its nearest training image"}};
    pyr_status status = PYR_OK;
    int panels = 0, bits = set->words ? 16 : 8;

    PYR_TRY_OUT(pyr_new(&order, (size_t)n, sizeof *order, "an order of images"));
    PYR_TRY_OUT(pyr_new(&pairs, 2 * (size_t)shown * size, sizeof *pairs, "images of the sheet"));
    for (int64_t i = 0; i < n; i++)
        order[i] = (suspect){found->second[i] > 0 ? (double)(found->nearest[i] / found->second[i]) : 1, i};
    qsort(order, (size_t)n, sizeof *order, by_ratio);
    for (int64_t i = 0; i < shown; i++) {
        float *at = pairs + 2 * (size_t)i * size;

        pyr_pixels_from_samples(at, pyr_image_set_at(set, order[i].at, bits), bits, size);
        PYR_TRY_OUT(
            pyr_dataset_pixels(m->job->data, PYR_SPLIT_TRAIN, found->index[order[i].at], false, at + size));
    }
    for (int64_t first = 0; first < shown; first += ROWS, panels++) {
        int64_t rows = shown - first < ROWS ? shown - first : ROWS;

        panel[panels] = (pyr_panel){pairs + 2 * (size_t)first * size, 2 * (int)rows, set->h, set->w, set->c};
    }
    status = pyr_grid_write(m->job->sheet, panel, panels,
                            (pyr_grid_style){.cols = 2, .rows = ROWS, .zoom = set->h < 64 ? 2 : 1}, texts, 1);
out:
    pyr_free(order);
    pyr_free(pairs);
    return status;
}

static pyr_status nearest(pyr_measuring *m)
{
    int64_t n = m->job->samples->n, train = pyr_dataset_count(m->job->data, PYR_SPLIT_TRAIN);
    pyr_neighbours found = {0};
    pyr_status status = PYR_OK;
    double sum = 0;

    PYR_TRY_OUT(new_neighbours(&found, n));
    PYR_TRY_OUT(m->network ? nearest_features(m, &found) : nearest_pixels(m, &found));
    for (int64_t i = 0; i < n; i++)
        sum += (double)found.nearest[i];
    m->about.reference = "the training images";
    m->about.n_reference = train;
    pyr_measured(m, &pyr_metric_nearest, -1, sum / (double)n, (double)NAN);
    pyr_measured(m, &pyr_metric_memorised, -1, pyr_memorised(n, found.nearest, found.second, 1.0 / 3),
                 (double)NAN);
    if (m->job->sheet)
        status = write_sheet(m, &found);
out:
    free_neighbours(&found);
    return status;
}

static bool no_second(char *reason, size_t room, const pyr_evaluate_job *job, const pyr_image_set *drawn)
{
    (void)drawn;
    if (pyr_dataset_count(job->data, PYR_SPLIT_TRAIN) >= 2)
        return false;
    snprintf(reason, room, "a nearest and a second nearest need 2 training images, there is 1");
    return true;
}

const pyr_metric pyr_metric_nearest = {
    .figure = {"nearest", NULL, NULL, NULL, 1, 0, false, false},
    .label = "distance to nearest",
    .of = PYR_OF_FIRST,
    .lacks = no_second,
    .measure = nearest,
    .definition = "mean distance of f(x) to the nearest training image's",
    .source = "",
};

const pyr_metric pyr_metric_memorised = {
    .figure = {"memorised", "memorised", "Memorised share", "%.4f", 1, -1, false, false},
    .label = "memorised (share)",
    .with = &pyr_metric_nearest,
    .of = PYR_OF_FIRST,
    .definition = "share of samples whose nearest training image is nearer than a third of the distance "
                  "to the second nearest, or is the same",
    .source = "Yoon et al. 2023",
};
