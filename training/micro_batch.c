/* micro_batch.c - how many images a lane takes at a time: measured, or chosen. */
#include "training/micro_batch.h"

#include "base/clock.h"
#include "base/file.h"
#include "levels/loss.h"
#include <math.h>
#include <stdio.h>

/* Seconds an image takes, forward and backward, on one lane: the best of a few micro-batches. */
static pyr_status time_micro_batch(pyr_kernels *k, const pyr_level *level, int micro, double *seconds)
{
    enum { LEAST = 2, MOST = 8 };
    const double enough = 0.05;
    pyr_params params = {0};
    pyr_loss loss = {0};
    void *block = NULL;
    double begin;
    pyr_status status = PYR_OK;

    *seconds = INFINITY;
    PYR_TRY_OUT(pyr_loss_new(&loss, k, &params, level,
                             &(pyr_loss_plan){.batch = micro, .groups = 1, .lanes = 1, .training = true}));
    PYR_TRY_OUT(pyr_alloc(k, &block, params.count * pyr_type_size(k->real), "parameters"));
    PYR_TRY_OUT(pyr_params_init(&params, k, block, 0, level->facts.index));
    PYR_TRY_OUT(pyr_graph_pack(loss.g, block));
    begin = pyr_now();
    for (int i = 0; i < MOST && (i < LEAST || pyr_now() - begin < enough); i++) {
        double start;

        PYR_TRY_OUT(pyr_loss_draw(&loss, 0, &(pyr_draw){.batch = micro})); /* no images: all are zeroed */
        PYR_TRY_OUT(pyr_loss_draw(&loss, 0, &(pyr_draw){.n = micro, .batch = micro}));
        start = pyr_now();
        PYR_TRY_OUT(pyr_graph_forward(loss.g, 0));
        pyr_zero(k, pyr_graph_gradient(loss.g, 0, loss.loss), (size_t)micro * pyr_type_size(k->real));
        PYR_TRY_OUT(pyr_graph_backward(loss.g, 0, 0));
        *seconds = fmin(*seconds, (pyr_now() - start) / micro);
    }
out:
    pyr_loss_free(&loss);
    pyr_params_free(&params);
    pyr_release(k, block);
    return status;
}

/* The fastest of 2, 4, 8, … until they get slower; a smaller one, which takes less memory, when it is nearly
 * as fast. */
static pyr_status measure_micro_batch(pyr_kernels *k, const pyr_level *level, int most, int *best)
{
    double shortest = INFINITY, seconds;
    int micro = most < 2 ? most : 2;

    for (;;) {
        PYR_TRY(time_micro_batch(k, level, micro, &seconds));
        if (seconds < 0.98 * shortest) {
            shortest = seconds;
            *best = micro;
        }
        if (micro == most || seconds > 1.02 * shortest)
            return PYR_OK;
        micro = 2 * micro < most ? 2 * micro : most;
    }
}

/* What the choice depends on: the network, its type, the most that is possible. */
static pyr_status name_micro_batch(const pyr_level *level, int most, char *name, size_t room)
{
    pyr_text text = {0};
    pyr_status status = pyr_unet_config_write(&text, &level->unet);
    uint64_t hash;

    if (status == PYR_OK) {
        hash = pyr_hash(PYR_HASH_START, text.at, text.length);
        hash = pyr_hash(hash, &level->variable, sizeof level->variable);
        hash = pyr_hash(hash, &level->condition, sizeof level->condition);
        snprintf(name, room, "micro-batch %016llx %s of %d%s", (unsigned long long)hash,
                 level->precision == PYR_PRECISION_BF16 ? "bf16" : "f32", most,
                 level->settings.recompute ? " recompute" : "");
    }
    pyr_text_free(&text);
    return status;
}

pyr_status pyr_choose_micro_batch(int *out, pyr_kernels *k, const pyr_level *level)
{
    enum { MOST = 64, MOST_AT_ONCE = 4096 };
    const pyr_level_settings *s = &level->settings;
    int most = (s->batch + s->groups - 1) / s->groups, micro;
    char name[96];

    if (k->backend->whole_batch)
        most = s->batch < MOST_AT_ONCE ? s->batch : MOST_AT_ONCE;
    else if (most > MOST)
        most = MOST;
    if (s->batch_gpu > 0 || k->backend->whole_batch) {
        *out = s->batch_gpu > 0 && s->batch_gpu < most ? s->batch_gpu : most;
        return PYR_OK;
    }
    PYR_TRY(name_micro_batch(level, most, name, sizeof name));
    if (!pyr_tuning_get(k->tuning, name, &micro) || micro < 1 || micro > most) {
        micro = most < k->micro_batch ? most : k->micro_batch;
        if (pyr_tuning_measures(k->tuning)) {
            PYR_TRY(measure_micro_batch(k, level, most, &micro));
            PYR_TRY(pyr_tuning_put(k->tuning, name, micro));
        }
    }
    *out = micro;
    return PYR_OK;
}
