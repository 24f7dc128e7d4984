/* feed.h - from a data set to what a level learns: images, their pyramid, variable and condition. */
#ifndef PYR_LEVELS_FEED_H
#define PYR_LEVELS_FEED_H

#include "images/dataset.h"
#include "pyramid/pyramid.h"

typedef struct pyr_feed {
    pyr_kernels *k; /* borrowed, as the next two */
    const pyr_dataset *data;
    const pyr_pyramid *pyramid;
    int batch; /* images a lane takes at a time */
    int lanes;
    size_t image_size; /* numbers of an image at level 0 */
    bool dequantise;   /* add U(-2^-b, 2^-b) to every number, b being the data's bits; false at first */
    float **host;      /* [lane]: one image */
    void **images, **scratch; /* [lane], backend memory */
} pyr_feed;

pyr_status pyr_feed_new(pyr_feed *feed, pyr_kernels *k, const pyr_dataset *data, const pyr_pyramid *pyramid,
                        int batch, int lanes);
void pyr_feed_free(pyr_feed *feed);
size_t pyr_feed_bytes(const pyr_feed *feed);

/* Images of a batch: n <= feed->batch indices of a split, each mirrored or not (flips NULL: none is). */
typedef struct pyr_pick {
    pyr_split split;
    int n;
    const int64_t *index;
    const bool *flip;
    /* With feed->dequantise, the noise of image i comes from the stream (seed, first + i, step): the same at
     * every level, lane and size of a batch. */
    uint64_t seed;
    uint32_t first, step;
} pyr_pick;

/* Their variable and condition at `level` (backend memory; condition NULL: not wanted). Allocates nothing. */
pyr_status pyr_feed_level(pyr_feed *feed, int lane, const pyr_pick *pick, int level, void *variable,
                          void *condition);

/* The same for all levels: variable[i] and condition[i] of level i. */
pyr_status pyr_feed_pyramid(pyr_feed *feed, int lane, const pyr_pick *pick, void *const *variable,
                            void *const *condition);

#endif
