/* inception.c - Inception-v3 as the Frechet inception distance uses it. */
#include "features/inception.h"

#include "base/file.h"
#include "base/mem.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double bn_eps = 1e-3;
static const char bias_of_logits[] = "fc.bias";

/* ---- the network ------------------------------------------------------------------------------- */

/* A block's graph and name, so that a line below is a layer. */
typedef struct layers {
    pyr_graph *g;
    const char *name; /* "Mixed_5b" */
} layers;

/* Convolution, batch norm, ReLU: torchvision's BasicConv2d, BLOCK.NAME; of layers before the blocks NAME. */
static pyr_value layer(pyr_graph *g, pyr_value x, const char *block, const char *name, pyr_conv conv)
{
    char full[64];

    snprintf(full, sizeof full, "%s%s%s.conv", block, *block ? "." : "", name);
    return pyr_activation(g, pyr_conv2d(g, x, full, conv), PYR_ACT_RELU);
}

static pyr_value conv(const layers *b, pyr_value x, const char *name, int channels, int h, int w)
{
    return layer(b->g, x, b->name, name, (pyr_conv){.channels = channels, .kernel = h, .kernel_w = w});
}

/* 3x3 of stride 2 without padding. */
static pyr_value halve(const layers *b, pyr_value x, const char *name, int channels)
{
    return layer(b->g, x, b->name, name,
                 (pyr_conv){.channels = channels, .kernel = 3, .stride = 2, .valid = true});
}

static pyr_value halve_max(pyr_graph *g, pyr_value x)
{
    return pyr_pool2d(g, x, (pyr_pool2d_plan){.window = PYR_WINDOW_MAX, .kernel = 3, .stride = 2});
}

/* 3x3 of stride 1, then 1x1. A mean of pixels times weights is the mean of their products: the convolution comes first
 * there, since it has a quarter of the channels. */
static pyr_value pool(const layers *b, pyr_value x, pyr_window window, int channels)
{
    const pyr_pool2d_plan plan = {.window = window, .kernel = 3, .stride = 1, .pad = 1};
    char full[64];

    if (window != PYR_WINDOW_MEAN)
        return conv(b, pyr_pool2d(b->g, x, plan), "branch_pool", channels, 1, 1);
    snprintf(full, sizeof full, "%s.branch_pool.conv", b->name);
    x = pyr_conv2d(b->g, x, full, (pyr_conv){.channels = channels, .kernel = 1});
    return pyr_activation(b->g, pyr_pool2d(b->g, x, plan), PYR_ACT_RELU);
}

static pyr_value join3(pyr_graph *g, pyr_value a, pyr_value b, pyr_value c)
{
    return pyr_concat(g, pyr_concat(g, a, b), c);
}

static pyr_value join4(pyr_graph *g, pyr_value a, pyr_value b, pyr_value c, pyr_value d)
{
    return pyr_concat(g, join3(g, a, b, c), d);
}

/* 35x35: figure 5 of the paper. */
static pyr_value block_a(pyr_graph *g, pyr_value x, const char *name, int pool_channels)
{
    const layers b = {g, name};
    pyr_value one = conv(&b, x, "branch1x1", 64, 1, 1), five, three;

    five = conv(&b, x, "branch5x5_1", 48, 1, 1);
    five = conv(&b, five, "branch5x5_2", 64, 5, 5);
    three = conv(&b, x, "branch3x3dbl_1", 64, 1, 1);
    three = conv(&b, three, "branch3x3dbl_2", 96, 3, 3);
    three = conv(&b, three, "branch3x3dbl_3", 96, 3, 3);
    return join4(g, one, five, three, pool(&b, x, PYR_WINDOW_MEAN, pool_channels));
}

/* 35x35 to 17x17. */
static pyr_value block_b(pyr_graph *g, pyr_value x, const char *name)
{
    const layers b = {g, name};
    pyr_value three = halve(&b, x, "branch3x3", 384), twice;

    twice = conv(&b, x, "branch3x3dbl_1", 64, 1, 1);
    twice = conv(&b, twice, "branch3x3dbl_2", 96, 3, 3);
    twice = halve(&b, twice, "branch3x3dbl_3", 96);
    return join3(g, three, twice, halve_max(g, x));
}

