/* test_unet_config.c - the shape of a network, from and to config.json. The witnesses: config.json files that
 * diffusers 0.31.0 wrote (tests/golden/unet2d), and the one published with google/ddpm-cifar10-32. */
#include "network/unet_config.h"
#include "network/unet_find.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/check.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN "tests/golden/unet2d/"
#define ARRAY(a) (sizeof(a) / sizeof *(a))

static pyr_status parse_text(pyr_unet_config *out, const char *text, pyr_text *warning)
{
    return pyr_unet_config_parse(out, text, strlen(text), "c.json", warning);
}

/* Field by field: padding has no value. */
static void check_equal(const pyr_unet_config *a, const pyr_unet_config *b)
{
#define SAME(member) CHECK(a->member == b->member)
    SAME(sample_height);
    SAME(sample_width);
    SAME(in_channels);
    SAME(out_channels);
    SAME(patch);
    SAME(center_input_sample);
    SAME(time_embedding_type);
    SAME(time_embedding_dim);
    SAME(freq_shift);
    SAME(flip_sin_to_cos);
    SAME(num_train_timesteps);
    SAME(class_embed_type);
    SAME(num_class_embeds);
    SAME(resolutions);
    for (int i = 0; i < PYR_UNET_MAX_RESOLUTIONS; i++) {
        SAME(block_out_channels[i]);
        SAME(down_block_types[i]);
        SAME(up_block_types[i]);
    }
    SAME(layers_per_block);
    SAME(mid_block);
    SAME(add_attention);
    SAME(mid_block_scale_factor);
    SAME(act_fn);
    SAME(dropout);
    SAME(norm_eps);
    SAME(norm_num_groups);
    SAME(attn_norm_num_groups);
    SAME(attention_head_dim);
    SAME(resnet_time_scale_shift);
    SAME(downsample_type);
    SAME(upsample_type);
    SAME(downsample_padding);
#undef SAME
}

/* ---- reading ---- */

static const char *const goldens[] = {
    GOLDEN "ddpm_like/config.json", GOLDEN "ddpm_like_legacy_names/config.json",
    GOLDEN "defaults_hd8/config.json", GOLDEN "scale_shift_classes/config.json",
    GOLDEN "pipeline/unet/config.json"};

static void golden_configs(void)
{
    pyr_unet_config c;
    pyr_text warning = {0};

    for (size_t i = 0; i < ARRAY(goldens); i++) {
        bool ddpm = i < 2 || i == 4;

        CHECK_OK(pyr_unet_config_read(&c, goldens[i], &warning));
        CHECK(c.in_channels == 3 && c.out_channels == 3 && c.sample_height == 8 && c.sample_width == 8);
        CHECK(c.patch == 1 && c.resolutions == 2 && c.block_out_channels[0] == 8 &&
              c.block_out_channels[1] == 16);
        CHECK(c.block_out_channels[2] == 0 && c.down_block_types[2] == 0);
        CHECK(c.down_block_types[0] == PYR_UNET_DOWN && c.down_block_types[1] == PYR_UNET_ATTN_DOWN);
        CHECK(c.up_block_types[0] == PYR_UNET_ATTN_UP && c.up_block_types[1] == PYR_UNET_UP);
        CHECK(c.layers_per_block == 1 && c.norm_num_groups == 4 && c.attn_norm_num_groups == 0);
        CHECK(c.act_fn == PYR_ACT_SILU && c.time_embedding_type == PYR_UNET_POSITIONAL);
        CHECK(c.mid_block && c.add_attention && c.mid_block_scale_factor == 1 && c.time_embedding_dim == 0);
        CHECK(c.attention_head_dim == (ddpm ? 0 : 8));
        CHECK(c.downsample_padding == !ddpm && c.flip_sin_to_cos == !ddpm && c.freq_shift == ddpm);
        CHECK(c.norm_eps == (ddpm ? 1e-6 : 1e-5) && c.dropout == 0 && !c.center_input_sample);
        CHECK(c.resnet_time_scale_shift == (i == 3 ? PYR_UNET_SCALE_SHIFT : PYR_UNET_SHIFT_DEFAULT));
        CHECK(c.class_embed_type == (i == 3 ? PYR_UNET_CLASS_TABLE : PYR_UNET_CLASS_NONE));
        CHECK(c.num_class_embeds == (i == 3 ? 10 : 0) && c.num_train_timesteps == 0);
        CHECK(c.downsample_type == PYR_UNET_RESAMPLE_CONV && c.upsample_type == PYR_UNET_RESAMPLE_CONV);
    }
    CHECK(warning.length == 0);
    pyr_text_free(&warning);
}

