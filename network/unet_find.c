/* unet_find.c - the files of a model: its configuration and its weights. */
#include "network/unet_find.h"

#include "base/json.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

#define STEM "diffusion_pytorch_model"

static pyr_status add_weights(pyr_unet_files *out, const char *folder, const char *name)
{
    return pyr_names_format(&out->weights, "%s%s%s", folder, pyr_ends_with(folder, "/") ? "" : "/", name);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order, each once. */
static void sort_weights(pyr_names *weights)
{
    size_t n = 0;

    qsort(weights->at, weights->n, sizeof *weights->at, compare_paths);
    for (size_t i = 0; i < weights->n; i++)
        if (n == 0 || strcmp(weights->at[n - 1], weights->at[i]) != 0)
            weights->at[n++] = weights->at[i];
    weights->n = n;
}

/* The shards that the index `folder`/`name` lists in its weight_map. */
static pyr_status add_shards(pyr_unet_files *out, const char *folder, const char *name)
{
    char *path;
    pyr_json_value *tree = NULL;
    const pyr_json_value *map, *item;
    pyr_status status;

    PYR_TRY(pyr_path_new(&path, folder, name));
    PYR_TRY_OUT(pyr_json_read(&tree, path));
    map = pyr_json_member(tree, "weight_map");
    if (!pyr_json_is(map, PYR_JSON_OBJECT) || !pyr_json_first(map))
        PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: weight_map is missing, empty or not an object", path));
    PYR_JSON_EACH(item, map)
    {
        if (!pyr_json_text(item) || !pyr_ends_with(pyr_json_text(item), ".safetensors") ||
            strchr(pyr_json_text(item), '/'))
            PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT,
                                 "%.400s: weight_map \"%.200s\" is not the name of a .safetensors beside it",
                                 path, pyr_json_key(item)));
        PYR_TRY_OUT(add_weights(out, folder, pyr_json_text(item)));
    }
    sort_weights(&out->weights);
    for (size_t i = 0; i < out->weights.n; i++) {
        bool there;

        PYR_TRY_OUT(pyr_file_exists(&there, out->weights.at[i]));
        if (!there)
            PYR_TRY_OUT(pyr_fail(PYR_E_IO, "%.400s: its part %.400s is missing", path, out->weights.at[i]));
    }
out:
    pyr_json_free(tree);
    pyr_free(path);
    return status;
}

/* "…-00001-of-00002.safetensors" */
static bool is_shard(const char *name)
{
    size_t n = strlen(name), tail = strlen("-00001-of-00002.safetensors");

    return n > tail && name[n - tail] == '-' && strncmp(name + n - tail + 6, "-of-", 4) == 0;
}

static bool is_index(const char *name)
{
    return strstr(name, ".safetensors.index.") && pyr_ends_with(name, ".json");
}

/* The weights in a folder: the plain name, an index, or the only variant. */
static pyr_status find_weights(pyr_unet_files *out, const char *folder)
{
    pyr_names names = {0};
    const char *variant = NULL, *second = NULL, *shard = NULL, *pickle = NULL;
    bool there;
    pyr_status status;

    PYR_TRY(pyr_file_exists_in(&there, folder, STEM ".safetensors"));
    if (there)
        return add_weights(out, folder, STEM ".safetensors");
    PYR_TRY(pyr_file_exists_in(&there, folder, STEM ".safetensors.index.json"));
    if (there)
        return add_shards(out, folder, STEM ".safetensors.index.json");
    PYR_TRY(pyr_folder_names(&names, folder));
    for (size_t i = 0; i < names.n; i++) {
        const char *name = names.at[i];

        if (strncmp(name, STEM, strlen(STEM)) != 0)
            continue;
        if (pyr_ends_with(name, ".bin") || pyr_ends_with(name, ".bin.index.json"))
            pickle = name;
        else if (is_shard(name))
            shard = name;
        else if (pyr_ends_with(name, ".safetensors") || is_index(name)) {
            second = variant;
            variant = name;
        }
    }
    if (second)
        status = pyr_fail(PYR_E_ARG,
                          "%s holds several variants, such as %s and %s; give the path of the one you mean",
                          folder, second, variant);
    else if (variant)
        status = is_index(variant) ? add_shards(out, folder, variant) : add_weights(out, folder, variant);
    else if (shard)
        status = pyr_fail(PYR_E_IO, "%s holds a part (%s), but not its index %s", folder, shard,
                          STEM ".safetensors.index.json");
    else if (pickle)
        status =
            pyr_fail(PYR_E_UNSUPPORTED,
                     "%s/%s is a pickle, which can run any program when read, so it is not; convert it with "
                     "diffusers: UNet2DModel.from_pretrained(\"%s\").save_pretrained(\"NEW\")",
                     folder, pickle, folder);
    else
        status = pyr_fail(PYR_E_IO, "%s has a config.json, but no %s", folder, STEM ".safetensors");
    pyr_names_free(&names);
    return status;
}

