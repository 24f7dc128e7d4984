/* loss.c - the graph of denoising score matching, and what is drawn for it. */
#include "levels/loss.h"

#include "base/mem.h"
#include "base/philox.h"
#include "images/transform.h"
#include "network/unet.h"
#include <string.h>

enum { MOST_BATCH = 4096 };

/* The condition as the network reads it, or -1. */
static pyr_value build_condition(pyr_loss *out, const pyr_loss_plan *plan)
{
    const pyr_level *level = out->level;
    pyr_graph *g = out->g;
    pyr_shape pair = {1, 1, 1, 2}, one = {1, 1, 1, 1};
    pyr_value condition, noise;

    if (!level->condition.c)
        return -1;
    out->condition = condition = pyr_graph_input(g, level->condition, out->k->real);
    if (plan->given_estimates) {
        out->estimated = pyr_graph_input(g, level->condition, out->k->real);
        out->mix_given = pyr_graph_input(g, pair, out->k->real);
        condition = pyr_mix(g, condition, out->estimated, out->mix_given);
    }
    if (plan->given_gradient) {
        pyr_graph_seed(g, condition);
        pyr_graph_want_gradient(g, out->estimated);
    }
    out->given = condition;
    if (plan->estimate)
        pyr_graph_keep(g, condition); /* the estimated image is made with it */
    if (plan->training && level->settings.augmentation > 0) {
        out->mix_condition = pyr_graph_input(g, pair, out->k->real);
        noise = pyr_noise_op(g, out->stream, level->condition,
                             pyr_rng_purpose(PYR_RNG_AUGMENT, level->facts.index));
        condition = pyr_mix(g, condition, noise, out->mix_condition);
    }
    condition = pyr_affine(g, condition, 1 / level->facts.condition_std, 0);
    if (level->facts.noise_unit > 0) {
        out->noise_channel = pyr_graph_input(g, one, out->k->real);
        condition = pyr_concat(g, condition,
                               pyr_upsample(g, out->noise_channel, level->condition.h, level->condition.w));
    }
    return condition;
}

/* Of the objectives that go by two evaluations: how far apart, in the network's input of variance 1. Rounding of
 * floats and the third derivative then take about 1e-4 each. */
static const double probe_step = 0.01;

/* The network on this input; the parameters are the same wherever it stands. */
static pyr_value network(pyr_loss *out, const pyr_loss_plan *plan, pyr_value sample, pyr_value condition)
{
    const pyr_level *level = out->level;

    if (condition >= 0)
        sample = pyr_concat(out->g, sample, condition);
    return pyr_unet_build(out->g, &level->unet,
                          &(pyr_unet_options){.zero_last = true,
                                              .undivided = true,
                                              .transforms = out->transform >= 0,
                                              .level = level->facts.index,
                                              .shared = plan->shared},
                          &(pyr_unet_inputs){.sample = sample,
                                             .time = out->time,
                                             .label = out->label,
                                             .which = out->which,
                                             .transform = out->transform,
                                             .stream = plan->training ? out->stream : -1});
}

/* Of implicit and sliced score matching: the loss without z. v^T (N+ - N-)/2h, in the mean of numbers, is a quarter of
 * the difference of |delta + v|^2 and |delta - v|^2. */
static pyr_value probed_loss(pyr_loss *out, const pyr_loss_plan *plan, pyr_value x, pyr_value x_target,
                             pyr_value condition)
{
    pyr_graph *g = out->g;
    pyr_shape one = {1, 1, 1, 1};
    pyr_value v, plus, minus, mean, delta, loss;

    out->probe = v = pyr_graph_input(g, out->level->variable, out->k->real);
    out->slope = pyr_graph_input(g, one, out->k->real);
    out->minus_slope = pyr_graph_input(g, one, out->k->real);
    out->constant = pyr_graph_input(g, one, out->k->real);
    plus = network(out, plan, pyr_add(g, x, pyr_affine(g, v, probe_step, 0), 1), condition);
    minus = network(out, plan, pyr_add(g, x, pyr_affine(g, v, -probe_step, 0), 1), condition);
    mean = pyr_add(g, plus, minus, 0.5);
    delta = pyr_add(g, plus, pyr_affine(g, minus, -1, 0), 1 / (2 * probe_step));
    loss = pyr_squared_error(g, mean, x_target, out->weight);
    loss = pyr_add(g, loss, pyr_squared_error(g, delta, pyr_affine(g, v, -1, 0), out->slope), 1);
    loss = pyr_add(g, loss, pyr_squared_error(g, delta, v, out->minus_slope), 1);
    return pyr_add(g, loss, out->constant, 1);
}

