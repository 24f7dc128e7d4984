/* call.h - what every function of include/pyrdiff.h does around its work: the calling thread's locale and
 * OpenMP threads, the callback, the wish to stop. */
#ifndef PYR_API_CALL_H
#define PYR_API_CALL_H

#include "base/status.h"
#include "base/stop.h"
#include "include/pyrdiff.h"
#include "layouts/reading.h"
#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct pyr_call {
    pyrdiff_callback callback; /* NULL: none */
    void *ctx;
    pthread_t thread;
    atomic_bool stopped; /* the callback asked for it; lanes read it */
    pyr_stop stop;       /* the thread's before, as the next two */
    locale_t c, locale;
    int openmp;
} pyr_call;

/* Between them the thread has the "C" locale and one OpenMP thread, and loops ask the callback whether to
 * stop. _end returns its status. */
void pyr_call_begin(pyr_call *call, pyrdiff_callback callback, void *ctx);
int pyr_call_end(pyr_call *call, pyr_status status);

/* Fill size and what is not said, and call back; on the calling thread alone. */
pyrdiff_event pyr_call_event(pyrdiff_event_kind kind);
void pyr_call_report(pyr_call *call, const pyrdiff_event *event);
void pyr_call_note(void *call, const char *line);                                              /* NOTE */
void pyr_call_say(pyr_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* NOTE */
void pyr_call_images(void *call, int64_t done, int64_t total, double images_per_s);            /* IMAGES */
pyr_reading pyr_call_reading(pyr_call *call);                                                  /* READING */

/* The first `size` bytes of a structure of ours into a caller's, whose first member says how much room it
 * has: of a caller of an older or a newer version. */
void pyr_give(void *to, const void *from, size_t size);

#endif
