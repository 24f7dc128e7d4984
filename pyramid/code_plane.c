/* code_plane.c - the rows of a picture that is taken apart, and a halving by matrices. */
#include "pyramid/code_plane.h"

#include "base/mem.h"
#include "pyramid/filters.h"
#include <assert.h>
#include <string.h>

/* gcc in ISO mode does not fuse multiply and add; clang needs to be asked not to, so that codes of a gaussian, too, are
 * the same wherever they are made. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

size_t pyr_plane_row(const pyr_plane *plane)
{
    return (size_t)plane->w * (size_t)plane->c;
}

void pyr_plane_load(double *row, const pyr_plane *plane, int y)
{
    size_t n = pyr_plane_row(plane);

    for (size_t i = 0; i < n; i++)
        row[i] = pyr_element(plane->type, plane->at, (size_t)y * n + i);
}

void pyr_plane_store(pyr_plane *plane, int y, const double *row)
{
    size_t n = pyr_plane_row(plane);

    if (plane->type == PYR_F64)
        memcpy((double *)plane->at + (size_t)y * n, row, n * sizeof *row);
    else {
        float *to = (float *)plane->at + (size_t)y * n;

        for (size_t i = 0; i < n; i++)
            to[i] = (float)row[i];
    }
}

/* As nearbyint: sums over 2^36 have no bits below 2^-16. */
double pyr_on_grid(double v)
{
    return (v + 0x1.8p36) - 0x1.8p36;
}

/* Row y of rows (x) cols applied to src: the sums of pyr_kernels.resample in the same order, a row at a time.
 * `line`: a row of src. */
static void resample_row(double *out, const pyr_plane *src, const pyr_taps *rows, const pyr_taps *cols, int y,
                         double *line)
{
    size_t n = pyr_plane_row(src), c = (size_t)src->c;
    const float *top = (const float *)src->at + (size_t)rows->start[y] * n;
    const double *tap = rows->tap + (size_t)y * (size_t)rows->width;

    assert(src->type == PYR_F32);
    for (size_t i = 0; i < n; i++)
        line[i] = tap[0] * (double)top[i];
    for (int j = 1; j < rows->width; j++)
        for (size_t i = 0; i < n; i++)
            line[i] += tap[j] * (double)top[(size_t)j * n + i];
    tap = cols->tap;
    for (int x = 0; x < cols->n_out; x++, tap += cols->width)
        for (size_t ch = 0; ch < c; ch++) {
            const double *from = line + (size_t)cols->start[x] * c + ch;
            double sum = tap[0] * from[0];

            for (int j = 1; j < cols->width; j++)
                sum += tap[j] * from[(size_t)j * c];
            *out++ = sum;
        }
}

pyr_status pyr_halve_by_taps(const pyr_filter *filter, const pyr_halving *halving)
{
    pyr_plane *fine = halving->fine, *coarse = halving->coarse, *value = halving->value;
    bool split = halving->split;
    pyr_taps rows = {0}, cols = {0};
    size_t n = pyr_plane_row(fine);
    double *out, *line, *held, sign = split ? 1 : -1;
    pyr_status status;

    PYR_TRY(pyr_new(&out, 3 * n, sizeof *out, "rows of a picture"));
    line = out + n;
    held = line + n;
    if (split) {
        PYR_TRY_OUT(filter->down(&rows, halving->sigma, fine->h));
        PYR_TRY_OUT(filter->down(&cols, halving->sigma, fine->w));
        for (int y = 0; y < coarse->h; y++) {
            resample_row(out, fine, &rows, &cols, y, line);
            for (size_t i = 0; i < pyr_plane_row(coarse); i++)
                out[i] = pyr_on_grid(out[i]);
            pyr_plane_store(coarse, y, out);
        }
        pyr_taps_free(&rows);
        pyr_taps_free(&cols);
    }
    PYR_TRY_OUT(filter->up(&rows, halving->sigma, fine->h));
    PYR_TRY_OUT(filter->up(&cols, halving->sigma, fine->w));
    for (int y = 0; y < fine->h; y++) {
        resample_row(out, coarse, &rows, &cols, y, line);
        pyr_plane_load(held, split ? fine : value, y);
        for (size_t i = 0; i < n; i++)
            held[i] -= sign * pyr_on_grid(out[i]);
        pyr_plane_store(split ? value : fine, y, held);
    }
out:
    pyr_free(out);
    pyr_taps_free(&rows);
    pyr_taps_free(&cols);
    return status;
}
