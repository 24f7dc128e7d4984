/* ref.c - the reference table: memory, threads, recording; the rest is in the templates. */
#include "kernels/ref/ref.h"

#include "base/mem.h"
#include <assert.h>
#include <math.h>
#include <string.h>

static pyr_status ref_alloc(pyr_kernels *k, void **out, size_t bytes, const char *what)
{
    (void)k;
    return pyr_new(out, bytes, 1, what);
}

static void ref_release(pyr_kernels *k, void *block)
{
    (void)k;
    pyr_free(block);
}

static void ref_copy(pyr_kernels *k, void *dst, const void *src, size_t bytes)
{
    (void)k;
    if (bytes)
        memcpy(dst, src, bytes);
}

static void ref_zero(pyr_kernels *k, void *dst, size_t bytes)
{
    (void)k;
    if (bytes)
        memset(dst, 0, bytes);
}

static pyr_status ref_sync(pyr_kernels *k)
{
    (void)k;
    return PYR_OK;
}

/* Copies are done when they return: there is nothing to wait for. */
static pyr_status ref_mark(pyr_kernels *k, int slot)
{
    (void)k;
    assert(slot >= 0 && slot < PYR_MARKS);
    (void)slot;
    return PYR_OK;
}

static pyr_status ref_run_tasks(pyr_kernels *k, int tasks, pyr_task run, void *arg)
{
    return pyr_pool_run(k->pool, tasks, run, arg);
}

static pyr_status ref_record_begin(pyr_kernels *k)
{
    (void)k;
    return PYR_OK;
}

static pyr_status ref_record_end(pyr_kernels *k, void **recording)
{
    (void)k;
    *recording = NULL;
    return PYR_OK;
}

static pyr_status ref_replay(pyr_kernels *k, void *recording)
{
    (void)recording;
    return pyr_fail(PYR_E_UNSUPPORTED, "backend %s keeps no recordings", k->name);
}

static pyr_status ref_join_norms(pyr_kernels *k, pyr_step_state *const *states, int n)
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

static void ref_forget(pyr_kernels *k, void *recording)
{
    (void)k;
    (void)recording; /* there never is one */
}

void pyr_ref_fill(pyr_kernels *k, pyr_type real)
{
    k->real = real;
    k->host_memory = true;
    k->ahead = 0;
    k->alloc = ref_alloc;
    k->release = ref_release;
    k->copy = ref_copy;
    k->upload = ref_copy;
    k->download = ref_copy;
    k->zero = ref_zero;
    k->sync = ref_sync;
    k->alloc_host = ref_alloc;
    k->release_host = ref_release;
    k->mark = ref_mark;
    k->wait = ref_mark;
    k->run_tasks = ref_run_tasks;
    k->record_begin = ref_record_begin;
    k->record_end = ref_record_end;
    k->replay = ref_replay;
    k->forget = ref_forget;
    k->join_norms = ref_join_norms;
    if (real == PYR_F64)
        pyr_ref_fill_f64(k);
    else
        pyr_ref_fill_f32(k);
}

pyr_status pyr_kernels_ref(pyr_kernels **out, pyr_type real, int lanes)
{
    pyr_kernels *k;
    pyr_status status;

    *out = NULL;
    if (lanes < 0)
        return pyr_fail(PYR_E_ARG, "threads is %d, should be 0 (one per processor) or more", lanes);
    PYR_TRY(pyr_new(&k, 1, sizeof *k, "operation table"));
    k->name = real == PYR_F64 ? "ref-double" : "ref";
    pyr_ref_fill(k, real);
    PYR_TRY_OUT(pyr_tuning_new(&k->tuning));
    PYR_TRY_OUT(pyr_pool_new(&k->pool, lanes, NULL));
    k->lanes = pyr_pool_lanes(k->pool);
    k->micro_batch = 4;   /* nothing here gains from a larger one */
    k->library_bytes = 0; /* there is none */
    *out = k;
    return PYR_OK;
out:
    pyr_kernels_free(k);
    return status;
}
