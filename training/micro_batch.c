/* micro_batch.c - how many images a lane takes at a time, in how many sums: measured, or chosen. */
#include "training/micro_batch.h"

#include "base/clock.h"
#include "base/file.h"
#include "graph/sum_tree.h"
#include "levels/loss.h"
#include <math.h>
#include <stdio.h>

/* Seconds an image takes, forward and backward, on one lane: the best of a few pieces, in parts of `part` images, or
 * whole (0). */
static pyr_status time_micro_batch(pyr_kernels *k, const pyr_level *level, int micro, int part,
                                   double *seconds)
{
    enum { LEAST = 2, MOST = 8 };
    const double enough = 0.05;
    pyr_params params = {0};
    pyr_loss loss = {0};
    void *block = NULL;
    double begin;
    pyr_status status = PYR_OK;

    *seconds = INFINITY;
    PYR_TRY_OUT(pyr_loss_new(
        &loss, k, &params, level,
        &(pyr_loss_plan){
            .batch = micro, .groups = 1, .parts = part ? micro / part : 1, .lanes = 1, .training = true}));
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
        pyr_graph_clear(loss.g, 0);
        PYR_TRY_OUT(pyr_graph_backward(loss.g, 0, 0));
        *seconds = fmin(*seconds, (pyr_now() - start) / micro);
    }
out:
    pyr_loss_free(&loss);
    pyr_params_free(&params);
    pyr_release(k, block);
    return status;
}

/* The fastest of 2, 4, 8, … until they get slower; a smaller one, which takes less memory, when it is nearly as fast. */
static pyr_status measure_micro_batch(pyr_kernels *k, const pyr_level *level, int most, int *best)
{
    double shortest = INFINITY, seconds;
    int micro = most < 2 ? most : 2;

    for (;;) {
        PYR_TRY(time_micro_batch(k, level, micro, 0, &seconds));
        if (seconds < 0.98 * shortest) {
            shortest = seconds;
            *best = micro;
        }
        if (micro == most || seconds > 1.02 * shortest)
            return PYR_OK;
        micro = 2 * micro < most ? 2 * micro : most;
    }
}

/* The largest of `part` times 1, 2, 4, …, unless a smaller one is clearly faster: each piece has a sum of its own to be
 * added, which is not in what is timed (rgb32 on two threads: 30 images/s in pieces of 1, 40 in pieces of 2). */
static pyr_status measure_parts(pyr_kernels *k, const pyr_level *level, int most, int part, int *best)
{
    double shortest, seconds;

    *best = part;
    while (2 * *best <= most)
        *best *= 2;
    PYR_TRY(time_micro_batch(k, level, *best, part, &shortest));
    for (int micro = *best / 2; micro >= part; micro /= 2) {
        PYR_TRY(time_micro_batch(k, level, micro, part, &seconds));
        if (seconds < 0.95 * shortest) {
            shortest = seconds;
            *best = micro;
        }
    }
    return PYR_OK;
}

/* What the choice depends on: the network, its type, the most that is possible, the parts. */
static pyr_status name_micro_batch(const pyr_level *level, int most, int part, char *name, size_t room)
{
    char parts[32] = "";

    pyr_text text = {0};
    pyr_status status = pyr_unet_config_write(&text, &level->unet);
    uint64_t hash;

    if (status == PYR_OK) {
        hash = pyr_hash(PYR_HASH_START, text.at, text.length);
        hash = pyr_hash(hash, &level->variable, sizeof level->variable);
        hash = pyr_hash(hash, &level->condition, sizeof level->condition);
        if (level->settings.objective != PYR_DENOISING_SCORE_MATCHING)
            hash = pyr_hash(hash, &level->settings.objective, sizeof level->settings.objective);
        if (part)
            snprintf(parts, sizeof parts, " by parts of %d", part);
        snprintf(name, room, "micro-batch %016llx %s of %d%s%s", (unsigned long long)hash,
                 level->precision == PYR_PRECISION_BF16 ? "bf16" : "f32", most,
                 level->settings.recompute ? " recompute" : "", parts);
    }
    pyr_text_free(&text);
    return status;
}

/* What is known, or measured now, or the kernels' usual number; at most `most`. part 0: the piece is one. */
static pyr_status best_piece(int *out, pyr_kernels *k, const pyr_level *level, int most, int part)
{
    char name[128];
    int micro;

    PYR_TRY(name_micro_batch(level, most, part, name, sizeof name));
    if (!pyr_tuning_get(k->tuning, name, &micro) || micro < 1 || micro > most) {
        micro = most < k->micro_batch ? most : k->micro_batch;
        if (pyr_tuning_measures(k->tuning)) {
            PYR_TRY(part ? measure_parts(k, level, most, part, &micro)
                         : measure_micro_batch(k, level, most, &micro));
            PYR_TRY(pyr_tuning_put(k->tuning, name, micro));
        }
    }
    *out = micro;
    return PYR_OK;
}

