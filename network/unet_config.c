#include "network/unet_config.h"

#include "base/json.h"
#include "base/mem.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- words ---- */

const char *const pyr_unet_down_words[] = {"DownBlock2D", "AttnDownBlock2D", NULL};
const char *const pyr_unet_up_words[] = {"UpBlock2D", "AttnUpBlock2D", NULL};
const char *const pyr_unet_act_words[] = {"silu", "mish", "gelu", "relu", NULL};
const char *const pyr_unet_time_words[] = {"positional", "fourier", "learned", NULL};
const char *const pyr_unet_class_words[] = {"none", "table", "timestep", "identity", NULL};
const char *const pyr_unet_shift_words[] = {"default", "scale_shift", NULL};
const char *const pyr_unet_resample_words[] = {"conv", "resnet", NULL};

static const struct {
    const char *const *words;
    int first; /* value of words[0] */
} sets[] = {
    [PYR_UNET_WORDS_DOWN] = {pyr_unet_down_words, PYR_UNET_DOWN},
    [PYR_UNET_WORDS_UP] = {pyr_unet_up_words, PYR_UNET_UP},
    [PYR_UNET_WORDS_ACT] = {pyr_unet_act_words, PYR_ACT_SILU},
    [PYR_UNET_WORDS_TIME] = {pyr_unet_time_words, PYR_UNET_POSITIONAL},
    [PYR_UNET_WORDS_CLASS] = {pyr_unet_class_words, PYR_UNET_CLASS_NONE},
    [PYR_UNET_WORDS_SHIFT] = {pyr_unet_shift_words, PYR_UNET_SHIFT_DEFAULT},
    [PYR_UNET_WORDS_RESAMPLE] = {pyr_unet_resample_words, PYR_UNET_RESAMPLE_CONV},
};

bool pyr_unet_word_parse(int *out, pyr_unet_words set, const char *word)
{
    bool act = set == PYR_UNET_WORDS_ACT;

    if ((set == PYR_UNET_WORDS_DOWN || set == PYR_UNET_WORDS_UP) && strncmp(word, "UNetRes", 7) == 0)
        word += 7;
    if (act && strcasecmp(word, "swish") == 0)
        word = "silu";
    for (int i = 0; sets[set].words[i]; i++)
        if ((act ? strcasecmp : strcmp)(word, sets[set].words[i]) == 0) {
            *out = sets[set].first + i;
            return true;
        }
    return false;
}

const char *pyr_unet_word(pyr_unet_words set, int value)
{
    for (int i = 0; sets[set].words[i]; i++)
        if (sets[set].first + i == value)
            return sets[set].words[i];
    return NULL;
}

/* "a, b or c" into a buffer that every set fits in. */
enum { LIST = 128 };
static const char *word_list(char list[LIST], pyr_unet_words set)
{
    size_t n = 0;

    for (int i = 0; sets[set].words[i]; i++)
        n += (size_t)snprintf(list + n, LIST - n, "%s%s",
                              !i                       ? ""
                              : sets[set].words[i + 1] ? ", "
                                                       : " or ",
                              sets[set].words[i]);
    return list;
}

/* ---- the table of keys ---- */

typedef enum field_kind {
    FIELD_INT,
    FIELD_INT_NULL, /* 0 in the struct is null in the file */
    FIELD_REAL,
    FIELD_BOOL,
    FIELD_WORD,     /* of `set` */
    FIELD_CHANNELS, /* list of int */
    FIELD_BLOCKS,   /* list of words of `set` */
    FIELD_CLASS,    /* class_embed_type */
    FIELD_MID,      /* mid_block_type */
    FIELD_SIZE      /* sample_size */
} field_kind;

typedef struct field {
    const char *key;
    field_kind kind;
    size_t offset;
    double min, max;
    pyr_unet_words set;
} field;

/* Most that a size of the network can be; no model comes near, and products of
 * a few of them stay inside 64 bits. */
#define BIG 65536