static const char cifar[] =
    "{\"_class_name\":\"UNet2DModel\",\"_diffusers_version\":\"0.0.4\",\"act_fn\":\"silu\",\"attention_head_dim\":null,\"block_out_channels\":[128,256,256,256],\"center_input_sample\":false,\"down_block_types\":[\"DownBlock2D\",\"AttnDownBlock2D\",\"DownBlock2D\",\"DownBlock2D\"],\"downsample_padding\":0,\"flip_sin_to_cos\":false,\"freq_shift\":1,\"in_channels\":3,\"layers_per_block\":2,\"mid_block_scale_factor\":1,\"norm_eps\":1e-06,\"norm_num_groups\":32,\"out_channels\":3,\"sample_size\":32,\"time_embedding_type\":\"positional\",\"up_block_types\":[\"UpBlock2D\",\"UpBlock2D\",\"AttnUpBlock2D\",\"UpBlock2D\"]}";

static void ddpm_cifar10_32(void)
{
    pyr_unet_config c, standard;
    pyr_text warning = {0};

    CHECK_OK(parse_text(&c, cifar, &warning));
    CHECK(warning.length == 0);
    pyr_unet_config_default(&standard);
    /* what it says … */
    CHECK(c.resolutions == 4 && c.block_out_channels[0] == 128 && c.block_out_channels[3] == 256);
    CHECK(c.down_block_types[1] == PYR_UNET_ATTN_DOWN && c.down_block_types[2] == PYR_UNET_DOWN);
    CHECK(c.up_block_types[2] == PYR_UNET_ATTN_UP && c.up_block_types[1] == PYR_UNET_UP);
    CHECK(c.attention_head_dim == 0 && c.downsample_padding == 0 && !c.flip_sin_to_cos && c.freq_shift == 1);
    CHECK(c.norm_eps == 1e-6 && c.sample_height == 32 && c.sample_width == 32);
    /* … and what it leaves to the defaults */
    CHECK(c.add_attention && c.mid_block && c.attn_norm_num_groups == 0 && c.time_embedding_dim == 0);
    CHECK(c.resnet_time_scale_shift == PYR_UNET_SHIFT_DEFAULT && c.dropout == 0 && c.patch == 1);
    CHECK(c.class_embed_type == PYR_UNET_CLASS_NONE && c.norm_num_groups == standard.norm_num_groups);
}

static void defaults(void)
{
    pyr_unet_config c, standard;

    pyr_unet_config_default(&standard);
    CHECK_OK(pyr_unet_config_check(&standard));
    CHECK_OK(parse_text(&c, "{\"_class_name\":\"UNet2DModel\"}", NULL));
    check_equal(&c, &standard);
    CHECK(c.attention_head_dim == 8 && c.block_out_channels[3] == 896 && c.sample_height == 0);
}

/* A small network and the keys of a test. */
#define SMALL                                                                                                \
    "{\"_class_name\":\"UNet2DModel\",\"block_out_channels\":[8,16],\"norm_num_groups\":4,"                  \
    "\"down_block_types\":[\"DownBlock2D\",\"AttnDownBlock2D\"],"                                            \
    "\"up_block_types\":[\"AttnUpBlock2D\",\"UpBlock2D\"]"

static void absent_is_not_null(void)
{
    pyr_unet_config c;

    CHECK_OK(parse_text(&c, SMALL "}", NULL));
    CHECK(c.attention_head_dim == 8 && c.mid_block);
    CHECK_OK(parse_text(&c, SMALL ",\"attention_head_dim\":null,\"mid_block_type\":null}", NULL));
    CHECK(c.attention_head_dim == 0 && !c.mid_block);
    CHECK_OK(parse_text(&c, SMALL ",\"attention_head_dim\":3,\"mid_block_type\":\"UNetMidBlock2D\"}", NULL));
    CHECK(c.attention_head_dim == 3 && c.mid_block);
    CHECK_OK(parse_text(
        &c,
        SMALL
        ",\"attention_head_dim\":null,\"layers_per_block\":5,\"act_fn\":\"elu\",\"_use_default_values\":[\"attention_head_dim\",\"act_fn\",\"other\"]}",
        NULL));
    CHECK(c.attention_head_dim == 8 && c.layers_per_block == 5 && c.act_fn == PYR_ACT_SILU);
    CHECK_OK(parse_text(
        &c,
        SMALL
        ",\"attn_norm_num_groups\":null,\"class_embed_type\":null,\"num_class_embeds\":null,\"num_train_timesteps\":null,\"sample_size\":null,\"time_embedding_dim\":null}",
        NULL));
    CHECK(c.attn_norm_num_groups == 0 && c.class_embed_type == PYR_UNET_CLASS_NONE && c.sample_width == 0);
}

