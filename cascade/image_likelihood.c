/* image_likelihood.c - how probable a run says that images are, level by level. */
#include "cascade/image_likelihood.h"

#include "base/mem.h"
#include "base/philox.h"
#include "base/stop.h"
#include "graph/lane_share.h"
#include "levels/denoiser_gradient.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Working memory of a lane, for a batch of images. */
typedef struct lane_memory {
    void *variable[PYR_MAX_LEVELS], *condition[PYR_MAX_LEVELS], *work;
    uint32_t *rows;
    uint64_t *seeds;
    int64_t *index;
    pyr_bound *bound;
} lane_memory;

typedef struct running {
    const pyr_likelihood_job *job;
    pyr_kernels *k;
    int levels, batch;
    int first; /* image of this round */
    int share; /* images of a task */
    pyr_feed feed;
    pyr_denoiser denoiser[PYR_MAX_LEVELS];
    void *standardise[PYR_MAX_LEVELS]; /* as pyr_level_vector, for a batch */
    lane_memory *memory;               /* [lane] */
    double *log_p[PYR_MAX_LEVELS];     /* [levels][n] */
    double *bound[PYR_MAX_LEVELS];
    int *nfe[PYR_MAX_LEVELS];
} running;

static bool has(const running *r, int level)
{
    return pyr_model_has(r->job->model, level);
}

static pyr_sampled_level *level_of(const running *r, int level)
{
    return &r->job->model->level[level];
}

/* ---- whether it means anything ----------------------------------------------------------------- */

static pyr_status check_splits(const pyr_model *model)
{
    const pyr_pyramid *p = model->pyramid;
    int filter = pyr_pyramid_get(p)->filter;

    if (!pyr_filter_of(filter)->bands)
        return PYR_OK;
    for (int i = 0; i < model->levels - 1; i++) {
        if (!pyr_model_has(model, i))
            continue;
        pyr_shape s = pyr_pyramid_image_shape(p, i);

        if (s.h % 2 || s.w % 2)
            return pyr_fail(PYR_E_UNSUPPORTED,
                            "level %d is %dx%d: a %s pyramid has a likelihood only where every split is "
                            "even; use fewer levels, or images of another size",
                            i, s.h, s.w, pyr_filter_names[filter]);
    }
    return PYR_OK;
}

static pyr_status check_levels(const pyr_model *model)
{
    for (int i = 0; i < model->levels; i++) {
        if (!pyr_model_has(model, i))
            continue;
        const pyr_level *level = &model->level[i].level;

        if (pyr_level_guided(level, -1))
            return pyr_fail(PYR_E_CONFIG,
                            "level %d is sampled with guidance %g, which has no likelihood: set "
                            "sampler.guidance to 1",
                            i, level->settings.sampler_guidance);
        if (level->settings.classifier_scale > 0)
            return pyr_fail(PYR_E_CONFIG,
                            "level %d is guided by a classifier, which has no likelihood: set "
                            "sampler.classifier_scale to 0",
                            i);
        if (level->condition.c && level->settings.sampler_augmentation > 0)
            return pyr_fail(PYR_E_CONFIG,
                            "level %d is sampled with noise on its condition, which is not the likelihood's "
                            "chain rule: set sampler.augmentation to 0",
                            i);
    }
    return check_splits(model);
}

/* ---- preparing --------------------------------------------------------------------------------- */

static pyr_status prepare_level(running *r, int level)
{
    pyr_sampled_level *s = level_of(r, level);
    size_t n = (size_t)r->job->n;

    PYR_TRY(pyr_denoiser_new(&r->denoiser[level], r->k, &s->params, &s->level, r->batch, PYR_GRADIENT_OF_X));
    PYR_TRY(pyr_denoiser_pack(&r->denoiser[level], s->block));
    PYR_TRY(pyr_level_vector_new(&r->standardise[level], &s->level, r->k, r->batch, false));
    PYR_TRY(pyr_new(&r->log_p[level], n, sizeof(double), "likelihoods"));
    PYR_TRY(pyr_new(&r->bound[level], n, sizeof(double), "likelihoods"));
    return pyr_new(&r->nfe[level], n, sizeof(int), "likelihoods");
}

