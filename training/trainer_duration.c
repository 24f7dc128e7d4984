/* trainer_duration.c - how many steps a duration means, and whether they are done. */
#include "training/trainer_internal.h"

#include <math.h>

/* Steps of `images` images, at least one. PYR_E_CONFIG when they cannot be counted in 32 bits, as random
 * streams and the optimizer do. */
static pyr_status steps_of_images(int64_t *steps, int level, double images, int batch)
{
    double n = ceil(images / batch - 1e-9);

    if (!(n <= (double)UINT32_MAX))
        return pyr_fail(PYR_E_CONFIG, "train.duration means %.4g steps of level %d, at most %lu are possible",
                        n, level, (unsigned long)UINT32_MAX);
    *steps = n < 1 ? 1 : (int64_t)n;
    return PYR_OK;
}

/* Of a duration in images or epochs. */
static pyr_status steps_of_job(int64_t *steps, const pyr_trainer_job *job, int at)
{
    const pyr_level_job *own = &job->level[at];
    double images = job->duration.value;

    if (job->duration.unit == PYR_DURATION_EPOCHS)
        images *= (double)pyr_dataset_count(job->data, PYR_SPLIT_TRAIN);
    return steps_of_images(steps, own->index, images, own->settings->batch);
}

pyr_status pyr_trainer_time(pyr_trainer *t, double at_least_seconds, double *seconds_per_step)
{
    if (t->resumed)
        return pyr_fail(PYR_E_ARG, "level %d: a run that goes on cannot be timed: it would change",
                        t->job.level[0].index);
    t->moved = true;
    return pyr_batch_step_time(&t->step, at_least_seconds, seconds_per_step);
}

pyr_status pyr_trainer_count_steps(pyr_trainer *t)
{
    const pyr_duration *d = &t->job.duration;
    int batch = t->level[0].learner.batch;
    double per_step, whole = d->value * t->n;
    int64_t steps = 0;

    if (d->unit != PYR_DURATION_SECONDS)
        PYR_TRY(steps_of_job(&steps, &t->job, 0));
    else { /* measured out once and then fixed */
        PYR_TRY(pyr_trainer_time(t, fmin(t->job.cascade ? 4 : 2, whole / 20), &per_step));
        PYR_TRY(steps_of_images(&steps, t->job.level[0].index, whole / per_step * batch, batch));
    }
    for (int i = 0; i < t->n; i++)
        t->level[i].progress = (pyr_progress){.steps = steps, .planned = steps};
    return PYR_OK;
}

pyr_status pyr_trainer_same_duration(const pyr_trainer_job *job, int at, const pyr_progress *progress)
{
    int64_t steps = 0, batch = job->level[at].settings->batch, each = batch * job->levels;
    int index = job->level[at].index;

    if (job->duration.unit == PYR_DURATION_SECONDS)
        return PYR_OK;
    PYR_TRY(steps_of_job(&steps, job, at));
    if (steps == progress->planned)
        return PYR_OK;
    if (job->cascade) /* its duration is that of all levels */
        return pyr_fail(
            PYR_E_CONFIG,
            "the cascade was begun for %lld images of all %d levels together (train.duration), now it would "
            "be %lld: go on with the old value (--duration %lld), or begin anew with another --outdir "
            "(--transfer RUN takes the weights along)",
            (long long)(progress->planned * each), job->levels, (long long)(steps * each),
            (long long)(progress->planned * each));
    return pyr_fail(PYR_E_CONFIG,
                    "level %d was begun for %lld images (train.duration), now it would be %lld: go on with "
                    "the old value (--level %d --duration %lld), or begin anew with another --outdir "
                    "(--transfer RUN takes the weights along)",
                    index, (long long)(progress->planned * batch), (long long)(steps * batch), index,
                    (long long)(progress->planned * batch));
}

pyr_status pyr_trainer_finished(const pyr_trainer_job *job, bool *finished, int64_t *steps)
{
    *finished = true;
    *steps = 0;
    for (int i = 0; i < job->levels && *finished; i++) {
        const char *folder = pyr_trainer_state_folder(job, i);
        pyr_progress progress;

        PYR_TRY(pyr_level_has_state(finished, folder));
        if (!*finished)
            break;
        PYR_TRY(pyr_level_peek(folder, NULL, &progress, NULL));
        PYR_TRY(pyr_trainer_same_duration(job, i, &progress));
        *finished = progress.frozen || progress.train.step >= progress.steps;
        *steps = progress.train.step > *steps ? progress.train.step : *steps;
    }
    return PYR_OK;
}
