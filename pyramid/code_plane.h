/* code_plane.h - one halving of a picture's codes, row by row: what the filters' ways of doing it share. */
#ifndef PYR_PYRAMID_CODE_PLANE_H
#define PYR_PYRAMID_CODE_PLANE_H

#include "kernels/kernels.h"

/* An image h x w x c of floats or doubles. */
typedef struct pyr_plane {
    pyr_type type;
    int h, w, c;
    void *at;
} pyr_plane;

/* split: coarse and value are made from fine, which is only read; else fine is made from both. */
typedef struct pyr_halving {
    double sigma; /* of a filter that has one */
    int bits;     /* of the picture's samples, 8 or 16 */
    bool split;
    pyr_plane *fine, *coarse, *value; /* I_i, I_{i+1}, and the details of level i (pyramid/codes.h) */
} pyr_halving;

/* Number i of a host block of floats or doubles. */
static inline double pyr_element(pyr_type type, const void *block, size_t i)
{
    return type == PYR_F64 ? ((const double *)block)[i] : (double)((const float *)block)[i];
}

size_t pyr_plane_row(const pyr_plane *plane); /* numbers in a row: w c */
void pyr_plane_load(double *row, const pyr_plane *plane, int y);
void pyr_plane_store(pyr_plane *plane, int y, const double *row);

/* To the nearest multiple of 2^-16, half to even. */
double pyr_on_grid(double v);

/* By the matrices d and u of a filter (its row's down and up), outputs rounded to 2^-16: coarse = d(fine), value =
 * fine - u(coarse), or fine = value + u(coarse). PYR_E_NOMEM. */
struct pyr_filter;
pyr_status pyr_halve_by_taps(const struct pyr_filter *filter, const pyr_halving *halving);

#endif