/* 17x17, n = 7: figure 6. */
static pyr_value block_c(pyr_graph *g, pyr_value x, const char *name, int channels)
{
    const layers b = {g, name};
    pyr_value one = conv(&b, x, "branch1x1", 192, 1, 1), seven, twice;

    seven = conv(&b, x, "branch7x7_1", channels, 1, 1);
    seven = conv(&b, seven, "branch7x7_2", channels, 1, 7);
    seven = conv(&b, seven, "branch7x7_3", 192, 7, 1);
    twice = conv(&b, x, "branch7x7dbl_1", channels, 1, 1);
    twice = conv(&b, twice, "branch7x7dbl_2", channels, 7, 1);
    twice = conv(&b, twice, "branch7x7dbl_3", channels, 1, 7);
    twice = conv(&b, twice, "branch7x7dbl_4", channels, 7, 1);
    twice = conv(&b, twice, "branch7x7dbl_5", 192, 1, 7);
    return join4(g, one, seven, twice, pool(&b, x, PYR_WINDOW_MEAN, 192));
}

/* 17x17 to 8x8. */
static pyr_value block_d(pyr_graph *g, pyr_value x, const char *name)
{
    const layers b = {g, name};
    pyr_value three, seven;

    three = conv(&b, x, "branch3x3_1", 192, 1, 1);
    three = halve(&b, three, "branch3x3_2", 320);
    seven = conv(&b, x, "branch7x7x3_1", 192, 1, 1);
    seven = conv(&b, seven, "branch7x7x3_2", 192, 1, 7);
    seven = conv(&b, seven, "branch7x7x3_3", 192, 7, 1);
    seven = halve(&b, seven, "branch7x7x3_4", 192);
    return join3(g, three, seven, halve_max(g, x));
}

/* 8x8: figure 7. */
static pyr_value block_e(pyr_graph *g, pyr_value x, const char *name, pyr_window window)
{
    const layers b = {g, name};
    pyr_value one = conv(&b, x, "branch1x1", 320, 1, 1), three, twice;

    three = conv(&b, x, "branch3x3_1", 384, 1, 1);
    three =
        pyr_concat(g, conv(&b, three, "branch3x3_2a", 384, 1, 3), conv(&b, three, "branch3x3_2b", 384, 3, 1));
    twice = conv(&b, x, "branch3x3dbl_1", 448, 1, 1);
    twice = conv(&b, twice, "branch3x3dbl_2", 384, 3, 3);
    twice = pyr_concat(g, conv(&b, twice, "branch3x3dbl_3a", 384, 1, 3),
                       conv(&b, twice, "branch3x3dbl_3b", 384, 3, 1));
    return join4(g, one, three, twice, pool(&b, x, window, 192));
}

pyr_network_ends pyr_inception_build(pyr_graph *g, int classes, pyr_type real)
{
    pyr_network_ends ends = {
        .x = pyr_graph_input(g, (pyr_shape){1, PYR_INCEPTION_SIDE, PYR_INCEPTION_SIDE, 3}, real)};
    pyr_value x = ends.x;

    x = layer(g, x, "", "Conv2d_1a_3x3", (pyr_conv){.channels = 32, .kernel = 3, .stride = 2, .valid = true});
    x = layer(g, x, "", "Conv2d_2a_3x3", (pyr_conv){.channels = 32, .kernel = 3, .valid = true});
    x = layer(g, x, "", "Conv2d_2b_3x3", (pyr_conv){.channels = 64, .kernel = 3});
    x = halve_max(g, x);
    x = layer(g, x, "", "Conv2d_3b_1x1", (pyr_conv){.channels = 80, .kernel = 1});
    x = layer(g, x, "", "Conv2d_4a_3x3", (pyr_conv){.channels = 192, .kernel = 3, .valid = true});
    x = halve_max(g, x);
    x = block_a(g, x, "Mixed_5b", 32);
    x = block_a(g, x, "Mixed_5c", 64);
    x = block_a(g, x, "Mixed_5d", 64);
    x = block_b(g, x, "Mixed_6a");
    x = block_c(g, x, "Mixed_6b", 128);
    x = block_c(g, x, "Mixed_6c", 160);
    x = block_c(g, x, "Mixed_6d", 160);
    x = block_c(g, x, "Mixed_6e", 192);
    x = block_d(g, x, "Mixed_7a");
    x = block_e(g, x, "Mixed_7b", PYR_WINDOW_MEAN);
    x = block_e(g, x, "Mixed_7c", PYR_WINDOW_MAX);
    ends.features = pyr_pool2d(g, x, (pyr_pool2d_plan){.window = PYR_WINDOW_MEAN});
    ends.logits = pyr_linear(g, ends.features, "fc", classes);
    pyr_graph_keep(g, ends.features);
    pyr_graph_keep(g, ends.logits);
    return ends;
}