static pyr_status prepare_lane(running *r, lane_memory *m)
{
    size_t n = (size_t)r->batch, real = pyr_type_size(r->k->real), work = 0;

    for (int i = 0; i < r->levels; i++) {
        if (!has(r, i))
            continue;
        const pyr_level *l = &level_of(r, i)->level;
        size_t condition = pyr_count(pyr_pyramid_condition_shape(r->job->model->pyramid, i));
        size_t need = pyr_likelihood_work(r->k, r->batch, pyr_count(l->variable), r->job->plan.probes);

        work = need > work ? need : work;
        PYR_TRY(pyr_alloc(r->k, &m->variable[i], n * pyr_count(l->variable) * real, "pyramids"));
        if (condition)
            PYR_TRY(pyr_alloc(r->k, &m->condition[i], n * condition * real, "pyramids"));
    }
    PYR_TRY(pyr_alloc(r->k, &m->work, work, "the solver of likelihoods"));
    PYR_TRY(pyr_new(&m->rows, n, sizeof *m->rows, "likelihoods"));
    PYR_TRY(pyr_new(&m->seeds, n, sizeof *m->seeds, "likelihoods"));
    PYR_TRY(pyr_new(&m->index, n, sizeof *m->index, "likelihoods"));
    return pyr_new(&m->bound, n, sizeof *m->bound, "likelihoods");
}

static pyr_status prepare(running *r)
{
    PYR_TRY(pyr_feed_new(&r->feed, r->k, r->job->data, r->job->model->pyramid, r->batch, r->k->lanes));
    r->feed.dequantise = r->job->dequantise;
    for (int i = 0; i < r->levels; i++)
        if (has(r, i))
            PYR_TRY(prepare_level(r, i));
    PYR_TRY(pyr_new(&r->memory, (size_t)r->k->lanes, sizeof *r->memory, "lanes"));
    for (int lane = 0; lane < r->k->lanes; lane++)
        PYR_TRY(prepare_lane(r, &r->memory[lane]));
    return PYR_OK;
}

static void release(running *r)
{
    pyr_feed_free(&r->feed);
    for (int i = 0; i < r->levels; i++) {
        pyr_denoiser_free(&r->denoiser[i]);
        pyr_release(r->k, r->standardise[i]);
        pyr_free(r->log_p[i]);
        pyr_free(r->bound[i]);
        pyr_free(r->nfe[i]);
    }
    for (int lane = 0; r->memory && lane < r->k->lanes; lane++) {
        lane_memory *m = &r->memory[lane];

        for (int i = 0; i < r->levels; i++) {
            pyr_release(r->k, m->variable[i]);
            pyr_release(r->k, m->condition[i]);
        }
        pyr_release(r->k, m->work);
        pyr_free(m->rows);
        pyr_free(m->seeds);
        pyr_free(m->index);
        pyr_free(m->bound);
    }
    pyr_free(r->memory);
}

/* ---- images ------------------------------------------------------------------------------------ */

/* Of image i of the job, in the split. */
static int64_t image_at(const pyr_likelihood_job *job, int i)
{
    return (int64_t)i * pyr_dataset_count(job->data, job->split) / job->n;
}

/* Which images these are, their seeds and classes; `first` counts in the job. */
static void choose_images(const running *r, lane_memory *m, int first, int n)
{
    const pyr_likelihood_job *job = r->job;
    const int32_t *labels = pyr_dataset_labels(job->data, job->split);

    for (int i = 0; i < n; i++) {
        pyr_rng4 word = pyr_philox(job->seed, 0, (uint32_t)(first + i), 0, pyr_rng_purpose(PYR_RNG_TASK, 0));

        m->index[i] = image_at(job, first + i);
        m->seeds[i] = (uint64_t)word.v[0] << 32 | word.v[1];
        m->rows[i] = labels ? (uint32_t)labels[m->index[i]] : 0;
    }
}

