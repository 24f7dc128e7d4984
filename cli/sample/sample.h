/* sample.h - what the ways of drawing share: images of a run (cmd_sample.c), of one of its levels
 * (sample_level.c), of a diffusers pipeline (sample_pipeline.c). */
#ifndef PYR_CLI_SAMPLE_SAMPLE_H
#define PYR_CLI_SAMPLE_SAMPLE_H

#include "cli/sample/coarse_images.h"
#include "cli/sample/sample_output.h"

/* All but the output's grids is of one round of images, but for 12 bytes a seed. */
typedef struct pyr_drawing {
    const char *network;
    bool trajectory;            /* is written, too */
    pyrdiff_settings *settings; /* NULL: of a pipeline */
    pyrdiff_model *model;
    pyrdiff_model_facts all, level[PYRDIFF_MAX_LEVELS];
    char of_class[256];       /* "class 3 (cat)" */
    pyr_coarse_images coarse; /* to start from; n 0: none */
    pyr_sample_output to;
    /* of a round */
    float *image[PYRDIFF_MAX_LEVELS], *frames[PYRDIFF_MAX_LEVELS];
    pyrdiff_images given;
    pyr_watch watch; /* it must not move */
} pyr_drawing;

/* List the seeds; to.typed is set already. */
pyr_status pyr_drawing_begin(pyr_drawing *d);
/* Open the model with these options, and choose the classes as --class says. */
pyr_status pyr_drawing_open(pyr_drawing *d, const char *of_class, pyr_passed options);
/* Draw images of all levels and write them; `folder`: without --outdir, in the network's own. */
pyr_status pyr_drawing_all(pyr_drawing *d);
/* to.folder: --outdir, or else NETWORK/OWN. */
pyr_status pyr_drawing_folder(pyr_drawing *d, const char *own);
/* Free all, and say of a stop where the images drawn so far are; `status` again. */
pyr_status pyr_drawing_end(pyr_drawing *d, pyr_status status);

/* pyrdiff sample --level I: the variable of one level, drawn independently of the others.
 *
 * The coarsest level's is the image of that level. A residual (or bands of details) is drawn to coarser images
 * I_{I+1}: those of files (d->coarse), or of training images that the seeds choose; then DIR/000012.png is I_I,
 * DIR/residual-000012.png the residual as pyrdiff decompose shows it, and DIR/levels.png has both beside the
 * coarser image and its enlargement. A level without a condition, to which no coarser images are given, has
 * the residual alone: DIR/000012.png shows it. `data_given`: --data was typed, so that such a level is given
 * coarser images, too.
 *
 * d->model is of that level alone. PYR_E_ARG: coarser images of the coarsest level; PYR_E_SHAPE: data of another
 * size; PYR_E_STOPPED. */
pyr_status pyr_sample_level(pyr_drawing *d, bool data_given);

/* The command, with options of its own, if the last --network of the command line names a pipeline
 * (diffusers/pipeline.h); else NULL. */
const pyr_command *pyr_sample_pipeline(int argc, char **argv);

#endif
