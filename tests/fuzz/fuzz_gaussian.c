/* fuzz_gaussian.c - fitted Gaussians that are hostile, of a level of 2 x 2 (all covariances) or of 32 x 24
 * (the DCT's). */
#include "levels/gaussian.h"
#include "tests/fuzz/tensors.h"
#include <math.h>

static pyr_level level_of(bool large)
{
    pyr_level level = {.facts = {.levels = 1,
                                 .h = large ? 32 : 2,
                                 .w = large ? 24 : 2,
                                 .c = 1,
                                 .bits = 8,
                                 .filter = PYR_FILTER_BOX,
                                 .condition = PYR_CONDITION_NONE,
                                 .data = 77,
                                 .bands = 1,
                                 .mean = {0.25},
                                 .std = {0.5}}};

    level.variable = (pyr_shape){1, level.facts.h, level.facts.w, 1};
    return level;
}

const uint8_t *fuzz_seed(size_t i, size_t *n)
{
    static uint8_t *input;
    static double mean[32 * 24], variance[32 * 24],
        basis[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    pyr_level level = level_of(i == 1);
    pyr_gaussian g = {.shape = level.variable,
                      .size = pyr_count(level.variable),
                      .full = i == 0,
                      .mean = mean,
                      .basis = basis,
                      .variance = variance,
                      .images = 10};
    const char *path;

    free(input);
    input = NULL;
    if (i >= 2)
        return NULL;
    for (size_t j = 0; j < g.size; j++)
        variance[j] = 1;
    path = fuzz_path("gaussian.safetensors");
    must(pyr_gaussian_write(&g, &level.facts, fuzz_folder()) == PYR_OK);
    input = fuzz_from_tensors(n, path);
    return input;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    size_t live = pyr_mem().live_blocks, size;
    const uint8_t *file = fuzz_tensors(&size, bytes, n);
    pyr_level level = level_of(size > 4096);
    pyr_gaussian g;
    pyr_status status;

    fuzz_file("gaussian.safetensors", file, size);
    status = pyr_gaussian_read(&g, &level, fuzz_folder(), "run");
    must(status == PYR_OK || strncmp(pyr_error(), fuzz_folder(), strlen(fuzz_folder())) == 0);
    if (status == PYR_OK) {
        double z[32 * 24] = {1}, room[32 * 24];

        (void)pyr_gaussian_mismatch(&g, 1, 1);
        (void)pyr_gaussian_sigma_max(&g, 0.1, true);
        (void)pyr_gaussian_left(&g, 1);
        (void)pyr_gaussian_half(&g);
        pyr_gaussian_to(&g, z, room);
        pyr_gaussian_from(&g, z, room);
    }
    pyr_gaussian_free(&g);
    must(pyr_mem().live_blocks == live);
    return 0;
}
