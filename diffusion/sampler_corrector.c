/* sampler_corrector.c - predictor-corrector: a step of another sampler from one noise level to the next, then moves that leave the
 * density there as it is. */
#include "diffusion/sampler_internal.h"
#include <math.h>

/* ---- correctors -------------------------------------------------------------------------------- */

/* Song et al. 2021, algorithms 4 and 5:
 *     x <- x + e score + sqrt(2 e) eps,   e = 2 (snr |eps| / |score|)^2,
 * norms are each vector's own (theirs are the batch's means). For VP theirs has e times alpha = 1 - beta
 * besides, which tends to 1 as steps grow in number, and is left out: the sampler does not depend on the
 * family then. */
static pyr_status correct_by_langevin(pyr_sampler_state *state)
{
    const pyr_sampling *of = state->of;
    void *pull = state->v2, *eps = state->v1;
    double gg[PYR_MAX_SAMPLING_BATCH], nn[PYR_MAX_SAMPLING_BATCH];
    double snr = state->sampler->corrector_snr, r = state->r;

    for (int j = 0; j < state->sampler->corrector_steps; j++) {
        PYR_TRY(pyr_sampler_moved(state, r));
        PYR_TRY(pyr_sampler_denoise(state, state->x, r, pull));
        if (state->sampler->predictor == PYR_IDENTITY) /* which has made no estimate */
            pyr_sampler_copy(state, state->d, pull);
        pyr_sampler_mix(state, pull, 1, pull, -1, state->x); /* r^2 score */
        pyr_sampler_noise(state, eps, 1 + j);                /* draw 0 is the predictor's */
        PYR_TRY(pyr_dots(of->k, gg, pull, pull, of->n, of->size));
        PYR_TRY(pyr_dots(of->k, nn, eps, eps, of->n, of->size));
        for (int i = 0; i < of->n; i++) {
            void *x = pyr_sampler_part(state, state->x, i);
            double ratio = gg[i] > 0 ? snr * snr * nn[i] / gg[i] : 0; /* e / (2 r^4) */

            pyr_combine(
                of->k, x, 3, (double[]){1, 2 * ratio * r * r, 2 * sqrt(ratio) * r * r},
                (const void *const[]){x, pyr_sampler_part(state, pull, i), pyr_sampler_part(state, eps, i)},
                of->size);
        }
    }
    return PYR_OK;
}

static pyr_status correct(pyr_sampler_state *state)
{
    int leapfrogs = state->sampler->hmc_leapfrogs, moves = state->sampler->corrector_steps;

    if (state->sampler->corrector == PYR_CORRECT_LANGEVIN)
        return correct_by_langevin(state);
    if (moves == 0)
        return PYR_OK;
    PYR_TRY(pyr_sampler_moved(state, state->r));
    return pyr_sampler_hmc(state, state->r, pyr_sampler_hmc_rate(state, leapfrogs), leapfrogs, moves, 1);
}

static int corrections(const pyr_sampler *sampler)
{
    if (sampler->corrector == PYR_CORRECT_LANGEVIN || sampler->corrector_steps == 0)
        return sampler->corrector_steps;
    return sampler->corrector_steps * sampler->hmc_leapfrogs + 1;
}

/* ---- with a predictor -------------------------------------------------------------------------- */

/* Song et al. 2021, section 4.2: MCMC alone is the identity as predictor. */
static pyr_status stay(pyr_sampler_state *state)
{
    (void)state;
    return PYR_OK;
}

static int none(const pyr_sampler *sampler)
{
    (void)sampler;
    return 0;
}

const pyr_sampler_row pyr_row_identity = {
    .step = stay,
    .evaluations = none,
    .vectors = 2,
};

static pyr_status predict_and_correct(pyr_sampler_state *state)
{
    PYR_TRY(pyr_sampler_row_of(state->sampler->predictor)->step(state));
    return correct(state);
}

static int predicted_and_corrected(const pyr_sampler *sampler)
{
    const pyr_sampler_row *predictor = pyr_sampler_row_of(sampler->predictor);

    return (predictor->evaluations ? predictor->evaluations(sampler) : 1) + corrections(sampler);
}

static pyr_status check_corrections(const pyr_sampler *sampler, const pyr_schedule *schedule)
{
    (void)schedule;
    if (sampler->predictor == PYR_IDENTITY && sampler->corrector_steps == 0)
        return pyr_fail(PYR_E_CONFIG, "sampler.corrector_steps is 0 with sampler.predictor identity: nothing "
                                      "would move (should be 1 or more)");
    if (sampler->corrector == PYR_CORRECT_HMC && sampler->langevin_epsilon >= 4)
        return pyr_sampler_diverges(sampler, "", 4);
    return PYR_OK;
}

const pyr_sampler_row pyr_row_predictor_corrector = {
    .step = predict_and_correct,
    .evaluations = predicted_and_corrected,
    .check = check_corrections,
    .vectors = 4,
    .flags = PYR_SAMPLER_CORRECTS | PYR_SAMPLER_HOST,
    .settings = "langevin_epsilon, hmc_leapfrogs",
    .cost = "(n - 1)(P + M) + 1",
    .help =
        "a step of `predictor`, of P NFE, then M = `corrector_steps` Langevin steps `x + e score + sqrt(2e) eps`, `e = 2 (snr abs(eps)/abs(score))^2`, or (`corrector` hmc) moves of `annealed-hmc`, M L + 1 NFE",
    .source = "Song et al. 2021, algorithms 1 to 5",
};
