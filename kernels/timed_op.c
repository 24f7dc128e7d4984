/* timed_op.c - one operation on every lane, run and timed; the clock for anything. */
#include "kernels/timed_op.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/philox.h"
#include <math.h>
#include <string.h>

/* ---- the clock --------------------------------------------------------------------------------- */

typedef struct timing {
    pyr_timed_call call;
    void *arg;
    int calls;
} timing;

static pyr_status timed_task(void *arg, int task, int lane)
{
    const timing *t = arg;

    (void)lane; /* a thread may take several tasks: the buffers are the task's */
    for (int i = 0; i < t->calls; i++)
        PYR_TRY(t->call(t->arg, task));
    return PYR_OK;
}

pyr_status pyr_time_calls(pyr_kernels *k, int lanes, pyr_timed_call call, void *arg, double seconds,
                          double *per_call)
{
    enum { LEAST = 3, MOST_CALLS = 1 << 20 };
    const double long_enough = 1e-3;
    timing t = {call, arg, 1};
    double begin, best = INFINITY;

    PYR_TRY(pyr_run_tasks(k, lanes, timed_task, &t)); /* warms up */
    PYR_TRY(pyr_sync(k));
    for (;;) {
        double start = pyr_now();

        PYR_TRY(pyr_run_tasks(k, lanes, timed_task, &t));
        PYR_TRY(pyr_sync(k));
        if (pyr_now() - start >= long_enough || t.calls >= MOST_CALLS)
            break;
        t.calls *= 2;
    }
    begin = pyr_now();
    for (int i = 0; i < LEAST || pyr_now() - begin < seconds; i++) {
        double start = pyr_now();

        PYR_TRY(pyr_run_tasks(k, lanes, timed_task, &t));
        PYR_TRY(pyr_sync(k));
        best = fmin(best, (pyr_now() - start) / t.calls);
    }
    *per_call = best;
    return PYR_OK;
}

/* ---- random numbers ---------------------------------------------------------------------------- */

static void put_number(void *dst, pyr_type type, size_t at, float value)
{
    uint32_t bits;

    switch (type) {
    case PYR_F64:
        ((double *)dst)[at] = (double)value;
        break;
    case PYR_F32:
        ((float *)dst)[at] = value;
        break;
    case PYR_BF16: /* the upper half of a float, cut off */
        memcpy(&bits, &value, sizeof bits);
        ((uint16_t *)dst)[at] = (uint16_t)(bits >> 16);
        break;
    default:
        ((uint32_t *)dst)[at] = 0;
    }
}

pyr_status pyr_fill_random(pyr_kernels *k, void *dst, pyr_type type, size_t count, float low, float high)
{
    pyr_status status;
    void *host;

    PYR_TRY(pyr_new(&host, count, pyr_type_size(type), "random numbers"));
    for (size_t i = 0; i < count; i += 4) {
        pyr_rng4 words = pyr_philox(0, (uint32_t)(i / 4), 0, 0, 0);

        for (size_t j = 0; j < 4 && i + j < count; j++)
            put_number(host, type, i + j, low + (high - low) * pyr_uniform(words.v[j]));
    }
    pyr_upload(k, dst, host, count * pyr_type_size(type));
    status = pyr_sync(k);
    pyr_free(host);
    return status;
}

/* ---- an operation ------------------------------------------------------------------------------ */

typedef struct lane_op {
    pyr_op op;
    void *block; /* everything that is this lane's */
} lane_op;

struct pyr_timed_op {
    pyr_kernels *k;
    const pyr_op_impl *impl;
    lane_op *lane;
    int lanes;
    void *shared; /* parameters and their packed form */
};

/* The next `bytes` of a block: first to add up, with `base` NULL, then to hand out. */
static void *take(char *base, size_t *used, size_t bytes)
{
    void *at = base ? base + *used : NULL;

    *used += pyr_aligned(bytes);
    return at;
}

static size_t tensor_bytes(const pyr_tensor *t)
{
    return pyr_count(t->s) * pyr_type_size(t->type);
}

/* Pointers of what a lane has for itself; bytes of it all come back. */
static size_t place_lane(pyr_op *op, char *base)
{
    size_t used = 0;

    for (int i = 0; i < op->n_inputs; i++) {
        op->x[i].data = take(base, &used, tensor_bytes(&op->x[i]));
        op->dx[i] = op->want_dx[i] ? take(base, &used, tensor_bytes(&op->x[i])) : NULL;
    }
    op->y.data = take(base, &used, tensor_bytes(&op->y));
    op->dy = take(base, &used, op->backward ? tensor_bytes(&op->y) : 0);
    op->saved = take(base, &used, op->saved_bytes);
    op->scratch = take(base, &used, op->scratch_bytes);
    op->grad = take(base, &used, op->grad_bytes);
    return used;
}

static size_t place_shared(const pyr_timed_op *b, pyr_op *op, char *base)
{
    size_t used = 0;

    for (int p = 0; p < op->n_params; p++)
        op->param[p] = take(base, &used, op->param_count[p] * pyr_type_size(b->k->real));
    op->packed = take(base, &used, op->packed_bytes);
    return used;
}

