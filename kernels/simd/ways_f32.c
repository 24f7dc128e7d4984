/* ways_f32.c - the ways to compute convolutions of floats, in the order in which they are asked whether they suit. */
#include "kernels/simd/ways_f32.h"

#include <stddef.h>

const pyr_conv_f32 *const OF_SET(pyr_convs)[] = {&OF_SET(pyr_shifted), &OF_SET(pyr_few),
                                                 &OF_SET(pyr_winograd), &OF_SET(pyr_product), NULL};
