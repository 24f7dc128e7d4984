/* held_out.h - the loss of a level on held-out images, with noise that never changes. */
#ifndef PYR_TRAINING_HELD_OUT_H
#define PYR_TRAINING_HELD_OUT_H

#include "graph/params.h"
#include "levels/level.h"

enum { PYR_NOISE_BINS = 8 };

/* The mean, and by noise level (bins of equal probability in training, from the lowest noise up). */
typedef struct pyr_held_out {
    int images; /* 0: not measured */
    double ema, raw;
    double bin[PYR_NOISE_BINS];       /* of the EMA; NAN where there are too few images for the bin */
    double bin_sigma[PYR_NOISE_BINS]; /* the bins' middle sigma */
} pyr_held_out;

/* Of at most 1024 images, evenly spaced in the held-out split of the feed's data, on real coarse images
 * without augmentation; `raw` and `ema` are blocks of `params`. The graph is made for the occasion, so that
 * training has its memory for itself. */
pyr_status pyr_held_out_measure(pyr_held_out *out, const pyr_level *level, pyr_feed *feed, pyr_params *params,
                                const void *raw, const void *ema);

#endif
