/* range.h - which of a file's values are black and white.
 *
 * Samples of 8 and 16 bits span 0..255 and 0..65535, unless the setting data.range says what becomes -1 and
 * 1: masks of 0 and 1, scikit-learn's digits of 0..16, tomographies of 12 bits in 16. */
#ifndef PYR_PICTURES_RANGE_H
#define PYR_PICTURES_RANGE_H

#include "pictures/image.h"

/* The smallest and the largest sample; alpha is left aside. */
void pyr_image_extremes(const pyr_image *image, uint32_t *least, uint32_t *most);

/* Map low..high to 0..255 (8 bits) or 0..65535 (16), linearly, rounded, values outside clamped; in place,
 * alpha as it is. low < high. PYR_E_FORMAT when `high` is beyond what the image's bits hold; `name` is the
 * file. */
pyr_status pyr_image_spread(pyr_image *image, double low, double high, const char *name);

/* What data.range was probably meant to be, from the values of a whole data set that fill little of their
 * type: false when they fill an eighth of it or more. */
bool pyr_range_guess(double range[2], uint32_t least, uint32_t most, int bits);

#endif