/* One image may take thousands of evaluations: a stop does not wait for them. */
static pyr_status denoise(void *denoising, const void *x, const double *s, void *out)
{
    if (pyr_stop_requested())
        return pyr_fail(PYR_E_STOPPED, "stopped");
    return pyr_denoiser_call(denoising, x, s, out);
}

static pyr_status run_level(running *r, int lane, int level, int first, int n)
{
    const pyr_likelihood_plan *plan = &r->job->plan;
    lane_memory *m = &r->memory[lane];
    pyr_sampled_level *s = level_of(r, level);
    pyr_denoising denoising = {.denoiser = &r->denoiser[level],
                               .lane = lane,
                               .n = n,
                               .condition = s->level.condition.c ? m->condition[level] : NULL,
                               .rows = r->job->classes && s->level.facts.classes ? m->rows : NULL};
    pyr_likelihood l = {.k = r->k,
                        .n = n,
                        .size = pyr_count(s->level.variable),
                        .seeds = m->seeds,
                        .level = level,
                        .denoise = denoise,
                        .vjp = pyr_denoiser_vjp,
                        .ctx = &denoising,
                        .work = m->work,
                        .start = (pyr_start)s->level.settings.sampler.start,
                        .solver = (pyr_likelihood_solver)plan->solver,
                        .rtol = plan->rtol,
                        .atol = plan->atol,
                        .steps = plan->steps,
                        .probe = (pyr_probe)plan->probe,
                        .probes = plan->probes};
    double volume = pyr_likelihood_volume(&s->level);

    /* the same operation as for the way back, with the other vector */
    PYR_TRY(pyr_level_destandardise(&s->level, r->k, n, m->variable[level], r->standardise[level]));
    PYR_TRY(pyr_denoiser_begin(&denoising));
    PYR_TRY(pyr_log_likelihood(&l, &s->schedule, m->variable[level], r->log_p[level] + first,
                               r->nfe[level] + first));
    if (plan->bound_terms)
        PYR_TRY(pyr_variational_bound(&l, &s->schedule, plan->bound_steps, plan->bound_terms,
                                      m->variable[level], m->bound));
    for (int i = 0; i < n; i++) {
        r->log_p[level][first + i] += volume;
        r->bound[level][first + i] = plan->bound_terms ? volume - pyr_bound_total(&m->bound[i]) : NAN;
    }
    return PYR_OK;
}

static pyr_status run_images(void *arg, int task, int lane)
{
    running *r = arg;
    const pyr_likelihood_job *job = r->job;
    lane_memory *m = &r->memory[lane];
    int first = r->first + task * r->share, n = job->n - first < r->share ? job->n - first : r->share;
    int only = job->model->only;
    pyr_pick pick = {
        .split = job->split, .n = n, .index = m->index, .seed = job->seed, .first = (uint32_t)first};

    choose_images(r, m, first, n);
    if (only >= 0)
        PYR_TRY(pyr_feed_level(&r->feed, lane, &pick, only, m->variable[only], m->condition[only]));
    else
        PYR_TRY(pyr_feed_pyramid(&r->feed, lane, &pick, m->variable, m->condition));
    for (int i = r->levels - 1; i >= 0; i--)
        if (has(r, i))
            PYR_TRY(run_level(r, lane, i, first, n));
    return PYR_OK;
}

static pyr_status run_all(running *r)
{
    int n = r->job->n;

    for (r->first = 0; r->first < n;) {
        int tasks;

        if (pyr_stop_requested())
            return pyr_fail(PYR_E_STOPPED, "stopped");
        r->share = pyr_lane_share(r->k, n - r->first, r->batch);
        tasks = (n - r->first + r->share - 1) / r->share;
        tasks = tasks < r->k->lanes ? tasks : r->k->lanes;
        PYR_TRY(pyr_run_tasks(r->k, tasks, run_images, r));
        r->first = r->first + tasks * r->share < n ? r->first + tasks * r->share : n;
        if (r->job->on_progress)
            r->job->on_progress(r->job->ctx, r->first);
    }
    return PYR_OK;
}

