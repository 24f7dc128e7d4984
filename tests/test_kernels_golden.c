/* test_kernels_golden.c - the operations against NumPy, SciPy and PyTorch
 * (tests/golden/kernels/make_kernels.py). */
#include "tests/op_run.h"

#define FOLDER "tests/golden/kernels/"

/* ---- the files: "name n h w c", then the values ---- */

typedef struct golden {
    char name[48];
    pyr_shape s;
    double *at;
} golden;

static golden tensors[256];
static int n_tensors;

static void read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    golden t;

    if (!f) {
        fprintf(stderr, "%s cannot be read; run from the root of the project\n", path);
        exit(1);
    }
    while (fscanf(f, "%47s %d %d %d %d", t.name, &t.s.n, &t.s.h, &t.s.w, &t.s.c) == 5) {
        const char *part = strchr(t.name, '.') + 1;
        bool is_input = *part == 'x' || *part == 'p' || strcmp(part, "dy") == 0;

        t.at = op_memory(pyr_count(t.s), sizeof *t.at);
        for (size_t i = 0; i < pyr_count(t.s); i++) {
            if (fscanf(f, "%lf", &t.at[i]) != 1)
                exit(1);
            if (is_input) /* nine digits name a float, not a double */
                t.at[i] = (double)(float)t.at[i];
        }
        tensors[n_tensors++] = t;
    }
    fclose(f);
}

static const golden *find(const char *op, const char *part, int number)
{
    char name[64];

    if (number >= 0)
        snprintf(name, sizeof name, "%s.%s%d", op, part, number);
    else
        snprintf(name, sizeof name, "%s.%s", op, part);
    for (int i = 0; i < n_tensors; i++)
        if (strcmp(tensors[i].name, name) == 0)
            return &tensors[i];
    return NULL;
}

/* ---- the operations ---- */

typedef struct golden_row {
    const char *name;
    double tolerance; /* of the float tables; double has 1e-11, and where float is the rule, the same */
    pyr_op op;
} golden_row;

#define POOLED .kernel = 3, .stride = 2, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1

