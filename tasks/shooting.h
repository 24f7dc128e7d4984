/* shooting.h - the starts from which the probability-flow ODE comes to a picture of which y = A x + noise is
 * known.
 *
 * Paper 000, section 5.9 (optimization methods from optimal control: single and multiple shooting, penalties on
 * the initial and terminal conditions). With n steps of Euler's (equally DDIM's, eta 0) from s_0 = s_max down,
 *
 *     x' = (r/s) x + (1 - r/s) D(x, s),   the last with r = 0,
 *
 * at each level, coarsest first, each given what comes of the coarser ones, the starts p of all levels together
 * are sent to the image I_0 = R(x_0(p)). Wanted is the minimum of
 *
 *     mu_0 |A I_0(p) - y|^2 / (2 sigma_y^2)  +  mu_T |u(p)|^2 / 2
 *
 * with u(p) = p / sigma_max, or of another start of the sampler what it makes standard normal: p / sqrt(1 +
 * s_max^2) (unit), or, of a start from the Gaussian fit N(m, C), learned from the data, (C + s_max^2)^(-1/2)
 * (p - m), or of one about the class's mean m_y (class) (p - m_y) / sqrt(1 + s_max^2). The second term is mu_T times the Kullback-Leibler divergence of the start moved by p from the prior.
 * mu_0 and mu_T make both ends soft: mu_0 to infinity is the hard end A I_0 = y with the least |u|, mu_T to
 * infinity the hard start u = 0.
 *
 * The gradient is that of the steps, exactly: the discrete adjoint
 *
 *     lambda = (r/s) lambda' + (1 - r/s) J^T lambda',   J = dD/dx,
 *
 * and the same with dD/dc to the coarser level's image, through synthesis and projection. The minimum is looked
 * for by L-BFGS (Nocedal 1980; liblbfgs), each image by itself.
 *
 * Multiple shooting (segments M > 1) cuts each level's steps into M segments with starts x_j of their own, and
 * adds (mu/2) sum over j of |Phi_j(x_j) - x_{j+1}|^2 in units of sqrt(1 + s^2), the spread of x there.
 *
 * Levels see coarser images that are not clamped to [-1, 1] here; sampling, which draws from the starts, clamps. */
#ifndef PYR_TASKS_SHOOTING_H
#define PYR_TASKS_SHOOTING_H

#include "tasks/latent.h"
#include "tasks/operator.h"

typedef struct pyr_shooting pyr_shooting;

typedef struct pyr_shooting_problem {
    const pyr_operator *a;           /* of I_0's shape; borrowed */
    const double *y;                 /* a->out; borrowed */
    double noise;                    /* sigma_y, image units, > 0 */
    double start_weight, end_weight; /* mu_T, mu_0; 1: Bayes' rule */
    int segments;                    /* M of each level, 1 .. its steps; 1: single shooting */
    double match;                    /* mu, > 0; read with M > 1 */
    int iterations;                  /* of L-BFGS, at most */
    /* Instead of the one minimum, with each start's own u(p_seed): mu_T |u - u(p_seed)|^2 / 2 and y + sigma_y eps.
     * For Gaussian data the results are samples of the posterior (Oliver, He & Reynolds 1996, "Conditioning
     * permeability fields to pressure data"; Bardsley et al. 2014, "Randomize-then-optimize"). */
    bool randomised;
} pyr_shooting_problem;

/* Of one image, on return. */
typedef struct pyr_shooting_report {
    double value, end; /* of the whole sum; |A I_0 - y|, root mean square over y, image units */
    double gap;      /* of multiple shooting: root mean square of Phi_j(x_j) - x_{j+1}, units of the spread */
    int evaluations; /* of value and gradient */
} pyr_shooting_report;

/* Whether a level's starts can be looked for with this sampler: Euler's steps, without churn, from a normal start.
 * PYR_E_ARG. */
pyr_status pyr_shooting_check_sampler(const pyr_sampler *sampler, int level);

/* The model is borrowed. PYR_E_UNSUPPORTED for bands of odd sides and weaker networks, PYR_E_ARG for more
 * segments than steps. */
pyr_status pyr_shooting_new(pyr_shooting **out, pyr_model *m, const pyr_shooting_problem *problem);
void pyr_shooting_free(pyr_shooting *shooting); /* NULL is a no-op */

/* The numbers that are looked for, in units of their spread: for each level, coarsest first, for each segment its
 * start. */
size_t pyr_shooting_size(const pyr_shooting *shooting);
/* The sum at u (host, pyr_shooting_size numbers) and its gradient (NULL: not wanted), on one lane; `centre`
 * (as u; NULL: zeros) and `y` (NULL: the problem's) as of a randomised problem. class -1: none. */
pyr_status pyr_shooting_value(pyr_shooting *shooting, int lane, int label, const double *u,
                              const double *centre, const double *y, double *value, double *gradient);

/* From the starts in `latent` to those of the minimum, in place; row i is of class labels[i] (NULL: none) and,
 * randomised, has the noise of seeds[i]. report: NULL or one for each row. Whole machine. */
pyr_status pyr_shooting_solve(pyr_shooting *shooting, pyr_latent *latent, const uint64_t *seeds,
                              const int32_t *labels, pyr_shooting_report *report);

#endif
