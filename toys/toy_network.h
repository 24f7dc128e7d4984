/* toy_network.h - a small network for the score of points in the plane (or of a few numbers).
 *
 * It is meant for data of about zero mean and unit variance. The network is F of prediction.h: a perceptron
 * of three hidden layers that sees x / sqrt(1 + s^2) and sines and cosines of log s; its denoiser is D = skip
 * x + out F and its score (D - x) / s^2, at every noise level at once. Points and results are host doubles,
 * whatever the backend computes in; results do not depend on the number of threads. Calls use all lanes: one
 * at a time. */
#ifndef PYR_TOYS_TOY_NETWORK_H
#define PYR_TOYS_TOY_NETWORK_H

#include "diffusion/mixture.h"
#include "graph/optimizer.h"

enum { PYR_TOY_MOST_NUMBERS = 64 };

typedef struct pyr_toy_network pyr_toy_network;

/* With initial weights by `seed`, for points of `size` numbers, 1 to PYR_TOY_MOST_NUMBERS. `k` is borrowed
 * and must outlive it. The caller frees *out. */
pyr_status pyr_toy_network_new(pyr_toy_network **out, pyr_kernels *k, int size, uint64_t seed);
void pyr_toy_network_free(pyr_toy_network *net); /* NULL is a no-op */
int pyr_toy_network_size(const pyr_toy_network *net);

/* ---- what it knows: with the averaged weights (EMA) ---- */

/* out[n][size] = F, D or score at x[n][size] and noise levels s[n] > 0. */
pyr_status pyr_toy_network_run(pyr_toy_network *net, double *out, const double *x, const double *s, int n);
pyr_status pyr_toy_network_denoise(pyr_toy_network *net, double *out, const double *x, const double *s,
                                   int n);
pyr_status pyr_toy_network_score(pyr_toy_network *net, double *out, const double *x, const double *s, int n);

/* D as a sampler's callback (pyr_denoise of sampler.h): ctx is a pyr_toy_denoiser. */
typedef struct pyr_toy_denoiser {
    pyr_toy_network *net;
    pyr_kernels *k; /* whose memory and real type x and out have */
    int n;          /* vectors in a call */
} pyr_toy_denoiser;

pyr_status pyr_toy_network_denoise_vectors(void *ctx, const void *x, const double *s, void *out);

/* The Fisher divergence at noise level s, E |score of the network - score of `data`|^2 over n draws of x = z
 * + s eps: the error weighed by the density. *square, unless NULL: E |score of the data|^2 over the same
 * draws. */
pyr_status pyr_toy_network_error(double *error, double *square, pyr_toy_network *net, const pyr_mixture *data,
                                 double s, int n, uint64_t seed);

/* ---- how it learns ---- */

/* The gradient of a loss with respect to F at places first .. first + n - 1: f and gradient are [n][size].
 * Called from several threads for different places, `first` always even and n too unless it is the end. */
typedef void (*pyr_toy_loss)(void *ctx, int first, int n, const double *f, double *gradient);

/* One step's gradient: the network (its present weights, not the averaged ones) is asked at n places, and the
 * gradient of the loss with respect to the weights is put into the optimizer's block. */
pyr_status pyr_toy_network_gradient(pyr_toy_network *net, const double *x, const double *s, int n,
                                    pyr_toy_loss loss, void *ctx);
pyr_optimizer *pyr_toy_network_optimizer(pyr_toy_network *net); /* borrowed, while the network lives */

#endif
