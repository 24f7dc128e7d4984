/* recording.h - the reference table as a device that records and lags behind, for tests of what stands on it:
 *
 *     ref-lags      between record_begin and record_end nothing is done: calls are noted with the numbers and
 *                   pointers they were given, and replay does them. Copies to and from blocks of alloc_host,
 *                   replays and marks wait until somebody waits for them; a block is overwritten when it has
 *                   been uploaded, and when a download into it is asked for. What may not be recorded is a
 * failed check. ahead is 4, and its memory is not the host's. ref-counts    the reference, which does
 * everything at once
 *
 * Both call `before_step` before they do the n-th thing that is recorded. One of them at a time. */
#ifndef PYR_TESTS_RECORDING_H
#define PYR_TESTS_RECORDING_H

#include "tests/check.h"

#include "base/mem.h"
#include "kernels/kernels.h"
#include <stdlib.h>

typedef enum recorded_kind {
    CALL_COPY,
    CALL_ZERO,
    CALL_FORWARD,
    CALL_BACKWARD,
    CALL_PACK,
    CALL_COLLECT,
    CALL_MEAN,
    CALL_NORM,
    CALL_JOIN_NORMS,
    CALL_ADAMW,
    CALL_COMBINE,
    CALL_NORMALS,
    CALL_CLAMP,
    CALL_PIXELS,
    CALL_DITHER,
    CALL_RESAMPLE,
    CALL_HAAR_SPLIT,
    CALL_HAAR_MERGE
} recorded_kind;

enum { MOST_LISTED = 64 };

/* A call with all that it was given by value; host arrays are copied. */
typedef struct recorded_call {
    recorded_kind kind;
    void *dst, *m, *v, *ema;
    const void *src, *more;
    const void *list[MOST_LISTED];
    size_t count;
    double a, b, coef[4];
    int n, c;
    bool flag;
    uint32_t purpose, index, step;
    pyr_shape s;
    pyr_axis rows, cols;
    pyr_adamw adamw;
    pyr_op op;
    void *dparam[PYR_OP_PARAMS];
} recorded_call;

typedef struct recorded_calls {
    recorded_call *at;
    int n, room;
} recorded_calls;

/* What was asked for and is not done. */
typedef struct delayed {
    enum { DELAYED_UPLOAD, DELAYED_DOWNLOAD, DELAYED_REPLAY, DELAYED_MARK } kind;
    void *dst;
    const void *src;
    size_t bytes;
    int slot;
} delayed;

enum { MOST_DELAYED = 512, MOST_RECORDINGS = 16, MOST_HOST_BLOCKS = 16 };

static struct recorder {
    bool lags;
    const pyr_backend *ref; /* what lags */
    pyr_backend backend;
    pyr_memory memory;
    pyr_op_impl rows[PYR_OP_KINDS];
    recorded_calls recording[MOST_RECORDINGS];
    int recordings; /* begun */
    bool open;
    delayed delayed[MOST_DELAYED];
    int n_delayed, most_delayed;
    struct {
        char *at;
        size_t bytes;
    } host[MOST_HOST_BLOCKS];
    int steps; /* done */
    void (*before_step)(pyr_kernels *k, int step);
} recorder;

/* ---- doing ------------------------------------------------------------------------------------- */

