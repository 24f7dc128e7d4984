/* trainer.c - a set of levels: planned, begun, trained to the end, reported. */
#include "training/trainer_internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "kernels/peak.h"
#include "levels/class_fit.h"
#include "network/unet.h"
#include "network/unet_file.h"
#include "training/level_log.h"
#include "training/micro_batch.h"
#include <math.h>
#include <string.h>

enum { MOST_SKIPPED = 5 };

/* ---- reports ------------------------------------------------------------------------------------ */

static double mfu(const pyr_trainer *t, double images_per_s)
{
    enum { PASSES = 3 }; /* of a step: forward, by data, by weights */
    double flop = 0;

    for (int i = 0; i < t->n; i++)
        if (!t->level[i].learner.frozen)
            flop += pyr_graph_flop(t->level[i].loss.g);
    return images_per_s > 0 ? PASSES * flop * images_per_s / (t->peak * 1e9) : NAN;
}

static pyr_status report_level(pyr_trainer *t, pyr_train_level *l, const pyr_train_report *whole)
{
    const pyr_trainer_job *job = &t->job;
    pyr_level_window *w = &l->window;
    pyr_level_report r = {.level = l->level.facts.index,
                          .part = job->cascade != NULL,
                          .train = *whole,
                          .mfu = mfu(t, whole->images_per_s)};

    r.train.loss = w->steps ? w->loss / (double)w->steps : NAN;
    r.train.grad_norm = w->last.grad_norm;
    r.train.learning_rate = w->last.learning_rate;
    r.train.skipped = l->progress.train.skipped;
    if (whole->evaluate)
        PYR_TRY(pyr_train_level_held_out(l, &r.held_out));
    PYR_TRY(pyr_level_log_write(l->log, l->own->folder, &r, l->learner.batch,
                                pyr_dataset_count(job->data, PYR_SPLIT_TRAIN)));
    if (job->on_report)
        job->on_report(job->ctx, &r);
    *w = (pyr_level_window){.last = w->last};
    pyr_trainer_consider_freezing(t, l, whole, &r.held_out);
    return PYR_OK;
}

static pyr_status report(void *ctx, const pyr_train_report *train, bool brief)
{
    pyr_trainer *t = ctx;
    pyr_level_report whole = {.level = t->job.cascade ? -1 : t->job.level[0].index,
                              .brief = brief,
                              .train = *train,
                              .mfu = mfu(t, train->images_per_s)};

    for (int i = t->n - 1; i >= 0 && !brief; i--)
        if (!t->level[i].learner.frozen)
            PYR_TRY(report_level(t, &t->level[i], train));
    whole.train.steps = t->plan.steps; /* a level that was frozen just now leaves time over */
    if (t->job.on_report && (brief || t->job.cascade))
        t->job.on_report(t->job.ctx, &whole);
    return PYR_OK;
}

static pyr_status snapshot(void *ctx, int64_t number)
{
    pyr_trainer *t = ctx;

    for (int i = t->n - 1; i >= 0; i--)
        PYR_TRY(pyr_train_level_snapshot(&t->level[i], number));
    return PYR_OK;
}

static bool should_stop(void *ctx)
{
    const pyr_trainer_job *job = &((const pyr_trainer *)ctx)->job;

    return job->should_stop && job->should_stop(job->ctx);
}

/* ---- planning ----------------------------------------------------------------------------------- */

static bool has_chain(const pyr_trainer *t)
{
    return t->n > 1 && t->job.cascade->condition == PYR_CASCADE_ESTIMATE;
}

/* In a chain all levels take the same images at a time. */
static pyr_status divide_batches(pyr_trainer *t, pyr_division division[PYR_MAX_LEVELS])
{
    const pyr_level *level[PYR_MAX_LEVELS];

    for (int i = 0; i < t->n; i++)
        level[i] = &t->level[i].level;
    if (has_chain(t))
        PYR_TRY(pyr_divide_batch(&division[0], t->k, level, t->n));
    for (int i = t->n - 1; i >= 0; i--)
        if (has_chain(t))
            division[i] = division[0];
        else
            PYR_TRY(pyr_divide_batch(&division[i], t->k, &level[i], 1));
    return PYR_OK;
}

