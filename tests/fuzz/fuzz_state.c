/* fuzz_state.c - states of a training that are hostile: counters, facts, choices, and the blocks of a small
 * network. */
#include "levels/level_file.h"
#include "tests/fuzz/networks.h"
#include <math.h>

static const pyr_params *params(void)
{
    static pyr_params p;

    if (!p.n) {
        fuzz_param(&p, "a.weight", 2, 3, 2);
        fuzz_param(&p, "a.bias", 2, 1, 1);
    }
    return &p;
}

static pyr_optimizer *optimizer(void)
{
    static pyr_optimizer o;

    if (!o.k)
        must(pyr_optimizer_new(&o, fuzz_kernels(), params(), (pyr_adamw){0.9, 0.99, 1e-8, 0}) == PYR_OK);
    return &o;
}

const uint8_t *fuzz_seed(size_t i, size_t *n)
{
    static uint8_t *input;
    const pyr_level level = {.facts = {.levels = 1,
                                       .h = 4,
                                       .w = 4,
                                       .c = 1,
                                       .bits = 8,
                                       .filter = PYR_FILTER_BOX,
                                       .condition = PYR_CONDITION_NONE,
                                       .bands = 1,
                                       .std = {1}}};
    const pyr_progress progress = {.train = {.step = 5, .skipped = 1, .seconds = 1.25},
                                   .steps = 40,
                                   .planned = 40,
                                   .seed = 3,
                                   .last = {.step = 5, .applied = 4},
                                   .bf16 = false};
    pyr_optimizer *o = optimizer();
    const char *path;

    free(input);
    input = NULL;
    if (i >= 2)
        return NULL;
    if (i == 1)
        must(pyr_tuning_put(o->k->tuning, "conv2d forward f32 4x4x1->1 k3", 2) == PYR_OK);
    path = fuzz_path("state.safetensors");
    must(pyr_level_save_state(fuzz_folder(), false, &level, params(), o, &progress) == PYR_OK);
    input = fuzz_from_tensors(n, path);
    return input;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    pyr_optimizer *o = optimizer();
    size_t live = pyr_mem().live_blocks, size;
    const uint8_t *file = fuzz_tensors(&size, bytes, n);
    const char *folder = fuzz_folder();
    pyr_level_facts facts;
    pyr_progress progress;
    pyr_tuning *tuning;
    pyr_status status;

    fuzz_file("state.safetensors", file, size);
    must(pyr_tuning_new(&tuning) == PYR_OK);
    status = pyr_level_peek(folder, &facts, &progress, tuning);
    if (status == PYR_OK)
        must(progress.train.step >= 0 && progress.train.step <= progress.steps && progress.steps >= 1 &&
             progress.bend.done >= 0 && progress.bend.done < 1 && facts.index < facts.levels);
    pyr_tuning_free(tuning);
    status = pyr_level_restore(folder, &facts, params(), o, &progress);
    must(status == PYR_OK || strncmp(pyr_error(), folder, strlen(folder)) == 0);
    for (size_t i = 0; status == PYR_OK && i < o->count; i++)
        must(isfinite(((const float *)o->value)[i]) && isfinite(((const float *)o->ema)[i]));
    must(pyr_mem().live_blocks == live);
    return 0;
}
