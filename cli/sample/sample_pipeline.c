#include "cli/sample/sample_pipeline.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/sample/sample_output.h"
#include "diffusers/pipeline.h"
#include "terminal/output.h"
#include "terminal/parse.h"
#include "terminal/progress.h"
#include "terminal/signals.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool names_pipeline(int argc, char **argv)
{
    static const char option[] = "--network";
    const char *network = NULL;
    size_t length = strlen(option);

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], option, length) == 0 && argv[i][length] == '=')
            network = argv[i] + length + 1;
        else if (strcmp(argv[i], option) == 0 && i + 1 < argc)
            network = argv[++i];
    return network && pyr_pipeline_exists(network);
}

typedef struct typed {
    const char *network, *sampler, *of_class;
    int steps;
    double eta;
    pyr_typed_output output;
    pyr_machine machine;
} typed;

static pyr_status choose_sampler(pyr_pipeline_sampler *out, const typed *t, const pyr_pipeline_files *files)
{
    static const char *const words[] = {"ddpm", "ddim"};
    int kind = 0;

    if (*t->sampler) {
        PYR_TRY(pyr_find_word(&kind, "sampler of a pipeline", t->sampler, strlen(t->sampler), words, 2));
        *out = (pyr_pipeline_sampler){.ddim = kind == 1, .steps = pyr_pipeline_steps(kind == 1, files)};
    } else
        PYR_TRY(pyr_pipeline_usual(out, files));
    out->eta = t->eta;
    if (!out->ddim && t->eta > 0)
        return pyr_fail(PYR_E_ARG, "--eta %g is of --sampler ddim; ddpm always adds its noise", t->eta);
    if (t->steps)
        out->steps = t->steps;
    return PYR_OK;
}

/* Where the pipeline decides, and not its scheduler. */
static void say_pipeline(pyr_bar *bar, const typed *t, const pyr_pipeline_files *files)
{
    if (!*t->sampler && strcmp(files->class_name, "DDIMPipeline") == 0 &&
        files->scheduler.kind != PYR_SCHEDULER_DDIM)
        pyr_bar_line(bar, "a DDIMPipeline, whose scheduler is a %s: drawn by DDIM, as the library does",
                     files->scheduler.class_name);
}

static pyr_status choose_class(pyr_class_choice *out, const pyr_pipeline_files *files, const char *word)
{
    if (*word && !files->classes.n)
        return pyr_fail(PYR_E_ARG, "--class %s: this model has no classes", word);
    return pyr_class_choose(out, &files->classes, word);
}

/* Rounds of `batch` images: memory does not grow with the number of seeds. */
static pyr_status draw_all(pyr_pipeline *p, pyr_sample_output *o, int batch, pyr_bar *bar)
{
    float *images;
    double start = pyr_now();
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_new(&images, (size_t)batch * pyr_count(o->image[0]), sizeof *images, "images"));
    for (size_t at = 0; at < o->n; at += (size_t)batch) {
        int n = o->n - at < (size_t)batch ? (int)(o->n - at) : batch;

        PYR_TRY_OUT(pyr_pipeline_sample(p, &(pyr_pipeline_draw){.n = n,
                                                                .seeds = o->seeds + at,
                                                                .label = -1,
                                                                .labels = o->labels ? o->labels + at : NULL,
                                                                .noise = NULL,
                                                                .image = images}));
        PYR_TRY_OUT(pyr_sample_output_add(o, at, n, &images));
        pyr_bar_sampling(bar, (int64_t)(at + (size_t)n), (int64_t)o->n,
                         (double)(at + (size_t)n) / (pyr_now() - start));
    }
    pyr_bar_line(bar, "%zu images in %.1f s (%.1f images/s), peak memory %.1f MiB", o->n, pyr_now() - start,
                 (double)o->n / (pyr_now() - start), pyr_peak_mib());
out:
    pyr_free(images);
    return status;
}

