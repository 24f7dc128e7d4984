/* cmd_bench.c - pyrdiff bench: how fast each level trains and samples on this machine. */
#include "base/json.h"
#include "cli/bench/bench.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/typed_settings.h"
#include "levels/level_sample.h"
#include "terminal/output.h"
#include "terminal/progress.h"
#include "training/train_run.h"
#include "training/trainer.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct typed {
    const char *config, *network, *size, *outdir, *record;
    int level;
    double seconds;
    bool floor, profile, json;
    pyr_machine machine;
} typed;

/* What is found out about a level. */
typedef struct figures {
    const pyr_level *level;
    pyr_level_memory memory;
    double train, forward;          /* images a second */
    pyr_floor of_train, of_forward; /* seconds an image */
    double first_step;              /* seconds from the start of the process, without reading the data */
    double data;                    /* seconds of that */
    size_t device;                  /* bytes taken of a device; 0: there is none */
    int sums;                       /* of gradients, kept apart in a step */
} figures;

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
    /* The condition is read anew each time, which sampling does once an image: then a forward pass is the
     * whole network's, as anywhere else. */
    for (int i = 0; i < CALLS; i++) {
        PYR_TRY(pyr_denoiser_begin(&call));
        PYR_TRY(pyr_denoiser_call(&call, x, s, out));
    }
    return PYR_OK;
}

static pyr_status run_forwards(forwards *f, double seconds, double *per_second)
{
    pyr_kernels *k = f->k;
    double best = INFINITY, begin = pyr_now();

    for (int i = 0; i < 3 || pyr_now() - begin < seconds; i++) {
        double start = pyr_now();

        PYR_TRY(pyr_run_tasks(k, 2 * k->lanes, forward_task, f));
        PYR_TRY(pyr_sync(k));
        best = fmin(best, pyr_now() - start);
    }
    *per_second = 2.0 * k->lanes * CALLS * f->s->batch / best;
    return PYR_OK;
}

static pyr_status profile_forward(forwards *f, double seconds)
{
    double unused, begin;

    PYR_TRY(pyr_graph_profile(f->s->denoiser.g));
    begin = pyr_now();
    PYR_TRY(run_forwards(f, seconds, &unused));
    pyr_print("\nforward, as in sampling\n");
    return pyr_bench_profile_print(f->k, f->s->denoiser.g, pyr_now() - begin, f->k->lanes);
}

static pyr_status time_forward(const typed *t, pyr_kernels *k, figures *out)
{
    const pyr_level *level = out->level;
    pyr_sampled_level s = {0};
    pyr_params params = {0};
    pyr_denoiser sizing = {0}; /* built for the list of its parameters */
    forwards f = {.s = &s, .k = k};
    pyr_status status = PYR_OK;
    void *block = NULL;
    size_t bytes;

    PYR_TRY_OUT(pyr_denoiser_new(&sizing, k, &params, level, 1, PYR_GRADIENT_NONE));
    pyr_denoiser_free(&sizing);
    PYR_TRY_OUT(pyr_alloc(k, &block, params.count * pyr_type_size(k->real), "weights"));
    PYR_TRY_OUT(pyr_params_init(&params, k, block, 0, level->facts.index));
    PYR_TRY_OUT(pyr_sampled_level_new(&s, k, level, NULL, block, k->micro_batch));
    PYR_TRY_OUT(pyr_new(&f.x, (size_t)k->lanes, sizeof *f.x, "bench"));
    bytes = (size_t)s.batch * (2 * pyr_count(level->variable) + pyr_count(level->condition)) *
            pyr_type_size(k->real);
    for (int lane = 0; lane < k->lanes; lane++)
        PYR_TRY_OUT(pyr_alloc(k, &f.x[lane], bytes, "bench"));
    PYR_TRY_OUT(run_forwards(&f, t->seconds, &out->forward));
    if (t->floor)
        PYR_TRY_OUT(pyr_bench_floor(&out->of_forward, k, s.denoiser.g, k->lanes, t->seconds));
    if (t->profile)
        PYR_TRY_OUT(profile_forward(&f, t->seconds));
out:
    pyr_denoiser_free(&sizing);
    pyr_sampled_level_free(&s, k);
    for (int lane = 0; f.x && lane < k->lanes; lane++)
        pyr_release(k, f.x[lane]);
    pyr_free(f.x);
    pyr_release(k, block);
    pyr_params_free(&params);
    return status;
}

/* ---- training ---------------------------------------------------------------------------------- */

