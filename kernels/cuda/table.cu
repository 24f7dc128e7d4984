/* table.cu - the CUDA backend: choosing a device, memory, order of work, recordings. */
#include "kernels/cuda/cuda.h"

#include "kernels/cuda/libraries.h"

extern "C" {
#include "base/clock.h"
#include "base/mem.h"
}

/* ---- failures ---------------------------------------------------------------------------------- */

pyr_status pyr_cuda_check(cudaError_t error, const char *what)
{
    if (error == cudaSuccess)
        return PYR_OK;
    return pyr_fail(PYR_E_DEVICE, "%s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
}

void pyr_cuda_note(pyr_kernels *k, pyr_status status)
{
    pyr_cuda *c = pyr_cuda_of(k);

    if (status == PYR_OK || c->failed != PYR_OK)
        return;
    c->failed = status;
    snprintf(c->sentence, sizeof c->sentence, "%s", pyr_error());
}

/* What was noted, once. */
static pyr_status noted(pyr_kernels *k)
{
    pyr_cuda *c = pyr_cuda_of(k);
    pyr_status status = c->failed;

    c->failed = PYR_OK;
    if (status != PYR_OK)
        pyr_error_set(c->sentence);
    return status;
}

/* ---- memory ------------------------------------------------------------------------------------ */

static pyr_status cuda_alloc(pyr_kernels *k, void **out, size_t bytes, const char *what)
{
    pyr_cuda *c = pyr_cuda_of(k);
    size_t available = 0, total = 0;
    cudaError_t error = cudaMalloc(out, bytes ? bytes : 1);

    if (error == cudaErrorMemoryAllocation) {
        cudaGetLastError(); /* it is not to be said again by the next launch */
        cudaMemGetInfo(&available, &total);
        *out = NULL;
        return pyr_fail(PYR_E_NOMEM,
                        "%s: %.1f MiB are wanted on %s (device %d), %.1f of its %.1f MiB are free; a "
                        "smaller --batch, --batch-gpu or level.recompute = true takes less",
                        what, (double)bytes / 1048576, c->name, c->device, (double)available / 1048576,
                        (double)total / 1048576);
    }
    PYR_TRY(pyr_cuda_check(error, what));
    return pyr_cuda_check(cudaMemsetAsync(*out, 0, bytes ? bytes : 1, c->stream), what);
}

static void cuda_release(pyr_kernels *k, void *block)
{
    (void)k;
    cudaFree(block);
}

static size_t cuda_available(pyr_kernels *k)
{
    size_t available = 0, total = 0;

    (void)k;
    if (cudaMemGetInfo(&available, &total) != cudaSuccess)
        return 0;
    return available;
}

static pyr_status cuda_alloc_host(pyr_kernels *k, void **out, size_t bytes, const char *what)
{
    (void)k;
    *out = NULL;
    if (cudaMallocHost(out, bytes ? bytes : 1) != cudaSuccess)
        return pyr_fail(PYR_E_NOMEM, "%s: %.1f MiB of host memory cannot be pinned", what,
                        (double)bytes / 1048576);
    memset(*out, 0, bytes);
    return PYR_OK;
}

static void cuda_release_host(pyr_kernels *k, void *block)
{
    (void)k;
    if (block)
        cudaFreeHost(block);
}

static void move(pyr_kernels *k, void *dst, const void *src, size_t bytes, cudaMemcpyKind kind,
                 const char *what)
{
    if (bytes)
        pyr_cuda_note(k,
                      pyr_cuda_check(cudaMemcpyAsync(dst, src, bytes, kind, pyr_cuda_of(k)->stream), what));
}

static void cuda_copy(pyr_kernels *k, void *dst, const void *src, size_t bytes)
{
    move(k, dst, src, bytes, cudaMemcpyDeviceToDevice, "copy on the device");
}

static void cuda_upload(pyr_kernels *k, void *dst, const void *host, size_t bytes)
{
    move(k, dst, host, bytes, cudaMemcpyHostToDevice, "copy to the device");
}

static void cuda_download(pyr_kernels *k, void *host, const void *src, size_t bytes)
{
    move(k, host, src, bytes, cudaMemcpyDeviceToHost, "copy from the device");
}

static void cuda_zero(pyr_kernels *k, void *dst, size_t bytes)
{
    if (bytes)
        pyr_cuda_note(
            k, pyr_cuda_check(cudaMemsetAsync(dst, 0, bytes, pyr_cuda_of(k)->stream), "zeros on the device"));
}

/* ---- order ------------------------------------------------------------------------------------- */

static pyr_status cuda_sync(pyr_kernels *k)
{
    pyr_status status = pyr_cuda_check(cudaStreamSynchronize(pyr_cuda_of(k)->stream), "work on the device");

    PYR_TRY(noted(k)); /* what came first */
    return status;
}

static pyr_status cuda_mark(pyr_kernels *k, int slot)
{
    pyr_cuda *c = pyr_cuda_of(k);

    if (!c->mark[slot])
        PYR_TRY(pyr_cuda_check(cudaEventCreateWithFlags(&c->mark[slot], cudaEventDisableTiming), "a mark"));
    return pyr_cuda_check(cudaEventRecord(c->mark[slot], c->stream), "a mark");
}

static pyr_status cuda_wait(pyr_kernels *k, int slot)
{
    pyr_cuda *c = pyr_cuda_of(k);

    if (!c->mark[slot])
        return PYR_OK;
    return pyr_cuda_check(cudaEventSynchronize(c->mark[slot]), "work on the device");
}

static pyr_status cuda_run_tasks(pyr_kernels *k, int tasks, pyr_task run, void *arg)
{
    (void)k;
    for (int i = 0; i < tasks; i++)
        PYR_TRY(run(arg, i, 0));
    return PYR_OK;
}

pyr_status pyr_cuda_seconds(pyr_kernels *k, pyr_status (*run)(void *arg), void *arg, double *seconds)
{
    const int times = 3, runs = 5;

    PYR_TRY(run(arg)); /* the first one loads the kernel */
    PYR_TRY(pyr_sync(k));
    *seconds = INFINITY;
    for (int i = 0; i < times; i++) {
        double start = pyr_now();

        for (int j = 0; j < runs; j++)
            PYR_TRY(run(arg));
        PYR_TRY(pyr_sync(k));
        *seconds = fmin(*seconds, (pyr_now() - start) / runs);
    }
    return PYR_OK;
}

/* ---- recordings -------------------------------------------------------------------------------- */

static pyr_status cuda_record_begin(pyr_kernels *k)
{
    /* relaxed: a library may load a kernel, and memory for it, at its first call, which may be in here */
    return pyr_cuda_check(cudaStreamBeginCapture(pyr_cuda_of(k)->stream, cudaStreamCaptureModeRelaxed),
                          "the beginning of a recording");
}

static pyr_status keep_recording(pyr_cuda *c, cudaGraph_t graph, void **recording)
{
    cudaGraphExec_t made;

    if (c->n_recordings == c->recording_room) {
        int room = c->recording_room ? 2 * c->recording_room : 8;
        void *grown = pyr_realloc(c->recordings, (size_t)room, sizeof *c->recordings);

        if (!grown)
            return pyr_fail(PYR_E_NOMEM, "out of memory for a recording");
        c->recordings = (cudaGraphExec_t *)grown;
        c->recording_room = room;
    }
    PYR_TRY(pyr_cuda_check(cudaGraphInstantiate(&made, graph, 0), "a recording"));
    c->recordings[c->n_recordings++] = made;
    *recording = made;
    return PYR_OK;
}

static pyr_status cuda_record_end(pyr_kernels *k, void **recording)
{
    cudaGraph_t graph = NULL;
    cudaError_t ended = cudaStreamEndCapture(pyr_cuda_of(k)->stream, &graph);
    pyr_status status;

    *recording = NULL;
    status = noted(k); /* what broke the recording says more than that it is broken */
    if (status == PYR_OK)
        status = pyr_cuda_check(ended, "the end of a recording");
    if (status == PYR_OK)
        status = keep_recording(pyr_cuda_of(k), graph, recording);
    if (graph)
        cudaGraphDestroy(graph);
    return status;
}

static pyr_status cuda_replay(pyr_kernels *k, void *recording)
{
    return pyr_cuda_check(cudaGraphLaunch((cudaGraphExec_t)recording, pyr_cuda_of(k)->stream), "a recording");
}

static void cuda_forget(pyr_kernels *k, void *recording)
{
    pyr_cuda *c = pyr_cuda_of(k);

    for (int i = 0; i < c->n_recordings; i++)
        if (c->recordings[i] == (cudaGraphExec_t)recording) {
            pyr_cuda_note(k, pyr_cuda_check(cudaStreamSynchronize(c->stream), "work on the device"));
            cudaGraphExecDestroy(c->recordings[i]);
            c->recordings[i] = c->recordings[--c->n_recordings];
            return;
        }
}

/* ---- sums of accumulators ---------------------------------------------------------------------- */

/* At most this many at once; more are added in several passes. */
enum { ACCUMULATORS = 8 };

typedef struct sources {
    const float *at[ACCUMULATORS];
} sources;

static __global__ void collect_kernel(float *dst, sources from, int n, size_t count)
{
    PYR_EACH(i, count)
    {
        float sum = dst[i];

        for (int a = 0; a < n; a++)
            sum += from.at[a][i];
        dst[i] = sum;
    }
}

pyr_status pyr_cuda_collect(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                            void *const dparam[PYR_OP_PARAMS])
{
    size_t start = 0;

    for (int p = 0; p < op->n_params; start += op->param_count[p++])
        for (int first = 0; dparam[p] && first < n; first += ACCUMULATORS) {
            int now = n - first < ACCUMULATORS ? n - first : ACCUMULATORS;
            sources from;

            for (int a = 0; a < now; a++)
                from.at[a] = (const float *)accumulators[first + a] + start;
            PYR_TRY(PYR_LAUNCH(k, collect_kernel, op->param_count[p], (float *)dparam[p], from, now,
                               op->param_count[p]));
        }
    return PYR_OK;
}

/* ---- the backend --------------------------------------------------------------------------------- */

static void cuda_close(pyr_kernels *k)
{
    pyr_cuda *c = pyr_cuda_of(k);

    if (!c)
        return;
    if (c->stream)
        cudaStreamSynchronize(c->stream);
    pyr_cuda_libraries_close(c->libraries);
    for (int i = 0; i < c->n_recordings; i++)
        cudaGraphExecDestroy(c->recordings[i]);
    for (int i = 0; i < PYR_MARKS; i++)
        if (c->mark[i])
            cudaEventDestroy(c->mark[i]);
    if (c->sums)
        cudaFree(c->sums);
    if (c->stream)
        cudaStreamDestroy(c->stream);
    pyr_free(c->recordings);
    pyr_free(c);
}

static const pyr_memory cuda_memory = {
    .alloc = cuda_alloc,
    .release = cuda_release,
    .available = cuda_available,
    .copy = cuda_copy,
    .zero = cuda_zero,
    .sync = cuda_sync,
    .upload = cuda_upload,
    .download = cuda_download,
    .alloc_host = cuda_alloc_host,
    .release_host = cuda_release_host,
    .mark = cuda_mark,
    .wait = cuda_wait,
    .run_tasks = cuda_run_tasks,
    .record_begin = cuda_record_begin,
    .record_end = cuda_record_end,
    .replay = cuda_replay,
    .forget = cuda_forget,
};

static pyr_backend made_backend(void)
{
    static const struct {
        pyr_op_kind kind;
        const pyr_op_impl *row;
    } rows[] = {
        {PYR_OP_CONV2D, &pyr_cuda_conv2d},
        {PYR_OP_LINEAR, &pyr_cuda_linear},
        {PYR_OP_GROUP_NORM, &pyr_cuda_group_norm},
        {PYR_OP_ACTIVATION, &pyr_cuda_activation},
        {PYR_OP_ADD, &pyr_cuda_add},
        {PYR_OP_ADD_CHANNEL, &pyr_cuda_add_channel},
        {PYR_OP_SCALE_SHIFT, &pyr_cuda_scale_shift},
        {PYR_OP_CONCAT, &pyr_cuda_concat},
        {PYR_OP_UPSAMPLE, &pyr_cuda_upsample},
        {PYR_OP_MEAN2, &pyr_cuda_mean2},
        {PYR_OP_POOL2D, &pyr_cuda_pool2d},
        {PYR_OP_UNSHUFFLE, &pyr_cuda_unshuffle},
        {PYR_OP_SHUFFLE, &pyr_cuda_shuffle},
        {PYR_OP_ATTENTION, &pyr_cuda_attention},
        {PYR_OP_EMBED, &pyr_cuda_embed},
        {PYR_OP_TIME_POSITIONAL, &pyr_cuda_time_positional},
        {PYR_OP_TIME_FOURIER, &pyr_cuda_time_fourier},
        {PYR_OP_DROPOUT, &pyr_cuda_dropout},
        {PYR_OP_NOISE, &pyr_cuda_noise},
        {PYR_OP_MIX, &pyr_cuda_mix},
        {PYR_OP_DIVIDE, &pyr_cuda_divide},
        {PYR_OP_AFFINE, &pyr_cuda_affine},
        {PYR_OP_SQUARED_ERROR, &pyr_cuda_squared_error},
        {PYR_OP_CROSS_ENTROPY, &pyr_cuda_cross_entropy},
    };

    pyr_backend b = {};

    b.name = "cuda";
    b.real = PYR_F32;
    b.whole_batch = true;
    b.ahead = 8;
    b.close = cuda_close;
    b.memory = &cuda_memory;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        b.op[rows[i].kind] = rows[i].row;
    pyr_cuda_fill_vectors(&b);
    pyr_cuda_fill_random(&b);
    pyr_cuda_fill_images(&b);
    return b;
}

static const pyr_backend cuda_backend = made_backend();

static pyr_status count_devices(int *n)
{
    cudaError_t error = cudaGetDeviceCount(n);

    if (error == cudaErrorInsufficientDriver)
        return pyr_fail(PYR_E_UNSUPPORTED,
                        "there is no NVIDIA driver here, or one too old for this program's CUDA");
    if (error == cudaErrorNoDevice || (error == cudaSuccess && *n == 0))
        return pyr_fail(PYR_E_UNSUPPORTED, "there is no NVIDIA GPU here");
    return pyr_cuda_check(error, "the number of GPUs");
}

/* Images of a sampling graph, always all computed: enough to fill the device (512 from 128 multiprocessors
 * on). */
static int images_at_once(int processors)
{
    int n = 16;

    while (n < 512 && n < 4 * processors)
        n *= 2;
    return n;
}

static pyr_status open_device(pyr_kernels *k, int device)
{
    pyr_cuda *c = pyr_cuda_of(k);
    cudaDeviceProp about;
    int n = 0, runtime = 0;
    size_t before, after;

    PYR_TRY(count_devices(&n));
    if (device >= n)
        return pyr_fail(PYR_E_ARG, "backend cuda:%d: there %s only %d GPU%s here, counted from 0", device,
                        n == 1 ? "is" : "are", n, n == 1 ? "" : "s");
    PYR_TRY(pyr_cuda_check(cudaGetDeviceProperties(&about, device), "the GPU's properties"));
    PYR_TRY(pyr_cuda_check(cudaSetDevice(device), "choosing a GPU"));
    PYR_TRY(pyr_cuda_check(cudaRuntimeGetVersion(&runtime), "the runtime's version"));
    c->device = device;
    c->major = about.major;
    c->minor = about.minor;
    c->memory = about.totalGlobalMem;
    c->processors = about.multiProcessorCount;
    k->micro_batch = images_at_once(c->processors);
    snprintf(c->name, sizeof c->name, "%s", about.name);
    PYR_TRY(pyr_cuda_check(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), "a stream"));
    PYR_TRY(pyr_cuda_check(cudaMalloc((void **)&c->sums, PYR_CUDA_SUMS * sizeof *c->sums), "sums"));
    before = cuda_available(k);
    PYR_TRY(pyr_cuda_libraries_open(&c->libraries, c));
    after = cuda_available(k);
    k->library_bytes = before > after ? before - after : 0;
    snprintf(c->measurable, sizeof c->measurable, "%.200s, CUDA %d, cuDNN %d", c->name, runtime,
             pyr_cuda_cudnn_version(c->libraries));
    k->measurable = c->measurable;
    snprintf(c->words, sizeof c->words, "%.200s (device %d, compute capability %d.%d, %.1f GiB)", c->name,
             device, c->major, c->minor, (double)c->memory / 1073741824);
    k->device = c->words;
    k->has_bf16 = k->fast_bf16 = k->has_tf32 = c->major >= 8;
    return PYR_OK;
}

extern "C" bool pyr_kernels_cuda_built(void)
{
    return true;
}

extern "C" pyr_status pyr_kernels_cuda(pyr_kernels **out, int device)
{
    pyr_kernels *k;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_kernels_new(&k, &cuda_backend, 1, NULL));
    PYR_TRY_OUT(pyr_new(&k->ctx, 1, sizeof(pyr_cuda), "CUDA"));
    PYR_TRY_OUT(open_device(k, device));
    *out = k;
    return PYR_OK;
out:
    pyr_kernels_free(k);
    return status;
}
