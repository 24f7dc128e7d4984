/* unet_file.c - the weights of a network from and to the files of a UNet2DModel. */
#include "network/unet_file.h"

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/mem.h"
#include "graph/safetensors.h"
#include "network/unet.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* In the metadata of the weights: XXH3-64 of the bytes of config.json. */
static const char config_key[] = "pyrdiff_config_xxh3";
enum { CONFIG_SUM = 17, MOST_CONFIG = 1 << 26 };

/* ---- loading ----------------------------------------------------------------------------------- */

typedef struct shards {
    pyr_safetensors **at;
    size_t n;
} shards;

static void close_shards(shards *s)
{
    for (size_t i = 0; s->at && i < s->n; i++)
        pyr_safetensors_free(s->at[i]);
    pyr_free(s->at);
}

/* The configuration beside weights of ours is the one that they were written with. */
static pyr_status check_config(const pyr_safetensors *weights, const char *path)
{
    const char *stored = pyr_safetensors_metadata(weights, config_key);
    char *bytes, now[CONFIG_SUM];
    size_t n;

    if (!stored)
        return PYR_OK;
    PYR_TRY(pyr_file_read(&bytes, &n, path, MOST_CONFIG));
    snprintf(now, sizeof now, "%016" PRIx64, pyr_checksum_of(bytes, n));
    pyr_free(bytes);
    if (strcmp(stored, now) == 0)
        return PYR_OK;
    return pyr_fail(PYR_E_FORMAT,
                    "%s is not what was written with the weights beside it: damaged, or changed by someone "
                    "(who removes %s from the metadata of the weights, if that is meant)",
                    path, config_key);
}

static pyr_status open_shards(shards *s, const pyr_unet_files *files)
{
    *s = (shards){.n = files->weights.n};
    PYR_TRY(pyr_new(&s->at, s->n ? s->n : 1, sizeof *s->at, "model files"));
    for (size_t i = 0; i < s->n; i++) {
        const char *path = files->weights.at[i];

        PYR_TRY(files->checked ? pyr_safetensors_open_head(&s->at[i], path)
                               : pyr_safetensors_open(&s->at[i], path));
        if (!files->checked)
            PYR_TRY(check_config(s->at[i], files->config));
    }
    return PYR_OK;
}

pyr_status pyr_unet_verify(pyr_unet_files *files)
{
    shards s = {0};
    pyr_status status = open_shards(&s, files);

    close_shards(&s);
    files->checked = status == PYR_OK;
    return status;
}

/* Before 2023 the attention's layers had other names. */
static const char *const old_names[][2] = {
    {".to_q.", ".query."}, {".to_k.", ".key."}, {".to_v.", ".value."}, {".to_out.0.", ".proj_attn."}};

static bool old_name(char out[PYR_PARAM_NAME + 16], const char *name)
{
    for (size_t i = 0; i < sizeof old_names / sizeof *old_names; i++) {
        const char *at = strstr(name, old_names[i][0]);

        if (!at)
            continue;
        snprintf(out, PYR_PARAM_NAME + 16, "%.*s%s%s", (int)(at - name), name, old_names[i][1],
                 at + strlen(old_names[i][0]));
        return true;
    }
    return false;
}

static const pyr_st_tensor *find(const shards *s, const char *name, const pyr_safetensors **file)
{
    char old[PYR_PARAM_NAME + 16];
    const pyr_st_tensor *t = NULL;

    *file = NULL;
    for (size_t i = 0; i < s->n && !t; i++) {
        *file = s->at[i];
        t = pyr_safetensors_find(s->at[i], name);
    }
    if (!t && old_name(old, name))
        for (size_t i = 0; i < s->n && !t; i++) {
            *file = s->at[i];
            t = pyr_safetensors_find(s->at[i], old);
        }
    return t;
}

static void add_shape(pyr_text *text, int rank, const int64_t *dims)
{
    pyr_text_add(text, "[");
    for (int i = 0; i < rank; i++)
        pyr_text_add(text, "%s%lld", i ? "," : "", (long long)dims[i]);
    pyr_text_add(text, "]");
}

/* "name: expected [64,3,3,3], found [64,6,3,3]", or nothing when it fits. */
static bool fits(const pyr_param *p, const pyr_st_tensor *t, pyr_text *why)
{
    int64_t dims[4] = {0};
    bool same = t && t->rank == p->rank;

    for (int i = 0; i < p->rank; i++) {
        dims[i] = p->dims[i];
        same = same && t->dims[i] == dims[i];
    }
    if (same)
        return true;
    pyr_text_add(why, "%s%s: expected ", why->length ? "; " : "", p->name);
    add_shape(why, p->rank, dims);
    if (t) {
        pyr_text_add(why, ", found ");
        add_shape(why, t->rank, t->dims);
    } else
        pyr_text_add(why, ", missing");
    return false;
}

enum { MOST_NAMED = 10 };

