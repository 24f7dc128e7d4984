/* ref.c - the reference backend: memory, threads, recording; the rest is in the templates. */
#include "kernels/ref/ref.h"

#include "base/mem.h"
#include <assert.h>
#include <math.h>
#include <string.h>

static pyr_status host_alloc(pyr_kernels *k, void **out, size_t bytes, const char *what)
{
    (void)k;
    return pyr_new(out, bytes, 1, what);
}

static void host_release(pyr_kernels *k, void *block)
{
    (void)k;
    pyr_free(block);
}

static void host_copy(pyr_kernels *k, void *dst, const void *src, size_t bytes)
{
    (void)k;
    if (bytes)
        memcpy(dst, src, bytes);
}

static void host_zero(pyr_kernels *k, void *dst, size_t bytes)
{
    (void)k;
    if (bytes)
        memset(dst, 0, bytes);
}

static pyr_status host_sync(pyr_kernels *k)
{
    (void)k;
    return PYR_OK;
}

/* Copies are done when they return: there is nothing to wait for. */
static pyr_status host_mark(pyr_kernels *k, int slot)
{
    (void)k;
    assert(slot >= 0 && slot < PYR_MARKS);
    (void)slot;
    return PYR_OK;
}

static pyr_status host_run_tasks(pyr_kernels *k, int tasks, pyr_task run, void *arg)
{
    return pyr_pool_run(k->pool, tasks, run, arg);
}

static pyr_status host_record_begin(pyr_kernels *k)
{
    (void)k;
    return PYR_OK;
}

static pyr_status host_record_end(pyr_kernels *k, void **recording)
{
    (void)k;
    *recording = NULL;
    return PYR_OK;
}

static pyr_status host_replay(pyr_kernels *k, void *recording)
{
    (void)recording;
    return pyr_fail(PYR_E_UNSUPPORTED, "backend %s keeps no recordings", k->backend->name);
}

pyr_status pyr_ref_join_norms(pyr_kernels *k, pyr_step_state *const *states, int n)
{
    double sum = 0;
    uint32_t skip = 0;

    (void)k;
    for (int i = 0; i < n; i++) {
        sum += (double)states[i]->grad_norm * (double)states[i]->grad_norm;
        skip |= states[i]->skip;
    }
    for (int i = 0; i < n; i++) {
        states[i]->clip_norm = (float)sqrt(sum);
        states[i]->skip = skip;
    }
    return PYR_OK;
}

static void host_forget(pyr_kernels *k, void *recording)
{
    (void)k;
    (void)recording; /* there never is one */
}

const pyr_memory pyr_host_memory = {
    .alloc = host_alloc,
    .release = host_release,
    .copy = host_copy,
    .upload = host_copy,
    .download = host_copy,
    .zero = host_zero,
    .sync = host_sync,
    .alloc_host = host_alloc,
    .release_host = host_release,
    .mark = host_mark,
    .wait = host_mark,
    .run_tasks = host_run_tasks,
    .record_begin = host_record_begin,
    .record_end = host_record_end,
    .replay = host_replay,
    .forget = host_forget,
};

pyr_status pyr_kernels_ref(pyr_kernels **out, pyr_type real, int lanes)
{
    PYR_TRY(pyr_kernels_new(out, real == PYR_F64 ? &pyr_ref_f64 : &pyr_ref_f32, lanes, NULL));
    (*out)->micro_batch = 4; /* nothing here gains from a larger one */
    return PYR_OK;
}