static void every_key(void)
{
    pyr_unet_config c;
    pyr_text warning = {0};

    CHECK_OK(parse_text(
        &c,
        "{\"_class_name\":\"UNet2DModel\",\"_pyrdiff_patch\":2,\"_anything\":[1],\"act_fn\":\"SWISH\",\"add_attention\":false,\"attention_head_dim\":4,\"attn_norm_num_groups\":2,\"block_out_channels\":[8],\"center_input_sample\":true,\"class_embed_type\":\"timestep\",\"down_block_types\":[\"UNetResAttnDownBlock2D\"],\"downsample_padding\":0,\"downsample_type\":\"resnet\",\"dropout\":0.25,\"flip_sin_to_cos\":false,\"freq_shift\":0.5,\"in_channels\":24,\"layers_per_block\":3,\"mid_block_scale_factor\":1.5,\"mid_block_type\":null,\"norm_eps\":0.001,\"norm_num_groups\":2,\"num_class_embeds\":7,\"num_train_timesteps\":100,\"out_channels\":12,\"power\":0.75,\"resnet_time_scale_shift\":\"scale_shift\",\"sample_size\":[28,20],\"time_embedding_dim\":64,\"time_embedding_type\":\"learned\",\"up_block_types\":[\"UNetResUpBlock2D\"],\"upsample_type\":\"resnet\"}",
        &warning));
    CHECK(warning.length == 0);
    const pyr_unet_config wanted = {.sample_height = 28,
                                    .sample_width = 20,
                                    .in_channels = 24,
                                    .out_channels = 12,
                                    .patch = 2,
                                    .center_input_sample = true,
                                    .time_embedding_type = PYR_UNET_LEARNED,
                                    .time_embedding_dim = 64,
                                    .freq_shift = 0.5,
                                    .num_train_timesteps = 100,
                                    .class_embed_type = PYR_UNET_CLASS_TIMESTEP,
                                    .num_class_embeds = 7,
                                    .resolutions = 1,
                                    .block_out_channels = {8},
                                    .down_block_types = {PYR_UNET_ATTN_DOWN},
                                    .up_block_types = {PYR_UNET_UP},
                                    .layers_per_block = 3,
                                    .mid_block_scale_factor = 1.5,
                                    .act_fn = PYR_ACT_SILU,
                                    .dropout = 0.25,
                                    .norm_eps = 0.001,
                                    .norm_num_groups = 2,
                                    .attn_norm_num_groups = 2,
                                    .attention_head_dim = 4,
                                    .resnet_time_scale_shift = PYR_UNET_SCALE_SHIFT,
                                    .downsample_type = PYR_UNET_RESAMPLE_RESNET,
                                    .upsample_type = PYR_UNET_RESAMPLE_RESNET};
    check_equal(&c, &wanted);

    CHECK_OK(parse_text(&c, SMALL ",\"class_embed_type\":\"identity\"}", NULL));
    CHECK(c.class_embed_type == PYR_UNET_CLASS_IDENTITY);
    CHECK_OK(parse_text(&c, SMALL ",\"num_class_embeds\":10}", NULL));
    CHECK(c.class_embed_type == PYR_UNET_CLASS_TABLE && c.num_class_embeds == 10);
    CHECK_OK(parse_text(&c, SMALL ",\"time_embedding_type\":\"fourier\",\"act_fn\":\"Mish\"}", NULL));
    CHECK(c.time_embedding_type == PYR_UNET_FOURIER && c.act_fn == PYR_ACT_MISH);
}

static void unknown_keys(void)
{
    pyr_unet_config c;
    pyr_text warning = {0};

    CHECK_OK(parse_text(&c, SMALL ",\"foo\":1,\"_bar\":2,\"decay\":0.9,\"baz\":{\"a\":[]}}", &warning));
    CHECK_STRING(warning.at, "\"foo\", \"baz\": unknown in c.json, left out");
    pyr_text_free(&warning);
    CHECK_OK(parse_text(&c, SMALL ",\"foo\":1}", NULL));
}

/* ---- writing ---- */

static void check_round_trip(const pyr_unet_config *config)
{
    pyr_unet_config again;
    pyr_text text = {0}, warning = {0};

    CHECK_OK(pyr_unet_config_write(&text, config));
    if (text.at)
        CHECK_OK(parse_text(&again, text.at, &warning));
    CHECK(warning.length == 0);
    check_equal(config, &again);
    pyr_text_free(&text);
    pyr_text_free(&warning);
}

static void round_trip(void)
{
    pyr_unet_config c;

    pyr_unet_config_default(&c);
    check_round_trip(&c);
    for (size_t i = 0; i < ARRAY(goldens); i++) {
        CHECK_OK(pyr_unet_config_read(&c, goldens[i], NULL));
        check_round_trip(&c);
    }
    CHECK_OK(parse_text(&c, cifar, NULL));
    check_round_trip(&c);
    for (int i = 0; i < 48; i++) { /* every word, null and not null */
        pyr_unet_config_default(&c);
        c.act_fn = (pyr_act)(PYR_ACT_SILU + i % 4);
        c.time_embedding_type = (pyr_unet_time)(i % 3);
        c.num_train_timesteps = i % 3 == 2 ? 1000 : 0;
        c.class_embed_type = (pyr_unet_class)(i / 3 % 4);
        c.num_class_embeds = c.class_embed_type == PYR_UNET_CLASS_TABLE ? 11 : 0;
        c.resnet_time_scale_shift = (pyr_unet_shift)(i / 2 % 2);
        c.downsample_type = (pyr_unet_resample)(i / 4 % 2);
        c.upsample_type = (pyr_unet_resample)(i / 8 % 2);
        c.mid_block = i % 5 != 0;
        c.add_attention = i % 7 != 0;
        c.center_input_sample = i % 2;
        c.time_embedding_dim = i % 4 ? 0 : 128;
        c.attention_head_dim = i % 3 ? 16 : 0;
        c.attn_norm_num_groups = i % 6 ? 0 : 16;
        c.sample_height = i % 4 ? 20 : 0;
        c.sample_width = i % 4 ? 20 + i % 3 : 0;
        c.dropout = i / 64.0;
        c.patch = i % 2 ? 2 : 1;
        c.out_channels = 12;
        c.resolutions = 1 + i % 4;
        for (int r = c.resolutions; r < 4; r++) {
            c.block_out_channels[r] = 0;
            c.down_block_types[r] = c.up_block_types[r] = (pyr_unet_block)0;
        }
        check_round_trip(&c);
    }
}

