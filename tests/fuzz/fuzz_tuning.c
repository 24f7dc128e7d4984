/* fuzz_tuning.c - lists of measured choices that are hostile: of a run's state (any text), and the machine's
 * cache (behind an 'M'). What was read is written, reads back, and is the same. */
#include "kernels/tuning.h"
#include "tests/fuzz/input.h"

static const fuzz_literal good[] = {
    FUZZ_TEXT("{\"conv2d forward bf16 14x14x64->64 k3\": 2, \"images a lane\": 16}"),
    FUZZ_TEXT("M{\"machine\": \"this\", \"choices\": {\"conv2d forward\": 1, \"linear 64\": 0}}"),
    FUZZ_TEXT("{}")};
FUZZ_SEEDS(good)

static void check_round_trip(const pyr_tuning *t)
{
    pyr_text first = {0}, second = {0};
    pyr_tuning *back;

    must(pyr_tuning_new(&back) == PYR_OK && pyr_tuning_write(t, &first) == PYR_OK);
    must(pyr_tuning_read(back, first.at, first.length) == PYR_OK);
    must(pyr_tuning_count(back) == pyr_tuning_count(t) && pyr_tuning_write(back, &second) == PYR_OK);
    must(first.length == second.length && memcmp(first.at, second.at, first.length) == 0);
    pyr_text_free(&first);
    pyr_text_free(&second);
    pyr_tuning_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    pyr_tuning *t;

    must(pyr_tuning_new(&t) == PYR_OK);
    if (n && *bytes == 'M')
        pyr_tuning_use_cache(t, fuzz_file("tuning.json", bytes + 1, n - 1), "this");
    else
        (void)pyr_tuning_read(t, (const char *)bytes, n);
    if (pyr_tuning_count(t))
        check_round_trip(t);
    pyr_tuning_free(t);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
