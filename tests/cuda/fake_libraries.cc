/* fake_libraries.cc - cuDNN's convolutions and cuBLASLt's products in plain loops on the device that is none.
 *
 * They refuse what the real ones refuse, and tempt as those do: the fastest algorithm is not deterministic,
 * or not there for NHWC, or wants more memory than there is; tensor operations on floats are TF32; workspace
 * is overwritten. Of bf16 images with fewer than 4 channels cuDNN offers nothing that is deterministic. */
#include <cublasLt.h>
#include <cudnn.h>

#include "tests/cuda/fake.h"
#include "tests/cuda/fake_parts.h"

#include <stdio.h>
#include <vector>

fake_libraries_state fake_libraries = {.cudnn_version = CUDNN_VERSION};

/* target = alpha sum + beta target; a target that is not asked for is not read */
static void blend(void *data, bool half, size_t i, float alpha, double sum, float beta)
{
    float value = alpha * (float)sum;

    fake_put_number(data, half, i, beta != 0 ? value + beta * fake_number_at(data, half, i) : value);
}

/* ---- cuDNN: descriptors ------------------------------------------------------------------------ */

struct cudnnTensorStruct {
    bool set;
    cudnnTensorFormat_t format;
    cudnnDataType_t type;
    int n, c, h, w;
};
struct cudnnFilterStruct {
    bool set;
    cudnnTensorFormat_t format;
    cudnnDataType_t type;
    int k, c, h, w;
};
struct cudnnConvolutionStruct {
    bool set;
    int pad_h, pad_w, stride_h, stride_w;
    cudnnMathType_t math;
};

static char last_error[256];

cudnnStatus_t fake_refuse(cudnnStatus_t status, const char *why)
{
    snprintf(last_error, sizeof last_error, "%s", why);
    return status;
}

size_t cudnnGetVersion(void)
{
    return fake_libraries.cudnn_version;
}

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    switch (status) {
    case CUDNN_STATUS_SUCCESS:
        return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER:
        return "CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER";
    case CUDNN_STATUS_EXECUTION_FAILED:
        return "CUDNN_STATUS_EXECUTION_FAILED";
    case CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT:
        return "CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT";
    case CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH:
        return "CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH";
    case CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE:
        return "CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE";
    case CUDNN_STATUS_NOT_SUPPORTED_LAYOUT:
        return "CUDNN_STATUS_NOT_SUPPORTED_LAYOUT";
    case CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH:
        return "CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH";
    default:
        return status < CUDNN_STATUS_NOT_SUPPORTED ? "CUDNN_STATUS_BAD_PARAM" : "CUDNN_STATUS_NOT_SUPPORTED";
    }
}

void cudnnGetLastErrorString(char *message, size_t max_size)
{
    snprintf(message, max_size, "%s", last_error);
    last_error[0] = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    *handle = new cudnnContext{NULL};
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    delete handle;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

template <class T> static cudnnStatus_t make(T **out)
{
    *out = new T();
    fake_libraries.descriptors++;
    return CUDNN_STATUS_SUCCESS;
}

template <class T> static cudnnStatus_t destroy(T *descriptor)
{
    fake_libraries.descriptors -= descriptor != NULL;
    delete descriptor;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t *out)
{
    return make(out);
}

cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t t, cudnnTensorFormat_t format,
                                         cudnnDataType_t type, int n, int c, int h, int w)
{
    if (n < 1 || c < 1 || h < 1 || w < 1)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "a size of a tensor");
    *t = {true, format, type, n, c, h, w};
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t t)
{
    return destroy(t);
}

cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t *out)
{
    return make(out);
}

cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t f, cudnnDataType_t type,
                                         cudnnTensorFormat_t format, int k, int c, int h, int w)
{
    if (k < 1 || c < 1 || h < 1 || w < 1)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "a size of a filter");
    *f = {true, format, type, k, c, h, w};
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t f)
{
    return destroy(f);
}

cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t *out)
{
    return make(out);
}

cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t c, int pad_h, int pad_w, int u,
                                              int v, int dilation_h, int dilation_w,
                                              cudnnConvolutionMode_t mode, cudnnDataType_t compute)
{
    if (pad_h < 0 || pad_w < 0 || u < 1 || v < 1 || dilation_h != 1 || dilation_w != 1)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "padding, stride or dilation");
    if (mode != CUDNN_CROSS_CORRELATION || compute != CUDNN_DATA_FLOAT)
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED, "mode, or type of the sums");
    *c = {true, pad_h, pad_w, u, v, CUDNN_DEFAULT_MATH};
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t c, cudnnMathType_t math)
{
    c->math = math;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t c)
{
    return destroy(c);
}

/* ---- cuDNN: what is asked for ------------------------------------------------------------------ */

/* x convolved with w gives y, whichever of the three is computed. */
struct convolution {
    cudnnTensorStruct x, y;
    cudnnFilterStruct w;
    cudnnConvolutionStruct c;
};

static cudnnStatus_t check(const convolution &a)
{
    bool half = a.x.type == CUDNN_DATA_BFLOAT16;

    if (!a.x.set || !a.y.set || !a.w.set || !a.c.set)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "a descriptor that was not set");
    if (a.x.format != CUDNN_TENSOR_NHWC || a.y.format != CUDNN_TENSOR_NHWC || a.w.format != CUDNN_TENSOR_NHWC)
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED_LAYOUT, "a layout");
    if (a.x.type != a.y.type || a.x.type != a.w.type || (a.x.type != CUDNN_DATA_FLOAT && !half))
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "types");
    if (half && fake.major < 8)
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH, "bf16");
    if (half && a.c.math == CUDNN_FMA_MATH)
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED, "bf16 without tensor operations");
    if (a.x.n != a.y.n || a.x.c != a.w.c || a.y.c != a.w.k ||
        a.y.h != (a.x.h + 2 * a.c.pad_h - a.w.h) / a.c.stride_h + 1 ||
        a.y.w != (a.x.w + 2 * a.c.pad_w - a.w.w) / a.c.stride_w + 1)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "shapes");
    return CUDNN_STATUS_SUCCESS;
}

/* An algorithm, with the workspace for a convolution: `fixed` bytes and `each` for an element of w. */
struct algorithm {
    int number;
    bool there, deterministic;
    float time;
    size_t fixed, each;
};

static const algorithm forward_list[] = {
    {CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD, false, true, 0.5f, 0, 0},
    {CUDNN_CONVOLUTION_FWD_ALGO_FFT, true, true, 0.6f, (size_t)1 << 50, 0},
    {CUDNN_CONVOLUTION_FWD_ALGO_GEMM, true, false, 0.7f, 0, 4},
    {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, true, true, 1, 1000, 2},
    {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, true, true, 2, 0, 0}};
static const algorithm data_list[] = {
    {CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, true, false, 1, 0, 0},
    {CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT, true, true, 1.5f, (size_t)1 << 50, 0},
    {CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, true, true, 2, 3000, 1}};
static const algorithm filter_list[] = {{CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0, true, false, 1, 0, 0},
                                        {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3, true, false, 1.5f, 100, 4},
                                        {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, true, true, 2, 512, 4}};
enum { FORWARD, DATA, FILTER };
static const struct {
    const algorithm *at;
    int n;
} lists[] = {{forward_list, 5}, {data_list, 3}, {filter_list, 3}};

static size_t workspace_of(const algorithm &a, const convolution &c)
{
    return a.fixed + a.each * (size_t)c.w.k * c.w.c * c.w.h * c.w.w;
}

static const algorithm *algorithm_of(int pass, int number)
{
    for (int i = 0; i < lists[pass].n; i++)
        if (lists[pass].at[i].number == number && lists[pass].at[i].there)
            return &lists[pass].at[i];
    return NULL;
}

static bool offered(const algorithm &a, const convolution &c)
{
    bool few = c.x.type == CUDNN_DATA_BFLOAT16 && (c.x.c < 4 || c.y.c < 4);

    return a.there && !fake_libraries.no_algorithms && !(few && a.deterministic);
}

