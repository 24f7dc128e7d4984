/* kernel_rows.h - the table of operations that tests (and the benchmark of the kernels) go through, and from
 * a row to an operation with data.
 *
 *     for (size_t i = 0; i < ROWS; i++) {
 *         pyr_op op = row_op(&rows[i]);               // shapes and attributes; no types, no pointers
 *         op_data data = row_data(&rows[i], &op);     // doubles that are floats
 *         ...
 *         row_data_free(&data);
 *     } */
#ifndef PYR_TESTS_KERNEL_ROWS_H
#define PYR_TESTS_KERNEL_ROWS_H

#include "tests/op_run.h"

#include "base/philox.h"

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
    int kernel, kernel_w, stride, pad[4]; /* kernel_w 0: as kernel; pad: top, left, bottom, right */
    pyr_window window;
    int groups, heads, patch, rows, h, w; /* h, w: of y, where it is free */
    pyr_act act;
    bool bare;                /* CONV2D, LINEAR: no bias */
    bool second;              /* GROUP_NORM: with x1 */
    bool residual, vector;    /* CONV2D: with x1, x2 */
    int more;                 /* CONV2D, GROUP_NORM: channels of x3 */
    int up_h, up_w;           /* CONV2D */
    int w_in, w_first;        /* CONV2D; then there is no gradient of the parameters */
    float scale, shift, rate; /* CONV2D: scale 0 means 1 */
    bool flip;
    fill fill;
    double tolerance; /* 0: see row_tolerance */
} row;

#define CONV(n, h, w, c, o, ...)                                                                             \
    {                                                                                                        \
        .kind = PYR_OP_CONV2D, .x = {n, h, w, c}, .out = o, __VA_ARGS__                                      \
    }
