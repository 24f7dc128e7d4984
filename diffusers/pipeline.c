/* pipeline.c - a folder of diffusers opened and drawn from. */
#include "diffusers/pipeline.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/stop.h"
#include "base/text.h"
#include "graph/lane_share.h"
#include <stdio.h>
#include <string.h>

/* ---- the files --------------------------------------------------------------------------------- */

/* A guess, for sentences and the choice between them. */
static bool holds(const char *folder, const char *name)
{
    char *path = pyr_path_join(folder, name);
    bool there = path && pyr_is_file(path);

    pyr_free(path);
    return there;
}

bool pyr_pipeline_exists(const char *path)
{
    return pyr_is_folder(path) && !holds(path, "pyrdiff.cfg") &&
           (holds(path, "model_index.json") || holds(path, "scheduler/scheduler_config.json") ||
            holds(path, "scheduler_config.json"));
}

/* Pipelines of a UNet2DModel. */
static pyr_status check_class(const char *name, const char *index)
{
    static const char *const offered[] = {"DDPMPipeline", "DDIMPipeline", "PNDMPipeline"};
    static const char *const levels[] = {"ScoreSdeVePipeline", "KarrasVePipeline"};

    for (size_t i = 0; i < sizeof offered / sizeof *offered; i++)
        if (strcmp(name, offered[i]) == 0)
            return PYR_OK;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(name, levels[i]) == 0)
            return pyr_fail(
                PYR_E_UNSUPPORTED,
                "%s: a %s: the model was trained on noise levels sigma (VE, EDM), not with betas, and is "
                "not offered",
                index, name);
    return pyr_fail(
        PYR_E_UNSUPPORTED,
        "%s: _class_name is \"%.100s\", which is not offered; offered are DDPMPipeline and DDIMPipeline",
        index, name);
}

/* "scheduler": ["diffusers", "DDIMScheduler"] */
static const pyr_json_value *scheduler_entry(const pyr_json_value *tree)
{
    const pyr_json_value *entry = pyr_json_member(tree, "scheduler");

    return pyr_json_is(entry, PYR_JSON_ARRAY) ? pyr_json_item(entry, 1) : NULL;
}

static pyr_status read_index(pyr_pipeline_files *out, const char *path)
{
    char *index;
    pyr_json_value *tree = NULL;
    const pyr_json_value *name, *scheduler;
    bool there;
    pyr_status status;

    PYR_TRY(pyr_path_new(&index, path, "model_index.json"));
    PYR_TRY_OUT(pyr_file_exists(&there, index));
    if (!there)
        goto out;
    PYR_TRY_OUT(pyr_json_read(&tree, index));
    name = pyr_json_member(tree, "_class_name");
    scheduler = scheduler_entry(tree);
    if (pyr_json_text(name)) {
        status = check_class(pyr_json_text(name), index);
        snprintf(out->class_name, sizeof out->class_name, "%s", pyr_json_text(name));
    } else
        status = pyr_fail(PYR_E_FORMAT, "%s: _class_name is missing, should be DDPMPipeline or DDIMPipeline",
                          index);
    if (pyr_json_text(scheduler))
        snprintf(out->scheduler_name, sizeof out->scheduler_name, "%s", pyr_json_text(scheduler));
out:
    pyr_json_free(tree);
    pyr_free(index);
    return status;
}

static pyr_status find_scheduler(pyr_pipeline_files *out, const char *path)
{
    const char *name = "scheduler/scheduler_config.json";
    bool there;

    PYR_TRY(pyr_file_exists_in(&there, path, name));
    if (!there) {
        PYR_TRY(pyr_file_exists_in(&there, path, "scheduler_config.json"));
        name = there ? "scheduler_config.json" : name;
    }
    if (!there)
        return pyr_fail(PYR_E_IO, "%s has no %s: it says what noise the model was trained with", path, name);
    return pyr_path_new(&out->scheduler_path, path, name);
}

/* An exported level says in its metadata which it is. */
static pyr_status read_facts(pyr_pipeline_files *out)
{
    const char *path = out->unet_files.weights.at[0];
    pyr_safetensors *file = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_safetensors_open(&file, path));
    out->ours = pyr_safetensors_metadata(file, "pyrdiff_level") != NULL;
    if (!out->ours) {
        PYR_TRY_OUT(pyr_class_list_plain(&out->classes, out->unet.num_class_embeds, 0));
        goto out;
    }
    PYR_TRY_OUT(pyr_facts_read(&out->facts, file, path));
    PYR_TRY_OUT(pyr_class_list_read(&out->classes, path, out->facts.classes, out->facts.class_dropout));
