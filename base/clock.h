/* clock.h - time that only goes forward. */
#ifndef PYR_BASE_CLOCK_H
#define PYR_BASE_CLOCK_H

/* Seconds since some fixed moment; only differences mean something. */
double pyr_now(void);

#endif
