/* flow.h - sampling of models that were trained by flow matching, as diffusers' FlowMatchEulerDiscreteScheduler does it.
 *
 *     x_sigma = (1 - sigma) x_0 + sigma eps,   the network gives v = eps - x_0 at time T sigma
 *     x' = x + (sigma' - sigma) v              Euler's step of dx/dsigma = v; or, stochastic:
 *     x' = (1 - sigma') x_0 + sigma' eps',     x_0 = x - sigma v
 *
 * (Liu et al. 2023, "Flow straight and fast"; Lipman et al. 2023, "Flow matching for generative modeling"; Esser et al.
 * 2024, "Scaling rectified flow transformers", section 5.3.2 on the shift; huggingface/diffusers,
 * schedulers/scheduling_flow_match_euler_discrete.py, whose choices of detail these are.) */
#ifndef PYR_DIFFUSION_FLOW_H
#define PYR_DIFFUSION_FLOW_H

#include "kernels/kernels.h"

/* Names are those of scheduler_config.json. */
typedef struct pyr_flow_config {
    int num_train_timesteps; /* T, 1..PYR_MAX_TIMESTEPS */
    double shift;            /* sigma becomes shift sigma / (1 + (shift - 1) sigma); > 0 */
    double shift_terminal;   /* the least sigma is stretched to this, in (0, 1); 0: it is not */
    bool stochastic_sampling;
} pyr_flow_config;

/* What the library takes for a key that is absent. */
void pyr_flow_config_default(pyr_flow_config *out);
/* PYR_E_CONFIG with a sentence for what is out of range. */
pyr_status pyr_flow_config_check(const pyr_flow_config *config);

/* sigma[steps + 1]: falling, the last 0. PYR_E_ARG when there are not so many: 1..T. */
pyr_status pyr_flow_sigmas(const pyr_flow_config *config, int steps, double *sigma);

/* The network: out = v(x, time), n vectors. */
typedef pyr_status (*pyr_flow_network)(void *ctx, const void *x, double time, void *out);

typedef struct pyr_flow_sampling {
    pyr_kernels *k;
    int n;                 /* vectors */
    size_t size;           /* numbers in each */
    const uint64_t *seeds; /* n, host */
    pyr_flow_network network;
    void *ctx;
    void *work;          /* pyr_flow_work bytes of backend memory */
    const double *sigma; /* of pyr_flow_sigmas */
    int steps;           /* evaluations of the network, too */
    bool given;          /* x holds the noise to start from; otherwise it is drawn */
} pyr_flow_sampling;

size_t pyr_flow_work(const pyr_kernels *k, int n, size_t size);

/* Draw n samples into x (n x size); those of a vector are its seed's, whatever others are drawn with it. Only the
 * network can fail. */
pyr_status pyr_flow_sample(const pyr_flow_config *config, const pyr_flow_sampling *sampling, void *x);

#endif
