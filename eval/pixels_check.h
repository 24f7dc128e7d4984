/* pixels_check.h - what all comparisons of two sets of images ask first. */
#ifndef PYR_EVAL_PIXELS_CHECK_H
#define PYR_EVAL_PIXELS_CHECK_H

#include "eval/image_metrics.h"

/* Both sets have images (PYR_E_ARG), of one size (PYR_E_SHAPE). */
pyr_status pyr_pixels_check(const pyr_pixels_set *a, const pyr_pixels_set *b);

/* The depth at which the two are compared: 16 when both have it, else 8. */
int pyr_pixels_bits(const pyr_pixels_set *a, const pyr_pixels_set *b);

#endif