/* Sorted by key, as the library writes them. */
#define AT(member) offsetof(pyr_unet_config, member)
static const field fields[] = {
    {"_pyrdiff_patch", FIELD_INT, AT(patch), 1, 64, 0},
    {"act_fn", FIELD_WORD, AT(act_fn), 0, 0, PYR_UNET_WORDS_ACT},
    {"add_attention", FIELD_BOOL, AT(add_attention), 0, 0, 0},
    {"attention_head_dim", FIELD_INT_NULL, AT(attention_head_dim), 1, BIG, 0},
    {"attn_norm_num_groups", FIELD_INT_NULL, AT(attn_norm_num_groups), 1, BIG, 0},
    {"block_out_channels", FIELD_CHANNELS, AT(block_out_channels), 1, BIG, 0},
    {"center_input_sample", FIELD_BOOL, AT(center_input_sample), 0, 0, 0},
    {"class_embed_type", FIELD_CLASS, AT(class_embed_type), 0, 0, PYR_UNET_WORDS_CLASS},
    {"down_block_types", FIELD_BLOCKS, AT(down_block_types), 0, 0, PYR_UNET_WORDS_DOWN},
    {"downsample_padding", FIELD_INT, AT(downsample_padding), 0, 1, 0},
    {"downsample_type", FIELD_WORD, AT(downsample_type), 0, 0, PYR_UNET_WORDS_RESAMPLE},
    {"dropout", FIELD_REAL, AT(dropout), 0, 0.999, 0},
    {"flip_sin_to_cos", FIELD_BOOL, AT(flip_sin_to_cos), 0, 0, 0},
    {"freq_shift", FIELD_REAL, AT(freq_shift), -BIG, BIG, 0},
    {"in_channels", FIELD_INT, AT(in_channels), 1, BIG, 0},
    {"layers_per_block", FIELD_INT, AT(layers_per_block), 1, PYR_UNET_MAX_LAYERS, 0},
    {"mid_block_scale_factor", FIELD_REAL, AT(mid_block_scale_factor), 1e-6, 1e6, 0},
    {"mid_block_type", FIELD_MID, AT(mid_block), 0, 0, 0},
    {"norm_eps", FIELD_REAL, AT(norm_eps), 0, 1, 0},
    {"norm_num_groups", FIELD_INT, AT(norm_num_groups), 1, BIG, 0},
    {"num_class_embeds", FIELD_INT_NULL, AT(num_class_embeds), 1, 16777216, 0},
    {"num_train_timesteps", FIELD_INT_NULL, AT(num_train_timesteps), 1, 16777216, 0},
    {"out_channels", FIELD_INT, AT(out_channels), 1, BIG, 0},
    {"resnet_time_scale_shift", FIELD_WORD, AT(resnet_time_scale_shift), 0, 0, PYR_UNET_WORDS_SHIFT},
    {"sample_size", FIELD_SIZE, AT(sample_height), 1, 1 << 30, 0},
    {"time_embedding_dim", FIELD_INT_NULL, AT(time_embedding_dim), 0, BIG, 0},
    {"time_embedding_type", FIELD_WORD, AT(time_embedding_type), 0, 0, PYR_UNET_WORDS_TIME},
    {"up_block_types", FIELD_BLOCKS, AT(up_block_types), 0, 0, PYR_UNET_WORDS_UP},
    {"upsample_type", FIELD_WORD, AT(upsample_type), 0, 0, PYR_UNET_WORDS_RESAMPLE},
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* Enums are as wide as int and are reached as int. */
_Static_assert(sizeof(pyr_unet_block) == sizeof(int) && sizeof(pyr_act) == sizeof(int), "enums are int");

static int get_int(const pyr_unet_config *config, const field *f, int i)
{
    int value;

    memcpy(&value, (const char *)config + f->offset + (size_t)i * sizeof value, sizeof value);
    return value;
}

static void set_int(pyr_unet_config *config, const field *f, int i, int value)
{
    memcpy((char *)config + f->offset + (size_t)i * sizeof value, &value, sizeof value);
}

static double get_real(const pyr_unet_config *config, const field *f)
{
    double value;

    memcpy(&value, (const char *)config + f->offset, sizeof value);
    return value;
}

static bool get_bool(const pyr_unet_config *config, const field *f)
{
    bool value;

    memcpy(&value, (const char *)config + f->offset, sizeof value);
    return value;
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

static pyr_status check_range(const pyr_unet_config *config, const field *f, int i)
{
    int value =
        f->kind == FIELD_REAL || f->kind == FIELD_BOOL || f->kind == FIELD_MID ? 0 : get_int(config, f, i);
    char list[LIST];

    switch (f->kind) {
    case FIELD_REAL:
        if (!(get_real(config, f) >= f->min && get_real(config, f) <= f->max))
            return pyr_fail(PYR_E_CONFIG, "%s is %g, should be %g..%g", f->key, get_real(config, f), f->min,
                            f->max);
        break;
    case FIELD_INT_NULL:
        if (value == 0)
            break;
        /* fall through */
    case FIELD_INT:
    case FIELD_CHANNELS:
        if (value < f->min || value > f->max)
            return pyr_fail(PYR_E_CONFIG, "%s is %d, should be %.0f..%.0f", f->key, value, f->min, f->max);
        break;
    case FIELD_WORD:
    case FIELD_BLOCKS:
    case FIELD_CLASS:
        if (!pyr_unet_word(f->set, value))
            return pyr_fail(PYR_E_CONFIG, "%s has the value %d, should be %s", f->key, value,
                            word_list(list, f->set));
        break;
    case FIELD_SIZE:
        if (config->sample_height < 0 || config->sample_width < 0 ||
            !config->sample_height != !config->sample_width)
            return pyr_fail(PYR_E_CONFIG, "sample_size is %dx%d, should be at least 1x1",
                            config->sample_height, config->sample_width);
        break;
    case FIELD_BOOL:
    case FIELD_MID:
        break;
    }
    return PYR_OK;
}

static pyr_status check_ranges(const pyr_unet_config *config)
{
    if (config->resolutions < 1 || config->resolutions > PYR_UNET_MAX_RESOLUTIONS)
        return pyr_fail(PYR_E_CONFIG, "block_out_channels has %d entries, should have 1..%d",
                        config->resolutions, PYR_UNET_MAX_RESOLUTIONS);
    for (const field *f = fields; f < fields + FIELDS; f++)
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

/* ---- reading ---- */

typedef struct reader {
    const char *name;            /* of the file */
    int listed[FIELDS];          /* entries of the lists, -1: absent */
    const pyr_json_node *passed; /* `_use_default_values` */
} reader;

/* A value as a person knows it from the file. */
static const char *describe(char text[LIST], const pyr_json_node *value)
{
    if (pyr_json_is_string(value))
        snprintf(text, LIST, "\"%.100s\"", pyr_json_text(value));
    else if (pyr_json_is_number(value))
        snprintf(text, LIST, "%.12g", pyr_json_number(value));
    else
        snprintf(text, LIST, "%s",
                 pyr_json_is_null(value)    ? "null"
                 : pyr_json_is_true(value)  ? "true"
                 : pyr_json_is_false(value) ? "false"
                 : pyr_json_is_array(value) ? "a list"
                                            : "an object");
    return text;
}

static pyr_status wrong(const reader *in, const field *f, const pyr_json_node *value, const char *should)
{
    char text[LIST];

    return pyr_fail(PYR_E_FORMAT, "%s: %s is %s, should be %s", in->name, f->key, describe(text, value),
                    should);
}

static pyr_status read_int(int *out, const reader *in, const field *f, const pyr_json_node *value)
{
    char should[64];

    if (!pyr_json_is_number(value) || pyr_json_number(value) != floor(pyr_json_number(value)) ||
        !(pyr_json_number(value) >= f->min && pyr_json_number(value) <= f->max)) {
        snprintf(should, sizeof should, "a whole number %.0f..%.0f", f->min, f->max);
        return wrong(in, f, value, should);
    }
    *out = (int)pyr_json_number(value);
    return PYR_OK;
}

static pyr_status read_word(int *out, const reader *in, const field *f, const pyr_json_node *value)
{
    char list[LIST];

    if (!pyr_json_is_string(value))
        return wrong(in, f, value, word_list(list, f->set));
    if (!pyr_unet_word_parse(out, f->set, pyr_json_text(value)))
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: %s names \"%.100s\", which is not offered; offered are %s",
                        in->name, f->key, pyr_json_text(value), word_list(list, f->set));
    return PYR_OK;
}

static pyr_status read_list(pyr_unet_config *out, reader *in, const field *f, const pyr_json_node *value)
{
    int n = pyr_json_is_array(value) ? pyr_json_count(value) : 0, entry, i = 0;
    const pyr_json_node *item;

    if (!n)
        return wrong(in, f, value, "a list with an entry per resolution");
    if (n > PYR_UNET_MAX_RESOLUTIONS)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: %s has %d entries, at most %d are offered", in->name, f->key,
                        n, PYR_UNET_MAX_RESOLUTIONS);
    in->listed[f - fields] = n;
    pyr_json_each(item, value)
    {
        PYR_TRY(f->kind == FIELD_BLOCKS ? read_word(&entry, in, f, item) : read_int(&entry, in, f, item));
        set_int(out, f, i++, entry);
    }
    for (; i < PYR_UNET_MAX_RESOLUTIONS; i++)
        set_int(out, f, i, 0);
    return PYR_OK;
}

static pyr_status read_size(pyr_unet_config *out, const reader *in, const field *f,
                            const pyr_json_node *value)
{
    if (pyr_json_is_array(value)) {
        if (pyr_json_count(value) != 2)
            return wrong(in, f, value, "a number, [height, width] or null");
        PYR_TRY(read_int(&out->sample_height, in, f, pyr_json_first(value)));
        return read_int(&out->sample_width, in, f, pyr_json_next(pyr_json_first(value)));
    }
    PYR_TRY(read_int(&out->sample_height, in, f, value));
    out->sample_width = out->sample_height;
    return PYR_OK;
}

static pyr_status read_field(pyr_unet_config *out, reader *in, const field *f, const pyr_json_node *value)
{
    bool null = pyr_json_is_null(value), truth;
    int whole = 0;

    switch (f->kind) {
    case FIELD_INT:
    case FIELD_INT_NULL:
        if (f->kind == FIELD_INT || !null)
            PYR_TRY(read_int(&whole, in, f, value));
        set_int(out, f, 0, whole);
        break;
    case FIELD_REAL:
        if (!pyr_json_is_number(value))
            return wrong(in, f, value, "a number");
        memcpy((char *)out + f->offset, &(double){pyr_json_number(value)}, sizeof(double));
        break;
    case FIELD_BOOL:
        if (!pyr_json_is_bool(value))
            return wrong(in, f, value, "true or false");
        truth = pyr_json_is_true(value);
        memcpy((char *)out + f->offset, &truth, sizeof truth);
        break;
    case FIELD_WORD:
        PYR_TRY(read_word(&whole, in, f, value));
        set_int(out, f, 0, whole);
        break;
    case FIELD_CHANNELS:
    case FIELD_BLOCKS:
        return read_list(out, in, f, value);
    case FIELD_CLASS:
        whole = PYR_UNET_CLASS_NONE;
        if (!null)
            PYR_TRY(read_word(&whole, in, f, value));
        if (!null && whole <= PYR_UNET_CLASS_TABLE) /* our words, not the file's */
            return wrong(in, f, value, "null, timestep or identity");
        set_int(out, f, 0, whole);
        break;
    case FIELD_MID:
        if (!null && !pyr_json_is_string(value))
            return wrong(in, f, value, "\"UNetMidBlock2D\" or null");
        if (!null && strcmp(pyr_json_text(value), "UNetMidBlock2D") != 0)
            return pyr_fail(PYR_E_UNSUPPORTED, "%s: %s names \"%.100s\", which is not offered; offered is %s",
                            in->name, f->key, pyr_json_text(value), "UNetMidBlock2D or null");
        out->mid_block = !null;
        break;
    case FIELD_SIZE:
        out->sample_height = out->sample_width = 0;
        return null ? PYR_OK : read_size(out, in, f, value);
    }
    return PYR_OK;
}

/* `_use_default_values`: keys that the writer left at their default; a newer
 * library may have another default, so they count as absent. */
static bool is_passed(const reader *in, const char *key)
{
    const pyr_json_node *item;

    pyr_json_each(item, in->passed)
    {
        if (pyr_json_is_string(item) && strcmp(pyr_json_text(item), key) == 0)
            return true;
    }
    return false;
}

static const field *find_field(const char *key)
{
    for (const field *f = fields; f < fields + FIELDS; f++)
        if (strcmp(f->key, key) == 0)
            return f;
    return NULL;
}

/* Keys that stand in the config.json of an EMA and say nothing of the network. */
static bool is_ema(const char *key)
{
    static const char *const keys[] = {
        "decay",     "min_decay", "optimization_step", "update_after_step", "use_ema_warmup",
        "inv_gamma", "power"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

/* The three lists are as long as each other; an absent one is the default. */
static pyr_status check_lists(pyr_unet_config *out, const reader *in)
{
    const field *channels = find_field("block_out_channels");
    int n = in->listed[channels - fields];

    out->resolutions = n < 0 ? 4 : n;
    for (const field *f = fields; f < fields + FIELDS; f++) {
        int listed = in->listed[f - fields];

        if (f->kind == FIELD_BLOCKS && (listed < 0 ? 4 : listed) != out->resolutions)
            return pyr_fail(PYR_E_CONFIG,
                            "%s: %s has %d entries%s, block_out_channels has %d%s; should be as many",
                            in->name, f->key, listed < 0 ? 4 : listed, listed < 0 ? " (the default)" : "",
                            out->resolutions, n < 0 ? " (the default)" : "");
    }
    return PYR_OK;
}

static pyr_status read_tree(pyr_unet_config *out, const pyr_json_node *tree, const char *name,
                            pyr_text *warning)
{
    reader in = {.name = name};
    const pyr_json_node *item, *class_name;
    char text[LIST];
    int unknown = 0;

    pyr_unet_config_default(out);
    if (!pyr_json_is_object(tree))
        return pyr_fail(PYR_E_FORMAT, "%s: not a JSON object", name);
    class_name = pyr_json_member(tree, "_class_name");
    if (!pyr_json_is_string(class_name) || strcmp(pyr_json_text(class_name), "UNet2DModel") != 0)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: _class_name is %s, should be \"UNet2DModel\"", name,
                        class_name ? describe(text, class_name) : "missing");
    in.passed = pyr_json_member(tree, "_use_default_values");
    for (int i = 0; i < FIELDS; i++)
        in.listed[i] = -1;
    pyr_json_each(item, tree)
    {
        const field *f = find_field(pyr_json_key(item));

        if (f && !is_passed(&in, pyr_json_key(item)))
            PYR_TRY(read_field(out, &in, f, item));
        if (!f && pyr_json_key(item)[0] != '_' && !is_ema(pyr_json_key(item)) && warning)
            pyr_text_add(warning, "%s\"%.100s\"", unknown++ ? ", " : "", pyr_json_key(item));
    }
    if (unknown)
        pyr_text_add(warning, ": unknown in %s, left out", name);
    if (warning && warning->failed)
        return pyr_fail(PYR_E_NOMEM, "out of memory: the unknown keys of %s", name);
    PYR_TRY(check_lists(out, &in));
    if (out->class_embed_type == PYR_UNET_CLASS_NONE && out->num_class_embeds)
        out->class_embed_type = PYR_UNET_CLASS_TABLE;
    pyr_status status = pyr_unet_config_check(out);
    return status == PYR_OK ? status : pyr_fail_prefix(status, "%s", name);
}

pyr_status pyr_unet_config_parse(pyr_unet_config *out, const char *bytes, size_t n, const char *name,
                                 pyr_text *warning)
{
    pyr_json_node *tree;
    pyr_status status;

    PYR_TRY(pyr_json_parse(&tree, bytes, n, name));
    status = read_tree(out, tree, name, warning);
    pyr_json_free(tree);
    return status;
}

pyr_status pyr_unet_config_read(pyr_unet_config *out, const char *path, pyr_text *warning)
{
    pyr_json_node *tree;
    pyr_status status;

    PYR_TRY(pyr_json_read(&tree, path));
    status = read_tree(out, tree, path, warning);
    pyr_json_free(tree);
    return status;
}

/* ---- writing ---- */

static void write_field(pyr_json *json, const pyr_unet_config *config, const field *f)
{
    switch (f->kind) {
    case FIELD_INT_NULL:
        if (!get_int(config, f, 0)) {
            pyr_json_string(json, f->key, NULL);
            break;
        }
        /* fall through */
    case FIELD_INT:
        pyr_json_int(json, f->key, get_int(config, f, 0));
        break;
    case FIELD_REAL:
        pyr_json_real(json, f->key, get_real(config, f));
        break;
    case FIELD_BOOL:
        pyr_json_bool(json, f->key, get_bool(config, f));
        break;
    case FIELD_WORD:
        pyr_json_string(json, f->key, pyr_unet_word(f->set, get_int(config, f, 0)));
        break;
    case FIELD_CHANNELS:
    case FIELD_BLOCKS:
        pyr_json_open(json, f->key, '[');
        for (int i = 0; i < config->resolutions; i++)
            if (f->kind == FIELD_CHANNELS)
                pyr_json_int(json, NULL, get_int(config, f, i));
            else
                pyr_json_string(json, NULL, pyr_unet_word(f->set, get_int(config, f, i)));
        pyr_json_close(json, ']');
        break;
    case FIELD_CLASS:
        pyr_json_string(json, f->key,
                        config->class_embed_type <= PYR_UNET_CLASS_TABLE
                            ? NULL
                            : pyr_unet_word(f->set, (int)config->class_embed_type));
        break;
    case FIELD_MID:
        pyr_json_string(json, f->key, config->mid_block ? "UNetMidBlock2D" : NULL);
        break;
    case FIELD_SIZE:
        if (!config->sample_height)
            pyr_json_string(json, f->key, NULL);
        else if (config->sample_height == config->sample_width)
            pyr_json_int(json, f->key, config->sample_height);
        else {
            pyr_json_open(json, f->key, '[');
            pyr_json_int(json, NULL, config->sample_height);
            pyr_json_int(json, NULL, config->sample_width);
            pyr_json_close(json, ']');
        }
        break;
    }
}

pyr_status pyr_unet_config_write(pyr_text *out, const pyr_unet_config *config)
{
    pyr_json json = {.indent = 2};
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_unet_config_check(config));
    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "_class_name", "UNet2DModel");
    pyr_json_string(&json, "_diffusers_version", "0.31.0");
    for (const field *f = fields; f < fields + FIELDS; f++) {
        /* Two keys are younger than 0.31, which would warn of them: written only where they matter. */
        if ((f->kind == FIELD_MID && config->mid_block) ||
            (f->offset == AT(time_embedding_dim) && !config->time_embedding_dim))
            continue;
        write_field(&json, config, f);
    }
    pyr_json_close(&json, '}');
    pyr_text_add(&json.text, "\n");
    if (!json.text.failed)
        pyr_text_add_bytes(out, json.text.at, json.text.length);
    if (json.text.failed || out->failed)
        status = pyr_fail(PYR_E_NOMEM, "out of memory: the text of config.json");
    pyr_text_free(&json.text);
    return status;
}