/* A golden file, read and written, says the same as before. */
static void writes_as_diffusers(void)
{
    for (size_t i = 0; i < ARRAY(goldens); i++) {
        pyr_unet_config c;
        pyr_text text = {0};
        pyr_json_value *before = NULL, *after = NULL;

        CHECK_OK(pyr_unet_config_read(&c, goldens[i], NULL));
        CHECK_OK(pyr_unet_config_write(&text, &c));
        CHECK_OK(pyr_json_read(&before, goldens[i]));
        if (text.at)
            CHECK_OK(pyr_json_parse(&after, text.at, text.length, "written"));
        cJSON_DeleteItemFromObject(before, "_name_or_path");
        CHECK(pyr_json_member(after, "_pyrdiff_patch") != NULL);
        cJSON_DeleteItemFromObject(after, "_pyrdiff_patch");
        CHECK(cJSON_Compare(before, after, 1));
        CHECK(text.length && text.at[text.length - 1] == '\n');
        pyr_json_free(before);
        pyr_json_free(after);
        pyr_text_free(&text);
    }
}

/* ---- refusals ---- */

static const struct {
    const char *text;
    pyr_status status;
    const char *part;
} bad_files[] = {
    {"", PYR_E_FORMAT, "not valid JSON"},
    {"[]", PYR_E_FORMAT, "not a JSON object"},
    {"{}", PYR_E_UNSUPPORTED, "_class_name is missing, should be \"UNet2DModel\""},
    {"{\"_class_name\":\"UNet2DConditionModel\"}", PYR_E_UNSUPPORTED, "is \"UNet2DConditionModel\", should"},
    {SMALL ",\"in_channels\":3,\"in_channels\":4}", PYR_E_FORMAT, "stands twice"},
    {SMALL ",\"in_channels\":\"3\"}", PYR_E_FORMAT,
     "in_channels is \"3\", should be a whole number 1..65536"},
    {SMALL ",\"in_channels\":null}", PYR_E_FORMAT, "in_channels is null"},
    {SMALL ",\"in_channels\":0}", PYR_E_FORMAT, "in_channels is 0"},
    {SMALL ",\"in_channels\":1.5}", PYR_E_FORMAT, "in_channels is 1.5"},
    {SMALL ",\"in_channels\":1e300}", PYR_E_FORMAT, "in_channels is 1e+300"},
    {SMALL ",\"attention_head_dim\":0}", PYR_E_FORMAT, "attention_head_dim is 0"},
    {SMALL ",\"attention_head_dim\":[8]}", PYR_E_FORMAT, "attention_head_dim is a list"},
    {SMALL ",\"add_attention\":1}", PYR_E_FORMAT, "add_attention is 1, should be true or false"},
    {SMALL ",\"dropout\":null}", PYR_E_FORMAT, "dropout is null, should be a number"},
    {SMALL ",\"dropout\":1}", PYR_E_CONFIG, "c.json: dropout is 1, should be 0..0.999"},
    {SMALL ",\"norm_eps\":1e400}", PYR_E_CONFIG, "norm_eps is inf"},
    {SMALL ",\"mid_block_scale_factor\":0}", PYR_E_CONFIG, "mid_block_scale_factor is 0"},
    {SMALL ",\"downsample_padding\":2}", PYR_E_FORMAT,
     "downsample_padding is 2, should be a whole number 0..1"},
    {SMALL ",\"act_fn\":\"leaky_relu\"}", PYR_E_UNSUPPORTED,
     "act_fn names \"leaky_relu\", which is not offered; offered are silu, mish, gelu, relu or elu"},
    {SMALL ",\"act_fn\":null}", PYR_E_FORMAT, "act_fn is null"},
    {SMALL ",\"class_embed_type\":\"projection\"}", PYR_E_UNSUPPORTED, "\"projection\""},
    {SMALL ",\"class_embed_type\":\"table\"}", PYR_E_FORMAT, "should be null, timestep or identity"},
    {SMALL ",\"mid_block_type\":\"UNetMidBlock2DCrossAttn\"}", PYR_E_UNSUPPORTED,
     "\"UNetMidBlock2DCrossAttn\""},
    {SMALL ",\"mid_block_type\":5}", PYR_E_FORMAT, "mid_block_type is 5"},
    {SMALL ",\"sample_size\":[1,2,3]}", PYR_E_FORMAT, "sample_size is a list, should be a number"},
    {SMALL ",\"sample_size\":[8,0]}", PYR_E_FORMAT, "sample_size is 0"},
    {SMALL ",\"sample_size\":{}}", PYR_E_FORMAT, "sample_size is an object"},
    {SMALL ",\"time_embedding_type\":\"learned\"}", PYR_E_CONFIG, "needs num_train_timesteps"},
    {SMALL ",\"freq_shift\":4}", PYR_E_CONFIG, "freq_shift is 4, half of block_out_channels[0] (8)"},
    {SMALL ",\"attention_head_dim\":17}", PYR_E_CONFIG,
     "attention_head_dim is 17, but down_block_types[1] has only 16 channels"},
    {SMALL ",\"attn_norm_num_groups\":5}", PYR_E_CONFIG,
     "block_out_channels[1] is 16, should be a multiple of attn_norm_num_groups (5)"},
    {SMALL ",\"_pyrdiff_patch\":2}", PYR_E_CONFIG,
     "out_channels is 3, should be a multiple of the patch's 4"},
    {SMALL ",\"_pyrdiff_patch\":null}", PYR_E_FORMAT, "_pyrdiff_patch is null"},
#define HEAD "{\"_class_name\":\"UNet2DModel\","
    {HEAD "\"block_out_channels\":[8,16]}", PYR_E_CONFIG,
     "down_block_types has 4 entries (the default), block_out_channels has 2; should be as many"},
    {HEAD "\"up_block_types\":[\"UpBlock2D\"]}", PYR_E_CONFIG,
     "up_block_types has 1 entries, block_out_channels has 4 (the default)"},
    {HEAD "\"block_out_channels\":[]}", PYR_E_FORMAT, "block_out_channels is a list, should be a list with"},
    {HEAD "\"block_out_channels\":8}", PYR_E_FORMAT, "block_out_channels is 8"},
    {HEAD "\"block_out_channels\":[32,32,32,32,32,32,32,32,32]}", PYR_E_UNSUPPORTED, "9 entries, at most 8"},
    {HEAD "\"block_out_channels\":[224,448,672,897]}", PYR_E_CONFIG,
     "block_out_channels[3] is 897, should be a multiple of norm_num_groups (32)"},
    {HEAD "\"block_out_channels\":[224,448,672,\"896\"]}", PYR_E_FORMAT, "block_out_channels is \"896\""},
    {HEAD "\"norm_num_groups\":null}", PYR_E_FORMAT, "norm_num_groups is null"},
    {HEAD "\"down_block_types\":[\"DownBlock2D\",\"SkipDownBlock2D\",\"DownBlock2D\",\"DownBlock2D\"]}",
     PYR_E_UNSUPPORTED,
     "c.json: down_block_types names \"SkipDownBlock2D\", which is not offered; offered are DownBlock2D "
     "or AttnDownBlock2D"},
    {HEAD "\"up_block_types\":[\"DownBlock2D\"]}", PYR_E_UNSUPPORTED,
     "offered are UpBlock2D or AttnUpBlock2D"},
    {HEAD "\"up_block_types\":[\"UNetResSkipUpBlock2D\"]}", PYR_E_UNSUPPORTED, "\"UNetResSkipUpBlock2D\""},
    {HEAD "\"up_block_types\":[null]}", PYR_E_FORMAT, "up_block_types is null"},
    {HEAD "\"_use_default_values\":5,\"dropout\":2}", PYR_E_CONFIG, "dropout is 2"},
};