/* w_i of the sum of losses. */
static double weight_of(const pyr_trainer *t, int at)
{
    const pyr_cascade_settings *cascade = t->job.cascade;

    return cascade && cascade->weights.n ? cascade->weights.at[t->n - 1 - at] : 1;
}

static pyr_status plan_levels(pyr_trainer *t)
{
    bool chain = has_chain(t), gradients = chain && !t->job.cascade->stop_gradient;
    pyr_division division[PYR_MAX_LEVELS];

    PYR_TRY(divide_batches(t, division));
    for (int i = t->n - 1; i >= 0; i--) {
        bool is_coarsest = i == t->n - 1;
        pyr_loss_plan plan = {.batch = division[i].images,
                              .groups = division[i].accumulators,
                              .parts = division[i].parts,
                              .training = true,
                              .shared = t->shared ? t->n : 0,
                              .transforms = t->job.augment,
                              .estimate = chain && i > 0,
                              .estimate_gradient = gradients && i > 0,
                              .given_estimates = chain && !is_coarsest,
                              .given_gradient = gradients && !is_coarsest,
                              .probability = chain ? t->job.cascade->estimate_probability : 0};

        t->level[i].learner.groups = division[i].groups;
        PYR_TRY(pyr_train_level_plan(&t->level[i], &plan, weight_of(t, i), &t->block[t->shared ? 0 : i],
                                     t->resumed));
    }
    if (!chain)
        return PYR_OK;
    return pyr_chain_new(&t->chain, t->k, t->job.pyramid, t->level, t->n, gradients);
}

static pyr_status check_lengths(const pyr_reals *lengths)
{
    if (lengths->n > PYR_MOST_POWERS)
        return pyr_fail(PYR_E_CONFIG, "level.ema_lengths has %d lengths, at most %d are kept", lengths->n,
                        PYR_MOST_POWERS);
    for (int i = 0; i < lengths->n; i++)
        for (int j = 0; j < i; j++)
            if (lengths->at[i] == lengths->at[j])
                return pyr_fail(PYR_E_CONFIG, "level.ema_lengths has %g twice", lengths->at[i]);
    return PYR_OK;
}

static pyr_status make_optimizers(pyr_trainer *t)
{
    for (int i = 0; i < (t->shared ? 1 : t->n); i++) {
        const pyr_level_settings *s = t->job.level[i].settings;

        PYR_TRY(check_lengths(&s->ema_lengths));
        PYR_TRY(pyr_optimizer_new(&t->block[i].optimizer, t->k, &t->block[i].params,
                                  (pyr_adamw){s->beta1, s->beta2, s->eps, s->weight_decay}));
        PYR_TRY(pyr_optimizer_add_powers(&t->block[i].optimizer, s->ema_lengths.at, s->ema_lengths.n));
    }
    return PYR_OK;
}

void pyr_trainer_free(pyr_trainer *t)
{
    if (!t)
        return;
    pyr_batch_step_free(&t->step);
    pyr_chain_free(t->chain);
    for (int i = 0; i < t->n; i++) {
        pyr_release(t->k, t->level[i].variable);
        pyr_release(t->k, t->level[i].condition);
        pyr_train_level_free(&t->level[i]);
        pyr_optimizer_free(&t->block[i].optimizer);
        pyr_params_free(&t->block[i].params);
    }
    pyr_free(t);
}

pyr_train_level *pyr_trainer_level(pyr_trainer *t, int at)
{
    return &t->level[at];
}

/* Lanes that can work at a time. */
static int sums_of(const pyr_learner *l)
{
    int part = l->micro_batch / pyr_graph_parts(l->g);

    return l->tree ? (l->batch + part - 1) / part : l->groups;
}

