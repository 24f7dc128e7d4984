/* Files of latents that mean harm, read for the run of two levels in tests/golden/export. */
#include "tasks/latent.h"
#include "tests/fuzz/tensors.h"

static pyr_model *model(void)
{
    static pyr_model *m;
    static pyr_settings *settings;
    static pyr_config config;
    pyr_kernels *k = NULL;

    if (m)
        return m;
    if (pyr_run_settings(&settings, "tests/golden/export/run") != PYR_OK) {
        fprintf(stderr, "%s; start this program at the top of the sources\n", pyr_error());
        exit(2);
    }
    must(pyr_config_get(&config, settings) == PYR_OK && pyr_kernels_open(&k, "ref", 1) == PYR_OK);
    must(pyr_model_open(&m, k, "tests/golden/export/run", &config) == PYR_OK);
    return m;
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
    must(pyr_latent_of_seeds(&latent, model(), (int)i + 1, seeds) == PYR_OK);
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