out:
    pyr_safetensors_free(file);
    return status;
}

pyr_status pyr_pipeline_read(pyr_pipeline_files *out, const char *path, pyr_text *warning)
{
    *out = (pyr_pipeline_files){0};
    PYR_TRY(read_index(out, path));
    PYR_TRY(find_scheduler(out, path));
    PYR_TRY(pyr_scheduler_config_read(&out->scheduler, out->scheduler_path,
                                      *out->scheduler_name ? out->scheduler_name : NULL, warning));
    PYR_TRY(pyr_unet_find(&out->unet_files, path));
    PYR_TRY(pyr_unet_config_read(&out->unet, out->unet_files.config, warning));
    return read_facts(out);
}

void pyr_pipeline_files_free(pyr_pipeline_files *files)
{
    pyr_unet_files_free(&files->unet_files);
    pyr_scheduler_config_free(&files->scheduler);
    pyr_class_list_free(&files->classes);
    pyr_free(files->scheduler_path);
    *files = (pyr_pipeline_files){0};
}

/* ---- as the library draws ---------------------------------------------------------------------- */

enum { DDPM_STEPS = 1000, DDIM_STEPS = 50, FLOW_STEPS = 50 }; /* num_inference_steps of its pipelines */

/* That the model was trained with. */
static int trained_timesteps(const pyr_pipeline_files *files)
{
    const pyr_scheduler_config *s = &files->scheduler;

    return s->kind == PYR_SCHEDULER_FLOW ? s->flow.num_train_timesteps : s->ddpm.num_train_timesteps;
}

static int at_most_trained(int steps, const pyr_pipeline_files *files)
{
    int trained = trained_timesteps(files);

    return steps < trained ? steps : trained;
}

int pyr_pipeline_steps(bool ddim, const pyr_pipeline_files *files)
{
    return at_most_trained(ddim ? DDIM_STEPS : DDPM_STEPS, files);
}

pyr_status pyr_pipeline_usual(pyr_pipeline_sampler *out, const pyr_pipeline_files *files)
{
    const pyr_scheduler_config *s = &files->scheduler;
    bool makes_ddim = strcmp(files->class_name, "DDIMPipeline") == 0;

    if (s->kind == PYR_SCHEDULER_FLOW && !makes_ddim) {
        *out = (pyr_pipeline_sampler){.flow = true, .steps = at_most_trained(FLOW_STEPS, files)};
        return PYR_OK;
    }
    *out = (pyr_pipeline_sampler){.ddim = makes_ddim || s->kind == PYR_SCHEDULER_DDIM};
    if (strcmp(files->class_name, "PNDMPipeline") == 0 || (!makes_ddim && s->kind == PYR_SCHEDULER_OTHER))
        return pyr_fail(
            PYR_E_UNSUPPORTED,
            "%s: the sampler of %s is not offered; the model was trained with betas, from which DDIM and "
            "DDPM draw, too: add --sampler ddim or --sampler ddpm",
            files->scheduler_path, s->class_name);
    if (strcmp(files->class_name, "DDPMPipeline") == 0)
        out->steps = at_most_trained(DDPM_STEPS, files); /* of a DDIMScheduler, too */
    else
        out->steps = pyr_pipeline_steps(out->ddim, files);
    return PYR_OK;
}

/* ---- what is no run ---------------------------------------------------------------------------- */

/* PATH/../NAME, or with `up` 2 PATH/../../NAME, is a file: the folder it lies in, which the caller frees. */
static char *holder_of(const char *path, int up, const char *name)
{
    char *folder = pyr_strfmt("%s/%s", path, up == 2 ? "../.." : "..");

    if (folder && holds(folder, name))
        return folder;
    pyr_free(folder);
    return NULL;
}

