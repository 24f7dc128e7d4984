/* cuda_runtime.h - the part of the CUDA runtime and of CUDA C that pyrdiff uses, in host memory, for tests on
 * machines without a GPU: kernels/cuda is compiled against this folder as C++ and linked into the ordinary
 * tests.
 *
 * It is as unkind as a device may be:
 *   - device memory cannot be touched by the host: its pages are closed but while queued work runs;
 *   - nothing runs before it must: work waits in its stream until somebody waits for the stream or an event;
 *   - copies from and to memory of cudaMallocHost read and write it when they run, not when they are asked
 * for;
 *   - a capture keeps the work (arguments by value) and refuses what a device refuses meanwhile;
 *   - threads of a block run one after the other between barriers, in an order that alternates.
 * Everything is counted (fake.h). */
#ifndef PYR_TESTS_CUDA_RUNTIME_H
#define PYR_TESTS_CUDA_RUNTIME_H

#include <functional>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)
#define __forceinline__ inline

struct dim3 {
    unsigned x, y, z;
};
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

void __syncthreads();
float __shfl_xor_sync(unsigned mask, float value, int lane_mask);
double __shfl_xor_sync(unsigned mask, double value, int lane_mask);

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorLaunchFailure = 719,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901
};
const char *cudaGetErrorName(cudaError_t error);
const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();

struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem;
    int major, minor, multiProcessorCount;
};
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaMemGetInfo(size_t *free, size_t *total);

enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaStreamCaptureMode {
    cudaStreamCaptureModeGlobal,
    cudaStreamCaptureModeThreadLocal,
    cudaStreamCaptureModeRelaxed
};
enum { cudaEventDisableTiming = 2, cudaStreamNonBlocking = 1 };
typedef struct fake_stream *cudaStream_t;
typedef struct fake_event *cudaEvent_t;
typedef struct fake_graph *cudaGraph_t;
typedef struct fake_graph *cudaGraphExec_t;

cudaError_t cudaMalloc(void **out, size_t bytes);
cudaError_t cudaFree(void *block);
cudaError_t cudaMallocHost(void **out, size_t bytes);
cudaError_t cudaFreeHost(void *block);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);

/* Put a kernel with its arguments into the stream. alone: its threads do not meet, one does the work of a
 * block. */
void fake_launch(cudaStream_t stream, const char *name, unsigned blocks, unsigned threads, bool alone,
                 std::function<void()> body);

/* What kernels/cuda/cuda.h launches with. */
template <class... P, class... A>
void pyr_fake_run(cudaStream_t stream, const char *name, unsigned blocks, unsigned threads, bool alone,
                  void (*kernel)(P...), A... args)
{
    fake_launch(stream, name, blocks, threads, alone, [=] { kernel(static_cast<P>(args)...); });
}

/* Whether all these bytes are of one block of device memory. */
bool fake_is_device(const void *address, size_t bytes);

/* Work of a library (cuDNN, cuBLAS) in the stream. */
void fake_work(cudaStream_t stream, std::function<void()> body);

#endif
