/* filters.h - the filters of a pyramid: one row each.
 *
 * Halving n pixels gives m = ceil(n / 2): d (blur and decimate) makes the coarse image, u the fine one that it
 * stands for. Both are separable. Nearly every filter gives them as a matrix per axis (pyramid/taps.h), d m x n
 * and u n x m; borders are folded into it, so that nobody else knows about them. All rows of d and u add up to
 * exactly 1: a constant stays the same constant.
 *
 * Where coarse pixel j lies, and the taps:
 *   box           between fine pixels 2j and 2j+1.
 *                 d: (1 1)/2 of (2j, 2j+1); an odd last pixel is averaged with its mirror image, itself.
 *                 u: bilinear, (3 1)/4 towards the neighbour on the pixel's side.
 *   burt-adelson  on fine pixel 2j. d: (1 4 6 4 1)/16; u: zeros between, the same kernel times 2, that is
 *                 (1 6 1)/8 on even and (4 4)/8 on odd pixels (Burt & Adelson 1983, a = 3/8).
 *   gaussian      on fine pixel 2j. exp(-t^2 / (2 sigma^2)), |t| <= max(1, floor(4 sigma + 1/2)) (SciPy's
 *                 truncation), d and both phases of u normalised.
 *   ideal         evenly spread with spacing n/m. d keeps the m lowest cosine (DCT-II) frequencies,
 *                 u adds zeros above them; see ideal.h.
 *   haar          d as box; u repeats the pixel. The details are kept as bands.
 *   cdf53         on fine pixel 2j. d: (-1 2 6 2 -1)/8, u: (1 2 1)/2, both with whole-sample symmetric borders; bands.
 * Taps are multiples of 2^-24 (box 2^-2, burt-adelson 2^-4), so they are the
 * same numbers in float and in double. For box and burt-adelson all products and
 * sums on pixels of up to 16 bits are exact in double: the same bits whatever
 * the compiler and the order of adding.
 *
 * To add one: a line in PYR_FILTER_LIST, a file with its row, the word in docs/settings.md (docs/howto.md). */
#ifndef PYR_PYRAMID_FILTERS_H
#define PYR_PYRAMID_FILTERS_H

#include "base/text.h"
#include "pyramid/code_plane.h"
#include "pyramid/taps.h"

/* Every filter once: its constant, its row pyr_filter_NAME, its word in settings and files. The first is the
 * default. */
#define PYR_FILTER_LIST(ROW)                                                                                 \
    ROW(BOX, box, "box")                                                                                     \
    ROW(BURT_ADELSON, burt_adelson, "burt-adelson")                                                          \
    ROW(GAUSSIAN, gaussian, "gaussian")                                                                      \
    ROW(IDEAL, ideal, "ideal")                                                                               \
    ROW(HAAR, haar, "haar")                                                                                  \
    ROW(CDF53, cdf53, "cdf53")

#define PYR_FILTER_CONSTANT(constant, row, word) PYR_FILTER_##constant,
enum { PYR_FILTER_LIST(PYR_FILTER_CONSTANT) PYR_FILTERS };

/* The words, then NULL. */
extern const char *const pyr_filter_names[PYR_FILTERS + 1];

enum { PYR_HALVINGS_ALL = 64 };

typedef struct pyr_filter {
    const char *help; /* half a line */
    /* false: the details are a residual r = I - u(d(I)) of the fine image's shape. true: three bands [LH | HL |
     * HH] of the coarse image's shape, as many numbers as the pixels (sides being even); the map from pixels to
     * coarse image and bands has the determinant 2^-(numbers of the coarse image); a model's condition is the
     * coarse image itself, and nothing is to be projected. */
    bool bands;
    bool has_sigma; /* reads pyramid.sigma */
    bool positive;  /* no number of d is negative: what a coarse pixel depends on shows in d of a mask */
    bool cosine; /* no taps: d, u and the pseudo-inverse are cosine transforms (ideal.h), on the host alone */
    /* Up to how many halvings of 8 and of 16 bits floats hold all numbers: of a batch's pyramid (synthesis gives
     * the images of the data bit for bit), and of codes (pyramid/codes.h). */
    int exact[2], codes[2];

    /* The matrices of an axis of n fine pixels: d; u (bands: the image without details). NULL when `cosine`.
     * PYR_E_NOMEM; *out is empty then. */
    pyr_status (*down)(pyr_taps *out, double sigma, int n);
    pyr_status (*up)(pyr_taps *out, double sigma, int n);
    /* bands only, NULL: the identity. n x n: what is done to an axis before the bands of pyr_kernels.haar_split
     * are taken, and its inverse after haar_merge, whose determinant is 1. */
    pyr_status (*lift)(pyr_taps *out, int n);
    pyr_status (*unlift)(pyr_taps *out, int n);

    /* One halving of a picture's codes, exactly reversible. split: coarse = d(fine) and `value`, the details;
     * else `fine` from both. */
    pyr_status (*halve)(const struct pyr_filter *filter, const pyr_halving *halving);
} pyr_filter;

#define PYR_FILTER_ROW(constant, row, word) extern const pyr_filter pyr_filter_##row;
PYR_FILTER_LIST(PYR_FILTER_ROW)

/* d of box and haar. */
pyr_status pyr_box_down(pyr_taps *out, double sigma, int n);

/* The row of a constant (pyr_pyramid_settings.filter). */
const pyr_filter *pyr_filter_of(int filter);

/* PYR_E_ARG with the valid words for an unknown one. */
pyr_status pyr_filter_parse(int *out, const char *word);

/* What is not given of a fine image h x w does not give all of a coarse one: coarse[o] = 1 when given[i] is 1 for
 * all fine pixels i that d reads for o. PYR_E_NOMEM. */
pyr_status pyr_filter_reach(uint8_t *coarse, const uint8_t *given, int filter, double sigma, int h, int w);

/* "gaussian": the words of the filters that have a sigma, with commas between. */
void pyr_filters_with_sigma(pyr_text *text);

/* Largest sigma of `gaussian`, in fine pixels. */
#define PYR_SIGMA_MAX 256.0

#endif
