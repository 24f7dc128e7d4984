/* trainer_freeze.c - levels that no longer improve are trained no more, and the others get their time. */
#include "training/trainer_internal.h"

#include <math.h>
#include <stdio.h>

/* Operations of a step, of the levels that are trained. */
static double cost_of_active(pyr_trainer *t)
{
    double cost = 0;

    for (int i = 0; i < t->n; i++)
        if (!t->level[i].learner.frozen)
            cost += pyr_graph_flop(t->level[i].loss.g);
    return cost;
}

/* The plans after `step` steps, when a step has become cheaper. */
static void stretch_plans(pyr_trainer *t, int64_t step, double before)
{
    int64_t rest = t->plan.steps - step;
    pyr_train_bend bend = {step, pyr_train_done(&t->plan, step)};
    double steps = (double)step + floor((double)rest * before / cost_of_active(t));

    t->plan.steps = steps < (double)UINT32_MAX ? (int64_t)steps : t->plan.steps;
    t->plan.bend = bend;
    for (int i = 0; i < t->n; i++) {
        pyr_train_level *l = &t->level[i];

        if (l->learner.frozen)
            continue;
        l->learner.plan.steps = l->progress.steps = t->plan.steps;
        l->learner.plan.bend = l->progress.bend = bend;
    }
}

static void freeze(pyr_trainer *t, pyr_train_level *l, const pyr_train_report *now, double held_out)
{
    pyr_progress *p = &l->progress;
    double before = cost_of_active(t);

    l->learner.frozen = p->frozen = true;
    pyr_step_io_forget(&t->step.io); /* from now on a step is another one */
    p->train.step = now->step;       /* the last one that it takes part in, in all later checkpoints */
    p->train.seconds = now->seconds;
    stretch_plans(t, now->step, before);
    pyr_train_note(
        &t->job,
        "level %d is trained no more from step %lld on: its held-out loss went from %.5f to %.5f in "
        "two measurements; the others get its time and train to step %lld",
        l->level.facts.index, (long long)now->step, p->flat[1], held_out, (long long)t->plan.steps);
}

static int count_active(const pyr_trainer *t)
{
    int n = 0;

    for (int i = 0; i < t->n; i++)
        n += !t->level[i].learner.frozen;
    return n;
}

void pyr_trainer_consider_freezing(pyr_trainer *t, pyr_train_level *l, const pyr_train_report *now,
                                   const pyr_held_out *held_out)
{
    pyr_progress *p = &l->progress;
    double flat = t->job.cascade ? t->job.cascade->freeze_when_flat : 0;

    if (!t->job.cascade || !held_out->images)
        return;
    if (flat > 0 && now->step < t->plan.steps && count_active(t) > 1 && p->flat[1] > 0 &&
        p->flat[1] - held_out->ema < flat * p->flat[1])
        freeze(t, l, now, held_out->ema);
    p->flat[1] = p->flat[0];
    p->flat[0] = held_out->ema;
}
