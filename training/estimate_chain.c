/* estimate_chain.c - micro-batches of levels whose conditions are estimates. */
#include "training/estimate_chain.h"

#include "base/mem.h"

/* Of a lane, for one micro-batch. */
typedef struct lane_memory {
    void *image[PYR_MAX_LEVELS], *dimage[PYR_MAX_LEVELS]; /* J_i and its gradient, i > 0 */
    void *scratch;
} lane_memory;

struct pyr_chain {
    pyr_kernels *k;
    const pyr_pyramid *pyramid;
    pyr_train_level *level;
    int n; /* levels */
    bool gradients;
    int micro_batch;
    lane_memory *lane;
    size_t bytes; /* of a lane */
};

static pyr_status lane_new(pyr_chain *c, lane_memory *m)
{
    pyr_kernels *k = c->k;
    size_t n = (size_t)c->micro_batch * pyr_type_size(k->real);
    size_t scratch = pyr_pyramid_scratch(c->pyramid, c->micro_batch);

    for (int i = 1; i < c->n; i++) {
        size_t image = n * pyr_count(pyr_pyramid_image_shape(c->pyramid, i));

        PYR_TRY(pyr_alloc(k, &m->image[i], image, "estimates of a batch"));
        PYR_TRY(pyr_alloc(k, &m->dimage[i], image, "estimates of a batch"));
        c->bytes += 2 * image;
    }
    c->bytes += scratch;
    return pyr_alloc(k, &m->scratch, scratch, "estimates of a batch");
}

pyr_status pyr_chain_new(pyr_chain **out, pyr_kernels *k, const pyr_pyramid *pyramid, pyr_train_level *level,
                         int n, bool gradients)
{
    pyr_chain *c;
    pyr_status status = PYR_OK;

    *out = NULL;
    PYR_TRY(pyr_new(&c, 1, sizeof *c, "cascade"));
    *c = (pyr_chain){.k = k,
                     .pyramid = pyramid,
                     .level = level,
                     .n = n,
                     .gradients = gradients,
                     .micro_batch = level[0].learner.micro_batch};
    PYR_TRY_OUT(pyr_new(&c->lane, (size_t)k->lanes, sizeof *c->lane, "cascade"));
    for (int i = 0; i < k->lanes; i++) {
        c->bytes = 0;
        PYR_TRY_OUT(lane_new(c, &c->lane[i]));
    }
    *out = c;
    return PYR_OK;
out:
    pyr_chain_free(c);
    return status;
}

void pyr_chain_free(pyr_chain *c)
{
    if (!c)
        return;
    for (int i = 0; c->lane && i < c->k->lanes; i++) {
        lane_memory *m = &c->lane[i];

        for (int level = 0; level < c->n; level++) {
            pyr_release(c->k, m->image[level]);
            pyr_release(c->k, m->dimage[level]);
        }
        pyr_release(c->k, m->scratch);
    }
    pyr_free(c->lane);
    pyr_free(c);
}

size_t pyr_chain_bytes(const pyr_chain *c)
{
    return (size_t)c->k->lanes * c->bytes;
}

/* Images of a batch that a lane works on. */
typedef struct piece {
    int lane, first, n;
} piece;

static pyr_status forward(pyr_chain *c, const piece *p)
{
    lane_memory *m = &c->lane[p->lane];

    for (int level = c->n - 1; level >= 0; level--) {
        const pyr_loss *loss = &c->level[level].loss;
        pyr_learner *learner = &c->level[level].learner;
        const void *given;

        learner->load(learner->ctx, p->lane, p->first, p->n);
        if (level < c->n - 1)
            pyr_pyramid_condition(c->pyramid, level, p->n, m->image[level + 1],
                                  pyr_graph_data(loss->g, p->lane, loss->estimated), false, m->scratch);
        PYR_TRY(pyr_learner_forward(learner, p->lane, p->first, p->n));
        if (level == 0)
            break;
        /* of bands the condition is the coarse image */
        given = loss->given >= 0 ? pyr_graph_data(loss->g, p->lane, loss->given) : NULL;
        pyr_pyramid_synthesize(c->pyramid, level, p->n, given, given,
                               pyr_graph_data(loss->g, p->lane, loss->estimate), m->image[level], m->scratch);
    }
    return PYR_OK;
}

/* Numbers of a lane's gradient from image `first` on are zero. */
static void clear_seed(const pyr_chain *c, const piece *p, const pyr_loss *loss, pyr_value v, int first)
{
    size_t each = pyr_count(pyr_graph_shape(loss->g, v)) / (size_t)c->micro_batch * pyr_type_size(c->k->real);

    pyr_zero(c->k, (char *)pyr_graph_gradient(loss->g, p->lane, v) + (size_t)first * each,
             (size_t)(c->micro_batch - first) * each);
}

/* What arrives at the level's estimate and at the condition that it was given, out of the gradient of its image. The finest
 * level's image is in no loss. */
static void seed(pyr_chain *c, const piece *p, int level)
{
    lane_memory *m = &c->lane[p->lane];
    const pyr_loss *loss = &c->level[level].loss;
    bool given = level < c->n - 1;
    int images = level > 0 ? p->n : 0;

    if (images) {
        pyr_pyramid_synthesize_adjoint(c->pyramid, level, images, m->dimage[level],
                                       given ? pyr_graph_gradient(loss->g, p->lane, loss->given) : NULL,
                                       pyr_graph_gradient(loss->g, p->lane, loss->estimate), m->scratch);
        clear_seed(c, p, loss, loss->estimate, images);
    }
    if (given)
        clear_seed(c, p, loss, loss->given, images);
}

static pyr_status backward(pyr_chain *c, const piece *p, int group)
{
    for (int level = 0; level < c->n; level++) {
        const pyr_loss *loss = &c->level[level].loss;
        lane_memory *m = &c->lane[p->lane];

        if (c->gradients)
            seed(c, p, level);
        PYR_TRY(pyr_learner_backward(&c->level[level].learner, p->lane, group));
        if (c->gradients && level < c->n - 1)
            pyr_pyramid_condition_adjoint(c->pyramid, level, p->n,
                                          pyr_graph_gradient(loss->g, p->lane, loss->estimated),
                                          m->dimage[level + 1], m->scratch);
    }
    return PYR_OK;
}

pyr_status pyr_chain_piece(pyr_chain *c, int first, int lane, int accumulator)
{
    int rest = c->level[0].learner.batch - first;
    piece p = {lane, first, rest < c->micro_batch ? rest : c->micro_batch};

    PYR_TRY(forward(c, &p));
    return backward(c, &p, accumulator);
}
