/* snapshot.c - a grid of samples beside conditions and real images. */
#include "training/snapshot.h"

#include "base/mem.h"
#include "levels/level_sample.h"
#include "pictures/grid.h"

enum { IMAGES = 16, PANELS = 3 }; /* condition, sample, real */

typedef struct drawing {
    pyr_kernels *k;
    const pyr_level *level;
    pyr_feed *feed;
    pyr_sampled_level sampled;
    uint32_t rows[IMAGES]; /* classes, where the network was never trained without one */
    bool has_rows;
    int batch;
    size_t size;          /* numbers of an image of the level */
    float *panel[PANELS]; /* host, IMAGES x size; the first is owned, and holds all */
} drawing;

/* Backend memory of one task, in one block. */
typedef struct buffers {
    void *all, *coarse, *condition, *variable, *image, *work, *scratch;
} buffers;

static pyr_status get_buffers(buffers *b, const drawing *d)
{
    pyr_kernels *k = d->k;
    const pyr_pyramid *p = d->feed->pyramid;
    int index = d->level->facts.index;
    size_t image = (size_t)d->batch * pyr_type_size(k->real), total = 0; /* of an image's numbers */
    bool coarsest = index == d->level->facts.levels - 1;
    const struct {
        void **place;
        size_t bytes;
    } parts[] = {
        {&b->coarse, coarsest ? 0 : image * pyr_count(pyr_pyramid_image_shape(p, index + 1))},
        {&b->condition, image * pyr_count(pyr_pyramid_condition_shape(p, index))},
        {&b->variable, image * pyr_count(d->level->variable)},
        {&b->image, image * d->size},
        {&b->work, pyr_level_sample_work(&d->sampled, k, d->batch)},
        {&b->scratch, pyr_pyramid_scratch(p, d->batch)},
    };
    enum { PARTS = sizeof parts / sizeof *parts };

    for (int i = 0; i < PARTS; i++)
        total += pyr_aligned(parts[i].bytes);
    PYR_TRY(pyr_alloc(k, &b->all, total, "snapshot"));
    for (int i = PARTS - 1; i >= 0; i--) {
        total -= pyr_aligned(parts[i].bytes);
        *parts[i].place = (char *)b->all + total;
    }
    return PYR_OK;
}

/* The images beside which samples are shown: held out, if there are any. */
static pyr_split shown_split(const drawing *d, int64_t *count)
{
    *count = pyr_dataset_count(d->feed->data, PYR_SPLIT_HELD_OUT);
    if (*count > 0)
        return PYR_SPLIT_HELD_OUT;
    *count = pyr_dataset_count(d->feed->data, PYR_SPLIT_TRAIN);
    return PYR_SPLIT_TRAIN;
}

/* "No class" is a row like the others: where it was not trained, each image is of the class of the real one
 * beside it, or of a training image when that has none. */
static void choose_rows(drawing *d)
{
    int64_t count;
    const int32_t *labels = pyr_dataset_labels(d->feed->data, shown_split(d, &count));
    const pyr_class_list *list = d->level->classes;

    if (!labels) {
        labels = pyr_dataset_labels(d->feed->data, PYR_SPLIT_TRAIN);
        count = pyr_dataset_count(d->feed->data, PYR_SPLIT_TRAIN);
    }
    d->has_rows = d->level->facts.classes && !(d->level->facts.class_dropout > 0) && labels;
    for (int i = 0; i < IMAGES && d->has_rows; i++) {
        int32_t label = labels[i * count / IMAGES];
        bool trained = label >= 0 && label < d->level->facts.classes && (!list || list->images[label] > 0);

        d->rows[i] = (uint32_t)(trained ? label : list ? list->can[i % list->n_can] : 0);
    }
}

/* Samples into b->variable. */
static pyr_status draw_samples(drawing *d, const buffers *b, int lane, int first, int n)
{
    uint64_t seeds[IMAGES];

    for (int i = 0; i < n; i++)
        seeds[i] = (uint64_t)(first + i);
    return pyr_level_sample(&d->sampled, d->k,
                            &(pyr_level_draw){.lane = lane,
                                              .n = n,
                                              .seeds = seeds,
                                              .condition = d->level->condition.c ? b->condition : NULL,
                                              .rows = d->has_rows ? d->rows + first : NULL,
                                              .work = b->work,
                                              .once = true},
                            b->variable);
}

