/* run_moments.c - opens each level of a run beside its data, and measures its score moments. */
#include "cascade/run_moments.h"

#include "base/mem.h"
#include "cascade/model.h"
#include "cascade/plain_sampling.h"

static pyr_status measure(const pyr_moments_job *job, pyr_model *m, int index, pyr_feed *feed)
{
    pyr_sampled_level *s = &m->level[index];
    uint64_t hash = PYR_HASH_START;
    char *folder;
    pyr_status status;

    if (s->level.facts.data != pyr_dataset_fingerprint(feed->data))
        return pyr_fail(PYR_E_CONFIG,
                        "level %d of %s was trained on other data than these: its fingerprint differs (give "
                        "the run's own data set, or leave DATA out)",
                        index, job->run);
    PYR_TRY(pyr_run_level(&folder, job->run, index));
    PYR_TRY_OUT(pyr_params_hash(&hash, &s->params, m->k, s->block));
    PYR_TRY_OUT(pyr_score_moments_measure(&s->moments, &s->denoiser, feed, pyr_schedule_lowest(&s->schedule),
                                          pyr_schedule_highest(&s->schedule), job->images, hash));
    PYR_TRY_OUT(pyr_score_moments_write(&s->moments, &s->level.facts, folder));
out:
    pyr_free(folder);
    return status;
}

static pyr_status one_level(const pyr_moments_job *job, const pyr_config *config, const pyr_dataset *data,
                            int index)
{
    pyr_model *m = NULL;
    pyr_feed feed = {0};
    pyr_status status;

    if (job->on_level)
        job->on_level(job->ctx, index);
    PYR_TRY(pyr_model_open_level(&m, job->k, job->run, NULL, config, index));
    PYR_TRY_OUT(pyr_feed_new(&feed, job->k, data, m->pyramid, m->batch, job->k->lanes));
    PYR_TRY_OUT(measure(job, m, index, &feed));
out:
    pyr_feed_free(&feed);
    pyr_model_free(m);
    return status;
}

pyr_status pyr_run_measure_moments(const pyr_moments_job *job)
{
    pyr_config *plain =
        NULL; /* nothing that is measured is needed yet, and guided networks have no posterior */
    pyr_dataset *data = NULL;
    pyr_status status;

    PYR_TRY(pyr_new(&plain, 1, sizeof *plain, "a configuration"));
    *plain = *job->config;
    pyr_plain_sampling(plain);
    for (int i = 0; i < plain->pyramid.levels; i++) {
        plain->level[i].sampler.variance = PYR_VARIANCE_POSTERIOR;
        plain->level[i].sampler.start = PYR_START_PRIOR;
    }
    PYR_TRY_OUT(pyr_dataset_open(&data, &plain->data.set));
    for (int i = plain->pyramid.levels - 1; i >= 0; i--)
        if (job->level < 0 || job->level == i)
            PYR_TRY_OUT(one_level(job, plain, data, i));
out:
    pyr_dataset_free(data);
    pyr_free(plain);
    return status;
}
