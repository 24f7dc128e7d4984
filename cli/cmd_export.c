/* cmd_export.c - pyrdiff export: a run's levels for other programs. */
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/typed_settings.h"

#include "cascade/export.h"
#include "diffusion/ddpm.h"
#include "terminal/output.h"

static const char *const formats[] = {"diffusers", NULL};

typedef struct typed {
    const char *network, *outdir;
    int format, level, timesteps;
} typed;

static void say_wrote(void *ctx, int level, const char *folder)
{
    (void)ctx;
    pyr_print("level %-2d %s\n", level, folder);
}

static pyr_status run(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyr_export_plan plan = {.run = t->network,
                            .outdir = t->outdir,
                            .level = t->level,
                            .timesteps = t->timesteps,
                            .wrote = say_wrote};
    pyr_settings *settings = NULL;
    pyr_kernels *k = NULL;
    pyr_config config;
    pyr_status status;

    PYR_TRY_OUT(pyr_run_settings_typed(&settings, &config, t->network, parsed));
    PYR_TRY_OUT(pyr_kernels_ref(&k, PYR_F32, 1)); /* nothing is computed */
    PYR_TRY_OUT(pyr_export_diffusers(&plan, k, &config));
out:
    pyr_kernels_free(k);
    pyr_settings_free(settings);
    return status;
}

static const pyr_option options[] = {
    OPT_NETWORK(typed, network),
    OPT_CHOICE(typed, format, "format", "NAME", "diffusers", formats,
               "format; diffusers: a DDIMPipeline for each level"),
    OPT_TEXT(typed, outdir, "outdir", "DIR", "",
             "folder that the folders level-0, level-1, ... are written to",
             .missing = "where to? Add --outdir DIR"),
    OPT_LEVEL(typed, level, "all levels", "export this level only; 0 is the finest"),
    OPT_INT(typed, timesteps, "timesteps", "T", "1000", 2, PYR_MAX_TIMESTEPS,
            "timesteps that the range of noise levels is divided into"),
    {0},
};

const pyr_command pyr_command_export = {
    .name = "export",
    .title = "write the levels of a run for other programs (diffusers)",
    .summary =
        "Write the levels of a run as directories that diffusers loads: each is a DDIMPipeline "
        "(UNet2DModel and DDIMScheduler, v-prediction) of the standardised level, with the same denoiser. "
        "docs/interchange.md explains how images are made of what it draws.",
    .examples = "  pyrdiff export --network runs/fashion-mnist --outdir out\n"
                "  python scripts/check-export.py runs/fashion-mnist out\n"
                "  pyrdiff sample --network out/level-2 --seeds 0-15 --steps 18\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = run,
};