static pyr_status fill_lane(pyr_timed_op *b, pyr_op *op)
{
    bool positive = op->kind == PYR_OP_DIVIDE || op->kind == PYR_OP_TIME_FOURIER;

    for (int i = 0; i < op->n_inputs; i++)
        PYR_TRY(pyr_fill_random(b->k, op->x[i].data, op->x[i].type,
                                pyr_op_has(op, i) ? pyr_count(op->x[i].s) : 0, positive ? 0.0f : -1.0f,
                                1.0f));
    if (op->backward)
        PYR_TRY(
            pyr_fill_random(b->k, (void *)(uintptr_t)op->dy, op->y.type, pyr_count(op->y.s), -1.0f, 1.0f));
    return PYR_OK;
}

static pyr_status prepare(pyr_timed_op *b, const pyr_op *like)
{
    pyr_kernels *k = b->k;

    for (int i = 0; i < b->lanes; i++) {
        pyr_op *op = &b->lane[i].op;

        *op = *like;
        op->state = NULL;
        PYR_TRY(pyr_op_plan(k, op));
        PYR_TRY(pyr_alloc(k, &b->lane[i].block, place_lane(op, NULL) + 1, "an operation's buffers"));
        place_lane(op, b->lane[i].block);
        PYR_TRY(fill_lane(b, op));
    }
    PYR_TRY(pyr_alloc(k, &b->shared, place_shared(b, &b->lane[0].op, NULL) + 1, "an operation's parameters"));
    for (int i = 0; i < b->lanes; i++)
        place_shared(b, &b->lane[i].op, b->shared);
    for (int p = 0; p < like->n_params; p++)
        PYR_TRY(pyr_fill_random(k, (void *)(uintptr_t)b->lane[0].op.param[p], k->real, like->param_count[p],
                                -1.0f, 1.0f));
    return b->impl->pack ? b->impl->pack(k, &b->lane[0].op) : PYR_OK;
}

pyr_status pyr_timed_op_new(pyr_timed_op **out, pyr_kernels *k, const pyr_op *op, int lanes)
{
    pyr_status status = PYR_OK;
    pyr_timed_op *b;

    *out = NULL;
    PYR_TRY(pyr_new(&b, 1, sizeof *b, "an operation"));
    b->k = k;
    b->impl = k->backend->op[op->kind];
    b->lanes = lanes;
    PYR_TRY_OUT(pyr_new(&b->lane, (size_t)lanes, sizeof *b->lane, "an operation's lanes"));
    PYR_TRY_OUT(prepare(b, op));
    *out = b;
out:
    if (status != PYR_OK)
        pyr_timed_op_free(b);
    return status;
}

void pyr_timed_op_free(pyr_timed_op *b)
{
    if (!b)
        return;
    for (int i = 0; b->lane && i < b->lanes; i++) {
        if (b->impl->release)
            b->impl->release(b->k, &b->lane[i].op);
        pyr_release(b->k, b->lane[i].block);
    }
    pyr_release(b->k, b->shared);
    pyr_free(b->lane);
    pyr_free(b);
}

static pyr_status forward_call(void *arg, int lane)
{
    pyr_timed_op *b = arg;

    return b->impl->forward(b->k, &b->lane[lane].op);
}

static pyr_status backward_call(void *arg, int lane)
{
    pyr_timed_op *b = arg;

    return b->impl->backward(b->k, &b->lane[lane].op);
}

pyr_status pyr_timed_op_run(pyr_timed_op *b, pyr_pass pass, double seconds, double *per_call)
{
    /* what forward saves for backward is there: it has run once */
    if (pass == PYR_PASS_BACKWARD)
        for (int i = 0; i < b->lanes; i++)
            PYR_TRY(forward_call(b, i));
    return pyr_time_calls(b->k, b->lanes, pass == PYR_PASS_FORWARD ? forward_call : backward_call, b, seconds,
                          per_call);
}

const pyr_op *pyr_timed_op_planned(const pyr_timed_op *b)
{
    return &b->lane[0].op;
}

/* ---- what a call comes to ---------------------------------------------------------------------- */

double pyr_op_bytes(const pyr_kernels *k, const pyr_op *op, pyr_pass pass)
{
    unsigned reads = k->backend->op[op->kind]->reads;
    size_t parameters = 0, bytes = tensor_bytes(&op->y); /* y, or dy */

    for (int p = 0; p < op->n_params; p++)
        parameters += op->param_count[p] * pyr_type_size(k->real);
    for (int i = 0; i < op->n_inputs; i++) {
        size_t x = tensor_bytes(&op->x[i]);

        if (pass == PYR_PASS_FORWARD || reads & (unsigned)PYR_READS_X0 << i)
            bytes += x;
        if (pass == PYR_PASS_BACKWARD && op->want_dx[i])
            bytes += x;
    }
    if (pass == PYR_PASS_BACKWARD && reads & PYR_READS_Y)
        bytes += tensor_bytes(&op->y);
    if (pass == PYR_PASS_BACKWARD && op->want_grad)
        bytes += op->grad_bytes;
    return (double)(bytes + parameters);
}

double pyr_op_work(const pyr_op *op, pyr_pass pass)
{
    double flop = pyr_op_flop(op);

    if (pass == PYR_PASS_FORWARD)
        return flop;
    if (op->kind == PYR_OP_ATTENTION)
        return 2 * flop;
    return ((op->want_dx[0] ? 1 : 0) + (op->want_grad ? 1 : 0)) * flop;
}
