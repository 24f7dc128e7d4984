/* report_compare.c - what a report says of comparisons: the table and the curves. */
#include "report/report_internal.h"

#include "base/mem.h"
#include "report/page.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Mean and spread (standard deviation of the runs, n - 1) of a number over n runs. */
typedef struct summary {
    int n;
    double mean, spread; /* spread 0 for a single run */
} summary;

static void add_value(summary *s, double value)
{
    double delta = value - s->mean;

    if (!isfinite(value))
        return;
    s->mean += delta / ++s->n;
    s->spread += delta * (value - s->mean); /* sum of squares until `conclude` (Welford 1962) */
}

/* Numbers so large that their sums are beyond a double say nothing: as if there were none. */
static void conclude(summary *s)
{
    s->spread = s->n > 1 ? sqrt(s->spread / (s->n - 1)) : 0;
    if (!isfinite(s->mean) || !isfinite(s->spread))
        *s = (summary){0};
}

/* The variants in the order of the file: one row of each. */
typedef struct variants {
    size_t n;
    const pyr_compare_row **first;
} variants;

static double fraction_of(const pyr_compare_row *row)
{
    return fmin(row->fraction, 1);
}

static pyr_status find_variants(variants *out, const pyr_compare *c)
{
    PYR_TRY(pyr_new(&out->first, c->n, sizeof *out->first, "variants"));
    for (size_t i = 0; i < c->n; i++) {
        size_t j = 0;

        while (j < out->n && strcmp(out->first[j]->name, c->rows[i].name) != 0)
            j++;
        if (j == out->n)
            out->first[out->n++] = &c->rows[i];
    }
    return PYR_OK;
}

/* Element `at` of a figure over the runs of a variant with this fraction of the budget. */
static summary summarise(const pyr_compare *c, const char *name, double fraction, int figure, int at)
{
    summary s = {0};

    for (size_t i = 0; i < c->n; i++) {
        const pyr_compare_row *row = &c->rows[i];

        if (fraction_of(row) == fraction && strcmp(row->name, name) == 0 && at < row->figure[figure].n)
            add_value(&s, row->figure[figure].at[at]);
    }
    conclude(&s);
    return s;
}

static int longest(const pyr_compare *c, int figure)
{
    int n = 0;

    for (size_t i = 0; i < c->n; i++)
        if (fraction_of(&c->rows[i]) == 1 && c->rows[i].figure[figure].n > n)
            n = c->rows[i].figure[figure].n;
    return n;
}

/* ---- the table --------------------------------------------------------------------------------- */

/* "5.99 ± 0.40": the spread with two digits, and the mean as far as those go. */
static void write_summary(pyr_text *out, const summary *s, bool counted)
{
    int decimals = s->spread > 0 ? 1 - (int)floor(log10(s->spread)) : 0;
    char mean[40], spread[40];

    if (counted) {
        pyr_tick_text(mean, sizeof mean, s->mean);
        pyr_tick_text(spread, sizeof spread, s->spread);
    } else if (s->spread > 0 && decimals >= 0 && decimals <= 6) {
        snprintf(mean, sizeof mean, "%.*f", decimals, s->mean);
        snprintf(spread, sizeof spread, "%.*f", decimals, s->spread);
    } else {
        snprintf(mean, sizeof mean, "%.4g", s->mean);
        snprintf(spread, sizeof spread, "%.2g", s->spread);
    }
    pyr_text_add(out, "%s%s%s", mean, s->spread > 0 ? " ± " : "", s->spread > 0 ? spread : "");
}

static void write_cell(pyr_text *out, const pyr_compare *c, const char *name, int figure, bool best)
{
    int n = 0;

    pyr_text_add(out, best ? "<td><strong>" : "<td>");
    for (int i = 0; i < PYR_MAX_LEVELS; i++) {
        summary s = summarise(c, name, 1, figure, i);

        if (!s.n)
            continue;
        pyr_text_add(out, n++ ? "<br>" : "");
        write_summary(out, &s, pyr_figure_at(figure)->counted);
    }
    pyr_text_add(out, "%s%s</td>", n ? "" : "–", best ? "</strong>" : "");
}

/* Which variant has the best mean of a figure that is one number; v->n: a tie, or none. */
static size_t best_variant(const pyr_compare *c, const variants *v, int figure)
{
    size_t best = v->n;
    double most = 0;
    bool tie = false;

    if (!pyr_figure_at(figure)->better || longest(c, figure) != 1)
        return v->n;
    for (size_t j = 0; j < v->n; j++) {
        summary s = summarise(c, v->first[j]->name, 1, figure, 0);
        double good = s.mean * pyr_figure_at(figure)->better;

        if (!s.n)
            continue;
        tie = best < v->n && good == most ? true : tie && !(good > most);
        if (best == v->n || good > most) {
            best = j;
            most = good;
        }
    }
    return tie ? v->n : best;
}

