#include "training/train_run.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "training/joint.h"
#include <assert.h>
#include <stdio.h>

pyr_duration pyr_level_duration(const pyr_config *config, int level)
{
    pyr_duration d = config->train.duration;
    double sum = 0;

    for (int i = 0; i < config->pyramid.levels && !config->cascade.joint; i++)
        sum += config->level[i].share;
    d.value *= sum > 0 ? config->level[level].share / sum : 1.0 / config->pyramid.levels;
    return d;
}

pyr_status pyr_experiment_open(pyr_experiment *out, pyr_kernels *k, const pyr_settings *settings,
                               pyr_dataset *data)
{
    pyr_dataset_shape s;
    pyr_status status;

    *out = (pyr_experiment){0};
    PYR_TRY(pyr_config_get(&out->config, settings));
    if (!data && !*out->config.data.set.path)
        return pyr_fail(PYR_E_CONFIG,
                        "no data are given: add --data PATH (a folder of PNG or JPEG images, IDX or CIFAR "
                        "files)");
    if (!data)
        PYR_TRY(pyr_dataset_open(&out->own, &out->config.data.set));
    out->data = data ? data : out->own;
    s = pyr_dataset_shape_of(out->data);
    status = pyr_pyramid_check(&out->config.pyramid, s.h, s.w);
    if (status == PYR_OK)
        status = pyr_pyramid_new(&out->pyramid, k, &out->config.pyramid, s.h, s.w, s.c);
    if (status != PYR_OK)
        pyr_experiment_close(out);
    return status;
}

void pyr_experiment_close(pyr_experiment *experiment)
{
    pyr_pyramid_free(experiment->pyramid);
    pyr_dataset_free(experiment->own);
    *experiment = (pyr_experiment){0};
}

static void note(const pyr_train_job *job, const char *line)
{
    if (job->on_note)
        job->on_note(job->ctx, line);
}

static void describe_level(const pyr_train_job *job, const pyr_level_trainer *trainer,
                           const pyr_level_memory *memory, bool resumed)
{
    pyr_level_summary summary = pyr_level_trainer_summary(trainer, memory, resumed);

    if (job->on_level)
        job->on_level(job->ctx, &summary);
}

static void describe_data(const pyr_train_job *job, const pyr_experiment *experiment)
{
    pyr_text text = {0};

    pyr_dataset_describe(experiment->data, &text);
    if (job->on_data && text.at)
        job->on_data(job->ctx, text.at);
    pyr_text_free(&text);
    for (size_t i = 0; i < pyr_dataset_warnings(experiment->data); i++) {
        pyr_text_add(&text, "warning: %s", pyr_dataset_warning(experiment->data, i));
        if (text.at)
            note(job, text.at);
        pyr_text_free(&text);
    }
}

static pyr_level_job level_job(const pyr_train_job *job, const pyr_experiment *experiment, int level)
{
    const pyr_train_settings *t = &experiment->config.train;

    return (pyr_level_job){
        .k = job->k,
        .data = experiment->data,
        .pyramid = experiment->pyramid,
        .measured = experiment->measured[level].levels ? &experiment->measured[level] : NULL,
        .seed = (uint64_t)t->seed,
        .xflip = experiment->config.data.xflip,
        .dequantise = experiment->config.data.dequantise,
        .duration = job->duration ? *job->duration : pyr_level_duration(&experiment->config, level),
        .checkpoint = t->checkpoint,
        .report = t->status,
        .held_out = t->held_out,
        .snapshot = t->snapshot,
        .on_report = job->on_report,
        .on_note = job->on_note,
        .should_stop = job->should_stop,
        .ctx = job->ctx};
}

