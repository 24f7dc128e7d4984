/* fuzz_images.c - PNG, JPEG and IDX files that are hostile: read, or refused with a sentence, and nothing is
 * left behind. Seeds: tests/golden/images. */
#include "arrays/idx_file.h"
#include "pictures/image_file.h"
#include "pictures/resize.h"
#include "tasks/mask.h"
#include "tests/fuzz/input.h"

enum { MOST = 1 << 22 }; /* whoever wants more values reads them in portions */

static void as_image(const uint8_t *bytes, size_t n)
{
    pyr_image image, small, mask = {0};
    pyr_text note = {0};

    if (pyr_image_decode(&image, bytes, n, "input") != PYR_OK)
        return;
    if (pyr_image_bytes(&image) < 1 << 20 && pyr_image_fit(&small, &image, 5, 7, PYR_FIT_ASPECT) == PYR_OK) {
        uint16_t out[5 * 7 * 4];

        pyr_image_convert(out, &small, 1 + (int)n % 4, 16);
        pyr_image_free(&small);
    }
    if (pyr_image_bytes(&image) < 1 << 16 && pyr_mask_understand(&mask, &image, "input", &note) == PYR_OK)
        must(mask.h == image.h && mask.w == image.w);
    pyr_text_free(&note);
    pyr_image_free(&mask);
    pyr_image_free(&image);
}

static void as_idx(const uint8_t *bytes, size_t n)
{
    pyr_value_file idx;
    const char *path = fuzz_file("idx", bytes, n);

    if (pyr_value_file_open(&idx, path, pyr_idx_header) == PYR_OK) {
        uint8_t *values = idx.count < MOST ? pyr_calloc(idx.count, pyr_npy_type_size(idx.type)) : NULL;

        if (values && pyr_value_file_read(&idx, values, idx.count) == PYR_OK)
            (void)pyr_value_file_end(&idx);
        pyr_free(values);
        pyr_value_file_close(&idx);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    as_image(bytes, n);
    if (n >= 2 && (bytes[0] == 0 || bytes[0] == 0x1f))
        as_idx(bytes, n);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
