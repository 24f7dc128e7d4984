/* level_settings.c - the rows of the section `level`, and the network, the noise and the schedules that
 * they mean. */
#include "levels/level_settings.h"

#include "graph/power_ema.h"
#include "graph/step_loop.h"
#include <string.h>

static const char *const condition_names[] = {"coarse", "none", NULL};

#define AT(member) offsetof(pyr_level_settings, member)

static const pyr_setting rows[] = {
    {"network.patch", PYR_SETTING_INT, AT(network.unet.patch), 1, 64, "1", NULL,
     "pixels of a p x p block become channels of one"},
    {"network.block_out_channels", PYR_SETTING_INTS, AT(network.block_out_channels), 1, 8192, "[64]", NULL,
     "channels at each resolution, shallow to deep"},
    {"network.down_block_types", PYR_SETTING_TEXTS, AT(network.down_block_types), 0, 0, "[]",
     pyr_unet_down_words, "one per resolution; none: DownBlock2D throughout"},
    {"network.up_block_types", PYR_SETTING_TEXTS, AT(network.up_block_types), 0, 0, "[]", pyr_unet_up_words,
     "deep to shallow; none: the mirror image of the down blocks"},
    {"network.layers_per_block", PYR_SETTING_INT, AT(network.unet.layers_per_block), 1, 16, "1", NULL,
     "residual blocks per down block (an up block has one more)"},
    {"network.mid_block", PYR_SETTING_BOOL, AT(network.unet.mid_block), 0, 0, "true", NULL,
     "two residual blocks at the deepest resolution"},
    {"network.add_attention", PYR_SETTING_BOOL, AT(network.unet.add_attention), 0, 0, "false", NULL,
     "self-attention between them"},
    {"network.attention_head_dim", PYR_SETTING_INT, AT(network.unet.attention_head_dim), 0, 8192, "0", NULL,
     "features of a head; 0: one head over all channels"},
    {"network.act_fn", PYR_SETTING_CHOICE, AT(network.act_fn), 0, 0, "silu", pyr_unet_act_words,
     "activation"},
    {"network.norm", PYR_SETTING_CHOICE, AT(network.unet.norm), 0, 0, "group", pyr_unet_norm_words,
     "of residual blocks: group norms, or NCSN's conditional instance norm++"},
    {"network.dilated", PYR_SETTING_BOOL, AT(network.unet.dilated), 0, 0, "false", NULL,
     "as NCSN's: behind the first halving images are not halved, but convolutions dilated, by 2, 4, ..."},
    {"network.dropout", PYR_SETTING_REAL, AT(network.unet.dropout), 0, 0.9, "0", NULL,
     "dropout before each second convolution"},
    {"network.norm_num_groups", PYR_SETTING_INT, AT(network.unet.norm_num_groups), 1, 8192, "8", NULL,
     "groups of the group norms"},
    {"network.norm_eps", PYR_SETTING_REAL, AT(network.unet.norm_eps), 1e-12, 1, "1e-5", NULL,
     "their epsilon"},
    {"network.resnet_time_scale_shift", PYR_SETTING_CHOICE, AT(network.unet.resnet_time_scale_shift), 0, 0,
     "scale_shift", pyr_unet_shift_words, "how the noise level enters a residual block"},
    {"network.time_embedding_type", PYR_SETTING_CHOICE, AT(network.unet.time_embedding_type), 0, 0,
     "positional", pyr_unet_time_words, "features of the noise level"},
    {"network.downsample_type", PYR_SETTING_CHOICE, AT(network.unet.downsample_type), 0, 0, "conv",
     pyr_unet_resample_words, "halving in attention blocks"},
    {"network.upsample_type", PYR_SETTING_CHOICE, AT(network.unet.upsample_type), 0, 0, "conv",
     pyr_unet_resample_words, "doubling in attention blocks"},
    {"network.downsample_padding", PYR_SETTING_INT, AT(network.unet.downsample_padding), 0, 1, "1", NULL,
     "1: on all sides; 0: right and bottom only"},

    {"noise.family", PYR_SETTING_CHOICE, AT(family), 0, 0, "ve", pyr_family_names, "the SDE"},
    {"noise.schedule", PYR_SETTING_CHOICE, AT(curve), 0, 0, "geometric", pyr_curve_names,
     "sigma against time; matters for density uniform and weight simple"},
    {"noise.sigma_min", PYR_SETTING_REAL, AT(sigma_min), 1e-8, 1e6, "0.002", NULL,
     "smallest noise, in standard deviations of the level"},
    {"noise.sigma_max", PYR_SETTING_REAL, AT(sigma_max), 1e-8, 1e6, "80", NULL, "largest noise"},
    {"noise.beta_min", PYR_SETTING_REAL, AT(beta_min), 0, 1e4, "0.1", NULL, "schedule linear: beta at t = 0"},
    {"noise.beta_max", PYR_SETTING_REAL, AT(beta_max), 0, 1e4, "20", NULL, "schedule linear: beta at t = 1"},
    {"noise.rho", PYR_SETTING_REAL, AT(rho), 0.1, 100, "7", NULL, "schedule karras: its exponent"},
    {"noise.power_base", PYR_SETTING_REAL, AT(power_base), 1.0001, 1e6, "25", NULL,
     "schedule power: b of sigma^2 = (b^2t - 1) / (2 log b)"},
    {"noise.density", PYR_SETTING_CHOICE, AT(density), 0, 0, "log-normal", pyr_density_names,
     "noise levels in training"},
    {"noise.mean", PYR_SETTING_REAL, AT(mean), -20, 20, "-0.8", NULL, "log-normal: mean of log sigma"},
    {"noise.std", PYR_SETTING_REAL, AT(std), 1e-3, 20, "1.4", NULL, "log-normal: its standard deviation"},
    {"noise.weight", PYR_SETTING_CHOICE, AT(weight), 0, 0, "edm", pyr_weight_names, "weight of the loss"},
    {"noise.levels", PYR_SETTING_INT, AT(noise_times), 0, 1000000, "0", NULL,
     "density uniform: so many noise levels, evenly spaced in time (NCSN's levels, DDPM's steps); 0: any"},
    {"noise.prediction", PYR_SETTING_CHOICE, AT(prediction), 0, 0, "f", pyr_prediction_names,
     "what the network predicts: f is the preconditioned output of EDM"},
    {"noise.input", PYR_SETTING_BOOL, AT(noise_input), 0, 0, "true", NULL,
     "the noise level is an input of the network; false: it has x alone, unscaled (NCSNv2's s(x)/sigma is this with prediction epsilon)"},
    {"noise.reference", PYR_SETTING_REAL, AT(reference), 0, 65536, "0", NULL,
     "resolution-adjusted SNR: reference side in pixels; 0: no shift"},

    {"objective", PYR_SETTING_CHOICE, AT(objective), 0, 0, "denoising", pyr_objective_names,
     "by what score matching the level is trained (words: docs/noise.md)"},
    {"condition", PYR_SETTING_CHOICE, AT(condition), 0, 0, "coarse", condition_names,
     "what a level is conditioned on: the coarser image, or nothing"},
    {"augmentation", PYR_SETTING_REAL, AT(augmentation), 0, 10, "0.1", NULL,
     "noise on the condition in training, in image units"},
    {"augmentation_min", PYR_SETTING_REAL, AT(augmentation_min), -1, 10, "-1", NULL,
     "its standard deviation is drawn for each image between this and level.augmentation; -1: always the latter"},
    {"augmentation_channel", PYR_SETTING_BOOL, AT(augmentation_channel), 0, 0, "false", NULL,
     "that standard deviation is an input of the network, as one constant channel more"},
    {"classes", PYR_SETTING_BOOL, AT(classes), 0, 0, "false", NULL,
     "condition the network on the image's class"},
    {"class_dropout", PYR_SETTING_REAL, AT(class_dropout), 0, 1, "0.1", NULL,
     "share of images whose class is left out in training; 0: only images of a class can be drawn, without guidance"},

    {"sampler.kind", PYR_SETTING_CHOICE, AT(sampler.kind), 0, 0, "dpmpp-2m-sde", pyr_sampler_names,
     "how to sample"},
    {"sampler.steps", PYR_SETTING_INT, AT(sampler.steps), 1, PYR_MAX_STEPS, "18", NULL,
     "steps of the sampler"},
    {"sampler.schedule", PYR_SETTING_CHOICE, AT(sampler_curve), 0, 0, "karras", pyr_curve_names,
     "spacing of the steps"},
    {"sampler.sigma_min", PYR_SETTING_REAL, AT(sampler_sigma_min), 0, 1e6, "0", NULL,
     "where sampling ends; 0: noise.sigma_min"},
    {"sampler.sigma_max", PYR_SETTING_REAL, AT(sampler_sigma_max), 0, 1e6, "0", NULL,
     "where it starts; 0: noise.sigma_max"},
    {"sampler.start", PYR_SETTING_CHOICE, AT(sampler.start), 0, 0, "prior", pyr_start_names,
     "what sampling starts from at sigma_max (words: docs/noise.md)"},
    {"sampler.denoise", PYR_SETTING_BOOL, AT(sampler_denoise), 0, 0, "true", NULL,
     "end with a denoising step; false: noise of sigma_min stays in the images"},
    {"sampler.eta", PYR_SETTING_REAL, AT(sampler.eta), -1, 1, "-1", NULL,
     "of samplers with an eta: how much noise of its own a step has, 0: none .. 1: all; -1: the usual of the sampler"},
    {"sampler.variance", PYR_SETTING_CHOICE, AT(sampler.variance), 0, 0, "posterior", pyr_variance_names,
     "of ancestral: the variance of a step (words: docs/noise.md); analytic and optimal are measured before, by analyze --variance"},
    {"sampler.churn", PYR_SETTING_REAL, AT(sampler.churn), 0, 1e6, "0", NULL,
     "of samplers with churn: S_churn of EDM, noise added before each step; 0: none"},
    {"sampler.churn_min", PYR_SETTING_REAL, AT(sampler.churn_min), 0, 1e6, "0", NULL,
     "S_tmin, smallest sigma where it is added"},
    {"sampler.churn_max", PYR_SETTING_REAL, AT(sampler.churn_max), 0, 1e6, "0", NULL,
     "S_tmax, largest sigma where it is added; 0: no limit"},
    {"sampler.churn_noise", PYR_SETTING_REAL, AT(sampler.churn_noise), 0, 10, "1", NULL,
     "S_noise, its standard deviation"},
    {"sampler.predictor", PYR_SETTING_CHOICE, AT(sampler_predictor), 0, 0, "ancestral", pyr_predictor_names,
     "of predictor-corrector: the step from one noise level to the next"},
    {"sampler.corrector", PYR_SETTING_CHOICE, AT(sampler.corrector), 0, 0, "langevin", pyr_corrector_names,
     "of predictor-corrector: what moves x at each noise level"},
    {"sampler.corrector_steps", PYR_SETTING_INT, AT(sampler.corrector_steps), 0, 1000, "1", NULL,
     "of predictor-corrector: moves of the corrector after each of the predictor's steps"},
    {"sampler.corrector_snr", PYR_SETTING_REAL, AT(sampler.corrector_snr), 0, 10, "0.16", NULL,
     "signal-to-noise ratio of a Langevin corrector"},
    {"sampler.tolerance", PYR_SETTING_REAL, AT(sampler.tolerance), 1e-12, 1, "1e-3", NULL,
     "of adaptive samplers, relative and absolute; sampler.steps does not matter then"},
    {"sampler.langevin_steps", PYR_SETTING_INT, AT(sampler.langevin_steps), 1, PYR_MAX_STEPS, "5", NULL,
     "of Langevin dynamics and HMC: moves at each noise level, or in each of sampler.steps at the one noise level"},
    {"sampler.langevin_epsilon", PYR_SETTING_REAL, AT(sampler.langevin_epsilon), 0, 1e6, "0", NULL,
     "the epsilon of their step (docs/samplers.md); 0: chosen"},
    {"sampler.hmc_leapfrogs", PYR_SETTING_INT, AT(sampler.hmc_leapfrogs), 1, 10000, "8", NULL,
     "of HMC: leapfrog steps of a move"},
    {"sampler.augmentation", PYR_SETTING_REAL, AT(sampler_augmentation), 0, 10, "0", NULL,
     "noise on the condition in sampling, in image units; an input of networks with level.augmentation_channel"},
    {"sampler.guidance", PYR_SETTING_REAL, AT(sampler_guidance), 0, 1000, "1", NULL,
     "guidance towards the class (classifier-free), or away from a weaker network (sample --gnet), at twice "
     "the evaluations; 1: none"},
    {"sampler.guidance_min", PYR_SETTING_REAL, AT(guidance_min), 0, 1e6, "0", NULL,
     "guidance acts at noise levels from this"},
    {"sampler.guidance_max", PYR_SETTING_REAL, AT(guidance_max), 0, 1e6, "0", NULL,
     "guidance acts at noise levels up to this; 0: no end"},
    {"sampler.guidance_rescale", PYR_SETTING_REAL, AT(guidance_rescale), 0, 1, "0", NULL,
     "how much of the spread that guidance adds is taken back: phi of Lin et al. 2024; 0: nothing, 1: all"},
    {"sampler.classifier_scale", PYR_SETTING_REAL, AT(classifier_scale), 0, 1000, "0", NULL,
     "guidance towards the class by the gradient of a classifier (pyrdiff classifier --noise), also where the "
     "network knows no classes; 1: by Bayes' rule, 0: none"},

    {"share", PYR_SETTING_REAL, AT(share), 0, 1e6, "1", NULL, "part of the duration that this level gets"},
    {"batch", PYR_SETTING_INT, AT(batch), 1, 1 << 20, "128", NULL, "images per step"},
    {"batch_gpu", PYR_SETTING_INT, AT(batch_gpu), 0, 1 << 20, "0", NULL,
     "images a thread has in memory at a time, the rest is accumulated; 0: chosen by measuring"},
    {"recompute", PYR_SETTING_BOOL, AT(recompute), 0, 0, "false", NULL,
     "compute residual blocks twice in training instead of keeping what is inside: less memory, a third "
     "more time"},
    {"groups", PYR_SETTING_INT, AT(groups), 0, 64, "0", NULL,
     "sums of gradients kept apart, as many threads can work; 0: chosen by batch and network, added as a tree"},
    {"lr", PYR_SETTING_REAL, AT(lr), 0, 10, "2e-3", NULL, "learning rate at its highest"},
    {"lr_schedule", PYR_SETTING_CHOICE, AT(rate), 0, 0, "cosine", pyr_rate_names, "its course"},
    {"warmup", PYR_SETTING_INT, AT(warmup), 0, 1 << 30, "100", NULL, "steps of linear rise"},
    {"beta1", PYR_SETTING_REAL, AT(beta1), 0, 0.9999999, "0.9", NULL, "AdamW"},
    {"beta2", PYR_SETTING_REAL, AT(beta2), 0, 0.9999999, "0.99", NULL, "AdamW"},
    {"eps", PYR_SETTING_REAL, AT(eps), 1e-20, 1, "1e-8", NULL, "AdamW"},
    {"weight_decay", PYR_SETTING_REAL, AT(weight_decay), 0, 10, "0", NULL, "AdamW"},
    {"clip", PYR_SETTING_REAL, AT(clip), 0, 1e9, "0", NULL, "largest norm of the gradient; 0: no clipping"},
    {"ema", PYR_SETTING_REAL, AT(ema), 0, 1, "0.1", NULL, "EMA window, as a part of the steps so far"},
    {"ema_momentum", PYR_SETTING_REAL, AT(ema_momentum), 0, 0.9999999, "0", NULL,
     "EMA of this constant momentum instead (NCSNv2: 0.999); 0: of the window"},
    {"ema_lengths", PYR_SETTING_REALS, AT(ema_lengths), PYR_EMA_SHORTEST, PYR_EMA_LONGEST, "[]", NULL,
     "EDM2's averages of the weights, as [0.05, 0.1]: up to 4 lengths, parts of the steps so far; kept at every checkpoint, of which pyrdiff ema makes others"},
};

