/* openmp.h - how many threads OpenMP may use in the calling thread. */
#ifndef PYR_BASE_OPENMP_H
#define PYR_BASE_OPENMP_H

/* From now on so many; returns how many it was. Other threads are not touched. */
int pyr_openmp_threads(int n);

#endif
