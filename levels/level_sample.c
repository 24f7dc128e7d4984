/* level_sample.c - one level's sampler, denoiser and working memory on a lane, and a draw with them. */
#include "levels/level_sample.h"

#include "base/mem.h"
#include "base/philox.h"
#include "network/unet_file.h"

/* ---- preparing --------------------------------------------------------------------------------- */

/* The noise levels of a sampler do not depend on x, unless it is adaptive: counted on one number of standard normal
 * data. */
typedef struct counting {
    pyr_kernels *k;
    const pyr_level *level;
    int guided;
} counting;

static pyr_status count_call(void *ctx, const void *x, const double *s, void *out)
{
    counting *c = ctx;

    c->guided += pyr_level_guided(c->level, *s);
    pyr_combine(c->k, out, 1, (double[]){1 / (1 + *s * *s)}, (const void *const[]){x}, 1);
    return PYR_OK;
}

static pyr_status count_guided(pyr_sampled_level *s, pyr_kernels *k)
{
    const pyr_level_settings *set = &s->level.settings;
    counting counted = {k, &s->level, 0};
    uint64_t seed = 0;
    size_t bytes = pyr_sampler_work(k, &set->sampler, 1, 1), real = pyr_type_size(k->real);
    pyr_sampling sampling = {
        .k = k, .n = 1, .size = 1, .seeds = &seed, .denoise = count_call, .ctx = &counted};
    void *x = NULL;

    s->guided = -1;
    if (!pyr_level_guided(&s->level, -1) || (set->guidance_min == 0 && set->guidance_max == 0) ||
        pyr_sampler_nfe(&set->sampler) == 0)
        return PYR_OK;
    PYR_TRY(pyr_alloc(k, &x, pyr_aligned(real) + bytes, "one number"));
    sampling.work = (char *)x + pyr_aligned(real);
    if (pyr_sample(&sampling, &set->sampler, &s->schedule, x) == PYR_OK) /* else drawing reports why not */
        s->guided = counted.guided;
    pyr_release(k, x);
    return PYR_OK;
}

pyr_status pyr_sampled_level_new(pyr_sampled_level *s, pyr_kernels *k, const pyr_level *level,
                                 const pyr_unet_files *files, const void *block, int batch)
{
    *s = (pyr_sampled_level){.level = *level, .batch = batch};
    if (pyr_level_sampling_schedule(&s->schedule, &level->settings, pyr_level_side(level)) != PYR_OK)
        return pyr_fail_prefix(PYR_E_CONFIG, "level %d", level->facts.index);
    PYR_TRY(pyr_denoiser_new(&s->denoiser, k, &s->params, &s->level, batch, PYR_GRADIENT_NONE));
    PYR_TRY(pyr_level_vector_new(&s->vector, &s->level, k, s->batch, true));
    PYR_TRY(pyr_new(&s->recordings, (size_t)k->lanes, sizeof *s->recordings, "recordings"));
    PYR_TRY(count_guided(s, k));
    if (!files)
        return pyr_denoiser_pack(&s->denoiser, block);
    PYR_TRY(pyr_alloc(k, &s->block, s->params.count * pyr_type_size(k->real), "weights"));
    PYR_TRY(pyr_unet_load(files, &s->params, k, s->block, NULL));
    return pyr_denoiser_pack(&s->denoiser, s->block);
}

void pyr_sampled_level_free(pyr_sampled_level *s, pyr_kernels *k)
{
    for (int lane = 0; s->recordings && lane < k->lanes; lane++)
        pyr_forget(k, &s->recordings[lane].recording);
    pyr_free(s->recordings);
    pyr_denoiser_free(&s->denoiser);
    pyr_params_free(&s->params);
    pyr_release(k, s->block);
    pyr_release(k, s->vector);
    pyr_gaussian_free(&s->gaussian);
    pyr_class_fit_free(&s->classes);
    pyr_noise_classifier_free(&s->classifier);
    *s = (pyr_sampled_level){0};
}

bool pyr_level_takes_class(const pyr_sampled_level *s)
{
    return s->level.facts.classes || s->denoiser.classifier || s->classes.classes;
}

/* Of the denoiser. */
static int evaluations(const pyr_sampled_level *s)
{
    int nfe = pyr_sampler_nfe(&s->level.settings.sampler);

    if (nfe == 0 && s->drawn > 0)
        nfe = (int)((s->evaluations + s->drawn / 2) / s->drawn);
    return nfe;
}

/* Of the network that guidance leads away from. */
static int other_evaluations(const pyr_sampled_level *s)
{
    if (!pyr_level_guided(&s->level, -1))
        return 0;
    return s->guided >= 0 ? s->guided : evaluations(s);
}

int pyr_level_nfe(const pyr_sampled_level *s)
{
    return evaluations(s) + other_evaluations(s);
}

