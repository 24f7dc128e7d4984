/* test_cuda_libraries.c - the CUDA backend and its libraries: what is said when one is missing, which of
 * their algorithms are taken, what happens when they have none or refuse. Runs on the device that is none
 * (tests/cuda) only. */
#include "tests/cuda/fake.h"
#include "tests/cuda/fake_libraries.h"
#include "tests/kernel_rows.h"

/* In an ordinary build neither is there. */
#pragma weak fake
#pragma weak fake_libraries

/* cuDNN's numbers */
enum { IMPLICIT_GEMM = 0, PRECOMP_GEMM = 1, DATA_ALGO_0 = 0, DATA_ALGO_1 = 1, FILTER_ALGO_1 = 1 };
enum { TENSOR_OP_MATH = 1, FMA_MATH = 3 };

static const row middle = CONV(2, 7, 7, 16, 24, K3);
static const row few = CONV(2, 7, 7, 3, 24, K3);
static const row uneven = CONV(2, 8, 8, 8, 8, K3RIGHT);
static const row product = ROW(LINEAR, 5, 3, 3, 12, .out = 20);

static pyr_kernels *opened(const char *precision)
{
    pyr_kernels *k;

    CHECK_OK(pyr_kernels_cuda(&k, 0));
    CHECK_OK(pyr_kernels_precision(k, precision));
    return k;
}

static op_want everything(void)
{
    return (op_want){.dx = {true}, .grad = true, .runs = 1};
}

/* Forward and backward of a row; *out is the caller's. */
static void run_row(pyr_kernels *k, const row *r, op_result *out)
{
    pyr_op op = row_op(r);
    op_data data = row_data(r, &op);
    op_want want = everything();

    CHECK_OK(op_run(k, &op, &data, &want, out));
    row_data_free(&data);
}

/* The same as the double reference computes, within `tolerance`. */
static void check_row(pyr_kernels *k, const row *r, double tolerance)
{
    pyr_op op = row_op(r);
    op_result got, wanted;
    pyr_kernels *truth;

    CHECK_OK(pyr_kernels_ref(&truth, PYR_F64, 1));
    run_row(k, r, &got);
    run_row(truth, r, &wanted);
    op_compare(k->backend->name, "y", got.y, wanted.y, pyr_count(op.y.s), tolerance);
    op_compare(k->backend->name, "dx", got.dx[0], wanted.dx[0], pyr_count(op.x[0].s), tolerance);
    for (int p = 0; p < op.n_params; p++)
        op_compare(k->backend->name, "dparam", got.dparam[p], wanted.dparam[p], op.param_count[p], tolerance);
    op_result_free(&got);
    op_result_free(&wanted);
    pyr_kernels_free(truth);
}

/* ---- opening ---- */

static void missing(void)
{
    pyr_mem_stats before = pyr_mem();
    pyr_kernels *k;

    fake_libraries.cudnn_file = "libcudnn-that-is-none.so.9";
    CHECK_FAILS(pyr_kernels_cuda(&k, 0), PYR_E_UNSUPPORTED, "cuDNN 9 is not to be found");
    CHECK(k == NULL && strstr(pyr_error(), "libcudnn-that-is-none.so.9") &&
          strstr(pyr_error(), "LD_LIBRARY_PATH"));
    fake_libraries.cudnn_file = "libm.so.6";
    CHECK_FAILS(pyr_kernels_cuda(&k, 0), PYR_E_UNSUPPORTED, "cuDNN 9 has no cudnnGetVersion");
    CHECK_FAILS(pyr_kernels_open(&k, "cuda:0", 1), PYR_E_UNSUPPORTED, "--backend cpu");
    fake_libraries.cudnn_file = NULL;

    fake_libraries.cublas_file = "libcublasLt-that-is-none.so.13";
    CHECK_FAILS(pyr_kernels_cuda(&k, 0), PYR_E_UNSUPPORTED, "cuBLASLt is not to be found");
    fake_libraries.cublas_file = "libm.so.6";
    CHECK_FAILS(pyr_kernels_cuda(&k, 0), PYR_E_UNSUPPORTED, "cuBLASLt has no cublasLt");
    fake_libraries.cublas_file = NULL;
    CHECK(pyr_mem().live_blocks == before.live_blocks && fake.counts.used == 0);

    k = opened("f32");
    CHECK(strstr(k->measurable, "cuDNN 91900"));
    pyr_kernels_free(k);
    CHECK(fake.counts.used == 0);
}

