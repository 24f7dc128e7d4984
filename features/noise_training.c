/* noise_training.c - noised images of a level, their classes, and a network that tells these. */
#include "features/noise_training.h"

#include "base/mem.h"
#include "base/philox.h"
#include "diffusion/sampler.h"
#include "features/fit.h"
#include "images/order.h"
#include "levels/noise_classifier.h"
#include <math.h>
#include <string.h>

const double pyr_noises_measured[PYR_NOISES_MEASURED] = {0.01, 0.1, 0.5, 1, 3, 10};

enum { MOST_HELD_OUT = 1024 };
/* The same for every run. */
static const uint64_t held_out_seed = UINT64_C(0x434c4153534e4f49);
static const char what[] = "the training of a classifier";

/* What is drawn for each image, in this order. */
enum { STREAM, LABEL, MIX, MIX_CONDITION, TIME, WEIGHT, DRAWN };

typedef struct trainer {
    const pyr_noise_training_job *job;
    pyr_kernels *k;
    pyr_level level;
    pyr_schedule schedule;
    pyr_class_list classes;
    pyr_pyramid *pyramid;
    pyr_feed feed;
    pyr_params params;
    pyr_graph *g;
    pyr_value variable, condition, loss, drawn[DRAWN]; /* -1: there is none */
    size_t at[DRAWN], each[DRAWN];                     /* among the inputs of a step; images are at 0 */
    size_t input_bytes;
    int64_t *index; /* [batch] */
    bool *flip;
    pyr_fit fit;
} trainer;

/* ---- the level --------------------------------------------------------------------------------- */

static pyr_status open_level(trainer *t)
{
    const pyr_noise_training_job *job = t->job;
    pyr_level *level = &t->level;
    pyr_unet_files files = {0};
    pyr_status status;

    *level = (pyr_level){.settings = job->config->level[job->level], .precision = t->k->precision};
    level->settings.classifier_scale = 1;
    PYR_TRY_OUT(pyr_run_open_level(job->run, job->level, &files, &level->unet, &level->facts));
    if (level->facts.data != pyr_dataset_fingerprint(job->data))
        PYR_TRY_OUT(pyr_fail(
            PYR_E_CONFIG,
            "level %d of %s was trained on other data than these: its fingerprint differs (leave --data out)",
            job->level, job->run));
    PYR_TRY_OUT(pyr_pyramid_new(&t->pyramid, t->k, &job->config->pyramid, level->facts.h, level->facts.w,
                                level->facts.c));
    level->variable = pyr_pyramid_variable_shape(t->pyramid, job->level);
    level->condition = pyr_pyramid_condition_shape(t->pyramid, job->level);
    if (level->facts.condition == PYR_CONDITION_NONE)
        level->condition.c = 0;
    PYR_TRY_OUT(pyr_level_sampling_schedule(&t->schedule, &level->settings, pyr_level_side(level)));
    status = pyr_class_list_of_data(&t->classes, job->data, -1);
out:
    pyr_unet_files_free(&files);
    return status;
}

static pyr_status check_classes(const pyr_noise_training_job *job)
{
    if (!pyr_dataset_labels(job->data, PYR_SPLIT_TRAIN))
        return pyr_fail(PYR_E_ARG, "the data of %s has no labels, which a classifier needs", job->run);
    if (pyr_dataset_classes(job->data) < 2)
        return pyr_fail(PYR_E_ARG, "the data of %s has one class only: there is nothing to tell apart",
                        job->run);
    return PYR_OK;
}

/* ---- a step ------------------------------------------------------------------------------------ */

static void put_reals(const trainer *t, char *inputs, int what_is, int i, double first, double second)
{
    if (t->drawn[what_is] < 0)
        return;
    pyr_put_real(t->k, inputs + t->at[what_is] + (size_t)i * t->each[what_is], 0, first);
    if (t->each[what_is] > pyr_type_size(t->k->real))
        pyr_put_real(t->k, inputs + t->at[what_is] + (size_t)i * t->each[what_is], 1, second);
}

