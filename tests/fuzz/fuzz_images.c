/* PNG, JPEG and IDX files that mean harm: read, or refused with a sentence, and
 * nothing is left behind. Seeds: tests/golden/images. */
#include "base/mem.h"
#include "images/idx_file.h"
#include "images/image_file.h"
#include "images/resize.h"
#include "tests/fuzz/input.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void as_image(const uint8_t *bytes, size_t n)
{
    pyr_image image, small;

    if (pyr_image_decode(&image, bytes, n, "input") != PYR_OK)
        return;
    if (pyr_image_bytes(&image) < 1 << 20 && pyr_image_fit(&small, &image, 5, 7, PYR_FIT_ASPECT) == PYR_OK) {
        uint16_t out[5 * 7 * 4];

        pyr_image_convert(out, &small, 1 + (int)n % 4, 16);
        pyr_image_free(&small);
    }
    pyr_image_free(&image);
}

static void as_idx(const uint8_t *bytes, size_t n)
{
    const char *path = fuzz_path("idx");
    pyr_idx idx;
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(bytes, 1, n, f) != n)
        abort();
    fclose(f);
    if (pyr_idx_open(&idx, path) == PYR_OK) {
        uint8_t *values = pyr_calloc(idx.count, pyr_npy_type_size(idx.type));

        if (values && pyr_idx_read(&idx, values, idx.count) == PYR_OK)
            (void)pyr_idx_end(&idx);
        pyr_free(values);
        pyr_idx_close(&idx);
    }
    remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    as_image(bytes, n);
    if (n >= 2 && (bytes[0] == 0 || bytes[0] == 0x1f))
        as_idx(bytes, n);
    if (pyr_mem().live_blocks != 0)
        abort();
    return 0;
}
