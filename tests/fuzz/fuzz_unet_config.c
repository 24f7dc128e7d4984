/* fuzz_unet_config.c - a network's config.json that is hostile: read, or refused with a sentence that names
 * the file; what was read is written, reads back, and is the same. Seeds: tests/golden/unet2d,
 * tests/golden/export. */
#include "network/unet_config.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    pyr_unet_config config, back;
    pyr_text warning = {0}, first = {0}, second = {0};
    pyr_status status = pyr_unet_config_parse(&config, (const char *)bytes, n, "fuzz", &warning);

    must(status == PYR_OK || strncmp(pyr_error(), "fuzz", 4) == 0);
    if (status == PYR_OK) {
        must(pyr_unet_config_check(&config) == PYR_OK);
        must(pyr_unet_config_write(&first, &config) == PYR_OK);
        must(pyr_unet_config_parse(&back, first.at, first.length, "written", NULL) == PYR_OK);
        must(pyr_unet_config_write(&second, &back) == PYR_OK);
        must(first.length == second.length && memcmp(first.at, second.at, first.length) == 0);
    }
    pyr_text_free(&warning);
    pyr_text_free(&first);
    pyr_text_free(&second);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