/* ---- its weights ------------------------------------------------------------------------------- */

bool pyr_is_inception(const pyr_safetensors *file)
{
    return pyr_safetensors_find(file, "Conv2d_1a_3x3.conv.weight") &&
           pyr_safetensors_find(file, "Mixed_7c.branch_pool.conv.weight");
}

pyr_status pyr_inception_classes(int *out, const pyr_safetensors *file, const char *path)
{
    const pyr_st_tensor *fc = pyr_safetensors_find(file, "fc.weight");
    enum { MOST_CLASSES = 1 << 20 };

    if (!fc || fc->rank != 2 || fc->dims[0] < 1 || fc->dims[0] > MOST_CLASSES)
        return pyr_fail(PYR_E_FORMAT, "%s: fc.weight, of classes x 2048, is missing", path);
    *out = (int)fc->dims[0];
    return PYR_OK;
}

typedef struct reader {
    const pyr_safetensors *file;
    const char *path;
    float *weight; /* the largest parameter */
    float *bn[4];  /* the most channels, each: weight, bias, running_mean, running_var */
} reader;

/* NAME.part in this shape. */
static pyr_status read_tensor(const reader *r, float *dst, const char *name, size_t length, const char *part,
                              int rank, const int *dims)
{
    char full[PYR_PARAM_NAME + 16];
    const pyr_st_tensor *tensor;
    size_t count = 1;

    snprintf(full, sizeof full, "%.*s%s", (int)length, name, part);
    tensor = pyr_safetensors_find(r->file, full);
    if (!tensor)
        return pyr_fail(PYR_E_FORMAT, "%s: %s is missing (scripts/convert-inception.py writes such a file)",
                        r->path, full);
    for (int i = 0; i < rank; i++) {
        count *= (size_t)dims[i];
        if (tensor->rank != rank || tensor->dims[i] != dims[i])
            return pyr_fail(PYR_E_FORMAT, "%s: %s has another shape than Inception-v3's", r->path, full);
    }
    return pyr_safetensors_read_f32(r->file, tensor, dst, count);
}

/* gamma (conv(x) - mean) / sqrt(var + eps) + beta as one convolution with a bias. Of NAME.weight: the weights
 * of NAME.conv times gamma / sqrt(var + eps) per output; of NAME.bias: the rest. */
