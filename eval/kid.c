/* kid.c - the kernel inception distance. */
#include "base/mem.h"
#include "base/philox.h"
#include "eval/metrics.h"
#include "eval/pairs.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* What one lane works with. */
typedef struct draw {
    int64_t *order;        /* the larger n: a shuffle's state */
    float *a, *b, *packed; /* size x d, size x d, d x 16 */
} draw;

typedef struct kid {
    int64_t n_a, n_b;
    const float *a, *b;
    int d, size;
    uint64_t seed;
    draw *lanes;
    double *mmd2; /* a subset each */
} kid;

/* The first `size` places of a shuffle of n vectors (Fisher & Yates): subset `subset` of set `which`. 64 bits
 * a place, times what is left, the upper half: off an even draw by less than n / 2^64. */
static void choose(float *to, const kid *k, int64_t *order, int64_t n, const float *from, uint32_t subset,
                   uint32_t which)
{
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (int64_t i = 0; i < k->size; i++) {
        pyr_rng4 r =
            pyr_philox(k->seed, (uint32_t)i, subset, which, pyr_rng_purpose(PYR_RNG_METRIC, PYR_DRAW_SUBSET));
        uint64_t bits = (uint64_t)r.v[0] << 32 | r.v[1], left = (uint64_t)(n - i);
        /* bits * left / 2^64, left < 2^32 */
        int64_t j = i + (int64_t)(((bits >> 32) * left + ((bits & 0xFFFFFFFFu) * left >> 32)) >> 32),
                v = order[j];

        order[j] = order[i];
        order[i] = v;
        memcpy(to + (size_t)i * (size_t)k->d, from + (size_t)v * (size_t)k->d, (size_t)k->d * sizeof *to);
    }
}

/* Sum of (x.y/d + 1)^3 over all pairs, those of a vector with itself left out if `same`. */
static double sum_kernel(const kid *k, const float *x, const float *y, bool same, float *packed)
{
    float at[PYR_PAIR_ROWS][PYR_PAIR_COLUMNS];
    double sum = 0;

    for (int column = 0; column < k->size; column += PYR_PAIR_COLUMNS) {
        int columns = k->size - column < PYR_PAIR_COLUMNS ? k->size - column : PYR_PAIR_COLUMNS;

        pyr_pairs_pack(packed, columns, y + (size_t)column * (size_t)k->d, k->d);
        for (int row = 0; row < k->size; row += PYR_PAIR_ROWS) {
            int rows = k->size - row < PYR_PAIR_ROWS ? k->size - row : PYR_PAIR_ROWS;

            pyr_pairs_tile(PYR_PAIR_DOT, at, rows, x + (size_t)row * (size_t)k->d, packed, k->d);
            for (int r = 0; r < rows; r++)
                for (int c = 0; c < columns; c++) {
                    double v = (double)at[r][c] / k->d + 1;

                    if (!same || row + r != column + c)
                        sum += v * v * v;
                }
        }
    }
    return sum;
}

static pyr_status one_subset(void *arg, int task, int lane)
{
    kid *k = arg;
    draw *w = &k->lanes[lane];
    double size = k->size, pairs = size * (size - 1);

    choose(w->a, k, w->order, k->n_a, k->a, (uint32_t)task, 0);
    choose(w->b, k, w->order, k->n_b, k->b, (uint32_t)task, 1);
    k->mmd2[task] = sum_kernel(k, w->a, w->a, true, w->packed) / pairs +
                    sum_kernel(k, w->b, w->b, true, w->packed) / pairs -
                    2 * sum_kernel(k, w->a, w->b, false, w->packed) / (size * size);
    return PYR_OK;
}

static pyr_status lane_new(draw *w, const kid *k)
{
    size_t vectors = (size_t)k->size * (size_t)k->d;
    int64_t larger = k->n_a > k->n_b ? k->n_a : k->n_b;

    PYR_TRY(pyr_new(&w->order, (size_t)larger, sizeof *w->order, "KID's subsets"));
    PYR_TRY(pyr_new(&w->a, vectors, sizeof *w->a, "KID's subsets"));
    PYR_TRY(pyr_new(&w->b, vectors, sizeof *w->b, "KID's subsets"));
    return pyr_new(&w->packed, (size_t)k->d * PYR_PAIR_COLUMNS, sizeof *w->packed, "KID's subsets");
}

static void lane_free(draw *w)
{
    pyr_free(w->order);
    pyr_free(w->a);
    pyr_free(w->b);
    pyr_free(w->packed);
}

pyr_status pyr_kid(double *mean, double *std, int64_t n_a, const float *a, int64_t n_b, const float *b, int d,
                   int subsets, int size, uint64_t seed, pyr_pool *pool)
{
    kid k = {.n_a = n_a, .n_b = n_b, .a = a, .b = b, .d = d, .seed = seed};
    int64_t smaller = n_a < n_b ? n_a : n_b;
    int lanes = pyr_tasks_lanes(pool);
    double sum = 0, squares = 0;
    pyr_status status;

    k.size = (int)(size < smaller ? size : smaller);
    if (subsets < 1 || k.size < 2 || d < 1 || n_a > UINT32_MAX || n_b > UINT32_MAX)
        return pyr_fail(
            PYR_E_ARG,
            "KID over %d subsets of %d from %lld and %lld vectors: it needs 1 subset or more, of 2 vectors or more",
            subsets, size, (long long)n_a, (long long)n_b);
    PYR_TRY_OUT(pyr_new(&k.mmd2, (size_t)subsets, sizeof *k.mmd2, "KID's subsets"));
    PYR_TRY_OUT(pyr_new(&k.lanes, (size_t)lanes, sizeof *k.lanes, "KID's subsets"));
    for (int lane = 0; lane < lanes; lane++)
        PYR_TRY_OUT(lane_new(&k.lanes[lane], &k));
    PYR_TRY_OUT(pyr_tasks_run(pool, subsets, one_subset, &k));
    for (int i = 0; i < subsets; i++)
        sum += k.mmd2[i];
    *mean = sum / subsets;
    for (int i = 0; i < subsets; i++)
        squares += (k.mmd2[i] - *mean) * (k.mmd2[i] - *mean);
    *std = sqrt(squares / subsets);
    if (!isfinite(*mean))
        PYR_TRY_OUT(pyr_fail(PYR_E_NUMERIC, "KID is not finite; are all features finite?"));
out:
    for (int lane = 0; k.lanes && lane < lanes; lane++)
        lane_free(&k.lanes[lane]);
    pyr_free(k.lanes);
    pyr_free(k.mmd2);
    return status;
}
