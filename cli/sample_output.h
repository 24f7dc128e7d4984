/* sample_output.h - where drawn images go: a PNG per seed, an NPZ of all, grids of the first. */
#ifndef PYR_CLI_SAMPLE_OUTPUT_H
#define PYR_CLI_SAMPLE_OUTPUT_H

#include "images/npz_file.h"
#include "images/png_file.h"
#include "pyramid/pyramid.h"

typedef struct pyr_sample_output {
    const char *folder;     /* borrowed, as the texts */
    const char *seeds_text; /* as typed */
    const char *sampler;    /* in words */
    char weights[32];       /* their hash */
    const uint64_t *seeds;  /* n */
    size_t n;
    int levels; /* level 0 is what is written; with more than one there is a grid of all levels, too */
    pyr_shape image[PYR_MAX_LEVELS];
    int zoom; /* of the grids */
    bool grid, archive;
    pyr_npz npz;
    uint8_t *bytes;               /* one image */
    float *first[PYR_MAX_LEVELS]; /* the images of the grids */
    size_t in_grid;
} pyr_sample_output;

/* Make the folder and begin; the fields down to `archive` are the caller's. */
pyr_status pyr_sample_output_open(pyr_sample_output *o);
/* Images at .. at + n - 1 of the run, level by level, [-1, 1]. */
pyr_status pyr_sample_output_add(pyr_sample_output *o, size_t at, int n, float *const *images);
/* The end, when all have been added; prints where the grids are. */
pyr_status pyr_sample_output_close(pyr_sample_output *o);
void pyr_sample_output_free(pyr_sample_output *o); /* no-op on {0}; what is not whole is left out */

/* What a picture says of how it was made; must not move, the texts point into it. */
enum { PYR_ORIGIN_TEXTS = 4 };
typedef struct pyr_origin {
    char seed[32];
    pyr_png_text texts[PYR_ORIGIN_TEXTS];
} pyr_origin;
void pyr_sample_origin(pyr_origin *out, const pyr_sample_output *o, uint64_t seed);

#endif