/* Noise, its level and the class of place i; those beyond the batch repeat the first image and weigh nothing. */
static void draw_image(const trainer *t, int64_t number, int i, char *inputs)
{
    const pyr_noise_training_job *job = t->job;
    bool there = i < job->batch;
    int image = there ? i : 0;
    pyr_rng4 r = pyr_philox(job->seed, 0, (uint32_t)image, (uint32_t)number,
                            pyr_rng_purpose(PYR_RNG_SIGMA, job->level));
    double lo = log(pyr_schedule_lowest(&t->schedule)), hi = log(pyr_schedule_highest(&t->schedule));
    double s = exp(lo + (hi - lo) * (image + (double)pyr_uniform(r.v[0])) / job->batch);
    double in = 1 / sqrt(1 + s * s), amount = t->level.settings.augmentation * (double)pyr_uniform(r.v[1]);
    uint32_t label = (uint32_t)pyr_dataset_labels(job->data, PYR_SPLIT_TRAIN)[t->index[image]];
    const uint32_t words[PYR_STREAM_WORDS] = {(uint32_t)job->seed, (uint32_t)(job->seed >> 32),
                                              (uint32_t)image, (uint32_t)number};

    memcpy(inputs + t->at[STREAM] + (size_t)i * t->each[STREAM], words, sizeof words);
    memcpy(inputs + t->at[LABEL] + (size_t)i * t->each[LABEL], &label, sizeof label);
    put_reals(t, inputs, MIX, i, in, s * in);
    put_reals(t, inputs, MIX_CONDITION, i, 1, amount);
    put_reals(t, inputs, TIME, i, pyr_noise_classifier_time(s), 0);
    put_reals(t, inputs, WEIGHT, i, there, 0);
}

static pyr_status prepare(void *ctx, int64_t number, char *inputs)
{
    trainer *t = ctx;
    const pyr_noise_training_job *job = t->job;
    int64_t count = pyr_dataset_count(job->data, PYR_SPLIT_TRAIN);
    pyr_pick pick = {.split = PYR_SPLIT_TRAIN,
                     .n = job->batch,
                     .index = t->index,
                     .flip = t->flip,
                     .seed = job->seed,
                     .step = (uint32_t)number};

    for (int i = 0; i < job->batch; i++) {
        pyr_rng4 r =
            pyr_philox(job->seed, 0, (uint32_t)i, (uint32_t)number, pyr_rng_purpose(PYR_RNG_FLIP, 0));

        t->index[i] = pyr_order(job->seed, number * job->batch + i, count);
        t->flip[i] = job->config->data.xflip && r.v[0] & 1;
    }
    for (int i = 0; i < pyr_fit_places(job->batch); i++)
        draw_image(t, number, i, inputs);
    return pyr_feed_gather(&t->feed, &pick, inputs);
}

static void load(void *ctx, int lane, int first, int n)
{
    trainer *t = ctx;
    pyr_kernels *k = t->k;
    const char *inputs = t->fit.step.inputs;
    size_t micro = (size_t)pyr_fit_micro(t->job->batch), real = pyr_type_size(k->real);
    size_t variable = pyr_count(t->level.variable) * real, condition = pyr_count(t->level.condition) * real;
    char *x = pyr_graph_data(t->g, lane, t->variable);
    char *c = t->condition >= 0 ? pyr_graph_data(t->g, lane, t->condition) : NULL;

    pyr_feed_level_of(&t->feed, lane, &(pyr_piece){inputs, t->job->batch, first, n}, t->job->level, x, c);
    pyr_zero(k, x + (size_t)n * variable, (micro - (size_t)n) * variable);
    if (c)
        pyr_zero(k, c + (size_t)n * condition, (micro - (size_t)n) * condition);
    for (int i = 0; i < DRAWN; i++)
        if (t->drawn[i] >= 0)
            pyr_copy(k, pyr_graph_data(t->g, lane, t->drawn[i]),
                     inputs + t->at[i] + (size_t)first * t->each[i], micro * t->each[i]);
}

/* ---- the graph --------------------------------------------------------------------------------- */

