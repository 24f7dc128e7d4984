/* ways_f32.h - the ways to compute convolutions of floats, of the instruction set that is compiled for. */
#ifndef PYR_KERNELS_SIMD_WAYS_F32_H
#define PYR_KERNELS_SIMD_WAYS_F32_H

#include "kernels/processor.h"
#include "kernels/simd/conv_f32.h"

extern const pyr_conv_f32 OF_SET(pyr_winograd), OF_SET(pyr_product), OF_SET(pyr_few), OF_SET(pyr_shifted);

#endif