static pyr_status run(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyr_pipeline_files files = {0};
    pyr_pipeline_sampler sampler;
    pyr_pipeline *p = NULL;
    pyr_kernels *k = NULL;
    pyr_text warning = {0};
    pyr_sample_output o = {.seeds_text = t->output.seeds,
                           .levels = 1,
                           .zoom = t->output.zoom,
                           .grid = t->output.grid,
                           .archive = t->output.npz};
    pyr_bar bar = pyr_bar_new();
    uint64_t *seeds = NULL;
    int32_t *labels = NULL;
    pyr_class_choice choice;
    char *outdir = NULL, words[64];
    pyr_shape s;
    pyr_status status;

    (void)parsed;
    if (pyr_parse_seeds(t->output.seeds, &seeds, &o.n) != PYR_OK)
        return pyr_fail_prefix(PYR_E_ARG, "--seeds");
    o.seeds = seeds;
    PYR_TRY_OUT(pyr_pipeline_read(&files, t->network, &warning));
    PYR_TRY_OUT(choose_sampler(&sampler, t, &files));
    PYR_TRY_OUT(choose_class(&choice, &files, t->of_class));
    PYR_TRY_OUT(pyr_class_labels(&labels, &choice, seeds, o.n));
    o.labels = labels;
    say_pipeline(&bar, t, &files);
    PYR_TRY_OUT(pyr_open_machine(&k, &t->machine, false));
    PYR_TRY_OUT(pyr_pipeline_open(&p, k, &files, &sampler, &warning));
    if (warning.length)
        pyr_tell("warning: %s: %s\n", t->network, warning.at);
    snprintf(words, sizeof words, "%s %d", sampler.ddim ? "ddim" : "ddpm", sampler.steps);
    if (sampler.eta > 0)
        snprintf(words + strlen(words), sizeof words - strlen(words), " eta %g", sampler.eta);
    o.sampler = words;
    s = o.image[0] = pyr_pipeline_image(p);
    o.bits = files.ours ? files.facts.bits : 8;
    snprintf(o.weights, sizeof o.weights, "%016" PRIx64, pyr_pipeline_hash(p));
    pyr_bar_line(&bar, "%zu images of %dx%dx%d by %s; %.2f GFLOP an image; memory %.1f MiB", o.n, s.h, s.w,
                 s.c, words, pyr_pipeline_flop(p) / 1e9, pyr_mib(pyr_pipeline_bytes(p)));
    outdir = *t->output.outdir ? pyr_strdup(t->output.outdir) : pyr_path_join(t->network, "samples");
    if (!outdir)
        PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "out of memory for a name"));
    o.folder = outdir;
    PYR_TRY_OUT(pyr_sample_output_open(&o));
    pyr_stop_on_signals();
    PYR_TRY_OUT(draw_all(p, &o, t->output.batch ? t->output.batch : pyr_pipeline_batch(p) * k->lanes, &bar));
    PYR_TRY_OUT(pyr_sample_output_close(&o));
out:
    if (status == PYR_E_STOPPED)
        status = pyr_fail(PYR_E_STOPPED, "stopped: the images drawn so far are in %s", outdir);
    pyr_sample_output_free(&o);
    pyr_pipeline_free(p);
    pyr_kernels_free(k);
    pyr_pipeline_files_free(&files);
    pyr_text_free(&warning);
    pyr_free(outdir);
    pyr_free(seeds);
    pyr_free(labels);
    return status;
}

static const pyr_option options[] = {
    OPT_TEXT(typed, network, "network", "DIR", "", "directory of a DDPMPipeline or DDIMPipeline"),
    OPT_GROUP(typed, output, pyr_output_options),
    OPT_TEXT(typed, sampler, "sampler", "NAME", "", "ddpm or ddim; without it, that of the pipeline"),
    OPT_INT(typed, steps, "steps", "N", "0", 0, PYR_MAX_TIMESTEPS,
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
