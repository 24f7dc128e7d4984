/* planner.h - FFTW's planner, which is one per process and not for several threads at once (its manual,
 * "Thread safety"): hold this lock while plans are made or destroyed. Running a plan needs no lock. */
#ifndef PYR_PYRAMID_PLANNER_H
#define PYR_PYRAMID_PLANNER_H

void pyr_planner_lock(void);
void pyr_planner_unlock(void);

#endif