pyr_status pyr_pipeline_fail_no_run(const char *path)
{
    char *run = NULL, *pipeline = NULL;
    pyr_status status;

    if (pyr_pipeline_exists(path))
        return pyr_fail(
            PYR_E_IO,
            "%s is a pipeline of diffusers, from which pyrdiff sample draws; this command wants a run of "
            "pyrdiff, with pyrdiff.cfg",
            path);
    if (!pyr_is_folder(path) || !(holds(path, "config.json") || holds(path, "unet/config.json")))
        return pyr_fail(PYR_E_IO,
                        "%s is not a run of pyrdiff: it has no pyrdiff.cfg (train one with pyrdiff train "
                        "--outdir %s)",
                        path, PYR_SHELL(path));
    for (int up = 1; up <= 2 && !run; up++)
        run = holder_of(path, up, "pyrdiff.cfg");
    pipeline = holder_of(path, 1, "model_index.json");
    if (!pipeline)
        pipeline = holder_of(path, 1, "scheduler/scheduler_config.json");
    if (run)
        status =
            pyr_fail(PYR_E_IO, "%s is one level of a run: give the run, --network %s", path, PYR_SHELL(run));
    else if (pipeline)
        status = pyr_fail(PYR_E_IO,
                          "%s is the network of a pipeline, without its scheduler: give the pipeline, %s",
                          path, pipeline);
    else
        status =
            pyr_fail(PYR_E_IO,
                     "%s is a network without a scheduler: it has no scheduler/scheduler_config.json, and "
                     "it says what noise the model was trained with",
                     path);
    pyr_free(run);
    pyr_free(pipeline);
    return status;
}

/* ---- opening ----------------------------------------------------------------------------------- */

typedef struct pyr_pipeline_lane {
    void *x, *work;
    uint32_t *rows; /* host: timesteps of `learned` or classes */
    double *times;  /* host */
    double *answer; /* host: of a network that gives variances, too, its answers as it orders them; NULL */
} lane_memory;

/* Whether the sampler is one for how the model was trained. */
static pyr_status check_sampler(const pyr_pipeline *p, const pyr_pipeline_files *f)
{
    bool flow = f->scheduler.kind == PYR_SCHEDULER_FLOW;

    if (flow == p->sampler.flow)
        return PYR_OK;
    return pyr_fail(
        PYR_E_UNSUPPORTED,
        flow
            ? "%s: the model was trained by flow matching, which has no betas, so that DDPM and DDIM do not draw "
              "from it: add --sampler flow"
            : "%s: the model was trained with betas, not by flow matching: take ddpm or ddim",
        f->scheduler_path);
}

/* What the network has to be, and the size of its images. */
static pyr_status check_network(pyr_pipeline *p, const pyr_pipeline_files *f)
{
    const pyr_unet_config *u = &f->unet;
    const char *path = f->unet_files.config;
    int patch2 = u->patch * u->patch;

    p->learned = u->out_channels == 2 * u->in_channels;
    if (u->in_channels != u->out_channels && (!p->learned || f->ours || u->patch > 1))
        return pyr_fail(
            PYR_E_UNSUPPORTED,
            "%s: the network reads %d channels and gives %d: it wants a condition%s, which a pipeline does "
            "not have",
            path, u->in_channels, u->out_channels, f->ours ? ", the coarser image" : "");
    if (p->sampler.flow && p->learned)
        return pyr_fail(
            PYR_E_UNSUPPORTED,
            "%s: the network gives %d channels for %d: flow matching has no variance to be learned", path,
            u->out_channels, u->in_channels);
    if (!p->sampler.ddim && !p->sampler.flow &&
        p->learned != pyr_variance_is_learned(f->scheduler.ddpm.variance_type))
        return pyr_fail(
            PYR_E_CONFIG,
            "%s: variance_type is %s, but the network of %s %s: that goes with %s (or draw by DDIM, "
            "which needs no variance)",
            f->scheduler_path, pyr_step_variance_words[f->scheduler.ddpm.variance_type], path,
            p->learned ? "gives as many channels again for the variance" : "gives no variance",
            p->learned ? "learned_range or learned" : "fixed_small or fixed_large");
    if (u->in_channels / patch2 > 4 || (f->ours && f->facts.bands != 1))
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: %d channels are no picture, which has 1 to 4", path,
                        u->in_channels / patch2);
    if (!u->sample_height && !f->ours)
        return pyr_fail(PYR_E_CONFIG, "%s: sample_size is null: set it to the side of the images", path);
    if (u->time_embedding_type == PYR_UNET_LEARNED && p->sampler.flow)
        return pyr_fail(
            PYR_E_UNSUPPORTED,
            "%s: time_embedding_type is learned, a table of whole timesteps; flow matching has times in between",
            path);
    if (u->time_embedding_type == PYR_UNET_FOURIER)
        return pyr_fail(PYR_E_UNSUPPORTED,
                        "%s: time_embedding_type is fourier, which takes noise levels; DDPM's and DDIM's "
                        "timesteps, 0 among them, are not",
                        path);
    if (u->time_embedding_type == PYR_UNET_LEARNED && u->num_train_timesteps < trained_timesteps(f))
        return pyr_fail(PYR_E_CONFIG, "%s: num_train_timesteps is %d, but the scheduler has %d", path,
                        u->num_train_timesteps, trained_timesteps(f));
    if (u->class_embed_type != PYR_UNET_CLASS_NONE && u->class_embed_type != PYR_UNET_CLASS_TABLE)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: class_embed_type is %s; only a table of classes is offered",
                        path, pyr_unet_class_words[u->class_embed_type]);
    p->image =
        (pyr_shape){1, u->sample_height * u->patch, u->sample_width * u->patch, u->in_channels / patch2};
    for (int i = 0; f->ours && i <= f->facts.index; i++) {
        p->image.h = i ? (p->image.h + 1) / 2 : f->facts.h;
        p->image.w = i ? (p->image.w + 1) / 2 : f->facts.w;
    }
    p->classes = u->num_class_embeds - (f->ours && u->num_class_embeds > 0); /* ours: the last is no class */
    /* x in [-1, 1] is sample (255 x + 255) / 2 of a file, image values are (2 sample - 255) / 256 */
    p->scale = f->ours ? f->facts.std[0] : 255.0 / 256;
    p->shift = f->ours ? f->facts.mean[0] : 0;
    return PYR_OK;
}

