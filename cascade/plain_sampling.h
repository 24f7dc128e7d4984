/* plain_sampling.h - networks as they are, for what is measured of them. */
#ifndef PYR_CASCADE_PLAIN_SAMPLING_H
#define PYR_CASCADE_PLAIN_SAMPLING_H

#include "cascade/run.h"

/* Leave guidance, the gradient of a classifier and noise on the condition out of the sampling of all levels: likelihoods
 * and score moments are of the networks' own distribution. */
void pyr_plain_sampling(pyr_config *config);

#endif
