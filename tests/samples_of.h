/* samples_of.h - an image of a data set as its samples, for tests. */
#ifndef PYR_TESTS_SAMPLES_OF_H
#define PYR_TESTS_SAMPLES_OF_H

#include "images/dataset.h"
#include "tests/check.h"

/* Good until four more were asked for. */
static inline const void *samples_of(const pyr_dataset *set, pyr_split split, int64_t i)
{
    static char block[4][1 << 16];
    static int next;
    char *at = block[next = (next + 1) % 4];

    CHECK(pyr_dataset_sample_bytes(set) <= sizeof block[0]);
    CHECK_OK(pyr_dataset_read(set, split, i, at));
    return at;
}

#endif