/* Whether the model of a folder is in its unet/: it has no config.json of its own, or that of a pipeline. */
static pyr_status is_inside(bool *inside, const char *path)
{
    bool config, index = false;

    *inside = false;
    PYR_TRY(pyr_file_exists_in(&config, path, "config.json"));
    if (config)
        PYR_TRY(pyr_file_exists_in(&index, path, "model_index.json"));
    return config && !index ? PYR_OK : pyr_file_exists_in(inside, path, "unet/config.json");
}

pyr_status pyr_unet_find(pyr_unet_files *out, const char *path)
{
    bool is_file, there;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int length = slash ? (int)(slash == path ? 1 : slash - path) : 1; /* of the file's folder */
    char *folder = NULL;
    pyr_status status = PYR_OK;

    *out = (pyr_unet_files){0};
    PYR_TRY(pyr_file_exists(&is_file, path));
    if (is_file) {
        if (strcmp(name, "config.json") != 0 && !pyr_ends_with(name, ".safetensors") && !is_index(name))
            return pyr_fail(
                PYR_E_UNSUPPORTED, "%s is not a .safetensors file or the folder of a model%s", path,
                pyr_ending_of(name, ".bin .pt .pth .ckpt")
                    ? "; a pickle is not read, since it can run any program: save it as safetensors"
                    : "");
        PYR_TRY(pyr_format(&folder, "%.*s", length, slash ? path : "."));
    } else {
        bool inside;

        PYR_TRY(pyr_folder_exists(&there, path));
        if (!there)
            return pyr_fail(PYR_E_IO, "%s: no such file or folder", path);
        PYR_TRY(is_inside(&inside, path));
        PYR_TRY(inside ? pyr_path_new(&folder, path, "unet") : pyr_format(&folder, "%s", path));
    }
    PYR_TRY_OUT(pyr_file_exists_in(&there, folder, "config.json"));
    if (!there)
        PYR_TRY_OUT(is_file ? pyr_fail(PYR_E_IO, "%s has no config.json beside it", path)
                            : pyr_fail(PYR_E_IO, "%s has neither config.json nor unet/config.json", path));
    PYR_TRY_OUT(pyr_path_new(&out->config, folder, "config.json"));
    if (is_file && pyr_ends_with(name, ".safetensors") && !is_shard(name)) /* of a shard, all are meant */
        status = add_weights(out, folder, name);
    else if (is_file && is_index(name))
        status = add_shards(out, folder, name);
    else
        status = find_weights(out, folder);
out:
    pyr_free(folder);
    if (status != PYR_OK)
        pyr_unet_files_free(out);
    return status;
}

void pyr_unet_files_free(pyr_unet_files *files)
{
    pyr_free(files->config);
    pyr_names_free(&files->weights);
    *files = (pyr_unet_files){0};
}