/* ---- figures ----------------------------------------------------------------------------------- */

double pyr_likelihood_volume(const pyr_level *level)
{
    const pyr_level_facts *f = &level->facts;
    double numbers = (double)pyr_count(level->variable), volume = 0;

    for (int band = 0; band < f->bands; band++)
        volume -= numbers / f->bands * log(f->std[band]);
    /* the coarse image has a third of the details' numbers */
    if (f->bands > 1)
        volume -= numbers / f->bands * log(2);
    return volume;
}

pyr_mean pyr_mean_of(const double *x, int n)
{
    double sum = 0, square = 0, mean;

    for (int i = 0; i < n; i++)
        sum += x[i];
    mean = sum / n;
    for (int i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    return (pyr_mean){mean, n > 1 ? sqrt(square / (n - 1.0) / n) : NAN};
}

static pyr_mean scaled(pyr_mean m, double scale, double shift)
{
    return (pyr_mean){m.mean * scale + shift, m.error * fabs(scale)};
}

static void conclude_level(const running *r, int level, pyr_level_likelihood *out)
{
    const pyr_sampled_level *s = level_of(r, level);
    int n = r->job->n;

    *out = (pyr_level_likelihood){
        .numbers = (int)pyr_count(s->level.variable),
        .prior = pyr_prior_deviation(&s->schedule, (pyr_start)s->level.settings.sampler.start),
        .deviation = s->level.facts.std[0],
        .sigma_min = pyr_schedule_s(&s->schedule, pyr_schedule_t_min(&s->schedule)),
        .sigma_max = pyr_schedule_s(&s->schedule, pyr_schedule_t_max(&s->schedule)),
        .log_p = pyr_mean_of(r->log_p[level], n),
        .bound = pyr_mean_of(r->bound[level], n),
        .nfe_least = r->nfe[level][0],
        .nfe_most = r->nfe[level][0]};
    out->bits = scaled(out->log_p, -1 / (out->numbers * log(2)), 0);
    for (int i = 0; i < n; i++) {
        int nfe = r->nfe[level][i];

        out->nfe += (double)nfe / n;
        out->nfe_least = nfe < out->nfe_least ? nfe : out->nfe_least;
        out->nfe_most = nfe > out->nfe_most ? nfe : out->nfe_most;
    }
}

/* The levels' numbers of an image are added before the mean is taken: they are not independent. The sums are
 * left in the finest level's place. */
static void conclude(const running *r, pyr_run_likelihood *out)
{
    const pyr_pyramid *p = r->job->model->pyramid;
    double per_dim = -1 / (out->numbers * log(2)), shift = out->bits - 1;
    int finest = out->only < 0 ? 0 : out->only;

    for (int i = 0; i < r->levels; i++)
        if (has(r, i))
            conclude_level(r, i, &out->level[i]);
    for (int i = finest + 1; i < r->levels; i++)
        for (int j = 0; j < r->job->n && has(r, i); j++) {
            r->log_p[finest][j] += r->log_p[i][j];
            r->bound[finest][j] += r->bound[i][j];
        }
    for (int j = 0; j < r->job->n && r->job->each; j++)
        r->job->each[j] = r->log_p[finest][j];
    for (int j = 0; j < r->job->n && r->job->which; j++)
        r->job->which[j] = image_at(r->job, j);
    out->exact = r->levels == 1 || pyr_filter_of(pyr_pyramid_get(p)->filter)->bands;
    out->log_p = pyr_mean_of(r->log_p[finest], r->job->n);
    out->log_p_bound = pyr_mean_of(r->bound[finest], r->job->n);
    if (!out->exact || (out->only >= 0 && r->levels > 1) || !r->job->dequantise)
        shift = NAN;
    out->bits_per_dim = scaled(out->log_p, per_dim, shift);
    out->bpd_bound = scaled(out->log_p_bound, per_dim, shift);
}

/* Each image's class is one that the model knows. */
static pyr_status check_labels(const pyr_likelihood_job *job, const char *data)
{
    const int32_t *labels = pyr_dataset_labels(job->data, job->split);
    pyr_class_choice unused;
    char label[16];

    for (int64_t i = 0; i < pyr_dataset_count(job->data, job->split); i++) {
        snprintf(label, sizeof label, "%d", (int)labels[i]);
        if (pyr_class_choose(&unused, &job->model->class_list, label) != PYR_OK)
            return pyr_fail_prefix(PYR_E_ARG, "%s, image %" PRId64, data, i);
    }
    return PYR_OK;
}

/* The condition is each image's class, or no class: the network must have been trained with it. */
static pyr_status check_classes(const pyr_likelihood_job *job, const char *data)
{
    const pyr_class_list *list = &job->model->class_list;
    bool held_out = job->split == PYR_SPLIT_HELD_OUT;

    if (!job->classes)
        return list->n && !list->none
                   ? pyr_fail(PYR_E_ARG,
                              "of which class are the images? Add --classes, which conditions on each "
                              "image's own: this run was never trained without one (class_dropout is 0)")
                   : PYR_OK;
    if (!list->n)
        return pyr_fail(PYR_E_ARG, "--classes: this run was trained without classes");
    if (!pyr_dataset_labels(job->data, job->split))
        return pyr_fail(PYR_E_ARG, "--classes: %s of %s have no labels%s",
                        held_out ? "the held-out images" : "the training images", data,
                        held_out && pyr_dataset_labels(job->data, PYR_SPLIT_TRAIN)
                            ? ": add --split train, whose images have some, or leave --classes out"
                            : ": leave --classes out");
    if (pyr_dataset_classes(job->data) > list->n)
        return pyr_fail(PYR_E_ARG, "--classes: the data have %d classes, the run knows %d",
                        pyr_dataset_classes(job->data), list->n);
    return check_labels(job, data);
}

pyr_status pyr_likelihood_check(const pyr_likelihood_job *job, const char *data)
{
    const pyr_likelihood_plan *plan = &job->plan;

    if (pyr_dataset_count(job->data, job->split) == 0)
        return pyr_fail(PYR_E_ARG, "%s has no images held out: add --split train", data);
    if (plan->rtol + plan->atol <= 0)
        return pyr_fail(PYR_E_ARG, "--rtol and --atol are both 0: one of them must be larger");
    if (plan->bound_terms > plan->bound_steps)
        return pyr_fail(PYR_E_ARG, "--bound-terms is %d, there are only %d (--bound-steps)",
                        plan->bound_terms, plan->bound_steps);
    return check_classes(job, data);
}

pyr_status pyr_likelihood_run(pyr_run_likelihood *out, const pyr_likelihood_job *job)
{
    running r = {.job = job, .k = job->model->k, .levels = job->model->levels, .batch = job->model->batch};
    pyr_status status = PYR_OK;

    *out = (pyr_run_likelihood){.levels = r.levels,
                                .only = job->model->only,
                                .images = job->n,
                                .numbers = (int)pyr_count(pyr_model_image(job->model, 0)),
                                .bits = pyr_dataset_shape_of(job->data).bits};
    if (job->n < 1 || job->n > pyr_dataset_count(job->data, job->split))
        return pyr_fail(PYR_E_ARG, "the likelihood of %d images: there are %lld", job->n,
                        (long long)pyr_dataset_count(job->data, job->split));
    PYR_TRY(check_levels(job->model));
    PYR_TRY_OUT(prepare(&r));
    PYR_TRY_OUT(run_all(&r));
    conclude(&r, out);
out:
    release(&r);
    return status;
}
