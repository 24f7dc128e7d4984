/* fuzz_classifier.c - files of a classifier and of Inception-v3 that are hostile: what they say of their
 * shape, and weights into small networks of the same kinds of layers. */
#include "base/file.h"
#include "features/classifier.h"
#include "features/inception.h"
#include "tests/fuzz/networks.h"
#include <math.h>

typedef struct network {
    pyr_params params;
    void *block;
} network;

static const network *of_classifier(void)
{
    static network n;

    if (n.block)
        return &n;
    fuzz_param(&n.params, "a.weight", 2, 3, 2);
    fuzz_param(&n.params, "a.bias", 2, 1, 1);
    must(pyr_alloc(fuzz_kernels(), &n.block, n.params.count * sizeof(float), "weights") == PYR_OK);
    return &n;
}

static const network *of_inception(void)
{
    static network n;

    if (n.block)
        return &n;
    fuzz_param(&n.params, "b.conv.weight", 2, 1, 4);
    fuzz_param(&n.params, "b.conv.bias", 2, 1, 1);
    fuzz_param(&n.params, "fc.weight", 3, 2, 2);
    fuzz_param(&n.params, "fc.bias", 3, 1, 1);
    must(pyr_alloc(fuzz_kernels(), &n.block, n.params.count * sizeof(float), "weights") == PYR_OK);
    return &n;
}

static const uint8_t *classifier_seed(size_t *n)
{
    static const float zeros[6];
    static uint8_t *input;
    const network *net = of_classifier();
    uint64_t hash = PYR_HASH_START;
    char text[24];
    const pyr_st_entry entries[] = {{"a.weight", PYR_ST_F32, 2, {2, 3}, zeros},
                                    {"a.bias", PYR_ST_F32, 1, {2}, zeros}};
    const pyr_st_pair pairs[] = {{"kind", "pyrdiff classifier 1"},
                                 {"image_size", "28x28"},
                                 {"channels", "1"},
                                 {"classes", "10"},
                                 {"weights", text}};
    const char *path = fuzz_path("seed.safetensors");

    memset(net->block, 0, net->params.count * sizeof(float));
    must(pyr_params_hash(&hash, &net->params, fuzz_kernels(), net->block) == PYR_OK);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    must(pyr_safetensors_write(path, entries, 2, pairs, 5) == PYR_OK);
    free(input);
    input = fuzz_from_tensors(n, path);
    return input;
}

static const uint8_t *inception_seed(size_t *n)
{
    static const float ones[6] = {1, 1, 1, 1, 1, 1};
    static uint8_t *input;
    const pyr_st_entry entries[] = {{"b.conv.weight", PYR_ST_F32, 4, {2, 1, 1, 1}, ones},
                                    {"b.bn.weight", PYR_ST_F32, 1, {2}, ones},
                                    {"b.bn.bias", PYR_ST_F32, 1, {2}, ones},
                                    {"b.bn.running_mean", PYR_ST_F32, 1, {2}, ones},
                                    {"b.bn.running_var", PYR_ST_F32, 1, {2}, ones},
                                    {"fc.weight", PYR_ST_F32, 2, {3, 2}, ones},
                                    {"fc.bias", PYR_ST_F32, 1, {3}, ones},
                                    {"Conv2d_1a_3x3.conv.weight", PYR_ST_F32, 0, {0}, ones},
                                    {"Mixed_7c.branch_pool.conv.weight", PYR_ST_F32, 0, {0}, ones}};
    const char *path = fuzz_path("seed.safetensors");

    must(pyr_safetensors_write(path, entries, sizeof entries / sizeof *entries, NULL, 0) == PYR_OK);
    free(input);
    input = fuzz_from_tensors(n, path);
    return input;
}

const uint8_t *fuzz_seed(size_t i, size_t *n)
{
    return i == 0 ? classifier_seed(n) : i == 1 ? inception_seed(n) : NULL;
}

static void read_classifier(const pyr_safetensors *file)
{
    const network *net = of_classifier();
    pyr_classifier_shape shape = {0};
    uint64_t hash;
    pyr_status status = pyr_classifier_read_shape(&shape, file, "fuzz");

    must(status == PYR_OK || strncmp(pyr_error(), "fuzz", 4) == 0);
    must(status != PYR_OK ||
         (shape.h > 0 && shape.w > 0 && shape.c > 0 && shape.c <= 4 && shape.classes > 0));
    status = pyr_classifier_load(&hash, file, "fuzz", &net->params, fuzz_kernels(), net->block);
    must(status == PYR_OK || strncmp(pyr_error(), "fuzz", 4) == 0);
}

static void read_inception(const pyr_safetensors *file)
{
    const network *net = of_inception();
    int classes = 0;
    uint64_t hash;
    pyr_status status = pyr_inception_classes(&classes, file, "fuzz");

    must(status != PYR_OK || classes > 0);
    must(status == PYR_OK || strncmp(pyr_error(), "fuzz", 4) == 0);
    status = pyr_inception_load(&hash, file, "fuzz", &net->params, fuzz_kernels(), net->block);
    must(status == PYR_OK || strncmp(pyr_error(), "fuzz", 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const network *const ready[] = {of_classifier(), of_inception()};
    size_t live = pyr_mem().live_blocks, size;
    const uint8_t *bytes_of_file = fuzz_tensors(&size, bytes, n);
    pyr_safetensors *file;

    must(ready[0] && ready[1]);
    if (pyr_safetensors_parse(&file, bytes_of_file, size, "fuzz") == PYR_OK) {
        if (pyr_is_classifier(file))
            read_classifier(file);
        else
            read_inception(file);
        (void)pyr_is_inception(file);
    }
    pyr_safetensors_free(file);
    must(pyr_mem().live_blocks == live);
    return 0;
}