static pyr_status draw_residual(drawing *d, const buffers *b, int lane, int first, int n)
{
    pyr_kernels *k = d->k;
    pyr_feed *feed = d->feed;
    int index = d->level->facts.index;
    int64_t picked[IMAGES], count;
    pyr_split split = shown_split(d, &count);
    pyr_pick pick = {.split = split, .n = n, .index = picked};
    size_t offset = (size_t)first * d->size, numbers = (size_t)n * d->size;

    for (int i = 0; i < n; i++)
        picked[i] = (first + i) * count / IMAGES;
    PYR_TRY(pyr_feed_level(feed, lane, &pick, index, b->variable, b->condition));
    pyr_pyramid_reduce(feed->pyramid, n, feed->lane[lane].images, index + 1, b->coarse, b->scratch);
    pyr_pyramid_reduce(feed->pyramid, n, feed->lane[lane].images, index, b->image, b->scratch);
    PYR_TRY(pyr_download_floats(k, d->panel[2] + offset, b->image, numbers));
    /* the condition as an image of the level: a residual of zero */
    pyr_zero(k, b->variable, (size_t)n * pyr_count(d->level->variable) * pyr_type_size(k->real));
    pyr_pyramid_synthesize(feed->pyramid, index, n, b->coarse, b->condition, b->variable, b->image,
                           b->scratch);
    PYR_TRY(pyr_download_floats(k, d->panel[0] + offset, b->image, numbers));
    PYR_TRY(draw_samples(d, b, lane, first, n));
    pyr_pyramid_project(feed->pyramid, index, n, b->coarse, b->condition, b->variable, b->scratch);
    pyr_pyramid_synthesize(feed->pyramid, index, n, b->coarse, b->condition, b->variable, b->image,
                           b->scratch);
    return pyr_download_floats(k, d->panel[1] + offset, b->image, numbers);
}

static pyr_status draw_task(void *arg, int task, int lane)
{
    drawing *d = arg;
    int first = task * d->batch, n = IMAGES - first < d->batch ? IMAGES - first : d->batch;
    buffers b = {0};
    pyr_status status;

    PYR_TRY_OUT(get_buffers(&b, d));
    if (d->level->facts.index < d->level->facts.levels - 1)
        status = draw_residual(d, &b, lane, first, n);
    else {
        PYR_TRY_OUT(draw_samples(d, &b, lane, first, n));
        status =
            pyr_download_floats(d->k, d->panel[1] + (size_t)first * d->size, b.variable, (size_t)n * d->size);
    }
out:
    pyr_release(d->k, b.all);
    return status;
}

static pyr_status write_grid(const char *path, const drawing *d)
{
    bool coarsest = d->level->facts.index == d->level->facts.levels - 1;
    pyr_shape s = pyr_pyramid_image_shape(d->feed->pyramid, d->level->facts.index);
    pyr_panel panel[PANELS];
    int n = 0;

    for (int p = 0; p < PANELS; p++)
        if (!coarsest || p == 1)
            panel[n++] = (pyr_panel){d->panel[p], IMAGES, s.h, s.w, s.c};
    return pyr_grid_write(path, panel, n, (pyr_grid_style){.rows = 4, .cols = 4, .zoom = s.h < 16 ? 4 : 2},
                          NULL, 0);
}

pyr_status pyr_snapshot_write(const char *path, pyr_kernels *k, const pyr_level *level, pyr_feed *feed,
                              const void *block)
{
    drawing d = {.k = k,
                 .level = level,
                 .feed = feed,
                 .batch = feed->batch < IMAGES / 2 ? feed->batch : IMAGES / 2,
                 .size = pyr_count(pyr_pyramid_image_shape(feed->pyramid, level->facts.index))};
    pyr_status status = PYR_OK;
    pyr_level plain = *level;

    plain.settings.sampler_guidance = 1;     /* there is no class to be guided to */
    plain.settings.sampler_augmentation = 0; /* no noise is put on the condition, so the channel says none */
    PYR_TRY_OUT(pyr_new(&d.panel[0], PANELS * IMAGES * d.size, sizeof(float), "snapshot"));
    for (int p = 1; p < PANELS; p++)
        d.panel[p] = d.panel[p - 1] + IMAGES * d.size;
    PYR_TRY_OUT(pyr_sampled_level_new(&d.sampled, k, &plain, NULL, block, d.batch));
    if (plain.settings.sampler.start == PYR_START_GAUSSIAN || plain.settings.sampler.start == PYR_START_CLASS)
        PYR_TRY_OUT(pyr_gaussian_measure(&d.sampled.gaussian, level, feed));
    if (pyr_sampler_measured(&plain.settings.sampler))
        PYR_TRY_OUT(pyr_score_moments_measure(&d.sampled.moments, &d.sampled.denoiser, feed,
                                              pyr_schedule_lowest(&d.sampled.schedule),
                                              pyr_schedule_highest(&d.sampled.schedule), IMAGES, 0));
    if (plain.settings.sampler.start == PYR_START_CLASS)
        PYR_TRY_OUT(pyr_class_fit_measure(&d.sampled.classes, level, feed, &d.sampled.gaussian));
    choose_rows(&d);
    PYR_TRY_OUT(pyr_run_tasks(k, (IMAGES + d.batch - 1) / d.batch, draw_task, &d));
    PYR_TRY_OUT(write_grid(path, &d));
out:
    pyr_sampled_level_free(&d.sampled, k);
    pyr_free(d.panel[0]);
    return status;
}
