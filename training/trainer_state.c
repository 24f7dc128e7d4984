/* trainer_state.c - what a set of levels goes on from, and what it leaves at a checkpoint. */
#include "training/trainer_internal.h"

#include <stdio.h>

const char *pyr_trainer_state_folder(const pyr_trainer_job *job, int at)
{
    return job->cascade && job->cascade->share ? job->shared_folder : job->level[at].folder;
}

/* ---- going on ----------------------------------------------------------------------------------- */

/* All levels have a state, or none has. */
static pyr_status find_states(pyr_trainer *t)
{
    int n = 0;

    for (int i = 0; i < t->n; i++) {
        bool there;

        PYR_TRY(pyr_level_has_state(&there, pyr_trainer_state_folder(&t->job, i)));
        n += there;
    }
    t->resumed = n == t->n;
    if (n == 0 || n == t->n)
        return PYR_OK;
    return pyr_fail(PYR_E_CONFIG,
                    "%d of %d levels were trained before, independently: a cascade begins with all or none; "
                    "use another --outdir (--transfer takes weights along)",
                    n, t->n);
}

/* A run goes on in the precision it was begun in, unless the person wants another. */
static void adopt_precision(pyr_trainer *t, pyr_train_level *l, const pyr_progress *progress)
{
    l->level.precision = pyr_precision_to_resume(t->k, progress);
    if (progress->bf16 == (t->k->precision == PYR_PRECISION_BF16))
        return;
    pyr_train_note(&t->job, "level %d: begun in %s, goes on in %s", l->level.facts.index,
                   pyr_precision_name(t->k, progress->bf16 ? PYR_PRECISION_BF16 : PYR_PRECISION_FULL),
                   pyr_precision_name(t->k, l->level.precision));
}

pyr_status pyr_trainer_look_at_states(pyr_trainer *t)
{
    pyr_progress progress;

    PYR_TRY(find_states(t));
    for (int i = t->n - 1; i >= 0 && t->resumed; i--) {
        PYR_TRY(pyr_level_peek(pyr_trainer_state_folder(&t->job, i), &t->level[i].begun, &progress,
                               t->k->tuning));
        if (t->shared) /* each level's facts are with its network */
            PYR_TRY(pyr_level_unet_facts(t->job.level[i].folder, &t->level[i].begun));
        adopt_precision(t, &t->level[i], &progress);
    }
    return PYR_OK;
}

/* Whether the state of a level was begun by a job like this one. */
static pyr_status same_run(const pyr_trainer *t, int at)
{
    const pyr_train_level *l = &t->level[at];
    const pyr_level_facts *now = &l->level.facts, *begun = &l->begun;
    char name[64];

    snprintf(name, sizeof name, "the state of level %d", now->index);
    PYR_TRY(pyr_facts_match(begun, name, now, "this configuration"));
    if (begun->index != now->index || begun->classes != now->classes || begun->condition != now->condition)
        return pyr_fail(PYR_E_CONFIG, "%s is of a level with another index, condition or number of classes",
                        name);
    if (begun->objective != now->objective)
        return pyr_fail(PYR_E_CONFIG, "%s was begun with the objective %s, now it is %s", name,
                        pyr_objective_names[begun->objective], pyr_objective_names[now->objective]);
    if (l->progress.seed != t->job.seed)
        return pyr_fail(PYR_E_CONFIG, "%s was begun with the seed %llu, now it is %llu", name,
                        (unsigned long long)l->progress.seed, (unsigned long long)t->job.seed);
    return pyr_trainer_same_duration(&t->job, at, &l->progress);
}

/* All levels that are still trained stand at the same step. */
static pyr_status take_up(pyr_trainer *t)
{
    int at = -1;

    for (int i = 0; i < t->n; i++) {
        const pyr_progress *p = &t->level[i].progress, *q = at < 0 ? p : &t->level[at].progress;

        t->level[i].learner.frozen = p->frozen;
        if (p->frozen)
            continue;
        if (p->train.step != q->train.step || p->steps != q->steps)
            return pyr_fail(
                PYR_E_CONFIG,
                "level %d stands at step %lld of %lld, level %d at %lld of %lld: they were not trained "
                "together; begin a cascade with another --outdir (--transfer takes their weights along)",
                at, (long long)q->train.step, (long long)q->steps, i, (long long)p->train.step,
                (long long)p->steps);
        at = at < 0 ? i : at;
    }
    if (at >= 0)
        t->state = t->level[at].progress.train;
    return PYR_OK;
}

pyr_status pyr_trainer_resume(pyr_trainer *t)
{
    pyr_progress progress;

    for (int i = t->n - 1; i >= 0; i--) {
        pyr_train_block *block = t->level[i].block;

        if (!t->shared || i == t->n - 1)
            PYR_TRY(pyr_level_restore(pyr_trainer_state_folder(&t->job, i), NULL, &block->params,
                                      &block->optimizer, &progress));
        t->level[i].progress = progress;
        PYR_TRY(same_run(t, i));
    }
    return take_up(t);
}

/* ---- a checkpoint ------------------------------------------------------------------------------- */

/* The counters of a level as they are saved; one that is frozen keeps those of its last step. */
static void update_progress(pyr_trainer *t, pyr_train_level *l, const pyr_train_state *state)
{
    pyr_progress *p = &l->progress;
    int64_t skipped = p->train.skipped;

    if (!l->learner.frozen)
        p->train = *state;
    p->train.skipped = skipped;
    p->seed = t->job.seed;
    p->bf16 = l->level.precision == PYR_PRECISION_BF16;
    pyr_download(t->k, &p->last, l->block->optimizer.state, sizeof p->last);
}

pyr_status pyr_trainer_checkpoint(void *ctx, const pyr_train_state *state)
{
    pyr_trainer *t = ctx;
    pyr_train_level *last = &t->level[t->n - 1];

    for (int i = 0; i < t->n; i++) {
        update_progress(t, &t->level[i], state);
        if (!t->shared || i == 0)
            PYR_TRY(pyr_level_check_finite(&t->level[i].block->optimizer, t->job.level[i].index));
    }
    PYR_TRY(pyr_sync(t->k));
    for (int i = 0; i < t->n; i++)
        PYR_TRY(pyr_train_level_save_unet(&t->level[i]));
    for (int i = 0; i < t->n; i++)
        if (!t->level[i].learner.frozen)
            PYR_TRY(pyr_train_level_save_averages(&t->level[i], state->step));
    if (t->job.cascade && !t->shared)
        return pyr_trainer_commit(t, state->step);
    return pyr_level_save_state(pyr_trainer_state_folder(&t->job, t->n - 1), false, &last->level,
                                &last->block->params, &last->block->optimizer, &last->progress);
}
