/* One step of joint training: the pyramid of a batch, every level's loss and gradient, the updates. */
#include "training/joint_internal.h"

#include "base/mem.h"
#include <math.h>
#include <stddef.h>

double pyr_joint_weight(const pyr_joint *j, int level)
{
    const pyr_reals *w = &j->set->weights;

    return w->n ? w->at[j->levels - 1 - level] : 1;
}

/* ---- the host's part --------------------------------------------------------------------------- */

pyr_status pyr_joint_allocate_io(pyr_joint *j)
{
    int states = j->set->share ? 1 : j->levels;
    pyr_step_output watched[PYR_MAX_LEVELS + 1];
    size_t bytes = pyr_aligned((size_t)j->levels * sizeof(pyr_step_input));

    j->computed = -1;
    j->images_at = bytes;
    bytes += pyr_feed_gather_bytes(&j->feed, j->batch);
    for (int i = 0; i < j->levels; i++) {
        j->draws_at[i] = bytes;
        bytes += pyr_level_trainer_draw_bytes(j->t[i]);
    }
    PYR_TRY(j->k->alloc(j->k, (void **)&j->loss, sizeof(float[PYR_MAX_LEVELS]), "losses"));
    watched[0] = (pyr_step_output){j->loss, sizeof(float[PYR_MAX_LEVELS])};
    _Static_assert(offsetof(pyr_joint_result, state) == sizeof(float[PYR_MAX_LEVELS]),
                   "no gap in the results");
    for (int i = 0; i < states; i++)
        watched[i + 1] = (pyr_step_output){pyr_joint_optimizer(j, i)->state, sizeof(pyr_step_state)};
    PYR_TRY(pyr_step_io_new(&j->io, j->k, bytes, watched, states + 1));
    for (int i = 0; i < j->levels; i++)
        pyr_level_trainer_use_batch(j->t[i], j->variable[i], j->condition[i],
                                    (char *)j->io.device + j->draws_at[i]);
    return PYR_OK;
}

static pyr_status prepare(pyr_joint *j, int64_t step)
{
    pyr_pick pick;
    void *host;

    PYR_TRY(pyr_step_io_next(&j->io, &host));
    pick = pyr_level_trainer_pick(j->t[0], step);
    PYR_TRY(pyr_feed_gather(&j->feed, &pick, (char *)host + j->images_at));
    for (int i = 0; i < j->levels; i++) {
        ((pyr_step_input *)host)[i] = pyr_train_input(pyr_level_trainer_plan(j->t[i]), step);
        if (pyr_joint_active(j, i))
            pyr_level_trainer_prepare(j->t[i], step, (char *)host + j->draws_at[i]);
    }
    j->computed = step;
    return PYR_OK;
}

/* ---- the backend's part: the same in each step until a level freezes ----------------------------- */

/* The pyramid of a piece of the batch. */
static pyr_status pyramid_task(void *arg, int task, int lane)
{
    pyr_joint *j = arg;
    int first = task * j->feed.batch, n = j->batch - first < j->feed.batch ? j->batch - first : j->feed.batch;
    void *variable[PYR_MAX_LEVELS], *condition[PYR_MAX_LEVELS];
    size_t real = pyr_type_size(j->k->real);

    for (int i = 0; i < j->levels; i++) {
        const pyr_level *level = pyr_level_trainer_level(j->t[i]);

        variable[i] = (char *)j->variable[i] + (size_t)first * pyr_count(level->variable) * real;
        condition[i] = j->condition[i]
                           ? (char *)j->condition[i] + (size_t)first * pyr_count(level->condition) * real
                           : NULL;
    }
    pyr_feed_pyramid_of(&j->feed, lane, &(pyr_piece){(char *)j->io.device + j->images_at, j->batch, first, n},
                        variable, condition);
    return PYR_OK;
}

/* Tasks in the order of the levels, the finest and most expensive one first. */
static pyr_status level_task(void *arg, int task, int lane)
{
    pyr_joint *j = arg;

    for (int i = 0; i < j->levels; i++) {
        int groups = pyr_joint_active(j, i) ? pyr_joint_groups(j, i) : 0;

        if (task < groups)
            return pyr_level_trainer_group(j->t[i], task, lane);
        task -= groups;
    }
    return PYR_OK;
}

static pyr_status chain_task(void *arg, int group, int lane)
{
    pyr_joint *j = arg;

    return pyr_chain_group(j->chain, group, lane);
}