template <class P>
static cudnnStatus_t performances(int pass, const convolution &c, int requested, int *returned, P *out)
{
    cudnnStatus_t status = check(c);

    *returned = 0;
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    for (int i = 0; i < lists[pass].n && *returned < requested; i++) {
        const algorithm &a = lists[pass].at[i];
        P &p = out[(*returned)++];

        memset(&p, 0, sizeof p);
        p.algo = (decltype(p.algo))a.number;
        p.status = offered(a, c) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED;
        p.time = -1;
        p.memory = workspace_of(a, c);
        p.determinism = a.deterministic ? CUDNN_DETERMINISTIC : CUDNN_NON_DETERMINISTIC;
        p.mathType = c.c.math;
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t workspace_size(int pass, const convolution &c, int number, size_t *bytes)
{
    const algorithm *a = algorithm_of(pass, number);
    cudnnStatus_t status = check(c);

    *bytes = 0;
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    if (!a || !offered(*a, c))
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED, "an algorithm");
    *bytes = workspace_of(*a, c);
    return CUDNN_STATUS_SUCCESS;
}

/* For each pair of a pixel of x and one of y that meet: body(offset of x's pixel, of y's, tap). */
template <class F> static void each_meeting(const convolution &a, F body)
{
    for (int n = 0; n < a.y.n; n++)
        for (int oy = 0; oy < a.y.h; oy++)
            for (int ox = 0; ox < a.y.w; ox++)
                for (int ky = 0; ky < a.w.h; ky++)
                    for (int kx = 0; kx < a.w.w; kx++) {
                        int iy = oy * a.c.stride_h + ky - a.c.pad_h, ix = ox * a.c.stride_w + kx - a.c.pad_w;

                        if (iy >= 0 && iy < a.x.h && ix >= 0 && ix < a.x.w)
                            body((((size_t)n * a.x.h + iy) * a.x.w + ix) * a.x.c,
                                 (((size_t)n * a.y.h + oy) * a.y.w + ox) * a.y.c, ky * a.w.w + kx);
                    }
}

/* The numbers as the multipliers see them. */
static std::vector<float> seen(const convolution &a, const void *data, size_t count)
{
    bool half = a.x.type == CUDNN_DATA_BFLOAT16,
         tf32 = !half && a.c.math != CUDNN_FMA_MATH && fake.major >= 8;
    std::vector<float> out(count);

    for (size_t i = 0; i < count; i++)
        out[i] = tf32 ? fake_rounded(fake_number_at(data, half, i), 10) : fake_number_at(data, half, i);
    return out;
}

static size_t count_of(const cudnnTensorStruct &t)
{
    return (size_t)t.n * t.h * t.w * t.c;
}

static void compute(int pass, const convolution &a, const void *first, const void *second, void *out,
                    float alpha, float beta, bool by_chance)
{
    size_t taps = (size_t)a.w.h * a.w.w, in = a.w.c, w_count = a.w.k * taps * in;
    size_t counts[] = {count_of(a.y), count_of(a.x), w_count};
    std::vector<float> x, w, dy;
    std::vector<double> sum(counts[pass]);

    if (pass != DATA)
        x = seen(a, first, count_of(a.x));
    if (pass != FILTER)
        w = seen(a, pass == FORWARD ? second : first, w_count);
    if (pass != FORWARD)
        dy = seen(a, second, count_of(a.y));
    each_meeting(a, [&](size_t at_x, size_t at_y, size_t tap) {
        for (int o = 0; o < a.w.k; o++)
            for (size_t i = 0; i < in; i++) {
                size_t at_w = (o * taps + tap) * in + i;

                if (pass == FORWARD)
                    sum[at_y + o] += (double)x[at_x + i] * w[at_w];
                else if (pass == DATA)
                    sum[at_x + i] += (double)w[at_w] * dy[at_y + o];
                else
                    sum[at_w] += (double)x[at_x + i] * dy[at_y + o];
            }
    });
    for (size_t i = 0; i < sum.size(); i++)
        blend(out, a.x.type == CUDNN_DATA_BFLOAT16, i, alpha, by_chance ? sum[i] * fake_chance() : sum[i],
              beta);
}

static bool misaligned(const void *pointer)
{
    return (size_t)pointer % 16 != 0;
}

static cudnnStatus_t run(int pass, cudnnHandle_t handle, const convolution &c, int number, const void *alpha,
                         const void *beta, const void *first, const void *second, void *out, void *workspace,
                         size_t bytes)
{
    const algorithm *a = algorithm_of(pass, number);
    float by = *(const float *)alpha, kept = *(const float *)beta;
    cudnnStatus_t status = check(c);

    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    if (!a || !offered(*a, c))
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED, "an algorithm");
    if (!first || !second || !out || (!workspace && workspace_of(*a, c)))
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a pointer");
    if (bytes < workspace_of(*a, c))
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT, "workspace");
    if (misaligned(first) || misaligned(second) || misaligned(out) || misaligned(workspace))
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "a pointer");
    fake_libraries.convolutions++;
    fake_libraries.by_chance += !a->deterministic;
    fake_libraries.last_math = c.c.math;
    bytes = workspace_of(*a, c);
    fake_work(handle->stream, [=] {
        if (bytes)
            memset(workspace, 0xFF, bytes);
        compute(pass, c, first, second, out, by, kept, !a->deterministic);
    });
    return CUDNN_STATUS_SUCCESS;
}

