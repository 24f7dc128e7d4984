/* level_settings.h - the settings of one level: section `level`, overridden by `levels`. */
#ifndef PYR_LEVELS_LEVEL_SETTINGS_H
#define PYR_LEVELS_LEVEL_SETTINGS_H

#include "diffusion/prediction.h"
#include "diffusion/sampler.h"
#include "diffusion/score_matching.h"
#include "network/unet_config.h"
#include "settings/settings.h"

typedef enum pyr_condition { PYR_CONDITION_COARSE, PYR_CONDITION_NONE } pyr_condition;

/* Names and meaning as UNet2DModel's config.json where it has them. */
typedef struct pyr_network_settings {
    pyr_unet_config unet; /* what of it can be set, but for: */
    pyr_ints block_out_channels;
    pyr_texts down_block_types, up_block_types; /* none: plain blocks */
    int act_fn;                                 /* index into pyr_unet_act_words */
} pyr_network_settings;

typedef struct pyr_level_settings {
    pyr_network_settings network;

    /* noise: schedule and training density; sigma is in units of the standardised level */
    int family, curve;
    double sigma_min, sigma_max, beta_min, beta_max, rho, power_base;
    int density;
    double mean, std;
    int weight;
    int noise_times;  /* density uniform: so many values of t; 0: any */
    int prediction;   /* pyr_prediction */
    bool noise_input; /* the noise level is an input of the network */
    double reference; /* side r of the resolution-adjusted SNR; 0: no shift */

    int objective; /* pyr_objective */

    int condition;                         /* pyr_condition */
    double augmentation, augmentation_min; /* noise on the condition in training, in image units; min < 0:
                                              always the highest */
    bool augmentation_channel; /* its standard deviation is an input, as a channel of the condition */
    bool classes;              /* use the labels, if the data has them */
    double class_dropout;

    /* sampling */
    pyr_sampler sampler;   /* `undenoised` and `predictor` are set by pyr_config_get (cascade/run.h) from: */
    bool sampler_denoise;  /* end with a denoising step */
    int sampler_predictor; /* index into pyr_predictor_names */
    int sampler_curve;
    double sampler_sigma_min, sampler_sigma_max; /* 0: the schedule's */
    double sampler_augmentation;                 /* noise on the condition in sampling, in image units */
    double sampler_guidance;                     /* G; 1: none */
    double guidance_min, guidance_max;           /* the noise levels that it acts at; max 0: no end */
    double guidance_rescale;                     /* phi, 0 .. 1; 0: none */
    double classifier_scale;                     /* of a classifier's gradient; 0: none */

    /* training */
    double share;
    int batch, batch_gpu, groups;
    bool recompute;
    double lr;
    int rate;
    int warmup; /* steps */
    double beta1, beta2, eps, weight_decay, clip, ema, ema_momentum;
    pyr_reals ema_lengths; /* averages with power functions, kept at every checkpoint */
} pyr_level_settings;

extern const pyr_section pyr_level_section; /* "level", per level */

/* The noise levels of training. PYR_E_CONFIG. */
pyr_status pyr_level_training_noise(pyr_noise *out, const pyr_level_settings *settings);

/* The network of a level: variable and condition channels are of the level's images. PYR_E_CONFIG. */
pyr_status pyr_network_config(pyr_unet_config *out, const pyr_network_settings *settings,
                              int variable_channels, int condition_channels, int h, int w, int classes);

/* The schedules of training and of sampling (whose sampler is checked, too); `side` is sqrt(h w) of the
 * level. PYR_E_CONFIG. */
pyr_status pyr_level_schedule(pyr_schedule *out, const pyr_level_settings *settings, double side);
pyr_status pyr_level_sampling_schedule(pyr_schedule *out, const pyr_level_settings *settings, double side);

#endif