static bool is_probed(const pyr_loss *loss)
{
    return loss->objective == PYR_SLICED_SCORE_MATCHING || loss->objective == PYR_IMPLICIT_SCORE_MATCHING;
}

static void build(pyr_loss *out, const pyr_loss_plan *plan)
{
    const pyr_level *level = out->level;
    pyr_shape vector = {1, 1, 1, 2 * level->variable.c}, pair = {1, 1, 1, 2}, one = {1, 1, 1, 1};
    pyr_shape words = {1, 1, 1, PYR_STREAM_WORDS};
    pyr_type real = out->k->real;
    pyr_graph *g = out->g;
    pyr_value z, eps, x, target, condition, f = -1;

    out->variable = pyr_graph_input(g, level->variable, real);
    out->stream = pyr_graph_input(g, words, PYR_U32);
    out->mix_in = pyr_graph_input(g, pair, real);
    out->mix_target = pyr_graph_input(g, pair, real);
    out->time = pyr_graph_input(g, one, real);
    out->weight = pyr_graph_input(g, one, real);
    out->vector = pyr_graph_input(g, vector, real);

    z = pyr_scale_shift(g, out->variable, out->vector);
    eps = pyr_noise_op(g, out->stream, level->variable, pyr_rng_purpose(PYR_RNG_NOISE, level->facts.index));
    x = pyr_mix(g, z, eps, out->mix_in);
    condition = build_condition(out, plan);
    if (level->facts.classes)
        out->label = pyr_graph_input(g, one, PYR_U32);
    if (plan->shared)
        out->which = pyr_graph_input(g, one, PYR_U32);
    if (plan->transforms > 0)
        out->transform = pyr_graph_input(g, (pyr_shape){1, 1, 1, PYR_TRANSFORM_LABELS}, real);
    if (out->objective == PYR_EXPLICIT_SCORE_MATCHING) {
        out->posterior = pyr_graph_input(g, level->variable, real);
        target = pyr_mix(g, out->posterior, x, out->mix_target);
    } else
        target = pyr_mix(g, z, eps, out->mix_target);
    if (is_probed(out))
        out->loss = probed_loss(out, plan, x, target, condition);
    else {
        f = network(out, plan, x, condition);
        out->loss = pyr_squared_error(g, f, target, out->weight);
    }
    pyr_graph_keep(g, out->loss);
    if (plan->training)
        pyr_graph_seed(g, out->loss);
    if (plan->estimate) {
        out->mix_estimate = pyr_graph_input(g, pair, real);
        out->vector_out = pyr_graph_input(g, vector, real);
        out->estimate = pyr_scale_shift(g, pyr_mix(g, x, f, out->mix_estimate), out->vector_out);
        pyr_graph_keep(g, out->estimate);
        pyr_graph_keep(g, out->vector_out);
        if (plan->estimate_gradient)
            pyr_graph_seed(g, out->estimate);
    }
    /* constants are filled once and must stay */
    pyr_graph_keep(g, out->vector);
    if (out->which >= 0)
        pyr_graph_keep(g, out->which);
}

static pyr_status put_constants(pyr_loss *out, int lane)
{
    const pyr_level *level = out->level;
    pyr_kernels *k = out->k;
    pyr_graph *g = out->g;
    int batch = pyr_graph_batch(g);
    uint32_t which = (uint32_t)level->facts.index;

    PYR_TRY(pyr_level_put_vector(level, k, pyr_graph_data(g, lane, out->vector), batch, false));
    if (out->vector_out >= 0)
        PYR_TRY(pyr_level_put_vector(level, k, pyr_graph_data(g, lane, out->vector_out), batch, true));
    for (int i = 0; i < batch && out->which >= 0; i++)
        pyr_upload(k, (uint32_t *)pyr_graph_data(g, lane, out->which) + i, &which, sizeof which);
    return pyr_sync(k);
}

