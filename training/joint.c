#include "training/joint_internal.h"

#include "base/mem.h"
#include "network/unet.h"
#include "network/unet_file.h"
#include "training/micro_batch.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

pyr_optimizer *pyr_joint_optimizer(pyr_joint *j, int level)
{
    return j->set->share ? &j->optimizer : pyr_level_trainer_optimizer(j->t[level]);
}

const pyr_params *pyr_joint_params(pyr_joint *j, int level)
{
    return j->set->share ? &j->params : pyr_level_trainer_params(j->t[level]);
}

/* ---- reports and checkpoints ------------------------------------------------------------------- */

static pyr_status report_level(pyr_joint *j, int level, const pyr_train_report *whole)
{
    pyr_joint_window *w = &j->window[level];
    pyr_held_out held_out = {0};
    pyr_train_report own = *whole;

    own.loss = w->steps ? w->loss / (double)w->steps : NAN;
    own.grad_norm = w->last.grad_norm;
    own.learning_rate = w->last.learning_rate;
    own.skipped = pyr_joint_counters(j, level)->train.skipped;
    if (whole->evaluate)
        PYR_TRY(pyr_level_trainer_held_out(j->t[level], &held_out));
    PYR_TRY(pyr_level_trainer_report(j->t[level], &own, &held_out, false));
    *w = (pyr_joint_window){.last = w->last};
    pyr_joint_consider_freezing(j, level, whole, &held_out);
    return PYR_OK;
}

static pyr_status report(void *ctx, const pyr_train_report *train, bool brief)
{
    pyr_joint *j = ctx;
    pyr_level_report whole = {.level = -1, .brief = brief, .train = *train};

    for (int i = j->levels - 1; i >= 0 && !brief; i--)
        if (pyr_joint_active(j, i))
            PYR_TRY(report_level(j, i, train));
    whole.train.steps = j->plan.steps;
    if (j->job[0].on_report)
        j->job[0].on_report(j->job[0].ctx, &whole);
    return PYR_OK;
}

static pyr_status checkpoint(void *ctx, const pyr_train_state *state)
{
    pyr_joint *j = ctx;

    for (int i = 0; i < j->levels; i++) {
        pyr_train_state own = *state;

        if (!pyr_joint_active(j, i)) /* as it was when it was frozen */
            own = pyr_joint_counters(j, i)->train;
        own.skipped = pyr_joint_counters(j, i)->train.skipped;
        pyr_level_trainer_progress(j->t[i], &own);
        if (!j->set->share || i == 0)
            PYR_TRY(pyr_level_check_finite(pyr_joint_optimizer(j, i), i));
    }
    PYR_TRY(j->k->sync(j->k));
    for (int i = 0; i < j->levels; i++)
        PYR_TRY(pyr_level_trainer_save_unet(j->t[i]));
    if (!j->set->share)
        return pyr_joint_save_states(j, state->step);
    return pyr_level_trainer_save_state(j->t[j->levels - 1], j->shared_folder, false);
}

static pyr_status snapshot(void *ctx, int64_t number)
{
    pyr_joint *j = ctx;

    for (int i = j->levels - 1; i >= 0; i--)
        PYR_TRY(pyr_level_trainer_snapshot(j->t[i], number));
    return PYR_OK;
}

/* ---- beginning --------------------------------------------------------------------------------- */

/* In a chain all levels take the same images at a time: as many as suits the one that likes the fewest. */
static pyr_status common_micro_batch(pyr_joint *j, pyr_precision precision, int *micro)
{
    *micro = 0;
    for (int i = 0; i < j->levels; i++) {
        const pyr_level_job *job = &j->job[i];
        pyr_level level;
        int own;

        PYR_TRY(pyr_level_init(&level, pyr_joint_settings(j, i), job->pyramid, i,
                               pyr_dataset_classes(job->data), pyr_dataset_fingerprint(job->data)));
        level.precision = precision;
        PYR_TRY(pyr_choose_micro_batch(&own, j->k, &level));
        *micro = *micro && *micro < own ? *micro : own;
    }
    return PYR_OK;
}

/* What the levels' trainers will choose, and what their states say was measured: a micro-batch depends on
 * both. */
static pyr_status choose_precision(pyr_joint *j, pyr_precision *out)
{
    pyr_level_facts facts;
    pyr_progress progress;

    *out = j->k->precision;
    if (!j->resumed)
        return PYR_OK;
    for (int i = 0; i < j->levels; i++)
        PYR_TRY(pyr_level_peek(j->set->share ? j->shared_folder : j->job[i].folder, &facts, &progress,
                               j->k->tuning));
    *out = pyr_precision_to_resume(j->k, &progress);
    return PYR_OK;
}

