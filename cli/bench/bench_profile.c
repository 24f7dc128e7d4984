/* bench_profile.c - where the time of a network goes: a table by kind of operation, and by shape. */
#include "base/mem.h"
#include "cli/bench/bench.h"
#include "kernels/timed_op.h"
#include "terminal/output.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 96 };

typedef struct line {
    char name[NAME];
    int operations;
    pyr_op_times times;
    double flop[2], bytes[2]; /* of all calls: forward, backward */
} line;

/* "bf16" */
static const char *type_name(pyr_type type)
{
    static const char *const names[PYR_TYPES] = {
        [PYR_F32] = "f32", [PYR_F64] = "f64", [PYR_BF16] = "bf16", [PYR_U32] = "u32"};

    return names[type];
}

/* "conv2d 3x3 14x14x64 -> 14x14x64 bf16 +residual" */
static void shape_name(char name[NAME], const pyr_op *op)
{
    const pyr_shape *x = &op->x[0].s, *y = &op->y.s;
    char kernel[32] = "";

    if (op->kind == PYR_OP_CONV2D)
        snprintf(kernel, sizeof kernel, " %dx%d%s%s", op->kernel, op->kernel, op->stride == 2 ? "/2" : "",
                 pyr_op_dilation(op) == 2 ? " dilated" : "");
    snprintf(name, NAME, "%s%s %dx%dx%d -> %dx%dx%d %s%s%s%s%s%s", pyr_op_name(op->kind), kernel, x->h, x->w,
             x->c, y->h, y->w, y->c, type_name(op->y.type),
             op->kind == PYR_OP_CONV2D && pyr_op_has(op, PYR_X_RESIDUAL) ? " +residual" : "",
             op->kind == PYR_OP_CONV2D && pyr_op_has(op, PYR_X_VECTOR) ? " +vector" : "",
             op->kind == PYR_OP_GROUP_NORM && pyr_op_has(op, PYR_X_SCALE_SHIFT) ? " +scale-shift" : "",
             op->kind <= PYR_OP_GROUP_NORM && pyr_op_has(op, PYR_X_MORE) ? " +more" : "",
             op->up_h ? " enlarged" : "");
}

static void add(line *l, const pyr_kernels *k, const pyr_op *op, const pyr_op_times *t)
{
    l->operations++;
    l->times.forward += t->forward;
    l->times.backward += t->backward;
    l->times.forwards += t->forwards;
    l->times.backwards += t->backwards;
    l->flop[0] += (double)t->forwards * pyr_op_work(op, PYR_PASS_FORWARD);
    l->flop[1] += (double)t->backwards * pyr_op_work(op, PYR_PASS_BACKWARD);
    l->bytes[0] += (double)t->forwards * pyr_op_bytes(k, op, PYR_PASS_FORWARD);
    l->bytes[1] += (double)t->backwards * pyr_op_bytes(k, op, PYR_PASS_BACKWARD);
}

static line *find(line *lines, int *n, const char *name)
{
    for (int i = 0; i < *n; i++)
        if (strcmp(lines[i].name, name) == 0)
            return &lines[i];
    lines[*n] = (line){.operations = 0};
    snprintf(lines[*n].name, NAME, "%s", name);
    return &lines[(*n)++];
}

static double seconds_of(const line *l)
{
    return l->times.forward + l->times.backward;
}

static int slowest_first(const void *a, const void *b)
{
    double x = seconds_of(a), y = seconds_of(b);

    return (x < y) - (x > y);
}

static double rate(double amount, double seconds)
{
    return seconds > 0 ? amount / seconds / 1e9 : 0;
}

static void print_lines(const char *title, line *lines, int n, double whole)
{
    qsort(lines, (size_t)n, sizeof *lines, slowest_first);
    pyr_print("%-66s %4s %6s  %8s %7s %6s  %8s %7s %6s\n", title, "ops", "share", "fwd us", "GFLOP/s", "GB/s",
              "bwd us", "GFLOP/s", "GB/s");
    for (int i = 0; i < n; i++) {
        const line *l = &lines[i];
        const pyr_op_times *t = &l->times;

        pyr_print("%-66s %4d %5.1f%%  %8.1f %7.1f %6.1f  %8.1f %7.1f %6.1f\n", l->name, l->operations,
                  100 * seconds_of(l) / whole, t->forwards ? t->forward / (double)t->forwards * 1e6 : 0,
                  rate(l->flop[0], t->forward), rate(l->bytes[0], t->forward),
                  t->backwards ? t->backward / (double)t->backwards * 1e6 : 0, rate(l->flop[1], t->backward),
                  rate(l->bytes[1], t->backward));
    }
}

