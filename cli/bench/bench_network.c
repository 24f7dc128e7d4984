/* bench_network.c - a network from a folder as the level of a pyramid of random images. */
#include "base/file.h"
#include "base/mem.h"
#include "cli/bench/bench.h"
#include "terminal/output.h"
#include <stdio.h>
#include <stdlib.h>

enum { IMAGES = 512, LARGEST_SIDE = 4096 };

static pyr_status read_size(pyr_bench_network *n, const char *size)
{
    char rest;

    if (!*size) {
        n->h = n->unet.sample_height * n->unet.patch;
        n->w = n->unet.sample_width * n->unet.patch;
        if (n->h < 1)
            return pyr_fail(PYR_E_ARG, "the network's sample_size is null: give --size HxW, in pixels");
        return PYR_OK;
    }
    if (sscanf(size, "%d%*1[x,]%d%c", &n->h, &n->w, &rest) != 2) {
        if (sscanf(size, "%d%c", &n->h, &rest) != 1)
            return pyr_fail(PYR_E_ARG, "--size is %s, should be HxW in pixels, such as 28x28", size);
        n->w = n->h;
    }
    if (n->h < 1 || n->w < 1 || n->h > LARGEST_SIDE || n->w > LARGEST_SIDE)
        return pyr_fail(PYR_E_ARG, "--size is %s, a side should be 1..%d", size, LARGEST_SIDE);
    return PYR_OK;
}

/* The file `batch` beside config.json; *batch stays without one. */
static pyr_status read_batch(int *batch, const char *folder)
{
    char *path, *text = NULL, *end;
    pyr_status status = PYR_OK;
    size_t length;
    long value;

    PYR_TRY(pyr_path_new(&path, folder, "batch"));
    if (!pyr_is_file(path))
        goto out;
    PYR_TRY_OUT(pyr_file_read(&text, &length, path, 64));
    value = strtol(text, &end, 10);
    if (end == text || value < 1 || value > 1 << 20)
        status =
            pyr_fail(PYR_E_FORMAT, "%s: should hold the images of a training step, 1..%d", path, 1 << 20);
    else
        *batch = (int)value;
out:
    pyr_free(text);
    pyr_free(path);
    return status;
}

static int colours(const pyr_unet_config *c)
{
    return c->out_channels / (c->patch * c->patch);
}

/* What a level can be trained with here: an image of 1, 3 or 4 channels, alone or with a condition. */
static pyr_status check(const pyr_unet_config *c, const char *folder)
{
    int area = c->patch * c->patch, n = colours(c);

    if (c->out_channels % area || (n != 1 && n != 3 && n != 4))
        return pyr_fail(PYR_E_UNSUPPORTED,
                        "%s: out_channels is %d (patch %d), only images of 1, 3 or 4 channels are measured",
                        folder, c->out_channels, c->patch);
    if (c->in_channels != c->out_channels && c->in_channels != 2 * c->out_channels)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: in_channels is %d, should be out_channels %d, or twice that",
                        folder, c->in_channels, c->out_channels);
    if (c->time_embedding_type == PYR_UNET_LEARNED || c->class_embed_type == PYR_UNET_CLASS_TIMESTEP ||
        c->class_embed_type == PYR_UNET_CLASS_IDENTITY)
        return pyr_fail(PYR_E_UNSUPPORTED,
                        "%s: a learned time or an embedding of classes that is no table cannot be trained "
                        "here",
                        folder);
    if (c->class_embed_type == PYR_UNET_CLASS_TABLE && c->num_class_embeds < 2)
        return pyr_fail(PYR_E_UNSUPPORTED, "%s: num_class_embeds is %d, should be 2 or more", folder,
                        c->num_class_embeds);
    return PYR_OK;
}

pyr_status pyr_bench_network_read(pyr_bench_network *out, const char *folder, const char *size)
{
    pyr_text warning = {0};
    pyr_status status;
    char *path;

    *out = (pyr_bench_network){0};
    PYR_TRY(pyr_path_new(&path, folder, "config.json"));
    PYR_TRY_OUT(pyr_unet_config_read(&out->unet, path, &warning));
    if (warning.length)
        pyr_tell("warning: %s: %s\n", path, warning.at);
    PYR_TRY_OUT(check(&out->unet, folder));
    PYR_TRY_OUT(read_size(out, size));
    PYR_TRY_OUT(read_batch(&out->batch, folder));
out:
    pyr_text_free(&warning);
    pyr_free(path);
    return status;
}

pyr_status pyr_bench_network_experiment(pyr_experiment *out, pyr_kernels *k, pyr_settings *settings,
                                        const pyr_bench_network *network, bool own_batch)
{
    const pyr_unet_config *unet = &network->unet;
    /* a table has one row more than classes: "no class" */
    int classes = unet->class_embed_type == PYR_UNET_CLASS_TABLE ? unet->num_class_embeds - 1 : 0;
    pyr_level_settings *level = &out->config.level[0];
    pyr_status status = PYR_OK;

    *out = (pyr_experiment){0};
    PYR_TRY_OUT(pyr_config_get(&out->config, settings));
    out->config.pyramid.levels = unet->in_channels > unet->out_channels ? 2 : 1;
    level->classes = classes > 0;
    level->network.unet.dropout = unet->dropout;
    if (network->batch && own_batch)
        level->batch = network->batch;
    PYR_TRY_OUT(pyr_dataset_random(&out->own, network->h, network->w, colours(unet), IMAGES, classes));
    out->data = out->own;
    PYR_TRY_OUT(pyr_pyramid_check(&out->config.pyramid, network->h, network->w));
    PYR_TRY_OUT(
        pyr_pyramid_new(&out->pyramid, k, &out->config.pyramid, network->h, network->w, colours(unet)));
out:
    if (status != PYR_OK)
        pyr_experiment_close(out);
    return status;
}
