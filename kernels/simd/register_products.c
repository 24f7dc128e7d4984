/* register_products.c - products whose factors and sums stay in registers, in the widest instructions of each set.
 *
 * A multiply-add takes 4 to 6 clocks and two can begin in each: CHAINS sums that do not wait for one another. The
 * functions say themselves which instructions they are made of: no options of the compiler are needed. */
#include "kernels/simd/register_products.h"

#ifdef __x86_64__
#include <immintrin.h>
#elif defined __aarch64__
#include <arm_neon.h>
#endif

enum { CHAINS = 12 };

/* Read when a loop begins, so that they are not known before. x = a x + b tends to b / (1 - a): nothing overflows,
 * nothing becomes denormal. */
static const volatile float factor = 0.75F, summand = 0.25F;

/* A function NAME that takes CHAINS sums of type TYPE a STEP further, `rounds` times; it returns what they come to. */
#define LOOP(NAME, ATTRIBUTES, TYPE, ALL, STEP, FIRST)                                                       \
    ATTRIBUTES static float NAME(size_t rounds)                                                              \
    {                                                                                                        \
        const TYPE a = ALL(factor), b = ALL(summand);                                                        \
        TYPE sum0 = ALL(0.0F), sum1 = ALL(0.1F), sum2 = ALL(0.2F), sum3 = ALL(0.3F), sum4 = ALL(0.4F),       \
             sum5 = ALL(0.5F), sum6 = ALL(0.6F), sum7 = ALL(0.7F), sum8 = ALL(0.8F), sum9 = ALL(0.9F),       \
             sum10 = ALL(1.1F), sum11 = ALL(1.2F);                                                           \
                                                                                                             \
        for (size_t i = 0; i < rounds; i++) {                                                                \
            STEP(sum0, a, b);                                                                                \
            STEP(sum1, a, b);                                                                                \
            STEP(sum2, a, b);                                                                                \
            STEP(sum3, a, b);                                                                                \
            STEP(sum4, a, b);                                                                                \
            STEP(sum5, a, b);                                                                                \
            STEP(sum6, a, b);                                                                                \
            STEP(sum7, a, b);                                                                                \
            STEP(sum8, a, b);                                                                                \
            STEP(sum9, a, b);                                                                                \
            STEP(sum10, a, b);                                                                               \
            STEP(sum11, a, b);                                                                               \
        }                                                                                                    \
        return FIRST(sum0) + FIRST(sum1) + FIRST(sum2) + FIRST(sum3) + FIRST(sum4) + FIRST(sum5) +           \
               FIRST(sum6) + FIRST(sum7) + FIRST(sum8) + FIRST(sum9) + FIRST(sum10) + FIRST(sum11);          \
    }

#ifdef __x86_64__

#define SSE_STEP(sum, a, b) sum = _mm_add_ps(_mm_mul_ps(sum, a), b)
LOOP(products_sse, , __m128, _mm_set1_ps, SSE_STEP, _mm_cvtss_f32)

#define AVX2_STEP(sum, a, b) sum = _mm256_fmadd_ps(sum, a, b)
LOOP(products_avx2, __attribute__((target("avx2,fma"))), __m256, _mm256_set1_ps, AVX2_STEP, _mm256_cvtss_f32)

#define AVX512_STEP(sum, a, b) sum = _mm512_fmadd_ps(sum, a, b)
LOOP(products_avx512, __attribute__((target("avx512f"))), __m512, _mm512_set1_ps, AVX512_STEP,
     _mm512_cvtss_f32)

/* sum += pairs of a times pairs of b: bf16 are upper halves of floats, and lower halves that are zero. */
#define BF16_STEP(sum, a, b) sum = _mm512_dpbf16_ps(sum, (__m512bh)(a), (__m512bh)(b))
LOOP(products_bf16, __attribute__((target("avx512f,avx512bf16"))), __m512, _mm512_set1_ps, BF16_STEP,
     _mm512_cvtss_f32)

double pyr_register_products(float *sum, pyr_set set, bool bf16, size_t rounds)
{
    static const struct {
        float (*run)(size_t rounds);
        double flop; /* of a step */
    } rows[PYR_SETS] = {[PYR_SET_BASE] = {products_sse, 8},
                        [PYR_SET_AVX2] = {products_avx2, 16},
                        [PYR_SET_AVX512] = {products_avx512, 32},
                        [PYR_SET_AVX512_BF16] = {products_avx512, 32}};
    bool pairs = bf16 && set == PYR_SET_AVX512_BF16;

    *sum = pairs ? products_bf16(rounds) : rows[set].run(rounds);
    return CHAINS * (double)rounds * (pairs ? 64 : rows[set].flop);
}

#else

#ifdef __aarch64__
#define STEP(sum, a, b) sum = vfmaq_f32(b, sum, a)
#define FIRST(sum) vgetq_lane_f32(sum, 0)
LOOP(products, , float32x4_t, vdupq_n_f32, STEP, FIRST)
#else
#define SAME(x) (x)
#define STEP(sum, a, b) sum = sum * a + b
LOOP(products, , float, SAME, STEP, SAME)
#endif

double pyr_register_products(float *sum, pyr_set set, bool bf16, size_t rounds)
{
    (void)set;
    (void)bf16;
    *sum = products(rounds);
#ifdef __aarch64__
    return CHAINS * (double)rounds * 8;
#else
    return CHAINS * (double)rounds * 2;
#endif
}

#endif
