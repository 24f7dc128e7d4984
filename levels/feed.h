/* feed.h - from a data set to what a level learns: images, their pyramid, variable and condition. */
#ifndef PYR_LEVELS_FEED_H
#define PYR_LEVELS_FEED_H

#include "images/dataset.h"
#include "pyramid/pyramid.h"

/* Of a lane. */
typedef struct pyr_feed_lane {
    void *host;             /* images on their way */
    void *block;            /* the same in backend memory; host's own where that is the host's */
    void *images, *scratch; /* backend memory */
} pyr_feed_lane;

typedef struct pyr_feed {
    pyr_kernels *k; /* borrowed, as the next two */
    const pyr_dataset *data;
    const pyr_pyramid *pyramid;
    int batch; /* images a lane takes at a time */
    int lanes;
    size_t image_size; /* numbers of an image at level 0 */
    bool dequantise;   /* add U(-2^-b, 2^-b) to every number, b being the data's bits; false at first */
    void *room; /* of an image that is transformed: one thread at a time gathers with a pick's transform */
    pyr_feed_lane *lane;
} pyr_feed;

pyr_status pyr_feed_new(pyr_feed *feed, pyr_kernels *k, const pyr_dataset *data, const pyr_pyramid *pyramid,
                        int batch, int lanes);
void pyr_feed_free(pyr_feed *feed);
size_t pyr_feed_bytes(const pyr_feed *feed);

/* Images of a split, each mirrored or not (flip NULL: none is). What takes them at once takes at most
 * feed->batch. */
typedef struct pyr_pick {
    pyr_split split;
    int n;
    const int64_t *index;
    const bool *flip;
    /* With feed->dequantise, the noise of image i comes from the stream (seed, first + i, step): the same at
     * every level, lane and size of a batch. */
    uint64_t seed;
    uint32_t first, step;
    double
        transform; /* probability of each transformation (images/transform.h), of the same stream; 0: there are none */
} pyr_pick;

/* ---- in two phases: the host gathers a whole batch, lanes take their images from it -------------- */

/* Bytes of `images` images on their way to the backend: samples as they are stored, flips, streams. */
size_t pyr_feed_gather_bytes(const pyr_feed *feed, int images);
/* The pick's images (any number) into host memory. */
pyr_status pyr_feed_gather(const pyr_feed *feed, const pyr_pick *pick, void *host);

/* Images first .. first + n - 1 (n <= feed->batch) of the `images` that were gathered and now are in `block`,
 * backend memory. */
typedef struct pyr_piece {
    const void *block;
    int images, first, n;
} pyr_piece;

/* Variable and condition at `level`, or of all levels, as below; everything happens in the backend. */
void pyr_feed_level_of(pyr_feed *feed, int lane, const pyr_piece *piece, int level, void *variable,
                       void *condition);
void pyr_feed_pyramid_of(pyr_feed *feed, int lane, const pyr_piece *piece, void *const *variable,
                         void *const *condition);

/* ---- at once ------------------------------------------------------------------------------------- */

/* Their variable and condition at `level` (backend memory; condition NULL: not wanted). Allocates nothing. */
pyr_status pyr_feed_level(pyr_feed *feed, int lane, const pyr_pick *pick, int level, void *variable,
                          void *condition);

/* The same for all levels: variable[i] and condition[i] of level i. */
pyr_status pyr_feed_pyramid(pyr_feed *feed, int lane, const pyr_pick *pick, void *const *variable,
                            void *const *condition);

#endif
