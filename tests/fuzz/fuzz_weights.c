/* fuzz_weights.c - a network's weights that are hostile, read into a small one: up to the first NUL an index
 * of shards (none when it is empty: the file has the plain name), then the header and the data of one file. */
#include "network/unet_file.h"
#include "tests/fuzz/networks.h"

static const char plain[] = "diffusion_pytorch_model.safetensors",
                  shard[] = "diffusion_pytorch_model-00001-of-00002.safetensors",
                  index_name[] = "diffusion_pytorch_model.safetensors.index.json";

const uint8_t *fuzz_seed(size_t i, size_t *n)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},\"a.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},\"m.to_q.weight\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[32,34]}}";
    static const char *const indexes[] = {
        "",
        "{\"weight_map\":{\"a.bias\":\"diffusion_pytorch_model-00001-of-00002.safetensors\",\"a.weight\":\"diffusion_pytorch_model-00001-of-00002.safetensors\"}}"};
    static uint8_t input[1024];
    size_t length;

    if (i >= 2)
        return NULL;
    length = strlen(indexes[i]) + 1;
    memcpy(input, indexes[i], length);
    memcpy(input + length, header, sizeof header);
    *n = length + sizeof header;
    return input;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static pyr_params params;
    static void *block;
    pyr_kernels *k = fuzz_kernels();
    fuzz_rest rest = {bytes, n}, list = fuzz_part(&rest);
    size_t size, live;
    const uint8_t *file = fuzz_tensors(&size, rest.at, rest.n);
    pyr_unet_files files = {0};
    pyr_text warning = {0};

    if (!block) {
        fuzz_param(&params, "a.weight", 2, 3, 2);
        fuzz_param(&params, "a.bias", 2, 1, 1);
        fuzz_param(&params, "m.to_q.weight", 1, 1, 1);
        must(pyr_alloc(k, &block, params.count * sizeof(float), "weights") == PYR_OK);
        fuzz_file("plain/config.json", "{}", 2);
        fuzz_file("sharded/config.json", "{}", 2);
    }
    live = pyr_mem().live_blocks;
    if (list.n) {
        char path[100];

        snprintf(path, sizeof path, "sharded/%s", index_name);
        fuzz_file(path, list.at, list.n);
        snprintf(path, sizeof path, "sharded/%s", shard);
        fuzz_file(path, file, size);
    } else {
        char path[100];

        snprintf(path, sizeof path, "plain/%s", plain);
        fuzz_file(path, file, size);
    }
    char *folder = pyr_path_join(fuzz_folder(), list.n ? "sharded" : "plain");
    if (pyr_unet_find(&files, folder) == PYR_OK) {
        must(files.weights.n > 0);
        (void)pyr_unet_load(&files, &params, k, block, &warning);
    }
    pyr_free(folder);
    pyr_text_free(&warning);
    pyr_unet_files_free(&files);
    must(pyr_mem().live_blocks == live);
    return 0;
}
