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
    size_t largest = 1;

    PYR_TRY_OUT(open_shards(&s, files));
    PYR_TRY_OUT(check_tensors(&s, files, params));
    for (int i = 0; i < params->n; i++)
        largest = params->at[i].count > largest ? params->at[i].count : largest;
    PYR_TRY_OUT(pyr_new(&host, largest, sizeof *host, "weights of a file"));
    for (int i = 0; i < params->n; i++) {
        const pyr_param *p = &params->at[i];
        const pyr_safetensors *file;
        const pyr_st_tensor *t = find(&s, p->name, &file);

        PYR_TRY_OUT(pyr_safetensors_read_f32(file, t, host, p->count));
        for (size_t j = 0; j < p->count; j++)
            if (!isfinite(host[j])) {
                status = pyr_fail(PYR_E_FORMAT, "%s: %s[%zu] is not a finite number: the model is broken",
                                  files->weights.at[0], p->name, j);
                goto out;
            }
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
    char *config_path = pyr_path_join(folder, "config.json");
    char *weights_path = pyr_path_join(folder, "diffusion_pytorch_model.safetensors");
    pyr_st_entry *entries = NULL;
    pyr_st_pair *pairs = NULL;
    char sum[CONFIG_SUM];
    bool in_place = k->backend->host_memory && k->real == PYR_F32;
    float *host = NULL;
    size_t at = 0;

    if (!config_path || !weights_path) {
        status = pyr_fail(PYR_E_NOMEM, "out of memory for names in %s", folder);
        goto out;
    }
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

/* ---- a stored answer --------------------------------------------------------------------------- */

typedef struct stored {
    const pyr_st_tensor *sample, *timestep, *labels, *output;
    int n, c, h, w;
} stored;

static pyr_status read_stored(stored *s, const pyr_safetensors *io, const pyr_unet_config *config)
{
    s->sample = pyr_safetensors_find(io, "sample");
    s->timestep = pyr_safetensors_find(io, "timestep");
    s->labels = pyr_safetensors_find(io, "class_labels");
    s->output = pyr_safetensors_find(io, "output");
    if (!s->sample || !s->timestep || !s->output || s->sample->rank != 4 || s->output->rank != 4)
        return pyr_fail(PYR_E_FORMAT, "io.safetensors should hold sample and output (NCHW) and timestep");
    s->n = (int)s->sample->dims[0];
    s->c = (int)s->sample->dims[1];
    s->h = (int)s->sample->dims[2];
    s->w = (int)s->sample->dims[3];
    if (s->sample->dims[0] > 4096 || s->sample->count < 1 ||
        s->c * config->patch * config->patch != config->in_channels ||
        (s->timestep->count != 1 && s->timestep->count != (size_t)s->n))
        return pyr_fail(PYR_E_FORMAT,
                        "io.safetensors: sample has %d channels and timestep %zu values, which does not fit "
                        "the model",
                        s->c, s->timestep->count);
    if ((config->class_embed_type != PYR_UNET_CLASS_NONE) != (s->labels != NULL))
        return pyr_fail(PYR_E_FORMAT, "io.safetensors: class_labels %s, but the model %s",
                        s->labels ? "are there" : "are missing", s->labels ? "has no classes" : "wants them");
    return PYR_OK;
}

/* Host numbers into an input of the graph; `rows`: as U32. */
static pyr_status put_values(pyr_kernels *k, void *dst, const double *values, size_t n, bool rows)
{
    pyr_status status = PYR_OK;

    if (!rows)
        return pyr_upload_reals(k, dst, values, n);
    for (size_t i = 0; i < n && status == PYR_OK; i++) {
        uint32_t row = (uint32_t)values[i];

        pyr_upload(k, (uint32_t *)dst + i, &row, sizeof row);
    }
    return pyr_sync(k);
}

/* Element i of `nhwc`, shape s, is element nchw_of(s, i) of the same images stored channel by channel. */
static size_t nchw_of(pyr_shape s, size_t i)
{
    size_t pixels = (size_t)s.h * (size_t)s.w, c = i % (size_t)s.c, pixel = i / (size_t)s.c % pixels,
           n = i / (size_t)s.c / pixels;

    return (n * (size_t)s.c + c) * pixels + pixel;
}

/* The graph runs on one lane. */
static pyr_status run_stored(pyr_unet_check *out, const pyr_safetensors *io, const stored *s,
                             const pyr_unet_config *config, const pyr_unet_files *files, pyr_kernels *k)
{
    pyr_status status = PYR_OK;
    pyr_params params = {0};
    pyr_graph *g = NULL;
    void *block = NULL;
    double *sample = NULL, *wanted = NULL, *times = NULL, *labels = NULL, *numbers = NULL;
    bool learned = config->time_embedding_type == PYR_UNET_LEARNED;
    bool table = config->class_embed_type == PYR_UNET_CLASS_TABLE;
    pyr_unet_inputs in = {.label = -1, .stream = -1};
    int label_width = config->class_embed_type == PYR_UNET_CLASS_IDENTITY ? pyr_unet_embedding(config) : 1;
    size_t n_labels = (size_t)s->n * (size_t)label_width;
    pyr_value y;
    pyr_shape shape;

    PYR_TRY_OUT(pyr_graph_new(&g, k, k->precision, &params));
    in.sample = pyr_graph_input(g, (pyr_shape){1, s->h, s->w, s->c}, k->real);
    in.time = pyr_graph_input(g, (pyr_shape){1, 1, 1, 1}, learned ? PYR_U32 : k->real);
    if (s->labels)
        in.label = pyr_graph_input(g, (pyr_shape){1, 1, 1, label_width}, table ? PYR_U32 : k->real);
    y = pyr_unet_build(g, config, &(pyr_unet_options){0}, &in);
    pyr_graph_keep(g, y);
    PYR_TRY_OUT(pyr_graph_plan(g, &(pyr_plan){.batch = s->n, .lanes = 1}));
    PYR_TRY_OUT(pyr_alloc(k, &block, params.count * pyr_type_size(k->real), "weights"));
    PYR_TRY_OUT(pyr_unet_load(files, &params, k, block, NULL));
    PYR_TRY_OUT(pyr_graph_pack(g, block));
    shape = pyr_graph_shape(g, y);
    if (s->output->count != pyr_count(shape)) {
        status = pyr_fail(PYR_E_FORMAT, "io.safetensors: output has %zu numbers, the network gives %zu",
                          s->output->count, pyr_count(shape));
        goto out;
    }
    PYR_TRY_OUT(pyr_new(&sample, s->sample->count, sizeof *sample, "stored sample"));
    PYR_TRY_OUT(pyr_new(&wanted, s->output->count, sizeof *wanted, "stored output"));
    PYR_TRY_OUT(pyr_new(&times, s->timestep->count, sizeof *times, "stored times"));
    PYR_TRY_OUT(pyr_new(&numbers, s->sample->count + s->output->count, sizeof *numbers, "stored numbers"));
    PYR_TRY_OUT(pyr_safetensors_read_f64(io, s->sample, sample, s->sample->count));
    PYR_TRY_OUT(pyr_safetensors_read_f64(io, s->output, wanted, s->output->count));
    if (s->timestep->dtype == PYR_ST_I64 || s->timestep->dtype == PYR_ST_I32) {
        int64_t whole[4096];

        PYR_TRY_OUT(pyr_safetensors_read_i64(io, s->timestep, whole, s->timestep->count));
        for (size_t i = 0; i < s->timestep->count; i++)
            times[i] = (double)whole[i];
    } else
        PYR_TRY_OUT(pyr_safetensors_read_f64(io, s->timestep, times, s->timestep->count));

    for (size_t i = 0; i < s->sample->count; i++)
        numbers[i] = sample[nchw_of((pyr_shape){s->n, s->h, s->w, s->c}, i)];
    PYR_TRY_OUT(put_values(k, pyr_graph_data(g, 0, in.sample), numbers, s->sample->count, false));
    for (size_t n = 0; n < (size_t)s->n; n++) {
        double t = times[s->timestep->count == 1 ? 0 : n];

        if (learned && !(t >= 0 && t < config->num_train_timesteps)) {
            status = pyr_fail(PYR_E_FORMAT, "io.safetensors: timestep %g is not in 0..%d", t,
                              config->num_train_timesteps - 1);
            goto out;
        }
        numbers[n] = t;
    }
    PYR_TRY_OUT(put_values(k, pyr_graph_data(g, 0, in.time), numbers, (size_t)s->n, learned));
    if (s->labels) {
        if (s->labels->count != n_labels) {
            status = pyr_fail(PYR_E_FORMAT, "io.safetensors: class_labels has %zu values, expected %zu",
                              s->labels->count, n_labels);
            goto out;
        }
        PYR_TRY_OUT(pyr_new(&labels, n_labels, sizeof *labels, "stored labels"));
        if (s->labels->dtype == PYR_ST_I64 || s->labels->dtype == PYR_ST_I32) {
            int64_t *whole;

            PYR_TRY_OUT(pyr_new(&whole, n_labels, sizeof *whole, "stored labels"));
            status = pyr_safetensors_read_i64(io, s->labels, whole, n_labels);
            for (size_t i = 0; i < n_labels && status == PYR_OK; i++)
                labels[i] = (double)whole[i];
            pyr_free(whole);
            if (status != PYR_OK)
                goto out;
        } else
            PYR_TRY_OUT(pyr_safetensors_read_f64(io, s->labels, labels, n_labels));
        for (size_t i = 0; table && i < n_labels; i++)
            if (!(labels[i] >= 0 && labels[i] < config->num_class_embeds)) {
                status = pyr_fail(PYR_E_FORMAT, "io.safetensors: class %g is not in 0..%d", labels[i],
                                  config->num_class_embeds - 1);
                goto out;
            }
        PYR_TRY_OUT(put_values(k, pyr_graph_data(g, 0, in.label), labels, n_labels, table));
    }
    PYR_TRY_OUT(pyr_graph_forward(g, 0));
    *out = (pyr_unet_check){.found = true, .n = s->n, .h = s->h, .w = s->w};
    PYR_TRY_OUT(pyr_download_reals(k, numbers, pyr_graph_data(g, 0, y), pyr_count(shape)));
    for (size_t i = 0; i < pyr_count(shape); i++) {
        double want = wanted[nchw_of(shape, i)];

        /* what is not a number stays: it is the largest difference of all */
        if (!isnan(out->error) && !(fabs(numbers[i] - want) <= out->error))
            out->error = fabs(numbers[i] - want);
        out->scale = fmax(fabs(want), out->scale);
    }
out:
    pyr_graph_free(g);
    pyr_params_free(&params);
    pyr_release(k, block);
    pyr_free(sample);
    pyr_free(wanted);
    pyr_free(times);
    pyr_free(labels);
    pyr_free(numbers);
    return status;
}

pyr_status pyr_unet_check_io(pyr_unet_check *out, const char *folder, const pyr_unet_files *files,
                             pyr_kernels *k)
{
    pyr_status status = PYR_OK;
    pyr_unet_config config;
    pyr_safetensors *io = NULL;
    stored s;
    bool there;
    char *path = pyr_path_join(folder, "io.safetensors");

    *out = (pyr_unet_check){0};
    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name in %s", folder);
    PYR_TRY_OUT(pyr_file_exists(&there, path));
    if (!there)
        goto out;
    PYR_TRY_OUT(pyr_unet_config_read(&config, files->config, NULL));
    PYR_TRY_OUT(pyr_safetensors_open(&io, path));
    PYR_TRY_OUT(read_stored(&s, io, &config));
    PYR_TRY_OUT(run_stored(out, io, &s, &config, files, k));
out:
    pyr_safetensors_free(io);
    pyr_free(path);
    return status;
}