static inline pyr_status recorder_do(pyr_kernels *k, recorded_call *c)
{
    const pyr_backend *ref = recorder.ref;
    const pyr_op_impl *row = ref->op[c->op.kind];

    switch (c->kind) {
    case CALL_COPY:
        ref->memory->copy(k, c->dst, c->src, c->count);
        return PYR_OK;
    case CALL_ZERO:
        ref->memory->zero(k, c->dst, c->count);
        return PYR_OK;
    case CALL_FORWARD:
        return row->forward(k, &c->op);
    case CALL_BACKWARD:
        return row->backward(k, &c->op);
    case CALL_PACK:
        return row->pack(k, &c->op);
    case CALL_COLLECT:
        return row->collect ? row->collect(k, &c->op, (void *const *)c->list, c->n, c->dparam)
                            : pyr_op_collect_default(k, &c->op, (void *const *)c->list, c->n, c->dparam);
    case CALL_MEAN:
        return ref->mean(k, c->dst, c->src, c->count, c->a, c->flag);
    case CALL_NORM:
        return ref->norm(k, c->src, c->count, c->dst);
    case CALL_JOIN_NORMS:
        return ref->join_norms(k, (pyr_step_state *const *)c->list, c->n);
    case CALL_ADAMW:
        return ref->adamw(k, &c->adamw, (pyr_step_state *)(uintptr_t)c->more, c->dst, c->src, c->m, c->v,
                          c->ema, c->count);
    case CALL_COMBINE:
        ref->combine(k, c->dst, c->n, c->coef, c->list, c->count);
        return PYR_OK;
    case CALL_NORMALS:
        ref->normals(k, c->dst, c->n, c->count, c->src, c->purpose, c->index, c->step);
        return PYR_OK;
    case CALL_CLAMP:
        ref->clamp(k, c->dst, c->a, c->b, c->count);
        return PYR_OK;
    case CALL_PIXELS:
        ref->pixels(k, c->dst, c->src, c->n, c->s, c->c, c->more);
        return PYR_OK;
    case CALL_DITHER:
        ref->dither(k, c->dst, c->n, c->count, c->a, c->src, c->purpose);
        return PYR_OK;
    case CALL_RESAMPLE:
        ref->resample(k, c->dst, c->src, c->n, c->c, &c->rows, &c->cols, c->a, c->m);
        return PYR_OK;
    case CALL_HAAR_SPLIT:
        ref->haar_split(k, c->dst, c->src, c->s);
        return PYR_OK;
    case CALL_HAAR_MERGE:
        ref->haar_merge(k, c->dst, c->s, c->src, c->more);
        return PYR_OK;
    }
    return pyr_fail(PYR_E_ARG, "no such call");
}

static inline void recorder_step(pyr_kernels *k)
{
    if (recorder.before_step)
        recorder.before_step(k, recorder.steps);
    recorder.steps++;
}

/* The first n of what is delayed. */
static inline void recorder_catch_up(pyr_kernels *k, int n)
{
    struct recorder *r = &recorder;

    for (int i = 0; i < n; i++) {
        delayed *d = &r->delayed[i];

        if (d->kind == DELAYED_UPLOAD || d->kind == DELAYED_DOWNLOAD)
            memcpy(d->dst, d->src, d->bytes);
        if (d->kind == DELAYED_UPLOAD)
            memset((void *)(uintptr_t)d->src, 0xa5, d->bytes); /* nobody needs it any more */
        if (d->kind == DELAYED_REPLAY) {
            recorded_calls *calls = d->dst;

            recorder_step(k);
            for (int j = 0; j < calls->n; j++) {
                recorded_call call = calls->at[j]; /* an operation may write into its own */

                CHECK_OK(recorder_do(k, &call));
            }
        }
    }
    r->n_delayed -= n;
    memmove(r->delayed, r->delayed + n, (size_t)r->n_delayed * sizeof *r->delayed);
}

/* Everything: before anything that does not lag. */
static inline void recorder_settle(pyr_kernels *k)
{
    CHECK(!recorder.open); /* nothing is waited for, moved or allocated in what is recorded */
    recorder_catch_up(k, recorder.n_delayed);
}

static inline void recorder_delay(delayed d)
{
    if (recorder.n_delayed == MOST_DELAYED)
        abort();
    recorder.delayed[recorder.n_delayed++] = d;
    if (recorder.n_delayed > recorder.most_delayed)
        recorder.most_delayed = recorder.n_delayed;
}

/* Noted, or done. */
static inline pyr_status recorder_call(pyr_kernels *k, recorded_call c)
{
    recorded_calls *calls = &recorder.recording[recorder.recordings - (recorder.recordings > 0)];

    if (!recorder.open) {
        recorder_settle(k);
        return recorder_do(k, &c);
    }
    if (calls->n == calls->room) {
        calls->room = calls->room ? 2 * calls->room : 1024;
        calls->at = realloc(calls->at, (size_t)calls->room * sizeof *calls->at);
        if (!calls->at)
            abort();
    }
    calls->at[calls->n++] = c;
    return PYR_OK;
}

/* ---- the slots --------------------------------------------------------------------------------- */

static inline pyr_status lag_alloc(pyr_kernels *k, void **out, size_t bytes, const char *what)
{
    recorder_settle(k);
    return recorder.ref->memory->alloc(k, out, bytes, what);
}

static inline void lag_release(pyr_kernels *k, void *block)
{
    recorder_settle(k);
    recorder.ref->memory->release(k, block);
}