#define K3 .kernel = 3, .stride = 1, .pad = {1, 1, 1, 1}
#define K3S2 .kernel = 3, .stride = 2, .pad = {1, 1, 1, 1}
#define K3RIGHT .kernel = 3, .stride = 2, .pad = {0, 0, 1, 1}
#define K3UNEVEN .kernel = 3, .stride = 1, .pad = {2, 1, 0, 1}
#define POOL(take, k, s, p) .window = PYR_WINDOW_##take, .kernel = k, .stride = s, .pad = {p, p, p, p}
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
    /* one more or less than the 16 and 32 channels of a vector */
    CONV(1, 5, 5, 33, 65, K3),
    CONV(3, 4, 9, 31, 17, K3),
    CONV(1, 3, 15, 16, 48, K3),
    CONV(2, 2, 29, 48, 15, K3),
    CONV(3, 5, 3, 33, 31, K1),
    CONV(1, 3, 8, 96, 128, K3),
    CONV(1, 40, 33, 64, 96, K3),
    CONV(3, 40, 33, 64, 40, K3),
    CONV(1, 41, 33, 64, 33, K3S2),

    /* with neighbours taken in */
    CONV(1, 1, 1, 3, 2, K3, .residual = true),
    CONV(1, 7, 7, 64, 64, K3, .residual = true),
    CONV(1, 14, 14, 32, 32, K3, .residual = true, .scale = 0.70710678f),
    CONV(1, 5, 3, 3, 33, K3, .residual = true, .scale = 0.5f, .bare = true),
    CONV(16, 7, 7, 8, 8, K1, .residual = true),
    CONV(3, 5, 3, 33, 31, K1, .residual = true, .scale = 0.70710678f),
    CONV(1, 7, 7, 8, 8, K3S2, .residual = true, .scale = 0.70710678f),
    CONV(1, 1, 7, 2, 3, K3, .vector = true),
    CONV(3, 7, 7, 64, 64, K3, .vector = true),
    CONV(16, 5, 3, 3, 33, K3, .vector = true, .bare = true),
    CONV(1, 28, 28, 32, 8, K3, .vector = true),
    CONV(5, 5, 3, 8, 17, K1, .vector = true),
    CONV(3, 7, 7, 3, 8, K3S2, .vector = true),
    CONV(2, 6, 8, 8, 8, K3RIGHT, .vector = true),
    CONV(3, 7, 7, 32, 64, K3, .vector = true, .residual = true, .scale = 0.70710678f),
    CONV(1, 7, 7, 64, 32, K3, .more = 64),
    CONV(2, 7, 14, 32, 16, K3, .more = 32),
    CONV(3, 5, 3, 3, 8, K3, .more = 2),
    CONV(1, 1, 1, 33, 31, K3, .more = 17),
    CONV(2, 5, 9, 8, 33, K3, .more = 40, .bare = true),
    CONV(2, 7, 7, 64, 64, K1, .more = 32),
    CONV(5, 5, 3, 2, 3, K1, .more = 1),
    CONV(2, 7, 7, 33, 17, K1, .more = 30, .residual = true),
    CONV(2, 7, 7, 8, 8, K3S2, .more = 3),
    CONV(3, 7, 7, 16, 32, K3, .more = 48, .vector = true, .residual = true, .scale = 0.5f),
    CONV(1, 7, 7, 32, 32, K3, .up_h = 14, .up_w = 14),
    CONV(1, 4, 4, 32, 33, K3, .up_h = 7, .up_w = 7),
    CONV(3, 4, 2, 3, 2, K3, .up_h = 7, .up_w = 3),
    CONV(1, 1, 1, 8, 8, K3, .up_h = 2, .up_w = 2),
    CONV(1, 14, 14, 2, 3, K3, .up_h = 28, .up_w = 27),
    CONV(2, 3, 5, 8, 8, K1, .up_h = 10, .up_w = 5),
    CONV(2, 4, 4, 8, 8, K3, .up_h = 8, .up_w = 7, .vector = true),
    CONV(1, 7, 7, 64, 64, K3, .w_in = 96),
    CONV(2, 7, 7, 8, 33, K3, .w_in = 9, .w_first = 1),
    CONV(1, 14, 14, 16, 32, K3, .w_in = 32, .w_first = 16, .bare = true, .residual = true),
    CONV(2, 5, 3, 3, 8, K1, .w_in = 7, .w_first = 2),
    CONV(2, 7, 7, 3, 8, K3S2, .w_in = 5, .w_first = 2),

    /* kernels of other sizes */
    CONV(1, 7, 7, 8, 16, .kernel = 5, .stride = 1, .pad = {2, 2, 2, 2}),
    CONV(2, 9, 6, 3, 33, .kernel = 5, .stride = 2, .pad = {2, 2, 2, 2}, .bare = true),
    CONV(2, 7, 9, 16, 32, .kernel = 1, .kernel_w = 7, .stride = 1, .pad = {0, 3, 0, 3}),
    CONV(1, 9, 7, 32, 16, .kernel = 7, .kernel_w = 1, .stride = 1, .pad = {3, 0, 3, 0}),
    CONV(3, 1, 5, 3, 8, .kernel = 1, .kernel_w = 3, .stride = 1, .pad = {0, 1, 0, 1}),
    CONV(1, 5, 4, 33, 31, .kernel = 3, .kernel_w = 1, .stride = 1, .pad = {1, 0, 1, 0}),
    CONV(2, 9, 8, 8, 16, .kernel = 3, .stride = 2),
    CONV(1, 7, 7, 3, 8, .kernel = 3, .stride = 1),
    CONV(1, 6, 8, 4, 3, .kernel = 2, .kernel_w = 4, .stride = 2, .pad = {0, 1, 0, 2}),
    CONV(2, 5, 6, 8, 8, .kernel = 1, .kernel_w = 3, .stride = 1, .pad = {0, 1, 0, 1}, .residual = true,
         .vector = true, .scale = 0.5f),
    CONV(2, 5, 6, 8, 9, .kernel = 3, .kernel_w = 1, .stride = 1, .pad = {1, 0, 1, 0}, .more = 5),
    CONV(1, 5, 6, 4, 8, .kernel = 1, .kernel_w = 7, .stride = 1, .pad = {0, 3, 0, 3}, .w_in = 9,
         .w_first = 3),

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
    NORM(2, 5, 3, 8, 8, .act = PYR_ACT_ELU),
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
    /* more channels in a group than a block of a device goes through at once */
    NORM(2, 3, 3, 1032, 2, .second = true, .act = PYR_ACT_SILU),
    NORM(1, 3, 2, 131, 1, .more = 6),
    /* the float input keeps 17 bits of what the mean leaves */
    NORM(2, 7, 7, 8, 2, .fill = OFFSET, .tolerance = 5e-5, .act = PYR_ACT_SILU),
    /* [x0 | x3]; in most a group has channels of both */
    NORM(2, 7, 7, 6, 2, .more = 4, .act = PYR_ACT_SILU),
    NORM(1, 1, 1, 2, 1, .more = 1),
    NORM(3, 5, 3, 40, 4, .more = 24, .act = PYR_ACT_SILU),
    NORM(2, 7, 7, 64, 32, .more = 32, .act = PYR_ACT_SILU),
    NORM(1, 14, 14, 33, 5, .more = 17, .act = PYR_ACT_MISH),
    NORM(3, 7, 7, 40, 4, .more = 24, .second = true, .act = PYR_ACT_SILU),
    NORM(2, 5, 3, 3, 1, .more = 30, .second = true),
    NORM(2, 1, 7, 16, 4, .more = 16, .second = true, .act = PYR_ACT_GELU),

    ROW(ACTIVATION, 1, 1, 1, 1, .act = PYR_ACT_SILU),
    ROW(ACTIVATION, 16, 5, 3, 3, .act = PYR_ACT_SILU, .fill = WIDE),
    ROW(ACTIVATION, 1, 7, 7, 64, .act = PYR_ACT_MISH, .fill = WIDE),
    ROW(ACTIVATION, 1, 1, 7, 2, .act = PYR_ACT_MISH),
    ROW(ACTIVATION, 1, 5, 3, 8, .act = PYR_ACT_GELU),
    ROW(ACTIVATION, 2, 7, 7, 32, .act = PYR_ACT_GELU, .fill = WIDE),
    ROW(ACTIVATION, 1, 28, 28, 1, .act = PYR_ACT_RELU),
    ROW(ACTIVATION, 2, 5, 3, 8, .act = PYR_ACT_ELU),
    ROW(ACTIVATION, 1, 7, 7, 32, .act = PYR_ACT_ELU, .fill = WIDE),
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
    ROW(CONCAT, 3, 3, 5, 8, .out = 8),
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
    ROW(CROSS_ENTROPY, 1, 1, 1, 1),
    ROW(CROSS_ENTROPY, 16, 1, 1, 10),
    ROW(CROSS_ENTROPY, 3, 1, 1, 101, .fill = WIDE),
    /* a logit far above the others: no overflow, and the loss of a label below it keeps its digits */
    ROW(CROSS_ENTROPY, 4, 1, 1, 7, .fill = OFFSET),

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
    ROW(POOL2D, 1, 1, 1, 1, POOL(MAX, 1, 1, 0)),
    ROW(POOL2D, 16, 7, 7, 8, POOL(MAX, 2, 2, 0)),
    ROW(POOL2D, 2, 9, 8, 33, POOL(MAX, 3, 2, 0)),
    ROW(POOL2D, 2, 5, 7, 16, POOL(MAX, 3, 1, 1)),
    ROW(POOL2D, 1, 6, 5, 3, POOL(MAX, 3, 2, 1)),
    ROW(POOL2D, 2, 7, 5, 64, .window = PYR_WINDOW_MAX, .kernel = 7, .kernel_w = 5, .stride = 1),
    ROW(POOL2D, 16, 7, 7, 8, POOL(MEAN, 2, 2, 0)),
    ROW(POOL2D, 2, 5, 7, 17, POOL(MEAN, 3, 1, 1)),
    ROW(POOL2D, 1, 6, 5, 3, POOL(MEAN, 3, 2, 1)),
    ROW(POOL2D, 3, 7, 7, 64, POOL(MEAN, 7, 1, 0)),
    ROW(POOL2D, 2, 5, 3, 40, .window = PYR_WINDOW_MEAN, .kernel = 5, .kernel_w = 3, .stride = 1),
    ROW(POOL2D, 2, 4, 6, 3, .window = PYR_WINDOW_MEAN, .kernel = 3, .kernel_w = 2, .stride = 2,
        .pad = {0, 1, 1, 0}),
    ROW(POOL2D, 2, 5, 7, 17, POOL(MEAN_PADDED, 3, 1, 1)),
    ROW(POOL2D, 1, 6, 5, 3, POOL(MEAN_PADDED, 5, 2, 2)),
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
    /* more features in a head, and more tokens, than a block of threads takes at a time */
    ROW(ATTENTION, 1, 9, 9, 130, .heads = 1),
    ROW(ATTENTION, 2, 5, 14, 144, .heads = 2),
    ROW(ATTENTION, 1, 17, 19, 12, .heads = 3),
    ROW(ATTENTION, 1, 16, 16, 128, .heads = 8),
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

