/* random_cpu.c - normals and dither from counter-based streams, sixteen Philox blocks at a time.
 *
 * The integers are those of base/philox.h, and the formula is its too (Box & Muller 1958); logarithm, sine
 * and cosine are polynomials that the compiler turns into vector code. Every number goes through the same
 * instructions wherever it lies, a tail included, so that an image's noise has the same bits in any batch. */
#include "base/philox.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"
#ifdef __AVX512F__
#include <immintrin.h>
#endif

enum { BLOCKS = 16, NUMBERS = 4 * BLOCKS };

/* a b + c, rounded once where that is one instruction. (gcc's -std=c11 does not do it on its own.) */
static inline float fused(float a, float b, float c)
{
#ifdef __FMA__
    return fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/* log u for normal u > 0, relative error below 8.4e-8 on all uniforms: u = 2^e (1 + f), f in [sqrt 1/2 - 1,
 * sqrt 2 - 1), and the polynomial of Cephes' logf (Moshier 1989). Its leading term is f, so that it is exact
 * near u = 1. */
static inline float log_of(float u)
{
    uint32_t bits, shifted;
    float e, f, z, p;

    memcpy(&bits, &u, sizeof bits);
    shifted = bits - 0x3f3504f3u; /* sqrt 1/2 */
    e = (float)((int32_t)shifted >> 23);
    bits = (shifted & 0x007fffffu) + 0x3f3504f3u;
    memcpy(&f, &bits, sizeof f);
    f -= 1.0f;
    z = f * f;
    p = fused(7.0376836292e-2f, f, -1.1514610310e-1f);
    p = fused(p, f, 1.1676998740e-1f);
    p = fused(p, f, -1.2420140846e-1f);
    p = fused(p, f, 1.4249322787e-1f);
    p = fused(p, f, -1.6668057665e-1f);
    p = fused(p, f, 2.0000714765e-1f);
    p = fused(p, f, -2.4999993993e-1f);
    p = fused(p, f, 3.3333331174e-1f);
    p = fused(f * z, p, fused(-2.12194440e-4f, e, -0.5f * z));
    return fused(0.693359375f, e, f + p);
}

/* Cosine and sine of 0 <= angle <= 2 pi, absolute error below 9.3e-8: the nearest quarter turn taken off in
 * three parts (Cody & Waite 1980), and the polynomials of Cephes' sinf on [-pi/4, pi/4]. */
static inline void turn_of(float angle, float *cosine, float *sine)
{
    float quarter = rintf(angle * 0.636619772367581343f), r, z, s, c, swapped;
    uint32_t q = (uint32_t)(int32_t)quarter, bits;

    r = fused(quarter, -1.5703125f, angle);
    r = fused(quarter, -4.837512969970703125e-4f, r);
    r = fused(quarter, -7.549789948768648e-8f, r);
    z = r * r;
    s = fused(fused(-1.9515295891e-4f, z, 8.3321608736e-3f), z, -1.6666654611e-1f);
    s = fused(s * z, r, r);
    c = fused(fused(2.443315711809948e-5f, z, -1.388731625493765e-3f), z, 4.166664568298827e-2f);
    c = fused(c * z, z, fused(-0.5f, z, 1.0f));
    swapped = q & 1 ? s : c;
    s = q & 1 ? c : s;
    memcpy(&bits, &swapped, sizeof bits);
    bits ^= (q + 1) << 30 & 0x80000000u; /* cosine: below 0 in quarters 1 and 2 */
    memcpy(cosine, &bits, sizeof bits);
    memcpy(&bits, &s, sizeof bits);
    bits ^= q << 30 & 0x80000000u; /* sine: in quarters 2 and 3 */
    memcpy(sine, &bits, sizeof bits);
}

static inline void normal2(uint32_t w0, uint32_t w1, float *first, float *second)
{
    float radius = sqrtf(-2.0f * log_of(pyr_uniform(w0))), cosine, sine;

    turn_of(6.28318530717958647692f * pyr_uniform(w1), &cosine, &sine);
    *first = radius * cosine;
    *second = radius * sine;
}

/* words[j][i] is word j of block q + i. number[j][i] goes to out[4 i + j]. */
#ifdef __AVX512F__

/* Eight blocks a register, each word in the lower half of 64 bits: VPMULUDQ reads just that half, and what
 * is above it need not be cleared. gcc's own vectors of 32 bits pack and unpack in every round. */
static inline void philox_blocks(uint32_t words[4][BLOCKS], const uint32_t *stream, uint32_t q,
                                 uint32_t purpose)
{
    const __m512i even = _mm512_set1_epi64(0xD2511F53), odd = _mm512_set1_epi64(0xCD9E8D57);
    const __m256i count = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    for (uint32_t half = 0; half < BLOCKS; half += 8) {
        __m512i c0 = _mm512_cvtepu32_epi64(_mm256_add_epi32(_mm256_set1_epi32((int)(q + half)), count));
        __m512i c1 = _mm512_set1_epi64(stream[2]), c2 = _mm512_set1_epi64(stream[3]);
        __m512i c3 = _mm512_set1_epi64(purpose);
        uint32_t k0 = stream[0], k1 = stream[1];

        for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
            __m512i a = _mm512_mul_epu32(c0, even), b = _mm512_mul_epu32(c2, odd);

            c0 = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(b, 32), c1), _mm512_set1_epi64(k0));
            c2 = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(a, 32), c3), _mm512_set1_epi64(k1));
            c1 = b;
            c3 = a;
        }
        _mm256_storeu_si256((__m256i *)(void *)(words[0] + half), _mm512_cvtepi64_epi32(c0));
        _mm256_storeu_si256((__m256i *)(void *)(words[1] + half), _mm512_cvtepi64_epi32(c1));
        _mm256_storeu_si256((__m256i *)(void *)(words[2] + half), _mm512_cvtepi64_epi32(c2));
        _mm256_storeu_si256((__m256i *)(void *)(words[3] + half), _mm512_cvtepi64_epi32(c3));
    }
}

