/* test_kernels.c - every operation on every backend.
 *
 * One table of rows. For each: the float tables against the double reference
 * (forward, every dx set and added to, parameter gradients through one and three
 * accumulators, one gradient wanted at a time), the same bits twice, only what
 * `reads` allows is read; and the double reference's gradients against central
 * finite differences. What the operations must compute is in test_kernels_golden.c.
 */
#include "tests/op_run.h"

#include "base/philox.h"

/* ---- the rows ---- */

typedef enum fill {
    NORMAL,
    OFFSET,  /* x0 around 50: statistics of a large mean */
    WIDE,    /* x0 with standard deviation 12: saturating activations, sharp softmax */
    POSITIVE /* exp of a normal: noise levels, divisors */
} fill;

typedef struct row {
    pyr_op_kind kind;
    pyr_shape x; /* x0 */
    int out;     /* CONV2D, LINEAR: channels of y. CONCAT: of x1. EMBED, TIME_POSITIONAL: width of y */
    int kernel, stride, pad[4];           /* top, left, bottom, right */
    int groups, heads, patch, rows, h, w; /* h, w: of y, where it is free */
    pyr_act act;
    bool bare;   /* CONV2D, LINEAR: no bias */
    bool second; /* GROUP_NORM: with x1 */
    float scale, shift, rate;
    bool flip;
    fill fill;
    double tolerance; /* 0: see tolerance_of */
} row;

#define CONV(n, h, w, c, o, ...)                                                                             \
    {                                                                                                        \
        .kind = PYR_OP_CONV2D, .x = {n, h, w, c}, .out = o, __VA_ARGS__                                      \
    }
#define K3 .kernel = 3, .stride = 1, .pad = {1, 1, 1, 1}
#define K3S2 .kernel = 3, .stride = 2, .pad = {1, 1, 1, 1}
#define K3RIGHT .kernel = 3, .stride = 2, .pad = {0, 0, 1, 1}
#define K3UNEVEN .kernel = 3, .stride = 1, .pad = {2, 1, 0, 1}
#define K1 .kernel = 1, .stride = 1
#define ROW(name, n, h, w, c, ...)                                                                           \
    {                                                                                                        \
        .kind = PYR_OP_##name, .x = {n, h, w, c}, __VA_ARGS__                                                \
    }
#define NORM(n, h, w, c, g, ...)                                                                             \
    {                                                                                                        \
        .kind = PYR_OP_GROUP_NORM, .x = {n, h, w, c}, .groups = g, __VA_ARGS__                               \
    }

