/* write_npz.h - images of 8 bits as an NPZ, in one call. */
#ifndef PYR_TESTS_WRITE_NPZ_H
#define PYR_TESTS_WRITE_NPZ_H

#include "arrays/npz_file.h"

static inline pyr_status write_npz(const char *path, const uint8_t *images, int64_t n, int h, int w, int c,
                                   const int32_t *labels)
{
    pyr_npz npz;

    PYR_TRY(pyr_npz_open(&npz, path, n, h, w, c, 8));
    PYR_TRY(pyr_npz_add(&npz, images, n));
    return pyr_npz_close(&npz, labels);
}

#endif
