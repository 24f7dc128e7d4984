#include "cascade/joint.h"

#include "base/file.h"
#include "base/mem.h"
#include "cascade/chain.h"
#include "levels/micro_batch.h"
#include "levels/unet.h"
#include "levels/unet_file.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What happened at a level since its last line in the log. */
typedef struct window {
    double loss;
    int64_t steps;
    pyr_train_step last;
} window;

struct pyr_joint {
    pyr_kernels *k;
    const pyr_config *config;
    const pyr_cascade_settings *set;
    int levels, batch;
    pyr_level_job job[PYR_MAX_LEVELS];
    pyr_level_part part[PYR_MAX_LEVELS];
    pyr_level_trainer *t[PYR_MAX_LEVELS];
    const char *shared_folder, *commit;
    pyr_params params; /* shared */
    pyr_optimizer optimizer;
    void *variable[PYR_MAX_LEVELS], *condition[PYR_MAX_LEVELS]; /* of the batch */
    pyr_feed feed;
    pyr_chain *chain; /* condition estimate */
    bool resumed;
    int64_t step; /* the current one */
    pyr_train_plan plan;
    pyr_train_state state;
    window window[PYR_MAX_LEVELS];
};

static pyr_progress *counters(pyr_joint *j, int level)
{
    return pyr_level_trainer_counters(j->t[level]);
}

static bool active(pyr_joint *j, int level)
{
    return !counters(j, level)->frozen;
}

static const pyr_level_settings *settings_of(const pyr_joint *j, int level)
{
    return &j->config->level[level];
}

pyr_optimizer *pyr_joint_optimizer(pyr_joint *j, int level)
{
    return j->set->share ? &j->optimizer : pyr_level_trainer_optimizer(j->t[level]);
}

const pyr_params *pyr_joint_params(pyr_joint *j, int level)
{
    return j->set->share ? &j->params : pyr_level_trainer_params(j->t[level]);
}

/* ---- one step ---------------------------------------------------------------------------------- */

/* The pyramid of a piece of the batch. */
static pyr_status pyramid_task(void *arg, int task, int lane)
{
    pyr_joint *j = arg;
    int first = task * j->feed.batch, n = j->batch - first < j->feed.batch ? j->batch - first : j->feed.batch;
    pyr_pick pick = pyr_level_trainer_pick(j->t[0], j->step, lane, first, n);
    void *variable[PYR_MAX_LEVELS], *condition[PYR_MAX_LEVELS];
    size_t real = pyr_type_size(j->k->real);

    for (int i = 0; i < j->levels; i++) {
        const pyr_level *level = pyr_level_trainer_level(j->t[i]);

        variable[i] = (char *)j->variable[i] + (size_t)first * pyr_count(level->variable) * real;
        condition[i] = j->condition[i]
                           ? (char *)j->condition[i] + (size_t)first * pyr_count(level->condition) * real
                           : NULL;
    }
    return pyr_feed_pyramid(&j->feed, lane, &pick, variable, condition);
}

/* Tasks in the order of the levels, the finest and most expensive one first. */
static pyr_status level_task(void *arg, int task, int lane)
{
    pyr_joint *j = arg;

    for (int i = 0; i < j->levels; i++) {
        int groups = active(j, i) ? settings_of(j, i)->groups : 0;

        if (task < groups)
            return pyr_level_trainer_group(j->t[i], j->step, task, lane);
        task -= groups;
    }
    return PYR_OK;
}

static pyr_status chain_task(void *arg, int group, int lane)
{
    pyr_joint *j = arg;

    return pyr_chain_group(j->chain, j->step, group, lane);
}

static double weight(const pyr_joint *j, int level)
{
    const pyr_reals *w = &j->set->weights;

    return w->n ? w->at[j->levels - 1 - level] : 1;
}

/* The gradients of all levels into their accumulators. */
static pyr_status accumulate(pyr_joint *j, int64_t step)
{
    int tasks = 0;

    j->step = step;
    PYR_TRY(j->k->run_tasks(j->k, (j->batch + j->feed.batch - 1) / j->feed.batch, pyramid_task, j));
    for (int i = 0; i < j->levels; i++) {
        if (!active(j, i))
            continue;
        PYR_TRY(pyr_graph_pack(pyr_level_trainer_graph(j->t[i]), pyr_joint_optimizer(j, i)->value));
        tasks += settings_of(j, i)->groups;
    }
    if (j->chain)
        return j->k->run_tasks(j->k, settings_of(j, 0)->groups, chain_task, j);
    return j->k->run_tasks(j->k, tasks, level_task, j);
}

