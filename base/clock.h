/* clock.h - time that only goes forward. */
#ifndef PYR_BASE_CLOCK_H
#define PYR_BASE_CLOCK_H

/* Seconds since some fixed moment; only differences mean something. */
double pyr_now(void);
/* Seconds that the calling thread has worked; what others on the machine do has the least part in it. */
double pyr_thread_seconds(void);

#endif
