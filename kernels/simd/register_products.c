/* register_products.c - products whose factors and sums stay in registers, in the widest instructions of each set.
 *
 * A multiply-add takes 4 to 6 clocks and two can begin in each: CHAINS sums that do not wait for one another. */
#include "kernels/simd/register_products.h"

#include "kernels/simd/amx.h"
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

#if PYR_BY_AMX
/* With AMX sums stay, and factors come from the first cache: all 32 x 32 sums grow by 32 products a round. */
enum { SIDE = 2 * PYR_AMX_ROWS };

static float run_tiles(size_t rounds)
{
    _Alignas(64) pyr_bf16 a[SIDE * SIDE], b[SIDE * SIDE];
    _Alignas(64) float sums[SIDE * SIDE];
    const pyr_amx_tiles rows = {(const char *)a, PYR_AMX_ROW_BYTES, sizeof a / 2};
    const pyr_amx_tiles columns = {(const char *)b, PYR_AMX_ROW_BYTES, sizeof b / 2};

    for (int i = 0; i < SIDE * SIDE; i++) {
        a[i] = pyr_bf16_of_float(factor);
        b[i] = pyr_bf16_of_float(summand);
    }
    pyr_amx_begin();
    pyr_amx_zero();
    for (size_t r = 0; r < rounds; r++)
        pyr_amx_add(true, true, rows, columns);
    pyr_amx_store(true, true, sums, SIDE);
    pyr_amx_end();
    return sums[0] + sums[SIDE - 1] + sums[SIDE * (SIDE - 1)] + sums[SIDE * SIDE - 1];
}
#endif

double OF_SET(pyr_register_products)(float *sum, bool bf16, size_t rounds)
{
#if PYR_BY_AMX
    if (bf16) {
        *sum = run_tiles(rounds);
        return (double)rounds * SIDE * SIDE * SIDE * 2;
    }
#elif defined(__AVX512BF16__)
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