/* … and from there into the optimizers. */
static pyr_status collect(pyr_joint *j)
{
    pyr_kernels *k = j->k;

    for (int i = 0; i < j->levels; i++) {
        pyr_optimizer *o = pyr_joint_optimizer(j, i);

        if (!active(j, i))
            continue;
        if (!j->set->share || i == 0)
            k->zero(k, o->grad, o->count * pyr_type_size(k->real));
        PYR_TRY(pyr_graph_collect(pyr_level_trainer_graph(j->t[i]), o->grad));
    }
    return PYR_OK;
}

static double sum_of_losses(pyr_joint *j)
{
    double sum = 0;

    for (int i = 0; i < j->levels; i++)
        if (active(j, i))
            sum += weight(j, i) * pyr_level_trainer_loss(j->t[i]);
    return sum;
}

pyr_status pyr_joint_gradient(pyr_joint *j, int64_t step, double *loss)
{
    PYR_TRY(accumulate(j, step));
    *loss = sum_of_losses(j);
    return collect(j);
}

/* Norm of all levels' gradients together. */
static pyr_status whole_norm(pyr_joint *j, double norm[PYR_MAX_LEVELS], double *whole)
{
    pyr_kernels *k = j->k;
    double sum = 0;

    for (int i = 0; i < j->levels; i++) {
        pyr_optimizer *o = pyr_joint_optimizer(j, i);
        pyr_step_state state = {0};

        if (!active(j, i))
            continue;
        PYR_TRY(k->norm(k, o->grad, o->count, o->state));
        k->download(k, &state, o->state, sizeof state);
        PYR_TRY(k->sync(k));
        norm[i] = (double)state.grad_norm;
        sum += norm[i] * norm[i];
    }
    *whole = sqrt(sum);
    return PYR_OK;
}

static void remember(pyr_joint *j, int level, const pyr_train_step *step, double loss)
{
    window *w = &j->window[level];

    w->last = *step;
    if (step->skipped)
        counters(j, level)->train.skipped++;
    else {
        w->loss += loss;
        w->steps++;
    }
}

static pyr_status update_levels(pyr_joint *j, int64_t number, pyr_train_step *out)
{
    double norm[PYR_MAX_LEVELS] = {0}, whole = 0, squares = 0;

    if (j->set->clip == PYR_CLIP_ALL)
        PYR_TRY(whole_norm(j, norm, &whole));
    for (int i = 0; i < j->levels; i++) {
        pyr_train_plan plan = *pyr_level_trainer_plan(j->t[i]);
        double loss = pyr_level_trainer_loss(j->t[i]);
        pyr_train_step step;

        if (!active(j, i))
            continue;
        /* clipped to clip * norm_i / whole, each gradient is multiplied with clip / whole */
        if (j->set->clip == PYR_CLIP_ALL)
            plan.clip = whole > plan.clip ? plan.clip * norm[i] / whole : 0;
        /* without a finite norm there is no bound: no level takes this step */
        PYR_TRY(
            pyr_train_update(&step, pyr_joint_optimizer(j, i), &plan, number, isfinite(whole) ? loss : NAN));
        remember(j, i, &step, loss);
        out->skipped |= step.skipped;
        squares += step.grad_norm * step.grad_norm;
        out->learning_rate = fmax(out->learning_rate, step.learning_rate);
    }
    out->grad_norm = sqrt(squares);
    return PYR_OK;
}

static pyr_status update_shared(pyr_joint *j, int64_t number, pyr_train_step *out)
{
    PYR_TRY(pyr_train_update(out, &j->optimizer, pyr_level_trainer_plan(j->t[0]), number, out->loss));
    for (int i = 0; i < j->levels; i++)
        remember(j, i, out, pyr_level_trainer_loss(j->t[i]));
    return PYR_OK;
}

static pyr_status step(void *ctx, int64_t number, pyr_train_step *out)
{
    pyr_joint *j = ctx;

    *out = (pyr_train_step){0};
    PYR_TRY(pyr_joint_gradient(j, number, &out->loss));
    return j->set->share ? update_shared(j, number, out) : update_levels(j, number, out);
}

static const char *explain(void *ctx, int64_t number)
{
    pyr_joint *j = ctx;

    for (int i = 0; i < j->levels; i++)
        if (active(j, i) && !isfinite(pyr_level_trainer_loss(j->t[i])))
            return pyr_level_trainer_explain(j->t[i], number);
    return "the loss of every image is finite at every level";
}