/* The weights of a finished level, from its state, when they are not what was written. */
static pyr_status renew_weights(const pyr_train_job *job, const pyr_experiment *experiment, int level,
                                const pyr_level_job *with)
{
    pyr_level_trainer *trainer = NULL;
    pyr_text text = {0};
    bool whole;
    pyr_status status;

    PYR_TRY(pyr_level_unet_is_whole(&whole, with->folder));
    if (whole)
        return PYR_OK;
    pyr_text_add(&text, "level %d: its weights are written again from its training state: %s", level,
                 pyr_error());
    PYR_TRY_OUT(pyr_level_trainer_new(&trainer, with, &experiment->config.level[level], level));
    PYR_TRY_OUT(pyr_level_trainer_save_unet(trainer));
    if (text.at)
        note(job, text.at);
out:
    pyr_level_trainer_free(trainer);
    pyr_text_free(&text);
    return status;
}

static pyr_status train_locked(const pyr_train_job *job, const pyr_experiment *experiment, int level,
                               const pyr_level_job *with)
{
    pyr_level_trainer *trainer = NULL;
    pyr_level_memory memory;
    pyr_status status = PYR_OK;
    bool resumed;
    char line[256];

    PYR_TRY(pyr_level_has_state(&resumed, with->folder));
    if (resumed) { /* do not plan a network to say that it is finished */
        pyr_level_facts facts;
        pyr_progress progress;

        PYR_TRY(pyr_level_peek(with->folder, &facts, &progress, NULL));
        PYR_TRY(pyr_level_same_duration(with, &experiment->config.level[level], level, &progress));
        if (progress.train.step >= progress.steps) {
            snprintf(line, sizeof line, "level %d is finished: %lld steps done", level,
                     (long long)progress.steps);
            note(job, line);
            return renew_weights(job, experiment, level, with);
        }
    }
    PYR_TRY_OUT(pyr_level_trainer_new(&trainer, with, &experiment->config.level[level], level));
    PYR_TRY_OUT(pyr_level_trainer_memory(trainer, &memory));
    describe_level(job, trainer, &memory, resumed);
    PYR_TRY_OUT(pyr_level_trainer_run(trainer));
out:
    pyr_level_trainer_free(trainer);
    return status;
}

/* Of processes that were killed while they wrote a checkpoint; the level's lock is ours. */
static void remove_leftovers(const char *folder)
{
    char *unet = pyr_path_join(folder, "unet");

    pyr_remove_temporaries(folder);
    if (unet)
        pyr_remove_temporaries(unet);
    pyr_free(unet);
}

static pyr_status train_level(const pyr_train_job *job, const pyr_experiment *experiment, int level)
{
    pyr_level_job with = level_job(job, experiment, level);
    char *folder = pyr_run_level(job->run, level);
    char *transfer = job->transfer ? pyr_run_level(job->transfer, level) : NULL;
    pyr_status status = PYR_OK;
    int lock = -1;

    if (!folder || (job->transfer && !transfer)) {
        status = pyr_fail(PYR_E_NOMEM, "out of memory for names in %s", job->run);
        goto out;
    }
    with.folder = folder;
    with.transfer = transfer;
    PYR_TRY_OUT(pyr_run_begin(&lock, job->run, job->settings, level));
    remove_leftovers(folder);
    PYR_TRY_OUT(train_locked(job, experiment, level, &with));
out:
    pyr_unlock(lock);
    pyr_free(folder);
    pyr_free(transfer);
    return status;
}

static bool wanted(const pyr_train_job *job, int level)
{
    return job->level < 0 || job->level == level;
}

