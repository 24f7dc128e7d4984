/* distance.c - the largest distance between two of some vectors. */
#include "cascade/distance.h"

#include "base/mem.h"
#include "kernels/cpu/metric_loops.h"
#include <math.h>
#include <stdbool.h>

/* Vectors of a block stay in the cache while another block passes by. */
enum { BLOCK = 32 };

typedef struct search {
    const float *x;
    int64_t n;
    size_t size;
    pyr_farthest *best; /* [block] */
    double (*square_distance)(const float *a, const float *b, size_t size);
} search;

static bool before(const pyr_farthest *a, const pyr_farthest *b)
{
    if (a->distance != b->distance)
        return a->distance > b->distance;
    return a->i != b->i ? a->i < b->i : a->j < b->j;
}

/* All pairs of one block with itself and those behind it; `distance` is squared. */
static pyr_status search_block(void *arg, int task, int lane)
{
    search *s = arg;
    int64_t first = (int64_t)task * BLOCK, end = first + BLOCK < s->n ? first + BLOCK : s->n;
    pyr_farthest best = {.distance = -1};

    (void)lane;
    for (int64_t j = first + 1; j < s->n; j++)
        for (int64_t i = first; i < end && i < j; i++) {
            pyr_farthest pair = {
                s->square_distance(s->x + (size_t)i * s->size, s->x + (size_t)j * s->size, s->size), i, j};

            if (before(&pair, &best))
                best = pair;
        }
    s->best[task] = best;
    return PYR_OK;
}

pyr_status pyr_find_farthest(pyr_farthest *out, const float *x, int64_t n, size_t size, pyr_kernels *k)
{
    search s = {.x = x, .n = n, .size = size, .square_distance = pyr_metric_loops_here()->square_distance};
    int blocks = (int)((n + BLOCK - 1) / BLOCK);
    pyr_status status;

    *out = (pyr_farthest){0};
    if (n < 2)
        return PYR_OK;
    PYR_TRY(pyr_new(&s.best, (size_t)blocks, sizeof *s.best, "distances"));
    status = pyr_run_tasks(k, blocks, search_block, &s);
    if (status == PYR_OK) {
        *out = s.best[0];
        for (int b = 1; b < blocks; b++)
            if (before(&s.best[b], out))
                *out = s.best[b];
        out->distance = sqrt(out->distance);
    }
    pyr_free(s.best);
    return status;
}
