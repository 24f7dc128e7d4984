/* unet_config.c - the members of a network's configuration: words, ranges, defaults, what contradicts. */
#include "network/unet_config.h"

#include "network/unet_fields.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- the table of members ---- */

const char *const pyr_unet_down_words[] = {"DownBlock2D", "AttnDownBlock2D", NULL};
const char *const pyr_unet_up_words[] = {"UpBlock2D", "AttnUpBlock2D", NULL};
const char *const pyr_unet_act_words[] = {"silu", "mish", "gelu", "relu", "elu", NULL};
const char *const pyr_unet_norm_words[] = {"group", "instance++", NULL};
const char *const pyr_unet_time_words[] = {"positional", "fourier", "learned", NULL};
const char *const pyr_unet_class_words[] = {"none", "table", "timestep", "identity", NULL};
const char *const pyr_unet_shift_words[] = {"default", "scale_shift", NULL};
const char *const pyr_unet_resample_words[] = {"conv", "resnet", NULL};

static const int up_blocks[] = {PYR_UNET_UP, PYR_UNET_ATTN_UP},
                 activations[] = {PYR_ACT_SILU, PYR_ACT_MISH, PYR_ACT_GELU, PYR_ACT_RELU, PYR_ACT_ELU};

/* The library passes over `UNetRes` before a block. */
static const char *block_spelling(const char *word)
{
    return strncmp(word, "UNetRes", 7) == 0 ? word + 7 : word;
}

static const char *act_spelling(const char *word)
{
    return strcasecmp(word, "swish") == 0 ? "silu" : word;
}

/* Most that a size of the network can be; no model comes near, and products of a few of them stay inside 64
 * bits. */
#define BIG 65536

/* Sorted by key, as the library writes them. */
#define AT(member) offsetof(pyr_unet_config, member)
const pyr_field pyr_unet_fields[PYR_UNET_FIELDS] = {
    {"_pyrdiff_dilated", PYR_FIELD_BOOL, .offset = AT(dilated)},
    {"_pyrdiff_norm", PYR_FIELD_WORD, .offset = AT(norm), .words = pyr_unet_norm_words},
    {"_pyrdiff_patch", PYR_FIELD_INT, .offset = AT(patch), .min = 1, .max = 64},
    {"act_fn", PYR_FIELD_WORD, .offset = AT(act_fn), .words = pyr_unet_act_words, .values = activations,
     .spelling = act_spelling, .any_case = true},
    {"add_attention", PYR_FIELD_BOOL, .offset = AT(add_attention)},
    {"attention_head_dim", PYR_FIELD_INT_NULL, .offset = AT(attention_head_dim), .min = 1, .max = BIG},
    {"attn_norm_num_groups", PYR_FIELD_INT_NULL, .offset = AT(attn_norm_num_groups), .min = 1, .max = BIG},
    {"block_out_channels", FIELD_CHANNELS, .offset = AT(block_out_channels), .min = 1, .max = BIG},
    {"center_input_sample", PYR_FIELD_BOOL, .offset = AT(center_input_sample)},
    {"class_embed_type", FIELD_CLASS, .offset = AT(class_embed_type), .words = pyr_unet_class_words},
    {"down_block_types", FIELD_BLOCKS, .offset = AT(down_block_types), .words = pyr_unet_down_words,
     .spelling = block_spelling},
    {"downsample_padding", PYR_FIELD_INT, .offset = AT(downsample_padding), .min = 0, .max = 1},
    {"downsample_type", PYR_FIELD_WORD, .offset = AT(downsample_type), .words = pyr_unet_resample_words},
    {"dropout", PYR_FIELD_REAL, .offset = AT(dropout), .min = 0, .max = 0.999},
    {"flip_sin_to_cos", PYR_FIELD_BOOL, .offset = AT(flip_sin_to_cos)},
    {"freq_shift", PYR_FIELD_REAL, .offset = AT(freq_shift), .min = -BIG, .max = BIG},
    {"in_channels", PYR_FIELD_INT, .offset = AT(in_channels), .min = 1, .max = BIG},
    {"layers_per_block", PYR_FIELD_INT, .offset = AT(layers_per_block), .min = 1, .max = PYR_UNET_MAX_LAYERS},
    {"mid_block_scale_factor", PYR_FIELD_REAL, .offset = AT(mid_block_scale_factor), .min = 1e-6, .max = 1e6},
    {"mid_block_type", FIELD_MID, .offset = AT(mid_block)},
    {"norm_eps", PYR_FIELD_REAL, .offset = AT(norm_eps), .min = 0, .max = 1},
    {"norm_num_groups", PYR_FIELD_INT, .offset = AT(norm_num_groups), .min = 1, .max = BIG},
    {"num_class_embeds", PYR_FIELD_INT_NULL, .offset = AT(num_class_embeds), .min = 1, .max = 16777216},
    {"num_train_timesteps", PYR_FIELD_INT_NULL, .offset = AT(num_train_timesteps), .min = 1, .max = 16777216},
    {"out_channels", PYR_FIELD_INT, .offset = AT(out_channels), .min = 1, .max = BIG},
    {"resnet_time_scale_shift", PYR_FIELD_WORD, .offset = AT(resnet_time_scale_shift),
     .words = pyr_unet_shift_words},
    {"sample_size", FIELD_SIZE, .offset = AT(sample_height), .min = 1, .max = 1 << 30},
    {"time_embedding_dim", PYR_FIELD_INT_NULL, .offset = AT(time_embedding_dim), .min = 0, .max = BIG},
    {"time_embedding_type", PYR_FIELD_WORD, .offset = AT(time_embedding_type), .words = pyr_unet_time_words},
    {"up_block_types", FIELD_BLOCKS, .offset = AT(up_block_types), .words = pyr_unet_up_words,
     .values = up_blocks, .spelling = block_spelling},
    {"upsample_type", PYR_FIELD_WORD, .offset = AT(upsample_type), .words = pyr_unet_resample_words},
};