/* ---- finding a model ---- */

#define STEM "diffusion_pytorch_model"

static pyr_status no_memory(const char *path)
{
    return pyr_fail(PYR_E_NOMEM, "out of memory for the names of files in %s", path);
}

/* Append `folder`/`name` to the weights. */
static pyr_status add_weights(pyr_unet_files *out, const char *folder, const char *name)
{
    char *path = pyr_path_join(folder, name);
    pyr_status status = path ? pyr_names_add(&out->weights, path) : no_memory(folder);

    pyr_free(path);
    return status;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order, each once. */
static void sort_weights(pyr_names *weights)
{
    size_t n = 0;

    qsort(weights->at, weights->n, sizeof *weights->at, compare_paths);
    for (size_t i = 0; i < weights->n; i++)
        if (n == 0 || strcmp(weights->at[n - 1], weights->at[i]) != 0)
            weights->at[n++] = weights->at[i];
    weights->n = n;
}

/* The shards that the index `folder`/`name` lists in its weight_map. */
static pyr_status add_shards(pyr_unet_files *out, const char *folder, const char *name)
{
    char *path = pyr_path_join(folder, name);
    pyr_json_node *tree = NULL;
    const pyr_json_node *map, *item;
    pyr_status status;

    if (!path)
        return no_memory(folder);
    PYR_TRY_OUT(pyr_json_read(&tree, path));
    map = pyr_json_member(tree, "weight_map");
    if (!pyr_json_is_object(map) || !pyr_json_first(map)) {
        status = pyr_fail(PYR_E_FORMAT, "%s: weight_map is missing, empty or not an object", path);
        goto out;
    }
    pyr_json_each(item, map)
    {
        if (!pyr_json_is_string(item) || !pyr_ends_with(pyr_json_text(item), ".safetensors") ||
            strchr(pyr_json_text(item), '/')) {
            status = pyr_fail(PYR_E_FORMAT,
                              "%.400s: weight_map \"%.200s\" is not the name of a .safetensors beside it",
                              path, pyr_json_key(item));
            goto out;
        }
        PYR_TRY_OUT(add_weights(out, folder, pyr_json_text(item)));
    }
    sort_weights(&out->weights);
    for (size_t i = 0; i < out->weights.n; i++) {
        bool there;

        PYR_TRY_OUT(pyr_file_exists(&there, out->weights.at[i]));
        if (!there)
            PYR_TRY_OUT(pyr_fail(PYR_E_IO, "%.400s: its part %.400s is missing", path, out->weights.at[i]));
    }
out:
    pyr_json_free(tree);
    pyr_free(path);
    return status;
}

/* "…-00001-of-00002.safetensors" */
static bool is_shard(const char *name)
{
    size_t n = strlen(name), tail = strlen("-00001-of-00002.safetensors");

    return n > tail && name[n - tail] == '-' && strncmp(name + n - tail + 6, "-of-", 4) == 0;
}

static bool is_index(const char *name)
{
    return strstr(name, ".safetensors.index.") && pyr_ends_with(name, ".json");
}

/* The weights in a folder: the plain name, an index, or the only variant. */
static pyr_status find_weights(pyr_unet_files *out, const char *folder)
{
    pyr_names names = {0};
    const char *variant = NULL, *second = NULL, *shard = NULL, *pickle = NULL;
    bool there;
    pyr_status status;

    PYR_TRY(pyr_file_exists_in(&there, folder, STEM ".safetensors"));
    if (there)
        return add_weights(out, folder, STEM ".safetensors");
    PYR_TRY(pyr_file_exists_in(&there, folder, STEM ".safetensors.index.json"));
    if (there)
        return add_shards(out, folder, STEM ".safetensors.index.json");
    PYR_TRY(pyr_folder_names(&names, folder));
    for (size_t i = 0; i < names.n; i++) {
        const char *name = names.at[i];

        if (strncmp(name, STEM, strlen(STEM)) != 0)
            continue;
        if (pyr_ends_with(name, ".bin") || pyr_ends_with(name, ".bin.index.json"))
            pickle = name;
        else if (is_shard(name))
            shard = name;
        else if (pyr_ends_with(name, ".safetensors") || is_index(name)) {
            second = variant;
            variant = name;
        }
    }
    if (second)
        status = pyr_fail(PYR_E_ARG,
                          "%s holds several variants, such as %s and %s; give the path of the one you mean",
                          folder, second, variant);
    else if (variant)
        status = is_index(variant) ? add_shards(out, folder, variant) : add_weights(out, folder, variant);
    else if (shard)
        status = pyr_fail(PYR_E_IO, "%s holds a part (%s), but not its index %s", folder, shard,
                          STEM ".safetensors.index.json");
    else if (pickle)
        status =
            pyr_fail(PYR_E_UNSUPPORTED,
                     "%s/%s is a pickle, which can run any program when read, so it is not; convert it with "
                     "diffusers: UNet2DModel.from_pretrained(\"%s\").save_pretrained(\"NEW\")",
                     folder, pickle, folder);
    else
        status = pyr_fail(PYR_E_IO, "%s has a config.json, but no %s", folder, STEM ".safetensors");
    pyr_names_free(&names);
    return status;
}

/* Whether the model of a folder is in its unet/: it has no config.json of its own, or that of a pipeline. */
static pyr_status is_inside(bool *inside, const char *path)
{
    bool config, index = false;

    *inside = false;
    PYR_TRY(pyr_file_exists_in(&config, path, "config.json"));
    if (config)
        PYR_TRY(pyr_file_exists_in(&index, path, "model_index.json"));
    return config && !index ? PYR_OK : pyr_file_exists_in(inside, path, "unet/config.json");
}

pyr_status pyr_unet_find(pyr_unet_files *out, const char *path)
{
    bool is_file, there;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *folder = pyr_strdup(path);
    pyr_status status = PYR_OK;

    *out = (pyr_unet_files){0};
    if (!folder)
        return no_memory(path);
    PYR_TRY_OUT(pyr_file_exists(&is_file, path));
    if (is_file) {
        if (slash)
            folder[slash == path ? 1 : slash - path] = 0;
        else
            memcpy(folder, ".", 2);
        if (strcmp(name, "config.json") != 0 && !pyr_ends_with(name, ".safetensors") && !is_index(name)) {
            status =
                pyr_fail(PYR_E_UNSUPPORTED, "%s is not a .safetensors file or the folder of a model%s", path,
                         pyr_ending_of(name, ".bin .pt .pth .ckpt")
                             ? "; a pickle is not read, since it can run any program: save it as safetensors"
                             : "");
            goto out;
        }
    } else {
        bool inside;

        PYR_TRY_OUT(pyr_folder_exists(&there, path));
        if (!there)
            PYR_TRY_OUT(pyr_fail(PYR_E_IO, "%s: no such file or folder", path));
        PYR_TRY_OUT(is_inside(&inside, path));
        if (inside) {
            pyr_free(folder);
            folder = pyr_path_join(path, "unet");
        }
    }
    if (!folder) {
        status = no_memory(path);
        goto out;
    }
    PYR_TRY_OUT(pyr_file_exists_in(&there, folder, "config.json"));
    if (!there)
        PYR_TRY_OUT(is_file ? pyr_fail(PYR_E_IO, "%s has no config.json beside it", path)
                            : pyr_fail(PYR_E_IO, "%s has neither config.json nor unet/config.json", path));
    out->config = pyr_path_join(folder, "config.json");
    if (!out->config) {
        status = no_memory(path);
        goto out;
    }
    if (is_file && pyr_ends_with(name, ".safetensors") && !is_shard(name)) /* of a shard, all are meant */
        status = add_weights(out, folder, name);
    else if (is_file && is_index(name))
        status = add_shards(out, folder, name);
    else
        status = find_weights(out, folder);
out:
    pyr_free(folder);
    if (status != PYR_OK)
        pyr_unet_files_free(out);
    return status;
}

void pyr_unet_files_free(pyr_unet_files *files)
{
    pyr_free(files->config);
    pyr_names_free(&files->weights);
    *files = (pyr_unet_files){0};
}
