/* svg.c - line plots as SVG. */
#include "plots/svg.h"

#include "base/shown.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    TOP = 10,
    RIGHT = 14,
    AREA = 200, /* height of the plot's own area */
    BELOW = 42, /* ticks and label of the x axis */
    LEGEND_ROW = 19,
    MOST_TICKS = 7,
    MOST_POINTS = 800,
    MOST_MARKERS = 12
};
/* Values beyond are missing: differences of two of them must not overflow. */
static const double largest = 1e300;

const char *const pyr_svg_colours[PYR_PLOT_COLOURS] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                       "#a67c00", "#56b4e9", "#555555"};
static const char *const dashes[PYR_PLOT_DASHES] = {"", "7 3", "2 3", "9 3 2 3", "14 4", "5 2 1 2 1 2"};

/* Orange is darkened on white, and all are lightened on dark: 3 to 1 of contrast at least. */
const char pyr_svg_style[] =
    ".pyr-plot{width:100%;height:auto;color:inherit}\n"
    ".pyr-halo{stroke:var(--bg,#fff);stroke-width:3px;stroke-linejoin:round;paint-order:stroke}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".k0{stroke:#58b0e8}.f0{fill:#58b0e8}.k1{stroke:#f08a4b}.f1{fill:#f08a4b}\n"
    ".k2{stroke:#3cc79b}.f2{fill:#3cc79b}.k3{stroke:#e39cc3}.f3{fill:#e39cc3}\n"
    ".k4{stroke:#e6b422}.f4{fill:#e6b422}.k5{stroke:#9ad4f5}.f5{fill:#9ad4f5}\n"
    ".k6{stroke:#bbbbbb}.f6{fill:#bbbbbb}\n"
    "}\n"
    "@media print{\n"
    ".k0{stroke:#0072b2}.f0{fill:#0072b2}.k1{stroke:#d55e00}.f1{fill:#d55e00}\n"
    ".k2{stroke:#009e73}.f2{fill:#009e73}.k3{stroke:#cc79a7}.f3{fill:#cc79a7}\n"
    ".k4{stroke:#a67c00}.f4{fill:#a67c00}.k5{stroke:#56b4e9}.f5{fill:#56b4e9}\n"
    ".k6{stroke:#555555}.f6{fill:#555555}\n"
    "}\n";

/* ---- text -------------------------------------------------------------------------------------- */

void pyr_escape(pyr_text *out, const char *text)
{
    const char *at = text;
    char byte[5];

    while (*at) {
        size_t n = *at == '\n' || *at == '\t' ? 1 : pyr_shown_length(at);
        const char *instead = *at == '&'    ? "&amp;"
                              : *at == '<'  ? "&lt;"
                              : *at == '>'  ? "&gt;"
                              : *at == '"'  ? "&quot;"
                              : *at == '\'' ? "&#39;"
                              : n           ? NULL
                                            : byte;

        if (!n)
            pyr_shown_byte(byte, *at);
        if (instead)
            pyr_text_add_bytes(out, instead, strlen(instead));
        else
            pyr_text_add_bytes(out, at, n);
        at += n ? n : 1;
    }
}

void pyr_svg_begin(pyr_text *out, double width, double height, const char *title, bool alone)
{
    pyr_text_add(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pyr-plot\" role=\"img\" ");
    if (alone)
        pyr_text_add(out, "width=\"%.0f\" height=\"%.0f\" style=\"background:#fff;color:#1b1d1f\" ", width,
                     height);
    pyr_text_add(out, "viewBox=\"0 0 %.0f %.0f\">\n<title>", width, height);
    pyr_escape(out, title);
    pyr_text_add(out, "</title>\n<g font-family=\"system-ui, sans-serif\" font-size=\"11\" "
                      "fill=\"currentColor\">\n");
}

void pyr_svg_end(pyr_text *out)
{
    pyr_text_add(out, "</g>\n</svg>\n");
}

void pyr_svg_words(pyr_text *out, double x, double y, const char *anchor, const char *more, const char *words)
{
    pyr_text_add(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>", x, y, anchor, more);
    pyr_escape(out, words);
    pyr_text_add(out, "</text>\n");
}

/* Width of a text of 11 units' height, roughly: no font is at hand here. */
static double width_of(const char *text)
{
    size_t characters = 0;

    for (; *text; text++)
        characters += (*text & 0xc0) != 0x80;
    return 6.1 * (double)characters;
}

void pyr_tick_text(char *out, size_t size, double value)
{
    static const struct {
        double unit;
        const char *suffix;
    } units[] = {{1e15, NULL}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1e-3, ""}};
    double magnitude = fabs(value);

    if (value == 0) {
        snprintf(out, size, "0");
        return;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (magnitude >= units[i].unit * (1 - 1e-9) && units[i].suffix) {
            snprintf(out, size, "%.4g%s", value / (*units[i].suffix ? units[i].unit : 1), units[i].suffix);
            return;
        } else if (magnitude >= units[i].unit)
            break;
    snprintf(out, size, "%.3g", value);
}

/* ---- axes -------------------------------------------------------------------------------------- */

/* Multiples of a step within low .. high. */
static size_t linear_ticks(double *out, size_t most, double low, double high)
{
    static const double steps[] = {1, 2, 5};
    double unit = pow(10, floor(log10((high - low) / (double)most)));
    size_t n = 0;

    for (int i = 0; i < 12; i++) {
        double step = steps[i % 3] * unit, first, last;

        if (i % 3 == 2)
            unit *= 10;
        first = ceil(low / step - 1e-9);
        last = floor(high / step + 1e-9);
        if (!(last - first < (double)most))
            continue;
        for (double at = first; at <= last && n < most; at++) {
            /* through text: 3 * 0.1 is 0.3 there */
            char text[32];

            snprintf(text, sizeof text, "%.12g", at * step);
            sscanf(text, "%lf", &out[n++]);
        }
        return n;
    }
    return n;
}

/* 1, 2 and 5 times powers of ten; more than `most` when they do not fit. */
static size_t decade_ticks(double *out, size_t most, double low, double high)
{
    size_t n = 0;

    for (double at = floor(log10(low)); at <= log10(high) && n <= most; at++)
        for (int i = 0; i < 3; i++) {
            double value = pow(10, at) * (i == 0 ? 1 : i == 1 ? 2 : 5);

            if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9))
                continue;
            if (n < most)
                out[n] = value;
            n++;
        }
    return n;
}