static pyr_status check_tensors(const shards *s, const pyr_unet_files *files, const pyr_params *params)
{
    pyr_text why = {0};
    pyr_status status = PYR_OK;
    int bad = 0;

    for (int i = 0; i < params->n; i++) {
        const pyr_safetensors *file;
        pyr_text here = {0};

        if (!fits(&params->at[i], find(s, params->at[i].name, &file), &here) && ++bad <= MOST_NAMED)
            pyr_text_add(&why, "%s%s", why.length ? "; " : "", here.at ? here.at : "?");
        pyr_text_free(&here);
    }
    if (bad)
        status =
            pyr_fail(PYR_E_FORMAT, "%s does not hold the network of %s: %d of %d tensors do not fit: %s%s",
                     files->weights.at[0], files->config, bad, params->n, why.at ? why.at : "",
                     bad > MOST_NAMED ? "; …" : "");
    pyr_text_free(&why);
    return status;
}

static void name_extras(const shards *s, const pyr_params *params, pyr_text *warning)
{
    int extra = 0;

    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < pyr_safetensors_count(s->at[i]); j++) {
            const char *name = pyr_safetensors_at(s->at[i], j)->name;
            char old[PYR_PARAM_NAME + 16];
            bool known = pyr_params_find(params, name) || strcmp(name, "time_proj.W") == 0 ||
                         strstr(name, ".Conv2d_0.");

            for (int p = 0; p < params->n && !known; p++)
                known = old_name(old, params->at[p].name) && strcmp(old, name) == 0;
            if (!known && extra++ < MOST_NAMED)
                pyr_text_add(warning, "%s%s",
                             extra > 1 ? ", " : "tensors that the network does not have: ", name);
        }
    if (extra > MOST_NAMED)
        pyr_text_add(warning, ", and %d more", extra - MOST_NAMED);
}

pyr_status pyr_unet_load(const pyr_unet_files *files, const pyr_params *params, pyr_kernels *k, void *block,
                         pyr_text *warning)
{
    pyr_status status = PYR_OK;
    shards s = {0};
    float *host = NULL;

    PYR_TRY_OUT(open_shards(&s, files));
    PYR_TRY_OUT(check_tensors(&s, files, params));
    PYR_TRY_OUT(pyr_new(&host, pyr_params_largest(params), sizeof *host, "weights of a file"));
    for (int i = 0; i < params->n; i++) {
        const pyr_param *p = &params->at[i];
        const pyr_safetensors *file;
        const pyr_st_tensor *t = find(&s, p->name, &file);

        PYR_TRY_OUT(pyr_safetensors_read_f32(file, t, host, p->count));
        for (size_t j = 0; j < p->count; j++)
            if (!isfinite(host[j]))
                PYR_TRY_OUT(pyr_fail(PYR_E_FORMAT, "%s: %s[%zu] is not a finite number: the model is broken",
                                     files->weights.at[0], p->name, j));
        PYR_TRY_OUT(pyr_param_upload(p, k, block, host));
    }
    if (warning)
        name_extras(&s, params, warning);
out:
    close_shards(&s);
    pyr_free(host);
    return status;
}

/* ---- saving ------------------------------------------------------------------------------------ */

pyr_status pyr_unet_save(const char *folder, const pyr_unet_config *config, const pyr_params *params,
                         pyr_kernels *k, const void *block, const pyr_st_pair *metadata, size_t n_metadata)
{
    pyr_status status = PYR_OK;
    pyr_text text = {0};
    char *config_path = NULL, *weights_path = NULL;
    pyr_st_entry *entries = NULL;
    pyr_st_pair *pairs = NULL;
    char sum[CONFIG_SUM];
    bool in_place = k->backend->host_memory && k->real == PYR_F32;
    float *host = NULL;
    size_t at = 0;

    PYR_TRY_OUT(pyr_path_new(&config_path, folder, "config.json"));
    PYR_TRY_OUT(pyr_path_new(&weights_path, folder, "diffusion_pytorch_model.safetensors"));
    PYR_TRY_OUT(pyr_make_folders(folder));
    PYR_TRY_OUT(pyr_new(&entries, (size_t)params->n + 1, sizeof *entries, "list of weights"));
    if (!in_place)
        PYR_TRY_OUT(pyr_new(&host, pyr_params_model_count(params) + 1, sizeof *host, "weights to save"));
    for (int i = 0; i < params->n; i++) {
        const pyr_param *p = &params->at[i];

        entries[i] = (pyr_st_entry){.name = p->name, .dtype = PYR_ST_F32, .rank = p->rank};
        if (in_place)
            entries[i].data = (const float *)block + p->offset;
        else {
            PYR_TRY_OUT(pyr_param_download(p, k, block, host + at));
            entries[i].data = host + at;
        }
        for (int j = 0; j < p->rank; j++)
            entries[i].dims[j] = p->dims[j];
        at += p->count;
    }
    PYR_TRY_OUT(pyr_unet_config_write(&text, config));
    snprintf(sum, sizeof sum, "%016" PRIx64, pyr_checksum_of(text.at, text.length));
    PYR_TRY_OUT(pyr_new(&pairs, n_metadata + 1, sizeof *pairs, "the metadata"));
    if (n_metadata)
        memcpy(pairs, metadata, n_metadata * sizeof *pairs);
    pairs[n_metadata] = (pyr_st_pair){config_key, sum};
    PYR_TRY_OUT(pyr_safetensors_write(weights_path, entries, (size_t)params->n, pairs, n_metadata + 1));
    PYR_TRY_OUT(pyr_file_replace(config_path, text.at, text.length));
out:
    pyr_text_free(&text);
    pyr_free(config_path);
    pyr_free(weights_path);
    pyr_free(entries);
    pyr_free(pairs);
    pyr_free(host);
    return status;
}
