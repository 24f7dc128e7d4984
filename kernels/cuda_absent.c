/* cuda_absent.c - what stands for kernels/cuda in a program built without it. */
#include "kernels/kernels.h"

bool pyr_kernels_cuda_built(void)
{
    return false;
}

pyr_status pyr_kernels_cuda(pyr_kernels **out, int device)
{
    (void)device;
    *out = NULL;
    return pyr_fail(PYR_E_UNSUPPORTED, "this program was built without CUDA");
}
