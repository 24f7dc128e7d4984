/* test_vector_loops.c - operations of the CPU's table that need no library, against the double reference. For a processor
 * whose libraries are not here (tests/aarch64.sh): on this one test_kernels does it. */
#include "kernels/cpu/cpu.h"
#include "kernels/ref/ref.h"
#include "tests/kernel_rows.h"

static const struct {
    pyr_op_kind kind;
    const pyr_op_impl *impl;
} vector_loops[] = {
    {PYR_OP_GROUP_NORM, &pyr_cpu_group_norm},
    {PYR_OP_ACTIVATION, &pyr_cpu_activation},
    {PYR_OP_ADD, &pyr_cpu_add},
    {PYR_OP_ADD_CHANNEL, &pyr_cpu_add_channel},
    {PYR_OP_SCALE_SHIFT, &pyr_cpu_scale_shift},
    {PYR_OP_CONCAT, &pyr_cpu_concat},
    {PYR_OP_UPSAMPLE, &pyr_cpu_upsample},
    {PYR_OP_MEAN2, &pyr_cpu_mean2},
    {PYR_OP_POOL2D, &pyr_cpu_pool2d},
    {PYR_OP_UNSHUFFLE, &pyr_cpu_unshuffle},
    {PYR_OP_SHUFFLE, &pyr_cpu_shuffle},
    {PYR_OP_DROPOUT, &pyr_cpu_dropout},
    {PYR_OP_NOISE, &pyr_cpu_noise},
    {PYR_OP_MIX, &pyr_cpu_mix},
    {PYR_OP_DIVIDE, &pyr_cpu_divide},
    {PYR_OP_AFFINE, &pyr_cpu_affine},
    {PYR_OP_SQUARED_ERROR, &pyr_cpu_squared_error},
};
enum { LOOPS = sizeof vector_loops / sizeof *vector_loops };

/* Of what lies in memory as bf16: its own rounding of 2^-9, and what is computed to 2^-13. */
static double bound_of(const pyr_kernels *k, const row *r, unsigned image)
{
    if (k->precision != PYR_PRECISION_BF16)
        return row_tolerance(r);
    return image ? 1.5 / 256 : r->kind == PYR_OP_GROUP_NORM ? 5e-4 : row_tolerance(r);
}

static void as_the_reference(pyr_kernels *k, pyr_kernels *truth, const row *r)
{
    pyr_op op = row_op(r);
    op_data data = row_data(r, &op);
    unsigned inputs = row_inputs_with_gradient(&op);
    unsigned images = k->precision == PYR_PRECISION_BF16 ? op_images(op.kind) : 0;
    op_want want = {.grad = row_params_with_gradient(&op), .runs = 1};
    op_result got, wanted;

    for (int i = 0; i < op.n_inputs; i++) {
        want.dx[i] = (inputs >> i) & 1;
        if (images & (1u << i))
            op_round(data.x[i], pyr_count(op.x[i].s));
    }
    if (images & OP_Y)
        op_round(data.dy, pyr_count(op.y.s));
    CHECK_OK(op_run(truth, &op, &data, &want, &wanted));
    CHECK_OK(op_run(k, &op, &data, &want, &got));
    op_compare("loops", "y", got.y, wanted.y, pyr_count(op.y.s), bound_of(k, r, images & OP_Y));
    for (int i = 0; i < op.n_inputs; i++)
        op_compare("loops", "dx", got.dx[i], wanted.dx[i], pyr_count(op.x[i].s),
                   bound_of(k, r, images & (1u << i)));
    for (int p = 0; p < op.n_params; p++)
        op_compare("loops", "dparam", got.dparam[p], wanted.dparam[p], op.param_count[p], bound_of(k, r, 0));
    op_result_free(&got);
    op_result_free(&wanted);
    row_data_free(&data);
}

int main(int argc, char **argv)
{
    static pyr_backend table;
    pyr_kernels *truth, *k;

    CHECK_INIT(argc, argv);
    table = pyr_ref_f32;
    for (int i = 0; i < LOOPS; i++)
        table.op[vector_loops[i].kind] = vector_loops[i].impl;
    if (pyr_kernels_ref(&truth, PYR_F64, 1) != PYR_OK || pyr_kernels_new(&k, &table, 1, NULL) != PYR_OK) {
        fprintf(stderr, "%s\n", pyr_error());
        return 1;
    }
    k->micro_batch = 16;
    k->has_bf16 = true;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        CHECK_OK(pyr_kernels_precision(k, bf16 ? "bf16" : "f32"));
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < LOOPS; j++)
                if (rows[i].kind == vector_loops[j].kind) {
                    char described[128], name[192];

                    row_name(described, sizeof described, &rows[i]);
                    snprintf(name, sizeof name, "%s:%s", bf16 ? "bf16" : "f32", described);
                    RUN_NAMED(name, as_the_reference(k, truth, &rows[i]));
                }
    }
    pyr_kernels_free(k);
    pyr_kernels_free(truth);
    return CHECK_DONE();
}