static const row rows[] = {
    CONV(1, 1, 1, 1, 1, K3),
    CONV(16, 1, 1, 8, 32, K3),
    CONV(1, 1, 7, 3, 2, K3),
    CONV(16, 1, 7, 2, 3, K3),
    CONV(1, 5, 3, 3, 8, K3),
    CONV(16, 5, 3, 8, 3, K3),
    CONV(1, 5, 3, 64, 32, K3),
    CONV(1, 7, 7, 64, 64, K3),
    CONV(16, 7, 7, 8, 8, K3),
    CONV(16, 7, 7, 2, 1, K3),
    CONV(1, 28, 28, 1, 32, K3),
    CONV(1, 28, 28, 8, 8, K3),
    CONV(1, 28, 28, 32, 1, K3),
    CONV(16, 28, 28, 1, 3, K3),
    CONV(1, 28, 28, 32, 8, K3),
    CONV(1, 7, 7, 32, 64, K3),
    CONV(1, 7, 7, 3, 8, K3, .bare = true),
    CONV(16, 5, 3, 32, 8, K3, .bare = true),
    CONV(1, 1, 1, 3, 2, K3S2),
    CONV(1, 7, 7, 8, 8, K3S2),
    CONV(16, 5, 3, 3, 8, K3S2),
    CONV(1, 28, 28, 8, 8, K3S2),
    CONV(1, 1, 7, 2, 3, K3S2),
    CONV(1, 7, 7, 64, 32, K3S2),
    CONV(16, 7, 7, 3, 3, K3S2, .bare = true),
    CONV(1, 7, 7, 8, 8, K3RIGHT),
    CONV(16, 5, 3, 3, 8, K3RIGHT),
    CONV(1, 28, 28, 8, 8, K3RIGHT),
    CONV(1, 2, 2, 1, 2, K3RIGHT),
    CONV(1, 6, 8, 32, 64, K3RIGHT),
    CONV(16, 8, 6, 2, 1, K3RIGHT, .bare = true),
    CONV(1, 28, 28, 32, 32, K3),
    CONV(4, 7, 7, 64, 64, K3),
    CONV(2, 14, 14, 32, 64, K3S2),
    CONV(1, 7, 7, 3, 8, K3UNEVEN),
    CONV(16, 5, 3, 8, 2, K3UNEVEN),
    CONV(1, 1, 1, 64, 64, K1),
    CONV(16, 1, 1, 3, 8, K1),
    CONV(1, 5, 3, 2, 3, K1),
    CONV(16, 7, 7, 32, 64, K1),
    CONV(1, 28, 28, 3, 1, K1),
    CONV(1, 1, 7, 8, 2, K1, .bare = true),
    CONV(1, 28, 28, 64, 32, K1),
    CONV(1, 5, 3, 8, 8, .kernel = 1, .stride = 2),
    CONV(16, 7, 7, 3, 2, .kernel = 1, .stride = 2),

    ROW(LINEAR, 1, 1, 1, 1, .out = 1),
    ROW(LINEAR, 16, 1, 1, 64, .out = 32),
    ROW(LINEAR, 1, 1, 1, 32, .out = 128),
    ROW(LINEAR, 3, 1, 1, 3, .out = 2, .bare = true),
    ROW(LINEAR, 16, 7, 7, 8, .out = 32),
    ROW(LINEAR, 1, 5, 3, 3, .out = 64),
    ROW(LINEAR, 2, 28, 28, 2, .out = 3),

    NORM(1, 1, 1, 8, 2),
    NORM(16, 1, 1, 32, 8, .act = PYR_ACT_SILU),
    NORM(1, 1, 7, 3, 3, .act = PYR_ACT_RELU),
    NORM(1, 5, 3, 2, 1, .act = PYR_ACT_GELU),
    NORM(16, 5, 3, 64, 32, .act = PYR_ACT_SILU),
    NORM(1, 7, 7, 64, 1, .act = PYR_ACT_MISH),
    NORM(16, 7, 7, 8, 4, .second = true, .act = PYR_ACT_SILU),
    NORM(1, 28, 28, 32, 8, .act = PYR_ACT_SILU),
    NORM(2, 28, 28, 3, 1, .second = true),
    NORM(1, 1, 7, 6, 2, .second = true, .act = PYR_ACT_MISH),
    NORM(3, 5, 3, 15, 5, .second = true),
    NORM(16, 1, 1, 8, 2, .second = true, .act = PYR_ACT_SILU),
    NORM(2, 7, 7, 36, 9, .act = PYR_ACT_NONE),
    NORM(1, 7, 7, 64, 32, .second = true, .act = PYR_ACT_SILU),
    /* the float input keeps 17 bits of what the mean leaves */
    NORM(2, 7, 7, 8, 2, .fill = OFFSET, .tolerance = 5e-5, .act = PYR_ACT_SILU),

    ROW(ACTIVATION, 1, 1, 1, 1, .act = PYR_ACT_SILU),
    ROW(ACTIVATION, 16, 5, 3, 3, .act = PYR_ACT_SILU, .fill = WIDE),
    ROW(ACTIVATION, 1, 7, 7, 64, .act = PYR_ACT_MISH, .fill = WIDE),
    ROW(ACTIVATION, 1, 1, 7, 2, .act = PYR_ACT_MISH),
    ROW(ACTIVATION, 1, 5, 3, 8, .act = PYR_ACT_GELU),
    ROW(ACTIVATION, 2, 7, 7, 32, .act = PYR_ACT_GELU, .fill = WIDE),
    ROW(ACTIVATION, 1, 28, 28, 1, .act = PYR_ACT_RELU),
    ROW(ACTIVATION, 1, 5, 3, 1, .act = PYR_ACT_NONE),

    ROW(ADD, 1, 1, 1, 1, .scale = 1),
    ROW(ADD, 16, 5, 3, 3, .scale = 0.70710678f),
    ROW(ADD, 1, 28, 28, 8, .scale = 1),
    ROW(ADD_CHANNEL, 1, 1, 1, 3),
    ROW(ADD_CHANNEL, 16, 7, 7, 8),
    ROW(ADD_CHANNEL, 2, 5, 3, 64),
    ROW(SCALE_SHIFT, 1, 1, 1, 3),
    ROW(SCALE_SHIFT, 16, 7, 7, 8),
    ROW(SCALE_SHIFT, 2, 5, 3, 32),
    ROW(CONCAT, 1, 1, 1, 1, .out = 2),
    ROW(CONCAT, 16, 5, 3, 3, .out = 8),
    ROW(CONCAT, 1, 28, 28, 32, .out = 1),
    ROW(AFFINE, 1, 1, 7, 2, .scale = 2, .shift = -1),
    ROW(AFFINE, 16, 7, 7, 3, .scale = -0.3f, .shift = 0.1f),
    ROW(MIX, 1, 1, 1, 1),
    ROW(MIX, 16, 7, 7, 3),
    ROW(MIX, 2, 5, 3, 8),
    ROW(DIVIDE, 1, 1, 1, 1),
    ROW(DIVIDE, 16, 7, 7, 3),
    ROW(DIVIDE, 2, 5, 3, 8),
    ROW(SQUARED_ERROR, 1, 1, 1, 1),
    ROW(SQUARED_ERROR, 16, 7, 7, 3),
    ROW(SQUARED_ERROR, 2, 28, 28, 1),

    ROW(UPSAMPLE, 1, 1, 1, 3, .h = 2, .w = 2),
    ROW(UPSAMPLE, 16, 7, 7, 8, .h = 14, .w = 14),
    ROW(UPSAMPLE, 2, 4, 2, 3, .h = 7, .w = 3),
    ROW(UPSAMPLE, 1, 14, 14, 2, .h = 28, .w = 27),
    ROW(UPSAMPLE, 1, 3, 5, 1, .h = 10, .w = 5),
    ROW(UPSAMPLE, 1, 7, 5, 2, .h = 3, .w = 4),
    ROW(MEAN2, 1, 2, 2, 1),
    ROW(MEAN2, 16, 7, 7, 3),
    ROW(MEAN2, 1, 28, 28, 8),
    ROW(MEAN2, 2, 5, 3, 32),
    ROW(UNSHUFFLE, 1, 1, 1, 1, .patch = 1),
    ROW(UNSHUFFLE, 1, 1, 1, 3, .patch = 2),
    ROW(UNSHUFFLE, 2, 7, 7, 3, .patch = 4),
    ROW(UNSHUFFLE, 1, 30, 30, 1, .patch = 4),
    ROW(UNSHUFFLE, 16, 5, 9, 2, .patch = 2),
    ROW(UNSHUFFLE, 2, 28, 28, 3, .patch = 2),
    ROW(UNSHUFFLE, 1, 5, 9, 3, .patch = 4),
    ROW(UNSHUFFLE, 1, 5, 3, 8, .patch = 1),
    ROW(SHUFFLE, 1, 1, 1, 1, .patch = 1, .h = 1, .w = 1),
    ROW(SHUFFLE, 1, 1, 1, 12, .patch = 2, .h = 1, .w = 1),
    ROW(SHUFFLE, 2, 2, 2, 48, .patch = 4, .h = 7, .w = 7),
    ROW(SHUFFLE, 1, 8, 8, 16, .patch = 4, .h = 30, .w = 30),
    ROW(SHUFFLE, 16, 3, 5, 8, .patch = 2, .h = 5, .w = 9),
    ROW(SHUFFLE, 2, 14, 14, 12, .patch = 2, .h = 28, .w = 28),
    ROW(SHUFFLE, 1, 2, 3, 48, .patch = 4, .h = 5, .w = 9),

    ROW(ATTENTION, 1, 1, 1, 1, .heads = 1),
    ROW(ATTENTION, 16, 1, 7, 6, .heads = 2),
    ROW(ATTENTION, 1, 5, 3, 9, .heads = 3),
    ROW(ATTENTION, 2, 7, 7, 64, .heads = 1),
    ROW(ATTENTION, 1, 7, 7, 32, .heads = 4),
    ROW(ATTENTION, 1, 7, 7, 3, .heads = 3),
    ROW(ATTENTION, 1, 14, 14, 8, .heads = 2),
    /* logits of a few hundred: a rounding of 1e-5 in them is as much in the probabilities */
    ROW(ATTENTION, 2, 5, 3, 8, .heads = 1, .fill = WIDE, .tolerance = 1e-4),

    ROW(EMBED, 1, 1, 1, 1, .rows = 1, .out = 1),
    ROW(EMBED, 16, 1, 1, 1, .rows = 3, .out = 32),
    ROW(EMBED, 3, 1, 1, 1, .rows = 11, .out = 64),
    ROW(TIME_POSITIONAL, 3, 1, 1, 1, .out = 8, .fill = WIDE),
    ROW(TIME_POSITIONAL, 16, 1, 1, 1, .out = 33, .flip = true, .shift = 1),
    ROW(TIME_POSITIONAL, 1, 1, 1, 1, .out = 128, .flip = true),
    /* angles of a few hundred radians: an ulp of them is 3e-5 */
    ROW(TIME_FOURIER, 1, 1, 1, 1, .out = 64, .fill = POSITIVE, .tolerance = 1e-4),
    ROW(TIME_FOURIER, 16, 1, 1, 1, .out = 6, .fill = POSITIVE, .tolerance = 1e-4),
    ROW(DROPOUT, 1, 1, 1, 3, .rate = 0.5f),
    ROW(DROPOUT, 16, 5, 3, 3, .rate = 0.1f),
    ROW(DROPOUT, 2, 7, 7, 8),
    ROW(NOISE, 1, 1, 1, 1),
    ROW(NOISE, 16, 5, 3, 3),
    ROW(NOISE, 1, 28, 28, 2),
};

