/* images_cpu.c - numbers of stored samples and the pyramid's resampling in vector code, bit for bit those of
 * the reference.
 *
 * Both passes of resampling multiply and add doubles in the reference's order, never fused, so that an
 * analysed image is the same on every backend whatever the filter. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"
#ifdef __AVX512F__
#include <immintrin.h>
#endif
#ifdef __clang__ /* gcc's -std=c11 never fuses, and knows no such line */
#pragma STDC FP_CONTRACT OFF
#endif

enum { BLOCK_BYTES = 16 * 1024 }; /* between the passes; with what is read and written it stays in L1 */

typedef struct resampling {
    const pyr_axis *rows, *cols;
    size_t c, line; /* channels; numbers of a line between the passes */
    double grid;
} resampling;

/* ---- rows -------------------------------------------------------------------------------------- */

/* One line: the sum of `width` lines of x, each `line` numbers after the one before. The reference's sums
 * begin with 0, which matters to the sign of a zero. */
static void add_lines(double *restrict mid, const float *restrict x, const float *tap, int width, size_t line)
{
    double a = (double)tap[0], b = width > 1 ? (double)tap[1] : 0;

    if (width == 2) {
        for (size_t i = 0; i < line; i++)
            mid[i] = 0.0 + a * (double)x[i] + b * (double)x[line + i];
        return;
    }
    for (size_t i = 0; i < line; i++)
        mid[i] = 0.0 + a * (double)x[i];
    for (int j = 1; j < width; j++) {
        b = (double)tap[j];
        for (size_t i = 0; i < line; i++)
            mid[i] += b * (double)x[(size_t)j * line + i];
    }
}

static void rows_of_image(const resampling *r, double *mid, const float *x)
{
    const pyr_axis *rows = r->rows;

    for (size_t o = 0; o < (size_t)rows->n_out; o++)
        add_lines(mid + o * r->line, x + (size_t)rows->start[o] * r->line,
                  (const float *)rows->tap + o * (size_t)rows->width, rows->width, r->line);
}

/* ---- columns ----------------------------------------------------------------------------------- */

/* Output f = o * c + channel of a line. */
static float column(const resampling *r, const double *mid, size_t f)
{
    const pyr_axis *cols = r->cols;
    size_t o = f / r->c, width = (size_t)cols->width;
    const float *tap = (const float *)cols->tap + o * width;
    const double *first = mid + (size_t)cols->start[o] * r->c + f % r->c;
    double sum = 0;

    for (size_t j = 0; j < width; j++)
        sum += (double)tap[j] * first[j * r->c];
    return (float)(r->grid > 0 ? nearbyint(sum / r->grid) * r->grid : sum);
}

static void columns_one_by_one(const resampling *r, float *y, const double *mid, size_t lines, size_t first,
                               size_t end)
{
    size_t all = (size_t)r->cols->n_out * r->c;

    for (size_t l = 0; l < lines; l++)
        for (size_t f = first; f < end; f++)
            y[l * all + f] = column(r, mid + l * r->line, f);
}

#ifdef __AVX512F__

enum { LANES = 8, REACH = 2 * LANES, WIDEST = 16 };

/* Eight outputs next to each other. Tap j reads up to REACH numbers from base[j] on, of which lane i takes
 * number from[j][i]: two loads and a permutation. The same for all lines. */
typedef struct eight {
    size_t base[WIDEST];
    __m512i from[WIDEST];
    __m512d tap[WIDEST];
    __mmask8 low[WIDEST], high[WIDEST]; /* what of the two loads lies inside the line */
    __mmask16 there;                    /* outputs */
} eight;

/* false: a tap reaches further than that. */
static bool eight_at(eight *e, const resampling *r, size_t f, size_t outputs)
{
    const pyr_axis *cols = r->cols;
    size_t width = (size_t)cols->width, n = outputs - f < LANES ? outputs - f : LANES;

    e->there = (__mmask16)((1u << n) - 1);
    for (size_t j = 0; j < width; j++) {
        size_t at[LANES] = {0}, base = SIZE_MAX, left;
        int64_t from[LANES] = {0};
        double tap[LANES] = {0};

        for (size_t i = 0; i < n; i++) {
            size_t o = (f + i) / r->c;

            at[i] = ((size_t)cols->start[o] + j) * r->c + (f + i) % r->c;
            tap[i] = (double)((const float *)cols->tap)[o * width + j];
            base = at[i] < base ? at[i] : base;
        }
        for (size_t i = 0; i < n; i++) {
            from[i] = (int64_t)(at[i] - base);
            if (from[i] >= REACH)
                return false;
        }
        left = r->line - base;
        e->base[j] = base;
        e->low[j] = (__mmask8)(left < LANES ? (1u << left) - 1 : 0xff);
        e->high[j] = (__mmask8)(left <= LANES ? 0 : left < REACH ? (1u << (left - LANES)) - 1 : 0xff);
        e->from[j] = _mm512_loadu_si512(from);
        e->tap[j] = _mm512_loadu_pd(tap);
    }
    return true;
}

static inline __m512d term(const eight *e, int j, const double *mid)
{
    const double *first = mid + e->base[j];
    __m512d a = _mm512_maskz_loadu_pd(e->low[j], first), b = _mm512_maskz_loadu_pd(e->high[j], first + LANES);

    return _mm512_mul_pd(e->tap[j], _mm512_permutex2var_pd(a, e->from[j], b));
}

