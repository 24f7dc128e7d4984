/* child.c - runs a function in a forked process, and takes its result, its error or its death. */
#include "comparison/child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { SENTENCE = 4096 };

/* What travels before the result. */
typedef struct message {
    int status;
    char sentence[SENTENCE];
} message;

/* All n bytes through a pipe, out of `bytes` or into them. */
static bool pass(int pipe, void *bytes, size_t n, bool out)
{
    char *at = bytes;

    while (n > 0) {
        ssize_t passed = out ? write(pipe, at, n) : read(pipe, at, n);

        if (passed < 0 && errno == EINTR)
            continue;
        if (passed <= 0)
            return false;
        at += passed;
        n -= (size_t)passed;
    }
    return true;
}

static void be_child(int to, pid_t parent, pyr_status (*work)(void *, void *), void *arg, void *result,
                     size_t size)
{
    message m = {0};

    (void)setpgid(0, 0);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    if (getppid() != parent) /* it ended before that */
        _exit(1);
    m.status = work(arg, result);
    snprintf(m.sentence, sizeof m.sentence, "%s", m.status == PYR_OK ? "" : pyr_error());
    fflush(NULL);
    _exit(pass(to, &m, sizeof m, true) && pass(to, result, size, true) ? 0 : 1);
}

/* Wait in short turns, so that a stop is seen. What the child says lies in the pipe until it has ended: it is
 * smaller than the pipe (64 KiB on Linux). */
static int wait_for(pid_t child, bool (*stop)(void))
{
    bool asked = false;
    int state = 0;

    for (;;) {
        pid_t ended = waitpid(child, &state, WNOHANG);

        if (ended == child)
            return state;
        if (ended < 0 && errno != EINTR)
            return -1;
        if (stop && !asked && stop()) {
            kill(child, SIGTERM);
            asked = true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

pyr_status pyr_run_child(pyr_status (*work)(void *arg, void *result), void *arg, void *result, size_t size,
                         bool (*stop)(void))
{
    message m = {0};
    int ends[2], state;
    pid_t parent = getpid(), child;
    bool whole;

    assert(size <= 32768);
    if (pipe(ends) != 0)
        return pyr_fail(PYR_E_IO, "no pipe to a process can be made: %s", strerror(errno));
    fflush(NULL); /* or the child would write it again */
    child = fork();
    if (child < 0) {
        close(ends[0]);
        close(ends[1]);
        return pyr_fail(PYR_E_IO, "no process can be made: %s", strerror(errno));
    }
    if (child == 0) {
        close(ends[0]);
        be_child(ends[1], parent, work, arg, result, size);
    }
    close(ends[1]);
    state = wait_for(child, stop);
    whole = pass(ends[0], &m, sizeof m, false) && (size == 0 || pass(ends[0], result, size, false));
    close(ends[0]);
    if (state != -1 && WIFSIGNALED(state))
        return pyr_fail(PYR_E_IO, "the process was ended by signal %d%s", WTERMSIG(state),
                        WTERMSIG(state) == SIGKILL ? " (is memory short?)" : "");
    if (!whole)
        return pyr_fail(PYR_E_IO, "the process ended without a result");
    if (m.status != PYR_OK)
        pyr_error_set(m.sentence);
    return (pyr_status)m.status;
}
