/* plane.c - panels with points, arrows, contours and paths as SVG. */
#include "plots/plane.h"

#include "plots/svg.h"
#include <math.h>
#include <string.h>

enum { TICKS = 5 };

/* ---- places ------------------------------------------------------------------------------------ */

/* Within the panel, whose own y grows downwards. false: missing. */
static bool place(const pyr_plane *p, const double *x, double *px, double *py)
{
    *px = (x[0] - p->x) / p->side * p->size;
    *py = p->size - (x[1] - p->y) / p->side * p->size;
    /* far outside is as good as missing, and its digits would be many */
    return fabs(*px) < 1e5 && fabs(*py) < 1e5;
}

static void begin_stroke(const pyr_plane *p, int colour, double width, const char *more)
{
    int k = colour % PYR_PLOT_COLOURS;

    pyr_text_add(p->out, "<path class=\"k%d\" fill=\"none\" stroke=\"%s\" stroke-width=\"%.3g\"%s d=\"", k,
                 pyr_svg_colours[k], width, more);
}

/* ---- the panel --------------------------------------------------------------------------------- */

static void draw_ticks(const pyr_plane *p)
{
    const char *small = " font-size=\"9\" fill-opacity=\"0.7\"";
    double ticks[TICKS];
    char words[32];

    for (int is_y = 0; is_y < 2; is_y++) {
        double low = is_y ? p->y : p->x;
        size_t n = pyr_ticks(ticks, TICKS, low, low + p->side, false);

        for (size_t i = 0; i < n; i++) {
            double at = (ticks[i] - low) / p->side * p->size;
            double x = p->left + (is_y ? 0 : at), y = p->top + p->size - (is_y ? at : 0);

            pyr_tick_text(words, sizeof words, ticks[i]);
            pyr_text_add(p->out, "<path d=\"M%.1f %.1f%s\" stroke=\"currentColor\"/>\n", x, y,
                         is_y ? "h-4" : "v4");
            pyr_svg_words(p->out, is_y ? x - 6 : x, y + (is_y ? 3 : 14), is_y ? "end" : "middle", small,
                          words);
        }
    }
}

void pyr_plane_begin(const pyr_plane *p, const char *title, const char *below)
{
    pyr_svg_words(p->out, p->left, p->top - 19, "start", " font-weight=\"600\"", title);
    pyr_svg_words(p->out, p->left, p->top - 6, "start", " font-size=\"10\"", below);
    draw_ticks(p);
    pyr_text_add(p->out,
                 "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" "
                 "stroke=\"currentColor\" stroke-opacity=\"0.6\"/>\n",
                 p->left, p->top, p->size, p->size);
    pyr_text_add(p->out,
                 "<svg x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" viewBox=\"0 0 %.1f %.1f\">\n",
                 p->left, p->top, p->size, p->size, p->size, p->size);
}

void pyr_plane_end(const pyr_plane *p)
{
    pyr_text_add(p->out, "</svg>\n");
}

/* ---- contours ---------------------------------------------------------------------------------- */

typedef struct corner {
    double x, y, value; /* in the panel */
} corner;

/* Where the level crosses the side from a to b; false: it does not. */
static bool crosses(double *x, double *y, const corner *a, const corner *b, double level)
{
    double part;

    if ((a->value < level) == (b->value < level))
        return false;
    part = (level - a->value) / (b->value - a->value);
    *x = a->x + part * (b->x - a->x);
    *y = a->y + part * (b->y - a->y);
    return true;
}

/* In a triangle a level has two ends or none. */
static void draw_triangle(const pyr_plane *p, const corner *a, const corner *b, const corner *c, double level)
{
    const corner *side[4] = {a, b, c, a};
    bool begun = false;
    double x, y;

    for (int i = 0; i < 3; i++)
        if (crosses(&x, &y, side[i], side[i + 1], level)) {
            pyr_text_add(p->out, "%c%.1f %.1f", begun ? 'L' : 'M', x, y);
            begun = true;
        }
}

static corner corner_at(const pyr_plane *p, const double *value, int n, int row, int column)
{
    double cell = p->size / (n - 1);

    return (corner){column * cell, p->size - row * cell, value[row * n + column]};
}

