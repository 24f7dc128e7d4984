/* unet.h - UNet2DModel as a graph of operations.
 *
 * Parameter names and the order of operations are those of diffusers (unet_2d.py, unet_2d_blocks.py,
 * resnet.py), so that files are exchanged without a table of names. Two additions:
 * `patch` (pixel_unshuffle in front, pixel_shuffle behind), and sizes that cannot be
 * halved evenly: an upsampling goes to the size of the skip connection that comes next. And what NCSN's
 * network has (Song & Ermon 2019, appendix A; Khungurn 2022, section 5.3), which diffusers has not: conditional instance
 * norm++ in place of the group norms of residual blocks and of the last one (NAME, NAME_proj, NAME_means,
 * NAME_means_proj), ELU, and dilated blocks in place of those that are halved a second time and more. */
#ifndef PYR_NETWORK_UNET_H
#define PYR_NETWORK_UNET_H

#include "graph/graph.h"
#include "network/unet_config.h"

/* What the network reads; -1 where the configuration has no such input. */
typedef struct pyr_unet_inputs {
    pyr_value sample;    /* h x w x (in_channels / patch^2), or only the first of these channels: */
    pyr_value condition; /* then pyr_unet_condition of the others; not read otherwise */
    pyr_value time;      /* (1,1,1) real; U32 row for `learned` */
    pyr_value label;     /* (1,1,1): U32 row for a table, real for `timestep`; (1,1,E) real for `identity` */
    pyr_value which;     /* (1,1,1) U32: the level; read when the trunk is shared */
    pyr_value
        transform; /* (1,1,n) real: what is told of an image's transformations; read when the options say so */
    pyr_value stream; /* U32 stream of dropout; -1: no dropout (sampling) */
} pyr_unet_inputs;

typedef struct pyr_unet_options {
    bool zero_last; /* start with each block's last convolution and conv_out at zero */
    bool
        transforms; /* in training the image's transformations are told, by "augment_embedding"; a network that is told
                        nothing is the same as with zeros */
    bool undivided; /* fourier: leave out UNet2DModel's division of the output by t */
    int level;      /* keeps dropout streams of levels apart */
    int shared;     /* so many levels share all parameters but conv_in and conv_out, which are named
                       "level-I.conv_in"; "level_embedding" has a row for each level, added as a class's is;
                       0: the network is its own */
} pyr_unet_options;

/* The network of one level out of a block of shared parameters: a UNet2DModel whose
 * time_embedding.linear_2.bias has the level's embedding in it, which is the same function. `own` are the
 * parameters of the plain network, `block` room for them. */
pyr_status pyr_unet_unshare(const pyr_params *own, void *block, const pyr_params *shared,
                            const void *shared_block, int level, pyr_kernels *k);

/* The other way round, for starting a shared network from networks of their own: conv_in, conv_out and the
 * embedding of `level` from its plain network; and when level is `trunk`, all the rest too, which must come
 * first. */
pyr_status pyr_unet_share(const pyr_params *shared, void *shared_block, const pyr_params *own,
                          const void *block, int level, int trunk, pyr_kernels *k);

/* Its inputs, appended to `g`: images like `sample`, times, and labels where it has classes; no dropout. */
pyr_unet_inputs pyr_unet_add_inputs(pyr_graph *g, const pyr_unet_config *config, pyr_shape sample,
                                    pyr_type real);

/* Append the network to `g`; the result is h x w x (out_channels / patch^2), or -1. */
pyr_value pyr_unet_build(pyr_graph *g, const pyr_unet_config *config, const pyr_unet_options *options,
                         const pyr_unet_inputs *inputs);

/* What conv_in makes of the last channels of the sample, bias included: `rest` is h x w x them. conv_in is
 * linear, conv([x | rest], W) + b = conv(x, W_x) + (conv(rest, W_rest) + b), so where the same `rest` comes
 * with many x this part is computed once. For sampling: it has no gradients. */
pyr_value pyr_unet_condition(pyr_graph *g, const pyr_unet_config *config, pyr_value rest);
pyr_shape pyr_unet_condition_shape(const pyr_unet_config *config, pyr_shape sample);

/* Width of the time embedding, E. */
int pyr_unet_embedding(const pyr_unet_config *config);

#endif