const pyr_section pyr_level_section = {"level", rows, sizeof rows / sizeof *rows, true,
                                       "one level of the pyramid: network, noise, sampling, training"};

/* ---- from settings to the network ---- */

static pyr_status block_types(pyr_unet_config *c, const pyr_network_settings *s)
{
    int n = c->resolutions, word;

    if ((s->down_block_types.n && s->down_block_types.n != n) ||
        (s->up_block_types.n && s->up_block_types.n != n))
        return pyr_fail(PYR_E_CONFIG,
                        "network.down_block_types has %d entries, up_block_types %d, block_out_channels %d: "
                        "they should be as many (or none)",
                        s->down_block_types.n, s->up_block_types.n, n);
    for (int i = 0; i < n; i++) {
        c->down_block_types[i] = PYR_UNET_DOWN;
        if (s->down_block_types.n &&
            pyr_unet_word_parse(&word, "down_block_types", s->down_block_types.at[i]))
            c->down_block_types[i] = (pyr_unet_block)word;
    }
    for (int i = 0; i < n; i++) {
        c->up_block_types[i] =
            c->down_block_types[n - 1 - i] == PYR_UNET_ATTN_DOWN ? PYR_UNET_ATTN_UP : PYR_UNET_UP;
        if (s->up_block_types.n && pyr_unet_word_parse(&word, "up_block_types", s->up_block_types.at[i]))
            c->up_block_types[i] = (pyr_unet_block)word;
    }
    return PYR_OK;
}