static void lay_out_inputs(trainer *t)
{
    size_t real = pyr_type_size(t->k->real), word = sizeof(uint32_t);
    size_t at = pyr_aligned(pyr_feed_gather_bytes(&t->feed, t->job->batch));
    const size_t each[DRAWN] = {PYR_STREAM_WORDS * word, word, 2 * real, 2 * real, real, real};

    for (int i = 0; i < DRAWN; i++) {
        t->each[i] = each[i];
        t->at[i] = at;
        at += pyr_aligned((size_t)pyr_fit_places(t->job->batch) * each[i]);
    }
    t->input_bytes = at;
}

/* The condition with noise, as the network reads it. */
static pyr_value build_condition(trainer *t)
{
    const pyr_level *level = &t->level;
    pyr_value noise, condition;

    if (!level->condition.c)
        return -1;
    t->condition = condition = pyr_graph_input(t->g, level->condition, t->k->real);
    if (level->settings.augmentation > 0) {
        t->drawn[MIX_CONDITION] = pyr_graph_input(t->g, (pyr_shape){1, 1, 1, 2}, t->k->real);
        noise = pyr_noise_op(t->g, t->drawn[STREAM], level->condition,
                             pyr_rng_purpose(PYR_RNG_AUGMENT, level->facts.index));
        condition = pyr_mix(t->g, condition, noise, t->drawn[MIX_CONDITION]);
    }
    return pyr_affine(t->g, condition, 1 / level->facts.condition_std, 0);
}

static pyr_status build(trainer *t)
{
    const pyr_level *level = &t->level;
    pyr_shape one = {1, 1, 1, 1}, pair = {1, 1, 1, 2}, vector = {1, 1, 1, 2 * level->variable.c};
    pyr_value standardise, z, eps, condition, logits;
    int micro = pyr_fit_micro(t->job->batch);
    pyr_type real = t->k->real;
    pyr_graph *g;

    PYR_TRY(pyr_graph_new(&t->g, t->k, t->k->precision, &t->params));
    g = t->g;
    for (int i = 0; i < DRAWN; i++)
        t->drawn[i] = -1;
    t->condition = -1;
    t->variable = pyr_graph_input(g, level->variable, real);
    standardise = pyr_graph_input(g, vector, real);
    pyr_graph_keep(g, standardise);
    t->drawn[STREAM] = pyr_graph_input(g, (pyr_shape){1, 1, 1, PYR_STREAM_WORDS}, PYR_U32);
    t->drawn[LABEL] = pyr_graph_input(g, one, PYR_U32);
    t->drawn[MIX] = pyr_graph_input(g, pair, real);
    t->drawn[TIME] = pyr_graph_input(g, one, real);
    t->drawn[WEIGHT] = pyr_graph_input(g, one, real);
    z = pyr_scale_shift(g, t->variable, standardise);
    eps = pyr_noise_op(g, t->drawn[STREAM], level->variable,
                       pyr_rng_purpose(PYR_RNG_NOISE, level->facts.index));
    condition = build_condition(t);
    logits = pyr_noise_classifier_build(g, pyr_mix(g, z, eps, t->drawn[MIX]), condition, t->drawn[TIME],
                                        t->classes.n);
    t->loss = pyr_cross_entropy(g, logits, t->drawn[LABEL], t->drawn[WEIGHT]);
    pyr_graph_keep(g, t->loss);
    pyr_graph_seed(g, t->loss);
    PYR_TRY(pyr_graph_plan(g, &(pyr_plan){.batch = micro, .groups = PYR_FIT_GROUPS, .param_gradient = true}));
    for (int lane = 0; lane < pyr_graph_lanes(g); lane++)
        PYR_TRY(pyr_level_put_vector(level, t->k, pyr_graph_data(g, lane, standardise), micro, false));
    return PYR_OK;
}