static pyr_status build(pyr_pipeline *p, const pyr_unet_config *u)
{
    PYR_TRY(pyr_graph_new(&p->g, p->k, p->k->precision, &p->params));
    p->in = pyr_unet_add_inputs(p->g, u, p->image, p->k->real);
    pyr_graph_keep(p->g, p->in.label); /* it is written once for all steps */
    p->y = pyr_unet_build(p->g, u, &(pyr_unet_options){0}, &p->in);
    pyr_graph_keep(p->g, p->y);
    return pyr_graph_plan(
        p->g, &(pyr_plan){.batch = p->batch, .parts = p->batch / pyr_share_part(p->k, p->batch, p->image)});
}

static size_t image_bytes(const pyr_pipeline *p)
{
    return (size_t)p->batch * pyr_count(p->image) * pyr_type_size(p->k->real);
}

static size_t work_bytes(const pyr_pipeline *p)
{
    size_t size = pyr_count(p->image);

    return p->sampler.flow ? pyr_flow_work(p->k, p->batch, size)
                           : pyr_ddpm_work(p->k, p->batch, size, p->learned);
}

static pyr_status allocate(pyr_pipeline *p)
{
    pyr_kernels *k = p->k;

    PYR_TRY(pyr_new(&p->memory, (size_t)k->lanes, sizeof *p->memory, "lanes"));
    for (int lane = 0; lane < k->lanes; lane++) {
        lane_memory *w = &p->memory[lane];

        PYR_TRY(pyr_alloc(k, &w->x, image_bytes(p), "images to draw"));
        PYR_TRY(pyr_alloc(k, &w->work, work_bytes(p), "images to draw"));
        if (p->learned)
            PYR_TRY(pyr_new(&w->answer, 3 * (size_t)p->batch * pyr_count(p->image), sizeof *w->answer,
                            "images to draw"));
        PYR_TRY(pyr_new(&w->rows, (size_t)p->batch, sizeof *w->rows, "classes"));
        PYR_TRY(pyr_new(&w->times, (size_t)p->batch, sizeof *w->times, "timesteps"));
    }
    return PYR_OK;
}

/* The times, or noise levels, of the steps. */
static pyr_status take_times(pyr_pipeline *p, const pyr_pipeline_files *files)
{
    size_t n = p->sampler.steps >= 1 && p->sampler.steps <= PYR_MAX_TIMESTEPS ? (size_t)p->sampler.steps : 0;

    p->flow = files->scheduler.flow;
    if (p->sampler.flow) {
        PYR_TRY(pyr_new(&p->sigma, n + 1, sizeof *p->sigma, "noise levels"));
        return pyr_flow_sigmas(&p->flow, p->sampler.steps, p->sigma);
    }
    PYR_TRY(pyr_ddpm_new(&p->ddpm, &files->scheduler.ddpm));
    if (n)
        PYR_TRY(pyr_new(&p->t, n, sizeof *p->t, "timesteps"));
    return pyr_ddpm_timesteps(&p->ddpm, p->sampler.steps, p->t);
}

