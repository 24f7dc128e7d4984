/* draws.h - what the metrics draw at random: streams of PYR_RNG_METRIC, distinguished by the word where a level stands. */
#ifndef PYR_EVAL_DRAWS_H
#define PYR_EVAL_DRAWS_H

#include "base/philox.h"

typedef enum pyr_metric_draw {
    PYR_DRAW_SUBSET = 0,   /* KID: counter {place, subset, set} */
    PYR_DRAW_PATCH = 1,    /* sliced Wasserstein: {patch, image, level}; word 0: y, word 1: x */
    PYR_DRAW_DIRECTION = 2 /* sliced Wasserstein: normals {element / 4, direction, level} */
} pyr_metric_draw;

#endif
