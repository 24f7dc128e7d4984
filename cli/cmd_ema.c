/* cmd_ema.c - pyrdiff ema: an average of a run's weights of another length, after training. */
#include "cli/cli.h"
#include "cli/typed_settings.h"

#include "cascade/average.h"
#include "cascade/one_level.h"
#include "graph/power_ema.h"
#include "terminal/output.h"

typedef struct typed {
    const char *network, *outdir;
    double length;
    int64_t step;
    int level;
} typed;

static void say_made(void *ctx, int level, int64_t step, size_t kept, double distance)
{
    (void)ctx;
    pyr_print("level %-2d step %lld, of %zu averages; its profile is %.2g off\n", level, (long long)step,
              kept, distance);
}

static pyr_status run(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyr_settings *settings = NULL;
    pyr_kernels *k = NULL;
    pyr_config config;
    pyr_status status;

    PYR_TRY_OUT(pyr_run_settings_typed(&settings, &config, t->network, parsed));
    PYR_TRY_OUT(pyr_check_level(&config, t->level));
    PYR_TRY_OUT(pyr_kernels_ref(&k, PYR_F32, 1)); /* nothing is computed with networks */
    PYR_TRY_OUT(pyr_run_average(&(pyr_average_job){.k = k,
                                                   .config = &config,
                                                   .run = t->network,
                                                   .outdir = t->outdir,
                                                   .length = t->length,
                                                   .level = t->level,
                                                   .step = t->step,
                                                   .made = say_made}));
out:
    pyr_kernels_free(k);
    pyr_settings_free(settings);
    return status;
}

static const pyr_option options[] = {
    OPT_NETWORK(typed, network),
    OPT_TEXT(typed, outdir, "outdir", "DIR", "", "folder of the run that is written, to be drawn from",
             .missing = "where to? Add --outdir DIR"),
    OPT_REAL(
        typed, length, "length", "L", "0.1", PYR_EMA_SHORTEST, PYR_EMA_LONGEST,
        "length of the average: the standard deviation of its profile, as a part of the steps; best near those that were kept"),
    OPT_COUNT(typed, step, "step", "N", "0", 0, 1e15,
              "the moment: a step at which averages were kept; 0: the last"),
    OPT_LEVEL(typed, level, "all levels", "this level only; 0 is the finest"),
    {0},
};

const pyr_command pyr_command_ema = {
    .name = "ema",
    .title = "average a run's weights over another part of its training",
    .summary =
        "Write a run whose weights are averages over training of a length that is chosen afterwards, out of those that "
        "training kept at its checkpoints (setting level.ema_lengths). The averages are EDM2's, with power functions for "
        "profiles; docs/averages.md.",
    .examples = "  pyrdiff train --outdir runs/mine --set level.ema_lengths=[0.05,0.1]\n"
                "  pyrdiff ema --network runs/mine --length 0.07 --outdir runs/mine-7\n"
                "  pyrdiff sample --network runs/mine-7 --seeds 0-63\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = run,
};
