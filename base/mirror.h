/* mirror.h - how an image goes on beyond its edges. */
#ifndef PYR_BASE_MIRROR_H
#define PYR_BASE_MIRROR_H

#include "base/inline.h"

/* Index of the half-sample symmetric continuation (..., 1, 0 | 0, 1, ...) of n samples, for any distance outside: period 2n. */
PYR_INLINE int pyr_mirrored(int i, int n)
{
    i %= 2 * n;
    if (i < 0)
        i += 2 * n;
    return i < n ? i : 2 * n - 1 - i;
}

#endif
