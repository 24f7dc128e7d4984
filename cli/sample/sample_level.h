/* sample_level.h - pyrdiff sample --level I: the variable of one level, drawn by itself.
 *
 * The coarsest level's is the image of that level. A residual (or bands of details) is drawn to coarser images
 * I_{I+1}: those of files, or of training images that the seeds choose (pyr_real_image_of_seed); then
 * DIR/000012.png is I_I, DIR/residual-000012.png the residual as pyrdiff decompose shows it, and
 * DIR/levels.png has both beside the coarser image and its enlargement. A level without a condition, to which
 * no coarser images are given, has the residual alone: DIR/000012.png shows it. */
#ifndef PYR_CLI_SAMPLE_SAMPLE_LEVEL_H
#define PYR_CLI_SAMPLE_SAMPLE_LEVEL_H

#include "cascade/model.h"
#include "terminal/progress.h"

typedef struct pyr_level_sampling {
    pyr_model *model; /* of one level; borrowed, as all below */
    const pyr_config *config;
    const char *network, *outdir; /* "": a folder in the run */
    const char *seeds_text;       /* as typed */
    const uint64_t *seeds;        /* n */
    size_t n;
    const int32_t *labels; /* n; NULL: of no class in particular */
    int batch, zoom;
    bool npz, grid;
    /* Files with coarser images: `read` puts those of images first .. first + n - 1 into dst (n x I_{I+1}),
     * `name` says which file image j has; NULL: there are none. */
    pyr_status (*read)(void *ctx, size_t first, int n, float *dst);
    const char *(*name)(void *ctx, size_t j);
    void *ctx;
    bool data_given; /* --data was typed: a level without a condition is given coarser images, too */
    pyr_bar *bar;
} pyr_level_sampling;

/* PYR_E_ARG: coarser images of the coarsest level; PYR_E_SHAPE: data of another size; PYR_E_STOPPED. */
pyr_status pyr_sample_level(const pyr_level_sampling *job);

#endif
