/* fuzz_score_moments.c - measured moments of a score that are hostile. */
#include "levels/score_moments.h"
#include "tests/fuzz/tensors.h"
#include <math.h>

static const pyr_level level = {.facts = {.levels = 1,
                                          .h = 4,
                                          .w = 4,
                                          .c = 1,
                                          .bits = 8,
                                          .filter = PYR_FILTER_BOX,
                                          .condition = PYR_CONDITION_NONE,
                                          .data = 77,
                                          .bands = 1,
                                          .mean = {0.25},
                                          .std = {0.5}}};

const uint8_t *fuzz_seed(size_t i, size_t *n)
{
    static uint8_t *input;
    pyr_score_moments m = {.n = i == 0 ? 3 : PYR_MOMENT_LEVELS, .images = 10, .weights = 5};
    const char *path;

    free(input);
    input = NULL;
    if (i >= 2)
        return NULL;
    for (int j = 0; j < m.n; j++) {
        m.s[j] = 0.1 * pow(1.3, j);
        m.score[j] = m.error[j] = 0.5;
    }
    path = fuzz_path(PYR_SCORE_MOMENTS_NAME);
    must(pyr_score_moments_write(&m, &level.facts, fuzz_folder()) == PYR_OK);
    input = fuzz_from_tensors(n, path);
    return input;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    size_t live = pyr_mem().live_blocks, size;
    const uint8_t *file = fuzz_tensors(&size, bytes, n);
    pyr_score_moments m;
    pyr_status status;

    fuzz_file(PYR_SCORE_MOMENTS_NAME, file, size);
    status = pyr_score_moments_read(&m, &level, 5, fuzz_folder(), "run");
    must(status == PYR_OK || strncmp(pyr_error(), fuzz_folder(), strlen(fuzz_folder())) == 0);
    if (status == PYR_OK)
        for (double s = 1e-3; s < 1e3; s *= 3) {
            double left = pyr_score_moments_left(&m, s > 1, s);

            must(left >= 0 && left <= 1);
        }
    must(pyr_mem().live_blocks == live);
    return 0;
}