/* Enums are as wide as int and are reached as int. */
_Static_assert(sizeof(pyr_unet_block) == sizeof(int) && sizeof(pyr_act) == sizeof(int), "enums are int");

bool pyr_unet_word_parse(int *out, const char *key, const char *word)
{
    return pyr_field_value(out, pyr_field_find(pyr_unet_fields, PYR_UNET_FIELDS, key), word);
}

const char *pyr_unet_word(const char *key, int value)
{
    return pyr_field_word(pyr_field_find(pyr_unet_fields, PYR_UNET_FIELDS, key), value);
}

void pyr_unet_config_default(pyr_unet_config *out)
{
    static const pyr_unet_config standard = {
        .in_channels = 3,
        .out_channels = 3,
        .patch = 1,
        .time_embedding_type = PYR_UNET_POSITIONAL,
        .flip_sin_to_cos = true,
        .resolutions = 4,
        .block_out_channels = {224, 448, 672, 896},
        .down_block_types = {PYR_UNET_DOWN, PYR_UNET_ATTN_DOWN, PYR_UNET_ATTN_DOWN, PYR_UNET_ATTN_DOWN},
        .up_block_types = {PYR_UNET_ATTN_UP, PYR_UNET_ATTN_UP, PYR_UNET_ATTN_UP, PYR_UNET_UP},
        .layers_per_block = 2,
        .mid_block = true,
        .add_attention = true,
        .mid_block_scale_factor = 1,
        .act_fn = PYR_ACT_SILU,
        .norm_eps = 1e-5,
        .norm_num_groups = 32,
        .attention_head_dim = 8,
        .downsample_padding = 1,
    };

    *out = standard;
}

/* ---- checks ---- */

static pyr_status check_range(const pyr_unet_config *config, const pyr_field *f, int i)
{
    int value = f->kind == PYR_FIELD_REAL || f->kind == PYR_FIELD_BOOL || f->kind == FIELD_MID
                    ? 0
                    : pyr_field_int(f, config, i);
    char list[PYR_WORD_LIST];
    double real = 0;

    if (f->kind == PYR_FIELD_REAL)
        memcpy(&real, (const char *)config + f->offset, sizeof real);
    switch (f->kind) {
    case PYR_FIELD_REAL:
        if (!(real >= f->min && real <= f->max))
            return pyr_fail(PYR_E_CONFIG, "%s is %g, should be %g..%g", f->key, real, f->min, f->max);
        break;
    case PYR_FIELD_INT_NULL:
        if (value == 0)
            break;
        /* fall through */
    case PYR_FIELD_INT:
    case FIELD_CHANNELS:
        if (value < f->min || value > f->max)
            return pyr_fail(PYR_E_CONFIG, "%s is %d, should be %.0f..%.0f", f->key, value, f->min, f->max);
        break;
    case PYR_FIELD_WORD:
    case FIELD_BLOCKS:
    case FIELD_CLASS:
        if (!pyr_field_word(f, value))
            return pyr_fail(PYR_E_CONFIG, "%s has the value %d, should be %s", f->key, value,
                            pyr_word_list(list, f->words));
        break;
    case FIELD_SIZE:
        if (config->sample_height < 0 || config->sample_width < 0 ||
            !config->sample_height != !config->sample_width)
            return pyr_fail(PYR_E_CONFIG, "sample_size is %dx%d, should be at least 1x1",
                            config->sample_height, config->sample_width);
        break;
    default:
        break;
    }
    return PYR_OK;
}