/* An old GPU has neither bf16 nor TF32. */
static void old_device(void)
{
    pyr_kernels *k;

    fake.major = 7;
    fake.minor = 5;
    CHECK_OK(pyr_kernels_cuda(&k, 0));
    CHECK_FAILS(pyr_kernels_precision(k, "bf16"), PYR_E_UNSUPPORTED, "cuda does not compute in bf16");
    CHECK_FAILS(pyr_kernels_precision(k, "tf32"), PYR_E_UNSUPPORTED, "cuda does not compute in tf32");
    CHECK_OK(pyr_kernels_precision(k, "auto"));
    CHECK(k->precision == PYR_PRECISION_FULL);
    check_row(k, &middle, 2e-6);
    pyr_kernels_free(k);
    fake.major = 9;
    fake.minor = 0;
}

/* ---- which algorithm ---- */

/* Not the fastest when that is not deterministic, not there, or takes more memory than the device has to
 * spare. */
static void deterministic(void)
{
    static const char *const precisions[] = {"f32", "tf32", "bf16"};
    static const row *const all[] = {&middle, &few, &uneven, &product};
    long by_chance = fake_libraries.by_chance;

    for (int i = 0; i < 3; i++) {
        pyr_kernels *k = opened(precisions[i]);
        op_result got;

        for (int j = 0; j < 4; j++) {
            long convolutions = fake_libraries.convolutions, products = fake_libraries.products;

            run_row(k, all[j], &got);
            op_result_free(&got);
            CHECK(fake_libraries.products - products == (all[j] == &product ? 3 : 0));
            CHECK(fake_libraries.convolutions - convolutions ==
                  (all[j] == &product || (all[j] == &few && i == 2) ? 0 : 3));
        }
        CHECK(fake_libraries.last_forward == PRECOMP_GEMM && fake_libraries.last_data == DATA_ALGO_1 &&
              fake_libraries.last_filter == FILTER_ALGO_1);
        CHECK(fake_libraries.last_math == (i == 0 ? FMA_MATH : TENSOR_OP_MATH));
        CHECK(pyr_tuning_count(k->tuning) == 0);
        pyr_kernels_free(k);
    }
    CHECK(fake_libraries.by_chance == by_chance);
    CHECK(fake_libraries.descriptors == 0 && fake.counts.used == 0);
}

/* f32 is f32; tf32 has 11 bits in the factors, and shows it. */
static void factors(void)
{
    static const row *const all[] = {&middle, &product};

    for (int i = 0; i < 2; i++) {
        pyr_kernels *f32 = opened("f32"), *tf32 = opened("tf32");
        pyr_op op = row_op(all[i]);
        op_result exact, rounded;
        size_t at;

        check_row(f32, all[i], 2e-6);
        check_row(tf32, all[i], 2e-3);
        run_row(f32, all[i], &exact);
        run_row(tf32, all[i], &rounded);
        CHECK(op_error(rounded.y, exact.y, pyr_count(op.y.s), &at) > 2e-5);
        CHECK(op_error(rounded.dx[0], exact.dx[0], pyr_count(op.x[0].s), &at) > 2e-5);
        CHECK(op_error(rounded.dparam[0], exact.dparam[0], op.param_count[0], &at) > 2e-5);
        op_result_free(&exact);
        op_result_free(&rounded);
        pyr_kernels_free(f32);
        pyr_kernels_free(tf32);
    }
}