static pyr_status plan_levels(pyr_joint *j)
{
    bool chain = j->set->condition == PYR_CASCADE_ESTIMATE && j->levels > 1;
    bool gradients = chain && !j->set->stop_gradient;
    pyr_precision precision;
    int micro = 0;

    if (chain) {
        PYR_TRY(choose_precision(j, &precision));
        PYR_TRY(common_micro_batch(j, precision, &micro));
    }
    for (int i = j->levels - 1; i >= 0; i--) {
        j->part[i] = (pyr_level_part){.weight = pyr_joint_weight(j, i),
                                      .micro_batch = micro,
                                      .estimate = chain && i > 0,
                                      .estimate_gradient = gradients && i > 0,
                                      .told_estimates = chain && i < j->levels - 1,
                                      .told_gradient = gradients && i < j->levels - 1,
                                      .probability = j->set->estimate_probability};
        if (j->set->share) {
            j->part[i].shared = j->levels;
            j->part[i].params = &j->params;
            j->part[i].optimizer = &j->optimizer;
            j->part[i].state_folder = j->shared_folder;
        }
        j->job[i].part = &j->part[i];
        PYR_TRY(pyr_level_trainer_new(&j->t[i], &j->job[i], pyr_joint_settings(j, i), i));
    }
    if (chain) {
        pyr_chain_settings chained = {
            .levels = j->levels, .gradients = gradients, .batch = j->batch, .groups = pyr_joint_groups(j, 0)};

        PYR_TRY(pyr_chain_new(&j->chain, j->k, j->job[0].pyramid, j->t, &chained));
    }
    return PYR_OK;
}

static pyr_status allocate_batch(pyr_joint *j)
{
    const pyr_level_job *job = &j->job[0];
    size_t n = (size_t)j->batch, real = pyr_type_size(j->k->real);

    for (int i = 0; i < j->levels; i++) {
        const pyr_level *level = pyr_level_trainer_level(j->t[i]);

        PYR_TRY(
            j->k->alloc(j->k, &j->variable[i], n * pyr_count(level->variable) * real, "pyramid of a batch"));
        if (level->condition.c)
            PYR_TRY(j->k->alloc(j->k, &j->condition[i], n * pyr_count(level->condition) * real,
                                "pyramid of a batch"));
    }
    PYR_TRY(pyr_feed_new(&j->feed, j->k, job->data, job->pyramid, pyr_level_trainer_micro_batch(j->t[0]),
                         j->k->lanes));
    j->feed.dequantise = job->dequantise;
    return PYR_OK;
}

/* The one network, from those of another run's levels. */
static pyr_status transfer_shared(pyr_joint *j)
{
    pyr_status status = PYR_OK;

    for (int i = 0; i < j->levels && status == PYR_OK; i++) {
        const pyr_params *plain = pyr_level_trainer_plain_params(j->t[i]);
        pyr_unet_files files = {0};
        pyr_unet_config config;
        pyr_level_facts facts;
        void *block = NULL;

        status = j->k->alloc(j->k, &block, plain->count * pyr_type_size(j->k->real), "weights");
        if (status == PYR_OK)
            status = pyr_level_open_unet(j->job[i].transfer, &files, &config, &facts);
        if (status == PYR_OK)
            status = pyr_unet_load(&files, plain, j->k, block, NULL);
        if (status == PYR_OK)
            status = pyr_unet_share(&j->params, j->optimizer.value, plain, block, i, 0, j->k);
        pyr_unet_files_free(&files);
        j->k->release(j->k, block);
    }
    return status;
}

static pyr_status initial_shared(pyr_joint *j)
{
    pyr_optimizer *o = &j->optimizer;
    size_t bytes = o->count * pyr_type_size(j->k->real);

    j->k->zero(j->k, o->m, bytes);
    j->k->zero(j->k, o->v, bytes);
    j->k->zero(j->k, o->grad, bytes);
    j->k->zero(j->k, o->state, sizeof *o->state);
    PYR_TRY(pyr_params_init(&j->params, j->k, o->value, j->job[0].seed, 0));
    if (j->job[0].transfer)
        PYR_TRY(transfer_shared(j));
    j->k->copy(j->k, o->ema, o->value, bytes);
    return PYR_OK;
}

static pyr_status initial(pyr_joint *j)
{
    if (j->set->share)
        return initial_shared(j);
    for (int i = 0; i < j->levels; i++)
        PYR_TRY(pyr_level_trainer_initial(j->t[i]));
    return PYR_OK;
}

