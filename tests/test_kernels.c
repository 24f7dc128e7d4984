/* test_kernels.c - every operation on every backend.
 *
 * One table of rows (kernel_rows.h). For each: the float tables, with images in f32 and in bf16, against the
 * double reference (forward, every dx set and added to, parameter gradients through one and two
 * accumulators, one gradient wanted at a time, two in one place), the same bits twice and with y or dx in
 * another's place, only what `reads` allows is read; and the double reference's gradients against central
 * finite differences. What the operations must compute is in test_kernels_golden.c. */
#include "tests/kernel_rows.h"

/* ---- the checks ---- */

static op_want want_all(const pyr_op *op, bool dx_add, int runs)
{
    unsigned inputs = row_inputs_with_gradient(op);
    op_want want = {.grad = row_params_with_gradient(op), .dx_add = dx_add, .runs = runs};

    for (int i = 0; i < PYR_OP_INPUTS; i++)
        want.dx[i] = (inputs >> i) & 1;
    return want;
}

/* A table in one of its ways, and a row for it. */
typedef struct variant {
    pyr_kernels *k;
    const row *row;
    unsigned real; /* images that are real although others are bf16; see op_want */
} variant;

/* What a result may be off by, of its largest value.
 *
 * bf16 has 8 significant bits: rounding moves a value by up to 2^-8 of itself when it lies just above a power
 * of two. Images and weights here are numbers that bf16 holds, so products of them are exact and sums in
 * float lose what they lose in f32. So a result in bf16 may be off by its own rounding and by half as much
 * for the rest, at every time that it is written; one in f32 (parameters, vectors per image) by what f32
 * loses. Only the CPU's SiLU between bf16 images is computed to 2^-13, which shows in a norm's sums: by
 * 3.1e-4 at most in these rows. */
static double bound_of(const variant *v, const pyr_op *op, unsigned which, int writes)
{
    op_want want = {.real = v->real};

    if (op_type(v->k, op, &want, which) == PYR_BF16)
        return 1.5 / 256 * writes;
    if (v->k->precision == PYR_PRECISION_BF16 && op->kind == PYR_OP_GROUP_NORM && op->act == PYR_ACT_SILU &&
        strcmp(v->k->backend->name, "cpu") == 0)
        return 5e-4;
    return row_tolerance(v->row);
}

/* Of a parameter's gradient. cuDNN writes that of a convolution's weights in the images' type. */
static double bound_of_param(const variant *v, const pyr_op *op, int p)
{
    if (v->k->precision == PYR_PRECISION_BF16 && op->kind == PYR_OP_CONV2D && p == 0 && !v->real &&
        strcmp(v->k->backend->name, "cuda") == 0)
        return 1.5 / 256;
    return bound_of(v, op, 0, 1);
}

static void compare_results(const variant *v, const pyr_op *op, const op_result *got, const op_result *wanted,
                            int writes)
{
    char what[32];

    op_compare(v->k->backend->name, "y", got->y, wanted->y, pyr_count(op->y.s), bound_of(v, op, OP_Y, 1));
    for (int i = 0; i < op->n_inputs; i++) {
        snprintf(what, sizeof what, "dx[%d]", i);
        op_compare(v->k->backend->name, what, got->dx[i], wanted->dx[i], pyr_count(op->x[i].s),
                   bound_of(v, op, 1u << i, writes));
    }
    for (int p = 0; p < op->n_params; p++) {
        snprintf(what, sizeof what, "dparam[%d]", p);
        op_compare(v->k->backend->name, what, got->dparam[p], wanted->dparam[p], op->param_count[p],
                   bound_of_param(v, op, p));
    }
}

static bool same_bits(const pyr_op *op, const op_result *a, const op_result *b)
{
    bool same = memcmp(a->y, b->y, pyr_count(op->y.s) * sizeof *a->y) == 0;

    for (int i = 0; i < op->n_inputs; i++)
        same &= !a->dx[i] || memcmp(a->dx[i], b->dx[i], pyr_count(op->x[i].s) * sizeof(double)) == 0;
    for (int p = 0; p < op->n_params; p++)
        same &= !a->dparam[p] || memcmp(a->dparam[p], b->dparam[p], op->param_count[p] * sizeof(double)) == 0;
    return same;
}

