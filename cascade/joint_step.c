/* One step of joint training: the pyramid of a batch, every level's loss and gradient, the updates. */
#include "cascade/joint_internal.h"

#include <math.h>

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
        int groups = pyr_joint_active(j, i) ? pyr_joint_settings(j, i)->groups : 0;

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

double pyr_joint_weight(const pyr_joint *j, int level)
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
        if (!pyr_joint_active(j, i))
            continue;
        PYR_TRY(pyr_graph_pack(pyr_level_trainer_graph(j->t[i]), pyr_joint_optimizer(j, i)->value));
        tasks += pyr_joint_settings(j, i)->groups;
    }
    if (j->chain)
        return j->k->run_tasks(j->k, pyr_joint_settings(j, 0)->groups, chain_task, j);
    return j->k->run_tasks(j->k, tasks, level_task, j);
}

/* … and from there into the optimizers. */
static pyr_status collect(pyr_joint *j)
{
    pyr_kernels *k = j->k;

    for (int i = 0; i < j->levels; i++) {
        pyr_optimizer *o = pyr_joint_optimizer(j, i);

        if (!pyr_joint_active(j, i))
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
        if (pyr_joint_active(j, i))
            sum += pyr_joint_weight(j, i) * pyr_level_trainer_loss(j->t[i]);
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

        if (!pyr_joint_active(j, i))
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
    pyr_joint_window *w = &j->window[level];

    w->last = *step;
    if (step->skipped)
        pyr_joint_counters(j, level)->train.skipped++;
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

        if (!pyr_joint_active(j, i))
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

pyr_status pyr_joint_step(void *ctx, int64_t number, pyr_train_step *out)
{
    pyr_joint *j = ctx;

    *out = (pyr_train_step){0};
    PYR_TRY(pyr_joint_gradient(j, number, &out->loss));
    return j->set->share ? update_shared(j, number, out) : update_levels(j, number, out);
}

const char *pyr_joint_explain(void *ctx, int64_t number)
{
    pyr_joint *j = ctx;

    for (int i = 0; i < j->levels; i++)
        if (pyr_joint_active(j, i) && !isfinite(pyr_level_trainer_loss(j->t[i])))
            return pyr_level_trainer_explain(j->t[i], number);
    return "the loss of every image is finite at every level";
}
