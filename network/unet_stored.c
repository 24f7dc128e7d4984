/* unet_stored.c - a network from its files alone, and against an answer that diffusers stored with it. */
#include "base/file.h"
#include "base/mem.h"
#include "network/unet.h"
#include "network/unet_file.h"
#include <math.h>

/* ---- a network from its files ------------------------------------------------------------------ */

pyr_status pyr_unet_model_load(pyr_unet_model *m, const pyr_unet_config *config, const pyr_unet_files *files,
                               pyr_shape sample, int batch, pyr_text *warning)
{
    pyr_kernels *k = m->k;

    PYR_TRY(pyr_graph_new(&m->g, k, k->precision, &m->params));
    m->in = pyr_unet_add_inputs(m->g, config, sample, k->real);
    m->y = pyr_unet_build(m->g, config, &(pyr_unet_options){0}, &m->in);
    pyr_graph_keep(m->g, m->y);
    PYR_TRY(pyr_graph_plan(m->g, &(pyr_plan){.batch = batch, .lanes = 1}));
    PYR_TRY(pyr_alloc(k, &m->block, m->params.count * pyr_type_size(k->real), "weights"));
    PYR_TRY(pyr_unet_load(files, &m->params, k, m->block, warning));
    return pyr_graph_pack(m->g, m->block);
}

pyr_status pyr_unet_model_put(pyr_unet_model *m, pyr_value input, const double *values, size_t n, bool rows)
{
    void *dst = pyr_graph_data(m->g, 0, input);

    if (!rows)
        return pyr_upload_reals(m->k, dst, values, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t row = (uint32_t)values[i];

        pyr_upload(m->k, (uint32_t *)dst + i, &row, sizeof row);
    }
    return pyr_sync(m->k);
}

void pyr_unet_model_free(pyr_unet_model *m)
{
    pyr_graph_free(m->g);
    pyr_params_free(&m->params);
    if (m->k)
        pyr_release(m->k, m->block);
    *m = (pyr_unet_model){.k = m->k};
}

/* ---- against a stored answer ------------------------------------------------------------------- */

/* The file, and the network that it is for. */
typedef struct stored {
    const pyr_safetensors *io;
    const pyr_unet_config *config;
    const pyr_st_tensor *sample, *timestep, *labels, *output;
    int n, c, h, w;
    pyr_unet_model m;
} stored;

static pyr_status find_stored(stored *s)
{
    const pyr_safetensors *io = s->io;
    const pyr_unet_config *config = s->config;

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

/* Element i of `nhwc`, shape s, is element nchw_of(s, i) of the same images stored channel by channel. */
static size_t nchw_of(pyr_shape s, size_t i)
{
    size_t pixels = (size_t)s.h * (size_t)s.w, c = i % (size_t)s.c, pixel = i / (size_t)s.c % pixels,
           n = i / (size_t)s.c / pixels;

    return (n * (size_t)s.c + c) * pixels + pixel;
}

static pyr_status load(stored *s, const pyr_unet_files *files)
{
    size_t result, labels;

    PYR_TRY(pyr_unet_model_load(&s->m, s->config, files, (pyr_shape){1, s->h, s->w, s->c}, s->n, NULL));
    result = pyr_count(pyr_graph_shape(s->m.g, s->m.y));
    if (s->output->count != result)
        return pyr_fail(PYR_E_FORMAT, "io.safetensors: output has %zu numbers, the network gives %zu",
                        s->output->count, result);
    labels = s->labels ? pyr_count(pyr_graph_shape(s->m.g, s->m.in.label)) : 0;
    if (s->labels && s->labels->count != labels)
        return pyr_fail(PYR_E_FORMAT, "io.safetensors: class_labels has %zu values, expected %zu",
                        s->labels->count, labels);
    return PYR_OK;
}

/* All numbers of a tensor; the caller frees them. */
static pyr_status read_numbers(double **out, const stored *s, const pyr_st_tensor *t)
{
    pyr_status status = PYR_OK;
    int64_t *whole = NULL;

    PYR_TRY(pyr_new(out, t->count, sizeof **out, "stored numbers"));
    if (t->dtype != PYR_ST_I64 && t->dtype != PYR_ST_I32)
        return pyr_safetensors_read_f64(s->io, t, *out, t->count);
    PYR_TRY_OUT(pyr_new(&whole, t->count, sizeof *whole, "stored numbers"));
    PYR_TRY_OUT(pyr_safetensors_read_i64(s->io, t, whole, t->count));
    for (size_t i = 0; i < t->count; i++)
        (*out)[i] = (double)whole[i];
out:
    pyr_free(whole);
    return status;
}

/* Rows of a table are within it. */
static pyr_status check_rows(const double *rows, size_t n, int size, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!(rows[i] >= 0 && rows[i] < size))
            return pyr_fail(PYR_E_FORMAT, "io.safetensors: %s %g is not in 0..%d", what, rows[i], size - 1);
    return PYR_OK;
}