/* The row's data; for bf16, images and the weights that multiply them are numbers that bf16 holds. */
static op_data data_for(const variant *v, const pyr_op *op)
{
    op_data data = row_data(v->row, op);
    unsigned images = v->k->precision == PYR_PRECISION_BF16 ? op_images(op->kind) : 0;

    for (int i = 0; i < op->n_inputs; i++)
        if (images & (1u << i)) {
            op_round(data.x[i], pyr_count(op->x[i].s));
            op_round(data.dx_start[i], pyr_count(op->x[i].s));
        }
    if (images & OP_Y)
        op_round(data.dy, pyr_count(op->y.s));
    if (images && (op->kind == PYR_OP_CONV2D || op->kind == PYR_OP_LINEAR))
        op_round(data.param[0], op->param_count[0]);
    return data;
}

/* One gradient at a time. */
static void alone(const variant *v, const pyr_op *op, const op_data *data, const op_want *all,
                  const op_result *wanted)
{
    for (int i = 0; op_wants_backward(all) && i <= op->n_inputs; i++) {
        op_want one = {.runs = 1, .real = v->real};
        op_result got;

        if (i < op->n_inputs)
            one.dx[i] = all->dx[i];
        else
            one.grad = all->grad;
        if (!op_wants_backward(&one))
            continue;
        CHECK_OK(op_run(v->k, op, data, &one, &got));
        if (i < op->n_inputs)
            op_compare(v->k->backend->name, "a dx alone", got.dx[i], wanted->dx[i], pyr_count(op->x[i].s),
                       bound_of(v, op, 1u << i, 1));
        for (int p = 0; one.grad && p < op->n_params; p++)
            op_compare(v->k->backend->name, "dparam alone", got.dparam[p], wanted->dparam[p],
                       op->param_count[p], bound_of_param(v, op, p));
        op_result_free(&got);
    }
}

/* The same bits when y lies where an input does, and when dx is dy. */
static void sharing(const variant *v, const pyr_op *op, const op_data *data, const op_want *all,
                    const op_result *plain)
{
    op_want want = *all;
    pyr_op typed = *op;
    op_result got;

    op_set_types(v->k, &typed, all);
    for (int i = 0; i < op->n_inputs; i++) {
        pyr_tensor x = typed.x[i], y = typed.y;
        op_want there = {.real = v->real, .in_place = 1u << i};

        if (pyr_op_has(op, i) && pyr_op_passes(op, i) && x.type == y.type && all->dx[i])
            want.passes |= 1u << i;
        if (!(v->k->backend->op[op->kind]->in_place & (1u << i)) || !pyr_op_has(op, i) || x.type != y.type ||
            memcmp(&x.s, &y.s, sizeof x.s) != 0)
            continue;
        CHECK_OK(op_run(v->k, op, data, &there, &got));
        if (memcmp(got.y, plain->y, pyr_count(y.s) * sizeof *got.y) != 0)
            CHECK_REPORT("%s: y in the place of x%d has other bits", v->k->backend->name, i);
        op_result_free(&got);
    }
    if (!want.passes)
        return;
    CHECK_OK(op_run(v->k, op, data, &want, &got));
    if (!same_bits(op, &got, plain))
        CHECK_REPORT("%s: with dx in the place of dy there are other bits", v->k->backend->name);
    op_result_free(&got);
}

/* An operation of the same value twice: the second gradient is added to the first one. */
static void same_value_twice(const variant *v, pyr_kernels *truth, const op_data *data, const pyr_op *op)
{
    op_want want = want_all(op, false, 1);
    pyr_op typed = *op;

    want.real = v->real;
    op_set_types(v->k, &typed, &want);
    for (int i = 1; i < op->n_inputs; i++) {
        op_result got, wanted;

        if (!want.dx[0] || !want.dx[i] || typed.x[i].type != typed.x[0].type ||
            memcmp(&op->x[i].s, &op->x[0].s, sizeof op->x[i].s) != 0)
            continue;
        want.joined = i;
        CHECK_OK(op_run(truth, op, data, &want, &wanted));
        CHECK_OK(op_run(v->k, op, data, &want, &got));
        compare_results(v, op, &got, &wanted, 2);
        op_result_free(&got);
        op_result_free(&wanted);
    }
}

