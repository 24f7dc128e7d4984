/* op_run.h - runs one operation of a table directly, with traps around it.
 *
 * Values go in and come out as doubles on the host. Every buffer that the
 * operation writes lies between guards, and starts as NaN (all bits set), so
 * that a stray write, a place that was left out, and a read of something that was
 * never written all show; what is only read must stay as it was. What backward has
 * no right to read (the row's `reads`) is overwritten before it runs. Parameters
 * start at an odd element, as they do inside a parameter block.
 *
 * Images inside a network have the type of k->precision, PYR_BF16 after
 * pyr_kernels_precision(k, "bf16").
 *
 * The table's memory is never touched but through the table: it may be a device's. */
#ifndef PYR_TESTS_OP_RUN_H
#define PYR_TESTS_OP_RUN_H

#include "base/mem.h"
#include "kernels/kernels.h"
#include "tests/bf16_values.h"
#include "tests/check.h"
#include <stdlib.h>

enum { GUARD = 256, RUNS = 3, ACCUMULATORS = 2 };
enum { OP_Y = 1 << PYR_OP_INPUTS }; /* a bit for y behind those of the inputs */

typedef struct op_data {
    double *x[PYR_OP_INPUTS]; /* U32 inputs: their integers */
    double *param[PYR_OP_PARAMS];
    double *dy;
    double *dx_start[PYR_OP_INPUTS]; /* what dx holds before, when it is added to */
    double *dparam_start[PYR_OP_PARAMS];
} op_data;

typedef struct op_want {
    bool dx[PYR_OP_INPUTS], grad;
    bool dx_add;
    int runs;          /* of backward, with dy times 1, 1/2, 2: the first into an accumulator of its own, the
                          others into a second one */
    unsigned poison;   /* PYR_READS_… to overwrite before backward although they may be read */
    unsigned real;     /* images (bits of inputs, OP_Y) that have the real type all the same */
    unsigned in_place; /* without backward: y lies where this input (a bit) does */
    unsigned passes;   /* bits of inputs whose dx is dy itself */
    int joined;        /* that input's dx is added to dx[0], in its place: both are the same value; 0: none */
} op_want;

typedef struct op_result {
    double *y, *dx[PYR_OP_INPUTS], *dparam[PYR_OP_PARAMS]; /* NULL: not wanted */
} op_result;

static inline void *op_memory(size_t count, size_t size)
{
    void *block = pyr_calloc(count, size);

    if (!block) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return block;
}

/* Which tensors are images inside a network: bits of inputs, and OP_Y. The others are numbers per image, or
 * stand before or behind the network. */
static inline unsigned op_images(pyr_op_kind kind)
{
    switch (kind) {
    case PYR_OP_CONV2D:
        return 1 | 1 << PYR_X_RESIDUAL | 1 << PYR_X_MORE | OP_Y;
    case PYR_OP_GROUP_NORM:
        return 1 | 1 << PYR_X_MORE | OP_Y;
    case PYR_OP_ADD:
    case PYR_OP_CONCAT:
        return 1 | 2 | OP_Y;
    case PYR_OP_ATTENTION:
        return 1 | 2 | 4 | OP_Y;
    case PYR_OP_LINEAR:
    case PYR_OP_ACTIVATION:
    case PYR_OP_ADD_CHANNEL:
    case PYR_OP_SCALE_SHIFT:
    case PYR_OP_UPSAMPLE:
    case PYR_OP_MEAN2:
    case PYR_OP_POOL2D:
    case PYR_OP_UNSHUFFLE:
    case PYR_OP_SHUFFLE:
    case PYR_OP_DROPOUT:
        return 1 | OP_Y;
    default:
        return 0;
    }
}

static inline pyr_type op_type(const pyr_kernels *k, const pyr_op *op, const op_want *want, unsigned which)
{
    return op_images(op->kind) & ~want->real & which ? pyr_image_type(k, k->precision) : k->real;
}

