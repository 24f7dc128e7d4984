/* cdf53.c - the cdf53 filter: the wavelet of Cohen, Daubechies and Feauveau with 5 and 3 taps, by lifting.
 *
 * Along an axis (Le Gall & Tabatabai 1988; Daubechies & Sweldens 1998, "Factoring wavelet transforms into lifting
 * steps", section 7.5)
 *     h[k] = x[2k+1] - (x[2k] + x[2k+2]) / 2,   l[k] = x[2k] + (h[k-1] + h[k]) / 4
 * with whole-sample symmetric continuation (x[-i] = x[i], x[n-1+i] = x[n-1-i]). n pixels give ceil(n/2) of l, which
 * keep constants, and floor(n/2) of h; behind an odd last pixel there is none, and 0 stands in its place.
 *
 * Codes are those of JPEG 2000's reversible transform (ISO/IEC 15444-1, annex F): on the samples of the picture as
 * whole numbers, the steps rounded to floor(sum/2) and floor((sum + 2)/4), columns before rows. Their size is
 * bounded: the longest filter of any depth is 2.9 for an image and 8.3 for HH (sums of magnitudes), so floats hold
 * them. Models learn the same steps unrounded, which are linear.
 *
 * For the kernels of a batch an axis is a matrix in front of Haar's bands: it puts l + h/2 at pixel 2k and l - h/2
 * at 2k+1, whose mean is l and whose difference h. HH is so half of JPEG 2000's, and half of it in codes too. The
 * determinant is that of the lifting steps, 1 (up to its sign). */
#include "base/mem.h"
#include "pyramid/filters.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- lifting --------------------------------------------------------------------------------------- */

typedef enum step { PREDICT, UPDATE } step;

/* dst[n] += sign * (a + b) / 2 or / 4; whole: rounded, of whole numbers. */
static void lift(double *dst, const double *a, const double *b, size_t n, step kind, double sign, bool whole)
{
    double weight = kind == PREDICT ? 0.5 : 0.25, half = kind == PREDICT ? 0 : 0.5;

    for (size_t i = 0; i < n; i++) {
        double v = weight * (a[i] + b[i]);

        dst[i] += sign * (whole ? floor(v + half) : v);
    }
}

/* All pixels of one parity of a line: n pixels of c numbers. */
static void lift_line(double *line, int n, size_t c, step kind, double sign, bool whole)
{
    for (int x = kind == PREDICT; x < n && n > 1; x += 2) {
        const double *before = line + (size_t)(x > 0 ? x - 1 : 1) * c;
        const double *after = line + (size_t)(x + 1 < n ? x + 1 : x - 1) * c;

        lift(line + (size_t)x * c, before, after, c, kind, sign, whole);
    }
}

/* In place: l at even pixels, h at odd ones; and back. */
static void analyse(double *line, int n, size_t c, bool whole)
{
    lift_line(line, n, c, PREDICT, -1, whole);
    lift_line(line, n, c, UPDATE, 1, whole);
}

static void synthesise(double *line, int n, size_t c, bool whole)
{
    lift_line(line, n, c, UPDATE, -1, whole);
    lift_line(line, n, c, PREDICT, 1, whole);
}

/* ---- the matrices of an axis ----------------------------------------------------------------------- */

static void to_pairs(double *line, int n)
{
    analyse(line, n, 1, false);
    for (int x = 0; x + 1 < n; x += 2) {
        double l = line[x], h = line[x + 1];

        line[x] = l + h / 2;
        line[x + 1] = l - h / 2;
    }
}

static void from_pairs(double *line, int n)
{
    for (int x = 0; x + 1 < n; x += 2) {
        double a = line[x], b = line[x + 1];

        line[x] = (a + b) / 2;
        line[x + 1] = a - b;
    }
    synthesise(line, n, 1, false);
}

static void to_low(double *line, int n)
{
    analyse(line, n, 1, false);
    for (int k = 0; 2 * k < n; k++)
        line[k] = line[2 * k];
}

/* The matrix of a linear function of n pixels, from the columns of the identity. Output o reads `width` pixels from
 * 2 (o / per_pair) - 2 on, or fewer. */
static pyr_status matrix(pyr_taps *out, void (*apply)(double *line, int n), int n, int n_out, int per_pair,
                         int width)
{
    double *line = NULL;
    pyr_status status;

    PYR_TRY_OUT(pyr_taps_new(out, n, n_out, width));
    PYR_TRY_OUT(pyr_new(&line, (size_t)n, sizeof *line, "a pyramid filter"));
    for (int o = 0; o < n_out; o++) {
        int start = 2 * (o / per_pair) - 2, last = n - out->width;

        out->start[o] = start < 0 ? 0 : start > last ? last : start;
    }
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < n; i++)
            line[i] = i == j;
        apply(line, n);
        for (int o = 0; o < n_out; o++)
            if (j >= out->start[o] && j < out->start[o] + out->width)
                out->tap[(size_t)o * (size_t)out->width + (size_t)(j - out->start[o])] = line[o];
    }
