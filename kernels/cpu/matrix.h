/* matrix.h - products of small matrices of floats that lie in the caches: attention's. */
#ifndef PYR_KERNELS_CPU_MATRIX_H
#define PYR_KERNELS_CPU_MATRIX_H

#include "kernels/simd/conv_parts.h"
#include "kernels/simd/vec.h"

/* Element (row, k) of the left factor is at[row * row_step + k * step], so that it may be one that lies turned. */
typedef struct left_factor {
    const float *at;
    size_t row_step, step;
} left_factor;

/* A row of the right factor and of the result: `row` floats from one to the next. */
typedef struct matrix {
    float *at;
    size_t row;
} matrix;

PYR_INLINE void multiply_tile(int rows, int vectors, left_factor a, const float *b, size_t b_row,
                              size_t depth, float *c, size_t c_row, bool add)
{
    vec sum[ROWS][VECTORS];

    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int v = 0; v < vectors; v++)
        sum[r][v] = add ? load(c + (size_t)r * c_row + v * LANES) : all(0);
    for (size_t k = 0; k < depth; k++, a.at += a.step, b += b_row) {
        vec factor[VECTORS];

        UNROLL
        for (int v = 0; v < vectors; v++)
            factor[v] = load(b + v * LANES);
        UNROLL
        for (int r = 0; r < rows; r++) {
            vec value = all(a.at[(size_t)r * a.row_step]);

            UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = pyr_fma(value, factor[v], sum[r][v]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int v = 0; v < vectors; v++)
        store(c + (size_t)r * c_row + v * LANES, sum[r][v]);
}

/* c (rows x cols) = or += a (rows x depth) b (depth x cols); cols: a multiple of LANES. Each sum is made in the order
 * of the depth, whatever the sizes. */
static void multiply_matrices(size_t rows, size_t cols, size_t depth, left_factor a, matrix b, matrix c,
                              bool add)
{
    for (size_t col = 0; col < cols;) {
        bool wide = cols - col >= OUTPUTS;
        const float *from = b.at + col;

        for (size_t row = 0; row < rows;) {
            int some = next_rows((int)(rows - row));
            left_factor part = {a.at + row * a.row_step, a.row_step, a.step};
            float *to = c.at + row * c.row + col;

            if (wide) {
                BY_ROWS(some, multiply_tile, VECTORS, part, from, b.row, depth, to, c.row, add)
            } else {
                BY_ROWS(some, multiply_tile, 1, part, from, b.row, depth, to, c.row, add)
            }
            row += (size_t)some;
        }
        col += wide ? OUTPUTS : LANES;
    }
}

#endif
