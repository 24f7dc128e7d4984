#include "levels/loss.h"

#include "base/philox.h"
#include "levels/unet.h"
#include <math.h>

enum { MOST_BATCH = 4096 };

double pyr_time_of(const pyr_unet_config *config, double s)
{
    /* Positional features are made for t in 0..1000: 62.5 log s spreads 0.002..80 over -390..270 (EDM uses
     * log(s)/4 with frequencies up to 1, which is the same up to scale). */
    return config->time_embedding_type == PYR_UNET_FOURIER ? s : 62.5 * log(s);
}

pyr_status pyr_loss_new(pyr_loss *out, pyr_kernels *k, pyr_params *params, const pyr_level *level,
                        const pyr_loss_plan *plan)
{
    const pyr_level_settings *set = &level->settings;
    pyr_shape vector = {1, 1, 1, 2 * level->variable.c}, pair = {1, 1, 1, 2}, one = {1, 1, 1, 1};
    pyr_shape words = {1, 1, 1, PYR_STREAM_WORDS};
    bool augment = plan->training && level->condition.c && set->augmentation > 0;
    pyr_value z, eps, more, sample, condition = -1, f;
    pyr_graph *g;

    *out = (pyr_loss){.k = k,
                      .level = level,
                      .training = plan->training,
                      .noise = {.density = (pyr_density)set->density,
                                .mean = set->mean,
                                .std = set->std,
                                .weight = (pyr_weight)set->weight},
                      .condition = -1,
                      .label = -1,
                      .mix_condition = -1};
    if (plan->batch > MOST_BATCH)
        return pyr_fail(PYR_E_CONFIG, "at most %d images can be in a lane at a time", MOST_BATCH);
    PYR_TRY(pyr_graph_new(&out->g, k, params));
    g = out->g;
    out->variable = pyr_graph_input(g, level->variable, k->real);
    out->stream = pyr_graph_input(g, words, PYR_U32);
    out->mix_in = pyr_graph_input(g, pair, k->real);
    out->mix_target = pyr_graph_input(g, pair, k->real);
    out->time = pyr_graph_input(g, one, k->real);
    out->weight = pyr_graph_input(g, one, k->real);
    out->vector = pyr_graph_input(g, vector, k->real);

    z = pyr_scale_shift(g, out->variable, out->vector);
    eps = pyr_noise_op(g, out->stream, level->variable, pyr_rng_purpose(PYR_RNG_NOISE, level->facts.index));
    sample = pyr_mix(g, z, eps, out->mix_in);
    if (level->condition.c) {
        out->condition = condition = pyr_graph_input(g, level->condition, k->real);
        if (augment) {
            out->mix_condition = pyr_graph_input(g, pair, k->real);
            more = pyr_noise_op(g, out->stream, level->condition,
                                pyr_rng_purpose(PYR_RNG_AUGMENT, level->facts.index));
            condition = pyr_mix(g, condition, more, out->mix_condition);
        }
        condition = pyr_affine(g, condition, 1 / level->facts.condition_std, 0);
        sample = pyr_concat(g, sample, condition);
    }
    if (level->facts.classes)
        out->label = pyr_graph_input(g, one, PYR_U32);
    f = pyr_unet_build(g, &level->unet,
                       &(pyr_unet_options){.zero_last = true, .undivided = true, .level = level->facts.index},
                       &(pyr_unet_inputs){.sample = sample,
                                          .time = out->time,
                                          .label = out->label,
                                          .stream = plan->training ? out->stream : -1});
    out->loss = pyr_squared_error(g, f, pyr_mix(g, z, eps, out->mix_target), out->weight);
    pyr_graph_keep(g, out->loss);
    if (plan->training)
        pyr_graph_seed(g, out->loss);
    /* constants are filled once and must stay */
    pyr_graph_keep(g, out->vector);
    PYR_TRY(pyr_graph_plan(g, &(pyr_plan){.batch = plan->batch,
                                          .lanes = plan->lanes,
                                          .param_gradient = plan->training,
                                          .groups = plan->groups,
                                          .recompute = plan->training && set->recompute}));
    for (int lane = 0; lane < pyr_graph_lanes(g); lane++) {
        double standardise[2 * 1024], unused[2 * 1024];
        size_t n = 2 * (size_t)level->variable.c;

        if (level->variable.c > 1024)
            return pyr_fail(PYR_E_CONFIG, "a level has %d channels, at most 1024 are possible",
                            level->variable.c);
        pyr_level_vectors(level, standardise, unused);
        for (int i = 0; i < plan->batch; i++)
            PYR_TRY(pyr_upload_reals(
                k, (char *)pyr_graph_data(g, lane, out->vector) + (size_t)i * n * pyr_type_size(k->real),
                standardise, n));
    }
    return PYR_OK;
}

