/* libraries.h - cuDNN and cuBLAS, opened when a GPU is: a program without them starts, and says what is
 * missing. */
#ifndef PYR_KERNELS_CUDA_LIBRARIES_H
#define PYR_KERNELS_CUDA_LIBRARIES_H

#include "kernels/cuda/cuda.h"

/* Opens both and makes their handles on c->stream. PYR_E_UNSUPPORTED with a sentence that names the library
 * that is not there; the caller closes. */
pyr_status pyr_cuda_libraries_open(pyr_cuda_libraries **out, const pyr_cuda *c);
void pyr_cuda_libraries_close(pyr_cuda_libraries *libraries); /* NULL is a no-op */
int pyr_cuda_cudnn_version(const pyr_cuda_libraries *libraries);

#endif
