/* pairs.c - dot products or squared distances of all pairs of two sets of vectors, in tiles. */
#include "eval/pairs.h"

#include "base/mem.h"
#include <limits.h>
#include <string.h>

/* Eight floats; where registers are wider or narrower the compiler joins or splits them. Six rows by two of
 * these are 12 sums, which with two columns and one element of a row fill 15 of AVX2's 16 registers. */
typedef float eight __attribute__((vector_size(32)));
enum { STRIP = 6, CHUNK = 128 };

/* Sums over j < n of a strip: `sum` gets them added, in double. */
#define STRIP_FUNCTION(name, term)                                                                           \
    static void name(double(*sum)[PYR_PAIR_COLUMNS], const float *const row[STRIP], const float *packed,     \
                     int n)                                                                                  \
    {                                                                                                        \
        eight s[STRIP][2] = {{{0}}};                                                                         \
                                                                                                             \
        for (int j = 0; j < n; j++) {                                                                        \
            eight b0, b1;                                                                                    \
                                                                                                             \
            memcpy(&b0, packed + (size_t)j * PYR_PAIR_COLUMNS, sizeof b0);                                   \
            memcpy(&b1, packed + (size_t)j * PYR_PAIR_COLUMNS + 8, sizeof b1);                               \
            for (int r = 0; r < STRIP; r++) {                                                                \
                float a = row[r][j];                                                                         \
                                                                                                             \
                s[r][0] += term(a, b0);                                                                      \
                s[r][1] += term(a, b1);                                                                      \
            }                                                                                                \
        }                                                                                                    \
        for (int r = 0; r < STRIP; r++)                                                                      \
            for (int c = 0; c < PYR_PAIR_COLUMNS; c++)                                                       \
                sum[r][c] += (double)s[r][c / 8][c % 8];                                                     \
    }
#define PRODUCT(a, b) ((a) * (b))
#define SQUARED(a, b) (((a) - (b)) * ((a) - (b)))
STRIP_FUNCTION(strip_dot, PRODUCT)
STRIP_FUNCTION(strip_distance2, SQUARED)

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
    double sum[PYR_PAIR_ROWS][PYR_PAIR_COLUMNS];

    memset(sum, 0, (size_t)(rows + STRIP - 1) / STRIP * STRIP * sizeof *sum);
    for (int j = 0; j < d; j += CHUNK) {
        int n = d - j < CHUNK ? d - j : CHUNK;

        for (int first = 0; first < rows; first += STRIP) {
            const float *row[STRIP];

            for (int r = 0; r < STRIP; r++) /* behind the last row: the last again, not used */
                row[r] = a + (size_t)(first + r < rows ? first + r : rows - 1) * d + j;
            (kind == PYR_PAIR_DOT ? strip_dot : strip_distance2)(sum + first, row,
                                                                 packed + (size_t)j * PYR_PAIR_COLUMNS, n);
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