double pyr_level_sample_flop(const pyr_sampled_level *s)
{
    int this = evaluations(s), other = other_evaluations(s);

    if (s->weaker)
        return pyr_denoiser_flop(&s->denoiser, this) + pyr_denoiser_flop(&s->weaker->denoiser, other);
    return pyr_denoiser_flop(&s->denoiser, this + other);
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

/* Where to record the sampling, or NULL. The first time that something is drawn nothing is recorded (it may be the
 * only time, and an evaluation of the network is recorded anyway), the second time with the same memory it
 * is. Fewer images, the last of many batches, leave the recording to those that come after. */
static void **recording(pyr_sampled_level *s, pyr_kernels *k, const pyr_level_draw *draw,
                        const pyr_sampling *w, const void *variable)
{
    pyr_level_recording *kept = &s->recordings[draw->lane];
    bool same = kept->start == w->start && kept->work == w->work && kept->variable == variable;

    if (draw->denoise || draw->after || draw->moved || draw->repeats > 1 || draw->from > 0 || draw->once ||
        !pyr_sampler_recordable(&s->level.settings.sampler, s->weaker ? 2 : 1) ||
        !pyr_denoiser_recordable(&s->denoiser) ||
        (s->weaker && !pyr_denoiser_recordable(&s->weaker->denoiser)) ||
        (same && kept->recording && w->n < kept->n))
        return NULL;
    if (same && kept->n == w->n)
        return &kept->recording;
    pyr_forget(k, &kept->recording);
    *kept = (pyr_level_recording){.n = w->n, .start = w->start, .work = w->work, .variable = variable};
    return NULL;
}

static double left(void *ctx, double s)
{
    const pyr_sampled_level *level = ctx;

    return pyr_score_moments_left(&level->moments,
                                  level->level.settings.sampler.variance == PYR_VARIANCE_OPTIMAL, s);
}

/* Padova & Liu 2023, algorithm 1: x is U(0, 1), in pixels from -1 to 1, at the coarsest level, and goes on from level to level: a
 * finer image begins as the coarse one enlarged, its residual as 0. Standardised, and the streams are those of the prior. */
static pyr_status start_uniform(const pyr_sampled_level *s, pyr_kernels *k, const pyr_level_draw *draw,
                                void *variable)
{
    size_t size = pyr_count(s->level.variable), count = (size_t)draw->n * size;
    bool coarsest = s->level.facts.index == s->level.facts.levels - 1;
    pyr_status status = PYR_OK;
    double *z;

    PYR_TRY(pyr_new(&z, count, sizeof *z, "a start"));
    for (size_t i = 0; i < count && coarsest; i++) {
        pyr_rng4 r = pyr_philox(draw->seeds[i / size], (uint32_t)(i % size / 4), 0, 0,
                                pyr_rng_purpose(PYR_RNG_PRIOR, s->level.facts.index));

        z[i] = 2 * (double)pyr_uniform(r.v[i % size % 4]) - 1;
    }
    pyr_standardise_host(&s->level, draw->n, z);
    status = pyr_upload_reals(k, variable, z, count);
    pyr_free(z);
    return status;
}

/* A start that the sampler does not draw, into the result itself; the sampler's memory is free until it begins, and larger
 * than the streams. */
static pyr_status draw_start(const pyr_sampled_level *s, pyr_kernels *k, const pyr_level_draw *draw,
                             const pyr_schedule *schedule, void *variable, const void **start)
{
    const pyr_sampler *sampler = &s->level.settings.sampler;
    int kind = pyr_sampler_start(sampler), level = s->level.facts.index;
    double at = pyr_sampler_first_level(sampler, schedule);
    bool uniform = kind == PYR_START_UNIFORM, fitted = kind == PYR_START_GAUSSIAN && s->gaussian.size,
         class = kind == PYR_START_CLASS && s->classes.classes;

    if (draw->start || !(uniform || fitted || class))
        return PYR_OK;
    *start = variable;
    if (uniform)
        return start_uniform(s, k, draw, variable);
    if (fitted)
        return pyr_gaussian_draw(&s->gaussian, k, draw->n, draw->seeds, level, at, variable, draw->work);
    return pyr_class_fit_draw(&s->classes, k, draw->n, draw->seeds, level, at, draw->rows, variable,
                              draw->work);
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
                             .denoise = draw->denoise ? draw->denoise : pyr_denoiser_call,
                             .ctx = draw->denoise ? draw->denoise_ctx : &denoising,
                             .place = s->level.facts.levels - s->level.facts.index,
                             .work = draw->work,
                             .left = s->moments.n ? left : NULL,
                             .left_ctx = s,
                             .start = draw->start,
                             .after = draw->after,
                             .after_ctx = draw->after_ctx,
                             .moved = draw->moved,
                             .repeats = draw->repeats,
                             .stiff = draw->stiff,
                             .evaluations = counts};
    const pyr_sampler *sampler = &s->level.settings.sampler;
    pyr_schedule schedule = s->schedule;

    if (s->weaker) {
        weaker.denoiser = &s->weaker->denoiser;
        denoising.weaker = &weaker;
    }

    if (draw->from > 0)
        schedule.s_max = pyr_schedule_unscaled(&schedule, draw->from);
    PYR_TRY(draw_start(s, k, draw, &schedule, variable, &sampling.start));
    sampling.recording = recording(s, k, draw, &sampling, variable);
    denoising.in_recording = weaker.in_recording = sampling.recording != NULL;
    PYR_TRY(pyr_denoiser_begin(&denoising));
    PYR_TRY(pyr_sample(&sampling, sampler, &schedule, variable));
    count(s, draw->n, counts);
    return pyr_level_destandardise(&s->level, k, draw->n, variable, s->vector);
}
