/* unet.c - UNet2DModel built as a graph; one level out of a network that several share. */
#include "network/unet.h"

#include "base/mem.h"
#include "base/philox.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct builder {
    pyr_graph *g;
    const pyr_unet_config *c;
    const pyr_unet_options *options;
    int dilation;  /* of the block's 3x3 convolutions */
    pyr_value emb; /* act(time and class embedding), what every residual block reads */
    pyr_value stream;
    int dropouts;
    /* skip connections: 1 + L n + (L - 1) of them */
    pyr_value skips[PYR_UNET_MAX_RESOLUTIONS * (PYR_UNET_MAX_LAYERS + 1)];
    int n_skips;
} builder;

enum { NAME = PYR_PARAM_NAME };
typedef struct name {
    char at[NAME];
} name;

static name join(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static name join(const char *fmt, ...)
{
    name n;
    va_list args;

    va_start(args, fmt);
    vsnprintf(n.at, sizeof n.at, fmt, args);
    va_end(args);
    return n;
}

static int channels(const builder *b, pyr_value v)
{
    return pyr_graph_shape(b->g, v).c;
}

static pyr_norm norm_of(const builder *b, int groups, pyr_act act)
{
    return (pyr_norm){.groups = groups, .eps = b->c->norm_eps, .act = act};
}

/* Conditional instance norm++ (Song & Ermon 2019, appendix A.1; Khungurn 2022, section 5.3), of channel k with mean mu_k and deviation s_k,
 * m and v mean and deviation of the mu_k:
 *
 *     z_k = gamma_k (x_k - mu_k)/s_k + beta_k + alpha_k (mu_k - m)/v,      then the activation
 *
 * alpha, beta and gamma are NCSN's table of noise levels; here they are linear in the embedding of the noise level, so that
 * any can come. Channels are groups of their own, and the means one group: NAME and NAME.means, each with a scale and shift. */
static pyr_value instance_norm_plus(builder *b, pyr_value x, const char *prefix, pyr_act act)
{
    int c = channels(b, x);
    pyr_value means, of_x, of_means;

    of_x = pyr_linear(b->g, b->emb, join("%s_proj", prefix).at, 2 * c);
    of_means = pyr_linear(b->g, b->emb, join("%s_means_proj", prefix).at, 2 * c);
    means = pyr_pool2d(b->g, x, (pyr_pool2d_plan){.window = PYR_WINDOW_MEAN});
    means = pyr_group_norm(b->g, means, join("%s_means", prefix).at, norm_of(b, 1, PYR_ACT_NONE), of_means);
    x = pyr_group_norm(b->g, x, prefix, norm_of(b, c, PYR_ACT_NONE), of_x);
    /* enlarged: means of images are images, of their type, not vectors */
    means = pyr_upsample(b->g, means, pyr_graph_shape(b->g, x).h, pyr_graph_shape(b->g, x).w);
    return pyr_activation(b->g, pyr_add(b->g, x, means, 1), act);
}

/* The norm of a residual block or the last one, with its activation. */
static pyr_value norm(builder *b, pyr_value x, const char *prefix, pyr_act act, pyr_value scale_shift)
{
    if (b->c->norm == PYR_UNET_NORM_GROUP)
        return pyr_group_norm(b->g, x, prefix, norm_of(b, b->c->norm_num_groups, act), scale_shift);
    return instance_norm_plus(b, x, prefix, act);
}

static pyr_value dropout(builder *b, pyr_value x)
{
    uint32_t purpose = pyr_rng_purpose(PYR_RNG_DROPOUT, b->options->level) | (uint32_t)b->dropouts++ << 24;

    if (b->stream < 0 || b->c->dropout <= 0)
        return x;
    return pyr_dropout(b->g, x, b->stream, b->c->dropout, purpose);
}

typedef enum resample { KEEP_SIZE, HALVE, ENLARGE } resample;

/* ResnetBlock2D, a segment of recomputation; `to` is the size after ENLARGE. */
static pyr_value resnet(builder *b, pyr_value x, int cout, const char *prefix, resample how, pyr_shape to,
                        double out_scale)
{
    const pyr_unet_config *c = b->c;
    int cin = channels(b, x);
    bool scale_shift = c->resnet_time_scale_shift == PYR_UNET_SCALE_SHIFT;
    pyr_value h, t;

    pyr_graph_segment_begin(b->g);
    h = norm(b, x, join("%s.norm1", prefix).at, c->act_fn, -1);
    if (how == HALVE) {
        h = pyr_mean2(b->g, h);
        x = pyr_mean2(b->g, x);
    } else if (how == ENLARGE) {
        h = pyr_upsample(b->g, h, to.h, to.w);
        x = pyr_upsample(b->g, x, to.h, to.w);
    }
    h = pyr_conv2d(b->g, h, join("%s.conv1", prefix).at,
                   (pyr_conv){.channels = cout, .kernel = 3, .dilation = b->dilation});
    if (c->norm == PYR_UNET_NORM_INSTANCE_PLUS) /* which has the noise level in it already */
        h = norm(b, h, join("%s.norm2", prefix).at, c->act_fn, -1);
    else {
        t = pyr_linear(b->g, b->emb, join("%s.time_emb_proj", prefix).at, scale_shift ? 2 * cout : cout);
        if (!scale_shift)
            h = pyr_add_channel(b->g, h, t);
        h = norm(b, h, join("%s.norm2", prefix).at, c->act_fn, scale_shift ? t : -1);
    }
    h = dropout(b, h);
    h = pyr_conv2d(
        b->g, h, join("%s.conv2", prefix).at,
        (pyr_conv){.channels = cout, .kernel = 3, .dilation = b->dilation, .zero = b->options->zero_last});
    if (cin != cout)
        x = pyr_conv2d(b->g, x, join("%s.conv_shortcut", prefix).at,
                       (pyr_conv){.channels = cout, .kernel = 1});
    h = pyr_add(b->g, x, h, 1 / out_scale);
    pyr_graph_segment_end(b->g);
    return h;
}

/* groups 0: no norm in front. */
static pyr_value attention(builder *b, pyr_value x, const char *prefix, int groups, double out_scale)
{
    int c = channels(b, x), d = b->c->attention_head_dim ? b->c->attention_head_dim : c;
    int heads = c / d, inner = heads * d;
    pyr_value h = x, q, k, v;

    if (groups)
        h = pyr_group_norm(b->g, x, join("%s.group_norm", prefix).at, norm_of(b, groups, PYR_ACT_NONE), -1);
    q = pyr_linear(b->g, h, join("%s.to_q", prefix).at, inner);
    k = pyr_linear(b->g, h, join("%s.to_k", prefix).at, inner);
    v = pyr_linear(b->g, h, join("%s.to_v", prefix).at, inner);
    h = pyr_attention(b->g, q, k, v, heads);
    h = pyr_linear(b->g, h, join("%s.to_out.0", prefix).at, c);
    return pyr_add(b->g, h, x, 1 / out_scale);
}

static void push(builder *b, pyr_value v)
{
    b->skips[b->n_skips++] = v;
}

static const pyr_shape no_size;

/* Whether images are halved behind block i, of those that are not the last; and the dilation in block i, 0: 1. */
static bool halves(const builder *b, int i)
{
    return !b->c->dilated || i == 0;
}

static int dilation_in(const builder *b, int i)
{
    return b->c->dilated && i > 1 ? 1 << (i - 1) : 0;
}

static pyr_value down_block(builder *b, pyr_value h, int i)
{
    const pyr_unet_config *c = b->c;
    int cout = c->block_out_channels[i];
    bool attn = c->down_block_types[i] == PYR_UNET_ATTN_DOWN;
    name block = join("down_blocks.%d", i);

    b->dilation = dilation_in(b, i);
    for (int j = 0; j < c->layers_per_block; j++) {
        h = resnet(b, h, cout, join("%.40s.resnets.%d", block.at, j).at, KEEP_SIZE, no_size, 1);
        if (attn)
            h = attention(b, h, join("%.40s.attentions.%d", block.at, j).at, c->norm_num_groups, 1);
        push(b, h);
    }
    if (i == c->resolutions - 1)
        return h;
    if (attn && c->downsample_type == PYR_UNET_RESAMPLE_RESNET && halves(b, i))
        h = resnet(b, h, cout, join("%.40s.downsamplers.0", block.at).at, HALVE, no_size, 1);
    else
        h = pyr_conv2d(b->g, h, join("%.40s.downsamplers.0.conv", block.at).at,
                       halves(b, i)
                           ? (pyr_conv){.channels = cout,
                                        .kernel = 3,
                                        .stride = 2,
                                        .right_bottom = c->downsample_padding == 0}
                           : (pyr_conv){.channels = cout, .kernel = 3, .dilation = dilation_in(b, i + 1)});
    push(b, h);
    return h;
}

static pyr_value mid_block(builder *b, pyr_value h)
{
    const pyr_unet_config *c = b->c;
    int cout = c->block_out_channels[c->resolutions - 1];
    double scale = c->mid_block_scale_factor;
    int groups = c->attn_norm_num_groups                                ? c->attn_norm_num_groups
                 : c->resnet_time_scale_shift == PYR_UNET_SHIFT_DEFAULT ? c->norm_num_groups
                                                                        : 0;

    if (!c->mid_block)
        return h;
    h = resnet(b, h, cout, "mid_block.resnets.0", KEEP_SIZE, no_size, scale);
    if (c->add_attention)
        h = attention(b, h, "mid_block.attentions.0", groups, scale);
    return resnet(b, h, cout, "mid_block.resnets.1", KEEP_SIZE, no_size, scale);
}

static pyr_value up_block(builder *b, pyr_value h, int i)
{
    const pyr_unet_config *c = b->c;
    int cout = c->block_out_channels[c->resolutions - 1 - i];
    bool attn = c->up_block_types[i] == PYR_UNET_ATTN_UP;
    name block = join("up_blocks.%d", i);
    pyr_shape to;

    b->dilation = dilation_in(b, c->resolutions - 1 - i);
    for (int j = 0; j <= c->layers_per_block; j++) {
        h = pyr_concat(b->g, h, b->skips[--b->n_skips]);
        h = resnet(b, h, cout, join("%.40s.resnets.%d", block.at, j).at, KEEP_SIZE, no_size, 1);
        if (attn)
            h = attention(b, h, join("%.40s.attentions.%d", block.at, j).at, c->norm_num_groups, 1);
    }
    if (i == c->resolutions - 1)
        return h;
    to = pyr_graph_shape(b->g, b->skips[b->n_skips - 1]);
    if (attn && c->upsample_type == PYR_UNET_RESAMPLE_RESNET)
        return resnet(b, h, cout, join("%.40s.upsamplers.0", block.at).at, ENLARGE, to, 1);
    if (halves(b, c->resolutions - 2 - i))
        h = pyr_upsample(b->g, h, to.h, to.w);
    return pyr_conv2d(b->g, h, join("%.40s.upsamplers.0.conv", block.at).at,
                      (pyr_conv){.channels = cout, .kernel = 3, .dilation = b->dilation});
}

/* ---- embeddings -------------------------------------------------------------------------------- */

static const char level_embedding[] = "level_embedding";

int pyr_unet_embedding(const pyr_unet_config *config)
{
    return config->time_embedding_dim ? config->time_embedding_dim : 4 * config->block_out_channels[0];
}

/* time_proj: the features of a time, or of a label that is read as a time */
static pyr_value project_time(builder *b, pyr_value t)
{
    const pyr_unet_config *c = b->c;
    int width = c->block_out_channels[0];

    switch (c->time_embedding_type) {
    case PYR_UNET_FOURIER:
        return pyr_time_fourier(b->g, t, "time_proj", width);
    case PYR_UNET_LEARNED:
        return pyr_embed(b->g, t, "time_proj", c->num_train_timesteps, width);
    case PYR_UNET_POSITIONAL:
        break;
    }
    return pyr_time_positional(b->g, t, width, c->flip_sin_to_cos, c->freq_shift);
}

static pyr_value embedding_mlp(builder *b, pyr_value v, const char *prefix)
{
    int width = pyr_unet_embedding(b->c);

    v = pyr_linear(b->g, v, join("%s.linear_1", prefix).at, width);
    v = pyr_activation(b->g, v, PYR_ACT_SILU); /* always SiLU here, whatever act_fn says */
    return pyr_linear(b->g, v, join("%s.linear_2", prefix).at, width);
}

static pyr_value embedding(builder *b, const pyr_unet_inputs *inputs)
{
    pyr_value emb = embedding_mlp(b, project_time(b, inputs->time), "time_embedding"), label = -1;

    switch (b->c->class_embed_type) {
    case PYR_UNET_CLASS_NONE:
        break;
    case PYR_UNET_CLASS_TABLE:
        label = pyr_embed(b->g, inputs->label, "class_embedding", b->c->num_class_embeds,
                          pyr_unet_embedding(b->c));
        break;
    case PYR_UNET_CLASS_TIMESTEP:
        label = embedding_mlp(b, project_time(b, inputs->label), "class_embedding");
        break;
    case PYR_UNET_CLASS_IDENTITY:
        label = inputs->label;
        break;
    }
    if (b->c->class_embed_type != PYR_UNET_CLASS_NONE)
        emb = pyr_add(b->g, emb, label, 1);
    if (b->options->transforms) /* without a bias: all zeros say nothing */
        emb = pyr_add(
            b->g, emb,
            pyr_conv2d(
                b->g, inputs->transform, "augment_embedding",
                (pyr_conv){.channels = pyr_unet_embedding(b->c), .kernel = 1, .real = true, .no_bias = true}),
            1);
    if (b->options->shared)
        emb = pyr_add(
            b->g, emb,
            pyr_embed(b->g, inputs->which, level_embedding, b->options->shared, pyr_unet_embedding(b->c)), 1);
    return pyr_activation(b->g, emb, b->c->act_fn);
}

/* What conv_in reads. */
static pyr_value centered_patches(pyr_graph *g, const pyr_unet_config *config, pyr_value x)
{
    if (config->center_input_sample)
        x = pyr_affine(g, x, 2, -1);
    return config->patch > 1 ? pyr_unshuffle(g, x, config->patch) : x;
}

/* An unshuffled channel stays together (c * patch^2 + dy * patch + dx), so the last channels of a sample are
 * the last ones that conv_in reads. */
pyr_value pyr_unet_condition(pyr_graph *g, const pyr_unet_config *config, pyr_value rest)
{
    pyr_value x = centered_patches(g, config, rest);

    return pyr_conv2d(g, x, "conv_in",
                      (pyr_conv){.channels = config->block_out_channels[0],
                                 .kernel = 3,
                                 .w_in = config->in_channels,
                                 .w_first = config->in_channels - pyr_graph_shape(g, x).c});
}

pyr_shape pyr_unet_condition_shape(const pyr_unet_config *config, pyr_shape sample)
{
    int p = config->patch;

    return (pyr_shape){sample.n, (sample.h + p - 1) / p, (sample.w + p - 1) / p,
                       config->block_out_channels[0]};
}

/* conv_in and conv_out of a shared network are the level's own. */
static name edge_name(const pyr_unet_options *options, const char *what)
{
    return options->shared ? join("level-%d.%s", options->level, what) : join("%s", what);
}

static pyr_value conv_in(pyr_graph *g, const pyr_unet_config *config, const pyr_unet_options *options,
                         const pyr_unet_inputs *inputs)
{
    pyr_value x = centered_patches(g, config, inputs->sample);
    bool part = pyr_graph_shape(g, x).c < config->in_channels;
    pyr_value h = pyr_conv2d(g, x, edge_name(options, "conv_in").at,
                             (pyr_conv){.channels = config->block_out_channels[0],
                                        .kernel = 3,
                                        .w_in = part ? config->in_channels : 0,
                                        .no_bias = part});

    return part ? pyr_add(g, h, inputs->condition, 1) : h;
}

pyr_unet_inputs pyr_unet_add_inputs(pyr_graph *g, const pyr_unet_config *config, pyr_shape sample,
                                    pyr_type real)
{
    bool learned = config->time_embedding_type == PYR_UNET_LEARNED;
    bool table = config->class_embed_type == PYR_UNET_CLASS_TABLE;
    pyr_shape one = {1, 1, 1, 1}, label = one;
    pyr_unet_inputs in = {.condition = -1, .label = -1, .which = -1, .transform = -1, .stream = -1};

    if (config->class_embed_type == PYR_UNET_CLASS_IDENTITY)
        label.c = pyr_unet_embedding(config);
    in.sample = pyr_graph_input(g, sample, real);
    in.time = pyr_graph_input(g, one, learned ? PYR_U32 : real);
    if (config->class_embed_type != PYR_UNET_CLASS_NONE)
        in.label = pyr_graph_input(g, label, table ? PYR_U32 : real);
    return in;
}

pyr_value pyr_unet_build(pyr_graph *g, const pyr_unet_config *config, const pyr_unet_options *options,
                         const pyr_unet_inputs *inputs)
{
    builder b = {.g = g, .c = config, .options = options, .stream = inputs->stream};
    pyr_shape size = pyr_graph_shape(g, inputs->sample);
    pyr_value h;

    b.emb = embedding(&b, inputs);
    h = conv_in(g, config, options, inputs);
    push(&b, h);
    for (int i = 0; i < config->resolutions; i++)
        h = down_block(&b, h, i);
    h = mid_block(&b, h);
    for (int i = 0; i < config->resolutions; i++)
        h = up_block(&b, h, i);
    h = norm(&b, h, "conv_norm_out", config->norm == PYR_UNET_NORM_GROUP ? PYR_ACT_SILU : config->act_fn, -1);
    h = pyr_conv2d(
        g, h, edge_name(options, "conv_out").at,
        (pyr_conv){.channels = config->out_channels, .kernel = 3, .zero = options->zero_last, .real = true});
    if (config->patch > 1)
        h = pyr_shuffle(g, h, config->patch, size.h, size.w);
    if (config->time_embedding_type == PYR_UNET_FOURIER && !options->undivided)
        h = pyr_divide(g, h, inputs->time);
    return h;
}

/* ---- out of a shared network ------------------------------------------------------------------- */

static const pyr_param *find_shared(const pyr_params *shared, const char *plain, int level)
{
    const pyr_param *own = pyr_params_find(shared, join("level-%d.%s", level, plain).at);

    return own ? own : pyr_params_find(shared, plain);
}

static const char embedding_bias[] = "time_embedding.linear_2.bias";

/* The level embedding on the host: *rows (levels x width) is the caller's to free. */
static pyr_status read_rows(float **rows, const pyr_param **table, const pyr_params *shared,
                            const void *block, size_t width, pyr_kernels *k)
{
    *rows = NULL;
    *table = pyr_params_find(shared, join("%s.weight", level_embedding).at);
    if (!*table || (*table)->dims[1] != (int)width)
        return pyr_fail(PYR_E_SHAPE, "a shared network without a level embedding of %zu numbers", width);
    PYR_TRY(pyr_new(rows, (*table)->count, sizeof **rows, "level embedding"));
    return pyr_param_download(*table, k, block, *rows);
}

/* bias += the level's row of the embedding */
static pyr_status add_row(float *bias, size_t width, const pyr_params *shared, const void *block, int level,
                          pyr_kernels *k)
{
    const pyr_param *table;
    float *rows;
    pyr_status status = read_rows(&rows, &table, shared, block, width, k);

    for (size_t i = 0; i < width && status == PYR_OK; i++)
        bias[i] += rows[(size_t)level * width + i];
    pyr_free(rows);
    return status;
}

pyr_status pyr_unet_unshare(const pyr_params *own, void *block, const pyr_params *shared,
                            const void *shared_block, int level, pyr_kernels *k)
{
    for (int i = 0; i < own->n; i++) {
        const pyr_param *to = &own->at[i], *from = find_shared(shared, to->name, level);
        float *host;
        pyr_status status;

        if (!from || from->count != to->count)
            return pyr_fail(PYR_E_SHAPE, "the shared network has no %s of %zu numbers", to->name, to->count);
        PYR_TRY(pyr_new(&host, to->count, sizeof *host, "weights"));
        status = pyr_param_download(from, k, shared_block, host);
        if (status == PYR_OK && strcmp(to->name, embedding_bias) == 0 &&
            pyr_params_find(shared, join("%s.weight", level_embedding).at))
            status = add_row(host, to->count, shared, shared_block, level, k);
        if (status == PYR_OK)
            status = pyr_param_upload(to, k, block, host);
        pyr_free(host);
        PYR_TRY(status);
    }
    return PYR_OK;
}

/* The level's row of the embedding: what its bias has more than the trunk's. */
static pyr_status share_embedding(const pyr_params *shared, void *shared_block, const float *bias, int level,
                                  pyr_kernels *k)
{
    const pyr_param *p = pyr_params_find(shared, embedding_bias), *table;
    float *base, *rows = NULL;
    pyr_status status = PYR_OK;

    PYR_TRY(pyr_new(&base, p->count, sizeof *base, "level embedding"));
    PYR_TRY_OUT(pyr_param_download(p, k, shared_block, base));
    PYR_TRY_OUT(read_rows(&rows, &table, shared, shared_block, p->count, k));
    for (size_t i = 0; i < p->count; i++)
        rows[(size_t)level * p->count + i] = bias[i] - base[i];
    PYR_TRY_OUT(pyr_param_upload(table, k, shared_block, rows));
out:
    pyr_free(base);
    pyr_free(rows);
    return status;
}

pyr_status pyr_unet_share(const pyr_params *shared, void *shared_block, const pyr_params *own,
                          const void *block, int level, int trunk, pyr_kernels *k)
{
    for (int i = 0; i < own->n; i++) {
        const pyr_param *from = &own->at[i], *to = find_shared(shared, from->name, level);
        bool edge = to && strncmp(to->name, "level-", 6) == 0, bias = strcmp(from->name, embedding_bias) == 0;
        float *host;
        pyr_status status;

        if (!to || to->count != from->count)
            return pyr_fail(PYR_E_SHAPE, "the shared network has no %s of %zu numbers", from->name,
                            from->count);
        if (!edge && !bias && level != trunk)
            continue;
        PYR_TRY(pyr_new(&host, from->count, sizeof *host, "weights"));
        status = pyr_param_download(from, k, block, host);
        if (status == PYR_OK && (edge || level == trunk))
            status = pyr_param_upload(to, k, shared_block, host);
        if (status == PYR_OK && bias)
            status = share_embedding(shared, shared_block, host, level, k);
        pyr_free(host);
        PYR_TRY(status);
    }
    return PYR_OK;
}