pyr_status pyr_network_config(pyr_unet_config *out, const pyr_network_settings *s, int variable_channels,
                              int condition_channels, int h, int w, int classes)
{
    int patch = s->unet.patch, act;

    *out = s->unet;
    out->flip_sin_to_cos = true;
    out->mid_block_scale_factor = 1;
    out->in_channels = (variable_channels + condition_channels) * patch * patch;
    out->out_channels = variable_channels * patch * patch;
    out->sample_height = (h + patch - 1) / patch;
    out->sample_width = (w + patch - 1) / patch;
    out->resolutions = s->block_out_channels.n;
    if (out->resolutions < 1 || out->resolutions > PYR_UNET_MAX_RESOLUTIONS)
        return pyr_fail(PYR_E_CONFIG, "network.block_out_channels has %d entries, should have 1..%d",
                        out->resolutions, PYR_UNET_MAX_RESOLUTIONS);
    for (int i = 0; i < out->resolutions; i++)
        out->block_out_channels[i] = s->block_out_channels.at[i];
    PYR_TRY(block_types(out, s));
    if (pyr_unet_word_parse(&act, "act_fn", pyr_unet_act_words[s->act_fn]))
        out->act_fn = (pyr_act)act;
    if (out->time_embedding_type == PYR_UNET_LEARNED)
        return pyr_fail(PYR_E_CONFIG, "network.time_embedding_type is learned: that is for models from "
                                      "elsewhere; choose positional or fourier");
    /* One row more than classes: the last stands for "no class", as classifier-free guidance needs. */
    if (classes) {
        out->class_embed_type = PYR_UNET_CLASS_TABLE;
        out->num_class_embeds = classes + 1;
    }
    return pyr_unet_config_check(out);
}