/* ---- freezing ---------------------------------------------------------------------------------- */

static double cost_of_active(pyr_joint *j)
{
    double cost = 0;

    for (int i = 0; i < j->levels; i++)
        if (active(j, i))
            cost += pyr_graph_flop(pyr_level_trainer_graph(j->t[i]));
    return cost;
}

/* The loops' plans after `step` steps, when a step has become cheaper. */
static void stretch_plans(pyr_joint *j, int64_t step, double before)
{
    int64_t rest = j->plan.steps - step;
    pyr_train_bend bend = {step, pyr_train_done(&j->plan, step)};
    double steps = (double)step + floor((double)rest * before / cost_of_active(j));

    j->plan.steps = steps < (double)UINT32_MAX ? (int64_t)steps : j->plan.steps;
    j->plan.bend = bend;
    for (int i = 0; i < j->levels; i++) {
        pyr_train_plan *plan = pyr_level_trainer_plan(j->t[i]);

        if (!active(j, i))
            continue;
        plan->steps = counters(j, i)->steps = j->plan.steps;
        plan->bend = counters(j, i)->bend = bend;
    }
}

static void freeze(pyr_joint *j, int level, const pyr_train_report *now, double held_out)
{
    pyr_progress *p = counters(j, level);
    int64_t step = now->step;
    double before = cost_of_active(j);
    char line[200];

    p->frozen = true;
    p->train.step = step; /* the last one that it takes part in: checkpoints say so from now on */
    p->train.seconds = now->seconds;
    stretch_plans(j, step, before);
    snprintf(line, sizeof line,
             "level %d is trained no more from step %lld on: its held-out loss went from %.5f to %.5f in two "
             "measurements; the others get its time and train to step %lld",
             level, (long long)step, p->flat[1], held_out, (long long)j->plan.steps);
    if (j->job[level].on_note)
        j->job[level].on_note(j->job[level].ctx, line);
}

static int count_active(pyr_joint *j)
{
    int n = 0;

    for (int i = 0; i < j->levels; i++)
        n += active(j, i);
    return n;
}

static void consider_freezing(pyr_joint *j, int level, const pyr_train_report *now,
                              const pyr_held_out *held_out)
{
    pyr_progress *p = counters(j, level);

    if (j->set->freeze_when_flat > 0 && held_out->images && now->step < j->plan.steps &&
        count_active(j) > 1 && p->flat[1] > 0 &&
        p->flat[1] - held_out->ema < j->set->freeze_when_flat * p->flat[1])
        freeze(j, level, now, held_out->ema);
    if (held_out->images) {
        p->flat[1] = p->flat[0];
        p->flat[0] = held_out->ema;
    }
}

/* ---- reports and checkpoints ------------------------------------------------------------------- */

static pyr_status report_level(pyr_joint *j, int level, const pyr_train_report *whole)
{
    window *w = &j->window[level];
    pyr_held_out held_out = {0};
    pyr_train_report own = *whole;

    own.loss = w->steps ? w->loss / (double)w->steps : NAN;
    own.grad_norm = w->last.grad_norm;
    own.learning_rate = w->last.learning_rate;
    own.skipped = counters(j, level)->train.skipped;
    if (whole->evaluate)
        PYR_TRY(pyr_level_trainer_held_out(j->t[level], &held_out));
    PYR_TRY(pyr_level_trainer_report(j->t[level], &own, &held_out, false));
    *w = (window){.last = w->last};
    consider_freezing(j, level, whole, &held_out);
    return PYR_OK;
}

static pyr_status report(void *ctx, const pyr_train_report *train, bool brief)
{
    pyr_joint *j = ctx;
    pyr_level_report whole = {.level = -1, .brief = brief, .train = *train};

    for (int i = j->levels - 1; i >= 0 && !brief; i--)
        if (active(j, i))
            PYR_TRY(report_level(j, i, train));
    whole.train.steps = j->plan.steps;
    if (j->job[0].on_report)
        j->job[0].on_report(j->job[0].ctx, &whole);
    return PYR_OK;
}

/* Left behind, the file would vouch for states that the next process to be killed has half written. */
static pyr_status states_are_in_place(const char *commit)
{
    if (remove(commit) != 0)
        return pyr_fail(PYR_E_IO, "%s cannot be removed: %s", commit, strerror(errno));
    return PYR_OK;
}

/* The states of all levels change at once: they are written beside the old ones, a file says that they are
 * whole, and only then each takes its place. A process that is killed in between is finished by the next one.
 */
