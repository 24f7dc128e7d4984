/* info_model.c - a model in words, and compared with the answer stored beside it. */
#include "cli/info/info.h"

#include "cli/cli.h"
#include "cli/machine.h"
#include "diffusers/pipeline.h"
#include "terminal/output.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static void print_warning(const char *path, pyr_text *warning)
{
    if (warning->length)
        pyr_tell("warning: %s: %s\n", path, warning->at);
    pyr_text_free(warning);
}

/* ---- a model ---------------------------------------------------------------------------------- */

pyr_status pyr_info_contents_read(pyr_info_contents *c, const pyr_unet_files *files)
{
    pyr_safetensors *file = NULL;
    pyr_status status = PYR_OK;

    *c = (pyr_info_contents){0};
    for (size_t i = 0; i < files->weights.n; i++) {
        const char *path = files->weights.at[i];

        PYR_TRY_OUT(pyr_safetensors_open(&file, path));
        for (size_t j = 0; j < pyr_safetensors_count(file); j++) {
            c->tensors++;
            c->numbers += pyr_safetensors_at(file, j)->count;
            c->dtypes |= 1u << pyr_safetensors_at(file, j)->dtype;
        }
        if (!c->ours && pyr_safetensors_metadata(file, "pyrdiff_level")) {
            PYR_TRY_OUT(pyr_facts_read(&c->facts, file, path));
            c->ours = true;
        }
        pyr_safetensors_free(file);
        file = NULL;
    }
out:
    pyr_safetensors_free(file);
    return status;
}

static void print_facts(const pyr_level_facts *f)
{
    pyr_print("  level          %d of a pyramid of %d (0 is the finest), filter %s", f->index, f->levels,
              pyr_filter_names[f->filter]);
    if (pyr_filter_of(f->filter)->has_sigma)
        pyr_print(" of sigma %g", f->filter_sigma);
    pyr_print("\n  images         %dx%d, of %dx%d with %d channel%s of %d bits; data %016" PRIx64 "\n",
              pyr_info_halved(f->h, f->index), pyr_info_halved(f->w, f->index), f->h, f->w, f->c,
              f->c == 1 ? "" : "s", f->bits, f->data);
    pyr_print("  condition      %s\n", f->index == f->levels - 1            ? "none, it is the coarsest"
                                       : f->condition == PYR_CONDITION_NONE ? "none"
                                                                            : "the coarser image");
    pyr_print("  standardised   mean");
    for (int i = 0; i < f->bands; i++)
        pyr_print(" %.6g", f->mean[i]);
    pyr_print(", std");
    for (int i = 0; i < f->bands; i++)
        pyr_print(" %.6g", f->std[i]);
    pyr_print("\n");
}

static void print_classes(const pyr_level_facts *f, const pyr_class_list *list)
{
    pyr_text text = {0};

    if (!list->n)
        return;
    pyr_class_list_add(list, &text);
    pyr_print("  classes        %s%s\n", text.at ? text.at : "none can be drawn",
              f->class_dropout < 0   ? ""
              : f->class_dropout > 0 ? ", and none"
                                     : "; never trained without one");
    pyr_text_free(&text);
}

static void print_blocks(const char *label, const char *key, const pyr_unet_block *blocks, int n)
{
    pyr_print("  %-15s", label);
    for (int i = 0; i < n; i++)
        pyr_print("%s%s", i ? " " : "", pyr_unet_word(key, (int)blocks[i]));
    pyr_print("\n");
}

static void print_embeddings(const pyr_unet_config *c)
{
    pyr_print("  time           %s", pyr_unet_word("time_embedding_type", (int)c->time_embedding_type));
    if (c->time_embedding_type == PYR_UNET_POSITIONAL)
        pyr_print(" (%s first, shift %g)", c->flip_sin_to_cos ? "cosines" : "sines", c->freq_shift);
    if (c->time_embedding_type == PYR_UNET_LEARNED)
        pyr_print(" (%d steps)", c->num_train_timesteps);
    pyr_print(", width %d\n", pyr_unet_embedding(c));
    pyr_print("  classes        %s", pyr_unet_class_words[c->class_embed_type]);
    if (c->class_embed_type == PYR_UNET_CLASS_TABLE)
        pyr_print(" of %d", c->num_class_embeds);
    pyr_print("\n");
}

