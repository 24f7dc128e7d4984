/* nearest.c - the nearest training vectors of samples. */
#include "eval/metrics.h"
#include "eval/pairs.h"
#include <math.h>

/* Distances are squared while the search runs. Of equal ones the first in the training set's order stays. */
static void look(void *arg, const pyr_pair_tile *tile)
{
    pyr_neighbours *s = arg;

    for (int r = 0; r < tile->rows; r++) {
        int64_t i = tile->row + r;

        for (int c = 0; c < tile->columns; c++) {
            float d2 = tile->at[r][c];

            if (d2 < s->nearest[i]) {
                s->second[i] = s->nearest[i];
                s->nearest[i] = d2;
                s->index[i] = tile->column + c;
            } else if (d2 < s->second[i])
                s->second[i] = d2;
        }
    }
}

pyr_status pyr_nearest_vectors(pyr_neighbours *out, int64_t n, const float *samples, int64_t n_train,
                               const float *train, int d, pyr_pool *pool)
{
    if (n_train < 2)
        return pyr_fail(PYR_E_ARG, "nearest and second nearest of %lld training images: it needs 2",
                        (long long)n_train);
    for (int64_t i = 0; i < n; i++) {
        out->index[i] = -1;
        out->nearest[i] = out->second[i] = INFINITY;
    }
    PYR_TRY(pyr_pairs(PYR_PAIR_DISTANCE2, n, samples, n_train, train, d, pool, look, out));
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(out->second[i]))
            return pyr_fail(PYR_E_NUMERIC, "sample %lld is at no finite distance from two training images",
                            (long long)i);
        out->nearest[i] = sqrtf(out->nearest[i]);
        out->second[i] = sqrtf(out->second[i]);
    }
    return PYR_OK;
}

double pyr_memorised(int64_t n, const float *nearest, const float *second, double ratio)
{
    int64_t count = 0;

    for (int64_t i = 0; i < n; i++)
        count += nearest[i] == 0 || nearest[i] < ratio * second[i];
    return n ? (double)count / (double)n : 0;
}
