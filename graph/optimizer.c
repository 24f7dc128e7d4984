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

void pyr_optimizer_free(pyr_optimizer *o)
{
    if (!o->k)
        return;
    for (int i = 0; i < BLOCKS; i++)
        pyr_release(o->k, *block_of(o, i));
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
