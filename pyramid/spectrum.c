/* spectrum.c - radial power spectra of images. */
#include "pyramid/spectrum.h"

#include "base/mem.h"
#include "pyramid/planner.h"
#include <fftw3.h>
#include <math.h>

/* The transform of a real image is symmetric, X(-f) = conj X(f): FFTW gives the columns 0 .. w/2 only, and
 * the others count through `weight`. */
struct pyr_spectrum {
    int h, w, c, bins;
    int64_t planes;       /* transforms added: images times channels */
    int *bin;             /* h x (w/2 + 1): the bin of a frequency, or -1 */
    double *sum, *weight; /* bins: of |X|^2 over all planes; of frequencies, in one plane */
    double *plane;        /* h x w: one channel of one image */
    fftw_complex *transform;
    fftw_plan plan;
};

int pyr_spectrum_bins(int h, int w)
{
    return (h < w ? h : w) / 2 + 1;
}

/* How often column x of the half plane stands in the whole one. */
static double copies(int x, int w)
{
    return x == 0 || 2 * x == w ? 1 : 2;
}

static void find_bins(pyr_spectrum *s)
{
    int half = s->w / 2 + 1, side = s->h < s->w ? s->h : s->w;

    for (int y = 0; y < s->h; y++)
        for (int x = 0; x < half; x++) {
            double fy = (double)(2 * y > s->h ? y - s->h : y) / s->h, fx = (double)x / s->w;
            int b = (int)floor(sqrt(fy * fy + fx * fx) * side + 0.5);

            s->bin[y * half + x] = b < s->bins ? b : -1;
            if (b < s->bins)
                s->weight[b] += copies(x, s->w);
        }
}

pyr_status pyr_spectrum_new(pyr_spectrum **out, int h, int w, int c)
{
    pyr_spectrum *s = NULL;
    size_t half = (size_t)w / 2 + 1;
    pyr_status status;

    *out = NULL;
    if (h < 1 || w < 1 || c < 1)
        return pyr_fail(PYR_E_SHAPE, "a spectrum of images %dx%dx%d: all three should be at least 1", h, w,
                        c);
    PYR_TRY(pyr_new(&s, 1, sizeof *s, "a spectrum"));
    *s = (pyr_spectrum){.h = h, .w = w, .c = c, .bins = pyr_spectrum_bins(h, w)};
    PYR_TRY_OUT(pyr_new(&s->bin, (size_t)h * half, sizeof *s->bin, "a spectrum's bins"));
    PYR_TRY_OUT(pyr_new(&s->sum, (size_t)s->bins, sizeof *s->sum, "a spectrum's sums"));
    PYR_TRY_OUT(pyr_new(&s->weight, (size_t)s->bins, sizeof *s->weight, "a spectrum's weights"));
    PYR_TRY_OUT(pyr_new(&s->plane, (size_t)h * (size_t)w, sizeof *s->plane, "a spectrum's image"));
    PYR_TRY_OUT(pyr_new(&s->transform, (size_t)h * half, sizeof *s->transform, "a spectrum's transform"));
    pyr_planner_lock();
    s->plan = fftw_plan_dft_r2c_2d(h, w, s->plane, s->transform, FFTW_ESTIMATE);
    pyr_planner_unlock();
    if (!s->plan)
        PYR_TRY_OUT(pyr_fail(PYR_E_NOMEM, "FFTW made no plan for a spectrum of %dx%d", h, w));
    find_bins(s);
    *out = s;
    return PYR_OK;
out:
    pyr_spectrum_free(s);
    return status;
}

void pyr_spectrum_free(pyr_spectrum *s)
{
    if (!s)
        return;
    pyr_planner_lock();
    fftw_destroy_plan(s->plan);
    pyr_planner_unlock();
    pyr_free(s->transform);
    pyr_free(s->plane);
    pyr_free(s->weight);
    pyr_free(s->sum);
    pyr_free(s->bin);
    pyr_free(s);
}

static void add_plane(pyr_spectrum *s, const float *first)
{
    int half = s->w / 2 + 1;

    for (size_t i = 0; i < (size_t)s->h * (size_t)s->w; i++)
        s->plane[i] = first[i * (size_t)s->c];
    fftw_execute(s->plan);
    for (int y = 0; y < s->h; y++)
        for (int x = 0; x < half; x++) {
            const double *v = s->transform[y * half + x];
            int b = s->bin[y * half + x];

            if (b >= 0)
                s->sum[b] += copies(x, s->w) * (v[0] * v[0] + v[1] * v[1]);
        }
    s->planes++;
}

void pyr_spectrum_add(pyr_spectrum *s, int64_t n, const float *images)
{
    size_t image = (size_t)s->h * (size_t)s->w * (size_t)s->c;

    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < s->c; c++)
            add_plane(s, images + (size_t)i * image + c);
}

void pyr_spectrum_mean(const pyr_spectrum *s, double *power)
{
    for (int b = 0; b < s->bins; b++)
        power[b] = s->planes ? s->sum[b] / ((double)s->planes * s->weight[b] * s->h * s->w) : 0;
}
