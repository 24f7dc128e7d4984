/* fake.cc - the device that is none: see cuda_runtime.h. */
#include "tests/cuda/fake.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <assert.h>
#include <map>
#include <set>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

typedef std::function<void()> work;

struct fake_stream {
    std::vector<work> queue;
};

struct fake_event {
    fake_stream *stream;
};

struct fake_graph {
    std::vector<work> list;
};

/* Threads of a block as the program begins: FAKE_CUDA_THREADS, or one. */
static unsigned threads_at_first()
{
    const char *word = getenv("FAKE_CUDA_THREADS");
    long threads = word ? strtol(word, NULL, 10) : 1;

    if (threads < 1 || threads > 1024) {
        fprintf(stderr, "FAKE_CUDA_THREADS is \"%s\", should be 1..1024\n", word);
        exit(2);
    }
    return (unsigned)threads;
}

fake_device fake = {{0, 0, 0, 0, 0, 0, 0, 0, 0}, 1, true, (size_t)1 << 30, threads_at_first(), 9, 0};
dim3 threadIdx, blockIdx, blockDim, gridDim;

static cudaError_t last_error;
static fake_graph *capture;    /* the one being made */
static bool capture_is_broken; /* something was asked for meanwhile that a capture cannot keep */

/* ---- errors ------------------------------------------------------------------------------------ */

const char *cudaGetErrorName(cudaError_t error)
{
    switch (error) {
    case cudaSuccess:
        return "cudaSuccess";
    case cudaErrorMemoryAllocation:
        return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver:
        return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
        return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
        return "cudaErrorInvalidDevice";
    case cudaErrorStreamCaptureUnsupported:
        return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
        return "cudaErrorStreamCaptureInvalidated";
    default:
        return "cudaErrorInvalidValue";
    }
}

const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaErrorMemoryAllocation ? "out of memory" : "an error of the device that is none";
}

cudaError_t cudaGetLastError()
{
    cudaError_t error = last_error;

    last_error = cudaSuccess;
    return error;
}

/* What a capture does not allow: it is lost then. */
static bool refused_in_capture()
{
    if (capture)
        capture_is_broken = true;
    return capture != NULL;
}

