/* fuzz_latents.c - files of latents that are hostile, read for the run of two levels in tests/golden/export. */
#include "tasks/latent.h"
#include "tests/fuzz/tensors.h"

static struct {
    pyr_model *model;
    pyr_settings *settings;
    pyr_kernels *k;
    pyr_config config;
} the;

/* A leak is only told from blocks in use when these are given back: some are empty. */
static void close_model(void)
{
    pyr_model_free(the.model);
    pyr_kernels_free(the.k);
    pyr_settings_free(the.settings);
}

static pyr_model *model(void)
{
    if (the.model)
        return the.model;
    if (pyr_run_settings(&the.settings, "tests/golden/export/run") != PYR_OK) {
        fprintf(stderr, "%s; start this program at the top of the sources\n", pyr_error());
        exit(2);
    }
    must(pyr_config_get(&the.config, the.settings) == PYR_OK && pyr_kernels_open(&the.k, "ref", 1) == PYR_OK);
    must(pyr_model_open(&the.model, the.k, "tests/golden/export/run", &the.config) == PYR_OK);
    atexit(close_model);
    return the.model;
}

const uint8_t *fuzz_seed(size_t i, size_t *n)
{
    static const uint64_t seeds[] = {1, 2};
    static uint8_t *input;
    pyr_latent latent;
    const char *path;

    free(input);
    input = NULL;
    if (i >= 2)
        return NULL;
    must(pyr_latent_of_seeds(&latent, model(), (int)i + 1, seeds, NULL) == PYR_OK);
    path = fuzz_path("latents.safetensors");
    must(pyr_latent_write(path, &latent, model()) == PYR_OK);
    pyr_latent_free(&latent);
    input = fuzz_from_tensors(n, path);
    return input;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    pyr_model *m = model();
    size_t live = pyr_mem().live_blocks, size;
    const uint8_t *file = fuzz_tensors(&size, bytes, n);
    const char *path = fuzz_file("in.safetensors", file, size);
    bool same;
    pyr_latent latent;
    pyr_status status = pyr_latent_read(&latent, path, m, &same);

    must(status == PYR_OK || strncmp(pyr_error(), path, strlen(path)) == 0);
    if (status == PYR_OK)
        must(latent.n >= 1 && latent.levels == 2 && (size_t)latent.n * sizeof(float) <= size);
    pyr_latent_free(&latent);
    must(pyr_mem().live_blocks == live);
    return 0;
}
