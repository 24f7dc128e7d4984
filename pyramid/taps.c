/* taps.c - sparse matrices along an axis: made, inverted, transposed. */
#include "pyramid/taps.h"

#include "base/mem.h"
#include "base/mirror.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

void pyr_taps_free(pyr_taps *taps)
{
    pyr_free(taps->start);
    pyr_free(taps->tap);
    *taps = (pyr_taps){0};
}

pyr_status pyr_taps_new(pyr_taps *out, int n_in, int n_out, int width)
{
    pyr_status status;

    *out = (pyr_taps){.n_in = n_in, .n_out = n_out, .width = width < n_in ? width : n_in};
    PYR_TRY_OUT(pyr_new(&out->start, (size_t)n_out, sizeof *out->start, "a pyramid filter"));
    PYR_TRY_OUT(pyr_new(&out->tap, (size_t)n_out * (size_t)out->width, sizeof *out->tap, "a pyramid filter"));
    return PYR_OK;
out:
    pyr_taps_free(out);
    return status;
}

void pyr_taps_put(pyr_taps *t, int o, int first, int count, const double *weight)
{
    int start = first;

    start = start > t->n_in - t->width ? t->n_in - t->width : start;
    start = start < 0 ? 0 : start;
    t->start[o] = start;
    for (int i = 0; i < count; i++) {
        int at = pyr_mirrored(first + i, t->n_in) - start;

        assert(at >= 0 && at < t->width);
        t->tap[(size_t)o * (size_t)t->width + (size_t)at] += weight[i];
    }
}

/* ---- the pseudo-inverse ---------------------------------------------------------------------------- */

/* g = d d^T as a band: g[i * (band + 1) + (i - j)] for i - band <= j <= i, and then its Cholesky factors in
 * place: D on the diagonal, L (with ones there) below. No square roots, so box stays exact. false:
 * singular. */
static bool factor(double *g, int band, const pyr_taps *d)
{
    size_t row = (size_t)band + 1;
    double top = 0;

    for (int i = 0; i < d->n_out; i++)
        for (int j = i > band ? i - band : 0; j <= i; j++) {
            int from = d->start[i] > d->start[j] ? d->start[i] : d->start[j];
            int to = (d->start[i] < d->start[j] ? d->start[i] : d->start[j]) + d->width;
            double sum = 0;

            for (int x = from; x < to; x++)
                sum += d->tap[(size_t)i * (size_t)d->width + (size_t)(x - d->start[i])] *
                       d->tap[(size_t)j * (size_t)d->width + (size_t)(x - d->start[j])];
            g[(size_t)i * row + (size_t)(i - j)] = sum;
            top = i == j && sum > top ? sum : top;
        }
    for (int i = 0; i < d->n_out; i++)
        for (int j = i > band ? i - band : 0; j <= i; j++) {
            double sum = g[(size_t)i * row + (size_t)(i - j)];

            for (int l = i > band ? i - band : 0; l < j; l++)
                sum -= g[(size_t)i * row + (size_t)(i - l)] * g[(size_t)j * row + (size_t)(j - l)] *
                       g[(size_t)l * row];
            if (i == j && sum <= 1e-12 * top)
                return false;
            g[(size_t)i * row + (size_t)(i - j)] = i == j ? sum : sum / g[(size_t)j * row];
        }
    return true;
}

/* y = (d d^T)^-1 (column x of d): row x of the pseudo-inverse. */
static void solve(double *y, const double *g, int band, const pyr_taps *d, int x)
{
    size_t row = (size_t)band + 1;
    int m = d->n_out;

    for (int i = 0; i < m; i++) {
        int at = x - d->start[i];
        double sum = at >= 0 && at < d->width ? d->tap[(size_t)i * (size_t)d->width + (size_t)at] : 0;

        for (int j = i > band ? i - band : 0; j < i; j++)
            sum -= g[(size_t)i * row + (size_t)(i - j)] * y[j];
        y[i] = sum;
    }
    for (int i = m - 1; i >= 0; i--) {
        double sum = y[i] / g[(size_t)i * row];

        for (int j = i + 1; j < m && j - i <= band; j++)
            sum -= g[(size_t)j * row + (size_t)(j - i)] * y[j];
        y[i] = sum;
    }
}