/* A tensor, or its one number for all images, into an input; `rows`: of the table whose rows they are, or 0. */
static pyr_status put(stored *s, pyr_value input, const pyr_st_tensor *t, int rows, const char *what)
{
    pyr_shape shape = pyr_graph_shape(s->m.g, input);
    size_t n = pyr_count(shape);
    double *read = NULL, *numbers = NULL;
    pyr_status status;

    PYR_TRY_OUT(read_numbers(&read, s, t));
    PYR_TRY_OUT(pyr_new(&numbers, n, sizeof *numbers, "stored numbers"));
    for (size_t i = 0; i < n; i++)
        numbers[i] = read[t->count == 1 ? 0 : nchw_of(shape, i)];
    if (rows)
        PYR_TRY_OUT(check_rows(numbers, n, rows, what));
    PYR_TRY_OUT(pyr_unet_model_put(&s->m, input, numbers, n, rows > 0));
out:
    pyr_free(read);
    pyr_free(numbers);
    return status;
}

static pyr_status compare(pyr_unet_check *out, const stored *s)
{
    pyr_shape shape = pyr_graph_shape(s->m.g, s->m.y);
    double *wanted = NULL, *numbers = NULL;
    pyr_status status = PYR_OK;

    PYR_TRY_OUT(read_numbers(&wanted, s, s->output));
    PYR_TRY_OUT(pyr_new(&numbers, pyr_count(shape), sizeof *numbers, "the network's output"));
    *out = (pyr_unet_check){.found = true, .n = s->n, .h = s->h, .w = s->w};
    PYR_TRY_OUT(pyr_download_reals(s->m.k, numbers, pyr_graph_data(s->m.g, 0, s->m.y), pyr_count(shape)));
    for (size_t i = 0; i < pyr_count(shape); i++) {
        double want = wanted[nchw_of(shape, i)];

        /* what is not a number stays: it is the largest difference of all */
        if (!isnan(out->error) && !(fabs(numbers[i] - want) <= out->error))
            out->error = fabs(numbers[i] - want);
        out->scale = fmax(fabs(want), out->scale);
    }
out:
    pyr_free(wanted);
    pyr_free(numbers);
    return status;
}

static pyr_status run(pyr_unet_check *out, stored *s, const pyr_unet_files *files)
{
    bool learned = s->config->time_embedding_type == PYR_UNET_LEARNED;
    bool table = s->config->class_embed_type == PYR_UNET_CLASS_TABLE;
    pyr_status status;

    PYR_TRY_OUT(find_stored(s));
    PYR_TRY_OUT(load(s, files));
    PYR_TRY_OUT(put(s, s->m.in.sample, s->sample, 0, "sample"));
    PYR_TRY_OUT(put(s, s->m.in.time, s->timestep, learned ? s->config->num_train_timesteps : 0, "timestep"));
    if (s->labels)
        PYR_TRY_OUT(put(s, s->m.in.label, s->labels, table ? s->config->num_class_embeds : 0, "class"));
    PYR_TRY_OUT(pyr_graph_forward(s->m.g, 0));
    PYR_TRY_OUT(compare(out, s));
out:
    pyr_unet_model_free(&s->m);
    return status;
}

pyr_status pyr_unet_check_io(pyr_unet_check *out, const char *folder, const pyr_unet_files *files,
                             pyr_kernels *k)
{
    pyr_status status = PYR_OK;
    pyr_unet_config config;
    pyr_safetensors *io = NULL;
    bool there;
    char *path;

    *out = (pyr_unet_check){0};
    PYR_TRY(pyr_path_new(&path, folder, "io.safetensors"));
    PYR_TRY_OUT(pyr_file_exists(&there, path));
    if (!there)
        goto out;
    PYR_TRY_OUT(pyr_unet_config_read(&config, files->config, NULL));
    PYR_TRY_OUT(pyr_safetensors_open(&io, path));
    PYR_TRY_OUT(run(out, &(stored){.io = io, .config = &config, .m.k = k}, files));
out:
    pyr_safetensors_free(io);
    pyr_free(path);
    return status;
}