/* Types of all tensors but those of U32. */
static inline void op_set_types(const pyr_kernels *k, pyr_op *op, const op_want *want)
{
    for (int i = 0; i < op->n_inputs; i++)
        if (op->x[i].type != PYR_U32)
            op->x[i].type = op_type(k, op, want, 1u << i);
    op->y.type = op_type(k, op, want, OP_Y);
    op->tf32 = k->precision == PYR_PRECISION_TF32;
}

static inline bool op_wants_backward(const op_want *want)
{
    for (int i = 0; i < PYR_OP_INPUTS; i++)
        if (want->dx[i])
            return true;
    return want->grad;
}

static inline void op_result_free(op_result *result)
{
    pyr_free(result->y);
    for (int i = 0; i < PYR_OP_INPUTS; i++)
        pyr_free(result->dx[i]);
    for (int i = 0; i < PYR_OP_PARAMS; i++)
        pyr_free(result->dparam[i]);
    *result = (op_result){0};
}

/* ---- guarded backend memory ---- */

typedef struct op_block {
    void *base, *at;
    size_t bytes;
    const char *what;
} op_block;

static inline void op_block_fill(pyr_kernels *k, void *dst, int byte, size_t bytes)
{
    void *host = op_memory(bytes, 1);

    memset(host, byte, bytes);
    pyr_upload(k, dst, host, bytes);
    pyr_free(host);
}

/* Bytes of the backend, here when this returns. */
static inline void op_fetch(pyr_kernels *k, void *host, const void *src, size_t bytes)
{
    pyr_download(k, host, src, bytes);
    CHECK_OK(pyr_sync(k));
}

/* `bytes` of all bits set between two guards; `offset` moves the start off the alignment. */
static inline op_block op_block_new(pyr_kernels *k, size_t bytes, size_t offset, const char *what)
{
    op_block block = {.bytes = bytes, .what = what};

    CHECK_OK(pyr_alloc(k, &block.base, bytes + 2 * GUARD + offset, what));
    if (!block.base)
        abort();
    block.at = (char *)block.base + GUARD + offset;
    op_block_fill(k, block.base, 0xA5, bytes + 2 * GUARD + offset);
    op_block_fill(k, block.at, 0xFF, bytes);
    return block;
}

/* Check the guards and free. */
static inline void op_block_free(pyr_kernels *k, op_block *block)
{
    size_t front = (size_t)((char *)block->at - (char *)block->base), bad = 0;
    unsigned char *host;

    if (!block->base)
        return;
    host = op_memory(front + block->bytes + GUARD, 1);
    op_fetch(k, host, block->base, front + block->bytes + GUARD);
    for (size_t i = 0; i < front; i++)
        bad += host[i] != 0xA5;
    for (size_t i = 0; i < GUARD; i++)
        bad += host[front + block->bytes + i] != 0xA5;
    if (bad)
        CHECK_REPORT("%s: %zu bytes outside of %s were written", k->backend->name, bad, block->what);
    pyr_free(host);
    pyr_release(k, block->base);
    *block = (op_block){0};
}

/* To numbers that bf16 holds exactly. */
static inline void op_round(double *values, size_t count)
{
    for (size_t i = 0; values && i < count; i++)
        values[i] = bf16_value(bf16_of(values[i]));
}

static inline void op_upload(pyr_kernels *k, void *dst, const double *values, pyr_type type, size_t count)
{
    void *host = op_memory(count, 8);

    for (size_t i = 0; i < count; i++)
        if (type == PYR_F64)
            ((double *)host)[i] = values[i];
        else if (type == PYR_F32)
            ((float *)host)[i] = (float)values[i];
        else if (type == PYR_BF16)
            ((uint16_t *)host)[i] = bf16_of(values[i]);
        else
            ((uint32_t *)host)[i] = (uint32_t)values[i];
    pyr_upload(k, dst, host, count * pyr_type_size(type));
    pyr_free(host);
}

