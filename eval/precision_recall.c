/* precision_recall.c - improved precision and recall. */
#include "base/mem.h"
#include "eval/metrics.h"
#include "eval/pairs.h"
#include <math.h>
#include <stdbool.h>

/* All distances are squared: the order is the same. */

/* The k nearest other vectors of each vector, ascending. */
typedef struct neighbours {
    int k;
    float *at; /* n x k */
} neighbours;

static void insert(float *list, int k, float d2)
{
    int i = k - 1;

    for (; i > 0 && list[i - 1] > d2; i--)
        list[i] = list[i - 1];
    list[i] = d2;
}

static void collect(void *arg, const pyr_pair_tile *tile)
{
    neighbours *n = arg;

    for (int r = 0; r < tile->rows; r++) {
        float *list = n->at + (tile->row + r) * n->k;

        for (int c = 0; c < tile->columns; c++)
            if (tile->at[r][c] < list[n->k - 1] && tile->row + r != tile->column + c)
                insert(list, n->k, tile->at[r][c]);
    }
}

/* radius2 (n): squared distance of each vector to its k-th nearest among the others. */
static pyr_status radii(float *radius2, int64_t n, const float *features, int d, int k, pyr_pool *pool)
{
    neighbours list = {.k = k};
    pyr_status status;

    PYR_TRY(pyr_new(&list.at, (size_t)n * (size_t)k, sizeof *list.at, "nearest neighbours"));
    for (int64_t i = 0; i < n * k; i++)
        list.at[i] = INFINITY;
    PYR_TRY_OUT(pyr_pairs(PYR_PAIR_DISTANCE2, n, features, n, features, d, pool, collect, &list));
    for (int64_t i = 0; i < n; i++) {
        radius2[i] = list.at[i * k + k - 1];
        if (!isfinite(radius2[i]))
            PYR_TRY_OUT(pyr_fail(PYR_E_NUMERIC, "vector %lld has no %d others at a finite distance",
                                 (long long)i, k));
    }
out:
    pyr_free(list.at);
    return status;
}

/* Rows are samples, columns are real. */
typedef struct cover {
    int64_t n_real;
    const float *real_radius2, *sample_radius2;
    uint8_t *sample_in; /* n_samples: in a ball of a real vector */
    uint8_t *real_in;   /* lanes x n_real: in a ball of one of the lane's samples */
} cover;

static void mark(void *arg, const pyr_pair_tile *tile)
{
    cover *v = arg;
    uint8_t *real_in = v->real_in + tile->lane * v->n_real + tile->column;
    const float *real_radius2 = v->real_radius2 + tile->column;

    for (int r = 0; r < tile->rows; r++) {
        float radius2 = v->sample_radius2[tile->row + r];
        uint8_t in = v->sample_in[tile->row + r];

        for (int c = 0; c < tile->columns; c++) {
            in |= tile->at[r][c] <= real_radius2[c];
            real_in[c] |= tile->at[r][c] <= radius2;
        }
        v->sample_in[tile->row + r] = in;
    }
}

static double share(int64_t n, const uint8_t *in, int lanes)
{
    int64_t count = 0;

    for (int64_t i = 0; i < n; i++) {
        bool any = false;

        for (int lane = 0; lane < lanes; lane++)
            any |= in[lane * n + i];
        count += any;
    }
    return (double)count / (double)n;
}

pyr_status pyr_precision_recall(double *precision, double *recall, int64_t n_real, const float *real,
                                int64_t n_samples, const float *samples, int d, int k, pyr_pool *pool)
{
    cover v = {.n_real = n_real};
    float *radius2 = NULL; /* n_real + n_samples */
    int lanes = pyr_tasks_lanes(pool);
    pyr_status status;

    if (k < 1 || n_real <= k || n_samples <= k)
        return pyr_fail(
            PYR_E_ARG,
            "precision and recall with k = %d of %lld real images and %lld samples: k is at least 1, and both sets need more than k",
            k, (long long)n_real, (long long)n_samples);
    PYR_TRY_OUT(pyr_new(&radius2, (size_t)(n_real + n_samples), sizeof *radius2, "radii"));
    PYR_TRY_OUT(pyr_new(&v.sample_in, (size_t)n_samples, 1, "precision"));
    PYR_TRY_OUT(pyr_new(&v.real_in, (size_t)lanes * (size_t)n_real, 1, "recall"));
    PYR_TRY_OUT(radii(radius2, n_real, real, d, k, pool));
    PYR_TRY_OUT(radii(radius2 + n_real, n_samples, samples, d, k, pool));
    v.real_radius2 = radius2;
    v.sample_radius2 = radius2 + n_real;
    PYR_TRY_OUT(pyr_pairs(PYR_PAIR_DISTANCE2, n_samples, samples, n_real, real, d, pool, mark, &v));
    *precision = share(n_samples, v.sample_in, 1);
    *recall = share(n_real, v.real_in, lanes);
out:
    pyr_free(v.real_in);
    pyr_free(v.sample_in);
    pyr_free(radius2);
    return status;
}
