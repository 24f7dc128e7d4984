/* libraries.cu - cuDNN and cuBLASLt: opened; their failures as sentences. */
#include "kernels/cuda/calls.h"
#include "kernels/cuda/fused_attention.h"

extern "C" {
#include "base/mem.h"
}

#include <dlfcn.h>

/* Where they are, in the order of trying; the tests have their own (tests/cuda). */
#ifndef PYR_CUDNN_FILES
#define PYR_CUDNN_FILES "libcudnn.so.9"
#endif
#ifndef PYR_CUBLAS_FILES
#define PYR_CUBLAS_FILES "libcublasLt.so.13", "libcublasLt.so.12"
#endif

typedef struct library {
    const char *name, *install;
    const char *const *files;
    int n_files;
} library;

/* RTLD_GLOBAL: cuDNN looks for cuBLAS among what is open already. */
static pyr_status open_file(void **out, const library *about)
{
    char why[256] = "";

    for (int i = 0; i < about->n_files; i++) {
        *out = dlopen(about->files[i], RTLD_NOW | RTLD_GLOBAL);
        if (*out)
            return PYR_OK;
        if (i == 0)
            snprintf(why, sizeof why, "%s", dlerror());
    }
    return pyr_fail(
        PYR_E_UNSUPPORTED,
        "%s is not to be found (%s); install it (%s), and if it lies outside of the system's folders name "
        "its folder in LD_LIBRARY_PATH; or use --backend cpu",
        about->name, why, about->install);
}

static pyr_status find(void *file, const library *about, const char *function, void **out)
{
    *out = dlsym(file, function);
    if (*out)
        return PYR_OK;
    return pyr_fail(PYR_E_UNSUPPORTED, "%s has no %s: another version is needed (%s); or use --backend cpu",
                    about->name, function, about->install);
}

static pyr_status open_cublas(pyr_cuda_libraries *l)
{
    const char *const files[] = {PYR_CUBLAS_FILES};
    const library about = {"cuBLASLt", "part of the CUDA toolkit 12 or 13; pip: nvidia-cublas", files,
                           sizeof files / sizeof *files};

    PYR_TRY(open_file(&l->cublas_file, &about));
#define FIND(function) PYR_TRY(find(l->cublas_file, &about, #function, (void **)&l->function));
    PYR_CUBLAS_FUNCTIONS(FIND)
#undef FIND
    return PYR_CUBLAS(l, cublasLtCreate, &l->cublas);
}

static pyr_status open_cudnn(pyr_cuda_libraries *l, cudaStream_t stream)
{
    const char *const files[] = {PYR_CUDNN_FILES};
    const library about = {"cuDNN 9", "NVIDIA's package cudnn9; pip: nvidia-cudnn-cu13", files,
                           sizeof files / sizeof *files};

    PYR_TRY(open_file(&l->cudnn_file, &about));
#define FIND(function) PYR_TRY(find(l->cudnn_file, &about, #function, (void **)&l->function));
    PYR_CUDNN_FUNCTIONS(FIND)
#undef FIND
#define FIND(function) *(void **)&l->function = dlsym(l->cudnn_file, #function);
    PYR_CUDNN_GRAPH_FUNCTIONS(FIND)
#undef FIND
    PYR_TRY(PYR_CUDNN(l, cudnnCreate, &l->cudnn));
    return PYR_CUDNN(l, cudnnSetStream, l->cudnn, stream);
}

pyr_status pyr_cuda_libraries_open(pyr_cuda_libraries **out, const pyr_cuda *c)
{
    PYR_TRY(pyr_new(out, 1, sizeof **out, "cuDNN and cuBLAS"));
    PYR_TRY(open_cublas(*out));
    return open_cudnn(*out, c->stream);
}

/* The files stay open: both keep threads and memory that outlive their handles. */
void pyr_cuda_libraries_close(pyr_cuda_libraries *l)
{
    if (!l)
        return;
    pyr_fused_close(l);
    if (l->cudnn)
        l->cudnnDestroy(l->cudnn);
    if (l->cublas)
        l->cublasLtDestroy(l->cublas);
    pyr_free(l);
}

int pyr_cuda_cudnn_version(const pyr_cuda_libraries *l)
{
    return (int)l->cudnnGetVersion();
}

pyr_status pyr_cudnn_check(const pyr_cuda_libraries *l, cudnnStatus_t got, const char *call)
{
    char more[400] = "";

    if (got == CUDNN_STATUS_SUCCESS)
        return PYR_OK;
    l->cudnnGetLastErrorString(more, sizeof more);
    return pyr_fail(PYR_E_DEVICE, "cuDNN: %s: %s%s%s", call, l->cudnnGetErrorString(got), *more ? "; " : "",
                    more);
}

pyr_status pyr_cublas_check(const pyr_cuda_libraries *l, cublasStatus_t got, const char *call)
{
    if (got == CUBLAS_STATUS_SUCCESS)
        return PYR_OK;
    return pyr_fail(PYR_E_DEVICE, "cuBLAS: %s: %s", call, l->cublasLtGetStatusString(got));
}
