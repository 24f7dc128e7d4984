/* counts.h - parts of counts. */
#ifndef PYR_KERNELS_SIMD_COUNTS_H
#define PYR_KERNELS_SIMD_COUNTS_H

static inline int divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

static inline int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Cut `all` into the fewest parts of at most `most`, about equal: the size of the next one. */
static inline int pyr_next_part(int all, int most)
{
    return divide_up(all, divide_up(all, most));
}

#endif
