/* sample_output.h - where drawn images go: a PNG per seed, an NPZ of all, grids of the first. */
#ifndef PYR_CLI_SAMPLE_SAMPLE_OUTPUT_H
#define PYR_CLI_SAMPLE_SAMPLE_OUTPUT_H

#include "arrays/npz_file.h"
#include "pictures/png_file.h"
#include "pyramid/pyramid.h"

enum { PYR_MORE_TEXTS = 3 };

typedef struct pyr_sample_output {
    const char *folder;                /* borrowed, as the texts */
    const char *seeds_text;            /* as typed */
    const char *sampler;               /* in words */
    pyr_png_text more[PYR_MORE_TEXTS]; /* that the next PNGs say, too; borrowed until they are written */
    size_t n_more;
    char weights[32];      /* their hash */
    const uint64_t *seeds; /* n */
    const int32_t *labels; /* n; NULL: of no class in particular */
    size_t n;
    int levels; /* level 0 is what is written; with more than one there is a grid of all levels, too */
    pyr_shape image[PYR_MAX_LEVELS];
    int bits; /* of the images' samples, 8 or 16; the grids have 8 */
    int zoom; /* of the grids */
    bool grid, archive;
    pyr_npz npz;
    float *first[PYR_MAX_LEVELS]; /* the images of the grids */
    size_t in_grid;
} pyr_sample_output;

/* Rows of the table of options, for what is typed with the members seeds, outdir (texts), batch, zoom (int),
 * npz and grid (bool). */
#define PYR_OUTPUT_OPTIONS(t)                                                                                \
    {.name = "seeds",                                                                                        \
     .argument = "LIST",                                                                                     \
     .type = PYR_SETTING_TEXT,                                                                               \
     .target = &(t).seeds,                                                                                   \
     .standard = "0-63",                                                                                     \
     .help = "0-63,100: an image for each"},                                                                 \
        {.name = "outdir",                                                                                   \
         .argument = "DIR",                                                                                  \
         .type = PYR_SETTING_TEXT,                                                                           \
         .target = &(t).outdir,                                                                              \
         .standard = "",                                                                                     \
         .help = "where pictures go; without it the folder samples of the --network"},                       \
        {.name = "batch",                                                                                    \
         .argument = "N",                                                                                    \
         .type = PYR_SETTING_INT,                                                                            \
         .target = &(t).batch,                                                                               \
         .standard = "0",                                                                                    \
         .min = 0,                                                                                           \
         .max = 65536,                                                                                       \
         .help = "images at a time; 0: chosen; changes no image"},                                           \
        {.name = "npz",                                                                                      \
         .type = PYR_SETTING_BOOL,                                                                           \
         .target = &(t).npz,                                                                                 \
         .standard = "true",                                                                                 \
         .help = "write samples.npz (NHWC arr_0; uint8, of 16-bit data uint16; classes in arr_1)"},          \
        {.name = "grid",                                                                                     \
         .type = PYR_SETTING_BOOL,                                                                           \
         .target = &(t).grid,                                                                                \
         .standard = "true",                                                                                 \
         .help = "write grid.png of the first 100 images, and of a pyramid levels.png with every level "     \
                 "side by side"},                                                                            \
    {                                                                                                        \
        .name = "zoom", .argument = "N", .type = PYR_SETTING_INT, .target = &(t).zoom, .standard = "2",      \
        .min = 1, .max = 64, .help = "of the grids"                                                          \
    }

/* Make the folder and begin; the fields down to `archive` are the caller's. */
pyr_status pyr_sample_output_open(pyr_sample_output *o);
/* Images at .. at + n - 1 of the run, level by level, [-1, 1]. */
pyr_status pyr_sample_output_add(pyr_sample_output *o, size_t at, int n, float *const *images);
/* The end, when all have been added; prints where the grids are. */
pyr_status pyr_sample_output_close(pyr_sample_output *o);
void pyr_sample_output_free(pyr_sample_output *o); /* no-op on {0}; what is not whole is left out */

/* What picture `at` says of how it was made; must not move, the texts point into it. */
enum { PYR_ORIGIN_TEXTS = 5 };
typedef struct pyr_origin {
    char seed[32], label[16];
    pyr_png_text texts[PYR_ORIGIN_TEXTS + PYR_MORE_TEXTS];
    size_t n; /* texts */
} pyr_origin;
void pyr_sample_origin(pyr_origin *out, const pyr_sample_output *o, size_t at);

#endif
