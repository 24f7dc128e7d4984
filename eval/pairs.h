/* pairs.h - all pairs of two sets of vectors: dot products or squared distances, in tiles.
 *
 * Rows are n x d floats, row-major. The sum of a pair runs over its d terms in order, 128 at a time in float
 * and those sums in double: relative error of a squared distance under 128 * 2^-24. It is a sum of squared
 * differences, not |a|^2 + |b|^2 - 2 a.b: equal vectors are at distance 0 exactly, near ones lose nothing,
 * and pair (a, b) has the bits of pair (b, a). The result of a pair depends neither on the tile it falls in
 * nor on the number of threads. */
#ifndef PYR_EVAL_PAIRS_H
#define PYR_EVAL_PAIRS_H

#include "base/status.h"
#include "base/threads.h"
#include "kernels/cpu/metric_loops.h"
#include <stdint.h>

enum { PYR_PAIR_COLUMNS = PYR_STRIP_COLUMNS, PYR_PAIR_ROWS = 192 };

typedef enum pyr_pair_kind { PYR_PAIR_DOT, PYR_PAIR_DISTANCE2 } pyr_pair_kind;

/* A tile of results: rows `row` .. row + rows - 1 of a against columns `column` .. column + columns - 1,
 * which are vectors of b; at[r][c]. One call for each tile; a row's tiles come from one lane, columns
 * ascending. */
typedef struct pyr_pair_tile {
    int64_t row, column;
    int rows, columns, lane;
    const float (*at)[PYR_PAIR_COLUMNS];
} pyr_pair_tile;
typedef void (*pyr_pair_visit)(void *arg, const pyr_pair_tile *tile);

/* Visit all pairs of n_a x n_b vectors of d numbers. `pool` NULL: this thread, lane 0. PYR_E_NOMEM. */
pyr_status pyr_pairs(pyr_pair_kind kind, int64_t n_a, const float *a, int64_t n_b, const float *b, int d,
                     pyr_pool *pool, pyr_pair_visit visit, void *arg);

/* d x 16 from vectors of b, the columns behind the last `columns` being 0: what pyr_pairs_tile reads. */
void pyr_pairs_pack(float *packed, int columns, const float *b, int d);
/* One tile, rows <= PYR_PAIR_ROWS. */
void pyr_pairs_tile(pyr_pair_kind kind, float at[][PYR_PAIR_COLUMNS], int rows, const float *a,
                    const float *packed, int d);

/* pyr_pool_run, or all tasks here in order where pool is NULL. */
pyr_status pyr_tasks_run(pyr_pool *pool, int tasks, pyr_task run, void *arg);
/* Lanes of the pool; 1 where it is NULL. */
int pyr_tasks_lanes(const pyr_pool *pool);

#endif