/* Lanes `first` .. first + 7 of a and b in turns. */
static inline __m512d in_turns(const float *a, const float *b, int first)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    __m512i lanes = _mm512_add_epi32(low, _mm512_set1_epi32(first));

    return _mm512_castps_pd(_mm512_permutex2var_ps(_mm512_loadu_ps(a), lanes, _mm512_loadu_ps(b)));
}

static inline void store_in_order(float *out, float number[4][BLOCKS])
{
    const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    const __m512i high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);

    for (int half = 0; half < BLOCKS; half += 8, out += NUMBERS / 2) {
        __m512d a = in_turns(number[0], number[1], half), b = in_turns(number[2], number[3], half);

        _mm512_storeu_ps(out, _mm512_castpd_ps(_mm512_permutex2var_pd(a, low, b)));
        _mm512_storeu_ps(out + 16, _mm512_castpd_ps(_mm512_permutex2var_pd(a, high, b)));
    }
}

#else

static inline void philox_blocks(uint32_t words[4][BLOCKS], const uint32_t *stream, uint32_t q,
                                 uint32_t purpose)
{
    uint64_t key = (uint64_t)stream[1] << 32 | stream[0];

    for (uint32_t i = 0; i < BLOCKS; i++) {
        pyr_rng4 r = pyr_philox(key, q + i, stream[2], stream[3], purpose);

        for (int j = 0; j < 4; j++)
            words[j][i] = r.v[j];
    }
}

static inline void store_in_order(float *out, float number[4][BLOCKS])
{
    for (int i = 0; i < BLOCKS; i++)
        for (int j = 0; j < 4; j++)
            out[4 * i + j] = number[j][i];
}

#endif

/* Elements 4q .. 4q + NUMBERS - 1. */
static void fill(float *out, const uint32_t *stream, uint32_t q, uint32_t purpose)
{
    uint32_t words[4][BLOCKS];
    float number[4][BLOCKS];

    philox_blocks(words, stream, q, purpose);
    for (int j = 0; j < 4; j += 2)
        for (int i = 0; i < BLOCKS; i++)
            normal2(words[j][i], words[j + 1][i], &number[j][i], &number[j + 1][i]);
    store_in_order(out, number);
}

void pyr_cpu_normals(pyr_kernels *k, void *dst, int images, size_t each, const uint32_t *stream,
                     uint32_t purpose, uint32_t index, uint32_t step)
{
    float *out = dst;

    (void)k;
    for (int n = 0; n < images; n++, stream += PYR_STREAM_WORDS, out += each) {
        const uint32_t at[PYR_STREAM_WORDS] = {stream[0], stream[1], stream[2] + index, stream[3] + step};
        size_t whole = each - each % NUMBERS;

        for (size_t e = 0; e < whole; e += NUMBERS)
            fill(out + e, at, (uint32_t)(e / 4), purpose);
        if (whole < each) {
            float tail[NUMBERS];

            fill(tail, at, (uint32_t)(whole / 4), purpose);
            memcpy(out + whole, tail, (each - whole) * sizeof *out);
        }
    }
}

/* As fill, with what dithering adds. */
static void fill_dither(float *out, const uint32_t *stream, uint32_t q, uint32_t purpose, float half)
{
    uint32_t words[4][BLOCKS];
    float number[4][BLOCKS];

    philox_blocks(words, stream, q, purpose);
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < BLOCKS; i++)
            number[j][i] = half * (2.0f * pyr_uniform(words[j][i]) - 1.0f);
    store_in_order(out, number);
}

void pyr_cpu_dither(pyr_kernels *k, void *dst, int images, size_t each, double half, const uint32_t *stream,
                    uint32_t purpose)
{
    float *out = dst, piece[NUMBERS];

    (void)k;
    for (int n = 0; n < images; n++, stream += PYR_STREAM_WORDS, out += each)
        for (size_t e = 0; e < each; e += NUMBERS) {
            size_t numbers = each - e < NUMBERS ? each - e : NUMBERS;

            fill_dither(piece, stream, (uint32_t)(e / 4), purpose, (float)half);
            for (size_t i = 0; i < numbers; i++)
                out[e + i] += piece[i];
        }
}

static pyr_status noise_forward(pyr_kernels *k, pyr_op *op)
{
    size_t each = (size_t)op->y.s.h * (size_t)op->y.s.w * (size_t)op->y.s.c;

    pyr_cpu_normals(k, op->y.data, op->y.s.n, each, op->x[0].data, op->purpose, 0, 0);
    return PYR_OK;
}

const pyr_op_impl pyr_cpu_noise = {.forward = noise_forward};