static const char *const choices[] = {"conv2d forward f32 2x7x7x16 to 24 k3x3 s1 p1.1",
                                      "conv2d data f32 2x7x7x16 to 24 k3x3 s1 p1.1",
                                      "conv2d weights f32 2x7x7x16 to 24 k3x3 s1 p1.1"};

/* Measured once where there is a choice, and only of what is deterministic. */
static void measured(void)
{
    pyr_kernels *k = opened("f32");
    long by_chance = fake_libraries.by_chance, convolutions;
    op_result got;
    int choice;

    pyr_tuning_let_measure(k->tuning, true);
    run_row(k, &middle, &got);
    op_result_free(&got);
    CHECK(pyr_tuning_count(k->tuning) == 1); /* the others have one algorithm each */
    CHECK(pyr_tuning_get(k->tuning, choices[0], &choice) &&
          (choice == IMPLICIT_GEMM + 1 || choice == PRECOMP_GEMM + 1));
    CHECK(fake_libraries.last_forward == choice - 1);
    convolutions = fake_libraries.convolutions;
    run_row(k, &middle, &got);
    op_result_free(&got);
    CHECK(fake_libraries.convolutions == convolutions + 3);

    check_row(k, &few, 2e-6); /* here our own loops are a choice for each */
    CHECK(pyr_tuning_count(k->tuning) == 4);
    CHECK(fake_libraries.by_chance == by_chance);
    pyr_kernels_free(k);
    CHECK(fake.counts.used == 0 && fake_libraries.descriptors == 0);
}

/* No room for measuring is no failure. */
static void measured_without_room(void)
{
    pyr_kernels *k = opened("f32");
    size_t memory = fake.memory;
    pyr_op op = row_op(&middle);
    op_want want = everything();

    op_set_types(k, &op, &want);
    pyr_tuning_let_measure(k->tuning, true);
    fake.memory = fake.counts.used + 7000; /* there is room for x, not for y beside it */
    CHECK_OK(pyr_op_plan(k, &op));
    CHECK(pyr_tuning_count(k->tuning) == 0);
    fake.memory = memory;
    k->backend->op[PYR_OP_CONV2D]->release(k, &op);
    CHECK_OK(pyr_sync(k));
    pyr_kernels_free(k);
    CHECK(fake.counts.used == 0 && fake_libraries.descriptors == 0);
}

/* What a run has stored is what it goes on with; unless that would not be deterministic, or is not there. */
static void stored(void)
{
    pyr_kernels *k = opened("f32");
    long by_chance = fake_libraries.by_chance;

    CHECK_OK(pyr_tuning_put(k->tuning, choices[0], IMPLICIT_GEMM + 1));
    CHECK_OK(pyr_tuning_put(k->tuning, choices[1], DATA_ALGO_0 + 1));
    CHECK_OK(pyr_tuning_put(k->tuning, choices[2], 77));
    check_row(k, &middle, 2e-6);
    CHECK(fake_libraries.last_forward == IMPLICIT_GEMM && fake_libraries.last_data == DATA_ALGO_1 &&
          fake_libraries.last_filter == FILTER_ALGO_1);
    CHECK(fake_libraries.by_chance == by_chance);
    pyr_kernels_free(k);
}

/* ---- our own loops instead ---- */

static void without_algorithms(void)
{
    static const row *const all[] = {&middle, &few, &uneven, &product};

    fake_libraries.no_algorithms = true;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        pyr_kernels *k = opened(bf16 ? "bf16" : "f32");
        long asked = fake_libraries.convolutions + fake_libraries.products;

        for (int i = 0; i < 4; i++)
            check_row(k, all[i], bf16 ? 1.5 / 128 : 2e-6); /* bf16: the factors are rounded, too */
        CHECK(fake_libraries.convolutions + fake_libraries.products == asked);
        pyr_kernels_free(k);
    }
    fake_libraries.no_algorithms = false;
}

/* ---- attention ---- */