static pyr_status resume_shared(pyr_joint *j)
{
    pyr_level_facts facts;
    pyr_progress progress;

    PYR_TRY(pyr_level_restore(j->shared_folder, &facts, &j->params, &j->optimizer, &progress));
    for (int i = 0; i < j->levels; i++)
        *pyr_joint_counters(j, i) = progress;
    return PYR_OK;
}

/* All levels that are still trained stand at the same step. */
static pyr_status take_up(pyr_joint *j)
{
    int at = -1;

    for (int i = 0; i < j->levels; i++) {
        const pyr_progress *p = pyr_joint_counters(j, i);

        if (p->frozen)
            continue;
        if (at >= 0 && (p->train.step != pyr_joint_counters(j, at)->train.step ||
                        p->steps != pyr_joint_counters(j, at)->steps))
            return pyr_fail(
                PYR_E_CONFIG,
                "level %d stands at step %lld of %lld, level %d at %lld of %lld: they were not trained "
                "together; begin a cascade with another --outdir (--transfer takes their weights along)",
                at, (long long)pyr_joint_counters(j, at)->train.step,
                (long long)pyr_joint_counters(j, at)->steps, i, (long long)p->train.step,
                (long long)p->steps);
        at = at < 0 ? i : at;
    }
    if (at >= 0)
        j->state = pyr_joint_counters(j, at)->train;
    return PYR_OK;
}

/* Some but not all of the levels have a state of their own. */
static pyr_status is_resumed(pyr_joint *j)
{
    int n = 0;

    if (j->set->share)
        return pyr_level_has_state(&j->resumed, j->shared_folder);
    for (int i = 0; i < j->levels; i++) {
        bool there;

        PYR_TRY(pyr_level_has_state(&there, j->job[i].folder));
        n += there;
    }
    j->resumed = n == j->levels;
    if (n == 0 || n == j->levels)
        return PYR_OK;
    return pyr_fail(PYR_E_CONFIG,
                    "%d of %d levels were trained before, by themselves: a cascade begins with all or none; "
                    "use another --outdir (--transfer takes weights along)",
                    n, j->levels);
}

static pyr_status prepare(pyr_joint *j)
{
    const pyr_level_settings *s = pyr_joint_settings(j, 0);

    PYR_TRY(pyr_joint_check(j->config, j->job[0].pyramid));
    PYR_TRY(is_resumed(j));
    PYR_TRY(plan_levels(j));
    PYR_TRY(allocate_batch(j));
    if (j->set->share)
        PYR_TRY(pyr_optimizer_new(&j->optimizer, j->k, &j->params,
                                  (pyr_adamw){s->beta1, s->beta2, s->eps, s->weight_decay}));
    PYR_TRY(pyr_joint_allocate_io(j));
    if (!j->resumed)
        return initial(j);
    if (j->set->share)
        PYR_TRY(resume_shared(j));
    return take_up(j);
}

pyr_status pyr_joint_new(pyr_joint **out, const pyr_joint_job *job)
{
    pyr_joint *j;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&j, 1, sizeof *j, "cascade"));
    j->k = job->level[0].k;
    j->config = job->config;
    j->set = &job->config->cascade;
    j->levels = job->config->pyramid.levels;
    j->batch = job->config->level[0].batch;
    j->shared_folder = job->shared_folder;
    j->commit = job->commit;
    memcpy(j->job, job->level, (size_t)j->levels * sizeof *j->job);
    status = prepare(j);
    if (status != PYR_OK)
        pyr_joint_free(j);
    else
        *out = j;
    return status;
}

void pyr_joint_free(pyr_joint *j)
{
    if (!j)
        return;
    pyr_step_io_free(&j->io);
    j->k->release(j->k, j->loss);
    pyr_chain_free(j->chain);
    for (int i = 0; i < j->levels; i++) {
        pyr_level_trainer_free(j->t[i]);
        j->k->release(j->k, j->variable[i]);
        j->k->release(j->k, j->condition[i]);
    }
    pyr_feed_free(&j->feed);
    pyr_optimizer_free(&j->optimizer);
    pyr_params_free(&j->params);
    pyr_free(j);
}

pyr_level_trainer *pyr_joint_level(pyr_joint *j, int level)
{
    return j->t[level];
}

pyr_status pyr_joint_memory(pyr_joint *j, int level, pyr_level_memory *out)
{
    size_t n = (size_t)j->batch * pyr_type_size(j->k->real), batch = 0;

    PYR_TRY(pyr_level_trainer_memory(j->t[level], out));
    for (int i = 0; i < j->levels; i++) {
        const pyr_level *l = pyr_level_trainer_level(j->t[i]);

        batch += n * (pyr_count(l->variable) + pyr_count(l->condition));
    }
    batch += pyr_step_io_bytes(&j->io);
    out->total -= out->library;
    if (level == 0) {
        out->feed += batch + pyr_feed_bytes(&j->feed) + (j->chain ? pyr_chain_bytes(j->chain) : 0);
        out->total +=
            out->library + batch + pyr_feed_bytes(&j->feed) + (j->chain ? pyr_chain_bytes(j->chain) : 0);
    } else {
        out->library = 0;
        if (j->set->share) {
            out->total -= out->blocks;
            out->blocks = 0;
        }
    }
    return PYR_OK;
}

