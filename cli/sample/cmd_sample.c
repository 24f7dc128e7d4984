/* cmd_sample.c - pyrdiff sample */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cascade/model.h"
#include "cli/cli.h"
#include "cli/one_level.h"
#include "cli/sample/coarse_images.h"
#include "cli/sample/sample_level.h"
#include "cli/sample/sample_output.h"
#include "cli/sample/sample_pipeline.h"
#include "cli/sample/trajectory.h"
#include "cli/sampling.h"
#include "terminal/parse.h"
#include "terminal/progress.h"
#include "terminal/signals.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct typed {
    const char *network, *coarse;
    int level;
    bool trajectory;
    pyr_typed_output output;
    pyr_typed_sampling sampling;
    pyr_typed_guidance guidance;
    pyr_machine machine;
} typed;

/* Everything but the output's grids is of one round of images, but for 12 bytes a seed. */
typedef struct output {
    const typed *typed;
    pyr_model *model;
    char *outdir;
    uint64_t *seeds;
    size_t n;
    pyr_class_choice choice;
    int32_t *labels;            /* n; NULL: of no class in particular */
    pyr_coarse_images coarse;   /* to start from; n 0: none */
    pyr_trajectory *trajectory; /* NULL: not wanted */
    pyr_sample_output to;
    char sampler[256];
    pyr_bar bar;
} output;

/* ---- starting from given coarser images -------------------------------------------------------- */

/* The level of the images in --coarse. */
static int coarse_level(const output *o)
{
    return o->typed->level >= 0 ? o->typed->level + 1 : pyr_model_levels(o->model) - 1;
}