static void refused_files(void)
{
    for (size_t i = 0; i < ARRAY(bad_files); i++) {
        pyr_unet_config c;
        pyr_status status;

        pyr_error_set("");
        status = parse_text(&c, bad_files[i].text, NULL);
        if (status != bad_files[i].status || !strstr(pyr_error(), bad_files[i].part) ||
            strncmp(pyr_error(), "c.json: ", 8) != 0)
            CHECK_REPORT("%s gave %d: \"%s\", wanted %d: \"%s\"", bad_files[i].text, status, pyr_error(),
                         bad_files[i].status, bad_files[i].part);
    }
}

/* What a file cannot say, but settings can. */
static void refused_structs(void)
{
    pyr_unet_config c;
    pyr_text text = {0};

#define REFUSED(change, part)                                                                                \
    do {                                                                                                     \
        pyr_unet_config_default(&c);                                                                         \
        change;                                                                                              \
        CHECK_FAILS(pyr_unet_config_check(&c), PYR_E_CONFIG, part);                                          \
        CHECK_FAILS(pyr_unet_config_write(&text, &c), PYR_E_CONFIG, part);                                   \
    } while (0)
    REFUSED(c.resolutions = 0, "has 0 entries, should have 1..8");
    REFUSED(c.resolutions = 9, "has 9 entries");
    REFUSED(c.resolutions = 5, "block_out_channels is 0, should be 1..65536");
    REFUSED(c.block_out_channels[1] = -32, "block_out_channels is -32");
    REFUSED(c.down_block_types[1] = PYR_UNET_UP,
            "down_block_types has the value 2, should be DownBlock2D or");
    REFUSED(c.up_block_types[1] = PYR_UNET_DOWN, "up_block_types has the value 0");
    REFUSED(c.act_fn = PYR_ACT_NONE, "act_fn has the value 0");
    REFUSED(c.act_fn = (pyr_act)77, "act_fn has the value 77");
    REFUSED(c.num_class_embeds = 10, "num_class_embeds is 10, but the network takes no class");
    REFUSED(c.class_embed_type = PYR_UNET_CLASS_TABLE, "needs num_class_embeds");
    REFUSED(c.sample_height = 8, "sample_size is 8x0");
    REFUSED(c.dropout = NAN, "dropout is nan");
    REFUSED(c.attention_head_dim = -1, "attention_head_dim is -1");
    REFUSED(c.attention_head_dim = 449, "but down_block_types[1] has only 448 channels");
    REFUSED((c.attention_head_dim = 449, c.down_block_types[1] = PYR_UNET_DOWN),
            "but up_block_types[2] has only 448 channels");
    REFUSED((c.resolutions = 1, c.attention_head_dim = 225, c.up_block_types[0] = PYR_UNET_UP),
            "the mid block after block_out_channels[0] has only 224 channels");
    CHECK(text.length == 0);

    /* One head over all channels, or no attention at all, has no such bound. */
    pyr_unet_config_default(&c);
    c.attention_head_dim = 60000;
    c.add_attention = false;
    for (int i = 0; i < 4; i++) {
        c.down_block_types[i] = PYR_UNET_DOWN;
        c.up_block_types[i] = PYR_UNET_UP;
    }
    CHECK_OK(pyr_unet_config_check(&c));
}

