/* sample_output.h - where drawn images go: a PNG per seed, an NPZ of all, a grid of the first. */
#ifndef PYR_CLI_SAMPLE_OUTPUT_H
#define PYR_CLI_SAMPLE_OUTPUT_H

#include "images/npz_file.h"
#include "kernels/kernels.h"

typedef struct pyr_sample_output {
    const char *folder;     /* borrowed, as the texts */
    const char *seeds_text; /* as typed */
    const char *sampler;    /* in words */
    char weights[32];       /* their hash */
    const uint64_t *seeds;  /* n */
    size_t n;
    pyr_shape image;
    int zoom; /* of the grid */
    bool grid, archive;
    pyr_npz npz;
    uint8_t *bytes; /* one image */
    float *first;   /* the images of the grid */
    size_t in_grid;
} pyr_sample_output;

/* Make the folder and begin; the fields down to `archive` are the caller's. */
pyr_status pyr_sample_output_open(pyr_sample_output *o);
/* Images at .. at + n - 1 of the run, [-1, 1]. */
pyr_status pyr_sample_output_add(pyr_sample_output *o, size_t at, int n, const float *images);
/* The end, when all have been added; prints where the grid is. */
pyr_status pyr_sample_output_close(pyr_sample_output *o);
void pyr_sample_output_free(pyr_sample_output *o); /* no-op on {0}; what is not whole is left out */

#endif