size_t pyr_ticks(double *out, size_t most, double low, double high, bool log)
{
    double first, last, each;
    size_t n;

    if (!log)
        return linear_ticks(out, most, low, high);
    n = decade_ticks(out, most, low, high);
    if (n >= 3 && n <= most)
        return n;
    first = ceil(log10(low) - 1e-9);
    last = floor(log10(high) + 1e-9);
    if (last - first < 1)
        return linear_ticks(out, most, low, high);
    each = ceil((last - first + 1) / (double)most);
    n = 0;
    for (double at = first; at <= last && n < most; at += each)
        out[n++] = pow(10, at);
    return n;
}

typedef struct range {
    double low, high;
    bool log, any;
} range;

static bool usable(double value)
{
    return isfinite(value) && fabs(value) <= largest;
}

static void widen(range *r, double value)
{
    if (!usable(value) || (r->log && value < DBL_MIN))
        return;
    r->low = r->any ? fmin(r->low, value) : value;
    r->high = r->any ? fmax(r->high, value) : value;
    r->any = true;
}

static range range_of(const pyr_plot *plot, bool is_y, bool log)
{
    range r = {.log = log};

    for (size_t i = 0; i < plot->n_series; i++) {
        const pyr_series *s = &plot->series[i];

        for (size_t j = 0; j < s->n; j++) {
            if (!usable(s->x[j]) || !usable(s->y[j]))
                continue;
            widen(&r, is_y ? s->y[j] : s->x[j]);
            if (is_y && s->spread && usable(s->spread[j])) {
                widen(&r, s->y[j] - s->spread[j]);
                widen(&r, s->y[j] + s->spread[j]);
            }
        }
    }
    for (size_t i = 0; is_y && i < plot->n_rules; i++)
        widen(&r, plot->rules[i].y);
    return r;
}