static void words(void)
{
    static const char *const keys[] = {"down_block_types",    "up_block_types",   "act_fn",
                                       "time_embedding_type", "class_embed_type", "resnet_time_scale_shift",
                                       "downsample_type",     "upsample_type"};
    int value = -1;

    for (size_t key = 0; key < sizeof keys / sizeof *keys; key++)
        for (int i = 0; i < 8; i++) {
            const char *word = pyr_unet_word(keys[key], i);

            if (word)
                CHECK(pyr_unet_word_parse(&value, keys[key], word) && value == i);
        }
    CHECK_STRING(pyr_unet_word("down_block_types", PYR_UNET_ATTN_DOWN), "AttnDownBlock2D");
    CHECK_STRING(pyr_unet_word("up_block_types", PYR_UNET_ATTN_UP), "AttnUpBlock2D");
    CHECK_STRING(pyr_unet_word("act_fn", PYR_ACT_GELU), "gelu");
    CHECK_STRING(pyr_unet_word("class_embed_type", PYR_UNET_CLASS_TIMESTEP), "timestep");
    CHECK(!pyr_unet_word("up_block_types", PYR_UNET_DOWN) && !pyr_unet_word("time_embedding_type", -1));
    CHECK(pyr_unet_word_parse(&value, "up_block_types", "UNetResAttnUpBlock2D") && value == PYR_UNET_ATTN_UP);
    CHECK(!pyr_unet_word_parse(&value, "up_block_types", "upblock2d") &&
          !pyr_unet_word_parse(&value, "act_fn", ""));
}

/* ---- finding a model ---- */

static char folder[256]; /* of this run */

static void put(const char *name, const char *text)
{
    char path[512], *slash;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    slash = strrchr(path, '/');
    *slash = 0;
    CHECK_OK(pyr_make_folders(path));
    *slash = '/';
    CHECK_OK(pyr_file_replace(path, text, strlen(text)));
}

/* `path` gives this config and these weights, in order; all within the folder. */
static void check_found(const char *path, const char *config, const char *first, const char *second)
{
    pyr_unet_files files;
    char full[512], wanted[512];
    const char *const weights[] = {first, second};

    snprintf(full, sizeof full, "%s/%s", folder, path);
    CHECK_OK(pyr_unet_find(&files, full));
    snprintf(wanted, sizeof wanted, "%s/%s", folder, config);
    CHECK_STRING(files.config, wanted);
    CHECK(files.weights.n == 1 + (second != NULL));
    for (size_t i = 0; i < files.weights.n && i < 2; i++) {
        snprintf(wanted, sizeof wanted, "%s/%s", folder, weights[i]);
        CHECK_STRING(files.weights.at[i], wanted);
    }
    pyr_unet_files_free(&files);
}

static void check_lost(const char *path, pyr_status status, const char *part)
{
    pyr_unet_files files;
    char full[512];

    snprintf(full, sizeof full, "%s/%s", folder, path);
    CHECK_FAILS(pyr_unet_find(&files, full), status, part);
    CHECK(!files.config && !files.weights.at);
}

#define W "diffusion_pytorch_model"