static pyr_status read_folded(const reader *r, const pyr_param *weight, const pyr_param *bias, float *shift)
{
    static const char *const parts[] = {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"};
    size_t length = strlen(weight->name) - strlen("conv.weight"), outputs = (size_t)weight->dims[0];
    size_t each = weight->count / outputs;

    assert(bias->count == outputs);
    PYR_TRY(read_tensor(r, r->weight, weight->name, length, "conv.weight", weight->rank, weight->dims));
    for (int i = 0; i < 4; i++)
        PYR_TRY(read_tensor(r, r->bn[i], weight->name, length, parts[i], 1, bias->dims));
    for (size_t o = 0; o < outputs; o++) {
        double scale = (double)r->bn[0][o] / sqrt((double)r->bn[3][o] + bn_eps);

        for (size_t i = o * each; i < (o + 1) * each; i++)
            r->weight[i] = (float)(scale * (double)r->weight[i]);
        shift[o] = (float)((double)r->bn[1][o] - scale * (double)r->bn[2][o]);
    }
    return PYR_OK;
}

static pyr_status forget_bias(const reader *r, const pyr_params *params, pyr_kernels *k, void *block)
{
    for (int i = 0; i < params->n; i++) {
        const pyr_param *p = &params->at[i];

        if (strcmp(p->name, bias_of_logits) != 0)
            continue;
        memset(r->weight, 0, p->count * sizeof *r->weight);
        PYR_TRY(pyr_param_upload(p, k, block, r->weight));
    }
    return PYR_OK;
}

pyr_status pyr_inception_load(uint64_t *hash, const pyr_safetensors *file, const char *path,
                              const pyr_params *params, pyr_kernels *k, void *block)
{
    reader r = {.file = file, .path = path};
    size_t largest = pyr_params_largest(params);
    pyr_status status = PYR_OK;

    PYR_TRY_OUT(pyr_new(&r.weight, largest, sizeof *r.weight, "weights"));
    for (int i = 0; i < 4; i++)
        PYR_TRY_OUT(pyr_new(&r.bn[i], largest, sizeof **r.bn, "weights"));
    for (int i = 0; i < params->n; i++) {
        const pyr_param *p = &params->at[i];

        if (pyr_ends_with(p->name, ".conv.weight")) { /* its bias is the next parameter */
            assert(i + 1 < params->n && pyr_ends_with(params->at[i + 1].name, ".conv.bias"));
            PYR_TRY_OUT(read_folded(&r, p, p + 1, r.bn[0]));
            PYR_TRY_OUT(pyr_param_upload(p, k, block, r.weight));
            PYR_TRY_OUT(pyr_param_upload(p + 1, k, block, r.bn[0]));
            i++;
        } else {
            PYR_TRY_OUT(read_tensor(&r, r.weight, p->name, strlen(p->name), "", p->rank, p->dims));
            PYR_TRY_OUT(pyr_param_upload(p, k, block, r.weight));
        }
    }
    *hash = PYR_HASH_START;
    PYR_TRY_OUT(pyr_params_hash(hash, params, k, block));
    status = forget_bias(&r, params, k, block);
out:
    pyr_free(r.weight);
    for (int i = 0; i < 4; i++)
        pyr_free(r.bn[i]);
    return status;
}

/* ---- its images -------------------------------------------------------------------------------- */

/* Between which two places of an axis of n a new place lies, and how far it is from the first. TensorFlow's
 * place is a product of floats. */
static void between(int *first, int *second, double *part, int at, int n, pyr_fid_resize resize)
{
    float scale = (float)n / PYR_INCEPTION_SIDE, product = (float)at * scale;
    double place = resize == PYR_RESIZE_TF1 ? (double)product : (at + 0.5) * n / PYR_INCEPTION_SIDE - 0.5;

    place = place < 0 ? 0 : place;
    *first = (int)place < n - 1 ? (int)place : n - 1;
    *second = *first + 1 < n ? *first + 1 : n - 1;
    *part = place - *first;
}

void pyr_inception_image(float *dst, const uint8_t *image, int h, int w, int c, pyr_fid_resize resize)
{
    bool tf1 = resize == PYR_RESIZE_TF1;

    assert(c == 1 || c == 3);
    for (int y = 0; y < PYR_INCEPTION_SIDE; y++) {
        int y0, y1;
        double down;

        between(&y0, &y1, &down, y, h, resize);
        for (int x = 0; x < PYR_INCEPTION_SIDE; x++) {
            int x0, x1;
            double right;

            between(&x0, &x1, &right, x, w, resize);
            for (int i = 0; i < 3; i++) {
                const uint8_t *channel = image + (c == 3 ? i : 0);
                const uint8_t *top = channel + (size_t)y0 * (size_t)w * (size_t)c;
                const uint8_t *bottom = channel + (size_t)y1 * (size_t)w * (size_t)c;
                double above = top[x0 * c] + right * (top[x1 * c] - top[x0 * c]);
                double below = bottom[x0 * c] + right * (bottom[x1 * c] - bottom[x0 * c]);
                double value = above + down * (below - above);

                *dst++ = (float)((tf1 ? value / 128 : 2 * value / 255) - 1);
            }
        }
    }
}