enum { OWN = 0, FIRST_WAY = 901, SECOND_WAY = 902, THIRD_WAY = 801, NOT_DETERMINISTIC = 501, IN_BF16 = 601 };

static const row attention = ROW(ATTENTION, 2, 5, 3, 48, .heads = 2);
static const char attention_choice[] = "attention forward saving bf16 2x15x48 heads 2";

/* Of numbers that bf16 holds; *out is the caller's. */
static void run_attention(pyr_kernels *k, const row *r, bool backward, op_result *out)
{
    pyr_op op = row_op(r);
    op_data data = row_data(r, &op);
    op_want want = {.dx = {backward, backward, backward}, .runs = 1};

    for (int i = 0; i < 3; i++)
        op_round(data.x[i], pyr_count(op.x[i].s));
    op_round(data.dy, pyr_count(op.y.s));
    CHECK_OK(op_run(k, &op, &data, &want, out));
    row_data_free(&data);
}

/* As the double reference has it, by the way that is wanted: one of cuDNN's, or OWN. */
static void check_attention(pyr_kernels *k, const row *r, bool backward, int way)
{
    double tolerance = k->precision == PYR_PRECISION_BF16 ? 1.5 / 256 : 1e-5;
    size_t count = pyr_count(r->x);
    op_result got, wanted;
    pyr_kernels *truth;
    long before;

    run_attention(k, r, backward, &got); /* the first one may try several */
    op_result_free(&got);
    before = fake_libraries.attentions;
    run_attention(k, r, backward, &got);
    CHECK(fake_libraries.attentions - before == (way != OWN));
    if (way != OWN && fake_libraries.last_way != way)
        CHECK_REPORT("attention went by %d, not %d", fake_libraries.last_way, way);
    CHECK_OK(pyr_kernels_ref(&truth, PYR_F64, 1));
    run_attention(truth, r, backward, &wanted);
    op_compare(k->backend->name, "y", got.y, wanted.y, count, tolerance);
    for (int i = 0; i < 3; i++)
        op_compare(k->backend->name, "dx", got.dx[i], wanted.dx[i], count, tolerance);
    op_result_free(&got);
    op_result_free(&wanted);
    pyr_kernels_free(truth);
}

/* The same on a table of its own, with and without the gradient. */
static void check_attention_anew(const char *precision, const row *r, int way)
{
    pyr_kernels *k = opened(precision);

    check_attention(k, r, true, way);
    check_attention(k, r, false, way);
    pyr_kernels_free(k);
    CHECK(fake_libraries.descriptors == 0 && fake.counts.used == 0);
}

/* The first that is deterministic, fine and not greedy; compiled and compared once for a shape. */
static void fused(void)
{
    pyr_kernels *k = opened("bf16");
    long by_chance = fake_libraries.by_chance, plans = fake_libraries.plans,
         attentions = fake_libraries.attentions;
    op_result got;

    run_attention(k, &attention, true, &got);
    op_result_free(&got);
    CHECK(fake_libraries.attentions == attentions + 2); /* a trial, and the row */
    run_attention(k, &attention, true, &got);
    op_result_free(&got);
    CHECK(fake_libraries.attentions == attentions + 3);
    check_attention(k, &attention, true, FIRST_WAY);
    CHECK(fake_libraries.plans == plans + 2); /* the greedy one shows when its plan is made */
    check_attention(k, &attention, false, FIRST_WAY);
    CHECK(fake_libraries.plans == plans + 4);
    CHECK(pyr_tuning_count(k->tuning) == 0 && fake_libraries.by_chance == by_chance);
    pyr_kernels_free(k);
    CHECK(fake_libraries.descriptors == 0 && fake.counts.used == 0);
}