/* Seconds since this process was started, to a hundredth (the kernel's clock ticks): /proc/self/stat, field
 * 22, after the name in parentheses. NAN where there is no such file. */
static double since_start(void)
{
    enum { FIELD = 22, AFTER_NAME = 3 };
    char line[1024];
    double ticks = NAN;
    struct timespec now;
    FILE *f = fopen("/proc/self/stat", "r");
    const char *at = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;

    if (f)
        fclose(f);
    for (int field = AFTER_NAME - 1; at && field < FIELD; field++)
        at = strchr(at + 1, ' ');
    if (!at || sscanf(at, "%lf", &ticks) != 1 || clock_gettime(CLOCK_BOOTTIME, &now) != 0)
        return NAN;
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9 - ticks / (double)sysconf(_SC_CLK_TCK);
}

static pyr_status first_step(pyr_trainer *trainer, figures *f)
{
    pyr_step_state after;
    double loss;

    PYR_TRY(pyr_trainer_gradient(trainer, 0, &loss));
    PYR_TRY(pyr_optimizer_step(&pyr_trainer_level(trainer, 0)->block->optimizer,
                               &(pyr_step_input){.ema_window = 1}, 0, &after));
    f->first_step = since_start() - f->data;
    return PYR_OK;
}

/* Lanes that have work in a step. */
static int busy_lanes(const figures *f)
{
    int pieces = (f->level->settings.batch + f->memory.micro_batch - 1) / f->memory.micro_batch;
    int busy = pieces < f->sums ? pieces : f->sums;

    return busy < f->memory.lanes ? busy : f->memory.lanes;
}

static pyr_status time_training(const typed *t, pyr_kernels *k, pyr_trainer *trainer, figures *f)
{
    pyr_graph *g = pyr_trainer_level(trainer, 0)->loss.g;
    double per_step, begin;

    PYR_TRY(pyr_trainer_time(trainer, t->seconds, &per_step));
    f->train = f->level->settings.batch / per_step;
    if (*t->record)
        PYR_TRY(pyr_bench_record(t->record, k, trainer, t->seconds));
    if (t->floor)
        PYR_TRY(pyr_bench_floor(&f->of_train, k, g, busy_lanes(f), t->seconds));
    if (!t->profile)
        return PYR_OK;
    PYR_TRY(pyr_graph_profile(g));
    begin = pyr_now();
    PYR_TRY(pyr_trainer_time(trainer, t->seconds, &per_step));
    pyr_print("\nlevel %d, training steps of %d images\n", f->level->facts.index, f->level->settings.batch);
    return pyr_bench_profile_print(k, g, pyr_now() - begin, k->lanes);
}

/* ---- a level ----------------------------------------------------------------------------------- */

/* The configuration of the network, for other programs to time the same. */
static pyr_status write_config(const char *outdir, const pyr_level *level)
{
    char *folder = NULL, *path = NULL;
    pyr_text text = {0};
    pyr_status status;

    PYR_TRY_OUT(pyr_format(&folder, "%s/level-%d/unet", outdir, level->facts.index));
    PYR_TRY_OUT(pyr_path_new(&path, folder, "config.json"));
    PYR_TRY_OUT(pyr_make_folders(folder));
    PYR_TRY_OUT(pyr_unet_config_write(&text, &level->unet));
    PYR_TRY_OUT(pyr_text_save(&text, path));
out:
    pyr_text_free(&text);
    pyr_free(folder);
    pyr_free(path);
    return status;
}

static void print_floor(const char *what, double images_per_s, const pyr_floor *floor)
{
    pyr_print("       %s: %.0f%% of the floor of %.1f images/s", what, 100 * images_per_s * floor->own,
              1 / floor->own);
    if (isfinite(floor->direct))
        pyr_print(", %.0f%% of that with oneDNN's convolutions (%.1f)", 100 * images_per_s * floor->direct,
                  1 / floor->direct);
    pyr_print("\n");
}