/* A float table against the double one, in every way of asking. */
static void against_double(const variant *v, pyr_kernels *truth)
{
    pyr_kernels *k = v->k;
    pyr_op op = row_op(v->row);
    op_data data = data_for(v, &op);
    op_want want = want_all(&op, false, 1), none = {.real = v->real};
    op_result first, again, wanted;

    want.real = v->real;
    CHECK_OK(op_run(truth, &op, &data, &want, &wanted));
    CHECK_OK(op_run(k, &op, &data, &none, &first)); /* without a thought of backward */
    op_compare(k->backend->name, "y of inference", first.y, wanted.y, pyr_count(op.y.s),
               bound_of(v, &op, OP_Y, 1));
    op_result_free(&first);
    CHECK_OK(op_run(k, &op, &data, &want, &first));
    CHECK_OK(op_run(k, &op, &data, &want, &again));
    compare_results(v, &op, &first, &wanted, 1);
    if (!same_bits(&op, &first, &again))
        CHECK_REPORT("%s: another run gave other bits", k->backend->name);
    op_result_free(&again);
    alone(v, &op, &data, &want, &wanted);
    sharing(v, &op, &data, &want, &first);
    op_result_free(&first);
    op_result_free(&wanted);
    same_value_twice(v, truth, &data, &op);

    if (op_wants_backward(&want)) {
        want = want_all(&op, true, RUNS);
        want.real = v->real;
        CHECK_OK(op_run(truth, &op, &data, &want, &wanted));
        CHECK_OK(op_run(k, &op, &data, &want, &first));
        compare_results(v, &op, &first, &wanted, RUNS);
        op_result_free(&first);
        op_result_free(&wanted);
    }
    row_data_free(&data);
}