/* What cuDNN has nothing for. */
static void not_fused(void)
{
    static const row odd = ROW(ATTENTION, 2, 5, 3, 24, .heads = 2),
                     large = ROW(ATTENTION, 1, 3, 3, 264, .heads = 1);
    long plans = fake_libraries.plans;

    check_attention_anew("f32", &attention, OWN);
    check_attention_anew("tf32", &attention, OWN);
    check_attention_anew("bf16", &odd, OWN);
    check_attention_anew("bf16", &large, OWN);
    fake_libraries.no_algorithms = true;
    check_attention_anew("bf16", &attention, OWN);
    fake_libraries.no_algorithms = false;
    for (int i = 0; i < 2; i++) {
        fake_libraries.cudnn_version = i ? 90100 : 91300;
        check_attention_anew("bf16", &attention, OWN);
    }
    fake_libraries.cudnn_version = 91900;
    CHECK(fake_libraries.plans == plans);
}

/* One that computes something else is passed over without a word, and so is one that cuDNN makes no plan of,
 * or whose plan it does not run. */
static void passed_over(void)
{
    int *const faults[] = {&fake_libraries.wrong_way, &fake_libraries.refused_way,
                           &fake_libraries.failing_way};

    for (int i = 0; i < 3; i++) {
        *faults[i] = FIRST_WAY;
        check_attention_anew("bf16", &attention, SECOND_WAY);
        *faults[i] = EVERY_WAY;
        check_attention_anew("bf16", &attention, OWN);
        *faults[i] = 0;
    }
    fake_libraries.wrong_way = FIRST_WAY;
    fake_libraries.refused_way = SECOND_WAY;
    check_attention_anew("bf16", &attention, THIRD_WAY);
    fake_libraries.wrong_way = fake_libraries.refused_way = 0;
}

/* Logarithms to another base would give wrong gradients; without a gradient they do not matter. */
static void other_logarithms(void)
{
    pyr_kernels *k = opened("bf16");

    fake_libraries.wrong_saving_way = FIRST_WAY;
    check_attention(k, &attention, true, SECOND_WAY);
    check_attention(k, &attention, false, FIRST_WAY);
    fake_libraries.wrong_saving_way = 0;
    pyr_kernels_free(k);
}

/* Ours and cuDNN's, each that is right, are measured; that none is right is known the next time, too. */
static void attention_measured(void)
{
    long by_chance = fake_libraries.by_chance, plans = fake_libraries.plans;
    pyr_kernels *k = opened("bf16");
    op_result got;
    int choice = -1;

    pyr_tuning_let_measure(k->tuning, true);
    run_attention(k, &attention, true, &got);
    op_result_free(&got);
    CHECK(pyr_tuning_count(k->tuning) == 1 && pyr_tuning_get(k->tuning, attention_choice, &choice));
    CHECK(choice == OWN || choice == FIRST_WAY || choice == SECOND_WAY || choice == THIRD_WAY);
    CHECK(fake_libraries.plans == plans + 4); /* the greedy one, and the three */
    check_attention(k, &attention, true, choice);
    CHECK(fake_libraries.plans == plans + 4 && fake_libraries.by_chance == by_chance);
    pyr_kernels_free(k);

    k = opened("bf16");
    pyr_tuning_let_measure(k->tuning, true);
    fake_libraries.wrong_way = EVERY_WAY;
    check_attention(k, &attention, true, OWN);
    CHECK(pyr_tuning_get(k->tuning, attention_choice, &choice) && choice == OWN);
    fake_libraries.wrong_way = 0;
    pyr_kernels_free(k);
    CHECK(fake_libraries.descriptors == 0 && fake.counts.used == 0);
}

/* A run goes on with what it has stored, and makes nothing else; unless that would not be deterministic, or
 * is not there. */
static void attention_stored(void)
{
    static const int stored_and_taken[][2] = {
        {THIRD_WAY, THIRD_WAY},         {SECOND_WAY, SECOND_WAY}, {OWN, OWN},
        {NOT_DETERMINISTIC, FIRST_WAY}, {IN_BF16, FIRST_WAY},     {77, FIRST_WAY}};

    for (int i = 0; i < 6; i++) {
        pyr_kernels *k = opened("bf16");
        int taken = stored_and_taken[i][1];
        long plans = fake_libraries.plans;

        pyr_tuning_let_measure(k->tuning, true);
        CHECK_OK(pyr_tuning_put(k->tuning, attention_choice, stored_and_taken[i][0]));
        check_attention(k, &attention, true, taken);
        CHECK(fake_libraries.plans - plans == (taken == OWN ? 0 : taken == FIRST_WAY ? 2 : 1));
        pyr_kernels_free(k);
    }
}