static void find(void)
{
    /* flat, with the file, the folder, and the config named */
    put("flat/config.json", "{}");
    put("flat/" W ".safetensors", "");
    put("flat/" W ".fp16.safetensors", "");
    put("flat/model_index.json", "{}");
    put("flat/mine.safetensors", "");
    check_found("flat", "flat/config.json", "flat/" W ".safetensors", NULL);
    check_found("flat/", "flat/config.json", "flat/" W ".safetensors", NULL);
    check_found("flat/config.json", "flat/config.json", "flat/" W ".safetensors", NULL);
    check_found("flat/" W ".fp16.safetensors", "flat/config.json", "flat/" W ".fp16.safetensors", NULL);
    check_found("flat/mine.safetensors", "flat/config.json", "flat/mine.safetensors", NULL);
    check_lost("flat/model_index.json", PYR_E_UNSUPPORTED,
               "is not a .safetensors file or the folder of a model");

    /* a pipeline; one with a config.json of its own; a level of a run */
    put("pipe/model_index.json", "{}");
    put("pipe/config.json", "{}");
    put("pipe/unet/config.json", "{}");
    put("pipe/unet/" W ".safetensors", "");
    check_found("pipe", "pipe/unet/config.json", "pipe/unet/" W ".safetensors", NULL);
    check_found("pipe/unet", "pipe/unet/config.json", "pipe/unet/" W ".safetensors", NULL);
    put("level-0/unet/config.json", "{}");
    put("level-0/unet/" W ".safetensors", "");
    check_found("level-0", "level-0/unet/config.json", "level-0/unet/" W ".safetensors", NULL);

    /* variants */
    put("one/config.json", "{}");
    put("one/" W ".fp16.safetensors", "");
    put("one/" W ".bin", "");
    check_found("one", "one/config.json", "one/" W ".fp16.safetensors", NULL);
    put("two/config.json", "{}");
    put("two/" W ".fp16.safetensors", "");
    put("two/" W ".non_ema.safetensors", "");
    check_lost("two", PYR_E_ARG,
               "several variants, such as " W ".fp16.safetensors and " W ".non_ema.safetensors");
}

static void shards_found(void)
{
    put("shards/config.json", "{}");
    put("shards/" W "-00001-of-00002.safetensors", "");
    put("shards/" W "-00002-of-00002.safetensors", "");
    check_lost("shards", PYR_E_IO, "but not its index " W ".safetensors.index.json");
    put("shards/" W ".safetensors.index.json",
        "{\"metadata\":{\"total_size\":4},\"weight_map\":{\"b\":\"" W
        "-00002-of-00002.safetensors\",\"a\":\"" W "-00001-of-00002.safetensors\",\"c\":\"" W
        "-00002-of-00002.safetensors\"}}");
    check_found("shards", "shards/config.json", "shards/" W "-00001-of-00002.safetensors",
                "shards/" W "-00002-of-00002.safetensors");
    check_found("shards/" W "-00002-of-00002.safetensors", "shards/config.json",
                "shards/" W "-00001-of-00002.safetensors", "shards/" W "-00002-of-00002.safetensors");
    check_found("shards/" W ".safetensors.index.json", "shards/config.json",
                "shards/" W "-00001-of-00002.safetensors", "shards/" W "-00002-of-00002.safetensors");
    put("half/config.json", "{}");
    put("half/" W ".fp16-00001-of-00001.safetensors", "");
    put("half/" W ".safetensors.index.fp16.json",
        "{\"weight_map\":{\"a\":\"" W ".fp16-00001-of-00001.safetensors\"}}");
    check_found("half", "half/config.json", "half/" W ".fp16-00001-of-00001.safetensors", NULL);
    put("torn/config.json", "{}");
    put("torn/" W ".safetensors.index.json", "{\"weight_map\":{\"a\":\"x.safetensors\"}}");
    check_lost("torn", PYR_E_IO, "x.safetensors is missing");
    put("torn/" W ".safetensors.index.json", "{\"weight_map\":{\"a\":\"../flat/mine.safetensors\"}}");
    check_lost("torn", PYR_E_FORMAT, "weight_map \"a\" is not the name of a .safetensors beside it");
    put("torn/" W ".safetensors.index.json", "{\"weight_map\":{\"a\":5}}");
    check_lost("torn", PYR_E_FORMAT, "weight_map \"a\"");
    put("torn/" W ".safetensors.index.json", "{\"weight_map\":{}}");
    check_lost("torn", PYR_E_FORMAT, "weight_map is missing, empty");
    put("torn/" W ".safetensors.index.json", "[1]");
    check_lost("torn", PYR_E_FORMAT, "weight_map is missing");
}

static void nothing_found(void)
{
    put("pickle/config.json", "{}");
    put("pickle/" W ".bin", "");
    check_lost("pickle", PYR_E_UNSUPPORTED,
               "pickle, which can run any program when read, so it is not; convert");
    check_lost("pickle/" W ".bin", PYR_E_UNSUPPORTED, "save it as safetensors");
    put("bare/config.json", "{}");
    check_lost("bare", PYR_E_IO, "has a config.json, but no " W ".safetensors");
    put("alone/a.safetensors", "");
    check_lost("alone/a.safetensors", PYR_E_IO, "a.safetensors has no config.json beside it");
    check_lost("alone", PYR_E_IO, "has neither config.json nor unet/config.json");
    check_lost("absent", PYR_E_IO, "absent: no such file or folder");
}