static pyr_status check_job(const pyr_train_job *job, const pyr_experiment *experiment)
{
    int levels = experiment->config.pyramid.levels;

    assert(!job->duration || job->level >= 0);
    if (job->duration && !(job->duration->value > 0))
        return pyr_fail(PYR_E_ARG, "the duration of level %d should be more than nothing", job->level);
    if (job->level >= 0 && experiment->config.cascade.joint)
        return pyr_fail(
            PYR_E_ARG,
            "the levels of this run train together (cascade.joint is true): leave --level out, or train "
            "level %d by itself in another --outdir, without --cascade",
            job->level);
    if (job->level >= levels)
        return pyr_fail(PYR_E_ARG, "level is %d, should be 0..%d (pyramid.levels is %d; 0 is the finest)",
                        job->level, levels - 1, levels);
    for (int i = 0; i < levels; i++) { /* what contradicts at a level is said before another one is trained */
        pyr_level unused;

        if (wanted(job, i))
            PYR_TRY(pyr_level_init(&unused, &experiment->config.level[i], experiment->pyramid, i,
                                   pyr_dataset_classes(experiment->data), 0));
    }
    return PYR_OK;
}

/* A level of another run whose weights are wanted is there. */
static pyr_status check_transfer(const pyr_train_job *job, int level)
{
    char *folder = pyr_run_level(job->transfer, level);
    pyr_unet_files files = {0};
    pyr_unet_config config;
    pyr_level_facts facts;
    pyr_status status;

    if (!folder)
        return pyr_fail(PYR_E_NOMEM, "out of memory for names in %s", job->transfer);
    status = pyr_level_open_unet(folder, &files, &config, &facts);
    pyr_unet_files_free(&files);
    pyr_free(folder);
    return status;
}

/* A level that was begun before was so for the same duration. */
static pyr_status check_duration(const pyr_train_job *job, const pyr_experiment *experiment, int level)
{
    pyr_level_job one = level_job(job, experiment, level);
    char *folder = pyr_run_level(job->run, level);
    pyr_level_facts facts;
    pyr_progress progress;
    bool begun;
    pyr_status status;

    if (!folder)
        return pyr_fail(PYR_E_NOMEM, "out of memory for names in %s", job->run);
    status = pyr_level_has_state(&begun, folder);
    if (status == PYR_OK && begun) {
        status = pyr_level_peek(folder, &facts, &progress, NULL);
        if (status == PYR_OK)
            status = pyr_level_same_duration(&one, &experiment->config.level[level], level, &progress);
    }
    pyr_free(folder);
    return status;
}

/* Whether the settings make a level: those of one that is not to be trained now need not yet. */
static bool fits(const pyr_experiment *experiment, int level)
{
    pyr_level unused;

    return pyr_level_init(&unused, &experiment->config.level[level], experiment->pyramid, level,
                          pyr_dataset_classes(experiment->data), 0) == PYR_OK;
}

/* What is wrong with any level is said before the first one is trained: settings and data that are not those
 * of what the run has already, and levels in which there is nothing to learn. */
static pyr_status look_ahead(const pyr_train_job *job, pyr_experiment *experiment)
{
    const pyr_config *config = &experiment->config;
    bool kept[PYR_MAX_LEVELS] = {false};
    int levels = config->pyramid.levels;

    if (*job->run) {
        PYR_TRY(pyr_run_check(job->run, job->settings, job->level));
        PYR_TRY(pyr_run_same_data(job->run, levels, job->level, config->data.set.path,
                                  pyr_dataset_fingerprint(experiment->data), kept));
    }
    for (int i = levels - 1; i >= 0; i--) {
        pyr_level_job one = level_job(job, experiment, i);
        pyr_level_facts facts;

        if (kept[i] && wanted(job, i) && !config->cascade.joint)
            PYR_TRY(check_duration(job, experiment, i));
        if (kept[i])
            continue;
        if (job->transfer && wanted(job, i))
            PYR_TRY(check_transfer(job, i));
        if (config->cascade.joint) /* measures all of its levels before its first step */
            continue;
        if (!wanted(job, i) && !fits(experiment, i))
            continue;
        PYR_TRY(pyr_level_statistics(&facts, &one, &config->level[i], i, wanted(job, i)));
        if (wanted(job, i))
            experiment->measured[i] = facts;
    }
    return PYR_OK;
}

static const char nowhere[] = "/nonexistent"; /* the folder of a plan: nothing is read or written */

