/* ideal.c - the ideal filter: its transforms, its row, and the codes of a picture. */
#include "pyramid/ideal.h"

#include "base/mem.h"
#include "pyramid/filters.h"
#include "pyramid/planner.h"
#include <fftw3.h>
#include <math.h>
#include <string.h>

struct pyr_dct {
    int h, w, c;
    fftw_plan forward, inverse;
};

static fftw_plan make(int h, int w, int c, fftw_r2r_kind kind, double *any)
{
    fftw_iodim size[2] = {{h, w * c, w * c}, {w, c, c}}, many = {c, 1, 1};
    fftw_r2r_kind kinds[2] = {kind, kind};

    return fftw_plan_guru_r2r(2, size, 1, &many, any, any, kinds, FFTW_ESTIMATE | FFTW_UNALIGNED);
}

pyr_status pyr_dct_new(pyr_dct **out, int h, int w, int c)
{
    double any = 0; /* FFTW_ESTIMATE does not touch the array */

    PYR_TRY(pyr_new(out, 1, sizeof **out, "a cosine transform"));
    **out = (pyr_dct){.h = h, .w = w, .c = c};
    pyr_planner_lock();
    (*out)->forward = make(h, w, c, FFTW_REDFT10, &any);
    (*out)->inverse = make(h, w, c, FFTW_REDFT01, &any);
    pyr_planner_unlock();
    if (!(*out)->forward || !(*out)->inverse) {
        pyr_dct_free(*out);
        *out = NULL;
        return pyr_fail(PYR_E_NOMEM, "FFTW made no plan for a cosine transform of %dx%dx%d", h, w, c);
    }
    return PYR_OK;
}

void pyr_dct_free(pyr_dct *dct)
{
    if (!dct)
        return;
    pyr_planner_lock();
    fftw_destroy_plan(dct->forward);
    fftw_destroy_plan(dct->inverse);
    pyr_planner_unlock();
    pyr_free(dct);
}

void pyr_dct_forward(const pyr_dct *dct, double *image)
{
    fftw_execute_r2r(dct->forward, image, image);
}

void pyr_dct_inverse(const pyr_dct *dct, double *image)
{
    fftw_execute_r2r(dct->inverse, image, image);
}

/* ---- Hartley's transform --------------------------------------------------------------------------- */

struct pyr_hartley {
    int h, w, c;
    fftw_plan plan;
};

pyr_status pyr_hartley_new(pyr_hartley **out, int h, int w, int c)
{
    double any = 0;

    PYR_TRY(pyr_new(out, 1, sizeof **out, "a Fourier transform"));
    **out = (pyr_hartley){.h = h, .w = w, .c = c};
    pyr_planner_lock();
    (*out)->plan = make(h, w, c, FFTW_DHT, &any);
    pyr_planner_unlock();
    if ((*out)->plan)
        return PYR_OK;
    pyr_free(*out);
    *out = NULL;
    return pyr_fail(PYR_E_NOMEM, "FFTW made no plan for a Fourier transform of %dx%dx%d", h, w, c);
}

void pyr_hartley_free(pyr_hartley *hartley)
{
    if (!hartley)
        return;
    pyr_planner_lock();
    fftw_destroy_plan(hartley->plan);
    pyr_planner_unlock();
    pyr_free(hartley);
}

/* FFTW's are products T of cas = cos + sin along each axis, and 2 cas(a + b) = cas a cas b + cas -a cas b +
 * cas a cas -b - cas -a cas -b, so H(y, x) is that of T(y, x), T(-y, x), T(y, -x) and T(-y, -x). */
void pyr_hartley_apply(const pyr_hartley *hartley, double *image)
{
    int h = hartley->h, w = hartley->w, c = hartley->c;
    double scale = 0.5 / sqrt((double)h * w);

    fftw_execute_r2r(hartley->plan, image, image);
    for (int y = 0; y <= h / 2; y++)
        for (int x = 0; x <= w / 2; x++)
            for (int j = 0; j < c; j++) {
                int back = (h - y) % h, left = (w - x) % w;
                double *at[] = {&image[(y * w + x) * c + j], &image[(back * w + x) * c + j],
                                &image[(y * w + left) * c + j], &image[(back * w + left) * c + j]};
                double t[] = {*at[0], *at[1], *at[2], *at[3]}, sum = t[0] + t[1] + t[2] + t[3];

                for (int i = 0; i < 4; i++) /* all but the one opposite, less that one */
                    *at[i] = scale * (sum - 2 * t[3 - i]);
            }
}