/* The gradients of all levels into their accumulators. */
static pyr_status accumulate(pyr_joint *j)
{
    int tasks = 0;

    PYR_TRY(j->k->run_tasks(j->k, (j->batch + j->feed.batch - 1) / j->feed.batch, pyramid_task, j));
    for (int i = 0; i < j->levels; i++) {
        if (!pyr_joint_active(j, i))
            continue;
        PYR_TRY(pyr_graph_pack(pyr_level_trainer_graph(j->t[i]), pyr_joint_optimizer(j, i)->value));
        tasks += pyr_joint_groups(j, i);
    }
    if (j->chain)
        return j->k->run_tasks(j->k, pyr_joint_groups(j, 0), chain_task, j);
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

/* Each level's mean loss; an optimizer's is its level's, or the weighted sum of all. */
static pyr_status average(pyr_joint *j)
{
    pyr_kernels *k = j->k;

    for (int i = 0; i < j->levels; i++) {
        const void *losses = pyr_level_trainer_losses(j->t[i]);
        float *loss = &pyr_joint_optimizer(j, i)->state->loss;
        double weight = j->set->share ? pyr_joint_weight(j, i) : 1;

        if (!pyr_joint_active(j, i))
            continue;
        PYR_TRY(k->mean(k, &j->loss[i], losses, (size_t)j->batch, 1, false));
        PYR_TRY(k->mean(k, loss, losses, (size_t)j->batch, weight, j->set->share && i > 0));
    }
    return PYR_OK;
}

static pyr_status enqueue_gradient(pyr_joint *j)
{
    PYR_TRY(accumulate(j));
    PYR_TRY(collect(j));
    return average(j);
}

/* The optimizers at work, in the order of the levels. */
static int optimizers(pyr_joint *j, pyr_optimizer *at[PYR_MAX_LEVELS])
{
    int n = 0;

    for (int i = 0; i < (j->set->share ? 1 : j->levels); i++) {
        if (!pyr_joint_active(j, i))
            continue;
        at[n] = pyr_joint_optimizer(j, i);
        pyr_optimizer_set_input(at[n++], (const pyr_step_input *)j->io.device + i);
    }
    return n;
}

static pyr_status enqueue_step(void *arg)
{
    pyr_joint *j = arg;
    pyr_optimizer *at[PYR_MAX_LEVELS];
    pyr_step_state *states[PYR_MAX_LEVELS];
    int n;

    PYR_TRY(enqueue_gradient(j));
    n = optimizers(j, at);
    for (int i = 0; i < n; i++) {
        PYR_TRY(pyr_optimizer_norm(at[i]));
        states[i] = at[i]->state;
    }
    if (j->set->clip == PYR_CLIP_ALL)
        PYR_TRY(j->k->join_norms(j->k, states, n));
    for (int i = 0; i < n; i++)
        PYR_TRY(pyr_optimizer_apply(at[i]));
    return PYR_OK;
}

pyr_status pyr_joint_step(void *ctx, int64_t number, pyr_train_step *out)
{
    pyr_joint *j = ctx;

    (void)out; /* said later */
    PYR_TRY(prepare(j, number));
    return pyr_step_io_step(&j->io, enqueue_step, j);
}

pyr_status pyr_joint_gradient(pyr_joint *j, int64_t step, double *loss)
{
    PYR_TRY(prepare(j, step));
    PYR_TRY(pyr_step_io_send(&j->io));
    PYR_TRY(enqueue_gradient(j));
    *loss = 0;
    for (int i = 0; i < j->levels; i++) {
        double own;

        if (!pyr_joint_active(j, i))
            continue;
        PYR_TRY(pyr_level_trainer_loss(j->t[i], &own));
        *loss += pyr_joint_weight(j, i) * own;
    }
    return PYR_OK;
}

/* ---- what came of it --------------------------------------------------------------------------- */

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

pyr_status pyr_joint_step_result(void *ctx, int64_t number, pyr_train_step *out)
{
    pyr_joint *j = ctx;
    const void *results;
    const pyr_joint_result *all;
    double squares = 0;

    (void)number; /* the oldest that was not asked for */
    PYR_TRY(pyr_step_io_result(&j->io, &results));
    all = results;
    *out = (pyr_train_step){0};
    for (int i = 0; i < j->levels; i++) {
        pyr_train_step step = pyr_train_outcome(&all->state[j->set->share ? 0 : i]);

        if (!pyr_joint_active(j, i))
            continue;
        remember(j, i, &step, (double)all->loss[i]);
        out->loss += pyr_joint_weight(j, i) * (double)all->loss[i];
        out->skipped |= step.skipped;
        out->learning_rate = fmax(out->learning_rate, step.learning_rate);
        if (!j->set->share || i == 0)
            squares += step.grad_norm * step.grad_norm;
    }
    out->grad_norm = sqrt(squares);
    return PYR_OK;
}

const char *pyr_joint_explain(void *ctx, int64_t number)
{
    pyr_joint *j = ctx;
    double loss;

    /* Steps that were begun since have other losses: then those of this one are computed again. */
    if (j->computed != number && pyr_joint_gradient(j, number, &loss) != PYR_OK)
        return "";
    for (int i = 0; i < j->levels; i++)
        if (pyr_joint_active(j, i) && (pyr_level_trainer_loss(j->t[i], &loss) != PYR_OK || !isfinite(loss)))
            return pyr_level_trainer_explain(j->t[i], number);
    return "the loss of every image is finite at every level";
}
