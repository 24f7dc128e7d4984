/* pending.cu - rows that are not written yet; each goes away with its file. */
#include "kernels/cuda/cuda.h"
#define PENDING(row) extern const pyr_op_impl __attribute__((weak)) row = {0}
PENDING(pyr_cuda_noise); PENDING(pyr_cuda_dropout);
__attribute__((weak)) void pyr_cuda_fill_vectors(pyr_kernels *) {}
__attribute__((weak)) void pyr_cuda_fill_random(pyr_kernels *) {}
__attribute__((weak)) void pyr_cuda_fill_images(pyr_kernels *) {}