static pyr_status begin(trainer *t)
{
    const pyr_noise_training_job *job = t->job;
    size_t batch = (size_t)job->batch;

    PYR_TRY(pyr_feed_new(&t->feed, t->k, job->data, t->pyramid, pyr_fit_micro(job->batch), t->k->lanes));
    t->feed.dequantise = job->config->data.dequantise;
    PYR_TRY(pyr_new(&t->index, batch, sizeof *t->index, what));
    PYR_TRY(pyr_new(&t->flip, batch, sizeof *t->flip, what));
    PYR_TRY(build(t));
    lay_out_inputs(t);
    t->fit = (pyr_fit){.k = t->k,
                       .params = &t->params,
                       .g = t->g,
                       .loss = t->loss,
                       .batch = job->batch,
                       .epoch = pyr_dataset_count(job->data, PYR_SPLIT_TRAIN),
                       .duration = job->duration,
                       .seed = job->seed,
                       .learning_rate = job->learning_rate,
                       .path = PYR_NOISE_CLASSIFIER_NAME,
                       .input_bytes = t->input_bytes,
                       .prepare = prepare,
                       .load = load,
                       .ctx = t,
                       .on_report = job->on_report,
                       .should_stop = job->should_stop,
                       .report_ctx = job->ctx};
    return PYR_OK;
}

static void free_trainer(trainer *t)
{
    pyr_fit_free(&t->fit);
    pyr_feed_free(&t->feed);
    pyr_free(t->index);
    pyr_free(t->flip);
    pyr_graph_free(t->g);
    pyr_params_free(&t->params);
    pyr_pyramid_free(t->pyramid);
    pyr_class_list_free(&t->classes);
}

/* ---- the held-out images ----------------------------------------------------------------------- */

/* Of one lane's batch at a time, on lane 0: some hundred images. */
typedef struct measuring {
    trainer *t;
    pyr_noise_classifier classifier;
    void *z, *condition, *x, *standardise;
    uint32_t *streams;
    double *log_p;
    int64_t index[16];
    uint32_t rows[16];
    uint64_t seeds[16];
    int n;
} measuring;

enum { AT_A_TIME = 16 };

static pyr_status measure_new(measuring *m, const char *folder)
{
    trainer *t = m->t;
    pyr_kernels *k = t->k;
    size_t real = pyr_type_size(k->real), n = AT_A_TIME;

    PYR_TRY(pyr_noise_classifier_new(&m->classifier, k, &t->level, folder, t->job->run, AT_A_TIME));
    PYR_TRY(pyr_alloc(k, &m->z, n * pyr_count(t->level.variable) * real, what));
    PYR_TRY(pyr_alloc(k, &m->x, n * pyr_count(t->level.variable) * real, what));
    PYR_TRY(pyr_alloc(k, &m->condition,
                      n * (pyr_count(pyr_pyramid_condition_shape(t->pyramid, t->job->level)) + 1) * real,
                      what));
    PYR_TRY(pyr_alloc(k, (void **)&m->streams, n * PYR_STREAM_WORDS * sizeof(uint32_t), what));
    PYR_TRY(pyr_level_vector_new(&m->standardise, &t->level, k, AT_A_TIME, false));
    return pyr_new(&m->log_p, n * (size_t)t->classes.n, sizeof *m->log_p, what);
}

static void measure_free(measuring *m)
{
    pyr_kernels *k = m->t->k;

    pyr_noise_classifier_free(&m->classifier);
    pyr_release(k, m->z);
    pyr_release(k, m->x);
    pyr_release(k, m->condition);
    pyr_release(k, m->streams);
    pyr_release(k, m->standardise);
    pyr_free(m->log_p);
}

