/* info.c - pyrdiff info: describe a run, a model, codes, a data set, or the program; check a model. */
#include "cli/cli.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cascade/run.h"
#include "cli/codes_file.h"
#include "kernels/cpu/onednn.h"
#include "levels/level_file.h"
#include "levels/unet.h"
#include "levels/unet_file.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#ifndef PYR_VERSION
#define PYR_VERSION "0.1.0"
#endif

static pyr_status no_memory(const char *path)
{
    return pyr_fail(PYR_E_NOMEM, "out of memory for a name in %s", path);
}

static bool holds(const char *folder, const char *name)
{
    char *path = pyr_path_join(folder, name);
    bool there = path && pyr_is_file(path);

    pyr_free(path);
    return there;
}

static void print_warning(const char *path, pyr_text *warning)
{
    if (warning->length)
        fprintf(stderr, "warning: %s: %s\n", path, warning->at);
    pyr_text_free(warning);
}

/* Images of level i: halved i times, upwards. */
static int halved(int side, int level)
{
    while (level-- > 0)
        side = (side + 1) / 2;
    return side;
}

/* ---- the program --------------------------------------------------------------------------------- */

static pyr_status info_program(void)
{
    static const char *const backends[] = {"cpu", "ref", "ref-double"};
    static const char *const what[] = {"oneDNN and vector loops", "plain loops, float",
                                       "plain loops, double"};

    printf("pyrdiff     %s\n", PYR_VERSION);
#ifdef __clang__
    printf("compiler    clang %s\n", __clang_version__);
#else
    printf("compiler    gcc %s\n", __VERSION__);
#endif
    printf("libraries   %s\n", pyr_onednn_version());
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        pyr_kernels *k;

        if (pyr_kernels_open(&k, backends[i], 1) == PYR_OK)
            printf("%-12s%s (%s)\n", i ? "" : "backends", backends[i], what[i]);
        else
            printf("%-12s%s: %s\n", i ? "" : "backends", backends[i], pyr_error());
        pyr_kernels_free(k);
    }
    printf("processors  %d\n", pyr_processors());
    return PYR_OK;
}

/* ---- a model ------------------------------------------------------------------------------------- */

/* What the files of a model hold, without reading the weights. */
typedef struct contents {
    size_t tensors, numbers;
    unsigned dtypes; /* a bit for each */
    bool ours;       /* a level of a pyramid: facts */
    pyr_level_facts facts;
} contents;

static pyr_status read_contents(contents *c, const pyr_unet_files *files)
{
    pyr_safetensors *file = NULL;
    pyr_status status = PYR_OK;

    *c = (contents){0};
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
    printf("  level          %d of a pyramid of %d (0 is the finest), filter %s", f->index, f->levels,
           pyr_filter_names[f->filter]);
    if (f->filter == PYR_FILTER_GAUSSIAN)
        printf(" of sigma %g", f->filter_sigma);
    printf("\n  images         %dx%d, of %dx%d with %d channel%s; data %016" PRIx64 "\n",
           halved(f->h, f->index), halved(f->w, f->index), f->h, f->w, f->c, f->c == 1 ? "" : "s", f->data);
    printf("  condition      %s\n", f->index == f->levels - 1            ? "none, it is the coarsest"
                                    : f->condition == PYR_CONDITION_NONE ? "none"
                                                                         : "the coarser image");
    printf("  standardised   mean");
    for (int i = 0; i < f->bands; i++)
        printf(" %.6g", f->mean[i]);
    printf(", std");
    for (int i = 0; i < f->bands; i++)
        printf(" %.6g", f->std[i]);
    printf("\n");
}

static void print_blocks(const char *label, pyr_unet_words set, const pyr_unet_block *blocks, int n)
{
    printf("  %-15s", label);
    for (int i = 0; i < n; i++)
        printf("%s%s", i ? " " : "", pyr_unet_word(set, (int)blocks[i]));
    printf("\n");
}