/* What is drawn, in this order; AMOUNT of noise on the condition. */
enum {
    STREAM,
    LABEL,
    MIX_IN,
    MIX_TARGET,
    MIX_ESTIMATE,
    MIX_CONDITION,
    MIX_GIVEN,
    TIME,
    WEIGHT,
    AMOUNT,
    POSTERIOR_OR_PROBE,
    SLOPE,
    MINUS_SLOPE,
    CONSTANT,
    TRANSFORM
};

static void lay_out_draws(pyr_loss *out)
{
    size_t real = pyr_type_size(out->k->real), word = sizeof(uint32_t);
    const pyr_drawn all[PYR_DRAWN] = {[STREAM] = {out->stream, 0, PYR_STREAM_WORDS * word},
                                      [LABEL] = {out->label, 0, word},
                                      [MIX_IN] = {out->mix_in, 0, 2 * real},
                                      [MIX_TARGET] = {out->mix_target, 0, 2 * real},
                                      [MIX_ESTIMATE] = {out->mix_estimate, 0, 2 * real},
                                      [MIX_CONDITION] = {out->mix_condition, 0, 2 * real},
                                      [MIX_GIVEN] = {out->mix_given, 0, 2 * real},
                                      [TIME] = {out->time, 0, real},
                                      [WEIGHT] = {out->weight, 0, real},
                                      [AMOUNT] = {out->noise_channel, 0, real},
                                      [POSTERIOR_OR_PROBE] = {out->probe >= 0 ? out->probe : out->posterior,
                                                              0, pyr_count(out->level->variable) * real},
                                      [SLOPE] = {out->slope, 0, real},
                                      [MINUS_SLOPE] = {out->minus_slope, 0, real},
                                      [CONSTANT] = {out->constant, 0, real},
                                      [TRANSFORM] = {out->transform, 0, PYR_TRANSFORM_LABELS * real}};

    _Static_assert((int)TRANSFORM + 1 == (int)PYR_DRAWN, "the draws have their places");
    for (int i = 0; i < PYR_DRAWN; i++) {
        out->drawn[i] = all[i];
        out->drawn[i].at = out->draw_bytes;
        if (all[i].value >= 0)
            out->draw_bytes += pyr_aligned((size_t)pyr_graph_batch(out->g) * all[i].each);
    }
}

/* The graph, not planned. */
static pyr_status build_graph(pyr_loss *out, pyr_kernels *k, pyr_params *params, const pyr_level *level,
                              const pyr_loss_plan *plan)
{
    *out = (pyr_loss){.k = k,
                      .level = level,
                      .training = plan->training,
                      .condition = -1,
                      .label = -1,
                      .which = -1,
                      .mix_condition = -1,
                      .noise_channel = -1,
                      .estimate = -1,
                      .mix_estimate = -1,
                      .vector_out = -1,
                      .given = -1,
                      .estimated = -1,
                      .mix_given = -1,
                      .posterior = -1,
                      .probe = -1,
                      .slope = -1,
                      .minus_slope = -1,
                      .constant = -1,
                      .transform = -1,
                      .transforms = plan->transforms,
                      .objective = plan->training ? (pyr_objective)level->settings.objective
                                                  : PYR_DENOISING_SCORE_MATCHING,
                      .probability = plan->probability};
    if (is_probed(out) && (plan->estimate || plan->given_estimates))
        return pyr_fail(
            PYR_E_CONFIG,
            "level.objective is %s: levels that are trained on estimates (cascade.condition) need "
            "denoising score matching",
            pyr_objective_names[out->objective]);
    PYR_TRY(pyr_graph_new(&out->g, k, is_probed(out) ? PYR_PRECISION_FULL : level->precision, params));
    build(out, plan);
    return PYR_OK;
}

pyr_status pyr_loss_cost(pyr_kernels *k, const pyr_level *level, double *flop, double *parameters)
{
    pyr_params params = {0};
    pyr_loss loss = {0};
    pyr_status status = build_graph(&loss, k, &params, level, &(pyr_loss_plan){.batch = 1, .training = true});

    if (status == PYR_OK) {
        *flop = pyr_graph_flop(loss.g);
        *parameters = (double)pyr_params_model_count(&params);
    }
    pyr_loss_free(&loss);
    pyr_params_free(&params);
    return status;
}