/* Of the largest value. Float keeps 6e-8; sums of up to a few thousand terms lose some of it, statistics and
 * softmax a little more. */
static double tolerance_of(const row *r)
{
    if (r->tolerance > 0)
        return r->tolerance;
    return r->kind == PYR_OP_GROUP_NORM || r->kind == PYR_OP_ATTENTION ? 1e-5 : 2e-6;
}

/* ---- from a row to an operation and its data ---- */

static void describe(char *name, size_t room, const row *r)
{
    int at = snprintf(name, room, "%s-%dx%dx%dx%d", pyr_op_name(r->kind), r->x.n, r->x.h, r->x.w, r->x.c);
    const struct {
        const char *key;
        int value;
    } parts[] = {{"o", r->out},      {"k", r->kernel},      {"s", r->stride}, {"p", r->pad[0]},
                 {"g", r->groups},   {"heads", r->heads},   {"by", r->patch}, {"act", (int)r->act},
                 {"rows", r->rows},  {"h", r->h},           {"w", r->w},      {"bare", r->bare},
                 {"x1-", r->second}, {"fill", (int)r->fill}};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].value)
            at += snprintf(name + at, room - (size_t)at, "-%s%d", parts[i].key, parts[i].value);
}

static pyr_op op_of(const row *r)
{
    pyr_op op = {.kind = r->kind,
                 .kernel = r->kernel,
                 .stride = r->stride,
                 .pad_top = r->pad[0],
                 .pad_left = r->pad[1],
                 .pad_bottom = r->pad[2],
                 .pad_right = r->pad[3],
                 .groups = r->groups,
                 .eps = 1e-5f,
                 .act = r->act,
                 .heads = r->heads,
                 .patch = r->patch,
                 .flip_sin_to_cos = r->flip,
                 .freq_shift = r->shift,
                 .scale = r->kind == PYR_OP_CONV2D && r->scale == 0 ? 1 : r->scale,
                 .shift = r->shift,
                 .rate = r->rate,
                 .purpose = pyr_rng_purpose(PYR_RNG_DROPOUT, 1),
                 .n_inputs = 1,
                 .param_rows = r->rows};
    pyr_shape vector = {r->x.n, 1, 1, r->x.c};

    op.x[0].s = op.y.s = r->x;
    switch (r->kind) {
    case PYR_OP_CONV2D:
        op.y.s.h = (r->x.h + r->pad[0] + r->pad[2] - r->kernel) / r->stride + 1;
        op.y.s.w = (r->x.w + r->pad[1] + r->pad[3] - r->kernel) / r->stride + 1;
        /* fall through */
    case PYR_OP_LINEAR:
        op.y.s.c = r->out;
        op.n_params = r->bare ? 1 : 2;
        op.param_count[0] = (size_t)r->out * r->x.c * (r->kernel ? r->kernel * r->kernel : 1);
        op.param_count[1] = r->bare ? 0 : (size_t)r->out;
        break;
    case PYR_OP_GROUP_NORM:
        op.n_params = 2;
        op.param_count[0] = op.param_count[1] = (size_t)r->x.c;
        if (!r->second)
            break;
        /* fall through */
    case PYR_OP_SCALE_SHIFT:
        vector.c *= 2;
        /* fall through */
    case PYR_OP_ADD_CHANNEL:
        op.n_inputs = 2;
        op.x[1].s = vector;
        break;
    case PYR_OP_ADD:
        op.n_inputs = 2;
        op.x[1].s = r->x;
        break;
    case PYR_OP_CONCAT:
        op.n_inputs = 2;
        op.x[1].s = r->x;
        op.x[1].s.c = r->out;
        op.y.s.c += r->out;
        break;
    case PYR_OP_UPSAMPLE:
        op.y.s.h = r->h;
        op.y.s.w = r->w;
        break;
    case PYR_OP_MEAN2:
        op.y.s.h /= 2;
        op.y.s.w /= 2;
        break;
    case PYR_OP_UNSHUFFLE:
        op.y.s = (pyr_shape){r->x.n, (r->x.h + r->patch - 1) / r->patch, (r->x.w + r->patch - 1) / r->patch,
                             r->x.c * r->patch * r->patch};
        break;
    case PYR_OP_SHUFFLE:
        op.y.s = (pyr_shape){r->x.n, r->h, r->w, r->x.c / r->patch / r->patch};
        break;
    case PYR_OP_ATTENTION:
        op.n_inputs = 3;
        op.x[1].s = op.x[2].s = r->x;
        break;
    case PYR_OP_EMBED:
        op.x[0].type = PYR_U32;
        op.n_params = 1;
        op.param_count[0] = (size_t)r->rows * r->out;
        op.y.s.c = r->out;
        break;
    case PYR_OP_TIME_FOURIER:
        op.n_params = 1;
        op.param_count[0] = (size_t)r->out / 2;
        /* fall through */
    case PYR_OP_TIME_POSITIONAL:
        op.y.s.c = r->out;
        break;
    case PYR_OP_DROPOUT:
        op.n_inputs = 2;
        op.x[1] = (pyr_tensor){.type = PYR_U32, .s = {r->x.n, 1, 1, PYR_STREAM_WORDS}};
        break;
    case PYR_OP_NOISE:
        op.x[0] = (pyr_tensor){.type = PYR_U32, .s = {r->x.n, 1, 1, PYR_STREAM_WORDS}};
        break;
    case PYR_OP_MIX:
        op.n_inputs = 3;
        op.x[1].s = r->x;
        op.x[2].s = (pyr_shape){r->x.n, 1, 1, 2};
        break;
    case PYR_OP_DIVIDE:
        op.n_inputs = 2;
        op.x[1].s = (pyr_shape){r->x.n, 1, 1, 1};
        break;
    case PYR_OP_SQUARED_ERROR:
        op.n_inputs = 3;
        op.x[1].s = r->x;
        op.x[2].s = op.y.s = (pyr_shape){r->x.n, 1, 1, 1};
        break;
    case PYR_OP_ACTIVATION:
    case PYR_OP_AFFINE:
    case PYR_OP_KINDS:
        break;
    }
    return op;
}