/* ---- cuDNN: the calls -------------------------------------------------------------------------- */

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t, const cudnnTensorDescriptor_t x,
                                                     const cudnnFilterDescriptor_t w,
                                                     const cudnnConvolutionDescriptor_t c,
                                                     const cudnnTensorDescriptor_t y, const int requested,
                                                     int *returned, cudnnConvolutionFwdAlgoPerf_t *out)
{
    return performances(FORWARD, {*x, *y, *w, *c}, requested, returned, out);
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t, const cudnnFilterDescriptor_t w,
                                                          const cudnnTensorDescriptor_t dy,
                                                          const cudnnConvolutionDescriptor_t c,
                                                          const cudnnTensorDescriptor_t dx,
                                                          const int requested, int *returned,
                                                          cudnnConvolutionBwdDataAlgoPerf_t *out)
{
    return performances(DATA, {*dx, *dy, *w, *c}, requested, returned, out);
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnnHandle_t, const cudnnTensorDescriptor_t x,
                                                            const cudnnTensorDescriptor_t dy,
                                                            const cudnnConvolutionDescriptor_t c,
                                                            const cudnnFilterDescriptor_t dw,
                                                            const int requested, int *returned,
                                                            cudnnConvolutionBwdFilterAlgoPerf_t *out)
{
    return performances(FILTER, {*x, *dy, *dw, *c}, requested, returned, out);
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t, const cudnnTensorDescriptor_t x,
                                                      const cudnnFilterDescriptor_t w,
                                                      const cudnnConvolutionDescriptor_t c,
                                                      const cudnnTensorDescriptor_t y,
                                                      cudnnConvolutionFwdAlgo_t algo, size_t *bytes)
{
    return workspace_size(FORWARD, {*x, *y, *w, *c}, algo, bytes);
}

cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t, const cudnnFilterDescriptor_t w,
                                                           const cudnnTensorDescriptor_t dy,
                                                           const cudnnConvolutionDescriptor_t c,
                                                           const cudnnTensorDescriptor_t dx,
                                                           cudnnConvolutionBwdDataAlgo_t algo, size_t *bytes)
{
    return workspace_size(DATA, {*dx, *dy, *w, *c}, algo, bytes);
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t, const cudnnTensorDescriptor_t x,
                                                             const cudnnTensorDescriptor_t dy,
                                                             const cudnnConvolutionDescriptor_t c,
                                                             const cudnnFilterDescriptor_t dw,
                                                             cudnnConvolutionBwdFilterAlgo_t algo,
                                                             size_t *bytes)
{
    return workspace_size(FILTER, {*x, *dy, *dw, *c}, algo, bytes);
}

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void *alpha,
                                      const cudnnTensorDescriptor_t xd, const void *x,
                                      const cudnnFilterDescriptor_t wd, const void *w,
                                      const cudnnConvolutionDescriptor_t c, cudnnConvolutionFwdAlgo_t algo,
                                      void *workspace, size_t bytes, const void *beta,
                                      const cudnnTensorDescriptor_t yd, void *y)
{
    fake_libraries.last_forward = algo;
    return run(FORWARD, handle, {*xd, *yd, *wd, *c}, algo, alpha, beta, x, w, y, workspace, bytes);
}

cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void *alpha,
                                           const cudnnFilterDescriptor_t wd, const void *w,
                                           const cudnnTensorDescriptor_t dyd, const void *dy,
                                           const cudnnConvolutionDescriptor_t c,
                                           cudnnConvolutionBwdDataAlgo_t algo, void *workspace, size_t bytes,
                                           const void *beta, const cudnnTensorDescriptor_t dxd, void *dx)
{
    fake_libraries.last_data = algo;
    return run(DATA, handle, {*dxd, *dyd, *wd, *c}, algo, alpha, beta, w, dy, dx, workspace, bytes);
}

cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void *alpha,
                                             const cudnnTensorDescriptor_t xd, const void *x,
                                             const cudnnTensorDescriptor_t dyd, const void *dy,
                                             const cudnnConvolutionDescriptor_t c,
                                             cudnnConvolutionBwdFilterAlgo_t algo, void *workspace,
                                             size_t bytes, const void *beta,
                                             const cudnnFilterDescriptor_t dwd, void *dw)
{
    fake_libraries.last_filter = algo;
    return run(FILTER, handle, {*xd, *dyd, *dwd, *c}, algo, alpha, beta, x, dy, dw, workspace, bytes);
}

/* ---- cuBLASLt ---------------------------------------------------------------------------------- */

