#include "pyramid/ideal.h"

#include "base/mem.h"
#include "pyramid/planner.h"
#include <fftw3.h>
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
