/* cmd_sample.c - pyrdiff sample, and drawing that all ways of it share. */
#include "cli/cli.h"
#include "cli/sample/sample.h"
#include "cli/sampling.h"
#include "terminal/signals.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what is shared ---------------------------------------------------------------------------- */

pyr_status pyr_drawing_begin(pyr_drawing *d)
{
    pyr_watch_begin(&d->watch);
    return pyr_parse_seeds_option(d->to.typed->seeds, &d->to.seeds, &d->to.n);
}

pyr_status pyr_drawing_open(pyr_drawing *d, const char *of_class, pyr_passed options)
{
    pyr_sample_output *to = &d->to;

    PYR_TRY(pyrdiff_model_open(&d->model, d->network, d->settings, options.at, pyr_watch_event, &d->watch));
    d->all.size = sizeof d->all;
    PYR_TRY(pyrdiff_model_facts_of(d->model, -1, &d->all));
    for (int i = 0; i < d->all.levels; i++) {
        d->level[i].size = sizeof d->level[i];
        PYR_TRY(pyrdiff_model_facts_of(d->model, i, &d->level[i]));
    }
    PYR_TRY(pyr_new(&to->labels, to->n, sizeof *to->labels, "classes of images"));
    PYR_TRY(pyrdiff_model_labels(d->model, of_class, to->seeds, (int64_t)to->n, to->labels, d->of_class,
                                 sizeof d->of_class));
    if (*d->of_class)
        return PYR_OK;
    pyr_free(to->labels);
    to->labels = NULL;
    return PYR_OK;
}

pyr_status pyr_drawing_folder(pyr_drawing *d, const char *own)
{
    return *d->to.typed->outdir ? pyr_format(&d->to.folder, "%s", d->to.typed->outdir)
                                : pyr_path_new(&d->to.folder, d->network, own);
}