/* Which inputs have a gradient, as bits; and whether the parameters have. */
static unsigned inputs_with_gradient(const pyr_op *op)
{
    switch (op->kind) {
    case PYR_OP_EMBED:
    case PYR_OP_TIME_POSITIONAL:
    case PYR_OP_TIME_FOURIER:
    case PYR_OP_NOISE:
        return 0;
    case PYR_OP_DROPOUT:
    case PYR_OP_DIVIDE:
        return 1;
    case PYR_OP_MIX:
    case PYR_OP_SQUARED_ERROR:
        return 3;
    default:
        return (1u << op->n_inputs) - 1;
    }
}

static bool params_with_gradient(const pyr_op *op)
{
    return op->n_params > 0 && op->kind != PYR_OP_TIME_FOURIER;
}

/* `count` floats as doubles, standard normal times scale plus shift, numbered by `stream`. */
static double *numbers(size_t count, uint32_t stream, double scale, double shift)
{
    double *values = op_memory(count, sizeof *values);

    for (size_t i = 0; i < count; i++) {
        float four[4];

        pyr_normal4(2024, (uint32_t)i / 4, stream, 0, 0, four);
        values[i] = (double)(float)((double)four[i % 4] * scale + shift);
    }
    return values;
}

static op_data data_of(const row *r, const pyr_op *op)
{
    op_data data = {0};

    for (int i = 0; i < op->n_inputs; i++) {
        size_t count = pyr_count(op->x[i].s);
        bool first = i == 0;
        double scale = first && r->fill == WIDE ? 12 : 1, shift = first && r->fill == OFFSET ? 50 : 0;

        data.x[i] = numbers(count, 10u + (uint32_t)i, scale, shift);
        data.dx_start[i] = numbers(count, 20u + (uint32_t)i, 1, 0);
        for (size_t j = 0; j < count; j++) {
            if ((first && r->fill == POSITIVE) || (i == 1 && r->kind == PYR_OP_DIVIDE))
                data.x[i][j] = (double)(float)exp(data.x[i][j]);
            if (op->x[i].type == PYR_U32) /* class, or a stream whose words are all in use */
                data.x[i][j] = r->kind == PYR_OP_EMBED ? (double)(7 * j % (size_t)r->rows)
                                                       : (double)(pyr_philox(5, (uint32_t)j, 0, 0, 0).v[0]);
        }
    }
    for (int p = 0; p < op->n_params; p++) {
        /* weights as at the start of training, so that y is about 1; 16 is diffusers' Fourier scale */
        double scale = r->kind == PYR_OP_TIME_FOURIER ? 16
                       : r->kind == PYR_OP_CONV2D || r->kind == PYR_OP_LINEAR
                           ? 1 / sqrt((double)op->param_count[0] / r->out)
                           : 1;

        data.param[p] = numbers(op->param_count[p], 30u + (uint32_t)p, p ? 1 : scale, 0);
        data.dparam_start[p] = numbers(op->param_count[p], 40u + (uint32_t)p, 1, 0);
    }
    data.dy = numbers(pyr_count(op->y.s), 50, 1, 0);
    return data;
}

