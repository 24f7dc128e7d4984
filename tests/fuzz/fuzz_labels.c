/* fuzz_labels.c - texts of labels that are hostile. The first byte says which: a .cls or a .json beside an
 * image, EMNIST's mapping, a list of class names. */
#include "layouts/emnist.h"
#include "tests/fuzz/input.h"

static const fuzz_literal good[] = {FUZZ_TEXT("c7\n"),
                                    FUZZ_TEXT("c -1"),
                                    FUZZ_TEXT("j{\"label\": 7}"),
                                    FUZZ_TEXT("j{\"class_id\": 1e3, \"cls\": null}"),
                                    FUZZ_TEXT("m0 48\n1 49\n2 50 82\n"),
                                    FUZZ_TEXT("l1 65 97\n2 66 98\n"),
                                    FUZZ_TEXT("ncat\r\ndog\n\n bird")};
FUZZ_SEEDS(good)

static void beside(fuzz_rest rest, const char *name)
{
    char *text = fuzz_text(rest); /* a NUL behind it, as pyr_label_beside wants it */
    int32_t label = 5;

    if (pyr_label_beside(&label, text, rest.n, name) == PYR_OK)
        must(label >= -1 && label < PYR_LABEL_MOST);
    else
        must(strncmp(pyr_error(), name, strlen(name)) == 0);
    free(text);
}

/* Two images of labels 0 and 1, or 1 and 26. */
static void mapping(fuzz_rest rest, bool letters)
{
    static pyr_data_settings s = PYR_DATA_SETTINGS_DEFAULT;
    pyr_collection c = {.set = &s};
    const char *name = letters ? "emnist-letters-mapping.txt" : "emnist-balanced-mapping.txt";
    char images[200];

    snprintf(images, sizeof images, "%s/emnist-%s-train-images-idx3-ubyte", fuzz_folder(),
             letters ? "letters" : "balanced");
    fuzz_file(name, rest.at, rest.n);
    must(pyr_emnist_is(images));
    must(pyr_collection_add(&c, 0, letters ? 1 : 0, false) == PYR_OK);
    must(pyr_collection_add(&c, 1, letters ? 26 : 1, false) == PYR_OK);
    if (pyr_emnist_classes(&c, images) == PYR_OK)
        must(c.classes.n > 0);
    pyr_collection_free(&c);
}

static void names(fuzz_rest rest)
{
    pyr_collection c = {0};

    fuzz_file("classes.txt", rest.at, rest.n);
    (void)pyr_collection_names(&c, fuzz_folder(), "classes.txt");
    for (size_t i = 0; i < c.classes.n; i++)
        must(c.classes.at[i][0] != '\0');
    pyr_collection_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    fuzz_rest rest = {bytes, n};

    switch (fuzz_byte(&rest)) {
    case 'c':
        beside(rest, "a.cls");
        break;
    case 'j':
        beside(rest, "a.json");
        break;
    case 'm':
        mapping(rest, false);
        break;
    case 'l':
        mapping(rest, true);
        break;
    default:
        names(rest);
    }
    must(pyr_mem().live_blocks == 0);
    return 0;
}
