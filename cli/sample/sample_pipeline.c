/* sample_pipeline.c - drawing from a diffusers pipeline. */
#include "cli/sample/sample_pipeline.h"

#include "cli/cli.h"
#include "cli/sample/sample_output.h"
#include "cli/sampling.h"
#include "cli/watch.h"
#include "include/pyrdiff.h"
#include "terminal/signals.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool names_pipeline(int argc, char **argv)
{
    static const char option[] = "--network";
    const char *network = NULL;
    size_t length = strlen(option);
    pyrdiff_found found = {.size = sizeof found};

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], option, length) == 0 && argv[i][length] == '=')
            network = argv[i] + length + 1;
        else if (strcmp(argv[i], option) == 0 && i + 1 < argc)
            network = argv[++i];
    return network && pyrdiff_look(network, -1, &found) == PYRDIFF_OK && found.kind == PYRDIFF_PIPELINE;
}

typedef struct typed {
    const char *network, *sampler, *of_class;
    int steps;
    double eta;
    pyr_typed_output output;
    pyr_machine machine;
} typed;

typedef struct drawing {
    const typed *typed;
    pyrdiff_model *model;
    pyrdiff_model_facts facts;
    pyr_sample_output to;
    uint64_t *seeds;
    int32_t *labels;
    char *outdir;
    pyr_watch watch;
} drawing;

static pyr_status open_model(drawing *d)
{
    const typed *t = d->typed;
    char steps[16], eta[32], threads[16], words[256];

    snprintf(steps, sizeof steps, "%d", t->steps);
    snprintf(eta, sizeof eta, "%.17g", t->eta);
    snprintf(threads, sizeof threads, "%d", t->machine.threads);
    PYR_TRY(pyrdiff_model_open(&d->model, t->network, NULL,
                               (const char *const[]){"sampler", t->sampler, "steps", steps, "eta", eta,
                                                     "backend", t->machine.backend, "precision",
                                                     t->machine.precision, "threads", threads, NULL},
                               pyr_watch_event, &d->watch));
    d->facts.size = sizeof d->facts;
    PYR_TRY(pyrdiff_model_facts_of(d->model, -1, &d->facts));
    PYR_TRY(pyr_new(&d->labels, d->to.n, sizeof *d->labels, "classes of images"));
    PYR_TRY(pyrdiff_model_labels(d->model, t->of_class, d->seeds, (int64_t)d->to.n, d->labels, words,
                                 sizeof words));
    if (*words)
        return PYR_OK;
    pyr_free(d->labels);
    d->labels = NULL;
    return PYR_OK;
}

static pyr_status open_output(drawing *d)
{
    const typed *t = d->typed;
    const pyrdiff_model_facts *f = &d->facts;
    pyr_sample_output *o = &d->to;

    pyr_bar_line(&d->watch.bar, "%zu images of %dx%dx%d by %s; %.2f GFLOP an image; memory %.1f MiB", o->n,
                 f->h, f->w, f->c, f->sampler, f->flop / 1e9, pyr_mib(f->bytes));
    d->outdir = *t->output.outdir ? pyr_strdup(t->output.outdir) : pyr_path_join(t->network, "samples");
    if (!d->outdir)
        return pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    *o = (pyr_sample_output){.folder = d->outdir,
                             .seeds_text = t->output.seeds,
                             .sampler = f->sampler,
                             .seeds = d->seeds,
                             .labels = d->labels,
                             .n = o->n,
                             .levels = 1,
                             .h = {f->h},
                             .w = {f->w},
                             .c = f->c,
                             .bits = f->bits,
                             .zoom = t->output.zoom,
                             .grid = t->output.grid,
                             .archive = t->output.npz};
    snprintf(o->weights, sizeof o->weights, "%016" PRIx64, f->hash);
    return pyr_sample_output_open(o);
}

