/* unet_config_json.c - a network's configuration from and to diffusers' config.json. */
#include "network/unet_config.h"

#include "network/unet_fields.h"
#include <string.h>

/* ---- reading ---- */

typedef struct reader {
    const char *name;             /* of the file */
    int listed[PYR_UNET_FIELDS];  /* entries of the lists, -1: absent */
    const pyr_json_value *passed; /* `_use_default_values` */
} reader;

static pyr_status read_list(pyr_unet_config *out, reader *in, const pyr_field *f, const pyr_json_value *value)
{
    int n = pyr_json_is(value, PYR_JSON_ARRAY) ? pyr_json_count(value) : 0, entry, i = 0;
    const pyr_json_value *item;

    if (!n)
        return pyr_field_wrong(f, in->name, value, "a list with an entry per resolution");
    if (n > PYR_UNET_MAX_RESOLUTIONS)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: %s has %d entries, at most %d are offered", in->name, f->key,
                        n, PYR_UNET_MAX_RESOLUTIONS);
    in->listed[f - pyr_unet_fields] = n;
    PYR_JSON_EACH(item, value)
    {
        PYR_TRY(f->kind == FIELD_BLOCKS ? pyr_field_read_word(&entry, f, in->name, item)
                                        : pyr_field_read_int(&entry, f, in->name, item));
        pyr_field_set_int(f, out, i++, entry);
    }
    for (; i < PYR_UNET_MAX_RESOLUTIONS; i++)
        pyr_field_set_int(f, out, i, 0);
    return PYR_OK;
}

static pyr_status read_size(pyr_unet_config *out, const reader *in, const pyr_field *f,
                            const pyr_json_value *value)
{
    if (pyr_json_is(value, PYR_JSON_ARRAY)) {
        if (pyr_json_count(value) != 2)
            return pyr_field_wrong(f, in->name, value, "a number, [height, width] or null");
        PYR_TRY(pyr_field_read_int(&out->sample_height, f, in->name, pyr_json_first(value)));
        return pyr_field_read_int(&out->sample_width, f, in->name, pyr_json_next(pyr_json_first(value)));
    }
    PYR_TRY(pyr_field_read_int(&out->sample_height, f, in->name, value));
    out->sample_width = out->sample_height;
    return PYR_OK;
}

static pyr_status read_field(pyr_unet_config *out, reader *in, const pyr_field *f,
                             const pyr_json_value *value)
{
    bool null = pyr_json_is(value, PYR_JSON_NULL);
    int whole;

    switch (f->kind) {
    case FIELD_CHANNELS:
    case FIELD_BLOCKS:
        return read_list(out, in, f, value);
    case FIELD_CLASS:
        whole = PYR_UNET_CLASS_NONE;
        if (!null)
            PYR_TRY(pyr_field_read_word(&whole, f, in->name, value));
        if (!null && whole <= PYR_UNET_CLASS_TABLE) /* our words, not the file's */
            return pyr_field_wrong(f, in->name, value, "null, timestep or identity");
        pyr_field_set_int(f, out, 0, whole);
        break;
    case FIELD_MID:
        if (!null && !pyr_json_text(value))
            return pyr_field_wrong(f, in->name, value, "\"UNetMidBlock2D\" or null");
        if (!null && strcmp(pyr_json_text(value), "UNetMidBlock2D") != 0)
            return pyr_fail(PYR_E_UNSUPPORTED, "%s: %s names \"%.100s\", which is not offered; offered is %s",
                            in->name, f->key, pyr_json_text(value), "UNetMidBlock2D or null");
        out->mid_block = !null;
        break;
    case FIELD_SIZE:
        out->sample_height = out->sample_width = 0;
        return null ? PYR_OK : read_size(out, in, f, value);
    default:
        return pyr_field_read(out, f, in->name, value);
    }
    return PYR_OK;
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
    const pyr_field *channels = pyr_field_find(pyr_unet_fields, PYR_UNET_FIELDS, "block_out_channels");
    int n = in->listed[channels - pyr_unet_fields];

    out->resolutions = n < 0 ? 4 : n;
    for (const pyr_field *f = pyr_unet_fields; f < pyr_unet_fields + PYR_UNET_FIELDS; f++) {
        int listed = in->listed[f - pyr_unet_fields];

        if (f->kind == FIELD_BLOCKS && (listed < 0 ? 4 : listed) != out->resolutions)
            return pyr_fail(PYR_E_CONFIG,
                            "%s: %s has %d entries%s, block_out_channels has %d%s; should be as many",
                            in->name, f->key, listed < 0 ? 4 : listed, listed < 0 ? " (the default)" : "",
                            out->resolutions, n < 0 ? " (the default)" : "");
    }
    return PYR_OK;
}

