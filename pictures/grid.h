/* grid.h - many images in one picture, to look at.
 *
 * A panel is a table of images of one size, 2 pixels apart; several panels (say, the levels of a pyramid)
 * stand side by side, 8 pixels apart, their images zoomed to one displayed size, so that a row shows one
 * sample at every level. Zooming repeats pixels (nearest), also where the ratio is no integer. */
#ifndef PYR_PICTURES_GRID_H
#define PYR_PICTURES_GRID_H

#include "pictures/image.h"
#include "pictures/png_file.h"

typedef struct pyr_panel {
    const float *images; /* n x h x w x c in [-1, 1], clamped; borrowed */
    int n, h, w, c;      /* c 1..4, as in an image file */
} pyr_panel;

typedef struct pyr_grid_style {
    int rows, cols; /* of every panel; 0: what fits (both 0: nearly square) */
    int zoom;       /* shown pixels per pixel of the largest panel's images; 0 is 1 */
    bool black;     /* background: black, or else mid-grey */
} pyr_grid_style;

/* Draw `panels` of them into a new 8-bit image, which the caller frees. Its channels are the most that a
 * panel needs. Images fill the table row by row; those beyond rows x cols are left out, empty places show
 * the background. PYR_E_FORMAT when the picture would be larger than an image may be. */
pyr_status pyr_grid_draw(pyr_image *out, const pyr_panel *panel, int panels, pyr_grid_style style);

/* The same as a PNG file with `texts` text chunks. */
pyr_status pyr_grid_write(const char *path, const pyr_panel *panel, int panels, pyr_grid_style style,
                          const pyr_png_text *text, size_t texts);

/* FOLDER/grid.png with the last panel, and, when there are several, FOLDER/levels.png with all of them
 * side by side: the levels of a pyramid, the coarsest first. */
pyr_status pyr_grid_write_levels(const char *folder, const pyr_panel *panel, int panels, pyr_grid_style style,
                                 const pyr_png_text *text, size_t texts);

#endif