pyr_status pyr_trainer_describe(pyr_trainer *t, int at, pyr_level_summary *out)
{
    pyr_train_level *l = &t->level[at];
    pyr_level_memory m;

    PYR_TRY(pyr_train_level_memory(l, &m));
    if (at == 0)
        m.feed += pyr_batch_step_bytes(&t->step) + (t->chain ? pyr_chain_bytes(t->chain) : 0);
    for (int i = 0; i < t->n && t->n > 1 && at == 0; i++)
        m.feed += (pyr_count(t->level[i].level.variable) + pyr_count(t->level[i].level.condition)) *
                  (size_t)l->learner.batch * pyr_type_size(t->k->real);
    if (at > 0)
        m.library = 0;
    if (at > 0 && t->shared)
        m.blocks = 0;
    m.total = m.blocks + m.activations + m.accumulators + m.feed + m.held_out + m.library;
    *out = (pyr_level_summary){.facts = l->level.facts,
                               .variable = l->level.variable,
                               .conditioned = l->level.condition.c > 0,
                               .batch = l->learner.batch,
                               .groups = sums_of(&l->learner),
                               .block = (int64_t)l->block->params.count,
                               .memory = m,
                               .resumed = t->resumed};
    return PYR_OK;
}

/* ---- beginning ---------------------------------------------------------------------------------- */

/* The weights of another run's level, into a block of `params`. */
static pyr_status load_weights(const pyr_level_job *job, const pyr_params *params, pyr_kernels *k,
                               void *block)
{
    pyr_unet_files files = {0};
    pyr_unet_config config;
    pyr_level_facts facts;
    pyr_status status;

    PYR_TRY_OUT(pyr_level_open_unet(job->transfer, &files, &config, &facts));
    status = pyr_unet_load(&files, params, k, block, NULL);
out:
    pyr_unet_files_free(&files);
    return status;
}

/* A level's share of the one network. */
static pyr_status transfer_shared(pyr_trainer *t, int at)
{
    const pyr_params *plain = &t->level[at].plain_params;
    void *block = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_alloc(t->k, &block, plain->count * pyr_type_size(t->k->real), "weights"));
    PYR_TRY_OUT(load_weights(&t->job.level[at], plain, t->k, block));
    status = pyr_unet_share(&t->block[0].params, t->block[0].optimizer.value, plain, block, at, 0, t->k);
out:
    pyr_release(t->k, block);
    return status;
}

/* Weights of the beginning, moments and counters at zero. */
static pyr_status initial(pyr_trainer *t)
{
    for (int i = 0; i < (t->shared ? 1 : t->n); i++) {
        const pyr_level_job *own = &t->job.level[i];
        pyr_params *params = &t->block[i].params;
        pyr_optimizer *o = &t->block[i].optimizer;

        if (own->transfer && t->job.augment > 0)
            return pyr_fail(
                PYR_E_CONFIG,
                "data.augment is %g: weights from elsewhere know nothing of transformations; leave --transfer "
                "out, or set it to 0",
                t->job.augment);
        pyr_optimizer_reset(o);
        if (t->shared || !own->transfer)
            PYR_TRY(pyr_params_init(params, t->k, o->value, t->job.seed, own->index));
        else
            PYR_TRY(load_weights(own, params, t->k, o->value));
        for (int j = 0; j < t->n && t->shared && own->transfer; j++)
            PYR_TRY(transfer_shared(t, j));
        pyr_optimizer_start_ema(o);
    }
    return PYR_OK;
}

static pyr_status plan(pyr_trainer *t)
{
    PYR_TRY(pyr_trainer_check(&t->job));
    for (int i = t->n - 1; i >= 0; i--)
        PYR_TRY(pyr_train_level_init(&t->level[i], &t->job, i));
    PYR_TRY(pyr_trainer_look_at_states(t));
    PYR_TRY(plan_levels(t));
    PYR_TRY(make_optimizers(t));
    PYR_TRY(pyr_trainer_make_step(t));
    return t->resumed ? pyr_trainer_resume(t) : initial(t);
}

pyr_status pyr_trainer_new(pyr_trainer **out, const pyr_trainer_job *job)
{
    pyr_trainer *t;
    pyr_status status;

    *out = NULL;
    PYR_TRY(pyr_new(&t, 1, sizeof *t, "trainer"));
    t->job = *job;
    t->k = job->k;
    t->n = job->levels;
    t->shared = job->cascade && job->cascade->share;
    status = plan(t);
    if (status != PYR_OK)
        pyr_trainer_free(t);
    else
        *out = t;
    return status;
}

