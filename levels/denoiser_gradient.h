/* denoiser_gradient.h - the transposed Jacobian of a denoiser, times a vector.
 *
 * With J = dD/dx at (x, s), for the divergence of the probability-flow ODE (diffusion/likelihood.h) and for
 * guidance by a gradient: out = J^T v. The denoiser must have been made with a gradient. None of the parameters
 * is computed.
 *
 *     pyr_denoiser_begin(&denoising);              condition and classes
 *     pyr_denoiser_call(&denoising, x, s, d);      d = D(x, s)
 *     pyr_denoiser_vjp(&denoising, v, g);          g = J^T v there, once per call */
#ifndef PYR_LEVELS_DENOISER_GRADIENT_H
#define PYR_LEVELS_DENOISER_GRADIENT_H

#include "levels/denoiser.h"

/* out = J^T v for the n images of the last pyr_denoiser_call on this lane (the same n); v and out hold n x
 * variable in the backend's real, and may be the same. The network's memory is used up by it: another vector
 * needs another pyr_denoiser_call. `denoising` is a pyr_denoising, as a callback takes it. */
pyr_status pyr_denoiser_vjp(void *denoising, const void *v, void *out);

/* out = (dD/dc)^T v, c the condition (image units, n x condition), with the v of the pyr_denoiser_vjp just before;
 * of a denoiser that was made with PYR_GRADIENT_OF_X_AND_CONDITION, and has a condition. PYR_E_UNSUPPORTED with a
 * weaker network. */
pyr_status pyr_denoiser_condition_vjp(const pyr_denoising *denoising, void *out);

#endif