static double dot(const double *a, const double *b, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* sum of dy y with `values` moved by `by` along `direction`. */
static double moved(pyr_kernels *k, const pyr_op *op, const op_data *data, double *values,
                    const double *direction, size_t count, double by)
{
    double *kept = op_memory(count, sizeof *kept), loss;
    op_want none = {0};
    op_result got;

    memcpy(kept, values, count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] += by * direction[i];
    CHECK_OK(op_run(k, op, data, &none, &got));
    loss = dot(data->dy, got.y, pyr_count(op->y.s));
    op_result_free(&got);
    memcpy(values, kept, count * sizeof *values);
    pyr_free(kept);
    return loss;
}

static void gradient_is_slope(pyr_kernels *k, const pyr_op *op, const op_data *data, const char *what,
                              double *values, const double *gradient, size_t count)
{
    double h = 1e-5, *direction = row_numbers(count, 60, 1, 0), slope, wanted, size = 0;

    slope =
        (moved(k, op, data, values, direction, count, h) - moved(k, op, data, values, direction, count, -h)) /
        (2 * h);
    wanted = dot(gradient, direction, count);
    for (size_t i = 0; i < count; i++)
        size += gradient[i] * direction[i] * gradient[i] * direction[i];
    /* h^2 of the third derivative, and the rounding of two losses over h */
    if (!(fabs(slope - wanted) <= 1e-7 * sqrt(size) + 1e-8))
        CHECK_REPORT("%s: slope %.12g, gradient %.12g, size %.3g", what, slope, wanted, sqrt(size));
    pyr_free(direction);
}

/* What adding means: start + (1 + 1/2 + 2) gradient, for the runs of backward that op_run makes. */
static void check_added(const char *what, const double *got, const double *start, const double *gradient,
                        size_t count)
{
    double *wanted = op_memory(count, sizeof *wanted);

    for (size_t i = 0; i < count; i++)
        wanted[i] = start[i] + 3.5 * gradient[i];
    op_compare("added", what, got, wanted, count, 1e-12);
    pyr_free(wanted);
}

/* The double reference: its gradients are slopes, and they add up. */
static void gradients(pyr_kernels *truth, const row *r)
{
    static const char *const input_names[PYR_OP_INPUTS] = {"x0", "x1", "x2", "x3"};
    pyr_op op = row_op(r);
    op_data data = row_data(r, &op), from_zero = data;
    op_want want = want_all(&op, false, 1), add = want_all(&op, true, RUNS);
    op_result got, added;

    if (!op_wants_backward(&want)) {
        CHECK(truth->backend->op[op.kind]->backward == NULL);
        row_data_free(&data);
        return;
    }
    for (int p = 0; p < op.n_params; p++)
        from_zero.dparam_start[p] = op_memory(op.param_count[p], sizeof(double));
    CHECK_OK(op_run(truth, &op, &from_zero, &want, &got));
    CHECK_OK(op_run(truth, &op, &data, &add, &added));
    for (int i = 0; i < op.n_inputs; i++)
        if (want.dx[i]) {
            gradient_is_slope(truth, &op, &data, input_names[i], data.x[i], got.dx[i], pyr_count(op.x[i].s));
            check_added("dx", added.dx[i], data.dx_start[i], got.dx[i], pyr_count(op.x[i].s));
        }
    for (int p = 0; want.grad && p < op.n_params; p++) {
        gradient_is_slope(truth, &op, &data, p ? "parameter 1" : "parameter 0", data.param[p], got.dparam[p],
                          op.param_count[p]);
        check_added("dparam", added.dparam[p], data.dparam_start[p], got.dparam[p], op.param_count[p]);
    }
    for (int p = 0; p < op.n_params; p++)
        pyr_free(from_zero.dparam_start[p]);
    op_result_free(&got);
    op_result_free(&added);
    row_data_free(&data);
}

/* Not rows of one pixel (a softmax of one logit has no gradient), nor where the attributes make an input
 * idle or forbid the gradient that reads it, nor EMBED, whose index must stay in its range. */
static bool backward_shows_reads(const row *r)
{
    return r->x.h > 1 && !(r->kind == PYR_OP_ACTIVATION && r->act == PYR_ACT_NONE) &&
           !(r->kind == PYR_OP_DROPOUT && r->rate == 0) && !r->w_in;
}

/* Nothing stands in `reads` that backward does without: overwriting it shows. */
static void reads_are_needed(pyr_kernels *k, const row *r)
{
    pyr_op op = row_op(r);
    op_data data = row_data(r, &op);
    op_want want = want_all(&op, false, 1);
    op_result plain, poisoned;

    CHECK_OK(op_run(k, &op, &data, &want, &plain));
    for (int i = 0; i < op.n_inputs; i++)
        if (pyr_op_has(&op, i) && k->backend->op[op.kind]->reads & (PYR_READS_X0 << i)) {
            want.poison = PYR_READS_X0 << i;
            CHECK_OK(op_run(k, &op, &data, &want, &poisoned));
            if (same_bits(&op, &plain, &poisoned))
                CHECK_REPORT("%s: backward of %s does not need x%d", k->backend->name, pyr_op_name(op.kind),
                             i);
            op_result_free(&poisoned);
        }
    op_result_free(&plain);
    row_data_free(&data);
}

/* ---- the rest of kernels.c ---- */

static void backends_by_name(void)
{
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "ref", 3));
    CHECK_STRING(k->backend->name, "ref");
    CHECK(k->real == PYR_F32 && k->lanes == 3);
    pyr_kernels_free(k);
    CHECK_OK(pyr_kernels_open(&k, "ref-double", 0));
    CHECK_STRING(k->backend->name, "ref-double");
    CHECK(k->real == PYR_F64 && k->lanes == pyr_processors());
    pyr_kernels_free(k);
    CHECK_FAILS(pyr_kernels_open(&k, "rfe", 1), PYR_E_ARG, "did you mean ref?");
    CHECK(k == NULL);
    CHECK_FAILS(pyr_kernels_open(&k, "tpu-pod", 1), PYR_E_ARG, "auto, cpu, cuda, ref, ref-double");
    if (pyr_kernels_open(&k, "cuda", 1) == PYR_OK) { /* where there is a GPU there are not thirteen */
        CHECK_STRING(k->backend->name, "cuda");
        pyr_kernels_free(k);
        CHECK_FAILS(pyr_kernels_open(&k, "cuda:12", 1), PYR_E_ARG, "cuda:12");
    } else {
        CHECK_FAILS(pyr_kernels_open(&k, "cuda", 1), PYR_E_UNSUPPORTED, "cuda");
        CHECK_FAILS(pyr_kernels_open(&k, "cuda:12", 1), PYR_E_UNSUPPORTED, "cuda:12");
    }
    CHECK_FAILS(pyr_kernels_open(&k, "cuda:", 1), PYR_E_ARG, "did you mean cuda?");
    CHECK_FAILS(pyr_kernels_open(&k, "cuda:x", 1), PYR_E_ARG, "\"cuda:x\"");
    CHECK_FAILS(pyr_kernels_open(&k, "ref", -1), PYR_E_ARG, "-1");
    pyr_kernels_free(NULL);
}

