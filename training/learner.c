/* learner.c - micro-batches of a network in training: forward, backward, losses. */
#include "training/learner.h"

#include "base/mem.h"

pyr_status pyr_learner_allocate(pyr_learner *l)
{
    pyr_kernels *k = l->k;
    size_t batch = (size_t)l->batch, micro = (size_t)l->micro_batch, real = pyr_type_size(k->real);

    if (l->groups == 0) {
        PYR_TRY(pyr_sum_tree_new(&l->tree, pyr_learner_pieces(l), l->accumulators));
        PYR_TRY(pyr_new(&l->pairs, (size_t)l->accumulators, sizeof *l->pairs, "a tree of sums"));
    }
    PYR_TRY(pyr_new(&l->host_losses, batch > micro ? batch : micro, sizeof *l->host_losses, "losses"));
    PYR_TRY(pyr_alloc(k, &l->losses, batch * real, "losses"));
    PYR_TRY(pyr_alloc(k, &l->seeds, micro * real, "losses"));
    for (size_t i = 0; i < micro; i++)
        l->host_losses[i] = l->weight / l->batch;
    return pyr_upload_reals(k, l->seeds, l->host_losses, micro);
}

void pyr_learner_free(pyr_learner *l)
{
    if (!l->k)
        return;
    pyr_release(l->k, l->losses);
    pyr_release(l->k, l->seeds);
    pyr_free(l->host_losses);
    pyr_sum_tree_free(l->tree);
    pyr_free(l->pairs);
    *l = (pyr_learner){0};
}

pyr_status pyr_learner_forward(pyr_learner *l, int lane, int first, int n)
{
    pyr_kernels *k = l->k;
    size_t real = pyr_type_size(k->real);

    pyr_graph_use(l->g, lane, n);
    PYR_TRY(pyr_graph_forward(l->g, lane));
    pyr_copy(k, (char *)l->losses + (size_t)first * real, pyr_graph_data(l->g, lane, l->loss),
             (size_t)n * real);
    return PYR_OK;
}

pyr_status pyr_learner_backward(pyr_learner *l, int lane, int accumulator)
{
    pyr_copy(l->k, pyr_graph_gradient(l->g, lane, l->loss), l->seeds,
             (size_t)l->micro_batch * pyr_type_size(l->k->real));
    return pyr_graph_backward(l->g, lane, accumulator);
}

pyr_status pyr_learner_piece(pyr_learner *l, int first, int lane, int accumulator)
{
    int n = l->batch - first < l->micro_batch ? l->batch - first : l->micro_batch;

    l->load(l->ctx, lane, first, n);
    PYR_TRY(pyr_learner_forward(l, lane, first, n));
    return pyr_learner_backward(l, lane, accumulator);
}

int pyr_learner_pieces(const pyr_learner *l)
{
    return (l->batch + l->micro_batch - 1) / l->micro_batch;
}

pyr_status pyr_learner_losses(pyr_learner *l, double *mean)
{
    double sum = 0;

    PYR_TRY(pyr_download_reals(l->k, l->host_losses, l->losses, (size_t)l->batch));
    for (int i = 0; i < l->batch; i++)
        sum += l->host_losses[i];
    *mean = sum / l->batch;
    return PYR_OK;
}
