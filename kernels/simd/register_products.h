/* register_products.h - products whose factors and sums stay in registers: as many as a thread can do. */
#ifndef PYR_KERNELS_SIMD_REGISTER_PRODUCTS_H
#define PYR_KERNELS_SIMD_REGISTER_PRODUCTS_H

#include <stdbool.h>
#include <stddef.h>

/* For each set (processor.h): do `rounds` rounds of them, of floats or of pairs of bf16 (of floats, too, where the set
 * has no products of bf16). Returns the FLOP that were done: a multiply-add counts two. *sum is what they come to, so
 * that they are wanted. */
typedef double pyr_register_run(float *sum, bool bf16, size_t rounds);
extern pyr_register_run pyr_register_products_base, pyr_register_products_avx2, pyr_register_products_avx512,
    pyr_register_products_avx512_bf16, pyr_register_products_avx512_amx;

#endif