void pyr_plane_contours(const pyr_plane *p, const double *value, int n, const double *level, int levels)
{
    pyr_text_add(p->out, "<path fill=\"none\" stroke=\"currentColor\" stroke-opacity=\"0.45\" "
                         "stroke-width=\"0.7\" d=\"M0 0");
    for (int row = 0; row + 1 < n; row++)
        for (int column = 0; column + 1 < n; column++) {
            corner a = corner_at(p, value, n, row, column), b = corner_at(p, value, n, row, column + 1);
            corner c = corner_at(p, value, n, row + 1, column),
                   d = corner_at(p, value, n, row + 1, column + 1);

            for (int i = 0; i < levels; i++) {
                draw_triangle(p, &a, &b, &c, level[i]);
                draw_triangle(p, &d, &b, &c, level[i]);
            }
        }
    pyr_text_add(p->out, "\"/>\n");
}

/* ---- points, arrows, paths --------------------------------------------------------------------- */

/* A dot is a line of no length with round ends: a third of a circle's letters. */
void pyr_plane_points(const pyr_plane *p, const double *x, int n, int colour, double radius)
{
    double px, py;

    begin_stroke(p, colour, 2 * radius, " stroke-linecap=\"round\" stroke-opacity=\"0.7\"");
    pyr_text_add(p->out, "M-9 -9");
    for (int i = 0; i < n; i++)
        if (place(p, x + 2 * i, &px, &py))
            pyr_text_add(p->out, "M%.1f %.1fh0", px, py);
    pyr_text_add(p->out, "\"/>\n");
}

void pyr_plane_arrows(const pyr_plane *p, const double *from, const double *vector, int n, int colour)
{
    begin_stroke(p, colour, 1.1, "");
    pyr_text_add(p->out, "M-9 -9");
    for (int i = 0; i < n; i++) {
        double to[2] = {from[2 * i] + vector[2 * i], from[2 * i + 1] + vector[2 * i + 1]};
        double x, y, tx, ty, dx, dy, head;

        if (!place(p, from + 2 * i, &x, &y) || !place(p, to, &tx, &ty))
            continue;
        dx = tx - x;
        dy = ty - y;
        head = hypot(dx, dy) > 0 ? fmin(0.4, 3.2 / hypot(dx, dy)) : 0;
        pyr_text_add(p->out, "M%.1f %.1fL%.1f %.1fM%.1f %.1fL%.1f %.1fL%.1f %.1f", x, y, tx, ty,
                     tx - head * (dx + 0.6 * dy), ty - head * (dy - 0.6 * dx), tx, ty,
                     tx - head * (dx - 0.6 * dy), ty - head * (dy + 0.6 * dx));
    }
    pyr_text_add(p->out, "\"/>\n");
}

void pyr_plane_path(const pyr_plane *p, const double *x, int n, int colour, double width)
{
    bool pen_down = false;
    double px, py;

    begin_stroke(p, colour, width, " stroke-opacity=\"0.75\" stroke-linejoin=\"round\"");
    pyr_text_add(p->out, "M-9 -9");
    for (int i = 0; i < n; i++) {
        bool there = place(p, x + 2 * i, &px, &py);

        if (there)
            pyr_text_add(p->out, "%c%.1f %.1f", pen_down ? 'L' : 'M', px, py);
        pen_down = there;
    }
    pyr_text_add(p->out, "\"/>\n");
}

/* ---- the sheet --------------------------------------------------------------------------------- */

void pyr_plane_words(pyr_text *out, double x, double y, int colour, const char *words)
{
    if (colour >= 0) {
        int k = colour % PYR_PLOT_COLOURS;

        pyr_text_add(out,
                     "<rect class=\"f%d\" x=\"%.1f\" y=\"%.1f\" width=\"9\" height=\"9\" fill=\"%s\"/>\n", k,
                     x, y - 8, pyr_svg_colours[k]);
        x += 14;
    }
    pyr_svg_words(out, x, y, "start", "", words);
}

void pyr_sheet(pyr_text *out, const char *drawn, double width, double height, const char *title, bool alone)
{
    pyr_svg_begin(out, width, height, title, alone);
    pyr_text_add_bytes(out, drawn, strlen(drawn));
    pyr_svg_end(out);
}
