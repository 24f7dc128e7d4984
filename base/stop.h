/* stop.h - how a long call is asked to end early, in good order.
 *
 * Who calls into the library leaves a hook with its thread; loops ask it between two steps, and end with
 * PYR_E_STOPPED. The lanes of a pool (base/threads.h) ask the hook of the thread that runs them. */
#ifndef PYR_BASE_STOP_H
#define PYR_BASE_STOP_H

#include <stdbool.h>

/* `asked` returns whether to stop; lanes may call it at the same time. NULL: nobody will ask for a stop. */
typedef struct pyr_stop {
    bool (*asked)(void *ctx);
    void *ctx;
} pyr_stop;

/* Replace this thread's hook ({0} at first); returns the one before, for the caller to put back. */
pyr_stop pyr_stop_hook(pyr_stop hook);
pyr_stop pyr_stop_current(void); /* this thread's hook */

/* Whether this thread is asked to stop. */
bool pyr_stop_requested(void);
/* pyr_stop_requested, for jobs that take a callback. */
bool pyr_should_stop(void *unused);

#endif