static void found_without_folder(void)
{
    pyr_unet_files files;
    char before[512], *was = getcwd(before, sizeof before), flat[300];

    put("flat/config.json", "{}");
    put("flat/" W ".safetensors", "");
    put("flat/mine.safetensors", "");
    snprintf(flat, sizeof flat, "%s/flat", folder);
    CHECK(was && chdir(flat) == 0);
    CHECK_OK(pyr_unet_find(&files, "mine.safetensors"));
    CHECK_STRING(files.config, "./config.json");
    CHECK(files.weights.n == 1 && pyr_is_file(files.weights.at[0]));
    pyr_unet_files_free(&files);
    CHECK_OK(pyr_unet_find(&files, "."));
    CHECK(files.weights.n == 1 && pyr_is_file(files.weights.at[0]));
    pyr_unet_files_free(&files);
    CHECK(was && chdir(was) == 0);
}

static void find_golden(void)
{
    pyr_unet_files files;

    CHECK_OK(pyr_unet_find(&files, GOLDEN "pipeline"));
    CHECK_STRING(files.config, GOLDEN "pipeline/unet/config.json");
    pyr_unet_files_free(&files);
    CHECK_OK(pyr_unet_find(&files, GOLDEN "ddpm_like"));
    CHECK_STRING(files.weights.n == 1 ? files.weights.at[0] : "", GOLDEN "ddpm_like/" W ".safetensors");
    pyr_unet_files_free(&files);
}

/* ---- memory ---- */

static pyr_status parse_some(void)
{
    pyr_unet_config c;
    pyr_text warning = {0};
    pyr_status status = parse_text(&c, SMALL ",\"foo\":1}", &warning);

    pyr_text_free(&warning);
    return status;
}

static pyr_status read_and_write(void)
{
    pyr_unet_config c;
    pyr_text text = {0};
    pyr_status status = pyr_unet_config_read(&c, goldens[0], NULL);

    if (status == PYR_OK)
        status = pyr_unet_config_write(&text, &c);
    pyr_text_free(&text);
    return status;
}

static pyr_status find_in(const char *name)
{
    pyr_unet_files files;
    char path[512];
    pyr_status status;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    status = pyr_unet_find(&files, path);
    pyr_unet_files_free(&files);
    return status;
}

static pyr_status find_shards(void)
{
    return find_in("shards");
}

static pyr_status find_variant(void)
{
    return find_in("one");
}

static pyr_status find_pipeline(void)
{
    return find_in("pipe");
}

static void every_fault(void)
{
    pyr_status (*const calls[])(void) = {parse_some, read_and_write, find_shards, find_variant,
                                         find_pipeline};

    if (find_in("shards") != PYR_OK)
        find(); /* makes the folders, when this case runs alone */
    for (size_t i = 0; i < ARRAY(calls); i++) {
        size_t live = pyr_mem().live_blocks;
        pyr_status status;
        long n = 0;

        do {
            pyr_mem_fail_after(n++);
            status = calls[i]();
            pyr_mem_fail_after(-1);
            if ((status != PYR_OK && status != PYR_E_NOMEM) || pyr_mem().live_blocks != live)
                CHECK_REPORT("call %zu, allocation %ld: %d, %zu blocks left: %s", i, n, status,
                             pyr_mem().live_blocks - live, pyr_error());
        } while (status != PYR_OK && n < 1000);
        CHECK(status == PYR_OK && n > 2);
    }
}

static void remove_folder(const char *path)
{
    pyr_names names;

    if (pyr_folder_names(&names, path) != PYR_OK)
        return;
    for (size_t i = 0; i < names.n; i++) {
        char *inside = pyr_path_join(path, names.at[i]);

        if (pyr_is_folder(inside))
            remove_folder(inside);
        else
            unlink(inside);
        pyr_free(inside);
    }
    pyr_names_free(&names);
    rmdir(path);
}

int main(int argc, char **argv)
{
    const char *place = getenv("TMPDIR");

    CHECK_INIT(argc, argv);
    snprintf(folder, sizeof folder, "%s/pyr-unet-config-XXXXXX", place && *place ? place : "/tmp");
    if (!mkdtemp(folder)) {
        printf("%s: %s\n", folder, strerror(errno));
        return 1;
    }
    RUN(golden_configs);
    RUN(ddpm_cifar10_32);
    RUN(defaults);
    RUN(absent_is_not_null);
    RUN(every_key);
    RUN(unknown_keys);
    RUN(round_trip);
    RUN(writes_as_diffusers);
    RUN(refused_files);
    RUN(refused_structs);
    RUN(words);
    RUN(find);
    RUN(shards_found);
    RUN(nothing_found);
    RUN(found_without_folder);
    RUN(find_golden);
    RUN(every_fault);
    remove_folder(folder);
    if (pyr_mem().live_blocks) {
        printf("%zu blocks of memory are left\n", pyr_mem().live_blocks);
        return 1;
    }
    return CHECK_DONE();
}
