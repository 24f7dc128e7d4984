/* cmd_sample.c - pyrdiff sample */
#include "cli/cli.h"
#include "cli/sample/coarse_images.h"
#include "cli/sample/sample_level.h"
#include "cli/sample/sample_output.h"
#include "cli/sample/sample_pipeline.h"
#include "cli/sampling.h"
#include "cli/watch.h"
#include "include/pyrdiff.h"
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
    pyrdiff_settings *settings;
    pyrdiff_model *model;
    pyrdiff_model_facts all, level[PYRDIFF_MAX_LEVELS];
    char *outdir;
    uint64_t *seeds;
    size_t n;
    char of_class[256];       /* "class 3 (cat)" */
    int32_t *labels;          /* n; NULL: of no class in particular */
    pyr_coarse_images coarse; /* to start from; n 0: none */
    pyr_sample_output to;
    char sampler[256];
    /* of a round */
    float *image[PYRDIFF_MAX_LEVELS], *trajectory[PYRDIFF_MAX_LEVELS];
    pyrdiff_images given;
    pyr_watch watch;
} output;

/* ---- opening ----------------------------------------------------------------------------------- */

static pyr_status open_settings(output *o, pyr_parsed *parsed)
{
    const typed *t = o->typed;
    pyrdiff_found found = {.size = sizeof found};
    int levels;

    PYR_TRY(pyrdiff_look(t->network, -1, &found));
    if (found.kind != PYRDIFF_RUN) /* which says what it is instead */
        PYR_TRY(pyrdiff_model_open(&o->model, t->network, NULL, NULL, NULL, NULL));
    PYR_TRY(pyrdiff_settings_open(&o->settings, t->network));
    PYR_TRY(pyr_options_each(parsed, pyr_set_public, o->settings));
    levels = pyr_number_of(o->settings, "pyramid.levels");
    PYR_TRY(pyr_set_sampling(&t->sampling, levels, pyr_set_public, o->settings));
    return pyr_set_guidance(&t->guidance, levels, pyr_set_public, o->settings);
}

/* What is typed for one level, and for all. */
static pyr_status check_level(const output *o, bool data_given)
{
    const typed *t = o->typed;

    if (t->level < 0 && data_given)
        return pyr_fail(PYR_E_ARG,
                        "--data is for --level I, whose coarser images are real ones: leave it out");
    if (t->level >= 0 && t->trajectory)
        return pyr_fail(PYR_E_ARG, "--trajectory shows all levels: leave --level %d out", t->level);
    if (t->level >= 0 && t->level == pyr_number_of(o->settings, "pyramid.levels") - 1 && *t->coarse)
        return pyr_fail(PYR_E_ARG, "level %d is the coarsest, it is given no image: leave --coarse out",
                        t->level);
    return PYR_OK;
}

static pyr_status open_model(output *o)
{
    const typed *t = o->typed;
    char level[16], threads[16];

    snprintf(level, sizeof level, "%d", t->level);
    snprintf(threads, sizeof threads, "%d", t->machine.threads);
    PYR_TRY(pyrdiff_model_open(&o->model, t->network, o->settings,
                               (const char *const[]){"level", level, "gnet", t->guidance.gnet, "backend",
                                                     t->machine.backend, "precision", t->machine.precision,
                                                     "threads", threads, NULL},
                               pyr_watch_event, &o->watch));
    o->all.size = sizeof o->all;
    PYR_TRY(pyrdiff_model_facts_of(o->model, -1, &o->all));
    for (int i = 0; i < o->all.levels; i++) {
        o->level[i].size = sizeof o->level[i];
        PYR_TRY(pyrdiff_model_facts_of(o->model, i, &o->level[i]));
    }
    PYR_TRY(pyr_new(&o->labels, o->n, sizeof *o->labels, "classes of images"));
    PYR_TRY(pyrdiff_model_labels(o->model, t->sampling.of_class, o->seeds, (int64_t)o->n, o->labels,
                                 o->of_class, sizeof o->of_class));
    if (*o->of_class)
        return PYR_OK;
    pyr_free(o->labels);
    o->labels = NULL;
    return PYR_OK;
}

/* The images in --coarse. */
static pyr_status open_coarse(output *o)
{
    int coarsest = o->all.levels - 1, level = o->typed->level >= 0 ? o->typed->level + 1 : coarsest;
    const pyrdiff_model_facts *f = &o->level[level];

    o->coarse = (pyr_coarse_images){.h = f->h, .w = f->w, .c = f->c, .bits = f->bits};
    if (level < coarsest)
        snprintf(o->coarse.level, sizeof o->coarse.level, "level %d", level);
    else
        snprintf(o->coarse.level, sizeof o->coarse.level, "the coarsest level");
    return pyr_coarse_images_open(&o->coarse, o->typed->coarse, o->n, &o->watch);
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
                                .levels = o->all.levels,
                                .c = o->all.c,
                                .bits = o->all.bits,
                                .zoom = t->output.zoom,
                                .grid = t->output.grid,
                                .archive = t->output.npz};
    snprintf(o->to.weights, sizeof o->to.weights, "%016" PRIx64, o->all.hash);
    for (int i = 0; i < o->to.levels; i++) {
        o->to.h[i] = o->level[i].h;
        o->to.w[i] = o->level[i].w;
    }
    return pyr_sample_output_open(&o->to);
}

