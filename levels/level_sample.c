#include "levels/level_sample.h"

#include "base/mem.h"
#include "levels/unet_file.h"

/* ---- preparing --------------------------------------------------------------------------------- */

static pyr_status put_vector(pyr_sampled_level *s, pyr_kernels *k)
{
    size_t n = 2 * (size_t)s->level.variable.c, real = pyr_type_size(k->real);
    double *host;
    pyr_status status;

    PYR_TRY(pyr_new(&host, 2 * n, sizeof *host, "statistics of a level"));
    pyr_level_vectors(&s->level, host, host + n);
    status = k->alloc(k, &s->vector, (size_t)s->batch * n * real, "statistics of a level");
    for (size_t i = 0; i < (size_t)s->batch && status == PYR_OK; i++)
        status = pyr_upload_reals(k, (char *)s->vector + i * n * real, host + n, n);
    pyr_free(host);
    return status;
}

pyr_status pyr_sampled_level_new(pyr_sampled_level *s, pyr_kernels *k, const pyr_level *level,
                                 const pyr_unet_files *files, const void *block, int batch)
{
    *s = (pyr_sampled_level){.level = *level, .batch = batch};
    if (pyr_level_sampling_schedule(&s->schedule, &level->settings, pyr_level_side(level)) != PYR_OK)
        return pyr_fail_prefix(PYR_E_CONFIG, "level %d", level->facts.index);
    PYR_TRY(pyr_denoiser_new(&s->denoiser, k, &s->params, &s->level, batch));
    PYR_TRY(put_vector(s, k));
    if (!files)
        return pyr_denoiser_pack(&s->denoiser, block);
    PYR_TRY(k->alloc(k, &s->block, s->params.count * pyr_type_size(k->real), "weights"));
    PYR_TRY(pyr_unet_load(files, &s->params, k, s->block, NULL));
    return pyr_denoiser_pack(&s->denoiser, s->block);
}

void pyr_sampled_level_free(pyr_sampled_level *s, pyr_kernels *k)
{
    pyr_denoiser_free(&s->denoiser);
    pyr_params_free(&s->params);
    k->release(k, s->block);
    k->release(k, s->vector);
    pyr_gaussian_free(&s->gaussian);
    *s = (pyr_sampled_level){0};
}

/* Of the denoiser. */
static int evaluations(const pyr_sampled_level *s)
{
    int nfe = pyr_sampler_nfe(&s->level.settings.sampler);

    if (nfe == 0 && s->drawn > 0)
        nfe = (int)((s->evaluations + s->drawn / 2) / s->drawn);
    return nfe;
}

int pyr_level_nfe(const pyr_sampled_level *s)
{
    return evaluations(s) * (pyr_level_guided(&s->level, -1) ? 2 : 1);
}

double pyr_level_sample_flop(const pyr_sampled_level *s)
{
    int nfe = evaluations(s);
    double weaker =
        s->weaker && pyr_level_guided(&s->level, -1) ? pyr_denoiser_flop(&s->weaker->denoiser, nfe) : 0;

    return pyr_denoiser_flop(&s->denoiser, nfe) + weaker;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

size_t pyr_level_sample_work(const pyr_sampled_level *s, const pyr_kernels *k, int n)
{
    return pyr_sampler_work(k, &s->level.settings.sampler, n, pyr_count(s->level.variable));
}

static void count(pyr_sampled_level *s, int n, const int *evaluations_of)
{
    int64_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += evaluations_of[i];
    s->evaluations += sum;
    s->drawn += n;
}

pyr_status pyr_level_sample(pyr_sampled_level *s, pyr_kernels *k, const pyr_level_draw *draw, void *variable)
{
    int counts[PYR_MAX_SAMPLING_BATCH];
    pyr_denoising denoising = {.denoiser = &s->denoiser,
                               .lane = draw->lane,
                               .n = draw->n,
                               .condition = draw->condition,
                               .rows = draw->rows};
    pyr_denoising weaker = denoising;
    pyr_sampling sampling = {.k = k,
                             .n = draw->n,
                             .size = pyr_count(s->level.variable),
                             .seeds = draw->seeds,
                             .level = s->level.facts.index,
                             .place = s->level.facts.levels - s->level.facts.index,
                             .denoise = pyr_denoiser_call,
                             .ctx = &denoising,
                             .work = draw->work,
                             .start = draw->start,
                             .after = draw->after,
                             .after_ctx = draw->after_ctx,
                             .repeats = draw->repeats,
                             .evaluations = counts};
    pyr_schedule schedule = s->schedule;

    if (s->weaker) {
        weaker.denoiser = &s->weaker->denoiser;
        denoising.weaker = &weaker;
    }

    if (draw->from > 0)
        schedule.s_max = draw->from / schedule.scale;
    if (!draw->start && s->level.settings.sampler.start == PYR_START_GAUSSIAN && s->gaussian.size) {
        /* into the result itself; the sampler's memory is free until it begins, and larger than the streams
         */
        PYR_TRY(pyr_gaussian_draw(&s->gaussian, k, draw->n, draw->seeds, s->level.facts.index,
                                  pyr_schedule_s(&schedule, pyr_schedule_t_max(&schedule)), variable,
                                  draw->work));
        sampling.start = variable;
    }
    PYR_TRY(pyr_denoiser_begin(&denoising));
    PYR_TRY(pyr_sample(&sampling, &s->level.settings.sampler, &schedule, variable));
    count(s, draw->n, counts);
    return pyr_level_destandardise(&s->level, k, draw->n, variable, s->vector);
}
