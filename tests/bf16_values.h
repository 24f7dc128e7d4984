/* bf16_values.h - the tests' own conversion to and from bf16, from its definition: the upper half of a float. */
#ifndef PYR_TESTS_BF16_VALUES_H
#define PYR_TESTS_BF16_VALUES_H

#include <stdint.h>
#include <string.h>

/* The nearest bf16 (8 significant bits, a float's exponents), of two the even one. Not for NaN. */
static inline uint16_t bf16_of(double number)
{
    float narrow = (float)number;
    uint32_t bits;

    memcpy(&bits, &narrow, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

static inline double bf16_value(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float wide;

    memcpy(&wide, &bits, sizeof wide);
    return (double)wide;
}

#endif