enum { ROWS = sizeof rows / sizeof *rows };

/* Of the largest value. Float keeps 6e-8; sums of up to a few thousand terms lose some of it, statistics and
 * softmax a little more. The error of a sum in one chain grows with the root of its terms: with AVX2, where
 * oneDNN adds a convolution's terms that way, 576 of them gave 2.2e-6. */
static inline double row_tolerance(const row *r)
{
    double chain = 0;

    if (r->tolerance > 0)
        return r->tolerance;
    if (r->kind == PYR_OP_CONV2D)
        chain =
            1.3e-7 * sqrt((double)r->kernel * (r->kernel_w ? r->kernel_w : r->kernel) * (r->x.c + r->more));
    return r->kind == PYR_OP_GROUP_NORM || r->kind == PYR_OP_ATTENTION ? 1e-5 : fmax(2e-6, chain);
}

/* ---- from a row to an operation and its data ---- */

static inline void row_name(char *name, size_t room, const row *r)
{
    int at = snprintf(name, room, "%s-%dx%dx%dx%d", pyr_op_name(r->kind), r->x.n, r->x.h, r->x.w, r->x.c);
    const struct {
        const char *key;
        int value;
    } parts[] = {{"o", r->out},
                 {"k", r->kernel},
                 {"by-w", r->kernel_w},
                 {"window", (int)r->window},
                 {"s", r->stride},
                 {"p", r->pad[0]},
                 {"g", r->groups},
                 {"heads", r->heads},
                 {"by", r->patch},
                 {"act", (int)r->act},
                 {"rows", r->rows},
                 {"h", r->h},
                 {"w", r->w},
                 {"bare", r->bare},
                 {"x1-", r->second},
                 {"fill", (int)r->fill},
                 {"r", r->residual},
                 {"v", r->vector},
                 {"x3-", r->more},
                 {"up", r->up_h},
                 {"of", r->w_in},
                 {"from", r->w_first},
                 {"scaled", r->kind == PYR_OP_CONV2D && r->scale != 0}};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].value)
            at += snprintf(name + at, room - (size_t)at, "-%s%d", parts[i].key, parts[i].value);
}