/* First and last entry of y that is not small. */
static void extent(int *first, int *last, const double *y, int m, double small)
{
    *first = 0;
    *last = m - 1;
    while (*first < m - 1 && fabs(y[*first]) <= small)
        ++*first;
    while (*last > *first && fabs(y[*last]) <= small)
        --*last;
}

pyr_status pyr_taps_invert(pyr_taps *out, double *gain, const pyr_taps *down, double small)
{
    int m = down->n_out, n = down->n_in, band = 0, width = 1, first, last;
    double *g = NULL, *y = NULL, top = 0;
    pyr_status status;

    *out = (pyr_taps){0};
    *gain = INFINITY;
    for (int i = 0; i < m; i++) /* rows that share inputs are neighbours, as starts go up */
        for (int j = 0; i + j < m && down->start[i + j] < down->start[i] + down->width; j++)
            band = j > band ? j : band;
    PYR_TRY_OUT(pyr_new(&g, (size_t)m * ((size_t)band + 1), sizeof *g, "a pyramid's projection"));
    PYR_TRY_OUT(pyr_new(&y, (size_t)m, sizeof *y, "a pyramid's projection"));
    if (!factor(g, band, down))
        goto out;
    /* Rows fall off exponentially from the diagonal. Once round for the largest entry and gain, once for the
     * width, once to store: cheaper than the dense matrix, 64 MiB at 4096 pixels. */
    *gain = 0;
    for (int x = 0; x < n; x++) {
        double sum = 0;

        solve(y, g, band, down, x);
        for (int i = 0; i < m; i++) {
            sum += fabs(y[i]);
            top = fmax(top, fabs(y[i]));
        }
        *gain = fmax(*gain, sum);
    }
    for (int x = 0; x < n; x++) {
        solve(y, g, band, down, x);
        extent(&first, &last, y, m, small * top);
        width = last - first + 1 > width ? last - first + 1 : width;
    }
    PYR_TRY_OUT(pyr_taps_new(out, m, n, width));
    for (int x = 0; x < n; x++) {
        solve(y, g, band, down, x);
        extent(&first, &last, y, m, small * top);
        first = first > m - width ? m - width : first;
        out->start[x] = first;
        memcpy(out->tap + (size_t)x * (size_t)width, y + first, (size_t)width * sizeof *y);
    }
out:
    pyr_free(g);
    pyr_free(y);
    return status;
}

/* ---- transposition ----------------------------------------------------------------------------------- */

pyr_status pyr_taps_transpose(pyr_taps *out, const pyr_taps *taps)
{
    int width = 1, *last = NULL;
    pyr_status status = PYR_OK;

    *out = (pyr_taps){0};
    /* a column's rows, from the first to the last that read it */
    PYR_TRY_OUT(pyr_new(&last, 2 * (size_t)taps->n_in, sizeof *last, "a pyramid filter"));
    int *first = last + taps->n_in;
    for (int i = 0; i < taps->n_in; i++) {
        first[i] = taps->n_out;
        last[i] = -1;
    }
    for (int o = 0; o < taps->n_out; o++)
        for (int j = 0; j < taps->width; j++) {
            int i = taps->start[o] + j;

            if (taps->tap[(size_t)o * (size_t)taps->width + (size_t)j] == 0)
                continue;
            first[i] = o < first[i] ? o : first[i];
            last[i] = o;
        }
    for (int i = 0; i < taps->n_in; i++)
        width = last[i] - first[i] + 1 > width ? last[i] - first[i] + 1 : width;
    PYR_TRY_OUT(pyr_taps_new(out, taps->n_out, taps->n_in, width));
    for (int i = 0; i < taps->n_in; i++)
        out->start[i] = first[i] < taps->n_out - out->width ? first[i] : taps->n_out - out->width;
    for (int o = 0; o < taps->n_out; o++)
        for (int j = 0; j < taps->width; j++) {
            double tap = taps->tap[(size_t)o * (size_t)taps->width + (size_t)j];
            int i = taps->start[o] + j;

            if (tap != 0)
                out->tap[(size_t)i * (size_t)out->width + (size_t)(o - out->start[i])] = tap;
        }
out:
    pyr_free(last);
    return status;
}