static void precisions_by_name(void)
{
    pyr_kernels *k;

    CHECK_OK(pyr_kernels_ref(&k, PYR_F32, 1));
    CHECK_FAILS(pyr_kernels_precision(k, "tf23"), PYR_E_ARG, "did you mean tf32?");
    CHECK_FAILS(pyr_kernels_precision(k, "half"), PYR_E_ARG, "auto, bf16, f32, tf32");
    CHECK_FAILS(pyr_kernels_precision(k, "bf16"), PYR_E_UNSUPPORTED, "ref does not compute in bf16");
    CHECK_FAILS(pyr_kernels_precision(k, "tf32"), PYR_E_UNSUPPORTED, "ref does not compute in tf32");
    CHECK_OK(pyr_kernels_precision(k, "auto"));
    CHECK(k->auto_precision && k->precision == PYR_PRECISION_FULL);
    k->has_bf16 = k->fast_bf16 = k->has_tf32 = true;
    CHECK_OK(pyr_kernels_precision(k, "auto"));
    CHECK(k->auto_precision && k->precision == PYR_PRECISION_BF16);
    CHECK_OK(pyr_kernels_precision(k, "tf32"));
    CHECK(!k->auto_precision && k->precision == PYR_PRECISION_TF32);
    CHECK_OK(pyr_kernels_precision(k, "bf16"));
    CHECK(!k->auto_precision && k->precision == PYR_PRECISION_BF16);
    CHECK_OK(pyr_kernels_precision(k, "f32"));
    CHECK(!k->auto_precision && k->precision == PYR_PRECISION_FULL);
    pyr_kernels_free(k);
}

static void tables_without_memory(void)
{
    pyr_mem_stats before = pyr_mem();
    pyr_kernels *k;
    long n = 0;

    for (;; n++) {
        pyr_status status;

        pyr_mem_fail_after(n);
        status = pyr_kernels_ref(&k, PYR_F32, 3);
        pyr_mem_fail_after(-1);
        if (status == PYR_OK)
            break;
        CHECK(status == PYR_E_NOMEM && k == NULL);
    }
    CHECK(n >= 3);
    pyr_kernels_free(k);
    CHECK(pyr_mem().live_blocks == before.live_blocks);
}

static void names_sizes_flops(void)
{
    pyr_op op = {.kind = PYR_OP_CONV2D, .kernel = 3, .stride = 2};

    for (int i = 0; i < PYR_OP_KINDS; i++) {
        const char *name = pyr_op_name((pyr_op_kind)i);

        if (!name || !*name) {
            CHECK_REPORT("operation %d of pyr_op_kind has no name in kernels/kernels.c", i);
            return;
        }
        for (int j = 0; j < i; j++)
            CHECK(strcmp(name, pyr_op_name((pyr_op_kind)j)) != 0);
    }
    CHECK(pyr_type_size(PYR_F32) == 4 && pyr_type_size(PYR_F64) == 8);
    CHECK(pyr_type_size(PYR_BF16) == 2 && pyr_type_size(PYR_U32) == 4);
    op.x[0].s = (pyr_shape){2, 8, 8, 3};
    op.y.s = (pyr_shape){2, 4, 4, 5};
    CHECK_CLOSE(pyr_op_flop(&op), 2.0 * 2 * 4 * 4 * 5 * 3 * 9, 0);
    op.kind = PYR_OP_LINEAR;
    op.y.s = (pyr_shape){2, 8, 8, 5};
    CHECK_CLOSE(pyr_op_flop(&op), 2.0 * 2 * 64 * 3 * 5, 0);
    op.kind = PYR_OP_ATTENTION;
    op.y.s = op.x[0].s;
    CHECK_CLOSE(pyr_op_flop(&op), 2.0 * 2 * 64 * 64 * 3 * 2, 0);
    op.kind = PYR_OP_ADD;
    CHECK_CLOSE(pyr_op_flop(&op), 0, 0);
}