/* An optional input; without channels it is left out. */
static inline void row_optional(pyr_op *op, int input, pyr_shape s)
{
    if (s.c == 0)
        return;
    op->x[input].s = s;
    if (op->n_inputs <= input)
        op->n_inputs = input + 1;
}

static inline void row_convolution(const row *r, pyr_op *op)
{
    int wide = r->kernel_w ? r->kernel_w : r->kernel, area = r->kernel * wide;
    int h = r->up_h ? r->up_h : r->x.h, w = r->up_w ? r->up_w : r->x.w;

    op->y.s.h = (h + r->pad[0] + r->pad[2] - r->kernel) / r->stride + 1;
    op->y.s.w = (w + r->pad[1] + r->pad[3] - wide) / r->stride + 1;
    op->y.s.c = r->out;
    op->n_params = r->bare ? 1 : 2;
    op->param_count[0] = (size_t)r->out * (r->w_in ? r->w_in : r->x.c + r->more) * area;
    op->param_count[1] = r->bare ? 0 : (size_t)r->out;
    if (r->residual)
        row_optional(op, PYR_X_RESIDUAL, op->y.s);
    if (r->vector)
        row_optional(op, PYR_X_VECTOR, (pyr_shape){r->x.n, 1, 1, r->out});
    row_optional(op, PYR_X_MORE, (pyr_shape){r->x.n, r->x.h, r->x.w, r->more});
}

/* What a backend's row must be able to take in before this can be asked of it: PYR_FUSES_… */
static inline unsigned row_fuses(const row *r)
{
    return (r->residual ? PYR_FUSES_RESIDUAL : 0u) | (r->vector ? PYR_FUSES_VECTOR : 0u) |
           (r->more ? PYR_FUSES_CONCAT : 0u) | (r->up_h ? PYR_FUSES_UPSAMPLE : 0u);
}

