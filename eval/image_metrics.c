/* image_metrics.c - distances of two sets of images by their power spectra and mean colours. */
#include "eval/image_metrics.h"

#include "base/mem.h"
#include "pictures/pixels.h"
#include "pyramid/spectrum.h"
#include <math.h>

pyr_status pyr_pixels_check(const pyr_pixels_set *a, const pyr_pixels_set *b)
{
    if (a->n < 1 || b->n < 1)
        return pyr_fail(PYR_E_ARG, "sets of %lld and %lld images: both should have images", (long long)a->n,
                        (long long)b->n);
    if (a->h != b->h || a->w != b->w || a->c != b->c)
        return pyr_fail(PYR_E_SHAPE,
                        "images of %dx%dx%d and of %dx%dx%d cannot be compared: make them one size", a->w,
                        a->h, a->c, b->w, b->h, b->c);
    return PYR_OK;
}

int pyr_pixels_bits(const pyr_pixels_set *a, const pyr_pixels_set *b)
{
    return a->words && b->words ? 16 : 8;
}

static size_t numbers(const pyr_pixels_set *s)
{
    return (size_t)s->h * (size_t)s->w * (size_t)s->c;
}

/* Mean power per bin of a set; `image` and `power` are scratch and result. */
static pyr_status spectrum(double *power, const pyr_pixels_set *set, int bits, float *image)
{
    pyr_spectrum *s;

    PYR_TRY(pyr_spectrum_new(&s, set->h, set->w, set->c));
    for (int64_t i = 0; i < set->n; i++) {
        size_t at = (size_t)i * numbers(set);

        pyr_pixels_from_samples(image, bits == 16 ? (const void *)(set->words + at) : set->pixels + at, bits,
                                numbers(set));
        pyr_spectrum_add(s, 1, image);
    }
    pyr_spectrum_mean(s, power);
    pyr_spectrum_free(s);
    return PYR_OK;
}

pyr_status pyr_spectrum_distance(double *out, const pyr_pixels_set *a, const pyr_pixels_set *b)
{
    int bins = pyr_spectrum_bins(a->h, a->w), bits = pyr_pixels_bits(a, b);
    double *power = NULL, sum = 0; /* of a, then of b */
    float *image = NULL;
    pyr_status status;

    PYR_TRY(pyr_pixels_check(a, b));
    if (bins < 2)
        return pyr_fail(PYR_E_SHAPE, "images of %dx%d have no frequencies to compare", a->w, a->h);
    PYR_TRY_OUT(pyr_new(&power, 2 * (size_t)bins, sizeof *power, "spectra"));
    PYR_TRY_OUT(pyr_new(&image, numbers(a), sizeof *image, "an image"));
    PYR_TRY_OUT(spectrum(power, a, bits, image));
    PYR_TRY_OUT(spectrum(power + bins, b, bits, image));
    for (int i = 1; i < bins; i++) {
        double d = log10(fmax(power[i], 1e-12)) - log10(fmax(power[bins + i], 1e-12));

        sum += d * d;
    }
    *out = sqrt(sum / (bins - 1));
out:
    pyr_free(image);
    pyr_free(power);
    return status;
}

/* Mean of channel c over all pixels, in samples of `bits`; the sum is exact. */
static double mean_of_channel(const pyr_pixels_set *s, int c, int bits)
{
    size_t pixels = (size_t)s->n * (size_t)s->h * (size_t)s->w;
    uint64_t sum = 0;

    for (size_t i = 0; i < pixels; i++)
        sum += bits == 16 ? s->words[i * (size_t)s->c + (size_t)c] : s->pixels[i * (size_t)s->c + (size_t)c];
    return (double)sum / (double)pixels;
}

pyr_status pyr_colour_drift(double *out, const pyr_pixels_set *a, const pyr_pixels_set *b)
{
    double sum = 0;
    int bits = pyr_pixels_bits(a, b);

    PYR_TRY(pyr_pixels_check(a, b));
    for (int c = 0; c < a->c; c++) {
        double shift = ldexp(mean_of_channel(a, c, bits) - mean_of_channel(b, c, bits), 1 - bits);

        sum += shift * shift;
    }
    *out = sqrt(sum);
    return PYR_OK;
}