static void class_out_of_range(void)
{
    pyr_op op = {.kind = PYR_OP_EMBED, .n_inputs = 1, .n_params = 1, .param_count = {6}, .param_rows = 3};
    double index = 3, table[6] = {0};
    op_data data = {.x = {&index}, .param = {table}};
    op_want none = {0};
    op_result got;
    pyr_kernels *k;

    CHECK_OK(pyr_kernels_ref(&k, PYR_F32, 1));
    op.x[0] = (pyr_tensor){.type = PYR_U32, .s = {1, 1, 1, 1}};
    op.y.s = (pyr_shape){1, 1, 1, 2};
    CHECK_FAILS(op_run(k, &op, &data, &none, &got), PYR_E_ARG, "should be 0..2");
    op_result_free(&got);
    pyr_kernels_free(k);
}

/* A device cannot be asked without waiting: NaN where the index is, the other images as ever, and the table's
 * gradient is of those alone. */
static void index_out_of_range_on_device(pyr_kernels *cuda)
{
    pyr_op op = {.kind = PYR_OP_EMBED, .n_inputs = 1, .n_params = 1, .param_count = {6}, .param_rows = 3};
    double index[] = {3, 2}, table[] = {1, 2, 3, 4, 5, 6}, dy[] = {10, 20, 30, 40}, start[6] = {0};
    op_data data = {.x = {index}, .param = {table}, .dy = dy, .dparam_start = {start}};
    op_want want = {.grad = true, .runs = 1};
    op_result got;

    op.x[0] = (pyr_tensor){.type = PYR_U32, .s = {2, 1, 1, 1}};
    op.y.s = (pyr_shape){2, 1, 1, 2};
    CHECK_OK(op_run(cuda, &op, &data, &want, &got));
    CHECK(isnan(got.y[0]) && isnan(got.y[1]) && got.y[2] == 5 && got.y[3] == 6);
    for (int i = 0; i < 6; i++)
        CHECK_CLOSE(got.dparam[0][i], i < 4 ? 0 : dy[i - 2], 0);
    op_result_free(&got);
}

static void label_out_of_range_on_device(pyr_kernels *cuda)
{
    pyr_op op = {.kind = PYR_OP_CROSS_ENTROPY, .n_inputs = 3};
    double logits[] = {1, 1, 1, 1}, label[] = {2, 1}, weight[] = {1, 1}, dy[] = {1, 1};
    op_data data = {.x = {logits, label, weight}, .dy = dy};
    op_want want = {.dx = {true}, .runs = 1};
    op_result got;

    op.x[0].s = (pyr_shape){2, 1, 1, 2};
    op.x[1] = (pyr_tensor){.type = PYR_U32, .s = {2, 1, 1, 1}};
    op.x[2].s = op.y.s = (pyr_shape){2, 1, 1, 1};
    CHECK_OK(op_run(cuda, &op, &data, &want, &got));
    CHECK(isnan(got.y[0]) && isnan(got.dx[0][0]) && isnan(got.dx[0][1]));
    CHECK_CLOSE(got.y[1], log(2), 1e-6);
    CHECK_CLOSE(got.dx[0][2], 0.5, 1e-6);
    CHECK_CLOSE(got.dx[0][3], -0.5, 1e-6);
    op_result_free(&got);
}

static int enqueued;

static pyr_status enqueue(void *arg)
{
    enqueued++;
    return arg ? pyr_fail(PYR_E_NUMERIC, "asked to fail") : PYR_OK;
}