/* What else an operation of several inputs has: their shapes and types, its parameters. */
static inline void row_several(const row *r, pyr_op *op)
{
    pyr_shape vector = {r->x.n, 1, 1, r->x.c};

    switch (r->kind) {
    case PYR_OP_GROUP_NORM:
        op->n_params = 2;
        op->y.s.c = vector.c += r->more;
        op->param_count[0] = op->param_count[1] = (size_t)op->y.s.c;
        row_optional(op, PYR_X_MORE, (pyr_shape){r->x.n, r->x.h, r->x.w, r->more});
        if (r->second)
            row_optional(op, PYR_X_SCALE_SHIFT, (pyr_shape){r->x.n, 1, 1, 2 * vector.c});
        break;
    case PYR_OP_SCALE_SHIFT:
        vector.c *= 2;
        /* fall through */
    case PYR_OP_ADD_CHANNEL:
        op->n_inputs = 2;
        op->x[1].s = vector;
        break;
    case PYR_OP_ADD:
        op->n_inputs = 2;
        op->x[1].s = r->x;
        break;
    case PYR_OP_CONCAT:
        op->n_inputs = 2;
        op->x[1].s = r->x;
        op->x[1].s.c = r->out;
        op->y.s.c += r->out;
        break;
    case PYR_OP_ATTENTION:
        op->n_inputs = 3;
        op->x[1].s = op->x[2].s = r->x;
        break;
    case PYR_OP_DROPOUT:
        op->n_inputs = 2;
        op->x[1] = (pyr_tensor){.type = PYR_U32, .s = {r->x.n, 1, 1, PYR_STREAM_WORDS}};
        break;
    case PYR_OP_MIX:
        op->n_inputs = 3;
        op->x[1].s = r->x;
        op->x[2].s = (pyr_shape){r->x.n, 1, 1, 2};
        break;
    case PYR_OP_DIVIDE:
        op->n_inputs = 2;
        op->x[1].s = (pyr_shape){r->x.n, 1, 1, 1};
        break;
    case PYR_OP_SQUARED_ERROR:
        op->n_inputs = 3;
        op->x[1].s = r->x;
        op->x[2].s = op->y.s = (pyr_shape){r->x.n, 1, 1, 1};
        break;
    case PYR_OP_CROSS_ENTROPY:
        op->n_inputs = 3;
        op->x[1] = (pyr_tensor){.type = PYR_U32, .s = {r->x.n, 1, 1, 1}};
        op->x[2].s = op->y.s = (pyr_shape){r->x.n, 1, 1, 1};
        break;
    default:
        break;
    }
}

/* The same of an operation of one input: the shape of y, parameters. */
static inline void row_one(const row *r, pyr_op *op)
{
    switch (r->kind) {
    case PYR_OP_CONV2D:
        row_convolution(r, op);
        break;
    case PYR_OP_LINEAR:
        op->y.s.c = r->out;
        op->n_params = r->bare ? 1 : 2;
        op->param_count[0] = (size_t)r->out * r->x.c;
        op->param_count[1] = r->bare ? 0 : (size_t)r->out;
        break;
    case PYR_OP_UPSAMPLE:
        op->y.s.h = r->h;
        op->y.s.w = r->w;
        break;
    case PYR_OP_MEAN2:
        op->y.s.h /= 2;
        op->y.s.w /= 2;
        break;
    case PYR_OP_POOL2D:
        op->y.s.h = (r->x.h + r->pad[0] + r->pad[2] - r->kernel) / r->stride + 1;
        op->y.s.w = (r->x.w + r->pad[1] + r->pad[3] - pyr_op_kernel_w(op)) / r->stride + 1;
        break;
    case PYR_OP_UNSHUFFLE:
        op->y.s = (pyr_shape){r->x.n, (r->x.h + r->patch - 1) / r->patch, (r->x.w + r->patch - 1) / r->patch,
                              r->x.c * r->patch * r->patch};
        break;
    case PYR_OP_SHUFFLE:
        op->y.s = (pyr_shape){r->x.n, r->h, r->w, r->x.c / r->patch / r->patch};
        break;
    case PYR_OP_EMBED:
        op->x[0].type = PYR_U32;
        op->n_params = 1;
        op->param_count[0] = (size_t)r->rows * r->out;
        op->y.s.c = r->out;
        break;
    case PYR_OP_TIME_FOURIER:
        op->n_params = 1;
        op->param_count[0] = (size_t)r->out / 2;
        /* fall through */
    case PYR_OP_TIME_POSITIONAL:
        op->y.s.c = r->out;
        break;
    case PYR_OP_NOISE:
        op->x[0] = (pyr_tensor){.type = PYR_U32, .s = {r->x.n, 1, 1, PYR_STREAM_WORDS}};
        break;
    default:
        break;
    }
}

