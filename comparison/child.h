/* child.h - work in a process of its own: its memory is measured alone, and what it leaves behind is gone. */
#ifndef PYR_COMPARISON_CHILD_H
#define PYR_COMPARISON_CHILD_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

/* Run `work` in a forked child and wait. What it writes into `result` (`size` bytes, at most 32768, without
 * pointers) and its sentence come back; result may be NULL when size is 0. No threads may run when this is
 * called. The child is in a process group of its own, so that Ctrl-C reaches it once: when `stop` (NULL:
 * never) says so it gets SIGTERM, and is waited for. When its parent dies it gets SIGTERM, too (on Linux), so
 * that a training writes its checkpoint first; it keeps the locks that the parent had.
 * The status is the work's; PYR_E_IO when no child can be had or a signal ended it. */
pyr_status pyr_run_child(pyr_status (*work)(void *arg, void *result), void *arg, void *result, size_t size,
                         bool (*stop)(void));

#endif
