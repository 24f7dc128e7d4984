/* trainer_check.c - whether the settings of levels that train together can go together. */
#include "training/trainer.h"

#include <string.h>

static pyr_status must_agree(const char *what, int level, bool agree, const char *why)
{
    if (agree)
        return PYR_OK;
    return pyr_fail(PYR_E_CONFIG,
                    "%s of level %d differs from that of level 0: %s it must be the same for all levels",
                    what, level, why);
}

static bool same_ints(const pyr_ints *a, const pyr_ints *b)
{
    return a->n == b->n && memcmp(a->at, b->at, (size_t)a->n * sizeof *a->at) == 0;
}

static bool same_texts(const pyr_texts *a, const pyr_texts *b)
{
    bool same = a->n == b->n;

    for (int i = 0; i < a->n && same; i++)
        same = strcmp(a->at[i], b->at[i]) == 0;
    return same;
}

/* All but the patch, which concerns only the first and last layers. */
static bool same_trunk(const pyr_network_settings *a, const pyr_network_settings *b)
{
    const pyr_unet_config *u = &a->unet, *v = &b->unet;

    return same_ints(&a->block_out_channels, &b->block_out_channels) &&
           same_texts(&a->down_block_types, &b->down_block_types) &&
           same_texts(&a->up_block_types, &b->up_block_types) && a->act_fn == b->act_fn &&
           u->layers_per_block == v->layers_per_block && u->mid_block == v->mid_block && u->norm == v->norm &&
           u->dilated == v->dilated && u->add_attention == v->add_attention &&
           u->attention_head_dim == v->attention_head_dim && u->dropout == v->dropout &&
           u->norm_num_groups == v->norm_num_groups && u->norm_eps == v->norm_eps &&
           u->resnet_time_scale_shift == v->resnet_time_scale_shift &&
           u->time_embedding_type == v->time_embedding_type && u->downsample_type == v->downsample_type &&
           u->upsample_type == v->upsample_type && u->downsample_padding == v->downsample_padding;
}

static bool same_training(const pyr_level_settings *a, const pyr_level_settings *b)
{
    return a->lr == b->lr && a->rate == b->rate && a->warmup == b->warmup && a->beta1 == b->beta1 &&
           a->beta2 == b->beta2 && a->eps == b->eps && a->weight_decay == b->weight_decay &&
           a->clip == b->clip && a->ema == b->ema && a->ema_momentum == b->ema_momentum &&
           a->ema_lengths.n == b->ema_lengths.n &&
           memcmp(a->ema_lengths.at, b->ema_lengths.at, (size_t)a->ema_lengths.n * sizeof(double)) == 0 &&
           a->classes == b->classes;
}

/* What the levels must have in common. */
static pyr_status check_agreement(const pyr_trainer_job *job)
{
    const pyr_cascade_settings *set = job->cascade;
    const pyr_level_settings *first = job->level[0].settings;
    bool estimate = set->condition == PYR_CASCADE_ESTIMATE;

    for (int i = 1; i < job->levels; i++) {
        const pyr_level_settings *s = job->level[i].settings;

        PYR_TRY(must_agree("level.batch", i, s->batch == first->batch,
                           "levels that train together take one batch,"));
        if (set->share || estimate)
            PYR_TRY(must_agree("level.groups", i, s->groups == first->groups, "with this kind of cascade"));
        if (set->share) {
            PYR_TRY(must_agree("the network (but for its patch)", i, same_trunk(&s->network, &first->network),
                               "with cascade.share"));
            PYR_TRY(must_agree("a setting of training (lr, lr_schedule, warmup, beta1, beta2, eps, "
                               "weight_decay, clip, ema, ema_momentum, ema_lengths, classes)",
                               i, same_training(s, first), "with cascade.share"));
        }
        if (set->clip == PYR_CLIP_ALL)
            PYR_TRY(must_agree("level.clip", i, s->clip == first->clip, "with cascade.clip all"));
    }
    return PYR_OK;
}

/* Whether each level but the coarsest has a condition, and gradients come back through it. */
static pyr_status check_estimates(const pyr_trainer_job *job)
{
    if (job->levels == 1)
        return PYR_OK;
    for (int i = 0; i + 1 < job->levels; i++)
        if (job->level[i].settings->condition == PYR_CONDITION_NONE)
            return pyr_fail(PYR_E_CONFIG,
                            "cascade.condition is estimate, but level.condition of level %d is none: there "
                            "is nothing to estimate",
                            i);
    return pyr_pyramid_has_adjoint(job->pyramid);
}

pyr_status pyr_trainer_check(const pyr_trainer_job *job)
{
    const pyr_cascade_settings *set = job->cascade;
    int levels = job->levels;
    bool estimate = set && set->condition == PYR_CASCADE_ESTIMATE;

    if (!set)
        return PYR_OK;
    if (set->weights.n && set->weights.n != levels)
        return pyr_fail(PYR_E_CONFIG,
                        "cascade.weights has %d entries, should have one for each of %d levels (coarsest "
                        "first), or none",
                        set->weights.n, levels);
    PYR_TRY(check_agreement(job));
    if (set->freeze_when_flat > 0 && (set->share || estimate))
        return pyr_fail(PYR_E_CONFIG,
                        "cascade.freeze_when_flat needs levels that do not touch: cascade.share false and "
                        "cascade.condition data");
    if (set->clip == PYR_CLIP_ALL && !(job->level[0].settings->clip > 0))
        return pyr_fail(PYR_E_CONFIG,
                        "cascade.clip is all, but level.clip is 0: there is no bound; set it above 0");
    return estimate ? check_estimates(job) : PYR_OK;
}