void pyr_ideal_down(double *coarse, double *fine, const pyr_dct *of_coarse, const pyr_dct *of_fine)
{
    double scale = 1 / (4.0 * of_fine->h * of_fine->w);
    size_t row = (size_t)of_coarse->w * (size_t)of_coarse->c,
           stride = (size_t)of_fine->w * (size_t)of_fine->c;

    pyr_dct_forward(of_fine, fine);
    for (size_t y = 0; y < (size_t)of_coarse->h; y++)
        for (size_t x = 0; x < row; x++)
            coarse[y * row + x] = scale * fine[y * stride + x];
    pyr_dct_inverse(of_coarse, coarse);
}

void pyr_ideal_up(double *fine, double *coarse, const pyr_dct *of_fine, const pyr_dct *of_coarse)
{
    double scale = 1 / (4.0 * of_coarse->h * of_coarse->w);
    size_t row = (size_t)of_coarse->w * (size_t)of_coarse->c,
           stride = (size_t)of_fine->w * (size_t)of_fine->c;

    pyr_dct_forward(of_coarse, coarse);
    memset(fine, 0, (size_t)of_fine->h * stride * sizeof *fine);
    for (size_t y = 0; y < (size_t)of_coarse->h; y++)
        for (size_t x = 0; x < row; x++)
            fine[y * stride + x] = scale * coarse[y * row + x];
    pyr_dct_inverse(of_fine, fine);
}

/* ---- codes ----------------------------------------------------------------------------------------- */

/* One channel of a float plane to or from doubles. */
static void take_channel(double *dst, const pyr_plane *src, int ch)
{
    for (size_t i = 0; i < (size_t)src->h * (size_t)src->w; i++)
        dst[i] = (double)((const float *)src->at)[i * (size_t)src->c + (size_t)ch];
}

/* Channel by channel: a transform needs the whole channel in double. */
static pyr_status halve(const pyr_filter *filter, const pyr_halving *halving)
{
    pyr_plane *fine = halving->fine, *coarse = halving->coarse, *value = halving->value;
    bool split = halving->split;
    size_t fine_size = (size_t)fine->h * (size_t)fine->w, coarse_size = (size_t)coarse->h * (size_t)coarse->w;
    size_t c = (size_t)fine->c;
    pyr_dct *of_fine = NULL, *of_coarse = NULL;
    double *big = NULL, *small = NULL;
    pyr_status status;

    (void)filter;
    PYR_TRY_OUT(pyr_dct_new(&of_fine, fine->h, fine->w, 1));
    PYR_TRY_OUT(pyr_dct_new(&of_coarse, coarse->h, coarse->w, 1));
    PYR_TRY_OUT(pyr_new(&big, fine_size, sizeof *big, "a channel of a picture"));
    PYR_TRY_OUT(pyr_new(&small, coarse_size, sizeof *small, "a channel of a picture"));
    for (size_t ch = 0; ch < c; ch++) {
        if (split) {
            float *at = coarse->at;

            take_channel(big, fine, (int)ch);
            pyr_ideal_down(small, big, of_coarse, of_fine);
            for (size_t i = 0; i < coarse_size; i++)
                at[i * c + ch] = (float)pyr_on_grid(small[i]);
        }
        take_channel(small, coarse, (int)ch); /* what was rounded */
        pyr_ideal_up(big, small, of_fine, of_coarse);
        float *whole = fine->at, *rest = value->at;
        for (size_t i = 0; i < fine_size; i++) {
            float l = (float)pyr_on_grid(big[i]);

            if (split)
                rest[i * c + ch] = whole[i * c + ch] - l;
            else
                whole[i * c + ch] = rest[i * c + ch] + l;
        }
    }
out:
    pyr_dct_free(of_fine);
    pyr_dct_free(of_coarse);
    pyr_free(big);
    pyr_free(small);
    return status;
}

const pyr_filter pyr_filter_ideal = {
    .help = "a cut of the cosine series, on the CPU alone",
    .cosine = true,
    .exact = {PYR_HALVINGS_ALL, PYR_HALVINGS_ALL},
    .codes = {PYR_HALVINGS_ALL, PYR_HALVINGS_ALL},
    .halve = halve,
};