static inline double *op_download(pyr_kernels *k, const void *src, pyr_type type, size_t count)
{
    double *values = op_memory(count, sizeof *values);
    void *host = op_memory(count, pyr_type_size(type));

    op_fetch(k, host, src, count * pyr_type_size(type));
    for (size_t i = 0; i < count; i++)
        if (type == PYR_F64)
            values[i] = ((double *)host)[i];
        else if (type == PYR_F32)
            values[i] = (double)((float *)host)[i];
        else if (type == PYR_BF16)
            values[i] = bf16_value(((uint16_t *)host)[i]);
        else
            values[i] = (double)((uint32_t *)host)[i];
    pyr_free(host);
    return values;
}

/* What was uploaded is there still, bit by bit. */
static inline void op_unchanged(pyr_kernels *k, const op_block *block, const double *values, pyr_type type,
                                size_t count)
{
    op_block wanted = op_block_new(k, block->bytes, 0, "a copy");
    void *now = op_memory(block->bytes, 1), *before = op_memory(block->bytes, 1);

    op_upload(k, wanted.at, values, type, count);
    op_fetch(k, before, wanted.at, block->bytes);
    op_fetch(k, now, block->at, block->bytes);
    if (memcmp(now, before, block->bytes) != 0)
        CHECK_REPORT("%s: %s was changed", k->backend->name, block->what);
    pyr_free(now);
    pyr_free(before);
    op_block_free(k, &wanted);
}

/* ---- one run ---- */

/* The operation of a run and its buffers. */
typedef struct op_rig {
    pyr_op op;
    const pyr_op_impl *impl;
    op_block x[PYR_OP_INPUTS], param[PYR_OP_PARAMS], dx[PYR_OP_INPUTS], dparam[PYR_OP_PARAMS];
    op_block y, dy, packed, saved, scratch, grad[ACCUMULATORS];
    void *accumulators[ACCUMULATORS], *dparams[PYR_OP_PARAMS];
} op_rig;

/* Inputs, parameters, and what the plan asks for. */
static inline void op_place(pyr_kernels *k, op_rig *rig, const op_data *data, const op_want *want)
{
    pyr_op *op = &rig->op;
    size_t real = pyr_type_size(k->real);

    for (int i = 0; i < op->n_inputs; i++)
        if (pyr_op_has(op, i)) {
            rig->x[i] = op_block_new(k, pyr_count(op->x[i].s) * pyr_type_size(op->x[i].type), 0, "an input");
            op->x[i].data = rig->x[i].at;
            op_upload(k, rig->x[i].at, data->x[i], op->x[i].type, pyr_count(op->x[i].s));
        }
    for (int p = 0; p < op->n_params; p++) {
        rig->param[p] = op_block_new(k, op->param_count[p] * real, real, "a parameter");
        op->param[p] = rig->param[p].at;
        op_upload(k, rig->param[p].at, data->param[p], k->real, op->param_count[p]);
    }
    rig->y = op_block_new(k, pyr_count(op->y.s) * pyr_type_size(op->y.type), 0, "y");
    rig->packed = op_block_new(k, op->packed_bytes, 0, "the packed parameters");
    rig->saved = op_block_new(k, op->saved_bytes, 0, "saved");
    rig->scratch = op_block_new(k, op->scratch_bytes, 0, "scratch");
    op->y.data = rig->y.at;
    for (int i = 0; i < op->n_inputs; i++)
        if (want->in_place & (1u << i))
            op->y.data = rig->x[i].at;
    op->packed = rig->packed.at;
    op->saved = rig->saved.at;
    op->scratch = rig->scratch.at;
}

