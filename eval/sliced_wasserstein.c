/* sliced_wasserstein.c - the sliced Wasserstein distance of patches, by level. */
#include "base/mem.h"
#include "base/philox.h"
#include "eval/image_metrics.h"
#include "eval/metrics.h"
#include "eval/pairs.h"
#include <math.h>
#include <string.h>

/* Descriptors are packed as pyr_pairs_tile reads them: tiles of 16 patches, element after element. DIRECTIONS
 * are projected by one task together, so that the descriptors, which are in no cache, are read less often. */
enum {
    SIDE = 7,
    PATCHES = 128, /* an image */
    TILES = PATCHES / PYR_PAIR_COLUMNS,
    DIRECTIONS = 512,
    TOGETHER = 6,
    BITS = 11, /* a radix sort's digit */
    DIGITS = 3
};

/* ---- one image's Laplacian pyramid --------------------------------------------------------------- */

static const float kernel[5] = {1 / 16.f, 4 / 16.f, 6 / 16.f, 4 / 16.f, 1 / 16.f};

/* Mirrored at the first and last sample, which are not repeated; n >= 3. */
static int mirrored(int i, int n)
{
    return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

/* A line of n samples, `step` apart, to (n + 1)/2. */
static void down_line(float *dst, const float *src, int n, size_t step)
{
    for (int i = 0; i < n; i += 2) {
        float sum = 0;

        for (int o = -2; o <= 2; o++)
            sum += kernel[o + 2] * src[(size_t)mirrored(i + o, n) * step];
        dst[(size_t)(i / 2) * step] = sum;
    }
}

/* (n + 1)/2 samples to n: zeros between them, twice the kernel. Mirroring keeps even indices even. */
static void up_line(float *dst, const float *src, int n, size_t step)
{
    for (int i = 0; i < n; i++) {
        float sum = 0;

        for (int o = -2 + i % 2; o <= 2; o += 2)
            sum += 2 * kernel[o + 2] * src[(size_t)(mirrored(i + o, n) / 2) * step];
        dst[(size_t)i * step] = sum;
    }
}

/* h x w x c to (h + 1)/2 x (w + 1)/2 x c, over `between`. */
static void down(float *dst, float *between, const float *src, int h, int w, int c)
{
    size_t coarse_row = (size_t)(w + 1) / 2 * (size_t)c;

    for (int y = 0; y < h; y++)
        for (int k = 0; k < c; k++)
            down_line(between + (size_t)y * coarse_row + k, src + (size_t)y * (size_t)w * (size_t)c + k, w,
                      (size_t)c);
    for (size_t x = 0; x < coarse_row; x++)
        down_line(dst + x, between + x, h, coarse_row);
}

/* And back to h x w x c. */
static void up(float *dst, float *between, const float *src, int h, int w, int c)
{
    size_t coarse_row = (size_t)(w + 1) / 2 * (size_t)c;

    for (size_t x = 0; x < coarse_row; x++)
        up_line(between + x, src + x, h, coarse_row);
    for (int y = 0; y < h; y++)
        for (int k = 0; k < c; k++)
            up_line(dst + (size_t)y * (size_t)w * (size_t)c + k, between + (size_t)y * coarse_row + k, w,
                    (size_t)c);
}

/* ---- descriptors of one level --------------------------------------------------------------------- */

typedef struct lane_memory {
    float *image[4];     /* h x w x c each: this level, the next, between the axes, the next one enlarged */
    float *projected[2]; /* TOGETHER x patches of a and of b */
    float *sorted;       /* patches: where a sort puts its digits */
    uint32_t *count;     /* DIGITS x 2^BITS */
} lane_memory;

typedef struct swd {
    const pyr_pixels_set *set[2];
    int bits; /* at which they are compared */
    int64_t n;
    uint64_t seed;
    int level, levels;
    int h[PYR_SWD_LEVELS], w[PYR_SWD_LEVELS], c;
    int patch_h, patch_w, d; /* d = patch_h * patch_w * c: numbers of a descriptor */
    int which;               /* the set whose descriptors are taken */
    float *descriptors[2];   /* n x TILES tiles of d x 16 */
    double *moments;         /* n x c x 2: sum and sum of squares over an image's patches */
    float *mean, *scale;     /* c: to mean 0 and deviation 1 */
    float *directions;       /* DIRECTIONS x d, of length 1 */
    double *distance;        /* DIRECTIONS */
    lane_memory *lanes;
    int n_lanes;
} swd;

/* The level's picture of image i; borrowed from the lane. */
static const float *level_image(const swd *s, lane_memory *m, int64_t i)
{
    size_t n = (size_t)s->h[0] * (size_t)s->w[0] * (size_t)s->c;
    const pyr_pixels_set *set = s->set[s->which];
    float *fine = m->image[0], *coarse = m->image[1], *between = m->image[2], *enlarged = m->image[3];
    int h = s->h[s->level], w = s->w[s->level];

    for (size_t j = 0; j < n; j++)
        fine[j] = s->bits == 16 ? set->words[(size_t)i * n + j] : set->pixels[(size_t)i * n + j];
    for (int l = 0; l < s->level; l++) {
        float *old = fine;

        down(coarse, between, fine, s->h[l], s->w[l], s->c);
        fine = coarse;
        coarse = old;
    }
    if (s->level + 1 == s->levels)
        return fine;
    down(coarse, between, fine, h, w, s->c);
    up(enlarged, between, coarse, h, w, s->c);
    for (size_t j = 0; j < (size_t)h * (size_t)w * (size_t)s->c; j++)
        fine[j] -= enlarged[j];
    return fine;
}

/* Which of n places 32 random bits choose. */
static int place(uint32_t word, int n)
{
    return (int)((uint64_t)word * (uint64_t)n >> 32);
}

/* Cut the patches of image `task` and sum each channel over them. */
static pyr_status take_patches(void *arg, int task, int lane)
{
    swd *s = arg;
    const float *image = level_image(s, &s->lanes[lane], task);
    double *moments = s->moments + (size_t)task * (size_t)s->c * 2;
    int h = s->h[s->level], w = s->w[s->level], row = s->patch_w * s->c;

    memset(moments, 0, (size_t)s->c * 2 * sizeof *moments);
    for (int p = 0; p < PATCHES; p++) {
        pyr_rng4 r = pyr_philox(s->seed, (uint32_t)p, (uint32_t)task, (uint32_t)s->level,
                                pyr_rng_purpose(PYR_RNG_METRIC, PYR_DRAW_PATCH));
        int y = place(r.v[0], h - s->patch_h + 1), x = place(r.v[1], w - s->patch_w + 1);
        size_t tile = (size_t)task * TILES + (size_t)(p / PYR_PAIR_COLUMNS);
        float *to = s->descriptors[s->which] + tile * (size_t)s->d * PYR_PAIR_COLUMNS + p % PYR_PAIR_COLUMNS;

        for (int i = 0; i < s->d; i++) { /* y, x, channel */
            float v = image[((size_t)(y + i / row) * (size_t)w + (size_t)x) * (size_t)s->c + i % row];

            to[(size_t)i * PYR_PAIR_COLUMNS] = v;
            moments[i % s->c * 2] += v;
            moments[i % s->c * 2 + 1] += (double)v * v;
        }
    }
    return PYR_OK;
}

static pyr_status normalise(void *arg, int task, int lane)
{
    swd *s = arg;
    float *at = s->descriptors[s->which] + (size_t)task * TILES * (size_t)s->d * PYR_PAIR_COLUMNS;

    (void)lane;
    for (int i = 0; i < TILES * s->d; i++, at += PYR_PAIR_COLUMNS)
        for (int p = 0; p < PYR_PAIR_COLUMNS; p++)
            at[p] = (at[p] - s->mean[i % s->c]) * s->scale[i % s->c];
    return PYR_OK;
}

/* Normalised descriptors of one set at one level. A channel that never varies becomes 0. */
static pyr_status describe(swd *s, int which, pyr_pool *pool)
{
    double count = (double)s->n * PATCHES * s->patch_h * s->patch_w;

    s->which = which;
    PYR_TRY(pyr_tasks_run(pool, (int)s->n, take_patches, s));
    for (int c = 0; c < s->c; c++) {
        double sum = 0, squares = 0, mean, variance;

        for (int64_t i = 0; i < s->n; i++) {
            sum += s->moments[(i * s->c + c) * 2];
            squares += s->moments[(i * s->c + c) * 2 + 1];
        }
        mean = sum / count;
        variance = squares / count - mean * mean;
        s->mean[c] = (float)mean;
        /* a constant is exact all the way: the kernel's weights are sixteenths */
        s->scale[c] = variance > 0 ? (float)(1 / sqrt(variance)) : 0;
    }
    return pyr_tasks_run(pool, (int)s->n, normalise, s);
}

/* ---- projections ---------------------------------------------------------------------------------- */

/* DIRECTIONS directions, even on the sphere. */
static void draw_directions(swd *s)
{
    for (int i = 0; i < DIRECTIONS; i++) {
        float *to = s->directions + (size_t)i * (size_t)s->d, normal[4];
        double length = 0;

        for (int j = 0; j < s->d; j++) {
            if (j % 4 == 0)
                pyr_normal4(s->seed, (uint32_t)(j / 4), (uint32_t)i, (uint32_t)s->level,
                            pyr_rng_purpose(PYR_RNG_METRIC, PYR_DRAW_DIRECTION), normal);
            to[j] = normal[j % 4];
            length += (double)to[j] * to[j];
        }
        for (int j = 0; j < s->d; j++)
            to[j] = (float)(to[j] / sqrt(length));
    }
}

/* Bits of a float in an order that integers share: the sign bit on top flipped, negative ones all flipped. */
static uint32_t to_key(float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits ^ (bits >> 31 ? 0xFFFFFFFFu : 0x80000000u);
}

/* Ascending, by digits of 11 bits from the lowest (qsort takes ten times as long over two million). Three
 * passes: the result lies in `other`, and `values` is scratch afterwards. */
static void sort(float *values, float *other, size_t n, uint32_t *count)
{
    memset(count, 0, ((size_t)DIGITS << BITS) * sizeof *count);
    for (size_t i = 0; i < n; i++)
        for (int d = 0; d < DIGITS; d++)
            count[(d << BITS) + (to_key(values[i]) >> d * BITS & ((1 << BITS) - 1))]++;
    for (int d = 0; d < DIGITS; d++) {
        uint32_t *start = count + (d << BITS), sum = 0;
        const float *from = d % 2 ? other : values;
        float *to = d % 2 ? values : other;

        for (int i = 0; i < 1 << BITS; i++) {
            uint32_t here = start[i];

            start[i] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++)
            to[start[to_key(from[i]) >> d * BITS & ((1 << BITS) - 1)]++] = from[i];
    }
}

static void project(const swd *s, int which, int first, int directions, float *to)
{
    size_t tiles = (size_t)s->n * TILES;
    float at[TOGETHER][PYR_PAIR_COLUMNS];

    for (size_t t = 0; t < tiles; t++) {
        pyr_pairs_tile(PYR_PAIR_DOT, at, directions, s->directions + (size_t)first * (size_t)s->d,
                       s->descriptors[which] + t * (size_t)s->d * PYR_PAIR_COLUMNS, s->d);
        for (int i = 0; i < directions; i++)
            memcpy(to + ((size_t)i * tiles + t) * PYR_PAIR_COLUMNS, at[i], sizeof at[i]);
    }
}

/* Distances along the `task`-th TOGETHER directions. */
static pyr_status along_directions(void *arg, int task, int lane)
{
    swd *s = arg;
    lane_memory *m = &s->lanes[lane];
    size_t n = (size_t)s->n * PATCHES;
    int first = task * TOGETHER, directions = DIRECTIONS - first < TOGETHER ? DIRECTIONS - first : TOGETHER;

    for (int which = 0; which < 2; which++)
        project(s, which, first, directions, m->projected[which]);
    for (int i = 0; i < directions; i++) {
        float *a = m->projected[0] + (size_t)i * n, *b = m->projected[1] + (size_t)i * n;
        double sum = 0;

        sort(a, m->sorted, n, m->count);
        sort(b, a, n, m->count);
        for (size_t j = 0; j < n; j++)
            sum += fabs((double)m->sorted[j] - a[j]);
        s->distance[first + i] = sum / (double)n;
    }
    return PYR_OK;
}

static pyr_status one_level(double *out, swd *s, int level, pyr_pool *pool)
{
    double sum = 0;

    s->level = level;
    s->patch_h = s->h[level] < SIDE ? s->h[level] : SIDE;
    s->patch_w = s->w[level] < SIDE ? s->w[level] : SIDE;
    s->d = s->patch_h * s->patch_w * s->c;
    PYR_TRY(describe(s, 0, pool));
    PYR_TRY(describe(s, 1, pool));
    draw_directions(s);
    PYR_TRY(pyr_tasks_run(pool, (DIRECTIONS + TOGETHER - 1) / TOGETHER, along_directions, s));
    for (int i = 0; i < DIRECTIONS; i++)
        sum += s->distance[i];
    *out = 1000 * sum / DIRECTIONS;
    return PYR_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static void find_levels(swd *s, int h, int w)
{
    for (; s->levels < PYR_SWD_LEVELS; h = (h + 1) / 2, w = (w + 1) / 2) {
        if (s->levels && (h < SIDE || w < SIDE))
            return;
        s->h[s->levels] = h;
        s->w[s->levels++] = w;
    }
}

static pyr_status reserve(swd *s)
{
    const char *what = "a sliced Wasserstein distance";
    size_t n = (size_t)s->n, c = (size_t)s->c, d = SIDE * SIDE * c,
           pixels = (size_t)s->h[0] * (size_t)s->w[0] * c;

    PYR_TRY(pyr_new(&s->moments, n * c * 2, sizeof *s->moments, what));
    PYR_TRY(pyr_new(&s->mean, c, sizeof *s->mean, what));
    PYR_TRY(pyr_new(&s->scale, c, sizeof *s->scale, what));
    PYR_TRY(pyr_new(&s->directions, DIRECTIONS * d, sizeof *s->directions, what));
    PYR_TRY(pyr_new(&s->distance, DIRECTIONS, sizeof *s->distance, what));
    PYR_TRY(pyr_new(&s->lanes, (size_t)s->n_lanes, sizeof *s->lanes, what));
    for (int which = 0; which < 2; which++)
        PYR_TRY(pyr_new(&s->descriptors[which], n * PATCHES * d, sizeof(float), what));
    for (int lane = 0; lane < s->n_lanes; lane++) {
        lane_memory *m = &s->lanes[lane];

        for (int i = 0; i < 4; i++)
            PYR_TRY(pyr_new(&m->image[i], pixels, sizeof(float), what));
        for (int which = 0; which < 2; which++)
            PYR_TRY(pyr_new(&m->projected[which], TOGETHER * n * PATCHES, sizeof(float), what));
        PYR_TRY(pyr_new(&m->sorted, n * PATCHES, sizeof *m->sorted, what));
        PYR_TRY(pyr_new(&m->count, (size_t)DIGITS << BITS, sizeof *m->count, what));
    }
    return PYR_OK;
}

static void release(swd *s)
{
    for (int lane = 0; s->lanes && lane < s->n_lanes; lane++) {
        lane_memory *m = &s->lanes[lane];

        for (int i = 0; i < 4; i++)
            pyr_free(m->image[i]);
        for (int which = 0; which < 2; which++)
            pyr_free(m->projected[which]);
        pyr_free(m->sorted);
        pyr_free(m->count);
    }
    for (int which = 0; which < 2; which++)
        pyr_free(s->descriptors[which]);
    pyr_free(s->lanes);
    pyr_free(s->distance);
    pyr_free(s->directions);
    pyr_free(s->scale);
    pyr_free(s->mean);
    pyr_free(s->moments);
}

int64_t pyr_swd_images(const pyr_pixels_set *a, const pyr_pixels_set *b)
{
    int64_t smaller = a->n < b->n ? a->n : b->n;

    return smaller < PYR_SWD_IMAGES ? smaller : PYR_SWD_IMAGES;
}

pyr_status pyr_sliced_wasserstein(double out[PYR_SWD_LEVELS], int *levels, const pyr_pixels_set *a,
                                  const pyr_pixels_set *b, uint64_t seed, pyr_pool *pool)
{
    swd s = {.set = {a, b},
             .bits = pyr_pixels_bits(a, b),
             .seed = seed,
             .c = a->c,
             .n_lanes = pyr_tasks_lanes(pool)};
    pyr_status status;

    PYR_TRY(pyr_pixels_check(a, b));
    s.n = pyr_swd_images(a, b);
    find_levels(&s, a->h, a->w);
    PYR_TRY_OUT(reserve(&s));
    for (int level = 0; level < s.levels; level++)
        PYR_TRY_OUT(one_level(&out[level], &s, level, pool));
    *levels = s.levels;
out:
    release(&s);
    return status;
}