static pyr_status read_tree(pyr_unet_config *out, const pyr_json_value *tree, const char *name,
                            pyr_text *warning)
{
    reader in = {.name = name};
    const pyr_json_value *item, *class_name;
    char text[PYR_WORD_LIST];
    int unknown = 0;

    pyr_unet_config_default(out);
    if (!pyr_json_is(tree, PYR_JSON_OBJECT))
        return pyr_fail(PYR_E_FORMAT, "%s: not a JSON object", name);
    class_name = pyr_json_member(tree, "_class_name");
    if (!pyr_json_text(class_name) || strcmp(pyr_json_text(class_name), "UNet2DModel") != 0)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: _class_name is %s, should be \"UNet2DModel\"", name,
                        class_name ? pyr_json_describe(text, class_name) : "missing");
    in.passed = pyr_json_member(tree, "_use_default_values");
    for (int i = 0; i < PYR_UNET_FIELDS; i++)
        in.listed[i] = -1;
    PYR_JSON_EACH(item, tree)
    {
        const pyr_field *f = pyr_field_find(pyr_unet_fields, PYR_UNET_FIELDS, pyr_json_key(item));

        if (f && !pyr_json_lists(in.passed, pyr_json_key(item)))
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
    pyr_json_value *tree;
    pyr_status status;

    PYR_TRY(pyr_json_parse_or_read(&tree, bytes, n, name));
    status = read_tree(out, tree, name, warning);
    pyr_json_free(tree);
    return status;
}

/* ---- writing ---- */

static void write_field(pyr_json *json, const pyr_unet_config *config, const pyr_field *f)
{
    switch (f->kind) {
    case FIELD_CHANNELS:
    case FIELD_BLOCKS:
        pyr_json_open(json, f->key, '[');
        for (int i = 0; i < config->resolutions; i++)
            if (f->kind == FIELD_CHANNELS)
                pyr_json_int(json, NULL, pyr_field_int(f, config, i));
            else
                pyr_json_string(json, NULL, pyr_field_word(f, pyr_field_int(f, config, i)));
        pyr_json_close(json, ']');
        break;
    case FIELD_CLASS:
        pyr_json_string(json, f->key,
                        config->class_embed_type <= PYR_UNET_CLASS_TABLE
                            ? NULL
                            : pyr_field_word(f, (int)config->class_embed_type));
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
    default:
        pyr_field_write(json, f, config);
    }
}

pyr_status pyr_unet_config_write(pyr_text *out, const pyr_unet_config *config)
{
    pyr_json json = {.indent = 2};

    PYR_TRY(pyr_unet_config_check(config));
    pyr_json_open(&json, NULL, '{');
    pyr_json_string(&json, "_class_name", "UNet2DModel");
    pyr_json_string(&json, "_diffusers_version", "0.31.0");
    for (const pyr_field *f = pyr_unet_fields; f < pyr_unet_fields + PYR_UNET_FIELDS; f++) {
        /* Two keys are younger than 0.31, which would warn of them, and two are ours: written only where they matter. */
        if ((f->offset == offsetof(pyr_unet_config, norm) && config->norm == PYR_UNET_NORM_GROUP) ||
            (f->offset == offsetof(pyr_unet_config, dilated) && !config->dilated) ||
            (f->kind == FIELD_MID && config->mid_block) ||
            (strcmp(f->key, "time_embedding_dim") == 0 && !config->time_embedding_dim))
            continue;
        write_field(&json, config, f);
    }
    pyr_json_close(&json, '}');
    pyr_text_add(&json.text, "\n");
    return pyr_json_append(out, &json, "the text of config.json");
}
