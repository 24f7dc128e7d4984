/* toy_train.h - teaching the toy network a mixture's score, under each objective of score_matching.h. */
#ifndef PYR_TOYS_TOY_TRAIN_H
#define PYR_TOYS_TOY_TRAIN_H

#include "diffusion/schedule.h"
#include "diffusion/score_matching.h"
#include "toys/toy_network.h"

typedef struct pyr_toy_training {
    const pyr_mixture *data; /* every batch is of fresh draws */
    pyr_objective objective;
    pyr_schedule schedule;
    pyr_noise noise; /* density of the noise levels, and weight w of |D - z|^2; as D = x + s^2 score, the
                        losses of score_matching.h are weighed with w s^4 */
    int64_t steps;   /* >= 1 */
    int batch; /* points where the network is evaluated in a step, >= 2: as many points, or half as many in
                        sliced score matching */
    double learning_rate;
    uint64_t seed;
    bool
        clean; /* sliced: points stay without noise, z alone: what there is to learn of data on a curve then? */
    double *losses; /* [steps], of each step; NULL: not wanted */
} pyr_toy_training;

/* Train with AdamW, the rate falling to zero as a cosine. loss, unless NULL: the mean over the last tenth of
 * the steps (sliced: less than the others by a number that the data decide). PYR_E_NUMERIC when it diverges. */
pyr_status pyr_toy_train(pyr_toy_network *net, double *loss, const pyr_toy_training *training);

#endif
