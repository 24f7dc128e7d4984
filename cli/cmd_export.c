/* cmd_export.c - pyrdiff export: a run's levels for other programs. */
#include "cli/cli.h"

#include "cascade/export.h"
#include "diffusion/ddpm.h"
#include "terminal/output.h"
#include <string.h>

typedef struct typed {
    const char *network, *format, *outdir;
    int level, timesteps;
} typed;

static void say_wrote(void *ctx, int level, const char *folder)
{
    (void)ctx;
    pyr_print("level %-2d %s\n", level, folder);
}

static pyr_status run(void *at, pyr_parsed *parsed)
{
    static const char *const formats[] = {"diffusers"};
    const typed *t = at;
    pyr_export_plan plan = {.run = t->network,
                            .outdir = t->outdir,
                            .level = t->level,
                            .timesteps = t->timesteps,
                            .wrote = say_wrote};
    pyr_settings *settings = NULL;
    pyr_kernels *k = NULL;
    pyr_config config;
    int format;
    pyr_status status;

    if (!*t->network)
        return pyr_fail(PYR_E_ARG, "which run? Add --network runs/NAME");
    if (!*t->outdir)
        return pyr_fail(PYR_E_ARG, "where to? Add --outdir DIR");
    PYR_TRY(pyr_find_word(&format, "format", t->format, strlen(t->format), formats, 1));
    PYR_TRY_OUT(pyr_run_settings(&settings, t->network));
    PYR_TRY_OUT(pyr_options_apply(parsed, settings));
    PYR_TRY_OUT(pyr_config_get(&config, settings));
    PYR_TRY_OUT(pyr_kernels_ref(&k, PYR_F32, 1)); /* nothing is computed */
    PYR_TRY_OUT(pyr_export_diffusers(&plan, k, &config));
out:
    pyr_kernels_free(k);
    pyr_settings_free(settings);
    return status;
}

pyr_status pyr_command_export(int argc, char **argv)
{
    typed t;
    const pyr_option table[] = {
        PYR_NETWORK_OPTION(t.network),
        {.name = "format",
         .argument = "NAME",
         .type = PYR_SETTING_TEXT,
         .target = &t.format,
         .standard = "diffusers",
         .help = "diffusers: a DDIMPipeline of each level"},
        {.name = "outdir",
         .argument = "DIR",
         .type = PYR_SETTING_TEXT,
         .target = &t.outdir,
         .standard = "",
         .help = "where DIR/level-I are written"},
        {.name = "level",
         .argument = "I",
         .type = PYR_SETTING_INT,
         .target = &t.level,
         .standard = "-1",
         .untyped = "all",
         .min = 0,
         .max = PYR_MAX_LEVELS - 1,
         .help = "that level alone, 0 is the finest"},
        {.name = "timesteps",
         .argument = "T",
         .type = PYR_SETTING_INT,
         .target = &t.timesteps,
         .standard = "1000",
         .min = 2,
         .max = PYR_MAX_TIMESTEPS,
         .help = "that the range of noise levels is cut into"},
    };
    const pyr_options options = {
        .command = "export",
        .summary =
            "Write the levels of a run as directories that diffusers loads: each is a DDIMPipeline "
            "(UNet2DModel and DDIMScheduler, v-prediction) of the standardised level, whose denoiser is the "
            "level's own. docs/interchange.md says how they become images again.",
        .examples = "  pyrdiff export --network runs/fashion-mnist --outdir out\n"
                    "  python scripts/check-export.py runs/fashion-mnist out\n"
                    "  pyrdiff sample --network out/level-2 --seeds 0-15 --steps 18\n",
        .table = table,
        .n = sizeof table / sizeof *table,
        .sections = pyr_all_sections(),
        .n_sections = PYR_SECTIONS};

    return pyr_run_command(&options, argc, argv, run, &t);
}