/* Rounds of `batch` images: memory does not grow with the number of seeds. */
static pyr_status draw_all(drawing *d, int batch)
{
    pyr_sample_output *o = &d->to;
    float *images;
    double start = pyr_now();
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_new(&images, (size_t)batch * pyr_sample_output_size(o, 0), sizeof *images, "images"));
    for (size_t at = 0; at < o->n; at += (size_t)batch) {
        int n = o->n - at < (size_t)batch ? (int)(o->n - at) : batch;
        size_t done = at + (size_t)n;
        pyrdiff_output to = {
            .what = PYRDIFF_IMAGE,
            .to = {.data = images, .type = PYRDIFF_F32, .n = n, .h = o->h[0], .w = o->w[0], .c = o->c}};

        PYR_TRY_OUT(pyrdiff_sample(d->model,
                                   &(pyrdiff_draw){.size = sizeof(pyrdiff_draw),
                                                   .n = n,
                                                   .seeds = o->seeds + at,
                                                   .labels = o->labels ? o->labels + at : NULL,
                                                   .outputs = &to,
                                                   .n_outputs = 1},
                                   pyr_watch_stop, &d->watch));
        PYR_TRY_OUT(pyr_sample_output_add(o, at, n, &images));
        pyr_bar_sampling(&d->watch.bar, (int64_t)done, (int64_t)o->n, (double)done / (pyr_now() - start));
    }
    pyr_bar_line(&d->watch.bar, "%zu images in %.1f s (%.1f images/s), peak memory %.1f MiB", o->n,
                 pyr_now() - start, (double)o->n / (pyr_now() - start), pyr_peak_mib());
out:
    pyr_free(images);
    return status;
}

static pyr_status sample(drawing *d)
{
    const pyr_typed_output *t = &d->typed->output;

    PYR_TRY(pyr_parse_seeds_option(t->seeds, &d->seeds, &d->to.n));
    PYR_TRY(open_model(d));
    PYR_TRY(open_output(d));
    pyr_take_signals();
    PYR_TRY(draw_all(d, t->batch ? t->batch : d->facts.batch));
    return pyr_sample_output_close(&d->to);
}

static pyr_status run(void *at, pyr_parsed *parsed)
{
    drawing d = {.typed = at};
    pyr_status status;

    (void)parsed;
    pyr_watch_begin(&d.watch);
    status = sample(&d);
    pyr_bar_end(&d.watch.bar);
    if (status == PYR_E_STOPPED)
        status = pyr_fail(PYR_E_STOPPED, "stopped: the images drawn so far are in %s", d.outdir);
    pyr_sample_output_free(&d.to);
    pyrdiff_model_free(d.model);
    pyr_free(d.outdir);
    pyr_free(d.seeds);
    pyr_free(d.labels);
    return status;
}

static const pyr_option options[] = {
    OPT_TEXT(typed, network, "network", "DIR", "", "directory of a DDPMPipeline or DDIMPipeline"),
    OPT_GROUP(typed, output, pyr_output_options),
    OPT_TEXT(typed, sampler, "sampler", "NAME", "", "ddpm or ddim; without it, that of the pipeline"),
    OPT_INT(typed, steps, "steps", "N", "0", 0, 100000,
            "steps, out of the timesteps of training; 0: 1000 with ddpm, 50 with ddim"),
    OPT_REAL(typed, eta, "eta", "ETA", "0", 0, 1,
             "noise that ddim adds: 0 none, 1 as much as ddpm with the variance fixed_small"),
    OPT_TEXT(
        typed, of_class, "class", "WHICH", "",
        "class of the images, for a class-conditional model: its number; all: the seeds take the classes "
        "in turn; random: each seed draws one"),
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

static const pyr_command command = {
    .name = "sample",
    .summary =
        "Draw images from a diffusers pipeline (UNet2DModel with DDPMScheduler or DDIMScheduler) by the "
        "parameters of its scheduler_config.json. The image of a seed does not depend on the batch, the "
        "number of threads, or the other seeds; it differs from the one that diffusers draws with this "
        "seed.",
    .examples =
        "  pyrdiff sample --network ddpm-cifar10-32 --seeds 0-99 --outdir out --sampler ddim --steps 50\n"
        "  pyrdiff sample --network ddpm-cifar10-32 --seeds 0-15 --sampler ddim --steps 100 --eta 1\n",
    .options = options,
    .size = sizeof(typed),
    .run = run,
};

const pyr_command *pyr_sample_pipeline(int argc, char **argv)
{
    return names_pipeline(argc, argv) ? &command : NULL;
}