static inline pyr_status op_forward(pyr_kernels *k, op_rig *rig, const op_data *data, const op_want *want,
                                    op_result *out)
{
    pyr_op *op = &rig->op;

    if (rig->impl->pack)
        PYR_TRY(rig->impl->pack(k, op));
    PYR_TRY(rig->impl->forward(k, op));
    out->y = op_download(k, op->y.data, op->y.type, pyr_count(op->y.s));
    for (int i = 0; i < op->n_inputs; i++)
        if (pyr_op_has(op, i) && !(want->in_place & (1u << i)))
            op_unchanged(k, &rig->x[i], data->x[i], op->x[i].type, pyr_count(op->x[i].s));
    return PYR_OK;
}

/* What backward may not read is overwritten; where its results go is placed. */
static inline void op_place_gradients(pyr_kernels *k, op_rig *rig, const op_data *data, const op_want *want)
{
    pyr_op *op = &rig->op;
    unsigned reads = rig->impl->reads;

    for (int i = 0; i < op->n_inputs; i++)
        if (rig->x[i].at && (!(reads & (PYR_READS_X0 << i)) || (want->poison & (PYR_READS_X0 << i))))
            op_block_fill(k, rig->x[i].at, 0xFF, rig->x[i].bytes);
    if (!(reads & PYR_READS_Y) || (want->poison & PYR_READS_Y))
        op_block_fill(k, rig->y.at, 0xFF, rig->y.bytes);
    rig->dy = op_block_new(k, rig->y.bytes, 0, "dy");
    op->dy = rig->dy.at;
    for (int i = 0; i < op->n_inputs; i++)
        if (want->passes & (1u << i))
            op->dx[i] = rig->dy.at;
        else if (i && i == want->joined)
            op->dx[i] = op->dx[0];
        else if (want->dx[i]) {
            rig->dx[i] = op_block_new(k, pyr_count(op->x[i].s) * pyr_type_size(op->x[i].type), 0, "dx");
            op->dx[i] = rig->dx[i].at;
            if (want->dx_add)
                op_upload(k, rig->dx[i].at, data->dx_start[i], op->x[i].type, pyr_count(op->x[i].s));
        }
    for (int a = 0; a < ACCUMULATORS && a < want->runs; a++) {
        rig->grad[a] = op_block_new(k, op->grad_bytes, 0, "the accumulator");
        rig->accumulators[a] = rig->grad[a].at;
        if (!rig->impl->overwrites)
            pyr_zero(k, rig->grad[a].at, op->grad_bytes);
    }
}

static inline pyr_status op_backward(pyr_kernels *k, op_rig *rig, const op_data *data, const op_want *want,
                                     op_result *out)
{
    static const double times[RUNS] = {1, 0.5, 2};
    pyr_op *op = &rig->op;
    size_t real = pyr_type_size(k->real), y_count = pyr_count(op->y.s);

    op_place_gradients(k, rig, data, want);
    for (int run = 0; run < want->runs; run++) {
        double *scaled = op_memory(y_count, sizeof *scaled);
        pyr_status status;

        for (size_t i = 0; i < y_count; i++)
            scaled[i] = data->dy[i] * times[run];
        op_upload(k, rig->dy.at, scaled, op->y.type, y_count);
        op->grad = rig->accumulators[run < ACCUMULATORS ? run : ACCUMULATORS - 1];
        op->grad_add = !rig->impl->overwrites || run >= ACCUMULATORS;
        op_block_fill(k, rig->scratch.at, 0xFF, op->scratch_bytes);
        status = rig->impl->backward(k, op);
        op_unchanged(k, &rig->dy, scaled, op->y.type, y_count);
        pyr_free(scaled);
        PYR_TRY(status);
    }
    for (int i = 0; i < op->n_inputs; i++)
        if (want->dx[i])
            out->dx[i] = op_download(k, op->dx[i], op->x[i].type, pyr_count(op->x[i].s));
    if (!want->grad)
        return PYR_OK;
    for (int p = 0; p < op->n_params; p++) {
        rig->dparam[p] = op_block_new(k, op->param_count[p] * real, real, "dparam");
        rig->dparams[p] = rig->dparam[p].at;
        op_upload(k, rig->dparam[p].at, data->dparam_start[p], k->real, op->param_count[p]);
    }
    PYR_TRY(pyr_op_collect(k, op, rig->accumulators, want->runs < ACCUMULATORS ? want->runs : ACCUMULATORS,
                           rig->dparams));
    for (int p = 0; p < op->n_params; p++)
        out->dparam[p] = op_download(k, rig->dparam[p].at, k->real, op->param_count[p]);
    return PYR_OK;
}

