/* order.c - a permutation of the images for each epoch, computed one place at a time. */
#include "images/order.h"

#include "base/philox.h"

enum { ROUNDS = 6 };

static uint64_t shuffle(uint64_t value, int half, uint64_t seed, uint32_t epoch)
{
    uint64_t mask = (UINT64_C(1) << half) - 1, left = value >> half, right = value & mask;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        pyr_rng4 r = pyr_philox(seed, (uint32_t)right, round, epoch, PYR_RNG_ORDER);
        uint64_t next = left ^ (r.v[0] & mask);

        left = right;
        right = next;
    }
    return left << half | right;
}

int64_t pyr_order(uint64_t seed, int64_t position, int64_t count)
{
    uint64_t n = (uint64_t)count, value = (uint64_t)position % n;
    uint32_t epoch = (uint32_t)((uint64_t)position / n);
    int half = 1;

    while (UINT64_C(1) << 2 * half < n)
        half++;
    do
        value = shuffle(value, half, seed, epoch);
    while (value >= n);
    return (int64_t)value;
}
