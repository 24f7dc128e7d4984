/* fuzz_codes.c - codes of a picture that are hostile: read and put together again, or refused with a sentence
 * that names the file. */
#include "pyramid/codes_file.h"
#include "tests/fuzz/tensors.h"

const uint8_t *fuzz_seed(size_t i, size_t *n)
{
    static uint8_t *input;
    static const float picture[4 * 5 * 3] = {-255 / 256.0f, 1 / 256.0f, 255 / 256.0f};
    static const int filters[] = {PYR_FILTER_BOX, PYR_FILTER_HAAR, PYR_FILTER_GAUSSIAN};
    pyr_pyramid_settings s = {.levels = 2, .filter = filters[i % 3], .sigma = 1};
    pyr_codes codes = {0};
    const char *path;
    float filled[4 * 5 * 3];

    free(input);
    input = NULL;
    if (i >= 3)
        return NULL;
    for (int j = 0; j < 4 * 5 * 3; j++)
        filled[j] = picture[j % 3];
    must(pyr_codes_new(&codes, &s, 4, 5, 3, 8) == PYR_OK && pyr_decompose(&codes, filled) == PYR_OK);
    path = fuzz_path("codes.safetensors");
    must(pyr_codes_write(path, &codes) == PYR_OK);
    pyr_codes_free(&codes);
    input = fuzz_from_tensors(n, path);
    return input;
}

static void use(const pyr_codes *codes)
{
    size_t count = (size_t)codes->h * (size_t)codes->w * (size_t)codes->c;
    float *picture = malloc(count * sizeof *picture);
    pyr_text text = {0};

    must(picture != NULL);
    pyr_codes_describe(codes, &text);
    pyr_text_free(&text);
    (void)pyr_reconstruct(picture, codes);
    free(picture);
    for (int level = 0; level < codes->settings.levels; level++) {
        double gain = pyr_codes_gain(codes, level);
        uint8_t *rgb;
        int h, w;

        must(gain >= 1 && gain <= 64);
        pyr_codes_view_size(codes, level, &h, &w);
        rgb = malloc((size_t)h * (size_t)w * 3);
        must(rgb != NULL);
        (void)pyr_codes_view(rgb, codes, level, gain);
        free(rgb);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    size_t live = pyr_mem().live_blocks, size;
    const uint8_t *file = fuzz_tensors(&size, bytes, n);
    const char *path = fuzz_file("in.safetensors", file, size);
    pyr_codes codes;
    pyr_status status = pyr_codes_read(&codes, path);

    must(status == PYR_OK || strncmp(pyr_error(), path, strlen(path)) == 0);
    if (status == PYR_OK)
        use(&codes);
    pyr_codes_free(&codes);
    must(pyr_mem().live_blocks == live);
    return 0;
}