static const golden_row rows[] = {
    {"conv-3x3",
     2e-6,
     {.kind = PYR_OP_CONV2D,
      .kernel = 3,
      .stride = 1,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"conv-3x3-stride",
     2e-6,
     {.kind = PYR_OP_CONV2D,
      .kernel = 3,
      .stride = 2,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"conv-3x3-right",
     2e-6,
     {.kind = PYR_OP_CONV2D, .kernel = 3, .stride = 2, .pad_bottom = 1, .pad_right = 1}},
    {"conv-3x3-uneven",
     2e-6,
     {.kind = PYR_OP_CONV2D, .kernel = 3, .stride = 1, .pad_top = 2, .pad_left = 1, .pad_right = 1}},
    {"conv-1x1", 2e-6, {.kind = PYR_OP_CONV2D, .kernel = 1, .stride = 1}},
    {"conv-1x7",
     2e-6,
     {.kind = PYR_OP_CONV2D, .kernel = 1, .kernel_w = 7, .stride = 1, .pad_left = 3, .pad_right = 3}},
    {"conv-5x5",
     2e-6,
     {.kind = PYR_OP_CONV2D,
      .kernel = 5,
      .stride = 2,
      .pad_top = 2,
      .pad_left = 2,
      .pad_bottom = 2,
      .pad_right = 2}},
    {"max", 2e-6, {.kind = PYR_OP_POOL2D, .window = PYR_WINDOW_MAX, POOLED}},
    {"mean", 2e-6, {.kind = PYR_OP_POOL2D, .window = PYR_WINDOW_MEAN, POOLED}},
    {"mean-padded", 2e-6, {.kind = PYR_OP_POOL2D, .window = PYR_WINDOW_MEAN_PADDED, POOLED}},
    {"mean-whole",
     2e-6,
     {.kind = PYR_OP_POOL2D, .window = PYR_WINDOW_MEAN, .kernel = 4, .kernel_w = 3, .stride = 1}},
    {"cross-entropy", 2e-6, {.kind = PYR_OP_CROSS_ENTROPY, .x = {{0}, {.type = PYR_U32}}}},
    {"linear", 2e-6, {.kind = PYR_OP_LINEAR}},
    {"group-norm", 5e-6, {.kind = PYR_OP_GROUP_NORM, .groups = 3, .eps = 1e-6f, .act = PYR_ACT_SILU}},
    {"group-norm-scale-shift",
     5e-6,
     {.kind = PYR_OP_GROUP_NORM, .groups = 2, .eps = 1e-5f, .act = PYR_ACT_MISH}},
    {"silu", 2e-6, {.kind = PYR_OP_ACTIVATION, .act = PYR_ACT_SILU}},
    {"mish", 2e-6, {.kind = PYR_OP_ACTIVATION, .act = PYR_ACT_MISH}},
    {"gelu", 2e-6, {.kind = PYR_OP_ACTIVATION, .act = PYR_ACT_GELU}},
    {"relu", 1e-11, {.kind = PYR_OP_ACTIVATION, .act = PYR_ACT_RELU}},
    {"attention", 5e-6, {.kind = PYR_OP_ATTENTION, .heads = 2}},
    {"attention-sharp", 5e-5, {.kind = PYR_OP_ATTENTION, .heads = 1}},
    {"unshuffle", 2e-6, {.kind = PYR_OP_UNSHUFFLE, .patch = 2}},
    {"unshuffle-4", 2e-6, {.kind = PYR_OP_UNSHUFFLE, .patch = 4}},
    {"shuffle", 2e-6, {.kind = PYR_OP_SHUFFLE, .patch = 2}},
    {"upsample", 2e-6, {.kind = PYR_OP_UPSAMPLE}},
    /* angles reach 300 radians: 1 ulp of them is 3e-5 */
    {"positional", 5e-5, {.kind = PYR_OP_TIME_POSITIONAL, .freq_shift = 1}},
    {"positional-flip", 5e-5, {.kind = PYR_OP_TIME_POSITIONAL, .flip_sin_to_cos = true}},
    {"fourier", 5e-5, {.kind = PYR_OP_TIME_FOURIER}},
};

static void against_file(pyr_kernels *k, const golden_row *row)
{
    const golden *y = find(row->name, "y", -1), *dy = find(row->name, "dy", -1), *t;
    bool in_float = k->real == PYR_F32 || row->op.kind == PYR_OP_TIME_POSITIONAL;
    double tolerance = in_float ? row->tolerance : 1e-11;
    pyr_op op = row->op;
    op_data data = {0};
    op_want want = {.runs = 1};
    op_result got;

    if (op.kind == PYR_OP_CONV2D)
        op.scale = 1;
    for (; (t = find(row->name, "x", op.n_inputs)); op.n_inputs++) {
        op.x[op.n_inputs].s = t->s;
        data.x[op.n_inputs] = t->at;
        want.dx[op.n_inputs] = find(row->name, "dx", op.n_inputs) != NULL;
    }
    for (; (t = find(row->name, "p", op.n_params)); op.n_params++) {
        op.param_count[op.n_params] = pyr_count(t->s);
        data.param[op.n_params] = t->at;
        data.dparam_start[op.n_params] = op_memory(pyr_count(t->s), sizeof(double));
        want.grad = dy != NULL;
    }
    op.y.s = y->s;
    data.dy = dy ? dy->at : NULL;
    CHECK_OK(op_run(k, &op, &data, &want, &got));
    op_compare(k->backend->name, "y", got.y, y->at, pyr_count(y->s), tolerance);
    for (int i = 0; i < op.n_inputs; i++)
        if (want.dx[i])
            op_compare(k->backend->name, "dx", got.dx[i], find(row->name, "dx", i)->at, pyr_count(op.x[i].s),
                       tolerance);
    for (int p = 0; dy && p < op.n_params; p++)
        op_compare(k->backend->name, "dparam", got.dparam[p], find(row->name, "dp", p)->at, op.param_count[p],
                   tolerance);
    for (int p = 0; p < op.n_params; p++)
        pyr_free(data.dparam_start[p]);
    op_result_free(&got);
}

int main(int argc, char **argv)
{
    static const char *const backends[] = {"ref-double", "ref", "cpu"};

    CHECK_INIT(argc, argv);
    read_file(FOLDER "kernels.txt");
    read_file(FOLDER "gradients.txt");
    for (int b = 0; b < 3; b++) {
        pyr_kernels *k;

        if (pyr_kernels_open(&k, backends[b], 1) != PYR_OK) {
            printf("backend %s: %s\n", backends[b], pyr_error());
            continue;
        }
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            char name[96];

            snprintf(name, sizeof name, "%s:%s", k->backend->name, rows[i].name);
            RUN_NAMED(name, against_file(k, &rows[i]));
        }
        pyr_kernels_free(k);
    }
    for (int i = 0; i < n_tensors; i++)
        pyr_free(tensors[i].at);
    return CHECK_DONE();
}
