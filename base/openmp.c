/* openmp.c - OpenMP's setting of the calling thread. */
#include "base/openmp.h"

#include <omp.h>

int pyr_openmp_threads(int n)
{
    int before = omp_get_max_threads();

    omp_set_num_threads(n);
    return before;
}