static inline pyr_status lag_alloc_host(pyr_kernels *k, void **out, size_t bytes, const char *what)
{
    recorder_settle(k);
    PYR_TRY(recorder.ref->memory->alloc_host(k, out, bytes, what));
    for (int i = 0; i < MOST_HOST_BLOCKS; i++)
        if (!recorder.host[i].at) {
            recorder.host[i].at = *out;
            recorder.host[i].bytes = bytes;
            return PYR_OK;
        }
    abort();
}

static inline void lag_release_host(pyr_kernels *k, void *block)
{
    recorder_settle(k);
    for (int i = 0; i < MOST_HOST_BLOCKS; i++)
        if (block && recorder.host[i].at == block)
            recorder.host[i].at = NULL;
    recorder.ref->memory->release_host(k, block);
}

/* Of alloc_host. */
static inline bool is_host_block(const void *at)
{
    for (int i = 0; i < MOST_HOST_BLOCKS; i++)
        if (recorder.host[i].at && (const char *)at >= recorder.host[i].at &&
            (const char *)at < recorder.host[i].at + recorder.host[i].bytes)
            return true;
    return false;
}

static inline void lag_upload(pyr_kernels *k, void *dst, const void *host, size_t bytes)
{
    CHECK(!recorder.open);
    if (is_host_block(host)) {
        recorder_delay((delayed){.kind = DELAYED_UPLOAD, .dst = dst, .src = host, .bytes = bytes});
        return;
    }
    recorder_settle(k);
    recorder.ref->memory->upload(k, dst, host, bytes);
}

static inline void lag_download(pyr_kernels *k, void *host, const void *src, size_t bytes)
{
    CHECK(!recorder.open);
    if (is_host_block(host)) {
        memset(host, 0xa5, bytes); /* it is the copy's now */
        recorder_delay((delayed){.kind = DELAYED_DOWNLOAD, .dst = host, .src = src, .bytes = bytes});
        return;
    }
    recorder_settle(k);
    recorder.ref->memory->download(k, host, src, bytes);
}

static inline pyr_status lag_sync(pyr_kernels *k)
{
    recorder_settle(k);
    return PYR_OK;
}

static inline pyr_status lag_mark(pyr_kernels *k, int slot)
{
    (void)k;
    CHECK(!recorder.open && slot >= 0 && slot < PYR_MARKS);
    recorder_delay((delayed){.kind = DELAYED_MARK, .slot = slot});
    return PYR_OK;
}

/* No further than it must. */
static inline pyr_status lag_wait(pyr_kernels *k, int slot)
{
    int n = 0;

    CHECK(!recorder.open);
    for (int i = 0; i < recorder.n_delayed; i++)
        if (recorder.delayed[i].kind == DELAYED_MARK && recorder.delayed[i].slot == slot)
            n = i + 1;
    recorder_catch_up(k, n);
    return PYR_OK;
}

static inline pyr_status lag_record_begin(pyr_kernels *k)
{
    (void)k;
    CHECK(!recorder.open);
    if (recorder.recordings == MOST_RECORDINGS)
        abort();
    recorder.recordings++;
    recorder.open = true;
    return PYR_OK;
}

static inline pyr_status lag_record_end(pyr_kernels *k, void **recording)
{
    (void)k;
    CHECK(recorder.open);
    recorder.open = false;
    *recording = &recorder.recording[recorder.recordings - 1];
    return PYR_OK;
}

static inline pyr_status lag_replay(pyr_kernels *k, void *recording)
{
    (void)k;
    CHECK(!recorder.open);
    recorder_delay((delayed){.kind = DELAYED_REPLAY, .dst = recording});
    return PYR_OK;
}

static inline pyr_status count_record_begin(pyr_kernels *k)
{
    recorder.recordings++;
    recorder_step(k);
    return PYR_OK;
}

static inline pyr_status lag_run_tasks(pyr_kernels *k, int tasks, pyr_task run, void *arg)
{
    (void)k;
    for (int i = 0; i < tasks; i++)
        PYR_TRY(run(arg, i, 0));
    return PYR_OK;
}

static inline pyr_status lag_forward(pyr_kernels *k, pyr_op *op)
{
    return recorder_call(k, (recorded_call){.kind = CALL_FORWARD, .op = *op});
}

static inline pyr_status lag_backward(pyr_kernels *k, pyr_op *op)
{
    return recorder_call(k, (recorded_call){.kind = CALL_BACKWARD, .op = *op});
}