/* Training, or only planning, of one level. */
typedef pyr_status (*level_work)(const pyr_train_job *job, const pyr_experiment *experiment, int level);

/* Do the work on each wanted level, coarsest first. */
static pyr_status each_level(const pyr_train_job *job, const pyr_experiment *experiment, level_work work)
{
    for (int level = experiment->config.pyramid.levels - 1; level >= 0; level--) {
        if (!wanted(job, level))
            continue;
        if (job->should_stop && job->should_stop(job->ctx))
            return pyr_fail(PYR_E_STOPPED, "stopped before level %d", level);
        PYR_TRY(work(job, experiment, level));
    }
    return PYR_OK;
}

/* ---- all levels together ------------------------------------------------------------------------ */

/* What a cascade needs beside the experiment: folders, locks, the levels' jobs. */
typedef struct together {
    char *folder[PYR_MAX_LEVELS], *transfer[PYR_MAX_LEVELS], *shared, *commit;
    int lock[PYR_MAX_LEVELS], levels;
    pyr_level_job level[PYR_MAX_LEVELS];
    pyr_joint_job job;
} together;

static void together_free(together *all)
{
    for (int i = 0; i < all->levels; i++) {
        pyr_unlock(all->lock[i]);
        pyr_free(all->folder[i]);
        pyr_free(all->transfer[i]);
    }
    pyr_free(all->shared);
    pyr_free(all->commit);
}

/* `run` NULL: nothing will be read or written. */
static pyr_status together_new(together *all, const pyr_train_job *job, const pyr_experiment *experiment,
                               const char *run)
{
    *all = (together){.levels = experiment->config.pyramid.levels};
    for (int i = 0; i < all->levels; i++)
        all->lock[i] = -1;
    run = run ? run : nowhere;
    all->shared = pyr_run_shared(run);
    all->commit = pyr_run_commit(run);
    for (int i = 0; i < all->levels; i++) {
        all->folder[i] = pyr_run_level(run, i);
        all->transfer[i] = job->transfer ? pyr_run_level(job->transfer, i) : NULL;
        if (!all->shared || !all->commit || !all->folder[i] || (job->transfer && !all->transfer[i]))
            return pyr_fail(PYR_E_NOMEM, "out of memory for names in %s", run);
        all->level[i] = level_job(job, experiment, i);
        all->level[i].folder = all->folder[i];
        all->level[i].transfer = all->transfer[i];
    }
    all->job = (pyr_joint_job){.config = &experiment->config,
                               .level = all->level,
                               .shared_folder = all->shared,
                               .commit = all->commit};
    return PYR_OK;
}

static pyr_status describe_joint(const pyr_train_job *job, pyr_joint *joint, int levels, bool resumed)
{
    for (int i = levels - 1; i >= 0; i--) {
        pyr_level_memory memory;

        PYR_TRY(pyr_joint_memory(joint, i, &memory));
        describe_level(job, pyr_joint_level(joint, i), &memory, resumed);
    }
    return PYR_OK;
}

/* Take all levels, each with its lock, and finish what a killed process left. On failure the locks that were
 * taken are given back by together_free. */
static pyr_status begin_all(const pyr_train_job *job, together *all, bool share)
{
    for (int i = all->levels - 1; i >= 0; i--) {
        PYR_TRY(pyr_run_begin(&all->lock[i], job->run, job->settings, i));
        remove_leftovers(all->folder[i]);
    }
    if (share)
        PYR_TRY(pyr_open_output_folder(all->shared));
    return pyr_joint_recover(&all->job);
}

