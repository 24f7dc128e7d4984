#include "cascade/chain.h"

#include "base/mem.h"
#include "base/philox.h"
#include <string.h>

/* Of a lane, for one micro-batch. */
typedef struct lane_memory {
    void *image[PYR_MAX_LEVELS], *dimage[PYR_MAX_LEVELS]; /* J_i and its gradient, i > 0 */
    void *condition, *dcondition, *scratch;
} lane_memory;

struct pyr_chain {
    pyr_kernels *k;
    const pyr_pyramid *pyramid;
    pyr_level_trainer *const *t;
    pyr_chain_settings set;
    int micro_batch;
    lane_memory *lane;
    size_t bytes; /* of a lane */
};

static pyr_status lane_new(pyr_chain *c, lane_memory *m)
{
    pyr_kernels *k = c->k;
    size_t n = (size_t)c->micro_batch * pyr_type_size(k->real), condition = 0;
    size_t scratch = pyr_pyramid_scratch(c->pyramid, c->micro_batch);

    for (int i = 0; i < c->set.levels; i++) {
        size_t image = n * pyr_count(pyr_pyramid_image_shape(c->pyramid, i));
        size_t told = n * pyr_count(pyr_pyramid_condition_shape(c->pyramid, i));

        condition = told > condition ? told : condition;
        if (i == 0)
            continue;
        PYR_TRY(k->alloc(k, &m->image[i], image, "estimates of a batch"));
        PYR_TRY(k->alloc(k, &m->dimage[i], image, "estimates of a batch"));
        c->bytes += 2 * image;
    }
    PYR_TRY(k->alloc(k, &m->condition, condition, "estimates of a batch"));
    PYR_TRY(k->alloc(k, &m->dcondition, condition, "estimates of a batch"));
    PYR_TRY(k->alloc(k, &m->scratch, scratch, "estimates of a batch"));
    c->bytes += 2 * condition + scratch;
    return PYR_OK;
}

pyr_status pyr_chain_new(pyr_chain **out, pyr_kernels *k, const pyr_pyramid *pyramid,
                         pyr_level_trainer *const *trainer, const pyr_chain_settings *settings)
{
    pyr_chain *c;
    pyr_status status = PYR_OK;

    *out = NULL;
    PYR_TRY(pyr_new(&c, 1, sizeof *c, "cascade"));
    c->k = k;
    c->pyramid = pyramid;
    c->t = trainer;
    c->set = *settings;
    c->micro_batch = pyr_level_trainer_micro_batch(trainer[0]);
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

        for (int level = 0; level < PYR_MAX_LEVELS; level++) {
            c->k->release(c->k, m->image[level]);
            c->k->release(c->k, m->dimage[level]);
        }
        c->k->release(c->k, m->condition);
        c->k->release(c->k, m->dcondition);
        c->k->release(c->k, m->scratch);
    }
    pyr_free(c->lane);
    pyr_free(c);
}

size_t pyr_chain_bytes(const pyr_chain *c)
{
    return (size_t)c->k->lanes * c->bytes;
}

/* Images of a batch that one lane has at hand. */
typedef struct piece {
    int64_t step;
    int lane, first, n;
} piece;

/* Whether image i of the piece is told an estimate at `level`. */
static bool is_estimated(const pyr_chain *c, const piece *p, int level, int i)
{
    pyr_rng4 r = pyr_philox(c->set.seed, 3, (uint32_t)(p->first + i), (uint32_t)p->step,
                            pyr_rng_purpose(PYR_RNG_SIGMA, level));

    return (double)pyr_uniform(r.v[0]) < c->set.probability;
}

static size_t condition_bytes(const pyr_chain *c, int level)
{
    return pyr_count(pyr_pyramid_condition_shape(c->pyramid, level)) * pyr_type_size(c->k->real);
}

/* The conditions of the images whose turn it is become those of the estimates. */
static void put_conditions(pyr_chain *c, const piece *p, int level)
{
    lane_memory *m = &c->lane[p->lane];
    const pyr_loss *loss = pyr_level_trainer_loss_graph(c->t[level]);
    char *told = pyr_graph_data(loss->g, p->lane, loss->condition);
    size_t bytes = condition_bytes(c, level);

    pyr_pyramid_condition(c->pyramid, level, p->n, m->image[level + 1], m->condition, false, m->scratch);
    for (int i = 0; i < p->n; i++)
        if (is_estimated(c, p, level, i))
            c->k->copy(c->k, told + (size_t)i * bytes, (char *)m->condition + (size_t)i * bytes, bytes);
}