static inline pyr_status lag_pack(pyr_kernels *k, pyr_op *op)
{
    return recorder_call(k, (recorded_call){.kind = CALL_PACK, .op = *op});
}

static inline pyr_status lag_collect(pyr_kernels *k, pyr_op *op, void *const *accumulators, int n,
                                     void *const dparam[PYR_OP_PARAMS])
{
    recorded_call c = {.kind = CALL_COLLECT, .op = *op, .n = n};

    if (n > MOST_LISTED)
        abort();
    memcpy(c.list, accumulators, (size_t)n * sizeof *c.list);
    memcpy(c.dparam, dparam, sizeof c.dparam);
    return recorder_call(k, c);
}

/* Slots that give no status: the reference's cannot fail. */
static inline void recorder_note(pyr_kernels *k, recorded_call c)
{
    CHECK_OK(recorder_call(k, c));
}

static inline void lag_copy(pyr_kernels *k, void *dst, const void *src, size_t bytes)
{
    CHECK(!is_host_block(src) && !is_host_block(dst));
    recorder_note(k, (recorded_call){.kind = CALL_COPY, .dst = dst, .src = src, .count = bytes});
}

static inline void lag_zero(pyr_kernels *k, void *dst, size_t bytes)
{
    recorder_note(k, (recorded_call){.kind = CALL_ZERO, .dst = dst, .count = bytes});
}

static inline pyr_status lag_mean(pyr_kernels *k, float *out, const void *values, size_t count, double weight,
                                  bool add)
{
    return recorder_call(
        k, (recorded_call){
               .kind = CALL_MEAN, .dst = out, .src = values, .count = count, .a = weight, .flag = add});
}

static inline pyr_status lag_norm(pyr_kernels *k, const void *grad, size_t count, pyr_step_state *state)
{
    return recorder_call(k, (recorded_call){.kind = CALL_NORM, .dst = state, .src = grad, .count = count});
}

static inline pyr_status lag_join_norms(pyr_kernels *k, pyr_step_state *const *states, int n)
{
    recorded_call c = {.kind = CALL_JOIN_NORMS, .n = n};

    CHECK(n >= 1 && n <= PYR_MOST_JOINED);
    memcpy(c.list, states, (size_t)n * sizeof *c.list);
    return recorder_call(k, c);
}

static inline pyr_status lag_adamw(pyr_kernels *k, const pyr_adamw *settings, pyr_step_state *state,
                                   void *value, const void *grad, void *m, void *v, void *ema, size_t count)
{
    return recorder_call(k, (recorded_call){.kind = CALL_ADAMW,
                                            .adamw = *settings,
                                            .more = state,
                                            .dst = value,
                                            .src = grad,
                                            .m = m,
                                            .v = v,
                                            .ema = ema,
                                            .count = count});
}

static inline void lag_combine(pyr_kernels *k, void *dst, int n, const double *coef, const void *const *src,
                               size_t count)
{
    recorded_call c = {.kind = CALL_COMBINE, .dst = dst, .n = n, .count = count};

    memcpy(c.coef, coef, (size_t)n * sizeof *coef);
    memcpy(c.list, src, (size_t)n * sizeof *c.list);
    recorder_note(k, c);
}

static inline void lag_normals(pyr_kernels *k, void *dst, int images, size_t each, const uint32_t *stream,
                               uint32_t purpose, uint32_t index, uint32_t step)
{
    recorder_note(k, (recorded_call){.kind = CALL_NORMALS,
                                     .dst = dst,
                                     .n = images,
                                     .count = each,
                                     .src = stream,
                                     .purpose = purpose,
                                     .index = index,
                                     .step = step});
}

static inline void lag_clamp(pyr_kernels *k, void *dst, double lo, double hi, size_t count)
{
    recorder_note(k, (recorded_call){.kind = CALL_CLAMP, .dst = dst, .a = lo, .b = hi, .count = count});
}

static inline pyr_status lag_dots(pyr_kernels *k, double *out, const void *a, const void *b, int n,
                                  size_t size)
{
    recorder_settle(k);
    return recorder.ref->dots(k, out, a, b, n, size);
}

static inline void lag_pixels(pyr_kernels *k, void *dst, const void *samples, int n, pyr_shape s, int bits,
                              const uint32_t *flip)
{
    CHECK(!is_host_block(samples));
    recorder_note(
        k, (recorded_call){
               .kind = CALL_PIXELS, .dst = dst, .src = samples, .n = n, .s = s, .c = bits, .more = flip});
}

