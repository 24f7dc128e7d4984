/* register_products.h - products whose factors and sums stay in registers: as many as a thread can do. */
#ifndef PYR_KERNELS_SIMD_REGISTER_PRODUCTS_H
#define PYR_KERNELS_SIMD_REGISTER_PRODUCTS_H

#include "kernels/simd/processor.h"

/* Do `rounds` rounds of them, of floats or of pairs of bf16 (where `set` has no products of bf16: of floats), by the
 * instructions of `set`, which this processor has. Returns the FLOP that were done: a multiply-add counts two. *sum
 * is what they come to, so that they are wanted. */
double pyr_register_products(float *sum, pyr_set set, bool bf16, size_t rounds);

#endif