static pyr_status save_states(pyr_joint *j)
{
    for (int i = 0; i < j->levels; i++)
        PYR_TRY(pyr_level_trainer_save_state(j->t[i], j->job[i].folder, true));
    PYR_TRY(pyr_file_replace(j->commit, "", 0));
    for (int i = 0; i < j->levels; i++)
        PYR_TRY(pyr_level_take_next(j->job[i].folder));
    return states_are_in_place(j->commit);
}

pyr_status pyr_joint_recover(const pyr_joint_job *job)
{
    bool whole = pyr_is_file(job->commit);

    for (int i = 0; i < job->config->pyramid.levels; i++)
        if (whole)
            PYR_TRY(pyr_level_take_next(job->level[i].folder));
        else
            pyr_level_drop_next(job->level[i].folder);
    return whole ? states_are_in_place(job->commit) : PYR_OK;
}

static pyr_status checkpoint(void *ctx, const pyr_train_state *state)
{
    pyr_joint *j = ctx;

    for (int i = 0; i < j->levels; i++) {
        pyr_train_state own = *state;

        if (!active(j, i)) /* as it was when it was frozen */
            own = counters(j, i)->train;
        own.skipped = counters(j, i)->train.skipped;
        pyr_level_trainer_progress(j->t[i], &own);
        if (!j->set->share || i == 0)
            PYR_TRY(pyr_level_check_finite(pyr_joint_optimizer(j, i), i));
    }
    PYR_TRY(j->k->sync(j->k));
    for (int i = 0; i < j->levels; i++)
        PYR_TRY(pyr_level_trainer_save_unet(j->t[i]));
    if (!j->set->share)
        return save_states(j);
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
static pyr_status common_micro_batch(pyr_joint *j, int *micro)
{
    *micro = 0;
    for (int i = 0; i < j->levels; i++) {
        const pyr_level_job *job = &j->job[i];
        pyr_level level;
        int own;

        PYR_TRY(pyr_level_init(&level, settings_of(j, i), job->pyramid, i, pyr_dataset_classes(job->data),
                               pyr_dataset_fingerprint(job->data)));
        PYR_TRY(pyr_choose_micro_batch(&own, j->k, &level));
        *micro = *micro && *micro < own ? *micro : own;
    }
    return PYR_OK;
}

/* What the levels' trainers will choose, and what their states say was measured: a micro-batch depends on
 * both. */
static pyr_status choose_precision(pyr_joint *j)
{
    pyr_kernels *k = j->k;
    pyr_level_facts facts;
    pyr_progress progress;

    if (!j->resumed)
        return k->auto_precision ? pyr_kernels_precision(k, "auto") : PYR_OK;
    for (int i = 0; i < j->levels; i++)
        PYR_TRY(pyr_level_peek(j->set->share ? j->shared_folder : j->job[i].folder, &facts, &progress,
                               k->tuning));
    if (k->auto_precision && (progress.activation != PYR_BF16 || k->has_bf16))
        k->activation = progress.activation == PYR_BF16 ? PYR_BF16 : k->real;
    return PYR_OK;
}

static pyr_status plan_levels(pyr_joint *j)
{
    bool chain = j->set->condition == PYR_CASCADE_ESTIMATE && j->levels > 1;
    bool gradients = chain && !j->set->stop_gradient;
    int micro = 0;

    if (chain) {
        PYR_TRY(choose_precision(j));
        PYR_TRY(common_micro_batch(j, &micro));
    }
    for (int i = j->levels - 1; i >= 0; i--) {
        j->part[i] = (pyr_level_part){.weight = weight(j, i),
                                      .micro_batch = micro,
                                      .estimate = chain && i > 0,
                                      .estimate_gradient = gradients && i > 0,
                                      .condition_gradient = gradients && i < j->levels - 1};
        if (j->set->share) {
            j->part[i].shared = j->levels;
            j->part[i].params = &j->params;
            j->part[i].optimizer = &j->optimizer;
            j->part[i].state_folder = j->shared_folder;
        }
        j->job[i].part = &j->part[i];
        PYR_TRY(pyr_level_trainer_new(&j->t[i], &j->job[i], settings_of(j, i), i));
    }
    if (chain) {
        pyr_chain_settings chained = {.levels = j->levels,
                                      .gradients = gradients,
                                      .probability = j->set->estimate_probability,
                                      .seed = j->job[0].seed,
                                      .batch = j->batch,
                                      .groups = settings_of(j, 0)->groups};

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
        pyr_level_trainer_use_batch(j->t[i], j->variable[i], j->condition[i]);
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
        *counters(j, i) = progress;
    return PYR_OK;
}

/* All levels that are still trained stand at the same step. */
static pyr_status take_up(pyr_joint *j)
{
    int at = -1;

    for (int i = 0; i < j->levels; i++) {
        const pyr_progress *p = counters(j, i);

        if (p->frozen)
            continue;
        if (at >= 0 && (p->train.step != counters(j, at)->train.step || p->steps != counters(j, at)->steps))
            return pyr_fail(
                PYR_E_CONFIG,
                "level %d stands at step %lld of %lld, level %d at %lld of %lld: they were not trained "
                "together; begin a cascade with another --outdir (--transfer takes their weights along)",
                at, (long long)counters(j, at)->train.step, (long long)counters(j, at)->steps, i,
                (long long)p->train.step, (long long)p->steps);
        at = at < 0 ? i : at;
    }
    if (at >= 0)
        j->state = counters(j, at)->train;
    return PYR_OK;
}

/* Some but not all of the levels have a state of their own. */
static pyr_status is_resumed(pyr_joint *j)
{
    int n = 0;

    if (j->set->share) {
        j->resumed = pyr_level_has_state(j->shared_folder);
        return PYR_OK;
    }
    for (int i = 0; i < j->levels; i++)
        n += pyr_level_has_state(j->job[i].folder);
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
    const pyr_level_settings *s = settings_of(j, 0);

    PYR_TRY(pyr_joint_check(j->config, j->job[0].pyramid));
    PYR_TRY(is_resumed(j));
    PYR_TRY(plan_levels(j));
    PYR_TRY(allocate_batch(j));
    if (j->set->share)
        PYR_TRY(pyr_optimizer_new(&j->optimizer, j->k, &j->params,
                                  (pyr_adamw){s->beta1, s->beta2, s->eps, s->weight_decay}));
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

    if (d->unit != PYR_SECONDS)
        PYR_TRY(pyr_level_count_steps(&steps, &j->job[0], 0, j->batch));
    else {
        double per_step, whole = d->value * j->levels;

        for (int i = 0; i < j->levels; i++)
            *pyr_level_trainer_plan(j->t[i]) = (pyr_train_plan){.ema_window = 1}; /* a rate of 0 */
        PYR_TRY(pyr_train_time(&(pyr_train_calls){.ctx = j, .step = step}, fmin(4, whole / 20), &per_step));
        PYR_TRY(pyr_steps_of_images(&steps, 0, whole / per_step * j->batch, j->batch));
        memset(j->window, 0, sizeof j->window);
        PYR_TRY(initial(j)); /* again: measuring has moved moments and EMA */
    }
    for (int i = 0; i < j->levels; i++) /* skipped steps of the measuring do not count */
        *counters(j, i) = (pyr_progress){.steps = steps, .planned = steps};
    return PYR_OK;
}

pyr_status pyr_joint_run(pyr_joint *j)
{
    pyr_train_calls calls = {.ctx = j,
                             .step = step,
                             .checkpoint = checkpoint,
                             .report = report,
                             .snapshot = j->job[0].snapshot < 0 ? NULL : snapshot,
                             .explain = explain};

    if (!j->resumed)
        PYR_TRY(count_steps(j));
    for (int i = 0; i < j->levels; i++)
        PYR_TRY(pyr_level_trainer_begin(j->t[i]));
    for (int i = 0; i < j->levels; i++)
        if (active(j, i)) {
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

    if (job->level[level].duration.unit == PYR_SECONDS)
        return PYR_OK;
    PYR_TRY(pyr_level_count_steps(&steps, &job->level[level], level, batch));
    if (steps == progress->planned)
        return PYR_OK;
    return pyr_fail(
        PYR_E_CONFIG,
        "the cascade was begun for %lld images of all %d levels together (train.duration), now it "
        "would be %lld: go on with the old value (--duration %lld), or begin anew with another "
        "--outdir (--transfer RUN takes the weights along)",
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

        *finished = pyr_level_has_state(folder);
        if (!*finished)
            break;
        PYR_TRY(pyr_level_peek(folder, &facts, &progress, NULL));
        PYR_TRY(same_duration(job, i, &progress));
        *finished = progress.frozen || progress.train.step >= progress.steps;
        *steps = progress.train.step > *steps ? progress.train.step : *steps;
    }
    return PYR_OK;
}
