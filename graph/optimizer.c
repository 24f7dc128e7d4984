/* optimizer.c - the blocks of a network in training, and the parts of an update. */
#include "graph/optimizer.h"

#include <stddef.h>

static void **block_of(pyr_optimizer *o, int i)
{
    void **blocks[] = {&o->value, &o->grad, &o->m, &o->v, &o->ema};

    return blocks[i];
}

enum { BLOCKS = 5 };

pyr_status pyr_optimizer_new(pyr_optimizer *o, pyr_kernels *k, const pyr_params *params, pyr_adamw adamw)
{
    *o = (pyr_optimizer){.k = k, .count = params->count, .adamw = adamw};
    for (int i = 0; i < BLOCKS; i++)
        PYR_TRY(pyr_alloc(k, block_of(o, i), o->count * pyr_type_size(k->real), "parameters"));
    return pyr_alloc(k, (void **)&o->state, sizeof *o->state, "step state");
}

pyr_status pyr_optimizer_add_powers(pyr_optimizer *o, const double *length, int n)
{
    for (; o->powers < n; o->powers++) {
        PYR_TRY(pyr_alloc(o->k, &o->average[o->powers], o->count * pyr_type_size(o->k->real),
                          "averages of weights"));
        o->length[o->powers] = length[o->powers];
    }
    return PYR_OK;
}

void pyr_optimizer_free(pyr_optimizer *o)
{
    if (!o->k)
        return;
    for (int i = 0; i < BLOCKS; i++)
        pyr_release(o->k, *block_of(o, i));
    for (int i = 0; i < o->powers; i++)
        pyr_release(o->k, o->average[i]);
    pyr_release(o->k, o->state);
    *o = (pyr_optimizer){0};
}

size_t pyr_optimizer_bytes(const pyr_kernels *k, const pyr_params *params)
{
    return BLOCKS * params->count * pyr_type_size(k->real);
}

void pyr_optimizer_reset(pyr_optimizer *o)
{
    size_t bytes = o->count * pyr_type_size(o->k->real);

    pyr_zero(o->k, o->m, bytes);
    pyr_zero(o->k, o->v, bytes);
    pyr_zero(o->k, o->grad, bytes);
    pyr_zero(o->k, o->state, sizeof *o->state);
}

void pyr_optimizer_start_ema(pyr_optimizer *o)
{
    pyr_copy(o->k, o->ema, o->value, o->count * pyr_type_size(o->k->real));
    for (int i = 0; i < o->powers; i++)
        pyr_copy(o->k, o->average[i], o->value, o->count * pyr_type_size(o->k->real));
}

/* An average's update, in slices. */
typedef struct averaging {
    pyr_optimizer *o;
    double keep[PYR_MOST_POWERS];
} averaging;

enum { SLICE = 1 << 18 }; /* numbers at a time */

static pyr_status average_slice(void *arg, int task, int lane)
{
    const averaging *a = arg;
    pyr_kernels *k = a->o->k;
    size_t first = (size_t)task * SLICE, at = first * pyr_type_size(k->real);
    size_t n = a->o->count - first < SLICE ? a->o->count - first : SLICE;

    (void)lane;
    for (int i = 0; i < a->o->powers; i++) {
        char *average = (char *)a->o->average[i] + at;

        pyr_combine(k, average, 2, (double[]){a->keep[i], 1 - a->keep[i]},
                    (const void *const[]){average, (const char *)a->o->value + at}, n);
    }
    return PYR_OK;
}

pyr_status pyr_optimizer_average(pyr_optimizer *o, int64_t t)
{
    averaging a = {.o = o};

    if (!o->powers)
        return PYR_OK;
    for (int i = 0; i < o->powers; i++)
        a.keep[i] = pyr_ema_keep(pyr_ema_power(o->length[i]), (double)t);
    return pyr_run_tasks(o->k, (int)((o->count + SLICE - 1) / SLICE), average_slice, &a);
}

_Static_assert(offsetof(pyr_step_state, ema_window) == offsetof(pyr_step_state, learning_rate) + 4 &&
                   offsetof(pyr_step_state, clip) == offsetof(pyr_step_state, learning_rate) + 8 &&
                   sizeof(pyr_step_input) == 12,
               "a step state holds the numbers of pyr_step_input in their order");

void pyr_optimizer_set_input(pyr_optimizer *o, const pyr_step_input *input)
{
    pyr_copy(o->k, &o->state->learning_rate, input, sizeof *input);
}

pyr_status pyr_optimizer_norm(pyr_optimizer *o)
{
    return o->k->backend->norm(o->k, o->grad, o->count, o->state);
}

pyr_status pyr_optimizer_apply(pyr_optimizer *o)
{
    return o->k->backend->adamw(o->k, &o->adamw, o->state, o->value, o->grad, o->m, o->v, o->ema, o->count);
}

pyr_status pyr_optimizer_step(pyr_optimizer *o, const pyr_step_input *input, double loss,
                              pyr_step_state *state)
{
    pyr_kernels *k = o->k;
    float rounded = (float)loss;

    pyr_upload(k, &o->state->learning_rate, input, sizeof *input);
    pyr_upload(k, &o->state->loss, &rounded, sizeof rounded);
    PYR_TRY(pyr_optimizer_norm(o));
    PYR_TRY(pyr_optimizer_apply(o));
    pyr_download(k, state, o->state, sizeof *state);
    return pyr_sync(k);
}
