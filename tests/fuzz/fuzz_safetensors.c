/* fuzz_safetensors.c - any bytes as a safetensors file: refused with a sentence that names it, or read
 * whole, without a byte outside and without a block left behind. Seeds: tests/golden/unet2d. */
#include "graph/safetensors.h"
#include "tests/fuzz/input.h"

static void use(const pyr_safetensors *file, const uint8_t *data, size_t size)
{
    uint64_t bytes = 0;
    size_t n = pyr_safetensors_count(file);

    for (size_t i = 0; i < n; i++) {
        const pyr_st_tensor *tensor = pyr_safetensors_at(file, i);
        uint64_t length = tensor->end - tensor->begin;
        void *room;

        must(pyr_safetensors_find(file, tensor->name) == tensor);
        must(tensor->begin <= tensor->end && length == tensor->count * pyr_st_dtype_size(tensor->dtype));
        must(length <= size);
        bytes += length;
        room = malloc(tensor->count * 8 + 1);
        must(room != NULL);
        must(pyr_safetensors_read_bytes(file, tensor, room, length) == PYR_OK);
        must((pyr_safetensors_read_f32(file, tensor, room, tensor->count) == PYR_OK) ==
             (pyr_safetensors_read_f64(file, tensor, room, tensor->count) == PYR_OK));
        must((pyr_safetensors_read_i64(file, tensor, room, tensor->count) == PYR_OK) ==
             (pyr_safetensors_read_f32(file, tensor, room, tensor->count) != PYR_OK));
        free(room);
    }
    /* Without hole or overlap the tensors are the last bytes of the file. */
    must(bytes + 8 + 2 <= size);
    must(bytes ==
         size - 8 - (data[0] | (uint64_t)data[1] << 8 | (uint64_t)data[2] << 16 | (uint64_t)data[3] << 24));
    (void)pyr_safetensors_metadata(file, "format");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t live = pyr_mem().live_blocks;
    pyr_safetensors *file;
    pyr_status status;

    pyr_error_set("");
    status = pyr_safetensors_parse(&file, data, size, "fuzz");
    must((status == PYR_OK) == (file != NULL));
    must(status == PYR_OK || strncmp(pyr_error(), "fuzz: ", 6) == 0);
    if (file)
        use(file, data, size);
    pyr_safetensors_free(file);
    must(pyr_mem().live_blocks == live);
    return 0;
}
