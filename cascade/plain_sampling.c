/* plain_sampling.c - settings of sampling that change what a network says. */
#include "cascade/plain_sampling.h"

void pyr_plain_sampling(pyr_config *config)
{
    for (int i = 0; i < config->pyramid.levels; i++) {
        config->level[i].sampler_guidance = 1;
        config->level[i].classifier_scale = 0;
        config->level[i].sampler_augmentation = 0;
    }
}
