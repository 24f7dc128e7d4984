/* image_set.h - images to be judged: many of one size, of 8 or 16 bits, on the host, with a name and a hash.
 *
 * The hash is of the sizes and the pixels in the images' own depth: the same images have the same one, drawn
 * from a run or read. */
#ifndef PYR_EVAL_IMAGE_SET_H
#define PYR_EVAL_IMAGE_SET_H

#include "cascade/model.h"
#include "eval/image_metrics.h"
#include "eval/sample_files.h"

/* So many of a run's images are kept as they were drawn, at every level: for grids. */
enum { PYR_KEPT_IMAGES = 100 };

typedef struct pyr_image_set {
    char *name; /* "runs/mine", "out/", "the held-out images"; owned */
    uint64_t hash;
    int64_t n;
    int h, w, c;
    uint8_t *pixels; /* n x h x w x c; owned */
    uint16_t *words; /* the same in 16 bits, when an image has them; NULL: all have 8; owned */

    /* of files only */
    bool grey;            /* every file was grey, or grey values in colour */
    int file_c;           /* the most channels that a file had */
    int64_t deep;         /* files of 16 bits */
    int64_t aside;        /* pictures that are no samples, */
    char first_aside[64]; /* and the name of one */
    pyr_names warnings;   /* as in sample_files.h; owned */

    /* of a run only; else 0 and NULL */
    int levels;
    int finest;                      /* the level that is judged: 0, or that of a model of one level */
    bool alone;                      /* of a model of one level */
    int drawn;                       /* levels finest .. drawn - 1 were; images of coarser ones are real */
    pyr_shape shape[PYR_MAX_LEVELS]; /* of an image at each level, n = 1 */
    double
        consistency[PYR_MAX_LEVELS]; /* RMS of d(I_i) - I_{i+1}, in values, taken before I_i is clamped (the
                                          clamp breaks what the projection made equal); of levels
                                          finest .. pyr_image_set_checked - 1 */
    int kept;                        /* min(n, PYR_KEPT_IMAGES) */
    float *first[PYR_MAX_LEVELS];    /* the first images of each level, in [-1, 1]; owned */
    char sampler[PYR_MAX_LEVELS][PYR_SAMPLER_WORDS]; /* words of each level's sampler */
    double flop[PYR_MAX_LEVELS];                     /* of one image, per level */
    int steps[PYR_MAX_LEVELS];                       /* of each level's sampler */
    int nfe[PYR_MAX_LEVELS];                         /* network evaluations of one image, per level */
    double seconds;                                  /* of drawing */
    char *of_class; /* "class 3 (cat)", "all classes in turn"; NULL: no class in particular; owned */
} pyr_image_set;

void pyr_image_set_free(pyr_image_set *set); /* back to {0}; no-op on {0} */

/* The images as the metrics take them; borrowed. */
pyr_pixels_set pyr_image_set_pixels(const pyr_image_set *set);

/* Image i and those behind it, in `bits`, which the set has; borrowed. */
const void *pyr_image_set_at(const pyr_image_set *set, int64_t i, int bits);

/* Levels finest .. this - 1 of a run were drawn from a coarser one. */
int pyr_image_set_checked(const pyr_image_set *set);

/* The samples in a folder or a zip archive (sample_files.h), or the images of any other file or folder that
 * is known as a data set (images/dataset.h), all of them whatever its split: an NPZ, a .npy, IDX ... At most
 * `most` (0: all), with `c` channels (0: those of the first). PYR_E_IO: nothing there; PYR_E_SHAPE names the
 * first image of another size; PYR_E_FORMAT. */
pyr_status pyr_image_set_read(pyr_image_set *out, const char *path, int c, int64_t most);

/* n images in memory: h x w x c samples of 8 or 16 bits each, which are copied. */
pyr_status pyr_image_set_memory(pyr_image_set *out, const char *name, const void *samples, int64_t n, int h,
                                int w, int c, int bits);

/* The images of a split of a data set. PYR_E_ARG when the split is empty. */
pyr_status pyr_image_set_data(pyr_image_set *out, const pyr_dataset *data, pyr_split split, int64_t most);

/* Images drawn from a model, one for each of n seeds; of a model of one level that level's, with `given` the
 * next coarser one unless it is the coarsest. */
typedef struct pyr_set_draw {
    pyr_kernels *k;
    const char *name; /* of the set */
    pyr_model *model;
    const pyr_config *config; /* it was opened with */
    const uint64_t *seeds;    /* n of them */
    int64_t n;
    const char *of_class; /* their classes, as for pyr_model_choose_class */
    int given; /* > 0: the images of this level are not drawn, but those of training images of `data` that the
                  seeds choose, which tells what the levels below it lose; 0: all levels are drawn */
    const pyr_dataset *data; /* with `given` only; of the model's size */
    int batch;               /* images in memory at a time, at every level; 0: chosen; changes no image */
    void (*on_progress)(void *ctx, int64_t done, int64_t n, double images_per_s); /* NULL: none */
    void *ctx;
} pyr_set_draw;
/* PYR_E_STOPPED when a stop was requested. */
pyr_status pyr_image_set_draw(pyr_image_set *out, const pyr_set_draw *draw);

#endif