static void print_embeddings(const pyr_unet_config *c)
{
    printf("  time           %s", pyr_unet_word(PYR_UNET_WORDS_TIME, (int)c->time_embedding_type));
    if (c->time_embedding_type == PYR_UNET_POSITIONAL)
        printf(" (%s first, shift %g)", c->flip_sin_to_cos ? "cosines" : "sines", c->freq_shift);
    if (c->time_embedding_type == PYR_UNET_LEARNED)
        printf(" (%d steps)", c->num_train_timesteps);
    printf(", width %d\n", pyr_unet_embedding(c));
    printf("  classes        %s", pyr_unet_class_words[c->class_embed_type]);
    if (c->class_embed_type == PYR_UNET_CLASS_TABLE)
        printf(" of %d", c->num_class_embeds);
    printf("\n");
}

static void print_config(const pyr_unet_config *c)
{
    printf("  channels       %d in, %d out", c->in_channels, c->out_channels);
    if (c->patch > 1)
        printf(", on patches of %dx%d pixels", c->patch, c->patch);
    if (c->sample_height)
        printf("; sample size %dx%d", c->sample_height, c->sample_width);
    printf("%s\n  resolutions    %d, of", c->center_input_sample ? "; input 2x - 1" : "", c->resolutions);
    for (int i = 0; i < c->resolutions; i++)
        printf(" %d", c->block_out_channels[i]);
    printf(" channels; %d layer%s per block\n", c->layers_per_block, c->layers_per_block == 1 ? "" : "s");
    print_blocks("down", PYR_UNET_WORDS_DOWN, c->down_block_types, c->resolutions);
    printf("  middle         %s\n", !c->mid_block      ? "none"
                                    : c->add_attention ? "with attention"
                                                       : "without attention");
    print_blocks("up", PYR_UNET_WORDS_UP, c->up_block_types, c->resolutions);
    printf("  attention      ");
    if (c->attention_head_dim)
        printf("heads of %d channels\n", c->attention_head_dim);
    else
        printf("one head\n");
    print_embeddings(c);
    printf("  blocks         %s, group norm of %d groups (eps %g), time shift %s, dropout %g\n",
           pyr_unet_word(PYR_UNET_WORDS_ACT, (int)c->act_fn), c->norm_num_groups, c->norm_eps,
           pyr_unet_word(PYR_UNET_WORDS_SHIFT, (int)c->resnet_time_scale_shift), c->dropout);
    printf("  resampling     down %s (padding %d), up %s\n",
           pyr_unet_word(PYR_UNET_WORDS_RESAMPLE, (int)c->downsample_type), c->downsample_padding,
           pyr_unet_word(PYR_UNET_WORDS_RESAMPLE, (int)c->upsample_type));
}

static pyr_status info_model(const char *path)
{
    pyr_unet_files files = {0};
    pyr_unet_config config;
    pyr_text warning = {0};
    contents c;
    pyr_status status;

    PYR_TRY_OUT(pyr_unet_find(&files, path));
    PYR_TRY_OUT(pyr_unet_config_read(&config, files.config, &warning));
    PYR_TRY_OUT(read_contents(&c, &files));
    print_warning(files.config, &warning);
    printf("%s: UNet2DModel, %zu tensors, %zu parameters (", path, c.tensors, c.numbers);
    for (unsigned i = 0, n = 0; i < 32; i++)
        if (c.dtypes >> i & 1)
            printf("%s%s", n++ ? ", " : "", pyr_st_dtype_word((pyr_st_dtype)i));
    printf(")");
    if (files.weights.n > 1)
        printf(" in %zu files", files.weights.n);
    printf("\n");
    if (c.ours)
        print_facts(&c.facts);
    print_config(&config);
out:
    pyr_text_free(&warning);
    pyr_unet_files_free(&files);
    return status;
}

/* ---- checking a model ---------------------------------------------------------------------------- */

typedef struct model {
    pyr_kernels *k;
    pyr_params params;
    pyr_graph *g;
    void *block;
    pyr_unet_inputs in;
    pyr_value y;
} model;

