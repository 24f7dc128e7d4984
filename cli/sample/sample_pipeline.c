/* sample_pipeline.c - drawing from a diffusers pipeline. */
#include "cli/sample/sample.h"

#include "cli/cli.h"
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

static pyr_status sample(pyr_drawing *d, const typed *t, const pyr_parsed *parsed)
{
    const pyrdiff_model_facts *f = &d->all;

    PYR_TRY(pyr_drawing_begin(d));
    PYR_TRY(pyr_drawing_open(
        d, t->of_class, pyr_pass_options(parsed, (const char *const[]){"sampler", "steps", "eta", NULL})));
    pyr_bar_line(&d->watch.bar, "%zu images of %dx%dx%d by %s; %.2f GFLOP an image; memory %.1f MiB", d->to.n,
                 f->h, f->w, f->c, f->sampler, f->flop / 1e9, pyr_mib(f->bytes));
    d->to.sampler = f->sampler;
    return pyr_drawing_all(d);
}

static pyr_status run(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyr_drawing d = {.network = t->network, .to.typed = &t->output};

    return pyr_drawing_end(&d, sample(&d, t, parsed));
}

static const pyr_option options[] = {
    OPT_TEXT(typed, network, "network", "DIR", "", "directory of a DDPMPipeline or DDIMPipeline"),
    OPT_GROUP(typed, output, pyr_output_options),
    OPT_TEXT(typed, sampler, "sampler", "NAME", "",
             "ddpm, ddim, or flow for models of flow matching; without it, that of the pipeline"),
    OPT_INT(typed, steps, "steps", "N", "0", 0, 100000,
            "steps, out of the timesteps of training; 0: 1000 with ddpm, 50 with ddim and flow"),
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
        "Draw images from a diffusers pipeline (UNet2DModel with DDPMScheduler, DDIMScheduler or FlowMatchEulerDiscreteScheduler) by the "
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
