/* haar.c - the haar filter: means and orthonormal details of 2x2 pixels. */
#include "base/mem.h"
#include "pyramid/filters.h"

/* Repeats the pixel. */
static pyr_status up(pyr_taps *out, double sigma, int n)
{
    static const double one = 1;

    (void)sigma;
    PYR_TRY(pyr_taps_new(out, (n + 1) / 2, n, 1));
    for (int x = 0; x < n; x++)
        pyr_taps_put(out, x, x / 2, 1, &one);
    return PYR_OK;
}

/* Numbers of two rows of the fine image and of a row of the coarse one. */
typedef struct block_rows {
    double *top, *bottom, *mean, *bands;
    size_t c, half, w;
} block_rows;

/* The bands of pyr_kernels.haar_split with the 2x2 means. */
static void split_rows(const block_rows *r)
{
    for (size_t i = 0; i < r->half; i++) {
        size_t c = r->c, x = i / c, left = 2 * x * c + i % c, right = 2 * x + 1 < r->w ? left + c : left;
        double *band = r->bands + 3 * x * c + i % c;
        double p = r->top[left], q = r->top[right], u = r->bottom[left], v = r->bottom[right];

        r->mean[i] = (p + q + u + v) / 4;
        band[0] = (p + q - u - v) / 2;
        band[c] = (p - q + u - v) / 2;
        band[2 * c] = (p - q - u + v) / 2;
    }
}

/* Back: where left is right or top is bottom, the details are 0 and the last one written is right. */
static void merge_rows(const block_rows *r)
{
    for (size_t i = 0; i < r->half; i++) {
        size_t c = r->c, x = i / c, left = 2 * x * c + i % c, right = 2 * x + 1 < r->w ? left + c : left;
        const double *band = r->bands + 3 * x * c + i % c;
        double upper = r->mean[i] + band[0] / 2, lower = r->mean[i] - band[0] / 2;
        double rise = (band[c] + band[2 * c]) / 2, fall = (band[c] - band[2 * c]) / 2;

        r->top[right] = upper - rise;
        r->top[left] = upper + rise;
        r->bottom[right] = lower - fall;
        r->bottom[left] = lower + fall;
    }
}

/* In double throughout, which holds 16 bits to 18 halvings. */
static pyr_status halve(const pyr_filter *filter, const pyr_halving *halving)
{
    pyr_plane *fine = halving->fine, *coarse = halving->coarse, *value = halving->value;
    size_t row = pyr_plane_row(fine), half = pyr_plane_row(coarse);
    block_rows r = {.c = (size_t)fine->c, .half = half, .w = (size_t)fine->w};

    (void)filter;
    PYR_TRY(pyr_new(&r.top, 2 * row + 4 * half, sizeof *r.top, "rows of a picture"));
    r.bottom = r.top + row;
    r.mean = r.bottom + row;
    r.bands = r.mean + half;
    for (int y = 0; y < coarse->h; y++) {
        int below = 2 * y + 1 < fine->h ? 2 * y + 1 : 2 * y;

        if (halving->split) {
            pyr_plane_load(r.top, fine, 2 * y);
            pyr_plane_load(r.bottom, fine, below);
            split_rows(&r);
            pyr_plane_store(coarse, y, r.mean);
            pyr_plane_store(value, y, r.bands);
        } else {
            pyr_plane_load(r.mean, coarse, y);
            pyr_plane_load(r.bands, value, y);
            merge_rows(&r);
            pyr_plane_store(fine, below, r.bottom);
            pyr_plane_store(fine, 2 * y, r.top);
        }
    }
    pyr_free(r.top);
    return PYR_OK;
}

const pyr_filter pyr_filter_haar = {
    .help = "means and three bands of details, the Haar wavelet",
    .bands = true,
    .positive = true,
    .exact = {8, 4},
    .codes = {8, 4},
    .down = pyr_box_down,
    .up = up,
    .halve = halve,
};
