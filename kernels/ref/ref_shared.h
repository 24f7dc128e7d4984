/* ref_shared.h - the reference's float functions that the CPU backend has none of its own for. */
#ifndef PYR_KERNELS_REF_SHARED_H
#define PYR_KERNELS_REF_SHARED_H

#include "kernels/kernels.h"

extern const pyr_op_impl pyr_ref_embed, pyr_ref_time_positional, pyr_ref_time_fourier, pyr_ref_cross_entropy;

pyr_status pyr_ref_mean(pyr_kernels *k, float *out, const void *values, size_t count, double weight,
                        bool add);
pyr_status pyr_ref_dots(pyr_kernels *k, double *out, const void *a, const void *b, int n, size_t size);
void pyr_ref_haar_split(pyr_kernels *k, void *dst, const void *x, pyr_shape s);
void pyr_ref_haar_merge(pyr_kernels *k, void *x, pyr_shape s, const void *coarse, const void *details);

#endif