static void *replayed;
static bool recording_open;

static pyr_status fake_begin(pyr_kernels *k)
{
    (void)k;
    CHECK(!recording_open);
    recording_open = true;
    return PYR_OK;
}

static pyr_status fake_end(pyr_kernels *k, void **recording)
{
    CHECK(recording_open);
    recording_open = false;
    *recording = k;
    return PYR_OK;
}

static pyr_status fake_replay(pyr_kernels *k, void *recording)
{
    (void)k;
    replayed = recording;
    return PYR_OK;
}

/* The reference runs calls as they come; a backend that records enqueues once and replays. */
static void recording(void)
{
    pyr_backend backend;
    pyr_memory memory;
    pyr_kernels *k;
    void *kept = NULL;
    int fail = 1;

    CHECK_OK(pyr_kernels_ref(&k, PYR_F32, 1));
    enqueued = 0;
    CHECK_OK(pyr_recorded(k, &kept, enqueue, NULL));
    CHECK_OK(pyr_recorded(k, &kept, enqueue, NULL));
    CHECK(enqueued == 2 && kept == NULL);
    CHECK_FAILS(pyr_recorded(k, &kept, enqueue, &fail), PYR_E_NUMERIC, "asked to fail");

    backend = *k->backend;
    memory = *backend.memory;
    backend.memory = &memory;
    k->backend = &backend;
    memory.record_begin = fake_begin;
    memory.record_end = fake_end;
    memory.replay = fake_replay;
    enqueued = 0;
    CHECK_STATUS(pyr_recorded(k, &kept, enqueue, &fail), PYR_E_NUMERIC);
    CHECK(kept == NULL && replayed == NULL && !recording_open);
    CHECK_OK(pyr_recorded(k, &kept, enqueue, NULL));
    CHECK(enqueued == 2 && kept == k && replayed == k);
    replayed = NULL;
    CHECK_OK(pyr_recorded(k, &kept, enqueue, NULL));
    CHECK(enqueued == 2 && replayed == k);
    pyr_kernels_free(k);
}

/* What the fast table promises, so that graphs rely on it; the rows above show that it holds. */
static void cpu_takes_in(pyr_kernels *cpu)
{
    CHECK(cpu->backend->op[PYR_OP_CONV2D]->fuses ==
          (PYR_FUSES_RESIDUAL | PYR_FUSES_VECTOR | PYR_FUSES_CONCAT | PYR_FUSES_UPSAMPLE));
    CHECK(cpu->backend->op[PYR_OP_GROUP_NORM]->fuses == PYR_FUSES_CONCAT);
}

static void run_variant(const char *label, pyr_kernels *truth, variant v)
{
    char described[128], name[192];

    row_name(described, sizeof described, v.row);
    snprintf(name, sizeof name, "%s:%s", label, described);
    RUN_NAMED(name, against_double(&v, truth));
}

/* A fast table, in all its ways. A convolution may also lead into bf16 and out of it. */
static void run_fast(pyr_kernels *k, pyr_kernels *truth, const row *r)
{
    char label[32];

    if (!k->backend->op[r->kind]->forward || row_fuses(r) & ~k->backend->op[r->kind]->fuses)
        return;
    run_variant(k->backend->name, truth, (variant){k, r, 0});
    if (!k->has_bf16 || !op_images(r->kind))
        return;
    if (pyr_kernels_precision(k, "bf16") != PYR_OK)
        abort();
    snprintf(label, sizeof label, "%s-bf16", k->backend->name);
    run_variant(label, truth, (variant){k, r, 0});
    if (r->kind == PYR_OP_CONV2D) {
        snprintf(label, sizeof label, "%s-into-bf16", k->backend->name);
        run_variant(label, truth, (variant){k, r, 1 | 1 << PYR_X_MORE});
        snprintf(label, sizeof label, "%s-out-of-bf16", k->backend->name);
        run_variant(label, truth, (variant){k, r, OP_Y | 1 << PYR_X_RESIDUAL});
    }
    if (pyr_kernels_precision(k, "f32") != PYR_OK)
        abort();
}

