/* svg.h - line plots as SVG: linear and logarithmic axes, ticks, legend, dashes, markers.
 *
 * A plot is one <svg> element, well-formed by itself, drawn in a box of PYR_PLOT_WIDTH units that a page
 * scales to the room there is. Text is escaped. A point that is not finite, or not positive on a logarithmic
 * axis, is missing: it breaks its line, and no such number ever stands in the file. A series of more points
 * than can be told apart is drawn by the extremes of its stretches.
 *
 * Colours are those of Okabe and Ito ("Color Universal Design", 2008), which colour-blind people can tell
 * apart; dashes and markers say the same once more. They are attributes and classes: pyr_svg_style turns them
 * over for a dark page. */
#ifndef PYR_PLOTS_SVG_H
#define PYR_PLOTS_SVG_H

#include "base/text.h"

enum { PYR_PLOT_WIDTH = 400, PYR_PLOT_COLOURS = 7, PYR_PLOT_DASHES = 6, PYR_PLOT_MARKERS = 5 };

typedef enum pyr_scale {
    PYR_SCALE_AUTO, /* logarithmic when all values are positive and the largest is 20 times the smallest */
    PYR_SCALE_LINEAR,
    PYR_SCALE_LOG
} pyr_scale;

typedef struct pyr_plot_axis {
    const char *label;
    pyr_scale scale;
} pyr_plot_axis;

/* One line; everything is borrowed. */
typedef struct pyr_series {
    const char *name; /* in the legend; NULL: not there */
    size_t n;
    const double *x, *y;  /* n each */
    const double *spread; /* n half lengths of vertical bars; NULL: none */
    int colour;           /* counted round */
    int dash;             /* 0: solid; counted round; -1: no line, markers alone */
    int marker;           /* counted round; -1: none */
    bool thin;            /* less heavy than the others */
} pyr_series;

/* A horizontal line across the plot, and its words. */
typedef struct pyr_rule {
    double y;
    const char *label;
} pyr_rule;

typedef struct pyr_plot {
    const char *title; /* read to those who do not see the plot; not drawn */
    pyr_plot_axis x, y;
    const pyr_series *series;
    size_t n_series;
    const pyr_rule *rules;
    size_t n_rules;
} pyr_plot;

/* Add the plot to `out`; out->failed tells of memory. */
void pyr_svg_plot(pyr_text *out, const pyr_plot *plot);

/* What plots and other drawings (plane.h) are made of: the <svg> element and the letters in it (alone: for a
 * file of its own, white with a size; otherwise for a page, in its colours and as wide as there is room), its
 * end, and words at a place, with `more` attributes. */
void pyr_svg_begin(pyr_text *out, double width, double height, const char *title, bool alone);
void pyr_svg_end(pyr_text *out);
void pyr_svg_words(pyr_text *out, double x, double y, const char *anchor, const char *more,
                   const char *words);

/* The colours on white. What is drawn in colour k has it as an attribute, and the class kK for its stroke or
 * fK for its fill. */
extern const char *const pyr_svg_colours[PYR_PLOT_COLOURS];
/* Rules for <style>: colours of light and dark pages; the page's background is its variable --bg. */
extern const char pyr_svg_style[];

/* Ticks of an axis from low < high, at most `most` (2 to 16) of them, rising, all within: multiples of 1, 2
 * or 5 times a power of ten; `log` (low > 0): powers of ten, where there are two at least. Returns how
 * many. */
size_t pyr_ticks(double *out, size_t most, double low, double high, bool log);
/* A number as a tick shows it: 0.05, 20k, 1.5M, 1e-6. */
void pyr_tick_text(char *out, size_t size, double value);

/* `text` for HTML and XML, in an element or an attribute: & < > " ' are escaped; newlines and tabs stay,
 * other control characters and bytes that are not UTF-8 are shown as in base/shown.h. */
void pyr_escape(pyr_text *out, const char *text);

#endif
