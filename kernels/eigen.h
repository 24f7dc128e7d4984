/* eigen.h - symmetric matrices of doubles on the host, by LAPACK and BLAS.
 *
 * A matrix is n x n numbers, column by column; where only a triangle is read, the other one may hold anything. */
#ifndef PYR_KERNELS_EIGEN_H
#define PYR_KERNELS_EIGEN_H

#include "base/status.h"
#include <stdbool.h>

typedef enum pyr_triangle { PYR_LOWER, PYR_UPPER } pyr_triangle;

/* values[n], rising, are the eigenvalues of `matrix`. It is destroyed, or with `vectors` they replace it: the i-th
 * run of n numbers is that of values[i], of length 1. Divide and conquer; `small`: by QR. PYR_E_NOMEM;
 * PYR_E_NUMERIC: none were found, as of numbers that are not finite. */
pyr_status pyr_symmetric_eigen(double *values, double *matrix, int n, pyr_triangle read, bool vectors);
pyr_status pyr_symmetric_eigen_small(double *values, double *matrix, int n, pyr_triangle read);

/* Whether the matrix (upper triangle) is positive definite; it is destroyed. PYR_E_NOMEM. */
pyr_status pyr_is_positive(bool *out, double *matrix, int n);

/* c = S x with S symmetric (upper triangle), and c = a^T b; all n x n, c is none of the others. */
void pyr_symmetric_product(double *c, const double *s, const double *x, int n);
void pyr_transposed_product(double *c, const double *a, const double *b, int n);

#endif
