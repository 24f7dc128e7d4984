/* held_out.c - the loss on held-out images, with noise that never changes. */
#include "training/held_out.h"

#include "base/mem.h"
#include "levels/loss.h"
#include <math.h>

enum { MOST_HELD_OUT = 1024 };
/* The same for every run. */
static const uint64_t held_out_seed = UINT64_C(0x48454c442d4f5554);

typedef struct held_out_work {
    pyr_feed *feed;
    pyr_loss loss;
    int images;
    int64_t *index; /* [images] */
    int32_t *label;
    double *losses;
} held_out_work;

static pyr_status held_out_task(void *arg, int task, int lane)
{
    held_out_work *w = arg;
    pyr_feed *feed = w->feed;
    const int32_t *labels = pyr_dataset_labels(feed->data, PYR_SPLIT_HELD_OUT);
    int first = task * feed->batch, n = w->images - first < feed->batch ? w->images - first : feed->batch;

    PYR_TRY(
        pyr_feed_level(feed, lane,
                       &(pyr_pick){.split = PYR_SPLIT_HELD_OUT,
                                   .n = n,
                                   .index = w->index + first,
                                   .seed = held_out_seed,
                                   .first = (uint32_t)first},
                       w->loss.level->facts.index, pyr_graph_data(w->loss.g, lane, w->loss.variable),
                       w->loss.condition >= 0 ? pyr_graph_data(w->loss.g, lane, w->loss.condition) : NULL));
    PYR_TRY(pyr_loss_draw(&w->loss, lane,
                          &(pyr_draw){.seed = held_out_seed,
                                      .first = first,
                                      .n = n,
                                      .batch = w->images,
                                      .labels = labels ? w->label + first : NULL}));
    PYR_TRY(pyr_graph_forward(w->loss.g, lane));
    return pyr_download_reals(feed->k, w->losses + first, pyr_graph_data(w->loss.g, lane, w->loss.loss),
                              (size_t)n);
}

static pyr_status held_out_pass(held_out_work *w, const void *block, double *mean)
{
    pyr_kernels *k = w->feed->k;
    double sum = 0;

    PYR_TRY(pyr_graph_pack(w->loss.g, block));
    PYR_TRY(pyr_run_tasks(k, (w->images + w->feed->batch - 1) / w->feed->batch, held_out_task, w));
    for (int i = 0; i < w->images; i++)
        sum += w->losses[i];
    *mean = sum / w->images;
    return PYR_OK;
}

static void put_bins(pyr_held_out *out, const held_out_work *w)
{
    for (int b = 0; b < PYR_NOISE_BINS; b++) {
        int from = w->images * b / PYR_NOISE_BINS, to = w->images * (b + 1) / PYR_NOISE_BINS;

        out->bin[b] = to > from ? 0 : NAN;
        for (int i = from; i < to; i++)
            out->bin[b] += w->losses[i] / (to - from);
        out->bin_sigma[b] =
            pyr_noise_quantile(&w->loss.noise, &w->loss.level->schedule, (b + 0.5) / PYR_NOISE_BINS);
    }
}

pyr_status pyr_held_out_measure(pyr_held_out *out, const pyr_level *level, pyr_feed *feed, pyr_params *params,
                                const void *raw, const void *ema)
{
    int64_t count = pyr_dataset_count(feed->data, PYR_SPLIT_HELD_OUT);
    const int32_t *labels = pyr_dataset_labels(feed->data, PYR_SPLIT_HELD_OUT);
    held_out_work w = {.feed = feed, .images = count < MOST_HELD_OUT ? (int)count : MOST_HELD_OUT};
    pyr_status status = PYR_OK;

    *out = (pyr_held_out){0};
    /* Without labels they are images of "no class", which is a class only where training had it. */
    if (w.images == 0 || (level->facts.classes && !labels && !(level->facts.class_dropout > 0)))
        return PYR_OK;
    PYR_TRY_OUT(pyr_new(&w.losses, (size_t)w.images, sizeof *w.losses, "held-out loss"));
    PYR_TRY_OUT(pyr_new(&w.index, (size_t)w.images, sizeof *w.index, "held-out loss"));
    PYR_TRY_OUT(pyr_new(&w.label, (size_t)w.images, sizeof *w.label, "held-out loss"));
    for (int i = 0; i < w.images; i++) {
        w.index[i] = i * count / w.images;
        w.label[i] = labels ? labels[w.index[i]] : 0;
    }
    PYR_TRY_OUT(pyr_loss_new(&w.loss, feed->k, params, level, &(pyr_loss_plan){.batch = feed->batch}));
    PYR_TRY_OUT(held_out_pass(&w, raw, &out->raw));
    PYR_TRY_OUT(held_out_pass(&w, ema, &out->ema));
    out->images = w.images;
    put_bins(out, &w);
out:
    pyr_loss_free(&w.loss);
    pyr_free(w.losses);
    pyr_free(w.index);
    pyr_free(w.label);
    return status;
}
