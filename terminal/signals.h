/* signals.h - how the program is asked to end early, in good order: by a signal. */
#ifndef PYR_TERMINAL_SIGNALS_H
#define PYR_TERMINAL_SIGNALS_H

#include <stdbool.h>

/* How long further signals are taken for the same request as the first one, in seconds: GNU timeout signals a
 * child and then its group, Slurm and Kubernetes repeat. After that one ends the process at once. */
enum { PYR_STOP_PATIENCE = 3 };

/* From now on SIGINT, SIGTERM, SIGXCPU (a limit on processor time) and SIGHUP (a closed terminal, a lost ssh;
 * unless it is ignored, as under nohup) ask for a stop: pyr_signalled() tells. Nor does a terminal or a reader
 * that is gone end or halt the process: SIGPIPE and SIGTTOU are ignored. */
void pyr_take_signals(void);

/* Whether one has come. */
bool pyr_signalled(void);

/* Both for what this thread runs (base/stop.h): loops end after the current step. */
void pyr_stop_on_signals(void);

#endif