/* ---- what is said ------------------------------------------------------------------------------ */

static void say_what(output *o)
{
    char text[512] = "", cost[96];
    int levels = o->all.levels, evaluations = 0;
    bool known = true;
    double flop = 0;

    for (int i = levels - 1; i >= 0; i--) {
        size_t at = strlen(text);

        if (i == levels - 1 && o->coarse.n)
            snprintf(text + at, sizeof text - at, "given");
        else {
            snprintf(text + at, sizeof text - at, "%s%s", at ? ", " : "", o->level[i].sampler);
            known = known && o->level[i].evaluations > 0;
            evaluations += o->level[i].evaluations;
            flop += o->level[i].flop;
        }
    }
    snprintf(o->sampler, sizeof o->sampler, "%.250s", text);
    if (known)
        snprintf(cost, sizeof cost, "%d evaluations, %.2f GFLOP an image", evaluations, flop / 1e9);
    else
        snprintf(cost, sizeof cost, "evaluations are counted as they are made");
    pyr_bar_line(&o->watch.bar, "%zu images%s%s; per level from the coarsest: %s; %s; memory %.1f MiB", o->n,
                 o->labels ? " of " : "", o->of_class, text, cost, pyr_mib(o->all.bytes));
}

/* What rk45 took, on average. */
static void say_what_it_took(output *o)
{
    for (int i = o->all.levels - 1; i >= 0; i--) {
        pyrdiff_model_facts f = {.size = sizeof f};

        if (strncmp(o->level[i].sampler, "rk45", 4) == 0 &&
            pyrdiff_model_facts_of(o->model, i, &f) == PYRDIFF_OK && f.evaluations > 0)
            pyr_bar_line(&o->watch.bar, "level %d: %d evaluations, %.2f GFLOP an image on average", i,
                         f.evaluations, f.flop / 1e9);
    }
}

/* ---- drawing ----------------------------------------------------------------------------------- */

static size_t image_size(const output *o, int level)
{
    return pyr_sample_output_size(&o->to, level);
}

/* At most `batch`, so that the frames that are kept fit into 128 MiB (but one image's always). */
static int trajectory_batch(const output *o, int batch)
{
    const double most = 128 << 20;
    double bytes = 0;

    for (int i = 0; i < o->all.levels; i++)
        bytes += (double)(image_size(o, i) * PYRDIFF_FRAMES * sizeof(float));
    if (batch * bytes <= most)
        return batch;
    return most / bytes > 1 ? (int)(most / bytes) : 1;
}

static pyr_status allocate(output *o, int batch)
{
    for (int i = 0; i < o->all.levels; i++) {
        PYR_TRY(pyr_new(&o->image[i], (size_t)batch * image_size(o, i), sizeof(float), "images"));
        if (o->typed->trajectory)
            PYR_TRY(pyr_new(&o->trajectory[i], (size_t)batch * PYRDIFF_FRAMES * image_size(o, i),
                            sizeof(float), "trajectories"));
    }
    return o->coarse.n ? pyr_coarse_images_room(&o->given, &o->coarse, batch) : PYR_OK;
}

static pyr_status draw(output *o, size_t first, int n)
{
    char level[16];
    pyrdiff_output outputs[2 * PYRDIFF_MAX_LEVELS];
    pyrdiff_draw draw = {.size = sizeof draw,
                         .n = n,
                         .seeds = o->seeds + first,
                         .labels = o->labels ? o->labels + first : NULL,
                         .outputs = outputs};

    for (int i = 0; i < o->all.levels; i++) {
        pyrdiff_images to = {
            .data = o->image[i], .type = PYRDIFF_F32, .n = n, .h = o->to.h[i], .w = o->to.w[i], .c = o->to.c};

        outputs[draw.n_outputs++] = (pyrdiff_output){PYRDIFF_IMAGE, i, to};
        to.data = o->trajectory[i];
        to.n = (int64_t)n * PYRDIFF_FRAMES;
        if (to.data)
            outputs[draw.n_outputs++] = (pyrdiff_output){PYRDIFF_TRAJECTORY, i, to};
    }
    if (!o->coarse.n)
        return pyrdiff_sample(o->model, &draw, pyr_watch_stop, &o->watch);
    o->given.n = n;
    PYR_TRY(pyr_coarse_images_read(&o->coarse, first, n, &o->given));
    snprintf(level, sizeof level, "%d", o->all.levels - 1);
    draw.task = "upscale";
    draw.options = (const char *const[]){"level", level, NULL};
    draw.inputs = &o->given;
    draw.n_inputs = 1;
    return pyrdiff_sample(o->model, &draw, pyr_watch_stop, &o->watch);
}