pyr_status pyr_loss_new(pyr_loss *out, pyr_kernels *k, pyr_params *params, const pyr_level *level,
                        const pyr_loss_plan *plan)
{
    const pyr_level_settings *set = &level->settings;

    PYR_TRY(build_graph(out, k, params, level, plan));
    PYR_TRY(pyr_level_training_noise(&out->noise, set));
    if (plan->batch > MOST_BATCH)
        return pyr_fail(PYR_E_CONFIG, "at most %d images can be in a lane at a time", MOST_BATCH);
    PYR_TRY(pyr_graph_plan(out->g, &(pyr_plan){.batch = plan->batch,
                                               .lanes = plan->lanes,
                                               .param_gradient = plan->training,
                                               .groups = plan->groups,
                                               .parts = plan->parts,
                                               .recompute = plan->training && set->recompute}));
    for (int lane = 0; lane < pyr_graph_lanes(out->g); lane++)
        PYR_TRY(put_constants(out, lane));
    lay_out_draws(out);
    return pyr_new(&out->host, (size_t)pyr_graph_lanes(out->g), out->draw_bytes, "draws of a batch");
}

void pyr_loss_free(pyr_loss *loss)
{
    pyr_graph_free(loss->g);
    pyr_free(loss->host);
    *loss = (pyr_loss){0};
}

double pyr_draw_level(const pyr_loss *loss, const pyr_draw *draw, int i)
{
    pyr_rng4 r = pyr_philox(draw->seed, 0, (uint32_t)i, draw->step,
                            pyr_rng_purpose(PYR_RNG_SIGMA, loss->level->facts.index));

    return pyr_noise_quantile(&loss->noise, &loss->level->schedule,
                              ((double)i + (double)pyr_uniform(r.v[0])) / draw->batch);
}

double pyr_draw_augmentation(const pyr_loss *loss, const pyr_draw *draw, int i)
{
    const pyr_level_settings *set = &loss->level->settings;
    double least = set->augmentation_min < 0 ? set->augmentation : set->augmentation_min;
    pyr_rng4 r;

    if (!loss->training)
        return 0;
    r = pyr_philox(draw->seed, 2, (uint32_t)i, draw->step,
                   pyr_rng_purpose(PYR_RNG_SIGMA, loss->level->facts.index));
    return least + (set->augmentation - least) * (double)pyr_uniform(r.v[0]);
}

/* The label's row, or the row of "no class". Which images lose their label is the same on every level. */
static uint32_t row_of(const pyr_loss *loss, const pyr_draw *draw, int i)
{
    pyr_rng4 r =
        pyr_philox(draw->seed, 1, (uint32_t)(draw->first + i), draw->step, pyr_rng_purpose(PYR_RNG_SIGMA, 0));
    bool drop = loss->training && (double)pyr_uniform(r.v[0]) < loss->level->settings.class_dropout;

    return drop || !draw->labels ? (uint32_t)loss->level->facts.classes : (uint32_t)draw->labels[i];
}

/* Zero an input from image n on. */
static void clear_beyond(pyr_loss *loss, int lane, pyr_value v, int n)
{
    pyr_shape s = pyr_graph_shape(loss->g, v);
    size_t all = pyr_count(s) * pyr_type_size(loss->k->real), each = all / (size_t)s.n;

    if (n < s.n)
        pyr_zero(loss->k, (char *)pyr_graph_data(loss->g, lane, v) + (size_t)n * each,
                 all - (size_t)n * each);
}

/* Whether image i of the batch is given an estimate. */
static bool is_given_estimate(const pyr_loss *loss, const pyr_draw *draw, int i)
{
    pyr_rng4 r = pyr_philox(draw->seed, 3, (uint32_t)i, draw->step,
                            pyr_rng_purpose(PYR_RNG_SIGMA, loss->level->facts.index));

    return (double)pyr_uniform(r.v[0]) < loss->probability;
}