static void print_row(const typed *t, const figures *f)
{
    const pyr_level *level = f->level;
    double gflop = f->memory.flop / 1e9;
    int nfe = pyr_sampler_nfe(&level->settings.sampler);
    char samples[32] = "?"; /* rk45 knows only afterwards */

    if (nfe > 0)
        snprintf(samples, sizeof samples, "%.2f", f->forward / nfe);
    pyr_print("%5d  %4dx%-4dx%-2d  %8.1f  %9.1f  %8.1f  %10.1f  %8.1f  %10s  %9.1f  %8.1f\n",
              level->facts.index, level->variable.h, level->variable.w, level->variable.c,
              f->memory.flop / 1e6, f->train, 3 * gflop * f->train, f->forward, gflop * f->forward, samples,
              pyr_mib(f->memory.total), pyr_peak_memory_mib());
    if (t->floor) {
        print_floor("training", f->train, &f->of_train);
        print_floor("forward", f->forward, &f->of_forward);
    }
    if (isfinite(f->first_step))
        pyr_print("       first step after %.0f ms (and %.0f ms for the data)\n", 1e3 * f->first_step,
                  1e3 * f->data);
}

static pyr_status print_json(const typed *t, const pyr_kernels *k, const figures *f, double peak)
{
    const pyr_level *level = f->level;
    pyr_json j = {0};

    pyr_json_open(&j, NULL, '{');
    pyr_json_int(&j, "level", level->facts.index);
    pyr_json_string(&j, "precision", pyr_precision_name(k, k->precision));
    pyr_json_int(&j, "batch", level->settings.batch);
    pyr_json_int(&j, "micro_batch", f->memory.micro_batch);
    pyr_json_int(&j, "lanes", f->memory.lanes);
    pyr_json_real(&j, "mflop", f->memory.flop / 1e6);
    pyr_json_real(&j, "train", f->train);
    pyr_json_real(&j, "forward", f->forward);
    if (t->floor) {
        pyr_json_real(&j, "train_floor", 1 / f->of_train.own);
        pyr_json_real(&j, "forward_floor", 1 / f->of_forward.own);
        pyr_json_real(&j, "train_onednn_floor", 1 / f->of_train.direct);
        pyr_json_real(&j, "forward_onednn_floor", 1 / f->of_forward.direct);
    }
    pyr_json_real(&j, "planned_mib", pyr_mib(f->memory.total));
    pyr_json_real(&j, "peak_mib", peak);
    if (k->device)
        pyr_json_real(&j, "device_mib", pyr_mib(f->device));
    pyr_json_real(&j, "first_step_s", f->first_step);
    pyr_json_real(&j, "data_s", f->data);
    pyr_json_close(&j, '}');
    pyr_text_add(&j.text, "\n");
    return pyr_print_text(&j.text, "a line");
}

/* `first`: of this process; `data`: seconds that reading the data took. */
static pyr_status bench_level(const typed *t, pyr_kernels *k, const pyr_experiment *experiment,
                              const pyr_unet_config *unet, int index, bool first, double data)
{
    pyr_trainer_job job = {.k = k,
                           .data = experiment->data,
                           .pyramid = experiment->pyramid,
                           .levels = 1,
                           .level = {{.index = index,
                                      .settings = &experiment->config.level[index],
                                      .unet = unet,
                                      .folder = "/nonexistent"}},
                           .duration = {1, PYR_DURATION_IMAGES}};
    pyr_level_summary summary;
    figures f = {.data = data, .first_step = NAN};
    size_t available = pyr_available(k);
    pyr_trainer *trainer;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_trainer_new(&trainer, &job));
    f.level = &pyr_trainer_level(trainer, 0)->level;
    if (first)
        PYR_TRY_OUT(first_step(trainer, &f));
    PYR_TRY_OUT(pyr_trainer_describe(trainer, 0, &summary));
    f.memory = summary.memory;
    f.sums = summary.groups;
    PYR_TRY_OUT(time_training(t, k, trainer, &f));
    f.device = available - pyr_available(k);
    PYR_TRY_OUT(time_forward(t, k, &f));
    if (t->json)
        PYR_TRY_OUT(print_json(t, k, &f, pyr_peak_memory_mib()));
    else
        print_row(t, &f);
    if (*t->outdir)
        status = write_config(t->outdir, f.level);
out:
    pyr_trainer_free(trainer);
    return status;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static pyr_status open_experiment(pyr_experiment *experiment, pyr_bench_network *network, const typed *t,
                                  pyr_kernels *k, pyr_parsed *parsed, pyr_settings **settings,
                                  pyr_dataset **data_set)
{
    if (!*t->network && !*t->config) {
        PYR_TRY(pyr_default_settings_typed(settings, data_set, parsed));
        return pyr_experiment_open(experiment, k, *settings, *data_set);
    }
    PYR_TRY(pyr_file_settings_typed(settings, *t->network ? "" : t->config, parsed));
    if (!*t->network)
        return pyr_experiment_open(experiment, k, *settings, NULL);
    if (pyr_option_given(parsed, "config") || pyr_option_given(parsed, "data"))
        return pyr_fail(PYR_E_ARG, "--network brings its own images: leave --config and --data out");
    PYR_TRY(pyr_bench_network_read(network, t->network, t->size));
    return pyr_bench_network_experiment(experiment, k, *settings, network,
                                        !pyr_option_given(parsed, "batch"));
}

