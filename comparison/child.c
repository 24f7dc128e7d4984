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

static bool write_all(int to, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        ssize_t written = write(to, at, n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        n -= (size_t)written;
    }
    return true;
}

static bool read_all(int from, void *bytes, size_t n)
{
    char *at = bytes;

    while (n > 0) {
        ssize_t got = read(from, at, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
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
    _exit(write_all(to, &m, sizeof m) && write_all(to, result, size) ? 0 : 1);
}

/* Wait in short turns, so that a stop is seen. What the child says lies in the pipe until it has ended: it is
 * smaller than the pipe (64 KiB on Linux). */
static int wait_for(pid_t child, bool (*stop)(void))
{
    bool told = false;
    int state = 0;

    for (;;) {
        pid_t ended = waitpid(child, &state, WNOHANG);

        if (ended == child)
            return state;
        if (ended < 0 && errno != EINTR)
            return -1;
        if (stop && !told && stop()) {
            kill(child, SIGTERM);
            told = true;
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
    whole = read_all(ends[0], &m, sizeof m) && (size == 0 || read_all(ends[0], result, size));
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
