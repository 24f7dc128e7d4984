/* sample_output.h - where drawn images go: a PNG per seed, an NPZ of all, grids of the first. */
#ifndef PYR_CLI_SAMPLE_SAMPLE_OUTPUT_H
#define PYR_CLI_SAMPLE_SAMPLE_OUTPUT_H

#include "include/pyrdiff.h"
#include "terminal/options.h"

/* As they are typed: --seeds, --outdir, --batch, --npz, --grid, --zoom. */
typedef struct pyr_typed_output {
    const char *seeds, *outdir;
    int batch, zoom;
    bool npz, grid;
} pyr_typed_output;
extern const pyr_option pyr_output_options[];

enum { PYR_MORE_TEXTS = 3 };

typedef struct pyr_sample_output {
    const pyr_typed_output *typed;        /* borrowed, as the texts */
    char *folder;                         /* owned, as seeds and labels */
    const char *sampler;                  /* in words */
    const char *more[2 * PYR_MORE_TEXTS]; /* pairs that the next PNGs say, too; borrowed until then */
    int n_more;
    uint64_t *seeds; /* n */
    int32_t *labels; /* n; NULL: of no class in particular */
    size_t n;
    int levels; /* level 0 is what is written; with more than one there is a grid of all levels, too */
    int h[PYRDIFF_MAX_LEVELS], w[PYRDIFF_MAX_LEVELS], c; /* of a level's images */
    int bits;         /* of the images' samples, 8 or 16; the grids have 8 */
    bool archive;     /* write an NPZ */
    char weights[32]; /* their hash */
    pyrdiff_npz *npz;
    float *first[PYRDIFF_MAX_LEVELS]; /* the images of the grids */
    size_t in_grid;
} pyr_sample_output;

/* Make the folder and begin; the fields down to `archive` are the caller's. `hash`: of the weights. */
pyr_status pyr_sample_output_open(pyr_sample_output *o, uint64_t hash);
/* Images at .. at + n - 1 of the run, level by level, [-1, 1]. */
pyr_status pyr_sample_output_add(pyr_sample_output *o, size_t at, int n, float *const *images);
/* The end, when all have been added; prints where the grids are. */
pyr_status pyr_sample_output_close(pyr_sample_output *o);
void pyr_sample_output_free(pyr_sample_output *o); /* no-op on {0}; what is not whole is left out */

/* n images of floats without gaps, as the library takes them; and n of a level. */
pyrdiff_images pyr_floats(const float *at, int64_t n, int h, int w, int c);
pyrdiff_images pyr_sample_output_images(const pyr_sample_output *o, int level, const float *at, int64_t n);
/* Numbers of one image of a level. */
size_t pyr_sample_output_size(const pyr_sample_output *o, int level);

/* What picture `at` says of how it was made, as pyrdiff_png_write() takes it; must not move. */
enum { PYR_ORIGIN_TEXTS = 5 };
typedef struct pyr_origin {
    char seed[32], label[16];
    const char *texts[2 * (PYR_ORIGIN_TEXTS + PYR_MORE_TEXTS) + 1];
} pyr_origin;
void pyr_sample_origin(pyr_origin *out, const pyr_sample_output *o, size_t at);

/* "FOLDER/NAME", and a PNG of one image of floats there, with samples of `bits`. */
pyr_status pyr_write_picture(const char *folder, const char *name, const float *values, int h, int w, int c,
                             int bits, const char *const *texts);

#endif
