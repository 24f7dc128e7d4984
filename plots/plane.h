/* plane.h - pictures of the plane as SVG: panels with points, arrows, contours and paths, side by side.
 *
 *     pyr_plane p = {.out = &text, .left = 30, .top = 40, .size = 200, .x = -2, .y = -2, .side = 4};
 *     pyr_plane_begin(&p, "title", "a line below it");
 *     pyr_plane_points(&p, x, n, 0, 1);
 *     pyr_plane_end(&p);
 *     pyr_sheet(&file, text.at, width, height, "what is to be seen", true);
 *
 * A panel shows a square window of the plane; what lies outside is cut off. Points are pairs of doubles; a
 * pair that is not finite is missing. Colours are those of svg.h. */
#ifndef PYR_PLOTS_PLANE_H
#define PYR_PLOTS_PLANE_H

#include "base/text.h"

typedef struct pyr_plane {
    pyr_text *out;          /* borrowed */
    double left, top, size; /* of the panel, on the sheet */
    double x, y, side;      /* lower left corner and side of the window, in the plane */
} pyr_plane;

/* Room that a panel needs beside its square: for two lines above, ticks at the left and below. */
enum { PYR_PLANE_LEFT = 26, PYR_PLANE_ABOVE = 32, PYR_PLANE_BELOW = 18 };

/* Frame, ticks and words; then what is drawn until pyr_plane_end lies in the window. */
void pyr_plane_begin(const pyr_plane *p, const char *title, const char *below);
void pyr_plane_end(const pyr_plane *p);

/* Lines where a function is equal to each of `levels` values: value[n][n] at the corners of a grid over the
 * window, rows from below; n >= 2. Linear within triangles. */
void pyr_plane_contours(const pyr_plane *p, const double *value, int n, const double *level, int levels);

void pyr_plane_points(const pyr_plane *p, const double *x, int n, int colour, double radius);
/* From `from` to from + vector, with a head. */
void pyr_plane_arrows(const pyr_plane *p, const double *from, const double *vector, int n, int colour);
/* A line through n points. */
void pyr_plane_path(const pyr_plane *p, const double *x, int n, int colour, double width);

/* Words on a sheet, and a square of a colour to explain it; colour -1: none. */
void pyr_plane_words(pyr_text *out, double x, double y, int colour, const char *words);

/* The <svg> element around what is drawn (pyr_svg_begin). */
void pyr_sheet(pyr_text *out, const char *drawn, double width, double height, const char *title, bool alone);

#endif
