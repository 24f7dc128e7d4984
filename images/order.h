/* order.h - which image comes when.
 *
 * A training run visits the data epoch by epoch, each in an order of its own. The image at a position of
 * the run depends on (seed, position) alone: nothing is stored, a resumed run goes on where it stopped, and
 * all levels see the same order. */
#ifndef PYR_IMAGES_ORDER_H
#define PYR_IMAGES_ORDER_H

#include <stdint.h>

/* Index (0 .. count-1) of the image at `position` of the run: a permutation of each epoch, made by a
 * Feistel network of 6 rounds on Philox, walked until the value is in range (Black & Rogaway 2002). */
int64_t pyr_order(uint64_t seed, int64_t position, int64_t count);

#endif