static void print_config(const pyr_unet_config *c)
{
    pyr_print("  channels       %d in, %d out", c->in_channels, c->out_channels);
    if (c->patch > 1)
        pyr_print(", on patches of %dx%d pixels", c->patch, c->patch);
    if (c->sample_height)
        pyr_print("; sample size %dx%d", c->sample_height, c->sample_width);
    pyr_print("%s\n  resolutions    %d, of", c->center_input_sample ? "; input 2x - 1" : "", c->resolutions);
    for (int i = 0; i < c->resolutions; i++)
        pyr_print(" %d", c->block_out_channels[i]);
    pyr_print(" channels; %d layer%s per block\n", c->layers_per_block, c->layers_per_block == 1 ? "" : "s");
    print_blocks("down", "down_block_types", c->down_block_types, c->resolutions);
    pyr_print("  middle         %s\n", !c->mid_block      ? "none"
                                       : c->add_attention ? "with attention"
                                                          : "without attention");
    print_blocks("up", "up_block_types", c->up_block_types, c->resolutions);
    pyr_print("  attention      ");
    if (c->attention_head_dim)
        pyr_print("heads of %d channels\n", c->attention_head_dim);
    else
        pyr_print("one head\n");
    print_embeddings(c);
    pyr_print("  blocks         %s, group norm of %d groups (eps %g), time shift %s, dropout %g\n",
              pyr_unet_word("act_fn", (int)c->act_fn), c->norm_num_groups, c->norm_eps,
              pyr_unet_word("resnet_time_scale_shift", (int)c->resnet_time_scale_shift), c->dropout);
    pyr_print("  resampling     down %s (padding %d), up %s\n",
              pyr_unet_word("downsample_type", (int)c->downsample_type), c->downsample_padding,
              pyr_unet_word("downsample_type", (int)c->upsample_type));
}

pyr_status pyr_info_model(const char *path)
{
    pyr_unet_files files = {0};
    pyr_unet_config config;
    pyr_text warning = {0};
    pyr_info_contents c;
    pyr_class_list classes = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_unet_find(&files, path));
    PYR_TRY_OUT(pyr_unet_config_read(&config, files.config, &warning));
    PYR_TRY_OUT(pyr_info_contents_read(&c, &files));
    print_warning(files.config, &warning);
    pyr_print("%s: UNet2DModel, %zu tensors, %zu parameters (", path, c.tensors, c.numbers);
    for (unsigned i = 0, n = 0; i < 32; i++)
        if (c.dtypes >> i & 1)
            pyr_print("%s%s", n++ ? ", " : "", pyr_st_dtype_word((pyr_st_dtype)i));
    pyr_print(")");
    if (files.weights.n > 1)
        pyr_print(" in %zu files", files.weights.n);
    pyr_print("\n");
    if (c.ours) {
        print_facts(&c.facts);
        PYR_TRY_OUT(
            pyr_class_list_read(&classes, files.weights.at[0], c.facts.classes, c.facts.class_dropout));
        print_classes(&c.facts, &classes);
    }
    print_config(&config);
    if (!c.ours && !pyr_pipeline_exists(path))
        pyr_print(
            "  not sampled    no scheduler_config.json: without it nobody knows the noise it was trained "
            "with\n");
out:
    pyr_class_list_free(&classes);
    pyr_text_free(&warning);
    pyr_unet_files_free(&files);
    return status;
}

/* ---- checking a model ------------------------------------------------------------------------- */

/* Ones, or of a table's input its first row. */
static pyr_status put_ones(pyr_unet_model *m, pyr_value v, bool table)
{
    size_t n = pyr_count(pyr_graph_shape(m->g, v));
    double *ones;
    pyr_status status;

    PYR_TRY(pyr_new(&ones, n, sizeof *ones, "the input of a model"));
    for (size_t i = 0; i < n; i++)
        ones[i] = !table;
    status = pyr_unet_model_put(m, v, ones, n, table);
    pyr_free(ones);
    return status;
}