/* No room for trying is no failure: then it is done here. */
static void attention_without_room(void)
{
    size_t memory = fake.memory;
    pyr_op op = row_op(&attention);

    for (int i = 0; i < 3; i++)
        op.x[i].type = PYR_BF16;
    op.y.type = PYR_BF16;
    for (int measuring = 0; measuring < 2; measuring++)
        for (size_t room = 0; room < 16000; room += 3000) { /* five images are 14400 bytes */
            pyr_kernels *k = opened("bf16");

            pyr_tuning_let_measure(k->tuning, measuring);
            fake.memory = fake.counts.used + room;
            CHECK_OK(pyr_op_plan(k, &op));
            CHECK(op.state == NULL && pyr_tuning_count(k->tuning) == 0);
            fake.memory = memory;
            pyr_tuning_let_measure(k->tuning, false);
            check_attention(k, &attention, false, FIRST_WAY);
            pyr_kernels_free(k);
            CHECK(fake.counts.used == 0 && fake_libraries.descriptors == 0);
        }
    /* but where a run has its choice: it would go on with other bits */
    pyr_kernels *k = opened("bf16");

    CHECK_OK(pyr_tuning_put(k->tuning, attention_choice, FIRST_WAY));
    op.backward = true;
    fake.memory = fake.counts.used;
    CHECK_STATUS(pyr_op_plan(k, &op), PYR_E_NOMEM);
    fake.memory = memory;
    CHECK_OK(pyr_op_plan(k, &op));
    CHECK(op.state != NULL);
    pyr_kernels_free(k);
}

/* ---- running ---- */

typedef struct placed {
    pyr_kernels *k;
    pyr_op op;
    void *block[8];
    int n;
} placed;

static void *place(placed *p, size_t bytes)
{
    CHECK_OK(pyr_alloc(p->k, &p->block[p->n], bytes, "test"));
    return p->block[p->n++];
}

/* A convolution in zeroed device memory, planned. */
static placed placed_middle(pyr_kernels *k)
{
    placed p = {.k = k, .op = row_op(&middle)};
    op_want want = everything();

    op_set_types(k, &p.op, &want);
    p.op.backward = p.op.want_grad = p.op.want_dx[0] = true;
    CHECK_OK(pyr_op_plan(k, &p.op));
    p.op.x[0].data = place(&p, pyr_count(p.op.x[0].s) * 4 + 64);
    p.op.y.data = place(&p, pyr_count(p.op.y.s) * 4);
    p.op.dy = place(&p, pyr_count(p.op.y.s) * 4);
    p.op.dx[0] = place(&p, pyr_count(p.op.x[0].s) * 4);
    p.op.packed = place(&p, p.op.packed_bytes);
    p.op.scratch = place(&p, p.op.scratch_bytes);
    p.op.grad = place(&p, p.op.grad_bytes);
    p.op.param[0] = place(&p, (p.op.param_count[0] + p.op.param_count[1]) * sizeof(float));
    p.op.param[1] = (const float *)p.op.param[0] + p.op.param_count[0];
    return p;
}

/* Attention likewise, its images made of `data`. */
static placed placed_attention(pyr_kernels *k, const op_data *data)
{
    placed p = {.k = k, .op = row_op(&attention)};
    size_t count = pyr_count(p.op.y.s);

    for (int i = 0; i < 3; i++) {
        p.op.x[i].type = PYR_BF16;
        p.op.x[i].data = place(&p, count * 2 + 64);
        op_upload(k, p.op.x[i].data, data->x[i], PYR_BF16, count);
    }
    p.op.y.type = PYR_BF16;
    p.op.y.data = place(&p, count * 2);
    p.op.backward = true;
    CHECK_OK(pyr_op_plan(k, &p.op));
    p.op.saved = place(&p, p.op.saved_bytes);
    p.op.scratch = place(&p, p.op.scratch_bytes);
    return p;
}