static void data_free(op_data *data)
{
    for (int i = 0; i < PYR_OP_INPUTS; i++) {
        pyr_free(data->x[i]);
        pyr_free(data->dx_start[i]);
    }
    for (int p = 0; p < PYR_OP_PARAMS; p++) {
        pyr_free(data->param[p]);
        pyr_free(data->dparam_start[p]);
    }
    pyr_free(data->dy);
}

/* ---- the checks ---- */

static op_want want_all(const pyr_op *op, bool dx_add, int accumulators)
{
    unsigned inputs = inputs_with_gradient(op);
    op_want want = {.grad = params_with_gradient(op), .dx_add = dx_add, .accumulators = accumulators};

    for (int i = 0; i < PYR_OP_INPUTS; i++)
        want.dx[i] = (inputs >> i) & 1;
    return want;
}

static void compare_results(const char *backend, const pyr_op *op, const op_result *got,
                            const op_result *wanted, double tolerance)
{
    char what[32];

    op_compare(backend, "y", got->y, wanted->y, pyr_count(op->y.s), tolerance);
    for (int i = 0; i < op->n_inputs; i++) {
        snprintf(what, sizeof what, "dx[%d]", i);
        op_compare(backend, what, got->dx[i], wanted->dx[i], pyr_count(op->x[i].s), tolerance);
    }
    for (int p = 0; p < op->n_params; p++) {
        snprintf(what, sizeof what, "dparam[%d]", p);
        op_compare(backend, what, got->dparam[p], wanted->dparam[p], op->param_count[p], tolerance);
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

/* A float table against the double one, in every way of asking. */
static void against_double(pyr_kernels *k, pyr_kernels *truth, const row *r)
{
    double tolerance = tolerance_of(r);
    pyr_op op = op_of(r);
    op_data data = data_of(r, &op);
    op_want want = want_all(&op, false, 1), none = {0};
    op_result first, again, wanted;

    CHECK_OK(op_run(truth, &op, &data, &want, &wanted));
    CHECK_OK(op_run(k, &op, &data, &none, &first)); /* without a thought of backward */
    op_compare(k->name, "y of inference", first.y, wanted.y, pyr_count(op.y.s), tolerance);
    op_result_free(&first);
    CHECK_OK(op_run(k, &op, &data, &want, &first));
    CHECK_OK(op_run(k, &op, &data, &want, &again));
    compare_results(k->name, &op, &first, &wanted, tolerance);
    if (!same_bits(&op, &first, &again))
        CHECK_REPORT("%s: another run gave other bits", k->name);
    op_result_free(&again);

    /* one gradient at a time */
    for (int i = 0; op_wants_backward(&want) && i <= op.n_inputs; i++) {
        op_want one = {.accumulators = 1};

        if (i < op.n_inputs)
            one.dx[i] = want.dx[i];
        else
            one.grad = want.grad;
        if (!op_wants_backward(&one))
            continue;
        CHECK_OK(op_run(k, &op, &data, &one, &again));
        if (i < op.n_inputs)
            op_compare(k->name, "a dx alone", again.dx[i], wanted.dx[i], pyr_count(op.x[i].s), tolerance);
        for (int p = 0; one.grad && p < op.n_params; p++)
            op_compare(k->name, "dparam alone", again.dparam[p], wanted.dparam[p], op.param_count[p],
                       tolerance);
        op_result_free(&again);
    }
    op_result_free(&first);
    op_result_free(&wanted);

    if (op_wants_backward(&want)) {
        want = want_all(&op, true, ACCUMULATORS);
        CHECK_OK(op_run(truth, &op, &data, &want, &wanted));
        CHECK_OK(op_run(k, &op, &data, &want, &first));
        compare_results(k->name, &op, &first, &wanted, tolerance);
        op_result_free(&first);
        op_result_free(&wanted);
    }
    data_free(&data);
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
    double h = 1e-5, *direction = numbers(count, 60, 1, 0), slope, wanted, size = 0;

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

/* What adding means: start + (1 + 1.5 + 2) gradient, for the runs of backward that op_run makes. */
static void check_added(const char *what, const double *got, const double *start, const double *gradient,
                        size_t count)
{
    double *wanted = op_memory(count, sizeof *wanted);

    for (size_t i = 0; i < count; i++)
        wanted[i] = start[i] + 4.5 * gradient[i];
    op_compare("added", what, got, wanted, count, 1e-12);
    pyr_free(wanted);
}

/* The double reference: its gradients are slopes, and they add up. */
static void gradients(pyr_kernels *truth, const row *r)
{
    pyr_op op = op_of(r);
    op_data data = data_of(r, &op), from_zero = data;
    op_want want = want_all(&op, false, 1), add = want_all(&op, true, ACCUMULATORS);
    op_result got, added;

    if (!op_wants_backward(&want)) {
        CHECK(truth->op[op.kind]->backward == NULL);
        data_free(&data);
        return;
    }
    for (int p = 0; p < op.n_params; p++)
        from_zero.dparam_start[p] = op_memory(op.param_count[p], sizeof(double));
    CHECK_OK(op_run(truth, &op, &from_zero, &want, &got));
    CHECK_OK(op_run(truth, &op, &data, &add, &added));
    for (int i = 0; i < op.n_inputs; i++)
        if (want.dx[i]) {
            gradient_is_slope(truth, &op, &data,
                              i == 0   ? "x0"
                              : i == 1 ? "x1"
                                       : "x2",
                              data.x[i], got.dx[i], pyr_count(op.x[i].s));
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
    data_free(&data);
}

/* Not rows of one pixel (a softmax of one logit has no gradient), nor where the attributes make an input
 * idle, nor EMBED, whose index must stay in its range. */
static bool backward_shows_reads(const row *r)
{
    return r->x.h > 1 && !(r->kind == PYR_OP_ACTIVATION && r->act == PYR_ACT_NONE) &&
           !(r->kind == PYR_OP_DROPOUT && r->rate == 0);
}

/* Nothing stands in `reads` that backward does without: overwriting it shows. */
static void reads_are_needed(pyr_kernels *k, const row *r)
{
    pyr_op op = op_of(r);
    op_data data = data_of(r, &op);
    op_want want = want_all(&op, false, 1);
    op_result plain, poisoned;

    CHECK_OK(op_run(k, &op, &data, &want, &plain));
    for (int i = 0; i < op.n_inputs; i++)
        if (k->op[op.kind]->reads & (PYR_READS_X0 << i)) {
            want.poison = PYR_READS_X0 << i;
            CHECK_OK(op_run(k, &op, &data, &want, &poisoned));
            if (same_bits(&op, &plain, &poisoned))
                CHECK_REPORT("%s: backward of %s does not need x%d", k->name, pyr_op_name(op.kind), i);
            op_result_free(&poisoned);
        }
    op_result_free(&plain);
    data_free(&data);
}

/* ---- the rest of kernels.c ---- */

static void backends_by_name(void)
{
    pyr_kernels *k = NULL;

    CHECK_OK(pyr_kernels_open(&k, "ref", 3));
    CHECK_STRING(k->name, "ref");
    CHECK(k->real == PYR_F32 && k->lanes == 3);
    pyr_kernels_free(k);
    CHECK_OK(pyr_kernels_open(&k, "ref-double", 0));
    CHECK_STRING(k->name, "ref-double");
    CHECK(k->real == PYR_F64 && k->lanes == pyr_processors());
    pyr_kernels_free(k);
    CHECK_FAILS(pyr_kernels_open(&k, "rfe", 1), PYR_E_ARG, "did you mean ref?");
    CHECK(k == NULL);
    CHECK_FAILS(pyr_kernels_open(&k, "tpu-pod", 1), PYR_E_ARG, "auto, cpu, ref, ref-double, cuda");
    CHECK_FAILS(pyr_kernels_open(&k, "cuda", 1), PYR_E_UNSUPPORTED, "cuda");
    CHECK_FAILS(pyr_kernels_open(&k, "cuda:12", 1), PYR_E_UNSUPPORTED, "cuda:12");
    CHECK_FAILS(pyr_kernels_open(&k, "cuda:", 1), PYR_E_ARG, "did you mean cuda?");
    CHECK_FAILS(pyr_kernels_open(&k, "cuda:x", 1), PYR_E_ARG, "\"cuda:x\"");
    CHECK_FAILS(pyr_kernels_open(&k, "ref", -1), PYR_E_ARG, "-1");
    pyr_kernels_free(NULL);
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
        CHECK(pyr_op_name((pyr_op_kind)i) && *pyr_op_name((pyr_op_kind)i));
        for (int j = 0; j < i; j++)
            CHECK(strcmp(pyr_op_name((pyr_op_kind)i), pyr_op_name((pyr_op_kind)j)) != 0);
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
    pyr_kernels *k;
    void *kept = NULL;
    int fail = 1;

    CHECK_OK(pyr_kernels_ref(&k, PYR_F32, 1));
    enqueued = 0;
    CHECK_OK(pyr_recorded(k, &kept, enqueue, NULL));
    CHECK_OK(pyr_recorded(k, &kept, enqueue, NULL));
    CHECK(enqueued == 2 && kept == NULL);
    CHECK_FAILS(pyr_recorded(k, &kept, enqueue, &fail), PYR_E_NUMERIC, "asked to fail");

    k->record_begin = fake_begin;
    k->record_end = fake_end;
    k->replay = fake_replay;
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

int main(int argc, char **argv)
{
    pyr_kernels *truth, *ref, *cpu;
    bool seen[PYR_OP_KINDS] = {false};

    CHECK_INIT(argc, argv);
    if (pyr_kernels_ref(&truth, PYR_F64, 1) != PYR_OK || pyr_kernels_ref(&ref, PYR_F32, 1) != PYR_OK) {
        fprintf(stderr, "%s\n", pyr_error());
        return 1;
    }
    if (pyr_kernels_open(&cpu, "cpu", 1) != PYR_OK)
        printf("backend cpu is left out: %s\n", pyr_error());
    RUN(backends_by_name);
    RUN(tables_without_memory);
    RUN(names_sizes_flops);
    RUN(class_out_of_range);
    RUN(recording);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char row_name[128], name[192];

        describe(row_name, sizeof row_name, &rows[i]);
        snprintf(name, sizeof name, "gradients:%s", row_name);
        RUN_NAMED(name, gradients(truth, &rows[i]));
        snprintf(name, sizeof name, "ref:%s", row_name);
        RUN_NAMED(name, against_double(ref, truth, &rows[i]));
        if (cpu) {
            snprintf(name, sizeof name, "cpu:%s", row_name);
            RUN_NAMED(name, against_double(cpu, truth, &rows[i]));
        }
        if (backward_shows_reads(&rows[i])) {
            snprintf(name, sizeof name, "reads:%s", row_name);
            RUN_NAMED(name, reads_are_needed(ref, &rows[i]));
        }
        seen[rows[i].kind] = true;
    }
    for (int i = 0; i < PYR_OP_KINDS; i++)
        if (!seen[i])
            RUN_NAMED(pyr_op_name((pyr_op_kind)i),
                      CHECK_REPORT("no row for %s", pyr_op_name((pyr_op_kind)i)));
    pyr_kernels_free(cpu);
    pyr_kernels_free(ref);
    pyr_kernels_free(truth);
    return CHECK_DONE();
}
