/* peak.h - what a machine can compute at most, to hold the speed of training against. */
#ifndef PYR_KERNELS_PEAK_H
#define PYR_KERNELS_PEAK_H

#include "kernels/kernels.h"

/* *gflops: GFLOP/s of products of that precision in registers, all lanes at work, measured in some 15 ms. A machine that
 * is busy shows less than it can do: *gflops is the largest that was measured here, this time or before, which is kept
 * beside the measured choices of the same machine (kernels/backend.h). NAN: nothing may be measured, or the backend
 * has no such products (a GPU, ref). Whole machine. */
pyr_status pyr_peak_measure(double *gflops, pyr_kernels *k, pyr_precision precision);

#endif
