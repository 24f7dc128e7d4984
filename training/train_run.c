/* train_run.c - the levels of a run, in the sets that train together: folders, locks, what is looked at before. */
#include "training/train_run.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "training/trainer.h"
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
                        "no data are given: add --data PATH (pyrdiff info --list formats: what is read)");
    if (!data)
        PYR_TRY(pyr_dataset_open(&out->own, &out->config.data.set));
    out->data = data ? data : out->own;
    s = pyr_dataset_shape_of(out->data);
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

static void describe_data(const pyr_train_job *job, const pyr_experiment *experiment)
{
    pyr_text text = {0};

    pyr_dataset_describe(experiment->data, &text);
    if (job->on_data && text.at)
        job->on_data(job->ctx, text.at);
    pyr_text_free(&text);
    for (size_t i = 0; i < pyr_dataset_facts_of(experiment->data).warnings->n; i++) {
        pyr_text_add(&text, "warning: %s", pyr_dataset_facts_of(experiment->data).warnings->at[i]);
        if (text.at && job->on_note)
            job->on_note(job->ctx, text.at);
        pyr_text_free(&text);
    }
}

/* ---- sets of levels ----------------------------------------------------------------------------- */

/* Levels that train together, all or one, with their folders and locks. */
typedef struct level_set {
    char *folder[PYR_MAX_LEVELS], *transfer[PYR_MAX_LEVELS], *shared, *commit;
    int lock[PYR_MAX_LEVELS];
    pyr_trainer_job job;
} level_set;

static void set_free(level_set *set)
{
    for (int i = 0; i < set->job.levels; i++) {
        pyr_unlock(set->lock[i]);
        pyr_free(set->folder[i]);
        pyr_free(set->transfer[i]);
    }
    pyr_free(set->shared);
    pyr_free(set->commit);
}

