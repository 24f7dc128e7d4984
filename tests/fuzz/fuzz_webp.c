/* fuzz_webp.c - WebP files that are hostile: read, or refused with a sentence that begins with the name, and
 * nothing is left behind. Seeds: tests/golden/pictures. */
#include "pictures/image_file.h"
#include "tests/fuzz/input.h"
#include <webp/decode.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    int w, h, orientation = 1;
    pyr_image image = {0};

    /* A few bytes can honestly hold 16383x16383 pixels of one colour: that takes long, and shows nothing. */
    if (WebPGetInfo(bytes, n, &w, &h) && (int64_t)w * h > 1 << 22)
        return 0;
    pyr_status status = pyr_picture_webp.decode(&image, &orientation, bytes, n, "fuzz");
    must((status != PYR_OK || image.at) && orientation >= 1 && orientation <= 8);
    must(status == PYR_OK || (status == PYR_E_FORMAT && strncmp(pyr_error(), "fuzz: ", 6) == 0));
    pyr_image_free(&image);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