static void add_table(pyr_text *out, const pyr_compare *c, const variants *v)
{
    pyr_text_add(out, "<div class=\"box\"><table>\n<tr><th>Figure</th>");
    for (size_t j = 0; j < v->n; j++) {
        int runs = 0;

        for (size_t i = 0; i < c->n; i++)
            runs += fraction_of(&c->rows[i]) == 1 && strcmp(c->rows[i].name, v->first[j]->name) == 0;
        pyr_text_add(out, "<th>");
        pyr_page_text(out, "%s", v->first[j]->name);
        pyr_text_add(out, " (%d run%s)</th>", runs, runs == 1 ? "" : "s");
    }
    pyr_text_add(out, "</tr>\n");
    for (int figure = 0; figure < PYR_FIGURES; figure++) {
        size_t best = best_variant(c, v, figure);

        if (!pyr_figure_at(figure)->heading || !longest(c, figure))
            continue;
        pyr_text_add(out, "<tr><th>%s%s</th>", pyr_figure_at(figure)->heading,
                     pyr_figure_at(figure)->better > 0   ? " ↑"
                     : pyr_figure_at(figure)->better < 0 ? " ↓"
                                                         : "");
        for (size_t j = 0; j < v->n; j++)
            write_cell(out, c, v->first[j]->name, figure, j == best);
        pyr_text_add(out, "</tr>\n");
    }
    pyr_text_add(out, "</table></div>\n");
}

/* ---- curves ------------------------------------------------------------------------------------ */

typedef struct point {
    double x, y, spread;
} point;

static int compare_points(const void *a, const void *b)
{
    double x = ((const point *)a)->x, y = ((const point *)b)->x;

    return (x > y) - (x < y);
}

/* Points of a variant, one for each fraction of the budget, by rising x; how many. */
static size_t points_of(point *points, const pyr_compare *c, const char *name, int cost)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++) {
        const pyr_compare_row *row = &c->rows[i];
        double fraction = fraction_of(row);
        bool seen = false;
        summary x, y;

        for (size_t j = 0; j < i; j++)
            seen = seen || (strcmp(c->rows[j].name, name) == 0 && fraction_of(&c->rows[j]) == fraction);
        if (seen || strcmp(row->name, name) != 0)
            continue;
        x = summarise(c, name, fraction, cost, 0);
        y = summarise(c, name, fraction, PYR_FIGURE_FRECHET, 0);
        if (x.n && y.n)
            points[n++] = (point){x.mean, y.mean, y.spread};
    }
    qsort(points, n, sizeof *points, compare_points);
    return n;
}

static pyr_status add_curve(pyr_text *out, const pyr_compare *c, const variants *v, int cost,
                            const char *title, const char *axis)
{
    point *points = NULL;
    double *numbers = NULL;
    pyr_series *series = NULL;
    size_t used = 0;
    pyr_status status;

    PYR_TRY_OUT(pyr_new(&points, c->n, sizeof *points, "a curve"));
    PYR_TRY_OUT(pyr_new(&numbers, 3 * c->n, sizeof *numbers, "a curve"));
    PYR_TRY_OUT(pyr_new(&series, v->n, sizeof *series, "a curve"));
    for (size_t j = 0; j < v->n; j++) {
        size_t n = points_of(points, c, v->first[j]->name, cost);
        double *x = numbers + 3 * used, *y = x + n, *spread = y + n;

        for (size_t i = 0; i < n; i++) {
            x[i] = points[i].x;
            y[i] = points[i].y;
            spread[i] = points[i].spread;
        }
        used += n;
        series[j] = (pyr_series){.name = v->first[j]->name,
                                 .n = n,
                                 .x = x,
                                 .y = y,
                                 .spread = spread,
                                 .colour = (int)j,
                                 .dash = (int)j,
                                 .marker = (int)j};
    }
    pyr_page_plot(out, &(pyr_plot){.title = title,
                                   .x = {axis, PYR_SCALE_AUTO},
                                   .y = {"Fréchet distance", PYR_SCALE_AUTO},
                                   .series = series,
                                   .n_series = v->n});
out:
    pyr_free(points);
    pyr_free(numbers);
    pyr_free(series);
    return status;
}

static void add_fact(pyr_text *out, const char *what, const char *value)
{
    if (value)
        pyr_page_element(out, "li", "%s: %s", what, value);
}

static pyr_status add_comparison(pyr_text *out, const struct pyr_report_compare *compare)
{
    const pyr_compare *c = &compare->figures;
    variants v = {0};
    pyr_status status = PYR_OK;

    pyr_page_element(out, "h2", "Comparison %s", compare->folder);
    pyr_text_add(out, "<ul>\n");
    add_fact(out, "Data", c->data);
    add_fact(out, "Budget", c->budget);
    add_fact(out, "Configuration", c->config);
    add_fact(out, "Command", c->command);
    add_fact(out, "Judged", c->judged);
    pyr_text_add(out, "</ul>\n");
    if (!c->n) {
        pyr_text_add(out, "<p>No variant is finished yet.</p>\n");
        return PYR_OK;
    }
    PYR_TRY_OUT(find_variants(&v, c));
    pyr_text_add(
        out,
        "<p>Mean ± standard deviation over the training seeds; without ±: one run, or all the same. ↓: less is better, ↑: more is; the best mean is bold.</p>\n");
    add_table(out, c, &v);
    pyr_text_add(out, "<div class=\"plots\">\n");
    PYR_TRY_OUT(
        add_curve(out, c, &v, PYR_FIGURE_TRAIN_S, "Fréchet distance against training time", "seconds"));
    PYR_TRY_OUT(
        add_curve(out, c, &v, PYR_FIGURE_TRAIN_FLOP, "Fréchet distance against training FLOP", "FLOP"));
    pyr_text_add(out, "</div>\n");
out:
    pyr_free(v.first);
    return status;
}

pyr_status pyr_report_comparisons(pyr_text *out, const pyr_report *report)
{
    for (size_t i = 0; i < report->n_compares; i++)
        PYR_TRY(add_comparison(out, &report->compares[i]));
    return PYR_OK;
}