/* NULL where there is none. */
static pyr_kernels *open_or_leave_out(const char *backend)
{
    pyr_kernels *k;

    if (pyr_kernels_open(&k, backend, 1) != PYR_OK)
        printf("backend %s is left out: %s\n", backend, pyr_error());
    return k;
}

/* All operations and functions are there: callers do not check. */
static void table_is_complete(const pyr_kernels *k)
{
    const pyr_backend *b = k->backend;
    const char *first = (const char *)b + offsetof(pyr_backend, mean), *end = (const char *)(b + 1);
    int slot = 0;

    CHECK(k->real == b->real && b->memory && k->lanes > 0 && k->micro_batch > 0);
    for (int i = 0; i < PYR_OP_KINDS; i++)
        if (!b->op[i] || !b->op[i]->forward)
            CHECK_REPORT("%s has no %s", b->name, pyr_op_name((pyr_op_kind)i));
    for (const char *at = first; at < end; at += sizeof(void (*)(void)), slot++) {
        void (*function)(void);

        memcpy(&function, at, sizeof function);
        if (!function)
            CHECK_REPORT("%s: function %d after `mean` in pyr_backend is missing", b->name, slot);
    }
}

enum { MOST_BACKENDS = 8 };

int main(int argc, char **argv)
{
    pyr_kernels *truth, *ref, *fast[MOST_BACKENDS];
    bool seen[PYR_OP_KINDS] = {false};
    int n = 0;

    CHECK_INIT(argc, argv);
    if (pyr_kernels_ref(&truth, PYR_F64, 1) != PYR_OK || pyr_kernels_ref(&ref, PYR_F32, 1) != PYR_OK) {
        fprintf(stderr, "%s\n", pyr_error());
        return 1;
    }
    RUN_NAMED("complete:ref-double", table_is_complete(truth));
    RUN_NAMED("complete:ref", table_is_complete(ref));
    for (const char *const *name = pyr_backend_names; *name && n < MOST_BACKENDS; name++) {
        char label[64];

        if (strcmp(*name, "auto") == 0 || strncmp(*name, "ref", 3) == 0 ||
            !(fast[n] = open_or_leave_out(*name)))
            continue;
        snprintf(label, sizeof label, "complete:%s", *name);
        RUN_NAMED(label, table_is_complete(fast[n]));
        if (strcmp(*name, "cpu") == 0)
            RUN_NAMED("cpu_takes_in", cpu_takes_in(fast[n]));
        if (strcmp(*name, "cuda") == 0) {
            RUN_NAMED("cuda:index_out_of_range", index_out_of_range_on_device(fast[n]));
            RUN_NAMED("cuda:label_out_of_range", label_out_of_range_on_device(fast[n]));
        }
        n++;
    }
    RUN(backends_by_name);
    RUN(precisions_by_name);
    RUN(tables_without_memory);
    RUN(names_sizes_flops);
    if (check_failed) /* the others rely on it */
        return CHECK_DONE();
    RUN(class_out_of_range);
    RUN(recording);
    for (int i = 0; i < ROWS; i++) {
        char described[128], name[192];

        row_name(described, sizeof described, &rows[i]);
        snprintf(name, sizeof name, "gradients:%s", described);
        RUN_NAMED(name, gradients(truth, &rows[i]));
        run_variant("ref", truth, (variant){ref, &rows[i], 0});
        for (int j = 0; j < n; j++)
            run_fast(fast[j], truth, &rows[i]);
        if (backward_shows_reads(&rows[i])) {
            snprintf(name, sizeof name, "reads:%s", described);
            RUN_NAMED(name, reads_are_needed(ref, &rows[i]));
        }
        seen[rows[i].kind] = true;
    }
    for (int i = 0; i < PYR_OP_KINDS; i++)
        if (!seen[i])
            RUN_NAMED(pyr_op_name((pyr_op_kind)i),
                      CHECK_REPORT("no row for %s", pyr_op_name((pyr_op_kind)i)));
    for (int j = 0; j < n; j++)
        pyr_kernels_free(fast[j]);
    pyr_kernels_free(ref);
    pyr_kernels_free(truth);
    return CHECK_DONE();
}