static inline void lag_dither(pyr_kernels *k, void *dst, int images, size_t each, double half,
                              const uint32_t *stream, uint32_t purpose)
{
    recorder_note(k, (recorded_call){.kind = CALL_DITHER,
                                     .dst = dst,
                                     .n = images,
                                     .count = each,
                                     .a = half,
                                     .src = stream,
                                     .purpose = purpose});
}

static inline void lag_resample(pyr_kernels *k, void *dst, const void *src, int n, int c,
                                const pyr_axis *rows, const pyr_axis *cols, double grid, void *scratch)
{
    recorder_note(k, (recorded_call){.kind = CALL_RESAMPLE,
                                     .dst = dst,
                                     .src = src,
                                     .n = n,
                                     .c = c,
                                     .rows = *rows,
                                     .cols = *cols,
                                     .a = grid,
                                     .m = scratch});
}

static inline void lag_haar_split(pyr_kernels *k, void *dst, const void *x, pyr_shape s)
{
    recorder_note(k, (recorded_call){.kind = CALL_HAAR_SPLIT, .dst = dst, .src = x, .s = s});
}

static inline void lag_haar_merge(pyr_kernels *k, void *x, pyr_shape s, const void *coarse,
                                  const void *details)
{
    recorder_note(k,
                  (recorded_call){.kind = CALL_HAAR_MERGE, .dst = x, .s = s, .src = coarse, .more = details});
}

/* ---- the table --------------------------------------------------------------------------------- */

static inline void recorder_close(pyr_kernels *k)
{
    recorder_settle(k);
    for (int i = 0; i < MOST_RECORDINGS; i++)
        free(recorder.recording[i].at);
    for (int i = 0; i < MOST_HOST_BLOCKS; i++)
        CHECK(!recorder.host[i].at);
    k->backend = recorder.ref;
}

static inline void recorder_lags(void)
{
    pyr_backend *b = &recorder.backend;
    pyr_memory *m = &recorder.memory;

    for (int i = 0; i < PYR_OP_KINDS; i++) {
        recorder.rows[i] = *recorder.ref->op[i];
        recorder.rows[i].forward = lag_forward;
        recorder.rows[i].backward = recorder.ref->op[i]->backward ? lag_backward : NULL;
        recorder.rows[i].pack = recorder.ref->op[i]->pack ? lag_pack : NULL;
        recorder.rows[i].collect = lag_collect;
        b->op[i] = &recorder.rows[i];
    }
    b->host_memory = false;
    b->ahead = 4;
    b->close = recorder_close;
    m->alloc = lag_alloc;
    m->release = lag_release;
    m->alloc_host = lag_alloc_host;
    m->release_host = lag_release_host;
    m->copy = lag_copy;
    m->zero = lag_zero;
    m->sync = lag_sync;
    m->upload = lag_upload;
    m->download = lag_download;
    m->mark = lag_mark;
    m->wait = lag_wait;
    m->run_tasks = lag_run_tasks;
    m->record_begin = lag_record_begin;
    m->record_end = lag_record_end;
    m->replay = lag_replay;
    b->mean = lag_mean;
    b->norm = lag_norm;
    b->join_norms = lag_join_norms;
    b->adamw = lag_adamw;
    b->combine = lag_combine;
    b->normals = lag_normals;
    b->clamp = lag_clamp;
    b->dots = lag_dots;
    b->pixels = lag_pixels;
    b->dither = lag_dither;
    b->resample = lag_resample;
    b->haar_split = lag_haar_split;
    b->haar_merge = lag_haar_merge;
}

static inline bool is_recorder(const char *backend)
{
    return strcmp(backend, "ref-lags") == 0 || strcmp(backend, "ref-counts") == 0;
}

static inline pyr_status open_recorder(pyr_kernels **k, const char *backend)
{
    PYR_TRY(pyr_kernels_ref(k, PYR_F32, 1));
    memset(&recorder, 0, sizeof recorder);
    recorder.ref = (*k)->backend;
    recorder.backend = *recorder.ref;
    recorder.memory = *recorder.ref->memory;
    recorder.backend.memory = &recorder.memory;
    (*k)->backend = &recorder.backend;
    recorder.lags = strcmp(backend, "ref-lags") == 0;
    if (recorder.lags)
        recorder_lags();
    else
        recorder.memory.record_begin = count_record_begin;
    return PYR_OK;
}

#endif
