/* fuzz_tiff.c - TIFF files that are hostile: read, or refused with a sentence that begins with the name, and
 * nothing is left behind. Seeds: tests/golden/pictures. */
#include "pictures/image_file.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    int orientation = 1;
    pyr_image image = {0};
    pyr_status status = pyr_picture_tiff.decode(&image, &orientation, bytes, n, "fuzz");

    must((status != PYR_OK || image.at) && orientation >= 1 && orientation <= 8);
    must(status == PYR_OK || strncmp(pyr_error(), "fuzz: ", 6) == 0);
    must(status == PYR_OK || status == PYR_E_FORMAT || status == PYR_E_NOMEM);
    pyr_image_free(&image);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