static pyr_status open_coarse(output *o)
{
    int level = coarse_level(o), bits = pyr_model_bits(o->model);
    pyr_shape s = pyr_model_image(o->model, level);
    pyr_coarse_images *c = &o->coarse;
    char name[32] = "the coarsest level";

    if (level < pyr_model_levels(o->model) - 1)
        snprintf(name, sizeof name, "level %d", level);
    PYR_TRY(pyr_coarse_images_open(c, o->typed->coarse, o->n, s, bits, name));
    if (c->files.aside)
        pyr_bar_line(&o->bar, "note: %s: %" PRId64 " picture%s left aside that %s no sample%s: %s%s", c->path,
                     c->files.aside, c->files.aside == 1 ? "" : "s", c->files.aside == 1 ? "is" : "are",
                     c->files.aside == 1 ? "" : "s", c->files.first_aside,
                     c->files.aside == 1 ? "" : ", ...");
    if (c->other_c && c->other_c != s.c)
        pyr_bar_line(&o->bar, "note: %s has pictures of %d channel%s, the run's have %d: converted", c->path,
                     c->other_c, c->other_c == 1 ? "" : "s", s.c);
    if (c->other_c && c->other_bits != bits)
        pyr_bar_line(&o->bar, "note: %s has pictures of %d bits, the run's have %d: converted", c->path,
                     c->other_bits, bits);
    return PYR_OK;
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* trajectory-000123.png of image j of the round. */
static pyr_status write_trajectory(const output *o, size_t at, int j)
{
    char name[64];
    char *path;
    pyr_origin from;
    pyr_status status;

    snprintf(name, sizeof name, "trajectory-%06" PRIu64 ".png", o->seeds[at]);
    pyr_sample_origin(&from, &o->to, at);
    path = pyr_path_join(o->outdir, name);
    status = path ? pyr_trajectory_write(o->trajectory, path, j, o->typed->output.zoom, from.texts, from.n)
                  : pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    pyr_free(path);
    return status;
}

static pyr_status keep(output *o, size_t first, int n, float *const *image)
{
    PYR_TRY(pyr_sample_output_add(&o->to, first, n, image));
    for (int j = 0; j < n && o->trajectory; j++)
        PYR_TRY(write_trajectory(o, first + (size_t)j, j));
    return PYR_OK;
}

static pyr_status open_output(output *o)
{
    const typed *t = o->typed;

    o->outdir = *t->output.outdir ? pyr_strdup(t->output.outdir) : pyr_path_join(t->network, "samples");
    if (!o->outdir)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    o->to = (pyr_sample_output){.folder = o->outdir,
                                .seeds_text = t->output.seeds,
                                .sampler = o->sampler,
                                .seeds = o->seeds,
                                .labels = o->labels,
                                .n = o->n,
                                .levels = pyr_model_levels(o->model),
                                .bits = pyr_model_bits(o->model),
                                .zoom = t->output.zoom,
                                .grid = t->output.grid,
                                .archive = t->output.npz};
    snprintf(o->to.weights, sizeof o->to.weights, "%016" PRIx64, pyr_model_hash(o->model));
    for (int i = 0; i < o->to.levels; i++)
        o->to.image[i] = pyr_model_image(o->model, i);
    return pyr_sample_output_open(&o->to);
}

/* ---- the command ------------------------------------------------------------------------------- */

static void say_what(output *o)
{
    char text[512] = "", cost[96];
    pyr_text of_class = {0};
    int levels = pyr_model_levels(o->model), nfe = 0;
    bool known = true;
    double flop = 0;

    for (int i = levels - 1; i >= 0; i--) {
        size_t at = strlen(text);

        if (i == levels - 1 && o->coarse.n)
            snprintf(text + at, sizeof text - at, "given");
        else {
            snprintf(text + at, sizeof text - at, "%s%s", at ? ", " : "", pyr_model_sampler(o->model, i));
            known = known && pyr_model_nfe(o->model, i) > 0;
            nfe += pyr_model_nfe(o->model, i);
            flop += pyr_model_flop(o->model, i);
        }
    }
    snprintf(o->sampler, sizeof o->sampler, "%.250s", text);
    if (known)
        snprintf(cost, sizeof cost, "%d evaluations, %.2f GFLOP an image", nfe, flop / 1e9);
    else
        snprintf(cost, sizeof cost, "evaluations are counted as they are made");
    if (o->labels)
        pyr_text_add(&of_class, " of ");
    pyr_class_choice_add(&o->choice, &of_class);
    pyr_bar_line(&o->bar, "%zu images%s; per level from the coarsest: %s; %s; memory %.1f MiB", o->n,
                 of_class.at ? of_class.at : "", text, cost, pyr_mib(pyr_model_bytes(o->model)));
    pyr_text_free(&of_class);
}

/* What rk45 took, on average. */
static void say_what_it_took(output *o)
{
    int levels = pyr_model_levels(o->model);

    for (int i = levels - 1; i >= 0; i--)
        if (strncmp(pyr_model_sampler(o->model, i), "rk45", 4) == 0 && pyr_model_nfe(o->model, i) > 0)
            pyr_bar_line(&o->bar, "level %d: %d evaluations, %.2f GFLOP an image on average", i,
                         pyr_model_nfe(o->model, i), pyr_model_flop(o->model, i) / 1e9);
}

/* Rounds of `batch` images: memory does not grow with the number of seeds. */
static pyr_status draw_all(output *o, int batch)
{
    int levels = pyr_model_levels(o->model);
    float *image[PYR_MAX_LEVELS] = {NULL}, *coarse = NULL;
    pyr_status status = PYR_OK;
    double start = pyr_now();
    char eta[32], text[96];

    for (int i = 0; i < levels; i++)
        PYR_TRY_OUT(pyr_new(&image[i], (size_t)batch * pyr_count(pyr_model_image(o->model, i)), sizeof(float),
                            "images"));
    if (o->coarse.n)
        PYR_TRY_OUT(pyr_new(&coarse, (size_t)batch * pyr_count(pyr_model_image(o->model, levels - 1)),
                            sizeof *coarse, "coarsest images"));
    for (size_t first = 0; first < o->n; first += (size_t)batch) {
        int n = o->n - first < (size_t)batch ? (int)(o->n - first) : batch;
        pyr_model_draw draw = {.n = n,
                               .seeds = o->seeds + first,
                               .label = -1,
                               .labels = o->labels ? o->labels + first : NULL,
                               .coarse = coarse};
        double rate;

        for (int i = 0; i < levels; i++)
            draw.image[i] = image[i];
        draw.hooks = o->trajectory ? pyr_trajectory_hooks(o->trajectory) : NULL;
        if (coarse)
            PYR_TRY_OUT(pyr_coarse_images_read(&o->coarse, first, n, coarse));
        PYR_TRY_OUT(pyr_model_sample(o->model, &draw));
        PYR_TRY_OUT(keep(o, first, n, image));
        rate = (double)(first + (size_t)n) / (pyr_now() - start);
        pyr_clock_text(eta, (double)(o->n - first - (size_t)n) / rate);
        snprintf(text, sizeof text, "%.1f images/s  ETA %s", rate, eta);
        pyr_bar_draw(&o->bar, "sampling", (int64_t)(first + (size_t)n), (int64_t)o->n, text);
    }
    pyr_bar_line(&o->bar, "%zu images in %.1f s (%.1f images/s), peak memory %.1f MiB", o->n,
                 pyr_now() - start, (double)o->n / (pyr_now() - start), pyr_peak_mib());
    say_what_it_took(o);
out:
    for (int i = 0; i < levels; i++)
        pyr_free(image[i]);
    pyr_free(coarse);
    return status;
}

static pyr_status read_coarser(void *ctx, size_t first, int n, float *dst)
{
    return pyr_coarse_images_read(ctx, first, n, dst);
}

static const char *name_of_coarser(void *ctx, size_t j)
{
    return pyr_coarse_images_name(ctx, j);
}

/* --level I */
static pyr_status sample_level(output *o, const pyr_config *config, bool data_given)
{
    const typed *t = o->typed;

    pyr_stop_on_signals();
    return pyr_sample_level(&(pyr_level_sampling){.model = o->model,
                                                  .config = config,
                                                  .network = t->network,
                                                  .outdir = t->output.outdir,
                                                  .seeds_text = t->output.seeds,
                                                  .seeds = o->seeds,
                                                  .n = o->n,
                                                  .labels = o->labels,
                                                  .batch = t->output.batch,
                                                  .zoom = t->output.zoom,
                                                  .npz = t->output.npz,
                                                  .grid = t->output.grid,
                                                  .read = o->coarse.n ? read_coarser : NULL,
                                                  .name = name_of_coarser,
                                                  .ctx = &o->coarse,
                                                  .data_given = data_given,
                                                  .bar = &o->bar});
}

/* What is typed for one level, and for all. */
static pyr_status check_level(const typed *t, const pyr_config *config, bool data_given)
{
    PYR_TRY(pyr_check_level(config, t->level));
    if (t->level < 0 && data_given)
        return pyr_fail(PYR_E_ARG,
                        "--data is for --level I, whose coarser images are real ones: leave it out");
    if (t->level >= 0 && t->trajectory)
        return pyr_fail(PYR_E_ARG, "--trajectory shows all levels: leave --level %d out", t->level);
    if (t->level >= 0 && t->level == config->pyramid.levels - 1 && *t->coarse)
        return pyr_fail(PYR_E_ARG, "level %d is the coarsest, it is given no image: leave --coarse out",
                        t->level);
    return PYR_OK;
}

static pyr_status run_sampling(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyr_status status = PYR_OK;
    pyr_settings *settings = NULL;
    pyr_kernels *k = NULL;
    pyr_config config;
    int batch;
    bool data_given = pyr_option_given(parsed, "data");
    output o = {.typed = t, .bar = pyr_bar_new()};

    if (pyr_parse_seeds(t->output.seeds, &o.seeds, &o.n) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--seeds");
    PYR_TRY_OUT(pyr_run_settings(&settings, t->network));
    PYR_TRY_OUT(pyr_options_apply(parsed, settings));
    PYR_TRY_OUT(pyr_config_get(&config, settings));
    PYR_TRY_OUT(check_level(t, &config, data_given));
    PYR_TRY_OUT(pyr_set_sampler(&config, t->sampling.steps, t->sampling.sampler));
    PYR_TRY_OUT(pyr_set_guidance(&config, &t->guidance));
    PYR_TRY_OUT(pyr_open_machine(&k, &t->machine, false));
    PYR_TRY_OUT(
        pyr_model_open_level(&o.model, k, t->network, pyr_given(t->guidance.gnet), &config, t->level));
    PYR_TRY_OUT(pyr_model_choose_class(&o.choice, o.model, t->sampling.of_class));
    PYR_TRY_OUT(pyr_class_labels(&o.labels, &o.choice, o.seeds, o.n));
    if (*t->coarse)
        PYR_TRY_OUT(open_coarse(&o));
    if (t->level >= 0) {
        status = sample_level(&o, &config, data_given);
        goto out;
    }
    say_what(&o);
    PYR_TRY_OUT(open_output(&o));
    pyr_stop_on_signals();
    batch = t->output.batch ? t->output.batch : pyr_model_batch(o.model) * k->lanes;
    if (t->trajectory) {
        if (!t->output.batch)
            batch = pyr_trajectory_batch(o.model, batch);
        PYR_TRY_OUT(pyr_trajectory_new(&o.trajectory, o.model, batch));
    }
    PYR_TRY_OUT(draw_all(&o, batch));
    PYR_TRY_OUT(pyr_sample_output_close(&o.to));
out:
    if (status == PYR_E_STOPPED && o.outdir)
        status = pyr_fail(PYR_E_STOPPED, "stopped: the images drawn so far are in %s", o.outdir);
    pyr_sample_output_free(&o.to);
    pyr_coarse_images_free(&o.coarse);
    pyr_free(o.seeds);
    pyr_free(o.labels);
    pyr_free(o.outdir);
    pyr_model_free(o.model);
    pyr_kernels_free(k);
    pyr_settings_free(settings);
    return status;
}

static const pyr_option options[] = {
    OPT_NETWORK(typed, network),
    OPT_GROUP(typed, output, pyr_output_options),
    OPT_GROUP(typed, sampling, pyr_sampling_options),
    OPT_GROUP(typed, guidance, pyr_guidance_options),
    OPT_TEXT(typed, coarse, "coarse", "PATH", "",
             "start from the coarsest images in this folder, zip or NPZ; with --level I they are images of "
             "level I + 1"),
    OPT_LEVEL(typed, level, "all levels",
              "draw this level only, given real coarser images: those of training images, which the seeds "
              "choose, or of --coarse; 0 is the finest; the other levels need not be trained"),
    OPT_SETTING("data", "PATH", "data.path",
                "with --level: data set of the real images; without it, that of the run"),
    OPT_SETTING("denoise", NULL, "level.sampler.denoise", "end each level with a denoising step"),
    OPT_FLAG(
        typed, trajectory, "trajectory",
        "write trajectory-SEED.png: the steps from noise to the image at each level, coarsest first; the "
        "upper row shows x, the lower one its denoised estimate"),
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_sample = {
    .name = "sample",
    .title = "draw images from a trained run, coarse to fine",
    .summary =
        "Draw images from a trained run: the coarsest image, then the residual of each finer level. Writes "
        "a PNG for each seed, grids, and an NPZ. The image of a seed does not depend on the batch, the "
        "number of threads, or the other seeds.",
    .examples =
        "  pyrdiff sample --network runs/fashion-mnist --seeds 0-99 --outdir out --steps 18,12,8\n"
        "  pyrdiff sample --network runs/fashion-mnist --seeds 0-15 --coarse DIR\n"
        "  pyrdiff sample --network runs/cifar10-classes --seeds 0-49999 --class all\n"
        "  pyrdiff sample --network runs/fashion-mnist --seeds 0-7 --sampler ddim --set "
        "level.sampler.eta=0.5 --trajectory\n"
        "  pyrdiff sample --network runs/fashion-mnist --level 1        level 1 alone, to real coarser "
        "images\n"
        "  pyrdiff sample --network ddpm-cifar10-32 --help        of a diffusers pipeline\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = run_sampling,
    .variant = pyr_sample_pipeline,
};