void pyr_loss_free(pyr_loss *loss)
{
    pyr_graph_free(loss->g);
    *loss = (pyr_loss){0};
}

double pyr_draw_level(const pyr_loss *loss, const pyr_draw *draw, int i)
{
    pyr_rng4 r = pyr_philox(draw->seed, 0, (uint32_t)i, draw->step,
                            pyr_rng_purpose(PYR_RNG_SIGMA, loss->level->facts.index));

    return pyr_noise_level(&loss->noise, &loss->level->schedule,
                           ((double)i + (double)pyr_uniform(r.v[0])) / draw->batch);
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
        loss->k->zero(loss->k, (char *)pyr_graph_data(loss->g, lane, v) + (size_t)n * each,
                      all - (size_t)n * each);
}

pyr_status pyr_loss_draw(pyr_loss *loss, int lane, const pyr_draw *draw)
{
    pyr_kernels *k = loss->k;
    pyr_graph *g = loss->g;
    size_t real = pyr_type_size(k->real);

    /* What lies beyond n is of other buffers, and may be no number: a weight of 0 would not remove that. */
    clear_beyond(loss, lane, loss->variable, draw->n);
    if (loss->condition >= 0)
        clear_beyond(loss, lane, loss->condition, draw->n);
    for (int i = 0; i < pyr_graph_batch(g); i++) {
        bool there = i < draw->n;
        int at = draw->first + (there ? i : 0);
        double s = pyr_draw_level(loss, draw, at), root = sqrt(1 + s * s);
        double in[2] = {1 / root, s / root}, target[2] = {s / root, -1 / root};
        double condition[2] = {1, loss->level->settings.augmentation};
        double time = pyr_time_of(&loss->level->unet, s);
        double weight =
            there ? pyr_noise_weight(&loss->noise, &loss->level->schedule, s) * s * s / (1 + s * s) : 0;
        uint32_t words[PYR_STREAM_WORDS] = {(uint32_t)draw->seed, (uint32_t)(draw->seed >> 32), (uint32_t)at,
                                            draw->step};
        size_t n = (size_t)i;

        k->upload(k, (uint32_t *)pyr_graph_data(g, lane, loss->stream) + n * PYR_STREAM_WORDS, words,
                  sizeof words);
        PYR_TRY(pyr_upload_reals(k, (char *)pyr_graph_data(g, lane, loss->mix_in) + 2 * n * real, in, 2));
        PYR_TRY(
            pyr_upload_reals(k, (char *)pyr_graph_data(g, lane, loss->mix_target) + 2 * n * real, target, 2));
        PYR_TRY(pyr_upload_reals(k, (char *)pyr_graph_data(g, lane, loss->time) + n * real, &time, 1));
        PYR_TRY(pyr_upload_reals(k, (char *)pyr_graph_data(g, lane, loss->weight) + n * real, &weight, 1));
        if (loss->mix_condition >= 0)
            PYR_TRY(pyr_upload_reals(k, (char *)pyr_graph_data(g, lane, loss->mix_condition) + 2 * n * real,
                                     condition, 2));
        if (loss->label >= 0) {
            uint32_t row = row_of(loss, draw, there ? i : 0);

            k->upload(k, (uint32_t *)pyr_graph_data(g, lane, loss->label) + n, &row, sizeof row);
        }
    }
    return k->sync(k);
}