/* The probe of image `at` of a batch into place i: signs, or normals. */
static void put_probe(const pyr_loss *loss, const pyr_draw *draw, int at, char *to, int i)
{
    size_t size = pyr_count(loss->level->variable);
    uint32_t purpose = pyr_rng_purpose(PYR_RNG_TASK, loss->level->facts.index);

    for (size_t j = 0; j < size; j++) {
        size_t place = (size_t)i * size + j;
        float four[4];

        if (loss->objective == PYR_IMPLICIT_SCORE_MATCHING) {
            pyr_rng4 r = pyr_philox(draw->seed, (uint32_t)(j / 128), (uint32_t)at, draw->step, purpose);

            pyr_put_real(loss->k, to, place, r.v[j / 32 % 4] >> j % 32 & 1 ? 1 : -1);
        } else {
            if (j % 4 == 0)
                pyr_normal4(draw->seed, (uint32_t)(j / 4), (uint32_t)at, draw->step, purpose, four);
            pyr_put_real(loss->k, to, place, (double)four[j % 4]);
        }
    }
}

/* What image `at` of the batch is told of its transformations, into place i. */
static void put_transform(const pyr_loss *loss, const pyr_draw *draw, int at, char *to, int i)
{
    pyr_transform t;

    pyr_transform_draw(&t, draw->seed, (uint32_t)at, draw->step, loss->transforms);
    for (size_t j = 0; j < PYR_TRANSFORM_LABELS; j++)
        pyr_put_real(loss->k, to, (size_t)i * PYR_TRANSFORM_LABELS + j, t.label[j]);
}

/* The numbers or words that a drawn input has for image i; nothing when there is no such input. */
static void put_numbers(const pyr_loss *loss, char *host, int what, int i, double first, double second)
{
    const pyr_drawn *d = &loss->drawn[what];
    void *to = host + d->at + (size_t)i * d->each;
    size_t n = d->each / pyr_type_size(loss->k->real);
    double numbers[2] = {first, second};

    for (size_t j = 0; j < n && d->value >= 0; j++)
        pyr_put_real(loss->k, to, j, numbers[j]);
}

static void put_words(const pyr_loss *loss, char *host, int what, int i, const uint32_t *words)
{
    const pyr_drawn *d = &loss->drawn[what];

    if (d->value >= 0)
        memcpy(host + d->at + (size_t)i * d->each, words, d->each);
}

/* D* of image `image` of the draw, which has place `at` in the batch, into place i. Its x as the graph will have it. */
static void put_posterior(const pyr_loss *loss, const pyr_draw *draw, int image, int at, double s, char *to,
                          int i)
{
    const pyr_parzen *p = loss->parzen;
    const float *z = p->z + (size_t)draw->images[image] * p->size;
    double *x = p->room, *mean = x + p->size, *weight = mean + p->size;
    uint32_t purpose = pyr_rng_purpose(PYR_RNG_NOISE, loss->level->facts.index);
    float four[4];

    for (size_t j = 0; j < p->size; j++) {
        if (j % 4 == 0)
            pyr_normal4(draw->seed, (uint32_t)(j / 4), (uint32_t)at, draw->step, purpose, four);
        x[j] = (double)z[j] + s * (double)four[j % 4];
    }
    pyr_parzen_mean(p, x, s, mean, weight);
    for (size_t j = 0; j < p->size; j++)
        pyr_put_real(loss->k, to, (size_t)i * p->size + j, mean[j]);
}

/* What the other objectives need, of image i, which has noise level s: the coefficients of its target too. */
static void draw_objective(const pyr_loss *loss, const pyr_draw *draw, int i, double s, double w, char *host)
{
    const pyr_level *level = loss->level;
    pyr_level_coefs c = pyr_level_coefs_at(level, s);
    int at = draw->first + (i < draw->n ? i : 0);
    double slope = w * s * s * c.to.out * c.in / 2, known = (1 - c.to.skip) / c.to.out;

    if (loss->objective == PYR_EXPLICIT_SCORE_MATCHING) {
        if (loss->parzen) /* otherwise only time is of interest: zeros */
            put_posterior(loss, draw, i < draw->n ? i : 0, at, s, host + loss->drawn[POSTERIOR_OR_PROBE].at,
                          i);
        /* z_part D* + eps_part (x - D*)/s, and x is read times c.in */
        put_numbers(loss, host, MIX_TARGET, i, c.to.z_part - c.to.eps_part / s, c.to.eps_part / (s * c.in));
        return;
    }
    put_probe(loss, draw, at, host + loss->drawn[POSTERIOR_OR_PROBE].at, i);
    put_numbers(loss, host, MIX_TARGET, i, known, s * known);
    put_numbers(loss, host, SLOPE, i, slope, 0);
    put_numbers(loss, host, MINUS_SLOPE, i, -slope, 0);
    put_numbers(loss, host, CONSTANT, i, w * s * s * (2 * c.to.skip - 1), 0);
}