static void model_free(model *m)
{
    pyr_graph_free(m->g);
    pyr_params_free(&m->params);
    if (m->k)
        m->k->release(m->k, m->block);
    *m = (model){.k = m->k};
}

/* The network for one image h x w, with the weights of the files. */
static pyr_status model_load(model *m, const pyr_unet_config *c, const pyr_unet_files *files, int h, int w,
                             pyr_text *warning)
{
    pyr_kernels *k = m->k;
    pyr_type time = c->time_embedding_type == PYR_UNET_LEARNED ? PYR_U32 : k->real;
    pyr_type label = c->class_embed_type == PYR_UNET_CLASS_TABLE ? PYR_U32 : k->real;
    int width = c->class_embed_type == PYR_UNET_CLASS_IDENTITY ? pyr_unet_embedding(c) : 1;

    if (c->in_channels % (c->patch * c->patch))
        return pyr_fail(PYR_E_CONFIG, "%s: in_channels is %d, should be a multiple of the patch's %d pixels",
                        files->config, c->in_channels, c->patch * c->patch);
    m->in = (pyr_unet_inputs){.label = -1, .stream = -1};
    PYR_TRY(pyr_graph_new(&m->g, k, &m->params));
    m->in.sample =
        pyr_graph_input(m->g, (pyr_shape){1, h, w, c->in_channels / (c->patch * c->patch)}, k->real);
    m->in.time = pyr_graph_input(m->g, (pyr_shape){1, 1, 1, 1}, time);
    if (c->class_embed_type != PYR_UNET_CLASS_NONE)
        m->in.label = pyr_graph_input(m->g, (pyr_shape){1, 1, 1, width}, label);
    m->y = pyr_unet_build(m->g, c, &(pyr_unet_options){0}, &m->in);
    pyr_graph_keep(m->g, m->y);
    PYR_TRY(pyr_graph_plan(m->g, &(pyr_plan){.batch = 1, .lanes = 1}));
    PYR_TRY(k->alloc(k, &m->block, m->params.count * pyr_type_size(k->real), "weights"));
    PYR_TRY(pyr_unet_load(files, &m->params, k, m->block, warning));
    return pyr_graph_pack(m->g, m->block);
}

/* n ones, or of a table's input its first row. */
static pyr_status put_ones(model *m, pyr_value v, bool table, size_t n)
{
    static const uint32_t row = 0;
    void *at = pyr_graph_data(m->g, 0, v);
    double *ones;
    pyr_status status;

    if (table) {
        m->k->upload(m->k, at, &row, sizeof row);
        return m->k->sync(m->k);
    }
    PYR_TRY(pyr_new(&ones, n, sizeof *ones, "the input of a model"));
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    status = pyr_upload_reals(m->k, at, ones, n);
    pyr_free(ones);
    return status;
}

