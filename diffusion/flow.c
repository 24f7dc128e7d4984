/* flow.c - noise levels and Euler steps of flow matching. */
#include "diffusion/flow.h"

#include "base/mem.h"
#include "base/philox.h"
#include "diffusion/ddpm.h"
#include <math.h>

void pyr_flow_config_default(pyr_flow_config *out)
{
    *out = (pyr_flow_config){.num_train_timesteps = 1000, .shift = 1};
}

pyr_status pyr_flow_config_check(const pyr_flow_config *c)
{
    if (c->num_train_timesteps < 1 || c->num_train_timesteps > PYR_MAX_TIMESTEPS)
        return pyr_fail(PYR_E_CONFIG, "num_train_timesteps is %d, should be 1..%d", c->num_train_timesteps,
                        PYR_MAX_TIMESTEPS);
    if (!(c->shift > 0 && isfinite(c->shift)))
        return pyr_fail(PYR_E_CONFIG, "shift is %g, should be above 0", c->shift);
    if (!(c->shift_terminal >= 0 && c->shift_terminal < 1))
        return pyr_fail(PYR_E_CONFIG, "shift_terminal is %g, should be null or between 0 and 1",
                        c->shift_terminal);
    return PYR_OK;
}

static double shifted(const pyr_flow_config *c, double sigma)
{
    return c->shift * sigma / (1 + (c->shift - 1) * sigma);
}

/* The library shifts 1/T for its least sigma, takes equal steps from there to 1, and shifts them again: the lower end is
 * shifted twice. */
pyr_status pyr_flow_sigmas(const pyr_flow_config *c, int steps, double *sigma)
{
    double least = shifted(c, 1.0 / c->num_train_timesteps), most = shifted(c, 1);

    if (steps < 1 || steps > c->num_train_timesteps)
        return pyr_fail(PYR_E_ARG, "%d steps: the model was trained with %d timesteps, so 1..%d are possible",
                        steps, c->num_train_timesteps, c->num_train_timesteps);
    if (steps == 1 && c->shift_terminal > 0) /* theirs is 0/0 */
        return pyr_fail(
            PYR_E_ARG,
            "1 step: its noise level would be both 1, the first, and shift_terminal, %g, the last: "
            "take 2 steps or more",
            c->shift_terminal);
    for (int i = 0; i < steps; i++)
        sigma[i] = shifted(c, steps > 1 ? most + (least - most) * i / (steps - 1) : most);
    if (c->shift_terminal > 0) { /* 1 - sigma in proportion, so that the last is shift_terminal */
        double stretch = (1 - sigma[steps - 1]) / (1 - c->shift_terminal);

        for (int i = 0; i < steps; i++)
            sigma[i] = 1 - (1 - sigma[i]) / stretch;
    }
    sigma[steps] = 0;
    return PYR_OK;
}

/* ---- sampling: the network's answer, noise, then the streams ---- */

enum { VECTORS = 2 };

static size_t vector_bytes(const pyr_kernels *k, int n, size_t size)
{
    return pyr_aligned((size_t)n * size * pyr_type_size(k->real));
}

size_t pyr_flow_work(const pyr_kernels *k, int n, size_t size)
{
    return VECTORS * vector_bytes(k, n, size) + (size_t)n * PYR_STREAM_WORDS * sizeof(uint32_t);
}

pyr_status pyr_flow_sample(const pyr_flow_config *config, const pyr_flow_sampling *w, void *x)
{
    pyr_kernels *k = w->k;
    void *v = w->work, *noise = (char *)v + vector_bytes(k, w->n, w->size);
    void *streams = (char *)noise + vector_bytes(k, w->n, w->size);
    size_t count = (size_t)w->n * w->size;

    pyr_upload_streams(k, streams, w->seeds, w->n);
    if (!w->given)
        k->backend->normals(k, x, w->n, w->size, streams, pyr_rng_purpose(PYR_RNG_PRIOR, 0), 0, 0);
    for (int i = 0; i < w->steps; i++) {
        double sigma = w->sigma[i], next = w->sigma[i + 1];

        PYR_TRY(w->network(w->ctx, x, sigma * config->num_train_timesteps, v));
        if (config->stochastic_sampling) {
            k->backend->normals(k, noise, w->n, w->size, streams, pyr_rng_purpose(PYR_RNG_SAMPLER, 0), 0,
                                (uint32_t)i);
            pyr_combine(k, x, 3, (double[]){1 - next, -(1 - next) * sigma, next},
                        (const void *const[]){x, v, noise}, count);
        } else
            pyr_combine(k, x, 2, (double[]){1, next - sigma}, (const void *const[]){x, v}, count);
    }
    return PYR_OK;
}
