/* register_products.c - products whose factors and sums stay in registers, in the widest instructions of each set.
 *
 * A multiply-add takes 4 to 6 clocks and two can begin in each: CHAINS sums that do not wait for one another. */
#include "kernels/simd/register_products.h"

#include "kernels/simd/vec.h"
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

enum { CHAINS = 12 };

/* Read when a loop begins, so that they are not known before. x = a x + b tends to b / (1 - a): nothing overflows,
 * nothing becomes denormal. */
static const volatile float factor = 0.75F, summand = 0.25F;

PYR_INLINE vec product(vec sum, vec a, vec b)
{
    return sum * a + b;
}

/* sum + pairs of a times pairs of b: bf16 are upper halves of floats, and lower halves that are zero. */
PYR_INLINE vec pair_products(vec sum, vec a, vec b)
{
#ifdef __AVX512BF16__
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    return product(sum, a, b);
#endif
}

/* CHAINS sums are taken a step further, `rounds` times; returned is what they come to. */
PYR_INLINE float run(bool pairs, size_t rounds)
{
    const vec a = all(factor), b = all(summand);
    vec sum[CHAINS];
    float of_all = 0;

    UNROLL
    for (int i = 0; i < CHAINS; i++)
        sum[i] = all((float)(i + (i > 9)) * 0.1F); /* 1 is where they tend to */
    for (size_t r = 0; r < rounds; r++)
        UNROLL
    for (int i = 0; i < CHAINS; i++)
        sum[i] = pairs ? pair_products(sum[i], a, b) : product(sum[i], a, b);
    UNROLL
    for (int i = 0; i < CHAINS; i++)
        of_all += sum[i][0];
    return of_all;
}

double OF_SET(pyr_register_products)(float *sum, bool bf16, size_t rounds)
{
#ifdef __AVX512BF16__
    if (bf16) {
        *sum = run(true, rounds);
        return CHAINS * (double)rounds * LANES * 4;
    }
#else
    (void)bf16;
#endif
    *sum = run(false, rounds);
    return CHAINS * (double)rounds * LANES * 2;
}
