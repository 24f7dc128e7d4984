/* fuzz_exif.c - blocks of Exif that are hostile: an orientation of 1 to 8 comes of any bytes, and a picture
 * is turned by it there and back. Seeds: tests/golden/pictures (a TIFF is such a block). */
#include "pictures/exif.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const int back[] = {0, 1, 2, 3, 4, 5, 8, 7, 6};
    int orientation = pyr_exif_orientation(bytes, n), h = 1 + (int)(n % 5), w = 1 + (int)(n % 7),
        c = 1 + (int)n % 4;
    pyr_image image, kept;

    must(orientation >= 1 && orientation <= 8);
    must(pyr_image_new(&image, h, w, c, 8, "fuzz") == PYR_OK &&
         pyr_image_new(&kept, h, w, c, 8, "fuzz") == PYR_OK);
    size_t size = pyr_image_bytes(&image);
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)image.at)[i] = ((uint8_t *)kept.at)[i] = n ? bytes[i % n] : (uint8_t)i;
    must(pyr_image_turn(&image, orientation, "fuzz") == PYR_OK);
    must(pyr_image_turn(&image, back[orientation], "fuzz") == PYR_OK);
    must(image.h == h && image.w == w && memcmp(image.at, kept.at, size) == 0);
    pyr_image_free(&image);
    pyr_image_free(&kept);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
