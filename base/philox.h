/* philox.h - counter-based random numbers: Philox 4x32-10.
 *
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3"
 * (SC 2011). A number depends on (key, counter) alone, so it is the same on
 * every backend, for every number of threads and every batch size.
 *
 * How pyrdiff spends the bits (design, "Randomness"):
 *   key     = the run's seed in training, the image's seed in sampling (64 bits)
 *   counter = { element / 4, image's index in the global batch, step, purpose | level << 16 }
 * One block of four 32-bit words serves the four elements 4q .. 4q+3. */
#ifndef PYR_BASE_PHILOX_H
#define PYR_BASE_PHILOX_H

#include "base/inline.h"
#include <math.h>
#include <stdint.h>

/* What the numbers are for; keeps streams apart. The level is added above. */
typedef enum pyr_purpose {
    PYR_RNG_INIT = 1,       /* initial weights; index = parameter, step = 0 */
    PYR_RNG_ORDER = 2,      /* order of the data; index = round of the cipher, step = epoch */
    PYR_RNG_FLIP = 3,       /* mirror an image */
    PYR_RNG_SIGMA = 4,      /* noise level of an image */
    PYR_RNG_NOISE = 5,      /* the noise of denoising score matching */
    PYR_RNG_AUGMENT = 6,    /* noise on the condition */
    PYR_RNG_DROPOUT = 7,    /* dropout masks; plus the operation's number above bit 24 */
    PYR_RNG_PRIOR = 8,      /* a sampler's starting noise */
    PYR_RNG_SAMPLER = 9,    /* noise that a sampler adds at a step */
    PYR_RNG_REPEAT = 10,    /* noise that takes a step back */
    PYR_RNG_TASK = 11,      /* what tasks draw: probes, noise on what is known */
    PYR_RNG_METRIC = 12,    /* what metrics draw: subsets, patches, directions (eval/) */
    PYR_RNG_DITHER = 13,    /* what is added to samples of b bits, to spread them over their cells */
    PYR_RNG_TRANSFORM = 15, /* geometric transformations of training images */
    PYR_RNG_CLASS = 14      /* the class of an image whose seed chooses it */
} pyr_purpose;

typedef struct pyr_rng4 {
    uint32_t v[4];
} pyr_rng4;

PYR_INLINE uint32_t pyr_rng_purpose(pyr_purpose purpose, int level)
{
    return (uint32_t)purpose | (uint32_t)level << 16;
}

/* The ten rounds. */
PYR_INLINE pyr_rng4 pyr_philox(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3)
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    pyr_rng4 r;

    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(b >> 32) ^ c1 ^ k0, n2 = (uint32_t)(a >> 32) ^ c3 ^ k1;

        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    r.v[0] = c0;
    r.v[1] = c1;
    r.v[2] = c2;
    r.v[3] = c3;
    return r;
}

/* Uniform in (0, 1): the middle of one of 2^23 cells (exact in float; with 2^24 the last would round to
 * 1). */
PYR_INLINE float pyr_uniform(uint32_t word)
{
    return ((float)(word >> 9) + 0.5f) * 0x1p-23f;
}

/* Two standard normals from two words (Box & Muller 1958). Computed in float
 * so that every backend sees the same formula; |value| < 5.9. */
PYR_INLINE void pyr_normal2(uint32_t w0, uint32_t w1, float out[2])
{
    float radius = sqrtf(-2.0f * logf(pyr_uniform(w0)));
    float angle = 6.28318530717958647692f * pyr_uniform(w1);

    out[0] = radius * cosf(angle);
    out[1] = radius * sinf(angle);
}

/* The four normals of elements 4q .. 4q+3 of a stream. */
PYR_INLINE void pyr_normal4(uint64_t key, uint32_t q, uint32_t index, uint32_t step, uint32_t purpose,
                            float out[4])
{
    pyr_rng4 r = pyr_philox(key, q, index, step, purpose);

    pyr_normal2(r.v[0], r.v[1], out);
    pyr_normal2(r.v[2], r.v[3], out + 2);
}

#endif