/* ---- the device -------------------------------------------------------------------------------- */

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = 0;
    if (!fake.driver)
        return cudaErrorInsufficientDriver;
    *count = fake.devices;
    return fake.devices ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device)
{
    if (device >= fake.devices)
        return cudaErrorInvalidDevice;
    *out = {"none (emulated)", fake.memory, fake.major, fake.minor, 4};
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    return device < fake.devices ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

/* ---- memory ------------------------------------------------------------------------------------ */

/* Addresses for device memory, closed to the host. */
static char *arena;
static const size_t ARENA = (size_t)8 << 30;
static std::map<char *, size_t> blocks; /* by address */
static std::map<char *, size_t> pinned_size;

static size_t page_up(size_t bytes)
{
    return (bytes + 4095) / 4096 * 4096;
}

static void open_memory(bool open)
{
    for (const auto &block : blocks)
        if (mprotect(block.first, page_up(block.second), open ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
            abort();
}

static bool is_device(const void *address)
{
    return arena && (const char *)address >= arena && (const char *)address < arena + ARENA;
}

bool fake_is_device(const void *address, size_t bytes)
{
    auto at = blocks.upper_bound((char *)address);

    return at != blocks.begin() && (--at, (const char *)address + bytes <= at->first + at->second);
}

static bool is_pinned(const void *address)
{
    auto at = pinned_size.upper_bound((char *)address);

    return at != pinned_size.begin() && (--at, (const char *)address < at->first + at->second);
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total)
{
    *total = fake.memory;
    *free = fake.memory - fake.counts.used;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    char *at;

    if (refused_in_capture())
        return cudaErrorStreamCaptureUnsupported;
    if (!arena)
        arena = (char *)mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes > fake.memory - fake.counts.used) {
        last_error = cudaErrorMemoryAllocation;
        return cudaErrorMemoryAllocation;
    }
    at = arena;
    for (const auto &block : blocks) { /* the first gap; a page stays free behind every block */
        if ((size_t)(block.first - at) >= page_up(bytes) + 4096)
            break;
        at = block.first + page_up(block.second) + 4096;
    }
    assert(at + bytes < arena + ARENA);
    blocks[at] = bytes;
    if (mprotect(at, page_up(bytes), PROT_READ | PROT_WRITE) != 0)
        return cudaErrorMemoryAllocation;
    memset(at, 0xFF, page_up(bytes)); /* NaN, as long as nobody writes */
    if (mprotect(at, page_up(bytes), PROT_NONE) != 0)
        return cudaErrorMemoryAllocation;
    *out = at;
    fake.counts.allocations++;
    fake.counts.used += bytes;
    fake.counts.most_used = std::max(fake.counts.most_used, fake.counts.used);
    return cudaSuccess;
}

static std::set<fake_stream *> streams;
static void run(fake_stream *stream);

cudaError_t cudaFree(void *block)
{
    if (!block)
        return cudaSuccess;
    if (refused_in_capture())
        return cudaErrorStreamCaptureUnsupported;
    for (fake_stream *stream : streams)
        run(stream);
    assert(blocks.count((char *)block));
    fake.counts.used -= blocks[(char *)block];
    madvise(block, page_up(blocks[(char *)block]), MADV_DONTNEED);
    blocks.erase((char *)block);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    if (refused_in_capture())
        return cudaErrorStreamCaptureUnsupported;
    *out = malloc(bytes ? bytes : 1);
    if (!*out)
        return cudaErrorMemoryAllocation;
    pinned_size[(char *)*out] = bytes ? bytes : 1;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *block)
{
    for (fake_stream *stream : streams)
        run(stream);
    pinned_size.erase((char *)block);
    free(block);
    return cudaSuccess;
}

/* ---- streams ----------------------------------------------------------------------------------- */

static void run(fake_stream *stream)
{
    if (stream->queue.empty())
        return;
    open_memory(true);
    for (const work &w : stream->queue)
        w();
    stream->queue.clear();
    open_memory(false);
}

static void put(fake_stream *stream, work w)
{
    static const bool at_once = getenv("FAKE_CUDA_AT_ONCE") != NULL;

    if (capture)
        capture->list.push_back(std::move(w));
    else
        stream->queue.push_back(std::move(w));
    if (at_once && !capture)
        run(stream);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned)
{
    *out = new fake_stream;
    streams.insert(*out);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    run(stream);
    streams.erase(stream);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    if (refused_in_capture())
        return cudaErrorStreamCaptureUnsupported;
    fake.counts.waits++;
    run(stream);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    bool to = is_device(dst), from = is_device(src);

    if (to != (kind != cudaMemcpyDeviceToHost) || from != (kind != cudaMemcpyHostToDevice))
        return cudaErrorInvalidValue;
    if (kind != cudaMemcpyDeviceToDevice && refused_in_capture())
        return cudaErrorStreamCaptureUnsupported;
    fake.counts.uploads += kind == cudaMemcpyHostToDevice;
    fake.counts.downloads += kind == cudaMemcpyDeviceToHost;
    if (kind == cudaMemcpyHostToDevice && !is_pinned(src)) { /* taken now */
        std::vector<char> taken((const char *)src, (const char *)src + bytes);

        put(stream, [=] { memcpy(dst, taken.data(), taken.size()); });
    } else
        put(stream, [=] { memmove(dst, src, bytes); });
    if (kind == cudaMemcpyDeviceToHost && !is_pinned(dst))
        run(stream);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream)
{
    if (!is_device(dst))
        return cudaErrorInvalidValue;
    put(stream, [=] { memset(dst, value, bytes); });
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned)
{
    *out = new fake_event{NULL};
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    if (refused_in_capture())
        return cudaErrorStreamCaptureUnsupported;
    event->stream = stream;
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (refused_in_capture())
        return cudaErrorStreamCaptureUnsupported;
    fake.counts.waits++;
    if (event->stream)
        run(event->stream);
    return cudaSuccess;
}

/* ---- captures ---------------------------------------------------------------------------------- */

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode)
{
    if (capture)
        return cudaErrorInvalidValue;
    capture = new fake_graph;
    capture_is_broken = false;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *out)
{
    fake_graph *made = capture;

    *out = NULL;
    if (!made)
        return cudaErrorInvalidValue;
    capture = NULL;
    if (capture_is_broken) {
        delete made;
        return cudaErrorStreamCaptureInvalidated;
    }
    fake.counts.captures++;
    *out = made;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long)
{
    *out = new fake_graph(*graph);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream)
{
    fake.counts.replays++;
    put(stream, [=] {
        for (const work &w : graph->list)
            w();
    });
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph)
{
    for (fake_stream *stream : streams)
        run(stream);
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

/* ---- kernels: the threads of a block as coroutines ----------------------------------------------- */

enum { WARP = 32, STACK = 64 * 1024, NOBODY = -1, THE_BLOCK = -2 };

struct fiber {
    ucontext_t context;
    std::vector<char> stack;
    bool done;
    int waits; /* NOBODY: for nothing; THE_BLOCK, or the warp's number */
};

static std::vector<fiber> fibers;
static ucontext_t scheduler;
static int current = NOBODY;
static const work *body;
static double exchanged[1024];

static void fiber_main()
{
    (*body)();
    fibers[current].done = true;
    swapcontext(&fibers[current].context, &scheduler);
}

static void wait_for(int whom)
{
    if (current == NOBODY)
        return;
    fibers[current].waits = whom;
    swapcontext(&fibers[current].context, &scheduler);
}

void __syncthreads()
{
    wait_for(THE_BLOCK);
}

double __shfl_xor_sync(unsigned, double value, int lane_mask)
{
    int me = current, warp = me / WARP;
    double got;

    if (me == NOBODY)
        return value;
    exchanged[me] = value;
    wait_for(warp);
    got = exchanged[me ^ lane_mask];
    wait_for(warp);
    return got;
}

float __shfl_xor_sync(unsigned mask, float value, int lane_mask)
{
    return (float)__shfl_xor_sync(mask, (double)value, lane_mask);
}

/* Let go who waits for a block or warp whose every living thread does. */
static void release(int threads)
{
    for (int t = 0; t < threads; t++) {
        int whom = fibers[t].waits;
        bool all = whom != NOBODY;

        for (int u = 0; all && u < threads; u++)
            if (!fibers[u].done && (whom == THE_BLOCK || u / WARP == whom))
                all = fibers[u].waits == whom;
        if (!all)
            continue;
        for (int u = 0; u < threads; u++)
            if (!fibers[u].done && (whom == THE_BLOCK || u / WARP == whom))
                fibers[u].waits = NOBODY;
    }
}

static void run_block(int threads, bool backwards)
{
    static int alive; /* not on the stack, which swapcontext leaves */

    alive = threads;
    if ((int)fibers.size() < threads)
        fibers.resize((size_t)threads);
    for (int t = 0; t < threads; t++) {
        fiber &f = fibers[t];

        f.stack.resize(STACK);
        f.done = false;
        f.waits = NOBODY;
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.data();
        f.context.uc_stack.ss_size = STACK;
        f.context.uc_link = NULL;
        makecontext(&f.context, fiber_main, 0);
    }
    while (alive) {
        bool ran = false;

        for (int i = 0; i < threads; i++) {
            int t = backwards ? threads - 1 - i : i;

            if (fibers[t].done || fibers[t].waits != NOBODY)
                continue;
            ran = true;
            current = t;
            threadIdx.x = (unsigned)t;
            swapcontext(&scheduler, &fibers[t].context);
            alive -= fibers[t].done;
        }
        release(threads);
        if (!ran && alive) {
            bool stuck = true;

            for (int t = 0; t < threads; t++)
                stuck &= fibers[t].done || fibers[t].waits != NOBODY;
            if (stuck) {
                fprintf(stderr, "threads of a block wait for one another at different places\n");
                abort();
            }
        }
    }
    current = NOBODY;
}

static void run_kernel(unsigned blocks_, unsigned threads, bool alone, const work &w)
{
    unsigned at_once = alone ? 1 : std::min(threads, fake.threads);

    gridDim = {blocks_, 1, 1};
    blockDim = {at_once, 1, 1};
    body = &w;
    for (unsigned b = 0; b < blocks_; b++) {
        blockIdx = {b, 0, 0};
        threadIdx = {0, 0, 0};
        if (at_once == 1)
            w();
        else
            run_block((int)at_once, b % 2);
    }
}

void fake_launch(cudaStream_t stream, const char *name, unsigned blocks_, unsigned threads, bool alone,
                 work w)
{
    fake.counts.launches++;
    if (!blocks_ || !threads || threads > 1024 || threads % WARP || blocks_ > 0x7FFFFFFFu) {
        fprintf(stderr, "%s is launched with %u blocks of %u threads\n", name, blocks_, threads);
        last_error = cudaErrorInvalidValue;
        return;
    }
    put(stream, [=] { run_kernel(blocks_, threads, alone, w); });
}

void fake_work(cudaStream_t stream, work w)
{
    fake.counts.launches++;
    put(stream, std::move(w));
}