/* The weights of a finished cascade's levels, from the states, where they are not what was written. */
static pyr_status renew_together(const pyr_train_job *job, const together *all)
{
    pyr_joint *joint = NULL;
    pyr_text text = {0};
    pyr_status status = PYR_OK;

    for (int i = all->levels - 1; i >= 0; i--) {
        bool whole;

        PYR_TRY_OUT(pyr_level_unet_is_whole(&whole, all->folder[i]));
        if (whole)
            continue;
        pyr_text_add(&text, "level %d: its weights are written again from its training state: %s", i,
                     pyr_error());
        if (!joint)
            PYR_TRY_OUT(pyr_joint_new(&joint, &all->job));
        PYR_TRY_OUT(pyr_level_trainer_save_unet(pyr_joint_level(joint, i)));
        if (text.at)
            note(job, text.at);
        pyr_text_free(&text);
    }
out:
    pyr_joint_free(joint);
    pyr_text_free(&text);
    return status;
}

static pyr_status train_together(const pyr_train_job *job, const pyr_experiment *experiment)
{
    pyr_status status = PYR_OK;
    pyr_joint *joint = NULL;
    bool finished;
    int64_t steps;
    together all;
    char line[128];

    PYR_TRY(pyr_joint_check(&experiment->config, experiment->pyramid));
    PYR_TRY_OUT(together_new(&all, job, experiment, job->run));
    PYR_TRY_OUT(begin_all(job, &all, experiment->config.cascade.share));
    PYR_TRY_OUT(pyr_joint_finished(&all.job, &finished, &steps));
    if (finished) {
        snprintf(line, sizeof line, "the cascade is finished: %lld steps done", (long long)steps);
        note(job, line);
        status = renew_together(job, &all);
        goto out;
    }
    PYR_TRY_OUT(pyr_joint_new(&joint, &all.job));
    PYR_TRY_OUT(describe_joint(job, joint, all.levels, steps > 0));
    PYR_TRY_OUT(pyr_joint_run(joint));
out:
    pyr_joint_free(joint);
    together_free(&all);
    return status;
}

static pyr_status plan_together(const pyr_train_job *job, const pyr_experiment *experiment)
{
    pyr_status status = PYR_OK;
    pyr_joint *joint = NULL;
    together all;

    PYR_TRY(pyr_joint_check(&experiment->config, experiment->pyramid));
    PYR_TRY_OUT(together_new(&all, job, experiment, NULL));
    PYR_TRY_OUT(pyr_joint_new(&joint, &all.job));
    PYR_TRY_OUT(describe_joint(job, joint, all.levels, false));
out:
    pyr_joint_free(joint);
    together_free(&all);
    return status;
}

/* ---- */

static pyr_status with_experiment(const pyr_train_job *job, level_work one,
                                  pyr_status (*all)(const pyr_train_job *job,
                                                    const pyr_experiment *experiment))
{
    pyr_experiment experiment;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_experiment_open(&experiment, job->k, job->settings, job->data));
    describe_data(job, &experiment);
    PYR_TRY_OUT(check_job(job, &experiment));
    PYR_TRY_OUT(look_ahead(job, &experiment));
    if (experiment.config.cascade.joint)
        status = all(job, &experiment);
    else
        status = each_level(job, &experiment, one);
out:
    pyr_experiment_close(&experiment);
    return status;
}

pyr_status pyr_train(const pyr_train_job *job)
{
    return with_experiment(job, train_level, train_together);
}

static pyr_status plan_level(const pyr_train_job *job, const pyr_experiment *experiment, int level)
{
    pyr_level_job with = level_job(job, experiment, level);
    pyr_level_trainer *trainer = NULL;
    pyr_level_memory memory;
    pyr_status status;

    with.folder = nowhere;
    status = pyr_level_trainer_new(&trainer, &with, &experiment->config.level[level], level);
    if (status == PYR_OK)
        status = pyr_level_trainer_memory(trainer, &memory);
    if (status == PYR_OK)
        describe_level(job, trainer, &memory, false);
    pyr_level_trainer_free(trainer);
    return status;
}

pyr_status pyr_train_dry(const pyr_train_job *job)
{
    return with_experiment(job, plan_level, plan_together);
}