/* Run on a wave; time and class are 1. */
static pyr_status model_run(model *m, const pyr_unet_config *c, bool *finite)
{
    pyr_shape in = pyr_graph_shape(m->g, m->in.sample), out = pyr_graph_shape(m->g, m->y);
    size_t n = pyr_count(in) > pyr_count(out) ? pyr_count(in) : pyr_count(out);
    double *host;
    pyr_status status;

    PYR_TRY(pyr_new(&host, n, sizeof *host, "the input of a model"));
    for (size_t i = 0; i < pyr_count(in); i++)
        host[i] = sin(0.7 * (double)i);
    PYR_TRY_OUT(pyr_upload_reals(m->k, pyr_graph_data(m->g, 0, m->in.sample), host, pyr_count(in)));
    PYR_TRY_OUT(put_ones(m, m->in.time, c->time_embedding_type == PYR_UNET_LEARNED, 1));
    if (m->in.label >= 0)
        PYR_TRY_OUT(put_ones(m, m->in.label, c->class_embed_type == PYR_UNET_CLASS_TABLE,
                             pyr_count(pyr_graph_shape(m->g, m->in.label))));
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
static pyr_status check_run(model *m, const pyr_unet_config *c, const char *path, int h, int w)
{
    bool finite;

    PYR_TRY(model_run(m, c, &finite));
    printf("  no io.safetensors to compare with; the output for an image of %dx%d is %s\n", h, w,
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
    printf("  largest difference from the stored output (%d image%s of %dx%d): %.3g, allowed %.3g: %s\n",
           check.n, check.n == 1 ? "" : "s", check.h, check.w, check.error, tolerance,
           good ? "OK" : "FAILED");
    return good ? PYR_OK
                : pyr_fail(
                      PYR_E_NUMERIC,
                      "%s: the output is off by %.3g, allowed is %.3g; other weights than those the answer "
                      "was stored with?",
                      path, check.error, tolerance);
}

static pyr_status check_model(const char *path, const pyr_machine *machine)
{
    model m = {0};
    pyr_unet_files files = {0};
    pyr_unet_config c;
    pyr_text warning = {0};
    char *folder = NULL;
    bool answer;
    int h, w;
    pyr_status status;

    PYR_TRY_OUT(pyr_unet_find(&files, path));
    PYR_TRY_OUT(pyr_unet_config_read(&c, files.config, &warning));
    print_warning(files.config, &warning);
    folder = pyr_strfmt("%.*s", (int)(strlen(files.config) - strlen("/config.json")), files.config);
    if (!folder)
        PYR_TRY_OUT(no_memory(path));
    answer = holds(folder, "io.safetensors");
    h = !answer && c.sample_height ? c.sample_height : 32;
    w = !answer && c.sample_width ? c.sample_width : 32;
    PYR_TRY_OUT(pyr_open_machine(&m.k, machine));
    PYR_TRY_OUT(model_load(&m, &c, &files, h, w, &warning));
    print_warning(files.weights.at[0], &warning);
    printf("%s: loads on %s, %d tensors, %zu parameters\n", path, m.k->name, m.params.n,
           pyr_params_model_count(&m.params));
    if (!answer) {
        PYR_TRY_OUT(check_run(&m, &c, path, h, w));
        goto out;
    }
    model_free(&m); /* the answer's sizes need a graph of their own */
    PYR_TRY_OUT(check_answer(m.k, path, folder, &files));
out:
    model_free(&m);
    pyr_kernels_free(m.k);
    pyr_unet_files_free(&files);
    pyr_text_free(&warning);
    pyr_free(folder);
    return status;
}

/* ---- a run --------------------------------------------------------------------------------------- */

/* What is known of a level of a run. */
typedef struct level_info {
    bool state, unet; /* which files there are */
    pyr_progress progress;
    contents weights; /* of unet */
    bool known;       /* facts */
    pyr_level_facts facts;
    double held_out; /* NaN: never measured */
    char *damage;    /* the sentence of what could not be read; owned */
} level_info;

/* From the last line that has one; a line that was cut off by a crash is passed over. */
static double last_held_out(const char *folder)
{
    char *path = pyr_path_join(folder, "log.jsonl"), *text = NULL, *end;
    size_t size;
    double found = NAN;

    if (path && pyr_is_file(path) && pyr_file_read(&text, &size, path, UINT64_C(1) << 30) == PYR_OK) {
        for (end = text + size; end > text && isnan(found);) {
            char *line = end;
            cJSON *json = NULL;
            const cJSON *value;

            while (line > text && line[-1] != '\n')
                line--;
            if (pyr_json_parse(&json, line, (size_t)(end - line), path) == PYR_OK) {
                value = cJSON_GetObjectItemCaseSensitive(json, "held_out");
                if (cJSON_IsNumber(value))
                    found = value->valuedouble;
                cJSON_Delete(json);
            }
            end = line > text ? line - 1 : text;
        }
    }
    pyr_free(text);
    pyr_free(path);
    return found;
}

static pyr_status read_level_files(level_info *l, const char *folder)
{
    pyr_unet_files files = {0};
    pyr_unet_config config;
    pyr_level_facts facts;
    pyr_status status = PYR_OK;

    if (l->state) {
        PYR_TRY_OUT(pyr_level_peek(folder, &l->facts, &l->progress));
        l->known = true;
    }
    PYR_TRY_OUT(pyr_level_open_unet(folder, &files, &config, &facts));
    PYR_TRY_OUT(read_contents(&l->weights, &files));
    if (!l->known)
        l->facts = facts;
    l->known = true;
out:
    pyr_unet_files_free(&files);
    return status;
}

static pyr_status read_level(level_info *l, const char *run, int level)
{
    char *folder = pyr_run_level(run, level);

    if (!folder)
        return no_memory(run);
    l->state = pyr_level_has_state(folder);
    l->unet = holds(folder, "unet/config.json");
    l->held_out = last_held_out(folder);
    if ((l->state || l->unet) && read_level_files(l, folder) != PYR_OK)
        l->damage = pyr_strdup(pyr_error());
    pyr_free(folder);
    return PYR_OK;
}

static void print_level(const level_info *l, const char *run, int level)
{
    const pyr_train_state *train = &l->progress.train;

    printf("level %-2d ", level);
    if (l->known)
        printf("%dx%dx%d, ", halved(l->facts.h, level), halved(l->facts.w, level), l->facts.c);
    if (l->damage)
        printf("damaged: %s\n", l->damage);
    else if (!l->unet)
        printf("missing: not trained yet (pyrdiff train --outdir %s --level %d)\n", run, level);
    else {
        if (!l->state)
            printf("trained elsewhere (no state to go on from)");
        else
            printf("%s: %lld of %lld steps in %.0f s", train->step == l->progress.steps ? "trained" : "begun",
                   (long long)train->step, (long long)l->progress.steps, train->seconds);
        if (train->skipped)
            printf(" (%lld skipped)", (long long)train->skipped);
        printf(", %zu parameters", l->weights.numbers);
        if (!isnan(l->held_out))
            printf(", held-out loss %.5g", l->held_out);
        printf("\n");
    }
}

/* Do all levels belong to the pyramid of the manifest, and to one another? */
static pyr_status match_levels(const level_info *levels, const pyr_pyramid_settings *p, const char *run)
{
    int first = -1;

    for (int i = p->levels - 1; i >= 0; i--) {
        const pyr_level_facts *f = &levels[i].facts;
        double sigma = p->filter == PYR_FILTER_GAUSSIAN ? p->sigma : 0;
        char a[32], b[32];

        if (!levels[i].known)
            continue;
        if (f->index != i || f->levels != p->levels)
            return pyr_fail(PYR_E_CONFIG, "%s/level-%d holds level %d of %d, should be level %d of %d", run,
                            i, f->index, f->levels, i, p->levels);
        if (f->filter != p->filter || f->filter_sigma != sigma)
            return pyr_fail(
                PYR_E_CONFIG,
                "%s/level-%d was trained with the filter %s (sigma %g), pyrdiff.cfg says %s (sigma "
                "%g): they cannot be mixed; train it again",
                run, i, pyr_filter_names[f->filter], f->filter_sigma, pyr_filter_names[p->filter], sigma);
        if (first < 0)
            first = i;
        snprintf(a, sizeof a, "level %d", first);
        snprintf(b, sizeof b, "level %d", i);
        PYR_TRY(pyr_facts_match(&levels[first].facts, a, f, b));
    }
    return PYR_OK;
}

static void print_run(const char *run, const pyr_config *config, const level_info *levels)
{
    const pyr_level_facts *facts = NULL;
    int n = config->pyramid.levels;

    for (int i = 0; i < n && !facts; i++)
        facts = levels[i].known ? &levels[i].facts : NULL;
    printf("%s: a run of %d level%s, filter %s", run, n, n == 1 ? "" : "s",
           pyr_filter_names[config->pyramid.filter]);
    if (facts)
        printf(", images of %dx%d with %d channel%s", facts->h, facts->w, facts->c, facts->c == 1 ? "" : "s");
    printf("\ndata     %s", *config->data.set.path ? config->data.set.path : "(not named)");
    if (facts)
        printf(", fingerprint %016" PRIx64, facts->data);
    printf("\n");
    for (int i = n - 1; i >= 0; i--)
        print_level(&levels[i], run, i);
}

/* Missing levels are a fact, damaged and mixed ones a failure. */
static pyr_status judge_run(const char *run, const pyr_pyramid_settings *p, const level_info *levels)
{
    int missing = 0, damaged = 0;

    for (int i = 0; i < p->levels; i++) {
        missing += !levels[i].unet && !levels[i].state;
        damaged += levels[i].damage != NULL;
    }
    if (missing)
        printf("%d of %d levels missing\n", missing, p->levels);
    if (match_levels(levels, p, run) != PYR_OK)
        return pyr_fail_prefix(PYR_E_CONFIG, "incompatible");
    return damaged ? pyr_fail(PYR_E_FORMAT,
                              "%d of %d levels of %s damaged (see above); train again, or copy anew", damaged,
                              p->levels, run)
                   : PYR_OK;
}

static pyr_status info_run(const char *run)
{
    pyr_settings *settings = NULL;
    pyr_config config;
    level_info levels[PYR_MAX_LEVELS] = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_run_settings(&settings, run));
    PYR_TRY_OUT(pyr_config_get(&config, settings));
    for (int i = 0; i < config.pyramid.levels; i++)
        PYR_TRY_OUT(read_level(&levels[i], run, i));
    print_run(run, &config, levels);
    PYR_TRY_OUT(judge_run(run, &config.pyramid, levels));
out:
    for (int i = 0; i < PYR_MAX_LEVELS; i++)
        pyr_free(levels[i].damage);
    pyr_settings_free(settings);
    return status;
}

/* ---- a data set ---------------------------------------------------------------------------------- */

static void print_classes(const pyr_dataset *set)
{
    for (int label = 0; label < pyr_dataset_classes(set); label++) {
        const char *name = pyr_dataset_class_name(set, label);
        int64_t n[2] = {0, 0};

        for (int split = PYR_TRAIN; split <= PYR_HELD_OUT; split++) {
            const int32_t *labels = pyr_dataset_labels(set, (pyr_split)split);

            for (int64_t i = 0; labels && i < pyr_dataset_count(set, (pyr_split)split); i++)
                n[split] += labels[i] == label;
        }
        printf("class %-3d %s%s%lld for training, %lld held out\n", label, name ? name : "", name ? ": " : "",
               (long long)n[PYR_TRAIN], (long long)n[PYR_HELD_OUT]);
    }
}

static pyr_status info_data(const pyr_parsed *parsed)
{
    pyr_settings *settings = NULL;
    pyr_data_config config;
    pyr_dataset *set = NULL;
    pyr_text line = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_settings_new(&settings, &pyr_data_section, 1));
    PYR_TRY_OUT(pyr_options_apply(parsed, settings));
    pyr_settings_fill(settings, "data", -1, &config);
    PYR_TRY_OUT(pyr_data_config_finish(&config));
    PYR_TRY_OUT(pyr_dataset_open(&set, &config.set));
    for (size_t i = 0; i < pyr_dataset_skipped(set); i++)
        fprintf(stderr, "left out: %s\n", pyr_dataset_skipped_why(set, i));
    pyr_dataset_describe(set, &line);
    printf("%s\nfingerprint %016" PRIx64 "\n", line.at ? line.at : "", pyr_dataset_fingerprint(set));
    print_classes(set);
out:
    pyr_text_free(&line);
    pyr_dataset_free(set);
    pyr_settings_free(settings);
    return status;
}

