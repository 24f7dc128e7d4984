/* unet_config.h - the shape of a level's network: diffusers' UNet2DModel.
 *
 * A plain structure with every key of its config.json that is offered here,
 * read and written so that each program loads the other's models
 * (huggingface/diffusers, models/unets/unet_2d.py and unet_2d_blocks.py). */
#ifndef PYR_NETWORK_UNET_CONFIG_H
#define PYR_NETWORK_UNET_CONFIG_H

#include "base/status.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include <stdbool.h>
#include <stddef.h>

enum { PYR_UNET_MAX_RESOLUTIONS = 8, PYR_UNET_MAX_LAYERS = 64 /* of a block */ };

typedef enum pyr_unet_block {
    PYR_UNET_DOWN,
    PYR_UNET_ATTN_DOWN,
    PYR_UNET_UP,
    PYR_UNET_ATTN_UP
} pyr_unet_block;

typedef enum pyr_unet_time { PYR_UNET_POSITIONAL, PYR_UNET_FOURIER, PYR_UNET_LEARNED } pyr_unet_time;

/* TABLE is the file's class_embed_type null with num_class_embeds given. */
typedef enum pyr_unet_class {
    PYR_UNET_CLASS_NONE,
    PYR_UNET_CLASS_TABLE,
    PYR_UNET_CLASS_TIMESTEP,
    PYR_UNET_CLASS_IDENTITY
} pyr_unet_class;

/* INSTANCE_PLUS: of residual blocks and at the end (unet.h). */
typedef enum pyr_unet_norm { PYR_UNET_NORM_GROUP, PYR_UNET_NORM_INSTANCE_PLUS } pyr_unet_norm;
typedef enum pyr_unet_shift { PYR_UNET_SHIFT_DEFAULT, PYR_UNET_SCALE_SHIFT } pyr_unet_shift;
typedef enum pyr_unet_resample { PYR_UNET_RESAMPLE_CONV, PYR_UNET_RESAMPLE_RESNET } pyr_unet_resample;

/* Names are the file's. Where 0 is said to be null it is written as null. */
typedef struct pyr_unet_config {
    int sample_height, sample_width; /* 0, 0: null; a note for samplers, not a limit */
    int in_channels, out_channels;   /* as the network sees them: with conditions, after the unshuffle */
    int patch;                /* ours (`_pyrdiff_patch`): pixel_unshuffle before, shuffle behind; 1: none */
    bool center_input_sample; /* input becomes 2 x - 1 */

    pyr_unet_time time_embedding_type;
    int time_embedding_dim;  /* width; 0: null, which is 4 * block_out_channels[0] */
    double freq_shift;       /* positional */
    bool flip_sin_to_cos;    /* positional: cosines first */
    int num_train_timesteps; /* learned: rows of the table; 0: null */
    pyr_unet_class class_embed_type;
    int num_class_embeds; /* rows of the table; 0: null */

    int resolutions;                                           /* entries of the three lists; the rest is 0 */
    int block_out_channels[PYR_UNET_MAX_RESOLUTIONS];          /* shallow to deep */
    pyr_unet_block down_block_types[PYR_UNET_MAX_RESOLUTIONS]; /* shallow to deep */
    pyr_unet_block up_block_types[PYR_UNET_MAX_RESOLUTIONS];   /* deep to shallow */
    int layers_per_block;                                      /* n in a down block, n + 1 in an up block */
    bool mid_block;                                            /* mid_block_type is not null */
    bool add_attention;                                        /* in the mid block */
    double mid_block_scale_factor;                             /* its outputs are divided by this */

    pyr_unet_norm norm; /* ours (`_pyrdiff_norm`), as the next (`_pyrdiff_dilated`) */
    bool
        dilated; /* behind the first halving images stay as large, and convolutions are dilated: by 2, 4, ... */
    pyr_act act_fn;
    double dropout;
    double norm_eps;
    int norm_num_groups;
    int attn_norm_num_groups; /* mid attention only; 0: null */
    int attention_head_dim;   /* 0: null, one head over all channels */
    pyr_unet_shift resnet_time_scale_shift;
    pyr_unet_resample downsample_type, upsample_type; /* RESNET has a meaning in attention blocks only */
    int downsample_padding; /* 1: one on every side; 0: one row below and one column on the right */
} pyr_unet_config;

/* What the library takes for a key that is absent. */
void pyr_unet_config_default(pyr_unet_config *out);

/* Ranges, and what contradicts: PYR_E_CONFIG with a sentence. */
pyr_status pyr_unet_config_check(const pyr_unet_config *config);

/* Read the `n` bytes of a config.json (NULL: the file itself); `name` is the file in sentences. An
 * absent key takes its default, and so does one in `_use_default_values`; null
 * is kept apart from absent (attention_head_dim: 8 when absent, one head when
 * null). Keys that are unknown are left out and named in *warning (appended,
 * "" when none; may be NULL); those with a leading underscore are not ours and
 * are passed over. PYR_E_FORMAT for a wrong type of value, PYR_E_UNSUPPORTED
 * for a word or class that is not offered, else as the check. */
pyr_status pyr_unet_config_parse(pyr_unet_config *out, const char *bytes, size_t n, const char *name,
                                 pyr_text *warning);
/* The same of the file at `path`. */
static inline pyr_status pyr_unet_config_read(pyr_unet_config *out, const char *path, pyr_text *warning)
{
    return pyr_unet_config_parse(out, NULL, 0, path, warning);
}

/* Append the text of a config.json that diffusers loads; ends with a newline. */
pyr_status pyr_unet_config_write(pyr_text *out, const pyr_unet_config *config);

/* ---- the words of the enums, in config.json and in our own settings ---- */

/* NULL-terminated lists, for rows of settings. An index is the enum's value, but for the two that do not
 * begin at 0. */
extern const char *const pyr_unet_down_words[]; /* DownBlock2D, AttnDownBlock2D */
extern const char *const pyr_unet_up_words[];   /* UpBlock2D, AttnUpBlock2D; from PYR_UNET_UP */
extern const char *const pyr_unet_act_words[];  /* silu, mish, gelu, relu, elu (ours); from PYR_ACT_SILU */
extern const char *const pyr_unet_norm_words[]; /* group, instance++ */
extern const char *const pyr_unet_time_words[];
extern const char *const pyr_unet_class_words[]; /* none, table, timestep, identity */
extern const char *const pyr_unet_shift_words[];
extern const char *const pyr_unet_resample_words[];

/* The enum's value of a word of this key, "act_fn"; false when it is none of them. As the library does,
 * `UNetRes` before a block is passed over, `swish` is silu, and the case of an activation is ignored. */
bool pyr_unet_word_parse(int *out, const char *key, const char *word);

/* The word of a value; NULL when it has none. */
const char *pyr_unet_word(const char *key, int value);

#endif
