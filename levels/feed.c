/* feed.c - images of a data set, their pyramid, variable and condition. */
#include "levels/feed.h"

#include "base/mem.h"
#include "base/philox.h"
#include "images/transform.h"
#include <math.h>
#include <string.h>

pyr_status pyr_feed_new(pyr_feed *feed, pyr_kernels *k, const pyr_dataset *data, const pyr_pyramid *pyramid,
                        int batch, int lanes)
{
    size_t real = pyr_type_size(k->real);

    *feed = (pyr_feed){.k = k, .data = data, .pyramid = pyramid, .batch = batch, .lanes = lanes};
    feed->image_size = pyr_count(pyr_pyramid_image_shape(pyramid, 0));
    PYR_TRY(pyr_new(&feed->room, pyr_dataset_sample_bytes(data), 1, "an image to transform"));
    PYR_TRY(pyr_new(&feed->lane, (size_t)lanes, sizeof *feed->lane, "feed"));
    for (pyr_feed_lane *l = feed->lane; l < feed->lane + lanes; l++) {
        size_t bytes = pyr_feed_gather_bytes(feed, batch);

        PYR_TRY(pyr_new(&l->host, bytes, 1, "images of a batch"));
        if (k->backend->host_memory)
            l->block = l->host;
        else
            PYR_TRY(pyr_alloc(k, &l->block, bytes, "images of a batch"));
        PYR_TRY(pyr_alloc(k, &l->images, (size_t)batch * feed->image_size * real, "images of a batch"));
        PYR_TRY(pyr_alloc(k, &l->scratch, pyr_pyramid_scratch(pyramid, batch), "pyramid of a batch"));
    }
    return PYR_OK;
}

void pyr_feed_free(pyr_feed *feed)
{
    for (pyr_feed_lane *l = feed->lane; l && l < feed->lane + feed->lanes; l++) {
        if (!feed->k->backend->host_memory)
            pyr_release(feed->k, l->block);
        pyr_free(l->host);
        pyr_release(feed->k, l->images);
        pyr_release(feed->k, l->scratch);
    }
    pyr_free(feed->lane);
    pyr_free(feed->room);
    *feed = (pyr_feed){0};
}

size_t pyr_feed_bytes(const pyr_feed *feed)
{
    size_t images = (size_t)feed->batch * feed->image_size * pyr_type_size(feed->k->real);
    size_t gathered = pyr_feed_gather_bytes(feed, feed->batch) * (feed->k->backend->host_memory ? 1 : 2);

    return (size_t)feed->lanes * (images + gathered + pyr_pyramid_scratch(feed->pyramid, feed->batch));
}

/* ---- two phases -------------------------------------------------------------------------------- */

/* Where things lie among `images` gathered images; samples begin at 0. */
static size_t flips_at(const pyr_feed *feed, int images)
{
    return pyr_aligned((size_t)images * pyr_dataset_sample_bytes(feed->data));
}

static size_t streams_at(const pyr_feed *feed, int images)
{
    return flips_at(feed, images) + pyr_aligned((size_t)images * sizeof(uint32_t));
}

size_t pyr_feed_gather_bytes(const pyr_feed *feed, int images)
{
    return streams_at(feed, images) + pyr_aligned((size_t)images * PYR_STREAM_WORDS * sizeof(uint32_t));
}

/* The transformed image, by way of the feed's room. */
static void transform(const pyr_feed *feed, const pyr_pick *pick, int i, void *samples)
{
    pyr_dataset_shape s = pyr_dataset_shape_of(feed->data);
    pyr_transform t;

    pyr_transform_draw(&t, pick->seed, pick->first + (uint32_t)i, pick->step, pick->transform);
    if (t.nothing)
        return;
    memcpy(feed->room, samples, pyr_dataset_sample_bytes(feed->data));
    pyr_transform_apply(&t, samples, feed->room, s.h, s.w, s.c, s.bits);
}