/* What sampling will start from, when the settings want a fit. */
static pyr_status write_fit(pyr_train_level *l, bool resumed)
{
    pyr_class_fit classes = {0};
    pyr_gaussian fit;
    bool there;
    pyr_status status;

    int start = l->level.settings.sampler.start;

    if (start != PYR_START_GAUSSIAN && start != PYR_START_CLASS)
        return PYR_OK;
    PYR_TRY(pyr_file_exists_in(&there, l->own->folder,
                               start == PYR_START_CLASS ? PYR_CLASS_FIT_NAME : PYR_GAUSSIAN_NAME));
    if (there && resumed)
        return PYR_OK;
    PYR_TRY(pyr_gaussian_measure(&fit, &l->level, &l->feed));
    status = start == PYR_START_CLASS ? pyr_class_fit_measure(&classes, &l->level, &l->feed, &fit)
                                      : pyr_gaussian_write(&fit, &l->level.facts, l->own->folder);
    if (status == PYR_OK && start == PYR_START_CLASS)
        status = pyr_class_fit_write(&classes, &l->level.facts, l->own->folder);
    pyr_class_fit_free(&classes);
    pyr_gaussian_free(&fit);
    return status;
}

/* Parts of the run as it was planned: a level that freezes changes no cadence. */
static int64_t cadence(const pyr_train_level *l, int64_t wanted, int part)
{
    int64_t images = l->progress.planned * l->learner.batch;

    if (wanted < 0)
        return 0;
    return wanted ? wanted : images / part > 0 ? images / part : 1;
}

/* Once before the steps: the log, and the plan (rates, cadences) from settings and counters. */
static pyr_status begin_level(pyr_trainer *t, pyr_train_level *l)
{
    const pyr_level_settings *s = &l->level.settings;
    const pyr_trainer_job *job = &t->job;

    PYR_TRY(write_fit(l, t->resumed));
    PYR_TRY(pyr_level_log_open(&l->log, l->own->folder, t->resumed ? l->progress.train.step : 0));
    l->learner.plan = (pyr_train_plan){.batch = s->batch,
                                       .steps = l->progress.steps,
                                       .learning_rate = s->lr,
                                       .rate = (pyr_rate)s->rate,
                                       .warmup = s->warmup,
                                       .clip = s->clip,
                                       .ema_window = s->ema,
                                       .ema_momentum = s->ema_momentum,
                                       .checkpoint = cadence(l, job->checkpoint, 10),
                                       .report = cadence(l, job->report, 100),
                                       .evaluate = cadence(l, job->held_out, 10),
                                       .snapshot = job->snapshot > 0 ? job->snapshot : 0,
                                       .most_skipped = MOST_SKIPPED,
                                       .bend = l->progress.bend};
    return PYR_OK;
}

pyr_status pyr_trainer_run(pyr_trainer *t)
{
    pyr_train_calls calls = {.ctx = t,
                             .step = pyr_trainer_step,
                             .result = pyr_trainer_step_result,
                             .ahead = t->k->backend->ahead,
                             .checkpoint = pyr_trainer_checkpoint,
                             .report = report,
                             .snapshot = t->job.snapshot < 0 ? NULL : snapshot,
                             .explain = pyr_trainer_explain,
                             .should_stop = should_stop};

    if (!t->resumed)
        PYR_TRY(pyr_trainer_count_steps(t));
    if (t->moved)
        PYR_TRY(initial(t));
    for (int i = 0; i < t->n; i++)
        PYR_TRY(begin_level(t, &t->level[i]));
    for (int i = t->n - 1; i >= 0; i--)
        if (!t->level[i].learner.frozen)
            t->plan = t->level[i].learner.plan;
    PYR_TRY(pyr_peak_measure(&t->peak, t->k, t->level[0].level.precision));
    return pyr_train_run(&t->plan, &calls, &t->state);
}
