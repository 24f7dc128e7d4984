/* TIFF files that mean harm: read, or refused with a sentence that begins with the name, and nothing is left
 * behind. Seeds: tests/golden/pictures. */
#include "base/mem.h"
#include "images/tiff_file.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    int orientation = 0;
    pyr_image image;
    pyr_status status = pyr_tiff_decode(&image, &orientation, bytes, n, "fuzz");

    if ((status == PYR_OK) != (image.at != NULL) || orientation < 1 || orientation > 8)
        abort();
    if (status != PYR_OK && strncmp(pyr_error(), "fuzz: ", 6) != 0)
        abort();
    if (status != PYR_OK && status != PYR_E_FORMAT && status != PYR_E_NOMEM)
        abort();
    pyr_image_free(&image);
    if (pyr_mem().live_blocks != 0)
        abort();
    return 0;
}