struct cublasLtContext {
    int unused;
};
struct cublasLtMatmulDescOpaque_t {
    cublasComputeType_t compute;
    int turn_a, turn_b, epilogue;
    const void *bias;
};
struct cublasLtMatrixLayoutOpaque_t {
    cudaDataType type;
    uint64_t rows, cols;
    int64_t ld;
};
struct cublasLtMatmulPreferenceOpaque_t {
    uint64_t workspace;
    uint32_t schemes, aligned[4]; /* of A, B, C, D */
};

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    switch (status) {
    case CUBLAS_STATUS_SUCCESS:
        return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE:
        return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
        return "CUBLAS_STATUS_ARCH_MISMATCH";
    default:
        return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    *handle = new cublasLtContext();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute,
                                        cudaDataType_t scale)
{
    if (scale != CUDA_R_32F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    make(out);
    **out = {compute, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL};
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t set(void *field, size_t size, const void *from, size_t bytes)
{
    if (size != bytes)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(field, from, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d,
                                              cublasLtMatmulDescAttributes_t attribute, const void *from,
                                              size_t bytes)
{
    switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        return set(&d->turn_a, sizeof d->turn_a, from, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
        return set(&d->turn_b, sizeof d->turn_b, from, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return set(&d->epilogue, sizeof d->epilogue, from, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return set(&d->bias, sizeof d->bias, from, bytes);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
    destroy(d);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType type, uint64_t rows,
                                          uint64_t cols, int64_t ld)
{
    if (ld < (int64_t)rows || !rows || !cols)
        return CUBLAS_STATUS_INVALID_VALUE;
    make(out);
    **out = {type, rows, cols, ld};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    destroy(layout);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out)
{
    make(out);
    **out = {0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void *from, size_t bytes)
{
    switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        return set(&p->workspace, sizeof p->workspace, from, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
        return set(&p->schemes, sizeof p->schemes, from, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return set(&p->aligned[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], sizeof p->aligned[0],
                   from, bytes);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
    destroy(p);
    return CUBLAS_STATUS_SUCCESS;
}

struct product {
    cublasLtMatmulDescOpaque_t how;
    cublasLtMatrixLayoutOpaque_t a, b, d;
};

/* D (m x n) = op(A) (m x k) op(B) (k x n) */
static cublasStatus_t check(const product &p, const cublasLtMatrixLayoutOpaque_t &c)
{
    uint64_t m = p.how.turn_a ? p.a.cols : p.a.rows, k = p.how.turn_a ? p.a.rows : p.a.cols;
    uint64_t k_b = p.how.turn_b ? p.b.cols : p.b.rows, n = p.how.turn_b ? p.b.rows : p.b.cols;
    bool half = p.a.type == CUDA_R_16BF;

    if (m != p.d.rows || n != p.d.cols || k != k_b || c.rows != m || c.cols != n)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (p.a.type != p.b.type || c.type != p.d.type || (p.d.type != CUDA_R_32F && !half))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (half && p.how.compute != CUBLAS_COMPUTE_32F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (half && fake.major < 8)
        return CUBLAS_STATUS_ARCH_MISMATCH;
    return CUBLAS_STATUS_SUCCESS;
}

/* What an algorithm's words say. */
enum { SCHEME, WORKSPACE, ALIGNED /* of A, B, C, D: four */ };

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t how,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t out[], int *returned)
{
    static const uint64_t list[][2] = {{CUBLASLT_REDUCTION_SCHEME_INPLACE, 64},
                                       {CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, (uint64_t)1 << 50},
                                       {CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE, 4096},
                                       {CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, 4096},
                                       {CUBLASLT_REDUCTION_SCHEME_NONE, 0}};
    cublasStatus_t status = check({*how, *a, *b, *d}, *c);

    *returned = 0;
    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    for (const auto &it : list) {
        if (*returned == requested || fake_libraries.no_algorithms)
            break;
        if ((it[0] && !(it[0] & preference->schemes)) || it[1] > preference->workspace)
            continue;
        cublasLtMatmulHeuristicResult_t &result = out[(*returned)++];

        memset(&result, 0, sizeof result);
        result.algo.data[SCHEME] = it[0];
        result.algo.data[WORKSPACE] = result.workspaceSize = it[1];
        for (int i = 0; i < 4; i++)
            result.algo.data[ALIGNED + i] = preference->aligned[i];
    }
    return *returned ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

/* One product, seen as a loop over D by columns. */
static void multiply(const product &p, const void *a, const void *b, void *d, float alpha, float beta,
                     bool by_chance)
{
    bool half = p.a.type == CUDA_R_16BF,
         tf32 = p.how.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && fake.major >= 8;
    uint64_t k = p.how.turn_a ? p.a.rows : p.a.cols;
    auto at = [=](const void *data, int64_t ld, int turn, uint64_t row, uint64_t col) {
        float value = fake_number_at(data, half, turn ? row * ld + col : col * ld + row);

        return tf32 ? fake_rounded(value, 10) : value;
    };

    for (uint64_t col = 0; col < p.d.cols; col++)
        for (uint64_t row = 0; row < p.d.rows; row++) {
            double sum = 0;

            for (uint64_t i = 0; i < k; i++)
                sum += (double)at(a, p.a.ld, p.how.turn_a, row, i) * at(b, p.b.ld, p.how.turn_b, i, col);
            if (p.how.epilogue == CUBLASLT_EPILOGUE_BIAS)
                sum += fake_number_at(p.how.bias, p.d.type == CUDA_R_16BF, row);
            blend(d, p.d.type == CUDA_R_16BF, col * p.d.ld + row, alpha,
                  by_chance ? sum * fake_chance() : sum, beta);
        }
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t how, const void *alpha, const void *A,
                              cublasLtMatrixLayout_t a, const void *B, cublasLtMatrixLayout_t b,
                              const void *beta, const void *C, cublasLtMatrixLayout_t c, void *D,
                              cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo, void *workspace,
                              size_t bytes, cudaStream_t stream)
{
    product p = {*how, *a, *b, *d};
    const void *pointers[] = {A, B, C, D};
    float by = *(const float *)alpha, kept = *(const float *)beta;
    bool by_chance = algo->data[SCHEME] & CUBLASLT_REDUCTION_SCHEME_INPLACE;
    cublasStatus_t status = check(p, *c);

    if (status != CUBLAS_STATUS_SUCCESS)
        return status;
    for (int i = 0; i < 4; i++)
        if (!pointers[i] || (size_t)pointers[i] % algo->data[ALIGNED + i])
            return CUBLAS_STATUS_INVALID_VALUE;
    if (C != D || (how->epilogue == CUBLASLT_EPILOGUE_BIAS && (!how->bias || (size_t)how->bias % 16)))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (bytes < algo->data[WORKSPACE] || (algo->data[WORKSPACE] && (!workspace || (size_t)workspace % 256)))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (how->epilogue == CUBLASLT_EPILOGUE_BIAS && (by != 1 || kept != 0)) /* only how it is used here */
        return CUBLAS_STATUS_NOT_SUPPORTED;
    fake_libraries.products++;
    fake_libraries.by_chance += by_chance;
    bytes = algo->data[WORKSPACE];
    fake_work(stream, [=] {
        if (bytes)
            memset(workspace, 0xFF, bytes);
        multiply(p, A, B, D, by, kept, by_chance);
    });
    return CUBLAS_STATUS_SUCCESS;
}
