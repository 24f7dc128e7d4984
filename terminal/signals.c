/* signals.c - signals that ask for a stop, or end the process. */
#include "terminal/signals.h"

#include "base/stop.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t seen;
static struct timespec first;
static volatile sig_atomic_t at_terminal;

/* Only what POSIX allows in a handler. */
static void on_signal(int number)
{
    static const char line[] = "\nstopping in good order; Ctrl-C again after 3 seconds ends it at once\n";
    int error = errno;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!seen) {
        first = now;
        seen = 1;
        if (at_terminal)
            (void)!write(STDERR_FILENO, line, sizeof line - 1);
    } else if ((now.tv_sec - first.tv_sec) * 1000 + (now.tv_nsec - first.tv_nsec) / 1000000 >=
               PYR_STOP_PATIENCE * 1000) {
        signal(number, SIG_DFL);
        raise(number); /* when this handler has returned */
    }
    errno = error;
}

static void handle(int number)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART; /* a checkpoint that is being written should not fail */
    sigaction(number, &action, NULL);
}

void pyr_take_signals(void)
{
    struct sigaction old;

    at_terminal = isatty(STDERR_FILENO);
    handle(SIGINT);
    handle(SIGTERM);
    handle(SIGXCPU);
    if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        handle(SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
}

bool pyr_signalled(void)
{
    return seen;
}

static bool asked(void *unused)
{
    (void)unused;
    return pyr_signalled();
}

void pyr_stop_on_signals(void)
{
    pyr_take_signals();
    pyr_stop_hook((pyr_stop){.asked = asked});
}