enum { MOST = 64, MOST_AT_ONCE = 4096 };

/* A piece is a part, or the batch, of which there are level.groups sums. */
static pyr_status divide_into_groups(pyr_division *out, pyr_kernels *k, const pyr_level *level)
{
    const pyr_level_settings *s = &level->settings;
    int groups = k->backend->whole_batch ? 1 : s->groups, most = (s->batch + groups - 1) / groups;

    if (k->backend->whole_batch)
        most = s->batch < MOST_AT_ONCE ? s->batch : MOST_AT_ONCE;
    else if (most > MOST)
        most = MOST;
    *out = (pyr_division){.parts = 1, .groups = groups, .accumulators = groups, .sums = groups};
    if (s->batch_gpu == 0 && !k->backend->whole_batch)
        return best_piece(&out->images, k, level, most, 0);
    out->images = s->batch_gpu > 0 && s->batch_gpu < most ? s->batch_gpu : most;
    return PYR_OK;
}

int pyr_part_images(int batch, double flop, double parameters)
{
    /* Estimated: a sum of its own costs a parameter as much as 40 operations (its place in Winograd's transforms, and an
     * addition); an image takes three times `flop`. docs/design-notes.md ("Every core") has what it came to. */
    const double cost = 40 * parameters / (3 * flop);
    /* Of a part's time at most 3 % are for its sum, while there are enough parts for most machines; at most 10 % in any
     * case; and no more parts than any machine needs. */
    enum { ENOUGH = 16, MOST_PARTS = 128 };
    int images = 1;

    while (2 * images <= batch && (images * MOST_PARTS < batch || cost > 0.1 * images ||
                                   (cost > 0.03 * images && 2 * images * ENOUGH <= batch)))
        images *= 2;
    return images;
}

/* Time of all, in parts. */
static int makespan(int parts, int together, int lanes)
{
    int pieces = (parts + together - 1) / together;

    return (pieces + lanes - 1) / lanes * together;
}

int pyr_parts_together(int parts, int most, int lanes)
{
    int together = 1;

    while (2 * together <= most && together < parts &&
           makespan(parts, 2 * together, lanes) <= makespan(parts, 1, lanes))
        together *= 2;
    return together;
}

/* Beyond a quarter of a batch, or eight images that keep a lane at work for long (`flop`: of an image, forward), memory
 * grows and little is gained: at 282 MFLOP and AVX2 pieces of 8 train 439 images/s in 193 MiB, of 32 422 in 276; at 48
 * MFLOP and AMX 8500 and 9960 in 61 and 66 MiB. */
static int largest_piece(int batch, int part, double flop)
{
    enum { LEAST = 8 };
    const double enough = 2e9;
    int most = LEAST;

    while (most < MOST && 2 * most * flop <= enough)
        most *= 2;
    if (most > batch / 4)
        most = batch / 4;
    return most > part ? most : part;
}

pyr_status pyr_divide_batch(pyr_division *out, pyr_kernels *k, const pyr_level *const *level, int n)
{
    const pyr_level_settings *s = &level[0]->settings;
    int part = 1, most = 0, pieces;
    double flop, most_flop = 0;

    if (s->groups || k->backend->whole_batch) {
        pyr_division other;

        PYR_TRY(divide_into_groups(out, k, level[0]));
        for (int i = 1; i < n; i++) {
            PYR_TRY(divide_into_groups(&other, k, level[i]));
            out->images = other.images < out->images ? other.images : out->images;
        }
        return PYR_OK;
    }
    for (int i = 0; i < n; i++) {
        double parameters;
        int own;

        PYR_TRY(pyr_loss_cost(k, level[i], &flop, &parameters));
        own = pyr_part_images(s->batch, flop, parameters);
        part = own > part ? own : part;
        most_flop = fmax(most_flop, flop);
    }
    for (int i = 0; i < n; i++)
        while (level[i]->settings.batch_gpu > 0 && part > level[i]->settings.batch_gpu)
            part /= 2;
    for (int i = 0; i < n; i++) {
        int own = level[i]->settings.batch_gpu;

        if (!own)
            PYR_TRY(best_piece(&own, k, level[i], largest_piece(s->batch, part, most_flop), part));
        most = most && most < own ? most : own;
    }
    *out = (pyr_division){.sums = (s->batch + part - 1) / part};
    out->parts = pyr_parts_together(out->sums, most / part, k->lanes);
    out->images = part * out->parts;
    pieces = (s->batch + out->images - 1) / out->images;
    out->accumulators = pyr_sum_tree_buffers(pieces, k->lanes);
    return PYR_OK;
}