/* The sum of the levels' durations in what counts: images of each level, or seconds of all. */
static pyr_status count_steps(pyr_joint *j)
{
    const pyr_duration *d = &j->job[0].duration;
    int64_t steps;

    if (d->unit != PYR_DURATION_SECONDS)
        PYR_TRY(pyr_level_count_steps(&steps, &j->job[0], 0, j->batch));
    else {
        double per_step, whole = d->value * j->levels;

        for (int i = 0; i < j->levels; i++)
            *pyr_level_trainer_plan(j->t[i]) = (pyr_train_plan){.ema_window = 1}; /* a rate of 0 */
        PYR_TRY(pyr_train_time(
            &(pyr_train_calls){
                .ctx = j, .step = pyr_joint_step, .result = pyr_joint_step_result, .ahead = j->k->ahead},
            fmin(4, whole / 20), &per_step));
        PYR_TRY(pyr_steps_of_images(&steps, 0, whole / per_step * j->batch, j->batch));
        memset(j->window, 0, sizeof j->window);
        PYR_TRY(initial(j)); /* again: measuring has moved moments and EMA */
    }
    for (int i = 0; i < j->levels; i++) /* skipped steps of the measuring do not count */
        *pyr_joint_counters(j, i) = (pyr_progress){.steps = steps, .planned = steps};
    return PYR_OK;
}

static bool should_stop(void *ctx)
{
    const pyr_joint *j = ctx;

    return j->job[0].should_stop && j->job[0].should_stop(j->job[0].ctx);
}

pyr_status pyr_joint_run(pyr_joint *j)
{
    pyr_train_calls calls = {.ctx = j,
                             .step = pyr_joint_step,
                             .result = pyr_joint_step_result,
                             .ahead = j->k->ahead,
                             .checkpoint = checkpoint,
                             .report = report,
                             .snapshot = j->job[0].snapshot < 0 ? NULL : snapshot,
                             .explain = pyr_joint_explain,
                             .should_stop = should_stop};

    if (!j->resumed)
        PYR_TRY(count_steps(j));
    for (int i = 0; i < j->levels; i++)
        PYR_TRY(pyr_level_trainer_begin(j->t[i]));
    for (int i = 0; i < j->levels; i++)
        if (pyr_joint_active(j, i)) {
            j->plan = *pyr_level_trainer_plan(j->t[i]);
            break;
        }
    return pyr_train_run(&j->plan, &calls, &j->state);
}

/* As pyr_level_same_duration, in the cascade's words: its duration is that of all levels. */
static pyr_status same_duration(const pyr_joint_job *job, int level, const pyr_progress *progress)
{
    int batch = job->config->level[level].batch, levels = job->config->pyramid.levels;
    long long each = (long long)batch * levels;
    int64_t steps;

    if (job->level[level].duration.unit == PYR_DURATION_SECONDS)
        return PYR_OK;
    PYR_TRY(pyr_level_count_steps(&steps, &job->level[level], level, batch));
    if (steps == progress->planned)
        return PYR_OK;
    return pyr_fail(
        PYR_E_CONFIG,
        "the cascade was begun for %lld images of all %d levels together (train.duration), now it would be "
        "%lld: go on with the old value (--duration %lld), or begin anew with another --outdir (--transfer "
        "RUN takes the weights along)",
        progress->planned * each, levels, steps * each, progress->planned * each);
}

pyr_status pyr_joint_finished(const pyr_joint_job *job, bool *finished, int64_t *steps)
{
    int levels = job->config->pyramid.levels;

    *finished = true;
    *steps = 0;
    for (int i = 0; i < levels && *finished; i++) {
        const char *folder = job->config->cascade.share ? job->shared_folder : job->level[i].folder;
        pyr_level_facts facts;
        pyr_progress progress;

        PYR_TRY(pyr_level_has_state(finished, folder));
        if (!*finished)
            break;
        PYR_TRY(pyr_level_peek(folder, &facts, &progress, NULL));
        PYR_TRY(same_duration(job, i, &progress));
        *finished = progress.frozen || progress.train.step >= progress.steps;
        *steps = progress.train.step > *steps ? progress.train.step : *steps;
    }
    return PYR_OK;
}