/* The guards of all buffers are checked here. */
static inline void op_rig_free(pyr_kernels *k, op_rig *rig)
{
    for (int i = 0; i < PYR_OP_INPUTS; i++) {
        op_block_free(k, &rig->x[i]);
        op_block_free(k, &rig->dx[i]);
    }
    for (int p = 0; p < PYR_OP_PARAMS; p++) {
        op_block_free(k, &rig->param[p]);
        op_block_free(k, &rig->dparam[p]);
    }
    for (int a = 0; a < ACCUMULATORS; a++)
        op_block_free(k, &rig->grad[a]);
    op_block_free(k, &rig->y);
    op_block_free(k, &rig->dy);
    op_block_free(k, &rig->packed);
    op_block_free(k, &rig->saved);
    op_block_free(k, &rig->scratch);
    if (rig->impl->release)
        rig->impl->release(k, &rig->op);
}

/* Plan, place, forward, and what is wanted of backward. `shape` has kind, attributes, shapes, counts (types
 * of inputs other than U32 are set here). *out is the caller's to free, also after a failure. */
static inline pyr_status op_run(pyr_kernels *k, const pyr_op *shape, const op_data *data, const op_want *want,
                                op_result *out)
{
    op_rig rig = {.op = *shape, .impl = k->backend->op[shape->kind]};
    pyr_status status;

    *out = (op_result){0};
    op_set_types(k, &rig.op, want);
    rig.op.backward = op_wants_backward(want);
    memcpy(rig.op.want_dx, want->dx, sizeof rig.op.want_dx);
    rig.op.want_grad = want->grad;
    for (int i = 0; i < rig.op.n_inputs; i++)
        rig.op.dx_add[i] = want->dx_add || (i && i == want->joined);
    status = pyr_op_plan(k, &rig.op);
    if (status == PYR_OK) {
        op_place(k, &rig, data, want);
        status = op_forward(k, &rig, data, want, out);
    }
    if (status == PYR_OK && rig.op.backward)
        status = op_backward(k, &rig, data, want, out);
    op_rig_free(k, &rig);
    return status;
}

/* The largest difference over the largest wanted value (1 when all are zero). */
static inline double op_error(const double *got, const double *wanted, size_t count, size_t *worst)
{
    double largest = 0, error = 0;

    *worst = 0;
    for (size_t i = 0; i < count; i++) {
        double e = fabs(got[i] - wanted[i]);

        largest = fmax(largest, fabs(wanted[i]));
        if (!(e <= error)) {
            error = isnan(e) ? INFINITY : e;
            *worst = i;
        }
    }
    return error / (largest > 0 ? largest : 1);
}

static inline void op_compare(const char *backend, const char *what, const double *got, const double *wanted,
                              size_t count, double tolerance)
{
    size_t at;
    double error;

    if (!got && !wanted)
        return;
    if (!got || !wanted) {
        CHECK_REPORT("%s: %s is missing", backend, what);
        return;
    }
    error = op_error(got, wanted, count, &at);
    if (!(error <= tolerance))
        CHECK_REPORT("%s: %s is off by %.3g of its largest value, allowed %.3g; at %zu %.9g, wanted %.9g",
                     backend, what, error, tolerance, at, got[at], wanted[at]);
}

#endif