/* trajectory-000123.png of image j of the round. */
static pyr_status write_trajectory(const output *o, size_t at, int j)
{
    int levels = o->all.levels;
    pyrdiff_images tables[PYRDIFF_MAX_LEVELS];
    char name[64], zoom[16];
    char *path;
    pyr_origin from;
    pyr_status status;

    for (int i = 0; i < levels; i++)
        tables[levels - 1 - i] =
            (pyrdiff_images){.data = o->trajectory[i] + (size_t)j * PYRDIFF_FRAMES * image_size(o, i),
                             .type = PYRDIFF_F32,
                             .n = PYRDIFF_FRAMES,
                             .h = o->to.h[i],
                             .w = o->to.w[i],
                             .c = o->to.c};
    snprintf(name, sizeof name, "trajectory-%06" PRIu64 ".png", o->seeds[at]);
    snprintf(zoom, sizeof zoom, "%d", o->typed->output.zoom);
    pyr_sample_origin(&from, &o->to, at);
    path = pyr_path_join(o->outdir, name);
    if (!path)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    status = pyrdiff_png_write(path, tables, levels,
                               (const char *const[]){"zoom", zoom, "rows", "2", "columns", "10", NULL},
                               from.texts);
    pyr_free(path);
    return status;
}

/* Rounds of `batch` images: memory does not grow with the number of seeds. */
static pyr_status draw_all(output *o, int batch)
{
    double start = pyr_now();

    PYR_TRY(allocate(o, batch));
    for (size_t first = 0; first < o->n; first += (size_t)batch) {
        int n = o->n - first < (size_t)batch ? (int)(o->n - first) : batch;
        size_t done = first + (size_t)n;

        PYR_TRY(draw(o, first, n));
        PYR_TRY(pyr_sample_output_add(&o->to, first, n, o->image));
        for (int j = 0; j < n && o->typed->trajectory; j++)
            PYR_TRY(write_trajectory(o, first + (size_t)j, j));
        pyr_bar_sampling(&o->watch.bar, (int64_t)done, (int64_t)o->n, (double)done / (pyr_now() - start));
    }
    pyr_bar_line(&o->watch.bar, "%zu images in %.1f s (%.1f images/s), peak memory %.1f MiB", o->n,
                 pyr_now() - start, (double)o->n / (pyr_now() - start), pyr_peak_mib());
    say_what_it_took(o);
    return PYR_OK;
}

/* ---- the command ------------------------------------------------------------------------------- */

static pyr_status sample_all(output *o)
{
    int batch;

    say_what(o);
    PYR_TRY(open_output(o));
    pyr_take_signals();
    batch = o->typed->output.batch ? o->typed->output.batch : o->all.batch;
    if (o->typed->trajectory && !o->typed->output.batch)
        batch = trajectory_batch(o, batch);
    PYR_TRY(draw_all(o, batch));
    return pyr_sample_output_close(&o->to);
}

static pyr_status sample(output *o, pyr_parsed *parsed)
{
    const typed *t = o->typed;
    bool data_given = pyr_option_given(parsed, "data");

    PYR_TRY(pyr_parse_seeds_option(t->output.seeds, &o->seeds, &o->n));
    PYR_TRY(open_settings(o, parsed));
    PYR_TRY(check_level(o, data_given));
    PYR_TRY(open_model(o));
    if (*t->coarse)
        PYR_TRY(open_coarse(o));
    if (t->level < 0)
        return sample_all(o);
    pyr_take_signals();
    return pyr_sample_level(&(pyr_level_sampling){.model = o->model,
                                                  .settings = o->settings,
                                                  .network = t->network,
                                                  .output = &t->output,
                                                  .seeds = o->seeds,
                                                  .n = o->n,
                                                  .labels = o->labels,
                                                  .coarse = &o->coarse,
                                                  .data_given = data_given,
                                                  .watch = &o->watch});
}

static pyr_status run_sampling(void *at, pyr_parsed *parsed)
{
    output o = {.typed = at};
    pyr_status status;

    pyr_watch_begin(&o.watch);
    status = sample(&o, parsed);
    pyr_bar_end(&o.watch.bar);
    if (status == PYR_E_STOPPED && o.outdir)
        status = pyr_fail(PYR_E_STOPPED, "stopped: the images drawn so far are in %s", o.outdir);
    for (int i = 0; i < PYRDIFF_MAX_LEVELS; i++) {
        pyr_free(o.image[i]);
        pyr_free(o.trajectory[i]);
    }
    pyr_sample_output_free(&o.to);
    pyr_coarse_images_free(&o.coarse);
    pyr_free(o.given.data);
    pyr_free(o.seeds);
    pyr_free(o.labels);
    pyr_free(o.outdir);
    pyrdiff_model_free(o.model);
    pyrdiff_settings_free(o.settings);
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
