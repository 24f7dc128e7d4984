#include "graph/optimizer.h"

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
        PYR_TRY(k->alloc(k, block_of(o, i), o->count * pyr_type_size(k->real), "parameters"));
    return k->alloc(k, (void **)&o->state, sizeof *o->state, "step state");
}

void pyr_optimizer_free(pyr_optimizer *o)
{
    if (!o->k)
        return;
    for (int i = 0; i < BLOCKS; i++)
        o->k->release(o->k, *block_of(o, i));
    o->k->release(o->k, o->state);
    *o = (pyr_optimizer){0};
}

size_t pyr_optimizer_bytes(const pyr_kernels *k, const pyr_params *params)
{
    return BLOCKS * params->count * pyr_type_size(k->real);
}

pyr_status pyr_optimizer_step(pyr_optimizer *o, const pyr_update *update, pyr_step_state *state)
{
    pyr_kernels *k = o->k;

    k->download(k, state, o->state, sizeof *state);
    PYR_TRY(k->sync(k));
    state->learning_rate = (float)update->learning_rate;
    state->ema_window = (float)update->ema_window;
    state->clip = (float)update->clip;
    state->loss = (float)update->loss;
    k->upload(k, o->state, state, sizeof *state);
    PYR_TRY(k->norm(k, o->grad, o->count, o->state));
    PYR_TRY(k->adamw(k, &o->adamw, o->state, o->value, o->grad, o->m, o->v, o->ema, o->count));
    k->download(k, state, o->state, sizeof *state);
    return k->sync(k);
}
