/* time_kernels.c - the kernels by themselves: time, GFLOP/s and GB/s of each row of the tests' table.
 *
 *     make bench && bench/time_kernels [--images N] [--threads N] [--seconds S] [WORD]
 *
 * Forward and backward (all gradients), of f32, and of bf16 where the backend has it, with all lanes at work.
 * Only rows whose name has WORD in it. --images: of each row, instead of the table's (1 to 16). GFLOP/s and
 * GB/s are of all lanes together; GB/s counts what a call cannot do without, each byte once. Run it on an
 * idle machine. */
#include "kernels/timed_op.h"
#include "tests/kernel_rows.h"
#include <string.h>

typedef struct options {
    int images, threads;
    double seconds;
    const char *word;
} options;

/* The row as an operation in this precision; everything that has a gradient wants it. */
static pyr_op typed_op(const row *r, const pyr_kernels *k, int images)
{
    row sized = *r;
    pyr_op op;
    unsigned gradients;

    if (images)
        sized.x.n = images;
    op = row_op(&sized);
    gradients = row_inputs_with_gradient(&op);
    op_set_types(k, &op, &(op_want){.real = 0});
    for (int i = 0; i < op.n_inputs; i++) {
        op.want_dx[i] = gradients >> i & 1;
        op.backward |= op.want_dx[i];
    }
    op.want_grad = row_params_with_gradient(&op) && k->backend->op[op.kind]->backward;
    op.backward |= op.want_grad;
    return op;
}

static pyr_status print_way(pyr_kernels *k, pyr_timed_op *timed, pyr_pass pass, double seconds)
{
    const pyr_op *op = pyr_timed_op_planned(timed);
    double s;

    PYR_TRY(pyr_timed_op_run(timed, pass, seconds, &s));
    printf("  %9.2f %8.1f %7.1f", s * 1e6, k->lanes * pyr_op_work(op, pass) / s / 1e9,
           k->lanes * pyr_op_bytes(k, op, pass) / s / 1e9);
    return PYR_OK;
}

static pyr_status print_row(pyr_kernels *k, const row *r, const options *o)
{
    pyr_op op = typed_op(r, k, o->images);
    pyr_status status = PYR_OK;
    pyr_timed_op *timed;
    char name[128];
    row sized = *r;

    if (o->images)
        sized.x.n = o->images;
    row_name(name, sizeof name, &sized);
    if ((o->word && !strstr(name, o->word)) || (row_fuses(r) & ~k->backend->op[r->kind]->fuses))
        return PYR_OK;
    PYR_TRY(pyr_timed_op_new(&timed, k, &op, k->lanes));
    printf("%-52s %-4s", name, pyr_precision_name(k, k->precision));
    PYR_TRY_OUT(print_way(k, timed, PYR_PASS_FORWARD, o->seconds));
    if (op.backward && k->backend->op[op.kind]->backward)
        PYR_TRY_OUT(print_way(k, timed, PYR_PASS_BACKWARD, o->seconds));
    printf("\n");
out:
    pyr_timed_op_free(timed);
    return status;
}

static pyr_status print_all(const options *o)
{
    pyr_status status = PYR_OK;
    pyr_kernels *k;

    PYR_TRY(pyr_kernels_cpu(&k, o->threads));
    pyr_tuning_let_measure(k->tuning, true);
    printf("%d lanes\n%-52s %-4s  %9s %8s %7s  %9s %8s %7s\n", k->lanes, "row", "type", "fwd us", "GFLOP/s",
           "GB/s", "bwd us", "GFLOP/s", "GB/s");
    for (size_t i = 0; i < ROWS; i++) {
        PYR_TRY_OUT(pyr_kernels_precision(k, "f32"));
        PYR_TRY_OUT(print_row(k, &rows[i], o));
        if (!k->has_bf16 || !op_images(rows[i].kind))
            continue;
        PYR_TRY_OUT(pyr_kernels_precision(k, "bf16"));
        PYR_TRY_OUT(print_row(k, &rows[i], o));
    }
out:
    pyr_kernels_free(k);
    return status;
}

static int usage(void)
{
    fprintf(stderr, "usage: time_kernels [--images N] [--threads N] [--seconds S] [WORD]\n");
    return 2;
}

int main(int argc, char **argv)
{
    options o = {.seconds = 0.02};

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            o.word = argv[i];
            continue;
        }
        if (i + 1 == argc)
            return usage();
        if (strcmp(argv[i], "--images") == 0)
            o.images = atoi(argv[++i]);
        else if (strcmp(argv[i], "--threads") == 0)
            o.threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--seconds") == 0)
            o.seconds = atof(argv[++i]);
        else
            return usage();
    }
    if (print_all(&o) == PYR_OK)
        return 0;
    fprintf(stderr, "time_kernels: %s\n", pyr_error());
    return 1;
}