/* The noise inputs of place i; places beyond draw->n repeat the first image, with weight 0. */
static void draw_image(const pyr_loss *loss, const pyr_draw *draw, int i, char *host)
{
    bool there = i < draw->n;
    int at = draw->first + (there ? i : 0);
    double s = pyr_draw_level(loss, draw, at), amount = pyr_draw_augmentation(loss, draw, at);
    pyr_level_coefs c = pyr_level_coefs_at(loss->level, s);
    double weight =
        there ? pyr_noise_weight(&loss->noise, &loss->level->schedule, s) * c.to.out * c.to.out : 0;
    bool estimated = loss->mix_given >= 0 && is_given_estimate(loss, draw, at);
    uint32_t row = loss->label >= 0 ? row_of(loss, draw, there ? i : 0) : 0;
    const uint32_t words[PYR_STREAM_WORDS] = {(uint32_t)draw->seed, (uint32_t)(draw->seed >> 32),
                                              (uint32_t)at, draw->step};

    put_words(loss, host, STREAM, i, words);
    put_words(loss, host, LABEL, i, &row);
    put_numbers(loss, host, MIX_IN, i, c.in, s * c.in);
    put_numbers(loss, host, MIX_TARGET, i, c.to.z_part, c.to.eps_part);
    /* of what the network reads, and gives */
    put_numbers(loss, host, MIX_ESTIMATE, i, c.to.skip / c.in, c.to.out);
    put_numbers(loss, host, MIX_CONDITION, i, 1, amount);
    put_numbers(loss, host, MIX_GIVEN, i, !estimated, estimated);
    put_numbers(loss, host, TIME, i, c.time, 0);
    put_numbers(loss, host, WEIGHT, i, weight, 0);
    put_numbers(loss, host, AMOUNT, i, pyr_level_noise_channel(loss->level, amount), 0);
    if (loss->transform >= 0)
        put_transform(loss, draw, at, host + loss->drawn[TRANSFORM].at, i);
    if (loss->objective != PYR_DENOISING_SCORE_MATCHING)
        draw_objective(loss, draw, i, s,
                       there ? pyr_noise_weight(&loss->noise, &loss->level->schedule, s) : 0, host);
}

void pyr_loss_prepare(const pyr_loss *loss, const pyr_draw *draw, void *host)
{
    for (int i = 0; i < pyr_graph_batch(loss->g); i++)
        draw_image(loss, draw, i, host);
}

/* What lies beyond n is of other buffers, and may be no number: a weight of 0 would not remove that. */
static void clear_images_beyond(pyr_loss *loss, int lane, int n)
{
    const pyr_value images[] = {loss->variable, loss->condition, loss->estimated};

    for (int i = 0; i < 3; i++)
        if (images[i] >= 0)
            clear_beyond(loss, lane, images[i], n);
}

/* The draws in `block` into the lane's inputs by `move`: pyr_copy, or pyr_upload from host memory. */
static void take(pyr_loss *loss, int lane, const char *block, int n,
                 void (*move)(pyr_kernels *k, void *dst, const void *src, size_t bytes))
{
    clear_images_beyond(loss, lane, n);
    for (int i = 0; i < PYR_DRAWN; i++) {
        const pyr_drawn *d = &loss->drawn[i];

        if (d->value >= 0)
            move(loss->k, pyr_graph_data(loss->g, lane, d->value), block + d->at,
                 (size_t)pyr_graph_batch(loss->g) * d->each);
    }
}

void pyr_loss_take(pyr_loss *loss, int lane, const void *block, int n)
{
    take(loss, lane, block, n, pyr_copy);
}

pyr_status pyr_loss_draw(pyr_loss *loss, int lane, const pyr_draw *draw)
{
    char *host = loss->host + (size_t)lane * loss->draw_bytes;

    pyr_loss_prepare(loss, draw, host);
    take(loss, lane, host, draw->n, pyr_upload);
    return PYR_OK;
}
