#include "levels/feed.h"

#include "base/mem.h"
#include "base/philox.h"
#include <math.h>

pyr_status pyr_feed_new(pyr_feed *feed, pyr_kernels *k, const pyr_dataset *data, const pyr_pyramid *pyramid,
                        int batch, int lanes)
{
    size_t real = pyr_type_size(k->real), n = (size_t)lanes;

    *feed = (pyr_feed){.k = k, .data = data, .pyramid = pyramid, .batch = batch, .lanes = lanes};
    feed->image_size = pyr_count(pyr_pyramid_image_shape(pyramid, 0));
    PYR_TRY(pyr_new(&feed->host, n, sizeof *feed->host, "feed"));
    PYR_TRY(pyr_new(&feed->images, n, sizeof *feed->images, "feed"));
    PYR_TRY(pyr_new(&feed->scratch, n, sizeof *feed->scratch, "feed"));
    for (size_t i = 0; i < n; i++) {
        PYR_TRY(pyr_new(&feed->host[i], feed->image_size, sizeof(float), "an image"));
        PYR_TRY(k->alloc(k, &feed->images[i], (size_t)batch * feed->image_size * real, "images of a batch"));
        PYR_TRY(k->alloc(k, &feed->scratch[i], pyr_pyramid_scratch(pyramid, batch), "pyramid of a batch"));
    }
    return PYR_OK;
}

void pyr_feed_free(pyr_feed *feed)
{
    for (int i = 0; i < feed->lanes; i++) {
        if (feed->host)
            pyr_free(feed->host[i]);
        if (feed->images)
            feed->k->release(feed->k, feed->images[i]);
        if (feed->scratch)
            feed->k->release(feed->k, feed->scratch[i]);
    }
    pyr_free(feed->host);
    pyr_free(feed->images);
    pyr_free(feed->scratch);
    *feed = (pyr_feed){0};
}

size_t pyr_feed_bytes(const pyr_feed *feed)
{
    size_t images = (size_t)feed->batch * feed->image_size * pyr_type_size(feed->k->real);

    return (size_t)feed->lanes *
           (images + pyr_pyramid_scratch(feed->pyramid, feed->batch) + feed->image_size * sizeof(float));
}

/* The batch's buffer can be filled with floats right away. */
static bool is_direct(const pyr_kernels *k)
{
    return k->host_memory && k->real == PYR_F32;
}

/* A sample of b bits stands for a cell of width 2^(1-b) (images/pixels.h), over which it is spread. */
static void spread(const pyr_feed *feed, const pyr_pick *pick, int i, float *pixels)
{
    float half = ldexpf(1, -pyr_dataset_shape_of(feed->data).bits);

    for (size_t at = 0; at < feed->image_size; at += 4) {
        pyr_rng4 r = pyr_philox(pick->seed, (uint32_t)(at / 4), pick->first + (uint32_t)i, pick->step,
                                pyr_rng_purpose(PYR_RNG_DITHER, 0));

        for (size_t j = at; j < feed->image_size && j < at + 4; j++)
            pixels[j] += half * (2 * pyr_uniform(r.v[j - at]) - 1);
    }
}

static pyr_status put_images(pyr_feed *feed, int lane, const pyr_pick *pick)
{
    for (int i = 0; i < pick->n; i++) {
        bool direct = is_direct(feed->k);
        float *pixels =
            direct ? (float *)feed->images[lane] + (size_t)i * feed->image_size : feed->host[lane];

        pyr_dataset_pixels(feed->data, pick->split, pick->index[i], pick->flip && pick->flip[i], pixels);
        if (feed->dequantise)
            spread(feed, pick, i, pixels);
        if (!direct)
            PYR_TRY(pyr_upload_floats(feed->k,
                                      (char *)feed->images[lane] +
                                          (size_t)i * feed->image_size * pyr_type_size(feed->k->real),
                                      pixels, feed->image_size));
    }
    return PYR_OK;
}

pyr_status pyr_feed_level(pyr_feed *feed, int lane, const pyr_pick *pick, int level, void *variable,
                          void *condition)
{
    PYR_TRY(put_images(feed, lane, pick));
    pyr_pyramid_analyze(feed->pyramid, pick->n, feed->images[lane], level, variable, condition,
                        feed->scratch[lane]);
    return PYR_OK;
}

pyr_status pyr_feed_pyramid(pyr_feed *feed, int lane, const pyr_pick *pick, void *const *variable,
                            void *const *condition)
{
    PYR_TRY(put_images(feed, lane, pick));
    pyr_pyramid_analyze_all(feed->pyramid, pick->n, feed->images[lane], variable, condition,
                            feed->scratch[lane]);
    return PYR_OK;
}
