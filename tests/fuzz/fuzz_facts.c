/* fuzz_facts.c - what the metadata of weights say of their level, hostile ones: facts and classes. What was
 * read is written, reads back, and is the same. */
#include "levels/level.h"
#include "tests/fuzz/tensors.h"

static const fuzz_literal good[] = {
    FUZZ_TEXT(
        "{\"__metadata__\":{\"format\":\"pt\",\"pyrdiff_level\":\"0\",\"pyrdiff_levels\":\"2\",\"pyrdiff_image\":\"12x10x1\",\"pyrdiff_filter\":\"box\",\"pyrdiff_filter_sigma\":\"1\",\"pyrdiff_condition\":\"coarse\",\"pyrdiff_classes\":\"2\",\"pyrdiff_data\":\"0123456789abcdef\",\"pyrdiff_mean\":\"0.5\",\"pyrdiff_std\":\"0.25\",\"pyrdiff_condition_std\":\"0.5\",\"pyrdiff_bits\":\"8\",\"pyrdiff_class_dropout\":\"0.1\",\"pyrdiff_class_images\":\"5 0\",\"pyrdiff_class_names\":\"cat\\ndog\"}}"),
    FUZZ_TEXT(
        "{\"__metadata__\":{\"pyrdiff_level\":\"1\",\"pyrdiff_levels\":\"3\",\"pyrdiff_image\":\"8x8x3\",\"pyrdiff_filter\":\"haar\",\"pyrdiff_filter_sigma\":\"1\",\"pyrdiff_condition\":\"none\",\"pyrdiff_classes\":\"0\",\"pyrdiff_data\":\"1\",\"pyrdiff_mean\":\"0 0 1e-3\",\"pyrdiff_std\":\"1 2 3\",\"pyrdiff_condition_std\":\"0\",\"pyrdiff_bits\":\"16\",\"pyrdiff_noise_told\":\"0.5\",\"pyrdiff_prediction\":\"epsilon\",\"pyrdiff_noise_input\":\"false\"}}")};
FUZZ_SEEDS(good)

/* The pairs as metadata again. */
static void check_round_trip(const pyr_level_facts *facts)
{
    pyr_st_pair pairs[PYR_FACT_PAIRS];
    pyr_text text = {0}, header = {0};
    pyr_level_facts back;
    pyr_safetensors *file;
    uint8_t *bytes;
    size_t n, size;

    must(pyr_facts_write(facts, pairs, &n, &text) == PYR_OK && n <= PYR_FACT_PAIRS);
    for (size_t i = 0; i < n; i++)
        pyr_text_add(&header, "%s\"%s\":\"%s\"", i ? "," : "{\"__metadata__\":{", pairs[i].key,
                     pairs[i].value);
    pyr_text_add(&header, "}}");
    must(!header.failed);
    bytes = (uint8_t *)fuzz_tensors(&size, (const uint8_t *)header.at, header.length);
    must(pyr_safetensors_parse(&file, bytes, size, "written") == PYR_OK);
    must(pyr_facts_read(&back, file, "written") == PYR_OK);
    must(back.index == facts->index && back.h == facts->h && back.data == facts->data &&
         back.std[0] == facts->std[0] && back.bits == facts->bits && back.blind == facts->blind);
    must(pyr_facts_match(facts, "a", &back, "b") == PYR_OK);
    pyr_safetensors_free(file);
    pyr_text_free(&text);
    pyr_text_free(&header);
}

static void read_classes(const char *path, const pyr_level_facts *facts)
{
    static const char *const typed[] = {"", "0", "1", "cat", "all", "random", "-2", "99999999999999999999"};
    static const uint64_t seeds[] = {0, UINT64_MAX};
    pyr_class_list list = {0};

    if (facts->classes < 1000 &&
        pyr_class_list_read(&list, path, facts->classes, facts->class_dropout) == PYR_OK) {
        for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
            pyr_class_choice choice;
            pyr_text text = {0};
            int32_t *labels = NULL;

            if (pyr_class_choose(&choice, &list, typed[i]) != PYR_OK)
                continue;
            must(pyr_class_labels(&labels, &choice, seeds, 2) == PYR_OK);
            must(!labels || (labels[0] >= 0 && labels[0] < list.n && labels[1] >= 0 && labels[1] < list.n));
            pyr_class_choice_add(&choice, &text);
            pyr_text_free(&text);
            pyr_free(labels);
        }
    }
    pyr_class_list_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    size_t size;
    const uint8_t *bytes_of_file = fuzz_tensors(&size, bytes, n);
    pyr_safetensors *file;
    pyr_level_facts facts;

    if (pyr_safetensors_parse(&file, bytes_of_file, size, "fuzz") == PYR_OK) {
        pyr_status status = pyr_facts_read(&facts, file, "fuzz");

        must(status == PYR_OK || strncmp(pyr_error(), "fuzz", 4) == 0);
        if (status == PYR_OK) {
            must(facts.levels <= PYR_MAX_LEVELS && facts.index >= 0 && facts.index < facts.levels);
            if (facts.classes)
                read_classes(fuzz_file("in.safetensors", bytes_of_file, size), &facts);
            check_round_trip(&facts);
        }
    }
    pyr_safetensors_free(file);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