/* ---- schedules ---- */

pyr_status pyr_level_training_noise(pyr_noise *out, const pyr_level_settings *s)
{
    *out = (pyr_noise){.density = (pyr_density)s->density,
                       .mean = s->mean,
                       .std = s->std,
                       .weight = (pyr_weight)s->weight,
                       .times = s->noise_times};
    if (s->noise_times == 1)
        return pyr_fail(PYR_E_CONFIG, "noise.levels is 1, should be 0 (any level) or 2 and more");
    if (!s->noise_times && pyr_weight_has_steps(out->weight))
        return pyr_fail(
            PYR_E_CONFIG,
            "noise.weight is %s, which belongs to the steps between noise levels: set noise.levels to "
            "their number, as 1000, with noise.density uniform",
            pyr_weight_names[s->weight]);
    if (s->noise_times && s->density != PYR_UNIFORM_T)
        return pyr_fail(
            PYR_E_CONFIG,
            "noise.levels is %d, but noise.density is %s: levels are evenly spaced in time, so set it to "
            "uniform",
            s->noise_times, pyr_density_names[s->density]);
    return PYR_OK;
}

pyr_status pyr_level_schedule(pyr_schedule *out, const pyr_level_settings *s, double side)
{
    *out = (pyr_schedule){.family = (pyr_family)s->family,
                          .curve = (pyr_curve)s->curve,
                          .s_min = s->sigma_min,
                          .s_max = s->sigma_max,
                          .beta_min = s->beta_min,
                          .beta_max = s->beta_max,
                          .rho = s->rho,
                          .base = s->power_base,
                          .scale = s->reference > 0 ? side / s->reference : 1};
    return pyr_schedule_check(out);
}

pyr_status pyr_level_sampling_schedule(pyr_schedule *out, const pyr_level_settings *s, double side)
{
    PYR_TRY(pyr_level_schedule(out, s, side));
    out->curve = (pyr_curve)s->sampler_curve;
    if (s->sampler_sigma_min > 0)
        out->s_min = s->sampler_sigma_min;
    if (s->sampler_sigma_max > 0)
        out->s_max = s->sampler_sigma_max;
    PYR_TRY(pyr_schedule_check(out));
    return pyr_sampler_check(&s->sampler, out); /* found before anything is drawn */
}