/* ---- what a device reaches at most ---------------------------------------------------------------- */

static pyr_status copy_call(void *arg, int lane)
{
    const pyr_op *op = arg; /* x[0] to y */

    (void)lane;
    pyr_copy(op->state, op->y.data, op->x[0].data, pyr_count(op->y.s) * 4);
    return PYR_OK;
}

/* GB/s of copies, bytes read and written. */
static pyr_status time_copy(pyr_kernels *k, double *rate_out)
{
    pyr_op op = {.y = {.s = {64, 1024, 1024, 1}}, .state = k}; /* 256 MiB */
    size_t bytes = pyr_count(op.y.s) * 4;
    pyr_status status = PYR_OK;
    double seconds;

    PYR_TRY_OUT(pyr_alloc(k, &op.x[0].data, bytes, "a copy to be timed"));
    PYR_TRY_OUT(pyr_alloc(k, &op.y.data, bytes, "a copy to be timed"));
    PYR_TRY_OUT(pyr_time_calls(k, 1, copy_call, &op, 0.3, &seconds));
    *rate_out = rate(2.0 * (double)bytes, seconds);
out:
    pyr_release(k, op.x[0].data);
    pyr_release(k, op.y.data);
    return status;
}

/* GFLOP/s of a large matrix product in the type of images. */
static pyr_status time_product(pyr_kernels *k, double *rate_out)
{
    enum { SIDE = 8192 };
    pyr_tensor square = {pyr_image_type(k, k->precision), {SIDE, 1, 1, SIDE}, NULL};
    pyr_op op = {.kind = PYR_OP_LINEAR,
                 .n_inputs = 1,
                 .n_params = 1,
                 .x = {square},
                 .y = square,
                 .scale = 1,
                 .tf32 = k->precision == PYR_PRECISION_TF32};
    pyr_status status;
    pyr_timed_op *timed;
    double seconds;

    op.param_count[0] = (size_t)SIDE * SIDE;
    PYR_TRY(pyr_timed_op_new(&timed, k, &op, 1));
    status = pyr_timed_op_run(timed, PYR_PASS_FORWARD, 0.3, &seconds);
    pyr_timed_op_free(timed);
    if (status == PYR_OK)
        *rate_out = rate(pyr_op_flop(&op), seconds);
    return status;
}

/* A line to hold the figures against. */
static pyr_status print_peaks(pyr_kernels *k)
{
    double copies, products;

    PYR_TRY(time_copy(k, &copies));
    PYR_TRY(time_product(k, &products));
    pyr_print("this device, measured: copies %.0f GB/s, products of %s matrices %.0f GFLOP/s\n", copies,
              type_name(pyr_image_type(k, k->precision)), products);
    return PYR_OK;
}

pyr_status pyr_bench_profile_print(pyr_kernels *k, const pyr_graph *g, double wall, int lanes)
{
    int operations = pyr_graph_operations(g), n = 0, kinds = 0;
    line *lines = NULL, by_kind[PYR_OP_KINDS];
    double inside = 0, whole = wall * lanes;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_new(&lines, (size_t)operations + 1, sizeof *lines, "profile"));
    for (int i = 0; i < operations; i++) {
        const pyr_op *op = pyr_graph_operation(g, 0, i);
        pyr_op_times t = pyr_graph_operation_times(g, i);
        char name[NAME];

        shape_name(name, op);
        add(find(lines, &n, name), k, op, &t);
        add(find(by_kind, &kinds, pyr_op_name(op->kind)), k, op, &t);
        inside += t.forward + t.backward;
    }
    if (k->device)
        PYR_TRY_OUT(print_peaks(k));
    pyr_print("one call for %d images on a thread, which takes %d at a time; share of all threads' time\n",
              pyr_graph_batch(g) / pyr_graph_parts(g), pyr_graph_batch(g));
    print_lines("kind", by_kind, kinds, whole);
    pyr_print("%-66s %4s %5.1f%%\n", "outside the network: data, packing, sums, optimizer, waiting", "",
              100 * (whole - inside) / whole);
    print_lines("operation", lines, n, whole);
out:
    pyr_free(lines);
    return status;
}
