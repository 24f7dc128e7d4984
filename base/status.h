/* status.h - how a function says that it failed.
 *
 * A function that can fail returns pyr_status: PYR_OK (0), or a negative code
 * for what a caller can act on. The sentence that a person reads (what, where,
 * which value, what to do) is kept per thread and read with pyr_error().
 * A broken promise inside the program is an assert, not a status. */
#ifndef PYR_BASE_STATUS_H
#define PYR_BASE_STATUS_H

typedef enum pyr_status {
    PYR_OK = 0,
    PYR_E_NOMEM = -1,       /* memory could not be had */
    PYR_E_ARG = -2,         /* an option or argument is out of its range */
    PYR_E_SHAPE = -3,       /* sizes do not fit together */
    PYR_E_IO = -4,          /* the operating system refused (missing file, full disk) */
    PYR_E_FORMAT = -5,      /* a file's content is not what it should be */
    PYR_E_CONFIG = -6,      /* a setting is unknown, malformed or contradicts another */
    PYR_E_UNSUPPORTED = -7, /* valid, but not offered here */
    PYR_E_DEVICE = -8,      /* oneDNN, CUDA or cuDNN reported an error */
    PYR_E_NUMERIC = -9,     /* loss or gradient not finite, several times in a row */
    PYR_E_BUSY = -10,       /* another process works on it */
    PYR_E_STOPPED = -11     /* ended early on request (SIGINT, SIGTERM, SIGHUP) */
} pyr_status;

/* Store the sentence for this thread and return `code`. Arguments may point
 * into the current sentence. What %s and %c bring is shown as in base/shown.h:
 * no name reaches a terminal raw, and newlines are those of the format. A text
 * longer than 4095 bytes is cut. */
pyr_status pyr_fail(pyr_status code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "prefix: " before the current sentence and return `code` unchanged. */
pyr_status pyr_fail_prefix(pyr_status code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same for a finished text whose newlines are ours (a table); the names in it were added by
 * pyr_shown_add. */
pyr_status pyr_fail_lines(pyr_status code, const char *text);

/* The last sentence of this thread; "" when there was none. Valid until the
 * next pyr_fail of this thread. */
const char *pyr_error(void);

/* Set this thread's sentence, as when a worker's failure is handed to the
 * thread that waits for it. */
void pyr_error_set(const char *sentence);

/* Forward a failure to the caller. */
#define PYR_TRY(call)                                                                                        \
    do {                                                                                                     \
        pyr_status pyr_try_status = (call);                                                                  \
        if (pyr_try_status != PYR_OK)                                                                        \
            return pyr_try_status;                                                                           \
    } while (0)

/* Forward a failure to the label `out` of the current function, which frees
 * what it holds and returns `status`. */
#define PYR_TRY_OUT(call)                                                                                    \
    do {                                                                                                     \
        status = (call);                                                                                     \
        if (status != PYR_OK)                                                                                \
            goto out;                                                                                        \
    } while (0)

#endif
