/* fake_parts.h - what the sources of the libraries that are none share. */
#ifndef PYR_TESTS_CUDA_FAKE_PARTS_H
#define PYR_TESTS_CUDA_FAKE_PARTS_H

#include <cudnn.h>

#include <string.h>

struct cudnnContext {
    cudaStream_t stream;
};

/* `why` is what cudnnGetLastErrorString says next. */
cudnnStatus_t fake_refuse(cudnnStatus_t status, const char *why);

/* ---- numbers ---- */

static inline float fake_wide(unsigned short bits)
{
    unsigned value = (unsigned)bits << 16;
    float number;

    memcpy(&number, &value, sizeof number);
    return number;
}

/* To the nearest with `kept` bits of the fraction, ties to even. */
static inline float fake_rounded(float number, int kept)
{
    unsigned bits, drop = 23u - (unsigned)kept;

    memcpy(&bits, &number, sizeof bits);
    bits += (1u << (drop - 1)) - 1 + (bits >> drop & 1);
    bits &= ~((1u << drop) - 1);
    memcpy(&number, &bits, sizeof number);
    return number;
}

static inline float fake_number_at(const void *data, bool half, size_t i)
{
    return half ? fake_wide(((const unsigned short *)data)[i]) : ((const float *)data)[i];
}

static inline void fake_put_number(void *data, bool half, size_t i, float value)
{
    unsigned bits;

    if (!half) {
        ((float *)data)[i] = value;
        return;
    }
    value = fake_rounded(value, 7);
    memcpy(&bits, &value, sizeof bits);
    ((unsigned short *)data)[i] = (unsigned short)(bits >> 16);
}

/* What an algorithm that is not deterministic does to a sum. */
static inline double fake_chance()
{
    static unsigned calls;

    return 1 + 1e-4 * (++calls % 7);
}

#endif
