#include "levels/denoiser.h"

#include "levels/loss.h"
#include "levels/unet.h"
#include <math.h>

pyr_status pyr_denoiser_new(pyr_denoiser *out, pyr_kernels *k, pyr_params *params, const pyr_level *level,
                            int batch)
{
    pyr_shape pair = {1, 1, 1, 2}, one = {1, 1, 1, 1};
    pyr_value sample, f;
    pyr_graph *g;

    *out = (pyr_denoiser){.k = k, .level = level, .condition = -1, .label = -1};
    PYR_TRY(pyr_graph_new(&out->g, k, params));
    g = out->g;
    out->x = pyr_graph_input(g, level->variable, k->real);
    out->mix_in = pyr_graph_input(g, pair, k->real);
    out->mix_out = pyr_graph_input(g, pair, k->real);
    out->time = pyr_graph_input(g, one, k->real);
    sample = pyr_mix(g, out->x, out->x, out->mix_in);
    if (level->condition.c) {
        out->condition = pyr_graph_input(g, level->condition, k->real);
        sample = pyr_concat(g, sample, pyr_affine(g, out->condition, 1 / level->facts.condition_std, 0));
    }
    if (level->facts.classes)
        out->label = pyr_graph_input(g, one, PYR_U32);
    f = pyr_unet_build(
        g, &level->unet, &(pyr_unet_options){.undivided = true, .level = level->facts.index},
        &(pyr_unet_inputs){.sample = sample, .time = out->time, .label = out->label, .stream = -1});
    out->d = pyr_mix(g, out->x, f, out->mix_out);
    pyr_graph_keep(g, out->d);
    return pyr_graph_plan(g, &(pyr_plan){.batch = batch});
}

void pyr_denoiser_free(pyr_denoiser *d)
{
    pyr_graph_free(d->g);
    *d = (pyr_denoiser){0};
}

pyr_status pyr_denoiser_call(void *denoising, const void *x, const double *s, void *out)
{
    const pyr_denoising *call = denoising;
    pyr_denoiser *d = call->denoiser;
    pyr_kernels *k = d->k;
    int lane = call->lane;
    size_t real = pyr_type_size(k->real);
    size_t bytes = (size_t)call->n * pyr_count(d->level->variable) * real;
    char *mix_in = pyr_graph_data(d->g, lane, d->mix_in), *mix_out = pyr_graph_data(d->g, lane, d->mix_out);
    char *time = pyr_graph_data(d->g, lane, d->time);

    k->copy(k, pyr_graph_data(d->g, lane, d->x), x, bytes);
    if (d->condition >= 0)
        k->copy(k, pyr_graph_data(d->g, lane, d->condition), call->condition,
                (size_t)call->n * pyr_count(d->level->condition) * real);
    /* Places beyond n repeat the first image's numbers; what their x holds does not matter, since images do
     * not see each other. */
    for (int i = 0; i < pyr_graph_batch(d->g); i++) {
        double si = s[i < call->n ? i : 0], root = sqrt(1 + si * si), in[2] = {1 / root, 0};
        double mix[2] = {1 / (root * root), si / root}, tau = pyr_time_of(&d->level->unet, si);
        size_t n = (size_t)i;

        PYR_TRY(pyr_upload_reals(k, mix_in + 2 * n * real, in, 2));
        PYR_TRY(pyr_upload_reals(k, mix_out + 2 * n * real, mix, 2));
        PYR_TRY(pyr_upload_reals(k, time + n * real, &tau, 1));
        if (d->label >= 0) {
            uint32_t row = call->rows ? call->rows[i < call->n ? i : 0] : (uint32_t)d->level->facts.classes;

            k->upload(k, (uint32_t *)pyr_graph_data(d->g, lane, d->label) + i, &row, sizeof row);
        }
    }
    PYR_TRY(pyr_graph_forward(d->g, lane));
    k->copy(k, out, pyr_graph_data(d->g, lane, d->d), bytes);
    return PYR_OK;
}