/* ---- which of them ------------------------------------------------------------------------------- */

static pyr_status info_codes(const char *path)
{
    pyr_codes codes;
    pyr_text text = {0};
    pyr_status status = pyr_codes_read(&codes, path);

    if (status == PYR_OK) {
        pyr_codes_describe(&codes, &text);
        printf("%s: the codes of a picture, %s\n", path, text.at ? text.at : "");
    }
    pyr_text_free(&text);
    pyr_codes_free(&codes);
    return status;
}

static pyr_status info_path(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    bool folder = pyr_is_folder(path);

    if (pyr_run_exists(path))
        return info_run(path);
    if (strcmp(name, PYR_CODES_NAME) == 0 || (folder && holds(path, PYR_CODES_NAME)))
        return info_codes(path);
    if (folder && !holds(path, "config.json") && !holds(path, "unet/config.json"))
        return pyr_fail(PYR_E_IO,
                        "%s is neither a run (with pyrdiff.cfg), a model (with config.json) nor codes of a "
                        "picture; if it holds images: pyrdiff info --data %s",
                        path, path);
    return info_model(path);
}

pyr_status pyr_command_info(int argc, char **argv)
{
    const char *check;
    pyr_machine machine;
    pyr_parsed parsed;
    pyr_status status;
    const pyr_option table[] = {
        {.name = "check",
         .argument = "UNET_DIR",
         .type = PYR_SETTING_TEXT,
         .target = &check,
         .standard = "",
         .help = "load a UNet2DModel and compare it with the answer stored in its io.safetensors; without "
                 "one, run it once"},
        {.name = "data", .argument = "PATH", .setting = "data.path", .help = "describe a data set"},
        {.name = "channels", .argument = "N", .setting = "data.channels"},
        {.name = "resize", .argument = "SIZE", .setting = "data.resize"},
        {.name = "crop", .setting = "data.crop"},
        {.name = "skip-bad", .setting = "data.skip_bad"},
        {.name = "held-out", .argument = "N", .setting = "data.held_out"},
        {.name = "split", .argument = "WORD", .setting = "data.split"},
        PYR_MACHINE_OPTIONS(machine),
    };
    const pyr_options options = {
        .command = "info",
        .arguments = "[PATH]",
        .most = 1,
        .summary = "Describe what is at PATH: a run, a model (folder of a UNet2DModel or of a pipeline, or "
                   "its .safetensors), or codes of a picture. Without PATH: this program. With --check the "
                   "exit status is 1 when the model is not as it should be.",
        .examples = "  pyrdiff info runs/fashion-mnist\n"
                    "  pyrdiff info runs/fashion-mnist/level-0\n"
                    "  pyrdiff info --check tests/golden/unet2d/ddpm_like --backend ref\n"
                    "  pyrdiff info --data photos --skip-bad\n",
        .table = table,
        .n = sizeof table / sizeof *table,
        .sections = &pyr_data_section,
        .n_sections = 1,
    };
    bool data, checks;

    PYR_TRY_OUT(pyr_options_parse(&parsed, &options, argc, argv));
    if (parsed.help) {
        pyr_print_help(&options);
        goto out;
    }
    data = pyr_option_given(&parsed, "data");
    checks = pyr_option_given(&parsed, "check");
    for (size_t i = 0; i < parsed.n_typed && !data; i++) {
        const pyr_option *option = parsed.typed[i].option;

        if (!option || option->setting) {
            status =
                pyr_fail(PYR_E_ARG, "--%s is for --data, which is not given", option ? option->name : "set");
            goto out;
        }
    }
    if ((parsed.n_arguments > 0) + checks + data > 1)
        status = pyr_fail(PYR_E_ARG, "one of PATH, --check and --data at a time (see pyrdiff info --help)");
    else if (checks)
        status = check_model(check, &machine);
    else if (data)
        status = info_data(&parsed);
    else
        status = parsed.n_arguments ? info_path(parsed.arguments[0]) : info_program();
out:
    pyr_parsed_free(&parsed);
    return status;
}
