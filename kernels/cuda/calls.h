/* calls.h - the functions of cuDNN and cuBLASLt that are used, as pointers found when a GPU is opened. Their
 * types come from NVIDIA's headers (or tests/cuda's), so that every call is checked as if it were linked. */
#ifndef PYR_KERNELS_CUDA_CALLS_H
#define PYR_KERNELS_CUDA_CALLS_H

#include "kernels/cuda/libraries.h"

#include <cublasLt.h>
#include <cudnn.h>

#define PYR_CUDNN_FUNCTIONS(X)                                                                               \
    X(cudnnGetVersion)                                                                                       \
    X(cudnnGetErrorString)                                                                                   \
    X(cudnnGetLastErrorString)                                                                               \
    X(cudnnCreate)                                                                                           \
    X(cudnnDestroy)                                                                                          \
    X(cudnnSetStream)                                                                                        \
    X(cudnnCreateTensorDescriptor)                                                                           \
    X(cudnnSetTensor4dDescriptor)                                                                            \
    X(cudnnDestroyTensorDescriptor)                                                                          \
    X(cudnnCreateFilterDescriptor)                                                                           \
    X(cudnnSetFilter4dDescriptor)                                                                            \
    X(cudnnDestroyFilterDescriptor)                                                                          \
    X(cudnnCreateConvolutionDescriptor)                                                                      \
    X(cudnnSetConvolution2dDescriptor)                                                                       \
    X(cudnnSetConvolutionMathType)                                                                           \
    X(cudnnDestroyConvolutionDescriptor)                                                                     \
    X(cudnnGetConvolutionForwardAlgorithm_v7)                                                                \
    X(cudnnGetConvolutionBackwardDataAlgorithm_v7)                                                           \
    X(cudnnGetConvolutionBackwardFilterAlgorithm_v7)                                                         \
    X(cudnnGetConvolutionForwardWorkspaceSize)                                                               \
    X(cudnnGetConvolutionBackwardDataWorkspaceSize)                                                          \
    X(cudnnGetConvolutionBackwardFilterWorkspaceSize)                                                        \
    X(cudnnConvolutionForward)                                                                               \
    X(cudnnConvolutionBackwardData)                                                                          \
    X(cudnnConvolutionBackwardFilter)

/* The graph interface; NULL in a library that lacks it. */
#define PYR_CUDNN_GRAPH_FUNCTIONS(X)                                                                         \
    X(cudnnBackendCreateDescriptor)                                                                          \
    X(cudnnBackendDestroyDescriptor)                                                                         \
    X(cudnnBackendSetAttribute)                                                                              \
    X(cudnnBackendGetAttribute)                                                                              \
    X(cudnnBackendFinalize)                                                                                  \
    X(cudnnBackendExecute)

#define PYR_CUBLAS_FUNCTIONS(X)                                                                              \
    X(cublasLtGetStatusString)                                                                               \
    X(cublasLtCreate)                                                                                        \
    X(cublasLtDestroy)                                                                                       \
    X(cublasLtMatmulDescCreate)                                                                              \
    X(cublasLtMatmulDescSetAttribute)                                                                        \
    X(cublasLtMatmulDescDestroy)                                                                             \
    X(cublasLtMatrixLayoutCreate)                                                                            \
    X(cublasLtMatrixLayoutDestroy)                                                                           \
    X(cublasLtMatmulPreferenceCreate)                                                                        \
    X(cublasLtMatmulPreferenceSetAttribute)                                                                  \
    X(cublasLtMatmulPreferenceDestroy)                                                                       \
    X(cublasLtMatmulAlgoGetHeuristic)                                                                        \
    X(cublasLtMatmul)

struct pyr_cuda_libraries {
    void *cudnn_file, *cublas_file; /* of dlopen */
    cudnnHandle_t cudnn;
    cublasLtHandle_t cublas;
    struct pyr_fused *fused; /* fused_attention.h: what cuDNN has for the shapes asked for so far */
#define POINTER(function) decltype(&::function) function;
    PYR_CUDNN_FUNCTIONS(POINTER)
    PYR_CUDNN_GRAPH_FUNCTIONS(POINTER)
    PYR_CUBLAS_FUNCTIONS(POINTER)
#undef POINTER
};

/* PYR_OK, or PYR_E_DEVICE with the name of the call and the library's words. */
pyr_status pyr_cudnn_check(const pyr_cuda_libraries *l, cudnnStatus_t got, const char *call);
pyr_status pyr_cublas_check(const pyr_cuda_libraries *l, cublasStatus_t got, const char *call);

/* A status: PYR_CUDNN(l, cudnnSetStream, handle, stream) */
#define PYR_CUDNN(l, function, ...) pyr_cudnn_check(l, (l)->function(__VA_ARGS__), #function)
#define PYR_CUBLAS(l, function, ...) pyr_cublas_check(l, (l)->function(__VA_ARGS__), #function)

enum { PYR_LIBRARY_ALIGNMENT = 256 }; /* of workspace; scratch has this much more than is used of it */

/* `offset` bytes behind the first address of scratch that is aligned for a library. */
static inline char *pyr_library_scratch(const pyr_op *op, size_t offset)
{
    uintptr_t start =
        ((uintptr_t)op->scratch + PYR_LIBRARY_ALIGNMENT - 1) / PYR_LIBRARY_ALIGNMENT * PYR_LIBRARY_ALIGNMENT;

    return (char *)start + offset;
}

static inline pyr_cuda_libraries *pyr_cuda_libraries_of(const pyr_kernels *k)
{
    return pyr_cuda_of(k)->libraries;
}

#endif
