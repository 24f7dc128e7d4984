/* pending.cu - rows that are not written yet; each goes away with its file. */
#include "kernels/cuda/cuda.h"
#define PENDING(row) extern const pyr_op_impl __attribute__((weak)) row = {0}
PENDING(pyr_cuda_add);
PENDING(pyr_cuda_add_channel);
PENDING(pyr_cuda_scale_shift);
PENDING(pyr_cuda_mix);
PENDING(pyr_cuda_divide);
PENDING(pyr_cuda_affine);
PENDING(pyr_cuda_concat);
PENDING(pyr_cuda_upsample);
PENDING(pyr_cuda_mean2);
PENDING(pyr_cuda_pool2d);
PENDING(pyr_cuda_unshuffle);
PENDING(pyr_cuda_shuffle);
PENDING(pyr_cuda_group_norm);
PENDING(pyr_cuda_embed);
PENDING(pyr_cuda_time_positional);
PENDING(pyr_cuda_time_fourier);
PENDING(pyr_cuda_squared_error);
PENDING(pyr_cuda_cross_entropy);
