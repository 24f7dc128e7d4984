/* pairs.c - dot products or squared distances of all pairs of two sets of vectors, in tiles. */
#include "eval/pairs.h"

#include "base/mem.h"
#include <limits.h>
#include <string.h>

enum { CHUNK = 128 };

void pyr_pairs_pack(float *packed, int columns, const float *b, int d)
{
    for (int c = 0; c < PYR_PAIR_COLUMNS; c++)
        for (int j = 0; j < d; j++)
            packed[(size_t)j * PYR_PAIR_COLUMNS + c] = c < columns ? b[(size_t)c * d + j] : 0;
}

/* By chunks of j on the outside: 128 x 16 floats of the tile stay in the first cache for all rows. */
void pyr_pairs_tile(pyr_pair_kind kind, float at[][PYR_PAIR_COLUMNS], int rows, const float *a,
                    const float *packed, int d)
{
    const pyr_metric_loops *loops = pyr_metric_loops_here();
    double sum[PYR_PAIR_ROWS][PYR_PAIR_COLUMNS];

    memset(sum, 0, (size_t)(rows + PYR_STRIP_ROWS - 1) / PYR_STRIP_ROWS * PYR_STRIP_ROWS * sizeof *sum);
    for (int j = 0; j < d; j += CHUNK) {
        const float(*columns)[PYR_PAIR_COLUMNS] = (const float(*)[PYR_PAIR_COLUMNS])packed + j;
        int n = d - j < CHUNK ? d - j : CHUNK;

        for (int first = 0; first < rows; first += PYR_STRIP_ROWS) {
            const float *row[PYR_STRIP_ROWS];

            for (int r = 0; r < PYR_STRIP_ROWS; r++) /* behind the last row: the last again, not used */
                row[r] = a + (size_t)(first + r < rows ? first + r : rows - 1) * d + j;
            (kind == PYR_PAIR_DOT ? loops->dots : loops->distances2)(sum + first, row, columns, n);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < PYR_PAIR_COLUMNS; c++)
            at[r][c] = (float)sum[r][c];
}

int pyr_tasks_lanes(const pyr_pool *pool)
{
    return pool ? pyr_pool_lanes(pool) : 1;
}

pyr_status pyr_tasks_run(pyr_pool *pool, int tasks, pyr_task run, void *arg)
{
    if (pool)
        return pyr_pool_run(pool, tasks, run, arg);
    for (int task = 0; task < tasks; task++)
        PYR_TRY(run(arg, task, 0));
    return PYR_OK;
}

typedef struct job {
    pyr_pair_kind kind;
    int64_t n_a, n_b;
    const float *a, *b;
    int d;
    float *packed; /* lanes x d x 16 */
    pyr_pair_visit visit;
    void *arg;
} job;

static pyr_status run_rows(void *arg, int task, int lane)
{
    job *j = arg;
    float at[PYR_PAIR_ROWS][PYR_PAIR_COLUMNS];
    float *packed = j->packed + (size_t)lane * (size_t)j->d * PYR_PAIR_COLUMNS;
    pyr_pair_tile tile = {.row = (int64_t)task * PYR_PAIR_ROWS, .lane = lane, .at = at};
    int64_t rows = j->n_a - tile.row;

    tile.rows = (int)(rows < PYR_PAIR_ROWS ? rows : PYR_PAIR_ROWS);
    for (; tile.column < j->n_b; tile.column += PYR_PAIR_COLUMNS) {
        int64_t columns = j->n_b - tile.column;

        tile.columns = (int)(columns < PYR_PAIR_COLUMNS ? columns : PYR_PAIR_COLUMNS);
        pyr_pairs_pack(packed, tile.columns, j->b + tile.column * j->d, j->d);
        pyr_pairs_tile(j->kind, at, tile.rows, j->a + tile.row * j->d, packed, j->d);
        j->visit(j->arg, &tile);
    }
    return PYR_OK;
}

pyr_status pyr_pairs(pyr_pair_kind kind, int64_t n_a, const float *a, int64_t n_b, const float *b, int d,
                     pyr_pool *pool, pyr_pair_visit visit, void *arg)
{
    job j = {.kind = kind, .n_a = n_a, .n_b = n_b, .a = a, .b = b, .d = d, .visit = visit, .arg = arg};
    int64_t tasks = (n_a + PYR_PAIR_ROWS - 1) / PYR_PAIR_ROWS;
    pyr_status status;

    if (tasks > INT_MAX)
        return pyr_fail(PYR_E_ARG, "%lld vectors are too many to compare", (long long)n_a);
    PYR_TRY(pyr_new(&j.packed, (size_t)pyr_tasks_lanes(pool) * (size_t)d * PYR_PAIR_COLUMNS, sizeof *j.packed,
                    "vectors to compare"));
    status = pyr_tasks_run(pool, (int)tasks, run_rows, &j);
    pyr_free(j.packed);
    return status;
}