static pyr_status run_bench(void *at, pyr_parsed *parsed)
{
    const typed *t = at;
    pyr_status status = PYR_OK;
    pyr_settings *settings = NULL;
    pyr_dataset *data_set = NULL;
    pyr_kernels *k = NULL;
    pyr_experiment experiment = {0};
    pyr_bench_network network = {0};
    bool given = *t->network;
    double data;
    int top;

    if (t->json && t->profile)
        return pyr_fail(PYR_E_ARG, "--profile is a table for people: leave --json out");
    PYR_TRY_OUT(pyr_open_machine(&k, &t->machine, true));
    data = pyr_now();
    PYR_TRY_OUT(open_experiment(&experiment, &network, t, k, parsed, &settings, &data_set));
    data = pyr_now() - data;
    top = given
              ? 0
              : experiment.config.pyramid.levels - 1; /* of the network's pyramid only level 0 is looked at */
    if (t->level > top) {
        status = pyr_fail(PYR_E_ARG, "--level is %d, should be 0..%d", t->level, top);
        goto out;
    }
    if (!t->json)
        pyr_print(
            "level  image         MFLOP/im  train im/s   GFLOP/s   forward/s   GFLOP/s  samples/s  planned "
            "MiB  peak MiB\n");
    for (int level = top; level >= 0; level--)
        if (t->level < 0 || t->level == level)
            PYR_TRY_OUT(bench_level(t, k, &experiment, given ? &network.unet : NULL, level,
                                    t->level == level || level == top, data));
out:
    pyr_experiment_close(&experiment);
    pyr_dataset_free(data_set);
    pyr_settings_free(settings);
    pyr_kernels_free(k);
    return status;
}

static const pyr_option options[] = {
    OPT_TEXT(
        typed, config, "config", "FILE", "",
        "configuration; without it, the built-in configs/fashion-mnist.cfg with levels by the size of the "
        "images"),
    OPT_SETTING("data", "PATH", "data.path", "images: a folder or a file"),
    OPT_TEXT(
        typed, network, "network", "DIR", "",
        "measure the UNet2DModel whose config.json is in DIR, on random images, instead of a configuration"),
    OPT_TEXT(typed, size, "size", "HxW", "",
             "size of the images of --network in pixels; without it, its sample_size"),
    OPT_LEVEL(typed, level, "all levels", "measure this level only; 0 is the finest"),
    OPT_SETTING("batch", "N", "level.batch",
                "images per step; with --network, without it, the number in its file `batch`"),
    OPT_REAL(typed, seconds, "seconds", "S", "3", 0.01, 3600, "how long each figure is measured"),
    OPT_FLAG(typed, floor, "floor", "also time the convolutions and matrix products alone"),
    OPT_FLAG(typed, profile, "profile", "print the time of each operation"),
    OPT_TEXT(
        typed, record, "record", "FILE", "",
        "write the tasks of the last level's training steps and their times into FILE, for bench/lanes.py"),
    OPT_FLAG(typed, json, "json", "print a line of JSON for each level instead of the table"),
    OPT_TEXT(typed, outdir, "outdir", "DIR", "",
             "write level-I/unet/config.json into DIR, for bench/torch_peer.py"),
    OPT_GROUP(typed, machine, pyr_machine_options),
    {0},
};

const pyr_command pyr_command_bench = {
    .name = "bench",
    .title = "measure the speed of training and sampling for each level",
    .summary =
        "Measure training (forward, backward, optimizer) and the forward pass of the network for each "
        "level. In GFLOP/s a training step counts as three forward passes; samples/s is what the sampler "
        "of the level would reach. The floor is the time of the convolutions and matrix products alone, "
        "each on its own buffers. Nothing is kept. Run it on an idle machine.",
    .examples = "  pyrdiff bench\n"
                "  pyrdiff bench --config configs/cifar10.cfg --data PATH --level 0\n"
                "  pyrdiff bench --network bench/networks/grey28 --floor --profile\n",
    .sections = pyr_all_sections,
    .options = options,
    .size = sizeof(typed),
    .run = run_bench,
};