static void take_away(placed *p)
{
    if (p->k->backend->op[p->op.kind]->release)
        p->k->backend->op[p->op.kind]->release(p->k, &p->op);
    for (int i = 0; i < p->n; i++)
        pyr_release(p->k, p->block[i]);
}

/* A step may be recorded: nothing is allocated, copied from or to the host, or waited for. */
static void recorded(void)
{
    pyr_kernels *k = opened("bf16");
    placed p = placed_middle(k);
    const pyr_op_impl *impl = k->backend->op[PYR_OP_CONV2D];
    fake_counts before = fake.counts;
    void *kept = NULL;

    CHECK_OK(k->backend->memory->record_begin(k));
    CHECK_OK(impl->pack(k, &p.op));
    CHECK_OK(impl->forward(k, &p.op));
    CHECK_OK(impl->backward(k, &p.op));
    CHECK_OK(k->backend->memory->record_end(k, &kept));
    CHECK(kept && fake.counts.captures == before.captures + 1);
    CHECK(fake.counts.allocations == before.allocations && fake.counts.uploads == before.uploads &&
          fake.counts.waits == before.waits);
    CHECK_OK(k->backend->memory->replay(k, kept));
    CHECK_OK(pyr_sync(k));
    take_away(&p);
    pyr_kernels_free(k);
}

/* cuDNN's attention, too; its number by value is taken when it is recorded. The replay writes the same
 * bytes. */
static void attention_recorded(void)
{
    pyr_kernels *k = opened("bf16");
    pyr_op op = row_op(&attention);
    op_data data = row_data(&attention, &op);
    placed p = placed_attention(k, &data);
    size_t y_bytes = pyr_count(op.y.s) * 2, saved_bytes = (size_t)2 * 2 * 15 * sizeof(float);
    char *y[2], *saved[2];
    long plans = fake_libraries.plans;
    fake_counts before;
    void *kept = NULL;

    for (int i = 0; i < 2; i++) {
        y[i] = op_memory(y_bytes, 1);
        saved[i] = op_memory(saved_bytes, 1);
    }
    CHECK(p.op.state != NULL);
    CHECK_OK(k->backend->op[PYR_OP_ATTENTION]->forward(k, &p.op));
    op_fetch(k, y[0], p.op.y.data, y_bytes);
    op_fetch(k, saved[0], p.op.saved, saved_bytes);
    before = fake.counts;
    CHECK_OK(k->backend->memory->record_begin(k));
    CHECK_OK(k->backend->op[PYR_OP_ATTENTION]->forward(k, &p.op));
    CHECK_OK(k->backend->memory->record_end(k, &kept));
    CHECK(fake.counts.allocations == before.allocations && fake.counts.uploads == before.uploads &&
          fake.counts.waits == before.waits && fake_libraries.plans == plans);
    for (int i = 0; i < 2; i++) {
        pyr_zero(k, p.op.y.data, y_bytes);
        pyr_zero(k, p.op.saved, saved_bytes);
        CHECK_OK(k->backend->memory->replay(k, kept));
        op_fetch(k, y[1], p.op.y.data, y_bytes);
        op_fetch(k, saved[1], p.op.saved, saved_bytes);
        CHECK(memcmp(y[0], y[1], y_bytes) == 0 && memcmp(saved[0], saved[1], saved_bytes) == 0);
    }
    for (int i = 0; i < 2; i++) {
        pyr_free(y[i]);
        pyr_free(saved[i]);
    }
    take_away(&p);
    row_data_free(&data);
    pyr_kernels_free(k);
    CHECK(fake_libraries.descriptors == 0);
}