static pyr_status open_all(pyr_pipeline *p, const pyr_pipeline_files *files, pyr_text *warning)
{
    pyr_kernels *k = p->k;

    PYR_TRY(check_sampler(p, files));
    PYR_TRY(check_network(p, files));
    PYR_TRY(take_times(p, files));
    PYR_TRY(build(p, &files->unet));
    PYR_TRY(pyr_alloc(k, &p->block, p->params.count * pyr_type_size(k->real), "weights"));
    PYR_TRY(pyr_unet_load(&files->unet_files, &p->params, k, p->block, warning));
    PYR_TRY(pyr_params_hash(&p->hash, &p->params, k, p->block));
    PYR_TRY(pyr_graph_pack(p->g, p->block));
    return allocate(p);
}

pyr_status pyr_pipeline_open(pyr_pipeline **out, pyr_kernels *k, const pyr_pipeline_files *files,
                             const pyr_pipeline_sampler *sampler, pyr_text *warning)
{
    pyr_pipeline *p;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&p, 1, sizeof *p, "a pipeline"));
    p->k = k;
    p->sampler = *sampler;
    p->batch = k->micro_batch;
    p->hash = PYR_HASH_START;
    status = open_all(p, files, warning);
    if (status != PYR_OK)
        pyr_pipeline_free(p);
    else
        *out = p;
    return status;
}

void pyr_pipeline_free(pyr_pipeline *p)
{
    if (!p)
        return;
    for (int lane = 0; p->memory && lane < p->k->lanes; lane++) {
        pyr_release(p->k, p->memory[lane].x);
        pyr_release(p->k, p->memory[lane].work);
        pyr_free(p->memory[lane].rows);
        pyr_free(p->memory[lane].times);
        pyr_free(p->memory[lane].answer);
    }
    pyr_free(p->memory);
    pyr_graph_free(p->g);
    pyr_params_free(&p->params);
    pyr_release(p->k, p->block);
    pyr_ddpm_free(&p->ddpm);
    pyr_free(p->t);
    pyr_free(p->sigma);
    pyr_free(p);
}

double pyr_pipeline_flop(const pyr_pipeline *p)
{
    return p->sampler.steps * pyr_graph_flop(p->g);
}

