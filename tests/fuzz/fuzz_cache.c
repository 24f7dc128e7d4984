/* fuzz_cache.c - files of the cache of images whose facts are hostile: bytes of an image and images (a byte
 * each), the facts' text, a NUL, the labels. The file's head and hash around them are right
 * (images/dataset_cache.c). */
#include "base/checksum.h"
#include "images/dataset_internal.h"
#include "tests/fuzz/input.h"

enum { SAMPLES_AT = 4096, KEY = 5, MOST = 1 << 15, SUM = 8 };

static const fuzz_literal good[] = {
    FUZZ_TEXT("\4\3{\"path\": \"p\", \"kind\": \"IDX\", \"fingerprint\": \"00ff\", \"h\": 2, \"w\": 2, "
              "\"c\": 1, \"bits\": 8, \"train\": 2, \"held_out\": 1, \"own_test\": true, \"classes\": 2, "
              "\"held_labels\": true, \"turned\": 0, \"values\": [0, 255, 0, 0], \"how\": \"so\", "
              "\"notes\": null, \"class_names\": [\"a\", \"b\"], \"skipped\": [], \"warnings\": "
              "[\"w\"]}\0\0\0\0\0\1\0\0\0\0\0\0\0"),
    FUZZ_TEXT("\x0c\1{\"h\":1,\"w\":2,\"c\":3,\"bits\":16,\"train\":1,\"held_out\":0,\"classes\":0}\0")};
FUZZ_SEEDS(good)

static void use(const pyr_dataset *set)
{
    uint8_t *image = malloc(set->image_bytes);

    must(image && set->image_bytes < 256 && set->count[0] >= 1 && set->count[1] >= 0);
    for (int split = 0; split < 2; split++) {
        const int32_t *labels = pyr_dataset_labels(set, (pyr_split)split);

        for (int64_t i = 0; i < set->count[split]; i++) {
            must(pyr_dataset_read(set, (pyr_split)split, i, image) == PYR_OK);
            must(!labels || (labels[i] >= -1 && labels[i] < set->classes));
        }
    }
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static uint8_t file[SAMPLES_AT + 256 * (256 + SUM) + MOST];
    fuzz_rest rest = {bytes, n};
    size_t each = fuzz_byte(&rest), images = fuzz_byte(&rest), samples = images * (each + SUM);
    pyr_dataset set = {.file = -1};
    bool taken = false;

    if (rest.n > MOST)
        return 0;
    const uint64_t head[] = {KEY, SAMPLES_AT + samples, rest.n, pyr_hash(PYR_HASH_START, rest.at, rest.n),
                             SAMPLES_AT + samples + rest.n};
    memset(file + SAMPLES_AT, 0, samples);
    for (size_t i = 0; i < images; i++) {
        uint8_t *image = file + SAMPLES_AT + i * (each + SUM);
        uint64_t sum = pyr_checksum_at(image, each, i);

        memcpy(image + each, &sum, SUM);
    }
    memcpy(file, "pyrdiff images 2", 16);
    memcpy(file + 16, head, sizeof head);
    if (rest.n)
        memcpy(file + SAMPLES_AT + samples, rest.at, rest.n);
    set.path = pyr_strdup("p");
    set.cache = pyr_strdup(fuzz_file("a.images", file, SAMPLES_AT + samples + rest.n));
    must(set.path && set.cache);
    must(pyr_dataset_cache_take(&set, &taken, KEY, n % 2 ? 16 : MOST) == PYR_OK);
    if (taken)
        use(&set);
    pyr_dataset_clear(&set);
    must(pyr_mem().live_blocks == 0);
    return 0;
}
