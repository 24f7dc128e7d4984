/* reference.c - features of sets of images; those of references are kept in a cache. */
#include "eval/reference.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/stop.h"
#include "graph/safetensors.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

pyr_status pyr_set_features(float **features, float **logits, pyr_features *network, const pyr_image_set *set)
{
    enum { PART = 1024 }; /* images between two looks at whether to stop */
    const pyr_feature_facts *facts = pyr_features_facts(network);
    size_t d = (size_t)facts->size, classes = (size_t)facts->classes;
    int bits = set->words && facts->reads_words ? 16 : 8;

    *features = NULL;
    if (logits)
        *logits = NULL;
    PYR_TRY(pyr_new(features, (size_t)set->n * d, sizeof **features, "features"));
    if (logits)
        PYR_TRY(pyr_new(logits, (size_t)set->n * classes, sizeof **logits, "logits"));
    for (int64_t first = 0; first < set->n; first += PART) {
        int64_t n = set->n - first < PART ? set->n - first : PART;

        if (pyr_stop_requested())
            return pyr_fail(PYR_E_STOPPED, "stopped");
        PYR_TRY(pyr_features_run(network, n, pyr_image_set_at(set, first, bits), bits, set->h, set->w, set->c,
                                 *features + (size_t)first * d,
                                 logits ? *logits + (size_t)first * classes : NULL));
    }
    return PYR_OK;
}

/* ---- the cache --------------------------------------------------------------------------------- */

static const char tensor_name[] = "features", hash_key[] = "hash";

static void hash_words(char text[32], const float *features, size_t count)
{
    snprintf(text, 32, "%016" PRIx64, pyr_hash(PYR_HASH_START, features, count * sizeof *features));
}

/* True when all of it is as it was written. */
static bool read_features(float *features, int64_t n, int d, const char *path)
{
    pyr_safetensors *file;
    const pyr_st_tensor *tensor;
    const char *kept;
    char hash[32];
    size_t count = (size_t)n * (size_t)d;
    bool good = false;

    if (!pyr_is_file(path) || pyr_safetensors_open(&file, path) != PYR_OK)
        return false;
    tensor = pyr_safetensors_find(file, tensor_name);
    kept = pyr_safetensors_metadata(file, hash_key);
    if (tensor && kept && tensor->dtype == PYR_ST_F32 && tensor->rank == 2 && tensor->dims[0] == n &&
        tensor->dims[1] == d && pyr_safetensors_read_f32(file, tensor, features, count) == PYR_OK) {
        hash_words(hash, features, count);
        good = strcmp(hash, kept) == 0;
    }
    pyr_safetensors_free(file);
    return good;
}

static pyr_status write_features(const float *features, int64_t n, int d, const char *folder,
                                 const char *path)
{
    char hash[32];
    pyr_st_entry entry = {
        .name = tensor_name, .dtype = PYR_ST_F32, .rank = 2, .dims = {n, d}, .data = features};
    pyr_st_pair pair = {hash_key, hash};

    hash_words(hash, features, (size_t)n * (size_t)d);
    PYR_TRY(pyr_open_output_folder(folder));
    return pyr_safetensors_write(path, &entry, 1, &pair, 1);
}

pyr_status pyr_reference_features(float **features, bool *cached, pyr_features *network,
                                  const pyr_image_set *set, uint64_t fingerprint, const char *split,
                                  const char *cache)
{
    const pyr_feature_facts *facts = pyr_features_facts(network);
    int d = facts->size;
    char *path;
    pyr_status status;

    *features = NULL;
    *cached = false;
    if (!cache)
        return pyr_set_features(features, NULL, network, set);
    PYR_TRY(pyr_format(&path, "%s/%016" PRIx64 "-%s%s-%016" PRIx64 ".safetensors", cache, fingerprint, split,
                       set->words && facts->reads_words ? "-16" : "", facts->hash));
    PYR_TRY_OUT(pyr_new(features, (size_t)set->n * (size_t)d, sizeof **features, "features"));
    *cached = read_features(*features, set->n, d, path);
    if (*cached)
        goto out;
    pyr_free(*features);
    *features = NULL;
    PYR_TRY_OUT(pyr_set_features(features, NULL, network, set));
    (void)write_features(*features, set->n, d, cache, path);
out:
    pyr_free(path);
    return status;
}