/* m->n images at all noise levels. */
static pyr_status classify(measuring *m, pyr_noise_training_result *out)
{
    trainer *t = m->t;
    pyr_kernels *k = t->k;
    size_t size = pyr_count(t->level.variable);
    int classes = t->classes.n;

    PYR_TRY(pyr_level_destandardise(&t->level, k, m->n, m->z, m->standardise));
    PYR_TRY(pyr_noise_classifier_begin(&m->classifier, 0, m->n, m->rows, m->condition));
    pyr_upload_streams(k, m->streams, m->seeds, m->n);
    for (int at = 0; at < PYR_NOISES_MEASURED; at++) {
        double s[AT_A_TIME], level = pyr_noises_measured[at];

        k->backend->normals(k, m->x, m->n, size, m->streams, pyr_rng_purpose(PYR_RNG_NOISE, t->job->level), 0,
                            (uint32_t)at);
        pyr_combine(k, m->x, 2, (double[]){1, level}, (const void *const[]){m->z, m->x}, (size_t)m->n * size);
        for (int i = 0; i < m->n; i++)
            s[i] = level;
        PYR_TRY(pyr_noise_classifier_log_p(&m->classifier, 0, m->n, m->x, s, m->log_p));
        for (int i = 0; i < m->n; i++) {
            const double *p = m->log_p + i * classes;
            int best = 0;

            for (int j = 1; j < classes; j++)
                best = p[j] > p[best] ? j : best;
            out->accuracy[at] += (uint32_t)best == m->rows[i];
            out->cross_entropy[at] -= p[m->rows[i]];
        }
    }
    return PYR_OK;
}

/* What was written, as sampling uses it. */
static pyr_status measure(trainer *t, const char *folder, pyr_noise_training_result *out)
{
    const pyr_dataset *data = t->job->data;
    const int32_t *labels = pyr_dataset_labels(data, PYR_SPLIT_HELD_OUT);
    int64_t count = labels ? pyr_dataset_count(data, PYR_SPLIT_HELD_OUT) : 0;
    measuring m = {.t = t};
    pyr_status status = PYR_OK;

    out->held_out = count < MOST_HELD_OUT ? count : MOST_HELD_OUT;
    PYR_TRY_OUT(measure_new(&m, folder));
    out->hash = m.classifier.hash;
    for (int64_t first = 0; first < out->held_out; first += m.n) {
        for (m.n = 0; m.n < AT_A_TIME && m.n < pyr_fit_micro(t->job->batch) && first + m.n < out->held_out;
             m.n++) {
            m.index[m.n] = (first + m.n) * count / out->held_out;
            m.rows[m.n] = (uint32_t)labels[m.index[m.n]];
            m.seeds[m.n] = held_out_seed + (uint64_t)(first + m.n);
        }
        PYR_TRY_OUT(pyr_feed_level(&t->feed, 0,
                                   &(pyr_pick){.split = PYR_SPLIT_HELD_OUT, .n = m.n, .index = m.index},
                                   t->job->level, m.z, t->level.condition.c ? m.condition : NULL));
        PYR_TRY_OUT(classify(&m, out));
    }
    for (int at = 0; at < PYR_NOISES_MEASURED && out->held_out; at++) {
        out->accuracy[at] /= (double)out->held_out;
        out->cross_entropy[at] /= (double)out->held_out;
    }
out:
    measure_free(&m);
    return status;
}

/* ---- all of it --------------------------------------------------------------------------------- */

pyr_status pyr_noise_training_check(const pyr_noise_training_job *job)
{
    trainer t = {.job = job, .k = job->k};
    pyr_status status;

    PYR_TRY(check_classes(job));
    status = open_level(&t);
    free_trainer(&t);
    return status;
}

pyr_status pyr_noise_training(pyr_noise_training_result *out, const pyr_noise_training_job *job)
{
    trainer t = {.job = job, .k = job->k};
    char *folder = NULL;
    pyr_status status;

    *out = (pyr_noise_training_result){0};
    PYR_TRY_OUT(check_classes(job));
    PYR_TRY_OUT(open_level(&t));
    PYR_TRY_OUT(pyr_run_level(&folder, job->run, job->level));
    PYR_TRY_OUT(begin(&t));
    PYR_TRY_OUT(pyr_fit_run(&t.fit));
    PYR_TRY_OUT(pyr_noise_classifier_write(folder, &t.level.facts, &t.classes, &t.params, t.k,
                                           t.fit.optimizer.value));
    out->steps = t.fit.steps;
    out->seconds = t.fit.state.seconds;
    PYR_TRY_OUT(measure(&t, folder, out));
out:
    pyr_free(folder);
    free_trainer(&t);
    return status;
}