/* to_grid: 1 / grid, exact as grid is a power of two; 0: no rounding. */
static void columns_eight(const eight *e, const resampling *r, float *y, const double *mid, size_t lines,
                          double to_grid)
{
    __m512d up = _mm512_set1_pd(to_grid), down = _mm512_set1_pd(r->grid);
    size_t all = (size_t)r->cols->n_out * r->c;

    for (size_t l = 0; l < lines; l++, mid += r->line, y += all) {
        __m512d sum = _mm512_add_pd(_mm512_setzero_pd(), term(e, 0, mid));

        for (int j = 1; j < r->cols->width; j++)
            sum = _mm512_add_pd(sum, term(e, j, mid));
        if (to_grid > 0)
            sum = _mm512_mul_pd(_mm512_roundscale_pd(_mm512_mul_pd(sum, up), _MM_FROUND_NEARBYINT), down);
        _mm512_mask_storeu_ps(y, e->there, _mm512_castps256_ps512(_mm512_cvtpd_ps(sum)));
    }
}

static void columns(const resampling *r, float *y, const double *mid, size_t lines)
{
    size_t all = (size_t)r->cols->n_out * r->c;
    int exponent;
    bool power = frexp(r->grid, &exponent) == 0.5, fits = r->cols->width <= WIDEST && (power || r->grid <= 0);

    for (size_t f = 0; f < all; f += LANES) {
        eight e;

        if (fits && eight_at(&e, r, f, all))
            columns_eight(&e, r, y + f, mid, lines, power ? 1 / r->grid : 0);
        else
            columns_one_by_one(r, y, mid, lines, f, f + LANES < all ? f + LANES : all);
    }
}

#else

static void columns(const resampling *r, float *y, const double *mid, size_t lines)
{
    columns_one_by_one(r, y, mid, lines, 0, (size_t)r->cols->n_out * r->c);
}

#endif

/* ---- both -------------------------------------------------------------------------------------- */

void pyr_cpu_resample(pyr_kernels *k, void *dst, const void *src, int n, int c, const pyr_axis *rows,
                      const pyr_axis *cols, double grid, void *scratch)
{
    resampling r = {
        .rows = rows, .cols = cols, .c = (size_t)c, .line = (size_t)cols->n_in * (size_t)c, .grid = grid};
    size_t lines = (size_t)rows->n_out, mid = lines * r.line, out = lines * (size_t)cols->n_out * r.c;
    size_t at_a_time = BLOCK_BYTES / (mid * sizeof(double)), images = (size_t)n, some;
    const float *x = src;
    double *between = scratch;
    float *y = dst;

    (void)k;
    at_a_time = at_a_time ? at_a_time : 1;
    for (size_t first = 0; first < images; first += some) {
        some = images - first < at_a_time ? images - first : at_a_time;
        for (size_t i = 0; i < some; i++)
            rows_of_image(&r, between + i * mid, x + (first + i) * (size_t)rows->n_in * r.line);
        columns(&r, y + first * out, between, some * lines);
    }
}

void pyr_cpu_clamp(pyr_kernels *k, void *dst, double lo, double hi, size_t count)
{
    float *x = dst, least = (float)lo, most = (float)hi;

    (void)k;
    for (size_t i = 0; i < count; i++) { /* NaN stays */
        float v = x[i] < least ? least : x[i];

        x[i] = v > most ? most : v;
    }
}

/* ---- stored samples ---------------------------------------------------------------------------- */

static void from_bytes(float *restrict x, const uint8_t *restrict p, size_t n, int top, float scale)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(2 * p[i] - top) * scale;
}

static void from_words(float *restrict x, const uint16_t *restrict p, size_t n, int top, float scale)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(2 * p[i] - top) * scale;
}

/* A row, its pixels in the opposite order. */
static inline void mirror_row(float *row, size_t w, size_t c)
{
    for (size_t left = 0, right = (w - 1) * c; left < right; left += c, right -= c)
        for (size_t ch = 0; ch < c; ch++) {
            float keep = row[left + ch];

            row[left + ch] = row[right + ch];
            row[right + ch] = keep;
        }
}

static void mirror(float *x, size_t h, size_t w, size_t c)
{
    for (float *end = x + h * w * c; x < end; x += w * c)
        switch (c) { /* a constant lets the compiler unroll: 2.3 times as fast at c = 1 */
        case 1:
            mirror_row(x, w, 1);
            break;
        case 3:
            mirror_row(x, w, 3);
            break;
        default:
            mirror_row(x, w, c);
        }
}

void pyr_cpu_pixels(pyr_kernels *k, void *dst, const void *samples, int n, pyr_shape s, int bits,
                    const uint32_t *flip)
{
    size_t h = (size_t)s.h, w = (size_t)s.w, c = (size_t)s.c, each = h * w * c;
    int top = (1 << bits) - 1;
    float scale = ldexpf(1, -bits), *x = dst;

    (void)k;
    if (bits <= 8)
        from_bytes(x, samples, (size_t)n * each, top, scale);
    else
        from_words(x, samples, (size_t)n * each, top, scale);
    for (int i = 0; flip && i < n; i++)
        if (flip[i])
            mirror(x + (size_t)i * each, h, w, c);
}
