/* clock.c - time that only goes forward. */
#include "base/clock.h"

#include <time.h>

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double pyr_now(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double pyr_thread_seconds(void)
{
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}
