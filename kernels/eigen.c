/* eigen.c - symmetric matrices, by LAPACK and BLAS. */
#include "kernels/eigen.h"

#include <cblas.h>
#include <lapacke.h>

static pyr_status checked(lapack_int info, const char *function, int n)
{
    if (info == LAPACK_WORK_MEMORY_ERROR)
        return pyr_fail(PYR_E_NOMEM, "no memory for the eigenvalues of a %dx%d matrix", n, n);
    if (info != 0)
        return pyr_fail(PYR_E_NUMERIC, "LAPACK found no eigenvalues of a %dx%d matrix (%s: %d)", n, n,
                        function, (int)info);
    return PYR_OK;
}

pyr_status pyr_symmetric_eigen(double *values, double *matrix, int n, pyr_triangle read, bool vectors)
{
    return checked(LAPACKE_dsyevd(LAPACK_COL_MAJOR, vectors ? 'V' : 'N', read == PYR_LOWER ? 'L' : 'U', n,
                                  matrix, n, values),
                   "dsyevd", n);
}

pyr_status pyr_symmetric_eigen_small(double *values, double *matrix, int n, pyr_triangle read)
{
    return checked(LAPACKE_dsyev(LAPACK_COL_MAJOR, 'V', read == PYR_LOWER ? 'L' : 'U', n, matrix, n, values),
                   "dsyev", n);
}

pyr_status pyr_is_positive(bool *out, double *matrix, int n)
{
    lapack_int info = LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', n, matrix, n);

    *out = info == 0;
    return info < 0 ? pyr_fail(PYR_E_NOMEM, "no memory to look at a %dx%d matrix", n, n) : PYR_OK;
}

void pyr_symmetric_product(double *c, const double *s, const double *x, int n)
{
    cblas_dsymm(CblasColMajor, CblasLeft, CblasUpper, n, n, 1, s, n, x, n, 0, c, n);
}

void pyr_transposed_product(double *c, const double *a, const double *b, int n)
{
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, n, n, n, 1, a, n, b, n, 0, c, n);
}