static inline pyr_op row_op(const row *r)
{
    pyr_op op = {.kind = r->kind,
                 .kernel = r->kernel,
                 .kernel_w = r->kernel_w,
                 .window = r->window,
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
                 .up_h = r->up_h,
                 .up_w = r->up_w,
                 .w_in = r->w_in,
                 .w_first = r->w_first,
                 .scale = r->kind == PYR_OP_CONV2D && r->scale == 0 ? 1 : r->scale,
                 .shift = r->shift,
                 .rate = r->rate,
                 .purpose = pyr_rng_purpose(PYR_RNG_DROPOUT, 1),
                 .n_inputs = 1,
                 .param_rows = r->rows};

    op.x[0].s = op.y.s = r->x;
    row_one(r, &op);
    row_several(r, &op);
    return op;
}

/* Which inputs have a gradient, as bits; and whether the parameters have. */
static inline unsigned row_inputs_with_gradient(const pyr_op *op)
{
    unsigned there = 0;

    for (int i = 0; i < op->n_inputs; i++)
        there |= pyr_op_has(op, i) ? 1u << i : 0;
    switch (op->kind) {
    case PYR_OP_EMBED:
    case PYR_OP_TIME_POSITIONAL:
    case PYR_OP_TIME_FOURIER:
    case PYR_OP_NOISE:
        return 0;
    case PYR_OP_DROPOUT:
    case PYR_OP_DIVIDE:
    case PYR_OP_CROSS_ENTROPY:
        return 1;
    case PYR_OP_MIX:
    case PYR_OP_SQUARED_ERROR:
        return 3;
    default:
        return there;
    }
}

static inline bool row_params_with_gradient(const pyr_op *op)
{
    return op->n_params > 0 && op->kind != PYR_OP_TIME_FOURIER && !op->w_in;
}

/* `count` floats as doubles, standard normal times scale plus shift, numbered by `stream`. */
static inline double *row_numbers(size_t count, uint32_t stream, double scale, double shift)
{
    double *values = op_memory(count, sizeof *values);

    for (size_t i = 0; i < count; i++) {
        float four[4];

        pyr_normal4(2024, (uint32_t)i / 4, stream, 0, 0, four);
        values[i] = (double)(float)((double)four[i % 4] * scale + shift);
    }
    return values;
}

static inline op_data row_data(const row *r, const pyr_op *op)
{
    op_data data = {0};

    for (int i = 0; i < op->n_inputs; i++) {
        size_t count = pyr_count(op->x[i].s);
        bool first = i == 0;
        if (!pyr_op_has(op, i))
            continue;
        double scale = first && r->fill == WIDE ? 12 : 1, shift = first && r->fill == OFFSET ? 50 : 0;

        data.x[i] = row_numbers(count, 10u + (uint32_t)i, scale, shift);
        data.dx_start[i] = row_numbers(count, 20u + (uint32_t)i, 1, 0);
        for (size_t j = 0; j < count; j++) {
            if ((first && r->fill == POSITIVE) || (i == 1 && r->kind == PYR_OP_DIVIDE))
                data.x[i][j] = (double)(float)exp(data.x[i][j]);
            if (op->x[i].type == PYR_U32) /* class, or a stream whose words are all in use */
                data.x[i][j] = r->kind == PYR_OP_EMBED ? (double)(7 * j % (size_t)r->rows)
                               : r->kind == PYR_OP_CROSS_ENTROPY
                                   ? (double)(7 * j % (size_t)r->x.c)
                                   : (double)(pyr_philox(5, (uint32_t)j, 0, 0, 0).v[0]);
        }
    }
    for (int p = 0; p < op->n_params; p++) {
        /* weights as at the start of training, so that y is about 1; 16 is diffusers' Fourier scale */
        double scale = r->kind == PYR_OP_TIME_FOURIER ? 16
                       : r->kind == PYR_OP_CONV2D || r->kind == PYR_OP_LINEAR
                           ? 1 / sqrt((double)op->param_count[0] / r->out)
                           : 1;

        data.param[p] = row_numbers(op->param_count[p], 30u + (uint32_t)p, p ? 1 : scale, 0);
        data.dparam_start[p] = row_numbers(op->param_count[p], 40u + (uint32_t)p, 1, 0);
    }
    data.dy = row_numbers(pyr_count(op->y.s), 50, 1, 0);
    return data;
}

static inline void row_data_free(op_data *data)
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

#endif
