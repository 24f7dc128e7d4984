/* metric_loops.c - dot products, squared distances and covariances of many vectors. */
#include "kernels/cpu/metric_loops.h"

#include <string.h>

#ifdef __clang__ /* gcc's -std=c11 never fuses, and knows no such line */
#pragma STDC FP_CONTRACT OFF
#endif

/* Eight floats; where registers are wider or narrower the compiler joins or splits them. Six rows by two of
 * these are 12 sums, which with two columns and one element of a row fill 15 of AVX2's 16 registers. */
typedef float eight __attribute__((vector_size(32)));

#define STRIP_FUNCTION(name, term)                                                                           \
    static void name(double(*sum)[PYR_STRIP_COLUMNS], const float *const row[PYR_STRIP_ROWS],                \
                     const float(*packed)[PYR_STRIP_COLUMNS], int n)                                         \
    {                                                                                                        \
        eight s[PYR_STRIP_ROWS][2] = {{{0}}};                                                                \
                                                                                                             \
        for (int j = 0; j < n; j++) {                                                                        \
            eight b0, b1;                                                                                    \
                                                                                                             \
            memcpy(&b0, packed[j], sizeof b0);                                                               \
            memcpy(&b1, packed[j] + 8, sizeof b1);                                                           \
            for (int r = 0; r < PYR_STRIP_ROWS; r++) {                                                       \
                float a = row[r][j];                                                                         \
                                                                                                             \
                s[r][0] += term(a, b0);                                                                      \
                s[r][1] += term(a, b1);                                                                      \
            }                                                                                                \
        }                                                                                                    \
        for (int r = 0; r < PYR_STRIP_ROWS; r++)                                                             \
            for (int c = 0; c < PYR_STRIP_COLUMNS; c++)                                                      \
                sum[r][c] += (double)s[r][c / 8][c % 8];                                                     \
    }
#define PRODUCT(a, b) ((a) * (b))
#define SQUARED(a, b) (((a) - (b)) * ((a) - (b)))
STRIP_FUNCTION(dots, PRODUCT)
STRIP_FUNCTION(distances2, SQUARED)

/* A row of the sums passes through the first cache once for all of the vectors. */
static void products(double *restrict sums, int d, const double *restrict rows)
{
    for (int i = 0; i < d; i++) {
        double *restrict to = sums + (size_t)i * (size_t)d;
        double f[PYR_PRODUCT_ROWS];

        for (int r = 0; r < PYR_PRODUCT_ROWS; r++)
            f[r] = rows[(size_t)r * (size_t)d + (size_t)i];
        for (int j = i; j < d; j++) {
            double sum = to[j];

            for (int r = 0; r < PYR_PRODUCT_ROWS; r++)
                sum += f[r] * rows[(size_t)r * (size_t)d + (size_t)j];
            to[j] = sum;
        }
    }
}

/* At any address. Written out: of plain loops over 16 sums gcc 12 made shuffles, of
 * vectors of 16 without AVX-512 loads and stores in each round. */
typedef float eight_anywhere __attribute__((vector_size(32), aligned(4), may_alias));

/* Differences are squared themselves: |x|^2 + |y|^2 - 2 xy would lose the digits of near pairs. Sums of 64
 * numbers in float, in 16 places, then double. */
static double square_distance(const float *a, const float *b, size_t size)
{
    double total = 0;
    size_t i = 0;

    while (i + 16 <= size) {
        eight sum = {0}, sum2 = {0};

        for (int round = 0; round < 64 && i + 16 <= size; round++, i += 16) {
            const eight_anywhere *va = (const eight_anywhere *)(a + i), *vb = (const eight_anywhere *)(b + i);
            eight d = va[0] - vb[0], d2 = va[1] - vb[1];

            sum += d * d;
            sum2 += d2 * d2;
        }
        sum += sum2;
        for (int l = 0; l < 8; l++)
            total += (double)sum[l];
    }
    for (; i < size; i++)
        total += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return total;
}

const pyr_metric_loops OF_SET(pyr_metric_loops) = {
    .dots = dots, .distances2 = distances2, .square_distance = square_distance, .products = products};