size_t pyr_pipeline_bytes(const pyr_pipeline *p)
{
    size_t lane = image_bytes(p) + work_bytes(p);

    return pyr_graph_bytes(p->g).total + p->params.count * pyr_type_size(p->k->real) +
           (size_t)p->k->lanes * lane;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

typedef struct drawing {
    pyr_pipeline *p;
    const pyr_pipeline_draw *draw;
    int share;   /* images of a task */
    int lane, n; /* of a task */
} drawing;

/* The classes of n images of a draw from `first` on; none is the row behind the last class of our own
 * networks. */
static void put_classes(const pyr_pipeline *p, int lane, const pyr_pipeline_draw *draw, size_t first, int n)
{
    uint32_t *rows = p->memory[lane].rows;

    for (int i = 0; i < p->batch; i++) {
        int label = !draw->labels ? draw->label : i < n ? draw->labels[first + (size_t)i] : 0;

        rows[i] = (uint32_t)(label >= 0 ? label : p->classes);
    }
    pyr_upload(p->k, pyr_graph_data(p->g, lane, p->in.label), rows, (size_t)p->batch * sizeof *rows);
}

/* A pixel's channels are those of the answer, then those of its variance: to n images of either. */
static pyr_status put_answers(const drawing *d, void *out)
{
    const pyr_pipeline *p = d->p;
    size_t c = (size_t)p->image.c, count = (size_t)d->n * pyr_count(p->image);
    double *both = p->memory[d->lane].answer, *one = both + 2 * count;

    PYR_TRY(pyr_download_reals(p->k, both, pyr_graph_data(p->g, d->lane, p->y), 2 * count));
    for (size_t part = 0; part < 2; part++) {
        for (size_t i = 0; i < count; i++)
            one[i] = both[i / c * 2 * c + part * c + i % c];
        PYR_TRY(pyr_upload_reals(p->k, (char *)out + part * count * pyr_type_size(p->k->real), one, count));
    }
    return PYR_OK;
}

/* The network at `time`. Whole parts of the graph are computed; images do not see each other. */
static pyr_status run_network(const drawing *d, const void *x, double time, void *out)
{
    pyr_pipeline *p = d->p;
    pyr_kernels *k = p->k;
    size_t bytes = (size_t)d->n * pyr_count(p->image) * pyr_type_size(k->real);
    bool learned = pyr_params_find(&p->params, "time_proj.weight") != NULL;
    const lane_memory *w = &p->memory[d->lane];
    void *at = pyr_graph_data(p->g, d->lane, p->in.time);

    if (pyr_stop_requested())
        return pyr_fail(PYR_E_STOPPED, "stopped");
    pyr_graph_use(p->g, d->lane, d->n);
    pyr_copy(k, pyr_graph_data(p->g, d->lane, p->in.sample), x, bytes);
    for (int i = 0; i < p->batch; i++) {
        w->rows[i] = (uint32_t)time;
        w->times[i] = time;
    }
    if (learned)
        pyr_upload(k, at, w->rows, (size_t)p->batch * sizeof *w->rows);
    else
        PYR_TRY(pyr_upload_reals(k, at, w->times, (size_t)p->batch));
    PYR_TRY(pyr_graph_forward(p->g, d->lane));
    if (p->learned)
        return put_answers(d, out);
    pyr_copy(k, out, pyr_graph_data(p->g, d->lane, p->y), bytes);
    return PYR_OK;
}

/* m(x, t): a pyr_ddpm_network; v(x, time): a pyr_flow_network. */
static pyr_status run_at_step(void *ctx, const void *x, int t, void *out)
{
    return run_network(ctx, x, t, out);
}

static pyr_status run_at_time(void *ctx, const void *x, double time, void *out)
{
    return run_network(ctx, x, time, out);
}

/* n images by the sampler, into w->x. */
static pyr_status draw_by_sampler(drawing *mine, const uint64_t *seeds)
{
    pyr_pipeline *p = mine->p;
    lane_memory *w = &p->memory[mine->lane];
    size_t size = pyr_count(p->image);
    bool given = mine->draw->noise != NULL;

    if (p->sampler.flow)
        return pyr_flow_sample(&p->flow,
                               &(pyr_flow_sampling){.k = p->k,
                                                    .n = mine->n,
                                                    .size = size,
                                                    .seeds = seeds,
                                                    .network = run_at_time,
                                                    .ctx = mine,
                                                    .work = w->work,
                                                    .sigma = p->sigma,
                                                    .steps = p->sampler.steps,
                                                    .given = given},
                               w->x);
    return pyr_ddpm_sample(&p->ddpm,
                           &(pyr_ddpm_sampling){.k = p->k,
                                                .n = mine->n,
                                                .size = size,
                                                .seeds = seeds,
                                                .network = run_at_step,
                                                .ctx = mine,
                                                .work = w->work,
                                                .learned = p->learned,
                                                .t = p->t,
                                                .steps = p->sampler.steps,
                                                .ddim = p->sampler.ddim,
                                                .eta = p->sampler.eta,
                                                .given = given},
                           w->x);
}

static pyr_status draw_task(void *arg, int task, int lane)
{
    const drawing *all = arg;
    pyr_pipeline *p = all->p;
    const pyr_pipeline_draw *draw = all->draw;
    pyr_kernels *k = p->k;
    lane_memory *w = &p->memory[lane];
    size_t size = pyr_count(p->image), first = (size_t)task * (size_t)all->share;
    int n = draw->n - (int)first < all->share ? draw->n - (int)first : all->share;
    drawing mine = {.p = p, .draw = draw, .lane = lane, .n = n};
    float *image = draw->image + first * size;

    if (p->in.label >= 0)
        put_classes(p, lane, draw, first, n);
    if (draw->noise)
        PYR_TRY(pyr_upload_floats(k, w->x, draw->noise + first * size, (size_t)n * size));
    PYR_TRY(draw_by_sampler(&mine, draw->seeds + first));
    PYR_TRY(pyr_download_floats(k, image, w->x, (size_t)n * size));
    for (size_t i = 0; i < (size_t)n * size; i++) {
        double value = image[i] * p->scale + p->shift;

        image[i] = (float)(value < -1 ? -1 : value > 1 ? 1 : value);
    }
    return PYR_OK;
}

pyr_status pyr_pipeline_sample(pyr_pipeline *p, const pyr_pipeline_draw *draw)
{
    drawing all = {.p = p, .draw = draw, .share = pyr_lane_share(p->k, draw->n, p->batch)};

    return pyr_run_tasks(p->k, (draw->n + all.share - 1) / all.share, draw_task, &all);
}
