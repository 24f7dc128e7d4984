/* Levels that no longer improve are trained no more, and the others get their time. */
#include "training/joint_internal.h"

#include <math.h>
#include <stdio.h>

static double cost_of_active(pyr_joint *j)
{
    double cost = 0;

    for (int i = 0; i < j->levels; i++)
        if (pyr_joint_active(j, i))
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

        if (!pyr_joint_active(j, i))
            continue;
        plan->steps = pyr_joint_counters(j, i)->steps = j->plan.steps;
        plan->bend = pyr_joint_counters(j, i)->bend = bend;
    }
}

static void freeze(pyr_joint *j, int level, const pyr_train_report *now, double held_out)
{
    pyr_progress *p = pyr_joint_counters(j, level);
    int64_t step = now->step;
    double before = cost_of_active(j);
    char line[200];

    p->frozen = true;
    pyr_step_io_forget(&j->io); /* from now on a step is another one */
    p->train.step = step;       /* the last one that it takes part in: checkpoints say so from now on */
    p->train.seconds = now->seconds;
    stretch_plans(j, step, before);
    snprintf(line, sizeof line,
             "level %d is trained no more from step %lld on: its held-out loss went from %.5f to %.5f in "
             "two measurements; the others get its time and train to step %lld",
             level, (long long)step, p->flat[1], held_out, (long long)j->plan.steps);
    if (j->job[level].on_note)
        j->job[level].on_note(j->job[level].ctx, line);
}

static int count_active(pyr_joint *j)
{
    int n = 0;

    for (int i = 0; i < j->levels; i++)
        n += pyr_joint_active(j, i);
    return n;
}

void pyr_joint_consider_freezing(pyr_joint *j, int level, const pyr_train_report *now,
                                 const pyr_held_out *held_out)
{
    pyr_progress *p = pyr_joint_counters(j, level);

    if (j->set->freeze_when_flat > 0 && held_out->images && now->step < j->plan.steps &&
        count_active(j) > 1 && p->flat[1] > 0 &&
        p->flat[1] - held_out->ema < j->set->freeze_when_flat * p->flat[1])
        freeze(j, level, now, held_out->ema);
    if (held_out->images) {
        p->flat[1] = p->flat[0];
        p->flat[0] = held_out->ema;
    }
}