/* All levels of a cascade (finest 0), or level `finest` alone. The caller frees it, on failure too. */
static pyr_status set_new(level_set *set, const pyr_train_job *job, const pyr_experiment *experiment,
                          int finest)
{
    const pyr_config *config = &experiment->config;
    const pyr_train_settings *s = &config->train;
    const pyr_cascade_settings *cascade = config->cascade.joint ? &config->cascade : NULL;
    const char *run = *job->run ? job->run : "/nonexistent"; /* of a plan: nothing is read or written */

    *set =
        (level_set){.job = {.k = job->k,
                            .data = experiment->data,
                            .pyramid = experiment->pyramid,
                            .levels = cascade ? config->pyramid.levels : 1,
                            .cascade = cascade,
                            .seed = (uint64_t)s->seed,
                            .xflip = config->data.xflip,
                            .augment = config->data.augment,
                            .dequantise = config->data.dequantise,
                            .duration = job->duration ? *job->duration : pyr_level_duration(config, finest),
                            .checkpoint = s->checkpoint,
                            .report = s->status,
                            .held_out = s->held_out,
                            .snapshot = s->snapshot,
                            .on_report = job->on_report,
                            .on_note = job->on_note,
                            .should_stop = job->should_stop,
                            .ctx = job->ctx}};
    for (int i = 0; i < PYR_MAX_LEVELS; i++)
        set->lock[i] = -1;
    PYR_TRY(pyr_path_new(&set->shared, run, PYR_RUN_SHARED));
    PYR_TRY(pyr_path_new(&set->commit, run, PYR_RUN_COMMIT));
    set->job.shared_folder = set->shared;
    set->job.commit = set->commit;
    for (int i = 0; i < set->job.levels; i++) {
        int index = finest + i;

        PYR_TRY(pyr_run_level(&set->folder[i], run, index));
        if (job->transfer)
            PYR_TRY(pyr_run_level(&set->transfer[i], job->transfer, index));
        set->job.level[i] = (pyr_level_job){
            .index = index,
            .settings = &config->level[index],
            .folder = set->folder[i],
            .transfer = set->transfer[i],
            .measured = experiment->measured[index].levels ? &experiment->measured[index] : NULL};
    }
    return PYR_OK;
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

/* Take all levels, each with its lock, and finish what a killed process left. The locks are given back by
 * set_free. */
static pyr_status set_lock(level_set *set, const pyr_train_job *job)
{
    for (int i = set->job.levels - 1; i >= 0; i--) {
        PYR_TRY(pyr_run_begin(&set->lock[i], job->run, job->settings, set->job.level[i].index));
        remove_leftovers(set->folder[i]);
    }
    if (set->job.cascade && set->job.cascade->share)
        PYR_TRY(pyr_open_output_folder(set->shared));
    return pyr_trainer_recover(&set->job);
}

static pyr_status describe_levels(const pyr_train_job *job, pyr_trainer *trainer, int levels)
{
    for (int i = levels - 1; i >= 0; i--) {
        pyr_level_summary summary;

        PYR_TRY(pyr_trainer_describe(trainer, i, &summary));
        if (job->on_level)
            job->on_level(job->ctx, &summary);
    }
    return PYR_OK;
}

/* The weights of a finished set, from its states, where they are not what was written. */
static pyr_status renew_weights(const level_set *set)
{
    pyr_trainer *trainer = NULL;
    char *why = NULL;
    pyr_status status = PYR_OK;

    for (int i = set->job.levels - 1; i >= 0; i--) {
        bool whole;

        PYR_TRY_OUT(pyr_level_unet_is_whole(&whole, set->folder[i]));
        if (whole)
            continue;
        pyr_free(why);
        PYR_TRY_OUT(pyr_format(&why, "%s", pyr_error()));
        if (!trainer)
            PYR_TRY_OUT(pyr_trainer_new(&trainer, &set->job));
        PYR_TRY_OUT(pyr_train_level_save_unet(pyr_trainer_level(trainer, i)));
        pyr_train_note(&set->job, "level %d: its weights are written again from its training state: %s",
                       set->job.level[i].index, why);
    }
out:
    pyr_trainer_free(trainer);
    pyr_free(why);
    return status;
}

static pyr_status train_locked(const pyr_train_job *job, const level_set *set)
{
    pyr_trainer *trainer = NULL;
    bool finished;
    int64_t steps;
    char name[32] = "the cascade";
    pyr_status status;

    PYR_TRY(pyr_trainer_finished(&set->job, &finished, &steps));
    if (finished) { /* no network is planned for that */
        if (!set->job.cascade)
            snprintf(name, sizeof name, "level %d", set->job.level[0].index);
        pyr_train_note(&set->job, "%s is finished: %lld steps done", name, (long long)steps);
        return renew_weights(set);
    }
    PYR_TRY(pyr_trainer_new(&trainer, &set->job));
    PYR_TRY_OUT(describe_levels(job, trainer, set->job.levels));
    status = pyr_trainer_run(trainer);
out:
    pyr_trainer_free(trainer);
    return status;
}

static pyr_status train_set(const pyr_train_job *job, const pyr_experiment *experiment, int finest)
{
    level_set set;
    pyr_status status;

    PYR_TRY_OUT(set_new(&set, job, experiment, finest));
    PYR_TRY_OUT(pyr_trainer_check(&set.job));
    PYR_TRY_OUT(set_lock(&set, job));
    status = train_locked(job, &set);
out:
    set_free(&set);
    return status;
}

static pyr_status plan_set(const pyr_train_job *job, const pyr_experiment *experiment, int finest)
{
    pyr_train_job plan = *job;
    level_set set;
    pyr_trainer *trainer = NULL;
    pyr_status status;

    plan.run = "";
    plan.transfer = NULL;
    PYR_TRY_OUT(set_new(&set, &plan, experiment, finest));
    PYR_TRY_OUT(pyr_trainer_new(&trainer, &set.job));
    status = describe_levels(job, trainer, set.job.levels);
out:
    pyr_trainer_free(trainer);
    set_free(&set);
    return status;
}

/* ---- before anything is trained ----------------------------------------------------------------- */

static bool wanted(const pyr_train_job *job, int level)
{
    return job->level < 0 || job->level == level;
}

/* Whether the settings make a level. */
static pyr_status check_level(const pyr_experiment *experiment, int level)
{
    pyr_level unused;

    return pyr_level_init(&unused, &experiment->config.level[level], experiment->pyramid, level,
                          pyr_dataset_classes(experiment->data), 0);
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
            "level %d independently in another --outdir, without --cascade",
            job->level);
    if (job->level >= levels)
        return pyr_fail(PYR_E_ARG, "level is %d, should be 0..%d (pyramid.levels is %d; 0 is the finest)",
                        job->level, levels - 1, levels);
    for (int i = 0; i < levels; i++) /* contradictions at a level are found before another one is trained */
        if (wanted(job, i))
            PYR_TRY(check_level(experiment, i));
    return PYR_OK;
}

