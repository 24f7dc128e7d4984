/* planner.c - the lock of FFTW's planner. */
#include "pyramid/planner.h"

#include <pthread.h>

static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

void pyr_planner_lock(void)
{
    pthread_mutex_lock(&planner);
}

void pyr_planner_unlock(void)
{
    pthread_mutex_unlock(&planner);
}
