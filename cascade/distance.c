/* distance.c - the largest distance between two of some vectors. */
#include "cascade/distance.h"

#include "base/mem.h"
#include <math.h>
#include <stdbool.h>

/* Vectors of a block stay in the cache while another block passes by. */
enum { BLOCK = 32, LANES = 8 };

typedef struct search {
    const float *x;
    int64_t n;
    size_t size;
    pyr_farthest *best; /* [block] */
} search;

/* A register of AVX, at any address. Written out: of plain loops over 16 sums gcc 12 made shuffles, of
 * vectors of 16 without AVX-512 loads and stores in each round. */
typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

/* Differences are squared themselves: |x|^2 + |y|^2 - 2 xy would lose the digits of near pairs. Sums of 64
 * numbers in float, in 2 LANES places, then double. */
static double square_distance(const float *a, const float *b, size_t size)
{
    double total = 0;
    size_t i = 0;

    while (i + 2 * LANES <= size) {
        vec sum = {0}, sum2 = {0};

        for (int round = 0; round < 64 && i + 2 * LANES <= size; round++, i += 2 * LANES) {
            const vec *va = (const vec *)(const void *)(a + i), *vb = (const vec *)(const void *)(b + i);
            vec d = va[0] - vb[0], d2 = va[1] - vb[1];

            sum += d * d;
            sum2 += d2 * d2;
        }
        sum += sum2;
        for (int l = 0; l < LANES; l++)
            total += (double)sum[l];
    }
    for (; i < size; i++)
        total += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return total;
}

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
                square_distance(s->x + (size_t)i * s->size, s->x + (size_t)j * s->size, s->size), i, j};

            if (before(&pair, &best))
                best = pair;
        }
    s->best[task] = best;
    return PYR_OK;
}

pyr_status pyr_find_farthest(pyr_farthest *out, const float *x, int64_t n, size_t size, pyr_kernels *k)
{
    search s = {.x = x, .n = n, .size = size};
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