pyr_status pyr_feed_gather(const pyr_feed *feed, const pyr_pick *pick, void *host)
{
    size_t bytes = pyr_dataset_sample_bytes(feed->data);
    uint32_t *flip = (uint32_t *)(void *)((char *)host + flips_at(feed, pick->n));
    uint32_t *stream = (uint32_t *)(void *)((char *)host + streams_at(feed, pick->n));

    for (int i = 0; i < pick->n; i++, stream += PYR_STREAM_WORDS) {
        char *samples = (char *)host + (size_t)i * bytes;

        PYR_TRY(pyr_dataset_read(feed->data, pick->split, pick->index[i], samples));
        if (pick->transform > 0)
            transform(feed, pick, i, samples);
        flip[i] = pick->flip && pick->flip[i];
        stream[0] = (uint32_t)pick->seed;
        stream[1] = (uint32_t)(pick->seed >> 32);
        stream[2] = pick->first + (uint32_t)i;
        stream[3] = pick->step;
    }
    return PYR_OK;
}

/* A sample of b bits stands for a cell of width 2^(1-b) (pictures/pixels.h), over which dequantising spreads
 * it. */
static void put_images(pyr_feed *feed, int lane, const pyr_piece *piece)
{
    pyr_kernels *k = feed->k;
    const char *block = piece->block;
    int bits = pyr_dataset_shape_of(feed->data).bits;
    size_t first = (size_t)piece->first;
    const void *flip = block + flips_at(feed, piece->images) + first * sizeof(uint32_t);
    const void *stream =
        block + streams_at(feed, piece->images) + first * PYR_STREAM_WORDS * sizeof(uint32_t);

    k->backend->pixels(k, feed->lane[lane].images, block + first * pyr_dataset_sample_bytes(feed->data),
                       piece->n, pyr_pyramid_image_shape(feed->pyramid, 0), bits, flip);
    if (feed->dequantise)
        k->backend->dither(k, feed->lane[lane].images, piece->n, feed->image_size, ldexp(1, -bits), stream,
                           pyr_rng_purpose(PYR_RNG_DITHER, 0));
}

void pyr_feed_level_of(pyr_feed *feed, int lane, const pyr_piece *piece, int level, void *variable,
                       void *condition)
{
    put_images(feed, lane, piece);
    pyr_pyramid_analyze(feed->pyramid, piece->n, feed->lane[lane].images, level, variable, condition,
                        feed->lane[lane].scratch);
}

void pyr_feed_pyramid_of(pyr_feed *feed, int lane, const pyr_piece *piece, void *const *variable,
                         void *const *condition)
{
    put_images(feed, lane, piece);
    pyr_pyramid_analyze_all(feed->pyramid, piece->n, feed->lane[lane].images, variable, condition,
                            feed->lane[lane].scratch);
}

/* ---- at once ----------------------------------------------------------------------------------- */

static pyr_status gather_at_once(pyr_piece *out, pyr_feed *feed, int lane, const pyr_pick *pick)
{
    PYR_TRY(pyr_feed_gather(feed, pick, feed->lane[lane].host));
    if (!feed->k->backend->host_memory)
        pyr_upload(feed->k, feed->lane[lane].block, feed->lane[lane].host,
                   pyr_feed_gather_bytes(feed, pick->n));
    *out = (pyr_piece){feed->lane[lane].block, pick->n, 0, pick->n};
    return PYR_OK;
}

pyr_status pyr_feed_level(pyr_feed *feed, int lane, const pyr_pick *pick, int level, void *variable,
                          void *condition)
{
    pyr_piece piece;

    PYR_TRY(gather_at_once(&piece, feed, lane, pick));
    pyr_feed_level_of(feed, lane, &piece, level, variable, condition);
    return PYR_OK;
}

pyr_status pyr_feed_pyramid(pyr_feed *feed, int lane, const pyr_pick *pick, void *const *variable,
                            void *const *condition)
{
    pyr_piece piece;

    PYR_TRY(gather_at_once(&piece, feed, lane, pick));
    pyr_feed_pyramid_of(feed, lane, &piece, variable, condition);
    return PYR_OK;
}