static pyr_status check_ranges(const pyr_unet_config *config)
{
    if (config->resolutions < 1 || config->resolutions > PYR_UNET_MAX_RESOLUTIONS)
        return pyr_fail(PYR_E_CONFIG, "block_out_channels has %d entries, should have 1..%d",
                        config->resolutions, PYR_UNET_MAX_RESOLUTIONS);
    for (const pyr_field *f = pyr_unet_fields; f < pyr_unet_fields + PYR_UNET_FIELDS; f++)
        for (int i = 0; i < (f->kind == FIELD_CHANNELS || f->kind == FIELD_BLOCKS ? config->resolutions : 1);
             i++)
            PYR_TRY(check_range(config, f, i));
    return PYR_OK;
}

/* Attention over `channels` in the part of the network that `where` names. */
static pyr_status check_attention(const pyr_unet_config *config, int channels, const char *where, int i)
{
    if (config->attention_head_dim > channels)
        return pyr_fail(PYR_E_CONFIG, "attention_head_dim is %d, but %s[%d] has only %d channels",
                        config->attention_head_dim, where, i, channels);
    return PYR_OK;
}

pyr_status pyr_unet_config_check(const pyr_unet_config *config)
{
    PYR_TRY(check_ranges(config));

    const int *channels = config->block_out_channels;
    const int n = config->resolutions, groups = config->norm_num_groups;

    for (int i = 0; i < n; i++)
        if (channels[i] % groups)
            return pyr_fail(PYR_E_CONFIG,
                            "block_out_channels[%d] is %d, should be a multiple of norm_num_groups (%d)", i,
                            channels[i], groups);
    for (int i = 0; i < n; i++)
        if (config->down_block_types[i] == PYR_UNET_ATTN_DOWN)
            PYR_TRY(check_attention(config, channels[i], "down_block_types", i));
    for (int i = 0; i < n; i++)
        if (config->up_block_types[i] == PYR_UNET_ATTN_UP)
            PYR_TRY(check_attention(config, channels[n - 1 - i], "up_block_types", i));
    if (config->mid_block && config->add_attention) {
        PYR_TRY(check_attention(config, channels[n - 1], "the mid block after block_out_channels", n - 1));
        if (config->attn_norm_num_groups && channels[n - 1] % config->attn_norm_num_groups)
            return pyr_fail(PYR_E_CONFIG,
                            "block_out_channels[%d] is %d, should be a multiple of attn_norm_num_groups (%d)",
                            n - 1, channels[n - 1], config->attn_norm_num_groups);
    }
    if (config->time_embedding_type == PYR_UNET_POSITIONAL && channels[0] / 2 == config->freq_shift)
        return pyr_fail(
            PYR_E_CONFIG,
            "freq_shift is %g, half of block_out_channels[0] (%d): the time embedding divides by their "
            "difference; use another",
            config->freq_shift, channels[0]);
    if (config->time_embedding_type == PYR_UNET_LEARNED && !config->num_train_timesteps)
        return pyr_fail(PYR_E_CONFIG, "time_embedding_type learned needs num_train_timesteps");
    if (config->class_embed_type == PYR_UNET_CLASS_TABLE && !config->num_class_embeds)
        return pyr_fail(PYR_E_CONFIG, "a table of classes needs num_class_embeds");
    if (config->class_embed_type == PYR_UNET_CLASS_NONE && config->num_class_embeds)
        return pyr_fail(PYR_E_CONFIG, "num_class_embeds is %d, but the network takes no class",
                        config->num_class_embeds);
    if (config->out_channels % (config->patch * config->patch))
        return pyr_fail(PYR_E_CONFIG, "out_channels is %d, should be a multiple of the patch's %d pixels",
                        config->out_channels, config->patch * config->patch);
    return PYR_OK;
}