/* A plan that runs no longer is an error with cuDNN's words. */
static void attention_refusals(void)
{
    pyr_kernels *k = opened("bf16");
    pyr_op op = row_op(&attention);
    op_data data = row_data(&attention, &op);
    placed p = placed_attention(k, &data);
    int descriptors = fake_libraries.descriptors;

    fake_libraries.failing_way = FIRST_WAY;
    CHECK_FAILS(k->backend->op[PYR_OP_ATTENTION]->forward(k, &p.op), PYR_E_DEVICE,
                "cudnnBackendExecute: CUDNN_STATUS_EXECUTION_FAILED");
    fake_libraries.failing_way = 0;
    p.op.x[0].data = (char *)p.op.x[0].data + 2;
    CHECK_FAILS(k->backend->op[PYR_OP_ATTENTION]->forward(k, &p.op), PYR_E_DEVICE,
                "cudnnBackendExecute: CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER");
    CHECK(fake_libraries.descriptors == descriptors);
    take_away(&p);
    row_data_free(&data);
    pyr_kernels_free(k);
    CHECK(fake_libraries.descriptors == 0);
}

/* A refusal has the name of the call and cuDNN's words. */
static void refusals(void)
{
    pyr_kernels *k = opened("f32");
    placed p = placed_middle(k);

    p.op.x[0].data = (char *)p.op.x[0].data + 4;
    CHECK_FAILS(k->backend->op[PYR_OP_CONV2D]->forward(k, &p.op), PYR_E_DEVICE,
                "cudnnConvolutionForward: CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER");
    take_away(&p);
    CHECK(fake_libraries.descriptors == 0);
    pyr_kernels_free(k);
}

/* Whatever host memory is missing when it is planned, release finds all of it. */
static void plans_without_memory(void)
{
    static const row *const all[] = {&middle, &product};
    pyr_kernels *k = opened("f32");

    for (int i = 0; i < 2; i++) {
        pyr_op op = row_op(all[i]);
        op_want want = everything();

        op_set_types(k, &op, &want);
        pyr_mem_fail_after(0);
        CHECK_STATUS(pyr_op_plan(k, &op), PYR_E_NOMEM);
        pyr_mem_fail_after(-1);
        k->backend->op[op.kind]->release(k, &op);
        CHECK(op.state == NULL && fake_libraries.descriptors == 0);
    }
    pyr_kernels_free(k);
}

/* Nor is it a failure when there is none for what cuDNN has. */
static void attention_without_memory(void)
{
    pyr_mem_stats before = pyr_mem();
    pyr_kernels *k = opened("bf16");
    pyr_op op = row_op(&attention);
    op_want want = everything();

    op_set_types(k, &op, &want);
    pyr_mem_fail_after(0);
    CHECK_OK(pyr_op_plan(k, &op));
    pyr_mem_fail_after(-1);
    CHECK(op.state == NULL);
    check_attention(k, &attention, false, FIRST_WAY);
    pyr_kernels_free(k);
    CHECK(pyr_mem().live_blocks == before.live_blocks);
}

static void elsewhere(void)
{
    SKIP("there is no emulated device in this build");
}

int main(int argc, char **argv)
{
    CHECK_INIT(argc, argv);
    if (!&fake || !&fake_libraries) {
        RUN(elsewhere);
        return CHECK_DONE();
    }
    RUN(missing);
    RUN(old_device);
    RUN(deterministic);
    RUN(factors);
    RUN(measured);
    RUN(measured_without_room);
    RUN(stored);
    RUN(without_algorithms);
    RUN(fused);
    RUN(not_fused);
    RUN(passed_over);
    RUN(other_logarithms);
    RUN(attention_measured);
    RUN(attention_stored);
    RUN(attention_without_room);
    RUN(recorded);
    RUN(attention_recorded);
    RUN(attention_refusals);
    RUN(refusals);
    RUN(plans_without_memory);
    RUN(attention_without_memory);
    return CHECK_DONE();
}
