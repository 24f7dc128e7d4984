/* metric_loops.h - the loops where metrics of many vectors spend their time (eval/), for the instruction set of this
 * processor. Sums have one order and each product is rounded: the same bits with every set. */
#ifndef PYR_KERNELS_CPU_METRIC_LOOPS_H
#define PYR_KERNELS_CPU_METRIC_LOOPS_H

#include "kernels/processor.h"
#include <stddef.h>

enum { PYR_STRIP_ROWS = 6, PYR_STRIP_COLUMNS = 16, PYR_PRODUCT_ROWS = 8 };

typedef struct pyr_metric_loops {
    /* sum[r][c] += sum over j < n, in float, of row[r][j] * packed[j][c]; or of the squares of their differences */
    void (*dots)(double (*sum)[PYR_STRIP_COLUMNS], const float *const row[PYR_STRIP_ROWS],
                 const float (*packed)[PYR_STRIP_COLUMNS], int n);
    void (*distances2)(double (*sum)[PYR_STRIP_COLUMNS], const float *const row[PYR_STRIP_ROWS],
                       const float (*packed)[PYR_STRIP_COLUMNS], int n);
    double (*square_distance)(const float *a, const float *b, size_t size); /* of two vectors */
    /* to[i][j] += sum over r of rows[r][i] * rows[r][j], i <= j < d: the upper triangle of d x d */
    void (*products)(double *to, int d, const double *rows);
} pyr_metric_loops;

/* metric_loops.c for each set. */
extern const pyr_metric_loops pyr_metric_loops_base, pyr_metric_loops_avx2, pyr_metric_loops_avx512,
    pyr_metric_loops_avx512_bf16, pyr_metric_loops_avx512_amx;

static inline const pyr_metric_loops *pyr_metric_loops_here(void)
{
    static const pyr_metric_loops *const loops[PYR_SETS] = OF_SETS(pyr_metric_loops);

    return loops[pyr_set_here()];
}

#endif
