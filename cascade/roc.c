/* roc.c - sorts the scores of both sets, and counts. */
#include "cascade/roc.h"

#include "base/mem.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

typedef struct scored {
    double score;
    bool in;
} scored;

static int falling(const void *a, const void *b)
{
    double x = ((const scored *)a)->score, y = ((const scored *)b)->score;

    return (x < y) - (x > y);
}

pyr_status pyr_roc(pyr_roc_point *points, size_t *n_points, double *area, const double *in, size_t n_in,
                   const double *out, size_t n_out)
{
    size_t n = n_in + n_out, ins = 0, outs = 0, at = 0;
    scored *all;

    PYR_TRY(pyr_new(&all, n + 1, sizeof *all, "scores"));
    for (size_t i = 0; i < n; i++) {
        all[i] = (scored){i < n_in ? in[i] : out[i - n_in], i < n_in};
        if (isnan(all[i].score)) {
            pyr_free(all);
            return pyr_fail(PYR_E_NUMERIC, "score %zu is not a number", i);
        }
    }
    qsort(all, n, sizeof *all, falling);
    points[at++] = (pyr_roc_point){0, 0};
    *area = 0;
    for (size_t i = 0; i < n;) {
        double equal = all[i].score;
        pyr_roc_point before = points[at - 1], now;

        for (; i < n && all[i].score == equal; i++) {
            ins += all[i].in;
            outs += !all[i].in;
        }
        now =
            (pyr_roc_point){n_out ? (double)outs / (double)n_out : 0, n_in ? (double)ins / (double)n_in : 0};
        *area += (now.outliers - before.outliers) * (now.inliers + before.inliers) / 2;
        points[at++] = now;
    }
    *n_points = at;
    pyr_free(all);
    return PYR_OK;
}
