/* bench.c - pyrdiff bench: how fast each level trains and samples on this machine. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cascade/train.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "levels/level_sample.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct typed {
    const char *config, *outdir;
    int level;
    double seconds;
    pyr_machine machine;
} typed;

/* ---- sampling: evaluations of the network a second ---------------------------------------------- */

typedef struct forwards {
    pyr_sampled_level *s;
    pyr_kernels *k;
    void **x; /* [lane]: x, condition, result, one after the other */
} forwards;

enum { CALLS = 8 }; /* of a task */

static pyr_status forward_task(void *arg, int task, int lane)
{
    forwards *f = arg;
    const pyr_level *level = &f->s->level;
    size_t real = pyr_type_size(f->k->real), n = (size_t)f->s->batch;
    char *x = f->x[lane], *condition = x + n * pyr_count(level->variable) * real;
    char *out = condition + n * pyr_count(level->condition) * real;
    pyr_denoising call = {
        .denoiser = &f->s->denoiser, .lane = lane, .n = f->s->batch, .condition = condition};
    double s[PYR_MAX_SAMPLING_BATCH];

    (void)task;
    for (size_t i = 0; i < n; i++)
        s[i] = 1;
    for (int i = 0; i < CALLS; i++)
        PYR_TRY(pyr_denoiser_call(&call, x, s, out));
    return PYR_OK;
}

static pyr_status time_forward(pyr_kernels *k, const pyr_level *level, double seconds, double *per_second)
{
    pyr_sampled_level s = {0};
    pyr_params params = {0};
    pyr_denoiser sizing = {0}; /* built for the list of its parameters */
    forwards f = {.s = &s, .k = k};
    pyr_status status = PYR_OK;
    void *block = NULL;
    size_t bytes;
    double best = INFINITY, begin;

    PYR_TRY_OUT(pyr_denoiser_new(&sizing, k, &params, level, 1));
    pyr_denoiser_free(&sizing);
    PYR_TRY_OUT(k->alloc(k, &block, params.count * pyr_type_size(k->real), "weights"));
    PYR_TRY_OUT(pyr_params_init(&params, k, block, 0, level->facts.index));
    PYR_TRY_OUT(pyr_sampled_level_new(&s, k, level, NULL, block, k->micro_batch));
    PYR_TRY_OUT(pyr_new(&f.x, (size_t)k->lanes, sizeof *f.x, "bench"));
    bytes = (size_t)s.batch * (2 * pyr_count(level->variable) + pyr_count(level->condition)) *
            pyr_type_size(k->real);
    for (int lane = 0; lane < k->lanes; lane++)
        PYR_TRY_OUT(k->alloc(k, &f.x[lane], bytes, "bench"));
    begin = pyr_now();
    for (int i = 0; i < 3 || pyr_now() - begin < seconds; i++) {
        double start = pyr_now();

        PYR_TRY_OUT(k->run_tasks(k, 2 * k->lanes, forward_task, &f));
        best = fmin(best, pyr_now() - start);
    }
    *per_second = 2.0 * k->lanes * CALLS * s.batch / best;
out:
    pyr_denoiser_free(&sizing);
    pyr_sampled_level_free(&s, k);
    for (int lane = 0; f.x && lane < k->lanes; lane++)
        k->release(k, f.x[lane]);
    pyr_free(f.x);
    k->release(k, block);
    pyr_params_free(&params);
    return status;
}

/* ---- a level ----------------------------------------------------------------------------------- */

/* The configuration of the network, for other programs to time the same. */
static pyr_status write_config(const char *outdir, const pyr_level *level)
{
    char *folder = pyr_strfmt("%s/level-%d/unet", outdir, level->facts.index);
    char *path = folder ? pyr_path_join(folder, "config.json") : NULL;
    pyr_text text = {0};
    pyr_status status = PYR_OK;

    if (!path)
        status = pyr_fail(PYR_E_NOMEM, "out of memory for a name");
    if (status == PYR_OK)
        status = pyr_make_folders(folder);
    if (status == PYR_OK)
        status = pyr_unet_config_write(&text, &level->unet);
    if (status == PYR_OK)
        status = pyr_file_replace(path, text.at, text.length);
    pyr_text_free(&text);
    pyr_free(folder);
    pyr_free(path);
    return status;
}

