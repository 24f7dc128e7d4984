/* fuzz_pipeline.c - the files around a pipeline's network that are hostile: model_index.json, behind a NUL
 * scheduler_config.json, behind another config.json; those that are empty are good ones. */
#include "diffusers/pipeline.h"
#include "tests/fuzz/tensors.h"

static const char weights[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}";

static const fuzz_literal good[] = {
    FUZZ_TEXT(
        "{\"_class_name\":\"DDPMPipeline\",\"_diffusers_version\":\"0.31.0\",\"scheduler\":[\"diffusers\",\"DDPMScheduler\"],\"unet\":[\"diffusers\",\"UNet2DModel\"]}"),
    FUZZ_TEXT("{\"_class_name\":\"DDIMPipeline\",\"scheduler\":[\"diffusers\",\"DDIMScheduler\"]}"),
    FUZZ_TEXT("{\"_class_name\":1}")};
FUZZ_SEEDS(good)

static void put(const char *name, fuzz_rest part, const char *standard)
{
    static size_t size[2];
    static uint8_t *kept[2];
    int i = strstr(standard, "scheduler") != NULL;

    if (!kept[i])
        kept[i] = fuzz_read(standard, &size[i]);
    fuzz_file(name, part.n ? part.at : kept[i], part.n ? part.n : size[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static bool ready;
    fuzz_rest rest = {bytes, n}, index = fuzz_part(&rest), scheduler = fuzz_part(&rest),
              config = fuzz_part(&rest);
    pyr_pipeline_files files;
    pyr_pipeline_sampler sampler;
    pyr_text warning = {0};
    size_t size;

    if (!ready) {
        const uint8_t *file = fuzz_tensors(&size, (const uint8_t *)weights, strlen(weights));

        fuzz_file("unet/diffusion_pytorch_model.safetensors", file, size);
        ready = true;
    }
    fuzz_file("model_index.json", index.at, index.n);
    put("scheduler/scheduler_config.json", scheduler,
        "tests/golden/unet2d/pipeline/scheduler/scheduler_config.json");
    put("unet/config.json", config, "tests/golden/unet2d/pipeline/unet/config.json");
    must(pyr_pipeline_exists(fuzz_folder()));
    if (pyr_pipeline_read(&files, fuzz_folder(), &warning) == PYR_OK) {
        must(*files.class_name);
        if (pyr_pipeline_usual(&sampler, &files) == PYR_OK)
            must(sampler.steps >= 1);
    }
    pyr_text_free(&warning);
    pyr_pipeline_files_free(&files);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
