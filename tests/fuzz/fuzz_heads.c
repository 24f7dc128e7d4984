/* fuzz_heads.c - what is read from the first bytes of a file and from names alone: other programs' formats,
 * the texts in a PNG's head, splits, numbers, masks, arrays. An input is a name, a NUL, the first bytes.
 * Seeds: tests/golden/images and tests/golden/pictures too. */
#include "arrays/array_names.h"
#include "eval/sample_files.h"
#include "layouts/foreign.h"
#include "pictures/image_file.h"
#include "pictures/png_file.h"
#include "plots/svg.h"
#include "tests/fuzz/input.h"

static const fuzz_literal good[] = {
    FUZZ_TEXT(
        "a/train_images-003.png\0\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0\0\0\0\0\0\0\6"
        "tEXtseed\0"
        "7\0\0\0\0"),
    FUZZ_TEXT("data.mat\0MATLAB 5.0 MAT-file"), FUZZ_TEXT("x.h5\0\x89HDF\r\n\x1a\n"),
    FUZZ_TEXT("seg_test\\./a_mask_1.tif\0BM"), FUZZ_TEXT("x_train\0\x93NUMPY")};
FUZZ_SEEDS(good)

static void look_at_name(const char *name)
{
    size_t n = strlen(name);
    pyr_word word = {name, n};
    pyr_part_name part = pyr_part_of(word);
    pyr_number number = pyr_last_number(word);
    pyr_array_name array = pyr_array_name_read(name, n % 2 ? name : NULL);
    char *copy = pyr_strdup(name);
    pyr_text text = {0};

    must(copy && part.at + part.n <= n && number.at + number.n <= n &&
         number.value < UINT64_C(1000000000000000));
    must(memchr(array.key, 0, sizeof array.key) != NULL);
    (void)pyr_part_numbered(word, &number);
    must(pyr_part_order(word, &part, word, &part) == 0);
    must(pyr_mask_order(word, word, n % 2) == 0);
    (void)pyr_mask_plain(word);
    (void)pyr_masks_of(word, (pyr_word){"images", 6});
    (void)pyr_masks_near(word, (pyr_word){"CelebA-HQ-img", 13});
    must(pyr_mask_stem(word) <= n);
    (void)pyr_left_aside(name);
    (void)pyr_is_sheet_name(name);
    (void)pyr_image_named(name);
    must(pyr_natural_order(name, name) == 0 && pyr_walk_order(name, name) == 0);
    pyr_entry_tidy(copy);
    must(strlen(copy) <= n && copy[0] != '/' && !strstr(copy, "//") && !strchr(copy, '\\'));
    pyr_escape(&text, name);
    must(!text.failed && (!text.at || (!strchr(text.at, '<') && !strchr(text.at, '"'))));
    pyr_text_free(&text);
    pyr_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    fuzz_rest rest = {bytes, n}, first = fuzz_part(&rest);
    char *name = fuzz_text(first), value[16], *listed[] = {name};
    const pyr_names names = {.at = listed, .n = 1};
    uint8_t *start = malloc(rest.n ? rest.n : 1); /* of exactly their size */
    pyr_text sentence = {0};

    must(start != NULL);
    if (rest.n)
        memcpy(start, rest.at, rest.n);
    look_at_name(name);
    if (pyr_foreign_file(&sentence, "fuzz", start, rest.n < PYR_FOREIGN_START ? rest.n : PYR_FOREIGN_START))
        must(strncmp(sentence.at, "fuzz", 4) == 0);
    pyr_text_free(&sentence);
    if (*name) {
        must(pyr_foreign_archive("fuzz", &names, 1) == PYR_E_FORMAT);
        must(strncmp(pyr_error(), "fuzz", 4) == 0);
    }
    if (pyr_png_head_text(value, sizeof value, start, rest.n, "seed"))
        must(memchr(value, 0, sizeof value) != NULL);
    free(start);
    free(name);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
