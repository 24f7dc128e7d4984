/* smooth_filters.c - box, burt-adelson and gaussian: positive kernels, and residuals. */
#include "base/mem.h"
#include "pyramid/filters.h"
#include <math.h>

/* ---- box ------------------------------------------------------------------------------------------- */

pyr_status pyr_box_down(pyr_taps *out, double sigma, int n)
{
    static const double mean[2] = {0.5, 0.5};
    int m = (n + 1) / 2;

    (void)sigma;
    PYR_TRY(pyr_taps_new(out, n, m, 2));
    for (int o = 0; o < m; o++)
        pyr_taps_put(out, o, 2 * o, 2, mean);
    return PYR_OK;
}

static pyr_status box_up(pyr_taps *out, double sigma, int n)
{
    static const double left[2] = {0.25, 0.75}, right[2] = {0.75, 0.25};

    (void)sigma;
    PYR_TRY(pyr_taps_new(out, (n + 1) / 2, n, 2));
    for (int x = 0; x < n; x++)
        if (x % 2 == 0)
            pyr_taps_put(out, x, x / 2 - 1, 2, left);
        else
            pyr_taps_put(out, x, x / 2, 2, right);
    return PYR_OK;
}

const pyr_filter pyr_filter_box = {
    .help = "the mean of 2x2 pixels, and bilinear between them",
    .positive = true,
    .exact = {PYR_HALVINGS_ALL, PYR_HALVINGS_ALL},
    .codes = {PYR_HALVINGS_ALL, PYR_HALVINGS_ALL},
    .down = pyr_box_down,
    .up = box_up,
    .halve = pyr_halve_by_taps,
};

/* ---- kernels on even pixels: burt-adelson, gaussian ---------------------------------------------- */

/* The right half of a symmetric kernel up to `radius`. */
typedef struct kernel {
    double sigma; /* 0: burt-adelson's */
    int radius;
} kernel;

static kernel gaussian(double sigma)
{
    /* SciPy's truncation; at least 1, as odd pixels of u have no centre tap */
    return (kernel){sigma, sigma < 0.125 ? 1 : (int)(4 * sigma + 0.5)};
}

static const kernel burt_adelson = {0, 2};

/* The kernel at t, up to a factor that is the same for all t of one call (t0: its nearest to 0, so that a
 * tiny sigma does not make everything 0). */
static double kernel_at(kernel k, int t, int t0)
{
    static const double binomial[3] = {6, 4, 1};

    if (k.sigma == 0)
        return binomial[t];
    return exp(-0.5 * ((double)t * t - (double)t0 * t0) / (k.sigma * k.sigma));
}

/* The kernel at t0, t0 + step, … <= r as multiples of 2^-24 that add up to exactly 1 with their mirror
 * images (t = 0 has none). Sums are rounded, not taps, so no tap is off by more than one unit. half[i]: i-th
 * of these t. Returns how many. */
static int quantise(double *half, kernel k, int t0, int step)
{
    const double one = 0x1p24;
    int r = k.radius, n = 0, first = t0 == 0;
    double total = 0, sum = 0, left, before = 0;

    for (int t = t0; t <= r; t += step) {
        half[n] = kernel_at(k, t, t0);
        if (n >= first)
            total += half[n];
        n++;
    }
    left = one / 2;
    if (first) {
        half[0] = 2 * rint(0.5 * one * half[0] / (half[0] + 2 * total)); /* even, so that the rest halves */
        left = 0.5 * (one - half[0]);
        half[0] /= one;
    }
    for (int i = first; i < n; i++) {
        double now;

        sum += half[i];
        now = i == n - 1 ? left : rint(left * sum / total);
        half[i] = (now - before) / one;
        before = now;
    }
    return n;
}

static pyr_status centred_down(pyr_taps *out, kernel k, int n)
{
    int r = k.radius, m = (n + 1) / 2;
    double *half, *full;
    pyr_status status;

    *out = (pyr_taps){0};
    PYR_TRY(pyr_new(&half, (size_t)(3 * r + 2), sizeof *half, "a pyramid filter"));
    full = half + r + 1;
    PYR_TRY_OUT(pyr_taps_new(out, n, m, 2 * r + 1));
    quantise(half, k, 0, 1);
    for (int t = -r; t <= r; t++)
        full[t + r] = half[t < 0 ? -t : t];
    for (int o = 0; o < m; o++)
        pyr_taps_put(out, o, 2 * o - r, 2 * r + 1, full);
out:
    pyr_free(half);
    return status;
}

/* Fine pixel x takes kernel[x - 2j] of coarse j: even t for even x, odd t for odd x. */
static pyr_status centred_up(pyr_taps *out, kernel k, int n)
{
    int r = k.radius, m = (n + 1) / 2, side[2] = {r / 2, (r + 1) / 2};
    double *half, *full[2];
    pyr_status status;

    *out = (pyr_taps){0};
    PYR_TRY(pyr_new(&half, (size_t)(3 * r + 4), sizeof *half, "a pyramid filter"));
    full[0] = half + r + 1;
    full[1] = full[0] + 2 * side[0] + 1;
    PYR_TRY_OUT(pyr_taps_new(out, m, n, 2 * side[0] + 1 > 2 * side[1] ? 2 * side[0] + 1 : 2 * side[1]));
    quantise(half, k, 0, 2);
    for (int i = -side[0]; i <= side[0]; i++)
        full[0][i + side[0]] = half[i < 0 ? -i : i];
    quantise(half, k, 1, 2);
    for (int i = 0; i < side[1]; i++)
        full[1][side[1] - 1 - i] = full[1][side[1] + i] = half[i];
    for (int x = 0; x < n; x++)
        if (x % 2 == 0)
            pyr_taps_put(out, x, x / 2 - side[0], 2 * side[0] + 1, full[0]);
        else
            pyr_taps_put(out, x, x / 2 - side[1] + 1, 2 * side[1], full[1]);
out:
    pyr_free(half);
    return status;
}

static pyr_status burt_adelson_down(pyr_taps *out, double sigma, int n)
{
    (void)sigma;
    return centred_down(out, burt_adelson, n);
}

static pyr_status burt_adelson_up(pyr_taps *out, double sigma, int n)
{
    (void)sigma;
    return centred_up(out, burt_adelson, n);
}

const pyr_filter pyr_filter_burt_adelson = {
    .help = "the kernel (1 4 6 4 1)/16, smoother than box",
    .positive = true,
    .exact = {PYR_HALVINGS_ALL, PYR_HALVINGS_ALL},
    .codes = {PYR_HALVINGS_ALL, PYR_HALVINGS_ALL},
    .down = burt_adelson_down,
    .up = burt_adelson_up,
    .halve = pyr_halve_by_taps,
};

static pyr_status gaussian_down(pyr_taps *out, double sigma, int n)
{
    return centred_down(out, gaussian(sigma), n);
}

static pyr_status gaussian_up(pyr_taps *out, double sigma, int n)
{
    return centred_up(out, gaussian(sigma), n);
}

const pyr_filter pyr_filter_gaussian = {
    .help = "a Gaussian kernel of pyramid.sigma pixels",
    .has_sigma = true,
    .positive = true,
    .exact = {PYR_HALVINGS_ALL, PYR_HALVINGS_ALL},
    .codes = {PYR_HALVINGS_ALL, PYR_HALVINGS_ALL},
    .down = gaussian_down,
    .up = gaussian_up,
    .halve = pyr_halve_by_taps,
};