static pyr_status forward(pyr_chain *c, const piece *p)
{
    lane_memory *m = &c->lane[p->lane];

    for (int level = c->set.levels - 1; level >= 0; level--) {
        const pyr_loss *loss = pyr_level_trainer_loss_graph(c->t[level]);
        const void *told;

        PYR_TRY(pyr_level_trainer_load(c->t[level], p->step, p->lane, p->first, p->n));
        if (level < c->set.levels - 1)
            put_conditions(c, p, level);
        PYR_TRY(pyr_level_trainer_forward(c->t[level], p->lane, p->first, p->n));
        if (level == 0)
            break;
        /* haar's condition is the coarse image */
        told = loss->condition >= 0 ? pyr_graph_data(loss->g, p->lane, loss->condition) : NULL;
        pyr_pyramid_synthesize(c->pyramid, level, p->n, told, told,
                               pyr_graph_data(loss->g, p->lane, loss->estimate), m->image[level], m->scratch);
    }
    return PYR_OK;
}

/* The gradient of the level's estimate, out of that of its image; that of its condition stays in dcondition.
 */
static void seed_estimate(pyr_chain *c, const piece *p, int level)
{
    lane_memory *m = &c->lane[p->lane];
    const pyr_loss *loss = pyr_level_trainer_loss_graph(c->t[level]);
    size_t each = pyr_count(pyr_pyramid_variable_shape(c->pyramid, level)) * pyr_type_size(c->k->real);
    char *seed = pyr_graph_gradient(loss->g, p->lane, loss->estimate);

    pyr_pyramid_synthesize_adjoint(c->pyramid, level, p->n, m->dimage[level], m->dcondition, seed,
                                   m->scratch);
    c->k->zero(c->k, seed + (size_t)p->n * each, (size_t)(c->micro_batch - p->n) * each);
}

/* The gradient of the coarser image, out of that of the level's condition. */
static void pass_on(pyr_chain *c, const piece *p, int level)
{
    lane_memory *m = &c->lane[p->lane];
    const pyr_loss *loss = pyr_level_trainer_loss_graph(c->t[level]);
    size_t bytes = condition_bytes(c, level), numbers = bytes / pyr_type_size(c->k->real);
    const void *own = pyr_graph_gradient(loss->g, p->lane, loss->condition);

    if (level == 0)
        c->k->copy(c->k, m->dcondition, own, (size_t)p->n * bytes);
    else
        c->k->combine(c->k, m->dcondition, 2, (double[]){1, 1}, (const void *const[]){m->dcondition, own},
                      (size_t)p->n * numbers);
    for (int i = 0; i < p->n; i++)
        if (!is_estimated(c, p, level, i))
            c->k->zero(c->k, (char *)m->dcondition + (size_t)i * bytes, bytes);
    pyr_pyramid_condition_adjoint(c->pyramid, level, p->n, m->dcondition, m->dimage[level + 1], m->scratch);
}

static pyr_status backward(pyr_chain *c, const piece *p, int group)
{
    for (int level = 0; level < c->set.levels; level++) {
        if (c->set.gradients && level > 0)
            seed_estimate(c, p, level);
        PYR_TRY(pyr_level_trainer_backward(c->t[level], p->lane, group));
        if (c->set.gradients && level < c->set.levels - 1)
            pass_on(c, p, level);
    }
    return PYR_OK;
}

pyr_status pyr_chain_group(pyr_chain *c, int64_t step, int group, int lane)
{
    int stride = c->set.groups * c->micro_batch;

    for (int level = 0; level < c->set.levels; level++)
        pyr_graph_clear(pyr_level_trainer_graph(c->t[level]), group);
    for (int first = group * c->micro_batch; first < c->set.batch; first += stride) {
        int rest = c->set.batch - first;
        piece p = {step, lane, first, rest < c->micro_batch ? rest : c->micro_batch};

        PYR_TRY(forward(c, &p));
        PYR_TRY(backward(c, &p, group));
    }
    return PYR_OK;
}
