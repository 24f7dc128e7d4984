/* inverse.h - what may an image have been, of which y = A x + noise is left: linear inverse problems.
 *
 * Sampling is guided by the gradient of the data's likelihood through the denoiser (Chung et al. 2023,
 * "Diffusion posterior sampling"):
 *
 *     D'(x, s) = D + G s^2 J^T B^T C^-1 (y - y^),   J = dD/dx,   y^ = A I_0(D)
 *
 * with strength G = 1 and, instead of a step size to be tuned, the covariance of y - y^ (Song et al. 2023,
 * "Pseudoinverse-guided diffusion models", with the variance v = s^2/(1 + s^2) of z given x that data of unit
 * variance have). A acts on the finest image: at level i, I_0(D) is what comes of the estimate of that level
 * when the finer residuals are at their means (and projected), and they count as noise of their own variance:
 *
 *     C = sigma_y^2 + v B_i B_i^T + sum over j < i of B_j B_j^T,   B_j = A U_j P_j std_j
 *
 * U_j brings residual j up to the finest image, P_j takes from it what the projection onto the coarser image
 * would take (pyr_pyramid_project). C^-1 is applied by conjugate gradients, image by image, and the result is
 * shortened where the denoiser's own covariance s^2 J is found larger than v along it. For Gaussian data that
 * are white and of unit variance at every level the guided denoiser is exact. */
#ifndef PYR_TASKS_INVERSE_H
#define PYR_TASKS_INVERSE_H

#include "cascade/model.h"
#include "tasks/operator.h"

typedef struct pyr_inverse pyr_inverse;

typedef struct pyr_inverse_problem {
    const pyr_operator *a; /* of I_0's shape; borrowed */
    const double *y;       /* a->out; borrowed */
    double noise;          /* sigma_y, of y, in image units, > 0 */
    double strength;       /* G; 1: as above */
} pyr_inverse_problem;

/* The noise of y together with that of its rounding to samples of `bits`, uniform over 2^(1-bits). */
double pyr_inverse_noise(double noise, int bits);

/* Whether a picture can be restored with this sampler of level `level`. PYR_E_ARG. */
pyr_status pyr_inverse_check_sampler(const pyr_sampler *sampler, int level);

/* The model is borrowed. PYR_E_UNSUPPORTED for bands of odd sides, PYR_E_NOMEM. */
pyr_status pyr_inverse_new(pyr_inverse **out, pyr_model *m, const pyr_inverse_problem *problem);
void pyr_inverse_free(pyr_inverse *inverse); /* NULL is a no-op */

/* For pyr_model_draw; valid as long as `inverse`. */
const pyr_model_hooks *pyr_inverse_hooks(const pyr_inverse *inverse);

#endif