/* Run on a wave; time and class are 1. */
static pyr_status model_run(pyr_unet_model *m, const pyr_unet_config *c, bool *finite)
{
    pyr_shape in = pyr_graph_shape(m->g, m->in.sample), out = pyr_graph_shape(m->g, m->y);
    size_t n = pyr_count(in) > pyr_count(out) ? pyr_count(in) : pyr_count(out);
    double *host;
    pyr_status status;

    PYR_TRY(pyr_new(&host, n, sizeof *host, "the input of a model"));
    for (size_t i = 0; i < pyr_count(in); i++)
        host[i] = sin(0.7 * (double)i);
    PYR_TRY_OUT(pyr_upload_reals(m->k, pyr_graph_data(m->g, 0, m->in.sample), host, pyr_count(in)));
    PYR_TRY_OUT(put_ones(m, m->in.time, c->time_embedding_type == PYR_UNET_LEARNED));
    if (m->in.label >= 0)
        PYR_TRY_OUT(put_ones(m, m->in.label, c->class_embed_type == PYR_UNET_CLASS_TABLE));
    PYR_TRY_OUT(pyr_graph_forward(m->g, 0));
    PYR_TRY_OUT(pyr_download_reals(m->k, host, pyr_graph_data(m->g, 0, m->y), pyr_count(out)));
    *finite = true;
    for (size_t i = 0; i < pyr_count(out); i++)
        *finite = *finite && isfinite(host[i]);
out:
    pyr_free(host);
    return status;
}

/* No stored answer: run it on an image of the model's size. */
static pyr_status check_run(pyr_unet_model *m, const pyr_unet_config *c, const char *path, int h, int w)
{
    bool finite;

    PYR_TRY(model_run(m, c, &finite));
    pyr_print("  no io.safetensors to compare with; the output for an image of %dx%d is %s\n", h, w,
              finite ? "finite: OK" : "not finite: FAILED");
    return finite ? PYR_OK
                  : pyr_fail(PYR_E_NUMERIC, "%s: its output is not finite, the model is broken", path);
}

static pyr_status check_answer(pyr_kernels *k, const char *path, const char *folder,
                               const pyr_unet_files *files)
{
    pyr_unet_check check;
    double tolerance;
    bool good;

    PYR_TRY(pyr_unet_check_io(&check, folder, files, k));
    tolerance = 2e-5 * fmax(1, check.scale);
    good = check.error <= tolerance; /* not for NaN */
    pyr_print("  largest difference from the stored output (%d image%s of %dx%d): %.3g, allowed %.3g: %s\n",
              check.n, check.n == 1 ? "" : "s", check.h, check.w, check.error, tolerance,
              good ? "OK" : "FAILED");
    return good ? PYR_OK
                : pyr_fail(
                      PYR_E_NUMERIC,
                      "%s: the output is off by %.3g, allowed is %.3g; other weights than those the answer "
                      "was stored with?",
                      path, check.error, tolerance);
}

pyr_status pyr_info_check(const char *path, const pyr_machine *machine)
{
    pyr_unet_model m = {0};
    pyr_unet_files files = {0};
    pyr_unet_config c;
    pyr_text warning = {0};
    char *folder = NULL;
    bool answer;
    int h, w, pixels;
    pyr_machine exact = *machine;
    pyr_status status;

    if (strcmp(exact.precision, "auto") == 0)
        exact.precision = "f32"; /* a comparison is as exact as it can be, unless a precision is asked for */
    PYR_TRY_OUT(pyr_unet_find(&files, path));
    PYR_TRY_OUT(pyr_unet_config_read(&c, files.config, &warning));
    print_warning(files.config, &warning);
    pixels = c.patch * c.patch;
    if (c.in_channels % pixels)
        PYR_TRY_OUT(pyr_fail(PYR_E_CONFIG,
                             "%s: in_channels is %d, should be a multiple of the patch's %d pixels",
                             files.config, c.in_channels, pixels));
    PYR_TRY_OUT(pyr_folder_of(&folder, files.config));
    answer = pyr_info_holds(folder, "io.safetensors");
    h = !answer && c.sample_height ? c.sample_height : 32;
    w = !answer && c.sample_width ? c.sample_width : 32;
    PYR_TRY_OUT(pyr_open_machine(&m.k, &exact, false));
    PYR_TRY_OUT(
        pyr_unet_model_load(&m, &c, &files, (pyr_shape){1, h, w, c.in_channels / pixels}, 1, &warning));
    print_warning(files.weights.at[0], &warning);
    pyr_print("%s: loads on %s, %d tensors, %zu parameters\n", path, m.k->backend->name, m.params.n,
              pyr_params_model_count(&m.params));
    if (!answer) {
        PYR_TRY_OUT(check_run(&m, &c, path, h, w));
        goto out;
    }
    pyr_unet_model_free(&m); /* the answer's sizes need a graph of their own */
    PYR_TRY_OUT(check_answer(m.k, path, folder, &files));
out:
    pyr_unet_model_free(&m);
    pyr_kernels_free(m.k);
    pyr_unet_files_free(&files);
    pyr_text_free(&warning);
    pyr_free(folder);
    return status;
}
