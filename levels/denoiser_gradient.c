/* denoiser_gradient.c - the backward pass of that graph to x and to the condition, scaled to the denoiser's
 * transposed Jacobian. */
#include "levels/denoiser_gradient.h"

#include <assert.h>

/* seed = weight[i] v, or with other (1 - weight[i]) v, for each image. */
static void put_seed(const pyr_denoising *call, char *seed, const void *v, const double *weight, bool other)
{
    pyr_kernels *k = call->denoiser->k;
    size_t size = pyr_count(call->denoiser->level->variable), bytes = size * pyr_type_size(k->real);

    for (int i = 0; i < call->n; i++)
        pyr_combine(k, seed + (size_t)i * bytes, 1, (double[]){other ? 1 - weight[i] : weight[i]},
                    (const void *const[]){(const char *)v + (size_t)i * bytes}, size);
}

/* What is beside D = G D_this + (1 - G) D_other: seeds of the two, and what arrives at x itself. */
typedef struct beside {
    const void *guided, *this, *x; /* this, x: NULL, nothing */
    bool pulled;
} beside;

static pyr_status begin(const pyr_denoising *call, const void *v, beside *b)
{
    pyr_denoiser *d = call->denoiser;
    const double *pull = d->pull + call->lane * d->batch;

    *b = (beside){.guided = v};
    for (int i = 0; i < call->n; i++)
        b->pulled |= pull[i] != 0;
    if (b->pulled)
        PYR_TRY(pyr_noise_classifier_curve(d->classifier, call->lane, call->n, v));
    return d->rescale.k
               ? pyr_guidance_rescale_seeds(&d->rescale, call->lane, call->n, v, &b->guided, &b->this, &b->x)
               : PYR_OK;
}

/* out = the gradients at x that there are, summed. */
static void finish(const pyr_denoising *call, const beside *b, const void *gradient, const void *other,
                   void *out)
{
    pyr_denoiser *d = call->denoiser;
    const void *parts[3] = {gradient};
    int n = 1;

    if (other)
        parts[n++] = other;
    if (b->x)
        parts[n++] = b->x;
    pyr_combine(d->k, out, n, (double[]){1, 1, 1}, parts, (size_t)call->n * pyr_count(d->level->variable));
    if (b->pulled)
        pyr_noise_classifier_add_curve(d->classifier, call->lane, call->n, d->pull + call->lane * d->batch,
                                       out);
}

/* D = G D_this + (1 - G) D_other, G of each image: both get their share of v, and their gradients are
 * summed; with what the classifier and rescaling add. */
pyr_status pyr_denoiser_vjp(void *denoising, const void *v, void *out)
{
    const pyr_denoising *call = denoising, *weaker = call->weaker;
    pyr_denoiser *d = call->denoiser;
    pyr_kernels *k = d->k;
    size_t count = (size_t)call->n * pyr_count(d->level->variable);
    size_t half = (size_t)pyr_denoising_places(call) * pyr_count(d->level->variable) * pyr_type_size(k->real);
    char *seed = pyr_graph_gradient(d->g, call->lane, d->d);
    const double *weight = d->weight + call->lane * d->batch;
    bool guided = d->guidance != 1;
    const void *other = NULL, *gradient = pyr_graph_gradient(d->g, call->lane, d->x);
    beside b;

    assert(d->gradient != PYR_GRADIENT_NONE);
    if (guided && weaker && weaker->denoiser->gradient == PYR_GRADIENT_NONE)
        return pyr_fail(PYR_E_UNSUPPORTED,
                        "level %d is guided by a weaker network that has no gradient here: leave it out",
                        d->level->facts.index);
    PYR_TRY(begin(call, v, &b));
    put_seed(call, seed, b.guided, weight, false);
    if (b.this)
        pyr_combine(k, seed, 2, (double[]){1, 1}, (const void *const[]){seed, b.this}, count);
    if (guided && weaker) {
        pyr_denoiser *w = weaker->denoiser;

        put_seed(weaker, pyr_graph_gradient(w->g, weaker->lane, w->d), b.guided, weight, true);
        PYR_TRY(pyr_graph_backward(w->g, weaker->lane, 0));
        other = pyr_graph_gradient(w->g, weaker->lane, w->x);
    } else if (guided) {
        put_seed(call, seed + half, b.guided, weight, true);
        other = (const char *)gradient + half;
    }
    PYR_TRY(pyr_graph_backward(d->g, call->lane, 0));
    finish(call, &b, gradient, other, out);
    return PYR_OK;
}

/* The network sees the condition by the conditioner's features; with guidance in one batch both halves do, and
 * their gradients are summed. */
pyr_status pyr_denoiser_condition_vjp(const pyr_denoising *call, void *out)
{
    pyr_denoiser *d = call->denoiser;
    pyr_kernels *k = d->k;
    size_t count = (size_t)call->n * pyr_count(d->level->condition);
    size_t bytes = pyr_denoising_feature_bytes(call);
    const char *features = pyr_graph_gradient(d->g, call->lane, d->features);
    const void *gradient = pyr_graph_gradient(d->conditioner, call->lane, d->condition);

    assert(d->gradient == PYR_GRADIENT_OF_X_AND_CONDITION && d->conditioner);
    if (call->weaker)
        return pyr_fail(PYR_E_UNSUPPORTED, "level %d is guided by a weaker network: leave it out",
                        d->level->facts.index);
    if (d->classifier || d->rescale.k)
        return pyr_fail(
            PYR_E_UNSUPPORTED,
            "level %d is guided by a classifier or rescaled, which has no gradient by the condition here: set "
            "sampler.classifier_scale and guidance_rescale to 0",
            d->level->facts.index);
    for (int half = 0; half < d->places / d->batch; half++) {
        pyr_copy(k, pyr_graph_gradient(d->conditioner, call->lane, d->result),
                 features + (size_t)half * bytes, bytes);
        PYR_TRY(pyr_graph_backward(d->conditioner, call->lane, 0));
        if (half == 0)
            pyr_copy(k, out, gradient, count * pyr_type_size(k->real));
        else
            pyr_combine(k, out, 2, (double[]){1, 1}, (const void *const[]){out, gradient}, count);
    }
    return PYR_OK;
}