out:
    pyr_free(line);
    if (status != PYR_OK)
        pyr_taps_free(out);
    return status;
}

static pyr_status down(pyr_taps *out, double sigma, int n)
{
    (void)sigma;
    return matrix(out, to_low, n, (n + 1) / 2, 1, 5);
}

/* l alone: the pixel, and the mean of two between them. */
static pyr_status up(pyr_taps *out, double sigma, int n)
{
    static const double one = 1, halves[2] = {0.5, 0.5};

    (void)sigma;
    PYR_TRY(pyr_taps_new(out, (n + 1) / 2, n, 2));
    for (int x = 0; x < n; x++)
        pyr_taps_put(out, x, x / 2, 1 + x % 2, x % 2 ? halves : &one);
    return PYR_OK;
}

static pyr_status before_bands(pyr_taps *out, int n)
{
    return matrix(out, to_pairs, n, n, 2, 5);
}

static pyr_status after_bands(pyr_taps *out, int n)
{
    return matrix(out, from_pairs, n, n, 2, 6);
}

/* ---- codes ----------------------------------------------------------------------------------------- */

/* Where pixel (y, x) of a channel of I_i, lifted along both axes, lies in I_{i+1} and the bands; *scale: what it is
 * multiplied by to become a whole number. The pixel's band [LL | HL | LH | HH] is y % 2 * 2 + x % 2. */
static float *place(const pyr_halving *p, int y, int x, size_t ch, double *scale)
{
    static const int offset[4] = {0, 1, 0, 2}; /* in bands, of c channels each */
    static const double scales[4] = {1, 1, 1, 2};
    int band = y % 2 * 2 + x % 2;
    size_t c = (size_t)p->fine->c, at = (size_t)(y / 2) * (size_t)p->coarse->w + (size_t)(x / 2);

    *scale = scales[band] * ldexp(1, p->bits - 1);
    return band ? (float *)p->value->at + 3 * c * at + (size_t)offset[band] * c + ch
                : (float *)p->coarse->at + c * at + ch;
}

/* Channel by channel, as the columns need all rows. Samples are p = (v 2^bits + 2^bits - 1) / 2. */
static pyr_status halve(const pyr_filter *filter, const pyr_halving *p)
{
    int h = p->fine->h, w = p->fine->w;
    size_t c = (size_t)p->fine->c, n = (size_t)h * (size_t)w;
    double half = ldexp(1, p->bits - 1), scale, *image;
    float *fine = p->fine->at;

    (void)filter;
    assert(p->fine->type == PYR_F32);
    PYR_TRY(pyr_new(&image, n, sizeof *image, "a channel of a picture"));
    if (p->split) /* where there is no h */
        memset(p->value->at, 0, pyr_plane_row(p->value) * (size_t)p->value->h * sizeof *fine);
    for (size_t ch = 0; ch < c; ch++) {
        for (size_t i = 0; p->split && i < n; i++)
            image[i] = half * (double)fine[i * c + ch] + (half - 0.5);
        if (p->split)
            analyse(image, h, (size_t)w, true);
        for (int y = 0; y < h; y++) {
            double *row = image + (size_t)y * (size_t)w;

            if (p->split)
                analyse(row, w, 1, true);
            for (int x = 0; x < w; x++) {
                float *at = place(p, y, x, ch, &scale);
                double shift = y % 2 || x % 2 ? 0 : half - 0.5;

                if (p->split)
                    *at = (float)((row[x] - shift) / scale);
                else
                    row[x] = scale * (double)*at + shift;
            }
            if (!p->split)
                synthesise(row, w, 1, true);
        }
        if (!p->split)
            synthesise(image, h, (size_t)w, true);
        for (size_t i = 0; !p->split && i < n; i++)
            fine[i * c + ch] = (float)((image[i] - (half - 0.5)) / half);
    }
    pyr_free(image);
    return PYR_OK;
}

const pyr_filter pyr_filter_cdf53 = {
    .help =
        "JPEG 2000's reversible wavelet, smoother than haar: means of 5 pixels and three bands of details",
    .bands = true,
    .exact = {2, 1}, /* 6 bits more a halving */
    .codes = {PYR_HALVINGS_ALL, PYR_HALVINGS_ALL},
    .down = down,
    .up = up,
    .lift = before_bands,
    .unlift = after_bands,
    .halve = halve,
};
