/* columns.h - sums over the pixels of an image, channel by channel.
 *
 * A block takes some neighbouring channels of an image. Its threads do the work of up to WORKERS workers: a
 * worker has a column of four neighbouring channels (of one, where rows of channels do not begin at multiples
 * of four) and, of `rows` workers with the same column, every rows-th pixel. So threads that follow one
 * another read what lies together, and what belongs to a channel is looked up once. The workers' sums are
 * added in an order that depends on shapes alone. */
#ifndef PYR_KERNELS_CUDA_COLUMNS_H
#define PYR_KERNELS_CUDA_COLUMNS_H

#include "kernels/cuda/cuda.h"

enum { WORKERS = 256 };

/* Channels of a column, in tensors of `c` channels. */
static inline int column_width(int c)
{
    return c % 4 ? 1 : 4;
}

/* Workers for each of `columns` <= WORKERS columns of that many pixels: a power of two. */
static __host__ __device__ inline int rows_for(int columns, size_t pixels)
{
    int rows = 1;

    while (2 * rows * columns <= WORKERS && (size_t)rows < pixels)
        rows *= 2;
    return rows;
}

/* Threads of a block for them. */
static inline unsigned threads_for(int columns, size_t pixels)
{
    return (unsigned)((columns * rows_for(columns, pixels) + 31) / 32 * 32);
}

/* sums (rows x width, shared): the first row becomes the sum of all. Each thread of the block must call it,
 * after its part of the rows is written. T: float or double. */
template <class T> static __device__ inline void sum_rows(T *sums, int rows, int width)
{
    for (int half = rows / 2; half; half /= 2) {
        __syncthreads();
        PYR_EACH_OF_BLOCK(i, (size_t)(half * width))
        {
            sums[i] += sums[i + half * width];
        }
    }
    __syncthreads();
}

#endif
