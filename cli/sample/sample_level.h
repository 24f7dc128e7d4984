/* sample_level.h - pyrdiff sample --level I: the variable of one level, drawn independently of the others.
 *
 * The coarsest level's is the image of that level. A residual (or bands of details) is drawn to coarser images
 * I_{I+1}: those of files, or of training images that the seeds choose; then DIR/000012.png is I_I,
 * DIR/residual-000012.png the residual as pyrdiff decompose shows it, and DIR/levels.png has both beside the
 * coarser image and its enlargement. A level without a condition, to which no coarser images are given, has
 * the residual alone: DIR/000012.png shows it. */
#ifndef PYR_CLI_SAMPLE_SAMPLE_LEVEL_H
#define PYR_CLI_SAMPLE_SAMPLE_LEVEL_H

#include "cli/sample/coarse_images.h"
#include "cli/sample/sample_output.h"

typedef struct pyr_level_sampling {
    pyrdiff_model *model; /* of one level; borrowed, as all below */
    pyrdiff_settings *settings;
    const char *network;
    const pyr_typed_output *output; /* outdir "": a folder in the run */
    const uint64_t *seeds;          /* n */
    size_t n;
    const int32_t *labels;     /* n; NULL: of no class in particular */
    pyr_coarse_images *coarse; /* n 0: there are no files with coarser images */
    bool data_given; /* --data was typed: a level without a condition is given coarser images, too */
    pyr_watch *watch;
} pyr_level_sampling;

/* PYR_E_ARG: coarser images of the coarsest level; PYR_E_SHAPE: data of another size; PYR_E_STOPPED. */
pyr_status pyr_sample_level(const pyr_level_sampling *job);

#endif