static range choose_range(const pyr_plot *plot, bool is_y)
{
    pyr_scale scale = is_y ? plot->y.scale : plot->x.scale;
    range r = range_of(plot, is_y, scale == PYR_SCALE_LOG);
    double room;

    if (scale == PYR_SCALE_AUTO && r.any && r.low >= DBL_MIN && r.high >= 20 * r.low)
        r.log = true;
    if (!r.any) {
        r.low = r.log ? 1 : 0;
        r.high = r.log ? 10 : 1;
    } else if (r.log) {
        room = r.high > r.low ? pow(r.high / r.low, 0.04) : 2;
        r.low = fmax(r.low / room, DBL_MIN);
        r.high *= room;
    } else {
        bool from_zero = r.low >= 0 && r.low <= 0.25 * r.high && r.high > 0;

        room = r.high - r.low;
        if (!(room > 1e-9 * fmax(fabs(r.low), fabs(r.high))))
            room = r.high != 0 ? fabs(r.high) : 1;
        r.low = from_zero ? 0 : r.low - 0.04 * room;
        r.high += 0.04 * room;
    }
    return r;
}

/* Where a value lies between the ends, 0 to 1; false: it is missing. */
static bool place(double *at, const range *r, double value)
{
    if (!usable(value) || (r->log && value < DBL_MIN))
        return false;
    *at = r->log ? log(value / r->low) / log(r->high / r->low) : (value - r->low) / (r->high - r->low);
    *at = fmin(fmax(*at, 0), 1);
    return true;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

typedef struct drawing {
    pyr_text *out;
    const pyr_plot *plot;
    range x, y;
    double left; /* of the area */
} drawing;

static double area_width(const drawing *d)
{
    return PYR_PLOT_WIDTH - RIGHT - d->left;
}

static bool place_x(const drawing *d, double *px, double x)
{
    if (!place(px, &d->x, x))
        return false;
    *px = d->left + *px * area_width(d);
    return true;
}

static bool place_y(const drawing *d, double *py, double y)
{
    if (!place(py, &d->y, y))
        return false;
    *py = TOP + AREA * (1 - *py);
    return true;
}

static bool place_point(const drawing *d, const pyr_series *s, size_t i, double *px, double *py)
{
    return place_x(d, px, s->x[i]) && place_y(d, py, s->y[i]);
}

static void draw_axes(drawing *d)
{
    double ticks[2][MOST_TICKS];
    char words[2][MOST_TICKS][32];
    size_t n[2];
    double widest = 0, at = 0;

    for (int is_y = 0; is_y < 2; is_y++) {
        const range *r = is_y ? &d->y : &d->x;

        n[is_y] = pyr_ticks(ticks[is_y], MOST_TICKS, r->low, r->high, r->log);
        for (size_t i = 0; i < n[is_y]; i++) {
            pyr_tick_text(words[is_y][i], sizeof words[is_y][i], ticks[is_y][i]);
            if (is_y)
                widest = fmax(widest, width_of(words[1][i]));
        }
    }
    d->left = 28 + widest;
    pyr_text_add(d->out, "<g stroke=\"currentColor\" stroke-width=\"1\" stroke-opacity=\"0.18\">\n");
    for (size_t i = 0; i < n[0]; i++)
        if (place_x(d, &at, ticks[0][i]))
            pyr_text_add(d->out, "<path d=\"M%.1f %dV%d\"/>\n", at, TOP, TOP + AREA);
    for (size_t i = 0; i < n[1]; i++)
        if (place_y(d, &at, ticks[1][i]))
            pyr_text_add(d->out, "<path d=\"M%.1f %.1fH%d\"/>\n", d->left, at, PYR_PLOT_WIDTH - RIGHT);
    pyr_text_add(d->out, "</g>\n<path d=\"M%.1f %dV%dH%d\" fill=\"none\" stroke=\"currentColor\"/>\n",
                 d->left, TOP, TOP + AREA, PYR_PLOT_WIDTH - RIGHT);
    for (size_t i = 0; i < n[0]; i++)
        if (place_x(d, &at, ticks[0][i]))
            pyr_svg_words(d->out, at, TOP + AREA + 15, "middle", "", words[0][i]);
    for (size_t i = 0; i < n[1]; i++)
        if (place_y(d, &at, ticks[1][i]))
            pyr_svg_words(d->out, d->left - 5, at + 4, "end", "", words[1][i]);
    pyr_svg_words(d->out, d->left + area_width(d) / 2, TOP + AREA + 33, "middle", "", d->plot->x.label);
    pyr_text_add(d->out, "<text transform=\"translate(12 %.1f) rotate(-90)\" text-anchor=\"middle\">",
                 TOP + AREA / 2.0);
    pyr_escape(d->out, d->plot->y.label);
    pyr_text_add(d->out, "</text>\n");
}

static void draw_rules(const drawing *d)
{
    for (size_t i = 0; i < d->plot->n_rules; i++) {
        double y;

        if (place_y(d, &y, d->plot->rules[i].y))
            pyr_text_add(d->out,
                         "<path d=\"M%.1f %.1fH%d\" stroke=\"currentColor\" stroke-opacity=\"0.6\" "
                         "stroke-dasharray=\"4 3\" fill=\"none\"/>\n",
                         d->left, y, PYR_PLOT_WIDTH - RIGHT);
    }
}

/* On top of the lines. Labels that are near each other stand side by side. */
static void draw_rule_labels(const drawing *d)
{
    pyr_text_add(d->out, "<g class=\"pyr-halo\">\n");
    for (size_t i = 0; i < d->plot->n_rules; i++) {
        double y;

        if (place_y(d, &y, d->plot->rules[i].y))
            pyr_svg_words(d->out, PYR_PLOT_WIDTH - RIGHT - 3 - (double)(i % 3) * 0.31 * area_width(d),
                          y > TOP + 14 ? y - 3 : y + 12, "end", "", d->plot->rules[i].label);
    }
    pyr_text_add(d->out, "</g>\n");
}

static void draw_marker(const drawing *d, int marker, int colour, double x, double y)
{
    /* each drawn from a point of its own, left and up of the middle; `of`: f is filled with its colour, k
     * drawn in it */
    static const struct {
        const char *tag, *before_x, *before_y, *before_colour, *behind;
        double left, up;
        char of;
    } markers[PYR_PLOT_MARKERS] = {
        {"circle", "cx=\"", "\" cy=\"", "\" r=\"3.2\" fill=\"", "", 0, 0, 'f'},
        {"rect", "x=\"", "\" y=\"", "\" width=\"6\" height=\"6\" fill=\"", "", 3, 3, 'f'},
        {"path", "d=\"M", " ", "l3.9 6.8h-7.8z\" fill=\"", "", 0, 4.4, 'f'},
        {"path", "d=\"M", " ", "l4.4 4.4l-4.4 4.4l-4.4 -4.4z\" fill=\"", "", 0, 4.4, 'f'},
        {"path", "d=\"M", " ", "l6 6m0 -6l-6 6\" fill=\"none\" stroke=\"", " stroke-width=\"1.8\"", 3, 3,
         'k'},
    };
    const int k = colour % PYR_PLOT_COLOURS, m = marker % PYR_PLOT_MARKERS;

    pyr_text_add(d->out, "<%s class=\"%c%d\" %s%.1f%s%.1f%s%s\"%s/>\n", markers[m].tag, markers[m].of, k,
                 markers[m].before_x, x - markers[m].left, markers[m].before_y, y - markers[m].up,
                 markers[m].before_colour, pyr_svg_colours[k], markers[m].behind);
}

static void begin_line(const drawing *d, const pyr_series *s)
{
    int k = s->colour % PYR_PLOT_COLOURS;
    const char *dash = dashes[s->dash % PYR_PLOT_DASHES];

    pyr_text_add(d->out, "<path class=\"k%d\" fill=\"none\" stroke=\"%s\" stroke-width=\"%s\"%s%s%s d=\"", k,
                 pyr_svg_colours[k], s->thin ? "1.1" : "1.9", *dash ? " stroke-dasharray=\"" : "", dash,
                 *dash ? "\"" : "");
}

/* One stretch of a long series: its lowest and highest points, in their order. */
static size_t extremes(size_t out[2], const pyr_series *s, size_t from, size_t to)
{
    size_t low = to, high = to;

    for (size_t i = from; i < to; i++) {
        if (!usable(s->y[i]) || !usable(s->x[i]))
            continue;
        if (low == to || s->y[i] < s->y[low])
            low = i;
        if (high == to || s->y[i] > s->y[high])
            high = i;
    }
    if (low == to) {
        out[0] = from;
        return 1;
    }
    out[0] = low < high ? low : high;
    out[1] = low < high ? high : low;
    return low == high ? 1 : 2;
}

static void draw_line(const drawing *d, const pyr_series *s)
{
    size_t stretches = s->n <= MOST_POINTS ? s->n : MOST_POINTS / 2;
    bool pen_down = false, drawn = false;

    begin_line(d, s);
    for (size_t i = 0; i < stretches; i++) {
        size_t at[2], n = extremes(at, s, i * s->n / stretches, (i + 1) * s->n / stretches);

        for (size_t j = 0; j < n; j++) {
            double x, y;

            if (!place_point(d, s, at[j], &x, &y)) {
                pen_down = false;
                continue;
            }
            pyr_text_add(d->out, "%c%.1f %.1f", pen_down ? 'L' : 'M', x, y);
            pen_down = drawn = true;
        }
    }
    pyr_text_add(d->out, "%s\"/>\n", drawn ? "" : "M0 0");
}

static void draw_spread(const drawing *d, const pyr_series *s)
{
    int k = s->colour % PYR_PLOT_COLOURS;

    for (size_t i = 0; i < s->n; i++) {
        double x, y, low = TOP + AREA, high;

        if (!place_point(d, s, i, &x, &y) || !usable(s->spread[i]) || !(s->spread[i] > 0) ||
            !place_y(d, &high, s->y[i] + s->spread[i]))
            continue;
        place_y(d, &low, s->y[i] - s->spread[i]); /* below zero on a logarithmic axis: down to its end */
        pyr_text_add(d->out, "<path class=\"k%d\" d=\"M%.1f %.1fV%.1fm-3 0h6M%.1f %.1fh6\" stroke=\"%s\"/>\n",
                     k, x, low, high, x - 3, low, pyr_svg_colours[k]);
    }
}

/* All points have their marker where they are few; else some, spread over the line, and the last. */
static void draw_markers(const drawing *d, const pyr_series *s)
{
    size_t each = s->dash < 0 || s->n <= 2 * MOST_MARKERS ? 1 : s->n / MOST_MARKERS;

    for (size_t i = 0; i < s->n; i++) {
        double x, y;

        if ((s->n - 1 - i) % each == 0 && place_point(d, s, i, &x, &y))
            draw_marker(d, s->marker, s->colour, x, y);
    }
}

/* Rows of the legend; draws unless `measure`. */
static int legend(const drawing *d, bool measure)
{
    double x = 8, y = TOP + AREA + BELOW + 12;
    int rows = 0;

    for (size_t i = 0; i < d->plot->n_series; i++) {
        const pyr_series *s = &d->plot->series[i];
        double width;

        if (!s->name)
            continue;
        width = 44 + width_of(s->name);
        if (!rows)
            rows = 1;
        else if (x + width > PYR_PLOT_WIDTH - 4) {
            rows++;
            x = 8;
            y += LEGEND_ROW;
        }
        if (!measure) {
            if (s->dash >= 0) {
                begin_line(d, s);
                pyr_text_add(d->out, "M%.1f %.1fh26\"/>\n", x, y - 4);
            }
            if (s->marker >= 0)
                draw_marker(d, s->marker, s->colour, x + 13, y - 4);
            pyr_svg_words(d->out, x + 31, y, "start", "", s->name);
        }
        x += width + 6;
    }
    return rows;
}

void pyr_svg_plot(pyr_text *out, const pyr_plot *plot)
{
    drawing d = {.out = out, .plot = plot, .x = choose_range(plot, false), .y = choose_range(plot, true)};
    int height = TOP + AREA + BELOW + LEGEND_ROW * legend(&d, true) + 2;

    pyr_svg_begin(out, PYR_PLOT_WIDTH, height, plot->title, false);
    draw_axes(&d);
    draw_rules(&d);
    if (!d.x.any || !d.y.any)
        pyr_svg_words(out, d.left + area_width(&d) / 2, TOP + AREA / 2.0, "middle", "", "no data");
    for (size_t i = 0; i < plot->n_series && d.x.any && d.y.any; i++) {
        const pyr_series *s = &plot->series[i];

        if (s->dash >= 0)
            draw_line(&d, s);
        if (s->spread)
            draw_spread(&d, s);
        if (s->marker >= 0)
            draw_markers(&d, s);
    }
    draw_rule_labels(&d);
    legend(&d, false);
    pyr_svg_end(out);
}