pyr_status pyr_drawing_end(pyr_drawing *d, pyr_status status)
{
    pyr_bar_end(&d->watch.bar);
    if (status == PYR_E_STOPPED && d->to.folder)
        status = pyr_fail(PYR_E_STOPPED, "stopped: the images drawn so far are in %s", d->to.folder);
    for (int i = 0; i < PYRDIFF_MAX_LEVELS; i++) {
        pyr_free(d->image[i]);
        pyr_free(d->frames[i]);
    }
    pyr_sample_output_free(&d->to);
    pyr_coarse_images_free(&d->coarse);
    pyr_free(d->given.data);
    pyrdiff_model_free(d->model);
    pyrdiff_settings_free(d->settings);
    return status;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

static pyr_status open_output(pyr_drawing *d)
{
    pyr_sample_output *to = &d->to;

    PYR_TRY(pyr_drawing_folder(d, "samples"));
    to->levels = d->all.levels;
    to->c = d->all.c;
    to->bits = d->all.bits;
    to->archive = to->typed->npz;
    for (int i = 0; i < to->levels; i++) {
        to->h[i] = d->level[i].h;
        to->w[i] = d->level[i].w;
    }
    return pyr_sample_output_open(to, d->all.hash);
}

/* As many as were typed or keep the machine busy; but of trajectories at most so many that their frames fit into
 * 128 MiB (one image's always). */
static int batch_of(const pyr_drawing *d)
{
    const double most = 128 << 20;
    double bytes = 0;

    if (d->to.typed->batch)
        return d->to.typed->batch;
    for (int i = 0; i < d->all.levels && d->trajectory; i++)
        bytes += (double)(pyr_sample_output_size(&d->to, i) * PYRDIFF_FRAMES * sizeof(float));
    if (d->all.batch * bytes <= most)
        return d->all.batch;
    return most / bytes > 1 ? (int)(most / bytes) : 1;
}

static pyr_status allocate(pyr_drawing *d, int batch)
{
    for (int i = 0; i < d->all.levels; i++) {
        size_t size = (size_t)batch * pyr_sample_output_size(&d->to, i);

        PYR_TRY(pyr_new(&d->image[i], size, sizeof(float), "images"));
        if (d->trajectory)
            PYR_TRY(pyr_new(&d->frames[i], size * PYRDIFF_FRAMES, sizeof(float), "trajectories"));
    }
    return d->coarse.n ? pyr_coarse_images_room(&d->given, &d->coarse, batch) : PYR_OK;
}

static pyr_status draw(pyr_drawing *d, size_t first, int n)
{
    char level[16];
    const char *const options[] = {"level", level, NULL};
    pyrdiff_output outputs[2 * PYRDIFF_MAX_LEVELS];
    pyrdiff_draw draw = {.size = sizeof draw,
                         .n = n,
                         .seeds = d->to.seeds + first,
                         .labels = d->to.labels ? d->to.labels + first : NULL,
                         .outputs = outputs};

    for (int i = 0; i < d->all.levels; i++) {
        outputs[draw.n_outputs++] =
            (pyrdiff_output){PYRDIFF_IMAGE, i, pyr_sample_output_images(&d->to, i, d->image[i], n)};
        if (d->trajectory)
            outputs[draw.n_outputs++] = (pyrdiff_output){
                PYRDIFF_TRAJECTORY, i,
                pyr_sample_output_images(&d->to, i, d->frames[i], (int64_t)n * PYRDIFF_FRAMES)};
    }
    if (d->coarse.n) {
        d->given.n = n;
        PYR_TRY(pyr_coarse_images_read(&d->coarse, first, n, &d->given));
        snprintf(level, sizeof level, "%d", d->all.levels - 1);
        draw.task = "upscale";
        draw.options = options;
        draw.inputs = &d->given;
        draw.n_inputs = 1;
    }
    return pyrdiff_sample(d->model, &draw, pyr_watch_stop, &d->watch);
}

/* trajectory-000123.png of image j of the round. */
static pyr_status write_trajectory(const pyr_drawing *d, size_t at, int j)
{
    int levels = d->all.levels;
    pyrdiff_images tables[PYRDIFF_MAX_LEVELS];
    char *path, zoom[16];
    pyr_origin from;
    pyr_status status;

    for (int i = 0; i < levels; i++)
        tables[levels - 1 - i] = pyr_sample_output_images(
            &d->to, i, d->frames[i] + (size_t)j * PYRDIFF_FRAMES * pyr_sample_output_size(&d->to, i),
            PYRDIFF_FRAMES);
    snprintf(zoom, sizeof zoom, "%d", d->to.typed->zoom);
    pyr_sample_origin(&from, &d->to, at);
    PYR_TRY(pyr_format(&path, "%s/trajectory-%06" PRIu64 ".png", d->to.folder, d->to.seeds[at]));
    status = pyrdiff_png_write(path, tables, levels,
                               (const char *const[]){"zoom", zoom, "rows", "2", "columns", "10", NULL},
                               from.texts);
    pyr_free(path);
    return status;
}

/* Rounds of `batch` images: memory does not grow with the number of seeds. */
static pyr_status draw_rounds(pyr_drawing *d, int batch)
{
    double start = pyr_now();
    size_t all = d->to.n;

    PYR_TRY(allocate(d, batch));
    for (size_t first = 0; first < all; first += (size_t)batch) {
        int n = all - first < (size_t)batch ? (int)(all - first) : batch;
        size_t done = first + (size_t)n;

        PYR_TRY(draw(d, first, n));
        PYR_TRY(pyr_sample_output_add(&d->to, first, n, d->image));
        for (int j = 0; j < n && d->trajectory; j++)
            PYR_TRY(write_trajectory(d, first + (size_t)j, j));
        pyr_bar_sampling(&d->watch.bar, (int64_t)done, (int64_t)all, (double)done / (pyr_now() - start));
    }
    pyr_bar_line(&d->watch.bar, "%zu images in %.1f s (%.1f images/s), peak memory %.1f MiB", all,
                 pyr_now() - start, (double)all / (pyr_now() - start), pyr_peak_memory_mib());
    return PYR_OK;
}

/* What rk45 took, on average. */
static void say_what_it_took(pyr_drawing *d)
{
    for (int i = d->all.levels - 1; i >= 0; i--) {
        pyrdiff_model_facts f = {.size = sizeof f};

        if (strncmp(d->level[i].sampler, "rk45", 4) == 0 &&
            pyrdiff_model_facts_of(d->model, i, &f) == PYRDIFF_OK && f.evaluations > 0)
            pyr_bar_line(&d->watch.bar, "level %d: %d evaluations, %.2f GFLOP an image on average", i,
                         f.evaluations, f.flop / 1e9);
    }
}

pyr_status pyr_drawing_all(pyr_drawing *d)
{
    PYR_TRY(open_output(d));
    pyr_take_signals();
    PYR_TRY(draw_rounds(d, batch_of(d)));
    say_what_it_took(d);
    return pyr_sample_output_close(&d->to);
}

/* ---- a run ------------------------------------------------------------------------------------- */

typedef struct typed {
    const char *network, *coarse;
    int level;
    bool trajectory;
    pyr_typed_output output;
    pyr_typed_sampling sampling;
    pyr_typed_guidance guidance;
    pyr_machine machine;
} typed;

static pyr_status open_settings(pyr_drawing *d, const typed *t, pyr_parsed *parsed)
{
    pyrdiff_found found = {.size = sizeof found};
    int levels;

    PYR_TRY(pyrdiff_look(t->network, -1, &found));
    if (found.kind != PYRDIFF_RUN) /* which says what it is instead */
        PYR_TRY(pyrdiff_model_open(&d->model, t->network, NULL, NULL, NULL, NULL));
    PYR_TRY(pyrdiff_settings_open(&d->settings, t->network));
    PYR_TRY(pyr_options_each(parsed, pyr_set_public, d->settings));
    levels = pyr_number_of(d->settings, "pyramid.levels");
    PYR_TRY(pyr_set_sampling(&t->sampling, levels, pyr_set_public, d->settings));
    return pyr_set_guidance(&t->guidance, levels, pyr_set_public, d->settings);
}

/* What is typed for one level, and for all. */
static pyr_status check_level(const pyr_drawing *d, const typed *t, bool data_given)
{
    if (t->level < 0 && data_given)
        return pyr_fail(PYR_E_ARG,
                        "--data is for --level I, whose coarser images are real ones: leave it out");
    if (t->level >= 0 && t->trajectory)
        return pyr_fail(PYR_E_ARG, "--trajectory shows all levels: leave --level %d out", t->level);
    if (t->level >= 0 && t->level == pyr_number_of(d->settings, "pyramid.levels") - 1 && *t->coarse)
        return pyr_fail(PYR_E_ARG, "level %d is the coarsest, it is given no image: leave --coarse out",
                        t->level);
    return PYR_OK;
}

/* The images in --coarse. */
static pyr_status open_coarse(pyr_drawing *d, const typed *t)
{
    int coarsest = d->all.levels - 1, level = t->level >= 0 ? t->level + 1 : coarsest;
    const pyrdiff_model_facts *f = &d->level[level];

    d->coarse = (pyr_coarse_images){.h = f->h, .w = f->w, .c = f->c, .bits = f->bits};
    if (level < coarsest)
        snprintf(d->coarse.level, sizeof d->coarse.level, "level %d", level);
    else
        snprintf(d->coarse.level, sizeof d->coarse.level, "the coarsest level");
    return pyr_coarse_images_open(&d->coarse, t->coarse, d->to.n, &d->watch);
}

/* The samplers of all levels, into `sampler`, which PNGs name, too. */
static void say_what(pyr_drawing *d, char *sampler, size_t room)
{
    char text[512] = "", cost[96];
    int levels = d->all.levels, evaluations = 0;
    bool known = true;
    double flop = 0;

    for (int i = levels - 1; i >= 0; i--) {
        size_t at = strlen(text);

        if (i == levels - 1 && d->coarse.n)
            snprintf(text + at, sizeof text - at, "given");
        else {
            snprintf(text + at, sizeof text - at, "%s%s", at ? ", " : "", d->level[i].sampler);
            known = known && d->level[i].evaluations > 0;
            evaluations += d->level[i].evaluations;
            flop += d->level[i].flop;
        }
    }
    snprintf(sampler, room, "%.250s", text);
    if (known)
        snprintf(cost, sizeof cost, "%d evaluations, %.2f GFLOP an image", evaluations, flop / 1e9);
    else
        snprintf(cost, sizeof cost, "evaluations are counted as they are made");
    pyr_bar_line(&d->watch.bar, "%zu images%s%s; per level from the coarsest: %s; %s; memory %.1f MiB",
                 d->to.n, d->to.labels ? " of " : "", d->of_class, text, cost, pyr_mib(d->all.bytes));
}

static pyr_status sample(pyr_drawing *d, const typed *t, pyr_parsed *parsed)
{
    bool data_given = pyr_option_given(parsed, "data");
    char sampler[256];

    PYR_TRY(pyr_drawing_begin(d));
    PYR_TRY(open_settings(d, t, parsed));
    PYR_TRY(check_level(d, t, data_given));
    PYR_TRY(pyr_drawing_open(d, t->sampling.of_class,
                             pyr_pass_options(parsed, (const char *const[]){"level", "gnet", NULL})));
    if (*t->coarse)
        PYR_TRY(open_coarse(d, t));
    if (t->level >= 0) {
        pyr_take_signals();
        return pyr_sample_level(d, data_given);
    }
    say_what(d, sampler, sizeof sampler);
    d->to.sampler = sampler;
    return pyr_drawing_all(d);
}

static pyr_status run_sampling(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyr_drawing d = {.network = t->network, .trajectory = t->trajectory, .to.typed = &t->output};

    return pyr_drawing_end(&d, sample(&d, t, parsed));
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
