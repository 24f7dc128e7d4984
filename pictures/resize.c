/* resize.c - area averaging and interpolation of an axis, cropping, and the size that fits. */
#include "pictures/resize.h"

#include "base/mem.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* Output sample i is the sum of weight[i * reach + j] * input[first[i] + j]. */
typedef struct taps {
    int *first;
    double *weight;
    int reach;
} taps;

static void taps_free(taps *t)
{
    pyr_free(t->first);
    pyr_free(t->weight);
}

static pyr_status taps_new(taps *t, int from, int to)
{
    double scale = (double)from / to;

    *t = (taps){.reach = from > to ? (int)ceil(scale) + 1 : 2};
    if (t->reach > from)
        t->reach = from;
    PYR_TRY(pyr_new(&t->first, (size_t)to, sizeof *t->first, "resizing"));
    PYR_TRY(pyr_new(&t->weight, (size_t)to * (size_t)t->reach, sizeof *t->weight, "resizing"));
    for (int i = 0; i < to; i++) {
        double *weight = t->weight + (size_t)i * (size_t)t->reach;
        double low = i * scale, high = (i + 1) * scale, sum = 0;
        double centre = (i + 0.5) * scale - 0.5; /* of the output sample, among input centres */
        int first = (int)floor(from > to ? low : centre);

        if (first > from - t->reach)
            first = from - t->reach;
        if (first < 0)
            first = 0;
        t->first[i] = first;
        for (int j = 0; j < t->reach; j++) {
            if (from > to)
                weight[j] = fmax(0, fmin(first + j + 1, high) - fmax(first + j, low));
            else
                weight[j] = fmax(0, 1 - fabs(fmin(fmax(centre, 0), from - 1) - (first + j)));
            sum += weight[j];
        }
        for (int j = 0; j < t->reach; j++)
            weight[j] /= sum;
    }
    return PYR_OK;
}

/* One input row, resampled to the output's width: row[w * c], colours times alpha. */
static void across(double *row, const pyr_image *src, int y, const taps *x, int w)
{
    size_t c = (size_t)src->c, start = (size_t)y * (size_t)src->w * c;
    bool alpha = c % 2 == 0;

    for (int i = 0; i < w; i++) {
        const double *weight = x->weight + (size_t)i * (size_t)x->reach;

        for (size_t k = 0; k < c; k++)
            row[(size_t)i * c + k] = 0;
        for (int j = 0; j < x->reach; j++) {
            size_t pixel = start + (size_t)(x->first[i] + j) * c;
            double a = alpha ? pyr_image_get(src, pixel + c - 1) : 1;

            for (size_t k = 0; k < c; k++)
                row[(size_t)i * c + k] +=
                    weight[j] * pyr_image_get(src, pixel + k) * (alpha && k + 1 < c ? a : 1);
        }
    }
}

/* Resample down the columns of the rows that `across` made. */
static pyr_status resample(pyr_image *out, const pyr_image *src, int h, int w)
{
    pyr_status status;
    taps x = {0}, y = {0};
    double *rows = NULL; /* a ring of the last y.reach input rows, resampled across */
    size_t c = (size_t)src->c, width = (size_t)w * c;
    int next = 0; /* the input row that is not in the ring yet */

    PYR_TRY_OUT(taps_new(&x, src->w, w));
    PYR_TRY_OUT(taps_new(&y, src->h, h));
    PYR_TRY_OUT(pyr_new(&rows, (size_t)y.reach * width, sizeof *rows, "resizing"));
    PYR_TRY_OUT(pyr_image_new(out, h, w, src->c, src->bits, "resizing"));
    for (int i = 0; i < h; i++) {
        const double *weight = y.weight + (size_t)i * (size_t)y.reach;

        for (; next < y.first[i] + y.reach; next++)
            across(rows + (size_t)(next % y.reach) * width, src, next, &x, w);
        for (size_t pixel = 0; pixel < width; pixel += c) {
            double sum[4] = {0};

            for (int j = 0; j < y.reach; j++)
                for (size_t k = 0; k < c; k++)
                    sum[k] += weight[j] * rows[(size_t)((y.first[i] + j) % y.reach) * width + pixel + k];
            if (c % 2 == 0)
                for (size_t k = 0; k + 1 < c; k++)
                    sum[k] = sum[c - 1] > 0 ? sum[k] / sum[c - 1] : 0;
            for (size_t k = 0; k < c; k++)
                pyr_image_put(out, (size_t)i * width + pixel + k, sum[k]);
        }
    }
out:
    taps_free(&x);
    taps_free(&y);
    pyr_free(rows);
    return status;
}

static pyr_status cut_centre(pyr_image *out, const pyr_image *src, int h, int w)
{
    size_t pixel = (size_t)(src->c * src->bits / 8);
    int top = (src->h - h) / 2, left = (src->w - w) / 2;

    assert(top >= 0 && left >= 0);
    PYR_TRY(pyr_image_new(out, h, w, src->c, src->bits, "cropping"));
    for (int y = 0; y < h; y++)
        memcpy((char *)out->at + (size_t)y * (size_t)w * pixel,
               (const char *)src->at + ((size_t)(top + y) * (size_t)src->w + (size_t)left) * pixel,
               (size_t)w * pixel);
    return PYR_OK;
}

static int at_least_1(double v)
{
    return v < 1 ? 1 : (int)v;
}

pyr_status pyr_image_fit(pyr_image *out, const pyr_image *src, int h, int w, pyr_fit fit)
{
    pyr_image cut = {0};
    pyr_status status;

    *out = (pyr_image){0};
    if (fit == PYR_FIT_STRETCH)
        return resample(out, src, h, w);
    if (fit == PYR_FIT_CENTRE)
        return cut_centre(out, src, h, w);
    /* The largest part of the target's aspect: one of the two sides stays whole. */
    int high = at_least_1(fmin(src->h, round((double)src->w * h / w)));
    int wide = at_least_1(fmin(src->w, round((double)src->h * w / h)));
    PYR_TRY(cut_centre(&cut, src, high, wide));
    status = resample(out, &cut, h, w);
    pyr_image_free(&cut);
    return status;
}
