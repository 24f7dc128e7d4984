/* fuzz_packed.c - packed files that are hostile, as data sets: NPY, NPZ, IDX, and whatever else begins as
 * one. They are read to the end in portions, or refused with a sentence, and nothing is left behind. Seeds:
 * tests/golden/arrays. */
#include "images/data_format.h"
#include "tests/fuzz/input.h"

enum { MOST = 1 << 22 };

static void read_all(const pyr_collection *c)
{
    pyr_packed *p = c->packed;
    size_t bytes = (size_t)p->h * (size_t)p->w * (size_t)(p->c * p->bits / 8);
    char *image = bytes < MOST ? malloc(bytes) : NULL;

    must(p->bits == 8 || p->bits == 16);
    for (int round = 0; image && round < 2; round++) {
        must(p->rewind(p) == PYR_OK);
        for (int64_t i = 0; i < c->n && p->read(p, image, 1) == PYR_OK; i++)
            must(c->at[i].label >= -1);
    }
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const char *path = fuzz_file("packed", bytes, n);
    pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_collection c = {.set = &s};
    pyr_status status;

    s.path = path;
    if (n >= 2 && bytes[0] == 'P' && bytes[1] == 'K')
        status = pyr_data_format_arrays.collect(&c, &(pyr_data_path){.path = path});
    else
        status = pyr_collect(&c, path);
    if (status == PYR_OK && c.packed)
        read_all(&c);
    pyr_collection_free(&c);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