/* A level of another run whose weights are wanted is there. */
static pyr_status check_transfer(const pyr_train_job *job, int level)
{
    char *folder;
    pyr_unet_files files = {0};
    pyr_unet_config config;
    pyr_level_facts facts;
    pyr_status status;

    PYR_TRY(pyr_run_level(&folder, job->transfer, level));
    status = pyr_level_open_unet(folder, &files, &config, &facts);
    pyr_unet_files_free(&files);
    pyr_free(folder);
    return status;
}

/* What is wrong with a level, `kept` when the run has it already: another duration, no weights to begin from,
 * nothing to learn. A cascade measures all of its levels before its first step. */
static pyr_status look_at_level(const pyr_train_job *job, pyr_experiment *experiment, int level, bool kept)
{
    bool joint = experiment->config.cascade.joint, finished;
    pyr_level_facts facts;
    int64_t steps;
    level_set set;
    pyr_status status = PYR_OK;

    if (!kept && job->transfer && wanted(job, level))
        PYR_TRY(check_transfer(job, level));
    if (joint || (!wanted(job, level) && (kept || check_level(experiment, level) != PYR_OK)))
        return PYR_OK; /* the settings of a level that is not to be trained now need not make one yet */
    PYR_TRY_OUT(set_new(&set, job, experiment, level));
    if (kept)
        status = pyr_trainer_finished(&set.job, &finished, &steps);
    else
        PYR_TRY_OUT(pyr_train_level_statistics(&facts, &set.job, 0, wanted(job, level)));
    if (!kept && wanted(job, level))
        experiment->measured[level] = facts;
out:
    set_free(&set);
    return status;
}

/* What is wrong with any level is found before the first one is trained: settings and data that are not those
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
    for (int i = levels - 1; i >= 0; i--)
        PYR_TRY(look_at_level(job, experiment, i, kept[i]));
    return PYR_OK;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

/* Do the work, training or only planning, on each wanted set, coarsest first: each level is one, or all together
 * are. */
static pyr_status each_set(const pyr_train_job *job,
                           pyr_status (*work)(const pyr_train_job *job, const pyr_experiment *experiment,
                                              int finest))
{
    pyr_experiment experiment;
    const pyr_config *config = &experiment.config;
    pyr_status status;

    PYR_TRY(pyr_experiment_open(&experiment, job->k, job->settings, job->data));
    describe_data(job, &experiment);
    if (*job->run)
        PYR_TRY_OUT(pyr_run_keep_defaults(&experiment.config, job->run, job->settings));
    PYR_TRY_OUT(check_job(job, &experiment));
    PYR_TRY_OUT(look_ahead(job, &experiment));
    for (int level = config->cascade.joint ? 0 : config->pyramid.levels - 1; level >= 0; level--) {
        if (!wanted(job, level))
            continue;
        if (job->should_stop && job->should_stop(job->ctx))
            PYR_TRY_OUT(pyr_fail(PYR_E_STOPPED, "stopped before level %d", level));
        PYR_TRY_OUT(work(job, &experiment, level));
    }
out:
    pyr_experiment_close(&experiment);
    return status;
}

pyr_status pyr_train(const pyr_train_job *job)
{
    return each_set(job, train_set);
}

pyr_status pyr_train_dry(const pyr_train_job *job)
{
    return each_set(job, plan_set);
}
