/* trainer_step.c - one step of a set of levels: a batch's images, their pyramid, what each level draws. */
#include "training/trainer_internal.h"

#include <math.h>

/* ---- inputs ------------------------------------------------------------------------------------- */

static pyr_status prepare(void *ctx, int64_t number, char *inputs)
{
    pyr_trainer *t = ctx;
    pyr_pick pick = pyr_train_level_pick(&t->level[0], number);

    PYR_TRY(pyr_feed_gather(&t->level[0].feed, &pick, inputs));
    for (int i = 0; i < t->n; i++)
        if (!t->level[i].learner.frozen)
            pyr_train_level_prepare(&t->level[i], number, inputs + t->draws_at[i]);
    return PYR_OK;
}

/* The pyramid of a piece of the batch, of as many images as a lane of the finest level's feed takes. */
static pyr_status pyramid_task(void *arg, int task, int lane)
{
    pyr_trainer *t = arg;
    pyr_feed *feed = &t->level[0].feed;
    int batch = t->level[0].learner.batch;
    int first = task * feed->batch, n = batch - first < feed->batch ? batch - first : feed->batch;
    void *variable[PYR_MAX_LEVELS], *condition[PYR_MAX_LEVELS];
    size_t real = pyr_type_size(t->k->real), at = (size_t)first * real;

    for (int i = 0; i < t->n; i++) {
        const pyr_train_level *l = &t->level[i];

        variable[i] = (char *)l->variable + at * pyr_count(l->level.variable);
        condition[i] = l->condition ? (char *)l->condition + at * pyr_count(l->level.condition) : NULL;
    }
    pyr_feed_pyramid_of(feed, lane, &(pyr_piece){t->level[0].images, batch, first, n}, variable, condition);
    return PYR_OK;
}

static pyr_status make_pyramids(void *ctx)
{
    pyr_trainer *t = ctx;
    int piece = t->level[0].feed.batch;

    return pyr_run_tasks(t->k, (t->level[0].learner.batch + piece - 1) / piece, pyramid_task, t);
}

static pyr_status chain_piece(void *ctx, int first, int lane, int accumulator)
{
    return pyr_chain_piece(((pyr_trainer *)ctx)->chain, first, lane, accumulator);
}

/* ---- the step ----------------------------------------------------------------------------------- */

/* The pyramid of a batch; a level on its own makes its part of it as it loads a micro-batch. */
static pyr_status allocate_pyramid(pyr_trainer *t)
{
    for (int i = 0; i < t->n && t->n > 1; i++) {
        pyr_train_level *l = &t->level[i];
        size_t bytes = (size_t)l->learner.batch * pyr_type_size(t->k->real);

        PYR_TRY(pyr_alloc(t->k, &l->variable, bytes * pyr_count(l->level.variable), "pyramid of a batch"));
        if (l->level.condition.c)
            PYR_TRY(
                pyr_alloc(t->k, &l->condition, bytes * pyr_count(l->level.condition), "pyramid of a batch"));
    }
    return PYR_OK;
}

pyr_status pyr_trainer_make_step(pyr_trainer *t)
{
    const pyr_cascade_settings *cascade = t->job.cascade;

    PYR_TRY(allocate_pyramid(t));
    t->step =
        (pyr_batch_step){.k = t->k,
                         .n = t->n,
                         .shared = t->shared,
                         .join_norms = cascade && cascade->clip == PYR_CLIP_ALL,
                         .input_bytes = pyr_feed_gather_bytes(&t->level[0].feed, t->level[0].learner.batch),
                         .prepare = prepare,
                         .begin = t->n > 1 ? make_pyramids : NULL,
                         .piece = t->chain ? chain_piece : NULL,
                         .ctx = t};
    for (int i = 0; i < t->n; i++) {
        t->step.learner[i] = &t->level[i].learner;
        t->draws_at[i] = t->step.input_bytes;
        t->step.input_bytes += pyr_train_level_draw_bytes(&t->level[i]);
    }
    PYR_TRY(pyr_batch_step_new(&t->step));
    for (int i = 0; i < t->n; i++) {
        t->level[i].images = t->step.inputs;
        t->level[i].draws = t->step.inputs + t->draws_at[i];
    }
    return PYR_OK;
}

pyr_status pyr_trainer_step(void *ctx, int64_t number, pyr_train_step *out)
{
    (void)out; /* comes with the result */
    return pyr_batch_step_run(&((pyr_trainer *)ctx)->step, number);
}

pyr_status pyr_trainer_step_result(void *ctx, int64_t number, pyr_train_step *out)
{
    pyr_trainer *t = ctx;
    pyr_train_step each[PYR_MAX_LEVELS];

    (void)number; /* the oldest without a result */
    PYR_TRY(pyr_batch_step_result(&t->step, each, out));
    for (int i = 0; i < t->n; i++) {
        pyr_train_level *l = &t->level[i];

        if (l->learner.frozen)
            continue;
        l->window.last = each[i];
        if (each[i].skipped)
            l->progress.train.skipped++;
        else {
            l->window.loss += each[i].loss;
            l->window.steps++;
        }
    }
    return PYR_OK;
}

pyr_status pyr_trainer_gradient(pyr_trainer *t, int64_t step, double *loss)
{
    PYR_TRY(pyr_batch_step_gradient(&t->step, step));
    *loss = 0;
    for (int i = 0; i < t->n; i++) {
        double own;

        if (t->level[i].learner.frozen)
            continue;
        PYR_TRY(pyr_learner_losses(&t->level[i].learner, &own));
        *loss += t->level[i].learner.weight * own;
    }
    return PYR_OK;
}

/* Steps that were begun since have other losses: then those of this one are computed again. Skipped steps
 * have left the weights as they were. */
const char *pyr_trainer_explain(void *ctx, int64_t number)
{
    pyr_trainer *t = ctx;
    double loss;

    if (t->step.computed != number && pyr_batch_step_gradient(&t->step, number) != PYR_OK)
        return "";
    for (int i = 0; i < t->n; i++)
        if (!t->level[i].learner.frozen &&
            (!t->job.cascade || pyr_learner_losses(&t->level[i].learner, &loss) != PYR_OK || !isfinite(loss)))
            return pyr_train_level_explain(&t->level[i], number);
    return "the loss of every image is finite at every level";
}