static pyr_status bench_level(const typed *t, pyr_kernels *k, const pyr_ground *ground, int index)
{
    pyr_level_job job = {.k = k,
                         .data = ground->data,
                         .pyramid = ground->pyramid,
                         .folder = "/nonexistent",
                         .duration = {1, PYR_IMAGES}};
    pyr_level_trainer *trainer;
    pyr_level_memory memory;
    pyr_status status = PYR_OK;
    const pyr_level *level;
    double per_step, train, forward = 0, gflop;

    PYR_TRY(pyr_level_trainer_new(&trainer, &job, &ground->config.level[index], index));
    level = pyr_level_trainer_level(trainer);
    PYR_TRY_OUT(pyr_level_trainer_memory(trainer, &memory));
    PYR_TRY_OUT(pyr_level_trainer_time(trainer, t->seconds, &per_step));
    PYR_TRY_OUT(time_forward(k, level, t->seconds, &forward));
    train = level->settings.batch / per_step;
    gflop = memory.flop / 1e9;
    printf("%5d  %4dx%-4dx%-2d  %8.1f  %9.1f  %8.1f  %10.1f  %8.1f  %10.2f  %9.1f  %8.1f\n", index,
           level->variable.h, level->variable.w, level->variable.c, memory.flop / 1e6, train,
           3 * gflop * train, forward, gflop * forward, forward / pyr_sampler_nfe(&level->settings.sampler),
           pyr_mib(memory.total), pyr_peak_mib());
    if (*t->outdir)
        status = write_config(t->outdir, level);
out:
    pyr_level_trainer_free(trainer);
    return status;
}

static pyr_status run_bench(const typed *t, const pyr_parsed *parsed)
{
    pyr_status status = PYR_OK;
    pyr_settings *settings = NULL;
    pyr_kernels *k = NULL;
    pyr_ground ground = {0};

    PYR_TRY_OUT(pyr_settings_new(&settings, pyr_all_sections(), PYR_SECTIONS));
    PYR_TRY_OUT(pyr_settings_read(settings, t->config));
    PYR_TRY_OUT(pyr_options_apply(parsed, settings));
    PYR_TRY_OUT(pyr_open_machine(&k, &t->machine, true));
    PYR_TRY_OUT(pyr_ground_open(&ground, k, settings));
    if (t->level >= ground.config.pyramid.levels) {
        status =
            pyr_fail(PYR_E_ARG, "level is %d, should be 0..%d", t->level, ground.config.pyramid.levels - 1);
        goto out;
    }
    printf("level  image         MFLOP/im  train im/s   GFLOP/s   forward/s   GFLOP/s  samples/s  planned "
           "MiB  peak "
           "MiB\n");
    for (int level = ground.config.pyramid.levels - 1; level >= 0; level--)
        if (t->level < 0 || t->level == level)
            PYR_TRY_OUT(bench_level(t, k, &ground, level));
out:
    pyr_ground_close(&ground);
    pyr_settings_free(settings);
    pyr_kernels_free(k);
    return status;
}

pyr_status pyr_command_bench(int argc, char **argv)
{
    typed t;
    const pyr_option table[] = {
        {.name = "config",
         .argument = "FILE",
         .type = PYR_SETTING_TEXT,
         .target = &t.config,
         .standard = "configs/fashion-mnist.cfg",
         .help = "configuration"},
        {.name = "data", .argument = "PATH", .setting = "data.path", .help = "images: file or folder"},
        {.name = "level",
         .argument = "I",
         .type = PYR_SETTING_INT,
         .target = &t.level,
         .standard = "-1",
         .min = -1,
         .max = PYR_MAX_LEVELS - 1,
         .help = "this level only; -1: all"},
        {.name = "batch", .argument = "N", .setting = "level.batch", .help = "images per step"},
        {.name = "seconds",
         .argument = "S",
         .type = PYR_SETTING_REAL,
         .target = &t.seconds,
         .standard = "3",
         .min = 0.01,
         .max = 3600,
         .help = "to measure each figure for"},
        {.name = "outdir",
         .argument = "DIR",
         .type = PYR_SETTING_TEXT,
         .target = &t.outdir,
         .standard = "",
         .help = "write DIR/level-I/unet/config.json, for bench/torch_peer.py"},
        PYR_MACHINE_OPTIONS(t.machine),
    };
    const pyr_options options = {
        .command = "bench",
        .summary =
            "Measure training (forward, backward, optimizer) and the network's forward pass for each level. "
            "A training step counts as three forward passes in GFLOP/s; samples/s is what the level's "
            "sampler "
            "would reach. Nothing is kept. Run it on an idle machine.",
        .examples = "pyrdiff bench\n"
                    "pyrdiff bench --config configs/cifar10.cfg --data PATH --level 0\n",
        .table = table,
        .n = sizeof table / sizeof *table,
        .sections = pyr_all_sections(),
        .n_sections = PYR_SECTIONS};
    pyr_parsed parsed = {0};
    pyr_status status = pyr_options_parse(&parsed, &options, argc, argv);

    if (status == PYR_OK && parsed.help)
        pyr_print_help(&options);
    else if (status == PYR_OK)
        status = run_bench(&t, &parsed);
    pyr_parsed_free(&parsed);
    return status;
}
