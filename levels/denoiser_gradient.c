#include "levels/denoiser_gradient.h"

#include <assert.h>

/* D = G D_class + (1 - G) D_none: both parts get their share of v, and their gradients are summed. */
pyr_status pyr_denoiser_vjp(void *denoising, const void *v, void *out)
{
    const pyr_denoising *call = denoising;
    pyr_denoiser *d = call->denoiser;
    pyr_kernels *k = d->k;
    size_t size = pyr_count(d->level->variable), count = (size_t)call->n * size;
    size_t bytes = count * pyr_type_size(k->real);
    size_t half = (size_t)d->batch * size * pyr_type_size(k->real);
    char *seed = pyr_graph_gradient(d->g, call->lane, d->d);
    const char *with, *without;

    assert(d->gradient);
    if (d->guidance == 1)
        k->copy(k, seed, v, bytes);
    else {
        k->combine(k, seed, 1, (double[]){d->guidance}, (const void *const[]){v}, count);
        k->combine(k, seed + half, 1, (double[]){1 - d->guidance}, (const void *const[]){v}, count);
    }
    PYR_TRY(pyr_graph_backward(d->g, call->lane, 0));
    with = pyr_graph_gradient(d->g, call->lane, d->x);
    without = with + half;
    if (d->guidance == 1)
        k->copy(k, out, with, bytes);
    else
        k->combine(k, out, 2, (double[]){1, 1}, (const void *const[]){with, without}, count);
    return PYR_OK;
}

double pyr_denoiser_vjp_flop(const pyr_denoiser *d)
{
    return 2 * pyr_graph_flop(d->g) * (d->places / d->batch);
}
